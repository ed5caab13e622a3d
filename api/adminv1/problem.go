package adminv1

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"longlines/fault"
	"longlines/id"
	"longlines/wire"
)

// Problems gives every answer of next the request's id, and every error of it the one form that errors of
// the admin listener have, whoever wrote it: a handler, the router for want of one, or [Denied]
// (docs/reference/conventions.md §3.7). next is the number of a request; explained is where the pages of
// the error catalogue are, such as https://api.example.com, whose /errors/SVC0002 is one.
func Problems(number func() id.Number, explained string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := id.Request(number())
		w.Header().Set("X-Request-Id", name)
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
	d.Type, d.Status, d.Instance, d.Code = explained+f.Path(), p.status, name, f.Code
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
