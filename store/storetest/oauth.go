package storetest

import (
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"longlines/app"
	"longlines/app/apptest"
	"longlines/id"
	"longlines/number"
	"longlines/oauth"
	"longlines/store"
)

func tokens(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	n := s.NextToken(3)
	refresh := oauth.Token{ID: n, Kind: oauth.KindRefresh, Family: n, App: 7, Subscriber: handset, Scopes: "SMS,IMMN", Hash: [32]byte{1, 2}, Expires: now().Add(time.Hour)}
	access := oauth.Token{ID: n + 1, Kind: oauth.KindAccess, Family: n, App: 7, Subscriber: handset, Scopes: "SMS,IMMN", Hash: [32]byte{3}, Key: [32]byte{5}, Expires: now().Add(time.Minute)}
	alone := oauth.Token{ID: n + 2, Kind: oauth.KindAccess, App: 7, Scopes: "SMS", Hash: [32]byte{4}, Expires: now().Add(time.Minute)}
	must(t, s.IssueTokens(ctx, refresh, access))
	must(t, s.IssueTokens(ctx, alone))
	read := tokenReader(t, s)
	// Without a consent behind them they cover what they were issued for.
	refresh.Covered, access.Covered, alone.Covered = refresh.Scopes, access.Scopes, alone.Scopes
	same(t, "refresh", read(n), refresh)
	same(t, "access", read(n+1), access)
	same(t, "alone", read(n+2), alone)
	if _, ok, err := s.Token(ctx, 5); ok || err != nil {
		t.Errorf("no such token: %v %v", ok, err)
	}
	must(t, s.RevokeToken(ctx, pizzeria, n))
	if !read(n).Revoked || !read(n+1).Revoked || read(n+2).Revoked {
		t.Error("revoking a family did not end it, or ended another")
	}
	must(t, s.RevokeToken(ctx, pizzeria, n+2))
	must(t, s.RevokeToken(ctx, pizzeria, 5)) // unknown: RFC 7009 §2.2
	if !read(n + 2).Revoked {
		t.Error("not revoked")
	}
}

// tokenReader reads tokens that must be there.
func tokenReader(t *testing.T, s *store.Store) func(id.Number) oauth.Token {
	return func(n id.Number) oauth.Token {
		t.Helper()
		k, ok, err := s.Token(t.Context(), n)
		if err != nil || !ok {
			t.Fatalf("token %d: %v %v", n, ok, err)
		}
		return k
	}
}

// approval is a subscriber's yes to an app, on a form of its own.
func approval(s *store.Store, a app.ID, m number.MSISDN, scopes string) *oauth.Approval {
	out := &oauth.Approval{
		Until:   now().Add(10 * time.Minute),
		Consent: oauth.Consent{App: a, Subscriber: m, Scopes: scopes, How: oauth.HowPIN},
		Code: oauth.Code{ID: s.NextToken(1), Hash: [32]byte{1}, App: a, Subscriber: m, Scopes: scopes, Redirect: "https://app.example/back",
			Challenge: "c", Key: [32]byte{9}, Expires: now().Add(time.Minute)},
	}
	rand.Read(out.Once[:])
	return out
}

// exchange is the code of an approval being redeemed.
func exchange(s *store.Store, a *oauth.Approval) oauth.Exchange {
	n := s.NextToken(2)
	k := oauth.Token{ID: n, Kind: oauth.KindRefresh, Family: n, App: a.Code.App, Subscriber: a.Code.Subscriber, Consent: a.Code.Consent,
		Generation: a.Code.Generation, Scopes: a.Code.Scopes, Hash: [32]byte{1}, Expires: now().Add(time.Hour)}
	access := k
	access.ID, access.Kind = n+1, oauth.KindAccess
	return oauth.Exchange{ID: a.Code.ID, At: now(), Sealed: []byte("sealed"), Tokens: []oauth.Token{k, access}}
}

// successor is a refresh token being rotated.
func successor(s *store.Store, old oauth.Token) oauth.Exchange {
	n := s.NextToken(2)
	k := old
	k.ID = n
	access := k
	access.ID, access.Kind = n+1, oauth.KindAccess
	return oauth.Exchange{ID: old.ID, At: now(), Sealed: []byte("reply"), Tokens: []oauth.Token{k, access}}
}

// grant is a subscriber's yes that has become tokens, the refresh token first.
func grant(t *testing.T, s *store.Store, a app.ID, m number.MSISDN, scopes string) (oauth.Consent, []oauth.Token) {
	t.Helper()
	yes := approval(s, a, m, scopes)
	must(t, s.Approve(t.Context(), yes))
	x := exchange(s, yes)
	must(t, s.Redeem(t.Context(), apptest.Tenant(a), x))
	return yes.Consent, x.Tokens
}

func consentTokens(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	read := tokenReader(t, s)
	c, list := grant(t, s, 7, handset, "SMS,IMMN")
	access := list[1]
	access.Covered = "SMS,IMMN"
	same(t, "granted", read(access.ID), access)
	early := approval(s, 7, handset, "SMS,IMMN")
	must(t, s.Approve(ctx, early))

	_, _, err := s.Withdraw(ctx, pizzeria, handset, c.ID, []app.Scope{"SMS"}, oauth.BySubscriber)
	must(t, err)
	access.Covered = "IMMN"
	same(t, "narrowed", read(access.ID), access)

	must(t, s.Approve(ctx, approval(s, 7, handset, "SMS")))
	same(t, "extended: the new yes is for tokens to come", read(access.ID), access)
	rotated := successor(s, list[0])
	must(t, s.Rotate(ctx, pizzeria, rotated))
	for _, k := range rotated.Tokens {
		if k = read(k.ID); k.Covered != "IMMN" {
			t.Errorf("a token of the old yes, made after the new one, covers %q", k.Covered)
		}
	}
	code, _, err := s.Code(ctx, early.Code.ID)
	must(t, err)
	if code.Covered != "IMMN" {
		t.Errorf("a code of the old yes, after the new one, covers %q", code.Covered)
	}
	_, later := grant(t, s, 7, handset, "SMS")
	if k := read(later[1].ID); k.Covered != "IMMN,SMS" {
		t.Errorf("a token made after the yes covers %q", k.Covered)
	}
	_, _, err = s.Withdraw(ctx, pizzeria, handset, c.ID, []app.Scope{"SMS"}, oauth.BySubscriber)
	must(t, err)
	if k := read(later[1].ID); k.Covered != "IMMN" {
		t.Errorf("taken back once more, it covers %q", k.Covered)
	}

	_, _, err = s.Withdraw(ctx, pizzeria, handset, c.ID, nil, oauth.ByOperator)
	must(t, err)
	if !read(list[0].ID).Revoked || !read(list[1].ID).Revoked {
		t.Error("a token is live though its consent is withdrawn")
	}
	_, fresh := grant(t, s, 7, handset, "SMS,IMMN")
	if read(fresh[1].ID).Revoked || !read(access.ID).Revoked {
		t.Error("a new consent is not that of the new tokens alone")
	}
	gone := access
	gone.ID, gone.Family, gone.Consent = s.NextToken(1), 0, 12345
	must(t, s.IssueTokens(ctx, gone))
	if !read(gone.ID).Revoked {
		t.Error("a token is live though there is no row of its consent")
	}
}

func redeemed(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	a := approval(s, 7, handset, "SMS")
	must(t, s.Approve(ctx, a))
	c, ok, err := s.Code(ctx, a.Code.ID)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	want := a.Code
	want.Covered = "SMS"
	same(t, "code", c, want)
	if _, ok, err := s.Code(ctx, 5); ok || err != nil {
		t.Errorf("no such code: %v %v", ok, err)
	}
	must(t, s.CodeLost(ctx, a.Code.ID)) // not redeemed yet: nothing to be lost

	const parallel = 200
	var won, late atomic.Int64
	var winner atomic.Pointer[oauth.Exchange]
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			x := exchange(s, a)
			switch err := s.Redeem(ctx, pizzeria, x); {
			case err == nil:
				won.Add(1)
				winner.Store(&x)
			case errors.Is(err, oauth.ErrUsed):
				late.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || late.Load() != parallel-1 {
		t.Fatalf("%d redeemed and %d late, want 1 and %d", won.Load(), late.Load(), parallel-1)
	}
	if n := count(t, cfg, `SELECT count(*) FROM token`); n != 2 {
		t.Errorf("%d tokens, want 2", n)
	}
	x := winner.Load()
	want.Used, want.Family, want.Sealed = x.At, x.Tokens[0].ID, x.Sealed
	c, _, err = s.Code(ctx, a.Code.ID)
	must(t, err)
	same(t, "redeemed", c, want)
	must(t, s.CodeLost(ctx, a.Code.ID))
	if c, _, err = s.Code(ctx, a.Code.ID); err != nil || !c.Lost {
		t.Errorf("a lost reply is not noted: %v", err)
	}

	ended := approval(s, 8, handset, "SMS")
	must(t, s.Approve(ctx, ended))
	_, _, err = s.Withdraw(ctx, stranger, handset, ended.Consent.ID, nil, oauth.BySubscriber)
	must(t, err)
	if c, _, err = s.Code(ctx, ended.Code.ID); err != nil || c.Covered != "" {
		t.Errorf("a code whose consent is withdrawn covers %q, %v", c.Covered, err)
	}
	if err := s.Redeem(ctx, stranger, exchange(s, ended)); !errors.Is(err, oauth.ErrUsed) {
		t.Errorf("a code whose consent is withdrawn: %v", err)
	}
	if n := count(t, cfg, `SELECT count(*) FROM token`); n != 2 {
		t.Errorf("%d tokens after a refusal, want 2", n)
	}
}

func rotated(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	read := tokenReader(t, s)
	_, list := grant(t, s, 7, handset, "SMS")
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := s.Rotate(ctx, pizzeria, successor(s, list[0])); err == nil {
				won.Add(1)
			} else if !errors.Is(err, oauth.ErrUsed) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("rotated %d times", won.Load())
	}
	if n := count(t, cfg, `SELECT count(*) FROM token`); n != 4 {
		t.Errorf("%d tokens, want 4", n)
	}
	if old := read(list[0].ID); old.Rotated.IsZero() || string(old.Sealed) != "reply" || old.Revoked {
		t.Errorf("the rotated token: %+v", old)
	}

	for _, c := range []struct {
		name string
		end  func(t *testing.T, c oauth.Consent, list []oauth.Token) oauth.Token // which one to rotate
	}{
		{"an access token is not rotated", func(t *testing.T, c oauth.Consent, list []oauth.Token) oauth.Token { return list[1] }},
		{"a revoked token", func(t *testing.T, c oauth.Consent, list []oauth.Token) oauth.Token {
			must(t, s.RevokeToken(ctx, pizzeria, list[0].ID))
			return list[0]
		}},
		{"a successor of a revoked family", func(t *testing.T, c oauth.Consent, list []oauth.Token) oauth.Token {
			x := successor(s, list[0])
			must(t, s.Rotate(ctx, pizzeria, x))
			must(t, s.RevokeToken(ctx, pizzeria, list[0].ID))
			return x.Tokens[0]
		}},
		{"a token whose consent is withdrawn", func(t *testing.T, c oauth.Consent, list []oauth.Token) oauth.Token {
			_, _, err := s.Withdraw(ctx, pizzeria, handset, c.ID, nil, oauth.BySubscriber)
			must(t, err)
			return list[0]
		}},
		{"a token that is not there", func(t *testing.T, c oauth.Consent, list []oauth.Token) oauth.Token { return oauth.Token{ID: 5, App: 7} }},
	} {
		con, list := grant(t, s, 7, handset, "SMS")
		x := successor(s, c.end(t, con, list))
		if err := s.Rotate(ctx, pizzeria, x); !errors.Is(err, oauth.ErrUsed) {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, ok, err := s.Token(ctx, x.Tokens[0].ID); ok || err != nil {
			t.Errorf("%s: a successor is there: %v %v", c.name, ok, err)
		}
	}
}

func once(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	var first [8]atomic.Int64
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			ok, err := s.Once(ctx, [32]byte{byte(i % len(first))}, now().Add(time.Minute))
			if err != nil {
				t.Error(err)
			}
			if ok {
				first[i%len(first)].Add(1)
			}
		})
	}
	wg.Wait()
	for i := range first {
		if n := first[i].Load(); n != 1 {
			t.Errorf("key %d was new %d times", i, n)
		}
	}
	must(t, s.Close(ctx))
	s = Open(t, cfg)
	if ok, err := s.Once(ctx, [32]byte{3}, now()); ok || err != nil {
		t.Errorf("new again after a restart: %v %v", ok, err)
	}
	// A form that was refused cannot be approved any more, nor one that was approved be refused.
	no := approval(s, 7, handset, "SMS")
	if ok, err := s.Once(ctx, no.Once, no.Until); !ok || err != nil {
		t.Errorf("a fresh form: %v %v", ok, err)
	}
	if err := s.Approve(ctx, no); !errors.Is(err, oauth.ErrUsed) {
		t.Errorf("approved after a no: %v", err)
	}
	yes := approval(s, 7, handset, "SMS")
	must(t, s.Approve(ctx, yes))
	if ok, err := s.Once(ctx, yes.Once, yes.Until); ok || err != nil {
		t.Errorf("refused after a yes: %v %v", ok, err)
	}
}

func pushed(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	p := oauth.Pushed{ID: s.NextToken(1), Hash: [32]byte{1}, App: 7, Params: "scope=SMS&state=%C3%A9", Expires: now().Add(90 * time.Second)}
	must(t, s.Push(ctx, p))
	got, ok, err := s.Pushed(ctx, p.ID)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	same(t, "pushed", got, p)
	if _, ok, err := s.Pushed(ctx, 5); ok || err != nil {
		t.Errorf("no such request: %v %v", ok, err)
	}
}

func approvedOnce(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	form := approval(s, 7, handset, "SMS")
	var won, late atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			a := *form
			a.Code.ID = s.NextToken(1)
			switch err := s.Approve(ctx, &a); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, oauth.ErrUsed):
				late.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || late.Load() != 19 {
		t.Errorf("%d approved and %d late, want 1 and 19", won.Load(), late.Load())
	}
	if codes, consents := count(t, cfg, `SELECT count(*) FROM code`), count(t, cfg, `SELECT count(*) FROM consent`); codes != 1 || consents != 1 {
		t.Errorf("%d codes and %d consents, want one each", codes, consents)
	}
	// The form of a decision that could not be kept is free.
	broken := approval(s, 7, handset, "IMMN")
	broken.Code.ID = id.Number(count(t, cfg, `SELECT id FROM code`)) // taken
	if err := s.Approve(ctx, broken); err == nil || errors.Is(err, oauth.ErrUsed) {
		t.Errorf("a code over another: %v", err)
	}
	broken.Code.ID = s.NextToken(1)
	must(t, s.Approve(ctx, broken))
}

func extended(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	var heard atomic.Int64
	s.Watch(store.ChangeConsent, func(n int64) { heard.Store(n) })
	first := approval(s, 7, handset, "SMS,IMMN")
	must(t, s.Approve(ctx, first))
	c := first.Consent
	if c.ID == 0 || c.Scopes != "SMS,IMMN" || c.Given.IsZero() || !c.Given.Equal(c.Changed) || first.Code.Consent != c.ID || heard.Load() != int64(c.ID) {
		t.Errorf("the first decision: %+v, code of consent %d, heard of %d", c, first.Code.Consent, heard.Load())
	}
	used := now().Add(time.Hour)
	must(t, s.ConsentsUsed(ctx, map[id.Number]time.Time{c.ID: used, 5: used}))

	second := approval(s, 7, handset, "TL,SMS")
	second.Consent.How, second.Consent.Changed = oauth.HowOnNetwork, c.Given.Add(time.Minute)
	must(t, s.Approve(ctx, second))
	want := c
	want.Scopes, want.How, want.Changed, want.Used = "SMS,IMMN,TL", oauth.HowOnNetwork, c.Given.Add(time.Minute), used.Truncate(time.Minute)
	same(t, "extended", second.Consent, want)
	got, ok, err := s.Consent(ctx, pizzeria, handset)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	same(t, "read", got, want)
	if k, _, err := s.Code(ctx, second.Code.ID); err != nil || k.Consent != c.ID || k.Scopes != "TL,SMS" {
		t.Errorf("the second code: %+v %v", k, err)
	}
	// A note of an earlier use comes late.
	must(t, s.ConsentsUsed(ctx, map[id.Number]time.Time{c.ID: used.Add(-time.Hour)}))
	if got, _, err = s.Consent(ctx, pizzeria, handset); err != nil || !got.Used.Equal(want.Used) {
		t.Errorf("used %v, want %v (%v)", got.Used, want.Used, err)
	}
	// Many decisions at once are one consent.
	var wg sync.WaitGroup
	for i := range 26 {
		wg.Go(func() {
			if err := s.Approve(ctx, approval(s, 9, handset, string(rune('A'+i)))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, _, err = s.Consent(ctx, apptest.Tenant(9), handset); err != nil || len(got.Scopes) != 2*26-1 {
		t.Errorf("the union of 26 decisions: %q %v", got.Scopes, err)
	}
}

func withdrawn(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	var heard atomic.Int64
	s.Watch(store.ChangeConsent, func(int64) { heard.Add(1) })
	published := func() int64 {
		if strings.HasPrefix(cfg.URL, "postgres") { // there a change is heard of again
			return count(t, cfg, `SELECT count(*) FROM change WHERE kind = 'consent'`)
		}
		return heard.Load()
	}
	c, _ := grant(t, s, 7, handset, "SMS,IMMN,TL")
	withdraw := func(m number.MSISDN, n id.Number, scopes ...app.Scope) (oauth.Consent, bool) {
		t.Helper()
		out, ok, err := s.Withdraw(ctx, pizzeria, m, n, scopes, oauth.BySubscriber)
		must(t, err)
		return out, ok
	}
	before := published()
	if _, ok := withdraw("14255550199", c.ID); ok {
		t.Error("a stranger withdrew it")
	}
	if _, ok := withdraw(handset, c.ID+1); ok {
		t.Error("withdrew what is not there")
	}
	got, ok := withdraw(handset, c.ID, "OTHER")
	same(t, "none of its scopes", got, c)
	if n := published() - before; !ok || n != 0 {
		t.Errorf("none of its scopes: %v, %d changes", ok, n)
	}
	got, ok = withdraw(handset, c.ID, "IMMN", "OTHER")
	if n := published() - before; !ok || got.Scopes != "SMS,TL" || !got.Revoked.IsZero() || got.Changed.Before(c.Changed) || n != 1 || heard.Load() < before+1 {
		t.Errorf("narrowed: %+v %v, %d changes", got, ok, n)
	}
	read, ok, err := s.Consent(ctx, pizzeria, handset)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	same(t, "narrowed", read, got)
	got, ok = withdraw(handset, c.ID, "TL", "SMS")
	if n := published() - before; !ok || got.Scopes != "SMS,TL" || got.Revoked.IsZero() || got.RevokedBy != oauth.BySubscriber || n != 2 || heard.Load() < before+2 {
		t.Errorf("ended: %+v %v, %d changes", got, ok, n)
	}
	if _, ok, err := s.Consent(ctx, pizzeria, handset); ok || err != nil {
		t.Errorf("in force after the end: %v %v", ok, err)
	}
	if _, ok := withdraw(handset, c.ID); ok {
		t.Error("withdrew it twice")
	}
	same(t, "evidence", get[[]oauth.Consent](t)(s.Consents(ctx, oauth.ConsentFilter{})), []oauth.Consent{got})
	again, _ := grant(t, s, 7, handset, "TL")
	if again.ID == c.ID || again.Scopes != "TL" {
		t.Errorf("a yes after the end: %+v", again)
	}
}

func listed(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	const other = "14255550199"
	var ids []id.Number
	for _, c := range []struct {
		a app.ID
		m number.MSISDN
	}{{7, handset}, {8, handset}, {7, other}, {8, other}} {
		con, _ := grant(t, s, c.a, c.m, "SMS")
		ids = append(ids, con.ID)
	}
	_, _, err := s.Withdraw(ctx, stranger, handset, ids[1], nil, oauth.BySubscriber)
	must(t, err)
	for _, c := range []struct {
		name string
		f    oauth.ConsentFilter
		want []int
	}{
		{"all", oauth.ConsentFilter{}, []int{3, 2, 1, 0}},
		{"of a subscriber", oauth.ConsentFilter{Subscriber: handset}, []int{1, 0}},
		{"of a subscriber, in force", oauth.ConsentFilter{Subscriber: handset, InForce: true}, []int{0}},
		{"of an app", oauth.ConsentFilter{App: 8}, []int{3, 1}},
		{"of both", oauth.ConsentFilter{App: 8, Subscriber: other}, []int{3}},
		{"a page", oauth.ConsentFilter{Before: ids[3], Limit: 2}, []int{2, 1}},
	} {
		var want, got []id.Number
		for _, i := range c.want {
			want = append(want, ids[i])
		}
		for _, con := range get[[]oauth.Consent](t)(s.Consents(ctx, c.f)) {
			got = append(got, con.ID)
		}
		same(t, c.name, got, want)
	}
}

func signedIn(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	refused := errors.New("wrong PIN")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			err := s.EditSignIn(ctx, app.LevelSandbox, handset, func(st *oauth.SignIn) error {
				st.Tries++
				if i%2 == 1 {
					return refused // and the try counts
				}
				return nil
			})
			if (i%2 == 1) != errors.Is(err, refused) {
				t.Errorf("edit %d returned %v", i, err)
			}
		})
	}
	wg.Wait()
	must(t, s.Close(ctx))
	s = Open(t, cfg)
	read := func(level app.Level, m number.MSISDN) (out oauth.SignIn) {
		t.Helper()
		must(t, s.EditSignIn(ctx, level, m, func(st *oauth.SignIn) error { out = *st; return nil }))
		return out
	}
	same(t, "after 50 edits", read(app.LevelSandbox, handset), oauth.SignIn{Tries: 50})
	same(t, "the same number on the live network", read(app.LevelProduction, handset), oauth.SignIn{})
	same(t, "another number", read(app.LevelSandbox, "14255550199"), oauth.SignIn{})
	want := oauth.SignIn{PIN: []byte{1, 2}, Expires: now(), Sends: 1, SendsFrom: now(), Tries: 2, TriesFrom: now(), Locks: 3, Locked: now()}
	must(t, s.EditSignIn(ctx, app.LevelSandbox, handset, func(st *oauth.SignIn) error { *st = want; return nil }))
	same(t, "a whole state", read(app.LevelSandbox, handset), want)
}

func sessions(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	n := s.NextToken(5)
	session := func(i int, m number.MSISDN, level app.Level, life time.Duration) oauth.Session {
		return oauth.Session{ID: n + id.Number(i), Hash: [32]byte{byte(i)}, Subscriber: m, Level: level, Created: now(), Expires: now().Add(life), Agent: "Firefox on Linux"}
	}
	const other = "14255550199"
	list := []oauth.Session{
		session(0, handset, app.LevelSandbox, time.Hour),
		session(1, handset, app.LevelSandbox, time.Hour),
		session(2, handset, app.LevelSandbox, -time.Hour), // over
		session(3, handset, app.LevelProduction, time.Hour),
		session(4, other, app.LevelSandbox, time.Hour),
	}
	for _, e := range list {
		must(t, s.PutSession(ctx, e))
	}
	got, ok, err := s.Session(ctx, n)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	same(t, "session", got, list[0])
	if _, ok, err := s.Session(ctx, 5); ok || err != nil {
		t.Errorf("no such session: %v %v", ok, err)
	}
	living := func(level app.Level, m number.MSISDN) []oauth.Session {
		t.Helper()
		return get[[]oauth.Session](t)(s.Sessions(ctx, level, m))
	}
	same(t, "living", living(app.LevelSandbox, handset), []oauth.Session{list[1], list[0]})
	must(t, s.EndSessions(ctx, app.LevelSandbox, other, n)) // not theirs
	must(t, s.EndSessions(ctx, app.LevelProduction, handset, n))
	same(t, "ended by nobody", living(app.LevelSandbox, handset), []oauth.Session{list[1], list[0]})
	must(t, s.EndSessions(ctx, app.LevelSandbox, handset, n))
	same(t, "one ended", living(app.LevelSandbox, handset), []oauth.Session{list[1]})
	must(t, s.EndSessions(ctx, app.LevelSandbox, handset, 0))
	if got := living(app.LevelSandbox, handset); len(got) != 0 {
		t.Errorf("all ended: %+v", got)
	}
	same(t, "of the live network", living(app.LevelProduction, handset), []oauth.Session{list[3]})
	same(t, "of another", living(app.LevelSandbox, other), []oauth.Session{list[4]})
}
