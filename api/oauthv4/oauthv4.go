// Package oauthv4 is the wire of OAuth 2.0 v4: what an app sends to get, refresh and revoke its
// tokens, what its users' browsers send to consent, and what each is answered
// (docs/reference/oauth.md §1 to §4). The rules are in package oauth.
//
//	POST /oauth/v4/token                          Get Access Token
//	POST /oauth/v4/revoke                         Revoke Token
//	GET  /oauth/v4/authorize                      Get User Authorization, and POST of its forms
//	GET  /consents                                My consents, likewise
//	POST /oauth/v4/par                            Push Authorization Request (RFC 9126)
//	POST /oauth/v4/introspect                     Introspect Token (RFC 7662)
//	GET  /.well-known/oauth-authorization-server  what is supported (RFC 8414)
//
// The paths of apps take a form, or multipart/form-data as one published kit sends it, and answer in
// JSON. Credentials stand in the body, or in HTTP Basic as RFC 6749 §2.3.1 prefers it. Members may come in
// any order, and those that the grant does not know are ignored, because published clients send
// them: code with client_credentials, scope with authorization_code.
//
// What is missing is asked for in a fixed order: client_id, grant_type, the member the grant needs;
// then the client is authenticated; then its DPoP proof, if it sent one, is checked; then the grant
// itself is looked at.
package oauthv4

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"longlines/api/oauthv4/page"
	"longlines/app"
	"longlines/fault"
	"longlines/gateway"
	"longlines/oauth"
	"longlines/wire"
)

// Config is what the endpoints need; Service is mandatory.
type Config struct {
	Service *oauth.Service
	Issued  func(grant string) // called for each access token issued; nil: nobody asks

	// What subscribers see. Pages, Subscribers and Key are mandatory for it; without Pages it is not served.
	Pages       *page.Pages
	Subscribers *oauth.Subscribers
	// Key is 32 bytes that all nodes share and the store does not hold: tickets are sealed under it.
	Key []byte
	Now func() time.Time // default time.Now
	Log *slog.Logger     // default: none
	// Issuer is the address of the API as apps and browsers reach it, without a slash at the end. It is
	// what DPoP proofs and client assertions must be addressed to: the Host of a request will not do, for
	// whoever got hold of one that was meant for another server could name that server there. Without an
	// Issuer, none is taken.
	Issuer string
	// Requests is where a developer sees the record of a request whose id is put behind it, such as
	// http://127.0.0.1:8101/requests/: pages of refusals lead there. "" for a platform that is no sandbox.
	Requests string
	// DefaultLevel is whose subscribers My consents is for if nothing else is said; default production.
	DefaultLevel app.Level
}

// maxBody is the limit of OAuth bodies (docs/reference/reliability.md §2.4).
const maxBody = 16 << 10

var media = []string{"application/x-www-form-urlencoded", "multipart/form-data"}

// Endpoints are the rows of all paths and of their aliases.
func Endpoints(c Config) []gateway.Endpoint {
	if c.Issued == nil {
		c.Issued = func(string) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
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
	const get, revoke, push, introspect, metadata = "Get Access Token", "Revoke Token", "Push Authorization Request", "Introspect Token", "Get Metadata"
	end := row(http.MethodPost, pathRevoke, revoke, h.revoke)
	end.Unmetered = true
	par := row(http.MethodPost, pathPush, push, h.push)
	par.Created = true
	return append(Authorization(c),
		row(http.MethodPost, pathToken, get, h.token),
		end,
		par,
		row(http.MethodPost, pathIntrospect, introspect, h.introspect),
		row(http.MethodGet, pathMetadata, metadata, h.metadata),
		// Aliases seen in clients. Parameters in the query are taken on the two oldest only.
		row(http.MethodPost, "/oauth/v4/access_token", get, h.token),
		row(http.MethodPost, "/oauth/token", get, h.oldToken),
		row(http.MethodGet, "/oauth/token", get, h.oldToken),
		row(http.MethodPost, "/oauth/access_token", get, h.oldToken),
		row(http.MethodGet, "/oauth/access_token", get, h.oldToken),
	)
}

const (
	pathAuthorize  = "/oauth/v4/authorize"
	pathToken      = "/oauth/v4/token"
	pathRevoke     = "/oauth/v4/revoke"
	pathPush       = "/oauth/v4/par"
	pathIntrospect = "/oauth/v4/introspect"
	pathMetadata   = "/.well-known/oauth-authorization-server" // RFC 8414 §3
)

type handler struct{ Config }

var limits = wire.Limits{Types: wire.TypeForm | wire.TypeMultipart, Body: maxBody}

// form reads the members of a body.
func form(c *gateway.Call) (*wire.Node, error) {
	n, err := wire.Parse(c.Header.Get("Content-Type"), c.Body, limits)
	if err != nil {
		return nil, err
	}
	return n, unambiguous(n)
}

// single are the members that say who asks and what is spent.
var single = []string{
	"client_id", "client_secret", "client_assertion", "client_assertion_type",
	"grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "token",
}

// unambiguous refuses one of these members that is there twice with different values. RFC 6749 §3.2
// forbids every repetition; but to say the same thing twice harms nobody, and the platform has always
// taken it.
func unambiguous(n *wire.Node) error {
	for _, name := range single {
		first, seen := "", false
		for m := range n.Children() {
			if !strings.EqualFold(m.Name(), name) {
				continue
			}
			v := strings.TrimSpace(m.Text())
			if seen && v != first {
				return fault.OAuthRequest.Describe(name + " repeated")
			}
			first, seen = v, true
		}
	}
	return nil
}

// member is a value without the blanks around it; a repeated one is its first.
func member(n *wire.Node, name string) string {
	v, _ := n.Str(name)
	return strings.TrimSpace(v)
}

// assertionType is the only kind of client_assertion that is taken (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// caller is the app that calls, once it has proved itself and been charged for the call.
func (h handler) caller(c *gateway.Call, who oauth.Credentials) (*app.App, error) {
	a, err := h.Service.Authenticate(c.Context(), who)
	if err != nil {
		return nil, err
	}
	return a, c.Charge(a)
}

// credentials finds how the client says who it is: in HTTP Basic, whose two parts are form-encoded
// (RFC 6749 §2.3.1), else in the body. What is said in both places must be the same. Many clients do not encode the
// parts, which makes a difference to a secret that a person chose; so what came counts as well.
func (h handler) credentials(c *gateway.Call, n *wire.Node) (oauth.Credentials, error) {
	p := oauth.Credentials{Key: member(n, "client_id"), Secret: member(n, "client_secret"),
		Assertion: member(n, "client_assertion"), Endpoint: h.address(c)}
	if p.Assertion != "" && member(n, "client_assertion_type") != assertionType {
		return p, fault.OAuthRequest.Describe("client_assertion_type not supported")
	}
	if user, raw, ok := c.BasicAuth(); ok && user != "" {
		user, pass := decoded(user), decoded(raw)
		switch {
		case p.Key != "" && p.Key != user, p.Secret != "" && p.Secret != pass && p.Secret != raw:
			return p, fault.OAuthRequest.Describe("HTTP Basic and the body differ")
		case p.Secret == "": // else the body says which it is
			p.Secret, p.Raw = pass, raw
		}
		p.Key = user
	}
	if p.Key == "" && p.Assertion == "" {
		return p, fault.ClientIDMissing
	}
	return p, nil
}

// decoded undoes the form encoding of a Basic part; one that cannot have been encoded is what it is. So is a plus
// sign: encoded, it would be a blank, and neither part has any.
func decoded(s string) string {
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	return s
}

// address is what was called, as the metadata publish it.
func (h handler) address(c *gateway.Call) string {
	if h.Issuer == "" {
		return ""
	}
	return h.Issuer + c.URL.EscapedPath()
}

// proof is the thumbprint of the key that the client has proved to hold (RFC 9449 §5); zero if it did not
// try.
func (h handler) proof(c *gateway.Call) (key [32]byte, err error) {
	switch proofs := c.Header["Dpop"]; len(proofs) {
	case 0:
		return key, nil
	case 1:
		return h.Service.Proof(proofs[0], c.Method, h.address(c), "")
	}
	return key, fault.ProofInvalid.Describe(fault.ProofInvalid.Description + ": more than one")
}

// noStore keeps tokens out of caches (RFC 6749 §5.1). It is copied into each reply and never changed.
var noStore = http.Header{"Cache-Control": {"no-store"}, "Pragma": {"no-cache"}}
