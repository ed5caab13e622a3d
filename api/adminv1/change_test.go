package adminv1_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

func TestAChangeOfAnAppNamesWhatChanges(t *testing.T) {
	s := open(t)
	set := jwks(t, false)
	s.call("POST", "/admin/v1/apps", `{"name":"pizza","secret":"pizza-secret-1"}`, 201, nil)
	s.call("POST", "/admin/v1/apps", `{"name":"signer","auth":"private_key_jwt","keys":`+set+`}`, 201, nil)
	const whole = `{"name":"pizza","auth":"secret","owner":"Inc.","scopes":["SMS","IMMN"],"short_codes":["48507"],"redirect_uri":"https://pizza.example/cb",` +
		`"on_network":true,"dpop":true,"introspect":true,"message_listener":"https://pizza.example/mo","status_listener":"https://pizza.example/dlr",` +
		`"notification_url":"https://pizza.example/n","wait_for_verdict":"2s"}`
	members := func(doc string) (m map[string]json.RawMessage) {
		t.Helper()
		if err := json.Unmarshal([]byte(doc), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	for name, value := range members(whole) { // each alone; what it says is there, and all else as it was
		t.Run(name, func(t *testing.T) {
			s.call("PUT", "/admin/v1/apps/pizza", `{"name":"pizza"}`, 200, nil)
			want := members(s.call("GET", "/admin/v1/apps/pizza", "", 200, nil))
			want[name] = value
			got := members(s.call("PATCH", "/admin/v1/apps/pizza", fmt.Sprintf("{%q:%s}", name, value), 200, nil))
			if len(got) != len(want) {
				t.Fatalf("%s, want %s", got, want)
			}
			for n, v := range want {
				if string(got[n]) != string(v) {
					t.Errorf("%s is %s, want %s", n, got[n], v)
				}
			}
		})
	}
	for name, empty := range map[string]string{"owner": `""`, "scopes": "[]", "short_codes": "[]", "redirect_uri": `""`, "on_network": "false", "dpop": "false", "introspect": "false",
		"message_listener": `""`, "status_listener": `""`, "notification_url": `""`, "wait_for_verdict": `""`} {
		for _, gone := range []string{empty, "null"} {
			t.Run(name+" "+gone, func(t *testing.T) {
				s.call("PUT", "/admin/v1/apps/pizza", whole, 200, nil)
				want := members(s.call("GET", "/admin/v1/apps/pizza", "", 200, nil))
				if want[name] == nil {
					t.Fatal("it was not there")
				}
				got := members(s.call("PATCH", "/admin/v1/apps/pizza", fmt.Sprintf("{%q:%s}", name, gone), 200, nil))
				if v := string(got[name]); v != "" && v != empty {
					t.Errorf("%s is %s", name, v)
				}
				delete(want, name)
				for n, v := range want {
					if string(got[n]) != string(v) {
						t.Errorf("%s is %s, want %s", n, got[n], v)
					}
				}
			})
		}
	}
	if ok, err := s.apps.CheckSecret(t.Context(), s.apps.ByName("pizza"), "pizza-secret-1"); err != nil || !ok {
		t.Fatal("the secret is another", err)
	}
	for _, c := range []struct {
		name, app, body string
		status          int
		say             string
	}{
		{"a key", "pizza", `{"key":"other"}`, 422, `"/key"`},
		{"a secret", "pizza", `{"secret":"pizza-secret-2"}`, 422, `"/secret"`},
		{"a level", "pizza", `{"level":"production"}`, 422, `"/level"`},
		{"a member that is misspelt", "pizza", `{"scope":["SMS"]}`, 422, `"/scope"`},
		{"no name", "pizza", `{"name":null}`, 422, `"/name"`},
		{"a scope that is none", "pizza", `{"scopes":["NONSENSE"]}`, 422, `"/scopes"`},
		{"a wait that is none", "pizza", `{"wait_for_verdict":"soon"}`, 422, `"/wait_for_verdict"`},
		{"a name that is taken", "pizza", `{"name":"Signer"}`, 409, `"/name"`},
		{"an app that is not there", "nobody", `{}`, 404, "no such app"},
		{"keys of an app with a secret", "pizza", `{"keys":` + set + `}`, 422, `"/keys"`},
		{"no keys of an app that signs", "signer", `{"keys":null}`, 422, `"/keys"`},
		{"the way of an app that signs, no keys", "pizza", `{"auth":"private_key_jwt"}`, 422, "keys: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := s.call("PATCH", "/admin/v1/apps/"+c.app, c.body, c.status, nil); !strings.Contains(got, c.say) {
				t.Errorf("%s does not say %s", got, c.say)
			}
		})
	}
	t.Run("keys stay with the way that they belong to", func(t *testing.T) {
		var a appAnswer
		if s.call("PATCH", "/admin/v1/apps/signer", `{"owner":"Inc."}`, 200, &a); a.Auth != "private_key_jwt" || string(a.Keys) != set {
			t.Fatalf("%+v", a)
		}
		other := jwks(t, false)
		if s.call("PATCH", "/admin/v1/apps/signer", `{"keys":`+other+`}`, 200, &a); string(a.Keys) != other {
			t.Fatalf("%+v", a)
		}
		a = appAnswer{}
		if s.call("PATCH", "/admin/v1/apps/signer", `{"auth":null}`, 200, &a); a.Auth != "secret" || a.Keys != nil || a.Owner != "Inc." {
			t.Fatalf("%+v", a)
		}
		if s.call("PATCH", "/admin/v1/apps/signer", `{"auth":"private_key_jwt","keys":`+set+`}`, 200, &a); a.Auth != "private_key_jwt" || string(a.Keys) != set {
			t.Fatalf("%+v", a)
		}
	})
	t.Run("the document says so", func(t *testing.T) {
		var doc struct {
			Paths map[string]map[string]struct {
				RequestBody struct{ Content map[string]json.RawMessage }
			}
			Components struct {
				Schemas map[string]struct {
					Required   []string
					Properties map[string]struct{ Type any }
				}
			}
		}
		s.call("GET", "/admin/v1/openapi.json", "", 200, &doc)
		if c := doc.Paths["/admin/v1/apps/{name}"]["patch"].RequestBody.Content; len(c) != 1 || c["application/merge-patch+json"] == nil {
			t.Errorf("it is sent as %s", c)
		}
		change := doc.Components.Schemas["AppChange"]
		if len(change.Required) != 0 || fmt.Sprint(change.Properties["owner"].Type, change.Properties["scopes"].Type, change.Properties["dpop"].Type) != "[string null] [array null] [boolean null]" {
			t.Errorf("%+v", change)
		}
	})
}

// TestChangesOfAnAppDoNotUndoEachOther: an operator who read the app before another one took scopes and a listener
// from it gives it neither back.
func TestChangesOfAnAppDoNotUndoEachOther(t *testing.T) {
	s := open(t)
	s.call("POST", "/admin/v1/apps", `{"name":"pizza","scopes":["SMS","IMMN"],"message_listener":"https://old.example/mo"}`, 201, nil)
	bodies := []string{`{"scopes":["SMS"]}`, `{"message_listener":"https://new.example/mo"}`, `{"owner":"Inc."}`, `{"dpop":true}`, `{"on_network":true}`, `{"short_codes":["48507"]}`}
	var wg sync.WaitGroup
	for _, body := range bodies {
		wg.Go(func() {
			req, err := http.NewRequest("PATCH", s.url+"/admin/v1/apps/pizza", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/merge-patch+json")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			if resp.Body.Close(); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", body, resp.Status)
			}
		})
	}
	wg.Wait()
	got := s.call("GET", "/admin/v1/apps/pizza", "", 200, nil)
	for _, body := range bodies {
		if !strings.Contains(got, strings.Trim(body, "{}")) {
			t.Errorf("%s is undone: %s", body, got)
		}
	}
}

func TestAnAppIsReplacedOnlyAsItWasRead(t *testing.T) {
	s := open(t)
	ask := func(method, match, body string, status int) (etag, answer string) {
		t.Helper()
		req, err := http.NewRequest(method, s.url+"/admin/v1/apps/pizza", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if match != "" {
			req.Header.Set("If-Match", match)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var doc json.RawMessage
		if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil || resp.StatusCode != status {
			t.Fatalf("%s with If-Match %s: %s, %v, %s", method, match, resp.Status, err, doc)
		}
		return resp.Header.Get("ETag"), string(doc)
	}
	s.call("POST", "/admin/v1/apps", `{"name":"pizza","scopes":["SMS","IMMN"]}`, 201, nil)
	read, shown := ask("GET", "", "", 200)
	if again, _ := ask("GET", "", "", 200); !strings.HasPrefix(read, `"`) || again != read {
		t.Fatalf("%s, then %s", read, again)
	}
	revoked, _ := ask("PUT", read, `{"name":"pizza","scopes":["SMS"]}`, 200)
	if now, _ := ask("GET", "", "", 200); now != revoked || now == read {
		t.Fatalf("%s after %s, but %s is shown", revoked, read, now)
	}
	for _, c := range []struct{ method, body string }{{"PUT", shown}, {"PATCH", `{"scopes":["SMS","IMMN"]}`}} {
		for _, match := range []string{read, "W/" + revoked, `"x", ` + read, revoked[1:]} {
			before := s.newest()
			_, doc := ask(c.method, match, c.body, 412)
			var p problemAnswer
			if err := json.Unmarshal([]byte(doc), &p); err != nil || len(p.Errors) != 1 || p.Errors[0].Parameter != "If-Match" ||
				!strings.Contains(p.Detail, revoked) || !strings.Contains(p.Detail, match) {
				t.Errorf("%v %s", err, doc)
			}
			if s.newest().Seq != before.Seq {
				t.Error("what was refused has an entry")
			}
		}
	}
	if a := s.apps.ByName("pizza"); len(a.Scopes) != 1 {
		t.Fatalf("%+v has a scope back", a)
	}
	last := revoked
	for _, c := range []struct{ method, body string }{{"PUT", `{"name":"pizza"}`}, {"PATCH", `{"owner":"Inc."}`}} {
		for _, match := range []string{"%s", `"x" , %s`, "*%.0s", ""} {
			if match != "" {
				match = fmt.Sprintf(match, last)
			}
			now, _ := ask(c.method, match, c.body, 200)
			if now == last {
				t.Errorf("%s with If-Match %s: still %s", c.method, match, now)
			}
			last = now
		}
	}
}
