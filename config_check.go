package longlines

import (
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"longlines/number"
	"longlines/route"
)

// What a configuration must be to be taken, and how its addresses and secrets are opened.

// The addresses taken when nobody gave one, and what is tried when they are in use.
var (
	apiDefaults   = []string{"127.0.0.1:8100", "127.0.0.1:8110", "127.0.0.1:8120", "127.0.0.1:0"}
	adminDefaults = []string{"127.0.0.1:8101", "127.0.0.1:8111", "127.0.0.1:8121", "127.0.0.1:0"}
	phoneDefaults = []string{"127.0.0.1:8102", "127.0.0.1:8112", "127.0.0.1:8122", "127.0.0.1:0"}
	smscDefaults  = []string{"127.0.0.1:2775", "127.0.0.1:2785", "127.0.0.1:2795", "127.0.0.1:0"}
)

// check refuses what would be wrong silently, naming the key.
func (c *Config) check() error {
	if c.Data == "" {
		c.Data = "longlines-data"
	}
	if c.ReadyFile != "" {
		if info, err := os.Stat(filepath.Dir(c.ReadyFile)); err != nil || !info.IsDir() {
			return badKey("ready_file", "there is no directory %s", filepath.Dir(c.ReadyFile))
		}
	}
	switch c.Log.Level {
	case "", "debug", "info", "warn", "error":
	default:
		return badKey("log.level", "%q is not debug, info, warn or error", c.Log.Level)
	}
	switch c.Log.Format {
	case "", "text", "json":
	default:
		return badKey("log.format", "%q is not text or json", c.Log.Format)
	}
	for _, part := range []func() error{c.checkListeners, c.checkStore, c.checkFigures, c.checkSandbox, c.checkOAuth, c.checkLinks} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) checkListeners() error {
	for _, l := range [][2]string{{"api.listen", c.API.Listen}, {"admin.listen", c.Admin.Listen}, {"sandbox.smsc_listen", c.Sandbox.SMSCListen},
		{"sandbox.browser_listen", c.Sandbox.BrowserListen}, {"oauth.on_network.listen", c.OAuth.OnNetwork.Listen}} {
		if l[1] == "" {
			continue
		}
		_, port, err := net.SplitHostPort(l[1])
		if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 0 || n > 65535 {
			return badKey(l[0], "%q is not host:port, such as 127.0.0.1:8100 (port 0 picks a free one)", l[1])
		}
	}
	if c.API.PublicURL != "" {
		u, err := url.Parse(c.API.PublicURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return badKey("api.public_url", "%q is not a URL such as https://api.example.com", c.API.PublicURL)
		}
		c.API.PublicURL = strings.TrimRight(c.API.PublicURL, "/")
	}
	switch {
	case !isLoopback(c.Admin.Listen) && c.Admin.Token == "":
		return badKey("admin.listen", "%s is reachable from outside: set admin.token (LONGLINES_ADMIN_TOKEN_FILE) first", c.Admin.Listen)
	case c.Admin.Token != "" && len(c.Admin.Token) < minToken:
		return badKey("admin.token", "too short to be a secret; use %d characters or more", minToken)
	case c.API.TLSCert != "" && c.API.TLSKey == "":
		return badKey("api.tls_key", "is missing beside api.tls_cert")
	case c.API.TLSKey != "" && c.API.TLSCert == "":
		return badKey("api.tls_cert", "is missing beside api.tls_key")
	case c.API.MaxConnsPerIP < 0 || c.API.MaxConnsPerIP > 1_000_000:
		return badKey("api.max_conns_per_ip", "%d is not from 1 to 1000000", c.API.MaxConnsPerIP)
	case c.API.MaxInFlight < 0 || c.API.MaxInFlight > 100_000:
		return badKey("api.max_in_flight", "%d is not from 1 to 100000", c.API.MaxInFlight)
	}
	if c.API.TLSCert != "" {
		if _, err := tls.LoadX509KeyPair(c.API.TLSCert, c.API.TLSKey); err != nil {
			return badKey("api.tls_cert", "%w", err)
		}
	}
	for i, cidr := range c.API.TrustedProxies {
		switch p, err := netip.ParsePrefix(cidr); {
		case err != nil:
			return badKey(fmt.Sprintf("api.trusted_proxies[%d]", i), "%q is not a network such as 10.0.0.0/8 or 10.0.0.7/32", cidr)
		case p.Bits() == 0:
			return badKey(fmt.Sprintf("api.trusted_proxies[%d]", i), "%q is everybody: name the load balancers only", cidr)
		}
	}
	for i, cidr := range c.Callback.Allow {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			return badKey(fmt.Sprintf("callback.allow[%d]", i), "%q is not a network such as 10.0.0.0/8", cidr)
		}
	}
	switch outside, why := c.outside(); {
	case outside != "" && !c.Demo.Off:
		return badKey(outside, "%s while the demo app (key %s, a secret everybody knows) exists: set demo.off: true, or let nobody else reach the API", why, demoKey)
	case c.TestClockOffset != 0 && (outside != "" || !isLoopback(c.Admin.Listen)):
		return badKey("test_clock_offset", "only while both listeners are on loopback, with no proxy in front of them")
	}
	return nil
}

// outside names the first setting by which somebody who is not on this machine reaches the API, and says how: an
// address to listen at, or the signs of a proxy on this machine that stands in front of it. "": nobody does.
func (c *Config) outside() (key, why string) {
	u, err := url.Parse(c.API.PublicURL)
	switch {
	case !isLoopback(c.API.Listen):
		return "api.listen", c.API.Listen + " is reachable from outside"
	case err != nil || c.API.PublicURL != "" && !thisMachine(u.Hostname()) && !strings.HasSuffix(u.Hostname(), ".localhost"): // RFC 6761 §6.3
		return "api.public_url", c.API.PublicURL + " makes the API reachable from outside"
	case len(c.API.TrustedProxies) > 0:
		return "api.trusted_proxies", "a proxy makes the API reachable from outside"
	}
	return "", ""
}

func (c *Config) checkStore() error {
	if c.Ephemeral && c.Store.URL != "" {
		return badKey("ephemeral", "a database of store.url is kept: leave one of the two out")
	}
	if u := c.Store.URL; u != "" && !strings.HasPrefix(u, "postgres://") && !strings.HasPrefix(u, "postgresql://") {
		return badKey("store.url", "must begin with postgres:// (leave it out for SQLite in the data directory)")
	}
	if key, err := hex.DecodeString(c.Store.SecretKey); err != nil || len(key) != 0 && len(key) != 32 {
		return badKey("store.secret_key", "must be 64 hexadecimal digits")
	}
	return nil
}

// checkFigures looks at numbers and times; 0 stands for the default everywhere.
func (c *Config) checkFigures() error {
	for _, n := range []struct {
		key      string
		v        int64
		min, max int64
	}{
		{"quota.sandbox.per_minute", c.Quota.Sandbox.PerMinute, 1, maxFigure},
		{"quota.sandbox.per_day", c.Quota.Sandbox.PerDay, 1, maxFigure},
		{"quota.production.per_minute", c.Quota.Production.PerMinute, 1, maxFigure},
		{"quota.production.per_day", c.Quota.Production.PerDay, 1, maxFigure},
		{"sms.inbox_batch", int64(c.SMS.InboxBatch), 1, 100},
		{"sms.max_queued", c.SMS.MaxQueued, 1, maxFigure},
	} {
		if n.v != 0 && (n.v < n.min || n.v > n.max) {
			return badKey(n.key, "%d is not from %d to %d", n.v, n.min, n.max)
		}
	}
	for _, d := range []struct {
		key      string
		v        time.Duration
		min, max time.Duration
	}{
		{"oauth.code_life", c.OAuth.CodeLife, time.Second, 10 * time.Minute},
		{"requests.detail", c.Requests.Detail, time.Minute, 10 * 8760 * time.Hour},
		{"oauth.access_life", c.OAuth.AccessLife, time.Second, 10 * 8760 * time.Hour},
		{"oauth.refresh_life", c.OAuth.RefreshLife, time.Second, 100 * 8760 * time.Hour},
		{"sms.validity", c.SMS.Validity, time.Minute, 72 * time.Hour},
	} {
		if d.v != 0 && (d.v < d.min || d.v > d.max) {
			return badKey(d.key, "%s is not from %s to %s", d.v, d.min, d.max)
		}
	}
	return nil
}

func (c *Config) checkSandbox() error {
	if c.Sandbox.SMSCListen != "" && !isLoopback(c.Sandbox.SMSCListen) {
		return badKey("sandbox.smsc_listen", "%s: the virtual network listens on loopback only", c.Sandbox.SMSCListen)
	}
	if c.Sandbox.BrowserListen != "" && !isLoopback(c.Sandbox.BrowserListen) {
		return badKey("sandbox.browser_listen", "%s: the virtual network listens on loopback only", c.Sandbox.BrowserListen)
	}
	seen := map[number.MSISDN]bool{}
	for i, s := range c.Sandbox.Phones {
		key := fmt.Sprintf("sandbox.phones[%d]", i)
		m, err := number.ParseMSISDN(s)
		switch {
		case err != nil:
			return badKey(key, "%q is not a number such as +14255550100", s)
		case seen[m]:
			return badKey(key, "%s is there twice", m)
		}
		seen[m] = true
	}
	l := route.Link{Name: sandboxLink, Network: route.NetworkVirtual, Host: "127.0.0.1", SystemID: or(c.Sandbox.SystemID, "sandbox"),
		Password: or(c.Sandbox.Password, "sandbox"), Window: c.Sandbox.Window}
	return inSection("sandbox", l.Defaulted().Check())
}

func (c *Config) checkLinks() error {
	names := map[string]bool{}
	for i, l := range c.Links {
		section := fmt.Sprintf("links[%d]", i)
		if err := inSection(section, l.link().Defaulted().Check()); err != nil {
			return err
		}
		switch {
		case l.Name == sandboxLink && !c.Sandbox.Off:
			return badKey(section+".name", "%q is the link to the virtual network; take another, or set sandbox.off: true", l.Name)
		case names[l.Name]:
			return badKey(section+".name", "%q is there twice", l.Name)
		}
		names[l.Name] = true
	}
	prefixes := map[string]bool{}
	for i, r := range c.Routes {
		section := fmt.Sprintf("routes[%d]", i)
		rule, err := route.Rule{Prefix: r.Prefix, Link: r.Link, Fallback: r.Fallback}.Normal()
		if err := inSection(section, err); err != nil {
			return err
		}
		if prefixes[rule.Prefix] {
			return badKey(section+".prefix", "%q is there twice", r.Prefix)
		}
		prefixes[rule.Prefix] = true
	}
	return nil
}

// link is the link that the configuration describes.
func (l LinkConfig) link() route.Link {
	return route.Link{Name: l.Name, Kind: l.Kind, Network: route.NetworkLive, Host: l.Host, Port: l.Port, SystemID: l.SystemID,
		Password: l.Password, SystemType: l.SystemType, Bind: l.Bind, Window: l.Window, Rate: l.Rate, TLS: l.TLS, Group: l.Group}
}

// inSection gives a wrong field of a link or a rule its path; other errors stay as they are.
func inSection(section string, err error) error {
	var f *route.FieldError
	if errors.As(err, &f) {
		return badKey(section+"."+f.Field, "%s", f.Reason)
	}
	return err
}

// isLoopback reports whether a listen address reaches this machine only; "" is the default, which does.
func isLoopback(addr string) bool {
	if addr == "" {
		return true
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	return thisMachine(host)
}

// thisMachine reports whether a name or address of a host can only be this machine's.
func thisMachine(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// listen opens the address that was given, or the first of the defaults that is free. An address
// that somebody gave is never replaced.
func listen(given string, defaults []string, key string) (net.Listener, error) {
	if given != "" {
		defaults = []string{given}
	}
	var first error
	for _, addr := range defaults {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return l, nil
		}
		if first == nil {
			first = listenError(key, addr, err)
		}
	}
	return nil, first
}

// listenError says why an address could not be opened and, if it is taken, how to find out by whom.
func listenError(key, addr string, err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s: %w", key, err)
	}
	_, port, _ := net.SplitHostPort(addr)
	return fmt.Errorf("%s: %s is taken by another program (to see which: lsof -nP -iTCP:%s -sTCP:LISTEN); stop that one, or give another address; port 0 picks a free one", key, addr, port)
}

// minToken is the least length of an admin token.
const minToken = 20

// maxFigure bounds quotas and queues; more is a slip of the finger.
const maxFigure = 1_000_000_000_000

// secretFile reads a secret from the data directory, or makes and keeps one (mode 0600).
func secretFile(dir, name string, fresh func() string) (string, error) {
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		s := fresh()
		return s, writeFile(path, []byte(s+"\n"))
	}
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", badKey("data", "%s can be read by others: chmod 600 it", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", badKey("data", "%w", err)
	}
	s := strings.TrimSpace(string(b))
	if len(s) < minToken {
		return "", badKey("data", "%s holds no secret; remove it, and a new one is made", path)
	}
	return s, nil
}
