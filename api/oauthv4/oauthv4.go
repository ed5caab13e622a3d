// Package oauthv4 is the wire of OAuth 2.0 v4: what an app sends to get, refresh and revoke its
// tokens, and what it is answered (docs/reference/oauth.md §1, §3, §4). The rules are in package
// oauth.
//
// All paths take a form, or multipart/form-data as one published kit sends it, and answer in JSON.
// Credentials stand in the body, or in HTTP Basic as RFC 6749 §2.3.1 prefers it. Members may come in
// any order, and those that the grant does not know are ignored, because published clients send
// them: code with client_credentials, scope with authorization_code.
//
// What is missing is asked for in a fixed order: client_id, grant_type, the member the grant needs;
// then the client is authenticated; then the grant itself is looked at.
//
// Get User Authorization (/oauth/v4/authorize) and its consent pages are not here yet, so there are
// no codes: every code is one that was never given.
package oauthv4

import (
	"net/http"
	"net/url"
	"strings"

	"longlines/fault"
	"longlines/gateway"
	"longlines/oauth"
	"longlines/wire"
)

// Config is what the endpoints need; Service is mandatory.
type Config struct {
	Service *oauth.Service
	Issued  func(grant string) // called for each access token issued; nil: nobody asks
}

// maxBody is the limit of OAuth bodies (docs/reference/reliability.md §2.4).
const maxBody = 16 << 10

var media = []string{"application/x-www-form-urlencoded", "multipart/form-data"}

// Endpoints are the rows of the token and revoke paths and of their aliases.
func Endpoints(c Config) []gateway.Endpoint {
	if c.Issued == nil {
		c.Issued = func(string) {}
	}
	h := handler{c}
	row := func(method, path, operation string, handle func(*gateway.Call) (gateway.Reply, error)) gateway.Endpoint {
		e := gateway.Endpoint{
			Method: method, Path: path, API: fault.APIOAuth, Operation: operation, Dialect: wire.DialectOAuth,
			MaxBody: maxBody, Handle: handle,
		}
		if method == http.MethodPost {
			e.Media = media
		}
		return e
	}
	const get, revoke = "Get Access Token", "Revoke Token"
	end := row(http.MethodPost, "/oauth/v4/revoke", revoke, h.revoke)
	end.Unmetered = true
	return []gateway.Endpoint{
		row(http.MethodPost, "/oauth/v4/token", get, h.token),
		end,
		// Aliases seen in clients. Parameters in the query are taken on the two oldest only.
		row(http.MethodPost, "/oauth/v4/access_token", get, h.token),
		row(http.MethodPost, "/oauth/token", get, h.oldToken),
		row(http.MethodGet, "/oauth/token", get, h.oldToken),
		row(http.MethodPost, "/oauth/access_token", get, h.oldToken),
		row(http.MethodGet, "/oauth/access_token", get, h.oldToken),
	}
}

type handler struct{ Config }

var limits = wire.Limits{Types: wire.TypeForm | wire.TypeMultipart, Body: maxBody}

// form reads the members of a body.
func form(c *gateway.Call) (*wire.Node, error) {
	return wire.Parse(c.Header.Get("Content-Type"), c.Body, limits)
}

// member is a value without the blanks around it; a repeated one is its first.
func member(n *wire.Node, name string) string {
	v, _ := n.Str(name)
	return strings.TrimSpace(v)
}

// credentials finds key and secret: in HTTP Basic, whose two parts are form-encoded (RFC 6749
// §2.3.1), else in the body.
func credentials(c *gateway.Call, n *wire.Node) (key, secret string) {
	if user, pass, ok := c.BasicAuth(); ok && user != "" {
		return decoded(user), decoded(pass)
	}
	return member(n, "client_id"), member(n, "client_secret")
}

// decoded undoes the form encoding of a Basic part; a client that has not encoded it, and has a
// percent sign in it, is taken at its word.
func decoded(s string) string {
	if d, err := url.QueryUnescape(s); err == nil {
		return d
	}
	return s
}

// noStore keeps tokens out of caches (RFC 6749 §5.1). It is copied into each reply and never changed.
var noStore = http.Header{"Cache-Control": {"no-store"}, "Pragma": {"no-cache"}}
