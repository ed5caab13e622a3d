package oauthv4_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"longlines/api/oauthv4"
	"longlines/app"
	"longlines/fault"
	"longlines/gateway"
	"longlines/id"
	"longlines/oauth"
	"longlines/quota"
	"longlines/store"
	wiretest "longlines/test/wire"
	"longlines/timeline"
	"longlines/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is the API listener with its real store, on a port of its own.
type site struct {
	store  *store.Store
	apps   *app.Directory
	tokens *oauth.Service
	feed   *timeline.Feed
	log    *bytes.Buffer
	issued map[string]int
	url    string
	client *http.Client
}

func open(t testing.TB, lim gateway.Limits) *site {
	t.Helper()
	ctx := context.Background()
	s := &site{feed: timeline.New(100, time.Now), log: &bytes.Buffer{}, issued: map[string]int{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + l.Addr().String()
	if s.store, err = store.Open(ctx, store.Config{Ephemeral: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.store.Close(context.Background()) })
	if s.apps, err = app.NewDirectory(ctx, s.store, app.Config{}); err != nil {
		t.Fatal(err)
	}
	if s.tokens, err = oauth.New(oauth.Config{Store: s.store, Sealer: s.store.Sealer(), Apps: s.apps, Issuer: s.url}); err != nil {
		t.Fatal(err)
	}
	s.store.Watch("token", func(ref int64) { s.tokens.Revoked(id.Number(ref)) })
	meter, err := quota.New(quota.Config{Source: s.store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(meter.Close)
	var mu sync.Mutex
	rows := oauthv4.Endpoints(oauthv4.Config{Service: s.tokens, Issuer: s.url, Issued: func(grant string) {
		mu.Lock()
		s.issued[grant]++
		mu.Unlock()
	}})
	rows = append(rows,
		gateway.Endpoint{Method: "POST", Path: "/oauth/v4/broken", API: "OAuth", Operation: "Broken", Dialect: wire.DialectOAuth,
			Handle: func(*gateway.Call) (gateway.Reply, error) { panic("out of order") }},
		gateway.Endpoint{Method: "POST", Path: "/oauth/v4/slow", API: "OAuth", Operation: "Slow", Dialect: wire.DialectOAuth,
			Handle: func(c *gateway.Call) (gateway.Reply, error) {
				<-c.Context().Done()
				return gateway.Reply{}, c.Context().Err()
			}},
		gateway.Endpoint{Method: "GET", Path: "/test/v1/ping", API: "Test", Operation: "Ping", Scope: "SMS",
			Handle: func(*gateway.Call) (gateway.Reply, error) { return gateway.Reply{}, nil }},
	)
	g, err := gateway.New(gateway.Config{
		Endpoints: rows, Tokens: s.tokens, Apps: s.apps, Meter: meter, Store: s.store, Timeline: s.feed, Limits: lim,
		Log: slog.New(slog.NewTextHandler(&lockedWriter{w: s.log}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := g.Server()
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	s.client = &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		srv.Close()
		<-done
	})
	if _, _, err := s.apps.Create(ctx, app.App{Name: "test", Key: "appkey",
		RedirectURI: "https://app.example/cb",
		Scopes:      []app.Scope{"SMS", "IMMN", "WEBRTC", "WEBRTCMOBILE", "EMERGENCYSERVICES"}}, "appsecret"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.apps.Create(ctx, app.App{Name: "phone", Key: "phone", Auth: app.AuthNone, RedirectURI: "https://phone.example/cb",
		Scopes: []app.Scope{"SMS", "IMMN"}}, ""); err != nil {
		t.Fatal(err)
	}
	return s
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// do sends a form and reads the answer.
func (s *site) do(t *testing.T, method, path, form string, header ...string) (*http.Response, map[string]any) {
	t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if len(b) > 0 {
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatalf("%s %s: %v: %s", method, path, err, b)
		}
	}
	return res, m
}

const (
	creds = "client_id=appkey&client_secret=appsecret"
	good  = creds + "&grant_type=client_credentials&scope=SMS"
)

// TestEveryCondition provokes every row of the catalogue that is due here, over HTTP.
func TestEveryCondition(t *testing.T) {
	s := open(t, gateway.Limits{})
	slow := open(t, gateway.Limits{Handler: time.Millisecond})
	shut := open(t, gateway.Limits{})
	ctx := context.Background()
	if err := shut.store.Close(ctx); err != nil {
		t.Fatal(err)
	}
	gone, secret, err := s.apps.Create(ctx, app.App{Name: "gone", Key: "gone", Scopes: []app.Scope{"SMS"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.apps.Delete(ctx, gone.ID); err != nil {
		t.Fatal(err)
	}
	type ask struct {
		site       *site
		path, form string
		header     []string
	}
	const token, revoke, introspect, par = "/oauth/v4/token", "/oauth/v4/revoke", "/oauth/v4/introspect", "/oauth/v4/par"
	const phone = "client_id=phone"
	asks := map[*fault.Fault][]ask{
		fault.ClientUnknown: {
			{s, token, "client_id=nobody&client_secret=x&grant_type=client_credentials&scope=SMS", nil},
			{s, revoke, "client_id=nobody&client_secret=x&token=t", nil},
			{s, introspect, "client_id=nobody&client_secret=x&token=t", nil},
			{s, par, "client_id=nobody&client_secret=x&scope=SMS", nil},
		},
		fault.ClientDeleted: {
			{s, token, "client_id=gone&client_secret=" + secret + "&grant_type=client_credentials&scope=SMS", nil},
			{s, revoke, "client_id=gone&client_secret=" + secret + "&token=t", nil},
			{s, introspect, "client_id=gone&client_secret=" + secret + "&token=t", nil},
			{s, par, "client_id=gone&client_secret=" + secret + "&scope=SMS", nil},
		},
		fault.ClientNotEnabled: {{s, token, creds + "&grant_type=client_credentials&scope=TTS,PAYMENT", nil}, {s, par, creds + "&scope=TTS", nil}},
		fault.ClientSecretWrong: {
			{s, token, strings.Replace(good, "appsecret", "wrongone", 1), nil},
			{s, token, strings.Replace(good, "&client_secret=appsecret", "", 1), nil},
			{s, revoke, "client_id=appkey&client_secret=wrong&token=t", nil},
			{s, introspect, "client_id=appkey&client_secret=wrong&token=t", nil},
			{s, introspect, "client_id=appkey&token=t", nil},
			{s, par, "client_id=appkey&scope=SMS", nil},
			{s, token, "client_id=phone&client_secret=x&grant_type=refresh_token&refresh_token=r", nil},
			{s, token, "client_assertion=a.b.c&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&grant_type=refresh_token&refresh_token=r", nil},
		},
		fault.CodeMissing:          {{s, token, creds + "&grant_type=authorization_code", nil}, {s, token, creds + "&grant_type=authorization_code&code=", nil}},
		fault.GrantTypeMissing:     {{s, token, creds + "&scope=SMS", nil}},
		fault.GrantTypeUnsupported: {{s, token, creds + "&grant_type=password&scope=SMS", nil}, {s, token, creds + "&grant_type=Client_Credentials&scope=SMS", nil}},
		fault.InvalidGrant: {
			{s, token, creds + "&grant_type=refresh_token&refresh_token=nonsense", nil},
			{s, token, creds + "&grant_type=authorization_code&code=thecode", nil},
			{s, token, phone + "&grant_type=authorization_code&code=thecode&code_verifier=" + verifier, nil},
		},
		fault.ClientIDMissing: {
			{s, token, "client_secret=appsecret&grant_type=client_credentials&scope=SMS", nil},
			{s, token, "", nil},
			{s, revoke, "token=t", nil},
			{s, introspect, "token=t", nil},
			{s, par, "scope=SMS", nil},
		},
		fault.TokenMissing:        {{s, revoke, creds, nil}, {s, revoke, creds + "&token=", nil}, {s, introspect, creds, nil}},
		fault.RefreshTokenMissing: {{s, token, creds + "&grant_type=refresh_token", nil}},
		fault.OAuthRequest: {
			{s, token, `{"grant_type":"client_credentials"}`, []string{"Content-Type", "application/json"}},
			{s, token, good + "&pad=" + strings.Repeat("x", 17<<10), nil},
			{s, "/oauth/v4/nowhere", good, nil},
			{s, token, good, []string{"Content-Encoding", "gzip"}},
			{s, par, creds + "&scope=SMS&request_uri=urn:x", nil},
			{s, token, good + "&client_id=other", nil},
			{s, token, creds + "&client_assertion=a.b.c&client_assertion_type=jwt&grant_type=refresh_token&refresh_token=r", nil},
		},
		fault.ScopeMissing: {{s, token, creds + "&grant_type=client_credentials", nil}, {s, token, creds + "&grant_type=client_credentials&scope=,", nil}},
		fault.ScopeInvalid: {
			{s, token, creds + "&grant_type=client_credentials&scope=NOTHING", nil},
			{s, token, creds + "&grant_type=client_credentials&scope=SMS,TTS", nil},
			{s, token, creds + "&grant_type=client_credentials&scope=IMMN", nil},
			{s, token, creds + "&grant_type=client_credentials&scope=SMS,IMMN", nil},
		},
		fault.TokenTypeUnsupported: {{s, revoke, creds + "&token=t&token_type_hint=id_token", nil}},
		fault.OAuthNoAnswer:        {{slow, "/oauth/v4/slow", good, nil}},
		fault.OAuthInternal:        {{s, "/oauth/v4/broken", good, nil}},
		fault.OAuthUnavailable:     {{shut, token, good, nil}, {shut, par, creds + "&scope=SMS", nil}},
	}
	// What is due at authorize, and comes from the paths of apps too.
	also := map[*fault.Fault][]ask{
		fault.ClientUnauthorized: {{s, token, phone + "&grant_type=client_credentials&scope=SMS", nil}, {s, introspect, phone + "&token=t", nil}},
		fault.ProofInvalid: {
			{s, token, good, []string{"DPoP", "a.b.c"}},
			{s, token, good, []string{"DPoP", ""}},
			{s, par, creds + "&scope=SMS", []string{"DPoP", "a.b.c"}},
		},
		fault.RedirectScheme:   {{s, par, creds + "&scope=SMS&redirect_uri=ftp://app.example/cb", nil}},
		fault.RedirectMismatch: {{s, par, creds + "&scope=SMS&redirect_uri=https://evil.example/cb", nil}},
		fault.ResponseType:     {{s, par, creds + "&scope=SMS&response_type=token", nil}},
		fault.RedirectRequest: {
			{s, par, phone + "&scope=SMS", nil},
			{s, par, creds + "&scope=SMS&scope=MMS", nil},
			{s, par, creds + "&scope=SMS&code_challenge=" + verifier, nil},
		},
		fault.RedirectScopeInvalid: {{s, par, creds, nil}, {s, par, creds + "&scope=NOTHING", nil}, {s, par, creds + "&scope=SMS,TTS", nil}},
	}
	maps.Copy(asks, also)
	// These say more than the row does.
	described := []*fault.Fault{fault.OAuthRequest, fault.ProofInvalid, fault.RedirectRequest, fault.RedirectScopeInvalid}
	statusOf := map[string]int{"/oauth/v4/nowhere": 404}
	for _, row := range fault.All() {
		if row.DueIn != fault.DueOAuthToken && row.DueIn != fault.DueOAuthRevoke && also[row.Fault] == nil {
			continue
		}
		list := asks[row.Fault]
		if len(list) == 0 {
			t.Errorf("%s#%s is provoked by nothing", row.Code, row.Case)
		}
		for _, a := range list {
			t.Run(row.Code+"#"+row.Case+" "+a.path, func(t *testing.T) {
				res, m := a.site.do(t, "POST", a.path, a.form, a.header...)
				want := row.Status
				switch {
				case row.Fault == fault.OAuthRequest && statusOf[a.path] != 0:
					want = statusOf[a.path]
				case row.Fault == fault.OAuthRequest && len(a.header) > 0:
					want = 415
				case row.Fault == fault.OAuthRequest && len(a.form) > 16<<10:
					want = 413
				case row.Status == http.StatusFound: // there is no redirect here
					want = 400
				}
				if res.StatusCode != want || m["error"] != row.Code || len(m) != 2 {
					t.Fatalf("%d %v, want %d %s", res.StatusCode, m, want, row.Code)
				}
				if !slices.Contains(described, row.Fault) && m["error_description"] != row.Description {
					t.Fatalf("description %q, want %q", m["error_description"], row.Description)
				}
				if m["error_description"] == "" {
					t.Fatal("no description")
				}
				if ct := res.Header.Get("Content-Type"); ct != "application/json" {
					t.Fatalf("content type %q", ct)
				}
				if l := res.Header.Get("Link"); l != "<"+a.site.url+"/errors/"+row.Code+"#"+row.Case+`>; rel="describedby"` {
					t.Fatalf("link %q", l)
				}
				if r := res.Header.Get("X-Request-Id"); !strings.HasPrefix(r, "req_") || r != res.Header.Get("x-systemTransactionId") {
					t.Fatalf("request id %q", r)
				}
				if row.RetryAfter > 0 && res.Header.Get("Retry-After") == "" {
					t.Fatal("no Retry-After")
				}
				if res.Header.Get("WWW-Authenticate") != "" {
					t.Fatal("challenged, though HTTP Basic was not used")
				}
			})
		}
	}
}

func TestRecordedRequests(t *testing.T) {
	s := open(t, gateway.Limits{})
	wiretest.Run(t, "../../test/wire/oauthv4", s.url, nil)
	if s.issued["client_credentials"] == 0 || s.issued["refresh_token"] == 0 {
		t.Fatalf("issued %v", s.issued)
	}
}

func TestToken(t *testing.T) {
	s := open(t, gateway.Limits{})
	t.Run("the answer has the published members and no others", func(t *testing.T) {
		res, m := s.do(t, "POST", "/oauth/v4/token", good)
		if res.StatusCode != 200 || m["token_type"] != "bearer" || m["expires_in"] != 172799.0 || m["scope"] != "SMS" || len(m) != 5 {
			t.Fatalf("%d %v", res.StatusCode, m)
		}
		if res.Header.Get("Cache-Control") != "no-store" || res.ContentLength <= 0 {
			t.Fatalf("headers %v", res.Header)
		}
	})
	t.Run("HTTP Basic is taken, form-encoded", func(t *testing.T) {
		req, _ := http.NewRequest("POST", s.url+"/oauth/v4/token", strings.NewReader("grant_type=client_credentials&scope=SMS"))
		req.SetBasicAuth(url.QueryEscape("appkey"), url.QueryEscape("appsecret"))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		res, err := s.client.Do(req)
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		res.Body.Close()
	})
	t.Run("HTTP Basic is taken as many clients send it, not encoded", func(t *testing.T) {
		for i, secret := range []string{"ab+cd/ef=gh", "ab%41cdefgh", "ab%zzcdefgh", "%2Babcd+%41", "plainsecret"} {
			key := fmt.Sprint("chosen", i)
			if _, _, err := s.apps.Create(context.Background(), app.App{Name: key, Key: key, Scopes: []app.Scope{"SMS"}}, secret); err != nil {
				t.Fatal(err)
			}
			for name, c := range map[string]struct {
				pass, body string
				want       int
			}{
				"raw":                            {secret, "", 200},
				"form-encoded":                   {url.QueryEscape(secret), "", 200},
				"raw, and in the body":           {secret, secret, 200},
				"form-encoded, and in the body":  {url.QueryEscape(secret), secret, 200},
				"encoded twice":                  {url.QueryEscape(url.QueryEscape(secret)), "", 401},
				"another":                        {secret + "%20", "", 401},
				"another, in the body the right": {secret + "%20", secret, 400},
			} {
				if name == "encoded twice" && url.QueryEscape(secret) == secret {
					continue
				}
				form := "grant_type=client_credentials&scope=SMS"
				if c.body != "" {
					form += "&client_secret=" + url.QueryEscape(c.body)
				}
				res, m := s.do(t, "POST", "/oauth/v4/token", form, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(key+":"+c.pass)))
				if res.StatusCode != c.want {
					t.Errorf("%q, %s: %d %v", secret, name, res.StatusCode, m)
				}
			}
		}
	})
	t.Run("wrong HTTP Basic is challenged", func(t *testing.T) {
		res, m := s.do(t, "POST", "/oauth/v4/token", "grant_type=client_credentials&scope=SMS", "Authorization", "Basic YXBwa2V5Ondyb25n")
		if res.StatusCode != 401 || m["error"] != "invalid_client" || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Basic ") {
			t.Fatalf("%d %v %v", res.StatusCode, m, res.Header)
		}
	})
	t.Run("Accept: application/xml is answered in JSON all the same", func(t *testing.T) {
		if res, _ := s.do(t, "POST", "/oauth/v4/token", good, "Accept", "application/xml"); res.StatusCode != 200 {
			t.Fatal(res.StatusCode)
		}
	})
	t.Run("parameters in the query are not taken on the v4 path", func(t *testing.T) {
		if res, m := s.do(t, "POST", "/oauth/v4/token?"+good, ""); res.StatusCode != 400 {
			t.Fatalf("%d %v", res.StatusCode, m)
		}
	})
	t.Run("odd spellings of the path are the path", func(t *testing.T) {
		for _, p := range []string{"/oauth/v4/token/", "//oauth//v4/token", "/oauth/v4/./token", "/oauth/x/../v4/token?"} {
			if res, m := s.do(t, "POST", p, good); res.StatusCode != 200 {
				t.Fatalf("%s: %d %v", p, res.StatusCode, m)
			}
		}
	})
	t.Run("an Idempotency-Key is not looked at: each request gives fresh tokens", func(t *testing.T) {
		_, a := s.do(t, "POST", "/oauth/v4/token", good, "Idempotency-Key", "k")
		res, b := s.do(t, "POST", "/oauth/v4/token", good, "Idempotency-Key", "k")
		if a["access_token"] == b["access_token"] || res.Header.Get("Idempotent-Replayed") != "" {
			t.Fatal("replayed")
		}
	})
}

func TestRevoke(t *testing.T) {
	s := open(t, gateway.Limits{})
	ping := func(token any) int {
		res, _ := s.do(t, "GET", "/test/v1/ping", "", "Authorization", "BEARER "+token.(string))
		return res.StatusCode
	}
	_, m := s.do(t, "POST", "/oauth/v4/token", good)
	access, refresh := m["access_token"], m["refresh_token"]
	if ping(access) != 200 {
		t.Fatal("a fresh token opens nothing")
	}
	res, m := s.do(t, "POST", "/oauth/v4/revoke", creds+"&token="+access.(string)+"&token_type_hint=refresh_token")
	if res.StatusCode != 200 || len(m) != 0 || res.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v", res.StatusCode, m)
	}
	if ping(access) != 401 {
		t.Fatal("a revoked token opens, because the hint was wrong")
	}
	_, m = s.do(t, "POST", "/oauth/v4/token", creds+"&grant_type=refresh_token&refresh_token="+refresh.(string))
	again := m["access_token"]
	if ping(again) != 200 {
		t.Fatal("a refreshed token opens nothing")
	}
	s.do(t, "POST", "/oauth/v4/revoke", creds+"&token="+refresh.(string))
	if ping(again) != 401 {
		t.Fatal("the family outlives its refresh token")
	}
	for _, token := range []string{access.(string), "tokA", "%ff"} {
		if res, m := s.do(t, "POST", "/oauth/v4/revoke", creds+"&token="+token); res.StatusCode != 200 {
			t.Fatalf("a token that is unknown: %d %v", res.StatusCode, m)
		}
	}
}

func TestQuotaOfTokenRequests(t *testing.T) {
	s := open(t, gateway.Limits{})
	a := s.apps.ByKey("appkey")
	if _, err := s.apps.Update(context.Background(), a.ID, func(a *app.App) error {
		a.Quotas = map[string]app.Quota{"OAuth": {PerDay: 2}}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	_, m := s.do(t, "POST", "/oauth/v4/token", good)
	s.do(t, "POST", "/oauth/v4/token", good)
	res, e := s.do(t, "POST", "/oauth/v4/token", good)
	if res.StatusCode != 403 || e["error"] != "invalid_request" || res.Header.Get("Retry-After") == "" {
		t.Fatalf("%d %v", res.StatusCode, e)
	}
	t.Run("who guesses secrets uses up nothing, and revoking is never refused", func(t *testing.T) {
		if res, _ := s.do(t, "POST", "/oauth/v4/token", strings.Replace(good, "appsecret", "wrongone", 1)); res.StatusCode != 401 {
			t.Fatal(res.StatusCode)
		}
		if res, m := s.do(t, "POST", "/oauth/v4/revoke", creds+"&token="+m["access_token"].(string)); res.StatusCode != 200 {
			t.Fatalf("%d %v", res.StatusCode, m)
		}
	})
}

// TestNoSecretLeaks looks for credentials in everything that is kept or shown.
func TestNoSecretLeaks(t *testing.T) {
	s := open(t, gateway.Limits{})
	_, watch := s.feed.Watch(0)
	defer watch.Close()
	_, m := s.do(t, "POST", "/oauth/v4/token", good)
	s.do(t, "GET", "/oauth/token?"+good, "")
	s.do(t, "GET", "/test/v1/ping?access_token="+m["access_token"].(string), "", "Authorization", "Bearer "+m["access_token"].(string))
	s.do(t, "POST", "/oauth/v4/revoke", creds+"&token="+m["refresh_token"].(string))
	s.do(t, "POST", "/oauth/v4/token", strings.Replace(good, "appsecret", "guessed-word", 1))
	s.do(t, "POST", "/oauth/v4/broken", good)
	bank := s.bank(t)
	assertion, proof := bank.assertion(t, "bank", s.url), bank.proof(t, "POST", s.url+"/oauth/v4/token", "")
	code := s.code(t, url.Values{"client_id": {"phone"}, "scope": {"IMMN"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}})
	s.do(t, "POST", "/oauth/v4/token", "client_id=phone&grant_type=authorization_code&code="+code+"&code_verifier="+verifier, "DPoP", proof)
	s.do(t, "POST", "/oauth/v4/token", "client_id=phone&grant_type=authorization_code&code="+code+"&code_verifier=x"+verifier, "DPoP", proof)
	s.do(t, "POST", "/oauth/v4/introspect", assertion+"&token="+m["refresh_token"].(string))
	_, pushed := s.do(t, "POST", "/oauth/v4/par", creds+"&scope=IMMN")
	const calls = 10
	_, assertion, _ = strings.Cut(assertion, "&client_assertion=")
	secrets := []string{"appsecret", "guessed-word", m["access_token"].(string), m["refresh_token"].(string),
		code, verifier, assertion, proof, pushed["request_uri"].(string)}
	var seen strings.Builder
	for range calls {
		e := <-watch.C()
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		seen.Write(b)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		recs, err := s.store.Requests(context.Background(), gateway.RequestFilter{}, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(recs) >= calls {
			b, _ := json.Marshal(recs)
			seen.Write(b)
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d records", len(recs))
		}
	}
	seen.WriteString(s.log.String())
	for _, secret := range secrets {
		if i := strings.Index(seen.String(), secret); i >= 0 {
			t.Errorf("%q is shown: …%s…", secret, seen.String()[max(0, i-80):i+40])
		}
	}
	if !strings.Contains(s.log.String(), "out of order") {
		t.Error("the log does not say why a handler failed")
	}
}

// BenchmarkToken issues tokens over HTTP, each durable before its reply.
func BenchmarkToken(b *testing.B) {
	s := open(b, gateway.Limits{})
	a, secret, err := s.apps.Create(context.Background(), app.App{Name: "bench", Scopes: []app.Scope{"SMS"}}, "")
	if err != nil {
		b.Fatal(err)
	}
	form := "client_id=" + a.Key + "&client_secret=" + secret + "&grant_type=client_credentials&scope=SMS"
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	b.SetParallelism(32)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			res, err := client.Post(s.url+"/oauth/v4/token", "application/x-www-form-urlencoded", strings.NewReader(form))
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if res.StatusCode != 200 {
				b.Error(res.StatusCode)
				return
			}
		}
	})
}
