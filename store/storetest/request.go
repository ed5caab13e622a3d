package storetest

import (
	"sync/atomic"
	"testing"
	"time"

	"longlines/app"
	"longlines/gateway"
	"longlines/id"
	"longlines/queue"
	"longlines/sms"
	"longlines/store"
)

func requests(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	var want []gateway.Record
	for i := range 3 {
		r := gateway.Record{ID: s.NextRequest(), App: 7, API: "SMS", Operation: "Send SMS", Method: "POST", Path: "/sms/v3/messaging/outbox",
			Status: 400 + i, Code: "POL0001", Case: "token-missing", Subject: 9, Remote: "127.0.0.1", Took: 1234 * time.Microsecond}
		s.Record(r)
		want = append([]gateway.Record{r}, want...)
	}
	must(t, s.Close(ctx)) // what nobody waits for is written at the latest now
	s = Open(t, cfg)
	same(t, "requests", get[[]gateway.Record](t)(s.Requests(ctx, gateway.RequestFilter{}, 0, 9)), want)
	same(t, "page", get[[]gateway.Record](t)(s.Requests(ctx, gateway.RequestFilter{}, want[0].ID, 1)), want[1:2])
	r, ok, err := s.Request(ctx, want[2].ID)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	same(t, "request", r, want[2])
	if _, ok, err := s.Request(ctx, 3); ok || err != nil {
		t.Errorf("no such request: %v %v", ok, err)
	}

	v := gateway.Saved{Fingerprint: [32]byte{7}, Status: 201, Header: map[string]string{"Location": "/x"}, Body: []byte("{}"), Created: now()}
	must(t, s.SaveAnswer(ctx, pizzeria, "POST /x", "k", v))
	got, ok, err := s.SavedAnswer(ctx, pizzeria, "POST /x", "k")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	same(t, "saved", got, v)
	acc := Message(s, 7, 1, "hi")
	acc.Key = &app.Idempotency{Tenant: pizzeria, Scope: "POST /x", Key: "k2", Fingerprint: [32]byte{8}}
	must(t, s.Accept(ctx, acc))
	v.Fingerprint = [32]byte{8}
	must(t, s.SaveAnswer(ctx, pizzeria, "POST /x", "k2", v))
	if got, ok, err = s.SavedAnswer(ctx, pizzeria, "POST /x", "k2"); err != nil || !ok || got.Ref != acc.Rows[0].ID || got.Status != 201 {
		t.Errorf("answer to an accepted message: %+v %v %v", got, ok, err)
	}
	// A request with another body ran meanwhile, on another node. Its answer is not that of the message.
	other := gateway.Saved{Fingerprint: [32]byte{9}, Status: 400, Body: []byte("no"), Created: now()}
	acc = Message(s, 7, 1, "hi")
	acc.Key = &app.Idempotency{Tenant: pizzeria, Scope: "POST /x", Key: "k3", Fingerprint: [32]byte{8}}
	must(t, s.Accept(ctx, acc))
	must(t, s.SaveAnswer(ctx, pizzeria, "POST /x", "k3", other))
	if got, ok, err = s.SavedAnswer(ctx, pizzeria, "POST /x", "k3"); err != nil || !ok || got.Fingerprint != acc.Key.Fingerprint || got.Ref != acc.Rows[0].ID || got.Status != 0 {
		t.Errorf("a message that has no answer yet has another's: %+v %v %v", got, ok, err)
	}
	must(t, s.SaveAnswer(ctx, pizzeria, "POST /x", "k3", v))
	must(t, s.SaveAnswer(ctx, pizzeria, "POST /x", "k3", other))
	if got, ok, err = s.SavedAnswer(ctx, pizzeria, "POST /x", "k3"); err != nil || !ok || got.Fingerprint != acc.Key.Fingerprint || got.Status != 201 || string(got.Body) != "{}" {
		t.Errorf("the answer to a message has become another's: %+v %v %v", got, ok, err)
	}
	old := v
	old.Created = now().Add(-25 * time.Hour)
	must(t, s.SaveAnswer(ctx, pizzeria, "POST /x", "old", old))
	if _, ok, err := s.SavedAnswer(ctx, pizzeria, "POST /x", "old"); ok || err != nil {
		t.Errorf("a key older than a day: %v %v", ok, err)
	}
	acc = Message(s, 7, 1, "hi")
	acc.Key = &app.Idempotency{Tenant: pizzeria, Scope: "POST /x", Key: "old"}
	must(t, s.Accept(ctx, acc)) // it may be used again
	must(t, s.SaveAnswer(ctx, pizzeria, "POST /x", "old2", old))
	again := gateway.Saved{Fingerprint: [32]byte{9}, Status: 400, Header: map[string]string{}, Body: []byte("no"), Created: now()}
	must(t, s.SaveAnswer(ctx, pizzeria, "POST /x", "old2", again)) // its time is over: it gives way
	got, ok, err = s.SavedAnswer(ctx, pizzeria, "POST /x", "old2")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	same(t, "saved over an old one", got, again)
}

func filtered(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	var ahead atomic.Int64
	begun := now()
	cfg.Now = func() time.Time { return begun.Add(time.Duration(ahead.Load())) }
	s := Open(t, cfg)
	var ids []id.Number
	for _, r := range []gateway.Record{
		{App: 7, Operation: "Send SMS", Status: 201},
		{App: 7, Operation: "Send SMS", Status: 400, Code: "POL0001"},
		{App: 8, Operation: "Send SMS", Status: 403, Code: "POL0002"},
		{App: 0, Operation: "Token", Status: 500},
	} {
		r.ID = s.NextRequest()
		ids = append(ids, r.ID)
		s.Record(r)
		ahead.Add(int64(time.Second))
	}
	must(t, s.Close(ctx))
	s = Open(t, cfg)
	for _, c := range []struct {
		name   string
		f      gateway.RequestFilter
		before id.Number
		n      int
		want   []int
	}{
		{"all", gateway.RequestFilter{}, 0, 9, []int{3, 2, 1, 0}},
		{"of an app", gateway.RequestFilter{App: 7}, 0, 9, []int{1, 0}},
		{"with a code", gateway.RequestFilter{Code: "POL0002"}, 0, 9, []int{2}},
		{"of an operation", gateway.RequestFilter{Operation: "Token"}, 0, 9, []int{3}},
		{"all of 4xx", gateway.RequestFilter{StatusFrom: 400, StatusTo: 499}, 0, 9, []int{2, 1}},
		{"from a status", gateway.RequestFilter{StatusFrom: 403}, 0, 9, []int{3, 2}},
		{"since a moment, which is included", gateway.RequestFilter{Since: begun.Add(2 * time.Second)}, 0, 9, []int{3, 2}},
		{"until a moment, which is not", gateway.RequestFilter{Until: begun.Add(2 * time.Second)}, 0, 9, []int{1, 0}},
		{"everything at once", gateway.RequestFilter{App: 7, Code: "POL0001", Operation: "Send SMS", StatusFrom: 400, StatusTo: 400,
			Since: begun, Until: begun.Add(time.Hour)}, 0, 9, []int{1}},
		{"the newest that fits", gateway.RequestFilter{App: 7}, 0, 1, []int{1}},
		{"the next page", gateway.RequestFilter{App: 7}, ids[1], 9, []int{0}},
		{"nothing", gateway.RequestFilter{App: 9}, 0, 9, nil},
	} {
		var want []id.Number
		for _, i := range c.want {
			want = append(want, ids[i])
		}
		var got []id.Number
		for _, r := range get[[]gateway.Record](t)(s.Requests(ctx, c.f, c.before, c.n)) {
			got = append(got, r.ID)
		}
		same(t, c.name, got, want)
	}

	// A filter looks at the newest 100,000 only, so that a search costs no more than it should.
	tamper(t, cfg, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100001)
		INSERT INTO request (id, app, api, operation, method, path, status, code, cause, subject, remote, took)
		SELECT i, CASE i WHEN 1 THEN 9 ELSE 8 END, '', '', '', '', 200, '', '', 0, '', 0 FROM n`)
	for _, c := range []struct {
		before id.Number
		want   int
	}{{0, 0}, {100_002, 0}, {100_001, 1}} {
		if got := get[[]gateway.Record](t)(s.Requests(ctx, gateway.RequestFilter{App: 9}, c.before, 9)); len(got) != c.want {
			t.Errorf("before %d: %d found, want %d", c.before, len(got), c.want)
		}
	}
}

func detailed(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	const wire = "POST /sms HTTP/1.1\n\nhi\n\nHTTP/1.1 201 Created\n"
	// The committer is held up, so that they all wait.
	hold, held := make(chan struct{}), make(chan struct{})
	stuck := make(chan error)
	go func() {
		r := incoming(s, 1, 1, "slow")
		r.Callback = func(sms.MO) *queue.Job { close(held); <-hold; return nil }
		stuck <- s.Receive(ctx, r)
	}()
	<-held
	var ids []id.Number
	for range 1200 {
		r := gateway.Record{ID: s.NextRequest(), Status: 201, Detail: wire}
		ids = append(ids, r.ID)
		s.Record(r)
	}
	close(hold)
	must(t, <-stuck)
	must(t, s.Close(ctx))
	s = Open(t, cfg)
	if got := get[[]gateway.Record](t)(s.Requests(ctx, gateway.RequestFilter{}, 0, 2000)); len(got) != len(ids) || got[len(got)-1].Detail != "" {
		t.Errorf("%d records, want %d; the list has the detail %q", len(got), len(ids), got[len(got)-1].Detail)
	}
	for i, want := range map[int]string{0: wire, 999: wire, 1000: "", 1199: ""} {
		r, ok, err := s.Request(ctx, ids[i])
		if err != nil || !ok || r.Detail != want {
			t.Errorf("record %d has the detail %q, want %q (%v %v)", i, r.Detail, want, ok, err)
		}
	}
	if n := count(t, cfg, `SELECT count(*) FROM request_detail`); n != 1000 {
		t.Errorf("%d details, want 1000", n)
	}
	must(t, s.Prune(ctx, now(), now().Add(time.Hour)))
	if n := count(t, cfg, `SELECT count(*) FROM request_detail`); n != 0 {
		t.Errorf("%d details outlive their requests", n)
	}
}
