package longlines

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"longlines/api/adminv1"
	"longlines/app"
	"longlines/callback"
	"longlines/gateway"
	"longlines/number"
	"longlines/oauth"
	"longlines/queue"
	"longlines/quota"
	"longlines/route"
	"longlines/sandbox"
	"longlines/sandbox/enrichment"
	"longlines/sms"
	"longlines/store"
	"longlines/timeline"
)

// Platform is the whole of Longlines as a value. [New] builds it, [Platform.Run] runs it once.
type Platform struct {
	cfg   Config
	log   *slog.Logger
	now   func() time.Time
	info  Info
	ready chan struct{}
	fatal chan error // the store can no longer be trusted

	apiL, adminL net.Listener
	api, admin   *http.Server
	guard        *adminv1.Guard

	store       *store.Store
	feed        *timeline.Feed
	apps        *app.Directory
	tokens      *oauth.Service
	subscribers *oauth.Subscribers
	onNetwork   []onNetworkListener
	phones      *enrichment.Proxy // through which virtual phones browse; nil without a virtual network
	meter       *quota.Meter
	queue       *queue.Dispatcher
	router      *route.Router
	texts       *sms.Service
	posts       *callback.Poster
	virtual     *sandbox.Network // nil without a virtual network
	reloaders   []*reloader
	backlog     atomic.Int64                     // texts that wait for a link, counted now and then
	waiting     atomic.Pointer[map[string]int64] // the same by link; nil before the first count

	linksMu sync.Mutex
	linkUp  map[string]bool
	linksCh chan struct{} // closed and replaced when a link changes
}

// Info is what the ready file says: how to reach the platform, and what stands ready in it.
type Info struct {
	API        string    `json:"api"`
	Admin      string    `json:"admin"`
	AdminToken string    `json:"admin_token"`
	SMSC       *SMSCInfo `json:"smsc,omitempty"`
	Apps       []AppInfo `json:"apps"`
	Phones     []string  `json:"phones,omitempty"`
	// PhoneBrowser is where the browsers of virtual phones come in: http://14255550100.phone.localhost:PORT/
	// is the platform as the phone with that number sees it, on the network.
	PhoneBrowser string `json:"phone_browser,omitempty"`
	OnNetwork    string `json:"on_network,omitempty"` // where the operator's enrichment proxy is taken in
	PID          int    `json:"pid"`

	code string // of the console's link
}

// SMSCInfo is how an ESME of one's own binds to the virtual message centre.
type SMSCInfo struct {
	Addr     string `json:"addr"`
	SystemID string `json:"system_id"`
	Password string `json:"password"`
}

// AppInfo is an app whose secret is no secret.
type AppInfo struct {
	Name        string   `json:"name"`
	Key         string   `json:"key"`
	Secret      string   `json:"secret"`
	Scopes      []string `json:"scopes"`
	ShortCodes  []string `json:"short_codes"`
	RedirectURI string   `json:"redirect_uri"`
}

// ConsoleLink opens the console, signed in, in a browser on this machine.
func (i Info) ConsoleLink() string { return i.Admin + "/signin?code=" + i.code }

// The demo app of the sandbox (product decision 8).
const (
	demoName   = "demo"
	demoKey    = "sandbox-demo"
	demoSecret = "sandbox-secret"
	demoCode   = "48507"
)

// sandboxLink is the link to the virtual message centre.
const sandboxLink = "sandbox"

// New builds a platform: it opens the store and the listeners, and starts nothing that speaks.
// Whoever calls it calls Run, which also closes what New has opened.
func New(ctx context.Context, cfg Config, log *slog.Logger) (p *Platform, err error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	p = &Platform{cfg: cfg, log: log, now: time.Now, ready: make(chan struct{}), fatal: make(chan error, 1),
		linkUp: map[string]bool{}, linksCh: make(chan struct{})}
	if cfg.TestClockOffset != 0 {
		p.now = func() time.Time { return time.Now().Add(cfg.TestClockOffset) }
	}
	opened := p
	defer func() {
		if err != nil {
			opened.close()
		}
	}()
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	// Listeners first: an address in use is the commonest reason not to start.
	if p.apiL, err = listen(cfg.API.Listen, apiDefaults, "api.listen"); err != nil {
		return nil, err
	}
	if p.adminL, err = listen(cfg.Admin.Listen, adminDefaults, "admin.listen"); err != nil {
		return nil, err
	}
	p.info = Info{API: p.url(p.apiL, cfg.API), Admin: "http://" + p.adminL.Addr().String(), Apps: []AppInfo{}, PID: os.Getpid()}
	if a, ok := p.apiL.Addr().(*net.TCPAddr); ok && cfg.API.PublicURL == "" && a.IP.IsUnspecified() {
		log.Warn("api.public_url is not set: redirects, metadata and proofs name an address that nobody can reach", "issuer", p.info.API)
	}
	if !cfg.Ephemeral {
		if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
	}
	token, sealKey, err := p.secrets()
	if err != nil {
		return nil, err
	}

	// What survives.
	p.store, err = store.Open(ctx, store.Config{
		URL: cfg.Store.URL, Dir: cfg.Data, Ephemeral: cfg.Ephemeral, Now: p.now, Log: log, SecretKey: sealKey,
		RequestDetail: cfg.Requests.Detail,
		OnFatal:       func(err error) { p.fatal <- err },
	})
	if err != nil {
		return nil, err
	}
	p.watch()
	p.feed = timeline.New(1000, p.now)
	p.apps, err = app.NewDirectory(ctx, p.store, app.Config{Now: p.now, Operator: number.ShortCode(cfg.OAuth.SignIn.Sender), Levels: app.Levels{
		app.LevelSandbox:    {PerMinute: cfg.Quota.Sandbox.PerMinute, PerDay: cfg.Quota.Sandbox.PerDay},
		app.LevelProduction: {PerMinute: cfg.Quota.Production.PerMinute, PerDay: cfg.Quota.Production.PerDay},
	}})
	if err != nil {
		return nil, err
	}
	if a := p.apps.ByShortCode(number.ShortCode(cfg.OAuth.SignIn.Sender)); a != nil {
		return nil, badKey("oauth.sign_in.sender", "%s is the short code of the app %q; PINs need one that no app has", cfg.OAuth.SignIn.Sender, a.Name)
	}
	if cfg.OAuth.SignIn.Sender == "" {
		log.Warn("oauth.sign_in.sender is not set: no PIN can be sent, so only devices on the network can consent")
	}
	own, err := hkdf.Key(sha256.New, sealKey, nil, "longlines oauth", 32)
	if err != nil {
		return nil, err
	}
	p.tokens, err = oauth.New(oauth.Config{Store: p.store, Sealer: p.store.Sealer(), Apps: p.apps, Now: p.now, Log: log,
		Issuer: p.info.API, CodeLife: cfg.OAuth.CodeLife, AccessLife: cfg.OAuth.AccessLife, RefreshLife: cfg.OAuth.RefreshLife})
	if err != nil {
		return nil, err
	}
	return p, p.build(ctx, reg, token, own)
}

// url is how callers reach a listener.
func (p *Platform) url(l net.Listener, c ListenerConfig) string {
	if c.PublicURL != "" {
		return c.PublicURL
	}
	scheme := "http://"
	if c.TLSCert != "" {
		scheme = "https://"
	}
	return scheme + l.Addr().String()
}

// Ready is closed once everything accepts and the links that should be up are, or have had five
// seconds for it.
func (p *Platform) Ready() <-chan struct{} { return p.ready }

// Info says how to reach the platform.
func (p *Platform) Info() Info { return p.info }

// Links are its links, by name, and how they are.
func (p *Platform) Links() []route.LinkState { return p.router.Links() }

// Timeline is the live story.
func (p *Platform) Timeline() *timeline.Feed { return p.feed }

// stage is a part that runs: begun in order, ended in reverse, so that what a part needs outlives it.
type stage struct {
	name string
	run  func(ctx context.Context) error
}

// Run runs the platform until ctx ends, then stops it in good order: nothing new is accepted, what is
// being answered is answered, links are left with unbind, what was held in memory is given back. It
// returns nil then, or the error that ended it.
func (p *Platform) Run(ctx context.Context) error {
	defer p.close()
	stages := []stage{{"reload", p.reload}}
	if p.virtual != nil {
		stages = append(stages, stage{"virtual network", p.virtual.Run})
	}
	stages = append(stages,
		stage{"links", p.router.Run},
		stage{"queue", p.queue.Run},
		stage{"texts", p.texts.Run},
		stage{"callbacks", p.posts.Run},
		stage{"consents", p.tokens.Run},
		stage{"admin", func(ctx context.Context) error { return serve(ctx, p.admin, p.adminL, "", "") }},
		stage{"api", func(ctx context.Context) error { return serve(ctx, p.api, p.apiL, p.cfg.API.TLSCert, p.cfg.API.TLSKey) }},
	)
	if p.phones != nil {
		stages = append(stages, stage{"phones' browsers", p.phones.Run})
	}
	for _, n := range p.onNetwork {
		stages = append(stages, stage{"on-network", func(ctx context.Context) error { return serve(ctx, n.server, n.listener, "", "") }})
	}
	type end struct {
		name string
		err  error
	}
	ended := make(chan end, len(stages))
	stops := make([]context.CancelFunc, len(stages))
	dones := make([]chan struct{}, len(stages))
	for i, s := range stages {
		var sctx context.Context
		sctx, stops[i] = context.WithCancel(context.WithoutCancel(ctx))
		dones[i] = make(chan struct{})
		go func() {
			defer close(dones[i])
			ended <- end{s.name, s.run(sctx)}
		}()
	}
	err := p.announce(ctx)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-p.fatal: // no acknowledgement any more: leave at once (reliability.md §0-2)
			err = fmt.Errorf("the store failed: %w", err)
		case e := <-ended:
			err = fmt.Errorf("%s ended: %w", e.name, errors.Join(e.err, ctx.Err()))
		}
	}
	p.retract()
	for i := len(stages) - 1; i >= 0; i-- {
		stops[i]()
		<-dones[i]
	}
	for range len(stages) {
		select {
		case e := <-ended:
			if err == nil && e.err != nil && !errors.Is(e.err, context.Canceled) {
				err = fmt.Errorf("%s: %w", e.name, e.err)
			}
		default:
		}
	}
	return err
}

// serve runs an HTTP server until ctx ends, then lets it finish for ten seconds.
func serve(ctx context.Context, s *http.Server, l net.Listener, cert, key string) error {
	// Streams and long polls hang on the requests' context: it ends with the stage, or they would hold
	// the shutdown up. The cause tells the gateway that it is not the caller who has gone.
	base, cancel := context.WithCancelCause(context.Background())
	stop := func() { cancel(gateway.ErrStopping) }
	defer stop()
	s.BaseContext = func(net.Listener) context.Context { return base }
	failed := make(chan error, 1)
	go func() {
		if cert != "" || s.TLSConfig != nil {
			failed <- s.ServeTLS(l, cert, key)
			return
		}
		failed <- s.Serve(l)
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, over := context.WithTimeout(context.Background(), 10*time.Second)
	defer over()
	unblock := time.AfterFunc(time.Second, stop)
	defer unblock.Stop()
	err := s.Shutdown(grace)
	s.Close()
	<-failed
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // requests that would not end were cut off
	}
	return err
}

// announce waits for the links, writes the ready file and the run file, and closes Ready.
func (p *Platform) announce(ctx context.Context) error {
	limit := time.NewTimer(5 * time.Second)
	defer limit.Stop()
	for waiting := true; waiting; {
		p.linksMu.Lock()
		changed := p.linksCh
		p.linksMu.Unlock()
		waiting = false
		for _, l := range p.router.Links() {
			waiting = waiting || !l.Paused && !l.State.Up
		}
		if !waiting {
			break
		}
		select {
		case <-changed:
		case <-limit.C:
			waiting = false
		case <-ctx.Done():
			return nil
		}
	}
	b, err := json.MarshalIndent(p.info, "", "  ")
	if err != nil {
		return err
	}
	for _, path := range p.infoFiles() {
		if err := writeFile(path, append(b, '\n')); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	close(p.ready)
	return nil
}

// infoFiles are the ready file somebody asked for, and the run file by which client commands find a
// platform through its data directory.
func (p *Platform) infoFiles() (paths []string) {
	if p.cfg.ReadyFile != "" {
		paths = append(paths, p.cfg.ReadyFile)
	}
	if !p.cfg.Ephemeral {
		paths = append(paths, filepath.Join(p.cfg.Data, "run.json"))
	}
	return paths
}

// retract removes the run file: nobody answers at its addresses any more.
func (p *Platform) retract() {
	if !p.cfg.Ephemeral {
		os.Remove(filepath.Join(p.cfg.Data, "run.json"))
	}
}

// writeFile writes a file that is whole or not there, readable by its owner only.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".longlines-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// linkChanged notes that a link went up or down.
func (p *Platform) linkChanged(link string, up bool) {
	p.linksMu.Lock()
	defer p.linksMu.Unlock()
	if p.linkUp[link] == up {
		return
	}
	p.linkUp[link] = up
	close(p.linksCh)
	p.linksCh = make(chan struct{})
}

// reloader reads a part's rows again after a change. The store tells of changes from inside a commit,
// where nothing may wait; so the reading is done here.
type reloader struct {
	what   string
	reload func(context.Context) error
	dirty  chan struct{}
}

// maxReloadRest leaves a change of another node known within a second of it.
const maxReloadRest = 300 * time.Millisecond

func (r *reloader) mark() {
	select {
	case r.dirty <- struct{}{}:
	default:
	}
}

// reload runs the reloaders and, now and then, counts the texts that wait.
func (p *Platform) reload(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, r := range p.reloaders {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-r.dirty:
				}
				begun := time.Now()
				if err := r.reload(ctx); err != nil && ctx.Err() == nil {
					p.log.Error("read again after a change", "what", r.what, "error", err)
					select {
					case <-ctx.Done():
						return
					case <-time.After(time.Second):
						r.mark()
					}
				}
				// Of many changes in a row, as an import's, not each is worth the reading of thousands of rows.
				select {
				case <-ctx.Done():
					return
				case <-time.After(min(4*time.Since(begun), maxReloadRest)):
				}
			}
		})
	}
	wg.Go(func() {
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if lanes, err := p.waitingByLink(ctx); err == nil {
				p.waiting.Store(&lanes)
				var n int64
				for _, w := range lanes {
					n += w
				}
				p.backlog.Store(n)
			}
		}
	})
	wg.Wait()
	return nil
}

// gauges registers what is measured when asked for.
func (p *Platform) gauges(reg *prometheus.Registry) {
	start := p.now()
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "longlines_build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": Version}}, func() float64 { return 1 }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "longlines_uptime_seconds", Help: "Since the start."}, func() float64 { return p.now().Sub(start).Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "longlines_store_size_bytes", Help: "Database and its log."}, func() float64 {
			ctx, stop := context.WithTimeout(context.Background(), 2*time.Second) // a scrape waits no longer
			defer stop()
			z, err := p.store.Sizes(ctx)
			if err != nil {
				return 0
			}
			return float64(z.Bytes)
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "longlines_store_writable", Help: "1 while writes are accepted."}, func() float64 {
			if p.store.Writable() != nil {
				return 0
			}
			return 1
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "longlines_store_commits_total", Help: "Commits made durable; each is one sync."}, func() float64 { return float64(p.store.Stats().Commits) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "longlines_store_mutations_total", Help: "Writes that shared those commits."}, func() float64 { return float64(p.store.Stats().Mutations) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "longlines_store_refused_total", Help: "Writes refused because too many waited."}, func() float64 { return float64(p.store.Stats().Refused) }),
		&queueGauges{p, prometheus.NewDesc("longlines_message_queue_depth", "Texts that wait for a link, in memory and on disk.", []string{"link"}, nil),
			prometheus.NewDesc("longlines_message_oldest_age_seconds", "Since the oldest of them on disk fell due.", []string{"link"}, nil),
			prometheus.NewDesc("longlines_callback_queue_depth", "Posts that wait.", nil, nil)},
	)
}

// queueGauges counts the job table at each scrape.
type queueGauges struct {
	p                  *Platform
	depth, age, posted *prometheus.Desc
}

func (q *queueGauges) Describe(c chan<- *prometheus.Desc) { c <- q.depth; c <- q.age; c <- q.posted }

func (q *queueGauges) Collect(c chan<- prometheus.Metric) {
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
	defer stop()
	lanes, err := q.p.store.Jobs(ctx)
	if err != nil {
		return
	}
	posts := 0.0
	for _, l := range lanes {
		n := float64(l.Held + l.Free)
		if l.Kind == queue.KindCallback {
			posts += n
			continue
		}
		c <- prometheus.MustNewConstMetric(q.depth, prometheus.GaugeValue, n, l.Lane)
		age := 0.0
		if !l.Oldest.IsZero() {
			age = max(0, q.p.now().Sub(l.Oldest).Seconds())
		}
		c <- prometheus.MustNewConstMetric(q.age, prometheus.GaugeValue, age, l.Lane)
	}
	c <- prometheus.MustNewConstMetric(q.posted, prometheus.GaugeValue, posts)
}

// close ends what New has opened.
func (p *Platform) close() {
	for _, l := range []net.Listener{p.apiL, p.adminL} {
		if l != nil {
			l.Close()
		}
	}
	for _, n := range p.onNetwork {
		n.listener.Close()
	}
	if p.phones != nil {
		p.phones.Close()
	}
	if p.virtual != nil {
		p.virtual.Close()
	}
	if p.meter != nil {
		p.meter.Close()
	}
	if p.posts != nil {
		p.posts.Close()
	}
	if p.store != nil {
		ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
		defer stop()
		if err := p.store.Close(ctx); err != nil {
			p.log.Error("close the store", "error", err)
		}
	}
}
