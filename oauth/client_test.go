package oauth_test

import (
	"context"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"longlines/app"
	"longlines/fault"
	"longlines/oauth"
)

// keySet is a JWK set of public keys.
func keySet(t testing.TB, keys ...members) string {
	t.Helper()
	b, err := json.Marshal(members{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// bank is an app that proves itself by assertions.
func (w *world) bank(t testing.TB, keys ...members) *app.App {
	t.Helper()
	set := keySet(t, keys...)
	if err := oauth.CheckKeys(set); err != nil {
		t.Fatal(err)
	}
	a, secret, err := w.apps.Create(context.Background(), app.App{Name: "bank", Key: "bank", Auth: app.AuthKey, Keys: set, Scopes: []app.Scope{"SMS"}}, "")
	if err != nil || secret != "" {
		t.Fatalf("%q %v", secret, err)
	}
	return a
}

// assertion is the claims of a good one.
func (w *world) assertion() members {
	return members{"iss": "bank", "sub": "bank", "aud": issuer, "jti": jti(), "iat": w.clock.now().Unix(), "exp": w.clock.now().Unix() + 60}
}

func TestClientsProveThemselves(t *testing.T) {
	w := open(t, 0)
	s := server(t, w)
	ctx := context.Background()
	ec := newEC(t, elliptic.P256())
	w.bank(t, with(ec.jwk, "kid", "one", "use", "sig", "alg", "ES256"))
	if _, _, err := w.apps.Create(ctx, app.App{Name: "phone", Key: "phone", Auth: app.AuthNone, RedirectURI: "https://phone.example/cb", Scopes: []app.Scope{"SMS"}}, ""); err != nil {
		t.Fatal(err)
	}
	gone, _, err := w.apps.Create(ctx, app.App{Name: "gone", Key: "gone", Scopes: []app.Scope{"SMS"}}, "gone-secret")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.apps.Delete(ctx, gone.ID); err != nil {
		t.Fatal(err)
	}
	good := func() string {
		return ec.jwt(t, "ES256", members{"alg": "ES256", "kid": "one"}, w.assertion())
	}
	of := func(sub string) string {
		return ec.jwt(t, "ES256", members{"alg": "ES256"}, with(w.assertion(), "iss", sub, "sub", sub))
	}
	for name, c := range map[string]struct {
		oauth.Credentials
		want *fault.Fault // nil: it is the app
		app  string
	}{
		"a secret":                             {oauth.Credentials{Key: "pizza", Secret: "pizza-secret"}, nil, "pizza"},
		"an assertion":                         {oauth.Credentials{Assertion: good()}, nil, "bank"},
		"an assertion with its client_id":      {oauth.Credentials{Key: "bank", Assertion: good()}, nil, "bank"},
		"a public app":                         {oauth.Credentials{Key: "phone"}, nil, "phone"},
		"nothing":                              {oauth.Credentials{}, fault.ClientIDMissing, ""},
		"a secret and no key":                  {oauth.Credentials{Secret: "pizza-secret"}, fault.ClientIDMissing, ""},
		"a wrong secret":                       {oauth.Credentials{Key: "pizza", Secret: "pizza-secrey"}, fault.ClientSecretWrong, ""},
		"no secret":                            {oauth.Credentials{Key: "pizza"}, fault.ClientSecretWrong, ""},
		"an unknown key":                       {oauth.Credentials{Key: "nobody", Secret: "x"}, fault.ClientUnknown, ""},
		"an unknown key, with an assertion":    {oauth.Credentials{Assertion: of("nobody")}, fault.ClientUnknown, ""},
		"a deleted app":                        {oauth.Credentials{Key: "gone", Secret: "gone-secret"}, fault.ClientDeleted, ""},
		"a deleted app, with an assertion":     {oauth.Credentials{Assertion: of("gone")}, fault.ClientDeleted, ""},
		"a secret of an app with keys":         {oauth.Credentials{Key: "bank", Secret: "bank-secret"}, fault.ClientSecretWrong, ""},
		"nothing of an app with keys":          {oauth.Credentials{Key: "bank"}, fault.ClientSecretWrong, ""},
		"an assertion of an app with a secret": {oauth.Credentials{Assertion: of("pizza")}, fault.ClientSecretWrong, ""},
		"a secret of a public app":             {oauth.Credentials{Key: "phone", Secret: "x"}, fault.ClientSecretWrong, ""},
		"an assertion of a public app":         {oauth.Credentials{Assertion: of("phone")}, fault.ClientSecretWrong, ""},
		"an assertion beside another client_id": {oauth.Credentials{Key: "pizza", Assertion: good()}, fault.ClientSecretWrong,
			""},
		"both proofs at once": {oauth.Credentials{Key: "bank", Secret: "x", Assertion: good()}, fault.OAuthRequest, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := s.Authenticate(ctx, c.Credentials)
			switch {
			case c.want != nil && (!errors.Is(err, c.want) || a != nil):
				t.Fatalf("%v %v", a, err)
			case c.want == nil && (err != nil || a.Key != c.app):
				t.Fatalf("%v %v", a, err)
			}
		})
	}
}

func TestClientAssertions(t *testing.T) {
	w := open(t, 0)
	s := server(t, w)
	ctx := context.Background()
	ec, other, p384 := newEC(t, elliptic.P256()), newEC(t, elliptic.P256()), newEC(t, elliptic.P384())
	ed, long, stranger := newEd(t), newRSA(t), newEC(t, elliptic.P256())
	old, modern := newEd(t), newEd(t)
	w.bank(t, with(ec.jwk, "kid", "one"), with(other.jwk, "kid", "two"), p384.jwk, ed.jwk, with(long.jwk, "alg", "PS256"),
		with(old.jwk, "alg", "EdDSA"), with(modern.jwk, "alg", "Ed25519"))
	now := w.clock.now().Unix()
	type shown struct {
		text string
		why  string // what the log says; "" if it is taken
	}
	all := map[string]shown{}
	claim := func(name, why string, change ...any) {
		all[name] = shown{ec.jwt(t, "ES256", members{"alg": "ES256", "kid": "one"}, with(w.assertion(), change...)), why}
	}
	signed := func(name, why string, by party, header members) {
		all[name] = shown{by.jwt(t, header["alg"].(string), header, w.assertion()), why}
	}
	const push = issuer + "/oauth/v4/par"
	claim("good", "")
	claim("for the token endpoint", "", "aud", tokenAt)
	claim("for the endpoint that is called", "", "aud", push)
	claim("for two names of ours", "", "aud", []string{issuer, tokenAt})
	claim("without iat", "", "iat", nil)
	claim("good for five minutes", "", "exp", now+300)
	claim("good for an hour", "", "exp", now+3600)
	claim("good for an hour, of which almost all is over", "", "iat", now-3595, "exp", now+5)
	signed("with a type", "", ec, members{"alg": "ES256", "kid": "one", "typ": "JWT"})
	signed("the other key", "", other, members{"alg": "ES256", "kid": "two"})
	signed("without kid", "", other, members{"alg": "ES256"})
	signed("ES384, a key without kid", "", p384, members{"alg": "ES384", "kid": "any"})
	signed("EdDSA", "", ed, members{"alg": "EdDSA"})
	signed("Ed25519", "", ed, members{"alg": "Ed25519"})
	signed("Ed25519, a key registered for EdDSA", "", old, members{"alg": "Ed25519"})
	signed("EdDSA, a key registered for Ed25519", "", modern, members{"alg": "EdDSA"})
	signed("Ed25519, a key registered for it", "", modern, members{"alg": "Ed25519"})
	signed("PS256", "", long, members{"alg": "PS256"})

	all["no JWT"] = shown{"x", "not a JWT"}
	all["too long"] = shown{ec.jwt(t, "ES256", members{"alg": "ES256"}, with(w.assertion(), "pad", strings.Repeat("x", 8<<10))), "longer"}
	all["other claims than were signed"] = func() shown {
		cut := strings.Split(all["good"].text, ".")
		return shown{cut[0] + "." + part(t, with(w.assertion(), "exp", now+200)) + "." + cut[2], "none of the keys"}
	}()
	all["claims that are there twice"] = shown{ec.jwt(t, "ES256", members{"alg": "ES256"}, `{"iss":"bank","iss":"bank","sub":"bank","jti":"1"}`), "form"}
	signed("alg none", "not a JWT", ec, members{"alg": "none"})
	signed("a public key as a secret", "not a JWT", ec, members{"alg": "HS256", "kid": "one"})
	signed("a key that is not registered", "none of the keys", stranger, members{"alg": "ES256"})
	signed("a key that is not registered, brought along", "none of the keys", stranger, members{"alg": "ES256", "jwk": stranger.jwk})
	signed("the kid of another key", "none of the keys", ec, members{"alg": "ES256", "kid": "two"})
	signed("Ed25519 by a key that is not registered", "none of the keys", newEd(t), members{"alg": "Ed25519"})
	signed("another algorithm than the key is registered for", "none of the keys", long, members{"alg": "RS256"})
	signed("a critical extension", "crit", ec, members{"alg": "ES256", "crit": []string{"exp"}})
	claim("another iss", "iss and sub", "iss", "pizza")
	claim("no iss", "iss and sub", "iss", nil)
	claim("no aud", "aud", "aud", nil)
	claim("an empty list as aud", "aud", "aud", []string{})
	claim("for another server", "aud", "aud", "https://other.example.com")
	claim("for us and another server", "aud", "aud", []string{issuer, "https://other.example.com"})
	claim("for a longer name than ours", "aud", "aud", issuer+".evil.example")
	claim("no exp", "exp", "exp", nil)
	claim("exp is over", "exp", "exp", now-10)
	claim("good for longer than an hour", "exp is more than 1h0m0s ahead", "exp", now+3600+60)
	claim("exp is text", "form", "exp", "soon")
	claim("nbf is to come", "nbf", "nbf", now+30)
	claim("iat is to come", "iat", "iat", now+30)
	claim("made more than an hour ago", "iat", "iat", now-3660)
	claim("no jti", "jti", "jti", nil)
	claim("a jti that is too long", "jti", "jti", strings.Repeat("j", 129))
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			as := func(s *oauth.Service) error {
				_, err := s.Authenticate(ctx, oauth.Credentials{Key: "bank", Assertion: c.text, Endpoint: push})
				return err
			}
			err := as(s)
			if c.why == "" {
				if err != nil {
					t.Fatal(err)
				}
				// A second node has the same store.
				if err := as(server(t, w)); !errors.Is(err, fault.ClientSecretWrong) || !strings.Contains(err.Error(), "used before") {
					t.Fatalf("the second time: %v", err)
				}
				return
			}
			if !errors.Is(err, fault.ClientSecretWrong) || !strings.Contains(err.Error(), c.why) {
				t.Fatalf("%v does not speak of %s", err, c.why)
			}
			if d := fault.From(err).Description; d != fault.ClientSecretWrong.Description {
				t.Fatalf("the caller is told %q", d)
			}
		})
	}
	t.Run("of another sub, it is the other's", func(t *testing.T) {
		text := ec.jwt(t, "ES256", members{"alg": "ES256"}, with(w.assertion(), "sub", "pizza"))
		if _, err := s.Authenticate(ctx, oauth.Credentials{Assertion: text}); !errors.Is(err, fault.ClientSecretWrong) {
			t.Fatal(err)
		}
	})
	t.Run("where we do not know our name, none is for us", func(t *testing.T) {
		nameless, err := oauth.New(oauth.Config{Store: w.store, Sealer: w.store.Sealer(), Apps: w.apps, Now: w.clock.now})
		if err != nil {
			t.Fatal(err)
		}
		for _, aud := range []string{"", push, "/oauth/v4/token"} {
			text := ec.jwt(t, "ES256", members{"alg": "ES256"}, with(w.assertion(), "aud", aud))
			if _, err := nameless.Authenticate(ctx, oauth.Credentials{Assertion: text, Endpoint: aud}); !errors.Is(err, fault.ClientSecretWrong) {
				t.Fatalf("%q: %v", aud, err)
			}
		}
	})
	t.Run("a store that refuses is not a wrong assertion", func(t *testing.T) {
		text := ec.jwt(t, "ES256", members{"alg": "ES256"}, w.assertion())
		if err := w.store.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Authenticate(ctx, oauth.Credentials{Assertion: text}); err == nil || errors.Is(err, fault.ClientSecretWrong) {
			t.Fatal(err)
		}
	})
}

func TestKeysThatAnAppMayRegister(t *testing.T) {
	ec, p384, p521, ed, long := newEC(t, elliptic.P256()), newEC(t, elliptic.P384()), newEC(t, elliptic.P521()), newEd(t), newRSA(t)
	eleven := make([]members, 11)
	for i := range eleven {
		eleven[i] = ec.jwk
	}
	for name, c := range map[string]struct{ set, why string }{
		"each kind":               {keySet(t, ec.jwk, p384.jwk, ed.jwk, long.jwk), ""},
		"ten":                     {keySet(t, eleven[:10]...), ""},
		"with kid, use and alg":   {keySet(t, with(ec.jwk, "kid", "k", "use", "sig", "alg", "ES256")), ""},
		"Ed25519 by both names":   {keySet(t, with(ed.jwk, "alg", "Ed25519"), with(ed.jwk, "alg", "EdDSA")), ""},
		"nothing":                 {"", "JWK set"},
		"no JSON":                 {"{", "JWK set"},
		"a key without a set":     {keySet(t, ec.jwk)[len(`{"keys":[`) : len(keySet(t, ec.jwk))-2], "1 to 10"},
		"two documents":           {keySet(t, ec.jwk) + keySet(t, ec.jwk), "JWK set"},
		"an empty set":            {`{"keys":[]}`, "1 to 10"},
		"eleven":                  {keySet(t, eleven...), "1 to 10"},
		"a private key":           {keySet(t, ec.jwk, ec.withD(t)), `key 2: has the private member "d"`},
		"a part of a private key": {keySet(t, with(long.jwk, "p", "AQAB")), `"p"`},
		"a secret":                {keySet(t, members{"kty": "oct", "k": "AAAA"}), `"k"`},
		"a short RSA key":         {keySet(t, short(t).jwk), "bits"},
		"a curve not offered":     {keySet(t, p521.jwk), "curve"},
		"X25519":                  {keySet(t, with(ed.jwk, "crv", "X25519")), "type"},
		"no point of the curve":   {keySet(t, with(ec.jwk, "y", ec.jwk["x"])), "type"},
		"a key for encryption":    {keySet(t, with(ec.jwk, "use", "enc")), "use"},
		"an algorithm not taken":  {keySet(t, with(long.jwk, "alg", "RS512")), "alg"},
		"no key":                  {`{"keys":[null]}`, "key 1"},
		"a member twice":          {`{"keys":[{"kty":"EC","kty":"EC"}]}`, "key 1"},
	} {
		t.Run(name, func(t *testing.T) {
			err := oauth.CheckKeys(c.set)
			var bad *app.Invalid
			switch {
			case c.why == "" && err != nil:
				t.Fatal(err)
			case c.why != "" && (!errors.As(err, &bad) || bad.Field != "keys" || !strings.Contains(bad.Reason, c.why)):
				t.Fatalf("%v does not speak of %s", err, c.why)
			case err != nil && strings.Contains(err.Error(), ec.jwk["x"].(string)):
				t.Fatalf("%v shows the key", err)
			}
		})
	}
}

// FuzzAuthenticate holds that no assertion breaks us or is taken that the bank did not sign.
func FuzzAuthenticate(f *testing.F) {
	w := open(f, 0)
	s := server(f, w)
	ec := newEC(f, elliptic.P256())
	w.bank(f, ec.jwk)
	good := ec.jwt(f, "ES256", members{"alg": "ES256"}, w.assertion())
	f.Add(good[:len(good)-2] + "AA")
	f.Add(ec.jwt(f, "none", members{"alg": "none"}, w.assertion()))
	f.Add(ec.jwt(f, "HS256", members{"alg": "HS256"}, w.assertion()))
	f.Add(ec.jwt(f, "ES256", members{"alg": "ES256"}, `{"iss":"bank","sub":"bank","aud":[["x"]],"jti":"1"}`))
	f.Fuzz(func(t *testing.T, text string) {
		if a, err := s.Authenticate(context.Background(), oauth.Credentials{Assertion: text}); err == nil {
			t.Fatalf("%q is taken for %s", text, a.Key)
		} else if !fault.From(err).OAuth() {
			t.Fatal(err)
		}
	})
}

func FuzzCheckKeys(f *testing.F) {
	ec, long := newEC(f, elliptic.P256()), newRSA(f)
	f.Add(keySet(f, ec.jwk, newEd(f).jwk))
	f.Add(keySet(f, long.jwk))
	f.Add(keySet(f, ec.withD(f)))
	f.Add(`{"keys":[{"kty":"RSA","e":"AQAB","n":"AA"}]}`)
	f.Fuzz(func(t *testing.T, set string) {
		var bad *app.Invalid
		if err := oauth.CheckKeys(set); err != nil && !errors.As(err, &bad) {
			t.Fatal(err)
		}
	})
}
