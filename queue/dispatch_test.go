package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"longlines/id"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// table is a backend of plain data; the store's own is exercised in storetest.
type table struct {
	mu      sync.Mutex
	now     func() time.Time
	free    map[id.Number]Job
	fail    error // of Retry
	refuse  error // of Claim
	retried []Job
	claims  int
	polls   atomic.Int64
}

func newTable() *table { return &table{now: time.Now, free: map[id.Number]Job{}} }

func (b *table) add(jobs ...Job) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, j := range jobs {
		b.free[j.ID] = j
	}
}

func (b *table) due(j Job) bool {
	now := b.now()
	return !j.Due.After(now) || !j.Until.IsZero() && !j.Until.After(now)
}

func (b *table) Claim(_ context.Context, kind Kind, lane string, n int) (out []Job, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.claims++
	if b.refuse != nil {
		return nil, b.refuse
	}
	for _, j := range b.free {
		if j.Kind == kind && j.Lane == lane && b.due(j) {
			out = append(out, j)
		}
	}
	slices.SortFunc(out, func(a, b Job) int { return int(a.ID - b.ID) })
	out = out[:min(n, len(out))]
	for _, j := range out {
		delete(b.free, j.ID)
	}
	return out, nil
}

func (b *table) ClaimExpired(_ context.Context, kind Kind, lane string, n int) (out []Job, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, j := range b.free {
		if j.Kind == kind && j.Lane == lane && !j.Until.IsZero() && !j.Until.After(b.now()) && len(out) < n {
			out = append(out, j)
			delete(b.free, j.ID)
		}
	}
	return out, nil
}

func (b *table) Due(_ context.Context, kind Kind) (out []string, err error) {
	b.polls.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, j := range b.free {
		if j.Kind == kind && b.due(j) && !slices.Contains(out, j.Lane) {
			out = append(out, j.Lane)
		}
	}
	return out, nil
}

func (b *table) Retry(_ context.Context, jobs ...Job) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	b.retried = append(b.retried, jobs...)
	for _, j := range jobs {
		b.free[j.ID] = j
	}
	return nil
}

func (b *table) Release(_ context.Context, jobs ...Job) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, j := range jobs {
		b.free[j.ID] = j
	}
	return nil
}

func (b *table) left() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.free)
}

// start runs a dispatcher until the test or stop ends it.
func start(t *testing.T, d *Dispatcher) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() { cancel(); err = <-done })
		return err
	}
	t.Cleanup(func() { stop() })
	return stop
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func job(n int, lane string) Job {
	return Job{ID: id.Number(n), Kind: KindSubmit, Lane: lane, Ref: id.Number(n)}
}

const poll = 5 * time.Millisecond

func TestABornJobIsWorkedFromMemory(t *testing.T) {
	b := newTable()
	d := New(Config{Backend: b, Poll: time.Hour})
	got := make(chan Job, 10)
	d.Handle(KindSubmit, Policy{Work: func(_ context.Context, j Job) error { got <- j; return nil }})
	d.SetLane(KindSubmit, "east", 2)
	start(t, d)
	s, ok := d.Reserve(KindSubmit, "east")
	if !ok {
		t.Fatal("no place")
	}
	j := job(1, "east")
	j.Value = "in memory"
	s.Push(j)
	if g := <-got; g.Value != "in memory" {
		t.Errorf("got %+v", g)
	}
	if _, ok := d.Reserve(KindSubmit, "nowhere"); ok {
		t.Error("a place in a lane that does not exist")
	}
	if _, ok := d.Reserve(KindCallback, "east"); ok {
		t.Error("a place for a kind without a policy")
	}
}

func TestAFullLaneGivesNoPlaceAndItsBacklogIsClaimedAsItDrains(t *testing.T) {
	b := newTable()
	d := New(Config{Backend: b, Poll: time.Hour, Capacity: 8})
	var worked atomic.Int64
	d.Handle(KindSubmit, Policy{Work: func(context.Context, Job) error { worked.Add(1); return nil }})
	d.SetLane(KindSubmit, "east", 2)
	places := make([]Slot, 8)
	for i := range places {
		var ok bool
		if places[i], ok = d.Reserve(KindSubmit, "east"); !ok {
			t.Fatalf("place %d", i)
		}
	}
	if _, ok := d.Reserve(KindSubmit, "east"); ok {
		t.Fatal("a ninth place")
	}
	places[0].Cancel()
	if s, ok := d.Reserve(KindSubmit, "east"); !ok {
		t.Fatal("a cancelled place is not free")
	} else {
		places[0] = s
	}
	for i := range 100 { // what found no place is in the table
		b.add(job(100+i, "east"))
	}
	start(t, d)
	for i, s := range places {
		s.Push(job(i+1, "east"))
	}
	eventually(t, "all are worked without a poll", func() bool { return worked.Load() == 108 })
}

// crowd is a lane of one worker at which two jobs arrive while one is worked. The test is the dispatcher's loop,
// so that each step is taken when the one before is done.
type crowd struct {
	*table
	d     *Dispatcher
	ctx   context.Context
	born  id.Number
	begun chan Job
	gate  chan struct{}
}

const crowdCapacity = 256

func newCrowd(t *testing.T) *crowd {
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{table: newTable(), ctx: ctx, begun: make(chan Job), gate: make(chan struct{})}
	c.d = New(Config{Backend: c, Capacity: crowdCapacity})
	c.d.Handle(KindSubmit, Policy{Work: func(ctx context.Context, j Job) error {
		select {
		case c.begun <- j:
		case <-ctx.Done():
		}
		select {
		case <-c.gate:
		case <-ctx.Done():
		}
		return nil
	}})
	c.d.SetLane(KindSubmit, "east", 1)
	c.d.ctx.Store(&ctx)
	t.Cleanup(func() {
		c.d.RemoveLane(KindSubmit, "east")
		cancel()
		c.d.work.Wait()
	})
	c.arrive()
	<-c.begun
	return c
}

// arrive adds a job as package sms does: held if there is a place, else free, with a hint.
func (c *crowd) arrive() (held bool) {
	c.born++
	j := job(int(c.born), "east")
	s, held := c.d.Reserve(KindSubmit, "east")
	if held {
		s.Push(j)
	} else {
		c.add(j)
		c.d.Wake(KindSubmit, "east")
	}
	return held
}

// next ends the job that is worked, and gives the one that is begun then.
func (c *crowd) next(t *testing.T) Job {
	t.Helper()
	if c.d.Stats()[0].Waiting == 0 {
		t.Fatalf("the worker is idle, %d are in the table", c.left())
	}
	c.gate <- struct{}{}
	return <-c.begun
}

func TestWhenMoreIsBornThanIsWorkedNobodyIsPassed(t *testing.T) {
	c := newCrowd(t)
	last := id.Number(1)
	work := func() {
		t.Helper()
		j := c.next(t)
		if j.ID != last+1 {
			t.Fatalf("job %d was worked after job %d, with %d in the table", j.ID, last, c.left())
		}
		last = j.ID
		c.d.follow(c.ctx)
	}
	for range 8 * crowdCapacity {
		for range 2 {
			c.arrive()
			c.d.follow(c.ctx)
		}
		work()
	}
	for last < c.born { // the crowd is gone
		work()
	}
	if most := int(last) / (claimAhead / 2); c.claims > most {
		t.Errorf("%d claims for %d jobs, want at most %d", c.claims, last, most)
	}
	claims := c.claims
	for range 8 * crowdCapacity {
		if !c.arrive() {
			t.Fatal("no place, and nothing in the table")
		}
		work()
	}
	if c.claims != claims {
		t.Errorf("%d claims for what was worked from memory", c.claims-claims)
	}
}

func TestNoWorkerIsIdleWhileAClaimTakesItsTime(t *testing.T) {
	c := newCrowd(t)
	for c.left() == 0 {
		c.arrive()
	}
	c.d.follow(c.ctx) // finds the memory full; the next claim does not come
	for range 4 * crowdCapacity {
		c.arrive()
		c.next(t)
	}
	waiting := c.left()
	c.d.follow(c.ctx)
	if c.left() == waiting {
		t.Error("the table has no turn")
	}
}

func TestATableThatCannotBeReadHoldsUpNothingThatIsBorn(t *testing.T) {
	c := newCrowd(t)
	c.refuse = errors.New("a clock in doubt")
	steps, held := 8*crowdCapacity, 0
	for range steps {
		for range 2 {
			if c.arrive() {
				held++
			}
			c.d.follow(c.ctx)
		}
		c.next(t)
	}
	if held < steps {
		t.Errorf("%d of %d were worked", held, steps)
	}
	if most := 2 * steps / (crowdCapacity / 2); c.claims > most {
		t.Errorf("%d claims were tried, want at most %d", c.claims, most)
	}
}

func TestTheWindowBoundsWhatIsInFlightAndFollowsItsSize(t *testing.T) {
	b := newTable()
	d := New(Config{Backend: b, Poll: poll})
	var now, most atomic.Int64
	gate := make(chan struct{})
	d.Handle(KindSubmit, Policy{Work: func(context.Context, Job) error {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-gate
		now.Add(-1)
		return nil
	}})
	d.SetLane(KindSubmit, "east", 3)
	start(t, d)
	push := func(n int) {
		for i := range n {
			s, _ := d.Reserve(KindSubmit, "east")
			s.Push(job(i+1, "east"))
		}
	}
	push(50)
	eventually(t, "three are in flight", func() bool { return now.Load() == 3 })
	if st := d.Stats(); len(st) != 1 || st[0].Running != 3 || st[0].Waiting != 47 || st[0].Workers != 3 {
		t.Errorf("stats: %+v", st)
	}
	d.SetLane(KindSubmit, "east", 10)
	eventually(t, "ten are in flight", func() bool { return now.Load() == 10 })
	d.SetLane(KindSubmit, "east", 1)
	for range 9 {
		gate <- struct{}{}
	}
	eventually(t, "one is in flight", func() bool { return now.Load() == 1 })
	d.SetLane(KindSubmit, "east", 0)
	gate <- struct{}{}
	eventually(t, "none is in flight", func() bool { return now.Load() == 0 })
	eventually(t, "the others are in the table", func() bool { return b.left() == 40 && d.Stats()[0].Waiting == 0 })
	if most.Load() != 10 {
		t.Errorf("%d were in flight at once", most.Load())
	}
	close(gate)
}

func TestASlowLaneHoldsUpNobodyElse(t *testing.T) {
	b := newTable()
	d := New(Config{Backend: b, Poll: poll})
	gate := make(chan struct{})
	var fast atomic.Int64
	d.Handle(KindCallback, Policy{LaneWorkers: 2, Work: func(_ context.Context, j Job) error {
		if j.Lane == "slow" {
			<-gate
		} else {
			fast.Add(1)
		}
		return nil
	}})
	start(t, d)
	for i := range 200 {
		j := job(i+1, []string{"slow", fmt.Sprint("fast", i%7)}[i%2])
		j.Kind = KindCallback
		b.add(j)
	}
	eventually(t, "the fast ones are done", func() bool { return fast.Load() == 100 })
	close(gate)
	eventually(t, "lanes made on demand go when they are idle", func() bool { return len(d.Stats()) == 0 })
}

func TestALaneThatIsSetDoesNotGoWithTheIdleOnes(t *testing.T) {
	d := New(Config{Backend: newTable()})
	d.Handle(KindCallback, Policy{LaneWorkers: 4, Work: func(context.Context, Job) error { return nil }})
	const lanes = 500
	for range 10 {
		for i := range lanes {
			s, ok := d.Reserve(KindCallback, fmt.Sprint("app", i))
			if !ok {
				t.Fatal("no place")
			}
			s.Cancel()
		}
		d.tidy()
		d.tidy()
		begun := make(chan struct{})
		var tidied sync.WaitGroup
		tidied.Go(func() { close(begun); d.tidy() }) // they would all go now
		<-begun
		for i := range lanes {
			d.SetLane(KindCallback, fmt.Sprint("app", i), 0)
		}
		tidied.Wait()
		st := d.Stats()
		if len(st) != lanes {
			t.Errorf("%d of %d are there", len(st), lanes)
		}
		for _, l := range st {
			if l.Workers != 0 {
				t.Fatalf("not paused: %+v", l)
			}
			d.RemoveLane(l.Kind, l.Lane)
		}
	}
}

func TestAPausedLaneLeavesItsJobsInTheTable(t *testing.T) {
	b := newTable()
	d := New(Config{Backend: b, Poll: poll})
	gate, worked := make(chan struct{}), make(chan Job, 10)
	d.Handle(KindSubmit, Policy{Work: func(_ context.Context, j Job) error { worked <- j; <-gate; return nil }})
	d.SetLane(KindSubmit, "east", 1)
	start(t, d)
	for i := range 3 {
		s, _ := d.Reserve(KindSubmit, "east")
		s.Push(job(i+1, "east"))
	}
	s, _ := d.Reserve(KindSubmit, "east") // its commit takes a while
	<-worked
	d.SetLane(KindSubmit, "east", 0)
	if _, ok := d.Reserve(KindSubmit, "east"); ok {
		t.Error("a place in a lane that is paused")
	}
	eventually(t, "those that are not begun are in the table", func() bool { return b.left() == 2 })
	s.Push(job(4, "east"))
	eventually(t, "one that comes late is, too", func() bool { return b.left() == 3 })
	b.add(job(5, "east"))
	d.Wake(KindSubmit, "east")
	polls := b.polls.Load()
	eventually(t, "the table is looked at", func() bool { return b.polls.Load() > polls+2 })
	if st := d.Stats()[0]; st.Waiting != 0 || st.Running != 1 || b.left() != 4 {
		t.Errorf("%+v, %d in the table", st, b.left())
	}
	close(gate)
	d.SetLane(KindSubmit, "east", 2)
	for range 4 {
		<-worked
	}
}

func TestALaneThatRunsAgainDoesNotWaitForThePoll(t *testing.T) {
	b := newTable()
	d := New(Config{Backend: b, Poll: time.Hour})
	worked := make(chan Job, 200)
	d.Handle(KindSubmit, Policy{Work: func(_ context.Context, j Job) error { worked <- j; return nil }})
	d.SetLane(KindSubmit, "east", 0)
	start(t, d)
	for i := range 200 { // more than are claimed ahead
		b.add(job(i+1, "east"))
	}
	d.SetLane(KindSubmit, "east", 1)
	for range 200 {
		<-worked
	}
}

func TestALaneClaimsNoMoreThanItsWorkersNeed(t *testing.T) {
	b := newTable()
	d := New(Config{Backend: b, Poll: poll})
	gate := make(chan struct{})
	d.Handle(KindSubmit, Policy{Work: func(context.Context, Job) error { <-gate; return nil }})
	d.SetLane(KindSubmit, "east", 2)
	for i := range 1000 {
		b.add(job(i+1, "east"))
	}
	start(t, d)
	eventually(t, "two are begun", func() bool { return d.Stats()[0].Running == 2 })
	polls := b.polls.Load()
	eventually(t, "the table is looked at", func() bool { return b.polls.Load() > polls+2 })
	if left := b.left(); left < 1000-2*claimAhead-2 {
		t.Errorf("%d are left to other nodes", left)
	}
	s, ok := d.Reserve(KindSubmit, "east") // what is born here has room all the same
	if !ok {
		t.Fatal("no place")
	}
	s.Cancel()
	close(gate)
	eventually(t, "all are worked", func() bool { st := d.Stats()[0]; return b.left() == 0 && st.Waiting+st.Running == 0 })
}

func TestJobsOfAPausedLaneExpire(t *testing.T) {
	b := newTable()
	var skip atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(skip.Load())) }
	b.now = now
	d := New(Config{Backend: b, Poll: poll, Now: now})
	worked := make(chan Job, 10)
	d.Handle(KindSubmit, Policy{Work: func(_ context.Context, j Job) error { worked <- j; return nil }})
	d.SetLane(KindSubmit, "east", 0)
	start(t, d)
	for i, until := range []time.Duration{24 * time.Hour, -time.Second, time.Hour} {
		j := job(i+1, "east")
		j.Until = now().Add(until)
		b.add(j)
	}
	for _, want := range []id.Number{2, 3} {
		if j := <-worked; j.ID != want {
			t.Errorf("worked %d, want %d", j.ID, want)
		}
		skip.Store(int64(2 * time.Hour))
	}
	eventually(t, "the last one waits", func() bool { return d.Stats()[0].Running == 0 && b.left() == 1 })
}

func TestAJobThatCrashesItsWorkerIsQuarantinedAndItsNeighboursAreNot(t *testing.T) {
	b := newTable()
	d := New(Config{Backend: b, Poll: poll, Now: func() time.Time { return time.Now().Add(-time.Minute) }}) // what is due later is due now
	var ok, tries atomic.Int64
	out := make(chan Job, 10)
	d.Handle(KindSubmit, Policy{
		Work: func(_ context.Context, j Job) error {
			if j.ID == 5 {
				tries.Add(1)
				panic("poison")
			}
			ok.Add(1)
			return nil
		},
		Quarantine: func(_ context.Context, j Job) error { out <- j; return nil },
	})
	d.SetLane(KindSubmit, "east", 3)
	start(t, d)
	for i := range 20 {
		b.add(job(i+1, "east"))
	}
	if j := <-out; j.ID != 5 || tries.Load() != 3 {
		t.Errorf("job %d after %d tries", j.ID, tries.Load())
	}
	eventually(t, "the neighbours are done", func() bool { return ok.Load() == 19 })
	// One whose holders died again and again is not even tried.
	j := job(6, "east")
	j.Crashes = crashLimit
	b.add(j)
	if j := <-out; j.ID != 6 {
		t.Errorf("quarantined %d", j.ID)
	}
}

func TestAnErrorGivesTheJobBackAlsoWhenTheBackendIsDown(t *testing.T) {
	b := newTable()
	b.fail = errors.New("down")
	d := New(Config{Backend: b, Poll: poll})
	d.Handle(KindSubmit, Policy{Work: func(context.Context, Job) error { return errors.New("cannot record it") }})
	d.SetLane(KindSubmit, "east", 1)
	start(t, d)
	s, _ := d.Reserve(KindSubmit, "east")
	s.Push(job(1, "east"))
	eventually(t, "it waits to be given back", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return len(d.back) == 1 })
	b.mu.Lock()
	b.fail = nil
	b.mu.Unlock()
	eventually(t, "it is given back", func() bool { return b.left() == 1 })
	b.mu.Lock()
	defer b.mu.Unlock()
	if j := b.retried[0]; !j.Due.After(time.Now()) {
		t.Errorf("due at once: %+v", j)
	}
}

func TestAWorkersErrorSaysThatTheJobMayBeDoneAndNeverQuarantinesIt(t *testing.T) {
	b := newTable()
	d := New(Config{Backend: b, Poll: poll, Now: func() time.Time { return time.Now().Add(-time.Minute) }}) // what is due later is due now
	worked := make(chan Job, 2*crashLimit+3)
	tries := 0
	d.Handle(KindSubmit, Policy{
		Work: func(_ context.Context, j Job) error {
			worked <- j
			if tries++; tries <= 2*crashLimit {
				return errors.New("cannot record it")
			}
			if tries <= 2*crashLimit+2 {
				panic("not its last one")
			}
			return nil
		},
		Quarantine: func(_ context.Context, j Job) error { t.Errorf("quarantined: %+v", j); return nil },
	})
	d.SetLane(KindSubmit, "east", 1)
	start(t, d)
	b.add(job(1, "east"))
	for i := range 2*crashLimit + 3 {
		want := min(i, 1) + panicWeight*max(i-2*crashLimit, 0)
		if j := <-worked; j.Crashes != want {
			t.Fatalf("try %d: crashes %d, want %d", i+1, j.Crashes, want)
		}
	}
}

func TestAWorkerThatHasNotBegunLeavesNoMark(t *testing.T) {
	b := newTable()
	d := New(Config{Backend: b, Poll: poll, Now: func() time.Time { return time.Now().Add(-time.Minute) }})
	worked := make(chan Job, 3)
	d.Handle(KindSubmit, Policy{Work: func(_ context.Context, j Job) error {
		worked <- j
		if len(worked) < 3 {
			return fmt.Errorf("cannot read it: %w", ErrNotBegun)
		}
		return nil
	}})
	d.SetLane(KindSubmit, "east", 1)
	start(t, d)
	b.add(job(1, "east"))
	eventually(t, "worked three times", func() bool { return len(worked) == 3 })
	for range 3 {
		if j := <-worked; j.Crashes != 0 {
			t.Errorf("crashes %d", j.Crashes)
		}
	}
}

func TestStoppingFinishesWhatIsBegunAndReleasesTheRest(t *testing.T) {
	b := newTable()
	d := New(Config{Backend: b, Poll: poll})
	begun, gate := make(chan struct{}, 10), make(chan struct{})
	var finished atomic.Int64
	d.Handle(KindSubmit, Policy{Work: func(context.Context, Job) error { begun <- struct{}{}; <-gate; finished.Add(1); return nil }})
	d.SetLane(KindSubmit, "east", 2)
	stop := start(t, d)
	for i := range 10 {
		s, _ := d.Reserve(KindSubmit, "east")
		s.Push(job(i+1, "east"))
	}
	late, _ := d.Reserve(KindSubmit, "east")
	<-begun
	<-begun
	done := make(chan error)
	go func() { done <- stop() }()
	eventually(t, "no place is given any more", func() bool { _, ok := d.Reserve(KindSubmit, "east"); return !ok })
	close(gate)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if finished.Load() != 2 || b.left() != 8 {
		t.Errorf("%d finished, %d released", finished.Load(), b.left())
	}
	late.Push(job(11, "east")) // harmless
}

func TestAWorkerThatDoesNotStopIsInterrupted(t *testing.T) {
	b := newTable()
	d := New(Config{Backend: b, Poll: poll, Grace: 10 * time.Millisecond})
	begun := make(chan struct{})
	d.Handle(KindSubmit, Policy{Work: func(ctx context.Context, j Job) error { close(begun); <-ctx.Done(); return ctx.Err() }})
	d.SetLane(KindSubmit, "east", 1)
	stop := start(t, d)
	s, _ := d.Reserve(KindSubmit, "east")
	s.Push(job(1, "east"))
	<-begun
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if b.left() != 1 || b.free[1].Crashes != 1 {
		t.Errorf("given back: %+v", b.free)
	}
}

func TestARemovedLaneGivesItsJobsBack(t *testing.T) {
	b := newTable()
	d := New(Config{Backend: b, Poll: poll})
	d.Handle(KindSubmit, Policy{Work: func(context.Context, Job) error { return nil }})
	d.SetLane(KindSubmit, "east", 1)
	for i := range 3 {
		s, _ := d.Reserve(KindSubmit, "east")
		s.Push(job(i+1, "east"))
	}
	d.RemoveLane(KindSubmit, "east")
	start(t, d)
	eventually(t, "they are in the table", func() bool { return b.left() == 3 })
}

func TestBackoffGrowsToAnHourWithinItsJitter(t *testing.T) {
	for n, want := range map[int]time.Duration{0: 30 * time.Second, 1: 30 * time.Second, 2: time.Minute, 3: 2 * time.Minute, 4: 5 * time.Minute,
		5: 15 * time.Minute, 6: 30 * time.Minute, 7: time.Hour, 99: time.Hour} {
		if low, high := BackoffWith(n, 0), BackoffWith(n, 1); low != want*8/10 || high != want*12/10 {
			t.Errorf("after attempt %d: %s to %s, want %s ± 20 %%", n, low, high, want)
		}
		if d := Backoff(n); d < want*8/10 || d > want*12/10 {
			t.Errorf("after attempt %d: %s", n, d)
		}
	}
}

func BenchmarkThroughMemory(b *testing.B) {
	d := New(Config{Backend: newTable()})
	var wg sync.WaitGroup
	d.Handle(KindSubmit, Policy{Work: func(context.Context, Job) error { wg.Done(); return nil }})
	d.SetLane(KindSubmit, "east", 100)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	b.ReportAllocs()
	for i := 0; i < b.N; {
		if s, ok := d.Reserve(KindSubmit, "east"); ok {
			wg.Add(1)
			s.Push(job(i+1, "east"))
			i++
		}
	}
	wg.Wait()
	cancel()
	<-done
}
