package oauth

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestPINsAreSixDigitsAllAlike(t *testing.T) {
	const draws = 60_000
	var seen [6][10]int
	for range draws {
		pin := newPIN()
		if len(pin) != 6 || strings.Trim(pin, "0123456789") != "" {
			t.Fatalf("PIN %q", pin)
		}
		for i, c := range pin {
			seen[i][c-'0']++
		}
	}
	// 6,000 expected; a fair draw is off by 500 (seven standard deviations) less than once in 10^10.
	for place, digits := range seen {
		for digit, n := range digits {
			if n < 5_500 || n > 6_500 {
				t.Errorf("%d stands at place %d in %d of %d", digit, place, n, draws)
			}
		}
	}
}

func TestAddressesAreForgottenOldestFirst(t *testing.T) {
	var c signIns
	now := time.Unix(1_800_000_000, 0)
	nth := func(i uint32) netip.Addr {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, i)))
	}
	for range addressSends {
		if !c.send(nth(0), now) || !c.send(nth(1), now) {
			t.Fatal("refused")
		}
	}
	for i := uint32(2); i < maxAddresses; i++ {
		c.send(nth(i), now)
	}
	if c.send(nth(0), now) || c.send(nth(1), now) {
		t.Fatal("forgotten although there was room")
	}
	c.send(nth(maxAddresses), now) // in the place of 0
	if len(c.addresses) != maxAddresses || len(c.queue) != maxAddresses {
		t.Fatalf("%d addresses, %d in the queue", len(c.addresses), len(c.queue))
	}
	if c.send(nth(1), now) {
		t.Fatal("a younger one was forgotten first")
	}
	if !c.send(nth(0), now) {
		t.Fatal("the oldest was not forgotten")
	}
	c.send(nth(0), now.Add(addressWindow))
	if len(c.addresses) != 1 || len(c.queue) != 1 {
		t.Fatalf("%d addresses are kept when their time is over", len(c.addresses))
	}
}

func TestATryWithoutAPINLocksNobody(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var st SignIn
	for range 10 * pinTries {
		if err := st.check(now, make([]byte, sha256.Size)); !errors.Is(err, ErrPIN) {
			t.Fatal(err)
		}
	}
	if !st.Locked.IsZero() || st.Tries != 0 {
		t.Fatalf("%+v", st)
	}
	hash := sha256.Sum256([]byte("the PIN"))
	if err := st.send(now, hash[:]); err != nil {
		t.Fatal(err)
	}
	for range pinTries {
		st.check(now, make([]byte, sha256.Size))
	}
	if err := st.check(now, hash[:]); !errors.Is(err, ErrPIN) || st.Locked.IsZero() {
		t.Fatalf("%v %+v", err, st)
	}
}

func TestASignInGivesBackWhatItTook(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var st SignIn
	hash := sha256.Sum256([]byte("the PIN"))
	for range 5 * pinSends {
		if err := st.send(now, hash[:]); err != nil {
			t.Fatal(err)
		}
		if err := st.check(now, hash[:]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range pinSends + 1 {
		if err := st.send(now, hash[:]); (err != nil) != (i == pinSends) {
			t.Fatalf("send %d: %v", i, err)
		}
	}
}

// TestAMonthOfGuessing: whoever stays below all that is counted in a window gets few texts and few tries all the same.
func TestAMonthOfGuessing(t *testing.T) {
	for _, c := range []struct {
		name         string
		every        time.Duration
		tries        int // of each PIN
		texts, wrong int
	}{
		{"four tries each quarter of an hour", tryWindow, 4, 45, 60},
		{"one try of each PIN", 5 * time.Minute, 1, 45, 60},
		{"texts alone", 5 * time.Minute, 0, 45, 0},
		{"as fast as it goes", time.Minute, 10, 45, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			var st SignIn
			hash, bad := sha256.Sum256([]byte("the PIN")), make([]byte, sha256.Size)
			texts, wrong := 0, 0
			start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			for now := start; now.Sub(start) < 30*24*time.Hour; now = now.Add(c.every) {
				if st.send(now, hash[:]) == nil {
					texts++
				}
				for range c.tries {
					if len(st.PIN) > 0 && now.Before(st.Expires) {
						wrong++
					}
					st.check(now, bad)
				}
			}
			if texts > c.texts || wrong > c.wrong {
				t.Errorf("%d texts and %d wrong PINs in 30 days, want at most %d and %d", texts, wrong, c.texts, c.wrong)
			}
		})
	}
}
