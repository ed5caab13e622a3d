package callback_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"longlines/app"
	"longlines/callback"
	"longlines/queue"
	"longlines/timeline"
)

// record keeps attempts in memory: what the store would make durable.
type record struct {
	mu   sync.Mutex
	list []callback.Attempt
	fail error
}

func (r *record) Attempted(_ context.Context, a callback.Attempt) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	r.list = append(r.list, a)
	return nil
}

func (r *record) last(t *testing.T) callback.Attempt {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		t.Fatal("no attempt was recorded")
	}
	return r.list[len(r.list)-1]
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var loopback = callback.Guard{HTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}

func poster(t *testing.T, change func(*callback.Config)) (*callback.Poster, *record) {
	t.Helper()
	r := &record{}
	cfg := callback.Config{Store: r, Guard: loopback, Now: func() time.Time { return now }, Version: "1.2",
		Timeout: 5 * time.Second, Random: func() float64 { return .5 }}
	if change != nil {
		change(&cfg)
	}
	p, err := callback.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, r
}

func server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func job(url, what string) queue.Job {
	return callback.NewJob(callback.Post{ID: 4711, App: 7, What: what, URL: url, ContentType: "application/json",
		Body: []byte(`{"a":1}`), Subject: 99, Message: "SMSx"}, now)
}

func TestAPostIsDoneAfterA2xx(t *testing.T) {
	type seen struct {
		method, path, body string
		header             http.Header
	}
	got := make(chan seen, 1)
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- seen{r.Method, r.URL.String(), string(b), r.Header}
		w.WriteHeader(http.StatusNoContent)
	})
	feed := timeline.New(10, time.Now)
	p, r := poster(t, func(c *callback.Config) { c.Timeline = feed; c.AppName = func(app.ID) string { return "pizza" } })
	j := job(s.URL+"/cb?k=v", callback.WhatReceiveSMS)
	j.Value = nil // as after a restart
	if err := p.Work(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	g := <-got
	if g.method != "POST" || g.path != "/cb?k=v" || g.body != `{"a":1}` {
		t.Errorf("request was %+v", g)
	}
	for k, want := range map[string]string{"Content-Type": "application/json", "User-Agent": "longlines/1.2", "Webhook-Id": "post_3mv"} {
		if got := g.header.Get(k); got != want {
			t.Errorf("%s: %q, want %q", k, got, want)
		}
	}
	a := r.last(t)
	if !a.Done || a.Status != 204 || a.Number != 1 || a.App != 7 || a.Subject != 99 || a.Job.ID != 4711 || a.ToInbox || !a.Next.IsZero() {
		t.Errorf("attempt was %+v", a)
	}
	recent, w := feed.Watch(0)
	defer w.Close()
	if len(recent) != 1 || recent[0].App != "pizza" || recent[0].State != "204" {
		t.Errorf("timeline: %+v", recent)
	}
}

func TestWhatBecomesOfAnAnswer(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answer  http.HandlerFunc
		before  int // attempts made before
		what    string
		wait    time.Duration // until the next; 0: none
		inbox   bool
		errPart string
	}{
		{name: "a 500 is tried again after five seconds", answer: status(500), wait: 5 * time.Second, errPart: "500"},
		{name: "a 404 too", answer: status(404), wait: 5 * time.Second, errPart: "404"},
		{name: "the third comes after five minutes", answer: status(500), before: 1, wait: 5 * time.Minute},
		{name: "the tenth comes after a day", answer: status(500), before: 8, wait: 24 * time.Hour},
		{name: "the tenth was the last", answer: status(500), before: 9},
		{name: "a text given up goes to the inbox", answer: status(500), before: 9, what: callback.WhatReceiveSMS, inbox: true},
		{name: "410 ends it at once", answer: status(410), errPart: "410"},
		{name: "410 sends a text to the inbox", answer: status(410), what: callback.WhatReceiveSMS, inbox: true},
		{name: "a redirect is a failure and is not followed", errPart: "redirects", wait: 5 * time.Second,
			answer: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }},
		{name: "Retry-After in seconds is honoured", answer: after("120"), wait: 2 * time.Minute},
		{name: "Retry-After shorter than ours is not", answer: after("1"), wait: 5 * time.Second},
		{name: "Retry-After as a date is honoured", answer: after(now.Add(time.Hour).Format(http.TimeFormat)), wait: time.Hour},
		{name: "Retry-After is at most a day", answer: after("9999999"), wait: 24 * time.Hour},
		{name: "Retry-After of nonsense is nothing", answer: after("soon"), wait: 5 * time.Second},
		{name: "Retry-After below zero is nothing", answer: after("-5"), wait: 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var requests atomic.Int32
			s := server(t, func(w http.ResponseWriter, r *http.Request) { requests.Add(1); tt.answer(w, r) })
			p, r := poster(t, nil)
			j := job(s.URL, tt.what)
			j.Attempt = tt.before
			if err := p.Work(t.Context(), j); err != nil {
				t.Fatal(err)
			}
			a := r.last(t)
			var next time.Time
			if tt.wait > 0 {
				next = now.Add(tt.wait)
			}
			if a.Done || !a.Next.Equal(next) || a.ToInbox != tt.inbox || a.Number != tt.before+1 {
				t.Errorf("attempt was %+v, want next %s", a, next)
			}
			if tt.wait > 0 && (!a.Job.Due.Equal(next) || a.Job.Attempt != a.Number) {
				t.Errorf("job was %+v", a.Job)
			}
			if !strings.Contains(a.Error, tt.errPart) {
				t.Errorf("error %q does not tell %q", a.Error, tt.errPart)
			}
			if n := requests.Load(); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// TestWhatAListenerSaysIsKeptInPrint: its status line is its own, octet by octet.
func TestWhatAListenerSaysIsKeptInPrint(t *testing.T) {
	for _, tt := range []struct{ name, head, want string }{
		{"a reason", "HTTP/1.1 500 Out of flour\r\n", "answered 500 Out of flour"},
		{"what a terminal obeys", "HTTP/1.1 500 \x1b]0;owned\x07\x1b[2J\u009b\r\n", "answered 500 \uFFFD]0;owned\uFFFD\uFFFD[2J\uFFFD"},
		{"what is no text", "HTTP/1.1 302 a\x00b\xffc\r\nLocation: /\r\n", "answered 302 a\uFFFDb\uFFFDc; redirects are not followed"},
		{"a story", "HTTP/1.1 500 " + strings.Repeat("é", 5000) + "\r\n", "answered 500 " + strings.Repeat("é", 187) + "…"},
		{"a header that is none", "HTTP/1.1 500 x\r\n\x1b[2J\r\n", "malformed MIME header"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := server(t, func(w http.ResponseWriter, _ *http.Request) {
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				io.WriteString(c, tt.head+"Content-Length: 0\r\n\r\n")
			})
			p, r := poster(t, nil)
			if err := p.Work(t.Context(), job(s.URL, "")); err != nil {
				t.Fatal(err)
			}
			a := r.last(t)
			if !strings.Contains(a.Error, tt.want) || strings.HasPrefix(tt.want, "answered") && a.Error != tt.want ||
				strings.ContainsFunc(a.Error, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%+q", a.Error)
			}
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func after(v string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", v)
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func TestTheWaitsAreSpread(t *testing.T) {
	s := server(t, status(500))
	for _, tt := range []struct {
		random float64
		want   time.Duration
	}{{0, 4500 * time.Millisecond}, {1, 5500 * time.Millisecond}} {
		p, r := poster(t, func(c *callback.Config) { c.Random = func() float64 { return tt.random } })
		if err := p.Work(t.Context(), job(s.URL, "")); err != nil {
			t.Fatal(err)
		}
		if got := r.last(t).Next.Sub(now); got != tt.want {
			t.Errorf("random %v: next after %s, want %s", tt.random, got, tt.want)
		}
	}
}

func TestAListenerThatHangsIsLeft(t *testing.T) {
	release := make(chan struct{})
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	p, r := poster(t, func(c *callback.Config) { c.Timeout = 50 * time.Millisecond })
	if err := p.Work(t.Context(), job(s.URL, "")); err != nil {
		t.Fatal(err)
	}
	if a := r.last(t); a.Done || a.Status != 0 || !strings.Contains(a.Error, "no answer within") || a.Next.IsZero() {
		t.Errorf("attempt was %+v", a)
	}
}

func TestABodyThatNeverEndsDoesNotUndoTheHead(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	p, r := poster(t, func(c *callback.Config) { c.Timeout = 100 * time.Millisecond })
	if err := p.Work(t.Context(), job(s.URL, "")); err != nil {
		t.Fatal(err)
	}
	if a := r.last(t); !a.Done || a.Status != 200 {
		t.Errorf("attempt was %+v", a)
	}
}

func TestAHugeAnswerIsNotReadThrough(t *testing.T) {
	var written atomic.Int64
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		chunk := []byte(strings.Repeat("é", 16<<10))
		for range 4096 {
			n, err := w.Write(chunk)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	p, r := poster(t, nil)
	if err := p.Work(t.Context(), job(s.URL, "")); err != nil {
		t.Fatal(err)
	}
	a := r.last(t)
	if !a.Done || len(a.Reply) > 4<<10 || len(a.Reply) < 4<<10-2 || strings.ContainsRune(a.Reply, '\uFFFD') {
		t.Errorf("kept %d bytes, done %v", len(a.Reply), a.Done)
	}
	s.CloseClientConnections()
}

func TestAGuardRefusalIsFinalAndNamesTheReason(t *testing.T) {
	s := server(t, status(200))
	for _, tt := range []struct {
		name, url string
		guard     callback.Guard
	}{
		{"http is not allowed", s.URL, callback.Guard{}},
		{"the address is not public", "https://localhost:" + port(t, s.URL) + "/", callback.Guard{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, r := poster(t, func(c *callback.Config) { c.Guard = tt.guard })
			if err := p.Work(t.Context(), job(tt.url, callback.WhatReceiveSMS)); err != nil {
				t.Fatal(err)
			}
			a := r.last(t)
			if a.Done || !a.Next.IsZero() || !a.ToInbox || !strings.Contains(a.Error, "callbacks may not go to") {
				t.Errorf("attempt was %+v", a)
			}
			if l := p.Paused(); len(l) != 0 {
				t.Errorf("endpoints paused: %v", l)
			}
		})
	}
}

func port(t *testing.T, u string) string {
	t.Helper()
	return u[strings.LastIndexByte(u, ':')+1:]
}

func TestNoProxyIsTakenFromTheEnvironment(t *testing.T) {
	var proxied atomic.Bool
	proxy := server(t, func(w http.ResponseWriter, r *http.Request) { proxied.Store(true) })
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	s := server(t, status(200))
	p, r := poster(t, nil)
	if err := p.Work(t.Context(), job(s.URL, "")); err != nil {
		t.Fatal(err)
	}
	if !r.last(t).Done || proxied.Load() {
		t.Error("the post went through the proxy")
	}
}

func TestTLSIsVerified(t *testing.T) {
	s := httptest.NewTLSServer(status(200))
	t.Cleanup(s.Close)
	p, r := poster(t, nil)
	if err := p.Work(t.Context(), job(s.URL, "")); err != nil {
		t.Fatal(err)
	}
	if a := r.last(t); a.Done || a.Next.IsZero() || !strings.Contains(a.Error, "certificate") {
		t.Errorf("attempt was %+v", a)
	}
	p, r = poster(t, func(c *callback.Config) {
		c.TLS = &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	})
	if err := p.Work(t.Context(), job(s.URL, "")); err != nil {
		t.Fatal(err)
	}
	if a := r.last(t); !a.Done {
		t.Errorf("attempt was %+v", a)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	var conns atomic.Int32
	s := httptest.NewUnstartedServer(status(200))
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	p, _ := poster(t, nil)
	for range 20 {
		if err := p.Work(t.Context(), job(s.URL, "")); err != nil {
			t.Fatal(err)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for 20 posts in a row", n)
	}
}

// lanes notes what is done to a lane, as text.
type lanes chan string

func (l lanes) SetLane(_ queue.Kind, name string, workers int) {
	l <- "set " + strconv.Itoa(workers) + " " + name
}
func (l lanes) RemoveLane(_ queue.Kind, name string) { l <- "remove " + name }

func TestAnEndpointThatOnlyFailsIsPausedAndProbed(t *testing.T) {
	var healthy atomic.Bool
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		if !healthy.Load() {
			w.WriteHeader(500)
		}
	})
	l := make(lanes, 10)
	p, r := poster(t, func(c *callback.Config) {
		c.Failures, c.Probe, c.Lanes, c.Now = 3, time.Millisecond, l, time.Now
	})
	work := func() {
		t.Helper()
		if err := p.Work(t.Context(), job(s.URL, "")); err != nil {
			t.Fatal(err)
		}
	}
	saw := func(want string) {
		t.Helper()
		select {
		case got := <-l:
			if got != want {
				t.Fatalf("%s, want %s", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("never: " + want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	work()
	work()
	if n := len(l); n != 0 || len(p.Paused()) != 0 {
		t.Fatal("paused too early")
	}
	work()
	saw("set 0 " + s.URL + "/")
	saw("set 1 " + s.URL + "/")
	if l := p.Paused(); len(l) != 1 || l[0] != s.URL+"/" {
		t.Fatalf("paused: %v", l)
	}
	work() // the probe fails
	saw("set 0 " + s.URL + "/")
	saw("set 1 " + s.URL + "/")
	healthy.Store(true)
	work()
	saw("remove " + s.URL + "/")
	if l := p.Paused(); len(l) != 0 || !r.last(t).Done {
		t.Errorf("paused: %v", l)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestStoppingInTheMiddleOfAnAttemptRecordsNothing(t *testing.T) {
	arrived := make(chan struct{})
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client has gone
		close(arrived)
		<-r.Context().Done()
	})
	p, r := poster(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Work(ctx, job(s.URL, "")) }()
	<-arrived
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Work returned %v", err)
	}
	if len(r.list) != 0 {
		t.Errorf("recorded %+v", r.list)
	}
}

func TestAnOutcomeThatCannotBeRecordedIsAnError(t *testing.T) {
	s := server(t, status(200))
	p, r := poster(t, nil)
	r.fail = errors.New("disk on fire")
	if err := p.Work(t.Context(), job(s.URL, "")); err == nil || !errors.Is(err, r.fail) {
		t.Errorf("Work returned %v", err)
	}
}

func TestABrokenPayloadEndsTheJob(t *testing.T) {
	p, r := poster(t, nil)
	if err := p.Work(t.Context(), queue.Job{ID: 1, Kind: queue.KindCallback, Payload: []byte("{")}); err != nil {
		t.Fatal(err)
	}
	if a := r.last(t); a.Done || !a.Next.IsZero() || a.Error == "" {
		t.Errorf("attempt was %+v", a)
	}
}

func TestLane(t *testing.T) {
	for in, want := range map[string]string{
		"https://Example.com/cb?x=1":  "https://example.com/cb",
		"https://example.com":         "https://example.com/",
		"HTTPS://example.com:8443/Cb": "https://example.com:8443/Cb",
	} {
		if got := callback.Lane(in); got != want {
			t.Errorf("Lane(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestAPostSurvivesItsPayload(t *testing.T) {
	want := callback.Post{ID: 1, App: 2, What: "w", URL: "https://example.com/", ContentType: "application/json",
		Body: []byte("{\"x\":\"\xff\"}"), Subject: 3, Message: "SMS" + strconv.Itoa(4), Header: http.Header{"X-A": {"b"}}}
	j := callback.NewJob(want, now)
	j.Value = nil
	got, err := callback.PostOf(j)
	if err != nil || string(got.Body) != string(want.Body) || got.URL != want.URL || got.Subject != want.Subject || got.Header.Get("X-A") != "b" || got.App != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
}
