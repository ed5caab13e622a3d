package app

import "longlines/quota"

// Levels are the quotas of the service levels. The zero value of a figure means the default.
type Levels map[Level]Quota

// DefaultLevels are the figures of docs/reference/oauth.md §7.
func DefaultLevels() Levels {
	return Levels{
		LevelSandbox:    {PerMinute: 60, PerDay: 5_000},
		LevelProduction: {PerMinute: 600, PerDay: 33_000},
	}
}

// filled is l with the default in place of every figure that is missing.
func (l Levels) filled() Levels {
	all := DefaultLevels()
	for level, q := range all {
		all[level] = l[level].or(q)
	}
	return all
}

// Known reports whether the level exists.
func (l Level) Known() bool { return l == LevelSandbox || l == LevelProduction }

const (
	// EveryAPI is the name in App.Quotas of what holds for each API that is not named itself, the
	// OAuth paths excepted.
	EveryAPI = ""

	// oauthAPI is the API of the OAuth paths.
	oauthAPI = "OAuth"
)

// quota is what an app may spend on an API: its own figure for the API, else its own figure for
// every API, else its level's. Calls to the OAuth paths carry no bearer and so never reach the
// quota (docs/reference/oauth.md §7); they are limited only for an app whose quotas name them, and
// metered is false for all others.
func (l Levels) quota(a *App, api string) (lim quota.Limit, metered bool) {
	own := a.Quotas[api]
	if api == oauthAPI {
		if own == (Quota{}) {
			return quota.Limit{}, false
		}
	} else {
		own = own.or(a.Quotas[EveryAPI])
	}
	own = own.or(l[a.Level])
	return quota.Limit{PerMinute: own.PerMinute, PerDay: own.PerDay}, true
}

// or fills what is zero.
func (q Quota) or(other Quota) Quota {
	if q.PerMinute == 0 {
		q.PerMinute = other.PerMinute
	}
	if q.PerDay == 0 {
		q.PerDay = other.PerDay
	}
	return q
}
