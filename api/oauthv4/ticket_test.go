package oauthv4

import (
	"bytes"
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
	"time"

	"longlines/app"
	"longlines/oauth"
)

func someTicket() ticket {
	return ticket{
		Step: stepConsent, Issued: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Browser: bound("browser"),
		Query:    map[string][]byte{"client_id": []byte("pizza-key"), "scope": []byte("IMMN"), "state": []byte("a<b>&\x80")},
		Redirect: "https://pizza.example/callback", Level: app.LevelProduction, Lang: "es", Subscriber: "14255550100", How: oauth.HowPIN, Remember: true,
	}
}

func TestATicketComesBackAsItWasAndOnlyWhole(t *testing.T) {
	s := tickets{bytes.Repeat([]byte{1}, 32)}
	want := someTicket()
	text, err := s.seal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.open(text)
	if err != nil || got.Once == [32]byte{} {
		t.Fatal(got, err)
	}
	want.Once = got.Once
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, want %+v", got, want)
	}
	if other, err := s.seal(want); err != nil || other == text {
		t.Fatal("two tickets have one name")
	}
	raw, _ := base64.RawURLEncoding.DecodeString(text)
	for i := range raw {
		raw[i] ^= 1
		if _, err := s.open(base64.RawURLEncoding.EncodeToString(raw)); err == nil {
			t.Fatalf("a ticket with byte %d changed is taken", i)
		}
		raw[i] ^= 1
	}
	for name, bad := range map[string]string{
		"nothing": "", "half of it": text[:len(text)/2], "padding": text + "==", "a line end": text[:40] + "\n" + text[40:], "more": text + "AAAA",
		"its random part alone": text[:43], "too much": strings.Repeat("A", maxTicket+1), "another spelling of its last byte": text[:len(text)-1] + "_",
	} {
		if _, err := s.open(bad); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := (tickets{bytes.Repeat([]byte{2}, 32)}).open(text); err == nil {
		t.Error("a ticket of another platform is taken")
	}
}

func TestATicketHoldsForTenMinutesInItsBrowser(t *testing.T) {
	k := someTicket()
	for name, c := range map[string]struct {
		browser string
		after   time.Duration
		want    bool
	}{
		"at once":                {"browser", 0, true},
		"just before the end":    {"browser", 10*time.Minute - time.Nanosecond, true},
		"at the end":             {"browser", 10 * time.Minute, false},
		"in another browser":     {"other", 0, false},
		"in one without cookies": {"", 0, false},
	} {
		if got := k.holds(c.browser, k.Issued.Add(c.after)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if (ticket{Issued: k.Issued}).holds("", k.Issued) {
		t.Error("a ticket of no browser holds in one without cookies")
	}
}

// FuzzTicket: what opens was sealed with the key, so it seals and opens again to the same.
func FuzzTicket(f *testing.F) {
	s := tickets{bytes.Repeat([]byte{1}, 32)}
	text, err := s.seal(someTicket())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("")
	f.Add(text[:43])
	f.Add(strings.Repeat("A", 100))
	f.Fuzz(func(t *testing.T, in string) {
		got, err := s.open(in)
		if err != nil {
			if !reflect.DeepEqual(got, ticket{}) {
				t.Fatal("a ticket that is refused leaves something behind")
			}
			return
		}
		if in != text && got.Once == [32]byte{} {
			t.Fatalf("%q was opened", in)
		}
		again, err := s.seal(got)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := s.open(again); err != nil || !bytes.Equal(back.Browser, got.Browser) || back.Step != got.Step {
			t.Fatal("it does not come back")
		}
	})
}

// FuzzMembers: a form that is taken has each member once, and none too long.
func FuzzMembers(f *testing.F) {
	f.Add([]byte("do=allow&ticket=x"))
	f.Add([]byte("do=allow&do=deny"))
	f.Add([]byte("do=%zz"))
	f.Add([]byte("a;b"))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := members(body)
		if err != nil {
			return
		}
		for name, v := range m {
			if len(v) != 1 || len(name) > maxMember || len(v[0]) > maxMember && name != "ticket" && name != "number" {
				t.Fatalf("%q: %q", name, v)
			}
		}
	})
}
