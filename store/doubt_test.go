package store_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"longlines/app"
	"longlines/app/apptest"
	"longlines/fault"
	"longlines/id"
	"longlines/message"
	"longlines/queue"
	"longlines/sms"
	"longlines/store"
	"longlines/store/storetest"
)

const patience = 30 * time.Second

func open(t *testing.T, cfg store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// behind opens two nodes on one database, the first of them behind a proxy, and gives the database too.
func behind(t *testing.T) (p *storetest.Proxy, a, b *store.Store, db *sql.DB) {
	t.Helper()
	cfg := postgres(t)
	p = storetest.NewProxy(t, cfg.URL)
	through := cfg
	through.URL = p.URL
	a, b = open(t, through), open(t, cfg)
	db, err := sql.Open("pgx", cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return p, a, b, db
}

// await repeats check until it is content.
func await(t *testing.T, what string, check func() bool) {
	t.Helper()
	end := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !check() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// texts are n texts to a phone, each with its job.
func texts(s *store.Store, n int, held bool) *sms.Acceptance {
	first := s.NextMessage(n)
	acc := &sms.Acceptance{}
	for i := range n {
		x := first + id.Number(i)
		acc.Rows = append(acc.Rows, sms.MT{ID: x, App: 7, To: "14255550100", Text: "hello"})
		acc.Jobs = append(acc.Jobs, queue.Job{ID: x, Kind: queue.KindSubmit, Lane: "east", Ref: x, Due: time.Now(), Held: held})
	}
	return acc
}

func settle(s *store.Store, j queue.Job) (stale bool, err error) {
	st := &sms.Settlement{Job: j, MT: j.Ref, App: 7, State: message.StateFailed, At: time.Now()}
	err = s.Settle(context.Background(), st)
	return st.Stale, err
}

func TestPostgresATextWhoseCommitGotNoAnswerIsWorkedOnce(t *testing.T) {
	for _, c := range []struct {
		name  string
		works func(a, b *store.Store) []*store.Store
	}{
		{"by the node that accepted it", func(a, _ *store.Store) []*store.Store { return []*store.Store{a} }},
		{"by the other one", func(_, b *store.Store) []*store.Store { return []*store.Store{b} }},
		{"by either", func(a, b *store.Store) []*store.Store { return []*store.Store{a, b} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			p, a, b, _ := behind(t)
			keyed := func() *sms.Acceptance {
				acc := texts(a, 1, true)
				acc.Key = &app.Idempotency{Tenant: apptest.Tenant(7), Scope: "POST /outbox", Key: "k"}
				return acc
			}
			cut := p.CutCommit("")
			first := keyed()
			if err := a.Accept(ctx, first); !errors.Is(err, fault.Unavailable) {
				t.Fatalf("accepted without an answer: %v", err)
			}
			<-cut
			worked := make(chan queue.Job, 9)
			run, stop := context.WithCancel(ctx)
			var done []chan error
			for _, s := range c.works(a, b) {
				d := queue.New(queue.Config{Backend: s})
				d.Handle(queue.KindSubmit, queue.Policy{Work: func(_ context.Context, j queue.Job) error {
					stale, err := settle(s, j)
					if err == nil && !stale {
						worked <- j
					}
					return err
				}})
				d.SetLane(queue.KindSubmit, "east", 4)
				ended := make(chan error, 1)
				go func() { ended <- d.Run(run) }()
				done = append(done, ended)
			}
			select {
			case j := <-worked:
				if j.Ref != first.Rows[0].ID || j.Crashes != 0 {
					t.Errorf("worked %+v", j)
				}
			case <-time.After(patience):
				t.Error("accepted, and never worked")
			}
			var taken *sms.KeyTaken
			await(t, "the sender is told that the text was accepted", func() bool {
				err := a.Accept(ctx, keyed())
				if err == nil {
					t.Fatal("accepted twice")
				}
				return errors.As(err, &taken)
			})
			if taken.Ref != first.Rows[0].ID {
				t.Errorf("the key names %d, want %d", taken.Ref, first.Rows[0].ID)
			}
			stop()
			for _, d := range done {
				if err := <-d; err != nil {
					t.Error(err)
				}
			}
			if len(worked) != 0 {
				t.Errorf("worked again: %+v", <-worked)
			}
			if lanes, err := b.Jobs(ctx); err != nil || len(lanes) != 0 {
				t.Errorf("left: %+v %v", lanes, err)
			}
		})
	}
}

func TestPostgresAClaimWhoseCommitGotNoAnswerIsUndone(t *testing.T) {
	ctx := t.Context()
	p, a, b, _ := behind(t)
	const n = 1000
	if err := b.Accept(ctx, texts(b, n, false)); err != nil {
		t.Fatal(err)
	}
	// What the node holds from before is still its own.
	own := texts(a, 1, true)
	if err := a.Accept(ctx, own); err != nil {
		t.Fatal(err)
	}
	early, err := a.Claim(ctx, queue.KindSubmit, "east", n/2)
	if err != nil || len(early) != n/2 {
		t.Fatalf("claimed %d, %v", len(early), err)
	}
	cut := p.CutCommit("")
	if jobs, err := a.Claim(ctx, queue.KindSubmit, "east", n); err == nil {
		t.Fatalf("claimed %d without an answer", len(jobs))
	}
	<-cut
	seen := map[id.Number]bool{}
	await(t, "the other node finds what was claimed", func() bool {
		jobs, err := b.Claim(ctx, queue.KindSubmit, "east", n)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			if seen[j.ID] || j.Crashes != 0 {
				t.Errorf("claimed %+v", j)
			}
			seen[j.ID] = true
		}
		return len(seen) >= n/2
	})
	for _, j := range append(early, own.Jobs[0]) {
		if seen[j.ID] {
			t.Errorf("job %d was taken from the node that holds it", j.ID)
		}
		if stale, err := settle(a, j); err != nil || stale {
			t.Fatalf("the outcome of a job that is held: stale %v, %v", stale, err)
		}
	}
	if len(seen) != n/2 {
		t.Errorf("%d jobs were freed, want %d", len(seen), n/2)
	}
}

// The connection may break while the server is still at the COMMIT.
func TestPostgresACommitThatIsLateIsWaitedFor(t *testing.T) {
	ctx := t.Context()
	p, a, b, db := behind(t)
	gate, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Close()
	for _, text := range []string{
		"SELECT pg_advisory_lock(1)",
		"CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END'",
		"CREATE CONSTRAINT TRIGGER late AFTER INSERT ON job DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late()",
	} {
		if _, err := gate.ExecContext(ctx, text); err != nil {
			t.Fatal(err)
		}
	}
	cut := p.CutCommit("")
	acc := texts(a, 1, true)
	if err := a.Accept(ctx, acc); !errors.Is(err, fault.Unavailable) {
		t.Fatalf("accepted without an answer: %v", err)
	}
	<-cut
	await(t, "the node waits for its commit", func() bool {
		var n int
		err := db.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
			AND query LIKE '%FOR UPDATE'`).Scan(&n)
		return err == nil && n > 0
	})
	if a.Writable() == nil {
		t.Error("writable while the outcome of a commit is open")
	}
	if jobs, err := b.Claim(ctx, queue.KindSubmit, "east", 9); err != nil || len(jobs) != 0 {
		t.Fatalf("claimed %v, %v", jobs, err)
	}
	if _, err := gate.ExecContext(ctx, "SELECT pg_advisory_unlock(1)"); err != nil {
		t.Fatal(err)
	}
	await(t, "the text is found", func() bool {
		jobs, err := b.Claim(ctx, queue.KindSubmit, "east", 9)
		return err == nil && len(jobs) == 1 && jobs[0].ID == acc.Jobs[0].ID && jobs[0].Crashes == 0
	})
	await(t, "the node accepts again", func() bool { return a.Writable() == nil && a.Accept(ctx, texts(a, 1, true)) == nil })
}
