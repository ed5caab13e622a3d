package store_test

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"testing"

	"longlines/app"
	"longlines/fault"
	"longlines/id"
	"longlines/oauth"
	"longlines/store"
)

// peer is what of a platform knows apps and tokens.
type peer struct {
	store  *store.Store
	apps   *app.Directory
	tokens *oauth.Service
}

func newPeer(t *testing.T, s *store.Store) peer {
	t.Helper()
	apps, err := app.NewDirectory(t.Context(), s, app.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := oauth.New(oauth.Config{Store: s, Sealer: s.Sealer(), Apps: apps, Issuer: "https://api.example"})
	if err != nil {
		t.Fatal(err)
	}
	s.Watch(store.ChangeToken, func(n int64) { tokens.Revoked(id.Number(n)) })
	s.Watch(store.ChangeConsent, func(n int64) { tokens.Changed(id.Number(n)) })
	dirty := make(chan struct{}, 1)
	s.Watch(store.ChangeApp, func(int64) {
		select {
		case dirty <- struct{}{}:
		default:
		}
	})
	ctx, stop := context.WithCancel(context.Background())
	var reads sync.WaitGroup
	reads.Go(func() {
		for {
			select {
			case <-dirty:
				apps.Reload(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() {
		stop()
		reads.Wait()
	})
	return peer{s, apps, tokens}
}

func (n peer) live(token string) bool {
	_, err := n.tokens.Check(context.Background(), oauth.Presented{Token: token})
	return err == nil
}

// TestPostgresWhatWasRevokedIsRefusedThoughTheAnswerToItsCommitWasLost: whoever revokes is refused then, and cannot
// know that it is done. No node goes on with what the database says is over, the one that did it least of all.
func TestPostgresWhatWasRevokedIsRefusedThoughTheAnswerToItsCommitWasLost(t *testing.T) {
	ctx := t.Context()
	proxy, one, other, _ := behind(t)
	a := newPeer(t, one)
	pizza, _, err := a.apps.Create(ctx, app.App{Name: "pizza", RedirectURI: "https://pizza.example/cb", Scopes: []app.Scope{"SMS", "IMMN"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	deli, _, err := a.apps.Create(ctx, app.App{Name: "deli", Scopes: []app.Scope{"SMS"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	b := newPeer(t, other)
	alice := oauth.Person{Subscriber: "14255550100", Level: pizza.Level, How: oauth.HowPIN}
	own, err := a.tokens.ClientCredentials(ctx, pizza, "SMS", [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := a.tokens.ClientCredentials(ctx, deli, "SMS", [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	back, err := a.tokens.Approve(ctx, oauth.Request{App: pizza, Redirect: "https://pizza.example/cb", Scopes: []app.Scope{"IMMN"}}, alice, [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	hers, err := a.tokens.AuthorizationCode(ctx, pizza, u.Query().Get("code"), "", "", [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	yes, err := a.tokens.Consents(ctx, alice)
	if err != nil || len(yes) != 1 {
		t.Fatal(yes, err)
	}
	for _, c := range []struct {
		name, token string
		end         func() error
	}{
		{"a token", own.Access, func() error { return a.tokens.Revoke(ctx, pizza, own.Access) }},
		{"a consent", hers.Access, func() error {
			_, _, err := one.Withdraw(ctx, pizza.Tenant(), alice.Subscriber, yes[0].ID, nil, oauth.BySubscriber) // told by the store alone
			return err
		}},
		{"an app", theirs.Access, func() error { return a.apps.Delete(ctx, deli.ID) }},
	} {
		if !a.live(c.token) || !b.live(c.token) {
			t.Fatalf("%s: not in force before", c.name)
		}
		cut := proxy.CutCommit("")
		if err := c.end(); !errors.Is(err, fault.Unavailable) {
			t.Fatalf("%s: %v", c.name, err)
		}
		<-cut
		await(t, c.name+" is over on the other node", func() bool { return !b.live(c.token) })
		await(t, c.name+" is over on the node that ended it", func() bool { return !a.live(c.token) })
		await(t, "the node is connected again", func() bool { return a.store.Writable() == nil })
		if err := a.store.Accept(ctx, texts(a.store, 1, false)); err != nil { // behind the write that tries whether it is
			t.Fatal(err)
		}
	}
}
