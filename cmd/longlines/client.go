package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
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
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Errors []struct {
		Message   string `json:"message"`  // of the management API
		Location  string `json:"location"` //
		Detail    string `json:"detail"`   // of the sandbox API
		Pointer   string `json:"pointer"`
		Parameter string `json:"parameter"`
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
	resp, err := http.DefaultClient.Do(req)
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
	if resp.StatusCode/100 != 2 {
		return refusal(resp.StatusCode, r.path, b)
	}
	if out == nil || len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fail(exitFailed, "%s is no admin listener of longlines: its answer to %s is not JSON", c.admin, r.path)
	}
	return nil
}

// refusal turns a status and its problem document into an error that says what to do, with the right
// exit code.
func refusal(status int, path string, body []byte) error {
	var p problem
	text := http.StatusText(status)
	if json.Unmarshal(body, &p) == nil && (p.Detail != "" || p.Title != "") {
		text = p.Detail
		if text == "" {
			text = p.Title
		}
		for _, e := range p.Errors {
			if e.Message != "" {
				text += fmt.Sprintf("\n  %s: %s", strings.TrimPrefix(e.Location, "body."), e.Message)
			}
		}
		// The page of what the command itself was wrong about says no more than the detail.
		if ruled := status != http.StatusUnauthorized && status != http.StatusNotFound && status != http.StatusConflict && status != http.StatusUnprocessableEntity; ruled && p.Code != "" {
			text += "\nsee: longlines explain " + p.Code
		}
	} else if status == http.StatusNotFound && strings.HasPrefix(path, "/sandbox/") {
		return fail(exitNotFound, "this platform has no virtual network (sandbox.off), so it has no phones")
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
		for prefix, command := range map[string]string{"/admin/v1/apps": "app list", "/admin/v1/links": "link list",
			"/admin/v1/routes": "route list", "/admin/v1/quotas": "app list", "/admin/v1/consents/": "consent list"} {
			if strings.HasPrefix(path, prefix) {
				text += "\nsee: longlines " + command
			}
		}
	case http.StatusConflict:
		code = exitConflict
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		code = exitUnreachable
	}
	return fail(code, "%s", text)
}

// printJSON prints one document.
func (e *env) printJSON(v any) error {
	enc := json.NewEncoder(e.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table prints rows under a head, aligned.
func (e *env) table(head string, rows ...[]string) {
	w := tabwriter.NewWriter(e.out, 2, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(head, " ", "\t"))
	for _, r := range rows {
		for i, cell := range r {
			if cell == "" {
				r[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	w.Flush()
}
