package oauth

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"sync"
	"time"

	"longlines/app"
	"longlines/number"
)

// PINLife is how long a PIN can be used (docs/reference/reliability.md §2.4).
const PINLife = 10 * time.Minute

// The limits of docs/reference/reliability.md §2.4. Six digits are few: what
// keeps them from being guessed is that nobody gets many tries.
const (
	pinTries    = 5 // wrong PINs of a number, in tryWindow, before it is locked
	tryWindow   = 15 * time.Minute
	firstLock   = 15 * time.Minute // doubled for each lock without a sign-in between
	longestLock = 24 * time.Hour
	pinSends    = 3 // PINs of a number, in sendWindow, none of which came back
	sendWindow  = 10 * time.Minute

	// Whoever takes care to stay below these would guess one in a hundred numbers a month, and text each all day. So
	// they are counted until somebody signs in, and from here on each is followed by a lock, or a pause, as long as
	// locks are. Who is on the network or in a browser that is remembered needs no PIN meanwhile.
	mostMissed = 20
	mostSent   = 10

	addressTries  = 50 // of one address, in addressWindow
	addressSends  = 20
	addressWindow = 15 * time.Minute
	nodeSends     = 600 // of a node, in nodeWindow, so that nobody makes a pump of it
	nodeWindow    = time.Minute
)

// Texter sends a text of the operator's to a subscriber, over the network of the level. Its errors are
// for the log: whoever asked for a PIN is told the same whatever became of it.
type Texter interface {
	Text(ctx context.Context, level app.Level, to number.MSISDN, text string) error
}

// ErrPIN is the one answer to a PIN that is wrong, expired, used, or tried too often, or was never sent.
var ErrPIN = errors.New("that PIN does not fit")

// errNoPIN says that a number may have no PIN now. It goes no further than [Subscribers.SendPIN].
var errNoPIN = errors.New("no PIN for this number now")

// SendPIN sends a PIN to a number, if the limits allow it (docs/reference/reliability.md §2.4). text
// makes the words around it. It returns an error only if nothing could be recorded: nobody learns
// whether the number exists, is reachable, or has had too many. The PIN can be checked, on every node,
// before the text is on its way.
func (s *Subscribers) SendPIN(ctx context.Context, level app.Level, to number.MSISDN, from netip.Addr, text func(pin string) string) error {
	now := s.now()
	if s.texter == nil || !s.atHome(to) || !s.signIns.send(from, now) {
		return nil
	}
	pin := newPIN()
	hash, err := s.pinHash(level, to, pin)
	if err != nil {
		return err
	}
	if granted, first := s.signIns.reserve(now); !granted {
		if first {
			s.log.Warn("no more PINs are sent this minute", "limit", nodeSends)
		}
		return nil
	}
	err = s.store.EditSignIn(ctx, level, to, func(st *SignIn) error { return st.send(now, hash) })
	if err != nil {
		s.signIns.release(now)
		if errors.Is(err, errNoPIN) {
			return nil
		}
		return fmt.Errorf("record a PIN: %w", err)
	}
	if err := s.texter.Text(ctx, level, to, text(pin)); err != nil {
		s.log.Warn("a PIN was not sent", "to", to, "level", string(level), "error", err)
	}
	return nil
}

// CheckPIN compares a PIN and spends it. Its errors are ErrPIN and the store's.
func (s *Subscribers) CheckPIN(ctx context.Context, level app.Level, m number.MSISDN, from netip.Addr, pin string) (Person, error) {
	now := s.now()
	if s.texter == nil || !s.signIns.try(from, now) {
		return Person{}, ErrPIN
	}
	// Blanks come along when a PIN is copied out of a text.
	hash, err := s.pinHash(level, m, strings.TrimSpace(pin))
	if err != nil {
		return Person{}, err
	}
	err = s.store.EditSignIn(ctx, level, m, func(st *SignIn) error { return st.check(now, hash) })
	if errors.Is(err, ErrPIN) {
		return Person{}, ErrPIN
	}
	if err != nil {
		return Person{}, fmt.Errorf("check a PIN: %w", err)
	}
	s.signIns.answered(from, now)
	return Person{Subscriber: m, Level: level, How: HowPIN}, nil
}

// send opens a PIN in place of the one before, if the number may have one.
func (st *SignIn) send(now time.Time, hash []byte) error {
	if now.Sub(st.SendsFrom) >= sendWindow {
		st.Sends, st.SendsFrom = 0, now
	}
	if now.Before(st.Locked) || now.Before(st.Paused) || st.Sends >= pinSends {
		return errNoPIN
	}
	st.Sends++
	if st.Sent++; st.Sent >= mostSent {
		st.Paused = now.Add(lockLife(st.Sent - mostSent))
	}
	st.PIN, st.Expires = hash, now.Add(PINLife)
	return nil
}

// check spends the open PIN if it is the one, and counts a try if it is not. Where nothing is open the
// same is done against nothing, so that neither the answer nor its time tells the cases apart; but it is
// no try, or anybody could lock a number without a text being sent to it.
func (st *SignIn) check(now time.Time, hash []byte) error {
	var open [sha256.Size]byte
	locked := now.Before(st.Locked)
	usable := len(st.PIN) == len(open) && now.Before(st.Expires) && !locked
	copy(open[:], st.PIN)
	if subtle.ConstantTimeCompare(open[:], hash) == 1 && usable {
		*st = SignIn{} // it reached who asked for it
		return nil
	}
	if !usable {
		return ErrPIN
	}
	if now.Sub(st.TriesFrom) >= tryWindow {
		st.Tries, st.TriesFrom = 0, now
	}
	st.Tries++
	if st.Missed++; st.Tries >= pinTries || st.Missed >= mostMissed {
		st.Locked = now.Add(lockLife(st.Locks))
		st.Locks++
		st.Tries, st.TriesFrom = 0, time.Time{}
		st.PIN, st.Expires = nil, time.Time{}
	}
	return ErrPIN
}

// lockLife is how long a number is locked that was so often before. Besides a sign-in, a month without any
// PIN ends the row, because the store then forgets the number.
func lockLife(before int) time.Duration {
	life := firstLock
	for ; before > 0 && life < longestLock; before-- {
		life *= 2
	}
	return min(life, longestLock)
}

// atHome reports whether PINs are sent to the number. Texts to the other end of the world cost the
// operator, and pay whoever asked for them.
func (s *Subscribers) atHome(m number.MSISDN) bool {
	for _, prefix := range s.home {
		if strings.HasPrefix(string(m), prefix) {
			return true
		}
	}
	return len(s.home) == 0
}

// newPIN draws six digits, each of the million as likely as any other.
func newPIN() string {
	n, _ := rand.Int(rand.Reader, big.NewInt(1_000_000)) // rand.Reader does not fail
	return fmt.Sprintf("%06d", n)
}

// pinHash is what is kept of a PIN. A million PINs are soon tried, so it takes a key that is not in the
// store; number and level keep one hash from standing for another's PIN.
func (s *Subscribers) pinHash(level app.Level, m number.MSISDN, pin string) ([]byte, error) {
	if len(s.key) < minPINKey {
		return nil, fmt.Errorf("hash a PIN: the key has %d bytes, not %d", len(s.key), minPINKey)
	}
	key, err := hkdf.Key(sha256.New, s.key, nil, "longlines sign-in PIN", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("hash a PIN: %w", err)
	}
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s\x00%s\x00%s", level, m, pin)
	return h.Sum(nil), nil
}

// minPINKey is the length of Config.Key, in bytes.
const minPINKey = 32

// signIns counts what one address, and all of them together, have asked this node for. It is forgotten
// at a restart; the limits of a number are the store's. The zero value is ready to use.
type signIns struct {
	mu        sync.Mutex
	addresses map[netip.Addr]*addressUse
	queue     []netip.Addr // the keys of addresses, the one that came first in front
	sent      int          // in the minute from sentFrom
	sentFrom  time.Time
	refused   bool // in that minute
}

type addressUse struct {
	from         time.Time
	tries, sends int
}

// maxAddresses bounds the addresses that are counted, at some 100 bytes each.
const maxAddresses = 100_000

// try and send take one of an address' tries or sends; false if it has none left.
func (c *signIns) try(from netip.Addr, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.use(from, now)
	u.tries++
	return u.tries <= addressTries
}

func (c *signIns) send(from netip.Addr, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.use(from, now)
	u.sends++
	return u.sends <= addressSends
}

// answered gives an address back what a sign-in took: many people sign in behind one address.
func (c *signIns) answered(from netip.Addr, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.use(from, now)
	u.tries = max(0, u.tries-1)
	u.sends = max(0, u.sends-1)
}

// use is what an address has had since its window began. Windows begin in the order of the queue, so
// those that are over, and the oldest of too many, are in front.
func (c *signIns) use(from netip.Addr, now time.Time) *addressUse {
	for len(c.queue) > 0 && now.Sub(c.addresses[c.queue[0]].from) >= addressWindow {
		c.forgetOldest()
	}
	from = source(from)
	if u := c.addresses[from]; u != nil {
		return u
	}
	if len(c.queue) >= maxAddresses {
		c.forgetOldest()
	}
	if c.addresses == nil {
		c.addresses = map[netip.Addr]*addressUse{}
	}
	u := &addressUse{from: now}
	c.addresses[from] = u
	c.queue = append(c.queue, from)
	return u
}

func (c *signIns) forgetOldest() {
	delete(c.addresses, c.queue[0])
	c.queue = c.queue[1:]
}

// source is whom an address is counted as: a subscriber of an IPv6 network has a /64 at least, and may
// choose among its addresses (RFC 6177 §2).
func source(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.Addr()
	}
	return a
}

// reserve takes one of the PINs that the node may send in a minute; release gives it back. first is true
// for the first refusal of a minute.
func (c *signIns) reserve(now time.Time) (granted, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.sentFrom) >= nodeWindow {
		c.sent, c.sentFrom, c.refused = 0, now, false
	}
	if c.sent < nodeSends {
		c.sent++
		return true, false
	}
	first = !c.refused
	c.refused = true
	return false, first
}

func (c *signIns) release(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent > 0 && !now.Before(c.sentFrom) && now.Sub(c.sentFrom) < nodeWindow {
		c.sent--
	}
}
