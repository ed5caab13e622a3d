package sandbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"longlines/number"
	"longlines/sandbox/clock"
)

// LinkAPI is the link of a fault that strikes the API listener instead of the virtual centre.
const LinkAPI = "api"

// Limits of a fault.
const (
	maxFaults = 1_000
	maxDelay  = 10 * time.Minute
)

// Fault is something that goes wrong on purpose: an answer that is bad, or late, or both.
type Fault struct {
	Link        string        // the virtual link it is on, or LinkAPI; "" for every virtual link
	Number      number.MSISDN // only texts to this subscriber; "" for all
	Status      uint32        // SMPP command_status to refuse with, on LinkAPI the HTTP status; 0 lets it pass
	Probability float64       // above 0, up to 1 for always
	Delay       time.Duration // the answer is this much later, at most 10 minutes
	Until       time.Time     // it vanishes then; zero: when it is removed
}

// Faults is the set of faults in force. Rolling the dice on an empty set costs next to nothing. See
// [NewFaults]; all methods may be called at the same time.
type Faults struct {
	links  []string
	clock  clock.Clock
	random func() float64

	mu  sync.Mutex // held to change list
	set atomic.Pointer[[]Fault]
}

// NewFaults returns an empty set for the virtual links of the given names and for LinkAPI. A nil
// clock is that of the machine. Random gives numbers from 0 to below 1; nil is math/rand.
func NewFaults(links []string, c clock.Clock, random func() float64) *Faults {
	if c == nil {
		c = clock.System
	}
	if random == nil {
		random = rand.Float64
	}
	return &Faults{links: links, clock: c, random: random}
}

// Links are the names that [Fault.Link] may have.
func (f *Faults) Links() []string { return append(slices.Clone(f.links), LinkAPI) }

// Put adds a fault. It takes the place of an older one on the same link for the same number.
func (f *Faults) Put(x Fault) error {
	if err := f.check(&x); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	list := slices.DeleteFunc(f.List(), func(y Fault) bool { return y.Link == x.Link && y.Number == x.Number })
	if len(list) >= maxFaults {
		return fmt.Errorf("there are %d faults already", maxFaults)
	}
	list = append(list, x)
	f.set.Store(&list)
	return nil
}

// Set replaces all faults.
func (f *Faults) Set(all []Fault) error {
	if len(all) > maxFaults {
		return fmt.Errorf("at most %d faults", maxFaults)
	}
	all = slices.Clone(all)
	for i := range all {
		if err := f.check(&all[i]); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set.Store(&all)
	return nil
}

// Clear removes all faults.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set.Store(nil)
}

// List returns the faults in force, oldest first.
func (f *Faults) List() []Fault {
	p := f.set.Load()
	if p == nil {
		return nil
	}
	now := f.clock.Now()
	return slices.DeleteFunc(slices.Clone(*p), func(x Fault) bool { return x.over(now) })
}

func (x *Fault) over(now time.Time) bool { return !x.Until.IsZero() && !now.Before(x.Until) }

func (f *Faults) check(x *Fault) error {
	switch {
	case x.Link != "" && x.Link != LinkAPI && !slices.Contains(f.links, x.Link):
		return fmt.Errorf("no link %q that faults can be put on; there is %s", x.Link, strings.Join(f.Links(), ", "))
	case x.Link == LinkAPI && x.Number != "":
		return errors.New("the link api knows no numbers")
	case x.Link == LinkAPI && x.Status != 0 && (x.Status < 400 || x.Status > 599):
		return errors.New("the status of a fault on the link api is an HTTP status from 400 to 599")
	case !(x.Probability > 0 && x.Probability <= 1):
		return errors.New("a probability is above 0 and at most 1")
	case x.Delay < 0 || x.Delay > maxDelay:
		return fmt.Errorf("a delay is from 0 to %s", maxDelay)
	case x.Status == 0 && x.Delay == 0:
		return errors.New("a fault has a status, a delay, or both")
	case x.over(f.clock.Now()):
		return errors.New("until has passed already")
	}
	return nil
}

// Roll says what goes wrong now on a link with a text to m: the first status that strikes, 0 for
// none, and the delays of all that strike together.
func (f *Faults) Roll(link string, m number.MSISDN) (status uint32, delay time.Duration) {
	p := f.set.Load()
	if p == nil || len(*p) == 0 {
		return 0, 0
	}
	now := f.clock.Now()
	for i := range *p {
		x := &(*p)[i]
		if x.Link != link && (x.Link != "" || link == LinkAPI) || x.Number != "" && x.Number != m || x.over(now) {
			continue
		}
		if x.Probability < 1 && f.random() >= x.Probability {
			continue
		}
		delay += x.Delay
		if status == 0 {
			status = x.Status
		}
	}
	return status, delay
}

// Wrap puts the faults of LinkAPI in front of h. When one with a status strikes, answer writes the
// response: status, headers and body; h is not called.
func (f *Faults) Wrap(h http.Handler, answer func(w http.ResponseWriter, r *http.Request, status int)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, delay := f.Roll(LinkAPI, "")
		if delay > 0 {
			over := make(chan struct{})
			stop := f.clock.AfterFunc(delay, func() { close(over) })
			select {
			case <-over:
			case <-r.Context().Done():
				// The caller has gone, or we stop. One who can still read is told: a silent return would be an empty 200.
				stop()
				answer(w, r, http.StatusServiceUnavailable)
				return
			}
		}
		if status != 0 {
			answer(w, r, int(status))
			return
		}
		h.ServeHTTP(w, r)
	})
}
