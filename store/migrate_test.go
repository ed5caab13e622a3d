package store

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"longlines/app"
	"longlines/app/apptest"
	"longlines/gateway"
	"longlines/number"
	"longlines/oauth"
)

func TestSQLiteADatabaseOfTheFirstReleaseIsBroughtUpToDate(t *testing.T) {
	dir := t.TempDir()
	upgrades(t, Config{Dir: dir, SecretKey: TestKey}, dialect{}, "sqlite", filepath.Join(dir, "longlines.db"))
}

func TestPostgresADatabaseOfTheFirstReleaseIsBroughtUpToDate(t *testing.T) {
	cfg := PostgresConfig(t)
	upgrades(t, cfg, dialect{postgres: true}, "pgx", cfg.URL)
}

// upgrades fills a database of migration 1 and opens a store on it; then it goes back to migration 1.
func upgrades(t *testing.T, cfg Config, d dialect, driver, dsn string) {
	ctx := t.Context()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p, err := (&Store{d: d, write: db}).migrations()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(ctx, 1); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	later := now.Add(time.Hour)
	for _, x := range []struct {
		text string
		args []any
	}{
		{`INSERT INTO app (name, key, secret, level, scopes, redirect_uri, message_listener, status_listener, notification_url, verdict, quotas, created, deleted)
			VALUES ('pizza', 'k', 's', 'sandbox', 'SMS', 'https://pizza.example', '', '', '', 0, '', 5, 0)`, nil},
		{`INSERT INTO token (id, kind, family, app, subscriber, scopes, hash, expires, revoked)
			VALUES (100, 2, 100, 1, '14255550100', 'SMS', ?, ?, 0)`, []any{[]byte("x"), ms(later)}},
		{`INSERT INTO token (id, kind, family, app, subscriber, scopes, hash, expires, revoked)
			VALUES (101, 1, 100, 1, '14255550100', 'SMS', ?, ?, 0)`, []any{[]byte("y"), ms(later)}},
		{`INSERT INTO request (id, app, api, operation, method, path, status, code, cause, subject, remote, took)
			VALUES (102, 1, 'SMS', 'Send SMS', 'POST', '/x', 201, '', '', 0, '', 7)`, nil},
	} {
		if _, err := db.ExecContext(ctx, d.render(parse(x.text), 0), x.args...); err != nil {
			t.Fatal(err)
		}
	}

	s := openTest(t, cfg)
	apps, err := s.Apps(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := []app.App{{ID: 1, Name: "pizza", Key: "k", Secret: "s", Level: app.LevelSandbox, Scopes: []app.Scope{"SMS"},
		RedirectURI: "https://pizza.example", Created: at(5)}}
	if diff := cmp.Diff(want, apps, cmpopts.IgnoreUnexported(app.App{})); diff != "" {
		t.Errorf("apps (-want +got):\n%s", diff)
	}
	k, ok, err := s.Token(ctx, 101)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	token := oauth.Token{ID: 101, Kind: oauth.KindAccess, Family: 100, App: 1, Subscriber: number.MSISDN("14255550100"), Scopes: "SMS", Covered: "SMS",
		Hash: [32]byte{'y'}, Expires: later}
	if diff := cmp.Diff(token, k); diff != "" {
		t.Errorf("token (-want +got):\n%s", diff)
	}
	r, ok, err := s.Request(ctx, 102)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if diff := cmp.Diff(gateway.Record{ID: 102, App: 1, API: "SMS", Operation: "Send SMS", Method: "POST", Path: "/x", Status: 201, Took: 7 * time.Microsecond}, r); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if err := s.Rotate(ctx, apptest.Tenant(1), oauth.Exchange{ID: 100, At: now, Tokens: []oauth.Token{{ID: 103, Family: 100, App: 1}}}); err != nil {
		t.Errorf("rotate a token of the first release: %v", err)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}

	if _, err := p.DownTo(ctx, 1); err != nil {
		t.Fatalf("back to the first release: %v", err)
	}
	var n int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM token `).Scan(&n); err != nil || n != 3 {
		t.Errorf("%d tokens after the way back, %v", n, err)
	}
	s = openTest(t, cfg)
	if _, ok, err := s.Token(ctx, 101); err != nil || !ok {
		t.Errorf("after the second way up: %v %v", ok, err)
	}
}
