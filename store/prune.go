package store

import (
	"context"
	"fmt"
	"time"

	"longlines/id"
)

// pruneStep bounds the rows that one commit erases, so that retention holds nobody up.
const pruneStep = 2000

// Prune erases texts older than content and removes rows older than meta. It works in small steps
// between other commits and may be stopped at any time.
func (s *Store) Prune(ctx context.Context, content, meta time.Time) error {
	top, low := int64(id.At(content)), int64(id.At(meta))
	steps := []struct {
		text string
		args []any
	}{
		{`UPDATE mt SET body = '', crc = -1 WHERE id IN (SELECT id FROM mt WHERE id < ? AND crc <> -1 AND state >= 10 LIMIT ?)`, []any{top}},
		{`UPDATE mo SET body = '', raw = NULL, crc = -1, state = 2 WHERE id IN (SELECT id FROM mo WHERE id < ? AND crc <> -1 AND state <> 1 LIMIT ?)`, []any{top}},
		{`DELETE FROM part WHERE (mt, part, grp, key) IN (SELECT mt, part, grp, key FROM part WHERE mt < ? LIMIT ?)`, []any{low}},
		{`DELETE FROM mt WHERE id IN (SELECT id FROM mt WHERE id < ? AND state >= 10 LIMIT ?)`, []any{low}},
		{`DELETE FROM mo WHERE id IN (SELECT id FROM mo WHERE id < ? AND state <> 1 LIMIT ?)`, []any{low}},
		{`DELETE FROM attempt WHERE id IN (SELECT id FROM attempt WHERE id < ? LIMIT ?)`, []any{low}},
		{`DELETE FROM request WHERE id IN (SELECT id FROM request WHERE id < ? LIMIT ?)`, []any{low}},
	}
	for _, st := range steps {
		if err := s.drain(ctx, st.text, st.args...); err != nil {
			return fmt.Errorf("prune: %w", err)
		}
	}
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

// sweep removes what has served its time: keys, unconfirmed PDUs, old windows, receipts nobody
// claims, changes everybody has seen, long expired tokens.
func (s *Store) sweep(ctx context.Context) error {
	now := s.now()
	steps := []struct {
		text string
		arg  int64
	}{
		{`DELETE FROM idempotency WHERE (app, scope, key) IN (SELECT app, scope, key FROM idempotency WHERE created < ? LIMIT ?)`, ms(now.Add(-keyLife))},
		{`DELETE FROM seen WHERE id IN (SELECT id FROM seen WHERE at < ? LIMIT ?)`, ms(now.Add(-seenLife))},
		{`DELETE FROM quota WHERE (app, api, win, start) IN (SELECT app, api, win, start FROM quota WHERE start < ? LIMIT ?)`, ms(now.Add(-48 * time.Hour))},
		{`DELETE FROM orphan_key WHERE orphan IN (SELECT id FROM orphan WHERE expires < ? ORDER BY id LIMIT ?)`, ms(now)},
		{`DELETE FROM orphan WHERE id IN (SELECT id FROM orphan WHERE expires < ? ORDER BY id LIMIT ?)`, ms(now)},
		{`DELETE FROM change WHERE seq IN (SELECT seq FROM change WHERE at < ? ORDER BY seq LIMIT ?)`, ms(now.Add(-time.Hour))},
		{`DELETE FROM token WHERE id IN (SELECT id FROM token WHERE id < ? AND expires < ` + fmt.Sprint(ms(now.Add(-tokenLife))) + ` LIMIT ?)`, int64(id.At(now.Add(-tokenLife)))},
	}
	for _, st := range steps {
		if err := s.drain(ctx, st.text, st.arg); err != nil {
			return err
		}
	}
	return nil
}
