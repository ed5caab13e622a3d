package storetest

import (
	"errors"
	"testing"
	"time"

	"longlines/app"
	"longlines/app/apptest"
	"longlines/gateway"
	"longlines/id"
	"longlines/number"
	"longlines/oauth"
	"longlines/sms"
	"longlines/store"
)

// tenants asks for the rows of one app in the name of another, and of nobody, by every method that takes
// a tenant.
func tenants(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	owner := pizzeria
	acc := Message(s, 7, 1, "hi")
	acc.Key = &app.Idempotency{Tenant: owner, Scope: "POST /x", Key: "k", Fingerprint: [32]byte{1}}
	must(t, s.Accept(ctx, acc))
	// Rows of no app, which the number of nobody must not find.
	lost := incoming(s, 1, 1, "to a code that nobody owns")
	lost.MO.App = 0
	must(t, s.Receive(ctx, lost))
	for i := range 2 {
		must(t, s.Receive(ctx, incoming(s, int64(i+2), 1, "to the owner")))
	}
	texts, _, lease, err := s.LeaseInbox(ctx, owner, pizza, 1, now().Add(time.Hour))
	if err != nil || len(texts) != 1 {
		t.Fatal(texts, err)
	}
	consent, family := grant(t, s, 7, handset, "SMS")
	yes := approval(s, 7, "14255550199", "SMS")
	must(t, s.Approve(ctx, yes))

	for name, of := range map[string]app.Tenant{"another app": stranger, "nobody": {}} {
		t.Run(name, func(t *testing.T) {
			if got := get[[]sms.MT](t)(s.Message(ctx, of, acc.Rows[0].ID)); len(got) != 0 {
				t.Errorf("Message: %+v", got)
			}
			if n := get[int](t)(s.Pending(ctx, of, pizza)); n != 0 {
				t.Errorf("Pending: %d", n)
			}
			if got, pending, _, err := s.LeaseInbox(ctx, of, pizza, 9, now().Add(time.Hour)); err != nil || len(got) != 0 || pending != 0 {
				t.Errorf("LeaseInbox: %+v, %d more, %v", got, pending, err)
			}
			must(t, s.EndLease(ctx, of, lease, true))
			if got, ok, err := s.SavedAnswer(ctx, of, "POST /x", "k"); ok || err != nil {
				t.Errorf("SavedAnswer: %+v %v", got, err)
			}
			if got, ok, err := s.Consent(ctx, of, handset); ok || err != nil {
				t.Errorf("Consent: %+v %v", got, err)
			}
			if got, ok, err := s.Withdraw(ctx, of, handset, consent.ID, nil, oauth.BySubscriber); ok || err != nil {
				t.Errorf("Withdraw: %+v %v", got, err)
			}
			must(t, s.RevokeToken(ctx, of, family[0].ID))
			own := successor(s, family[0])
			for i := range own.Tokens {
				own.Tokens[i].App = of.App()
			}
			if err := s.Rotate(ctx, of, own); !errors.Is(err, oauth.ErrUsed) {
				t.Errorf("Rotate: %v", err)
			}
			redemption := exchange(s, yes)
			for i := range redemption.Tokens {
				redemption.Tokens[i].App = of.App()
			}
			if err := s.Redeem(ctx, of, redemption); !errors.Is(err, oauth.ErrUsed) {
				t.Errorf("Redeem: %v", err)
			}

			// Nor does it get what the owner spends, or name what the owner sends.
			own, redemption = successor(s, family[0]), exchange(s, yes)
			own.Tokens[1].App, redemption.Tokens[1].App = of.App(), of.App()
			if err := s.Rotate(ctx, owner, own); err == nil {
				t.Error("Rotate made a token of another app")
			}
			if err := s.Redeem(ctx, owner, redemption); err == nil {
				t.Error("Redeem made a token of another app")
			}
			forged := Message(s, 7, 2, "hi")
			forged.Key = &app.Idempotency{Tenant: of, Scope: "POST /x", Key: "forged"}
			if err := s.Accept(ctx, forged); err == nil {
				t.Error("Accept tied the owner's message to another's key")
			}
		})
	}
	if err := s.SaveAnswer(ctx, app.Tenant{}, "POST /x", "k", gateway.Saved{Status: 200}); err == nil {
		t.Error("SaveAnswer wrote a row of nobody")
	}
	must(t, s.SaveAnswer(ctx, stranger, "POST /x", "k", gateway.Saved{Status: 418}))

	if got, ok, err := s.SavedAnswer(ctx, owner, "POST /x", "k"); err != nil || !ok || got.Ref != acc.Rows[0].ID || got.Status != 0 {
		t.Errorf("the owner's key is now %+v %v", got, err)
	}
	if k, _, err := s.Token(ctx, family[0].ID); err != nil || k.Revoked || !k.Rotated.IsZero() {
		t.Errorf("the owner's token is now %+v %v", k, err)
	}
	if c, _, err := s.Code(ctx, yes.Code.ID); err != nil || !c.Used.IsZero() {
		t.Errorf("the owner's code is now %+v %v", c, err)
	}
	must(t, s.EndLease(ctx, owner, lease, false))
	if n := get[int](t)(s.Pending(ctx, owner, pizza)); n != 2 {
		t.Errorf("%d of the owner's 2 texts wait", n)
	}
}

// people asks for the consents of a subscriber in the name of another one, of the other network's of the
// same number, and of nobody.
func people(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	const other = number.MSISDN("14255550199")
	made := func(name string, l app.Level) app.ID {
		t.Helper()
		return get[app.ID](t)(s.PutApp(ctx, app.App{Name: name, Key: name, Level: l, Created: now()}))
	}
	toy, live, gone := made("toy", app.LevelSandbox), made("live", app.LevelProduction), made("gone", app.LevelSandbox)
	var ids []id.Number
	for _, c := range []struct {
		a app.ID
		m number.MSISDN
	}{{toy, handset}, {live, handset}, {toy, other}, {gone, handset}} {
		con, _ := grant(t, s, c.a, c.m, "SMS")
		ids = append(ids, con.ID)
	}
	get[app.ID](t)(s.PutApp(ctx, app.App{ID: gone, Version: 1, Name: "gone", Key: "gone", Level: app.LevelSandbox, Created: now(), Deleted: true}))
	for _, c := range []struct {
		name   string
		level  app.Level
		m      number.MSISDN
		before id.Number
		want   []id.Number
	}{
		{"of the virtual network", app.LevelSandbox, handset, 0, ids[:1]},
		{"of the live network", app.LevelProduction, handset, 0, ids[1:2]},
		{"another one", app.LevelSandbox, other, 0, ids[2:3]},
		{"another one on the other network", app.LevelProduction, other, 0, nil},
		{"before the first", app.LevelSandbox, handset, ids[0], nil},
		{"without a number", app.LevelSandbox, "", 0, nil},
		{"without a network", "", handset, 0, nil},
	} {
		var got []id.Number
		for _, con := range get[[]oauth.Consent](t)(s.ConsentsOf(ctx, c.level, c.m, c.before, 9)) {
			got = append(got, con.ID)
		}
		same(t, c.name, got, c.want)
	}
	if _, ok, err := s.Withdraw(ctx, apptest.Tenant(toy), other, ids[0], nil, oauth.BySubscriber); ok || err != nil {
		t.Errorf("another subscriber withdrew it: %v %v", ok, err)
	}
	if _, ok, err := s.Withdraw(ctx, apptest.Tenant(live), handset, ids[0], nil, oauth.BySubscriber); ok || err != nil {
		t.Errorf("the other network's subscriber withdrew it: %v %v", ok, err)
	}
	if _, ok, err := s.Withdraw(ctx, apptest.Tenant(toy), handset, ids[0], nil, oauth.BySubscriber); !ok || err != nil {
		t.Errorf("its own subscriber did not: %v %v", ok, err)
	}
	if got := get[[]oauth.Consent](t)(s.ConsentsOf(ctx, app.LevelSandbox, handset, 0, 9)); len(got) != 0 {
		t.Errorf("still in force: %+v", got)
	}
}
