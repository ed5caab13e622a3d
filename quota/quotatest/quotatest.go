// Package quotatest is the exercise every quota.Source passes, and a source in memory for tests of
// what lies above.
package quotatest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"longlines/quota"
)

// Memory is a source in memory. Its zero value is empty and usable.
type Memory struct {
	// Leases counts the calls of Lease.
	Leases atomic.Int64
	// Fail, if set, is asked before each lease.
	Fail func() error

	mu   sync.Mutex
	used map[slot]int64
}

type slot struct {
	k     quota.Key
	w     quota.Window
	start int64
}

// Lease implements quota.Source.
func (m *Memory) Lease(_ context.Context, k quota.Key, w quota.Window, start time.Time, want, limit int64) (int64, error) {
	m.Leases.Add(1)
	if m.Fail != nil {
		if err := m.Fail(); err != nil {
			return 0, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.used == nil {
		m.used = map[slot]int64{}
	}
	s := slot{k, w, start.Unix()}
	got := max(0, min(want, limit-m.used[s]))
	m.used[s] += got
	return got, nil
}

// Used implements quota.Source.
func (m *Memory) Used(_ context.Context, k quota.Key, w quota.Window, start time.Time) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used[slot{k, w, start.Unix()}], nil
}

// Run exercises a source. open returns a fresh, empty one.
func Run(t *testing.T, open func(t *testing.T) quota.Source) {
	start := time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)
	key := quota.Key{App: 7, API: "SMS"}
	ctx := context.Background()
	lease := func(t *testing.T, s quota.Source, k quota.Key, w quota.Window, at time.Time, want, limit, expect int64) {
		t.Helper()
		got, err := s.Lease(ctx, k, w, at, want, limit)
		if err != nil {
			t.Fatalf("lease: %v", err)
		}
		if got != expect {
			t.Fatalf("lease of %d with limit %d gave %d, want %d", want, limit, got, expect)
		}
	}

	t.Run("a window gives its limit and no more", func(t *testing.T) {
		s := open(t)
		lease(t, s, key, quota.Minute, start, 6, 10, 6)
		lease(t, s, key, quota.Minute, start, 6, 10, 4)
		lease(t, s, key, quota.Minute, start, 6, 10, 0)
		if n, err := s.Used(ctx, key, quota.Minute, start); err != nil || n != 10 {
			t.Fatalf("used %d, %v, want 10", n, err)
		}
	})
	t.Run("windows, apps, APIs and moments are counted apart", func(t *testing.T) {
		s := open(t)
		lease(t, s, key, quota.Minute, start, 5, 5, 5)
		lease(t, s, key, quota.Day, quota.Day.Start(start), 5, 5, 5)
		lease(t, s, quota.Key{App: 8, API: "SMS"}, quota.Minute, start, 5, 5, 5)
		lease(t, s, quota.Key{App: 7, API: "MMS"}, quota.Minute, start, 5, 5, 5)
		lease(t, s, key, quota.Minute, start.Add(time.Minute), 5, 5, 5)
	})
	t.Run("nothing used is nothing", func(t *testing.T) {
		if n, err := open(t).Used(ctx, key, quota.Day, quota.Day.Start(start)); err != nil || n != 0 {
			t.Fatalf("used %d, %v", n, err)
		}
	})
	t.Run("a lowered limit gives nothing, a raised one gives the rest", func(t *testing.T) {
		s := open(t)
		lease(t, s, key, quota.Minute, start, 8, 10, 8)
		lease(t, s, key, quota.Minute, start, 1, 5, 0)
		lease(t, s, key, quota.Minute, start, 100, 20, 12)
	})
	t.Run("parallel leases add up to the limit", func(t *testing.T) {
		s := open(t)
		var sum atomic.Int64
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				for range 10 {
					n, err := s.Lease(ctx, key, quota.Day, quota.Day.Start(start), 7, 1000)
					if err != nil {
						t.Errorf("lease: %v", err)
						return
					}
					sum.Add(n)
				}
			})
		}
		wg.Wait()
		if sum.Load() != 1000 {
			t.Fatalf("%d units were given, want 1000", sum.Load())
		}
	})
	t.Run("two meters over one source admit the limit together and no more", func(t *testing.T) {
		s := open(t)
		now := func() time.Time { return start.Add(3 * time.Second) }
		lim := quota.Limit{PerMinute: 500, PerDay: 10_000}
		var admitted atomic.Int64
		var meters []*quota.Meter
		var wg sync.WaitGroup
		for range 2 {
			m, err := quota.New(quota.Config{Source: s, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			meters = append(meters, m)
			for range 50 {
				wg.Go(func() {
					for range 12 {
						v, err := m.Spend(ctx, key, lim)
						if err != nil {
							t.Errorf("spend: %v", err)
							return
						}
						if v.OK {
							admitted.Add(1)
						} else if v.Window != quota.Minute {
							t.Errorf("refused by the %s", v.Window)
						}
					}
				})
			}
		}
		wg.Wait()
		for _, m := range meters {
			m.Close()
		}
		// One meter may sit on at most a block that it has no callers for.
		if n := admitted.Load(); n > lim.PerMinute || n < lim.PerMinute-2*quota.Block(lim.PerMinute) {
			t.Fatalf("%d calls were admitted of %d", n, lim.PerMinute)
		}
	})
}
