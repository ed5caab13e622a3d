// Package smsc is our end of an SMPP link: an ESME (external short messaging entity) that keeps one
// account bound to a message centre, submits texts over it and takes what the centre delivers.
//
// # Who talks to whom
//
// The core hands a text to [SMSC.Submit] and gets back the centre's name for each segment, or a
// [message.Refusal] that says what the no means: try again, fail, slow down. What comes the other
// way, receipts and texts from handsets, goes to a [message.Receiver], and only when that has made it
// durable is the centre told ROK. The package decides nothing about messages; it knows how centres
// behave.
//
// # How centres behave
//
//   - They drop binds. A lost bind is tried again for ever, with a growing, jittered pause; an account
//     that is refused is tried seldom and loudly, but is never given up ([SMSC.Run], bind.go).
//   - They answer late. Submits on their way are bounded by a window, which shrinks to one while
//     answers are late, so that nothing is sent twice into a queue that is merely slow (window.go).
//   - They throttle. Then the whole link pauses and goes on at half the pace (pace.go).
//   - They refuse in their own words. One table says what each command_status means (status.go), and
//     settings of the link overrule it (quirks.go).
//   - Or they say nothing. A submit whose octets may have left and whose answer never came is unknown,
//     which is neither yes nor no (docs/reference/reliability.md §3.3).
//
// Sources: SMPP Protocol Specification v3.4 issue 1.2; the statuses of v5.0; the rules of
// docs/reference/reliability.md §3.3 to §3.7.
//
// Left out: outbind (we call, we are not called), query_sm (it needs the id we do not have when we
// would want it), submit_multi (one recipient is one row).
package smsc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"longlines/id"
	"longlines/message"
	"longlines/route"
	"longlines/smpp"
	"longlines/timeline"
)

// Config is what a link is made of. Link and Receiver are required.
type Config struct {
	Link     route.Link
	Receiver message.Receiver

	// Changed hears when the link goes up or down and when its window changes: window is how many
	// submits are taken at once, 0 while it is down and on a link that only receives. It must not block.
	Changed func(up bool, window int)

	TLS      *tls.Config // for a link with TLS; nil: the system's roots and the link's host name
	Timers   Timers
	Timeline *timeline.Feed // nil: nobody watches
	Metrics  *Metrics       // nil: nothing is counted there
	Log      *slog.Logger   // default slog.Default

	// Name gives a message the name by which its app knows it, for the timeline; nil: none.
	Name func(id.Number) string

	Now   func() time.Time                                 // default time.Now
	Sleep func(ctx context.Context, d time.Duration) error // waits, or returns the context's error; default a timer
	Rand  func() float64                                   // from 0 to 1, for jitter; default math/rand
}

// Timers are the waits of a link; zero is the default (docs/reference/reliability.md §2.4).
type Timers struct {
	Bind     time.Duration // to connect and bind; 30 s
	Response time.Duration // after which an answer is late; 60 s. After twice that its outcome is unknown
	Enquire  time.Duration // of silence before enquire_link; 30 s
	Alive    time.Duration // for its answer; after two misses the bind is dead; 15 s
	Store    time.Duration // for the receiver to make a delivery durable; 5 s
	Stop     time.Duration // for what is under way when the link stops, and for unbind; 5 s
	Stable   time.Duration // a bind that lived this long starts the back-off afresh; 30 s
}

func (t Timers) withDefaults() Timers {
	for _, d := range []struct {
		v    *time.Duration
		zero time.Duration
	}{{&t.Bind, 30 * time.Second}, {&t.Response, 60 * time.Second}, {&t.Enquire, 30 * time.Second}, {&t.Alive, 15 * time.Second},
		{&t.Store, 5 * time.Second}, {&t.Stop, 5 * time.Second}, {&t.Stable, 30 * time.Second}} {
		if *d.v <= 0 {
			*d.v = d.zero
		}
	}
	return t
}

// SMSC is one link. It satisfies route.SMSC.
type SMSC struct {
	cfg    Config
	link   route.Link
	quirks quirks
	window *window
	pace   *pace
	legs   []*leg
	one    chan struct{} // held by the one attempt to bind that may be under way

	tx  atomic.Pointer[bound] // where submits go; nil while there is no such bind
	ref atomic.Uint32         // of long texts

	noPayload atomic.Bool // the centre refused message_payload: segments from now on
	full      fullQueue
	meter     *meter

	// Texts of one handset are taken one at a time, also from several connections, by a hash of its address. On one
	// connection they are in order too, see handsetOf.
	sources [64]sync.Mutex

	count    counters
	seldom   rate.Sometimes // for a log line that a flood would repeat
	waiting  atomic.Int64   // submits without a place or a pace yet
	tellMu   sync.Mutex
	told     bool
	toldUp   bool
	toldSize int

	mu       sync.Mutex
	started  bool
	paused   bool
	turn     chan struct{} // closed and replaced when paused changes
	upSince  time.Time
	isUp     bool
	err      string
	errAt    time.Time
	bindWarn string // an alarm that a successful bind ends
	warn     string // one that stays
}

type counters struct {
	binds, drops, submitted, refused, unknown, nameless, late      atomic.Int64
	receipts, incoming, declined, strays, throttles, unmapped, bad atomic.Int64
}

// New checks the settings and returns a link that is not connected yet.
func New(cfg Config) (*SMSC, error) {
	cfg.Link = cfg.Link.Defaulted()
	if err := cfg.Link.Check(); err != nil {
		return nil, err
	}
	if cfg.Receiver == nil {
		return nil, errors.New("smsc: no receiver")
	}
	q, err := newQuirks(cfg.Link.Quirks)
	if err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Changed == nil {
		cfg.Changed = func(bool, int) {}
	}
	cfg.Log = cfg.Log.With("link", cfg.Link.Name)
	cfg.Timers = cfg.Timers.withDefaults()
	s := &SMSC{
		cfg: cfg, link: cfg.Link, quirks: q, one: make(chan struct{}, 1), turn: make(chan struct{}),
		window: newWindow(cfg.Link.Window), upSince: cfg.Now(),
		pace:   newPace(cfg.Link.Rate, cfg.Now, cfg.Rand, cfg.Sleep),
		seldom: rate.Sometimes{First: 3, Interval: 10 * time.Second},
	}
	s.ref.Store(rand.Uint32())
	s.meter = cfg.Metrics.of(cfg.Link.Name)
	switch cfg.Link.Bind {
	case "transceiver":
		s.legs = []*leg{{kind: smpp.BindTransceiver}}
	case "transmitter":
		s.legs = []*leg{{kind: smpp.BindTransmitter}}
	case "receiver":
		s.legs = []*leg{{kind: smpp.BindReceiver}}
	case "pair":
		s.legs = []*leg{{kind: smpp.BindTransmitter}, {kind: smpp.BindReceiver}}
	}
	for _, l := range s.legs {
		l.since = s.upSince
	}
	return s, nil
}

// sleep waits in real time.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run keeps the link bound until ctx ends, then lets what is under way finish and unbinds, for at
// most 5 s. It never gives up. It may be called once.
func (s *SMSC) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.started {
		s.mu.Unlock()
		return errors.New("smsc: Run was called before")
	}
	s.started = true
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, l := range s.legs {
		wg.Go(func() { s.keep(ctx, l) })
	}
	wg.Wait()
	s.tell()
	return nil
}

// Pause leaves the centre and stays away until Resume.
func (s *SMSC) Pause() { s.setPaused(true) }

// Resume ends a pause.
func (s *SMSC) Resume() { s.setPaused(false) }

func (s *SMSC) setPaused(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused == on {
		return
	}
	s.paused = on
	close(s.turn)
	s.turn = make(chan struct{})
}

// pausing returns whether the link is paused, and a channel that is closed when that changes.
func (s *SMSC) pausing() (bool, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused, s.turn
}

// tell passes the capacity on if it has changed. A window that grows by one with each answer is told
// when it has doubled or is whole again.
func (s *SMSC) tell() {
	s.tellMu.Lock()
	defer s.tellMu.Unlock()
	up, size := s.capacity()
	if s.told && up == s.toldUp {
		if size == s.toldSize || size > s.toldSize && size < 2*s.toldSize && size < s.link.Window {
			return
		}
	}
	if !s.told && !up {
		return // it was never up: nothing changed
	}
	s.told, s.toldUp, s.toldSize = true, up, size
	s.meter.bound(up)
	s.cfg.Changed(up, size)
}

// capacity is whether the link is up, and how many submits it takes.
func (s *SMSC) capacity() (up bool, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isUp || s.link.Bind == "receiver" {
		return s.isUp, 0
	}
	return true, s.window.state().size
}

// State is how the link stands.
func (s *SMSC) State() route.State {
	w := s.window.state()
	rate, until := s.pace.state()
	c := &s.count
	out := route.State{
		Window: w.size, InUse: w.used, Waiting: int(s.waiting.Load()), Rate: rate,
		Counters: route.Counters{
			Binds: c.binds.Load(), Drops: c.drops.Load(), Submitted: c.submitted.Load(), Refused: c.refused.Load(),
			Unknown: c.unknown.Load(), Nameless: c.nameless.Load(), Late: c.late.Load(), Receipts: c.receipts.Load(),
			Incoming: c.incoming.Load(), Declined: c.declined.Load(), Strays: c.strays.Load(),
			Throttles: c.throttles.Load(), Unmapped: c.unmapped.Load(), Disagree: c.bad.Load(),
		},
	}
	if until.After(s.cfg.Now()) {
		out.Throttle = until
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Up, out.Since, out.Error, out.ErrorAt = s.isUp, s.upSince, s.err, s.errAt
	out.Alarm = s.bindWarn
	if out.Alarm == "" {
		out.Alarm = s.warn
	}
	out.Phase = route.PhaseStopped
	for _, l := range s.legs {
		b := route.Bind{Kind: l.kind.String(), Up: l.bound != nil, Since: l.since, Attempts: l.attempts, Centre: l.centre, Error: l.err}
		if l.bound != nil {
			out.Counters.Strays += int64(l.bound.session.Stats().UnknownResponses)
		} else if !l.next.IsZero() && (out.Next.IsZero() || l.next.Before(out.Next)) {
			out.Next = l.next
		}
		out.Binds = append(out.Binds, b)
		if l.phase != "" && (out.Phase == route.PhaseStopped || l.phase == route.PhaseBinding) {
			out.Phase = l.phase
		}
	}
	if s.isUp {
		out.Phase = route.PhaseUp
	}
	if s.paused && s.started && !s.isUp {
		out.Phase = route.PhasePaused
	}
	return out
}

// alarm brings something to an operator's notice; bind says that a successful bind settles it.
func (s *SMSC) alarm(bind bool, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.mu.Lock()
	at := &s.warn
	if bind {
		at = &s.bindWarn
	}
	fresh := *at != text
	*at = text
	s.mu.Unlock()
	if fresh {
		s.cfg.Log.Error("alarm: " + text)
	}
}
