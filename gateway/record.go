package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"longlines/app"
	"longlines/timeline"
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
	if (!x.g.errorsOnly || x.fault != nil) && (a != nil || x.g.strangers.AllowN(x.g.now(), 1)) {
		r := Record{
			ID: x.call.ID, API: rt.API, Operation: rt.Operation, Method: shownMethod(x.r), Path: shownPath(x.r.URL),
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
	keeps := x.g.keeps || x.call.Grant.App == nil
	wire := ""
	if (watched || keeps) && x.mayShow() {
		wire = x.wire()
	}
	if keeps {
		x.seen = wire
	}
	if x.g.feed == nil {
		return
	}
	e := timeline.Entry{
		Time:     x.start,
		Kind:     timeline.KindRequest,
		Title:    shownMethod(x.r) + " " + shownPath(x.r.URL),
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

// mayShow reports whether the wire of the call may be seen: that of a sandbox app, and where strangers' are shown, of a
// caller who is not known: a developer who looks for what was wrong with a request. Of too many calls it is not: it costs
// more than to answer them.
func (x *exchange) mayShow() bool {
	limit := x.g.strangersDetails
	if a := x.call.Grant.App; a != nil {
		if a.Level != app.LevelSandbox {
			return false
		}
		limit = x.g.details
	}
	return limit != nil && limit.AllowN(x.g.now(), 1)
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
