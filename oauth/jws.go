package oauth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"
)

// What DPoP proofs (dpop.go) and client assertions (client.go) have in common: both are JWTs in the
// compact form (RFC 7519, RFC 7515 §7.1), signed by a key of the client's.

// algorithms are asymmetric only (RFC 9449 §4.3 rule 5): whoever checks such a signature cannot make one.
var algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.ES384, ed25519Alg, jose.EdDSA, jose.RS256, jose.PS256}

// ed25519Alg is the name that takes the place of EdDSA (RFC 9864 §2.2). The library does not know it.
const ed25519Alg = jose.SignatureAlgorithm("Ed25519")

// Algorithms are the names (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2) of what proofs and assertions may be signed with.
func Algorithms() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = string(a)
	}
	return names
}

const (
	// skew is how far the clocks of a client and of ours may be apart.
	skew = 5 * time.Second
	// maxJTI bounds jti, which has to be remembered, in bytes.
	maxJTI = 128
	// The sizes of RSA keys: shorter ones are weak (RFC 7518 §3.3), longer ones cost us more than the client.
	minRSA, maxRSA = 2048, 4096
)

// claims are the members of either kind.
type claims struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  jwt.Audience     `json:"aud"`
	Expires   *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
	ID        string           `json:"jti"`
	Method    string           `json:"htm"`
	URL       string           `json:"htu"`
	Access    string           `json:"ath"`
}

// The errors from here on are shown to the client, so they are in our words: the library's quote what it
// has read.

// parseJWS reads a text of at most so many bytes; nothing in it is verified yet. Critical extensions are
// refused: we understand none, and the one that the library does (RFC 7797) must not be used in a JWT.
func parseJWS(text string, longest int) (*jose.JSONWebSignature, error) {
	if len(text) > longest {
		return nil, fmt.Errorf("longer than %d bytes", longest)
	}
	j, err := jose.ParseSignedCompact(text, algorithms)
	if err != nil {
		return nil, errors.New("not a JWT signed by one of " + strings.Join(Algorithms(), ", "))
	}
	if _, ok := j.Signatures[0].Protected.ExtraHeaders["crit"]; ok {
		return nil, errors.New("crit has an extension that is not known")
	}
	return j, nil
}

// verify checks the signature.
func verify(j *jose.JSONWebSignature, key any) error {
	if k, ok := key.(ed25519.PublicKey); ok {
		key = edVerifier(k)
	}
	_, err := j.Verify(key)
	return err
}

// edVerifier is an Ed25519 key under both names of what it signs by.
type edVerifier ed25519.PublicKey

// VerifyPayload is that of [jose.OpaqueVerifier].
func (k edVerifier) VerifyPayload(payload, signature []byte, alg jose.SignatureAlgorithm) error {
	if alg != ed25519Alg && alg != jose.EdDSA || !ed25519.Verify(ed25519.PublicKey(k), payload, signature) {
		return errors.New("the signature does not fit")
	}
	return nil
}

// sameAlgorithm reports whether two names are of one algorithm: EdDSA is Ed25519 here, for there is no other curve.
func sameAlgorithm(a, b string) bool {
	plain := func(alg string) string {
		if alg == string(jose.EdDSA) {
			return string(ed25519Alg)
		}
		return alg
	}
	return plain(a) == plain(b)
}

// parseClaims reads the payload. The library's JSON compares names as they are written and refuses one
// that is there twice, so that nobody else can read the same document in another way.
func parseClaims(payload []byte) (c claims, err error) {
	if err := json.Unmarshal(payload, &c); err != nil {
		return c, errors.New("the claims are not of their form")
	}
	switch {
	case c.ID == "":
		return c, errors.New("jti is missing")
	case len(c.ID) > maxJTI:
		return c, fmt.Errorf("jti is longer than %d bytes", maxJTI)
	}
	return c, nil
}

// inTime checks the dates that are there (RFC 7519 §4.1.4 to §4.1.6). oldest is how long ago it may have
// been issued.
func (c *claims) inTime(now time.Time, oldest time.Duration) error {
	switch {
	case c.Expires != nil && !now.Before(c.Expires.Time().Add(skew)):
		return errors.New("exp is over")
	case c.NotBefore != nil && c.NotBefore.Time().After(now.Add(skew)):
		return errors.New("nbf is to come")
	case c.IssuedAt != nil && c.IssuedAt.Time().After(now.Add(skew)):
		return errors.New("iat is to come")
	case c.IssuedAt != nil && c.IssuedAt.Time().Before(now.Add(-oldest)):
		return fmt.Errorf("iat is more than %s ago", oldest)
	}
	return nil
}

// checkKey says whether a key is public and of a kind and size that [algorithms] use.
func checkKey(k jose.JSONWebKey) error {
	switch key := k.Key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() {
			return errors.New("the curve is not P-256 or P-384")
		}
	case ed25519.PublicKey:
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < minRSA || n > maxRSA {
			return fmt.Errorf("the RSA key has %d bits, not %d to %d", n, minRSA, maxRSA)
		}
	default:
		return errors.New("the key is not a public one of type EC, OKP (Ed25519) or RSA")
	}
	return nil
}
