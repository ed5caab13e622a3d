package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"longlines/fault"
	"longlines/number"
	"longlines/quota"
)

// ErrUnknown is returned for an app that does not exist, or not any more.
var ErrUnknown = errors.New("no such app")

// Config is what a [Directory] may be given; its zero value works.
type Config struct {
	Now    func() time.Time // default time.Now
	Levels Levels           // quotas of the service levels; default [DefaultLevels]
	// Operator is the short code of what the operator itself sends to subscribers; "": it sends nothing.
	Operator number.ShortCode
}

// Directory knows all apps. Reading takes no lock and no query: an immutable snapshot is swapped
// whenever the store says that an app has changed. The *App values it gives out are shared and must
// not be changed.
type Directory struct {
	store  Store
	now    func() time.Time
	levels Levels
	verify *verifier
	own    [2]*App // see Operator

	writing sync.Mutex // one change at a time here; what another node puts in between is told by ErrChanged
	loading sync.Mutex // one reload at a time, so that an older read never replaces a newer one
	snap    atomic.Pointer[snapshot]
}

type snapshot struct {
	all    []*App // by name, deleted ones last
	byID   map[ID]*App
	byKey  map[string]*App
	byName map[string]*App // living ones, as Folded; of two the older
	byCode map[number.ShortCode]*App
}

// NewDirectory reads all apps.
func NewDirectory(ctx context.Context, s Store, c Config) (*Directory, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	d := &Directory{store: s, now: c.Now, levels: c.Levels.filled(), verify: newVerifier(c.Now)}
	if c.Operator != "" {
		for i, l := range []Level{LevelProduction, LevelSandbox} {
			n := ID(-1 - i)
			d.own[i] = &App{ID: n, tenant: Tenant{n}, Name: OperatorName, Level: l, ShortCodes: []number.ShortCode{c.Operator}}
		}
	}
	if err := d.Reload(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// Reload reads all apps again. It is called when the store says that one has changed.
func (d *Directory) Reload(ctx context.Context) error {
	d.loading.Lock()
	defer d.loading.Unlock()
	apps, err := d.store.Apps(ctx)
	if err != nil {
		return fmt.Errorf("read apps: %w", err)
	}
	s := &snapshot{
		all:    make([]*App, 0, len(apps)),
		byID:   make(map[ID]*App, len(apps)),
		byKey:  make(map[string]*App, len(apps)),
		byName: make(map[string]*App, len(apps)),
		byCode: map[number.ShortCode]*App{},
	}
	for i := range apps {
		s.all = append(s.all, &apps[i])
		s.index(&apps[i])
	}
	slices.SortFunc(s.all, byNameLast)
	d.snap.Store(s)
	return nil
}

// byNameLast is the order of [Directory.All].
func byNameLast(a, b *App) int {
	if a.Deleted != b.Deleted {
		if a.Deleted {
			return 1
		}
		return -1
	}
	if c := strings.Compare(Folded(a.Name), Folded(b.Name)); c != 0 {
		return c
	}
	return cmp.Compare(a.ID, b.ID)
}

// index makes an app found by all that it is found by.
func (s *snapshot) index(a *App) {
	a.tenant = Tenant{a.ID}
	s.byID[a.ID] = a
	s.byKey[a.Key] = a
	if a.Deleted {
		return
	}
	name := Folded(a.Name)
	if other := s.byName[name]; other == nil || other.ID > a.ID {
		s.byName[name] = a
	}
	for _, c := range a.ShortCodes {
		s.byCode[c] = a
	}
}

// with is a copy with one app put in, or put in the place of what it was.
func (s *snapshot) with(a *App) *snapshot {
	n := &snapshot{slices.Clone(s.all), maps.Clone(s.byID), maps.Clone(s.byKey), maps.Clone(s.byName), maps.Clone(s.byCode)}
	if was := n.byID[a.ID]; was != nil {
		n.all = slices.DeleteFunc(n.all, func(x *App) bool { return x == was })
		delete(n.byKey, was.Key)
		if name := Folded(was.Name); n.byName[name] == was {
			delete(n.byName, name)
		}
		for _, c := range was.ShortCodes {
			delete(n.byCode, c)
		}
	}
	n.index(a)
	at, _ := slices.BinarySearchFunc(n.all, a, byNameLast)
	n.all = slices.Insert(n.all, at, a)
	return n
}

// ByKey finds an app by its App Key, a deleted one too; nil if there is none.
func (d *Directory) ByKey(key string) *App { return d.snap.Load().byKey[key] }

// ByID finds an app by its row, a deleted one too, or the operator; nil if there is none.
func (d *Directory) ByID(id ID) *App {
	if id < 0 && id >= -ID(len(d.own)) {
		return d.own[-1-id]
	}
	return d.snap.Load().byID[id]
}

// OperatorName is the name of what stands for the operator, and no app's.
const OperatorName = "operator"

// IsOperator reports whether a number is of what stands for the operator.
func (n ID) IsOperator() bool { return n < 0 }

// Operator stands for the operator where an app is needed: as the sender, on a network, of what
// subscribers get from the operator itself (a PIN). It has no key, is in no list, and its short code can
// be no app's. nil if the operator has no short code.
func (d *Directory) Operator(l Level) *App {
	if l == LevelProduction {
		return d.own[0]
	}
	return d.own[1]
}

// ByName finds a living app by its name, in any case of letters; nil if there is none.
func (d *Directory) ByName(name string) *App {
	return d.snap.Load().byName[Folded(strings.TrimSpace(name))]
}

// Folded is a name as names are compared: no two apps may have names that differ in the case of letters alone.
func Folded(name string) string { return strings.ToLower(name) }

// ByShortCode finds the living app that owns the short code; nil if there is none.
func (d *Directory) ByShortCode(c number.ShortCode) *App { return d.snap.Load().byCode[c] }

// All lists the apps by name, deleted ones last.
func (d *Directory) All() []*App { return slices.Clone(d.snap.Load().all) }

// Quota is what an app may spend on an API, see [App.Quotas]. metered is false where nothing is
// counted: the OAuth paths of an app that has no quota for them.
func (d *Directory) Quota(a *App, api string) (lim quota.Limit, metered bool) {
	return d.levels.quota(a, api)
}

// CheckSecret reports whether the secret is the app's, in constant time. Its error is
// fault.Unavailable when too many slow hashes wait, or the context's.
func (d *Directory) CheckSecret(ctx context.Context, a *App, secret string) (bool, error) {
	return d.verify.check(ctx, a, secret)
}

// Create adds an app. An empty Key and an empty secret are generated (32 lower-case alphanumerics
// each). The secret is returned once and kept only as a hash; an app that proves itself in another way
// than by a secret gets none. Errors are [*Invalid], [ErrTaken] or the store's.
func (d *Directory) Create(ctx context.Context, a App, secret string) (*App, string, error) {
	a.ID, a.Deleted, a.Version = 0, false, 0
	if a.Key == "" {
		a.Key = randomWord()
	}
	if a.Level == "" {
		a.Level = LevelSandbox
	}
	a.Created = d.now().UTC().Truncate(time.Millisecond)
	if err := clean(&a); err != nil {
		return nil, "", err
	}
	switch {
	case a.Auth != AuthSecret && secret != "":
		return nil, "", noSecret(&a)
	case a.Auth != AuthSecret:
		a.Secret = ""
	case secret == "":
		secret = randomWord()
		a.Secret = hashGenerated(secret)
	default:
		if err := checkChosen(secret); err != nil {
			return nil, "", err
		}
		a.Secret = hashChosen(secret)
	}
	d.writing.Lock()
	defer d.writing.Unlock()
	made, err := d.put(ctx, a)
	if err != nil {
		return nil, "", fmt.Errorf("create app %q: %w", a.Name, err)
	}
	return made, secret, nil
}

// Promote makes the production app of a sandbox app: with a key of its own, a secret of its own that is
// returned once, and the scopes, the redirect URI, the listeners and the owner of the sandbox app, which
// stays as it is. p says what cannot be the same for both.
//
// Quotas are the production level's. The right to introspect every token is not copied: it is the
// operator's to give, app by app.
func (d *Directory) Promote(ctx context.Context, id ID, p Promotion) (*App, string, error) {
	from := d.ByID(id)
	if from == nil || from.Deleted {
		return nil, "", ErrUnknown
	}
	if from.Level != LevelSandbox {
		return nil, "", invalid("level", "%q is a %s app already", from.Name, from.Level)
	}
	if p.Name == "" {
		p.Name = from.Name + " live"
	}
	a := *from
	a.Key, a.Secret, a.Level, a.Promoted, a.Introspect = "", "", LevelProduction, from.ID, false
	if p.Keys != "" && p.Keys == a.Keys {
		return nil, "", invalid("keys", "are those of the sandbox app; a promotion needs others")
	}
	a.Name, a.ShortCodes, a.Keys, a.Quotas = p.Name, p.ShortCodes, p.Keys, nil
	return d.Create(ctx, a, "")
}

// Promotion is what a production app does not take over from the sandbox app that it comes from.
type Promotion struct {
	Name       string             // "": the sandbox app's, and " live"
	ShortCodes []number.ShortCode // a code belongs to one app, so the sandbox app's stay where they are
	Keys       string             // of an app with AuthKey, mandatory: whoever holds the sandbox's key must not be let in
}

// Update changes an app: change gets a copy of it as the store has it now, and gets another one if
// another node comes first with a change of its own. ID, Key, Secret, Created and where it was promoted
// from stay as they are, whatever change does to them; an app that is to prove itself in another way than
// by a secret loses its secret, and one that is to have one gets it by [Directory.Rotate]. The level cannot change, because a production app's key and secret must never have
// been a sandbox app's (docs/reference/oauth.md §8).
func (d *Directory) Update(ctx context.Context, id ID, change func(*App) error) (*App, error) {
	return d.edit(ctx, id, func(a *App) error {
		was := *a
		if err := change(a); err != nil {
			return err
		}
		if a.Level != was.Level {
			return invalid("level", "cannot change: promote a sandbox app to production, which makes a new app with a new key and secret")
		}
		a.ID, a.Key, a.Secret, a.Created, a.Promoted, a.Deleted, a.Version = was.ID, was.Key, was.Secret, was.Created, was.Promoted, false, was.Version
		if a.Auth != AuthSecret {
			a.Secret = ""
		}
		return clean(a)
	})
}

// Rotate gives an app a new generated secret, returned once. Tokens stay as they are.
func (d *Directory) Rotate(ctx context.Context, id ID) (*App, string, error) {
	secret := randomWord()
	a, err := d.edit(ctx, id, func(a *App) error {
		if a.Auth != AuthSecret {
			return invalid("auth", "an app with %s has no secret", a.Auth)
		}
		a.Secret = hashGenerated(secret)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return a, secret, nil
}

// Delete ends an app: its tokens die at once, its short codes become free. The key stays known, so
// that its use is answered as published (docs/reference/errors.md §5 bodyclient a).
func (d *Directory) Delete(ctx context.Context, id ID) error {
	_, err := d.edit(ctx, id, func(a *App) error {
		a.Deleted = true
		a.ShortCodes = nil
		return nil
	})
	return err
}

// maxTries bounds how often a change is made. Each time but the last another node has come first with one.
const maxTries = 20

// edit changes an app. If another node has changed it meanwhile, the change is made again on what that has
// left, so that neither undoes the other; fault.Unavailable if that goes on and on.
func (d *Directory) edit(ctx context.Context, id ID, change func(*App) error) (made *App, err error) {
	d.writing.Lock()
	defer d.writing.Unlock()
	for range maxTries {
		if made, err = d.try(ctx, id, change); !errors.Is(err, ErrChanged) {
			return made, err
		}
	}
	return nil, fault.Unavailable.Because(err)
}

// try reads the app again before it changes it, because another node may have.
func (d *Directory) try(ctx context.Context, id ID, change func(*App) error) (*App, error) {
	if err := d.Reload(ctx); err != nil {
		return nil, err
	}
	was := d.ByID(id)
	if was == nil || was.Deleted {
		return nil, ErrUnknown
	}
	a := *was
	a.Scopes = slices.Clone(was.Scopes)
	a.ShortCodes = slices.Clone(was.ShortCodes)
	a.Quotas = maps.Clone(was.Quotas)
	if err := change(&a); err != nil {
		return nil, err
	}
	made, err := d.put(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("change app %q: %w", was.Name, err)
	}
	return made, nil
}

// put writes an app, and knows it before it returns, so that the caller sees its own change at once.
// To read all again for one would make an import slower with every app it has made.
func (d *Directory) put(ctx context.Context, a App) (*App, error) {
	if err := d.free(a); err != nil {
		return nil, err
	}
	// What is kept is read again as it is here.
	a.WaitForVerdict = a.WaitForVerdict.Truncate(time.Millisecond)
	if a.Quotas = maps.Clone(a.Quotas); len(a.Quotas) == 0 { // the caller may go on with its own
		a.Quotas = nil
	}
	if len(a.ShortCodes) == 0 {
		a.ShortCodes = nil
	}
	made, err := d.keep(ctx, a)
	if errors.Is(err, ErrTaken) && d.Reload(ctx) == nil { // by another node, of which this one has not heard yet
		err = cmp.Or(d.free(a), err)
	}
	return made, err
}

// keep is put once the app has its form and is free.
func (d *Directory) keep(ctx context.Context, a App) (*App, error) {
	d.loading.Lock() // a reading that began before would not have it
	defer d.loading.Unlock()
	id, err := d.store.PutApp(ctx, a)
	if err != nil {
		return nil, err
	}
	a.ID = id
	a.Version++
	d.snap.Store(d.snap.Load().with(&a))
	return &a, nil
}

// free says which name, key or short code of an app another one has.
func (d *Directory) free(a App) error {
	if other := d.ByKey(a.Key); other != nil && other.ID != a.ID {
		return keyTaken(other)
	}
	if a.Deleted {
		return nil
	}
	// Whoever keeps its name may: a store of the first release may have two that differ in case alone, and the
	// secret of either must be changed when it has leaked.
	if was := d.ByID(a.ID); was == nil || was.Name != a.Name {
		if other := d.ByName(a.Name); other != nil && other.ID != a.ID {
			return &Taken{"name", fmt.Sprintf("%q is another app's", other.Name)}
		}
	}
	for _, c := range a.ShortCodes {
		if d.own[0] != nil && d.own[0].Owns(c) {
			return &Taken{"short_codes", fmt.Sprintf("short code %s, of the operator, is taken", c)}
		}
		if other := d.ByShortCode(c); other != nil && other.ID != a.ID {
			return &Taken{"short_codes", fmt.Sprintf("short code %s, of %q, is taken", c, other.Name)}
		}
	}
	return nil
}

// keyTaken says whose the key of an app is already.
func keyTaken(other *App) error {
	if other.Deleted {
		return &Taken{"key", "of an app that was deleted, and not free again"}
	}
	return &Taken{"key", fmt.Sprintf("of %q already", other.Name)}
}

// Taken says what of an app another one has, and which. It wraps [ErrTaken].
type Taken struct {
	Field  string // as of [Invalid]: "name", "key" or "short_codes"
	Reason string
}

func (e *Taken) Error() string { return e.Field + ": " + e.Reason }

func (e *Taken) Unwrap() error { return ErrTaken }
