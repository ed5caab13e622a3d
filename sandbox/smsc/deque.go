package smsc

// deque is a queue with two ends. The zero value is empty.
type deque[T any] struct {
	ring []T // its length is a power of two
	head int
	n    int
}

func (d *deque[T]) len() int { return d.n }

func (d *deque[T]) grow() {
	if d.n < len(d.ring) {
		return
	}
	ring := make([]T, max(16, 2*len(d.ring)))
	for i := range d.n {
		ring[i] = d.ring[(d.head+i)&(len(d.ring)-1)]
	}
	d.ring, d.head = ring, 0
}

func (d *deque[T]) pushBack(v T) {
	d.grow()
	d.ring[(d.head+d.n)&(len(d.ring)-1)] = v
	d.n++
}

func (d *deque[T]) pushFront(v T) {
	d.grow()
	d.head = (d.head - 1) & (len(d.ring) - 1)
	d.ring[d.head] = v
	d.n++
}

func (d *deque[T]) popFront() (v T, ok bool) {
	if d.n == 0 {
		return v, false
	}
	var none T
	v, d.ring[d.head] = d.ring[d.head], none
	d.head = (d.head + 1) & (len(d.ring) - 1)
	d.n--
	if d.n == 0 && len(d.ring) > 1024 { // a rush is over: give its memory back
		d.ring, d.head = nil, 0
	}
	return v, true
}

// front is the first element without taking it; there must be one.
func (d *deque[T]) front() T { return d.ring[d.head] }
