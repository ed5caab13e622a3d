// Package timeline is the live story of the platform: each request, PDU, receipt and callback as it
// happens, for the console's stream and for `longlines demo`.
//
// It is a view, never a record: entries are kept in a bounded ring and handed to whoever watches; a
// watcher that is too slow loses entries and is told how many. What must survive is in the store.
package timeline

import (
	"sync"
	"sync/atomic"
	"time"
)

// Kind says what happened.
type Kind string

const (
	KindRequest  Kind = "request"  // an API call was answered
	KindMessage  Kind = "message"  // a message changed its state
	KindPDU      Kind = "pdu"      // an SMPP PDU crossed a link
	KindReceipt  Kind = "receipt"  // a delivery receipt found (or did not find) its message
	KindMO       Kind = "mo"       // a text came from a handset
	KindCallback Kind = "callback" // a post to an app's listener was tried
	KindLink     Kind = "link"     // a link went up or down
)

// Entry is one thing that happened. Members that do not apply are empty.
type Entry struct {
	Seq      int64     `json:"seq"` // rises by one; a gap means lost entries
	Time     time.Time `json:"time"`
	Kind     Kind      `json:"kind"`
	Title    string    `json:"title"`             // one line: "POST /sms/v3/messaging/outbox"
	State    string    `json:"state,omitempty"`   // "201", "sent", "delivered", "in", "out"
	Code     string    `json:"code,omitempty"`    // catalogue code, if one was answered
	App      string    `json:"app,omitempty"`     // the app's name
	Request  string    `json:"request,omitempty"` // req_…
	Message  string    `json:"message,omitempty"` // SMS…
	Link     string    `json:"link,omitempty"`    // the link's name
	Ref      string    `json:"ref,omitempty"`     // the centre's message id
	Number   string    `json:"number,omitempty"`  // the handset's number
	Detail   string    `json:"detail,omitempty"`  // the wire: headers and body, or a decoded PDU
	Duration float64   `json:"ms,omitempty"`      // milliseconds
}

// Feed distributes entries. Its zero value is not usable; see [New].
type Feed struct {
	now      func() time.Time
	watchers atomic.Int32

	mu   sync.Mutex
	seq  int64
	ring []Entry
	subs map[*Watch]struct{}
}

// New returns a Feed that remembers the last n entries.
func New(n int, now func() time.Time) *Feed {
	return &Feed{now: now, ring: make([]Entry, 0, n), subs: map[*Watch]struct{}{}}
}

// Watched reports whether anybody looks. Whoever would have to format a Detail asks first, so that
// an unwatched platform pays for nothing.
func (f *Feed) Watched() bool { return f.watchers.Load() > 0 }

// Add publishes an entry; Seq and, if zero, Time are set here. It never blocks.
func (f *Feed) Add(e Entry) {
	if e.Time.IsZero() {
		e.Time = f.now()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	e.Seq = f.seq
	if cap(f.ring) > 0 {
		if len(f.ring) < cap(f.ring) {
			f.ring = append(f.ring, e)
		} else {
			f.ring[int((f.seq-1)%int64(cap(f.ring)))] = e
		}
	}
	for w := range f.subs {
		select {
		case w.c <- e:
		default: // the gap in Seq tells the watcher
		}
	}
}

// Watch receives entries until it is closed.
type Watch struct {
	f *Feed
	c chan Entry
}

// C gives the entries. It is never closed; select on your own context beside it.
func (w *Watch) C() <-chan Entry { return w.c }

// Close ends the watch.
func (w *Watch) Close() {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	if _, ok := w.f.subs[w]; ok {
		delete(w.f.subs, w)
		w.f.watchers.Add(-1)
	}
}

// Watch starts a watch and returns what the ring remembers after the entry with the given Seq,
// oldest first (0: all of it). No entry is lost between the two.
func (f *Feed) Watch(after int64) (recent []Entry, w *Watch) {
	w = &Watch{f: f, c: make(chan Entry, 256)}
	f.watchers.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	n := int64(len(f.ring))
	for s := max(after, f.seq-n) + 1; s <= f.seq; s++ {
		recent = append(recent, f.ring[int((s-1)%int64(cap(f.ring)))])
	}
	f.subs[w] = struct{}{}
	return recent, w
}
