package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config makes a [Dispatcher].
type Config struct {
	Backend Backend
	Now     func() time.Time // default time.Now
	Log     *slog.Logger     // default none
	// Capacity is how many jobs may wait in memory in one lane; default 8,192. What does not fit waits
	// in the table, and so does what is born after it, until the table is empty again.
	Capacity int
	// Poll is how often the table is looked at without a hint; default 1 s (R3: at most 5 s).
	Poll time.Duration
	// Grace is how long workers may finish what they have begun when the dispatcher stops; default 10 s.
	Grace time.Duration
}

// Policy says how jobs of a kind are worked.
type Policy struct {
	// Work does the job and records its outcome in the backend; nil means that it has. After an error
	// the job is given back and tried again soon, with Crashes above 0: it may have been done, unless the
	// error is [ErrNotBegun]. Work is called by many goroutines at once. Its ctx ends when the dispatcher has waited long enough for it
	// to stop.
	Work func(ctx context.Context, j Job) error
	// Quarantine records that the job is given up because its handling crashes; nil: it is tried again
	// in an hour.
	Quarantine func(ctx context.Context, j Job) error
	// LaneWorkers is how many workers a lane has that appears by itself, on demand. 0: lanes are only
	// those made by SetLane, and jobs of others wait in the table.
	LaneWorkers int
}

// A job is given up after it has crashed too often (docs/reference/reliability.md T23). A panic in its
// worker is its own doing and weighs 8. The death of a node weighs 1 on each of the thousands of jobs
// it held: mostly they are innocent, and a node that dies again and again must not take them along. A
// worker's error weighs 1 once, however often it comes: it only says that the job may have been done, and a
// store in trouble must not walk a backlog into quarantine.
const (
	crashLimit  = 24
	panicWeight = 8
)

// errorDelay is the wait after a worker's error, which is trouble of our own, not the peer's.
const errorDelay = 5 * time.Second

const (
	claimStep   = 1024             // jobs claimed at once, at most
	claimAhead  = 64               // jobs from the table that wait here for each worker; more of them another node could work
	expireEvery = 30 * time.Second // between looks for jobs of a paused lane whose Until is over
	pollTime    = 5 * time.Second  // a poll may wait for the table (docs/reference/reliability.md §3.0 R3)
)

type laneKey struct {
	kind Kind
	name string
}

// Dispatcher gives jobs to workers: those born here from memory at once, the others from the backend.
// All methods are safe for concurrent use.
type Dispatcher struct {
	cfg Config
	log *slog.Logger

	mu       sync.Mutex
	policies map[Kind]Policy
	lanes    map[laneKey]*lane
	hints    map[laneKey]struct{}
	back     []Job // to be given back once the backend takes them
	stopped  bool

	ctx atomic.Pointer[context.Context] // of the workers; nil until Run

	wake chan struct{}
	work sync.WaitGroup
}

// New returns a Dispatcher; nothing is worked before [Dispatcher.Run].
func New(cfg Config) *Dispatcher {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Capacity <= 0 {
		cfg.Capacity = 8192
	}
	if cfg.Poll <= 0 {
		cfg.Poll = time.Second
	}
	if cfg.Grace <= 0 {
		cfg.Grace = 10 * time.Second
	}
	return &Dispatcher{
		cfg: cfg, log: cfg.Log, policies: map[Kind]Policy{}, lanes: map[laneKey]*lane{}, hints: map[laneKey]struct{}{},
		wake: make(chan struct{}, 1),
	}
}

// Handle sets how a kind is worked. Jobs of a kind without a policy wait in the table.
func (d *Dispatcher) Handle(kind Kind, p Policy) {
	d.mu.Lock()
	d.policies[kind] = p
	lanes := d.all()
	d.mu.Unlock()
	for _, l := range lanes {
		if l.key.kind == kind {
			l.mu.Lock()
			l.policy = p
			l.spawn()
			l.mu.Unlock()
		}
	}
	d.signal()
}

// lane is the memory and the workers of one peer.
type lane struct {
	d      *Dispatcher
	key    laneKey
	policy Policy
	demand bool // made on demand: removed when idle; d.mu guards it

	mu       sync.Mutex
	ready    sync.Cond
	jobs     ring
	reserved int
	claimed  int  // of jobs, those that came from the table
	limit    int  // workers; 0 pauses
	running  int  // goroutines
	idle     int  // of these, waiting for a job
	busy     int  // workers with a job
	expiring int  // jobs of a paused lane being settled
	more     bool // the table holds more for this lane
	behind   bool // the table holds jobs that found the memory full: their turn comes before what is born now
	closed   bool
	quiet    int       // polls for which nothing happened
	expire   time.Time // not before: the next look for jobs that expire while the lane is paused
}

// lane finds a lane or makes it on demand; nil if the kind has no such lanes.
func (d *Dispatcher) lane(k laneKey) *lane {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.lanes[k]; l != nil {
		return l
	}
	p, ok := d.policies[k.kind]
	if !ok || p.LaneWorkers <= 0 || d.stopped {
		return nil
	}
	return d.add(k, p, p.LaneWorkers, true)
}

// add makes a lane; d.mu is held.
func (d *Dispatcher) add(k laneKey, p Policy, workers int, demand bool) *lane {
	l := &lane{d: d, key: k, policy: p, limit: workers, demand: demand}
	l.ready.L = &l.mu
	d.lanes[k] = l
	return l
}

// SetLane makes a lane or changes the number of its workers: the window of a link. 0 pauses it: what waits
// goes back to the table with the next poll, and another node whose link is up finds it there. Here only jobs
// whose Until is over are worked then, so that they expire.
func (d *Dispatcher) SetLane(kind Kind, name string, workers int) {
	k := laneKey{kind, name}
	d.mu.Lock()
	if d.stopped {
		d.mu.Unlock()
		return
	}
	l := d.lanes[k]
	if l == nil {
		l = d.add(k, d.policies[kind], 0, false)
	}
	l.demand = false
	d.mu.Unlock()
	l.mu.Lock()
	l.limit = max(workers, 0)
	l.spawn()
	l.rouse()
	l.mu.Unlock()
	d.Wake(kind, name)
}

// RemoveLane forgets a lane: what waits in its memory goes back to the table.
func (d *Dispatcher) RemoveLane(kind Kind, name string) {
	k := laneKey{kind, name}
	d.mu.Lock()
	l := d.lanes[k]
	delete(d.lanes, k)
	d.mu.Unlock()
	if l != nil {
		d.giveBack(l.close()...)
	}
}

// Slot is a place reserved in a lane's memory.
type Slot struct{ l *lane }

// Reserve takes a place for a job before the commit that adds it, without waiting. With ok the job is
// to be added with Held set and then pushed, or the place cancelled. Without, it is to be added free,
// and a poll will find it: the lane's memory is full, older jobs wait in the table because it was, it is
// paused, or there is no such lane here.
func (d *Dispatcher) Reserve(kind Kind, name string) (s Slot, ok bool) {
	l := d.lane(laneKey{kind, name})
	if l == nil {
		return s, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.limit == 0 || l.reserved+l.jobs.n >= d.cfg.Capacity || l.behind && l.jobs.n >= l.low() {
		l.more = true
		return s, false
	}
	l.reserved++
	return Slot{l}, true
}

// Push hands in the job for the place, once the commit has succeeded.
func (s Slot) Push(j Job) {
	l := s.l
	l.mu.Lock()
	l.reserved--
	if l.closed {
		l.mu.Unlock()
		l.d.giveBack(j)
		return
	}
	l.put(j, false)
	l.mu.Unlock()
}

// Cancel gives the place up.
func (s Slot) Cancel() {
	s.l.mu.Lock()
	s.l.reserved--
	s.l.mu.Unlock()
}

// put adds a job; l.mu is held.
func (l *lane) put(j Job, claimed bool) {
	l.jobs.push(waiting{j, claimed})
	if claimed {
		l.claimed++
	}
	l.quiet = 0
	switch {
	case l.limit == 0:
	case l.idle > 0:
		l.idle-- // whoever wakes a worker counts it
		l.ready.Signal()
	default:
		l.spawn()
	}
}

// low is how few jobs in memory are too few to wait for a claim, so that no worker is idle although the table
// has its turn; l.mu is held.
func (l *lane) low() int { return min(claimAhead*l.limit, l.d.cfg.Capacity) / 4 }

// roomy reports whether a claim would bring enough to be worth its commit; l.mu is held.
func (l *lane) roomy() bool {
	return l.jobs.n+l.reserved <= l.d.cfg.Capacity/2 && l.claimed <= claimAhead*l.limit/2
}

// rouse wakes all workers; l.mu is held.
func (l *lane) rouse() {
	l.idle = 0
	l.ready.Broadcast()
}

// spawn starts workers as far as there is work for them; l.mu is held.
func (l *lane) spawn() {
	ctx := l.d.ctx.Load()
	if ctx == nil || l.policy.Work == nil {
		return
	}
	for l.running < l.limit && l.running-l.idle-l.busy < l.jobs.n && !l.closed {
		l.running++
		l.d.work.Go(func() { l.run(*ctx) })
	}
}

// run is a worker.
func (l *lane) run(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { l.running-- }()
	for {
		for l.jobs.n == 0 || l.running > l.limit || l.closed {
			if l.closed || l.running > l.limit {
				return
			}
			l.idle++
			l.ready.Wait()
		}
		w, policy := l.jobs.pop(), l.policy
		if w.claimed {
			l.claimed--
		}
		l.busy++
		refill := l.more && l.roomy()
		l.mu.Unlock()
		if refill {
			l.d.Wake(l.key.kind, l.key.name)
		}
		l.d.do(ctx, policy, w.job)
		l.mu.Lock()
		l.busy--
	}
}

// do works one job, whatever happens in it.
func (d *Dispatcher) do(ctx context.Context, p Policy, j Job) {
	if j.Crashes >= crashLimit {
		d.quarantine(ctx, p, j)
		return
	}
	err := safely(func() error { return p.Work(ctx, j) })
	var crash *panicked
	switch {
	case err == nil:
	case errors.As(err, &crash):
		j.Crashes += panicWeight
		d.log.Error("a worker panicked", "kind", int(j.Kind), "lane", j.Lane, "job", int64(j.ID), "row", int64(j.Ref), "crashes", j.Crashes, "err", err)
		if j.Crashes >= crashLimit {
			d.quarantine(ctx, p, j)
			return
		}
		j.Due = d.cfg.Now().Add(time.Second)
		d.giveBack(j)
	case ctx.Err() != nil: // stopping
		j.Crashes = begun(j, err)
		j.Due = d.cfg.Now()
		d.giveBack(j)
	default:
		j.Crashes = begun(j, err)
		d.log.Error("a job's outcome is not recorded; it is worked again", "kind", int(j.Kind), "lane", j.Lane, "job", int64(j.ID), "row", int64(j.Ref), "err", err)
		j.Due = d.cfg.Now().Add(errorDelay)
		d.giveBack(j)
	}
}

// begun is the weight of a job after an error of its worker: it may have been done, unless the worker says otherwise.
func begun(j Job, err error) int {
	if errors.Is(err, ErrNotBegun) {
		return j.Crashes
	}
	return max(j.Crashes, 1)
}

func (d *Dispatcher) quarantine(ctx context.Context, p Policy, j Job) {
	err := errors.New("no way to record it")
	if p.Quarantine != nil {
		err = safely(func() error { return p.Quarantine(ctx, j) })
	}
	if err != nil {
		d.log.Error("a job that crashes its worker cannot be quarantined; it rests for an hour", "job", int64(j.ID), "row", int64(j.Ref), "err", err)
		j.Due = d.cfg.Now().Add(time.Hour)
		d.giveBack(j)
		return
	}
	d.log.Warn("a job was quarantined because it crashes its worker", "kind", int(j.Kind), "lane", j.Lane, "job", int64(j.ID), "row", int64(j.Ref))
}

// panicked is a recovered panic as an error.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

func safely(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{v, debug.Stack()}
		}
	}()
	return f()
}

// giveBack queues jobs for the backend.
func (d *Dispatcher) giveBack(jobs ...Job) {
	if len(jobs) == 0 {
		return
	}
	d.mu.Lock()
	d.back = append(d.back, jobs...)
	d.mu.Unlock()
	d.signal()
}

// Wake hints that the table has due jobs for a lane.
func (d *Dispatcher) Wake(kind Kind, name string) {
	d.mu.Lock()
	d.hints[laneKey{kind, name}] = struct{}{}
	d.mu.Unlock()
	d.signal()
}

func (d *Dispatcher) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends. Then no job is begun, workers have their grace to finish, and what is
// still in memory is released. It returns the error of the release, if any.
func (d *Dispatcher) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	d.mu.Lock()
	d.stopped = false
	d.ctx.Store(&work)
	lanes := d.all()
	d.mu.Unlock()
	for _, l := range lanes {
		l.mu.Lock()
		l.spawn()
		l.mu.Unlock()
	}
	tick := time.NewTicker(d.cfg.Poll)
	defer tick.Stop()
	d.poll(ctx)
	for {
		select {
		case <-ctx.Done():
			return d.stop(ctx, cancel)
		case <-d.wake:
			d.returnJobs(ctx)
			d.follow(ctx)
		case <-tick.C:
			d.returnJobs(ctx)
			d.tidy()
			d.poll(ctx)
		}
	}
}

// all lists the lanes; d.mu is held.
func (d *Dispatcher) all() []*lane {
	out := make([]*lane, 0, len(d.lanes))
	for _, l := range d.lanes {
		out = append(out, l)
	}
	return out
}

// poll asks the table for lanes with due jobs.
func (d *Dispatcher) poll(ctx context.Context) {
	d.mu.Lock()
	kinds := make([]Kind, 0, len(d.policies))
	for k := range d.policies {
		kinds = append(kinds, k)
	}
	d.mu.Unlock()
	slices.Sort(kinds)
	for _, k := range kinds {
		names, err := d.due(ctx, k)
		if err != nil {
			if ctx.Err() == nil {
				d.log.Warn("look for due jobs", "kind", int(k), "err", err)
			}
			continue
		}
		for _, n := range names {
			d.fill(ctx, laneKey{k, n})
		}
	}
}

func (d *Dispatcher) due(ctx context.Context, k Kind) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, pollTime)
	defer cancel()
	return d.cfg.Backend.Due(ctx, k)
}

// follow claims for the lanes that were hinted at.
func (d *Dispatcher) follow(ctx context.Context) {
	d.mu.Lock()
	hints := d.hints
	d.hints = map[laneKey]struct{}{}
	d.mu.Unlock()
	for k := range hints {
		d.fill(ctx, k)
	}
}

// fill claims due jobs of a lane into the free room of its memory, as far as they are worked here soon: what
// waits in one node's memory no other node can work. So a paused lane claims none but those that expire.
//
// When more is born than is worked, what is born would take each place that becomes free, and what waits in the
// table would expire there. So once the memory is found full, Reserve gives places only to keep the workers busy
// until a claim finds the end of the table: all jobs pass through it, the oldest first. They are claimed many at a
// time: each that is refused a place is a hint, and a claim for each would be a commit for each.
func (d *Dispatcher) fill(ctx context.Context, k laneKey) {
	l := d.lane(k)
	if l == nil {
		return
	}
	for ctx.Err() == nil {
		l.mu.Lock()
		free := d.cfg.Capacity - l.jobs.n - l.reserved
		n := min(free, claimAhead*l.limit-l.claimed, claimStep)
		l.behind = l.behind || free <= 0
		if n <= 0 || l.closed || l.behind && !l.roomy() {
			l.more = true
			paused := l.limit == 0
			l.mu.Unlock()
			if paused {
				d.expire(ctx, l)
			}
			return
		}
		l.reserved += n
		l.more = false
		l.mu.Unlock()
		jobs, err := d.cfg.Backend.Claim(ctx, k.kind, k.name, n)
		l.mu.Lock()
		l.reserved -= n
		closed := l.closed
		if !closed {
			for _, j := range jobs {
				l.put(j, true)
			}
		}
		more := len(jobs) == n
		l.more = l.more || more
		l.behind = l.behind && more // also after an error: without claims there is only what is born
		l.mu.Unlock()
		if closed {
			d.giveBack(jobs...)
			return
		}
		if err != nil {
			if ctx.Err() == nil {
				d.log.Warn("claim jobs", "kind", int(k.kind), "lane", k.name, "err", err)
			}
			return
		}
		if !more {
			return
		}
	}
}

// expire claims and works jobs of a paused lane whose Until is over.
func (d *Dispatcher) expire(ctx context.Context, l *lane) {
	now := d.cfg.Now()
	l.mu.Lock()
	policy := l.policy
	n := min(d.cfg.Capacity-l.expiring, claimStep)
	wait := l.closed || policy.Work == nil || n <= 0 || now.Before(l.expire)
	l.mu.Unlock()
	if wait {
		return
	}
	jobs, err := d.cfg.Backend.ClaimExpired(ctx, l.key.kind, l.key.name, n)
	if err != nil && ctx.Err() == nil {
		d.log.Warn("claim expired jobs", "kind", int(l.key.kind), "lane", l.key.name, "err", err)
	}
	l.mu.Lock()
	if l.expiring += len(jobs); len(jobs) < n {
		l.expire = now.Add(expireEvery)
	}
	l.mu.Unlock()
	if len(jobs) == 0 {
		return
	}
	work := *d.ctx.Load()
	d.work.Go(func() {
		for _, j := range jobs {
			d.do(work, policy, j)
			l.mu.Lock()
			l.expiring--
			l.mu.Unlock()
		}
	})
}

// tidy gives back what waits in paused lanes and removes lanes made on demand that nobody uses any more.
func (d *Dispatcher) tidy() {
	d.mu.Lock()
	lanes := d.all()
	d.mu.Unlock()
	for _, l := range lanes {
		var left []Job
		l.mu.Lock()
		l.quiet++
		idle := l.quiet > 2 && l.unused()
		if l.limit == 0 {
			left = l.empty()
		}
		l.mu.Unlock()
		d.giveBack(left...)
		if idle {
			d.mu.Lock()
			l.mu.Lock()
			if l.demand && l.unused() && d.lanes[l.key] == l { // SetLane may have been faster
				delete(d.lanes, l.key)
				l.closed = true
				l.rouse()
			}
			l.mu.Unlock()
			d.mu.Unlock()
		}
	}
}

// unused reports whether the lane has nothing to do; l.mu is held.
func (l *lane) unused() bool { return l.jobs.n+l.reserved+l.busy+l.expiring == 0 }

// returnJobs gives back what is to be given back; what the backend does not take is kept for the next
// time.
func (d *Dispatcher) returnJobs(ctx context.Context) error {
	d.mu.Lock()
	jobs := d.back
	d.back = nil
	d.mu.Unlock()
	for len(jobs) > 0 {
		n := min(len(jobs), claimStep)
		if err := d.cfg.Backend.Retry(ctx, jobs[:n]...); err != nil {
			d.mu.Lock()
			d.back = append(jobs, d.back...)
			d.mu.Unlock()
			return err
		}
		jobs = jobs[n:]
	}
	return nil
}

// close empties a lane for good.
func (l *lane) close() []Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.rouse()
	return l.empty()
}

// empty takes all that waits; l.mu is held.
func (l *lane) empty() (out []Job) {
	for l.jobs.n > 0 {
		out = append(out, l.jobs.pop().job)
	}
	l.claimed = 0
	return out
}

// stop ends the workers and releases what is left.
func (d *Dispatcher) stop(ctx context.Context, cancel context.CancelFunc) error {
	d.mu.Lock()
	d.stopped = true
	lanes := d.all()
	d.lanes = map[laneKey]*lane{}
	d.mu.Unlock()
	var left []Job
	for _, l := range lanes {
		left = append(left, l.close()...)
	}
	done := make(chan struct{})
	go func() {
		d.work.Wait()
		close(done)
	}()
	grace := time.NewTimer(d.cfg.Grace)
	defer grace.Stop()
	select {
	case <-done:
	case <-grace.C:
		d.log.Warn("workers are interrupted", "after", d.cfg.Grace)
		cancel()
		<-done
	}
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), d.cfg.Grace)
	defer stop()
	var errs []error
	for len(left) > 0 {
		n := min(len(left), claimStep)
		if err := d.cfg.Backend.Release(end, left[:n]...); err != nil {
			errs = append(errs, fmt.Errorf("release %d jobs: %w", len(left), err))
			break
		}
		left = left[n:]
	}
	errs = append(errs, d.returnJobs(end))
	return errors.Join(errs...)
}

// LaneStats is how a lane stands.
type LaneStats struct {
	Kind    Kind
	Lane    string
	Workers int // allowed; 0: paused
	Waiting int // in memory
	Running int // being worked
}

// Stats lists the lanes by kind and name.
func (d *Dispatcher) Stats() []LaneStats {
	d.mu.Lock()
	lanes := d.all()
	d.mu.Unlock()
	out := make([]LaneStats, len(lanes))
	for i, l := range lanes {
		l.mu.Lock()
		out[i] = LaneStats{l.key.kind, l.key.name, l.limit, l.jobs.n, l.busy + l.expiring}
		l.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b LaneStats) int {
		if a.Kind != b.Kind {
			return int(a.Kind) - int(b.Kind)
		}
		return strings.Compare(a.Lane, b.Lane)
	})
	return out
}

// waiting is a job in a lane's memory.
type waiting struct {
	job     Job
	claimed bool // from the table; else it was born here
}

// ring is a queue in a slice that grows and is used again.
type ring struct {
	jobs    []waiting
	head, n int
}

func (r *ring) push(w waiting) {
	if r.n == len(r.jobs) {
		grown := make([]waiting, max(16, 2*len(r.jobs)))
		for i := range r.n {
			grown[i] = r.jobs[(r.head+i)%len(r.jobs)]
		}
		r.jobs, r.head = grown, 0
	}
	r.jobs[(r.head+r.n)%len(r.jobs)] = w
	r.n++
}

func (r *ring) pop() waiting {
	w := r.jobs[r.head]
	r.jobs[r.head] = waiting{}
	r.head = (r.head + 1) % len(r.jobs)
	r.n--
	return w
}
