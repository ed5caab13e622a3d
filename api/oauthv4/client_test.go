package oauthv4_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"longlines/api/oauthv4"
	"longlines/app"
	"longlines/gateway"
	"longlines/id"
	"longlines/oauth"
)

// RFC 7636, appendix B.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// signer has a key of its own.
type signer struct {
	key *ecdsa.PrivateKey
	jkt string
}

func newSigner(t testing.TB) signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := (&jose.JSONWebKey{Key: k.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return signer{k, base64.RawURLEncoding.EncodeToString(sum)}
}

func (s signer) sign(t testing.TB, o *jose.SignerOptions, claims map[string]any) string {
	t.Helper()
	by, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: s.key}, o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	j, err := by.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	text, err := j.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// proof is a fresh DPoP proof; access is "" where no token is shown.
func (s signer) proof(t testing.TB, method, address, access string) string {
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": address, "iat": time.Now().Unix()}
	if access != "" {
		sum := sha256.Sum256([]byte(access))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return s.sign(t, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"), claims)
}

// assertion is the form members by which an app proves itself.
func (s signer) assertion(t testing.TB, key, aud string) string {
	text := s.sign(t, nil, map[string]any{"iss": key, "sub": key, "aud": aud, "jti": rand.Text(), "exp": time.Now().Add(time.Minute).Unix()})
	return "client_assertion_type=" + url.QueryEscape(assertionType) + "&client_assertion=" + text
}

// bank is an app that proves itself by assertions.
func (s *site) bank(t testing.TB) signer {
	t.Helper()
	by := newSigner(t)
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: by.key.Public(), KeyID: "1"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.apps.Create(context.Background(), app.App{Name: "bank", Key: "bank", Auth: app.AuthKey, Keys: string(keys),
		RedirectURI: "https://bank.example/cb", Scopes: []app.Scope{"SMS", "IMMN"}}, ""); err != nil {
		t.Fatal(err)
	}
	return by
}

// code is what alice's consent gives an app.
func (s *site) code(t testing.TB, q url.Values) string {
	t.Helper()
	r, err := s.tokens.Authorize(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	to, err := s.tokens.Approve(context.Background(), r, oauth.Person{Subscriber: alice, Level: app.LevelSandbox, How: oauth.HowPIN}, sha256.Sum256([]byte(rand.Text())))
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(to, "code=")
	return code
}

func (s *site) status(t *testing.T, path, form string, header ...string) int {
	t.Helper()
	res, _ := s.do(t, "POST", path, form, header...)
	return res.StatusCode
}

func TestMetadata(t *testing.T) {
	s := open(t, gateway.Limits{})
	res, m := s.do(t, "GET", "/.well-known/oauth-authorization-server", "")
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/json" || res.Header.Get("Cache-Control") != "public, max-age=3600" ||
		res.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	list := func(name string) (out []string) {
		for _, v := range m[name].([]any) {
			out = append(out, v.(string))
		}
		return out
	}
	if m["issuer"] != s.url || m["authorization_response_iss_parameter_supported"] != true || m["service_documentation"] != s.url+"/errors" {
		t.Fatalf("%v", m)
	}
	if got := list("code_challenge_methods_supported"); !slices.Equal(got, []string{"S256"}) {
		t.Fatalf("%v", got)
	}
	if got := list("dpop_signing_alg_values_supported"); !slices.Equal(got, oauth.Algorithms()) {
		t.Fatalf("%v", got)
	}
	if got := list("scopes_supported"); !slices.Contains(got, "SMS") || !slices.IsSorted(got) || slices.ContainsFunc(got, func(s string) bool { return !app.Scope(s).Known() }) {
		t.Fatalf("%v", got)
	}
	t.Run("pages of other origins may read it alone", func(t *testing.T) {
		if res, _ := s.do(t, "POST", "/oauth/v4/token", good, "Origin", "https://evil.example"); res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Fatal("they may read tokens")
		}
	})
	t.Run("each way to prove oneself that is named is taken, and no other", func(t *testing.T) {
		bank := s.bank(t)
		for _, e := range []struct{ endpoint, methods, form string }{
			{"token_endpoint", "token_endpoint_auth_methods_supported", "grant_type=refresh_token&refresh_token=r"},
			{"revocation_endpoint", "revocation_endpoint_auth_methods_supported", "token=t"},
			{"introspection_endpoint", "introspection_endpoint_auth_methods_supported", "token=t"},
			{"pushed_authorization_request_endpoint", "token_endpoint_auth_methods_supported", "scope=SMS&code_challenge_method=S256&code_challenge=" + challenge},
		} {
			path, ours := strings.CutPrefix(m[e.endpoint].(string), s.url)
			if !ours {
				t.Fatalf("%s is %s", e.endpoint, m[e.endpoint])
			}
			for method, how := range map[string]struct {
				form   string
				header []string
			}{
				"client_secret_post":  {form: "&" + creds},
				"client_secret_basic": {header: []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("appkey:appsecret"))}},
				"private_key_jwt":     {form: "&" + bank.assertion(t, "bank", s.url)},
				"none":                {form: "&client_id=phone"},
			} {
				_, m2 := s.do(t, "POST", path, e.form+how.form, how.header...)
				refused := m2["error"] == "invalid_client" || m2["error"] == "unauthorized_client" || m2["error"] == "invalid_request"
				if named := slices.Contains(list(e.methods), method); named == refused {
					t.Errorf("%s, %s: named %v, and answered %v", path, method, named, m2)
				}
			}
		}
	})
	t.Run("each grant type that is named is known, and no other", func(t *testing.T) {
		for _, g := range []string{"authorization_code", "refresh_token", "client_credentials", "password", "implicit", "urn:ietf:params:oauth:grant-type:device_code"} {
			_, m2 := s.do(t, "POST", "/oauth/v4/token", creds+"&grant_type="+url.QueryEscape(g))
			if named := slices.Contains(list("grant_types_supported"), g); named == (m2["error"] == "unsupported_grant_type") {
				t.Errorf("%s: named %v, and answered %v", g, named, m2)
			}
		}
	})
}

func TestMembersThatAreThereTwice(t *testing.T) {
	s := open(t, gateway.Limits{})
	basic := func(user, pass string) []string {
		return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+pass))}
	}
	const rest = "grant_type=client_credentials&scope=SMS"
	for name, c := range map[string]struct {
		form   string
		header []string
		says   string // "": it is taken
	}{
		"the same twice":                         {form: good + "&client_id=appkey&client_secret=appsecret&grant_type=client_credentials"},
		"the same twice, but for blanks":         {form: good + "&client_id=appkey+"},
		"a scope twice, as it has always been":   {form: good + "&scope=MMS"},
		"a member that nobody asks for, twice":   {form: good + "&x=1&x=2"},
		"HTTP Basic and the same in the body":    {form: good, header: basic("appkey", "appsecret")},
		"HTTP Basic and client_id in the body":   {form: rest + "&client_id=appkey", header: basic("appkey", "appsecret")},
		"another client_id":                      {form: good + "&client_id=phone", says: "client_id repeated"},
		"another client_id, in capitals":         {form: good + "&CLIENT_ID=phone", says: "client_id repeated"},
		"an empty client_id after the other":     {form: good + "&client_id=", says: "client_id repeated"},
		"another secret":                         {form: good + "&client_secret=x", says: "client_secret repeated"},
		"another grant type":                     {form: good + "&grant_type=refresh_token", says: "grant_type repeated"},
		"another code":                           {form: creds + "&grant_type=authorization_code&code=a&code=b", says: "code repeated"},
		"another verifier":                       {form: creds + "&grant_type=authorization_code&code=a&code_verifier=a&code_verifier=b", says: "code_verifier repeated"},
		"another refresh token":                  {form: creds + "&grant_type=refresh_token&refresh_token=a&refresh_token=b", says: "refresh_token repeated"},
		"HTTP Basic and another key in the body": {form: rest + "&client_id=phone", header: basic("appkey", "appsecret"), says: "HTTP Basic and the body differ"},
		"HTTP Basic and another secret in it":    {form: good, header: basic("appkey", "other"), says: "HTTP Basic and the body differ"},
	} {
		t.Run(name, func(t *testing.T) {
			res, m := s.do(t, "POST", "/oauth/v4/token", c.form, c.header...)
			switch {
			case c.says == "" && res.StatusCode != 200:
				t.Fatalf("%d %v", res.StatusCode, m)
			case c.says != "" && (res.StatusCode != 400 || m["error"] != "invalid_request" || m["error_description"] != c.says):
				t.Fatalf("%d %v", res.StatusCode, m)
			}
		})
	}
	t.Run("in the query of the old path too", func(t *testing.T) {
		if res, m := s.do(t, "GET", "/oauth/token?"+good+"&client_id=phone", ""); res.StatusCode != 400 || m["error_description"] != "client_id repeated" {
			t.Fatalf("%d %v", res.StatusCode, m)
		}
	})
}

func TestRedeemACode(t *testing.T) {
	s := open(t, gateway.Limits{})
	const redeem = "client_id=phone&grant_type=authorization_code"
	public := func(t *testing.T) string {
		return s.code(t, url.Values{"client_id": {"phone"}, "scope": {"IMMN"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}})
	}
	t.Run("a public app redeems it with its verifier, and its refresh token rotates", func(t *testing.T) {
		code := public(t)
		for _, v := range []string{"", "&code_verifier=" + strings.Repeat("x", 43)} {
			if res, m := s.do(t, "POST", "/oauth/v4/token", redeem+"&code="+code+v); res.StatusCode != 400 || m["error"] != "invalid_grant" {
				t.Fatalf("verifier %q: %d %v", v, res.StatusCode, m)
			}
		}
		res, m := s.do(t, "POST", "/oauth/v4/token", redeem+"&code="+code+"&code_verifier="+verifier)
		if res.StatusCode != 200 || m["token_type"] != "bearer" || m["scope"] != "IMMN" || len(m) != 5 {
			t.Fatalf("%d %v", res.StatusCode, m)
		}
		_, again := s.do(t, "POST", "/oauth/v4/token", "client_id=phone&grant_type=refresh_token&refresh_token="+m["refresh_token"].(string))
		if again["refresh_token"] == nil || again["refresh_token"] == m["refresh_token"] {
			t.Fatalf("%v", again)
		}
	})
	t.Run("an app with a secret needs no more than the published kits send", func(t *testing.T) {
		code := s.code(t, url.Values{"client_id": {"appkey"}, "scope": {"WEBRTCMOBILE,EMERGENCYSERVICES"}})
		res, m := s.do(t, "POST", "/oauth/v4/token", creds+"&grant_type=authorization_code&scope=WEBRTCMOBILE%2CEMERGENCYSERVICES&code="+code)
		if res.StatusCode != 200 || m["scope"] != "WEBRTCMOBILE,EMERGENCYSERVICES" {
			t.Fatalf("%d %v", res.StatusCode, m)
		}
	})
	t.Run("a redirect_uri that is named must be the one of the request", func(t *testing.T) {
		code := s.code(t, url.Values{"client_id": {"appkey"}, "scope": {"IMMN"}, "redirect_uri": {"https://app.example/cb/a"}})
		const redeem = creds + "&grant_type=authorization_code&redirect_uri="
		if res, m := s.do(t, "POST", "/oauth/v4/token", redeem+url.QueryEscape("https://app.example/cb/b")+"&code="+code); res.StatusCode != 400 || m["error"] != "invalid_grant" {
			t.Fatalf("%d %v", res.StatusCode, m)
		}
		if res, m := s.do(t, "POST", "/oauth/v4/token", redeem+url.QueryEscape("https://app.example/cb/a")+"&code="+code); res.StatusCode != 200 {
			t.Fatalf("%d %v", res.StatusCode, m)
		}
	})
	t.Run("a refresh may ask for less, not for more", func(t *testing.T) {
		code := s.code(t, url.Values{"client_id": {"appkey"}, "scope": {"IMMN,SMS"}})
		_, m := s.do(t, "POST", "/oauth/v4/token", creds+"&grant_type=authorization_code&code="+code)
		refresh := creds + "&grant_type=refresh_token&refresh_token=" + m["refresh_token"].(string) + "&scope="
		if _, m := s.do(t, "POST", "/oauth/v4/token", refresh+"SMS"); m["scope"] != "SMS" {
			t.Fatalf("%v", m)
		}
		if res, m := s.do(t, "POST", "/oauth/v4/token", refresh+"SMS,WEBRTC"); res.StatusCode != 400 || m["error"] != "invalid_scope" {
			t.Fatalf("%d %v", res.StatusCode, m)
		}
	})
}

// TestAReplyThatIsLost calls the row itself, because what becomes of a reply is the gateway's to say.
func TestAReplyThatIsLost(t *testing.T) {
	s := open(t, gateway.Limits{})
	now := time.Now()
	svc, err := oauth.New(oauth.Config{Store: s.store, Sealer: s.store.Sealer(), Apps: s.apps, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	rows := oauthv4.Endpoints(oauthv4.Config{Service: svc})
	row := rows[slices.IndexFunc(rows, func(e gateway.Endpoint) bool { return e.Path == "/oauth/v4/token" })]
	ask := func(t *testing.T, form string) (gateway.Reply, string, error) {
		t.Helper()
		ctx, end := context.WithCancel(context.Background())
		r := httptest.NewRequestWithContext(ctx, "POST", "/oauth/v4/token", nil)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		reply, err := row.Handle(&gateway.Call{Request: r, Body: []byte(form)})
		end() // the request is over before it is known whether its reply arrived
		b, _ := json.Marshal(reply.Body)
		return reply, string(b), err
	}
	form := func(t *testing.T) string {
		return creds + "&grant_type=authorization_code&code=" + s.code(t, url.Values{"client_id": {"appkey"}, "scope": {"IMMN"}})
	}
	t.Run("it is given again at once", func(t *testing.T) {
		f := form(t)
		reply, first, err := ask(t, f)
		if err != nil || reply.After == nil {
			t.Fatal(reply, err)
		}
		reply.After(false)
		if _, again, err := ask(t, f); err != nil || again != first {
			t.Fatalf("%v\n%s\n%s", err, first, again)
		}
	})
	t.Run("one that arrived is not", func(t *testing.T) {
		f := form(t)
		reply, _, err := ask(t, f)
		if err != nil {
			t.Fatal(err)
		}
		reply.After(true)
		if _, _, err := ask(t, f); err == nil {
			t.Fatal("it is")
		}
	})
	t.Run("of other grants nothing is noted", func(t *testing.T) {
		if reply, _, err := ask(t, good); err != nil || reply.After != nil {
			t.Fatal(err)
		}
	})
}

func TestDPoP(t *testing.T) {
	s := open(t, gateway.Limits{})
	p, q := newSigner(t), newSigner(t)
	at := s.url + "/oauth/v4/token"
	ping := func(t *testing.T, scheme, token, proof string) int {
		t.Helper()
		header := []string{"Authorization", scheme + " " + token}
		if proof != "" {
			header = append(header, "DPoP", proof)
		}
		res, _ := s.do(t, "GET", "/test/v1/ping", "", header...)
		return res.StatusCode
	}
	_, m := s.do(t, "POST", "/oauth/v4/token", good, "DPoP", p.proof(t, "POST", at, ""))
	access, _ := m["access_token"].(string)
	if m["token_type"] != "DPoP" || len(m) != 5 {
		t.Fatalf("%v", m)
	}
	here := s.url + "/test/v1/ping"
	if got := ping(t, "DPoP", access, p.proof(t, "GET", here, access)); got != 200 {
		t.Fatal(got)
	}
	for name, got := range map[string]int{
		"as a bearer token":         ping(t, "Bearer", access, ""),
		"without a proof":           ping(t, "DPoP", access, ""),
		"with another's proof":      ping(t, "DPoP", access, q.proof(t, "GET", here, access)),
		"with a proof for no token": ping(t, "DPoP", access, p.proof(t, "GET", here, "")),
		"with that of another path": ping(t, "DPoP", access, p.proof(t, "GET", here+"s", access)),
	} {
		if got != 401 {
			t.Errorf("%s: %d", name, got)
		}
	}
	t.Run("a refusal asks for a proof again, not for a bearer token, and says what was wrong", func(t *testing.T) {
		proof := p.proof(t, "GET", here, access)
		if got := ping(t, "DPoP", access, proof); got != 200 {
			t.Fatal(got)
		}
		for name, c := range map[string]struct {
			want  string
			proof []string
		}{
			"no proof":              {"invalid_token", nil},
			"another's":             {"invalid_token", []string{q.proof(t, "GET", here, access)}}, // it is good, and not for this token
			"none that can be read": {"invalid_dpop_proof", []string{"a.b.c"}},
			"of another path":       {"invalid_dpop_proof", []string{p.proof(t, "GET", here+"s", access)}},
			"seen before":           {"invalid_dpop_proof", []string{proof}},
			"two":                   {"invalid_dpop_proof", []string{p.proof(t, "GET", here, access), p.proof(t, "GET", here, access)}},
		} {
			req, err := http.NewRequest("GET", here, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header["Authorization"], req.Header["Dpop"] = []string{"dpop " + access}, c.proof
			res, err := s.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			want := `DPoP realm="longlines", error="` + c.want + `", algs="ES256 ES384 Ed25519 EdDSA RS256 PS256"`
			if got := res.Header.Get("WWW-Authenticate"); res.StatusCode != 401 || got != want {
				t.Errorf("%s: %d %q", name, res.StatusCode, got)
			}
		}
	})
	t.Run("two proofs are none", func(t *testing.T) {
		req, err := http.NewRequest("POST", at, strings.NewReader(good))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header["Dpop"] = []string{p.proof(t, "POST", at, ""), p.proof(t, "POST", at, "")}
		res, err := s.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var m map[string]any
		if err := json.NewDecoder(res.Body).Decode(&m); err != nil || res.StatusCode != 400 || m["error"] != "invalid_dpop_proof" {
			t.Fatalf("%d %v %v", res.StatusCode, m, err)
		}
	})
	t.Run("a proof that was meant for another server is none, whatever the Host says", func(t *testing.T) {
		req, err := http.NewRequest("POST", at, strings.NewReader(good))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "other.example"
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("DPoP", p.proof(t, "POST", "http://other.example/oauth/v4/token", ""))
		res, err := s.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 400 {
			t.Fatal(res.StatusCode)
		}
	})
	t.Run("an app that wants bound tokens only gets no other", func(t *testing.T) {
		_, secret, err := s.apps.Create(context.Background(), app.App{Name: "vault", Key: "vault", DPoP: true, Scopes: []app.Scope{"SMS"}}, "")
		if err != nil {
			t.Fatal(err)
		}
		form := "client_id=vault&client_secret=" + secret + "&grant_type=client_credentials&scope=SMS"
		if res, m := s.do(t, "POST", "/oauth/v4/token", form); res.StatusCode != 400 || m["error"] != "invalid_dpop_proof" {
			t.Fatalf("%d %v", res.StatusCode, m)
		}
		if got := s.status(t, "/oauth/v4/token", form, "DPoP", p.proof(t, "POST", at, "")); got != 200 {
			t.Fatal(got)
		}
	})
}

func TestAssertionsOverHTTP(t *testing.T) {
	s := open(t, gateway.Limits{})
	bank := s.bank(t)
	const ask = "&grant_type=client_credentials&scope=SMS"
	res, m := s.do(t, "POST", "/oauth/v4/token", bank.assertion(t, "bank", s.url)+ask)
	if res.StatusCode != 200 {
		t.Fatalf("%d %v", res.StatusCode, m)
	}
	access := m["access_token"].(string)
	for path, form := range map[string]string{"/oauth/v4/introspect": "token=" + access, "/oauth/v4/revoke": "token=" + access, "/oauth/v4/par": "scope=IMMN"} {
		if got := s.status(t, path, form+"&client_id=bank&"+bank.assertion(t, "bank", s.url+path)); got != 200 && got != 201 {
			t.Errorf("%s: %d", path, got)
		}
	}
	once := bank.assertion(t, "bank", s.url+"/oauth/v4/token")
	for i, want := range []int{200, 401} {
		if got := s.status(t, "/oauth/v4/token", once+ask); got != want {
			t.Errorf("time %d: %d", i+1, got)
		}
	}
	for name, c := range map[string]struct {
		form  string
		error string
	}{
		"for the address of another endpoint":  {bank.assertion(t, "bank", s.url+"/oauth/v4/par") + ask, "invalid_client"},
		"by another key":                       {newSigner(t).assertion(t, "bank", s.url) + ask, "invalid_client"},
		"for another app":                      {bank.assertion(t, "appkey", s.url) + ask, "invalid_client"},
		"beside the client_id of another app":  {bank.assertion(t, "bank", s.url) + ask + "&client_id=appkey", "invalid_client"},
		"beside a secret":                      {bank.assertion(t, "bank", s.url) + ask + "&client_secret=x", "invalid_request"},
		"of no type":                           {strings.Replace(bank.assertion(t, "bank", s.url), "jwt-bearer", "saml2-bearer", 1) + ask, "invalid_request"},
		"a secret, where an assertion is due":  {"client_id=bank&client_secret=x" + ask, "invalid_client"},
		"nothing, where an assertion is due":   {"client_id=bank" + ask, "invalid_client"},
		"not an assertion, and no client_id":   {"client_assertion=x&client_assertion_type=" + assertionType + ask, "invalid_client"},
		"twice with different values":          {bank.assertion(t, "bank", s.url) + "&" + bank.assertion(t, "bank", s.url) + ask, "invalid_request"},
		"a type, and no assertion":             {"client_id=bank&client_assertion_type=" + assertionType + ask, "invalid_client"},
		"in HTTP Basic's place, for a new key": {bank.assertion(t, "nobody", s.url) + ask, "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			res, m := s.do(t, "POST", "/oauth/v4/token", c.form)
			if res.StatusCode < 400 || m["error"] != c.error {
				t.Fatalf("%d %v", res.StatusCode, m)
			}
		})
	}
}

func TestIntrospection(t *testing.T) {
	s := open(t, gateway.Limits{})
	_, guard, err := s.apps.Create(context.Background(), app.App{Name: "guard", Key: "guard", Introspect: true}, "")
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := s.apps.Create(context.Background(), app.App{Name: "other", Key: "other", Scopes: []app.Scope{"SMS"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	asGuard, asOther := "client_id=guard&client_secret="+guard, "client_id=other&client_secret="+other
	see := func(t *testing.T, as string, token any) map[string]any {
		t.Helper()
		res, m := s.do(t, "POST", "/oauth/v4/introspect", as+"&token="+token.(string))
		if res.StatusCode != 200 || res.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%d %v %v", res.StatusCode, m, res.Header)
		}
		exp, _ := m["exp"].(float64)
		if left := time.Until(time.Unix(int64(exp), 0)); m["active"] == true && (left <= 0 || left > oauth.RefreshLife+time.Second) {
			t.Fatalf("exp %v", m["exp"])
		}
		delete(m, "exp")
		return m
	}
	want := func(t *testing.T, got, want map[string]any) {
		t.Helper()
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		if string(a) != string(b) {
			t.Fatalf("%s, want %s", a, b)
		}
	}
	code := s.code(t, url.Values{"client_id": {"appkey"}, "scope": {"IMMN,SMS"}})
	_, m := s.do(t, "POST", "/oauth/v4/token", creds+"&grant_type=authorization_code&code="+code)
	own := map[string]any{"active": true, "scope": "IMMN SMS", "client_id": "appkey", "token_type": "bearer", "iss": s.url}
	t.Run("an app is told what its token opens, and not for whom", func(t *testing.T) {
		want(t, see(t, creds, m["access_token"]), own)
	})
	t.Run("a service of the operator is told for whom", func(t *testing.T) {
		all := maps.Clone(own)
		all["sub"] = alice.Tel()
		want(t, see(t, asGuard, m["access_token"]), all)
		delete(all, "token_type")
		want(t, see(t, asGuard, m["refresh_token"]), all)
	})
	t.Run("another app is told nothing", func(t *testing.T) {
		want(t, see(t, asOther, m["access_token"]), map[string]any{"active": false})
	})
	t.Run("a hint that is wrong is not looked at", func(t *testing.T) {
		want(t, see(t, creds+"&token_type_hint=refresh_token", m["access_token"]), own)
	})
	t.Run("what is no token is not active", func(t *testing.T) {
		for _, token := range []string{"x", "%ff", strings.Repeat("A", 64)} {
			want(t, see(t, asGuard, token), map[string]any{"active": false})
		}
	})
	t.Run("of a bound token the key is told", func(t *testing.T) {
		p := newSigner(t)
		_, m := s.do(t, "POST", "/oauth/v4/token", good, "DPoP", p.proof(t, "POST", s.url+"/oauth/v4/token", ""))
		want(t, see(t, creds, m["access_token"]), map[string]any{"active": true, "scope": "SMS", "client_id": "appkey", "token_type": "DPoP", "iss": s.url,
			"cnf": map[string]any{"jkt": p.jkt}})
	})
	t.Run("a revoked one is not active", func(t *testing.T) {
		s.do(t, "POST", "/oauth/v4/revoke", creds+"&token="+m["access_token"].(string))
		want(t, see(t, asGuard, m["access_token"]), map[string]any{"active": false})
	})
}

func TestPush(t *testing.T) {
	s := open(t, gateway.Limits{})
	p := newSigner(t)
	at := s.url + "/oauth/v4/par"
	res, m := s.do(t, "POST", "/oauth/v4/par", creds+"&scope=IMMN&state=xyz", "DPoP", p.proof(t, "POST", at, ""))
	uri, _ := m["request_uri"].(string)
	if res.StatusCode != 201 || m["expires_in"] != 90.0 || len(m) != 2 || !strings.HasPrefix(uri, "urn:ietf:params:oauth:request_uri:") || res.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %v", res.StatusCode, m, res.Header)
	}
	t.Run("a proof binds the code to its key", func(t *testing.T) {
		code := s.code(t, url.Values{"client_id": {"appkey"}, "request_uri": {uri}})
		redeem := creds + "&grant_type=authorization_code&code=" + code
		if res, m := s.do(t, "POST", "/oauth/v4/token", redeem); res.StatusCode != 400 {
			t.Fatalf("%d %v", res.StatusCode, m)
		}
		if res, m := s.do(t, "POST", "/oauth/v4/token", redeem, "DPoP", p.proof(t, "POST", s.url+"/oauth/v4/token", "")); res.StatusCode != 200 || m["token_type"] != "DPoP" {
			t.Fatalf("%d %v", res.StatusCode, m)
		}
	})
	t.Run("dpop_jkt and a proof must name one key", func(t *testing.T) {
		form := creds + "&scope=IMMN&dpop_jkt="
		if got := s.status(t, "/oauth/v4/par", form+p.jkt, "DPoP", p.proof(t, "POST", at, "")); got != 201 {
			t.Fatal(got)
		}
		if res, m := s.do(t, "POST", "/oauth/v4/par", form+newSigner(t).jkt, "DPoP", p.proof(t, "POST", at, "")); res.StatusCode != 400 || m["error"] != "invalid_dpop_proof" {
			t.Fatalf("%d %v", res.StatusCode, m)
		}
	})
	t.Run("a public app pushes, with a challenge", func(t *testing.T) {
		form := "client_id=phone&scope=IMMN&code_challenge_method=S256&code_challenge=" + challenge
		if res, m := s.do(t, "POST", "/oauth/v4/par", form); res.StatusCode != 201 {
			t.Fatalf("%d %v", res.StatusCode, m)
		}
	})
	t.Run("what is kept has no credentials", func(t *testing.T) {
		raw, err := base64.RawURLEncoding.DecodeString(uri[strings.LastIndexByte(uri, ':')+1:])
		if err != nil {
			t.Fatal(err)
		}
		n, err := s.store.Sealer().Open(id.Public(raw[:16]))
		if err != nil {
			t.Fatal(err)
		}
		row, ok, err := s.store.Pushed(context.Background(), n)
		if err != nil || !ok || strings.Contains(row.Params, "secret") || !strings.Contains(row.Params, "state=xyz") {
			t.Fatalf("%q %v %v", row.Params, ok, err)
		}
	})
}
