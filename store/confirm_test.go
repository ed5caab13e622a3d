package store

import (
	"errors"
	"syscall"
	"testing"

	"longlines/id"
	"longlines/message"
	"longlines/sms"
)

// receive stores a text as it came on a connection, and gives its row and that of the original it repeats.
func receive(t *testing.T, s *Store, conn int64) (row, original id.Number) {
	t.Helper()
	r := &sms.Reception{In: message.Incoming{Group: "g", Text: "HELP", Hash: 42, Conn: conn},
		MO: sms.MO{ID: s.NextMessage(1), App: 7, From: "14255550100", To: "48507", Text: "HELP", At: s.now()}}
	if err := s.Receive(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r.MO.ID, r.Original
}

// What a centre was answered is not forgotten because the commit that was to note it found no space: else the next
// equal text on another connection would be dropped as a repetition.
func TestAConfirmationOutlivesACommitThatFails(t *testing.T) {
	for _, restart := range []bool{false, true} {
		dir := t.TempDir()
		s := openTest(t, Config{Dir: dir})
		row, _ := receive(t, s, 1)
		s.ConfirmMO(row)
		err := s.call(t.Context(), func(*tx) error { return syscall.ENOSPC })
		if err == nil {
			t.Fatal("committed")
		}
		eventually(t, "the store accepts again", func() bool { return s.Writable() == nil })
		if restart {
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			s = openTest(t, Config{Dir: dir})
		}
		if _, original := receive(t, s, 2); original != 0 {
			t.Errorf("restart %v: taken for a repetition", restart)
		}
		eventually(t, "nothing is left in memory", func() bool {
			s.call(t.Context(), func(*tx) error { return nil })
			return !s.confirmed(row)
		})
	}
}

func TestAStoreThatIsBrokenClosesAlthoughConfirmationsWait(t *testing.T) {
	s := openTest(t, Config{})
	row, _ := receive(t, s, 1)
	if err := s.call(t.Context(), func(*tx) error { return syscall.EIO }); err == nil {
		t.Fatal("committed")
	}
	s.ConfirmMO(row)
	if err := s.Close(t.Context()); errors.Is(err, errClosed) {
		t.Error(err)
	}
}
