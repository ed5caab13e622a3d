package sms_test

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"longlines/fault"
	"longlines/message"
	"longlines/sms"
	"longlines/store"
)

// Every spelling a centre may use, over the store: the part is written by the submit, the receipt
// comes as the centre spells it.
func TestReceiptsFindTheirTextInEverySpelling(t *testing.T) {
	const big1, big2 = "18446744073709551617", "10000000000000001"
	for _, recent := range []int{0, 1} { // with and without memory of what was just submitted
		w := newWorld(t, func(c *sms.Config) { c.Recent = recent })
		for i, tt := range []struct{ name, answer, receipt string }{
			{"as it was", "4F3A", "4F3A"}, {"lower case", "4F3B", "4f3b"}, {"upper case", "4f3c", "4F3C"},
			{"a zero more", "4f3d", "04f3d"}, {"zeros less", "00004f3e", "4f3e"}, {"padded", "4f3f", "4f3f  \x00"},
			{"hexadecimal, decimal", "4F40", "20288"}, {"hexadecimal, ten decimal digits", "4F41", "0000020289"},
			{"decimal, hexadecimal", "20290", "4F42"}, {"beyond 64 bits", big1, big2},
			{"a UUID without dashes", "550E8400-E29B-41D4-A716-446655440000", "550e8400e29b41d4a716446655440000"},
			{"a UUID with dashes", "550e8400e29b41d4a716446655440001", "550E8400-E29B-41D4-A716-446655440001"},
			{"colons", "a1:b2:c3", "A1B2C3"}, {"letters that are no digits", "msg-XYZ", "MSG-xyz"},
		} {
			t.Run(fmt.Sprintf("%s, memory %d", tt.name, recent), func(t *testing.T) {
				w.net.set(func(m message.SMS) ([]message.Ref, error) {
					return []message.Ref{{ID: tt.answer, Parts: 1}}, nil
				})
				sent := w.send(alice)
				w.state(sent.ID, message.StateSent)
				if recent == 1 {
					w.net.set(nil) // push it out of memory
					for range 64 {
						w.state(w.send(bob).ID, message.StateSent)
						if i > 0 {
							break
						}
					}
				}
				w.report(dlr(tt.receipt, alice, message.StateDelivered))
				w.rematch() // the other base is tried only then
				w.state(sent.ID, message.StateDelivered)
				w.report(dlr(tt.receipt, alice, message.StateDelivered)) // again: nothing happens
				w.rematch()
				p := w.post()
				if !strings.HasSuffix(string(p.Body), sms.DeliveredToTerminal) {
					t.Errorf("posted %s", p.Body)
				}
				w.noPost()
				w.noOrphan()
			})
		}
	}
}

func TestAReceiptThatComesBeforeTheAnswer(t *testing.T) {
	for _, early := range []time.Duration{0, time.Second, 300 * time.Second} {
		t.Run(early.String()+" early", func(t *testing.T) {
			w := newWorld(t, nil)
			w.net.set(func(m message.SMS) ([]message.Ref, error) {
				w.report(dlr("early-1", alice, message.StateSent)) // an intermediate one, then the final
				w.report(dlr("EARLY-1", alice, message.StateDelivered))
				w.move(early)
				return []message.Ref{{ID: "early-1", Parts: 1}}, nil
			})
			sent := w.send(alice)
			w.state(sent.ID, message.StateDelivered)
			if p := w.post(); !strings.HasSuffix(string(p.Body), sms.DeliveredToTerminal) {
				t.Errorf("posted %s", p.Body)
			}
			w.noOrphan()
		})
	}
}

// Receipts that race with the commit of their submit, from all sides.
func TestReceiptsAtTheMomentOfTheAnswer(t *testing.T) {
	w := newWorld(t, nil)
	w.net.set(func(m message.SMS) ([]message.Ref, error) {
		ref := fmt.Sprintf("%X", int64(m.ID))
		go w.svc.ReportDLR(context.Background(), dlr(strings.ToLower(ref), m.To, message.StateDelivered))
		return []message.Ref{{ID: ref, Parts: 1}}, nil
	})
	var all []sms.Sent
	for range 200 {
		all = append(all, w.send(alice, bob))
	}
	for _, s := range all {
		w.state(s.ID, message.StateDelivered)
		w.state(s.ID+1, message.StateDelivered)
	}
	for range 400 {
		w.post()
	}
	w.noPost()
}

func TestALongTextIsFinalWithItsLastSegment(t *testing.T) {
	w := newWorld(t, nil)
	w.net.set(func(m message.SMS) ([]message.Ref, error) {
		var refs []message.Ref
		for i := range 3 {
			refs = append(refs, message.Ref{ID: fmt.Sprintf("%d-%d", m.ID, i), Part: i, Parts: 3})
		}
		return refs, nil
	})
	sent := w.send(alice)
	if m := w.state(sent.ID, message.StateSent); m.Parts != 3 {
		t.Errorf("%d parts", m.Parts)
	}
	for _, i := range []int{2, 0} {
		w.report(dlr(fmt.Sprintf("%d-%d", sent.ID, i), alice, message.StateDelivered))
		w.state(sent.ID, message.StateSent)
	}
	w.noPost()
	w.report(dlr(fmt.Sprintf("%d-%d", sent.ID, 1), alice, message.StateDelivered))
	w.state(sent.ID, message.StateDelivered)
	w.post()
}

func TestStatesOnlyMoveForward(t *testing.T) {
	w := newWorld(t, nil)
	sent := w.send(alice)
	w.state(sent.ID, message.StateSent)
	ref := fmt.Sprintf("m%d", sent.ID)
	w.report(dlr(ref, alice, message.StateUndeliverable))
	w.report(dlr(ref, alice, message.StateSent))
	w.report(dlr(ref, alice, message.StateDelivered))
	w.state(sent.ID, message.StateUndeliverable)
	w.post()
	w.noPost()
}

func TestALateDeliveryUndoesOurOwnGivingUp(t *testing.T) {
	w := newWorld(t, nil)
	sent := w.send(alice)
	w.state(sent.ID, message.StateSent)
	w.move(49 * time.Hour)
	if err := w.svc.GiveUpWaiting(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.state(sent.ID, message.StateUncertain)
	if p := w.post(); !strings.HasSuffix(string(p.Body), sms.DeliveryImpossible) {
		t.Errorf("posted %s", p.Body)
	}
	if err := w.svc.GiveUpWaiting(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.report(dlr(fmt.Sprintf("m%d", sent.ID), alice, message.StateDelivered))
	w.state(sent.ID, message.StateDelivered)
	if p := w.post(); !strings.HasSuffix(string(p.Body), sms.DeliveredToTerminal) {
		t.Errorf("posted %s", p.Body)
	}
	w.noPost()
}

func TestAReceiptForTwoIsForNone(t *testing.T) {
	w := newWorld(t, nil)
	w.net.set(func(m message.SMS) ([]message.Ref, error) { return []message.Ref{{ID: "same", Parts: 1}}, nil })
	one, two := w.send(alice), w.send(alice)
	w.state(one.ID, message.StateSent)
	w.state(two.ID, message.StateSent)
	w.report(dlr("same", alice, message.StateDelivered))
	w.state(one.ID, message.StateSent)
	w.state(two.ID, message.StateSent)
	left, err := w.store.Orphans(context.Background(), 0, w.now().Add(time.Hour), 10)
	if err != nil || len(left) != 1 {
		t.Errorf("orphans %+v, %v", left, err)
	}
}

// A centre that begins its numbers again: the receipt of the new text comes before its answer, and a
// text of the same id is there already.
func TestAnIDUsedAgainIsNotTakenForTheOldOne(t *testing.T) {
	w := newWorld(t, nil)
	w.net.set(func(m message.SMS) ([]message.Ref, error) { return []message.Ref{{ID: "1", Parts: 1}}, nil })
	old := w.send(alice)
	w.state(old.ID, message.StateSent)
	w.report(dlr("1", alice, message.StateDelivered))
	w.state(old.ID, message.StateDelivered)
	w.post()
	w.net.set(func(m message.SMS) ([]message.Ref, error) {
		d := dlr("1", alice, message.StateDelivered)
		d.Done = d.Done.Add(time.Hour)
		w.report(d)
		return []message.Ref{{ID: "1", Parts: 1}}, nil
	})
	sent := w.send(alice)
	w.state(sent.ID, message.StateDelivered)
	if p := w.post(); p.Subject != sent.ID {
		t.Errorf("posted %s", p.Body)
	}
}

// A receipt that waits under the id of another text stays where it is, once.
func TestAWaitingReceiptIsKeptOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.report(dlr("7", bob, message.StateDelivered))
	w.net.set(func(m message.SMS) ([]message.Ref, error) { return []message.Ref{{ID: "7", Parts: 1}}, nil })
	for range 3 {
		w.state(w.send(alice).ID, message.StateSent)
	}
	w.rematch()
	left, err := w.store.Orphans(context.Background(), 0, w.now().Add(time.Hour), 10)
	if err != nil || len(left) != 1 {
		t.Errorf("orphans %+v, %v", left, err)
	}
	sent := w.send(bob)
	w.state(sent.ID, message.StateDelivered)
}

func TestAStrangersReceiptIsKeptAndAcknowledged(t *testing.T) {
	w := newWorld(t, nil)
	w.report(dlr("nobody", alice, message.StateDelivered))
	w.report(dlr("", alice, message.StateDelivered))
	left, err := w.store.Orphans(context.Background(), 0, w.now().Add(time.Hour), 10)
	if err != nil || len(left) != 1 || left[0].DLR.ID != "nobody" {
		t.Errorf("orphans %+v, %v", left, err)
	}
	w.rematch()
}

// The receipt of a text comes before its answer, and an older text to the same number has an id that is
// the same digits in the other base: delivered, failed or still under way, it must not get the receipt.
func TestAnEarlyReceiptIsNotThatOfATextWhoseIDIsTheSameDigitsInTheOtherBase(t *testing.T) {
	for _, old := range []message.State{message.StateDelivered, message.StateUndeliverable, message.StateSent} {
		t.Run(old.String(), func(t *testing.T) {
			w := newWorld(t, nil)
			undated := func(id string, state message.State) message.DLR {
				d := dlr(id, alice, state)
				d.Done = time.Time{}
				return d
			}
			w.net.set(func(m message.SMS) ([]message.Ref, error) { return []message.Ref{{ID: "00000083", Parts: 1}}, nil })
			before := w.send(alice)
			w.state(before.ID, message.StateSent)
			if old.Final() {
				w.report(undated("00000083", old))
				w.state(before.ID, old)
			}
			w.net.set(func(m message.SMS) ([]message.Ref, error) {
				w.report(undated("00000131", message.StateDelivered)) // 131 is 0x83
				return []message.Ref{{ID: "00000131", Parts: 1}}, nil
			})
			after := w.send(alice)
			w.state(after.ID, message.StateDelivered)
			w.state(before.ID, old)
			w.noOrphan()
		})
	}
}

// A receipt that waits is found by the id in either base; the report of one text must not take the
// receipt of another along.
func TestAReportTakesNoOtherReceiptAlong(t *testing.T) {
	w := newWorld(t, nil)
	w.net.set(func(m message.SMS) ([]message.Ref, error) {
		w.report(dlr("305", bob, message.StateDelivered)) // 305 is 0x131
		w.report(dlr("131", alice, message.StateDelivered))
		return []message.Ref{{ID: "131", Parts: 1}}, nil
	})
	w.state(w.send(alice).ID, message.StateDelivered)
	w.net.set(func(m message.SMS) ([]message.Ref, error) { return []message.Ref{{ID: "305", Parts: 1}}, nil })
	w.state(w.send(bob).ID, message.StateDelivered)
	w.noOrphan()
}

// Receipts of which nobody knows the text may be many: they do not keep a later one from its own.
func TestManyStrangersReceiptsHoldUpNobody(t *testing.T) {
	w := newWorld(t, nil)
	w.net.set(func(m message.SMS) ([]message.Ref, error) { return []message.Ref{{ID: "4F40", Parts: 1}}, nil })
	sent := w.send(alice)
	w.state(sent.ID, message.StateSent)
	for i := range 450 {
		w.report(dlr(fmt.Sprintf("stranger-%d", i), alice, message.StateDelivered))
	}
	w.report(dlr("20288", alice, message.StateDelivered)) // 0x4F40, which is tried only when it has waited
	w.rematch()
	w.state(sent.ID, message.StateDelivered)
	// Old ones are looked at page by page, round and round.
	next := w.send(bob)
	w.state(next.ID, message.StateSent)
	w.report(dlr("20288", bob, message.StateDelivered))
	w.move(time.Hour)
	for range 4 {
		w.rematch()
	}
	w.state(next.ID, message.StateDelivered)
}

func TestTheSpellingOfACentreIsLearned(t *testing.T) {
	w := newWorld(t, nil)
	w.net.set(func(m message.SMS) ([]message.Ref, error) {
		return []message.Ref{{ID: fmt.Sprintf("%X", int64(m.ID)), Parts: 1}}, nil
	})
	report := func() sms.Sent {
		sent := w.send(alice)
		w.state(sent.ID, message.StateSent)
		w.report(dlr(big.NewInt(int64(sent.ID)).String(), alice, message.StateDelivered))
		return sent
	}
	for range 50 {
		report()
	}
	w.rematch()
	w.noOrphan()
	got := w.svc.Spellings()
	if len(got) != 1 || got[0].Group != "g" || got[0].Locked != "hexadecimal, receipt decimal" || got[0].Seen["hexadecimal, receipt decimal"] != 50 {
		t.Fatalf("learned %+v", got)
	}
	w.state(report().ID, message.StateDelivered) // at once, now that it is known
	w.noOrphan()
	w.svc.ForgetSpelling("g")
	if got := w.svc.Spellings(); len(got) != 0 {
		t.Errorf("still known: %+v", got)
	}
}

// failing is a store in which the commit of one submission fails after it stood in the queue: a lost
// connection, a full disk. It is tried again when the test says so.
type failing struct {
	*store.Store
	tries  atomic.Int32
	failed chan struct{}
	again  chan struct{}
}

func (f *failing) Submit(ctx context.Context, sub *sms.Submission) error {
	if f.tries.Add(1) == 1 {
		sub.Queued()
		close(f.failed)
		return fault.Unavailable
	}
	<-f.again
	return f.Store.Submit(ctx, sub)
}

// The centre's answer has been read, its commit fails, and the receipt comes before the next try: it waits.
func TestAReceiptBetweenTwoTriesOfItsSubmissionIsKept(t *testing.T) {
	f := &failing{failed: make(chan struct{}), again: make(chan struct{})}
	w := newWorld(t, func(c *sms.Config) { f.Store, c.Store = c.Store.(*store.Store), f })
	sent := w.send(alice)
	<-f.failed
	w.report(dlr(fmt.Sprintf("m%d", sent.ID), alice, message.StateDelivered))
	w.rematch() // finds it in memory, and nothing to apply it to
	left, err := w.store.Orphans(context.Background(), 0, w.now().Add(time.Hour), 10)
	if err != nil || len(left) != 1 {
		t.Fatalf("orphans %+v, %v", left, err)
	}
	close(f.again)
	w.state(sent.ID, message.StateDelivered)
	w.noOrphan()
	w.post()
}
