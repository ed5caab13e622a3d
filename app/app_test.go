package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"longlines/app"
	"longlines/number"
	"longlines/quota"
	"longlines/store"
)

func open(t testing.TB) (*store.Store, *app.Directory) {
	t.Helper()
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	d, err := app.NewDirectory(ctx, s, app.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

func check(t *testing.T, d *app.Directory, a *app.App, secret string) bool {
	t.Helper()
	ok, err := d.CheckSecret(context.Background(), a, secret)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestDirectory(t *testing.T) {
	ctx := context.Background()
	s, d := open(t)

	pizza, secret, err := d.Create(ctx, app.App{Name: " Pizza ", Scopes: []app.Scope{"SMS", "SMS", "MMS"}, ShortCodes: []number.ShortCode{"48507", "48508"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []string{pizza.Key, secret} {
		if len(w) != 32 || strings.Trim(w, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			t.Fatalf("%q is not 32 lower-case alphanumerics", w)
		}
	}
	if pizza.Name != "Pizza" || pizza.Level != app.LevelSandbox || len(pizza.Scopes) != 2 {
		t.Fatalf("created %+v", pizza)
	}
	if d.ByKey(pizza.Key) != pizza || d.ByID(pizza.ID) != pizza || d.ByName("PIZZA") != pizza || d.ByShortCode("48508") != pizza {
		t.Fatal("not found by key, id, name and short code")
	}
	if !check(t, d, pizza, secret) || check(t, d, pizza, secret[1:]+"x") || check(t, d, pizza, "") {
		t.Fatal("secret checked wrongly")
	}

	t.Run("a chosen key and secret are kept", func(t *testing.T) {
		demo, secret, err := d.Create(ctx, app.App{Name: "demo", Key: "sandbox-demo"}, "sandbox-secret")
		if err != nil || secret != "sandbox-secret" || demo.Key != "sandbox-demo" {
			t.Fatalf("%v %q %v", demo, secret, err)
		}
		if strings.Contains(string(demo.Secret), "sandbox-secret") || !strings.HasPrefix(string(demo.Secret), "argon2id:") {
			t.Fatal("a chosen secret is not kept as argon2id")
		}
		for range 2 { // the second time from the cache
			if !check(t, d, demo, "sandbox-secret") || check(t, d, demo, "sandbox-Secret") {
				t.Fatal("secret checked wrongly")
			}
		}
	})
	t.Run("a name, key or short code is had once", func(t *testing.T) {
		for _, a := range []app.App{{Name: "pizza"}, {Name: "other", Key: pizza.Key}, {Name: "other", ShortCodes: []number.ShortCode{"48507"}}} {
			if _, _, err := d.Create(ctx, a, ""); !errors.Is(err, app.ErrTaken) {
				t.Errorf("%+v: %v", a, err)
			}
		}
	})
	t.Run("an update changes what it may", func(t *testing.T) {
		a, err := d.Update(ctx, pizza.ID, func(a *app.App) error {
			a.Level, a.Key, a.MessageListener = app.LevelProduction, "stolen", "https://pizza.example/sms"
			a.Quotas = map[string]app.Quota{"SMS": {PerMinute: 7}}
			a.WaitForVerdict = 2 * time.Second
			return nil
		})
		if err != nil || a.Key != pizza.Key || a.Level != app.LevelProduction || a.MessageListener == "" || a.WaitForVerdict != 2*time.Second {
			t.Fatalf("%+v %v", a, err)
		}
		if pizza.Level != app.LevelSandbox {
			t.Fatal("the old snapshot was changed")
		}
		if lim, ok := d.Quota(a, "SMS"); !ok || lim != (quota.Limit{PerMinute: 7, PerDay: 33_000}) {
			t.Fatalf("quota %v", lim)
		}
		again, err := app.NewDirectory(ctx, s, app.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, again.ByID(a.ID)); diff != "" {
			t.Fatal(diff)
		}
	})
	t.Run("a refused change changes nothing", func(t *testing.T) {
		for _, change := range []func(*app.App) error{
			func(a *app.App) error { a.Name = ""; return nil },
			func(a *app.App) error { a.ShortCodes[0] = "12"; return nil },
			func(a *app.App) error { return errors.New("no") },
		} {
			if _, err := d.Update(ctx, pizza.ID, change); err == nil {
				t.Error("no error")
			}
		}
		if a := d.ByID(pizza.ID); a.Name != "Pizza" || a.ShortCodes[0] != "48507" {
			t.Fatalf("%+v", a)
		}
	})
	t.Run("a rotated secret takes the place of the old one", func(t *testing.T) {
		a, fresh, err := d.Rotate(ctx, pizza.ID)
		if err != nil || fresh == secret || !check(t, d, a, fresh) || check(t, d, a, secret) {
			t.Fatalf("%q %v", fresh, err)
		}
	})
	t.Run("a rotated chosen secret is not remembered", func(t *testing.T) {
		demo := d.ByName("demo")
		a, fresh, err := d.Rotate(ctx, demo.ID)
		if err != nil || !check(t, d, a, fresh) || check(t, d, a, "sandbox-secret") {
			t.Fatal(err)
		}
	})
	t.Run("a deleted app keeps its key and frees the rest", func(t *testing.T) {
		if err := d.Delete(ctx, pizza.ID); err != nil {
			t.Fatal(err)
		}
		a := d.ByKey(pizza.Key)
		if a == nil || !a.Deleted || d.ByName("pizza") != nil || d.ByShortCode("48507") != nil {
			t.Fatalf("%+v", a)
		}
		if err := d.Delete(ctx, pizza.ID); !errors.Is(err, app.ErrUnknown) {
			t.Fatalf("deleted twice: %v", err)
		}
		if _, _, err := d.Rotate(ctx, pizza.ID); !errors.Is(err, app.ErrUnknown) {
			t.Fatalf("rotated after: %v", err)
		}
		if _, _, err := d.Create(ctx, app.App{Name: "Pizza", ShortCodes: []number.ShortCode{"48507"}}, ""); err != nil {
			t.Fatalf("name and code are not free: %v", err)
		}
		if all := d.All(); !all[len(all)-1].Deleted || all[0].Deleted {
			t.Fatal("deleted apps do not stand last")
		}
	})
	t.Run("a change made by another directory is seen after a reload", func(t *testing.T) {
		other, err := app.NewDirectory(ctx, s, app.Config{})
		if err != nil {
			t.Fatal(err)
		}
		a, _, err := other.Create(ctx, app.App{Name: "elsewhere"}, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Reload(ctx); err != nil || d.ByID(a.ID) == nil {
			t.Fatal("not seen", err)
		}
	})
}

func TestValidation(t *testing.T) {
	_, d := open(t)
	for _, c := range []struct {
		name  string
		field string
		app   app.App
	}{
		{"an empty name is refused", "name", app.App{Name: "  "}},
		{"a name of 65 characters is refused", "name", app.App{Name: strings.Repeat("x", 65)}},
		{"a name with a line end is refused", "name", app.App{Name: "a\nb"}},
		{"a name that runs backwards is refused", "name", app.App{Name: "pay\u202epal"}},
		{"a name with an invisible joiner is refused", "name", app.App{Name: "pay\u200bpal"}},
		{"a name that is not UTF-8 is refused", "name", app.App{Name: "\xff"}},
		{"a key with a colon is refused", "key", app.App{Name: "a", Key: "a:b"}},
		{"an unknown level is refused", "level", app.App{Name: "a", Level: "gold"}},
		{"an unknown scope is refused", "scopes", app.App{Name: "a", Scopes: []app.Scope{"sms"}}},
		{"a short code of two digits is refused", "short_codes", app.App{Name: "a", ShortCodes: []number.ShortCode{"12"}}},
		{"a listener without a scheme is refused", "message_listener", app.App{Name: "a", MessageListener: "pizza.example/sms"}},
		{"a file is no listener", "status_listener", app.App{Name: "a", StatusListener: "file:///etc/passwd"}},
		{"a listener with a user is refused", "notification_url", app.App{Name: "a", NotificationURL: "https://u:p@pizza.example/"}},
		{"a redirect URI with a fragment is refused", "redirect_uri", app.App{Name: "a", RedirectURI: "https://pizza.example/#x"}},
		{"a redirect URI with a dot segment is refused", "redirect_uri", app.App{Name: "a", RedirectURI: "https://pizza.example/a/../b"}},
		{"a redirect URI with an encoded slash is refused", "redirect_uri", app.App{Name: "a", RedirectURI: "https://pizza.example/a%2fb"}},
		{"a redirect URI with a backslash is refused", "redirect_uri", app.App{Name: "a", RedirectURI: `https://pizza.example\@evil.example/`}},
		{"a wait of six seconds is refused", "wait_for_verdict", app.App{Name: "a", WaitForVerdict: 6 * time.Second}},
		{"a negative quota is refused", "quotas", app.App{Name: "a", Quotas: map[string]app.Quota{"SMS": {PerDay: -1}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := d.Create(context.Background(), c.app, "")
			var inv *app.Invalid
			if !errors.As(err, &inv) || inv.Field != c.field {
				t.Fatalf("got %v", err)
			}
		})
	}
	t.Run("a chosen secret of seven characters is refused", func(t *testing.T) {
		_, _, err := d.Create(context.Background(), app.App{Name: "a"}, "seven77")
		var inv *app.Invalid
		if !errors.As(err, &inv) || inv.Field != "secret" {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("names that look alike are one", func(t *testing.T) {
		if _, _, err := d.Create(context.Background(), app.App{Name: "ﬁsh"}, ""); err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.Create(context.Background(), app.App{Name: "FISH"}, ""); !errors.Is(err, app.ErrTaken) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestQuota(t *testing.T) {
	ctx := context.Background()
	s, _ := open(t)
	d, err := app.NewDirectory(ctx, s, app.Config{Levels: app.Levels{app.LevelSandbox: {PerMinute: 5}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		app     app.App
		api     string
		want    quota.Limit
		metered bool
	}{
		{"the level's figures, the missing one by default", app.App{Level: app.LevelSandbox}, "SMS", quota.Limit{PerMinute: 5, PerDay: 5000}, true},
		{"the default of production", app.App{Level: app.LevelProduction}, "SMS", quota.Limit{PerMinute: 600, PerDay: 33_000}, true},
		{"the app's own figure for the API", app.App{Level: app.LevelSandbox, Quotas: map[string]app.Quota{"SMS": {PerDay: 9}, "": {PerDay: 1}}}, "SMS", quota.Limit{PerMinute: 5, PerDay: 9}, true},
		{"the app's own figure for every API", app.App{Level: app.LevelSandbox, Quotas: map[string]app.Quota{"": {PerMinute: 3, PerDay: 9}}}, "MMS", quota.Limit{PerMinute: 3, PerDay: 9}, true},
		{"token requests are not counted", app.App{Level: app.LevelSandbox, Quotas: map[string]app.Quota{"": {PerMinute: 3}}}, "OAuth", quota.Limit{}, false},
		{"unless the app's quotas name them", app.App{Level: app.LevelSandbox, Quotas: map[string]app.Quota{"OAuth": {PerMinute: 3}}}, "OAuth", quota.Limit{PerMinute: 3, PerDay: 5000}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, metered := d.Quota(&c.app, c.api); got != c.want || metered != c.metered {
				t.Fatalf("%v %v, want %v %v", got, metered, c.want, c.metered)
			}
		})
	}
}

func TestParseScopes(t *testing.T) {
	for _, c := range []struct {
		name, list string
		want       []app.Scope
	}{
		{"commas separate", "IMMN,MIM", []app.Scope{"IMMN", "MIM"}},
		{"blanks separate", "IMMN MIM", []app.Scope{"IMMN", "MIM"}},
		{"both at once, and too many of them", " IMMN, ,MIM ,", []app.Scope{"IMMN", "MIM"}},
		{"a repeated one is one", "SMS,SMS", []app.Scope{"SMS"}},
		{"case matters", "sms", []app.Scope{"sms"}},
		{"nothing is nothing", " , ", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := app.ParseScopes(c.list)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Fatal(diff)
			}
			if back := app.ParseScopes(app.JoinScopes(got)); !cmp.Equal(back, got) {
				t.Fatalf("joined and read again: %v", back)
			}
		})
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	_, d := open(t)
	a, _, err := d.Create(context.Background(), app.App{Name: "quiet"}, "")
	if err != nil {
		t.Fatal(err)
	}
	hash := string(a.Secret)
	for _, s := range []string{fmt.Sprint(*a), fmt.Sprintf("%+v %#v %s", *a, *a, a.Secret), a.LogValue().String()} {
		if strings.Contains(s, hash) {
			t.Fatalf("%s shows the hash", s)
		}
	}
	if b, _ := json.Marshal(a); strings.Contains(string(b), hash) {
		t.Fatalf("JSON shows the hash")
	}
}
