// Package wiretest plays recorded requests against a running server, byte for byte, and compares
// what comes back.
//
// A file holds one conversation over one connection. A request begins with a line ">>> title" and
// stands as it was recorded, in the recorded order of headers; what is expected follows "<<<":
//
//	# codekit-php asks for a token
//	>>> client_credentials
//	POST /oauth/v4/token HTTP/1.1
//	Host: {{host}}
//	Content-Length: 80
//	Content-Type: application/x-www-form-urlencoded
//
//	scope=SMS&grant_type=client_credentials&client_id=appkey&client_secret=appsecret
//	<<<
//	HTTP/1.1 200
//	Content-Type: application/json
//
//	{"access_token":"{{token}}","token_type":"bearer","expires_in":"{{int}}","refresh_token":"{{any}}"}
//
// In a request, {{name}} is replaced by a variable; {{length}} by the length of the body, for
// requests with variables in it. Lines of the head end with CRLF on the wire, those of the body as
// in the file, or with CRLF too if the title ends in "(crlf)". The last line end before "<<<" is not
// sent. With Expect: 100-continue the body waits for the interim answer.
//
// Of the answer, the status, the headers named, and the body are compared; "!Name" says that a
// header must be absent. A JSON body is compared as a value: "{{any}}" stands for anything, "{{int}}"
// for any whole number, any other "{{name}}" for the variable of that name, or, if there is none yet,
// for any text, which it becomes. A JSON body of {{any}} alone is not looked at. In other bodies, and
// in headers, the placeholders stand for any text. Lines that begin with # before the first request
// are comments.
package wiretest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wait is how long an answer may take before the test fails.
const wait = 15 * time.Second

// Run plays all *.http files of a directory against baseURL ("http://127.0.0.1:8100"), each with its
// own copy of vars, to which host is added.
func Run(t *testing.T, dir, baseURL string, vars map[string]string) {
	t.Helper()
	RunEach(t, dir, baseURL, func(*testing.T, string) map[string]string { return vars })
}

// RunEach is Run with variables made for each file: vars gets its name without the suffix.
func RunEach(t *testing.T, dir, baseURL string, vars func(t *testing.T, file string) map[string]string) {
	t.Helper()
	u, err := url.Parse(baseURL)
	if err != nil {
		t.Fatalf("base URL: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.http"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no *.http files in %s (%v)", dir, err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".http")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			talk, err := parse(string(text))
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			v := maps.Clone(vars(t, name))
			if v == nil {
				v = map[string]string{}
			}
			if _, ok := v["host"]; !ok {
				v["host"] = u.Host
			}
			play(t, u.Host, talk, v)
		})
	}
}

// exchange is one request and what is expected.
type exchange struct {
	title  string
	crlf   bool
	head   []string
	body   string
	status int
	want   []string // header lines
	answer string
}

func parse(text string) ([]exchange, error) {
	var list []exchange
	text = strings.ReplaceAll(text, "\r\n", "\n")
	blocks := strings.Split("\n"+text, "\n>>>")
	for i, b := range blocks {
		if i == 0 {
			for line := range strings.SplitSeq(b, "\n") {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
					return nil, fmt.Errorf("%q stands before the first request", line)
				}
			}
			continue
		}
		title, rest, _ := strings.Cut(b, "\n")
		ask, expect, ok := strings.Cut(rest, "\n<<<")
		if !ok {
			return nil, fmt.Errorf("request %q has no answer", strings.TrimSpace(title))
		}
		x := exchange{title: strings.TrimSpace(title)}
		if t, ok := strings.CutSuffix(x.title, "(crlf)"); ok {
			x.title, x.crlf = strings.TrimSpace(t), true
		}
		head, body, _ := strings.Cut(ask, "\n\n")
		x.head, x.body = strings.Split(strings.TrimSuffix(head, "\n"), "\n"), body
		_, expect, _ = strings.Cut(expect, "\n")
		ehead, ebody, _ := strings.Cut(expect, "\n\n")
		lines := strings.Split(strings.TrimSpace(ehead), "\n")
		fields := strings.Fields(lines[0])
		if len(fields) < 2 || !strings.HasPrefix(fields[0], "HTTP/") {
			return nil, fmt.Errorf("answer to %q begins with %q, not with a status line", x.title, lines[0])
		}
		var err error
		if x.status, err = strconv.Atoi(fields[1]); err != nil {
			return nil, fmt.Errorf("answer to %q: status %q", x.title, fields[1])
		}
		x.want, x.answer = lines[1:], strings.TrimSpace(ebody)
		list = append(list, x)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no request")
	}
	return list, nil
}

var placeholder = regexp.MustCompile(`\{\{([A-Za-z0-9_-]+)\}\}`)

func fill(s string, vars map[string]string) (string, error) {
	var missing error
	out := placeholder.ReplaceAllStringFunc(s, func(p string) string {
		name := p[2 : len(p)-2]
		v, ok := vars[name]
		if !ok && name != "length" {
			missing = fmt.Errorf("no value for %s", p)
		}
		if name == "length" {
			return p
		}
		return v
	})
	return out, missing
}

func play(t *testing.T, addr string, talk []exchange, vars map[string]string) {
	var conn net.Conn
	var r *bufio.Reader
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	for _, x := range talk {
		if conn == nil {
			c, err := net.DialTimeout("tcp", addr, wait)
			if err != nil {
				t.Fatalf("%s: %v", x.title, err)
			}
			conn, r = c, bufio.NewReader(c)
		}
		conn.SetDeadline(time.Now().Add(wait))
		res, body, err := x.send(conn, r, vars)
		if err != nil {
			t.Fatalf("%s: %v", x.title, err)
		}
		x.compare(t, res, body, vars)
		if res.Close {
			conn.Close()
			conn = nil
		}
	}
}

func (x exchange) send(conn net.Conn, r *bufio.Reader, vars map[string]string) (*http.Response, []byte, error) {
	body, err := fill(x.body, vars)
	if err != nil {
		return nil, nil, err
	}
	if x.crlf {
		body = strings.ReplaceAll(body, "\n", "\r\n")
	}
	head, err := fill(strings.Join(x.head, "\r\n")+"\r\n\r\n", vars)
	if err != nil {
		return nil, nil, err
	}
	head = strings.ReplaceAll(head, "{{length}}", strconv.Itoa(len(body)))
	method, _, _ := strings.Cut(head, " ")
	req := &http.Request{Method: method}
	if strings.Contains(strings.ToLower(head), "\r\nexpect: 100-continue") {
		if _, err := io.WriteString(conn, head); err != nil {
			return nil, nil, err
		}
		res, err := http.ReadResponse(r, req)
		if err != nil {
			return nil, nil, fmt.Errorf("wait for 100 Continue: %w", err)
		}
		if res.StatusCode != http.StatusContinue {
			b, err := io.ReadAll(res.Body)
			return res, b, err // refused before the body
		}
		head = ""
	}
	if _, err := io.WriteString(conn, head+body); err != nil {
		return nil, nil, err
	}
	res, err := http.ReadResponse(r, req)
	if err != nil {
		return nil, nil, fmt.Errorf("read the answer: %w", err)
	}
	b, err := io.ReadAll(res.Body)
	res.Body.Close()
	return res, b, err
}

func (x exchange) compare(t *testing.T, res *http.Response, body []byte, vars map[string]string) {
	t.Helper()
	if res.StatusCode != x.status {
		t.Errorf("%s: status %d, want %d; body %s", x.title, res.StatusCode, x.status, body)
		return
	}
	for _, line := range x.want {
		if name, ok := strings.CutPrefix(line, "!"); ok {
			if v, there := res.Header[http.CanonicalHeaderKey(strings.TrimSpace(name))]; there {
				t.Errorf("%s: header %s is there: %q", x.title, name, v)
			}
			continue
		}
		name, want, _ := strings.Cut(line, ":")
		got := strings.Join(res.Header.Values(strings.TrimSpace(name)), ", ")
		if !matchText(strings.TrimSpace(want), got, vars) {
			t.Errorf("%s: header %s is %q, want %q", x.title, name, got, strings.TrimSpace(want))
		}
	}
	switch {
	case x.answer == "{{any}}":
	case strings.HasPrefix(x.answer, "{") || strings.HasPrefix(x.answer, "["):
		want, err := decode([]byte(x.answer))
		if err != nil {
			t.Fatalf("%s: expected body: %v", x.title, err)
		}
		got, err := decode(body)
		if err != nil {
			t.Errorf("%s: body is no JSON: %v: %s", x.title, err, body)
			return
		}
		if at, ok := matchJSON("$", want, got, vars); !ok {
			t.Errorf("%s: at %s\ngot  %s\nwant %s", x.title, at, body, x.answer)
		}
	default:
		if !matchText(x.answer, strings.TrimSpace(string(body)), vars) {
			t.Errorf("%s: body\ngot  %s\nwant %s", x.title, body, x.answer)
		}
	}
}

func decode(b []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("data after the document")
	}
	return v, nil
}

// matchJSON reports where two values differ.
func matchJSON(at string, want, got any, vars map[string]string) (string, bool) {
	switch w := want.(type) {
	case string:
		m := placeholder.FindStringSubmatch(w)
		if m == nil {
			return at, w == got
		}
		if m[0] != w {
			s, ok := got.(string)
			return at, ok && matchText(w, s, vars)
		}
		switch m[1] {
		case "any":
			return at, true
		case "int":
			n, ok := got.(json.Number)
			if !ok {
				return at, false
			}
			_, err := n.Int64()
			return at, err == nil
		}
		s, ok := got.(string)
		if have, known := vars[m[1]]; known {
			return at, ok && s == have
		}
		if ok {
			vars[m[1]] = s
		}
		return at, ok && s != ""
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return at, false
		}
		for _, k := range slices.Sorted(maps.Keys(w)) {
			v, there := g[k]
			if !there {
				return at + "." + k + " (missing)", false
			}
			if where, ok := matchJSON(at+"."+k, w[k], v, vars); !ok {
				return where, false
			}
		}
		for _, k := range slices.Sorted(maps.Keys(g)) {
			if _, there := w[k]; !there {
				return at + "." + k + " (not expected)", false
			}
		}
		return at, true
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return at + " (length)", false
		}
		for i := range w {
			if where, ok := matchJSON(at+"["+strconv.Itoa(i)+"]", w[i], g[i], vars); !ok {
				return where, false
			}
		}
		return at, true
	}
	return at, reflect.DeepEqual(want, got)
}

// matchText compares text in which placeholders stand for known variables or for anything.
func matchText(want, got string, vars map[string]string) bool {
	var names []string
	var b strings.Builder
	b.WriteString("(?s)^")
	last := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(want, -1) {
		b.WriteString(regexp.QuoteMeta(want[last:m[0]]))
		last = m[1]
		name := want[m[2]:m[3]]
		if v, ok := vars[name]; ok {
			b.WriteString(regexp.QuoteMeta(v))
			continue
		}
		b.WriteString("(.+?)")
		names = append(names, name)
	}
	b.WriteString(regexp.QuoteMeta(want[last:]) + "$")
	m := regexp.MustCompile(b.String()).FindStringSubmatch(got)
	if m == nil {
		return false
	}
	for i, name := range names {
		if name != "any" && name != "int" {
			vars[name] = m[i+1]
		}
	}
	return true
}
