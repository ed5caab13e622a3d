package timeline

import (
	"testing"
	"time"
)

func TestAWatcherGetsWhatTheRingRemembersAndThenWhatFollows(t *testing.T) {
	f := New(3, time.Now)
	for _, s := range []string{"a", "b", "c", "d"} {
		f.Add(Entry{Title: s})
	}
	recent, w := f.Watch(0)
	defer w.Close()
	if len(recent) != 3 || recent[0].Title != "b" || recent[2].Title != "d" {
		t.Fatalf("recent: %+v", recent)
	}
	f.Add(Entry{Title: "e"})
	if e := <-w.C(); e.Title != "e" || e.Seq != 5 {
		t.Fatalf("then: %+v", e)
	}
	again, w2 := f.Watch(4)
	w2.Close()
	if len(again) != 1 || again[0].Title != "e" {
		t.Fatalf("after 4: %+v", again)
	}
}

func TestASlowWatcherLosesEntriesAndSeesTheGap(t *testing.T) {
	f := New(1, time.Now)
	_, w := f.Watch(0)
	defer w.Close()
	for range 300 {
		f.Add(Entry{})
	}
	var last Entry
	for len(w.C()) > 0 {
		last = <-w.C()
	}
	f.Add(Entry{})
	if e := <-w.C(); e.Seq-last.Seq <= 1 {
		t.Fatalf("no gap: %d after %d", e.Seq, last.Seq)
	}
}

func TestAFeedNobodyWatchesSaysSo(t *testing.T) {
	f := New(1, time.Now)
	if f.Watched() {
		t.Fatal("watched by nobody")
	}
	_, w := f.Watch(0)
	if !f.Watched() {
		t.Fatal("not watched")
	}
	w.Close()
	w.Close()
	if f.Watched() {
		t.Fatal("still watched")
	}
}
