package storetest

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"longlines/app"
	"longlines/app/apptest"
	"longlines/number"
	"longlines/oauth"
	"longlines/store"
)

// standing is of requests that nobody is asked about.
func standing(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	const other = number.MSISDN("14255550199")
	ask := func(s *store.Store, a app.ID, m number.MSISDN, scopes string) (*oauth.Approval, error) {
		x := approval(s, a, m, scopes)
		x.Standing = true
		return x, s.Approve(ctx, x)
	}
	refused := func(what string, a app.ID, m number.MSISDN, scopes, still string) {
		t.Helper()
		x, err := ask(s, a, m, scopes)
		if !errors.Is(err, oauth.ErrNoConsent) {
			t.Errorf("%s: %v", what, err)
		}
		if _, ok, err := s.Code(ctx, x.Code.ID); ok || err != nil {
			t.Errorf("%s: a code is there: %v %v", what, ok, err)
		}
		if c, _, err := s.Consent(ctx, apptest.Tenant(a), m); err != nil || c.Scopes != still {
			t.Errorf("%s: the consent covers %q, want %q (%v)", what, c.Scopes, still, err)
		}
	}
	allowed := func(what, scopes string, c oauth.Consent) {
		t.Helper()
		x, err := ask(s, 7, handset, scopes)
		if err != nil || x.Consent.ID != c.ID || x.Consent.Scopes != c.Scopes {
			t.Fatalf("%s: %+v %v", what, x.Consent, err)
		}
		if k, ok, err := s.Code(ctx, x.Code.ID); err != nil || !ok || k.Consent != c.ID || k.Covered != c.Scopes {
			t.Errorf("%s: the code %+v %v %v", what, k, ok, err)
		}
	}
	withdraw := func(c oauth.Consent, scopes ...app.Scope) {
		t.Helper()
		if _, ok, err := s.Withdraw(ctx, apptest.Tenant(c.App), c.Subscriber, c.ID, scopes, oauth.BySubscriber); err != nil || !ok {
			t.Fatal(ok, err)
		}
	}
	refused("who was never asked", 7, handset, "SMS", "")
	c, _ := grant(t, s, 7, handset, "SMS,IMMN,TL")
	refused("another app", 8, handset, "SMS", "")
	refused("another subscriber", 7, other, "SMS", "")
	refused("more than was asked for", 7, handset, "SMS,MMS", c.Scopes)
	allowed("a part of it, in another order", "TL,SMS", c)

	withdraw(c, "TL")
	c.Scopes = "SMS,IMMN"
	refused("a scope that was taken back", 7, handset, "SMS,TL", c.Scopes)
	allowed("what is left", "SMS,IMMN", c)
	withdraw(c)
	refused("a consent that was withdrawn", 7, handset, "SMS", "")
	c, _ = grant(t, s, 7, handset, "SMS")
	allowed("another yes", "SMS", c)

	// However they meet, what was taken back is taken back.
	node := s
	if strings.HasPrefix(cfg.URL, "postgres") {
		node = Open(t, cfg)
	}
	for range 10 {
		c, _ := grant(t, s, 9, handset, "SMS,IMMN")
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 30 {
					switch _, err := ask(node, 9, handset, "IMMN"); {
					case errors.Is(err, oauth.ErrNoConsent):
						return
					case err != nil:
						t.Error(err)
						return
					}
				}
			})
		}
		withdraw(c, "IMMN")
		withdraw(c)
		wg.Wait()
		if c, ok, err := s.Consent(ctx, apptest.Tenant(9), handset); ok || err != nil {
			t.Fatalf("it is back: %+v %v", c, err)
		}
	}
}
