package store

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"longlines/app"
	"longlines/app/apptest"
	"longlines/message"
	"longlines/number"
	"longlines/sms"
)

// A node whose clock is wrong must not decide that anything's time is over (docs/reference/reliability.md §3.0 R6), not
// even before its next heartbeat has seen it.
func TestPostgresANodeWhoseClockIsWrongEndsAndErasesNothing(t *testing.T) {
	ctx := t.Context()
	var off atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
	bad, good := pair(t, func(i int, c *Config) {
		if i == 0 {
			c.Now = clock
		}
	})
	n := good.NextMessage(3)
	acc := &sms.Acceptance{Key: &app.Idempotency{Tenant: apptest.Tenant(7), Scope: "s", Key: "k"}, Rows: []sms.MT{
		{ID: n, App: 7, To: "14255550100", Text: "said", State: message.StateDelivered},
		{ID: n + 1, App: 7, To: "14255550101", Text: "waits", Expires: time.Now().Add(time.Hour)}}}
	if err := good.Accept(ctx, acc); err != nil {
		t.Fatal(err)
	}
	half := &sms.Reception{MO: sms.MO{ID: n + 2, App: 7, From: "14255550100", To: number.ShortCode("48507"), At: time.Now()},
		In: message.Incoming{Group: "g", ConcatRef: 1, Part: 1, Total: 2, UD: []byte("half")}}
	if err := good.Receive(ctx, half); err != nil || !half.Waiting {
		t.Fatal(half, err)
	}
	all := func(s *Store) (refused []error) {
		now := clock()
		_, overdue := s.Overdue(ctx, now.Add(-24*time.Hour), 0, 9)
		_, stale := s.JoinStale(ctx, now.Add(-24*time.Hour), nil)
		return []error{s.Prune(ctx, now.Add(-30*24*time.Hour), now.Add(-90*24*time.Hour)), s.sweep(ctx), s.sweepOld(ctx), overdue, stale}
	}
	if err := errors.Join(all(bad)...); err != nil {
		t.Fatalf("with the right time: %v", err)
	}
	off.Store(int64(400 * 24 * time.Hour))
	for i, err := range all(bad) {
		if err == nil {
			t.Errorf("step %d was done by a clock that is wrong", i)
		}
	}
	if bad.Writable() == nil {
		t.Error("the node takes itself for ready")
	}
	if m, err := good.MT(ctx, n); err != nil || m.Text != "said" {
		t.Errorf("%+v %v", m, err)
	}
	var taken *sms.KeyTaken
	again := *acc
	again.Rows = []sms.MT{{ID: good.NextMessage(1), App: 7, To: "14255550100", Text: "said"}}
	if err := good.Accept(ctx, &again); !errors.As(err, &taken) || taken.Ref != n {
		t.Errorf("the key: %v", err)
	}
	rest := &sms.Reception{MO: sms.MO{ID: good.NextMessage(1), App: 7, From: "14255550100", To: "48507", At: time.Now()},
		In: message.Incoming{Group: "g", ConcatRef: 1, Part: 2, Total: 2, UD: []byte("half")}}
	if err := good.Receive(ctx, rest); err != nil || rest.Waiting {
		t.Errorf("the other half: %+v %v", rest, err)
	}
	// Set right again, it does its share, and what it believed meanwhile does no harm.
	off.Store(0)
	if err := errors.Join(all(bad)...); err != nil {
		t.Error(err)
	}
	if rows, err := bad.Overdue(ctx, time.Now().Add(2*time.Hour), 0, 9); err != nil || len(rows) != 1 || rows[0].ID != n+1 {
		t.Errorf("overdue later: %+v %v", rows, err)
	}
}

// A server that does not notice that this node's connection is gone must not keep the locks of its transaction, for
// which the next one waits.
func TestPostgresAForgottenTransactionEnds(t *testing.T) {
	a, _ := pair(t, nil)
	var limit string
	err := a.call(t.Context(), func(t *tx) error {
		return t.c.conn.QueryRowContext(t.ctx, "SHOW idle_in_transaction_session_timeout").Scan(&limit)
	})
	if err != nil || limit != "20s" {
		t.Errorf("ends after %s, %v", limit, err)
	}
}
