package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"net/url"
	"os"
	"testing"
)

// TestKey seals the passwords of links in tests.
var TestKey = []byte("0123456789abcdef0123456789abcdef")

// PostgresConfig makes a database for the test on the server named by LONGLINES_TEST_POSTGRES, whose
// user may create databases, for example postgres:///postgres?host=/var/run/postgresql.
func PostgresConfig(t testing.TB) Config {
	t.Helper()
	base := os.Getenv("LONGLINES_TEST_POSTGRES")
	if base == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("LONGLINES_TEST_POSTGRES must name a PostgreSQL server in CI")
		}
		t.Skip("PostgreSQL is not tested: LONGLINES_TEST_POSTGRES does not name a server")
	}
	var b [8]byte
	rand.Read(b[:])
	name := "longlines_test_" + hex.EncodeToString(b[:])
	db, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		db.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return Config{URL: u.String(), SecretKey: TestKey}
}
