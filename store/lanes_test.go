package store

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"longlines/id"
	"longlines/message"
	"longlines/queue"
	"longlines/sms"
)

// node is a store with a queue at work, as long as the test lasts.
type node struct {
	*Store
	queue *queue.Dispatcher
	sent  atomic.Int64
	begun chan struct{} // a worker waits for gate, if there is one
	gate  chan struct{}
}

func work(t *testing.T, s *Store, gate chan struct{}) *node {
	t.Helper()
	n := &node{Store: s, queue: queue.New(queue.Config{Backend: s, Now: s.now}), begun: make(chan struct{}, 1), gate: gate}
	n.queue.Handle(queue.KindSubmit, queue.Policy{Work: n.submit})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.queue.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return n
}

func (n *node) submit(ctx context.Context, j queue.Job) error {
	if n.gate != nil {
		n.begun <- struct{}{}
		<-n.gate
	}
	err := n.Settle(ctx, &sms.Settlement{Job: j, MT: j.Ref, App: 7, State: message.StateDelivered, At: n.now()})
	if err == nil {
		n.sent.Add(1)
	}
	return err
}

// accept takes texts for the link east, as package sms does: held where the queue has a place for them.
func (n *node) accept(t *testing.T, texts int) {
	t.Helper()
	acc := &sms.Acceptance{}
	places := make([]queue.Slot, texts)
	first := n.NextMessage(texts)
	for i := range places {
		x := first + id.Number(i)
		j := queue.Job{ID: x, Kind: queue.KindSubmit, Lane: "east", Ref: x, Due: n.now(), Until: n.now().Add(time.Hour)}
		places[i], j.Held = n.queue.Reserve(j.Kind, j.Lane)
		acc.Rows = append(acc.Rows, sms.MT{ID: x, App: 7, To: "14255550100", Text: "x"})
		acc.Jobs = append(acc.Jobs, j)
	}
	if err := n.Accept(t.Context(), acc); err != nil {
		t.Fatal(err)
	}
	for i, j := range acc.Jobs {
		if j.Held {
			places[i].Push(j)
		}
	}
}

// within is eventually for what takes another node, or the time until a server counts as silent.
func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(2 * patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func TestPostgresTextsOfALinkThatIsDownHereAreSentWhereItIsUp(t *testing.T) {
	sa, sb := pair(t, nil)
	gate := make(chan struct{})
	a, b := work(t, sa, gate), work(t, sb, nil)
	var once sync.Once
	end := func() { once.Do(func() { close(gate) }) }
	t.Cleanup(end)
	a.queue.SetLane(queue.KindSubmit, "east", 1)
	a.accept(t, 500) // one is begun, the others wait in the node's memory
	<-a.begun
	a.queue.SetLane(queue.KindSubmit, "east", 0)
	b.queue.SetLane(queue.KindSubmit, "east", 10)
	for range 10 {
		a.accept(t, 100)
		b.accept(t, 100)
	}
	within(t, "the other node sends them", func() bool { return b.sent.Load() == 499+2000 })
	end()
	within(t, "what was begun ends where it was", func() bool { return a.sent.Load() == 1 })
	if jobs, err := a.Jobs(t.Context()); err != nil || len(jobs) != 0 {
		t.Errorf("left: %+v, %v", jobs, err)
	}
}

// A node goes on when its connections have fallen silent all at once, as in a failover: those that were idle and the
// one that was in use (docs/reference/reliability.md §3.0 R3).
func TestPostgresTheQueueOutlivesConnectionsThatFallSilent(t *testing.T) {
	ctx := context.Background() // as the reloading has it, which ends with the process
	var silence func()
	sa, sb := pair(t, func(i int, c *Config) {
		if i == 0 {
			c.URL, silence = through(t, c.URL)
		}
	})
	a := work(t, sa, nil)
	b := &node{Store: sb, queue: queue.New(queue.Config{Backend: sb})} // it only accepts
	a.queue.SetLane(queue.KindSubmit, "east", 10)
	b.accept(t, 1)
	within(t, "the queue works", func() bool { return a.sent.Load() == 1 })
	var conns [8]io.Closer // all there are
	for i := range conns {
		var err error
		if conns[i], err = a.read.Conn(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range conns {
		c.Close()
	}
	n := 0
	err := a.rows(ctx, "SELECT repeat('x', 1000) FROM generate_series(1, 100000)", nil, nil, func(*sql.Rows) error {
		if n++; n == 1 {
			silence()
			b.accept(t, 1)
		}
		return nil
	})
	if !errors.Is(err, errSilent) {
		t.Errorf("a read was answered with %d rows: %v", n, err)
	}
	within(t, "the queue works again", func() bool { return a.sent.Load() == 2 })
	within(t, "what is read is answered again", func() bool {
		_, err := a.Jobs(ctx)
		return err == nil
	})
	within(t, "the node writes again", func() bool { return a.Writable() == nil })
}

// through leads to the server of a URL. After silence nothing passes over the connections that are open then, and
// neither end hears of it; new ones work.
func through(t *testing.T, to string) (via string, silence func()) {
	t.Helper()
	cfg, err := pgx.ParseConfig(to)
	if err != nil {
		t.Fatal(err)
	}
	network, address := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var silent int // connections before it
	var open []net.Conn
	var pipes sync.WaitGroup
	pass := func(n int, from, to net.Conn) {
		defer to.Close()
		buf := make([]byte, 64<<10)
		for {
			k, err := from.Read(buf)
			mu.Lock()
			heard := n >= silent
			mu.Unlock()
			switch {
			case !heard && err != nil:
				return
			case !heard:
				continue
			}
			if _, e := to.Write(buf[:k]); e != nil || err != nil {
				return
			}
		}
	}
	pipes.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := cfg.DialFunc(context.Background(), network, address)
			if err != nil {
				client.Close()
				continue
			}
			mu.Lock()
			n := len(open)
			open = append(open, client, server)
			mu.Unlock()
			pipes.Go(func() { pass(n, client, server) })
			pipes.Go(func() { pass(n, server, client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		pipes.Wait()
	})
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = l.Addr().String()
	q := u.Query()
	q.Del("host")
	q.Del("port")
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	return u.String(), func() {
		mu.Lock()
		silent = len(open)
		mu.Unlock()
	}
}

func TestOnlyWhatIsOverIsClaimedAsExpired(t *testing.T) { claimsExpired(t, openTest(t, Config{})) }

func TestPostgresOnlyWhatIsOverIsClaimedAsExpired(t *testing.T) {
	a, _ := pair(t, nil)
	claimsExpired(t, a)
}

func claimsExpired(t *testing.T, s *Store) {
	ctx := t.Context()
	now := time.Now()
	acc := &sms.Acceptance{}
	add := func(lane string, due, until time.Time, held bool) id.Number {
		x := s.NextMessage(1)
		acc.Rows = append(acc.Rows, sms.MT{ID: x, App: 7, To: "14255550100"})
		acc.Jobs = append(acc.Jobs, queue.Job{ID: x, Kind: queue.KindSubmit, Lane: lane, Ref: x, Due: due, Until: until, Held: held})
		return x
	}
	past, future := now.Add(-time.Minute), now.Add(time.Hour)
	add("east", past, future, false)
	add("east", past, time.Time{}, false)
	add("east", past, past, true)
	add("west", past, past, false)
	want := map[id.Number]bool{}
	for range 40 {
		want[add("east", now.Add(-time.Hour), past, false)] = true
		want[add("east", future, past, false)] = true // tried before, and not due again in its time
	}
	if err := s.Accept(ctx, acc); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{50, 30, 0} {
		jobs, err := s.ClaimExpired(ctx, queue.KindSubmit, "east", 50)
		if err != nil || len(jobs) != n {
			t.Fatalf("%d claimed, want %d: %v", len(jobs), n, err)
		}
		for _, j := range jobs {
			if !want[j.ID] || j.Ref != j.ID || j.Lane != "east" {
				t.Errorf("claimed %+v", j)
			}
			delete(want, j.ID)
		}
	}
	if jobs, err := s.Claim(ctx, queue.KindSubmit, "east", 50); err != nil || len(jobs) != 2 {
		t.Errorf("%d are left: %v", len(jobs), err)
	}
}
