package storetest

import (
	"testing"
	"time"

	"longlines/id"
	"longlines/queue"
	"longlines/sms"
	"longlines/store"
)

// held receives texts in one commit, in their order.
func held(t *testing.T, s *store.Store, texts ...*sms.Reception) {
	t.Helper()
	ctx := t.Context()
	gate, inside := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1+len(texts))
	slow := incoming(s, 0, 1, "slow")
	slow.Callback = func(sms.MO) *queue.Job { close(inside); <-gate; return nil }
	go func() { done <- s.Receive(ctx, slow) }()
	<-inside
	for i, r := range texts {
		go func() { done <- s.Receive(ctx, r) }()
		until(t, "it waits", func() bool { return s.Stats().Waiting > i })
	}
	close(gate)
	for range 1 + len(texts) {
		must(t, <-done)
	}
}

// until polls for a condition that another goroutine brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.After(30 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("never: " + what)
		}
	}
}

// A connection broke with two equal texts unanswered. Each is repeated once on the next one, whose answers may be lost
// as well; what comes behind that is another text.
func repeated(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	ctx := t.Context()
	help := func(conn int64) *sms.Reception { return incoming(s, 11, conn, "HELP") }
	says := func(r *sms.Reception, original id.Number) {
		t.Helper()
		if r.Duplicate != (original != 0) || r.Original != original {
			t.Errorf("on connection %d: duplicate %v of %d, want of %d", r.In.Conn, r.Duplicate, r.Original, original)
		}
	}
	take := func(conn int64, original id.Number) id.Number {
		t.Helper()
		r := help(conn)
		must(t, s.Receive(ctx, r))
		says(r, original)
		return r.MO.ID
	}
	first, second := take(1, 0), take(1, 0)
	take(2, first)
	take(2, second)
	third := take(2, 0)
	// That connection breaks, too, and these come at once.
	batch := []*sms.Reception{help(3), help(3), help(3), help(3), help(4)}
	held(t, s, batch...)
	for i, original := range []id.Number{first, second, third, 0, first} {
		says(batch[i], original)
	}
	take(5, first)
	for _, n := range []id.Number{first, second, third, batch[3].MO.ID} {
		s.ConfirmMO(n)
	}
	take(6, 0)
	if n := get[int](t)(s.Pending(ctx, pizzeria, pizza)); n != 6 {
		t.Errorf("%d texts wait, want 6", n)
	}
}

// The answer has been written, and the commit that notes it is still to come.
func confirmed(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	ctx := t.Context()
	for conn := range int64(20) {
		r := incoming(s, 11, conn+1, "HELP")
		must(t, s.Receive(ctx, r))
		if r.Duplicate {
			t.Fatalf("text %d was taken for a repetition of one whose answer was written", conn)
		}
		s.ConfirmMO(r.MO.ID)
	}
	must(t, s.Close(ctx))
	if n := count(t, cfg, `SELECT count(*) FROM seen`); n != 0 {
		t.Errorf("%d confirmed texts are still waited for", n)
	}
}

// A subscriber says STOP and START over two links, and both are in one commit.
func lastWord(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	word := func(text string) *sms.Reception {
		r := incoming(s, 0, 1, text)
		r.OptOut = &sms.OptOut{App: 7, From: handset, Word: text, At: now(), Again: text == "START"}
		return r
	}
	for _, c := range []struct {
		words []string
		out   int
	}{{[]string{"STOP"}, 1}, {[]string{"START", "STOP"}, 1}, {[]string{"STOP", "START"}, 0}, {[]string{"STOP", "START", "STOP"}, 1}, {[]string{"START", "STOP", "START"}, 0}} {
		var texts []*sms.Reception
		for _, w := range c.words {
			texts = append(texts, word(w))
		}
		held(t, s, texts...)
		if got := get[[]sms.OptOut](t)(s.OptOuts(t.Context())); len(got) != c.out {
			t.Errorf("%v: opt-outs %+v", c.words, got)
		}
	}
}

// A text was handed out, and nobody asks for its code again: its lease ends by itself.
func leasedPruned(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	soon := now().Add(time.Hour)
	leased := func(hash int64, until time.Time) (n, lease id.Number) {
		t.Helper()
		in := incoming(s, hash, 1, "secret")
		must(t, s.Receive(ctx, in))
		texts, _, lease, err := s.LeaseInbox(ctx, pizzeria, pizza, 9, until)
		must(t, err)
		same(t, "handed out", len(texts), 1)
		return in.MO.ID, lease
	}
	text := func(n id.Number) string {
		t.Helper()
		m, ok, err := s.MOByID(ctx, n)
		must(t, err)
		if !ok {
			return "removed"
		}
		return m.Text
	}
	read, _ := leased(1, soon)
	over, lease := leased(2, now())
	must(t, s.Prune(ctx, soon, time.Time{}))
	same(t, "while the app reads it", text(read), "secret")
	same(t, "after content", text(over), "")
	must(t, s.EndLease(ctx, pizzeria, lease, false)) // whoever read it is late
	same(t, "texts that wait", get[int](t)(s.Pending(ctx, pizzeria, pizza)), 0)
	late, _ := leased(3, now())
	must(t, s.Prune(ctx, time.Time{}, soon))
	same(t, "while the app reads it", text(read), "secret")
	same(t, "after meta", text(over), "removed")
	same(t, "after meta, at once", text(late), "removed")
}
