package longlines_test

import (
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"longlines/test/tab"
)

// page gets a page of the console.
func (w *world) page(path string, status int) string {
	w.t.Helper()
	a := w.do(w.info.Admin, request{http.MethodGet, path, "", map[string]string{"Authorization": "Bearer " + w.info.AdminToken}})
	if a.status != status {
		w.t.Fatalf("%s: %d, want %d, to %q: %s", path, a.status, status, a.header.Get("Location"), a.body)
	}
	return a.body
}

// awaitPage gets a page until it has all the words: what it shows is recorded soon, not at once.
func (w *world) awaitPage(path string, words ...string) (body string) {
	w.t.Helper()
	await(w.t, fmt.Sprintf("%s with %q", path, words), func() bool {
		a := w.do(w.info.Admin, request{http.MethodGet, path, "", map[string]string{"Authorization": "Bearer " + w.info.AdminToken}})
		body = a.body
		return a.status == http.StatusOK && !slices.ContainsFunc(words, func(s string) bool { return !strings.Contains(plain(body), s) })
	})
	return body
}

var markup = regexp.MustCompile(`<[^>]*>`)

// plain is what a page says, its blanks folded.
func plain(body string) string {
	return strings.Join(strings.Fields(html.UnescapeString(markup.ReplaceAllString(body, " "))), " ")
}

// element is the text of the element with an id.
func element(t *testing.T, body, id string) string {
	t.Helper()
	_, rest, ok := strings.Cut(body, `id="`+id+`"`)
	_, rest, ok2 := strings.Cut(rest, ">")
	text, _, ok3 := strings.Cut(rest, "</")
	if !ok || !ok2 || !ok3 {
		t.Fatalf("there is no element %s in %s", id, body)
	}
	return html.UnescapeString(text)
}

// pizza is an app that is told what becomes of its texts.
func (w *world) pizza() (token string) {
	w.t.Helper()
	listener := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	w.t.Cleanup(listener.Close)
	w.app("pizza", map[string]any{"short_codes": []string{"74992"}, "status_listener": listener.URL + "/status", "message_listener": listener.URL + "/message"})
	return w.token("pizza-key", "pizza-secret", "SMS")
}

// sendNotified sends a text whose status is posted.
func (w *world) sendNotified(token, text string, to ...string) answer {
	w.t.Helper()
	var list []string
	for _, n := range to {
		list = append(list, fmt.Sprintf("%q", "tel:"+n))
	}
	return w.do(w.info.API, request{http.MethodPost, "/sms/v3/messaging/outbox",
		fmt.Sprintf(`{"outboundSMSRequest":{"address":[%s],"message":%q,"notifyDeliveryStatus":true}}`, strings.Join(list, ","), text),
		map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}})
}

func TestTheConsoleTellsTheStoryOfACallAndItsText(t *testing.T) {
	w := start(t, nil)
	token := w.pizza()
	a := w.sendNotified(token, "olives & <b>ham</b>", "+14255550100", "+14255550104")
	message, call := messageID(t, a), a.header.Get("X-Request-Id")

	var body string
	await(t, "the whole story", func() bool {
		body = w.page("/messages/"+message, http.StatusOK)
		return strings.Count(body, `<li data-kind="callback"`) == 2 && strings.Contains(body, call)
	})
	if strings.Contains(body, "<b>ham") {
		t.Error("a text is taken for markup")
	}
	for _, want := range []string{"olives & <b>ham</b>", "delivered", "undeliverable", "+1 425 555 0100", "+1 425 555 0104", "pizza", "74992"} {
		if !strings.Contains(plain(body), want) {
			t.Errorf("the message's page lacks %s: %s", want, plain(body))
		}
	}
	for _, link := range []string{`href="/requests/` + call, `href="/apps/pizza"`, `href="/subscribers/&#43;14255550100"`, `href="/requests?message=` + message} {
		if !strings.Contains(body, link) {
			t.Errorf("the message's page lacks %s", link)
		}
	}

	body = w.page("/requests/"+call, http.StatusOK)
	var kinds []string
	for _, m := range regexp.MustCompile(`<li data-kind="([a-z]+)"`).FindAllStringSubmatch(body, -1) {
		kinds = append(kinds, m[1])
	}
	// Both texts are accepted in one moment, and one may be submitted in it too.
	count := map[string]int{}
	for _, kind := range kinds {
		count[kind]++
	}
	if len(kinds) < 2 || kinds[0] != "request" || kinds[1] != "message" || !maps.Equal(count, map[string]int{"request": 1, "message": 4, "pdu": 2, "receipt": 2, "callback": 2}) {
		t.Errorf("the chain is %v", kinds)
	}
	for _, want := range []string{"POST /sms/v3/messaging/outbox", "Send SMS", "201", "Authorization: Bearer [not shown]", `"address":["tel:+14255550100"`, "HTTP/1.1 201 Created"} {
		if !strings.Contains(plain(body), want) {
			t.Errorf("the call's page lacks %s", want)
		}
	}
	if strings.Contains(body, token) {
		t.Error("the call's page has the token")
	}
	if !strings.Contains(body, `href="/messages/`+message) {
		t.Error("the call's page has no link to the message")
	}

	// The lists lead to both, and show no number whole.
	body = w.awaitPage("/requests?app=pizza", call)
	if !strings.Contains(body, `href="/requests/`+call) || !strings.Contains(body, `href="/messages/`+message) {
		t.Errorf("the list of calls: %s", plain(body))
	}
	body = w.page("/messages", http.StatusOK)
	if n := strings.Count(body, `href="/messages/`+message); n != 2 || strings.Contains(body, "4255550100") || !strings.Contains(plain(body), "+1 425 *** *100") {
		t.Errorf("the list of texts, with %d lines of the message: %s", n, plain(body))
	}

	// A text from a handset.
	w.admin(http.MethodPost, "/sandbox/v1/messages", map[string]string{"from": "+14255550100", "to": "48507", "text": "more olives"}, nil)
	demo := w.token("sandbox-demo", "sandbox-secret", "SMS")
	var received string
	await(t, "the text in the inbox", func() bool {
		in := w.do(w.info.API, request{http.MethodGet, "/sms/v3/messaging/inbox/48507", "", map[string]string{"Authorization": "Bearer " + demo, "Accept": "application/json"}})
		if m := regexp.MustCompile(`SMS[0-9a-f]{32}`).FindString(in.body); m != "" {
			received = m
		}
		return received != ""
	})
	body = w.page("/messages/"+received, http.StatusOK)
	for _, want := range []string{"more olives", "received from +1 425 555 0100", "48507", "demo"} {
		if !strings.Contains(plain(body), want) {
			t.Errorf("the received text's page lacks %s: %s", want, plain(body))
		}
	}
}

func TestTheConsoleSaysWhyACallWasRefused(t *testing.T) {
	w := start(t, nil)
	token := w.pizza()
	a := w.send(token, "hello", "to no number")
	if a.status != http.StatusBadRequest {
		t.Fatalf("%d %s", a.status, a.body)
	}
	call := a.header.Get("X-Request-Id")
	body := w.awaitPage("/requests/"+call, "400", "SVC0004", "Because", "What to do")
	link := regexp.MustCompile(`href="(http[^"]*/errors/SVC0004#[a-z0-9-]+)"`).FindStringSubmatch(body)
	if link == nil {
		t.Fatalf("no link to the catalogue: %s", body)
	}
	at, anchor, _ := strings.Cut(strings.TrimPrefix(link[1], w.info.API), "#")
	if page := w.do(w.info.API, request{http.MethodGet, at, "", nil}); page.status != http.StatusOK || !strings.Contains(page.body, `id="`+anchor+`"`) {
		t.Errorf("the link leads to %d, without %s", page.status, anchor)
	}
	if list := w.page("/requests?status=400", http.StatusOK); !strings.Contains(list, call) || !strings.Contains(list, at+"#"+anchor) {
		t.Errorf("the list: %s", list)
	}

	// Credentials are neither on the page nor in the line of curl.
	a = w.do(w.info.API, request{http.MethodPost, "/oauth/v4/token", "grant_type=client_credentials&client_id=pizza-key&client_secret=guess-4711&scope=SMS",
		map[string]string{"Content-Type": "application/x-www-form-urlencoded"}})
	body = w.awaitPage("/requests/"+a.header.Get("X-Request-Id"), "invalid_client", "The body had credentials in it and was not kept.")
	if strings.Contains(body, "guess-4711") || strings.Contains(body, `id="line-curl"`) {
		t.Errorf("the page of a refused token: %s", body)
	}

	// Nor is a body that nobody has read.
	a = w.do(w.info.API, request{http.MethodPost, "/sms/v3/messaging/outbox", "<a/>", map[string]string{"Authorization": "Bearer " + token, "Content-Type": "text/weird"}})
	w.awaitPage("/requests/"+a.header.Get("X-Request-Id"), "SVC0002", "The call was refused before its body was read, so there is none to send again.")

	for path, want := range map[string]string{
		"/requests/req_01ARZ3NDEKTSV4RRFFQ69G5FAV":      "Request req_01ARZ3NDEKTSV4RRFFQ69G5FAV: not known here, or its retention has ended.",
		"/requests/nonsense":                            "Request nonsense: not known here",
		"/messages/SMS00000000000000000000000000000000": "Message SMS00000000000000000000000000000000: not known here",
		"/messages/%3Cb%3E":                             "Message <b>: not known here",
		"/messages/%2E%2E":                              "There is nothing at this address",
	} {
		body := w.page(path, http.StatusNotFound)
		if !strings.Contains(plain(body), want) || strings.Contains(body, "<b>:") {
			t.Errorf("%s says %s", path, plain(body))
		}
	}
}

func TestACallIsMadeAgainWithTheLineOfThePage(t *testing.T) {
	sh, err := exec.LookPath("bash")
	need(t, "bash", err == nil)
	_, err = exec.LookPath("curl")
	need(t, "curl", err == nil)
	w := start(t, nil)
	token := w.pizza()
	for name, r := range map[string]request{
		"a text": {http.MethodPost, "/sms/v3/messaging/outbox",
			`{"outboundSMSRequest":{"address":"tel:+14255550100","message":"it's $5 & \"more\" \\ ` + "`id`" + `","notifyDeliveryStatus":false}}`,
			map[string]string{"Content-Type": "application/json", "X-Correlator": "{a};b", "X-Odd": "it's `id` $(id)", "X-Empty": ""}},
		"what a terminal obeys": {http.MethodPost, "/sms/v3/messaging/outbox", "{\n\n\u009b31m\x1b[201~\r\nid\n\t'\\'}", map[string]string{"Content-Type": "application/json"}},
		"a body without a type": {http.MethodPost, "/sms/v3/messaging/outbox", `{"outboundSMSRequest":{}}`, nil},
		"another method":        {http.MethodDelete, "/sms/v3/messaging/outbox", "", nil},
		"an odd path":           {http.MethodGet, "/sms/v3/a%20b%27c%5B1%5D", "", nil},
		"a status":              {http.MethodGet, "/sms/v3/messaging/outbox/SMS00000000000000000000000000000000", "", map[string]string{"Accept": "application/xml"}},
	} {
		t.Run(name, func(t *testing.T) {
			if r.header == nil {
				r.header = map[string]string{}
			}
			r.header["Authorization"] = "Bearer " + token
			first := w.do(w.info.API, r)
			wire := func(id string) string { // without what is of one call, or of curl
				text := element(t, w.awaitPage("/requests/"+id, "On the wire"), "wire")
				return regexp.MustCompile(`(?m)^(?:Accept(?:-Encoding)?: (?:\*/\*|gzip)|User-Agent: .*|X-Request-Id: .*|X-Systemtransactionid: .*|x-systemTransactionId: .*|Date: .*|Ratelimit.*|RateLimit.*)\n|SMS[0-9a-f]{32}|req_\w+`).ReplaceAllString(text, "")
			}
			line := element(t, w.awaitPage("/requests/"+first.header.Get("X-Request-Id"), "Again, with curl"), "line-curl")
			if strings.ContainsFunc(line, func(r rune) bool { return r < 32 && r != '\n' || r >= 0x7f && r < 0xa0 }) {
				t.Errorf("a paste would do more than paste: %q", line)
			}
			cmd := exec.Command(sh, "-c", line)
			cmd.Env = append(os.Environ(), "TOKEN="+token)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v: %s", line, err, out)
			}
			again := regexp.MustCompile(`(?i)X-Request-Id: (req_\w+)`).FindSubmatch(out)
			if again == nil {
				t.Fatalf("%s answers %s", line, out)
			}
			if a, b := wire(first.header.Get("X-Request-Id")), wire(string(again[1])); a != b {
				t.Errorf("%s\nis not the same call:\n%s\n---\n%s", line, a, b)
			}
		})
	}
}

func TestListsOfCallsAndTextsAreFilteredAndPaged(t *testing.T) {
	w := start(t, nil)
	for _, path := range []string{"/requests", "/messages"} {
		if body := w.page(path, http.StatusOK); !strings.Contains(body, "No ") || !strings.Contains(body, `class="copy" data-copy="line-first-`) || strings.Contains(body, `class="pager"`) {
			t.Errorf("%s is empty and says %s", path, plain(body))
		}
	}
	token := w.pizza()
	rows := func(path string, status int) int {
		t.Helper()
		return strings.Count(w.page(path, status), `<td data-label="App">`)
	}
	sent := w.send(token, "+14255550100", "one")
	message := messageID(t, sent)
	w.send(token, "+14255550104", "two")
	w.send("nonsense", "+14255550100", "three")
	await(t, "four calls", func() bool { return rows("/requests", http.StatusOK) == 4 })
	for query, want := range map[string]int{
		"app=pizza": 3, "app=+pizza+": 3, "app=demo": 0, "status=2xx": 3, "status=401": 1, "status=5xx": 0, "refused=pol0001": 1, "operation=Send+SMS": 3,
		"message=" + message: 1, "since=2020-01-01T00:00": 4, "until=2020-01-01": 0, "since=2020-01-01&until=2099-12-31T23:59:59": 4, "app=&status=": 4,
	} {
		if n := rows("/requests?"+query, http.StatusOK); n != want {
			t.Errorf("/requests?%s: %d calls, want %d", query, n, want)
		}
	}
	await(t, "final states", func() bool {
		return rows("/messages?state=delivered", http.StatusOK) == 1 && rows("/messages?state=undeliverable", http.StatusOK) == 1
	})
	for query, want := range map[string]int{"app=pizza": 2, "to=%28425%29+555-0104": 1, "to=%2B14255550100&state=undeliverable": 0, "link=sandbox": 2, "link=x": 0, "state=x": 0} {
		if n := rows("/messages?"+query, http.StatusOK); n != want {
			t.Errorf("/messages?%s: %d texts, want %d", query, n, want)
		}
	}

	// What the API refuses stands next to its field, and what was typed stays there.
	for path, want := range map[string]struct {
		status         int
		field, message string
	}{
		"/requests?app=nobody":      {404, "app", "No such app."},
		"/requests?status=%3C4":     {422, "status", "403, or 4xx"},
		"/requests?message=SMSx":    {404, "message", "Not known here"},
		"/requests?since=yesterday": {422, "since", "A time looks like"},
		"/messages?to=12":           {422, "to", "Not a number such as +14255550100."},
		"/messages?app=nobody":      {404, "app", "No such app."},
	} {
		body := w.page(path, want.status)
		if text := element(t, body, "q-"+want.field+"-wrong"); !strings.Contains(text, want.message) {
			t.Errorf("%s says %q, want %q", path, text, want.message)
		}
		_, typed, _ := strings.Cut(path, "=")
		typed, _ = url.QueryUnescape(typed)
		if want.field != "since" && !strings.Contains(body, `value="`+html.EscapeString(typed)+`" aria-invalid="true" aria-describedby="q-`+want.field+`-wrong"`) {
			t.Errorf("%s does not keep %s", path, typed)
		}
	}
	if body := w.page("/requests?before=x", 422); !strings.Contains(plain(body), "Before: not the next of a page.") {
		t.Errorf("a wrong page says %s", plain(body))
	}

	// An id is found in whatever was pasted.
	for find, want := range map[string]string{
		sent.header.Get("X-Request-Id"):                                            "/requests/" + sent.header.Get("X-Request-Id"),
		"X-Request-Id: " + strings.ToLower(sent.header.Get("X-Request-Id")) + "\n": "/requests/" + sent.header.Get("X-Request-Id"),
		`{"messageId":"` + message + `"}`:                                          "/messages/" + message,
		" msg_" + message[3:]:                                                      "/messages/msg_" + message[3:],
	} {
		a := w.do(w.info.Admin, request{http.MethodGet, "/requests?find=" + url.QueryEscape(find), "", map[string]string{"Authorization": "Bearer " + w.info.AdminToken}})
		if a.status != http.StatusSeeOther || a.header.Get("Location") != want {
			t.Errorf("find %q: %d to %s", find, a.status, a.header.Get("Location"))
		}
		w.page(want, http.StatusOK)
	}
	if body := w.page("/requests?find=%22%3E//evil.example", 422); !strings.Contains(element(t, body, "find-wrong"), "no whole id in that") || strings.Count(body, `<td data-label="App">`) != 4 {
		t.Errorf("what is no id: %s", plain(body))
	}

	// Pages hang together: no call is on two, none is missing.
	for range 60 {
		w.do(w.info.API, request{http.MethodGet, "/nothing/here", "", nil})
	}
	await(t, "all calls", func() bool {
		var list struct{ Requests []struct{} }
		w.admin(http.MethodGet, "/admin/v1/requests?limit=500&status=404", nil, &list)
		return len(list.Requests) == 60
	})
	ids := map[string]bool{}
	older, newest := regexp.MustCompile(`href="([^"]+)" rel="next"`), regexp.MustCompile(`href="([^"]+)" rel="first"`)
	at, pages := "/requests?status=404", 0
	for at != "" && pages < 5 {
		body := w.page(at, http.StatusOK)
		for _, m := range regexp.MustCompile(`href="/requests/(req_\w+)"`).FindAllStringSubmatch(body, -1) {
			if ids[m[1]] {
				t.Errorf("%s is on two pages", m[1])
			}
			ids[m[1]] = true
		}
		if m := newest.FindStringSubmatch(body); (m != nil) != (pages > 0) || m != nil && html.UnescapeString(m[1]) != "/requests?status=404" {
			t.Errorf("page %d leads to the newest by %q", pages, m)
		}
		at = ""
		if m := older.FindStringSubmatch(body); m != nil {
			at = html.UnescapeString(m[1])
		}
		pages++
	}
	if pages != 2 || len(ids) != 60 {
		t.Errorf("%d calls on %d pages", len(ids), pages)
	}
}

func TestThePagesOfRecordsFitEveryWindow(t *testing.T) {
	w := start(t, nil)
	token := w.pizza()
	a := w.sendNotified(token, strings.Repeat("Your pizza is on its way, with olives. ", 6), "+14255550100", "+14255550104", "+14255550112")
	message, call := messageID(t, a), a.header.Get("X-Request-Id")
	refused := w.send(token, "hello", "to no number").header.Get("X-Request-Id")
	w.send("nonsense", "+14255550100", "with no token")
	w.do(w.info.API, request{http.MethodGet, "/sms/v3/messaging/outbox/" + message, "", map[string]string{"Authorization": "Bearer " + token}})
	w.do(w.info.API, request{http.MethodGet, "/" + strings.Repeat("a-long-path/", 200), "", nil})
	w.awaitPage("/messages/"+message, "delivered", "undeliverable", "SMPP-000B", "Callback", call)
	w.awaitPage("/requests/" + refused)
	for _, x := range []struct {
		name          string
		width, height int64
		dark          bool
	}{
		{"light", 1280, 900, false}, {"dark", 1280, 900, true}, {"phone", 390, 844, false}, {"dark phone", 390, 844, true}, {"small", 320, 640, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			b := tab.Open(t, tab.Options{Width: x.width, Height: x.height, Dark: x.dark, Expected: []string{"404", "422"}})
			b.Do(chromedp.Navigate(w.info.ConsoleLink()), chromedp.Navigate("about:blank"))
			for name, at := range map[string]string{
				"requests": "/requests", "requests filtered": "/requests?app=pizza&operation=Send+SMS", "requests none": "/requests?app=demo", "requests wrong": "/requests?app=nobody&find=olives",
				"request": "/requests/" + call, "request refused": "/requests/" + refused, "messages": "/messages", "messages none": "/messages?state=expired",
				"message": "/messages/" + message, "unknown": "/requests/nonsense",
			} {
				b.Do(chromedp.Navigate(w.info.Admin + at))
				b.None("wider than the window", tab.TooWide)
				b.None("targets below 24 px", tab.TooSmall)
				b.None("text with less contrast than 4.5 to 1", tab.TooPale)
				b.None("not one h1", `document.querySelectorAll('h1').length === 1 ? [] : ['h1']`)
				b.None("not here in the tabs", `document.querySelectorAll('nav [aria-current]').length === 1 ? [] : ['tabs']`)
				b.None("scrolled in itself", `[...document.querySelectorAll('.rows')].filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.scrollWidth + ' in ' + e.clientWidth)`)
				b.LongShot(x.name + " " + name)
			}
		})
	}
}

// What an operator does with an id from a support ticket, without scripts.
func TestWhoSignsInComesToThePageThatWasAskedFor(t *testing.T) {
	w := start(t, nil)
	a := w.send(w.pizza(), "hello", "to no number")
	call := a.header.Get("X-Request-Id")
	w.awaitPage("/requests/" + call)

	b := tab.Open(t, tab.Options{Width: 390, Height: 844, NoScript: true, Expected: []string{"401"}})
	b.Do(chromedp.Navigate(w.info.Admin + "/requests/" + call))
	b.Arrives("input[name=token]:focus")
	b.Do(chromedp.KeyEvent("wrong"), chromedp.KeyEvent(kb.Enter))
	b.Sees("That is not the admin token")
	b.Arrives("input[name=token]:focus")
	b.Do(chromedp.KeyEvent(w.info.AdminToken), chromedp.KeyEvent(kb.Enter))
	b.Sees("Request " + call)
	b.Sees("SVC0004")

	// From there to the list, by the keyboard, and back by the id.
	b.Press(".crumbs a")
	b.Arrives("#q-status")
	b.Focus("#q-status")
	b.Do(chromedp.KeyEvent("5xx"), chromedp.KeyEvent(kb.Enter))
	b.Sees("No call fits")
	b.Focus("#find")
	b.Do(chromedp.KeyEvent(call), chromedp.KeyEvent(kb.Enter))
	b.Sees("Request " + call)
}
