package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"

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

// row is one row to be scanned.
type row struct {
	*sql.Row
	s *Store
}

// Scan is sql.Row's, and notices storage that cannot be trusted.
func (r row) Scan(dst ...any) error { return r.s.checked(r.Row.Scan(dst...)) }

// row reads one row.
func (s *Store) row(ctx context.Context, text string, args ...any) (row, error) {
	st, err := s.reader(ctx, s.text(text, 0))
	if err != nil {
		return row{}, s.checked(err)
	}
	return row{st.QueryRowContext(ctx, s.d.single(args)...), s}, nil
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
	return s.checked(s.scan(ctx, text, vals, args, fn))
}

func (s *Store) scan(ctx context.Context, text string, vals, args []any, fn func(*sql.Rows) error) error {
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
	st, err := s.reader(ctx, s.text(text, n))
	if err != nil {
		return err
	}
	rs, err := st.QueryContext(ctx, args...)
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
