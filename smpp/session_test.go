package smpp

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const patience = 10 * time.Second // for what should happen at once

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func wait[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
		panic("unreachable")
	}
}

// until waits for a condition that nothing signals.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
		<-time.After(time.Millisecond)
	}
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// centre runs a Server until the test ends and returns its address.
func centre(t testing.TB, v *Server, ln net.Listener) string {
	t.Helper()
	if v.Authenticate == nil {
		v.Authenticate = func(_ context.Context, b *Bind, _ net.Addr) (BindResp, Status) {
			switch {
			case b.SystemID != "pizza":
				return BindResp{}, StatusRINVSYSID
			case b.Password != "secret":
				return BindResp{}, StatusRINVPASWD
			}
			return BindResp{SystemID: "SMSC"}, StatusROK
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := wait(t, done, "the end of Serve"); err != ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

func dial(t testing.TB, addr string, kind BindKind, cfg SessionConfig) *Session {
	t.Helper()
	s, _, err := Dial(within(t), DialConfig{Addr: addr, Bind: BindConfig{Kind: kind, SystemID: "pizza", Password: "secret"}, Session: cfg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// accept answers every submit_sm with its text as the message id.
var accept = HandlerFunc(func(_ context.Context, r *Request) {
	if p, ok := r.PDU.(*SubmitSM); ok {
		r.Respond(StatusROK, &SubmitSMResp{MessageID: string(p.Message())})
		return
	}
	r.Respond(StatusROK, nil)
})

func text(s string) *SubmitSM { return &SubmitSM{Source: pizza, Dest: alice, ShortMessage: []byte(s)} }

// peer is a centre made by hand: it has the connection and decides about every octet.
type peer struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// byHand binds a session to a peer made by hand.
func byHand(t testing.TB, cfg SessionConfig) (*Session, *peer) {
	t.Helper()
	ln := listen(t)
	defer ln.Close()
	peers := make(chan *peer, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		p := &peer{t, conn, bufio.NewReader(conn)}
		h, _ := p.read()
		p.write(Header{Sequence: h.Sequence}, &BindResp{SystemID: "hand"})
		peers <- p
	}()
	s := dial(t, ln.Addr().String(), BindTransceiver, cfg)
	p := wait(t, peers, "the bind")
	t.Cleanup(func() { p.conn.Close() })
	return s, p
}

func (p *peer) read() (Header, PDU) {
	p.conn.SetReadDeadline(time.Now().Add(patience))
	frame, err := ReadFrame(p.r, MaxPDU, nil)
	if err != nil {
		p.t.Errorf("peer reads: %v", err)
		return Header{}, nil
	}
	h, pdu, err := Decode(frame)
	if err != nil {
		p.t.Errorf("peer reads: %v", err)
	}
	return h, pdu
}

func (p *peer) write(h Header, pdu PDU) {
	b, err := Append(nil, h, pdu)
	if err != nil {
		p.t.Error(err)
	}
	p.raw(b)
}

func (p *peer) raw(b []byte) {
	if _, err := p.conn.Write(b); err != nil {
		p.t.Errorf("peer writes: %v", err)
	}
}

// expect reads until the command comes and returns its header.
func (p *peer) expect(id CommandID) (Header, PDU) {
	p.t.Helper()
	for {
		h, pdu := p.read()
		if h.Length == 0 {
			p.t.Fatalf("waiting for %s", id)
		}
		if h.ID == id {
			return h, pdu
		}
	}
}

func TestSubmitAndDeliverOnEveryKindOfBind(t *testing.T) {
	for _, kind := range []BindKind{BindTransceiver, BindTransmitter, BindReceiver} {
		t.Run(kind.String(), func(t *testing.T) {
			bound, delivered := make(chan *Session, 1), make(chan PDU, 4)
			addr := centre(t, &Server{OnSession: func(s *Session) { bound <- s }, Session: SessionConfig{Handler: accept}}, listen(t))
			s, resp, err := Dial(within(t), DialConfig{Addr: addr, Bind: BindConfig{Kind: kind, SystemID: "pizza", Password: "secret"},
				Session: SessionConfig{Handler: HandlerFunc(func(_ context.Context, r *Request) {
					delivered <- r.PDU
					r.Respond(StatusROK, nil)
				})}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if resp.Kind != kind || resp.SystemID != "SMSC" || resp.Version() != Version34 {
				t.Errorf("bind response %+v", resp)
			}
			server := wait(t, bound, "OnSession")
			if b := server.Bind(); b.SystemID != "pizza" || b.Password != "" || b.Kind != kind {
				t.Errorf("bound as %+v", b)
			}
			got, err := s.Do(within(t), text("m1"))
			if kind == BindReceiver {
				if !errors.Is(err, ErrNotSent) || !errors.Is(err, StatusRINVBNDSTS) {
					t.Errorf("submit on a receiver: %v", err)
				}
			} else if err != nil || got.PDU.(*SubmitSMResp).MessageID != "m1" {
				t.Errorf("submit: %+v, %v", got, err)
			}
			_, err = server.Do(within(t), &DeliverSM{Source: alice, Dest: pizza, ShortMessage: []byte("STOP")})
			if kind == BindTransmitter {
				if !errors.Is(err, ErrNotSent) {
					t.Errorf("deliver on a transmitter: %v", err)
				}
			} else if err != nil {
				t.Errorf("deliver: %v", err)
			} else if p := wait(t, delivered, "delivery").(*DeliverSM); string(p.ShortMessage) != "STOP" {
				t.Errorf("delivered %+v", p)
			}
			if kind == BindTransceiver {
				if err := server.Send(&AlertNotification{Source: alice, ESME: pizza}); err != nil {
					t.Error(err)
				}
				if p := wait(t, delivered, "the alert").(*AlertNotification); p.Source != alice {
					t.Errorf("alert %+v", p)
				}
				for _, p := range []PDU{&DataSM{}, &QuerySM{}, &CancelSM{}, &ReplaceSM{}, &SubmitMulti{Dests: []Destination{{Address: alice}}}} {
					if _, err := s.Do(within(t), p); err != nil {
						t.Errorf("%s: %v", p.CommandID(), err)
					}
				}
			}
			if err := s.Unbind(within(t)); err != nil {
				t.Error(err)
			}
			wait(t, server.Done(), "the centre's end of the session")
			if s.Err() != nil || server.Err() != ErrPeerUnbound {
				t.Errorf("ended by %v and %v", s.Err(), server.Err())
			}
		})
	}
}

func TestTLSAtBothEnds(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(der)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	ln := tls.NewListener(listen(t), &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	addr := centre(t, &Server{Session: SessionConfig{Handler: accept}}, ln)
	cfg := DialConfig{Addr: addr, TLS: &tls.Config{RootCAs: roots}, Bind: BindConfig{SystemID: "pizza", Password: "secret"}}
	s, _, err := Dial(within(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		id := fmt.Sprint("m", i)
		if r, err := s.Do(within(t), text(id)); err != nil || r.PDU.(*SubmitSMResp).MessageID != id {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	if err := s.Unbind(within(t)); err != nil {
		t.Error(err)
	}
	cfg.TLS = &tls.Config{}
	if s, _, err := Dial(within(t), cfg); err == nil {
		s.Close()
		t.Error("a certificate of nobody was taken")
	}
}

func TestARefusedBindTellsItsStatus(t *testing.T) {
	addr := centre(t, &Server{}, listen(t))
	_, _, err := Dial(within(t), DialConfig{Addr: addr, Bind: BindConfig{SystemID: "pizza", Password: "wrong"}})
	if !errors.Is(err, StatusRINVPASWD) {
		t.Errorf("got %v", err)
	}
	_, _, err = Dial(within(t), DialConfig{Addr: addr, Bind: BindConfig{SystemID: "pizza", Password: "much too long"}})
	var bad *EncodeError
	if !errors.As(err, &bad) || bad.Field != "password" {
		t.Errorf("got %v", err)
	}
}

func TestWindowBoundsWhatIsUnderWay(t *testing.T) {
	s, p := byHand(t, SessionConfig{Window: 3})
	var pending []*Pending
	for i := range 3 {
		x, err := s.Start(within(t), text(fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, x)
	}
	ctx, cancel := context.WithCancel(context.Background())
	fourth := make(chan error, 1)
	go func() { _, err := s.Start(ctx, text("3")); fourth <- err }()
	until(t, "a wait for a slot", func() bool { return s.Stats().Waiting == 1 })
	cancel()
	if err := wait(t, fourth, "the end of the wait"); !errors.Is(err, ErrNotSent) || !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknown) {
		t.Errorf("got %v", err)
	}
	// A response alone does not free the slot: the caller does.
	h, _ := p.expect(CommandSubmitSM)
	p.write(Header{Sequence: h.Sequence}, &SubmitSMResp{MessageID: "a"})
	if _, err := pending[0].Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	if n := s.InFlight(); n != 3 {
		t.Errorf("%d in flight before Release", n)
	}
	got := make(chan *Pending, 1)
	go func() { x, _ := s.Start(within(t), text("4")); got <- x }()
	until(t, "a wait for a slot", func() bool { return s.Stats().Waiting == 1 })
	pending[0].Release()
	pending[0].Release() // harmless
	if x := wait(t, got, "the freed slot"); x == nil || s.InFlight() != 3 {
		t.Errorf("%v, %d in flight", x, s.InFlight())
	}
	// A released request keeps its slot until it has ended.
	pending[1].Release()
	if n := s.InFlight(); n != 3 {
		t.Errorf("%d in flight after the release of one under way", n)
	}
	h, _ = p.expect(CommandSubmitSM)
	p.write(Header{Sequence: h.Sequence}, &SubmitSMResp{MessageID: "b"})
	until(t, "its end", func() bool { return s.InFlight() == 2 })
	s.SetWindow(1)
	go func() { x, _ := s.Start(within(t), text("5")); got <- x }()
	until(t, "a wait for a slot", func() bool { return s.Stats().Waiting == 1 })
	s.SetWindow(5)
	wait(t, got, "the wider window")
}

func TestResponsesInAnyOrderFindTheirRequests(t *testing.T) {
	s, p := byHand(t, SessionConfig{Window: 50})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			id := fmt.Sprint("m", i)
			r, err := s.Do(within(t), text(id))
			if err != nil || r.PDU.(*SubmitSMResp).MessageID != id {
				t.Errorf("%s: %+v, %v", id, r, err)
			}
		}()
	}
	type got struct {
		seq uint32
		id  string
	}
	var all []got
	for range 50 {
		h, x := p.expect(CommandSubmitSM)
		all = append(all, got{h.Sequence, string(x.(*SubmitSM).ShortMessage)})
	}
	for i := len(all) - 1; i >= 0; i-- {
		p.write(Header{Sequence: all[i].seq}, &SubmitSMResp{MessageID: all[i].id})
	}
	wg.Wait()
	if st := s.Stats(); st.Submitted != 50 || st.Responses != 50 || st.InFlight != 0 {
		t.Errorf("%+v", st)
	}
}

func TestSequenceWrapsAndSkipsWhatIsOutstanding(t *testing.T) {
	s, p := byHand(t, SessionConfig{Window: 10})
	start := func() uint32 {
		x, err := s.Start(within(t), text("x"))
		if err != nil {
			t.Fatal(err)
		}
		return x.Sequence()
	}
	first := start() // 2, for 1 was the bind
	s.mu.Lock()
	s.sequence = MaxSequence - 1
	s.mu.Unlock()
	got := []uint32{first, start(), start(), start()}
	if want := []uint32{2, MaxSequence, 1, 3}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, want := range got {
		if h, _ := p.expect(CommandSubmitSM); h.Sequence != want {
			t.Errorf("on the wire %d, want %d", h.Sequence, want)
		}
	}
}

func TestAMuteCentreIsAnUnknownOutcome(t *testing.T) {
	s, p := byHand(t, SessionConfig{RequestTimeout: 50 * time.Millisecond, Window: 1})
	x, err := s.Start(within(t), text("x"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := x.Wait(ctx); !errors.Is(err, ErrNoResponse) || !errors.Is(err, context.Canceled) {
		t.Errorf("impatient: %v", err)
	}
	if _, err := x.Wait(within(t)); !errors.Is(err, ErrNoResponse) || !errors.Is(err, ErrUnknown) || errors.Is(err, ErrNotSent) {
		t.Errorf("got %v", err)
	}
	x.Release()
	h, _ := p.expect(CommandSubmitSM)
	p.write(Header{Sequence: h.Sequence}, &SubmitSMResp{MessageID: "late"}) // too late: counted, ignored
	until(t, "the late response", func() bool { return s.Stats().UnknownResponses == 1 })
	if st := s.Stats(); st.Timeouts != 1 || st.InFlight != 0 {
		t.Errorf("%+v", st)
	}
	select {
	case <-s.Done():
		t.Errorf("the session ended: %v", s.Err())
	default:
	}
}

func TestOddAnswers(t *testing.T) {
	s, p := byHand(t, SessionConfig{})
	answer := func(f func(h Header)) (Response, error) {
		done := make(chan struct{})
		var r Response
		var err error
		go func() { defer close(done); r, err = s.Do(within(t), text("x")) }()
		h, _ := p.expect(CommandSubmitSM)
		f(h)
		wait(t, done, "the end of Do")
		return r, err
	}
	r, err := answer(func(h Header) { p.write(Header{Status: StatusRTHROTTLED, Sequence: h.Sequence}, &SubmitSMResp{}) })
	var status Status
	if !errors.As(err, &status) || status != StatusRTHROTTLED || r.Header.Status != StatusRTHROTTLED || errors.Is(err, ErrUnknown) {
		t.Errorf("refusal without a body: %+v, %v", r, err)
	}
	_, err = answer(func(h Header) { p.write(Header{Status: StatusRINVCMDID, Sequence: h.Sequence}, &GenericNack{}) })
	var nack *NackError
	if !errors.As(err, &nack) || nack.Status != StatusRINVCMDID || errors.As(err, &status) {
		t.Errorf("generic_nack: %v", err)
	}
	_, err = answer(func(h Header) {
		p.write(Header{Sequence: h.Sequence + 100}, &SubmitSMResp{})           // no such request
		p.write(Header{Sequence: h.Sequence}, &DeliverSMResp{})                // not the response to this one
		p.write(Header{Status: StatusRINVCMDLEN, Sequence: 0}, &GenericNack{}) // to nothing
		p.write(Header{Sequence: h.Sequence}, &SubmitSMResp{MessageID: "x"})
		p.write(Header{Sequence: h.Sequence}, &SubmitSMResp{MessageID: "x"}) // twice
	})
	if err != nil {
		t.Error(err)
	}
	until(t, "four unknown responses", func() bool { return s.Stats().UnknownResponses == 4 })
	r, err = answer(func(h Header) {
		b := pdu(CommandSubmitSMResp, 0, "no end")
		binary.BigEndian.PutUint32(b[12:], h.Sequence)
		p.raw(b)
	})
	var bad *DecodeError
	if !errors.As(err, &bad) || bad.Field != "message_id" || r.Header.Status != StatusROK || r.PDU != nil {
		t.Errorf("unreadable response: %+v, %v", r, err)
	}
	if _, err := answer(func(h Header) { p.write(Header{Sequence: h.Sequence}, &SubmitSMResp{MessageID: "y"}) }); err != nil {
		t.Errorf("the session did not go on: %v", err)
	}
}

func TestHalfFramesAreWaitedFor(t *testing.T) {
	got := make(chan string, 1)
	s, p := byHand(t, SessionConfig{Handler: HandlerFunc(func(_ context.Context, r *Request) {
		got <- string(r.PDU.(*DeliverSM).ShortMessage)
		r.Respond(StatusROK, nil)
	})})
	b, _ := Append(nil, Header{Sequence: 9}, &DeliverSM{ShortMessage: []byte("in pieces")})
	for i := range b {
		p.raw(b[i : i+1])
	}
	if text := wait(t, got, "the delivery"); text != "in pieces" {
		t.Errorf("got %q", text)
	}
	p.expect(CommandDeliverSMResp)
	_ = s
}

func TestHalfAFrameAndNoMoreEndsTheSession(t *testing.T) {
	s, p := byHand(t, SessionConfig{ReadTimeout: 30 * time.Millisecond})
	p.raw([]byte{0, 0, 0, 30, 0, 0})
	wait(t, s.Done(), "the end of the session")
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("ended by %v", err)
	}
}

func TestALengthBombIsAnsweredAndClosed(t *testing.T) {
	for _, length := range []uint32{0xFFFFFFFF, MaxPDU + 1, 15, 0} {
		t.Run(fmt.Sprintf("%#x", length), func(t *testing.T) {
			s, p := byHand(t, SessionConfig{})
			b := pdu(CommandDeliverSM, 0, strings.Repeat("x", 10000))
			binary.BigEndian.PutUint32(b, length)
			p.raw(b)
			h, _ := p.expect(CommandGenericNack)
			if h.Status != StatusRINVCMDLEN || length >= HeaderLen && h.Sequence != 7 {
				t.Errorf("answered %+v", h)
			}
			p.conn.SetReadDeadline(time.Now().Add(patience))
			if _, err := p.r.ReadByte(); err != io.EOF {
				t.Errorf("then %v", err)
			}
			p.conn.Close()
			wait(t, s.Done(), "the end of the session")
			var bad *DecodeError
			if !errors.As(s.Err(), &bad) || !bad.Fatal {
				t.Errorf("ended by %v", s.Err())
			}
		})
	}
}

func TestBadRequestsAreAnsweredAndTheSessionGoesOn(t *testing.T) {
	s, p := byHand(t, SessionConfig{Handler: accept})
	tests := []struct {
		name   string
		raw    []byte
		answer CommandID
		status Status
	}{
		{"unknown command", pdu(0x111, 0, "??"), CommandGenericNack, StatusRINVCMDID},
		{"TLV overrun", pdu(CommandDeliverSM, 0, submitHead+"\x00\x04\x24\xff\xff"), CommandDeliverSMResp, StatusRINVTLVSTREAM},
		{"sm_length beyond the PDU", pdu(CommandDeliverSM, 0, submitHead+"\x20ab"), CommandDeliverSMResp, StatusRINVMSGLEN},
		{"what only an ESME sends", pdu(CommandSubmitSM, 0, submitHead+"\x00"), CommandSubmitSMResp, StatusRINVBNDSTS},
		{"a bind on a bind", pdu(CommandBindTransceiver, 0, "a\x00b\x00\x00\x34\x00\x00\x00"), CommandBindTransceiverResp, StatusRINVBNDSTS},
		{"a good one", pdu(CommandDeliverSM, 0, submitHead+"\x00"), CommandDeliverSMResp, StatusROK},
	}
	for _, test := range tests {
		p.raw(test.raw)
		h, _ := p.read()
		want := test.status
		if test.answer == CommandBindTransceiverResp {
			want = StatusRALYBND
		}
		if h.ID != test.answer || h.Status != want || h.Sequence != 7 {
			t.Errorf("%s: answered %+v", test.name, h)
		}
	}
	if st := s.Stats(); st.Refused != 5 || st.Requests != 1 {
		t.Errorf("%+v", st)
	}
}

func TestBlockedHandlersDoNotStopTheReader(t *testing.T) {
	release := make(chan struct{})
	var running atomic.Int32
	s, p := byHand(t, SessionConfig{InboundWindow: 4, InboundQueue: 8, Handler: HandlerFunc(func(_ context.Context, r *Request) {
		running.Add(1)
		<-release
		r.Respond(StatusROK, nil)
	})})
	for i := range 20 { // four run, eight wait, the rest is refused
		p.write(Header{Sequence: uint32(i + 1)}, &DeliverSM{ShortMessage: []byte("x")})
		if i < 12 {
			until(t, "the request's place", func() bool { return s.Stats().Unanswered == i+1 && int(running.Load()) == min(i+1, 4) })
		}
	}
	for i := range 8 {
		if h, _ := p.read(); h.ID != CommandDeliverSMResp || h.Status != StatusRX_T_APPN || h.Sequence != uint32(i+13) {
			t.Errorf("refusal %d: %+v", i, h)
		}
	}
	p.write(Header{Sequence: 99}, &EnquireLink{})
	if h, _ := p.read(); h.ID != CommandEnquireLinkResp || h.Sequence != 99 {
		t.Errorf("enquire_link is answered with %+v", h)
	}
	done := make(chan error, 1)
	go func() { _, err := s.Do(within(t), text("x")); done <- err }()
	h, _ := p.expect(CommandSubmitSM)
	p.write(Header{Sequence: h.Sequence}, &SubmitSMResp{})
	if err := wait(t, done, "our own request"); err != nil {
		t.Error(err)
	}
	if n := running.Load(); n != 4 {
		t.Errorf("%d handlers ran at once", n)
	}
	close(release)
	for range 12 {
		if h, _ := p.expect(CommandDeliverSMResp); h.Status != StatusROK {
			t.Errorf("answered %+v", h)
		}
	}
	until(t, "the last answer", func() bool { return s.Stats().Unanswered == 0 && running.Load() == 12 })
}

func TestAnswersMayComeLaterAndInAnyOrder(t *testing.T) {
	reqs := make(chan *Request, 10)
	s, p := byHand(t, SessionConfig{InboundWindow: 10, Handler: HandlerFunc(func(_ context.Context, r *Request) { reqs <- r })})
	for i := range 10 {
		p.write(Header{Sequence: uint32(i + 1)}, &DeliverSM{})
	}
	bySeq := map[uint32]*Request{}
	for range 10 {
		r := wait(t, reqs, "a request")
		bySeq[r.Header.Sequence] = r
	}
	for i := 10; i > 0; i-- {
		r := bySeq[uint32(i)]
		if err := r.Respond(StatusROK, &SubmitSMResp{}); err == nil {
			t.Error("a response of another kind was taken")
		}
		if err := r.Respond(StatusROK, nil); err != nil {
			t.Error(err)
		}
		if err := r.Respond(StatusROK, nil); err != ErrAnswered {
			t.Errorf("second answer: %v", err)
		}
		if h, _ := p.read(); h.Sequence != uint32(i) {
			t.Errorf("answered %d, want %d", h.Sequence, i)
		}
		until(t, "the octets of the answer", r.Written)
	}
	p.write(Header{Sequence: 11}, &DeliverSM{})
	r := wait(t, reqs, "a request")
	s.Close()
	if err := r.Respond(StatusROK, nil); !errors.Is(err, ErrNotSent) || r.Written() {
		t.Errorf("answer after the end: %v, written %v", err, r.Written())
	}
}

func TestAPanickingHandlerCostsOneRequest(t *testing.T) {
	_, p := byHand(t, SessionConfig{Handler: HandlerFunc(func(_ context.Context, r *Request) {
		if r.Header.Sequence == 1 {
			panic("poison")
		}
		r.Respond(StatusROK, nil)
	})})
	for i, want := range []Status{StatusRSYSERR, StatusROK} {
		p.write(Header{Sequence: uint32(i + 1)}, &DeliverSM{})
		if h, _ := p.read(); h.Status != want {
			t.Errorf("answered %+v", h)
		}
	}
}

func TestAPeerThatVanishesMidResponseLeavesTheOutcomeUnknown(t *testing.T) {
	s, p := byHand(t, SessionConfig{Window: 2})
	a, err := s.Start(within(t), text("a"))
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	b, err := s.Start(within(t), text("b"))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, err := s.Start(within(t), text("c")); waiting <- err }()
	until(t, "a wait for a slot", func() bool { return s.Stats().Waiting == 1 })
	h, _ := p.expect(CommandSubmitSM)
	p.expect(CommandSubmitSM)
	resp, _ := Append(nil, Header{Sequence: h.Sequence}, &SubmitSMResp{MessageID: "lost"})
	p.raw(resp[:len(resp)-3])
	p.conn.Close()
	for _, x := range []*Pending{a, b} {
		if _, err := x.Wait(within(t)); !errors.Is(err, ErrClosed) || !errors.Is(err, ErrUnknown) || errors.Is(err, ErrNotSent) {
			t.Errorf("got %v", err)
		}
	}
	if err := wait(t, waiting, "the end of the wait"); !errors.Is(err, ErrNotSent) || errors.Is(err, ErrUnknown) {
		t.Errorf("waiting: %v", err)
	}
	wait(t, s.Done(), "the end of the session")
	if _, err := s.Do(within(t), text("d")); !errors.Is(err, ErrNotSent) || errors.Is(err, ErrUnknown) {
		t.Errorf("afterwards: %v", err)
	}
	if !errors.Is(s.Err(), io.ErrUnexpectedEOF) {
		t.Errorf("ended by %v", s.Err())
	}
}

// TestWhatTheKernelHasNotSeenIsNotSent fills the socket of a peer that does not read: the writer is stuck inside one write, and what was
// queued behind it has certainly not left.
func TestWhatTheKernelHasNotSeenIsNotSent(t *testing.T) {
	s, p := byHand(t, SessionConfig{Window: 100000, WriteTimeout: time.Minute})
	payload := make([]byte, 60000)
	big := &SubmitSM{Source: pizza, Dest: alice}
	big.SetMessage(payload)
	var pending []*Pending
	stuck := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return uint64(len(s.out)) > 200*60000 // grows only while a write does not return
	}
	for !stuck() {
		x, err := s.Start(within(t), big)
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, x)
		if len(pending) > 5000 {
			t.Fatal("the socket never fills")
		}
	}
	s.Close()
	var unknown, unsent int
	for _, x := range pending {
		_, err := x.Wait(within(t))
		switch {
		case errors.Is(err, ErrNotSent) && !errors.Is(err, ErrUnknown):
			unsent++
		case errors.Is(err, ErrClosed) && !errors.Is(err, ErrNotSent) && unsent == 0: // in order: never after one not sent
			unknown++
		default:
			t.Fatalf("got %v", err)
		}
	}
	if unknown == 0 || unsent < 200 {
		t.Errorf("%d unknown, %d not sent", unknown, unsent)
	}
	// What the peer can still read must all be among the unknown.
	n := 0
	for {
		p.conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := ReadFrame(p.r, MaxPDU, nil); err != nil {
			break
		}
		n++
	}
	if n > unknown {
		t.Errorf("the peer got %d, but only %d are unknown", n, unknown)
	}
}

func TestSilenceIsEnquiredAndADeadPeerIsLeft(t *testing.T) {
	cfg := SessionConfig{EnquireInterval: 20 * time.Millisecond, EnquireTimeout: 30 * time.Millisecond}
	s, p := byHand(t, cfg)
	for range 3 {
		h, _ := p.read()
		if h.ID != CommandEnquireLink {
			t.Fatalf("got %+v", h)
		}
		p.write(Header{Sequence: h.Sequence}, &EnquireLinkResp{})
	}
	// From now on it is mute: two more, then the end.
	pending, err := s.Start(within(t), text("x"))
	if err != nil {
		t.Fatal(err)
	}
	wait(t, s.Done(), "the end of the session")
	if s.Err() != ErrDead {
		t.Errorf("ended by %v", s.Err())
	}
	if _, err := pending.Wait(within(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestAPeerThatAsksAndDoesNotReadIsLeft(t *testing.T) {
	s, p := byHand(t, SessionConfig{WriteTimeout: time.Minute})
	one, _ := Append(nil, Header{Sequence: 1}, &EnquireLink{})
	many := make([]byte, 0, 64<<10)
	for len(many) < 60<<10 {
		many = append(many, one...)
	}
	go func() {
		for {
			if _, err := p.conn.Write(many); err != nil {
				return
			}
		}
	}()
	wait(t, s.Done(), "the end of the session")
	if s.Err() != ErrNotReading {
		t.Errorf("ended by %v", s.Err())
	}
}

func TestUnbind(t *testing.T) {
	t.Run("an unanswered unbind still closes", func(t *testing.T) {
		s, p := byHand(t, SessionConfig{})
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if err := s.Unbind(ctx); !errors.Is(err, ErrNoResponse) {
			t.Errorf("got %v", err)
		}
		p.expect(CommandUnbind)
		if _, err := s.Do(within(t), text("x")); !errors.Is(err, ErrNotSent) {
			t.Errorf("afterwards: %v", err)
		}
		if s.Err() != nil || s.Unbind(within(t)) != nil || s.Close() != nil {
			t.Error("ending twice is not harmless")
		}
	})
	t.Run("the peer's unbind is answered after its requests", func(t *testing.T) {
		reqs := make(chan *Request, 1)
		s, p := byHand(t, SessionConfig{Handler: HandlerFunc(func(_ context.Context, r *Request) { reqs <- r })})
		p.write(Header{Sequence: 1}, &DeliverSM{})
		r := wait(t, reqs, "the request")
		p.write(Header{Sequence: 2}, &Unbind{})
		until(t, "the news of the unbind", func() bool {
			_, err := s.Start(within(t), text("x"))
			return errors.Is(err, ErrNotSent)
		})
		r.Respond(StatusROK, nil)
		p.expect(CommandDeliverSMResp)
		if h, _ := p.expect(CommandUnbindResp); h.Sequence != 2 {
			t.Errorf("answered %+v", h)
		}
		p.conn.Close()
		wait(t, s.Done(), "the end of the session")
		if s.Err() != ErrPeerUnbound {
			t.Errorf("ended by %v", s.Err())
		}
	})
}

func TestOnPDUSeesTheWireWithoutPasswords(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	see := func(dir Direction, h Header, raw []byte) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, dir.String()+" "+h.ID.String())
		if strings.Contains(string(raw), "secret") || uint32(len(raw)) != h.Length {
			t.Errorf("raw %q", raw)
		}
	}
	addr := centre(t, &Server{Session: SessionConfig{Handler: accept}}, listen(t))
	s := dial(t, addr, BindTransceiver, SessionConfig{OnPDU: see})
	if _, err := s.Do(within(t), text("x")); err != nil {
		t.Fatal(err)
	}
	s.Unbind(within(t))
	mu.Lock()
	defer mu.Unlock()
	want := "sent bind_transceiver, received bind_transceiver_resp, sent submit_sm, received submit_sm_resp, sent unbind, received unbind_resp"
	if got := strings.Join(seen, ", "); got != want {
		t.Errorf("got %s", got)
	}
}

func TestManyThroughASmallWindow(t *testing.T) {
	addr := centre(t, &Server{Session: SessionConfig{Handler: accept}}, listen(t))
	s := dial(t, addr, BindTransceiver, SessionConfig{Window: 7})
	var wg sync.WaitGroup
	for w := range 30 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 100 {
				id := fmt.Sprint(w, "-", i)
				if r, err := s.Do(within(t), text(id)); err != nil || r.PDU.(*SubmitSMResp).MessageID != id {
					t.Errorf("%s: %+v, %v", id, r, err)
					return
				}
				if n := s.InFlight(); n > 7 {
					t.Errorf("%d in flight", n)
				}
			}
		}()
	}
	wg.Wait()
	if st := s.Stats(); st.Submitted != 3000 || st.Responses != 3000 || st.InFlight != 0 || st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
}
