package oauth

import (
	"context"
	"crypto/subtle"
	"fmt"
	"slices"
	"strings"
	"time"

	"longlines/app"
	"longlines/audit"
	"longlines/id"
	"longlines/number"
)

// SessionLife is how long a browser is remembered.
const SessionLife = 30 * 24 * time.Hour

// Remember makes a browser known for a while, at most [SessionLife]; the text goes into its cookie. Of
// its User-Agent only what [Agent] makes of it is kept. Durable on return; its errors are the store's.
func (s *Subscribers) Remember(ctx context.Context, who Person, userAgent string, life time.Duration) (cookie string, expires time.Time, err error) {
	now := s.now().UTC().Truncate(time.Millisecond)
	row := Session{ID: s.store.NextToken(1), Subscriber: who.Subscriber, Level: who.Level,
		Created: now, Expires: now.Add(min(life, SessionLife)), Agent: Agent(userAgent)}
	cookie, row.Hash = mint(s.sealer, row.ID)
	if err := s.store.PutSession(ctx, row); err != nil {
		return "", time.Time{}, fmt.Errorf("remember a browser: %w", err)
	}
	return cookie, row.Expires, nil
}

// Remembered finds who a cookie stands for; ok is false for one that is unknown, expired, ended, or of
// another level. Its errors are the store's.
func (s *Subscribers) Remembered(ctx context.Context, level app.Level, cookie string) (who Person, session id.Number, ok bool, err error) {
	row, ok, err := s.session(ctx, cookie)
	if err != nil || !ok || row.Level != level || !s.now().Before(row.Expires) {
		return Person{}, 0, false, err
	}
	return Person{Subscriber: row.Subscriber, Level: row.Level, How: HowRemembered}, row.ID, true, nil
}

// Forget ends the session of a cookie. One that stands for none is none of ours, and no error. Durable
// on return.
func (s *Subscribers) Forget(ctx context.Context, cookie string) error {
	row, ok, err := s.session(ctx, cookie)
	if err != nil || !ok {
		return err
	}
	return s.EndBrowsers(ctx, row.Level, row.Subscriber, row.ID)
}

// Browsers lists the sessions of a subscriber, newest first, at most 100.
func (s *Subscribers) Browsers(ctx context.Context, who Person) ([]Session, error) {
	rows, err := s.store.Sessions(ctx, who.Level, who.Subscriber)
	if err != nil {
		return nil, fmt.Errorf("list the browsers of a subscriber: %w", err)
	}
	now := s.now()
	return slices.DeleteFunc(rows, func(row Session) bool { return !now.Before(row.Expires) }), nil
}

// EndBrowsers ends one session of a subscriber, or all of them (n 0). A number that is not one of theirs
// ends nothing. An audit entry that ctx carries is kept, else the change makes its own. Durable on return.
func (s *Subscribers) EndBrowsers(ctx context.Context, level app.Level, m number.MSISDN, n id.Number) error {
	if _, given := audit.From(ctx); !given {
		e := audit.Entry{Actor: "subscriber " + m.String(), Action: "browser signed out", Object: "subscriber " + m.String()}
		if n == 0 {
			e.Action = "all browsers signed out"
		}
		ctx = audit.With(ctx, e)
	}
	if err := s.store.EndSessions(ctx, level, m, n); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

// session reads the row that a cookie names, if the cookie is the row's.
func (s *Subscribers) session(ctx context.Context, cookie string) (row Session, ok bool, err error) {
	n, hash, ok := parse(s.sealer, cookie)
	if !ok {
		return Session{}, false, nil
	}
	row, ok, err = s.store.Session(ctx, n)
	if err != nil {
		return Session{}, false, fmt.Errorf("read a session: %w", err)
	}
	if !ok || subtle.ConstantTimeCompare(row.Hash[:], hash[:]) != 1 {
		return Session{}, false, nil
	}
	return row, true, nil
}

// What browsers and systems call themselves, and what people call them. The first that fits counts:
// nearly every browser also claims to be Safari, most of the others to be Chrome, Android to be Linux,
// and an iPhone to be like Mac OS X.
var (
	browsers = []struct{ token, name string }{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Opera", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Samsung Internet", "Samsung Internet"},
		{"FxiOS", "Firefox"}, {"Firefox", "Firefox"}, {"CriOS", "Chrome"}, {"Chrome", "Chrome"}, {"Safari", "Safari"},
	}
	systems = []struct{ token, name string }{
		{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"},
		{"CrOS", "Chromebook"}, {"Chromebook", "Chromebook"}, {"Mac", "Mac"}, {"Linux", "Linux"},
	}
)

// maxUserAgent is how much of a User-Agent is looked at; real ones are shorter.
const maxUserAgent = 512

// Agent describes a browser in a few words, for its owner to recognise: "Chrome on Android", or
// "Browser" for what is neither this nor that. The words are ours, never the header's, so they are safe
// to keep and to show. What it has made it leaves as it is.
func Agent(userAgent string) string {
	userAgent = userAgent[:min(len(userAgent), maxUserAgent)]
	for _, b := range browsers {
		if !strings.Contains(userAgent, b.token) {
			continue
		}
		for _, o := range systems {
			if strings.Contains(userAgent, o.token) {
				return b.name + " on " + o.name
			}
		}
		break
	}
	return "Browser"
}
