package oauth_test

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"longlines/fault"
	"longlines/oauth"
)

const (
	issuer  = "https://api.example.com"
	tokenAt = issuer + "/oauth/v4/token"
)

// server is a service that knows its address.
func server(t testing.TB, w *world) *oauth.Service {
	t.Helper()
	s, err := oauth.New(oauth.Config{Store: w.store, Sealer: w.store.Sealer(), Apps: w.apps, Now: w.clock.now, Issuer: issuer})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var jtis struct {
	sync.Mutex
	n int
}

// jti is one that no other proof has.
func jti() string {
	jtis.Lock()
	defer jtis.Unlock()
	jtis.n++
	return fmt.Sprintf("jti-%d", jtis.n)
}

// proof is the header and the claims of a good one, for a POST to the token endpoint.
func (w *world) proof(p party, alg string) (header, claims members) {
	return members{"typ": "dpop+jwt", "alg": alg, "jwk": p.jwk},
		members{"jti": jti(), "htm": "POST", "htu": tokenAt, "iat": w.clock.now().Unix()}
}

func thumbprint(t testing.TB, p party) (out [32]byte) {
	t.Helper()
	k := jose.JSONWebKey{Key: p.key.Public()}
	b, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	copy(out[:], b)
	return out
}

func ath(access string) string {
	sum := sha256.Sum256([]byte(access))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func TestDPoPProofsThatAreTaken(t *testing.T) {
	w := open(t, 0)
	s := server(t, w)
	ec := newEC(t, elliptic.P256())
	const access = "an-access-token"
	for name, c := range map[string]struct {
		p      party
		alg    string
		change []any
		access string
	}{
		"ES256":                              {p: ec, alg: "ES256"},
		"ES384":                              {p: newEC(t, elliptic.P384()), alg: "ES384"},
		"EdDSA":                              {p: newEd(t), alg: "EdDSA"},
		"Ed25519":                            {p: newEd(t), alg: "Ed25519"},
		"RS256":                              {p: newRSA(t), alg: "RS256"},
		"PS256":                              {p: newRSA(t), alg: "PS256"},
		"the host in capitals":               {p: ec, alg: "ES256", change: []any{"htu", "HTTPS://API.Example.COM/oauth/v4/token"}},
		"the default port":                   {p: ec, alg: "ES256", change: []any{"htu", "https://api.example.com:443/oauth/v4/token"}},
		"an empty port":                      {p: ec, alg: "ES256", change: []any{"htu", "https://api.example.com:/oauth/v4/token"}},
		"an escape that need not be":         {p: ec, alg: "ES256", change: []any{"htu", issuer + "/o%61uth/v4/token"}},
		"dot segments":                       {p: ec, alg: "ES256", change: []any{"htu", issuer + "/oauth/v5/../v4/./token"}},
		"a final slash":                      {p: ec, alg: "ES256", change: []any{"htu", tokenAt + "/"}},
		"a query, which is not looked at":    {p: ec, alg: "ES256", change: []any{"htu", tokenAt + "?a=b"}},
		"a fragment, which is not looked at": {p: ec, alg: "ES256", change: []any{"htu", tokenAt + "#x"}},
		"a token that it is for":             {p: ec, alg: "ES256", change: []any{"ath", ath(access)}, access: access},
		"ath where no token is shown":        {p: ec, alg: "ES256", change: []any{"ath", ath(access)}},
		"almost a minute old":                {p: ec, alg: "ES256", change: []any{"iat", w.clock.now().Unix() - 58}},
		"a clock that is ahead":              {p: ec, alg: "ES256", change: []any{"iat", w.clock.now().Unix() + 4}},
		"an iat with a fraction":             {p: ec, alg: "ES256", change: []any{"iat", float64(w.clock.now().Unix()) - 0.25}},
		"a long jti":                         {p: ec, alg: "ES256", change: []any{"jti", strings.Repeat("j", 128)}},
		"claims that are none of ours":       {p: ec, alg: "ES256", change: []any{"nonce", "n", "color", []int{1}}},
	} {
		t.Run(name, func(t *testing.T) {
			header, claims := w.proof(c.p, c.alg)
			text := c.p.jwt(t, c.alg, header, with(claims, c.change...))
			key, err := s.Proof(text, "POST", tokenAt, c.access)
			if err != nil || key != thumbprint(t, c.p) {
				t.Fatalf("%x %v", key, err)
			}
			if _, err := s.Proof(text, "POST", tokenAt, c.access); !errors.Is(err, fault.ProofInvalid) || !strings.Contains(err.Error(), "used before") {
				t.Fatalf("the second time: %v", err)
			}
		})
	}
	t.Run("RFC 9449 §4.2, figure 2, at its time", func(t *testing.T) {
		const example = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
		at, err := oauth.New(oauth.Config{Store: w.store, Sealer: w.store.Sealer(), Apps: w.apps, Now: func() time.Time { return time.Unix(1562262616, 0) }})
		if err != nil {
			t.Fatal(err)
		}
		key, err := at.Proof(example, "POST", "https://server.example.com/token", "")
		if got := base64.RawURLEncoding.EncodeToString(key[:]); err != nil || got != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" { // §6.1
			t.Fatalf("%s %v", got, err)
		}
	})
}

// badProofs are such as must be refused, each with the word that says why.
func badProofs(t testing.TB, w *world) map[string]struct{ text, why, access string } {
	t.Helper()
	ec, other := newEC(t, elliptic.P256()), newEC(t, elliptic.P256())
	p384, p521, long := newEC(t, elliptic.P384()), newEC(t, elliptic.P521()), newRSA(t)
	header, claims := w.proof(ec, "ES256")
	good := ec.jwt(t, "ES256", header, claims)
	cut := strings.Split(good, ".")
	now := w.clock.now().Unix()
	const access = "an-access-token"
	out := map[string]struct{ text, why, access string }{}
	add := func(name, why, text string) { out[name] = struct{ text, why, access string }{text, why, ""} }
	claim := func(name, why string, change ...any) {
		add(name, why, ec.jwt(t, "ES256", header, with(with(claims, "jti", jti()), change...)))
	}
	head := func(name, why string, change ...any) {
		add(name, why, ec.jwt(t, "ES256", with(header, change...), with(claims, "jti", jti())))
	}
	token := func(name, why string, change ...any) {
		out[name] = struct{ text, why, access string }{ec.jwt(t, "ES256", header, with(with(claims, "jti", jti()), change...)), why, access}
	}
	const form = "not a JWT"
	add("empty", form, "")
	add("two parts", form, cut[0]+"."+cut[1])
	add("four parts", form, good+".x")
	add("no base64", form, "*."+cut[1]+"."+cut[2])
	add("the JSON form of a signature", form, `{"protected":"`+cut[0]+`","payload":"`+cut[1]+`","signature":"`+cut[2]+`"}`)
	add("too long", "longer", ec.jwt(t, "ES256", header, with(claims, "pad", strings.Repeat("x", 4<<10))))
	add("alg none", form, ec.jwt(t, "none", with(header, "alg", "none"), claims))
	add("a secret in place of a key", form, ec.jwt(t, "HS256", with(header, "alg", "HS256"), claims))
	add("an algorithm that is not offered", form, p521.jwt(t, "ES512", with(header, "alg", "ES512", "jwk", p521.jwk), claims))
	head("no alg", form, "alg", nil)
	head("no typ", "typ", "typ", nil)
	head("the typ of an ordinary JWT", "typ", "typ", "JWT")
	head("no jwk", "jwk", "jwk", nil)
	head("a private jwk", form, "jwk", ec.withD(t))
	head("a jwk that is a secret", form, "jwk", members{"kty": "oct", "k": "AAAA"})
	head("a point that is not on the curve", form, "jwk", with(ec.jwk, "y", ec.jwk["x"]))
	head("a curve that is not offered", "curve", "jwk", p521.jwk)
	head("a short RSA key", "RSA", "jwk", short(t).jwk)
	head("a critical extension", "crit", "crit", []string{"b64"}, "b64", true)
	head("an RSA key with an EC algorithm", "signature", "jwk", long.jwk)
	add("a P-384 key with ES256", "signature", p384.jwt(t, "ES256", with(header, "jwk", p384.jwk), claims))
	add("signed by another key", "signature", other.jwt(t, "ES256", header, claims))
	ed := newEd(t)
	add("an Ed25519 key with ES256", "signature", ec.jwt(t, "ES256", with(header, "jwk", ed.jwk), claims))
	add("an EC key with Ed25519", "signature", ed.jwt(t, "Ed25519", with(header, "alg", "Ed25519"), claims))
	add("signed by another Ed25519 key", "signature", newEd(t).jwt(t, "Ed25519", with(header, "alg", "Ed25519", "jwk", ed.jwk), claims))
	add("no signature", "signature", cut[0]+"."+cut[1]+".")
	add("other claims than were signed", "signature", cut[0]+"."+part(t, with(claims, "jti", jti()))+"."+cut[2])
	add("another header than was signed", "signature", part(t, with(header, "x", 1))+"."+cut[1]+"."+cut[2])
	add("claims that are a list", "form", ec.jwt(t, "ES256", header, "[]"))
	add("claims that are null", "jti", ec.jwt(t, "ES256", header, "null"))
	add("a claim that is there twice", "form", ec.jwt(t, "ES256", header, fmt.Sprintf(`{"jti":%q,"htm":"POST","htm":"POST","htu":%q,"iat":%d}`, jti(), tokenAt, now)))
	claim("no htm", "htm", "htm", nil)
	claim("another method", "htm", "htm", "GET")
	claim("a method in small letters", "htm", "htm", "post")
	claim("a name in capitals", "htm", "htm", nil, "HTM", "POST")
	claim("no htu", "htu", "htu", nil)
	claim("another path", "htu", "htu", issuer+"/oauth/v4/revoke")
	claim("another host", "htu", "htu", "https://api.example.com.evil.example/oauth/v4/token")
	claim("another scheme", "htu", "htu", "http://api.example.com/oauth/v4/token")
	claim("another port", "htu", "htu", "https://api.example.com:8443/oauth/v4/token")
	claim("a user in the address", "htu", "htu", "https://x@api.example.com/oauth/v4/token")
	claim("an address that is relative", "htu", "htu", "/oauth/v4/token")
	claim("an escaped slash", "htu", "htu", issuer+"/oauth/v4%2Ftoken")
	claim("no iat", "iat", "iat", nil)
	claim("over a minute old", "iat", "iat", now-62)
	claim("made in the future", "iat", "iat", now+10)
	claim("an iat that is text", "form", "iat", "today")
	claim("an iat beyond all time", "form", "iat", json.Number("1e300"))
	claim("exp is over", "exp", "exp", now-10)
	claim("nbf is to come", "nbf", "nbf", now+60)
	claim("no jti", "jti", "jti", nil)
	claim("an empty jti", "jti", "jti", "")
	claim("a jti that is too long", "jti", "jti", strings.Repeat("j", 129))
	claim("a jti that is a number", "form", "jti", 7)
	token("no ath, though a token is shown", "ath", "ath", nil)
	token("the ath of another token", "ath", "ath", ath("another"))
	token("an ath with padding", "ath", "ath", ath(access)+"=")
	return out
}

func TestDPoPProofsThatAreRefused(t *testing.T) {
	w := open(t, 0)
	s := server(t, w)
	for name, c := range badProofs(t, w) {
		t.Run(name, func(t *testing.T) {
			_, err := s.Proof(c.text, "POST", tokenAt, c.access)
			if !errors.Is(err, fault.ProofInvalid) {
				t.Fatal(err)
			}
			d := fault.From(err).Description
			if why, ok := strings.CutPrefix(d, fault.ProofInvalid.Description+": "); !ok || !strings.Contains(why, c.why) {
				t.Fatalf("%q does not speak of %s", d, c.why)
			}
		})
	}
}

func TestADPoPProofIsTakenOnce(t *testing.T) {
	w := open(t, 0)
	s := server(t, w)
	p := newEC(t, elliptic.P256())
	refused := func(t *testing.T, text string) {
		t.Helper()
		if _, err := s.Proof(text, "POST", tokenAt, ""); !errors.Is(err, fault.ProofInvalid) {
			t.Fatal(err)
		}
	}
	t.Run("of many at once, one", func(t *testing.T) {
		header, claims := w.proof(p, "ES256")
		text := p.jwt(t, "ES256", header, claims)
		taken := make(chan error, 50)
		for range cap(taken) {
			go func() {
				_, err := s.Proof(text, "POST", tokenAt, "")
				taken <- err
			}()
		}
		n := 0
		for range cap(taken) {
			if err := <-taken; err == nil {
				n++
			} else if !errors.Is(err, fault.ProofInvalid) {
				t.Error(err)
			}
		}
		if n != 1 {
			t.Fatalf("taken %d times", n)
		}
	})
	t.Run("signed again with the same jti, it is the same", func(t *testing.T) {
		header, claims := w.proof(p, "ES256")
		if _, err := s.Proof(p.jwt(t, "ES256", header, claims), "POST", tokenAt, ""); err != nil {
			t.Fatal(err)
		}
		refused(t, p.jwt(t, "ES256", header, claims))
	})
	t.Run("another client may happen on the same jti", func(t *testing.T) {
		q := newEC(t, elliptic.P256())
		h1, claims := w.proof(p, "ES256")
		h2, _ := w.proof(q, "ES256")
		for _, text := range []string{p.jwt(t, "ES256", h1, claims), q.jwt(t, "ES256", h2, claims)} {
			if _, err := s.Proof(text, "POST", tokenAt, ""); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("one that was refused is not spent", func(t *testing.T) {
		header, claims := w.proof(p, "ES256")
		text := p.jwt(t, "ES256", header, claims)
		if _, err := s.Proof(text, "GET", tokenAt, ""); !errors.Is(err, fault.ProofInvalid) {
			t.Fatal(err)
		}
		if _, err := s.Proof(text, "POST", tokenAt, ""); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("as long as its date would let it through", func(t *testing.T) {
		header, claims := w.proof(p, "ES256")
		claims["iat"] = w.clock.now().Unix() + 4
		text := p.jwt(t, "ES256", header, claims)
		if _, err := s.Proof(text, "POST", tokenAt, ""); err != nil {
			t.Fatal(err)
		}
		for range 7 {
			w.clock.add(10 * time.Second)
			h, c := w.proof(p, "ES256") // keeps the generations turning
			if _, err := s.Proof(p.jwt(t, "ES256", h, c), "POST", tokenAt, ""); err != nil {
				t.Fatal(err)
			}
			refused(t, text)
		}
	})
}

func TestBoundTokensNeedTheirKey(t *testing.T) {
	w := open(t, 0)
	s := server(t, w)
	ctx := context.Background()
	p, q := newEC(t, elliptic.P256()), newEC(t, elliptic.P256())
	out, err := s.ClientCredentials(ctx, w.pizza, "SMS", thumbprint(t, p))
	if err != nil || !out.Bound {
		t.Fatalf("%+v %v", out.Bound, err)
	}
	const at = issuer + "/sms/v3/messaging/outbox"
	show := func(by party, token string) oauth.Presented {
		header, claims := w.proof(by, "ES256")
		return oauth.Presented{Token: token, DPoP: true, Method: "POST", URL: at,
			Proof: by.jwt(t, "ES256", header, with(claims, "htu", at, "ath", ath(token)))}
	}
	if _, err := s.Check(ctx, show(p, out.Access)); err != nil {
		t.Fatal(err)
	}
	used := show(p, out.Access)
	if _, err := s.Check(ctx, used); err != nil {
		t.Fatal(err)
	}
	plain, err := s.ClientCredentials(ctx, w.pizza, "SMS", [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]oauth.Presented{
		"as a bearer token":                 {Token: out.Access},
		"with the proof of another key":     show(q, out.Access),
		"with a proof that was used":        used,
		"a token without a key, with proof": show(p, plain.Access),
	} {
		if _, err := s.Check(ctx, bad); !errors.Is(err, fault.BadToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzProof holds that nothing in a proof breaks us, that refusals quote nothing of it, and that what is
// taken says, to any other reader of JSON, what was asked for.
func FuzzProof(f *testing.F) {
	w := open(f, 0)
	s := server(f, w)
	p := newEC(f, elliptic.P256())
	header, claims := w.proof(p, "ES256")
	f.Add(p.jwt(f, "ES256", header, claims))
	for _, c := range badProofs(f, w) {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := s.Proof(text, "POST", tokenAt, "")
		if err != nil {
			d := fault.From(err).Description
			if !errors.Is(err, fault.ProofInvalid) || key != [32]byte{} || len(d) > 120 || len(text) > 60 && strings.Contains(d, text) {
				t.Fatalf("%v %x", err, key)
			}
			return
		}
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[1])
		var c struct {
			Method string `json:"htm"`
			URL    string `json:"htu"`
			ID     string `json:"jti"`
		}
		if err != nil || json.Unmarshal(payload, &c) != nil || c.Method != "POST" || c.ID == "" || !strings.Contains(strings.ToLower(c.URL), "api.example.com") {
			t.Fatalf("%v %s", err, payload)
		}
	})
}

func BenchmarkProof(b *testing.B) {
	w := open(b, 0)
	s := server(b, w)
	p := newEC(b, elliptic.P256())
	texts := make([]string, 0, b.N)
	for range b.N {
		header, claims := w.proof(p, "ES256")
		texts = append(texts, p.jwt(b, "ES256", header, claims))
	}
	b.ResetTimer()
	for _, text := range texts {
		if _, err := s.Proof(text, "POST", tokenAt, ""); err != nil {
			b.Fatal(err)
		}
	}
}
