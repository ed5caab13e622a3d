package oauthv4

import (
	"encoding/base64"
	"net/http"
	"net/url"

	"longlines/fault"
	"longlines/gateway"
	"longlines/oauth"
)

// pushReply is that of RFC 9126 §2.2.
type pushReply struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"` // seconds
}

// push is Push Authorization Request (RFC 9126): the parameters of authorize, sent by the app itself, so
// that the browser carries nothing but a name for them.
func (h handler) push(c *gateway.Call) (gateway.Reply, error) {
	n, err := form(c)
	if err != nil {
		return gateway.Reply{}, err
	}
	who, err := h.credentials(c, n)
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
	q := url.Values{}
	for m := range n.Children() {
		q.Add(m.Name(), m.Text())
	}
	// A proof names the key that the code is to be bound to, as dpop_jkt does (RFC 9449 §10.1).
	if key != [32]byte{} {
		jkt := base64.RawURLEncoding.EncodeToString(key[:])
		if given := q.Get("dpop_jkt"); given != "" && given != jkt {
			return gateway.Reply{}, fault.ProofInvalid.Describe(fault.ProofInvalid.Description + ": dpop_jkt names another key")
		}
		q.Set("dpop_jkt", jkt)
	}
	uri, err := h.Service.Push(c.Context(), a, q)
	if err != nil {
		return gateway.Reply{}, err
	}
	return gateway.Reply{Status: http.StatusCreated, Header: noStore, Body: pushReply{uri, int64(oauth.PushedLife.Seconds())}}, nil
}
