package oauth_test

import (
	"context"
	"testing"
	"time"

	"longlines/app"
	"longlines/number"
	"longlines/oauth"
)

// patiently asks for a PIN when one may be had.
func (d *door) patiently(m number.MSISDN) string {
	d.t.Helper()
	edit(d.t, d, m, func(st *oauth.SignIn) {
		for _, until := range []time.Time{st.Locked, st.Paused} {
			d.clock.add(max(0, until.Sub(d.clock.now())))
		}
	})
	pin := d.send(m, d.elsewhere())
	if pin == "" {
		d.t.Fatal("no PIN")
	}
	return pin
}

func TestWrongPINsAreCountedUntilASignIn(t *testing.T) {
	d := openDoor(t)
	slowly := func(times int) {
		t.Helper()
		for range times {
			d.patiently(alice)
			d.miss(alice, 1)
			d.clock.add(20 * time.Minute) // so that nothing is left in a window
		}
	}
	slowly(19)
	if !d.check(alice, d.elsewhere(), d.patiently(alice)) {
		t.Fatal("locked after 19")
	}
	slowly(19)
	for _, want := range []time.Duration{15, 30, 60, 120, 240, 480, 960, 1440, 1440} {
		pin := d.patiently(alice)
		d.miss(alice, 1)
		if d.check(alice, d.elsewhere(), pin) {
			t.Fatalf("not locked, and it should be for %s", want*time.Minute)
		}
		edit(t, d, alice, func(st *oauth.SignIn) {
			if got := st.Locked.Sub(d.clock.now()); got != want*time.Minute {
				t.Errorf("locked for %s, want %s", got, want*time.Minute)
			}
		})
	}
	if !d.check(alice, d.elsewhere(), d.patiently(alice)) {
		t.Fatal("no way in when the lock is over")
	}
	slowly(19)
	if !d.check(alice, d.elsewhere(), d.patiently(alice)) {
		t.Fatal("the sign-in has not begun the count anew")
	}
}

func TestPINsThatDoNotComeBackAreSentLessAndLessOften(t *testing.T) {
	d := openDoor(t)
	ten := func() {
		t.Helper()
		for i := range 10 {
			d.clock.add(10 * time.Minute)
			if d.send(alice, d.elsewhere()) == "" {
				t.Fatalf("PIN %d was not sent", i+1)
			}
		}
	}
	ten()
	var last string
	for _, want := range []time.Duration{15, 30, 60, 120, 240, 480, 960, 1440, 1440} {
		d.clock.add(want*time.Minute - time.Second)
		if d.send(alice, d.elsewhere()) != "" {
			t.Fatalf("a PIN was sent a second before %s were over", want*time.Minute)
		}
		if d.send(bob, d.elsewhere()) == "" {
			t.Fatal("bob has to wait for alice")
		}
		edit(t, d, bob, func(st *oauth.SignIn) { *st = oauth.SignIn{} })
		d.clock.add(time.Second)
		if last = d.send(alice, d.elsewhere()); last == "" {
			t.Fatalf("no PIN after %s", want*time.Minute)
		}
	}
	// Whoever asked for it: it came to alice's phone.
	if !d.check(alice, d.elsewhere(), last) {
		t.Fatal("the PIN that was sent does not sign its subscriber in")
	}
	ten()
}

func TestWhoIsAttackedGetsInWithoutAPIN(t *testing.T) {
	d := openDoor(t)
	cookie := d.rememberBrowser(person, time.Hour)
	for _, level := range []app.Level{person.Level, proxy.Level} {
		err := d.store.EditSignIn(context.Background(), level, alice, func(st *oauth.SignIn) error {
			*st = oauth.SignIn{Sent: 50, Paused: d.clock.now().Add(24 * time.Hour), Missed: 50, Locks: 9, Locked: d.clock.now().Add(24 * time.Hour)}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if d.send(alice, d.elsewhere()) != "" {
		t.Fatal("a PIN was sent")
	}
	if !d.known(person.Level, cookie) {
		t.Error("not in a browser that is remembered")
	}
	if !d.admitted(d.assert()) {
		t.Error("not on the network")
	}
}
