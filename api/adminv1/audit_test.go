package adminv1_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"longlines/app"
	"longlines/audit"
	"longlines/oauth"
)

// act is one operation done once.
type act struct {
	method, template string
	path, body       string // path "": the template
	status           int
	object           string // what the entry is of; "": app pizza
}

func TestEveryChangeLeavesItsEntryAndNoSecret(t *testing.T) {
	s := open(t)
	const (
		chosen   = "chosen-secret-1"
		imported = "fedcba9876543210"
		password = "pa55w0rd"
		words    = "meet me at eight"
	)
	const pizza, lab, number = "/admin/v1/apps/pizza", "/admin/v1/links/lab", "/admin/v1/subscribers/+14255550100"
	set := jwks(t, false)
	consents := func() string {
		c := s.consent("pizza", alice, "IMMN,MIM", oauth.HowPIN)
		return "/admin/v1/consents/" + s.store.Sealer().Seal(c.ID).String()
	}
	browser := func() string {
		if _, _, err := s.people.Remember(context.Background(), oauth.Person{Subscriber: alice, Level: app.LevelSandbox, How: oauth.HowPIN}, "Firefox", oauth.SessionLife); err != nil {
			t.Fatal(err)
		}
		return number + "/browsers"
	}
	oneBrowser := func() string {
		all := browser()
		var sub subscriberAnswer
		s.call("GET", number, "", 200, &sub)
		return all + "/" + sub.Browsers[0].ID
	}
	link := `{"name":"lab","network":"virtual","host":"127.0.0.1","port":2775,"system_id":"sandbox","password":"` + password + `"}`
	acts := []struct {
		act
		late func() string // the path, made when it is needed
	}{
		{act: act{"POST", "/admin/v1/apps", "", `{"name":"pizza","secret":"` + chosen + `","scopes":["SMS","IMMN","MIM"],"short_codes":["48507"]}`, 201, ""}},
		{act: act{"POST", "/admin/v1/apps", "", `{"name":"signer","auth":"private_key_jwt","keys":` + set + `}`, 201, "app signer"}},
		{act: act{"PUT", "/admin/v1/apps/{name}", pizza, `{"name":"pizza","scopes":["SMS","IMMN","MIM"],"short_codes":["48507"],"owner":"Inc."}`, 200, ""}},
		{act: act{"PATCH", "/admin/v1/apps/{name}", pizza, `{"message_listener":"","status_listener":null,"on_network":false}`, 200, ""}},
		{act: act{"PATCH", "/admin/v1/apps/{name}", "/admin/v1/apps/signer", `{"keys":` + set + `}`, 200, "app signer"}},
		{act: act{"PUT", "/admin/v1/apps/{name}/quotas/{api}", pizza + "/quotas/SMS", `{"per_minute":9}`, 200, ""}},
		{act: act{"POST", "/admin/v1/apps/{name}/rotate", pizza + "/rotate", "", 200, ""}},
		{act: act{"POST", "/admin/v1/apps/{name}/promote", pizza + "/promote", `{}`, 201, ""}},
		{act: act{"POST", "/admin/v1/apps/import", "", `{"apps":[{"name":"old","key":"old-key","secret":"` + imported + `"}]}`, 200, "app old"}},
		{act: act{"POST", "/admin/v1/links", "", link, 201, "link lab"}},
		{act: act{"PUT", "/admin/v1/links/{name}", lab, link, 200, "link lab"}},
		{act: act{"POST", "/admin/v1/links/{name}/pause", lab + "/pause", "", 200, "link lab"}},
		{act: act{"POST", "/admin/v1/links/{name}/resume", lab + "/resume", "", 200, "link lab"}},
		{act: act{"POST", "/admin/v1/links/{name}/test", lab + "/test", "", 200, "link lab"}},
		{act: act{"POST", "/admin/v1/routes", "", `{"prefix":"+1","link":"lab"}`, 201, "route +1"}},
		{act: act{"POST", "/admin/v1/messages", "", `{"app":"pizza","to":["+14255550100"],"text":"` + words + `"}`, 201, ""}},
		{act: act{"PUT", "/admin/v1/subscribers/{msisdn}/optouts", number + "/optouts?app=pizza", "", 200, "subscriber +14255550100"}},
		{act: act{"DELETE", "/admin/v1/subscribers/{msisdn}/optouts", number + "/optouts?app=pizza", "", 204, "subscriber +14255550100"}},
		{act: act{"DELETE", "/admin/v1/consents/{id}", "", "", 204, ""}, late: consents},
		{act: act{"DELETE", "/admin/v1/subscribers/{msisdn}/browsers/{id}", "", "", 204, "subscriber +14255550100"}, late: oneBrowser},
		{act: act{"DELETE", "/admin/v1/subscribers/{msisdn}/browsers", "", "", 204, "subscriber +14255550100"}, late: browser},
		{act: act{"DELETE", "/admin/v1/routes", "/admin/v1/routes?prefix=%2B1", "", 204, "route +1"}},
		{act: act{"DELETE", "/admin/v1/links/{name}", lab, "", 204, "link lab"}},
		{act: act{"DELETE", "/admin/v1/apps/{name}", pizza, "", 204, ""}},
	}

	// The document tells what there is, so that nobody can add an operation and forget this.
	var document struct{ Paths map[string]map[string]any }
	s.call("GET", "/admin/v1/openapi.json", "", 200, &document)
	for path, methods := range document.Paths {
		for method := range methods {
			method = strings.ToUpper(method)
			if method == http.MethodGet {
				continue
			}
			if !slices.ContainsFunc(acts, func(a struct {
				act
				late func() string
			}) bool {
				return a.method == method && a.template == path
			}) {
				t.Errorf("%s %s is not tried here", method, path)
			}
		}
	}

	secrets := []string{chosen, imported, password, words, "argon2", `"x"`}
	for _, a := range acts {
		path := a.path
		if a.late != nil {
			path = a.late()
		} else if path == "" {
			path = a.template
		}
		before := s.newest()
		answer := s.call(a.method, path, a.body, a.status, nil)
		var shown struct{ Secret string }
		if json.Unmarshal([]byte(answer), &shown) == nil && shown.Secret != "" {
			secrets = append(secrets, shown.Secret)
		}
		e := s.newest()
		object := cmp.Or(a.object, "app pizza")
		if e.Seq != before.Seq+1 || e.Actor != "admin" || e.Action != a.method+" "+a.template || e.Object != object {
			t.Errorf("%s %s left %d entries, the last %+v", a.method, path, e.Seq-before.Seq, e)
		}
		if a.body != "" && a.body != "{}" && !strings.Contains(e.Detail, `"`) {
			t.Errorf("%s %s: the detail is %q", a.method, path, e.Detail)
		}
	}
	if len(secrets) != 6+3 {
		t.Errorf("%d secrets were shown, want those of the app made, rotated and promoted", len(secrets)-6)
	}
	list := s.call("GET", "/admin/v1/audit?limit=500", "", 200, nil)
	for _, w := range secrets {
		if strings.Contains(list, w) {
			t.Errorf("the audit log holds %q: %s", w, list)
		}
	}
	for _, w := range []string{`"per_minute":9`, `{"message_listener":"","on_network":false,"status_listener":""}`, `{"keys":"[not shown]"}`, `"app":["pizza"]`, `"prefix":["+1"]`, `"short_codes":["48507"]`, `"system_id":"sandbox"`, `"api":"SMS"`, `"browser":"`, `"scopes":"IMMN,MIM","subscriber":"+14255550100"`} {
		if !strings.Contains(list, w) {
			t.Errorf("the audit log does not hold %s: %s", w, list)
		}
	}
	if n, bad, ok, err := s.store.VerifyAudit(context.Background()); err != nil || !ok || n != int64(len(acts)) {
		t.Errorf("verify: %d %+v %v %v", n, bad, ok, err)
	}
}

// newest is the last entry.
func (s *site) newest() audit.Entry {
	s.t.Helper()
	list, err := s.store.Audit(context.Background(), audit.Filter{Limit: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(list) == 0 {
		return audit.Entry{}
	}
	return list[0]
}

func TestWhatChangesNothingLeavesNoEntry(t *testing.T) {
	s := open(t)
	s.call("POST", "/admin/v1/apps", `{"name":"pizza","key":"pizza-key","secret":"pizza-secret-1","short_codes":["48507"]}`, 201, nil)
	s.call("POST", "/admin/v1/apps", `{"name":"pasta"}`, 201, nil)
	s.consent("pizza", alice, "IMMN", oauth.HowPIN)
	for _, a := range []act{
		{"POST", "a name that is taken", "/admin/v1/apps", `{"name":"pizza"}`, 409, ""},
		{"POST", "a body that is malformed", "/admin/v1/apps", `{"name":`, 400, ""},
		{"PUT", "a level", "/admin/v1/apps/pizza", `{"name":"pizza","level":"production"}`, 422, ""},
		{"PATCH", "a member that cannot change", "/admin/v1/apps/pizza", `{"level":"production"}`, 422, ""},
		{"PATCH", "a name that another app has", "/admin/v1/apps/pizza", `{"name":"Pasta"}`, 409, ""},
		{"DELETE", "an app that is not there", "/admin/v1/apps/nobody", "", 404, ""},
		{"DELETE", "a consent that is not there", "/admin/v1/consents/00000000000000000000000000000000", "", 404, ""},
		{"POST", "a text that no link carries", "/admin/v1/messages", `{"app":"pizza","to":["+14255550100"],"text":"x"}`, 400, ""},
		{"POST", "a dry run", "/admin/v1/apps/import", `{"dry_run":true,"apps":[{"name":"old","key":"k","secret":"old-secret-1"}]}`, 200, ""},
		{"GET", "a list of masked numbers", "/admin/v1/consents", "", 200, ""},
		{"GET", "the audit log", "/admin/v1/audit", "", 200, ""},
	} {
		t.Run(a.template, func(t *testing.T) {
			before := s.newest()
			s.call(a.method, a.path, a.body, a.status, nil)
			if e := s.newest(); e.Seq != before.Seq {
				t.Fatalf("left %+v", e)
			}
		})
	}
}

func TestEachChangeOfAnOperationThatMakesSeveralHasAWholeEntry(t *testing.T) {
	s := open(t)
	ctx := context.Background()
	acts := func(after int64) (all []string) {
		t.Helper()
		list, err := s.store.Audit(ctx, audit.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range slices.Backward(list) {
			if e.Seq > after {
				all = append(all, strings.Join([]string{e.Actor, e.Action, e.Object, e.Detail}, " | "))
			}
		}
		return all
	}
	const one = `{"name":"%[1]s","key":"%[1]s-key","secret":"%[1]s-secret"}`
	s.call("POST", "/admin/v1/apps/import", fmt.Sprintf(`{"apps":[`+one+`]}`, "two"), 200, nil)
	before := s.newest().Seq
	s.call("POST", "/admin/v1/apps/import", `{"apps":[`+fmt.Sprintf(one+","+one+","+one+","+one, "one")+`]}`, 200, nil)
	if got := acts(before); len(got) != 1 {
		t.Errorf("of one app, said four times: %q", got)
	}
	before = s.newest().Seq
	var batch []string
	for _, name := range []string{"three", "two", "four", "five"} {
		batch = append(batch, fmt.Sprintf(one, name))
	}
	s.call("POST", "/admin/v1/apps/import", `{"apps":[`+strings.Join(batch, ",")+`]}`, 200, nil)
	var want []string
	for _, name := range []string{"three", "four", "five"} { // two is there
		want = append(want, fmt.Sprintf(`admin | POST /admin/v1/apps/import | app %[1]s | {"key":"%[1]s-key","name":"%[1]s","secret":"[not shown]"}`, name))
	}
	if got := acts(before); !slices.Equal(got, want) {
		t.Errorf("an import: %q", got)
	}

	for _, level := range []app.Level{app.LevelSandbox, app.LevelProduction} {
		if _, _, err := s.people.Remember(ctx, oauth.Person{Subscriber: alice, Level: level, How: oauth.HowPIN}, "Firefox", oauth.SessionLife); err != nil {
			t.Fatal(err)
		}
	}
	before = s.newest().Seq
	s.call("DELETE", "/admin/v1/subscribers/+14255550100/browsers", "", 204, nil)
	const out = "admin | DELETE /admin/v1/subscribers/{msisdn}/browsers | subscriber +14255550100 | "
	if got, want := acts(before), []string{out + `{"level":"production"}`, out + `{"level":"sandbox"}`}; !slices.Equal(got, want) {
		t.Errorf("the end of all browsers: %q", got)
	}
}

func TestWhatASubscriberDidIsFound(t *testing.T) {
	s := open(t)
	s.call("POST", "/admin/v1/apps", `{"name":"pizza","key":"pizza-key","scopes":["IMMN"],"redirect_uri":"https://pizza.example/cb"}`, 201, nil)
	ctx := context.Background()
	r, err := s.tokens.Authorize(ctx, url.Values{"client_id": {"pizza-key"}, "scope": {"IMMN"}})
	if err != nil {
		t.Fatal(err)
	}
	person := oauth.Person{Subscriber: alice, Level: app.LevelSandbox, How: oauth.HowPIN}
	if _, err := s.tokens.Approve(ctx, r, person, [32]byte{1}); err != nil {
		t.Fatal(err)
	}
	list, err := s.tokens.Consents(ctx, person)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if ok, err := s.tokens.Withdraw(ctx, list[0], nil, oauth.BySubscriber); !ok || err != nil {
		t.Fatal(ok, err)
	}
	for query, want := range map[string]string{
		"?actor=subscriber+%2B14255550100":                  "consent withdrawn, consent given",
		"?actor=subscriber+14255550100":                     "consent withdrawn, consent given", // a + that was taken for a blank
		"?actor=subscriber+%2B14255550100&object=app+pizza": "consent withdrawn, consent given",
		"?actor=subscriber+%2B14255550100&object=app+taxi":  "",
		"?actor=subscriber+%2B14255550101":                  "",
		"?actor=admin":                                      "POST /admin/v1/apps",
	} {
		var p auditPage
		s.call("GET", "/admin/v1/audit"+query, "", 200, &p)
		var got []string
		for _, e := range p.Entries {
			got = append(got, e.Action)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

type auditPage struct {
	Entries []struct {
		Seq                         int64
		Actor, Action, Object, Hash string
		Detail                      json.RawMessage
	}
	Next string
}

func TestAuditIsListedAndVerified(t *testing.T) {
	s := open(t)
	for i := range 5 {
		s.call("POST", "/admin/v1/apps", fmt.Sprintf(`{"name":"a%d"}`, i), 201, nil)
	}
	s.call("DELETE", "/admin/v1/apps/a3", "", 204, nil)
	var p auditPage
	s.call("GET", "/admin/v1/audit?limit=4", "", 200, &p)
	if len(p.Entries) != 4 || p.Entries[0].Seq != 6 || p.Entries[0].Action != "DELETE /admin/v1/apps/{name}" || p.Next != "3" || len(p.Entries[0].Hash) != 64 {
		t.Fatalf("%+v", p)
	}
	before := p.Next
	p = auditPage{}
	s.call("GET", "/admin/v1/audit?limit=4&before="+before, "", 200, &p)
	if len(p.Entries) != 2 || p.Entries[1].Seq != 1 || p.Next != "" || string(p.Entries[1].Detail) != `{"name":"a0"}` {
		t.Fatalf("%+v %s", p, p.Entries[1].Detail)
	}
	p = auditPage{}
	s.call("GET", "/admin/v1/audit?object=app+a3", "", 200, &p)
	if len(p.Entries) != 2 || p.Entries[0].Seq != 6 || p.Entries[1].Seq != 4 {
		t.Fatalf("%+v", p)
	}
	var v struct {
		OK      bool
		Entries int64
		Bad     *struct{ Seq int64 }
	}
	s.call("GET", "/admin/v1/audit/verify", "", 200, &v)
	if !v.OK || v.Entries != 6 || v.Bad != nil {
		t.Fatalf("%+v", v)
	}
	s.call("GET", "/admin/v1/audit?before=x", "", 422, nil)
}

func TestAllThatWasDoneToAnAppIsFoundUnderOneName(t *testing.T) {
	s := open(t)
	s.call("POST", "/admin/v1/apps", `{"name":" Web  "}`, 201, nil)
	for _, a := range []act{
		{"PUT", "", "/admin/v1/apps/web", `{"name":"Web","owner":"Inc."}`, 200, ""},
		{"PUT", "", "/admin/v1/apps/WEB/quotas/SMS", `{"per_minute":9}`, 200, ""},
		{"POST", "", "/admin/v1/apps/web/promote", "", 201, ""},
		{"POST", "", "/admin/v1/apps/web/rotate", "", 200, ""},
		{"DELETE", "", "/admin/v1/apps/wEb", "", 204, ""},
	} {
		s.call(a.method, a.path, a.body, a.status, nil)
	}
	var p auditPage
	s.call("GET", "/admin/v1/audit?object=app+Web", "", 200, &p)
	if len(p.Entries) != 6 {
		t.Fatalf("%+v", p)
	}
}
