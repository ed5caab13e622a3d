package oauth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"longlines/app"
	"longlines/fault"
)

// PushedLife is how long a pushed request may be used (RFC 9126 §2.2).
const PushedLife = 90 * time.Second

// pushedPrefix is what a request_uri of ours begins with (RFC 9126 §2.2).
const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

// Push checks an authorization request and keeps it; the uri stands for it at authorize (RFC 9126).
// Refusals that authorize would put into the redirect come back as faults with status 400; an app with
// too many that are open gets fault.Unavailable.
func (s *Service) Push(ctx context.Context, a *app.App, q url.Values) (uri string, err error) {
	if q.Has("request_uri") {
		return "", fault.OAuthRequest.Describe("request_uri cannot be pushed") // RFC 9126 §2.1
	}
	r, err := s.asked(a, q)
	if err != nil {
		var r *Redirected
		if !errors.As(err, &r) {
			return "", err
		}
		f := *r.Fault
		f.Status = http.StatusBadRequest
		return "", &f
	}
	if !s.pushes.take(a.ID, s.now()) {
		return "", fault.Unavailable.After(PushedLife).Because(errPushes)
	}
	// What is kept is what was understood: not how the client has proved itself, in whatever letters it has
	// written that, nor anything else that is not ours to keep.
	p := Pushed{ID: s.store.NextToken(1), App: a.ID, Params: r.Query().Encode(), Expires: s.now().UTC().Add(PushedLife)}
	var text string
	text, p.Hash = mint(s.sealer, p.ID)
	if err := s.store.Push(ctx, p); err != nil {
		return "", fmt.Errorf("keep a pushed request: %w", err)
	}
	return pushedPrefix + text, nil
}

// maxPushed bounds what one app has pushed within [PushedLife], on one node: everybody has the key of a
// public app (docs/reference/reliability.md §2.4).
const maxPushed = 10_000

var errPushes = errors.New("the app has pushed too many requests")

// pushes counts by app. The zero value is ready to use; apps are few.
type pushes struct {
	mu sync.Mutex
	of map[app.ID]*pushWindow
}

type pushWindow struct {
	from time.Time
	n    int
}

// take counts a push; false if it is one too many.
func (p *pushes) take(a app.ID, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.of[a]
	if w == nil {
		if p.of == nil {
			p.of = map[app.ID]*pushWindow{}
		}
		w = &pushWindow{from: now}
		p.of[a] = w
	}
	if now.Sub(w.from) >= PushedLife {
		w.from, w.n = now, 0
	}
	w.n++
	return w.n <= maxPushed
}

// pushed is the request that a uri stands for. It may be read as often as its life lasts, because people
// reload pages (RFC 9126 §4); what is decided on the page happens once. Its error is
// fault.RequestURIInvalid for one that is unknown, expired, or another app's; else the store's.
func (s *Service) pushed(ctx context.Context, a *app.App, uri string) (url.Values, error) {
	text, ok := strings.CutPrefix(uri, pushedPrefix)
	if !ok {
		return nil, fault.RequestURIInvalid
	}
	n, hash, ok := parse(s.sealer, text)
	if !ok {
		return nil, fault.RequestURIInvalid
	}
	p, ok, err := s.store.Pushed(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("read a pushed request: %w", err)
	}
	if !ok || p.App != a.ID || subtle.ConstantTimeCompare(p.Hash[:], hash[:]) != 1 || !s.now().Before(p.Expires) {
		return nil, fault.RequestURIInvalid
	}
	return url.ParseQuery(p.Params)
}
