package sms_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"longlines/callback"
	"longlines/fault"
	"longlines/gsm"
	"longlines/message"
	"longlines/number"
	"longlines/queue"
	"longlines/sms"
)

func TestATextFromAHandsetIsPosted(t *testing.T) {
	w := newWorld(t, nil)
	n := w.receive(alice, code, "Hello")
	p := w.post()
	if string(p.Body) != w.svc.Name(n)+" +14255550100 Hello" || p.What != callback.WhatReceiveSMS || p.URL != w.pizza.MessageListener || p.Subject != n {
		t.Errorf("posted %+v", p)
	}
	if b, err := w.svc.Poll(context.Background(), w.grant(w.pizza), "48507"); err != nil || len(b.Texts) != 0 {
		t.Errorf("the poll has it too: %+v, %v", b, err)
	}
}

func TestAPostGivenUpComesToTheInbox(t *testing.T) {
	w := newWorld(t, nil)
	w.queue.Handle(queue.KindCallback, queue.Policy{LaneWorkers: 1, Work: func(ctx context.Context, j queue.Job) error {
		return w.store.Attempted(ctx, callback.Attempt{Job: j, Subject: j.Ref, What: callback.WhatReceiveSMS, Number: 10, At: w.now(), Status: 500, ToInbox: true})
	}})
	w.receive(alice, code, "Hello")
	var b *sms.Batch
	w.until("in the inbox", func() bool {
		var err error
		b, err = w.svc.Poll(context.Background(), w.grant(w.pizza), "48507")
		return err == nil && len(b.Texts) == 1
	})
	if b.Texts[0].Text != "Hello" {
		t.Errorf("got %+v", b.Texts)
	}
}

func TestTheInbox(t *testing.T) {
	w := newWorld(t, func(c *sms.Config) { c.InboxBatch = 2 })
	ctx := context.Background()
	for i := range 5 {
		w.receive(alice, "77777", fmt.Sprintf("text %d", i))
	}
	w.receive(alice, "00123", "other code")
	poll := func(want string, pending int) *sms.Batch {
		t.Helper()
		b, err := w.svc.Poll(ctx, w.grant(w.poller), "77777")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range b.Texts {
			got = append(got, strings.TrimPrefix(m.Text, "text "))
			if m.From != alice || len(m.Name) != 35 {
				t.Errorf("text %+v", m)
			}
		}
		if strings.Join(got, " ") != want || b.Pending != pending {
			t.Fatalf("handed out %q with %d pending, want %q, %d", got, b.Pending, want, pending)
		}
		return b
	}
	first := poll("0 1", 3)
	second := poll("2 3", 1)
	first.Done(false) // the reply was not written
	poll("0 1", 1).Done(true)
	second.Done(true)
	second.Done(false) // the first word counts
	last := poll("4", 0)
	poll("", 0).Done(true)
	w.move(61 * time.Second) // the lease ends by itself
	poll("4", 0).Done(true)
	last.Done(false) // too late, and not ours any more
	w.move(2 * time.Minute)
	poll("", 0)

	for _, code := range []string{"48507", "99999", "", "x", "14255550100", "7777"} {
		if _, err := w.svc.Poll(ctx, w.grant(w.poller), code); !errors.Is(err, fault.UnknownID) || fault.From(err).Value() != "RegistrationID" {
			t.Errorf("Poll(%q): %v", code, err)
		}
	}
	if b, err := w.svc.Poll(ctx, w.grant(w.poller), "00123"); err != nil || len(b.Texts) != 1 {
		t.Errorf("a code with zeros in front: %+v, %v", b, err)
	}
}

func TestParallelPollsHandOutEachTextOnce(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 40 {
		w.receive(alice, "77777", fmt.Sprint(i))
	}
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				b, err := w.svc.Poll(context.Background(), w.grant(w.poller), "77777")
				if err != nil {
					t.Error(err)
					return
				}
				if len(b.Texts) == 0 {
					return
				}
				mu.Lock()
				for _, m := range b.Texts {
					seen[m.Text]++
				}
				mu.Unlock()
				b.Done(true)
			}
		})
	}
	wg.Wait()
	if len(seen) != 40 {
		t.Errorf("%d of 40 texts", len(seen))
	}
	for text, n := range seen {
		if n != 1 {
			t.Errorf("text %s %d times", text, n)
		}
	}
}

func TestATextToNobodysCodeIsKept(t *testing.T) {
	w := newWorld(t, nil)
	for _, in := range []message.Incoming{
		{From: alice.Address(), To: number.ShortCode("11111").Address(), Text: "STOP"},
		{From: code.Address(), To: code.Address(), Text: "from a short code"},
		{From: alice.Address(), To: bob.Address(), Text: "to a subscriber"},
	} {
		in.Group = "g"
		if n, err := w.svc.ReceiveSMS(context.Background(), in); err != nil || n == 0 {
			t.Errorf("%q: %d, %v", in.Text, n, err)
		}
	}
	w.noPost()
	all, err := w.store.OptOuts(context.Background())
	if err != nil || len(all) != 0 {
		t.Errorf("opt-outs %+v, %v", all, err)
	}
}

func TestADeliverSentAgainIsOneText(t *testing.T) {
	w := newWorld(t, nil)
	first := w.deliver(1, "once")
	if w.deliver(2, "once") != first || w.deliver(3, "once") != first {
		t.Error("the same PDU on another connection, unconfirmed, was taken twice")
	}
	if w.deliver(3, "once") == first {
		t.Error("the same PDU on the same connection is another text")
	}
}

func TestEqualTextsAreTextsOnceTheRepetitionIsAnswered(t *testing.T) {
	w := newWorld(t, nil)
	first := w.deliver(1, "HELP") // the connection breaks before the answer is written
	w.svc.Confirm(w.deliver(2, "HELP"))
	second := w.deliver(3, "HELP")
	if second == first {
		t.Error("another text was taken for a repetition of one whose answer was written at the second time")
	}
	w.svc.Confirm(second)
	w.svc.Confirm(w.deliver(4, "HELP"))
	if b, err := w.svc.Poll(context.Background(), w.grant(w.poller), "77777"); err != nil || len(b.Texts) != 3 {
		t.Errorf("in the inbox: %+v, %v", b, err)
	}
}

func TestSegmentsAreJoined(t *testing.T) {
	w := newWorld(t, nil)
	text := strings.Repeat("Grüße aus Zürich. ", 20)
	whole, err := gsm.Split(text, gsm.SplitOptions{})
	segments := whole.Segments
	if err != nil || len(segments) < 2 {
		t.Fatal(err, len(segments))
	}
	for i := len(segments) - 1; i >= 0; i-- {
		w.noPost()
		if _, err := w.svc.ReceiveSMS(context.Background(), segment(whole, i)); err != nil {
			t.Fatal(err)
		}
	}
	if p := w.post(); !strings.HasSuffix(string(p.Body), " +14255550100 "+text) {
		t.Errorf("posted %s", p.Body)
	}
	// One of three never comes.
	whole, _ = gsm.Split(strings.Repeat("x", 400), gsm.SplitOptions{})
	for _, i := range []int{0, 2} {
		if _, err := w.svc.ReceiveSMS(context.Background(), segment(whole, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.svc.JoinStale(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.noPost()
	w.move(25 * time.Hour)
	if err := w.svc.JoinStale(context.Background()); err != nil {
		t.Fatal(err)
	}
	if p := w.post(); !strings.Contains(string(p.Body), "x…x") {
		t.Errorf("posted %s", p.Body)
	}
}

func TestManyTextsWithMissingSegmentsAreDeliveredInOneSweep(t *testing.T) {
	w := newWorld(t, nil)
	const n = 600
	var wg sync.WaitGroup
	for i := range n {
		in := message.Incoming{Group: "g", From: alice.Address(), To: number.ShortCode("77777").Address(), ConcatRef: uint16(i), Total: 2, Part: 1, UD: []byte("x"), Text: "x"}
		wg.Go(func() {
			if _, err := w.svc.ReceiveSMS(context.Background(), in); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.move(25 * time.Hour)
	over, stop := context.WithCancel(context.Background())
	stop()
	if err := w.svc.JoinStale(over); err != nil {
		t.Fatal(err)
	}
	waits := func() int {
		t.Helper()
		b, err := w.svc.Poll(context.Background(), w.grant(w.poller), "77777")
		if err != nil {
			t.Fatal(err)
		}
		defer b.Done(false)
		return len(b.Texts) + b.Pending
	}
	if got := waits(); got != 0 {
		t.Errorf("%d delivered by a platform that stops", got)
	}
	if err := w.svc.JoinStale(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := waits(); got != n {
		t.Errorf("%d of %d were delivered", got, n)
	}
}

func segment(m gsm.Message, i int) message.Incoming {
	return message.Incoming{Group: "g", From: alice.Address(), To: code.Address(), ConcatRef: 7, Total: uint8(len(m.Segments)), Part: uint8(i + 1),
		DCS: uint8(m.DCS), UD: m.Segments[i].Payload, Text: m.Segments[i].Text}
}

func TestStopAndStart(t *testing.T) {
	w := newWorld(t, nil)
	ctx := context.Background()
	send := func() error {
		_, err := w.svc.Send(ctx, w.grant(w.pizza), sms.Outgoing{Recipients: []number.MSISDN{alice}, Text: "Hi"})
		return err
	}
	w.receive(alice, code, "Stop.")
	if err := send(); !errors.Is(err, fault.OptedOut) || fault.From(err).Value() != "tel:+14255550100" {
		t.Fatalf("send after STOP: %v", err)
	}
	confirm := w.submitted() // although the recipient has opted out
	if !strings.Contains(confirm.Text, "no more texts from 48507") || confirm.To != alice || confirm.From != code.Address() {
		t.Errorf("confirmation %+v", confirm)
	}
	if p := w.post(); !strings.HasSuffix(string(p.Body), "Stop.") {
		t.Errorf("the app was told %s", p.Body)
	}
	w.receive(alice, code, "STOP") // no second confirmation
	w.post()
	if _, err := w.svc.Send(ctx, w.grant(w.pizza), sms.Outgoing{Recipients: []number.MSISDN{bob}, Text: "to bob"}); err != nil {
		t.Fatal(err)
	}
	if m := w.submitted(); m.Text != "to bob" {
		t.Errorf("submitted %+v", m)
	}
	// It survives: another Service over the same store knows it.
	if err := w.svc.ReloadOptOuts(ctx); err != nil || !w.svc.OptedOut(w.pizza.ID, alice) || w.svc.OptedOut(w.poller.ID, alice) {
		t.Errorf("after a reload: %v", err)
	}
	w.receive(alice, code, "start")
	if m := w.submitted(); !strings.Contains(m.Text, "again") {
		t.Errorf("submitted %+v", m)
	}
	if err := send(); err != nil {
		t.Errorf("send after START: %v", err)
	}
	w.submitted()
	if err := w.svc.ReloadOptOuts(ctx); err != nil || w.svc.OptedOut(w.pizza.ID, alice) {
		t.Errorf("after START and a reload: %v", err)
	}
	w.receive(bob, code, "yes") // an answer like any other
	w.post()
	select {
	case m := <-w.net.submitted:
		t.Errorf("submitted %+v", m)
	default:
	}
}

func TestParallelStopsAreConfirmedOnce(t *testing.T) {
	w := newWorld(t, nil)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := w.svc.ReceiveSMS(context.Background(), message.Incoming{Group: "g", From: alice.Address(), To: code.Address(), Text: "STOP"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.submitted()
	for range 10 {
		w.post()
	}
	sent := w.send(bob)
	if m := w.submitted(); m.ID != sent.ID {
		t.Errorf("a second confirmation: %+v", m)
	}
}

// reliability.md T12: what was accepted before the STOP is not sent after it.
func TestStopCancelsWhatWaits(t *testing.T) {
	w := newWorld(t, nil)
	w.queue.SetLane(queue.KindSubmit, "smsc", 0)
	var sent []sms.Sent
	for range 200 {
		sent = append(sent, w.send(alice))
	}
	w.receive(alice, code, "STOP")
	w.post()
	w.queue.SetLane(queue.KindSubmit, "smsc", 8)
	for _, s := range sent {
		w.state(s.ID, message.StateCancelled)
	}
	for range sent {
		if p := w.post(); !strings.HasSuffix(string(p.Body), sms.DeliveryImpossible) {
			t.Fatalf("posted %s", p.Body)
		}
	}
	if m := w.submitted(); !strings.Contains(m.Text, "no more texts") {
		t.Errorf("submitted %+v", m)
	}
	if n := len(w.net.submitted); n != 0 {
		t.Errorf("%d texts were submitted after the STOP", n)
	}
}

func TestPruneKeepsWhatIsYoung(t *testing.T) {
	w := newWorld(t, nil)
	sent := w.send(alice)
	w.state(sent.ID, message.StateSent)
	if err := w.svc.Prune(context.Background()); err != nil {
		t.Fatal(err)
	}
	if m := w.state(sent.ID, message.StateSent); m.Text != "Hi" {
		t.Errorf("text %q", m.Text)
	}
	w.report(dlr(fmt.Sprintf("m%d", sent.ID), alice, message.StateDelivered))
	w.move(31 * 24 * time.Hour)
	if err := w.svc.Prune(context.Background()); err != nil {
		t.Fatal(err)
	}
	if m := w.row(sent.ID, "erased", func(m sms.MT) bool { return m.Text == "" }); m.To != alice {
		t.Errorf("row %+v", m)
	}
}
