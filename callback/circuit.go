package callback

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"longlines/queue"
)

// Lanes is how an endpoint is paused: the lane of its posts gets no workers. *queue.Dispatcher is it.
type Lanes interface {
	SetLane(kind queue.Kind, name string, workers int)
	RemoveLane(kind queue.Kind, name string)
}

// circuits pauses endpoints that only fail: after so many failures in a row the lane gets no workers,
// then, after a while, one worker for one post, the probe, and so on until a post succeeds
// (docs/reference/reliability.md §3.7). An endpoint that works has no entry here.
type circuits struct {
	limit int           // failures in a row
	every time.Duration // between probes
	now   func() time.Time
	lanes Lanes // nil: endpoints are never paused

	mu  sync.Mutex
	all map[string]*circuit
}

const (
	maxCircuits = 10_000         // endpoints watched; beyond it none is paused
	forgotten   = 24 * time.Hour // after which an endpoint nobody posts to is watched no more
)

type circuit struct {
	failures int
	open     bool      // paused or being probed
	probing  bool      // its lane has one worker
	at       time.Time // of the last change
}

// leave notes how a post went.
func (c *circuits) leave(lane string, ok bool) {
	if c.lanes == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.all[lane]
	if ok {
		if e == nil {
			return
		}
		delete(c.all, lane)
		if e.open {
			// What waits goes back to the table, and the lane appears again with all its workers.
			c.lanes.RemoveLane(queue.KindCallback, lane)
		}
		return
	}
	if e == nil {
		if len(c.all) >= maxCircuits {
			return
		}
		e = &circuit{}
		c.all[lane] = e
	}
	e.failures++
	if e.failures >= c.limit {
		e.open, e.probing = true, false
		c.lanes.SetLane(queue.KindCallback, lane, 0)
	}
	e.at = c.now()
}

// probe gives a worker to the endpoints that have been paused long enough.
func (c *circuits) probe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for lane, e := range c.all {
		switch {
		case e.open && !e.probing && now.Sub(e.at) >= c.every:
			e.probing, e.at = true, now
			c.lanes.SetLane(queue.KindCallback, lane, 1)
		case now.Sub(e.at) >= forgotten:
			delete(c.all, lane)
			if e.open {
				c.lanes.RemoveLane(queue.KindCallback, lane)
			}
		}
	}
}

// paused lists the endpoints that are paused or being probed now.
func (c *circuits) paused() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var l []string
	for _, lane := range slices.Sorted(maps.Keys(c.all)) {
		if c.all[lane].open {
			l = append(l, lane)
		}
	}
	return l
}

// Run probes paused endpoints until the context ends, then returns nil. Without it an endpoint that
// was paused stays so.
func (p *Poster) Run(ctx context.Context) error {
	t := time.NewTicker(min(p.cfg.Probe, time.Second))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			p.client.CloseIdleConnections()
			return nil
		case <-t.C:
			p.circuits.probe()
		}
	}
}
