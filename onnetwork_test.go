package longlines_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"longlines/oauth"
)

// certificates writes what the listener behind an enrichment proxy needs, and returns the proxy's side.
func certificates(t *testing.T, dir string) *tls.Config {
	t.Helper()
	serial := int64(0)
	make := func(name string, issuer *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		serial++
		c := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: issuer == nil, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
		if issuer == nil {
			issuer, signer = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, issuer, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for suffix, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: private}} {
			if err := os.WriteFile(filepath.Join(dir, name+suffix), pem.EncodeToMemory(block), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return parsed, key
	}
	ca, signer := make("ca", nil, nil)
	make("server", ca, signer)
	make("proxy", ca, signer)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "proxy.pem"), filepath.Join(dir, "proxy.key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}
}

// TestAnOperatorsProxySaysWhoIsOnTheNetwork speaks to the listener as docs/consent.md tells an operator to.
func TestAnOperatorsProxySaysWhoIsOnTheNetwork(t *testing.T) {
	dir := t.TempDir()
	proxy := certificates(t, dir)
	key := make([]byte, 32)
	rand.Read(key)
	w := start(t, map[string]any{
		"demo.off": true, "api.public_url": "https://api.example.com", "oauth.on_network.listen": "127.0.0.1:0", "oauth.on_network.tls_cert": filepath.Join(dir, "server.pem"), "oauth.on_network.tls_key": filepath.Join(dir, "server.key"),
		"oauth.on_network.client_ca": filepath.Join(dir, "ca.pem"), "oauth.on_network.key": hex.EncodeToString(key),
	})
	for name, level := range map[string]string{"live": "production", "test": "sandbox"} {
		w.app(name, map[string]any{"level": level, "scopes": []string{"IMMN"}, "redirect_uri": callbackURI, "on_network": true})
	}
	through := func(config *tls.Config, app string, header map[string]string) (answer, error) {
		t.Helper()
		transport := &http.Transport{TLSClientConfig: config}
		defer transport.CloseIdleConnections()
		req, _ := http.NewRequest(http.MethodGet, "https://"+w.info.OnNetwork+"/oauth/v4/authorize?"+url.Values{"client_id": {app + "-key"}, "scope": {"IMMN"}}.Encode(), nil)
		req.Host = "api.example.com"
		for k, v := range header {
			req.Header.Set(k, v)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return answer{}, err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return answer{resp.StatusCode, resp.Header, string(b)}, err
	}
	assert := func(e oauth.Enrichment) map[string]string {
		t.Helper()
		s, err := e.Assert(time.Now(), "14155550142", "api.example.com", "/oauth/v4/authorize", netip.MustParseAddr("10.20.30.40"))
		if err != nil {
			t.Fatal(err)
		}
		return map[string]string{"X-Subscriber-Assertion": s, "X-Forwarded-For": "10.20.30.40"}
	}
	good := oauth.Enrichment{Issuer: "enrichment", Key: key}

	a, err := through(proxy, "live", assert(good))
	if err != nil || a.status != http.StatusOK || !strings.Contains(a.body, "value=\"allow\"") {
		t.Fatalf("a device on the network: %d %s %s (%v)", a.status, a.header.Get("Location"), a.body, err)
	}
	forged := make([]byte, 32)
	for name, c := range map[string]struct {
		app    string
		header map[string]string
	}{
		"no assertion":                        {"live", nil},
		"another key":                         {"live", assert(oauth.Enrichment{Issuer: "enrichment", Key: forged})},
		"another proxy's name":                {"live", assert(oauth.Enrichment{Issuer: "somebody", Key: key})},
		"a live subscriber for a sandbox app": {"test", assert(good)},
		"a number in a header":                {"live", map[string]string{"X-MSISDN": "14155550142", "X-Forwarded-For": "10.20.30.40"}},
	} {
		if a, err := through(proxy, c.app, c.header); err != nil || a.status != http.StatusFound || !strings.Contains(a.header.Get("Location"), "error=access_denied") {
			t.Errorf("%s: %d %s (%v)", name, a.status, a.header.Get("Location"), err)
		}
	}
	anybody := &tls.Config{RootCAs: proxy.RootCAs}
	if a, err := through(anybody, "live", assert(good)); err == nil {
		t.Errorf("without the proxy's certificate: %d", a.status)
	}
}
