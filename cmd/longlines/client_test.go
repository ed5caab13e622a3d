package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
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

func TestARedirectIsToldAndNotFollowed(t *testing.T) {
	asked := func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was asked for", r.Method, r.URL) }
	other := httptest.NewServer(http.HandlerFunc(asked))
	defer other.Close()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		for _, args := range [][]string{
			{"app", "list"},
			{"app", "create", "--name", "pizza"},
			{"app", "set", "pizza", "--owner", "Inc."},
			{"app", "delete", "pizza", "--yes"},
			{"link", "delete", "east", "--yes"},
			{"route", "add", "--prefix", "+1", "--link", "east"},
			{"subscriber", "optout", "+14255550100"},
			{"send", "sms", "--app", "pizza", "--to", "+14255550100", "--text", "hi"},
			{"phone", "list"},
		} {
			code, out, errs := at(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, other.URL+r.URL.RequestURI(), status) // as to https
			}), args...)
			if code != exitUnreachable || out != "" || !strings.Contains(errs, "leads to "+other.URL+"/") || !strings.HasSuffix(errs, ": --admin "+other.URL+"\n") {
				t.Errorf("%d to %v: exit code %d, %q, %q", status, args, code, out, errs)
			}
		}
	}
	for _, c := range []struct {
		name, to, say string
		args          []string
	}{
		{"behind a path", other.URL + "/base/admin/v1/apps", "--admin " + other.URL + "/base\n", []string{"app", "list"}},
		{"on the same server", "/base/admin/v1/apps", "/base\n", []string{"app", "list"}},
		{"to a sign-in", other.URL + "/login?next=x", "leads to " + other.URL + "/login?next=x; that is not followed, so nothing was done there\nname the address of the platform itself with --admin\n",
			[]string{"app", "list"}},
		{"of a token", other.URL + "/oauth/v4/token", "--api " + other.URL + "\n", []string{"bench", "sms"}},
		{"that says not where", "", "is no admin listener of longlines: it answers 302 Found", []string{"app", "list"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/base") || r.URL.Path == "/metrics" {
					asked(w, r)
				}
				if c.to != "" {
					w.Header().Set("Location", c.to)
				}
				w.WriteHeader(http.StatusFound)
			}))
			defer s.Close()
			flag := "--admin"
			if c.args[0] == "bench" {
				flag = "--api"
			}
			var out, errs bytes.Buffer
			code := run(context.Background(), append(c.args, flag, s.URL, "--data", t.TempDir()), &out, &errs, nil)
			if code != exitUnreachable || out.Len() > 0 || !strings.Contains(errs.String(), c.say) {
				t.Errorf("exit code %d, %q, %q", code, out.String(), errs.String())
			}
		})
	}
}

// TestAChangeOfAnAppSaysOnlyWhatChanges: what it does not say it cannot undo.
func TestAChangeOfAnAppSaysOnlyWhatChanges(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(keys, []byte(`{"keys":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--owner", "Inc."}, `{"owner":"Inc."}`},
		{[]string{"--as", "Pizzeria", "--no-dpop"}, `{"dpop":false,"name":"Pizzeria"}`},
		{[]string{"--scopes", "", "--short-code", ""}, `{"scopes":[],"short_codes":[]}`},
		{[]string{"--scopes", "SMS IMMN", "--message-listener", ""}, `{"message_listener":"","scopes":["SMS","IMMN"]}`},
		{[]string{"--auth", "private_key_jwt", "--keys-file", keys}, `{"auth":"private_key_jwt","keys":{"keys":[]}}`},
		{[]string{"--redirect-uri", "r", "--status-listener", "s", "--notification-url", "n", "--on-network", "--introspect", "--wait-for-verdict", "0s"},
			`{"introspect":true,"notification_url":"n","on_network":true,"redirect_uri":"r","status_listener":"s","wait_for_verdict":"0s"}`},
	} {
		var asked []string
		code, _, errs := at(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			asked = append(asked, r.Method+" "+r.URL.Path+" "+string(body))
			fmt.Fprint(w, `{"name":"pizza"}`)
		}), append([]string{"app", "set", "pizza"}, c.args...)...)
		if want := []string{"PATCH /admin/v1/apps/pizza " + c.want}; code != 0 || !slices.Equal(asked, want) {
			t.Errorf("%q: exit code %d, %q, %q", c.args, code, asked, errs)
		}
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
