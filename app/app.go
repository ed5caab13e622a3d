// Package app holds the apps that may call the platform: who they are (App Key and App Secret),
// what they may ask for (scopes), at which service level, with which short codes, and where they
// listen. An app is an OAuth client (RFC 6749 §2) and the tenant of everything it creates.
package app

import (
	"time"

	"longlines/number"
)

// ID is an app's row number, as rows and requests spell it. It opens nothing: a store call in a request
// takes a [Tenant].
type ID int64

// Level is an app's service level: it sets its quotas, and which network its messages reach.
type Level string

const (
	// LevelSandbox apps reach only the virtual network.
	LevelSandbox Level = "sandbox"
	// LevelProduction apps reach the live links.
	LevelProduction Level = "production"
)

// App is one registered app. Values are immutable snapshots: change through the [Directory].
type App struct {
	ID              ID
	Name            string // unique, shown to people
	Key             string // App Key, the OAuth client_id
	Secret          Secret // how the App Secret is checked; never the secret itself
	Auth            ClientAuth
	Keys            string // public keys of AuthKey, a JWK set (RFC 7517); "" otherwise
	Owner           string // who runs the app, as the consent page says it; "" if nobody was named
	Level           Level
	Scopes          []Scope
	ShortCodes      []number.ShortCode // the first is the sender of what the app sends
	RedirectURI     string             // registered base for authorize; of a public app the whole URI
	OnNetwork       bool               // subscribers may consent only from a device on the network (errors.md §5 uriredirectaccessdenied)
	DPoP            bool               // its tokens are always bound to a key (RFC 9449 §5.2 dpop_bound_access_tokens)
	Introspect      bool               // may ask about every token of its level: a service of the operator (RFC 7662)
	MessageListener string             // Receive SMS is posted there; "": messages wait for the poll
	StatusListener  string             // Receive SMS Delivery Status is posted there
	NotificationURL string             // Webhooks channel destination
	WaitForVerdict  time.Duration      // as if each send carried Prefer: wait (0 to 5 s)
	Quotas          map[string]Quota   // by API name ("SMS"), overriding the level's
	Created         time.Time
	Promoted        ID    // the sandbox app that this one was promoted from; 0: none
	Deleted         bool  // the key stays known so that its use is answered (errors.md §5 bodyclient a)
	Version         int64 // counts its changes, so that a change of what is not the newest is refused; see [Store]

	tenant Tenant // set by the Directory alone
}

// ClientAuth is how an app proves at the token endpoint that it is itself.
type ClientAuth string

const (
	AuthSecret ClientAuth = ""                // App Secret, in the body or in HTTP Basic
	AuthKey    ClientAuth = "private_key_jwt" // a signed assertion (RFC 7523 §2.2)
	AuthNone   ClientAuth = "none"            // a public app: it cannot keep a secret, and must use PKCE
)

// Public reports whether the app cannot keep a secret (RFC 6749 §2.1).
func (a *App) Public() bool { return a.Auth == AuthNone }

// Quota is what an app may call per clock minute and per UTC day; 0 means the level's own figure.
type Quota struct {
	PerMinute int64 `json:"per_minute,omitempty"`
	PerDay    int64 `json:"per_day,omitempty"`
}

// Owns reports whether the short code is the app's.
func (a *App) Owns(code number.ShortCode) bool {
	for _, c := range a.ShortCodes {
		if c == code {
			return true
		}
	}
	return false
}

// Holds reports whether the app's account has the scope.
func (a *App) Holds(s Scope) bool {
	for _, have := range a.Scopes {
		if have == s {
			return true
		}
	}
	return false
}
