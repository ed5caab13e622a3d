package smpp

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// stranger connects without binding.
func stranger(t testing.TB, addr string) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{t, conn, bufio.NewReader(conn)}
}

// gone waits until the other end has closed.
func (p *peer) gone() {
	p.t.Helper()
	p.conn.SetReadDeadline(time.Now().Add(patience))
	if n, err := io.Copy(io.Discard, p.r); err != nil && errors.Is(err, context.DeadlineExceeded) || n > 0 {
		p.t.Errorf("still there: %d octets, %v", n, err)
	}
}

func TestNothingIsTakenBeforeTheBind(t *testing.T) {
	addr := centre(t, &Server{Session: SessionConfig{Handler: accept}}, listen(t))
	p := stranger(t, addr)
	for _, test := range []struct {
		raw    []byte
		answer CommandID
		status Status
	}{
		{pdu(CommandSubmitSM, 0, submitHead+"\x00"), CommandSubmitSMResp, StatusRINVBNDSTS},
		{pdu(CommandEnquireLink, 0, ""), CommandEnquireLinkResp, StatusRINVBNDSTS},
		{pdu(0x111, 0, "?"), CommandGenericNack, StatusRINVCMDID},
		{pdu(CommandBindTransceiver, 0, "a system id that is too long\x00"), CommandBindTransceiverResp, StatusRINVSYSID},
	} {
		p.raw(test.raw)
		if h, _ := p.read(); h.ID != test.answer || h.Status != test.status || h.Sequence != 7 {
			t.Errorf("answered %+v", h)
		}
	}
	p.write(Header{Sequence: 8}, &Bind{SystemID: "pizza", Password: "secret", InterfaceVersion: Version33})
	if h, r := p.read(); h.Status != StatusROK || len(r.(*BindResp).TLVs) != 0 {
		t.Errorf("a bind of 3.3 is answered with %+v %+v", h, r)
	}
	p.write(Header{Sequence: 9}, text("x"))
	if h, _ := p.read(); h.ID != CommandSubmitSMResp || h.Status != StatusROK {
		t.Errorf("answered %+v", h)
	}
}

func TestAStrangerIsBounded(t *testing.T) {
	v := &Server{TimeToBind: 200 * time.Millisecond, MaxConnections: 2}
	addr := centre(t, v, listen(t))
	t.Run("a PDU above 8 KiB before the bind", func(t *testing.T) {
		p := stranger(t, addr)
		p.raw(pdu(CommandBindTransceiver, 0, string(make([]byte, 9000))))
		if h, _ := p.read(); h.ID != CommandGenericNack || h.Status != StatusRINVCMDLEN {
			t.Errorf("answered %+v", h)
		}
		p.gone()
		p.conn.Close()
	})
	t.Run("a refused bind is closed", func(t *testing.T) {
		until(t, "an empty server", func() bool { v.mu.Lock(); defer v.mu.Unlock(); return v.open == 0 })
		p := stranger(t, addr)
		p.write(Header{Sequence: 1}, &Bind{SystemID: "nobody"})
		if h, _ := p.read(); h.Status != StatusRINVSYSID || h.Length != HeaderLen {
			t.Errorf("answered %+v", h)
		}
		p.gone()
		p.conn.Close()
	})
	t.Run("silence beyond the time to bind, and too many", func(t *testing.T) {
		until(t, "an empty server", func() bool { v.mu.Lock(); defer v.mu.Unlock(); return v.open == 0 })
		a, b := stranger(t, addr), stranger(t, addr)
		until(t, "both connections", func() bool { v.mu.Lock(); defer v.mu.Unlock(); return v.open == 2 })
		c := stranger(t, addr)
		c.gone()
		a.gone()
		b.gone()
	})
}

func TestReceiversMaySubmitNothingEvenByHand(t *testing.T) {
	addr := centre(t, &Server{Session: SessionConfig{Handler: accept}}, listen(t))
	p := stranger(t, addr)
	p.write(Header{Sequence: 1}, &Bind{Kind: BindReceiver, SystemID: "pizza", Password: "secret"})
	p.expect(CommandBindReceiverResp)
	p.write(Header{Sequence: 2}, text("x"))
	if h, _ := p.read(); h.ID != CommandSubmitSMResp || h.Status != StatusRINVBNDSTS {
		t.Errorf("answered %+v", h)
	}
	p.write(Header{Sequence: 3}, &Bind{Kind: BindReceiver, SystemID: "pizza", Password: "secret"})
	if h, _ := p.read(); h.ID != CommandBindReceiverResp || h.Status != StatusRALYBND {
		t.Errorf("answered %+v", h)
	}
}

func TestPDUsSentRightBehindTheBindAreNotLost(t *testing.T) {
	addr := centre(t, &Server{Session: SessionConfig{Handler: accept}}, listen(t))
	p := stranger(t, addr)
	b, _ := Append(nil, Header{Sequence: 1}, &Bind{SystemID: "pizza", Password: "secret"})
	for i := range 100 {
		b, _ = Append(b, Header{Sequence: uint32(i + 2)}, text("eager"))
	}
	p.raw(b)
	p.expect(CommandBindTransceiverResp)
	seen := map[uint32]bool{}
	for range 100 {
		h, _ := p.expect(CommandSubmitSMResp)
		seen[h.Sequence] = h.Status == StatusROK
	}
	for i := range 100 {
		if !seen[uint32(i+2)] {
			t.Errorf("no answer to %d", i+2)
		}
	}
}

func TestDeliveriesFromOnSessionComeAfterTheBindResponse(t *testing.T) {
	got := make(chan *Pending, 1)
	addr := centre(t, &Server{OnSession: func(s *Session) {
		x, _ := s.Start(context.Background(), &DeliverSM{ShortMessage: []byte("waiting for you")})
		got <- x
	}}, listen(t))
	s := dial(t, addr, BindTransceiver, SessionConfig{Handler: accept})
	x := wait(t, got, "OnSession")
	if _, err := x.Wait(within(t)); err != nil {
		t.Error(err)
	}
	x.Release()
	s.Close()
}

func TestASessionMayBeAbortedFromAnywhere(t *testing.T) {
	reason := errors.New("not you")
	bound := make(chan *Session, 1)
	addr := centre(t, &Server{OnSession: func(s *Session) { s.Abort(reason); s.Close(); bound <- s }}, listen(t))
	p := stranger(t, addr)
	p.write(Header{Sequence: 1}, &Bind{SystemID: "pizza", Password: "secret"})
	s := wait(t, bound, "OnSession")
	wait(t, s.Done(), "the end of the session")
	if s.Err() != reason || s.End() != SMSC {
		t.Errorf("ended by %v", s.Err())
	}
	addr = centre(t, &Server{Session: SessionConfig{Handler: HandlerFunc(func(_ context.Context, r *Request) { r.Session().Abort(reason) })}}, listen(t))
	c := dial(t, addr, BindTransceiver, SessionConfig{})
	if _, err := c.Do(within(t), text("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestShutdownUnbindsEverySession(t *testing.T) {
	ln := listen(t)
	v := &Server{Authenticate: func(context.Context, *Bind, net.Addr) (BindResp, Status) { return BindResp{}, StatusROK }}
	done := make(chan error, 1)
	go func() { done <- v.Serve(context.Background(), ln) }()
	a := dial(t, ln.Addr().String(), BindTransceiver, SessionConfig{})
	b := dial(t, ln.Addr().String(), BindReceiver, SessionConfig{})
	idle := stranger(t, ln.Addr().String())
	until(t, "two sessions", func() bool { return len(v.Sessions()) == 2 })
	if err := v.Shutdown(within(t)); err != nil {
		t.Error(err)
	}
	if err := wait(t, done, "the end of Serve"); err != ErrServerClosed {
		t.Errorf("Serve: %v", err)
	}
	for _, s := range []*Session{a, b} {
		wait(t, s.Done(), "the end of the session")
		if s.Err() != ErrPeerUnbound {
			t.Errorf("ended by %v", s.Err())
		}
	}
	idle.gone()
	if err := v.Serve(within(t), listen(t)); err != ErrServerClosed {
		t.Errorf("Serve after Shutdown: %v", err)
	}
	if len(v.Sessions()) != 0 || v.Shutdown(within(t)) != nil {
		t.Error("Shutdown twice is not harmless")
	}
}

func TestOutbind(t *testing.T) {
	esme := listen(t)
	defer esme.Close()
	ln := listen(t)
	v := &Server{Session: SessionConfig{Handler: accept}}
	centre(t, v, ln)
	cfg := DialConfig{Bind: BindConfig{Kind: BindReceiver, SystemID: "pizza", Password: "secret"}, Session: SessionConfig{Handler: accept}}
	for _, password := range []string{"good", "bad"} {
		bound := make(chan error, 1)
		var s *Session
		go func() {
			conn, err := esme.Accept()
			if err == nil {
				s, _, err = AcceptOutbind(within(t), conn, cfg, func(o *Outbind) error {
					if o.Password != "good" {
						return StatusRINVPASWD
					}
					return nil
				})
			}
			bound <- err
		}()
		conn, err := net.Dial("tcp", esme.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Outbind(within(t), conn, &Outbind{SystemID: "SMSC", Password: password}); err != nil {
			t.Fatal(err)
		}
		err = wait(t, bound, "the bind")
		if password == "bad" {
			if !errors.Is(err, StatusRINVPASWD) {
				t.Errorf("got %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		until(t, "the session", func() bool { return len(v.Sessions()) == 1 })
		if _, err := v.Sessions()[0].Do(within(t), &DeliverSM{Source: alice, Dest: pizza}); err != nil {
			t.Error(err)
		}
		s.Close()
	}
}

func TestDialGivesUpOnAMuteCentre(t *testing.T) {
	ln := listen(t)
	defer ln.Close()
	_, _, err := Dial(within(t), DialConfig{Addr: ln.Addr().String(), Timeout: 30 * time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
