package store

import (
	"context"

	"longlines/app"
	"longlines/id"
	"longlines/number"
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
		for i := range m.arg.([]oauth.Token) {
			k := &m.arg.([]oauth.Token)[i]
			v = append(v, int64(k.ID), int64(k.Kind), int64(k.Family), int64(k.App), string(k.Subscriber), k.Scopes, k.Hash[:], ms(k.Expires), flag(k.Revoked))
		}
	}
	_, err := t.exec(`WITH {r id int, kind int, family int, app int, subscriber text, scopes text, hash blob, expires int, revoked int}
		INSERT INTO token (id, kind, family, app, subscriber, scopes, hash, expires, revoked)
		SELECT id, kind, family, app, subscriber, scopes, hash, expires, revoked FROM r`, v)
	t.vals = v[:0]
	return err
}

// Token reads a token; Revoked is also set when its family is revoked or gone.
func (s *Store) Token(ctx context.Context, n id.Number) (k oauth.Token, ok bool, err error) {
	row, err := s.row(ctx, `SELECT t.kind, t.family, t.app, t.subscriber, t.scopes, t.hash, t.expires,
			CASE WHEN t.revoked = 1 OR t.family NOT IN (0, t.id) AND COALESCE(f.revoked, 1) = 1 THEN 1 ELSE 0 END
		FROM token t LEFT JOIN token f ON f.id = t.family WHERE t.id = ?`, int64(n))
	if err != nil {
		return k, false, err
	}
	var kind, family, a, expires int64
	var subscriber string
	var sum []byte
	err = row.Scan(&kind, &family, &a, &subscriber, &k.Scopes, &sum, &expires, &k.Revoked)
	if none(err) {
		return k, false, nil
	}
	if err != nil {
		return k, false, err
	}
	k.ID, k.Kind, k.Family, k.App, k.Subscriber, k.Expires = n, oauth.TokenKind(kind), id.Number(family), app.ID(a), number.MSISDN(subscriber), at(expires)
	copy(k.Hash[:], sum)
	return k, true, nil
}

// RevokeToken marks the token and tells the watchers of ChangeToken its number before it returns.
func (s *Store) RevokeToken(ctx context.Context, n id.Number) error {
	return s.do(ctx, kindRevoke, n)
}

func (t *tx) revoke(batch []*mutation) error {
	v := t.vals[:0]
	for _, m := range batch {
		n := m.arg.(id.Number)
		v = append(v, int64(n))
		t.changed(ChangeToken, int64(n))
	}
	t.vals = v
	_, err := t.exec(`WITH {r id int} UPDATE token SET revoked = 1 WHERE id IN (SELECT id FROM r)`, v)
	return err
}
