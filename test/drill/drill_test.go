// Package drill attacks the platform from outside, over sockets, as hostile message centres, apps,
// listeners and disks would (the drills D4 to D8 of docs/reference/reliability.md). Where a process
// must die the built binary runs; elsewhere a platform runs in the process.
package drill

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"longlines"
)

var scratch string // of the package: the built binary is in it

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "drill-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	code := m.Run()
	os.RemoveAll(dir)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// binary builds the command once.
var built = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "longlines")
	out, err := exec.Command("go", "build", "-o", path, "longlines/cmd/longlines").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

const patience = 30 * time.Second

// record collects what is logged.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

// world is a platform and what a client needs to talk to it.
type world struct {
	t      *testing.T
	info   longlines.Info
	log    *record
	out    *record // what a process wrote for the person who started it
	client *http.Client
	stop   func() error // may be called again
	kill   func()       // of a process only
	abort  func()       // likewise: with a dump of its stacks, if GOTRACEBACK says so
}

func (w *world) open() {
	w.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	w.t.Cleanup(func() {
		w.client.CloseIdleConnections()
		if err := w.stop(); err != nil {
			w.t.Errorf("the platform ended with: %v", err)
		}
		if w.t.Failed() {
			s := w.log.String()
			w.t.Logf("the end of its log:\n%s", s[max(0, len(s)-1500):])
		}
	})
}

// start runs a platform in the process; settings are by configuration path.
func start(t *testing.T, settings map[string]any) *world {
	t.Helper()
	flags := map[string]any{"ephemeral": true, "api.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0", "sandbox.smsc_listen": "127.0.0.1:0"}
	for k, v := range settings {
		flags[k] = v
	}
	if flags["data"] != nil {
		flags["ephemeral"] = false
	}
	cfg, err := longlines.LoadConfig("", nil, flags)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, log: &record{}}
	p, err := longlines.New(context.Background(), cfg, slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	w.stop = sync.OnceValue(func() error { cancel(); return <-done })
	w.open()
	select {
	case <-p.Ready():
	case err := <-done:
		done <- err
		t.Fatalf("start: %v\n%s", err, w.log)
	}
	w.info = p.Info()
	return w
}

// run starts the built binary; more are flags of serve.
func run(t *testing.T, more ...string) *world {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, log: &record{}, out: &record{}}
	ready := filepath.Join(t.TempDir(), "ready.json")
	cmd := exec.Command(path, append([]string{"serve", "--no-open", "--ready-file", ready, "--api-listen", "127.0.0.1:0",
		"--admin-listen", "127.0.0.1:0"}, more...)...)
	cmd.Stdout, cmd.Stderr = w.out, w.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	exited := make(chan struct{})
	go func() { ended <- cmd.Wait(); close(exited) }()
	w.kill = func() { cmd.Process.Kill(); <-exited }
	w.abort = func() { cmd.Process.Signal(syscall.SIGABRT); <-exited }
	w.stop = sync.OnceValue(func() error {
		select {
		case <-exited:
			return nil // it was killed on purpose
		default:
		}
		cmd.Process.Signal(os.Interrupt)
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			cmd.Process.Kill()
			<-exited
			return fmt.Errorf("it did not stop within %s of an interrupt", patience)
		}
	})
	w.open()
	await(t, "the ready file", func() bool {
		select {
		case <-exited:
			t.Fatalf("it ended at the start\n%s", w.log)
		default:
		}
		b, err := os.ReadFile(ready)
		return err == nil && json.Unmarshal(b, &w.info) == nil
	})
	return w
}

// answer is an HTTP answer, read.
type answer struct {
	status int
	header http.Header
	body   string
}

func (w *world) try(method, to, body string, header ...string) (answer, error) {
	req, err := http.NewRequest(method, to, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}, err
}

func (w *world) do(method, to, body string, header ...string) answer {
	w.t.Helper()
	a, err := w.try(method, to, body, header...)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// admin calls the admin listener and decodes the answer; anything but 2xx fails the test.
func (w *world) admin(method, path string, in, out any) {
	w.t.Helper()
	var body []byte
	if in != nil {
		body, _ = json.Marshal(in)
	}
	a := w.do(method, w.info.Admin+path, string(body), "Authorization", "Bearer "+w.info.AdminToken, "Content-Type", "application/json")
	if a.status/100 != 2 {
		w.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	if out != nil {
		if err := json.Unmarshal([]byte(a.body), out); err != nil {
			w.t.Fatalf("%s %s: %v in %s", method, path, err, a.body)
		}
	}
}

// app makes an app and returns a token of it.
func (w *world) app(name string, more map[string]any) (token string) {
	w.t.Helper()
	in := map[string]any{"name": name, "key": name + "-key", "secret": name + "-secret-0123456789", "level": "sandbox", "scopes": []string{"SMS"}}
	for k, v := range more {
		in[k] = v
	}
	w.admin(http.MethodPost, "/admin/v1/apps", in, nil)
	w.admin(http.MethodPut, "/admin/v1/apps/"+name+"/quotas/SMS", map[string]any{"per_minute": 1_000_000, "per_day": 1_000_000}, nil)
	return w.token(name)
}

// token asks for an access token of an app that app has made.
func (w *world) token(name string) string {
	w.t.Helper()
	a := w.do(http.MethodPost, w.info.API+"/oauth/v4/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {name + "-key"},
		"client_secret": {name + "-secret-0123456789"}, "scope": {"SMS"}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	var t struct {
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal([]byte(a.body), &t); t.AccessToken == "" {
		w.t.Fatalf("no token: %d %s", a.status, a.body)
	}
	return t.AccessToken
}

const outbox = "/sms/v3/messaging/outbox"

func smsBody(to, text string) string {
	b, _ := json.Marshal(map[string]any{"outboundSMSRequest": map[string]any{"address": "tel:" + to, "message": text}})
	return string(b)
}

// send sends one text.
func (w *world) send(token, to, text string, header ...string) answer {
	w.t.Helper()
	return w.do(http.MethodPost, w.info.API+outbox, smsBody(to, text),
		append([]string{"Authorization", "Bearer " + token, "Content-Type", "application/json"}, header...)...)
}

// messageID is the id in the answer to a send.
func messageID(t *testing.T, a answer) string {
	t.Helper()
	var r struct {
		Response struct {
			MessageID string `json:"messageId"`
		} `json:"outboundSMSResponse"`
	}
	if a.status != http.StatusCreated || json.Unmarshal([]byte(a.body), &r) != nil || r.Response.MessageID == "" {
		t.Fatalf("send: %d %s", a.status, a.body)
	}
	return r.Response.MessageID
}

// status is the delivery status of a text to one recipient.
func (w *world) status(token, id string) string {
	w.t.Helper()
	a := w.do(http.MethodGet, w.info.API+outbox+"/"+id, "", "Authorization", "Bearer "+token)
	var r struct {
		DeliveryInfoList struct {
			DeliveryInfo []struct{ DeliveryStatus string }
		}
	}
	if a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &r) != nil || len(r.DeliveryInfoList.DeliveryInfo) != 1 {
		w.t.Fatalf("status: %d %s", a.status, a.body)
	}
	return r.DeliveryInfoList.DeliveryInfo[0].DeliveryStatus
}

// await repeats check until it is content.
func await(t *testing.T, what string, check func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !check() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
		<-tick.C
	}
}

// host is the host and port of a base URL.
func host(base string) string { return strings.TrimPrefix(base, "http://") }

// raw writes octets to a listener and reads one answer to them.
func raw(t *testing.T, base, method, octets string) (answer, error) {
	t.Helper()
	c, err := net.Dial("tcp", host(base))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	// What is refused early may not be read to the end.
	go io.WriteString(c, octets)
	return readAnswer(bufio.NewReader(c), method)
}

// readAnswer reads the next answer, to a request of that method.
func readAnswer(r *bufio.Reader, method string) (answer, error) {
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}, err
}

// ours says what is wrong with an answer as one of the API: "" if nothing is.
func ours(a answer, path, accept string) string {
	ct := a.header.Get("Content-Type")
	switch {
	case a.header.Get("X-Request-Id") == "":
		return "no X-Request-Id"
	case a.header.Get("X-Request-Id") != a.header.Get("X-Systemtransactionid"):
		return "x-systemTransactionId is not X-Request-Id"
	case strings.Contains(strings.ToLower(a.body), "<html"), strings.Contains(a.body, "goroutine "), strings.Contains(a.body, ".go:"):
		return "it shows a page or a stack"
	}
	if a.status < 400 {
		return ""
	}
	if strings.HasPrefix(path, "/oauth/") {
		var e struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if ct != "application/json" || json.Unmarshal([]byte(a.body), &e) != nil || e.Error == "" || e.Description == "" {
			return "not the envelope of OAuth"
		}
		return ""
	}
	if strings.Contains(accept, "xml") {
		var e struct {
			XMLName xml.Name `xml:"RequestError"`
			Policy  string   `xml:"PolicyException>MessageId"`
			Service string   `xml:"ServiceException>MessageId"`
		}
		if ct != "application/xml" || xml.Unmarshal([]byte(a.body), &e) != nil || e.Policy+e.Service == "" {
			return "not the envelope in XML"
		}
		return ""
	}
	var e struct {
		RequestError struct {
			PolicyException, ServiceException *struct {
				MessageId, Text string
				Variables       *string
			}
		}
	}
	if ct != "application/json" || json.Unmarshal([]byte(a.body), &e) != nil ||
		(e.RequestError.PolicyException == nil) == (e.RequestError.ServiceException == nil) {
		return "not the envelope"
	}
	x := e.RequestError.PolicyException
	if x == nil {
		x = e.RequestError.ServiceException
	}
	if x.MessageId == "" || x.Text == "" || x.Variables == nil {
		return "an envelope with members missing"
	}
	return ""
}

// settled waits until there are no more goroutines than before, and a few.
func settled(t *testing.T, before int) {
	t.Helper()
	await(t, fmt.Sprintf("goroutines return to about %d", before), func() bool { return runtime.NumGoroutine() <= before+10 })
}
