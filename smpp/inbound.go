package smpp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"
)

// Handler takes the requests of the peer: at a centre submit_sm and its like, at an ESME deliver_sm, data_sm and
// alert_notification. enquire_link and unbind are answered by the session.
type Handler interface {
	// Handle is called in a goroutine of its own, up to InboundWindow at a time and in about the order of arrival. It
	// may answer before or after it returns, in any order; each request is answered once by
	// Respond, and until then takes one place of InboundWindow. ctx ends with the session.
	Handle(ctx context.Context, req *Request)
}

// HandlerFunc is a function that is a Handler.
type HandlerFunc func(ctx context.Context, req *Request)

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, req *Request) { f(ctx, req) }

// Request is a request of the peer.
type Request struct {
	Header Header
	PDU    PDU

	s        *Session
	spec     *Spec
	turn     uint64        // see InTurn
	after    chan struct{} // closed when the one before has been handled; nil: there is none
	handled  chan struct{} // closed when this one has; nil: nobody waits. Guarded by s.mu
	answered bool          // guarded by s.mu
	to       uint64        // where the answer ends in the stream; guarded by s.mu
}

// ErrAnswered: the request has its answer already.
var ErrAnswered = errors.New("smpp: request already answered")

// Session returns the session the request came on.
func (r *Request) Session() *Session { return r.s }

// Respond queues the answer. resp is the response to the request's command; nil is an empty one. An
// *EncodeError leaves the request unanswered; ErrNotSent means that the session has ended, and the peer will not hear
// of it. On a request that has no response it does nothing.
func (r *Request) Respond(status Status, resp PDU) error {
	s := r.s
	if r.spec.Response == 0 {
		return nil
	}
	if resp == nil {
		resp = New(r.spec.Response)
	} else if resp.CommandID() != r.spec.Response {
		return fmt.Errorf("respond to %s with %s: not its response", r.spec.Name, resp.CommandID())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.answered {
		return ErrAnswered
	}
	if s.state == stateClosed || s.lastWords {
		r.answered = true
		s.answered()
		return notSent(s.cause)
	}
	if err := s.enqueue(Header{Status: status, Sequence: r.Header.Sequence}, resp); err != nil {
		return err
	}
	r.answered, r.to = true, s.queued
	s.answered()
	return nil
}

// Written reports that every octet of the answer was handed to the kernel. If it is false after the session has ended, the peer
// has not seen the answer and will send the request again (docs/reference/reliability.md §3.7).
func (r *Request) Written() bool {
	r.s.mu.Lock()
	to := r.to
	r.s.mu.Unlock()
	return to > 0 && r.s.written.Load() >= to
}

// answered frees a place of the inbound window. Called with mu held.
func (s *Session) answered() {
	s.active--
	s.dispatch()
	if s.idle != nil && s.active == 0 && s.inboxHead == len(s.inbox) {
		close(s.idle)
		s.idle = nil
	}
}

// readLoop reads until the connection ends. It never waits for Handler or for the peer to read.
func (s *Session) readLoop() {
	var buf []byte
	unbound := false
	for {
		frame, err := s.read(buf)
		if err != nil {
			s.readFailed(err)
			return
		}
		buf = frame[:0]
		h := parseHeader(frame)
		if s.cfg.OnPDU != nil {
			observe(s.cfg.OnPDU, Received, h, frame)
		}
		switch {
		case h.ID == CommandEnquireLink:
			s.automaticAnswer(Header{Sequence: h.Sequence}, &EnquireLinkResp{})
		case h.ID == CommandUnbind:
			if unbound {
				continue // once is enough
			}
			unbound = true
			s.loops.Add(1) // the reader is counted itself, so nobody is past waiting yet
			go func() { defer s.loops.Done(); s.onUnbind(h.Sequence) }()
		case h.ID.IsResponse():
			s.onResponse(h, frame)
		default:
			s.onRequest(h, frame)
		}
		if cap(buf) > keepBuffer {
			buf = nil
		}
	}
}

// read reads one PDU: as long as it takes to begin, within ReadTimeout from there on.
func (s *Session) read(buf []byte) ([]byte, error) {
	if s.r.Buffered() < HeaderLen {
		if _, err := s.r.Peek(1); err != nil {
			return nil, err
		}
		s.lastRead.Store(int64(s.now()))
	}
	if n := s.r.Buffered(); n >= 4 {
		b, _ := s.r.Peek(4)
		if length := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]); uint64(length) <= uint64(n) {
			return ReadFrame(s.r, s.cfg.MaxPDU, buf)
		}
	}
	s.conn.SetReadDeadline(time.Now().Add(s.cfg.ReadTimeout))
	frame, err := ReadFrame(s.r, s.cfg.MaxPDU, buf)
	if err == nil {
		s.lastRead.Store(int64(s.now()))
		s.conn.SetReadDeadline(time.Time{})
	}
	return frame, err
}

func (s *Session) readFailed(err error) {
	var bad *DecodeError
	if !errors.As(err, &bad) {
		s.fail(fmt.Errorf("read: %w", err))
		return
	}
	// Framing is lost: say so, and end (SMPP 3.4 §4.3, docs/reference/reliability.md §2.4).
	s.counters.refused.Add(1)
	s.cfg.Logger.Warn("smpp: framing lost", "peer", s.conn.RemoteAddr(), "err", err)
	s.automaticAnswer(Header{Status: bad.Status, Sequence: bad.Header.Sequence}, &GenericNack{})
	s.sayAndClose(err)
	s.conn.SetReadDeadline(time.Now().Add(lingerTimeout))
	io.CopyN(io.Discard, s.r, discardOnFatal)
}

// onUnbind answers the peer's unbind after the requests it has put before.
func (s *Session) onUnbind(sequence uint32) {
	s.mu.Lock()
	if s.state == stateBound {
		s.state = stateUnbinding
		if s.cause == nil {
			s.cause = ErrPeerUnbound // also if the peer closes before it has read our answer
		}
		s.releaseWaiters()
	}
	idle := make(chan struct{})
	if s.active == 0 && s.inboxHead == len(s.inbox) {
		close(idle)
	} else {
		s.idle = idle
	}
	s.mu.Unlock()
	t := time.NewTimer(drainTimeout)
	defer t.Stop()
	select {
	case <-idle:
	case <-t.C:
	case <-s.closing:
		return
	}
	s.automaticAnswer(Header{Sequence: sequence}, &UnbindResp{})
	s.sayAndClose(ErrPeerUnbound)
}

// refuse answers a request that does not get to Handler.
func (s *Session) refuse(h Header, spec *Spec, status Status, why error) {
	s.counters.refused.Add(1)
	s.cfg.Logger.Debug("smpp: request refused", "peer", s.conn.RemoteAddr(), "command", h.ID.String(), "sequence", h.Sequence, "status", status.String(), "err", why)
	if spec != nil && spec.Response == 0 {
		return
	}
	answer := PDU(&GenericNack{})
	if spec != nil {
		answer = New(spec.Response)
	}
	s.automaticAnswer(Header{Status: status, Sequence: h.Sequence}, answer)
}

func (s *Session) onRequest(h Header, frame []byte) {
	spec := specOf(h.ID)
	if spec == nil {
		s.refuse(h, nil, StatusRINVCMDID, nil)
		return
	}
	if spec.From == s.end || spec.States&s.boundAs() == 0 {
		status := StatusRINVBNDSTS
		if _, isBind := spec.blank().(*Bind); isBind {
			status = StatusRALYBND
		}
		s.refuse(h, spec, status, nil)
		return
	}
	_, p, err := Decode(frame)
	var bad *DecodeError
	if errors.As(err, &bad) {
		s.refuse(h, spec, bad.Status, err)
		return
	}
	if s.cfg.Handler == nil {
		status := StatusRSYSERR
		if h.ID == CommandDeliverSM {
			status = StatusRX_T_APPN // so that the centre keeps the message
		}
		s.refuse(h, spec, status, errors.New("no handler"))
		return
	}
	req := &Request{Header: h, PDU: p, s: s, spec: spec}
	if s.cfg.InTurn != nil {
		req.turn = s.cfg.InTurn(p)
	}
	s.mu.Lock()
	if s.state == stateClosed {
		s.mu.Unlock()
		return
	}
	if len(s.inbox)-s.inboxHead >= s.cfg.InboundQueue || s.inboxBytes > maxInboundBytes {
		s.mu.Unlock()
		status := StatusRTHROTTLED
		if s.end == ESME {
			status = StatusRX_T_APPN
		}
		s.refuse(h, spec, status, errors.New("too many requests wait"))
		return
	}
	s.inbox = append(s.inbox, req)
	s.inboxBytes += len(frame)
	s.dispatch()
	s.mu.Unlock()
	s.counters.requests.Add(1)
}

// dispatch starts a worker if there is work and room for it. At most one is on its way at a time: it starts the
// next one itself if there is more, so quick handlers share few goroutines and slow ones get many. Called with mu held.
func (s *Session) dispatch() {
	if s.starting || s.inboxHead == len(s.inbox) || s.active >= s.cfg.InboundWindow || s.workers >= s.cfg.InboundWindow || s.state == stateClosed {
		return
	}
	s.starting = true
	s.workers++
	s.handlers.Add(1)
	go s.work()
}

func (s *Session) work() {
	defer s.handlers.Done()
	s.mu.Lock()
	s.starting = false
	for s.inboxHead < len(s.inbox) && s.active < s.cfg.InboundWindow && s.state != stateClosed {
		req := s.inbox[s.inboxHead]
		s.inbox[s.inboxHead] = nil
		s.inboxHead++
		if s.inboxHead == len(s.inbox) {
			s.inbox, s.inboxHead = s.inbox[:0], 0
		} else if s.inboxHead >= 1024 { // the queue never ran empty: move it down
			s.inbox = append(s.inbox[:0], s.inbox[s.inboxHead:]...)
			s.inboxHead = 0
		}
		s.inboxBytes -= int(req.Header.Length)
		s.active++
		s.takeTurn(req)
		s.dispatch()
		s.mu.Unlock()
		s.handle(req)
		s.mu.Lock()
		s.endTurn(req)
		if req.spec.Response == 0 && !req.answered {
			req.answered = true
			s.answered()
		}
	}
	s.workers--
	s.dispatch()
	s.mu.Unlock()
}

// takeTurn puts a request behind the last one of its number. Requests are taken in the order of arrival, so whoever is
// waited for has a goroutine already. Called with mu held.
func (s *Session) takeTurn(req *Request) {
	if req.turn == 0 {
		return
	}
	if last := s.turns[req.turn]; last != nil {
		last.handled = make(chan struct{})
		req.after = last.handled
	}
	if s.turns == nil {
		s.turns = map[uint64]*Request{}
	}
	s.turns[req.turn] = req
}

// endTurn lets the next one go. Called with mu held.
func (s *Session) endTurn(req *Request) {
	if req.handled != nil {
		close(req.handled)
	}
	if s.turns[req.turn] == req {
		delete(s.turns, req.turn)
	}
}

// handle calls Handler. A panic in it costs one request, not the process with all its binds.
func (s *Session) handle(req *Request) {
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Logger.Error("smpp: handler panicked", "command", req.spec.Name, "panic", v, "stack", string(debug.Stack()))
			req.Respond(StatusRSYSERR, nil)
		}
	}()
	if req.after != nil {
		<-req.after
	}
	s.cfg.Handler.Handle(s.ctx, req)
}

// observe shows a PDU with its password starred out.
func observe(see func(Direction, Header, []byte), dir Direction, h Header, raw []byte) {
	switch h.ID {
	case CommandBindReceiver, CommandBindTransmitter, CommandBindTransceiver, CommandOutbind:
		raw = bytes.Clone(raw)
		if i := HeaderLen + bytes.IndexByte(raw[HeaderLen:], 0) + 1; i > HeaderLen { // the password follows system_id
			for ; i < len(raw) && raw[i] != 0; i++ {
				raw[i] = '*'
			}
		}
	}
	see(dir, h, raw)
}
