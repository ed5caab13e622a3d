package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"longlines/route"
)

var errNoKey = errors.New("the store was opened without a secret key, so it cannot keep the password of a link")

// Links reads all links with their passwords in clear.
func (s *Store) Links(ctx context.Context) ([]route.Link, error) {
	var out []route.Link
	err := s.rows(ctx, `SELECT id, name, kind, network, host, port, system_id, password, system_type, bind, win, rate, tls, grp,
		paused, managed, created, quirks, version FROM link ORDER BY id`, nil, nil, func(r *sql.Rows) error {
		var l route.Link
		var network string
		var sealed []byte
		var created int64
		var quirks string
		if err := r.Scan(&l.ID, &l.Name, &l.Kind, &network, &l.Host, &l.Port, &l.SystemID, &sealed, &l.SystemType, &l.Bind, &l.Window,
			&l.Rate, &l.TLS, &l.Group, &l.Paused, &l.Managed, &created, &quirks, &l.Version); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(quirks), &l.Quirks); err != nil {
			return fmt.Errorf("quirks of link %s: %w", l.Name, err)
		}
		l.Network, l.Created = route.Network(network), at(created)
		if len(sealed) > 0 {
			if s.seal == nil {
				return errNoKey
			}
			clear, err := s.seal.Open(nil, nil, sealed, []byte(l.Name))
			if err != nil {
				return fmt.Errorf("password of link %s: the secret key is not the one it was sealed with: %w", l.Name, err)
			}
			l.Password = string(clear)
		}
		out = append(out, l)
		return nil
	})
	return out, err
}

// PutLink inserts a link, or replaces it if it still is in the version given, and returns its number; route.ErrChanged
// else.
func (s *Store) PutLink(ctx context.Context, l route.Link) (int64, error) {
	sealed := []byte{}
	if l.Password != "" {
		if s.seal == nil {
			return 0, errNoKey
		}
		sealed = s.seal.Seal(nil, nil, []byte(l.Password), []byte(l.Name))
	}
	quirks, err := json.Marshal(l.Quirks)
	if err != nil {
		return 0, err
	}
	args := []any{l.Name, l.Kind, string(l.Network), l.Host, int64(l.Port), l.SystemID, sealed, l.SystemType, l.Bind, int64(l.Window), l.Rate,
		flag(l.TLS), l.Group, flag(l.Paused), flag(l.Managed), ms(l.Created), string(quirks), l.Version + 1}
	text := `INSERT INTO link (name, kind, network, host, port, system_id, password, system_type, bind, win, rate, tls, grp,
			paused, managed, created, quirks, version) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (name) DO NOTHING RETURNING id`
	if l.ID != 0 {
		text = `UPDATE link SET name = ?, kind = ?, network = ?, host = ?, port = ?, system_id = ?, password = ?, system_type = ?, bind = ?, win = ?,
			rate = ?, tls = ?, grp = ?, paused = ?, managed = ?, created = ?, quirks = ?, version = ? WHERE id = ? AND version = ? RETURNING id`
		args = append(args, l.ID, l.Version)
	}
	var n int64
	err = s.call(ctx, func(t *tx) error {
		n = 0
		if err := t.query(text, nil, args, func(r *sql.Rows) error { return r.Scan(&n) }); err != nil {
			return err
		}
		if n == 0 {
			return refuse(route.ErrChanged)
		}
		t.changed(ChangeLink, n)
		return nil
	})
	return n, err
}

// DeleteLink removes a link; one that is not there is no error.
func (s *Store) DeleteLink(ctx context.Context, name string) error {
	return s.call(ctx, func(t *tx) error {
		return t.remove(`DELETE FROM link WHERE name = ? RETURNING id`, name, ChangeLink)
	})
}

// Rules reads all rules, by prefix.
func (s *Store) Rules(ctx context.Context) ([]route.Rule, error) {
	var out []route.Rule
	err := s.rows(ctx, `SELECT id, prefix, link, fallback FROM rule ORDER BY prefix`, nil, nil, func(r *sql.Rows) error {
		var x route.Rule
		err := r.Scan(&x.ID, &x.Prefix, &x.Link, &x.Fallback)
		out = append(out, x)
		return err
	})
	return out, err
}

// PutRule inserts a rule or replaces the one of its prefix, and returns its number.
func (s *Store) PutRule(ctx context.Context, x route.Rule) (int64, error) {
	var n int64
	err := s.call(ctx, func(t *tx) error {
		err := t.query(`INSERT INTO rule (prefix, link, fallback) VALUES (?,?,?)
			ON CONFLICT (prefix) DO UPDATE SET link = excluded.link, fallback = excluded.fallback RETURNING id`, nil,
			[]any{x.Prefix, x.Link, x.Fallback}, func(r *sql.Rows) error { return r.Scan(&n) })
		t.changed(ChangeRule, n)
		return err
	})
	return n, err
}

// DeleteRule removes a rule; one that is not there is no error.
func (s *Store) DeleteRule(ctx context.Context, prefix string) error {
	return s.call(ctx, func(t *tx) error {
		return t.remove(`DELETE FROM rule WHERE prefix = ? RETURNING id`, prefix, ChangeRule)
	})
}

// remove deletes the row of a name and publishes that, if there is one.
func (t *tx) remove(text, name, kind string) error {
	found := false
	err := t.query(text, nil, []any{name}, func(r *sql.Rows) error {
		var n int64
		err := r.Scan(&n)
		t.changed(kind, n)
		found = true
		return err
	})
	if err == nil && !found {
		return refuse(errUnchanged)
	}
	return err
}
