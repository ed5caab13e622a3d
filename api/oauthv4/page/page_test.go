package page_test

import (
	"bytes"
	"flag"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"longlines/api/oauthv4/page"
	"longlines/app"
	"longlines/oauth"
)

var pagesDir = flag.String("pages", "", "write the pages of the tests, and their assets, into this directory")

func pages(t testing.TB, b page.Brand) *page.Pages {
	t.Helper()
	p, err := page.New(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var (
	pizza = page.App{Name: "Pizza", Owner: "Pizza Palace", Site: "pizza.example"}
	long  = page.App{Name: "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft", Owner: "The Very Long And Winding Company Of Somewhere Far Away, Incorporated", Site: "a-long-subdomain.of-a-longer-domain.customers.example.com", Sandbox: true}
	right = page.App{Name: "בית \u202eהפיצה", Owner: "مطعم البيتزا", Site: "xn--4dbcagdahymbxekheh6e0a7fei0b.example"}
	form  = page.Form{Action: "/oauth/v4/authorize?client_id=k&scope=IMMN", Ticket: "dGlja2V0"}
	self  = "/oauth/v4/authorize?client_id=k&scope=IMMN%2CMIM&lang=xx&state=a+b"
	when  = time.Date(2026, 3, 3, 14, 5, 0, 0, time.UTC)
	few   = []app.Scope{app.ScopeIMMN, app.ScopeMIM}
	eight = []app.Scope{app.ScopeSMS, app.ScopeIMMN, app.ScopeMIM, app.ScopeTL, app.ScopeWebRTCMobile, app.ScopeEmergencyServices, app.ScopeAAB, "CONSENTED:PROFILES:USAGE"}
)

// samples are pages as subscribers meet them, by name.
func samples(p *page.Pages, lang string) map[string][]byte {
	number := page.Number{Form: form, App: &pizza, CanDeny: true}
	wrong := number
	wrong.Typed, wrong.Problem, wrong.Remember = `555 "0100`, "number.invalid", true
	consent := page.Consent{Form: form, App: pizza, Number: "+1425****100", How: oauth.HowPIN, Scopes: few, Switch: true}
	again := consent
	again.Scopes, again.Known, again.How = eight, []app.Scope{app.ScopeSMS, app.ScopeIMMN}, oauth.HowRemembered
	longest := again
	longest.App, longest.Remember, longest.Scopes = long, true, eight[3:4]
	hebrew := consent
	hebrew.App = right
	given := []page.Given{
		{ID: "cns_1", App: page.App{Name: "Pizza", Owner: "Pizza Palace"}, Scopes: few, Since: when, Used: when.AddDate(0, 1, 8)},
		{ID: "cns_2", App: long, Scopes: eight[:1], Since: when.AddDate(0, 0, 2)},
		{ID: "cns_3", App: page.App{Name: right.Name}, Scopes: eight[7:], Since: when, Used: when},
	}
	browsers := []page.Browser{{ID: "ses_1", Agent: "Chrome on Android", Since: when, This: true}, {ID: "ses_2", Agent: "Browser", Since: when.AddDate(0, -1, 0)}}
	return map[string][]byte{
		"number":         p.Number(lang, self, number),
		"number-wrong":   p.Number(lang, self, wrong),
		"number-own":     p.Number(lang, "/consents", page.Number{Form: form}),
		"pin":            p.PIN(lang, self, page.PIN{Form: form, App: &pizza, Number: "•••• 0100"}),
		"pin-wrong":      p.PIN(lang, self, page.PIN{Form: form, Number: "+1425****100", Problem: "pin.wrong"}),
		"consent":        p.Consent(lang, self, consent),
		"consent-again":  p.Consent(lang, self, again),
		"consent-long":   p.Consent(lang, self, longest),
		"consent-right":  p.Consent(lang, "", hebrew),
		"consents":       p.Consents(lang, "/consents", page.Consents{Form: form, Number: "+1425****100", Given: given, Browsers: browsers, Leave: true, Done: "consents.withdrawn", DoneApp: "Pizza", DoneScope: "MIM"}),
		"consents-none":  p.Consents(lang, "/consents", page.Consents{Form: form, Number: "+1425****100", Done: "consents.revoked", DoneApp: "Pizza"}),
		"problem":        p.Problem(lang, self, page.Problem{Status: 400, Key: "problem.expired", Retry: "/oauth/v4/authorize?client_id=k"}),
		"problem-app":    p.Problem(lang, self, page.Problem{Status: 400, Code: "invalid_request", Key: "problem.app", Detail: "redirect_uri mismatch: it must begin with the address that the app has registered", Link: "/errors/invalid_request#redirect-mismatch", Request: "req_01JQ8T6C3M0000000000000000", Record: "http://127.0.0.1:8101/requests/req_01JQ8T6C3M0000000000000000"}),
		"problem-busy":   p.Problem(lang, "", page.Problem{Status: 503, Key: "problem.unheard-of", Code: "server_error", Request: "req_01JQ8T6C3M0000000000000000"}),
		"problem-used":   p.Problem(lang, self, page.Problem{Status: 400, Key: "problem.used"}),
		"problem-origin": p.Problem(lang, self, page.Problem{Status: 403, Key: "problem.origin", Retry: "/consents"}),
	}
}

func each(t *testing.T, f func(t *testing.T, lang string, body []byte, doc *html.Node)) {
	p := pages(t, page.Brand{Support: "https://help.example", Terms: "https://help.example/terms", Privacy: "https://help.example/privacy"})
	for _, lang := range []string{"en", "es"} {
		for name, body := range samples(p, lang) {
			t.Run(lang+"/"+name, func(t *testing.T) {
				doc, err := html.Parse(bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				f(t, lang, body, doc)
			})
		}
	}
}

// TestPagesCanBeLookedAt writes what a person would look at, to be kept if told where.
func TestPagesCanBeLookedAt(t *testing.T) {
	dir := *pagesDir
	if dir == "" {
		dir = t.TempDir()
	}
	logo := []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 32"><circle cx="16" cy="16" r="14" fill="#ffcc00"/><text x="38" y="22" font-family="sans-serif" font-weight="700" font-size="18" fill="#888">Acme Tel</text></svg>`)
	for name, b := range map[string]page.Brand{
		"own":  {Support: "+14255550199", Terms: "https://help.example/terms", Privacy: "https://help.example/privacy"},
		"acme": {Name: "Acme Tel", Color: "#ffcc00", Logo: logo, Support: "https://help.example"},
		"blue": {Name: "Northwest Cellular Cooperative", Color: "#1e3a8a"},
	} {
		p := pages(t, b)
		write := func(file string, body []byte) {
			file = filepath.Join(dir, name, file)
			os.MkdirAll(filepath.Dir(file), 0o755)
			if err := os.WriteFile(file, body, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for pattern, h := range p.Assets() {
			_, path, _ := strings.Cut(pattern, " ")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			write(path, w.Body.Bytes())
		}
		for _, lang := range []string{"en", "es"} {
			for page, body := range samples(p, lang) {
				write(lang+"-"+page+".html", body)
			}
		}
	}
}

// walk visits the elements of a document in the order in which they are read.
func walk(n *html.Node, f func(*html.Node)) {
	if n.Type == html.ElementNode {
		f(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		walk(c, f)
	}
}

func all(n *html.Node, names ...string) (out []*html.Node) {
	walk(n, func(n *html.Node) {
		if slices.Contains(names, n.Data) {
			out = append(out, n)
		}
	})
	return out
}

func get(n *html.Node, attr string) string {
	for _, a := range n.Attr {
		if a.Key == attr {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, attr string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == attr })
}

func text(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		b.WriteString(text(c))
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func TestEveryPageHasItsLandmarksAndHeadingsInOrder(t *testing.T) {
	each(t, func(t *testing.T, lang string, _ []byte, doc *html.Node) {
		if root := all(doc, "html")[0]; get(root, "lang") != lang {
			t.Errorf("lang %q", get(root, "lang"))
		}
		for _, name := range []string{"title", "h1", "main"} {
			if found := all(doc, name); len(found) != 1 || text(found[0]) == "" {
				t.Errorf("%d times %s", len(found), name)
			}
		}
		body := all(doc, "body")[0]
		var regions []string
		for c := body.FirstChild; c != nil; c = c.NextSibling {
			if c.Type == html.ElementNode {
				regions = append(regions, c.Data)
			}
		}
		if want := []string{"a", "header", "main", "footer"}; !slices.Equal(regions, want) {
			t.Errorf("the body has %v", regions)
		}
		last := 0
		for _, h := range all(doc, "h1", "h2", "h3", "h4") {
			level := int(h.Data[1] - '0')
			if level > last+1 {
				t.Errorf("a heading of level %d follows one of %d: %q", level, last, text(h))
			}
			if last = level; text(h) == "" {
				t.Error("an empty heading")
			}
		}
		for _, n := range all(doc, "nav", "section") {
			if !has(n, "aria-label") && !has(n, "aria-labelledby") {
				t.Errorf("a %s without a name", n.Data)
			}
		}
	})
}

func TestEveryFieldHasALabelAndEveryReferenceAnElement(t *testing.T) {
	each(t, func(t *testing.T, _ string, _ []byte, doc *html.Node) {
		ids, labels := map[string]bool{}, map[string]bool{}
		walk(doc, func(n *html.Node) {
			if id := get(n, "id"); id != "" {
				if ids[id] {
					t.Errorf("id %q is there twice", id)
				}
				ids[id] = true
			}
			if n.Data == "label" && text(n) != "" {
				labels[get(n, "for")] = true
			}
		})
		walk(doc, func(n *html.Node) {
			for _, attr := range []string{"for", "aria-describedby", "aria-labelledby"} {
				for id := range strings.FieldsSeq(get(n, attr)) {
					if !ids[id] {
						t.Errorf("%s names %q, which is nowhere", attr, id)
					}
				}
			}
			within := n.Parent != nil && n.Parent.Data == "label"
			if n.Data == "input" && get(n, "type") != "hidden" && !within && (get(n, "id") == "" || !labels[get(n, "id")]) {
				t.Errorf("the field %q has no label", get(n, "name"))
			}
			if (n.Data == "button" || n.Data == "summary" || n.Data == "a") && text(n) == "" {
				t.Errorf("a %s without a name", n.Data)
			}
			if n.Data == "img" && get(n, "alt") == "" {
				t.Error("a picture without words")
			}
			if n.Data == "svg" && get(n, "aria-hidden") != "true" && get(n.Parent, "aria-hidden") != "true" {
				t.Error("a drawing is read aloud")
			}
		})
	})
}

func TestFormsCarryTheTicketAndEnterPressesTheRightButton(t *testing.T) {
	// What Enter does is to press the first button of a form (HTML §4.10.21.2).
	first := []string{"do=number", "do=pin", "do=deny", "do=switch", "do=leave", "do=signout", "do=revoke", "withdraw="}
	each(t, func(t *testing.T, _ string, _ []byte, doc *html.Node) {
		for _, f := range all(doc, "form") {
			if get(f, "method") != "post" || get(f, "action") != form.Action {
				t.Errorf("a form with method %q and action %q", get(f, "method"), get(f, "action"))
			}
			tickets, members := 0, map[string]bool{}
			for _, in := range all(f, "input") {
				if members[get(in, "name")] {
					t.Errorf("%s is sent twice", get(in, "name"))
				}
				members[get(in, "name")] = true
				if get(in, "name") == "ticket" && get(in, "type") == "hidden" && get(in, "value") == form.Ticket {
					tickets++
				}
			}
			if tickets != 1 {
				t.Errorf("%d tickets", tickets)
			}
			buttons := all(f, "button")
			if len(buttons) == 0 {
				t.Fatal("a form without a button")
			}
			for i, b := range buttons {
				if members[get(b, "name")] {
					t.Errorf("%s is sent twice", get(b, "name"))
				}
				press := get(b, "name") + "=" + get(b, "value")
				if i == 0 && !slices.ContainsFunc(first, func(s string) bool { return strings.HasPrefix(press, s) }) {
					t.Errorf("Enter presses %s", press)
				}
				if strings.HasPrefix(press, "do=") && slices.Contains([]string{"deny", "resend", "another"}, get(b, "value")) && len(all(f, "input")) > 1 && members["number"] != members["pin"] && !has(b, "formnovalidate") {
					t.Errorf("%s waits for a field that it does not need", press)
				}
			}
		}
		for _, n := range all(doc, "input", "button") {
			if has(n, "autofocus") && get(n, "name") != "number" && get(n, "name") != "pin" {
				t.Errorf("%s has the focus", get(n, "name"))
			}
		}
	})
}

func TestPagesLoadNothingFromElsewhereAndRunNothing(t *testing.T) {
	each(t, func(t *testing.T, _ string, body []byte, doc *html.Node) {
		for _, n := range all(doc, "script", "style", "iframe", "object", "embed", "base") {
			t.Errorf("there is a %s", n.Data)
		}
		walk(doc, func(n *html.Node) {
			for _, a := range n.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
					t.Errorf("%s has the attribute %s", n.Data, a.Key)
				}
			}
			if n.Data == "link" && !strings.HasPrefix(get(n, "href"), "/consents/") || n.Data == "img" && !strings.HasPrefix(get(n, "src"), "/consents/") {
				t.Errorf("%s loads %s%s", n.Data, get(n, "href"), get(n, "src"))
			}
		})
		// What html/template writes where it does not trust a value.
		if bytes.Contains(body, []byte("ZgotmplZ")) {
			t.Error("a value was not trusted")
		}
		if found := regexp.MustCompile(`\{[a-z_]+\}`).FindString(text(all(doc, "body")[0])); found != "" {
			t.Errorf("%s is not filled in", found)
		}
	})
}

func TestAWholePageIsLight(t *testing.T) {
	p := pages(t, page.Brand{})
	assets := 0
	for pattern, h := range p.Assets() {
		assets += serve(h, pattern, "").Body.Len()
	}
	for _, lang := range []string{"en", "es"} {
		for name, body := range samples(p, lang) {
			if n := len(body) + assets; n > 48<<10 {
				t.Errorf("%s/%s weighs %d bytes with its assets", lang, name, n)
			}
		}
	}
}

func serve(h http.Handler, pattern, query string) *httptest.ResponseRecorder {
	_, path, _ := strings.Cut(pattern, " ")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path+query, nil))
	return w
}

func TestAssetsAreKeptByTheAddressThatThePagesUse(t *testing.T) {
	logo := []byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)
	p := pages(t, page.Brand{Name: "Acme Tel", Logo: logo, Color: "#FFCC00"})
	body := string(p.Number("en", "", page.Number{}))
	types := map[string]string{"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml", "logo": "image/svg+xml"}
	if len(p.Assets()) != len(types) {
		t.Errorf("%d assets", len(p.Assets()))
	}
	for pattern, h := range p.Assets() {
		path := strings.TrimPrefix(pattern, "GET ")
		at := strings.Index(body, path+"?")
		if at < 0 {
			t.Errorf("no page uses %s", path)
			continue
		}
		query, _, _ := strings.Cut(body[at+len(path):], `"`)
		w := serve(h, pattern, query)
		if got := w.Header().Get("Content-Type"); got != types[strings.TrimPrefix(path, "/consents/")] {
			t.Errorf("%s is %s", path, got)
		}
		if !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s has %v", path, w.Header())
		}
		if w := serve(h, pattern, "?old"); w.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%s of another version is kept: %v", path, w.Header())
		}
	}
	if !strings.Contains(body, `alt="Acme Tel"`) {
		t.Error("the logo has no words")
	}
	// Another brand is another version.
	if other := string(pages(t, page.Brand{Name: "Acme Tel", Logo: logo, Color: "#ffcc01"}).Number("en", "", page.Number{})); other == body {
		t.Error("another colour has the same address")
	}
}

func TestABrandIsCheckedAtOnce(t *testing.T) {
	png := append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 100)...)
	for _, tt := range []struct {
		name  string
		brand page.Brand
		fault string // part of the error; "" for none
	}{
		{"nothing is ours", page.Brand{}, ""},
		{"everything", page.Brand{Name: "Telefónica del Sur", Logo: png, Color: "#ABCDEF", Support: "https://help.example/?a=b", Terms: "http://a.example", Privacy: "https://b.example/p"}, ""},
		{"a number to call", page.Brand{Support: "(425) 555-0199"}, ""},
		{"a name that is too long", page.Brand{Name: strings.Repeat("x", 31)}, "name"},
		{"a name that a text cannot carry", page.Brand{Name: "Телеком"}, "name"},
		{"a name of a filler", page.Brand{Name: "\u3164"}, "name"},
		{"a name of Braille without a dot", page.Brand{Name: "Tele\u2800"}, "name"},
		{"a name of blanks", page.Brand{Name: " \u00a0 "}, "name"},
		{"a name of two lines", page.Brand{Name: "Tele\ncom"}, "name"},
		{"a colour by name", page.Brand{Color: "teal"}, "color"},
		{"a short colour", page.Brand{Color: "#fc0"}, "color"},
		{"a colour with a sign", page.Brand{Color: "#+fc012"}, "color"},
		{"a logo that is no picture", page.Brand{Logo: []byte("GIF89a")}, "logo"},
		{"a logo that is a page", page.Brand{Logo: []byte("<html><svg xmlns='http://www.w3.org/2000/svg'/></html>")}, "logo"},
		{"an empty logo", page.Brand{Logo: []byte{}}, "logo"},
		{"a logo that is too large", page.Brand{Logo: append(png, make([]byte, 32<<10)...)}, "logo"},
		{"a script for help", page.Brand{Support: "javascript:alert(1)"}, "support"},
		{"terms without a host", page.Brand{Terms: "/terms"}, "terms"},
		{"privacy with a password", page.Brand{Privacy: "https://a:b@c.example"}, "privacy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := page.New(tt.brand)
			if tt.fault == "" && err != nil || tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)) {
				t.Errorf("%v", err)
			}
		})
	}
	if body := string(pages(t, page.Brand{Support: "(425) 555-0199"}).Number("en", "", page.Number{})); !strings.Contains(body, `href="tel:+14255550199"`) && !strings.Contains(body, `href="tel:&#43;14255550199"`) {
		t.Error("the number cannot be called")
	}
}

// TestColoursHaveContrast reads the properties of the style sheet as it is served, in both themes, and
// checks text against the grounds it stands on (WCAG 2.2 §1.4.3: 4.5 to 1), and the edges of fields and
// buttons (§1.4.11: 3 to 1).
func TestColoursHaveContrast(t *testing.T) {
	property := regexp.MustCompile(`--([a-z0-9-]+): #([0-9a-f]{6});`)
	for _, color := range []string{"", "#ffcc00", "#1e3a8a", "#ffffff", "#000000", "#808080", "#757575", "#7a7a7a", "#ff0000", "#00ff00", "#0000ff", "#e20074", "#f97316", "#0f766f"} {
		sheet := serve(pages(t, page.Brand{Color: color}).Assets()["GET /consents/style.css"], "GET /", "").Body.String()
		theme := [2]map[string]float64{{}, {}}
		own := sheet[:strings.Index(sheet, "/* ── ground")]
		light, dark, _ := strings.Cut(own, "@media (prefers-color-scheme: dark)")
		_, brand, _ := strings.Cut(sheet, "prefers-reduced-motion")
		brandLight, brandDark, _ := strings.Cut(brand, "@media (prefers-color-scheme: dark)")
		for i, parts := range [2][2]string{{light, brandLight}, {dark, brandDark}} {
			for _, m := range property.FindAllStringSubmatch(parts[0]+parts[1], -1) {
				theme[i][m[1]] = luminance(m[2])
			}
			for _, pair := range []struct {
				a, b  string
				least float64
			}{
				{"text", "bg", 4.5}, {"text", "surface", 4.5}, {"text", "sunken", 4.5},
				{"text-2", "bg", 4.5}, {"text-2", "surface", 4.5}, {"text-2", "sunken", 4.5},
				{"accent", "bg", 4.5}, {"accent", "surface", 4.5}, {"accent", "sunken", 4.5}, {"accent", "accent-soft", 4.5},
				{"on-fill", "fill", 4.5}, {"on-fill", "fill-strong", 4.5},
				{"amber", "amber-soft", 4.5}, {"red", "red-soft", 4.5}, {"red", "surface", 4.5}, {"green", "green-soft", 4.5},
				{"edge", "surface", 3}, {"edge", "sunken", 3},
			} {
				a, okA := theme[i][pair.a]
				b, okB := theme[i][pair.b]
				if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); !okA || !okB || ratio < pair.least {
					t.Errorf("brand %q, %s: %s on %s is %.2f to 1", color, []string{"light", "dark"}[i], pair.a, pair.b, ratio)
				}
			}
		}
	}
}

// luminance is the relative luminance of a colour such as 0f766e (WCAG 2.2).
func luminance(hex string) float64 {
	v, _ := strconv.ParseUint(hex, 16, 32)
	part := func(shift uint) float64 {
		c := float64(v>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}

func TestLanguage(t *testing.T) {
	p := pages(t, page.Brand{})
	for _, tt := range []struct{ name, chosen, accept, want string }{
		{"nothing is said", "", "", "en"},
		{"the chosen one", "es", "en", "es"},
		{"one that we do not speak was chosen", "fr", "es", "es"},
		{"a region does not matter", "", "es-MX", "es"},
		{"capitals do not matter", "", "ES-419", "es"},
		{"the first of two", "", "es, en", "es"},
		{"the weightier of two", "", "en;q=0.5, es;q=0.8", "es"},
		{"blanks around the weight", "", "en; q=0.5 , es ; q=0.8", "es"},
		{"none of ours", "", "de,fr;q=0.9,*;q=0.1", "en"},
		{"ours behind others", "", "de,fr;q=0.9,es;q=0.1", "es"},
		{"one that is refused", "", "es;q=0", "en"},
		{"a weight that is none", "", "es;q=x", "en"},
		{"a weight beyond one", "", "es;q=7,en", "en"},
		{"a weight that is no number", "", "es;q=NaN,en;q=0.1", "en"},
		{"another language that begins alike", "", "est", "en"},
		{"beyond what is read", "", strings.Repeat("de,", 400) + "es", "en"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := p.Language(tt.chosen, tt.accept); got != tt.want {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestThePageInAnotherLanguageKeepsItsQuery(t *testing.T) {
	p := pages(t, page.Brand{})
	for _, tt := range []struct{ name, self, want string }{
		{"no query", "/consents", "/consents?lang=es"},
		{"the query stays as it is written", "/oauth/v4/authorize?client_id=k&scope=IMMN%2CMIM&state=a+b&x", "/oauth/v4/authorize?client_id=k&scope=IMMN%2CMIM&state=a+b&x&lang=es"},
		{"another language was chosen", "/consents?lang=en&network=virtual", "/consents?network=virtual&lang=es"},
		{"a fragment goes", "/consents?a=b#c", "/consents?a=b&lang=es"},
		{"no address", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc, _ := html.Parse(bytes.NewReader(p.Number("en", tt.self, page.Number{})))
			got := ""
			for _, n := range all(doc, "nav") {
				got = get(all(n, "a")[0], "href")
			}
			if got != tt.want {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestTheNumberPageKeepsWhatWasTypedAndSaysWhatIsWrong(t *testing.T) {
	p := pages(t, page.Brand{})
	doc, _ := html.Parse(bytes.NewReader(samples(p, "en")["number-wrong"]))
	for _, in := range all(doc, "input") {
		switch get(in, "name") {
		case "number":
			if get(in, "value") != `555 "0100` || !has(in, "autofocus") || get(in, "aria-invalid") != "true" || !strings.Contains(get(in, "aria-describedby"), "problem") {
				t.Errorf("%v", in.Attr)
			}
		case "remember":
			if !has(in, "checked") {
				t.Error("the box lost its tick")
			}
		}
	}
	alert := false
	walk(doc, func(n *html.Node) { alert = alert || get(n, "role") == "alert" && text(n) != "" })
	if !alert {
		t.Error("nothing is said")
	}
}

func TestNewPermissionsComeFirstAndOldOnesAreMarked(t *testing.T) {
	p := pages(t, page.Brand{})
	doc, _ := html.Parse(bytes.NewReader(samples(p, "en")["consent-again"]))
	var seen []string
	for _, li := range all(doc, "li") {
		seen = append(seen, text(all(li, "h3")[0]))
	}
	if len(seen) != len(eight) {
		t.Fatalf("%d permissions", len(seen))
	}
	for i, title := range seen {
		if strings.Contains(title, "already allowed") != (i >= 6) {
			t.Errorf("%d: %q", i, title)
		}
	}
	if !strings.Contains(seen[5], "CONSENTED:PROFILES:USAGE") {
		t.Errorf("the unknown permission is shown as %q", seen[5])
	}
}

func TestTimesAreSaidInTheLanguageOfThePage(t *testing.T) {
	p := pages(t, page.Brand{})
	for lang, want := range map[string][]string{
		"en": {"March 3, 2026, 14:05 UTC", "April 11, 2026, 14:05 UTC", "never", "Chrome on Android"},
		"es": {"3 de marzo de 2026, 14:05 UTC", "11 de abril de 2026, 14:05 UTC", "nunca", "Chrome en Android"},
	} {
		doc, _ := html.Parse(bytes.NewReader(samples(p, lang)["consents"]))
		for _, w := range want {
			if !strings.Contains(text(doc), w) {
				t.Errorf("%s: no %q", lang, w)
			}
		}
		if got := get(all(doc, "time")[0], "datetime"); got != "2026-03-03T14:05:00Z" {
			t.Errorf("datetime %q", got)
		}
	}
}

func TestNothingIsWithdrawnByOnePress(t *testing.T) {
	p := pages(t, page.Brand{})
	doc, _ := html.Parse(bytes.NewReader(samples(p, "en")["consents"]))
	found := 0
	for _, d := range all(doc, "details") {
		if has(d, "open") {
			t.Error("a confirmation is open already")
		}
		for _, b := range all(d, "button") {
			if get(b, "name") == "withdraw" || get(b, "value") == "revoke" {
				found++
			}
		}
	}
	if want := 3 + 2 + 1 + 1; found != want {
		t.Errorf("%d of %d buttons ask first", found, want)
	}
}

func TestANumberIsHeardWithoutItsHiddenPart(t *testing.T) {
	p := pages(t, page.Brand{})
	for masked, want := range map[string]string{
		"+1425****100": "+1425 •••• 100 the number ending in 100",
		"•••• 0100":    "•••• 0100 the number ending in 0100",
		"••••0100":     "••••0100 the number ending in 0100",
		"***100":       "•••100 the number ending in 100",
	} {
		doc, _ := html.Parse(bytes.NewReader(p.Consents("en", "", page.Consents{Number: masked})))
		got := ""
		for _, s := range all(doc, "span") {
			if get(s, "class") == "number" {
				got = text(s.FirstChild) + " " + text(s.LastChild)
			}
		}
		if strings.Join(strings.Fields(got), " ") != want {
			t.Errorf("%s: %q", masked, got)
		}
	}
}

func TestAnUnheardOfProblemIsStillAPage(t *testing.T) {
	p := pages(t, page.Brand{})
	for _, tt := range []struct {
		key    string
		status int
		like   string
	}{
		{"problem.nothing", 400, "problem.app"}, {"", 503, "problem.busy"}, {"number", 400, "problem.app"},
	} {
		a, b := p.Problem("en", "", page.Problem{Key: tt.key, Status: tt.status}), p.Problem("en", "", page.Problem{Key: tt.like, Status: tt.status})
		if !bytes.Equal(a, b) {
			t.Errorf("%q with %d is not %s", tt.key, tt.status, tt.like)
		}
	}
	if bytes.Contains(p.Consents("en", "", page.Consents{Done: "pin.text"}), []byte(`role="status"`)) {
		t.Error("any text is shown as what was done")
	}
	if !bytes.Contains(p.Consent("xx", "", page.Consent{How: "by magic"}), []byte(`lang="en"`)) {
		t.Error("no English")
	}
}

func BenchmarkConsent(b *testing.B) {
	p := pages(b, page.Brand{})
	v := page.Consent{Form: form, App: pizza, Number: "+1425****100", How: oauth.HowPIN, Scopes: eight, Switch: true}
	b.ReportAllocs()
	for b.Loop() {
		p.Consent("en", self, v)
	}
}
