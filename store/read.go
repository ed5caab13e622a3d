package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"longlines/queue"
)

// Reads use a pool of their own, beside the committer: on SQLite four connections that cannot write.

// reader finds or prepares a statement of the reading pool.
func (s *Store) reader(ctx context.Context, text string) (*sql.Stmt, error) {
	if st, ok := s.reads.Load(text); ok {
		return st.(*sql.Stmt), nil
	}
	st, err := s.read.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if old, loaded := s.reads.LoadOrStore(text, st); loaded {
		st.Close()
		return old.(*sql.Stmt), nil
	}
	return st, nil
}

// silence is how long a server may say nothing in the middle of a read.
const silence = 10 * time.Second

var errSilent = fmt.Errorf("the database has said nothing for %s", silence)

// reading is a read under way. Its context ends when the server falls silent: after a failover nothing may come
// through an open connection any more, and whoever waits there, the poll for jobs above all, would do so until TCP
// gives up. pgx then closes the connection, and the next read has another. A long answer takes as long as it takes.
type reading struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	alarm  *time.Timer // nil on SQLite, whose calls return by themselves
}

func (s *Store) reading(ctx context.Context) reading {
	if !s.d.postgres {
		return reading{ctx: ctx}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	return reading{ctx, cancel, time.AfterFunc(silence, func() { cancel(errSilent) })}
}

// heard notes a word of the server.
func (r reading) heard() {
	if r.alarm != nil {
		r.alarm.Reset(silence)
	}
}

// end ends the read; its error is then that of the silence, if that is why. The caller has not gone away.
func (r reading) end(err error) error {
	if r.alarm == nil {
		return err
	}
	r.alarm.Stop()
	if err != nil && context.Cause(r.ctx) == errSilent {
		err = fmt.Errorf("%w: %v", errSilent, err)
	}
	r.cancel(nil)
	return err
}

// row is one row to be scanned.
type row struct {
	*sql.Row
	s *Store
	r reading
}

// Scan is sql.Row's, and notices storage that cannot be trusted. It ends the read.
func (r row) Scan(dst ...any) error { return r.s.checked(r.r.end(r.Row.Scan(dst...))) }

// row reads one row, which must be scanned.
func (s *Store) row(ctx context.Context, text string, args ...any) (row, error) {
	r := s.reading(ctx)
	st, err := s.reader(r.ctx, s.text(text, 0))
	if err != nil {
		return row{}, s.checked(r.end(err))
	}
	return row{st.QueryRowContext(r.ctx, s.d.single(args)...), s, r}, nil
}

// checked looks at the error of a read. One that shows the storage to be damaged ends the store: what
// it wrote last cannot be trusted either (reliability.md R7).
func (s *Store) checked(err error) error {
	if err != nil && !errors.Is(err, sql.ErrNoRows) && s.d.trouble(err, s.noSpace) == troubleFatal {
		s.fatal(err)
	}
	return err
}

// rows reads rows. vals fill the row source, if the statement has one.
func (s *Store) rows(ctx context.Context, text string, vals, args []any, fn func(*sql.Rows) error) error {
	r := s.reading(ctx)
	return s.checked(r.end(s.scan(r, text, vals, args, fn)))
}

func (s *Store) scan(r reading, text string, vals, args []any, fn func(*sql.Rows) error) error {
	n := 0
	args = s.d.single(args)
	if vals != nil {
		st := parse(text)
		if err := st.check(vals); err != nil {
			return err
		}
		n = len(vals) / len(st.cols)
		if s.d.postgres {
			args = append(st.columns(vals), args...)
		} else {
			args = append(vals, args...)
		}
	}
	st, err := s.reader(r.ctx, s.text(text, n))
	if err != nil {
		return err
	}
	rs, err := st.QueryContext(r.ctx, args...)
	if err != nil {
		return err
	}
	for rs.Next() {
		r.heard()
		if err := fn(rs); err != nil {
			rs.Close()
			return err
		}
	}
	return errors.Join(rs.Err(), rs.Close())
}

// textKey names a rendered text.
type textKey struct {
	text string
	n    int
}

// text renders a statement for the engine, once.
func (s *Store) text(text string, n int) string {
	if s.d.postgres {
		n = 0
	}
	k := textKey{text, n}
	if out, ok := s.texts.Load(k); ok {
		return out.(string)
	}
	out := s.d.render(parse(text), n)
	s.texts.Store(k, out)
	return out
}

func sortJobs(jobs []queue.Job) {
	slices.SortFunc(jobs, func(a, b queue.Job) int {
		if c := a.Due.Compare(b.Due); c != 0 {
			return c
		}
		return cmp.Compare(a.ID, b.ID)
	})
}
