package sms_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"longlines/app"
	"longlines/fault"
	"longlines/id"
	"longlines/message"
	"longlines/number"
	"longlines/queue"
	"longlines/sms"
	"longlines/store"
)

func TestSendRefuses(t *testing.T) {
	w := newWorld(t, nil)
	ctx := context.Background()
	if err := w.svc.SetOptOut(ctx, sms.OptOut{App: w.pizza.ID, From: bob, Word: "STOP"}); err != nil {
		t.Fatal(err)
	}
	everywhere := number.MSISDN("14255550113")
	if err := w.svc.SetOptOut(ctx, sms.OptOut{From: everywhere, Word: "STOP"}); err != nil {
		t.Fatal(err)
	}
	many := make([]number.MSISDN, 51)
	for i := range many {
		many[i] = number.MSISDN(fmt.Sprintf("1425555%04d", i))
	}
	for _, tt := range []struct {
		name string
		app  *app.App
		out  sms.Outgoing
		want *fault.Fault
		vars string
	}{
		{"no text", w.pizza, sms.Outgoing{Recipients: []number.MSISDN{alice}}, fault.MissingParameter, "Message"},
		{"a text of 4,097 characters", w.pizza, sms.Outgoing{Recipients: []number.MSISDN{alice}, Text: strings.Repeat("é", 4097)}, fault.BadParameter, "Message"},
		{"a NUL", w.pizza, sms.Outgoing{Recipients: []number.MSISDN{alice}, Text: "a\x00b"}, fault.BadParameter, "Message"},
		{"an escape", w.pizza, sms.Outgoing{Recipients: []number.MSISDN{alice}, Text: "a\x1bb"}, fault.BadParameter, "Message"},
		{"a C1 control", w.pizza, sms.Outgoing{Recipients: []number.MSISDN{alice}, Text: "a\u0085b"}, fault.BadParameter, "Message"},
		{"what is no text", w.pizza, sms.Outgoing{Recipients: []number.MSISDN{alice}, Text: "a\xff"}, fault.BadParameter, "Message"},
		{"no recipient", w.pizza, sms.Outgoing{Text: "Hi"}, fault.NoValidAddress, "Address"},
		{"51 recipients", w.pizza, sms.Outgoing{Recipients: many, Text: "Hi"}, fault.TooManyAddresses, ""},
		{"a recipient twice", w.pizza, sms.Outgoing{Recipients: []number.MSISDN{alice, bob, alice}, Text: "Hi"}, fault.DuplicateAddresses, ""},
		{"a receipt without a listener", w.poller, sms.Outgoing{Recipients: []number.MSISDN{alice}, Text: "Hi", Notify: true}, fault.ReceiptNotPossible, ""},
		{"an app without a short code", w.mute, sms.Outgoing{Recipients: []number.MSISDN{alice}, Text: "Hi"}, fault.Dependency, "The app has no short code to send from"},
		{"a recipient who has opted out", w.pizza, sms.Outgoing{Recipients: []number.MSISDN{alice, bob}, Text: "Hi"}, fault.OptedOut, "tel:+14255550101"},
		{"a recipient who has opted out of everything", w.poller, sms.Outgoing{Recipients: []number.MSISDN{everywhere}, Text: "Hi"}, fault.OptedOut, "tel:+14255550113"},
		{"the text comes before the recipients", w.pizza, sms.Outgoing{Recipients: many}, fault.MissingParameter, "Message"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.svc.Send(ctx, w.grant(tt.app), tt.out)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if v := fault.From(err).Value(); v != tt.vars {
				t.Errorf("variables %q, want %q", v, tt.vars)
			}
		})
	}
	t.Run("another app may send to who has opted out of one", func(t *testing.T) {
		if _, err := w.svc.Send(ctx, w.grant(w.poller), sms.Outgoing{Recipients: []number.MSISDN{bob}, Text: "Hi"}); err != nil {
			t.Error(err)
		}
	})
	t.Run("no route", func(t *testing.T) {
		w.net.mu.Lock()
		w.net.noRoute = true
		w.net.mu.Unlock()
		_, err := w.svc.Send(ctx, w.grant(w.pizza), sms.Outgoing{Recipients: []number.MSISDN{alice}, Text: "Hi"})
		if !errors.Is(err, fault.Dependency) || fault.From(err).Value() != "No route to the destination" {
			t.Errorf("got %v", err)
		}
	})
}

func TestMayBeSent(t *testing.T) {
	for name, text := range map[string]string{
		"one character": "a", "4,096 characters of four octets": strings.Repeat("😀", 4096), "line ends and tabs": "a\r\n\tb", "Latin-1": "café",
	} {
		if err := sms.CheckText(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTooManyTextsWaiting(t *testing.T) {
	var waiting atomic.Int64
	w := newWorld(t, func(c *sms.Config) { c.Waiting, c.MaxQueued = waiting.Load, 10 })
	w.send(alice)
	waiting.Store(10)
	_, err := w.svc.Send(context.Background(), w.grant(w.pizza), sms.Outgoing{Recipients: []number.MSISDN{alice}, Text: "Hi"})
	if !errors.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func TestATextFromSendToReceipt(t *testing.T) {
	w := newWorld(t, nil)
	sent := w.send(alice, bob)
	if len(sent.Name) != 35 || !strings.HasPrefix(sent.Name, "SMS") || strings.ToLower(sent.Name[3:]) != sent.Name[3:] {
		t.Fatalf("name is %q", sent.Name)
	}
	got := map[number.MSISDN]message.SMS{}
	for range 2 {
		m := w.submitted()
		got[m.To] = m
	}
	m := got[alice]
	if m.ID != sent.ID || m.Message != sent.ID || m.From != code.Address() || m.Text != "Hi" || !m.WantDLR || m.Attempt != 1 {
		t.Errorf("submitted %+v", m)
	}
	if d := m.Expires.Sub(w.now()); d < 23*time.Hour || d > 24*time.Hour {
		t.Errorf("expires in %s", d)
	}
	row := w.state(sent.ID, message.StateSent)
	w.state(sent.ID+1, message.StateSent)
	if row.Parts != 1 || row.Attempt != 1 || row.Sent.IsZero() || row.Link != "smsc" || row.Twice {
		t.Errorf("row is %+v", row)
	}
	w.until("the places in the window are free", func() bool { return w.net.freed.Load() == 2 })

	st, err := w.svc.Status(context.Background(), w.grant(w.pizza), sent.Name)
	if err != nil || len(st.Recipients) != 2 || st.Recipients[0].Status != sms.DeliveredToNetwork || st.Recipients[1].To != bob {
		t.Fatalf("status %+v, %v", st, err)
	}
	w.report(dlr(fmt.Sprintf("m%d", sent.ID), alice, message.StateDelivered))
	w.report(dlr(fmt.Sprintf("m%d", sent.ID+1), bob, message.StateUndeliverable))
	for _, want := range []string{sent.Name + " +14255550100 DeliveredToTerminal", sent.Name + " +14255550101 DeliveryImpossible"} {
		p := w.post()
		if string(p.Body) != want || p.What != "Receive SMS Delivery Status" || p.Message != sent.Name || p.URL != w.pizza.StatusListener {
			t.Errorf("posted %s, want %s", p.Body, want)
		}
	}
	w.report(dlr(fmt.Sprintf("m%d", sent.ID), alice, message.StateDelivered)) // repeated by the centre
	st, err = w.svc.Status(context.Background(), w.grant(w.pizza), "msg_"+strings.ToUpper(sent.Name[3:]))
	if err != nil || st.Recipients[0].Status != sms.DeliveredToTerminal || st.Recipients[1].Status != sms.DeliveryImpossible {
		t.Fatalf("status %+v, %v", st, err)
	}
	w.noPost()

	for name, f := range map[string]func() error{
		"another app": func() error { _, err := w.svc.Status(context.Background(), w.grant(w.poller), sent.Name); return err },
		"a made-up name": func() error {
			_, err := w.svc.Status(context.Background(), w.grant(w.pizza), "SMS"+strings.Repeat("0", 32))
			return err
		},
		"a name too short": func() error { _, err := w.svc.Status(context.Background(), w.grant(w.pizza), "SMSx"); return err },
		"the second recipient's row": func() error {
			_, err := w.svc.Status(context.Background(), w.grant(w.pizza), w.svc.Name(sent.ID+1))
			return err
		},
		"after a day": func() error {
			w.move(25 * time.Hour)
			_, err := w.svc.Status(context.Background(), w.grant(w.pizza), sent.Name)
			return err
		},
	} {
		if err := f(); !errors.Is(err, fault.UnknownID) || fault.From(err).Value() != "RequestIdentifier" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStory(t *testing.T) {
	w := newWorld(t, nil)
	sent := w.send(alice, bob)
	w.state(sent.ID+1, message.StateSent)
	st, err := w.svc.Story(context.Background(), sent.ID+1)
	if err != nil || len(st.Rows) != 2 || st.Rows[0].To != alice || len(st.Parts[1]) != 1 || st.Parts[1][0].Raw != fmt.Sprintf("m%d", sent.ID+1) {
		t.Errorf("story %+v, %v", st, err)
	}
	if _, err := w.svc.Story(context.Background(), 1); !errors.Is(err, sms.ErrNotFound) {
		t.Errorf("story of nothing: %v", err)
	}
}

func TestNamesGoBothWays(t *testing.T) {
	w := newWorld(t, nil)
	for n := id.Number(1); n < 1<<62; n = n*7 + 3 {
		got, err := w.svc.ParseName(" " + strings.ToLower(w.svc.Name(n)) + "\n")
		if err != nil || got != n {
			t.Fatalf("%d: %d, %v", n, got, err)
		}
		if n > 1<<58 {
			break
		}
	}
}

func TestTheSameKeyIsTheSameText(t *testing.T) {
	w := newWorld(t, nil)
	ctx := context.Background()
	key := &app.Idempotency{Tenant: w.pizza.Tenant(), Scope: "POST /x", Key: "k", Fingerprint: [32]byte{1}}
	out := sms.Outgoing{Recipients: []number.MSISDN{alice}, Text: "Hi", Key: key}
	var wg sync.WaitGroup
	var mu sync.Mutex
	names := map[string]int{}
	fresh := 0
	for range 8 {
		wg.Go(func() {
			sent, err := w.svc.Send(ctx, w.grant(w.pizza), out)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			names[sent.Name]++
			if !sent.Replayed {
				fresh++
			}
		})
	}
	wg.Wait()
	if len(names) != 1 || fresh != 1 {
		t.Errorf("names %v, %d fresh", names, fresh)
	}
	other := *key
	other.Fingerprint = [32]byte{2}
	out.Key = &other
	if _, err := w.svc.Send(ctx, w.grant(w.pizza), out); !errors.Is(err, fault.IdempotencyMismatch) {
		t.Errorf("another request under the key: %v", err)
	}
	w.submitted()
	select {
	case m := <-w.net.submitted:
		t.Errorf("submitted again: %+v", m)
	default:
	}
}

func TestACallerWhoWaits(t *testing.T) {
	for _, tt := range []struct {
		name  string
		class message.Class
		code  string
		text  string
		want  error
		state message.State
	}{
		{"0x64 comes back to the caller and is not tried again", message.ClassTemporary, "SMPP-0064", "ESME_RX_T_APPN", fault.SMPPTemporary, message.StateFailed},
		{"0x66", message.ClassPermanent, "SMPP-0066", "ESME_RX_R_APPN", fault.SMPPInvalidDestination, message.StateFailed},
		{"0x0B", message.ClassPermanent, "SMPP-000B", "ESME_RINVDSTADR", fault.SMPPNotProvisioned, message.StateFailed},
		{"another permanent one", message.ClassPermanent, "SMPP-0065", "ESME_RX_P_APPN", fault.Dependency, message.StateFailed},
		{"a PDU the centre calls wrong", message.ClassBug, "SMPP-0043", "ESME_RINVESMCLASS", fault.Dependency, message.StateFailed},
		{"another temporary one does not", message.ClassTemporary, "SMPP-0102", "ESME_RSERTYPUNAVAIL", nil, message.StateRetrying},
		{"a full queue does not", message.ClassThrottled, "SMPP-0014", "ESME_RMSGQFUL", nil, message.StateHeld},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.net.set(refuse(tt.class, tt.code, tt.text))
			wait := 5 * time.Second
			if tt.want == nil {
				wait = 100 * time.Millisecond
			}
			sent, err := w.svc.Send(context.Background(), w.grant(w.pizza), sms.Outgoing{Recipients: []number.MSISDN{alice}, Text: "Hi", Wait: wait})
			if tt.want == nil && err != nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if tt.want == fault.Dependency && fault.From(err).Value() != tt.code+" "+tt.text {
				t.Errorf("variables %q", fault.From(err).Value())
			}
			if m := w.state(sent.ID, tt.state); m.Code != tt.code {
				t.Errorf("code %q", m.Code)
			}
		})
	}
	t.Run("a yes is answered at once", func(t *testing.T) {
		w := newWorld(t, nil)
		start := time.Now()
		if _, err := w.svc.Send(context.Background(), w.grant(w.pizza), sms.Outgoing{Recipients: []number.MSISDN{alice}, Text: "Hi", Wait: 5 * time.Second}); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > 4*time.Second {
			t.Errorf("took %s", d)
		}
	})
	t.Run("of two recipients one refused is no error", func(t *testing.T) {
		w := newWorld(t, nil)
		w.net.set(func(m message.SMS) ([]message.Ref, error) {
			if m.To == bob {
				return refuse(message.ClassPermanent, "SMPP-000B", "x")(m)
			}
			return oneRef(m), nil
		})
		sent, err := w.svc.Send(context.Background(), w.grant(w.pizza), sms.Outgoing{Recipients: []number.MSISDN{bob, alice}, Text: "Hi", Wait: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		w.state(sent.ID, message.StateFailed)
		w.state(sent.ID+1, message.StateSent)
	})
	t.Run("of two recipients both refused is", func(t *testing.T) {
		w := newWorld(t, nil)
		w.net.set(refuse(message.ClassPermanent, "SMPP-000B", "x"))
		_, err := w.svc.Send(context.Background(), w.grant(w.pizza), sms.Outgoing{Recipients: []number.MSISDN{bob, alice}, Text: "Hi", Wait: 5 * time.Second})
		if !errors.Is(err, fault.SMPPNotProvisioned) {
			t.Fatal(err)
		}
	})
	t.Run("the account may wait for every send", func(t *testing.T) {
		w := newWorld(t, nil)
		w.net.set(refuse(message.ClassPermanent, "SMPP-0066", "x"))
		a := *w.pizza
		a.WaitForVerdict = 5 * time.Second
		_, err := w.svc.Send(context.Background(), w.grant(&a), sms.Outgoing{Recipients: []number.MSISDN{alice}, Text: "Hi"})
		if !errors.Is(err, fault.SMPPInvalidDestination) {
			t.Fatal(err)
		}
	})
}

func TestWhatARefusalMeans(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answer  func(message.SMS) ([]message.Ref, error)
		state   message.State
		attempt int
		twice   bool
		posted  bool
	}{
		{"permanent ends it and tells the app", refuse(message.ClassPermanent, "SMPP-0065", "x"), message.StateFailed, 1, false, true},
		{"a wrong PDU is never sent again", refuse(message.ClassBug, "SMPP-0001", "x"), message.StateFailed, 1, false, true},
		{"temporary is tried again, and counted", refuse(message.ClassTemporary, "SMPP-0064", "x"), message.StateRetrying, 1, false, false},
		{"temporary for a short while too", refuse(message.ClassTemporaryShort, "SMPP-0008", "x"), message.StateRetrying, 1, false, false},
		{"throttling is not counted", refuse(message.ClassThrottled, "SMPP-0058", "x"), message.StateHeld, 0, false, false},
		{"trouble of the bind is not counted", refuse(message.ClassBind, "SMPP-0004", "x"), message.StateHeld, 0, false, false},
		{"what was not sent is not counted", refuse(message.ClassUnsent, "", "not bound"), message.StateHeld, 0, false, false},
		{"an unknown outcome may be a duplicate", refuse(message.ClassUnknown, "", "no answer"), message.StateUnknown, 1, true, false},
		{"what is no refusal is unknown", func(message.SMS) ([]message.Ref, error) { return nil, errors.New("boom") }, message.StateUnknown, 1, true, false},
		{"segments taken before a no are kept", func(m message.SMS) ([]message.Ref, error) {
			return nil, &message.Refusal{Class: message.ClassTemporary, Code: "SMPP-0064", Refs: []message.Ref{{Group: "g", ID: "first", Part: 0, Parts: 3}}}
		}, message.StateRetrying, 1, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(c *sms.Config) { c.Grace = time.Hour })
			w.net.set(tt.answer)
			sent := w.send(alice)
			w.submitted()
			m := w.row(sent.ID, "settled", func(m sms.MT) bool { return m.State == tt.state })
			if m.Attempt != tt.attempt || m.Twice != tt.twice {
				t.Errorf("attempt %d, twice %v", m.Attempt, m.Twice)
			}
			if tt.posted {
				if p := w.post(); !strings.HasSuffix(string(p.Body), sms.DeliveryImpossible) {
					t.Errorf("posted %s", p.Body)
				}
			}
			parts, err := w.store.Parts(context.Background(), sent.ID)
			if err != nil || (len(parts) == 1) != (tt.name == "segments taken before a no are kept") {
				t.Errorf("parts %+v, %v", parts, err)
			}
			w.until("the place in the window is free", func() bool { return w.net.freed.Load() > 0 })
		})
	}
}

func TestATemporaryRefusalIsTriedAgainWhenItIsDue(t *testing.T) {
	w := newWorld(t, nil)
	w.net.set(refuse(message.ClassTemporary, "SMPP-0064", "x"))
	sent := w.send(alice)
	if m := w.submitted(); m.Attempt != 1 {
		t.Errorf("attempt %d", m.Attempt)
	}
	w.state(sent.ID, message.StateRetrying)
	w.net.set(nil)
	w.move(37 * time.Second) // 30 s and 20 %
	if m := w.submitted(); m.Attempt != 2 || m.Text != "Hi" || m.Message != sent.ID || m.From != code.Address() {
		t.Errorf("submitted %+v", m)
	}
	w.state(sent.ID, message.StateSent)
}

func TestAShortTemporaryRefusalEndsAtTheEighth(t *testing.T) {
	w := newWorld(t, nil)
	w.net.set(refuse(message.ClassTemporaryShort, "SMPP-0008", "ESME_RSYSERR"))
	sent := w.send(alice)
	for n := 1; n <= 8; n++ {
		if m := w.submitted(); m.Attempt != n {
			t.Fatalf("attempt %d, want %d", m.Attempt, n)
		}
		w.row(sent.ID, "attempt counted", func(m sms.MT) bool { return m.Attempt == n })
		w.move(90 * time.Minute)
	}
	if m := w.state(sent.ID, message.StateFailed); m.Code != "SMPP-0008" {
		t.Errorf("code %q", m.Code)
	}
}

func TestAnUnknownOutcomeIsSubmittedAgainAndMarked(t *testing.T) {
	w := newWorld(t, nil)
	var n atomic.Int32
	w.net.set(func(m message.SMS) ([]message.Ref, error) {
		if n.Add(1) == 1 {
			return refuse(message.ClassUnknown, "", "connection lost")(m)
		}
		return oneRef(m), nil
	})
	sent := w.send(alice)
	w.submitted()
	w.submitted()
	if m := w.state(sent.ID, message.StateSent); !m.Twice || m.Attempt != 2 {
		t.Errorf("row %+v", m)
	}
}

func TestAnUnsentTextTakesTheOtherLink(t *testing.T) {
	w := newWorld(t, nil)
	w.queue.SetLane(queue.KindSubmit, "backup", 1)
	w.net.mu.Lock()
	w.net.other = "backup"
	w.net.mu.Unlock()
	var n atomic.Int32
	w.net.set(func(m message.SMS) ([]message.Ref, error) {
		if n.Add(1) == 1 {
			return refuse(message.ClassUnsent, "", "not bound")(m)
		}
		return oneRef(m), nil
	})
	sent := w.send(alice)
	if m := w.state(sent.ID, message.StateSent); m.Link != "backup" || m.Attempt != 1 {
		t.Errorf("row %+v", m)
	}
}

func TestTextsOfALinkThatIsGoneFindAnother(t *testing.T) {
	w := newWorld(t, func(c *sms.Config) {
		c.Stranded = func(context.Context) ([]string, error) { return []string{"smsc"}, nil }
	})
	w.queue.SetLane(queue.KindSubmit, "smsc", 0)
	var sent []sms.Sent
	for range 20 {
		sent = append(sent, w.send(alice))
	}
	w.queue.RemoveLane(queue.KindSubmit, "smsc")
	w.queue.SetLane(queue.KindSubmit, "new", 2)
	w.net.mu.Lock()
	w.net.other = "new"
	w.net.gone = "smsc"
	w.net.mu.Unlock()
	if err := w.svc.Reroute(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, s := range sent {
		if m := w.state(s.ID, message.StateSent); m.Link != "new" || m.Attempt != 1 {
			t.Errorf("row %+v", m)
		}
	}
}

func TestATextExpiresWhileItsLinkIsDown(t *testing.T) {
	w := newWorld(t, nil)
	w.queue.SetLane(queue.KindSubmit, "smsc", 0)
	sent := w.send(alice)
	w.move(24*time.Hour + time.Second)
	m := w.state(sent.ID, message.StateExpired)
	if p := w.post(); !strings.HasSuffix(string(p.Body), sms.DeliveryImpossible) || p.Subject != m.ID {
		t.Errorf("posted %s", p.Body)
	}
	if len(w.net.submitted) != 0 {
		t.Error("it was submitted")
	}
}

func TestLessThanAMinuteLeftIsTooLittle(t *testing.T) {
	w := newWorld(t, func(c *sms.Config) { c.Validity = 59 * time.Second })
	sent := w.send(alice)
	w.state(sent.ID, message.StateExpired)
	if len(w.net.submitted) != 0 {
		t.Error("it was submitted")
	}
}

func TestATextThatCrashesItsWorkerIsQuarantined(t *testing.T) {
	w := newWorld(t, nil)
	w.net.set(func(message.SMS) ([]message.Ref, error) { panic("odd text") })
	sent := w.send(alice)
	w.until("quarantined", func() bool {
		w.move(time.Second)
		m, err := w.store.MT(context.Background(), sent.ID)
		return err == nil && m.State == message.StateQuarantined
	})
}

func TestATextWhoseWorkerDiedOnceMayHaveBeenSentTwice(t *testing.T) {
	w := newWorld(t, nil)
	var n atomic.Int32
	w.net.set(func(m message.SMS) ([]message.Ref, error) {
		if n.Add(1) == 1 {
			panic("once")
		}
		return oneRef(m), nil
	})
	sent := w.send(alice)
	w.until("it is due again", func() bool {
		w.move(time.Second)
		return n.Load() == 2
	})
	if m := w.state(sent.ID, message.StateSent); !m.Twice {
		t.Errorf("row %+v", m)
	}
}

func TestPublished(t *testing.T) {
	golden := map[message.State]string{
		message.StateAccepted: "DeliveredToNetwork", message.StateHeld: "DeliveredToNetwork", message.StateRetrying: "DeliveredToNetwork",
		message.StateSent: "DeliveredToNetwork", message.StateUnknown: "DeliveredToNetwork",
		message.StateDelivered:     "DeliveredToTerminal",
		message.StateUndeliverable: "DeliveryImpossible", message.StateExpired: "DeliveryImpossible", message.StateFailed: "DeliveryImpossible",
		message.StateCancelled: "DeliveryImpossible", message.StateUncertain: "DeliveryImpossible", message.StateQuarantined: "DeliveryImpossible",
	}
	for s := message.State(0); s < 32; s++ {
		if s.String() == "none" {
			continue
		}
		if want, ok := golden[s]; !ok || sms.Published(s) != want {
			t.Errorf("%s: %s, want %s", s, sms.Published(s), want)
		}
	}
}

// A text waits for its turn at the link, a minute perhaps, and its recipient says STOP meanwhile.
func TestASTOPWhileATextWaitsForItsTurnIsHeard(t *testing.T) {
	w := newWorld(t, nil)
	waiting, turn := make(chan struct{}), make(chan struct{})
	w.net.set(func(m message.SMS) ([]message.Ref, error) {
		if m.To != alice {
			return []message.Ref{{ID: "x", Parts: 1}}, nil // the confirmation, perhaps
		}
		close(waiting)
		<-turn
		if m.Still() {
			return []message.Ref{{ID: "sent", Parts: 1}}, nil
		}
		return nil, &message.Refusal{Class: message.ClassUnsent, Name: "not wanted any more"}
	})
	sent := w.send(alice)
	<-waiting
	if err := w.svc.SetOptOut(context.Background(), sms.OptOut{App: w.pizza.ID, From: alice, Word: "STOP"}); err != nil {
		t.Fatal(err)
	}
	close(turn)
	w.state(sent.ID, message.StateCancelled)
}

// Of a text that is ended so a centre may have taken the first segment: its receipt finds it.
func TestASTOPKeepsWhatWasTakenBeforeIt(t *testing.T) {
	w := newWorld(t, nil)
	waiting, turn := make(chan struct{}), make(chan struct{})
	w.net.set(func(m message.SMS) ([]message.Ref, error) {
		close(waiting)
		<-turn
		return nil, &message.Refusal{Class: message.ClassUnsent, Name: "link is down", Refs: []message.Ref{{Group: "g", ID: "taken", Parts: 3}}}
	})
	sent := w.send(alice)
	<-waiting
	if err := w.svc.SetOptOut(context.Background(), sms.OptOut{App: w.pizza.ID, From: alice, Word: "STOP"}); err != nil {
		t.Fatal(err)
	}
	close(turn)
	w.state(sent.ID, message.StateCancelled)
	parts, err := w.store.Parts(context.Background(), sent.ID)
	if err != nil || len(parts) != 1 || parts[0].Raw != "taken" {
		t.Errorf("parts %+v, %v", parts, err)
	}
}

// So is the end of its validity.
func TestATextThatWaitedTooLongForItsTurnExpires(t *testing.T) {
	w := newWorld(t, nil)
	waiting, turn := make(chan struct{}), make(chan struct{})
	w.net.set(func(m message.SMS) ([]message.Ref, error) {
		close(waiting)
		<-turn
		if m.Still() {
			return []message.Ref{{ID: "sent", Parts: 1}}, nil
		}
		return nil, &message.Refusal{Class: message.ClassUnsent, Name: "not wanted any more"}
	})
	sent := w.send(alice)
	<-waiting
	w.move(24*time.Hour - 30*time.Second)
	close(turn)
	w.state(sent.ID, message.StateExpired)
}

// What a row that does not fit its checksum says is shown to nobody, and it comes to an end.
func TestARowInDoubtIsToldToNobody(t *testing.T) {
	f := &doubtful{}
	w := newWorld(t, func(c *sms.Config) { f.Store, c.Store = c.Store.(*store.Store), f })
	sent := w.send(alice)
	w.state(sent.ID, message.StateSent)
	f.corrupt.Store(int64(sent.ID))
	if _, err := w.svc.Status(context.Background(), w.grant(w.pizza), sent.Name); !errors.Is(err, sms.ErrCorrupt) {
		t.Errorf("status: %v", err)
	}
	w.move(49 * time.Hour)
	if err := w.svc.GiveUpWaiting(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.state(sent.ID, message.StateQuarantined)
	w.noPost()
}

// doubtful is a store one of whose rows does not fit its checksum.
type doubtful struct {
	*store.Store
	corrupt atomic.Int64
}

func (d *doubtful) mark(rows []sms.MT, err error) ([]sms.MT, error) {
	for i := range rows {
		rows[i].Corrupt = int64(rows[i].ID) == d.corrupt.Load()
	}
	return rows, err
}

func (d *doubtful) Message(ctx context.Context, of app.Tenant, n id.Number) ([]sms.MT, error) {
	return d.mark(d.Store.Message(ctx, of, n))
}

func (d *doubtful) Overdue(ctx context.Context, expired time.Time, after id.Number, n int) ([]sms.MT, error) {
	return d.mark(d.Store.Overdue(ctx, expired, after, n))
}
