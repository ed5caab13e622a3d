package adminv1_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"longlines/api/adminv1"
	"longlines/id"
)

// entry is what a problem document says of one part of a request.
type entry struct {
	Detail, Pointer, Parameter string
}

type problemAnswer struct {
	Type, Title, Detail, Code, Case string
	Errors                          []entry
}

// at are the places that a problem document names.
func (p problemAnswer) at() (places []string) {
	for _, e := range p.Errors {
		places = append(places, e.Pointer+e.Parameter)
	}
	return places
}

// TestErrorsNameTheirPlace: RFC 9457 §3, RFC 6901.
func TestErrorsNameTheirPlace(t *testing.T) {
	s := open(t)
	s.call("POST", "/admin/v1/apps", `{"name":"pizza","scopes":["IMMN"],"short_codes":["48507"]}`, 201, nil)
	s.consent("pizza", alice, "IMMN", "pin")
	var consents consentPage
	s.call("GET", "/admin/v1/consents", "", 200, &consents)
	const app = `{"name":"x","key":"k","secret":"x-secret-1"`
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		at                 []string
	}{
		"a value of an enumeration":          {"POST", "/apps", `{"name":"x","level":"gold"}`, 422, []string{"/level"}},
		"two at once":                        {"POST", "/apps", `{"name":"","level":"gold"}`, 422, []string{"/level", "/name"}},
		"a member that is unknown":           {"POST", "/apps", `{"name":"x","a/b~c":1}`, 422, []string{"/a~1b~0c"}},
		"in a list of objects":               {"POST", "/apps/import", `{"apps":[` + app + `},` + app + `,"scopes":["SMS",7]}]}`, 422, []string{"/apps/1/scopes/1"}},
		"a rule of apps":                     {"POST", "/apps", `{"name":"x","owner":"\u3164"}`, 422, []string{"/owner"}},
		"a rule of apps, in a list":          {"POST", "/apps/import", `{"apps":[` + app + `},` + app + `,"wait_for_verdict":"soon"}]}`, 422, []string{"/apps/1/wait_for_verdict"}},
		"a name that is taken":               {"POST", "/apps", `{"name":"Pizza"}`, 409, []string{"/name"}},
		"a short code that is taken":         {"POST", "/apps", `{"name":"x","short_codes":["48507"]}`, 409, []string{"/short_codes"}},
		"a name that a promotion asks for":   {"POST", "/apps/pizza/promote", `{"name":"pizza"}`, 409, []string{"/name"}},
		"a rule of links":                    {"POST", "/links", `{"name":"lab","host":"h","port":70000,"system_id":"x"}`, 422, []string{"/port"}},
		"a rule of links, deeper":            {"POST", "/links", `{"name":"lab","host":"h","port":2775,"system_id":"x","quirks":{"ids":"x"}}`, 422, []string{"/quirks/ids"}},
		"a rule of routes":                   {"POST", "/routes", `{"prefix":"+x","link":"lab"}`, 422, []string{"/prefix"}},
		"a rule of routes, in the query":     {"DELETE", "/routes?prefix=x", "", 422, []string{"prefix"}},
		"a parameter that is unknown":        {"GET", "/apps?colour=red", "", 422, []string{"colour"}},
		"a parameter out of range":           {"GET", "/apps?limit=501", "", 422, []string{"limit"}},
		"a page that is none":                {"GET", "/audit?before=x", "", 422, []string{"before"}},
		"a number in the path":               {"GET", "/subscribers/alice", "", 422, []string{"msisdn"}},
		"a number in the query":              {"GET", "/consents?subscriber=alice", "", 422, []string{"subscriber"}},
		"a scope that is not covered":        {"DELETE", "/consents/" + consents.Consents[0].ID + "?scope=SMS", "", 422, []string{"scope"}},
		"a number in a list":                 {"POST", "/messages", `{"app":"pizza","to":["+14255550100","x"],"text":"hi"}`, 422, []string{"/to/1"}},
		"a text that is empty":               {"POST", "/messages", `{"app":"pizza","to":["+14255550100"],"text":""}`, 422, []string{"/text"}},
		"a text that is none":                {"POST", "/messages", `{"app":"pizza","to":["+14255550100"],"text":"\u0001"}`, 422, []string{"/text"}},
		"a number for the test of the rules": {"GET", "/routes/test?from=48507&to=x", "", 422, []string{"to"}},
	} {
		t.Run(name, func(t *testing.T) {
			var p problemAnswer
			body := s.call(c.method, "/admin/v1"+c.path, c.body, c.status, &p)
			if !slices.Equal(p.at(), c.at) {
				t.Fatalf("%q, want %q: %s", p.at(), c.at, body)
			}
			for _, e := range p.Errors {
				if e.Detail == "" || e.Pointer != "" && e.Parameter != "" {
					t.Errorf("%+v", e)
				}
			}
		})
	}
	t.Run("a rule that names nothing that was sent", func(t *testing.T) {
		var p problemAnswer
		s.call("POST", "/admin/v1/apps", `{"name":"live","level":"production"}`, 201, nil)
		if body := s.call("POST", "/admin/v1/apps/live/promote", `{"name":"y"}`, 422, &p); len(p.Errors) != 0 || !strings.HasPrefix(p.Detail, "level: ") {
			t.Error(body)
		}
	})
	t.Run("what was sent is not said again", func(t *testing.T) {
		if body := s.call("POST", "/admin/v1/links", `{"name":"lab","host":"h","port":2775,"system_id":"x","password":["pa55w0rd"]}`, 422, nil); strings.Contains(body, "pa55") {
			t.Error(body)
		}
	})
	t.Run("the document says so", func(t *testing.T) {
		var doc struct {
			Components struct {
				Schemas map[string]struct{ Properties map[string]json.RawMessage }
			}
		}
		s.call("GET", "/admin/v1/openapi.json", "", 200, &doc)
		of := func(schema string, names ...string) {
			for _, n := range names {
				if doc.Components.Schemas[schema].Properties[n] == nil {
					t.Errorf("%s has no %s", schema, n)
				}
			}
		}
		of("ErrorModel", "type", "title", "status", "detail", "instance", "code", "case", "errors")
		of("ErrorDetail", "detail", "pointer", "parameter")
		if doc.Components.Schemas["ErrorDetail"].Properties["value"] != nil {
			t.Error("ErrorDetail has the value that was sent")
		}
	})
}

func TestARuleThatAppsHaveTooIsSaidForOperators(t *testing.T) {
	s := open(t)
	s.call("POST", "/admin/v1/apps", `{"name":"mute"}`, 201, nil)
	s.call("POST", "/admin/v1/apps", `{"name":"pizza","short_codes":["48507"]}`, 201, nil)
	s.call("PUT", "/admin/v1/subscribers/+14255550100/optouts?app=pizza", "", 200, nil)
	for name, c := range map[string]struct {
		app, to   string
		status    int
		page, say string
	}{
		"no short code": {"mute", "+14255550100", 400, "SVC0001#dependency", `The app has no short code to send from. longlines app set "mute" --short-code CODE gives it one.`},
		"no route":      {"pizza", "+14255550101", 400, "SVC0001#dependency", "No route to the destination. longlines route test --from 48507 --to NUMBER --level sandbox shows why."},
		"opted out":     {"pizza", "+14255550100", 403, "POL0002#no-consent", "tel:+14255550100: The app lacks the user's consent: "},
	} {
		t.Run(name, func(t *testing.T) {
			var p problemAnswer
			body := s.call("POST", "/admin/v1/messages", `{"app":"`+c.app+`","to":["`+c.to+`"],"text":"hi"}`, c.status, &p)
			if p.Code+"#"+p.Case != c.page || !strings.HasSuffix(p.Type, "/errors/"+c.page) || !strings.HasPrefix(p.Detail, c.say) || strings.Contains(p.Detail, "  ") {
				t.Error(body)
			}
		})
	}
}

// TestACorrelatorIsEchoed: docs/reference/conventions.md §3.9.
func TestACorrelatorIsEchoed(t *testing.T) {
	h := adminv1.Problems(func() id.Number { return 1 }, "https://api.example.com", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/none" {
			http.NotFound(w, r)
		}
	}))
	for _, path := range []string{"/", "/none"} {
		for sent, want := range map[string]string{"trip-7/a:b": "trip-7/a:b", "a b": "", strings.Repeat("x", 257): ""} {
			r, w := httptest.NewRequest(http.MethodGet, path, nil), httptest.NewRecorder()
			r.Header.Set("X-Correlator", sent)
			h.ServeHTTP(w, r)
			if got := w.Header().Get("X-Correlator"); got != want {
				t.Errorf("%s: %q is answered by %q", path, sent, got)
			}
		}
	}
}
