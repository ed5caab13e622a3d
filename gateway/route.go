package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"longlines/fault"
	"longlines/wire"
)

// route is a row of the endpoint table as it serves.
type route struct {
	Endpoint
	metrics rowMetrics
	types   []string // Media, lower case
	maxBody int64
	page    http.Handler // of Config.Pages, in place of Handle
}

// ServeHTTP is called by the ServeMux, whose ResponseWriter is always our exchange.
func (rt *route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.(*exchange).serve(rt, r)
}

// table fills a ServeMux from the rows. ServeMux panics on patterns that contradict each other;
// here that is an error of the table's author.
func (g *Gateway) table(rows []Endpoint, pages map[string]http.Handler) (err error) {
	at := ""
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("gateway: endpoint %s: %v", at, p)
		}
	}()
	g.mux = http.NewServeMux()
	g.dialects = map[string]wire.Dialect{}
	for _, e := range rows {
		at = e.Method + " " + e.Path
		switch {
		case e.Handle == nil:
			return fmt.Errorf("gateway: endpoint %s has no handler", at)
		case e.Method == "" || !strings.HasPrefix(e.Path, "/") || strings.HasSuffix(e.Path, "/"):
			return fmt.Errorf("gateway: endpoint %s: method and a path without a final slash are needed", at)
		case e.Scope != "" && !e.Scope.Known():
			return fmt.Errorf("gateway: endpoint %s: unknown scope %q", at, e.Scope)
		}
		rt := &route{Endpoint: e, maxBody: e.MaxBody}
		if rt.maxBody <= 0 {
			rt.maxBody = g.limits.Body
		}
		for _, m := range e.Media {
			rt.types = append(rt.types, strings.ToLower(m))
		}
		rt.metrics = rowMetrics{m: g.metrics, api: e.API, operation: e.Operation, method: e.Method}
		g.mux.Handle(at, rt)
		if !slices.Contains(g.methods, e.Method) {
			g.methods = append(g.methods, e.Method)
		}
		g.dialects[family(e.Path)] = e.Dialect
	}
	for pattern, h := range pages {
		at = pattern
		if strings.HasSuffix(pattern, "/") {
			// A final slash is taken off before matching, and ServeMux would send the caller back.
			return errors.New("gateway: page " + pattern + ": write /{path...} or /{$} in place of the final slash")
		}
		method, _, found := strings.Cut(pattern, " ")
		if !found {
			return fmt.Errorf("gateway: page %s: a method is needed", pattern)
		}
		rt := &route{page: h}
		rt.metrics = rowMetrics{m: g.metrics, api: "Pages", operation: "Page", method: method}
		g.mux.Handle(pattern, rt)
		if !slices.Contains(g.methods, method) {
			g.methods = append(g.methods, method)
		}
	}
	slices.Sort(g.methods)
	g.miss.metrics = rowMetrics{m: g.metrics, operation: "unknown"}
	g.mux.Handle("/", missed{g})
	return nil
}

// family is the first segment of a path: "/oauth/v4/token" gives "oauth". A path that is not served
// is answered in the dialect of its family.
func family(p string) string {
	p = strings.TrimPrefix(p, "/")
	if i := strings.IndexByte(p, '/'); i >= 0 {
		p = p[:i]
	}
	return p
}

// missed is where ServeMux ends when no row fits: another method of the path does, or none.
type missed struct{ g *Gateway }

func (m missed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := w.(*exchange)
	x.row = &m.g.miss
	x.dialect = m.g.dialects[family(r.URL.Path)]
	x.format, _ = wire.Negotiate(accept(r))
	if allow := m.g.allow(r.URL); len(allow) > 0 {
		x.refuseMethod(allow)
		return
	}
	x.fail(fault.NotFound)
}

func (x *exchange) refuseMethod(allow []string) {
	x.Header()["Allow"] = []string{strings.Join(allow, ", ")}
	x.fail(fault.MethodNotAllowed)
}

// allow lists the methods that are served on a path. HEAD is not among them: it would run a GET,
// and one GET of the platform hands out texts.
func (g *Gateway) allow(u *url.URL) (allow []string) {
	for _, m := range g.methods {
		h, _ := g.mux.Handler(&http.Request{Method: m, URL: u, Host: ""})
		if _, ok := h.(*route); ok {
			allow = append(allow, m)
		}
	}
	return allow
}

// clean brings the path into the form the rows have, in place of the redirects that ServeMux would
// answer with: no published client follows them. Double slashes, dot segments and final slashes go
// (`outbox/` is what two of the kits send). What is escaped stays escaped, so that %2F and %2E are
// data. ok is false for what is no path at all ("*").
func clean(u *url.URL) (ok bool) {
	p := u.EscapedPath()
	if p == "" || p[0] != '/' {
		return false
	}
	if isClean(p) {
		return true
	}
	c := path.Clean(p)
	plain, err := url.PathUnescape(c)
	if err != nil {
		return false
	}
	u.Path, u.RawPath = plain, c
	return true
}

func isClean(p string) bool {
	if len(p) > 1 && p[len(p)-1] == '/' {
		return false
	}
	for i := 0; i+1 < len(p); i++ {
		if p[i] == '/' && (p[i+1] == '/' || p[i+1] == '.') {
			return false
		}
	}
	return true
}
