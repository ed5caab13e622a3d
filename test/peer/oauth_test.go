package peer

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"longlines/test/visitor"
)

// TestOAuthClients lets published OAuth clients go through all their flows, unmodified. The subscriber
// is a browser of ours: the clients only see where it comes back.
func TestOAuthClients(t *testing.T) {
	node := need(t, "Node.js", "node")
	for _, script := range []string{"openid-client.mjs", "oauth4webapi.mjs", "simple-oauth2.mjs", "passport-oauth2.mjs"} {
		module := strings.TrimSuffix(script, ".mjs")
		t.Run(module, func(t *testing.T) {
			need(t, module+" (npm ci in test/peer)", "node_modules/"+module+"/package.json")
			info := start(t, nil)
			const redirect = "https://pizza.example/callback"
			private, public := keyPair(t)
			for _, app := range []map[string]any{
				{"name": "pizza", "key": "pizza-key", "secret": "pizza-secret", "short_codes": []string{"74992"}},
				{"name": "signed", "key": "signed-key", "auth": "private_key_jwt", "keys": json.RawMessage(public)},
				{"name": "native", "key": "native-key", "auth": "none"},
			} {
				app["level"], app["scopes"], app["redirect_uri"] = "sandbox", []string{"SMS", "IMMN", "MIM"}, redirect
				admin(t, info, http.MethodPost, "/admin/v1/apps", app, nil)
			}
			cmd := exec.CommandContext(t.Context(), node, script)
			cmd.Env = append(os.Environ(), "ISSUER="+info.API, "REDIRECT="+redirect, "PRIVATE_KEY="+private)
			cmd.Stderr = t.Output()
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			v := visitor.New(t, info.API)
			finished := false
			lines := bufio.NewScanner(out)
			for lines.Scan() {
				line := lines.Text()
				t.Log(line)
				finished = finished || line == "DONE"
				address, ok := strings.CutPrefix(line, "AUTHORIZE ")
				if !ok {
					continue
				}
				page := v.Open(t, address)
				if page.Offers("do=number") {
					since := time.Now()
					page = page.SignIn(t, "+14255550100", true, func() string {
						return pin(t, func(out any) {
							admin(t, info, http.MethodGet, "/sandbox/v1/messages?from=48500&wait=30s&to="+url.QueryEscape("+14255550100")+"&since="+url.QueryEscape(since.UTC().Format(time.RFC3339Nano)), nil, out)
						})
					})
				}
				button := "do=allow"
				if strings.Contains(address, "state=deny") {
					button = "do=deny"
				}
				if page = page.Press(t, button); page.Location == nil {
					t.Fatalf("no redirect but %d: %s", page.Status, page.Text)
				}
				fmt.Fprintln(in, page.Location)
			}
			if err := cmd.Wait(); err != nil || !finished {
				t.Fatalf("the client ended with %v, finished: %v", err, finished)
			}
		})
	}
}

var sixDigits = regexp.MustCompile(`\b\d{6}\b`)

// pin reads the PIN that has come to a phone.
func pin(t *testing.T, read func(out any)) string {
	t.Helper()
	var out struct {
		Messages []struct{ Text string } `json:"messages"`
	}
	read(&out)
	if len(out.Messages) == 0 {
		t.Fatal("no PIN has come")
	}
	return sixDigits.FindString(out.Messages[len(out.Messages)-1].Text)
}

// keyPair is a key for private_key_jwt: PKCS #8 in PEM, and a JWK set of the public part.
func keyPair(t *testing.T) (private, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "one", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), string(set)
}
