package route

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"longlines/app"
	"longlines/message"
	"longlines/number"
)

// Errors of the operations on links and rules, for callers that answer each in its own way.
var (
	ErrNoLink     = errors.New("no such link")
	ErrLinkExists = errors.New("a link of that name exists")
	ErrChanged    = errors.New("the link has changed since it was read") // perhaps on another node
	ErrManaged    = errors.New("set by the configuration; change it there")
	ErrNoRule     = errors.New("no such rule")
)

// fallbackAfter is how long a link must have been down before its texts go over the fallback, so
// that a link which only binds again does not scatter them.
const fallbackAfter = 10 * time.Second

// Config is what a Router is made of. Store and Connect are required.
type Config struct {
	Store Store

	// Connect makes the connector of a link. The connector calls changed whenever the link goes up or
	// down or its window changes: window is how many submits it takes at once, 0 for none. changed
	// never blocks.
	Connect func(l Link, changed func(up bool, window int)) (SMSC, error)

	// Test tries a link step by step, without touching the connector that runs. Nil: TestLink fails.
	Test func(ctx context.Context, l Link) []Step

	// OnLink hears what connectors tell, by link; the queue's lane of the link follows it. It must
	// not call back into the Router.
	OnLink func(name string, up bool, window int)

	Now func() time.Time // default time.Now
	Log *slog.Logger     // default slog.Default
}

// Router decides and owns: which link carries a text, and the connectors of all links.
type Router struct {
	cfg   Config
	table atomic.Pointer[table]

	change sync.Mutex // held over each change of the store and the running links that follow from it

	mu      sync.RWMutex
	running map[string]*running
	leaving map[string]<-chan struct{} // the last connector of a link that is gone, until closed; by the link's name
	run     context.Context            // of Run; nil before and after
	wg      sync.WaitGroup
}

// running is a link's connector at work.
type running struct {
	link Link
	smsc SMSC  // nil if Connect refused
	err  error // why it did
	stop context.CancelFunc
	done chan struct{}
}

// NewRouter reads links and rules. Texts can be routed from then on; links come up in [Router.Run].
func NewRouter(ctx context.Context, cfg Config) (*Router, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	r := &Router{cfg: cfg, running: map[string]*running{}, leaving: map[string]<-chan struct{}{}}
	return r, r.Reload(ctx)
}

// Run brings all links up and keeps them so until ctx ends; then it stops them and waits.
func (r *Router) Run(ctx context.Context) error {
	r.change.Lock()
	r.mu.Lock()
	r.run = ctx
	r.mu.Unlock()
	r.align()
	r.change.Unlock()

	<-ctx.Done()
	r.change.Lock() // no link is started after this
	r.mu.Lock()
	r.run = nil
	r.mu.Unlock()
	r.change.Unlock()
	r.wg.Wait()
	return nil
}

// Reload reads links and rules again, starts what is new, stops what is gone and restarts what has
// changed. The root calls it when the store tells of a change, here or on another node.
func (r *Router) Reload(ctx context.Context) error {
	r.change.Lock()
	defer r.change.Unlock()
	return r.reload(ctx)
}

func (r *Router) reload(ctx context.Context) error {
	links, err := r.cfg.Store.Links(ctx)
	if err != nil {
		return fmt.Errorf("read links: %w", err)
	}
	rules, err := r.cfg.Store.Rules(ctx)
	if err != nil {
		return fmt.Errorf("read rules: %w", err)
	}
	r.table.Store(newTable(links, rules))
	r.align()
	return nil
}

// align makes the running links those of the table. The caller holds change.
func (r *Router) align() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.run == nil {
		return
	}
	t := r.table.Load()
	for name, have := range r.running {
		if _, wanted := t.links[name]; !wanted {
			have.stop()
			delete(r.running, name)
			r.leaving[name] = have.done
		}
	}
	maps.DeleteFunc(r.leaving, func(_ string, done <-chan struct{}) bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	for name, want := range t.links {
		have := r.running[name]
		switch {
		case have != nil && sameConnection(have.link, want):
			if have.smsc != nil && have.link.Paused != want.Paused {
				if want.Paused {
					have.smsc.Pause()
				} else {
					have.smsc.Resume()
				}
			}
			next := *have
			next.link = want
			r.running[name] = &next
		case have != nil:
			have.stop()
			r.running[name] = r.start(want, have.done)
		default:
			r.running[name] = r.start(want, r.leaving[name])
		}
	}
}

// sameConnection reports whether two settings of a link need no new connector.
func sameConnection(a, b Link) bool {
	a.Paused, b.Paused = false, false
	a.Managed, b.Managed = false, false
	a.Created, b.Created = time.Time{}, time.Time{}
	qa, qb := a.Quirks, b.Quirks
	a.Quirks, b.Quirks = Quirks{}, Quirks{}
	return equalLinks(a, b) && equalQuirks(qa, qb)
}

// equalLinks compares all but the quirks, which hold a map.
func equalLinks(a, b Link) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Kind == b.Kind && a.Network == b.Network &&
		a.Host == b.Host && a.Port == b.Port && a.SystemID == b.SystemID && a.Password == b.Password &&
		a.SystemType == b.SystemType && a.Bind == b.Bind && a.Window == b.Window && a.Rate == b.Rate &&
		a.TLS == b.TLS && a.Group == b.Group
}

func equalQuirks(a, b Quirks) bool {
	same := func(p, q *uint8) bool { return p == q || p != nil && q != nil && *p == *q }
	return a.IDs == b.IDs && a.TextReceipts == b.TextReceipts && maps.Equal(a.Statuses, b.Statuses) &&
		a.Alphabet == b.Alphabet && a.Refs8 == b.Refs8 && a.Payload == b.Payload && a.NoValidity == b.NoValidity &&
		a.ServiceType == b.ServiceType && same(a.SourceTON, b.SourceTON) && same(a.SourceNPI, b.SourceNPI) &&
		same(a.DestTON, b.DestTON) && same(a.DestNPI, b.DestNPI)
}

// start makes and runs a link's connector once its predecessor, if any, has left, be it that of a deleted link of
// its name: most centres refuse a second bind of the same account, and the last word about the lane must be the new
// one's. The caller holds mu.
func (r *Router) start(l Link, before <-chan struct{}) *running {
	ctx, stop := context.WithCancel(r.run)
	x := &running{link: l, stop: stop, done: make(chan struct{})}
	changed := func(up bool, window int) {
		if r.cfg.OnLink != nil {
			r.cfg.OnLink(l.Name, up, window)
		}
	}
	x.smsc, x.err = r.cfg.Connect(l, changed)
	if x.err != nil {
		r.cfg.Log.Error("link cannot run", "link", l.Name, "error", x.err)
	} else if l.Paused {
		x.smsc.Pause()
	}
	r.wg.Go(func() {
		defer close(x.done)
		defer stop()
		if before != nil {
			<-before
		}
		changed(false, 0) // what waits for a link that never comes up must expire all the same
		if x.smsc != nil {
			if err := x.smsc.Run(ctx); err != nil && ctx.Err() == nil {
				r.cfg.Log.Error("link stopped", "link", l.Name, "error", err)
			}
		}
		changed(false, 0)
	})
	return x
}

// smsc returns the connector of a link that runs.
func (r *Router) smsc(name string) SMSC {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if x := r.running[name]; x != nil {
		return x.smsc
	}
	return nil
}

// state is how a link stands; a link that does not run is down.
func (r *Router) state(name string) State {
	r.mu.RLock()
	x := r.running[name]
	r.mu.RUnlock()
	switch {
	case x == nil:
		return State{Phase: PhaseStopped}
	case x.smsc == nil:
		return State{Phase: PhaseStopped, Error: x.err.Error(), Alarm: x.err.Error()}
	}
	return x.smsc.State()
}

// down reports whether a link has been down so long that its fallback may be taken.
func (r *Router) down(name string) bool {
	s := r.state(name)
	return !s.Up && (s.Phase == PhasePaused || s.Phase == PhaseStopped || r.cfg.Now().Sub(s.Since) >= fallbackAfter)
}

// Relieved reports whether the texts that wait for a link may go elsewhere: it is gone, or it has been
// down for a while and a rule names a fallback for it that is up.
func (r *Router) Relieved(link string) bool {
	t := r.table.Load()
	if _, exists := t.links[link]; !exists {
		return true
	}
	if !r.down(link) {
		return false
	}
	for _, rule := range t.rules {
		if rule.Link == link && rule.Fallback != "" && r.state(rule.Fallback).Up {
			return true
		}
	}
	return false
}

// Route names the link that a text of an app of the level shall go over: its lane in the queue. The
// fallback of a rule is taken if its link has been down for a while and the fallback is up. A link
// that is down and has no fallback is returned all the same: the text waits for it. Without any link
// the error is [ErrNoRoute], with the reason.
func (r *Router) Route(level app.Level, from number.Address, to number.MSISDN) (string, error) {
	c, err := r.table.Load().choose(level, to, nil)
	if err != nil {
		return "", err
	}
	if c.fallback != "" && r.down(c.link) && r.state(c.fallback).Up {
		return c.fallback, nil
	}
	return c.link, nil
}

// Alternative names a link to try instead of the one given, which has refused for now or is down: the
// fallback of the number's rule, or the rule's own link if the one given is the fallback. It must be
// up. If the link given does not exist any more, it is the present route, up or not: a text must not
// wait for what will never come. false: there is none.
func (r *Router) Alternative(level app.Level, link string, to number.MSISDN) (string, bool) {
	t := r.table.Load()
	c, err := t.choose(level, to, nil)
	if err != nil {
		return "", false
	}
	for _, other := range []string{c.link, c.fallback} {
		if other != "" && other != link && r.state(other).Up {
			return other, true
		}
	}
	if _, exists := t.links[link]; !exists {
		return c.link, true
	}
	return "", false
}

// Submit hands a text to a link. See [SMSC.Submit]; a link that does not run refuses as unsent.
func (r *Router) Submit(ctx context.Context, link string, m message.SMS) ([]message.Ref, func(), error) {
	if m.Virtual && r.table.Load().links[link].Network != NetworkVirtual {
		// A virtual link was replaced by a live one of its name while the text waited (product decision 7).
		return nil, func() {}, &message.Refusal{Class: message.ClassUnsent, Name: "link " + link + " does not reach the virtual network"}
	}
	s := r.smsc(link)
	if s == nil {
		return nil, func() {}, &message.Refusal{Class: message.ClassUnsent, Name: "link " + link + " does not run"}
	}
	return s.Submit(ctx, m)
}

// Explanation says where a text would go, and why.
type Explanation struct {
	Link     string   `json:"link,omitempty"`
	Network  Network  `json:"network,omitempty"`
	Up       bool     `json:"up"`
	Rule     *Rule    `json:"rule,omitempty"`
	Fallback string   `json:"fallback,omitempty"`
	Why      []string `json:"why"`             // the steps of the decision, in order
	Error    string   `json:"error,omitempty"` // set if there is no route
}

// Explain tells what [Router.Route] would answer now, which rule wins and why.
func (r *Router) Explain(level app.Level, from number.Address, to number.MSISDN) Explanation {
	t := r.table.Load()
	e := Explanation{Why: []string{}}
	why := func(format string, args ...any) { e.Why = append(e.Why, fmt.Sprintf(format, args...)) }
	c, err := t.choose(level, to, why)
	if err != nil {
		e.Error = err.Error()
		return e
	}
	e.Link, e.Rule, e.Fallback = c.link, c.rule, c.fallback
	if c.fallback != "" {
		switch {
		case !r.down(c.link):
			why("%s is the fallback, while %s is down", c.fallback, c.link)
		case r.state(c.fallback).Up:
			why("%s is down, so its fallback %s is taken", c.link, c.fallback)
			e.Link = c.fallback
		default:
			why("%s is down, and so is its fallback %s: the text waits", c.link, c.fallback)
		}
	}
	e.Network, e.Up = t.links[e.Link].Network, r.state(e.Link).Up
	if !e.Up {
		why("%s is not up at the moment; a text waits for it", e.Link)
	}
	return e
}

// LinkState is a link and how it stands.
type LinkState struct {
	Link
	State State `json:"state"`
}

// Links lists all links by name.
func (r *Router) Links() []LinkState {
	t := r.table.Load()
	list := make([]LinkState, 0, len(t.links))
	for name, l := range t.links {
		list = append(list, LinkState{l, r.state(name)})
	}
	slices.SortFunc(list, func(a, b LinkState) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Link finds one by name, or [ErrNoLink].
func (r *Router) Link(name string) (LinkState, error) {
	l, ok := r.table.Load().links[name]
	if !ok {
		return LinkState{}, ErrNoLink
	}
	return LinkState{l, r.state(name)}, nil
}

// Rules lists all rules, longest prefix first, then by prefix.
func (r *Router) Rules() []Rule {
	t := r.table.Load()
	list := make([]Rule, 0, len(t.rules))
	for _, rule := range t.rules {
		list = append(list, *rule)
	}
	slices.SortFunc(list, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(len(b.Prefix), len(a.Prefix)), cmp.Compare(a.Prefix, b.Prefix))
	})
	return list
}
