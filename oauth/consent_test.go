package oauth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"longlines/app"
	"longlines/audit"
	"longlines/fault"
	"longlines/id"
	"longlines/number"
	"longlines/oauth"
	"longlines/store"
)

func raw(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// consent is the one of a subscriber to pizza; there must be one.
func (w *world) consent(t testing.TB, m number.MSISDN) oauth.Consent {
	t.Helper()
	c, ok, err := w.store.Consent(context.Background(), w.pizza.Tenant(), m)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	return c
}

func (w *world) withdraw(t testing.TB, m number.MSISDN, scopes ...app.Scope) {
	t.Helper()
	if ok, err := w.Withdraw(context.Background(), w.consent(t, m), scopes, oauth.BySubscriber); err != nil || !ok {
		t.Fatal(ok, err)
	}
}

// audited checks the newest entry of the audit.
func (w *world) audited(t testing.TB, actor, action, object, detail string) {
	t.Helper()
	list, err := w.store.Audit(context.Background(), audit.Filter{Limit: 1})
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v %v", list, err)
	}
	if e := list[0]; e.Actor != actor || e.Action != action || e.Object != object || e.Detail != detail {
		t.Fatalf("%+v", e)
	}
}

func TestWithdraw(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	w.addApps(t)
	cold := w.another(t, 0)
	t.Run("with its scopes gone, a consent's tokens end at once, here and on a node that is told", func(t *testing.T) {
		first, second := w.tokens(t, w.pizza, alice), w.tokens(t, w.pizza, alice)
		others := w.tokens(t, w.pizza, bob)
		own, err := w.ClientCredentials(ctx, w.pizza, "SMS", bearer)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*oauth.Service{w.Service, cold} {
			if !live(t, s, first.Access) || !live(t, s, second.Access) {
				t.Fatal("not live")
			}
		}
		w.withdraw(t, alice)
		w.audited(t, "subscriber +14255550100", "consent withdrawn", "app pizza", `{"scopes":"SMS,MMS,IMMN"}`)
		for _, s := range []*oauth.Service{w.Service, cold, w.another(t, 0)} {
			if live(t, s, first.Access) || live(t, s, second.Access) {
				t.Fatal("still live")
			}
			if !live(t, s, others.Access) || !live(t, s, own.Access) {
				t.Fatal("another's token ended")
			}
		}
		if w.refreshes(t, w.pizza, first.Refresh) {
			t.Fatal("refreshed")
		}
		t.Run("and a new consent does not bring them back", func(t *testing.T) {
			if fresh := w.tokens(t, w.pizza, alice); !live(t, w.Service, fresh.Access) || live(t, w.Service, first.Access) || w.refreshes(t, w.pizza, first.Refresh) {
				t.Fatal("back")
			}
		})
	})
	t.Run("narrowed, its tokens stay live and say so", func(t *testing.T) {
		out := w.tokens(t, w.pizza, alice)
		nodes := []*oauth.Service{w.Service, cold}
		for _, s := range nodes {
			live(t, s, out.Access)
		}
		w.withdraw(t, alice, "IMMN")
		w.audited(t, "subscriber +14255550100", "consent narrowed", "app pizza", `{"scopes":"IMMN"}`)
		fresh, err := w.Refresh(ctx, w.pizza, out.Refresh, "", bearer)
		if err != nil || fresh.Scopes != "SMS,MMS" {
			t.Fatalf("%+v %v", fresh, err)
		}
		for _, token := range []string{out.Access, fresh.Access} {
			for _, s := range append(nodes, w.another(t, 0)) {
				g, err := s.Check(ctx, oauth.Presented{Token: token})
				if err != nil || g.Allows("IMMN") != (token == out.Access) || g.Consented("IMMN") || !g.Consented("SMS") {
					t.Fatalf("%+v %v", g, err)
				}
			}
		}
		if _, err := w.Refresh(ctx, w.pizza, out.Refresh, "IMMN", bearer); !errors.Is(err, fault.ScopeInvalid) {
			t.Fatalf("a scope that was taken back: %v", err)
		}
		t.Run("also when the subscriber has given the scope again, which is for tokens to come", func(t *testing.T) {
			later := w.tokens(t, w.pizza, alice)
			for _, s := range nodes {
				for token, want := range map[string]bool{out.Access: false, fresh.Access: false, later.Access: true} {
					if g, err := s.Check(ctx, oauth.Presented{Token: token}); err != nil || (g.Allows("IMMN") && g.Consented("IMMN")) != want {
						t.Fatalf("%+v %v", g, err)
					}
				}
			}
		})
		t.Run("and ends with its last scope", func(t *testing.T) {
			w.withdraw(t, alice, "SMS", "IMMN")
			w.withdraw(t, alice, "MMS", "MIM")
			w.audited(t, "subscriber +14255550100", "consent withdrawn", "app pizza", `{"scopes":"MMS"}`)
			if live(t, w.Service, out.Access) || live(t, cold, out.Access) {
				t.Fatal("still live")
			}
		})
	})
	t.Run("of another, or not in force, it does nothing", func(t *testing.T) {
		out := w.tokens(t, w.pizza, alice)
		c := w.consent(t, alice)
		stolen := c
		stolen.Subscriber = bob
		gone := c
		gone.ID++
		for _, c := range []oauth.Consent{stolen, gone, {}} {
			if ok, err := w.Withdraw(ctx, c, nil, oauth.BySubscriber); ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		if !live(t, w.Service, out.Access) {
			t.Fatal("ended")
		}
	})
	t.Run("the operator's hand is in the audit, and an entry that is given is kept", func(t *testing.T) {
		w.tokens(t, w.pizza, alice)
		if ok, err := w.Withdraw(ctx, w.consent(t, alice), nil, oauth.ByOperator); !ok || err != nil {
			t.Fatal(ok, err)
		}
		w.audited(t, "admin", "consent withdrawn", "app pizza", `{"scopes":"SMS,MMS,IMMN","subscriber":"+14255550100"}`)
		w.tokens(t, w.pizza, alice)
		own := audit.With(ctx, audit.Entry{Actor: "admin", Action: "DELETE /admin/v1/consents/{id}", Object: "consent 1"})
		if ok, err := w.Withdraw(own, w.consent(t, alice), nil, oauth.ByOperator); !ok || err != nil {
			t.Fatal(ok, err)
		}
		w.audited(t, "admin", "DELETE /admin/v1/consents/{id}", "consent 1", "")
	})
	t.Run("the audit's chain holds", func(t *testing.T) {
		if n, bad, ok, err := w.store.VerifyAudit(ctx); !ok || n == 0 || err != nil {
			t.Fatalf("%d %+v %v", n, bad, err)
		}
	})
}

func TestConsentsAreOfOneNetwork(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	w.addApps(t)
	brief, _, err := w.apps.Create(ctx, app.App{Name: "brief", RedirectURI: "https://brief.example/", Scopes: []app.Scope{"IMMN"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []*app.App{w.pizza, brief, w.apps.ByKey("live"), w.apps.ByKey("native")} {
		w.grant(t, alice, ask(a))
	}
	w.grant(t, bob, ask(w.pizza))
	if err := w.apps.Delete(ctx, brief.ID); err != nil {
		t.Fatal(err)
	}
	names := func(level app.Level) (out []string) {
		list, err := w.Consents(ctx, oauth.Person{Subscriber: alice, Level: level})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			out = append(out, w.apps.ByID(c.App).Name)
		}
		return out
	}
	if got := names(app.LevelSandbox); !slices.Equal(got, []string{"native", "pizza"}) {
		t.Fatalf("sandbox: %v", got)
	}
	if got := names(app.LevelProduction); !slices.Equal(got, []string{"live"}) {
		t.Fatalf("production: %v", got)
	}
}

// A change must not wait for the news of it: it holds at once where it was made.
func TestAServiceKnowsItsOwnChanges(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	out := w.tokens(t, w.pizza, alice)
	s, err := oauth.New(oauth.Config{Store: w.store, Sealer: w.store.Sealer(), Apps: w.apps, Now: w.clock.now}) // that is told nothing
	if err != nil {
		t.Fatal(err)
	}
	consented := func() bool {
		t.Helper()
		g, err := s.Check(ctx, oauth.Presented{Token: out.Access})
		if err != nil {
			t.Fatal(err)
		}
		return g.Consented("IMMN")
	}
	if !consented() {
		t.Fatal("not consented")
	}
	if ok, err := s.Withdraw(ctx, w.consent(t, alice), []app.Scope{"IMMN"}, oauth.BySubscriber); !ok || err != nil || consented() {
		t.Fatal(ok, err)
	}
	r, err := s.Authorize(ctx, ask(w.pizza))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Approve(ctx, r, oauth.Person{Subscriber: alice, Level: app.LevelSandbox, How: oauth.HowPIN}, form()); err != nil || consented() {
		t.Fatal(err)
	}
	out = w.tokens(t, w.pizza, alice)
	if !consented() {
		t.Fatal("a token made after the yes is not covered")
	}
	if ok, err := s.Withdraw(ctx, w.consent(t, alice), nil, oauth.BySubscriber); !ok || err != nil || live(t, s, out.Access) {
		t.Fatal(ok, err)
	}
}

func TestManyConsents(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	w.addApps(t)
	w.grant(t, alice, ask(w.pizza)) // the oldest, to be found behind all the others
	for n := range app.ID(205) {
		c := oauth.Consent{App: 1000 + n, Subscriber: alice, Scopes: "IMMN"} // apps that are no more
		if err := w.store.Approve(ctx, &oauth.Approval{Once: form(), Until: w.clock.now(), Consent: c, Code: oauth.Code{ID: w.store.NextToken(1), Hash: form()}}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := w.Consents(ctx, oauth.Person{Subscriber: alice, Level: app.LevelSandbox})
	if err != nil || len(list) != 1 || list[0].App != w.pizza.ID {
		t.Fatalf("%+v %v", list, err)
	}
}

// slow is a store whose reader has read a token's row and not come back yet.
type slow struct {
	*store.Store
	reading, resume chan struct{}
	once            sync.Once
}

func (s *slow) Token(ctx context.Context, n id.Number) (oauth.Token, bool, error) {
	t, ok, err := s.Store.Token(ctx, n)
	s.once.Do(func() {
		close(s.reading)
		<-s.resume
	})
	return t, ok, err
}

func TestAChangeOfConsentWinsOverASlowReader(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name   string
		scopes []app.Scope
		want   error
	}{
		{"withdrawn", nil, fault.BadToken},
		{"narrowed", []app.Scope{"IMMN"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := open(t, 0)
			out := w.tokens(t, w.pizza, alice)
			reader := &slow{Store: w.store, reading: make(chan struct{}), resume: make(chan struct{})}
			s, err := oauth.New(oauth.Config{Store: reader, Sealer: w.store.Sealer(), Apps: w.apps, Now: w.clock.now})
			if err != nil {
				t.Fatal(err)
			}
			w.store.Watch("consent", func(ref int64) { s.Changed(id.Number(ref)) })
			var wg sync.WaitGroup
			wg.Go(func() { s.Check(ctx, oauth.Presented{Token: out.Access}) })
			<-reader.reading
			w.withdraw(t, alice, c.scopes...)
			close(reader.resume)
			wg.Wait()
			for range 2 {
				g, err := s.Check(ctx, oauth.Presented{Token: out.Access})
				if !errors.Is(err, c.want) || g.Consented("IMMN") && err == nil {
					t.Fatalf("%+v %v", g, err)
				}
			}
		})
	}
}

func TestManyChangesOfConsents(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	out := w.tokens(t, w.pizza, alice)
	c := w.consent(t, alice)
	for n := range id.Number(70_000) { // more than are remembered
		w.Changed(n + 1)
		if n == 100 {
			if _, ok, err := w.store.Withdraw(ctx, w.pizza.Tenant(), alice, c.ID, nil, oauth.BySubscriber); !ok || err != nil {
				t.Fatal(err)
			}
		}
	}
	if live(t, w.Service, out.Access) {
		t.Fatal("a change was forgotten")
	}
}

func TestUseOfAConsent(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	out := w.tokens(t, w.pizza, alice)
	flush := func() {
		t.Helper()
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if err := w.Run(ended); err != nil {
			t.Fatal(err)
		}
	}
	flush()
	if c := w.consent(t, alice); !c.Used.IsZero() {
		t.Fatalf("used at %s before any call", c.Used)
	}
	for range 3 {
		live(t, w.Service, out.Access)
		flush()
		if c := w.consent(t, alice); !c.Used.Equal(w.clock.now().Truncate(time.Minute)) {
			t.Fatalf("used at %s", c.Used)
		}
		w.clock.add(time.Minute)
	}
	live(t, w.Service, flip(out.Access)) // opens nothing, and is no use
	flush()
	if c := w.consent(t, alice); !c.Used.Equal(w.clock.now().Add(-time.Minute).Truncate(time.Minute)) {
		t.Fatalf("used at %s", c.Used)
	}
}

// broken is a store that cannot write down a use.
type broken struct {
	*store.Store
	err error
}

func (b *broken) ConsentsUsed(ctx context.Context, used map[id.Number]time.Time) error {
	if b.err != nil {
		return b.err
	}
	return b.Store.ConsentsUsed(ctx, used)
}

func TestUseThatCouldNotBeWritten(t *testing.T) {
	w := open(t, 0)
	out := w.tokens(t, w.pizza, alice)
	b := &broken{Store: w.store, err: errors.New("disk full")}
	s, err := oauth.New(oauth.Config{Store: b, Sealer: w.store.Sealer(), Apps: w.apps, Now: w.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	live(t, s, out.Access)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	s.Run(ended)
	b.err = nil
	s.Run(ended)
	if c := w.consent(t, alice); c.Used.IsZero() {
		t.Fatal("forgotten")
	}
}

func ExampleGrant_Consented() {
	g := oauth.Grant{Subscriber: "14255550100", Scopes: []app.Scope{"IMMN", "MIM"}, Covered: []app.Scope{"MIM"}}
	fmt.Println(g.Allows("IMMN"), g.Consented("IMMN"), g.Consented("MIM"))
	// Output: true false true
}
