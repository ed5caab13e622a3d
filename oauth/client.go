package oauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"

	"longlines/app"
	"longlines/fault"
)

// Credentials are what a client sends to prove itself: a secret, an assertion, or nothing.
type Credentials struct {
	Key       string // client_id; with an assertion it may be absent
	Secret    string
	Raw       string // the secret as it came, if it may have been form-encoded or not; "": Secret is all
	Assertion string // client_assertion of type urn:ietf:params:oauth:client-assertion-type:jwt-bearer
	Endpoint  string // the address that was called, as it is published; an assertion may name it as its audience
	// Ends says that the call takes rights away: it is heard also while the store cannot note an assertion.
	Ends bool
}

const (
	maxClientAssertion = 8 << 10 // bytes
	// clientAssertionLife is how long an assertion may be good for. One is made for each request, so that a minute
	// would do; but there are clients that always say an hour.
	clientAssertionLife = time.Hour
	maxKeys             = 10
	// tokenPath is where tokens are got. An assertion may name it wherever it is shown (RFC 9126 §2).
	tokenPath = "/oauth/v4/token"
)

// Authenticate finds the app and checks that it is itself in the way its account says (RFC 6749 §2.3,
// RFC 7523 §3): an app with a secret by its secret, one with keys by an assertion, a public one by its
// key alone. Its errors are fault.ClientIDMissing, ClientUnknown, ClientDeleted, ClientSecretWrong (for
// anything wrong with the proof), OAuthRequest for two proofs at once, or Unavailable when too many chosen
// secrets wait to be hashed.
//
// That an App Key is unknown is told as such, as published (docs/reference/errors.md §5), so there is
// nothing to be gained from making the answer take as long as that to a wrong secret.
func (s *Service) Authenticate(ctx context.Context, c Credentials) (*app.App, error) {
	if c.Secret != "" && c.Assertion != "" {
		return nil, fault.OAuthRequest.Describe("client_secret beside client_assertion") // RFC 6749 §2.3
	}
	var shown assertion
	if c.Assertion != "" {
		var err error
		if shown, err = parseAssertion(c.Assertion); err != nil {
			return nil, fault.ClientSecretWrong.Because(err)
		}
		if c.Key == "" {
			c.Key = shown.Subject
		}
	}
	if c.Key == "" {
		return nil, fault.ClientIDMissing
	}
	a := s.apps.ByKey(c.Key)
	switch {
	case a == nil:
		return nil, fault.ClientUnknown
	case a.Deleted:
		return nil, fault.ClientDeleted
	}
	// Each app has one way to prove itself; to take another, because the request offers it, would let a
	// client choose the weaker.
	switch {
	case a.Auth == app.AuthSecret && c.Assertion == "":
		ok, err := s.apps.CheckSecret(ctx, a, c.Secret)
		if err == nil && !ok && c.Raw != "" && c.Raw != c.Secret {
			ok, err = s.apps.CheckSecret(ctx, a, c.Raw)
		}
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fault.ClientSecretWrong
		}
	case a.Auth == app.AuthKey && c.Assertion != "":
		if err := s.checkAssertion(ctx, a, shown, c); err != nil {
			return nil, err
		}
	case a.Auth == app.AuthNone && c.Secret == "" && c.Assertion == "":
		// Whoever sends a secret believes that the app has one, and is to learn that nothing was checked.
	default:
		return nil, fault.ClientSecretWrong.Because(errors.New("not the way this app proves itself"))
	}
	return a, nil
}

// assertion is a client assertion that has been read. Until checkAssertion it says only who it claims to
// be from.
type assertion struct {
	claims
	jws *jose.JSONWebSignature
}

func parseAssertion(text string) (assertion, error) {
	j, err := parseJWS(text, maxClientAssertion)
	if err != nil {
		return assertion{}, err
	}
	c, err := parseClaims(j.UnsafePayloadWithoutVerification())
	if err != nil {
		return assertion{}, err
	}
	return assertion{c, j}, nil
}

// checkAssertion are the rules of RFC 7523 §3. An assertion is taken once, whatever becomes of the
// request, by whichever node sees it first. Its errors are fault.ClientSecretWrong, or the store's.
func (s *Service) checkAssertion(ctx context.Context, a *app.App, as assertion, c Credentials) error {
	wrong := func(why string) error { return fault.ClientSecretWrong.Because(errors.New(why)) }
	now := s.now()
	switch {
	case as.Issuer != a.Key || as.Subject != a.Key:
		return wrong("iss and sub are not the App Key")
	case !s.addressed(as.Audience, c.Endpoint):
		return wrong("aud is not this server alone")
	case as.Expires == nil:
		return wrong("exp is missing")
	case as.Expires.Time().After(now.Add(clientAssertionLife + skew)):
		return wrong(fmt.Sprintf("exp is more than %s ahead", clientAssertionLife))
	}
	if err := as.inTime(now, clientAssertionLife+skew); err != nil {
		return wrong(err.Error())
	}
	keys, err := parseKeys(a.Keys)
	if err != nil {
		return wrong("the keys on the account: " + err.Error())
	}
	h := as.jws.Signatures[0].Protected
	signed := slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool {
		if h.KeyID != "" && k.KeyID != "" && h.KeyID != k.KeyID || k.Algorithm != "" && !sameAlgorithm(k.Algorithm, h.Algorithm) {
			return false
		}
		return verify(as.jws, k.Key) == nil
	})
	if !signed {
		return wrong("signed by none of the keys on the account")
	}
	first, err := s.store.Once(ctx, sha256.Sum256([]byte("client assertion\x00"+a.Key+"\x00"+as.ID)), as.Expires.Time().Add(skew))
	switch {
	case c.Ends && errors.Is(err, fault.Unavailable):
		// On a full disk an app must be able to end its tokens (docs/reference/reliability.md P4). Whoever shows this
		// assertion here again can only end tokens whose texts he holds; anywhere else it is still good for once.
		s.log.WarnContext(ctx, "a client assertion was taken and could not be noted", "app_id", int64(a.ID), "error", err)
	case err != nil:
		return fmt.Errorf("note a client assertion: %w", err)
	case !first:
		return wrong("it was used before")
	}
	return nil
}

// addressed reports whether an assertion is meant for us: by our name as issuer, or by the address of the
// token endpoint or the one called. Whoever else is named could show it to us in the client's place, so
// all of them must be ours; some published clients name two.
func (s *Service) addressed(aud []string, endpoint string) bool {
	for _, a := range aud {
		if s.issuer == "" || a != s.issuer && a != s.issuer+tokenPath && a != endpoint {
			return false
		}
	}
	return len(aud) > 0
}

// CheckKeys says what is wrong with the keys of an app that proves itself by assertions: a JWK set
// (RFC 7517 §5) of 1 to 10 public keys, EC (P-256, P-384), OKP (Ed25519) or RSA (2,048 to 4,096 bits). Its
// error is an *app.Invalid, and never shows a key.
func CheckKeys(jwks string) error {
	if _, err := parseKeys(jwks); err != nil {
		return &app.Invalid{Field: "keys", Reason: err.Error()}
	}
	return nil
}

func parseKeys(jwks string) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal([]byte(jwks), &set); err != nil {
		return nil, errors.New(`must be a JWK set, {"keys":[…]}`)
	}
	if len(set.Keys) == 0 || len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("must be 1 to %d keys, not %d", maxKeys, len(set.Keys))
	}
	keys := make([]jose.JSONWebKey, len(set.Keys))
	for i, raw := range set.Keys {
		k, err := parseKey(raw)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		keys[i] = k
	}
	return keys, nil
}

// private are the members that only the owner of a key may have (RFC 7518 §6.2.2, §6.3.2, §6.4).
var private = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

func parseKey(raw json.RawMessage) (k jose.JSONWebKey, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return k, errors.New("is not a JWK")
	}
	for _, m := range private {
		if _, ok := members[m]; ok {
			return k, fmt.Errorf("has the private member %q: register the public key, and replace this one, for it has been seen", m)
		}
	}
	if err := json.Unmarshal(raw, &k); err != nil {
		return k, errors.New("is not a JWK of type EC, OKP (Ed25519) or RSA")
	}
	if err := checkKey(k); err != nil {
		return k, err
	}
	switch {
	case k.Use != "" && k.Use != "sig":
		return k, errors.New("is not for signatures (use)")
	case k.Algorithm != "" && !slices.Contains(algorithms, jose.SignatureAlgorithm(k.Algorithm)):
		return k, errors.New("is for an algorithm that is not taken (alg)")
	}
	return k, nil
}
