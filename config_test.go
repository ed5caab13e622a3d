package longlines_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"longlines"
)

// link is the part of a configuration that is right in every case about links.
const link = "links:\n- name: carrier\n  host: smsc.example\n  system_id: us\n"

func TestAWrongConfigurationNamesTheKey(t *testing.T) {
	for name, c := range map[string]struct {
		yaml string
		key  string
		want string // in the error, beside the key
	}{
		"no YAML":                       {"a: [", "", "yaml"},
		"a list instead of sections":    {"- a", "", ""},
		"an unknown section":            {"apis:\n  listen: 127.0.0.1:0", "apis", "unknown key"},
		"an unknown key":                {"api:\n  lisen: 127.0.0.1:0", "api.lisen", "did you mean api.listen?"},
		"a deep unknown key":            {"quota:\n  sandbox:\n    per_hour: 1", "quota.sandbox.per_hour", "unknown key"},
		"an unknown key in a link":      {link + "  pasword: x", "links[0].pasword", "did you mean links[0].password?"},
		"an unknown key in a route":     {"routes:\n- prefix: +1\n  lnk: carrier", "routes[0].lnk", "did you mean routes[0].link?"},
		"a path instead of sections":    {"api.listen: 127.0.0.1:0", "api.listen", "write api: and below it"},
		"a value instead of a section":  {"sms: 24h", "sms", "is a section"},
		"a section instead of a value":  {"data:\n  dir: x", "data", "must be text"},
		"a value instead of a list":     {"sandbox:\n  phones: +14255550100", "sandbox.phones", "must be a list"},
		"a list instead of a value":     {"data: [a]", "data", "must be text"},
		"a duration without a unit":     {"sms:\n  validity: 24", "sms.validity", "24 is not a time with its unit"},
		"a malformed duration":          {"oauth:\n  access_life: two days", "oauth.access_life", "not a time"},
		"a word instead of a number":    {"sandbox:\n  window: many", "sandbox.window", "not a whole number"},
		"a broken number":               {"sandbox:\n  window: 1.5", "sandbox.window", "not a whole number"},
		"a word instead of a switch":    {"ephemeral: perhaps", "ephemeral", "not true or false"},
		"a number instead of text":      {link + "  password: 0123", "links[0].password", "put it in quotes"},
		"a public API beside the demo":  {"api:\n  listen: 0.0.0.0:0", "api.listen", "the demo app"},
		"an API on all addresses":       {"api:\n  listen: \":0\"", "api.listen", "the demo app"},
		"an address without a port":     {"api:\n  listen: 127.0.0.1", "api.listen", "host:port"},
		"an address without a number":   {"admin:\n  listen: 127.0.0.1:http", "admin.listen", "host:port"},
		"a public admin without token":  {"admin:\n  listen: 0.0.0.0:0", "admin.listen", "set admin.token"},
		"a short token":                 {"admin:\n  token: secret", "admin.token", "20 characters"},
		"a public virtual centre":       {"sandbox:\n  smsc_listen: 0.0.0.0:2775", "sandbox.smsc_listen", "loopback only"},
		"a moved clock in public":       {"test_clock_offset: 1h\ndemo:\n  off: true\napi:\n  listen: 0.0.0.0:0", "test_clock_offset", "loopback"},
		"a certificate without its key": {"api:\n  tls_cert: c.pem", "api.tls_key", "missing"},
		"a key without its certificate": {"api:\n  tls_key: k.pem", "api.tls_cert", "missing"},
		"a certificate that is not":     {"api:\n  tls_cert: /dev/null\n  tls_key: /dev/null", "api.tls_cert", "PEM"},
		"a public URL without a scheme": {"api:\n  public_url: api.example.com", "api.public_url", "not a URL"},
		"too many connections":          {"api:\n  max_conns_per_ip: 2000000", "api.max_conns_per_ip", "not from 1"},
		"a store by http":               {"store:\n  url: http://db.example", "store.url", "postgres://"},
		"a store by https":              {"store:\n  url: https://db.example", "store.url", "postgres://"},
		"a short sealing key":           {"store:\n  secret_key: abcd", "store.secret_key", "64 hexadecimal digits"},
		"a proxy without a prefix":      {"api:\n  trusted_proxies: [10.0.0.7]", "api.trusted_proxies[0]", "10.0.0.7/32"},
		"everybody a proxy":             {"api:\n  trusted_proxies: [10.0.0.0/8, '::/0']", "api.trusted_proxies[1]", "everybody"},
		"a network that is none":        {"callback:\n  allow: [10.0.0.0/8, 10.0.0.1]", "callback.allow[1]", "not a network"},
		"a negative quota":              {"quota:\n  sandbox:\n    per_minute: -1", "quota.sandbox.per_minute", "-1 is not from 1"},
		"a negative daily quota":        {"quota:\n  production:\n    per_day: -1", "quota.production.per_day", "-1 is not from 1"},
		"a validity beyond three days":  {"sms:\n  validity: 73h", "sms.validity", "72h"},
		"a validity below a minute":     {"sms:\n  validity: 59s", "sms.validity", "1m0s"},
		"a negative life":               {"oauth:\n  refresh_life: -1h", "oauth.refresh_life", "not from"},
		"too many texts a poll":         {"sms:\n  inbox_batch: 101", "sms.inbox_batch", "not from 1 to 100"},
		"a negative queue":              {"sms:\n  max_queued: -5", "sms.max_queued", "not from 1"},
		"a phone that is none":          {"sandbox:\n  phones: [hello]", "sandbox.phones[0]", "not a number"},
		"a phone twice":                 {"sandbox:\n  phones: [\"+14255550100\", 14255550100]", "sandbox.phones[1]", "twice"},
		"a centre's password too long":  {"sandbox:\n  password: longer than SMPP", "sandbox.password", "at most 8"},
		"a link without a host":         {"links:\n- name: carrier\n  system_id: us", "links[0].host", "host name"},
		"a link without a system_id":    {"links:\n- name: carrier\n  host: smsc.example", "links[0].system_id", "1 to 15"},
		"a link without a name":         {"links:\n- host: smsc.example\n  system_id: us", "links[0].name", "letters"},
		"a link of another kind":        {link + "  kind: sip", "links[0].kind", "smpp"},
		"a link with a strange bind":    {link + "  bind: receive", "links[0].bind", "transceiver"},
		"a link twice":                  {link + "- name: carrier\n  host: other.example\n  system_id: us", "links[1].name", "twice"},
		"a link named sandbox":          {strings.ReplaceAll(link, "carrier", "sandbox"), "links[0].name", "sandbox.off"},
		"a route without a link":        {"routes:\n- prefix: +1", "routes[0].link", "missing"},
		"a route of no number":          {"routes:\n- prefix: abc\n  link: carrier", "routes[0].prefix", "digits"},
		"a route twice":                 {"routes:\n- prefix: +1\n  link: a\n- prefix: \"1\"\n  link: b", "routes[1].prefix", "twice"},
		"a route that falls on itself":  {"routes:\n- prefix: +1\n  link: a\n  fallback: a", "routes[0].fallback", "itself"},
		"a code that lives too long":    {"oauth:\n  code_life: 11m", "oauth.code_life", "10m0s"},
		"a sender that is no code":      {"oauth:\n  sign_in:\n    sender: \"12\"", "oauth.sign_in.sender", "3 to 8 digits"},
		"a home that is no prefix":      {"oauth:\n  sign_in:\n    home: [US]", "oauth.sign_in.home[0]", "such as +1"},
		"a color that is none":          {"oauth:\n  brand:\n    color: teal", "oauth.brand", "color"},
		"a logo that is not there":      {"oauth:\n  brand:\n    logo: /nowhere/logo.svg", "oauth.brand.logo", "no such file"},
		"on_network without the rest":   {"oauth:\n  on_network:\n    listen: 127.0.0.1:0", "oauth.on_network.tls_cert", "is missing"},
		"phones browse on loopback":     {"sandbox:\n  browser_listen: 0.0.0.0:8102", "sandbox.browser_listen", "loopback only"},
		"details kept for no time":      {"requests:\n  detail: 1s", "requests.detail", "not from"},
		"a level of log that is none":   {"log:\n  level: loud", "log.level", "debug, info"},
		"a format of log that is none":  {"log:\n  format: xml", "log.format", "text or json"},
		"a public URL beside the demo":  {"api:\n  public_url: https://api.example.com", "api.public_url", "the demo app"},
		"a proxy beside the demo":       {"api:\n  trusted_proxies: [127.0.0.1/32]", "api.trusted_proxies", "the demo app"},
		"a moved clock behind a proxy":  {"test_clock_offset: 1h\ndemo:\n  off: true\napi:\n  public_url: https://api.example.com", "test_clock_offset", "no proxy"},
		"nothing kept in a database":    {"ephemeral: true\nstore:\n  url: postgres:///x", "ephemeral", "leave one of the two out"},
		"a second document":             {"data: x\n---\nadmin:\n  listen: 0.0.0.0:1", "", "line 3 begins a second document"},
		"what follows the end":          {"data: x\n...\n# end\nnonsense: 1", "", "line 4 begins a second document"},
		"a figure that is octal":        {link + "  port: 02775", "", "line 5 has a figure with a zero in front"},
		"an octal figure in a flow":     {"sandbox: {window: 010}", "", "line 1 has a figure with a zero in front"},
		"a ready file in no directory":  {"ready_file: /nowhere/at/all.json", "ready_file", "no directory"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := longlines.LoadConfig(writeYAML(t, c.yaml), nil, nil)
			wantKey(t, err, c.key, c.want)
		})
	}
}

// wantKey fails unless err is a ConfigError about the key that says something.
func wantKey(t *testing.T, err error, key, say string) {
	t.Helper()
	var wrong *longlines.ConfigError
	if !errors.As(err, &wrong) {
		t.Fatalf("error %v, want a ConfigError about %s", err, key)
	}
	if wrong.Key != key || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), say) {
		t.Fatalf("error %q about %q, want one about %q that says %q", err, wrong.Key, key, say)
	}
}

func writeYAML(t *testing.T, yaml string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "longlines.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFlagGoesBeforeTheEnvironmentBeforeTheFileBeforeTheDefault(t *testing.T) {
	file := writeYAML(t, "data: of-file\napi:\n  max_in_flight: 1\nsms:\n  validity: 1h\nlog:\n  level: warn\nsandbox:\n  phones: [+14255550107]\n")
	environ := []string{"LONGLINES_DATA=of-environment", "LONGLINES_SMS_VALIDITY=2h", "LONGLINES_API_MAX_IN_FLIGHT=2", "LONGLINES_LOG_LEVEL=", "OTHER=x"}
	flags := map[string]any{"data": "of-flag", "test_clock_offset": time.Minute}

	c, err := longlines.LoadConfig("", nil, nil)
	if err != nil || c.Data != "longlines-data" || c.SMS.Validity != 0 {
		t.Fatalf("defaults: %+v, %v", c, err)
	}
	if c, err = longlines.LoadConfig(file, nil, nil); err != nil || c.Data != "of-file" || c.SMS.Validity != time.Hour || c.API.MaxInFlight != 1 {
		t.Fatalf("file: %+v, %v", c, err)
	}
	if c, err = longlines.LoadConfig(file, environ, nil); err != nil || c.Data != "of-environment" || c.SMS.Validity != 2*time.Hour || c.API.MaxInFlight != 2 {
		t.Fatalf("environment: %+v, %v", c, err)
	}
	if c, err = longlines.LoadConfig(file, environ, flags); err != nil || c.Data != "of-flag" || c.SMS.Validity != 2*time.Hour || c.TestClockOffset != time.Minute {
		t.Fatalf("flags: %+v, %v", c, err)
	}
	if c.Log.Level != "warn" || !reflect.DeepEqual(c.Sandbox.Phones, []string{"+14255550107"}) {
		t.Fatalf("what only the file says is lost: %+v", c)
	}
}

func TestTheEnvironmentIsRead(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(secret, []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZ\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(open, []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZ\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o666); err != nil { // whatever the umask
		t.Fatal(err)
	}
	c, err := longlines.LoadConfig("", []string{"LONGLINES_SERVICE_PORT=8100", "LONGLINES_ADMIN_TOKEN_FILE=" + secret, "LONGLINES_SANDBOX_PHONES=+14255550100, +14255550102",
		"LONGLINES_DEMO_OFF=true", "LONGLINES_QUOTA_SANDBOX_PER_DAY=7", "LONGLINES_READY_FILE=r.json"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Admin.Token != "ABCDEFGHIJKLMNOPQRSTUVWXYZ" || !reflect.DeepEqual(c.Sandbox.Phones, []string{"+14255550100", "+14255550102"}) || !c.Demo.Off ||
		c.Quota.Sandbox.PerDay != 7 || c.ReadyFile != "r.json" {
		t.Fatalf("%+v", c)
	}
	for name, x := range map[string]struct {
		environ []string
		key     string
		want    string
	}{
		"a wrong value":           {[]string{"LONGLINES_DEMO_OFF=perhaps"}, "demo.off", "environment LONGLINES_DEMO_OFF: "},
		"a file that is not":      {[]string{"LONGLINES_ADMIN_TOKEN_FILE=/nowhere/token"}, "admin.token", "environment LONGLINES_ADMIN_TOKEN_FILE: "},
		"a secret both ways":      {[]string{"LONGLINES_ADMIN_TOKEN=a", "LONGLINES_ADMIN_TOKEN_FILE=" + secret}, "admin.token", "both set"},
		"a secret for everybody":  {[]string{"LONGLINES_ADMIN_TOKEN_FILE=" + open}, "admin.token", "chmod o-w " + open},
		"a misspelt variable":     {[]string{"LONGLINES_API_TRUSTED_PROXYS=10.0.0.7/32"}, "", "LONGLINES_API_TRUSTED_PROXIES is meant?"},
		"links":                   {[]string{"LONGLINES_LINKS=x"}, "links", "in the configuration file only"},
		"a phone that is none":    {[]string{"LONGLINES_SANDBOX_PHONES=+14255550100,hello"}, "sandbox.phones[1]", "not a number"},
		"a duration without unit": {[]string{"LONGLINES_OAUTH_ACCESS_LIFE=3600"}, "oauth.access_life", "with its unit"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := longlines.LoadConfig("", x.environ, nil)
			wantKey(t, err, x.key, x.want)
		})
	}
}

func TestEverythingInAConfigurationIsTaken(t *testing.T) {
	c, err := longlines.LoadConfig(writeYAML(t, `
data: d
api: # nothing below it is set
sandbox:
  off: true
links:
- name: carrier
  host: smsc.example
  port: 2776
  system_id: us
  password: "0123"
  bind: pair
  window: 50
  rate: 12.5
  tls: true
routes:
- prefix: +1
  link: carrier
- prefix: "+"
  link: carrier
`), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := longlines.LinkConfig{Name: "carrier", Host: "smsc.example", Port: 2776, SystemID: "us", Password: "0123", Bind: "pair", Window: 50, Rate: 12.5, TLS: true}
	if len(c.Links) != 1 || c.Links[0] != want {
		t.Fatalf("links %+v", c.Links)
	}
	if len(c.Routes) != 2 || c.Routes[0] != (longlines.RouteConfig{Prefix: "+1", Link: "carrier"}) || c.Routes[1].Prefix != "+" {
		t.Fatalf("routes %+v", c.Routes)
	}
}

// What only looks like an octal figure, or like a second document, is taken.
func TestTextsWithZerosAndAnEndAreTaken(t *testing.T) {
	c, err := longlines.LoadConfig(writeYAML(t, `---
data: /srv/longlines-01
links:
- name: smsc-01
  host: smsc-01
  system_id: shop-007
  password: "a: 0123"
sandbox: {phones: ["+14255550100", "+14255550107"], window: 10} # not 010
# the end
---
# nothing
`), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != "/srv/longlines-01" || len(c.Links) != 1 || c.Links[0].Name != "smsc-01" || c.Links[0].Password != "a: 0123" || c.Sandbox.Window != 10 {
		t.Fatalf("%+v", c)
	}
}

// loopback is the configuration of a platform of one's own.
func loopback(t *testing.T, more map[string]any) longlines.Config {
	t.Helper()
	flags := map[string]any{"data": t.TempDir(), "api.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0", "sandbox.smsc_listen": "127.0.0.1:0"}
	for k, v := range more {
		flags[k] = v
	}
	c, err := longlines.LoadConfig("", nil, flags)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhatNewFindsWrongNamesTheKeyToo(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	t.Run("a secret that others can read", func(t *testing.T) {
		c := loopback(t, nil)
		if err := os.WriteFile(filepath.Join(c.Data, "admin-token"), []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZ\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := longlines.New(t.Context(), c, quiet)
		wantKey(t, err, "data", "chmod 600")
	})
	t.Run("a secret that is empty", func(t *testing.T) {
		c := loopback(t, nil)
		if err := os.WriteFile(filepath.Join(c.Data, "admin-token"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := longlines.New(t.Context(), c, quiet)
		wantKey(t, err, "data", "holds no secret")
	})
	t.Run("a route to a link that nobody has made", func(t *testing.T) {
		c := loopback(t, nil)
		c.Routes = []longlines.RouteConfig{{Prefix: "+1", Link: "nobody"}}
		_, err := longlines.New(t.Context(), c, quiet)
		wantKey(t, err, "routes", "no link nobody")
	})
	t.Run("a Config made by hand is checked as well", func(t *testing.T) {
		c := loopback(t, nil)
		c.SMS.InboxBatch = -1
		_, err := longlines.New(t.Context(), c, quiet)
		wantKey(t, err, "sms.inbox_batch", "-1")
	})
	t.Run("a port in use is no matter of the configuration", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for _, key := range []string{"api.listen", "admin.listen", "sandbox.smsc_listen"} {
			_, err := longlines.New(t.Context(), loopback(t, map[string]any{key: l.Addr().String()}), quiet)
			var wrong *longlines.ConfigError
			if err == nil || errors.As(err, &wrong) || !strings.Contains(err.Error(), key+": "+l.Addr().String()+" is taken by another program") {
				t.Errorf("%s: %v", key, err)
			}
		}
	})
	t.Run("the demo app of an earlier start", func(t *testing.T) {
		c := loopback(t, nil)
		ctx, stop := context.WithCancel(t.Context())
		p, err := longlines.New(ctx, c, quiet)
		if err != nil {
			t.Fatal(err)
		}
		stop()
		if err := p.Run(ctx); err != nil {
			t.Fatal(err)
		}
		c.Demo.Off, c.API.Listen = true, "0.0.0.0:0"
		_, err = longlines.New(t.Context(), c, quiet)
		wantKey(t, err, "api.listen", "the demo app of an earlier start")
	})
}

func TestTheSenderOfPINsIsNoAppsCode(t *testing.T) {
	data := t.TempDir()
	w := start(t, map[string]any{"data": data, "oauth.sign_in.sender": "48501"})
	w.app("early", map[string]any{"short_codes": []string{"48500"}})
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	cfg, err := longlines.LoadConfig("", nil, map[string]any{"data": data, "api.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = longlines.New(context.Background(), cfg, slog.New(slog.DiscardHandler))
	wantKey(t, err, "oauth.sign_in.sender", `the app "early"`)
}

// The page for operators knows every setting, and none that does not exist.
func TestTheDocumentNamesEverySetting(t *testing.T) {
	page, err := os.ReadFile("docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## Settings")
	told := map[string]bool{}
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) > 1 {
			for _, m := range regexp.MustCompile("`([a-z_.]+)`").FindAllStringSubmatch(cells[1], -1) {
				told[m[1]] = true
			}
		}
	}
	var settings func(section reflect.Type, prefix string)
	settings = func(section reflect.Type, prefix string) {
		for f := range section.Fields() {
			key := prefix + f.Tag.Get("koanf")
			if f.Type.Kind() == reflect.Struct {
				settings(f.Type, key+".")
				continue
			}
			if !told[key] {
				t.Errorf("%s is not told of", key)
			}
			delete(told, key)
		}
	}
	settings(reflect.TypeFor[longlines.Config](), "")
	for key := range told {
		t.Errorf("%s does not exist", key)
	}
	_, example, _ := strings.Cut(string(page), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	path := filepath.Join(t.TempDir(), "longlines.yaml")
	if err := os.WriteFile(path, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := longlines.LoadConfig(path, nil, nil); err != nil {
		t.Errorf("the example: %v", err)
	}
}
