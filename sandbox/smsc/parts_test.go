package smsc

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"longlines/gsm"
	"longlines/number"
)

func TestDequeDoesWhatASliceDoes(t *testing.T) {
	var d deque[int]
	var want []int
	dice := rand.New(rand.NewPCG(1, 2))
	for i := range 20_000 {
		switch dice.IntN(5) {
		case 0, 1:
			d.pushBack(i)
			want = append(want, i)
		case 2:
			d.pushFront(i)
			want = slices.Insert(want, 0, i)
		default:
			v, ok := d.popFront()
			if ok != (len(want) > 0) || ok && v != want[0] {
				t.Fatalf("step %d: took %d, %t from %v", i, v, ok, want)
			}
			if ok {
				want = want[1:]
			}
		}
		if d.len() != len(want) || len(want) > 0 && d.front() != want[0] {
			t.Fatalf("step %d: %d elements, want %d", i, d.len(), len(want))
		}
	}
}

func TestJoinerForgetsWhatIsNeverComplete(t *testing.T) {
	j := joiner{open: map[joinKey]*assembly{}}
	from := number.ShortCode("48507").Address()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	part := func(seq uint8) gsm.Part {
		return gsm.Part{Concat: gsm.Concat{Ref: 7, Total: 2, Seq: seq}, Payload: []byte("x")}
	}
	for i := range maxOpen + 100 {
		if _, whole := j.add(now, from, number.MSISDN(fmt.Sprint(i)), part(1)); whole {
			t.Fatal("half a text is whole")
		}
	}
	if n := len(j.open); n > maxOpen+1 || j.age.len() != n {
		t.Errorf("%d texts are open, %d aged", n, j.age.len())
	}
	if text, whole := j.add(now, from, number.MSISDN(fmt.Sprint(maxOpen)), part(2)); !whole || text != "xx" {
		t.Errorf("a late one became %q, %t", text, whole)
	}
	j.add(now.Add(openTime), from, "0", part(1))
	if n := len(j.open); n != 1 {
		t.Errorf("%d texts are open after their time", n)
	}
}
