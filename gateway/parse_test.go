package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// FuzzClean: a cleaned path is one that ServeMux has no quarrel with.
func FuzzClean(f *testing.F) {
	for _, p := range []string{"/", "/a", "//a//b/", "/a/../b", "/a/./b", "/%2e%2e/a", "/a%2Fb", "/a/..%2f", "*", "/é", "/a%00b", "/.well-known/x"} {
		f.Add(p)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !clean(u) {
			return
		}
		p := u.EscapedPath()
		if !strings.HasPrefix(p, "/") || strings.Contains(p, "//") || len(p) > 1 && strings.HasSuffix(p, "/") {
			t.Fatalf("%q became %q", target, p)
		}
		if _, pattern := mux.Handler(&http.Request{Method: "GET", URL: u}); pattern != "/" {
			t.Fatalf("%q became %q, which matches %q", target, p, pattern)
		}
		before := p
		if !clean(u) || u.EscapedPath() != before {
			t.Fatalf("%q became %q and then %q", target, before, u.EscapedPath())
		}
	})
}

func FuzzIdempotencyKey(f *testing.F) {
	for _, k := range []string{"one", `"one"`, `"a\"b"`, `"`, "", " x ", `"a\`, "é", strings.Repeat("k", 300)} {
		f.Add(k)
	}
	f.Fuzz(func(t *testing.T, line string) {
		key, present, err := idempotencyKey(http.Header{headerKey: {line}})
		if !present || err == nil && (key == "" || len(key) > maxKey) {
			t.Fatalf("%q gives %q, %v", line, key, err)
		}
	})
}

func TestIdempotencyKeyUnquotes(t *testing.T) {
	for line, want := range map[string]string{"one": "one", `"one"`: "one", `"a\"b\\c"`: `a"b\c`, " padded\t": "padded", "with blank": "with blank"} {
		if got, _, err := idempotencyKey(http.Header{headerKey: {line}}); err != nil || got != want {
			t.Errorf("%q gives %q, %v", line, got, err)
		}
	}
}
