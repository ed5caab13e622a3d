package oauthv4_test

import (
	"context"
	"testing"
	"time"

	"longlines/app"
	"longlines/oauth"
)

// TestWhatIsTakenBackDuringARequestIsAskedFor: a remembered browser is not asked about what its subscriber has
// consented to. The subscriber may take it back, in another browser, while such a request is under way: with
// "done" it is done, and no request may bring it back but by a yes.
func TestWhatIsTakenBackDuringARequestIsAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		gone []app.Scope
		left string
	}{
		"the whole consent": {nil, ""},
		"a scope of it":     {[]app.Scope{"MIM"}, "IMMN"},
	} {
		t.Run(name, func(t *testing.T) {
			k := openCounter(t, "")
			v := k.visitor()
			coded(t, k.signedIn(v, alice, asking("pizza-key", "IMMN,MIM"), true).Press(t, "do=allow"))
			k.later(time.Minute)
			suppress := asking("pizza-key", "IMMN,MIM", "custom_param", suppressed)
			coded(t, v.Open(t, suppress))
			k.mu.Lock()
			k.meanwhile = func() {
				ctx := context.Background()
				list, err := k.service.Consents(ctx, oauth.Person{Subscriber: alice, Level: app.LevelProduction})
				if err != nil || len(list) != 1 {
					t.Error(list, err)
					return
				}
				if ok, err := k.service.Withdraw(ctx, list[0], c.gone, oauth.BySubscriber); err != nil || !ok {
					t.Error(ok, err)
				}
			}
			k.mu.Unlock()
			p := v.Open(t, suppress)
			if p.Location != nil || !p.Offers("do=allow") {
				t.Fatalf("not asked, but %d %v %s", p.Status, p.Location, p.Text)
			}
			if got := k.given("pizza-key", alice); got != c.left {
				t.Fatalf("consent %q, want %q", got, c.left)
			}
			code := coded(t, p.Press(t, "do=allow"))
			out, err := k.service.AuthorizationCode(context.Background(), k.apps.ByKey("pizza-key"), code, "", "", [32]byte{})
			if got := k.given("pizza-key", alice); err != nil || out.Scopes != "IMMN,MIM" || got != "IMMN,MIM" {
				t.Errorf("after a yes: consent %q, tokens for %q, %v", got, out.Scopes, err)
			}
		})
	}
}
