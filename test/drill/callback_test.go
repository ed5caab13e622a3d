package drill

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// posts is what a listener has seen.
type posts struct {
	mu  sync.Mutex
	ids map[string][]string // webhook-id of each post, by path
}

func (p *posts) add(r *http.Request) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids[r.URL.Path] = append(p.ids[r.URL.Path], r.Header.Get("Webhook-Id"))
	return len(p.ids[r.URL.Path])
}

func (p *posts) of(path string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.ids[path]...)
}

func TestAHostileListenerHarmsOnlyItself(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	p := &posts{ids: map[string][]string{}}
	release := make(chan struct{})
	// A place that a redirect leads to and that must not be visited.
	inside := make(chan string, 10)
	trap, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var traps sync.WaitGroup
	traps.Go(func() {
		for {
			c, err := trap.Accept()
			if err != nil {
				return
			}
			inside <- c.RemoteAddr().String()
			c.Close()
		}
	})
	t.Cleanup(func() { trap.Close(); traps.Wait() })
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		n := p.add(r)
		switch r.URL.Path {
		case "/hang":
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "/500":
			if n == 1 {
				http.Error(rw, strings.Repeat("<h1>no</h1>", 1000), http.StatusInternalServerError)
			}
		case "/redirect":
			http.Redirect(rw, r, "http://"+trap.Addr().String()+"/", http.StatusTemporaryRedirect)
		case "/drip":
			for {
				select {
				case <-release:
					return
				case <-r.Context().Done():
					return
				case <-time.After(100 * time.Millisecond):
				}
				rw.Write([]byte("x"))
				rw.(http.Flusher).Flush()
			}
		case "/10mb":
			b := make([]byte, 1<<20)
			for range 10 {
				if _, err := rw.Write(b); err != nil {
					return
				}
			}
		case "/reset":
			if n == 1 {
				c, _, _ := rw.(http.Hijacker).Hijack()
				c.(*net.TCPConn).SetLinger(0)
				c.Close()
			}
		case "/head":
			rw.Header().Set("X-Long", strings.Repeat("a", 100<<10))
		case "/garbage":
			c, _, _ := rw.(http.Hijacker).Hijack()
			io.WriteString(c, "\x00\x01\x02 no HTTP\r\n\r\n")
			c.Close()
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(release) })
	ids := map[string]string{}
	for i, path := range []string{"/hang", "/500", "/redirect", "/drip", "/10mb", "/reset", "/head", "/garbage"} {
		token := w.app("app"+path[1:], map[string]any{"short_codes": []string{fmt.Sprint(60000 + i)}, "status_listener": s.URL + path})
		for j := range 12 { // more than are posted to an endpoint at once
			id := messageID(t, w.do2(token, "+14255550100", fmt.Sprintf("%s %d", path, j)))
			if j == 0 { // the later ones may wait for the endpoint to recover
				ids[path] = id
			}
		}
	}
	healthy := w.app("healthy", map[string]any{"short_codes": []string{"70000"}, "status_listener": s.URL + "/healthy"})
	for range 50 {
		messageID(t, w.do2(healthy, "+14255550100", "hello"))
	}
	await(t, "the healthy listener is told of everything meanwhile", func() bool { return len(p.of("/healthy")) == 50 })
	for _, path := range []string{"/drip", "/10mb"} {
		await(t, path+" was posted to", func() bool { return len(p.of(path)) >= 10 })
	}
	for _, path := range []string{"/500", "/reset"} {
		await(t, path+" is tried again under the same id", func() bool {
			seen := map[string]int{}
			twice := 0
			for _, id := range p.of(path) {
				if id == "" {
					t.Fatalf("%s: no webhook-id", path)
				}
				if seen[id]++; seen[id] == 2 {
					twice++
				}
			}
			return twice > 0
		})
	}
	w.await(ids["/redirect"], "redirects are not followed")
	select {
	case from := <-inside:
		t.Errorf("a redirect was followed, from %s", from)
	default:
	}
	seen := map[string]bool{}
	for _, id := range p.of("/healthy") {
		if seen[id] {
			t.Errorf("%s was posted twice to a listener that took it", id)
		}
		seen[id] = true
	}
}

// do2 sends a text that asks for a notice of its delivery.
func (w *world) do2(token, to, text string) answer {
	w.t.Helper()
	body := strings.Replace(smsBody(to, text), `"message"`, `"notifyDeliveryStatus":true,"message"`, 1)
	return w.do(http.MethodPost, w.info.API+outbox, body, "Authorization", "Bearer "+token, "Content-Type", "application/json")
}

// await waits for a word in the story of a text.
func (w *world) await(id, word string) {
	w.t.Helper()
	body := ""
	defer func() {
		if w.t.Failed() {
			w.t.Logf("its story: %s", body)
		}
	}()
	await(w.t, "the story says "+word, func() bool {
		body = w.do(http.MethodGet, w.info.Admin+"/admin/v1/messages/"+id, "", "Authorization", "Bearer "+w.info.AdminToken).body
		return strings.Contains(body, word)
	})
}

// An app names the URL, and we fetch it from inside: where it may not go, no connection is made
// (docs/reference/reliability.md P23, T8).
func TestCallbacksNeverGoToADeniedNetwork(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	l, err := net.Listen("tcp4", "0.0.0.0:0") // whoever reaches this machine by any address is seen
	if err != nil {
		t.Fatal(err)
	}
	came := make(chan string, 100)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			came <- c.LocalAddr().String()
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	hosts := []string{"10.0.0.1", "169.254.169.254", "192.168.0.1", "172.16.0.1", "100.64.0.1", "0.0.0.0", "0", "0x0", "00000.0", "0x7f.1", "2130706433", "017700000001",
		"127.1", "[::]", "[::ffff:0.0.0.0]", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:a00:1::]", "[fd00:ec2::254]", "[fe80::1]", "255.255.255.255", "224.0.0.1"}
	if addrs, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil && n.IP.IsPrivate() {
				hosts = append(hosts, n.IP.String())
			}
		}
	}
	told := map[string]string{}
	for i, h := range hosts {
		in := map[string]any{"name": fmt.Sprintf("app%d", i), "key": fmt.Sprintf("app%d-key", i), "secret": fmt.Sprintf("app%d-secret-0123456789", i), "level": "sandbox",
			"scopes": []string{"SMS"}, "short_codes": []string{fmt.Sprint(60000 + i)}, "status_listener": "http://" + h + ":" + port + "/x"}
		b := jsonOf(in)
		a := w.do(http.MethodPost, w.info.Admin+"/admin/v1/apps", b, "Authorization", "Bearer "+w.info.AdminToken, "Content-Type", "application/json")
		if a.status == http.StatusUnprocessableEntity {
			continue // refused when it was configured, which is even better
		}
		if a.status != http.StatusCreated {
			t.Fatalf("%s: %d %s", h, a.status, a.body)
		}
		told[h] = messageID(t, w.do2(w.token(fmt.Sprintf("app%d", i)), "+14255550100", "hello"))
	}
	for h, id := range told {
		w.await(id, "callbacks may not go to")
		_ = h
	}
	select {
	case at := <-came:
		t.Errorf("a callback came to %s", at)
	default:
	}
}
