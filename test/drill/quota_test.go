package drill

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A quota is exact under a race, also over the end of a minute, and a restart gives nothing back
// (docs/reference/reliability.md P13, T20).
func TestAQuotaIsExactOverTheEndOfAMinuteAndARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	noon := time.Now().Add(24 * time.Hour).UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)
	w := start(t, map[string]any{"data": dir, "test_clock_offset": time.Until(noon)})
	token := w.app("pizza", map[string]any{"short_codes": []string{"74992"}})
	const perMinute, perDay = 50, 130
	w.admin(http.MethodPut, "/admin/v1/apps/pizza/quotas/SMS", map[string]any{"per_minute": perMinute, "per_day": perDay}, nil)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	// The platform's clock is set so that a minute ends soon; not at midnight, when the day ends too.
	begin := noon.Add(10*time.Minute + 54*time.Second)
	offset := time.Until(begin)
	clock := func() time.Time { return time.Now().Add(offset) }
	w = start(t, map[string]any{"data": dir, "test_clock_offset": offset})
	var admitted atomic.Int64
	burst := func(until func() bool) {
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				for !until() {
					a, err := w.try(http.MethodPost, w.info.API+outbox, smsBody("+14255550100", "x"), "Authorization", "Bearer "+token, "Content-Type", "application/json")
					switch {
					case err != nil:
						t.Error(err)
						return
					case a.status == http.StatusCreated:
						admitted.Add(1)
					case a.status != http.StatusForbidden || !strings.Contains(a.body, "POL0001") || a.header.Get("Retry-After") == "":
						t.Errorf("%d %v %s", a.status, a.header, a.body)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	boundary := begin.Truncate(time.Minute).Add(time.Minute)
	burst(func() bool { return clock().After(boundary.Add(-time.Second)) })
	n := admitted.Load()
	exact := clock().Before(boundary) // on a slow machine the first minute may end before its units are spent
	if exact && n != perMinute {
		t.Errorf("%d of %d were admitted in the first minute", n, perMinute)
	}
	end, over := boundary.Add(1500*time.Millisecond), boundary.Add(time.Minute)
	burst(func() bool {
		return clock().After(end) && (!exact || admitted.Load() >= 2*perMinute) || clock().After(over.Add(-time.Second))
	})
	if n := admitted.Load(); (n > 2*perMinute || exact && n < 2*perMinute) && clock().Before(over) {
		t.Errorf("%d were admitted in two minutes, and %d are allowed", n, 2*perMinute)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}

	w = start(t, map[string]any{"data": dir, "test_clock_offset": offset})
	tried := atomic.Int64{}
	burst(func() bool { return tried.Add(1) > 100 })
	if n := admitted.Load(); n > 2*perMinute && clock().Before(over) {
		t.Errorf("a restart gave %d back", n-2*perMinute)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w = start(t, map[string]any{"data": dir, "test_clock_offset": offset + 2*time.Minute})
	tried.Store(0)
	burst(func() bool { return tried.Add(1) > 200 })
	if n := admitted.Load(); n > perDay {
		t.Errorf("%d were admitted in a day, and %d are allowed", n, perDay)
	} else {
		t.Logf("%d of %d in the day", n, perDay)
	}
}
