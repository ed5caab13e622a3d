// Package reference is the part of the API listener that people read: the
// error catalogue at /errors, one page for each code, the same as one JSON
// document at /errors.json and as Markdown, and /llms.txt for machines that
// read documentation.
//
// Every error reply of the platform carries
//
//	Link: <https://HOST/errors/POL0001#quota-day>; rel="describedby"
//
// and this is where it leads: what the code means, which of its meanings it
// was, what usually lies behind it, what to do, and how to see it happen in
// the sandbox. All of it is derived from the table in package fault; there is
// no second text to keep in step. The example replies are written by package
// wire, so they are what the platform really sends.
//
// The pages are rendered on the server and work without script; with it, the
// list is filtered while one types. They load nothing from anywhere else, in
// any sense: style, script and icons are embedded, and the content security
// policy allows nothing but them. style.css holds the visual language of the
// product, which other pages resemble.
//
// See docs/reference/conventions.md §3.7, §3.12, §3.13.
package reference

import (
	"bytes"
	"embed"
	"encoding/json"
	"hash/fnv"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"longlines/fault"
	"longlines/wire"
)

//go:embed style.css errors.js icon.svg page/*.html
var files embed.FS

// Config is what the reference needs to know about its surroundings.
type Config struct {
	// PublicURL is the base under which apps reach the API listener, such as
	// https://api.example.com, without a slash at the end. It is used in
	// examples and in /llms.txt. Empty: http://127.0.0.1:8100.
	PublicURL string
}

// Reference serves the pages. It has no state; its handlers may be used by
// many requests at once.
type Reference struct {
	base  string // PublicURL
	pages *template.Template
	asset string // changes when an embedded file changes
}

// New makes the reference.
func New(c Config) *Reference {
	base := strings.TrimRight(c.PublicURL, "/")
	if base == "" {
		base = "http://127.0.0.1:8100"
	}
	r := &Reference{base: base}
	h := fnv.New32a()
	for _, name := range []string{"style.css", "errors.js", "icon.svg"} {
		b, _ := files.ReadFile(name)
		h.Write(b)
	}
	r.asset = strconv.FormatUint(uint64(h.Sum32()), 36)
	r.pages = template.Must(template.New("").Funcs(template.FuncMap{
		"slug":  slug[fault.Blame],
		"icon":  icon,
		"asset": func() string { return r.asset },
	}).ParseFS(files, "page/*.html"))
	return r
}

// Routes are the handlers by their ServeMux pattern. A GET pattern serves HEAD
// too.
func (r *Reference) Routes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /{$}":                 http.RedirectHandler("/errors", http.StatusFound), // all that there is to look at here
		"GET /errors":              http.HandlerFunc(r.list),
		"GET /errors.md":           http.HandlerFunc(r.listMarkdown),
		"GET /errors.json":         http.HandlerFunc(r.listJSON),
		"GET /errors/{code}":       http.HandlerFunc(r.code),
		"GET /llms.txt":            http.HandlerFunc(r.llms),
		"GET /reference/style.css": static("style.css", "text/css; charset=utf-8"),
		"GET /reference/errors.js": static("errors.js", "text/javascript; charset=utf-8"),
		"GET /reference/icon.svg":  static("icon.svg", "image/svg+xml"),
	}
}

// view is the way in which a page is asked for.
type view int

const (
	asHTML view = iota
	asMarkdown
	asJSON
)

// viewOf chooses by Accept: Markdown or JSON where it is named and HTML is
// not, as the tools that want them do; browsers name text/html.
func viewOf(req *http.Request) view {
	accept := strings.ToLower(strings.Join(req.Header.Values("Accept"), ","))
	switch {
	case strings.Contains(accept, "text/html"):
		return asHTML
	case strings.Contains(accept, "text/markdown"):
		return asMarkdown
	case strings.Contains(accept, "application/json"):
		return asJSON
	}
	return asHTML
}

// list is GET /errors.
func (r *Reference) list(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Vary", "Accept")
	switch viewOf(req) {
	case asMarkdown:
		r.listMarkdown(w, req)
	case asJSON:
		r.listJSON(w, req)
	default:
		q := req.URL.Query()
		r.html(w, http.StatusOK, "errors.html", r.listPage(q.Get("q"), q.Get("api"), q.Get("blame")))
	}
}

func (r *Reference) listMarkdown(w http.ResponseWriter, _ *http.Request) {
	send(w, http.StatusOK, "text/markdown; charset=utf-8", r.indexMarkdown())
}

func (r *Reference) listJSON(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, struct {
		Errors []fault.Row `json:"errors"`
	}{fault.All()})
}

// code is GET /errors/{code}; {code} may end in .md or .json.
func (r *Reference) code(w http.ResponseWriter, req *http.Request) {
	name := req.PathValue("code")
	v := viewOf(req)
	w.Header().Set("Vary", "Accept")
	if s, ok := strings.CutSuffix(name, ".md"); ok {
		name, v = s, asMarkdown
	} else if s, ok := strings.CutSuffix(name, ".json"); ok {
		name, v = s, asJSON
	}
	rows := fault.ByCode(name)
	if len(rows) == 0 {
		r.unknown(w, name, v)
		return
	}
	switch {
	case v == asMarkdown:
		send(w, http.StatusOK, "text/markdown; charset=utf-8", r.codeMarkdown(rows))
	case v == asJSON:
		writeJSON(w, struct {
			Errors []fault.Row `json:"errors"`
		}{rows})
	case rows[0].Code != name:
		http.Redirect(w, req, "/errors/"+rows[0].Code, http.StatusPermanentRedirect)
	default:
		r.html(w, http.StatusOK, "code.html", r.codePage(rows))
	}
}

// unknown answers for a code that is not in the table, in the view asked for.
func (r *Reference) unknown(w http.ResponseWriter, name string, v view) {
	switch v {
	case asJSON:
		send(w, http.StatusNotFound, "application/json", wire.AppendFault(nil, wire.DialectRequestError, wire.JSON, fault.NotFound))
	case asMarkdown:
		send(w, http.StatusNotFound, "text/markdown; charset=utf-8", []byte("# No such code\n\nThe catalogue is at "+r.base+"/errors.md\n"))
	default:
		r.html(w, http.StatusNotFound, "unknown.html", unknownPage{page: page{Title: "No such code"}, Name: name, Codes: near(name)})
	}
}

// near are the codes that begin like name, or all where none does.
func near(name string) []string {
	all := fault.Codes()
	for n := min(len(name), 6); n >= 3; n-- {
		var found []string
		for _, c := range all {
			if len(c) >= n && strings.EqualFold(c[:n], name[:n]) {
				found = append(found, c)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return all
}

// llms is GET /llms.txt.
func (r *Reference) llms(w http.ResponseWriter, _ *http.Request) {
	send(w, http.StatusOK, "text/plain; charset=utf-8", r.llmsText())
}

// html renders a page. It is rendered to its end before the first byte is
// sent, so that a page is whole or an error.
func (r *Reference) html(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := r.pages.ExecuteTemplate(&b, name, data); err != nil {
		send(w, http.StatusInternalServerError, "application/json", wire.AppendFault(nil, wire.DialectRequestError, wire.JSON, fault.Internal))
		return
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.Header().Set("Referrer-Policy", "no-referrer")
	send(w, status, "text/html; charset=utf-8", b.Bytes())
}

func writeJSON(w http.ResponseWriter, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(v); err != nil {
		send(w, http.StatusInternalServerError, "application/json", wire.AppendFault(nil, wire.DialectRequestError, wire.JSON, fault.Internal))
		return
	}
	send(w, http.StatusOK, "application/json", b.Bytes())
}

func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusOK && h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "public, max-age=300")
	}
	w.WriteHeader(status)
	w.Write(body)
}

// static serves an embedded file. Pages name it with a tag that changes with
// its content, so it may be kept for long.
func static(name, contentType string) http.Handler {
	body, _ := files.ReadFile(name)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.RawQuery != "" {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		send(w, http.StatusOK, contentType, body)
	})
}

// slug is a name as it stands in a query or an attribute.
func slug[T ~string](s T) string {
	return strings.ReplaceAll(strings.ToLower(string(s)), " ", "-")
}
