package oauth

import (
	"context"
	"errors"
	"time"

	"longlines/app"
	"longlines/id"
	"longlines/number"
)

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
	Family     id.Number // the refresh token its family began with; its own ID for that one
	App        app.ID
	Subscriber number.MSISDN
	Consent    id.Number // behind it; 0 without a person
	Generation int64     // of the consent when the subscriber said yes, see Code
	Scopes     string    // as granted, comma-separated
	Hash       [32]byte
	Key        [32]byte // SHA-256 thumbprint of the key it is bound to (RFC 9449 §6.1, jkt); zero: a bearer token
	Expires    time.Time
	Revoked    bool // when read: also if its family is revoked, or its consent withdrawn

	// Of a refresh token that a successor has replaced (public apps): when, and the reply that the client
	// got, sealed, see retry.go.
	Rotated time.Time
	Sealed  []byte

	// Covered is set when read: the scopes that the consent covers now, likewise; as Scopes without one.
	Covered string
}

// Code is an authorization code's row (RFC 6749 §4.1.2).
type Code struct {
	ID         id.Number
	Hash       [32]byte
	App        app.ID
	Subscriber number.MSISDN
	Consent    id.Number
	Generation int64 // of the consent: it rises whenever scopes are taken off
	Scopes     string
	Redirect   string   // redirect_uri as the authorization request gave it; "" if it gave none
	Challenge  string   // code_challenge, S256 (RFC 7636); "" if none was sent
	Key        [32]byte // dpop_jkt (RFC 9449 §10); zero: none
	Expires    time.Time

	// Once redeemed: when, the family that came of it, and the reply, sealed, see retry.go. Lost says that
	// the reply is known not to have arrived.
	Used   time.Time
	Family id.Number
	Sealed []byte
	Lost   bool

	// Covered is set when read: the scopes that the consent covers now, but for those that were taken off it since
	// the yes behind this code; none if it is not in force.
	Covered string
}

// Approval is a subscriber's yes becoming durable: the consent and the code that tells the app, in one
// commit, before the redirect is written.
type Approval struct {
	// Once names the form; a form is taken once.
	Once    [32]byte
	Until   time.Time // when the form expires, and Once may be forgotten
	Consent Consent   // App, Subscriber, Scopes of this decision, How; out: as it now stands
	Code    Code      // Consent and Generation are filled in by the store
	// Standing says that nobody was asked: the consent in force must cover the scopes already. One that was taken
	// back since somebody looked stays so.
	Standing bool
}

// Exchange is a code or a rotated refresh token being spent: the row is marked and the tokens are
// inserted in one commit, or neither.
type Exchange struct {
	ID     id.Number // of the code, or of the refresh token
	At     time.Time
	Sealed []byte
	Tokens []Token
}

// Consent is one subscriber's consent to one app. There is at most one in force for a pair; a later
// decision adds its scopes to it. A withdrawn one stays as evidence.
type Consent struct {
	ID         id.Number
	App        app.ID
	Subscriber number.MSISDN
	Scopes     string    // covered now, comma-separated
	How        string    // by which sign-in the subscriber was known: HowPIN, HowOnNetwork, HowRemembered
	Given      time.Time // the first decision
	Changed    time.Time // the last one
	Used       time.Time // the last call that acted under it, to the minute; zero: never
	Revoked    time.Time // zero: in force
	RevokedBy  string    // BySubscriber, ByOperator
}

// How a subscriber was recognised, and who may withdraw a consent.
const (
	HowPIN        = "pin"
	HowOnNetwork  = "on-network"
	HowRemembered = "remembered"
	BySubscriber  = "subscriber"
	ByOperator    = "operator"
)

// ConsentFilter selects consents for the operator; its zero value selects all.
type ConsentFilter struct {
	App        app.ID        // 0: of every app
	Subscriber number.MSISDN // "": of every subscriber
	InForce    bool          // leave out the withdrawn ones
	Before     id.Number     // only older ones; 0: from the newest
	Limit      int           // 0: 100
}

// SignIn is what is remembered of a number's sign-ins by PIN, see pin.go for its rules. It is kept as
// one JSON document, so members may be added.
type SignIn struct {
	PIN       []byte    `json:"pin,omitempty"` // keyed hash of the PIN sent last; empty: none is open
	Expires   time.Time `json:"expires,omitzero"`
	Sends     int       `json:"sends,omitempty"` // PINs sent since SendsFrom
	SendsFrom time.Time `json:"sends_from,omitzero"`
	Tries     int       `json:"tries,omitempty"` // wrong PINs since TriesFrom
	TriesFrom time.Time `json:"tries_from,omitzero"`
	Locks     int       `json:"locks,omitempty"` // how often tries ran out in a row
	Locked    time.Time `json:"locked,omitzero"` // until when

	// Since the last sign-in by PIN, however long ago.
	Sent   int       `json:"sent,omitempty"`   // PINs sent
	Paused time.Time `json:"paused,omitzero"`  // until when no more is
	Missed int       `json:"missed,omitempty"` // wrong PINs
}

// Session is a browser that is remembered.
type Session struct {
	ID         id.Number
	Hash       [32]byte
	Subscriber number.MSISDN
	Level      app.Level // which network's subscriber: sandbox is the virtual one
	Created    time.Time
	Expires    time.Time
	Agent      string // browser and system in a few words, for the list of browsers
}

// Pushed is an authorization request that a client has pushed (RFC 9126).
type Pushed struct {
	ID      id.Number
	Hash    [32]byte
	App     app.ID
	Params  string // form-encoded, as understood ([Request.Query]), so without the client's credentials
	Expires time.Time
}

// ErrUsed is returned for a form, code or refresh token that another request has spent before.
var ErrUsed = errors.New("spent already")

// ErrNoConsent is returned where nobody was asked and the consent in force does not cover all of it.
var ErrNoConsent = errors.New("no consent covers this")

// Store keeps tokens, codes, consents and sign-ins. Each writing method returns after the commit.
//
// A row is reached by a secret, of which it has the hash (Token, Code, Pushed, Session), on behalf of the
// app that asks (app.Tenant), or of the subscriber who asks (number and level); or it is new, and carries
// its app. There is no listing of everybody's here.
type Store interface {
	TokenStore
	CodeStore
	ConsentStore
	SignInStore
}

// TokenStore keeps tokens.
type TokenStore interface {
	// NextToken draws n consecutive row numbers, for any of the rows here.
	NextToken(n int) id.Number
	// IssueTokens is a hot write: it shares a commit with whatever else waits.
	IssueTokens(ctx context.Context, tokens ...Token) error
	// Token reads a row by number; ok is false if there is none.
	Token(ctx context.Context, n id.Number) (t Token, ok bool, err error)
	// RevokeToken marks a row of the app's (of a refresh token: its family's first) and publishes the fact
	// to all nodes as change "token", seen within a second.
	RevokeToken(ctx context.Context, of app.Tenant, n id.Number) error
	// Rotate marks a refresh token of the app's as replaced and inserts its successor and an access token;
	// ErrUsed if another request was first, or the token is revoked.
	Rotate(ctx context.Context, of app.Tenant, x Exchange) error
	// Note makes the audit entry of ctx durable by itself, after a change that carries none.
	Note(ctx context.Context) error
}

// CodeStore keeps codes and pushed requests, and what may happen once.
type CodeStore interface {
	// Approve makes a decision durable; ErrUsed if the form was taken before, ErrNoConsent if there was none and the
	// subscriber must be asked (Standing).
	Approve(ctx context.Context, a *Approval) error
	Code(ctx context.Context, n id.Number) (c Code, ok bool, err error)
	// Redeem marks a code of the app's as used and inserts its tokens; ErrUsed if another request was
	// first. Family is that of the first token.
	Redeem(ctx context.Context, of app.Tenant, x Exchange) error
	// CodeLost notes that the reply to a redemption has not arrived.
	CodeLost(ctx context.Context, n id.Number) error
	// Once reports whether the key is new, and keeps it until the moment given.
	Once(ctx context.Context, key [32]byte, until time.Time) (first bool, err error)
	Push(ctx context.Context, p Pushed) error
	Pushed(ctx context.Context, n id.Number) (p Pushed, ok bool, err error)
}

// ConsentStore keeps consents. A change is published as "consent" with the row's number.
type ConsentStore interface {
	// ConsentsOf reads up to n of a subscriber's that are in force, to apps of the level that still exist,
	// before a number (0: the newest), newest first.
	ConsentsOf(ctx context.Context, level app.Level, m number.MSISDN, before id.Number, n int) ([]Consent, error)
	// Consent reads the one in force for an app and a subscriber; ok is false if there is none.
	Consent(ctx context.Context, of app.Tenant, m number.MSISDN) (c Consent, ok bool, err error)
	// Withdraw takes scopes off a consent in force of the subscriber to the app; with all of them gone (or
	// none named) it is withdrawn and its tokens end. ok is false if there is no such consent in force.
	Withdraw(ctx context.Context, of app.Tenant, m number.MSISDN, n id.Number, scopes []app.Scope, by string) (c Consent, ok bool, err error)
	// ConsentsUsed notes when consents were last acted under.
	ConsentsUsed(ctx context.Context, used map[id.Number]time.Time) error
}

// SignInStore keeps the state of sign-ins and the browsers that are remembered.
type SignInStore interface {
	// EditSignIn changes a number's state: edit gets it as it stands (zero if there is none) and may change
	// it; what it returns is returned, and nil or not, the state is kept. It is called inside the commit:
	// it must be quick, and may be called again if the commit has to be repeated.
	EditSignIn(ctx context.Context, level app.Level, m number.MSISDN, edit func(*SignIn) error) error
	PutSession(ctx context.Context, s Session) error
	Session(ctx context.Context, n id.Number) (s Session, ok bool, err error)
	// Sessions reads a subscriber's living ones, newest first, at most 100.
	Sessions(ctx context.Context, level app.Level, m number.MSISDN) ([]Session, error)
	// EndSessions ends one session of a subscriber, or all of them (n 0).
	EndSessions(ctx context.Context, level app.Level, m number.MSISDN, n id.Number) error
}
