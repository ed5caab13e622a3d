package oauthv4_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"longlines/api/oauthv4"
	"longlines/api/oauthv4/page"
	"longlines/app"
	"longlines/audit"
	"longlines/gateway"
	"longlines/number"
	"longlines/oauth"
	"longlines/quota"
	"longlines/store"
	"longlines/test/visitor"
)

const (
	alice    = number.MSISDN("14255550100")
	bob      = number.MSISDN("14255550101")
	callback = "https://pizza.example/callback"
)

// counter is the platform as subscribers meet it: the pages on the API listener, with the real store and
// gateway, a clock of its own, and phones on which PINs arrive.
type counter struct {
	t       testing.TB
	store   *store.Store
	apps    *app.Directory
	service *oauth.Service
	people  *oauth.Subscribers
	gateway *gateway.Gateway
	url     string
	log     *bytes.Buffer
	logger  *slog.Logger

	mu        sync.Mutex
	now       time.Time
	texts     []text
	meanwhile func() // once, just before an approval comes to the store
}

// doors is the store, with a moment in front of it in which a test lets something happen.
type doors struct {
	*store.Store
	k *counter
}

func (d doors) Approve(ctx context.Context, a *oauth.Approval) error {
	d.k.mu.Lock()
	f := d.k.meanwhile
	d.k.meanwhile = nil
	d.k.mu.Unlock()
	if f != nil {
		f()
	}
	return d.Store.Approve(ctx, a)
}

type text struct {
	level app.Level
	to    number.MSISDN
	text  string
}

// Text takes what is sent to a phone.
func (k *counter) Text(_ context.Context, l app.Level, to number.MSISDN, words string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.texts = append(k.texts, text{l, to, words})
	return nil
}

func (k *counter) clock() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now
}

// later moves the clock.
func (k *counter) later(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = k.now.Add(d)
}

// pin is the last PIN that a phone got.
func (k *counter) pin(to number.MSISDN) func() string {
	return func() string {
		k.t.Helper()
		k.mu.Lock()
		defer k.mu.Unlock()
		for i := len(k.texts) - 1; i >= 0; i-- {
			if k.texts[i].to == to {
				return regexp.MustCompile(`\b\d{6}\b`).FindString(k.texts[i].text)
			}
		}
		k.t.Fatalf("no PIN on %s", to)
		return ""
	}
}

func (k *counter) sent(to number.MSISDN) (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, x := range k.texts {
		if x.to == to {
			n++
		}
	}
	return n
}

// openCounter makes one. The issuer is the address unless another is given.
func openCounter(t testing.TB, issuer string) *counter {
	t.Helper()
	ctx := context.Background()
	k := &counter{t: t, log: &bytes.Buffer{}, now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	var err error
	if k.store, err = store.Open(ctx, store.Config{Ephemeral: true, Now: k.clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.store.Close(context.Background()) })
	if k.apps, err = app.NewDirectory(ctx, k.store, app.Config{Now: k.clock}); err != nil {
		t.Fatal(err)
	}
	var handler http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	k.url = srv.URL
	if issuer == "" {
		issuer = srv.URL
	}
	log := slog.New(slog.NewTextHandler(k.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	k.logger = log
	key := bytes.Repeat([]byte{7}, 32)
	k.service, err = oauth.New(oauth.Config{Store: doors{k.store, k}, Sealer: k.store.Sealer(), Apps: k.apps, Now: k.clock, Log: log, Issuer: issuer})
	if err != nil {
		t.Fatal(err)
	}
	k.people, err = oauth.NewSubscribers(oauth.SubscribersConfig{Store: k.store, Sealer: k.store.Sealer(), Now: k.clock, Log: log, Key: key, Texter: k, Home: []string{"1"}})
	if err != nil {
		t.Fatal(err)
	}
	meter, err := quota.New(quota.Config{Source: k.store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(meter.Close)
	pages, err := page.New(page.Brand{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Config{
		Endpoints: oauthv4.Endpoints(oauthv4.Config{Service: k.service, Pages: pages, Subscribers: k.people, Key: key, Now: k.clock, Log: log, Issuer: issuer,
			Requests: "http://console.example/requests/"}),
		Pages: pages.Assets(), Tokens: k.service, Apps: k.apps, Meter: meter, Store: k.store, Now: k.clock, Log: log, Details: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	k.gateway, handler = g, g
	k.app(app.App{Name: "pizza", Key: "pizza-key", Owner: "Pizza Palace", Level: app.LevelProduction, Scopes: []app.Scope{"IMMN", "MIM", "SMS"}, RedirectURI: callback})
	k.app(app.App{Name: "toy", Key: "toy-key", Level: app.LevelSandbox, Scopes: []app.Scope{"IMMN"}, RedirectURI: callback})
	k.app(app.App{Name: "mast", Key: "mast-key", Level: app.LevelProduction, Scopes: []app.Scope{"IMMN"}, RedirectURI: callback, OnNetwork: true})
	k.app(app.App{Name: "native", Key: "native-key", Level: app.LevelProduction, Auth: app.AuthNone, Scopes: []app.Scope{"IMMN"}, RedirectURI: "http://127.0.0.1/done"})
	return k
}

func (k *counter) app(a app.App) *app.App {
	k.t.Helper()
	secret := "a-secret-of-" + a.Name
	if a.Auth == app.AuthNone {
		secret = ""
	}
	made, _, err := k.apps.Create(context.Background(), a, secret)
	if err != nil {
		k.t.Fatal(err)
	}
	return made
}

func (k *counter) visitor() *visitor.Visitor { return visitor.New(k.t, k.url) }

// asking is the address to which an app sends a subscriber; more are further parameters.
func asking(key, scope string, more ...string) string {
	v := url.Values{"client_id": {key}, "scope": {scope}}
	for i := 0; i+1 < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return "/oauth/v4/authorize?" + v.Encode()
}

const (
	suppressed = "suppress_landing_page"
	bypassed   = "bypass_onnetwork_auth"
)

// signedIn is the consent page of a subscriber who has signed in by PIN.
func (k *counter) signedIn(v *visitor.Visitor, who number.MSISDN, address string, remember bool) *visitor.Page {
	k.t.Helper()
	p := v.Open(k.t, address).SignIn(k.t, who.String(), remember, k.pin(who))
	if !p.Offers("do=allow") {
		k.t.Fatalf("no consent page, but %d %s", p.Status, p.Text)
	}
	return p
}

// coded checks that a page has led back to the app with a code, and returns it.
func coded(t testing.TB, p *visitor.Page) string {
	t.Helper()
	if p.Location == nil || !strings.HasPrefix(p.Location.String(), callback+"?") || len(p.Location.Query().Get("code")) != 64 {
		t.Fatalf("no code, but %d %v %s", p.Status, p.Location, p.Text)
	}
	return p.Location.Query().Get("code")
}

// denied checks that a page has led back to the app with an error.
func denied(t testing.TB, p *visitor.Page, code string) {
	t.Helper()
	if p.Location == nil || p.Location.Query().Get("error") != code || p.Location.Query().Get("error_description") == "" || p.Location.Query().Has("code") {
		t.Fatalf("not %s, but %d %v %s", code, p.Status, p.Location, p.Text)
	}
}

// given is what a subscriber's consent to an app covers.
func (k *counter) given(key string, who number.MSISDN) string {
	k.t.Helper()
	c, _, err := k.store.Consent(context.Background(), k.apps.ByKey(key).Tenant(), who)
	if err != nil {
		k.t.Fatal(err)
	}
	return c.Scopes
}

func TestASubscriberConsentsByPIN(t *testing.T) {
	k := openCounter(t, "")
	v := k.visitor()
	p := v.Open(t, asking("pizza-key", "IMMN,MIM", "state", "s-1"))
	if p.Status != 200 || !strings.Contains(p.Text, "pizza") || !p.Offers("do=number") || !p.Offers("do=deny") {
		t.Fatalf("%d %s", p.Status, p.Text)
	}
	p = p.Press(t, "do=number", "number", "(425) 555-0100")
	if p.Status != 200 || !p.Offers("do=pin") || !p.Offers("do=resend") || !p.Offers("do=another") {
		t.Fatalf("%d %s", p.Status, p.Text)
	}
	if len(k.texts) != 1 || k.texts[0].to != alice || k.texts[0].level != app.LevelProduction || !strings.Contains(k.texts[0].text, "pizza") {
		t.Fatalf("texts %v %s", k.texts, k.log)
	}
	p = p.Press(t, "do=pin", "pin", k.pin(alice)())
	for _, want := range []string{"pizza", "Pizza Palace", "pizza.example"} {
		if !strings.Contains(p.Text, want) {
			t.Errorf("the consent page does not say %q: %s", want, p.Text)
		}
	}
	if strings.Contains(p.Body, "4255550100") || strings.Contains(p.Body, "425-555-0100") {
		t.Error("the page shows the whole number")
	}
	if got := k.given("pizza-key", alice); got != "" {
		t.Fatalf("consent before the decision: %q", got)
	}
	p = p.Press(t, "do=allow")
	coded(t, p)
	if s := p.Location.String(); !strings.HasPrefix(s, callback+"?state=s-1&") || !regexp.MustCompile(`&code=[A-Za-z0-9_-]{64}$`).MatchString(s) {
		t.Fatalf("the code is not last: %s", s)
	}
	if iss := p.Location.Query().Get("iss"); iss != k.url {
		t.Errorf("iss %q", iss)
	}
	if got := k.given("pizza-key", alice); got != "IMMN,MIM" {
		t.Fatalf("consent %q", got)
	}
	if got := k.given("pizza-key", bob); got != "" {
		t.Fatalf("bob has consented to %q", got)
	}
	entries, err := k.store.Audit(context.Background(), audit.Filter{})
	if err != nil || len(entries) == 0 || entries[0].Action != "consent given" || !strings.HasPrefix(entries[0].Request, "req_") {
		t.Fatalf("the audit log does not say by which request: %+v %v", entries, err)
	}
}

// TestWhoIsAskedWhat is the matrix of docs/reference/oauth.md §2: what the first page is.
func TestWhoIsAskedWhat(t *testing.T) {
	k := openCounter(t, "")
	stranger := func() *visitor.Visitor { return k.visitor() }
	remembered := k.visitor()
	coded(t, k.signedIn(remembered, alice, asking("pizza-key", "IMMN"), true).Press(t, "do=allow"))
	nativeURL := asking("native-key", "IMMN", "custom_param", suppressed, "code_challenge_method", "S256", "code_challenge", strings.Repeat("A", 43))
	if p := k.signedIn(k.visitor(), alice, nativeURL, false).Press(t, "do=allow"); p.Location == nil {
		t.Fatal(p.Text)
	}
	sees := func(p *visitor.Page) string {
		switch {
		case p.Location != nil && p.Location.Query().Get("error") != "":
			return p.Location.Query().Get("error")
		case p.Location != nil && p.Location.Query().Get("code") != "":
			return "code"
		case p.Offers("do=allow") && p.Offers("do=switch"):
			return "consent, switch"
		case p.Offers("do=allow"):
			return "consent"
		case p.Offers("do=number"):
			return "number"
		}
		return fmt.Sprintf("%d %s", p.Status, p.Text)
	}
	phone := func(who number.MSISDN, l app.Level) *visitor.Visitor { return k.phone(who, l) }
	for name, c := range map[string]struct {
		v       *visitor.Visitor
		address string
		want    string
	}{
		"a stranger is asked for the number":                               {stranger(), asking("pizza-key", "IMMN"), "number"},
		"a stranger is, whatever the app says of landing pages":            {stranger(), asking("pizza-key", "IMMN", "custom_param", suppressed), "number"},
		"a remembered browser is asked, and may be somebody else":          {remembered, asking("pizza-key", "IMMN"), "consent, switch"},
		"suppressed, what was consented to is given without a page":        {remembered, asking("pizza-key", "IMMN", "custom_param", suppressed), "code"},
		"suppressed with the blank that one kit leaves behind":             {remembered, asking("pizza-key", "IMMN", "custom_param", bypassed+","+suppressed+" "), "code"},
		"suppressed, what is new is asked for, without a switch":           {remembered, asking("pizza-key", "IMMN,MIM", "custom_param", suppressed), "consent"},
		"suppressed, another app is asked for":                             {remembered, asking("toy-key", "IMMN", "custom_param", suppressed), "number"},
		"suppressed, a public app is asked for all the same":               {remembered, nativeURL, "consent"},
		"a live subscriber is nobody to a sandbox app":                     {remembered, asking("toy-key", "IMMN"), "number"},
		"a device on the network is asked at once":                         {phone(bob, app.LevelProduction), asking("pizza-key", "IMMN"), "consent, switch"},
		"a device on the network signs in by PIN if the app says so":       {phone(bob, app.LevelProduction), asking("pizza-key", "IMMN", "custom_param", bypassed), "number"},
		"a device on the network, suppressed, is asked":                    {phone(alice, app.LevelProduction), asking("pizza-key", "IMMN", "custom_param", suppressed), "consent, switch"},
		"a device of the virtual network is nobody to a live app":          {phone(bob, app.LevelSandbox), asking("pizza-key", "IMMN"), "number"},
		"a device of the virtual network is known to a sandbox app":        {phone(bob, app.LevelSandbox), asking("toy-key", "IMMN"), "consent, switch"},
		"an app for devices on the network refuses a stranger":             {stranger(), asking("mast-key", "IMMN"), "access_denied"},
		"an app for devices on the network refuses a remembered browser":   {remembered, asking("mast-key", "IMMN"), "access_denied"},
		"an app for devices on the network takes one, and no other number": {phone(bob, app.LevelProduction), asking("mast-key", "IMMN"), "consent"},
		"an app for devices on the network refuses one that bypasses it":   {phone(bob, app.LevelProduction), asking("mast-key", "IMMN", "custom_param", bypassed), "access_denied"},
		"an app for devices on the network refuses one of the virtual one": {phone(bob, app.LevelSandbox), asking("mast-key", "IMMN"), "access_denied"},
		"the old path is the same":                                         {remembered, strings.Replace(asking("pizza-key", "IMMN"), "/v4/", "/", 1), "consent, switch"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sees(c.v.Open(t, c.address)); got != c.want {
				t.Fatalf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestEveryConditionOfAuthorize provokes what errors.md §5 has for Get User Authorization.
func TestEveryConditionOfAuthorize(t *testing.T) {
	k := openCounter(t, "")
	gone := k.app(app.App{Name: "gone", Key: "gone-key", Scopes: []app.Scope{"IMMN"}, RedirectURI: callback})
	if err := k.apps.Delete(context.Background(), gone.ID); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		query  string
		status int
		code   string
		text   string // error_description, of a body
	}{
		"client_id missing":                        {"scope=IMMN", 400, "invalid_request", "client_id missing"},
		"unknown client":                           {"client_id=nobody&scope=IMMN&redirect_uri=https%3A%2F%2Fevil.example%2F", 401, "invalid_client", "unknown client"},
		"deleted client, told like an unknown one": {"client_id=gone-key&scope=IMMN", 401, "invalid_client", "unknown client"},
		"none of the scopes on the account":        {"client_id=pizza-key&scope=TTS,PAYMENT", 401, "invalid_client", "client not enabled for that API"},
		"a redirect URI of another scheme":         {"client_id=pizza-key&scope=IMMN&redirect_uri=javascript:alert(1)", 400, "invalid_request", "redirect_uri scheme"},
		"a redirect URI elsewhere":                 {"client_id=pizza-key&scope=IMMN&redirect_uri=https%3A%2F%2Fpizza.example.evil%2Fcallback", 400, "invalid_request", "redirect_uri mismatch"},
		"client_id twice":                          {"client_id=pizza-key&client_id=toy-key&scope=IMMN", 400, "invalid_request", "client_id repeated"},
		"redirect_uri twice":                       {"client_id=pizza-key&scope=IMMN&redirect_uri=" + callback + "&redirect_uri=" + callback, 400, "invalid_request", "redirect_uri repeated"},
		"request_uri never pushed":                 {"client_id=pizza-key&request_uri=urn:x", 400, "invalid_request_uri", "request_uri not valid"},
		"a query that cannot be read":              {"client_id=pizza-key&scope=%zz", 400, "invalid_request", "query not valid"},
		"scope missing":                            {"client_id=pizza-key", 302, "invalid_scope", ""},
		"scope unknown":                            {"client_id=pizza-key&scope=NOTHING", 302, "invalid_scope", ""},
		"a scope that is not on the account":       {"client_id=pizza-key&scope=IMMN,TL", 302, "invalid_scope", ""},
		"not on the network":                       {"client_id=mast-key&scope=IMMN", 302, "access_denied", ""},
		"another response type":                    {"client_id=pizza-key&scope=IMMN&response_type=token", 302, "unsupported_response_type", ""},
		"PKCE plain":                               {"client_id=pizza-key&scope=IMMN&code_challenge=x&code_challenge_method=plain", 302, "invalid_request", ""},
		"no PKCE of a public app":                  {"client_id=native-key&scope=IMMN", 302, "invalid_request", ""},
		"state twice":                              {"client_id=pizza-key&scope=IMMN&state=a&state=b", 302, "invalid_request", ""},
		"scope twice":                              {"client_id=pizza-key&scope=IMMN&scope=MIM", 302, "invalid_request", ""},
		"a state of 2,049":                         {"client_id=pizza-key&scope=IMMN&state=" + strings.Repeat("s", 2049), 302, "invalid_request", ""},
		"a line end in state":                      {"client_id=pizza-key&scope=IMMN&state=a%0d%0aSet-Cookie:%20x=y", 302, "invalid_request", ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := "/oauth/v4/authorize?" + c.query
			v := k.visitor()
			p := v.Open(t, path)
			if c.status == 302 {
				denied(t, p, c.code)
				if h := p.Header; len(h["Set-Cookie"]) > 1 || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" || strings.ContainsAny(h.Get("Location"), "\r\n ") {
					t.Fatalf("headers %v", h)
				}
				return
			}
			// A browser gets the same status and facts as a page.
			if p.Location != nil || p.Status != c.status || !strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") ||
				!strings.Contains(p.Body, `href="http://console.example/requests/`+p.Header.Get("X-Request-Id")+`"`) || !strings.Contains(p.Text, c.code) || !strings.Contains(p.Text, c.text) || !strings.Contains(p.Text, p.Header.Get("X-Request-Id")) {
				t.Fatalf("%d %v %s", p.Status, p.Header, p.Text)
			}
			guarded(t, p.Header)
			if strings.Contains(p.Body, "evil") {
				t.Fatal("the page repeats an address that nobody vouches for")
			}
			res, body := raw(t, http.MethodGet, k.url+path, "", "Accept", "*/*")
			if res.StatusCode != c.status || body != `{"error":"`+c.code+`","error_description":"`+c.text+`"}` || res.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("%d %s", res.StatusCode, body)
			}
		})
	}
}

// raw sends a request as it is, without cookies.
func raw(t testing.TB, method, address, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// guarded checks the headers that every page has.
func guarded(t testing.TB, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Cross-Origin-Opener-Policy": "same-origin",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	csp := h.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("Content-Security-Policy %q lacks %q", csp, want)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(csp, "script-src") {
		t.Errorf("Content-Security-Policy %q", csp)
	}
}
