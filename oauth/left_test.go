package oauth_test

import (
	"context"
	"errors"
	"testing"

	"longlines/app"
	"longlines/fault"
	"longlines/oauth"
)

// What is redeemed or refreshed is what is still to be had: the operator may have taken scopes off the account since
// they were granted, the subscriber off the consent (docs/reference/errors.md §5).
func TestTokensHaveWhatIsLeft(t *testing.T) {
	ctx := context.Background()
	account := func(scopes ...app.Scope) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			a, err := w.apps.Update(ctx, w.pizza.ID, func(a *app.App) error { a.Scopes = scopes; return nil })
			if err != nil {
				t.Fatal(err)
			}
			w.pizza = a
		}
	}
	takenBack := func(scopes ...app.Scope) func(*testing.T, *world) {
		return func(t *testing.T, w *world) { w.withdraw(t, alice, scopes...) }
	}
	for _, c := range []struct {
		name  string
		since func(*testing.T, *world)
		asked string // with the refresh
		want  string // scopes; "": refused
		err   error
	}{
		{"all", func(*testing.T, *world) {}, "", "SMS,MMS,IMMN", nil},
		{"one gone from the account", account("SMS", "IMMN"), "", "SMS,IMMN", nil},
		{"one gone from the account is asked for", account("SMS", "IMMN"), "MMS", "", fault.ScopeInvalid},
		{"all gone from the account", account("TL"), "", "", fault.ClientNotEnabled},
		{"one taken back", takenBack("MMS"), "", "SMS,IMMN", nil},
		{"one taken back is asked for", takenBack("MMS"), "SMS,MMS", "", fault.ScopeInvalid},
		{"what is left on both sides is nothing", func(t *testing.T, w *world) {
			account("MMS")(t, w)
			takenBack("MMS")(t, w)
		}, "", "", fault.InvalidGrant},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := open(t, 0)
			code := w.grant(t, alice, ask(w.pizza))
			out := w.tokens(t, w.pizza, alice)
			c.since(t, w)
			check := func(what string, got oauth.Issued, err error) {
				t.Helper()
				if !errors.Is(err, c.err) || got.Scopes != c.want {
					t.Errorf("%s: %q %v, want %q %v", what, got.Scopes, err, c.want, c.err)
				}
				if err != nil {
					return
				}
				g, err := w.Check(ctx, oauth.Presented{Token: got.Access})
				if err != nil || app.JoinScopes(g.Scopes) != c.want {
					t.Errorf("%s: the token has %v, %v", what, g.Scopes, err)
				}
			}
			got, err := w.Refresh(ctx, w.pizza, out.Refresh, c.asked, bearer)
			check("refreshed", got, err)
			if c.asked == "" {
				got, err = w.redeem(w.pizza, code)
				check("redeemed", got, err)
			}
		})
	}
}
