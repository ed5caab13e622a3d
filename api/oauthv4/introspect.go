package oauthv4

import (
	"encoding/base64"
	"strings"

	"longlines/app"
	"longlines/fault"
	"longlines/gateway"
	"longlines/oauth"
)

// introspection is that of RFC 7662 §2.2. Of a token that is not active, nothing is said but that.
type introspection struct {
	Active    bool          `json:"active"`
	Scope     string        `json:"scope,omitempty"` // what the consent covers now, separated by blanks as the RFC has it
	ClientID  string        `json:"client_id,omitempty"`
	Subject   string        `json:"sub,omitempty"`
	TokenType string        `json:"token_type,omitempty"`
	Expires   int64         `json:"exp,omitempty"`
	Issuer    string        `json:"iss,omitempty"`
	Confirm   *confirmation `json:"cnf,omitempty"`
}

// confirmation says by which key a token must be accompanied (RFC 9449 §6.2).
type confirmation struct {
	Thumbprint string `json:"jkt"`
}

// introspect is Introspect Token (RFC 7662).
func (h handler) introspect(c *gateway.Call) (gateway.Reply, error) {
	n, err := form(c)
	if err != nil {
		return gateway.Reply{}, err
	}
	who, err := h.credentials(c, n)
	if err != nil {
		return gateway.Reply{}, err
	}
	// token_type_hint is not looked at: a token says itself what it is.
	token := member(n, "token")
	if token == "" {
		return gateway.Reply{}, fault.TokenMissing
	}
	a, err := h.caller(c, who)
	if err != nil {
		return gateway.Reply{}, err
	}
	t, err := h.Service.Introspect(c.Context(), a, token)
	if err != nil {
		return gateway.Reply{}, err
	}
	return gateway.Reply{Header: noStore, Body: h.shown(a, t)}, nil
}

func (h handler) shown(by *app.App, t oauth.Introspection) introspection {
	if !t.Active {
		return introspection{}
	}
	out := introspection{Active: true, Scope: strings.ReplaceAll(app.JoinScopes(t.Covered), ",", " "),
		ClientID: t.Client, Expires: t.Token.Expires.Unix(), Issuer: h.Issuer}
	// The number is for the operator's own services. An app has been allowed to act for a subscriber, not
	// to learn who that is.
	if by.Introspect && t.Token.Subscriber != "" {
		out.Subject = t.Token.Subscriber.Tel()
	}
	bound := t.Token.Key != [32]byte{}
	if bound {
		out.Confirm = &confirmation{base64.RawURLEncoding.EncodeToString(t.Token.Key[:])}
	}
	switch {
	case t.Kind != oauth.KindAccess: // how a refresh token is spent is between the app and us
	case bound:
		out.TokenType = typeDPoP
	default:
		out.TokenType = typeBearer
	}
	return out
}
