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
	"github.com/google/go-cmp/cmp/cmpopts"

	"longlines/app"
	"longlines/audit"
	"longlines/fault"
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

// exported compares what an app is, not whose rows it may reach.
var exported = cmpopts.IgnoreUnexported(app.App{})

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
			a.Key, a.MessageListener, a.Promoted = "stolen", "https://pizza.example/sms", 7
			a.Owner, a.OnNetwork, a.DPoP, a.Introspect = " Pizza, Inc. ", true, true, true
			a.Quotas = map[string]app.Quota{"SMS": {PerMinute: 7}}
			a.WaitForVerdict = 2 * time.Second
			return nil
		})
		if err != nil || a.Key != pizza.Key || a.Promoted != 0 || a.MessageListener == "" || a.Owner != "Pizza, Inc." || !a.OnNetwork || !a.DPoP || !a.Introspect || a.WaitForVerdict != 2*time.Second {
			t.Fatalf("%+v %v", a, err)
		}
		if pizza.MessageListener != "" {
			t.Fatal("the old snapshot was changed")
		}
		if lim, ok := d.Quota(a, "SMS"); !ok || lim != (quota.Limit{PerMinute: 7, PerDay: 5_000}) {
			t.Fatalf("quota %v", lim)
		}
		again, err := app.NewDirectory(ctx, s, app.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, again.ByID(a.ID), exported); diff != "" {
			t.Fatal(diff)
		}
	})
	t.Run("a refused change changes nothing", func(t *testing.T) {
		for _, change := range []func(*app.App) error{
			func(a *app.App) error { a.Name = ""; return nil },
			func(a *app.App) error { a.ShortCodes[0] = "12"; return nil },
			func(a *app.App) error { a.Level = app.LevelProduction; return nil },
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
		{"an owner whose name runs backwards is refused", "owner", app.App{Name: "a", Owner: "pay\u202epal"}},
		{"an owner of 65 characters is refused", "owner", app.App{Name: "a", Owner: strings.Repeat("x", 65)}},
		{"an unknown way to prove itself is refused", "auth", app.App{Name: "a", Auth: "secret"}},
		{"an app with a key pair must name its keys", "keys", app.App{Name: "a", Auth: app.AuthKey}},
		{"keys of 17 KiB are refused", "keys", app.App{Name: "a", Auth: app.AuthKey, Keys: strings.Repeat("x", 17<<10)}},
		{"keys of an app with a secret are refused", "keys", app.App{Name: "a", Keys: "{}"}},
		{"keys of a public app are refused", "keys", app.App{Name: "a", Auth: app.AuthNone, RedirectURI: "https://pizza.example/", Keys: "{}"}},
		{"a public app must register a redirect URI", "redirect_uri", app.App{Name: "a", Auth: app.AuthNone}},
		{"a public app cannot ask about others' tokens", "introspect", app.App{Name: "a", Auth: app.AuthNone, RedirectURI: "https://pizza.example/", Introspect: true}},
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
	t.Run("a secret of an app that proves itself in another way is refused", func(t *testing.T) {
		for _, a := range []app.App{{Name: "a", Auth: app.AuthKey, Keys: "{}"}, {Name: "a", Auth: app.AuthNone, RedirectURI: "https://pizza.example/"}} {
			_, _, err := d.Create(context.Background(), a, "pizza-secret-1")
			var inv *app.Invalid
			if !errors.As(err, &inv) || inv.Field != "secret" {
				t.Fatalf("got %v", err)
			}
		}
	})
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

func TestAnAppWithoutASecret(t *testing.T) {
	ctx := context.Background()
	_, d := open(t)
	for _, c := range []app.App{{Name: "signer", Auth: app.AuthKey, Keys: " {} "}, {Name: "native", Auth: app.AuthNone, RedirectURI: "https://native.example/"}} {
		t.Run(c.Name, func(t *testing.T) {
			a, secret, err := d.Create(ctx, c, "")
			if err != nil || secret != "" || a.Secret != "" || a.Auth != c.Auth || a.Public() != (c.Auth == app.AuthNone) || a.Keys != strings.TrimSpace(c.Keys) {
				t.Fatalf("%+v %q %v", a, secret, err)
			}
			if check(t, d, a, "") || check(t, d, a, "anything") {
				t.Fatal("a secret fits")
			}
			var inv *app.Invalid
			if _, _, err := d.Rotate(ctx, a.ID); !errors.As(err, &inv) || inv.Field != "auth" {
				t.Fatalf("rotated: %v", err)
			}
		})
	}
	t.Run("an app that stops having a secret loses it, and one that is to have one gets it by rotation", func(t *testing.T) {
		a, secret, err := d.Create(ctx, app.App{Name: "changes", RedirectURI: "https://changes.example/"}, "")
		if err != nil {
			t.Fatal(err)
		}
		change := func(auth app.ClientAuth) {
			t.Helper()
			if a, err = d.Update(ctx, a.ID, func(a *app.App) error { a.Auth = auth; return nil }); err != nil {
				t.Fatal(err)
			}
			if check(t, d, a, secret) {
				t.Fatal("the secret of before is good")
			}
		}
		change(app.AuthNone)
		change(app.AuthSecret)
		if a, secret, err = d.Rotate(ctx, a.ID); err != nil || !check(t, d, a, secret) {
			t.Fatal(err)
		}
	})
}

func TestPromote(t *testing.T) {
	ctx := context.Background()
	_, d := open(t)
	pizza, secret, err := d.Create(ctx, app.App{Name: "Pizza", Scopes: []app.Scope{"SMS", "IMMN"}, ShortCodes: []number.ShortCode{"48507"}, Owner: "Pizza, Inc.",
		RedirectURI: "https://pizza.example/cb", MessageListener: "https://pizza.example/m", StatusListener: "https://pizza.example/s",
		NotificationURL: "https://pizza.example/n", OnNetwork: true, DPoP: true, Introspect: true, WaitForVerdict: time.Second,
		Quotas: map[string]app.Quota{"SMS": {PerMinute: 1}}}, "")
	if err != nil {
		t.Fatal(err)
	}
	live, fresh, err := d.Promote(ctx, pizza.ID, app.Promotion{})
	if err != nil {
		t.Fatal(err)
	}
	if live.Key == pizza.Key || fresh == secret || len(live.Key) != app.TokenLen || len(fresh) != app.TokenLen || !check(t, d, live, fresh) || check(t, d, live, secret) {
		t.Fatal("key and secret are not its own")
	}
	if now := d.ByID(pizza.ID); !cmp.Equal(now, pizza, exported) || !check(t, d, now, secret) {
		t.Fatalf("the sandbox app has changed: %+v", now)
	}
	want := *pizza
	want.ID, want.Key, want.Secret, want.Created = live.ID, live.Key, live.Secret, live.Created
	want.Name, want.Level, want.Promoted, want.ShortCodes, want.Quotas, want.Introspect = "Pizza live", app.LevelProduction, pizza.ID, nil, nil, false
	if diff := cmp.Diff(&want, live, exported); diff != "" {
		t.Fatal(diff)
	}
	t.Run("name and short codes may be chosen", func(t *testing.T) {
		a, _, err := d.Promote(ctx, pizza.ID, app.Promotion{Name: "Pizza 2", ShortCodes: []number.ShortCode{"48599"}})
		if err != nil || a.Name != "Pizza 2" || !a.Owns("48599") || a.Promoted != pizza.ID {
			t.Fatalf("%+v %v", a, err)
		}
	})
	signer, _, err := d.Create(ctx, app.App{Name: "signer", Auth: app.AuthKey, Keys: `{"keys":[1]}`}, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("an app with a key pair needs keys of its own", func(t *testing.T) {
		a, secret, err := d.Promote(ctx, signer.ID, app.Promotion{Keys: `{"keys":[2]}`})
		if err != nil || secret != "" || a.Keys != `{"keys":[2]}` || a.Auth != app.AuthKey {
			t.Fatalf("%+v %q %v", a, secret, err)
		}
	})
	for _, c := range []struct {
		name  string
		id    app.ID
		p     app.Promotion
		field string // of an Invalid
		is    error
	}{
		{"the name is taken the second time", pizza.ID, app.Promotion{}, "", app.ErrTaken},
		{"the sandbox app's short code stays the sandbox app's", pizza.ID, app.Promotion{Name: "x", ShortCodes: []number.ShortCode{"48507"}}, "", app.ErrTaken},
		{"a production app is one already", live.ID, app.Promotion{Name: "x"}, "level", nil},
		{"the sandbox's public keys are not taken over", signer.ID, app.Promotion{Name: "x"}, "keys", nil},
		{"keys for an app with a secret", pizza.ID, app.Promotion{Name: "x", Keys: "{}"}, "keys", nil},
		{"an app that is not there", 999, app.Promotion{}, "", app.ErrUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(d.All())
			_, _, err := d.Promote(ctx, c.id, c.p)
			var inv *app.Invalid
			if c.is != nil && !errors.Is(err, c.is) || c.field != "" && (!errors.As(err, &inv) || inv.Field != c.field) || len(d.All()) != before {
				t.Fatalf("got %v, %d apps", err, len(d.All())-before)
			}
		})
	}
	t.Run("a deleted app cannot be promoted", func(t *testing.T) {
		if err := d.Delete(ctx, signer.ID); err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.Promote(ctx, signer.ID, app.Promotion{Keys: "{}"}); !errors.Is(err, app.ErrUnknown) {
			t.Fatal(err)
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

// TestAChangeDoesNotUndoAnothers: two nodes have a directory each, and one puts its change while the other is about to.
func TestAChangeDoesNotUndoAnothers(t *testing.T) {
	ctx := context.Background()
	s, here := open(t)
	there, err := app.NewDirectory(ctx, s, app.Config{})
	if err != nil {
		t.Fatal(err)
	}
	made := func(name string) *app.App {
		t.Helper()
		a, _, err := here.Create(ctx, app.App{Name: name, ShortCodes: []number.ShortCode{number.ShortCode(fmt.Sprint("4850", len(here.All())))}}, "")
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	entries := func(object string) int {
		t.Helper()
		list, err := s.Audit(ctx, audit.Filter{Object: object})
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	// twice sets a quota here; the other node comes first with its change.
	twice := func(a *app.App, other func()) (*app.App, error) {
		t.Helper()
		tries := 0
		out, err := here.Update(audit.With(ctx, audit.Entry{Action: "quota", Object: a.Name}), a.ID, func(a *app.App) error {
			if tries++; tries == 1 {
				other()
			}
			a.Quotas = map[string]app.Quota{"SMS": {PerMinute: 7}}
			return nil
		})
		return out, err
	}
	t.Run("a rotated secret stays", func(t *testing.T) {
		a := made("rotated")
		var secret string
		a, err := twice(a, func() {
			if _, secret, err = there.Rotate(audit.With(ctx, audit.Entry{Action: "rotate", Object: a.Name}), a.ID); err != nil {
				t.Fatal(err)
			}
		})
		if err != nil || !check(t, here, a, secret) || a.Quotas["SMS"].PerMinute != 7 {
			t.Errorf("%+v %v", a, err)
		}
		if err := there.Reload(ctx); err != nil || !cmp.Equal(there.ByID(a.ID), a, exported) {
			t.Errorf("kept as %+v, %v", there.ByID(a.ID), err)
		}
		if n := entries(a.Name); n != 2 {
			t.Errorf("%d audit entries of two changes", n)
		}
	})
	t.Run("a deleted app stays deleted", func(t *testing.T) {
		a := made("deleted")
		_, err := twice(a, func() {
			if err := there.Delete(ctx, a.ID); err != nil {
				t.Fatal(err)
			}
		})
		if !errors.Is(err, app.ErrUnknown) || !here.ByID(a.ID).Deleted || here.ByShortCode(a.ShortCodes[0]) != nil {
			t.Errorf("%+v %v", here.ByID(a.ID), err)
		}
		if n := entries(a.Name); n != 0 {
			t.Errorf("%d audit entries of a change that was refused", n)
		}
	})
	t.Run("a change that others always come before is answered busy", func(t *testing.T) {
		a := made("busy")
		n := int64(0)
		_, err := here.Update(ctx, a.ID, func(x *app.App) error {
			n++
			_, err := there.Update(ctx, a.ID, func(x *app.App) error {
				x.Quotas = map[string]app.Quota{"SMS": {PerDay: n}}
				return nil
			})
			x.Owner = "nobody"
			return err
		})
		if !errors.Is(err, fault.Unavailable) || !errors.Is(err, app.ErrChanged) {
			t.Errorf("after %d tries: %v", n, err)
		}
		if err := here.Reload(ctx); err != nil || here.ByID(a.ID).Owner != "" || here.ByID(a.ID).Quotas["SMS"].PerDay != n {
			t.Errorf("after %d tries: %+v %v", n, here.ByID(a.ID), err)
		}
	})
}
