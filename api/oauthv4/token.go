package oauthv4

import (
	"longlines/fault"
	"longlines/gateway"
	"longlines/oauth"
	"longlines/wire"
)

// The three grants (docs/reference/oauth.md §3).
const (
	grantClient  = "client_credentials"
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
)

// tokenReply is what every published client reads; refresh_token stands in every reply, because two
// of them fail without it.
type tokenReply struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds, never 0
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope,omitempty"`
}

// token is Get Access Token.
func (h handler) token(c *gateway.Call) (gateway.Reply, error) {
	n, err := form(c)
	if err != nil {
		return gateway.Reply{}, err
	}
	return h.grant(c, n)
}

// oldToken is Get Access Token on the paths where parameters may also stand in the query.
func (h handler) oldToken(c *gateway.Call) (gateway.Reply, error) {
	if len(c.Body) > 0 || c.URL.RawQuery == "" {
		return h.token(c)
	}
	n, err := wire.ParseQuery(c.URL.RawQuery, limits)
	if err != nil {
		return gateway.Reply{}, err
	}
	return h.grant(c, n)
}

func (h handler) grant(c *gateway.Call, n *wire.Node) (gateway.Reply, error) {
	key, secret := credentials(c, n)
	if key == "" {
		return gateway.Reply{}, fault.ClientIDMissing
	}
	grant := member(n, "grant_type")
	code, refresh, scope := member(n, "code"), member(n, "refresh_token"), member(n, "scope")
	switch grant {
	case "":
		return gateway.Reply{}, fault.GrantTypeMissing
	case grantClient:
		if scope == "" {
			return gateway.Reply{}, fault.ScopeMissing
		}
	case grantCode:
		if code == "" {
			return gateway.Reply{}, fault.CodeMissing
		}
	case grantRefresh:
		if refresh == "" {
			return gateway.Reply{}, fault.RefreshTokenMissing
		}
	default:
		return gateway.Reply{}, fault.GrantTypeUnsupported
	}
	a, err := h.Service.Authenticate(c.Context(), key, secret)
	if err != nil {
		return gateway.Reply{}, err
	}
	if err := c.Charge(a); err != nil {
		return gateway.Reply{}, err
	}
	var t oauth.Issued
	switch grant {
	case grantClient:
		t, err = h.Service.ClientCredentials(c.Context(), a, scope)
	case grantCode:
		t, err = h.Service.AuthorizationCode(c.Context(), a, code)
	case grantRefresh:
		t, err = h.Service.Refresh(c.Context(), a, refresh)
	}
	if err != nil {
		return gateway.Reply{}, err
	}
	h.Issued(grant)
	return gateway.Reply{Header: noStore, Body: tokenReply{
		AccessToken: t.Access, TokenType: "bearer", ExpiresIn: int64(t.Life.Seconds()), RefreshToken: t.Refresh, Scope: t.Scopes,
	}}, nil
}
