package sms_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"longlines/app"
	"longlines/message"
	"longlines/number"
	"longlines/queue"
	"longlines/sms"
	"longlines/store"
)

// BenchmarkSend measures a text from acceptance to its final receipt, the centre answering at once.
func BenchmarkSend(b *testing.B) {
	ctx, stop := context.WithCancel(context.Background())
	st, err := store.Open(ctx, store.Config{Ephemeral: true})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close(context.Background())
	apps, err := app.NewDirectory(ctx, st, app.Config{})
	if err != nil {
		b.Fatal(err)
	}
	a, _, err := apps.Create(ctx, app.App{Name: "a", Level: app.LevelSandbox, Scopes: []app.Scope{"SMS"}, ShortCodes: []number.ShortCode{code}}, "")
	if err != nil {
		b.Fatal(err)
	}
	q := queue.New(queue.Config{Backend: st})
	net := &centre{submitted: make(chan message.SMS)}
	receipts := make(chan string, 8192)
	net.set(func(m message.SMS) ([]message.Ref, error) {
		ref := fmt.Sprintf("%X", int64(m.ID))
		receipts <- ref
		return []message.Ref{{ID: ref, Parts: 1}}, nil
	})
	svc, err := sms.New(ctx, sms.Config{Store: st, Queue: q, Network: net, Apps: apps, Sealer: st.Sealer()})
	if err != nil {
		b.Fatal(err)
	}
	q.SetLane(queue.KindSubmit, "smsc", 100)
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	reported := make(chan struct{}, 8192)
	for range 64 {
		go func() {
			for ref := range receipts {
				if err := svc.ReportDLR(context.Background(), dlr(ref, alice, message.StateDelivered)); err != nil {
					b.Error(err)
				}
				reported <- struct{}{}
			}
		}()
	}
	finished := make(chan struct{})
	go func() {
		for range b.N {
			<-reported
		}
		close(finished)
	}()
	g := (&world{}).grant(a)
	b.ReportAllocs()
	b.SetParallelism(32)
	b.ResetTimer()
	start := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := svc.Send(ctx, g, sms.Outgoing{Recipients: []number.MSISDN{alice}, Text: "Hello"})
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	accepted := time.Since(start)
	<-finished
	b.StopTimer()
	b.ReportMetric(float64(b.N)/accepted.Seconds(), "accepts/s")
	close(receipts)
	stop()
	<-done
}
