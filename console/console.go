// Package console is the page that people see: the virtual phones with their conversations, and
// beside them the live story of the platform, on the admin listener.
//
// It is a client of the management API and the sandbox API and of nothing else (border 19 of the
// layout): for the first paint it calls their handlers in the process, after that the page's script
// calls them over HTTP with the cookie that the sign-in gave. So there is nothing that only the
// console can do, and whatever is on the page can be had with curl.
//
//	/            the start: goes to /phones, or, without a virtual network, shows the links and the stream
//	/phones      the phones and the stream
//	/phones/{number}/page?path=…   opens a page of the platform in that phone's browser
//	/requests    the newest calls; ?find=… goes to the page of a call or a text
//	/requests/{id}                 what happened to a call, down to receipts and callbacks
//	/messages    the newest texts
//	/messages/{id}                 what happened to a text
//	/apps        the apps and what they have used of their quotas
//	/apps/{name}                   all about an app, and the lines that change it
//	/subscribers the newest consents
//	/subscribers/{number}          the consents, opt-outs and browsers of a subscriber
//	/audit       who changed what
//	/callback    the redirect address of the demo app: what an app does with a code
//	/signin      asks for the admin token; ?code=… is the link that `longlines serve` prints
//	/signout     forgets the cookie
//	/console/…   script, style, icon; named by their content, so a browser keeps them for good
//
// The pages are made on the server. Those of the phones and the stream are brought to life by a script
// without a framework or a build step; the others are whole without one. They load nothing from
// anywhere else, because they must work in closed networks, and their Content-Security-Policy allows
// nothing else either. Everything but the sign-in page and /callback is behind the [Guard]; whoever
// signs in comes to the page that was asked for.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// Guard decides who may see the console. [longlines/api/adminv1] has the one that there is.
type Guard interface {
	// SignIn checks a token or a code that a person gave and, if it is good, sets the cookie.
	SignIn(w http.ResponseWriter, r *http.Request, token, code string) bool
	// SignOut forgets the cookie.
	SignOut(w http.ResponseWriter)
	// Wrap serves next to whom it lets in, and denied to others.
	Wrap(next, denied http.Handler) http.Handler
}

// Config is what the console shows. Guard and Admin are required.
type Config struct {
	Guard Guard
	// Admin is the handler of /admin/v1/, without a guard. Whoever mounts the console mounts it, with
	// the guard, on the same listener: the page's script calls it there.
	Admin http.Handler
	// Sandbox is the handler of /sandbox/v1/, likewise; nil if no virtual network is attached.
	Sandbox http.Handler

	APIURL    string   // of the API listener, as apps reach it: "http://127.0.0.1:8100"
	ErrorsURL string   // of the error catalogue; default APIURL + "/errors"
	Demo      *DemoApp // fills the curl lines and the button that sends; nil: neither is shown
	Habits    []Habit  // the numbers that behave in a way of their own; none: the table is not shown
	Version   string   // of Longlines

	// Now is the clock of the platform, by which the minute of a quota ends; default time.Now.
	Now func() time.Time

	// PhoneURL is where the browser of a phone, "+14255550100", finds a page of the platform; path begins
	// with a slash and may have a query. nil: phones have no browser, and none is offered.
	PhoneURL func(number, path string) string
}

// DemoApp is the app that a platform without a configuration has.
type DemoApp struct {
	Name        string // default "demo"
	Key, Secret string
	ShortCode   string
	// AuthorizePath begins a consent: "/oauth/v4/authorize?client_id=…", with the redirect to /callback of
	// the console. "": none is offered.
	AuthorizePath string
}

// Habit says what texts to a magic number meet (docs/reference/conventions.md §3.11).
type Habit struct {
	NN   int    // the last two digits of 555-01NN, 0 to 99
	Text string // in a few words: "delivered, then replies OK"
}

//go:embed page static
var files embed.FS

// maxForm is the longest sign-in form, in octets.
const maxForm = 4 << 10

// console carries the parts to the handlers.
type console struct {
	Config
	pages  *template.Template
	assets map[string]asset  // by path: "/console/app.0123456789.js"
	names  map[string]string // path by file name: "app.js"
	csrf   *http.CrossOriginProtection

	// Pages for whom the guard does not know carry their style and script: nothing else is served to them.
	signin, landing inline
}

// inline is what a page carries within it, and the Content-Security-Policy that lets it.
type inline struct {
	Style  template.CSS
	Script template.JS
	policy string
}

// asset is an embedded file as it is served.
type asset struct {
	contentType string
	body        []byte
}

// contentTypes of the embedded files. The system's table is not asked: some say that a script is text.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// New returns the handler of the console's paths.
func New(c Config) http.Handler {
	c.APIURL = strings.TrimRight(c.APIURL, "/")
	if c.ErrorsURL == "" && c.APIURL != "" {
		c.ErrorsURL = c.APIURL + "/errors"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Demo != nil && c.Demo.Name == "" {
		d := *c.Demo
		d.Name = "demo"
		c.Demo = &d
	}
	x := &console{Config: c, assets: map[string]asset{}, names: map[string]string{}, csrf: http.NewCrossOriginProtection()}
	x.load()
	x.pages = template.Must(template.New("").Funcs(template.FuncMap{
		"asset": func(name string) string { return x.names[name] },
		"quote": quote, "show": showNumber, "magic": magicNumber,
	}).ParseFS(files, "page/*.html"))

	mux := http.NewServeMux()
	page := func(pattern string, serve http.HandlerFunc) {
		mux.Handle(pattern, c.Guard.Wrap(serve, http.HandlerFunc(x.askToken)))
	}
	page("GET /{$}", x.start)
	page("GET /phones", x.phones)
	page("GET /phones/{number}/page", x.phonePage)
	x.requestPages(page)
	x.peoplePages(page)
	if c.Demo != nil {
		mux.Handle("GET /callback", c.Guard.Wrap(x.callback(c.Demo), x.callback(nil)))
	}
	mux.Handle("GET /signin", c.Guard.Wrap(toStart, http.HandlerFunc(x.askToken)))
	mux.HandleFunc("POST /signin", x.signIn)
	mux.Handle("POST /signout", c.Guard.Wrap(http.HandlerFunc(x.signOut), toStart))
	mux.Handle("GET /signout", toStart)
	mux.Handle("GET /console/", c.Guard.Wrap(http.HandlerFunc(x.asset), denied))
	mux.Handle("/", c.Guard.Wrap(http.HandlerFunc(x.missing), denied))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		// Not no-referrer: with it a browser sends "Origin: null" with our own form, which looks foreign.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		// The link of `longlines serve` may point at any page; at /callback a code is one of OAuth.
		if (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.Path != "/callback" && r.URL.Query().Has("code") {
			x.takeCode(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// pagePolicy lets a page have its own script and style, talk to its own origin, and nothing else.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// load names the embedded files by their content. An error would mean that the binary lacks a part
// of itself.
func (x *console) load() {
	within := map[string][]byte{} // that pages carry in them
	entries, err := files.ReadDir("static")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		body, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		switch e.Name() {
		case "callback.css", "callback.js", "signin.css":
			within[e.Name()] = body
			continue
		}
		ext := path.Ext(e.Name())
		at := "/console/" + strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:5]) + ext
		x.assets[at] = asset{contentTypes[ext], body}
		x.names[e.Name()] = at
	}
	x.signin.Style = template.CSS(within["signin.css"])
	x.signin.policy = fmt.Sprintf("default-src 'none'; style-src %s; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		digest(string(x.signin.Style)))
	x.landing.Style = template.CSS(slices.Concat(within["signin.css"], within["callback.css"]))
	x.landing.Script = template.JS(within["callback.js"])
	x.landing.policy = fmt.Sprintf("default-src 'none'; style-src %s; script-src %s; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "+
		"require-trusted-types-for 'script'", digest(string(x.landing.Style)), digest(string(x.landing.Script)))
}

// digest names a style or a script that a page carries (CSP Level 3 §2.3.1).
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// asset serves an embedded file. Its name changes with its content, so it may be kept for a year, but
// only by the browser: it is behind the guard.
func (x *console) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := x.assets[r.URL.Path]
	if !ok {
		x.missing(w, r)
		return
	}
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}

// denied answers a request for something that is no page.
var denied = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "sign in first: /signin", http.StatusUnauthorized)
})

// toStart leads to the first page.
var toStart = http.RedirectHandler("/", http.StatusSeeOther)

// missing answers a path that is not ours.
func (x *console) missing(w http.ResponseWriter, r *http.Request) {
	x.refused(w, r, &refusal{Status: http.StatusNotFound})
}

// render writes a page, whole or not at all.
func (x *console) render(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := x.pages.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}
