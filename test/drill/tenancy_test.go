package drill

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// What is not yours cannot be told from what is not there (docs/reference/reliability.md P22, T1).
func TestNobodySeesWhatBelongsToAnotherApp(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	owner := w.app("pizza", map[string]any{"short_codes": []string{"74992"}})
	other := w.app("mallory", map[string]any{"short_codes": []string{"74993"}})
	revoked := w.token("mallory")
	form := "application/x-www-form-urlencoded"
	revoke := func(name, token string) answer {
		return w.do(http.MethodPost, w.info.API+"/oauth/v4/revoke", url.Values{"client_id": {name + "-key"}, "client_secret": {name + "-secret-0123456789"},
			"token": {token}, "token_type_hint": {"access_token"}}.Encode(), "Content-Type", form)
	}
	if a := revoke("mallory", revoked); a.status != http.StatusOK {
		t.Fatalf("revoke: %d %s", a.status, a.body)
	}
	gone := w.app("gone", map[string]any{"short_codes": []string{"74994"}})
	goneID := messageID(t, w.send(gone, "+14255550100", "from an app that is deleted"))
	w.admin(http.MethodDelete, "/admin/v1/apps/gone", nil, nil)

	const secret = "the owner's secret text"
	id := messageID(t, w.send(owner, "+14255550100", secret))
	w.say("+14255550101", "74992", secret)
	await(t, "the text from the handset is stored", func() bool {
		var l struct {
			Links []linkState `json:"links"`
		}
		w.admin(http.MethodGet, "/admin/v1/links", nil, &l)
		return l.Links[0].State.Counters.Incoming == 1
	})
	ask := func(token, path, accept string) answer {
		h := []string{"Accept", accept}
		if token != "" {
			h = append(h, "Authorization", "Bearer "+token)
		}
		a := w.do(http.MethodGet, w.info.API+path, "", h...)
		a.body = strings.ReplaceAll(a.body, a.header.Get("X-Request-Id"), "") // in a problem document
		return a
	}
	names := func(h http.Header) string {
		var s []string
		for n := range h {
			s = append(s, n)
		}
		return fmt.Sprint(len(s)) + h.Get("Content-Type") + h.Get("Link")
	}
	same := func(what string, a, b answer) {
		t.Helper()
		if a.status != b.status || a.body != b.body || names(a.header) != names(b.header) {
			t.Errorf("%s can be told apart: %d %s %v, and %d %s %v", what, a.status, a.body, a.header, b.status, b.body, b.header)
		}
		if strings.Contains(a.body, secret) || strings.Contains(a.body, id) {
			t.Errorf("%s leaks: %s", what, a.body)
		}
	}
	nowhere := "SMS" + strings.Repeat("0123456789abcdef", 2)
	for _, accept := range []string{"application/json", "application/xml", "application/problem+json"} {
		for name, token := range map[string]string{"another app": other, "a revoked token": revoked, "a deleted app": gone, "no token": "", "the admin token": w.info.AdminToken} {
			same(name+" asks for a status", ask(token, outbox+"/"+id, accept), ask(token, outbox+"/"+nowhere, accept))
			same(name+" asks for an inbox", ask(token, "/sms/v3/messaging/inbox/74992", accept), ask(token, "/sms/v3/messaging/inbox/11111", accept))
		}
		for name, token := range map[string]string{"a revoked token": revoked, "a deleted app": gone, "the admin token": w.info.AdminToken} {
			if a := ask(token, outbox+"/"+id, accept); a.status != http.StatusUnauthorized {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		same("the owner asks for the text of a deleted app", ask(owner, outbox+"/"+goneID, accept), ask(owner, outbox+"/"+nowhere, accept))
	}
	for name, token := range map[string]string{"a revoked token": revoked, "a deleted app": gone, "the admin token": w.info.AdminToken} {
		if a := w.send(token, "+14255550100", "x"); a.status != http.StatusUnauthorized || ours(a, outbox, "") != "" {
			t.Errorf("%s sends: %d %s", name, a.status, a.body)
		}
	}

	// Nobody ends or uses the tokens of another.
	if a := revoke("mallory", owner); a.status/100 == 5 {
		t.Errorf("revoke of another's token: %d %s", a.status, a.body)
	}
	if s := w.status(owner, id); s == "" {
		t.Error("another app has revoked the owner's token")
	}
	a := w.do(http.MethodPost, w.info.API+"/oauth/v4/token", "grant_type=client_credentials&scope=SMS&client_id=pizza-key&client_secret=pizza-secret-0123456789", "Content-Type", form)
	var tok struct{ Access_token, Refresh_token string }
	if json.Unmarshal([]byte(a.body), &tok); tok.Refresh_token == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	steal := func(name, token string) answer {
		return w.do(http.MethodPost, w.info.API+"/oauth/v4/token", "grant_type=refresh_token&client_id="+name+"-key&client_secret="+name+"-secret-0123456789&refresh_token="+token, "Content-Type", form)
	}
	stolen, made := steal("mallory", tok.Refresh_token), steal("mallory", "nothing-of-the-kind")
	if stolen.status != made.status || stolen.body != made.body || stolen.status/100 != 4 {
		t.Errorf("another's refresh token: %d %s, and one that is not there: %d %s", stolen.status, stolen.body, made.status, made.body)
	}
	if a := steal("pizza", tok.Refresh_token); a.status != http.StatusOK {
		t.Errorf("the owner's refresh token no longer works: %d %s", a.status, a.body)
	}
	// An access token does not refresh, a refresh token opens nothing.
	if a := steal("pizza", owner); a.status/100 != 4 {
		t.Errorf("an access token refreshes: %d", a.status)
	}
	if a := ask(tok.Refresh_token, outbox+"/"+id, ""); a.status != http.StatusUnauthorized {
		t.Errorf("a refresh token opens: %d", a.status)
	}
	// The key of an app that is deleted, and one that never was.
	dead, never := steal("gone", "x"), steal("never", "x")
	if dead.status != never.status || dead.body != never.body {
		t.Errorf("a deleted app: %d %s, and none: %d %s", dead.status, dead.body, never.status, never.body)
	}

	// And the owner has it all.
	if a := ask(owner, "/sms/v3/messaging/inbox/74992", ""); !strings.Contains(a.body, secret) && !strings.Contains(a.body, `the owner\u0027s`) {
		t.Errorf("the owner's inbox: %d %s", a.status, a.body)
	}
}

func TestTheAdminListenerOpensToTheAdminTokenOnly(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	token := w.app("mallory", nil)
	a := w.do(http.MethodGet, w.info.Admin+"/admin/v1/openapi.json", "", "Authorization", "Bearer "+w.info.AdminToken)
	var doc struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil || len(doc.Paths) < 10 {
		t.Fatalf("%v %d paths", err, len(doc.Paths))
	}
	type call struct{ method, path string }
	calls := []call{{"GET", "/admin/v1/nothing"}, {"GET", "/admin/v1/openapi.json"}, {"GET", "/sandbox/v1/phones"}, {"GET", "/sandbox/v1/messages"}, {"POST", "/sandbox/v1/messages"},
		{"PUT", "/sandbox/v1/faults"}, {"DELETE", "/sandbox/v1/faults"}, {"GET", "/debug/pprof/heap"}, {"GET", "/debug/pprof/cmdline"}, {"GET", "//admin/v1/apps"}, {"GET", "/admin/v1/../v1/apps"}}
	for path, methods := range doc.Paths {
		for method := range methods {
			calls = append(calls, call{strings.ToUpper(method), strings.NewReplacer("{name}", "mallory", "{id}", "x", "{api}", "SMS").Replace(path)})
		}
	}
	for _, c := range calls {
		for who, header := range map[string]string{"nobody": "", "an app": "Bearer " + token, "a wrong token": "Bearer " + strings.ToLower(w.info.AdminToken), "an empty token": "Bearer ",
			"half the token": "Bearer " + w.info.AdminToken[:len(w.info.AdminToken)-1], "Basic": "Basic " + w.info.AdminToken} {
			a := w.do(c.method, w.info.Admin+c.path, "{}", "Authorization", header, "Content-Type", "application/json")
			if a.status/100 == 2 || a.status >= 500 || strings.Contains(a.body, "mallory-key") || strings.Contains(a.body, "goroutine") {
				t.Errorf("%s calls %s %s: %d %.200s", who, c.method, c.path, a.status, a.body)
			}
		}
	}
	// A page of another site cannot use the console's cookie: there is none without signing in.
	if a := w.do(http.MethodGet, w.info.Admin+"/signin?code=guess", ""); len(a.header["Set-Cookie"]) != 0 {
		t.Errorf("a guessed code signs in: %v", a.header)
	}
}
