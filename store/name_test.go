package store

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"longlines/app"
	"longlines/number"
)

func TestSQLiteTwoNodesMakeOneNameOnce(t *testing.T) {
	s := openTest(t, Config{})
	oneName(t, s, s)
}

func TestPostgresTwoNodesMakeOneNameOnce(t *testing.T) {
	a, b := pair(t, nil)
	oneName(t, a, b)
}

// oneName makes and renames apps on two nodes that have not heard of each other yet.
func oneName(t *testing.T, a, b *Store) {
	ctx := t.Context()
	// ignorant is a node that knows what is there now, and learns nothing by itself.
	ignorant := func(s *Store) *app.Directory {
		t.Helper()
		d, err := app.NewDirectory(ctx, s, app.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	codes := []number.ShortCode{"48507"}
	for _, c := range []struct {
		name        string
		first, then app.App
		field       string // "": both may be
	}{
		{"another case", app.App{Name: "Pizza"}, app.App{Name: "pizza"}, "name"},
		{"another case of a letter that is not ASCII", app.App{Name: "ÄRZTE"}, app.App{Name: "ärzte"}, "name"},
		{"the same", app.App{Name: "taxi"}, app.App{Name: "taxi"}, "name"},
		{"another form of the letters", app.App{Name: "ﬁsh"}, app.App{Name: "FISH"}, "name"},
		{"another name", app.App{Name: "bus"}, app.App{Name: "buses"}, ""},
		{"another case of the key, which is another key", app.App{Name: "a", Key: "k"}, app.App{Name: "b", Key: "K"}, ""},
		{"the same key", app.App{Name: "c", Key: "same"}, app.App{Name: "d", Key: "same"}, "key"},
		{"the same code", app.App{Name: "e", ShortCodes: codes}, app.App{Name: "f", ShortCodes: codes}, "short_codes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			one, two := ignorant(a), ignorant(b)
			first, _, err := one.Create(ctx, c.first, "")
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = two.Create(ctx, c.then, "")
			var taken *app.Taken
			switch {
			case c.field == "" && err != nil:
				t.Fatal(err)
			case c.field != "" && (!errors.As(err, &taken) || taken.Field != c.field || !strings.Contains(taken.Reason, first.Name)):
				t.Fatalf("the other node was told: %v", err)
			}
		})
	}
	d := ignorant(a)
	first, _, err := d.Create(ctx, app.App{Name: "Boat"}, "")
	if err != nil {
		t.Fatal(err)
	}
	tram, _, err := d.Create(ctx, app.App{Name: "tram"}, "")
	if err != nil {
		t.Fatal(err)
	}
	// A rename, in the moment after the node has read all again.
	other := *tram
	other.Name = "BOAT"
	if _, err := b.PutApp(ctx, other); !errors.Is(err, app.ErrTaken) {
		t.Errorf("renamed: %v", err)
	}
	if _, err := d.Update(ctx, first.ID, func(x *app.App) error { x.Name = "boAT"; return nil }); err != nil {
		t.Errorf("its own name in another case: %v", err)
	}
	if err := d.Delete(ctx, first.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := b.PutApp(ctx, other); err != nil {
		t.Errorf("the name of a deleted app: %v", err)
	}
	if _, _, err := d.Create(ctx, app.App{Name: "boat"}, ""); !errors.Is(err, app.ErrTaken) {
		t.Errorf("after the rename: %v", err)
	}
}

func TestSQLiteNamesThatTheFirstReleaseTookForTwo(t *testing.T) {
	dir := t.TempDir()
	lookAlikes(t, Config{Dir: dir, SecretKey: TestKey}, dialect{}, "sqlite", filepath.Join(dir, "longlines.db"))
}

func TestPostgresNamesThatTheFirstReleaseTookForTwo(t *testing.T) {
	cfg := PostgresConfig(t)
	lookAlikes(t, cfg, dialect{postgres: true}, "pgx", cfg.URL)
}

// lookAlikes opens a store on a database of migration 1 in which names differ in the case of letters alone.
func lookAlikes(t *testing.T, cfg Config, d dialect, driver, dsn string) {
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
	for _, x := range []struct {
		name, key string
		deleted   int64
	}{{"TAXI", "TAXI", 1}, {"Taxi", "Taxi", 0}, {"taxi", "taxi", 0}, {"tAXI", "tAXI", 1}, {"taxI", "taxI", 0}, {"Ärzte", "A", 0}, {"ärzte", "a", 0}} {
		if _, err := db.ExecContext(ctx, d.render(parse(`INSERT INTO app (name, key, secret, level, scopes, redirect_uri, message_listener, status_listener,
			notification_url, verdict, quotas, created, deleted) VALUES (?, ?, '', 'sandbox', 'SMS', '', '', '', '', 0, '', 5, ?)`), 0),
			x.name, x.key, x.deleted); err != nil {
			t.Fatal(err)
		}
	}
	s := openTest(t, cfg)
	apps, err := app.NewDirectory(ctx, s, app.Config{})
	if err != nil {
		t.Fatal(err)
	}
	named := func(name, key string) {
		t.Helper()
		if a := apps.ByName(name); a == nil || a.Key != key {
			t.Errorf("%q is %+v, want %s", name, a, key)
		}
	}
	rename := func(key, name string) error {
		_, err := apps.Update(ctx, apps.ByKey(key).ID, func(a *app.App) error { a.Name = name; return nil })
		return err
	}
	refused := func(what string, err error) {
		t.Helper()
		var taken *app.Taken
		if !errors.As(err, &taken) || taken.Field != "name" {
			t.Errorf("%s: %v", what, err)
		}
	}
	named("taxi", "Taxi")
	named("ÄRZTE", "A")
	// Each goes on as it is.
	for _, key := range []string{"Taxi", "taxi", "taxI", "A", "a"} {
		if _, _, err := apps.Rotate(ctx, apps.ByKey(key).ID); err != nil {
			t.Errorf("a new secret for %s: %v", key, err)
		}
		if err := rename(key, apps.ByKey(key).Name); err != nil {
			t.Errorf("%s keeps its name: %v", key, err)
		}
	}
	named("taxi", "Taxi")
	// There will be no more of them.
	_, _, err = apps.Create(ctx, app.App{Name: "tAxI"}, "")
	refused("a fourth", err)
	refused("another spelling of the younger", rename("taxi", "TaXi"))
	if err := rename("taxI", "cab"); err != nil {
		t.Errorf("a name of its own: %v", err)
	}
	if _, err := s.PutApp(ctx, app.App{Name: "CAB", Key: "1"}); !errors.Is(err, app.ErrTaken) {
		t.Errorf("the name that the younger was given: %v", err)
	}
	if err := apps.Delete(ctx, apps.ByKey("Taxi").ID); err != nil {
		t.Fatal(err)
	}
	if err := apps.Reload(ctx); err != nil {
		t.Fatal(err)
	}
	named("TAXI", "taxi")
	_, _, err = apps.Create(ctx, app.App{Name: "TAXI"}, "")
	refused("where only the younger is left", err)
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.DownTo(ctx, 1); err != nil {
		t.Fatalf("back to the first release: %v", err)
	}
	openTest(t, cfg)
}
