package oauth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"longlines/app"
	"longlines/fault"
	"longlines/id"
)

// Lifetimes as documented (docs/reference/oauth.md §3).
const (
	CodeLife    = 60 * time.Second        // inferred: every published client redeems at once
	AccessLife  = 172_800 * time.Second   // two days
	RefreshLife = 7_776_000 * time.Second // ninety days

	maxCodeLife = 10 * time.Minute // RFC 6749 §4.1.2
)

// Config is what a [Service] needs. Store, Sealer and Apps are mandatory.
type Config struct {
	Store  Store
	Sealer *id.Sealer
	Apps   *app.Directory
	Now    func() time.Time // default time.Now
	Log    *slog.Logger     // default: none
	// Issuer is the address of the API as apps reach it, without a slash at the end (RFC 8414 §2, RFC 9207).
	Issuer      string
	CodeLife    time.Duration // default [CodeLife]; at most ten minutes
	AccessLife  time.Duration // default [AccessLife]; at least a minute
	RefreshLife time.Duration // default [RefreshLife]; at least AccessLife
	// Cache is how many access tokens are kept in memory, default 1,000,000. Memory is taken as
	// they come, some 150 bytes each, 300 for a subscriber's; a token that is not in memory costs a read.
	Cache int
}

// Service issues, checks and revokes tokens, and keeps consents. Who gives them, [Subscribers] finds out. It is safe for
// concurrent use.
type Service struct {
	store   Store
	sealer  *id.Sealer
	apps    *app.Directory
	now     func() time.Time
	log     *slog.Logger
	issuer  string
	code    time.Duration
	access  time.Duration
	refresh time.Duration
	cache   *cache
	changes changes // of consents
	uses    uses    // of consents
	proofs  proofs  // of DPoP that were taken
	pushes  pushes  // what apps have pushed

	mu   sync.Mutex
	whos map[whoKey]*principal // of tokens without a subscriber, to be shared
}

type whoKey struct {
	app    app.ID
	scopes string
}

// maxShared bounds the principals that are shared: apps times the scope lists they ask for.
const maxShared = 10_000

// Issued is the answer to a token request.
type Issued struct {
	Access, Refresh string
	Scopes          string        // as granted, comma-separated
	Life            time.Duration // what expires_in says
	Bound           bool          // to the caller's key: token_type is DPoP (RFC 9449 §5)
}

// New returns a Service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Sealer == nil || c.Apps == nil {
		return nil, errors.New("oauth: store, sealer and apps are needed")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.CodeLife == 0 {
		c.CodeLife = CodeLife
	}
	if c.CodeLife < time.Second || c.CodeLife > maxCodeLife {
		return nil, fmt.Errorf("oauth: a code must live a second to %s: %s", maxCodeLife, c.CodeLife)
	}
	if c.AccessLife == 0 {
		c.AccessLife = AccessLife
	}
	if c.RefreshLife == 0 {
		c.RefreshLife = max(RefreshLife, c.AccessLife)
	}
	// Clients take an expires_in of 0 for "never" (docs/reference/oauth.md §3).
	if c.AccessLife < time.Minute || c.RefreshLife < c.AccessLife {
		return nil, fmt.Errorf("oauth: an access token must live a minute or more, a refresh token no less: %s, %s", c.AccessLife, c.RefreshLife)
	}
	if c.Cache <= 0 {
		c.Cache = 1_000_000
	}
	return &Service{
		store: c.Store, sealer: c.Sealer, apps: c.Apps, now: c.Now, log: c.Log,
		issuer: c.Issuer, code: c.CodeLife, access: c.AccessLife, refresh: c.RefreshLife,
		cache: newCache(c.Cache), whos: map[whoKey]*principal{},
	}, nil
}

// ClientCredentials issues tokens for the app itself (RFC 6749 §4.4), the access token bound to key if
// there is one. Every call gives fresh ones, because a second token is the published remedy of POL1101.
// Its errors are fault.ClientUnauthorized for a public app (§4.4: confidential clients only),
// ProofInvalid, ScopeMissing, ScopeInvalid, ClientNotEnabled, or the store's.
func (s *Service) ClientCredentials(ctx context.Context, a *app.App, scope string, key [32]byte) (Issued, error) {
	if a.Public() {
		return Issued{}, fault.ClientUnauthorized
	}
	if err := mayBear(a, key); err != nil {
		return Issued{}, err
	}
	scopes, err := grantable(a, app.ParseScopes(scope), false)
	if err != nil {
		return Issued{}, err
	}
	epoch, seen := s.cache.epoch(), s.changes.epoch()
	tokens, out := s.family(a, Token{App: a.ID, Scopes: app.JoinScopes(scopes)}, key)
	if err := s.store.IssueTokens(ctx, tokens...); err != nil {
		return Issued{}, fmt.Errorf("issue a token: %w", err)
	}
	s.remember(tokens[1], epoch, seen)
	return out, nil
}

// mayBear refuses a request without a key of an app whose tokens are always bound to one
// (RFC 9449 §5.2).
func mayBear(a *app.App, key [32]byte) error {
	if a.DPoP && key == ([32]byte{}) {
		return fault.ProofInvalid.Describe("DPoP proof missing")
	}
	return nil
}

// family makes a refresh token and its first access token. like carries app, subscriber, consent with
// generation, and scopes. The key binds the access token, and of a public app the refresh token too: that of a
// confidential one is bound to the app by its authentication (RFC 9449 §5).
func (s *Service) family(a *app.App, like Token, key [32]byte) ([]Token, Issued) {
	first, now := s.store.NextToken(2), s.moment()
	refresh := newToken(first, KindRefresh, first, like, now.Add(s.refresh))
	access := newToken(first+1, KindAccess, first, like, now.Add(s.access))
	access.Key = key
	if a.Public() {
		refresh.Key = key
	}
	out := Issued{Scopes: like.Scopes, Life: s.shown(), Bound: key != [32]byte{}}
	out.Refresh, refresh.Hash = mint(s.sealer, refresh.ID)
	out.Access, access.Hash = mint(s.sealer, access.ID)
	return []Token{refresh, access}, out
}

func newToken(n id.Number, k TokenKind, family id.Number, like Token, expires time.Time) Token {
	return Token{ID: n, Kind: k, Family: family, App: like.App, Subscriber: like.Subscriber, Consent: like.Consent,
		Generation: like.Generation, Scopes: like.Scopes, Covered: like.Covered, Expires: expires}
}

// moment is now as rows keep it.
func (s *Service) moment() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// shown is the life that a reply tells: one second less than the row's, for the time the reply
// takes, as the published example has it (172799).
func (s *Service) shown() time.Duration { return s.access - time.Second }

// Refresh gives a fresh access token of the refresh token's family (RFC 6749 §6); scope, if not empty,
// may leave out some of the scopes that were granted.
//
// The refresh token of a confidential app stays as it is, because several clients share a token file
// (docs/reference/oauth.md §3). That of a public app is replaced with every use (RFC 9700 §4.14.2); its
// successor expires when it would have. Used again within [retryFor] it gives the same successor: the
// reply was lost, or two parts of the app came at once. Used later it has been stolen, or its successor
// has, and the whole family ends (docs/reference/reliability.md T3).
//
// Its errors are fault.InvalidGrant, ScopeInvalid, ClientNotEnabled, ProofInvalid, or the store's.
func (s *Service) Refresh(ctx context.Context, a *app.App, text, scope string, key [32]byte) (Issued, error) {
	if err := mayBear(a, key); err != nil {
		return Issued{}, err
	}
	came := s.now()
	// A second look is needed if another request replaces the token while this one is at it.
	for look := range 2 {
		epoch, seen := s.cache.epoch(), s.changes.epoch()
		old, ok, err := s.findToken(ctx, text)
		if err != nil {
			return Issued{}, err
		}
		if !ok || old.Kind != KindRefresh || old.App != a.ID || old.Revoked || !s.now().Before(old.Expires) || !proven(old.Key, key) {
			return Issued{}, fault.InvalidGrant
		}
		// An app that has become public gets nothing for itself any more, for it no longer proves who it is
		// (RFC 6749 §4.4).
		if a.Public() && old.Subscriber == "" {
			return Issued{}, fault.InvalidGrant
		}
		if !old.Rotated.IsZero() {
			return s.refreshAgain(ctx, a, old, text, key, spentBefore(old.Rotated, came, look))
		}
		scopes, err := narrowed(a, old, scope)
		if err != nil {
			return Issued{}, err
		}
		out := Issued{Refresh: text, Scopes: scopes, Life: s.shown(), Bound: key != [32]byte{}}
		like := old
		like.Scopes = scopes
		access := newToken(s.store.NextToken(1), KindAccess, old.Family, like, s.moment().Add(s.access))
		access.Key = key
		out.Access, access.Hash = mint(s.sealer, access.ID)
		if a.Public() {
			out.Refresh, err = s.rotate(ctx, a, old, access, text, key, out)
		} else {
			err = s.store.IssueTokens(ctx, access)
		}
		switch {
		case errors.Is(err, ErrUsed):
			continue
		case err != nil:
			return Issued{}, fmt.Errorf("issue a token: %w", err)
		}
		s.remember(access, epoch, seen)
		return out, nil
	}
	return Issued{}, fault.InvalidGrant
}

// rotate replaces a refresh token by its successor, which it returns, together with an access token. out
// is the reply but for the successor.
func (s *Service) rotate(ctx context.Context, a *app.App, old, access Token, text string, key [32]byte, out Issued) (next string, err error) {
	// The scopes are those of the old one, whatever the access token has (RFC 6749 §6).
	t := newToken(s.store.NextToken(1), KindRefresh, old.Family, old, old.Expires)
	if t.Key = old.Key; t.Key == ([32]byte{}) {
		t.Key = key // the app begins to prove a key with this request (RFC 9449 §5)
	}
	out.Refresh, t.Hash = mint(s.sealer, t.ID)
	x := Exchange{ID: old.ID, At: s.moment(), Tokens: []Token{t, access}}
	if x.Sealed, err = sealReply(text, old.ID, key, out); err != nil {
		return "", err
	}
	return out.Refresh, s.store.Rotate(ctx, a.Tenant(), x)
}

// proven reports whether a caller with the key may use what is bound to want.
func proven(want, key [32]byte) bool {
	return want == [32]byte{} || subtle.ConstantTimeCompare(want[:], key[:]) == 1
}

// narrowed are the scopes of a refreshed token: those asked for, each of which must have been granted
// (RFC 6749 §6) and be left; whatever is left if none is asked for.
func narrowed(a *app.App, old Token, asked string) (string, error) {
	left, err := left(a, old)
	if err != nil {
		return "", err
	}
	want := app.ParseScopes(asked)
	if len(want) == 0 {
		return app.JoinScopes(left), nil
	}
	for _, s := range want {
		if !slices.Contains(left, s) {
			return "", fault.ScopeInvalid
		}
	}
	return app.JoinScopes(want), nil
}

// left are the scopes that were granted and are still to be had: the operator has not taken them off the account, nor
// the subscriber off the consent. Its errors are fault.ClientNotEnabled if the account has none of them any more
// (docs/reference/errors.md §5), InvalidGrant if the consent covers none of those it has.
func left(a *app.App, granted Token) ([]app.Scope, error) {
	if !slices.ContainsFunc(app.ParseScopes(granted.Scopes), a.Holds) {
		return nil, fault.ClientNotEnabled
	}
	out := had(a, granted)
	if len(out) == 0 {
		return nil, fault.InvalidGrant
	}
	return out, nil
}

// had are the scopes of a token that both the account and the consent have now.
func had(a *app.App, t Token) []app.Scope {
	covered := app.ParseScopes(t.Covered)
	return slices.DeleteFunc(app.ParseScopes(t.Scopes), func(s app.Scope) bool { return !a.Holds(s) || !slices.Contains(covered, s) })
}

// Revoke ends a token: an access token alone, a refresh token with its whole family, also if it has been
// replaced since (RFC 7009 §2.1). A token that is unknown, or another app's, is none of ours: nothing
// happens and there is no error (§2.2). Durable on return.
func (s *Service) Revoke(ctx context.Context, a *app.App, text string) error {
	t, ok, err := s.findToken(ctx, text)
	if err != nil || !ok || t.App != a.ID {
		return err
	}
	n := t.ID
	if t.Kind == KindRefresh {
		n = t.Family
	}
	if t.Revoked {
		s.Revoked(n) // the store has not told, if the answer to the commit that did it was lost
		return nil
	}
	return s.revoke(ctx, a, n)
}

// revoke ends an access token of the app's, or its family of that number.
func (s *Service) revoke(ctx context.Context, a *app.App, n id.Number) error {
	err := s.store.RevokeToken(ctx, a.Tenant(), n)
	s.Revoked(n) // also after an error, which does not say that nothing was done
	if err != nil {
		return fmt.Errorf("revoke a token: %w", err)
	}
	return nil
}

// Revoked forgets a token, and everything of its family if it is a refresh token. The store calls it
// for every revocation, here or on another node.
func (s *Service) Revoked(n id.Number) { s.cache.revoked(n) }

// Check finds what a token stands for. Its error is fault.BadToken for one that is malformed, unknown,
// expired, revoked or of a deleted app, whose consent was withdrawn, or that is bound to a key and not
// presented with a proof of it (RFC 9449 §7.1), or not bound though the app's must be; else the store's.
func (s *Service) Check(ctx context.Context, p Presented) (Grant, error) {
	n, hash, ok := parse(s.sealer, p.Token)
	if !ok {
		return Grant{}, fault.BadToken
	}
	e, ok := s.cache.get(n)
	if ok && s.changes.outdated(e.who) {
		s.cache.drop(n)
		ok = false
	}
	if !ok {
		var err error
		if e, ok, err = s.load(ctx, n); err != nil {
			return Grant{}, err
		} else if !ok {
			return Grant{}, fault.BadToken
		}
	}
	now := s.now().Unix()
	if e.who == nil || subtle.ConstantTimeCompare(e.hash[:], hash[:]) != 1 || now >= e.expires {
		return Grant{}, fault.BadToken
	}
	a := s.apps.ByID(e.who.app)
	if a == nil || a.Deleted || a.DPoP && e.who.key == nil { // made before the account said that all are bound
		return Grant{}, fault.BadToken
	}
	if p.DPoP || e.who.key != nil {
		if err := s.proof(p, e.who.key); err != nil {
			return Grant{}, err
		}
	}
	if e.who.consent != 0 {
		s.uses.note(e.who, now)
	}
	return Grant{App: a, Token: n, Subscriber: e.who.subscriber, Scopes: e.who.scopes,
		Consent: e.who.consent, Covered: e.who.covered}, nil
}

// proof checks that a token comes as it was issued: one that is bound with a proof of its key, any other
// as a bearer token, because to accept it under the scheme DPoP would hide that it is not bound
// (RFC 9449 §7.1, §7.2).
func (s *Service) proof(p Presented, bound *[32]byte) error {
	if !p.DPoP || bound == nil {
		return fault.BadToken
	}
	key, err := s.Proof(p.Proof, p.Method, p.URL, p.Token)
	switch {
	case errors.Is(err, fault.ProofInvalid):
		return fault.BadToken.Because(err)
	case err != nil:
		return err
	case subtle.ConstantTimeCompare(key[:], bound[:]) != 1:
		return fault.BadToken
	}
	return nil
}

// findToken reads the row of a token.
func (s *Service) findToken(ctx context.Context, text string) (t Token, ok bool, err error) {
	n, hash, ok := parse(s.sealer, text)
	if !ok {
		return Token{}, false, nil
	}
	if t, ok, err = s.store.Token(ctx, n); err != nil {
		return Token{}, false, fmt.Errorf("read a token: %w", err)
	}
	return t, ok && subtle.ConstantTimeCompare(t.Hash[:], hash[:]) == 1, nil
}

// load reads a token that is not in memory and keeps what it found.
func (s *Service) load(ctx context.Context, n id.Number) (entry, bool, error) {
	epoch, seen := s.cache.epoch(), s.changes.epoch()
	t, ok, err := s.store.Token(ctx, n)
	if err != nil {
		return entry{}, false, fmt.Errorf("read a token: %w", err)
	}
	if !ok || t.Kind != KindAccess {
		return entry{}, false, nil
	}
	e := s.entry(t, seen)
	s.cache.put(n, e, epoch)
	return e, true, nil
}

// remember keeps a token that was just issued. epoch and seen are from before its family, or its
// consent, was read.
func (s *Service) remember(t Token, epoch, seen uint64) { s.cache.put(t.ID, s.entry(t, seen), epoch) }

// entry is what the cache keeps of a row. One that has expired is kept as if it had not: the clock that says so may
// be set right again.
func (s *Service) entry(t Token, seen uint64) entry {
	e := entry{hash: t.Hash, family: t.Family, expires: t.Expires.Unix()}
	if !t.Revoked {
		e.who = s.who(t, seen)
	}
	return e
}

// who shares the principals of apps; those of subscribers and of keys are too many and too different.
func (s *Service) who(t Token, seen uint64) *principal {
	if t.Subscriber != "" || t.Key != [32]byte{} {
		return principalOf(t, seen)
	}
	k := whoKey{t.App, t.Scopes}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.whos[k]
	if w == nil {
		if len(s.whos) >= maxShared {
			clear(s.whos)
		}
		w = principalOf(t, seen)
		s.whos[k] = w
	}
	return w
}

func principalOf(t Token, seen uint64) *principal {
	w := &principal{app: t.App, subscriber: t.Subscriber, scopes: app.ParseScopes(t.Scopes)}
	w.covered = w.scopes
	if t.Subscriber != "" {
		w.consent, w.covered = t.Consent, app.ParseScopes(t.Covered)
		w.seen.Store(seen)
	}
	if t.Key != [32]byte{} {
		w.key = &t.Key
	}
	return w
}

// grantable are the scopes an app gets of those it asks for (docs/reference/errors.md §5, last
// paragraphs): none asked for is ScopeMissing; one unknown is ScopeInvalid; none of them on the
// account is ClientNotEnabled; one of them not on the account, or in need of a person who is not
// there, is ScopeInvalid.
func grantable(a *app.App, asked []app.Scope, person bool) ([]app.Scope, error) {
	if len(asked) == 0 {
		return nil, fault.ScopeMissing
	}
	held := 0
	for _, s := range asked {
		if !s.Known() {
			return nil, fault.ScopeInvalid
		}
		if a.Holds(s) {
			held++
		}
	}
	switch {
	case held == 0:
		return nil, fault.ClientNotEnabled
	case held < len(asked):
		return nil, fault.ScopeInvalid
	}
	for _, s := range asked {
		if s.NeedsPerson() && !person {
			return nil, fault.ScopeInvalid
		}
	}
	return asked, nil
}
