package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"longlines"
	"longlines/route"
)

type serveCmd struct {
	Config          string        `help:"Configuration file (YAML)." placeholder:"FILE"`
	Data            string        `help:"Data directory (default ./longlines-data)." placeholder:"DIR" xor:"data"`
	Ephemeral       bool          `help:"Keep nothing: a fresh store, removed at the end." xor:"data"`
	APIListen       string        `name:"api-listen" help:"API listener (default 127.0.0.1:8100; port 0 picks a free one)." placeholder:"ADDR"`
	AdminListen     string        `name:"admin-listen" help:"Admin listener (default 127.0.0.1:8101)." placeholder:"ADDR"`
	SMSCListen      string        `name:"smsc-listen" help:"Virtual SMSC (default 127.0.0.1:2775; loopback only)." placeholder:"ADDR"`
	Store           string        `help:"Store, as postgres://… (default: SQLite in the data directory)." placeholder:"URL"`
	ReadyFile       string        `help:"Write addresses and credentials there once everything is up." placeholder:"FILE"`
	NoOpen          bool          `help:"Do not open the console in a browser."`
	TestClockOffset time.Duration `help:"Move the platform's clock (loopback only)." hidden:""`
}

func (cmd *serveCmd) Run(e *env) error {
	noCore()
	flags := map[string]any{}
	for key, v := range map[string]string{
		"data": cmd.Data, "api.listen": cmd.APIListen, "admin.listen": cmd.AdminListen, "sandbox.smsc_listen": cmd.SMSCListen,
		"store.url": cmd.Store, "ready_file": cmd.ReadyFile,
	} {
		if v != "" {
			flags[key] = v
		}
	}
	if cmd.Ephemeral {
		flags["ephemeral"] = true
	}
	if cmd.TestClockOffset != 0 {
		flags["test_clock_offset"] = cmd.TestClockOffset
	}
	path := cmd.Config
	if path == "" {
		path = findConfig(e.vars)
	}
	cfg, err := longlines.LoadConfig(path, e.vars, flags)
	if err != nil {
		return serveFailed(err)
	}
	if cfg.ReadyFile != "" { // one of an earlier run would be believed
		if err := os.Remove(cfg.ReadyFile); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fail(exitConfig, "ready_file: %w", err)
		}
	}
	slow := time.AfterFunc(2*time.Second, func() { fmt.Fprintln(e.err, "longlines: still starting: opening the store, binding the links …") })
	defer slow.Stop()
	p, err := longlines.New(e.ctx, cfg, newLogger(e.err, cfg.Log))
	if err != nil {
		return serveFailed(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- p.Run(e.ctx) }()
	select {
	case <-p.Ready():
		slow.Stop()
		banner(e.out, p.Info(), cfg, path, p.Links())
		if !cmd.NoOpen && isTerminal(e.out) {
			openBrowser(p.Info().ConsoleLink())
		}
	case err := <-stopped:
		return serveEnd(e, cfg, err)
	}
	return serveEnd(e, cfg, <-stopped)
}

// serveFailed tells a wrong configuration from all else that keeps a platform from starting.
func serveFailed(err error) error {
	var wrong *longlines.ConfigError
	switch {
	case errors.As(err, &wrong):
		return fail(exitConfig, "%w", err)
	case errors.Is(err, context.Canceled):
		return err
	}
	return fail(exitFailed, "%w", err)
}

// serveEnd says how it ended.
func serveEnd(e *env, cfg longlines.Config, err error) error {
	if err != nil && !errors.Is(err, context.Canceled) {
		return fail(exitFailed, "%w", err)
	}
	if cfg.Ephemeral {
		fmt.Fprintln(e.err, "longlines: stopped; the store is removed")
	} else {
		fmt.Fprintln(e.err, "longlines: stopped; nothing accepted is lost")
	}
	return nil
}

// findConfig looks where a configuration may be kept; "" if there is none.
func findConfig(vars []string) string {
	var candidates []string
	home, xdg := "", ""
	for _, v := range vars {
		if h, ok := strings.CutPrefix(v, "HOME="); ok {
			home = h
		}
		if x, ok := strings.CutPrefix(v, "XDG_CONFIG_HOME="); ok {
			xdg = x
		}
	}
	if xdg == "" && home != "" {
		xdg = filepath.Join(home, ".config")
	}
	if xdg != "" {
		candidates = append(candidates, filepath.Join(xdg, "longlines", "longlines.yaml"))
	}
	candidates = append(candidates, "/etc/longlines/longlines.yaml")
	for _, c := range candidates {
		if _, err := os.Stat(c); err == nil {
			return c
		}
	}
	return ""
}

// defaultData is where client commands look for a server if nobody says otherwise.
const defaultData = "longlines-data"

// setting says in a line what runs: that nothing leaves this machine only if nothing can.
func setting(path string, virtual bool, links []route.LinkState) string {
	var out []string // links to elsewhere
	for _, l := range links {
		if l.Network != route.NetworkVirtual || !loopback(l.Host) {
			out = append(out, l.Name)
		}
	}
	slices.Sort(out)
	what := "configuration " + path
	switch {
	case path == "" && virtual && len(links) > 0 && len(out) == 0:
		return "sandbox  (no configuration found: nothing leaves this machine)"
	case path == "":
		what = "no configuration found"
	}
	if !virtual {
		what += "; no virtual network"
	}
	if len(out) > 0 {
		what += "; texts leave this machine by " + strings.Join(out, ", ")
	} else if !virtual {
		what += "; no link yet, so texts wait"
	}
	return what
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || host == "localhost"
}

// banner is what a newcomer sees first.
func banner(w io.Writer, info longlines.Info, cfg longlines.Config, path string, links []route.LinkState) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(w, "\n  longlines %s  %s\n\n", longlines.Version, setting(path, info.SMSC != nil, links))
	line("API", "%s", info.API)
	line("Errors", "%s/errors", info.API)
	line("Console", "%s", info.ConsoleLink())
	if len(info.Phones) > 0 {
		line("Phones", "%s/phones    %s", info.Admin, strings.Join(info.Phones, "  "))
	}
	line("Consents", "%s/consents", info.API)
	// With a link of one's own that page is for its subscribers.
	if info.SMSC != nil && len(links) > 1 {
		line("", "%s/consents?network=virtual    for subscribers of the virtual network", info.API)
	}
	if info.OnNetwork != "" {
		line("On-network", "%s    for the operator's enrichment proxy", info.OnNetwork)
	}
	if info.SMSC != nil {
		line("SMPP", "%s   system_id=%s password=%s", info.SMSC.Addr, info.SMSC.SystemID, info.SMSC.Password)
	}
	fmt.Fprintln(w)
	for _, l := range [][3]string{{cfg.API.Listen, info.API, "8100"}, {cfg.Admin.Listen, info.Admin, "8101"}} {
		if l[0] == "" && !strings.HasSuffix(l[1], ":"+l[2]) && cfg.API.PublicURL == "" {
			fmt.Fprintf(w, "  Port %[1]s is taken by another program (lsof -nP -iTCP:%[1]s -sTCP:LISTEN), so %[2]s it is\n", l[2], l[1])
		}
	}
	for _, a := range info.Apps {
		fmt.Fprintf(w, "  App %q   key=%s   secret=%s   scopes %s   short code %s\n", a.Name, a.Key, a.Secret, strings.Join(a.Scopes, ","), strings.Join(a.ShortCodes, ","))
	}
	if cfg.Ephemeral {
		fmt.Fprintf(w, "  Nothing is kept: the store is removed at the end\n")
	} else {
		fmt.Fprintf(w, "  Data kept in %s (--ephemeral to keep nothing)\n", cfg.Data)
	}
	if len(info.Apps) > 0 && len(info.Phones) > 0 {
		a := info.Apps[0]
		fmt.Fprintf(w, `
  Try, in another terminal:
  TOKEN=$(curl -s %[1]s/oauth/v4/token -d grant_type=client_credentials -d scope=SMS \
      -d client_id=%[2]s -d client_secret=%[3]s | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -s %[1]s/sms/v3/messaging/outbox -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
      -d '{"outboundSMSRequest":{"address":"tel:%[4]s","message":"hello","notifyDeliveryStatus":false}}'
`, info.API, a.Key, a.Secret, info.Phones[0])
		switch {
		case cfg.Ephemeral: // there is no data directory by which a command would find this server
		case cfg.Data == defaultData:
			fmt.Fprintf(w, "  longlines phone inbox %s\n", info.Phones[0])
		default:
			fmt.Fprintf(w, "  longlines phone inbox %s --data %s\n", info.Phones[0], cfg.Data)
		}
	}
	fmt.Fprint(w, "\n  Ctrl-C stops.\n\n")
}

// newLogger logs to standard error.
func newLogger(w io.Writer, c longlines.LogConfig) *slog.Logger {
	level := slog.LevelInfo
	switch c.Level {
	case "debug":
		level = slog.LevelDebug
	case "warn":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	}
	opts := &slog.HandlerOptions{Level: level}
	if c.Format == "json" || c.Format == "" && !isTerminal(w) {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// isTerminal reports whether a person is looking.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// openBrowser shows the console; failing is no matter, the link is printed.
func openBrowser(url string) {
	var c *exec.Cmd
	switch runtime.GOOS {
	case "darwin":
		c = exec.Command("open", url)
	case "windows":
		c = exec.Command("rundll32", "url.dll,FileProtocolHandler", url)
	default:
		c = exec.Command("xdg-open", url)
	}
	if c.Start() == nil {
		go c.Wait()
	}
}
