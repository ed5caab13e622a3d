package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"math"
	"strings"
	"time"

	"longlines/app"
	"longlines/gateway"
	"longlines/id"
)

// maxDetails is how many records may wait before those that come lose their detail: it is many times
// the size of the rest.
const maxDetails = 1000

// Record keeps a call's record some time soon. It never blocks; when too many wait its detail is
// dropped, and when far too many do the record is, and counted.
func (s *Store) Record(r gateway.Record) {
	s.later(func(l *lazy) bool {
		if len(l.records) >= maxRecords {
			return false
		}
		if len(l.records) >= maxDetails {
			r.Detail = ""
		}
		l.records = append(l.records, r)
		return true
	})
}

func (t *tx) insertRecords(list []gateway.Record) error {
	v := t.vals[:0]
	for i := range list {
		r := &list[i]
		v = append(v, int64(r.ID), int64(r.App), r.API, r.Operation, clean(r.Method), clean(r.Path), int64(r.Status), r.Code, r.Case, int64(r.Subject), r.Remote,
			r.Took.Microseconds())
	}
	_, err := t.exec(`WITH {r id int, app int, api text, operation text, method text, path text, status int, code text, cause text, subject int,
			remote text, took int}
		INSERT INTO request (id, app, api, operation, method, path, status, code, cause, subject, remote, took)
		SELECT id, app, api, operation, method, path, status, code, cause, subject, remote, took FROM r WHERE true ON CONFLICT DO NOTHING`, v)
	if err != nil {
		return err
	}
	v = v[:0]
	for i := range list {
		if r := &list[i]; r.Detail != "" {
			v = append(v, int64(r.ID), clean(r.Detail))
		}
	}
	_, err = t.exec(`WITH {r id int, wire text} INSERT INTO request_detail (id, wire) SELECT id, wire FROM r WHERE true ON CONFLICT DO NOTHING`, v)
	t.vals = v[:0]
	return err
}

const requestColumns = `id, app, api, operation, method, path, status, code, cause, subject, remote, took`

func scanRequest(r interface{ Scan(...any) error }) (q gateway.Record, err error) {
	var took int64
	err = r.Scan(&q.ID, &q.App, &q.API, &q.Operation, &q.Method, &q.Path, &q.Status, &q.Code, &q.Case, &q.Subject, &q.Remote, &took)
	q.Took = time.Duration(took) * time.Microsecond
	return q, err
}

// Request reads a call's record with its detail, for the operator.
func (s *Store) Request(ctx context.Context, n id.Number) (r gateway.Record, ok bool, err error) {
	row, err := s.row(ctx, `SELECT `+requestColumns+` FROM request WHERE id = ?`, int64(n))
	if err != nil {
		return r, false, err
	}
	if r, err = scanRequest(row); none(err) {
		return gateway.Record{}, false, nil
	}
	if err != nil {
		return gateway.Record{}, false, err
	}
	if row, err = s.row(ctx, `SELECT wire FROM request_detail WHERE id = ?`, int64(n)); err == nil {
		err = row.Scan(&r.Detail)
	}
	if err != nil && !none(err) {
		return gateway.Record{}, false, err
	}
	return r, true, nil
}

// maxLook bounds how many records a filter looks at. There is no index beside the number, because a call's
// record must cost next to nothing.
const maxLook = 100_000

// Requests reads, for the operator, the newest n records that fit before a number (0: the newest), newest
// first, without their details. It looks at no more than the 100,000 newest before the number in the filter's time.
func (s *Store) Requests(ctx context.Context, f gateway.RequestFilter, before id.Number, n int) ([]gateway.Record, error) {
	// A number's upper part is the time it was drawn.
	var since int64
	until := newest(before)
	if !f.Since.IsZero() {
		since = int64(id.At(f.Since))
	}
	if !f.Until.IsZero() {
		until = min(until, int64(id.At(f.Until)))
	}
	args := []any{since, until, int64(maxLook)}
	var where []string
	add := func(cond string, v any) { where, args = append(where, cond), append(args, v) }
	if f.App != 0 {
		add(`app = ?`, int64(f.App))
	}
	if f.Code != "" {
		add(`code = ?`, f.Code)
	}
	if f.Operation != "" {
		add(`operation = ?`, f.Operation)
	}
	if f.StatusFrom != 0 {
		add(`status >= ?`, int64(f.StatusFrom))
	}
	if f.StatusTo != 0 {
		add(`status <= ?`, int64(f.StatusTo))
	}
	text := `SELECT ` + requestColumns + ` FROM (SELECT ` + requestColumns + ` FROM request WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?) q`
	if len(where) > 0 {
		text += ` WHERE ` + strings.Join(where, ` AND `)
	}
	var out []gateway.Record
	err := s.rows(ctx, text+` ORDER BY id DESC LIMIT ?`, nil, append(args, int64(n)), func(r *sql.Rows) error {
		q, err := scanRequest(r)
		out = append(out, q)
		return err
	})
	return out, err
}

// newest makes "before 0" before everything.
func newest(before id.Number) int64 {
	if before <= 0 {
		return math.MaxInt64
	}
	return int64(before)
}

// SavedAnswer reads the answer for the tenant's key in a scope, if it is not older than 24 h.
func (s *Store) SavedAnswer(ctx context.Context, of app.Tenant, scope, key string) (v gateway.Saved, ok bool, err error) {
	row, err := s.row(ctx, `SELECT fingerprint, ref, status, header, body, created FROM idempotency
		WHERE app = ? AND scope = ? AND key = ? AND created >= ?`, int64(of.App()), scope, key, ms(s.now().Add(-keyLife)))
	if err != nil {
		return v, false, err
	}
	var print []byte
	var header string
	var created int64
	err = row.Scan(&print, &v.Ref, &v.Status, &header, &v.Body, &created)
	if none(err) {
		return v, false, nil
	}
	if err != nil {
		return v, false, err
	}
	copy(v.Fingerprint[:], print)
	v.Created = at(created)
	if header != "" {
		err = json.Unmarshal([]byte(header), &v.Header)
	}
	return v, err == nil, err
}

// saving is the argument of a kindSave mutation.
type saving struct {
	idempotent
	v      gateway.Saved
	header string
}

// SaveAnswer stores the answer. The row may be there already without one; its Ref stands. One of another
// fingerprint is of another request, perhaps on another node, and stays as it is.
func (s *Store) SaveAnswer(ctx context.Context, of app.Tenant, scope, key string, v gateway.Saved) error {
	if of == (app.Tenant{}) {
		return errTenant
	}
	header := ""
	if len(v.Header) > 0 {
		b, err := json.Marshal(v.Header)
		if err != nil {
			return err
		}
		header = string(b)
	}
	return s.do(ctx, kindSave, &saving{idempotent{of.App(), scope, key}, v, header})
}

func (t *tx) save(batch []*mutation) error {
	v := t.vals[:0]
	seen := map[idempotent]bool{}
	for _, m := range batch {
		s := m.arg.(*saving)
		if seen[s.idempotent] {
			continue // the first answer of two stands
		}
		seen[s.idempotent] = true
		v = append(v, int64(s.app), s.scope, s.key, int64(s.v.Ref), s.v.Fingerprint[:], int64(s.v.Status), s.header, s.v.Body, ms(orNow(s.v.Created, t.now)))
	}
	t.vals = v
	old := ms(t.now.Add(-keyLife)) // an answer whose time is over gives way, whether it has been pruned or not
	_, err := t.exec(`WITH {r app int, scope text, key text, ref int, fingerprint blob, status int, header text, body blob, created int}
		INSERT INTO idempotency (app, scope, key, ref, fingerprint, status, header, body, created)
		SELECT app, scope, key, ref, fingerprint, status, header, body, created FROM r WHERE true
		ON CONFLICT (app, scope, key) DO UPDATE SET status = excluded.status, header = excluded.header, body = excluded.body,
			fingerprint = excluded.fingerprint,
			ref = CASE WHEN idempotency.ref = 0 OR idempotency.created < ? THEN excluded.ref ELSE idempotency.ref END,
			created = CASE WHEN idempotency.created < ? THEN excluded.created ELSE idempotency.created END
			WHERE idempotency.fingerprint = excluded.fingerprint OR idempotency.created < ?`, v, old, old, old)
	return err
}
