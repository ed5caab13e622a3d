package oauth

import (
	"context"
	"crypto/subtle"
	"fmt"

	"longlines/app"
	"longlines/fault"
)

// Introspection is what a token stands for, for a service that is shown it (RFC 7662 §2.2).
type Introspection struct {
	Active  bool
	Kind    TokenKind
	Token   Token
	Client  string // App Key
	Covered []app.Scope
}

// Introspect looks at a token for an app: its own tokens, or every app's if the account says Introspect.
// A token it may not see is not active. Its errors are fault.ClientUnauthorized for a public app, because
// who asks must have proved itself (RFC 7662 §2.1), or the store's.
//
// It reads the row, and not what the node remembers: the answer holds for a moment longer than itself in
// the service that asked, and must not add to that.
func (s *Service) Introspect(ctx context.Context, by *app.App, token string) (Introspection, error) {
	if by.Public() {
		return Introspection{}, fault.ClientUnauthorized
	}
	n, hash, ok := parse(s.sealer, token)
	if !ok {
		return Introspection{}, nil
	}
	t, ok, err := s.store.Token(ctx, n)
	if err != nil {
		return Introspection{}, fmt.Errorf("read a token: %w", err)
	}
	if !ok || subtle.ConstantTimeCompare(t.Hash[:], hash[:]) != 1 || t.App != by.ID && !by.Introspect {
		return Introspection{}, nil
	}
	a := s.apps.ByID(t.App)
	if a == nil || a.Deleted || t.Revoked || !t.Rotated.IsZero() || !s.now().Before(t.Expires) {
		return Introspection{}, nil
	}
	return Introspection{Active: true, Kind: t.Kind, Token: t, Client: a.Key, Covered: app.ParseScopes(t.Covered)}, nil
}
