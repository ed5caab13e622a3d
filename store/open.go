// Package store keeps what the platform must not lose, in one of two engines behind one body of SQL:
// SQLite in a file of its own (the default), or PostgreSQL 15 and later for several nodes.
//
// # What durable means
//
// A reply that transfers responsibility, the 201 of a send, the deliver_sm_resp of a text from a
// handset, a token, is written only after the row that proves it has been committed and synced
// (docs/reference/reliability.md §3.0 R1). Every writing method of [Store] returns after that. SQLite
// runs in WAL mode with synchronous=FULL, PostgreSQL with synchronous_commit on. An error that shows
// the storage to be lying, a failed sync above all, ends all acknowledgements for good: [Config].OnFatal
// is called once and the process should exit. A full disk is different: writes are refused until
// there is space, and then accepted again.
//
// # The committer
//
// A sync costs the same for one row as for a thousand, so nobody commits alone. Writes are typed
// mutations on a bounded channel. One goroutine, the committer (commit.go), takes all that wait, turns
// each kind into a few statements over many rows, commits once and answers everybody. A batch is what
// has gathered while the last one was being synced; only where many callers have just been answered does
// it wait a moment for them, and never while idle. A full channel is
// answered fault.Unavailable at once, except to what takes rights away: that waits for a place. A mutation
// that the engine refuses is found by halving the batch and fails alone.
//
// # Row numbers
//
// Every row has a number that rises with time (package id), drawn before the row is written. Hot
// tables have it as their primary key and no other index, so a commit appends: it touches few pages,
// whatever the size of the table. A range of time is a range of rows, which makes retention cheap.
//
// # Leases
//
// An incarnation is one life of one process on this store, a row of table node. It owns jobs (package
// queue); a job is worked, ended or given back only by its owner, and each of those statements names
// it. On SQLite the data directory is locked, so all earlier incarnations are dead when a new one
// opens. On PostgreSQL an incarnation beats every 5 s and is dead after 30 s without a beat by the
// database's clock; whoever notices deletes its row and frees its jobs in one transaction. Every
// transaction of a node locks the node's own row first, so one that has been declared dead writes
// nothing more (R5), and one whose clock strays more than 2 s from the database's stops claiming (R6).
//
// There is a file for each package whose Store interface is implemented here: sms.go, oauth.go (with
// consent.go and signin.go), audit.go, quota.go, callback.go, app.go, route.go, gateway.go, queue.go;
// admin.go reads for the console.
package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"longlines/app"
	"longlines/audit"
	"longlines/callback"
	"longlines/fault"
	"longlines/gateway"
	"longlines/id"
	"longlines/oauth"
	"longlines/queue"
	"longlines/quota"
	"longlines/route"
	"longlines/sms"
)

// Config says where and how to keep. The zero value is not usable: a directory, a URL or Ephemeral
// is needed.
type Config struct {
	// URL is "postgres://…", or the path of a SQLite file; "" means longlines.db in Dir.
	URL string
	// Dir is the data directory; it is made if missing and locked while the store is open.
	Dir string
	// Ephemeral keeps everything in a temporary directory that Close removes, as durably as ever
	// until then.
	Ephemeral bool
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Log takes what an operator should know; default none.
	Log *slog.Logger
	// SecretKey seals link passwords with AES-256-GCM: 32 bytes. Without it no link with a password
	// can be kept.
	SecretKey []byte
	// Queue is how many mutations may wait for a commit before more are refused; default 8,192.
	Queue int
	// RequestDetail is how long the detail of a request is kept; default 7 days.
	RequestDetail time.Duration
	// OnFatal is called once, from a goroutine of its own, when the storage can no longer be trusted:
	// the process should exit, not zero.
	OnFatal func(error)
}

// Store is an open store. All methods are safe for concurrent use.
type Store struct {
	cfg     Config
	d       dialect
	log     *slog.Logger
	now     func() time.Time
	dir     string // SQLite: where the file is
	file    string
	inode   os.FileInfo // of the file
	rm      bool        // Close removes dir
	lock    *os.File
	write   *sql.DB // the committer's connection, and the heartbeat's
	read    *sql.DB
	ids     *id.Source
	sealer  *id.Sealer
	seal    cipher.AEAD // nil without Config.SecretKey
	self    int64       // this incarnation
	in      chan *mutation
	kick    chan struct{} // lazy writes wait
	stop    chan struct{}
	ended   chan struct{} // the committer has returned
	helpers sync.WaitGroup
	pool    sync.Pool
	lazy    lazy
	stats   counters
	reads   sync.Map // text → *sql.Stmt
	texts   sync.Map // textKey → the engine's text

	once               sync.Once // fatal
	shut               sync.Once
	closed             error
	dead               atomic.Pointer[error] // what ended it
	full, lost, skewed atomic.Pointer[error]
	beaten             atomic.Int64 // PostgreSQL: when the last beat succeeded, nanoseconds of monotonic time since start
	heard              atomic.Int64 // and when other nodes' changes were last read
	start              time.Time

	ballast  atomic.Bool // the file is there
	watch    watchers
	orphaned atomic.Bool  // receipts without a segment may be there
	low      atomic.Int64 // no recipient below is without a final state
}

//go:embed migrations
var migrations embed.FS

// Open opens the store, bringing its schema up to date, and starts the committer.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Queue <= 0 {
		cfg.Queue = 8192
	}
	if cfg.RequestDetail <= 0 {
		cfg.RequestDetail = 7 * 24 * time.Hour
	}
	s := &Store{
		cfg: cfg, log: cfg.Log, now: cfg.Now, start: time.Now(),
		in: make(chan *mutation, cfg.Queue), kick: make(chan struct{}, 1),
		stop: make(chan struct{}), ended: make(chan struct{}),
	}
	s.pool.New = newMutation
	if len(cfg.SecretKey) > 0 {
		block, err := aes.NewCipher(cfg.SecretKey)
		if err != nil {
			return nil, fmt.Errorf("secret key of the store: %w", err)
		}
		if s.seal, err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, fmt.Errorf("secret key of the store: %w", err)
		}
	}
	err := s.open(ctx)
	if err != nil {
		s.release()
		return nil, err
	}
	s.fillBallast()
	go s.commits()
	s.helpers.Go(s.keep)
	if s.d.postgres {
		s.helpers.Go(s.beats)
		s.helpers.Go(s.follows)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	if strings.HasPrefix(s.cfg.URL, "postgres://") || strings.HasPrefix(s.cfg.URL, "postgresql://") {
		if err := s.openPostgres(ctx); err != nil {
			return fmt.Errorf("open the store in PostgreSQL: %w", err)
		}
	} else if err := s.openSQLite(); err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	where := s.file
	if s.d.postgres {
		where = "the PostgreSQL database"
	}
	if err := s.migrate(ctx); err != nil {
		return fmt.Errorf("bring the schema of %s up to date: %w", where, err)
	}
	if err := s.enter(ctx); err != nil {
		return fmt.Errorf("enter %s: %w", where, err)
	}
	if err := s.openReaders(ctx); err != nil {
		return fmt.Errorf("open %s for reading: %w", where, err)
	}
	return nil
}

// openReaders opens all reading connections of an embedded store, so that none needs a file descriptor when there may
// be none left.
func (s *Store) openReaders(ctx context.Context) error {
	if s.d.postgres {
		return nil
	}
	for range readers {
		conn, err := s.read.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close() // when all are open
		var n int
		if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM meta").Scan(&n); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) openSQLite() error {
	file := s.cfg.URL
	switch {
	case s.cfg.Ephemeral:
		dir, err := os.MkdirTemp("", "longlines-")
		if err != nil {
			return err
		}
		s.rm, s.dir, file = true, dir, filepath.Join(dir, "longlines.db")
	case file == "" && s.cfg.Dir == "":
		return errors.New("neither a directory nor a URL is given")
	case file == "":
		file = filepath.Join(s.cfg.Dir, "longlines.db")
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	s.file, s.dir = file, filepath.Dir(file)
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if s.lock, err = lockDir(s.dir); err != nil {
		return err
	}
	// The file holds message texts: nobody else may read it.
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	s.inode, err = f.Stat()
	f.Close()
	if err != nil {
		return err
	}
	// The names of new files must survive a power cut as well.
	for _, dir := range [...]string{s.dir, filepath.Dir(s.dir)} {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	dsn := func(pragmas ...string) string {
		q := url.Values{"_txlock": {"immediate"}, "_pragma": pragmas}
		return (&url.URL{Scheme: "file", Path: file, RawQuery: q.Encode()}).String()
	}
	// journal_size_limit stays unset, so that the log is overwritten and not grown anew.
	s.write, err = sql.Open("sqlite", dsn("busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(0)",
		"wal_autocheckpoint(0)", "cache_size(-16384)", "temp_store(MEMORY)", "cell_size_check(1)"))
	if err != nil {
		return err
	}
	s.read, err = sql.Open("sqlite", dsn("busy_timeout(5000)", "query_only(1)", "cache_size(-4096)", "temp_store(MEMORY)"))
	if err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	s.write.SetMaxIdleConns(1)
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	return nil
}

// readers is how many reading connections an embedded store has.
const readers = 4

const (
	pingIdle = time.Second     // a connection that has been idle for longer is asked whether it works
	pingTime = 2 * time.Second // and must answer
)

func (s *Store) openPostgres(ctx context.Context) error {
	s.d.postgres = true
	cfg, err := pgx.ParseConfig(s.cfg.URL)
	if err != nil {
		return err
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	cfg.RuntimeParams["application_name"] = "longlines"
	durable := stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`)
		return err
	})
	// Nobody is told that an idle connection has lost its other end, as in a failover. So it is asked before it is
	// used again; without a limit that would take as long as the caller's patience, and the next might be no better.
	ask := stdlib.OptionShouldPing(func(ctx context.Context, p stdlib.ShouldPingParams) bool {
		if p.IdleDuration > pingIdle {
			ctx, stop := context.WithTimeout(ctx, pingTime)
			defer stop()
			if p.Conn.Ping(ctx) != nil {
				p.Conn.Close(ctx)
			}
		}
		return false
	})
	drop := stdlib.OptionResetSession(func(_ context.Context, c *pgx.Conn) error {
		if c.IsClosed() {
			return sqlBad
		}
		return nil
	})
	s.write = stdlib.OpenDB(*cfg, durable, ask, drop)
	s.read = stdlib.OpenDB(*cfg, durable, ask, drop)
	s.write.SetMaxOpenConns(2)
	s.write.SetMaxIdleConns(2)
	s.read.SetMaxOpenConns(8)
	s.read.SetMaxIdleConns(8)
	var version int
	var fsync string
	err = s.write.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, current_setting('fsync')`).Scan(&version, &fsync)
	if err != nil {
		return err
	}
	if version < 150000 {
		return fmt.Errorf("PostgreSQL 15 or later is needed, the server is %d.%d", version/10000, version%10000)
	}
	if fsync != "on" {
		s.log.Warn("the PostgreSQL server runs with fsync off: nothing survives a crash of its machine")
	}
	return nil
}

// syncDir makes the entries of a directory durable, as far as we may read it and its file system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	if err := d.Sync(); errors.Is(err, syscall.EIO) {
		return err
	}
	return nil
}

// migrationLock is the advisory lock under which one node at a time changes the schema.
const migrationLock = 0x6c6c6d69

func (s *Store) migrate(ctx context.Context) error {
	p, err := s.migrations()
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// migrations are the steps of the schema, to be taken on the writing connection.
func (s *Store) migrations() (*goose.Provider, error) {
	name, kind := "sqlite", goose.DialectSQLite3
	opts := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger())}
	if s.d.postgres {
		name, kind = "postgres", goose.DialectPostgres
		l, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock), lock.WithLockTimeout(1, 60))
		if err != nil {
			return nil, err
		}
		opts = append(opts, goose.WithSessionLocker(l))
	}
	files, err := fs.Sub(migrations, "migrations/"+name)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(kind, s.write, files, opts...)
}

// Close commits what waits, gives back what this incarnation still holds and closes the files.
// Writes that come later are refused. Closing twice is harmless.
func (s *Store) Close(ctx context.Context) error {
	s.shut.Do(func() {
		close(s.stop)
		<-s.ended
		s.helpers.Wait()
		s.closed = errors.Join(s.leave(ctx), s.release())
	})
	return s.closed
}

// release closes files and connections.
func (s *Store) release() error {
	var errs []error
	s.reads.Range(func(_, v any) bool {
		v.(*sql.Stmt).Close()
		return true
	})
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	if s.rm {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// Sealer makes the public names of rows, under a key that lives in the store.
func (s *Store) Sealer() *id.Sealer { return s.sealer }

// NextMessage draws n consecutive row numbers (1 to 65,536) and returns the first.
func (s *Store) NextMessage(n int) id.Number { return s.ids.Run(n) }

// NextToken is NextMessage for tokens: there is one source of numbers.
func (s *Store) NextToken(n int) id.Number { return s.ids.Run(n) }

// NextRequest draws one number for a request.
func (s *Store) NextRequest() id.Number { return s.ids.Next() }

// Writable is nil while writes are accepted; else it says why not, for /readyz. A store that is not
// writable still reads.
func (s *Store) Writable() error {
	if err := s.dead.Load(); err != nil {
		return *err
	}
	for _, p := range [...]*atomic.Pointer[error]{&s.full, &s.lost, &s.skewed} {
		if err := p.Load(); err != nil {
			return *err
		}
	}
	if err := s.fenced(); err != nil {
		return err
	}
	select {
	case <-s.stop:
		return errClosed
	default:
	}
	return nil
}

// refusal is the answer to a mutation that need not be tried.
func (s *Store) refusal(k kind) error {
	if err := s.dead.Load(); err != nil {
		return fault.Unavailable.Because(*err)
	}
	if err := s.full.Load(); err != nil && !k.vital() {
		return fault.Unavailable.Because(*err)
	}
	return nil
}

// stopped is the error that ended the store, or nil.
func (s *Store) stopped() error {
	if err := s.dead.Load(); err != nil {
		return *err
	}
	return s.fenced()
}

// limp reports whether the committer should look again whether it can write.
func (s *Store) limp() bool { return s.full.Load() != nil || s.lost.Load() != nil }

// setTrouble notes or, with nil, clears a reason not to be writable.
func (s *Store) setTrouble(p *atomic.Pointer[error], err error) {
	if err == nil {
		if old := p.Swap(nil); old != nil {
			s.log.Info("the store accepts writes again", "was", *old)
		}
		return
	}
	if p.Swap(&err) == nil {
		s.log.Error("the store refuses writes", "err", err)
	}
}

// fatal ends the store: nothing is acknowledged any more (reliability.md §0-2).
func (s *Store) fatal(err error) {
	s.once.Do(func() {
		s.dead.Store(&err)
		s.log.Error("the storage cannot be trusted any more; nothing is acknowledged from here on", "err", err)
		if s.cfg.OnFatal != nil {
			go s.cfg.OnFatal(err)
		}
	})
}

var errGone = errors.New("the file of the store is gone from its place")

// present is an error if the file of an embedded store is no longer where the next start would look for it: removed,
// moved, unmounted, or another in its place. What is written then goes to a file that nobody will open again. SQLite
// itself relies on a file's identity not changing while it is open.
func (s *Store) present() error {
	fi, err := os.Stat(s.file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(fi, s.inode) {
		return fmt.Errorf("%w: %s", errGone, s.file)
	}
	return nil
}

// minFree is the space below which writes are refused (reliability.md §4-27).
const minFree = 1 << 20

// reserve is an error while the disk of an embedded store is nearly full.
func (s *Store) reserve() error {
	if s.d.postgres {
		return nil
	}
	free, err := freeSpace(s.dir)
	if err == nil && free < s.needFree() {
		err = fmt.Errorf("no space: %d bytes are free in %s", free, s.dir)
		s.setTrouble(&s.full, err)
		return err
	}
	return nil
}

// noSpace tells a disk that is full from one that fails.
func (s *Store) noSpace() bool {
	if s.d.postgres {
		return false
	}
	free, err := freeSpace(s.dir)
	return err == nil && free < s.needFree()
}

// keep sweeps out what nobody needs any more, a little at a time.
func (s *Store) keep() {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		if s.Writable() != nil {
			continue
		}
		err := s.sweep(context.Background())
		if err == nil && n%60 == 0 {
			err = s.sweepOld(context.Background())
		}
		if err != nil {
			s.log.Warn("sweep the store", "err", err)
		}
	}
}

// What the store is to the packages that use it.
var _ interface {
	sms.Store
	oauth.Store
	audit.Store
	quota.Source
	callback.Store
	app.Store
	route.Store
	gateway.Store
	queue.Backend
} = (*Store)(nil)
