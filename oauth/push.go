package oauth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"longlines/app"
	"longlines/fault"
)

// PushedLife is how long a pushed request may be used (RFC 9126 §2.2).
const PushedLife = 90 * time.Second

// pushedPrefix is what a request_uri of ours begins with (RFC 9126 §2.2).
const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

// Push checks an authorization request and keeps it; the uri stands for it at authorize (RFC 9126).
// Refusals that authorize would put into the redirect come back as faults with status 400.
func (s *Service) Push(ctx context.Context, a *app.App, q url.Values) (uri string, err error) {
	kept := url.Values{"client_id": {a.Key}}
	for name, values := range q {
		switch name {
		case "client_id", "client_secret", "client_assertion", "client_assertion_type":
			// Who pushes is known, and how it was proved is nobody else's business.
		case "request_uri":
			return "", fault.OAuthRequest.Describe("request_uri cannot be pushed") // RFC 9126 §2.1
		default:
			kept[name] = values
		}
	}
	if _, err := s.Authorize(ctx, kept); err != nil {
		var r *Redirected
		if !errors.As(err, &r) {
			return "", err
		}
		f := *r.Fault
		f.Status = http.StatusBadRequest
		return "", &f
	}
	p := Pushed{ID: s.store.NextToken(1), App: a.ID, Params: kept.Encode(), Expires: s.now().UTC().Add(PushedLife)}
	var text string
	text, p.Hash = mint(s.sealer, p.ID)
	if err := s.store.Push(ctx, p); err != nil {
		return "", fmt.Errorf("keep a pushed request: %w", err)
	}
	return pushedPrefix + text, nil
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
