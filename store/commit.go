package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"

	"longlines/audit"
	"longlines/fault"
	"longlines/gateway"
	"longlines/id"
	"longlines/queue"
)

// kind says what a mutation is. Within a batch the kinds are applied in this order: a submit's
// segments are there before the receipt that names them.
type kind uint8

const (
	kindAccept kind = iota
	kindSubmit
	kindSettle
	kindReport
	kindOrphan
	kindReceive
	kindAttempted
	kindRetry
	kindTokens
	kindRevoke
	kindQuota
	kindSave
	kindClaim
	kindOnce
	kindFunc // a func(*tx) error of its own: the cold writes
	kindEnd  // the same, of those that take rights away
	kindLazy // what nobody waits for
	kinds
)

// apply is the table of the kinds. A function may set the err of a mutation that a rule refuses,
// before anything of it is written; the error it returns is the engine's and undoes the batch.
var apply = [kinds]func(*tx, []*mutation) error{
	kindAccept:    (*tx).accept,
	kindSubmit:    (*tx).submit,
	kindSettle:    (*tx).settle,
	kindReport:    (*tx).report,
	kindOrphan:    (*tx).storeOrphan,
	kindReceive:   (*tx).receive,
	kindAttempted: (*tx).attempted,
	kindRetry:     (*tx).retry,
	kindTokens:    (*tx).issue,
	kindRevoke:    (*tx).revoke,
	kindQuota:     (*tx).lease,
	kindSave:      (*tx).save,
	kindClaim:     (*tx).claim,
	kindOnce:      (*tx).once,
	kindFunc:      (*tx).each,
	kindEnd:       (*tx).each,
	kindLazy:      (*tx).lazies,
}

// maxBatch bounds the mutations of one commit.
const maxBatch = 1024

// mutation is one write and whoever waits for it.
type mutation struct {
	kind  kind
	arg   any
	err   error
	state atomic.Int32
	done  chan struct{} // one answer
}

const (
	stateWaiting   = iota
	stateTaken     // by the committer: an answer will come
	stateAbandoned // by its caller, before it was taken
)

var errBusy = errors.New("too many writes wait")
var errClosed = errors.New("the store is closed")

// ends reports whether a mutation takes rights away.
func (k kind) ends() bool { return k == kindRevoke || k == kindEnd }

// vital reports whether a mutation is tried although the disk is nearly full: what takes rights away
// needs next to no space, and without units of the quota nobody could even read (reliability.md P4).
func (k kind) vital() bool { return k.ends() || k == kindQuota }

// do hands a mutation to the committer and waits for its outcome. Until it is taken, the end of ctx
// withdraws it; from then on it is answered soon, whatever ctx says, because the out members of arg
// are being written.
func (s *Store) do(ctx context.Context, k kind, arg any) error { return s.enqueue(ctx, k, arg, nil) }

// enqueue is do, with a function that is called once the mutation stands in the queue.
func (s *Store) enqueue(ctx context.Context, k kind, arg any, queued func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.refusal(k); err != nil {
		return err
	}
	m := s.pool.Get().(*mutation)
	m.kind, m.arg, m.err = k, arg, nil
	m.state.Store(stateWaiting)
	if err := s.place(ctx, m); err != nil {
		m.arg = nil
		s.pool.Put(m)
		return fault.Unavailable.Because(err)
	}
	if queued != nil {
		queued()
	}
	select {
	case <-m.done:
	case <-ctx.Done():
		if m.state.CompareAndSwap(stateWaiting, stateAbandoned) {
			return fault.Unavailable.Because(ctx.Err())
		}
		<-m.done
	case <-s.ended:
		select {
		case <-m.done:
		default:
			return fault.Unavailable.Because(errClosed)
		}
	}
	err := m.err
	m.arg, m.err = nil, nil
	s.pool.Put(m)
	return err
}

// place puts a mutation into the queue. If that is full the mutation is refused at once, but what takes rights away is
// never shed (reliability.md P16): it waits for a place as long as its caller does, and gets it before others that come
// later.
func (s *Store) place(ctx context.Context, m *mutation) error {
	select {
	case s.in <- m:
		return nil
	default:
	}
	if !m.kind.ends() {
		s.stats.refused.Add(1)
		return errBusy
	}
	select {
	case s.in <- m:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ended:
		return errClosed
	}
}

// call runs a cold write in the next commit. If its context carries an entry for the audit (package
// audit), both are in the same commit or neither. What is no change in the sense of the audit, but
// book-keeping on its way, goes by do.
func (s *Store) call(ctx context.Context, f func(*tx) error) error { return s.carry(ctx, kindFunc, f) }

// end is call for what takes rights away.
func (s *Store) end(ctx context.Context, f func(*tx) error) error { return s.carry(ctx, kindEnd, f) }

func (s *Store) carry(ctx context.Context, k kind, f func(*tx) error) error {
	e, ok := audit.From(ctx)
	if ok {
		change := f
		f = func(t *tx) error {
			err := change(t)
			if err == nil {
				t.entries = append(t.entries, e)
			}
			return err
		}
	}
	err := s.do(ctx, k, f)
	switch {
	case errors.Is(err, errUnchanged):
		return nil
	case ok && err == nil:
		audit.Done(ctx)
	}
	return err
}

// refusal is the error of a rule that a cold write raises before it has written anything: the batch
// goes on without it.
type refusal struct{ error }

func refuse(err error) error { return refusal{err} }

// errUnchanged is the refusal of a write that found nothing to change. It is no error for its caller.
var errUnchanged = errors.New("nothing to change")

func newMutation() any { return &mutation{done: make(chan struct{}, 1)} }

// lazy is what rides with the next commit and is dropped rather than waited for.
type lazy struct {
	mu       sync.Mutex
	records  []gateway.Record
	confirms map[id.Number]struct{} // they stay until they are committed: see [Store.confirmed]
	armed    bool                   // the committer knows
}

const (
	maxRecords  = 8192
	maxConfirms = 16384
	lazyDelay   = 500 * time.Millisecond // before an idle committer writes them by themselves
	lazyEvery   = 20 * time.Millisecond  // under load: so that their pages are not written anew with each commit
)

// later adds to the lazy writes under their lock; add reports false if there is no room.
func (s *Store) later(add func(*lazy) bool) {
	s.lazy.mu.Lock()
	ok := add(&s.lazy)
	kick := ok && !s.lazy.armed
	s.lazy.armed = s.lazy.armed || ok
	s.lazy.mu.Unlock()
	if !ok {
		s.stats.dropped.Add(1)
	}
	if kick {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
}

// lazyBatch is the argument of a kindLazy mutation.
type lazyBatch struct {
	records  []gateway.Record
	confirms []id.Number
}

// takeLazy gives the lazy writes; nil if there are none.
func (s *Store) takeLazy() *lazyBatch {
	s.lazy.mu.Lock()
	defer s.lazy.mu.Unlock()
	if len(s.lazy.records)+len(s.lazy.confirms) == 0 {
		return nil
	}
	b := &lazyBatch{s.lazy.records, slices.Collect(maps.Keys(s.lazy.confirms))}
	s.lazy.records, s.lazy.armed = nil, false
	return b
}

// commits is the committer: the one goroutine that writes. It takes all that waits, applies it in one
// transaction and answers everybody. A batch is what has gathered while the last one was being
// committed, and under load whoever comes back just after it (see company); an idle committer never waits.
func (s *Store) commits() {
	defer close(s.ended)
	c := &committer{s: s, cache: map[string]*prepared{}}
	defer c.drop()
	var soon, probe <-chan time.Time
	batch := make([]*mutation, 0, maxBatch)
	for {
		batch = batch[:0]
		select {
		case m := <-s.in:
			batch = append(batch, m)
		case <-s.kick:
			if soon == nil {
				soon = time.After(lazyDelay)
			}
			continue
		case <-soon:
			soon = nil
		case <-probe:
			c.probe()
			probe = nil
			if s.limp() {
				probe = time.After(time.Second)
			}
			continue
		case <-s.stop:
			c.finish()
			return
		}
		if len(batch) > 0 && len(s.in) == 0 {
			// Those whom the last commit answered are about to come back: let them.
			runtime.Gosched()
		}
		batch = c.company(c.gather(batch))
		begun := time.Now()
		if len(batch) == 0 || begun.Sub(c.lazied) >= lazyEvery {
			if lz := s.takeLazy(); lz != nil {
				m := newMutation().(*mutation)
				m.kind, m.arg = kindLazy, lz
				batch = append(batch, m)
				c.lazied = begun
			}
		}
		c.answered = awaited(batch) // counted before the answers, after which they are no longer ours
		c.commit(batch)
		c.took = time.Since(begun)
		c.checkpoint(len(s.in) == 0)
		if probe == nil && s.limp() {
			probe = time.After(time.Second)
		}
	}
}

// gather adds what waits.
func (c *committer) gather(batch []*mutation) []*mutation {
	for len(batch) < maxBatch {
		select {
		case m := <-c.s.in:
			batch = append(batch, m)
		default:
			return batch
		}
	}
	return batch
}

// awaited reports whether a caller waits for the mutation, and will be back with the next one. Others
// record what has happened on a wire, and come when the wire pleases.
func (k kind) awaited() bool { return k == kindAccept || k == kindTokens }

// awaited counts such mutations.
func awaited(ms []*mutation) (n int) {
	for _, m := range ms {
		if m.kind.awaited() {
			n++
		}
	}
	return n
}

const (
	crowd      = 12                     // fewer callers than this come back faster than it would pay to wait
	maxCompany = 800 * time.Microsecond // never longer
)

// company waits, under load only, for the callers whom the last commit has answered and who are about
// to come back. Without it two halves of them take turns, each waiting while the other's rows are
// synced; together they need half the syncs. It ends when as many are there as were last seen, or when
// it has lasted as long as a commit.
func (c *committer) company(batch []*mutation) []*mutation {
	here := awaited(batch)
	want := min(c.answered+here, maxBatch)
	if here < crowd || c.answered < crowd || c.s.d.postgres {
		return batch
	}
	limit := min(c.took, maxCompany)
	if c.pause == nil {
		c.pause = time.NewTimer(limit)
	} else {
		c.pause.Reset(limit)
	}
	defer c.pause.Stop()
	for here < want && len(batch) < maxBatch {
		select {
		case m := <-c.s.in:
			n := len(batch)
			batch = c.gather(append(batch, m))
			here += awaited(batch[n:])
		case <-c.pause.C:
			return batch
		case <-c.s.stop:
			return batch
		}
	}
	return batch
}

// finish commits what waits when the store closes, the lazy writes last and once: they may fail.
func (c *committer) finish() {
	for batch := c.gather(nil); len(batch) > 0; batch = c.gather(nil) {
		c.commit(batch)
	}
	if lz := c.s.takeLazy(); lz != nil {
		m := newMutation().(*mutation)
		m.kind, m.arg = kindLazy, lz
		c.commit([]*mutation{m})
	}
}

// committer is the state of the goroutine: its connection and the statements prepared on it.
type committer struct {
	s       *Store
	conn    *sql.Conn
	cache   map[string]*prepared
	nextTry time.Time     // not before: a lost connection is tried again
	backoff time.Duration // of the next try
	doubt   string        // PostgreSQL: the transaction whose COMMIT failed, and may have come through (see resolve)
	pages   int           // that the log holds beyond the database, about: SQLite
	groups  [kinds][]*mutation
	vals    []any // scratch, passed from one transaction to the next
	named   []driver.NamedValue

	answered int           // callers, by the last commit
	took     time.Duration // and how long it took
	pause    *time.Timer   // of company
	lazied   time.Time     // when lazy writes were last taken along
	buf      []byte
}

// prepared is a statement ready on the connection, for each number of rows used.
type prepared struct {
	*statement
	text string // PostgreSQL: the same for any number of rows
	// SQLite, by number of rows: to be queried, and to be executed past database/sql (see direct).
	rows  map[int]*sql.Stmt
	execs map[int]driver.Stmt
}

// commit makes a batch durable and answers everybody in it.
func (c *committer) commit(batch []*mutation) {
	live := batch[:0]
	for _, m := range batch {
		if m.state.CompareAndSwap(stateWaiting, stateTaken) {
			live = append(live, m)
		}
	}
	if len(live) == 0 {
		return
	}
	if err := c.s.reserve(); err != nil {
		vital := live[:0]
		for _, m := range live {
			if m.kind.vital() {
				vital = append(vital, m)
			} else {
				answer(m, fault.Unavailable.Because(err))
			}
		}
		if live = vital; len(live) == 0 {
			return
		}
	}
	c.part(live)
}

// part commits a batch or, if one of its mutations is at fault, its halves, so that a poisoned
// mutation costs its neighbours a few more commits and nothing else (reliability.md T23).
func (c *committer) part(batch []*mutation) {
	err := c.run(batch)
	switch c.s.d.trouble(err, c.s.noSpace) {
	case troubleNone:
		c.s.stats.commits.Add(1)
		c.s.stats.mutations.Add(int64(len(batch)))
		for _, m := range batch {
			answer(m, m.err)
		}
		return
	case troubleLogic:
		if len(batch) == 1 {
			if batch[0].kind == kindLazy {
				c.s.log.Error("records could not be stored", "err", err)
			}
			answer(batch[0], err)
			return
		}
		half := len(batch) / 2
		c.part(batch[:half])
		c.part(batch[half:])
		return
	case troubleFull:
		c.s.setTrouble(&c.s.full, fmt.Errorf("no space: %w", err))
		if revocations := c.lastResort(batch, err); len(revocations) > 0 {
			c.part(revocations)
			return
		}
	case troubleLost:
		c.drop()
		c.s.setTrouble(&c.s.lost, fmt.Errorf("no connection to the database: %w", err))
	case troubleFatal:
		c.s.fatal(err)
	}
	for _, m := range batch {
		answer(m, fault.Unavailable.Because(err))
	}
}

// lastResort gives up the ballast for the revocations of a batch that found no space, and answers the
// others. None are returned if there are none, or no ballast.
func (c *committer) lastResort(batch []*mutation, why error) []*mutation {
	var revocations []*mutation
	for _, m := range batch {
		if m.kind.ends() {
			revocations = append(revocations, m)
		}
	}
	if len(revocations) == 0 || !c.s.dropBallast() {
		return nil
	}
	for _, m := range batch {
		if !m.kind.ends() {
			answer(m, fault.Unavailable.Because(why))
		}
	}
	return revocations
}

func answer(m *mutation, err error) {
	m.err = err
	m.done <- struct{}{}
}

// run applies a batch in one transaction. After an error nothing of it is stored.
func (c *committer) run(batch []*mutation) (err error) {
	if err := c.s.stopped(); err != nil {
		return err
	}
	ctx, cancel := c.s.d.deadline()
	defer cancel()
	if err := c.connect(ctx); err != nil {
		return err
	}
	t := &tx{c: c, s: c.s, ctx: ctx, now: c.s.now(), vals: c.vals, buf: c.buf}
	if err := c.exec(ctx, "BEGIN IMMEDIATE", "BEGIN"); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a write panicked: %v\n%s", p, debug.Stack())
		}
		if err != nil && c.conn != nil {
			if e := c.exec(ctx, "ROLLBACK", "ROLLBACK"); e != nil && c.s.d.postgres {
				c.drop()
			}
		}
	}()
	if err := t.fence(); err != nil {
		return err
	}
	for i := range c.groups {
		c.groups[i] = c.groups[i][:0]
	}
	for _, m := range batch {
		m.err = nil
		c.groups[m.kind] = append(c.groups[m.kind], m)
	}
	for k, ms := range c.groups {
		if len(ms) > 0 {
			if err := apply[k](t, ms); err != nil {
				return err
			}
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	if err := c.exec(ctx, "COMMIT", "COMMIT"); err != nil {
		c.doubt = t.xid
		return err
	}
	c.vals, c.buf = t.vals[:0], t.buf[:0]
	if !c.s.d.postgres {
		c.pages += c.logged()
		if err := c.s.present(); err != nil {
			return err
		}
	}
	t.committed()
	return nil
}

// logged is how many pages the connection has put into SQLite's log since it was last asked. What a statement touches
// cannot be told from its values: to erase 2,000 rows may take as many pages, for the sake of an index.
func (c *committer) logged() (pages int) {
	c.conn.Raw(func(dc any) (err error) {
		pages, _, err = dc.(sqlite.DBStatus).Status(sqlite.DBStatusCacheWrite, true)
		return err
	})
	return pages
}

// exec runs a word of transaction control.
func (c *committer) exec(ctx context.Context, lite, pg string) error {
	if c.s.d.postgres {
		_, err := c.conn.ExecContext(ctx, pg)
		return err
	}
	p := c.cache[lite]
	if p == nil {
		st, err := c.conn.PrepareContext(ctx, lite)
		if err != nil {
			return err
		}
		p = &prepared{rows: map[int]*sql.Stmt{0: st}}
		c.cache[lite] = p
	}
	_, err := p.rows[0].ExecContext(ctx)
	return err
}

// connect takes the connection, or a new one after it was lost, and leaves no commit in doubt.
func (c *committer) connect(ctx context.Context) error {
	if c.conn != nil && c.doubt == "" {
		return nil
	}
	if c.conn == nil {
		if now := time.Now(); now.Before(c.nextTry) {
			return errNotConnected
		}
		conn, err := c.s.write.Conn(ctx)
		if err != nil {
			c.backoff = min(max(2*c.backoff, 100*time.Millisecond), 2*time.Second)
			c.nextTry = time.Now().Add(c.backoff)
			return fmt.Errorf("%w: %w", errNotConnected, err)
		}
		c.conn, c.backoff = conn, 0
		if c.s.d.postgres {
			// A server that does not notice that we are gone would keep the locks of our transaction for hours.
			_, err := conn.ExecContext(ctx, fmt.Sprint("SET idle_in_transaction_session_timeout = ", (commitTime+5*time.Second).Milliseconds()))
			if err != nil {
				return err
			}
		}
	}
	if err := c.resolve(ctx); err != nil {
		return err
	}
	c.s.setTrouble(&c.s.lost, nil)
	return nil
}

// drop gives up the connection and what was prepared on it.
func (c *committer) drop() {
	for _, p := range c.cache {
		for _, st := range p.rows {
			st.Close()
		}
		for _, st := range p.execs {
			st.Close()
		}
	}
	clear(c.cache)
	if c.conn != nil {
		if c.s.d.postgres {
			discard(c.conn)
		}
		c.conn.Close()
		c.conn = nil
	}
}

// probe tries whether the store can write again, with a write that needs some pages and leaves them
// free.
func (c *committer) probe() {
	m := newMutation().(*mutation)
	m.kind = kindFunc
	m.arg = func(t *tx) error {
		for _, v := range [...][]byte{make([]byte, 64<<10), []byte(t.now.UTC().Format(time.RFC3339))} {
			if _, err := t.exec(`UPDATE meta SET value = ? WHERE name = 'probe'`, nil, v); err != nil {
				return err
			}
		}
		return nil
	}
	if c.s.reserve() != nil {
		return
	}
	switch err := c.run([]*mutation{m}); c.s.d.trouble(err, c.s.noSpace) {
	case troubleNone:
		c.s.setTrouble(&c.s.full, nil)
		c.s.fillBallast()
	case troubleLost:
		c.drop()
		c.s.setTrouble(&c.s.lost, fmt.Errorf("no connection to the database: %w", err))
	case troubleFatal:
		c.s.fatal(err)
	}
}

// checkpoint moves the log into the database. We do it ourselves because SQLite, when it does it at a
// commit, keeps an I/O error to itself, and after a failed sync nothing may be acknowledged
// (reliability.md §0-2). The log file itself is kept and overwritten: that takes a third off each
// sync.
func (c *committer) checkpoint(idle bool) {
	if c.s.d.postgres || c.conn == nil || c.pages < checkpointIdle || !idle && c.pages < checkpointBusy {
		return
	}
	log, done, err := c.backfill("PASSIVE")
	if err == nil && log > checkpointRestart {
		// Readers have kept the log from starting over; wait for them once.
		log, done, err = c.backfill("RESTART")
	}
	switch c.s.d.trouble(err, c.s.noSpace) {
	case troubleNone:
		c.pages = max(log-done, 0)
	case troubleFull:
		c.s.setTrouble(&c.s.full, fmt.Errorf("no space: %w", err))
	case troubleFatal:
		c.s.fatal(fmt.Errorf("checkpoint: %w", err))
	}
}

// backfill runs a checkpoint and tells how many pages the log has, and how many of them the database has now too.
func (c *committer) backfill(mode string) (log, done int, err error) {
	var busy int
	err = c.conn.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &log, &done)
	return log, done, err
}

const (
	checkpointIdle    = 1000  // pages of 4 KiB in the log before an idle committer checkpoints
	checkpointBusy    = 4000  // and a busy one
	checkpointRestart = 32000 // beyond this the log must start over
)

// tx is a transaction under way.
type tx struct {
	c   *committer
	s   *Store
	ctx context.Context
	now time.Time
	xid string // PostgreSQL: its number

	vals    []any // scratch for rows
	jobs    []*queue.Job
	changes []change
	entries []audit.Entry
	buf     []byte
	calmed  bool // no orphan is left

	confirms []id.Number // whose rows are deleted
}

// stmt finds or takes apart a statement.
func (t *tx) stmt(text string) *prepared {
	p := t.c.cache[text]
	if p == nil {
		p = &prepared{statement: parse(text), rows: map[int]*sql.Stmt{}, execs: map[int]driver.Stmt{}}
		if t.s.d.postgres {
			p.text = t.s.d.render(p.statement, 0)
		}
		t.c.cache[text] = p
	}
	return p
}

// ready prepares a statement for n rows on SQLite, to be queried.
func (t *tx) ready(p *prepared, n int) (*sql.Stmt, error) {
	st := p.rows[n]
	if st == nil {
		var err error
		if st, err = t.c.conn.PrepareContext(t.ctx, t.s.d.render(p.statement, n)); err != nil {
			return nil, fmt.Errorf("prepare %q: %w", p.statement.text, err)
		}
		p.rows[n] = st
	}
	return st, nil
}

// direct executes a statement for n rows on SQLite past database/sql, which would box each value once
// more, under a lock per call: a fifth of all that a send allocates. The driver's connection is the
// committer's alone and never handed back to the pool while it is in use, so nothing else runs on it.
func (t *tx) direct(p *prepared, n int, args []any) (int64, error) {
	st := p.execs[n]
	if st == nil {
		err := t.c.conn.Raw(func(dc any) error {
			prepared, err := dc.(driver.ConnPrepareContext).PrepareContext(t.ctx, t.s.d.render(p.statement, n))
			if err != nil {
				return fmt.Errorf("prepare %q: %w", p.statement.text, err)
			}
			st = prepared
			return nil
		})
		if err != nil {
			return 0, err
		}
		p.execs[n] = st
	}
	named := t.c.named[:0]
	for i, v := range args {
		named = append(named, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	res, err := st.(driver.StmtExecContext).ExecContext(t.ctx, named)
	clear(named)
	t.c.named = named[:0]
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// exec runs a statement over rows (nil if it has no row source) and values, and counts the rows it
// touched.
func (t *tx) exec(text string, rows []any, args ...any) (int64, error) {
	var sum int64
	err := t.run(text, rows, args, func(p *prepared, n int, args []any) error {
		var touched int64
		var err error
		if t.s.d.postgres {
			var res sql.Result
			if res, err = t.c.conn.ExecContext(t.ctx, p.text, args...); err == nil {
				touched, _ = res.RowsAffected()
			}
		} else {
			touched, err = t.direct(p, n, args)
		}
		sum += touched
		return err
	})
	return sum, err
}

// query runs a statement like exec and hands each row it returns to fn.
func (t *tx) query(text string, rows []any, args []any, fn func(*sql.Rows) error) error {
	return t.run(text, rows, args, func(p *prepared, n int, args []any) error {
		var rs *sql.Rows
		var err error
		if t.s.d.postgres {
			rs, err = t.c.conn.QueryContext(t.ctx, p.text, args...)
		} else {
			var st *sql.Stmt
			if st, err = t.ready(p, n); err == nil {
				rs, err = st.QueryContext(t.ctx, args...)
			}
		}
		if err != nil {
			return err
		}
		for rs.Next() {
			if err := fn(rs); err != nil {
				rs.Close()
				return err
			}
		}
		return errors.Join(rs.Err(), rs.Close())
	})
}

// run takes a statement's rows apart into numbers of rows that statements are prepared for.
func (t *tx) run(text string, rows []any, args []any, do func(p *prepared, n int, args []any) error) error {
	p := t.stmt(text)
	if p.cols != nil {
		if len(rows) == 0 {
			return nil
		}
		if err := p.check(rows); err != nil {
			return err
		}
	}
	args = t.s.d.single(args)
	if t.s.d.postgres {
		if p.cols != nil {
			args = append(p.columns(rows), args...)
		}
		return do(p, 0, args)
	}
	if p.cols == nil {
		return do(p, 0, args)
	}
	for w := len(p.cols); len(rows) > 0; {
		n := chunk(len(rows) / w)
		part := rows[: n*w : n*w]
		if len(args) > 0 {
			part = append(part, args...)
		}
		if err := do(p, n, part); err != nil {
			return err
		}
		rows = rows[n*w:]
	}
	return nil
}

// flush writes what the kinds have left for the end.
func (t *tx) flush() error {
	if err := t.insertJobs(); err != nil {
		return err
	}
	// The two locks come last and in this order on all nodes.
	if err := t.insertEntries(); err != nil {
		return err
	}
	return t.insertChanges()
}

// committed tells the watchers. They hear of a change before its writer gets its answer: after a
// revocation's 200 the next request is refused. What a watcher does wrong does not undo a commit.
func (t *tx) committed() {
	defer func() {
		if p := recover(); p != nil {
			t.s.log.Error("a watcher panicked", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	if t.calmed {
		t.s.orphaned.Store(false)
	}
	t.s.forget(t.confirms)
	t.s.notify(t.changes)
}

// each runs cold writes one after the other. One that fails may have written before: the batch is
// undone and it fails alone. A refusal has not.
func (t *tx) each(ms []*mutation) error {
	for _, m := range ms {
		err := m.arg.(func(*tx) error)(t)
		if r, ok := err.(refusal); ok {
			m.err, err = r.error, nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lazies stores what nobody waits for.
func (t *tx) lazies(ms []*mutation) error {
	for _, m := range ms {
		b := m.arg.(*lazyBatch)
		if err := t.insertRecords(b.records); err != nil {
			return err
		}
		if err := t.confirm(b.confirms); err != nil {
			return err
		}
	}
	return nil
}

// Stats are counters for metrics.
type Stats struct {
	Commits   int64 // transactions made durable
	Mutations int64 // writes they carried
	Refused   int64 // writes refused because too many waited
	Dropped   int64 // records dropped for the same reason
	Waiting   int   // writes waiting now
}

type counters struct{ commits, mutations, refused, dropped atomic.Int64 }

// Stats reads the counters.
func (s *Store) Stats() Stats {
	return Stats{s.stats.commits.Load(), s.stats.mutations.Load(), s.stats.refused.Load(), s.stats.dropped.Load(), len(s.in)}
}
