package longlines_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestErrorsOfTheAdminListenerHaveOneForm: docs/reference/conventions.md §3.7, whoever answers.
func TestErrorsOfTheAdminListenerHaveOneForm(t *testing.T) {
	w := start(t, nil)
	bearer := map[string]string{"Authorization": "Bearer " + w.info.AdminToken, "Content-Type": "application/json", "X-Correlator": "trip-7/a:b"}
	for _, c := range []struct {
		name   string
		r      request
		status int
		page   string // of the catalogue
		say    string
	}{
		{"no token", request{http.MethodGet, "/admin/v1/apps", "", nil}, 401, "POL0001#token-invalid", "the admin token is needed"},
		{"no token for the virtual network", request{http.MethodGet, "/sandbox/v1/phones", "", nil}, 401, "POL0001#token-invalid", "the admin token is needed"},
		{"no such app", request{http.MethodGet, "/admin/v1/apps/nobody", "", bearer}, 404, "SVC0001#not-found", `"nobody": no such app`},
		{"no such path", request{http.MethodGet, "/admin/v1/nothing", "", bearer}, 404, "SVC0001#not-found", "there is nothing at /admin/v1/nothing"},
		{"no such path of the virtual network", request{http.MethodGet, "/sandbox/v1/nothing", "", bearer}, 404, "SVC0001#not-found", "nothing"},
		{"a method that is not there", request{http.MethodPatch, "/admin/v1/links/sandbox", "", bearer}, 405, "SVC0001#method-not-allowed", "possible: DELETE, GET, HEAD, PUT"},
		{"a name that is taken", request{http.MethodPost, "/admin/v1/apps", `{"name":"demo"}`, bearer}, 409, "SVC0002#malformed", "name: "},
		{"a body that is no JSON", request{http.MethodPost, "/admin/v1/apps", `{"name":`, bearer}, 400, "SVC0002#malformed", ""},
		{"a value that cannot be", request{http.MethodPost, "/admin/v1/apps", `{"name":"x","owner":"\u3164"}`, bearer}, 422, "SVC0002#malformed", "owner: "},
		{"a member that is unknown", request{http.MethodPost, "/admin/v1/apps", `{"name":"x","nmae":"y"}`, bearer}, 422, "SVC0002#malformed", "validation"},
		{"a body that is too large", request{http.MethodPost, "/admin/v1/apps", `{"name":"` + strings.Repeat("x", 70<<10) + `"}`, bearer}, 413, "SVC0002#body-too-large", ""},
		{"what a rule refuses", request{http.MethodPost, "/admin/v1/messages", `{"app":"demo","to":["+14255550113"],"text":"hi"}`, bearer}, 403, "POL0002#no-consent", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.do(w.info.Admin, c.r)
			var d struct {
				Type, Title, Detail, Instance, Code, Case string
				Status                                    int
			}
			if err := json.Unmarshal([]byte(a.body), &d); err != nil || a.header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%d %s %s %v", a.status, a.header.Get("Content-Type"), a.body, err)
			}
			page := w.info.API + "/errors/" + c.page
			code, anchor, _ := strings.Cut(c.page, "#")
			if a.status != c.status || d.Status != c.status || d.Type != page || d.Code != code || d.Case != anchor || d.Title == "" || !strings.Contains(d.Detail, c.say) {
				t.Errorf("%d %s, want %d of %s that says %q", a.status, a.body, c.status, page, c.say)
			}
			if id := a.header.Get("X-Request-Id"); !strings.HasPrefix(id, "req_") || d.Instance != id {
				t.Errorf("the request is %q, the instance %q", id, d.Instance)
			}
			if got := a.header.Get("X-Correlator"); got != c.r.header["X-Correlator"] {
				t.Errorf("the caller's correlator is answered by %q", got)
			}
			if got := a.header.Get("Link"); got != "<"+page+`>; rel="describedby"` {
				t.Errorf("Link: %s", got)
			}
			link, _, _ := strings.Cut(strings.TrimPrefix(page, w.info.API), "#")
			if e := w.do(w.info.API, request{http.MethodGet, link, "", nil}); e.status != http.StatusOK {
				t.Errorf("%s leads to %d", page, e.status)
			}
		})
	}
	if a := w.do(w.info.Admin, request{http.MethodGet, "/admin/v1/apps", "", bearer}); a.status != 200 || !strings.HasPrefix(a.header.Get("X-Request-Id"), "req_") || a.header.Get("Link") != "" {
		t.Errorf("of what works: %d %v", a.status, a.header)
	}
	var doc struct {
		Components struct {
			SecuritySchemes map[string]struct{ Type, Scheme string }
		}
		Security []map[string][]string
	}
	w.admin(http.MethodGet, "/admin/v1/openapi.json", nil, &doc)
	if doc.Components.SecuritySchemes["token"].Scheme != "bearer" || len(doc.Security) == 0 {
		t.Errorf("the document names no way to prove oneself: %+v", doc)
	}
}
