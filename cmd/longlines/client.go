package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"longlines/app"
	"longlines/fault"
)

// server are the flags by which a client command finds the running platform.
type server struct {
	Admin string `help:"Admin URL of the running platform." placeholder:"URL" env:"LONGLINES_ADMIN"`
	Token string `help:"Admin token." placeholder:"T" env:"LONGLINES_ADMIN_TOKEN"`
	Data  string `help:"Data directory of the running platform." placeholder:"DIR" default:"longlines-data" env:"LONGLINES_DATA"`
}

// output is the flag of every command that prints data.
type output struct {
	Output string `help:"How to print: table or json." enum:"table,json" default:"table" short:"o"`
}

// JSON reports whether one JSON document is wanted.
func (o output) JSON() bool { return o.Output == "json" }

// client talks to the admin listener.
type client struct {
	e     *env
	admin string
	token string
	api   string // of the same platform, if known from its run file
}

// runFile is what a running platform leaves in its data directory; the same document as the ready file.
const runFile = "run.json"

// connect finds the platform: by the flags or their environment, else by the data directory.
func (s server) connect(e *env) (*client, error) {
	// A data directory that was named goes before a server that only the environment names.
	if s.Data != defaultData && s.Data != e.getenv("LONGLINES_DATA") && s.Admin == e.getenv("LONGLINES_ADMIN") {
		s.Admin = ""
		if s.Token == e.getenv("LONGLINES_ADMIN_TOKEN") {
			s.Token = ""
		}
	}
	c := &client{e: e, admin: strings.TrimRight(s.Admin, "/"), token: s.Token}
	if c.token == "" && c.admin != "" {
		if path := e.getenv("LONGLINES_ADMIN_TOKEN_FILE"); path != "" {
			b, err := os.ReadFile(path)
			if err != nil {
				return nil, fail(exitUsage, "LONGLINES_ADMIN_TOKEN_FILE: %w", err)
			}
			c.token = strings.TrimSpace(string(b))
		}
	}
	if c.admin != "" && !strings.Contains(c.admin, "://") {
		c.admin = "http://" + c.admin
	}
	b, err := os.ReadFile(filepath.Join(s.Data, runFile))
	if err != nil {
		if c.admin != "" {
			return c, nil
		}
		if errors.Is(err, os.ErrNotExist) {
			return nil, fail(exitUnreachable, "no running platform found in %s: start one with `longlines serve`, or name it with --admin URL --token T (LONGLINES_ADMIN, LONGLINES_ADMIN_TOKEN) or --data DIR", s.Data)
		}
		return nil, fail(exitUnreachable, "find the platform: %w", err)
	}
	var run struct {
		API   string `json:"api"`
		Admin string `json:"admin"`
		Token string `json:"admin_token"`
	}
	if err := json.Unmarshal(b, &run); err != nil {
		return nil, fail(exitUnreachable, "read %s: %w", filepath.Join(s.Data, runFile), err)
	}
	if c.admin == "" {
		c.admin = run.Admin
	}
	if c.admin == run.Admin { // the token of one platform is told to no other
		c.api = run.API
		if c.token == "" {
			c.token = run.Token
		}
	}
	return c, nil
}

// request is one call of the admin listener.
type request struct {
	method, path string
	query        url.Values
	in           any // the body, unless nil
}

// ask sends a request and prints the answer: the document as it came, or what people makes of it.
func ask[T any](e *env, s server, o output, r request, people func(T)) (T, error) {
	var v T
	c, err := s.connect(e)
	if err != nil {
		return v, err
	}
	var document json.RawMessage
	if err := c.do(r, &document); err != nil {
		return v, err
	}
	if err := json.Unmarshal(document, &v); err != nil {
		return v, fail(exitFailed, "answer of %s %s: %w", r.method, r.path, err)
	}
	if o.JSON() {
		return v, e.printJSON(document)
	}
	people(v)
	return v, nil
}

// deletion is what a deleting command takes and prints.
type deletion struct {
	server
	output
	Yes bool `help:"Do it; without this nothing is deleted."`
}

// run deletes what has a name, at a path.
func (d deletion) run(e *env, what, name, consequence string, r request) error {
	if !d.Yes {
		return fail(exitUsage, "deleting %s %q: %s; say --yes", what, name, consequence)
	}
	c, err := d.connect(e)
	if err != nil {
		return err
	}
	if err := c.do(r, nil); err != nil {
		return err
	}
	if d.JSON() {
		return e.printJSON(map[string]any{what: name, "deleted": true})
	}
	fmt.Fprintf(e.out, "%s %q is deleted\n", what, name)
	return nil
}

// problem is RFC 9457 as the admin listener answers it.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Errors []struct {
		Detail    string `json:"detail"`
		Pointer   string `json:"pointer"`   // into the body
		Parameter string `json:"parameter"` // of the query
	} `json:"errors"`
}

// do sends one request and decodes the answer into out, unless that is nil.
func (c *client) do(r request, out any) error {
	var body io.Reader
	if r.in != nil {
		b, err := json.Marshal(r.in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	u := c.admin + r.path
	if len(r.query) > 0 {
		u += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(c.e.ctx, r.method, u, body)
	if err != nil {
		return fail(exitUsage, "%w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if r.in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := direct(req)
	if err != nil {
		if c.e.ctx.Err() != nil {
			return c.e.ctx.Err()
		}
		return fail(exitUnreachable, "the platform does not answer at %s (is `longlines serve` running?): %w", c.admin, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		if c.e.ctx.Err() != nil {
			return c.e.ctx.Err()
		}
		return fail(exitUnreachable, "the answer of %s broke off: %w", c.admin, err)
	}
	if err := redirected(resp, "--admin", r.path); err != nil {
		return err
	}
	switch {
	case resp.StatusCode/100 != 2:
		return c.refusal(resp.StatusCode, r.path, b)
	case resp.StatusCode == http.StatusNoContent:
		return nil
	case !json.Valid(b):
		return c.stranger(resp.StatusCode, r.path)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fail(exitFailed, "answer of %s %s: %w", r.method, r.path, err)
	}
	return nil
}

// direct sends a request and follows no redirect: after most of them what was to be done by POST, PUT or DELETE would be
// asked for by GET instead (RFC 9110 §15.4), and its answer be taken for success.
func direct(req *http.Request) (*http.Response, error) {
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c.Do(req)
}

// redirected is the error of an answer that names another address; nil if it names none. flag says where the server is,
// path what was asked for there.
func redirected(resp *http.Response, flag, path string) error {
	to, err := resp.Location()
	if resp.StatusCode/100 != 3 || err != nil {
		return nil
	}
	do := "name the address of the platform itself with " + flag
	if base, same := strings.CutSuffix(to.EscapedPath(), path); same { // the same thing elsewhere, as http moved to https
		do = fmt.Sprintf("if that is where it is: %s %s://%s%s", flag, to.Scheme, to.Host, base)
	}
	return fail(exitUnreachable, "%s://%s answers %d %s and leads to %s; that is not followed, so nothing was done there\n%s",
		resp.Request.URL.Scheme, resp.Request.URL.Host, resp.StatusCode, http.StatusText(resp.StatusCode), to.Redacted(), do)
}

// stranger is the error of an answer that no admin listener gives.
func (c *client) stranger(status int, path string) error {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout: // of a proxy in front of one
		return fail(exitUnreachable, "the platform does not answer at %s: %d %s", c.admin, status, http.StatusText(status))
	}
	if strings.HasPrefix(path, "/sandbox/") {
		if err := c.do(request{method: http.MethodGet, path: "/admin/v1/status"}, nil); err != nil {
			return err
		}
		return fail(exitNotFound, "this platform has no virtual network (sandbox.off), so it has no phones")
	}
	return fail(exitUnreachable, "%s is no admin listener of longlines: it answers %d %s to %s\n`longlines serve` prints the address of one behind Console", c.admin, status, http.StatusText(status), path)
}

// obvious are the pages of the catalogue that say no more than the detail does.
var obvious = []*fault.Fault{fault.BadParameter, fault.BadToken, fault.NotFound}

// missing is what helps when a thing is not there, by the path at which it was looked for.
var missing = [][2]string{
	{"/admin/v1/links", "see: longlines link list"},
	{"/admin/v1/routes", "see: longlines route list"},
	{"/admin/v1/consents/", "see: longlines consent list"},
	{"/admin/v1/requests/", "a call is recorded within a second of its answer: of a new one, ask again"},
}

// refusal turns a status and its problem document into an error that says what to do, with the right
// exit code.
func (c *client) refusal(status int, path string, body []byte) error {
	var p problem
	if json.Unmarshal(body, &p) != nil || p.Title == "" {
		return c.stranger(status, path)
	}
	text := c.e.said(p)
	if p.Code != "" && !slices.ContainsFunc(obvious, func(f *fault.Fault) bool { return strings.HasSuffix(p.Type, f.Path()) }) {
		text += "\nsee: longlines explain " + p.Code
		if _, anchor, ok := strings.Cut(p.Type, "#"); ok {
			text += "#" + anchor
		}
	}
	code := exitFailed
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		code = exitUsage
	case http.StatusUnauthorized, http.StatusForbidden:
		code = exitUnauthorised
		if status == http.StatusUnauthorized {
			text += "\ngive it with --token, LONGLINES_ADMIN_TOKEN or --data DIR"
		}
	case http.StatusNotFound:
		code = exitNotFound
		if strings.HasSuffix(p.Detail, app.ErrUnknown.Error()) {
			text += "\nsee: longlines app list"
		}
		for _, m := range missing {
			if strings.HasPrefix(path, m[0]) {
				text += "\n" + m[1]
			}
		}
	case http.StatusConflict:
		code = exitConflict
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		code = exitUnreachable
	}
	return fail(code, "%s", text)
}

// said is what a problem says, in the words of the command line.
func (e *env) said(p problem) string {
	var lines []string
	for _, x := range p.Errors {
		place := cmp.Or(strings.TrimPrefix(x.Pointer, "/"), x.Parameter)
		part := place
		if end := strings.IndexAny(place, "/.["); end > 0 {
			part = place[:end]
		}
		if as := e.typed(part); as != part {
			place = as
		}
		line := x.Detail
		if place != "" {
			line = place + ": " + line
		}
		lines = append(lines, oneLine(line))
	}
	if len(lines) > 0 {
		return strings.Join(lines, "\n")
	}
	text := oneLine(cmp.Or(p.Detail, p.Title))
	if part, rest, ok := strings.Cut(text, ": "); ok { // as window: must be from 1 to 10000
		text = e.typed(part) + ": " + rest
	}
	return text
}

// otherwise are the parts of a request whose flag or argument has a name of its own.
var otherwise = map[string]string{"name": "as", "short_codes": "short-code", "keys": "keys-file", "password": "password-file", "msisdn": "number"}

// typed is a part of a request as the command that runs spells it; as it is, if it has none such.
func (e *env) typed(part string) string {
	if e.node == nil {
		return part
	}
	names := []string{strings.ReplaceAll(part, "_", "-"), otherwise[part]}
	for _, name := range names {
		for _, f := range slices.Concat(e.node.AllFlags(true)...) {
			if f.Name == name {
				return "--" + name
			}
		}
	}
	for _, a := range e.node.Positional {
		if slices.Contains(names, a.Name) {
			return a.Summary()
		}
	}
	return part
}
