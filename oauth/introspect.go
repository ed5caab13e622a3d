package oauth

import (
	"context"

	"longlines/app"
	"longlines/fault"
)

// Introspection is what a token stands for, for a service that is shown it (RFC 7662 §2.2).
type Introspection struct {
	Active  bool
	Kind    TokenKind
	Token   Token
	Client  string      // App Key
	Covered []app.Scope // of those it was issued for, what the app's account and the consent cover now
}

// Introspect looks at a token for an app: its own tokens, or those of every app of its level if the account
// says Introspect: a sandbox key is held more loosely, and must not open what live subscribers have given.
// A token it may not see is not active. Its errors are fault.ClientUnauthorized for a public app, because
// who asks must have proved itself (RFC 7662 §2.1), or the store's.
//
// It reads the row, and not what the node remembers: the answer holds for a moment longer than itself in
// the service that asked, and must not add to that.
func (s *Service) Introspect(ctx context.Context, by *app.App, token string) (Introspection, error) {
	if by.Public() {
		return Introspection{}, fault.ClientUnauthorized
	}
	t, ok, err := s.findToken(ctx, token)
	if err != nil || !ok || t.App != by.ID && !by.Introspect {
		return Introspection{}, err
	}
	a := s.apps.ByID(t.App)
	if a == nil || a.Level != by.Level || a.Deleted || t.Revoked || !t.Rotated.IsZero() || !s.now().Before(t.Expires) {
		return Introspection{}, nil
	}
	// What the account has become since may leave no use for a token: see Check and Refresh, for which a refresh token
	// that is not bound is as good as before.
	if t.Kind == KindAccess && a.DPoP && t.Key == [32]byte{} || t.Kind == KindRefresh && a.Public() && t.Subscriber == "" {
		return Introspection{}, nil
	}
	// As the gateway decides: a consent may cover more than this token was issued for, and an account less.
	covered := had(a, t)
	if len(covered) == 0 { // a service might look no further than at active
		return Introspection{}, nil
	}
	return Introspection{Active: true, Kind: t.Kind, Token: t, Client: a.Key, Covered: covered}, nil
}
