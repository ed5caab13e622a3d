package store

import (
	"context"
	"database/sql"
	"encoding/json"

	"longlines/app"
	"longlines/id"
	"longlines/number"
	"longlines/oauth"
)

// noSignIn is the state of a number of which nothing is open: its zero value, as encoding/json writes it.
const noSignIn = "{}"

// EditSignIn changes a number's state in one commit: no other edit of it comes in between, on any node.
// edit's error is returned, and does not undo what it changed.
func (s *Store) EditSignIn(ctx context.Context, level app.Level, m number.MSISDN, edit func(*oauth.SignIn) error) error {
	var verdict error
	err := s.do(ctx, kindFunc, func(t *tx) error {
		// A row that is not there cannot be locked.
		key := []any{string(level), string(m)}
		if _, err := t.exec(`INSERT INTO signin (level, msisdn, state, touched) VALUES (?,?,?,0) ON CONFLICT DO NOTHING`, nil, key[0], key[1], noSignIn); err != nil {
			return err
		}
		var text []byte
		err := t.query(`SELECT state FROM signin WHERE level = ? AND msisdn = ? {lock}`, nil, key[:2:2], func(r *sql.Rows) error { return r.Scan(&text) })
		if err != nil {
			return err
		}
		var st oauth.SignIn
		if err := json.Unmarshal(text, &st); err != nil {
			return err
		}
		verdict = edit(&st)
		if text, err = json.Marshal(st); err != nil {
			return err
		}
		_, err = t.exec(`UPDATE signin SET state = ?, touched = ? WHERE level = ? AND msisdn = ?`, nil, string(text), ms(t.now), key[0], key[1])
		return err
	})
	if err != nil {
		return err
	}
	return verdict
}

const sessionColumns = `id, hash, subscriber, level, created, expires, agent`

func scanSession(r interface{ Scan(...any) error }) (s oauth.Session, err error) {
	var hash []byte
	var created, expires int64
	err = r.Scan(&s.ID, &hash, &s.Subscriber, &s.Level, &created, &expires, &s.Agent)
	copy(s.Hash[:], hash)
	s.Created, s.Expires = at(created), at(expires)
	return s, err
}

// PutSession keeps a browser that is remembered.
func (s *Store) PutSession(ctx context.Context, e oauth.Session) error {
	return s.do(ctx, kindFunc, func(t *tx) error {
		_, err := t.exec(`INSERT INTO session (id, hash, subscriber, level, created, expires, agent) VALUES (?,?,?,?,?,?,?)
			ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, expires = excluded.expires, agent = excluded.agent`, nil,
			int64(e.ID), e.Hash[:], string(e.Subscriber), string(e.Level), ms(e.Created), ms(e.Expires), clean(e.Agent))
		return err
	})
}

// Session reads a session, living or not; ok is false if there is none.
func (s *Store) Session(ctx context.Context, n id.Number) (e oauth.Session, ok bool, err error) {
	row, err := s.row(ctx, `SELECT `+sessionColumns+` FROM session WHERE id = ?`, int64(n))
	if err != nil {
		return e, false, err
	}
	if e, err = scanSession(row); none(err) {
		return oauth.Session{}, false, nil
	}
	return e, err == nil, err
}

// Sessions reads a subscriber's living ones, newest first, at most 100.
func (s *Store) Sessions(ctx context.Context, level app.Level, m number.MSISDN) ([]oauth.Session, error) {
	var out []oauth.Session
	err := s.rows(ctx, `SELECT `+sessionColumns+` FROM session WHERE subscriber = ? AND level = ? AND expires > ? ORDER BY id DESC LIMIT 100`, nil,
		[]any{string(m), string(level), ms(s.now())}, func(r *sql.Rows) error {
			e, err := scanSession(r)
			out = append(out, e)
			return err
		})
	return out, err
}

// EndSessions ends one session of a subscriber, or all of them (n 0).
func (s *Store) EndSessions(ctx context.Context, level app.Level, m number.MSISDN, n id.Number) error {
	text, args := `DELETE FROM session WHERE subscriber = ? AND level = ?`, []any{string(m), string(level)}
	if n != 0 {
		text, args = text+` AND id = ?`, append(args, int64(n))
	}
	return s.end(ctx, func(t *tx) error {
		gone, err := t.exec(text, nil, args...)
		if err == nil && gone == 0 {
			return refuse(errUnchanged)
		}
		return err
	})
}
