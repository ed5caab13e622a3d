package oauthv4_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"longlines/api/oauthv4"
	"longlines/app"
	"longlines/number"
	"longlines/oauth"
	"longlines/test/visitor"
)

// enriched is the proxy of a data network: it says of each request whose device it is from.
type enriched struct {
	next http.RoundTripper
	k    *counter
	e    oauth.Enrichment
	who  number.MSISDN
	on   *bool // nil: always
}

var deviceAddr = netip.MustParseAddr("10.1.2.3")

func (p enriched) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", deviceAddr.String())
	if p.on == nil || *p.on {
		a, err := p.e.Assert(p.k.clock(), p.who, r.URL.Host, r.URL.EscapedPath(), deviceAddr)
		if err != nil {
			return nil, err
		}
		r.Header.Set("X-Subscriber-Assertion", a)
	}
	return p.next.RoundTrip(r)
}

func enrichment(l app.Level) oauth.Enrichment {
	return oauth.Enrichment{Issuer: "proxy", Key: bytes.Repeat([]byte{9}, 32), Level: l}
}

// network is the listener behind the proxy.
func (k *counter) network(l app.Level) string {
	srv := httptest.NewServer(oauthv4.OnNetwork(oauthv4.OnNetworkConfig{Subscribers: k.people, Refuse: k.gateway.Refuse, Enrichment: enrichment(l), Log: k.logger}, k.gateway))
	k.t.Cleanup(srv.Close)
	return srv.URL
}

// phone is the browser of a device on the data network.
func (k *counter) phone(who number.MSISDN, l app.Level) *visitor.Visitor {
	v := visitor.New(k.t, k.network(l))
	v.Client.Transport = enriched{v.Client.Transport, k, enrichment(l), who, nil}
	return v
}

// TestNobodySaysWhoTheyAre sends what networks tell servers by, in many spellings, on both listeners:
// none is believed (docs/reference/reliability.md T2, drill D10).
func TestNobodySaysWhoTheyAre(t *testing.T) {
	k := openCounter(t, "")
	base := k.network(app.LevelProduction)
	e, now := enrichment(app.LevelProduction), k.clock()
	host := strings.TrimPrefix(base, "http://")
	apiHost := strings.TrimPrefix(k.url, "http://")
	assert := func(e oauth.Enrichment, at time.Time, host, path string, addr netip.Addr) string {
		t.Helper()
		a, err := e.Assert(at, alice, host, path, addr)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	good := func() string { return assert(e, now, host, authorizePath, deviceAddr) }
	other := e
	other.Key = bytes.Repeat([]byte{8}, 32)
	stranger := e
	stranger.Issuer = "another"
	spent := good()
	if res, _ := raw(t, http.MethodGet, base+asking("mast-key", "IMMN"), "", "X-Subscriber-Assertion", spent, "X-Forwarded-For", "10.1.2.3"); res.StatusCode != 200 {
		t.Fatalf("a good assertion: %d", res.StatusCode)
	}
	const forged = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ0ZWw6KzE0MjU1NTUwMTAwIn0."
	cases := map[string][]string{
		"an assertion that was used before":             {"X-Subscriber-Assertion", spent, "X-Forwarded-For", "10.1.2.3"},
		"an assertion without a signature":              {"X-Subscriber-Assertion", forged, "X-Forwarded-For", "10.1.2.3"},
		"an assertion under another key":                {"X-Subscriber-Assertion", assert(other, now, host, authorizePath, deviceAddr), "X-Forwarded-For", "10.1.2.3"},
		"an assertion of another proxy":                 {"X-Subscriber-Assertion", assert(stranger, now, host, authorizePath, deviceAddr), "X-Forwarded-For", "10.1.2.3"},
		"an assertion for another host":                 {"X-Subscriber-Assertion", assert(e, now, "other.example", authorizePath, deviceAddr), "X-Forwarded-For", "10.1.2.3"},
		"an assertion for another path":                 {"X-Subscriber-Assertion", assert(e, now, host, "/consents", deviceAddr), "X-Forwarded-For", "10.1.2.3"},
		"an assertion for another device":               {"X-Subscriber-Assertion", good(), "X-Forwarded-For", "10.1.2.4"},
		"an assertion of an hour ago":                   {"X-Subscriber-Assertion", assert(e, now.Add(-time.Hour), host, authorizePath, deviceAddr), "X-Forwarded-For", "10.1.2.3"},
		"an assertion of in an hour":                    {"X-Subscriber-Assertion", assert(e, now.Add(time.Hour), host, authorizePath, deviceAddr), "X-Forwarded-For", "10.1.2.3"},
		"a good assertion and a second":                 {"X-Subscriber-Assertion", good(), "X-Subscriber-Assertion", good(), "X-Forwarded-For", "10.1.2.3"},
		"a good assertion without an address":           {"X-Subscriber-Assertion", good()},
		"a good assertion and an empty address":         {"X-Subscriber-Assertion", good(), "X-Forwarded-For", ""},
		"a good assertion and two addresses":            {"X-Subscriber-Assertion", good(), "X-Forwarded-For", "10.1.2.3, 10.1.2.3"},
		"a good assertion and two lines of addresses":   {"X-Subscriber-Assertion", good(), "X-Forwarded-For", "10.1.2.3", "X-Forwarded-For", "10.1.2.3"},
		"a good assertion and an address with a port":   {"X-Subscriber-Assertion", good(), "X-Forwarded-For", "10.1.2.3:80"},
		"a good assertion and the address elsewhere":    {"X-Subscriber-Assertion", good(), "Forwarded", "for=10.1.2.3"},
		"a good assertion under another name":           {"X_Subscriber_Assertion", good(), "X-Forwarded-For", "10.1.2.3"},
		"a good assertion with something behind it":     {"X-Subscriber-Assertion", good() + "x", "X-Forwarded-For", "10.1.2.3"},
		"a good assertion behind Bearer":                {"X-Subscriber-Assertion", "Bearer " + good(), "X-Forwarded-For", "10.1.2.3"},
		"a good assertion as a bearer token":            {"Authorization", "Bearer " + good(), "X-Forwarded-For", "10.1.2.3"},
		"a good assertion as a cookie":                  {"Cookie", "X-Subscriber-Assertion=" + good(), "X-Forwarded-For", "10.1.2.3"},
		"a good assertion for the API, on its listener": {"X-Subscriber-Assertion", assert(e, now, apiHost, authorizePath, deviceAddr), "X-Forwarded-For", "10.1.2.3"},
	}
	for _, name := range []string{
		"MSISDN", "X-MSISDN", "X-UP-SUBNO", "X-UP-CALLING-LINE-ID", "X-VF-ACR", "X-NOKIA-MSISDN", "X-WAP-MSISDN", "X-ATT-MSISDN", "X-ATT-DeviceId",
		"x-msisdn", "X_MSISDN", "X-Network-Info", "X-Nokia-Gateway-Id", "X-WAP-Network-Client-MSISDN", "X-H3G-MSISDN", "X-Orange-Id", "X-MSP-MSISDN",
		"X-Subscriber", "X-Subscriber-Id", "X-Forwarded-User", "Forwarded", "X-Real-IP", "From",
	} {
		cases["the number in "+name] = []string{name, "+14255550100", "X-Forwarded-For", "10.1.2.3"}
	}
	for name, header := range cases {
		t.Run(name, func(t *testing.T) {
			for _, at := range []string{base, k.url} {
				res, _ := raw(t, http.MethodGet, at+asking("mast-key", "IMMN"), "", header...)
				if to := res.Header.Get("Location"); res.StatusCode != 302 || !strings.Contains(to, "error=access_denied") {
					t.Errorf("%s: %d %q", at, res.StatusCode, to)
				}
			}
		})
	}
	for _, c := range cases {
		for i := 0; i < len(c); i += 2 {
			if len(c[i+1]) > 40 && strings.Contains(k.log.String(), c[i+1]) {
				t.Errorf("%s is in the log", c[i])
			}
		}
	}
}

func TestTheNetworkListenerServesThePagesOnly(t *testing.T) {
	k := openCounter(t, "")
	base := k.network(app.LevelProduction)
	for path, want := range map[string]int{
		"/consents":                         200,
		"/consents/style.css":               200,
		"/consents/icon.svg":                200,
		asking("pizza-key", "IMMN"):         200,
		"/oauth/authorize?client_id=nobody": 401,
		"/consents/nowhere":                 404,
		"/consents/../oauth/v4/token":       404,
		"/consents/%2e%2e/oauth/v4/token":   404,
		"/consents//style.css":              404,
		"//consents":                        404,
		"/":                                 404,
		"/oauth/v4/token":                   404,
		"/oauth/v4/authorize/":              404,
		"/oauth/v4/Authorize":               404,
		"/sms/v3/messaging/outbox":          404,
		"/errors/%2e%2e/oauth/v4/token":     404,
		"/metrics":                          404,
	} {
		res, body := raw(t, http.MethodGet, base+path, "", "X-Correlator", "c1")
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
		begin := `{"error":"invalid_request"`
		if path == "/" || path == "/metrics" || strings.HasPrefix(path, "/sms/") || strings.HasPrefix(path, "/errors/") {
			begin = `{"RequestError":{"ServiceException":{"MessageId":"SVC0001"`
		}
		if want == 404 && (res.Header.Get("Content-Type") != "application/json" || !strings.HasPrefix(body, begin)) {
			t.Errorf("%s: %v %s", path, res.Header, body)
		}
		if h := res.Header; !strings.HasPrefix(h.Get("X-Request-Id"), "req_") || h.Get("X-Correlator") != "c1" || want == 404 && !strings.HasPrefix(h.Get("Link"), "<"+base+"/errors/") {
			t.Errorf("%s: %v", path, h)
		}
	}
	// A browser gets a page, and what the page leads to is here.
	if res, body := raw(t, http.MethodGet, base+"/oauth/v4/authorize/", "", "Accept", "text/html"); res.StatusCode != 404 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") ||
		!strings.Contains(body, `href="/errors/invalid_request#`) {
		t.Errorf("%d %v %s", res.StatusCode, res.Header, body)
	}
	if res, _ := raw(t, http.MethodPost, base+"/oauth/v4/token", ""); res.StatusCode != 404 {
		t.Errorf("POST to the token path: %d", res.StatusCode)
	}
}

// TestHeadersOfIdentityEndAtTheListener looks at what the pages get to see.
// Where browsers reach the proxy without TLS, links are for them and not for the proxy, which uses it towards us.
func TestLinksLeadBackThroughAPlainProxy(t *testing.T) {
	k := openCounter(t, "")
	for plain, scheme := range map[bool]string{true: "http://", false: "https://"} {
		srv := httptest.NewTLSServer(oauthv4.OnNetwork(oauthv4.OnNetworkConfig{Subscribers: k.people, Refuse: k.gateway.Refuse,
			Enrichment: enrichment(app.LevelSandbox), Plain: plain, Log: k.logger}, k.gateway))
		t.Cleanup(srv.Close)
		for _, path := range []string{"/oauth/v4/authorize?client_id=nobody", "/oauth/v4/token"} {
			res, err := srv.Client().Get(srv.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if l := res.Header.Get("Link"); !strings.HasPrefix(l, "<"+scheme+strings.TrimPrefix(srv.URL, "https://")+"/errors/") {
				t.Errorf("plain %t: %s: Link %q", plain, path, l)
			}
		}
	}
}

func TestHeadersOfIdentityEndAtTheListener(t *testing.T) {
	var seen http.Header
	h := oauthv4.OnNetwork(oauthv4.OnNetworkConfig{}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header }))
	r := httptest.NewRequest(http.MethodGet, "/consents", nil)
	for _, name := range []string{
		"MSISDN", "X-MSISDN", "x_msisdn", "X-UP-SUBNO", "X-UP-CALLING-LINE-ID", "X-VF-ACR", "X-NOKIA-MSISDN", "X-WAP-MSISDN", "X-ATT-DeviceId",
		"Forwarded", "X-Forwarded-Host", "X-Real-IP",
	} {
		r.Header[name] = []string{"+14255550100"}
		r.Header.Set(name, "+14255550100")
	}
	r.Header.Set("Accept-Language", "es")
	h.ServeHTTP(httptest.NewRecorder(), r)
	if len(seen) != 1 || seen.Get("Accept-Language") != "es" {
		t.Fatalf("%v", seen)
	}
}

// TestADeviceIsRecognisedForOurHostAlone is a site whose name was made to resolve to the proxy: the proxy
// keeps the Host that the browser sent, and says whose device it is.
func TestADeviceIsRecognisedForOurHostAlone(t *testing.T) {
	k := openCounter(t, "")
	h := oauthv4.OnNetwork(oauthv4.OnNetworkConfig{Subscribers: k.people, Refuse: k.gateway.Refuse, Enrichment: enrichment(app.LevelProduction), Host: "api.example", Log: k.logger}, k.gateway)
	for host, known := range map[string]bool{"api.example": true, "API.example": true, "api.example:8080": false, "evil.example": false, "api.example.evil.example": false} {
		for _, path := range []string{"/consents", authorizePath} {
			r := httptest.NewRequest(http.MethodGet, "http://"+host+path+"?client_id=mast-key&scope=IMMN", nil)
			a, err := enrichment(app.LevelProduction).Assert(k.clock(), alice, host, path, deviceAddr)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Subscriber-Assertion", a)
			r.Header.Set("X-Forwarded-For", deviceAddr.String())
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if got := w.Code == http.StatusOK && !strings.Contains(w.Body.String(), `name="number"`); got != known {
				t.Errorf("%s%s: recognised: %v, want %v (%d)", host, path, got, known, w.Code)
			}
		}
	}
}

// Whom the network knows cannot sign out, and the page says by what they are known.
func TestAPhoneIsNotOfferedToSignOut(t *testing.T) {
	k := openCounter(t, "")
	p := k.phone(alice, app.LevelProduction).Open(t, "/consents")
	if p.Status != 200 || p.Offers("do=leave") || !strings.Contains(p.Text, "Known by your mobile connection") {
		t.Fatalf("%d %s", p.Status, p.Text)
	}
}
