package oauth

import (
	"context"
	"fmt"
	"time"

	"longlines/app"
	"longlines/fault"
)

// Deny spends the form of a decision without one and returns the refusal that tells the app; ErrUsed if
// the form was taken before. until is when the form expires.
func (s *Service) Deny(ctx context.Context, r Request, once [32]byte, until time.Time) (*Redirected, error) {
	first, err := s.store.Once(ctx, once, until)
	if err != nil {
		return nil, fmt.Errorf("note a refusal: %w", err)
	}
	if !first {
		return nil, ErrUsed
	}
	return s.Refuse(r, fault.AccessDenied), nil
}

// App finds the app of a consent, a deleted one too; nil if there is none.
func (s *Service) App(n app.ID) *app.App { return s.apps.ByID(n) }
