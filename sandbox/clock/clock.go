// Package clock is the time of the virtual network.
//
// A virtual phone may answer after five seconds and a virtual centre may be ten seconds late. Both
// ask a [Clock], so that a test, or somebody who does not want to wait, can move the time by hand
// ([Manual]) instead of sleeping.
package clock

import (
	"container/heap"
	"sync"
	"time"
)

// Clock tells the time and calls back when some of it has passed.
type Clock interface {
	// Now is the time.
	Now() time.Time
	// AfterFunc calls f once after d, on a goroutine of the clock's choice; f must not block. The
	// stop it returns prevents that and reports whether it was in time. A d of 0 or less is due at
	// once.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// System is the clock of the machine.
var System Clock = system{}

type system struct{}

func (system) Now() time.Time { return time.Now() }

func (system) AfterFunc(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }

// Manual is a clock that stands still until [Manual.Advance]. Its zero value is not usable; see
// [NewManual]. All methods may be called at the same time.
type Manual struct {
	mu    sync.Mutex
	more  sync.Cond // a call was added
	now   time.Time
	seq   int
	alarm alarms
}

// NewManual returns a clock that stands at start.
func NewManual(start time.Time) *Manual {
	m := &Manual{now: start}
	m.more.L = &m.mu
	return m
}

// Now is the time the clock was moved to.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// AfterFunc is the one of [Clock]. What is due at once runs on a goroutine of its own, what comes
// due later on that of the caller of Advance.
func (m *Manual) AfterFunc(d time.Duration, f func()) func() bool {
	if d <= 0 {
		go f()
		return func() bool { return false }
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seq++
	a := &alarm{at: m.now.Add(d), seq: m.seq, f: f}
	heap.Push(&m.alarm, a)
	m.more.Broadcast()
	return func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		if a.f == nil {
			return false
		}
		a.f = nil // it stays in the heap until it comes due; nobody hears it
		return true
	}
}

// Advance moves the time by d. Whatever comes due on the way is called in the order of its time,
// with the clock standing at that time.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	end := m.now.Add(d)
	for len(m.alarm) > 0 && !m.alarm[0].at.After(end) {
		a := heap.Pop(&m.alarm).(*alarm)
		f := a.f
		a.f = nil
		if f == nil {
			continue
		}
		m.now = a.at
		m.mu.Unlock()
		f()
		m.mu.Lock()
	}
	m.now = end
	m.mu.Unlock()
}

// Pending is how many calls wait for their time.
func (m *Manual) Pending() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pending()
}

// Await blocks until at least n calls wait for their time, so that an Advance after it reaches them.
func (m *Manual) Await(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.pending() < n {
		m.more.Wait()
	}
}

func (m *Manual) pending() int {
	n := 0
	for _, a := range m.alarm {
		if a.f != nil {
			n++
		}
	}
	return n
}

type alarm struct {
	at  time.Time
	seq int // keeps the order of those due at one time
	f   func()
}

type alarms []*alarm

func (h alarms) Len() int { return len(h) }
func (h alarms) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}
func (h alarms) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *alarms) Push(x any)   { *h = append(*h, x.(*alarm)) }
func (h *alarms) Pop() any {
	old := *h
	a := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return a
}
