package oauth_test

import (
	"context"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"longlines/app"
	"longlines/fault"
	"longlines/oauth"
)

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 Appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// Apps beside pizza: a public one, one of production, and one that has registered no redirect URI.
func (w *world) addApps(t testing.TB) {
	t.Helper()
	for _, a := range []app.App{
		{Name: "native", Key: "native", Auth: app.AuthNone, RedirectURI: "http://127.0.0.1/cb", Scopes: []app.Scope{"IMMN", "MIM", "SMS"}},
		{Name: "live", Key: "live", Level: app.LevelProduction, RedirectURI: "https://live.example/cb", Scopes: []app.Scope{"IMMN", "MIM"}},
		{Name: "bare", Key: "bare", Scopes: []app.Scope{"IMMN"}},
		{Name: "gone", Key: "gone", RedirectURI: "https://gone.example/cb", Scopes: []app.Scope{"IMMN"}},
		{Name: "bound", Key: "bound", RedirectURI: "https://bound.example/cb", DPoP: true, Scopes: []app.Scope{"IMMN", "SMS"}},
	} {
		if _, _, err := w.apps.Create(context.Background(), a, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.apps.Delete(context.Background(), w.apps.ByKey("gone").ID); err != nil {
		t.Fatal(err)
	}
}

func query(t testing.TB, s string) url.Values {
	t.Helper()
	q, err := url.ParseQuery(s)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestAuthorizeRefuses(t *testing.T) {
	w := open(t, 0)
	w.addApps(t)
	long := func(n int) string { return strings.Repeat("a", n) }
	const pizza = "client_id=pizza&scope=IMMN"
	for _, c := range []struct {
		name, query string
		want        *fault.Fault // with its description, if it says more than the row
		redirect    string       // what the Location begins with; "": a body
	}{
		{"no client_id", "scope=IMMN", fault.ClientIDMissing, ""},
		{"an empty client_id", "client_id=&scope=IMMN", fault.ClientIDMissing, ""},
		{"two client_ids", "client_id=pizza&client_id=pizza&scope=IMMN", fault.OAuthRequest.Describe("client_id repeated"), ""},
		{"an unknown app", "client_id=nobody&scope=IMMN", fault.ClientUnknown, ""},
		{"an unknown app with a bad redirect is unknown first", "client_id=nobody&redirect_uri=x", fault.ClientUnknown, ""},
		{"a deleted app", "client_id=gone&scope=IMMN", fault.ClientDeleted, ""},
		{"a redirect of another scheme", pizza + "&redirect_uri=ftp://pizza.example/cb", fault.RedirectScheme, ""},
		{"a redirect of script", pizza + "&redirect_uri=javascript:alert(1)", fault.RedirectScheme, ""},
		{"a redirect without a scheme", pizza + "&redirect_uri=/cb", fault.RedirectScheme, ""},
		{"a redirect elsewhere", pizza + "&redirect_uri=https://evil.example/cb", fault.RedirectMismatch, ""},
		{"two redirects", pizza + "&redirect_uri=https://pizza.example/cb&redirect_uri=https://evil.example/", fault.OAuthRequest.Describe("redirect_uri repeated"), ""},
		{"no redirect, asked for or registered", "client_id=bare&scope=IMMN", fault.RedirectMismatch, ""},
		{"a redirect of an app that has registered none", "client_id=bare&scope=IMMN&redirect_uri=https://evil.example/", fault.RedirectMismatch, ""},
		{"a public app's redirect that is not its own to the byte", "client_id=native&scope=IMMN&redirect_uri=http://127.0.0.1/cb/x", fault.RedirectMismatch, ""},
		{"a request_uri that was never given", pizza + "&request_uri=urn:x", fault.RequestURIInvalid, ""},
		{"a bad redirect comes before everything behind it", "client_id=pizza&redirect_uri=https://evil.example/&response_type=token", fault.RedirectMismatch, ""},
		{"scopes of which the account has none", "client_id=pizza&scope=TL,DC", fault.ClientNotEnabled, ""},

		{"two states", pizza + "&state=a&state=b", fault.RedirectRequest.Describe("state repeated"), "https://pizza.example/cb?error=invalid_request&error_description=state%20repeated"},
		{"a state that is too long", pizza + "&state=" + long(2049), fault.RedirectRequest.Describe("state too long"), "https://pizza.example/cb?error=invalid_request&error_description=state%20too%20long"},
		{"a line end in state", pizza + "&state=a%0d%0aSet-Cookie:b", fault.RedirectRequest.Describe("state not valid"), "https://pizza.example/cb?error=invalid_request&error_description=state%20not%20valid"},
		{"a state that is no UTF-8", pizza + "&state=%ff", fault.RedirectRequest.Describe("state not valid"), "https://pizza.example/cb?error="},
		{"two scopes, and the state comes back", pizza + "&scope=MIM&state=s", fault.RedirectRequest.Describe("scope repeated"), "https://pizza.example/cb?error=invalid_request&error_description=scope%20repeated&state=s&iss=https%3A%2F%2Fapi.example"},
		{"a scope that is too long", "client_id=pizza&scope=IMMN," + long(1024), fault.RedirectRequest.Describe("scope too long"), "https://pizza.example/cb?error="},
		{"a custom_param that is too long", pizza + "&custom_param=" + long(513), fault.RedirectRequest.Describe("custom_param too long"), "https://pizza.example/cb?error="},
		{"two response_types", pizza + "&response_type=code&response_type=code", fault.RedirectRequest.Describe("response_type repeated"), "https://pizza.example/cb?error="},
		{"a response_type that is not code", pizza + "&response_type=token", fault.ResponseType, "https://pizza.example/cb?error=unsupported_response_type&error_description="},
		{"code in other letters", pizza + "&response_type=Code", fault.ResponseType, "https://pizza.example/cb?error="},
		{"no scope", "client_id=pizza", fault.RedirectScopeInvalid.Describe("scope missing"), "https://pizza.example/cb?error=invalid_scope&error_description=scope%20missing"},
		{"an empty scope", "client_id=pizza&scope=", fault.RedirectScopeInvalid.Describe("scope missing"), "https://pizza.example/cb?error="},
		{"an unknown scope", "client_id=pizza&scope=IMMN,NOTHING", fault.RedirectScopeInvalid, "https://pizza.example/cb?error=invalid_scope&error_description=scope%20not%20valid"},
		{"a scope that is not on the account beside one that is", "client_id=pizza&scope=IMMN,TL", fault.RedirectScopeInvalid, "https://pizza.example/cb?error="},
		{"a challenge that is plain by leaving the method out", pizza + "&code_challenge=" + challenge, fault.RedirectRequest.Describe("code_challenge_method not S256"), "https://pizza.example/cb?error="},
		{"a plain challenge", pizza + "&code_challenge_method=plain&code_challenge=" + challenge, fault.RedirectRequest.Describe("code_challenge_method not S256"), "https://pizza.example/cb?error="},
		{"a method in other letters", pizza + "&code_challenge_method=s256&code_challenge=" + challenge, fault.RedirectRequest.Describe("code_challenge_method not S256"), "https://pizza.example/cb?error="},
		{"a challenge that is too short", pizza + "&code_challenge_method=S256&code_challenge=" + challenge[:42], fault.RedirectRequest.Describe("code_challenge not valid"), "https://pizza.example/cb?error="},
		{"a challenge with a character of base64", pizza + "&code_challenge_method=S256&code_challenge=%2b" + challenge[1:], fault.RedirectRequest.Describe("code_challenge not valid"), "https://pizza.example/cb?error="},
		{"a challenge that no digest is spelled as", pizza + "&code_challenge_method=S256&code_challenge=" + challenge[:42] + "N", fault.RedirectRequest.Describe("code_challenge not valid"), "https://pizza.example/cb?error="},
		{"two challenges", pizza + "&code_challenge_method=S256&code_challenge=" + challenge + "&code_challenge=" + challenge, fault.RedirectRequest.Describe("code_challenge repeated"), "https://pizza.example/cb?error="},
		{"a method without a challenge", pizza + "&code_challenge_method=S256", fault.RedirectRequest.Describe("code_challenge missing"), "https://pizza.example/cb?error="},
		{"a public app without a challenge", "client_id=native&scope=IMMN&redirect_uri=http://127.0.0.1:7000/cb", fault.RedirectRequest.Describe("code_challenge missing"), "http://127.0.0.1:7000/cb?error="},
		{"a thumbprint that is none", pizza + "&dpop_jkt=abc", fault.RedirectRequest.Describe("dpop_jkt not valid"), "https://pizza.example/cb?error="},
		{"the redirect that was asked for carries the refusal", pizza + "&redirect_uri=https://pizza.example/cb/x?y=z&response_type=no", fault.ResponseType, "https://pizza.example/cb/x?y=z&error=unsupported_response_type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.Authorize(context.Background(), query(t, c.query))
			got := fault.From(err)
			if got == nil || !got.Is(c.want) || got.Description != c.want.Description {
				t.Fatalf("got %v", err)
			}
			var r *oauth.Redirected
			if errors.As(err, &r) != (c.redirect != "") || r != nil && !strings.HasPrefix(r.To, c.redirect) {
				t.Fatalf("redirected to %+v", r)
			}
		})
	}
}

func TestAuthorizeAccepts(t *testing.T) {
	w := open(t, 0)
	w.addApps(t)
	for _, c := range []struct {
		name, query string
		want        oauth.Request
	}{
		{"as the published kits send it", "client_id=pizza&scope=IMMN%2CMMS&redirect_uri=https%3A%2F%2Fpizza.example%2Fcb",
			oauth.Request{Redirect: "https://pizza.example/cb", Given: true, Scopes: []app.Scope{"IMMN", "MMS"}}},
		{"without a redirect", "client_id=pizza&scope=IMMN", oauth.Request{Redirect: "https://pizza.example/cb", Scopes: []app.Scope{"IMMN"}}},
		{"with empty values, which count as absent", "client_id=pizza&scope=IMMN&state=&redirect_uri=&response_type=&code_challenge=&code_challenge_method=&dpop_jkt=&custom_param=&request_uri=",
			oauth.Request{Redirect: "https://pizza.example/cb", Scopes: []app.Scope{"IMMN"}}},
		{"with scopes separated by blanks", "client_id=pizza&scope=IMMN+SMS", oauth.Request{Redirect: "https://pizza.example/cb", Scopes: []app.Scope{"IMMN", "SMS"}}},
		{"scopes that need no person alone", "client_id=pizza&scope=SMS", oauth.Request{Redirect: "https://pizza.example/cb", Scopes: []app.Scope{"SMS"}}},
		{"the same scope twice", "client_id=pizza&scope=IMMN,IMMN", oauth.Request{Redirect: "https://pizza.example/cb", Scopes: []app.Scope{"IMMN"}}},
		{"both of custom_param, with the blank of the Unity SDK", "client_id=pizza&scope=IMMN&custom_param=bypass_onnetwork_auth,+suppress_landing_page+",
			oauth.Request{Redirect: "https://pizza.example/cb", Scopes: []app.Scope{"IMMN"}, BypassOnNetwork: true, SuppressLanding: true}},
		{"one of custom_param, among what is unknown", "client_id=pizza&scope=IMMN&custom_param=x,suppress_landing_page,,y",
			oauth.Request{Redirect: "https://pizza.example/cb", Scopes: []app.Scope{"IMMN"}, SuppressLanding: true}},
		{"unknown parameters, even twice and long", "client_id=pizza&scope=IMMN&x=1&x=2&nonce=" + strings.Repeat("n", 4000),
			oauth.Request{Redirect: "https://pizza.example/cb", Scopes: []app.Scope{"IMMN"}}},
		{"a state of 2,048 characters", "client_id=pizza&scope=IMMN&state=" + strings.Repeat("s", 2048),
			oauth.Request{Redirect: "https://pizza.example/cb", Scopes: []app.Scope{"IMMN"}, State: strings.Repeat("s", 2048)}},
		{"a public app with a challenge", "client_id=native&scope=MIM&response_type=code&redirect_uri=http://127.0.0.1:53211/cb&code_challenge_method=S256&code_challenge=" + challenge,
			oauth.Request{Redirect: "http://127.0.0.1:53211/cb", Given: true, Scopes: []app.Scope{"MIM"}, Challenge: challenge}},
		{"a key", "client_id=pizza&scope=IMMN&dpop_jkt=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
			oauth.Request{Redirect: "https://pizza.example/cb", Scopes: []app.Scope{"IMMN"}, Key: [32]byte{1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := query(t, c.query)
			got, err := w.Authorize(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			c.want.App = w.apps.ByKey(q.Get("client_id"))
			if !reflect.DeepEqual(got, c.want) {
				t.Fatalf("got %+v", got)
			}
			again, err := w.Authorize(context.Background(), got.Query())
			if err != nil || !reflect.DeepEqual(again, got) {
				t.Fatalf("its own query gives %+v, %v", again, err)
			}
		})
	}
	t.Run("what was pushed, and nothing beside it", func(t *testing.T) {
		uri, err := w.Push(context.Background(), w.pizza, query(t, "scope=IMMN&state=pushed"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.Authorize(context.Background(), url.Values{"client_id": {"pizza"}, "request_uri": {uri}, "state": {"mine"}, "scope": {"SMS"}})
		if err != nil || got.State != "pushed" || app.JoinScopes(got.Scopes) != "IMMN" {
			t.Fatalf("%+v %v", got, err)
		}
		if _, err := w.Authorize(context.Background(), url.Values{"client_id": {"live"}, "request_uri": {uri}}); !errors.Is(err, fault.RequestURIInvalid) {
			t.Fatalf("another app's: %v", err)
		}
		// The page may be open for longer than the pushed request lives.
		w.clock.add(oauth.PushedLife)
		if again, err := w.Authorize(context.Background(), got.Query()); err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("%+v %v", again, err)
		}
	})
}

// FuzzAuthorize: whatever is asked, it is accepted, and its own query means the same, or refused with a
// fault; and no refusal is told to anybody but the app.
func FuzzAuthorize(f *testing.F) {
	w := open(f, 0)
	w.addApps(f)
	f.Add("client_id=pizza&scope=IMMN,MIM&redirect_uri=https://pizza.example/cb&state=a%0d%0a")
	f.Add("client_id=native&scope=MIM&code_challenge_method=S256&code_challenge=" + challenge)
	f.Add("client_id=pizza&scope=IMMN&custom_param=bypass_onnetwork_auth,%20suppress_landing_page&dpop_jkt=" + challenge)
	f.Add("client_id=pizza&scope=IMMN&state=a&state=b;c")
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		r, err := w.Authorize(context.Background(), q)
		var to *oauth.Redirected
		var refusal *fault.Fault
		switch {
		case err == nil:
			again, err := w.Authorize(context.Background(), r.Query())
			if err != nil || !reflect.DeepEqual(again, r) {
				t.Fatalf("%+v became %+v, %v", r, again, err)
			}
		case errors.As(err, &to):
			if !strings.HasPrefix(to.To, r.App.RedirectURI[:len("http://127.0.0.1")]) || strings.ContainsAny(to.To, "\r\n\x00 ") {
				t.Fatalf("redirected to %q", to.To)
			}
		case !errors.As(err, &refusal):
			t.Fatal(err)
		}
	})
}
