package oauth

import (
	"testing"
	"time"
)

func TestAnAppPushesSoManyRequestsAtATime(t *testing.T) {
	var p pushes
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range maxPushed + 1 {
		if p.take(1, now) != (i < maxPushed) {
			t.Fatalf("push %d", i)
		}
	}
	if !p.take(2, now) {
		t.Fatal("another app cannot push")
	}
	if p.take(1, now.Add(PushedLife-1)) || !p.take(1, now.Add(PushedLife)) {
		t.Fatal("not for as long as they live")
	}
}
