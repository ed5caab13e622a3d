package adminv1_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"longlines/app"
	"longlines/fault"
	"longlines/gateway"
	"longlines/id"
	"longlines/oauth"
)

type consentPage struct {
	Consents []struct {
		ID, App, Level, Subscriber, How string
		Scopes                          []string
		State                           string
		Revoked                         *time.Time
		RevokedBy                       string `json:"revoked_by"`
		AppDeleted                      bool   `json:"app_deleted"`
	}
	Next string
}

func TestConsentsAreListedAndWithdrawn(t *testing.T) {
	s := open(t)
	for _, body := range []string{`{"name":"pizza","scopes":["IMMN","MIM","TL"]}`, `{"name":"taxi","level":"production","scopes":["TL"]}`} {
		s.call("POST", "/admin/v1/apps", body, 201, nil)
	}
	const bob = "14255550101"
	s.consent("pizza", alice, "IMMN,MIM,TL", oauth.HowPIN)
	s.consent("pizza", bob, "MIM", oauth.HowOnNetwork)
	s.consent("taxi", alice, "TL", oauth.HowRemembered)
	list := func(query string) (p consentPage, body string) {
		t.Helper()
		body = s.call("GET", "/admin/v1/consents"+query, "", 200, &p)
		return p, body
	}
	all, body := list("")
	if len(all.Consents) != 3 || strings.Contains(body, "5550100") || strings.Contains(body, "5550101") {
		t.Fatal(body)
	}
	taxi, ofBob, pizza := all.Consents[0], all.Consents[1], all.Consents[2]
	if taxi.App != "taxi" || taxi.Level != "production" || taxi.How != "remembered" || pizza.App != "pizza" || pizza.Level != "sandbox" || strings.Join(pizza.Scopes, " ") != "IMMN MIM TL" ||
		!strings.HasSuffix(pizza.Subscriber, "00") || ofBob.How != "on-network" || len(pizza.ID) != 32 {
		t.Fatalf("%+v", all)
	}
	for query, want := range map[string]int{"?app=pizza": 2, "?subscriber=%2B14255550100": 2, "?subscriber=%2B14255550100&app=taxi": 1, "?subscriber=%2B14255550199": 0, "?limit=2": 2} {
		if p, body := list(query); len(p.Consents) != want {
			t.Errorf("%s: %s", query, body)
		}
	}
	first, _ := list("?limit=2")
	if rest, body := list("?limit=2&before=" + first.Next); len(rest.Consents) != 1 || rest.Consents[0].ID != pizza.ID || rest.Next != "" {
		t.Errorf("the second page: %s", body)
	}

	t.Run("whole numbers are shown to who asks, and the audit log says so", func(t *testing.T) {
		before := s.newest()
		_, body := list("?reveal=true&app=pizza")
		e := s.newest()
		if !strings.Contains(body, "+14255550100") || e.Seq != before.Seq+1 || e.Action != "GET /admin/v1/consents" || e.Detail != `{"app":["pizza"],"reveal":["true"]}` {
			t.Fatalf("%s %+v", body, e)
		}
	})
	t.Run("a scope is taken off", func(t *testing.T) {
		s.call("DELETE", "/admin/v1/consents/"+pizza.ID+"?scope=MIM,TL", "", 204, nil)
		p, _ := list("?app=pizza&subscriber=%2B14255550100")
		if len(p.Consents) != 1 || strings.Join(p.Consents[0].Scopes, " ") != "IMMN" || p.Consents[0].ID != pizza.ID {
			t.Fatalf("%+v", p)
		}
		if got := s.call("DELETE", "/admin/v1/consents/"+pizza.ID+"?scope=MIM", "", 422, nil); !strings.Contains(got, "it covers IMMN") {
			t.Fatal(got)
		}
	})
	t.Run("a consent ends, and stays as evidence", func(t *testing.T) {
		s.call("DELETE", "/admin/v1/consents/"+pizza.ID, "", 204, nil)
		if p, _ := list("?app=pizza&subscriber=%2B14255550100"); len(p.Consents) != 0 {
			t.Fatalf("%+v", p)
		}
		p, _ := list("?app=pizza&subscriber=%2B14255550100&all=true")
		if len(p.Consents) != 1 || p.Consents[0].Revoked == nil || p.Consents[0].RevokedBy != "operator" || p.Consents[0].State != "withdrawn" {
			t.Fatalf("%+v", p)
		}
		s.call("DELETE", "/admin/v1/consents/"+pizza.ID, "", 404, nil)
	})
	for _, name := range []string{"x", strings.Repeat("0", 32), s.store.Sealer().Seal(1).String(), s.store.Sealer().Seal(s.store.NextToken(1)).String()} {
		s.call("DELETE", "/admin/v1/consents/"+name, "", 404, nil)
	}
	s.call("GET", "/admin/v1/consents?subscriber=bob", "", 422, nil)
	s.call("GET", "/admin/v1/consents?app=nobody", "", 404, nil)
}

func TestAConsentToADeletedAppIsNotInForce(t *testing.T) {
	s := open(t)
	const number = "/admin/v1/subscribers/+14255550100"
	const bob = "14255550101"
	for range 2 { // each pizza is another app, and each has its consents
		s.call("POST", "/admin/v1/apps", `{"name":"pizza","scopes":["IMMN"]}`, 201, nil)
		s.consent("pizza", alice, "IMMN", oauth.HowPIN)
		s.consent("pizza", bob, "IMMN", oauth.HowPIN)
		s.call("PUT", number+"/optouts?app=pizza", "", 200, nil)
		s.call("DELETE", "/admin/v1/apps/pizza", "", 204, nil)
	}
	s.call("POST", "/admin/v1/apps", `{"name":"taxi","scopes":["IMMN"]}`, 201, nil)
	s.consent("taxi", alice, "IMMN", oauth.HowPIN)
	states := func(query string) string {
		t.Helper()
		var p consentPage
		s.call("GET", "/admin/v1/consents"+query, "", 200, &p)
		var all []string
		for _, c := range p.Consents {
			if c.AppDeleted != (c.State == "app deleted") || c.Revoked != nil {
				t.Errorf("%s: %+v", query, c)
			}
			all = append(all, c.App+" "+c.State)
		}
		return strings.Join(all, ", ")
	}
	const gone, stands = "pizza app deleted", "taxi in force"
	for query, want := range map[string]string{
		"":                              stands,
		"?all=true":                     strings.Join([]string{stands, gone, gone, gone, gone}, ", "),
		"?app=pizza":                    "",
		"?app=PIZZA&all=true":           strings.Join([]string{gone, gone, gone, gone}, ", "),
		"?subscriber=%2B14255550100":    stands,
		"?all=true&limit=2":             stands + ", " + gone,
		"?all=true&app=pizza&limit=500": strings.Join([]string{gone, gone, gone, gone}, ", "),
		"?all=true&app=pizza&subscriber=%2B14255550101": gone + ", " + gone,
	} {
		if got := states(query); got != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
	var all, one consentPage
	s.call("GET", "/admin/v1/consents?all=true&app=pizza", "", 200, &all)
	for n, before := 0, ""; n < 4; n++ { // page by page, over both apps
		one = consentPage{}
		s.call("GET", "/admin/v1/consents?all=true&app=pizza&limit=1&before="+before, "", 200, &one)
		if before = one.Next; len(one.Consents) != 1 || one.Consents[0].ID != all.Consents[n].ID {
			t.Errorf("page %d: %+v", n, one)
		}
	}
	if got := s.call("DELETE", "/admin/v1/consents/"+all.Consents[0].ID, "", 404, nil); !strings.Contains(got, "no such consent in force") {
		t.Error(got)
	}
	var sub struct {
		Consents []struct{ App string }
		OptOuts  []struct {
			App        string
			AppDeleted bool `json:"app_deleted"`
		} `json:"opt_outs"`
	}
	body := s.call("GET", number, "", 200, &sub)
	if len(sub.Consents) != 1 || sub.Consents[0].App != "taxi" {
		t.Error(body)
	}
	for _, o := range sub.OptOuts {
		if !o.AppDeleted {
			t.Error(body)
		}
	}
	s.call("POST", "/admin/v1/apps", `{"name":"pizza","scopes":["IMMN"]}`, 201, nil)
	if got := states("?app=pizza&all=true"); got != "" {
		t.Errorf("another app has the name now, and nobody's consent: %q", got)
	}
	s.call("GET", "/admin/v1/consents?app=nobody", "", 404, nil)
}

func TestAWithdrawnConsentEndsItsTokensAtOnce(t *testing.T) {
	s := open(t)
	ctx := context.Background()
	s.call("POST", "/admin/v1/apps", `{"name":"pizza","key":"pizza-key","scopes":["IMMN","MIM"],"redirect_uri":"https://pizza.example/cb"}`, 201, nil)
	r, err := s.tokens.Authorize(ctx, url.Values{"client_id": {"pizza-key"}, "scope": {"IMMN,MIM"}})
	if err != nil {
		t.Fatal(err)
	}
	location, err := s.tokens.Approve(ctx, r, oauth.Person{Subscriber: alice, Level: app.LevelSandbox, How: oauth.HowPIN}, [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(location, "code=")
	issued, err := s.tokens.AuthorizationCode(ctx, r.App, code, "", "", [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	check := func() (oauth.Grant, error) { return s.tokens.Check(ctx, oauth.Presented{Token: issued.Access}) }
	if g, err := check(); err != nil || !g.Consented("IMMN") || !g.Consented("MIM") { // from here on it is in memory
		t.Fatalf("%+v %v", g, err)
	}
	var p consentPage
	s.call("GET", "/admin/v1/consents", "", 200, &p)
	path := "/admin/v1/consents/" + p.Consents[0].ID
	s.call("DELETE", path+"?scope=MIM", "", 204, nil)
	if g, err := check(); err != nil || !g.Consented("IMMN") || g.Consented("MIM") {
		t.Fatalf("narrowed: %+v %v", g, err)
	}
	s.call("DELETE", path, "", 204, nil)
	if _, err := check(); !errors.Is(err, fault.BadToken) {
		t.Fatalf("withdrawn: %v", err)
	}
}

type subscriberAnswer struct {
	Number   string
	Consents []struct{ App, Subscriber string }
	OptOuts  []struct{ App, Word string } `json:"opt_outs"`
	Browsers []struct{ ID, Level, Agent string }
}

func TestASubscriberIsShownAndSignedOut(t *testing.T) {
	s := open(t)
	const path = "/admin/v1/subscribers/+14255550100"
	var sub subscriberAnswer
	if body := s.call("GET", path, "", 200, &sub); sub.Number != "+14255550100" || sub.Consents == nil || sub.OptOuts == nil || sub.Browsers == nil {
		t.Fatalf("of nobody: %s", body)
	}
	s.call("POST", "/admin/v1/apps", `{"name":"pizza","scopes":["IMMN"]}`, 201, nil)
	s.consent("pizza", alice, "IMMN", oauth.HowPIN)
	ctx := context.Background()
	cookies := map[app.Level]string{}
	for _, level := range []app.Level{app.LevelSandbox, app.LevelProduction} {
		var err error
		if cookies[level], _, err = s.people.Remember(ctx, oauth.Person{Subscriber: alice, Level: level, How: oauth.HowPIN}, "Firefox on Linux", oauth.SessionLife); err != nil {
			t.Fatal(err)
		}
	}
	s.call("PUT", path+"/optouts?app=pizza", "", 200, nil)
	s.call("PUT", path+"/optouts", "", 200, nil)
	sub = subscriberAnswer{}
	body := s.call("GET", path, "", 200, &sub)
	if len(sub.Consents) != 1 || sub.Consents[0].Subscriber != "+14255550100" || len(sub.Browsers) != 2 || sub.Browsers[0].Level == sub.Browsers[1].Level ||
		len(sub.OptOuts) != 2 || sub.OptOuts[0].App != "" || sub.OptOuts[1].App != "pizza" || sub.OptOuts[1].Word != "operator" {
		t.Fatal(body)
	}
	t.Run("in one browser", func(t *testing.T) {
		level := app.Level(sub.Browsers[0].Level)
		at := path + "/browsers/" + sub.Browsers[0].ID
		s.call("DELETE", strings.Replace(at, "5550100", "5550101", 1), "", 404, nil) // it is not this one's
		s.call("DELETE", at, "", 204, nil)
		if got := s.call("DELETE", at, "", 404, nil); !strings.Contains(got, "no such browser is remembered") {
			t.Error(got)
		}
		for l, cookie := range cookies {
			if _, _, ok, err := s.people.Remembered(ctx, l, cookie); ok == (l == level) || err != nil {
				t.Errorf("%s: remembered %t, %v", l, ok, err)
			}
		}
		for _, name := range []string{"x", strings.Repeat("0", 32), s.store.Sealer().Seal(1).String()} {
			s.call("DELETE", path+"/browsers/"+name, "", 404, nil)
		}
		s.call("DELETE", "/admin/v1/subscribers/alice/browsers/x", "", 422, nil)
	})
	s.call("DELETE", path+"/browsers", "", 204, nil)
	for level, cookie := range cookies {
		if _, _, ok, err := s.people.Remembered(ctx, level, cookie); ok || err != nil {
			t.Errorf("%s is remembered still: %v", level, err)
		}
	}
	s.call("GET", "/admin/v1/subscribers/alice", "", 422, nil)
}

func TestOptOutsAreSetAndEnded(t *testing.T) {
	s := open(t)
	const path = "/admin/v1/subscribers/+14255550100/optouts"
	s.call("POST", "/admin/v1/apps", `{"name":"pizza"}`, 201, nil)
	s.call("POST", "/admin/v1/apps", `{"name":"taxi"}`, 201, nil)
	pizza, taxi := s.apps.ByName("pizza").ID, s.apps.ByName("taxi").ID
	out := func(want map[app.ID]bool) {
		t.Helper()
		for a, w := range want {
			if got := s.texts.OptedOut(a, alice); got != w {
				t.Errorf("app %d: %t", a, got)
			}
		}
	}
	var o struct{ App, Word string }
	s.call("PUT", path+"?app=pizza", "", 200, &o)
	if o.App != "pizza" || o.Word != "operator" {
		t.Fatalf("%+v", o)
	}
	out(map[app.ID]bool{pizza: true, taxi: false})
	s.call("PUT", path, "", 200, nil)
	out(map[app.ID]bool{pizza: true, taxi: true})
	var list struct {
		OptOuts []struct{ App string } `json:"opt_outs"`
	}
	s.call("GET", path+"?app=pizza", "", 200, &list)
	if len(list.OptOuts) != 1 || list.OptOuts[0].App != "pizza" {
		t.Fatalf("%+v", list)
	}
	s.call("DELETE", path, "", 204, nil)
	out(map[app.ID]bool{pizza: true, taxi: false})
	s.call("DELETE", path+"?app=pizza", "", 204, nil)
	s.call("DELETE", path+"?app=pizza", "", 204, nil) // again: it is so already
	out(map[app.ID]bool{pizza: false, taxi: false})
	s.call("PUT", path+"?app=nobody", "", 404, nil)
	s.call("PUT", "/admin/v1/subscribers/x/optouts", "", 422, nil)
}

func TestRequestsAreFiltered(t *testing.T) {
	s := open(t)
	s.call("POST", "/admin/v1/apps", `{"name":"pizza"}`, 201, nil)
	pizza := s.apps.ByName("pizza").ID
	put := func(r gateway.Record) gateway.Record {
		r.ID = s.store.NextRequest()
		s.store.Record(r)
		return r
	}
	old := put(gateway.Record{App: pizza, Operation: "Send SMS", Method: "POST", Path: "/sms/v3/messaging/outbox", Status: 201, Detail: "POST /sms\n\nHTTP/1.1 201 Created"})
	old.Subject = s.store.NextMessage(1)
	s.offset.Store(int64(time.Hour))
	split := s.now()
	s.offset.Store(int64(2 * time.Hour))
	put(gateway.Record{App: pizza, Operation: "Send SMS", Method: "POST", Path: "/sms", Status: 403, Code: "POL0001", Subject: old.Subject})
	put(gateway.Record{Operation: "Get Access Token", Method: "POST", Path: "/oauth/v4/token", Status: 401, Code: "invalid_client"})
	put(gateway.Record{App: pizza, Operation: "Send SMS", Method: "POST", Path: "/sms", Status: 201, Subject: old.Subject})
	s.call("POST", "/admin/v1/apps", `{"name":"x"}`, 201, nil) // records ride with the next commit
	at := "=" + split.UTC().Format(time.RFC3339Nano)
	for query, want := range map[string]string{
		"":                        "201 401 403 201",
		"?app=pizza":              "201 403 201",
		"?code=POL0001":           "403",
		"?code=pol0001":           "403",
		"?code=INVALID_CLIENT":    "401",
		"?code=nonsense":          "",
		"?status=403":             "403",
		"?status=4xx":             "401 403",
		"?status=2xx":             "201 201",
		"?operation=Send+SMS":     "201 403 201",
		"?since" + at:             "201 401 403",
		"?until" + at:             "201",
		"?app=pizza&status=4xx":   "403",
		"?limit=2":                "201 401",
		"?message=" + s.name(old): "201 403",
		"?message=" + s.name(old) + "&status=201": "201",
	} {
		var list struct{ Requests []struct{ Status int } }
		body := s.call("GET", "/admin/v1/requests"+query, "", 200, &list)
		var got []string
		for _, r := range list.Requests {
			got = append(got, string(rune('0'+r.Status/100))+string(rune('0'+r.Status/10%10))+string(rune('0'+r.Status%10)))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s, want %s", query, body, want)
		}
		if strings.Contains(body, "HTTP/1.1") {
			t.Errorf("%s: the list holds details", query)
		}
	}
	var story struct{ Wire string }
	s.call("GET", "/admin/v1/requests/"+id.Request(old.ID), "", 200, &story)
	if !strings.HasPrefix(story.Wire, "POST /sms\n") {
		t.Errorf("%+v", story)
	}
	for _, query := range []string{"?status=4", "?status=x", "?since=yesterday", "?before=x", "?colour=red"} {
		s.call("GET", "/admin/v1/requests"+query, "", 422, nil)
	}
	s.call("GET", "/admin/v1/requests?message=SMSx", "", 404, nil)
}

// name is the public id of what a call was about.
func (s *site) name(r gateway.Record) string { return s.texts.Name(r.Subject) }
