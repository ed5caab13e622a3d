package gateway

import (
	"context"
	"net/http"
	"time"

	"longlines/app"
	"longlines/fault"
	"longlines/id"
	"longlines/oauth"
	"longlines/wire"
)

// Endpoint is one published method: a row of the endpoint table. Documentation, metrics, quotas and
// tests read the same row that serves the request.
type Endpoint struct {
	Method    string    // "POST"
	Path      string    // ServeMux path: "/sms/v3/messaging/outbox/{id}"
	API       string    // quota and metrics: "SMS", "OAuth"
	Operation string    // as published: "Send SMS"
	Scope     app.Scope // "": no token is asked for (OAuth)
	Dialect   wire.Dialect
	MaxBody   int64    // bytes; 0: 64 KiB (docs/reference/reliability.md §2.4)
	Media     []string // media types a body may have; nil: a body is ignored
	Unmetered bool     // counted, never refused for quota or overload (E911, Revoke)
	Created   bool     // success is 201, for the documentation
	// QueryToken also takes the token from ?access_token=, where there is no Authorization header: the
	// oldest SMS and MMS paths only (docs/reference/oauth.md §5). It never reaches a log or a record.
	QueryToken bool
	Handle     func(c *Call) (Reply, error)
	// Page, if set, renders a refusal as a page for a caller whose Accept prefers HTML; nil, or a nil
	// result, leaves it in the row's dialect (docs/reference/errors.md §1.3). c may be of a request that was
	// refused before its body was read.
	Page func(c *Call, f *fault.Fault) (html []byte, header http.Header)
}

// Call is one request after the gateway's checks: authorised, within quota, body read and of an
// accepted type.
type Call struct {
	*http.Request
	ID     id.Number // the request's; id.Request(ID) is what the caller sees
	Grant  oauth.Grant
	Body   []byte
	Format wire.Format      // of the answer
	Key    *app.Idempotency // set when the request carried an Idempotency-Key
	// Wait is how long the caller waits for a verdict (Prefer: wait=N, RFC 7240), 0 to 5 s.
	Wait time.Duration
	// Subject is set by the handler: the row the call made or asked for, for the request record.
	Subject id.Number
	// Refused is set by a handler whose reply tells a refusal in its own way, as a redirect does: for the
	// request record and the metrics.
	Refused *fault.Fault

	ctx context.Context
	x   *exchange // nil in a Call that no gateway made
}

// Context ends when the gateway's deadline is over or the caller has gone.
func (c *Call) Context() context.Context {
	if c.ctx != nil {
		return c.ctx
	}
	return c.Request.Context()
}

// Charge counts the call among those of its app that are in flight, and spends a unit of its quota for the API of the row.
// It is for paths that find their caller themselves (OAuth); where a token was asked for, the gateway has done it. Its errors are
// faults to be returned as they are.
func (c *Call) Charge(a *app.App) error {
	if c.x == nil {
		return nil
	}
	c.Grant.App = a
	if err := c.x.admit(); err != nil {
		return err
	}
	return c.x.charge(a)
}

// Reply is a handler's success; its Body is rendered in the caller's format.
type Reply struct {
	Status int // 0: 200
	Header http.Header
	Body   any // a struct with json and xml tags; nil: none
	// HTML is a page instead of a Body; Header may say more about it than its Content-Type.
	HTML []byte

	// After, if set, is called once when it is known what became of the reply: written is true if every
	// byte was written and flushed without an error, and the connection was not reset within a second
	// after that (which cannot be seen on a listener with TLS). It is also called, with false, when the
	// reply could not be rendered. The inbox poll ends its lease here
	// (docs/reference/reliability.md §3.7 Inbox poll).
	After func(written bool)
}
