package adminv1

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"longlines/fault"
	"longlines/gateway"
	"longlines/id"
	"longlines/wire"
)

// Problems gives every answer of next the request's id and the caller's x-correlator, and every error of it the
// one form that errors of the admin listener have, whoever wrote it: a handler, the router for want of one, or
// [Denied] (docs/reference/conventions.md §3.7, §3.9). next is the number of a request; explained is where the
// pages of the error catalogue are, such as https://api.example.com, whose /errors/SVC0002 is one.
func Problems(number func() id.Number, explained string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := id.Request(number())
		w.Header().Set("X-Request-Id", name)
		if c := r.Header["X-Correlator"]; len(c) == 1 && gateway.GoodCorrelator(c[0]) {
			w.Header()["X-Correlator"] = c
		}
		p := &problemWriter{ResponseWriter: w}
		next.ServeHTTP(p, r)
		if p.status != 0 {
			p.answer(r, name, strings.TrimRight(explained, "/"))
		}
	})
}

// document is an error as it is written. What a handler knows of it stays.
type document struct {
	Type     string          `json:"type"`
	Title    string          `json:"title"`
	Status   int             `json:"status"`
	Detail   string          `json:"detail,omitempty"`
	Instance string          `json:"instance"`
	Code     string          `json:"code"`
	Case     string          `json:"case,omitempty"`
	Errors   json.RawMessage `json:"errors,omitempty"` // what is wrong with which part
}

// maxProblem bounds what is kept of an error that a handler writes, in octets.
const maxProblem = 64 << 10

// problemWriter lets an answer pass and holds an error back.
type problemWriter struct {
	http.ResponseWriter
	status int // of an error; 0: the answer is none
	wrote  bool
	body   bytes.Buffer
}

func (p *problemWriter) WriteHeader(status int) {
	if p.wrote {
		return
	}
	if status < 200 {
		p.ResponseWriter.WriteHeader(status)
		return
	}
	if p.wrote = true; status >= 400 {
		p.status = status
		return
	}
	p.ResponseWriter.WriteHeader(status)
}

func (p *problemWriter) Write(b []byte) (int, error) {
	if p.WriteHeader(http.StatusOK); p.status == 0 {
		return p.ResponseWriter.Write(b)
	}
	if p.body.Len()+len(b) <= maxProblem {
		p.body.Write(b)
	}
	return len(b), nil
}

// Unwrap lets http.ResponseController find what lies below, for the stream.
func (p *problemWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *problemWriter) answer(r *http.Request, name, explained string) {
	var d document
	if json.Unmarshal(p.body.Bytes(), &d) != nil { // of the router
		switch d = (document{}); p.status {
		case http.StatusNotFound:
			d.Detail = "there is nothing at " + r.URL.EscapedPath()
		case http.StatusMethodNotAllowed:
			d.Detail = r.Method + " is not possible here; possible: " + p.Header().Get("Allow")
		}
	}
	f := meaning(p.status, d.Type)
	if row, ok := fault.Lookup(f.Code, f.Case); ok {
		d.Title = row.Title
	}
	d.Type, d.Status, d.Instance, d.Code, d.Case = explained+f.Path(), p.status, name, f.Code, f.Case
	body, err := json.Marshal(d)
	if err != nil { // of texts and a document that was one
		body = wire.AppendProblem(nil, explained, fault.Internal.ForRequest(name))
	}
	h := p.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Link", "<"+d.Type+`>; rel="describedby"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Del("Content-Length")
	p.ResponseWriter.WriteHeader(p.status)
	p.ResponseWriter.Write(append(body, '\n'))
}

// meaning is the row of the catalogue that tells of an error. page is what a rule has said already, as
// "/errors/POL0001#scope".
func meaning(status int, page string) *fault.Fault {
	if page, ok := strings.CutPrefix(page, "/errors/"); ok {
		code, anchor, _ := strings.Cut(page, "#")
		return &fault.Fault{Code: code, Case: anchor, Status: status}
	}
	switch {
	case status == http.StatusUnauthorized:
		return fault.BadToken
	case status == http.StatusNotFound:
		return fault.NotFound
	case status == http.StatusMethodNotAllowed:
		return fault.MethodNotAllowed
	case status == http.StatusRequestEntityTooLarge:
		return fault.BodyTooLarge
	case status == http.StatusUnsupportedMediaType:
		return fault.MediaType
	case status == http.StatusBadGateway:
		return fault.BadGateway
	case status == http.StatusServiceUnavailable:
		return fault.Unavailable
	case status >= http.StatusInternalServerError:
		return fault.Internal
	}
	return fault.BadParameter // 409 too: a value that another has
}

// problem is an error as the handlers here write it: RFC 9457, of which [Problems] makes the whole form. Its type
// is the path of a page of the catalogue.
type problem struct {
	Type   string  `json:"type,omitempty"`
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail,omitempty"`
	Code   string  `json:"code,omitempty"`
	Case   string  `json:"case,omitempty"`
	Errors []wrong `json:"errors,omitempty"`
}

func (p *problem) Error() string { return p.Detail }

func (p *problem) GetStatus() int { return p.Status }

func (p *problem) ContentType(string) string { return "application/problem+json" }

// wrong says what is wrong with one part of a request.
type wrong struct {
	Detail    string `json:"detail"`
	Pointer   string `json:"pointer,omitempty"`   // into the body, RFC 6901
	Parameter string `json:"parameter,omitempty"` // of the query or of the path, or a header
}

// wrongAt is what is wrong at a place as huma writes them: "body.apps[0].name", "query.limit".
func wrongAt(place, detail string) wrong {
	w := wrong{Detail: detail}
	if part, ok := strings.CutPrefix(place, "body"); ok {
		w.Pointer = strings.NewReplacer("~", "~0", "/", "~1", ".", "/", "[", "/", "]", "").Replace(part)
	} else if _, name, ok := strings.Cut(place, "."); ok {
		w.Parameter = name
	}
	return w
}

// written turns an error of huma into a [problem]. It leaves out the values that were sent: one may have been a
// password.
func written(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := &problem{Type: m.Type, Title: m.Title, Status: m.Status, Detail: m.Detail}
	for _, e := range m.Errors {
		p.Errors = append(p.Errors, wrongAt(e.Location, e.Message))
	}
	return p, nil
}

// misfit refuses a request for one part of it: "query.limit", "body.text".
func misfit(place, reason string) huma.StatusError {
	_, name, _ := strings.Cut(place, ".")
	if strings.HasSuffix(name, "]") { // the pointer tells which
		name, _, _ = strings.Cut(name, "[")
	}
	p := &problem{Title: http.StatusText(http.StatusUnprocessableEntity), Status: http.StatusUnprocessableEntity, Detail: name + ": " + reason}
	p.Errors = []wrong{wrongAt(place, reason)}
	return p
}

// partly refuses a request for a field that a rule names. Rules do not know requests: the field may be none of in.
func partly(status int, in any, field, reason string) huma.StatusError {
	p := &problem{Title: http.StatusText(status), Status: status, Detail: field + ": " + reason}
	if place := placeOf(in, field); place != "" {
		p.Errors = []wrong{wrongAt(place, reason)}
	}
	return p
}

// placeOf is where in an operation's input a field is, as "body.quirks.ids" or "query.prefix"; "" if nowhere.
func placeOf(in any, field string) string {
	t := reflect.TypeOf(in).Elem()
	member, _, _ := strings.Cut(field, ".")
	if b, ok := t.FieldByName("Body"); ok {
		body := b.Type
		if body.Kind() == reflect.Pointer {
			body = body.Elem()
		}
		for _, f := range reflect.VisibleFields(body) {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name == member {
				return "body." + field
			}
		}
	}
	for _, f := range reflect.VisibleFields(t) {
		for _, kind := range []string{"query", "path"} {
			if f.Tag.Get(kind) == field {
				return kind + "." + field
			}
		}
	}
	return ""
}

// ruled is a refusal by a rule that apps have too, for the operator: what it is about, the condition, and what to
// do. next is what an operator does, where that is more than the catalogue knows.
func ruled(f *fault.Fault, next string) *problem {
	p := &problem{Type: f.Path(), Title: http.StatusText(f.Status), Status: f.Status, Code: f.Code, Case: f.Case, Detail: f.Detail()}
	row, ok := fault.Lookup(f.Code, f.Case)
	switch about := f.Value(); {
	case !ok:
	case errors.Is(f, fault.Dependency): // what it is about is the explanation, and the row has no other
		p.Detail = about + "."
	default:
		p.Detail = row.Condition
		if about != "" {
			p.Detail = about + ": " + p.Detail
		}
		next = cmp.Or(next, row.Remedy)
	}
	p.Detail = strings.TrimSpace(p.Detail + " " + next)
	return p
}
