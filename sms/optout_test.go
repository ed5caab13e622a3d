package sms_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"longlines/message"
	"longlines/sms"
	"longlines/store"
)

// meddled is the store, with something that happens at the wrong moment.
type meddled struct {
	*store.Store
	read    atomic.Pointer[func()]       // after the next reading of the opt-outs, before it is used
	receive atomic.Pointer[func() error] // instead of the next reception
}

func (m *meddled) OptOuts(ctx context.Context) ([]sms.OptOut, error) {
	all, err := m.Store.OptOuts(ctx)
	if f := m.read.Swap(nil); f != nil {
		(*f)()
	}
	return all, err
}

func (m *meddled) Receive(ctx context.Context, r *sms.Reception) error {
	if f := m.receive.Swap(nil); f != nil {
		return (*f)()
	}
	return m.Store.Receive(ctx, r)
}

func newMeddled(t *testing.T) (*world, *meddled) {
	t.Helper()
	m := &meddled{}
	w := newWorld(t, func(c *sms.Config) {
		m.Store = c.Store.(*store.Store)
		c.Store = m
	})
	return w, m
}

func (w *world) reload() {
	w.t.Helper()
	if err := w.svc.ReloadOptOuts(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

func TestWhatIsSaidDuringAReloadIsKept(t *testing.T) {
	for _, c := range []struct {
		name   string
		before []string
		during func(w *world)
		out    bool
	}{
		{"a STOP", nil, func(w *world) { w.receive(alice, code, "STOP") }, true},
		{"a START", []string{"STOP"}, func(w *world) { w.receive(alice, code, "START") }, false},
		{"a STOP and a START", nil, func(w *world) { w.receive(alice, code, "STOP"); w.receive(alice, code, "START") }, false},
		{"a START and a STOP", []string{"STOP"}, func(w *world) { w.receive(alice, code, "START"); w.receive(alice, code, "STOP") }, true},
		{"the operator's word", nil, func(w *world) {
			if err := w.svc.SetOptOut(context.Background(), sms.OptOut{App: w.pizza.ID, From: alice, Word: "letter"}); err != nil {
				w.t.Error(err)
			}
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, m := newMeddled(t)
			for _, word := range c.before {
				w.receive(alice, code, word)
			}
			f := func() { c.during(w) }
			m.read.Store(&f)
			w.reload()
			if got := w.svc.OptedOut(w.pizza.ID, alice); got != c.out {
				t.Errorf("after the reload: opted out %v", got)
			}
			w.reload()
			if got := w.svc.OptedOut(w.pizza.ID, alice); got != c.out {
				t.Errorf("after another: opted out %v", got)
			}
		})
	}
}

// The opt-out was recorded by another node, and the STOP that came here could not be.
func TestAStopThatFailsDoesNotUndoOneThatAReloadHasFound(t *testing.T) {
	w, m := newMeddled(t)
	f := func() error {
		if err := m.SetOptOut(context.Background(), sms.OptOut{App: w.pizza.ID, From: alice, Word: "STOP", At: w.now()}); err != nil {
			return err
		}
		w.reload()
		return errors.New("no space")
	}
	m.receive.Store(&f)
	if n, err := w.svc.ReceiveSMS(context.Background(), message.Incoming{Group: "g", From: alice.Address(), To: code.Address(), Text: "STOP"}); err == nil {
		t.Fatal("stored as", n)
	}
	if !w.svc.OptedOut(w.pizza.ID, alice) {
		t.Error("forgotten")
	}
}

func TestAStopThatFailsIsNone(t *testing.T) {
	w, m := newMeddled(t)
	f := func() error { w.reload(); return errors.New("no space") }
	m.receive.Store(&f)
	if n, err := w.svc.ReceiveSMS(context.Background(), message.Incoming{Group: "g", From: alice.Address(), To: code.Address(), Text: "STOP"}); err == nil {
		t.Fatal("stored as", n)
	}
	if w.svc.OptedOut(w.pizza.ID, alice) {
		t.Error("opted out, and the centre was told that we do not have it")
	}
}

// A START that comes while a STOP is being stored, over another link, waits for it: it must neither be stored before it
// nor forgotten after it. Who cannot wait is told so.
func TestAWordWaitsForTheOneBeforeIt(t *testing.T) {
	w, m := newMeddled(t)
	in := message.Incoming{Group: "h", From: alice.Address(), To: code.Address(), Text: "START"}
	early := func() error { t.Error("stored while the STOP was being stored"); return nil }
	f := func() error {
		m.receive.Store(&early)
		defer m.receive.Store(nil)
		short, stop := context.WithCancel(context.Background())
		stop()
		if n, err := w.svc.ReceiveSMS(short, in); !errors.Is(err, context.Canceled) {
			t.Errorf("stored as %d, %v", n, err)
		}
		return nil
	}
	m.receive.Store(&f)
	w.receive(alice, code, "STOP")
	if !w.svc.OptedOut(w.pizza.ID, alice) {
		t.Error("the STOP does not count")
	}
}

// Whatever comes over two links at once, while opt-outs are read again: what is remembered is what is stored.
func TestOptOutsInMemoryAreThoseInTheStore(t *testing.T) {
	w := newWorld(t, nil)
	ctx := context.Background()
	for range 100 {
		var wg sync.WaitGroup
		for _, word := range []string{"STOP", "START"} {
			wg.Go(func() {
				if _, err := w.svc.ReceiveSMS(ctx, message.Incoming{Group: "g", From: alice.Address(), To: code.Address(), Text: word}); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if err := w.svc.ReloadOptOuts(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		all, err := w.store.OptOuts(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if remembered := w.svc.OptedOut(w.pizza.ID, alice); remembered != (len(all) == 1) {
			t.Fatalf("remembered %v, stored %+v", remembered, all)
		}
	}
}

func TestKeyword(t *testing.T) {
	for _, tt := range []struct {
		text        string
		stop, start bool
	}{
		{"STOP", true, false}, {"stop", true, false}, {" Stop. ", true, false}, {"stop!!!", true, false}, {"\"STOP\"", true, false},
		{"STOPALL", true, false}, {"stop all", true, false}, {"Unsubscribe", true, false}, {"CANCEL", true, false}, {"end", true, false},
		{"Quit\n", true, false}, {"revoke", true, false}, {"OPTOUT", true, false}, {"opt out", true, false}, {"Opt-Out", true, false}, {"opt  out", true, false},
		{"(stop)", true, false}, {"ＳＴＯＰ", false, false}, {"st\u200bop", true, false}, {"STOP 🛑", true, false},
		{"START", false, true}, {"unstop", false, true}, {"Yes!", false, true},
		{"please stop", false, false}, {"stop it", false, false}, {"non-stop", false, false}, {"", false, false}, {"...", false, false},
		{"s t o p", false, false}, {"stopp", false, false}, {"the end", false, false}, {strings.Repeat(" ", 300) + "stop", false, false},
	} {
		if _, stop, start := sms.Keyword(tt.text); stop != tt.stop || start != tt.start {
			t.Errorf("Keyword(%q) = %v, %v", tt.text, stop, start)
		}
	}
}

// A word is a word however it is decorated, and never both a stop and a start.
func FuzzKeyword(f *testing.F) {
	for _, s := range []string{"STOP", "opt out", "yes", "\xff", "İ", "stop\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		word, stop, start := sms.Keyword(text)
		if stop && start {
			t.Fatalf("%q is both", text)
		}
		if len(word) > 64 {
			t.Fatalf("%q has the word %q", text, word)
		}
		if _, again, _ := sms.Keyword(" ..." + text + "!! "); len(text) < 200 && again != stop {
			t.Fatalf("%q: %v, decorated %v", text, stop, again)
		}
	})
}
