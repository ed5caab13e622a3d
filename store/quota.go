package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"longlines/quota"
)

// leasing is the argument of a kindQuota mutation.
type leasing struct {
	k           quota.Key
	w           quota.Window
	start       int64
	want, limit int64
	got         int64
}

// Lease charges up to want units to a window, never beyond limit in sum.
func (s *Store) Lease(ctx context.Context, k quota.Key, w quota.Window, start time.Time, want, limit int64) (int64, error) {
	l := &leasing{k: k, w: w, start: ms(start), want: want, limit: limit}
	if want <= 0 {
		return 0, nil
	}
	if err := s.do(ctx, kindQuota, l); err != nil {
		return 0, err
	}
	return l.got, nil
}

func (t *tx) lease(batch []*mutation) error {
	list := make([]*leasing, len(batch))
	for i, m := range batch {
		list[i] = m.arg.(*leasing)
	}
	// In one order on all nodes, so that no two wait for each other; leases of one window stay in the
	// order they came.
	slices.SortStableFunc(list, func(a, b *leasing) int {
		return cmp.Or(cmp.Compare(a.k.App, b.k.App), cmp.Compare(a.k.API, b.k.API), cmp.Compare(a.w, b.w), cmp.Compare(a.start, b.start))
	})
	for len(list) > 0 {
		f := list[0]
		n := 1
		for n < len(list) && list[n].k == f.k && list[n].w == f.w && list[n].start == f.start {
			n++
		}
		key := []any{f.k.App, f.k.API, int64(f.w), f.start}
		if _, err := t.exec(`INSERT INTO quota (app, api, win, start, used) VALUES (?,?,?,?,0) ON CONFLICT DO NOTHING`, nil, key[:4:4]...); err != nil {
			return err
		}
		var used int64
		err := t.query(`SELECT used FROM quota WHERE app = ? AND api = ? AND win = ? AND start = ? {lock}`, nil, key[:4:4], func(r *sql.Rows) error {
			return r.Scan(&used)
		})
		if err != nil {
			return err
		}
		for _, l := range list[:n] {
			l.got = max(min(l.want, l.limit-used), 0)
			used += l.got
		}
		if _, err := t.exec(`UPDATE quota SET used = ? WHERE app = ? AND api = ? AND win = ? AND start = ?`, nil, append([]any{used}, key...)...); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// Used returns what has been charged to a window by all nodes.
func (s *Store) Used(ctx context.Context, k quota.Key, w quota.Window, start time.Time) (int64, error) {
	row, err := s.row(ctx, `SELECT used FROM quota WHERE app = ? AND api = ? AND win = ? AND start = ?`, k.App, k.API, int64(w), ms(start))
	if err != nil {
		return 0, err
	}
	var used int64
	if err := row.Scan(&used); err != nil && !none(err) {
		return 0, err
	}
	return used, nil
}
