package sms

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"longlines/app"
	"longlines/fault"
	"longlines/id"
	"longlines/message"
	"longlines/number"
	"longlines/oauth"
	"longlines/queue"
)

// Outgoing is a send as an app asked for it, parsed and well-formed.
type Outgoing struct {
	Recipients []number.MSISDN // 1 to MaxRecipients, no two the same
	Text       string          // 1 to MaxText characters
	Notify     bool            // post Receive SMS Delivery Status to the app's listener
	// Wait is how long the caller waits for the network's no, 0 to 5 s; 0 means what the app's
	// account says.
	Wait time.Duration
	Key  *app.Idempotency // nil: the request had none
}

// Sent is an accepted send.
type Sent struct {
	ID       id.Number // the first recipient's row, which names the message
	Name     string    // as the app sees it
	Replayed bool      // the Idempotency-Key had been used for the same request before
}

// CheckText raises SVC0002 for a text that is missing, too long, not text, or has control characters
// other than line ends and tabs, which a carrier protocol might take for its own
// (docs/reference/sms.md §2; docs/reference/reliability.md T21).
func CheckText(text string) error {
	switch {
	case text == "":
		return fault.MissingParameter.With("Message")
	case len(text) > 4*MaxText, !utf8.ValidString(text), utf8.RuneCountInString(text) > MaxText:
		return fault.BadParameter.With("Message")
	}
	for _, r := range text {
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return fault.BadParameter.With("Message")
		}
	}
	return nil
}

// Send accepts a text for an app's recipients: everything or nothing. When it returns without an
// error the text is durable and will be submitted (product decision 1).
//
// Faults, in the order of docs/reference/errors.md §6: SVC0002 for the text, SVC0004, POL0003 and
// POL0013 for the recipients, SVC0283 without a status listener, SVC0001 without a short code or a
// route, POL0002 for a recipient who has opted out. With a wait also SVC0001 with the network's own
// code, when every recipient was refused for good meanwhile.
func (s *Service) Send(ctx context.Context, g oauth.Grant, out Outgoing) (Sent, error) {
	a := g.App
	if err := check(a, out); err != nil {
		return Sent{}, err
	}
	from := a.ShortCodes[0].Address()
	for _, to := range out.Recipients {
		if s.OptedOut(a.ID, to) {
			return Sent{}, fault.OptedOut.With(to.Tel())
		}
	}
	if s.cfg.Waiting != nil && s.cfg.MaxQueued > 0 && s.cfg.Waiting() >= s.cfg.MaxQueued {
		return Sent{}, fault.Unavailable
	}
	acc, err := s.accept(a, from, out.Recipients, out.Text)
	if err != nil {
		return Sent{}, err
	}
	acc.Key = out.Key
	for i := range acc.Rows {
		acc.Rows[i].Notify = out.Notify
	}
	first := acc.Rows[0].ID
	sent := Sent{ID: first, Name: s.Name(first)}

	wait := out.Wait
	if wait <= 0 {
		wait = a.WaitForVerdict
	}
	var w *waiter
	if wait > 0 {
		w = s.waiting.register(acc.Rows)
		defer s.waiting.forget(acc.Rows)
	}
	places := s.holdAll(acc)
	if err := s.cfg.Store.Accept(ctx, acc); err != nil {
		for i := range places {
			s.settle(&places[i], nil)
		}
		var taken *KeyTaken
		if errors.As(err, &taken) {
			if out.Key == nil || taken.Fingerprint != out.Key.Fingerprint {
				return Sent{}, fault.IdempotencyMismatch
			}
			if taken.Ref == 0 {
				// Another node refused it meanwhile, and keeps that answer: the next try gets it.
				return Sent{}, fault.Unavailable.Because(taken)
			}
			return Sent{ID: taken.Ref, Name: s.Name(taken.Ref), Replayed: true}, nil
		}
		return Sent{}, wrap("accept a text", err)
	}
	for i := range places {
		s.tellState(&acc.Rows[i], message.StateAccepted, "", "")
		s.settle(&places[i], &acc.Jobs[i]) // from here on the row is the worker's
	}
	if w != nil {
		if err := w.wait(ctx, min(wait, maxWait)); err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// check applies the rules that need nothing but the request and the app.
func check(a *app.App, out Outgoing) error {
	if err := CheckText(out.Text); err != nil {
		return err
	}
	switch n := len(out.Recipients); {
	case n == 0:
		return fault.NoValidAddress
	case n > MaxRecipients:
		return fault.TooManyAddresses
	}
	for i, to := range out.Recipients {
		if to == "" {
			return fault.NoValidAddress
		}
		for _, other := range out.Recipients[:i] {
			if to == other {
				return fault.DuplicateAddresses
			}
		}
	}
	if out.Notify && a.StatusListener == "" {
		return fault.ReceiptNotPossible
	}
	if len(a.ShortCodes) == 0 {
		// The published table has no row for it; the app can do nothing, the operator can.
		return fault.Dependency.With("The app has no short code to send from")
	}
	return nil
}

// accept makes the rows and jobs of a text, not yet durable.
func (s *Service) accept(a *app.App, from number.Address, to []number.MSISDN, text string) (*Acceptance, error) {
	now := s.cfg.Now()
	acc := &Acceptance{Rows: make([]MT, len(to)), Jobs: make([]queue.Job, len(to))}
	for i, t := range to {
		link, err := s.cfg.Network.Route(a.Level, from, t)
		if err != nil {
			return nil, noRoute(err)
		}
		acc.Rows[i] = MT{Count: len(to), App: a.ID, From: from, To: t, Text: text, Link: link,
			State: message.StateAccepted, Accepted: now, Expires: now.Add(s.cfg.Validity)}
	}
	first := s.cfg.Store.NextMessage(len(to))
	for i := range acc.Rows {
		m := &acc.Rows[i]
		m.ID, m.Message = first+id.Number(i), first
		// A recipient has one submit job in its life, so the job has the row's number.
		acc.Jobs[i] = queue.Job{ID: m.ID, Kind: queue.KindSubmit, Lane: m.Link, Ref: m.ID, Due: now, Until: m.Expires, Value: m}
	}
	return acc, nil
}

// noRoute is the answer when no rule leads to a recipient, unless the router knows better.
func noRoute(err error) error {
	var f *fault.Fault
	if errors.As(err, &f) {
		return err
	}
	return fault.Dependency.With("No route to the destination").Because(err)
}

// holdAll takes places for all jobs of an acceptance.
func (s *Service) holdAll(acc *Acceptance) []place {
	places := make([]place, len(acc.Jobs))
	for i := range acc.Jobs {
		s.hold(&places[i], &acc.Jobs[i])
	}
	return places
}
