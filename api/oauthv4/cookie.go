package oauthv4

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	"longlines/app"
	"longlines/gateway"
)

// Two cookies, both out of reach of scripts. The browser cookie says which browser a form was given to;
// the session cookie, that a subscriber is remembered here, one for each level, because the virtual
// network's subscribers are not the live ones. With https they carry the prefix that no neighbouring
// host can write (RFC 6265bis §4.1.3.2); on plain http, which is for this machine and for a laboratory,
// a browser would drop them if they did.
type cookies struct{ secure bool }

func (k cookies) name(what string) string {
	if k.secure {
		return "__Host-longlines-" + what
	}
	return "longlines-" + what
}

func (k cookies) session(l app.Level) string {
	if l == app.LevelSandbox {
		return k.name("session-virtual")
	}
	return k.name("session")
}

// put writes a Set-Cookie. life 0: until the browser is closed; negative: away with it.
func (k cookies) put(h http.Header, name, value string, life time.Duration) {
	c := http.Cookie{Name: name, Value: value, Path: "/", Secure: k.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if life != 0 {
		c.MaxAge = int(life / time.Second)
	}
	h.Add("Set-Cookie", c.String())
}

// get reads a cookie; "" if there is none, or two: the second may be a neighbour's.
func (k cookies) get(c *gateway.Call, name string) string {
	if found := c.CookiesNamed(name); len(found) == 1 && len(found[0].Value) <= maxCookie {
		return found[0].Value
	}
	return ""
}

const (
	maxCookie   = 128 // characters of a value; ours have 43 and 64
	browserSize = 32  // random bytes
)

// browser is the value of the browser cookie, a fresh one if the browser has none.
func (k cookies) browser(c *gateway.Call, h http.Header) string {
	name := k.name("browser")
	v := k.get(c, name)
	if raw, err := base64.RawURLEncoding.DecodeString(v); err == nil && len(raw) == browserSize {
		return v
	}
	var raw [browserSize]byte
	rand.Read(raw[:])
	v = base64.RawURLEncoding.EncodeToString(raw[:])
	k.put(h, name, v, 0)
	return v
}

// bound is what a ticket keeps of it.
func bound(browser string) []byte {
	h := sha256.Sum256([]byte(browser))
	return h[:]
}
