package smsc

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pace says when the next segment may go out: by the link's rate, and by what the centre bears. A
// centre that throttles stops the link for a moment and halves its pace; the pace grows back while
// the centre takes what it gets (docs/reference/reliability.md §3.4 THR).
type pace struct {
	base  rate.Limit // as configured
	now   func() time.Time
	rand  func() float64
	sleep func(context.Context, time.Duration) error

	mu      sync.Mutex
	limiter *rate.Limiter
	until   time.Time // nothing goes out before
	began   time.Time // of the last pause: what was sent before it tells nothing new
	step    int       // pauses in a row
	raised  time.Time
	floor   rate.Limit // the pace after the last halving

	tick time.Time // of the measured rate
	sent int       // since tick
	seen float64   // a second, in the interval before
}

func newPace(perSecond float64, now func() time.Time, random func() float64, sleep func(context.Context, time.Duration) error) *pace {
	base := rate.Inf
	if perSecond > 0 {
		base = rate.Limit(perSecond)
	}
	// A burst of one: what a centre counts in a second must never be exceeded, whenever it begins to count.
	return &pace{base: base, now: now, rand: random, sleep: sleep, limiter: rate.NewLimiter(base, 1), tick: now()}
}

// state is the pace in segments a second, 0 for no limit, and the end of a pause.
func (p *pace) state() (perSecond float64, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.limiter.Limit(); l != rate.Inf {
		perSecond = float64(l)
	}
	return perSecond, p.until
}

// wait returns when one segment may go out, with the moment; the error is the context's.
func (p *pace) wait(ctx context.Context) (time.Time, error) {
	for {
		p.mu.Lock()
		now := p.now()
		if d := p.until.Sub(now); d > 0 {
			p.mu.Unlock()
			if err := p.sleep(ctx, d); err != nil {
				return now, err
			}
			continue
		}
		p.measure(now)
		r := p.limiter.ReserveN(now, 1)
		p.mu.Unlock()
		d := r.DelayFrom(now)
		if d <= 0 {
			return now, nil
		}
		if err := p.sleep(ctx, d); err != nil {
			r.CancelAt(p.now())
			return now, err
		}
		now = p.now()
		p.mu.Lock()
		stopped := p.until.After(now)
		p.mu.Unlock()
		if !stopped {
			return now, nil
		}
	}
}

// measure counts what goes out. The caller holds mu.
func (p *pace) measure(now time.Time) {
	if d := now.Sub(p.tick); d >= time.Second || d < 0 {
		p.seen = float64(p.sent) / max(d.Seconds(), 1)
		p.tick, p.sent = now, 0
	}
	p.sent++
}

// throttled pauses the link: 1 s, doubling up to 60 s while it happens again and again, each ±20 %.
// sent is when the segment went out that the centre did not want; one from before the last pause
// changes nothing. It reports whether a pause began.
func (p *pace) throttled(sent time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Before(p.until) || sent.Before(p.began) {
		return false
	}
	p.step++
	d := doubled(time.Second, p.step, 60*time.Second)
	d = time.Duration(float64(d) * (0.8 + 0.4*p.rand()))
	p.began, p.until = now, now.Add(d)
	limit := p.limiter.Limit()
	if limit == rate.Inf {
		limit = rate.Limit(max(p.seen, float64(p.sent)))
	}
	p.floor = max(limit/2, min(1, p.base))
	p.limiter.SetLimitAt(now, p.floor)
	p.raised = p.until
	return true
}

// took notes that the centre took a segment sent at the moment given: the pauses are short again,
// and once a second the pace grows by a quarter, up to the rate of the link.
func (p *pace) took(sent time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.step > 0 && !sent.Before(p.until) {
		p.step = 0
	}
	limit := p.limiter.Limit()
	if limit == p.base {
		return
	}
	now := p.now()
	if now.Sub(p.raised) < time.Second {
		return
	}
	p.raised = now
	next := min(limit*1.25, p.base)
	if p.base == rate.Inf && next > 8*p.floor {
		next = rate.Inf // it bears eight times what it bore then: whatever was, is over
	}
	p.limiter.SetLimitAt(now, next)
}

// ESME_RMSGQFUL to this many handsets within fullWithin, and none taken meanwhile, is a full centre.
const (
	fullHandsets = 4
	fullWithin   = 10 * time.Second
)

// fullQueue tells the full queues of some handsets from a full centre: ESME_RMSGQFUL says no more than
// that something is full.
type fullQueue struct {
	mu    sync.Mutex
	takes bool          // the centre takes texts, but for these few handsets
	few   []fullHandset // refused since the last text it took; fewer than fullHandsets
}

type fullHandset struct {
	dest string
	at   time.Time
}

// full notes the status for a destination and reports whether only that destination is full.
func (f *fullQueue) full(dest string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	// What is long past proves nothing: at night the texts to full handsets may be all that is tried.
	f.few = slices.DeleteFunc(f.few, func(h fullHandset) bool { return h.dest == dest || now.Sub(h.at) > fullWithin })
	f.few = append(f.few, fullHandset{dest, now})
	if len(f.few) == fullHandsets {
		f.takes, f.few = false, f.few[:0]
	}
	return f.takes
}

// took notes that the centre took a segment.
func (f *fullQueue) took() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.takes, f.few = true, f.few[:0]
}
