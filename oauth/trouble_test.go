package oauth_test

import (
	"context"
	"errors"
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

// stalled is a store that takes long, as a database does whose server fails over: what comes says so on its channel
// and waits to be let go. Without a channel it does not wait.
type stalled struct {
	*store.Store
	reads, writes chan chan struct{}
}

func wait(at chan chan struct{}) {
	if at != nil {
		turn := make(chan struct{})
		at <- turn
		<-turn
	}
}

func (s *stalled) Token(ctx context.Context, n id.Number) (oauth.Token, bool, error) {
	wait(s.reads)
	return s.Store.Token(ctx, n)
}

func (s *stalled) Code(ctx context.Context, n id.Number) (oauth.Code, bool, error) {
	wait(s.reads)
	return s.Store.Code(ctx, n)
}

func (s *stalled) Rotate(ctx context.Context, of app.Tenant, x oauth.Exchange) error {
	wait(s.writes)
	return s.Store.Rotate(ctx, of, x)
}

func (s *stalled) Redeem(ctx context.Context, of app.Tenant, x oauth.Exchange) error {
	wait(s.writes)
	return s.Store.Redeem(ctx, of, x)
}

// A client comes, waits in vain and comes again, while the store gets nothing done.
func TestAStallIsNoTheft(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	w.addApps(t)
	native := w.apps.ByKey("native")
	on := func(s *stalled) *oauth.Service {
		t.Helper()
		svc, err := oauth.New(oauth.Config{Store: s, Sealer: w.store.Sealer(), Apps: w.apps, Now: w.clock.now, Issuer: "https://api.example"})
		if err != nil {
			t.Fatal(err)
		}
		return svc
	}
	refresh := func(s *oauth.Service, token string) (oauth.Issued, error) {
		return s.Refresh(ctx, native, token, "", bearer)
	}
	redeem := func(s *oauth.Service, code string) (oauth.Issued, error) {
		return s.AuthorizationCode(ctx, native, code, verifier, "", bearer)
	}
	type answer struct {
		oauth.Issued
		err error
	}
	for _, c := range []struct {
		name   string
		reads  bool          // the second waits to read, and not to write
		apart  time.Duration // the two come
		stall  time.Duration // from then on
		refuse bool          // the second redemption; a refresh is never refused
	}{
		{name: "both at once", refuse: true},
		{name: "both at once, in a long stall", stall: 11 * time.Second, refuse: true},
		{name: "a second apart", apart: time.Second},
		{name: "a second apart, in a long stall", apart: time.Second, stall: 11 * time.Second},
		{name: "eleven seconds apart, the token unspent until then", apart: 11 * time.Second},
		{name: "a second apart, the token spent when it is read at last", apart: time.Second, stall: 11 * time.Second, reads: true},
	} {
		for what, do := range map[string]func(*oauth.Service, string) (oauth.Issued, error){"refresh": refresh, "redeem": redeem} {
			t.Run(c.name+", "+what, func(t *testing.T) {
				text := w.grant(t, alice, ask(native))
				if what == "refresh" {
					out, err := redeem(w.Service, text)
					if err != nil {
						t.Fatal(err)
					}
					text = out.Refresh
				}
				one, two := &stalled{Store: w.store, writes: make(chan chan struct{})}, &stalled{Store: w.store}
				second := make(chan chan struct{})
				if c.reads {
					two.reads = second
				} else {
					two.writes = second
				}
				come := func(s *stalled) <-chan answer {
					svc, got := on(s), make(chan answer, 1)
					go func() {
						out, err := do(svc, text)
						got <- answer{out, err}
					}()
					return got
				}
				first := come(one)
				turn := <-one.writes
				w.clock.add(c.apart)
				again := come(two)
				next := <-second
				w.clock.add(c.stall)
				close(turn)
				a := <-first
				if a.err != nil {
					t.Fatal(a.err)
				}
				two.reads = nil // it is closed once
				close(next)
				b := <-again
				switch {
				case what == "redeem" && c.refuse:
					if !errors.Is(b.err, fault.InvalidGrant) {
						t.Errorf("the second got %+v %v", b.Issued, b.err)
					}
				case b.err != nil || b.Access != a.Access || b.Refresh != a.Refresh:
					t.Errorf("the second got other tokens: %v", b.err)
				}
				if !live(t, w.another(t, 0), a.Access) || !w.refreshes(t, native, a.Refresh) {
					t.Error("the first one's tokens have ended")
				}
			})
		}
	}
}

// unanswered is a store whose answers to what ends a token are lost.
type unanswered struct{ *store.Store }

var errNoAnswer = errors.New("no answer")

func (u unanswered) RevokeToken(ctx context.Context, of app.Tenant, n id.Number) error {
	return errors.Join(u.Store.RevokeToken(ctx, of, n), errNoAnswer)
}

func (u unanswered) Withdraw(ctx context.Context, of app.Tenant, m number.MSISDN, n id.Number, scopes []app.Scope, by string) (oauth.Consent, bool, error) {
	_, _, err := u.Store.Withdraw(ctx, of, m, n, scopes, by)
	return oauth.Consent{}, false, errors.Join(err, errNoAnswer)
}

// A commit whose answer is lost stands, and its own node is told nothing of it. What a node remembers ends with the
// attempt or, if it has read the row again before that came through, when the same is asked of it once more.
func TestWhatEndedUnheardIsForgotten(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	noted := audit.With(ctx, audit.Entry{Actor: "admin", Action: "consent withdrawn"})
	for _, c := range []struct {
		what string
		end  func(s *oauth.Service, out oauth.Issued, of oauth.Consent) error
	}{
		{"an access token", func(s *oauth.Service, out oauth.Issued, _ oauth.Consent) error {
			return s.Revoke(ctx, w.pizza, out.Access)
		}},
		{"a refresh token", func(s *oauth.Service, out oauth.Issued, _ oauth.Consent) error {
			return s.Revoke(ctx, w.pizza, out.Refresh)
		}},
		{"a consent", func(s *oauth.Service, _ oauth.Issued, of oauth.Consent) error {
			_, err := s.Withdraw(ctx, of, nil, oauth.BySubscriber)
			return err
		}},
		{"a consent, by the operator", func(s *oauth.Service, _ oauth.Issued, of oauth.Consent) error {
			_, err := s.Withdraw(noted, of, nil, oauth.ByOperator)
			return err
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			for name, elsewhere := range map[string]bool{"at once": false, "asked again": true} {
				out := w.tokens(t, w.pizza, alice)
				of := w.consent(t, alice)
				cfg := oauth.Config{Store: unanswered{w.store}, Sealer: w.store.Sealer(), Apps: w.apps, Now: w.clock.now}
				if elsewhere {
					cfg.Store = w.store
				}
				s, err := oauth.New(cfg) // that is told nothing
				if err != nil || !live(t, s, out.Access) {
					t.Fatal(err)
				}
				if elsewhere {
					if err := c.end(w.Service, out, of); err != nil || !live(t, s, out.Access) {
						t.Fatal("it was told, or ", err)
					}
				}
				if err := c.end(s, out, of); errors.Is(err, errNoAnswer) == elsewhere {
					t.Fatal(err)
				}
				if live(t, s, out.Access) {
					t.Errorf("%s: still live", name)
				}
			}
		})
	}
}

// A clock that was wrong for a while ends nothing that is live when it is right again.
func TestAClockThatIsSetRight(t *testing.T) {
	w := open(t, 0)
	out := w.issue(t)
	s := w.another(t, 0) // with nothing in memory
	w.clock.add(3 * 24 * time.Hour)
	for range 2 { // from the row, from memory
		if live(t, s, out.Access) {
			t.Error("live beyond its life")
		}
	}
	w.clock.add(-3 * 24 * time.Hour)
	if !live(t, s, out.Access) {
		t.Error("not live within its life")
	}
}
