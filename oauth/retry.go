package oauth

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"longlines/app"
	"longlines/audit"
	"longlines/fault"
	"longlines/id"
)

// A reply that carries tokens may be lost on its way, and the code or refresh token that it answered is
// spent. So for some seconds the same request gets the same reply again (docs/reference/reliability.md
// §3.7). The store does not keep the tokens for that: it keeps the reply sealed under a key that is made
// from the code or refresh token itself, of which it has only a hash. Only who holds that can open it.

const (
	// competeFor is how long a second redemption of a code counts as one of several at once, of which one
	// gets tokens: nobody has waited for a reply and given up within it.
	competeFor = time.Second
	// retryFor is how long the same reply may be had again.
	retryFor = 10 * time.Second
)

// sealReply seals a reply under a key made from what was exchanged for it, a code or a refresh token: its
// text, its row and the key the caller has proven. A caller with another key opens nothing.
func sealReply(text string, n id.Number, key [32]byte, out Issued) ([]byte, error) {
	aead, err := replySeal(text)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, []byte(out.Access+out.Refresh+out.Scopes), sealedFor(n, key)), nil
}

// openReply opens what sealReply sealed; ok is false for anything else.
func openReply(text string, n id.Number, key [32]byte, sealed []byte) (out Issued, ok bool) {
	aead, err := replySeal(text)
	if err != nil {
		return Issued{}, false
	}
	plain, err := aead.Open(nil, nil, sealed, sealedFor(n, key))
	if err != nil || len(plain) < 2*textLen {
		return Issued{}, false
	}
	s := string(plain)
	return Issued{Access: s[:textLen], Refresh: s[textLen : 2*textLen], Scopes: s[2*textLen:], Bound: key != [32]byte{}}, true
}

func replySeal(text string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(text), nil, "longlines oauth reply", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of a reply: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("seal a reply: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func sealedFor(n id.Number, key [32]byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(n)), key[:]...)
}

// spentBefore is how long a code or refresh token had been spent when a request with it came. What counts is when the
// two requests came, because the store may take long over either. A request that has seen it unspent at first is
// one of two at once, or comes again after a reply that took too long, and nobody's reuse: for it that is always
// less than retryFor.
func spentBefore(spent, came time.Time, looked int) time.Duration {
	age := came.Sub(spent)
	if looked > 0 {
		age = min(age, retryFor-1)
	}
	return age
}

// redeemAgain answers a code that was redeemed before by an app that has passed every other check. Who
// cannot prove what the code is bound to does not come here: such a one has got no tokens by the code,
// and must not be able to end those of others.
func (s *Service) redeemAgain(ctx context.Context, a *app.App, c Code, text string, key [32]byte, age time.Duration) (Issued, error) {
	if age < competeFor && !c.Lost {
		return Issued{}, fault.InvalidGrant
	}
	// The family's row tells whether it has ended since, or the consent behind it.
	first, ok, err := s.store.Token(ctx, c.Family)
	if err != nil {
		return Issued{}, fmt.Errorf("read a refresh token: %w", err)
	}
	if !ok || first.Revoked {
		return Issued{}, fault.InvalidGrant
	}
	if age < retryFor {
		return s.replay(text, c.ID, key, c.Sealed, c.Used)
	}
	return Issued{}, s.reused(ctx, a, "code", first)
}

// refreshAgain answers a live refresh token that has been replaced, likewise.
func (s *Service) refreshAgain(ctx context.Context, a *app.App, old Token, text string, key [32]byte, age time.Duration) (Issued, error) {
	if age < retryFor {
		return s.replay(text, old.ID, key, old.Sealed, old.Rotated)
	}
	return Issued{}, s.reused(ctx, a, "refresh token", old)
}

// replay gives a sealed reply again, which was made at that time.
func (s *Service) replay(text string, n id.Number, key [32]byte, sealed []byte, made time.Time) (Issued, error) {
	out, ok := openReply(text, n, key, sealed)
	if !ok {
		return Issued{}, fault.InvalidGrant
	}
	out.Life = s.shown() - max(s.now().Sub(made), 0).Truncate(time.Second)
	return out, nil
}

// reused ends the family of a code or refresh token that is in the hands of two (RFC 6749 §4.1.2,
// RFC 9700 §4.14.2), and says so in the audit (docs/reference/reliability.md T3). Its error is
// fault.InvalidGrant, or the store's.
func (s *Service) reused(ctx context.Context, a *app.App, what string, of Token) error {
	if err := s.revoke(ctx, a, of.Family); err != nil {
		return err
	}
	s.log.WarnContext(ctx, "a "+what+" came again; its tokens were revoked", "app", a, "subscriber", of.Subscriber)
	// The tokens have ended, whether or not that can be noted.
	if err := s.store.Note(audit.With(ctx, audit.Entry{
		Actor: "app " + a.Name, Action: what + " reused", Object: "app " + a.Name,
		Detail: audit.Detail(decision{Scopes: of.Scopes, Subscriber: of.Subscriber.String()}),
	})); err != nil {
		s.log.ErrorContext(ctx, "the reuse of a "+what+" is not in the audit", "app", a, "error", err)
	}
	return fault.InvalidGrant
}
