package oauth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"

	"longlines/app"
	"longlines/fault"
	"longlines/id"
)

// Lifetimes as documented (docs/reference/oauth.md §3).
const (
	AccessLife  = 172_800 * time.Second   // two days
	RefreshLife = 7_776_000 * time.Second // ninety days
)

// Config is what a [Service] needs. Store, Sealer and Apps are mandatory.
type Config struct {
	Store  Store
	Sealer *id.Sealer
	Apps   *app.Directory
	Now    func() time.Time // default time.Now

	AccessLife  time.Duration // default [AccessLife]; at least a minute
	RefreshLife time.Duration // default [RefreshLife]; at least AccessLife
	// Cache is how many access tokens are kept in memory, default 1,000,000. Memory is taken as
	// they come, some 150 bytes each; a token that is not in memory costs a read.
	Cache int
}

// Service issues, checks and revokes tokens. It is safe for concurrent use.
type Service struct {
	store   Store
	sealer  *id.Sealer
	apps    *app.Directory
	now     func() time.Time
	access  time.Duration
	refresh time.Duration
	cache   *cache

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
}

// New returns a Service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Sealer == nil || c.Apps == nil {
		return nil, errors.New("oauth: store, sealer and apps are needed")
	}
	if c.Now == nil {
		c.Now = time.Now
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
		store: c.Store, sealer: c.Sealer, apps: c.Apps, now: c.Now,
		access: c.AccessLife, refresh: c.RefreshLife,
		cache: newCache(c.Cache), whos: map[whoKey]*principal{},
	}, nil
}

// Authenticate finds the app of a key and checks its secret (RFC 6749 §2.3.1). Its errors are
// fault.ClientUnknown, ClientDeleted, ClientSecretWrong, or Unavailable when too many chosen secrets
// wait to be hashed.
func (s *Service) Authenticate(ctx context.Context, key, secret string) (*app.App, error) {
	a := s.apps.ByKey(key)
	switch {
	case a == nil:
		return nil, fault.ClientUnknown
	case a.Deleted:
		return nil, fault.ClientDeleted
	}
	ok, err := s.apps.CheckSecret(ctx, a, secret)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.ClientSecretWrong
	}
	return a, nil
}

// ClientCredentials issues tokens for the app itself (RFC 6749 §4.4). Every call gives fresh ones,
// because a second token is the published remedy of POL1101. Its errors are fault.ScopeMissing,
// ScopeInvalid, ClientNotEnabled, or the store's.
func (s *Service) ClientCredentials(ctx context.Context, a *app.App, scope string) (Issued, error) {
	scopes, err := grantable(a, app.ParseScopes(scope), false)
	if err != nil {
		return Issued{}, err
	}
	return s.issue(ctx, Token{App: a.ID, Scopes: app.JoinScopes(scopes)})
}

// AuthorizationCode redeems a code (RFC 6749 §4.1.3). Codes are given by the consent pages, which
// do not exist yet, so every code is one that was never given: fault.InvalidGrant.
func (s *Service) AuthorizationCode(_ context.Context, _ *app.App, _ string) (Issued, error) {
	return Issued{}, fault.InvalidGrant
}

// Refresh gives a fresh access token of the refresh token's family (RFC 6749 §6). The refresh token
// stays as it is, because several clients share a token file (docs/reference/oauth.md §3); it would
// rotate only for an app without a secret. Its errors are fault.InvalidGrant, or the store's.
func (s *Service) Refresh(ctx context.Context, a *app.App, text string) (Issued, error) {
	n, hash, ok := parse(s.sealer, text)
	if !ok {
		return Issued{}, fault.InvalidGrant
	}
	epoch := s.cache.epoch()
	old, ok, err := s.store.Token(ctx, n)
	if err != nil {
		return Issued{}, fmt.Errorf("read a refresh token: %w", err)
	}
	now := s.now()
	if !ok || old.Kind != KindRefresh || old.App != a.ID || old.Revoked || !now.Before(old.Expires) ||
		subtle.ConstantTimeCompare(old.Hash[:], hash[:]) != 1 {
		return Issued{}, fault.InvalidGrant
	}
	access := s.token(s.store.NextToken(1), KindAccess, old.ID, old, s.access)
	var out Issued
	out.Access, access.Hash = mint(s.sealer, access.ID)
	if err := s.store.IssueTokens(ctx, access); err != nil {
		return Issued{}, fmt.Errorf("issue a token: %w", err)
	}
	s.remember(access, epoch)
	out.Refresh, out.Scopes, out.Life = text, old.Scopes, s.shown()
	return out, nil
}

// issue makes a new family: a refresh token and its first access token, in one commit. like carries
// app, subscriber and scopes.
func (s *Service) issue(ctx context.Context, like Token) (Issued, error) {
	first := s.store.NextToken(2)
	refresh := s.token(first, KindRefresh, first, like, s.refresh)
	access := s.token(first+1, KindAccess, first, like, s.access)
	out := Issued{Scopes: like.Scopes, Life: s.shown()}
	out.Refresh, refresh.Hash = mint(s.sealer, refresh.ID)
	out.Access, access.Hash = mint(s.sealer, access.ID)
	epoch := s.cache.epoch()
	if err := s.store.IssueTokens(ctx, refresh, access); err != nil {
		return Issued{}, fmt.Errorf("issue a token: %w", err)
	}
	s.remember(access, epoch)
	return out, nil
}

func (s *Service) token(n id.Number, k TokenKind, family id.Number, like Token, life time.Duration) Token {
	return Token{ID: n, Kind: k, Family: family, App: like.App, Subscriber: like.Subscriber, Scopes: like.Scopes,
		Expires: s.now().UTC().Truncate(time.Millisecond).Add(life)}
}

// shown is the life that a reply tells: one second less than the row's, for the time the reply
// takes, as the published example has it (172799).
func (s *Service) shown() time.Duration { return s.access - time.Second }

// Revoke ends a token: an access token alone, a refresh token with its whole family (RFC 7009 §2.1).
// A token that is unknown, or another app's, is none of ours: nothing happens and there is no error
// (§2.2). Durable on return.
func (s *Service) Revoke(ctx context.Context, a *app.App, text string) error {
	n, hash, ok := parse(s.sealer, text)
	if !ok {
		return nil
	}
	t, ok, err := s.store.Token(ctx, n)
	if err != nil {
		return fmt.Errorf("read a token: %w", err)
	}
	if !ok || t.App != a.ID || t.Revoked || subtle.ConstantTimeCompare(t.Hash[:], hash[:]) != 1 {
		return nil
	}
	if err := s.store.RevokeToken(ctx, n); err != nil {
		return fmt.Errorf("revoke a token: %w", err)
	}
	s.Revoked(n)
	return nil
}

// Revoked forgets a token, and everything of its family if it is a refresh token. The store calls it
// for every revocation, here or on another node.
func (s *Service) Revoked(n id.Number) { s.cache.revoked(n) }

// Check finds what a bearer token stands for. Its error is fault.BadToken for one that is malformed,
// unknown, expired, revoked or of a deleted app; else the store's.
func (s *Service) Check(ctx context.Context, bearer string) (Grant, error) {
	n, hash, ok := parse(s.sealer, bearer)
	if !ok {
		return Grant{}, fault.BadToken
	}
	e, ok := s.cache.get(n)
	if !ok {
		var err error
		if e, ok, err = s.load(ctx, n); err != nil {
			return Grant{}, err
		} else if !ok {
			return Grant{}, fault.BadToken
		}
	}
	if e.who == nil || subtle.ConstantTimeCompare(e.hash[:], hash[:]) != 1 || s.now().Unix() >= e.expires {
		return Grant{}, fault.BadToken
	}
	a := s.apps.ByID(e.who.app)
	if a == nil || a.Deleted {
		return Grant{}, fault.BadToken
	}
	return Grant{App: a, Token: n, Subscriber: e.who.subscriber, Scopes: e.who.scopes}, nil
}

// load reads a token that is not in memory and keeps what it found.
func (s *Service) load(ctx context.Context, n id.Number) (entry, bool, error) {
	epoch := s.cache.epoch()
	t, ok, err := s.store.Token(ctx, n)
	if err != nil {
		return entry{}, false, fmt.Errorf("read a token: %w", err)
	}
	if !ok || t.Kind != KindAccess {
		return entry{}, false, nil
	}
	e := s.entry(t)
	s.cache.put(n, e, epoch)
	return e, true, nil
}

func (s *Service) remember(t Token, epoch uint64) { s.cache.put(t.ID, s.entry(t), epoch) }

func (s *Service) entry(t Token) entry {
	e := entry{hash: t.Hash, family: t.Family, expires: t.Expires.Unix()}
	if !t.Revoked && s.now().Before(t.Expires) {
		e.who = s.who(t)
	}
	return e
}

// who shares the principals of apps; those of subscribers are too many and too different.
func (s *Service) who(t Token) *principal {
	if t.Subscriber != "" {
		return &principal{app: t.App, subscriber: t.Subscriber, scopes: app.ParseScopes(t.Scopes)}
	}
	k := whoKey{t.App, t.Scopes}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.whos[k]
	if w == nil {
		w = &principal{app: t.App, scopes: app.ParseScopes(t.Scopes)}
		if len(s.whos) >= maxShared {
			clear(s.whos)
		}
		s.whos[k] = w
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
