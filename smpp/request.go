package smpp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Response is what a request was answered with.
type Response struct {
	Header Header
	PDU    PDU // nil for generic_nack, and for a response whose body could not be read
}

// Pending is a request of ours on its way. It holds a window slot until it has both ended (response,
// timer or end of session) and been released.
type Pending struct {
	s        *Session
	id       CommandID // of the request
	sequence uint32
	from     uint64        // where its first octet stands in the stream
	deadline time.Duration // since the session began
	timed    bool          // has a timer and a window slot; enquire_link and unbind have not
	ended    bool
	released bool

	older, newer *Pending
	done         chan struct{}
	response     Response
	err          error
}

// Do sends a request and waits for its response. It is Start, Wait and Release in one.
//
// The error is ErrNotSent, ErrUnknown, a Status other than zero, a *NackError, or, if
// a response with status zero could not be read, a *DecodeError; the Response then has the header. If ctx ends
// while the response is awaited the outcome is unknown and the slot stays taken until the response or the timer.
func (s *Session) Do(ctx context.Context, p PDU) (Response, error) {
	pending, err := s.Start(ctx, p)
	if err != nil {
		return Response{}, err
	}
	defer pending.Release()
	return pending.Wait(ctx)
}

// Start takes a window slot, waiting for one as long as ctx allows, and queues a request for the socket. Every
// error of Start is an ErrNotSent; an *EncodeError is found inside it.
func (s *Session) Start(ctx context.Context, p PDU) (*Pending, error) {
	spec, err := s.sendable(p)
	if err != nil {
		return nil, notSent(err)
	}
	if spec.Response == 0 {
		return nil, notSent(fmt.Errorf("%s has no response; use Send", spec.Name))
	}
	s.mu.Lock()
	if s.state == stateBound && (s.held >= s.window || len(s.waiters) > 0) {
		w := &waiter{ready: make(chan struct{})}
		s.waiters = append(s.waiters, w)
		s.mu.Unlock()
		select {
		case <-w.ready:
		case <-ctx.Done():
		}
		s.mu.Lock()
		if !w.granted {
			s.waiters = slices.DeleteFunc(s.waiters, func(o *waiter) bool { return o == w })
			defer s.mu.Unlock()
			if s.state != stateBound {
				return nil, notSent(s.cause)
			}
			return nil, notSent(ctx.Err())
		}
		s.held-- // taken for good just below; nobody can come between, mu is held
	}
	defer s.mu.Unlock()
	if s.state != stateBound {
		return nil, notSent(s.cause)
	}
	if err := ctx.Err(); err != nil {
		s.grant()
		return nil, notSent(err)
	}
	pending := &Pending{s: s, id: spec.ID, timed: true, deadline: s.now() + s.cfg.RequestTimeout, done: make(chan struct{})}
	if err := s.put(pending, p); err != nil {
		s.grant()
		return nil, notSent(err)
	}
	s.held++
	s.counters.submitted.Add(1)
	if pending.older = s.newest; s.newest != nil {
		s.newest.newer = pending
	} else {
		s.oldest = pending
	}
	s.newest = pending
	return pending, nil
}

// Send queues a PDU that has no response: alert_notification. An error is an ErrNotSent; nil means queued, not sent.
func (s *Session) Send(p PDU) error {
	spec, err := s.sendable(p)
	if err != nil {
		return notSent(err)
	}
	if spec.Response != 0 {
		return notSent(fmt.Errorf("%s has a response; use Do", spec.Name))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateBound {
		return notSent(s.cause)
	}
	if len(s.out) > maxInboundBytes {
		return notSent(ErrNotReading)
	}
	if err := s.enqueue(Header{Sequence: s.nextSequence()}, p); err != nil {
		return notSent(err)
	}
	return nil
}

// sendable checks that this end may send p on this bind (SMPP 3.4 §2.3).
func (s *Session) sendable(p PDU) (*Spec, error) {
	if p == nil {
		return nil, errors.New("no PDU")
	}
	id := p.CommandID()
	spec := specOf(id)
	switch {
	case spec == nil || id.IsResponse():
		return nil, fmt.Errorf("%s is not a request", id)
	case id == CommandEnquireLink || id == CommandUnbind:
		return nil, fmt.Errorf("%s is sent by the session itself", id)
	case spec.From&s.end == 0 || spec.States&s.boundAs() == 0:
		return nil, fmt.Errorf("%s from the %s on a %s bind: %w", id, s.end, s.bind.Kind, StatusRINVBNDSTS)
	}
	return spec, nil
}

func (s *Session) boundAs() States {
	switch s.bind.Kind {
	case BindTransmitter:
		return StateTX
	case BindReceiver:
		return StateRX
	}
	return StateTRX
}

// control sends enquire_link or unbind, past the window and without a timer. Called with mu held.
func (s *Session) control(p PDU) (*Pending, error) {
	pending := &Pending{s: s, id: p.CommandID(), done: make(chan struct{})}
	return pending, s.put(pending, p)
}

// put gives a request its number and queues it. Called with mu held.
func (s *Session) put(pending *Pending, p PDU) error {
	pending.sequence = s.nextSequence()
	pending.from = s.queued
	if err := s.enqueue(Header{Sequence: pending.sequence}, p); err != nil {
		return err
	}
	s.pending[pending.sequence] = pending
	return nil
}

// complete ends a request. Called with mu held.
func (s *Session) complete(p *Pending, r Response, err error) {
	delete(s.pending, p.sequence)
	if p.timed {
		if p.older != nil {
			p.older.newer = p.newer
		} else {
			s.oldest = p.newer
		}
		if p.newer != nil {
			p.newer.older = p.older
		} else {
			s.newest = p.older
		}
		p.older, p.newer = nil, nil
	}
	p.response, p.err, p.ended = r, err, true
	close(p.done)
	if p.released {
		s.free(p)
	}
}

// free gives a window slot back. Called with mu held.
func (s *Session) free(p *Pending) {
	if p.timed {
		s.held--
		s.grant()
	}
}

// grant hands free slots to those who wait. Called with mu held.
func (s *Session) grant() {
	if s.state != stateBound {
		return
	}
	n := 0
	for n < len(s.waiters) && s.held < s.window {
		s.waiters[n].granted = true
		close(s.waiters[n].ready)
		s.held++
		n++
	}
	if n > 0 {
		s.waiters = slices.Delete(s.waiters, 0, n)
	}
}

// releaseWaiters sends those who wait for a slot away, since nothing new may go out. Called with mu held.
func (s *Session) releaseWaiters() {
	for _, w := range s.waiters {
		close(w.ready)
	}
	s.waiters = nil
}

// Sequence returns the sequence_number of the request.
func (p *Pending) Sequence() uint32 { return p.sequence }

// Done is closed when the request has ended, so that Wait will not block.
func (p *Pending) Done() <-chan struct{} { return p.done }

// Wait waits until the request has ended; its errors are those of Do. If ctx ends first the error is
// ErrNoResponse and the context's; the request goes on, and Wait may be called again.
func (p *Pending) Wait(ctx context.Context) (Response, error) {
	select {
	case <-p.done:
		return p.response, p.err
	default:
	}
	select {
	case <-p.done:
		return p.response, p.err
	case <-ctx.Done():
		return Response{}, fmt.Errorf("%w: %w", ErrNoResponse, ctx.Err())
	}
}

// Release says that the caller is done with the request. If it has ended its slot is free at once, else as
// soon as it ends. A caller that keeps the slot until its store has committed the response
// slows sending down to what the store bears. It may be called many times.
func (p *Pending) Release() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.released {
		return
	}
	p.released = true
	if p.ended {
		p.s.free(p)
	}
}

// onResponse takes a response or generic_nack.
func (s *Session) onResponse(h Header, frame []byte) {
	s.mu.Lock()
	p := s.pending[h.Sequence]
	s.mu.Unlock()
	if p == nil || (h.ID != p.id|ResponseBit && h.ID != CommandGenericNack) {
		s.counters.unknown.Add(1)
		return
	}
	r, err := Response{Header: h}, error(nil)
	if h.ID == CommandGenericNack {
		err = &NackError{h.Status}
		s.counters.nacks.Add(1)
	} else {
		_, r.PDU, err = Decode(frame)
		if err == nil && h.Status != StatusROK {
			err = h.Status
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[h.Sequence] != p { // its time ran out while we looked
		s.counters.unknown.Add(1)
		return
	}
	if p.timed {
		s.counters.responses.Add(1)
	}
	if p == s.enquire {
		s.enquire, s.missed = nil, 0
	}
	s.complete(p, r, err)
}
