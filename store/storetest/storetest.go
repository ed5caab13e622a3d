// Package storetest is the exercise that every engine of the store passes: what the core packages
// rely on, what a crash may and may not do, and what happens when the storage says no.
package storetest

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"longlines/app"
	"longlines/app/apptest"
	"longlines/audit"
	"longlines/callback"
	"longlines/fault"
	"longlines/id"
	"longlines/message"
	"longlines/number"
	"longlines/queue"
	"longlines/route"
	"longlines/sms"
	"longlines/store"
)

// Run runs the exercise. place gives the configuration of a fresh, empty store of the engine; it is
// opened as often as a test wants.
func Run(t *testing.T, place func(t *testing.T) store.Config) {
	for _, c := range []struct {
		name string
		f    func(*testing.T, store.Config)
	}{
		{"an accepted message is there with its jobs after a restart", accepted},
		{"a text of odd bytes is kept as readable text", odd},
		{"an idempotency key makes one message", idempotent},
		{"a submit ends its job and its segments are found by their ids", submitted},
		{"an outcome is refused once the job is no longer ours", stale},
		{"a settlement changes a state once", settled},
		{"a receipt moves a recipient forward and the first final one stands", reported},
		{"a long text is delivered when all its segments are", folded},
		{"a receipt before the submit's answer is found by the submit", orphanFirst},
		{"a receipt after the submit's answer is not kept as an orphan", orphanAfter},
		{"a text from a handset is stored once per PDU", received},
		{"each unanswered text is repeated once on a connection", repeated},
		{"a text whose answer was written is no original, even before that is committed", confirmed},
		{"segments become one text, and a partial one after a day", joined},
		{"an opt-out stands with the text that brought it", optedOut},
		{"of the words in one commit the last counts", lastWord},
		{"the inbox leases and takes back", inbox},
		{"what is overdue is found", overdue},
		{"a row that was tampered with is not handed out", corrupt},
		{"retention erases texts first and rows later", pruned},
		{"retention erases a text whose lease is over", leasedPruned},
		{"rows are reached only by their app", tenants},
		{"tokens are read and revoked with their family", tokens},
		{"a token follows its consent", consentTokens},
		{"of many redemptions of a code one gets tokens", redeemed},
		{"a refresh token is rotated once", rotated},
		{"what may happen once happens once", once},
		{"a pushed request is read back", pushed},
		{"a form is approved once", approvedOnce},
		{"a second decision adds its scopes", extended},
		{"where nobody is asked a consent stands or does not", standing},
		{"a consent is narrowed and ended by its subscriber alone", withdrawn},
		{"consents are listed by app and by subscriber", listed},
		{"consents are reached only by their subscriber", people},
		{"parallel edits of a sign-in are all kept", signedIn},
		{"a remembered browser is there until it is ended", sessions},
		{"a change and its audit entry are kept together or not at all", audited},
		{"a chain that was tampered with is found", chained},
		{"a quota is exact under parallel leases", quotas},
		{"an attempt ends a callback's job or sets it due again", attempts},
		{"apps keep their names, keys and codes apart", apps},
		{"links and rules are kept, passwords sealed", links},
		{"requests and saved answers are kept", requests},
		{"requests are found by what they were", filtered},
		{"the detail of a request is read with it and dropped first", detailed},
		{"jobs are claimed by one, in order, and come back", jobs},
		{"an earlier incarnation's jobs are free", restart},
		{"many writers share few commits", grouped},
		{"a poisoned mutation fails alone", poisoned},
		{"a queue that is full refuses at once", full},
		{"watchers hear of a change before its writer returns", watched},
		{"a killed process has lost nothing that it acknowledged", killed},
		{"the console reads what is there", admin},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.f(t, place(t))
		})
	}
}

// Open opens a store that is closed with the test.
func Open(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// raw is a connection beside the store's own, to look and to tamper.
func raw(t testing.TB, cfg store.Config) *sql.DB {
	t.Helper()
	driver, dsn := "sqlite", "file:"+filepath.Join(cfg.Dir, "longlines.db")+"?_pragma=busy_timeout(5000)"
	if strings.HasPrefix(cfg.URL, "postgres") {
		driver, dsn = "pgx", cfg.URL
	}
	db, err := sql.Open(driver, dsn)
	must(t, err)
	return db
}

func tamper(t testing.TB, cfg store.Config, format string, args ...any) {
	t.Helper()
	db := raw(t, cfg)
	defer db.Close()
	_, err := db.ExecContext(t.Context(), fmt.Sprintf(format, args...))
	must(t, err)
}

func count(t testing.TB, cfg store.Config, query string) (n int64) {
	t.Helper()
	db := raw(t, cfg)
	defer db.Close()
	must(t, db.QueryRowContext(t.Context(), query).Scan(&n))
	return n
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func get[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

func same(t testing.TB, what string, got, want any, opts ...cmp.Option) {
	t.Helper()
	opts = append(opts, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(app.App{}), cmp.Comparer(func(a, b number.Address) bool { return a == b }))
	if d := cmp.Diff(want, got, opts...); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// now is the test's own moment, with the store's resolution.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

const handset = number.MSISDN("14255550100")

var pizza = number.ShortCode("48507")

// Who the apps 7, whose the short code is, and 8 are to the store.
var (
	pizzeria = apptest.Tenant(7)
	stranger = apptest.Tenant(8)
)

// Message makes a message to n recipients with a held job for each.
func Message(s *store.Store, a app.ID, n int, text string) *sms.Acceptance {
	first, at := s.NextMessage(n), now()
	acc := &sms.Acceptance{Rows: make([]sms.MT, n), Jobs: make([]queue.Job, n)}
	for i := range n {
		acc.Rows[i] = sms.MT{ID: first + id.Number(i), Message: first, Count: n, App: a, From: pizza.Address(), To: handset, Text: text,
			Notify: true, Link: "east", State: message.StateAccepted, Accepted: at, Expires: at.Add(24 * time.Hour)}
		acc.Jobs[i] = queue.Job{ID: first + id.Number(i), Kind: queue.KindSubmit, Lane: "east", Ref: first + id.Number(i), Due: at,
			Until: at.Add(24 * time.Hour), Held: true}
	}
	return acc
}

// Sent is the centre's yes to a message's i-th recipient.
func Sent(acc *sms.Acceptance, i int, ids ...string) *sms.Submission {
	row := acc.Rows[i]
	row.Attempt = 1
	sub := &sms.Submission{Job: acc.Jobs[i], Row: row, At: now()}
	for p, raw := range ids {
		sub.Refs = append(sub.Refs, message.Ref{Group: "east", ID: raw, Part: p, Parts: len(ids)})
	}
	return sub
}

// Receipt is a receipt for a message's segment.
func Receipt(acc *sms.Acceptance, i, part, parts int, raw string, state message.State, done time.Time) *sms.Report {
	return &sms.Report{Part: sms.Part{MT: acc.Rows[i].ID, Part: part, Parts: parts, Group: "east", Key: sms.CanonicalID(raw)},
		State: state, Code: "000", Word: state.String(), Done: done, At: now()}
}

func accepted(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	acc := Message(s, 7, 3, "Zwei Pizza für 8 €?")
	acc.Jobs[2].Held = false
	must(t, s.Accept(ctx, acc))
	check := func(s *store.Store) {
		t.Helper()
		same(t, "message", get[[]sms.MT](t)(s.Message(ctx, pizzeria, acc.Rows[0].ID)), acc.Rows)
		same(t, "recipient", get[sms.MT](t)(s.MT(ctx, acc.Rows[1].ID)), acc.Rows[1])
		if got := get[[]sms.MT](t)(s.Message(ctx, stranger, acc.Rows[0].ID)); len(got) != 0 {
			t.Errorf("another app reads %d rows", len(got))
		}
		if got := get[[]sms.MT](t)(s.Message(ctx, pizzeria, acc.Rows[1].ID)); len(got) != 0 {
			t.Errorf("the second recipient's number reads %d rows", len(got))
		}
	}
	check(s)
	must(t, s.Close(ctx))
	must(t, s.Close(ctx))
	if err := s.Accept(ctx, acc); !errors.Is(err, fault.Unavailable) {
		t.Errorf("a closed store answered %v", err)
	}
	s = Open(t, cfg)
	check(s)
	if n := s.NextMessage(1); n <= acc.Rows[2].ID {
		t.Errorf("number %d drawn after %d", n, acc.Rows[2].ID)
	}
	got := get[[]queue.Job](t)(s.Claim(ctx, queue.KindSubmit, "east", 10))
	same(t, "jobs", got, acc.Jobs, cmpopts.IgnoreFields(queue.Job{}, "Held"))
	if _, err := s.MT(ctx, 1); !errors.Is(err, sms.ErrNotFound) {
		t.Errorf("a row that is not there gave %v", err)
	}
}

func odd(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	for text, want := range map[string]string{
		"":                     "",
		"a\x00b":               "a\uFFFDb",
		"broken \xff\xfe end":  "broken \uFFFD end",
		"👍🏽 'quoted' \"--; %s": "👍🏽 'quoted' \"--; %s",
	} {
		acc := Message(s, 7, 1, text)
		acc.Rows[0].From = number.Address{}
		must(t, s.Accept(ctx, acc))
		if m, err := s.MT(ctx, acc.Rows[0].ID); err != nil || m.Text != want || !m.From.IsZero() {
			t.Errorf("%q came back as %q, %v", text, m.Text, err)
		}
		sub := Sent(acc, 0, "id\x00\xff"+text)
		must(t, s.Submit(ctx, sub))
		p := get[[]sms.Part](t)(s.Parts(ctx, acc.Rows[0].ID))
		if len(p) != 1 || p[0].Raw != sub.Refs[0].ID {
			t.Errorf("the centre's id %q came back as %+v", sub.Refs[0].ID, p)
		}
		r := Receipt(acc, 0, 0, 1, sub.Refs[0].ID, message.StateDelivered, now())
		must(t, s.Report(ctx, r))
		if !r.Final {
			t.Errorf("a receipt for the id %q found nothing", sub.Refs[0].ID)
		}
	}
}

func idempotent(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	keyed := func(print byte) *sms.Acceptance {
		a := Message(s, 7, 2, "one")
		a.Key = &app.Idempotency{Tenant: pizzeria, Scope: "POST /sms/v3/messaging/outbox", Key: "k1", Fingerprint: [32]byte{print}}
		return a
	}
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			a := keyed(1)
			err := s.Accept(ctx, a)
			var taken *sms.KeyTaken
			switch {
			case err == nil:
				won.Store(int64(a.Rows[0].ID))
			case !errors.As(err, &taken):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	first := id.Number(won.Load())
	var taken *sms.KeyTaken
	late := keyed(2)
	if err := s.Accept(ctx, late); !errors.As(err, &taken) || taken.Ref != first || taken.Fingerprint != [32]byte{1} {
		t.Fatalf("second: %v, %+v, want the message %d", err, taken, first)
	}
	if got := get[[]sms.MT](t)(s.Message(ctx, pizzeria, late.Rows[0].ID)); len(got) != 0 {
		t.Error("rows of a refused acceptance were stored")
	}
	if got := get[[]sms.MT](t)(s.MTs(ctx, 0, 100)); len(got) != 2 {
		t.Errorf("%d rows, want the 2 of one message", len(got))
	}
	v, ok, err := s.SavedAnswer(ctx, pizzeria, "POST /sms/v3/messaging/outbox", "k1")
	if err != nil || !ok || v.Ref != first || v.Status != 0 {
		t.Errorf("saved: %+v %v %v", v, ok, err)
	}
	other := keyed(3)
	other.Key.Tenant, other.Rows[0].App, other.Rows[1].App = stranger, 8, 8
	must(t, s.Accept(ctx, other))
}

func submitted(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	acc := Message(s, 7, 1, "hello")
	must(t, s.Accept(ctx, acc))
	sub := Sent(acc, 0, "00AB-12", "\xffraw")
	queued := false
	sub.Queued = func() { queued = true }
	must(t, s.Submit(ctx, sub))
	if !queued {
		t.Error("Queued was not called")
	}
	m := get[sms.MT](t)(s.MT(ctx, acc.Rows[0].ID))
	if m.State != message.StateSent || m.Parts != 2 || m.Attempt != 1 || !m.Sent.Equal(sub.At) {
		t.Errorf("after a submit: %+v", m)
	}
	want := sms.Part{MT: m.ID, Part: 0, Parts: 2, Group: "east", Raw: "00AB-12", Key: sms.CanonicalID("00AB-12"), To: handset,
		State: message.StateSent, Sent: sub.At, App: 7, Link: "east", Notify: true}
	got := get[[]sms.Part](t)(s.Candidates(ctx, "east", []string{want.Key, "nothing", want.Key, ""}))
	same(t, "candidates", got, []sms.Part{want})
	if got := get[[]sms.Part](t)(s.Candidates(ctx, "west", []string{want.Key})); len(got) != 0 {
		t.Errorf("another group's candidates: %v", got)
	}
	if got := get[[]sms.Part](t)(s.Parts(ctx, m.ID)); len(got) != 2 || got[1].Raw != "\xffraw" {
		t.Errorf("parts: %+v", got)
	}
	if got := get[[]store.LaneCount](t)(s.Jobs(ctx)); len(got) != 0 {
		t.Errorf("jobs left: %+v", got)
	}
}

func stale(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	acc := Message(s, 7, 2, "hello")
	must(t, s.Accept(ctx, acc))
	must(t, s.Release(ctx, acc.Jobs...))
	// Given back, so not ours any more: a late outcome must not end or change them.
	st := &sms.Settlement{Job: acc.Jobs[0], MT: acc.Rows[0].ID, App: 7, State: message.StateFailed, At: now()}
	must(t, s.Settle(ctx, st))
	if !st.Stale || get[sms.MT](t)(s.MT(ctx, acc.Rows[0].ID)).State != message.StateAccepted {
		t.Errorf("a settlement without the job was applied (stale %v)", st.Stale)
	}
	// But a centre really has this one.
	must(t, s.Submit(ctx, Sent(acc, 1, "77")))
	if got := get[[]sms.Part](t)(s.Parts(ctx, acc.Rows[1].ID)); len(got) != 1 {
		t.Error("segments of a stale submit were not stored")
	}
	if got := get[[]queue.Job](t)(s.Claim(ctx, queue.KindSubmit, "east", 10)); len(got) != 2 {
		t.Errorf("%d jobs left, want both", len(got))
	}
}

func settled(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	acc := Message(s, 7, 3, "hello")
	must(t, s.Accept(ctx, acc))
	note := &queue.Job{Kind: queue.KindCallback, Lane: "https://app.example/status", Ref: acc.Rows[0].ID, Due: now(), Payload: []byte("{}")}
	st := &sms.Settlement{Job: acc.Jobs[0], MT: acc.Rows[0].ID, App: 7, State: message.StateFailed, Code: "SMPP-000B", At: now(), Notify: note}
	must(t, s.Settle(ctx, st))
	m := get[sms.MT](t)(s.MT(ctx, acc.Rows[0].ID))
	if st.Stale || m.State != message.StateFailed || m.Code != "SMPP-000B" || !m.Final.Equal(st.At) {
		t.Errorf("failed: stale %v, %+v", st.Stale, m)
	}
	if got := get[[]queue.Job](t)(s.Claim(ctx, queue.KindCallback, note.Lane, 5)); len(got) != 1 || string(got[0].Payload) != "{}" {
		t.Errorf("callback: %+v", got)
	}
	again := &sms.Settlement{MT: acc.Rows[0].ID, App: 7, State: message.StateExpired, At: now(), Notify: note}
	must(t, s.Settle(ctx, again))
	if !again.Stale || get[sms.MT](t)(s.MT(ctx, acc.Rows[0].ID)).State != message.StateFailed {
		t.Error("a final state was changed")
	}
	// Refused for now: due again on another link, with a segment already taken.
	j := acc.Jobs[1]
	j.Due, j.Attempt, j.Lane = now().Add(-time.Second), 1, "west"
	must(t, s.Settle(ctx, &sms.Settlement{Job: j, MT: acc.Rows[1].ID, App: 7, State: message.StateRetrying, Code: "SMPP-0058", Twice: true,
		At: now(), Parts: []message.Ref{{Group: "east", ID: "9", Part: 0, Parts: 2}}}))
	m = get[sms.MT](t)(s.MT(ctx, acc.Rows[1].ID))
	if m.State != message.StateRetrying || !m.Twice || m.Attempt != 1 || !m.Final.IsZero() {
		t.Errorf("retrying: %+v", m)
	}
	if got := get[[]sms.Part](t)(s.Parts(ctx, m.ID)); len(got) != 1 {
		t.Errorf("parts: %v", got)
	}
	got := get[[]queue.Job](t)(s.Claim(ctx, queue.KindSubmit, "west", 5))
	if len(got) != 1 || got[0].Attempt != 1 || got[0].ID != j.ID {
		t.Errorf("claimed: %+v", got)
	}
	// Two settlements of one row at once: one of them is the first.
	var n atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			st := &sms.Settlement{MT: acc.Rows[2].ID, App: 7, State: message.StateCancelled, At: now()}
			if err := s.Settle(ctx, st); err == nil && !st.Stale {
				n.Add(1)
			}
		})
	}
	wg.Wait()
	if n.Load() != 1 {
		t.Errorf("%d of 8 settlements were applied", n.Load())
	}
}

func reported(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	acc := Message(s, 7, 4, "hello")
	must(t, s.Accept(ctx, acc))
	for i := range 4 {
		must(t, s.Submit(ctx, Sent(acc, i, fmt.Sprint(100+i))))
	}
	// Of a segment that is not stored nothing is reported, and a receipt that has waited goes on waiting.
	early := orphan("999", message.StateDelivered)
	must(t, s.StoreOrphan(ctx, early))
	missing := Receipt(acc, 0, 0, 1, "999", message.StateDelivered, now())
	missing.Orphan = get[[]sms.Early](t)(s.Orphans(ctx, 0, now().Add(time.Minute), 10))[0].Row
	must(t, s.Report(ctx, missing))
	if left := get[[]sms.Early](t)(s.Orphans(ctx, 0, now().Add(time.Minute), 10)); !missing.Missing || missing.Final || len(left) != 1 {
		t.Errorf("reported %+v, orphans %+v", missing, left)
	}
	called := 0
	tell := func(m sms.MT) *queue.Job {
		called++
		return &queue.Job{Kind: queue.KindCallback, Lane: "https://app.example", Ref: m.ID, Due: now(), Payload: []byte(m.State.String())}
	}
	done := now()
	r := Receipt(acc, 0, 0, 1, "100", message.StateSent, done)
	must(t, s.Report(ctx, r))
	if r.Final || r.Now != message.StateSent {
		t.Errorf("intermediate: %+v", r)
	}
	r = Receipt(acc, 0, 0, 1, "100", message.StateDelivered, done)
	r.Callback = tell
	must(t, s.Report(ctx, r))
	if !r.Final || r.Now != message.StateDelivered || r.Added == nil || r.Added.ID == 0 || called != 1 {
		t.Errorf("delivered: %+v", r)
	}
	for _, c := range []struct {
		state               message.State
		duplicate, conflict bool
	}{{message.StateDelivered, true, false}, {message.StateUndeliverable, false, true}, {message.StateSent, false, false}} {
		r := Receipt(acc, 0, 0, 1, "100", c.state, done)
		r.Callback = tell
		must(t, s.Report(ctx, r))
		if r.Final || r.Duplicate != c.duplicate || r.Conflict != c.conflict || r.Now != message.StateDelivered || called != 1 {
			t.Errorf("%s after delivered: %+v", c.state, r)
		}
	}
	// We gave up first: DELIVRD upgrades and tells again, anything else does not.
	for i, state := range []message.State{message.StateUncertain, message.StateExpired} {
		must(t, s.Settle(ctx, &sms.Settlement{MT: acc.Rows[1+i].ID, App: 7, State: state, At: now()}))
	}
	r = Receipt(acc, 1, 0, 1, "101", message.StateDelivered, done)
	r.Callback = tell
	must(t, s.Report(ctx, r))
	if !r.Final || called != 2 || get[sms.MT](t)(s.MT(ctx, acc.Rows[1].ID)).State != message.StateDelivered {
		t.Errorf("a late DELIVRD did not upgrade: %+v", r)
	}
	r = Receipt(acc, 2, 0, 1, "102", message.StateUndeliverable, done)
	must(t, s.Report(ctx, r))
	if r.Final || !r.Conflict || r.Now != message.StateExpired {
		t.Errorf("a late UNDELIV: %+v", r)
	}
	// The centre's own EXPIRED is final for good.
	r = Receipt(acc, 3, 0, 1, "103", message.StateExpired, done)
	must(t, s.Report(ctx, r))
	late := Receipt(acc, 3, 0, 1, "103", message.StateDelivered, done)
	must(t, s.Report(ctx, late))
	if !r.Final || late.Final || !late.Conflict {
		t.Errorf("EXPIRED then DELIVRD: %+v, %+v", r, late)
	}
	// The same receipt many times at once.
	acc = Message(s, 7, 1, "hello")
	must(t, s.Accept(ctx, acc))
	must(t, s.Submit(ctx, Sent(acc, 0, "200")))
	var finals atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			r := Receipt(acc, 0, 0, 1, "200", message.StateDelivered, done)
			if err := s.Report(ctx, r); err != nil {
				t.Error(err)
			}
			if r.Final {
				finals.Add(1)
			}
		})
	}
	wg.Wait()
	if finals.Load() != 1 {
		t.Errorf("%d reports made the recipient final", finals.Load())
	}
	unknown := Receipt(acc, 0, 5, 1, "nothing", message.StateDelivered, done)
	must(t, s.Report(ctx, unknown))
	if unknown.Final {
		t.Error("a segment that is not there made something final")
	}
}

func folded(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	acc := Message(s, 7, 2, "a long one")
	must(t, s.Accept(ctx, acc))
	must(t, s.Submit(ctx, Sent(acc, 0, "1", "2", "3")))
	must(t, s.Submit(ctx, Sent(acc, 1, "11", "12")))
	var wg sync.WaitGroup
	var finals atomic.Int64
	for i := range 3 {
		wg.Go(func() {
			r := Receipt(acc, 0, i, 3, fmt.Sprint(i+1), message.StateDelivered, now())
			if err := s.Report(ctx, r); err != nil {
				t.Error(err)
			}
			if r.Final {
				finals.Add(1)
			}
		})
	}
	wg.Wait()
	if m := get[sms.MT](t)(s.MT(ctx, acc.Rows[0].ID)); m.State != message.StateDelivered || finals.Load() != 1 {
		t.Errorf("after three receipts: %s, final %d times", m.State, finals.Load())
	}
	r := Receipt(acc, 1, 1, 2, "12", message.StateUndeliverable, now())
	must(t, s.Report(ctx, r))
	if !r.Final || r.Now != message.StateUndeliverable {
		t.Errorf("one failed segment: %+v", r)
	}
	r = Receipt(acc, 1, 0, 2, "11", message.StateDelivered, now())
	must(t, s.Report(ctx, r))
	if r.Final || r.Now != message.StateUndeliverable {
		t.Errorf("the other segment: %+v", r)
	}
	// A segment that was submitted twice counts by its best luck.
	acc = Message(s, 7, 1, "twice")
	must(t, s.Accept(ctx, acc))
	must(t, s.Submit(ctx, Sent(acc, 0, "21")))
	must(t, s.Submit(ctx, Sent(acc, 0, "22")))
	r = Receipt(acc, 0, 0, 1, "21", message.StateDelivered, now())
	must(t, s.Report(ctx, r))
	if !r.Final {
		t.Errorf("one of two submits delivered: %+v", r)
	}
	// Two links took the first segment each, of three and of two, and then no more: the last cut is still open.
	acc = Message(s, 7, 1, "cut twice, taken by halves")
	must(t, s.Accept(ctx, acc))
	for n, id := range map[int]string{3: "51", 2: "61"} {
		must(t, s.Settle(ctx, &sms.Settlement{MT: acc.Rows[0].ID, App: 7, State: message.StateRetrying, Twice: true, At: now(),
			Parts: []message.Ref{{Group: "east", ID: id, Part: 0, Parts: n}}}))
	}
	must(t, s.Settle(ctx, &sms.Settlement{MT: acc.Rows[0].ID, App: 7, State: message.StateRetrying, Twice: true, At: now(),
		Parts: []message.Ref{{Group: "east", ID: "62", Part: 0, Parts: 2}}}))
	r = Receipt(acc, 0, 0, 3, "51", message.StateUndeliverable, now())
	must(t, s.Report(ctx, r))
	if r.Final {
		t.Errorf("final by a cut that was given up: %+v", r)
	}
	// One link cut a text into three and lost it after the first; the next cut it into two.
	for _, tt := range []struct{ second, want message.State }{
		{message.StateDelivered, message.StateDelivered}, {message.StateUndeliverable, message.StateUndeliverable},
	} {
		acc = Message(s, 7, 1, "cut twice")
		must(t, s.Accept(ctx, acc))
		must(t, s.Settle(ctx, &sms.Settlement{MT: acc.Rows[0].ID, App: 7, State: message.StateRetrying, Twice: true, At: now(),
			Parts: []message.Ref{{Group: "east", ID: "31", Part: 0, Parts: 3}}}))
		must(t, s.Submit(ctx, Sent(acc, 0, "41", "42")))
		must(t, s.Report(ctx, Receipt(acc, 0, 0, 3, "31", message.StateDelivered, now())))
		must(t, s.Report(ctx, Receipt(acc, 0, 0, 2, "41", message.StateDelivered, now())))
		r = Receipt(acc, 0, 1, 2, "42", tt.second, now())
		must(t, s.Report(ctx, r))
		if !r.Final || r.Now != tt.want {
			t.Errorf("cut again, last segment %s: %+v", tt.second, r)
		}
	}
}

func orphan(raw string, state message.State) *sms.Orphan {
	return &sms.Orphan{DLR: message.DLR{Group: "east", ID: raw, From: handset.Address(), State: state, Code: "000", Word: "DELIVRD",
		Done: now(), Raw: []byte("pdu")}, Keys: []string{sms.CanonicalID(raw)}, At: now(), Expires: now().Add(96 * time.Hour)}
}

func orphanFirst(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	acc := Message(s, 7, 1, "hello")
	must(t, s.Accept(ctx, acc))
	o := orphan("0aF1", message.StateDelivered)
	must(t, s.StoreOrphan(ctx, o))
	must(t, s.StoreOrphan(ctx, orphan("other", message.StateDelivered)))
	if o.Matched {
		t.Fatal("matched before there was a segment")
	}
	must(t, s.Close(ctx))
	s = Open(t, cfg) // it survives
	sub := Sent(acc, 0, "AF1")
	must(t, s.Submit(ctx, sub))
	// Nobody has applied it yet: it must not be lost in between.
	waiting := get[[]sms.Early](t)(s.Orphans(ctx, 0, now().Add(time.Minute), 10))
	if len(waiting) != 2 {
		t.Fatalf("%d orphans before the report, want 2", len(waiting))
	}
	same(t, "early receipts", sub.Orphans, waiting[:1])
	same(t, "the early receipt", waiting[0].DLR, o.DLR)
	if rest := get[[]sms.Early](t)(s.Orphans(ctx, waiting[0].Row, now().Add(time.Minute), 10)); len(rest) != 1 || rest[0].Row != waiting[1].Row {
		t.Errorf("after the first orphan: %+v", rest)
	}
	if page := get[[]sms.Early](t)(s.Orphans(ctx, 0, now().Add(time.Minute), 1)); len(page) != 1 || page[0].Row != waiting[0].Row {
		t.Errorf("a page of one: %+v", page)
	}
	// One that is found by the same key, but is of another text, stays when this one is reported.
	third := orphan("2801", message.StateDelivered) // 0xaf1
	third.Keys = sms.Keys(third.DLR.ID)
	third.Known = 1
	must(t, s.StoreOrphan(ctx, third))
	r := Receipt(acc, 0, 0, 1, "AF1", message.StateDelivered, o.DLR.Done)
	r.Orphan = waiting[0].Row
	must(t, s.Report(ctx, r))
	again := Message(s, 7, 1, "hello")
	must(t, s.Accept(ctx, again))
	other := Sent(again, 0, "OTHER")
	must(t, s.Submit(ctx, other))
	if len(other.Orphans) != 1 {
		t.Errorf("the second early receipt: %+v", other.Orphans)
	}
	if got := get[[]sms.Early](t)(s.Orphans(ctx, 0, now().Add(time.Minute), 10)); len(got) != 2 || got[0].DLR.ID != "other" || got[1].DLR.ID != "2801" {
		t.Errorf("orphans after the report: %+v", got)
	}
	// Said again of what stands, it is done with as well.
	again2 := Receipt(acc, 0, 0, 1, "AF1", message.StateDelivered, o.DLR.Done)
	again2.Orphan = get[[]sms.Early](t)(s.Orphans(ctx, 0, now().Add(time.Minute), 10))[1].Row
	must(t, s.Report(ctx, again2))
	if got := get[[]sms.Early](t)(s.Orphans(ctx, 0, now().Add(time.Minute), 10)); !again2.Duplicate || len(got) != 1 {
		t.Errorf("duplicate %v, orphans after it: %+v", again2.Duplicate, got)
	}
}

func orphanAfter(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	acc := Message(s, 7, 1, "hello")
	must(t, s.Accept(ctx, acc))
	must(t, s.Submit(ctx, Sent(acc, 0, "AF1")))
	o := orphan("af1", message.StateDelivered)
	must(t, s.StoreOrphan(ctx, o))
	if !o.Matched {
		t.Error("a segment was there and the receipt was not told so")
	}
	known := orphan("af1", message.StateDelivered)
	known.Known = 1
	must(t, s.StoreOrphan(ctx, known))
	if known.Matched {
		t.Error("the segment had been looked at already")
	}
	// At the same moment, in whatever order: one of them learns of the other.
	for i := range 50 {
		acc := Message(s, 7, 1, "hello")
		must(t, s.Accept(ctx, acc))
		raw := fmt.Sprint("race", i)
		sub, o := Sent(acc, 0, raw), orphan(raw, message.StateDelivered)
		var wg sync.WaitGroup
		wg.Go(func() { must(t, s.Submit(ctx, sub)) })
		wg.Go(func() { must(t, s.StoreOrphan(ctx, o)) })
		wg.Wait()
		if o.Matched == (len(sub.Orphans) == 1) {
			t.Fatalf("race %d: matched %v, orphans %d", i, o.Matched, len(sub.Orphans))
		}
	}
}

// incoming is a text from the handset.
func incoming(s *store.Store, hash, conn int64, text string) *sms.Reception {
	n := s.NextMessage(1)
	return &sms.Reception{
		In: message.Incoming{Group: "east", Text: text, Hash: hash, Conn: conn, Raw: []byte("pdu")},
		MO: sms.MO{ID: n, App: 7, From: handset, To: pizza, Text: text, At: now()},
	}
}

func received(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	post := func(m sms.MO) *queue.Job {
		return &queue.Job{Kind: queue.KindCallback, Lane: "https://app.example", Ref: m.ID, Due: now(), Payload: []byte(m.Text)}
	}
	r := incoming(s, 11, 1, "one pizza")
	r.Callback, r.MO.Pushed = post, true
	must(t, s.Receive(ctx, r))
	if r.Duplicate || r.Added == nil || r.Stored.Text != "one pizza" || !r.Stored.Pushed {
		t.Errorf("posted: %+v", r)
	}
	for _, c := range []struct {
		name      string
		conn      int64
		duplicate bool
	}{{"on the same connection it is another text", 1, false}, {"on another connection it is a repetition", 2, true}} {
		r := incoming(s, 11, c.conn, "one pizza")
		must(t, s.Receive(ctx, r))
		if r.Duplicate != c.duplicate {
			t.Errorf("%s: duplicate %v", c.name, r.Duplicate)
		}
	}
	// Once the answer is known to be written, the same PDU is another text, wherever it comes from.
	c := incoming(s, 12, 1, "ok")
	must(t, s.Receive(ctx, c))
	s.ConfirmMO(c.MO.ID)
	must(t, s.Close(ctx))
	s = Open(t, cfg)
	c2 := incoming(s, 12, 2, "ok")
	must(t, s.Receive(ctx, c2))
	if c2.Duplicate {
		t.Error("a confirmed text was taken for a repetition")
	}
	again := incoming(s, 12, 3, "ok")
	must(t, s.Receive(ctx, again))
	if !again.Duplicate {
		t.Error("a repetition was stored, over a restart")
	}
	if n := get[int](t)(s.Pending(ctx, pizzeria, pizza)); n != 3 {
		t.Errorf("%d texts wait, want 3", n)
	}
}

func joined(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	part := func(ref uint16, n, total uint8, text string) *sms.Reception {
		r := incoming(s, int64(ref)*100+int64(n), 1, "")
		r.In.ConcatRef, r.In.Total, r.In.Part, r.In.UD = ref, total, n, []byte(text)
		r.MO.Text = ""
		return r
	}
	var last *sms.Reception
	for i, p := range []struct {
		n    uint8
		text string
	}{{3, "pizza"}, {1, "one "}, {1, "one "}, {2, "big "}} {
		last = part(5, p.n, 3, p.text)
		last.In.Hash += int64(i) * 1000
		must(t, s.Receive(ctx, last))
		if last.Waiting != (i < 3) {
			t.Fatalf("segment %d: waiting %v", i, last.Waiting)
		}
	}
	if last.Stored.Text != "one big pizza" || last.Stored.ID == 0 {
		t.Errorf("joined: %+v", last.Stored)
	}
	must(t, s.Receive(ctx, part(6, 2, 2, "half")))
	if got := get[[]sms.Reception](t)(s.JoinStale(ctx, now().Add(-time.Hour), nil)); len(got) != 0 {
		t.Errorf("joined too early: %+v", got)
	}
	got := get[[]sms.Reception](t)(s.JoinStale(ctx, now().Add(time.Hour), func(m sms.MO) *queue.Job {
		return &queue.Job{Kind: queue.KindCallback, Lane: "x", Ref: m.ID, Due: now()}
	}))
	if len(got) != 1 || !got[0].Stored.Partial || !strings.HasSuffix(got[0].Stored.Text, "half") || got[0].Added == nil {
		t.Errorf("partial: %+v", got)
	}
	if got := get[[]sms.Reception](t)(s.JoinStale(ctx, now().Add(time.Hour), nil)); len(got) != 0 {
		t.Errorf("joined twice: %+v", got)
	}
}

func optedOut(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	r := incoming(s, 1, 1, "STOP")
	r.OptOut = &sms.OptOut{App: 7, From: handset, Word: "STOP", At: now()}
	r.Reply = Message(s, 7, 1, "You will get no more texts.")
	must(t, s.Receive(ctx, r))
	same(t, "opt-outs", get[[]sms.OptOut](t)(s.OptOuts(ctx)), []sms.OptOut{*r.OptOut})
	same(t, "reply", get[sms.MT](t)(s.MT(ctx, r.Reply.Rows[0].ID)), r.Reply.Rows[0])
	must(t, s.SetOptOut(ctx, sms.OptOut{App: 0, From: handset, Word: "import", At: now()}))
	r = incoming(s, 2, 1, "START")
	r.OptOut = &sms.OptOut{App: 7, From: handset, Word: "START", At: now(), Again: true}
	must(t, s.Receive(ctx, r))
	if got := get[[]sms.OptOut](t)(s.OptOuts(ctx)); len(got) != 1 || got[0].App != 0 {
		t.Errorf("after START: %+v", got)
	}
}

func inbox(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	var skip atomic.Int64
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(skip.Load())) }
	s := Open(t, cfg)
	for i := range 5 {
		must(t, s.Receive(ctx, incoming(s, int64(i+1), 1, fmt.Sprint("text ", i))))
	}
	lease := func(n int) ([]string, int, id.Number) {
		t.Helper()
		texts, pending, l, err := s.LeaseInbox(ctx, pizzeria, pizza, n, cfg.Now().Add(time.Minute))
		must(t, err)
		var out []string
		for _, m := range texts {
			out = append(out, m.Text)
		}
		return out, pending, l
	}
	a, pending, first := lease(3)
	same(t, "first lease", a, []string{"text 0", "text 1", "text 2"})
	b, left, second := lease(3)
	same(t, "second lease", b, []string{"text 3", "text 4"})
	if pending != 2 || left != 0 {
		t.Errorf("pending %d, then %d", pending, left)
	}
	must(t, s.EndLease(ctx, pizzeria, first, false))
	must(t, s.EndLease(ctx, pizzeria, second, true))
	c, _, _ := lease(9)
	same(t, "put back", c, a)
	skip.Store(int64(2 * time.Minute))
	d, _, third := lease(9)
	same(t, "after the lease is over", d, a)
	must(t, s.EndLease(ctx, pizzeria, third, true))
	if e, _, _ := lease(9); len(e) != 0 {
		t.Errorf("read texts came again: %v", e)
	}
	if x, _, _, err := s.LeaseInbox(ctx, stranger, pizza, 9, now()); err != nil || len(x) != 0 {
		t.Errorf("another app leased %v, %v", x, err)
	}
}

func overdue(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	acc := Message(s, 7, 6, "hello")
	for i := range acc.Rows {
		acc.Rows[i].Expires = now().Add(-48 * time.Hour)
	}
	acc.Rows[5].Expires = now().Add(time.Hour)
	must(t, s.Accept(ctx, acc))
	must(t, s.Settle(ctx, &sms.Settlement{MT: acc.Rows[0].ID, State: message.StateFailed, At: now()}))
	when := now().Add(time.Minute)
	ids := func(list []sms.MT) (out []id.Number) {
		for _, m := range list {
			out = append(out, m.ID-acc.Rows[0].ID)
		}
		return out
	}
	first := get[[]sms.MT](t)(s.Overdue(ctx, when, 0, 2))
	same(t, "first page", ids(first), []id.Number{1, 2})
	same(t, "second page", ids(get[[]sms.MT](t)(s.Overdue(ctx, when, first[1].ID, 9))), []id.Number{3, 4})
	for i := 1; i < 5; i++ {
		must(t, s.Settle(ctx, &sms.Settlement{MT: acc.Rows[i].ID, State: message.StateUncertain, At: now()}))
	}
	if got := get[[]sms.MT](t)(s.Overdue(ctx, when, 0, 9)); len(got) != 0 {
		t.Errorf("left: %v", ids(got))
	}
	if got := get[[]sms.MT](t)(s.Overdue(ctx, when.Add(24*time.Hour), 0, 9)); len(got) != 1 {
		t.Errorf("a day later: %v", ids(got))
	}
}

func corrupt(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	acc := Message(s, 7, 2, "pay 10 to Ann")
	must(t, s.Accept(ctx, acc))
	in := incoming(s, 1, 1, "yes")
	must(t, s.Receive(ctx, in))
	tamper(t, cfg, `UPDATE mt SET body = 'pay 90 to Ann' WHERE id = %d`, acc.Rows[0].ID)
	tamper(t, cfg, `UPDATE mt SET recipient = '14255550199' WHERE id = %d`, acc.Rows[1].ID)
	tamper(t, cfg, `UPDATE mo SET body = 'no' WHERE id = %d`, in.MO.ID)
	// Its receipt is applied, and nobody is told: who it is from and for is in doubt.
	must(t, s.Submit(ctx, Sent(acc, 1, "77")))
	r := Receipt(acc, 1, 0, 1, "77", message.StateDelivered, now())
	r.Callback = func(m sms.MT) *queue.Job { t.Errorf("told of %+v", m); return nil }
	must(t, s.Report(ctx, r))
	if !r.Final || r.Now != message.StateDelivered {
		t.Errorf("reported: %+v", r)
	}
	for _, m := range get[[]sms.MT](t)(s.Message(ctx, pizzeria, acc.Rows[0].ID)) {
		if !m.Corrupt {
			t.Errorf("read as if it were whole: %+v", m)
		}
	}
	posted := incoming(s, 2, 1, "posted")
	posted.Callback = func(m sms.MO) *queue.Job {
		return &queue.Job{Kind: queue.KindCallback, Lane: "x", Ref: m.ID, Due: now(), Payload: []byte("posted")}
	}
	must(t, s.Receive(ctx, posted))
	tamper(t, cfg, `UPDATE job SET payload = (SELECT value FROM meta WHERE name = 'sealer') WHERE id = %d`, posted.Added.ID)
	if j := get[[]queue.Job](t)(s.Claim(ctx, queue.KindCallback, "x", 9)); len(j) != 1 || j[0].Payload != nil {
		t.Errorf("claimed %+v", j)
	}
	for _, r := range acc.Rows {
		if m, err := s.MT(ctx, r.ID); !errors.Is(err, sms.ErrCorrupt) || m.Text != "" {
			t.Errorf("read %+v, %v", m, err)
		}
	}
	if texts, _, _, err := s.LeaseInbox(ctx, pizzeria, pizza, 9, now().Add(time.Minute)); err != nil || len(texts) != 0 {
		t.Errorf("leased %v, %v", texts, err)
	}
}

func pruned(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	acc := Message(s, 7, 2, "secret")
	must(t, s.Accept(ctx, acc))
	must(t, s.Submit(ctx, Sent(acc, 0, "1")))
	must(t, s.Report(ctx, Receipt(acc, 0, 0, 1, "1", message.StateDelivered, now())))
	in := incoming(s, 1, 1, "secret too")
	must(t, s.Receive(ctx, in))
	soon := now().Add(time.Hour)
	must(t, s.Prune(ctx, soon, now().Add(-time.Hour)))
	m := get[sms.MT](t)(s.MT(ctx, acc.Rows[0].ID))
	if m.Text != "" || m.State != message.StateDelivered {
		t.Errorf("after content: %+v", m)
	}
	if m := get[sms.MT](t)(s.MT(ctx, acc.Rows[1].ID)); m.Text != "secret" {
		t.Errorf("a text on its way was erased: %+v", m)
	}
	if got, ok, err := s.MOByID(ctx, in.MO.ID); err != nil || !ok || got.Text != "" {
		t.Errorf("received: %+v %v %v", got, ok, err)
	}
	must(t, s.Prune(ctx, soon, soon))
	if got := get[[]sms.MT](t)(s.MTs(ctx, 0, 9)); len(got) != 1 || got[0].ID != acc.Rows[1].ID {
		t.Errorf("after meta: %+v", got)
	}
}

func attempts(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	r := incoming(s, 1, 1, "hi")
	r.Callback = func(m sms.MO) *queue.Job {
		return &queue.Job{Kind: queue.KindCallback, Lane: "x", Ref: m.ID, Due: now(), Held: true}
	}
	must(t, s.Receive(ctx, r))
	a := callback.Attempt{Job: *r.Added, App: 7, Subject: r.MO.ID, What: "Receive SMS", URL: "https://app.example/in", Number: 1, At: now(),
		Status: 503, Error: "503", Reply: "later", Duration: 1500 * time.Microsecond, Next: now().Add(-time.Millisecond)}
	a.Job.Attempt = 1
	must(t, s.Attempted(ctx, a))
	must(t, s.Attempted(ctx, a)) // no longer ours: dropped
	got := get[[]callback.Attempt](t)(s.Attempts(ctx, r.MO.ID))
	same(t, "attempts", got, []callback.Attempt{a}, cmpopts.IgnoreFields(callback.Attempt{}, "Job"))
	claimed := get[[]queue.Job](t)(s.Claim(ctx, queue.KindCallback, "x", 5))
	if len(claimed) != 1 || claimed[0].Attempt != 1 {
		t.Fatalf("claimed %+v", claimed)
	}
	// Given up: the text goes back to the poll.
	a.Job, a.Number, a.Next, a.ToInbox = claimed[0], 2, time.Time{}, true
	must(t, s.Attempted(ctx, a))
	if n := get[int](t)(s.Pending(ctx, pizzeria, pizza)); n != 1 {
		t.Errorf("%d texts wait for the poll, want 1", n)
	}
	if got := get[[]store.LaneCount](t)(s.Jobs(ctx)); len(got) != 0 {
		t.Errorf("jobs left: %+v", got)
	}
}

func apps(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	a := app.App{Name: "pizza", Key: "k1", Secret: "sha256:00", Level: app.LevelSandbox, Scopes: []app.Scope{app.ScopeSMS, app.ScopeMIM},
		ShortCodes: []number.ShortCode{"48507", "20202"}, RedirectURI: "https://r", MessageListener: "https://m", StatusListener: "https://s",
		NotificationURL: "https://n", WaitForVerdict: 1500 * time.Millisecond, Quotas: map[string]app.Quota{"SMS": {PerMinute: 5, PerDay: 6}}, Created: now()}
	put := func(a *app.App) {
		t.Helper()
		a.ID = get[app.ID](t)(s.PutApp(ctx, *a))
		a.Version++
	}
	put(&a)
	b := app.App{Name: "bank", Key: "k2", Auth: app.AuthKey, Keys: `{"keys":[]}`, Owner: "Bank of Seattle", Level: app.LevelProduction, OnNetwork: true,
		DPoP: true, Introspect: true, Created: now(), Promoted: a.ID}
	put(&b)
	same(t, "apps", get[[]app.App](t)(s.Apps(ctx)), []app.App{a, b}, cmp.Comparer(func(x, y app.Secret) bool { return x == y }))
	b.Auth, b.Keys, b.Owner, b.OnNetwork, b.DPoP, b.Introspect = app.AuthNone, "", "Bank", false, false, false
	put(&b)
	same(t, "a changed app", get[[]app.App](t)(s.Apps(ctx))[1], b)
	old := b
	old.Version, old.Name, old.ShortCodes = b.Version-1, "old bank", []number.ShortCode{"30303"}
	if _, err := s.PutApp(ctx, old); !errors.Is(err, app.ErrChanged) {
		t.Errorf("a change of what is not the newest gave %v", err)
	}
	same(t, "an app that was changed by nobody", get[[]app.App](t)(s.Apps(ctx))[1], b)
	for name, c := range map[string]app.App{
		"name": {Name: "pizza", Key: "k3"}, "key": {Name: "x", Key: "k2"}, "code": {Name: "x", Key: "k3", ShortCodes: []number.ShortCode{"20202"}},
	} {
		if _, err := s.PutApp(ctx, c); !errors.Is(err, app.ErrTaken) {
			t.Errorf("a taken %s gave %v", name, err)
		}
	}
	alive := a
	a.Deleted = true
	put(&a)
	if _, err := s.PutApp(ctx, alive); !errors.Is(err, app.ErrChanged) {
		t.Errorf("a change of a deleted app gave %v", err)
	}
	if _, err := s.PutApp(ctx, app.App{Name: "pizza", Key: "k1"}); !errors.Is(err, app.ErrTaken) {
		t.Errorf("the key of a deleted app was given away: %v", err)
	}
	get[app.ID](t)(s.PutApp(ctx, app.App{Name: "pizza", Key: "k4", ShortCodes: a.ShortCodes}))
	if got := get[[]app.App](t)(s.Apps(ctx)); len(got) != 3 || !got[0].Deleted {
		t.Errorf("apps: %+v", got)
	}
}

func links(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	l := route.Link{Name: "east", Kind: "smpp", Network: route.NetworkLive, Host: "smsc.example", Port: 2775, SystemID: "me", Password: "pa55word",
		SystemType: "VMA", Bind: "transceiver", Window: 10, Rate: 12.5, TLS: true, Group: "g", Created: now(), Quirks: route.Quirks{IDs: "hex-dec", Refs8: true, Statuses: map[string]string{"0x0400": "TMP"}}}
	l.ID, l.Version = get[int64](t)(s.PutLink(ctx, l)), 1
	same(t, "links", get[[]route.Link](t)(s.Links(ctx)), []route.Link{l})
	stale := l
	l.Paused, l.Password = true, "other"
	if n := get[int64](t)(s.PutLink(ctx, l)); n != l.ID {
		t.Errorf("replaced under another number: %d, %d", n, l.ID)
	}
	l.Version = 2
	for name, other := range map[string]route.Link{"a change of what has changed since": stale, "another of its name": {Name: "east", Kind: "smpp"}, "what is gone": {ID: 99, Name: "x", Kind: "smpp"}} {
		if _, err := s.PutLink(ctx, other); !errors.Is(err, route.ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	same(t, "links", get[[]route.Link](t)(s.Links(ctx)), []route.Link{l})
	if n := count(t, cfg, `SELECT count(*) FROM link WHERE length(password) < 20`); n != 0 {
		t.Error("a password is stored in clear")
	}
	must(t, s.DeleteLink(ctx, "east"))
	must(t, s.DeleteLink(ctx, "east"))
	if got := get[[]route.Link](t)(s.Links(ctx)); len(got) != 0 {
		t.Errorf("links: %+v", got)
	}
	x := route.Rule{Prefix: "+1425", Link: "east"}
	x.ID = get[int64](t)(s.PutRule(ctx, x))
	x.Fallback = "west"
	get[int64](t)(s.PutRule(ctx, x))
	same(t, "rules", get[[]route.Rule](t)(s.Rules(ctx)), []route.Rule{x})
	must(t, s.DeleteRule(ctx, "+1425"))
	if got := get[[]route.Rule](t)(s.Rules(ctx)); len(got) != 0 {
		t.Errorf("rules: %+v", got)
	}
}

func jobs(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	acc := Message(s, 7, 6, "hi")
	base := now().Add(-time.Minute)
	for i := range acc.Jobs {
		acc.Jobs[i].Held, acc.Jobs[i].Due = false, base.Add(time.Duration(6-i)*time.Second)
	}
	acc.Jobs[4].Lane, acc.Jobs[5].Due = "west", now().Add(time.Hour)
	must(t, s.Accept(ctx, acc))
	same(t, "lanes", get[[]string](t)(s.Due(ctx, queue.KindSubmit)), []string{"east", "west"})
	if got := get[[]string](t)(s.Due(ctx, queue.KindCallback)); len(got) != 0 {
		t.Errorf("lanes of another kind: %v", got)
	}
	a := get[[]queue.Job](t)(s.Claim(ctx, queue.KindSubmit, "east", 3))
	if len(a) != 3 || a[0].ID != acc.Jobs[3].ID || a[2].ID != acc.Jobs[1].ID {
		t.Errorf("not the oldest due first: %+v", a)
	}
	b := get[[]queue.Job](t)(s.Claim(ctx, queue.KindSubmit, "east", 9))
	if len(b) != 1 || b[0].ID != acc.Jobs[0].ID {
		t.Errorf("claimed twice, or one that is not due: %+v", b)
	}
	a[0].Due, a[0].Attempt, a[0].Lane, a[0].Crashes = now().Add(-time.Second), 4, "west", 2
	must(t, s.Retry(ctx, a[0]))
	must(t, s.Retry(ctx, a[0])) // not ours any more: left alone
	must(t, s.Release(ctx, a[1:]...))
	w := get[[]queue.Job](t)(s.Claim(ctx, queue.KindSubmit, "west", 9))
	if len(w) != 2 || w[1].Attempt != 4 || w[1].Crashes != 2 {
		t.Errorf("west: %+v", w)
	}
	if got := get[[]queue.Job](t)(s.Claim(ctx, queue.KindSubmit, "east", 9)); len(got) != 2 {
		t.Errorf("released: %+v", got)
	}
	// One whose Until is over is due, whatever its Due.
	over := Message(s, 7, 1, "hi")
	over.Jobs[0].Held, over.Jobs[0].Due, over.Jobs[0].Until = false, now().Add(time.Hour), now().Add(-time.Second)
	must(t, s.Accept(ctx, over))
	if got := get[[]queue.Job](t)(s.Claim(ctx, queue.KindSubmit, "east", 9)); len(got) != 1 {
		t.Errorf("over: %+v", got)
	}
	// Many claim at once: each job once.
	many := Message(s, 7, 500, "hi")
	for i := range many.Jobs {
		many.Jobs[i].Held, many.Jobs[i].Lane = false, "many"
	}
	must(t, s.Accept(ctx, many))
	var mu sync.Mutex
	seen := map[id.Number]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				got, err := s.Claim(ctx, queue.KindSubmit, "many", 7)
				if err != nil {
					t.Error(err)
				}
				if len(got) == 0 {
					return
				}
				mu.Lock()
				for _, j := range got {
					seen[j.ID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for n, c := range seen {
		if c != 1 {
			t.Errorf("job %d claimed %d times", n, c)
		}
	}
	if len(seen) != 500 {
		t.Errorf("%d of 500 claimed", len(seen))
	}
}

func restart(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	acc := Message(s, 7, 2, "hi")
	must(t, s.Accept(ctx, acc))
	must(t, s.Close(ctx))
	s = Open(t, cfg)
	got := get[[]queue.Job](t)(s.Claim(ctx, queue.KindSubmit, "east", 9))
	if len(got) != 2 || got[0].Crashes != 0 {
		t.Errorf("after a close in good order: %+v", got)
	}
	if s.Sealer() == nil || s.Writable() != nil {
		t.Error("not ready")
	}
	p := s.Sealer().Seal(5)
	must(t, s.Close(ctx))
	s = Open(t, cfg)
	if n, err := s.Sealer().Open(p); n != 5 || err != nil {
		t.Errorf("a name of an earlier life opens as %d, %v", n, err)
	}
}

func grouped(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	before := s.Stats()
	const producers, each = 256, 8
	var wg sync.WaitGroup
	for range producers {
		wg.Go(func() {
			for range each {
				if err := s.Accept(ctx, Message(s, 7, 1, "hi")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	after := s.Stats()
	commits, mutations := after.Commits-before.Commits, after.Mutations-before.Mutations
	if mutations < producers*each || commits*8 > mutations {
		t.Errorf("%d commits for %d mutations", commits, mutations)
	}
	t.Logf("%d mutations in %d commits", mutations, commits)
	if n := count(t, cfg, `SELECT count(*) FROM mt`); n != producers*each {
		t.Errorf("%d rows", n)
	}
}

func poisoned(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	taken := Message(s, 7, 1, "first")
	must(t, s.Accept(ctx, taken))
	var good, bad atomic.Int64
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			acc := Message(s, 7, 1, "hi")
			switch i % 50 {
			case 7: // a number that is taken
				acc.Rows[0].ID = taken.Rows[0].ID
			case 8: // a panic in the middle of the commit
				r := incoming(s, int64(i)<<20, 1, "boom")
				r.Callback = func(sms.MO) *queue.Job { panic("boom") }
				if err := s.Receive(ctx, r); err != nil {
					bad.Add(1)
				}
				return
			}
			if err := s.Accept(ctx, acc); err != nil {
				bad.Add(1)
			} else {
				good.Add(1)
			}
		})
	}
	wg.Wait()
	if good.Load() != 192 || bad.Load() != 8 {
		t.Errorf("%d accepted and %d refused, want 192 and 8", good.Load(), bad.Load())
	}
	if n := count(t, cfg, `SELECT count(*) FROM mt`); n != 193 {
		t.Errorf("%d rows, want 193", n)
	}
	if got := get[sms.MT](t)(s.MT(ctx, taken.Rows[0].ID)); got.Text != "first" {
		t.Errorf("overwritten: %+v", got)
	}
	must(t, s.Writable())
}

func full(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	cfg.Queue = 4
	s := Open(t, cfg)
	hold := make(chan struct{})
	held := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		r := incoming(s, 1, 1, "slow")
		r.Callback = func(sms.MO) *queue.Job { close(held); <-hold; return nil }
		must(t, s.Receive(ctx, r))
	})
	<-held
	waiting := make(chan error, 16)
	withdrawn, cancel := context.WithCancel(ctx)
	for i := range 16 {
		c := ctx
		if i == 0 {
			c = withdrawn
		}
		err := make(chan error, 1)
		wg.Go(func() { err <- s.Accept(c, Message(s, 7, 1, "hi")) })
		wg.Go(func() { waiting <- <-err })
	}
	refused := 0
	for refused < 12 {
		if err := <-waiting; !errors.Is(err, fault.Unavailable) {
			t.Fatalf("answered %v", err)
		}
		refused++
	}
	cancel()
	close(hold)
	wg.Wait()
	if n := s.Stats().Refused; n != 12 {
		t.Errorf("%d refused, want 12", n)
	}
}

func watched(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	var heard sync.Map
	s.Watch(store.ChangeToken, func(ref int64) { heard.Store(ref, true) })
	for i := range int64(20) {
		must(t, s.RevokeToken(ctx, pizzeria, id.Number(i+1)))
		if _, ok := heard.Load(i + 1); !ok {
			t.Fatalf("the watcher has not heard of %d when it was answered", i+1)
		}
	}
}

func admin(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	acc := Message(s, 7, 3, "hi")
	acc.Jobs[1].Held = false
	must(t, s.Accept(ctx, acc))
	if got := get[[]sms.MT](t)(s.MTs(ctx, acc.Rows[2].ID, 1)); len(got) != 1 || got[0].ID != acc.Rows[1].ID {
		t.Errorf("page: %+v", got)
	}
	same(t, "lanes", get[[]store.LaneCount](t)(s.Jobs(ctx)), []store.LaneCount{{Kind: queue.KindSubmit, Lane: "east", Held: 2, Free: 1, Oldest: acc.Jobs[1].Due}})
	in := incoming(s, 1, 1, "yo")
	must(t, s.Receive(ctx, in))
	m, ok, err := s.MOByID(ctx, in.MO.ID)
	if err != nil || !ok || m.Text != "yo" || m.State != store.MOWaiting {
		t.Errorf("received: %+v %v %v", m, ok, err)
	}
	if z := get[store.Sizes](t)(s.Sizes(ctx)); z.Bytes == 0 {
		t.Error("no size")
	}
}

// ChildEnv names the variable that makes a test binary the child of the kill test: TestMain calls
// [Child] if it is set.
const ChildEnv = "LONGLINES_STORETEST_CHILD"

// child says where the child of the kill test opens its store.
type child struct{ URL, Dir string }

// Child accepts messages and redeems codes as fast as it can and prints the number of each one that was
// acknowledged, until it is killed.
func Child() {
	var where child
	if err := json.Unmarshal([]byte(os.Getenv(ChildEnv)), &where); err != nil {
		panic(err)
	}
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{URL: where.URL, Dir: where.Dir})
	if err != nil {
		panic(err)
	}
	for range 32 {
		go func() {
			for {
				acc := Message(s, 7, 1, "hello")
				if err := s.Accept(ctx, acc); err != nil {
					panic(err)
				}
				os.Stdout.WriteString("message " + strconv.FormatInt(int64(acc.Rows[0].ID), 10) + "\n")
			}
		}()
	}
	for {
		a := approval(s, 7, handset, "SMS")
		if err := s.Approve(audit.With(ctx, given), a); err != nil {
			panic(err)
		}
		if err := s.Redeem(ctx, pizzeria, exchange(s, a)); err != nil {
			panic(err)
		}
		os.Stdout.WriteString("code " + strconv.FormatInt(int64(a.Code.ID), 10) + "\n")
	}
}

func killed(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	exe, err := os.Executable()
	must(t, err)
	env, err := json.Marshal(child{cfg.URL, cfg.Dir})
	must(t, err)
	var acked, redeemed []id.Number
	for range 3 {
		cmd := exec.CommandContext(ctx, exe)
		cmd.Env = append(os.Environ(), ChildEnv+"="+string(env))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		r := bufio.NewReader(out)
		for n := 0; ; n++ {
			line, err := r.ReadString('\n')
			if err == io.EOF {
				break // a line without its end was not acknowledged
			}
			must(t, err)
			what, name, _ := strings.Cut(strings.TrimSpace(line), " ")
			v, err := strconv.ParseInt(name, 10, 64)
			must(t, err)
			if what == "code" {
				redeemed = append(redeemed, id.Number(v))
			} else {
				acked = append(acked, id.Number(v))
			}
			if n == 500 {
				must(t, cmd.Process.Kill())
			}
		}
		cmd.Wait()
	}
	s := Open(t, cfg)
	for _, n := range acked {
		if m, err := s.MT(ctx, n); err != nil || m.Text != "hello" {
			t.Fatalf("recipient %d was acknowledged and is %+v, %v", n, m, err)
		}
	}
	if n := count(t, cfg, `SELECT count(*) FROM mt WHERE NOT EXISTS (SELECT 1 FROM job WHERE job.ref = mt.id)`); n != 0 {
		t.Errorf("%d messages without their job", n)
	}
	for _, n := range redeemed {
		c, ok, err := s.Code(ctx, n)
		if err != nil || !ok || c.Used.IsZero() {
			t.Fatalf("code %d was redeemed and is %+v, %v %v", n, c, ok, err)
		}
		if k, ok, err := s.Token(ctx, c.Family); err != nil || !ok || k.Revoked {
			t.Fatalf("the tokens of code %d: %+v, %v %v", n, k, ok, err)
		}
	}
	if n, bad, ok, err := s.VerifyAudit(ctx); err != nil || !ok || n < int64(len(redeemed)) || n != count(t, cfg, `SELECT count(*) FROM code`) {
		t.Errorf("%d entries for %d codes; bad: %+v, %v", n, len(redeemed), bad, err)
	}
	t.Logf("%d messages and %d codes acknowledged over 3 kills", len(acked), len(redeemed))
}
