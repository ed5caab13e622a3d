package smsc

import (
	"sync"
	"time"

	"longlines/gsm"
	"longlines/number"
)

const (
	maxOpen  = 10_000           // texts of which segments are missing
	openTime = 10 * time.Minute // that a text waits for its last segment
)

// joiner collects the segments of long texts, as a phone does (3GPP TS 23.040 §9.2.3.24.1). A text that
// is never complete is forgotten.
type joiner struct {
	mu   sync.Mutex
	open map[joinKey]*assembly
	age  deque[*assembly] // oldest first, those that are complete among them
}

// joinKey is what the segments of one text have in common.
type joinKey struct {
	from  number.Address
	to    number.MSISDN
	ref   uint16
	total uint8
	wide  bool
}

type assembly struct {
	key   joinKey
	parts []gsm.Part
	have  [256 / 64]uint64 // a bit for each number that is there
	begun time.Time
	done  bool
}

// add takes a segment and returns the whole text if it was the last one missing.
func (j *joiner) add(now time.Time, from number.Address, to number.MSISDN, p gsm.Part) (text string, whole bool) {
	key := joinKey{from, to, p.Concat.Ref, p.Concat.Total, p.Concat.Wide}
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.age.len() > 0 {
		a := j.age.front()
		if !a.done && len(j.open) <= maxOpen && now.Sub(a.begun) < openTime {
			break
		}
		j.age.popFront()
		if !a.done {
			delete(j.open, a.key)
		}
	}
	a := j.open[key]
	if a == nil {
		a = &assembly{key: key, begun: now, parts: make([]gsm.Part, 0, min(p.Concat.Total, 16))}
		j.open[key] = a
		j.age.pushBack(a)
	}
	word, bit := p.Concat.Seq/64, uint64(1)<<(p.Concat.Seq%64)
	if a.have[word]&bit != 0 {
		return "", false // sent again
	}
	a.have[word] |= bit
	a.parts = append(a.parts, p)
	if len(a.parts) < int(p.Concat.Total) {
		return "", false
	}
	text, _ = gsm.Join(a.parts)
	delete(j.open, key)
	a.done, a.parts = true, nil
	return text, true
}
