package smsc

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"longlines/message"
	"longlines/smpp"
)

// minValidity is the least the centre is told that remains of a text's validity
// (docs/reference/reliability.md §3.6).
const minValidity = 60 * time.Second

// maxRounds is how often the segments of one text are tried here, while some of them were taken and
// the others are only wanted later. After that the text goes back to the queue.
const maxRounds = 5

// segment is one submit_sm of a text, and what became of it.
type segment struct {
	pdu     *smpp.SubmitSM
	pending *smpp.Pending
	on      *bound // where it was sent
	sent    time.Time
	late    *time.Timer // calls overdue
	over    bool        // its answer, or its silence, is final for this text
	ref     message.Ref
	no      *message.Refusal // nil: taken
	again   bool             // to be tried once more, as it now is
}

// Submit sends a text and returns when the centre has answered for each of its segments, or will not.
// See route.SMSC for the contract. A text waits here for its place in the window, for the rate and for
// the end of a throttling; if ctx ends meanwhile it was not sent. Once it was sent, the end of ctx only
// shortens the wait for the answers to Timers.Stop, for all segments together.
func (s *SMSC) Submit(ctx context.Context, m message.SMS) ([]message.Ref, func(), error) {
	none := func() {}
	segments, err := s.build(m, true)
	if err != nil {
		return nil, none, &message.Refusal{Class: message.ClassPermanent, Name: "text cannot be sent", Cause: err}
	}
	if s.tx.Load() == nil {
		return nil, none, s.isDown()
	}
	s.waiting.Add(1)
	places, err := s.window.acquire(ctx, len(segments))
	s.waiting.Add(-1)
	if err != nil {
		return nil, none, unsent("not sent", err)
	}
	s.meter.window(s.window)
	var freed atomic.Bool
	done := func() {
		if freed.CompareAndSwap(false, true) {
			s.window.release(places)
			s.meter.window(s.window)
		}
	}
	var end time.Time
	for round := 1; ; round++ {
		s.send(ctx, m, segments, places, &end)
		m.Still = nil // what has begun is finished
		var again int
		segments, again = s.settle(m, segments, round)
		if again == 0 {
			break
		}
	}
	refs, no := outcome(segments)
	if no != nil {
		no.Refs = refs
		return nil, done, no
	}
	return refs, done, nil
}

// overdue is called when a text's answer has become late.
func (s *SMSC) overdue() {
	s.window.overdue()
	s.seldom.Do(func() {
		s.cfg.Log.Warn("the centre answers late: one submit at a time until it has caught up", "after", s.cfg.Timers.Response)
	})
	s.tell()
}

// isDown is the refusal of a text for which there is no bind.
func (s *SMSC) isDown() *message.Refusal { return unsent("link "+s.link.Name+" is down", nil) }

// build makes the PDUs of a text, without what changes from one try to the next.
func (s *SMSC) build(m message.SMS, payload bool) ([]segment, error) {
	msg, err := s.quirks.split(m.Text, uint16(s.ref.Add(1)))
	if err != nil {
		return nil, err
	}
	first := smpp.SubmitSM{
		ServiceType: s.quirks.ServiceType, Source: s.quirks.source(m.From), Dest: s.quirks.dest(m.To),
		DataCoding: uint8(msg.DCS),
	}
	if m.WantDLR {
		first.RegisteredDelivery = smpp.ReceiptAlways
	}
	if len(msg.Segments) > 1 && payload && s.quirks.Payload && !s.noPayload.Load() {
		if body, ok := msg.Alphabet.Append(nil, m.Text); ok && len(body) <= 0xFFFF {
			first.TLVs.Set(smpp.TagMessagePayload, body)
			return []segment{{pdu: &first, ref: message.Ref{Group: s.link.Group, Parts: 1}}}, nil
		}
	}
	out := make([]segment, len(msg.Segments))
	pdus := make([]smpp.SubmitSM, len(msg.Segments))
	for i := range out {
		pdus[i] = first
		pdus[i].ShortMessage = msg.Segments[i].UserData
		if len(msg.Segments[i].UDH) > 0 {
			pdus[i].ESMClass |= smpp.FeatureUDHI
		}
		out[i] = segment{pdu: &pdus[i], ref: message.Ref{Group: s.link.Group, Part: i, Parts: len(out)}}
	}
	return out, nil
}

// validity is what remains until t as a relative time, at least a minute; "" leaves it to the centre.
func (s *SMSC) validity(t time.Time) string {
	if t.IsZero() || s.quirks.NoValidity {
		return ""
	}
	d := min(max(t.Sub(s.cfg.Now()), minValidity), smpp.MaxRelativeTime)
	v, err := smpp.AppendRelativeTime(make([]byte, 0, 16), d)
	if err != nil {
		return ""
	}
	return string(v)
}

// send submits the segments that are not over yet, at most places of them under way at a time, and
// waits for their answers, at most until end once ctx has ended.
func (s *SMSC) send(ctx context.Context, m message.SMS, segments []segment, places int, end *time.Time) {
	next := 0 // the oldest segment that may be under way
	flying := 0
	for i := range segments {
		x := &segments[i]
		if x.over {
			continue
		}
		for flying >= places {
			if segments[next].pending != nil {
				s.await(ctx, m, &segments[next], end)
				flying--
			}
			next++
		}
		if s.start(ctx, m, x) {
			flying++
			m.Still = nil
		} else if m.Still != nil {
			for j := range segments[i+1:] { // never the rest of a text without its beginning
				segments[i+1+j].no = x.no
			}
			break
		}
	}
	for i := range segments {
		if segments[i].pending != nil {
			s.await(ctx, m, &segments[i], end)
		}
	}
}

// start hands a segment to the session when its time has come; false: it was not sent.
func (s *SMSC) start(ctx context.Context, m message.SMS, x *segment) bool {
	s.waiting.Add(1)
	sent, err := s.pace.wait(ctx)
	s.waiting.Add(-1)
	if err != nil {
		x.no = unsent("not sent", err)
		return false
	}
	if !m.Expires.IsZero() && !sent.Before(m.Expires) {
		x.no = unsent("its validity ended while it waited for the centre", nil)
		return false
	}
	if m.Still != nil && !m.Still() {
		x.no = unsent("not wanted any more", nil)
		return false
	}
	if !x.again {
		x.pdu.ValidityPeriod = s.validity(m.Expires)
	}
	b := s.tx.Load() // only now: the pause may have outlived a bind
	if b == nil || !b.enter() {
		x.no = s.isDown()
		return false
	}
	x.on, x.sent = b, sent
	x.pending, err = b.session.Start(ctx, x.pdu)
	if err != nil {
		b.leave()
		x.no = s.unstarted(err)
		return false
	}
	x.late = time.AfterFunc(s.cfg.Timers.Response, s.overdue)
	if s.watched() {
		s.show("out", smpp.Header{Sequence: x.pending.Sequence()}, x.pdu, x.pdu, &m, 0)
	}
	return true
}

// unstarted says why a segment could not even be handed over.
func (s *SMSC) unstarted(err error) *message.Refusal {
	var bad *smpp.EncodeError
	if errors.As(err, &bad) {
		s.cfg.Log.Error("a submit_sm that cannot be written", "error", err)
		return &message.Refusal{Class: message.ClassBug, Name: "PDU cannot be written", Cause: err}
	}
	return unsent("not sent", err)
}

// await waits for the answer to a segment and judges it.
func (s *SMSC) await(ctx context.Context, m message.SMS, x *segment, end *time.Time) {
	resp, err := s.answer(ctx, x.pending, end)
	x.pending.Release() // the place in our own window is kept until done
	x.pending = nil
	x.on.leave()
	if !x.late.Stop() {
		s.count.late.Add(1)
		s.window.settled()
	} else if err == nil && s.window.grow() {
		s.tell()
	}
	took := s.cfg.Now().Sub(x.sent)
	if s.watched() && resp.PDU != nil {
		s.show("in", resp.Header, resp.PDU, x.pdu, &m, took)
	}
	x.again = false
	if err == nil {
		s.took(x, resp, took)
		return
	}
	s.judge(m, x, resp, err, took)
}

// took notes a centre's yes.
func (s *SMSC) took(x *segment, resp smpp.Response, took time.Duration) {
	s.meter.rtt(took)
	x.over, x.no = true, nil
	if r, ok := resp.PDU.(*smpp.SubmitSMResp); ok {
		x.ref.ID = printable(r.MessageID)
	}
	if x.ref.ID == "" {
		s.count.nameless.Add(1) // taken all the same; no receipt will ever find it
	}
	s.count.submitted.Add(1)
	x.on.framed()
	s.pace.took(x.sent)
	s.full.took()
}

// judge says what an answer that is no plain yes means for a segment.
func (s *SMSC) judge(m message.SMS, x *segment, resp smpp.Response, err error, took time.Duration) {
	var status smpp.Status
	var nack *smpp.NackError
	var unread *smpp.DecodeError
	// Whether there was an answer comes first: the end of a session carries its cause along, and that may
	// be a PDU that could not be read, or a status, which say nothing about this segment.
	switch {
	case errors.Is(err, smpp.ErrNotSent):
		x.over, x.no = true, s.unstarted(err)
	case errors.Is(err, smpp.ErrUnknown):
		s.count.unknown.Add(1)
		x.over, x.no = true, &message.Refusal{Class: message.ClassUnknown, Name: "no answer", Cause: err}
	case errors.As(err, &unread) && resp.Header.Status == smpp.StatusROK:
		s.took(x, resp, took)
	case errors.As(err, &status):
		s.meter.rtt(took)
		s.refused(m, x, status)
	case errors.As(err, &nack):
		s.count.refused.Add(1)
		x.over, x.no = true, refusal(nack.Status, message.ClassTemporaryShort)
		if c, _ := s.quirks.class(nack.Status); c == message.ClassBug {
			x.no.Class = message.ClassBug
		}
		x.no.Name = "generic_nack " + x.no.Name
		s.misframed(x, nack.Status)
	default:
		s.count.unknown.Add(1)
		x.over, x.no = true, &message.Refusal{Class: message.ClassUnknown, Name: "no answer", Cause: err}
	}
}

// answer waits for a response; once ctx has ended, until end, which is Timers.Stop after the first wait of
// the text that met with it.
func (s *SMSC) answer(ctx context.Context, p *smpp.Pending, end *time.Time) (smpp.Response, error) {
	select {
	case <-p.Done():
		return p.Wait(ctx)
	case <-ctx.Done():
	}
	if end.IsZero() {
		*end = time.Now().Add(s.cfg.Timers.Stop)
	}
	t := time.NewTimer(time.Until(*end))
	defer t.Stop()
	select {
	case <-p.Done():
	case <-t.C:
	}
	return p.Wait(ctx) // an answer that has come, or that there is none
}

// refused judges a status other than ROK, and does to the link what it asks for.
func (s *SMSC) refused(m message.SMS, x *segment, status smpp.Status) {
	s.count.refused.Add(1)
	class, mapped := s.quirks.class(status)
	x.over, x.no = true, refusal(status, class)
	if !mapped {
		s.count.unmapped.Add(1)
		s.alarm(false, "the centre answers 0x%08X, a status of its own: ask what it means and name its class in quirks.statuses", uint32(status))
	}
	if !framing(status) {
		x.on.framed()
	}
	switch {
	case framing(status):
		s.misframed(x, status)
	case class == message.ClassThrottled:
		if status == smpp.StatusRMSGQFUL && s.full.full(x.pdu.Dest.Addr, s.cfg.Now()) {
			x.no.Class = message.ClassTemporary // only this handset's queue: the others go on
			return
		}
		if s.pace.throttled(x.sent) {
			s.count.throttles.Add(1)
			_, until := s.pace.state()
			s.seldom.Do(func() {
				s.cfg.Log.Warn("the centre throttles: the link pauses", "status", status.String(), "for", until.Sub(s.cfg.Now()).Round(time.Millisecond))
			})
		}
	case status == smpp.StatusRSUBMITFAIL:
		s.window.shrink() // often the centre's word for a window exceeded
		s.tell()
	case class == message.ClassBind:
		s.alarm(true, "the centre refuses submits with 0x%08X %s: %s", uint32(status), status, hint(status))
		x.on.rebind(fmt.Errorf("submit refused: %w", status))
	case status == smpp.StatusRINVEXPIRY || status == smpp.StatusRINVSCHED:
		if x.pdu.ValidityPeriod != "" { // once more with the field cleared, reliability.md §3.4
			x.pdu.ValidityPeriod = ""
			x.again = true
		}
	case status == smpp.StatusRINVSRCADR:
		s.seldom.Do(func() {
			s.cfg.Log.Warn("the centre does not know the sender", "from", m.From.Masked(), "status", status.String())
		})
	case class == message.ClassBug:
		s.cfg.Log.Error("the centre calls our PDU malformed", "status", status.String(), "message_id", int64(m.ID), "pdu", smpp.CommandSubmitSM.String())
	}
}

// misframed counts answers that say the centre lost the boundaries of our PDUs; after three in a row
// only a new connection helps, and the text is not at fault.
func (s *SMSC) misframed(x *segment, status smpp.Status) {
	if framing(status) && x.on.misframed() {
		x.no.Class = message.ClassBind
		x.on.rebind(fmt.Errorf("three answers in a row say %s", status))
	}
}

// settle decides which segments are tried again at once: those whose PDU was changed to please the
// centre, and, of a text that was taken in part, those that it wants later.
func (s *SMSC) settle(m message.SMS, segments []segment, round int) (rest []segment, again int) {
	taken := false
	for i := range segments {
		taken = taken || segments[i].no == nil
	}
	for i := range segments {
		x := &segments[i]
		if x.no == nil || round >= maxRounds {
			continue
		}
		if x.again || taken && x.no.Class == message.ClassThrottled {
			x.over = false
			again++
		}
	}
	// A payload that the centre does not take is sent as segments, now and from now on.
	if x := &segments[0]; len(segments) == 1 && x.no != nil && x.no.Code != "" && len(x.pdu.TLVs) > 0 && round < maxRounds {
		if s.optionalRefused(x) {
			s.noPayload.Store(true)
			s.cfg.Log.Warn("the centre refuses message_payload: long texts go as segments from now on", "status", x.no.Name)
			if parts, err := s.build(m, false); err == nil {
				return parts, len(parts)
			}
		}
	}
	return segments, again
}

// optionalRefused reports whether a segment was refused for its optional parameters.
func (s *SMSC) optionalRefused(x *segment) bool {
	status, ok := smpp.ParseStatus(x.no.Name)
	return ok && optional(status)
}

// outcome folds the segments of a text into one answer: the names of those taken, and the refusal
// that counts, nil if there is none.
func outcome(segments []segment) (refs []message.Ref, no *message.Refusal) {
	for i := range segments {
		x := &segments[i]
		if x.no == nil {
			if refs == nil {
				refs = make([]message.Ref, 0, len(segments))
			}
			refs = append(refs, x.ref)
		} else if no == nil || weight[x.no.Class] > weight[no.Class] {
			no = x.no
		}
	}
	return refs, no
}

// weight ranks refusals of one text's segments: what can never succeed decides, then what must not be
// repeated rashly, then what counts attempts.
var weight = [...]int{
	message.ClassPermanent: 7, message.ClassBug: 6, message.ClassUnknown: 5, message.ClassTemporaryShort: 4,
	message.ClassTemporary: 3, message.ClassThrottled: 2, message.ClassBind: 1, message.ClassUnsent: 0,
}
