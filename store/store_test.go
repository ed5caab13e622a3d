package store_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"longlines/store"
	"longlines/store/storetest"
)

func TestMain(m *testing.M) {
	if os.Getenv(storetest.ChildEnv) != "" {
		storetest.Child()
	}
	goleak.VerifyTestMain(m)
}

func sqlite(t testing.TB) store.Config {
	return store.Config{Dir: t.TempDir(), SecretKey: store.TestKey}
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Config { return sqlite(t) })
}

func TestPostgres(t *testing.T) {
	postgres(t)
	storetest.Run(t, func(t *testing.T) store.Config { return postgres(t) })
}

func postgres(t testing.TB) store.Config { return store.PostgresConfig(t) }
