package store

import (
	"bytes"
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"longlines/app"
	"longlines/id"
	"longlines/oauth"
)

// IssueTokens makes tokens durable.
func (s *Store) IssueTokens(ctx context.Context, tokens ...oauth.Token) error {
	if len(tokens) == 0 {
		return nil
	}
	return s.do(ctx, kindTokens, tokens)
}

func (t *tx) issue(batch []*mutation) error {
	v := t.vals[:0]
	for _, m := range batch {
		v = appendTokens(v, m.arg.([]oauth.Token))
	}
	t.vals = v[:0]
	return t.insertTokens(v)
}

func appendTokens(v []any, tokens []oauth.Token) []any {
	for i := range tokens {
		k := &tokens[i]
		v = append(v, int64(k.ID), int64(k.Kind), int64(k.Family), int64(k.App), string(k.Subscriber), int64(k.Consent), k.Generation, k.Scopes,
			k.Hash[:], thumbprint(&k.Key), ms(k.Expires), flag(k.Revoked))
	}
	return v
}

func (t *tx) insertTokens(v []any) error {
	_, err := t.exec(`WITH {r id int, kind int, family int, app int, subscriber text, consent int, generation int, scopes text, hash blob,
			jkt blob, expires int, revoked int}
		INSERT INTO token (id, kind, family, app, subscriber, consent, generation, scopes, hash, jkt, expires, revoked)
		SELECT id, kind, family, app, subscriber, consent, generation, scopes, hash, jkt, expires, revoked FROM r`, v)
	return err
}

// thumbprint is how that of a key is stored: nothing for none.
func thumbprint(k *[32]byte) any {
	if *k == ([32]byte{}) {
		return nil
	}
	return k[:]
}

// Token reads a token. Revoked is also set when its family is revoked or gone, or its consent withdrawn
// or gone.
func (s *Store) Token(ctx context.Context, n id.Number) (k oauth.Token, ok bool, err error) {
	row, err := s.row(ctx, `SELECT t.kind, t.family, t.app, t.subscriber, t.consent, t.generation, t.scopes, t.hash, t.jkt, t.expires, t.rotated,
			t.sealed,
			CASE WHEN t.revoked = 1 OR t.family NOT IN (0, t.id) AND COALESCE(f.revoked, 1) = 1
				OR t.consent <> 0 AND COALESCE(c.revoked, 1) <> 0 THEN 1 ELSE 0 END,
			CASE WHEN t.consent = 0 THEN t.scopes ELSE COALESCE(c.scopes, '') END, COALESCE(c.lost, '')
		FROM token t LEFT JOIN token f ON f.id = t.family LEFT JOIN consent c ON c.id = t.consent WHERE t.id = ?`, int64(n))
	if err != nil {
		return k, false, err
	}
	var expires, rotated int64
	var hash, key []byte
	var lost string
	err = row.Scan(&k.Kind, &k.Family, &k.App, &k.Subscriber, &k.Consent, &k.Generation, &k.Scopes, &hash, &key, &expires, &rotated,
		&k.Sealed, &k.Revoked, &k.Covered, &lost)
	if none(err) {
		return oauth.Token{}, false, nil
	}
	if err != nil {
		return oauth.Token{}, false, err
	}
	k.ID, k.Expires, k.Rotated = n, at(expires), at(rotated)
	k.Covered = coveredSince(k.Covered, lost, k.Generation)
	copy(k.Hash[:], hash)
	copy(k.Key[:], key)
	return k, true, nil
}

// RevokeToken marks the token and tells the watchers of ChangeToken its number before it returns.
// Another app's stays as it is.
func (s *Store) RevokeToken(ctx context.Context, of app.Tenant, n id.Number) error {
	return s.do(ctx, kindRevoke, revocation{of, n})
}

// revocation is the argument of a kindRevoke mutation.
type revocation struct {
	of app.Tenant
	n  id.Number
}

func (t *tx) revoke(batch []*mutation) error {
	v := t.vals[:0]
	for _, m := range batch {
		r := m.arg.(revocation)
		v = append(v, int64(r.n), int64(r.of.App()))
		t.changed(ChangeToken, int64(r.n))
	}
	t.vals = v
	_, err := t.exec(`WITH {r id int, app int} UPDATE token SET revoked = 1 FROM r WHERE token.id = r.id AND token.app = r.app`, v)
	return err
}

// Rotate marks a refresh token as replaced and inserts what replaces it. oauth.ErrUsed: another request
// was first, or the token, its family or its consent has ended.
func (s *Store) Rotate(ctx context.Context, of app.Tenant, x oauth.Exchange) error {
	return s.do(ctx, kindFunc, func(t *tx) error {
		return t.exchange(of, &x, `UPDATE token SET rotated = ?, sealed = ? WHERE id = ? AND app = ? AND kind = 2 AND rotated = 0 AND revoked = 0
			AND (family IN (0, id) OR EXISTS (SELECT 1 FROM token f WHERE f.id = token.family AND f.revoked = 0))
			AND (consent = 0 OR EXISTS (SELECT 1 FROM consent c WHERE c.id = token.consent AND c.revoked = 0))`,
			ms(orNow(x.At, t.now)), x.Sealed, int64(x.ID), int64(of.App()))
	})
}

// Redeem marks a code as used and inserts its tokens. oauth.ErrUsed: another request was first, or the
// consent behind the code has been withdrawn.
func (s *Store) Redeem(ctx context.Context, of app.Tenant, x oauth.Exchange) error {
	return s.do(ctx, kindFunc, func(t *tx) error {
		var family int64
		if len(x.Tokens) > 0 {
			family = int64(x.Tokens[0].Family)
		}
		return t.exchange(of, &x, `UPDATE code SET used = ?, family = ?, sealed = ? WHERE id = ? AND app = ? AND used = 0
			AND EXISTS (SELECT 1 FROM consent c WHERE c.id = code.consent AND c.revoked = 0)`,
			ms(orNow(x.At, t.now)), family, x.Sealed, int64(x.ID), int64(of.App()))
	})
}

// exchange inserts the tokens of an exchange if the statement that spends what it is about finds it
// unspent: of many at once the row lets one through. What an app spends gives tokens to no other.
func (t *tx) exchange(of app.Tenant, x *oauth.Exchange, spend string, args ...any) error {
	for i := range x.Tokens {
		if x.Tokens[i].App != of.App() {
			return refuse(errTenant)
		}
	}
	n, err := t.exec(spend, nil, args...)
	if err != nil {
		return err
	}
	if n == 0 {
		return refuse(oauth.ErrUsed)
	}
	return t.insertTokens(appendTokens(nil, x.Tokens))
}

// Approve makes a decision durable: the form is spent, the consent in force is given or extended, the
// code is inserted. oauth.ErrUsed: the form was taken before. oauth.ErrNoConsent: nobody was asked, and the consent
// in force does not cover the scopes.
func (s *Store) Approve(ctx context.Context, a *oauth.Approval) error {
	fresh := int64(s.ids.Next()) // the consent's, if there is none in force
	var c oauth.Consent
	var generation int64
	err := s.call(ctx, func(t *tx) error {
		if a.Standing {
			if err := t.stands(&a.Consent); err != nil {
				return err
			}
		}
		n, err := t.exec(`INSERT INTO once (key, until) VALUES (?,?) ON CONFLICT DO NOTHING`, nil, a.Once[:], ms(a.Until))
		if err != nil {
			return err
		}
		if n == 0 {
			return refuse(oauth.ErrUsed)
		}
		c = oauth.Consent{}
		when := orNow(a.Consent.Changed, t.now)
		err = t.query(`INSERT INTO consent (id, app, subscriber, scopes, how, given, changed) VALUES (?,?,?,?,?,?,?)
			ON CONFLICT (app, subscriber) WHERE revoked = 0 DO UPDATE SET how = excluded.how, changed = excluded.changed
			RETURNING `+consentColumns+`, generation`, nil, []any{fresh, int64(a.Consent.App), string(a.Consent.Subscriber), a.Consent.Scopes, a.Consent.How,
			ms(when), ms(when)}, func(r *sql.Rows) (err error) {
			c, err = scanConsent(r, &generation)
			return err
		})
		if err != nil {
			return err
		}
		if all := union(c.Scopes, a.Consent.Scopes); all != c.Scopes {
			c.Scopes = all
			if _, err := t.exec(`UPDATE consent SET scopes = ? WHERE id = ?`, nil, all, int64(c.ID)); err != nil {
				return err
			}
		}
		k := &a.Code
		_, err = t.exec(`INSERT INTO code (id, hash, app, subscriber, consent, generation, scopes, redirect, challenge, jkt, expires)
			VALUES (?,?,?,?,?,?,?,?,?,?,?)`, nil, int64(k.ID), k.Hash[:], int64(k.App), string(k.Subscriber), int64(c.ID), generation, k.Scopes,
			k.Redirect, k.Challenge, thumbprint(&k.Key), ms(k.Expires))
		t.changed(ChangeConsent, int64(c.ID))
		return err
	})
	if err != nil {
		return err
	}
	a.Consent, a.Code.Consent, a.Code.Generation = c, c.ID, generation
	return nil
}

// stands refuses scopes that the consent in force does not cover. Until the commit nobody takes it back.
func (t *tx) stands(c *oauth.Consent) error {
	covered, ok := "", false
	err := t.query(`SELECT scopes FROM consent WHERE app = ? AND subscriber = ? AND revoked = 0 {lock}`, nil,
		[]any{int64(c.App), string(c.Subscriber)}, func(r *sql.Rows) error {
			ok = true
			return r.Scan(&covered)
		})
	if err == nil && (!ok || union(covered, c.Scopes) != covered) {
		err = refuse(oauth.ErrNoConsent)
	}
	return err
}

// union adds scopes to a list: those that were there first keep their places.
func union(have, more string) string {
	list := split(have)
	for _, sc := range split(more) {
		if !slices.Contains(list, sc) {
			list = append(list, sc)
		}
	}
	return strings.Join(list, ",")
}

func split(scopes string) []string {
	if scopes == "" {
		return nil
	}
	return strings.Split(scopes, ",")
}

// Code reads an authorization code; ok is false if there is none.
func (s *Store) Code(ctx context.Context, n id.Number) (c oauth.Code, ok bool, err error) {
	row, err := s.row(ctx, `SELECT k.hash, k.app, k.subscriber, k.consent, k.generation, k.scopes, k.redirect, k.challenge, k.jkt, k.expires,
			k.used, k.family, k.sealed, k.lost, CASE WHEN c.revoked = 0 THEN c.scopes ELSE '' END, COALESCE(c.lost, '')
		FROM code k LEFT JOIN consent c ON c.id = k.consent WHERE k.id = ?`, int64(n))
	if err != nil {
		return c, false, err
	}
	var hash, key []byte
	var expires, used int64
	var lost string
	err = row.Scan(&hash, &c.App, &c.Subscriber, &c.Consent, &c.Generation, &c.Scopes, &c.Redirect, &c.Challenge, &key, &expires,
		&used, &c.Family, &c.Sealed, &c.Lost, &c.Covered, &lost)
	if none(err) {
		return oauth.Code{}, false, nil
	}
	if err != nil {
		return oauth.Code{}, false, err
	}
	c.ID, c.Expires, c.Used = n, at(expires), at(used)
	c.Covered = coveredSince(c.Covered, lost, c.Generation)
	copy(c.Hash[:], hash)
	copy(c.Key[:], key)
	return c, true, nil
}

// CodeLost notes that the reply to a redemption has not arrived.
func (s *Store) CodeLost(ctx context.Context, n id.Number) error {
	return s.do(ctx, kindFunc, func(t *tx) error {
		_, err := t.exec(`UPDATE code SET lost = 1 WHERE id = ? AND used > 0`, nil, int64(n))
		return err
	})
}

// onceOnly is the argument of a kindOnce mutation.
type onceOnly struct {
	key   [32]byte
	until int64
	first bool
}

// Once reports whether the key is new, and keeps it until the moment given.
func (s *Store) Once(ctx context.Context, key [32]byte, until time.Time) (first bool, err error) {
	o := &onceOnly{key: key, until: ms(until)}
	err = s.do(ctx, kindOnce, o)
	return o.first, err
}

// once inserts keys; of equal ones the first is new.
func (t *tx) once(batch []*mutation) error {
	list := make([]*onceOnly, len(batch))
	for i, m := range batch {
		list[i] = m.arg.(*onceOnly)
		list[i].first = false
	}
	// In one order on all nodes, so that no two wait for each other.
	slices.SortStableFunc(list, func(a, b *onceOnly) int { return bytes.Compare(a.key[:], b.key[:]) })
	v := t.vals[:0]
	for _, o := range list {
		v = append(v, o.key[:], o.until)
	}
	t.vals = v[:0]
	fresh := make(map[[32]byte]bool, len(list))
	err := t.query(`WITH {r key blob, until int}
		INSERT INTO once (key, until) SELECT key, until FROM r WHERE true ON CONFLICT DO NOTHING RETURNING key`, v, nil, func(r *sql.Rows) error {
		var key []byte
		if err := r.Scan(&key); err != nil {
			return err
		}
		fresh[[32]byte(key)] = true
		return nil
	})
	for _, o := range list {
		o.first = fresh[o.key]
		delete(fresh, o.key)
	}
	return err
}

// Push keeps a pushed request.
func (s *Store) Push(ctx context.Context, p oauth.Pushed) error {
	return s.do(ctx, kindFunc, func(t *tx) error {
		_, err := t.exec(`INSERT INTO pushed (id, hash, app, params, expires) VALUES (?,?,?,?,?)`, nil,
			int64(p.ID), p.Hash[:], int64(p.App), p.Params, ms(p.Expires))
		return err
	})
}

// Pushed reads a pushed request; ok is false if there is none.
func (s *Store) Pushed(ctx context.Context, n id.Number) (p oauth.Pushed, ok bool, err error) {
	row, err := s.row(ctx, `SELECT hash, app, params, expires FROM pushed WHERE id = ?`, int64(n))
	if err != nil {
		return p, false, err
	}
	var hash []byte
	var expires int64
	err = row.Scan(&hash, &p.App, &p.Params, &expires)
	if none(err) {
		return oauth.Pushed{}, false, nil
	}
	if err != nil {
		return oauth.Pushed{}, false, err
	}
	p.ID, p.Expires = n, at(expires)
	copy(p.Hash[:], hash)
	return p, true, nil
}
