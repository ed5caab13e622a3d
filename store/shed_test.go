package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"longlines/app/apptest"
	"longlines/fault"
)

// stall fills the queue of a store behind a write that lasts until it is released.
func stall(t *testing.T, s *Store) (release func()) {
	t.Helper()
	open := occupy(t, s)
	var waiting sync.WaitGroup
	for range cap(s.in) {
		waiting.Go(func() {
			if _, err := accept(context.Background(), s, "x"); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "the queue is full", func() bool { return len(s.in) == cap(s.in) })
	release = sync.OnceFunc(func() {
		open()
		waiting.Wait()
	})
	t.Cleanup(release)
	return release
}

func TestARevocationWaitsForAPlaceInAFullQueue(t *testing.T) {
	s := openTest(t, Config{Queue: 4})
	release := stall(t, s)
	if _, err := accept(t.Context(), s, "one too many"); !errors.Is(err, errBusy) {
		t.Errorf("a text in a full queue: %v", err)
	}
	impatient, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	if err := s.RevokeToken(impatient, apptest.Tenant(7), 5); !errors.Is(err, fault.Unavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a revocation whose caller has gone: %v", err)
	}
	if n := s.Stats().Refused; n != 1 {
		t.Errorf("%d were refused for want of a place, want the text alone", n)
	}
	revoked := make(chan error, 1)
	go func() { revoked <- s.RevokeToken(context.Background(), apptest.Tenant(7), 5) }()
	release()
	if err := <-revoked; err != nil {
		t.Errorf("revoked: %v", err)
	}
}

func TestARevocationThatWaitsForAPlaceIsAnsweredWhenTheStoreCloses(t *testing.T) {
	s := openTest(t, Config{Queue: 4})
	release := stall(t, s)
	revoked := make(chan error, 1)
	go func() { revoked <- s.RevokeToken(context.Background(), apptest.Tenant(7), 5) }()
	closed := make(chan error, 1)
	go func() { closed <- s.Close(context.Background()) }()
	<-s.stop
	release()
	if err := <-revoked; err != nil && !errors.Is(err, errClosed) {
		t.Errorf("revoked: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
