package oauth_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"hash"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"longlines/app"
	"longlines/oauth"
)

// proxy is the enrichment proxy of these tests, and the request that it passes on.
var (
	proxy  = oauth.Enrichment{Issuer: "enrichment", Key: bytes.Repeat([]byte{0x5a}, 64), Level: app.LevelProduction}
	device = netip.MustParseAddr("10.20.30.40")
)

const (
	host = "api.example.com"
	path = "/oauth/v4/authorize"
)

// admitted tells whether an assertion is taken, for the request as it should be.
func (d *door) admitted(assertion string) bool {
	d.t.Helper()
	ok, _ := d.arrive(proxy, assertion, host, path, device)
	return ok
}

func (d *door) arrive(e oauth.Enrichment, assertion, host, path string, device netip.Addr) (bool, error) {
	d.t.Helper()
	who, ok, why, err := d.OnNetwork(context.Background(), e, assertion, host, path, device)
	switch {
	case err != nil:
		d.t.Fatal(err)
	case ok && (why != nil || who != oauth.Person{Subscriber: alice, Level: e.Level, How: oauth.HowOnNetwork}):
		d.t.Fatalf("%+v, and why: %v", who, why)
	case !ok && (why == nil || who != oauth.Person{}):
		d.t.Fatalf("%+v, and why: %v", who, why)
	}
	return ok, why
}

// spent is an assertion that has been taken.
func (d *door) spent(assertion string) string {
	d.t.Helper()
	if ok, why := d.arrive(proxy, assertion, host, path, device); !ok {
		d.t.Fatal(why)
	}
	return assertion
}

func (d *door) assert() string {
	d.t.Helper()
	text, err := proxy.Assert(d.clock.now(), alice, host, path, device)
	if err != nil {
		d.t.Fatal(err)
	}
	return text
}

// claims are those of a good assertion.
func (d *door) claims() map[string]any {
	now := d.clock.now().Unix()
	return map[string]any{"iss": "enrichment", "sub": "tel:+14255550100", "host": host, "path": path, "addr": "10.20.30.40",
		"iat": now, "exp": now + 60, "jti": "0123456789abcdef"}
}

// with are those claims with some changed; nil leaves one out.
func (d *door) with(pairs ...any) string {
	c := d.claims()
	for i := 0; i < len(pairs); i += 2 {
		if c[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
			delete(c, pairs[i].(string))
		}
	}
	return document(c)
}

func document(c map[string]any) string {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(text)
}

const hs256 = `{"alg":"HS256"}`

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// sign makes a JWS by hand, as no library would.
func sign(header, payload string, h func() hash.Hash, key []byte) string {
	input := b64(header) + "." + b64(payload)
	return input + "." + mac(input, h, key)
}

func mac(input string, h func() hash.Hash, key []byte) string {
	m := hmac.New(h, key)
	m.Write([]byte(input))
	return b64(string(m.Sum(nil)))
}

func TestTheProxysAssertionIsTakenOnce(t *testing.T) {
	d := openDoor(t)
	assertion := d.assert()
	if len(assertion) > 1024 || strings.Count(assertion, ".") != 2 {
		t.Fatalf("%d bytes: %s", len(assertion), assertion)
	}
	if !d.admitted(assertion) {
		t.Fatal("refused")
	}
	if d.admitted(assertion) {
		t.Fatal("taken twice")
	}
	d.Subscribers = d.node(func(*oauth.SubscribersConfig) {})
	if d.admitted(assertion) {
		t.Fatal("taken twice, by another node")
	}
	assertion = d.assert()
	var wg sync.WaitGroup
	var n atomic.Int64
	for range 40 {
		wg.Go(func() {
			if _, ok, _, err := d.OnNetwork(context.Background(), proxy, assertion, host, path, device); err != nil {
				t.Error(err)
			} else if ok {
				n.Add(1)
			}
		})
	}
	if wg.Wait(); n.Load() != 1 {
		t.Fatalf("taken %d times of 40 at once", n.Load())
	}
}

func TestGoodAssertions(t *testing.T) {
	for _, c := range []struct {
		name string
		text func(d *door) string
	}{
		{"made by hand", func(d *door) string { return sign(hs256, d.with(), sha256.New, proxy.Key) }},
		{"with typ and kid", func(d *door) string {
			return sign(`{"typ":"JWT","kid":"1","alg":"HS256"}`, d.with(), sha256.New, proxy.Key)
		}},
		{"with claims of the proxy's own", func(d *door) string { return sign(hs256, d.with("imsi", "001010000000001"), sha256.New, proxy.Key) }},
		{"in the last millisecond of the five seconds after exp", func(d *door) string {
			text := d.assert()
			d.clock.add(64*time.Second + 321*time.Millisecond) // it stands at 5.678 s
			return text
		}},
		{"with the proxy's clock five seconds ahead", func(d *door) string {
			now := d.clock.now().Unix()
			return sign(hs256, d.with("iat", now+5, "exp", now+65), sha256.New, proxy.Key)
		}},
		{"with fractions of seconds", func(d *door) string {
			now := float64(d.clock.now().UnixMilli()) / 1000
			return sign(hs256, d.with("iat", now, "exp", now+29.5), sha256.New, proxy.Key)
		}},
		{"with an IPv4 address as an IPv6 socket shows it", func(d *door) string {
			return sign(hs256, d.with("addr", "::ffff:10.20.30.40"), sha256.New, proxy.Key)
		}},
		{"with a UUID for a jti", func(d *door) string {
			return sign(hs256, d.with("jti", "9f1c1a52-5f0e-4a7e-8d1c-0f6a7f2f7d11"), sha256.New, proxy.Key)
		}},
		{"with a jti of 64 characters", func(d *door) string {
			return sign(hs256, d.with("jti", strings.Repeat("+/=~", 16)), sha256.New, proxy.Key)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openDoor(t)
			if ok, why := d.arrive(proxy, c.text(d), host, path, device); !ok {
				t.Fatal(why)
			}
		})
	}
}

// TestNobodyElseSaysWhoASubscriberIs holds the spellings of docs/reference/reliability.md T2 that get as
// far as here: whoever has no key, has another key, or has an assertion of another request.
func TestNobodyElseSaysWhoASubscriberIs(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	good := func(header, payload string) string { return sign(header, payload, sha256.New, proxy.Key) }
	changed := func(pairs ...any) func(*door) string {
		return func(d *door) string { return good(hs256, d.with(pairs...)) }
	}
	raw := func(from, to string) func(*door) string {
		return func(d *door) string {
			text := d.with()
			if !strings.Contains(text, from) {
				panic(from)
			}
			return good(hs256, strings.Replace(text, from, to, 1))
		}
	}
	text := func(f func(assertion string) string) func(*door) string {
		return func(d *door) string { return f(d.assert()) }
	}
	at := func(iat, exp int64) func(*door) string {
		return func(d *door) string {
			now := d.clock.now().Unix()
			return good(hs256, d.with("iat", now+iat, "exp", now+exp))
		}
	}
	cases := []struct {
		name string
		text func(d *door) string
		why  string
	}{
		// What a client that knows the header's name may send.
		{"nothing", text(func(string) string { return "" }), "there is no assertion"},
		{"a bare number", text(func(string) string { return "+14255550100" }), "compact"},
		{"a tel URI", text(func(string) string { return "tel:+14255550100" }), "compact"},
		{"claims in the clear", func(d *door) string { return d.with() }, "compact"},
		{"two dots", text(func(string) string { return ".." }), "compact"},
		{"a signature alone", text(func(s string) string { return s[strings.LastIndex(s, ".")+1:] }), "compact"},
		{"2 KiB and a byte", text(func(s string) string { return s + strings.Repeat("A", 2049-len(s)) }), "longer"},
		{"a mebibyte of dots", text(func(string) string { return strings.Repeat(".", 1<<20) }), "longer"},

		// Signatures.
		{"alg none without a signature", func(d *door) string { return b64(`{"alg":"none"}`) + "." + b64(d.with()) + "." }, "compact"},
		{"alg none with a signature", func(d *door) string { return good(`{"alg":"none"}`, d.with()) }, "HS256"},
		{"alg None", func(d *door) string { return good(`{"alg":"None"}`, d.with()) }, "HS256"},
		{"alg hs256 in small letters", func(d *door) string { return good(`{"alg":"hs256"}`, d.with()) }, "HS256"},
		{"no alg", func(d *door) string { return good(`{}`, d.with()) }, "HS256"},
		{"alg in other letters", func(d *door) string { return good(`{"ALG":"HS256"}`, d.with()) }, "HS256"},
		{"alg twice", func(d *door) string { return good(`{"alg":"HS256","alg":"HS256"}`, d.with()) }, "HS256"},
		{"alg null", func(d *door) string { return good(`{"alg":null}`, d.with()) }, "HS256"},
		{"HS384 with the right key", func(d *door) string { return sign(`{"alg":"HS384"}`, d.with(), sha512.New384, proxy.Key) }, "HS256"},
		{"HS512 with the right key", func(d *door) string { return sign(`{"alg":"HS512"}`, d.with(), sha512.New, proxy.Key) }, "HS256"},
		{"RS256 of a key of the sender's", func(d *door) string {
			s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: rsaKey}, &jose.SignerOptions{EmbedJWK: true})
			if err != nil {
				panic(err)
			}
			j, err := s.Sign([]byte(d.with()))
			if err != nil {
				panic(err)
			}
			out, _ := j.CompactSerialize()
			return out
		}, "HS256"},
		{"RS256 with our key as if it were public", func(d *door) string { return good(`{"alg":"RS256"}`, d.with()) }, "HS256"},
		{"HS256 with a public key as the secret", func(d *door) string { return sign(hs256, d.with(), sha256.New, public) }, "signature"},
		{"HS256 with an embedded key", func(d *door) string {
			return sign(`{"alg":"HS256","jwk":{"kty":"oct","k":"`+b64(strings.Repeat("k", 32))+`"}}`, d.with(), sha256.New, []byte(strings.Repeat("k", 32)))
		}, "HS256"},
		{"HS256 with another key", func(d *door) string { return sign(hs256, d.with(), sha256.New, bytes.Repeat([]byte{1}, 32)) }, "signature"},
		{"HS256 with no key", func(d *door) string { return sign(hs256, d.with(), sha256.New, nil) }, "signature"},
		{"an empty signature", text(func(s string) string { return s[:strings.LastIndex(s, ".")+1] }), "compact"},
		{"half a signature", text(func(s string) string { return s[:len(s)-23] }), "signature"},
		{"another assertion's signature", func(d *door) string {
			a, b := d.assert(), d.assert()
			return a[:strings.LastIndex(a, ".")] + b[strings.LastIndex(b, "."):]
		}, "signature"},
		{"another header over the same signature", text(func(s string) string {
			return b64(`{"alg":"HS256","typ":"JWT"}`) + s[strings.Index(s, "."):]
		}), "signature"},
		{"another subscriber over the same signature", func(d *door) string {
			s := good(hs256, d.with())
			part := strings.Split(s, ".")
			return part[0] + "." + b64(d.with("sub", "tel:+14255550101")) + "." + part[2]
		}, "signature"},
		{"a critical extension", func(d *door) string { return good(`{"alg":"HS256","crit":["x"],"x":1}`, d.with()) }, "critical"},
		{"an empty list of critical extensions", func(d *door) string { return good(`{"alg":"HS256","crit":[]}`, d.with()) }, "critical"},
		{"a payload that is not encoded (RFC 7797)", func(d *door) string {
			head, body := b64(`{"alg":"HS256","b64":false,"crit":["b64"]}`), b64(d.with())
			return head + "." + body + "." + mac(head+"."+d.with(), sha256.New, proxy.Key)
		}, "critical"},

		// Forms.
		{"the JSON form", func(d *door) string {
			part := strings.Split(good(hs256, d.with()), ".")
			return document(map[string]any{"protected": part[0], "payload": part[1], "signature": part[2]})
		}, "compact"},
		{"two signatures, one of them good", func(d *door) string {
			part := strings.Split(good(hs256, d.with()), ".")
			bad := strings.Split(sign(hs256, d.with(), sha256.New, nil), ".")
			return document(map[string]any{"payload": part[1], "signatures": []any{
				map[string]any{"protected": bad[0], "signature": bad[2]}, map[string]any{"protected": part[0], "signature": part[2]}}})
		}, "compact"},
		{"a fourth part", text(func(s string) string { return s + ".e30" }), "compact"},
		{"a dot behind it", text(func(s string) string { return s + "." }), "compact"},
		{"something behind it", text(func(s string) string { return s + "AAAA" }), "signature"},
		{"padding", text(func(s string) string { return s + "=" }), "compact"},
		{"a blank in front", text(func(s string) string { return " " + s }), "compact"},
		{"a line end behind it", text(func(s string) string { return s + "\n" }), "compact"},
		{"a line end inside", text(func(s string) string { return s[:40] + "\r\n" + s[40:] }), "compact"},
		{"two joined by a comma", text(func(s string) string { return s + "," + s }), "compact"},
		{"quotes around it", text(func(s string) string { return `"` + s + `"` }), "compact"},
		{"Bearer in front", text(func(s string) string { return "Bearer " + s }), "compact"},
		{"the other base64", func(d *door) string {
			return strings.Replace(good(hs256, d.with()), ".", ".+/", 1)
		}, "compact"},
		{"a NUL", text(func(s string) string { return s + "\x00" }), "compact"},
		{"left-over bits in the last character", text(func(s string) string {
			// 43 characters carry 258 bits; of the last one two are not used.
			const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			i := strings.IndexByte(alphabet, s[len(s)-1])
			return s[:len(s)-1] + alphabet[i|1:][:1]
		}), "compact"},

		// Claims that the proxy would not make.
		{"no claims but an array", func(d *door) string { return good(hs256, "["+d.with()+"]") }, "claims"},
		{"null", func(d *door) string { return good(hs256, "null") }, "iss"},
		{"a document behind the claims", func(d *door) string { return good(hs256, d.with()+"{}") }, "claims"},
		{"sub twice", raw(`"sub":"tel:+14255550100"`, `"sub":"tel:+14255550101","sub":"tel:+14255550100"`), "claims"},
		{"sub twice, once escaped", raw(`"sub":"tel:+14255550100"`, `"sub":"tel:+14255550101","\u0073ub":"tel:+14255550100"`), "claims"},
		{"SUB for sub", raw(`"sub"`, `"SUB"`), "sub"},
		{"no iss", changed("iss", nil), "iss"},
		{"another iss", changed("iss", "enrichment2"), "iss"},
		{"iss in other letters", changed("iss", "Enrichment"), "iss"},
		{"no sub", changed("sub", nil), "sub"},
		{"sub without tel:", changed("sub", "+14255550100"), "sub"},
		{"sub without the plus", changed("sub", "tel:14255550100"), "sub"},
		{"sub as it is dialled at home", changed("sub", "tel:4255550100"), "sub"},
		{"sub with TEL:", changed("sub", "TEL:+14255550100"), "sub"},
		{"sub with separators", changed("sub", "tel:+1-425-555-0100"), "sub"},
		{"sub with a parameter", changed("sub", "tel:+14255550100;phone-context=+44"), "sub"},
		{"sub with a blank", changed("sub", "tel:+14255550100 "), "sub"},
		{"sub of sixteen digits", changed("sub", "tel:+1425555010000000"), "sub"},
		{"sub a short code", changed("sub", "tel:48500"), "sub"},
		{"sub a number", raw(`"sub":"tel:+14255550100"`, `"sub":14255550100`), "claims"},
		{"sub a list", changed("sub", []string{"tel:+14255550100"}), "claims"},
		{"no host", changed("host", nil), "host"},
		{"another host", changed("host", "api.example.org"), "host"},
		{"the host with a port", changed("host", host+":443"), "host"},
		{"the host in other letters", changed("host", "API.example.com"), "host"},
		{"the host with a dot behind", changed("host", host+"."), "host"},
		{"no path", changed("path", nil), "path"},
		{"another path", changed("path", "/consents"), "path"},
		{"the path with a query", changed("path", path+"?client_id=a"), "path"},
		{"the path with a slash more", changed("path", path+"/"), "path"},
		{"the path spelled with an escape", changed("path", "/oauth/v4/%61uthorize"), "path"},
		{"no addr", changed("addr", nil), "addr"},
		{"another addr", changed("addr", "10.20.30.41"), "addr"},
		{"addr with a port", changed("addr", "10.20.30.40:5555"), "addr"},
		{"addr with zeros", changed("addr", "010.020.030.040"), "addr"},
		{"addr a network", changed("addr", "10.20.30.40/32"), "addr"},
		{"two addr", changed("addr", "10.20.30.40, 10.0.0.1"), "addr"},
		{"no jti", changed("jti", nil), "jti"},
		{"a jti of 15 characters", changed("jti", "0123456789abcde"), "jti"},
		{"a jti of 65 characters", changed("jti", strings.Repeat("a", 65)), "jti"},
		{"a jti with a blank", changed("jti", "0123456789abcde "), "jti"},
		{"a jti with a line end", changed("jti", "0123456789abcde\n"), "jti"},
		{"a jti of other letters", changed("jti", "0123456789abcdé"), "jti"},
		{"a jti that is a number", raw(`"jti":"0123456789abcdef"`, `"jti":1234567890123456`), "claims"},

		// Times.
		{"no iat", changed("iat", nil), "missing"},
		{"no exp", changed("exp", nil), "missing"},
		{"exp null", raw(`"exp":`, `"exp":null,"x":`), "missing"},
		{"exp 61 s after iat", at(0, 61), "within"},
		{"exp a year after iat", at(0, 365*86400), "within"},
		{"exp that an integer does not hold", raw(`"exp":`, `"exp":1e300,"x":`), "within"},
		{"exp and iat that an integer does not hold", func(d *door) string { return good(hs256, d.with("iat", 1e300, "exp", 1e300)) }, "within"},
		{"exp that no number holds", raw(`"exp":`, `"exp":1e999,"x":`), "claims"},
		{"exp in quotes", raw(`"exp":`, `"exp":"9999999999","x":`), "claims"},
		{"exp at iat", at(0, 0), "within"},
		{"exp before iat", at(0, -1), "within"},
		{"iat ten seconds to come", at(10, 60), "to come"},
		{"iat in milliseconds", func(d *door) string {
			now := d.clock.now().UnixMilli()
			return good(hs256, d.with("iat", now, "exp", now+60))
		}, "to come"},
		{"over by five seconds", at(-65, -5), "over"},
		{"over by an hour", at(-3660, -3600), "over"},
		{"of 1970", func(d *door) string { return good(hs256, d.with("iat", 0, "exp", 60)) }, "over"},
		{"before 1970", func(d *door) string { return good(hs256, d.with("iat", -1e300, "exp", -1e300)) }, "within"},
		{"used before", func(d *door) string {
			return d.spent(good(hs256, d.with("jti", "used-before-at-once")))
		}, "used before"},
		{"used before, signed anew for another subscriber", func(d *door) string {
			d.spent(good(hs256, d.with("jti", "used-before-by-alice")))
			return good(hs256, d.with("jti", "used-before-by-alice", "sub", "tel:+14255550101"))
		}, "used before"},
		{"used before, kept until the last moment", func(d *door) string {
			s := d.spent(good(hs256, d.with("jti", "used-before-a-minute-ago")))
			d.clock.add(64 * time.Second)
			return s
		}, "used before"},
	}
	d := openDoor(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d.t = t
			d.clock.add(2 * time.Hour) // past whatever the case before has left
			assertion := c.text(d)
			ok, why := d.arrive(proxy, assertion, host, path, device)
			if ok {
				t.Fatalf("taken: %.300s", assertion)
			}
			if !strings.Contains(why.Error(), c.why) {
				t.Errorf("refused because %q, expected %q", why, c.why)
			}
			for _, secret := range []string{"4255550100", "0123456789abcde", "alg\":", "10.20.30"} {
				if strings.Contains(strings.ReplaceAll(why.Error(), "tel:+14255550100 is", ""), secret) {
					t.Errorf("the reason quotes the assertion: %q", why)
				}
			}
		})
	}
}

func TestAnAssertionIsForItsRequestOnly(t *testing.T) {
	other := func(f func(*oauth.Enrichment)) oauth.Enrichment {
		e := proxy
		f(&e)
		return e
	}
	for _, c := range []struct {
		name       string
		e          oauth.Enrichment
		host, path string
		device     netip.Addr
	}{
		{"another host", proxy, "evil.example.com", path, device},
		{"no host", proxy, "", path, device},
		{"another path", proxy, host, "/oauth/authorize", device},
		{"no path", proxy, host, "", device},
		{"another device", proxy, host, path, netip.MustParseAddr("10.20.30.41")},
		{"no device", proxy, host, path, netip.Addr{}},
		{"a device whose IPv6 address ends alike", proxy, host, path, netip.MustParseAddr("::10.20.30.40")},
		{"another proxy", other(func(e *oauth.Enrichment) { e.Issuer = "virtual" }), host, path, device},
		{"another key", other(func(e *oauth.Enrichment) { e.Key = bytes.Repeat([]byte{1}, 32) }), host, path, device},
		{"no proxy", oauth.Enrichment{}, host, path, device},
		{"a key that is too short", other(func(e *oauth.Enrichment) { e.Key = e.Key[:31] }), host, path, device},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openDoor(t)
			assertion := d.assert()
			if ok, _ := d.arrive(c.e, assertion, c.host, c.path, c.device); ok {
				t.Fatal("taken")
			}
			if !d.admitted(assertion) {
				t.Fatal("the refusal has spent it")
			}
		})
	}
	t.Run("an empty claim for what the request has not", func(t *testing.T) {
		d := openDoor(t)
		for _, c := range []struct{ claim, host, path string }{{"host", "", path}, {"path", host, ""}} {
			if ok, _ := d.arrive(proxy, sign(hs256, d.with(c.claim, ""), sha256.New, proxy.Key), c.host, c.path, device); ok {
				t.Errorf("taken without %s", c.claim)
			}
		}
	})
	t.Run("a proxy's jti is its own", func(t *testing.T) {
		d := openDoor(t)
		second := other(func(e *oauth.Enrichment) { e.Issuer = "second" })
		for _, e := range []oauth.Enrichment{proxy, second} {
			if ok, why := d.arrive(e, sign(hs256, d.with("iss", e.Issuer), sha256.New, e.Key), host, path, device); !ok {
				t.Fatal(why)
			}
		}
	})
	t.Run("the level is the proxy's", func(t *testing.T) {
		d := openDoor(t)
		if ok, why := d.arrive(other(func(e *oauth.Enrichment) { e.Level = app.LevelSandbox }), d.assert(), host, path, device); !ok {
			t.Fatal(why)
		}
	})
}

func TestAssertSaysThatAKeyIsTooShort(t *testing.T) {
	e := oauth.Enrichment{Issuer: "enrichment", Key: []byte("short")}
	if text, err := e.Assert(time.Now(), alice, host, path, device); err == nil || text != "" {
		t.Fatalf("%q %v", text, err)
	}
}

func TestAStoreThatFailsIsNotABadAssertion(t *testing.T) {
	ctx := context.Background()
	d := openDoor(t)
	assertion := d.assert()
	if err := d.store.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if who, ok, why, err := d.OnNetwork(ctx, proxy, assertion, host, path, device); ok || why != nil || err == nil || who != (oauth.Person{}) {
		t.Fatalf("%+v %t %v %v", who, ok, why, err)
	}
}

// FuzzOnNetwork: what is taken was signed with our key, as it stands.
func FuzzOnNetwork(f *testing.F) {
	d := openDoor(f)
	good := sign(hs256, d.with(), sha256.New, proxy.Key)
	part := strings.Split(good, ".")
	for _, s := range []string{
		good, d.assert(), good + "=", good + ".", "..", strings.ToLower(good), good + "\n",
		sign(`{"alg":"none"}`, d.with(), sha256.New, proxy.Key),
		sign(`{"alg":"HS384"}`, d.with(), sha512.New384, proxy.Key),
		sign(hs256, d.with(), sha256.New, nil),
		sign(`{"alg":"HS256","b64":false,"crit":["b64"]}`, d.with(), sha256.New, proxy.Key),
		sign(hs256, `{"sub":1,"sub":2}`, sha256.New, proxy.Key),
		document(map[string]any{"protected": part[0], "payload": part[1], "signature": part[2]}),
	} {
		f.Add(s)
	}
	for name := range maps.Keys(d.claims()) {
		f.Add(sign(hs256, d.with(name, nil), sha256.New, proxy.Key))
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, ok, why, err := d.OnNetwork(context.Background(), proxy, s, host, path, device)
		if err != nil || ok != (why == nil) {
			t.Fatal(ok, why, err)
		}
		if !ok {
			return
		}
		dot := strings.LastIndex(s, ".")
		if s[dot+1:] != mac(s[:dot], sha256.New, proxy.Key) {
			t.Fatalf("taken: %s", s)
		}
	})
}
