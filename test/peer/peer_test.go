// Package peer runs the platform against SMPP by other hands: Kannel, from Debian, as an ESME of the
// virtual message centre; the npm package smpp as a message centre that the platform binds to. Both
// exchange texts, receipts and long texts with us over real sockets.
package peer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"longlines"
)

const patience = 30 * time.Second

// need skips where a peer is not installed; in CI that is a failure.
func need(t *testing.T, what string, paths ...string) string {
	t.Helper()
	for _, p := range paths {
		if found, err := exec.LookPath(p); err == nil {
			return found
		}
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed, and in CI it must be", what)
	}
	t.Skipf("%s is not installed (looked for %s)", what, strings.Join(paths, ", "))
	return ""
}

// start runs a whole platform in the process.
func start(t *testing.T, settings map[string]any) longlines.Info {
	t.Helper()
	flags := map[string]any{"ephemeral": true, "api.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0", "sandbox.smsc_listen": "127.0.0.1:0", "sandbox.browser_listen": "127.0.0.1:0"}
	for k, v := range settings {
		flags[k] = v
	}
	cfg, err := longlines.LoadConfig("", nil, flags)
	if err != nil {
		t.Fatal(err)
	}
	p, err := longlines.New(t.Context(), cfg, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the platform ended with %v", err)
		}
	})
	select {
	case <-p.Ready():
	case err := <-done:
		done <- nil
		t.Fatalf("start: %v", err)
	}
	return p.Info()
}

// admin sends one request to the admin listener and decodes the answer.
func admin(t *testing.T, info longlines.Info, method, path string, in, out any) {
	t.Helper()
	var body io.Reader
	if in != nil {
		b, _ := json.Marshal(in)
		body = bytes.NewReader(b)
	}
	req, _ := http.NewRequest(method, info.Admin+path, body)
	req.Header.Set("Authorization", "Bearer "+info.AdminToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s\n%s", method, path, resp.Status, b)
	}
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			t.Fatal(err)
		}
	}
}

// await repeats check until it is content.
func await(t *testing.T, what string, check func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !check() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
		<-tick.C
	}
}

// long needs several segments in either alphabet.
func long(word string) string { return strings.TrimSpace(strings.Repeat(word+" ", 60)) }

func TestKannelAndTheVirtualCentreExchangeTextsReceiptsAndLongTexts(t *testing.T) {
	bearerbox := need(t, "Kannel", "bearerbox", "/usr/sbin/bearerbox")
	smsbox := need(t, "Kannel's smsbox", "smsbox", "/usr/sbin/smsbox", "/usr/lib/kannel/smsbox")
	info := start(t, nil)
	// The platform's own bind leaves the centre: texts from the phones are Kannel's alone.
	admin(t, info, http.MethodPost, "/admin/v1/links/sandbox/pause", nil, nil)

	type hit struct {
		path string
		q    url.Values
	}
	hits := make(chan hit, 100)
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits <- hit{r.URL.Path, r.URL.Query()}
	}))
	defer sink.Close()

	dir := t.TempDir()
	ports := freePorts(t, 3)
	_, smscPort, _ := net.SplitHostPort(info.SMSC.Addr)
	conf, err := os.Create(filepath.Join(dir, "kannel.conf"))
	if err != nil {
		t.Fatal(err)
	}
	err = template.Must(template.ParseFiles("kannel.conf.tmpl")).Execute(conf, map[string]any{
		"Admin": ports[0], "Box": ports[1], "Send": ports[2], "SMSC": smscPort,
		"SystemID": info.SMSC.SystemID, "Password": info.SMSC.Password, "Sink": sink.URL,
	})
	if err != nil {
		t.Fatal(err)
	}
	conf.Close()
	run(t, dir, bearerbox, conf.Name())
	await(t, "bearerbox listens", func() bool { return reachable(ports[1]) })
	run(t, dir, smsbox, conf.Name())

	send := func(to, text string) bool {
		q := url.Values{"username": {"test"}, "password": {"test"}, "from": {"48507"}, "to": {to}, "text": {text}, "charset": {"UTF-8"}, "coding": {"0"},
			"dlr-mask": {"3"}, "dlr-url": {sink.URL + "/dlr?to=%P&state=%d"}}
		for _, r := range text {
			if r > 0x7f {
				q.Set("coding", "2")
			}
		}
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/cgi-bin/sendsms?%s", ports[2], q.Encode()))
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusAccepted
	}
	texts := []string{"short", long("kannel"), long("пицца")}
	for i, text := range texts {
		to := fmt.Sprintf("+1425555017%d", i)
		await(t, "Kannel takes a text", func() bool { return send(to, text) })
		var got struct {
			Messages []struct{ Text string } `json:"messages"`
		}
		admin(t, info, http.MethodGet, "/sandbox/v1/messages?wait=20s&to="+url.QueryEscape(to), nil, &got)
		if len(got.Messages) != 1 || got.Messages[0].Text != text {
			t.Fatalf("phone %s has %+v, want %q", to, got.Messages, text)
		}
		for state := ""; state != "1"; { // 8 is accepted by the centre, 1 delivered
			select {
			case h := <-hits:
				if h.path != "/dlr" {
					t.Fatalf("Kannel called %s", h.path)
				}
				state = h.q.Get("state")
				if state != "1" && state != "8" {
					t.Fatalf("receipt %v", h.q)
				}
			case <-time.After(patience):
				t.Fatalf("no delivery receipt for text %d", i)
			}
		}
	}
	for len(hits) > 0 { // a receipt per segment
		<-hits
	}
	for _, text := range []string{"a word from the phone", long("answer")} {
		admin(t, info, http.MethodPost, "/sandbox/v1/messages", map[string]string{"from": "+14255550171", "to": "74992", "text": text}, nil)
		for done := false; !done; {
			select {
			case h := <-hits:
				if h.path == "/dlr" {
					continue
				}
				if h.q.Get("text") != text {
					t.Fatalf("Kannel received %q, want %q", h.q.Get("text"), text)
				}
				done = true
			case <-time.After(patience):
				t.Fatal("the phone's text did not reach Kannel")
			}
		}
	}
}

func TestThePlatformBindsToACentreByOtherHands(t *testing.T) {
	node := need(t, "Node.js", "node")
	need(t, "the npm package smpp (npm ci in test/peer)", "node_modules/smpp")

	centre := exec.Command(node, "smsc.js")
	stdin, err := centre.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := centre.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	centre.Stderr = t.Output()
	if err := centre.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); centre.Wait() })
	type event struct {
		Event, Kind, From, To, Text, ID, Error string
		Port, Parts, Coding                    int
		Status                                 int
	}
	events := make(chan event, 100)
	go func() {
		defer close(events)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			var e event
			if json.Unmarshal(s.Bytes(), &e) == nil {
				events <- e
			}
		}
	}()
	next := func(kind string) event {
		t.Helper()
		for deadline := time.After(patience); ; {
			select {
			case e, ok := <-events:
				if !ok {
					t.Fatalf("the centre ended before %q", kind)
				}
				if e.Event == kind {
					return e
				}
			case <-deadline:
				t.Fatalf("no %q from the centre", kind)
			}
		}
	}
	port := next("listening").Port

	info := start(t, map[string]any{"sandbox.off": true, "demo.off": true})
	posts := make(chan string, 10)
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		posts <- r.URL.Path + " " + string(b)
	}))
	t.Cleanup(listener.Close)
	admin(t, info, http.MethodPost, "/admin/v1/links", map[string]any{"name": "npm", "host": "127.0.0.1", "port": port, "system_id": "longlines", "password": "secret"}, nil)
	admin(t, info, http.MethodPost, "/admin/v1/routes", map[string]any{"prefix": "+1", "link": "npm"}, nil)
	admin(t, info, http.MethodPost, "/admin/v1/apps", map[string]any{"name": "pizza", "key": "pizza", "secret": "pizza-secret", "level": "production",
		"scopes": []string{"SMS"}, "short_codes": []string{"74992"}, "status_listener": listener.URL + "/status", "message_listener": listener.URL + "/message"}, nil)
	next("bound")

	resp, err := http.PostForm(info.API+"/oauth/v4/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"pizza"}, "client_secret": {"pizza-secret"}, "scope": {"SMS"}})
	if err != nil {
		t.Fatal(err)
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	json.NewDecoder(resp.Body).Decode(&token)
	resp.Body.Close()

	for i, c := range []struct {
		text  string
		parts int
	}{{"short & sweet", 1}, {long("wire"), 2}, {long("пицца"), 6}} {
		body, _ := json.Marshal(map[string]any{"outboundSMSRequest": map[string]any{"address": fmt.Sprintf("tel:+1425555018%d", i), "message": c.text, "notifyDeliveryStatus": true}})
		req, _ := http.NewRequest(http.MethodPost, info.API+"/sms/v3/messaging/outbox", bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token.AccessToken)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusCreated {
			t.Fatalf("send: %s %s", resp.Status, b)
		}
		if e := next("text"); e.Text != c.text || e.Parts != c.parts || e.From != "74992" {
			t.Fatalf("the centre has %+v, want %q in %d parts", e, c.text, c.parts)
		}
		// The centre spells the id in decimal in its receipt; the status must reach the app all the same.
		select {
		case p := <-posts:
			if !strings.HasPrefix(p, "/status ") || !strings.Contains(p, "DeliveredToTerminal") {
				t.Fatalf("posted: %s", p)
			}
		case <-time.After(patience):
			t.Fatalf("no status for text %d", i)
		}
	}

	for _, m := range []map[string]any{
		{"from": "14255550180", "to": "74992", "text": "extra olives"},
		{"from": "14255550180", "to": "74992", "text": strings.ReplaceAll(long("olives"), " ", "_"), "split": 140},
	} {
		b, _ := json.Marshal(m)
		stdin.Write(append(b, '\n'))
		select {
		case p := <-posts:
			if !strings.HasPrefix(p, "/message ") || !strings.Contains(p, `"Message":"`+m["text"].(string)+`"`) {
				t.Fatalf("posted %s, want %s", p, m["text"])
			}
		case <-time.After(patience):
			t.Fatalf("the phone's text did not reach the app: %v", m)
		}
		if e := next("mo_acknowledged"); e.Status != 0 {
			t.Fatalf("acknowledged with %#x", e.Status)
		}
	}
}

// run keeps a program going until the test ends; its output is shown if the test fails.
func run(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	c := exec.Command(program, args...)
	c.Dir = dir
	var log bytes.Buffer
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", program, tail(log.String(), 4000))
		}
	})
}

func tail(s string, n int) string {
	if len(s) > n {
		return s[len(s)-n:]
	}
	return s
}

// freePorts are ports for a program that must be told its own. They are below those that the kernel gives to whoever
// asks for any, so that nobody else gets them meanwhile.
func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000)))
		if err != nil {
			continue
		}
		defer l.Close()
		if ports = append(ports, l.Addr().(*net.TCPAddr).Port); len(ports) == n {
			return ports
		}
	}
	t.Fatalf("no %d ports are free", n)
	return nil
}

func reachable(port int) bool {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	c.Close()
	return true
}
