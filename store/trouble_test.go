package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"longlines/app"
	"longlines/app/apptest"
	"longlines/fault"
	"longlines/gateway"
	"longlines/id"
	"longlines/message"
	"longlines/oauth"
	"longlines/queue"
	"longlines/quota"
	"longlines/sms"
)

// openTest opens an embedded store in a directory of its own.
func openTest(t *testing.T, cfg Config) *Store {
	t.Helper()
	if cfg.Dir == "" && !cfg.Ephemeral {
		cfg.Dir = t.TempDir()
	}
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// accept stores one message.
func accept(ctx context.Context, s *Store, text string) (id.Number, error) {
	n := s.NextMessage(1)
	return n, s.Accept(ctx, &sms.Acceptance{Rows: []sms.MT{{ID: n, App: 7, To: "14255550100", Text: text}},
		Jobs: []queue.Job{{ID: n, Kind: queue.KindSubmit, Lane: "east", Ref: n, Held: true}}})
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func TestAFullDiskRefusesAndIsForgivenWithoutARestart(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, Config{})
	n, err := accept(ctx, s, "before")
	if err != nil {
		t.Fatal(err)
	}
	yes := oauth.Approval{Consent: oauth.Consent{App: 7, Subscriber: "14255550100", Scopes: "SMS"}, Code: oauth.Code{ID: s.NextToken(1)}}
	if err := s.Approve(ctx, &yes); err != nil {
		t.Fatal(err)
	}
	bound(t, s, 0)
	text := strings.Repeat("x", 2000)
	var last error
	for range 1000 {
		if _, last = accept(ctx, s, text); last != nil {
			break
		}
	}
	if !errors.Is(last, fault.Unavailable) || s.Writable() == nil {
		t.Fatalf("full: %v, writable %v", last, s.Writable())
	}
	if _, err := accept(ctx, s, "small"); !errors.Is(err, fault.Unavailable) {
		t.Errorf("while full: %v", err)
	}
	if m, err := s.MT(ctx, n); err != nil || m.Text != "before" {
		t.Errorf("reading while full: %v %v", m, err)
	}
	if err := s.RevokeToken(ctx, apptest.Tenant(7), 5); err != nil {
		t.Errorf("revoking while full: %v", err)
	}
	if _, ok, err := s.Withdraw(ctx, apptest.Tenant(7), "14255550100", yes.Consent.ID, nil, oauth.BySubscriber); err != nil || !ok {
		t.Errorf("withdrawing a consent while full: %v %v", ok, err)
	}
	bound(t, s, 1<<30)
	eventually(t, "the store accepts again", func() bool { return s.Writable() == nil })
	if _, err := accept(ctx, s, text); err != nil {
		t.Errorf("after space returned: %v", err)
	}
}

// bound limits the file to n pages (0: to what it has now). The limit belongs to the connection, so
// the committer sets it on its own.
func bound(t *testing.T, s *Store, n int) {
	t.Helper()
	m := newMutation().(*mutation)
	m.kind, m.arg = kindFunc, func(t *tx) error {
		_, err := t.c.conn.ExecContext(t.ctx, fmt.Sprint("PRAGMA max_page_count = ", max(n, 1)))
		return err
	}
	s.in <- m // not by call: it refuses while the disk is full
	if <-m.done; m.err != nil {
		t.Fatal(m.err)
	}
}

func TestAnIOErrorEndsAllAcknowledgements(t *testing.T) {
	ctx := t.Context()
	fatal := make(chan error, 2)
	s := openTest(t, Config{OnFatal: func(err error) { fatal <- err }})
	n, err := accept(ctx, s, "before")
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.Join(errors.New("fsync"), syscall.EIO)
	if err := s.call(ctx, func(*tx) error { return broken }); !errors.Is(err, fault.Unavailable) {
		t.Errorf("answered %v", err)
	}
	if err := <-fatal; !errors.Is(err, syscall.EIO) {
		t.Errorf("OnFatal heard %v", err)
	}
	for range 3 {
		if _, err := accept(ctx, s, "after"); !errors.Is(err, fault.Unavailable) {
			t.Errorf("after an I/O error: %v", err)
		}
	}
	if s.Writable() == nil {
		t.Error("still writable")
	}
	if _, err := s.MT(ctx, n); err != nil {
		t.Errorf("reading: %v", err)
	}
	if len(fatal) != 0 {
		t.Error("OnFatal was called twice")
	}
}

func TestAFileThatIsNoDatabaseIsNamed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "longlines.db"), []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Config{Dir: dir})
	if err == nil {
		s.Close(t.Context())
		t.Fatal("opened")
	}
	if !strings.Contains(err.Error(), filepath.Join(dir, "longlines.db")) {
		t.Errorf("the error does not name the file: %v", err)
	}
}

func TestADamagedPageIsFoundWhenItIsRead(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	s := openTest(t, Config{Dir: dir})
	var first id.Number
	for i := range 200 {
		n, err := accept(ctx, s, strings.Repeat("pay 10 to Ann. ", 20))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = n
		}
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "longlines.db")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	hit := 0
	for i := 0; i+6 < len(b); i++ {
		if string(b[i:i+6]) == "pay 10" {
			b[i+4] ^= 1 // a bit flips: "pay 00"
			hit++
		}
	}
	if hit < 200 {
		t.Fatalf("%d places", hit)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, Config{Dir: dir})
	if m, err := s.MT(ctx, first); !errors.Is(err, sms.ErrCorrupt) {
		t.Errorf("read %q, %v", m.Text, err)
	}
}

func TestADirectoryIsOpenedByOneProcess(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, Config{Dir: dir})
	if other, err := Open(t.Context(), Config{Dir: dir}); err == nil {
		other.Close(t.Context())
		t.Fatal("opened twice")
	} else if !strings.Contains(err.Error(), dir) {
		t.Errorf("the error does not name the directory: %v", err)
	}
	s.Close(t.Context())
	openTest(t, Config{Dir: dir})
}

func TestAnEphemeralStoreLeavesNothing(t *testing.T) {
	s := openTest(t, Config{Ephemeral: true})
	dir := s.dir
	if _, err := accept(t.Context(), s, "gone"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

func TestTheEngineSyncsEachCommit(t *testing.T) {
	s := openTest(t, Config{})
	if _, err := accept(t.Context(), s, "x"); err != nil {
		t.Fatal(err)
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "wal_autocheckpoint": "0", "foreign_keys": "0"} {
		var got string
		err := s.call(t.Context(), func(t *tx) error { return t.c.conn.QueryRowContext(t.ctx, "PRAGMA "+pragma).Scan(&got) })
		if err != nil || got != want {
			t.Errorf("%s is %s, want %s (%v)", pragma, got, want, err)
		}
	}
	if _, err := s.read.Exec("DELETE FROM mt"); err == nil {
		t.Error("the reading pool can write")
	}
}

func TestTheLogIsCheckpointed(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, Config{})
	text := strings.Repeat("x", 1500)
	for range 60 {
		rows := make([]sms.MT, 200)
		n := s.NextMessage(len(rows))
		for i := range rows {
			rows[i] = sms.MT{ID: n + id.Number(i), App: 7, To: "14255550100", Text: text}
		}
		if err := s.Accept(ctx, &sms.Acceptance{Rows: rows}); err != nil {
			t.Fatal(err)
		}
	}
	fi, err := os.Stat(s.file + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if fi.Size() > 12<<20 {
		t.Errorf("the log has %d bytes after 18 MB of rows", fi.Size())
	}
}

func TestTheRowSourceIsSpelledForBothEngines(t *testing.T) {
	st := parse("WITH {r id int, raw blob, code text} UPDATE x SET a = ? FROM r WHERE x.id = r.id AND b = ? {lock of x}")
	for _, c := range []struct {
		d    dialect
		want string
	}{
		{dialect{}, "WITH r(id,raw,code) AS (VALUES (?,?,?),(?,?,?)) UPDATE x SET a = ? FROM r WHERE x.id = r.id AND b = ? "},
		{dialect{postgres: true}, "WITH r(id,raw,code) AS (SELECT * FROM unnest($1::bigint[],$2::bytea[],$3::text[])) UPDATE x SET a = $4 FROM r WHERE x.id = r.id AND b = $5 FOR UPDATE OF x"},
	} {
		if got := c.d.render(st, 2); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestTheSweepRemovesWhatHasServedItsTime(t *testing.T) {
	ctx := t.Context()
	var skip atomic.Int64
	s := openTest(t, Config{Now: func() time.Time { return time.Now().Add(time.Duration(skip.Load())) }})
	now := time.Now()
	n := s.NextMessage(10)
	s.Record(gateway.Record{ID: n + 4, Detail: "POST /x"})
	const m = "14255550100"
	for _, err := range []error{
		s.Accept(ctx, &sms.Acceptance{Rows: []sms.MT{{ID: n, App: 7}}, Key: &app.Idempotency{Tenant: apptest.Tenant(7), Scope: "s", Key: "k"}}),
		s.Receive(ctx, &sms.Reception{In: message.Incoming{Hash: 5, Conn: 1}, MO: sms.MO{ID: n + 1}}),
		s.StoreOrphan(ctx, &sms.Orphan{DLR: message.DLR{Group: "g", ID: "1"}, Keys: []string{"1", "01"}, At: now, Expires: now.Add(time.Hour)}),
		s.IssueTokens(ctx, oauth.Token{ID: n + 2, Family: n + 2, Expires: now.Add(time.Hour)}, oauth.Token{ID: n + 3, Family: n + 3}),
		s.Approve(ctx, &oauth.Approval{Until: now.Add(10 * time.Minute), Consent: oauth.Consent{App: 7, Subscriber: m, Scopes: "SMS"},
			Code: oauth.Code{ID: n + 5, App: 7, Expires: now.Add(time.Minute)}}),
		s.Redeem(ctx, apptest.Tenant(7), oauth.Exchange{ID: n + 5, At: now, Sealed: []byte("reply"),
			Tokens: []oauth.Token{{ID: n + 8, App: 7, Kind: oauth.KindRefresh, Family: n + 8, Expires: now.Add(time.Hour)}}}),
		s.Approve(ctx, &oauth.Approval{Once: [32]byte{1}, Until: now.Add(10 * time.Minute), Consent: oauth.Consent{App: 7, Subscriber: m, Scopes: "SMS"},
			Code: oauth.Code{ID: n + 9, App: 7, Expires: now.Add(time.Minute)}}),
		s.Rotate(ctx, apptest.Tenant(7), oauth.Exchange{ID: n + 8, At: now, Sealed: []byte("reply")}),
		s.Push(ctx, oauth.Pushed{ID: n + 6, Expires: now.Add(90 * time.Second)}),
		s.PutSession(ctx, oauth.Session{ID: n + 7, Expires: now.Add(30 * 24 * time.Hour)}),
		s.EditSignIn(ctx, app.LevelSandbox, m, func(*oauth.SignIn) error { return nil }),
		s.EditSignIn(ctx, app.LevelProduction, m, func(st *oauth.SignIn) error { st.Missed = 1; return nil }),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Lease(ctx, quota.Key{App: 7, API: "SMS"}, quota.Minute, quota.Minute.Start(now), 1, 1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the record is kept", func() bool { _, ok, _ := s.Request(ctx, n+4); return ok })
	count := func(want string) {
		t.Helper()
		got := ""
		for _, table := range []string{"idempotency", "seen", "orphan", "orphan_key", "quota", "token", "mt", "mo",
			"code", "consent", "once", "pushed", "session", "signin", "request", "request_detail"} {
			var n int
			if err := s.read.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
				t.Fatal(err)
			}
			got += fmt.Sprint(table, "=", n, " ")
		}
		var sealed int
		if err := s.read.QueryRow("SELECT (SELECT count(*) FROM token WHERE sealed IS NOT NULL) + (SELECT count(*) FROM code WHERE sealed IS NOT NULL)").Scan(&sealed); err != nil {
			t.Fatal(err)
		}
		got += fmt.Sprint("sealed=", sealed)
		if got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{0, "idempotency=1 seen=1 orphan=1 orphan_key=2 quota=1 token=3 mt=1 mo=1 code=2 consent=1 once=2 pushed=1 session=1 signin=2 request=1 request_detail=1 sealed=2"},
		{2 * time.Hour, "idempotency=1 seen=0 orphan=0 orphan_key=0 quota=1 token=3 mt=1 mo=1 code=2 consent=1 once=0 pushed=0 session=1 signin=2 request=1 request_detail=1 sealed=0"},
		// What is open of a sign-in outlasts the day, and a code that was redeemed the tokens that came of it.
		{25 * time.Hour, "idempotency=0 seen=0 orphan=0 orphan_key=0 quota=1 token=3 mt=1 mo=1 code=1 consent=1 once=0 pushed=0 session=1 signin=1 request=1 request_detail=1 sealed=0"},
		{8 * 24 * time.Hour, "idempotency=0 seen=0 orphan=0 orphan_key=0 quota=0 token=3 mt=1 mo=1 code=1 consent=1 once=0 pushed=0 session=1 signin=1 request=1 request_detail=0 sealed=0"},
		{100 * 24 * time.Hour, "idempotency=0 seen=0 orphan=0 orphan_key=0 quota=0 token=1 mt=1 mo=1 code=0 consent=1 once=0 pushed=0 session=0 signin=0 request=1 request_detail=0 sealed=0"},
	} {
		skip.Store(int64(step.after))
		if err := errors.Join(s.sweep(ctx), s.sweepOld(ctx)); err != nil {
			t.Fatal(err)
		}
		count(step.want)
	}
	if s.orphaned.Load() {
		t.Error("submits still look for orphans")
	}
}
