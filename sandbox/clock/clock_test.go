package clock

import (
	"slices"
	"testing"
	"time"
)

func TestManualCallsWhatComesDueInTheOrderOfItsTime(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m := NewManual(start)
	var got []string
	m.AfterFunc(3*time.Second, func() { got = append(got, "third "+m.Now().Sub(start).String()) })
	m.AfterFunc(time.Second, func() {
		got = append(got, "first "+m.Now().Sub(start).String())
		m.AfterFunc(time.Second, func() { got = append(got, "second "+m.Now().Sub(start).String()) })
	})
	stop := m.AfterFunc(2*time.Second, func() { got = append(got, "stopped") })
	m.AfterFunc(time.Minute, func() { got = append(got, "too late") })
	if !stop() {
		t.Error("stop before the time reported that it came too late")
	}
	m.Advance(3 * time.Second)
	if want := []string{"first 1s", "second 2s", "third 3s"}; !slices.Equal(got, want) {
		t.Errorf("called %q, want %q", got, want)
	}
	if stop() {
		t.Error("a second stop reported success")
	}
	if n := m.Pending(); n != 1 {
		t.Errorf("%d calls wait, want 1", n)
	}
	if now := m.Now(); !now.Equal(start.Add(3 * time.Second)) {
		t.Errorf("the clock stands at %s", now)
	}
}

func TestSystemClockCallsBack(t *testing.T) {
	called := make(chan struct{})
	System.AfterFunc(0, func() { close(called) })
	<-called
}
