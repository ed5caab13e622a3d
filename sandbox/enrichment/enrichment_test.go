package enrichment_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"longlines/sandbox/enrichment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	key = []byte("0123456789abcdef0123456789abcdef")
	now = time.Date(2026, 11, 25, 1, 2, 3, 900e6, time.UTC)
)

// network is a proxy in front of a platform that writes down what it is asked.
type network struct {
	*enrichment.Proxy
	addr string

	mu   sync.Mutex
	seen []*http.Request
}

func start(t *testing.T, change func(*enrichment.Config)) *network {
	t.Helper()
	n := &network{}
	server, client, err := enrichment.Certificates()
	if err != nil {
		t.Fatal(err)
	}
	platform := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("the platform reads: %v", err)
		}
		seen := r.Clone(context.Background())
		seen.Body = io.NopCloser(bytes.NewReader(body))
		n.mu.Lock()
		n.seen = append(n.seen, seen)
		n.mu.Unlock()
		w.Header().Set("Set-Cookie", "a=b; Path=/")
		w.Header().Set("X-Answer", "1")
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "short and stout")
	}))
	platform.TLS = server
	platform.StartTLS()
	t.Cleanup(platform.Close)
	c := enrichment.Config{Listen: "127.0.0.1:0", Target: platform.Listener.Addr().String(), TLS: client, Issuer: "virtual", Key: key, Now: func() time.Time { return now }}
	if change != nil {
		change(&c)
	}
	if n.Proxy, err = enrichment.New(c); err != nil {
		t.Fatal(err)
	}
	n.addr = n.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the proxy ended with %v", err)
		}
	})
	return n
}

// take returns what has reached the platform since the last call.
func (n *network) take() []*http.Request {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := n.seen
	n.seen = nil
	return seen
}

// send writes octets to the proxy, as no well-behaved client would, and reads the first answer; nil if the
// connection was closed without one.
func (n *network) send(t *testing.T, raw string) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", n.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second)) // only how soon a broken test ends
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}

func text(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const host = "14255550100.phone.localhost:8102"

// claims checks an assertion by hand (RFC 7515 §5.2): not with the library that made it.
func claims(t *testing.T, assertion string) map[string]any {
	t.Helper()
	part := strings.Split(assertion, ".")
	if len(part) != 3 {
		t.Fatalf("assertion %q", assertion)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(part[0] + "." + part[1]))
	if want := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)); part[2] != want {
		t.Fatalf("signature %s, want %s", part[2], want)
	}
	var head, body map[string]any
	for i, v := range []*map[string]any{&head, &body} {
		b, err := base64.RawURLEncoding.DecodeString(part[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatal(err)
		}
	}
	if head["alg"] != "HS256" || len(head) != 1 {
		t.Fatalf("header %v", head)
	}
	return body
}

func TestARequestSaysWhoseDeviceItComesFrom(t *testing.T) {
	n := start(t, nil)
	r := n.send(t, "POST /oauth/v4/authorize?client_id=a;b&scope=IMMN%2CMIM&%zz HTTP/1.1\r\nHost: "+host+"\r\nCookie: x=y\r\nOrigin: http://"+host+
		"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n\r\ndo=allow")
	if r == nil || r.StatusCode != http.StatusTeapot || text(t, r.Body) != "short and stout" || r.Header.Get("Set-Cookie") != "a=b; Path=/" {
		t.Fatalf("the answer: %+v", r)
	}
	seen := n.take()
	if len(seen) != 1 {
		t.Fatalf("%d requests reach the platform", len(seen))
	}
	in := seen[0]
	if in.Host != host || in.Method != "POST" || in.RequestURI != "/oauth/v4/authorize?client_id=a;b&scope=IMMN%2CMIM&%zz" || text(t, in.Body) != "do=allow" ||
		in.ContentLength != 8 || in.Header.Get("Cookie") != "x=y" || in.Header.Get("Origin") != "http://"+host {
		t.Errorf("the platform gets %s %s of %s, %d octets, %v", in.Method, in.RequestURI, in.Host, in.ContentLength, in.Header)
	}
	if x := in.Header.Values("X-Forwarded-For"); len(x) != 1 || x[0] != "127.0.0.1" {
		t.Errorf("X-Forwarded-For %q", x)
	}
	got := claims(t, in.Header.Get("X-Subscriber-Assertion"))
	jti, _ := got["jti"].(string)
	if len(jti) < 16 || len(jti) > 64 {
		t.Errorf("jti %q", jti)
	}
	delete(got, "jti")
	want := map[string]any{"iss": "virtual", "sub": "tel:+14255550100", "host": host, "path": "/oauth/v4/authorize", "addr": "127.0.0.1",
		"iat": float64(now.Unix()), "exp": float64(now.Unix() + 30)}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("claims %v, want %v", got, want)
	}

	n.send(t, "GET /a%2Fb?c=%2F HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
	again := claims(t, n.take()[0].Header.Get("X-Subscriber-Assertion"))
	if again["jti"] == jti {
		t.Error("two requests have one jti")
	}
	if again["path"] != "/a%2Fb" {
		t.Errorf("path %v: not as on the request line", again["path"])
	}
}

func TestAPhoneThatItsNetworkDoesNotKnowHasNoAssertion(t *testing.T) {
	n := start(t, nil)
	for phone, want := range map[string]bool{"14255550153": false, "12125550153": false, "14255551253": true, "14255550152": true, "442079460153": true} {
		n.send(t, "GET / HTTP/1.1\r\nHost: "+phone+".phone.localhost\r\nX-Subscriber-Assertion: mine\r\n\r\n")
		seen := n.take()
		if len(seen) != 1 {
			t.Fatalf("%s: %d requests reach the platform", phone, len(seen))
		}
		if got := len(seen[0].Header["X-Subscriber-Assertion"]) == 1; got != want || seen[0].Header.Get("X-Forwarded-For") != "127.0.0.1" {
			t.Errorf("%s: %v", phone, seen[0].Header)
		}
	}
}

// Forty spellings and some (docs/reference/reliability.md T2). A header may be refused, or swallowed as the
// value of another, but it never arrives.
func TestNothingABrowserSaysAboutWhoItIsArrives(t *testing.T) {
	n := start(t, nil)
	const evil = "+14255550199"
	lines := []string{
		"X-Subscriber-Assertion: %", "x-subscriber-assertion: %", "X-SUBSCRIBER-ASSERTION: %", "X_Subscriber_Assertion: %", "x_subscriber-assertion: %",
		"X-Subscriber--Assertion: %", "X.Subscriber.Assertion: %", "X-Subscriber-Assertion:%", "X-Subscriber-Assertion:\t%\t", "XSubscriberAssertion: %",
		"X-Subscriber-Assertion: a\r\nX-Subscriber-Assertion: %", "X-Subscriber-Assertion: %\r\nx-subscriber-assertion: %",
		"X-Subscriber-Assertion : %", " X-Subscriber-Assertion: %", "X-Subscriber-Assertion\t: %", "X-Subscriber Assertion: %",
		"Accept: a\r\n X-Subscriber-Assertion: %", "X-Subscriber-Assertion: a\r\n %", "X-Subscriber-Assertion:\r\n %", "Accept: a\rX-Subscriber-Assertion: %", "Accept: a\nX-Subscriber-Assertion: %",
		"X-Subscriber-Assertion\x00: %", "X-Subscriber-Assertion\x0b: %", "X\u2010Subscriber\u2010Assertion: %",
		"X-Forwarded-For: %", "x-forwarded-for: %", "X_FORWARDED_FOR: %", "X-Forwarded-For: %, %", "X-Forwarded-For: a\r\nX-Forwarded-For: %", "X-Forwarded: %", "X-Forwarded-Host: %",
		"Forwarded: for=%", "forwarded: for=%;by=%", "FORWARDED: for=\"%\"", "X-Real-IP: %", "True-Client-IP: %",
		"MSISDN: %", "msisdn: %", "X-MSISDN: %", "x_msisdn: %", "X-Msisdn: %\r\nMSISDN: %", "X-UP-SUBNO: %", "x_up_subno: %", "X-UP-CALLING-LINE-ID: %", "X-Up-Calling-Line-Id: %",
		"X-VF-ACR: %", "X-NOKIA-MSISDN: %", "X-WAP-MSISDN: %", "X-ATT-Subscriber: %", "x-att-anything: %", "HTTP_X_MSISDN: %", "X-H3G-MSISDN: %",
		"Connection: X-Subscriber-Assertion\r\nX-Subscriber-Assertion: %", "Connection: close, X-Forwarded-For, X-Subscriber-Assertion",
		"Trailer: X-Subscriber-Assertion\r\nX-Subscriber-Assertion: %", "Proxy-Connection: X-MSISDN\r\nX-MSISDN: %",
	}
	if len(lines) < 40 {
		t.Fatalf("only %d spellings", len(lines))
	}
	reached := 0
	for _, line := range lines {
		r := n.send(t, "GET /oauth/v4/authorize HTTP/1.1\r\nHost: "+host+"\r\n"+strings.ReplaceAll(line, "%", evil)+"\r\n\r\n")
		seen := n.take()
		if len(seen) == 0 {
			if r == nil || r.StatusCode != http.StatusBadRequest {
				t.Errorf("%q: refused with %+v", line, r)
			}
			continue
		}
		reached++
		for name, values := range seen[0].Header {
			ours := name == "X-Forwarded-For" || name == "X-Subscriber-Assertion"
			switch {
			case ours && len(values) != 1:
				t.Errorf("%q: %d lines of %s arrive", line, len(values), name)
			case name == "Accept": // a folded line is a part of the value (RFC 9112 §5.2)
			case strings.Contains(strings.Join(values, ","), evil):
				t.Errorf("%q arrives as %s: %q", line, name, values)
			}
		}
		if x := seen[0].Header.Get("X-Forwarded-For"); x != "127.0.0.1" {
			t.Errorf("%q: X-Forwarded-For %q", line, x)
		}
		if sub := claims(t, seen[0].Header.Get("X-Subscriber-Assertion"))["sub"]; sub != "tel:+14255550100" {
			t.Errorf("%q: the subscriber is %v", line, sub)
		}
	}
	if reached < 30 {
		t.Errorf("only %d of %d requests reach the platform: they prove nothing", reached, len(lines))
	}
}

func TestOtherHeadersArriveAsTheyAre(t *testing.T) {
	n := start(t, nil)
	n.send(t, "GET / HTTP/1.1\r\nHost: "+host+"\r\nUser-Agent: Phone\r\nAccept-Language: es\r\nSec-Fetch-Site: same-origin\r\nX-Arg: a\r\nX-Correlator: b\r\nDPoP: c\r\nReferer: http://"+host+"/\r\n\r\n")
	h := n.take()[0].Header
	for name, want := range map[string]string{"User-Agent": "Phone", "Accept-Language": "es", "Sec-Fetch-Site": "same-origin", "X-Arg": "a", "X-Correlator": "b", "Dpop": "c", "Referer": "http://" + host + "/"} {
		if got := h.Get(name); got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
}

func TestRequestsThatTwoServersReadDifferentlyAreRefused(t *testing.T) {
	n := start(t, nil)
	const hidden = "GET /hidden HTTP/1.1\r\nHost: 14255550199.phone.localhost\r\n\r\n"
	for name, x := range map[string]struct {
		head, body string
		status     int
	}{
		"Content-Length before Transfer-Encoding": {"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + hidden, 411},
		"Transfer-Encoding before Content-Length": {"Transfer-Encoding: chunked\r\nContent-Length: 70\r\n", "0\r\n\r\n" + hidden, 411},
		"Transfer-Encoding alone":                 {"Transfer-Encoding: chunked\r\nTrailer: X-Msisdn\r\n", "3\r\na=b\r\n0\r\nX-Msisdn: 1\r\n\r\n", 411},
		"an encoding that is not chunked":         {"Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n", hidden, 501},
		"two encodings":                           {"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n" + hidden, 501},
		"two lengths":                             {"Content-Length: 0\r\nContent-Length: 70\r\n", hidden, 400},
		"a signed length":                         {"Content-Length: +4\r\n", hidden, 400},
		"two hosts":                               {"Host: 14255550199.phone.localhost\r\n", "", 400},
		"a blank before the colon":                {"Content-Length : 70\r\n", hidden, 400},
	} {
		r := n.send(t, "POST / HTTP/1.1\r\nHost: "+host+"\r\n"+x.head+"\r\n"+x.body)
		if r == nil || r.StatusCode != x.status || !r.Close {
			t.Errorf("%s: %+v, want %d and the end of the connection", name, r, x.status)
		}
		if seen := n.take(); len(seen) != 0 {
			t.Errorf("%s: the platform gets %s of %s", name, seen[0].RequestURI, seen[0].Host)
		}
	}
}

func TestWhereThereIsNoPhoneAPageSaysHowToOpenOne(t *testing.T) {
	n := start(t, nil)
	for _, x := range []string{
		"localhost", "127.0.0.1:8102", "phone.localhost", ".phone.localhost", "4255550100.phone.localhost", "+14255550100.phone.localhost", "1-425-555-0100.phone.localhost",
		"14255550100.phone.localhost.evil.example", "evil.14255550100.phone.localhost", "911.phone.localhost", strings.Repeat("1", 200) + ".phone.localhost", "",
	} {
		r := n.send(t, "GET / HTTP/1.1\r\nHost: "+x+"\r\n\r\n")
		if r == nil || r.StatusCode != http.StatusNotFound || !strings.Contains(text(t, r.Body), n.URL("14255550100", "/")) {
			t.Errorf("host %q: %+v", x, r)
		}
	}
	for _, line := range []string{"OPTIONS * HTTP/1.1", "CONNECT " + host + " HTTP/1.1"} {
		if r := n.send(t, line+"\r\nHost: "+host+"\r\n\r\n"); r == nil || r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %+v", line, r)
		}
	}
	if seen := n.take(); len(seen) != 0 {
		t.Errorf("%d requests reach the platform", len(seen))
	}
	if r := n.send(t, "GET / HTTP/1.1\r\nHost: 14255550100.PHONE.LocalHost:9\r\n\r\n"); r == nil || r.StatusCode != http.StatusTeapot {
		t.Errorf("capitals and a tunnel's port: %+v", r)
	}
}

func TestLimits(t *testing.T) {
	n := start(t, nil)
	post := func(size int) *http.Response {
		return n.send(t, fmt.Sprintf("POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", host, size, strings.Repeat("x", size)))
	}
	if r := post(64 << 10); r == nil || r.StatusCode != http.StatusTeapot {
		t.Errorf("64 KiB: %+v", r)
	}
	n.take()
	if r := post(64<<10 + 1); r == nil || r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("64 KiB and one octet: %+v", r)
	}
	if r := n.send(t, "GET / HTTP/1.1\r\nHost: "+host+"\r\nX-Arg: "+strings.Repeat("x", 32<<10)+"\r\n\r\n"); r == nil || r.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("headers of 32 KiB: %+v", r)
	}
	if seen := n.take(); len(seen) != 0 {
		t.Errorf("%d requests reach the platform", len(seen))
	}
}

func TestAPlatformThatDoesNotAnswerIsSaidToBeAway(t *testing.T) {
	_, stranger, err := enrichment.Certificates() // of another authority: each end refuses the other
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*enrichment.Config){
		"it is away":       func(c *enrichment.Config) { c.Target = "127.0.0.1:1" },
		"it is not ours":   func(c *enrichment.Config) { c.TLS = stranger },
		"we are not known": func(c *enrichment.Config) { c.TLS = &tls.Config{RootCAs: c.TLS.RootCAs} },
	} {
		n := start(t, change)
		r := n.send(t, "GET /oauth/v4/authorize HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		if r == nil || r.StatusCode != http.StatusBadGateway || !strings.Contains(text(t, r.Body), "does not answer") {
			t.Errorf("%s: %+v", name, r)
		}
		if seen := n.take(); len(seen) != 0 {
			t.Errorf("%s: %d requests reach the platform", name, len(seen))
		}
	}
}

func TestURLsArePagesAsAPhoneSeesThem(t *testing.T) {
	n := start(t, nil)
	_, port, _ := net.SplitHostPort(n.addr)
	for path, want := range map[string]string{"/oauth/v4/authorize?a=b": "/oauth/v4/authorize?a=b", "consents": "/consents", "": "/"} {
		if got := n.URL("14255550100", path); got != "http://14255550100.phone.localhost:"+port+want {
			t.Errorf("%q: %s", path, got)
		}
	}
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	good := enrichment.Config{Listen: "127.0.0.1:0", Target: "127.0.0.1:1", TLS: &tls.Config{}, Issuer: "virtual", Key: key}
	for want, change := range map[string]func(*enrichment.Config){
		"listens on loopback only": func(c *enrichment.Config) { c.Listen = "0.0.0.0:0" },
		"loopback only":            func(c *enrichment.Config) { c.Listen = ":0" },
		"address of the":           func(c *enrichment.Config) { c.Listen = "8102" },
		"needs 32":                 func(c *enrichment.Config) { c.Key = key[:31] },
		"needs a target":           func(c *enrichment.Config) { c.Target = "" },
		"needs a target, a cert":   func(c *enrichment.Config) { c.TLS = nil },
		"and a name":               func(c *enrichment.Config) { c.Issuer = "" },
	} {
		c := good
		change(&c)
		p, err := enrichment.New(c)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q expected, got %v", want, err)
		}
		if p != nil {
			p.Close()
		}
	}
	p, err := enrichment.New(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
