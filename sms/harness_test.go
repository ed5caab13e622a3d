package sms_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"longlines/app"
	"longlines/callback"
	"longlines/id"
	"longlines/message"
	"longlines/number"
	"longlines/oauth"
	"longlines/queue"
	"longlines/sms"
	"longlines/store"
	"longlines/timeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline is how long a test waits for something that must happen.
const deadline = 15 * time.Second

const (
	alice = number.MSISDN("14255550100")
	bob   = number.MSISDN("14255550101")
	code  = number.ShortCode("48507")
)

// centre is a network of one link, as data: what it answers to whom.
type centre struct {
	mu        sync.Mutex
	answer    func(m message.SMS) ([]message.Ref, error) // default: one segment, id "m<row>"
	noRoute   bool
	other     string // alternative link
	gone      string // a link that no longer exists
	submitted chan message.SMS
	freed     atomic.Int64 // places in the window given back
}

func (c *centre) Route(level app.Level, from number.Address, to number.MSISDN) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.noRoute {
		return "", errors.New("no rule fits")
	}
	return "smsc", nil
}

func (c *centre) Alternative(level app.Level, link string, to number.MSISDN) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.other, c.other != "" && c.other != link
}

func (c *centre) Submit(ctx context.Context, link string, m message.SMS) ([]message.Ref, func(), error) {
	c.mu.Lock()
	answer, gone := c.answer, c.gone == link
	c.mu.Unlock()
	done := func() { c.freed.Add(1) }
	if gone {
		return nil, done, &message.Refusal{Class: message.ClassUnsent, Name: "link " + link + " does not run"}
	}
	refs, err := oneRef(m), error(nil)
	if answer != nil {
		refs, err = answer(m)
	}
	for i := range refs {
		refs[i].Group = "g"
	}
	select {
	case c.submitted <- m:
	default:
	}
	return refs, done, err
}

func oneRef(m message.SMS) []message.Ref {
	return []message.Ref{{ID: fmt.Sprintf("m%d", m.ID), Parts: 1}}
}

func (c *centre) set(f func(m message.SMS) ([]message.Ref, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = f
}

func refuse(class message.Class, code, name string) func(message.SMS) ([]message.Ref, error) {
	return func(message.SMS) ([]message.Ref, error) {
		return nil, &message.Refusal{Class: class, Code: code, Name: name}
	}
}

// posts keeps callbacks instead of posting them.
type posts chan callback.Post

// world is a platform without its HTTP and its wire.
type world struct {
	t      *testing.T
	svc    *sms.Service
	store  *store.Store
	queue  *queue.Dispatcher
	net    *centre
	apps   *app.Directory
	feed   *timeline.Feed
	posts  posts
	offset atomic.Int64
	pizza  *app.App // has a short code, both listeners
	poller *app.App // has no listener
	mute   *app.App // has no short code
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

// move sets the clock forward.
func (w *world) move(d time.Duration) { w.offset.Add(int64(d)) }

func newWorld(t *testing.T, change func(*sms.Config)) *world {
	t.Helper()
	w := &world{t: t, net: &centre{submitted: make(chan message.SMS, 4096)}, posts: make(posts, 1024)}
	ctx := context.Background()
	var err error
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if w.store, err = store.Open(ctx, store.Config{Ephemeral: true, Now: w.now, Log: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if w.apps, err = app.NewDirectory(ctx, w.store, app.Config{Now: w.now}); err != nil {
		t.Fatal(err)
	}
	create := func(a app.App) *app.App {
		t.Helper()
		a.Level, a.Scopes = app.LevelSandbox, []app.Scope{app.ScopeSMS}
		made, _, err := w.apps.Create(ctx, a, "")
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	w.pizza = create(app.App{Name: "pizza", ShortCodes: []number.ShortCode{code}, MessageListener: "http://127.0.0.1:9/mo", StatusListener: "http://127.0.0.1:9/dlr"})
	w.poller = create(app.App{Name: "poller", ShortCodes: []number.ShortCode{"77777", "00123"}})
	w.mute = create(app.App{Name: "mute"})
	w.queue = queue.New(queue.Config{Backend: w.store, Now: w.now, Log: log, Poll: 20 * time.Millisecond})
	w.queue.Handle(queue.KindCallback, queue.Policy{LaneWorkers: 4, Work: func(ctx context.Context, j queue.Job) error {
		p, err := callback.PostOf(j)
		if err != nil {
			return err
		}
		w.posts <- p
		return w.store.Attempted(ctx, callback.Attempt{Job: j, App: p.App, Subject: p.Subject, What: p.What, URL: p.URL, Number: 1, At: w.now(), Status: 200, Done: true})
	}})
	w.feed = timeline.New(1000, w.now)
	cfg := sms.Config{Store: w.store, Queue: w.queue, Network: w.net, Apps: w.apps, Sealer: w.store.Sealer(), Now: w.now, Timeline: w.feed, Log: log,
		PushStatus: func(m string, to number.MSISDN, status string) (string, []byte) {
			return "text/plain", []byte(m + " " + to.String() + " " + status)
		},
		PushSMS: func(name string, m sms.MO) (string, []byte) {
			return "text/plain", []byte(name + " " + m.From.String() + " " + m.Text)
		},
		Grace: 10 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	if w.svc, err = sms.New(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	w.queue.SetLane(queue.KindSubmit, "smsc", 8)
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 2)
	go func() { done <- w.queue.Run(run) }()
	go func() { done <- w.svc.Run(run) }()
	t.Cleanup(func() {
		stop()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	return w
}

// testLog sends the log to the test.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func (w *world) grant(a *app.App) oauth.Grant { return oauth.Grant{App: a, Scopes: a.Scopes} }

// send sends and fails the test if it is refused.
func (w *world) send(to ...number.MSISDN) sms.Sent {
	w.t.Helper()
	sent, err := w.svc.Send(context.Background(), w.grant(w.pizza), sms.Outgoing{Recipients: to, Text: "Hi", Notify: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return sent
}

// row waits until the recipient's row is as wanted.
func (w *world) row(n id.Number, want string, ok func(sms.MT) bool) sms.MT {
	w.t.Helper()
	var m sms.MT
	w.until(want, func() bool {
		var err error
		if m, err = w.store.MT(context.Background(), n); err != nil {
			w.t.Fatal(err)
		}
		return ok(m)
	})
	return m
}

func (w *world) state(n id.Number, s message.State) sms.MT {
	w.t.Helper()
	return w.row(n, "state "+s.String(), func(m sms.MT) bool { return m.State == s })
}

// until polls for a condition that another goroutine brings about.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	end := time.Now().Add(deadline)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(end) {
			w.t.Fatal("never: " + what)
		}
		<-tick.C
	}
}

func (w *world) submitted() message.SMS {
	w.t.Helper()
	select {
	case m := <-w.net.submitted:
		return m
	case <-time.After(deadline):
		w.t.Fatal("nothing was submitted")
		return message.SMS{}
	}
}

func (w *world) post() callback.Post {
	w.t.Helper()
	select {
	case p := <-w.posts:
		return p
	case <-time.After(deadline):
		w.t.Fatal("nothing was posted")
		return callback.Post{}
	}
}

// noPost fails the test if anything was posted.
func (w *world) noPost() {
	w.t.Helper()
	select {
	case p := <-w.posts:
		w.t.Fatalf("posted: %s", p.Body)
	default:
	}
}

func dlr(ref string, from number.MSISDN, state message.State) message.DLR {
	return message.DLR{Group: "g", ID: ref, From: from.Address(), State: state, Word: strings.ToUpper(state.String()), Done: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func (w *world) report(d message.DLR) {
	w.t.Helper()
	if err := w.svc.ReportDLR(context.Background(), d); err != nil {
		w.t.Fatal(err)
	}
}

// rematch lets the waiting receipts become old enough, and looks at them again.
func (w *world) rematch() {
	w.t.Helper()
	w.move(3 * time.Second)
	if err := w.svc.Rematch(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// noOrphan waits until no receipt waits for its text any more.
func (w *world) noOrphan() {
	w.t.Helper()
	w.until("no receipt waits any more", func() bool {
		left, err := w.store.Orphans(context.Background(), 0, w.now().Add(time.Hour), 10)
		return err == nil && len(left) == 0
	})
}

func (w *world) receive(from number.MSISDN, to number.ShortCode, text string) id.Number {
	w.t.Helper()
	n, err := w.svc.ReceiveSMS(context.Background(), message.Incoming{Group: "g", From: from.Address(), To: to.Address(), Text: text, Time: w.now()})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// deliver hands in a text to the poller's code as it came on a connection, and gives the number of its row.
func (w *world) deliver(conn int64, text string) id.Number {
	w.t.Helper()
	n, err := w.svc.ReceiveSMS(context.Background(), message.Incoming{Group: "g", From: alice.Address(), To: number.ShortCode("77777").Address(),
		Text: text, Hash: 42, Conn: conn})
	if err != nil || n == 0 {
		w.t.Fatal(n, err)
	}
	return n
}
