package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"longlines/fault"
	"longlines/oauth"
)

// presented reads the access token of a request (RFC 6750 §2.1, RFC 9449 §7.1). The scheme is compared
// without regard to case, because two published kits write BEARER (docs/reference/oauth.md §5). A header
// that is missing, empty, or ends after the scheme is POL0001a; anything else that presents no token is
// POL0001b (docs/reference/errors.md §2).
func (x *exchange) presented(r *http.Request) (oauth.Presented, error) {
	var p oauth.Presented
	lines := r.Header["Authorization"]
	if len(lines) > 1 {
		return p, fault.BadToken
	}
	h := ""
	if len(lines) == 1 {
		h = strings.TrimSpace(lines[0])
	}
	if h == "" {
		if x.row.QueryToken && r.URL.RawQuery != "" {
			if p.Token = queryToken(r.URL.RawQuery); p.Token != "" {
				return p, nil
			}
		}
		return p, fault.MissingAuthorization
	}
	scheme, token, _ := strings.Cut(h, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
	case strings.EqualFold(scheme, "DPoP"):
		proofs := r.Header["Dpop"]
		switch len(proofs) {
		case 0:
			return p, fault.BadToken
		case 1:
		default:
			return p, fault.BadToken.Because(fault.ProofInvalid) // RFC 9449 §4.3 check 1
		}
		p.DPoP, p.Proof, p.Method, p.URL = true, proofs[0], r.Method, x.self()+r.URL.EscapedPath()
	default:
		return p, fault.BadToken
	}
	if p.Token = strings.TrimSpace(token); p.Token == "" {
		return p, fault.MissingAuthorization
	}
	return p, nil
}

// self is the address that a proof of possession must be for.
func (x *exchange) self() string {
	if x.g.issuer != "" {
		return x.g.issuer
	}
	return x.base()
}

// queryToken is ?access_token=, which the samples of 2012 send (docs/reference/oauth.md §5).
func queryToken(query string) string {
	v, err := url.ParseQuery(query)
	if err != nil {
		return ""
	}
	return v.Get("access_token")
}

// authorize fills the grant: token live, scope open (docs/reference/errors.md §6, steps 3 to 5). A
// scope that was taken off the app's account opens nothing any more.
func (x *exchange) authorize(r *http.Request) error {
	p, err := x.presented(r)
	if err != nil {
		return err
	}
	g, err := x.g.tokens.Check(x.call.ctx, p)
	if err != nil {
		return err
	}
	x.call.Grant = g
	if !g.Allows(x.row.Scope) || !g.App.Holds(x.row.Scope) {
		return fault.ScopeNotAllowed
	}
	return nil
}
