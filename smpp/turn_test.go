package smpp

import (
	"context"
	"testing"
)

// Requests of one number are handled one after the other, as they came; others pass them meanwhile.
func TestRequestsInTurn(t *testing.T) {
	type begun struct {
		text string
		end  chan struct{}
	}
	handled := make(chan begun, 16)
	s, p := byHand(t, SessionConfig{
		InTurn: func(p PDU) uint64 { return uint64(len(p.(*DeliverSM).Source.Addr)) },
		Handler: HandlerFunc(func(_ context.Context, r *Request) {
			b := begun{string(r.PDU.(*DeliverSM).ShortMessage), make(chan struct{})}
			handled <- b
			<-b.end
			if b.text == "a1" {
				panic("poison") // the next one gets its turn all the same
			}
			r.Respond(StatusROK, nil)
		}),
	})
	sequence := uint32(0)
	send := func(from, text string) {
		sequence++
		p.write(Header{Sequence: sequence}, &DeliverSM{Source: Address{Addr: from}, ShortMessage: []byte(text)})
	}
	for _, text := range []string{"a1", "a2", "a3"} {
		send("1", text)
	}
	send("22", "b1")
	send("", "free 1") // of no number
	send("", "free 2")

	first := map[string]begun{}
	for range 4 {
		b := wait(t, handled, "a request")
		first[b.text] = b
	}
	for _, text := range []string{"a1", "b1", "free 1", "free 2"} {
		if _, ok := first[text]; !ok {
			t.Fatalf("begun: %v, without %s", first, text)
		}
	}
	// What is begun now is begun because a1 has ended, for nothing else has.
	last := first["a1"]
	for _, text := range []string{"a2", "a3"} {
		close(last.end)
		if last = wait(t, handled, "the next of its number"); last.text != text {
			t.Fatalf("%s after its predecessor, want %s", last.text, text)
		}
	}
	close(last.end)
	for _, text := range []string{"b1", "free 1", "free 2"} {
		close(first[text].end)
	}
	until(t, "the end of all", func() bool { return s.Stats().Unanswered == 0 })
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.turns) != 0 {
		t.Errorf("%d turns are remembered", len(s.turns))
	}
}
