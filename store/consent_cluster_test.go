package store

import (
	"crypto/rand"
	"net/url"
	"strconv"
	"testing"
	"time"

	"longlines/app"
	"longlines/oauth"
)

const alice = "14255550100"

// granter is the part of a node that gives tokens.
type granter struct {
	*Store
	apps  *app.Directory
	pizza *app.App
	oauth oauth.Config
}

// fresh is a service with nothing in memory.
func (g *granter) fresh(t *testing.T) *oauth.Service {
	t.Helper()
	s, err := oauth.New(g.oauth)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// code is what the subscriber's yes on the node gives the app.
func (g *granter) code(t *testing.T, scopes ...app.Scope) string {
	t.Helper()
	var form [32]byte
	rand.Read(form[:])
	to, err := g.fresh(t).Approve(t.Context(), oauth.Request{App: g.pizza, Redirect: g.pizza.RedirectURI, Scopes: scopes},
		oauth.Person{Subscriber: alice, Level: g.pizza.Level, How: oauth.HowPIN}, form)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("code")
}

func (g *granter) tokens(t *testing.T, code string) oauth.Issued {
	t.Helper()
	out, err := g.fresh(t).AuthorizationCode(t.Context(), g.pizza, code, "", "", [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (g *granter) takeBack(t *testing.T, scopes ...app.Scope) {
	t.Helper()
	ctx := t.Context()
	c, ok, err := g.Consent(ctx, g.pizza.Tenant(), alice)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if ok, err := g.fresh(t).Withdraw(ctx, c, scopes, oauth.BySubscriber); err != nil || !ok {
		t.Fatal(ok, err)
	}
}

// Two nodes whose clocks are as far apart as they may be, first the one ahead and then the other.
func TestPostgresWhatIsTakenBackAndGivenAgainIsTheSameByAnyClock(t *testing.T) {
	ctx := t.Context()
	stores := make([]*Store, 2)
	stores[0], stores[1] = pair(t, func(i int, c *Config) {
		if i == 0 {
			c.Now = func() time.Time { return time.Now().Add(maxSkew * 3 / 4) }
		}
	})
	var nodes []*granter
	for _, s := range stores {
		d, err := app.NewDirectory(ctx, s, app.Config{Now: s.now})
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, &granter{Store: s, apps: d,
			oauth: oauth.Config{Store: s, Sealer: s.Sealer(), Apps: d, Now: s.now, Issuer: "https://api.example"}})
	}
	for i, name := range []string{"ahead first", "behind first"} {
		t.Run(name, func(t *testing.T) {
			a, b := nodes[i], nodes[1-i]
			pizza, _, err := a.apps.Create(ctx, app.App{Name: name, Key: "pizza-" + strconv.Itoa(i), RedirectURI: "https://pizza.example/cb",
				Scopes: []app.Scope{"IMMN", "MIM"}}, "")
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range nodes {
				if err := n.apps.Reload(ctx); err != nil {
					t.Fatal(err)
				}
				n.pizza = n.apps.ByID(pizza.ID)
			}
			covers := func(what, token, want string) {
				t.Helper()
				for _, n := range nodes {
					g, err := n.fresh(t).Check(ctx, oauth.Presented{Token: token})
					if err != nil || app.JoinScopes(g.Covered) != want {
						t.Errorf("%s covers %v, want %s: %v", what, g.Covered, want, err)
					}
				}
			}
			refreshed := func(what string, out oauth.Issued, want string) {
				t.Helper()
				for _, n := range nodes {
					again, err := n.fresh(t).Refresh(ctx, n.pizza, out.Refresh, "", [32]byte{})
					if err != nil || again.Scopes != want {
						t.Errorf("%s gives %s, want %s: %v", what, again.Scopes, want, err)
					}
				}
			}

			old, unused := a.tokens(t, a.code(t, "IMMN", "MIM")), a.code(t, "IMMN", "MIM")
			b.takeBack(t, "MIM")
			covers("a narrowed token", old.Access, "IMMN")
			code := b.code(t, "IMMN", "MIM")
			covers("a token of the old yes, after the new one,", old.Access, "IMMN")
			refreshed("its refresh token", old, "IMMN")
			if late := b.tokens(t, unused); late.Scopes != "IMMN" {
				t.Errorf("a code of the old yes gives %s", late.Scopes)
			}

			fresh := b.tokens(t, code)
			if fresh.Scopes != "IMMN,MIM" {
				t.Errorf("the new yes gives %s", fresh.Scopes)
			}
			covers("a token of the new yes", fresh.Access, "IMMN,MIM")
			refreshed("its refresh token", fresh, "IMMN,MIM")

			a.takeBack(t, "MIM")
			fresh = b.tokens(t, b.code(t, "MIM"))
			covers("a token of the third yes", fresh.Access, "IMMN,MIM")
			refreshed("its refresh token", fresh, "MIM")
		})
	}
	for _, s := range stores {
		if err := s.Writable(); err != nil {
			t.Error(err)
		}
	}
}
