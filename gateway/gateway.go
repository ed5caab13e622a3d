// Package gateway stands between the apps and the APIs. It knows HTTP, tokens and quotas, and
// nothing of texts or calls.
//
// What is served is a table: each published method is an [Endpoint], and routing, quotas, metrics,
// documentation and tests read the same row. A request goes through the steps of
// docs/reference/errors.md §6, and the first that says no decides:
//
//	route.go        path known? 404 · method served? 405
//	token.go        Authorization there? 400 · token live? 401 · scope open? 403
//	server.go       too many at once? 503
//	quota.go        a unit of the minute and of the day left? 403
//	gateway.go      media type 415, size 413; the body is read
//	gateway.go      does the subscriber's consent cover the scope? POL0002
//	idempotency.go  seen before? the kept answer, 409 or 422
//	                then the row's handler, with a deadline: 502
//
// Every answer, good or bad, is written here once: in the caller's format, in the dialect of the
// path, with the request's id in X-Request-Id and x-systemTransactionId, and with Content-Length.
// What was asked and answered is kept by record.go.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"longlines/app"
	"longlines/audit"
	"longlines/fault"
	"longlines/id"
	"longlines/oauth"
	"longlines/quota"
	"longlines/timeline"
	"longlines/wire"
)

// Tokens tells what a bearer token stands for. *oauth.Service does. A token that opens nothing is
// fault.BadToken.
type Tokens interface {
	Check(ctx context.Context, p oauth.Presented) (oauth.Grant, error)
}

// Config is what a [Gateway] needs. Endpoints, Tokens, Apps, Meter and Store are mandatory.
type Config struct {
	Endpoints []Endpoint
	// Pages are what else the listener shows people, by ServeMux pattern with a method
	// ("GET /errors/{code}"). They get a request id and nothing else.
	Pages    map[string]http.Handler
	Tokens   Tokens
	Apps     *app.Directory
	Meter    *quota.Meter
	Store    Store
	Timeline *timeline.Feed                 // nil: none
	Name     func(subject id.Number) string // spells a Call's Subject for the timeline; nil: not at all
	Now      func() time.Time               // default time.Now
	// PublicURL is how apps reach the listener ("https://api.example.com"), for links in replies;
	// "" takes the request's Host.
	PublicURL string
	// Issuer is the address of the authorization server, which is the API's own: proofs of possession
	// (RFC 9449) must be for it, whatever Host a request names. "" takes PublicURL, or Host.
	Issuer string
	// Proxies are the load balancers in front of the listener. Whoever they name in X-Forwarded-For is taken for
	// the caller, in limits and records; nobody else's header is.
	Proxies []netip.Prefix
	Limits  Limits
	Log     *slog.Logger // default slog.Default()
	Metrics *Metrics     // nil: none
	// Details keeps, with the record of a call of a sandbox app, the request and its answer as they were on
	// the wire, without what must not be seen (docs/reference/conventions.md §3.9): at a person's pace;
	// of a flood only some hundred a second.
	Details bool
	// StrangersDetails keeps that of callers of whom no app is known too, a few a second: where developers try
	// things out.
	StrangersDetails bool
	// ErrorsOnly keeps records of refused calls only, for sites that keep their own access log.
	ErrorsOnly bool
}

// How many calls a second are kept, or shown to who watches, and how many more after a pause.
const (
	strangersRecords, strangersRecordsBurst = 200, 2000 // calls of which no app is known
	appsDetails, appsDetailsBurst           = 200, 400  // the wire of sandbox apps' calls
	strangersDetails, strangersDetailsBurst = 5, 200    // the wire of calls of which no app is known
)

// Gateway is the handler of the API listener. It is safe for concurrent use.
type Gateway struct {
	tokens     Tokens
	apps       *app.Directory
	meter      *quota.Meter
	store      Store
	feed       *timeline.Feed
	name       func(id.Number) string
	now        func() time.Time
	publicURL  string
	issuer     string
	proxies    []netip.Prefix
	limits     Limits
	log        *slog.Logger
	metrics    *Metrics
	errorsOnly bool
	keeps      bool          // the wire of sandbox apps' calls
	details    *rate.Limiter // how many of them are kept or shown
	// Of callers who are not known. Whoever floods us with calls that open nothing must not fill the store.
	strangers        *rate.Limiter
	strangersDetails *rate.Limiter // nil: none are kept

	mux      *http.ServeMux
	methods  []string                // served anywhere
	dialects map[string]wire.Dialect // by first segment of the path
	miss     route                   // stands for paths that are not served

	policies policies
	running  running
	conns    conns
	busy     sync.Map // app.ID → *atomic.Int64, calls in flight
	buffers  sync.Pool
}

// New returns a Gateway, or says what is wrong with the table.
func New(c Config) (*Gateway, error) {
	if c.Tokens == nil || c.Apps == nil || c.Meter == nil || c.Store == nil {
		return nil, errors.New("gateway: tokens, apps, meter and store are needed")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	g := &Gateway{
		tokens: c.Tokens, apps: c.Apps, meter: c.Meter, store: c.Store, feed: c.Timeline, name: c.Name, now: c.Now,
		publicURL: strings.TrimRight(c.PublicURL, "/"), issuer: strings.TrimRight(c.Issuer, "/"), limits: c.Limits.filled(), log: c.Log, metrics: c.Metrics,
		errorsOnly: c.ErrorsOnly, proxies: c.Proxies,
	}
	g.keeps, g.details = c.Details, rate.NewLimiter(appsDetails, appsDetailsBurst)
	g.strangers = rate.NewLimiter(strangersRecords, strangersRecordsBurst)
	if c.StrangersDetails {
		g.strangersDetails = rate.NewLimiter(strangersDetails, strangersDetailsBurst)
	}
	g.buffers.New = func() any { b := make([]byte, 0, 1024); return &b }
	if err := g.table(c.Endpoints, c.Pages); err != nil {
		return nil, err
	}
	return g, nil
}

// exchange is one request on its way through the gateway.
type exchange struct {
	http.ResponseWriter
	g       *Gateway
	row     *route
	r       *http.Request
	call    Call
	name    string // req_…
	start   time.Time
	peer    *peer
	format  wire.Format
	dialect wire.Dialect

	key     quota.Key
	verdict quota.Verdict
	charged bool

	busy    *atomic.Int64 // the app's calls in flight, ours among them
	running bool          // our Idempotency-Key is
	ran     bool          // the handler was reached
	replay  bool          // the answer says that it was given before
	ref     id.Number     // what the key's row says was made durable

	out    answer
	fault  *fault.Fault
	took   time.Duration // until the answer was written
	seen   string        // the call as it was on the wire, for the record
	wrote  bool
	failed bool // the answer could not be written

	ids   [1]string // backs two header values
	limit [1]string // backs a header value
}

// answer is what is about to be written.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// WriteHeader notes the status of a page.
func (x *exchange) WriteHeader(status int) {
	if !x.wrote {
		x.out.status, x.wrote = status, true
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write notes that a page has begun.
func (x *exchange) Write(p []byte) (int, error) {
	if !x.wrote {
		x.out.status, x.wrote = http.StatusOK, true
	}
	return x.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find what lies below.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

const (
	headerRequest     = "X-Request-Id"
	headerTransaction = "x-systemTransactionId" // as published; sent in these letters
	headerCorrelator  = "X-Correlator"
)

// exchange begins one: it has its id, which the answer carries.
func (g *Gateway) exchange(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{ResponseWriter: w, g: g, row: &g.miss, r: r, start: g.now()}
	x.call.ID = g.store.NextRequest()
	x.call.Request = r
	x.name = id.Request(x.call.ID)
	x.ids[0] = x.name
	h := w.Header()
	h[headerRequest] = x.ids[:]
	h[headerTransaction] = x.ids[:]
	if c, ok := r.Header[headerCorrelator]; ok && len(c) == 1 && GoodCorrelator(c[0]) {
		h[headerCorrelator] = c
	}
	x.peer, _ = r.Context().Value(peerKey{}).(*peer)
	if x.peer != nil && x.peer.proxy {
		if a, ok := client(g.proxies, r); ok {
			r.RemoteAddr = netip.AddrPortFrom(a, 0).String()
		}
	}
	return x
}

// ServeHTTP answers a request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := g.exchange(w, r)
	defer x.end()
	if x.peer != nil && x.peer.excess {
		x.refuse(r, fault.Unavailable.Because(errTooManyConnections))
		return
	}
	if g.tooLarge(r) {
		x.refuse(r, fault.HeadTooLarge)
		return
	}
	if !clean(r.URL) || r.Method == http.MethodConnect {
		x.refuse(r, fault.NotFound)
		return
	}
	g.mux.ServeHTTP(x, r)
}

// Refuse answers a request that something in front of the gateway does not let through, as the gateway would: with an
// id and a record, in the dialect of its path, and with a page where the path has one.
func (g *Gateway) Refuse(w http.ResponseWriter, r *http.Request, f *fault.Fault) {
	x := g.exchange(w, r)
	defer x.end()
	x.dialect = g.dialects[family(r.URL.Path)]
	x.format, _ = wire.Negotiate(accept(r))
	if clean(r.URL) {
		if h, _ := g.mux.Handler(r); h != nil {
			if rt, ok := h.(*route); ok && rt.page == nil {
				x.row, x.dialect = rt, rt.Dialect
			}
		}
	}
	if x.dialect != wire.DialectRequestError {
		x.format = wire.JSON
	}
	x.call.Format = x.format
	x.fail(f)
}

// refuse answers a request that is not even routed, and ends its connection.
func (x *exchange) refuse(r *http.Request, f *fault.Fault) {
	x.dialect = x.g.dialects[family(r.URL.Path)]
	x.format, _ = wire.Negotiate(accept(r))
	x.Header()["Connection"] = []string{"close"}
	x.fail(f)
}

// serve takes a routed request through the steps.
func (x *exchange) serve(rt *route, r *http.Request) {
	x.row = rt
	if rt.page != nil {
		rt.page.ServeHTTP(x, r)
		return
	}
	x.dialect = rt.Dialect
	x.format, _ = wire.Negotiate(accept(r))
	if rt.Dialect != wire.DialectRequestError {
		x.format = wire.JSON
	}
	if r.Method != rt.Method { // ServeMux takes HEAD for GET
		x.refuseMethod(x.g.allow(r.URL))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), x.g.limits.Handler)
	defer cancel()
	if rt.API == fault.APIOAuth { // what is changed there stands in the audit log
		ctx = audit.During(ctx, x.name)
	}
	x.call.ctx, x.call.x, x.call.Format = ctx, x, x.format
	reply, done, err := x.run(rt, r)
	switch {
	case done:
	case err != nil:
		x.fail(err)
	default:
		x.succeed(reply)
	}
}

// run is the order of docs/reference/errors.md §6.
func (x *exchange) run(rt *route, r *http.Request) (reply Reply, done bool, err error) {
	if rt.Scope != "" {
		if err := x.authorize(r); err != nil {
			return reply, false, err
		}
		if err := x.admit(); err != nil {
			return reply, false, err
		}
		if err := x.charge(x.call.Grant.App); err != nil {
			return reply, false, err
		}
	}
	if rt.types != nil {
		if x.call.Body, err = readBody(rt, r); err != nil {
			return reply, false, err
		}
	}
	if g := &x.call.Grant; rt.Scope != "" && !g.Consented(rt.Scope) {
		return reply, false, fault.OptedOut.With(g.Subscriber.Tel())
	}
	if done, err := x.once(r); done || err != nil {
		return reply, done, err
	}
	x.call.Wait = wait(r, x.call.Grant.App)
	x.ran = true
	reply, err = rt.Handle(&x.call)
	if err == nil && reply.Status == 0 {
		reply.Status = http.StatusOK
	}
	return reply, false, err
}

var (
	errTooManyConnections = errors.New("too many connections from one address")
	errTooManyCalls       = errors.New("too many calls of one app at once")
)

// admit counts the call among those of its app that are in flight (docs/reference/reliability.md
// §2.4). Callers on loopback are exempt unless Limits.Loopback says otherwise.
func (x *exchange) admit() error {
	if x.row.Unmetered || x.g.exempt(x.peer, x.r.RemoteAddr) {
		return nil
	}
	k := x.call.Grant.App.ID
	n, ok := x.g.busy.Load(k)
	if !ok {
		n, _ = x.g.busy.LoadOrStore(k, new(atomic.Int64))
	}
	c := n.(*atomic.Int64)
	if c.Add(1) > int64(x.g.limits.PerApp) {
		c.Add(-1)
		return fault.Unavailable.After(time.Second).Because(errTooManyCalls)
	}
	x.busy = c
	return nil
}

// readBody checks type and size before it reads.
func readBody(rt *route, r *http.Request) ([]byte, error) {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if !takes(rt.types, r.Header["Content-Type"]) {
		return nil, fault.MediaType
	}
	for _, c := range r.Header["Content-Encoding"] {
		if c = strings.TrimSpace(c); c != "" && !strings.EqualFold(c, "identity") {
			return nil, fault.ContentCoding
		}
	}
	if r.ContentLength > rt.maxBody {
		return nil, fault.BodyTooLarge
	}
	if r.ContentLength > 0 {
		b := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, b); err != nil {
			return nil, fault.Unparsable.Because(fmt.Errorf("read the body: %w", err))
		}
		return b, nil
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, rt.maxBody+1))
	if err != nil {
		return nil, fault.Unparsable.Because(fmt.Errorf("read the body: %w", err))
	}
	if int64(len(b)) > rt.maxBody {
		return nil, fault.BodyTooLarge
	}
	return b, nil
}

// takes reports whether a media type is one of the row's. A body without a type is left to the
// handler, which can see what it is (docs/reference/sms.md §2).
func takes(types, header []string) bool {
	if len(header) == 0 {
		return true
	}
	if len(header) > 1 {
		return false
	}
	m, _, _ := strings.Cut(header[0], ";")
	if m = strings.TrimSpace(m); m == "" {
		return true
	}
	for _, t := range types {
		if strings.EqualFold(m, t) {
			return true
		}
	}
	return false
}

// maxWait is the longest that a caller may wait for a verdict (product decision 3).
const maxWait = 5 * time.Second

// wait is what Prefer: wait=N asks for (RFC 7240 §4.3), else what the app's account says.
func wait(r *http.Request, a *app.App) time.Duration {
	for _, line := range r.Header["Prefer"] {
		for p := range strings.SplitSeq(line, ",") {
			p, _, _ = strings.Cut(p, ";")
			name, value, _ := strings.Cut(p, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
			if err != nil {
				continue
			}
			return min(time.Duration(n)*time.Second, maxWait)
		}
	}
	if a != nil {
		return min(a.WaitForVerdict, maxWait)
	}
	return 0
}

// accept is the Accept header in one line.
func accept(r *http.Request) string {
	switch h := r.Header["Accept"]; len(h) {
	case 0:
		return ""
	case 1:
		return h[0]
	default:
		return strings.Join(h, ",")
	}
}

// GoodCorrelator reports whether an x-correlator has the pattern of docs/reference/conventions.md §3.9.
func GoodCorrelator(s string) bool {
	if len(s) > 256 {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_:;./<>{}", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// shared header values; net/http copies what it is given.
var (
	typeJSON    = []string{"application/json"}
	typeXML     = []string{"application/xml"}
	typeHTML    = []string{"text/html; charset=utf-8"}
	typeProblem = []string{"application/problem+json"}
	trueValue   = []string{"true"}
)

// succeed renders and writes a reply.
func (x *exchange) succeed(reply Reply) {
	x.out.status, x.out.header = reply.Status, reply.Header
	buf := x.g.buffers.Get().(*[]byte)
	defer x.g.buffers.Put(buf)
	if reply.Body != nil {
		b, err := wire.Append((*buf)[:0], x.format, reply.Body)
		if err != nil {
			if reply.After != nil {
				reply.After(false)
			}
			x.fail(fmt.Errorf("render the reply: %w", err))
			return
		}
		*buf, x.out.body = b, b
		if x.format == wire.XML {
			x.Header()["Content-Type"] = typeXML
		} else {
			x.Header()["Content-Type"] = typeJSON
		}
	}
	if reply.HTML != nil {
		x.out.body = reply.HTML
		x.Header()["Content-Type"] = typeHTML
	}
	if x.fault = x.call.Refused; x.fault != nil {
		x.describedBy()
	}
	x.keep()
	x.write()
	if reply.After != nil {
		if !x.failed {
			x.failed = http.NewResponseController(x.ResponseWriter).Flush() != nil
		}
		if x.failed || x.peer == nil || x.peer.conn == nil {
			reply.After(!x.failed)
		} else {
			x.peer.conn.received(reply.After)
		}
	}
	x.detail()
	x.out.body = nil // it goes back to the pool
}

// ErrStopping is the cause with which whoever serves the gateway ends the context of its requests when it
// stops (http.Server.BaseContext). A caller who is still waiting then is told to come again; without the
// cause it would be taken for one that has gone.
var ErrStopping = fmt.Errorf("the platform stops: %w", context.Canceled)

// fail renders and writes a refusal. What is no Fault becomes one: 502 if the deadline is over, else
// the general service error, whose cause goes to the log only.
func (x *exchange) fail(err error) {
	if ctx := x.r.Context(); ctx.Err() != nil && errors.Is(err, context.Canceled) {
		if !errors.Is(context.Cause(ctx), ErrStopping) {
			x.out.status = statusGone // nobody is there to read anything; see end
			return
		}
		err = fault.Unavailable.Because(ErrStopping)
	}
	x.drain()
	f := x.toFault(err)
	if x.dialect == wire.DialectOAuth {
		f = fault.OnOAuth(f)
	}
	f = f.ForRequest(x.name)
	x.fault, x.out.status = f, f.Status
	h := x.Header()
	d := x.dialect
	if d == wire.DialectRequestError && wire.WantsProblem(accept(x.r)) {
		d = wire.DialectProblem
	}
	if d == wire.DialectProblem {
		x.out.body = wire.AppendProblem(nil, x.base(), f)
		h["Content-Type"] = typeProblem
	} else {
		x.out.body = wire.AppendFault(nil, d, x.format, f)
		if d == wire.DialectRequestError && x.format == wire.XML {
			h["Content-Type"] = typeXML
		} else {
			h["Content-Type"] = typeJSON
		}
	}
	if x.row.Page != nil && wire.PrefersHTML(accept(x.r)) {
		if html, header := x.row.Page(&x.call, f); html != nil {
			x.out.body, x.out.header = html, header
			h["Content-Type"] = typeHTML
		}
	}
	x.describedBy()
	if f.RetryAfter > 0 {
		h["Retry-After"] = []string{strconv.FormatInt(seconds(f.RetryAfter), 10)}
	}
	if f.Status == http.StatusUnauthorized {
		x.challenge()
	}
	if d == wire.DialectOAuth {
		h["Cache-Control"] = []string{"no-store"}
	}
	x.keep()
	x.write()
	x.detail()
}

// describedBy is the header that leads to the page of a refusal (RFC 8288).
func (x *exchange) describedBy() {
	x.Header()["Link"] = []string{"<" + x.base() + x.fault.Path() + `>; rel="describedby"`}
}

// drainTime is how long a refusal waits for the rest of a body, so that its connection can go on.
const drainTime = 250 * time.Millisecond

// drain reads what is left of a body that nobody wants. net/http would do so before it lets a refusal
// out, and wait for a slow client until the read timeout is over; here such a client is told at once,
// and its connection ends.
func (x *exchange) drain() {
	r := x.r
	if x.call.Body != nil || r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody || r.ProtoMajor != 1 || r.Header["Expect"] != nil {
		return
	}
	c := http.NewResponseController(x.ResponseWriter)
	if c.SetReadDeadline(time.Now().Add(drainTime)) != nil {
		return
	}
	n, err := io.Copy(io.Discard, io.LimitReader(r.Body, maxDrain))
	if err == nil && n < maxDrain {
		c.SetReadDeadline(time.Time{}) // net/http sets that of the next request
		return
	}
	x.Header()["Connection"] = []string{"close"}
	c.EnableFullDuplex()
}

// maxDrain is what net/http itself would read of it.
const maxDrain = 256 << 10

// statusGone is what the record says of a caller that left before the answer.
const statusGone = 499

func (x *exchange) toFault(err error) *fault.Fault {
	var f *fault.Fault
	if !errors.As(err, &f) && errors.Is(err, context.DeadlineExceeded) {
		return fault.BadGateway.Because(err)
	}
	return fault.From(err)
}

// challenge is the header a 401 must have (RFC 9110 §11.6.1): for a proof to a client that tried one
// (RFC 9449 §7.1), of HTTP Basic only to a client that tried it (docs/reference/errors.md §5 note 1).
func (x *exchange) challenge() {
	scheme, _, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	switch {
	case x.dialect != wire.DialectOAuth && strings.EqualFold(scheme, "DPoP"):
		code := "invalid_token"
		if errors.Is(x.fault, fault.ProofInvalid) {
			code = "invalid_dpop_proof"
		}
		x.Header()["Www-Authenticate"] = []string{`DPoP realm="longlines", error="` + code + `", algs="` + strings.Join(oauth.Algorithms(), " ") + `"`}
	case x.dialect != wire.DialectOAuth:
		x.Header()["Www-Authenticate"] = []string{`Bearer realm="longlines", error="invalid_token"`}
	case strings.EqualFold(scheme, "Basic"):
		x.Header()["Www-Authenticate"] = []string{`Basic realm="longlines"`}
	}
}

// base is the address of the API as the caller reaches it.
func (x *exchange) base() string {
	if x.g.publicURL != "" {
		return x.g.publicURL
	}
	if x.r.TLS != nil {
		return "https://" + x.r.Host
	}
	return "http://" + x.r.Host
}

// write sends the answer: head and body at once.
func (x *exchange) write() {
	if x.wrote {
		return
	}
	h := x.Header()
	maps.Copy(h, x.out.header)
	if x.replay && x.out.status < 500 && x.fault == nil {
		h[headerReplayed] = trueValue
	}
	if x.replay || x.out.status >= 500 {
		x.giveBack()
	}
	x.limitHeaders()
	if x.out.status != http.StatusNoContent {
		h["Content-Length"] = []string{strconv.Itoa(len(x.out.body))}
	}
	x.wrote = true
	x.ResponseWriter.WriteHeader(x.out.status)
	if len(x.out.body) > 0 && x.r.Method != http.MethodHead {
		if _, err := x.ResponseWriter.Write(x.out.body); err != nil {
			x.failed = true
		}
	}
	x.took = x.g.now().Sub(x.start)
}

// end is the last thing that happens to a request, whatever happened before.
func (x *exchange) end() {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler {
			x.release()
			panic(p)
		}
		x.g.log.LogAttrs(context.Background(), slog.LevelError, "handler panicked",
			slog.String("request_id", x.name), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		if x.wrote {
			// Half an answer is out; cutting the connection is the only way to say so.
			x.release()
			panic(http.ErrAbortHandler)
		}
		x.fail(fault.Internal.Because(fmt.Errorf("panic: %v", p)))
	}
	x.release()
	x.record()
	if !x.wrote {
		// The caller has gone, or a page left before it said anything. net/http would say 200 for us, and
		// whoever has only closed its half of the connection would take that for a success.
		panic(http.ErrAbortHandler)
	}
}

// release gives back what the request has taken, also when it ended badly.
func (x *exchange) release() {
	if x.busy != nil {
		x.busy.Add(-1)
	}
	if x.running {
		k := x.call.Key
		x.g.running.end(runningKey{k.Tenant, k.Scope, k.Key})
	}
	if x.charged && (x.out.status == 0 || x.out.status >= 500) {
		x.giveBack()
	}
}

// exempt reports whether a caller is on loopback and loopback is not limited.
func (g *Gateway) exempt(p *peer, remote string) bool {
	if g.limits.Loopback {
		return false
	}
	if p != nil && !p.proxy {
		return p.loopback
	}
	a, err := netip.ParseAddrPort(remote)
	return err == nil && a.Addr().Unmap().IsLoopback()
}
