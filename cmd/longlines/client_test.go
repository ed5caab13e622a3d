package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What a healthy platform does not answer: these tests, and others of this package, run against answers that are
// given here.

// at runs a command line against a handler.
func at(t *testing.T, h http.Handler, args ...string) (code int, out, errs string) {
	t.Helper()
	s := httptest.NewServer(h)
	defer s.Close()
	var o, e bytes.Buffer
	code = run(context.Background(), append(args, "--admin", s.URL, "--token", "t", "--data", t.TempDir()), &o, &e, nil)
	return code, o.String(), e.String()
}

func TestWhatIsNoAnswerOfAnAdminListenerIsToldSo(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		say    string
	}{
		{"a page", http.StatusOK, "<!doctype html>", "is no admin listener of longlines: it answers 200 OK to /admin/v1/apps"},
		{"a page that is not there", http.StatusNotFound, "<!doctype html>", "is no admin listener of longlines"},
		{"a refusal in another form", http.StatusUnauthorized, `{"error":"invalid_token"}`, "is no admin listener of longlines"},
		{"a proxy whose platform is down", http.StatusBadGateway, "", "the platform does not answer at http"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := at(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			}), "app", "list")
			if code != exitUnreachable || out != "" || !strings.Contains(errs, c.say) || strings.Contains(errs, "app list") {
				t.Fatalf("exit code %d, %q, %q", code, out, errs)
			}
		})
	}
}

func TestRefusalsNameTheFlag(t *testing.T) {
	for _, c := range []struct{ name, errors, want string }{
		{"of the query", `[{"detail":"expected number >= 1","parameter":"limit"}]`, "--limit: expected number >= 1\n"},
		{"of the body, an element of a list", `[{"detail":"is none","pointer":"/short_codes/0"}]`, "--short-code: is none\n"},
		{"that no flag is for", `[{"detail":"is none","pointer":"/quirks/ids"}]`, "quirks/ids: is none\n"},
		{"several", `[{"detail":"is none","pointer":"/level"},{"detail":"is empty","pointer":"/name"}]`, "--level: is none\n--name: is empty\n"},
		{"none, but in words", `[]`, "--redirect-uri: must be absolute\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"app", "create", "--name", "x"}
			if strings.Contains(c.want, "--limit") {
				args = []string{"logs"}
			}
			code, _, errs := at(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusUnprocessableEntity)
				fmt.Fprintf(w, `{"type":"http://x/errors/SVC0002#malformed","title":"t","code":"SVC0002","detail":"redirect_uri: must be absolute","errors":%s}`, c.errors)
			}), args...)
			if code != exitUsage || errs != "longlines: "+c.want {
				t.Fatalf("exit code %d, %q", code, errs)
			}
		})
	}
}
