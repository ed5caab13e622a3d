package sms

import (
	"context"

	"longlines/app"
	"longlines/fault"
	"longlines/number"
)

// Private reports whether what a text says is for its recipient alone: the operator's own texts carry
// PINs, and whoever watches the platform must not be able to sign in as a subscriber
// (docs/reference/reliability.md T25).
func (m *MT) Private() bool { return m.App < 0 }

// Text sends a text of the operator's own to a subscriber over the network of the level: a PIN. It does
// not ask whether the subscriber has opted out, because it is not an app that speaks, and who has
// refused all texts must still be able to sign in. Durable on return; its errors are faults, among them
// SVC0001 when the operator has no short code or there is no route.
func (s *Service) Text(ctx context.Context, level app.Level, to number.MSISDN, text string) error {
	a := s.cfg.Apps.Operator(level)
	if a == nil {
		return fault.Dependency.With("The operator has no short code to send from")
	}
	if err := CheckText(text); err != nil {
		return err
	}
	acc, err := s.accept(a, a.ShortCodes[0].Address(), []number.MSISDN{to}, text)
	if err != nil {
		return err
	}
	acc.Rows[0].Service = true
	places := s.holdAll(acc)
	if err := s.cfg.Store.Accept(ctx, acc); err != nil {
		s.settle(&places[0], nil)
		return wrap("accept a text of the operator", err)
	}
	s.settle(&places[0], &acc.Jobs[0])
	return nil
}
