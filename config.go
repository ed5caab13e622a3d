package longlines

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// Config is everything an operator can set. Its zero value is the sandbox on loopback. A value comes
// from, in this order: a flag, the environment (LONGLINES_ and the path in upper snake case; with
// _FILE appended, from the file named), the configuration file, the default named here.
type Config struct {
	Data      string `koanf:"data"`      // data directory; default ./longlines-data
	Ephemeral bool   `koanf:"ephemeral"` // keep nothing: a temporary directory, removed at the end

	API   ListenerConfig `koanf:"api"`   // default 127.0.0.1:8100
	Admin AdminConfig    `koanf:"admin"` // default 127.0.0.1:8101

	Store    StoreConfig    `koanf:"store"`
	Sandbox  SandboxConfig  `koanf:"sandbox"`
	Demo     DemoConfig     `koanf:"demo"`
	Quota    QuotaConfig    `koanf:"quota"`
	OAuth    OAuthConfig    `koanf:"oauth"`
	SMS      SMSConfig      `koanf:"sms"`
	Callback CallbackConfig `koanf:"callback"`
	Requests RequestsConfig `koanf:"requests"`
	Log      LogConfig      `koanf:"log"`

	// Links and Routes are applied at each start; objects named here are read-only in the API.
	Links  []LinkConfig  `koanf:"links"`
	Routes []RouteConfig `koanf:"routes"`

	ReadyFile       string        `koanf:"ready_file"`        // written once everything is up
	TestClockOffset time.Duration `koanf:"test_clock_offset"` // moves the platform's clock; refused unless nobody from outside reaches the platform
}

// ListenerConfig is one HTTP listener.
type ListenerConfig struct {
	Listen    string `koanf:"listen"`     // host:port; port 0 picks a free one
	PublicURL string `koanf:"public_url"` // how callers reach it, for links in answers; default: the listener's own address
	TLSCert   string `koanf:"tls_cert"`   // PEM file
	TLSKey    string `koanf:"tls_key"`    // PEM file
	// MaxConnsPerIP bounds connections of one address (1 to 1,000,000); default 200, loopback exempt.
	MaxConnsPerIP int `koanf:"max_conns_per_ip"`
	// MaxInFlight bounds calls of one app at a time (1 to 100,000); default 64, sandbox on loopback 1,024.
	MaxInFlight int `koanf:"max_in_flight"`
	// TrustedProxies are the addresses (CIDR) of load balancers in front of the listener. Callers are whom they name in
	// X-Forwarded-For; from anybody else the header counts for nothing. Default: none.
	TrustedProxies []string `koanf:"trusted_proxies"`
}

// proxies are the prefixes of TrustedProxies, which [Config.check] has read.
func (c ListenerConfig) proxies() []netip.Prefix {
	var all []netip.Prefix
	for _, s := range c.TrustedProxies {
		all = append(all, netip.MustParsePrefix(s).Masked())
	}
	return all
}

// AdminConfig is the admin listener.
type AdminConfig struct {
	Listen string `koanf:"listen"`
	Token  string `koanf:"token"` // default: made at the first start and kept in the data directory
}

// StoreConfig says where rows live.
type StoreConfig struct {
	URL       string `koanf:"url"`        // postgres://…; default: SQLite in the data directory
	SecretKey string `koanf:"secret_key"` // 64 hex digits sealing link passwords, the same on all nodes; default: made and kept in the data directory
}

// SandboxConfig is the virtual network.
type SandboxConfig struct {
	Off        bool     `koanf:"off"`         // do not start it
	SMSCListen string   `koanf:"smsc_listen"` // default 127.0.0.1:2775; loopback only
	SystemID   string   `koanf:"system_id"`   // default "sandbox"
	Password   string   `koanf:"password"`    // default "sandbox"
	Phones     []string `koanf:"phones"`      // default +14255550100 and +14255550101
	Window     int      `koanf:"window"`      // submits in flight on its link; default 100
	// BrowserListen is the data network through which a virtual phone's browser reaches the platform;
	// default 127.0.0.1:8102; loopback only.
	BrowserListen string `koanf:"browser_listen"`
}

// DemoConfig is the demo app of the sandbox.
type DemoConfig struct {
	Off bool `koanf:"off"` // do not make it (required beside a public API listener)
}

// LevelQuota is what an app of a service level may call.
type LevelQuota struct {
	PerMinute int64 `koanf:"per_minute"`
	PerDay    int64 `koanf:"per_day"`
}

// QuotaConfig sets the figures of the two levels; defaults 60 and 5,000, 600 and 33,000.
type QuotaConfig struct {
	Sandbox    LevelQuota `koanf:"sandbox"`
	Production LevelQuota `koanf:"production"`
}

// SMSConfig bounds texts.
type SMSConfig struct {
	Validity   time.Duration `koanf:"validity"`    // default 24h, max 72h
	InboxBatch int           `koanf:"inbox_batch"` // texts per poll, 1 to 100; default 10
	MaxQueued  int64         `koanf:"max_queued"`  // texts waiting for a link before sends are refused; default 1,000,000
}

// CallbackConfig says where posts may go.
type CallbackConfig struct {
	Allow []string `koanf:"allow"` // CIDRs beside the public internet; default: loopback, while nobody from outside reaches the platform
}

// RequestsConfig is about the record of calls.
type RequestsConfig struct {
	// NoDetail keeps metadata only. Otherwise what sandbox apps sent and were answered is kept too,
	// without tokens, secrets and cookies.
	NoDetail bool          `koanf:"no_detail"`
	Detail   time.Duration `koanf:"detail"` // how long that is kept; default 168h
}

// LogConfig sets the log on standard error.
type LogConfig struct {
	Level  string `koanf:"level"`  // debug, info, warn, error; default info
	Format string `koanf:"format"` // text, json; default text on a terminal
}

// LinkConfig is a link kept in the configuration.
type LinkConfig struct {
	Name       string  `koanf:"name"`
	Kind       string  `koanf:"kind"` // smpp
	Host       string  `koanf:"host"`
	Port       int     `koanf:"port"`
	SystemID   string  `koanf:"system_id"`
	Password   string  `koanf:"password"`
	SystemType string  `koanf:"system_type"`
	Bind       string  `koanf:"bind"`
	Window     int     `koanf:"window"`
	Rate       float64 `koanf:"rate"`
	TLS        bool    `koanf:"tls"`
	Group      string  `koanf:"group"`
}

// RouteConfig is a rule kept in the configuration.
type RouteConfig struct {
	Prefix   string `koanf:"prefix"`
	Link     string `koanf:"link"`
	Fallback string `koanf:"fallback"`
}

// ConfigError says which setting cannot be used, and why.
type ConfigError struct {
	Source string // where it was read: "configuration FILE", "environment LONGLINES_…"; "" if that is not known
	Key    string // its path: "api.listen", "links[0].host"; "" where the file as a whole cannot be read
	Err    error
}

func (e *ConfigError) Error() string {
	s := e.Err.Error()
	if e.Key != "" {
		s = e.Key + ": " + s
	}
	if e.Source != "" {
		s = e.Source + ": " + s
	}
	return s
}

func (e *ConfigError) Unwrap() error { return e.Err }

func badKey(key, format string, args ...any) error {
	return &ConfigError{Key: key, Err: fmt.Errorf(format, args...)}
}

// LoadConfig reads the file (none if empty), then the environment, then the flags (by path, as
// "api.listen"), each over the last. Its errors are [*ConfigError]; an unknown key is one.
func LoadConfig(path string, environ []string, flags map[string]any) (Config, error) {
	var c Config
	if path != "" {
		k := koanf.New(".")
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return c, &ConfigError{Source: "configuration " + path, Err: err}
		}
		if err := decodeConfig(k.Raw(), reflect.ValueOf(&c).Elem(), ""); err != nil {
			return c, from("configuration "+path, err)
		}
		text, err := os.ReadFile(path)
		if err == nil {
			err = misread(string(text))
		}
		if err != nil {
			return c, &ConfigError{Source: "configuration " + path, Err: err}
		}
	}
	if err := decodeEnv(environ, &c); err != nil {
		return c, err
	}
	k := koanf.New(".")
	if err := k.Load(confmap.Provider(flags, "."), nil); err != nil {
		return c, &ConfigError{Source: "flags", Err: err}
	}
	if err := decodeConfig(k.Raw(), reflect.ValueOf(&c).Elem(), ""); err != nil {
		return c, from("flags", err)
	}
	return c, c.check()
}

// A whole value that is a figure with a zero in front: behind a key or a hyphen, and in a list or a map on one line.
var (
	octal = regexp.MustCompile(`^\s*(?:- +)*(?:[\w.]+: +)?0[0-9]+\s*(?:#.*)?$`)
	flow  = regexp.MustCompile(`^[^#"']*(?:: +|- +)[\[{][^#"']*(?:[\[{,]|: )\s*0[0-9]+\s*[,\]}]`)
)

// misread finds what YAML takes in another way than whoever wrote it, without a word: a second document,
// which nobody reads, and a figure with a zero in front, which is octal.
func misread(text string) error {
	begun, ended := false, false
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, " \t\r\n")
		mark, _, _ := strings.Cut(line, " ")
		switch {
		case strings.TrimSpace(line) == "", strings.HasPrefix(strings.TrimSpace(line), "#"), line[0] == '%':
			continue
		case begun && (line == "---" || line == "..."):
			ended = true
			continue
		case ended, begun && mark == "---":
			return fmt.Errorf("line %d begins a second document; nothing of it would be read: write one", n)
		}
		begun = begun || line != "---"
		if octal.MatchString(line) || flow.MatchString(line) {
			return fmt.Errorf("line %d has a figure with a zero in front, which YAML reads as octal: leave the zero out, or quote a text", n)
		}
	}
	return nil
}

// from says where the wrong setting was read.
func from(source string, err error) error {
	var e *ConfigError
	if errors.As(err, &e) {
		e.Source = source
	}
	return err
}

// decodeConfig sets what stands in a document. It is stricter than YAML: a number where text belongs
// has often lost something already (0123 has become 83), and a time without a unit is a guess.
func decodeConfig(v any, to reflect.Value, key string) error {
	if v == nil {
		return nil // a section or a setting with everything below it commented out
	}
	s, isText := v.(string)
	switch {
	case to.Kind() == reflect.Struct:
		m, ok := v.(map[string]any)
		if !ok {
			return badKey(key, "is a section; its settings stand below it")
		}
		for _, name := range slices.Sorted(maps.Keys(m)) {
			path := name
			if key != "" {
				path = key + "." + name
			}
			field, ok := configField(to, name)
			if !ok {
				return unknownKey(path, to.Type(), key)
			}
			if err := decodeConfig(m[name], field, path); err != nil {
				return err
			}
		}
	case to.Kind() == reflect.Slice:
		list, ok := v.([]any)
		if !ok {
			return badKey(key, "must be a list")
		}
		out := reflect.MakeSlice(to.Type(), len(list), len(list))
		for i, item := range list {
			if err := decodeConfig(item, out.Index(i), fmt.Sprintf("%s[%d]", key, i)); err != nil {
				return err
			}
		}
		to.Set(out)
	case to.Type() == reflect.TypeFor[time.Duration]():
		d, ok := v.(time.Duration)
		if isText {
			var err error
			d, err = time.ParseDuration(s)
			ok = err == nil
		}
		if !ok {
			return badKey(key, "%v is not a time with its unit, such as 90s or 24h", v)
		}
		to.SetInt(int64(d))
	case to.Kind() == reflect.Bool:
		b, ok := v.(bool)
		if isText {
			var err error
			b, err = strconv.ParseBool(s)
			ok = err == nil
		}
		if !ok {
			return badKey(key, "%v is not true or false", v)
		}
		to.SetBool(b)
	case to.Kind() == reflect.Int, to.Kind() == reflect.Int64:
		n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
		if err != nil {
			return badKey(key, "%v is not a whole number", v)
		}
		to.SetInt(n)
	case to.Kind() == reflect.Float64:
		f, err := strconv.ParseFloat(fmt.Sprint(v), 64)
		if err != nil {
			return badKey(key, "%v is not a number", v)
		}
		to.SetFloat(f)
	default:
		if n, ok := v.(int); ok && (strings.HasPrefix(key, "sandbox.phones[") || strings.HasSuffix(key, ".prefix")) {
			s, isText = "+"+strconv.Itoa(n), true // +14255550100 is a number to YAML
		}
		if !isText {
			return badKey(key, "must be text; put it in quotes")
		}
		to.SetString(s)
	}
	return nil
}

// configField finds a setting by its name in a section.
func configField(section reflect.Value, name string) (reflect.Value, bool) {
	for i := range section.NumField() {
		if section.Type().Field(i).Tag.Get("koanf") == name {
			return section.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// unknownKey names a key that does not exist and the one that was probably meant.
func unknownKey(path string, section reflect.Type, prefix string) error {
	known := configKeys(reflect.TypeFor[Config](), "")
	if strings.HasSuffix(prefix, "]") {
		known = configKeys(section, prefix+".")
	}
	if slices.Contains(known, path) {
		section, name, _ := strings.Cut(path, ".")
		return badKey(path, "write %s: and below it, indented, %s:", section, name)
	}
	if near := nearest(path, known); near != "" {
		return badKey(path, "unknown key (did you mean %s?)", near)
	}
	return badKey(path, "unknown key")
}

// configKeys lists the paths of all settings.
func configKeys(t reflect.Type, prefix string) (keys []string) {
	for f := range t.Fields() {
		key := prefix + f.Tag.Get("koanf")
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, configKeys(f.Type, key+".")...)
			continue
		}
		keys = append(keys, key)
	}
	return keys
}

// decodeEnv sets what stands in the environment. Links and routes do not come from there, and an empty
// variable is one that is not set.
func decodeEnv(environ []string, c *Config) error {
	vars := map[string]string{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		vars[name] = value
	}
	keys := configKeys(reflect.TypeFor[Config](), "")
	if err := misspelt(vars, keys); err != nil {
		return err
	}
	for _, key := range keys {
		if key == "links" || key == "routes" {
			continue
		}
		name := variable(key)
		value := vars[name]
		if path := vars[name+"_FILE"]; path != "" {
			if value != "" {
				return &ConfigError{"environment", key, fmt.Errorf("%s and %s_FILE are both set; keep one", name, name)}
			}
			b, err := readSecret(path)
			if err != nil {
				return &ConfigError{"environment " + name + "_FILE", key, err}
			}
			name, value = name+"_FILE", strings.TrimSpace(string(b))
		}
		if value == "" {
			continue
		}
		field := reflect.ValueOf(c).Elem()
		for name := range strings.SplitSeq(key, ".") {
			field, _ = configField(field, name)
		}
		var v any = value
		if field.Kind() == reflect.Slice {
			var list []any
			for item := range strings.SplitSeq(value, ",") {
				list = append(list, strings.TrimSpace(item))
			}
			v = list
		}
		if err := decodeConfig(v, field, key); err != nil {
			return from("environment "+name, err)
		}
	}
	return nil
}

// variable is the name of a setting in the environment.
func variable(key string) string {
	return "LONGLINES_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// misspelt refuses a variable that is nearly one of ours, and links and routes, which do not come from there. Others
// that begin like ours are other people's: a cluster makes such names of the services it has.
func misspelt(vars map[string]string, keys []string) error {
	names := map[string]string{} // key, by variable
	for _, k := range keys {
		names[variable(k)], names[variable(k)+"_FILE"] = k, k
	}
	known := slices.Sorted(maps.Keys(names))
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		key, ours := names[name]
		switch {
		case vars[name] == "" || !strings.HasPrefix(name, "LONGLINES_"):
		case key == "links" || key == "routes":
			return &ConfigError{"environment " + name, key, errors.New("stands in the configuration file only")}
		case !ours:
			if near := nearest(name, known); near != "" && distance(name, near) <= 2 {
				return &ConfigError{"environment " + name, "", fmt.Errorf("is not known; %s is meant?", near)}
			}
		}
	}
	return nil
}

// readSecret reads a file that holds a secret, which must not be everybody's on this machine to write. Whether others
// can read it is not for us to say: containers have such files mounted so, for themselves alone.
func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o002 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s may be written by everybody on this machine (mode %04o): chmod o-w %s", path, mode, path)
	}
	return io.ReadAll(io.LimitReader(f, 64<<10))
}

// nearest is the known key that a misspelt one most resembles, or "".
func nearest(key string, known []string) string {
	best, at := "", len(key)/2+1
	for _, k := range known {
		if d := distance(key, k); d < at {
			best, at = k, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two short strings.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
