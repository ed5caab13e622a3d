// Package app holds the apps that may call the platform: who they are (App Key and App Secret),
// what they may ask for (scopes), at which service level, with which short codes, and where they
// listen. An app is an OAuth client (RFC 6749 §2) and the tenant of everything it creates.
package app

import (
	"time"

	"longlines/number"
)

// ID is an app's row number: the tenant in every store call.
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
	Level           Level
	Scopes          []Scope
	ShortCodes      []number.ShortCode // the first is the sender of what the app sends
	RedirectURI     string             // registered base for authorize
	MessageListener string             // Receive SMS is posted there; "": messages wait for the poll
	StatusListener  string             // Receive SMS Delivery Status is posted there
	NotificationURL string             // Webhooks channel destination
	WaitForVerdict  time.Duration      // as if each send carried Prefer: wait (0 to 5 s)
	Quotas          map[string]Quota   // by API name ("SMS"), overriding the level's
	Created         time.Time
	Deleted         bool // the key stays known so that its use is answered (errors.md §5 bodyclient a)
}

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
