package oauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"longlines/id"
)

// SubscribersConfig is what [Subscribers] need. Store and Sealer are mandatory.
type SubscribersConfig struct {
	Store  SubscriberStore
	Sealer *id.Sealer
	Now    func() time.Time // default time.Now
	Log    *slog.Logger     // default: none
	// Key is 32 bytes that all nodes share and the store does not hold: PINs are hashed under it.
	Key []byte
	// Texter carries PINs; nil: nobody can sign in by PIN. It needs Key.
	Texter Texter
	// Home are the prefixes of numbers that PINs are sent to ("1"); none: every number.
	Home []string
}

// SubscriberStore is what subscribers are recognised by.
type SubscriberStore interface {
	SignInStore
	// NextToken draws n consecutive row numbers.
	NextToken(n int) id.Number
	// Once reports whether the key is new, and keeps it until the moment given.
	Once(ctx context.Context, key [32]byte, until time.Time) (first bool, err error)
}

// Subscribers recognises the person in front of a browser: by a PIN that is sent to the phone (pin.go), by the
// network that the device is on (onnetwork.go), or because the browser is remembered (session.go). It is safe for
// concurrent use.
type Subscribers struct {
	store   SubscriberStore
	sealer  *id.Sealer
	now     func() time.Time
	log     *slog.Logger
	key     []byte
	texter  Texter
	home    []string
	signIns signIns // what addresses have asked for
}

// NewSubscribers returns Subscribers.
func NewSubscribers(c SubscribersConfig) (*Subscribers, error) {
	if c.Store == nil || c.Sealer == nil {
		return nil, errors.New("oauth: store and sealer are needed")
	}
	if c.Texter != nil && len(c.Key) < minPINKey {
		return nil, fmt.Errorf("oauth: PINs need a key of %d bytes: %d", minPINKey, len(c.Key))
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Subscribers{store: c.Store, sealer: c.Sealer, now: c.Now, log: c.Log, key: c.Key, texter: c.Texter, home: c.Home}, nil
}
