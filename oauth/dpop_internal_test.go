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
	take := func(t *testing.T, jti string, want bool) {
		t.Helper()
		if first, err := p.first(key, jti, now); err != nil || first != want {
			t.Fatalf("%s: %v %v", jti, first, err)
		}
	}
	take(t, "a", true)
	t.Run("as long as its iat would let it through, by any way of the clock", func(t *testing.T) {
		for range 13 { // 65 s
			now = now.Add(5 * time.Second)
			take(t, "a", false)
		}
		now = now.Add(5 * time.Second)
		take(t, "b", true) // another generation begins
		take(t, "a", false)
		now = now.Add(-time.Hour)
		take(t, "a", false)
		take(t, "b", false)
		now = now.Add(time.Minute)
		take(t, "b", false)
	})
	t.Run("what is older is forgotten", func(t *testing.T) {
		for range 2 {
			now = now.Add(proofLife + 2*skew)
			take(t, now.String(), true)
		}
		if len(p.young) != 1 || len(p.old) != 1 {
			t.Fatalf("%d and %d are kept", len(p.young), len(p.old))
		}
	})
	t.Run("a flood makes no room for a replay: what cannot be remembered is not taken", func(t *testing.T) {
		take(t, "victim", true)
		for n := uint64(0); len(p.young) < maxProofs; n++ {
			var id proofID
			binary.BigEndian.PutUint64(id[:], n)
			p.young[id] = struct{}{}
		}
		if first, err := p.first(key, "new", now); first || !errors.Is(err, fault.Unavailable) {
			t.Fatalf("%v %v", first, err)
		}
		take(t, "victim", false)
		now = now.Add(proofLife + 2*skew)
		take(t, "new", true)
		take(t, "victim", false)
	})
}
