package oauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// party is somebody with a key. Its JWTs are put together by hand, because most of those in the tests are
// such as no library would make.
type party struct {
	key crypto.Signer
	jwk map[string]any // the public half
}

func newParty(t testing.TB, key crypto.Signer, err error) party {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	b, err := (jose.JSONWebKey{Key: key.Public()}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	p := party{key: key}
	if err := json.Unmarshal(b, &p.jwk); err != nil {
		t.Fatal(err)
	}
	return p
}

func newEC(t testing.TB, c elliptic.Curve) party {
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	return newParty(t, k, err)
}

func newEd(t testing.TB) party {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	return newParty(t, k, err)
}

// rsa2048 is made once: it takes a while.
var rsa2048 = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newRSA(t testing.TB) party {
	k, err := rsa2048()
	return newParty(t, k, err)
}

// short is an RSA key of 1,024 bits, which the library no longer makes.
func short(t testing.TB) party {
	t.Helper()
	p := newRSA(t)
	p.jwk = maps.Clone(p.jwk)
	n, err := base64.RawURLEncoding.DecodeString(p.jwk["n"].(string))
	if err != nil {
		t.Fatal(err)
	}
	p.jwk["n"] = base64.RawURLEncoding.EncodeToString(n[:128])
	return p
}

// withD adds the private half of an EC key to its JWK.
func (p party) withD(t testing.TB) map[string]any {
	t.Helper()
	d, err := p.key.(*ecdsa.PrivateKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	jwk := maps.Clone(p.jwk)
	jwk["d"] = base64.RawURLEncoding.EncodeToString(d)
	return jwk
}

func (p party) sign(t testing.TB, alg string, input []byte) []byte {
	t.Helper()
	var sig []byte
	var err error
	sum := sha256.Sum256(input)
	switch alg {
	case "none":
		return nil
	case "HS256": // under the public key, as if that were a secret
		b, _ := json.Marshal(p.jwk)
		m := hmac.New(sha256.New, b)
		m.Write(input)
		return m.Sum(nil)
	case "RS256":
		sig, err = p.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	case "PS256":
		sig, err = p.key.Sign(rand.Reader, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	case "EdDSA", "Ed25519":
		sig, err = p.key.Sign(rand.Reader, input, crypto.Hash(0))
	default: // ES256, ES384, ES512
		k := p.key.(*ecdsa.PrivateKey)
		digest, size := sum[:], 32
		if h, ok := map[string]crypto.Hash{"ES384": crypto.SHA384, "ES512": crypto.SHA512}[alg]; ok {
			w := h.New()
			w.Write(input)
			digest, size = w.Sum(nil), (k.Curve.Params().BitSize+7)/8
		}
		r, s, e := ecdsa.Sign(rand.Reader, k, digest)
		if err = e; err == nil {
			size = max(size, (k.Curve.Params().BitSize+7)/8)
			sig = append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// jwt signs; header and claims are JSON texts, or values that become such.
func (p party) jwt(t testing.TB, alg string, header, claims any) string {
	t.Helper()
	input := part(t, header) + "." + part(t, claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(p.sign(t, alg, []byte(input)))
}

func part(t testing.TB, v any) string {
	t.Helper()
	b, ok := v.(string)
	if !ok {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b = string(raw)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(b))
}

type members = map[string]any

// with is a copy with other members; nil takes one out.
func with(m members, changes ...any) members {
	m = maps.Clone(m)
	for i := 0; i+1 < len(changes); i += 2 {
		name := changes[i].(string)
		if m[name] = changes[i+1]; changes[i+1] == nil {
			delete(m, name)
		}
	}
	return m
}
