package sms

import (
	"context"
	"time"

	"longlines/app"
	"longlines/id"
	"longlines/message"
	"longlines/number"
	"longlines/queue"
	"longlines/timeline"
)

// ReceiveSMS takes a text from a handset, or a segment of one. When it returns nil the text is
// durable with everything that follows from it: opt-out, confirmation, the post to the app
// (docs/reference/reliability.md §3.7 MO). A text to a code nobody owns is kept too, for the operator,
// so that one number cannot block the line.
//
// The number returned is that of the row, for [Service.Confirm]. If the centre had sent the text before,
// it is that of the first time: once a repetition is answered, the same words are another text.
func (s *Service) ReceiveSMS(ctx context.Context, in message.Incoming) (id.Number, error) {
	now := s.cfg.Now()
	if in.Time.IsZero() {
		in.Time = now
	}
	from, a, code := s.parties(in)
	r := &Reception{In: in, MO: MO{ID: s.cfg.Store.NextMessage(1), From: from, To: code, Text: in.Text, At: in.Time}}
	var post, reply place
	if a != nil {
		r.MO.App = a.ID
		r.MO.Pushed = a.MessageListener != "" && s.cfg.PushSMS != nil
		if r.MO.Pushed {
			r.Callback = func(m MO) *queue.Job {
				j := s.textJob(m)
				if j != nil {
					s.hold(&post, j)
				}
				return j
			}
		}
	}
	done := false
	if o := s.asked(r, a, now); o != nil {
		news, end, err := s.optOuts.begin(ctx, optOut{o.App, o.From}, o.Again)
		if err != nil {
			return 0, wrap("receive a text", err)
		}
		defer func() { end(done) }()
		if news || !o.Again {
			r.OptOut = o
		}
		if news {
			r.Reply = s.confirmation(a, r, &reply)
		}
	}
	err := s.cfg.Store.Receive(ctx, r)
	if done = err == nil && !r.Duplicate; !done {
		s.settle(&post, nil)
		s.settle(&reply, nil)
		if err != nil {
			return 0, wrap("receive a text", err)
		}
		r.MO.ID = r.Original
		s.tellMO(r, a, "repeated by the centre")
		return r.Original, nil
	}
	s.settle(&post, r.Added)
	if r.Reply != nil {
		s.tellState(&r.Reply.Rows[0], message.StateAccepted, "", "")
		s.settle(&reply, &r.Reply.Jobs[0]) // from here on the row is the worker's
	}
	note := ""
	switch {
	case r.Waiting:
		note = "segment"
	case a == nil:
		note = "no app has this code"
	case r.OptOut != nil:
		note = r.OptOut.Word
	}
	s.tellMO(r, a, note)
	return r.MO.ID, nil
}

// Confirm says that the centre's answer has been written.
func (s *Service) Confirm(n id.Number) {
	if n != 0 {
		s.cfg.Store.ConfirmMO(n)
	}
}

// parties says who sent the text, and which app it is for: none if the code has no owner, or the
// sender is no subscriber to whom the app could answer.
func (s *Service) parties(in message.Incoming) (from number.MSISDN, a *app.App, code number.ShortCode) {
	from, subscriber := in.From.MSISDN()
	code, short := in.To.ShortCode()
	if short && subscriber {
		if a = s.cfg.Apps.ByShortCode(code); a != nil && a.Deleted {
			a = nil
		}
	}
	if !subscriber {
		from = number.MSISDN(in.From.Value())
	}
	if !short {
		code = number.ShortCode(in.To.Value())
	}
	return from, a, code
}

// asked gives the opt-out that a text demands, or the end of one that stands; nil if it is a text like any
// other.
func (s *Service) asked(r *Reception, a *app.App, now time.Time) *OptOut {
	if a == nil || r.In.Total > 1 {
		return nil
	}
	word, stop, start := Keyword(r.MO.Text)
	if !stop && !(start && s.optOuts.has(optOut{a.ID, r.MO.From})) {
		return nil
	}
	return &OptOut{App: a.ID, From: r.MO.From, Word: word, At: now, Again: start}
}

// confirmation makes the one text that answers a STOP or START; nil if no route leads back.
func (s *Service) confirmation(a *app.App, r *Reception, p *place) *Acceptance {
	text := stopText(r.MO.To)
	if r.OptOut.Again {
		text = startText(r.MO.To)
	}
	acc, err := s.accept(a, r.MO.To.Address(), []number.MSISDN{r.MO.From}, text)
	if err != nil {
		s.cfg.Log.Warn("no confirmation of an opt-out", "component", "sms", "app_id", int64(a.ID), "to", r.MO.From, "err", err)
		return nil
	}
	acc.Rows[0].Service = true
	s.hold(p, &acc.Jobs[0])
	return acc
}

// tellMO puts a received text on the timeline and into the metrics.
func (s *Service) tellMO(r *Reception, a *app.App, note string) {
	if c := s.cfg.Metrics; c != nil {
		state := "received"
		switch {
		case r.Duplicate:
			state = "repeated"
		case r.Waiting:
			state = "segment"
		case a == nil:
			state = "unowned"
		}
		c.messages.WithLabelValues("sms", "mo", state, r.In.Group).Inc()
	}
	t := s.cfg.Timeline
	if t == nil {
		return
	}
	e := timeline.Entry{Kind: timeline.KindMO, Title: "text from " + r.MO.From.String() + " to " + r.MO.To.String(), State: "in",
		Link: r.In.Group, Number: r.MO.From.String(), Message: s.Name(r.MO.ID)}
	if note != "" {
		e.Title += " (" + note + ")"
	}
	if a != nil {
		e.App = a.Name
	}
	if t.Watched() {
		e.Detail = r.MO.Text
	}
	t.Add(e)
}
