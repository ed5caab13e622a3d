package smpp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Server takes binds as a centre does. Its fields are set before the first use and not changed after; the zero value of each but
// Authenticate has a default.
type Server struct {
	// Authenticate decides about a bind: StatusROK and the answer's system_id and TLVs, or the status to refuse it with. The
	// answer's kind is filled in, and SC_interface_version added if it is missing. It must be set. ctx ends with the time to bind.
	Authenticate func(ctx context.Context, bind *Bind, remote net.Addr) (BindResp, Status)
	// OnSession is told of every session after its bind was accepted, before its first request is read: it must return soon,
	// and do what waits for the peer in a goroutine of its own. nil: nobody needs to know.
	OnSession func(*Session)
	// Session configures every session; its Handler takes the requests of all of them (Request.Session tells them apart).
	Session SessionConfig
	// TimeToBind is from the connection, TLS included, to the accepted bind; default 30 s.
	TimeToBind time.Duration
	// MaxConnections, bound or not, over all listeners; more are closed at once. Default 1000.
	MaxConnections int

	mu       sync.Mutex
	closed   bool
	conns    map[net.Conn]struct{} // not bound yet
	sessions map[*Session]struct{}
	open     int
	wg       sync.WaitGroup // a goroutine per connection
	stops    map[int]func() // of the calls of Serve
	nextStop int
}

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = errors.New("smpp: server closed")

func (v *Server) log() *slog.Logger {
	if v.Session.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return v.Session.Logger
}

// Serve takes connections from ln, which it closes at the end; pass a TLS listener for TLS. It returns after ctx has ended, all
// sessions of the server were unbound as Shutdown does it, and their goroutines are gone; or when ln fails. The error is
// ErrServerClosed, or that of ln.
func (v *Server) Serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer ln.Close()
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return ErrServerClosed
	}
	if v.stops == nil {
		v.stops = make(map[int]func())
	}
	id := v.nextStop
	v.nextStop++
	v.stops[id] = cancel
	v.mu.Unlock()
	defer func() { v.mu.Lock(); delete(v.stops, id); v.mu.Unlock() }()
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()

	pause := time.Duration(0)
	for {
		conn, err := ln.Accept()
		if err == nil {
			pause = 0
			v.accept(conn)
			continue
		}
		if ctx.Err() != nil {
			v.Shutdown(context.Background())
			return ErrServerClosed
		}
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() || isTemporary(err) { // out of descriptors, usually
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			v.log().Warn("smpp: accept", "err", err, "retry", pause)
			t := time.NewTimer(pause)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
			}
			continue
		}
		v.Shutdown(context.Background())
		return fmt.Errorf("accept: %w", err)
	}
}

// isTemporary asks an accept error as net/http does; nothing newer tells a full descriptor table from a closed listener.
func isTemporary(err error) bool {
	t, ok := err.(interface{ Temporary() bool })
	return ok && t.Temporary()
}

// Outbind says outbind over conn, a connection to a waiting ESME, and then serves it like one that was accepted (SMPP 3.4
// §4.1.7). It owns conn from the call on. nil means that outbind was written.
func (v *Server) Outbind(ctx context.Context, conn net.Conn, o *Outbind) error {
	stop := deadlineOf(ctx, conn)
	err := writePDU(conn, Header{Sequence: 1}, o, v.Session.OnPDU)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return fmt.Errorf("outbind to %s: %w", conn.RemoteAddr(), err)
	}
	return v.accept(conn)
}

// Sessions returns the sessions that are bound now, in no order.
func (v *Server) Sessions() []*Session {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := make([]*Session, 0, len(v.sessions))
	for s := range v.sessions {
		all = append(all, s)
	}
	return all
}

// Shutdown ends the server: no new connections, those without a bind are closed, every session is unbound (at most 5 s, or
// until ctx ends) and all goroutines are waited for. It may be called many times.
func (v *Server) Shutdown(ctx context.Context) error {
	v.mu.Lock()
	v.closed = true
	for _, stop := range v.stops {
		stop()
	}
	for c := range v.conns {
		c.Close()
	}
	sessions := make([]*Session, 0, len(v.sessions))
	for s := range v.sessions {
		sessions = append(sessions, s)
	}
	v.mu.Unlock()
	var wg sync.WaitGroup
	for _, s := range sessions {
		wg.Add(1)
		go func() { defer wg.Done(); s.Unbind(ctx) }()
	}
	wg.Wait()
	v.wg.Wait()
	return nil
}

// accept gives a connection its goroutine, or refuses it.
func (v *Server) accept(conn net.Conn) error {
	limit := v.MaxConnections
	if limit <= 0 {
		limit = 1000
	}
	v.mu.Lock()
	if v.closed || v.open >= limit {
		closed := v.closed
		v.mu.Unlock()
		conn.Close()
		if closed {
			return ErrServerClosed
		}
		v.log().Warn("smpp: too many connections", "peer", conn.RemoteAddr(), "limit", limit)
		return errors.New("smpp: too many connections")
	}
	v.open++
	if v.conns == nil {
		v.conns = make(map[net.Conn]struct{})
		v.sessions = make(map[*Session]struct{})
	}
	v.conns[conn] = struct{}{}
	v.wg.Add(1)
	v.mu.Unlock()
	go func() {
		defer v.wg.Done()
		v.serve(conn)
		v.mu.Lock()
		delete(v.conns, conn)
		v.open--
		v.mu.Unlock()
	}()
	return nil
}

// serve takes a connection from its first octet to the end of its session.
func (v *Server) serve(conn net.Conn) {
	noDelay(conn)
	limit := v.TimeToBind
	if limit <= 0 {
		limit = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	stop := deadlineOf(ctx, conn)
	r := bufio.NewReaderSize(conn, handshakeBuffer)
	bind, h, resp, err := v.takeBind(ctx, conn, r)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		v.log().Info("smpp: not bound", "peer", conn.RemoteAddr(), "err", err)
		closeGently(conn, r)
		return
	}
	buffered, _ := r.Peek(r.Buffered())
	s := newSession(conn, buffered, SMSC, *bind, 0, v.Session)
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		s.cancel()
		conn.Close()
		return
	}
	delete(v.conns, conn)
	v.sessions[s] = struct{}{}
	v.mu.Unlock()
	// The answer goes first in the session's own stream, before anything OnSession may send.
	s.mu.Lock()
	err = s.enqueue(Header{Sequence: h.Sequence}, resp)
	s.mu.Unlock()
	if err != nil {
		v.log().Error("smpp: bind response", "err", err)
		s.fail(err)
	}
	s.start(v.OnSession)
	<-s.Done()
	s.handlers.Wait()
	v.mu.Lock()
	delete(v.sessions, s)
	v.mu.Unlock()
}

// takeBind answers everything before an acceptable bind with a refusal.
func (v *Server) takeBind(ctx context.Context, conn net.Conn, r *bufio.Reader) (*Bind, Header, *BindResp, error) {
	see := v.Session.OnPDU
	for range handshakePDUs {
		h, p, err := readPDU(r, see)
		var bad *DecodeError
		if errors.As(err, &bad) {
			answer := PDU(&GenericNack{})
			if spec := specOf(bad.Header.ID); spec != nil && spec.Response != 0 && !bad.Fatal {
				answer = New(spec.Response)
			}
			werr := writePDU(conn, Header{Status: bad.Status, Sequence: bad.Header.Sequence}, answer, see)
			if bad.Fatal || werr != nil {
				return nil, h, nil, err
			}
			continue
		}
		if err != nil {
			return nil, h, nil, err
		}
		bind, ok := p.(*Bind)
		if !ok {
			if spec := specOf(h.ID); spec.Response != 0 {
				if err := writePDU(conn, Header{Status: StatusRINVBNDSTS, Sequence: h.Sequence}, New(spec.Response), see); err != nil {
					return nil, h, nil, err
				}
			}
			continue
		}
		resp, status := v.Authenticate(ctx, bind, conn.RemoteAddr())
		resp.Kind = bind.Kind
		if status != StatusROK {
			if err := writePDU(conn, Header{Status: status, Sequence: h.Sequence}, &resp, see); err != nil {
				return nil, h, nil, err
			}
			return nil, h, nil, fmt.Errorf("%s of %q refused: %w", h.ID, bind.SystemID, status)
		}
		if _, ok := resp.TLVs.Get(TagSCInterfaceVersion); !ok && bind.InterfaceVersion >= Version34 {
			resp.TLVs.SetUint8(TagSCInterfaceVersion, Version34) // SMPP 3.4 §4.1.2; an ESME of 3.3 would not understand it
		}
		return bind, h, &resp, nil
	}
	return nil, Header{}, nil, errors.New("no bind among the first PDUs")
}

// closeGently closes so that a refusal just written is not lost to a reset, which unread input would cause.
func closeGently(conn net.Conn, r *bufio.Reader) {
	if c, ok := conn.(interface{ CloseWrite() error }); ok && c.CloseWrite() == nil {
		conn.SetReadDeadline(time.Now().Add(lingerTimeout))
		io.CopyN(io.Discard, r, discardOnFatal)
	}
	conn.Close()
}
