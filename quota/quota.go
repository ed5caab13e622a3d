// Package quota counts API calls against two fixed windows: the clock minute and the UTC day
// (docs/reference/oauth.md §7). Windows, not a leaky bucket: a window admits exactly its limit.
//
// Units are spent in memory from blocks that were charged to the store before the first unit is
// spent (product decision 2), so no call waits for a query, several nodes never exceed the limit
// together, and a crash forfeits at most one block per window and never gives a unit back
// (docs/reference/reliability.md §3.7 Quota).
package quota

import (
	"context"
	"time"
)

// Window is one of the two windows.
type Window uint8

const (
	Minute Window = iota
	Day
)

// String is the window's name in headers and metrics.
func (w Window) String() string { return [...]string{"minute", "day"}[w] }

// Start is the beginning of the window a moment falls into.
func (w Window) Start(t time.Time) time.Time {
	t = t.UTC()
	if w == Minute {
		return t.Truncate(time.Minute)
	}
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// End is the first moment after it.
func (w Window) End(t time.Time) time.Time {
	if w == Minute {
		return w.Start(t).Add(time.Minute)
	}
	return w.Start(t).AddDate(0, 0, 1)
}

// Key names a counter: an app's calls of one API.
type Key struct {
	App int64
	API string
}

// Limit is what a key may spend per window.
type Limit struct{ PerMinute, PerDay int64 }

// Source charges blocks. The store implements it.
type Source interface {
	// Lease charges up to want units to the window that starts at start, never beyond limit in sum,
	// and returns how many it got (0: the window is exhausted). Durable on return.
	Lease(ctx context.Context, k Key, w Window, start time.Time, want, limit int64) (int64, error)
	// Used returns what has been charged to the window by all nodes.
	Used(ctx context.Context, k Key, w Window, start time.Time) (int64, error)
}
