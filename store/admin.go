package store

import (
	"context"
	"database/sql"
	"os"
	"time"

	"longlines/app"
	"longlines/callback"
	"longlines/id"
	"longlines/number"
	"longlines/queue"
	"longlines/sms"
)

// What the console and the metrics read beyond what the rules need. No app comes here.

// MTs reads the newest n recipients before a number (0: the newest), newest first.
func (s *Store) MTs(ctx context.Context, before id.Number, n int) ([]sms.MT, error) {
	return s.mts(ctx, `SELECT `+mtColumns+` FROM mt WHERE id < ? ORDER BY id DESC LIMIT ?`, newest(before), int64(n))
}

// MOState tells where a received text is.
type MOState int

const (
	MOWaiting MOState = moWaiting // for the poll
	MOLeased  MOState = moLeased  // handed out, the answer not confirmed
	MORead    MOState = moRead
	MOPosted  MOState = moPosted // goes to the listener
)

// String is the state's word in the admin API.
func (m MOState) String() string {
	switch m {
	case MOWaiting:
		return "waiting"
	case MOLeased:
		return "leased"
	case MORead:
		return "read"
	case MOPosted:
		return "posted"
	}
	return "none"
}

// StoredMO is a received text and where it is.
type StoredMO struct {
	sms.MO
	State MOState
}

const moColumns = `id, app, sender, code, body, at, partial, pushed, state`

func scanMO(r *sql.Rows) (m StoredMO, err error) {
	var when int64
	var state int64
	err = r.Scan(&m.ID, &m.App, &m.From, &m.To, &m.Text, &when, &m.Partial, &m.Pushed, &state)
	m.At, m.State = at(when), MOState(state)
	return m, err
}

// MOByID reads one received text; ok is false if there is none.
func (s *Store) MOByID(ctx context.Context, n id.Number) (m StoredMO, ok bool, err error) {
	err = s.rows(ctx, `SELECT `+moColumns+` FROM mo WHERE id = ?`, nil, []any{int64(n)}, func(r *sql.Rows) error {
		m, err = scanMO(r)
		ok = err == nil
		return err
	})
	return m, ok, err
}

// Pending counts the texts of the tenant's code that wait for the poll.
func (s *Store) Pending(ctx context.Context, of app.Tenant, code number.ShortCode) (n int, err error) {
	row, err := s.row(ctx, `SELECT count(*) FROM mo WHERE app = ? AND code = ? AND state = 0`, int64(of.App()), string(code))
	if err == nil {
		err = row.Scan(&n)
	}
	return n, err
}

// Attempts reads the attempts to tell about a row, oldest first. Of each one's job only the ID is set.
func (s *Store) Attempts(ctx context.Context, subject id.Number) ([]callback.Attempt, error) {
	var out []callback.Attempt
	err := s.rows(ctx, `SELECT subject, app, job, what, url, number, at, status, error, reply, took, next, done FROM attempt WHERE subject = ? ORDER BY id`,
		nil, []any{int64(subject)}, func(r *sql.Rows) error {
			var a callback.Attempt
			var when, took, next int64
			if err := r.Scan(&a.Subject, &a.App, &a.Job.ID, &a.What, &a.URL, &a.Number, &when, &a.Status, &a.Error, &a.Reply, &took, &next, &a.Done); err != nil {
				return err
			}
			a.At, a.Next, a.Duration = at(when), at(next), time.Duration(took)*time.Microsecond
			out = append(out, a)
			return nil
		})
	return out, err
}

// LaneCount is how many jobs stand in a lane.
type LaneCount struct {
	Kind   queue.Kind
	Lane   string
	Held   int       // leased by a node
	Free   int       // waiting to be claimed, now or later
	Oldest time.Time // the earliest Due of the free ones
}

// Jobs counts the jobs of each lane.
func (s *Store) Jobs(ctx context.Context) ([]LaneCount, error) {
	var out []LaneCount
	err := s.rows(ctx, `SELECT kind, lane, sum(CASE WHEN owner = 0 THEN 0 ELSE 1 END), sum(CASE WHEN owner = 0 THEN 1 ELSE 0 END),
		COALESCE(min(CASE WHEN owner = 0 THEN due END), 0) FROM job GROUP BY kind, lane ORDER BY kind, lane`, nil, nil, func(r *sql.Rows) error {
		var c LaneCount
		var due int64
		err := r.Scan(&c.Kind, &c.Lane, &c.Held, &c.Free, &due)
		c.Oldest = at(due)
		out = append(out, c)
		return err
	})
	return out, err
}

// Sizes is what the store occupies.
type Sizes struct {
	Bytes int64 // database, on SQLite with its log
	Free  int64 // left on its disk; 0 where the database is elsewhere
}

// Sizes measures.
func (s *Store) Sizes(ctx context.Context) (Sizes, error) {
	if s.d.postgres {
		var z Sizes
		row, err := s.row(ctx, "SELECT pg_database_size(current_database())")
		if err == nil {
			err = row.Scan(&z.Bytes)
		}
		return z, err
	}
	var z Sizes
	for _, end := range [...]string{"", "-wal", "-shm"} {
		if fi, err := os.Stat(s.file + end); err == nil {
			z.Bytes += fi.Size()
		}
	}
	free, err := freeSpace(s.dir)
	z.Free = int64(free)
	return z, err
}
