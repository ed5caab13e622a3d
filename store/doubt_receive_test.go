package store_test

import (
	"errors"
	"testing"
	"time"

	"longlines/fault"
	"longlines/message"
	"longlines/sms"
)

// The centre is told to send the text again, and does so on the same connection, where it would otherwise be another.
func TestPostgresAReceivedTextWhoseCommitGotNoAnswerIsStoredOnce(t *testing.T) {
	ctx := t.Context()
	p, a, _, db := behind(t)
	in := func(hash int64) *sms.Reception {
		return &sms.Reception{
			In: message.Incoming{Group: "east", Text: "help", Hash: hash, Conn: 1, Raw: []byte("pdu")},
			MO: sms.MO{ID: a.NextMessage(1), App: 7, From: "14255550100", To: "48507", At: time.Now()},
		}
	}
	before := in(12)
	if err := a.Receive(ctx, before); err != nil {
		t.Fatal(err)
	}
	cut := p.CutCommit("")
	first := in(11)
	if err := a.Receive(ctx, first); !errors.Is(err, fault.Unavailable) {
		t.Fatalf("received without an answer: %v", err)
	}
	<-cut
	var again *sms.Reception
	await(t, "the text is taken", func() bool { again = in(11); return a.Receive(ctx, again) == nil })
	if !again.Duplicate || again.Original != first.MO.ID {
		t.Errorf("sent again: duplicate %v of %d, want %d", again.Duplicate, again.Original, first.MO.ID)
	}
	// After that, and for a text whose commit was answered, the rule is the same as ever.
	for _, hash := range []int64{11, 12} {
		other := in(hash)
		if err := a.Receive(ctx, other); err != nil || other.Duplicate {
			t.Errorf("another text with the same words on the connection: duplicate %v, %v", other.Duplicate, err)
		}
	}
	var n int
	if err := db.QueryRow(`SELECT count(*) FROM mo`).Scan(&n); err != nil || n != 4 {
		t.Errorf("%d texts, %v; want 4", n, err)
	}
}
