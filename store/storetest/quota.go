package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"longlines/quota"
	"longlines/store"
)

func quotas(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	k := quota.Key{App: 7, API: "SMS"}
	start := quota.Minute.Start(time.Now())
	const limit = 1000
	var sum atomic.Int64
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for {
				n, err := s.Lease(ctx, k, quota.Minute, start, int64(1+i%7), limit)
				if err != nil {
					t.Error(err)
				}
				if n == 0 {
					return
				}
				sum.Add(n)
			}
		})
	}
	wg.Wait()
	if sum.Load() != limit || get[int64](t)(s.Used(ctx, k, quota.Minute, start)) != limit {
		t.Errorf("%d units leased, want %d", sum.Load(), limit)
	}
	must(t, s.Close(ctx))
	s = Open(t, cfg)
	if n := get[int64](t)(s.Lease(ctx, k, quota.Minute, start, 5, limit)); n != 0 {
		t.Errorf("a restart gave %d units back", n)
	}
	if n := get[int64](t)(s.Lease(ctx, k, quota.Day, quota.Day.Start(time.Now()), 5, 3)); n != 3 {
		t.Errorf("the other window gave %d", n)
	}
	if n := get[int64](t)(s.Used(ctx, quota.Key{App: 8, API: "SMS"}, quota.Minute, start)); n != 0 {
		t.Errorf("another app has used %d", n)
	}
}
