package oauth

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"longlines/app"
	"longlines/audit"
	"longlines/id"
)

// maxConsents bounds what one subscriber is shown; there are fewer apps than that.
const maxConsents = 1000

// Consents lists what a subscriber has consented to, newest first, of the apps of the level that still
// exist, in force only. At most 1,000 rows are looked at.
func (s *Service) Consents(ctx context.Context, who Person) ([]Consent, error) {
	var out []Consent
	const page = 100
	var before id.Number
	for read := 0; read < maxConsents; {
		rows, err := s.store.ConsentsOf(ctx, who.Level, who.Subscriber, before, page)
		if err != nil {
			return nil, fmt.Errorf("read consents: %w", err)
		}
		for _, c := range rows {
			// Of another level's app it is another person's: the same number on the other network.
			if a := s.apps.ByID(c.App); a != nil && !a.Deleted && a.Level == who.Level {
				out = append(out, c)
			}
		}
		if len(rows) < page {
			break
		}
		read += len(rows)
		before = rows[len(rows)-1].ID
	}
	return out, nil
}

// App finds the app of a consent, a deleted one too; nil if there is none.
func (s *Service) App(n app.ID) *app.App { return s.apps.ByID(n) }

// Withdraw takes scopes off a subscriber's consent, or ends it (no scopes named, or none left). Its
// tokens end at once here, within a second on other nodes. by is BySubscriber or ByOperator. An audit
// entry that ctx carries is kept, else the change makes its own. ok is false if the subscriber has no
// such consent in force.
func (s *Service) Withdraw(ctx context.Context, c Consent, scopes []app.Scope, by string) (ok bool, err error) {
	// Whatever comes of it: the store tells nothing of a commit whose answer was lost, neither now nor when it is
	// tried again and finds nothing left to withdraw.
	defer s.Changed(c.ID)
	of := s.apps.ByID(c.App).Tenant()
	if _, given := audit.From(ctx); !given {
		now, ok, err := s.store.Consent(ctx, of, c.Subscriber)
		if err != nil {
			return false, fmt.Errorf("read a consent: %w", err)
		}
		if !ok || now.ID != c.ID {
			return false, nil
		}
		ctx = audit.With(ctx, s.withdrawal(now, scopes, by))
	}
	_, ok, err = s.store.Withdraw(ctx, of, c.Subscriber, c.ID, scopes, by)
	if err != nil {
		return false, fmt.Errorf("withdraw a consent: %w", err)
	}
	return ok, nil
}

// withdrawal is the audit entry of scopes being taken off a consent that stands as given.
func (s *Service) withdrawal(c Consent, scopes []app.Scope, by string) audit.Entry {
	e := audit.Entry{Actor: "subscriber " + c.Subscriber.String(), Action: "consent withdrawn", Object: s.object(c.App)}
	gone := app.ParseScopes(c.Scopes)
	if len(scopes) > 0 {
		all := len(gone)
		gone = slices.DeleteFunc(gone, func(have app.Scope) bool { return !slices.Contains(scopes, have) })
		if len(gone) < all {
			e.Action = "consent narrowed"
		}
	}
	detail := decision{Scopes: app.JoinScopes(gone)}
	if by == ByOperator {
		e.Actor, detail.Subscriber = "admin", c.Subscriber.String()
	}
	e.Detail = audit.Detail(detail)
	return e
}

// decision is the detail of the audit entries of consents.
type decision struct {
	Scopes     string `json:"scopes"`
	How        string `json:"how,omitempty"`        // the subscriber was known, when giving it
	Subscriber string `json:"subscriber,omitempty"` // if somebody else acted
}

// object names an app in an audit entry.
func (s *Service) object(n app.ID) string {
	if a := s.apps.ByID(n); a != nil {
		return "app " + a.Name
	}
	return fmt.Sprintf("app %d", n)
}

// Changed makes the service forget what it knows of a consent. The store calls it for every change,
// here or on another node.
func (s *Service) Changed(consent id.Number) { s.changes.note(consent) }

// Run writes down, now and then, when consents were acted under, until ctx ends; what is noted by then
// is written before it returns. Its error is always nil: a use that could not be written is of no
// consequence, and is tried again.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushEvery)
			defer cancel()
			s.flush(last)
			return nil
		}
	}
}

// flush writes down what is noted.
func (s *Service) flush(ctx context.Context) {
	at := s.uses.take()
	if len(at) == 0 {
		return
	}
	if err := s.store.ConsentsUsed(ctx, at); err != nil {
		s.log.WarnContext(ctx, "the use of consents was not written down", "consents", len(at), "error", err)
		s.uses.put(at)
	}
}

// changes knows which consents have changed of late, so that what memory holds of an older state is read
// again. The usual question, whether anything at all has changed since, takes no lock.
type changes struct {
	count atomic.Uint64 // of all changes; rises under mu

	mu    sync.RWMutex
	last  map[id.Number]uint64 // consent to the count at its last change
	floor uint64               // changes up to this one are not in last any more
}

// maxChanges bounds changes.last; when it is full, all that memory holds of consents is taken as old.
const maxChanges = 65_536

// epoch is taken before a row is read, and becomes the principal's seen. A change that comes while the
// row is read has a higher count, so the row is read again, however late the reader keeps it.
func (c *changes) epoch() uint64 { return c.count.Load() }

// note notes a change.
func (c *changes) note(n id.Number) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.count.Load() + 1
	if c.last == nil || len(c.last) >= maxChanges {
		c.last, c.floor = map[id.Number]uint64{}, at-1
	}
	c.last[n] = at
	c.count.Store(at)
}

// outdated reports whether the consent behind a principal has changed since it was read.
func (c *changes) outdated(w *principal) bool {
	if w == nil || w.consent == 0 {
		return false
	}
	// The count is loaded before the lock is taken, so every change it counts is in last.
	count, seen := c.count.Load(), w.seen.Load()
	if count == seen {
		return false
	}
	c.mu.RLock()
	old := seen < c.floor || c.last[w.consent] > seen
	c.mu.RUnlock()
	if !old {
		w.seen.Store(count)
	}
	return old
}

const (
	flushEvery = 5 * time.Second
	maxUses    = 100_000 // consents noted between two flushes; what is beyond is noted a minute later
)

// uses notes when consents were last acted under, to the minute: a token takes its lock once a minute.
type uses struct {
	mu sync.Mutex
	at map[id.Number]time.Time
}

// note notes a use at a second since 1970.
func (u *uses) note(w *principal, second int64) {
	minute := second / 60
	if was := w.used.Load(); was >= minute || !w.used.CompareAndSwap(was, minute) {
		return
	}
	u.put(map[id.Number]time.Time{w.consent: time.Unix(minute*60, 0).UTC()})
}

func (u *uses) put(at map[id.Number]time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.at == nil {
		u.at = map[id.Number]time.Time{}
	}
	for n, t := range at {
		if was, known := u.at[n]; t.After(was) && (known || len(u.at) < maxUses) {
			u.at[n] = t
		}
	}
}

func (u *uses) take() map[id.Number]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := u.at
	u.at = nil
	return at
}
