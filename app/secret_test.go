package app

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"longlines/fault"
)

func TestSlowHashesAreBounded(t *testing.T) {
	v := newVerifier(time.Now)
	a := &App{ID: 1, Secret: hashChosen("sandbox-secret")}
	t.Run("a crowd with one secret, larger than the queue, gets one answer", func(t *testing.T) {
		for _, secret := range []string{"sandbox-secret", "guess"} {
			var wg sync.WaitGroup
			for range 4 * slowQueue {
				wg.Go(func() {
					if ok, err := v.check(context.Background(), a, secret); err != nil || ok != (secret == "sandbox-secret") {
						t.Errorf("%s: %v %v", secret, ok, err)
					}
				})
			}
			wg.Wait()
		}
	})
	t.Run("a queue that is full refuses at once", func(t *testing.T) {
		for range slowQueue {
			v.queue <- struct{}{}
		}
		if _, err := v.check(context.Background(), a, "another guess"); !errors.Is(err, fault.Unavailable) {
			t.Fatalf("got %v", err)
		}
		if ok, err := v.check(context.Background(), a, "sandbox-secret"); err != nil || !ok {
			t.Fatalf("who is known does not queue: %v %v", ok, err)
		}
		if ok, err := v.check(context.Background(), a, "guess"); err != nil || ok {
			t.Fatalf("a guess that was wrong before does not queue: %v %v", ok, err)
		}
		ctx, cancel := context.WithCancel(Patient(context.Background()))
		left := make(chan error)
		go func() {
			_, err := v.check(ctx, a, "patient guess")
			left <- err
		}()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Fatalf("a patient one waits until it leaves: %v", err)
		}
		go func() {
			ok, err := v.check(Patient(context.Background()), a, "patient guess")
			if ok {
				err = errors.New("it is right")
			}
			left <- err
		}()
		for range slowQueue {
			<-v.queue
		}
		if err := <-left; err != nil {
			t.Fatalf("a patient one gets its turn: %v", err)
		}
	})
	t.Run("an app that is full is in nobody else's way", func(t *testing.T) {
		p := v.place(a.ID)
		for range slowPerApp {
			p.taken <- struct{}{}
		}
		if _, err := v.check(context.Background(), a, "one more guess"); !errors.Is(err, fault.Unavailable) {
			t.Fatalf("got %v", err)
		}
		other := &App{ID: 2, Secret: a.Secret}
		if ok, err := v.check(context.Background(), other, "sandbox-secret"); err != nil || !ok {
			t.Fatalf("another app: %v %v", ok, err)
		}
		v.leave(a.ID, p)
		if len(v.places) != 0 {
			t.Fatalf("%d places are kept", len(v.places))
		}
	})
	t.Run("wrong secrets that are remembered are bounded", func(t *testing.T) {
		for i := range wrongLimit + 1 {
			v.remember([32]byte{0: 1, 1: byte(i), 2: byte(i >> 8)}, false)
		}
		if n := len(v.wrong); n > wrongLimit {
			t.Fatalf("%d", n)
		}
	})
	t.Run("who waits for another's answer may leave", func(t *testing.T) {
		p := v.proof(a, "slow guess")
		v.asked[p] = &question{done: make(chan struct{})}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := v.check(ctx, a, "slow guess"); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestProofExpires(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	v := newVerifier(func() time.Time { return now })
	a := &App{ID: 1, Secret: hashChosen("sandbox-secret")}
	if ok, err := v.check(context.Background(), a, "sandbox-secret"); err != nil || !ok {
		t.Fatal(ok, err)
	}
	p := v.proof(a, "sandbox-secret")
	if first := v.proven[p]; !first.Equal(now.Add(provenFor)) {
		t.Fatalf("remembered until %s", first)
	}
	now = now.Add(provenFor)
	if ok, err := v.check(context.Background(), a, "sandbox-secret"); err != nil || !ok || !v.proven[p].Equal(now.Add(provenFor)) {
		t.Fatalf("after a day it was not hashed again: %v %v", ok, err)
	}
}

func TestMangledSecretsMatchNothing(t *testing.T) {
	for _, s := range []Secret{"", "plain", "sha256:", "sha256:zz", "argon2id:", "argon2id:t=0,m=1,p=1:AA:AA", "argon2id:t=1,m=9999999,p=1:AA:AA", "argon2id:t=1,m=64,p=1:!:!", "argon2id:t=1,m=64,p=1::"} {
		if s.matches("") || s.matches("plain") {
			t.Errorf("%q matches", string(s))
		}
	}
}

func BenchmarkCheckGenerated(b *testing.B) {
	v := newVerifier(time.Now)
	secret := randomWord()
	a := &App{ID: 1, Secret: hashGenerated(secret)}
	b.ReportAllocs()
	for b.Loop() {
		v.check(context.Background(), a, secret)
	}
}

func BenchmarkCheckChosenKnown(b *testing.B) {
	v := newVerifier(time.Now)
	a := &App{ID: 1, Secret: hashChosen("sandbox-secret")}
	b.ReportAllocs()
	for b.Loop() {
		v.check(context.Background(), a, "sandbox-secret")
	}
}
