package quota_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"longlines/quota"
	"longlines/quota/quotatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemorySource(t *testing.T) {
	quotatest.Run(t, func(*testing.T) quota.Source { return &quotatest.Memory{} })
}

// clock is a wall clock that tests set.
type clock struct{ at atomic.Int64 }

func newClock(t time.Time) *clock {
	c := &clock{}
	c.at.Store(t.UnixNano())
	return c
}
func (c *clock) now() time.Time      { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) add(d time.Duration) { c.at.Add(int64(d)) }

var (
	noon = time.Date(2026, 3, 1, 12, 0, 5, 0, time.UTC)
	key  = quota.Key{App: 1, API: "SMS"}
)

func newMeter(t *testing.T, s quota.Source, c *clock) *quota.Meter {
	t.Helper()
	m, err := quota.New(quota.Config{Source: s, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// spend calls n times, from as many goroutines, and counts what was admitted.
func spend(t *testing.T, m *quota.Meter, lim quota.Limit, n int) (admitted int, last quota.Verdict) {
	t.Helper()
	var ok atomic.Int64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			v, err := m.Spend(context.Background(), key, lim)
			if err != nil {
				t.Errorf("spend: %v", err)
			}
			if v.OK {
				ok.Add(1)
			} else {
				mu.Lock()
				last = v
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return int(ok.Load()), last
}

func TestSpend(t *testing.T) {
	t.Run("a window admits exactly its limit, whatever the limit", func(t *testing.T) {
		for _, limit := range []int64{1, 2, 3, 7, 9, 10, 11, 59, 60, 61, 600, 1001} {
			m := newMeter(t, &quotatest.Memory{}, newClock(noon))
			got, last := spend(t, m, quota.Limit{PerMinute: limit, PerDay: 1_000_000}, int(limit)+50)
			if got != int(limit) {
				t.Errorf("limit %d: %d admitted", limit, got)
			}
			if last.Window != quota.Minute || last.Remaining[quota.Minute] != 0 {
				t.Errorf("limit %d: refused by %s with %d left", limit, last.Window, last.Remaining[quota.Minute])
			}
			if last.RetryAfter() != 55*time.Second {
				t.Errorf("limit %d: retry after %s", limit, last.RetryAfter())
			}
		}
	})
	t.Run("the day refuses when the minute would not", func(t *testing.T) {
		m := newMeter(t, &quotatest.Memory{}, newClock(noon))
		got, last := spend(t, m, quota.Limit{PerMinute: 100, PerDay: 42}, 90)
		if got != 42 || last.Window != quota.Day {
			t.Fatalf("%d admitted, refused by %s", got, last.Window)
		}
		if want := 12*time.Hour - 5*time.Second; last.RetryAfter() != want {
			t.Fatalf("retry after %s, want %s", last.RetryAfter(), want)
		}
	})
	t.Run("a call refused by one window does not use up the other", func(t *testing.T) {
		c := newClock(noon)
		m := newMeter(t, &quotatest.Memory{}, c)
		lim := quota.Limit{PerMinute: 10, PerDay: 25}
		for minute, want := range []int{10, 10, 5, 0} {
			if got, _ := spend(t, m, lim, 40); got != want {
				t.Fatalf("minute %d: %d admitted, want %d", minute, got, want)
			}
			c.add(time.Minute)
		}
	})
	t.Run("a new minute and a new day begin full", func(t *testing.T) {
		c := newClock(time.Date(2026, 3, 1, 23, 59, 30, 0, time.UTC))
		m := newMeter(t, &quotatest.Memory{}, c)
		lim := quota.Limit{PerMinute: 10, PerDay: 12}
		if got, _ := spend(t, m, lim, 20); got != 10 {
			t.Fatalf("%d admitted before midnight", got)
		}
		c.add(30 * time.Second)
		if got, _ := spend(t, m, lim, 20); got != 10 {
			t.Fatalf("%d admitted after midnight", got)
		}
	})
	t.Run("a clock that steps back fills nothing", func(t *testing.T) {
		c := newClock(noon)
		m := newMeter(t, &quotatest.Memory{}, c)
		lim := quota.Limit{PerMinute: 10, PerDay: 1000}
		spend(t, m, lim, 10)
		c.add(-2 * time.Minute)
		if got, _ := spend(t, m, lim, 20); got != 0 {
			t.Fatalf("%d admitted", got)
		}
		c.add(4 * time.Minute)
		if got, _ := spend(t, m, lim, 20); got != 10 {
			t.Fatalf("%d admitted once time had gone on", got)
		}
	})
	t.Run("a restart gives no unit back and forfeits at most one block", func(t *testing.T) {
		s, c := &quotatest.Memory{}, newClock(noon)
		lim := quota.Limit{PerMinute: 100, PerDay: 100_000}
		first := newMeter(t, s, c)
		a, _ := spend(t, first, lim, 33)
		first.Close()
		b, _ := spend(t, newMeter(t, s, c), lim, 200)
		if a+b > 100 || a+b < 100-int(quota.Block(100)) {
			t.Fatalf("%d + %d admitted", a, b)
		}
	})
	t.Run("a raised limit counts at once, a lowered one too", func(t *testing.T) {
		m := newMeter(t, &quotatest.Memory{}, newClock(noon))
		day := int64(1000)
		if got, _ := spend(t, m, quota.Limit{PerMinute: 5, PerDay: day}, 10); got != 5 {
			t.Fatalf("%d admitted", got)
		}
		if got, _ := spend(t, m, quota.Limit{PerMinute: 8, PerDay: day}, 10); got != 3 {
			t.Fatalf("%d more admitted after raising", got)
		}
		if got, _ := spend(t, m, quota.Limit{PerMinute: 6, PerDay: day}, 10); got != 0 {
			t.Fatalf("%d more admitted after lowering", got)
		}
	})
	t.Run("a limit lowered far below what was leased holds", func(t *testing.T) {
		m := newMeter(t, &quotatest.Memory{}, newClock(noon))
		spend(t, m, quota.Limit{PerMinute: 1_000_000, PerDay: 1_000_000}, 3)
		if got, last := spend(t, m, quota.Limit{PerMinute: 5, PerDay: 1_000_000}, 20); got != 2 || last.Remaining[quota.Minute] != 0 {
			t.Fatalf("%d more admitted, %d remain", got, last.Remaining[quota.Minute])
		}
	})
	t.Run("a unit given back can be spent again, in its own window only", func(t *testing.T) {
		c := newClock(noon)
		m := newMeter(t, &quotatest.Memory{}, c)
		lim := quota.Limit{PerMinute: 3, PerDay: 100}
		var last quota.Verdict
		for range 3 {
			last, _ = m.Spend(context.Background(), key, lim)
		}
		m.GiveBack(key, last)
		if got, _ := spend(t, m, lim, 5); got != 1 {
			t.Fatalf("%d admitted after giving one back", got)
		}
		c.add(time.Minute)
		m.GiveBack(key, last)
		if got, _ := spend(t, m, lim, 10); got != 3 {
			t.Fatalf("%d admitted in the next minute", got)
		}
	})
	t.Run("remaining counts down by one", func(t *testing.T) {
		m := newMeter(t, &quotatest.Memory{}, newClock(noon))
		lim := quota.Limit{PerMinute: 60, PerDay: 5000}
		for i := int64(1); i <= 60; i++ {
			v, err := m.Spend(context.Background(), key, lim)
			if err != nil || v.Remaining != [2]int64{60 - i, 5000 - i} {
				t.Fatalf("after %d calls: %v, %v", i, v.Remaining, err)
			}
		}
	})
	t.Run("most calls ask the source nothing", func(t *testing.T) {
		s := &quotatest.Memory{}
		m := newMeter(t, s, newClock(noon))
		spend(t, m, quota.Limit{PerMinute: 100_000, PerDay: 100_000_000}, 20_000)
		if n := s.Leases.Load(); n > 20 {
			t.Fatalf("%d leases for 20,000 calls", n)
		}
	})
	t.Run("a source that fails refuses nobody for the quota", func(t *testing.T) {
		broken := errors.New("store is down")
		var down atomic.Bool
		down.Store(true)
		s := &quotatest.Memory{Fail: func() error {
			if down.Load() {
				return broken
			}
			return nil
		}}
		m := newMeter(t, s, newClock(noon))
		lim := quota.Limit{PerMinute: 5, PerDay: 50}
		if _, err := m.Spend(context.Background(), key, lim); !errors.Is(err, broken) {
			t.Fatalf("got %v", err)
		}
		down.Store(false)
		if got, _ := spend(t, m, lim, 10); got != 5 {
			t.Fatalf("%d admitted once the source was back", got)
		}
	})
	t.Run("a caller that leaves does not take the lease with it", func(t *testing.T) {
		release := make(chan struct{})
		s := &quotatest.Memory{Fail: func() error { <-release; return nil }}
		m := newMeter(t, s, newClock(noon))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		lim := quota.Limit{PerMinute: 5, PerDay: 50}
		if _, err := m.Spend(ctx, key, lim); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		close(release)
		if got, _ := spend(t, m, lim, 10); got != 5 {
			t.Fatalf("%d admitted", got)
		}
	})
	t.Run("a closed meter says so", func(t *testing.T) {
		m := newMeter(t, &quotatest.Memory{}, newClock(noon))
		m.Close()
		if _, err := m.Spend(context.Background(), key, quota.Limit{PerMinute: 1, PerDay: 1}); !errors.Is(err, quota.ErrClosed) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestLook(t *testing.T) {
	s, c := &quotatest.Memory{}, newClock(noon)
	lim := quota.Limit{PerMinute: 10, PerDay: 20}
	spend(t, newMeter(t, s, c), lim, 6)
	m := newMeter(t, s, c)
	v, err := m.Look(context.Background(), key, lim)
	if err != nil || !v.OK || v.Remaining[quota.Minute] > 4 || v.Remaining[quota.Minute] < 3 {
		t.Fatalf("another node sees %+v, %v", v, err)
	}
	spend(t, m, lim, 10)
	if v, err = m.Look(context.Background(), key, lim); err != nil || v.OK || v.Remaining[quota.Minute] != 0 {
		t.Fatalf("a node that has used it up sees %+v, %v", v, err)
	}
}

func TestCount(t *testing.T) {
	t.Run("calls that may not be refused are counted and go on beyond the limit", func(t *testing.T) {
		m := newMeter(t, &quotatest.Memory{}, newClock(noon))
		lim := quota.Limit{PerMinute: 4, PerDay: 40}
		for range 10 {
			if !m.Count(key, lim).OK {
				t.Fatal("refused")
			}
		}
		if got, _ := spend(t, m, lim, 5); got > 0 {
			t.Fatalf("%d calls admitted beside them", got)
		}
	})
	t.Run("a call that found no unit gives none back", func(t *testing.T) {
		m := newMeter(t, &quotatest.Memory{}, newClock(noon))
		lim := quota.Limit{PerMinute: 5, PerDay: 1000}
		spend(t, m, lim, 10)
		for range 4 {
			v := m.GiveBack(key, m.Count(key, lim))
			if v.OK || v.Remaining[quota.Minute] != 0 {
				t.Errorf("after giving back: %+v", v)
			}
		}
		if got, _ := spend(t, m, lim, 10); got > 0 {
			t.Fatalf("%d calls admitted beyond the limit", got)
		}
	})
	t.Run("nor does one whose unit is owed", func(t *testing.T) {
		var slow atomic.Bool
		release := make(chan struct{})
		s := &quotatest.Memory{Fail: func() error {
			if slow.Load() {
				<-release
			}
			return nil
		}}
		lim := quota.Limit{PerMinute: 5, PerDay: 1000}
		spend(t, newMeter(t, s, newClock(noon)), lim, 10) // another node, which leaves nothing
		slow.Store(true)
		m := newMeter(t, s, newClock(noon))
		m.GiveBack(key, m.Count(key, lim)) // before we know that
		close(release)
		if got, _ := spend(t, m, lim, 10); got > 0 {
			t.Fatalf("%d calls admitted beyond the limit", got)
		}
	})
	t.Run("one that took a unit gives it back", func(t *testing.T) {
		m := newMeter(t, &quotatest.Memory{}, newClock(noon))
		lim := quota.Limit{PerMinute: 100, PerDay: 1000}
		first, err := m.Spend(context.Background(), key, lim) // and now there are units in memory
		if err != nil {
			t.Fatal(err)
		}
		if v := m.GiveBack(key, m.Count(key, lim)); v.OK || v.Remaining != first.Remaining {
			t.Fatalf("%+v, want %v", v, first.Remaining)
		}
		if got, _ := spend(t, m, lim, 150); got != 99 {
			t.Fatalf("%d admitted", got)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	s, c := &quotatest.Memory{}, newClock(noon)
	m, err := quota.New(quota.Config{Source: s, Now: c.now, Keys: 32})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	lim := quota.Limit{PerMinute: 2, PerDay: 20}
	for app := range int64(1000) {
		if v, err := m.Spend(context.Background(), quota.Key{App: app, API: "SMS"}, lim); err != nil || !v.OK {
			t.Fatalf("app %d: %v %v", app, v.OK, err)
		}
	}
	// A forgotten key is not a fresh one: the source remembers.
	for range 5 {
		m.Spend(context.Background(), quota.Key{App: 0, API: "SMS"}, lim)
	}
	if n, _ := s.Used(context.Background(), quota.Key{App: 0, API: "SMS"}, quota.Minute, quota.Minute.Start(noon)); n != 2 {
		t.Fatalf("app 0 was charged %d of 2", n)
	}
}

func TestWindow(t *testing.T) {
	at := time.Date(2026, 12, 31, 23, 59, 59, 999, time.FixedZone("", -3*3600))
	for _, c := range []struct {
		name       string
		w          quota.Window
		start, end time.Time
	}{
		{"the minute is the clock minute", quota.Minute, time.Date(2027, 1, 1, 2, 59, 0, 0, time.UTC), time.Date(2027, 1, 1, 3, 0, 0, 0, time.UTC)},
		{"the day is the UTC day", quota.Day, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if s, e := c.w.Start(at), c.w.End(at); !s.Equal(c.start) || !e.Equal(c.end) {
				t.Fatalf("%s to %s", s, e)
			}
		})
	}
}

func BenchmarkSpend(b *testing.B) {
	m, err := quota.New(quota.Config{Source: &quotatest.Memory{}})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	lim := quota.Limit{PerMinute: 1 << 40, PerDay: 1 << 40}
	b.ReportAllocs()
	for b.Loop() {
		if v, err := m.Spend(context.Background(), key, lim); err != nil || !v.OK {
			b.Fatal(v, err)
		}
	}
}
