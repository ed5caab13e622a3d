package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"longlines/app"
	"longlines/number"
)

// Apps reads all apps, deleted ones included, in the order they were made.
func (s *Store) Apps(ctx context.Context) ([]app.App, error) {
	var out []app.App
	index := map[app.ID]int{}
	err := s.rows(ctx, `SELECT id, name, key, secret, auth, keys, owner, level, scopes, redirect_uri, on_network, dpop, introspect,
		message_listener, status_listener, notification_url, verdict, quotas, created, promoted, deleted, version FROM app ORDER BY id`, nil, nil, func(r *sql.Rows) error {
		var a app.App
		var secret, level, scopes, quotas string
		var verdict, created int64
		if err := r.Scan(&a.ID, &a.Name, &a.Key, &secret, &a.Auth, &a.Keys, &a.Owner, &level, &scopes, &a.RedirectURI, &a.OnNetwork, &a.DPoP, &a.Introspect,
			&a.MessageListener, &a.StatusListener, &a.NotificationURL, &verdict, &quotas, &created, &a.Promoted, &a.Deleted, &a.Version); err != nil {
			return err
		}
		a.Secret, a.Level = app.Secret(secret), app.Level(level)
		for sc := range strings.SplitSeq(scopes, ",") {
			if sc != "" {
				a.Scopes = append(a.Scopes, app.Scope(sc))
			}
		}
		if quotas != "" {
			if err := json.Unmarshal([]byte(quotas), &a.Quotas); err != nil {
				return err
			}
		}
		a.WaitForVerdict, a.Created = time.Duration(verdict)*time.Millisecond, at(created)
		index[a.ID] = len(out)
		out = append(out, a)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = s.rows(ctx, `SELECT app, code FROM app_code ORDER BY app, pos`, nil, nil, func(r *sql.Rows) error {
		var n app.ID
		var code number.ShortCode
		if err := r.Scan(&n, &code); err != nil {
			return err
		}
		if i, ok := index[n]; ok {
			out[i].ShortCodes = append(out[i].ShortCodes, code)
		}
		return nil
	})
	return out, err
}

// PutApp inserts an app, or replaces it if it still is in the version given; else the error is
// app.ErrChanged. A name (in any case of letters), key or short code that another app has gives app.ErrTaken;
// a deleted app keeps its key but neither its name nor its codes.
func (s *Store) PutApp(ctx context.Context, a app.App) (app.ID, error) {
	scopes := make([]string, len(a.Scopes))
	for i, sc := range a.Scopes {
		scopes[i] = string(sc)
	}
	quotas := ""
	if len(a.Quotas) > 0 {
		b, err := json.Marshal(a.Quotas)
		if err != nil {
			return 0, err
		}
		quotas = string(b)
	}
	var n int64
	err := s.call(ctx, func(t *tx) error {
		n = int64(a.ID)
		args := []any{a.Name, a.Key, string(a.Secret), string(a.Auth), a.Keys, a.Owner, string(a.Level), strings.Join(scopes, ","), a.RedirectURI,
			flag(a.OnNetwork), flag(a.DPoP), flag(a.Introspect), a.MessageListener, a.StatusListener, a.NotificationURL,
			a.WaitForVerdict.Milliseconds(), quotas, ms(a.Created), int64(a.Promoted), flag(a.Deleted), a.Version + 1}
		if n == 0 {
			err := t.query(`INSERT INTO app (name, key, secret, auth, keys, owner, level, scopes, redirect_uri, on_network, dpop, introspect,
				message_listener, status_listener, notification_url, verdict, quotas, created, promoted, deleted, version, folded)
				VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) RETURNING id`, nil, append(args, app.Folded(a.Name)),
				func(r *sql.Rows) error { return r.Scan(&n) })
			if err != nil {
				return err
			}
		} else {
			// Who keeps its name keeps what the migration made of it.
			rows, err := t.exec(`UPDATE app SET name = ?, key = ?, secret = ?, auth = ?, keys = ?, owner = ?, level = ?, scopes = ?, redirect_uri = ?,
				on_network = ?, dpop = ?, introspect = ?, message_listener = ?, status_listener = ?, notification_url = ?, verdict = ?,
				quotas = ?, created = ?, promoted = ?, deleted = ?, version = ?,
				folded = CASE WHEN name = ? THEN folded ELSE ? END WHERE id = ? AND version = ?`, nil,
				append(args, a.Name, app.Folded(a.Name), n, a.Version)...)
			if err != nil {
				return err
			}
			if rows == 0 {
				return refuse(app.ErrChanged)
			}
		}
		if _, err := t.exec(`DELETE FROM app_code WHERE app = ?`, nil, n); err != nil {
			return err
		}
		if !a.Deleted {
			for i, c := range a.ShortCodes {
				if _, err := t.exec(`INSERT INTO app_code (code, app, pos) VALUES (?,?,?)`, nil, string(c), n, int64(i)); err != nil {
					return err
				}
			}
		}
		t.changed(ChangeApp, n)
		return nil
	})
	if taken(err) {
		return 0, app.ErrTaken
	}
	return app.ID(n), err
}
