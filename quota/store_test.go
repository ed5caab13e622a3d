package quota_test

import (
	"context"
	"testing"

	"longlines/quota"
	"longlines/quota/quotatest"
	"longlines/store"
)

func TestStoreSource(t *testing.T) {
	quotatest.Run(t, func(t *testing.T) quota.Source {
		s, err := store.Open(context.Background(), store.Config{Ephemeral: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close(context.Background()) })
		return s
	})
}
