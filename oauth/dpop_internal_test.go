package oauth

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"longlines/fault"
)

func TestProofsAreRememberedAndBounded(t *testing.T) {
	var p proofs
	now := time.Unix(1_800_000_000, 0)
	key := [32]byte{1}
	take := func(t *testing.T, jti string, issued time.Time, want bool) {
		t.Helper()
		if first, err := p.first(key, jti, issued, now); err != nil || first != want {
			t.Fatalf("%s: %v %v", jti, first, err)
		}
	}
	a := now
	take(t, "a", a, true)
	t.Run("as long as its iat would let it through, by any way of the clock", func(t *testing.T) {
		for range 12 { // 60 s
			now = now.Add(5 * time.Second)
			take(t, "a", a, false)
			take(t, now.String(), now, true)
		}
		now = a.Add(-time.Hour) // set back; other proofs come until it is there again
		for range 61 {
			take(t, "a", a, false)
			take(t, now.String(), now, true)
			now = now.Add(time.Minute)
		}
		take(t, "a", a, false)
	})
	t.Run("what is older is forgotten", func(t *testing.T) {
		for range 3 {
			now = now.Add(proofSpan)
			take(t, now.String(), now, true)
		}
		if len(p.taken) != 2 {
			t.Fatalf("%d spans are kept", len(p.taken))
		}
	})
	t.Run("a flood makes no room for a replay: what cannot be remembered is not taken", func(t *testing.T) {
		victim := now
		take(t, "victim", victim, true)
		taken := p.taken[spanOf(now)]
		for n := uint64(0); len(taken) < maxProofs; n++ {
			var id proofID
			binary.BigEndian.PutUint64(id[:], n)
			taken[id] = struct{}{}
		}
		if first, err := p.first(key, "new", now, now); first || !errors.Is(err, fault.Unavailable) {
			t.Fatalf("%v %v", first, err)
		}
		take(t, "victim", victim, false)
		now = now.Add(proofLife)
		take(t, "new", now, true)
		take(t, "victim", victim, false)
	})
}
