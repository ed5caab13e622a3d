package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"longlines/fault"
)

// bearer reads the access token of a request (RFC 6750 §2.1). The scheme is compared without regard
// to case, because two published kits write BEARER (docs/reference/oauth.md §5). A header that is
// missing, empty, or ends after the scheme is POL0001a; anything else that is no bearer is POL0001b
// (docs/reference/errors.md §2).
func bearer(r *http.Request, query bool) (string, error) {
	lines := r.Header["Authorization"]
	if len(lines) > 1 {
		return "", fault.BadToken
	}
	h := ""
	if len(lines) == 1 {
		h = strings.TrimSpace(lines[0])
	}
	if h == "" {
		if query && r.URL.RawQuery != "" {
			if t := queryToken(r.URL.RawQuery); t != "" {
				return t, nil
			}
		}
		return "", fault.MissingAuthorization
	}
	scheme, token, _ := strings.Cut(h, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", fault.BadToken
	}
	if token = strings.TrimSpace(token); token == "" {
		return "", fault.MissingAuthorization
	}
	return token, nil
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
	token, err := bearer(r, x.row.QueryToken)
	if err != nil {
		return err
	}
	g, err := x.g.tokens.Check(x.call.ctx, token)
	if err != nil {
		return err
	}
	x.call.Grant = g
	if !g.Allows(x.row.Scope) || !g.App.Holds(x.row.Scope) {
		return fault.ScopeNotAllowed
	}
	return nil
}
