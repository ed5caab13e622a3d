package oauth

import (
	"context"
	"fmt"
	"time"

	"longlines/app"
	"longlines/audit"
	"longlines/fault"
)

// Deny spends the form of a decision without one and returns the refusal that tells the app; ErrUsed if
// the form was taken before. until is when the form expires. The refusal stands whether or not the audit
// log has room for it.
func (s *Service) Deny(ctx context.Context, r Request, who Person, once [32]byte, until time.Time) (*Redirected, error) {
	if err := s.Spend(ctx, once, until); err != nil {
		return nil, err
	}
	if err := s.store.Note(audit.With(ctx, audit.Entry{
		Actor: "subscriber " + who.Subscriber.String(), Action: "consent refused", Object: "app " + r.App.Name,
		Detail: audit.Detail(decision{Scopes: app.JoinScopes(r.Scopes), How: who.How}),
	})); err != nil {
		s.log.ErrorContext(ctx, "a refusal is not in the audit", "app", r.App, "error", err)
	}
	return s.Refuse(r, fault.AccessDenied), nil
}

// Spend takes a form without a decision; ErrUsed if it was taken before.
func (s *Service) Spend(ctx context.Context, once [32]byte, until time.Time) error {
	first, err := s.store.Once(ctx, once, until)
	if err != nil {
		return fmt.Errorf("spend a form: %w", err)
	}
	if !first {
		return ErrUsed
	}
	return nil
}
