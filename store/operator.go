package store

import (
	"context"
	"database/sql"

	"longlines/audit"
	"longlines/number"
	"longlines/sms"
)

// What an operator does and asks beyond what the rules need.

// Note makes the audit entry of ctx durable by itself: of an act that changes no row, or whose change is
// a hot write, which carries none. It does nothing if ctx has no entry or has carried it already.
func (s *Store) Note(ctx context.Context) error {
	if _, ok := audit.From(ctx); !ok {
		return nil
	}
	return s.call(ctx, func(*tx) error { return nil })
}

// OptOutsOf reads those of one subscriber that stand. It looks through all: an operator asks now and then.
func (s *Store) OptOutsOf(ctx context.Context, m number.MSISDN) ([]sms.OptOut, error) {
	var out []sms.OptOut
	err := s.rows(ctx, `SELECT app, word, at FROM optout WHERE msisdn = ? ORDER BY app`, nil, []any{string(m)}, func(r *sql.Rows) error {
		o := sms.OptOut{From: m}
		var when int64
		err := r.Scan(&o.App, &o.Word, &when)
		o.At = at(when)
		out = append(out, o)
		return err
	})
	return out, err
}
