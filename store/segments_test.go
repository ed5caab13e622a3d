package store

import (
	"sync"
	"testing"

	"longlines/message"
	"longlines/sms"
)

// The two segments of one text come to two nodes at the same moment: one of them makes it whole.
func TestPostgresSegmentsOverTwoNodesBecomeOneText(t *testing.T) {
	ctx := t.Context()
	a, b := pair(t, nil)
	for i := range 50 {
		var wg sync.WaitGroup
		segments := make([]*sms.Reception, 2)
		for p, s := range []*Store{a, b} {
			segments[p] = &sms.Reception{
				In: message.Incoming{Group: "g", ConcatRef: uint16(i), Total: 2, Part: uint8(p + 1), UD: []byte("abc"), Time: s.now()},
				MO: sms.MO{ID: s.NextMessage(1), App: 7, From: "14255550100", To: "48507", At: s.now()},
			}
			wg.Go(func() {
				if err := s.Receive(ctx, segments[p]); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if segments[0].Waiting == segments[1].Waiting {
			t.Fatalf("text %d: waiting %v and %v", i, segments[0].Waiting, segments[1].Waiting)
		}
	}
}
