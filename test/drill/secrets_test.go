package drill

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// secrets are what was issued or shown, by kind.
type secrets struct {
	t    *testing.T
	all  map[string]string // text to kind
	pins map[string]bool
}

func (s *secrets) keep(kind string, texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		if len(text) < 16 {
			s.t.Fatalf("a %s of %d characters cannot be searched for", kind, len(text))
		}
		s.all[text] = kind
	}
}

func (s *secrets) tokens(t tokens) tokens {
	s.t.Helper()
	if t.Access == "" || t.Refresh == "" {
		s.t.Fatal("no tokens")
	}
	s.keep("access token", t.Access)
	s.keep("refresh token", t.Refresh)
	return t
}

// browser keeps the cookies of a person, and the ticket on the page.
func (s *secrets) browser(p *person) {
	s.t.Helper()
	u, _ := url.Parse(p.base)
	for _, c := range p.client.Jar.Cookies(u) {
		s.keep("cookie "+c.Name, c.Value)
	}
	if p.ticket != "" {
		s.keep("ticket", p.ticket)
	}
}

// spellings are the ways in which a secret could lie somewhere: as it is, and as the octets that a
// random text stands for, raw or in hex. Of a signed document the signature is enough to look for.
func spellings(text string) [][]byte {
	if i := strings.LastIndexByte(text, '.'); i > 0 {
		text = text[i+1:]
	}
	out := [][]byte{[]byte(text)}
	if escaped := url.QueryEscape(text); escaped != text {
		out = append(out, []byte(escaped))
	}
	if raw, err := base64.RawURLEncoding.DecodeString(text); err == nil && len(raw) >= 16 {
		out = append(out, raw, []byte(hex.EncodeToString(raw)))
	}
	return out
}

// search looks for all secrets in a place; but is one that stands there by design.
func (s *secrets) search(place string, in []byte, but ...string) {
	s.t.Helper()
	for text, kind := range s.all {
		if len(but) > 0 && but[0] == text {
			continue
		}
		for _, spelled := range spellings(text) {
			if at := bytes.Index(in, spelled); at >= 0 {
				s.t.Errorf("%s holds a %s, behind %q", place, kind, in[max(0, at-120):at])
				break
			}
		}
	}
}

// fractions may have six digits by chance: times and durations.
var fractions = regexp.MustCompile(`\d*\.\d+`)

// searchPINs looks for PINs. They are not looked for in the data directory, where the text that carried one
// stands in the row of the message.
func (s *secrets) searchPINs(place string, in []byte) {
	s.t.Helper()
	for _, found := range sixDigits.FindAll(fractions.ReplaceAll(in, nil), -1) {
		if s.pins[string(found)] {
			s.t.Errorf("%s holds a PIN", place)
		}
	}
}

// searchDirectory looks through every file of a data directory. The admin token lies in two of them by
// design, readable by their owner only: where it is kept, and where `longlines` on this machine finds it.
func (s *secrets) searchDirectory(dir, adminToken string) {
	s.t.Helper()
	files, known := 0, false
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "ballast" { // which is empty space
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		known = known || bytes.Contains(b, []byte("pizza-0-key")) // which is no secret
		name := d.Name()
		if name == "admin-token" || name == "run.json" {
			if i, err := d.Info(); err != nil || i.Mode().Perm()&0o077 != 0 {
				s.t.Errorf("%s can be read by others: %v %v", name, i.Mode(), err)
			}
			s.search("file "+name, b, adminToken)
			return nil
		}
		s.search("file "+name, b)
		return nil
	}); err != nil {
		s.t.Fatal(err)
	}
	if files < 3 || !known {
		s.t.Errorf("%d files in the data directory, and what must be there: %t", files, known)
	}
}

// watch follows the live stream, as the console does, and says what it has shown; it stops with the platform.
func (s *secrets) watch(w *world) (seen func() []byte) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, w.info.Admin+"/admin/v1/stream", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.info.AdminToken)
	transport := &http.Transport{}
	resp, err := transport.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("the live stream: %v %v", err, resp)
	}
	r, done := &record{}, make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(r, resp.Body)
	}()
	s.t.Cleanup(func() { resp.Body.Close(); <-done; transport.CloseIdleConnections() })
	return func() []byte { return []byte(r.String()) }
}

// keyed is a client with a key of its own.
type keyed struct {
	key *ecdsa.PrivateKey
	t   *testing.T
}

func newKeyed(t *testing.T) keyed {
	k, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return keyed{k, t}
}

func (k keyed) public() map[string]any {
	b, err := (&jose.JSONWebKey{Key: k.key.Public()}).MarshalJSON()
	if err != nil {
		k.t.Fatal(err)
	}
	var jwk map[string]any
	json.Unmarshal(b, &jwk)
	return map[string]any{"keys": []any{jwk}}
}

func (k keyed) sign(o *jose.SignerOptions, claims map[string]any) string {
	k.t.Helper()
	by, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k.key}, o)
	if err != nil {
		k.t.Fatal(err)
	}
	b, _ := json.Marshal(claims)
	j, err := by.Sign(b)
	if err != nil {
		k.t.Fatal(err)
	}
	text, err := j.CompactSerialize()
	if err != nil {
		k.t.Fatal(err)
	}
	return text
}

// proof is a DPoP proof (RFC 9449 §4.2); access "" where no token is shown.
func (k keyed) proof(method, address, access string) string {
	claims := map[string]any{"jti": crand.Text(), "htm": method, "htu": address, "iat": time.Now().Unix()}
	if access != "" {
		sum := sha256.Sum256([]byte(access))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return k.sign((&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"), claims)
}

func (k keyed) thumbprint() string {
	sum, err := (&jose.JSONWebKey{Key: k.key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		k.t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// assertion proves an app by its key (RFC 7523 §3).
func (k keyed) assertion(key, audience string) string {
	now := time.Now().Unix()
	return k.sign(&jose.SignerOptions{}, map[string]any{"iss": key, "sub": key, "aud": audience, "jti": crand.Text(), "iat": now, "exp": now + 60})
}

// What opens something is nowhere to be found afterwards: not in the database or its log, not in what the
// platform logs at its most talkative or when it is aborted, not in records, audit or metrics
// (docs/reference/reliability.md P24).
func TestNoSecretIsFoundAfterwards(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	config := writeFile(t, dir+"/longlines.yaml", fmt.Sprintf(`
data: %s
demo: {off: true}
log: {level: debug}
sandbox: {smsc_listen: "127.0.0.1:0", browser_listen: "127.0.0.1:0"}
quota: {sandbox: {per_minute: 100000000, per_day: 100000000}}
`, data))
	s := &secrets{t: t, all: map[string]string{}, pins: map[string]bool{}}
	w := run(t, "--config", config)
	s.keep("admin token", w.info.AdminToken)
	watched := s.watch(w)
	token := func(t *testing.T, c client, pairs ...string) tokens {
		t.Helper()
		got, a, err := w.tokenRequest(c, pairs...)
		if err != nil || a.status != http.StatusOK {
			t.Fatalf("%v %d %s", err, a.status, a.body)
		}
		return got
	}

	// The operator: the console, apps of every kind, an import, a rotation, a promotion.
	var link []string
	await(t, "the link to the console", func() bool { // it is shown after the ready file is written
		link = regexp.MustCompile(`/signin\?code=(\S+)\s`).FindStringSubmatch(w.out.String())
		return link != nil
	})
	s.keep("code of the console's link", link[1])
	a := w.do(http.MethodPost, w.info.Admin+"/signin", url.Values{"token": {w.info.AdminToken}}.Encode(), "Content-Type", formMedia)
	w.do(http.MethodGet, w.info.Admin+"/signin?code="+link[1], "")
	cookie := regexp.MustCompile(`=([^;]{16,})`).FindStringSubmatch(a.header.Get("Set-Cookie"))
	if cookie == nil {
		t.Fatalf("no cookie of the console: %d %v", a.status, a.header)
	}
	s.keep("cookie of the console", cookie[1])
	w.do(http.MethodGet, w.info.Admin+"/", "", "Cookie", strings.SplitN(a.header.Get("Set-Cookie"), ";", 2)[0])
	var apps []client
	for i := range 12 {
		c := w.asker(fmt.Sprintf("pizza %d", i), map[string]any{"key": fmt.Sprintf("pizza-%d-key", i), "short_codes": []string{fmt.Sprint(74900 + i)}})
		s.keep("app secret", c.secret)
		apps = append(apps, c)
	}
	chosen := w.asker("chosen", map[string]any{"secret": "a-chosen-secret&more+%25~", "short_codes": []string{}})
	chosen.secret = "a-chosen-secret&more+%25~"
	s.keep("chosen secret", chosen.secret)
	var imported []any
	for i := range 4 {
		secret := fmt.Sprintf("imported-secret-%d-", i) + crand.Text()
		s.keep("imported secret", secret)
		imported = append(imported, map[string]any{"name": fmt.Sprintf("old %d", i), "key": fmt.Sprintf("old-%d-key", i), "secret": secret, "scopes": []string{"SMS"}})
	}
	w.admin(http.MethodPost, "/admin/v1/apps/import", map[string]any{"apps": imported[:3], "dry_run": true}, nil)
	w.admin(http.MethodPost, "/admin/v1/apps/import", map[string]any{"apps": imported}, nil)
	w.admin(http.MethodPost, "/admin/v1/apps/import", map[string]any{"apps": append([]any{map[string]any{"name": "old 0", "key": "another-key", "secret": imported[0].(map[string]any)["secret"], "scopes": []string{"SMS"}}}, imported...)}, nil)
	var made struct{ Secret string }
	w.admin(http.MethodPost, "/admin/v1/apps/pizza%2011/rotate", nil, &made)
	s.keep("rotated secret", made.Secret)
	apps[11].secret = made.Secret
	w.admin(http.MethodPost, "/admin/v1/apps/pizza%2011/promote", map[string]any{"short_codes": []string{"75011"}}, &made)
	s.keep("promoted secret", made.Secret)
	w.admin(http.MethodPost, "/admin/v1/links", map[string]any{"name": "centre", "host": "127.0.0.1", "port": 1, "system_id": "x", "password": "Q7x~Z9kW"}, nil)
	s.all["Q7x~Z9kW"] = "password of a link" // SMPP carries no longer one

	// Apps: tokens by every grant and on every path, also as they should not come.
	for _, c := range append(apps, chosen) {
		for range 3 {
			s.tokens(token(t, c, "grant_type", "client_credentials", "scope", "SMS"))
		}
	}
	api := w.info.API
	post := func(path, body string, header ...string) answer {
		t.Helper()
		return w.do(http.MethodPost, api+path, body, append([]string{"Content-Type", formMedia}, header...)...)
	}
	c := apps[0]
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.key)+":"+url.QueryEscape(c.secret)))
	s.keep("Basic credentials", strings.TrimPrefix(basic, "Basic "))
	for _, a := range []answer{
		post("/oauth/v4/token", "grant_type=client_credentials&scope=SMS", "Authorization", basic),
		w.do(http.MethodGet, api+"/oauth/access_token?"+c.form("grant_type", "client_credentials", "scope", "SMS"), ""),
		w.do(http.MethodGet, api+"/oauth/token?"+c.form("grant_type", "client_credentials", "scope", "SMS"), ""),
		post("/oauth/v4/token", strings.NewReplacer("client_secret", "Client_Secret").Replace(c.form("grant_type", "client_credentials", "scope", "SMS"))),
	} {
		var got tokens
		if json.Unmarshal([]byte(a.body), &got); a.status == http.StatusOK {
			s.tokens(got)
		}
	}
	mistyped := c.secret[:len(c.secret)-1] + "~x"
	s.keep("mistyped secret", mistyped)
	held := s.tokens(token(t, c, "grant_type", "client_credentials", "scope", "SMS"))
	unknown := strings.Repeat("A", 10) + held.Access[10:]
	s.keep("unknown token", unknown)
	for _, body := range []string{
		client{c.key, mistyped}.form("grant_type", "client_credentials", "scope", "SMS"),
		client{"nobody-key", mistyped}.form("grant_type", "client_credentials", "scope", "SMS"),
		c.form("grant_type", "nonsense", "code", held.Access),
		c.form("grant_type", "authorization_code", "code", unknown),
		c.form("grant_type", "refresh_token", "refresh_token", unknown),
		c.form("grant_type", "refresh_token", "refresh_token", held.Refresh, "scope", "NOTHING"),
		c.form("grant_type", "client_credentials", "scope", c.secret),
		c.form("grant_type", c.secret),
		c.form() + "&client_secret=" + url.QueryEscape(mistyped),
		"client_secret=" + url.QueryEscape(c.secret) + "&%zz",
		c.form("pad", strings.Repeat("x", 17<<10)),
	} {
		for _, path := range []string{"/oauth/v4/token", "/oauth/v4/revoke", "/oauth/v4/introspect", "/oauth/v4/par", "/oauth/v4/nothing", "/oauth/token"} {
			post(path, body)
			post(path, body, "Content-Type", "application/json")
			post(path, body, "Content-Type", "text/plain")
		}
	}
	// A form in parts that is broken where the secret stands.
	for _, part := range []string{
		"--x\r\nclient_secret " + c.secret + "\r\n\r\n\r\n--x--\r\n",
		"--x\r\nContent-Disposition: form-data; name=" + c.secret + "; ;\r\n\r\nv\r\n--x--\r\n",
		"--x\r\nContent-Disposition: form-data; name=\"client_secret\"\r\n\r\n" + c.secret,
		"--x\r\nContent-Type: " + c.secret + "\r\n\r\n\r\n--x--\r\n",
	} {
		post("/oauth/v4/token", part, "Content-Type", "multipart/form-data; boundary=x")
	}
	for _, line := range []string{"Authorization Bearer " + held.Access, "Authorization: Bearer\x00" + held.Access, "Cookie: a=" + held.Access + "\r\nContent-Length: " + held.Access} {
		raw(t, api, http.MethodPost, "POST /oauth/v4/token HTTP/1.1\r\nHost: "+host(api)+"\r\n"+line+"\r\n\r\n")
		raw(t, w.info.Admin, http.MethodPost, "POST /admin/v1/apps HTTP/1.1\r\nHost: "+host(w.info.Admin)+"\r\n"+line+"\r\n\r\n")
	}
	w.do(http.MethodPost, w.info.Admin+"/admin/v1/apps", `{"name":"broken","secret":"`+mistyped+`","level":7}`, "Authorization", "Bearer "+w.info.AdminToken, "Content-Type", "application/json")
	w.do(http.MethodPost, w.info.Admin+"/admin/v1/apps", `{"name":"broken","secret":"`+mistyped+`"`, "Authorization", "Bearer "+w.info.AdminToken, "Content-Type", "application/json")
	post("/oauth/v4/token", `{"client_id":"`+c.key+`","client_secret":"`+c.secret+`"}`, "Content-Type", "application/json")
	for _, h := range []string{"Bearer " + held.Access, "bearer " + unknown, held.Access, "Basic " + held.Access, "DPoP " + held.Access, basic, "Bearer " + w.info.AdminToken} {
		w.do(http.MethodGet, api+"/sms/v3/messaging/inbox/74900", "", "Authorization", h)
		w.do(http.MethodGet, api+"/nothing/at/all", "", "Authorization", h)
		w.do(http.MethodGet, w.info.Admin+"/admin/v1/apps", "", "Authorization", h)
	}
	for _, path := range []string{"/rest/sms/2/messaging/inbox", "/sms/v3/messaging/inbox/74900", "/1/messages/outbox/sms", "/nothing"} {
		w.do(http.MethodGet, api+path+"?access_token="+held.Access, "")
		w.do(http.MethodGet, w.info.Admin+path+"?access_token="+held.Access, "")
	}
	w.do(http.MethodGet, w.info.Admin+"/signin?code="+w.info.AdminToken, "")
	w.do(http.MethodPost, w.info.Admin+"/signin", url.Values{"token": {mistyped}}.Encode(), "Content-Type", formMedia)
	post(outbox, smsBody("+14255550100", "hello"), "Authorization", "Bearer "+held.Access, "Content-Type", "application/json")

	// Introspection, revocation, apps with keys, pushed requests, bound tokens.
	w.asker("resources", map[string]any{"introspect": true, "secret": "", "short_codes": []string{}})
	for _, c := range apps[:6] {
		got := s.tokens(token(t, c, "grant_type", "client_credentials", "scope", "SMS"))
		if a := post("/oauth/v4/introspect", c.form("token", got.Access)); !strings.Contains(a.body, `"active":true`) {
			t.Fatalf("introspect: %d %s", a.status, a.body)
		}
		post("/oauth/v4/introspect", c.form("token", got.Refresh))
		post("/oauth/v4/introspect", c.form("token", unknown))
		if a, err := w.revoke(c, got.Refresh); err != nil || a.status != http.StatusOK {
			t.Fatalf("revoke: %v %d", err, a.status)
		}
	}
	k := newKeyed(t)
	bank := w.asker("bank", map[string]any{"auth": "private_key_jwt", "keys": k.public(), "short_codes": []string{"75000"}})
	const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	for range 5 {
		j := k.assertion(bank.key, api)
		s.keep("client assertion", j)
		s.tokens(token(t, bank, "grant_type", "client_credentials", "scope", "SMS", "client_assertion_type", assertionType, "client_assertion", j))
		if a := post("/oauth/v4/token", bank.form("grant_type", "client_credentials", "scope", "SMS", "client_assertion_type", assertionType, "client_assertion", j)); a.status == http.StatusOK {
			t.Error("an assertion is taken twice")
		}
	}
	for _, change := range []func(string) string{
		func(j string) string { return j[:len(j)-8] },
		func(j string) string { return j + "." + j },
		func(j string) string { return "e30." + j[strings.IndexByte(j, '.')+1:] },
		func(j string) string { return strings.ToLower(j) },
	} {
		j, proof := change(k.assertion(bank.key, api)), change(k.proof(http.MethodPost, api+"/oauth/v4/token", ""))
		s.keep("broken client assertion", j)
		s.keep("broken DPoP proof", proof)
		post("/oauth/v4/token", bank.form("grant_type", "client_credentials", "scope", "SMS", "client_assertion_type", assertionType, "client_assertion", j))
		post("/oauth/v4/token", bank.form("grant_type", "client_credentials", "scope", "SMS", "client_assertion_type", "jwt", "client_assertion", j))
		post("/oauth/v4/token", c.form("grant_type", "client_credentials", "scope", "SMS"), "DPoP", proof)
		w.do(http.MethodGet, api+"/sms/v3/messaging/inbox/74900", "", "Authorization", "DPoP "+held.Access, "DPoP", proof)
	}
	phones := []string{"+14255550110", "+14255550111", "+14255550112"}
	var people []*person
	for _, phone := range phones {
		people = append(people, newPerson(t, phoneAt(w, phone)))
	}
	consented := func(c client, p *person, address string, more ...string) tokens {
		t.Helper()
		code, err := p.allow(address)
		if err != nil {
			t.Fatal(err)
		}
		s.keep("code", code)
		s.browser(p)
		return s.tokens(token(t, c, append([]string{"grant_type", "authorization_code", "code", code}, more...)...))
	}
	for i := range 6 {
		j := k.assertion(bank.key, api+"/oauth/v4/par")
		verifier := crand.Text() + crand.Text()
		sum := sha256.Sum256([]byte(verifier))
		s.keep("client assertion", j)
		s.keep("code verifier", verifier)
		a := post("/oauth/v4/par", bank.form("client_assertion_type", assertionType, "client_assertion", j, "scope", "IMMN", "state", "s",
			"code_challenge_method", "S256", "code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]), "dpop_jkt", k.thumbprint()))
		var pushed struct {
			URI string `json:"request_uri"`
		}
		if json.Unmarshal([]byte(a.body), &pushed); a.status != http.StatusCreated {
			t.Fatalf("par: %d %s", a.status, a.body)
		}
		s.keep("request_uri", pushed.URI[strings.LastIndexByte(pushed.URI, ':')+1:])
		p := people[i%len(people)]
		code, err := p.allow(authorizePath + "?" + url.Values{"client_id": {bank.key}, "request_uri": {pushed.URI}}.Encode())
		if err != nil {
			t.Fatal(err)
		}
		s.keep("code", code)
		s.browser(p)
		j = k.assertion(bank.key, api)
		proof := k.proof(http.MethodPost, api+"/oauth/v4/token", "")
		s.keep("client assertion", j)
		s.keep("DPoP proof", proof)
		body := bank.form("client_assertion_type", assertionType, "client_assertion", j, "grant_type", "authorization_code", "code", code, "code_verifier", verifier)
		var got tokens
		if a = post("/oauth/v4/token", body, "DPoP", proof); json.Unmarshal([]byte(a.body), &got) != nil || a.status != http.StatusOK {
			t.Fatalf("a bound code: %d %s", a.status, a.body)
		}
		s.tokens(got)
		proof = k.proof(http.MethodGet, api+"/sms/v3/messaging/inbox/75000", got.Access)
		s.keep("DPoP proof", proof)
		w.do(http.MethodGet, api+"/sms/v3/messaging/inbox/75000", "", "Authorization", "DPoP "+got.Access, "DPoP", proof)
		w.do(http.MethodGet, api+"/sms/v3/messaging/inbox/75000", "", "Authorization", "DPoP "+got.Access, "DPoP", proof)
	}
	// A secret in other letters is taken too, and must not be kept with the pushed request.
	for _, name := range []string{"Client_Secret", "CLIENT_SECRET", " client_secret", "client_secret[]"} {
		post("/oauth/v4/par", c.form("scope", "IMMN", name, c.secret))
		post("/oauth/v4/par", url.Values{"client_id": {c.key}, "scope": {"IMMN"}, name: {c.secret}}.Encode())
	}

	// Subscribers: on the network, by PIN, remembered, with everything that can go wrong.
	for i, c := range apps {
		p := people[i%len(people)]
		got := consented(c, p, asks(c.key, "SMS,IMMN", "state", "x"))
		next, _, err := w.refresh(c, got.Refresh)
		if err != nil {
			t.Fatal(err)
		}
		s.tokens(next)
		code, err := p.allow(asks(c.key, "IMMN"))
		if err != nil {
			t.Fatal(err)
		}
		s.keep("code that nobody redeems", code)
		post("/oauth/v4/token", client{c.key, mistyped}.form("grant_type", "authorization_code", "code", code))
		// Browsers of old send the whole address they come from.
		for _, path := range []string{asks(c.key, "IMMN"), "/consents", "/nothing"} {
			w.do(http.MethodGet, api+path, "", "Referer", pizzaCallback+"?iss=x&code="+code, "Accept", "text/html")
		}
		p.open(authorizePath + "?" + url.Values{"client_id": {c.key}, "scope": {code}, "code": {code}}.Encode())
		p.open("/consents?done=" + p.ticket)
		p.open("/consents?network=virtual")
		s.browser(p)
	}
	get := must[answer](t)
	for i, phone := range []string{"+14255550100", "+14255550120", "+14255550121", "+14255550122"} {
		p := newPerson(t, api)
		get(p.open(asks(c.key, "IMMN")))
		s.browser(p)
		get(p.press(authorizePath, "do", "number", "number", phone, "remember", "1"))
		s.browser(p)
		before := p.ticket
		w.pin(phone, 1) // or the second text could overtake it
		get(p.press(authorizePath, "do", "pin", "pin", "000000"))
		get(p.press(authorizePath, "do", "resend"))
		pin := w.pin(phone, 2)
		for _, sent := range w.told(phone) {
			s.pins[sent] = true
		}
		if get(p.press(authorizePath, "do", "pin", "pin", pin)); !p.offers("allow") {
			t.Fatalf("sign-in: %s", p.page)
		}
		s.browser(p)
		a := get(p.press(authorizePath, "do", "allow"))
		if code := codeIn(a); code != "" {
			s.keep("code", code)
			s.tokens(token(t, c, "grant_type", "authorization_code", "code", code))
			p.ticket = before
			get(p.press(authorizePath, "do", "pin", "pin", pin))
		} else {
			t.Fatalf("no code: %d %v", a.status, a.header)
		}
		get(p.open("/consents?network=virtual"))
		s.browser(p)
		if i == 0 {
			row := rowOnPage.FindStringSubmatch(p.page)
			if row == nil {
				t.Fatalf("My consents: %s", p.page)
			}
			get(p.press("/consents", "do", "revoke", "consent", html.UnescapeString(row[1])))
		}
		if i == 1 {
			get(p.press("/consents", "do", "leave"))
		}
		// Forms in the wrong place, in the wrong type, with a PIN in the query.
		u := url.Values{"do": {"pin"}, "pin": {pin}, "ticket": {before}}.Encode()
		w.do(http.MethodGet, api+authorizePath+"?"+u, "")
		post("/consents", u, "Accept", "text/html")
		post("/consents", u)
		post("/nothing", u)
		post(authorizePath, u, "Content-Type", "application/json")
		post(authorizePath, u, "Origin", "https://evil.example")
	}
	kinds := map[string]int{}
	for _, kind := range s.all {
		kinds[kind]++
	}
	t.Logf("%d secrets and %d PINs: %v", len(s.all), len(s.pins), kinds)
	if len(s.all) < 200 || len(s.pins) < 4 {
		t.Fatal("too few to prove anything")
	}

	// Records, audit, metrics.
	var records, trail bytes.Buffer
	requests := 0
	for next := ""; ; {
		var page struct {
			Requests []struct{ ID string }
			Next     string
		}
		w.admin(http.MethodGet, "/admin/v1/requests?limit=500&before="+next, nil, &page)
		for _, r := range page.Requests {
			a := w.do(http.MethodGet, w.info.Admin+"/admin/v1/requests/"+r.ID, "", "Authorization", "Bearer "+w.info.AdminToken)
			// The story of a send tells its text; a PIN is the text of no request.
			records.WriteString(a.body)
			requests++
		}
		if next = page.Next; next == "" {
			break
		}
	}
	for _, e := range w.auditTrail() {
		json.NewEncoder(&trail).Encode(e)
	}
	if !bytes.Contains(watched(), []byte("[not shown]")) {
		t.Error("the live stream shows no calls")
	}
	s.search("the live stream", watched())
	s.searchPINs("the live stream", watched())
	for place, b := range map[string][]byte{"the records of calls": records.Bytes(), "the audit": trail.Bytes()} {
		s.search(place, b)
		s.searchPINs(place, b)
	}
	for _, path := range []string{"/metrics", "/admin/v1/consents?all=true&limit=500", "/admin/v1/apps", "/admin/v1/status"} {
		a := w.do(http.MethodGet, w.info.Admin+path, "", "Authorization", "Bearer "+w.info.AdminToken)
		s.search(path, []byte(a.body))
		s.searchPINs(path, []byte(a.body))
	}
	if requests < 300 || !bytes.Contains(records.Bytes(), []byte("[not shown]")) || !bytes.Contains(trail.Bytes(), []byte("consent withdrawn")) {
		t.Errorf("only %d calls have a record, or what must be there is not", requests)
	}
	// While it runs the newest changes stand in the database's log, afterwards in its file.
	s.searchDirectory(data, w.info.AdminToken)
	w.admin(http.MethodPost, "/admin/v1/links/centre/pause", nil, nil) // the next start would wait for it
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	s.searchDirectory(data, w.info.AdminToken)
	s.search("the log", []byte(w.log.String()))
	s.searchPINs("the log", []byte(w.log.String()))

	// Once more, and in the midst of it an abort that dumps every stack.
	t.Setenv("GOTRACEBACK", "crash")
	w = run(t, "--config", config)
	api = w.info.API
	for i, c := range apps[:6] {
		people[i%3].base = phoneAt(w, phones[i%3])
		consented(c, people[i%3], asks(c.key, "IMMN"))
	}
	busy := make(chan struct{})
	go func() {
		defer close(busy)
		for {
			if _, err := w.try(http.MethodPost, api+"/oauth/v4/token", c.form("grant_type", "client_credentials", "scope", "SMS"), "Content-Type", formMedia); err != nil {
				return
			}
		}
	}()
	w.abort()
	<-busy
	dump := w.log.String()
	if !strings.Contains(dump, "SIGABRT") || !strings.Contains(dump, "goroutine ") {
		t.Errorf("no dump: %s", dump[max(0, len(dump)-500):])
	}
	s.search("the dump", []byte(dump))
	s.searchPINs("the log before the dump", []byte(dump[:max(0, strings.Index(dump, "SIGABRT"))]))
	s.searchDirectory(data, w.info.AdminToken)
}
