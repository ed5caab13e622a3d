package drill

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy is a TCP proxy that can drop the reply to a request: after so many octets of it the connection
// to the platform is reset and the one to the client is cut.
type proxy struct {
	l  net.Listener
	to string
	wg sync.WaitGroup

	mu   sync.Mutex
	drop func() int // octets of the reply to let through; negative: all
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, to: to, drop: func() int { return -1 }}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); p.wg.Wait() })
	return p
}

func (p *proxy) set(drop func() int) { p.mu.Lock(); p.drop = drop; p.mu.Unlock() }

func (p *proxy) serve(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer up.Close()
	p.mu.Lock()
	limit := p.drop()
	p.mu.Unlock()
	done := make(chan struct{})
	go func() { defer close(done); io.Copy(up, c) }()
	if limit < 0 {
		io.Copy(c, up)
	} else {
		// The first octet proves that the reply is on its way.
		if limit == 0 {
			limit = 1
		}
		io.CopyN(io.Discard, up, int64(limit))
		up.(*net.TCPConn).SetLinger(0)
	}
	up.Close()
	c.Close()
	<-done
}

func (p *proxy) url() string { return "http://" + p.l.Addr().String() }

// say sends a text from a virtual phone.
func (w *world) say(from, to, text string) {
	w.t.Helper()
	w.admin(http.MethodPost, "/sandbox/v1/messages", map[string]string{"from": from, "to": to, "text": text}, nil)
}

func TestAPollWhoseReplyIsLostTakesNoTextsAlong(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	token := w.app("pizza", map[string]any{"short_codes": []string{"74992"}})
	p := newProxy(t, host(w.info.API))
	const rounds = 100
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	seen := map[string]int{}
	poll := func(base string) (got int) {
		req, _ := http.NewRequest(http.MethodGet, base+"/sms/v3/messaging/inbox/74992", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(req)
		if err != nil {
			return 0
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0
		}
		var list struct {
			InboundSmsMessageList struct{ InboundSmsMessage []struct{ Message string } }
		}
		if resp.StatusCode != http.StatusOK || json.Unmarshal(b, &list) != nil {
			t.Errorf("poll: %s %s", resp.Status, b)
		}
		for _, m := range list.InboundSmsMessageList.InboundSmsMessage {
			seen[m.Message]++
			got++
		}
		return got
	}
	var lost atomic.Int64 // the proxy counts, for each connection in a goroutine of its own
	p.set(func() int {
		if rand.IntN(2) == 0 {
			return -1
		}
		lost.Add(1)
		return rand.IntN(300) // of about 600 octets
	})
	for i := range rounds {
		w.say("+14255550100", "74992", fmt.Sprintf("text %d", i))
		poll(p.url())
	}
	await(t, "every text is handed out", func() bool {
		poll(w.info.API)
		return len(seen) == rounds
	})
	t.Logf("%d replies were lost", lost.Load())
	// And a text that was read is not there for ever.
	await(t, "the inbox is empty", func() bool { return poll(w.info.API) == 0 })
}

func TestARequestWhoseReplyIsLostHasOneEffectUnderItsKey(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	token := w.app("pizza", map[string]any{"short_codes": []string{"74992"}})
	p := newProxy(t, host(w.info.API))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	send := func(base, key, text string) (answer, error) {
		req, _ := http.NewRequest(http.MethodPost, base+outbox, strings.NewReader(smsBody("+14255550100", text)))
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", key)
		resp, err := client.Do(req)
		if err != nil {
			return answer{}, err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return answer{resp.StatusCode, resp.Header, string(b)}, err
	}
	// until is a client that repeats a request until it has read an answer that is one.
	until := func(key, text string) answer {
		for {
			a, err := send(p.url(), key, text)
			if err == nil && a.status != http.StatusConflict {
				return a
			}
		}
	}
	p.set(func() int { return rand.IntN(4)*100 - 100 })
	const keys = 30
	ids := make([]string, keys)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			key, text := fmt.Sprintf("key-%d", i), fmt.Sprintf("text %d", i)
			first := until(key, text)
			second := until(key, text)
			if first.status != http.StatusCreated || first.status != second.status || first.body != second.body {
				t.Errorf("%s: %d %s, then %d %s", key, first.status, first.body, second.status, second.body)
			}
			if second.header.Get("Idempotent-Replayed") != "true" {
				t.Errorf("%s: the second answer does not say that it was given before", key)
			}
			if other := until(key, "another text"); other.status != http.StatusUnprocessableEntity || ours(other, outbox, "") != "" {
				t.Errorf("%s with another body: %d %s", key, other.status, other.body)
			}
			ids[i] = second.body
		})
	}
	wg.Wait()
	p.set(func() int { return -1 })
	messageID(t, w.send(token, "+14255550100", "the last one"))
	await(t, "the phone has the last text", func() bool {
		list := w.texts("+14255550100")
		return len(list) >= keys+1
	})
	w.idle()
	if list := w.texts("+14255550100"); len(list) != keys+1 {
		t.Errorf("the phone has %d texts, %d were sent", len(list), keys+1)
	}
	// Another app may use the same key for itself.
	mine := w.app("bank", map[string]any{"short_codes": []string{"74993"}})
	a := w.send(mine, "+14255550100", "text 0", "Idempotency-Key", "key-0")
	if a.status != http.StatusCreated || a.body == ids[0] {
		t.Errorf("another app with the same key: %d %s", a.status, a.body)
	}
}

// texts are what a phone has received.
func (w *world) texts(phone string) (texts []string) {
	w.t.Helper()
	var out struct {
		Messages []struct{ Direction, Text string } `json:"messages"`
	}
	w.admin(http.MethodGet, "/sandbox/v1/messages?to=%2B"+phone[1:], nil, &out)
	for _, m := range out.Messages {
		texts = append(texts, m.Text)
	}
	return texts
}

// yaml is the configuration of a platform with one link, to c, and nothing virtual.
func yaml(data string, c *centre) string {
	return fmt.Sprintf(`
data: %s
sandbox: {off: true}
demo: {off: true}
sms: {inbox_batch: 100}
quota: {production: {per_minute: 100000000, per_day: 100000000}}
links: [{name: centre, kind: smpp, host: 127.0.0.1, port: %d, system_id: longlines, password: secret}]
routes: [{prefix: "+1", link: centre}]
`, data, c.port())
}

func TestAPlatformThatDiesBeforeItsReplyHasOneEffectUnderAKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := newCentre(t)
	config := writeFile(t, dir+"/longlines.yaml", yaml(dir+"/data", c))
	w := run(t, "--config", config)
	w.app("bank", production)
	const lives = 8
	for life := range lives {
		token := w.token("bank")
		key, text := fmt.Sprintf(`"life-%d"`, life), fmt.Sprintf("life %d", life)
		// The process dies somewhere between the request and the reply.
		died := make(chan struct{})
		base, wait := w.info.API, time.Duration(rand.IntN(2500))*time.Microsecond
		go func() {
			defer close(died)
			c, err := net.Dial("tcp", host(base))
			if err != nil {
				return
			}
			defer c.Close()
			body := smsBody("+14255550100", text)
			fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nIdempotency-Key: %s\r\nContent-Length: %d\r\n\r\n%s",
				outbox, token, key, len(body), body)
			timer := time.NewTimer(wait)
			<-timer.C
		}()
		<-died
		w.kill()
		w = run(t, "--config", config)
		first := messageID(t, w.send(token, "+14255550100", text, "Idempotency-Key", key))
		if second := messageID(t, w.send(token, "+14255550100", text, "Idempotency-Key", key)); second != first {
			t.Errorf("%s: two texts, %s and %s", key, first, second)
		}
	}
	await(t, "every text reaches the centre", func() bool {
		for life := range lives {
			if seen, _ := c.count(fmt.Sprintf("life %d", life)); seen == 0 {
				return false
			}
		}
		return true
	})
	var list struct {
		Messages []struct {
			ID string `json:"id"`
		} `json:"messages"`
	}
	w.admin(http.MethodGet, "/admin/v1/messages?limit=500", nil, &list)
	if len(list.Messages) != lives {
		t.Errorf("%d texts were accepted under %d keys", len(list.Messages), lives)
	}
}
