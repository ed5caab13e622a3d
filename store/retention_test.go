package store

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"longlines/app/apptest"
	"longlines/id"
	"longlines/message"
	"longlines/sms"
)

const day = 24 * time.Hour

// daysAgo is the n-th row number of a day in the past.
func daysAgo(days, n int) id.Number {
	return id.At(time.Now().Add(-time.Duration(days)*day)) + id.Number(n)
}

// old stores a text to a handset as of some days ago.
func old(t *testing.T, s *Store, days int, state message.State) id.Number {
	t.Helper()
	n := daysAgo(days, 0)
	err := s.Accept(t.Context(), &sms.Acceptance{Rows: []sms.MT{{ID: n, App: 7, To: "14255550100", Text: "secret", State: state,
		Expires: n.Time().Add(time.Hour)}}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// prune keeps texts for 30 days and rows for 400.
func prune(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Prune(t.Context(), time.Now().Add(-30*day), time.Now().Add(-400*day)); err != nil {
		t.Fatal(err)
	}
}

// has reports whether a recipient still has its text.
func has(t *testing.T, s *Store, n id.Number) bool {
	t.Helper()
	m, err := s.MT(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return m.Text != ""
}

// occupy has the committer busy with a write until it is released.
func occupy(t *testing.T, s *Store) (release func()) {
	t.Helper()
	in, let, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- s.do(context.Background(), kindFunc, func(*tx) error { close(in); <-let; return nil })
	}()
	<-in
	release = sync.OnceFunc(func() {
		close(let)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(release)
	return release
}

func TestWhatIsErasedIsNotReadAgainAfterARestart(t *testing.T) {
	erasedOnce(t, Config{Dir: t.TempDir()})
}

func TestPostgresWhatIsErasedIsNotReadAgainAfterARestart(t *testing.T) {
	erasedOnce(t, PostgresConfig(t))
}

func erasedOnce(t *testing.T, cfg Config) {
	ctx := t.Context()
	s := openTest(t, cfg)
	n := old(t, s, 60, message.StateDelivered)
	if late, err := s.Overdue(ctx, time.Now().Add(-day), 0, 9); err != nil || len(late) != 0 {
		t.Fatalf("overdue: %+v, %v", late, err)
	}
	if prune(t, s); has(t, s, n) {
		t.Fatal("not erased")
	}
	s.Close(ctx)
	s = openTest(t, cfg)
	// No row comes so late; one that does shows how far back is looked.
	planted, open := old(t, s, 61, message.StateDelivered), old(t, s, 62, message.StateSent)
	recent, waits := daysAgo(30, -1), old(t, s, 2, message.StateSent)
	if err := s.Accept(ctx, &sms.Acceptance{Rows: []sms.MT{{ID: recent, App: 7, Text: "secret", State: message.StateDelivered}}}); err != nil {
		t.Fatal(err)
	}
	if prune(t, s); !has(t, s, planted) {
		t.Error("what was erased before the restart was read again")
	}
	if has(t, s, recent) {
		t.Error("a text that has just become old was not erased")
	}
	late, err := s.Overdue(ctx, time.Now().Add(-day), 0, 9)
	if err != nil || len(late) != 1 || late[0].ID != waits {
		t.Errorf("overdue: %+v, %v; want %d, and not %d, which is below what was final before the restart", late, err, waits, open)
	}
}

func TestWhatBecomesFinalLateIsErased(t *testing.T) { erasedLate(t, Config{Dir: t.TempDir()}) }

func TestPostgresWhatBecomesFinalLateIsErased(t *testing.T) { erasedLate(t, PostgresConfig(t)) }

// A platform that stood still for a month has texts on their way, leased and incomplete that are older than any text
// may be kept.
func erasedLate(t *testing.T, cfg Config) {
	ctx := t.Context()
	s := openTest(t, cfg)
	way, done := old(t, s, 60, message.StateSent), old(t, s, 59, message.StateDelivered)
	in := func(n id.Number, parts int) *sms.Reception {
		return &sms.Reception{In: message.Incoming{Group: "east", Text: "secret", Total: uint8(parts), Part: 1, UD: []byte("secret")},
			MO: sms.MO{ID: n, App: 7, From: "14255550100", To: "48507", At: n.Time()}}
	}
	part, leased := daysAgo(58, 0), daysAgo(57, 0)
	for _, r := range []*sms.Reception{in(leased, 1), in(part, 2)} {
		if err := s.Receive(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	_, _, lease, err := s.LeaseInbox(ctx, apptest.Tenant(7), "48507", 9, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		prune(t, s)
	}
	if has(t, s, done) || !has(t, s, way) {
		t.Errorf("final: kept %v; on its way: kept %v", has(t, s, done), has(t, s, way))
	}
	if m, _, err := s.MOByID(ctx, leased); err != nil || m.Text == "" {
		t.Errorf("leased: %+v, %v", m, err)
	}
	if err := s.Settle(ctx, &sms.Settlement{MT: way, App: 7, State: message.StateUncertain, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := s.EndLease(ctx, apptest.Tenant(7), lease, true); err != nil {
		t.Fatal(err)
	}
	if joined, err := s.JoinStale(ctx, time.Now().Add(-day), nil); err != nil || len(joined) != 1 {
		t.Fatalf("joined %+v, %v", joined, err)
	}
	if prune(t, s); has(t, s, way) {
		t.Error("final late, and kept")
	}
	for _, n := range []id.Number{leased, part} {
		if m, ok, err := s.MOByID(ctx, n); err != nil || !ok || m.Text != "" {
			t.Errorf("read late, and kept: %+v, %v", m, err)
		}
	}
}

func TestRetentionLooksBesideTheCommitter(t *testing.T) { prunesBeside(t, openTest(t, Config{})) }

func TestPostgresRetentionLooksBesideTheCommitter(t *testing.T) {
	prunesBeside(t, openTest(t, PostgresConfig(t)))
}

func prunesBeside(t *testing.T, s *Store) {
	old(t, s, 60, message.StateDelivered)
	way := old(t, s, 50, message.StateSent)
	prune(t, s)
	release := occupy(t, s)
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if err := s.Prune(ctx, time.Now().Add(-30*day), time.Now().Add(-400*day)); err != nil {
		t.Errorf("with nothing to erase the committer was asked: %v", err)
	}
	if late, err := s.Overdue(ctx, time.Now().Add(-day), 0, 9); err != nil || len(late) != 1 || late[0].ID != way {
		t.Errorf("overdue: %+v, %v", late, err)
	}
	release()
}

// fill stores n final recipients of the past at once, from a row number on, and a segment of each if they are to have one.
func fill(t *testing.T, s *Store, first id.Number, n int, segments bool) {
	t.Helper()
	series := `SELECT generate_series(0, ?::bigint - 1)`
	random := `md5(i::text)`
	if !s.d.postgres {
		series = `SELECT 0 UNION ALL SELECT i + 1 FROM g WHERE i < ? - 1`
		random = `hex(randomblob(16))`
	}
	err := s.call(t.Context(), func(t *tx) error {
		_, err := t.exec(`WITH RECURSIVE g(i) AS (`+series+`)
			INSERT INTO mt (id, msg, cnt, app, sender, recipient, body, notify, service, state, accepted, expires, crc)
			SELECT ? + i, ? + i, 1, 7, '', '14255550100', 'secret', 0, 0, 10, 1, 1, 5 FROM g`, nil, int64(n), int64(first), int64(first))
		if err != nil || !segments {
			return err
		}
		_, err = t.exec(`WITH RECURSIVE g(i) AS (`+series+`)
			INSERT INTO part (mt, part, grp, key, parts, raw, link, state, sent)
			SELECT ? + i, 0, 'east', `+random+`, 1, 'x', 'east', 10, 1 FROM g`, nil, int64(n), int64(first))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// counted counts rows.
func counted(t *testing.T, s *Store, what string) (n int) {
	t.Helper()
	if err := s.read.QueryRow("SELECT count(*) FROM " + what).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRetentionGoesOnWhereItWasStopped(t *testing.T) { prunesOn(t, openTest(t, Config{})) }

func TestPostgresRetentionGoesOnWhereItWasStopped(t *testing.T) {
	prunesOn(t, openTest(t, PostgresConfig(t)))
}

func prunesOn(t *testing.T, s *Store) {
	const n = pruneStep + 1
	fill(t, s, daysAgo(60, 0), n, true)
	fill(t, s, daysAgo(500, 0), n, true)
	// A step is bounded by rows, and each by the committer's next turn.
	ctx, stop := context.WithCancel(t.Context())
	release := occupy(t, s)
	ended := make(chan error, 1)
	go func() { ended <- s.Prune(ctx, time.Now().Add(-30*day), time.Now().Add(-400*day)) }()
	eventually(t, "the first step waits for the committer", func() bool { return len(s.in) > 0 })
	stop()
	if err := <-ended; err == nil {
		t.Error("pruned while it was stopped")
	}
	release()
	prune(t, s)
	if left, rows, parts := counted(t, s, "mt WHERE crc <> -1"), counted(t, s, "mt"), counted(t, s, "part"); left != 0 || rows != n || parts != n {
		t.Errorf("%d texts are left, %d recipients and %d segments; want 0, %d, %d", left, rows, parts, n, n)
	}
}

func TestPostgresTwoNodesPruneOneDatabase(t *testing.T) {
	a, b := pair(t, nil)
	const n = 2 * pruneStep
	first := daysAgo(60, 0)
	fill(t, a, first, n, true)
	fill(t, a, daysAgo(500, 0), n, true)
	var wg sync.WaitGroup
	for _, s := range []*Store{a, b} {
		wg.Go(func() {
			if err := s.Prune(t.Context(), time.Now().Add(-30*day), time.Now().Add(-400*day)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if left, rows, parts := counted(t, a, "mt WHERE crc <> -1"), counted(t, a, "mt"), counted(t, a, "part"); left != 0 || rows != n || parts != n {
		t.Errorf("%d texts are left, %d recipients and %d segments; want 0, %d, %d", left, rows, parts, n, n)
	}
	if mark, err := b.mark(t.Context(), markErasedMT); err != nil || mark != int64(first+n) {
		t.Errorf("the mark is at %d, want %d (%v)", mark, first+n, err)
	}
}

func TestOverdueTextsAreFoundAmongManyOthers(t *testing.T) { overdueFar(t, openTest(t, Config{})) }

func TestPostgresOverdueTextsAreFoundAmongManyOthers(t *testing.T) {
	overdueFar(t, openTest(t, PostgresConfig(t)))
}

func overdueFar(t *testing.T, s *Store) {
	const n = readStep + 100
	first := daysAgo(60, 0)
	fill(t, s, first, n, false)
	want := []id.Number{first, first + readStep, first + n - 1}
	for _, n := range want {
		err := s.call(t.Context(), func(t *tx) error {
			_, err := t.exec(`UPDATE mt SET state = 4 WHERE id = ?`, nil, int64(n))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// A page that is not full is the last one.
	var got []id.Number
	for full := true; full; {
		after := id.Number(0)
		if len(got) > 0 {
			after = got[len(got)-1]
		}
		page, err := s.Overdue(t.Context(), time.Now().Add(-day), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page {
			got = append(got, m.ID)
		}
		full = len(page) == 2
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("overdue %v, want %v", got, want)
	}
}

func TestTheLogStaysSmallWhileManyRowsAreRemoved(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, Config{Dir: dir})
	const n = 20_000
	fill(t, s, daysAgo(500, 0), n, true)
	s.Close(t.Context()) // the log is gone with it
	s = openTest(t, Config{Dir: dir})
	prune(t, s)
	if rows := counted(t, s, "part"); rows != 0 {
		t.Fatalf("%d segments are left", rows)
	}
	fi, err := os.Stat(s.file + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if limit := int64(2*checkpointIdle) * 4096; fi.Size() > limit {
		t.Errorf("the log has %d bytes, want %d at most", fi.Size(), limit)
	}
}
