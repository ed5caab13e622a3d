// Package apptest gives tests of stores what only a directory of apps makes.
package apptest

import (
	"context"

	"longlines/app"
)

// Tenant is the tenant with the number: of an app that a directory was made to find.
func Tenant(n app.ID) app.Tenant {
	d, err := app.NewDirectory(context.Background(), registry(n), app.Config{})
	if err != nil {
		panic(err) // a registry gives no error
	}
	return d.ByID(n).Tenant()
}

// registry is a store that has the one app.
type registry app.ID

func (r registry) Apps(context.Context) ([]app.App, error) { return []app.App{{ID: app.ID(r)}}, nil }

func (registry) PutApp(context.Context, app.App) (app.ID, error) { panic("read only") }
