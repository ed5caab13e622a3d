package oauth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"longlines/app"
	"longlines/fault"
	"longlines/id"
	"longlines/oauth"
)

// shops are two apps, one of them public.
func (w *world) shops(t testing.TB) (shop, kiosk *app.App) {
	t.Helper()
	ctx := context.Background()
	var err error
	if shop, _, err = w.apps.Create(ctx, app.App{Name: "shop", Key: "shop", RedirectURI: "https://shop.example/cb", Scopes: []app.Scope{"IMMN", "SMS"}}, ""); err != nil {
		t.Fatal(err)
	}
	if kiosk, _, err = w.apps.Create(ctx, app.App{Name: "kiosk", Key: "kiosk", Auth: app.AuthNone, RedirectURI: "https://kiosk.example/cb", Scopes: []app.Scope{"IMMN"}}, ""); err != nil {
		t.Fatal(err)
	}
	return shop, kiosk
}

func TestPushedRequests(t *testing.T) {
	w := open(t, 0)
	s := server(t, w)
	ctx := context.Background()
	shop, kiosk := w.shops(t)
	uri, err := s.Push(ctx, shop, url.Values{"scope": {"IMMN"}, "state": {"s p&x=y"}, "client_secret": {"shop-secret"}, "client_assertion": {"a.b.c"}})
	if err != nil || !strings.HasPrefix(uri, "urn:ietf:params:oauth:request_uri:") || len(uri) != 34+64 {
		t.Fatalf("%q %v", uri, err)
	}
	at := func(key, uri string, more ...string) (oauth.Request, error) {
		q := url.Values{"client_id": {key}, "request_uri": {uri}}
		for i := 0; i+1 < len(more); i += 2 {
			q.Set(more[i], more[i+1])
		}
		return s.Authorize(ctx, q)
	}
	t.Run("the uri stands for the request, also when the page is loaded again", func(t *testing.T) {
		for range 2 {
			r, err := at("shop", uri)
			if err != nil || r.App.ID != shop.ID || r.State != "s p&x=y" || app.JoinScopes(r.Scopes) != "IMMN" {
				t.Fatalf("%+v %v", r, err)
			}
		}
	})
	t.Run("what stands beside the uri does not count", func(t *testing.T) {
		if r, err := at("shop", uri, "scope", "SMS", "state", "other"); err != nil || app.JoinScopes(r.Scopes) != "IMMN" || r.State != "s p&x=y" {
			t.Fatalf("%+v %v", r, err)
		}
	})
	t.Run("a public app pushes with its challenge", func(t *testing.T) {
		q := url.Values{"client_id": {"kiosk"}, "scope": {"IMMN"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}
		uri, err := s.Push(ctx, kiosk, q)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := at("kiosk", uri); err != nil || r.Challenge != challenge {
			t.Fatalf("%+v %v", r, err)
		}
	})
	for name, bad := range map[string]struct{ key, uri string }{
		"another app's":           {"kiosk", uri},
		"one that was never made": {"shop", uri[:len(uri)-4] + "AAAA"},
		"another urn":             {"shop", "urn:example:" + uri[34:]},
		"an address":              {"shop", "https://shop.example/request.jwt"},
		"the prefix alone":        {"shop", uri[:34]},
	} {
		t.Run("not taken: "+name, func(t *testing.T) {
			_, err := at(bad.key, bad.uri)
			var r *oauth.Redirected
			if !errors.Is(err, fault.RequestURIInvalid) || errors.As(err, &r) {
				t.Fatal(err)
			}
		})
	}
	t.Run("its life is a minute and a half", func(t *testing.T) {
		w.clock.add(oauth.PushedLife - time.Second)
		if _, err := at("shop", uri); err != nil {
			t.Fatal(err)
		}
		w.clock.add(2 * time.Second)
		if _, err := at("shop", uri); !errors.Is(err, fault.RequestURIInvalid) {
			t.Fatal(err)
		}
	})
	pkce := []string{"code_challenge", challenge, "code_challenge_method", "plain"}
	for name, bad := range map[string]struct {
		of     *app.App
		params []string
		want   *fault.Fault
	}{
		"no scope":                          {shop, nil, fault.RedirectScopeInvalid},
		"an unknown scope":                  {shop, []string{"scope", "NOTHING"}, fault.RedirectScopeInvalid},
		"none of the scopes on its account": {shop, []string{"scope", "MMS"}, fault.ClientNotEnabled},
		"another response type":             {shop, []string{"scope", "IMMN", "response_type", "token"}, fault.ResponseType},
		"plain":                             {shop, append([]string{"scope", "IMMN"}, pkce...), fault.RedirectRequest},
		"a public app without a challenge":  {kiosk, []string{"scope", "IMMN"}, fault.RedirectRequest},
		"a redirect that is not its own":    {shop, []string{"scope", "IMMN", "redirect_uri", "https://evil.example/cb"}, fault.RedirectMismatch},
		"a redirect of another scheme":      {shop, []string{"scope", "IMMN", "redirect_uri", "javascript:alert(1)"}, fault.RedirectScheme},
		"a request_uri":                     {shop, []string{"scope", "IMMN", "request_uri", uri}, fault.OAuthRequest},
		"a scope that is there twice":       {shop, []string{"scope", "IMMN", "scope", "IMMN"}, fault.RedirectRequest},
	} {
		t.Run("not kept: "+name, func(t *testing.T) {
			q := url.Values{}
			for i := 0; i+1 < len(bad.params); i += 2 {
				q.Add(bad.params[i], bad.params[i+1])
			}
			uri, err := s.Push(ctx, bad.of, q)
			var r *oauth.Redirected
			if uri != "" || !errors.Is(err, bad.want) || errors.As(err, &r) {
				t.Fatalf("%q %v", uri, err)
			}
			if f := fault.From(err); f.Status != 400 && f.Status != 401 || bad.want.Status == 302 && f.Status != 400 {
				t.Fatalf("status %d", f.Status)
			}
		})
	}
	t.Run("no value of the table has changed", func(t *testing.T) {
		if fault.RedirectRequest.Status != 302 || fault.RedirectScopeInvalid.Status != 302 {
			t.Fatal("it has")
		}
	})
	t.Run("nothing is kept but the request, in whatever letters the client wrote the rest", func(t *testing.T) {
		uri, err := s.Push(ctx, shop, url.Values{"scope": {"IMMN"}, "Client_Secret": {"shop-secret"}, "CLIENT_ASSERTION": {"a.b.c"}, "x": {"y"}})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := base64.RawURLEncoding.DecodeString(uri[34:])
		if err != nil {
			t.Fatal(err)
		}
		n, err := w.store.Sealer().Open(id.Public(raw[:16]))
		if err != nil {
			t.Fatal(err)
		}
		if p, ok, err := w.store.Pushed(ctx, n); !ok || err != nil || p.Params != "client_id=shop&scope=IMMN" {
			t.Fatalf("%q %v %v", p.Params, ok, err)
		}
	})
	t.Run("a client_id in the body is that of who pushes", func(t *testing.T) {
		uri, err := s.Push(ctx, shop, url.Values{"client_id": {"kiosk"}, "scope": {"IMMN"}})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := at("shop", uri); err != nil || r.App.ID != shop.ID {
			t.Fatalf("%+v %v", r, err)
		}
		if _, err := at("kiosk", uri); !errors.Is(err, fault.RequestURIInvalid) {
			t.Fatal(err)
		}
	})
}
