package longlines_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"longlines/fault"
	"longlines/test/visitor"
)

// due are the parts of the catalogue that exist; a row due in one of them must be provoked below.
var due = map[fault.Due]bool{fault.DueGateway: true, fault.DueOAuthToken: true, fault.DueOAuthRevoke: true, fault.DueOAuthAuthorize: true, fault.DueSMSv3: true}

// provocation makes the platform answer with a row of the catalogue, over HTTP.
type provocation struct {
	code, anchor string
	variables    string // as answered; "*": something
	provoke      func(w *world, p *provoker) answer
}

// provoker is what provocations need ready.
type provoker struct {
	token   string // of the pizza app, scope SMS
	noScope string // of the pizza app, scope MMS
	revoked string
}

const outbox = "/sms/v3/messaging/outbox"

func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}
}

func post(w *world, header map[string]string, body string) answer {
	return w.do(w.info.API, request{http.MethodPost, outbox, body, header})
}

func form(w *world, path string, pairs ...string) answer {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return w.do(w.info.API, request{http.MethodPost, path, v.Encode(), map[string]string{"Content-Type": "application/x-www-form-urlencoded"}})
}

// authorize is Get User Authorization as a program sees it.
func authorize(w *world, pairs ...string) answer {
	v := url.Values{"client_id": {"pizza-key"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return w.do(w.info.API, request{http.MethodGet, "/oauth/v4/authorize?" + v.Encode(), "", nil})
}

// sms is the JSON body of a send.
func smsBody(address any, message string, notify bool) string {
	b, _ := json.Marshal(map[string]any{"outboundSMSRequest": map[string]any{"address": address, "message": message, "notifyDeliveryStatus": notify}})
	return string(b)
}

func fault500(status int, path string) func(*world, *provoker) answer {
	return func(w *world, p *provoker) answer {
		w.admin(http.MethodPut, "/sandbox/v1/faults", map[string]any{"link": "api", "status": fmt.Sprint(status)}, nil)
		defer w.admin(http.MethodDelete, "/sandbox/v1/faults", nil, nil)
		if path != outbox {
			return form(w, path, "grant_type", "client_credentials")
		}
		return post(w, bearer(p.token), smsBody("tel:4255550100", "hi", false))
	}
}

var provocations = []provocation{
	// gateway
	{"POL0001", "authorization-missing", "Authorization parameter is missing", func(w *world, p *provoker) answer {
		return post(w, map[string]string{"Content-Type": "application/json"}, smsBody("tel:4255550100", "hi", false))
	}},
	{"POL0001", "token-invalid", "Authorization parameter value is incorrect", func(w *world, p *provoker) answer {
		return post(w, bearer(p.revoked), smsBody("tel:4255550100", "hi", false))
	}},
	{"POL0001", "scope", "The OAuth access token used in the request is not valid for the API", func(w *world, p *provoker) answer {
		return post(w, bearer(p.noScope), smsBody("tel:4255550100", "hi", false))
	}},
	{"POL0001", "quota-minute", "Too many requests", func(w *world, p *provoker) answer {
		w.app("slow", map[string]any{"short_codes": []string{"74993"}})
		w.admin(http.MethodPut, "/admin/v1/apps/slow/quotas/SMS", map[string]any{"per_minute": 1, "per_day": 1000}, nil)
		t := w.token("slow-key", "slow-secret", "SMS")
		var a answer
		for range 3 { // a minute may end in between
			if a = w.send(t, "4255550100", "hi"); a.status == http.StatusForbidden {
				break
			}
		}
		return a
	}},
	{"POL0001", "quota-day", "Quota exceeded", func(w *world, p *provoker) answer {
		w.app("rare", map[string]any{"short_codes": []string{"74994"}})
		w.admin(http.MethodPut, "/admin/v1/apps/rare/quotas/SMS", map[string]any{"per_minute": 1000, "per_day": 1}, nil)
		t := w.token("rare-key", "rare-secret", "SMS")
		w.send(t, "4255550100", "hi")
		return w.send(t, "4255550100", "hi")
	}},
	{"SVC0001", "internal", "*", fault500(500, outbox)},
	{"SVC0001", "unavailable", "*", fault500(503, outbox)},
	{"SVC0001", "bad-gateway", "Bad gateway", fault500(502, outbox)},
	{"SVC0001", "not-found", "Resource not found", func(w *world, p *provoker) answer {
		return w.do(w.info.API, request{http.MethodGet, "/sms/v3/nothing", "", bearer(p.token)})
	}},
	{"SVC0001", "method-not-allowed", "Method not allowed", func(w *world, p *provoker) answer {
		return w.do(w.info.API, request{http.MethodDelete, outbox, "", bearer(p.token)})
	}},
	{"SVC0001", "head-too-large", "*", func(w *world, p *provoker) answer {
		return post(w, map[string]string{"Authorization": "Bearer " + p.token, "X-Large": strings.Repeat("x", 20<<10)}, "{}")
	}},
	{"SVC0002", "body-too-large", "Content-Length", func(w *world, p *provoker) answer {
		return post(w, bearer(p.token), smsBody("tel:4255550100", strings.Repeat("x", 70<<10), false))
	}},
	{"SVC0002", "media-type", "Content-Type", func(w *world, p *provoker) answer {
		h := bearer(p.token)
		h["Content-Type"] = "text/csv"
		return post(w, h, "a,b")
	}},
	{"SVC0002", "content-coding", "Content-Encoding", func(w *world, p *provoker) answer {
		h := bearer(p.token)
		h["Content-Encoding"] = "gzip"
		return post(w, h, "xxx")
	}},
	{"SVC0002", "unparsable", "outboundSMSRequest", func(w *world, p *provoker) answer {
		return post(w, bearer(p.token), `{"outboundSMSRequest":`)
	}},
	{"SVC0002", "idempotency-malformed", "Idempotency-Key", func(w *world, p *provoker) answer {
		h := bearer(p.token)
		h["Idempotency-Key"] = strings.Repeat("k", 300)
		return post(w, h, smsBody("tel:4255550100", "hi", false))
	}},
	{"SVC0002", "idempotency-mismatch", "Idempotency-Key", func(w *world, p *provoker) answer {
		h := bearer(p.token)
		h["Idempotency-Key"] = "one"
		post(w, h, smsBody("tel:4255550100", "hi", false))
		return post(w, h, smsBody("tel:4255550100", "other", false))
	}},
	{"SVC0002", "idempotency-in-flight", "Idempotency-Key", func(w *world, p *provoker) answer {
		// One of two at once waits for the verdict of a number that takes ten seconds to answer; the
		// other finds the key in use.
		h := bearer(p.token)
		h["Idempotency-Key"] = "two"
		h["Prefer"] = "wait=5"
		answers := make(chan answer, 2)
		for range 2 {
			go func() { answers <- post(w, h, smsBody("tel:4255550161", "hi", false)) }()
		}
		refused, accepted := <-answers, <-answers
		if refused.status == http.StatusCreated {
			refused, accepted = accepted, refused
		}
		if accepted.status != http.StatusCreated {
			w.t.Errorf("the other one: %d %s", accepted.status, accepted.body)
		}
		return refused
	}},

	// SMS v3
	{"POL0002", "no-consent", "tel:+14255550113", func(w *world, p *provoker) answer { return w.send(p.token, "+14255550113", "hi") }},
	{"POL0003", "too-many-addresses", "", func(w *world, p *provoker) answer {
		var to []string
		for i := range 51 {
			to = append(to, fmt.Sprintf("tel:+142555502%02d", i))
		}
		return post(w, bearer(p.token), smsBody(to, "hi", false))
	}},
	{"POL0013", "duplicate-addresses", "", func(w *world, p *provoker) answer {
		return post(w, bearer(p.token), smsBody([]string{"tel:4255550100", "tel:+1 425-555-0100"}, "hi", false))
	}},
	{"SVC0001", "smpp-0064", "SMPP-0064 Temporary Error", func(w *world, p *provoker) answer { return w.send(p.token, "4255550110", "hi", "Prefer", "wait=5") }},
	{"SVC0001", "smpp-0066", "SMPP-0066 Invalid Destination Address", func(w *world, p *provoker) answer {
		return w.send(p.token, "4255550111", "hi", "Prefer", "wait=5")
	}},
	{"SVC0001", "smpp-000b", "SMPP-000B Invalid Destination Address", func(w *world, p *provoker) answer {
		return w.send(p.token, "4255550112", "hi", "Prefer", "wait=5")
	}},
	{"SVC0001", "dependency", "*", func(w *world, p *provoker) answer { // no sandbox link carries a foreign prefix once a live rule takes it
		w.app("live", map[string]any{"level": "production", "short_codes": []string{"74995"}})
		return w.send(w.token("live-key", "live-secret", "SMS"), "4255550100", "hi")
	}},
	{"SVC0002", "missing", "Message", func(w *world, p *provoker) answer {
		return post(w, bearer(p.token), `{"outboundSMSRequest":{"address":"tel:4255550100"}}`)
	}},
	{"SVC0002", "malformed", "Message", func(w *world, p *provoker) answer {
		return post(w, bearer(p.token), smsBody("tel:4255550100", strings.Repeat("x", 4097), false))
	}},
	{"SVC0002", "unknown-id", "RequestIdentifier", func(w *world, p *provoker) answer {
		return w.do(w.info.API, request{http.MethodGet, outbox + "/SMS00112233445566778899aabbccddeeff", "", bearer(p.token)})
	}},
	{"SVC0004", "no-valid-address", "Address", func(w *world, p *provoker) answer {
		return post(w, bearer(p.token), smsBody("tel:123456789012345678901", "hi", false))
	}},
	{"SVC0283", "receipt-not-possible", "", func(w *world, p *provoker) answer {
		return post(w, bearer(p.token), smsBody("tel:4255550100", "hi", true))
	}},

	// OAuth
	{"invalid_client", "unknown-client", "", func(w *world, p *provoker) answer {
		return form(w, "/oauth/v4/token", "grant_type", "client_credentials", "client_id", "nobody", "client_secret", "x", "scope", "SMS")
	}},
	{"invalid_client", "deleted", "", func(w *world, p *provoker) answer {
		w.app("gone", nil)
		w.admin(http.MethodDelete, "/admin/v1/apps/gone", nil, nil)
		return form(w, "/oauth/v4/token", "grant_type", "client_credentials", "client_id", "gone-key", "client_secret", "gone-secret", "scope", "SMS")
	}},
	{"invalid_client", "not-enabled", "", func(w *world, p *provoker) answer {
		return form(w, "/oauth/v4/token", "grant_type", "client_credentials", "client_id", "pizza-key", "client_secret", "pizza-secret", "scope", "PAYMENT")
	}},
	{"invalid_client", "wrong-secret", "", func(w *world, p *provoker) answer {
		return form(w, "/oauth/v4/token", "grant_type", "client_credentials", "client_id", "pizza-key", "client_secret", "wrong", "scope", "SMS")
	}},
	{"invalid_request", "code-missing", "", func(w *world, p *provoker) answer {
		return form(w, "/oauth/v4/token", "grant_type", "authorization_code", "client_id", "pizza-key", "client_secret", "pizza-secret")
	}},
	{"invalid_request", "grant-type-missing", "", func(w *world, p *provoker) answer {
		return form(w, "/oauth/v4/token", "client_id", "pizza-key", "client_secret", "pizza-secret", "scope", "SMS")
	}},
	{"unsupported_grant_type", "grant-type", "", func(w *world, p *provoker) answer {
		return form(w, "/oauth/v4/token", "grant_type", "password", "client_id", "pizza-key", "client_secret", "pizza-secret", "scope", "SMS")
	}},
	{"invalid_grant", "grant", "", func(w *world, p *provoker) answer {
		return form(w, "/oauth/v4/token", "grant_type", "refresh_token", "client_id", "pizza-key", "client_secret", "pizza-secret", "refresh_token", "nothing")
	}},
	{"invalid_request", "client-id-missing", "", func(w *world, p *provoker) answer {
		return form(w, "/oauth/v4/token", "grant_type", "client_credentials", "client_secret", "pizza-secret", "scope", "SMS")
	}},
	{"invalid_request", "refresh-token-missing", "", func(w *world, p *provoker) answer {
		return form(w, "/oauth/v4/token", "grant_type", "refresh_token", "client_id", "pizza-key", "client_secret", "pizza-secret")
	}},
	{"invalid_request", "http", "", func(w *world, p *provoker) answer {
		return w.do(w.info.API, request{http.MethodPost, "/oauth/v4/token", "{}", map[string]string{"Content-Type": "application/json"}})
	}},
	{"invalid_scope", "scope-missing", "", func(w *world, p *provoker) answer {
		return form(w, "/oauth/v4/token", "grant_type", "client_credentials", "client_id", "pizza-key", "client_secret", "pizza-secret")
	}},
	{"invalid_scope", "scope-invalid", "", func(w *world, p *provoker) answer {
		return form(w, "/oauth/v4/token", "grant_type", "client_credentials", "client_id", "pizza-key", "client_secret", "pizza-secret", "scope", "SMS,NONSENSE")
	}},
	{"invalid_request", "token-missing", "", func(w *world, p *provoker) answer {
		return form(w, "/oauth/v4/revoke", "client_id", "pizza-key", "client_secret", "pizza-secret")
	}},
	{"unsupported_token_type", "token-type", "", func(w *world, p *provoker) answer {
		return form(w, "/oauth/v4/revoke", "client_id", "pizza-key", "client_secret", "pizza-secret", "token", p.token, "token_type_hint", "id_token")
	}},

	// authorize: a body without a trusted redirect, the redirect otherwise
	{"invalid_request", "redirect-scheme", "", func(w *world, p *provoker) answer {
		return authorize(w, "scope", "IMMN", "redirect_uri", "app://pizza.example/callback")
	}},
	{"invalid_request", "redirect-mismatch", "", func(w *world, p *provoker) answer {
		return authorize(w, "scope", "IMMN", "redirect_uri", "https://pizza.example.evil/callback")
	}},
	{"access_denied", "not-on-network", "", func(w *world, p *provoker) answer {
		w.app("mobile", map[string]any{"scopes": []string{"IMMN"}, "redirect_uri": callbackURI, "on_network": true})
		return authorize(w, "client_id", "mobile-key", "scope", "IMMN")
	}},
	{"access_denied", "refused", "", func(w *world, p *provoker) answer {
		page := visitor.New(w.t, w.info.API).Open(w.t, authorizeURL("IMMN")).SignIn(w.t, "+14255550100", false, w.pinOf("+14255550100")).Press(w.t, "do=deny")
		return answer{page.Status, page.Header, page.Body}
	}},
	{"invalid_scope", "redirect", "", func(w *world, p *provoker) answer { return authorize(w, "scope", "IMMN,NONSENSE") }},
	{"invalid_request", "redirect-request", "", func(w *world, p *provoker) answer {
		return authorize(w, "scope", "IMMN", "code_challenge", strings.Repeat("a", 43), "code_challenge_method", "plain")
	}},
	{"unsupported_response_type", "response-type", "", func(w *world, p *provoker) answer {
		return authorize(w, "scope", "IMMN", "response_type", "token")
	}},
	{"unauthorized_client", "client", "", func(w *world, p *provoker) answer {
		w.app("native", map[string]any{"auth": "none", "secret": "", "scopes": []string{"IMMN", "SMS"}, "redirect_uri": "http://127.0.0.1/done"})
		return form(w, "/oauth/v4/token", "grant_type", "client_credentials", "client_id", "native-key", "scope", "SMS")
	}},
	{"invalid_request_uri", "request-uri", "", func(w *world, p *provoker) answer {
		return authorize(w, "request_uri", "urn:ietf:params:oauth:request_uri:nothing")
	}},
	{"invalid_dpop_proof", "dpop", "", func(w *world, p *provoker) answer {
		return w.do(w.info.API, request{http.MethodPost, "/oauth/v4/token", "grant_type=client_credentials&client_id=pizza-key&client_secret=pizza-secret&scope=SMS",
			map[string]string{"Content-Type": "application/x-www-form-urlencoded", "DPoP": "no.proof.this"}})
	}},
	{"server_error", "bad-gateway", "", fault500(502, "/oauth/v4/token")},
	{"server_error", "internal", "", fault500(500, "/oauth/v4/token")},
	{"temporarily_unavailable", "unavailable", "", fault500(503, "/oauth/v4/token")},
}

func TestEveryRowOfTheErrorTableIsAnsweredAsPublished(t *testing.T) {
	w := start(t, nil)
	w.app("pizza", map[string]any{"scopes": []string{"SMS", "MMS", "IMMN"}, "short_codes": []string{"74992"}, "redirect_uri": callbackURI})
	p := &provoker{token: w.token("pizza-key", "pizza-secret", "SMS"), noScope: w.token("pizza-key", "pizza-secret", "MMS"), revoked: w.token("pizza-key", "pizza-secret", "SMS")}
	if a := form(w, "/oauth/v4/revoke", "client_id", "pizza-key", "client_secret", "pizza-secret", "token", p.revoked); a.status != http.StatusOK {
		t.Fatalf("revoke: %d %s", a.status, a.body)
	}
	provoked := map[string]bool{}
	for _, c := range provocations {
		t.Run(c.code+" "+c.anchor, func(t *testing.T) {
			row, ok := fault.Lookup(c.code, c.anchor)
			if !ok {
				t.Fatal("not in the catalogue")
			}
			inner := *w
			inner.t = t
			a := c.provoke(&inner, p)
			checkAnswer(t, row, c.variables, a, w.info.API)
			provoked[c.code+"#"+c.anchor] = true
		})
	}
	elsewhere := map[fault.Due]int{}
	for _, row := range fault.All() {
		switch key := row.Code + "#" + row.Case; {
		case !row.Raised:
			if row.DueIn != fault.DueNever {
				t.Errorf("%s is never raised, yet due in %s", key, row.DueIn)
			}
		case due[row.DueIn]:
			if !provoked[key] {
				t.Errorf("%s is due in %s and nothing above provokes it", key, row.DueIn)
			}
		default:
			elsewhere[row.DueIn]++
		}
	}
	for part, n := range elsewhere {
		t.Logf("due with %s: %d rows", part, n)
	}
}

// checkAnswer compares an answer with a row of the catalogue, envelope and headers included.
func checkAnswer(t *testing.T, row fault.Row, variables string, a answer, api string) {
	t.Helper()
	if row.Case == "refused" && a.status == http.StatusSeeOther { // a redirect after a form
		a.status = http.StatusFound
	}
	if row.Case != "http" && a.status != row.Status {
		t.Errorf("status %d, want %d: %s", a.status, row.Status, a.body)
	}
	if row.Case == "http" && (a.status < 400 || a.status > 499) {
		t.Errorf("status %d, want a refusal", a.status)
	}
	if id := a.header.Get("X-Request-Id"); !strings.HasPrefix(id, "req_") || a.header.Get("X-systemTransactionId") != id {
		t.Errorf("request id %q, transaction id %q", id, a.header.Get("X-systemTransactionId"))
	}
	if want := fmt.Sprintf("<%s/errors/%s#%s>; rel=\"describedby\"", api, row.Code, row.Case); a.header.Get("Link") != want {
		t.Errorf("Link %q, want %q", a.header.Get("Link"), want)
	}
	if row.Status == http.StatusFound {
		to, err := url.Parse(a.header.Get("Location"))
		if q := to.Query(); err != nil || !strings.HasPrefix(to.String(), callbackURI+"?") || q.Get("error") != row.Code || q.Get("error_description") == "" {
			t.Errorf("Location %q, want %s with a description", to, row.Code)
		}
		return
	}
	if ct := a.header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
		t.Errorf("Content-Type %q", ct)
	}
	if strings.HasPrefix(row.Code, "POL") || strings.HasPrefix(row.Code, "SVC") {
		var e struct {
			RequestError map[string]struct{ MessageId, Text, Variables string }
		}
		if err := json.Unmarshal([]byte(a.body), &e); err != nil {
			t.Fatalf("not the envelope: %v in %s", err, a.body)
		}
		kind := "ServiceException"
		if strings.HasPrefix(row.Code, "POL") {
			kind = "PolicyException"
		}
		got, ok := e.RequestError[kind]
		if !ok || got.MessageId != row.Code || got.Text != row.Text {
			t.Errorf("answered %s, want %s in %s", a.body, row.Code, kind)
		}
		if variables == "*" && got.Variables == "" || variables != "*" && got.Variables != variables {
			t.Errorf("variables %q, want %q", got.Variables, variables)
		}
		return
	}
	var e struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || e.Error != row.Code || e.Description == "" {
		t.Errorf("answered %s, want %s with a description", a.body, row.Code)
	}
}

func TestErrorsComeInXMLToWhoAsksForIt(t *testing.T) {
	w := start(t, nil)
	a := w.do(w.info.API, request{http.MethodPost, outbox, "", map[string]string{"Accept": "application/xml"}})
	const want = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<RequestError><PolicyException><MessageId>POL0001</MessageId><Text>A policy error occurred. Error code is %1</Text><Variables>Authorization parameter is missing</Variables></PolicyException></RequestError>`
	if a.status != 400 || a.header.Get("Content-Type") != "application/xml" || strings.ReplaceAll(a.body, "\n", "") != strings.ReplaceAll(want, "\n", "") {
		t.Fatalf("%d %s\n%s", a.status, a.header.Get("Content-Type"), a.body)
	}
}

func TestAHeadThatNetHTTPWouldRefuseStillGetsAnAnswerAndTheConnectionEnds(t *testing.T) {
	w := start(t, nil)
	c, err := net.Dial("tcp", strings.TrimPrefix(w.info.API, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /sms/v3/messaging/inbox/1 HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n", strings.Repeat("x", 200<<10))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge || strings.Contains(string(b), "<html") {
		t.Fatalf("%s %s", resp.Status, b)
	}
}
