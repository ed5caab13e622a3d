package oauth_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"longlines/app"
	"longlines/audit"
	"longlines/oauth"
)

// person is a subscriber of the virtual network who has just signed in.
var person = oauth.Person{Subscriber: alice, Level: app.LevelSandbox, How: oauth.HowPIN}

const chromeOnAndroid = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36"

func (d *door) rememberBrowser(who oauth.Person, life time.Duration) (cookie string) {
	d.t.Helper()
	cookie, _, err := d.Remember(context.Background(), who, chromeOnAndroid, life)
	if err != nil {
		d.t.Fatal(err)
	}
	return cookie
}

// known tells whether a cookie stands for a subscriber of the level.
func (d *door) known(level app.Level, cookie string) bool {
	d.t.Helper()
	who, n, ok, err := d.Remembered(context.Background(), level, cookie)
	if err != nil {
		d.t.Fatal(err)
	}
	if ok != (n != 0) || ok != (who.Subscriber != "") || ok && (who.How != oauth.HowRemembered || who.Level != level) {
		d.t.Fatalf("%+v %d %t", who, n, ok)
	}
	return ok
}

func TestARememberedBrowserIsKnown(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name string
		do   func(d *door, cookie string) bool
		want bool
	}{
		{"at once", func(d *door, cookie string) bool { return d.known(app.LevelSandbox, cookie) }, true},
		{"as often as it comes", func(d *door, cookie string) bool {
			first := d.known(app.LevelSandbox, cookie)
			return d.known(app.LevelSandbox, cookie) && first
		}, true},
		{"on every node", func(d *door, cookie string) bool {
			d.Subscribers = d.node(func(*oauth.SubscribersConfig) {})
			return d.known(app.LevelSandbox, cookie)
		}, true},
		{"until its life is over", func(d *door, cookie string) bool {
			d.clock.add(time.Hour - time.Millisecond)
			return d.known(app.LevelSandbox, cookie)
		}, true},
		{"not when its life is over", func(d *door, cookie string) bool {
			d.clock.add(time.Hour)
			return d.known(app.LevelSandbox, cookie)
		}, false},
		{"not at the other level", func(d *door, cookie string) bool { return d.known(app.LevelProduction, cookie) }, false},
		{"not at no level", func(d *door, cookie string) bool { return d.known("", cookie) }, false},
		{"not when it was forgotten", func(d *door, cookie string) bool {
			d.forget(cookie)
			return d.known(app.LevelSandbox, cookie)
		}, false},
		{"when another browser was forgotten", func(d *door, cookie string) bool {
			d.forget(d.rememberBrowser(person, time.Hour))
			return d.known(app.LevelSandbox, cookie)
		}, true},
		{"not when all of its subscriber's were ended", func(d *door, cookie string) bool {
			d.end(app.LevelSandbox, oauth.Person{Subscriber: alice})
			return d.known(app.LevelSandbox, cookie)
		}, false},
		{"when all of bob's were ended", func(d *door, cookie string) bool {
			d.end(app.LevelSandbox, oauth.Person{Subscriber: bob})
			return d.known(app.LevelSandbox, cookie)
		}, true},
		{"when those of the other level were ended", func(d *door, cookie string) bool {
			d.end(app.LevelProduction, oauth.Person{Subscriber: alice})
			return d.known(app.LevelSandbox, cookie)
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openDoor(t)
			if got := c.do(d, d.rememberBrowser(person, time.Hour)); got != c.want {
				t.Fatalf("known: %t", got)
			}
		})
	}
	t.Run("but only by the cookie itself", func(t *testing.T) {
		d := openDoor(t)
		cookie := d.rememberBrowser(person, time.Hour)
		raw, err := base64.RawURLEncoding.DecodeString(cookie)
		if err != nil || len(raw) != 48 {
			t.Fatalf("%d bytes, %v", len(raw), err)
		}
		for i := range raw {
			bad := append([]byte{}, raw...)
			bad[i] ^= 1
			if d.known(app.LevelSandbox, base64.RawURLEncoding.EncodeToString(bad)) {
				t.Errorf("byte %d does not matter", i)
			}
		}
		for _, s := range []string{"", "x", cookie + "A", cookie[1:], cookie + "=", " " + cookie, cookie[:32] + "\n" + cookie[33:], strings.Repeat("A", 64), strings.Repeat("A", 1<<20)} {
			if d.known(app.LevelSandbox, s) {
				t.Errorf("%.80q is known", s)
			}
			if err := d.Forget(ctx, s); err != nil {
				t.Errorf("forget %.80q: %v", s, err)
			}
		}
		if !d.known(app.LevelSandbox, cookie) {
			t.Error("one of them has ended it")
		}
	})
}

func (d *door) forget(cookie string) {
	d.t.Helper()
	if err := d.Forget(context.Background(), cookie); err != nil {
		d.t.Fatal(err)
	}
}

func (d *door) end(level app.Level, who oauth.Person) {
	d.t.Helper()
	if err := d.EndBrowsers(context.Background(), level, who.Subscriber, 0); err != nil {
		d.t.Fatal(err)
	}
}

func TestASubscriberSeesAndEndsTheirBrowsers(t *testing.T) {
	ctx := context.Background()
	d := openDoor(t)
	first := d.rememberBrowser(person, time.Hour)
	d.clock.add(time.Second)
	second := d.rememberBrowser(person, 2*time.Hour)
	bobs := d.rememberBrowser(oauth.Person{Subscriber: bob, Level: app.LevelSandbox}, time.Hour)
	live := d.rememberBrowser(oauth.Person{Subscriber: alice, Level: app.LevelProduction}, time.Hour)

	list, err := d.Browsers(ctx, person)
	if err != nil || len(list) != 2 || list[0].Created.Before(list[1].Created) {
		t.Fatalf("%+v %v", list, err)
	}
	for _, b := range list {
		if b.Subscriber != alice || b.Level != app.LevelSandbox || b.Agent != "Chrome on Android" {
			t.Errorf("%+v", b)
		}
	}
	bobsList, err := d.Browsers(ctx, oauth.Person{Subscriber: bob, Level: app.LevelSandbox})
	if err != nil || len(bobsList) != 1 {
		t.Fatalf("%+v %v", bobsList, err)
	}
	// Alice cannot end bob's, whatever number she sends.
	if err := d.EndBrowsers(ctx, app.LevelSandbox, alice, bobsList[0].ID); err != nil || !d.known(app.LevelSandbox, bobs) {
		t.Fatalf("bob's browser: %v", err)
	}
	if err := d.EndBrowsers(ctx, app.LevelSandbox, alice, list[1].ID); err != nil || d.known(app.LevelSandbox, first) || !d.known(app.LevelSandbox, second) {
		t.Fatalf("the older one: %v", err)
	}
	d.clock.add(2 * time.Hour)
	if list, err = d.Browsers(ctx, person); err != nil || len(list) != 0 {
		t.Fatalf("expired ones: %+v %v", list, err)
	}
	if d.known(app.LevelProduction, live) {
		t.Fatal("the live one is not over")
	}
}

func TestABrowserIsRememberedForThirtyDaysAtMost(t *testing.T) {
	d := openDoor(t)
	for _, c := range []struct{ life, want time.Duration }{
		{time.Hour, time.Hour}, {oauth.SessionLife, oauth.SessionLife}, {1000 * oauth.SessionLife, oauth.SessionLife},
	} {
		_, expires, err := d.Remember(context.Background(), person, "", c.life)
		if err != nil || !expires.Equal(d.clock.now().Add(c.want)) {
			t.Errorf("%s: until %s, %v", c.life, expires, err)
		}
	}
}

func TestAgentsAreDescribedInOurWords(t *testing.T) {
	for _, c := range []struct{ header, want string }{
		{chromeOnAndroid, "Chrome on Android"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1", "Safari on iPhone"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/143.0.0.0 Mobile/15E148 Safari/604.1", "Chrome on iPhone"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/145.0 Mobile/15E148 Safari/604.1", "Firefox on iPhone"},
		{"Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1", "Safari on iPad"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Windows"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36 Edg/143.0.0.0", "Edge on Windows"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 OPR/125.0.0.0", "Opera on Windows"},
		{"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36 EdgA/143.0.0.0", "Edge on Android"},
		{"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", "Samsung Internet on Android"},
		{"Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0", "Firefox on Android"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15", "Safari on Mac"},
		{"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36", "Chrome on Linux"},
		{"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36", "Chrome on Chromebook"},
		{"curl/8.17.0", "Browser"},
		{"Chrome", "Browser"},
		{"Windows", "Browser"},
		{"", "Browser"},
		{"<script>alert(1)</script> Firefox Windows", "Firefox on Windows"},
		{strings.Repeat("x", 1<<20) + " Firefox Windows", "Browser"},
		{"\x00\xff\r\nSet-Cookie: a=b", "Browser"},
	} {
		if got := oauth.Agent(c.header); got != c.want {
			t.Errorf("%.120q: %q, not %q", c.header, got, c.want)
		}
		if again := oauth.Agent(c.want); again != c.want {
			t.Errorf("%q becomes %q", c.want, again)
		}
	}
}

func TestASignedOutBrowserIsInTheAudit(t *testing.T) {
	d := openDoor(t)
	newest := func() audit.Entry {
		t.Helper()
		list, err := d.store.Audit(context.Background(), audit.Filter{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			return audit.Entry{}
		}
		return list[0]
	}
	cookie := d.rememberBrowser(person, time.Hour)
	d.rememberBrowser(person, time.Hour)
	if e := newest(); e.Action != "" {
		t.Errorf("a sign-in left %+v", e) // it is the subscriber's own affair, and no change of anything
	}
	d.forget(cookie)
	if e := newest(); e.Actor != "subscriber +14255550100" || e.Action != "browser signed out" || e.Object != e.Actor {
		t.Errorf("%+v", e)
	}
	d.end(app.LevelSandbox, oauth.Person{Subscriber: alice})
	last := newest()
	if last.Action != "all browsers signed out" {
		t.Errorf("%+v", last)
	}
	d.end(app.LevelSandbox, oauth.Person{Subscriber: alice}) // nothing is left, so nothing changes
	if e := newest(); e.Seq != last.Seq {
		t.Errorf("an end of nothing left %+v", e)
	}
}
