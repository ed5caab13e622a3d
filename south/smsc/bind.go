package smsc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"longlines/message"
	"longlines/route"
	"longlines/smpp"
	"longlines/timeline"
)

// leg is one bind of the link: there is one, or two in a pair. Its fields are guarded by SMSC.mu.
type leg struct {
	kind     smpp.BindKind
	bound    *bound
	phase    string
	since    time.Time // of being bound, or not
	attempts int
	next     time.Time
	centre   string
	err      string
}

// submits reports whether texts go out over the leg.
func (l *leg) submits() bool { return l.kind != smpp.BindReceiver }

// bound is a leg while it is bound. It counts what is under way on it, so that a stop can wait.
type bound struct {
	session *smpp.Session
	leg     *leg
	kick    chan error // a reason to bind anew

	mu       sync.Mutex
	busy     int
	draining bool
	idle     chan struct{} // closed when draining and nothing is under way
	lost     int           // answers in a row that say the framing is lost; from maxLost on it stays lost
}

// maxLost is how many answers in a row, saying that the framing is lost, condemn a bind.
const maxLost = 3

// enter counts something that is under way, until leave; false: the bind is being left.
func (b *bound) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.draining {
		return false
	}
	b.busy++
	return true
}

func (b *bound) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.busy--; b.busy == 0 && b.draining {
		close(b.idle)
	}
}

// drain lets nothing new begin and returns a channel that is closed when all is over.
func (b *bound) drain() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.draining {
		b.draining = true
		if b.busy == 0 {
			close(b.idle)
		}
	}
	return b.idle
}

// misframed notes an answer that says the framing is lost, and reports whether the bind is condemned. It is from
// then on: with a window under way, many answers say so before the bind is left.
func (b *bound) misframed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost++
	return b.lost >= maxLost
}

// framed notes an answer that does not say so.
func (b *bound) framed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lost < maxLost {
		b.lost = 0
	}
}

// rebind asks for a new bind in place of this one.
func (b *bound) rebind(why error) {
	select {
	case b.kick <- why:
	default: // somebody has asked already
	}
}

// errPaused ends a wait or a bind because an operator paused or resumed the link.
var errPaused = errors.New("paused by an operator")

// keep binds one leg, again and again, until ctx ends.
func (s *SMSC) keep(ctx context.Context, l *leg) {
	defer func() {
		s.mu.Lock()
		l.phase = ""
		s.mu.Unlock()
	}()
	var back backOff
	for ctx.Err() == nil {
		paused, turn := s.pausing()
		if paused {
			s.setPhase(l, route.PhasePaused, time.Time{})
			select {
			case <-turn:
			case <-ctx.Done():
			}
			back = backOff{}
			continue
		}
		var wait time.Duration
		attempt, release := before(ctx, turn)
		b, err := s.bind(attempt, l)
		turned := attempt.Err() != nil
		release()
		if err != nil {
			if turned {
				continue // stopped, paused or resumed: not the centre's doing
			}
			action := actionOf(err)
			wait = back.refused(action, s.cfg.Rand())
			s.failed(l, err, action, wait)
		} else {
			began := s.cfg.Now()
			why := s.hold(ctx, l, b, turn)
			if ctx.Err() != nil {
				return
			}
			if s.cfg.Now().Sub(began) >= s.cfg.Timers.Stable {
				back = backOff{}
			}
			if errors.Is(why, errPaused) {
				continue
			}
			wait = back.refused(bindBackOff, s.cfg.Rand())
		}
		s.setPhase(l, route.PhaseWaiting, s.cfg.Now().Add(wait))
		s.rest(ctx, wait, turn)
	}
}

// rest waits between two attempts, unless the link is paused or resumed meanwhile.
func (s *SMSC) rest(ctx context.Context, d time.Duration, turn <-chan struct{}) {
	ctx, release := before(ctx, turn)
	defer release()
	s.cfg.Sleep(ctx, d)
}

// before returns a context that also ends when turn is closed, and what releases it.
func before(ctx context.Context, turn <-chan struct{}) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-turn:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); <-over }
}

func (s *SMSC) setPhase(l *leg, phase string, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.phase, l.next = phase, next
}

// bind makes one attempt; there is never more than one under way for the account.
func (s *SMSC) bind(ctx context.Context, l *leg) (*bound, error) {
	select {
	case s.one <- struct{}{}:
		defer func() { <-s.one }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.setPhase(l, route.PhaseBinding, time.Time{})
	s.mu.Lock()
	l.attempts++
	s.mu.Unlock()

	b := &bound{leg: l, kick: make(chan error, 1), idle: make(chan struct{})}
	// Unique over restarts, for the rule that finds a delivery sent again (reliability.md §3.7).
	conn := rand.Int64()
	ready := make(chan struct{}) // b.session is set
	cfg := smpp.DialConfig{
		Addr: net.JoinHostPort(s.link.Host, strconv.Itoa(s.link.Port)), Timeout: s.cfg.Timers.Bind,
		Bind: s.bindConfig(l.kind),
		Session: smpp.SessionConfig{
			Window: s.link.Window,
			// A late answer is still an answer: the window shrinks after Response, the outcome is unknown after
			// twice that (reliability.md §3.3-1).
			RequestTimeout:  2 * s.cfg.Timers.Response,
			EnquireInterval: s.cfg.Timers.Enquire, EnquireTimeout: s.cfg.Timers.Alive,
			Logger: s.cfg.Log, OnPDU: s.tap(),
			Handler: smpp.HandlerFunc(func(ctx context.Context, req *smpp.Request) {
				<-ready
				s.handle(ctx, b, req, conn)
			}),
			InTurn: handsetOf,
		},
	}
	if s.link.TLS {
		cfg.TLS = s.tls()
	}
	session, resp, err := smpp.Dial(ctx, cfg)
	s.meter.attempt(err)
	if err != nil {
		return nil, err
	}
	b.session = session
	close(ready)
	s.bindUp(b, resp)
	return b, nil
}

func (s *SMSC) bindConfig(kind smpp.BindKind) smpp.BindConfig {
	return smpp.BindConfig{Kind: kind, SystemID: s.link.SystemID, Password: s.link.Password, SystemType: s.link.SystemType}
}

func (s *SMSC) tls() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.cfg.TLS != nil {
		c = s.cfg.TLS.Clone()
	}
	if c.ServerName == "" {
		c.ServerName = s.link.Host
	}
	return c
}

// bindUp notes a bind that was accepted.
func (s *SMSC) bindUp(b *bound, resp *smpp.BindResp) {
	now, l := s.cfg.Now(), b.leg
	s.count.binds.Add(1)
	centre := b.session.RemoteAddr().String()
	if resp.SystemID != "" {
		centre = printable(resp.SystemID) + " at " + centre
	}
	s.mu.Lock()
	l.bound, l.phase, l.since, l.next, l.err, l.centre = b, route.PhaseUp, now, time.Time{}, "", centre
	tries := l.attempts
	l.attempts = 0
	s.bindWarn = ""
	if l.submits() {
		s.tx.Store(b)
	}
	s.settleUp(now)
	s.mu.Unlock()
	s.cfg.Log.Info("bound", "kind", l.kind.String(), "centre", centre, "attempts", tries)
	s.event("up", fmt.Sprintf("%s bound as %s", s.link.Name, l.kind), centre)
	s.tell()
}

// bindDown notes that a bind is over, or about to be.
func (s *SMSC) bindDown(b *bound, why error) {
	now, l := s.cfg.Now(), b.leg
	s.mu.Lock()
	if l.bound != b {
		s.mu.Unlock()
		return
	}
	l.bound, l.phase, l.since = nil, "", now
	if why != nil {
		l.err = why.Error()
		s.err, s.errAt = l.err, now
		s.count.drops.Add(1)
	}
	s.tx.CompareAndSwap(b, nil)
	s.settleUp(now)
	s.mu.Unlock()
	s.tell()
}

// settleUp derives whether the link is up. The caller holds mu.
func (s *SMSC) settleUp(now time.Time) {
	up := s.legs[0].bound != nil // of a pair, the transmitter
	if up != s.isUp {
		s.isUp, s.upSince = up, now
	}
}

// hold waits until a bind ends or is to be left, then leaves it. The error says why, nil for a stop.
func (s *SMSC) hold(ctx context.Context, l *leg, b *bound, turn <-chan struct{}) error {
	var why error
	select {
	case <-b.session.Done():
		why = b.session.Err()
		if why == nil {
			why = errors.New("the connection ended")
		}
	case why = <-b.kick:
	case <-turn:
		why = errPaused
	case <-ctx.Done():
	}
	failed := why != nil && !errors.Is(why, errPaused)
	if failed {
		s.bindDown(b, why)
		s.cfg.Log.Warn("bind lost", "kind", l.kind.String(), "error", why)
		s.event("down", fmt.Sprintf("%s lost its bind as %s", s.link.Name, l.kind), why.Error())
	} else {
		s.bindDown(b, nil)
	}
	s.leave(b)
	s.count.strays.Add(int64(b.session.Stats().UnknownResponses))
	if !failed {
		s.cfg.Log.Info("unbound", "kind", l.kind.String())
		s.event("down", fmt.Sprintf("%s unbound as %s", s.link.Name, l.kind), "")
	}
	return why
}

// leave lets what is under way on a bind be answered, then unbinds; both together take at most Stop.
func (s *SMSC) leave(b *bound) {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Timers.Stop)
	defer cancel()
	// Most of the time is for the answers: an unbind that comes too late loses nothing.
	grace := time.NewTimer(s.cfg.Timers.Stop * 4 / 5)
	defer grace.Stop()
	select {
	case <-b.drain():
	case <-b.session.Done():
	case <-grace.C:
	}
	if err := b.session.Unbind(ctx); err != nil {
		s.cfg.Log.Debug("unbind", "error", err)
	}
}

// failed notes a bind that did not come about.
func (s *SMSC) failed(l *leg, err error, action bindAction, wait time.Duration) {
	now := s.cfg.Now()
	s.mu.Lock()
	repeated := l.err == err.Error()
	l.err = err.Error()
	s.err, s.errAt = l.err, now
	attempts := l.attempts
	s.mu.Unlock()
	if status, ok := answered(err); ok && action != bindBackOff {
		s.alarm(true, "the centre refuses the bind with 0x%08X %s: %s", uint32(status), status, hint(status))
	}
	log := s.cfg.Log.Warn
	if repeated {
		log = s.cfg.Log.Debug
	}
	log("bind failed", "kind", l.kind.String(), "error", err, "attempt", attempts, "again_in", wait.Round(time.Millisecond))
	if !repeated {
		s.event("down", fmt.Sprintf("%s cannot bind as %s", s.link.Name, l.kind), err.Error())
	}
}

// actionOf says how an attempt that failed is followed up.
func actionOf(err error) bindAction {
	if status, ok := answered(err); ok {
		return verdictOf(status).bind
	}
	return bindBackOff
}

// answered is the status with which the centre refused a bind; false: it gave none. The error of an answer that
// could not be read carries a status too, but that one is ours.
func answered(err error) (smpp.Status, bool) {
	var unread *smpp.DecodeError
	var status smpp.Status
	if errors.As(err, &unread) || !errors.As(err, &status) {
		return 0, false
	}
	return status, true
}

// backOff counts the attempts that failed, by how they did.
type backOff struct{ plain, already, alarm int }

// refused returns how long to wait before the next attempt (docs/reference/reliability.md §3.4):
// with full jitter from 1 s up to 60 s; 5, 10, 20 … 300 s for an account that is bound already; 60 s
// up to 15 min for one that is wrong.
func (b *backOff) refused(a bindAction, random float64) time.Duration {
	switch a {
	case bindAlready:
		b.already++
		return doubled(5*time.Second, b.already, 300*time.Second)
	case bindAlarm:
		b.alarm++
		return doubled(60*time.Second, b.alarm, 15*time.Minute)
	}
	b.plain++
	return time.Duration(random * float64(doubled(time.Second, b.plain, 60*time.Second)))
}

// doubled is first, doubled n-1 times, at most most.
func doubled(first time.Duration, n int, most time.Duration) time.Duration {
	d := first
	for ; n > 1 && d < most; n-- {
		d *= 2
	}
	return min(d, most)
}

// event tells the timeline what became of the link.
func (s *SMSC) event(state, title, detail string) {
	if s.cfg.Timeline == nil {
		return
	}
	s.cfg.Timeline.Add(timeline.Entry{Time: s.cfg.Now(), Kind: timeline.KindLink, Title: title, State: state, Link: s.link.Name, Detail: detail})
}

// unsent is the refusal of a text that certainly did not leave.
func unsent(why string, cause error) *message.Refusal {
	return &message.Refusal{Class: message.ClassUnsent, Name: why, Cause: cause}
}
