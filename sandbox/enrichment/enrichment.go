// Package enrichment is the virtual carrier's header-enrichment proxy: what stands between the browser of
// a handset and the platform when the handset is on the carrier's data network.
//
//	browser ──HTTP──► proxy ──mutual TLS──► the platform's on-network listener
//	                   adds X-Subscriber-Assertion and X-Forwarded-For
//
// A carrier's packet gateway knows whose device each connection is, and its proxy says so in a header. Here
// the device is known by the address that the browser was given: every virtual phone has an origin of its
// own, such as http://14255550100.phone.localhost:8102, and so cookies of its own, as on a real handset. Chromium,
// Firefox and curl take names under localhost to this machine (RFC 6761 §6.3); a browser that asks the
// system's resolver may need a line in /etc/hosts.
//
// The proxy holds the half of the contract that keeps a subscriber from being impersonated
// (docs/reference/reliability.md T2): whatever the browser says about who it is, is taken away, and what is
// added is signed, short-lived, bound to the request and for one use. The other half, package oauth of the
// product, is written independently of this one.
//
// A phone whose number is +1 NPA 555 0153 is not authenticated by its network
// (docs/reference/conventions.md §3.11): its requests come without an assertion.
package enrichment

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"longlines/number"
)

// Limits towards browsers, those of every listener (docs/reference/reliability.md §2.4).
const (
	maxHead    = 16 << 10 // octets of request line and headers
	maxBody    = 64 << 10 // octets
	headTime   = 5 * time.Second
	readTime   = 30 * time.Second
	writeTime  = 40 * time.Second // longer than answerTime, so that there is time to say what happened
	idleTime   = time.Minute
	answerTime = 30 * time.Second // until the platform has begun to answer
	stopTime   = 2 * time.Second  // for requests under way when Run ends
)

// Config is what a proxy needs. Target, TLS, Issuer and Key are required.
type Config struct {
	Listen string      // a loopback address; "": 127.0.0.1:8102. Port 0 takes a free one
	Target string      // host:port of the platform's on-network listener
	TLS    *tls.Config // the proxy's certificate, and who may have signed the target's; see [Certificates]
	Issuer string      // the proxy's name, as the platform knows it
	Key    []byte      // shared with the platform, 32 bytes at least

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: silent
}

// Proxy is a header-enrichment proxy. See [New].
type Proxy struct {
	cfg       Config
	ln        net.Listener
	port      string
	signer    jose.Signer
	transport *http.Transport
	reverse   *httputil.ReverseProxy
	server    *http.Server
}

// New opens the proxy's port. It refuses an address that is not on loopback: whoever can connect can be any
// subscriber. [Proxy.Run] serves the port; a proxy that is not run is closed.
func New(c Config) (*Proxy, error) {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:8102"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Target == "" || c.TLS == nil || c.Issuer == "":
		return nil, errors.New("the enrichment proxy needs a target, a certificate and a name")
	case len(c.Key) < 32: // RFC 7518 §3.2
		return nil, fmt.Errorf("the key of the enrichment proxy has %d bytes; it needs 32", len(c.Key))
	}
	if err := loopback(c.Listen); err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: c.Key}, nil)
	if err != nil {
		return nil, fmt.Errorf("key of the enrichment proxy: %w", err)
	}
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("open the enrichment proxy: %w", err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	p := &Proxy{cfg: c, ln: ln, port: port, signer: signer}
	p.transport = &http.Transport{
		TLSClientConfig: c.TLS, TLSHandshakeTimeout: headTime, ResponseHeaderTimeout: answerTime, IdleConnTimeout: idleTime,
		MaxIdleConnsPerHost: 16, DisableCompression: true, // the browser's own Accept-Encoding goes through
	}
	quiet := slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug) // of browsers that go away
	p.reverse = &httputil.ReverseProxy{Rewrite: p.rewrite, Transport: p.transport, ErrorHandler: p.unanswered, ErrorLog: quiet}
	p.server = &http.Server{
		Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: headTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHead, ErrorLog: quiet, DisableGeneralOptionsHandler: true,
	}
	return p, nil
}

// loopback checks that nobody beyond this machine can connect to an address.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address of the enrichment proxy: %w", err)
	}
	if host == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return fmt.Errorf("the virtual enrichment proxy listens on loopback only, such as 127.0.0.1:8102, not on %q", addr)
	}
	return nil
}

// Addr is the address of the proxy's port, with the number that was chosen if it was 0.
func (p *Proxy) Addr() net.Addr { return p.ln.Addr() }

// URL is where the browser of a phone finds a page of the platform; path may have a query:
// "http://14255550100.phone.localhost:8102/oauth/v4/authorize?client_id=…".
func (p *Proxy) URL(phone number.MSISDN, path string) string {
	return "http://" + string(phone) + suffix + ":" + p.port + "/" + strings.TrimPrefix(path, "/")
}

// Run serves the port until ctx ends, then lets what is under way come to its end, for two seconds at
// most, and returns nil. Any other end of the port is an error. It is called once.
func (p *Proxy) Run(ctx context.Context) error {
	defer p.transport.CloseIdleConnections()
	ended := make(chan error, 1)
	go func() { ended <- p.server.Serve(p.ln) }()
	select {
	case err := <-ended:
		return fmt.Errorf("virtual enrichment proxy: %w", err)
	case <-ctx.Done():
	}
	wait, stop := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer stop()
	if p.server.Shutdown(wait) != nil {
		p.server.Close()
	}
	<-ended
	return nil
}

// Close closes the port of a proxy that is not run.
func (p *Proxy) Close() error { return p.ln.Close() }

// suffix of the hosts of phones.
const suffix = ".phone.localhost"

// phoneOf reads the phone out of a Host; ok is false if there is none in it.
func phoneOf(host string) (m number.MSISDN, ok bool) {
	name, _, _ := strings.Cut(host, ":") // the port may be that of a tunnel
	digits, ok := strings.CutSuffix(strings.ToLower(name), suffix)
	if !ok || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	m, err := number.ParseMSISDN("+" + digits)
	return m, err == nil && string(m) == digits
}

// serve takes a browser's request.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	m, ok := phoneOf(r.Host)
	if !ok {
		refuse(w, http.StatusNotFound, "This is the data network of the virtual carrier, and here is no phone of it.\n\n"+
			"The browser of a phone has an address of its own, its number in front of "+suffix+":\n\n  "+p.URL("14255550100", "/")+"\n\n"+
			"Put the path of a page of the platform behind it. The console does so too: choose a phone, then \"Open a page on this phone\".\n")
		return
	}
	if !strings.HasPrefix(r.URL.Path, "/") {
		refuse(w, http.StatusBadRequest, "A page has a path.\n")
		return
	}
	// A browser says how long its form is. Content-Length beside Transfer-Encoding is how requests are smuggled
	// (RFC 9112 §6.1), and net/http has forgotten the former by now.
	if len(r.TransferEncoding) > 0 {
		refuse(w, http.StatusLengthRequired, "Send the form with a Content-Length.\n")
		return
	}
	// Read here, so that what goes on is one request of known length, without trailers.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("A form has at most %d octets.\n", maxBody))
		return
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "The form did not arrive.\n")
		return
	}
	r.Body, r.ContentLength, r.Trailer = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	if len(body) == 0 {
		r.Body = http.NoBody
	}
	p.reverse.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), phoneKey{}, m)))
}

// phoneKey is that of the phone in a request's context.
type phoneKey struct{}

// rewrite makes of a browser's request the one that the platform gets. ReverseProxy has taken off what
// belongs to the connection (RFC 9110 §7.6.1), before, so that a browser cannot name our headers there.
func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	out := r.Out
	out.URL.Scheme, out.URL.Host = "https", p.cfg.Target
	out.URL.RawQuery = r.In.URL.RawQuery // as it was sent: it is the platform that judges it
	out.Host = r.In.Host
	for name := range out.Header {
		if identifies(name) {
			delete(out.Header, name)
		}
	}
	device := deviceOf(r.In.RemoteAddr)
	out.Header.Set("X-Forwarded-For", device)
	m, _ := r.In.Context().Value(phoneKey{}).(number.MSISDN)
	if !recognised(m) {
		return
	}
	assertion, err := p.assert(m, out.Host, r.In.URL.EscapedPath(), device)
	if err != nil { // it cannot be made of strings and a checked key; then the subscriber signs in by PIN
		p.cfg.Log.Error("assertion not made", "error", err)
		return
	}
	out.Header.Set("X-Subscriber-Assertion", assertion)
}

// unanswered says that the platform did not.
func (p *Proxy) unanswered(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the browser has gone; to return would be an empty 200 to one that has not
	}
	p.cfg.Log.Warn("the on-network listener did not answer", "target", p.cfg.Target, "error", err)
	refuse(w, http.StatusBadGateway, "The platform does not answer on its on-network listener. Is it still running?\n")
}

// refuse answers in the proxy's own words. The rest of a body is not read: the connection ends.
func refuse(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Connection", "close")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, text)
}

// deviceOf is the device's address, in its one canonical form.
func deviceOf(remote string) string {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	return ap.Addr().Unmap().WithZone("").String()
}
