package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"longlines/id"
	"longlines/message"
	"longlines/oauth"
	"longlines/sms"
	"longlines/store"
	"longlines/store/storetest"
)

// The benchmarks run p producers that each wait for their commit, and report operations a second, CPU
// per operation and operations per commit. Compare with docs/performance.md, The store.
func bench(b *testing.B, f func(b *testing.B, s *store.Store, p int), producers ...int) {
	for _, e := range []struct {
		name string
		cfg  func(testing.TB) store.Config
	}{{"SQLite", sqlite}, {"PostgreSQL", postgres}} {
		for _, p := range producers {
			b.Run(fmt.Sprintf("%s/p=%d", e.name, p), func(b *testing.B) {
				f(b, storetest.Open(b, e.cfg(b)), p)
			})
		}
	}
}

// spread runs op b.N times over p producers.
func spread(b *testing.B, s *store.Store, p int, op func(i int) error) {
	before, cpu, start := s.Stats(), cpuTime(), time.Now()
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range p {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= b.N {
					return
				}
				if err := op(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	after := s.Stats()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "op/s")
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(after.Mutations-before.Mutations)/float64(max(after.Commits-before.Commits, 1)), "op/commit")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const text = "Your table at Luigi's is booked for 19:30 on Friday. Reply C to cancel it, or H for help. See you!"

func BenchmarkAccept(b *testing.B) {
	bench(b, func(b *testing.B, s *store.Store, p int) {
		ctx := context.Background()
		spread(b, s, p, func(int) error { return s.Accept(ctx, storetest.Message(s, 7, 1, text)) })
	}, 16, 64, 256)
}

func BenchmarkAcceptAndSubmit(b *testing.B) {
	bench(b, func(b *testing.B, s *store.Store, p int) {
		ctx := context.Background()
		spread(b, s, p, func(i int) error {
			acc := storetest.Message(s, 7, 1, text)
			if err := s.Accept(ctx, acc); err != nil {
				return err
			}
			return s.Submit(ctx, storetest.Sent(acc, 0, fmt.Sprintf("%08x", i)))
		})
	}, 16, 256)
}

func BenchmarkReport(b *testing.B) {
	bench(b, func(b *testing.B, s *store.Store, p int) {
		ctx := context.Background()
		const run = 500
		acc := make([]*sms.Acceptance, (b.N+run-1)/run)
		for i := range acc {
			acc[i] = storetest.Message(s, 7, run, text)
			if err := s.Accept(ctx, acc[i]); err != nil {
				b.Fatal(err)
			}
			var wg sync.WaitGroup
			for j := range run {
				wg.Go(func() { s.Submit(ctx, storetest.Sent(acc[i], j, fmt.Sprintf("%08x", i*run+j))) })
			}
			wg.Wait()
		}
		done := time.Now()
		spread(b, s, p, func(i int) error {
			return s.Report(ctx, storetest.Receipt(acc[i/run], i%run, 0, 1, fmt.Sprintf("%08x", i), message.StateDelivered, done))
		})
	}, 16, 256)
}

func BenchmarkTokens(b *testing.B) {
	bench(b, func(b *testing.B, s *store.Store, p int) {
		ctx := context.Background()
		spread(b, s, p, func(int) error {
			n := s.NextToken(2)
			expires := time.Now().Add(time.Hour)
			return s.IssueTokens(ctx,
				oauth.Token{ID: n, Kind: oauth.KindRefresh, Family: n, App: 7, Scopes: "SMS", Hash: [32]byte{1}, Expires: expires},
				oauth.Token{ID: n + 1, Kind: oauth.KindAccess, Family: n, App: 7, Scopes: "SMS", Hash: [32]byte{1}, Expires: expires})
		})
	}, 16, 256)
}

func BenchmarkReadToken(b *testing.B) {
	bench(b, func(b *testing.B, s *store.Store, p int) {
		ctx := context.Background()
		n := s.NextToken(1)
		if err := s.IssueTokens(ctx, oauth.Token{ID: n, Kind: oauth.KindRefresh, Family: n, Expires: time.Now()}); err != nil {
			b.Fatal(err)
		}
		spread(b, s, p, func(int) error { _, _, err := s.Token(ctx, id.Number(n)); return err })
	}, 16)
}
