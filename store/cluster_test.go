package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"longlines/app"
	"longlines/app/apptest"
	"longlines/audit"
	"longlines/fault"
	"longlines/id"
	"longlines/message"
	"longlines/oauth"
	"longlines/queue"
	"longlines/quota"
	"longlines/sms"
)

// patience is how long a test waits for what another node is to do.
const patience = 30 * time.Second

// pair opens two nodes on one database, both at once while it is still empty.
func pair(t *testing.T, change func(i int, cfg *Config)) (a, b *Store) {
	t.Helper()
	cfg := PostgresConfig(t)
	nodes := make([]*Store, 2)
	var wg sync.WaitGroup
	for i := range nodes {
		c := cfg
		if change != nil {
			change(i, &c)
		}
		wg.Go(func() {
			var err error
			if nodes[i], err = Open(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range nodes {
		if s == nil {
			t.FailNow()
		}
		t.Cleanup(func() { s.Close(context.Background()) })
	}
	return nodes[0], nodes[1]
}

func TestPostgresANodeThatWasDeclaredDeadWritesNothingMore(t *testing.T) {
	ctx := t.Context()
	fatal := make(chan error, 1)
	a, b := pair(t, func(i int, c *Config) {
		if i == 0 {
			c.OnFatal = func(err error) { fatal <- err }
		}
	})
	if a.self == b.self {
		t.Fatal("one incarnation for two nodes")
	}
	n, err := accept(ctx, a, "hello")
	if err != nil {
		t.Fatal(err)
	}
	if jobs, err := b.Claim(ctx, queue.KindSubmit, "east", 9); err != nil || len(jobs) != 0 {
		t.Fatalf("claimed a living node's job: %v %v", jobs, err)
	}
	var jobs []queue.Job
	eventually(t, "the other node takes over the job", func() bool { // the first one's own heartbeat may come between
		if _, err := b.write.Exec("UPDATE node SET beat = beat - 31000 WHERE incarnation = $1", a.self); err != nil {
			t.Fatal(err)
		}
		if err := b.beat(ctx); err != nil {
			t.Fatal(err)
		}
		if jobs, err = b.Claim(ctx, queue.KindSubmit, "east", 9); err != nil {
			t.Fatal(err)
		}
		return len(jobs) > 0
	})
	if len(jobs) != 1 || jobs[0].Crashes != 1 {
		t.Fatalf("the dead node's job: %+v", jobs)
	}
	st := &sms.Settlement{Job: jobs[0], MT: n, App: 7, State: message.StateFailed, At: time.Now()}
	if err := a.Settle(ctx, st); !errors.Is(err, fault.Unavailable) {
		t.Errorf("the dead node settled: %v", err)
	}
	if _, err := accept(ctx, a, "late"); !errors.Is(err, fault.Unavailable) {
		t.Errorf("the dead node accepted: %v", err)
	}
	if err := <-fatal; !errors.Is(err, errLeaseLost) {
		t.Errorf("OnFatal heard %v", err)
	}
	if m, err := b.MT(ctx, n); err != nil || m.State != message.StateAccepted {
		t.Errorf("%+v %v", m, err)
	}
	if all, err := b.MTs(ctx, 0, 9); err != nil || len(all) != 1 {
		t.Errorf("%d rows, %v", len(all), err)
	}
}

func TestPostgresAnOutcomeIsRefusedOnceAnotherNodeHoldsTheJob(t *testing.T) {
	ctx := t.Context()
	a, b := pair(t, nil)
	n, err := accept(ctx, a, "hello")
	if err != nil {
		t.Fatal(err)
	}
	held := queue.Job{ID: n, Kind: queue.KindSubmit, Lane: "east", Ref: n}
	if err := a.Release(ctx, held); err != nil {
		t.Fatal(err)
	}
	jobs, err := b.Claim(ctx, queue.KindSubmit, "east", 9)
	if err != nil || len(jobs) != 1 {
		t.Fatal(jobs, err)
	}
	st := &sms.Settlement{Job: held, MT: n, App: 7, State: message.StateFailed, At: time.Now()}
	if err := a.Settle(ctx, st); err != nil || !st.Stale {
		t.Errorf("stale %v, %v", st.Stale, err)
	}
	if err := a.Retry(ctx, held); err != nil {
		t.Error(err)
	}
	st = &sms.Settlement{Job: jobs[0], MT: n, App: 7, State: message.StateFailed, At: time.Now()}
	if err := b.Settle(ctx, st); err != nil || st.Stale {
		t.Errorf("the owner: stale %v, %v", st.Stale, err)
	}
}

func TestPostgresEachJobIsClaimedByOneNode(t *testing.T) {
	ctx := t.Context()
	a, b := pair(t, nil)
	const n = 2000
	first := a.NextMessage(n)
	acc := &sms.Acceptance{}
	for i := range n {
		acc.Rows = append(acc.Rows, sms.MT{ID: first + id.Number(i), App: 7, To: "14255550100", Text: "x"})
		acc.Jobs = append(acc.Jobs, queue.Job{ID: first + id.Number(i), Kind: queue.KindSubmit, Lane: "east", Ref: first + id.Number(i), Due: time.Now()})
	}
	if err := a.Accept(ctx, acc); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[id.Number]int{}
	var wg sync.WaitGroup
	for _, s := range []*Store{a, b, a, b} {
		wg.Go(func() {
			for {
				jobs, err := s.Claim(ctx, queue.KindSubmit, "east", 50)
				if err != nil {
					t.Error(err)
				}
				if len(jobs) == 0 {
					return
				}
				mu.Lock()
				for _, j := range jobs {
					seen[j.ID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for j, c := range seen {
		if c != 1 {
			t.Errorf("job %d was claimed %d times", j, c)
		}
	}
	if len(seen) != n {
		t.Errorf("%d of %d claimed", len(seen), n)
	}
}

func TestPostgresAChangeIsHeardOnTheOtherNode(t *testing.T) {
	ctx := t.Context()
	a, b := pair(t, nil)
	heard := make(chan int64, 100)
	b.Watch(ChangeToken, func(ref int64) { heard <- ref })
	for i := range int64(5) {
		if err := a.RevokeToken(ctx, apptest.Tenant(7), id.Number(i+1)); err != nil {
			t.Fatal(err)
		}
		select {
		case ref := <-heard:
			if ref != i+1 {
				t.Errorf("heard of %d", ref)
			}
		case <-time.After(patience):
			t.Fatal("never heard")
		}
	}
	if err := b.RevokeToken(ctx, apptest.Tenant(7), 99); err != nil {
		t.Fatal(err)
	}
	if ref := <-heard; ref != 99 {
		t.Errorf("its own: %d", ref)
	}
}

func TestPostgresAQuotaIsExactAcrossNodes(t *testing.T) {
	ctx := t.Context()
	a, b := pair(t, nil)
	start := quota.Minute.Start(time.Now())
	const limit, keys = 500, 4
	var sums [keys]atomic.Int64
	var wg sync.WaitGroup
	for i := range 32 {
		s := []*Store{a, b}[i%2]
		wg.Go(func() {
			for j := range keys {
				k := (i + j) % keys
				for {
					n, err := s.Lease(ctx, quota.Key{App: int64(k), API: "SMS"}, quota.Minute, start, 7, limit)
					if err != nil {
						t.Error(err)
						return
					}
					if n == 0 {
						break
					}
					sums[k].Add(n)
				}
			}
		})
	}
	wg.Wait()
	for k := range sums {
		if n := sums[k].Load(); n != limit {
			t.Errorf("key %d: %d leased, want %d", k, n, limit)
		}
	}
}

func TestPostgresTwoNodesReportOneRecipientsSegments(t *testing.T) {
	ctx := t.Context()
	a, b := pair(t, nil)
	for i := range 20 {
		n, err := accept(ctx, a, "long")
		if err != nil {
			t.Fatal(err)
		}
		sub := &sms.Submission{Job: queue.Job{ID: n}, Row: sms.MT{ID: n}, At: time.Now()}
		for p := range 2 {
			sub.Refs = append(sub.Refs, message.Ref{Group: "g", ID: fmt.Sprintf("%d-%d", i, p), Part: p, Parts: 2})
		}
		if err := a.Submit(ctx, sub); err != nil {
			t.Fatal(err)
		}
		var finals atomic.Int64
		var wg sync.WaitGroup
		for p, s := range []*Store{a, b} {
			wg.Go(func() {
				r := &sms.Report{Part: sms.Part{MT: n, Part: p, Parts: 2, Group: "g", Key: sms.CanonicalID(sub.Refs[p].ID)}, State: message.StateDelivered, Done: time.Now()}
				if err := s.Report(ctx, r); err != nil {
					t.Error(err)
				}
				if r.Final {
					finals.Add(1)
				}
			})
		}
		wg.Wait()
		if m, err := a.MT(ctx, n); err != nil || m.State != message.StateDelivered || finals.Load() != 1 {
			t.Fatalf("%s, final %d times, %v", m.State, finals.Load(), err)
		}
	}
}

func TestPostgresAnIdempotencyKeyMakesOneMessageAcrossNodes(t *testing.T) {
	ctx := t.Context()
	a, b := pair(t, nil)
	for i := range 10 {
		var won, late atomic.Int64
		var wg sync.WaitGroup
		for j := range 8 {
			s := []*Store{a, b}[j%2]
			wg.Go(func() {
				n := s.NextMessage(1)
				err := s.Accept(ctx, &sms.Acceptance{Rows: []sms.MT{{ID: n, App: 7, To: "14255550100", Text: "x"}},
					Key: &app.Idempotency{Tenant: apptest.Tenant(7), Scope: "s", Key: fmt.Sprint(i)}})
				var taken *sms.KeyTaken
				switch {
				case err == nil:
					won.Add(1)
				case errors.As(err, &taken):
					late.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || late.Load() != 7 {
			t.Fatalf("%d won, %d late", won.Load(), late.Load())
		}
	}
}

// both runs f n times, on the two nodes in turn and at once, and counts the runs that report true.
func both(t *testing.T, a, b *Store, n int, f func(s *Store) (bool, error)) int64 {
	t.Helper()
	var yes atomic.Int64
	var wg sync.WaitGroup
	for i := range n {
		s := []*Store{a, b}[i%2]
		wg.Go(func() {
			ok, err := f(s)
			if err != nil {
				t.Error(err)
			}
			if ok {
				yes.Add(1)
			}
		})
	}
	wg.Wait()
	return yes.Load()
}

func TestPostgresACodeIsRedeemedOnceAcrossNodes(t *testing.T) {
	ctx := t.Context()
	a, b := pair(t, nil)
	for i := range 5 {
		form := oauth.Approval{Once: [32]byte{byte(i)}, Until: time.Now().Add(time.Minute), Consent: oauth.Consent{App: 7, Subscriber: "14255550100", Scopes: "SMS"}}
		var code atomic.Int64
		if n := both(t, a, b, 8, func(s *Store) (bool, error) {
			try := form
			try.Code = oauth.Code{ID: s.NextToken(1), App: 7}
			err := s.Approve(ctx, &try)
			if errors.Is(err, oauth.ErrUsed) {
				return false, nil
			}
			code.Store(int64(try.Code.ID))
			return err == nil, err
		}); n != 1 {
			t.Fatalf("a form was approved %d times", n)
		}
		if n := both(t, a, b, 40, func(s *Store) (bool, error) {
			k := s.NextToken(1)
			err := s.Redeem(ctx, apptest.Tenant(7), oauth.Exchange{ID: id.Number(code.Load()), Tokens: []oauth.Token{{ID: k, Family: k, App: 7}}})
			if errors.Is(err, oauth.ErrUsed) {
				return false, nil
			}
			return err == nil, err
		}); n != 1 {
			t.Fatalf("a code was redeemed %d times", n)
		}
		if n := both(t, a, b, 40, func(s *Store) (bool, error) { return s.Once(ctx, [32]byte{byte(i), 1}, time.Now()) }); n != 1 {
			t.Fatalf("what may happen once happened %d times", n)
		}
	}
	if all, err := b.Consents(ctx, oauth.ConsentFilter{}); err != nil || len(all) != 1 {
		t.Errorf("%d consents of one pair, %v", len(all), err)
	}
}

func TestPostgresEditsOfASignInAreAllKeptAcrossNodes(t *testing.T) {
	ctx := t.Context()
	a, b := pair(t, nil)
	const n = 50
	both(t, a, b, n, func(s *Store) (bool, error) {
		return true, s.EditSignIn(ctx, app.LevelSandbox, "14255550100", func(st *oauth.SignIn) error { st.Tries++; return nil })
	})
	if err := b.EditSignIn(ctx, app.LevelSandbox, "14255550100", func(st *oauth.SignIn) error {
		if st.Tries != n {
			t.Errorf("%d tries are kept of %d", st.Tries, n)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestPostgresTheAuditOfTwoNodesIsOneChain(t *testing.T) {
	ctx := t.Context()
	a, b := pair(t, nil)
	const n = 200
	var i atomic.Int64
	both(t, a, b, n, func(s *Store) (bool, error) {
		// Few apps, so that the nodes meet at the rows as well.
		o := sms.OptOut{App: app.ID(i.Add(1) % 5), From: "14255550100"}
		return true, s.SetOptOut(audit.With(ctx, audit.Entry{Actor: "admin", Action: "opt out"}), o)
	})
	for _, s := range []*Store{a, b} {
		if got, bad, ok, err := s.VerifyAudit(ctx); err != nil || !ok || got != n {
			t.Errorf("%d entries, want %d; bad: %+v, %v", got, n, bad, err)
		}
	}
}

func TestPostgresAWithdrawnConsentIsHeardOnTheOtherNode(t *testing.T) {
	ctx := t.Context()
	a, b := pair(t, nil)
	heard := make(chan int64, 100)
	b.Watch(ChangeConsent, func(ref int64) { heard <- ref })
	yes := oauth.Approval{Consent: oauth.Consent{App: 7, Subscriber: "14255550100", Scopes: "SMS"}, Code: oauth.Code{ID: a.NextToken(1)}}
	if err := a.Approve(ctx, &yes); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := a.Withdraw(ctx, apptest.Tenant(7), "14255550100", yes.Consent.ID, nil, oauth.BySubscriber); err != nil || !ok {
		t.Fatal(ok, err)
	}
	for range 2 { // given, withdrawn
		select {
		case ref := <-heard:
			if ref != int64(yes.Consent.ID) {
				t.Errorf("heard of %d, want %d", ref, yes.Consent.ID)
			}
		case <-time.After(patience):
			t.Fatal("never heard")
		}
	}
}

func TestPostgresALostConnectionIsRefusedAndFoundAgain(t *testing.T) {
	ctx := t.Context()
	a, b := pair(t, nil)
	if _, err := accept(ctx, a, "before"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.write.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"); err != nil {
		t.Fatal(err)
	}
	if _, err := accept(ctx, a, "at once"); err != nil && !errors.Is(err, fault.Unavailable) {
		t.Errorf("at once: %v", err)
	}
	eventually(t, "the store accepts again", func() bool {
		_, err := accept(ctx, a, "again")
		return err == nil && a.Writable() == nil
	})
}

func TestPostgresANodeWhoseClockIsWrongClaimsNothing(t *testing.T) {
	ctx := t.Context()
	a, b := pair(t, func(i int, c *Config) {
		if i == 0 {
			c.Now = func() time.Time { return time.Now().Add(3 * time.Second) }
		}
	})
	if a.Writable() == nil || b.Writable() != nil {
		t.Errorf("writable: %v and %v", a.Writable(), b.Writable())
	}
	if _, err := a.Claim(ctx, queue.KindSubmit, "east", 9); err == nil {
		t.Error("claimed with a wrong clock")
	}
	if _, err := b.Claim(ctx, queue.KindSubmit, "east", 9); err != nil {
		t.Error(err)
	}
}

func TestPostgresANodeThatCannotBeatIsFenced(t *testing.T) {
	ctx := t.Context()
	a, _ := pair(t, nil)
	silent := int64(time.Since(a.start) - 21*time.Second)
	for a.beaten.Load() != silent { // its heartbeat may come between
		a.beaten.Store(silent)
		writable := a.Writable()
		_, accepted := accept(ctx, a, "x")
		if a.beaten.Load() != silent {
			continue
		}
		if writable == nil {
			t.Error("writable without a beat for 21 s")
		}
		if !errors.Is(accepted, fault.Unavailable) {
			t.Errorf("accepted: %v", accepted)
		}
	}
	if err := a.beat(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node writes again", func() bool {
		_, err := accept(ctx, a, "x")
		return err == nil && a.Writable() == nil
	})
}
