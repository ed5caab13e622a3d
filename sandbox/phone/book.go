package phone

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"longlines/number"
	"longlines/sandbox/clock"
)

const (
	maxPerPhone = 1_000   // texts one phone remembers
	maxTexts    = 100_000 // texts all phones together remember
	maxOutbox   = 10_000  // texts sent and not yet taken by the centre
	maxWaiting  = 10_000  // calls of Messages that wait
	maxSenders  = 64      // senders of which one phone remembers that it has answered them
	watchBuffer = 1_024   // texts a watcher may be behind
)

// MaxText is the longest text that a phone sends, in characters.
const MaxText = 4096

// The errors of a Book.
var (
	ErrText    = fmt.Errorf("phone: a text has 1 to %d characters of valid UTF-8", MaxText)
	ErrAddress = errors.New("phone: a text goes to a short code or a number")
	ErrBusy    = errors.New("phone: too much is waiting")
)

// The direction of a text as its phone sees it.
const (
	In  = "in"  // received
	Out = "out" // sent
)

// Message is a text that a phone received or sent.
type Message struct {
	Seq       int64         // rises by one with each text of the book
	Phone     number.MSISDN // whose text it is
	Direction string        // In or Out
	From, To  number.Address
	Type      string    // "SMS"
	Text      string    //
	Time      time.Time // UTC, whole milliseconds
	Ref       string    // received texts: the centre's id for it, of the segment that made a long one whole
}

// Phone is one line of the book.
type Phone struct {
	Number   number.MSISDN
	Habit    string    // its name, see [Habit]
	Unread   int       // received since [Book.Read]
	Messages int       // remembered
	Last     time.Time // of the newest text; zero if there was none
}

// Config is what a Book needs. The zero value works.
type Config struct {
	Numbers []number.MSISDN // phones that are always listed; nil: +14255550100 and +14255550101
	Clock   clock.Clock     // nil: clock.System
}

// Book is the virtual phones. See [New]; all methods may be called at the same time.
type Book struct {
	clock  clock.Clock
	outbox chan *Message

	mu      sync.Mutex
	seq     int64
	phones  map[number.MSISDN]*handset
	all     list // every text, oldest first
	waiting map[*waiter]struct{}
	watches map[*Watch]struct{}
}

// handset is a phone and what it remembers.
type handset struct {
	number   number.MSISDN
	fixed    int // its place among the configured ones from 1; 0: it is not one
	texts    list
	unread   int
	last     time.Time
	answered map[number.Address]bool // senders that Habit.Times is about
}

// node is a text in two lists: of its phone and of the whole book.
type node struct {
	Message
	owner *handset
	link  [2]struct{ next, prev *node }
}

// The two lists a node is in.
const (
	inBook = iota
	inPhone
)

// list is a doubly linked one, because a text leaves both of its lists from the middle of one.
type list struct {
	first, last *node
	n           int
}

func (l *list) push(n *node, which int) {
	n.link[which].prev = l.last
	if l.last != nil {
		l.last.link[which].next = n
	} else {
		l.first = n
	}
	l.last = n
	l.n++
}

func (l *list) remove(n *node, which int) {
	k := &n.link[which]
	if k.prev != nil {
		k.prev.link[which].next = k.next
	} else {
		l.first = k.next
	}
	if k.next != nil {
		k.next.link[which].prev = k.prev
	} else {
		l.last = k.prev
	}
	k.next, k.prev = nil, nil
	l.n--
}

// New returns a book with the configured phones in it.
func New(c Config) *Book {
	if c.Numbers == nil {
		c.Numbers = []number.MSISDN{"14255550100", "14255550101"}
	}
	if c.Clock == nil {
		c.Clock = clock.System
	}
	b := &Book{
		clock:   c.Clock,
		outbox:  make(chan *Message, maxOutbox),
		phones:  map[number.MSISDN]*handset{},
		waiting: map[*waiter]struct{}{},
		watches: map[*Watch]struct{}{},
	}
	for i, m := range c.Numbers {
		if b.phones[m] == nil {
			b.phones[m] = &handset{number: m, fixed: i + 1}
		}
	}
	return b
}

// Phones lists the book: the configured phones first and in their order, then the others by their
// newest text, newest first.
func (b *Book) Phones() []Phone {
	type line struct {
		Phone
		fixed int
	}
	b.mu.Lock()
	lines := make([]line, 0, len(b.phones))
	for _, h := range b.phones {
		lines = append(lines, line{Phone{h.number, HabitOf(h.number).Name, h.unread, h.texts.n, h.last}, h.fixed})
	}
	b.mu.Unlock()
	slices.SortFunc(lines, func(x, y line) int {
		switch {
		case x.fixed != 0 && y.fixed != 0:
			return x.fixed - y.fixed
		case x.fixed != 0:
			return -1
		case y.fixed != 0:
			return 1
		}
		if c := y.Last.Compare(x.Last); c != 0 {
			return c
		}
		return strings.Compare(string(x.Number), string(y.Number))
	})
	phones := make([]Phone, len(lines))
	for i := range lines {
		phones[i] = lines[i].Phone
	}
	return phones
}

// Read says that somebody has looked at a phone: none of its texts is unread any more. It reports
// whether the phone is in the book.
func (b *Book) Read(m number.MSISDN) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.phones[m]
	if h != nil {
		h.unread = 0
	}
	return h != nil
}

// Deliver hands a text, known to its centre as ref, to a phone and returns it as the phone shows it. What the phone does about
// it follows in [Book.React].
func (b *Book) Deliver(from number.Address, to number.MSISDN, text, ref string) Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.add(&node{Message: Message{
		Phone: to, Direction: In, From: from, To: to.Address(), Type: "SMS", Text: text, Ref: ref,
	}}).Message
}

// React lets a phone do what its habit says about a text it received. A centre calls it once
// it has reported the delivery, so that the report goes first. Only short codes are answered: two phones
// must not talk to each other for ever.
func (b *Book) React(m Message) {
	h := HabitOf(m.Phone)
	if _, ok := m.From.ShortCode(); !ok || h.Reply == "" || m.Direction != In {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.phones[m.Phone]; p != nil && h.Times != EachTime {
		if p.answered[m.From] {
			return
		}
		if p.answered == nil || len(p.answered) >= maxSenders {
			p.answered = map[number.Address]bool{}
		}
		p.answered[m.From] = true
	}
	_, _ = b.send(m.Phone, m.From, h.Reply) // ErrBusy: nobody has taken 10,000 texts, so nobody misses this one
}

// Send makes a phone send a text to a short code or to another phone. The errors are [ErrText],
// [ErrAddress], and [ErrBusy] while the centre does not take what is sent.
func (b *Book) Send(from number.MSISDN, to number.Address, text string) (Message, error) {
	if n := utf8.RuneCountInString(text); n < 1 || n > MaxText || !utf8.ValidString(text) {
		return Message{}, ErrText
	}
	if k := to.Kind(); from == "" || k != number.KindMSISDN && k != number.KindShortCode {
		return Message{}, ErrAddress
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.send(from, to, text)
}

func (b *Book) send(from number.MSISDN, to number.Address, text string) (Message, error) {
	if len(b.outbox) == cap(b.outbox) { // only we fill it, and we hold the lock
		return Message{}, ErrBusy
	}
	n := b.add(&node{Message: Message{
		Phone: from, Direction: Out, From: from.Address(), To: to, Type: "SMS", Text: text,
	}})
	if strings.EqualFold(strings.TrimSpace(text), "START") {
		if h := n.owner; HabitOf(from).Times == OnceAfter {
			delete(h.answered, to)
		}
	}
	m := n.Message
	b.outbox <- &m
	return m, nil
}

// Take waits for the next text that a phone sends, for the centre to carry it on. It returns the
// error of ctx when that ends first.
func (b *Book) Take(ctx context.Context) (Message, error) {
	select {
	case m := <-b.outbox:
		return *m, nil
	case <-ctx.Done():
		return Message{}, ctx.Err()
	}
}

// add enters a text. b.mu is held.
func (b *Book) add(n *node) *node {
	b.seq++
	n.Seq = b.seq
	n.Time = b.clock.Now().UTC().Truncate(time.Millisecond)
	h := b.phones[n.Phone]
	if h == nil {
		h = &handset{number: n.Phone}
		b.phones[n.Phone] = h
	}
	n.owner = h
	h.last = n.Time
	if n.Direction == In {
		h.unread++
	}
	b.all.push(n, inBook)
	h.texts.push(n, inPhone)
	if h.texts.n > maxPerPhone {
		b.forget(h.texts.first)
	}
	if b.all.n > maxTexts {
		b.forget(b.all.first)
	}
	for w := range b.waiting {
		if w.filter.matches(&n.Message) {
			w.wake()
		}
	}
	for w := range b.watches {
		select {
		case w.c <- n.Message:
		default: // the gap in Seq tells the watcher
		}
	}
	return n
}

func (b *Book) forget(n *node) {
	h := n.owner
	b.all.remove(n, inBook)
	h.texts.remove(n, inPhone)
	h.unread = min(h.unread, h.texts.n)
	if h.texts.n == 0 && h.fixed == 0 {
		delete(b.phones, h.number)
	}
}

// Filter selects texts; what is zero selects all.
type Filter struct {
	Phone number.MSISDN  // whose they are
	From  number.Address // who sent them
	To    number.Address // to whom
	Since time.Time      // not older, by the millisecond
	After int64          // with a higher Seq
}

func (f *Filter) matches(m *Message) bool {
	return m.Seq > f.After &&
		(f.Phone == "" || f.Phone == m.Phone) &&
		(f.From.IsZero() || f.From == m.From) &&
		(f.To.IsZero() || f.To == m.To) &&
		(f.Since.IsZero() || !m.Time.Before(f.Since))
}

// waiter is one call of Messages that found nothing yet.
type waiter struct {
	filter *Filter
	c      chan struct{} // holds one
}

func (w *waiter) wake() {
	select {
	case w.c <- struct{}{}:
	default:
	}
}

// Messages returns the texts that match, oldest first. If there is none it waits for the first one,
// but no longer than wait, and then returns none. The errors are that of ctx, and [ErrBusy] if too
// many wait already.
func (b *Book) Messages(ctx context.Context, f Filter, wait time.Duration) ([]Message, error) {
	f.Since = f.Since.Truncate(time.Millisecond) // or a text would be older than the request made before it
	b.mu.Lock()
	found := b.find(&f)
	if len(found) > 0 || wait <= 0 {
		b.mu.Unlock()
		return found, nil
	}
	if len(b.waiting) >= maxWaiting {
		b.mu.Unlock()
		return nil, ErrBusy
	}
	w := &waiter{filter: &f, c: make(chan struct{}, 1)}
	b.waiting[w] = struct{}{}
	b.mu.Unlock()
	over := make(chan struct{})
	stop := b.clock.AfterFunc(wait, func() { close(over) })
	defer stop()
	defer func() {
		b.mu.Lock()
		delete(b.waiting, w)
		b.mu.Unlock()
	}()
	for late := false; ; {
		select {
		case <-w.c:
		case <-over:
			late = true
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		b.mu.Lock()
		found = b.find(&f)
		b.mu.Unlock()
		if len(found) > 0 || late {
			return found, nil
		}
	}
}

// find is Messages without waiting. b.mu is held.
func (b *Book) find(f *Filter) []Message {
	l, which := &b.all, inBook
	// The texts of one phone are found in its own list, which is short.
	if m, ok := f.owner(); ok {
		h := b.phones[m]
		if h == nil {
			return nil
		}
		l, which = &h.texts, inPhone
	}
	n := l.first
	if f.After > 0 || !f.Since.IsZero() { // the newest are wanted: walk back from the end
		for n = l.last; n != nil && n.Seq > f.After && !n.Time.Before(f.Since) && n.link[which].prev != nil; {
			n = n.link[which].prev
		}
	}
	var found []Message
	for ; n != nil; n = n.link[which].next {
		if f.matches(&n.Message) {
			found = append(found, n.Message)
		}
	}
	return found
}

// owner is the phone in whose list everything that matches is. A text between two phones is in both
// lists under two numbers, so From and To alone do not name one.
func (f *Filter) owner() (number.MSISDN, bool) { return f.Phone, f.Phone != "" }

// Watch receives every text from the moment it began.
type Watch struct {
	b *Book
	c chan Message
}

// Watch starts a watch and returns the texts that are remembered and have a Seq above after, oldest
// first; for a negative one, none. None is lost between the two.
func (b *Book) Watch(after int64) (recent []Message, w *Watch) {
	w = &Watch{b: b, c: make(chan Message, watchBuffer)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if after >= 0 && after < b.seq {
		recent = b.find(&Filter{After: after})
	}
	b.watches[w] = struct{}{}
	return recent, w
}

// Last is the Seq of the newest text, 0 if there was none.
func (b *Book) Last() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seq
}

// C gives the texts. It is never closed. Whoever is more than 1,024 behind misses some, and sees it
// by the gap in Seq.
func (w *Watch) C() <-chan Message { return w.c }

// Close ends the watch. Closing twice is harmless.
func (w *Watch) Close() {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	delete(w.b.watches, w)
}
