package store

import "errors"

// errTenant is given for a write in the name of a tenant whose rows it does not make, or of nobody: a
// mistake of this program (docs/reference/reliability.md §4-30).
var errTenant = errors.New("these rows are not the tenant's")
