package smsc

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"longlines/number"
	"longlines/sandbox/clock"
	"longlines/sandbox/phone"
	"longlines/smpp"
)

const (
	deliverWindow = 100     // deliver_sm unacknowledged on a bind
	inboundWindow = 10_000  // requests of a bind that may wait for a late answer
	maxUnbound    = 10_000  // receipts kept while nobody is bound to receive
	maxReceipts   = 100_000 // receipts kept in any case
	holdAt        = 20_000  // receipts from which on answers are held back
	holdTime      = 5 * time.Second
	maxTexts      = 10_000  // deliver_sm of phones' texts that wait; then the phones wait
	maxPending    = 100_000 // messages and answers whose time is still to come
	remembered    = 1 << 14 // messages that can be asked for
	earlyTime     = 2 * time.Second
	firstRetry    = time.Second
	lastRetry     = time.Minute
	validity      = 72 * time.Hour // when the ESME names none
)

// Config is what a centre needs. Phones is required; the zero value of the rest works.
type Config struct {
	Listen   string      // a loopback address; "": 127.0.0.1:2775. Port 0 takes a free one
	SystemID string      // of the ESMEs that may bind; "": sandbox
	Password string      // "": sandbox
	Phones   *phone.Book // the subscribers
	Clock    clock.Clock // nil: clock.System
	Log      *slog.Logger

	// Fault, asked once for each message to a subscriber, says what goes wrong on purpose: the command_status to
	// refuse it with, 0 for none, and how much later the answer is. nil: nothing does.
	Fault func(to number.MSISDN) (status uint32, delay time.Duration)
}

// SMSC is a virtual message centre. See [New].
type SMSC struct {
	cfg    Config
	clock  clock.Clock
	log    *slog.Logger
	ln     net.Listener
	agenda *agenda
	joiner joiner
	prefix uint32 // high half of the message ids

	binding sync.WaitGroup // goroutines of binds

	mu       sync.Mutex
	seq      uint32 // low half of the newest message id
	ring     []*message
	binds    map[*smpp.Session]*bind
	general  int   // receiving binds without an address_range
	ranged   int   // those with one
	shared   lanes // what no bind has a claim on
	receipts int   // not acknowledged: waiting, under way or due again
	owed     int   // receipts about to be made by messages that are accepted already
	texts    int   // the same as receipts of phones' texts
	held     deque[heldAnswer]
	space    chan struct{}      // holds one: texts went down
	fresh    deque[*submission] // accepted, and their messages not seen to yet; in the order of their ids

	fulfilling bool // somebody sees to them
	stats      Stats
}

// Stats are the counters of a centre since its start, and its present load.
type Stats struct {
	Accepted uint64 // messages that got an id
	Refused  uint64 // messages that did not
	Receipts uint64 // receipts acknowledged
	Texts    uint64 // deliver_sm of phones' texts acknowledged
	Resent   uint64 // deliver_sm sent again
	Dropped  uint64 // receipts given up because too many waited

	Binds           int
	ReceiptsWaiting int // not acknowledged
	TextsWaiting    int
	Held            int // answers held back
}

// New opens the centre's port. It refuses an address that is not on loopback: a virtual network is
// reached from its own machine only. [SMSC.Run] serves the port; a centre that is not run is closed.
func New(c Config) (*SMSC, error) {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:2775"
	}
	if c.SystemID == "" {
		c.SystemID = "sandbox"
	}
	if c.Password == "" {
		c.Password = "sandbox"
	}
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := loopback(c.Listen); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("open the virtual message centre: %w", err)
	}
	var random [4]byte
	rand.Read(random[:])
	return &SMSC{
		cfg: c, clock: c.Clock, log: c.Log, ln: ln,
		agenda: newAgenda(c.Clock),
		joiner: joiner{open: map[joinKey]*assembly{}},
		// The first digit is a letter: spelled in the other case every id differs, and none has leading zeros.
		prefix: binary.BigEndian.Uint32(random[:])&^0xF0000000 | 0xA0000000,
		ring:   make([]*message, remembered),
		binds:  map[*smpp.Session]*bind{},
		space:  make(chan struct{}, 1),
	}, nil
}

// loopback checks that nobody beyond this machine can connect to an address.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address of the virtual message centre: %w", err)
	}
	if host == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return fmt.Errorf("the virtual message centre listens on loopback only, such as 127.0.0.1:2775, not on %q", addr)
	}
	return nil
}

// Addr is the address of the centre's port, with the number that was chosen if it was 0.
func (c *SMSC) Addr() net.Addr { return c.ln.Addr() }

// Close closes the port of a centre that is not run.
func (c *SMSC) Close() error { return c.ln.Close() }

// Run serves the port until ctx ends, then unbinds everybody and returns nil once all goroutines are
// gone. Any other end of the port is an error. It is called once.
func (c *SMSC) Run(ctx context.Context) error {
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var helpers sync.WaitGroup
	helpers.Go(func() { c.agenda.run(inner) })
	helpers.Go(func() { c.carry(inner) })
	server := &smpp.Server{
		Authenticate: c.authenticate,
		OnSession:    c.bound,
		Session: smpp.SessionConfig{
			Window: deliverWindow, InboundWindow: inboundWindow, InboundQueue: inboundWindow,
			Handler: smpp.HandlerFunc(c.handle), Logger: c.log,
		},
	}
	err := server.Serve(ctx, c.ln)
	c.binding.Wait()
	stop()
	helpers.Wait()
	if errors.Is(err, smpp.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("virtual message centre: %w", err)
}

func (c *SMSC) authenticate(_ context.Context, b *smpp.Bind, _ net.Addr) (smpp.BindResp, smpp.Status) {
	answer := smpp.BindResp{SystemID: "virtual-smsc"}
	switch {
	case b.SystemID != c.cfg.SystemID:
		return answer, smpp.StatusRINVSYSID
	case b.Password != c.cfg.Password:
		return answer, smpp.StatusRINVPASWD
	}
	return answer, smpp.StatusROK
}

// handle takes a request of an ESME.
func (c *SMSC) handle(_ context.Context, r *smpp.Request) {
	switch p := r.PDU.(type) {
	case *smpp.SubmitSM:
		c.submit(r, p)
	case *smpp.DataSM:
		c.data(r, p)
	case *smpp.SubmitMulti:
		c.multi(r, p)
	case *smpp.QuerySM:
		c.query(r, p)
	case *smpp.CancelSM:
		c.cancel(r, p)
	case *smpp.ReplaceSM:
		c.replace(r, p)
	default:
		r.Respond(smpp.StatusRINVCMDID, nil)
	}
}

// Stats returns the counters.
func (c *SMSC) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Binds, s.ReceiptsWaiting, s.TextsWaiting, s.Held = len(c.binds), c.receipts, c.texts, c.held.len()
	return s
}
