package oauth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"longlines/app"
	"longlines/fault"
	"longlines/id"
	"longlines/oauth"
	"longlines/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that only tests move, at a whole millisecond, as rows have it. The store has its own.
type clock struct {
	from  time.Time
	ahead atomic.Int64
}

func (c *clock) now() time.Time      { return c.from.Add(time.Duration(c.ahead.Load())) }
func (c *clock) add(d time.Duration) { c.ahead.Add(int64(d)) }

type world struct {
	store *store.Store
	apps  *app.Directory
	clock *clock
	*oauth.Service
	pizza *app.App
}

func open(t testing.TB, cache int) *world {
	t.Helper()
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	w := &world{store: s, clock: &clock{from: time.Now().Truncate(time.Millisecond)}}
	if w.apps, err = app.NewDirectory(ctx, s, app.Config{}); err != nil {
		t.Fatal(err)
	}
	w.Service = w.another(t, cache)
	if w.pizza, _, err = w.apps.Create(ctx, app.App{Name: "pizza", Key: "pizza", RedirectURI: "https://pizza.example/cb", Scopes: []app.Scope{"SMS", "MMS", "IMMN"}}, "pizza-secret"); err != nil {
		t.Fatal(err)
	}
	return w
}

// another is a second node's service over the same store.
func (w *world) another(t testing.TB, cache int) *oauth.Service {
	t.Helper()
	s, err := oauth.New(oauth.Config{Store: w.store, Sealer: w.store.Sealer(), Apps: w.apps, Now: w.clock.now, Issuer: "https://api.example", Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	w.store.Watch("token", func(ref int64) { s.Revoked(id.Number(ref)) })
	w.store.Watch("consent", func(ref int64) { s.Changed(id.Number(ref)) })
	return s
}

// bearer is no key: tokens that are bound to nothing.
var bearer [32]byte

func (w *world) issue(t testing.TB) oauth.Issued {
	t.Helper()
	out, err := w.ClientCredentials(context.Background(), w.pizza, "SMS,MMS", bearer)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func live(t testing.TB, s *oauth.Service, token string) bool {
	t.Helper()
	g, err := s.Check(context.Background(), oauth.Presented{Token: token})
	if err != nil && !errors.Is(err, fault.BadToken) {
		t.Fatal(err)
	}
	if err == nil && (g.App == nil || g.Token == 0 || len(g.Scopes) == 0) {
		t.Fatalf("grant %+v", g)
	}
	return err == nil
}

func TestConfig(t *testing.T) {
	w := open(t, 0)
	for _, c := range []struct {
		name   string
		change func(*oauth.Config)
		ok     bool
	}{
		{"what is mandatory is enough", func(*oauth.Config) {}, true},
		{"no store", func(c *oauth.Config) { c.Store = nil }, false},
		{"no sealer", func(c *oauth.Config) { c.Sealer = nil }, false},
		{"no apps", func(c *oauth.Config) { c.Apps = nil }, false},
		{"a code of ten minutes", func(c *oauth.Config) { c.CodeLife = 10 * time.Minute }, true},
		{"a code of more", func(c *oauth.Config) { c.CodeLife = 10*time.Minute + 1 }, false},
		{"a code of no life", func(c *oauth.Config) { c.CodeLife = -1 }, false},
		{"an access token of a minute", func(c *oauth.Config) { c.AccessLife = time.Minute }, true},
		{"an access token of less, which clients would take for one that never ends", func(c *oauth.Config) { c.AccessLife = time.Second }, false},
		{"a refresh token that ends before its access token", func(c *oauth.Config) { c.AccessLife, c.RefreshLife = time.Hour, time.Minute }, false},
		{"an access token that lives longer than refresh tokens do by default", func(c *oauth.Config) { c.AccessLife = 2 * oauth.RefreshLife }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := oauth.Config{Store: w.store, Sealer: w.store.Sealer(), Apps: w.apps}
			c.change(&cfg)
			if s, err := oauth.New(cfg); (err == nil) != c.ok || (s != nil) != c.ok {
				t.Fatal(err)
			}
		})
	}
}

func TestIssueAndCheck(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	out := w.issue(t)
	if out.Life != 172_799*time.Second || out.Scopes != "SMS,MMS" || len(out.Access) != 64 || len(out.Refresh) != 64 {
		t.Fatalf("%+v", out)
	}
	g, err := w.Check(ctx, oauth.Presented{Token: out.Access})
	if err != nil || g.App.Name != "pizza" || !g.Allows("MMS") || g.Allows("IMMN") || g.Subscriber != "" {
		t.Fatalf("%+v %v", g, err)
	}
	t.Run("each request gives fresh tokens", func(t *testing.T) {
		again := w.issue(t)
		if again.Access == out.Access || again.Refresh == out.Refresh {
			t.Fatal("the same token twice")
		}
	})
	t.Run("a node that has not seen the token reads it", func(t *testing.T) {
		if !live(t, w.another(t, 0), out.Access) {
			t.Fatal("not known")
		}
	})
	t.Run("the store holds nothing that opens", func(t *testing.T) {
		raw, _ := base64.RawURLEncoding.DecodeString(out.Access)
		n, err := w.store.Sealer().Open(id.Public(raw[:16]))
		if err != nil {
			t.Fatal(err)
		}
		row, ok, err := w.store.Token(ctx, n)
		if err != nil || !ok || strings.Contains(fmt.Sprintf("%+v %s", row, row.Hash), out.Access) {
			t.Fatalf("%v %v", ok, err)
		}
	})
	t.Run("only the token itself opens", func(t *testing.T) {
		raw, _ := base64.RawURLEncoding.DecodeString(out.Access)
		for i := range raw {
			bad := append([]byte{}, raw...)
			bad[i] ^= 1
			if live(t, w.Service, base64.RawURLEncoding.EncodeToString(bad)) {
				t.Fatalf("byte %d does not matter", i)
			}
		}
		for _, s := range []string{"", "x", out.Refresh, out.Access + "A", out.Access[1:], out.Access[:32] + "\n" + out.Access[33:], strings.Repeat("A", 64), strings.Repeat("é", 32)} {
			if live(t, w.Service, s) {
				t.Fatalf("%q opens", s)
			}
		}
	})
	t.Run("it ends when its life is over", func(t *testing.T) {
		w.clock.add(oauth.AccessLife - 2*time.Second)
		if !live(t, w.Service, out.Access) {
			t.Fatal("too early")
		}
		w.clock.add(3 * time.Second)
		cold := w.another(t, 0)
		for range 2 {
			if live(t, w.Service, out.Access) || live(t, cold, out.Access) {
				t.Fatal("still live")
			}
		}
		w.clock.add(-oauth.AccessLife)
	})
}

func TestScopes(t *testing.T) {
	w := open(t, 0)
	for _, c := range []struct {
		name, scope string
		want        error
	}{
		{"none is scope missing", " , ", fault.ScopeMissing},
		{"an unknown one is not valid", "NOTHING", fault.ScopeInvalid},
		{"an unknown one beside a good one is not valid", "SMS,NOTHING", fault.ScopeInvalid},
		{"case matters", "sms", fault.ScopeInvalid},
		{"known ones of which none is on the account: the client is not enabled", "TTS,WEBRTC", fault.ClientNotEnabled},
		{"one not on the account beside one that is, is not valid", "SMS,TTS", fault.ScopeInvalid},
		{"one that needs a person is not valid without one", "IMMN", fault.ScopeInvalid},
		{"blanks separate as commas do", "MMS SMS", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := w.ClientCredentials(context.Background(), w.pizza, c.scope, bearer)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %+v, %v", out, err)
			}
		})
	}
}

func TestRefresh(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	first := w.issue(t)
	second, err := w.Refresh(ctx, w.pizza, first.Refresh, "", bearer)
	if err != nil || second.Refresh != first.Refresh || second.Access == first.Access || second.Scopes != first.Scopes {
		t.Fatalf("%+v %v", second, err)
	}
	if !live(t, w.Service, first.Access) || !live(t, w.Service, second.Access) {
		t.Fatal("a refresh ended a token")
	}
	other, _, err := w.apps.Create(ctx, app.App{Name: "other", Scopes: []app.Scope{"SMS"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, token string
		app         *app.App
	}{
		{"nonsense", "refB", w.pizza},
		{"an access token", first.Access, w.pizza},
		{"another app's", first.Refresh, other},
		{"one that was cut", first.Refresh[:63], w.pizza},
	} {
		t.Run(c.name+" refreshes nothing", func(t *testing.T) {
			if _, err := w.Refresh(ctx, c.app, c.token, "", bearer); !errors.Is(err, fault.InvalidGrant) {
				t.Fatalf("got %v", err)
			}
		})
	}
	t.Run("it refreshes an expired access token, until it is over itself", func(t *testing.T) {
		w.clock.add(oauth.RefreshLife - time.Minute)
		third, err := w.Refresh(ctx, w.pizza, first.Refresh, "", bearer)
		if err != nil || live(t, w.Service, first.Access) || !live(t, w.Service, third.Access) {
			t.Fatal(err)
		}
		w.clock.add(time.Minute)
		if _, err := w.Refresh(ctx, w.pizza, first.Refresh, "", bearer); !errors.Is(err, fault.InvalidGrant) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestRevoke(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	cold := w.another(t, 0)
	t.Run("an access token ends alone, on every node", func(t *testing.T) {
		out := w.issue(t)
		live(t, cold, out.Access)
		if err := w.Revoke(ctx, w.pizza, out.Access); err != nil {
			t.Fatal(err)
		}
		if live(t, w.Service, out.Access) || live(t, cold, out.Access) || live(t, w.another(t, 0), out.Access) {
			t.Fatal("still live")
		}
		if again, err := w.Refresh(ctx, w.pizza, out.Refresh, "", bearer); err != nil || !live(t, w.Service, again.Access) {
			t.Fatal("the refresh token ended too", err)
		}
	})
	t.Run("a refresh token takes its family with it", func(t *testing.T) {
		out := w.issue(t)
		var family []string
		for range 3 {
			again, err := w.Refresh(ctx, w.pizza, out.Refresh, "", bearer)
			if err != nil {
				t.Fatal(err)
			}
			family = append(family, again.Access)
		}
		family = append(family, out.Access)
		stranger := w.issue(t)
		for _, a := range family {
			live(t, cold, a)
		}
		if err := w.Revoke(ctx, w.pizza, out.Refresh); err != nil {
			t.Fatal(err)
		}
		for i, a := range family {
			if live(t, w.Service, a) || live(t, cold, a) || live(t, w.another(t, 0), a) {
				t.Fatalf("token %d is still live", i)
			}
		}
		if _, err := w.Refresh(ctx, w.pizza, out.Refresh, "", bearer); !errors.Is(err, fault.InvalidGrant) {
			t.Fatalf("refreshed: %v", err)
		}
		if !live(t, w.Service, stranger.Access) {
			t.Fatal("another family ended")
		}
	})
	t.Run("another app's token is none of ours, and that is no error", func(t *testing.T) {
		out := w.issue(t)
		other, _, err := w.apps.Create(ctx, app.App{Name: "other"}, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{out.Access, out.Refresh, "tokA", ""} {
			if err := w.Revoke(ctx, other, token); err != nil {
				t.Fatal(err)
			}
		}
		if !live(t, w.Service, out.Access) {
			t.Fatal("revoked by another app")
		}
	})
	t.Run("a deleted app's tokens end at once", func(t *testing.T) {
		brief, _, err := w.apps.Create(ctx, app.App{Name: "brief", Scopes: []app.Scope{"SMS"}}, "")
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.ClientCredentials(ctx, brief, "SMS", bearer)
		if err != nil || !live(t, w.Service, out.Access) {
			t.Fatal(err)
		}
		if err := w.apps.Delete(ctx, brief.ID); err != nil {
			t.Fatal(err)
		}
		if live(t, w.Service, out.Access) {
			t.Fatal("still live")
		}
	})
}

func TestRevocationWinsOverReading(t *testing.T) {
	ctx := context.Background()
	w := open(t, 0)
	for range 30 {
		out := w.issue(t)
		cold := w.another(t, 0)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 20 {
					cold.Check(ctx, oauth.Presented{Token: out.Access})
				}
			})
		}
		if err := w.Revoke(ctx, w.pizza, out.Refresh); err != nil {
			t.Fatal(err)
		}
		if live(t, cold, out.Access) {
			t.Fatal("live after the revocation")
		}
		wg.Wait()
		if live(t, cold, out.Access) {
			t.Fatal("a slow reader has brought it back")
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	w := open(t, 64)
	var tokens []string
	for range 300 {
		tokens = append(tokens, w.issue(t).Access)
	}
	for i, token := range tokens {
		if !live(t, w.Service, token) {
			t.Fatalf("token %d was forgotten for good", i)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	ctx := context.Background()
	w := open(b, 0)
	var tokens []string
	for range 1000 {
		tokens = append(tokens, w.issue(b).Access)
	}
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if _, err := w.Check(ctx, oauth.Presented{Token: tokens[i%len(tokens)]}); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
	b.Run("subscriber", func(b *testing.B) {
		alice := w.tokens(b, w.pizza, alice)
		w.Changed(1) // some consent has changed since
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.Check(ctx, oauth.Presented{Token: alice.Access}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("made up", func(b *testing.B) {
		b.ReportAllocs()
		bad := strings.Repeat("A", 64)
		for b.Loop() {
			w.Check(ctx, oauth.Presented{Token: bad})
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(p *testing.PB) {
			for i := 0; p.Next(); i++ {
				w.Check(ctx, oauth.Presented{Token: tokens[i%len(tokens)]})
			}
		})
	})
	b.Run("miss", func(b *testing.B) {
		cold := w.another(b, 64)
		i := 0
		for b.Loop() {
			cold.Check(ctx, oauth.Presented{Token: tokens[i%len(tokens)]})
			i++
		}
	})
}

func BenchmarkIssue(b *testing.B) {
	w := open(b, 0)
	b.SetParallelism(32)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := w.ClientCredentials(context.Background(), w.pizza, "SMS", bearer); err != nil {
				b.Error(err)
			}
		}
	})
}
