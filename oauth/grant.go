// Package oauth is the authorization server of the platform: OAuth 2.0 (RFC 6749) in the dialect of
// docs/reference/oauth.md.
//
// Tokens are opaque (product decision 5). A token is 48 bytes in base64url: the 16-byte sealed name
// of its row and 32 random bytes. The row keeps only the SHA-256 of the whole, so a copy of the
// store opens nothing; the name makes the look-up one read by number, without an index.
//
// An access token belongs to the refresh token issued with it (its family): revoking the refresh
// token ends all its access tokens, because an access token is live only while its family is.
//
// A token that acts for a subscriber stands on a consent: one row for an app and a subscriber, whose
// scopes the subscriber may take back one by one. It is live only while that row is in force. The way
// there is a request (authorize.go, redirect.go), a person who is known (pin.go, session.go,
// onnetwork.go), a yes that becomes a code and a consent in one commit (code.go, consent.go), and the
// code's redemption, once (code.go, retry.go).
package oauth

import (
	"slices"

	"longlines/app"
	"longlines/id"
	"longlines/number"
)

// Grant is what a live access token stands for: who asks, for whom, and what may be done. The gateway
// hands it to every handler, and it is the only thing that says for whom a call acts.
type Grant struct {
	App        *app.App
	Token      id.Number
	Subscriber number.MSISDN // "" for client_credentials
	Scopes     []app.Scope   // as issued
	// Consent is the subscriber's decision behind the token, 0 for client_credentials. Covered are the
	// scopes that it covers now: a subscriber may have withdrawn some since.
	Consent id.Number
	Covered []app.Scope
}

// Tenant is whose rows the call may reach: those of the app that asks. Without an app, as on the paths
// that take no token, nobody's.
func (g Grant) Tenant() app.Tenant { return g.App.Tenant() }

// Allows reports whether the token was issued for the scope.
func (g Grant) Allows(s app.Scope) bool { return slices.Contains(g.Scopes, s) }

// Consented reports whether the subscriber's consent covers the scope; without a subscriber no consent
// is needed (docs/reference/errors.md §2 POL0002).
func (g Grant) Consented(s app.Scope) bool {
	return g.Subscriber == "" || slices.Contains(g.Covered, s)
}

// Presented is a token as a request presents it.
type Presented struct {
	Token string
	// DPoP says that the scheme was DPoP; then Proof is the DPoP header, and Method and URL are those of
	// the request, URL without query (RFC 9449 §7.1).
	DPoP   bool
	Proof  string
	Method string
	URL    string
}
