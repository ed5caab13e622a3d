package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"longlines/app"
	"longlines/fault"
	"longlines/number"
)

// Request is an authorization request that has passed all checks (RFC 6749 §4.1.1).
type Request struct {
	App       *app.App
	Redirect  string // where the answer goes: as asked for, else as registered
	Given     bool   // the request itself named it
	Scopes    []app.Scope
	State     string // "" if it was absent or empty
	Challenge string // S256; "" if none
	Key       [32]byte

	// custom_param (docs/reference/oauth.md §2).
	BypassOnNetwork bool // sign in by PIN although the network would know the subscriber
	SuppressLanding bool // a remembered browser is not asked whether to switch user
}

// Person is a subscriber who is known, and how.
type Person struct {
	Subscriber number.MSISDN
	Level      app.Level // which network's: the virtual one's subscribers are those of sandbox apps
	How        string    // HowPIN, HowOnNetwork, HowRemembered
}

// Redirected is a refusal that is told to the app by the redirect; every other error of
// [Service.Authorize] is answered with a body or a page, because there is no redirect to be trusted.
type Redirected struct {
	To    string // the whole Location
	Fault *fault.Fault
}

func (r *Redirected) Error() string { return r.Fault.Error() }

func (r *Redirected) Unwrap() error { return r.Fault }

// FormLife is how long a subscriber may take from the first page to the decision.
const FormLife = 10 * time.Minute

// Query is the request as an authorization request again, with nothing in it that does not count; what
// was pushed is in it, not request_uri. [Service.Authorize] takes it.
func (r Request) Query() url.Values {
	q := url.Values{"client_id": {r.App.Key}, "scope": {app.JoinScopes(r.Scopes)}}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	if r.Given {
		set("redirect_uri", r.Redirect)
	}
	set("state", r.State)
	if r.Challenge != "" {
		set("code_challenge", r.Challenge)
		set("code_challenge_method", "S256")
	}
	if r.Key != [32]byte{} {
		set("dpop_jkt", base64.RawURLEncoding.EncodeToString(r.Key[:]))
	}
	var custom []string
	if r.BypassOnNetwork {
		custom = append(custom, bypassOnNetwork)
	}
	if r.SuppressLanding {
		custom = append(custom, suppressLanding)
	}
	set("custom_param", strings.Join(custom, ","))
	return q
}

// The values of custom_param (docs/reference/oauth.md §2).
const (
	bypassOnNetwork = "bypass_onnetwork_auth"
	suppressLanding = "suppress_landing_page"
)

// Authorize checks an authorization request, in the order of docs/reference/errors.md §5: first what
// decides whether there is a redirect to be trusted, which is answered with a body or a page
// (fault.ClientIDMissing, ClientUnknown, ClientDeleted, RequestURIInvalid, RedirectScheme,
// RedirectMismatch, OAuthRequest), then the rest, a [*Redirected]: RedirectRequest, ResponseType,
// RedirectScopeInvalid. An app that has none of the scopes gets fault.ClientNotEnabled with a body all
// the same, as published. Other errors are the store's.
//
// A parameter that is empty counts as absent (RFC 6749 §3.1), an unknown one is ignored.
func (s *Service) Authorize(ctx context.Context, q url.Values) (Request, error) {
	key, err := once(q, "client_id")
	if err != nil {
		return Request{}, err
	}
	if key == "" {
		return Request{}, fault.ClientIDMissing
	}
	a := s.apps.ByKey(key)
	switch {
	case a == nil:
		return Request{}, fault.ClientUnknown
	case a.Deleted:
		return Request{}, fault.ClientDeleted
	}
	uri, err := once(q, "request_uri")
	if err != nil {
		return Request{}, err
	}
	if uri != "" {
		// Only what was pushed counts (RFC 9126 §4, RFC 9101 §5).
		if q, err = s.pushed(ctx, a, uri); err != nil {
			return Request{}, err
		}
	}
	return s.asked(a, q)
}

// once reads a parameter that decides whether the answer can be a redirect at all.
func once(q url.Values, name string) (string, error) {
	switch v := q[name]; len(v) {
	case 0:
		return "", nil
	case 1:
		return v[0], nil
	default:
		return "", fault.OAuthRequest.Describe(name + " repeated")
	}
}

// limits are how long the parameters may be, in bytes. state is first, so that a refusal of another
// carries it.
var limits = []struct {
	name string
	max  int
}{
	{"state", 2048}, {"scope", 1024}, {"response_type", 512}, {"code_challenge", 512},
	{"code_challenge_method", 512}, {"dpop_jkt", 512}, {"custom_param", 512},
}

// asked checks a request of an app.
func (s *Service) asked(a *app.App, q url.Values) (Request, error) {
	r := Request{App: a, Redirect: a.RedirectURI}
	uri, err := once(q, "redirect_uri")
	if err != nil {
		return r, err
	}
	if uri != "" {
		scheme, _, _ := strings.Cut(uri, ":")
		if !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
			return r, fault.RedirectScheme
		}
		if !mayRedirect(a, uri) {
			return r, fault.RedirectMismatch
		}
		r.Redirect, r.Given = uri, true
	}
	if r.Redirect == "" {
		return r, fault.RedirectMismatch
	}

	refuse := func(why string) (Request, error) { return r, s.Refuse(r, fault.RedirectRequest.Describe(why)) }
	for _, p := range limits {
		switch v := q[p.name]; {
		case len(v) > 1:
			return refuse(p.name + " repeated")
		case len(v) == 1 && len(v[0]) > p.max:
			return refuse(p.name + " too long")
		case len(v) == 1 && !printable(v[0]):
			return refuse(p.name + " not valid")
		}
		if p.name == "state" {
			r.State = q.Get("state")
		}
	}
	// No published client sends response_type (docs/reference/oauth.md §2).
	if t := q.Get("response_type"); t != "" && t != "code" {
		return r, s.Refuse(r, fault.ResponseType)
	}
	r.Scopes, err = grantable(a, app.ParseScopes(q.Get("scope")), true)
	switch {
	case errors.Is(err, fault.ScopeMissing):
		return r, s.Refuse(r, fault.RedirectScopeInvalid.Describe("scope missing"))
	case errors.Is(err, fault.ScopeInvalid):
		return r, s.Refuse(r, fault.RedirectScopeInvalid)
	case err != nil:
		return r, err
	}

	// PKCE: S256 only, required of public apps, and never ignored once sent (RFC 7636 §4.3, RFC 9700 §2.1.1).
	r.Challenge = q.Get("code_challenge")
	switch method := q.Get("code_challenge_method"); {
	case r.Challenge == "" && (method != "" || a.Public()):
		return refuse("code_challenge missing")
	case r.Challenge == "":
	case method != "S256": // absent means plain
		return refuse("code_challenge_method not S256")
	default:
		if _, ok := digest(r.Challenge); !ok {
			return refuse("code_challenge not valid")
		}
	}
	if jkt := q.Get("dpop_jkt"); jkt != "" {
		var ok bool
		if r.Key, ok = digest(jkt); !ok {
			return refuse("dpop_jkt not valid")
		}
	}
	for v := range strings.SplitSeq(q.Get("custom_param"), ",") {
		switch strings.TrimSpace(v) { // the Unity SDK ends the list with a blank
		case bypassOnNetwork:
			r.BypassOnNetwork = true
		case suppressLanding:
			r.SuppressLanding = true
		}
	}
	return r, nil
}

// printable reports whether a value is UTF-8 without control characters.
func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// digest reads a SHA-256 in base64url without padding: 43 characters, in the one spelling there is.
func digest(s string) (sum [32]byte, ok bool) {
	if len(s) != 43 {
		return sum, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != len(sum) {
		return sum, false
	}
	return [32]byte(raw), true
}
