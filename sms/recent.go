package sms

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"longlines/message"
)

// recent remembers the segments just submitted, so that the receipts that follow within seconds find
// them without a read. It is a hint: what is not here is looked for in the store.
//
// A segment stands here from the moment the centre's answer is read. Its receipt may come before the
// answer has been committed, but must not reach the store before it; so a segment is not handed out
// until the committer has its submission, and whoever asks earlier waits for that.
type recent struct {
	seed   maphash.Seed
	shards [recentShards]recentShard
}

const recentShards = 32

type recentShard struct {
	mu    sync.Mutex
	parts map[recentKey]*recentPart
	ring  []*recentPart // oldest is overwritten
	next  int
}

type recentKey struct{ group, key string }

type recentPart struct {
	Part
	older *recentPart   // of the same key
	queue chan struct{} // closed once queued or failed; nil if nobody waits
	state recentState
}

type recentState uint8

const (
	recentAnswered recentState = iota // the centre's answer has been read
	recentQueued                      // the committer has it
	recentGone                        // it could not be stored
)

// newRecent holds about size segments.
func newRecent(size int) *recent {
	r := &recent{seed: maphash.MakeSeed()}
	per := max(1, size/recentShards)
	for i := range r.shards {
		r.shards[i] = recentShard{parts: make(map[recentKey]*recentPart), ring: make([]*recentPart, per)}
	}
	return r
}

func (r *recent) shard(k recentKey) *recentShard {
	return &r.shards[maphash.String(r.seed, k.key)%recentShards]
}

// add remembers a segment.
func (r *recent) add(p Part) *recentPart {
	k := recentKey{p.Group, p.Key}
	e := &recentPart{Part: p}
	s := r.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.ring[s.next]; old != nil {
		s.drop(old)
	}
	s.ring[s.next] = e
	s.next = (s.next + 1) % len(s.ring)
	e.older = s.parts[k]
	s.parts[k] = e
	return e
}

// drop takes an entry out of the chain of its key.
func (s *recentShard) drop(e *recentPart) {
	k := recentKey{e.Group, e.Key}
	if s.parts[k] == e {
		if e.older == nil {
			delete(s.parts, k)
		} else {
			s.parts[k] = e.older
		}
		return
	}
	for p := s.parts[k]; p != nil; p = p.older {
		if p.older == e {
			p.older = e.older
			return
		}
	}
}

// settle says what became of a segment's submission.
func (r *recent) settle(e *recentPart, state recentState) {
	s := r.shard(recentKey{e.Group, e.Key})
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.state == recentGone || e.state == state {
		return
	}
	e.state = state
	if state == recentGone {
		for i, p := range s.ring {
			if p == e {
				s.ring[i] = nil
			}
		}
		s.drop(e)
	}
	if e.queue != nil {
		close(e.queue)
		e.queue = nil
	}
}

// find gives the segments of a group with one of the keys, waiting for those on their way to the
// committer.
func (r *recent) find(ctx context.Context, group string, keys []string) ([]Part, error) {
	var parts []Part
	for _, key := range keys {
		k := recentKey{group, key}
		s := r.shard(k)
	again:
		s.mu.Lock()
		from := len(parts)
		for e := s.parts[k]; e != nil; e = e.older {
			if e.state == recentAnswered {
				if e.queue == nil {
					e.queue = make(chan struct{})
				}
				wait := e.queue
				s.mu.Unlock()
				parts = parts[:from]
				select {
				case <-wait:
				case <-ctx.Done():
					return nil, ctx.Err()
				}
				goto again
			}
			parts = append(parts, e.Part)
		}
		s.mu.Unlock()
	}
	return parts, nil
}

// reported notes a segment's state, so that a receipt sent again is known, and an id which the
// centre uses again is not taken for two.
func (r *recent) reported(p Part, state message.State, done time.Time) {
	k := recentKey{p.Group, p.Key}
	s := r.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.parts[k]; e != nil; e = e.older {
		if e.MT == p.MT && e.Part.Part == p.Part && !e.State.Final() {
			e.State, e.Done = state, done
		}
	}
}
