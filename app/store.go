package app

import (
	"context"
	"errors"
)

// ErrTaken is returned for a name, key or short code that another app has.
var ErrTaken = errors.New("another app has this name, key or short code")

// ErrChanged is returned for an app that has changed since it was read, perhaps on another node.
var ErrChanged = errors.New("the app has changed since it was read")

// Store keeps apps. The Directory reads them all at the start and again when the store says that
// they have changed, here or on another node, so that no request asks the store for one.
type Store interface {
	// Apps reads all, deleted ones included.
	Apps(ctx context.Context) ([]App, error)
	// PutApp inserts (ID 0: one is assigned and returned) or replaces an app, and publishes the change.
	// What is kept has the next Version; if the one in the store is not the Version given any more, the
	// error is ErrChanged. A name ([Folded]), key or short code that another app has gives ErrTaken.
	PutApp(ctx context.Context, a App) (ID, error)
}
