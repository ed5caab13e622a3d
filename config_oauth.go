package longlines

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	"longlines/api/oauthv4/page"
	"longlines/app"
	"longlines/number"
	"longlines/oauth"
)

// OAuthConfig sets lifetimes, and how subscribers are recognised and addressed.
type OAuthConfig struct {
	CodeLife    time.Duration `koanf:"code_life"`    // of an authorization code, to 10m; default 60s
	AccessLife  time.Duration `koanf:"access_life"`  // default 48h
	RefreshLife time.Duration `koanf:"refresh_life"` // default 2160h

	SignIn    SignInConfig    `koanf:"sign_in"`
	OnNetwork OnNetworkConfig `koanf:"on_network"`
	Brand     BrandConfig     `koanf:"brand"`
}

// SignInConfig is about signing in with a number and a PIN.
type SignInConfig struct {
	// Sender is the short code that PINs come from; no app can have it. Default: 48500 with the virtual
	// network, else none, and nobody can sign in by PIN.
	Sender string `koanf:"sender"`
	// Home are the prefixes of the numbers that PINs are sent to, such as +1; default +1. Others are
	// answered in the same words and get nothing.
	Home []string `koanf:"home"`
}

// OnNetworkConfig is the listener behind the enrichment proxy of the data network. It opens only if it
// is configured, and takes connections only from who has a certificate of the given authority
// (docs/reference/reliability.md T2). The virtual network has one of its own.
type OnNetworkConfig struct {
	Listen   string `koanf:"listen"`    // host:port
	TLSCert  string `koanf:"tls_cert"`  // PEM file
	TLSKey   string `koanf:"tls_key"`   // PEM file
	ClientCA string `koanf:"client_ca"` // PEM file: who may sign the proxy's certificate
	Issuer   string `koanf:"issuer"`    // the proxy's name in its assertions; default "enrichment"
	Key      string `koanf:"key"`       // 64 hex digits or more, shared with the proxy, which signs with it
}

// BrandConfig is the operator on the pages that subscribers see.
type BrandConfig struct {
	Name    string `koanf:"name"`  // default Longlines
	Logo    string `koanf:"logo"`  // file, SVG or PNG, at most 32 KiB
	Color   string `koanf:"color"` // #rrggbb
	Support string `koanf:"support"`
	Terms   string `koanf:"terms"`
	Privacy string `koanf:"privacy"`
}

// operatorCode is the default sender of PINs where there is a virtual network.
const operatorCode = "48500"

// maxLogo bounds a logo, so that a page stays light.
const maxLogo = 32 << 10

func (c *Config) checkOAuth() error {
	s := &c.OAuth.SignIn
	if s.Sender == "" && !c.Sandbox.Off {
		s.Sender = operatorCode
	}
	if s.Sender != "" {
		code, err := number.ParseShortCode(s.Sender)
		if err != nil {
			return badKey("oauth.sign_in.sender", "%q is not 3 to 8 digits", s.Sender)
		}
		s.Sender = string(code)
	}
	if len(s.Home) == 0 {
		s.Home = []string{"+1"}
	}
	for i, p := range s.Home {
		digits := strings.TrimPrefix(p, "+")
		if digits == "" || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
			return badKey(fmt.Sprintf("oauth.sign_in.home[%d]", i), "%q is not the beginning of a number, such as +1", p)
		}
	}
	if _, err := c.pages(); err != nil {
		return err
	}
	n := c.OAuth.OnNetwork
	if n == (OnNetworkConfig{}) {
		return nil
	}
	for _, m := range [][2]string{{"listen", n.Listen}, {"tls_cert", n.TLSCert}, {"tls_key", n.TLSKey}, {"client_ca", n.ClientCA}, {"key", n.Key}} {
		if m[1] == "" {
			return badKey("oauth.on_network."+m[0], "is missing: the listener needs listen, tls_cert, tls_key, client_ca and key")
		}
	}
	if _, err := n.tls(); err != nil {
		return err
	}
	_, err := n.enrichment()
	return err
}

// tls is the listener's side of the connection with the proxy.
func (n OnNetworkConfig) tls() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(n.TLSCert, n.TLSKey)
	if err != nil {
		return nil, badKey("oauth.on_network.tls_cert", "%w", err)
	}
	pem, err := os.ReadFile(n.ClientCA)
	if err != nil {
		return nil, badKey("oauth.on_network.client_ca", "%w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, badKey("oauth.on_network.client_ca", "%s holds no certificate", n.ClientCA)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}, nil
}

// enrichment is whose word is taken on the listener.
func (n OnNetworkConfig) enrichment() (oauth.Enrichment, error) {
	key, err := hex.DecodeString(n.Key)
	if err != nil || len(key) < 32 {
		return oauth.Enrichment{}, badKey("oauth.on_network.key", "must be 64 hexadecimal digits or more")
	}
	return oauth.Enrichment{Issuer: or(n.Issuer, "enrichment"), Key: key, Level: app.LevelProduction}, nil
}

// pages are what subscribers see, in the operator's colors; the error says what is wrong with those.
func (c *Config) pages() (*page.Pages, error) {
	b := c.OAuth.Brand
	brand := page.Brand{Name: b.Name, Color: b.Color, Support: b.Support, Terms: b.Terms, Privacy: b.Privacy}
	if b.Logo != "" {
		logo, err := os.ReadFile(b.Logo)
		switch {
		case err != nil:
			return nil, badKey("oauth.brand.logo", "%w", err)
		case len(logo) > maxLogo:
			return nil, badKey("oauth.brand.logo", "%s has %d bytes; at most %d are sent to a phone", b.Logo, len(logo), maxLogo)
		}
		brand.Logo = logo
	}
	p, err := page.New(brand)
	if err != nil {
		return nil, badKey("oauth.brand", "%w", err)
	}
	return p, nil
}
