package store

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"longlines/api/oauthv4"
	"longlines/app"
	"longlines/fault"
	"longlines/gateway"
	"longlines/oauth"
	"longlines/quota"
)

// TestAnAppWithKeysEndsItsTokensOnAFullDisk: to note its assertion is a write, and the disk has no room for
// that (docs/reference/reliability.md P4).
func TestAnAppWithKeysEndsItsTokensOnAFullDisk(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, Config{})
	apps, err := app.NewDirectory(ctx, s, app.Config{})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public()}}})
	if err != nil {
		t.Fatal(err)
	}
	bank, _, err := apps.Create(ctx, app.App{Name: "bank", Key: "bank", Auth: app.AuthKey, Keys: string(keys), Scopes: []app.Scope{"SMS"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	const issuer = "https://api.example"
	service, err := oauth.New(oauth.Config{Store: s, Sealer: s.Sealer(), Apps: apps, Issuer: issuer})
	if err != nil {
		t.Fatal(err)
	}
	meter, err := quota.New(quota.Config{Source: s})
	if err != nil {
		t.Fatal(err)
	}
	defer meter.Close()
	g, err := gateway.New(gateway.Config{Endpoints: oauthv4.Endpoints(oauthv4.Config{Service: service, Issuer: issuer}),
		Tokens: service, Apps: apps, Meter: meter, Store: s, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	assertion := func(by *ecdsa.PrivateKey) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: by}, nil)
		if err != nil {
			t.Fatal(err)
		}
		claims, err := json.Marshal(map[string]any{"iss": "bank", "sub": "bank", "aud": issuer, "jti": rand.Text(), "exp": time.Now().Add(time.Minute).Unix()})
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign(claims)
		if err != nil {
			t.Fatal(err)
		}
		text, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	post := func(path, assertion string, more ...string) int {
		form := url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion}}
		for i := 0; i+1 < len(more); i += 2 {
			form.Set(more[i], more[i+1])
		}
		r := httptest.NewRequestWithContext(ctx, "POST", path, bytes.NewBufferString(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return w.Code
	}
	revoke := func(assertion, token string) int { return post("/oauth/v4/revoke", assertion, "token", token) }
	issue := func(assertion string) int {
		return post("/oauth/v4/token", assertion, "grant_type", "client_credentials", "scope", "SMS")
	}
	live := func(token string) bool {
		_, err := service.Check(context.Background(), oauth.Presented{Token: token})
		if err != nil && !errors.Is(err, fault.BadToken) {
			t.Fatal(err)
		}
		return err == nil
	}
	out, err := service.ClientCredentials(ctx, bank, "SMS", [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	spare, err := service.ClientCredentials(ctx, bank, "SMS", [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	if noted := assertion(key); revoke(noted, "nothing") != 200 || revoke(noted, "nothing") != 401 {
		t.Error("with room an assertion is not taken once")
	}

	bound(t, s, 0)
	text := strings.Repeat("x", 2000)
	for range 1000 {
		if _, err := accept(ctx, s, text); err != nil {
			break
		}
	}
	if s.Writable() == nil {
		t.Fatal("the disk is not full")
	}
	if got := issue(assertion(key)); got != 503 {
		t.Errorf("a token on a full disk: %d", got)
	}
	if got := revoke(assertion(stranger), out.Access); got != 401 || !live(out.Access) {
		t.Errorf("revoke, by a stranger's key: %d", got)
	}
	unnoted := assertion(key)
	if got := revoke(unnoted, out.Access); got != 200 || live(out.Access) || !live(spare.Access) {
		t.Errorf("revoke: %d, and the token is live: %v", got, live(out.Access))
	}

	bound(t, s, 1<<30)
	eventually(t, "the store accepts again", func() bool { return s.Writable() == nil })
	if live(out.Access) {
		t.Error("the token is back")
	}
	if noted := assertion(key); revoke(noted, spare.Access) != 200 || revoke(noted, spare.Access) != 401 || live(spare.Access) {
		t.Error("with room again an assertion is not taken once")
	}
}
