package phone

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"longlines/number"
	"longlines/sandbox/clock"
	"longlines/smpp"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	alice = number.MSISDN("14255550100")
	bob   = number.MSISDN("14255550101")
)

var pizza = number.ShortCode("48507").Address()

func newBook() (*Book, *clock.Manual) {
	c := clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC))
	return New(Config{Clock: c}), c
}

func texts(t *testing.T, b *Book, f Filter) []string {
	t.Helper()
	found, err := b.Messages(t.Context(), f, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{}
	for _, m := range found {
		all = append(all, m.Text)
	}
	return all
}

func TestHabitsFollowTheLastTwoDigits(t *testing.T) {
	for _, c := range []struct {
		number number.MSISDN
		nn     int
		name   string
	}{
		{"14255550100", 0, "delivered at once"},
		{"12125550104", 4, "undeliverable"},
		{"19075550164", 64, "receipt id with other case and a leading zero"},
		{"14255550199", -1, "delivered at once"}, // fiction without a habit
		{"14255550204", -1, "delivered at once"}, // beyond the range of fiction
		{"14255560104", -1, "delivered at once"}, // another exchange
		{"445550104", -1, "delivered at once"},
		{"445555501046", -1, "delivered at once"},
	} {
		if h := HabitOf(c.number); h.NN != c.nn || h.Name != c.name {
			t.Errorf("%s: habit %d %q, want %d %q", c.number, h.NN, h.Name, c.nn, c.name)
		}
	}
}

func TestHabitTableIsThePublishedOne(t *testing.T) {
	var nn []int
	for _, h := range Habits() {
		nn = append(nn, h.NN)
	}
	if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 14, 61, 62, 63, 64}; !slices.Equal(nn, want) {
		t.Errorf("habits %v, want %v", nn, want)
	}
	for nn, want := range map[number.MSISDN]smpp.Status{"14255550110": 0x64, "14255550111": 0x66, "14255550112": 0x0B} {
		if got := HabitOf(nn).Refuse; got != want {
			t.Errorf("%s refuses with %s, want %s", nn, got, want)
		}
	}
}

func TestMessagesSelects(t *testing.T) {
	b, c := newBook()
	start := c.Now()
	b.Deliver(pizza, alice, "one", "")
	c.Advance(time.Second)
	b.Deliver(pizza, bob, "two", "")
	c.Advance(time.Second)
	if _, err := b.Send(alice, pizza, "three"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		f    Filter
		want string
	}{
		{"nothing named selects all, oldest first", Filter{}, "one two three"},
		{"to a number", Filter{To: bob.Address()}, "two"},
		{"to a short code", Filter{To: pizza}, "three"},
		{"from a number", Filter{From: alice.Address()}, "three"},
		{"of a phone, both ways", Filter{Phone: alice}, "one three"},
		{"of a phone, one way", Filter{Phone: alice, From: pizza}, "one"},
		{"since a time includes that millisecond", Filter{Since: start.Add(time.Second)}, "two three"},
		{"since a time within the millisecond of a text", Filter{Since: start.Add(time.Second + 99*time.Microsecond)}, "two three"},
		{"after a text", Filter{After: 2}, "three"},
		{"of a phone that is not there", Filter{Phone: "14255550177"}, ""},
	} {
		if got := strings.Join(texts(t, b, c.f), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	m, _ := b.Messages(t.Context(), Filter{To: pizza}, 0)
	if m[0].Direction != Out || m[0].Phone != alice || m[0].Type != "SMS" ||
		!m[0].Time.Equal(time.Date(2026, 1, 2, 3, 4, 7, 678_000_000, time.UTC)) {
		t.Errorf("unexpected text %+v", m[0])
	}
}

func TestMessagesWaitsForTheFirstMatch(t *testing.T) {
	b, c := newBook()
	got := make(chan []Message)
	go func() {
		found, err := b.Messages(t.Context(), Filter{To: alice.Address()}, 10*time.Second)
		if err != nil {
			t.Error(err)
		}
		got <- found
	}()
	c.Await(1)
	b.Deliver(pizza, bob, "not this one", "")
	b.Deliver(pizza, alice, "this one", "")
	if found := <-got; len(found) != 1 || found[0].Text != "this one" {
		t.Errorf("found %+v", found)
	}
	if n := c.Pending(); n != 0 {
		t.Errorf("%d calls of the clock were left behind", n)
	}
}

func TestMessagesReturnsNoneWhenTheTimeIsOver(t *testing.T) {
	b, c := newBook()
	got := make(chan []Message)
	go func() {
		found, err := b.Messages(t.Context(), Filter{}, 10*time.Second)
		if err != nil {
			t.Error(err)
		}
		got <- found
	}()
	c.Await(1)
	c.Advance(10 * time.Second)
	if found := <-got; len(found) != 0 {
		t.Errorf("found %+v", found)
	}
}

func TestMessagesGivesUpWithItsContext(t *testing.T) {
	b, c := newBook()
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error)
	go func() {
		_, err := b.Messages(ctx, Filter{}, time.Minute)
		got <- err
	}()
	c.Await(1)
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestPhonesAreListedConfiguredFirstThenNewest(t *testing.T) {
	b, c := newBook()
	b.Deliver(pizza, "14255550142", "hi", "")
	c.Advance(time.Second)
	b.Deliver(pizza, "14255550104", "hi", "")
	b.Deliver(pizza, bob, "hi", "")
	var got []string
	for _, p := range b.Phones() {
		got = append(got, fmt.Sprintf("%s %d/%d", p.Number, p.Unread, p.Messages))
	}
	want := []string{"+14255550100 0/0", "+14255550101 1/1", "+14255550104 1/1", "+14255550142 1/1"}
	if !slices.Equal(got, want) {
		t.Errorf("phones %q, want %q", got, want)
	}
	if !b.Read(bob) || b.Phones()[1].Unread != 0 {
		t.Error("a phone that was looked at has unread texts")
	}
	if b.Read("14255550177") {
		t.Error("a phone that is not there was looked at")
	}
}

func TestBookIsBounded(t *testing.T) {
	b, _ := newBook()
	for i := range maxPerPhone + 10 {
		b.Deliver(pizza, alice, fmt.Sprint(i), "")
	}
	if got := texts(t, b, Filter{Phone: alice}); len(got) != maxPerPhone || got[0] != "10" {
		t.Errorf("a phone remembers %d texts from %q on", len(got), got[0])
	}
	first := number.MSISDN("15005550199")
	b.Deliver(pizza, first, "soon forgotten", "")
	for i := range maxTexts {
		b.Deliver(pizza, number.MSISDN(fmt.Sprintf("1600%07d", i)), "x", "")
	}
	if got := texts(t, b, Filter{}); len(got) != maxTexts {
		t.Errorf("the book remembers %d texts", len(got))
	}
	phones := b.Phones()
	if len(phones) != maxTexts+2 || phones[0].Messages != 0 || phones[0].Unread != 0 {
		t.Errorf("%d phones, the first with %d texts, %d unread", len(phones), phones[0].Messages, phones[0].Unread)
	}
	if slices.ContainsFunc(phones, func(p Phone) bool { return p.Number == first }) {
		t.Error("a phone without texts that is not configured is still listed")
	}
}

func TestRepliesFollowTheHabit(t *testing.T) {
	sms := func(b *Book, from number.Address, to number.MSISDN) { b.React(b.Deliver(from, to, "hi", "")) }
	replies := func(t *testing.T, b *Book, m number.MSISDN) string {
		return strings.Join(texts(t, b, Filter{From: m.Address()}), " ")
	}
	burger := number.ShortCode("12345").Address()

	t.Run("02 answers each text with OK", func(t *testing.T) {
		b, _ := newBook()
		sms(b, pizza, "14255550102")
		sms(b, pizza, "14255550102")
		if got := replies(t, b, "14255550102"); got != "OK OK" {
			t.Errorf("replied %q", got)
		}
	})
	t.Run("07 says STOP once to each sender, whatever comes later", func(t *testing.T) {
		b, _ := newBook()
		sms(b, pizza, "14255550107")
		sms(b, pizza, "14255550107")
		b.Send("14255550107", pizza, "START")
		sms(b, pizza, "14255550107")
		sms(b, burger, "14255550107")
		if got := replies(t, b, "14255550107"); got != "STOP START STOP" {
			t.Errorf("replied %q", got)
		}
	})
	t.Run("14 says STOP after the first text, and again after START", func(t *testing.T) {
		b, _ := newBook()
		sms(b, pizza, "14255550114")
		sms(b, pizza, "14255550114")
		b.Send("14255550114", pizza, " start ")
		sms(b, pizza, "14255550114")
		if got := replies(t, b, "14255550114"); got != "STOP  start  STOP" {
			t.Errorf("replied %q", got)
		}
	})
	t.Run("a text from another phone or a name is not answered", func(t *testing.T) {
		b, _ := newBook()
		sms(b, alice.Address(), "14255550102")
		name, _ := number.ParseAlphanumeric("PIZZA")
		sms(b, name, "14255550102")
		if got := replies(t, b, "14255550102"); got != "" {
			t.Errorf("replied %q", got)
		}
	})
}

func TestSendRefusesWhatNoPhoneSends(t *testing.T) {
	b, _ := newBook()
	name, _ := number.ParseAlphanumeric("PIZZA")
	for _, c := range []struct {
		name string
		to   number.Address
		text string
		want error
	}{
		{"no text", pizza, "", ErrText},
		{"text that is too long", pizza, strings.Repeat("x", MaxText+1), ErrText},
		{"octets that are no text", pizza, "\xff", ErrText},
		{"to a name", name, "hi", ErrAddress},
		{"to nobody", number.Address{}, "hi", ErrAddress},
	} {
		if _, err := b.Send(alice, c.to, c.text); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
	}
	for i := range maxOutbox {
		if _, err := b.Send(alice, pizza, "hi"); err != nil {
			t.Fatalf("text %d: %v", i, err)
		}
	}
	if _, err := b.Send(alice, pizza, "one too many"); !errors.Is(err, ErrBusy) {
		t.Errorf("error %v, want %v", err, ErrBusy)
	}
	if m, err := b.Take(t.Context()); err != nil || m.Text != "hi" {
		t.Errorf("took %+v, %v", m, err)
	}
	if _, err := b.Send(alice, pizza, "room again"); err != nil {
		t.Error(err)
	}
}

func TestWatchFollowsWithoutAGap(t *testing.T) {
	b, _ := newBook()
	b.Deliver(pizza, alice, "one", "")
	b.Deliver(pizza, alice, "two", "")
	recent, w := b.Watch(1)
	defer w.Close()
	if len(recent) != 1 || recent[0].Text != "two" {
		t.Errorf("recent %+v", recent)
	}
	b.Deliver(pizza, alice, "three", "")
	if m := <-w.C(); m.Text != "three" || m.Seq != 3 {
		t.Errorf("then %+v", m)
	}
	for range watchBuffer + 5 {
		b.Deliver(pizza, alice, "many", "")
	}
	w.Close()
	w.Close()
	n, last := 0, int64(0)
	for range watchBuffer {
		last = (<-w.C()).Seq
		n++
	}
	if last != 3+watchBuffer || len(w.C()) != 0 {
		t.Errorf("a slow watcher got %d texts, the last %d", n, last)
	}
}

func BenchmarkDeliver(b *testing.B) {
	book := New(Config{})
	numbers := make([]number.MSISDN, 1<<16)
	for i := range numbers {
		numbers[i] = number.MSISDN(fmt.Sprintf("1425%07d", i))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		book.Deliver(pizza, numbers[i&(1<<16-1)], "your pizza is ready", "")
	}
}

func TestWatchFromNowOnRemembersNothing(t *testing.T) {
	b, _ := newBook()
	b.Deliver(pizza, alice, "before", "")
	recent, w := b.Watch(-1)
	defer w.Close()
	if len(recent) != 0 {
		t.Errorf("recent %+v", recent)
	}
}
