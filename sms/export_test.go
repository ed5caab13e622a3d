package sms

import (
	"context"

	"longlines/message"
)

// The sweeps of Run, one at a time, so that a test moves the clock and need not wait.
func (s *Service) Rematch(ctx context.Context) error       { return s.rematch(ctx) }
func (s *Service) GiveUpWaiting(ctx context.Context) error { return s.giveUpWaiting(ctx) }
func (s *Service) JoinStale(ctx context.Context) error     { return s.joinStale(ctx) }
func (s *Service) Reroute(ctx context.Context) error       { return s.reroute(ctx) }
func (s *Service) Prune(ctx context.Context) error         { return s.prune(ctx) }

// Match is match.
func Match(parts []Part, d message.DLR, locked Spelling, waited bool) (Part, Spelling, bool) {
	return match(parts, d, locked, waited)
}
