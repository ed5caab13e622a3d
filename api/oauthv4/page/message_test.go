package page_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/html"

	"longlines/api/oauthv4/page"
	"longlines/app"
	"longlines/gsm"
	"longlines/oauth"
)

func messagesOf(t *testing.T, lang string) map[string]string {
	t.Helper()
	b, err := os.ReadFile("messages/" + lang + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]string
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	// The decoder takes the last of two members with one name; people read the first.
	if n := len(regexp.MustCompile(`(?m)^  "`).FindAll(b, -1)); n != len(m) {
		t.Errorf("%s: %d lines, %d keys", lang, n, len(m))
	}
	return m
}

func TestBothLanguagesSayTheSame(t *testing.T) {
	en, es := messagesOf(t, "en"), messagesOf(t, "es")
	holes := func(s string) []string {
		return slices.Sorted(slices.Values(slices.Compact(regexp.MustCompile(`\{[a-z]+\}`).FindAllString(s, -1))))
	}
	for key, text := range en {
		other, ok := es[key]
		switch {
		case !ok:
			t.Errorf("%s is not there in Spanish", key)
		case text == "" || other == "":
			t.Errorf("%s is empty", key)
		case !slices.Equal(holes(text), holes(other)):
			t.Errorf("%s has %v in English, %v in Spanish", key, holes(text), holes(other))
		}
	}
	for key := range es {
		if _, ok := en[key]; !ok {
			t.Errorf("%s is not there in English", key)
		}
	}
	for lang, m := range map[string]map[string]string{"en": en, "es": es} {
		if n := len(strings.Fields(m["date.months"])); n != 12 {
			t.Errorf("%s has %d months", lang, n)
		}
	}
}

func TestEveryMessageIsUsed(t *testing.T) {
	var source strings.Builder
	for _, pattern := range []string{"template/*.html", "*.go"} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(b)
		}
	}
	for key := range messagesOf(t, "en") {
		// The pages of problems are named in the doc comment; a scope or a way to sign in has a test of its own.
		named := strings.TrimSuffix(strings.TrimSuffix(key, ".title"), ".text")
		if strings.HasPrefix(key, "scope.") || strings.HasPrefix(key, "how.") || strings.HasPrefix(key, "problem.") && strings.Contains(source.String(), strconv.Quote(named)) {
			continue
		}
		if !strings.Contains(source.String(), strconv.Quote(key)) {
			t.Errorf("nothing uses %s", key)
		}
	}
}

func TestEveryScopeAndEverySignInHasItsWords(t *testing.T) {
	source, err := os.ReadFile("../../../app/scope.go")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"other": true}
	for _, m := range regexp.MustCompile(`Scope = "([A-Z]+)"`).FindAllStringSubmatch(string(source), -1) {
		if !app.Scope(m[1]).Known() {
			t.Errorf("%s is no scope", m[1])
		}
		want[m[1]] = true
	}
	if len(want) < 20 {
		t.Fatalf("%d scopes", len(want))
	}
	p := pages(t, page.Brand{})
	for _, lang := range []string{"en", "es"} {
		m := messagesOf(t, lang)
		for scope := range want {
			for _, part := range []string{"title", "may", "may_not"} {
				if m["scope."+scope+"."+part] == "" {
					t.Errorf("%s: no scope.%s.%s", lang, scope, part)
				}
			}
			doc, _ := html.Parse(bytes.NewReader(p.Consent(lang, "", page.Consent{Scopes: []app.Scope{app.Scope(scope)}})))
			for _, li := range all(doc, "li") {
				if len(all(li, "path", "rect")) == 0 {
					t.Errorf("%s has no picture", scope)
				}
			}
		}
		for key := range m {
			if s, ok := strings.CutPrefix(key, "scope."); ok {
				if name, _, _ := strings.Cut(s, "."); !want[name] {
					t.Errorf("%s: %s is of no scope", lang, key)
				}
			}
		}
		how := map[string]bool{}
		for key := range m {
			if s, ok := strings.CutPrefix(key, "how."); ok {
				how[s] = true
			}
		}
		if !maps.Equal(how, map[string]bool{oauth.HowPIN: true, oauth.HowOnNetwork: true, oauth.HowRemembered: true}) {
			t.Errorf("%s: %v", lang, how)
		}
		// The texts say how long things last.
		for key, life := range map[string]string{
			"number.remember": strconv.Itoa(int(oauth.SessionLife.Hours()/24)) + " d",
			"pin.hint":        strconv.Itoa(int(oauth.PINLife.Minutes())) + " min",
		} {
			if !strings.Contains(m[key], life) {
				t.Errorf("%s: %q does not say %q", lang, m[key], life)
			}
		}
	}
}

func TestTheTextWithAPINFitsOneSegment(t *testing.T) {
	brands := []string{"", "Northwest Cellular Cooperative", "[Straße] Öl & Gás do Brasil", strings.Repeat("€", 30)}
	apps := []string{"", "Pizza", "P", "PIN", "Pizzería Ñandú", "Пицца", "比萨饼", "🍕", "{pin} {brand}", "two\nlines\u202e", long.Name, strings.Repeat("€", 200), strings.Repeat("é", 200), "\x00\xff", right.Name}
	for _, lang := range []string{"en", "es"} {
		for _, brand := range brands {
			p := pages(t, page.Brand{Name: brand})
			for _, name := range apps {
				got := p.PINText(lang, name, "123456", oauth.PINLife)
				if alphabet, units, segments := gsm.Count(got); alphabet != gsm.GSM7 || units > 160 || segments != 1 {
					t.Errorf("%s, brand %q, app %q: %v, %d units, %d segments: %q", lang, brand, name, alphabet, units, segments, got)
				}
				// A receipt quotes the first twenty characters (SMPP v3.4 appendix B), and receipts are shown.
				if strings.Index(got, "123456") < 20 || strings.Count(got, "123456") != 1 || strings.ContainsAny(got, "\n") {
					t.Errorf("%s, app %q: %q", lang, name, got)
				}
			}
		}
	}
	p := pages(t, page.Brand{})
	for _, tt := range []struct{ name, lang, app, want string }{
		{"English", "en", "Pizza", "Your PIN to sign in is 123456, for Pizza at Longlines. It lasts 10 min. Nobody from us will ask for it."},
		{"Spanish", "es", "Pizza", "Su PIN para acceder es 123456, para Pizza en Longlines. Vence en 10 min. No lo comparta: nunca se lo pediremos."},
		{"no app", "en", "", "Your PIN to sign in is 123456, for Longlines. It lasts 10 min. Nobody from us will ask for it."},
		{"accents that texts lack", "en", "Pizzería Ñandú", "Your PIN to sign in is 123456, for Pizzeria Ñandu at Longlines. It lasts 10 min. Nobody from us will ask for it."},
		{"letters that texts lack", "en", "Пицца", "Your PIN to sign in is 123456, for Longlines. It lasts 10 min. Nobody from us will ask for it."},
		{"a name with our own braces", "en", "{pin}", "Your PIN to sign in is 123456, for {pin} at Longlines. It lasts 10 min. Nobody from us will ask for it."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := p.PINText(tt.lang, tt.app, "123456", 10*time.Minute); got != tt.want {
				t.Errorf("%q", got)
			}
		})
	}
}

// FuzzTheNameOfAnApp holds that a name of a stranger's stays a name: the page has the elements that it
// has with any other, nothing turns the direction of the text or breaks the line, and the text with the
// PIN still fits.
func FuzzTheNameOfAnApp(f *testing.F) {
	for _, s := range []string{"Pizza", `<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, "</bdi></h1>", "{app}{owner}", "a\u202eb\u2066c\u200d", "two\r\nlines", "\xff\x00", long.Name, right.Name, "<!--", "&lt;b&gt;"} {
		f.Add(s, s)
	}
	p := pages(f, page.Brand{})
	elements := func(name, owner string) (list []string) {
		for _, body := range [][]byte{
			p.Consent("en", self, page.Consent{Form: form, App: page.App{Name: name, Owner: owner, Site: owner}, Scopes: append(few, "X"), Switch: true}),
			p.Consents("es", self, page.Consents{Form: form, Given: []page.Given{{App: page.App{Name: name, Owner: owner}, Scopes: few}}, Done: "consents.revoked", DoneApp: name}),
		} {
			doc, err := html.Parse(bytes.NewReader(body))
			if err != nil {
				f.Fatal(err)
			}
			walk(doc, func(n *html.Node) { list = append(list, n.Data) })
			for _, n := range all(doc, "bdi") {
				if strings.ContainsFunc(text(n), func(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) || unicode.IsControl(r) }) {
					f.Errorf("%q is shown as %q", name, text(n))
				}
			}
		}
		return list
	}
	want := elements("Pizza", "Pizza Palace")
	f.Fuzz(func(t *testing.T, name, owner string) {
		if strings.TrimSpace(owner) == "" || !strings.ContainsFunc(owner, unicode.IsLetter) {
			owner = "Pizza Palace" // an app that nobody owns has another page
		}
		if got := elements(name, owner); !slices.Equal(got, want) {
			t.Errorf("%q, %q: other elements than those of Pizza", name, owner)
		}
		if _, _, segments := gsm.Count(p.PINText("en", name, "123456", oauth.PINLife)); segments != 1 {
			t.Errorf("%q: the PIN takes %d texts", name, segments)
		}
	})
}

func FuzzLanguage(f *testing.F) {
	for _, s := range []string{"", "es-MX,es;q=0.9,en;q=0.1", "*;q=0.5", "en;q=1e400", ";;;,,,", "es;q=-1"} {
		f.Add(s)
	}
	p := pages(f, page.Brand{})
	f.Fuzz(func(t *testing.T, accept string) {
		if got := p.Language("", accept); got != "en" && got != "es" {
			t.Errorf("%q", got)
		}
	})
}

// The words about one permission do not say that another, which is asked for too, is not included.
func TestWhatIsAskedForIsNotCalledLeftOut(t *testing.T) {
	p := pages(t, page.Brand{})
	for _, c := range []struct {
		scopes, known []app.Scope
		left          int
	}{
		{[]app.Scope{"IMMN"}, nil, 1},
		{[]app.Scope{"MIM"}, nil, 1},
		{[]app.Scope{"IMMN", "MIM"}, nil, 0},
		{[]app.Scope{"IMMN"}, []app.Scope{"MIM"}, 0},
		{[]app.Scope{"SMS", "IMMN"}, nil, 1},
		{[]app.Scope{"TL", "DC"}, nil, 2},
	} {
		body := string(p.Consent("en", "", page.Consent{Scopes: c.scopes, Known: c.known}))
		if n := strings.Count(body, "Not included:"); n != c.left {
			t.Errorf("%v, known %v: %d times \"Not included\", want %d", c.scopes, c.known, n, c.left)
		}
	}
}
