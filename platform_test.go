package longlines_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"longlines"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// client shows redirects instead of following them.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// world is a whole platform in the process, and what a client needs to talk to it.
type world struct {
	t    *testing.T
	info longlines.Info
	stop func() error // idempotent
}

// start runs a platform; settings are by configuration path.
func start(t *testing.T, settings map[string]any) *world {
	t.Helper()
	flags := map[string]any{"ephemeral": true, "api.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0", "sandbox.smsc_listen": "127.0.0.1:0", "sandbox.browser_listen": "127.0.0.1:0"}
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
	p, err := longlines.New(context.Background(), cfg, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	w := &world{t: t}
	stopped := false
	w.stop = func() error {
		cancel()
		if stopped {
			return nil
		}
		stopped = true
		return <-done
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := w.stop(); err != nil {
			t.Errorf("the platform ended with: %v", err)
		}
	})
	select {
	case <-p.Ready():
	case err := <-done:
		stopped = true
		t.Fatalf("start: %v", err)
	}
	w.info = p.Info()
	return w
}

// answer is an HTTP answer, read.
type answer struct {
	status int
	header http.Header
	body   string
}

// request describes one call.
type request struct {
	method, path, body string
	header             map[string]string
}

func (w *world) do(base string, r request) answer {
	w.t.Helper()
	req, err := http.NewRequest(r.method, base+r.path, strings.NewReader(r.body))
	if err != nil {
		w.t.Fatal(err)
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	resp, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// admin calls the admin listener and decodes the answer; anything but 2xx fails the test.
func (w *world) admin(method, path string, in, out any) {
	w.t.Helper()
	var body []byte
	if in != nil {
		body, _ = json.Marshal(in)
	}
	a := w.do(w.info.Admin, request{method, path, string(body), map[string]string{"Authorization": "Bearer " + w.info.AdminToken, "Content-Type": "application/json"}})
	if a.status/100 != 2 {
		w.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	if out != nil {
		if err := json.Unmarshal([]byte(a.body), out); err != nil {
			w.t.Fatalf("%s %s: %v in %s", method, path, err, a.body)
		}
	}
}

// app makes an app.
func (w *world) app(name string, more map[string]any) {
	w.t.Helper()
	in := map[string]any{"name": name, "key": name + "-key", "secret": name + "-secret", "level": "sandbox", "scopes": []string{"SMS"}}
	for k, v := range more {
		in[k] = v
	}
	w.admin(http.MethodPost, "/admin/v1/apps", in, nil)
	w.admin(http.MethodPut, "/admin/v1/apps/"+name+"/quotas/SMS", map[string]any{"per_minute": 1_000_000, "per_day": 1_000_000}, nil)
}

// token asks for an access token.
func (w *world) token(key, secret, scope string) string {
	w.t.Helper()
	a := w.do(w.info.API, request{http.MethodPost, "/oauth/v4/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {key}, "client_secret": {secret}, "scope": {scope}}.Encode(),
		map[string]string{"Content-Type": "application/x-www-form-urlencoded"}})
	var t struct {
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal([]byte(a.body), &t); t.AccessToken == "" {
		w.t.Fatalf("no token: %d %s", a.status, a.body)
	}
	return t.AccessToken
}

// send sends one text in JSON.
func (w *world) send(token, to, text string, header ...string) answer {
	w.t.Helper()
	body, _ := json.Marshal(map[string]any{"outboundSMSRequest": map[string]any{"address": "tel:" + to, "message": text}})
	h := map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}
	for i := 0; i+1 < len(header); i += 2 {
		h[header[i]] = header[i+1]
	}
	return w.do(w.info.API, request{http.MethodPost, "/sms/v3/messaging/outbox", string(body), h})
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
	a := w.do(w.info.API, request{http.MethodGet, "/sms/v3/messaging/outbox/" + id, "", map[string]string{"Authorization": "Bearer " + token}})
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

// texts are what a phone has received.
func (w *world) texts(phone string, wait string) (texts []string) {
	w.t.Helper()
	var out struct {
		Messages []struct{ Text string } `json:"messages"`
	}
	w.admin(http.MethodGet, "/sandbox/v1/messages?to="+url.QueryEscape(phone)+"&wait="+wait, nil, &out)
	for _, m := range out.Messages {
		texts = append(texts, m.Text)
	}
	return texts
}

// virtual is the link to the virtual centre: texts that wait for it or for its answer, and those that have come from
// handsets.
func (w *world) virtual() (jobs, incoming int) {
	w.t.Helper()
	var l struct {
		Jobs  int
		State struct{ Counters struct{ Incoming int } }
	}
	w.admin(http.MethodGet, "/admin/v1/links/sandbox", nil, &l)
	return l.Jobs, l.State.Counters.Incoming
}

// need skips where a program is not installed; in CI that is a failure.
func need(t *testing.T, what string, found bool) {
	t.Helper()
	if found {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed, and in CI it must be", what)
	}
	t.Skipf("%s is not installed", what)
}
