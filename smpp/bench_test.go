package smpp

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

func benchSubmit() *SubmitSM {
	return &SubmitSM{
		Source: Address{TONNetworkSpecific, NPIISDN, "48507"}, Dest: Address{TONInternational, NPIISDN, "14255550100"},
		RegisteredDelivery: ReceiptAlways,
		ShortMessage:       []byte("Your pizza is on its way. The rider is called Alice and will ring twice; pay in cash or by card. Yum."),
	}
}

func BenchmarkEncodeSubmitSM(b *testing.B) {
	p := benchSubmit()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = Append(buf[:0], Header{Sequence: 7}, p)
	}
}

func BenchmarkDecodeSubmitSM(b *testing.B) {
	raw, _ := Append(nil, Header{Sequence: 7}, benchSubmit())
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeSubmitSMResp(b *testing.B) {
	raw, _ := Append(nil, Header{Sequence: 7}, &SubmitSMResp{MessageID: "0123456789"})
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseReceipt(b *testing.B) {
	text := "id:0123456789 sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:DELIVRD err:000 text:Your pizza is on its"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseReceipt(text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoopbackSubmit is one session over a loopback socket, both ends in this process, the centre answering at once.
func BenchmarkLoopbackSubmit(b *testing.B) {
	for _, window := range []int{1, 10, 100, 1000} {
		b.Run(map[int]string{1: "window=1", 10: "window=10", 100: "window=100", 1000: "window=1000"}[window], func(b *testing.B) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			srv := &Server{
				Authenticate: func(context.Context, *Bind, net.Addr) (BindResp, Status) { return BindResp{}, StatusROK },
				Session: SessionConfig{Handler: HandlerFunc(func(_ context.Context, r *Request) {
					r.Respond(StatusROK, &SubmitSMResp{MessageID: "0123456789"})
				})},
			}
			served := make(chan error, 1)
			go func() { served <- srv.Serve(ctx, ln) }()
			s, _, err := Dial(ctx, DialConfig{Addr: ln.Addr().String(), Bind: BindConfig{SystemID: "bench"}, Session: SessionConfig{Window: window}})
			if err != nil {
				b.Fatal(err)
			}
			p := benchSubmit()
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for range window {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for left.Add(-1) >= 0 {
						if _, err := s.Do(ctx, p); err != nil {
							b.Error(err)
							return
						}
					}
				}()
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submit/s")
			s.Close()
			cancel()
			<-served
		})
	}
}
