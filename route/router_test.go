package route

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"longlines/app"
	"longlines/audit"
	"longlines/fault"
	"longlines/message"
	"longlines/number"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// memory is a store: rows by name and prefix.
type memory struct {
	mu    sync.Mutex
	links map[string]Link
	rules map[string]Rule
	next  int64
	err   error
	audit []audit.Entry // that the changes carried
	first func()        // what another node does before the next change of a link
}

// note is called with a change under way.
func (m *memory) note(ctx context.Context) {
	if e, ok := audit.From(ctx); ok {
		m.audit = append(m.audit, e)
		audit.Done(ctx)
	}
}

func newMemory() *memory { return &memory{links: map[string]Link{}, rules: map[string]Rule{}} }

func (m *memory) Links(context.Context) ([]Link, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.links)), m.err
}

func (m *memory) PutLink(ctx context.Context, l Link) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.first != nil { // another node is quicker
		first := m.first
		m.first = nil
		first()
	}
	old, there := m.links[l.Name]
	if l.ID != old.ID || l.Version != old.Version || there && l.ID == 0 {
		return 0, ErrChanged
	}
	m.note(ctx)
	if l.ID == 0 {
		m.next++
		l.ID = m.next
	}
	l.Version++
	m.links[l.Name] = l
	return l.ID, m.err
}

func (m *memory) DeleteLink(ctx context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.note(ctx)
	delete(m.links, name)
	return m.err
}

func (m *memory) Rules(context.Context) ([]Rule, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.rules)), m.err
}

func (m *memory) PutRule(ctx context.Context, r Rule) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.note(ctx)
	if r.ID == 0 {
		m.next++
		r.ID = m.next
	}
	m.rules[r.Prefix] = r
	return r.ID, m.err
}

func (m *memory) DeleteRule(ctx context.Context, prefix string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.note(ctx)
	delete(m.rules, prefix)
	return m.err
}

// wire is a connector that is up or down as it is told.
type wire struct {
	link    Link
	changed func(bool, int)
	before  time.Time // since when it is down

	mu     sync.Mutex
	up     bool
	paused bool
	sent   []message.SMS
	began  chan struct{}
	ended  chan struct{}
}

func (w *wire) Run(ctx context.Context) error {
	close(w.began)
	<-ctx.Done()
	w.set(false)
	close(w.ended)
	return nil
}

func (w *wire) set(up bool) {
	w.mu.Lock()
	w.up = up
	w.mu.Unlock()
	w.changed(up, w.link.Window)
}

func (w *wire) Submit(_ context.Context, m message.SMS) ([]message.Ref, func(), error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, m)
	return []message.Ref{{Group: w.link.Group, ID: "1", Parts: 1}}, func() {}, nil
}

func (w *wire) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := State{Up: w.up, Phase: PhaseWaiting, Since: w.before}
	if w.up {
		s.Phase = PhaseUp
	}
	if w.paused {
		s.Up, s.Phase = false, PhasePaused
	}
	return s
}

func (w *wire) Pause()  { w.mu.Lock(); defer w.mu.Unlock(); w.paused = true }
func (w *wire) Resume() { w.mu.Lock(); defer w.mu.Unlock(); w.paused = false }

// exchange is a router at work, its store and its connectors.
type exchange struct {
	*Router
	t      *testing.T
	store  *memory
	mu     sync.Mutex
	wires  map[string][]*wire // by link, in the order they were made
	events chan string
	stop   func()
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func newExchange(t *testing.T, links []Link, rules ...Rule) *exchange {
	t.Helper()
	x := &exchange{t: t, store: newMemory(), wires: map[string][]*wire{}, events: make(chan string, 1024)}
	for _, l := range links {
		if _, err := x.store.PutLink(context.Background(), l.Defaulted()); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range rules {
		x.store.PutRule(context.Background(), r)
	}
	r, err := NewRouter(context.Background(), Config{
		Store: x.store, Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
		Connect: func(l Link, changed func(bool, int)) (SMSC, error) {
			if l.SystemID == "broken" {
				return nil, errors.New("no such account type")
			}
			w := &wire{link: l, changed: changed, before: noon.Add(-time.Minute), up: true, began: make(chan struct{}), ended: make(chan struct{})}
			x.mu.Lock()
			x.wires[l.Name] = append(x.wires[l.Name], w)
			x.mu.Unlock()
			return w, nil
		},
		OnLink: func(name string, up bool, _ int) {
			if up {
				x.events <- name + " up"
			} else {
				x.events <- name + " down"
			}
		},
		Test: func(_ context.Context, l Link) []Step { return []Step{{Name: l.Name + " " + l.Password, OK: true}} },
	})
	if err != nil {
		t.Fatal(err)
	}
	x.Router = r
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { defer close(over); r.Run(ctx) }()
	x.stop = func() { cancel(); <-over }
	t.Cleanup(x.stop)
	for _, l := range links {
		if l.SystemID != "broken" {
			x.wire(l.Name, 0)
		}
	}
	return x
}

// wire waits for the nth connector of a link to run.
func (x *exchange) wire(name string, n int) *wire {
	x.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		x.mu.Lock()
		var w *wire
		if len(x.wires[name]) > n {
			w = x.wires[name][n]
		}
		x.mu.Unlock()
		if w != nil {
			select {
			case <-w.began:
				return w
			case <-deadline:
				x.t.Fatalf("connector %d of %s did not run", n, name)
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			x.t.Fatalf("there is no connector %d of %s", n, name)
		}
	}
}

func named(name string, network Network) Link {
	return Link{Name: name, Network: network, Host: "127.0.0.1", Port: 2775, SystemID: "us", Password: "pw"}
}

var (
	codeFrom = number.ShortCode("48507").Address()
	live     = []Link{named("sandbox", NetworkVirtual), named("carrier", NetworkLive), named("backup", NetworkLive)}
)

func TestTheLongestPrefixWins(t *testing.T) {
	x := newExchange(t, live,
		Rule{Prefix: "+", Link: "backup"}, Rule{Prefix: "+1", Link: "carrier", Fallback: "backup"},
		Rule{Prefix: "+1425555", Link: "sandbox"}, Rule{Prefix: "+44", Link: "gone"}, Rule{Prefix: "+49", Link: "gone", Fallback: "carrier"})
	for _, tt := range []struct {
		name  string
		level app.Level
		to    number.MSISDN
		want  string
	}{
		{"a country", app.LevelProduction, "14155550100", "carrier"},
		{"everything else", app.LevelProduction, "33123456789", "backup"},
		{"a production app reaches the virtual network by an explicit rule", app.LevelProduction, "14255550100", "sandbox"},
		{"a rule whose link is gone is passed over", app.LevelProduction, "447911123456", "backup"},
		{"unless it has a fallback", app.LevelProduction, "4915112345678", "carrier"},
		{"a sandbox app never follows a rule to a live link", app.LevelSandbox, "14155550100", "sandbox"},
		{"nor its fallback", app.LevelSandbox, "4915112345678", "sandbox"},
		{"a sandbox app follows one to the virtual network", app.LevelSandbox, "14255550100", "sandbox"},
		{"an unknown level is treated as the sandbox", "partner", "14155550100", "sandbox"},
		{"a number shorter than the prefix", app.LevelProduction, "1425", "carrier"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := x.Route(tt.level, codeFrom, tt.to)
			if err != nil || got != tt.want {
				t.Errorf("%s %v, want %s", got, err, tt.want)
			}
			e := x.Explain(tt.level, codeFrom, tt.to)
			if e.Link != tt.want || len(e.Why) == 0 || e.Error != "" || !e.Up {
				t.Errorf("explained as %+v", e)
			}
		})
	}
}

func TestWithoutARule(t *testing.T) {
	for _, tt := range []struct {
		name       string
		links      []Link
		production string // "" no route
		sandbox    string
	}{
		{"no link at all", nil, "", ""},
		{"only the virtual network", live[:1], "", "sandbox"},
		{"one live link", live[:2], "carrier", "sandbox"},
		{"two live links: a rule must say", live, "", "sandbox"},
		{"two virtual links: the older", []Link{named("b", NetworkVirtual), named("a", NetworkVirtual)}, "", "b"},
		{"no virtual link", live[1:2], "carrier", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := newExchange(t, tt.links)
			for level, want := range map[app.Level]string{app.LevelProduction: tt.production, app.LevelSandbox: tt.sandbox} {
				got, err := x.Route(level, codeFrom, "14255550100")
				if got != want || (err != nil) != (want == "") || err != nil && !errors.Is(err, ErrNoRoute) {
					t.Errorf("%s: %q %v, want %q", level, got, err, want)
				}
				if e := x.Explain(level, codeFrom, "14255550100"); (e.Error != "") != (want == "") || e.Link != want {
					t.Errorf("%s: explained as %+v", level, e)
				}
			}
		})
	}
}

func TestTheFallbackIsTakenWhileTheLinkIsDown(t *testing.T) {
	x := newExchange(t, live, Rule{Prefix: "+1", Link: "carrier", Fallback: "backup"})
	carrier, backup := x.wire("carrier", 0), x.wire("backup", 0)
	route := func() string {
		t.Helper()
		got, err := x.Route(app.LevelProduction, codeFrom, "14255550100")
		if err != nil {
			t.Fatal(err)
		}
		if e := x.Explain(app.LevelProduction, codeFrom, "14255550100"); e.Link != got {
			t.Errorf("explained as %+v", e)
		}
		return got
	}
	carrier.set(false)
	if got := route(); got != "backup" {
		t.Errorf("down for a minute: %s", got)
	}
	carrier.before = noon.Add(-time.Second)
	if got := route(); got != "carrier" {
		t.Errorf("down for a second: %s", got)
	}
	carrier.Pause()
	if got := route(); got != "backup" {
		t.Errorf("paused: %s", got)
	}
	backup.set(false)
	if got := route(); got != "carrier" {
		t.Errorf("both down: %s", got)
	}
}

func TestAlternatives(t *testing.T) {
	x := newExchange(t, live, Rule{Prefix: "+1", Link: "carrier", Fallback: "backup"}, Rule{Prefix: "+44", Link: "carrier"})
	for _, tt := range []struct {
		name string
		link string
		to   number.MSISDN
		want string
	}{
		{"the fallback", "carrier", "14255550100", "backup"},
		{"back from the fallback", "backup", "14255550100", "carrier"},
		{"none without a fallback", "carrier", "447911123456", ""},
		{"a link that is gone", "gone", "447911123456", "carrier"},
	} {
		got, ok := x.Alternative(app.LevelProduction, tt.link, tt.to)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %q %t", tt.name, got, ok)
		}
	}
	if got, ok := x.Alternative(app.LevelSandbox, "sandbox", "14255550100"); ok {
		t.Errorf("a sandbox app was sent to %s", got)
	}
	x.wire("backup", 0).set(false)
	if got, ok := x.Alternative(app.LevelProduction, "carrier", "14255550100"); ok {
		t.Errorf("the fallback is down: %s", got)
	}
}

func TestSubmitGoesOverTheLinkNamed(t *testing.T) {
	x := newExchange(t, append([]Link{{Name: "odd", Host: "h", SystemID: "broken"}}, live...))
	refs, done, err := x.Submit(context.Background(), "carrier", message.SMS{ID: 5})
	done()
	if err != nil || refs[0].Group != "carrier" || x.wire("carrier", 0).sent[0].ID != 5 {
		t.Error(refs, err)
	}
	for _, name := range []string{"gone", "odd"} {
		_, done, err = x.Submit(context.Background(), name, message.SMS{})
		done()
		var no *message.Refusal
		if !errors.As(err, &no) || no.Class != message.ClassUnsent {
			t.Errorf("%s: %v", name, err)
		}
	}
	if l, err := x.Link("odd"); err != nil || l.State.Phase != PhaseStopped || !strings.Contains(l.State.Alarm, "account type") {
		t.Errorf("a link that cannot be made: %+v %v", l, err)
	}
}

// Another node changes a link between this one's reading and writing it: both changes stand.
func TestAChangeOfALinkDoesNotUndoAnothers(t *testing.T) {
	ctx := context.Background()
	x := newExchange(t, nil)
	l, err := x.CreateLink(ctx, Link{Name: "carrier", Host: "smsc.example", SystemID: "us", Password: "pw"})
	if err != nil {
		t.Fatal(err)
	}
	there := func(change func(*Link)) func() {
		return func() {
			l := x.store.links["carrier"]
			change(&l)
			l.Version++
			x.store.links["carrier"] = l
		}
	}
	entries := len(x.store.audit)
	x.store.first = there(func(l *Link) { l.Password, l.Window = "new", 50 })
	l, err = x.PauseLink(audit.With(ctx, audit.Entry{Actor: "admin", Action: "pause"}), "carrier")
	if err != nil || !l.Paused || l.Password != "new" || l.Window != 50 || l.Version != 3 {
		t.Errorf("a pause: %+v, %v", l, err)
	}
	if n := len(x.store.audit) - entries; n != 1 {
		t.Errorf("%d entries of a change that took two tries", n)
	}
	x.store.first = there(func(l *Link) { l.Paused = false })
	l.Rate, l.Password = 7, ""
	if l, err = x.UpdateLink(ctx, l); err != nil || l.Paused || l.Rate != 7 || l.Password != "new" {
		t.Errorf("new settings: %+v, %v", l, err)
	}
	x.store.first = func() { delete(x.store.links, "carrier") }
	if _, err := x.PauseLink(ctx, "carrier"); !errors.Is(err, ErrNoLink) {
		t.Errorf("a link that is gone: %v", err)
	}
	x.store.first = func() { x.store.links["carrier"] = Link{ID: 99, Name: "carrier", Version: 1} }
	if _, err := x.CreateLink(ctx, Link{Name: "carrier", Host: "smsc.example", SystemID: "us"}); !errors.Is(err, ErrLinkExists) {
		t.Errorf("a name that was taken meanwhile: %v", err)
	}
	x.store.first = func() { x.store.links["carrier"] = Link{ID: 99, Name: "carrier", Paused: true, Version: 2} }
	if err := x.Manage(ctx, []Link{{Name: "carrier", Host: "smsc.example", SystemID: "us"}}, nil); err != nil {
		t.Fatal(err)
	}
	if l := x.store.links["carrier"]; l.ID != 99 || !l.Paused || !l.Managed || l.Host != "smsc.example" {
		t.Errorf("a configured link that another node has paused meanwhile: %+v", l)
	}
	always := func() {}
	always = func() { there(func(*Link) {})(); x.store.first = always }
	x.store.first = always
	if _, err := x.PauseLink(ctx, "carrier"); !errors.Is(err, fault.Unavailable) {
		t.Errorf("a link that others go on changing: %v", err)
	}
}

func TestLinksAreMadeChangedAndForgotten(t *testing.T) {
	ctx := context.Background()
	x := newExchange(t, nil)
	l, err := x.CreateLink(ctx, Link{Name: "carrier", Host: "smsc.example", SystemID: "us", Password: "pw"})
	if err != nil {
		t.Fatal(err)
	}
	want := Link{ID: l.ID, Name: "carrier", Kind: "smpp", Network: NetworkLive, Host: "smsc.example", Port: 2775, SystemID: "us", Password: "pw", Bind: "transceiver", Window: 10, Group: "carrier", Created: noon, Version: 1}
	if d := cmp.Diff(want, l); d != "" || l.ID == 0 {
		t.Error(d)
	}
	first := x.wire("carrier", 0)
	if _, err := x.CreateLink(ctx, l); !errors.Is(err, ErrLinkExists) {
		t.Errorf("twice: %v", err)
	}
	if _, err := x.PauseLink(ctx, "carrier"); err != nil || first.State().Phase != PhasePaused {
		t.Errorf("pause: %v %s", err, first.State().Phase)
	}
	if _, err := x.ResumeLink(ctx, "carrier"); err != nil || first.State().Phase == PhasePaused {
		t.Errorf("resume: %v", err)
	}
	select {
	case <-first.ended:
		t.Error("a pause made a new connector")
	default:
	}
	l.Window, l.Password = 50, ""
	if l, err = x.UpdateLink(ctx, l); err != nil || l.Password != "pw" {
		t.Errorf("update: %+v %v", l, err)
	}
	second := x.wire("carrier", 1)
	select {
	case <-first.ended:
	default:
		t.Error("the new connector ran before the old had left")
	}
	l.Network = NetworkVirtual
	var bad *FieldError
	if _, err := x.UpdateLink(ctx, l); !errors.As(err, &bad) || bad.Field != "network" {
		t.Errorf("another network: %v", err)
	}
	if err := x.Reload(ctx); err != nil {
		t.Fatal(err)
	}
	if len(x.wires["carrier"]) != 2 {
		t.Error("a reload that changes nothing made a new connector")
	}
	if steps, err := x.TestLink(ctx, Link{Name: "carrier", Host: "smsc.example", SystemID: "us"}); err != nil || steps[0].Name != "carrier pw" {
		t.Errorf("test: %v %v", steps, err)
	}
	if err := x.DeleteLink(ctx, "carrier"); err != nil {
		t.Fatal(err)
	}
	<-second.ended
	if _, err := x.Link("carrier"); !errors.Is(err, ErrNoLink) {
		t.Errorf("after delete: %v", err)
	}
	for _, err := range []error{x.DeleteLink(ctx, "carrier"), errOf(x.PauseLink(ctx, "carrier"))} {
		if !errors.Is(err, ErrNoLink) {
			t.Error(err)
		}
	}
	x.stop()
	downs := 0
	for len(x.events) > 0 {
		if <-x.events == "carrier down" {
			downs++
		}
	}
	if downs < 2 {
		t.Errorf("told %d times that it went down", downs)
	}
}

// leaver is a connector that is up at once and takes its time to leave, as long as submits are under way.
type leaver struct {
	wire
	leave chan struct{}
}

func (l *leaver) Run(ctx context.Context) error {
	close(l.began)
	l.set(true)
	<-ctx.Done()
	<-l.leave
	l.set(false)
	close(l.ended)
	return nil
}

// A link that is deleted and made again at once waits until the old one has left, and the lane is the new one's.
func TestALinkMadeAgainWaitsForItsNamesake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		store.PutLink(t.Context(), named("carrier", NetworkLive).Defaulted())
		var made []*leaver
		var lane atomic.Int64
		r, err := NewRouter(t.Context(), Config{
			Store: store, Log: slog.New(slog.DiscardHandler),
			Connect: func(l Link, changed func(bool, int)) (SMSC, error) {
				x := &leaver{wire{link: l, changed: changed, began: make(chan struct{}), ended: make(chan struct{})}, make(chan struct{})}
				made = append(made, x)
				return x, nil
			},
			OnLink: func(_ string, up bool, window int) {
				if !up {
					window = 0
				}
				lane.Store(int64(window))
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go r.Run(ctx)
		synctest.Wait()
		began := func(n int) bool {
			synctest.Wait()
			select {
			case <-made[n].began:
				return true
			default:
				return false
			}
		}
		if !began(0) || lane.Load() != 10 {
			t.Fatalf("a lane of %d", lane.Load())
		}
		for range 2 { // the second time, before the first successor could begin
			if err := r.DeleteLink(ctx, "carrier"); err != nil {
				t.Fatal(err)
			}
			if _, err := r.CreateLink(ctx, named("carrier", NetworkLive)); err != nil {
				t.Fatal(err)
			}
		}
		if began(1) || began(2) {
			t.Error("a new connector ran before the old had left")
		}
		for _, x := range made {
			close(x.leave)
		}
		if !began(2) || lane.Load() != 10 {
			t.Errorf("the link made again has a lane of %d", lane.Load())
		}
		if err := r.DeleteLink(ctx, "carrier"); err != nil {
			t.Fatal(err)
		}
		<-made[2].ended
		synctest.Wait()
		if err := r.Reload(ctx); err != nil || len(r.leaving) != 0 {
			t.Errorf("%d links that are gone are kept: %v", len(r.leaving), err)
		}
	})
}

// What waits for a link that has not been up since the start must expire as well, which the queue sees to for the
// lanes it knows.
func TestALinkIsSaidToBeDownBeforeItComesUp(t *testing.T) {
	x := newExchange(t, []Link{named("carrier", NetworkLive)})
	select {
	case e := <-x.events:
		if e != "carrier down" {
			t.Error(e)
		}
	case <-time.After(patience):
		t.Error("not a word")
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestRulesFollowTheirLinks(t *testing.T) {
	ctx := context.Background()
	x := newExchange(t, live)
	for _, r := range []Rule{{Prefix: "1", Link: "carrier", Fallback: "backup"}, {Prefix: "+44", Link: "carrier"}, {Prefix: " +49", Link: "backup", Fallback: "carrier"}} {
		if _, err := x.PutRule(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := x.PutRule(ctx, Rule{Prefix: "+1", Link: "carrier", Fallback: "backup"}); err != nil {
		t.Fatal(err)
	}
	if n := len(x.Rules()); n != 3 {
		t.Errorf("%d rules: one of the same prefix is replaced", n)
	}
	for field, r := range map[string]Rule{"prefix": {Prefix: "+1a", Link: "carrier"}, "link": {Prefix: "+1", Link: "gone"}, "fallback": {Prefix: "+1", Link: "carrier", Fallback: "carrier"}} {
		var bad *FieldError
		if _, err := x.PutRule(ctx, r); !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := x.DeleteLink(ctx, "carrier"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range x.Rules() {
		got = append(got, r.Prefix+" "+r.Link+" "+r.Fallback)
	}
	if d := cmp.Diff([]string{"+49 backup ", "+1 backup "}, got); d != "" {
		t.Error(d)
	}
	if err := x.DeleteRule(ctx, "49"); err != nil {
		t.Error(err)
	}
	if err := x.DeleteRule(ctx, "+49"); !errors.Is(err, ErrNoRule) {
		t.Error(err)
	}
}

func TestLinksOfTheConfiguration(t *testing.T) {
	ctx := context.Background()
	x := newExchange(t, live[:1])
	if err := x.Manage(ctx, []Link{named("carrier", NetworkLive), named("backup", NetworkLive)}, []Rule{{Prefix: "+", Link: "carrier"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.PauseLink(ctx, "carrier"); err != nil {
		t.Errorf("a pause is an operator's: %v", err)
	}
	if err := x.DeleteLink(ctx, "carrier"); !errors.Is(err, ErrManaged) {
		t.Error(err)
	}
	if _, err := x.UpdateLink(ctx, named("carrier", NetworkLive)); !errors.Is(err, ErrManaged) {
		t.Error(err)
	}
	moved := named("carrier", NetworkLive)
	moved.Port = 2776
	if err := x.Manage(ctx, []Link{moved}, nil); err != nil {
		t.Fatal(err)
	}
	l, err := x.Link("carrier")
	if err != nil || l.Port != 2776 || !l.Paused || !l.Managed {
		t.Errorf("%+v %v", l, err)
	}
	if _, err := x.Link("backup"); !errors.Is(err, ErrNoLink) {
		t.Error("a link that is no longer configured is still there")
	}
	if _, err := x.Link("sandbox"); err != nil {
		t.Error("a link of an operator's own is gone")
	}
	if err := x.Manage(ctx, []Link{moved, moved}, nil); err == nil {
		t.Error("configured twice")
	}
	if err := x.Manage(ctx, []Link{{Name: "x"}}, nil); err == nil || !strings.Contains(err.Error(), `link "x": host`) {
		t.Error(err)
	}
}

func TestWhatTheConfigurationChangesIsAudited(t *testing.T) {
	ctx := context.Background()
	x := newExchange(t, nil)
	secret := named("carrier", NetworkLive)
	secret.Password = "hush"
	moved := secret
	moved.Port = 2776
	all := Rule{Prefix: "+", Link: "carrier"}
	for _, start := range []struct {
		name  string
		links []Link
		rules []Rule
		want  []string
	}{
		{"a first start", []Link{secret, named("sandbox", NetworkVirtual)}, []Rule{all}, []string{"link configured: link carrier", "route configured: route +"}},
		{"another with the same configuration", []Link{secret, named("sandbox", NetworkVirtual)}, []Rule{all}, nil},
		{"one with another port", []Link{moved, named("sandbox", NetworkVirtual)}, []Rule{all}, []string{"link configured: link carrier"}},
		{"one without the link", []Link{named("sandbox", NetworkVirtual)}, nil, []string{"link no longer configured: link carrier"}},
	} {
		x.store.audit = nil
		if err := x.Manage(ctx, start.links, start.rules); err != nil {
			t.Fatal(start.name, err)
		}
		var got []string
		for _, e := range x.store.audit {
			if e.Actor != "configuration" || strings.Contains(e.Detail, "hush") {
				t.Errorf("%s: %+v", start.name, e)
			}
			got = append(got, e.Action+": "+e.Object)
		}
		if d := cmp.Diff(start.want, got); d != "" {
			t.Errorf("%s: %s", start.name, d)
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	seven := uint8(7)
	good := named("carrier", NetworkLive).Defaulted()
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		field string
		edit  func(*Link)
	}{
		{"name", func(l *Link) { l.Name = "" }},
		{"name", func(l *Link) { l.Name = "a/b" }},
		{"name", func(l *Link) { l.Name = strings.Repeat("a", 41) }},
		{"name", func(l *Link) { l.Name = ".." }},
		{"kind", func(l *Link) { l.Kind = "ucp" }},
		{"network", func(l *Link) { l.Network = "real" }},
		{"host", func(l *Link) { l.Host = "a b" }},
		{"port", func(l *Link) { l.Port = 65536 }},
		{"port", func(l *Link) { l.Port = -1 }},
		{"system_id", func(l *Link) { l.SystemID = "" }},
		{"system_id", func(l *Link) { l.SystemID = "sixteen-letters!" }},
		{"password", func(l *Link) { l.Password = "nine-char" }},
		{"password", func(l *Link) { l.Password = "a\x00b" }},
		{"system_type", func(l *Link) { l.SystemType = "thirteen-char" }},
		{"bind", func(l *Link) { l.Bind = "both" }},
		{"window", func(l *Link) { l.Window = 10001 }},
		{"window", func(l *Link) { l.Window = -1 }},
		{"rate", func(l *Link) { l.Rate = -1 }},
		{"group", func(l *Link) { l.Group = "" }},
		{"quirks.ids", func(l *Link) { l.Quirks.IDs = "octal" }},
		{"quirks.alphabet", func(l *Link) { l.Quirks.Alphabet = "ebcdic" }},
		{"quirks.service_type", func(l *Link) { l.Quirks.ServiceType = "sixsix" }},
		{"quirks.dest_ton", func(l *Link) { l.Quirks.DestTON = &seven }},
	} {
		l := good
		tt.edit(&l)
		var bad *FieldError
		if err := l.Check(); !errors.As(err, &bad) || bad.Field != tt.field {
			t.Errorf("%s: %v", tt.field, err)
		}
	}
}

func TestAStoreThatFailsChangesNothing(t *testing.T) {
	x := newExchange(t, live[:1])
	x.store.mu.Lock()
	x.store.err = errors.New("disk")
	x.store.mu.Unlock()
	if _, err := x.CreateLink(context.Background(), named("carrier", NetworkLive)); err == nil {
		t.Error("no error")
	}
	if err := x.Reload(context.Background()); err == nil {
		t.Error("no error")
	}
	if got, err := x.Route(app.LevelSandbox, codeFrom, "14255550100"); got != "sandbox" {
		t.Error(got, err)
	}
	x.store.mu.Lock()
	x.store.err = nil
	x.store.mu.Unlock()
}

func BenchmarkRoute(b *testing.B) {
	t := newTable(live, []Rule{{Prefix: "+", Link: "backup"}, {Prefix: "+1", Link: "carrier"}, {Prefix: "+1425555", Link: "sandbox"}})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := t.choose(app.LevelProduction, "14155550100", nil); err != nil {
			b.Fatal(err)
		}
	}
}
