package oauthv4

import (
	"context"
	"time"

	"longlines/app"
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

// What token_type says. The first is spelled as published clients have always got it.
const (
	typeBearer = "bearer"
	typeDPoP   = "DPoP" // RFC 9449 §5
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
	if err := unambiguous(n); err != nil {
		return gateway.Reply{}, err
	}
	return h.grant(c, n)
}

func (h handler) grant(c *gateway.Call, n *wire.Node) (gateway.Reply, error) {
	who, err := h.credentials(c, n)
	if err != nil {
		return gateway.Reply{}, err
	}
	grant, spent, err := asked(n)
	if err != nil {
		return gateway.Reply{}, err
	}
	a, err := h.caller(c, who)
	if err != nil {
		return gateway.Reply{}, err
	}
	key, err := h.proof(c)
	if err != nil {
		return gateway.Reply{}, err
	}
	t, err := h.issue(c.Context(), a, grant, spent, n, key)
	if err != nil {
		return gateway.Reply{}, err
	}
	h.Issued(grant)
	kind := typeBearer
	if t.Bound {
		kind = typeDPoP
	}
	r := gateway.Reply{Header: noStore, Body: tokenReply{
		AccessToken: t.Access, TokenType: kind, ExpiresIn: int64(t.Life.Seconds()), RefreshToken: t.Refresh, Scope: t.Scopes,
	}}
	if grant == grantCode {
		r.After = func(written bool) {
			if !written {
				h.lost(c.Context(), spent)
			}
		}
	}
	return r, nil
}

// asked is the grant type and the member that the grant cannot do without.
func asked(n *wire.Node) (grant, spent string, err error) {
	grant = member(n, "grant_type")
	var missing *fault.Fault
	switch grant {
	case "":
		return "", "", fault.GrantTypeMissing
	case grantClient:
		spent, missing = member(n, "scope"), fault.ScopeMissing
	case grantCode:
		spent, missing = member(n, "code"), fault.CodeMissing
	case grantRefresh:
		spent, missing = member(n, "refresh_token"), fault.RefreshTokenMissing
	default:
		return "", "", fault.GrantTypeUnsupported
	}
	if spent == "" {
		return "", "", missing
	}
	return grant, spent, nil
}

func (h handler) issue(ctx context.Context, a *app.App, grant, spent string, n *wire.Node, key [32]byte) (oauth.Issued, error) {
	switch grant {
	case grantClient:
		return h.Service.ClientCredentials(ctx, a, spent, key)
	case grantCode:
		return h.Service.AuthorizationCode(ctx, a, spent, member(n, "code_verifier"), member(n, "redirect_uri"), key)
	default:
		return h.Service.Refresh(ctx, a, spent, member(n, "scope"), key)
	}
}

// lostTime is how long it may take to note that a reply did not arrive.
const lostTime = 5 * time.Second

// lost notes that the tokens for a code did not arrive, so that the client may ask again at once
// (docs/reference/reliability.md §3.7 OAuth). If that fails too, it may after a second.
func (h handler) lost(ctx context.Context, code string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lostTime) // the request has ended
	defer cancel()
	if err := h.Service.CodeLost(ctx, code); err != nil {
		h.Log.Warn("a token reply did not arrive, and that could not be noted", "error", err)
	}
}
