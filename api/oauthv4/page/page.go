// Package page is what a subscriber sees: sign-in, PIN, consent, My consents, and what went wrong. It
// knows how things look and how they are said, and nothing of the rules: the handlers of package
// oauthv4 fill in values and get HTML back.
//
// Pages are made on the server, work without script, and are phone-sized first. Texts stand in
// messages/<language>.json; how the operator is called and looks comes from [Brand].
//
// Every form posts its ticket to Action, and says by the value of do which button was pressed: number,
// pin, resend, another, switch, allow, deny on the way to a consent; withdraw, revoke, signout, leave
// on My consents. The first button of a form is the one that the Enter key presses (HTML,
// §4.10.21.2): the way on where there is a field to fill in, the harmless one where there is none.
//
// Names of apps are written by strangers. They lose their control characters, are kept short, and stand
// isolated (UAX #9), so that none of them can turn the sentence around it.
package page

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"longlines/app"
)

//go:embed style.css icon.svg template/*.html messages/*.json
var files embed.FS

// languages are those we speak; the first is spoken to whoever speaks none of them.
var languages = []string{"en", "es"}

// Pages renders. It is safe for concurrent use.
type Pages struct {
	brand     Brand
	logoType  string // media type of Brand.Logo
	support   template.URL
	style     []byte // style.css in the colour of the brand
	icon      []byte // icon.svg likewise
	version   string // changes when one of the assets does
	messages  map[string]messages
	templates map[string]*template.Template
}

// New reads messages and templates; it says what is wrong with the brand.
func New(b Brand) (*Pages, error) {
	p := &Pages{brand: b, messages: map[string]messages{}, templates: map[string]*template.Template{}}
	if err := p.dress(); err != nil {
		return nil, err
	}
	for _, lang := range languages {
		text, err := files.ReadFile(path.Join("messages", lang+".json"))
		if err != nil {
			return nil, err
		}
		m := messages{}
		if err := json.Unmarshal(text, &m); err != nil {
			return nil, fmt.Errorf("messages/%s.json: %w", lang, err)
		}
		t, err := template.New("").Funcs(template.FuncMap{
			"t": m.html, "icon": icon, "number": m.number, "date": m.date, "agent": m.agent, "link": link,
			"asset": func(name string) string { return assetPath + name + "?" + p.version },
		}).ParseFS(files, "template/*.html")
		if err != nil {
			return nil, err
		}
		p.messages[lang], p.templates[lang] = m, t
	}
	return p, nil
}

// App is the app that asks.
type App struct {
	Name    string
	Owner   string // who runs it; "" if nobody was named
	Site    string // host of the redirect, where the subscriber goes back to; "" on My consents
	Sandbox bool   // the page says that this is a test app
}

// Form is what every form carries: hidden, as it was given.
type Form struct {
	Action string
	Ticket string
}

// Number asks for the number to sign in with.
type Number struct {
	Form
	App     *App   // nil: to see My consents
	Typed   string // what was typed before, to be corrected
	Problem string // key of a message: "number.invalid"; "" for none
	// Remember is whether the box is ticked.
	Remember bool
	CanDeny  bool // there is an app to go back to
}

// PIN asks for the PIN that was sent.
type PIN struct {
	Form
	App     *App
	Number  string // masked
	Problem string // "pin.wrong"; "" for none
}

// Consent asks whether the app may.
type Consent struct {
	Form
	App      App
	Number   string // masked
	How      string // oauth.HowPIN, HowOnNetwork, HowRemembered
	Scopes   []app.Scope
	Known    []app.Scope // those consented to before
	Switch   bool        // offer to sign in as somebody else
	Remember bool        // offer to remember this browser
}

// Given is one app on My consents.
type Given struct {
	ID     string
	App    App
	Scopes []app.Scope
	Since  time.Time
	Used   time.Time // zero: never
}

// Browser is one remembered browser.
type Browser struct {
	ID    string
	Agent string // oauth.Session.Agent
	Since time.Time
	This  bool
}

// Consents is My consents.
type Consents struct {
	Form
	Number   string // masked
	Given    []Given
	Browsers []Browser
	Leave    bool   // offer to sign out: not to whom the network knows
	Done     string // key of a message about what was just done: "consents.revoked", "consents.withdrawn", "consents.signed_out"; "" for none
	DoneApp  string // the app it was done to
	// DoneScope is what was withdrawn.
	DoneScope app.Scope
}

// Problem is a page that says what went wrong and what to do.
type Problem struct {
	Status  int
	Code    string // of the catalogue: "invalid_request"; "" when it is the subscriber's to mend
	Key     string // of the messages: "problem.expired", "problem.used", "problem.origin", "problem.app", "problem.busy"; any other: by Status
	Detail  string // for the developer: error_description
	Link    string // to the catalogue page; "" for none
	Request string // req_…
	Record  string // the address of what is recorded of it, for the developer; "" for none
	Retry   string // address to begin again at; "" for none
}

// sheet is what the frame around every page needs, and the page's own value.
type sheet struct {
	Lang, Title string
	Brand       *Brand
	Mark        bool // the project's own mark stands beside its name
	Support     template.URL
	Languages   []translation
	V           any
}

// translation is a link to the same page in another language.
type translation struct{ Lang, Name, Link string }

// Number renders the page in a language. self is the address of the page, for the links that change
// the language; "" leaves them out. So it is with the other pages.
func (p *Pages) Number(lang, self string, v Number) []byte {
	title := "number.title.own"
	if v.App != nil {
		v.App, title = shown(v.App), "number.title"
	}
	return p.render(lang, self, "number", v, title, "app", name(v.App))
}

// PIN asks for the PIN.
func (p *Pages) PIN(lang, self string, v PIN) []byte {
	if v.App != nil {
		v.App = shown(v.App)
	}
	return p.render(lang, self, "pin", v, "pin.title")
}

// Consent asks whether the app may: what is new first, then what was consented to before.
func (p *Pages) Consent(lang, self string, v Consent) []byte {
	m := p.speak(lang)
	v.App = *shown(&v.App)
	if v.How = "how." + v.How; m[v.How] == "" {
		v.How = ""
	}
	var fresh, known []permission
	all := append(slices.Clone(v.Scopes), v.Known...)
	for _, s := range v.Scopes {
		if slices.Contains(v.Known, s) {
			known = append(known, m.permission(s, true, all...))
		} else {
			fresh = append(fresh, m.permission(s, false, all...))
		}
	}
	return p.render(lang, self, "consent", struct {
		Consent
		Permissions []permission
	}{v, append(fresh, known...)}, "consent.title", "app", v.App.Name)
}

// Consents renders My consents.
func (p *Pages) Consents(lang, self string, v Consents) []byte {
	type given struct {
		Given
		Permissions []permission
	}
	m := p.speak(lang)
	list := make([]given, len(v.Given))
	for i, g := range v.Given {
		g.App = *shown(&g.App)
		list[i] = given{Given: g}
		for _, s := range g.Scopes {
			list[i].Permissions = append(list[i].Permissions, m.permission(s, false))
		}
	}
	if _, ok := m[v.Done]; !ok || !strings.HasPrefix(v.Done, "consents.") {
		v.Done = ""
	}
	v.DoneApp = clean(v.DoneApp)
	return p.render(lang, self, "consents", struct {
		Consents
		Given    []given
		DoneWhat template.HTML
	}{v, list, m.permission(v.DoneScope, false).Title}, "consents.title")
}

// Problem says what went wrong.
func (p *Pages) Problem(lang, self string, v Problem) []byte {
	if _, ok := p.speak(lang)[v.Key+".text"]; !ok || !strings.HasPrefix(v.Key, "problem.") {
		v.Key = "problem.app"
		if v.Status >= 500 {
			v.Key = "problem.busy"
		}
	}
	return p.render(lang, self, "problem", v, v.Key+".title")
}

func (p *Pages) render(lang, self, page string, v any, title string, pairs ...any) []byte {
	m := p.speak(lang)
	lang = m["language.code"]
	s := sheet{Lang: lang, Title: m.plain(title, pairs...), Brand: &p.brand, Mark: p.brand.Name == ownName && p.brand.Logo == nil, Support: p.support, V: v}
	if self != "" {
		for _, other := range languages {
			if other != lang {
				s.Languages = append(s.Languages, translation{other, p.messages[other]["language.name"], inLanguage(self, other)})
			}
		}
	}
	var b bytes.Buffer
	b.Grow(16 << 10)
	if err := p.templates[lang].ExecuteTemplate(&b, page, s); err != nil {
		panic(fmt.Sprintf("page %s: %v", page, err)) // a mistake in a template, which no value brings about
	}
	return b.Bytes()
}

// speak is the messages of a language, or of the first.
func (p *Pages) speak(lang string) messages {
	if m, ok := p.messages[lang]; ok {
		return m
	}
	return p.messages[languages[0]]
}

// inLanguage is the address with its lang changed; the rest of its query stays as it is written,
// because the app's parameters are not ours to reorder.
func inLanguage(self, lang string) string {
	self, _, _ = strings.Cut(self, "#")
	base, query, _ := strings.Cut(self, "?")
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		if key, _, _ := strings.Cut(part, "="); key != "lang" && part != "" {
			kept = append(kept, part)
		}
	}
	return base + "?" + strings.Join(append(kept, "lang="+url.QueryEscape(lang)), "&")
}

// Language picks one of ours ("en", "es"): the chosen one if it exists, else by Accept-Language, else
// English.
func (p *Pages) Language(chosen, accept string) string {
	if slices.Contains(languages, chosen) {
		return chosen
	}
	// RFC 9110 §12.5.4, of which browsers use lists with q. Regions do not matter to us.
	best, weight := languages[0], 0.0
	if len(accept) > 512 {
		accept = accept[:512]
	}
	for part := range strings.SplitSeq(accept, ",") {
		tag, param, _ := strings.Cut(part, ";")
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		q := 1.0
		if s, ok := strings.CutPrefix(strings.ReplaceAll(param, " ", ""), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(s, 64); err != nil {
				q = 0
			}
		}
		if q > weight && q <= 1 && slices.Contains(languages, primary) {
			best, weight = primary, q
		}
	}
	return best
}
