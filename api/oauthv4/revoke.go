package oauthv4

import (
	"longlines/app"
	"longlines/fault"
	"longlines/gateway"
)

// revoke is Revoke Token (RFC 7009; docs/reference/oauth.md §4). Success is 200 with {}: two
// published kits insist on the status, one client on the media type. A token that is unknown is a
// success too.
func (h handler) revoke(c *gateway.Call) (gateway.Reply, error) {
	n, err := form(c)
	if err != nil {
		return gateway.Reply{}, err
	}
	who, err := h.credentials(c, n)
	if err != nil {
		return gateway.Reply{}, err
	}
	token := member(n, "token")
	if token == "" {
		return gateway.Reply{}, fault.TokenMissing
	}
	// The hint only helps to find the token, and a token says itself what it is.
	switch member(n, "token_type_hint") {
	case "", "access_token", "refresh_token":
	default:
		return gateway.Reply{}, fault.TokenTypeUnsupported
	}
	// Whoever tries secrets of an app must not keep it from ending its tokens, nor must a full disk.
	who.Ends = true
	a, err := h.Service.Authenticate(app.Patient(c.Context()), who)
	if err == nil {
		err = c.Charge(a)
	}
	if err != nil {
		return gateway.Reply{}, err
	}
	if err := h.Service.Revoke(c.Context(), a, token); err != nil {
		return gateway.Reply{}, err
	}
	return gateway.Reply{Header: noStore, Body: struct{}{}}, nil
}
