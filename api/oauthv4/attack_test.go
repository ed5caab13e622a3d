package oauthv4_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"longlines/app"
	"longlines/oauth"
	"longlines/test/visitor"
)

// answer is what came back for a form that no page would send.
type answer struct {
	status   int
	location string
	header   http.Header
	body     string
}

// send posts a form from a browser. Without an Origin the header is left out.
func (k *counter) send(t testing.TB, v *visitor.Visitor, base, path, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "text/html")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := v.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header.Get("Location"), res.Header, string(b)}
}

func filled(pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

const authorizePath = "/oauth/v4/authorize"

// TestAYesCannotBeForged is drill D10: whatever is sent in place of the form that the subscriber saw,
// nothing is decided.
func TestAYesCannotBeForged(t *testing.T) {
	k := openCounter(t, "")
	victim, mallory := k.visitor(), k.visitor()
	address := asking("pizza-key", "IMMN")
	ticket := func(v *visitor.Visitor) string {
		return k.signedIn(v, alice, address, false).Field("ticket")
	}
	own := ticket(victim)
	k.later(time.Minute)
	number := victim.Open(t, address).Field("ticket")
	k.later(10 * time.Minute) // PINs are counted over ten minutes
	others := ticket(mallory)
	fresh := ticket(victim)
	flip := func(s string, i int) string {
		b := []byte(s)
		if b[i]++; b[i] == '{' || b[i] == '[' || b[i] == ':' {
			b[i] = 'A'
		}
		return string(b)
	}
	allow := func(t string) string { return filled("do", "allow", "ticket", t) }
	for name, c := range map[string]struct {
		body   string
		header []string
		status int
	}{
		"no ticket":                                    {"do=allow", nil, 400},
		"an empty body":                                {"", nil, 400},
		"a ticket of nonsense":                         {allow("nonsense"), nil, 400},
		"a ticket with its random part changed":        {allow(flip(fresh, 0)), nil, 400},
		"a ticket with its content changed":            {allow(flip(fresh, len(fresh)/2)), nil, 400},
		"a ticket with its end cut off":                {allow(fresh[:len(fresh)-1]), nil, 400},
		"a ticket with something behind it":            {allow(fresh + "AAAA"), nil, 400},
		"a ticket with padding":                        {allow(fresh + "="), nil, 400},
		"the ticket of another browser":                {allow(others), nil, 400},
		"a ticket older than ten minutes":              {allow(own), nil, 400},
		"the ticket of the number page":                {allow(number), nil, 400},
		"from another site, by Origin":                 {allow(fresh), []string{"Origin", "https://evil.example"}, 403},
		"from another port, by Origin":                 {allow(fresh), []string{"Origin", "http://127.0.0.1:1"}, 403},
		"from another site, by Sec-Fetch-Site":         {allow(fresh), []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"from a neighbour, by Sec-Fetch-Site":          {allow(fresh), []string{"Sec-Fetch-Site", "same-site"}, 403},
		"from a frame without an origin":               {allow(fresh), []string{"Origin", "null", "Sec-Fetch-Site", "cross-site"}, 403},
		"the ticket twice":                             {allow(fresh) + "&ticket=" + fresh, nil, 400},
		"two decisions":                                {allow(fresh) + "&do=deny", nil, 400},
		"a member that nobody knows, twice":            {allow(fresh) + "&x=1&x=2", nil, 400},
		"a member that is too long":                    {allow(fresh) + "&remember=" + strings.Repeat("1", 65), nil, 400},
		"a button that the form does not have":         {filled("do", "withdraw", "ticket", fresh), nil, 400},
		"a PIN for a form that asks for none":          {filled("do", "pin", "pin", "123456", "ticket", fresh), nil, 400},
		"a form that cannot be read":                   {"do=allow&ticket=%zz", nil, 400},
		"a form with semicolons":                       {"do=allow;ticket=" + fresh, nil, 400},
		"more than 16 KiB":                             {allow(fresh) + "&pad=" + strings.Repeat("x", 17<<10), nil, 413},
		"JSON":                                         {`{"do":"allow"}`, []string{"Content-Type", "application/json"}, 415},
		"multipart":                                    {allow(fresh), []string{"Content-Type", "multipart/form-data; boundary=x"}, 415},
		"compressed":                                   {allow(fresh), []string{"Content-Encoding", "gzip"}, 415},
		"the ticket in the query":                      {"do=allow", []string{"X-Test-Query", "?ticket=" + fresh}, 400},
		"the ticket of the form on the other page":     {allow(fresh), []string{"X-Test-Path", "/consents"}, 400},
		"a refusal with the ticket of another browser": {filled("do", "deny", "ticket", others), nil, 400},
	} {
		t.Run(name, func(t *testing.T) {
			path, header := authorizePath, []string(nil)
			for i := 0; i < len(c.header); i += 2 {
				switch c.header[i] {
				case "X-Test-Query":
					path += c.header[i+1]
				case "X-Test-Path":
					path = c.header[i+1]
				default:
					header = append(header, c.header[i], c.header[i+1])
				}
			}
			a := k.send(t, victim, k.url, path, c.body, header...)
			if a.status != c.status || a.location != "" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
				t.Fatalf("%d %q %v", a.status, a.location, a.header)
			}
			guarded(t, a.header)
			if k.given("pizza-key", alice) != "" {
				t.Fatal("there is a consent")
			}
		})
	}
	t.Run("without the cookie", func(t *testing.T) {
		if a := k.send(t, k.visitor(), k.url, authorizePath, allow(fresh)); a.status != 400 || a.location != "" || k.given("pizza-key", alice) != "" {
			t.Fatalf("%d %q", a.status, a.location)
		}
	})
	t.Run("with the cookie twice", func(t *testing.T) {
		u, _ := url.Parse(k.url)
		c := victim.Client.Jar.Cookies(u)[0]
		if a := k.send(t, victim, k.url, authorizePath, allow(fresh), "Cookie", c.Name+"=other"); a.status != 400 || k.given("pizza-key", alice) != "" {
			t.Fatalf("%d %q", a.status, a.location)
		}
	})
	t.Run("by GET", func(t *testing.T) {
		p := victim.Open(t, address+"&"+allow(fresh))
		if !p.Offers("do=number") || k.given("pizza-key", alice) != "" {
			t.Fatalf("%d %v %s", p.Status, p.Location, p.Text)
		}
	})
	t.Run("the form itself is taken, with what it showed, whatever else is in it", func(t *testing.T) {
		a := k.send(t, victim, k.url, authorizePath, allow(fresh)+"&"+filled("scope", "IMMN,MIM,SMS", "client_id", "toy-key", "redirect_uri", "https://evil.example/",
			"state", "x", "number", bob.String(), "subscriber", bob.String(), "level", "sandbox"), "Sec-Fetch-Site", "same-origin")
		if a.status != 303 || !strings.HasPrefix(a.location, callback+"?") || strings.Contains(a.location, "state") {
			t.Fatalf("%d %q %s", a.status, a.location, a.body)
		}
		if got := k.given("pizza-key", alice); got != "IMMN" {
			t.Fatalf("consent %q", got)
		}
		if k.given("pizza-key", bob) != "" || k.given("toy-key", alice) != "" {
			t.Fatal("somebody else has consented")
		}
	})
	t.Run("and not again", func(t *testing.T) {
		for _, do := range []string{"allow", "deny", "allow"} {
			a := k.send(t, victim, k.url, authorizePath, filled("do", do, "ticket", fresh))
			if a.status != 400 || a.location != "" {
				t.Fatalf("%s: %d %q", do, a.status, a.location)
			}
		}
	})
}

func TestARefusalIsFinal(t *testing.T) {
	k := openCounter(t, "")
	v := k.visitor()
	p := k.signedIn(v, alice, asking("pizza-key", "IMMN", "state", "a&code=1"), false)
	ticket := p.Field("ticket")
	p = p.Press(t, "do=deny")
	denied(t, p, "access_denied")
	if p.Location.Query().Get("state") != "a&code=1" || strings.Contains(p.Location.RawQuery, "code=") {
		t.Fatalf("state is not encoded: %s", p.Location)
	}
	if a := k.send(t, v, k.url, authorizePath, filled("do", "allow", "ticket", ticket)); a.status != 400 || a.location != "" {
		t.Fatalf("allowed after the refusal: %d %q", a.status, a.location)
	}
	if k.given("pizza-key", alice) != "" {
		t.Fatal("there is a consent")
	}
	// Nobody needs to sign in for that.
	denied(t, v.Open(t, asking("pizza-key", "IMMN")).Press(t, "do=deny"), "access_denied")
	p = v.Open(t, asking("pizza-key", "IMMN")).Press(t, "do=number", "number", bob.String())
	denied(t, p.Press(t, "do=deny"), "access_denied")
}

// TestWhoHasLeftTheBrowserDecidesNothingThere: the next one at it may go back to the page.
func TestWhoHasLeftTheBrowserDecidesNothingThere(t *testing.T) {
	k := openCounter(t, "")
	v := k.visitor()
	p := k.signedIn(v, alice, asking("pizza-key", "IMMN"), false)
	ticket := p.Field("ticket")
	for range 2 { // pressed twice, it leads on all the same
		if a := k.send(t, v, k.url, authorizePath, filled("do", "switch", "ticket", ticket)); a.status != 200 {
			t.Fatalf("%d %q", a.status, a.location)
		}
	}
	if a := k.send(t, v, k.url, authorizePath, filled("do", "allow", "ticket", ticket)); a.status != 400 || a.location != "" {
		t.Fatalf("allowed by who is not there any more: %d %q", a.status, a.location)
	}
	if k.given("pizza-key", alice) != "" {
		t.Fatal("there is a consent")
	}
	coded(t, p.Press(t, "do=switch").SignIn(t, bob.String(), false, k.pin(bob)).Press(t, "do=allow"))
}

// TestTheRequestIsCheckedAgain: between the page and the decision the app may have changed.
func TestTheRequestIsCheckedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		scope  string
		change func(a *app.App) // nil: it is deleted
		want   string           // error of the redirect; "": a page
	}{
		"the app is deleted":                   {"IMMN,MIM", nil, ""},
		"all scopes are taken off":             {"IMMN", func(a *app.App) { a.Scopes = []app.Scope{"SMS", "MIM"} }, ""},
		"one of two scopes is taken off":       {"IMMN,MIM", func(a *app.App) { a.Scopes = []app.Scope{"IMMN"} }, "invalid_scope"},
		"the redirect URI has changed":         {"IMMN", func(a *app.App) { a.RedirectURI = "https://other.example/" }, ""},
		"the app takes devices on the network": {"IMMN", func(a *app.App) { a.OnNetwork = true }, "access_denied"},
	} {
		t.Run(name, func(t *testing.T) {
			k := openCounter(t, "")
			p := k.signedIn(k.visitor(), alice, asking("pizza-key", c.scope), false)
			n := k.apps.ByKey("pizza-key").ID
			var err error
			if c.change == nil {
				err = k.apps.Delete(context.Background(), n)
			} else {
				_, err = k.apps.Update(context.Background(), n, func(a *app.App) error { c.change(a); return nil })
			}
			if err != nil {
				t.Fatal(err)
			}
			p = p.Press(t, "do=allow")
			if c.want != "" {
				denied(t, p, c.want)
			} else if p.Location != nil || p.Status < 400 {
				t.Fatalf("%d %v %s", p.Status, p.Location, p.Text)
			}
			if k.given("pizza-key", alice) != "" {
				t.Fatal("there is a consent")
			}
		})
	}
}

func TestAnAnswerToOneNumberTellsNothingOfAnother(t *testing.T) {
	k := openCounter(t, "")
	v := k.visitor()
	shape := func(number string) string {
		p := v.Open(t, asking("pizza-key", "IMMN")).Press(t, "do=number", "number", number)
		if !p.Offers("do=pin") {
			t.Fatalf("%s: %d %s", number, p.Status, p.Text)
		}
		wrong := p.Press(t, "do=pin", "pin", "000000")
		return strings.ReplaceAll(p.Body, p.Field("ticket"), "") + strings.ReplaceAll(wrong.Body, wrong.Field("ticket"), "")
	}
	known := shape("+14255550100")
	if k.sent(alice) != 1 {
		t.Fatal("no PIN")
	}
	// Masked, the two are the same.
	if got := shape("+14255559100"); got != known {
		t.Error("another number looks different")
	}
	for range 3 {
		shape("+14255550100")
	}
	if got := shape("+14255550100"); got != known {
		t.Error("a number with too many PINs looks different")
	}
	if k.sent(alice) != 3 {
		t.Fatalf("%d PINs", k.sent(alice))
	}
	// A number of another country is answered in the same words, and gets nothing.
	before := len(k.texts)
	if p := v.Open(t, asking("pizza-key", "IMMN")).Press(t, "do=number", "number", "+442079460000"); !p.Offers("do=pin") || len(k.texts) != before {
		t.Fatalf("%d texts, %s", len(k.texts)-before, p.Text)
	}
	// What is no number is said so, and can be corrected.
	for _, typed := range []string{"", "12", "0100", `"><script>alert(1)</script>`} {
		p := v.Open(t, asking("pizza-key", "IMMN")).Press(t, "do=number", "number", typed, "remember", "1")
		if !p.Offers("do=number") || p.Status != 200 || strings.Contains(p.Body, "<script") || p.Field("number") != typed || p.Field("remember") == "" {
			t.Errorf("%q: %d %s", typed, p.Status, p.Text)
		}
	}
}

func TestSigningInTakesItsSteps(t *testing.T) {
	k := openCounter(t, "")
	v := k.visitor()
	p := v.Open(t, asking("pizza-key", "IMMN")).Press(t, "do=number", "number", alice.String())
	first := k.pin(alice)()
	wrong := "000000"
	if first == wrong {
		wrong = "000001"
	}
	if p = p.Press(t, "do=pin", "pin", wrong); !p.Offers("do=pin") || p.Offers("do=allow") {
		t.Fatalf("a wrong PIN: %s", p.Text)
	}
	if p = p.Press(t, "do=resend"); !p.Offers("do=pin") || k.sent(alice) != 2 {
		t.Fatalf("%d PINs, %s", k.sent(alice), p.Text)
	}
	if second := k.pin(alice)(); second != first {
		if p = p.Press(t, "do=pin", "pin", first); p.Offers("do=allow") {
			t.Fatal("the first PIN is taken after the second was sent")
		}
	}
	p = p.Press(t, "do=another")
	if !p.Offers("do=number") || strings.Contains(p.Body, "4255550100") {
		t.Fatalf("another: %s", p.Text)
	}
	p = p.Press(t, "do=number", "number", bob.String())
	pin := k.pin(bob)()
	page := p.Field("ticket")
	if p = p.Press(t, "do=pin", "pin", " "+pin+" "); !p.Offers("do=allow") {
		t.Fatalf("the right PIN, with the blanks of a copy: %s", p.Text)
	}
	if a := k.send(t, v, k.url, authorizePath, filled("do", "pin", "pin", pin, "ticket", page)); a.status != 200 || strings.Contains(a.body, `value="allow"`) {
		t.Fatal("a PIN is taken twice")
	}
	// Somebody else, after all.
	if p = p.Press(t, "do=switch"); !p.Offers("do=number") {
		t.Fatalf("switch: %s", p.Text)
	}
}

func TestWhoIsOnTheNetworkMustStillBe(t *testing.T) {
	k := openCounter(t, "")
	base := k.network(app.LevelProduction)
	on := true
	v := visitor.New(t, base)
	proxy := enriched{v.Client.Transport, k, enrichment(app.LevelProduction), alice, &on}
	v.Client.Transport = proxy
	p := v.Open(t, asking("mast-key", "IMMN"))
	if !p.Offers("do=allow") || p.Offers("do=switch") {
		t.Fatalf("%d %s", p.Status, p.Text)
	}
	ticket := p.Field("ticket")
	for name, from := range map[string]func(){
		"a device that is somebody else's": func() { proxy.who = bob; v.Client.Transport = proxy },
		"a device off the network":         func() { on = false },
	} {
		on, proxy.who = true, alice
		from()
		if a := k.send(t, v, base, authorizePath, filled("do", "allow", "ticket", ticket)); a.status != 400 || a.location != "" {
			t.Errorf("%s: %d %q", name, a.status, a.location)
		}
	}
	on, proxy.who = true, alice
	v.Client.Transport = proxy
	if a := k.send(t, v, base, authorizePath, filled("do", "switch", "ticket", ticket)); a.status != 400 {
		t.Errorf("switch where the app takes the network's word only: %d", a.status)
	}
	if k.given("mast-key", alice)+k.given("mast-key", bob) != "" {
		t.Fatal("there is a consent")
	}
	coded(t, p.Press(t, "do=allow"))
	if k.given("mast-key", alice) != "IMMN" {
		t.Fatal("there is no consent")
	}
}

func TestABrowserThatWasSignedOutDecidesNothing(t *testing.T) {
	k := openCounter(t, "")
	v := k.visitor()
	coded(t, k.signedIn(v, alice, asking("pizza-key", "IMMN"), true).Press(t, "do=allow"))
	p := v.Open(t, asking("pizza-key", "MIM"))
	if !p.Offers("do=allow") {
		t.Fatal(p.Text)
	}
	if err := k.people.EndBrowsers(context.Background(), app.LevelProduction, alice, 0); err != nil {
		t.Fatal(err)
	}
	if p = p.Press(t, "do=allow"); p.Location != nil || p.Status != 400 {
		t.Fatalf("%d %v", p.Status, p.Location)
	}
	if k.given("pizza-key", alice) != "IMMN" {
		t.Fatal("there is a consent to MIM")
	}
}

func TestAPushedRequestOutlivesItsAddress(t *testing.T) {
	k := openCounter(t, "")
	a := k.apps.ByKey("pizza-key")
	uri, err := k.service.Push(context.Background(), a, url.Values{"client_id": {"pizza-key"}, "scope": {"IMMN"}, "state": {"pushed"}, "redirect_uri": {callback + "?x=1"}})
	if err != nil {
		t.Fatal(err)
	}
	v := k.visitor()
	p := k.signedIn(v, alice, "/oauth/v4/authorize?"+filled("client_id", "pizza-key", "request_uri", uri), false)
	k.later(oauth.PushedLife + time.Minute)
	p = p.Press(t, "do=allow")
	coded(t, p)
	if q := p.Location.Query(); q.Get("state") != "pushed" || q.Get("x") != "1" {
		t.Fatalf("%s", p.Location)
	}
}

func TestTheLargestRequestStillFitsItsForm(t *testing.T) {
	k := openCounter(t, "")
	state := strings.Repeat(`<"&é`, 2048/5)
	p := k.signedIn(k.visitor(), alice, asking("pizza-key", "IMMN", "state", state, "redirect_uri", callback+"?q="+strings.Repeat("x", 400)), false).Press(t, "do=allow")
	coded(t, p)
	if p.Location.Query().Get("state") != state {
		t.Fatal("state has changed on the way")
	}
}

// TestNothingSecretIsLogged looks for what must not be in a log: PINs, tickets, codes, cookies, numbers.
func TestNothingSecretIsLogged(t *testing.T) {
	k := openCounter(t, "")
	v := k.phone(alice, app.LevelProduction)
	p := v.Open(t, asking("pizza-key", "IMMN", "custom_param", bypassed, "state", "state-of-the-app"))
	secrets := []string{p.Field("ticket"), "state-of-the-app"}
	p = p.Press(t, "do=number", "number", alice.String(), "remember", "1")
	secrets = append(secrets, p.Field("ticket"), k.pin(alice)())
	p = p.Press(t, "do=pin", "pin", k.pin(alice)())
	secrets = append(secrets, p.Field("ticket"), string(alice))
	p = p.Press(t, "do=allow")
	secrets = append(secrets, coded(t, p))
	for _, c := range v.Client.Jar.Cookies(p.URL) {
		secrets = append(secrets, c.Value)
	}
	if len(secrets) < 9 {
		t.Fatalf("only %d secrets", len(secrets))
	}
	if k.log.Len() == 0 {
		t.Fatal("there is no log")
	}
	for i, s := range secrets {
		if strings.Contains(k.log.String(), s) {
			t.Errorf("secret %d is in the log: %s", i, k.log)
		}
	}
	// Nor in the page's own address, nor in what is kept of the requests.
	if slices.ContainsFunc(secrets, func(s string) bool { return strings.Contains(p.URL.String(), s) }) {
		t.Errorf("a secret is in %s", p.URL)
	}
}

func TestOfManyPressesOfOneButtonOneCounts(t *testing.T) {
	k := openCounter(t, "")
	v := k.visitor()
	ticket := k.signedIn(v, alice, asking("pizza-key", "IMMN"), false).Field("ticket")
	got := make(chan answer, 40)
	var wg sync.WaitGroup
	for i := range cap(got) {
		do := "allow"
		if i%2 == 1 {
			do = "deny"
		}
		wg.Go(func() { got <- k.send(t, v, k.url, authorizePath, filled("do", do, "ticket", ticket)) })
	}
	wg.Wait()
	close(got)
	decided := 0
	for a := range got {
		switch {
		case a.status == 303:
			decided++
			if strings.Contains(a.location, "code=") != (k.given("pizza-key", alice) != "") {
				t.Errorf("%s, but the consent is %q", a.location, k.given("pizza-key", alice))
			}
		case a.status != 400:
			t.Errorf("%d", a.status)
		}
	}
	if decided != 1 {
		t.Fatalf("%d decisions", decided)
	}
}

// TestAFormFromABrowserThatHidesItsOrigin: over plain http browsers send no Sec-Fetch-Site, and Origin:
// null from a page without referrer. The ticket decides.
func TestAFormFromABrowserThatHidesItsOrigin(t *testing.T) {
	k := openCounter(t, "")
	v, mallory := k.visitor(), k.visitor()
	p := k.signedIn(v, alice, asking("pizza-key", "IMMN"), false)
	body := filled("do", "allow", "ticket", p.Field("ticket"))
	if a := k.send(t, mallory, k.url, authorizePath, body, "Origin", "null"); a.status != 400 || k.given("pizza-key", alice) != "" {
		t.Fatalf("of another browser: %d", a.status)
	}
	if a := k.send(t, v, k.url, authorizePath, body, "Origin", "null"); a.status != 303 {
		t.Fatalf("%d %s", a.status, a.body)
	}
}

// TestAFormMayLeadToTheApp: browsers hold form-action against the redirect that follows the form.
func TestAFormMayLeadToTheApp(t *testing.T) {
	k := openCounter(t, "")
	v := k.visitor()
	for address, want := range map[string]string{
		asking("pizza-key", "IMMN"): "form-action 'self' https:;",
		asking("native-key", "IMMN", "code_challenge_method", "S256", "code_challenge", strings.Repeat("A", 43)): "form-action 'self' http:;",
		"/consents": "form-action 'self';",
		"/oauth/v4/authorize?client_id=nobody&scope=IMMN": "form-action 'self';",
	} {
		p := v.Open(t, address)
		guarded(t, p.Header)
		if csp := p.Header.Get("Content-Security-Policy"); !strings.Contains(csp, want) {
			t.Errorf("%s: %s", address, csp)
		}
	}
}

func TestABrowserMayBeRememberedAtTheConsentToo(t *testing.T) {
	k := openCounter(t, "")
	v := k.visitor()
	p := k.signedIn(v, alice, asking("pizza-key", "IMMN"), false)
	coded(t, p.Press(t, "do=allow", "remember", "1"))
	if p = v.Open(t, asking("pizza-key", "IMMN")); !p.Offers("do=allow") {
		t.Fatalf("not remembered: %s", p.Text)
	}
	// Who refuses is not remembered, and who is known by the network cannot be: whoever shares the
	// connection would be too.
	other := k.visitor()
	denied(t, k.signedIn(other, bob, asking("pizza-key", "IMMN"), false).Press(t, "do=deny", "remember", "1"), "access_denied")
	if p = other.Open(t, asking("pizza-key", "IMMN")); p.Offers("do=allow") {
		t.Fatal("remembered after a refusal")
	}
	phone := k.phone(bob, app.LevelProduction)
	p = phone.Open(t, asking("pizza-key", "IMMN"))
	base := p.URL.Scheme + "://" + p.URL.Host
	if a := k.send(t, phone, base, authorizePath, filled("do", "allow", "remember", "1", "ticket", p.Field("ticket"))); a.status != 303 || len(a.header["Set-Cookie"]) != 0 {
		t.Fatalf("%d %v", a.status, a.header)
	}
}
