package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"longlines/app"
	"longlines/id"
	"longlines/number"
	"longlines/oauth"
)

const consentColumns = `id, app, subscriber, scopes, how, given, changed, used, revoked, revoked_by`

// scanConsent reads the columns, and more that were selected after them.
func scanConsent(r interface{ Scan(...any) error }, more ...any) (c oauth.Consent, err error) {
	var given, changed, used, revoked int64
	err = r.Scan(append([]any{&c.ID, &c.App, &c.Subscriber, &c.Scopes, &c.How, &given, &changed, &used, &revoked, &c.RevokedBy}, more...)...)
	c.Given, c.Changed, c.Used, c.Revoked = at(given), at(changed), at(used), at(revoked)
	return c, err
}

// Consents reads those that fit, newest first, for the operator: everybody's if the filter does not say whose.
func (s *Store) Consents(ctx context.Context, f oauth.ConsentFilter) ([]oauth.Consent, error) {
	where, args := []string{`id < ?`}, []any{newest(f.Before)}
	if f.App != 0 {
		where, args = append(where, `app = ?`), append(args, int64(f.App))
	}
	if f.Subscriber != "" {
		where, args = append(where, `subscriber = ?`), append(args, string(f.Subscriber))
	}
	if f.InForce {
		where = append(where, `revoked = 0`)
	}
	var out []oauth.Consent
	err := s.rows(ctx, `SELECT `+consentColumns+` FROM consent WHERE `+strings.Join(where, ` AND `)+` ORDER BY id DESC LIMIT ?`, nil,
		append(args, int64(cmp.Or(f.Limit, 100))), func(r *sql.Rows) error {
			c, err := scanConsent(r)
			out = append(out, c)
			return err
		})
	return out, err
}

// ConsentsOf reads a subscriber's that are in force, to apps of the level that still exist, newest first.
func (s *Store) ConsentsOf(ctx context.Context, level app.Level, m number.MSISDN, before id.Number, n int) ([]oauth.Consent, error) {
	var out []oauth.Consent
	err := s.rows(ctx, `SELECT `+consentColumns+` FROM consent WHERE id < ? AND subscriber = ? AND revoked = 0
		AND EXISTS (SELECT 1 FROM app a WHERE a.id = consent.app AND a.level = ? AND a.deleted = 0) ORDER BY id DESC LIMIT ?`, nil,
		[]any{newest(before), string(m), string(level), int64(n)}, func(r *sql.Rows) error {
			c, err := scanConsent(r)
			out = append(out, c)
			return err
		})
	return out, err
}

// Consent reads the one in force for an app and a subscriber; ok is false if there is none.
func (s *Store) Consent(ctx context.Context, of app.Tenant, m number.MSISDN) (c oauth.Consent, ok bool, err error) {
	row, err := s.row(ctx, `SELECT `+consentColumns+` FROM consent WHERE app = ? AND subscriber = ? AND revoked = 0`, int64(of.App()), string(m))
	if err != nil {
		return c, false, err
	}
	if c, err = scanConsent(row); none(err) {
		return oauth.Consent{}, false, nil
	}
	return c, err == nil, err
}

// Withdraw takes scopes off a consent in force of the subscriber to the app. With all of them gone, or none named,
// the consent is withdrawn: its row keeps the scopes that it covered last, and no token of it is live
// any more, because Token looks at the row. A consent that covers none of those named stays as it is.
func (s *Store) Withdraw(ctx context.Context, of app.Tenant, m number.MSISDN, n id.Number, scopes []app.Scope, by string) (c oauth.Consent, ok bool, err error) {
	err = s.end(ctx, func(t *tx) error {
		c, ok = oauth.Consent{}, false
		var generation int64
		var lost string
		err := t.query(`SELECT `+consentColumns+`, generation, lost FROM consent WHERE id = ? AND app = ? AND subscriber = ? AND revoked = 0 {lock}`, nil,
			[]any{int64(n), int64(of.App()), string(m)}, func(r *sql.Rows) (err error) {
				c, err = scanConsent(r, &generation, &lost)
				ok = err == nil
				return err
			})
		if err != nil {
			return err
		}
		if !ok {
			return refuse(errUnchanged)
		}
		now := at(ms(t.now)) // as it will be read
		rest := slices.DeleteFunc(split(c.Scopes), func(sc string) bool { return slices.Contains(scopes, app.Scope(sc)) })
		left := strings.Join(rest, ",")
		switch {
		case len(scopes) == 0 || left == "":
			c.Revoked, c.RevokedBy = now, by
		case left == c.Scopes:
			return refuse(errUnchanged)
		default:
			generation++
			for _, sc := range split(c.Scopes) {
				if !slices.Contains(rest, sc) {
					lost = lose(lost, sc, generation)
				}
			}
			c.Scopes = left
		}
		c.Changed = now
		_, err = t.exec(`UPDATE consent SET scopes = ?, changed = ?, revoked = ?, revoked_by = ?, generation = ?, lost = ? WHERE id = ?`, nil,
			c.Scopes, ms(c.Changed), ms(c.Revoked), c.RevokedBy, generation, lost, int64(n))
		t.changed(ChangeConsent, int64(n))
		return err
	})
	if err != nil {
		return oauth.Consent{}, false, err
	}
	return c, ok, nil
}

// lose notes the generation with which a scope was taken off a consent.
func lose(lost, scope string, generation int64) string {
	list := slices.DeleteFunc(split(lost), func(was string) bool { return strings.HasPrefix(was, scope+" ") })
	return strings.Join(append(list, scope+" "+strconv.FormatInt(generation, 10)), ",")
}

// coveredSince is what a consent covers of a code, or of a token that came of it: scopes that were taken off the
// consent since its yes have ended for it, even if the subscriber has said yes to them again. That is for others.
//
// Generations are counted in the row, one after the other. The numbers of rows would not do: they are drawn before
// the commit, by clocks that may be apart.
func coveredSince(scopes, lost string, generation int64) string {
	if lost == "" {
		return scopes
	}
	ended := map[string]bool{}
	for _, entry := range split(lost) {
		scope, with, _ := strings.Cut(entry, " ")
		n, err := strconv.ParseInt(with, 10, 64)
		ended[scope] = err != nil || generation < n
	}
	return strings.Join(slices.DeleteFunc(split(scopes), func(sc string) bool { return ended[sc] }), ",")
}

// ConsentsUsed notes when consents were last acted under, in small steps between other commits. A later
// note of another node stands.
func (s *Store) ConsentsUsed(ctx context.Context, used map[id.Number]time.Time) error {
	for step := range slices.Chunk(slices.Sorted(maps.Keys(used)), pruneStep) {
		var v []any
		for _, n := range step {
			v = append(v, int64(n), ms(used[n].Truncate(time.Minute)))
		}
		err := s.do(ctx, kindFunc, func(t *tx) error {
			_, err := t.exec(`WITH {r id int, used int}
				UPDATE consent SET used = r.used FROM r WHERE consent.id = r.id AND consent.used < r.used`, v)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
