package sms

import (
	"context"
	"errors"
	"fmt"
	"time"

	"longlines/app"
	"longlines/fault"
	"longlines/message"
	"longlines/queue"
)

// submit is the worker of queue.KindSubmit: one attempt to hand one recipient's text to a centre. It
// returns nil once the outcome is durable.
func (s *Service) submit(ctx context.Context, j queue.Job) error {
	m, ok := j.Value.(*MT)
	if !ok {
		row, err := s.cfg.Store.MT(ctx, j.Ref)
		switch {
		case errors.Is(err, ErrCorrupt):
			// Never put on the wire what is not what the app sent.
			s.cfg.Log.Error("text quarantined", "component", "sms", "job", int64(j.ID), "err", err)
			return s.end(ctx, j, &MT{ID: j.Ref}, message.StateQuarantined, "", false, nil)
		case errors.Is(err, ErrNotFound):
			return s.end(ctx, j, &MT{ID: j.Ref}, message.StateCancelled, "", false, nil) // its retention is over: only the job ends
		case err != nil:
			return fmt.Errorf("read a text to submit: %w: %w", queue.ErrNotBegun, err)
		}
		m = &row
		if j.Crashes > 0 {
			// A node died with this job in its hands, or its outcome could not be recorded. It may have been on
			// the wire.
			m.Twice = true
		}
	}
	m.Link = j.Lane
	if m.State.Final() {
		return s.end(ctx, j, m, m.State, m.Code, m.Twice, nil)
	}
	if done, err := s.unwanted(ctx, j, m, nil); done {
		return err
	}
	refs, done, err := s.cfg.Network.Submit(ctx, j.Lane, message.SMS{
		ID: m.ID, Message: m.Message, From: m.From, To: m.To, Text: m.Text, WantDLR: true, Expires: m.Expires, Attempt: j.Attempt + 1,
		Virtual: s.virtual(m.App), Private: m.Private(),
		Still: func() bool { return !s.refusedBy(m) && !s.tooLate(m) },
	})
	if done != nil {
		// Only now is the place in the SMPP window free again: a slow store slows the sending.
		defer done()
	}
	if err != nil {
		return s.refused(ctx, j, m, err)
	}
	return s.taken(ctx, j, m, refs)
}

// refusedBy reports whether the recipient has said no, perhaps since the text was accepted
// (docs/reference/reliability.md T12).
func (s *Service) refusedBy(m *MT) bool { return !m.Service && s.OptedOut(m.App, m.To) }

// tooLate reports whether less than a minute of its validity is left, which is too little to tell a centre
// (docs/reference/reliability.md §3.6).
func (s *Service) tooLate(m *MT) bool { return m.Expires.Sub(s.cfg.Now()) < minLeft }

// unwanted ends a text that must not be submitted any more; of which parts were taken, their receipts will come.
func (s *Service) unwanted(ctx context.Context, j queue.Job, m *MT, parts []message.Ref) (done bool, err error) {
	switch {
	case s.refusedBy(m):
		w := s.waiting.get(m.ID)
		w.claim(false)
		return true, s.finish(ctx, j, m, message.StateCancelled, "", parts, w, fault.OptedOut.With(m.To.Tel()))
	case s.tooLate(m):
		return true, s.end(ctx, j, m, message.StateExpired, m.Code, m.Twice, parts)
	}
	return false, nil
}

// virtual reports whether an app's texts must stay in the virtual network, whatever has become of the
// link they were accepted for. An app nobody knows counts as one of the sandbox.
func (s *Service) virtual(n app.ID) bool {
	a := s.cfg.Apps.ByID(n)
	return a == nil || a.Level != app.LevelProduction
}

// taken records a centre's yes.
func (s *Service) taken(ctx context.Context, j queue.Job, m *MT, refs []message.Ref) error {
	now := s.cfg.Now()
	row := *m
	row.State, row.Sent, row.Attempt, row.Parts = message.StateSent, now, j.Attempt+1, len(refs)
	sub := &Submission{Job: j, Row: row, Refs: refs, At: now}
	parts := make([]*recentPart, 0, 4)
	for _, r := range refs {
		if r.ID != "" {
			parts = append(parts, s.recent.add(Part{MT: m.ID, Part: r.Part, Parts: r.Parts, Group: r.Group, Raw: r.ID,
				Key: CanonicalID(r.ID), To: m.To, State: message.StateSent, Sent: now, App: m.App, Link: m.Link, Notify: m.Notify}))
		}
	}
	settle := func(state recentState) {
		for _, p := range parts {
			s.recent.settle(p, state)
		}
	}
	sub.Queued = func() { settle(recentQueued) }
	err := durably(ctx, func(ctx context.Context) error { return s.cfg.Store.Submit(ctx, sub) })
	if err != nil {
		settle(recentGone)
		return wrap("record a submit", err)
	}
	settle(recentQueued)
	ref := ""
	if len(refs) > 0 {
		ref = refs[0].ID
	}
	s.tellState(&row, message.StateSent, "", ref)
	s.waiting.get(m.ID).verdict(nil)
	// Receipts that were faster than the answer (docs/reference/reliability.md §3.5-5).
	for _, e := range sub.Orphans {
		if err := s.reportEarly(context.WithoutCancel(ctx), e, false); err != nil {
			s.logger(&row).Error("early receipt not applied", "ref", e.DLR.ID, "err", err)
		}
	}
	return nil
}

// refused decides what a network's no, or its silence, means for the text
// (docs/reference/reliability.md §3.3 and §3.4).
func (s *Service) refused(ctx context.Context, j queue.Job, m *MT, cause error) error {
	var r *message.Refusal
	if !errors.As(cause, &r) {
		// Not a word of the network. Whether the text is on the wire nobody knows.
		r = &message.Refusal{Class: message.ClassUnknown, Name: "no answer", Cause: cause}
	}
	now := s.cfg.Now()
	w := s.waiting.get(m.ID)
	attempt := j.Attempt + 1
	back := func(state message.State, due time.Time) error {
		j.Due = due
		return s.giveBack(ctx, j, m, state, r)
	}
	switch r.Class {
	case message.ClassPermanent, message.ClassBug:
		if r.Class == message.ClassBug {
			s.logger(m).Error("centre says that our PDU is wrong; the text is not sent again", "code", r.Code, "name", r.Name)
		}
		w.claim(false)
		j.Attempt = attempt
		return s.finish(ctx, j, m, message.StateFailed, r.Code, r.Refs, w, refusalFault(r.Code, r.Name))
	case message.ClassTemporary, message.ClassTemporaryShort:
		short := r.Class == message.ClassTemporaryShort && attempt >= maxShort
		if short || r.Code == "SMPP-0064" && w.claim(true) {
			w.claim(false)
			j.Attempt = attempt
			return s.finish(ctx, j, m, message.StateFailed, r.Code, r.Refs, w, refusalFault(r.Code, r.Name))
		}
		j.Attempt = attempt
		due := now.Add(queue.Backoff(attempt))
		if other, ok := s.alternative(j.Lane, m); ok {
			j.Lane = other
		}
		return back(message.StateRetrying, due)
	case message.ClassThrottled:
		// The link pauses itself; no attempt is counted.
		return back(message.StateHeld, now.Add(time.Second))
	case message.ClassBind, message.ClassUnsent:
		// The link is at fault and the text was not on the wire: another link may take it at once, unless nobody
		// wants it any more.
		if done, err := s.unwanted(ctx, j, m, r.Refs); done {
			return err
		}
		if other, ok := s.alternative(j.Lane, m); ok {
			j.Lane = other
			return back(message.StateHeld, now)
		}
		return back(message.StateHeld, now.Add(5*time.Second))
	}
	// Unknown: on the wire, perhaps accepted. After a grace it is submitted again, and marked, because
	// a lost one-time code is worse than two. A receipt that comes meanwhile finds nothing and waits.
	m.Twice = true
	j.Attempt = attempt
	return back(message.StateUnknown, now.Add(s.cfg.Grace))
}

// alternative names another link for the text.
func (s *Service) alternative(link string, m *MT) (string, bool) {
	a := s.app(m.App)
	if a == nil {
		return "", false
	}
	return s.cfg.Network.Alternative(a.Level, link, m.To)
}

// giveBack puts the job back, due later.
func (s *Service) giveBack(ctx context.Context, j queue.Job, m *MT, state message.State, r *message.Refusal) error {
	if len(r.Refs) > 0 {
		m.Twice = true // the next attempt repeats the segments that were taken
	}
	set := &Settlement{Job: j, MT: m.ID, App: m.App, State: state, Code: r.Code, Twice: m.Twice, At: s.cfg.Now(), Parts: r.Refs}
	if err := durably(ctx, func(ctx context.Context) error { return s.cfg.Store.Settle(ctx, set) }); err != nil {
		return wrap("give a text back", err)
	}
	if set.Stale {
		return nil
	}
	code := r.Code
	if code == "" {
		code = r.Name
	}
	s.tellState(m, state, code, "")
	if j.Lane != m.Link {
		s.cfg.Queue.Wake(j.Kind, j.Lane)
	}
	return nil
}

// end makes a recipient final without a centre's yes.
func (s *Service) end(ctx context.Context, j queue.Job, m *MT, state message.State, code string, twice bool, parts []message.Ref) error {
	var p place
	set := &Settlement{Job: j, MT: m.ID, App: m.App, State: state, Code: code, Twice: twice, At: s.cfg.Now(), Parts: parts}
	if set.Notify = s.statusJob(*m, state); set.Notify != nil {
		s.hold(&p, set.Notify)
	}
	err := durably(ctx, func(ctx context.Context) error { return s.cfg.Store.Settle(ctx, set) })
	if err != nil || set.Stale {
		s.settle(&p, nil)
		return wrap("settle a text", err)
	}
	s.settle(&p, set.Notify)
	s.tellState(m, state, code, "")
	return nil
}

// finish is end for a text whose caller may still wait.
func (s *Service) finish(ctx context.Context, j queue.Job, m *MT, state message.State, code string, parts []message.Ref, w *waiter, verdict error) error {
	if err := s.end(ctx, j, m, state, code, m.Twice, parts); err != nil {
		w.release()
		return err
	}
	w.verdict(verdict)
	return nil
}

// quarantine ends a text whose handling has crashed again and again.
func (s *Service) quarantine(ctx context.Context, j queue.Job) error {
	m := &MT{ID: j.Ref}
	if row, err := s.cfg.Store.MT(ctx, j.Ref); err == nil {
		m = &row
	}
	m.Link = j.Lane
	s.logger(m).Error("text quarantined: its handling failed again and again", "crashes", j.Crashes)
	return s.end(ctx, j, m, message.StateQuarantined, m.Code, true, nil)
}
