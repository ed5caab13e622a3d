// Package oauth is the authorization server of the platform: OAuth 2.0 (RFC 6749) in the dialect of
// docs/reference/oauth.md.
//
// Tokens are opaque (product decision 5). A token is 48 bytes in base64url: the 16-byte sealed name
// of its row and 32 random bytes. The row keeps only the SHA-256 of the whole, so a copy of the
// store opens nothing; the name makes the look-up one read by number, without an index.
//
// An access token belongs to the refresh token issued with it (its family): revoking the refresh
// token ends all its access tokens, because an access token is live only while its family is.
package oauth

import (
	"context"
	"time"

	"longlines/app"
	"longlines/id"
	"longlines/number"
)

// Grant is what a live access token stands for; the gateway hands it to every handler.
type Grant struct {
	App        *app.App
	Token      id.Number
	Subscriber number.MSISDN // "" for client_credentials
	Scopes     []app.Scope
}

// Allows reports whether the grant opens the scope.
func (g Grant) Allows(s app.Scope) bool {
	for _, have := range g.Scopes {
		if have == s {
			return true
		}
	}
	return false
}

// TokenKind tells the two tokens apart.
type TokenKind int16

const (
	KindAccess  TokenKind = 1
	KindRefresh TokenKind = 2
)

// Token is a token's row.
type Token struct {
	ID         id.Number
	Kind       TokenKind
	Family     id.Number // the refresh token it came with; its own ID for a refresh token
	App        app.ID
	Subscriber number.MSISDN
	Scopes     string // as granted, comma-separated
	Hash       [32]byte
	Expires    time.Time
	Revoked    bool
}

// Store keeps tokens. Each writing method returns after the commit.
type Store interface {
	// NextToken draws n consecutive row numbers.
	NextToken(n int) id.Number
	// IssueTokens is a hot write: it shares a commit with whatever else waits.
	IssueTokens(ctx context.Context, tokens ...Token) error
	// Token reads a row by number, Revoked also set when its family is revoked; ok is false if there is none.
	Token(ctx context.Context, n id.Number) (t Token, ok bool, err error)
	// RevokeToken marks the row and publishes the fact to all nodes (seen within a second).
	RevokeToken(ctx context.Context, n id.Number) error
}
