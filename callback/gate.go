package callback

import (
	"context"
	"sync"
)

// gates bound the posts under way to one endpoint. They are not the workers of its lane: a worker has
// its place back only once the outcome is durable, and an endpoint that answers at once should not
// wait for our disk.
type gates struct {
	mu  sync.Mutex
	all map[string]*gate // endpoints with a post under way, or waiting
}

type gate struct {
	users  int
	places chan struct{}
}

// pass waits for a place; leave gives it back. The error is the context's.
func (g *gates) pass(ctx context.Context, endpoint string) (leave func(), err error) {
	g.mu.Lock()
	x := g.all[endpoint]
	if x == nil {
		if g.all == nil {
			g.all = map[string]*gate{}
		}
		x = &gate{places: make(chan struct{}, perEndpoint)}
		g.all[endpoint] = x
	}
	x.users++
	g.mu.Unlock()
	done := func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if x.users--; x.users == 0 {
			delete(g.all, endpoint)
		}
	}
	select {
	case x.places <- struct{}{}:
		return func() { <-x.places; done() }, nil
	case <-ctx.Done():
		done()
		return nil, ctx.Err()
	}
}
