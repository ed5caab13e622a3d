package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"longlines/app"
	"longlines/fault"
	"longlines/gateway"
	"longlines/id"
	"longlines/oauth"
	"longlines/quota"
	"longlines/store"
	"longlines/timeline"
	"longlines/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a gateway with its real store on a port of its own, in front of a small API.
type site struct {
	t       testing.TB
	store   *store.Store
	apps    *app.Directory
	tokens  *oauth.Service
	gateway *gateway.Gateway
	feed    *timeline.Feed
	log     *safeBuffer
	reg     *prometheus.Registry
	clock   *clock
	url     string
	stop    func() // what longlines.go does to who still waits during a stop
	client  *http.Client
	app     *app.App
	token   string

	made    atomic.Int64  // things made
	after   chan bool     // what After was told
	hold    chan struct{} // held calls end when it is closed
	held    chan struct{} // one for each held call
	ended   chan error    // why a slow call ended
	flaky   atomic.Bool   // POST flaky answers 503 while set
	lastKey atomic.Pointer[app.Idempotency]
}

// clock stands still until it is set, so that no test meets the end of a minute.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time      { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) add(d time.Duration) { c.at.Add(int64(d)) }

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

type thing struct {
	XMLName xml.Name `json:"-" xml:"Thing"`
	Name    string   `json:"Name" xml:"Name"`
	Number  int64    `json:"Number" xml:"Number"`
}

func (s *site) endpoints() []gateway.Endpoint {
	media := []string{"application/json", "application/xml", "application/x-www-form-urlencoded"}
	row := func(method, path string, h func(*gateway.Call) (gateway.Reply, error)) gateway.Endpoint {
		e := gateway.Endpoint{Method: method, Path: path, API: "Test", Operation: strings.ToLower(method) + " " + path, Scope: "SMS", Handle: h}
		if method == "POST" {
			e.Media = media
		}
		return e
	}
	make := func(c *gateway.Call) (gateway.Reply, error) {
		n, err := wire.Parse(c.Header.Get("Content-Type"), c.Body, wire.Limits{})
		if err != nil {
			return gateway.Reply{}, err
		}
		name, err := wire.Text(n.Root("Thing"), "Name", "Name")
		if err != nil {
			return gateway.Reply{}, err
		}
		s.lastKey.Store(c.Key)
		made := s.made.Add(1)
		c.Subject = id.Number(made)
		return gateway.Reply{Status: 201, Header: http.Header{"Location": {"/test/v1/things/" + fmt.Sprint(made)}}, Body: thing{Name: name, Number: made}}, nil
	}
	old := row("GET", "/test/v1/old", func(*gateway.Call) (gateway.Reply, error) { return gateway.Reply{Body: thing{Name: "old"}}, nil })
	old.QueryToken = true
	never := row("POST", "/test/v1/emergency", func(*gateway.Call) (gateway.Reply, error) { return gateway.Reply{}, nil })
	never.Unmetered = true
	return []gateway.Endpoint{
		row("POST", "/test/v1/things", make),
		row("POST", "/test/v1/others", make),
		row("GET", "/test/v1/things", func(*gateway.Call) (gateway.Reply, error) { return gateway.Reply{Body: thing{Name: "all"}}, nil }),
		row("GET", "/test/v1/things/{id}", func(c *gateway.Call) (gateway.Reply, error) {
			return gateway.Reply{Body: thing{Name: c.PathValue("id")}}, nil
		}),
		row("DELETE", "/test/v1/things/{id}", func(*gateway.Call) (gateway.Reply, error) { return gateway.Reply{Status: 204}, nil }),
		row("GET", "/test/v1/things/last", func(*gateway.Call) (gateway.Reply, error) { return gateway.Reply{Body: thing{Name: "the last"}}, nil }),
		row("POST", "/test/v1/panic", func(*gateway.Call) (gateway.Reply, error) { panic("a bug of ours") }),
		row("POST", "/test/v1/error", func(*gateway.Call) (gateway.Reply, error) {
			return gateway.Reply{}, errors.New("dial tcp 10.0.0.7: secret detail")
		}),
		row("POST", "/test/v1/flaky", func(c *gateway.Call) (gateway.Reply, error) {
			if s.flaky.Load() {
				return gateway.Reply{}, fault.Unavailable
			}
			return gateway.Reply{Body: thing{Number: s.made.Add(1)}}, nil
		}),
		row("POST", "/test/v1/taken", func(c *gateway.Call) (gateway.Reply, error) { // while we ran, on another node
			s.lastKey.Store(c.Key)
			return gateway.Reply{}, fault.IdempotencyMismatch
		}),
		row("POST", "/test/v1/slow", func(c *gateway.Call) (gateway.Reply, error) {
			s.held <- struct{}{}
			<-c.Context().Done()
			s.ended <- c.Context().Err()
			return gateway.Reply{}, fmt.Errorf("ask the centre: %w", c.Context().Err())
		}),
		row("POST", "/test/v1/hold", func(c *gateway.Call) (gateway.Reply, error) {
			s.held <- struct{}{}
			<-s.hold
			return gateway.Reply{Body: thing{Name: "held"}}, nil
		}),
		row("GET", "/test/v1/after", func(c *gateway.Call) (gateway.Reply, error) {
			return gateway.Reply{Body: thing{Name: "lease"}, After: func(ok bool) { s.after <- ok }}, nil
		}),
		row("GET", "/test/v1/unwritable", func(c *gateway.Call) (gateway.Reply, error) {
			return gateway.Reply{Body: make, After: func(ok bool) { s.after <- ok }}, nil
		}),
		row("GET", "/test/v1/wait", func(c *gateway.Call) (gateway.Reply, error) {
			return gateway.Reply{Body: thing{Name: c.Wait.String()}}, nil
		}),
		never, old,
		{Method: "POST", Path: "/oauth/v4/introspect", API: "OAuth", Operation: "Introspect", Dialect: wire.DialectOAuth, Media: media[2:],
			Handle: func(c *gateway.Call) (gateway.Reply, error) { return gateway.Reply{Body: struct{}{}}, c.Charge(s.app) }},
		{Method: "POST", Path: "/oauth/v4/slow", API: "OAuth", Operation: "Wait", Dialect: wire.DialectOAuth, Media: media[2:],
			Handle: func(c *gateway.Call) (gateway.Reply, error) {
				<-c.Context().Done()
				return gateway.Reply{}, fmt.Errorf("ask the centre: %w", c.Context().Err())
			}},
		{Method: "POST", Path: "/oauth/v4/token", API: "OAuth", Operation: "Get Access Token", Dialect: wire.DialectOAuth, Media: media[2:],
			Handle: func(*gateway.Call) (gateway.Reply, error) { return gateway.Reply{Body: struct{}{}}, nil }},
	}
}

func open(t testing.TB, change func(*gateway.Config)) *site {
	t.Helper()
	ctx := context.Background()
	s := &site{t: t, log: &safeBuffer{}, reg: prometheus.NewRegistry(), clock: &clock{},
		after: make(chan bool, 10), hold: make(chan struct{}), held: make(chan struct{}, 1000), ended: make(chan error, 10)}
	s.clock.at.Store(time.Now().Truncate(time.Minute).Add(5 * time.Second).UnixNano())
	s.feed = timeline.New(100, s.clock.now)
	var err error
	if s.store, err = store.Open(ctx, store.Config{Ephemeral: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.store.Close(context.Background()) })
	if s.apps, err = app.NewDirectory(ctx, s.store, app.Config{}); err != nil {
		t.Fatal(err)
	}
	if s.tokens, err = oauth.New(oauth.Config{Store: s.store, Sealer: s.store.Sealer(), Apps: s.apps, Now: s.clock.now}); err != nil {
		t.Fatal(err)
	}
	meter, err := quota.New(quota.Config{Source: s.store, Now: s.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(meter.Close)
	cfg := gateway.Config{
		Endpoints: s.endpoints(), Tokens: s.tokens, Apps: s.apps, Meter: meter, Store: s.store, Timeline: s.feed,
		Now: s.clock.now, Metrics: gateway.NewMetrics(s.reg),
		Log:   slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Pages: map[string]http.Handler{"GET /errors/{code}": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "<p>%s", r.PathValue("code")) })},
	}
	if change != nil {
		change(&cfg)
	}
	if s.gateway, err = gateway.New(cfg); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := s.gateway.Server()
	base, cancel := context.WithCancelCause(ctx)
	s.stop = func() { cancel(gateway.ErrStopping) }
	srv.BaseContext = func(net.Listener) context.Context { return base }
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	s.url = "http://" + l.Addr().String()
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 300}}
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		srv.Close()
		<-done
		s.stop()
	})
	s.app, s.token = s.newApp("alice")
	return s
}

// newApp makes an app with a quota out of the way, and a token of it.
func (s *site) newApp(name string) (*app.App, string) {
	s.t.Helper()
	a, _, err := s.apps.Create(context.Background(), app.App{Name: name, Scopes: []app.Scope{"SMS", "MMS"},
		Quotas: map[string]app.Quota{"Test": {PerMinute: 1_000_000, PerDay: 1_000_000}}}, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return a, s.newToken(a, "SMS")
}

func (s *site) newToken(a *app.App, scope string) string {
	s.t.Helper()
	out, err := s.tokens.ClientCredentials(context.Background(), a, scope, [32]byte{})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.Access
}

func (s *site) quota(a *app.App, q app.Quota) {
	s.t.Helper()
	if _, err := s.apps.Update(context.Background(), a.ID, func(a *app.App) error {
		a.Quotas = map[string]app.Quota{"Test": q}
		return nil
	}); err != nil {
		s.t.Fatal(err)
	}
}

type reply struct {
	*http.Response
	body string
}

// do calls with alice's token; headers come in pairs, "" removes one.
func (s *site) do(method, path, body string, header ...string) reply {
	s.t.Helper()
	r, err := s.try(method, path, body, header...)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *site) try(method, path, body string, header ...string) (reply, error) {
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
		} else {
			req.Header.Set(header[i], header[i+1])
		}
	}
	res, err := s.client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return reply{res, string(b)}, err
}

// raw writes bytes to a connection of its own and reads one answer.
func (s *site) raw(text string) (reply, error) {
	u, _ := url.Parse(s.url)
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		return reply{}, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(15 * time.Second))
	go io.WriteString(c, text)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return reply{}, err
	}
	b, err := io.ReadAll(res.Body)
	return reply{res, string(b)}, err
}

// envelope is the published form of a refusal.
func envelope(f *fault.Fault) string {
	kind := "ServiceException"
	if strings.HasPrefix(f.Code, "POL") {
		kind = "PolicyException"
	}
	b := &bytes.Buffer{}
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	enc.Encode(map[string]any{"RequestError": map[string]any{kind: json.RawMessage(
		fmt.Sprintf(`{"MessageId":%q,"Text":%q,"Variables":%q}`, f.Code, f.Text, f.Value()))}})
	return strings.TrimSpace(b.String())
}

func (s *site) expect(t *testing.T, r reply, f *fault.Fault) {
	t.Helper()
	if r.StatusCode != f.Status || r.body != envelope(f) {
		t.Fatalf("%d %s\nwant %d %s", r.StatusCode, r.body, f.Status, envelope(f))
	}
	if ct := r.Header.Get("Content-Type"); ct != "application/json" {
		t.Fatalf("content type %q", ct)
	}
	if l, want := r.Header.Get("Link"), "<"+s.url+"/errors/"+f.Code+"#"+f.Case+`>; rel="describedby"`; l != want {
		t.Fatalf("link %q, want %q", l, want)
	}
	if q := r.Header.Get("X-Request-Id"); len(q) != 30 || q != r.Header.Get("x-systemTransactionId") {
		t.Fatalf("request id %q", q)
	}
	if r.ContentLength != int64(len(r.body)) {
		t.Fatalf("Content-Length %d", r.ContentLength)
	}
}

const goodThing = `{"Thing":{"Name":"cheese"}}`

// TestEveryCondition provokes every row of the catalogue that is due here, over HTTP.
func TestEveryCondition(t *testing.T) {
	asks := map[*fault.Fault]func(t *testing.T, s *site) reply{
		fault.MissingAuthorization: func(t *testing.T, s *site) reply {
			return s.do("POST", "/test/v1/things", goodThing, "Authorization", "")
		},
		fault.BadToken: func(t *testing.T, s *site) reply {
			return s.do("POST", "/test/v1/things", goodThing, "Authorization", "Bearer nonsense")
		},
		fault.ScopeNotAllowed: func(t *testing.T, s *site) reply {
			return s.do("POST", "/test/v1/things", goodThing, "Authorization", "Bearer "+s.newToken(s.app, "MMS"))
		},
		fault.TooManyRequests: func(t *testing.T, s *site) reply {
			s.quota(s.app, app.Quota{PerMinute: 1})
			s.do("POST", "/test/v1/things", goodThing)
			r := s.do("POST", "/test/v1/things", goodThing)
			if r.Header.Get("Retry-After") != "55" {
				t.Fatalf("Retry-After %q five seconds into the minute", r.Header.Get("Retry-After"))
			}
			return r
		},
		fault.QuotaExceeded: func(t *testing.T, s *site) reply {
			s.quota(s.app, app.Quota{PerDay: 1})
			s.do("POST", "/test/v1/things", goodThing)
			return s.do("POST", "/test/v1/things", goodThing)
		},
		fault.Internal: func(t *testing.T, s *site) reply {
			r := s.do("POST", "/test/v1/error", goodThing)
			if strings.Contains(r.body, "10.0.0.7") || !strings.Contains(s.log.String(), "10.0.0.7") {
				t.Fatal("the cause does not stand in the log and only there")
			}
			return r
		},
		fault.Unavailable: func(t *testing.T, s *site) reply {
			s.flaky.Store(true)
			r := s.do("POST", "/test/v1/flaky", goodThing)
			if r.Header.Get("Retry-After") != "5" {
				t.Fatalf("Retry-After %q", r.Header.Get("Retry-After"))
			}
			return r
		},
		fault.NotFound: func(t *testing.T, s *site) reply { return s.do("GET", "/test/v1/nothing", "") },
		fault.MethodNotAllowed: func(t *testing.T, s *site) reply {
			r := s.do("PUT", "/test/v1/things/7", goodThing)
			if r.Header.Get("Allow") != "DELETE, GET" {
				t.Fatalf("Allow %q", r.Header.Get("Allow"))
			}
			return r
		},
		fault.HeadTooLarge: func(t *testing.T, s *site) reply {
			r := s.do("GET", "/test/v1/things", "", "X-Padding", strings.Repeat("x", 16<<10))
			if !r.Close {
				t.Fatal("the connection stays open")
			}
			return r
		},
		fault.BodyTooLarge: func(t *testing.T, s *site) reply {
			return s.do("POST", "/test/v1/things", `{"Name":"`+strings.Repeat("x", 64<<10)+`"}`)
		},
		fault.MediaType: func(t *testing.T, s *site) reply {
			return s.do("POST", "/test/v1/things", goodThing, "Content-Type", "text/plain")
		},
		fault.ContentCoding: func(t *testing.T, s *site) reply {
			return s.do("POST", "/test/v1/things", goodThing, "Content-Encoding", "gzip")
		},
		fault.Unparsable: func(t *testing.T, s *site) reply {
			return s.do("POST", "/test/v1/things", `["address`)
		},
		fault.IdempotencyMalformed: func(t *testing.T, s *site) reply {
			return s.do("POST", "/test/v1/things", goodThing, "Idempotency-Key", strings.Repeat("k", 256))
		},
		fault.IdempotencyMismatch: func(t *testing.T, s *site) reply {
			s.do("POST", "/test/v1/things", goodThing, "Idempotency-Key", "k")
			return s.do("POST", "/test/v1/things", `{"Name":"ham"}`, "Idempotency-Key", "k")
		},
		fault.IdempotencyInFlight: func(t *testing.T, s *site) reply {
			first := make(chan reply, 1)
			go func() {
				r, _ := s.try("POST", "/test/v1/hold", goodThing, "Idempotency-Key", "k")
				first <- r
			}()
			<-s.held
			r := s.do("POST", "/test/v1/hold", goodThing, "Idempotency-Key", "k")
			close(s.hold)
			if (<-first).StatusCode != 200 {
				t.Fatal("the first request failed")
			}
			return r
		},
		fault.BadGateway: func(t *testing.T, s *site) reply {
			r := s.do("POST", "/test/v1/slow", goodThing)
			if err := <-s.ended; !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("the handler was not told: %v", err)
			}
			return r
		},
	}
	for _, row := range fault.All() {
		if row.DueIn != fault.DueGateway {
			continue
		}
		ask := asks[row.Fault]
		if ask == nil {
			t.Errorf("%s#%s is provoked by nothing", row.Code, row.Case)
			continue
		}
		t.Run(row.Code+"#"+row.Case, func(t *testing.T) {
			s := open(t, func(c *gateway.Config) {
				if row.Fault == fault.BadGateway {
					c.Limits.Handler = time.Second // enough for the handler to begin on a busy machine
				}
			})
			s.expect(t, ask(t, s), row.Fault)
		})
	}
}

// A deadline that is over is told in the words of the OAuth paths there (docs/reference/errors.md §5).
func TestADeadlineOnAnOAuthPath(t *testing.T) {
	s := open(t, func(c *gateway.Config) { c.Limits.Handler = time.Second })
	r := s.do("POST", "/oauth/v4/slow", "a=b", "Content-Type", "application/x-www-form-urlencoded", "Authorization", "")
	f := fault.OnOAuth(fault.BadGateway)
	if want := `{"error":"` + f.Code + `","error_description":"` + f.Description + `"}`; r.StatusCode != f.Status || r.body != want {
		t.Fatalf("%d %s, want %d %s", r.StatusCode, r.body, f.Status, want)
	}
	if l, want := r.Header.Get("Link"), "<"+s.url+"/errors/"+f.Code+"#"+f.Case+`>; rel="describedby"`; l != want {
		t.Fatalf("Link %q, want %q", l, want)
	}
}

func TestPaths(t *testing.T) {
	s := open(t, nil)
	for _, c := range []struct {
		name, path string
		status     int
		thing      string
	}{
		{"as published", "/test/v1/things", 200, "all"},
		{"a final slash", "/test/v1/things/", 200, "all"},
		{"a double slash", "//test///v1/things", 200, "all"},
		{"dot segments", "/test/./v2/../v1/things", 200, "all"},
		{"a trailing question mark", "/test/v1/things?", 200, "all"},
		{"dots beyond the root", "/../../test/v1/things", 200, "all"},
		{"a parameter", "/test/v1/things/SMS42", 200, "SMS42"},
		{"an escaped parameter is decoded", "/test/v1/things/tel%3A%2B1425", 200, "tel:+1425"},
		{"an escaped slash is part of the parameter", "/test/v1/things/a%2Fb", 200, "a/b"},
		{"and stays so when the path is cleaned", "//test/v1/things/a%2Fb/", 200, "a/b"},
		{"escaped dots are part of the parameter", "/test/v1/things/%2e%2e", 200, ".."},
		{"a literal wins over a parameter", "/test/v1/things/last", 200, "the last"},
		{"case matters", "/test/v1/Things", 404, ""},
		{"below a parameter there is nothing", "/test/v1/things/a/b", 404, ""},
		{"the root", "/", 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := s.raw("GET " + c.path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + s.token + "\r\n\r\n")
			if err != nil || r.StatusCode != c.status {
				t.Fatalf("%v %v %s", r.Response, err, r.body)
			}
			if c.status == 200 && !strings.Contains(r.body, fmt.Sprintf(`"Name":%q`, c.thing)) {
				t.Fatalf("got %s", r.body)
			}
		})
	}
	t.Run("what is no path", func(t *testing.T) {
		for _, line := range []string{"OPTIONS *", "CONNECT test:443", "CONNECT /test/v1/things"} {
			r, err := s.raw(line + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if err != nil || r.StatusCode != 404 || r.Header.Get("X-Request-Id") == "" {
				t.Fatalf("%s: %v %v", line, r.Response, err)
			}
		}
	})
	t.Run("HEAD and OPTIONS are not served", func(t *testing.T) {
		for _, m := range []string{"HEAD", "OPTIONS"} {
			r := s.do(m, "/test/v1/things", "")
			if r.StatusCode != 405 || r.Header.Get("Allow") != "GET, POST" || m == "HEAD" && r.body != "" {
				t.Fatalf("%s: %d %q %s", m, r.StatusCode, r.Header.Get("Allow"), r.body)
			}
		}
	})
	t.Run("an unknown path answers in the dialect of its family", func(t *testing.T) {
		r := s.do("GET", "/oauth/v9/token", "")
		if r.StatusCode != 404 || !strings.HasPrefix(r.body, `{"error":"invalid_request",`) {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
		if r = s.do("GET", "/oauth/v4/token", ""); r.StatusCode != 405 || !strings.HasPrefix(r.body, `{"error":"invalid_request",`) || r.Header.Get("Allow") != "POST" {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
	})
	t.Run("a page is shown to whoever asks", func(t *testing.T) {
		r := s.do("GET", "/errors/POL0001", "", "Authorization", "")
		if r.StatusCode != 200 || r.body != "<p>POL0001" || r.Header.Get("X-Request-Id") == "" {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
	})
}

func TestAuthorization(t *testing.T) {
	s := open(t, nil)
	for _, c := range []struct {
		name, header string
		want         *fault.Fault
	}{
		{"Bearer", "Bearer " + s.token, nil},
		{"BEARER, as two kits write it", "BEARER " + s.token, nil},
		{"bearer", "bearer " + s.token, nil},
		{"two blanks", "Bearer  " + s.token, nil},
		{"the scheme alone", "Bearer ", fault.MissingAuthorization},
		{"blanks", "   ", fault.MissingAuthorization},
		{"no scheme", s.token, fault.BadToken},
		{"another scheme", "Basic YTpi", fault.BadToken},
		{"something behind the token", "Bearer " + s.token + " x", fault.BadToken},
		{"a token that was cut", "Bearer " + s.token[:60], fault.BadToken},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := s.raw("GET /test/v1/things HTTP/1.1\r\nHost: " + strings.TrimPrefix(s.url, "http://") + "\r\nConnection: close\r\nAuthorization: " + c.header + "\r\n\r\n")
			if err != nil {
				t.Fatal(err)
			}
			if c.want == nil {
				if r.StatusCode != 200 {
					t.Fatalf("%d %s", r.StatusCode, r.body)
				}
				return
			}
			s.expect(t, r, c.want)
			if got := r.Header.Get("WWW-Authenticate"); (got != "") != (c.want.Status == 401) {
				t.Fatalf("challenge %q", got)
			}
		})
	}
	t.Run("two headers are none", func(t *testing.T) {
		r, err := s.raw("GET /test/v1/things HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + s.token + "\r\nAuthorization: Bearer " + s.token + "\r\n\r\n")
		if err != nil || r.StatusCode != 401 {
			t.Fatal(r.Response, err)
		}
	})
	t.Run("a token in the query opens only what says so", func(t *testing.T) {
		if r := s.do("GET", "/test/v1/old?access_token="+s.token, "", "Authorization", ""); r.StatusCode != 200 {
			t.Fatal(r.StatusCode, r.body)
		}
		s.expect(t, s.do("GET", "/test/v1/things?access_token="+s.token, "", "Authorization", ""), fault.MissingAuthorization)
	})
	t.Run("a scope taken off the account opens nothing any more", func(t *testing.T) {
		a, token := s.newApp("bob")
		if _, err := s.apps.Update(context.Background(), a.ID, func(a *app.App) error { a.Scopes = []app.Scope{"MMS"}; return nil }); err != nil {
			t.Fatal(err)
		}
		s.expect(t, s.do("GET", "/test/v1/things", "", "Authorization", "Bearer "+token), fault.ScopeNotAllowed)
	})
}

func TestFormats(t *testing.T) {
	s := open(t, nil)
	t.Run("XML is answered in XML", func(t *testing.T) {
		r := s.do("POST", "/test/v1/things", "<Thing><Name>cheese</Name></Thing>", "Content-Type", "application/xml", "Accept", "application/xml")
		if r.StatusCode != 201 || r.Header.Get("Content-Type") != "application/xml" || !strings.HasPrefix(r.body, `<?xml version="1.0" encoding="UTF-8"?>`+"\n<Thing><Name>cheese") {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
	})
	t.Run("a refusal too", func(t *testing.T) {
		r := s.do("POST", "/test/v1/things", "{}", "Accept", "application/xml")
		if r.StatusCode != 400 || r.Header.Get("Content-Type") != "application/xml" || !strings.Contains(r.body, "<RequestError><ServiceException><MessageId>SVC0002</MessageId>") {
			t.Fatalf("%d %s", r.StatusCode, r.body)
		}
	})
	t.Run("a problem document is for who asks for it", func(t *testing.T) {
		r := s.do("GET", "/test/v1/nothing", "", "Accept", "application/problem+json")
		var m map[string]any
		if err := json.Unmarshal([]byte(r.body), &m); err != nil || r.Header.Get("Content-Type") != "application/problem+json" ||
			m["type"] != s.url+"/errors/SVC0001#not-found" || m["status"] != 404.0 || m["instance"] != r.Header.Get("X-Request-Id") {
			t.Fatalf("%s %v", r.body, err)
		}
	})
	t.Run("Accept that names nothing we serve is answered in JSON", func(t *testing.T) {
		if r := s.do("GET", "/test/v1/things", "", "Accept", "image/png"); r.StatusCode != 200 || r.Header.Get("Content-Type") != "application/json" {
			t.Fatal(r.StatusCode)
		}
	})
	t.Run("204 has no body and no length", func(t *testing.T) {
		if r := s.do("DELETE", "/test/v1/things/1", ""); r.StatusCode != 204 || r.body != "" || r.Header.Get("Content-Length") != "" {
			t.Fatal(r.StatusCode, r.Header)
		}
	})
	t.Run("a form, a media type with parameters, and none at all are read", func(t *testing.T) {
		for _, c := range [][2]string{{"Name=cheese", "application/x-www-form-urlencoded; charset=ISO-8859-1"}, {goodThing, "Application/JSON;charset=utf-8"}, {goodThing, ""}} {
			if r := s.do("POST", "/test/v1/things", c[0], "Content-Type", c[1]); r.StatusCode != 201 {
				t.Fatalf("%q: %d %s", c[1], r.StatusCode, r.body)
			}
		}
	})
	t.Run("a chunked body is limited as it comes", func(t *testing.T) {
		for n, want := range map[int]int{100: 201, 70 << 10: 413} {
			req, _ := http.NewRequest("POST", s.url+"/test/v1/things", io.MultiReader(strings.NewReader(`{"Name":"`), strings.NewReader(strings.Repeat("x", n)), strings.NewReader(`"}`)))
			req.Header.Set("Authorization", "Bearer "+s.token)
			res, err := s.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Fatalf("%d bytes: %d", n, res.StatusCode)
			}
		}
	})
	t.Run("a good correlator is echoed, a bad one is not", func(t *testing.T) {
		if r := s.do("GET", "/test/v1/things", "", "X-Correlator", "trip-7/a:b"); r.Header.Get("X-Correlator") != "trip-7/a:b" {
			t.Fatal("not echoed")
		}
		if r := s.do("GET", "/test/v1/things", "", "X-Correlator", "a b"); r.Header.Get("X-Correlator") != "" {
			t.Fatal("echoed")
		}
	})
}

func TestPrefer(t *testing.T) {
	s := open(t, nil)
	for header, want := range map[string]string{
		"": "0s", "wait=3": "3s", "respond-async, wait=2": "2s", "Wait = 4;x=y": "4s", "wait=60": "5s", "wait=-1": "0s", "wait=x": "0s", "return=minimal": "0s",
	} {
		if r := s.do("GET", "/test/v1/wait", "", "Prefer", header); !strings.Contains(r.body, `"Name":"`+want+`"`) {
			t.Errorf("%q: %s", header, r.body)
		}
	}
	if _, err := s.apps.Update(context.Background(), s.app.ID, func(a *app.App) error { a.WaitForVerdict = 2 * time.Second; return nil }); err != nil {
		t.Fatal(err)
	}
	if r := s.do("GET", "/test/v1/wait", ""); !strings.Contains(r.body, `"Name":"2s"`) {
		t.Errorf("the app's own setting: %s", r.body)
	}
}

func TestHead(t *testing.T) {
	s := open(t, nil)
	host := strings.TrimPrefix(s.url, "http://")
	head := "GET /test/v1/things HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + s.token + "\r\n"
	t.Run("one hundred lines pass, more do not", func(t *testing.T) {
		if r, err := s.raw(head + strings.Repeat("X: y\r\n", 97) + "Connection: close\r\n\r\n"); err != nil || r.StatusCode != 200 {
			t.Fatal(r.Response, err)
		}
		r, err := s.raw(head + strings.Repeat("X: y\r\n", 98) + "Connection: close\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		s.expect(t, r, fault.HeadTooLarge)
	})
	t.Run("a long path is a large head", func(t *testing.T) {
		r, err := s.raw("GET /" + strings.Repeat("x", 17<<10) + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		s.expect(t, r, fault.HeadTooLarge)
	})
	t.Run("what is far too large is refused all the same", func(t *testing.T) {
		r, err := s.raw(head + "X: " + strings.Repeat("x", 200<<10) + "\r\n\r\n")
		if err != nil || r.StatusCode != 431 {
			t.Fatal(r.Response, err)
		}
	})
	t.Run("Expect: 100-continue is answered before the body", func(t *testing.T) {
		u, _ := url.Parse(s.url)
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(15 * time.Second))
		fmt.Fprintf(c, "POST /test/v1/things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", s.token, len(goodThing))
		r := bufio.NewReader(c)
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != 100 {
			t.Fatal(res, err)
		}
		io.WriteString(c, goodThing)
		if res, err = http.ReadResponse(r, nil); err != nil || res.StatusCode != 201 {
			t.Fatal(res, err)
		}
		res.Body.Close()
	})
	t.Run("a body that is refused is not asked for", func(t *testing.T) {
		r, err := s.raw("POST /test/v1/things HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		s.expect(t, r, fault.MissingAuthorization)
	})
}

func TestQuotaIsExact(t *testing.T) {
	s := open(t, nil)
	const clients, limit, rounds = 200, 137, 3
	s.quota(s.app, app.Quota{PerMinute: limit, PerDay: limit*rounds - 50})
	total := 0
	for round := range rounds {
		var ok, minute, day atomic.Int64
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				for range 2 {
					r, err := s.try("GET", "/test/v1/things", "")
					switch {
					case err != nil:
						t.Error(err)
					case r.StatusCode == 200:
						ok.Add(1)
					case r.body == envelope(fault.TooManyRequests):
						minute.Add(1)
					case r.body == envelope(fault.QuotaExceeded):
						day.Add(1)
					default:
						t.Errorf("%d %s", r.StatusCode, r.body)
					}
				}
			})
		}
		wg.Wait()
		want := int64(limit)
		if round == rounds-1 {
			want -= 50
			if day.Load() == 0 {
				t.Error("the day refused nobody")
			}
		} else if day.Load() > 0 || minute.Load() != 2*clients-limit {
			t.Errorf("round %d: %d refused by the minute, %d by the day", round, minute.Load(), day.Load())
		}
		if ok.Load() != want {
			t.Fatalf("round %d: %d admitted, want %d", round, ok.Load(), want)
		}
		total += int(ok.Load())
		s.clock.add(time.Minute)
	}
	if total != limit*rounds-50 {
		t.Fatalf("%d in all", total)
	}
}

func TestQuotaHeaders(t *testing.T) {
	s := open(t, nil)
	s.quota(s.app, app.Quota{PerMinute: 3, PerDay: 10})
	for i := range 3 {
		r := s.do("GET", "/test/v1/things", "")
		if p := r.Header.Get("RateLimit-Policy"); p != `"minute";q=3;w=60, "day";q=10;w=86400` {
			t.Fatalf("policy %q", p)
		}
		if l := r.Header.Get("RateLimit"); !strings.HasPrefix(l, fmt.Sprintf(`"minute";r=%d;t=55, "day";r=%d;t=`, 2-i, 9-i)) {
			t.Fatalf("limit %q", l)
		}
	}
	t.Run("a refusal uses up nothing", func(t *testing.T) {
		r := s.do("GET", "/test/v1/things", "")
		if l := r.Header.Get("RateLimit"); r.StatusCode != 403 || !strings.HasPrefix(l, `"minute";r=0;t=55, "day";r=7;t=`) {
			t.Fatalf("%d %q", r.StatusCode, l)
		}
	})
	t.Run("what must not be refused is not", func(t *testing.T) {
		if r := s.do("POST", "/test/v1/emergency", ""); r.StatusCode != 200 {
			t.Fatal(r.StatusCode)
		}
	})
	s.clock.add(time.Minute)
	t.Run("a 5xx gives its unit back", func(t *testing.T) {
		for _, path := range []string{"/test/v1/error", "/test/v1/panic", "/test/v1/error", "/test/v1/panic"} {
			if r := s.do("POST", path, "{}"); r.StatusCode != 500 {
				t.Fatal(r.StatusCode)
			}
		}
		if l := s.do("GET", "/test/v1/things", "").Header.Get("RateLimit"); !strings.HasPrefix(l, `"minute";r=2;`) {
			t.Fatalf("%q", l)
		}
	})
	t.Run("a 4xx does not", func(t *testing.T) {
		s.do("POST", "/test/v1/things", "{}")
		if l := s.do("GET", "/test/v1/things", "").Header.Get("RateLimit"); !strings.HasPrefix(l, `"minute";r=0;`) {
			t.Fatalf("%q", l)
		}
	})
}

func TestIdempotency(t *testing.T) {
	s := open(t, nil)
	_, bob := s.newApp("bob")
	const path = "/test/v1/things"
	first := s.do("POST", path, goodThing, "Idempotency-Key", "one")
	if first.StatusCode != 201 || first.Header.Get("Idempotent-Replayed") != "" {
		t.Fatalf("%d %v", first.StatusCode, first.Header)
	}
	if k := s.lastKey.Load(); k == nil || k.Key != "one" || k.Tenant != s.app.Tenant() || k.Scope != "POST "+path || k.Fingerprint == [32]byte{} {
		t.Fatalf("the handler was given %+v", k)
	}
	for _, c := range []struct {
		name   string
		path   string
		body   string
		header []string
		fresh  bool
	}{
		{"the same again is replayed", path, goodThing, []string{"Idempotency-Key", "one"}, false},
		{"quoted, it is the same key", path, goodThing, []string{"Idempotency-Key", `"one"`}, false},
		{"with other blanks in its JSON it is the same request", path, "{ \"Thing\" : {\"Name\": \"cheese\"} }\n", []string{"Idempotency-Key", "one"}, false},
		{"whatever Accept says, the answer is the first one", path, goodThing, []string{"Idempotency-Key", "one", "Accept", "application/xml"}, false},
		{"an odd spelling of the path is the same path", path + "/", goodThing, []string{"Idempotency-Key", "one"}, false},
		{"another app's key is another key", path, goodThing, []string{"Idempotency-Key", "one", "Authorization", "Bearer " + bob}, true},
		{"on another path it is another key", "/test/v1/others", goodThing, []string{"Idempotency-Key", "one"}, true},
		{"without a key each request is new", path, goodThing, nil, true},
		{"255 characters are a key", path, goodThing, []string{"Idempotency-Key", strings.Repeat("k", 255)}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.made.Load()
			r := s.do("POST", c.path, c.body, c.header...)
			if r.StatusCode != 201 {
				t.Fatalf("%d %s", r.StatusCode, r.body)
			}
			if c.fresh {
				if s.made.Load() != before+1 || r.Header.Get("Idempotent-Replayed") != "" {
					t.Fatalf("not fresh: %s", r.body)
				}
				return
			}
			if s.made.Load() != before || r.body != first.body || r.Header.Get("Idempotent-Replayed") != "true" {
				t.Fatalf("%s %v", r.body, r.Header)
			}
			for _, h := range []string{"Content-Type", "Location"} {
				if r.Header.Get(h) != first.Header.Get(h) {
					t.Fatalf("%s %q", h, r.Header.Get(h))
				}
			}
			if r.Header.Get("X-Request-Id") == first.Header.Get("X-Request-Id") {
				t.Fatal("the replay has the first one's request id")
			}
		})
	}
	t.Run("a malformed key is refused", func(t *testing.T) {
		for _, k := range []string{`"`, `"a`, `"a"b`, `"a\b"`, `""`, "a\tb", "é"} {
			if r := s.do("POST", path, goodThing, "Idempotency-Key", k); r.StatusCode != 400 || r.body != envelope(fault.IdempotencyMalformed) {
				t.Errorf("%q: %d %s", k, r.StatusCode, r.body)
			}
		}
		r, err := s.raw("POST " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\nIdempotency-Key:\r\nAuthorization: Bearer " + s.token + "\r\n\r\n{}")
		if err != nil || r.body != envelope(fault.IdempotencyMalformed) {
			t.Fatal(r.body, err)
		}
	})
	t.Run("a refusal is replayed, and gives its unit back", func(t *testing.T) {
		s.quota(s.app, app.Quota{PerMinute: 100})
		a := s.do("POST", path, "{}", "Idempotency-Key", "bad")
		b := s.do("POST", path, "{}", "Idempotency-Key", "bad")
		if a.StatusCode != 400 || b.StatusCode != 400 || a.body != b.body || b.Header.Get("Idempotent-Replayed") != "true" || b.Header.Get("Link") != a.Header.Get("Link") {
			t.Fatalf("%s\n%s %v", a.body, b.body, b.Header)
		}
		r := func(x reply) string { m, _, _ := strings.Cut(x.Header.Get("RateLimit"), ";t="); return m }
		if r(a) != r(b) {
			t.Fatalf("%q, then %q", r(a), r(b))
		}
	})
	t.Run("a 5xx is not kept", func(t *testing.T) {
		s.flaky.Store(true)
		if r := s.do("POST", "/test/v1/flaky", "{}", "Idempotency-Key", "f"); r.StatusCode != 503 {
			t.Fatal(r.StatusCode)
		}
		s.flaky.Store(false)
		if r := s.do("POST", "/test/v1/flaky", "{}", "Idempotency-Key", "f"); r.StatusCode != 200 || r.Header.Get("Idempotent-Replayed") != "" {
			t.Fatal(r.StatusCode, r.Header)
		}
	})
	t.Run("what became durable before a crash runs again, under its key", func(t *testing.T) {
		s.do("POST", path, `{"Name":"crash"}`, "Idempotency-Key", "shape") // to learn the fingerprint
		k := *s.lastKey.Load()
		if err := s.store.SaveAnswer(context.Background(), k.Tenant, k.Scope, "crashed", gateway.Saved{Fingerprint: k.Fingerprint, Ref: 77}); err != nil {
			t.Fatal(err)
		}
		before := s.made.Load()
		r := s.do("POST", path, `{"Name":"crash"}`, "Idempotency-Key", "crashed")
		if r.StatusCode != 201 || s.made.Load() != before+1 || r.Header.Get("Idempotent-Replayed") != "true" || s.lastKey.Load().Key != "crashed" {
			t.Fatalf("%d %s %v", r.StatusCode, r.body, r.Header)
		}
		again := s.do("POST", path, `{"Name":"crash"}`, "Idempotency-Key", "crashed")
		if again.body != r.body || s.made.Load() != before+1 {
			t.Fatalf("%s", again.body)
		}
		if r := s.do("POST", path, `{"Name":"other"}`, "Idempotency-Key", "crashed"); r.StatusCode != 422 {
			t.Fatal(r.StatusCode)
		}
	})
	t.Run("a request that finds its key taken on another node leaves the other's answer alone", func(t *testing.T) {
		first := s.do("POST", "/test/v1/taken", "{}", "Idempotency-Key", "shared")
		if first.StatusCode != 422 {
			t.Fatal(first.StatusCode, first.body)
		}
		k := s.lastKey.Load()
		if saved, ok, err := s.store.SavedAnswer(context.Background(), k.Tenant, k.Scope, k.Key); err != nil || ok {
			t.Fatalf("kept: %+v %v", saved, err)
		}
	})
	t.Run("of a crowd with one key, one runs", func(t *testing.T) {
		before := s.made.Load()
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				r, err := s.try("POST", path, goodThing, "Idempotency-Key", "crowd", "Authorization", "Bearer "+bob)
				if err != nil || r.StatusCode != 201 && r.StatusCode != 409 {
					t.Errorf("%v %d", err, r.StatusCode)
				}
			})
		}
		wg.Wait()
		if n := s.made.Load() - before; n != 1 {
			t.Fatalf("%d things were made", n)
		}
	})
}

func TestOverload(t *testing.T) {
	t.Run("calls of one app at once are limited", func(t *testing.T) {
		s := open(t, func(c *gateway.Config) { c.Limits.PerApp, c.Limits.Loopback = 3, true })
		_, bob := s.newApp("bob")
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { s.try("POST", "/test/v1/hold", "{}") })
			<-s.held
		}
		r := s.do("GET", "/test/v1/things", "")
		s.expect(t, r, fault.Unavailable)
		if r.Header.Get("Retry-After") == "" {
			t.Fatal("no Retry-After")
		}
		if r := s.do("GET", "/test/v1/things", "", "Authorization", "Bearer "+bob); r.StatusCode != 200 {
			t.Fatalf("another app: %d", r.StatusCode)
		}
		// So are those of paths that find out themselves whose they are.
		if r := s.do("POST", "/oauth/v4/introspect", "", "Authorization", ""); r.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("on a path of OAuth: %d", r.StatusCode)
		}
		if r := s.do("POST", "/test/v1/emergency", ""); r.StatusCode != 200 {
			t.Fatalf("an emergency: %d", r.StatusCode)
		}
		close(s.hold)
		wg.Wait()
		if r := s.do("GET", "/test/v1/things", ""); r.StatusCode != 200 {
			t.Fatalf("afterwards: %d", r.StatusCode)
		}
	})
	t.Run("loopback is exempt by default", func(t *testing.T) {
		s := open(t, func(c *gateway.Config) { c.Limits.PerApp, c.Limits.PerIP = 1, 1 })
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if r, err := s.try("POST", "/test/v1/hold", "{}"); err != nil || r.StatusCode != 200 {
					t.Errorf("%v %v", r.Response, err)
				}
			})
			<-s.held
		}
		close(s.hold)
		wg.Wait()
	})
	t.Run("connections of one address are limited", func(t *testing.T) {
		s := open(t, func(c *gateway.Config) { c.Limits.PerIP, c.Limits.Loopback = 2, true })
		u, _ := url.Parse(s.url)
		var conns []net.Conn
		ask := func(c net.Conn) (*http.Response, error) {
			c.SetDeadline(time.Now().Add(15 * time.Second))
			fmt.Fprintf(c, "GET /test/v1/things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", s.token)
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err == nil {
				io.Copy(io.Discard, res.Body)
			}
			return res, err
		}
		for i := range 4 {
			c, err := net.Dial("tcp", u.Host)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			conns = append(conns, c)
			res, err := ask(c)
			if err != nil {
				t.Fatal(err)
			}
			if i < 2 && res.StatusCode != 200 || i >= 2 && (res.StatusCode != 503 || !res.Close) {
				t.Fatalf("connection %d: %d", i, res.StatusCode)
			}
		}
		for _, c := range conns {
			c.Close()
		}
		deadline := time.Now().Add(10 * time.Second)
		for {
			c, err := net.Dial("tcp", u.Host)
			if err != nil {
				t.Fatal(err)
			}
			res, err := ask(c)
			c.Close()
			if err == nil && res.StatusCode == 200 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("closed connections are still counted: %v %v", res, err)
			}
		}
	})
}

func TestPanic(t *testing.T) {
	s := open(t, nil)
	r := s.do("POST", "/test/v1/panic", "{}")
	s.expect(t, r, fault.Internal)
	if log := s.log.String(); !strings.Contains(log, "a bug of ours") || !strings.Contains(log, "gateway_test.go") || !strings.Contains(log, r.Header.Get("X-Request-Id")) {
		t.Fatalf("the log has no stack: %s", log)
	}
	if r := s.do("GET", "/test/v1/things", ""); r.StatusCode != 200 {
		t.Fatal("the gateway did not survive")
	}
}

func TestAfter(t *testing.T) {
	s := open(t, nil)
	if r := s.do("GET", "/test/v1/after", ""); r.StatusCode != 200 || !<-s.after {
		t.Fatal(r.StatusCode)
	}
	t.Run("it is told when the reply could not be written", func(t *testing.T) {
		r := s.do("GET", "/test/v1/unwritable", "")
		s.expect(t, r, fault.Internal)
		if <-s.after {
			t.Fatal("told that it was written")
		}
	})
}

func TestCallerLeaves(t *testing.T) {
	s := open(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, "POST", s.url+"/test/v1/slow", nil)
	req.Header.Set("Authorization", "Bearer "+s.token)
	go func() {
		<-s.held
		cancel()
	}()
	if _, err := s.client.Do(req); !errors.Is(err, context.Canceled) {
		t.Fatalf("answered: %v", err)
	}
	if err := <-s.ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("the handler was told %v", err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		recs, err := s.store.Requests(context.Background(), gateway.RequestFilter{}, 0, 1)
		if err != nil || time.Now().After(deadline) {
			t.Fatal(recs, err)
		}
		if len(recs) == 1 {
			if recs[0].Status != 499 || recs[0].Code != "" {
				t.Fatalf("%+v", recs[0])
			}
			return
		}
	}
}

// A caller that has closed its half of the connection looks like one that has gone, and may still be reading.
func TestACallerThatHasOnlyFallenSilentHearsOfNoSuccess(t *testing.T) {
	s := open(t, nil)
	u, _ := url.Parse(s.url)
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(15 * time.Second))
	fmt.Fprintf(c, "POST /test/v1/slow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", s.token)
	<-s.held
	c.(*net.TCPConn).CloseWrite()
	if answer, err := io.ReadAll(c); err != nil || len(answer) > 0 {
		t.Fatalf("%q %v", answer, err)
	}
	if err := <-s.ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("the handler was told %v", err)
	}
}

func TestWhoStillWaitsDuringAStopIsTold(t *testing.T) {
	var s *site
	writes := make(chan error, 1)
	s = open(t, func(c *gateway.Config) {
		c.Endpoints = append(c.Endpoints, gateway.Endpoint{Method: "POST", Path: "/test/v1/write", API: "Test", Operation: "Write", Scope: "SMS",
			Handle: func(c *gateway.Call) (gateway.Reply, error) {
				s.held <- struct{}{}
				err := s.store.SaveAnswer(c.Context(), s.app.Tenant(), "x", "y", gateway.Saved{Status: 200})
				writes <- err
				return gateway.Reply{Status: 201}, err
			}})
		c.Pages["GET /wait"] = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s.held <- struct{}{}
			<-r.Context().Done()
		})
	})
	if r := s.do("GET", "/test/v1/things", ""); r.StatusCode != 200 { // units of the quota are there
		t.Fatal(r.StatusCode)
	}
	// The store is busy with a write of somebody else.
	busy, free, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- s.store.EditSignIn(context.Background(), app.LevelSandbox, "1", func(*oauth.SignIn) error { close(busy); <-free; return nil })
	}()
	<-busy
	type outcome struct {
		reply
		err error
	}
	call := func(method, path string) <-chan outcome {
		c := make(chan outcome, 1)
		go func() {
			r, err := s.try(method, path, "")
			c <- outcome{r, err}
		}()
		return c
	}
	slow, write, page := call("POST", "/test/v1/slow"), call("POST", "/test/v1/write"), call("GET", "/wait")
	for range 3 {
		<-s.held
	}
	slowOAuth := call("POST", "/oauth/v4/slow")
	s.stop()
	<-s.ended
	for what, c := range map[string]<-chan outcome{"a call": slow, "a call that waits for the store": write} {
		r := <-c
		if r.err != nil || r.StatusCode != 503 || r.body != envelope(fault.Unavailable) || r.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %v %q %v", what, r.Response, r.body, r.err)
		}
	}
	if err := <-writes; err == nil {
		t.Error("it was written all the same")
	}
	if r := <-slowOAuth; r.err != nil || r.StatusCode != 503 || !strings.Contains(r.body, `"error":"temporarily_unavailable"`) {
		t.Errorf("a path of OAuth: %v %q %v", r.Response, r.body, r.err)
	}
	if r := <-page; r.err == nil {
		t.Errorf("a page that said nothing: %d %q", r.StatusCode, r.body)
	}
	close(free)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if log := s.log.String(); strings.Count(log, "the platform stops") != 3 {
		t.Errorf("the log does not say why:\n%s", log)
	}
}

func TestRecord(t *testing.T) {
	s := open(t, func(c *gateway.Config) { c.Name = func(n id.Number) string { return fmt.Sprint("thing-", int64(n)) } })
	_, watch := s.feed.Watch(0)
	defer watch.Close()
	good := s.do("POST", "/test/v1/things?x=hush", goodThing)
	bad := s.do("POST", "/test/v1/things", "{}", "Authorization", "")
	want := []gateway.Record{
		{API: "Test", Operation: "post /test/v1/things", Method: "POST", Path: "/test/v1/things", Status: 400, Code: "POL0001", Case: "authorization-missing"},
		{App: s.app.ID, API: "Test", Operation: "post /test/v1/things", Method: "POST", Path: "/test/v1/things", Status: 201, Subject: 1},
	}
	var got []gateway.Record
	deadline := time.Now().Add(10 * time.Second)
	for len(got) < 2 {
		var err error
		if got, err = s.store.Requests(context.Background(), gateway.RequestFilter{}, 0, 10); err != nil || time.Now().After(deadline) {
			t.Fatal(got, err)
		}
	}
	for i, r := range []reply{bad, good} {
		if name := id.Request(got[i].ID); name != r.Header.Get("X-Request-Id") {
			t.Errorf("record %d is of %s, the reply of %s", i, name, r.Header.Get("X-Request-Id"))
		}
		if !strings.HasPrefix(got[i].Remote, "127.0.0.1:") {
			t.Errorf("remote %q", got[i].Remote)
		}
		got[i].ID, got[i].Remote, got[i].Took = 0, "", 0
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	e := <-watch.C()
	if e.Kind != timeline.KindRequest || e.Title != "POST /test/v1/things" || e.State != "201" || e.App != "alice" || e.Message != "thing-1" || e.Request != good.Header.Get("X-Request-Id") {
		t.Fatalf("%+v", e)
	}
	for _, part := range []string{"POST /test/v1/things?[not shown] HTTP/1.1\n", "Authorization: Bearer [not shown]\n", goodThing, "HTTP/1.1 201 Created\n", good.body} {
		if !strings.Contains(e.Detail, part) {
			t.Errorf("the wire shows no %q:\n%s", part, e.Detail)
		}
	}
	if strings.Contains(e.Detail, s.token) || strings.Contains(e.Detail, "hush") {
		t.Error("the wire shows a secret")
	}
	if e = <-watch.C(); e.Code != "POL0001" || e.State != "400" {
		t.Fatalf("%+v", e)
	}
}

// Whoever looks on sees that a production app calls, and not what it says (docs/reference/conventions.md §3.9).
func TestNobodySeesWhatAProductionAppSends(t *testing.T) {
	s := open(t, nil)
	a, _, err := s.apps.Create(context.Background(), app.App{Name: "live", Level: app.LevelProduction, Scopes: []app.Scope{"SMS"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	_, watch := s.feed.Watch(0)
	defer watch.Close()
	s.do("POST", "/test/v1/things", goodThing, "Authorization", "Bearer "+s.newToken(a, "SMS"))
	if e := <-watch.C(); e.Title != "POST /test/v1/things" || e.State != "201" || e.Detail != "" {
		t.Fatalf("%+v", e)
	}
}

func TestMetrics(t *testing.T) {
	s := open(t, nil)
	s.do("POST", "/test/v1/things", goodThing)
	s.do("GET", "/test/v1/nothing", "")
	s.do("GET", "/test/v1/things", "", "Authorization", "")
	s.quota(s.app, app.Quota{PerMinute: 1})
	s.do("GET", "/test/v1/things", "")
	got, err := s.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, f := range got {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += "," + l.GetValue()
			}
			counts[name] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for name, want := range map[string]float64{
		"longlines_http_requests_total,Test,POST,post /test/v1/things,2xx":           1,
		"longlines_http_request_duration_seconds,Test,POST,post /test/v1/things,2xx": 1,
		"longlines_http_requests_total,,GET,unknown,4xx":                             1,
		"longlines_api_errors_total,,SVC0001":                                        1,
		"longlines_api_errors_total,Test,POL0001":                                    2,
		"longlines_quota_rejections_total,Test,sandbox,minute":                       1,
	} {
		if counts[name] != want {
			t.Errorf("%s is %v, want %v\n%v", name, counts[name], want, counts)
		}
	}
}

func TestTablesThatContradict(t *testing.T) {
	s := open(t, nil)
	h := func(*gateway.Call) (gateway.Reply, error) { return gateway.Reply{}, nil }
	meter, err := quota.New(quota.Config{Source: s.store})
	if err != nil {
		t.Fatal(err)
	}
	defer meter.Close()
	for name, c := range map[string]gateway.Config{
		"two rows of one path":   {Endpoints: []gateway.Endpoint{{Method: "GET", Path: "/a/{x}", Handle: h}, {Method: "GET", Path: "/a/{y}", Handle: h}}},
		"no handler":             {Endpoints: []gateway.Endpoint{{Method: "GET", Path: "/a"}}},
		"no method":              {Endpoints: []gateway.Endpoint{{Path: "/a", Handle: h}}},
		"a final slash":          {Endpoints: []gateway.Endpoint{{Method: "GET", Path: "/a/", Handle: h}}},
		"an unknown scope":       {Endpoints: []gateway.Endpoint{{Method: "GET", Path: "/a", Scope: "X", Handle: h}}},
		"a page with a slash":    {Pages: map[string]http.Handler{"GET /docs/": http.NotFoundHandler()}},
		"a page with no method":  {Pages: map[string]http.Handler{"/docs": http.NotFoundHandler()}},
		"a path that is no path": {Endpoints: []gateway.Endpoint{{Method: "GET", Path: "/a/{", Handle: h}}},
	} {
		t.Run(name, func(t *testing.T) {
			c.Tokens, c.Apps, c.Meter, c.Store = s.tokens, s.apps, meter, s.store
			if _, err := gateway.New(c); err == nil {
				t.Fatal("no error")
			}
		})
	}
	if _, err := gateway.New(gateway.Config{}); err == nil {
		t.Fatal("an empty configuration makes a gateway")
	}
}

// sink is a ResponseWriter that costs nothing.
type sink struct{ h http.Header }

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkServe is a whole call without the network: route, token, scope, quota, reply, timeline;
// and with its record, which the store writes beside it.
func BenchmarkServe(b *testing.B) {
	for _, c := range []struct {
		name       string
		errorsOnly bool
	}{{"recorded", false}, {"unrecorded", true}} {
		b.Run(c.name, func(b *testing.B) {
			s := open(b, func(g *gateway.Config) {
				g.Log, g.Now, g.ErrorsOnly = slog.New(slog.DiscardHandler), time.Now, c.errorsOnly
			})
			s.quota(s.app, app.Quota{PerMinute: 1e12, PerDay: 1e12})
			req, _ := http.NewRequest("GET", "/test/v1/things", nil)
			req.Host, req.RemoteAddr = "127.0.0.1", "127.0.0.1:1"
			req.Header.Set("Authorization", "Bearer "+s.token)
			req.Header.Set("Accept", "application/json")
			b.ReportAllocs()
			for b.Loop() {
				w := &sink{http.Header{}}
				s.gateway.ServeHTTP(w, req)
			}
		})
	}
}

// BenchmarkHTTP compares a whole call over loopback with a bare net/http handler that says the same.
func BenchmarkHTTP(b *testing.B) {
	run := func(b *testing.B, url, token string) {
		tr := &http.Transport{MaxIdleConnsPerHost: 64}
		defer tr.CloseIdleConnections()
		client := &http.Client{Transport: tr}
		b.SetParallelism(8)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				req, _ := http.NewRequest("GET", url, nil)
				req.Header.Set("Authorization", "Bearer "+token)
				res, err := client.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode != 200 {
					b.Error(res.StatusCode)
					return
				}
			}
		})
	}
	s := open(b, func(c *gateway.Config) { c.Log = slog.New(slog.DiscardHandler) })
	s.quota(s.app, app.Quota{PerMinute: 1e12, PerDay: 1e12})
	b.Run("hello", func(b *testing.B) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"Name":"all","Number":0}`)
		})}
		done := make(chan struct{})
		go func() { defer close(done); srv.Serve(l) }()
		run(b, "http://"+l.Addr().String()+"/", "x")
		srv.Close()
		<-done
	})
	b.Run("gateway", func(b *testing.B) { run(b, s.url+"/test/v1/things", s.token) })
}
