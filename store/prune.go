package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"longlines/id"
)

const (
	pruneStep = 2000  // rows, the most that one commit looks at or erases, so that retention holds nobody up
	readStep  = 20000 // and one read beside the committer, so that an answer never takes long
)

// The marks of retention: rows of meta that outlive the process.
const (
	markErasedMT = "erased mt" // below it no recipient has a text
	markErasedMO = "erased mo" // nor a text from a handset
	markFinalMT  = "final mt"  // below it every recipient's state is final
)

// lateRow is how old a row's number can be when the row is stored, and much more.
const lateRow = 24 * time.Hour

// Prune erases texts older than content and removes rows older than meta. It works in small steps
// between other commits and may be stopped at any time; the next call, on whichever node, goes on from
// there. A node whose clock is in doubt erases nothing.
func (s *Store) Prune(ctx context.Context, content, meta time.Time) error {
	if err := s.punctual(ctx); err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	if err := s.prune(ctx, content, meta); err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	return nil
}

func (s *Store) prune(ctx context.Context, content, meta time.Time) error {
	// What look-ups have found out is kept here, since they do not write.
	if err := s.keepMark(ctx, markFinalMT, s.low.Load()); err != nil {
		return err
	}
	// A lease that is over ends where its code is polled again, which may be never.
	const unleased = "(state <> 1 OR leased <= ?)"
	now := []any{ms(s.now())}
	for _, e := range []erasure{
		{markErasedMT, "mt", "body = '', crc = -1", "state >= 10", nil},
		{markErasedMO, "mo", "body = '', raw = NULL, crc = -1, state = 2", unleased, now},
	} {
		if err := s.erase(ctx, e, content); err != nil {
			return err
		}
	}
	for _, r := range []struct {
		table, key, where string
		args              []any
	}{
		{"part", "mt", "true", nil},
		{"mt", "id", "state >= 10", nil},
		{"mo", "id", unleased, now},
		{"attempt", "id", "true", nil},
		{"request_detail", "id", "true", nil},
		{"request", "id", "true", nil},
	} {
		text := "DELETE FROM " + r.table + " WHERE " + r.key + " >= ? AND " + r.key + " <= ? AND " + r.where
		err := s.steps(ctx, r.table, r.key, 0, int64(id.At(meta)), pruneStep, func(first, last int64) (bool, error) {
			return true, s.call(ctx, func(t *tx) error {
				_, err := t.exec(text, nil, append([]any{first, last}, r.args...)...)
				return err
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// erasure says how the texts of a table are erased, and of which rows they may be.
type erasure struct {
	mark, table, set, where string
	args                    []any
}

// erase erases the texts of a table that are older than content, and sets its mark to the first row that still has
// one. It looks for them beside the committer, which hears only of steps with something to erase.
func (s *Store) erase(ctx context.Context, e erasure, content time.Time) error {
	from, err := s.mark(ctx, e.mark)
	if err != nil {
		return err
	}
	// Rows may yet come below the end: late ones, and those of texts whose segments have waited (see JoinStale).
	limit := int64(id.At(content.Add(-lateRow)))
	var segment sql.NullInt64
	if err := s.value(ctx, &segment, `SELECT min(id) FROM mo_part`); err != nil {
		return err
	}
	if segment.Valid {
		limit = min(limit, segment.Int64)
	}
	text := "UPDATE " + e.table + " SET " + e.set + " WHERE id >= ? AND id <= ? AND crc <> -1 AND " + e.where
	some := "SELECT max(id) FROM " + e.table + " WHERE id >= ? AND id <= ? AND crc <> -1 AND " + e.where
	left := "SELECT min(id) FROM " + e.table + " WHERE id >= ? AND id <= ? AND crc <> -1"
	done, held, n := from, false, 0
	err = s.steps(ctx, e.table, "id", from, int64(id.At(content)), pruneStep, func(first, last int64) (bool, error) {
		args := append([]any{first, last}, e.args...)
		var found, kept sql.NullInt64
		err := s.value(ctx, &found, some, args...)
		if err == nil && found.Valid {
			err = s.call(ctx, func(t *tx) error {
				_, err := t.exec(text, nil, args...)
				return err
			})
		}
		if err != nil || held {
			return true, err
		}
		if err := s.value(ctx, &kept, left, first, last); err != nil {
			return false, err
		}
		if held = kept.Valid; held {
			done = kept.Int64
		} else {
			done = last + 1
		}
		if n++; n%50 == 0 {
			return true, s.keepMark(ctx, e.mark, min(done, limit))
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	return s.keepMark(ctx, e.mark, min(done, limit))
}

// firstOpen is the first recipient below top whose state is not final, or a row below which there is none.
func (s *Store) firstOpen(ctx context.Context, top int64) (int64, error) {
	from := s.low.Load()
	if from == 0 {
		var err error
		if from, err = s.mark(ctx, markFinalMT); err != nil {
			return 0, err
		}
	}
	err := s.steps(ctx, "mt", "id", from, top, readStep, func(first, last int64) (bool, error) {
		var open sql.NullInt64
		if err := s.value(ctx, &open, `SELECT min(id) FROM mt WHERE id >= ? AND id <= ? AND state < 10`, first, last); err != nil {
			return false, err
		}
		if from = last + 1; open.Valid {
			from = open.Int64
		}
		s.low.Store(from)
		return !open.Valid, nil
	})
	return from, err
}

// steps goes through the rows of a table from one number to below another, n at a time: fn gets the first number and the
// last of a step and says whether to go on. There may be months of rows between two that matter, which no single
// statement should read: not in the committer, where all writers wait, nor beside it, where the server must be heard of
// (see reading).
func (s *Store) steps(ctx context.Context, table, key string, from, to, n int64, fn func(first, last int64) (bool, error)) error {
	text := "SELECT max(" + key + ") FROM (SELECT " + key + " FROM " + table + " WHERE " + key + " >= ? AND " + key + " < ? ORDER BY " + key + " LIMIT ?) x"
	for from < to {
		var last sql.NullInt64
		if err := s.value(ctx, &last, text, from, to, n); err != nil || !last.Valid {
			return err
		}
		if on, err := fn(from, last.Int64); err != nil || !on {
			return err
		}
		from = last.Int64 + 1
	}
	return nil
}

// value reads one number, which may be none.
func (s *Store) value(ctx context.Context, n *sql.NullInt64, text string, args ...any) error {
	row, err := s.row(ctx, text, args...)
	if err != nil {
		return err
	}
	return row.Scan(n)
}

// mark reads a mark; 0 if it was never set, or by a clock that was wrong.
func (s *Store) mark(ctx context.Context, name string) (int64, error) {
	row, err := s.row(ctx, `SELECT value FROM meta WHERE name = ?`, name)
	if err != nil {
		return 0, err
	}
	var b []byte
	if err := row.Scan(&b); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	if len(b) != 8 {
		return 0, nil
	}
	n := int64(binary.BigEndian.Uint64(b))
	if n > int64(id.At(s.now())) {
		return 0, nil
	}
	return n, nil
}

// keepMark keeps a mark that has risen. Whatever node it was that came furthest, it holds for all.
func (s *Store) keepMark(ctx context.Context, name string, n int64) error {
	if old, err := s.mark(ctx, name); err != nil || n <= old {
		return err
	}
	return s.call(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT INTO meta (name, value) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE meta.value < excluded.value`, nil,
			name, binary.BigEndian.AppendUint64(nil, uint64(n)))
		return err
	})
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
// second use ends that at any time. signInLife is how long the state of a number is kept that nobody signs in with: if it
// were short, whoever guesses PINs would wait for it. It is longer than any lock. Where nothing is open, answeredLife will do.
const (
	codeLife     = 24 * time.Hour
	signInLife   = 30 * 24 * time.Hour
	answeredLife = 24 * time.Hour
)

// sweepTokens removes tokens that expired long ago. The first one of a family says whether the others are good (see
// [Store.Token]), so it stays while an access token of it lives. All of them were issued before it expired, so where it is
// old they are too; a day is for clocks.
func (s *Store) sweepTokens(ctx context.Context, now time.Time) error {
	const members = `FROM token WHERE id < ? AND kind = 1 AND family <> 0 AND expires >= ?`
	old := now.Add(-tokenLife)
	text, args := `SELECT id FROM token WHERE id < ? AND expires > 0 AND expires < ?`, []any{int64(id.At(old)), ms(old)}
	living := []any{int64(id.At(old.Add(24 * time.Hour))), ms(now)}
	// There are such members only where access_life is over tokenLife. To pass them over is a walk more for each step, in
	// a commit, so whether it is needed is read before.
	row, err := s.row(ctx, `SELECT EXISTS (SELECT 1 `+members+`)`, living...)
	if err != nil {
		return err
	}
	var late bool
	if err := row.Scan(&late); err != nil {
		return err
	}
	if late {
		text = `SELECT o.id FROM (` + text + `) o LEFT JOIN (SELECT DISTINCT family ` + members + `) m ON m.family = o.id WHERE m.family IS NULL`
		args = append(args, living...)
	}
	return s.drain(ctx, `DELETE FROM token WHERE id IN (`+text+` LIMIT ?)`, args...)
}

// sweepOld removes tokens and codes that expired long ago, sessions that are over, and sign-ins that were
// left. It reads all the old ones, so it is not done often.
func (s *Store) sweepOld(ctx context.Context) error {
	now := s.now()
	if err := s.punctual(ctx); err != nil {
		return err
	}
	if err := s.sweepTokens(ctx, now); err != nil {
		return err
	}
	code := now.Add(-codeLife)
	steps := []struct {
		text string
		args []any
	}{
		{`DELETE FROM code WHERE id IN (SELECT id FROM code WHERE id < ? AND expires < ?
			AND (used = 0 OR NOT EXISTS (SELECT 1 FROM token f WHERE f.id = code.family)) LIMIT ?)`, []any{int64(id.At(code)), ms(code)}},
		{`DELETE FROM session WHERE id IN (SELECT id FROM session WHERE expires < ? LIMIT ?)`, []any{ms(now)}},
		{`DELETE FROM signin WHERE (level, msisdn) IN (SELECT level, msisdn FROM signin
			WHERE touched < ? AND (state = ? OR touched < ?) LIMIT ?)`, []any{ms(now.Add(-answeredLife)), noSignIn, ms(now.Add(-signInLife))}},
	}
	for _, st := range steps {
		if err := s.drain(ctx, st.text, st.args...); err != nil {
			return err
		}
	}
	return nil
}
