package store

import (
	"fmt"
	"sync"
	"testing"

	"longlines/app"
)

// TestPostgresTwoNodesChangeAnAppAtOnce: each change stands, whichever comes first.
func TestPostgresTwoNodesChangeAnAppAtOnce(t *testing.T) {
	ctx := t.Context()
	one, other := pair(t, nil)
	var d [2]*app.Directory
	for i, s := range []*Store{one, other} {
		var err error
		if d[i], err = app.NewDirectory(ctx, s, app.Config{}); err != nil {
			t.Fatal(err)
		}
	}
	a, b := d[0], d[1]
	for i := range 30 {
		x, _, err := a.Create(ctx, app.App{Name: fmt.Sprint("app ", i)}, "")
		if err != nil {
			t.Fatal(err)
		}
		set := func(owner string) (*app.App, error) {
			return b.Update(ctx, x.ID, func(a *app.App) error { a.Owner = owner; return nil })
		}
		var wg sync.WaitGroup
		var secret string
		wg.Go(func() {
			var err error
			if _, secret, err = a.Rotate(ctx, x.ID); err != nil {
				t.Error("rotate:", err)
			}
		})
		wg.Go(func() {
			if _, err := set("Pizza, Inc."); err != nil {
				t.Error("update:", err)
			}
		})
		wg.Wait()
		if err := a.Reload(ctx); err != nil {
			t.Fatal(err)
		}
		if ok, err := a.CheckSecret(ctx, a.ByID(x.ID), secret); !ok || err != nil || a.ByID(x.ID).Owner != "Pizza, Inc." {
			t.Errorf("the new secret fits: %v %v; %+v", ok, err, a.ByID(x.ID))
		}
		wg.Go(func() {
			if err := a.Delete(ctx, x.ID); err != nil {
				t.Error("delete:", err)
			}
		})
		wg.Go(func() { set("nobody") }) // or finds it gone
		wg.Wait()
		if err := a.Reload(ctx); err != nil {
			t.Fatal(err)
		}
		if !a.ByID(x.ID).Deleted {
			t.Error("a deleted app is alive again")
		}
	}
}
