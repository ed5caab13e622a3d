package oauth_test

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"longlines/app"
	"longlines/fault"
	"longlines/id"
	"longlines/number"
	"longlines/oauth"
)

// grant is a request being approved; it returns the code.
func (w *world) grant(t testing.TB, m number.MSISDN, query url.Values) string {
	t.Helper()
	r, err := w.Authorize(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	to, err := w.Approve(context.Background(), r, oauth.Person{Subscriber: m, Level: r.App.Level, How: oauth.HowPIN}, form())
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(to, "code=")
	return code
}

// form names a form that nobody has sent.
func form() (once [32]byte) {
	rand.Read(once[:])
	return once
}

// ask is the request of an app for all of its scopes; a public one sends its challenge.
func ask(a *app.App) url.Values {
	q := url.Values{"client_id": {a.Key}, "scope": {app.JoinScopes(a.Scopes)}}
	if a.Public() {
		q.Set("code_challenge", challenge)
		q.Set("code_challenge_method", "S256")
	}
	return q
}

// tokens are those of an app for a subscriber.
func (w *world) tokens(t testing.TB, a *app.App, m number.MSISDN) oauth.Issued {
	t.Helper()
	out, err := w.redeem(a, w.grant(t, m, ask(a)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) redeem(a *app.App, code string) (oauth.Issued, error) {
	v := ""
	if a.Public() {
		v = verifier
	}
	return w.AuthorizationCode(context.Background(), a, code, v, "", bearer)
}

func (w *world) refreshes(t testing.TB, a *app.App, token string) bool {
	t.Helper()
	_, err := w.Refresh(context.Background(), a, token, "", bearer)
	if err != nil && !errors.Is(err, fault.InvalidGrant) {
		t.Fatal(err)
	}
	return err == nil
}

func TestApprove(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	w.addApps(t)
	r, err := w.Authorize(ctx, url.Values{"client_id": {"pizza"}, "scope": {"IMMN,SMS"}, "state": {"code=x"}})
	if err != nil {
		t.Fatal(err)
	}
	person, once := oauth.Person{Subscriber: alice, Level: app.LevelSandbox, How: oauth.HowOnNetwork}, form()
	to, err := w.Approve(ctx, r, person, once)
	if err != nil || !strings.HasPrefix(to, "https://pizza.example/cb?state=code%3Dx&iss=https%3A%2F%2Fapi.example&code=") {
		t.Fatal(to, err)
	}
	t.Run("the code opens what was approved, for whom it was", func(t *testing.T) {
		_, code, _ := strings.Cut(to, "code=")
		out, err := w.redeem(w.pizza, code)
		if err != nil || out.Scopes != "IMMN,SMS" || out.Life != 172_799*time.Second || out.Bound {
			t.Fatalf("%+v %v", out, err)
		}
		for _, s := range []*oauth.Service{w.Service, w.another(t, 0)} {
			g, err := s.Check(ctx, oauth.Presented{Token: out.Access})
			if err != nil || g.App.ID != w.pizza.ID || g.Subscriber != alice || !g.Allows("IMMN") || g.Allows("MMS") || !g.Consented("IMMN") || g.Consented("MMS") || g.Consent == 0 {
				t.Fatalf("%+v %v", g, err)
			}
		}
	})
	t.Run("the consent is kept, with an entry of the audit", func(t *testing.T) {
		list, err := w.Consents(ctx, person)
		if err != nil || len(list) != 1 || list[0].Scopes != "IMMN,SMS" || list[0].How != oauth.HowOnNetwork {
			t.Fatalf("%+v %v", list, err)
		}
		w.audited(t, "subscriber +14255550100", "consent given", "app pizza", `{"scopes":"IMMN,SMS","how":"on-network"}`)
	})
	t.Run("a form is taken once", func(t *testing.T) {
		if to, err := w.Approve(ctx, r, person, once); !errors.Is(err, oauth.ErrUsed) || to != "" {
			t.Fatal(to, err)
		}
	})
	t.Run("nobody of the other network approves", func(t *testing.T) {
		for _, p := range []oauth.Person{{Subscriber: alice, Level: app.LevelProduction}, {Level: app.LevelSandbox}} {
			if to, err := w.Approve(ctx, r, p, form()); err == nil {
				t.Fatal(to)
			}
		}
	})
}

func TestCodeIsBound(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	w.addApps(t)
	native, bound := w.apps.ByKey("native"), w.apps.ByKey("bound")
	const redirect = "https://pizza.example/cb/x"
	plain := ask(w.pizza)
	given := ask(w.pizza)
	given.Set("redirect_uri", redirect)
	pkce := ask(native)
	late := ask(w.pizza)
	late.Set("code_challenge", challenge)
	late.Set("code_challenge_method", "S256")
	keyed := ask(w.pizza)
	keyed.Set("dpop_jkt", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	other := strings.Repeat("a", 43)
	of := func(verifier string) url.Values {
		sum := sha256.Sum256([]byte(verifier))
		q := ask(native)
		q.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
		return q
	}
	for _, c := range []struct {
		name               string
		ask                url.Values
		app                *app.App
		verifier, redirect string
		key                [32]byte
		ahead              time.Duration
		want               error
	}{
		{name: "as the published kits redeem it", ask: given, app: w.pizza},
		{name: "with the redirect it was asked with", ask: given, app: w.pizza, redirect: redirect},
		{name: "with another redirect", ask: given, app: w.pizza, redirect: "https://pizza.example/cb", want: fault.InvalidGrant},
		{name: "with the registered redirect where none was asked for", ask: plain, app: w.pizza, redirect: "https://pizza.example/cb"},
		{name: "with another where none was asked for", ask: plain, app: w.pizza, redirect: redirect, want: fault.InvalidGrant},
		{name: "at another app", ask: plain, app: bound, key: [32]byte{1}, want: fault.InvalidGrant},
		{name: "at another app, with the verifier", ask: pkce, app: w.pizza, verifier: verifier, want: fault.InvalidGrant},
		{name: "with its verifier", ask: pkce, app: native, verifier: verifier},
		{name: "with another verifier", ask: pkce, app: native, verifier: other, want: fault.InvalidGrant},
		{name: "without its verifier", ask: pkce, app: native, want: fault.InvalidGrant},
		{name: "with the challenge instead of the verifier", ask: pkce, app: native, verifier: challenge, want: fault.InvalidGrant},
		{name: "with the longest verifier", ask: of(strings.Repeat("a", 128)), app: native, verifier: strings.Repeat("a", 128)},
		{name: "with a verifier that is too short, though its own", ask: of(verifier[:42]), app: native, verifier: verifier[:42], want: fault.InvalidGrant},
		{name: "with a verifier that is too long, though its own", ask: of(strings.Repeat("a", 129)), app: native, verifier: strings.Repeat("a", 129), want: fault.InvalidGrant},
		{name: "with a verifier of other characters, though its own", ask: of(verifier[:42] + "+"), app: native, verifier: verifier[:42] + "+", want: fault.InvalidGrant},
		{name: "with a blank behind the verifier", ask: pkce, app: native, verifier: verifier + " ", want: fault.InvalidGrant},
		{name: "with a verifier for a code without a challenge", ask: plain, app: w.pizza, verifier: verifier, want: fault.InvalidGrant},
		{name: "of an app with a secret that sent a challenge, with its verifier", ask: late, app: w.pizza, verifier: verifier},
		{name: "of an app with a secret that sent a challenge, without", ask: late, app: w.pizza, want: fault.InvalidGrant},
		{name: "with the key of dpop_jkt", ask: keyed, app: w.pizza, key: [32]byte{1}},
		{name: "with another key", ask: keyed, app: w.pizza, key: [32]byte{2}, want: fault.InvalidGrant},
		{name: "without the key", ask: keyed, app: w.pizza, want: fault.InvalidGrant},
		{name: "of an app with bound tokens, with a key", ask: ask(bound), app: bound, key: [32]byte{3}},
		{name: "of an app with bound tokens, without", ask: ask(bound), app: bound, want: fault.ProofInvalid},
		{name: "in its last second", ask: plain, app: w.pizza, ahead: oauth.CodeLife - time.Second},
		{name: "when its life is over", ask: plain, app: w.pizza, ahead: oauth.CodeLife, want: fault.InvalidGrant},
	} {
		t.Run(c.name, func(t *testing.T) {
			code := w.grant(t, alice, c.ask)
			w.clock.add(c.ahead)
			out, err := w.AuthorizationCode(ctx, c.app, code, c.verifier, c.redirect, c.key)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || out.Bound != (err == nil && c.key != bearer) {
				t.Fatalf("%+v %v", out, err)
			}
		})
	}
	t.Run("a try that fails spends nothing", func(t *testing.T) {
		code := w.grant(t, alice, pkce)
		for _, v := range []string{"", other} {
			if _, err := w.AuthorizationCode(ctx, native, code, v, "", bearer); !errors.Is(err, fault.InvalidGrant) {
				t.Fatal(err)
			}
		}
		if _, err := w.redeem(native, code); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("two codes with each other's verifiers", func(t *testing.T) {
		second := ask(native)
		// The S256 of 43 times "a".
		second.Set("code_challenge", "ZtNPunH49FD35FWYhT5Tv8I7vRKQJ8uxMaL0_9eHjNA")
		a, b := w.grant(t, alice, pkce), w.grant(t, bob, second)
		for code, v := range map[string]string{a: other, b: verifier} {
			if _, err := w.AuthorizationCode(ctx, native, code, v, "", bearer); !errors.Is(err, fault.InvalidGrant) {
				t.Fatal(err)
			}
		}
		for code, v := range map[string]string{a: verifier, b: other} {
			if _, err := w.AuthorizationCode(ctx, native, code, v, "", bearer); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("what is no code", func(t *testing.T) {
		out := w.tokens(t, w.pizza, alice)
		code := w.grant(t, alice, plain)
		for _, text := range []string{"", "thecode", out.Access, out.Refresh, code[:63], code + "A", flip(code)} {
			if _, err := w.redeem(w.pizza, text); !errors.Is(err, fault.InvalidGrant) {
				t.Fatalf("%q: %v", text, err)
			}
			if err := w.CodeLost(ctx, text); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("a code without a challenge, of an app that has become public since", func(t *testing.T) {
		turned, _, err := w.apps.Create(ctx, app.App{Name: "turned", RedirectURI: "https://turned.example/", Scopes: []app.Scope{"IMMN"}}, "")
		if err != nil {
			t.Fatal(err)
		}
		code := w.grant(t, alice, ask(turned))
		if turned, err = w.apps.Update(ctx, turned.ID, func(a *app.App) error { a.Auth = app.AuthNone; return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := w.AuthorizationCode(ctx, turned, code, "", "", bearer); !errors.Is(err, fault.InvalidGrant) {
			t.Fatal(err)
		}
	})
	t.Run("a code whose consent was withdrawn before it was redeemed", func(t *testing.T) {
		code := w.grant(t, bob, ask(w.pizza))
		w.withdraw(t, bob)
		if _, err := w.redeem(w.pizza, code); !errors.Is(err, fault.InvalidGrant) {
			t.Fatal(err)
		}
		// A consent that was given since is another.
		w.grant(t, bob, ask(w.pizza))
		if _, err := w.redeem(w.pizza, code); !errors.Is(err, fault.InvalidGrant) {
			t.Fatal(err)
		}
	})
}

// flip changes a character of a token's random part.
func flip(text string) string {
	b := []byte(text)
	if b[50]++; b[50] > 'y' {
		b[50] = 'A'
	}
	return string(b)
}

func TestOneRedemptionWins(t *testing.T) {
	w := open(t, 0)
	code := w.grant(t, alice, ask(w.pizza))
	nodes := []*oauth.Service{w.Service, w.another(t, 0)}
	var won atomic.Int64
	var tokens atomic.Value
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			out, err := nodes[i%2].AuthorizationCode(context.Background(), w.pizza, code, "", "", bearer)
			switch {
			case err == nil:
				won.Add(1)
				tokens.Store(out)
			case !errors.Is(err, fault.InvalidGrant):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d redemptions won", won.Load())
	}
	if out := tokens.Load().(oauth.Issued); !live(t, w.Service, out.Access) || !w.refreshes(t, w.pizza, out.Refresh) {
		t.Fatal("and the winner's tokens were revoked")
	}
}

func TestCodeAgain(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	w.addApps(t)
	native := w.apps.ByKey("native")
	for _, c := range []struct {
		name          string
		after         time.Duration
		lost          bool
		again, revoke bool // the same tokens again, or none any more
	}{
		{name: "at once it is one of several, and nothing is revoked"},
		{name: "within a second likewise", after: 999 * time.Millisecond},
		{name: "at once, if the reply is known to be lost, it gives the same tokens", lost: true, again: true},
		{name: "after a second it gives the same tokens", after: time.Second, again: true},
		{name: "after a second and a half", after: 1500 * time.Millisecond, again: true},
		{name: "after nine seconds", after: 9 * time.Second, again: true},
		{name: "after ten seconds its tokens end", after: 10 * time.Second, revoke: true},
		{name: "after eleven seconds", after: 11 * time.Second, revoke: true},
		{name: "after an hour, though its own life is long over", after: time.Hour, revoke: true},
		{name: "after eleven seconds also if the reply was lost", after: 11 * time.Second, lost: true, revoke: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, a := range []*app.App{w.pizza, native} {
				code := w.grant(t, alice, ask(a))
				first, err := w.redeem(a, code)
				if err != nil {
					t.Fatal(err)
				}
				if c.lost {
					if err := w.CodeLost(ctx, code); err != nil {
						t.Fatal(err)
					}
				}
				w.clock.add(c.after)
				// Whoever lacks what the code is bound to gets nothing, and ends nothing.
				for _, try := range []func() (oauth.Issued, error){
					func() (oauth.Issued, error) {
						return w.AuthorizationCode(ctx, a, code, strings.Repeat("a", 43), "", bearer)
					},
					func() (oauth.Issued, error) { return w.redeem(w.apps.ByKey("live"), code) },
				} {
					if out, err := try(); !errors.Is(err, fault.InvalidGrant) {
						t.Fatalf("%+v %v", out, err)
					}
				}
				if !live(t, w.Service, first.Access) {
					t.Fatal("ended by a stranger")
				}
				v := ""
				if a.Public() {
					v = verifier
				}
				cold := w.another(t, 0)
				second, err := cold.AuthorizationCode(ctx, a, code, v, "", bearer)
				switch {
				case c.again && (err != nil || second.Access != first.Access || second.Refresh != first.Refresh || second.Scopes != first.Scopes ||
					second.Life <= 0 || second.Life > first.Life || second.Life < first.Life-c.after):
					t.Fatalf("%+v %v", second, err)
				case !c.again && !errors.Is(err, fault.InvalidGrant):
					t.Fatalf("%+v %v", second, err)
				}
				if live(t, w.Service, first.Access) == c.revoke || live(t, cold, first.Access) == c.revoke || w.refreshes(t, a, first.Refresh) == c.revoke {
					t.Fatalf("tokens live: %v", !c.revoke)
				}
			}
		})
	}
	t.Run("the reuse is in the audit", func(t *testing.T) {
		code := w.grant(t, alice, ask(native))
		out, err := w.redeem(native, code)
		if err != nil {
			t.Fatal(err)
		}
		w.clock.add(time.Minute)
		w.redeem(native, code)
		w.audited(t, "app native", "code reused", "app native", `{"scopes":"IMMN,MIM,SMS","subscriber":"+14255550100"}`)
		if w.redeem(native, code); live(t, w.Service, out.Access) {
			t.Fatal("still live")
		}
	})
	t.Run("with another key it gives nothing", func(t *testing.T) {
		code := w.grant(t, alice, ask(w.pizza))
		if _, err := w.AuthorizationCode(ctx, w.pizza, code, "", "", [32]byte{1}); err != nil {
			t.Fatal(err)
		}
		w.clock.add(2 * time.Second)
		for _, k := range [][32]byte{bearer, {2}} {
			if out, err := w.AuthorizationCode(ctx, w.pizza, code, "", "", k); !errors.Is(err, fault.InvalidGrant) {
				t.Fatalf("%+v %v", out, err)
			}
		}
		if out, err := w.AuthorizationCode(ctx, w.pizza, code, "", "", [32]byte{1}); err != nil || !out.Bound {
			t.Fatalf("%+v %v", out, err)
		}
	})
	t.Run("once its tokens were revoked it gives nothing", func(t *testing.T) {
		code := w.grant(t, alice, ask(w.pizza))
		out, err := w.redeem(w.pizza, code)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Revoke(ctx, w.pizza, out.Refresh); err != nil {
			t.Fatal(err)
		}
		w.clock.add(2 * time.Second)
		if out, err := w.redeem(w.pizza, code); !errors.Is(err, fault.InvalidGrant) {
			t.Fatalf("%+v %v", out, err)
		}
	})
	t.Run("the store holds nothing that opens the reply", func(t *testing.T) {
		code := w.grant(t, alice, ask(w.pizza))
		out, err := w.redeem(w.pizza, code)
		if err != nil {
			t.Fatal(err)
		}
		row, ok, err := w.store.Code(ctx, w.row(t, code))
		if err != nil || !ok || len(row.Sealed) == 0 || row.Family == 0 {
			t.Fatalf("%+v %v", row, err)
		}
		for _, text := range []string{out.Access, out.Refresh, out.Access[:20], "IMMN"} {
			if bytes.Contains(row.Sealed, []byte(text)) {
				t.Fatal("a token stands in the store")
			}
		}
	})
}

// row is the number that a token's or code's text names.
func (w *world) row(t testing.TB, text string) id.Number {
	t.Helper()
	n, err := w.store.Sealer().Open(id.Public(raw(t, text)[:16]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRotation(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	w.addApps(t)
	native := w.apps.ByKey("native")
	t.Run("a public app's refresh token is replaced, and expires when the first would have", func(t *testing.T) {
		first := w.tokens(t, native, alice)
		start := w.clock.now()
		token := first.Refresh
		for range 3 {
			w.clock.add(20 * 24 * time.Hour)
			next, err := w.Refresh(ctx, native, token, "", bearer)
			if err != nil || next.Refresh == token || !live(t, w.Service, next.Access) || next.Scopes != first.Scopes {
				t.Fatalf("%+v %v", next, err)
			}
			token = next.Refresh
		}
		w.clock.add(start.Add(oauth.RefreshLife).Sub(w.clock.now()))
		if w.refreshes(t, native, token) {
			t.Fatal("it outlives the first")
		}
	})
	for _, c := range []struct {
		name   string
		after  time.Duration
		revoke bool
	}{
		{name: "at once the old one gives the same successor"},
		{name: "after nine seconds likewise", after: 9 * time.Second},
		{name: "after ten seconds the family ends", after: 10 * time.Second, revoke: true},
		{name: "after a day likewise", after: 24 * time.Hour, revoke: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			first := w.tokens(t, native, alice)
			second, err := w.Refresh(ctx, native, first.Refresh, "IMMN", bearer)
			if err != nil {
				t.Fatal(err)
			}
			w.clock.add(c.after)
			if _, err := w.Refresh(ctx, w.pizza, first.Refresh, "", bearer); !errors.Is(err, fault.InvalidGrant) || !live(t, w.Service, second.Access) {
				t.Fatal("another app's try", err)
			}
			again, err := w.another(t, 0).Refresh(ctx, native, first.Refresh, "IMMN", bearer)
			if c.revoke != errors.Is(err, fault.InvalidGrant) {
				t.Fatal(err)
			}
			if !c.revoke && (again.Access != second.Access || again.Refresh != second.Refresh || again.Scopes != "IMMN") {
				t.Fatalf("%+v after %+v", again, second)
			}
			for _, access := range []string{first.Access, second.Access} {
				if live(t, w.Service, access) == c.revoke {
					t.Fatalf("live: %v", !c.revoke)
				}
			}
			if w.refreshes(t, native, second.Refresh) == c.revoke {
				t.Fatalf("the successor refreshes: %v", !c.revoke)
			}
			if c.revoke {
				w.audited(t, "app native", "refresh token reused", "app native", `{"scopes":"IMMN,MIM,SMS","subscriber":"+14255550100"}`)
			}
		})
	}
	t.Run("scopes that were left out once are not lost to the successor", func(t *testing.T) {
		next, err := w.Refresh(ctx, native, w.tokens(t, native, alice).Refresh, "IMMN", bearer)
		if err != nil || next.Scopes != "IMMN" {
			t.Fatalf("%+v %v", next, err)
		}
		if next, err = w.Refresh(ctx, native, next.Refresh, "", bearer); err != nil || next.Scopes != "IMMN,MIM,SMS" {
			t.Fatalf("%+v %v", next, err)
		}
	})
	t.Run("of many at once all get the one successor", func(t *testing.T) {
		first := w.tokens(t, native, alice)
		var got sync.Map
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				out, err := w.Refresh(ctx, native, first.Refresh, "", bearer)
				if err != nil {
					t.Error(err)
				}
				got.Store(out.Refresh+out.Access, true)
			})
		}
		wg.Wait()
		n := 0
		got.Range(func(any, any) bool { n++; return true })
		if n != 1 {
			t.Fatalf("%d successors", n)
		}
	})
	t.Run("one that was replaced ends the family when it is revoked", func(t *testing.T) {
		first := w.tokens(t, native, alice)
		second, err := w.Refresh(ctx, native, first.Refresh, "", bearer)
		if err != nil {
			t.Fatal(err)
		}
		third, err := w.Refresh(ctx, native, second.Refresh, "", bearer)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Revoke(ctx, native, second.Refresh); err != nil {
			t.Fatal(err)
		}
		for _, access := range []string{first.Access, second.Access, third.Access} {
			if live(t, w.Service, access) || live(t, w.another(t, 0), access) {
				t.Fatal("still live")
			}
		}
		for _, token := range []string{first.Refresh, second.Refresh, third.Refresh} {
			if w.refreshes(t, native, token) {
				t.Fatal("refreshed")
			}
		}
	})
	t.Run("an access token ends alone", func(t *testing.T) {
		first := w.tokens(t, native, alice)
		second, err := w.Refresh(ctx, native, first.Refresh, "", bearer)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Revoke(ctx, native, second.Access); err != nil || live(t, w.Service, second.Access) || !live(t, w.Service, first.Access) {
			t.Fatal(err)
		}
		if !w.refreshes(t, native, second.Refresh) {
			t.Fatal("the family ended too")
		}
	})
}

func TestRefreshNarrows(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	first := w.tokens(t, w.pizza, alice) // SMS, MMS, IMMN
	for _, c := range []struct {
		name, scope, want string
		err               error
	}{
		{name: "none asked for: as granted", scope: " ", want: "SMS,MMS,IMMN"},
		{name: "some of them", scope: "IMMN SMS", want: "IMMN,SMS"},
		{name: "all of them again: what was left out before is not lost", scope: "SMS,MMS,IMMN", want: "SMS,MMS,IMMN"},
		{name: "one that was not granted", scope: "SMS,MIM", err: fault.ScopeInvalid},
		{name: "one that is unknown", scope: "NOTHING", err: fault.ScopeInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := w.Refresh(ctx, w.pizza, first.Refresh, c.scope, bearer)
			if !errors.Is(err, c.err) || out.Scopes != c.want {
				t.Fatalf("%+v %v", out, err)
			}
			if c.err == nil {
				g, err := w.Check(ctx, oauth.Presented{Token: out.Access})
				if err != nil || app.JoinScopes(g.Scopes) != c.want || g.Subscriber != alice {
					t.Fatalf("%+v %v", g, err)
				}
			}
		})
	}
}

func TestPublicAppsGetNothingWithoutAPerson(t *testing.T) {
	w := open(t, 0)
	w.addApps(t)
	if _, err := w.ClientCredentials(context.Background(), w.apps.ByKey("native"), "SMS", bearer); !errors.Is(err, fault.ClientUnauthorized) {
		t.Fatal(err)
	}
}

func TestAnAppThatBecomesPublicGetsNothingForItselfAnyMore(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	out := w.issue(t)
	native, err := w.apps.Update(ctx, w.pizza.ID, func(a *app.App) error { a.Auth = app.AuthNone; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.Refresh(ctx, native, out.Refresh, "", bearer); !errors.Is(err, fault.InvalidGrant) {
		t.Fatalf("%+v %v", got, err)
	}
}

func TestBoundTokens(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	w.addApps(t)
	native, bound := w.apps.ByKey("native"), w.apps.ByKey("bound")
	mine, other := newEC(t, elliptic.P256()), newEC(t, elliptic.P256())
	key, stranger := thumbprint(t, mine), thumbprint(t, other)
	// present is the token as a call presents it, with a proof of p's.
	present := func(p party, access string) oauth.Presented {
		h, c := w.proof(p, "ES256")
		return oauth.Presented{Token: access, DPoP: true, Method: "POST", URL: tokenAt, Proof: p.jwt(t, "ES256", h, with(c, "ath", ath(access)))}
	}
	check := func(t *testing.T, access string, p party, want error) {
		t.Helper()
		// From memory, and as a node reads it that has not seen it.
		for _, s := range []*oauth.Service{w.Service, w.another(t, 0)} {
			if g, err := s.Check(ctx, present(p, access)); !errors.Is(err, want) || err == nil && g.App == nil {
				t.Fatalf("%+v %v", g, err)
			}
		}
	}
	code := func(t *testing.T, a *app.App, key [32]byte) oauth.Issued {
		t.Helper()
		v := ""
		if a.Public() {
			v = verifier
		}
		out, err := w.AuthorizationCode(ctx, a, w.grant(t, alice, ask(a)), v, "", key)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	t.Run("a bound token opens with a proof of its key only", func(t *testing.T) {
		out, err := w.ClientCredentials(ctx, bound, "SMS", key)
		if err != nil || !out.Bound {
			t.Fatalf("%+v %v", out, err)
		}
		check(t, out.Access, mine, nil)
		check(t, out.Access, other, fault.BadToken)
		for _, p := range []oauth.Presented{{Token: out.Access}, {Token: out.Access, DPoP: true, Proof: "x"}, present(mine, code(t, bound, key).Access)} {
			if p.Token != out.Access {
				p.Token = out.Access // a proof for another token
			}
			if _, err := w.Check(ctx, p); !errors.Is(err, fault.BadToken) {
				t.Fatal(err)
			}
		}
	})
	t.Run("a bearer token does not pass for a bound one", func(t *testing.T) {
		check(t, w.issue(t).Access, mine, fault.BadToken)
	})
	t.Run("an app with bound tokens gets no others", func(t *testing.T) {
		if _, err := w.ClientCredentials(ctx, bound, "SMS", bearer); !errors.Is(err, fault.ProofInvalid) {
			t.Fatal(err)
		}
		if _, err := w.Refresh(ctx, bound, code(t, bound, key).Refresh, "", bearer); !errors.Is(err, fault.ProofInvalid) {
			t.Fatal(err)
		}
	})
	t.Run("a confidential app may refresh with another key, and the access token is bound to that", func(t *testing.T) {
		first := code(t, bound, key)
		next, err := w.Refresh(ctx, bound, first.Refresh, "", stranger)
		if err != nil || !next.Bound {
			t.Fatalf("%+v %v", next, err)
		}
		check(t, next.Access, other, nil)
		check(t, next.Access, mine, fault.BadToken)
		check(t, first.Access, mine, nil)
	})
	t.Run("a public app that begins to prove its key at a refresh is bound from then on", func(t *testing.T) {
		next, err := w.Refresh(ctx, native, code(t, native, bearer).Refresh, "", key)
		if err != nil || !next.Bound {
			t.Fatalf("%+v %v", next, err)
		}
		for _, k := range [][32]byte{stranger, bearer} {
			if _, err := w.Refresh(ctx, native, next.Refresh, "", k); !errors.Is(err, fault.InvalidGrant) {
				t.Fatal(err)
			}
		}
		if next, err = w.Refresh(ctx, native, next.Refresh, "", key); err != nil || !next.Bound {
			t.Fatalf("%+v %v", next, err)
		}
	})
	t.Run("bearer tokens end when the account says that all are bound", func(t *testing.T) {
		out := w.issue(t)
		if !live(t, w.Service, out.Access) {
			t.Fatal("not live before")
		}
		if _, err := w.apps.Update(ctx, w.pizza.ID, func(a *app.App) error { a.DPoP = true; return nil }); err != nil {
			t.Fatal(err)
		}
		if live(t, w.Service, out.Access) {
			t.Fatal("live")
		}
	})
	t.Run("a public app's refresh token is bound as well, and so are its successors", func(t *testing.T) {
		first := code(t, native, key)
		token := first.Refresh
		for range 2 {
			for _, k := range [][32]byte{stranger, bearer} {
				if _, err := w.Refresh(ctx, native, token, "", k); !errors.Is(err, fault.InvalidGrant) {
					t.Fatal(err)
				}
			}
			next, err := w.Refresh(ctx, native, token, "", key)
			if err != nil || !next.Bound {
				t.Fatalf("%+v %v", next, err)
			}
			check(t, next.Access, mine, nil)
			// The old one again, without the key, ends nothing: who has no key has stolen nothing.
			w.clock.add(11 * time.Second)
			if _, err := w.Refresh(ctx, native, token, "", stranger); !errors.Is(err, fault.InvalidGrant) {
				t.Fatal(err)
			}
			check(t, next.Access, mine, nil)
			token = next.Refresh
		}
		if _, err := w.Refresh(ctx, native, first.Refresh, "", key); !errors.Is(err, fault.InvalidGrant) {
			t.Fatal(err)
		}
		check(t, first.Access, mine, fault.BadToken)
	})
}
