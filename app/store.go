package app

import (
	"context"
	"errors"
)

// ErrTaken is returned for a name, key or short code that another app has.
var ErrTaken = errors.New("another app has this name, key or short code")

// Store keeps apps. The Directory reads them all at the start and again when the store says that
// they have changed, here or on another node, so that no request asks the store for one.
type Store interface {
	// Apps reads all, deleted ones included.
	Apps(ctx context.Context) ([]App, error)
	// PutApp inserts (ID 0: one is assigned and returned) or replaces an app, and publishes the change.
	// A name, key or short code that another app has gives ErrTaken.
	PutApp(ctx context.Context, a App) (ID, error)
}
