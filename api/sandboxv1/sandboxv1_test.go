package sandboxv1_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"longlines/api/sandboxv1"
	"longlines/number"
	"longlines/sandbox"
	"longlines/sandbox/clock"
	"longlines/sandbox/phone"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The API works on the real phones and faults; only their types are translated, as the root does it.

type book struct{ *phone.Book }

func (b book) Phones() (all []sandboxv1.Phone) {
	for _, p := range b.Book.Phones() {
		all = append(all, sandboxv1.Phone(p))
	}
	return all
}

func translate(in []phone.Message) (out []sandboxv1.Message) {
	for _, m := range in {
		out = append(out, sandboxv1.Message(m))
	}
	return out
}

func (b book) Messages(ctx context.Context, f sandboxv1.Filter, wait time.Duration) ([]sandboxv1.Message, error) {
	found, err := b.Book.Messages(ctx, phone.Filter(f), wait)
	return translate(found), err
}

func (b book) Send(from number.MSISDN, to number.Address, text string) (sandboxv1.Message, error) {
	m, err := b.Book.Send(from, to, text)
	return sandboxv1.Message(m), err
}

func (b book) Watch(after int64) ([]sandboxv1.Message, <-chan sandboxv1.Message, func()) {
	recent, w := b.Book.Watch(after)
	live, stop, ended := make(chan sandboxv1.Message), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case m := <-w.C():
				select {
				case live <- sandboxv1.Message(m):
				case <-stop:
					return
				}
			case <-stop:
				return
			}
		}
	}()
	return translate(recent), live, func() { w.Close(); close(stop); <-ended }
}

type faults struct{ *sandbox.Faults }

func (f faults) Put(x sandboxv1.Fault) error { return f.Faults.Put(sandbox.Fault(x)) }

func (f faults) Set(all []sandboxv1.Fault) error {
	var list []sandbox.Fault
	for _, x := range all {
		list = append(list, sandbox.Fault(x))
	}
	return f.Faults.Set(list)
}

func (f faults) List() (all []sandboxv1.Fault) {
	for _, x := range f.Faults.List() {
		all = append(all, sandboxv1.Fault(x))
	}
	return all
}

var pizza = number.ShortCode("48507").Address()

type api struct {
	t     *testing.T
	url   string
	book  *phone.Book
	clock *clock.Manual
}

func newAPI(t *testing.T, set ...func(*http.Server, *sandboxv1.Config)) *api {
	c := clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC))
	b := phone.New(phone.Config{Clock: c})
	cfg := sandboxv1.Config{Book: book{b}, Faults: faults{sandbox.NewFaults([]string{"sandbox"}, c, nil)}}
	s := httptest.NewUnstartedServer(nil)
	for _, f := range set {
		f(s.Config, &cfg)
	}
	s.Config.Handler = sandboxv1.New(cfg)
	s.Start()
	t.Cleanup(s.Close)
	return &api{t, s.URL, b, c}
}

// call makes a request and returns the status, the content type and the body.
func (a *api) call(method, path, body string) (int, string, string) {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.url+"/sandbox/v1/"+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), strings.TrimSpace(string(b))
}

func (a *api) want(method, path, body string, status int, answer string) {
	a.t.Helper()
	if code, _, got := a.call(method, path, body); code != status || got != answer {
		a.t.Errorf("%s %s: %d %s\nwant %d %s", method, path, code, got, status, answer)
	}
}

func TestPhones(t *testing.T) {
	a := newAPI(t)
	a.book.Deliver(pizza, "14255550100", "hi", "")
	a.want("GET", "phones", "", 200, `{"phones":[`+
		`{"number":"+14255550100","unread":1,"habit":"delivered at once","messages":1,"last":"2026-01-02T03:04:05.678Z"},`+
		`{"number":"+14255550101","unread":0,"habit":"delivered after 5 s","messages":0}],"total":2}`)
	a.want("POST", "phones/+14255550100/read", "", 204, "")
	a.want("GET", "phones?limit=1", "", 200, `{"phones":[`+
		`{"number":"+14255550100","unread":0,"habit":"delivered at once","messages":1,"last":"2026-01-02T03:04:05.678Z"}],"total":2}`)
	for _, name := range []string{"+14255550142", "pizza", ""} {
		if code, kind, _ := a.call("POST", "phones/"+name+"/read", ""); code != 404 || kind != "application/problem+json" {
			t.Errorf("reading %q: %d %s", name, code, kind)
		}
	}
}

func TestMessagesAreShownExactly(t *testing.T) {
	a := newAPI(t)
	a.want("GET", "messages", "", 200, `{"messages":[]}`)
	a.book.Deliver(pizza, "14255550100", "5 < 6 & 🍕", "")
	a.want("POST", "messages", `{"from":"+1 (425) 555-0101","to":"short:48507","text":"yes"}`, 201,
		`{"id":"p2","phone":"+14255550101","direction":"out","from":"+14255550101","to":"48507","type":"SMS","text":"yes","time":"2026-01-02T03:04:05.678Z"}`)
	in := `{"id":"p1","phone":"+14255550100","direction":"in","from":"48507","to":"+14255550100","type":"SMS","text":"5 < 6 & 🍕","time":"2026-01-02T03:04:05.678Z"}`
	out := `{"id":"p2","phone":"+14255550101","direction":"out","from":"+14255550101","to":"48507","type":"SMS","text":"yes","time":"2026-01-02T03:04:05.678Z"}`
	for query, want := range map[string]string{
		"":                                     in + "," + out,
		"?to=%2B14255550100":                   in,
		"?to=+14255550100":                     in, // a plus that was not escaped is a blank
		"?to=tel:4255550100":                   in,
		"?to=48507":                            out,
		"?from=48507":                          in,
		"?phone=4255550101":                    out,
		"?from=PIZZA":                          "",
		"?since=p1":                            out,
		"?since=2026-01-02T03:04:05.6789Z":     in + "," + out,
		"?since=2026-01-02T04:04:05.679+01:00": "",
		"?limit=1":                             out,
		"?to=48507&from=48507":                 "",
	} {
		a.want("GET", "messages"+query, "", 200, `{"messages":[`+want+`]}`)
	}
	if m, err := a.book.Take(t.Context()); err != nil || m.Text != "yes" || m.To != pizza {
		t.Errorf("the centre takes %+v, %v", m, err)
	}
}

func TestMessagesWaits(t *testing.T) {
	a := newAPI(t)
	answer := make(chan string)
	get := func() {
		_, _, body := a.call("GET", "messages?to=%2B14255550100&wait=10s", "")
		answer <- body
	}
	go get()
	a.clock.Await(1)
	a.book.Deliver(pizza, "14255550101", "not this one", "")
	a.book.Deliver(pizza, "14255550100", "this one", "")
	if body := <-answer; strings.Count(body, `"id"`) != 1 || !strings.Contains(body, "this one") {
		t.Errorf("answered %s", body)
	}
	a = newAPI(t)
	go get()
	a.clock.Await(1)
	a.clock.Advance(10 * time.Second)
	if body := <-answer; body != `{"messages":[]}` {
		t.Errorf("after the time: %s", body)
	}
}

func TestFaults(t *testing.T) {
	a := newAPI(t)
	none := `{"faults":[],"links":["sandbox","api"]}`
	a.want("GET", "faults", "", 200, none)
	a.want("PUT", "faults", `{"link":"sandbox","number":"+14255550100","status":"0x00000058","probability":0.2,"delay":"1s","until":"2026-01-02T04:04:05Z"}`, 200,
		`{"faults":[{"link":"sandbox","number":"+14255550100","status":"0x00000058","probability":0.2,"delay":"1s","until":"2026-01-02T04:04:05.000Z"}],"links":["sandbox","api"]}`)
	a.want("PUT", "faults", `{"link":"api","status":502}`, 200,
		`{"faults":[{"link":"sandbox","number":"+14255550100","status":"0x00000058","probability":0.2,"delay":"1s","until":"2026-01-02T04:04:05.000Z"},`+
			`{"link":"api","status":"502","probability":1}],"links":["sandbox","api"]}`)
	a.want("PUT", "faults", `{"faults":[{"status":"20","delay":1.5}]}`, 200,
		`{"faults":[{"status":"0x00000014","probability":1,"delay":"1.5s"}],"links":["sandbox","api"]}`)
	a.want("DELETE", "faults", "", 204, "")
	a.want("GET", "faults", "", 200, none)
	a.want("PUT", "faults", `{"link":"sandbox","delay":"1s","until":"2026-01-02T03:05:05.678Z"}`, 200,
		`{"faults":[{"link":"sandbox","probability":1,"delay":"1s","until":"2026-01-02T03:05:05.678Z"}],"links":["sandbox","api"]}`)
	a.clock.Advance(time.Minute)
	a.want("GET", "faults", "", 200, none)
}

func TestBadRequestsAreExplained(t *testing.T) {
	a := newAPI(t)
	long := strings.Repeat("x", 4097)
	for _, c := range []struct {
		method, path, body string
		status             int
		where, detail      string
	}{
		{"GET", "messages?to=pizza%40", "", 400, "to", "short code"},
		{"GET", "messages?from=1", "", 400, "from", "short code"},
		{"GET", "messages?phone=48507", "", 400, "phone", "+14255550100"},
		{"GET", "messages?since=yesterday", "", 400, "since", "2026-01-02"},
		{"GET", "messages?wait=61s", "", 400, "wait", "1m0s"},
		{"GET", "messages?wait=-1s", "", 400, "wait", "10s"},
		{"GET", "messages?wait=long", "", 400, "wait", "10s"},
		{"GET", "messages?limit=0", "", 400, "limit", "whole number"},
		{"GET", "phones?limit=all", "", 400, "limit", "whole number"},
		{"POST", "messages", `{"to":"48507","text":"hi"}`, 400, "/from", "missing"},
		{"POST", "messages", `{"from":"48507","to":"48507","text":"hi"}`, 400, "/from", "number of a phone"},
		{"POST", "messages", `{"from":"+14255550100","text":"hi"}`, 400, "/to", "missing"},
		{"POST", "messages", `{"from":"+14255550100","to":"a@example.com","text":"hi"}`, 400, "/to", "short code"},
		{"POST", "messages", `{"from":"+14255550100","to":"48507"}`, 400, "/text", "missing"},
		{"POST", "messages", `{"from":"+14255550100","to":"48507","text":""}`, 400, "/text", "empty"},
		{"POST", "messages", `{"from":"+14255550100","to":"48507","text":"` + long + `"}`, 400, "/text", "4096"},
		{"POST", "messages", `{"from":"+14255550100","to":"48507","text":"hi","txt":"hi"}`, 400, "", "txt"},
		{"POST", "messages", `{"from":1}`, 400, "", "from cannot be a number"},
		{"POST", "messages", `[]`, 400, "", "object"},
		{"POST", "messages", ``, 400, "", "empty"},
		{"POST", "messages", `{"from":`, 400, "", "too early"},
		{"POST", "messages", `{} {}`, 400, "", "behind"},
		{"POST", "messages", strings.Repeat(" ", 300<<10), 413, "", "octets"},
		{"PUT", "faults", `{"status":"pizza"}`, 400, "/status", "command_status"},
		{"PUT", "faults", `{"status":"0x1FFFFFFFF"}`, 400, "/status", "command_status"},
		{"PUT", "faults", `{"status":8,"number":"pizza"}`, 400, "/number", "number of a phone"},
		{"PUT", "faults", `{"delay":"soon"}`, 400, "/delay", "250ms"},
		{"PUT", "faults", `{"status":8,"until":"tomorrow"}`, 400, "/until", "2026-01-02"},
		{"PUT", "faults", `{"status":8,"probability":2}`, 400, "", "probability"},
		{"PUT", "faults", `{"status":8,"link":"att"}`, 400, "", "there is sandbox, api"},
		{"PUT", "faults", `{"faults":[{"status":8},{"delay":"soon"}]}`, 400, "/faults/1/delay", "250ms"},
		{"PUT", "faults", `{"faults":[{}]}`, 400, "", "status"},
		{"PUT", "faults", `{"faults":[],"link":"api"}`, 400, "", "link"},
		{"DELETE", "messages", "", 405, "", "GET, POST"},
		{"POST", "phones", "", 405, "", "GET"},
		{"GET", "phones/+14255550100/read", "", 405, "", "POST"},
		{"GET", "calls", "", 404, "", "/sandbox/v1/calls"},
		{"GET", "", "", 404, "", "/sandbox/v1/"},
	} {
		code, kind, body := a.call(c.method, c.path, c.body)
		var p struct {
			Type, Title, Detail string
			Status              int
			Errors              []struct{ Detail, Pointer, Parameter string }
		}
		err := json.Unmarshal([]byte(body), &p)
		where := ""
		if len(p.Errors) > 0 {
			where = p.Errors[0].Pointer + p.Errors[0].Parameter
		}
		if err != nil || code != c.status || p.Status != code || kind != "application/problem+json" ||
			p.Title != http.StatusText(code) || where != c.where || !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%s %s %.60s: %d %s %s", c.method, c.path, c.body, code, kind, body)
		}
	}
	if all, _ := a.book.Messages(t.Context(), phone.Filter{}, 0); len(all) != 0 {
		t.Errorf("a refused request had an effect: %+v", all)
	}
}

func TestSendIsRefusedWhenNobodyTakesWhatPhonesSend(t *testing.T) {
	a := newAPI(t)
	for {
		if _, err := a.book.Send("14255550100", pizza, "hi"); err != nil {
			break
		}
	}
	if code, kind, body := a.call("POST", "messages", `{"from":"+14255550100","to":"48507","text":"hi"}`); code != 503 || kind != "application/problem+json" {
		t.Errorf("answered %d %s %s", code, kind, body)
	}
}

// stream opens the stream and returns a function that gives its next event.
func (a *api) stream(query, last string) func() string {
	a.t.Helper()
	ctx, cancel := context.WithCancel(a.t.Context())
	r, _ := http.NewRequestWithContext(ctx, "GET", a.url+"/sandbox/v1/stream"+query, nil)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { cancel(); resp.Body.Close() })
	if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
		a.t.Errorf("content type %q", kind)
	}
	lines := bufio.NewReader(resp.Body)
	next := func() string {
		var event strings.Builder
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return "end of stream: " + err.Error()
			}
			if line == "\n" {
				return strings.TrimSuffix(event.String(), "\n")
			}
			event.WriteString(line)
		}
	}
	if first := next(); first != "retry: 1000" {
		a.t.Errorf("the stream begins with %q", first)
	}
	return next
}

func event(n int, text string) string {
	return fmt.Sprintf("id: p%d\nevent: message\ndata: "+
		`{"id":"p%d","phone":"+14255550100","direction":"in","from":"48507","to":"+14255550100","type":"SMS","text":%q,"time":"2026-01-02T03:04:05.678Z"}`, n, n, text)
}

func TestStream(t *testing.T) {
	a := newAPI(t)
	a.book.Deliver(pizza, "14255550100", "one", "")
	a.book.Deliver(pizza, "14255550100", "two", "")
	live, again, all := a.stream("", ""), a.stream("", "p1"), a.stream("?after=0", "")
	a.book.Deliver(pizza, "14255550100", "three", "")
	for _, c := range []struct {
		name string
		next func() string
		want []string
	}{
		{"from now on", live, []string{event(3, "three")}},
		{"after the last one seen", again, []string{event(2, "two"), event(3, "three")}},
		{"from the beginning", all, []string{event(1, "one"), event(2, "two"), event(3, "three")}},
	} {
		for _, want := range c.want {
			if got := c.next(); got != want {
				t.Errorf("%s: %q, want %q", c.name, got, want)
			}
		}
	}
}

func TestStreamTellsWhatWasLost(t *testing.T) {
	a := newAPI(t)
	for range 1010 { // a phone remembers 1,000
		a.book.Deliver(pizza, "14255550100", "x", "")
	}
	next := a.stream("", "p4") // p5 to p10 are forgotten
	for _, want := range []string{"event: lost\ndata: {\"count\":6}", event(11, "x")} {
		if got := next(); got != want {
			t.Errorf("event %q, want %q", got, want)
		}
	}
	if got, want := a.stream("", "p1009")(), event(1010, "x"); got != want {
		t.Errorf("event %q, want %q", got, want)
	}
}

func TestAQuietStreamIsKeptAlive(t *testing.T) {
	a := newAPI(t, func(s *http.Server, c *sandboxv1.Config) {
		c.Heartbeat = 20 * time.Millisecond
		s.ReadTimeout, s.WriteTimeout = 500*time.Millisecond, 500*time.Millisecond // of the listener, shorter than the stream
	})
	next := a.stream("", "")
	for range 40 {
		if got := next(); got != ": still here" {
			t.Fatalf("event %q", got)
		}
	}
	a.book.Deliver(pizza, "14255550100", "hi", "")
	for {
		if got := next(); got == event(1, "hi") {
			break
		} else if got != ": still here" {
			t.Fatalf("event %q", got)
		}
	}
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{"phones", "messages", "faults", "stream"} {
		if code, _, body := a.call("HEAD", path, ""); code != 200 || body != "" {
			t.Errorf("%s: %d %q", path, code, body)
		}
	}
}

// FuzzRequests shows that no request makes the handler panic or answer without JSON.
func FuzzRequests(f *testing.F) {
	f.Add("POST", "messages", "", `{"from":"+14255550100","to":"48507","text":"hi"}`)
	f.Add("GET", "messages", "to=%2B14255550100&since=p1&limit=3", "")
	f.Add("PUT", "faults", "", `{"faults":[{"status":"0x58","delay":"1s","probability":0.5}]}`)
	f.Add("POST", "phones/+14255550100/read", "", "")
	c := clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	h := sandboxv1.New(sandboxv1.Config{Book: book{phone.New(phone.Config{Clock: c})}, Faults: faults{sandbox.NewFaults([]string{"sandbox"}, c, nil)}})
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		q, _ := url.ParseQuery(query)
		if q.Get("wait") != "" || path == "stream" {
			return // these wait
		}
		r := &http.Request{Method: method, URL: &url.URL{Path: "/sandbox/v1/" + path, RawQuery: query}, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(t.Context()))
		if b := bytes.TrimSpace(w.Body.Bytes()); len(b) > 0 && !json.Valid(b) {
			t.Errorf("%s %s: %d %q", method, path, w.Code, b)
		}
	})
}
