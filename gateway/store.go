package gateway

import (
	"context"
	"time"

	"longlines/app"
	"longlines/id"
)

// Record is what is kept of one call (docs/reference/conventions.md §3.9): metadata, and for a while the
// detail of some.
type Record struct {
	ID        id.Number // the request's; id.Request spells it
	App       app.ID    // 0 when the caller is unknown
	API       string
	Operation string
	Method    string
	Path      string // without query
	Status    int
	Code      string    // catalogue code of a refusal
	Case      string    // and its anchor
	Subject   id.Number // what it made or asked for: a message
	Remote    string
	Took      time.Duration
	Detail    string // request and answer as they were on the wire, redacted; empty: not kept
}

// RequestFilter selects records for the operator; its zero value selects all.
type RequestFilter struct {
	App                  app.ID    // 0: of every caller
	Code                 string    // catalogue code; "": any
	Operation            string    // "": any
	StatusFrom, StatusTo int       // HTTP status, both included: 400 and 499 for all of 4xx; 0: no bound
	Since, Until         time.Time // when the call came, Until not included; zero: no bound
}

// Saved is the stored answer to a request with an Idempotency-Key.
type Saved struct {
	Fingerprint [32]byte
	Ref         id.Number // what the request had made durable; set in the same commit as that
	Status      int       // 0: made durable, but the answer was not stored (crash between the two)
	Header      map[string]string
	Body        []byte
	Created     time.Time
}

// Store keeps what the gateway needs. No request reads what was recorded of others: that is the operator's.
type Store interface {
	// NextRequest draws a request's number.
	NextRequest() id.Number
	// Record keeps a call's record some time soon: it rides in the next commit and is dropped, and
	// counted, when too many wait. It never blocks.
	Record(r Record)
	// SavedAnswer reads the answer for the tenant's key in a scope (method and path), if it is not older
	// than 24 h.
	SavedAnswer(ctx context.Context, of app.Tenant, scope, key string) (s Saved, ok bool, err error)
	// SaveAnswer stores the answer; the row may exist already without one. One of another Fingerprint stays
	// as it is, unless its 24 h are over. Durable on return.
	SaveAnswer(ctx context.Context, of app.Tenant, scope, key string, s Saved) error
}
