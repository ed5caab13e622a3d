package smsc

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"longlines/id"
	"longlines/message"
	"longlines/number"
	"longlines/route"
	"longlines/smpp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// centre is a scripted SMSC on loopback.
type centre struct {
	t        *testing.T
	addr     *net.TCPAddr
	sessions chan *smpp.Session // each bind that was accepted
	binds    chan smpp.Bind     // each attempt
	server   *smpp.Server
	gone     chan struct{}
	stop     context.CancelFunc
}

// script is what a centre does; nil members have an obliging default.
type script struct {
	bind    func(n int, b *smpp.Bind) smpp.Status // n counts attempts from 1
	handle  func(req *smpp.Request)
	session smpp.SessionConfig
}

// newCentre starts one; it is stopped at the end of the test.
func newCentre(t *testing.T, s script) *centre {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, ln, s)
}

func serve(t *testing.T, ln net.Listener, s script) *centre {
	c := &centre{t: t, addr: ln.Addr().(*net.TCPAddr), sessions: make(chan *smpp.Session, 64), binds: make(chan smpp.Bind, 1024), gone: make(chan struct{})}
	var mu sync.Mutex
	n := 0
	if s.handle == nil {
		s.handle = accept
	}
	s.session.Handler = smpp.HandlerFunc(func(_ context.Context, req *smpp.Request) { s.handle(req) })
	s.session.Window = max(s.session.Window, 100)
	c.server = &smpp.Server{
		Authenticate: func(_ context.Context, b *smpp.Bind, _ net.Addr) (smpp.BindResp, smpp.Status) {
			mu.Lock()
			n++
			k := n
			mu.Unlock()
			c.binds <- *b
			status := smpp.StatusROK
			if s.bind != nil {
				status = s.bind(k, b)
			}
			return smpp.BindResp{SystemID: "centre"}, status
		},
		OnSession: func(x *smpp.Session) { c.sessions <- x },
		Session:   s.session,
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go func() { defer close(c.gone); c.server.Serve(ctx, ln) }()
	t.Cleanup(c.close)
	return c
}

func (c *centre) close() { c.stop(); <-c.gone }

// session waits for the next bind.
func (c *centre) session() *smpp.Session {
	c.t.Helper()
	return receive(c.t, c.sessions, "a bind")
}

var ids struct {
	sync.Mutex
	n int
}

// accept answers submit_sm with a fresh id.
func accept(req *smpp.Request) {
	ids.Lock()
	ids.n++
	n := ids.n
	ids.Unlock()
	if req.Header.ID == smpp.CommandSubmitSM {
		req.Respond(smpp.StatusROK, &smpp.SubmitSMResp{MessageID: fmt.Sprintf("%08X", n)})
	}
}

// receive waits for a value.
func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
		panic("unreachable")
	}
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never came true: %s", what)
		}
	}
}

// inbox is a receiver: a record of what came, and what it says.
type inbox struct {
	dlrs      chan message.DLR
	texts     chan message.Incoming
	confirmed chan id.Number
	receive   func(context.Context, message.Incoming) (id.Number, error) // nil: row 7
	report    func(context.Context, message.DLR) error
}

func newInbox() *inbox {
	return &inbox{dlrs: make(chan message.DLR, 4096), texts: make(chan message.Incoming, 1024), confirmed: make(chan id.Number, 1024)}
}

func (r *inbox) ReceiveSMS(ctx context.Context, in message.Incoming) (id.Number, error) {
	r.texts <- in
	if r.receive != nil {
		return r.receive(ctx, in)
	}
	return 7, nil
}

func (r *inbox) ReportDLR(ctx context.Context, d message.DLR) error {
	r.dlrs <- d
	if r.report != nil {
		return r.report(ctx, d)
	}
	return nil
}

func (r *inbox) Confirm(n id.Number) { r.confirmed <- n }

// clock is a time that moves when somebody sleeps.
type clock struct {
	mu   sync.Mutex
	at   time.Time
	naps chan time.Duration // each nap, as long as there is room
	hold chan struct{}      // if not nil, each nap takes one to end
}

func newClock() *clock {
	return &clock{at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), naps: make(chan time.Duration, 4096)}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	select {
	case c.naps <- d:
	default:
	}
	if c.hold != nil {
		select {
		case <-c.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.mu.Lock()
	c.at = c.at.Add(d)
	c.mu.Unlock()
	return ctx.Err()
}

// change is a call of Config.Changed.
type change struct {
	up     bool
	window int
}

// linked is a link that runs against a centre.
type linked struct {
	*SMSC
	t       *testing.T
	inbox   *inbox
	changes chan change
	stop    func() // and wait
}

// quiet keeps expected trouble out of the test's output.
func quiet() *slog.Logger {
	if os.Getenv("SMSC_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.DiscardHandler)
}

// configOf is a link to an address.
func configOf(addr *net.TCPAddr, edit func(*Config)) (Config, *inbox, chan change) {
	in, changes := newInbox(), make(chan change, 4096)
	cfg := Config{
		Link:     route.Link{Name: "carrier", Host: addr.IP.String(), Port: addr.Port, SystemID: "us", Password: "secret", Window: 10},
		Receiver: in, Log: quiet(), Rand: func() float64 { return 0.5 },
		Changed: func(up bool, window int) { changes <- change{up, window} },
		Timers:  Timers{Stable: time.Nanosecond},
		Sleep:   func(ctx context.Context, _ time.Duration) error { return sleep(ctx, time.Millisecond) },
	}
	if edit != nil {
		edit(&cfg)
	}
	return cfg, in, changes
}

// link runs one until the end of the test.
func link(t *testing.T, addr *net.TCPAddr, edit func(*Config)) *linked {
	t.Helper()
	cfg, in, changes := configOf(addr, edit)
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	l := &linked{SMSC: s, t: t, inbox: in, changes: changes, stop: func() { cancel(); <-over }}
	t.Cleanup(l.stop)
	return l
}

// up waits until the link is.
func (l *linked) up() *linked {
	l.t.Helper()
	until(l.t, "the link is up", func() bool { return l.State().Up })
	return l
}

// text is a message to a number ending in the digits given.
func text(tail, s string) message.SMS {
	return message.SMS{ID: 1, Message: 1, From: number.ShortCode("48507").Address(), To: number.MSISDN("1425555" + tail), Text: s, WantDLR: true, Attempt: 1}
}

// refusalOf is the error of a submit as a refusal.
func refusalOf(t *testing.T, err error) *message.Refusal {
	t.Helper()
	no, ok := err.(*message.Refusal)
	if !ok {
		t.Fatalf("the error is %T %v, want a refusal", err, err)
	}
	return no
}

// rawCentre is a peer that writes what it likes.
type rawCentre struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

// listen gives a listener and the address of a link to it.
func listen(t *testing.T) (net.Listener, *net.TCPAddr) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln, ln.Addr().(*net.TCPAddr)
}

// answerBind takes a connection and accepts its bind.
func answerBind(t *testing.T, ln net.Listener) *rawCentre {
	t.Helper()
	return takeBind(t, ln, func(b []byte) []byte { return b })
}

// takeBind takes a connection and answers its bind with what spoil makes of the yes.
func takeBind(t *testing.T, ln net.Listener, spoil func([]byte) []byte) *rawCentre {
	t.Helper()
	ln.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &rawCentre{conn, t, bufio.NewReader(conn)}
	h, p := c.read()
	b, ok := p.(*smpp.Bind)
	if !ok {
		t.Fatalf("%s came first", h.ID)
	}
	yes, err := smpp.Append(nil, smpp.Header{Sequence: h.Sequence}, &smpp.BindResp{Kind: b.Kind, SystemID: "raw"})
	if err != nil {
		t.Fatal(err)
	}
	c.octets(spoil(yes))
	return c
}

func (c *rawCentre) read() (smpp.Header, smpp.PDU) {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	frame, err := smpp.ReadFrame(c.r, smpp.MaxPDU, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	h, p, err := smpp.Decode(frame)
	if err != nil {
		c.t.Fatal(err)
	}
	return h, p
}

func (c *rawCentre) write(h smpp.Header, p smpp.PDU) {
	c.t.Helper()
	b, err := smpp.Append(nil, h, p)
	if err != nil {
		c.t.Fatal(err)
	}
	c.octets(b)
}

func (c *rawCentre) octets(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}
