package store

import (
	"context"
	"database/sql"

	"longlines/callback"
	"longlines/id"
)

// Attempted records an attempt and ends its job or sets it due again. The outcome of a job that is no
// longer ours is dropped.
func (s *Store) Attempted(ctx context.Context, a callback.Attempt) error {
	return s.do(ctx, kindAttempted, &a)
}

func (t *tx) attempted(batch []*mutation) error {
	v := t.vals[:0]
	for _, m := range batch {
		if a := m.arg.(*callback.Attempt); a.Job.ID != 0 {
			v = append(v, int64(a.Job.ID))
		}
	}
	t.vals = v
	ours := make(map[id.Number]bool, len(batch))
	err := t.query(`WITH {r id int} SELECT job.id FROM r JOIN job ON job.id = r.id AND job.owner = ? {lock of job}`, v, []any{t.s.self},
		func(r *sql.Rows) error {
			var n int64
			err := r.Scan(&n)
			ours[id.Number(n)] = true
			return err
		})
	if err != nil {
		return err
	}
	var rows, ended, given, inbox []any
	for _, m := range batch {
		a := m.arg.(*callback.Attempt)
		if a.Job.ID != 0 {
			if !ours[a.Job.ID] {
				continue
			}
			delete(ours, a.Job.ID) // one outcome for each lease
			if a.Done || a.Next.IsZero() {
				ended = append(ended, int64(a.Job.ID))
			} else {
				given = t.appendRetry(given, a.Job, a.Next)
			}
		}
		if a.ToInbox {
			inbox = append(inbox, int64(a.Subject))
		}
		rows = append(rows, int64(t.s.ids.Next()), int64(a.Subject), int64(a.App), int64(a.Job.ID), a.What, a.URL, int64(a.Number), ms(a.At),
			int64(a.Status), clean(a.Error), clean(a.Reply), a.Duration.Microseconds(), ms(a.Next), flag(a.Done))
	}
	if err := t.endJobs(ended); err != nil {
		return err
	}
	if err := t.giveJobs(given); err != nil {
		return err
	}
	if _, err := t.exec(`WITH {r id int} UPDATE mo SET state = 0, pushed = 0 WHERE id IN (SELECT id FROM r) AND state = 3`, inbox); err != nil {
		return err
	}
	_, err = t.exec(`WITH {r id int, subject int, app int, job int, what text, url text, number int, at int, status int, error text, reply text,
			took int, next int, done int}
		INSERT INTO attempt (id, subject, app, job, what, url, number, at, status, error, reply, took, next, done)
		SELECT id, subject, app, job, what, url, number, at, status, error, reply, took, next, done FROM r`, rows)
	return err
}
