// Package sandboxv1 is the API of the virtual network, /sandbox/v1/ on the admin listener: what a
// test, the command line and the console's Phones page use to read virtual phones, to let them
// send, and to make things go wrong on purpose.
//
//	GET    /sandbox/v1/phones                 the virtual phones, with unread counts and habits
//	POST   /sandbox/v1/phones/{number}/read   somebody has looked: nothing is unread any more
//	GET    /sandbox/v1/messages               ?to= &from= &phone= &since= &limit= &wait=10s
//	POST   /sandbox/v1/messages               {"from":"+1…","to":"48507","text":"…"}: a phone sends
//	GET    /sandbox/v1/stream                 every text as a server-sent event
//	GET    /sandbox/v1/faults                 what goes wrong at present
//	PUT    /sandbox/v1/faults                 adds one fault, or replaces all by {"faults":[…]}
//	DELETE /sandbox/v1/faults                 ends all of it
//
// A test does not sleep: GET messages with wait answers as soon as a text matches, and with an empty
// list when the time is over. Errors are problem documents (RFC 9457) that point at the member or
// parameter they are about.
//
// The package knows nothing of the virtual network itself, only the [Book] and [Faults] it is given.
// Who may call is decided by the handler around it.
package sandboxv1

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"longlines/number"
)

// Phone is a virtual phone.
type Phone struct {
	Number   number.MSISDN
	Habit    string // what it does with a text, in a few words
	Unread   int
	Messages int
	Last     time.Time // of its newest text; zero if there is none
}

// Message is a text on a virtual phone.
type Message struct {
	Seq       int64         // rises by one with each text; its name is "p" and this number
	Phone     number.MSISDN // whose text it is
	Direction string        // the phone's: "in" or "out"
	From, To  number.Address
	Type      string // "SMS"
	Text      string
	Time      time.Time
	Ref       string // received texts: the centre's id, which the platform's receipts name too
}

// Filter selects texts; what is zero selects all.
type Filter struct {
	Phone number.MSISDN
	From  number.Address
	To    number.Address
	Since time.Time // not older
	After int64     // with a higher Seq
}

// Fault is something that goes wrong on purpose.
type Fault struct {
	Link        string        // a virtual link, or "api"; "" for every virtual link
	Number      number.MSISDN // "" for all
	Status      uint32        // an SMPP command_status, on "api" an HTTP status; 0 for none
	Probability float64       // above 0, up to 1
	Delay       time.Duration
	Until       time.Time // zero: for ever
}

// Book is the virtual phones.
type Book interface {
	// Phones lists them in the order to be shown.
	Phones() []Phone
	// Read marks the texts of a phone as read and reports whether there is such a phone.
	Read(m number.MSISDN) bool
	// Messages returns what matches, oldest first; if that is nothing it waits for the first match,
	// no longer than wait, and then returns none. An error means that it cannot be waited.
	Messages(ctx context.Context, f Filter, wait time.Duration) ([]Message, error)
	// Send makes a phone send a well-formed text. An error means that the network is too busy.
	Send(from number.MSISDN, to number.Address, text string) (Message, error)
	// Watch returns the remembered texts with a Seq above after (none for a negative one), and a channel of
	// all that follow. A slow reader loses some and sees it by the gap in Seq.
	Watch(after int64) (recent []Message, live <-chan Message, stop func())
}

// Faults is the set of faults in force. The error of Put and Set says in words for the caller what is
// wrong with the fault.
type Faults interface {
	Put(f Fault) error
	Set(all []Fault) error
	Clear()
	List() []Fault
	Links() []string
}

// Config is what the API works on. Book and Faults are required.
type Config struct {
	Book      Book
	Faults    Faults
	Heartbeat time.Duration // between comments on a quiet stream; 0: 15 s
}

type handler struct {
	Config
	methods map[string]map[string]http.HandlerFunc // path, method
}

// prefix is where the API is mounted.
const prefix = "/sandbox/v1/"

// New returns the handler for everything below /sandbox/v1/.
func New(c Config) http.Handler {
	if c.Heartbeat <= 0 {
		c.Heartbeat = 15 * time.Second
	}
	h := &handler{Config: c}
	h.methods = map[string]map[string]http.HandlerFunc{
		"phones":   {"GET": h.listPhones},
		"messages": {"GET": h.listMessages, "POST": h.sendMessage},
		"stream":   {"GET": h.stream},
		"faults":   {"GET": h.listFaults, "PUT": h.putFaults, "DELETE": h.clearFaults},
	}
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	path, ok := strings.CutPrefix(r.URL.Path, prefix)
	path = strings.TrimSuffix(path, "/")
	methods := h.methods[path]
	if rest, is := strings.CutPrefix(path, "phones/"); is {
		if m, is := strings.CutSuffix(rest, "/read"); is && !strings.Contains(m, "/") {
			methods = map[string]http.HandlerFunc{"POST": func(w http.ResponseWriter, r *http.Request) { h.readPhone(w, m) }}
		}
	}
	if !ok || methods == nil {
		problem{Status: http.StatusNotFound, Detail: "there is nothing at " + r.URL.Path}.write(w)
		return
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if serve := methods[method]; serve != nil {
		serve(w, r)
		return
	}
	var allow []string
	for m := range methods {
		allow = append(allow, m)
	}
	slices.Sort(allow)
	w.Header().Set("Allow", strings.Join(allow, ", "))
	problem{Status: http.StatusMethodNotAllowed, Detail: r.URL.Path + " takes " + strings.Join(allow, ", ")}.write(w)
}
