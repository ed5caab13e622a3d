package longlines_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"longlines/store/storetest"
)

// asked is a POST of which the platform has the head and waits for the body.
type asked struct {
	net.Conn
	r    *bufio.Reader
	body string
}

// ask sends the head of a POST and returns once the platform asks for the body.
func (w *world) ask(path, body string, header map[string]string) asked {
	w.t.Helper()
	u, err := url.Parse(w.info.API)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(2 * patience))
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n", path, u.Host, len(body))
	for k, v := range header {
		head += k + ": " + v + "\r\n"
	}
	io.WriteString(c, head+"\r\n")
	a := asked{c, bufio.NewReader(c), body}
	if resp, err := http.ReadResponse(a.r, nil); err != nil || resp.StatusCode != http.StatusContinue {
		w.t.Fatalf("POST %s: the body is not asked for: %v %v", path, resp, err)
	}
	return a
}

// answer sends the body and reads what comes of it.
func (a asked) answer() (answer, error) {
	if _, err := io.WriteString(a, a.body); err != nil {
		return answer{}, err
	}
	resp, err := http.ReadResponse(a.r, nil)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}, err
}

// The database takes its time when the platform is stopped. What was on its way to it is done and said to be, and what
// waits behind that is refused: no caller hears of a success that was none.
func TestPostgresAStopAnswersWhatItDoesNotDo(t *testing.T) {
	db := database(t)
	proxy := storetest.NewProxy(t, db)
	port, _ := centre(t)
	a := start(t, node(t, proxy.URL))
	a.admin(http.MethodPost, "/admin/v1/links", map[string]any{"name": "centre", "host": "127.0.0.1", "port": port, "system_id": "x", "password": "pw"}, nil)
	a.admin(http.MethodPost, "/admin/v1/routes", map[string]any{"prefix": "+", "link": "centre"}, nil)
	a.app("pizza", map[string]any{"level": "production", "short_codes": []string{"74992"}})
	token := a.token("pizza-key", "pizza-secret", "SMS")
	leaked := a.token("pizza-key", "pizza-secret", "SMS")

	text := func(s string) string {
		return `{"outboundSMSRequest":{"address":"tel:+14255550100","message":"` + s + `"}}`
	}
	first := a.ask(outbox, text("first"), bearer(token))
	waiting := map[string]asked{
		"a send": a.ask(outbox, text("second"), bearer(token)),
		"a revocation": a.ask("/oauth/v4/revoke", url.Values{"client_id": {"pizza-key"}, "client_secret": {"pizza-secret"}, "token": {leaked}}.Encode(),
			map[string]string{"Content-Type": "application/x-www-form-urlencoded"}),
	}
	type outcome struct {
		answer
		err error
	}
	answered := func(q asked) <-chan outcome {
		c := make(chan outcome, 1)
		go func() {
			r, err := q.answer()
			c <- outcome{r, err}
		}()
		return c
	}
	held, release := proxy.Hold("INSERT INTO mt ")
	t.Cleanup(release) // before the platform is stopped once more
	begun := answered(first)
	select {
	case <-held:
	case r := <-begun:
		t.Fatalf("the first send was not held: %d %s %v", r.status, r.body, r.err)
	}
	refused := map[string]<-chan outcome{}
	for what, q := range waiting {
		refused[what] = answered(q)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- a.stop() }()
	for what, c := range refused {
		r := <-c
		if r.err != nil || r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" || !strings.Contains(strings.ToLower(r.body), "temporarily unavailable") {
			t.Errorf("%s that was not carried out: %d %q %v", what, r.status, r.body, r.err)
		}
	}
	release()
	if r := <-begun; r.err != nil || r.status != http.StatusCreated {
		t.Errorf("the send that was carried out: %d %q %v", r.status, r.body, r.err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
