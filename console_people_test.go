package longlines_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"longlines/app"
	"longlines/test/tab"
	"longlines/test/visitor"
)

// The console's pages of apps, subscribers and the audit log, before a whole platform.

// operator is a browser that is signed in to the console.
func (w *world) operator() *visitor.Visitor {
	w.t.Helper()
	v := visitor.New(w.t, w.info.Admin)
	if page := v.Open(w.t, w.info.ConsoleLink()); page.Status != http.StatusOK {
		w.t.Fatalf("sign-in: %d %s", page.Status, page.Text)
	}
	return v
}

// says fails unless the page is there and says all of it.
func says(t *testing.T, p *visitor.Page, status int, want ...string) {
	t.Helper()
	if p.Status != status {
		t.Errorf("%s: %d, want %d: %s", p.URL, p.Status, status, p.Text)
	}
	for _, s := range want {
		if !strings.Contains(p.Text, s) {
			t.Errorf("%s does not say %q: %s", p.URL, s, p.Text)
		}
	}
}

// within is the text of the table row that has a text, the first such; "" if there is none.
func within(p *visitor.Page, text string) string {
	for row := range strings.SplitSeq(p.Body, "<tr") {
		if row, _, _ = strings.Cut(row, "</tr>"); strings.Contains(row, text) {
			return row
		}
	}
	return ""
}

var rateLimit = regexp.MustCompile(`"minute";r=(\d+);t=\d+, "day";r=(\d+);t=\d+`)

func TestTheConsoleShowsAppsWithWhatTheyHaveSpent(t *testing.T) {
	w := start(t, nil)
	w.admin(http.MethodPost, "/admin/v1/apps", map[string]any{"name": "pizza", "key": "pizza-key", "secret": "pizza-secret", "scopes": []string{"SMS", "IMMN"},
		"short_codes": []string{"74992"}, "owner": "Pizza Palace", "redirect_uri": callbackURI, "status_listener": "https://pizza.example/statuses"}, nil)
	v := w.operator()
	token := w.token("pizza-key", "pizza-secret", "SMS")

	// What is spent is what the RateLimit header says. A minute may end, or a lease be on its way, in between.
	await(t, "the figures of the RateLimit header", func() bool {
		a := w.send(token, "+14255550100", "hi")
		left := rateLimit.FindStringSubmatch(a.header.Get("RateLimit"))
		if left == nil {
			t.Fatalf("%d RateLimit %q", a.status, a.header.Get("RateLimit"))
		}
		var minute, day int
		fmt.Sscan(left[1], &minute)
		fmt.Sscan(left[2], &day)
		spent := func(p *visitor.Page, in string) bool {
			return regexp.MustCompile(fmt.Sprintf(`%d of 60 this minute, resets in [1-6]?\d s`, 60-minute)).MatchString(in) && strings.Contains(in, fmt.Sprintf("%d of 5,000 today", 5000-day))
		}
		list, one := v.Open(t, "/apps"), v.Open(t, "/apps/pizza")
		return spent(list, within(list, "pizza-key")) && spent(one, one.Text)
	})

	list := v.Open(t, "/apps")
	says(t, list, http.StatusOK, "Pizza Palace", "pizza-key", "74992", "demo")
	one := v.Open(t, "/apps/pizza")
	says(t, one, http.StatusOK, "pizza-key", "sandbox", "by its secret", "Pizza Palace", "74992", callbackURI, "https://pizza.example/statuses", "texts under its own number",
		"longlines app set pizza --scopes 'SMS,IMMN'", "longlines app set pizza --short-code 74992", "longlines quota set --app pizza --api SMS --per-minute 60 --per-day 5000",
		"longlines app rotate pizza", "longlines app promote pizza", "longlines app delete pizza", "Nobody has allowed this app anything yet",
		w.info.API+"/oauth/v4/authorize?client_id=pizza-key")
	for _, link := range []string{"/requests?app=pizza", "/messages?app=pizza", "/audit?object=app&#43;pizza"} {
		if !strings.Contains(one.Body, `href="`+link+`"`) {
			t.Errorf("no link to %s", link)
		}
	}
	for _, p := range []*visitor.Page{list, one} {
		if strings.Contains(p.Body, "pizza-secret") || strings.Contains(p.Body, "argon2") || strings.Contains(p.Body, "sandbox-secret") {
			t.Errorf("%s shows a secret", p.URL)
		}
	}
	says(t, v.Open(t, "/audit?object=app+pizza"), http.StatusOK, "POST /admin/v1/apps", `"Pizza Palace"`)

	t.Run("a quota that is all spent, and one of the OAuth paths", func(t *testing.T) {
		w.admin(http.MethodPut, "/admin/v1/apps/pizza/quotas/SMS", map[string]any{"per_day": 1}, nil)
		w.admin(http.MethodPut, "/admin/v1/apps/pizza/quotas/OAuth", map[string]any{"per_minute": 7}, nil)
		says(t, v.Open(t, "/apps/pizza"), http.StatusOK, "all spent: 1 of 1 today", "0 of 7 this minute", "longlines quota set --app pizza --api OAuth --per-minute 7 --per-day 5000")
	})
	t.Run("every scope has words", func(t *testing.T) {
		w.admin(http.MethodPost, "/admin/v1/apps", map[string]any{"name": "everything", "scopes": app.Scopes()}, nil)
		p := v.Open(t, "/apps/everything")
		for _, s := range app.Scopes() {
			if !regexp.MustCompile(`<li><b>` + string(s) + `</b> <span>[a-z]`).MatchString(p.Body) {
				t.Errorf("%s has none", s)
			}
		}
	})
	t.Run("the traits of an app", func(t *testing.T) {
		w.admin(http.MethodPost, "/admin/v1/apps", map[string]any{"name": "native", "auth": "none", "redirect_uri": "https://n.example/cb", "dpop": true, "on_network": true}, nil)
		row := within(v.Open(t, "/apps"), `href="/apps/native"`)
		for _, word := range []string{"public", "DPoP", "on the network"} {
			if !strings.Contains(row, "<span>"+word+"</span>") {
				t.Errorf("%s: not in %s", word, row)
			}
		}
		p := v.Open(t, "/apps/native")
		says(t, p, http.StatusOK, "a public app, which must use PKCE", "only from a device on the network")
		if strings.Contains(p.Text, "longlines app rotate") {
			t.Error("a secret is offered to a public app")
		}
	})
	t.Run("whatever the name is", func(t *testing.T) {
		const name = `it's <b>50%</b> "off"/x?`
		w.admin(http.MethodPost, "/admin/v1/apps", map[string]any{"name": name}, nil)
		href := regexp.MustCompile(`href="(/apps/[^"]*50[^"]*)"`).FindStringSubmatch(v.Open(t, "/apps").Body)
		if href == nil {
			t.Fatal("it is not listed")
		}
		p := v.Open(t, href[1])
		says(t, p, http.StatusOK, name, `longlines app delete 'it'\''s <b>50%</b> "off"/x?'`)
		if strings.Contains(p.Body, "<b>50%") {
			t.Error("its name is markup")
		}
	})
	t.Run("deleted apps are shown to who asks", func(t *testing.T) {
		w.admin(http.MethodPost, "/admin/v1/apps", map[string]any{"name": "gone", "key": "gone-key"}, nil)
		w.admin(http.MethodDelete, "/admin/v1/apps/gone", nil, nil)
		if p := v.Open(t, "/apps"); strings.Contains(p.Text, "gone-key") {
			t.Error("it is shown")
		}
		if row := within(v.Open(t, "/apps?deleted=yes"), "gone-key"); !strings.Contains(row, "<span>deleted</span>") || strings.Contains(row, `href="/apps/`) {
			t.Errorf("the row is %s", row)
		}
	})
	t.Run("apps are found", func(t *testing.T) {
		p := v.Open(t, "/apps?name=PIZZA-k")
		says(t, p, http.StatusOK, "pizza-key")
		if strings.Contains(p.Text, "sandbox-demo") {
			t.Error("others are shown too")
		}
		says(t, v.Open(t, "/apps?name=nothing-like-it"), http.StatusOK, "No app fits")
		says(t, v.Open(t, "/apps?after=nobody"), http.StatusUnprocessableEntity, "After: not the next of a page.")
	})
	t.Run("a list that is longer than a page", func(t *testing.T) {
		for i := range 30 {
			w.admin(http.MethodPost, "/admin/v1/apps", map[string]any{"name": fmt.Sprintf("many %02d", i)}, nil)
		}
		p := v.Open(t, "/apps?name=many")
		says(t, p, http.StatusOK, "many 24")
		next := regexp.MustCompile(`href="(/apps\?[^"]*after=[^"]*)"`).FindStringSubmatch(p.Body)
		if next == nil || strings.Contains(p.Text, "many 25") {
			t.Fatalf("no next page: %s", p.Text)
		}
		p = v.Open(t, strings.ReplaceAll(next[1], "&amp;", "&"))
		says(t, p, http.StatusOK, "many 25", "many 29", "Back to the first")
		if strings.Contains(p.Text, "many 24") || strings.Contains(p.Body, "after=") {
			t.Errorf("the last page: %s", p.Text)
		}
	})
	says(t, v.Open(t, "/apps/nobody"), http.StatusNotFound, `"nobody": no such app`)
	if p := visitor.New(t, w.info.Admin).Open(t, "/apps/pizza"); p.Status != http.StatusUnauthorized || strings.Contains(p.Body, "pizza-key") {
		t.Errorf("a stranger gets %d %s", p.Status, p.Text)
	}
}

func TestAnOperatorTakesBackConsentsAndSignsBrowsersOut(t *testing.T) {
	w := consentWorld(t, nil)
	const phone, other = "+14255550100", "+14255550101"
	v := w.operator()
	says(t, v.Open(t, "/subscribers"), http.StatusOK, "Nobody has allowed an app anything yet")
	says(t, v.Open(t, "/subscribers/"+phone), http.StatusOK, "+1 425 555 0100", "No app may act for this number", "Nobody is refused")

	access, _, _ := w.redeem(w.consent(visitor.New(t, w.info.API), phone, authorizeURL("SMS,IMMN")))
	if access == "" {
		t.Fatal("no consent")
	}
	w.consent(visitor.New(t, w.info.API), phone, authorizeURL("SMS,IMMN")) // another browser
	w.consent(visitor.New(t, w.info.API), other, authorizeURL("MIM"))
	w.admin(http.MethodPut, "/admin/v1/subscribers/"+phone+"/optouts?app=demo", nil, nil)
	audit := func() (entries []struct{ Action, Object string }) {
		var a struct {
			Entries []struct{ Action, Object string }
		}
		w.admin(http.MethodGet, "/admin/v1/audit", nil, &a)
		return a.Entries
	}

	t.Run("numbers are masked, unless somebody asks and the audit log says so", func(t *testing.T) {
		list := v.Open(t, "/subscribers")
		says(t, list, http.StatusOK, "pizza", "read and manage the subscriber's messages", "send messages from the subscriber's number", "by a PIN", "in force", "Show whole numbers")
		of := v.Open(t, "/apps/pizza")
		says(t, of, http.StatusOK, "by a PIN", "Show whole numbers")
		for _, p := range []*visitor.Page{list, of} {
			if rows := p.Body[strings.Index(p.Body, "<tbody>"):]; strings.Contains(rows, "5550100") || strings.Contains(rows, "555 0100") {
				t.Errorf("%s shows a whole number", p.URL)
			}
		}
		before := len(audit())
		for _, path := range []string{"/subscribers?reveal=yes", "/apps/pizza?reveal=yes"} {
			p := v.Open(t, path)
			says(t, p, http.StatusOK, "+1 425 555 0100", "+1 425 555 0101")
			if !strings.Contains(strings.ReplaceAll(p.Body, "&#43;", "+"), `href="/subscribers/`+phone+`"`) {
				t.Errorf("%s does not lead to the number", path)
			}
		}
		if after := audit(); len(after) != before+2 || after[0].Action != "GET /admin/v1/consents" {
			t.Errorf("the audit log has %+v", after)
		}
	})
	t.Run("the list is filtered", func(t *testing.T) {
		says(t, v.Open(t, "/subscribers?app=demo"), http.StatusOK, "No consent fits")
		says(t, v.Open(t, "/subscribers?app=nobody"), http.StatusNotFound, "No such app.")
		says(t, v.Open(t, "/subscribers?app=pizza&state=in+force"), http.StatusOK, "in force")
	})
	t.Run("the operator's texts are listed, and no app is made of the operator", func(t *testing.T) {
		p := v.Open(t, "/messages?app=operator")
		says(t, p, http.StatusOK, "operator", "48500")
		link := regexp.MustCompile(`href="(/messages/SMS\w+)"`).FindStringSubmatch(p.Body)
		if link == nil {
			t.Fatalf("no text: %s", p.Text)
		}
		p = v.Open(t, link[1])
		says(t, p, http.StatusOK, "operator")
		if strings.Contains(p.Body, "/apps/operator") {
			t.Error("it leads to an app that does not exist")
		}
	})
	t.Run("a number is looked up, however it is written", func(t *testing.T) {
		p := v.Open(t, "/subscribers?number="+url.QueryEscape("(425) 555-0100"))
		says(t, p, http.StatusOK, "+1 425 555 0100")
		if p.URL.Path != "/subscribers/"+phone {
			t.Errorf("at %s", p.URL)
		}
		if p = v.Open(t, "/subscribers/4255550100"); p.URL.Path != "/subscribers/"+phone {
			t.Errorf("at %s", p.URL)
		}
		says(t, v.Open(t, "/subscribers?number=alice"), http.StatusUnprocessableEntity, "Not a number such as +14255550100", "pizza")
		says(t, v.Open(t, "/subscribers?number=.."), http.StatusUnprocessableEntity, "Not a number.", "pizza")
		says(t, v.Open(t, "/subscribers/alice"), http.StatusNotFound, "Not a number such as +14255550100")
	})

	t.Run("the audit log leads to the call by which a consent was given", func(t *testing.T) {
		link := regexp.MustCompile(`href="/requests/(req_\w+)"`).FindStringSubmatch(v.Open(t, "/audit").Body)
		if link == nil {
			t.Fatal("no link")
		}
		w.awaitPage("/requests/"+link[1], "Request "+link[1])
	})

	page := v.Open(t, "/subscribers/"+phone)
	says(t, page, http.StatusOK, "pizza", "send messages from the subscriber's number", "Revoke", "demo", "operator", "Sign out everywhere")
	if !strings.Contains(page.Body, `href="/messages?to=%2B14255550100"`) {
		t.Error("no link to its messages")
	}
	revoke := "consent=" + regexp.MustCompile(`name="consent" value="([0-9a-f]{32})"`).FindStringSubmatch(page.Body)[1]
	browsers := regexp.MustCompile(`name="browser" value="([0-9a-f]{32})"`).FindAllStringSubmatch(page.Body, -1)
	if len(browsers) != 2 {
		t.Fatalf("%d browsers", len(browsers))
	}

	t.Run("another site cannot do it", func(t *testing.T) {
		u, _ := url.Parse(w.info.Admin)
		cookies := v.Client.Jar.Cookies(u)
		before := len(audit())
		for _, c := range [][2]string{{"/revoke", revoke}, {"/signout", "browser=all"}} {
			header := map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Cookie": cookies[0].String()}
			if a := w.do(w.info.Admin, request{http.MethodPost, "/subscribers/" + phone + c[0], c[1], header}); a.status != http.StatusUnauthorized {
				t.Errorf("%s: %d", c[0], a.status)
			}
			if a := w.do(w.info.Admin, request{http.MethodPost, "/subscribers/" + phone + c[0], c[1], map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}); a.status != http.StatusUnauthorized {
				t.Errorf("%s by a stranger: %d", c[0], a.status)
			}
			if a := w.do(w.info.Admin, request{http.MethodGet, "/subscribers/" + phone + c[0] + "?" + c[1], "", map[string]string{"Cookie": cookies[0].String()}}); a.status == http.StatusOK {
				t.Errorf("GET %s: %d", c[0], a.status)
			}
		}
		if after := audit(); len(after) != before {
			t.Errorf("it left %+v", after[0])
		}
	})
	t.Run("a form that asks for nothing that is there changes nothing", func(t *testing.T) {
		before := len(audit())
		header := map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Bearer " + w.info.AdminToken}
		for _, c := range [][2]string{{"/revoke", "consent=" + strings.Repeat("0", 32)}, {"/revoke", ""}, {"/signout", "browser=x"}, {"/signout", ""}} {
			a := w.do(w.info.Admin, request{http.MethodPost, "/subscribers/" + phone + c[0], c[1], header})
			if a.status != http.StatusSeeOther || a.header.Get("Location") != "/subscribers/"+phone+"?done=gone" {
				t.Errorf("%s %q: %d to %s", c[0], c[1], a.status, a.header.Get("Location"))
			}
		}
		// Somebody else's consent is not reached through this number.
		if a := w.do(w.info.Admin, request{http.MethodPost, "/subscribers/" + other + "/revoke", revoke, header}); a.header.Get("Location") != "/subscribers/"+other+"?done=gone" {
			t.Errorf("through another number: %d to %s", a.status, a.header.Get("Location"))
		}
		if a := w.do(w.info.Admin, request{http.MethodPost, "/subscribers/" + phone + "/revoke", "consent=" + strings.Repeat("0", 10_000), header}); a.status != http.StatusBadRequest {
			t.Errorf("a long form: %d", a.status)
		}
		if a := w.do(w.info.Admin, request{http.MethodPost, "/subscribers/alice/revoke", revoke, header}); a.status != http.StatusNotFound {
			t.Errorf("of nobody: %d", a.status)
		}
		if after := audit(); len(after) != before {
			t.Errorf("it left %+v", after[0])
		}
	})

	// One browser, then the consent, then all browsers.
	done := page.Press(t, "browser="+browsers[0][1])
	says(t, done, http.StatusOK, "The browser is signed out.")
	if n := strings.Count(done.Body, `name="browser" value="`); n != 2 { // the other one, and all
		t.Errorf("%d buttons are left", n)
	}
	if e := audit()[0]; e.Action != "DELETE /admin/v1/subscribers/{msisdn}/browsers/{id}" || e.Object != "subscriber "+phone {
		t.Errorf("the audit log has %+v", e)
	}
	if a := post(w, bearer(access), smsBody("tel:4255550101", "hi", false)); a.status != http.StatusCreated {
		t.Fatalf("before: %d %s", a.status, a.body)
	}
	done = page.Press(t, revoke)
	says(t, done, http.StatusOK, "The consent is withdrawn. Its tokens have ended.", "No app may act for this number", "What has ended", "by the operator")
	if a := post(w, bearer(access), smsBody("tel:4255550101", "hi", false)); a.status != http.StatusUnauthorized {
		t.Errorf("after: %d %s", a.status, a.body)
	}
	if e := audit()[0]; e.Action != "DELETE /admin/v1/consents/{id}" || e.Object != "app pizza" && e.Object != "app demo" {
		t.Errorf("the audit log has %+v", e)
	}
	says(t, page.Press(t, revoke), http.StatusOK, "That was not there any more")
	says(t, page.Press(t, "browser=all"), http.StatusOK, "signed in nowhere any more", "None. Whoever signs in")
	says(t, v.Open(t, "/subscribers"), http.StatusOK, "withdrawn", "by the operator")
	if p := v.Open(t, "/subscribers?state=in+force"); strings.Contains(p.Text, "withdrawn") {
		t.Error("what is withdrawn is in force")
	}
	if p := v.Open(t, "/subscribers/"+phone+"?done=<b>anything</b>"); strings.Contains(p.Body, "anything") {
		t.Error("the address can make the page say something")
	}

	t.Run("the pages of the list keep what was asked for", func(t *testing.T) {
		for i := range 30 { // each on its phone, on the network
			at := fmt.Sprintf("http://142555502%02d.phone.localhost%s", i, w.info.PhoneBrowser[strings.LastIndex(w.info.PhoneBrowser, ":"):])
			w.consent(visitor.New(t, at), "", authorizeURL("MIM"))
		}
		link := func(p *visitor.Page, rel string) string {
			m := regexp.MustCompile(`href="([^"]+)" rel="` + rel + `"`).FindStringSubmatch(p.Body)
			if m == nil {
				return ""
			}
			return html.UnescapeString(m[1])
		}
		const first = "/subscribers?app=pizza&reveal=yes&state=in+force"
		p := v.Open(t, first)
		says(t, p, http.StatusOK, "+1 425 555 0229", "+1 425 555 0205", "by the network")
		next := link(p, "next")
		if !strings.HasPrefix(next, "/subscribers?app=pizza&before=") || !strings.HasSuffix(next, "&reveal=yes&state=in+force") || link(p, "first") != "" {
			t.Fatalf("the next page is %q, the first %q", next, link(p, "first"))
		}
		p = v.Open(t, next)
		says(t, p, http.StatusOK, "+1 425 555 0204", "+1 425 555 0200")
		if strings.Contains(p.Text, "555 0205") || link(p, "next") != "" || link(p, "first") != first {
			t.Errorf("the last page leads to %q and %q: %s", link(p, "next"), link(p, "first"), p.Text)
		}
		says(t, v.Open(t, "/subscribers?before=1"), http.StatusOK, "There are no older consents.")
		says(t, v.Open(t, "/apps/pizza?before=1"), http.StatusOK, "There are no older consents.")
	})
}

func TestTheAuditPageTellsWhereTheChainBreaks(t *testing.T) {
	dir := t.TempDir()
	w := start(t, map[string]any{"data": dir})
	for i := range 60 {
		w.admin(http.MethodPost, "/admin/v1/apps", map[string]any{"name": fmt.Sprintf("app %02d", i), "owner": `<b>"x"</b>`}, nil)
	}
	v := w.operator()
	p := v.Open(t, "/audit")
	says(t, p, http.StatusOK, "verified", "All 61 entries fit", "longlines audit verify", "POST /admin/v1/apps", "admin", `"app 59"`)
	if strings.Contains(p.Body, "<b>") || !strings.Contains(p.Text, `\u003cb\u003e`) && !strings.Contains(p.Text, `<b>`) {
		t.Error("a detail is markup, or is not there")
	}
	older := regexp.MustCompile(`href="(/audit\?before=\d+)"`).FindStringSubmatch(p.Body)
	if older == nil {
		t.Fatal("no second page")
	}
	p = v.Open(t, older[1])
	says(t, p, http.StatusOK, "demo app made", "configuration", "not verified now", "Newest")
	says(t, v.Open(t, "/audit?verify=now&object=nothing"), http.StatusOK, "All 61 entries fit", "No entry fits")
	says(t, v.Open(t, "/audit?before=1"), http.StatusOK, "There are no older entries.")
	says(t, v.Open(t, "/audit?before=x"), http.StatusUnprocessableEntity, "not the next of a page")

	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "longlines.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`UPDATE audit SET actor = 'nobody' WHERE seq = 7`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	w = start(t, map[string]any{"data": dir})
	says(t, w.operator().Open(t, "/audit"), http.StatusOK, "broken", "Entry 7 (", "does not fit what stands before it", "The 6 before it fit")
}

func TestThePagesOfPeopleFitEveryWindow(t *testing.T) {
	w := consentWorld(t, map[string]any{"status_listener": "https://pizza.example/statuses"})
	w.admin(http.MethodPut, "/admin/v1/apps/pizza/quotas/SMS", map[string]any{"per_minute": 60, "per_day": 5000}, nil)
	w.admin(http.MethodPut, "/admin/v1/apps/pizza/quotas/OAuth", map[string]any{"per_minute": 10, "per_day": 500}, nil)
	w.admin(http.MethodPost, "/admin/v1/apps", map[string]any{"name": "a native app with a long name and noblankspaceinitsend", "auth": "none", "redirect_uri": "https://n.example/cb", "dpop": true,
		"on_network": true, "scopes": app.Scopes(), "level": "production", "key": strings.Repeat("k", 128)}, nil)
	// The key of RFC 7517 §A.1.
	w.admin(http.MethodPost, "/admin/v1/apps", map[string]any{"name": "signer", "auth": "private_key_jwt", "introspect": true, "dpop": true, "wait_for_verdict": "2s", "keys": json.RawMessage(
		`{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"}]}`)}, nil)
	w.admin(http.MethodPost, "/admin/v1/apps", map[string]any{"name": "gone", "key": "gone-key"}, nil)
	w.admin(http.MethodDelete, "/admin/v1/apps/gone", nil, nil)
	const phone = "+14255550100"
	access, _, _ := w.redeem(w.consent(visitor.New(t, w.info.API), phone, authorizeURL("SMS,IMMN,MIM")))
	for range 12 {
		post(w, bearer(access), smsBody("tel:4255550101", "hi", false))
	}
	w.consent(visitor.New(t, w.info.API), "+14255550101", authorizeURL("MIM"))
	w.consent(visitor.New(t, w.info.API), "+14255550102", authorizeURL("SMS"))
	w.admin(http.MethodPut, "/admin/v1/subscribers/"+phone+"/optouts?app=demo", nil, nil)
	w.admin(http.MethodPut, "/admin/v1/subscribers/"+phone+"/optouts", nil, nil)
	var list struct{ Consents []struct{ ID string } }
	w.admin(http.MethodGet, "/admin/v1/consents", nil, &list)
	w.admin(http.MethodDelete, "/admin/v1/consents/"+list.Consents[0].ID, nil, nil)

	for _, x := range []struct {
		name          string
		width, height int64
		dark          bool
	}{
		{"1280", 1280, 900, false},
		{"1280 dark", 1280, 900, true},
		{"390", 390, 844, false},
		{"320 dark", 320, 640, true},
		{"800", 800, 800, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			// A page that is not there, or a question that is wrong, comes with its status.
			b := tab.Open(t, tab.Options{Width: x.width, Height: x.height, Dark: x.dark, Expected: []string{"404", "422"}})
			b.Do(chromedp.Navigate(w.info.ConsoleLink()))
			for name, at := range map[string]string{
				"apps": "/apps?deleted=yes", "app": "/apps/pizza", "app long": "/apps/a%20native%20app%20with%20a%20long%20name%20and%20noblankspaceinitsend",
				"app that signs": "/apps/signer", "no app": "/apps/nobody", "apps none": "/apps?name=nothing", "subscribers": "/subscribers", "subscribers wrong": "/subscribers?number=alice&app=nobody",
				"subscriber": "/subscribers/" + phone + "?done=signed-out", "subscriber of nothing": "/subscribers/+14255550199", "audit": "/audit", "audit of": "/audit?object=x",
			} {
				b.Do(chromedp.Navigate(w.info.Admin+at), chromedp.WaitReady("#main"))
				b.Script(`document.querySelectorAll('details.sure, .rows tr:nth-child(-n+5) details').forEach((d) => { d.open = true })`)
				b.None("wider than the window", tab.TooWide)
				b.None("targets below 24 px", tab.TooSmall)
				b.None("text with less contrast than 4.5 to 1", tab.TooPale)
				b.None("cells without a label", `[...document.querySelectorAll('.rows tbody td:not(.empty), .rows tbody th')].filter((e) => !e.dataset.label).map((e) => e.outerHTML.slice(0, 80))`)
				b.None("not one h1", `document.querySelectorAll('h1').length === 1 ? [] : ['h1']`)
				b.None("copy buttons without their text", `[...document.querySelectorAll('[data-copy]')].filter((e) => !document.getElementById(e.dataset.copy)?.textContent.trim()).map((e) => e.outerHTML)`)
				b.None("ids twice", `[...document.querySelectorAll('[id]')].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i)`)
				b.LongShot(name + " " + x.name)
			}
		})
	}
}

// What somebody has allowed an app ends with the app, and another that takes its name has nothing of it.
func TestTheConsoleTellsOfConsentsToAnAppThatIsDeleted(t *testing.T) {
	w := consentWorld(t, nil)
	const phone = "+14255550100"
	w.consent(visitor.New(t, w.info.API), phone, authorizeURL("IMMN"))
	w.admin(http.MethodDelete, "/admin/v1/apps/pizza", nil, nil)
	w.admin(http.MethodPost, "/admin/v1/apps", map[string]any{"name": "pizza", "scopes": []string{"IMMN"}}, nil)

	v := w.operator()
	says(t, v.Open(t, "/subscribers?state=in+force"), http.StatusOK, "No consent fits")
	says(t, v.Open(t, "/apps/pizza"), http.StatusOK, "Nobody has allowed this app anything yet")
	for path, section := range map[string]string{"/subscribers": "consents-title", "/subscribers/" + phone: "ended-title"} {
		p := v.Open(t, path)
		says(t, p, http.StatusOK, "pizza deleted", "app deleted")
		_, part, ok := strings.Cut(p.Body, `aria-labelledby="`+section+`"`)
		if !ok || strings.Contains(part, `href="/apps/pizza"`) || strings.Contains(p.Body, "/revoke") {
			t.Errorf("%s: %s", path, p.Text)
		}
	}
}
