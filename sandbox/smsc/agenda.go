package smsc

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"longlines/sandbox/clock"
)

// agenda is what is to be done at a later time, by one goroutine however much it is.
type agenda struct {
	clock clock.Clock
	wake  chan struct{} // holds one

	mu    sync.Mutex
	tasks tasks
	seq   uint64
	armed time.Time // when the clock will call; zero: never
	stop  func() bool
}

type task struct {
	at  time.Time
	seq uint64 // keeps the order of those due at one time
	do  func()
}

func newAgenda(c clock.Clock) *agenda { return &agenda{clock: c, wake: make(chan struct{}, 1)} }

// at has do called at a time, at once if that has passed. Do must not block.
func (a *agenda) at(t time.Time, do func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seq++
	heap.Push(&a.tasks, task{t, a.seq, do})
	a.arm()
}

// len is how much is to be done.
func (a *agenda) len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.tasks)
}

// arm asks the clock for a call at the time of the first task. a.mu is held.
func (a *agenda) arm() {
	if len(a.tasks) == 0 {
		return
	}
	first := a.tasks[0].at
	if !a.armed.IsZero() && !first.Before(a.armed) {
		return
	}
	if a.stop != nil {
		a.stop()
	}
	a.armed = first
	a.stop = a.clock.AfterFunc(first.Sub(a.clock.Now()), a.poke)
}

func (a *agenda) poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// run does what is due until ctx ends; what is left then is never done.
func (a *agenda) run(ctx context.Context) {
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.stop != nil {
			a.stop()
		}
	}()
	for {
		a.mu.Lock()
		now := a.clock.Now()
		if len(a.tasks) > 0 && !a.tasks[0].at.After(now) {
			t := heap.Pop(&a.tasks).(task)
			a.mu.Unlock()
			t.do()
			continue
		}
		if !a.armed.After(now) {
			a.armed = time.Time{} // that call has come, or is about to and will find nothing
		}
		a.arm()
		a.mu.Unlock()
		select {
		case <-a.wake:
		case <-ctx.Done():
			return
		}
	}
}

type tasks []task

func (h tasks) Len() int { return len(h) }
func (h tasks) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}
func (h tasks) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *tasks) Push(x any)   { *h = append(*h, x.(task)) }
func (h *tasks) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = task{}
	*h = old[:len(old)-1]
	return t
}
