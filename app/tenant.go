package app

import "math"

// Tenant is whose rows a store call may reach (docs/reference/reliability.md T1). It is no number that a
// request could name: only an App that the [Directory] has read from the store gives one, so code that
// has none cannot ask for rows, and code that has one reaches no other app's. The zero Tenant is nobody;
// no row is theirs.
type Tenant struct{ id ID }

// nobody is the number that no row carries. 0 would not do: it marks the rows that belong to no app, such
// as the texts to a short code that nobody owns.
const nobody ID = math.MinInt64

// Tenant is the app as the owner of rows. That of a nil App, and of one that is not the Directory's, is
// the zero Tenant.
func (a *App) Tenant() Tenant {
	if a == nil {
		return Tenant{}
	}
	return a.tenant
}

// App is the number that the tenant's rows carry, for the statements of the store. No row carries that of
// the zero Tenant.
func (t Tenant) App() ID {
	if t.id == 0 {
		return nobody
	}
	return t.id
}
