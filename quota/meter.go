package quota

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what a [Meter] may be given; only Source is mandatory.
type Config struct {
	Source Source
	Now    func() time.Time // wall clock; default time.Now
	// Keys is how many counters are kept in memory, default 100,000. Beyond it the one idle for
	// longest (of a few) is forgotten, with at most one block of each window.
	Keys int
	// LeaseTimeout is how long the source may take for a block, default 10 s.
	LeaseTimeout time.Duration
}

// Meter spends units from blocks in memory. It is safe for concurrent use.
//
// A block is a tenth of the limit, from 1 to 10,000 units, and is leased in two halves: the second
// is fetched in the background while the first is being spent. What is leased and not yet spent
// never exceeds one block per window, so that is all a crash can forfeit.
type Meter struct {
	src     Source
	now     func() time.Time
	timeout time.Duration
	perPart int

	ctx    context.Context
	stop   context.CancelFunc
	ending sync.Mutex // between starting a lease and closing
	leases sync.WaitGroup

	seed  maphash.Seed
	parts [16]part
}

type part struct {
	mu   sync.RWMutex
	keys map[Key]*counter
}

// counter holds the two windows of a key.
type counter struct {
	mu   sync.Mutex
	win  [2]window
	used atomic.Int64 // second of the last call, for eviction
}

type window struct {
	start   int64 // second since 1970
	limit   int64 // the limit for which the rest holds
	left    int64 // leased and not spent
	charged int64 // as far as this node knows, by all nodes
	owed    int64 // counted without being spent, see Count
	dry     bool  // the source has nothing more for this limit
	waiting int64 // callers that wait for the lease
	lease   *lease
}

// lease is one question to the source, shared by all who wait for its answer.
type lease struct {
	done chan struct{}
	err  error
}

// Verdict is the answer to a call.
type Verdict struct {
	OK        bool
	Window    Window // the one that refused, if not OK
	Limit     Limit
	Remaining [2]int64         // units left in each window, as this node knows
	Reset     [2]time.Duration // until each window ends

	start [2]int64 // of the windows the unit was taken from; untaken where there was none
}

// untaken is the start of no window.
const untaken = -1

// RetryAfter is how long to wait after a refusal: until the window that refused ends.
func (v Verdict) RetryAfter() time.Duration { return v.Reset[v.Window] }

// ErrClosed is returned after Close.
var ErrClosed = errors.New("quota meter is closed")

// New returns a Meter.
func New(c Config) (*Meter, error) {
	if c.Source == nil {
		return nil, errors.New("quota: a source is needed")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Keys <= 0 {
		c.Keys = 100_000
	}
	if c.LeaseTimeout <= 0 {
		c.LeaseTimeout = 10 * time.Second
	}
	m := &Meter{src: c.Source, now: c.Now, timeout: c.LeaseTimeout, seed: maphash.MakeSeed()}
	m.perPart = max(1, c.Keys/len(m.parts))
	m.ctx, m.stop = context.WithCancel(context.Background())
	for i := range m.parts {
		m.parts[i].keys = map[Key]*counter{}
	}
	return m, nil
}

// Close ends the leases under way and waits for them. Closing twice does no harm.
func (m *Meter) Close() {
	m.ending.Lock()
	m.stop()
	m.ending.Unlock()
	m.leases.Wait()
}

// Block is how many units of a window may be leased and unspent: a tenth of the limit, at least 1
// and at most 10,000.
func Block(limit int64) int64 { return min(max(limit/10, 1), 10_000) }

// Spend takes one unit of both windows, or of neither. The minute is asked first. It waits only
// when the block in memory is used up, and then together with all others for one lease; its error
// is the source's, or the context's.
func (m *Meter) Spend(ctx context.Context, k Key, lim Limit) (Verdict, error) {
	c := m.counter(k)
	for {
		now := m.now()
		c.mu.Lock()
		c.roll(now, lim)
		dry := -1
		need := -1
		for i := range c.win {
			w := &c.win[i]
			if w.available() > 0 {
				continue
			}
			if w.dry {
				dry = i
				break
			}
			if need < 0 {
				need = i
			}
		}
		switch {
		case dry >= 0:
			v := c.verdict(now, lim)
			v.Window = Window(dry)
			c.mu.Unlock()
			return v, nil
		case need < 0:
			for i := range c.win {
				c.win[i].left--
			}
			v := c.verdict(now, lim)
			v.OK = true
			for i := range c.win {
				m.prefetch(k, c, Window(i))
			}
			c.mu.Unlock()
			return v, nil
		}
		// Both windows are filled at the same time; we wait for the first one that is empty.
		for i := range c.win {
			if w := &c.win[i]; w.available() <= 0 && !w.dry {
				m.fetch(k, c, Window(i), 1)
			}
		}
		w := &c.win[need]
		l := w.lease
		if l == nil {
			dry := w.dry // a limit of nothing
			c.mu.Unlock()
			if dry {
				continue
			}
			return Verdict{}, ErrClosed
		}
		w.waiting++
		c.mu.Unlock()
		var err error
		select {
		case <-l.done:
			if l.err != nil {
				err = fmt.Errorf("lease quota of the %s: %w", Window(need), l.err)
			}
		case <-ctx.Done():
			err = fmt.Errorf("wait for quota: %w", ctx.Err())
		}
		c.mu.Lock()
		w.waiting--
		c.mu.Unlock()
		if err != nil {
			return Verdict{}, err
		}
	}
}

// Count takes a unit without ever refusing or waiting: for calls that must not be turned away (E911,
// Revoke; docs/reference/errors.md §6). Beyond the limit it is not counted.
func (m *Meter) Count(k Key, lim Limit) Verdict {
	c := m.counter(k)
	now := m.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roll(now, lim)
	var without [2]bool
	for i := range c.win {
		w := &c.win[i]
		without[i] = w.available() <= 0
		switch {
		case !without[i]:
			w.left--
		case !w.dry:
			w.owed = min(w.owed+1, w.limit)
		}
		m.prefetch(k, c, Window(i))
	}
	v := c.verdict(now, lim)
	v.OK = true
	for i := range without {
		if without[i] {
			v.start[i] = untaken
		}
	}
	return v
}

// GiveBack returns the unit of a verdict that was OK (a 5xx, a replay; docs/reference/reliability.md
// §3.7 Quota) to the windows it came from, if they are still running. A window from which [Meter.Count]
// could take none gets none: one that is owed may never be paid, and then there would be one more than
// the limit. The verdict it gives is no longer OK, and has the unit among what remains.
func (m *Meter) GiveBack(k Key, v Verdict) Verdict {
	if !v.OK {
		return v
	}
	v.OK = false
	c := m.counter(k)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.win {
		if v.start[i] == untaken {
			continue
		}
		v.Remaining[i]++
		if w := &c.win[i]; w.start == v.start[i] && w.left < w.limit {
			w.left++
		}
	}
	return v
}

// Look is the state of a key without spending, for an operator: it asks the source. What other nodes
// have leased and not spent counts as spent. Its error is the source's.
func (m *Meter) Look(ctx context.Context, k Key, lim Limit) (Verdict, error) {
	now := m.now()
	var used [2]int64
	for w := range used {
		n, err := m.src.Used(ctx, k, Window(w), Window(w).Start(now))
		if err != nil {
			return Verdict{}, fmt.Errorf("read quota of the %s: %w", Window(w), err)
		}
		used[w] = n
	}
	c := m.counter(k)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roll(now, lim)
	v := c.verdict(now, lim)
	for w := range used {
		v.Remaining[w] = max(0, c.win[w].limit-max(used[w], c.win[w].charged)+c.win[w].left)
	}
	v.OK = v.Remaining[Minute] > 0 && v.Remaining[Day] > 0
	return v, nil
}

func (m *Meter) counter(k Key) *counter {
	p := &m.parts[maphash.Comparable(m.seed, k)%uint64(len(m.parts))]
	p.mu.RLock()
	c := p.keys[k]
	p.mu.RUnlock()
	if c != nil {
		return c
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c = p.keys[k]; c != nil {
		return c
	}
	if len(p.keys) >= m.perPart {
		p.evict()
	}
	c = &counter{}
	c.used.Store(m.now().Unix())
	p.keys[k] = c
	return c
}

// evict forgets the longest idle of a few counters. Whoever still holds it spends units that were
// charged, so nothing is admitted twice.
func (p *part) evict() {
	var oldest Key
	var since int64
	n := 0
	for k, c := range p.keys {
		if u := c.used.Load(); n == 0 || u < since {
			oldest, since = k, u
		}
		if n++; n == 16 {
			break
		}
	}
	delete(p.keys, oldest)
}

const daySeconds = 86_400 // a UTC day always has these in Unix time

// roll starts new windows when their time has come. A clock that steps back stays in the windows it
// has seen, so it does not fill them again (docs/reference/reliability.md T20).
func (c *counter) roll(now time.Time, lim Limit) {
	t := now.Unix()
	if c.used.Load() != t {
		c.used.Store(t)
	}
	c.win[Minute].roll(t-t%60, lim.PerMinute)
	c.win[Day].roll(t-t%daySeconds, lim.PerDay)
}

func (w *window) roll(start, limit int64) {
	if start > w.start {
		// An answer still on its way is for the old window and is dropped; see fetch.
		*w = window{start: start, limit: limit, waiting: w.waiting}
		return
	}
	if limit != w.limit {
		w.limit, w.dry = limit, false // raised or lowered by the operator
	}
}

// available is what may be spent now. A limit that was lowered holds at once, although units were
// leased under the old one.
func (w *window) available() int64 {
	if over := w.charged - w.left - w.limit; over >= 0 {
		return 0
	}
	return w.left
}

func (c *counter) verdict(now time.Time, lim Limit) Verdict {
	v := Verdict{Limit: lim}
	length := [2]int64{60, daySeconds}
	for i := range c.win {
		w := &c.win[i]
		v.start[i] = w.start
		v.Remaining[i] = max(0, w.limit-w.charged+w.left)
		if w.dry {
			v.Remaining[i] = max(0, w.available())
		}
		v.Reset[i] = time.Unix(w.start+length[i], 0).Sub(now)
	}
	return v
}

// prefetch asks for the second half of the block while the first is being spent.
func (m *Meter) prefetch(k Key, c *counter, i Window) {
	w := &c.win[i]
	block := Block(w.limit)
	half := (block + 1) / 2
	if w.lease == nil && !w.dry && w.left+half <= block && (w.left < half || w.owed > 0) {
		m.fetch(k, c, i, 0)
	}
}

// fetch starts a lease unless one is under way. c.mu is held; at least is how many are wanted now.
func (m *Meter) fetch(k Key, c *counter, i Window, least int64) {
	w := &c.win[i]
	if w.lease != nil || w.dry {
		return
	}
	if w.limit <= 0 {
		w.dry = true
		return
	}
	m.ending.Lock()
	if m.ctx.Err() != nil {
		m.ending.Unlock()
		return
	}
	m.leases.Add(1)
	m.ending.Unlock()
	block := Block(w.limit)
	// As many as wait, so that a crowd is not served in tiny blocks, but never more than a block.
	want := max((block+1)/2, w.waiting+least, w.owed)
	want = min(want, block-w.left, max(0, w.limit-w.charged+w.owed))
	want = max(want, 1)
	l := &lease{done: make(chan struct{})}
	w.lease = l
	start, limit := w.start, w.limit
	go func() {
		defer m.leases.Done()
		ctx, cancel := context.WithTimeout(m.ctx, m.timeout)
		defer cancel()
		at := time.Unix(start, 0).UTC()
		got, err := m.src.Lease(ctx, k, i, at, want, limit)
		charged := int64(-1)
		if err == nil && got == want {
			// Other nodes may have charged the window too; the caller is told what is left of it.
			if n, uerr := m.src.Used(ctx, k, i, at); uerr == nil {
				charged = n
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		l.err = err
		close(l.done)
		w := &c.win[i]
		if w.lease != l {
			return // the window is over; its units are forfeited
		}
		w.lease = nil
		if err != nil {
			return
		}
		paid := min(w.owed, got)
		w.owed -= paid
		w.left += got - paid
		switch {
		case charged >= 0:
			w.charged = charged
		case got < want: // all of it, or more if the limit has been lowered
			w.charged = max(w.charged+got, limit)
		default:
			w.charged += got
		}
		// Nothing is ever given back to the source, so a window charged to its limit stays so.
		if (got < want || charged >= limit) && limit == w.limit {
			w.dry = true
		}
	}()
}
