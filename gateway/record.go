package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"longlines/app"
	"longlines/timeline"
	"longlines/wire"
)

// record keeps what was asked and answered (docs/reference/conventions.md §3.9), counts it, and
// shows it to whoever watches. No body, no token, no query gets into the log.
func (x *exchange) record() {
	took := x.took
	if took == 0 { // a page, or a caller that has gone
		took = x.g.now().Sub(x.start)
	}
	rt := x.row
	code, anchor := "", ""
	if x.fault != nil {
		code, anchor = x.fault.Code, x.fault.Case
		x.g.metrics.refused(rt.metrics.api, code)
	}
	if rt == &x.g.miss {
		rt.metrics.missed(x.r.Method, x.out.status, took)
	} else {
		rt.metrics.answered(x.out.status, took)
	}
	if rt.page != nil {
		return
	}
	a := x.call.Grant.App
	if !x.g.errorsOnly || x.fault != nil {
		r := Record{
			ID: x.call.ID, API: rt.API, Operation: rt.Operation, Method: x.r.Method, Path: x.r.URL.Path,
			Status: x.out.status, Code: code, Case: anchor, Subject: x.call.Subject, Remote: x.r.RemoteAddr, Took: took,
			Detail: x.seen,
		}
		if a != nil {
			r.App = a.ID
		}
		x.g.store.Record(r)
	}
	x.logged(took)
}

// logged writes one line per call: at debug, or as an error if it was ours. The path is the row's,
// because a path may hold a number.
func (x *exchange) logged(took time.Duration) {
	level := slog.LevelDebug
	if x.out.status >= 500 && x.out.status != http.StatusServiceUnavailable {
		level = slog.LevelError
	} else if x.out.status == http.StatusServiceUnavailable {
		level = slog.LevelWarn
	}
	ctx := context.Background()
	if !x.g.log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 8)
	attrs = append(attrs,
		slog.String("component", "gateway"),
		slog.String("request_id", x.name),
		slog.String("operation", x.row.Operation),
		slog.Int("http_status", x.out.status),
		slog.Float64("duration_ms", float64(took)/1e6))
	if a := x.call.Grant.App; a != nil {
		attrs = append(attrs, slog.Int64("app_id", int64(a.ID)))
	}
	if x.fault != nil {
		attrs = append(attrs, slog.String("code", x.fault.Code), slog.String("error", x.fault.Error()))
	}
	x.g.log.LogAttrs(ctx, level, "request", attrs...)
}

// detail keeps what the call looked like, while its bodies are still there: for the timeline if somebody
// looks, and for the record of a sandbox app's call.
func (x *exchange) detail() {
	if x.row.page != nil {
		return
	}
	watched := x.g.feed != nil && x.g.feed.Watched()
	kept := x.g.details != nil && x.sandboxed() && x.g.details.Allow()
	wire := ""
	if watched || kept {
		wire = x.wire()
	}
	if kept {
		x.seen = wire
	}
	if x.g.feed == nil {
		return
	}
	e := timeline.Entry{
		Time:     x.start,
		Kind:     timeline.KindRequest,
		Title:    x.r.Method + " " + x.r.URL.Path,
		State:    statusText(x.out.status),
		Request:  x.name,
		Duration: float64(x.took) / 1e6,
	}
	if x.fault != nil {
		e.Code = x.fault.Code
	}
	if a := x.call.Grant.App; a != nil {
		e.App = a.Name
	}
	if x.call.Subject != 0 && x.g.name != nil {
		e.Message = x.g.name(x.call.Subject)
	}
	if watched {
		e.Detail = wire
	}
	x.g.feed.Add(e)
}

// sandboxed reports whether the caller is a sandbox app, or nobody that is known: a developer who looks
// for what was wrong with a request.
func (x *exchange) sandboxed() bool {
	a := x.call.Grant.App
	return a == nil || a.Level == app.LevelSandbox
}

func statusText(status int) string {
	switch status { // no allocation for the usual ones
	case 200:
		return "200"
	case 201:
		return "201"
	}
	return strconv.Itoa(status)
}

// maxDetail bounds what the live stream shows of a body.
const maxDetail = 8 << 10

// wire shows the request and its answer as they were, but for what must not be seen: tokens,
// credentials and cookies, and the bodies of the OAuth paths, which hold both.
func (x *exchange) wire() string {
	var b strings.Builder
	b.WriteString(x.r.Method + " " + x.r.URL.Path)
	if x.r.URL.RawQuery != "" {
		b.WriteString("?[not shown]")
	}
	b.WriteString(" HTTP/1.1\n")
	if x.r.Host != "" {
		b.WriteString("Host: " + x.r.Host + "\n")
	}
	headers(&b, x.r.Header)
	x.body(&b, x.call.Body)
	b.WriteString("\n\nHTTP/1.1 " + strconv.Itoa(x.out.status) + " " + http.StatusText(x.out.status) + "\n")
	headers(&b, x.Header())
	x.body(&b, x.out.body)
	return b.String()
}

func (x *exchange) body(b *strings.Builder, body []byte) {
	switch {
	case len(body) == 0:
	case x.Header().Get("Content-Type") == typeHTML[0] && &body[0] != first(x.call.Body):
		b.WriteString("\n[" + strconv.Itoa(len(body)) + " bytes of a page, not shown]")
	case x.dialect == wire.DialectOAuth && x.fault == nil, x.dialect == wire.DialectOAuth && len(x.call.Body) > 0 && &body[0] == &x.call.Body[0]:
		b.WriteString("\n[" + strconv.Itoa(len(body)) + " bytes with credentials, not shown]")
	case len(body) > maxDetail:
		b.WriteString("\n" + strings.ToValidUTF8(string(body[:maxDetail]), "\uFFFD") + "\n[" + strconv.Itoa(len(body)) + " bytes in all]")
	default:
		b.WriteString("\n" + strings.ToValidUTF8(string(body), "\uFFFD"))
	}
}

// first is the address of a body.
func first(b []byte) *byte {
	if len(b) == 0 {
		return nil
	}
	return &b[0]
}

func headers(b *strings.Builder, h http.Header) {
	names := make([]string, 0, len(h))
	for n := range h {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		for _, v := range h[n] {
			// A code may stand in an address: where we send a browser, and where an old one says that it comes from.
			if secretHeader(n) || (n == "Location" || n == "Referer") && strings.Contains(v, "?") {
				scheme, _, found := strings.Cut(v, " ")
				if v = "[not shown]"; found && n == "Authorization" {
					v = scheme + " [not shown]"
				}
			}
			b.WriteString(n + ": " + v + "\n")
		}
	}
}

func secretHeader(name string) bool {
	switch name {
	case "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "Dpop", "X-Subscriber-Assertion":
		return true
	}
	return false
}
