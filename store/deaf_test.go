package store

import (
	"errors"
	"testing"

	"longlines/fault"
)

// A node that writes to the database and yet does not hear what others have changed must not go on for long: a token
// may have been revoked there (docs/reference/reliability.md §3.7 OAuth).
func TestPostgresANodeThatDoesNotHearOfRevocationsStopsWriting(t *testing.T) {
	ctx := t.Context()
	a, b := pair(t, nil)
	lock, err := b.write.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback()
	if _, err := lock.Exec("LOCK TABLE change IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	if _, err := accept(ctx, a, "in time"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node stops writing", func() bool { return a.Writable() != nil })
	if _, err := accept(ctx, a, "too late"); !errors.Is(err, fault.Unavailable) {
		t.Errorf("accepted: %v", err)
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node writes again", func() bool {
		_, err := accept(ctx, a, "heard")
		return err == nil && a.Writable() == nil
	})
}
