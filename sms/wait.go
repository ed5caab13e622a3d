package sms

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"longlines/fault"
	"longlines/id"
)

// waiting are the callers who wait for the network's verdict on what they sent (product decision 3).
type waiting struct {
	n  atomic.Int64 // rows waited for, so that the usual case takes no lock
	mu sync.Mutex
	by map[id.Number]*waiter
}

// waiter is one such caller. A text refused while its caller waits is refused to the caller's face:
// the responsibility goes back and the text is failed for good, also where it would otherwise be
// tried again. So a verdict and the end of the waiting exclude each other.
type waiter struct {
	mu      sync.Mutex
	single  bool // one recipient
	left    int  // recipients without a verdict
	gone    bool // the caller has been answered
	claimed bool // a refusal is being made durable: the caller waits on for it
	err     error
	done    chan struct{} // closed when the answer is known
	closed  bool
}

func (w *waiting) register(rows []MT) *waiter {
	c := &waiter{single: len(rows) == 1, left: len(rows), done: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by == nil {
		w.by = map[id.Number]*waiter{}
	}
	for i := range rows {
		w.by[rows[i].ID] = c
	}
	w.n.Add(int64(len(rows)))
	return c
}

func (w *waiting) forget(rows []MT) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range rows {
		delete(w.by, rows[i].ID)
	}
	w.n.Add(-int64(len(rows)))
}

// get gives who waits for a row, or nil.
func (w *waiting) get(n id.Number) *waiter {
	if w.n.Load() == 0 {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.by[n]
}

// claim announces a refusal before it is made durable. It reports whether the caller will hear it;
// then the refusal must be final.
func (w *waiter) claim(temporary bool) bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone || w.closed || temporary && !w.single {
		return false
	}
	w.claimed = w.single
	return true
}

// verdict gives the outcome for one recipient: nil for a yes. The caller hears a no only if all
// recipients were refused: else some have the text, and an error would make the app send it again.
func (w *waiter) verdict(err error) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.claimed = false
	if w.closed {
		return
	}
	w.left--
	if err != nil && w.err == nil {
		w.err = err
	}
	if err == nil {
		w.err = nil
		w.closed = true
	} else if w.left == 0 {
		w.closed = true
	}
	if w.closed {
		close(w.done)
	}
}

// wait gives the fault of a text refused within the time, or nil.
func (w *waiter) wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-w.done:
	case <-t.C:
	case <-ctx.Done():
	}
	w.mu.Lock()
	if !w.closed && w.claimed {
		// The refusal is being committed. Its answer comes in moments; a caller who has gone away
		// is the only one not to hear it.
		w.mu.Unlock()
		select {
		case <-w.done:
		case <-ctx.Done():
		}
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	w.gone = true
	if !w.closed {
		return nil
	}
	return w.err
}

// refusalFault is the network's no as the published table spells it.
func refusalFault(code, name string) error {
	switch code {
	case "SMPP-0064":
		return fault.SMPPTemporary
	case "SMPP-0066":
		return fault.SMPPInvalidDestination
	case "SMPP-000B":
		return fault.SMPPNotProvisioned
	case "":
		return fault.Dependency.With(name)
	}
	return fault.Dependency.With(code + " " + name)
}

// release takes back a claim whose refusal could not be made durable.
func (w *waiter) release() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.claimed = false
	if !w.closed && w.single {
		w.closed = true
		close(w.done)
	}
}
