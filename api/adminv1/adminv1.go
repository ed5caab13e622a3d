// Package adminv1 is the management API on the admin listener: apps, links, routes, quotas,
// subscribers and their consents, messages, requests, the audit log and the live stream. The command
// line and the console are clients of it and of nothing else, so there is nothing that only they can do.
//
// It is ours, not a published surface of the retired platform: JSON with snake_case members, errors
// as application/problem+json (RFC 9457), an OpenAPI 3.1 document at /admin/v1/openapi.json made
// from the handlers themselves. [Problems] gives errors their whole form. A PUT replaces a thing; a
// PATCH of an app changes only what it names, so that two operators do not undo each other, and an app is changed only
// as If-Match says that it was read, if that is sent. Secrets go in and are shown once; no answer repeats them. Whatever is
// done here is in the audit log, see audit.go (docs/reference/reliability.md T22).
package adminv1

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"longlines/app"
	"longlines/audit"
	"longlines/callback"
	"longlines/fault"
	"longlines/gateway"
	"longlines/id"
	"longlines/number"
	"longlines/oauth"
	"longlines/quota"
	"longlines/route"
	"longlines/sms"
	"longlines/timeline"
)

// Store is what operators read beside the rules, whoever's it is: no request of an app leads here.
type Store interface {
	// MTs reads the newest n recipients before a row (0: the newest), newest first.
	MTs(ctx context.Context, before id.Number, n int) ([]sms.MT, error)
	// Attempts reads the posts that told about a row, oldest first.
	Attempts(ctx context.Context, subject id.Number) ([]callback.Attempt, error)
	// Request reads a record with its detail; ok is false if there is none.
	Request(ctx context.Context, n id.Number) (r gateway.Record, ok bool, err error)
	// Requests reads the newest n records that fit before a number (0: the newest), newest first, without
	// their details. It looks at no more than the 100,000 newest before the number in the filter's time:
	// who wants to see further back sets Until.
	Requests(ctx context.Context, f gateway.RequestFilter, before id.Number, n int) ([]gateway.Record, error)
	// Consents reads those that fit, newest first: everybody's if the filter does not say whose.
	Consents(ctx context.Context, f oauth.ConsentFilter) ([]oauth.Consent, error)
	// OptOutsOf reads those of one subscriber that stand.
	OptOutsOf(ctx context.Context, m number.MSISDN) ([]sms.OptOut, error)
	audit.Store
	// Note makes the audit entry of ctx durable by itself: of an act that changes no row, as a look at a
	// whole number, or whose change is a hot write that carries none. It does nothing if ctx has no entry,
	// or has carried it already.
	Note(ctx context.Context) error
	// Writable says why nothing can be accepted; nil if it can.
	Writable() error
}

// Config is what the API manages.
type Config struct {
	Version     string
	Apps        *app.Directory
	Router      *route.Router
	SMS         *sms.Service
	Tokens      *oauth.Service     // whose consents are shown and ended
	Subscribers *oauth.Subscribers // whose remembered browsers are
	Sealer      *id.Sealer         // names consents and browsers
	Meter       *quota.Meter       // what apps have spent
	Store       Store
	// Received reads a text from a handset and the word for where it is.
	Received func(ctx context.Context, n id.Number) (m sms.MO, state string, ok bool, err error)
	// Jobs counts the texts that wait for a link, in memory and on disk.
	Jobs func(ctx context.Context) (map[string]int64, error)
	// Operations are the names of the operations of the API, so that one is found in any case of letters.
	Operations []string
	Timeline   *timeline.Feed
	Now        func() time.Time
	Log        *slog.Logger // default: none
}

// api carries the parts to the handlers.
type api struct{ Config }

// New returns the handler of /admin/v1/. Whoever mounts it puts [Guard] in front, and [Problems] before that.
func New(c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	h := huma.DefaultConfig("Longlines management", c.Version)
	h.OpenAPIPath, h.DocsPath, h.SchemasPath = "/admin/v1/openapi", "", "/admin/v1/schemas"
	h.CreateHooks = nil                   // no $schema member in answers
	h.RejectUnknownQueryParameters = true // a filter that is misspelt must not be taken for none
	h.Transformers = []huma.Transformer{written}
	h.Info.Description = "Apps, links, routes, quotas, subscribers, messages, requests and the audit log of one platform. Send the admin token as a bearer."
	h.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":  {Type: "http", Scheme: "bearer", Description: "The admin token: it stands in the ready file and in admin-token of the data directory."},
		"cookie": {Type: "apiKey", In: "cookie", Name: CookieName, Description: "A browser's, after it signed in at the console."},
	}
	h.Security = []map[string][]string{{"token": {}}, {"cookie": {}}}
	a := &api{c}
	ha := humago.New(mux, h)
	ha.UseMiddleware(withQuery)
	ops := operations{ha, a}
	a.apps(ops)
	a.links(ops)
	a.routes(ops)
	a.quotas(ops)
	a.consents(ops)
	a.subscribers(ops)
	a.messages(ops)
	a.requests(ops)
	a.audit(ops)
	a.status(ops)
	mux.HandleFunc("GET /admin/v1/stream", a.stream)
	ha.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "stream", Method: http.MethodGet, Path: "/admin/v1/stream", Summary: "Watch what happens, as server-sent events",
		Description: "One event an entry; an event's id goes into Last-Event-ID, or into after, to go on behind it.",
		Parameters:  []*huma.Param{{Name: "after", In: "query", Description: "Only what came later.", Schema: &huma.Schema{Type: "integer"}}},
		Responses: map[string]*huma.Response{"200": {Description: "Entries of the timeline, as JSON.",
			Content: map[string]*huma.MediaType{"text/event-stream": {}}}},
	})
	described(ha.OpenAPI())
	return mux
}

// described writes into the document what [Problems] adds to errors.
func described(doc *huma.OpenAPI) {
	e := doc.Components.Schemas.Map()["ErrorModel"]
	if e == nil {
		return
	}
	text := func(what string) *huma.Schema { return &huma.Schema{Type: "string", Description: what} }
	e.Properties["code"] = text("The code of the error catalogue, as SVC0002.")
	e.Properties["case"] = text("Which of the code's meanings: the anchor on its page.")
	e.Properties["instance"].Description = "The id of the request."
	e.Properties["type"].Description = "The page of the catalogue, also in the header Link."
	e.Properties["errors"].Description = "What is wrong with which part of the request."
	if w := doc.Components.Schemas.Map()["ErrorDetail"]; w != nil {
		w.Properties = map[string]*huma.Schema{
			"detail":    text("What is wrong."),
			"pointer":   text("With which part of the body, as a JSON pointer (RFC 6901): /apps/0/name."),
			"parameter": text("With which parameter of the query or of the path, or which header."),
		}
	}
}

// operations is where the operations are registered.
type operations struct {
	huma.API
	of *api
}

// maxBody bounds what an operation takes (docs/reference/reliability.md §2.4).
const maxBody = 64 << 10

// get, post, put, patch and remove register one operation each.
func get[I, O any](h operations, path, summary string, f func(context.Context, *I) (*O, error)) {
	register(h, http.MethodGet, path, summary, http.StatusOK, f)
}

func post[I, O any](h operations, path, summary string, status int, f func(context.Context, *I) (*O, error)) {
	register(h, http.MethodPost, path, summary, status, f)
}

func put[I, O any](h operations, path, summary string, f func(context.Context, *I) (*O, error)) {
	register(h, http.MethodPut, path, summary, http.StatusOK, f)
}

func patch[I, O any](h operations, path, summary string, f func(context.Context, *I) (*O, error)) {
	register(h, http.MethodPatch, path, summary, http.StatusOK, f)
}

func remove[I any](h operations, path, summary string, f func(context.Context, *I) (*none, error)) {
	register(h, http.MethodDelete, path, summary, http.StatusNoContent, f)
}

func register[I, O any](h operations, method, path, summary string, status int, f func(context.Context, *I) (*O, error)) {
	operation(h, huma.Operation{Method: method, Path: path, Summary: summary, DefaultStatus: status, MaxBodyBytes: maxBody}, f)
}

// operation registers an operation: this is where every change gets its audit entry, and every refusal
// its status.
func operation[I, O any](h operations, o huma.Operation, f func(context.Context, *I) (*O, error)) {
	method, path := o.Method, o.Path
	o.OperationID = huma.GenerateOperationID(method, path, (*O)(nil))
	huma.Register(h.API, o, func(ctx context.Context, in *I) (*O, error) {
		if method != http.MethodGet {
			ctx = h.of.audited(ctx, method+" "+path, in)
		}
		out, err := f(ctx, in)
		if err == nil && method != http.MethodGet {
			err = h.of.Store.Note(context.WithoutCancel(ctx)) // it has been done, whether or not the caller waits
		}
		if err != nil {
			refusal := refuse(err, in)
			if refusal.GetStatus() == http.StatusInternalServerError && ctx.Err() == nil {
				h.of.Log.Error("management call failed", "call", method+" "+path, "error", err)
			}
			return nil, refusal
		}
		if out == nil {
			out = new(O)
		}
		return out, nil
	})
}

// refuse gives an error of the rules its status. in is the input of the operation.
func refuse(err error, in any) huma.StatusError {
	var (
		invalid *app.Invalid
		field   *route.FieldError
		taken   *app.Taken
		status  huma.StatusError
		f       *fault.Fault
	)
	switch {
	case errors.As(err, &status):
		return status
	case errors.As(err, &invalid):
		return partly(http.StatusUnprocessableEntity, in, invalid.Field, invalid.Reason)
	case errors.As(err, &field):
		return partly(http.StatusUnprocessableEntity, in, field.Field, field.Reason)
	case errors.As(err, &taken):
		return partly(http.StatusConflict, in, taken.Field, taken.Reason)
	case errors.Is(err, app.ErrTaken), errors.Is(err, route.ErrLinkExists), errors.Is(err, route.ErrManaged):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, app.ErrUnknown), errors.Is(err, route.ErrNoLink), errors.Is(err, route.ErrNoRule), errors.Is(err, errNoStory),
		errors.Is(err, errNoConsent):
		return huma.Error404NotFound(err.Error())
	case errors.As(err, &f):
		return ruled(f, "")
	}
	return huma.Error500InternalServerError("internal error: the log has the details")
}

// none is the input or output of an operation that has none.
type none struct{}

// Page asks for a part of a list.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many at most."`
	Before string `query:"before" doc:"Only older ones: next of the page before."`
}

// Bounds of one look through a table: with a filter, a page may hold less than its limit and still
// have a next.
const (
	chunk   = 500
	maxScan = 20 * chunk
)

// scan reads rows newest first, those that fit, until the page is full, and gives the row before which
// the next page begins: 0 if there is none.
func scan[T any](p Page, read func(before id.Number, n int) ([]T, error), row func(T) id.Number, fits func(T) bool) (found []T, next id.Number, err error) {
	before, err := rowOf(p.Before)
	if err != nil {
		return nil, 0, err
	}
	found = []T{}
	for n, seen := p.Limit, 0; seen < maxScan; n, seen = chunk, seen+n {
		rows, err := read(before, n)
		if err != nil {
			return nil, 0, err
		}
		for _, r := range rows {
			before = row(r)
			if !fits(r) {
				continue
			}
			if found = append(found, r); len(found) == p.Limit {
				return found, before, nil
			}
		}
		if len(rows) < n {
			return found, 0, nil
		}
	}
	return found, before, nil
}

// rowOf reads a page's before.
func rowOf(s string) (id.Number, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, misfit("query.before", "not the next of a page")
	}
	return id.Number(n), nil
}

// nextOf writes a page's next.
func nextOf(n id.Number) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(int64(n), 10)
}

// grant lets an operator act as an app.
func grant(a *app.App) oauth.Grant { return oauth.Grant{App: a, Scopes: a.Scopes} }
