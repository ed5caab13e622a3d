package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"

	"longlines/app"
	"longlines/audit"
	"longlines/fault"
)

// Approve makes the subscriber's yes durable and returns the Location that carries the code. once names
// the form that was sent; ErrUsed if it was taken before. Other errors are the store's.
func (s *Service) Approve(ctx context.Context, r Request, who Person, once [32]byte) (location string, err error) {
	return s.approve(ctx, r, who, Approval{Once: once})
}

// ApproveStanding is Approve of a request that nobody is asked about, because the subscriber has said yes to all
// of it before. ErrNoConsent: that does not hold, or not any more. Other errors are the store's.
func (s *Service) ApproveStanding(ctx context.Context, r Request, who Person) (location string, err error) {
	a := Approval{Standing: true}
	rand.Read(a.Once[:]) // there is no form
	return s.approve(ctx, r, who, a)
}

// approve makes an approval of a request; of approval it is known how it came about.
func (s *Service) approve(ctx context.Context, r Request, who Person, approval Approval) (location string, err error) {
	// A sandbox app must not reach a live subscriber (docs/reference/conventions.md §3), whatever led here.
	if who.Subscriber == "" || who.Level != r.App.Level {
		return "", fmt.Errorf("approve: a person of the network %q for an app of %q", who.Level, r.App.Level)
	}
	now, scopes := s.moment(), app.JoinScopes(r.Scopes)
	c := Code{ID: s.store.NextToken(1), App: r.App.ID, Subscriber: who.Subscriber, Scopes: scopes,
		Challenge: r.Challenge, Key: r.Key, Expires: now.Add(s.code)}
	if r.Given {
		c.Redirect = r.Redirect
	}
	var text string
	text, c.Hash = mint(s.sealer, c.ID)
	approval.Until, approval.Code = now.Add(FormLife), c
	approval.Consent = Consent{App: r.App.ID, Subscriber: who.Subscriber, Scopes: scopes, How: who.How, Given: now, Changed: now}
	ctx = audit.With(ctx, audit.Entry{
		Actor: "subscriber " + who.Subscriber.String(), Action: "consent given", Object: "app " + r.App.Name,
		Detail: audit.Detail(decision{Scopes: scopes, How: who.How}),
	})
	if err := s.store.Approve(ctx, &approval); err != nil {
		if errors.Is(err, ErrUsed) || errors.Is(err, ErrNoConsent) {
			return "", err
		}
		return "", fmt.Errorf("keep a consent: %w", err)
	}
	s.Changed(approval.Consent.ID) // it may cover more than before
	return s.success(r, text), nil
}

// AuthorizationCode redeems a code (RFC 6749 §4.1.3): it must be the app's, live and unused, and come
// with the verifier of its challenge (RFC 7636 §4.6), the key of its dpop_jkt (RFC 9449 §10), and the
// consent still in force. redirect may be absent, because no published client sends it
// (docs/reference/oauth.md §3); one that is sent must be that of the authorization request. See
// [retryFor] for a code that comes again. Its errors are fault.InvalidGrant, ClientNotEnabled, ProofInvalid, or the
// store's.
func (s *Service) AuthorizationCode(ctx context.Context, a *app.App, text, verifier, redirect string, key [32]byte) (Issued, error) {
	if err := mayBear(a, key); err != nil {
		return Issued{}, err
	}
	came := s.now()
	// A second look is needed if another request redeems the code while this one is at it.
	for look := range 2 {
		epoch, seen := s.cache.epoch(), s.changes.epoch()
		c, ok, err := s.findCode(ctx, text)
		if err != nil {
			return Issued{}, err
		}
		if !ok || c.App != a.ID || !verified(a, c, verifier) || !proven(c.Key, key) || !sameRedirect(a, c, redirect) {
			return Issued{}, fault.InvalidGrant
		}
		if !c.Used.IsZero() {
			return s.redeemAgain(ctx, a, c, text, key, spentBefore(c.Used, came, look))
		}
		if !s.now().Before(c.Expires) {
			return Issued{}, fault.InvalidGrant
		}
		granted := Token{App: c.App, Subscriber: c.Subscriber, Consent: c.Consent, Generation: c.Generation, Scopes: c.Scopes, Covered: c.Covered}
		scopes, err := left(a, granted)
		if err != nil {
			return Issued{}, err
		}
		granted.Scopes = app.JoinScopes(scopes)
		tokens, out := s.family(a, granted, key)
		x := Exchange{ID: c.ID, At: s.moment(), Tokens: tokens}
		if x.Sealed, err = sealReply(text, c.ID, key, out); err != nil {
			return Issued{}, err
		}
		switch err := s.store.Redeem(ctx, a.Tenant(), x); {
		case errors.Is(err, ErrUsed):
			continue
		case err != nil:
			return Issued{}, fmt.Errorf("redeem a code: %w", err)
		}
		s.remember(tokens[1], epoch, seen)
		return out, nil
	}
	return Issued{}, fault.InvalidGrant
}

// CodeLost notes that the reply to the redemption of a code is known not to have arrived, so that the
// app may redeem it again at once. A code that is unknown or unused is left as it is.
func (s *Service) CodeLost(ctx context.Context, text string) error {
	c, ok, err := s.findCode(ctx, text)
	if err != nil || !ok || c.Used.IsZero() {
		return err
	}
	if err := s.store.CodeLost(ctx, c.ID); err != nil {
		return fmt.Errorf("note a lost reply: %w", err)
	}
	return nil
}

// findCode reads the row of a code.
func (s *Service) findCode(ctx context.Context, text string) (c Code, ok bool, err error) {
	n, hash, ok := parse(s.sealer, text)
	if !ok {
		return Code{}, false, nil
	}
	if c, ok, err = s.store.Code(ctx, n); err != nil {
		return Code{}, false, fmt.Errorf("read a code: %w", err)
	}
	return c, ok && subtle.ConstantTimeCompare(c.Hash[:], hash[:]) == 1, nil
}

// sameRedirect reports whether the redirect_uri of a token request is the one where the code went.
func sameRedirect(a *app.App, c Code, redirect string) bool {
	if redirect == "" {
		return true
	}
	if c.Redirect == "" {
		return redirect == a.RedirectURI
	}
	return redirect == c.Redirect
}

// verified reports whether a code_verifier is the one behind the challenge of a code (RFC 7636 §4.6). A
// verifier for a code without a challenge is refused too: the challenge was taken off on the way
// (RFC 9700 §4.8.2). So is a code without one of an app that is public now, and was not when it asked.
func verified(a *app.App, c Code, verifier string) bool {
	if c.Challenge == "" {
		return verifier == "" && !a.Public()
	}
	// RFC 7636 §4.1: 43 to 128 unreserved characters.
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	for _, b := range []byte(verifier) {
		if !isUnreserved(b) {
			return false
		}
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(c.Challenge)) == 1
}
