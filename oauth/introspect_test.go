package oauth_test

import (
	"context"
	"crypto/elliptic"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"longlines/app"
	"longlines/fault"
	"longlines/oauth"
)

func TestIntrospect(t *testing.T) {
	w := open(t, 0)
	s := server(t, w)
	ctx := context.Background()
	shop, kiosk := w.shops(t)
	guard, _, err := w.apps.Create(ctx, app.App{Name: "guard", Key: "guard", Introspect: true}, "")
	if err != nil {
		t.Fatal(err)
	}
	see := func(t *testing.T, by *app.App, token string) oauth.Introspection {
		t.Helper()
		out, err := s.Introspect(ctx, by, token)
		if err != nil {
			t.Fatal(err)
		}
		if !out.Active && (out.Client != "" || out.Token.App != 0 || out.Covered != nil || out.Kind != 0) {
			t.Fatalf("a token that is not active shows %+v", out)
		}
		return out
	}
	key := thumbprint(t, newEC(t, elliptic.P256()))
	own, err := s.ClientCredentials(ctx, shop, "SMS", key)
	if err != nil {
		t.Fatal(err)
	}
	const number = "14255550101"
	issue := func(t *testing.T) oauth.Issued {
		t.Helper()
		r, err := s.Authorize(ctx, url.Values{"client_id": {"shop"}, "scope": {"IMMN,SMS"}})
		if err != nil {
			t.Fatal(err)
		}
		to, err := s.Approve(ctx, r, oauth.Person{Subscriber: number, Level: app.LevelSandbox, How: oauth.HowPIN}, [32]byte([]byte(jti()+strings.Repeat("-", 32))))
		if err != nil {
			t.Fatal(err)
		}
		_, code, _ := strings.Cut(to, "code=")
		out, err := s.AuthorizationCode(ctx, shop, code, "", "", [32]byte{})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	t.Run("an app sees its own tokens", func(t *testing.T) {
		got := see(t, shop, own.Access)
		if !got.Active || got.Client != "shop" || got.Kind != oauth.KindAccess || got.Token.Key != key || app.JoinScopes(got.Covered) != "SMS" {
			t.Fatalf("%+v", got)
		}
		if got := see(t, shop, own.Refresh); !got.Active || got.Kind != oauth.KindRefresh {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("a service of the operator sees those of all", func(t *testing.T) {
		if got := see(t, guard, issue(t).Access); !got.Active || got.Client != "shop" || got.Token.Subscriber != number || app.JoinScopes(got.Covered) != "IMMN,SMS" {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("a service of the operator sees those of its own level only", func(t *testing.T) {
		live, _, err := w.apps.Create(ctx, app.App{Name: "live", Key: "live", Level: app.LevelProduction, Scopes: []app.Scope{"SMS"}}, "")
		if err != nil {
			t.Fatal(err)
		}
		watch, _, err := w.apps.Create(ctx, app.App{Name: "watch", Key: "watch", Level: app.LevelProduction, Introspect: true}, "")
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.ClientCredentials(ctx, live, "SMS", [32]byte{})
		if err != nil {
			t.Fatal(err)
		}
		if see(t, guard, out.Access).Active || see(t, guard, out.Refresh).Active || see(t, watch, own.Access).Active {
			t.Fatal("it sees those of the other")
		}
		if !see(t, watch, out.Access).Active || !see(t, live, out.Access).Active {
			t.Fatal("it does not see those of its own")
		}
	})
	t.Run("a token opens what it was issued for, though the consent covers more", func(t *testing.T) {
		out, err := s.Refresh(ctx, shop, issue(t).Refresh, "IMMN", [32]byte{})
		if err != nil {
			t.Fatal(err)
		}
		if got := see(t, guard, out.Access); !got.Active || app.JoinScopes(got.Covered) != "IMMN" {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("a scope that was taken off the account opens nothing", func(t *testing.T) {
		scopes := func(list ...app.Scope) {
			t.Helper()
			if _, err := w.apps.Update(ctx, shop.ID, func(a *app.App) error { a.Scopes = list; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		out := issue(t)
		scopes("IMMN")
		defer scopes("IMMN", "SMS")
		if got := see(t, guard, out.Access); !got.Active || app.JoinScopes(got.Covered) != "IMMN" {
			t.Fatalf("%+v", got)
		}
		if scopes("MMS"); see(t, guard, out.Access).Active || see(t, shop, out.Refresh).Active {
			t.Fatal("a token that opens nothing is active")
		}
	})
	t.Run("a bearer token of an app whose tokens are all bound opens nothing", func(t *testing.T) {
		bearer, err := s.ClientCredentials(ctx, shop, "SMS", [32]byte{})
		if err != nil {
			t.Fatal(err)
		}
		all := func(bound bool) {
			t.Helper()
			if _, err := w.apps.Update(ctx, shop.ID, func(a *app.App) error { a.DPoP = bound; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		all(true)
		if live(t, s, bearer.Access) || see(t, guard, bearer.Access).Active || see(t, w.apps.ByID(shop.ID), bearer.Access).Active {
			t.Error("it is active")
		}
		if !see(t, guard, own.Access).Active {
			t.Error("a bound one is not")
		}
		// The refresh token gives bound ones.
		if out, err := s.Refresh(ctx, w.apps.ByID(shop.ID), bearer.Refresh, "", key); err != nil || !see(t, guard, bearer.Refresh).Active || !see(t, guard, out.Access).Active {
			t.Errorf("its refresh token is not, or what it gives: %v", err)
		}
		if all(false); !live(t, s, bearer.Access) || !see(t, guard, bearer.Access).Active {
			t.Error("it is not active after that is over")
		}
	})
	t.Run("a refresh token of an app that has become public gives nothing for the app itself", func(t *testing.T) {
		out, err := s.ClientCredentials(ctx, w.pizza, "SMS", [32]byte{})
		if err != nil {
			t.Fatal(err)
		}
		if !see(t, guard, out.Refresh).Active {
			t.Fatal("it is not active before")
		}
		public, err := w.apps.Update(ctx, w.pizza.ID, func(a *app.App) error { a.Auth = app.AuthNone; return nil })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Refresh(ctx, public, out.Refresh, "", key); !errors.Is(err, fault.InvalidGrant) || see(t, guard, out.Refresh).Active {
			t.Errorf("refreshed %v, or it is active", err)
		}
		if live(t, s, out.Access) != see(t, guard, out.Access).Active {
			t.Error("of the access token the gateway thinks otherwise")
		}
	})
	t.Run("another app sees none", func(t *testing.T) {
		if see(t, w.pizza, own.Access).Active || see(t, w.pizza, own.Refresh).Active {
			t.Fatal("it does")
		}
	})
	t.Run("a public app may not ask", func(t *testing.T) {
		if _, err := s.Introspect(ctx, kiosk, own.Access); !errors.Is(err, fault.ClientUnauthorized) {
			t.Fatal(err)
		}
	})
	t.Run("what is no token is not active", func(t *testing.T) {
		for _, text := range []string{"", "x", strings.Repeat("A", 64), own.Access[:60] + "AAAA", own.Access + "A"} {
			if see(t, guard, text).Active {
				t.Fatalf("%q is", text)
			}
		}
	})
	t.Run("a scope that was withdrawn is not covered", func(t *testing.T) {
		out := issue(t)
		list, err := w.store.Consents(ctx, oauth.ConsentFilter{App: shop.ID, Subscriber: number, InForce: true})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if _, _, err := w.store.Withdraw(ctx, shop.Tenant(), number, list[0].ID, []app.Scope{"SMS"}, oauth.BySubscriber); err != nil {
			t.Fatal(err)
		}
		if got := see(t, guard, out.Access); !got.Active || app.JoinScopes(got.Covered) != "IMMN" {
			t.Fatalf("%+v", got)
		}
		if _, _, err := w.store.Withdraw(ctx, shop.Tenant(), number, list[0].ID, nil, oauth.BySubscriber); err != nil {
			t.Fatal(err)
		}
		if see(t, guard, out.Access).Active || see(t, guard, out.Refresh).Active {
			t.Fatal("tokens outlive the consent")
		}
	})
	t.Run("a revoked one is not active, on any node, at once", func(t *testing.T) {
		out := issue(t)
		if err := w.Revoke(ctx, shop, out.Access); err != nil {
			t.Fatal(err)
		}
		if see(t, shop, out.Access).Active || !see(t, shop, out.Refresh).Active {
			t.Fatal("the access token is, or the refresh token is not")
		}
		out = issue(t)
		if err := w.Revoke(ctx, shop, out.Refresh); err != nil {
			t.Fatal(err)
		}
		if see(t, shop, out.Access).Active || see(t, shop, out.Refresh).Active {
			t.Fatal("it is")
		}
	})
	t.Run("a refresh token that was replaced is not active", func(t *testing.T) {
		r, err := s.Authorize(ctx, url.Values{"client_id": {"kiosk"}, "scope": {"IMMN"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}})
		if err != nil {
			t.Fatal(err)
		}
		to, err := s.Approve(ctx, r, oauth.Person{Subscriber: number, Level: app.LevelSandbox, How: oauth.HowPIN}, [32]byte([]byte(jti()+strings.Repeat("-", 32))))
		if err != nil {
			t.Fatal(err)
		}
		_, code, _ := strings.Cut(to, "code=")
		first, err := s.AuthorizationCode(ctx, kiosk, code, verifier, "", [32]byte{})
		if err != nil {
			t.Fatal(err)
		}
		if !see(t, guard, first.Refresh).Active {
			t.Fatal("it is not before")
		}
		second, err := s.Refresh(ctx, kiosk, first.Refresh, "", [32]byte{})
		if err != nil {
			t.Fatal(err)
		}
		if see(t, guard, first.Refresh).Active || !see(t, guard, second.Refresh).Active {
			t.Fatal("the old one is, or the new one is not")
		}
	})
	t.Run("an expired one is not active", func(t *testing.T) {
		out := issue(t)
		w.clock.add(oauth.AccessLife + time.Second)
		if see(t, shop, out.Access).Active || !see(t, shop, out.Refresh).Active {
			t.Fatal("the access token is, or the refresh token is not")
		}
	})
	t.Run("those of a deleted app are not", func(t *testing.T) {
		out := issue(t)
		if err := w.apps.Delete(ctx, shop.ID); err != nil {
			t.Fatal(err)
		}
		if see(t, guard, out.Access).Active {
			t.Fatal("it is")
		}
	})
}
