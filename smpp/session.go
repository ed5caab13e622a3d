package smpp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Direction tells which way a PDU went.
type Direction uint8

const (
	Received Direction = iota
	Sent
)

// String returns "received" or "sent".
func (d Direction) String() string {
	if d == Received {
		return "received"
	}
	return "sent"
}

// SessionConfig says how a session behaves. The zero value is usable; every limit that is zero or negative gets its
// default, none can be switched off (docs/reference/reliability.md §2.4).
type SessionConfig struct {
	Window          int           // requests of ours under way at once; default 10
	InboundWindow   int           // requests of the peer given to Handler and not answered yet; default 64
	InboundQueue    int           // further ones that wait for Handler before they are refused; default 1024
	RequestTimeout  time.Duration // from Start to the response; default 60 s
	EnquireInterval time.Duration // silence after which enquire_link is sent; default 30 s
	EnquireTimeout  time.Duration // for its response; after two unanswered the session ends; default 15 s
	WriteTimeout    time.Duration // for one write to the socket; default 10 s
	ReadTimeout     time.Duration // for the rest of a PDU once it has begun; default 10 s
	MaxPDU          int           // longest PDU read, octets; default and most: the constant MaxPDU

	// Logger hears of what is odd but not an error of a call: default none.
	Logger *slog.Logger
	// OnPDU sees every PDU with its octets, which are valid only during the call. It is called one at a time per direction,
	// for what is sent with a lock held: it must be quick and must not call the session. Passwords are starred out.
	OnPDU func(dir Direction, h Header, raw []byte)
	// Handler takes the peer's requests. Without one they are refused: deliver_sm with ESME_RX_T_APPN, others with ESME_RSYSERR.
	Handler Handler
	// InTurn gives requests that must not overtake each other the same number, and 0 to others: Handler is called with one
	// of them when it has returned from the one that came before. Default: none. It must be quick.
	InTurn func(PDU) uint64
}

func (c SessionConfig) withDefaults() SessionConfig {
	number := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	span := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	number(&c.Window, 10)
	number(&c.InboundWindow, 64)
	number(&c.InboundQueue, 1024)
	number(&c.MaxPDU, MaxPDU)
	c.MaxPDU = min(c.MaxPDU, MaxPDU)
	span(&c.RequestTimeout, 60*time.Second)
	span(&c.EnquireInterval, 30*time.Second)
	span(&c.EnquireTimeout, 15*time.Second)
	span(&c.WriteTimeout, 10*time.Second)
	span(&c.ReadTimeout, 10*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

const (
	maxMissed       = 2               // unanswered enquire_link before the peer counts as dead
	unbindTimeout   = 5 * time.Second // for unbind_resp
	drainTimeout    = 2 * time.Second // for the answers still owed when the peer unbinds
	lingerTimeout   = time.Second     // for the peer to close after our last octet
	readBuffer      = 64 << 10        // octets
	keepBuffer      = 256 << 10       // a write buffer above this is given back after use
	maxAutomatic    = 256 << 10       // octets of automatic answers the peer may leave unread
	maxInboundBytes = 4 << 20         // octets of requests waiting for Handler
	discardOnFatal  = 256 << 10       // octets read and dropped so that a last generic_nack is not lost to a reset
)

type sessionState uint8

const (
	stateBound     sessionState = iota
	stateUnbinding              // unbind was sent or received: nothing new goes out
	stateClosed
)

// Session is one bind: a connection on which the bind was accepted. It is the same at both ends, and safe for
// concurrent use. It ends by Close, Unbind, the peer's unbind, or an error; Done tells.
type Session struct {
	conn net.Conn
	r    *bufio.Reader
	end  End // ours
	bind Bind
	cfg  SessionConfig
	born time.Time

	ctx    context.Context // of handlers; ends with the session
	cancel context.CancelFunc

	mu       sync.Mutex
	state    sessionState
	cause    error
	sequence uint32              // last one used
	pending  map[uint32]*Pending // every request of ours without a response yet
	oldest   *Pending            // those of them with a timer, in the order of their ends
	newest   *Pending
	window   int
	held     int       // slots taken
	waiters  []*waiter // for a slot, in order
	enquire  *Pending  // the enquire_link under way
	enquired time.Duration
	missed   int

	out       []byte // waits for the writer
	queued    uint64 // octets ever put into out
	automatic int    // octets in out that nobody but the peer asked for
	lastWords bool   // close when out is empty

	inbox      []*Request // waits for Handler
	inboxHead  int
	inboxBytes int
	active     int                 // requests given to Handler and not answered
	workers    int                 // goroutines that run Handler
	turns      map[uint64]*Request // the last one of each number that Handler has not returned from, see InTurn
	starting   bool                // one of them has not taken its first request yet
	idle       chan struct{}

	handed   atomic.Uint64 // octets of queued that the kernel may have seen
	written  atomic.Uint64 // octets of queued that the kernel has taken
	lastRead atomic.Int64  // time.Duration since born
	counters counters

	wake       chan struct{}
	closing    chan struct{} // the session has ended; goroutines are leaving
	done       chan struct{} // they have left and every Pending knows its end
	readerDone chan struct{}
	loops      sync.WaitGroup // reader, writer, keeper, and the goroutine that answers unbind
	handlers   sync.WaitGroup
}

// waiter is a caller of Start without a slot.
type waiter struct {
	ready   chan struct{}
	granted bool
}

type counters struct {
	submitted, responses, unknown, timeouts, nacks, requests, refused atomic.Uint64
}

// Stats are a session's counters since it was bound, and its present load.
type Stats struct {
	Submitted        uint64 // requests of ours put on the wire, without enquire_link and unbind
	Responses        uint64 // responses and generic_nack that matched one of them
	UnknownResponses uint64 // responses that matched none
	Timeouts         uint64 // requests of ours whose timer ran out
	Nacks            uint64 // generic_nack that matched one of ours
	Requests         uint64 // requests of the peer given to Handler
	Refused          uint64 // requests of the peer refused before Handler: malformed, not allowed, too many
	InFlight         int    // window slots held
	Waiting          int    // callers waiting for a slot
	Window           int
	Unanswered       int // requests of the peer at Handler, or waiting for it
}

func newSession(conn net.Conn, buffered []byte, end End, bind Bind, sequence uint32, cfg SessionConfig) *Session {
	cfg = cfg.withDefaults()
	var src io.Reader = conn
	if len(buffered) > 0 {
		src = io.MultiReader(bytes.NewReader(bytes.Clone(buffered)), conn)
	}
	bind.Password = "" // nobody needs it any more
	s := &Session{
		conn: conn, r: bufio.NewReaderSize(src, readBuffer), end: end, bind: bind, cfg: cfg, born: time.Now(),
		sequence: sequence, pending: make(map[uint32]*Pending, cfg.Window), window: cfg.Window,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}), readerDone: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// start runs the session's goroutines. Each ends when closing is closed and the connection with it. before, if
// not nil, is called when everything runs but the reader.
func (s *Session) start(before func(*Session)) {
	read := make(chan struct{})
	defer close(read)
	s.loops.Add(3)
	go func() {
		defer s.loops.Done()
		defer close(s.readerDone)
		select {
		case <-read:
		case <-s.closing: // before may close the session
		}
		s.readLoop()
	}()
	go func() { defer s.loops.Done(); s.writeLoop() }()
	go func() { defer s.loops.Done(); s.keepLoop() }()
	go s.finish()
	if before != nil {
		before(s)
	}
}

// Bind returns the bind the session was made by, without its password.
func (s *Session) Bind() Bind { return s.bind }

// End returns which end of the session this is.
func (s *Session) End() End { return s.end }

// RemoteAddr returns the peer's network address.
func (s *Session) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

// Done is closed when the session has ended and every request of ours knows its outcome.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session ended: nil while it runs and after Close or Unbind of ours, else ErrPeerUnbound,
// ErrDead, ErrNotReading, a *DecodeError, or an error of the connection.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateClosed || s.cause == errOurs {
		return nil
	}
	return s.cause
}

var errOurs = errors.New("smpp: closed by this end")

// Stats returns the counters.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Submitted: s.counters.submitted.Load(), Responses: s.counters.responses.Load(),
		UnknownResponses: s.counters.unknown.Load(), Timeouts: s.counters.timeouts.Load(), Nacks: s.counters.nacks.Load(),
		Requests: s.counters.requests.Load(), Refused: s.counters.refused.Load(),
		InFlight: s.held, Waiting: len(s.waiters), Window: s.window, Unanswered: s.active + len(s.inbox) - s.inboxHead,
	}
}

// InFlight returns the number of window slots held: requests under way, and answered ones not released yet.
func (s *Session) InFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// SetWindow changes the number of requests that may be under way at once, at least 1. When it shrinks, slots
// already held stay until they are released.
func (s *Session) SetWindow(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.window = max(n, 1)
	s.grant()
}

// Close ends the session at once and waits for its goroutines, handlers included, so a Handler that wants to
// end the session calls Abort. Requests under way end in ErrClosed or ErrNotSent. It may be called many times.
func (s *Session) Close() error {
	s.fail(errOurs)
	<-s.done
	s.handlers.Wait()
	return nil
}

// Abort ends the session as Close does but does not wait; Err then returns cause.
func (s *Session) Abort(cause error) {
	if cause == nil {
		cause = errOurs
	}
	s.fail(cause)
}

// Unbind says unbind, waits at most 5 s for the answer, and closes. Requests that should be answered are to be
// waited for before. The error tells that the peer did not answer; the session is closed in any case.
func (s *Session) Unbind(ctx context.Context) error {
	s.mu.Lock()
	if s.state != stateBound {
		s.mu.Unlock()
		select { // the peer's unbind is being answered, or another call of ours is at it
		case <-s.done:
		case <-ctx.Done():
		case <-time.After(unbindTimeout):
		}
		return s.Close()
	}
	s.state = stateUnbinding
	s.cause = errOurs
	p, err := s.control(&Unbind{})
	s.releaseWaiters()
	s.mu.Unlock()
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, unbindTimeout)
		_, err = p.Wait(ctx)
		cancel()
	}
	s.Close()
	if err != nil {
		return fmt.Errorf("unbind: %w", err)
	}
	return nil
}

// fail ends the session. The first cause counts, unless the end was announced before.
func (s *Session) fail(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateClosed {
		return
	}
	s.state = stateClosed
	if s.cause == nil {
		s.cause = cause
	}
	s.releaseWaiters()
	close(s.closing)
	s.cancel()
	s.conn.Close()
}

// finish tells every request of ours its end, once it is certain what the kernel has seen.
func (s *Session) finish() {
	<-s.closing
	s.loops.Wait()
	s.mu.Lock()
	handed := s.handed.Load()
	for _, p := range s.pending {
		if p.from >= handed {
			s.complete(p, Response{}, notSent(s.cause))
		} else {
			s.complete(p, Response{}, fmt.Errorf("%w: %w", ErrClosed, s.cause))
		}
	}
	s.inbox, s.inboxHead = nil, 0
	s.mu.Unlock()
	close(s.done)
}

// now is the monotonic time since the session began.
func (s *Session) now() time.Duration { return time.Since(s.born) }

func (s *Session) wakeWriter() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// enqueue appends a PDU for the writer. Called with mu held.
func (s *Session) enqueue(h Header, p PDU) error {
	from := len(s.out)
	out, err := Append(s.out, h, p)
	if err != nil {
		return err
	}
	s.out = out
	s.queued += uint64(len(out) - from)
	if s.cfg.OnPDU != nil {
		raw := out[from:]
		observe(s.cfg.OnPDU, Sent, parseHeader(raw), raw)
	}
	s.wakeWriter()
	return nil
}

// automaticAnswer enqueues an answer the session gives by itself. A peer that asks and does not read ends the session.
func (s *Session) automaticAnswer(h Header, p PDU) {
	s.mu.Lock()
	if s.state == stateClosed {
		s.mu.Unlock()
		return
	}
	before := s.queued
	if err := s.enqueue(h, p); err != nil {
		s.cfg.Logger.Error("smpp: automatic answer", "err", err)
	}
	s.automatic += int(s.queued - before)
	tooMuch := s.automatic > maxAutomatic
	s.mu.Unlock()
	if tooMuch {
		s.fail(ErrNotReading)
	}
}

// nextSequence returns a number that is not outstanding. Called with mu held.
func (s *Session) nextSequence() uint32 {
	for {
		s.sequence++
		if s.sequence > MaxSequence {
			s.sequence = 1
		}
		if _, busy := s.pending[s.sequence]; !busy {
			return s.sequence
		}
	}
}

// writeLoop hands to the kernel whatever has been queued while the previous write was under way.
func (s *Session) writeLoop() {
	var spare []byte
	for {
		select {
		case <-s.wake:
			runtime.Gosched() // let those who are about to send join this write: twice the rate at window 10
		case <-s.closing:
			return
		}
		for {
			s.mu.Lock()
			if s.state == stateClosed {
				s.mu.Unlock()
				return
			}
			buf, last := s.out, s.lastWords
			from, to := s.queued-uint64(len(s.out)), s.queued
			if len(buf) > 0 {
				s.out, s.automatic = spare[:0], 0
			}
			s.mu.Unlock()
			if len(buf) == 0 {
				if last {
					s.linger()
					return
				}
				break
			}
			s.conn.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
			n, err := s.conn.Write(buf)
			if err != nil {
				switch s.conn.(type) {
				case *net.TCPConn, *net.UnixConn:
					s.handed.Store(from + uint64(n))
				default: // TLS counts what it encrypted, not what it wrote: anything may have left
					s.handed.Store(to)
				}
				s.written.Store(from + uint64(n))
				s.fail(fmt.Errorf("write: %w", err))
				return
			}
			s.handed.Store(to)
			s.written.Store(to)
			if cap(buf) <= keepBuffer {
				spare = buf
			} else {
				spare = nil
			}
		}
	}
}

// linger ends the session after its last words were written: close our half, and give the peer
// a moment to read them, because a close with unread input would reset the connection and destroy them.
func (s *Session) linger() {
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok {
		s.conn.SetWriteDeadline(time.Now().Add(lingerTimeout))
		if c.CloseWrite() == nil {
			t := time.NewTimer(lingerTimeout)
			defer t.Stop()
			select {
			case <-s.readerDone:
			case <-s.closing:
			case <-t.C:
			}
		}
	}
	s.fail(errOurs)
}

// sayAndClose makes what has been queued the session's last words.
func (s *Session) sayAndClose(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateClosed {
		return
	}
	s.state = stateUnbinding
	if s.cause == nil {
		s.cause = cause
	}
	s.lastWords = true
	s.releaseWaiters()
	s.wakeWriter()
}

// keepLoop ends requests whose time is over and keeps the link alive. It sleeps until the earliest
// moment at which anything can be due; a request started meanwhile is never due earlier.
func (s *Session) keepLoop() {
	timer := time.NewTimer(min(s.cfg.RequestTimeout, s.cfg.EnquireInterval))
	defer timer.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-timer.C:
		}
		now := s.now()
		next, dead := s.keep(now)
		if dead {
			s.fail(ErrDead)
			return
		}
		timer.Reset(max(next-s.now(), time.Millisecond))
	}
}

func (s *Session) keep(now time.Duration) (next time.Duration, dead bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.oldest != nil && s.oldest.deadline <= now {
		p := s.oldest
		s.counters.timeouts.Add(1)
		s.complete(p, Response{}, fmt.Errorf("%w: %s to %s in %s", ErrNoResponse, p.id, s.conn.RemoteAddr(), s.cfg.RequestTimeout))
	}
	next = now + s.cfg.RequestTimeout
	if s.oldest != nil {
		next = s.oldest.deadline
	}
	if s.state != stateBound {
		return min(next, now+s.cfg.EnquireInterval), false
	}
	heard := time.Duration(s.lastRead.Load())
	if s.enquire != nil {
		switch due := s.enquired + s.cfg.EnquireTimeout; {
		case heard > s.enquired: // any PDU is a sign of life
			delete(s.pending, s.enquire.sequence)
			s.enquire, s.missed = nil, 0
		case due > now:
			return min(next, due), false
		default:
			delete(s.pending, s.enquire.sequence)
			s.enquire = nil
			if s.missed++; s.missed >= maxMissed {
				return 0, true
			}
		}
	}
	if due := heard + s.cfg.EnquireInterval; due > now && s.missed == 0 {
		return min(next, due), false
	}
	p, err := s.control(&EnquireLink{})
	if err != nil {
		s.cfg.Logger.Error("smpp: enquire_link", "err", err)
	}
	s.enquire, s.enquired = p, now
	return min(next, now+s.cfg.EnquireTimeout), false
}
