package oauth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"longlines/app"
	"longlines/number"
	"longlines/oauth"
	"longlines/store"
)

const (
	alice = number.MSISDN("14255550100")
	bob   = number.MSISDN("14255550101")
)

// wristwatch stands still until a test moves it; store and services go by the same.
type wristwatch struct{ at atomic.Int64 }

func (w *wristwatch) now() time.Time      { return time.UnixMilli(w.at.Load()).UTC() }
func (w *wristwatch) add(d time.Duration) { w.at.Add(d.Milliseconds()) }

// phones keeps the texts that were sent.
type phones struct {
	mu    sync.Mutex
	texts []text
	err   error      // what every further text comes to
	heard func(text) // called with each
}

type text struct {
	level app.Level
	to    number.MSISDN
	words string
}

func (p *phones) Text(_ context.Context, level app.Level, to number.MSISDN, words string) error {
	p.mu.Lock()
	p.texts = append(p.texts, text{level, to, words})
	err, heard := p.err, p.heard
	p.mu.Unlock()
	if heard != nil {
		heard(text{level, to, words})
	}
	return err
}

func (p *phones) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.texts)
}

// door is where subscribers sign in: a service, and all that a test may want to look at.
type door struct {
	*oauth.Subscribers
	t      testing.TB
	store  *store.Store
	apps   *app.Directory
	clock  *wristwatch
	phones *phones
	log    *bytes.Buffer
	next   int // of the addresses
	people int // who have come so far
}

func openDoor(t testing.TB) *door {
	t.Helper()
	ctx := context.Background()
	d := &door{t: t, clock: &wristwatch{}, phones: &phones{}, log: &bytes.Buffer{}}
	d.clock.at.Store(time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC).UnixMilli())
	var err error
	if d.store, err = store.Open(ctx, store.Config{Ephemeral: true, Now: d.clock.now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.store.Close(context.Background()) })
	if d.apps, err = app.NewDirectory(ctx, d.store, app.Config{}); err != nil {
		t.Fatal(err)
	}
	d.Subscribers = d.node(func(*oauth.SubscribersConfig) {})
	return d
}

// node is those of a node over the same store; with may change how it is set up.
func (d *door) node(with func(*oauth.SubscribersConfig)) *oauth.Subscribers {
	d.t.Helper()
	c := oauth.SubscribersConfig{Store: d.store, Sealer: d.store.Sealer(), Now: d.clock.now, Texter: d.phones,
		Key: bytes.Repeat([]byte{7}, 32), Home: []string{"1"}, Log: slog.New(slog.NewJSONHandler(d.log, nil))}
	with(&c)
	s, err := oauth.NewSubscribers(c)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// elsewhere is an address that has not been used yet.
func (d *door) elsewhere() netip.Addr {
	d.next++
	return netip.AddrFrom4([4]byte{10, byte(d.next >> 16), byte(d.next >> 8), byte(d.next)})
}

// stranger is a subscriber who has not been here yet.
func (d *door) stranger() number.MSISDN {
	d.people++
	return number.MSISDN(fmt.Sprintf("1206555%04d", d.people))
}

// send asks for a PIN and gives the one that came, "" if none did.
func (d *door) send(m number.MSISDN, from netip.Addr) string {
	d.t.Helper()
	before := d.phones.count()
	if err := d.SendPIN(context.Background(), app.LevelSandbox, m, from, func(pin string) string { return "PIN " + pin }); err != nil {
		d.t.Fatal(err)
	}
	switch d.phones.count() - before {
	case 0:
		return ""
	case 1:
		got := d.phones.texts[before]
		if got.to != m || got.level != app.LevelSandbox {
			d.t.Fatalf("the text went to %s of %s", got.to, got.level)
		}
		return strings.TrimPrefix(got.words, "PIN ")
	}
	d.t.Fatal("several texts")
	return ""
}

// check tells whether a PIN fits. Whatever is wrong, the error is the same.
func (d *door) check(m number.MSISDN, from netip.Addr, pin string) bool {
	d.t.Helper()
	who, err := d.CheckPIN(context.Background(), app.LevelSandbox, m, from, pin)
	switch {
	case err == nil && who == (oauth.Person{Subscriber: m, Level: app.LevelSandbox, How: oauth.HowPIN}):
		return true
	case err == oauth.ErrPIN && who == (oauth.Person{}):
		return false
	}
	d.t.Fatalf("%+v %v", who, err)
	return false
}

// wrong is a PIN that is not the one given.
func wrong(pin string) string {
	if pin == "000000" {
		return "000001"
	}
	return "000000"
}

// miss tries a wrong PIN so many times, each from an address of its own.
func (d *door) miss(m number.MSISDN, times int) {
	d.t.Helper()
	for range times {
		if d.check(m, d.elsewhere(), "no PIN") {
			d.t.Fatal("signed in")
		}
	}
}

func TestAPINSignsItsSubscriberInOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(d *door, pin string) bool
		want bool
	}{
		{"the PIN as it was sent", func(d *door, pin string) bool { return d.check(alice, d.elsewhere(), pin) }, true},
		{"with the blank that copying adds", func(d *door, pin string) bool { return d.check(alice, d.elsewhere(), " "+pin+"\n") }, true},
		{"a second time", func(d *door, pin string) bool {
			d.check(alice, d.elsewhere(), pin)
			return d.check(alice, d.elsewhere(), pin)
		}, false},
		{"at the last moment", func(d *door, pin string) bool {
			d.clock.add(oauth.PINLife - time.Millisecond)
			return d.check(alice, d.elsewhere(), pin)
		}, true},
		{"when its life is over", func(d *door, pin string) bool {
			d.clock.add(oauth.PINLife)
			return d.check(alice, d.elsewhere(), pin)
		}, false},
		{"when a newer one was sent", func(d *door, pin string) bool {
			for newer := pin; newer == pin; {
				newer = d.send(alice, d.elsewhere())
			}
			return d.check(alice, d.elsewhere(), pin)
		}, false},
		{"the newer one", func(d *door, pin string) bool {
			return d.check(alice, d.elsewhere(), d.send(alice, d.elsewhere()))
		}, true},
		{"another subscriber's", func(d *door, pin string) bool {
			for other := pin; other == pin; {
				other = d.send(bob, d.elsewhere())
			}
			return d.check(bob, d.elsewhere(), pin)
		}, false},
		{"for a number that none was sent to", func(d *door, pin string) bool { return d.check(bob, d.elsewhere(), pin) }, false},
		{"for an empty number", func(d *door, pin string) bool { return d.check("", d.elsewhere(), pin) }, false},
		{"a wrong one", func(d *door, pin string) bool { return d.check(alice, d.elsewhere(), wrong(pin)) }, false},
		{"nothing", func(d *door, pin string) bool { return d.check(alice, d.elsewhere(), "") }, false},
		{"the first five digits", func(d *door, pin string) bool { return d.check(alice, d.elsewhere(), pin[:5]) }, false},
		{"with a digit more", func(d *door, pin string) bool { return d.check(alice, d.elsewhere(), pin+"0") }, false},
		{"a mebibyte", func(d *door, pin string) bool {
			return d.check(alice, d.elsewhere(), strings.Repeat("0", 1<<20))
		}, false},
		{"after four wrong ones", func(d *door, pin string) bool {
			d.miss(alice, 4)
			return d.check(alice, d.elsewhere(), pin)
		}, true},
		{"after five wrong ones", func(d *door, pin string) bool {
			d.miss(alice, 5)
			return d.check(alice, d.elsewhere(), pin)
		}, false},
		{"after five wrong ones of somebody else", func(d *door, pin string) bool {
			d.miss(bob, 5)
			return d.check(alice, d.elsewhere(), pin)
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openDoor(t)
			pin := d.send(alice, d.elsewhere())
			if len(pin) != 6 || strings.Trim(pin, "0123456789") != "" {
				t.Fatalf("PIN %q", pin)
			}
			if got := c.do(d, pin); got != c.want {
				t.Fatalf("signed in: %t", got)
			}
		})
	}
}

func TestAPINIsOfOneLevel(t *testing.T) {
	d := openDoor(t)
	pin := d.send(alice, d.elsewhere())
	if _, err := d.CheckPIN(context.Background(), app.LevelProduction, alice, d.elsewhere(), pin); err != oauth.ErrPIN {
		t.Fatalf("the virtual network's PIN signs a live subscriber in: %v", err)
	}
	if !d.check(alice, d.elsewhere(), pin) {
		t.Fatal("the try at the other level counted here")
	}
}

func TestLocks(t *testing.T) {
	// lockedFor finds, to the second, how long no PIN is sent to alice and none fits.
	lockedFor := func(d *door, want time.Duration) {
		d.t.Helper()
		d.clock.add(want - time.Second)
		if d.send(alice, d.elsewhere()) != "" {
			d.t.Fatalf("a PIN was sent a second before %s were over", want)
		}
		d.clock.add(time.Second)
		if d.send(alice, d.elsewhere()) == "" {
			d.t.Fatalf("no PIN after %s", want)
		}
	}
	t.Run("each lock in a row is twice the last, up to a day", func(t *testing.T) {
		d := openDoor(t)
		d.send(alice, d.elsewhere())
		for _, want := range []time.Duration{15, 30, 60, 120, 240, 480, 960, 1440, 1440} {
			d.miss(alice, 5)
			lockedFor(d, want*time.Minute)
		}
	})
	t.Run("a sign-in ends the row", func(t *testing.T) {
		d := openDoor(t)
		for range 3 {
			d.send(alice, d.elsewhere())
			d.miss(alice, 5)
			d.clock.add(time.Hour)
		}
		if !d.check(alice, d.elsewhere(), d.send(alice, d.elsewhere())) {
			t.Fatal("not signed in")
		}
		d.send(alice, d.elsewhere())
		d.miss(alice, 5)
		lockedFor(d, 15*time.Minute)
	})
	t.Run("tries while it is locked do not make it longer", func(t *testing.T) {
		d := openDoor(t)
		d.send(alice, d.elsewhere())
		d.miss(alice, 5)
		d.clock.add(14 * time.Minute)
		d.miss(alice, 20)
		lockedFor(d, time.Minute)
	})
	t.Run("not even a PIN that is open fits while it is locked", func(t *testing.T) {
		d := openDoor(t)
		pin := d.send(alice, d.elsewhere())
		edit(t, d, alice, func(st *oauth.SignIn) { st.Locked = d.clock.now().Add(time.Minute) })
		if d.check(alice, d.elsewhere(), pin) {
			t.Fatal("it fits")
		}
		d.clock.add(time.Minute)
		if !d.check(alice, d.elsewhere(), pin) {
			t.Fatal("the refusal has spent it")
		}
	})
	t.Run("a PIN from before the lock does not outlive it", func(t *testing.T) {
		d := openDoor(t)
		d.clock.add(time.Hour)
		pin := d.send(alice, d.elsewhere())
		d.miss(alice, 5)
		// As if it could be used for longer than the lock.
		edit(t, d, alice, func(st *oauth.SignIn) { st.Expires = d.clock.now().Add(time.Hour) })
		d.clock.add(15 * time.Minute)
		if d.check(alice, d.elsewhere(), pin) {
			t.Fatal("it fits")
		}
	})
	t.Run("four wrong PINs in each quarter of an hour lock nothing", func(t *testing.T) {
		d := openDoor(t)
		for range 4 {
			d.send(alice, d.elsewhere())
			d.miss(alice, 4)
			d.clock.add(15 * time.Minute)
		}
		if !d.check(alice, d.elsewhere(), d.send(alice, d.elsewhere())) {
			t.Fatal("locked")
		}
	})
	t.Run("a new PIN brings no new tries", func(t *testing.T) {
		d := openDoor(t)
		d.send(alice, d.elsewhere())
		d.miss(alice, 3)
		pin := d.send(alice, d.elsewhere())
		d.miss(alice, 2)
		if d.check(alice, d.elsewhere(), pin) {
			t.Fatal("a sixth try")
		}
	})
}

// edit changes what is kept of a number, or looks at it.
func edit(t testing.TB, d *door, m number.MSISDN, f func(*oauth.SignIn)) {
	t.Helper()
	if err := d.store.EditSignIn(context.Background(), app.LevelSandbox, m, func(st *oauth.SignIn) error { f(st); return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestANumberGetsThreePINsInTenMinutes(t *testing.T) {
	d := openDoor(t)
	last := ""
	for i := range 3 {
		if last = d.send(alice, d.elsewhere()); last == "" {
			t.Fatalf("PIN %d was not sent", i+1)
		}
	}
	d.clock.add(10*time.Minute - time.Millisecond)
	if d.send(alice, d.elsewhere()) != "" {
		t.Fatal("a fourth")
	}
	if d.send(bob, d.elsewhere()) == "" {
		t.Fatal("bob has to wait for alice")
	}
	if !d.check(alice, d.elsewhere(), last) {
		t.Fatal("the fourth that was not sent has replaced the third")
	}
	d.clock.add(time.Millisecond)
	if d.send(alice, d.elsewhere()) == "" {
		t.Fatal("none after ten minutes")
	}
}

func TestAddressesAreLimited(t *testing.T) {
	first := netip.MustParseAddr("198.51.100.7")
	for _, c := range []struct {
		name, from string
		same       bool
	}{
		{"itself", "198.51.100.7", true},
		{"itself as an IPv6 socket shows it", "::ffff:198.51.100.7", true},
		{"its neighbour", "198.51.100.8", false},
	} {
		t.Run(c.name, func(t *testing.T) { limited(t, first, netip.MustParseAddr(c.from), c.same) })
	}
	first = netip.MustParseAddr("2001:db8:1:2:aaaa::1")
	for _, c := range []struct {
		name, from string
		same       bool
	}{
		{"another of the same /64", "2001:db8:1:2:bbbb::2", true},
		{"another of the same /64 with a zone", "2001:db8:1:2::3%eth0", true},
		{"one of the next /64", "2001:db8:1:3::1", false},
	} {
		t.Run(c.name, func(t *testing.T) { limited(t, first, netip.MustParseAddr(c.from), c.same) })
	}
}

// limited uses up what one address may ask for, and tells whether another has still something.
func limited(t *testing.T, first, second netip.Addr, same bool) {
	d := openDoor(t)
	for i := range 20 {
		if d.send(d.stranger(), first) == "" {
			t.Fatalf("PIN %d was not sent", i+1)
		}
	}
	if got := d.send(d.stranger(), second) == ""; got != same {
		t.Fatalf("after 20 PINs: refused %t", got)
	}
	for range 50 {
		d.check(d.stranger(), first, "000000")
	}
	d.clock.add(time.Minute)
	pin := d.send(alice, d.elsewhere())
	if got := !d.check(alice, second, pin); got != same {
		t.Fatalf("after 50 tries: refused %t", got)
	}
	if !same {
		return
	}
	if !d.check(alice, d.elsewhere(), pin) {
		t.Fatal("the refusal of the address has spent the PIN")
	}
	d.clock.add(14*time.Minute - time.Millisecond)
	if d.send(d.stranger(), first) != "" {
		t.Fatal("forgiven too early")
	}
	d.clock.add(time.Millisecond)
	if pin = d.send(bob, first); pin == "" || !d.check(bob, first, pin) {
		t.Fatal("not forgiven after 15 minutes")
	}
}

func TestANodeSendsSixHundredPINsAMinute(t *testing.T) {
	d := openDoor(t)
	// A number that may have none takes none from the others.
	for range 3 {
		d.send(alice, d.elsewhere())
	}
	for range 50 {
		if d.send(alice, d.elsewhere()) != "" {
			t.Fatal("a fourth")
		}
	}
	for i := range 597 {
		if d.send(d.stranger(), d.elsewhere()) == "" {
			t.Fatalf("PIN %d was not sent", i+4)
		}
	}
	for range 3 {
		if d.send(d.stranger(), d.elsewhere()) != "" {
			t.Fatal("one more than 600")
		}
	}
	if got := strings.Count(d.log.String(), "no more PINs"); got != 1 {
		t.Errorf("said %d times", got)
	}
	d.clock.add(time.Minute)
	if d.send(d.stranger(), d.elsewhere()) == "" {
		t.Fatal("none in the next minute")
	}
}

func TestPINsGoHomeOnly(t *testing.T) {
	for _, c := range []struct {
		name string
		home []string
		to   number.MSISDN
		want int
	}{
		{"a number at home", []string{"44", "1"}, alice, 1},
		{"a number abroad", []string{"1"}, "447700900123", 0},
		{"no prefix: everywhere", nil, "447700900123", 1},
		{"a longer prefix that fits", []string{"1425"}, alice, 1},
		{"a longer prefix that does not", []string{"1212"}, alice, 0},
		{"no number", []string{"1"}, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openDoor(t)
			d.Subscribers = d.node(func(o *oauth.SubscribersConfig) { o.Home = c.home })
			d.send(c.to, d.elsewhere())
			if d.phones.count() != c.want {
				t.Fatalf("%d texts", d.phones.count())
			}
		})
	}
}

func TestATextThatCannotBeSentIsTheLogsBusiness(t *testing.T) {
	d := openDoor(t)
	d.phones.err = errors.New("no route")
	pin := d.send(alice, d.elsewhere())
	got := d.log.String()
	if !strings.Contains(got, "no route") || !strings.Contains(got, alice.Masked()) {
		t.Errorf("the log has %s", got)
	}
	if strings.Contains(got, pin) || strings.Contains(got, string(alice)) {
		t.Errorf("the log tells too much: %s", got)
	}
	if !d.check(alice, d.elsewhere(), pin) {
		t.Error("the PIN was not recorded")
	}
}

func TestThePINIsDurableBeforeItsTextIsHandedOn(t *testing.T) {
	d := openDoor(t)
	other := d.node(func(*oauth.SubscribersConfig) {})
	var err error = errors.New("no text")
	d.phones.heard = func(got text) {
		_, err = other.CheckPIN(context.Background(), got.level, got.to, netip.Addr{}, strings.TrimPrefix(got.words, "PIN "))
	}
	if d.send(alice, d.elsewhere()); err != nil {
		t.Fatalf("whoever reads fast is refused: %v", err)
	}
}

func TestParallelTriesAreCountedOneByOne(t *testing.T) {
	ctx := context.Background()
	d := openDoor(t)
	race := func(pin func(i int) string) (fit int64) {
		var wg sync.WaitGroup
		var n atomic.Int64
		for i := range 40 {
			from := d.elsewhere()
			wg.Go(func() {
				switch _, err := d.CheckPIN(ctx, app.LevelSandbox, alice, from, pin(i)); err {
				case nil:
					n.Add(1)
				case oauth.ErrPIN:
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return n.Load()
	}
	pin := d.send(alice, d.elsewhere())
	if got := race(func(int) string { return pin }); got != 1 {
		t.Fatalf("one PIN signed %d in", got)
	}
	// The 39 that came late found nothing open.
	edit(t, d, alice, func(st *oauth.SignIn) {
		if st.Locks != 0 || st.PIN != nil {
			t.Errorf("%+v", st)
		}
	})
	pin = d.send(alice, d.elsewhere())
	race(func(int) string { return wrong(pin) })
	edit(t, d, alice, func(st *oauth.SignIn) {
		if st.Locks != 1 || st.Tries != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestTheStoreHoldsNoPIN(t *testing.T) {
	d := openDoor(t)
	pin := d.send(alice, d.elsewhere())
	edit(t, d, alice, func(st *oauth.SignIn) {
		plain := sha256.Sum256([]byte(pin))
		if len(st.PIN) != 32 || bytes.Equal(st.PIN, plain[:]) || bytes.Contains(st.PIN, []byte(pin)) {
			t.Errorf("kept as %x", st.PIN)
		}
	})
	// Whoever can write to the store cannot make alice's PIN bob's.
	var kept oauth.SignIn
	edit(t, d, alice, func(st *oauth.SignIn) { kept = *st })
	edit(t, d, bob, func(st *oauth.SignIn) { *st = kept })
	if d.check(bob, d.elsewhere(), pin) {
		t.Error("the hash fits another number")
	}
	longer := alice + number.MSISDN(pin[:1])
	edit(t, d, longer, func(st *oauth.SignIn) { *st = kept })
	if d.check(longer, d.elsewhere(), pin[1:]) {
		t.Error("the hash fits a number that runs into the PIN")
	}
	other := d.node(func(c *oauth.SubscribersConfig) { c.Key = bytes.Repeat([]byte{8}, 32) })
	if _, err := other.CheckPIN(context.Background(), app.LevelSandbox, alice, netip.Addr{}, pin); err != oauth.ErrPIN {
		t.Errorf("it fits under another key: %v", err)
	}
}

func TestWithoutATexterNobodySignsInByPIN(t *testing.T) {
	d := openDoor(t)
	pin := d.send(alice, d.elsewhere())
	d.Subscribers = d.node(func(c *oauth.SubscribersConfig) { c.Texter, c.Key = nil, nil })
	if d.send(alice, d.elsewhere()) != "" || d.check(alice, d.elsewhere(), pin) {
		t.Fatal("signed in")
	}
}

func TestAStoreThatFailsIsNotAWrongPIN(t *testing.T) {
	ctx := context.Background()
	d := openDoor(t)
	if err := d.store.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := d.SendPIN(ctx, app.LevelSandbox, alice, d.elsewhere(), func(pin string) string { return pin }); err == nil || d.phones.count() != 0 {
		t.Fatalf("%v, %d texts", err, d.phones.count())
	}
	if _, err := d.CheckPIN(ctx, app.LevelSandbox, alice, d.elsewhere(), "000000"); err == nil || errors.Is(err, oauth.ErrPIN) {
		t.Fatal(err)
	}
}
