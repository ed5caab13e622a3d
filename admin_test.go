package longlines_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"longlines/api/adminv1"
	"longlines/timeline"
)

// The management API against a whole platform, over its listener.

// manage calls the management API with the admin token, whatever the answer.
func (w *world) manage(method, path, body string) answer {
	w.t.Helper()
	return w.do(w.info.Admin, request{method, path, body, map[string]string{"Authorization": "Bearer " + w.info.AdminToken, "Content-Type": "application/json"}})
}

// refused fails unless a call is refused with a problem document that says something.
func (w *world) refused(method, path, body string, status int, say string) {
	w.t.Helper()
	a := w.manage(method, path, body)
	if a.status != status || !strings.Contains(a.body, say) || a.header.Get("Content-Type") != "application/problem+json" {
		w.t.Errorf("%s %s: %d %s %s, want %d that says %q", method, path, a.status, a.header.Get("Content-Type"), a.body, status, say)
	}
}

// story is what the API tells of a message or a call.
type story struct {
	Title string
	Facts [][2]string
	Steps []struct{ What, Detail string }
}

func (s story) fact(name string) string {
	for _, f := range s.Facts {
		if f[0] == name {
			return f[1]
		}
	}
	return ""
}

func (s story) what() (steps []string) {
	for _, x := range s.Steps {
		steps = append(steps, x.What)
	}
	return steps
}

type adminApp struct {
	Name, Key, Secret, Level string
	Scopes                   []string
	ShortCodes               []string `json:"short_codes"`
	RedirectURI              *string  `json:"redirect_uri"`
}

func TestAppsAreManaged(t *testing.T) {
	w := start(t, nil)
	var made, shown adminApp
	w.admin(http.MethodPost, "/admin/v1/apps", map[string]any{"name": "pizza"}, &made)
	if made.Key == "" || made.Secret == "" || made.Level != "sandbox" || made.Scopes == nil || made.ShortCodes == nil || made.RedirectURI == nil {
		t.Fatalf("made %+v", made)
	}
	w.admin(http.MethodPut, "/admin/v1/apps/pizza", map[string]any{"name": "pizza", "scopes": []string{"SMS"}, "short_codes": []string{"74992"}, "wait_for_verdict": "2s"}, nil)
	a := w.manage(http.MethodGet, "/admin/v1/apps/PIZZA", "")
	json.Unmarshal([]byte(a.body), &shown)
	if shown.Key != made.Key || shown.Level != "sandbox" || !slices.Equal(shown.ShortCodes, []string{"74992"}) || !strings.Contains(a.body, `"wait_for_verdict":"2s"`) {
		t.Fatalf("changed to %s", a.body)
	}
	if strings.Contains(a.body, `"secret":`) || strings.Contains(a.body, made.Secret) {
		t.Fatalf("a secret is repeated: %s", a.body)
	}
	w.token(made.Key, made.Secret, "SMS")

	var rotated adminApp
	w.admin(http.MethodPost, "/admin/v1/apps/pizza/rotate", nil, &rotated)
	if rotated.Secret == "" || rotated.Secret == made.Secret {
		t.Fatalf("rotated to %+v", rotated)
	}
	w.token(made.Key, rotated.Secret, "SMS")
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {made.Key}, "client_secret": {made.Secret}, "scope": {"SMS"}}.Encode()
	if a := w.do(w.info.API, request{http.MethodPost, "/oauth/v4/token", form, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}); a.status == http.StatusOK {
		t.Error("the old secret still works")
	}

	var list struct{ Apps []adminApp }
	w.admin(http.MethodGet, "/admin/v1/apps", nil, &list)
	if len(list.Apps) != 2 || list.Apps[0].Name != "demo" || list.Apps[1].Name != "pizza" || list.Apps[0].Secret != "" {
		t.Errorf("list %+v", list)
	}
	w.refused(http.MethodPost, "/admin/v1/apps", `{"name":"pizza"}`, http.StatusConflict, "name: ")
	w.refused(http.MethodPost, "/admin/v1/apps", `{"name":"other","short_codes":["74992"]}`, http.StatusConflict, `of \"pizza\"`)
	w.refused(http.MethodPost, "/admin/v1/apps", `{"name":"other","short_codes":["x"]}`, http.StatusUnprocessableEntity, "short_codes: ")
	w.refused(http.MethodPost, "/admin/v1/apps", `{"name":"other","message_listener":"ftp://x"}`, http.StatusUnprocessableEntity, "message_listener: ")
	w.refused(http.MethodPost, "/admin/v1/apps", `{"name":"other","wait_for_verdict":"6s"}`, http.StatusUnprocessableEntity, "wait_for_verdict: ")
	w.refused(http.MethodPost, "/admin/v1/apps", `{}`, http.StatusUnprocessableEntity, "name")
	w.refused(http.MethodPost, "/admin/v1/apps", `{"name":`, http.StatusBadRequest, "")
	w.refused(http.MethodPut, "/admin/v1/apps/nobody", `{"name":"x"}`, http.StatusNotFound, `\"nobody\": no such app`)

	if a := w.manage(http.MethodDelete, "/admin/v1/apps/pizza", ""); a.status != http.StatusNoContent {
		t.Fatalf("delete: %d %s", a.status, a.body)
	}
	w.refused(http.MethodGet, "/admin/v1/apps/pizza", "", http.StatusNotFound, "no such app")
	w.refused(http.MethodDelete, "/admin/v1/apps/pizza", "", http.StatusNotFound, "no such app")
}

func TestNoAnswerHoldsASecretThatWasSent(t *testing.T) {
	w := start(t, nil)
	_, port, _ := net.SplitHostPort(w.info.SMSC.Addr)
	const secret = "pa55w0rd"
	in := fmt.Sprintf(`{"name":"lab","host":"127.0.0.1","port":%s,"system_id":"sandbox","password":%q}`, port, secret)
	for _, a := range []answer{
		w.manage(http.MethodPost, "/admin/v1/links", in),
		w.manage(http.MethodPost, "/admin/v1/links", in), // taken
		w.manage(http.MethodPost, "/admin/v1/links", strings.Replace(in, `"name"`, `"nmae"`, 1)),
		w.manage(http.MethodPost, "/admin/v1/links", strings.Replace(in, `"sandbox"`, `7`, 1)),
		w.manage(http.MethodPost, "/admin/v1/links", `{"password":"`+secret+`"}`),
		w.manage(http.MethodPut, "/admin/v1/links/lab", in),
		w.manage(http.MethodGet, "/admin/v1/links", ""),
		w.manage(http.MethodGet, "/admin/v1/links/lab", ""),
		w.manage(http.MethodPost, "/admin/v1/links/lab/test", ""),
		w.manage(http.MethodPost, "/admin/v1/apps", `{"name":"x","secret":"`+secret+`","nonsense":1}`),
		w.manage(http.MethodGet, "/admin/v1/apps", ""),
		w.manage(http.MethodGet, "/admin/v1/status", ""),
	} {
		if strings.Contains(a.body, secret) || strings.Contains(a.body, "argon2") || strings.Contains(a.body, `"password"`) {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}

type adminLink struct {
	Name    string
	Host    string
	Window  int
	Paused  bool
	Managed bool
	Jobs    int64
	State   struct {
		Up       bool
		Alarm    string
		Counters struct{ Submitted int }
	}
}

func TestLinksAndRoutesAreManaged(t *testing.T) {
	w := start(t, nil)
	_, port, _ := net.SplitHostPort(w.info.SMSC.Addr)
	var l adminLink
	body := map[string]any{"name": "lab", "host": "127.0.0.1", "port": json.Number(port), "system_id": "sandbox", "password": "sandbox", "network": "virtual"}
	w.admin(http.MethodPost, "/admin/v1/links", body, &l)
	if l.Name != "lab" || l.Window != 10 || l.Managed {
		t.Fatalf("made %+v", l)
	}
	await(t, "link lab", func() bool { w.admin(http.MethodGet, "/admin/v1/links/lab", nil, &l); return l.State.Up })
	delete(body, "password")
	body["window"] = 3
	w.admin(http.MethodPut, "/admin/v1/links/lab", body, &l)
	if l.Window != 3 {
		t.Fatalf("changed to %+v", l)
	}
	await(t, "link lab with its old password", func() bool { w.admin(http.MethodGet, "/admin/v1/links/lab", nil, &l); return l.State.Up })

	var test struct {
		OK    bool
		Steps []struct {
			Name string
			OK   bool
			Ms   float64
		}
	}
	w.admin(http.MethodPost, "/admin/v1/links/lab/test", nil, &test)
	if !test.OK || len(test.Steps) != 4 || test.Steps[3].Name != "enquire_link" || test.Steps[2].Ms <= 0 {
		t.Errorf("test %+v", test)
	}
	var status struct {
		State    string
		LinksUp  int `json:"links_up"`
		LinksAll int `json:"links_all"`
		Why      []string
	}
	w.admin(http.MethodGet, "/admin/v1/status", nil, &status)
	if status.State != "ok" || status.LinksAll != 2 || status.LinksUp != 2 || status.Why == nil {
		t.Errorf("status %+v", status)
	}

	w.admin(http.MethodPost, "/admin/v1/routes", map[string]any{"prefix": "1425", "link": "lab", "fallback": "sandbox"}, nil)
	var why struct {
		Link string
		Up   bool
		Why  []string
		Rule struct{ Prefix string }
	}
	ask := func(to string) {
		w.admin(http.MethodGet, "/admin/v1/routes/test?level=sandbox&from=48507&to="+url.QueryEscape(to), nil, &why)
	}
	if ask("+14255550100"); why.Link != "lab" || !why.Up || why.Rule.Prefix != "+1425" || len(why.Why) == 0 {
		t.Errorf("route %+v", why)
	}
	w.admin(http.MethodPost, "/admin/v1/links/lab/pause", nil, &l)
	if !l.Paused {
		t.Errorf("paused %+v", l)
	}
	await(t, "the fallback", func() bool { ask("+14255550100"); return why.Link == "sandbox" })
	w.admin(http.MethodPost, "/admin/v1/links/lab/resume", nil, &l)
	var rules struct {
		Routes []struct{ Prefix, Link, Fallback string }
	}
	if w.admin(http.MethodGet, "/admin/v1/routes", nil, &rules); len(rules.Routes) != 1 || rules.Routes[0].Fallback != "sandbox" {
		t.Errorf("routes %+v", rules)
	}

	w.refused(http.MethodPost, "/admin/v1/links", `{"name":"lab","host":"h","port":1,"system_id":"x"}`, http.StatusConflict, "exists")
	w.refused(http.MethodPost, "/admin/v1/links", `{"name":"a b","host":"h","port":1,"system_id":"x"}`, http.StatusUnprocessableEntity, "name: ")
	w.refused(http.MethodPut, "/admin/v1/links/lab", `{"name":"other","host":"h","port":1,"system_id":"x"}`, http.StatusUnprocessableEntity, "name: ")
	w.refused(http.MethodPut, "/admin/v1/links/sandbox", `{"name":"sandbox","host":"h","port":1,"system_id":"x","network":"virtual"}`, http.StatusConflict, "configuration")
	w.refused(http.MethodDelete, "/admin/v1/links/sandbox", "", http.StatusConflict, "configuration")
	w.refused(http.MethodGet, "/admin/v1/links/nobody", "", http.StatusNotFound, "no such link")
	w.refused(http.MethodPost, "/admin/v1/links/nobody/test", "", http.StatusNotFound, "no such link")
	w.refused(http.MethodPost, "/admin/v1/routes", `{"prefix":"+1","link":"nobody"}`, http.StatusUnprocessableEntity, "no link nobody")
	w.refused(http.MethodDelete, "/admin/v1/routes?prefix=%2B99", "", http.StatusNotFound, "no such rule")
	w.refused(http.MethodGet, "/admin/v1/routes/test?from=48507&to=x", "", http.StatusUnprocessableEntity, "to: ")

	for _, path := range []string{"/admin/v1/routes?prefix=%2B1425", "/admin/v1/links/lab"} {
		if a := w.manage(http.MethodDelete, path, ""); a.status != http.StatusNoContent {
			t.Errorf("DELETE %s: %d %s", path, a.status, a.body)
		}
	}
}

func TestAQuotaIsSetPiecewise(t *testing.T) {
	w := start(t, nil)
	type figures struct {
		App, API  string
		PerMinute int64 `json:"per_minute"`
		PerDay    int64 `json:"per_day"`
		UsedDay   int64 `json:"used_day"`
	}
	var q figures
	for _, c := range []struct {
		body map[string]any
		want figures
	}{
		{map[string]any{"per_minute": 5}, figures{App: "demo", API: "SMS", PerMinute: 5, PerDay: 5000}},
		{map[string]any{"per_day": 50}, figures{App: "demo", API: "SMS", PerMinute: 5, PerDay: 50}},
		{map[string]any{"per_minute": 0}, figures{App: "demo", API: "SMS", PerMinute: 60, PerDay: 50}},
		{map[string]any{"per_day": 0}, figures{App: "demo", API: "SMS", PerMinute: 60, PerDay: 5000}},
	} {
		if w.admin(http.MethodPut, "/admin/v1/apps/demo/quotas/SMS", c.body, &q); q != c.want {
			t.Errorf("after %v: %+v", c.body, q)
		}
	}
	w.do(w.info.API, request{http.MethodGet, "/sms/v3/messaging/inbox/48507", "", map[string]string{"Authorization": "Bearer " + w.token("sandbox-demo", "sandbox-secret", "SMS")}})
	var list struct{ Quotas []figures }
	if w.admin(http.MethodGet, "/admin/v1/quotas?app=demo", nil, &list); len(list.Quotas) != 1 || list.Quotas[0].UsedDay < 1 {
		t.Errorf("after a call: %+v", list)
	}
	w.refused(http.MethodPut, "/admin/v1/apps/demo/quotas/SMS", `{"per_minute":-1}`, http.StatusUnprocessableEntity, "per_minute")
	w.refused(http.MethodPut, "/admin/v1/apps/demo/quotas/NONSENSE", `{"per_minute":1}`, http.StatusUnprocessableEntity, `"parameter":"api"`)
	w.refused(http.MethodPut, "/admin/v1/apps/nobody/quotas/SMS", `{"per_minute":1}`, http.StatusNotFound, "no such app")
	w.refused(http.MethodGet, "/admin/v1/quotas?app=nobody", "", http.StatusNotFound, "no such app")
	w.refused(http.MethodGet, "/admin/v1/quotas?ap=demo", "", http.StatusUnprocessableEntity, "ap")
}

func TestAMessageHasAStory(t *testing.T) {
	w := start(t, nil)
	posts := make(chan string, 8)
	listener := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		posts <- r.URL.Path + " " + string(b)
	}))
	defer listener.Close()
	w.app("pizza", map[string]any{"short_codes": []string{"74992"}, "status_listener": listener.URL + "/status", "message_listener": listener.URL + "/message"})
	token := w.token("pizza-key", "pizza-secret", "SMS")
	a := w.do(w.info.API, request{http.MethodPost, "/sms/v3/messaging/outbox",
		`{"outboundSMSRequest":{"address":["tel:+14255550100","tel:+14255550104"],"message":"ready","notifyDeliveryStatus":true}}`,
		map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}})
	name := messageID(t, a)
	requestID := a.header.Get("X-Request-Id")
	for range 2 {
		select {
		case <-posts:
		case <-time.After(patience):
			t.Fatal("no post")
		}
	}

	var s story
	await(t, "the whole story", func() bool {
		s = story{}
		w.admin(http.MethodGet, "/admin/v1/messages/"+name, nil, &s)
		return len(s.Steps) >= 11 && s.fact("request") != ""
	})
	if s.fact("app") != "pizza" || s.fact("from") != "74992" || s.fact("text") != "ready" || s.fact("request") != requestID {
		t.Errorf("facts %v", s.Facts)
	}
	steps := s.what()
	count := map[string]int{}
	for _, x := range steps {
		count[x]++
	}
	if diff := cmp.Diff(map[string]int{"request": 1, "accepted": 2, "submitted": 2, "receipt": 2, "delivered": 1, "undeliverable": 1, "callback": 2}, count); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	for _, order := range [][2]string{{"accepted", "submitted"}, {"submitted", "receipt"}, {"receipt", "delivered"}, {"receipt", "callback"}} {
		if before := slices.Index(steps, order[1]); before >= 0 && !slices.Contains(steps[:before], order[0]) {
			t.Errorf("%s is told before any %s: %v", order[1], order[0], steps)
		}
	}
	var again, ofCall story
	w.admin(http.MethodGet, "/admin/v1/messages/msg_"+name[len("SMS"):], nil, &again)
	if diff := cmp.Diff(s, again); diff != "" {
		t.Errorf("by its other name (-SMS +msg_):\n%s", diff)
	}
	w.admin(http.MethodGet, "/admin/v1/requests/"+requestID, nil, &ofCall)
	if ofCall.fact("message") != name || ofCall.fact("app") != "pizza" || !strings.HasPrefix(ofCall.fact("answered"), "201 ") || len(ofCall.Steps) != len(s.Steps) {
		t.Errorf("the call's story: %+v", ofCall)
	}

	// From a handset.
	w.admin(http.MethodPost, "/sandbox/v1/messages", map[string]string{"from": "+14255550100", "to": "74992", "text": "olives"}, nil)
	var posted struct{ MessageId string }
	select {
	case p := <-posts:
		if err := json.Unmarshal([]byte(strings.TrimPrefix(p, "/message ")), &posted); err != nil {
			t.Fatalf("%v in %s", err, p)
		}
	case <-time.After(patience):
		t.Fatal("no post of the received text")
	}
	await(t, "the received text's story", func() bool {
		s = story{}
		w.admin(http.MethodGet, "/admin/v1/messages/"+posted.MessageId, nil, &s)
		return slices.Equal(s.what(), []string{"received", "callback"})
	})
	if s.fact("text") != "olives" || s.fact("app") != "pizza" || s.fact("to") != "74992" || s.fact("now") != "posted" {
		t.Errorf("facts %v", s.Facts)
	}

	w.refused(http.MethodGet, "/admin/v1/messages/SMS00000000000000000000000000000000", "", http.StatusNotFound, "not known here")
	w.refused(http.MethodGet, "/admin/v1/messages/nonsense", "", http.StatusNotFound, "not known here")
}

func TestARefusedCallHasAStory(t *testing.T) {
	w := start(t, nil)
	w.app("pizza", nil)
	a := w.send(w.token("pizza-key", "pizza-secret", "SMS"), "+14255550100", "no short code")
	if a.status/100 != 4 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var s story
	id := a.header.Get("X-Request-Id")
	await(t, "the record", func() bool { return w.manage(http.MethodGet, "/admin/v1/requests/"+id, "").status == http.StatusOK })
	w.admin(http.MethodGet, "/admin/v1/requests/"+id, nil, &s)
	if s.Title != "Request "+id || s.fact("refused") == "" || s.fact("because") == "" || s.fact("do") == "" || s.fact("call") != "POST /sms/v3/messaging/outbox" {
		t.Errorf("%+v", s)
	}
	code, _, _ := strings.Cut(s.fact("refused"), " ")
	var list struct {
		Requests []struct{ ID, App, Code string }
	}
	w.admin(http.MethodGet, "/admin/v1/requests?app=pizza&code="+strings.ToLower(code), nil, &list)
	if len(list.Requests) != 1 || list.Requests[0].ID != id || list.Requests[0].Code != code {
		t.Errorf("list %+v", list)
	}
	w.admin(http.MethodGet, "/admin/v1/requests?app=demo", nil, &list)
	if len(list.Requests) != 0 {
		t.Errorf("list of another app %+v", list)
	}
	w.refused(http.MethodGet, "/admin/v1/requests/req_01ARZ3NDEKTSV4RRFFQ69G5FAV", "", http.StatusNotFound, "not known here")
	w.refused(http.MethodGet, "/admin/v1/requests/nonsense", "", http.StatusNotFound, "not known here")
}

func TestAListIsMaskedFilteredAndPaged(t *testing.T) {
	w := start(t, nil)
	w.app("pizza", map[string]any{"short_codes": []string{"74992"}})
	send := func(app string, to ...string) {
		w.admin(http.MethodPost, "/admin/v1/messages", map[string]any{"app": app, "to": to, "text": "x"}, nil)
	}
	send("pizza", "+14255550100", "+14255550104")
	send("demo", "+14255550100")
	type list struct {
		Messages []struct{ ID, App, From, To, State string }
		Next     string
	}
	read := func(query string) (l list) {
		w.admin(http.MethodGet, "/admin/v1/messages?"+query, nil, &l)
		return l
	}
	await(t, "three final states", func() bool {
		return len(read("state=delivered").Messages) == 2 && len(read("state=undeliverable").Messages) == 1
	})
	all := read("")
	if len(all.Messages) != 3 || all.Next != "" || all.Messages[0].App != "demo" || all.Messages[2].App != "pizza" {
		t.Fatalf("all %+v", all)
	}
	if a := w.manage(http.MethodGet, "/admin/v1/messages", ""); strings.Contains(a.body, "4255550100") || strings.Contains(a.body, `"text"`) {
		t.Errorf("a list shows too much: %s", a.body)
	}
	for query, want := range map[string]int{"app=pizza": 2, "app=demo": 1, "to=" + url.QueryEscape("+14255550104"): 1, "app=demo&to=tel%3A%2B14255550104": 0,
		"link=sandbox": 3, "link=other": 0, "state=expired": 0} {
		if l := read(query); len(l.Messages) != want {
			t.Errorf("%s: %d texts, want %d", query, len(l.Messages), want)
		}
	}
	first := read("limit=2")
	second := read("limit=2&before=" + first.Next)
	if len(first.Messages) != 2 || first.Next == "" || len(second.Messages) != 1 || second.Next != "" || second.Messages[0] != all.Messages[2] {
		t.Errorf("pages %+v and %+v", first, second)
	}
	w.refused(http.MethodGet, "/admin/v1/messages?before=x", "", http.StatusUnprocessableEntity, "before: ")
	w.refused(http.MethodGet, "/admin/v1/messages?limit=0", "", http.StatusUnprocessableEntity, "limit")
	w.refused(http.MethodGet, "/admin/v1/messages?sate=sent", "", http.StatusUnprocessableEntity, "sate")
	w.refused(http.MethodGet, "/admin/v1/messages?app=nobody", "", http.StatusNotFound, "no such app")
	w.refused(http.MethodPost, "/admin/v1/messages", `{"app":"demo","to":["hello"],"text":"x"}`, http.StatusUnprocessableEntity, "to: ")
	w.refused(http.MethodPost, "/admin/v1/messages", `{"app":"demo","to":["+14255550113"],"text":"x"}`, http.StatusForbidden, `"code":"POL0002"`)
}

// events opens the stream and gives the data of its events by their ids.
func (w *world) events(after string) (<-chan timeline.Entry, func()) {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.info.Admin+"/admin/v1/stream", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.info.AdminToken)
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	out := make(chan timeline.Entry, 256)
	done := make(chan struct{})
	go func() {
		defer close(done)
		id := ""
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			if v, ok := strings.CutPrefix(s.Text(), "id: "); ok {
				id = v
			}
			if v, ok := strings.CutPrefix(s.Text(), "data: "); ok {
				var e timeline.Entry
				if json.Unmarshal([]byte(v), &e) == nil && fmt.Sprint(e.Seq) == id {
					out <- e
				}
			}
		}
	}()
	return out, func() { stop(); <-done; resp.Body.Close() }
}

func TestTheStreamGoesOnWhereItWas(t *testing.T) {
	w := start(t, nil)
	next := func(c <-chan timeline.Entry, what string, fits func(timeline.Entry) bool) timeline.Entry {
		t.Helper()
		for {
			select {
			case e := <-c:
				if fits(e) {
					return e
				}
			case <-time.After(patience):
				t.Fatalf("%s did not come", what)
			}
		}
	}
	events, stop := w.events("")
	w.admin(http.MethodPost, "/admin/v1/messages", map[string]any{"app": "demo", "to": []string{"+14255550100"}, "text": "x"}, nil)
	pdu := next(events, "submit_sm", func(e timeline.Entry) bool {
		return e.Kind == timeline.KindPDU && strings.HasPrefix(e.Title, "submit_sm ")
	})
	if !strings.Contains(pdu.Detail, `text "x"`) || pdu.Link != "sandbox" {
		t.Errorf("the PDU is shown as %+v", pdu)
	}
	next(events, "delivered", func(e timeline.Entry) bool { return e.Kind == timeline.KindReceipt && e.State == "delivered" })
	stop()

	events, stop = w.events(fmt.Sprint(pdu.Seq))
	defer stop()
	if e := next(events, "the entry after", func(timeline.Entry) bool { return true }); e.Seq != pdu.Seq+1 {
		t.Errorf("goes on at %d, want %d", e.Seq, pdu.Seq+1)
	}
	next(events, "delivered, again", func(e timeline.Entry) bool { return e.Kind == timeline.KindReceipt && e.State == "delivered" })
}

func TestTheStreamOutlivesTheListenersReadTimeout(t *testing.T) {
	feed := timeline.New(10, time.Now)
	s := httptest.NewUnstartedServer(adminv1.New(adminv1.Config{Version: "test", Timeline: feed, Now: time.Now}))
	s.Config.ReadTimeout = 30 * time.Millisecond
	s.Start()
	defer s.Close()
	w := &world{t: t}
	w.info.Admin = s.URL
	events, stop := w.events("")
	defer stop()
	// A connection that asks nothing is closed when the timeout of reading is over: later than the stream's.
	idle, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if n, err := idle.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("read %d, %v", n, err)
	}
	feed.Add(timeline.Entry{Title: "still here"})
	select {
	case e := <-events:
		if e.Title != "still here" {
			t.Errorf("%+v", e)
		}
	case <-time.After(patience):
		t.Fatal("the stream has ended")
	}
}

func TestOnlyTheAdminGetsIn(t *testing.T) {
	w := start(t, nil)
	appToken := w.token("sandbox-demo", "sandbox-secret", "SMS")
	cookie := w.signIn("token", w.info.AdminToken)
	if cookie == "" {
		t.Fatal("the token does not sign in")
	}
	if w.signIn("token", "wrong") != "" || w.signIn("token", "") != "" || w.signIn("token", appToken) != "" {
		t.Error("a wrong token signs in")
	}
	own := map[string]string{"Cookie": cookie, "Origin": w.info.Admin, "Content-Type": "application/json"}
	with := func(more ...string) map[string]string {
		h := map[string]string{}
		for k, v := range own {
			h[k] = v
		}
		for i := 0; i+1 < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	for name, c := range map[string]struct {
		header map[string]string
		host   string
		want   int
	}{
		"with the token":                                           {header: map[string]string{"Authorization": "Bearer " + w.info.AdminToken}, want: http.StatusOK},
		"with the scheme in small letters":                         {header: map[string]string{"Authorization": "bearer " + w.info.AdminToken}, want: http.StatusOK},
		"without a token":                                          {want: http.StatusUnauthorized},
		"with an empty token":                                      {header: map[string]string{"Authorization": "Bearer "}, want: http.StatusUnauthorized},
		"with a wrong token":                                       {header: map[string]string{"Authorization": "Bearer wrong"}, want: http.StatusUnauthorized},
		"with an app's token":                                      {header: map[string]string{"Authorization": "Bearer " + appToken}, want: http.StatusUnauthorized},
		"with a wrong token beside the cookie":                     {header: with("Authorization", "Bearer wrong"), want: http.StatusUnauthorized},
		"with the cookie":                                          {header: own, want: http.StatusOK},
		"with a made-up cookie":                                    {header: with("Cookie", adminv1.CookieName+"=00"), want: http.StatusUnauthorized},
		"with an empty cookie":                                     {header: with("Cookie", adminv1.CookieName+"="), want: http.StatusUnauthorized},
		"with the cookie from another origin":                      {header: with("Origin", "http://evil.example"), want: http.StatusUnauthorized},
		"with the cookie from another port":                        {header: with("Origin", "http://127.0.0.1:1"), want: http.StatusUnauthorized},
		"with the cookie from another site":                        {header: with("Sec-Fetch-Site", "cross-site"), want: http.StatusUnauthorized},
		"with the cookie and a name that was bent to this machine": {header: own, host: "evil.example", want: http.StatusUnauthorized},
		"with the cookie and the name of this machine":             {header: with("Origin", ""), host: "localhost", want: http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			body := `{"per_minute":60}`
			req, err := http.NewRequest(http.MethodPut, w.info.Admin+"/admin/v1/apps/demo/quotas/SMS", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			for k, v := range c.header {
				req.Header.Set(k, v)
			}
			if c.header["Origin"] == "" {
				req.Header.Del("Origin")
			}
			req.Host = c.host
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != c.want {
				t.Fatalf("%s %s, want %d", resp.Status, b, c.want)
			}
			if c.want == http.StatusUnauthorized && (resp.Header.Get("WWW-Authenticate") == "" || !strings.Contains(string(b), "admin token")) {
				t.Errorf("%v %s", resp.Header, b)
			}
		})
	}
	for _, path := range []string{"/admin/v1/apps", "/admin/v1/stream", "/admin/v1/openapi.json", "/sandbox/v1/phones", "/debug/pprof/"} {
		if a := w.do(w.info.Admin, request{http.MethodGet, path, "", nil}); a.status != http.StatusUnauthorized {
			t.Errorf("GET %s without a token: %d", path, a.status)
		}
	}
}

// signIn gives a token to the sign-in page and returns the cookie it sets, or "".
func (w *world) signIn(name, value string) string {
	w.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.PostForm(w.info.Admin+"/signin", url.Values{name: {value}})
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body.Close()
	for _, c := range resp.Cookies() {
		if c.Name == adminv1.CookieName && c.Value != "" {
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
				w.t.Errorf("cookie %+v", c)
			}
			return c.Name + "=" + c.Value
		}
	}
	return ""
}

func TestTheCodeOfTheConsoleLinkIsTakenOnlyFromThisMachine(t *testing.T) {
	g := adminv1.NewGuard("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	for name, c := range map[string]struct {
		remote, token, code string
		want                bool
	}{
		"the code from here":         {"127.0.0.1:4000", "", g.Code(), true},
		"the code from here by IPv6": {"[::1]:4000", "", g.Code(), true},
		"the code from elsewhere":    {"192.0.2.7:4000", "", g.Code(), false},
		"the code from nowhere":      {"", "", g.Code(), false},
		"a wrong code from here":     {"127.0.0.1:4000", "", "wrong", false},
		"nothing from here":          {"127.0.0.1:4000", "", "", false},
		"the token from elsewhere":   {"192.0.2.7:4000", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "", true},
		"the code as a token":        {"127.0.0.1:4000", g.Code(), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/signin", nil)
			r.RemoteAddr = c.remote
			w := httptest.NewRecorder()
			if got := g.SignIn(w, r, c.token, c.code); got != c.want || got != (w.Header().Get("Set-Cookie") != "") {
				t.Errorf("%v %v", got, w.Header())
			}
		})
	}
}

func TestTheOpenAPIDocumentNamesEveryOperation(t *testing.T) {
	w := start(t, nil)
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Summary     string
			Responses   map[string]any
		}
	}
	w.admin(http.MethodGet, "/admin/v1/openapi.json", nil, &doc)
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("version %q", doc.OpenAPI)
	}
	got, ids := map[string][]string{}, map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			got[path] = append(got[path], method)
			if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" || len(op.Responses) == 0 {
				t.Errorf("%s %s: %+v", method, path, op)
			}
			ids[op.OperationID] = true
		}
		slices.Sort(got[path])
	}
	if diff := cmp.Diff(map[string][]string{
		"/admin/v1/apps":                               {"get", "post"},
		"/admin/v1/apps/import":                        {"post"},
		"/admin/v1/apps/{name}":                        {"delete", "get", "patch", "put"},
		"/admin/v1/apps/{name}/promote":                {"post"},
		"/admin/v1/apps/{name}/rotate":                 {"post"},
		"/admin/v1/apps/{name}/quotas/{api}":           {"put"},
		"/admin/v1/quotas":                             {"get"},
		"/admin/v1/links":                              {"get", "post"},
		"/admin/v1/links/{name}":                       {"delete", "get", "put"},
		"/admin/v1/links/{name}/pause":                 {"post"},
		"/admin/v1/links/{name}/resume":                {"post"},
		"/admin/v1/links/{name}/test":                  {"post"},
		"/admin/v1/routes":                             {"delete", "get", "post"},
		"/admin/v1/routes/test":                        {"get"},
		"/admin/v1/consents":                           {"get"},
		"/admin/v1/consents/{id}":                      {"delete"},
		"/admin/v1/subscribers/{msisdn}":               {"get"},
		"/admin/v1/subscribers/{msisdn}/browsers":      {"delete"},
		"/admin/v1/subscribers/{msisdn}/browsers/{id}": {"delete"},
		"/admin/v1/subscribers/{msisdn}/optouts":       {"delete", "get", "put"},
		"/admin/v1/messages":                           {"get", "post"},
		"/admin/v1/messages/{id}":                      {"get"},
		"/admin/v1/requests":                           {"get"},
		"/admin/v1/requests/{id}":                      {"get"},
		"/admin/v1/audit":                              {"get"},
		"/admin/v1/audit/verify":                       {"get"},
		"/admin/v1/status":                             {"get"},
		"/admin/v1/stream":                             {"get"},
	}, got); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}

func TestTokenRequestsCanBeLimited(t *testing.T) {
	w := start(t, nil)
	w.app("busy", nil)
	var list struct {
		Quotas []struct{ API string }
	}
	if w.admin(http.MethodGet, "/admin/v1/quotas?app=busy", nil, &list); len(list.Quotas) != 1 || list.Quotas[0].API != "SMS" {
		t.Fatalf("before: %+v", list)
	}
	w.admin(http.MethodPut, "/admin/v1/apps/busy/quotas/OAuth", map[string]any{"per_minute": 1, "per_day": 1000}, nil)
	if w.admin(http.MethodGet, "/admin/v1/quotas?app=busy", nil, &list); len(list.Quotas) != 2 || list.Quotas[1].API != "OAuth" {
		t.Fatalf("after: %+v", list)
	}
	var a answer
	for range 3 { // a minute may end in between
		if a = form(w, "/oauth/v4/token", "grant_type", "client_credentials", "client_id", "busy-key", "client_secret", "busy-secret", "scope", "SMS"); a.status == http.StatusForbidden {
			break
		}
	}
	if a.status != http.StatusForbidden || a.header.Get("Retry-After") == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
}
