package console_test

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"longlines/api/adminv1"
	"longlines/console"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// person is a browser without a screen.
type person struct {
	t   *testing.T
	url string
	*http.Client
}

func visit(t *testing.T, url string) *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &person{t, url, &http.Client{Jar: jar, Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (p *person) get(path string) (*http.Response, string) {
	p.t.Helper()
	r, err := p.Get(p.url + path)
	return p.read(r, err)
}

func (p *person) post(path string, form url.Values, header ...string) (*http.Response, string) {
	p.t.Helper()
	r, err := http.NewRequest("POST", p.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return p.read(p.Do(r))
}

func (p *person) read(r *http.Response, err error) (*http.Response, string) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return r, string(body)
}

func (p *person) want(what string, r *http.Response, status int, location string) {
	p.t.Helper()
	if r.StatusCode != status || r.Header.Get("Location") != location {
		p.t.Errorf("%s: %d to %q, want %d to %q", what, r.StatusCode, r.Header.Get("Location"), status, location)
	}
}

// assetsOf lists the addresses that a page loads.
func assetsOf(page string) (all []string) {
	for _, m := range regexp.MustCompile(`(?:src|href)="(/console/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		all = append(all, m[1])
	}
	return all
}

func TestAStrangerGetsTheSignInPageAndNothingElse(t *testing.T) {
	p := start(t, false)
	known := visit(t, p.url)
	known.get("/?code=" + p.guard.Code())
	_, page := known.get("/phones")
	assets := assetsOf(page)
	if len(assets) != 4 {
		t.Fatalf("the page loads %q", assets)
	}
	who := visit(t, p.url)
	for _, path := range []string{"/", "/phones"} {
		r, body := who.get(path)
		who.want(path, r, http.StatusUnauthorized, "")
		if !strings.Contains(body, "Sign in") || strings.Contains(body, "sandbox-secret") || strings.Contains(body, "4255550100") {
			t.Errorf("%s shows a stranger %s", path, body)
		}
	}
	for _, path := range append(assets, "/console/none.css", "/favicon.ico", "/admin/v1/stream", "/admin/v1/links", "/sandbox/v1/phones", "/sandbox/v1/stream") {
		r, body := who.get(path)
		who.want(path, r, http.StatusUnauthorized, "")
		if len(body) > 300 {
			t.Errorf("%s tells a stranger %s", path, body)
		}
	}
	r, body := who.get("/signin")
	who.want("the sign-in page", r, http.StatusOK, "")
	for _, word := range []string{"admin-token", "longlines serve", "--ready-file"} {
		if !strings.Contains(body, word) {
			t.Errorf("the sign-in page does not say where the token stands: %s", word)
		}
	}
	r, _ = who.post("/signout", nil)
	who.want("to sign out without a sign-in", r, http.StatusSeeOther, "/")
}

func TestAPersonSignsInAndOut(t *testing.T) {
	p := start(t, false)

	t.Run("with the token", func(t *testing.T) {
		who := visit(t, p.url)
		r, body := who.post("/signin", url.Values{"token": {"wrong"}})
		who.want("a wrong token", r, http.StatusUnauthorized, "")
		if !strings.Contains(body, "That is not the admin token of this server.") || strings.Contains(body, "wrong\"") && strings.Contains(body, "value=") {
			t.Errorf("a wrong token: %s", body)
		}
		r, body = who.post("/signin", nil)
		who.want("no token", r, http.StatusUnauthorized, "")
		if !strings.Contains(body, "Paste the admin token first.") {
			t.Errorf("no token: %s", body)
		}
		r, _ = who.post("/signin", url.Values{"token": {" " + token + "\n"}})
		who.want("the token, as it is pasted", r, http.StatusSeeOther, "/")
		r, _ = who.get("/")
		who.want("the start", r, http.StatusSeeOther, "/phones")
		r, _ = who.get("/signin")
		who.want("the sign-in page of somebody signed in", r, http.StatusSeeOther, "/")
		r, body = who.get("/phones")
		who.want("the phones", r, http.StatusOK, "")
		for _, word := range []string{`data-number="&#43;14255550100"`, "&#43;1 425 555 0101", "sandbox up", "client_secret=sandbox-secret", "delivered, then replies OK"} {
			if !strings.Contains(body, word) {
				t.Errorf("the page lacks %s", word)
			}
		}
		r, _ = who.post("/signout", nil)
		who.want("to sign out", r, http.StatusSeeOther, "/signin")
		r, _ = who.get("/phones")
		who.want("the phones afterwards", r, http.StatusUnauthorized, "")
	})

	t.Run("with the link that longlines serve prints", func(t *testing.T) {
		for path, to := range map[string]string{"/": "/", "/signin": "/", "/phones": "/phones", "/requests/req_01JQ8T6C3M0000000000000000": "/requests/req_01JQ8T6C3M0000000000000000",
			"/requests?status=4xx": "/requests?status=4xx", "/nothing": "/nothing", "/%5Cevil.example": "/%5Cevil.example", "/%2Fevil.example": "/",
			"/phones/+14255550100/page?path=%2F": "/phones", "/signout": "/"} {
			who := visit(t, p.url)
			sign := "?"
			if strings.Contains(path, "?") {
				sign = "&"
			}
			r, _ := who.get(path + sign + "code=" + p.guard.Code())
			who.want("the link to "+path, r, http.StatusSeeOther, to)
			r, _ = who.get("/phones")
			who.want("the phones", r, http.StatusOK, "")
			r, _ = who.get("/phones?code=stale")
			who.want("a stale link for somebody signed in", r, http.StatusSeeOther, "/phones")
		}
		who := visit(t, p.url)
		r, body := who.get("/signin?code=stale")
		who.want("a stale link", r, http.StatusUnauthorized, "")
		if !strings.Contains(body, "from an earlier start") || strings.Contains(body, "stale\"") {
			t.Errorf("a stale link: %s", body)
		}
		r, _ = who.get("/signin?code=")
		who.want("an empty code", r, http.StatusUnauthorized, "")
	})

	t.Run("and comes to the page that was asked for", func(t *testing.T) {
		for path, to := range map[string]string{"/phones": "/phones", "/requests?app=pizza&status=4xx": "/requests?app=pizza&status=4xx", "/messages/SMS%22%3E": "/messages/SMS%22%3E",
			"/": "/", "/signin": "/", "/phones/+14255550100/page?path=%2Fconsents": "/phones", "/requests?x=" + strings.Repeat("x", 3000): "/"} {
			who := visit(t, p.url)
			_, body := who.get(path)
			form := url.Values{"token": {"wrong"}}
			hidden := func() {
				form.Del("to")
				if m := regexp.MustCompile(`<input type="hidden" name="to" value="([^"]*)">`).FindStringSubmatch(body); m != nil {
					form.Set("to", html.UnescapeString(m[1]))
				}
			}
			hidden()
			_, body = who.post("/signin", form) // a slip does not lose the page
			hidden()
			form.Set("token", token)
			r, _ := who.post("/signin", form)
			who.want("the sign-in at "+path, r, http.StatusSeeOther, to)
		}
		for _, to := range []string{"//evil.example", "https://evil.example/", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "///evil.example", "/%2F/evil.example", "/..//evil.example",
			"/.//evil.example", "javascript:alert(1)", "evil.example", "https:/evil.example", "https:evil.example", " //evil.example", "/%2e%2e//evil.example", "//", "%zz", "\r\nLocation: //evil.example"} {
			who := visit(t, p.url)
			r, _ := who.post("/signin", url.Values{"token": {token}, "to": {to}})
			at, err := r.Location()
			if err != nil || r.StatusCode != http.StatusSeeOther || at.Scheme+"://"+at.Host != p.url || strings.HasPrefix(at.Path, "//") || strings.ContainsAny(r.Header.Get("Location"), "\\\t\r\n") {
				t.Errorf("a sign-in for %q leads to %q", to, r.Header.Get("Location"))
			}
		}
		who := visit(t, p.url)
		r, _ := who.post("/subscribers/+14255550100/revoke", nil) // a change is not made by a sign-in
		if who.want("a change without a sign-in", r, r.StatusCode, ""); r.StatusCode/100 != 4 {
			t.Errorf("a change without a sign-in: %d", r.StatusCode)
		}
	})

	t.Run("but not from another site", func(t *testing.T) {
		who := visit(t, p.url)
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "http://evil.example"}} {
			r, _ := who.post("/signin", url.Values{"token": {token}}, header...)
			who.want("a foreign form", r, http.StatusForbidden, "")
			if r.Header.Get("Set-Cookie") != "" {
				t.Error("a foreign form signs in")
			}
		}
		who.post("/signin", url.Values{"token": {token}})
		r, _ := who.post("/signout", nil, "Sec-Fetch-Site", "cross-site")
		who.want("a foreign sign-out", r, http.StatusSeeOther, "/")
		r, _ = who.get("/phones")
		who.want("the phones after a foreign sign-out", r, http.StatusOK, "")
	})

	t.Run("with a form that is too long", func(t *testing.T) {
		who := visit(t, p.url)
		r, _ := who.post("/signin", url.Values{"token": {strings.Repeat("x", 8<<10)}})
		who.want("a long form", r, http.StatusBadRequest, "")
	})
}

func TestPagesLoadNothingFromElsewhere(t *testing.T) {
	p := start(t, false)
	who := visit(t, p.url)
	_, signin := who.get("/signin")
	who.get("/?code=" + p.guard.Code())
	r, page := who.get("/phones")
	_, missing := who.get("/nothing/here")
	files := map[string]string{"/signin": signin, "/phones": page, "/nothing/here": missing}
	for _, at := range assetsOf(page) {
		r, body := who.get(at)
		who.want(at, r, http.StatusOK, "")
		files[at] = body
		if cc := r.Header.Get("Cache-Control"); cc != "private, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control %q", at, cc)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Content-Type") == "" {
			t.Errorf("%s: headers %v", at, r.Header)
		}
	}
	address := regexp.MustCompile(`(?i)(?:https?:)?//[a-z0-9][^\s"'<>)]*`)
	for at, body := range files {
		for _, a := range address.FindAllString(body, -1) {
			ours := strings.HasPrefix(a, "http://127.0.0.1:8100/") || strings.HasPrefix(a, "http://www.w3.org/2000/svg")
			if !ours {
				t.Errorf("%s names %s", at, a)
			}
		}
		if regexp.MustCompile(`(?i)<script[^>]*>[^<]|\son[a-z]+=|style="|javascript:`).MatchString(body) && !strings.HasSuffix(at, ".js") {
			t.Errorf("%s has a script or a style of its own", at)
		}
	}
	want := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
	if got := r.Header.Get("Content-Security-Policy"); got != want {
		t.Errorf("Content-Security-Policy %s", got)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
	if n := len(page) + len(files[assetsOf(page)[0]]) + len(files[assetsOf(page)[1]]) + len(files[assetsOf(page)[2]]); n > 500<<10 {
		t.Errorf("the page and what it loads are %d octets", n)
	}
	r, _ = who.get("/nothing/here")
	who.want("nothing", r, http.StatusNotFound, "")
}

func TestTheThemeOfTheFirstPaintIsTheOneChosen(t *testing.T) {
	p := start(t, false)
	for value, want := range map[string]string{"dark": `<html lang="en" data-theme="dark">`, "light": `<html lang="en" data-theme="light">`, "purple": `<html lang="en">`, "": `<html lang="en">`} {
		who := visit(t, p.url)
		u, _ := url.Parse(p.url)
		who.Jar.SetCookies(u, []*http.Cookie{{Name: "longlines_theme", Value: value}})
		if _, body := who.get("/signin"); !strings.Contains(body, want) {
			t.Errorf("theme %q on the sign-in page: not %s", value, want)
		}
		who.get("/?code=" + p.guard.Code())
		if _, body := who.get("/phones"); !strings.Contains(body, want) {
			t.Errorf("theme %q: not %s", value, want)
		}
	}
}

func TestWithoutAVirtualNetworkTheStartShowsTheLinks(t *testing.T) {
	admin := http.NewServeMux()
	admin.HandleFunc("GET /admin/v1/links", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"links":[{"name":"att","state":{"up":false,"phase":"waiting","error":"ESME_RBINDFAIL"}}]}`)
	})
	g := adminv1.NewGuard(token)
	s := httptest.NewServer(console.New(console.Config{Guard: g, Admin: admin, APIURL: "https://api.example.net/"}))
	t.Cleanup(s.Close)
	who := visit(t, s.URL)
	who.get("/?code=" + g.Code())
	r, _ := who.get("/phones")
	who.want("the phones that are not there", r, http.StatusSeeOther, "/")
	r, body := who.get("/")
	who.want("the start", r, http.StatusOK, "")
	for _, word := range []string{"att waiting", "ESME_RBINDFAIL", `<h1 id="live-title">Live</h1>`, `href="https://api.example.net/errors"`} {
		if !strings.Contains(body, word) {
			t.Errorf("the start lacks %s", word)
		}
	}
	for _, word := range []string{`id="phones"`, "client_secret", "Send me a text", "Open a page on this phone"} {
		if strings.Contains(body, word) {
			t.Errorf("the start has %s", word)
		}
	}
	for _, path := range []string{"/callback", "/phones/+14255550100/page?path=%2F"} {
		r, _ = who.get(path)
		who.want(path, r, http.StatusNotFound, "")
	}
}

func TestAMinuteEndsByTheClockOfThePlatform(t *testing.T) {
	admin := http.NewServeMux()
	admin.HandleFunc("GET /admin/v1/apps/pizza", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"name":"pizza","key":"pizza-key"}`) })
	admin.HandleFunc("GET /admin/v1/quotas", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"quotas":[{"app":"pizza","api":"SMS","per_minute":60,"per_day":5000,"used_minute":1,"used_day":1,"minute_ends":"2026-01-02T15:05:00Z","day_ends":"2026-01-03T00:00:00Z"}]}`)
	})
	admin.HandleFunc("GET /admin/v1/consents", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"consents":[]}`) })
	g := adminv1.NewGuard(token)
	s := httptest.NewServer(console.New(console.Config{Guard: g, Admin: admin, APIURL: "http://127.0.0.1:8100",
		Now: func() time.Time { return time.Date(2026, 1, 2, 15, 4, 42, 500_000_000, time.UTC) }}))
	t.Cleanup(s.Close)
	who := visit(t, s.URL)
	who.get("/?code=" + g.Code())
	if _, body := who.get("/apps/pizza"); !strings.Contains(body, "1 of 60 this minute, resets in 18 s") {
		t.Errorf("the page of the app: %s", body)
	}
}

// The curl lines go into a shell, so whatever the demo app has must come out of it as one word.
func TestTheCurlLinesAreQuotedForAShell(t *testing.T) {
	admin := http.NewServeMux()
	g := adminv1.NewGuard(token)
	s := httptest.NewServer(console.New(console.Config{Guard: g, Admin: admin, APIURL: "http://127.0.0.1:8100",
		Demo: &console.DemoApp{Key: "plain-key_1.2", Secret: "it's $5 & more", ShortCode: "48507"}}))
	t.Cleanup(s.Close)
	who := visit(t, s.URL)
	who.get("/?code=" + g.Code())
	_, body := who.get("/")
	if !strings.Contains(body, `-d client_id=plain-key_1.2 -d client_secret=&#39;it&#39;\&#39;&#39;s $5 &amp; more&#39;`) {
		t.Errorf("the lines are %s", body[strings.Index(body, "<pre"):strings.LastIndex(body, "</pre>")])
	}
}

func TestTheScriptHasNoWayToMakeMarkupOfData(t *testing.T) {
	for _, name := range []string{"app.js", "frame.js", "callback.js"} {
		script, err := os.ReadFile("static/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"} {
			if strings.Contains(string(script), word) {
				t.Errorf("%s uses %s", name, word)
			}
		}
	}
}
