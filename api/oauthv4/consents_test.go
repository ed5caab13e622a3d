package oauthv4_test

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"longlines/app"
	"longlines/number"
	"longlines/oauth"
	"longlines/test/visitor"
)

// consented gives an app what it asks for, from a browser that is not remembered.
func (k *counter) consented(who number.MSISDN, key, scope string) {
	k.t.Helper()
	coded(k.t, k.signedIn(k.visitor(), who, asking(key, scope), false).Press(k.t, "do=allow"))
}

// mine is My consents of a subscriber who has signed in.
func (k *counter) mine(v *visitor.Visitor, who number.MSISDN, address string, remember bool) *visitor.Page {
	k.t.Helper()
	p := v.Open(k.t, address)
	if !p.Offers("do=number") || p.Offers("do=deny") {
		k.t.Fatalf("not asked for the number: %s", p.Text)
	}
	p = p.SignIn(k.t, who.String(), remember, k.pin(who))
	if p.Status != 200 || p.Offers("do=pin") || !p.Offers("do=leave") {
		k.t.Fatalf("not signed in: %d %s", p.Status, p.Text)
	}
	return p
}

func TestASubscriberSeesConsentsAndTakesThemBack(t *testing.T) {
	k := openCounter(t, "")
	k.consented(alice, "pizza-key", "IMMN,MIM,SMS")
	k.consented(alice, "toy-key", "IMMN")
	k.later(10 * time.Minute)
	k.consented(bob, "pizza-key", "IMMN")

	v := k.visitor()
	p := k.mine(v, alice, "/consents", false)
	if !strings.Contains(p.Text, "pizza") || !strings.Contains(p.Text, "Pizza Palace") || strings.Contains(p.Text, "toy") || strings.Contains(p.Body, "4255550100") {
		t.Fatalf("%s", p.Text)
	}
	if p = p.Press(t, "withdraw=MIM"); k.given("pizza-key", alice) != "IMMN,SMS" || p.Offers("withdraw=MIM") || !p.Offers("withdraw=IMMN") || !p.URL.Query().Has("done") || !strings.Contains(p.Text, "can no longer do this: Read and manage your messages.") {
		t.Fatalf("%q, %s", k.given("pizza-key", alice), p.Text)
	}
	said := p.URL.String()
	told := func(p *visitor.Page) bool { return strings.Contains(p.Body, `role="status"`) }
	if !told(p) {
		t.Errorf("nothing is said: %s", p.Body)
	}
	if told(v.Open(t, "/consents")) || told(k.mine(k.visitor(), bob, strings.TrimPrefix(said, k.url), false)) {
		t.Error("it is said again, or in another browser")
	}
	k.later(2 * time.Minute)
	if told(v.Open(t, said)) || told(v.Open(t, "/consents?done=consents.revoked")) {
		t.Error("it is said after a minute, or by anybody's link")
	}
	if p = v.Open(t, "/consents").Press(t, "do=revoke"); k.given("pizza-key", alice) != "" || p.Offers("do=revoke") || !told(p) {
		t.Fatalf("%q, %s", k.given("pizza-key", alice), p.Text)
	}
	if k.given("toy-key", alice) != "IMMN" || k.given("pizza-key", bob) != "IMMN" {
		t.Fatal("another consent has gone too")
	}
	// The virtual network's subscribers are others.
	k.later(10 * time.Minute)
	if p = k.mine(v, alice, "/consents?network=virtual", false); !strings.Contains(p.Text, "toy") {
		t.Fatalf("%s", p.Text)
	}
	if p = p.Press(t, "do=revoke"); k.given("toy-key", alice) != "" || p.URL.Query().Get("network") != "virtual" {
		t.Fatalf("%q, %s", k.given("toy-key", alice), p.URL)
	}
}

func TestNobodyTouchesAnothersConsents(t *testing.T) {
	k := openCounter(t, "")
	k.consented(alice, "pizza-key", "IMMN,MIM")
	k.consented(bob, "pizza-key", "IMMN,MIM")
	mallory := k.visitor()
	p := k.mine(mallory, bob, "/consents", false)
	theirs := k.mine(k.visitor(), alice, "/consents", false)
	ticket, consent := p.Field("ticket"), theirs.Field("consent")
	if consent == "" || consent == p.Field("consent") {
		t.Fatalf("consents %q and %q", consent, p.Field("consent"))
	}
	for name, body := range map[string]string{
		"another's consent":                     filled("do", "revoke", "consent", consent, "ticket", ticket),
		"a scope of another's":                  filled("do", "withdraw", "withdraw", "MIM", "consent", consent, "ticket", ticket),
		"no scope at all":                       filled("do", "withdraw", "withdraw", "", "consent", consent, "ticket", ticket),
		"a scope that is not there":             filled("do", "withdraw", "withdraw", "SMS", "consent", p.Field("consent"), "ticket", ticket),
		"a consent that is not there":           filled("do", "revoke", "consent", strings.Repeat("0", 32), "ticket", ticket),
		"another's page":                        filled("do", "revoke", "consent", consent, "ticket", theirs.Field("ticket")),
		"another's browser":                     filled("do", "signout", "browser", theirs.Field("browser"), "ticket", ticket),
		"a decision that belongs to no consent": filled("do", "allow", "ticket", ticket),
		"another site":                          filled("do", "revoke", "consent", p.Field("consent"), "ticket", ticket, "evil", "1"),
	} {
		header := []string{"Sec-Fetch-Site", "same-origin"}
		if name == "another site" {
			header[1] = "cross-site"
		}
		if a := k.send(t, mallory, k.url, "/consents", body, header...); a.status != 303 && a.status != 400 && a.status != 403 || strings.Contains(a.location, "done=") {
			t.Errorf("%s: %d %q", name, a.status, a.location)
		}
		if k.given("pizza-key", alice) != "IMMN,MIM" || k.given("pizza-key", bob) != "IMMN,MIM" {
			t.Fatalf("%s: a consent has changed", name)
		}
	}
	if p := theirs.Press(t, "do=revoke"); p.Offers("do=revoke") || k.given("pizza-key", alice) != "" || k.given("pizza-key", bob) == "" {
		t.Fatalf("alice is signed out, or more than hers is gone: %s", p.Text)
	}
}

func TestSigningOutAndLeaving(t *testing.T) {
	k := openCounter(t, "")
	home, away := k.visitor(), k.visitor()
	k.mine(away, alice, "/consents", true)
	p := k.mine(home, alice, "/consents", false)
	who := oauth.Person{Subscriber: alice, Level: app.LevelProduction}
	living := func() int {
		list, err := k.people.Browsers(context.Background(), who)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if living() != 2 || !p.Offers("do=signout") {
		t.Fatalf("%d browsers, %s", living(), p.Text)
	}
	ids := regexp.MustCompile(`name="browser" value="([0-9a-f]{32})"`).FindAllStringSubmatch(p.Body, -1)
	if len(ids) != 2 {
		t.Fatalf("browsers %v", ids)
	}
	// The newest, which is this one, is first.
	a := k.send(t, home, k.url, "/consents", filled("do", "signout", "browser", ids[1][1], "ticket", p.Field("ticket")))
	if a.status != 303 || living() != 1 {
		t.Fatalf("%d, %d browsers", a.status, living())
	}
	if p := away.Open(t, "/consents"); !p.Offers("do=number") {
		t.Fatalf("the other browser is still signed in: %s", p.Text)
	}
	old := p.Field("ticket")
	if p = p.Press(t, "do=leave"); living() != 0 || !p.Offers("do=number") {
		t.Fatalf("%d browsers, %s", living(), p.Text)
	}
	if a = k.send(t, home, k.url, "/consents", filled("do", "leave", "ticket", old)); a.status != 400 {
		t.Fatalf("a page of before is taken after leaving: %d", a.status)
	}
	// Who does not want to be remembered is not, for longer than an hour.
	k.later(10 * time.Minute)
	k.mine(home, alice, "/consents", false)
	k.later(59 * time.Minute)
	if p := home.Open(t, "/consents"); p.Offers("do=number") {
		t.Fatal("signed out within the hour")
	}
	k.later(2 * time.Minute)
	if p := home.Open(t, "/consents"); !p.Offers("do=number") {
		t.Fatalf("signed in after more than an hour: %s", p.Text)
	}
}

func TestADeviceOnTheNetworkSeesItsConsents(t *testing.T) {
	k := openCounter(t, "")
	k.consented(alice, "pizza-key", "IMMN")
	k.consented(bob, "pizza-key", "IMMN")
	p := k.phone(alice, app.LevelProduction).Open(t, "/consents")
	if !p.Offers("do=revoke") {
		t.Fatalf("%d %s", p.Status, p.Text)
	}
	if p = p.Press(t, "do=revoke"); k.given("pizza-key", alice) != "" || k.given("pizza-key", bob) == "" || p.Offers("do=number") {
		t.Fatalf("%s", p.Text)
	}
}

func TestCookies(t *testing.T) {
	for name, c := range map[string]struct {
		issuer, prefix string
		secure         bool
	}{
		"https": {"https://api.example.com", "__Host-longlines-", true},
		"http":  {"http://127.0.0.1:8100", "longlines-", false},
	} {
		t.Run(name, func(t *testing.T) {
			k := openCounter(t, c.issuer)
			jar := map[string]*http.Cookie{}
			take := func(h http.Header) {
				for _, k := range (&http.Response{Header: h}).Cookies() {
					if !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || k.Path != "/" || k.Domain != "" || k.Secure != c.secure || !strings.HasPrefix(k.Name, c.prefix) {
						t.Errorf("%s", k)
					}
					jar[strings.TrimPrefix(k.Name, c.prefix)] = k
				}
			}
			cookies := func() string {
				var s []string
				for _, k := range jar {
					s = append(s, k.Name+"="+k.Value)
				}
				return strings.Join(s, "; ")
			}
			ticket := func(body string) string {
				_, body, _ = strings.Cut(body, `name="ticket" value="`)
				body, _, _ = strings.Cut(body, `"`)
				return body
			}
			res, body := raw(t, http.MethodGet, k.url+asking("pizza-key", "IMMN"), "", "Accept", "text/html")
			take(res.Header)
			if jar["browser"] == nil || jar["browser"].MaxAge != 0 || len(jar) != 1 {
				t.Fatalf("%v", jar)
			}
			step := func(pairs ...string) {
				t.Helper()
				res, body = raw(t, http.MethodPost, k.url+"/oauth/v4/authorize", filled(append(pairs, "ticket", ticket(body))...), "Accept", "text/html", "Cookie", cookies(), "Origin", c.issuer)
				take(res.Header)
			}
			step("do", "number", "number", alice.String(), "remember", "1")
			step("do", "pin", "pin", k.pin(alice)())
			if s := jar["session"]; s == nil || s.MaxAge != 30*24*3600 || len(jar) != 2 {
				t.Fatalf("%v", jar)
			}
			browser := jar["browser"].Value
			step("do", "allow")
			if res.StatusCode != http.StatusSeeOther || !strings.Contains(res.Header.Get("Location"), "code=") || jar["browser"].Value != browser {
				t.Fatalf("%d %v", res.StatusCode, jar)
			}
			// A cookie that is not one of ours is replaced, and one that is there twice is none.
			for _, bad := range []string{"short", strings.Repeat("x", 4000), browser + "; " + c.prefix + "browser=" + browser} {
				res, _ := raw(t, http.MethodGet, k.url+asking("pizza-key", "IMMN"), "", "Accept", "text/html", "Cookie", c.prefix+"browser="+bad)
				if got := res.Cookies(); res.StatusCode != 200 || len(got) != 1 || got[0].Value == browser {
					t.Errorf("%.40s: %d %v", bad, res.StatusCode, got)
				}
			}
		})
	}
}

func TestLanguages(t *testing.T) {
	k := openCounter(t, "")
	es := func(p *visitor.Page) bool {
		return strings.Contains(p.Body, `lang="es"`) && p.Header.Get("Content-Language") == "es"
	}
	v := k.visitor()
	p := v.Open(t, asking("pizza-key", "IMMN", "lang", "es", "state", "s"))
	if !es(p) || !strings.Contains(p.Header.Get("Vary"), "Accept-Language") {
		t.Fatalf("%v", p.Header)
	}
	if !strings.Contains(p.Body, "lang=en") || !strings.Contains(p.Body, "state=s") {
		t.Error("there is no way back to English with the same request")
	}
	p = p.Press(t, "do=number", "number", alice.String())
	if !es(p) || strings.Contains(k.texts[0].text, "is your PIN") {
		t.Fatalf("%s, %q", p.Text, k.texts[0].text)
	}
	if p = p.Press(t, "do=pin", "pin", k.pin(alice)()); !es(p) {
		t.Fatal("the consent page is in English")
	}
	if p = v.Open(t, asking("pizza-key", "IMMN", "lang", "<b>")); es(p) || strings.Contains(p.Body, "<b>") {
		t.Fatal("a language that nobody speaks is not English")
	}
	v.Header.Set("Accept-Language", "es-MX,es;q=0.9,en;q=0.1")
	if p = v.Open(t, "/consents"); !es(p) {
		t.Fatal("Accept-Language is not looked at")
	}
	if p = v.Open(t, "/oauth/v4/authorize?client_id=nobody&scope=IMMN"); !es(p) || p.Status != 401 {
		t.Fatalf("%d %s", p.Status, p.Text)
	}
}

// TestAProblemLeadsBack: a form that does not hold any more says where to begin again.
func TestAProblemLeadsBack(t *testing.T) {
	k := openCounter(t, "")
	v := k.visitor()
	p := k.signedIn(v, alice, asking("pizza-key", "IMMN", "state", "s-7", "lang", "es"), false)
	k.later(oauth.FormLife)
	p = p.Press(t, "do=allow")
	i := strings.Index(p.Body, `href="/oauth/v4/authorize?`)
	if p.Status != 400 || i < 0 {
		t.Fatalf("%d %s", p.Status, p.Body)
	}
	link, _, _ := strings.Cut(p.Body[i+len(`href="`):], `"`)
	u, err := url.Parse(strings.ReplaceAll(link, "&amp;", "&"))
	if err != nil || u.Query().Get("state") != "s-7" || u.Query().Get("lang") != "es" {
		t.Fatalf("%v %v", u, err)
	}
	if p = v.Open(t, u.String()); !p.Offers("do=number") {
		t.Fatalf("%d %s", p.Status, p.Text)
	}
	// On My consents too.
	a := k.send(t, v, k.url, "/consents", filled("do", "leave", "ticket", "x"))
	if a.status != 400 || !strings.Contains(a.body, `href="/consents"`) {
		t.Fatalf("%d %s", a.status, a.body)
	}
}

// TestAPageIsLight holds the consent page to its weight, with all that it loads.
func TestAPageIsLight(t *testing.T) {
	k := openCounter(t, "")
	p := k.signedIn(k.visitor(), alice, asking("pizza-key", "IMMN,MIM,SMS", "state", strings.Repeat("s", 200)), false)
	total := len(p.Body)
	for _, path := range []string{"/consents/style.css", "/consents/icon.svg"} {
		res, body := raw(t, http.MethodGet, k.url+path, "")
		if res.StatusCode != 200 {
			t.Fatalf("%s: %d", path, res.StatusCode)
		}
		total += len(body)
	}
	if total > 60_000 {
		t.Fatalf("%d bytes", total)
	}
	t.Logf("%d bytes, the page itself %d", total, len(p.Body))
}

func BenchmarkConsentPage(b *testing.B) {
	k := openCounter(b, "")
	v := k.visitor()
	coded(b, k.signedIn(v, alice, asking("pizza-key", "IMMN,MIM,SMS"), true).Press(b, "do=allow"))
	address := asking("pizza-key", "IMMN,MIM,SMS")
	for b.Loop() {
		if p := v.Open(b, address); !p.Offers("do=allow") {
			b.Fatal(p.Text)
		}
	}
}
