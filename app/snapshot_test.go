package app_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"longlines/app"
	"longlines/number"
)

// TestWhatWasPutIsAsItIsRead: a directory that knows an app because it has put it says the same of it as one
// that has read it.
func TestWhatWasPutIsAsItIsRead(t *testing.T) {
	ctx := context.Background()
	s, d := open(t)
	agree := func(when string) {
		t.Helper()
		other, err := app.NewDirectory(ctx, s, app.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(other.All(), d.All(), exported); diff != "" {
			t.Fatalf("%s: (-read +put) %s", when, diff)
		}
		codes := []number.ShortCode{"48507", "48508"}
		for _, a := range other.All() {
			for what, found := range map[string][2]*app.App{"id": {other.ByID(a.ID), d.ByID(a.ID)}, "key": {other.ByKey(a.Key), d.ByKey(a.Key)}, "name": {other.ByName(a.Name), d.ByName(a.Name)}} {
				if diff := cmp.Diff(found[0], found[1], exported); diff != "" {
					t.Errorf("%s: by %s of %q: %s", when, what, a.Name, diff)
				}
			}
			if d.ByID(a.ID).Tenant() != a.Tenant() {
				t.Errorf("%s: %q owns other rows", when, a.Name)
			}
		}
		for _, c := range codes {
			if diff := cmp.Diff(other.ByShortCode(c), d.ByShortCode(c), exported); diff != "" {
				t.Errorf("%s: by code %s: %s", when, c, diff)
			}
		}
	}
	made := func(a app.App) *app.App {
		t.Helper()
		out, _, err := d.Create(ctx, a, "")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	made(app.App{Name: "middle"})
	last := made(app.App{Name: "Zoo", ShortCodes: []number.ShortCode{"48507"}, Scopes: []app.Scope{"SMS"}, WaitForVerdict: 1500 * time.Microsecond})
	made(app.App{Name: "apple", ShortCodes: []number.ShortCode{}, Quotas: map[string]app.Quota{}, Scopes: []app.Scope{}})
	agree("made")
	update := func(change func(*app.App) error) {
		t.Helper()
		if _, err := d.Update(ctx, last.ID, change); err != nil {
			t.Fatal(err)
		}
	}
	update(func(a *app.App) error {
		a.Name, a.ShortCodes, a.Quotas = "Aardvark", []number.ShortCode{"48508"}, map[string]app.Quota{"SMS": {PerDay: 7}}
		return nil
	})
	agree("renamed, with another code")
	if d.ByName("zoo") != nil || d.ByShortCode("48507") != nil {
		t.Fatal("it is found by what it was")
	}
	made(app.App{Name: "zoo", ShortCodes: []number.ShortCode{"48507"}})
	agree("the name and the code are another's")
	if err := d.Delete(ctx, last.ID); err != nil {
		t.Fatal(err)
	}
	agree("deleted")
	made(app.App{Name: "Aardvark", ShortCodes: []number.ShortCode{"48508"}})
	agree("the name and the code of a deleted one")
}

// BenchmarkCreate is what an app more costs where there are as many already, but for the hash of a secret.
func BenchmarkCreate(b *testing.B) {
	ctx := context.Background()
	for _, there := range []int{0, 10_000} {
		b.Run(fmt.Sprintf("there=%d", there), func(b *testing.B) {
			s, d := open(b)
			for i := range there {
				if _, err := s.PutApp(ctx, app.App{Name: fmt.Sprint("app ", i), Key: fmt.Sprint("key", i), Level: app.LevelSandbox}); err != nil {
					b.Fatal(err)
				}
			}
			if err := d.Reload(ctx); err != nil {
				b.Fatal(err)
			}
			n := 0
			for b.Loop() {
				if _, _, err := d.Create(ctx, app.App{Name: fmt.Sprint("new ", n)}, ""); err != nil {
					b.Fatal(err)
				}
				n++
			}
		})
	}
}
