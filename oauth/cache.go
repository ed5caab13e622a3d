package oauth

import (
	"slices"
	"sync"
	"sync/atomic"

	"longlines/app"
	"longlines/id"
	"longlines/number"
)

// cache holds what access tokens stand for, by row number. It is bounded; a full part forgets an
// entry of a few, a dead one if there is one.
//
// An entry may also say that a token is dead (revoked, for good), so that an app that goes on calling with
// it costs no query per call.
type cache struct {
	parts   [64]cachePart
	perPart int

	// revs counts revocations. Who has read a row puts it here only if none has happened since
	// before the read, else a token might outlive its revocation.
	revs atomic.Uint64
}

type cachePart struct {
	mu      sync.RWMutex
	entries map[id.Number]entry
	// members are the tokens of a family, by the part of the family's number. The first access
	// token's number follows its family's and is found without: only refreshed ones are listed, the
	// last maxMembers that were put here.
	members map[id.Number][]id.Number
	_       [64]byte // parts do not share a line
}

type entry struct {
	hash    [32]byte
	family  id.Number
	expires int64 // second since 1970
	who     *principal
}

// principal is what an entry stands for; equal ones of an app are shared. nil: a dead token.
type principal struct {
	app        app.ID
	subscriber number.MSISDN
	scopes     []app.Scope
	key        *[32]byte // thumbprint of the key it is bound to; nil: a bearer token

	// Of a subscriber's token.
	consent id.Number
	covered []app.Scope   // the scopes of the consent when it was read
	seen    atomic.Uint64 // the count of changes up to which that holds, see changes
	used    atomic.Int64  // the minute since 1970 of which a use is noted, see uses
}

// maxMembers bounds the tokens of one family: beyond it the oldest is forgotten, as the cache forgets any. An app
// that refreshes before every call must not fill what is there for all, and a list is searched under a lock.
const maxMembers = 10_000

func newCache(entries int) *cache {
	c := &cache{}
	c.perPart = max(1, entries/len(c.parts))
	for i := range c.parts {
		c.parts[i].entries = map[id.Number]entry{}
		c.parts[i].members = map[id.Number][]id.Number{}
	}
	return c
}

// part spreads numbers: the low bits count within a millisecond, the high ones are time.
func (c *cache) part(n id.Number) *cachePart {
	h := uint64(n) * 0x9e3779b97f4a7c15
	return &c.parts[h>>58]
}

func (c *cache) get(n id.Number) (entry, bool) {
	p := c.part(n)
	p.mu.RLock()
	e, ok := p.entries[n]
	p.mu.RUnlock()
	return e, ok
}

// epoch is taken before a row is read, and given to put.
func (c *cache) epoch() uint64 { return c.revs.Load() }

// put keeps an entry that was read in the epoch.
func (c *cache) put(n id.Number, e entry, epoch uint64) {
	p := c.part(n)
	p.mu.Lock()
	if c.revs.Load() != epoch {
		p.mu.Unlock()
		return
	}
	_, known := p.entries[n]
	var gone id.Number
	var left entry
	if !known && len(p.entries) >= c.perPart {
		gone, left = p.evict()
	}
	p.entries[n] = e
	p.mu.Unlock()
	if gone != 0 {
		c.leave(gone, left)
	}
	if !known && e.who != nil && e.family != n-1 {
		f := c.part(e.family)
		f.mu.Lock()
		list := append(f.members[e.family], n)
		var oldest id.Number
		if len(list) > maxMembers {
			oldest = list[0]
			list = slices.Delete(list, 0, 1)
		}
		f.members[e.family] = list
		f.mu.Unlock()
		if oldest != 0 {
			c.forget(oldest)
		}
		// A revocation between the two locks has not seen the member.
		if c.revs.Load() != epoch {
			c.drop(n)
		}
	}
}

func (p *cachePart) evict() (id.Number, entry) {
	var n id.Number
	var e entry
	tries := 0
	for k, v := range p.entries {
		if tries == 0 || v.expires < e.expires || v.who == nil {
			n, e = k, v
		}
		if tries++; tries == 8 || v.who == nil {
			break
		}
	}
	delete(p.entries, n)
	return n, e
}

// drop forgets one token.
func (c *cache) drop(n id.Number) {
	p := c.part(n)
	p.mu.Lock()
	e, ok := p.entries[n]
	delete(p.entries, n)
	p.mu.Unlock()
	if ok {
		c.leave(n, e)
	}
}

// leave takes a forgotten token off the list of its family.
func (c *cache) leave(n id.Number, e entry) {
	if e.who == nil || e.family == n-1 {
		return
	}
	f := c.part(e.family)
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.members[e.family]
	if i := slices.Index(list, n); i >= 0 {
		list = slices.Delete(list, i, i+1)
	}
	if len(list) == 0 {
		delete(f.members, e.family)
	} else {
		f.members[e.family] = list
	}
}

// revoked forgets a token and, if it is a family, everything that belongs to it.
func (c *cache) revoked(n id.Number) {
	c.revs.Add(1)
	c.drop(n)
	first := c.part(n + 1)
	first.mu.Lock()
	if e, ok := first.entries[n+1]; ok && e.family == n {
		delete(first.entries, n+1)
	}
	first.mu.Unlock()
	f := c.part(n)
	f.mu.Lock()
	list := f.members[n]
	delete(f.members, n)
	f.mu.Unlock()
	for _, m := range list {
		c.forget(m)
	}
}

// forget removes the entry of a token that its family does not list any more.
func (c *cache) forget(n id.Number) {
	p := c.part(n)
	p.mu.Lock()
	delete(p.entries, n)
	p.mu.Unlock()
}

// size is the number of entries.
func (c *cache) size() int {
	n := 0
	for i := range c.parts {
		p := &c.parts[i]
		p.mu.RLock()
		n += len(p.entries)
		p.mu.RUnlock()
	}
	return n
}
