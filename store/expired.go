package store

import (
	"context"
	"database/sql"

	"longlines/id"
	"longlines/queue"
)

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
