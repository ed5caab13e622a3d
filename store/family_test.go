package store

import (
	"testing"
	"time"

	"longlines/app/apptest"
	"longlines/id"
	"longlines/oauth"
)

func TestSQLiteAFamilyIsKeptWhileAMemberLives(t *testing.T) { familyKept(t, Config{}) }

func TestPostgresAFamilyIsKeptWhileAMemberLives(t *testing.T) { familyKept(t, PostgresConfig(t)) }

// familyKept sweeps tokens whose access_life is longer than an expired token is kept.
func familyKept(t *testing.T, cfg Config) {
	const day = 24 * time.Hour
	ctx := t.Context()
	s := openTest(t, cfg)
	// Four families of one age, that have expired so long ago that their first tokens may go.
	born := time.Now().Add(-(120 + 91) * day)
	first := id.At(born) + 1
	late := id.At(born.Add(119*day)) + 1 // refreshed on the last day but one
	row := func(n id.Number, k oauth.TokenKind, family id.Number, life time.Duration, revoked bool) oauth.Token {
		return oauth.Token{ID: n, Kind: k, Family: family, App: 7, Scopes: "SMS", Expires: n.Time().Add(life), Revoked: revoked}
	}
	if err := s.IssueTokens(ctx,
		row(first, oauth.KindRefresh, first, 120*day, false), row(first+1, oauth.KindAccess, first, 120*day, false), row(late, oauth.KindAccess, first, 120*day, false),
		row(first+2, oauth.KindRefresh, first+2, 120*day, true), row(late+1, oauth.KindAccess, first+2, 120*day, false),
		row(first+3, oauth.KindRefresh, first+3, 120*day, false), row(late+2, oauth.KindAccess, first+3, day, false),
		row(first+4, oauth.KindRefresh, first+4, 120*day, false),
	); err != nil {
		t.Fatal(err)
	}
	state := func(n id.Number) string {
		t.Helper()
		switch k, ok, err := s.Token(ctx, n); {
		case err != nil:
			t.Fatal(err)
		case !ok:
			return "gone"
		case k.Revoked:
			return "revoked"
		}
		return "good"
	}
	look := func(when string, want map[id.Number]string) {
		t.Helper()
		if err := s.sweepOld(ctx); err != nil {
			t.Fatal(err)
		}
		for n, w := range want {
			if got := state(n); got != w {
				t.Errorf("%s: token %d of family %d is %s, want %s", when, n-late, n-first, got, w)
			}
		}
	}
	look("while it lives", map[id.Number]string{
		first: "good", late: "good", first + 1: "gone",
		first + 2: "revoked", late + 1: "revoked",
		first + 3: "gone", late + 2: "gone",
		first + 4: "gone",
	})
	if err := s.RevokeToken(ctx, apptest.Tenant(7), first); err != nil {
		t.Fatal(err)
	}
	look("revoked so late", map[id.Number]string{first: "revoked", late: "revoked"})
}
