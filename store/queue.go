package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"longlines/id"
	"longlines/queue"
)

// addJob adds a job with the commit: held by this incarnation or free for whoever claims it.
func (t *tx) addJob(j *queue.Job) {
	if j.ID == 0 {
		j.ID = t.s.ids.Next()
	}
	t.jobs = append(t.jobs, j)
}

// dueMS is when a job is due: at its Due, and no later than its Until, when it must be settled as
// expired. So one index finds both.
func dueMS(due, until time.Time) int64 {
	if !until.IsZero() && until.Before(due) {
		due = until
	}
	return ms(due)
}

func (t *tx) insertJobs() error {
	v := t.vals[:0]
	for _, j := range t.jobs {
		owner := int64(0)
		if j.Held {
			owner = t.s.self
		}
		v = append(v, int64(j.ID), int64(j.Kind), j.Lane, int64(j.Ref), dueMS(j.Due, j.Until), ms(j.Until), int64(j.Attempt), int64(j.Crashes), owner, sealPayload(j.Payload))
	}
	_, err := t.exec(`WITH {r id int, kind int, lane text, ref int, due int, until int, attempt int, crashes int, owner int, payload blob}
		INSERT INTO job (id, kind, lane, ref, due, until, attempt, crashes, owner, payload)
		SELECT id, kind, lane, ref, due, until, attempt, crashes, owner, payload FROM r`, v)
	t.vals = v[:0]
	return err
}

// endJobs removes jobs that are still ours.
func (t *tx) endJobs(ids []any) error {
	_, err := t.exec(`WITH {r id int} DELETE FROM job WHERE id IN (SELECT id FROM r) AND owner = ?`, ids, t.s.self)
	return err
}

// appendRetry adds a row for giveJobs.
func (t *tx) appendRetry(v []any, j queue.Job, due time.Time) []any {
	return append(v, int64(j.ID), j.Lane, dueMS(due, j.Until), ms(j.Until), int64(j.Attempt), int64(j.Crashes))
}

// giveJobs gives back jobs that are still ours.
func (t *tx) giveJobs(v []any) error {
	_, err := t.exec(`WITH {r id int, lane text, due int, until int, attempt int, crashes int}
		UPDATE job SET owner = 0, lane = r.lane, due = r.due, until = r.until, attempt = r.attempt, crashes = r.crashes
		FROM r WHERE job.id = r.id AND job.owner = ?`, v, t.s.self)
	return err
}

// Retry gives jobs back as they now are.
func (s *Store) Retry(ctx context.Context, jobs ...queue.Job) error {
	if len(jobs) == 0 {
		return nil
	}
	return s.do(ctx, kindRetry, jobs)
}

// Release gives jobs back, due at once.
func (s *Store) Release(ctx context.Context, jobs ...queue.Job) error {
	if len(jobs) == 0 {
		return nil
	}
	free := make([]queue.Job, len(jobs))
	for i, j := range jobs {
		j.Due = s.now()
		free[i] = j
	}
	return s.do(ctx, kindRetry, free)
}

func (t *tx) retry(batch []*mutation) error {
	v := t.vals[:0]
	seen := map[id.Number]bool{}
	for _, m := range batch {
		for _, j := range m.arg.([]queue.Job) {
			if !seen[j.ID] {
				seen[j.ID] = true
				v = t.appendRetry(v, j, j.Due)
			}
		}
	}
	t.vals = v
	return t.giveJobs(v)
}

// claiming is the argument of a kindClaim mutation.
type claiming struct {
	kind queue.Kind
	lane string
	n    int
	jobs []queue.Job
}

// Claim leases due jobs, oldest first. A node whose clock or connection is in doubt claims nothing.
func (s *Store) Claim(ctx context.Context, kind queue.Kind, lane string, n int) ([]queue.Job, error) {
	if err := s.skewed.Load(); err != nil {
		return nil, *err
	}
	if n <= 0 {
		return nil, nil
	}
	c := &claiming{kind: kind, lane: lane, n: n}
	if err := s.do(ctx, kindClaim, c); err != nil {
		return nil, err
	}
	return c.jobs, nil
}

// ClaimExpired leases unowned jobs whose Until is over. No index finds them among all that wait for a link which is
// down, so they are looked for beside the committer, and only taken in it.
func (s *Store) ClaimExpired(ctx context.Context, kind queue.Kind, lane string, n int) ([]queue.Job, error) {
	if err := s.skewed.Load(); err != nil {
		return nil, *err
	}
	var over []any
	now := ms(s.now())
	err := s.rows(ctx, `SELECT id FROM job WHERE owner = 0 AND kind = ? AND lane = ? AND due <= ? AND until > 0 AND until <= ? ORDER BY due LIMIT ?`, nil,
		[]any{int64(kind), lane, now, now, int64(n)}, func(r *sql.Rows) error {
			var n id.Number
			err := r.Scan(&n)
			over = append(over, int64(n))
			return err
		})
	if err != nil || len(over) == 0 {
		return nil, err
	}
	var jobs []queue.Job
	err = s.do(ctx, kindFunc, func(t *tx) error {
		jobs = nil
		return t.query(`WITH {r id int} UPDATE job SET owner = ? WHERE id IN (
				SELECT id FROM job WHERE id IN (SELECT id FROM r) AND owner = 0 ORDER BY id {skip})
			RETURNING id, kind, lane, ref, due, until, attempt, crashes, payload`, over, []any{s.self}, func(r *sql.Rows) error {
			j, err := s.scanJob(r)
			jobs = append(jobs, j)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	sortJobs(jobs)
	return jobs, nil
}

func (t *tx) claim(batch []*mutation) error {
	for _, m := range batch {
		c := m.arg.(*claiming)
		c.jobs = nil
		err := t.query(`UPDATE job SET owner = ? WHERE id IN (
				SELECT id FROM job WHERE owner = 0 AND kind = ? AND lane = ? AND due <= ? ORDER BY due LIMIT ? {skip})
			RETURNING id, kind, lane, ref, due, until, attempt, crashes, payload`, nil,
			[]any{t.s.self, int64(c.kind), c.lane, ms(t.now), int64(c.n)}, func(r *sql.Rows) error {
				j, err := t.s.scanJob(r)
				c.jobs = append(c.jobs, j)
				return err
			})
		if err != nil {
			return err
		}
		sortJobs(c.jobs)
	}
	return nil
}

// sealPayload puts a payload's CRC-32C in front of it: what is posted carries people's texts
// (reliability.md P5).
func sealPayload(b []byte) []byte {
	if b == nil {
		return nil
	}
	out := make([]byte, 4, 4+len(b))
	binary.BigEndian.PutUint32(out, crc32.Checksum(b, castagnoli))
	return append(out, b...)
}

// openPayload is the way back; nil if the sum does not fit.
func openPayload(b []byte) []byte {
	if len(b) < 4 || binary.BigEndian.Uint32(b) != crc32.Checksum(b[4:], castagnoli) {
		return nil
	}
	return b[4:]
}

// scanJob reads a job. One whose payload does not fit its checksum comes without: its worker ends it.
func (s *Store) scanJob(r *sql.Rows) (j queue.Job, err error) {
	var n, kind, ref, due, until int64
	var payload []byte
	if err := r.Scan(&n, &kind, &j.Lane, &ref, &due, &until, &j.Attempt, &j.Crashes, &payload); err != nil {
		return j, err
	}
	if payload != nil {
		if j.Payload = openPayload(payload); j.Payload == nil {
			s.log.Error("a job's payload does not fit its checksum and is dropped", "job", n)
		}
	}
	j.ID, j.Kind, j.Ref, j.Due, j.Until, j.Held = id.Number(n), queue.Kind(kind), id.Number(ref), at(due), at(until), true
	return j, nil
}

// Due lists the lanes of a kind that have due, unowned jobs. It steps from lane to lane in the index,
// however many jobs each has.
func (s *Store) Due(ctx context.Context, kind queue.Kind) ([]string, error) {
	if err := s.dead.Load(); err != nil {
		return nil, *err
	}
	var out []string
	err := s.rows(ctx, `WITH RECURSIVE l(lane) AS (
			SELECT min(lane) FROM job WHERE owner = 0 AND kind = ?
			UNION ALL
			SELECT (SELECT min(job.lane) FROM job WHERE job.owner = 0 AND job.kind = ? AND job.lane > l.lane) FROM l WHERE l.lane IS NOT NULL)
		SELECT lane FROM l WHERE lane IS NOT NULL
			AND EXISTS (SELECT 1 FROM job WHERE job.owner = 0 AND job.kind = ? AND job.lane = l.lane AND job.due <= ?)`, nil,
		[]any{int64(kind), int64(kind), int64(kind), ms(s.now())}, func(r *sql.Rows) error {
			var lane string
			err := r.Scan(&lane)
			out = append(out, lane)
			return err
		})
	return out, err
}

// errNone is what a single-row read gives for no row.
var errNone = sql.ErrNoRows

func none(err error) bool { return errors.Is(err, errNone) }
