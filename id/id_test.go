package id

import (
	"sync"
	"testing"
	"time"
)

func TestNumbersRiseAndNeverRepeatEvenWhenTheClockStepsBack(t *testing.T) {
	now := Epoch.Add(time.Hour)
	var mu sync.Mutex
	s := NewSource(3, 0, func() time.Time { mu.Lock(); defer mu.Unlock(); return now })
	var last Number
	for i := range 200_000 {
		if i == 100_000 {
			mu.Lock()
			now = now.Add(-time.Minute)
			mu.Unlock()
		}
		n := s.Next()
		if n <= last {
			t.Fatalf("draw %d: %d after %d", i, n, last)
		}
		last = n
	}
}

func TestNothingAtOrBelowTheFloorIsDrawn(t *testing.T) {
	floor := At(Epoch.Add(24 * time.Hour))
	s := NewSource(0, floor, func() time.Time { return Epoch.Add(time.Hour) })
	if n := s.Next(); n <= floor {
		t.Fatalf("drew %d at a floor of %d", n, floor)
	}
}

func TestRunLeavesRoomForAllItsNumbers(t *testing.T) {
	s := NewSource(1, 0, func() time.Time { return Epoch.Add(time.Second) })
	a := s.Run(50)
	if b := s.Next(); b < a+50 {
		t.Fatalf("run of 50 from %d, next %d", a, b)
	}
}

func TestASealedNumberOpensAndAMadeUpNameDoesNot(t *testing.T) {
	s, err := NewSealer(NewKey())
	if err != nil {
		t.Fatal(err)
	}
	n := At(Epoch.Add(time.Hour)) + 7
	p := s.Seal(n)
	q, err := ParsePublic(p.String())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open(q); err != nil || got != n {
		t.Fatalf("opened %d, %v", got, err)
	}
	for i := range q {
		bad := p
		bad[i] ^= 1
		if _, err := s.Open(bad); err == nil {
			t.Fatalf("a name with byte %d changed was opened", i)
		}
	}
}

func TestARequestNameIsAULIDAndLeadsBackToItsNumber(t *testing.T) {
	s := NewSource(63, 0, time.Now)
	for range 1000 {
		n := s.Next()
		name := Request(n)
		if got, err := ParseRequest(name); err != nil || got != n {
			t.Fatalf("%s: %d, %v, want %d", name, got, err, n)
		}
		slip := []byte(name)
		slip[len(slip)-1] ^= 1
		if _, err := ParseRequest(string(slip)); err == nil {
			t.Fatalf("%s was taken for %s", slip, name)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add(Request(At(Epoch.Add(time.Hour))))
	f.Add("req_ZZZZZZZZZZZZZZZZZZZZZZZZZZ")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseRequest(s); err == nil && n < 0 {
			t.Fatalf("%q gave %d", s, n)
		}
	})
}
