package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"longlines/id"
)

// pruneStep bounds the rows that one commit erases, so that retention holds nobody up.
const pruneStep = 2000

// Prune erases texts older than content and removes rows older than meta. It works in small steps
// between other commits and may be stopped at any time. A node whose clock is in doubt erases nothing.
func (s *Store) Prune(ctx context.Context, content, meta time.Time) error {
	if err := s.punctual(ctx); err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	top, low := int64(id.At(content)), int64(id.At(meta))
	// What an earlier run of this process has erased need not be read again.
	from := s.erased.Load()
	steps := []struct {
		text string
		args []any
	}{
		{`UPDATE mt SET body = '', crc = -1 WHERE id IN (SELECT id FROM mt WHERE id >= ? AND id < ? AND crc <> -1 AND state >= 10 LIMIT ?)`, []any{from, top}},
		{`UPDATE mo SET body = '', raw = NULL, crc = -1, state = 2 WHERE id IN (SELECT id FROM mo WHERE id >= ? AND id < ? AND crc <> -1 AND state <> 1 LIMIT ?)`, []any{from, top}},
		{`DELETE FROM part WHERE mt IN (SELECT mt FROM part WHERE mt < ? ORDER BY mt LIMIT ?)`, []any{low}},
		{`DELETE FROM mt WHERE id IN (SELECT id FROM mt WHERE id < ? AND state >= 10 LIMIT ?)`, []any{low}},
		{`DELETE FROM mo WHERE id IN (SELECT id FROM mo WHERE id < ? AND state <> 1 LIMIT ?)`, []any{low}},
		{`DELETE FROM attempt WHERE id IN (SELECT id FROM attempt WHERE id < ? LIMIT ?)`, []any{low}},
		{`DELETE FROM request_detail WHERE id IN (SELECT id FROM request_detail WHERE id < ? LIMIT ?)`, []any{low}},
		{`DELETE FROM request WHERE id IN (SELECT id FROM request WHERE id < ? LIMIT ?)`, []any{low}},
	}
	for _, st := range steps {
		if err := s.drain(ctx, st.text, st.args...); err != nil {
			return fmt.Errorf("prune: %w", err)
		}
	}
	// Rows as old as this are final, but for a day or two after a long standstill: leave those a chance.
	s.erased.Store(max(from, int64(id.At(content.Add(-7*24*time.Hour)))))
	return nil
}

// drain repeats a statement, whose last value is how many rows to touch, until it touches fewer.
func (s *Store) drain(ctx context.Context, text string, args ...any) error {
	for {
		var n int64
		err := s.call(ctx, func(t *tx) (err error) {
			n, err = t.exec(text, nil, append(append([]any{}, args...), int64(pruneStep))...)
			return err
		})
		if err != nil || n < pruneStep {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// tokenLife is how long the hash of an expired token is kept (reliability.md §2.5).
const tokenLife = 90 * 24 * time.Hour

// sealedLife is how long the sealed reply to a code or refresh token is kept. Nobody may ask for it after
// ten seconds, and with an old refresh token and a copy of the store one could open one after the other,
// up to the live token (docs/reference/reliability.md §3.7).
const sealedLife = time.Minute

// sweep removes what has served its time: keys, unconfirmed PDUs, old windows, receipts nobody
// claims, changes everybody has seen, spent forms, pushed requests, sealed replies, details of requests.
func (s *Store) sweep(ctx context.Context) error {
	now := s.now()
	if err := s.punctual(ctx); err != nil {
		return err
	}
	steps := []struct {
		text string
		arg  int64
	}{
		{`DELETE FROM idempotency WHERE created < ?
			AND created <= (SELECT max(created) FROM (SELECT created FROM idempotency ORDER BY created LIMIT ?) x)`, ms(now.Add(-keyLife))},
		{`DELETE FROM seen WHERE id IN (SELECT id FROM seen WHERE at < ? LIMIT ?)`, ms(now.Add(-seenLife))},
		{`DELETE FROM quota WHERE start < ?
			AND start <= (SELECT max(start) FROM (SELECT start FROM quota ORDER BY start LIMIT ?) x)`, ms(now.Add(-48 * time.Hour))},
		{`DELETE FROM change WHERE seq IN (SELECT seq FROM change WHERE at < ? ORDER BY seq LIMIT ?)`, ms(now.Add(-time.Hour))},
		{`DELETE FROM once WHERE until < ?
			AND until <= (SELECT max(until) FROM (SELECT until FROM once ORDER BY until LIMIT ?) x)`, ms(now)},
		{`DELETE FROM pushed WHERE id IN (SELECT id FROM pushed WHERE expires < ? ORDER BY id LIMIT ?)`, ms(now)},
		{`UPDATE code SET sealed = NULL WHERE id IN (SELECT id FROM code WHERE sealed IS NOT NULL AND used < ? LIMIT ?)`, ms(now.Add(-sealedLife))},
		{`UPDATE token SET sealed = NULL WHERE id IN (SELECT id FROM token WHERE sealed IS NOT NULL AND rotated < ? LIMIT ?)`, ms(now.Add(-sealedLife))},
		{`DELETE FROM request_detail WHERE id IN (SELECT id FROM request_detail WHERE id < ? ORDER BY id LIMIT ?)`, int64(id.At(now.Add(-s.cfg.RequestDetail)))},
	}
	for _, st := range steps {
		if err := s.drain(ctx, st.text, st.arg); err != nil {
			return err
		}
	}
	for {
		var ids []any
		err := s.call(ctx, func(t *tx) error {
			ids = nil
			err := t.query(`SELECT id FROM orphan WHERE expires < ? ORDER BY id LIMIT ?`, nil, []any{ms(now), int64(pruneStep)}, func(r *sql.Rows) error {
				var n int64
				err := r.Scan(&n)
				ids = append(ids, n)
				return err
			})
			if err != nil {
				return err
			}
			return t.deleteOrphans(ids)
		})
		if err != nil || len(ids) < pruneStep {
			return err
		}
	}
}

// codeLife is how long an expired code is kept that nobody redeemed; one that was is kept with its family, so that its
// second use ends that at any time. signInLife is how long the state of a number is kept that nobody signs in with.
const (
	codeLife   = 24 * time.Hour
	signInLife = 24 * time.Hour
)

// sweepOld removes tokens and codes that expired long ago, sessions that are over, and sign-ins that were
// left. It reads all the old ones, so it is not done often.
func (s *Store) sweepOld(ctx context.Context) error {
	now := s.now()
	if err := s.punctual(ctx); err != nil {
		return err
	}
	token, code := now.Add(-tokenLife), now.Add(-codeLife)
	steps := []struct {
		text string
		args []any
	}{
		{`DELETE FROM token WHERE id IN (SELECT id FROM token WHERE id < ? AND expires > 0 AND expires < ? LIMIT ?)`, []any{int64(id.At(token)), ms(token)}},
		{`DELETE FROM code WHERE id IN (SELECT id FROM code WHERE id < ? AND expires < ?
			AND (used = 0 OR NOT EXISTS (SELECT 1 FROM token f WHERE f.id = code.family)) LIMIT ?)`, []any{int64(id.At(code)), ms(code)}},
		{`DELETE FROM session WHERE id IN (SELECT id FROM session WHERE expires < ? LIMIT ?)`, []any{ms(now)}},
		{`DELETE FROM signin WHERE (level, msisdn) IN (SELECT level, msisdn FROM signin WHERE touched < ? LIMIT ?)`, []any{ms(now.Add(-signInLife))}},
	}
	for _, st := range steps {
		if err := s.drain(ctx, st.text, st.args...); err != nil {
			return err
		}
	}
	return nil
}
