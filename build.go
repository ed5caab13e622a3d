package longlines

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"longlines/api/adminv1"
	"longlines/api/oauthv4"
	"longlines/api/reference"
	"longlines/api/sandboxv1"
	"longlines/api/smsv3"
	"longlines/app"
	"longlines/audit"
	"longlines/callback"
	"longlines/console"
	"longlines/fault"
	"longlines/gateway"
	"longlines/id"
	"longlines/number"
	"longlines/oauth"
	"longlines/queue"
	"longlines/quota"
	"longlines/route"
	"longlines/sandbox"
	"longlines/sms"
	"longlines/south/smsc"
	"longlines/store"
)

// secrets gives the admin token and the key that seals link passwords: as configured, else made at the
// first start and kept in the data directory, else (ephemeral) made for this run.
func (p *Platform) secrets() (token string, sealKey []byte, err error) {
	token, key := p.cfg.Admin.Token, p.cfg.Store.SecretKey
	freshKey := func() string {
		b := make([]byte, 32)
		rand.Read(b)
		return hex.EncodeToString(b)
	}
	kept := func(have *string, name string, fresh func() string) {
		switch {
		case *have != "" || err != nil:
		case p.cfg.Ephemeral:
			*have = fresh()
		default:
			*have, err = secretFile(p.cfg.Data, name, fresh)
		}
	}
	kept(&token, "admin-token", rand.Text)
	kept(&key, "secret-key", freshKey)
	if err != nil {
		return "", nil, err
	}
	sealKey, err = hex.DecodeString(key)
	if err != nil || len(sealKey) != 32 {
		return "", nil, badKey("store.secret_key", "must be 64 hexadecimal digits")
	}
	return token, sealKey, nil
}

// loopbackOnly reports whether nobody from outside can reach the platform.
func (p *Platform) loopbackOnly() bool {
	outside, _ := p.cfg.outside()
	return outside == "" && isLoopback(p.apiL.Addr().String()) && isLoopback(p.adminL.Addr().String())
}

// watch has what is read from the store at the start read again once it changes. It comes before the reading, because a
// change that another node makes between the two would be told to nobody.
func (p *Platform) watch() {
	for kind, reload := range map[string]func(context.Context) error{
		store.ChangeApp:    func(ctx context.Context) error { return p.apps.Reload(ctx) },
		store.ChangeLink:   func(ctx context.Context) error { return p.router.Reload(ctx) },
		store.ChangeRule:   func(ctx context.Context) error { return p.router.Reload(ctx) },
		store.ChangeOptOut: func(ctx context.Context) error { return p.texts.ReloadOptOuts(ctx) },
	} {
		r := &reloader{what: kind, reload: reload, dirty: make(chan struct{}, 1)} // read by Run, when all of them are there
		p.store.Watch(kind, func(int64) { r.mark() })
		p.reloaders = append(p.reloaders, r)
	}
}

// build constructs everything between the store and the listeners.
func (p *Platform) build(ctx context.Context, reg *prometheus.Registry, token string, key []byte) error {
	cfg, st := p.cfg, p.store
	if !cfg.Sandbox.Off {
		if err := p.openVirtual(); err != nil {
			return err
		}
	}

	// What must still happen, and who does it. A poll finds texts of links; endpoints have lanes on demand.
	p.queue = queue.New(queue.Config{Backend: st, Now: p.now, Log: p.log})
	var err error
	if p.posts, err = callback.New(callback.Config{Store: st, Lanes: p.queue, Guard: p.callbackGuard(), Now: p.now, Log: p.log, Timeline: p.feed,
		Metrics: callback.NewMetrics(reg), AppName: p.appName, Version: Version}); err != nil {
		return err
	}
	p.queue.Handle(queue.KindCallback, p.posts.Policy())

	// Links call the core, and the core calls links: the router is made first and its links only once
	// Run starts them, when p.texts is there.
	smppMetrics := smsc.NewMetrics(reg)
	name := func(n id.Number) string { return p.texts.Name(n) }
	p.router, err = route.NewRouter(ctx, route.Config{
		Store: st, Now: p.now, Log: p.log,
		Connect: func(l route.Link, changed func(bool, int)) (route.SMSC, error) {
			return smsc.New(smsc.Config{Link: l, Receiver: p.texts, Changed: changed, Timeline: p.feed, Metrics: smppMetrics, Log: p.log, Name: name, Now: p.now})
		},
		Test: func(ctx context.Context, l route.Link) []route.Step { return smsc.Try(ctx, l, nil, 15*time.Second) },
		OnLink: func(link string, up bool, window int) {
			p.queue.SetLane(queue.KindSubmit, link, window)
			p.linkChanged(link, up)
		},
	})
	if err != nil {
		return err
	}
	p.texts, err = sms.New(ctx, sms.Config{
		Store: st, Queue: p.queue, Network: p.router, Apps: p.apps, Sealer: st.Sealer(), Now: p.now, Timeline: p.feed, Log: p.log,
		Metrics: sms.NewMetrics(reg), PushStatus: smsv3.PushStatus, PushSMS: smsv3.PushSMS,
		Validity: cfg.SMS.Validity, InboxBatch: cfg.SMS.InboxBatch,
		Stranded: p.stranded,
		Waiting:  p.backlog.Load, MaxQueued: or(cfg.SMS.MaxQueued, 1_000_000),
	})
	if err != nil {
		return err
	}
	if err := p.seed(ctx); err != nil {
		return err
	}
	st.Watch(store.ChangeToken, func(n int64) { p.tokens.Revoked(id.Number(n)) })
	st.Watch(store.ChangeConsent, func(n int64) { p.tokens.Changed(id.Number(n)) })

	if p.meter, err = quota.New(quota.Config{Source: st, Now: p.now}); err != nil {
		return err
	}
	return p.buildHTTP(ctx, reg, token, key)
}

// buildHTTP makes the handlers of both listeners.
func (p *Platform) buildHTTP(ctx context.Context, reg *prometheus.Registry, token string, key []byte) error {
	cfg := p.cfg
	metrics := gateway.NewMetrics(reg)
	pages := reference.New(reference.Config{PublicURL: p.info.API})
	consents, err := cfg.pages()
	if err != nil {
		return err
	}
	shown := pages.Routes()
	maps.Copy(shown, consents.Assets())
	p.subscribers, err = oauth.NewSubscribers(oauth.SubscribersConfig{Store: p.store, Sealer: p.store.Sealer(), Now: p.now, Log: p.log, Key: key,
		Texter: p.texts, Home: home(cfg.OAuth.SignIn.Home)})
	if err != nil {
		return err
	}
	endpoints := oauthv4.Endpoints(oauthv4.Config{Service: p.tokens, Issued: metrics.TokenIssued, Pages: consents, Subscribers: p.subscribers, Key: key, Now: p.now,
		Log: p.log, Issuer: p.info.API, Requests: p.requestsAt(), DefaultLevel: p.consentLevel()})
	endpoints = append(endpoints, smsv3.Endpoints(p.texts, cfg.API.PublicURL)...)
	var operations []string
	for _, e := range endpoints {
		operations = append(operations, e.Operation)
	}
	limits := gateway.Limits{PerIP: cfg.API.MaxConnsPerIP, PerApp: cfg.API.MaxInFlight}
	g, err := gateway.New(gateway.Config{
		Endpoints: endpoints, Pages: shown, Tokens: p.tokens, Apps: p.apps, Meter: p.meter, Store: p.store, Timeline: p.feed,
		Name: p.texts.Name, Now: p.now, PublicURL: cfg.API.PublicURL, Issuer: p.info.API, Limits: limits, Log: p.log, Metrics: metrics,
		Proxies: cfg.API.proxies(),
		Details: !cfg.Requests.NoDetail, StrangersDetails: !cfg.Requests.NoDetail && p.virtual != nil,
	})
	if err != nil {
		return err
	}
	p.api = g.Server()
	if cfg.API.TLSCert == "" {
		p.apiL = g.Listener(p.apiL)
	}
	if p.virtual != nil {
		p.api.Handler = p.virtual.Faults.Wrap(p.api.Handler, answerFault(g))
	}

	if err := p.openOnNetwork(p.api.Handler, g.Refuse); err != nil {
		return err
	}
	if p.virtual != nil {
		if err := p.seedDemo(ctx); err != nil {
			return err
		}
	}

	p.guard = adminv1.NewGuard(token)
	p.info.AdminToken, p.info.code = token, p.guard.Code()
	admin := adminv1.New(adminv1.Config{Version: Version, Apps: p.apps, Router: p.router, SMS: p.texts, Meter: p.meter, Store: p.store, Tokens: p.tokens,
		Subscribers: p.subscribers, Sealer: p.store.Sealer(), Received: p.received, Jobs: p.waitingByLink, Operations: operations, Timeline: p.feed, Now: p.now, Log: p.log})
	show := console.Config{Guard: p.guard, Admin: admin, Now: p.now, APIURL: p.info.API, ErrorsURL: p.info.API + "/errors", Version: Version}
	mux := http.NewServeMux()
	problems := func(next http.Handler) http.Handler { return adminv1.Problems(p.store.NextRequest, p.info.API, next) }
	mux.Handle("/admin/v1/", problems(p.guard.Wrap(admin, adminv1.Denied)))
	if p.virtual != nil {
		virtual := sandboxv1.New(sandboxv1.Config{Book: phoneBook{p.virtual.Phones}, Faults: faultSet{p.virtual.Faults}})
		mux.Handle("/sandbox/v1/", problems(p.guard.Wrap(virtual, adminv1.Denied)))
		show.Sandbox, show.Habits = virtual, habits()
		show.PhoneURL = func(n, path string) string {
			m, err := number.ParseMSISDN(n)
			if err != nil {
				return ""
			}
			return p.phones.URL(m, path)
		}
		if !cfg.Demo.Off {
			show.Demo = &console.DemoApp{Name: demoName, Key: demoKey, Secret: demoSecret, ShortCode: demoCode,
				AuthorizePath: "/oauth/v4/authorize?" + url.Values{"client_id": {demoKey}, "scope": {"IMMN,MIM,SMS"}}.Encode()}
		}
	}
	debug := http.NewServeMux()
	debug.HandleFunc("/debug/pprof/", pprof.Index)
	debug.HandleFunc("/debug/pprof/profile", pprof.Profile)
	debug.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.Handle("/debug/pprof/", p.guard.Wrap(debug, adminv1.Denied))
	mux.Handle("/", console.New(show))
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", p.readyz)
	mux.HandleFunc("GET /healthz", p.readyz)
	p.admin = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	p.gauges(reg)
	return nil
}

// requestsAt is where the console shows the records of requests, for pages that only developers of a sandbox see.
func (p *Platform) requestsAt() string {
	if p.virtual == nil {
		return ""
	}
	return p.info.Admin + "/requests/"
}

// readyz is 503 while the store refuses writes.
func (p *Platform) readyz(w http.ResponseWriter, _ *http.Request) {
	if err := p.store.Writable(); err != nil {
		http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	io.WriteString(w, "ready\n")
}

// answerFault gives a fault on the link "api" its answer: the gateway's, were the status its own.
func answerFault(g *gateway.Gateway) func(w http.ResponseWriter, r *http.Request, status int) {
	return func(w http.ResponseWriter, r *http.Request, status int) {
		f := *fault.BadGateway
		switch {
		case status == http.StatusServiceUnavailable:
			f = *fault.Unavailable
		case status >= 500 && status != http.StatusBadGateway:
			f = *fault.Internal
		}
		f.Status = status
		g.Refuse(w, r, &f)
	}
}

// callbackGuard says where posts may go: the public internet and what the operator allows; on a laptop,
// while nothing but this machine reaches the platform, this machine too (modern-webhooks.md §4-1).
func (p *Platform) callbackGuard() callback.Guard {
	var g callback.Guard
	for _, s := range p.cfg.Callback.Allow {
		g.Allow = append(g.Allow, netip.MustParsePrefix(s)) // checked by Config.check
	}
	if p.loopbackOnly() {
		g.HTTP = true
		g.Allow = append(g.Allow, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	}
	for _, l := range []net.Listener{p.apiL, p.adminL} {
		g.Deny = append(g.Deny, own(l)...)
	}
	return g
}

// own are the addresses at which a listener is reached, but for loopback, which no callback reaches unless it is allowed.
func own(l net.Listener) (out []netip.AddrPort) {
	at, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		return nil
	}
	addrs := []netip.Addr{at.Addr()}
	if at.Addr().IsUnspecified() {
		addrs = nil
		all, _ := net.InterfaceAddrs() // those we cannot learn cannot be refused
		for _, a := range all {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				addrs = append(addrs, p.Addr())
			}
		}
	}
	for _, a := range addrs {
		if a = a.WithZone("").Unmap(); !a.IsLoopback() {
			out = append(out, netip.AddrPortFrom(a, at.Port()))
		}
	}
	return out
}

func (p *Platform) appName(n app.ID) string {
	if a := p.apps.ByID(n); a != nil {
		return a.Name
	}
	return ""
}

// received reads a text from a handset, and where it is, for the admin API.
func (p *Platform) received(ctx context.Context, n id.Number) (sms.MO, string, bool, error) {
	m, ok, err := p.store.MOByID(ctx, n)
	return m.MO, m.State.String(), ok, err
}

// waitingByLink counts the texts that wait for each link.
func (p *Platform) waitingByLink(ctx context.Context) (map[string]int64, error) {
	lanes, err := p.store.Jobs(ctx)
	out := map[string]int64{}
	for _, l := range lanes {
		if l.Kind == queue.KindSubmit {
			out[l.Lane] = int64(l.Held + l.Free)
		}
	}
	return out, err
}

// stranded lists the lanes that hold texts which need not wait for their link.
func (p *Platform) stranded(context.Context) (lanes []string, err error) {
	waiting := p.waiting.Load()
	if waiting == nil {
		return nil, nil
	}
	for lane := range *waiting {
		if p.router.Relieved(lane) {
			lanes = append(lanes, lane)
		}
	}
	return lanes, nil
}

// openVirtual starts the virtual network's listeners, so that the link's address is known.
func (p *Platform) openVirtual() error {
	c := p.cfg.Sandbox
	n := sandbox.Config{SystemID: c.SystemID, Password: c.Password, Link: sandboxLink, Log: p.log}
	for _, s := range c.Phones {
		m, err := number.ParseMSISDN(s)
		if err != nil {
			return badKey("sandbox.phones", "%q: %w", s, err)
		}
		n.Phones = append(n.Phones, m)
	}
	candidates := smscDefaults
	if c.SMSCListen != "" {
		candidates = []string{c.SMSCListen}
	}
	var err error
	for _, n.SMSCListen = range candidates {
		if p.virtual, err = sandbox.New(n); err == nil {
			return nil
		}
	}
	return listenError("sandbox.smsc_listen", candidates[0], err)
}

// seed makes what stands ready at the first start, and applies what the configuration manages.
func (p *Platform) seed(ctx context.Context) error {
	var links []route.Link
	var rules []route.Rule
	for _, l := range p.cfg.Links {
		links = append(links, l.link())
	}
	for _, r := range p.cfg.Routes {
		rules = append(rules, route.Rule{Prefix: r.Prefix, Link: r.Link, Fallback: r.Fallback})
	}
	if p.virtual != nil {
		host, port, _ := net.SplitHostPort(p.virtual.SMSCAddr())
		n := 0
		fmt.Sscan(port, &n)
		window := p.cfg.Sandbox.Window
		if window == 0 {
			window = 100
		}
		links = append(links, route.Link{Name: sandboxLink, Kind: "smpp", Network: route.NetworkVirtual, Host: host, Port: n,
			SystemID: p.virtual.SystemID, Password: p.virtual.Password, Bind: "transceiver", Window: window})
	}
	if err := p.router.Manage(ctx, links, rules); err != nil {
		var field *route.FieldError
		if errors.As(err, &field) {
			return badKey("routes", "%w", err) // one names a link that does not exist
		}
		return fmt.Errorf("links and routes of the configuration: %w", err)
	}
	if err := p.refuseDemo(ctx); err != nil || p.virtual == nil {
		return err
	}
	for _, ph := range p.virtual.Phones.Phones() {
		p.info.Phones = append(p.info.Phones, ph.Number.String())
	}
	p.info.SMSC = &SMSCInfo{Addr: p.virtual.SMSCAddr(), SystemID: p.virtual.SystemID, Password: p.virtual.Password}
	// 555-0113 has opted out of every app: a subscriber of the virtual network in that state (conventions.md §3.11).
	for _, s := range optedOut {
		if err := p.texts.SetOptOut(ctx, sms.OptOut{From: s, Word: "STOP"}); err != nil {
			return err
		}
	}
	return nil
}

// optedOut are the magic numbers whose state is that they want no texts.
var optedOut = []number.MSISDN{"14255550113"}

// refuseDemo keeps the demo app of an earlier run, with the secret everybody knows, from being reached
// from outside (product decision 8).
func (p *Platform) refuseDemo(ctx context.Context) error {
	a := p.apps.ByKey(demoKey)
	outside, why := p.cfg.outside()
	if a == nil || a.Deleted || outside == "" {
		return nil
	}
	known, err := p.apps.CheckSecret(ctx, a, demoSecret)
	if err != nil || !known {
		return err
	}
	return badKey(outside, "%s while the demo app of an earlier start exists: start on 127.0.0.1 alone once more and run `longlines app delete %s --yes`, or `longlines app rotate %s`", why, a.Name, a.Name)
}

// seedDemo makes the demo app, unless the operator has one of that name or does not want it.
func (p *Platform) seedDemo(ctx context.Context) error {
	if p.cfg.Demo.Off {
		return nil
	}
	a := p.apps.ByKey(demoKey)
	landing := p.info.Admin + "/callback" // the console's, which says what an app does with a code
	if a == nil {
		var err error
		made := audit.With(ctx, audit.Entry{Actor: "configuration", Action: "demo app made", Object: "app " + demoName})
		a, _, err = p.apps.Create(made, app.App{Name: demoName, Owner: "Longlines sandbox", RedirectURI: landing, Key: demoKey, Level: app.LevelSandbox, ShortCodes: []number.ShortCode{demoCode},
			Scopes: []app.Scope{app.ScopeSMS, app.ScopeMMS, app.ScopeIMMN, app.ScopeMIM, app.ScopeNotificationChannel, app.ScopeWebRTC,
				app.ScopeWebRTCMobile, app.ScopeEmergencyServices}}, demoSecret)
		if err != nil {
			return fmt.Errorf("make the demo app: %w", err)
		}
	}
	if a.Deleted {
		return nil
	}
	if a.RedirectURI != landing && (a.RedirectURI == "" || strings.HasPrefix(a.RedirectURI, "http://127.0.0.1:") && strings.HasSuffix(a.RedirectURI, "/callback")) {
		var err error // the port is another one than last time
		if a, err = p.apps.Update(ctx, a.ID, func(a *app.App) error { a.RedirectURI = landing; return nil }); err != nil {
			return fmt.Errorf("the demo app's redirect: %w", err)
		}
	}
	if known, err := p.apps.CheckSecret(ctx, a, demoSecret); err != nil || !known {
		return err // it has a secret of its own now, which is told to nobody
	}
	info := AppInfo{Name: a.Name, Key: a.Key, Secret: demoSecret, Scopes: []string{}, ShortCodes: []string{}, RedirectURI: a.RedirectURI}
	for _, s := range a.Scopes {
		info.Scopes = append(info.Scopes, string(s))
	}
	for _, c := range a.ShortCodes {
		info.ShortCodes = append(info.ShortCodes, string(c))
	}
	p.info.Apps = append(p.info.Apps, info)
	return nil
}

// or is the first that is not zero.
func or[T comparable](a, b T) T {
	var zero T
	if a != zero {
		return a
	}
	return b
}
