package sms

import (
	"maps"
	"slices"
	"sync"
)

// lockAfter is how many unambiguous matches settle how a centre spells its ids
// (docs/reference/reliability.md §3.5-4).
const lockAfter = 50

// learned is what has been seen of how SMSC groups spell the ids in their receipts. It is kept in
// memory: after a restart it takes fifty receipts to know again.
type learned struct {
	mu     sync.Mutex
	groups map[string]*spelled
}

type spelled struct {
	seen   [spellings]int64
	family [spellings]int64
	locked Spelling // a family, or SpellingNone
}

// locked gives the family a group's ids are known to belong to.
func (l *learned) locked(group string) Spelling {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g := l.groups[group]; g != nil {
		return g.locked
	}
	return SpellingNone
}

// learn counts one unambiguous match. A lock is set by the family and not by the single spelling:
// a centre whose ids happened to be all digits so far has not promised to keep to one case.
func (l *learned) learn(group string, k Spelling) (locked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.groups[group]
	if g == nil {
		if len(l.groups) >= 1024 {
			return false
		}
		g = &spelled{}
		l.groups[group] = g
	}
	g.seen[k]++
	f := k.family()
	g.family[f]++
	if g.locked != SpellingNone {
		return false
	}
	if g.family[f] >= lockAfter && g.family[SpellingEqual]+g.family[SpellingHexDec]+g.family[SpellingDecHex] == g.family[f] {
		g.locked = f
		return true
	}
	return false
}

// GroupSpelling is what is known of an SMSC group's ids, for the operator.
type GroupSpelling struct {
	Group  string           `json:"group"`
	Seen   map[string]int64 `json:"seen"`             // matches by spelling
	Locked string           `json:"locked,omitempty"` // the spelling other ones are no longer tried beside
}

// Spellings tells how each SMSC group spells its ids, by name of the group.
func (s *Service) Spellings() []GroupSpelling {
	l := &s.learned
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []GroupSpelling
	for _, name := range slices.Sorted(maps.Keys(l.groups)) {
		g := l.groups[name]
		out := GroupSpelling{Group: name, Seen: map[string]int64{}}
		for k, n := range g.seen {
			if n > 0 {
				out.Seen[Spelling(k).String()] = n
			}
		}
		if g.locked != SpellingNone {
			out.Locked = g.locked.String()
		}
		list = append(list, out)
	}
	return list
}

// ForgetSpelling lets all spellings be tried again for a group, as after a change at the centre.
func (s *Service) ForgetSpelling(group string) {
	s.learned.mu.Lock()
	defer s.learned.mu.Unlock()
	delete(s.learned.groups, group)
}
