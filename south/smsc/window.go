package smsc

import (
	"context"
	"sync"
)

// window bounds the submits on their way, and those answered whose outcome is not durable yet. A text
// takes as many places as it has segments, all at once: two long texts that each held half of what
// they need would wait for each other for ever. Whoever waits is served in turn.
type window struct {
	mu    sync.Mutex
	max   int // as configured
	size  int // as it stands
	used  int
	late  int // texts whose answer is late
	queue []*claim
}

// claim is a text that waits for its places.
type claim struct {
	n     int
	got   int // 0 until granted
	ready chan struct{}
}

type windowState struct{ size, used int }

func newWindow(n int) *window { return &window{max: n, size: n} }

func (w *window) state() windowState {
	w.mu.Lock()
	defer w.mu.Unlock()
	return windowState{w.size, w.used}
}

// acquire takes n places, or the whole window if n is more, and says how many. The error is the
// context's.
func (w *window) acquire(ctx context.Context, n int) (int, error) {
	w.mu.Lock()
	if got := min(n, w.size); len(w.queue) == 0 && w.used+got <= w.size {
		w.used += got
		w.mu.Unlock()
		return got, nil
	}
	c := &claim{n: n, ready: make(chan struct{})}
	w.queue = append(w.queue, c)
	w.mu.Unlock()
	select {
	case <-c.ready:
		return c.got, nil
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.got > 0 {
		return c.got, nil // it was granted in the same moment
	}
	for i, other := range w.queue {
		if other == c {
			w.queue = append(w.queue[:i], w.queue[i+1:]...)
			break
		}
	}
	w.grant() // the one behind may need less
	return 0, ctx.Err()
}

// release gives places back.
func (w *window) release(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used -= n
	w.grant()
}

// grant serves those who wait, in turn. The caller holds mu.
func (w *window) grant() {
	for len(w.queue) > 0 {
		c := w.queue[0]
		got := min(c.n, w.size)
		if w.used+got > w.size {
			return
		}
		w.used += got
		c.got = got
		close(c.ready)
		w.queue[0] = nil
		w.queue = w.queue[1:]
	}
	w.queue = nil
}

// overdue notes that a text's answer is late: the window shrinks to one place, so that nothing more is
// put behind what the centre has not digested (docs/reference/reliability.md §3.3-1).
func (w *window) overdue() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late++
	w.size = 1
}

// settled notes that a late text has its answer, or never will.
func (w *window) settled() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late--
}

// shrink halves the window: the centre said that it was exceeded.
func (w *window) shrink() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.size = max(w.size/2, 1)
}

// grow adds a place after an answer in time, so that the window doubles with each round trip. It
// reports whether it grew.
func (w *window) grow() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.size >= w.max || w.late > 0 {
		return false
	}
	w.size++
	w.grant()
	return true
}
