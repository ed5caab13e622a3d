// Package crash kills the built binary under load, again and again, and looks for what was lost.
//
// The message centre and the app live in the test and survive; the platform does not. What the app
// was told is durable (201) must reach the centre, and the centre may see a text twice only as often
// as texts were in flight when the platform died (docs/reference/reliability.md P1, P7).
package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"longlines/smpp"
)

const window = 32

// centre is an SMSC that counts how often it has seen each text.
type centre struct {
	mu      sync.Mutex
	seen    map[string]int
	session *smpp.Session
	bound   chan struct{} // signalled on each bind
}

func startCentre(t *testing.T) (*centre, int) {
	c := &centre{seen: map[string]int{}, bound: make(chan struct{}, 100)}
	id := 0
	srv := &smpp.Server{
		Authenticate: func(_ context.Context, b *smpp.Bind, _ net.Addr) (smpp.BindResp, smpp.Status) {
			return smpp.BindResp{SystemID: "centre"}, smpp.StatusROK
		},
		OnSession: func(s *smpp.Session) {
			c.mu.Lock()
			c.session = s
			c.mu.Unlock()
			c.bound <- struct{}{}
		},
		Session: smpp.SessionConfig{Handler: smpp.HandlerFunc(func(_ context.Context, req *smpp.Request) {
			sm, ok := req.PDU.(*smpp.SubmitSM)
			if !ok {
				req.Respond(smpp.StatusRINVCMDID, nil)
				return
			}
			c.mu.Lock()
			c.seen[string(sm.Message())]++
			id++
			name := fmt.Sprintf("%08x", id)
			c.mu.Unlock()
			req.Respond(smpp.StatusROK, &smpp.SubmitSMResp{MessageID: name})
		})},
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(ctx, l) }()
	t.Cleanup(func() { stop(); <-done })
	return c, l.Addr().(*net.TCPAddr).Port
}

// platform is one life of the binary.
type platform struct {
	cmd   *exec.Cmd
	log   bytes.Buffer
	ready struct {
		API   string `json:"api"`
		Admin string `json:"admin"`
		Token string `json:"admin_token"`
	}
}

func start(t *testing.T, binary, dir, config string) *platform {
	t.Helper()
	ready := filepath.Join(dir, "ready.json")
	os.Remove(ready)
	p := &platform{cmd: exec.Command(binary, "serve", "--config", config, "--ready-file", ready, "--no-open")}
	p.cmd.Stderr = &p.log
	p.cmd.Stdout = &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Wait() })
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		if b, err := os.ReadFile(ready); err == nil && json.Unmarshal(b, &p.ready) == nil {
			return p
		}
		<-tick.C
	}
	p.kill() // the log is whole then
	t.Fatalf("not ready within 30 s:\n%s", p.log.String())
	return nil
}

func (p *platform) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// ask sends one JSON request to the admin listener.
func (p *platform) ask(t *testing.T, method, path string, in any) map[string]any {
	t.Helper()
	b, _ := json.Marshal(in)
	req, _ := http.NewRequest(method, p.ready.Admin+path, bytes.NewReader(b))
	req.Header.Set("Authorization", "Bearer "+p.ready.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out map[string]any
	json.NewDecoder(resp.Body).Decode(&out)
	if resp.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s %v", method, path, resp.Status, out)
	}
	return out
}

func (p *platform) token(t *testing.T) string {
	t.Helper()
	resp, err := http.PostForm(p.ready.API+"/oauth/v4/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"crashkey"}, "client_secret": {"crash-secret"}, "scope": {"SMS"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct {
		AccessToken string `json:"access_token"`
	}
	if json.NewDecoder(resp.Body).Decode(&out); out.AccessToken == "" {
		t.Fatalf("no token: %s", resp.Status)
	}
	return out.AccessToken
}

// send sends texts on one connection until the platform dies, and returns those that were accepted.
func send(client *http.Client, api, token string, life, conn int) (accepted []string) {
	for n := 0; ; n++ {
		text := fmt.Sprintf("life %d connection %d text %d", life, conn, n)
		body := fmt.Sprintf(`{"outboundSMSRequest":{"address":"tel:+1425555%04d","message":%q}}`, 1000+(conn*997+n)%9000, text)
		req, _ := http.NewRequest(http.MethodPost, api+"/sms/v3/messaging/outbox", strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return accepted
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode == http.StatusCreated {
			accepted = append(accepted, text)
		} else if err != nil {
			return accepted
		}
	}
}

func TestKillingThePlatformUnderLoadLosesNothingItAccepted(t *testing.T) {
	lives := 6
	if testing.Short() {
		lives = 2
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "longlines")
	if out, err := exec.Command("go", "build", "-o", binary, "longlines/cmd/longlines").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	smsc, port := startCentre(t)
	config := filepath.Join(dir, "longlines.yaml")
	err := os.WriteFile(config, fmt.Appendf(nil, `
data: %s
api: {listen: "127.0.0.1:0", max_in_flight: 1024}
admin: {listen: "127.0.0.1:0"}
sandbox: {off: true}
demo: {off: true}
quota: {production: {per_minute: 100000000, per_day: 100000000}}
links: [{name: centre, kind: smpp, host: 127.0.0.1, port: %d, system_id: longlines, password: secret, window: %d}]
routes: [{prefix: "+1", link: centre}]
`, filepath.Join(dir, "data"), port, window), 0o600)
	if err != nil {
		t.Fatal(err)
	}

	var accepted []string
	for life := range lives {
		p := start(t, binary, dir, config)
		if life == 0 {
			p.ask(t, http.MethodPost, "/admin/v1/apps", map[string]any{"name": "crash", "key": "crashkey", "secret": "crash-secret",
				"level": "production", "scopes": []string{"SMS"}, "short_codes": []string{"74992"}})
		}
		token := p.token(t)
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}, Timeout: 10 * time.Second}
		var wg sync.WaitGroup
		var mu sync.Mutex
		for conn := range 24 {
			wg.Go(func() {
				mine := send(client, p.ready.API, token, life, conn)
				mu.Lock()
				accepted = append(accepted, mine...)
				mu.Unlock()
			})
		}
		// Any instant is as good as another: the kill falls somewhere between the first accepts and a
		// backlog of a second and a half.
		<-time.After(time.Duration(100+rand.IntN(1400)) * time.Millisecond)
		p.kill()
		wg.Wait()
		client.CloseIdleConnections()
	}

	p := start(t, binary, dir, config)
	missing := func() (n int, first string) {
		smsc.mu.Lock()
		defer smsc.mu.Unlock()
		for _, text := range accepted {
			if smsc.seen[text] == 0 {
				if n++; first == "" {
					first = text
				}
			}
		}
		return n, first
	}
	deadline := time.Now().Add(90 * time.Second)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		n, first := missing()
		if n == 0 {
			break
		}
		if time.Now().After(deadline) {
			p.kill()
			t.Fatalf("%d of %d accepted texts never reached the centre, the first: %q\n%s", n, len(accepted), first, p.log.String())
		}
		<-tick.C
	}
	twice := 0
	smsc.mu.Lock()
	for _, n := range smsc.seen {
		twice += n - 1
	}
	smsc.mu.Unlock()
	t.Logf("%d texts accepted over %d lives, none lost, %d sent twice (at most %d allowed)", len(accepted), lives, twice, lives*window)
	if twice > lives*window {
		t.Errorf("%d texts were sent twice: more than the window of %d for each of %d kills", twice, window, lives)
	}
	if len(accepted) == 0 {
		t.Error("nothing was accepted: the test proves nothing")
	}

	// And it stops well when asked to.
	p.cmd.Process.Signal(os.Interrupt)
	var exit *exec.ExitError
	if err := p.cmd.Wait(); errors.As(err, &exit) {
		t.Errorf("a clean stop ended with %v\n%s", err, p.log.String())
	}
}
