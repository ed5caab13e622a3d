package adminv1_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"longlines/api/adminv1"
	"longlines/app"
	"longlines/quota"
)

type appAnswer struct {
	Name, Key, Secret, Auth, Owner, Level string
	Keys                                  json.RawMessage
	Scopes                                []string
	ShortCodes                            []string `json:"short_codes"`
	RedirectURI                           string   `json:"redirect_uri"`
	OnNetwork                             bool     `json:"on_network"`
	DPoP                                  bool
	Introspect                            bool
	PromotedFrom                          string `json:"promoted_from"`
}

func TestAppsProveThemselvesInTheWayTheirAccountSays(t *testing.T) {
	s := open(t)
	set := jwks(t, false)
	var a appAnswer
	s.call("POST", "/admin/v1/apps", `{"name":"signer","auth":"private_key_jwt","keys":`+set+`,"owner":"Inc.","on_network":true,"dpop":true,"introspect":true}`, 201, &a)
	if a.Auth != "private_key_jwt" || string(a.Keys) != set || a.Secret != "" || a.Owner != "Inc." || !a.OnNetwork || !a.DPoP || !a.Introspect {
		t.Fatalf("%+v", a)
	}
	a = appAnswer{}
	s.call("POST", "/admin/v1/apps", `{"name":"native","auth":"none","redirect_uri":"https://native.example/cb"}`, 201, &a)
	if a.Auth != "none" || a.Secret != "" || a.Key == "" {
		t.Fatalf("%+v", a)
	}
	a = appAnswer{}
	s.call("POST", "/admin/v1/apps", `{"name":"web"}`, 201, &a)
	if a.Auth != "secret" || a.Secret == "" {
		t.Fatalf("%+v", a)
	}
	for name, c := range map[string]struct{ method, path, body, say string }{
		"keys that are no set":                  {"POST", "", `{"name":"x","auth":"private_key_jwt","keys":[]}`, "keys: "},
		"a private key":                         {"POST", "", `{"name":"x","auth":"private_key_jwt","keys":` + jwks(t, true) + `}`, "keys: "},
		"no keys":                               {"POST", "", `{"name":"x","auth":"private_key_jwt"}`, "keys: "},
		"keys beside a secret":                  {"POST", "", `{"name":"x","keys":` + set + `}`, "keys: "},
		"a secret for a public app":             {"POST", "", `{"name":"x","auth":"none","redirect_uri":"https://x.example/","secret":"chosen-secret"}`, "secret: "},
		"a public app without a redirect URI":   {"POST", "", `{"name":"x","auth":"none"}`, "redirect_uri: "},
		"a way that does not exist":             {"POST", "", `{"name":"x","auth":"tls"}`, "auth"},
		"an owner that runs backwards":          {"POST", "", `{"name":"x","owner":"a\u202eb"}`, "owner: "},
		"a secret for an app that signs":        {"POST", "/signer/rotate", "", "auth: "},
		"a level by a change":                   {"PUT", "/web", `{"name":"web","level":"production"}`, "promote a sandbox app"},
		"the way of an app that signs, no keys": {"PUT", "/web", `{"name":"web","auth":"private_key_jwt"}`, "keys: "},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.call(c.method, "/admin/v1/apps"+c.path, c.body, 422, nil); !strings.Contains(got, c.say) {
				t.Fatalf("%s does not say %q", got, c.say)
			}
		})
	}
	t.Run("a change that names neither level, way nor keys leaves them", func(t *testing.T) {
		var a appAnswer
		s.call("PUT", "/admin/v1/apps/signer", `{"name":"signer","level":"sandbox"}`, 200, &a)
		if a.Auth != "private_key_jwt" || string(a.Keys) != set || a.Owner != "" || a.DPoP {
			t.Fatalf("%+v", a)
		}
	})
	t.Run("what is shown can be sent back and changes nothing", func(t *testing.T) {
		shown := s.call("GET", "/admin/v1/apps/signer", "", 200, nil)
		if again := s.call("PUT", "/admin/v1/apps/signer", shown, 200, nil); again != shown {
			t.Fatalf("%s became %s", shown, again)
		}
	})
	t.Run("an app that becomes public loses its secret", func(t *testing.T) {
		s.call("PUT", "/admin/v1/apps/web", `{"name":"web","auth":"none","redirect_uri":"https://web.example/"}`, 200, nil)
		if a := s.apps.ByName("web"); a.Secret != "" {
			t.Fatal("it is there")
		}
	})
}

func TestAnAppIsPromoted(t *testing.T) {
	s := open(t)
	var box, live appAnswer
	s.call("POST", "/admin/v1/apps", `{"name":"pizza","scopes":["SMS","IMMN"],"short_codes":["48507"],"redirect_uri":"https://pizza.example/cb","owner":"Inc."}`, 201, &box)
	s.call("POST", "/admin/v1/apps/pizza/promote", `{"short_codes":["48599"]}`, 201, &live)
	if live.Name != "pizza live" || live.Level != "production" || live.PromotedFrom != "pizza" || live.Key == box.Key || live.Secret == "" || live.Secret == box.Secret ||
		len(live.Scopes) != 2 || live.RedirectURI != box.RedirectURI || live.Owner != "Inc." || len(live.ShortCodes) != 1 || live.ShortCodes[0] != "48599" {
		t.Fatalf("%+v", live)
	}
	for key, secret := range map[string]string{box.Key: box.Secret, live.Key: live.Secret} {
		if ok, err := s.apps.CheckSecret(context.Background(), s.apps.ByKey(key), secret); err != nil || !ok {
			t.Errorf("%s: %v", key, err)
		}
	}
	if got := s.call("POST", "/admin/v1/apps/pizza/promote", "", 409, nil); !strings.Contains(got, `name: \"pizza live\" is another app's; give`) { // no body is needed
		t.Error(got)
	}
	s.call("POST", "/admin/v1/apps/pizza/promote", `{"name":"Pizza 2"}`, 201, nil)
	s.call("POST", "/admin/v1/apps/pizza%20live/promote", `{"name":"x"}`, 422, nil)
	if got := s.call("POST", "/admin/v1/apps/pizza/promote", `{"name":"x","short_codes":["48507"]}`, 409, nil); !strings.Contains(got, `short code 48507, of \"pizza\", is taken`) {
		t.Error(got)
	}
	s.call("POST", "/admin/v1/apps/nobody/promote", ``, 404, nil)
	s.call("DELETE", "/admin/v1/apps/pizza", "", 204, nil)
	s.call("GET", "/admin/v1/apps/pizza%20live", "", 200, &live)
	if live.PromotedFrom != "pizza" {
		t.Fatalf("the origin is forgotten: %+v", live)
	}
}

type importAnswer struct {
	Results []struct{ Name, Key, Outcome, Reason string }
}

func TestAppsAreImported(t *testing.T) {
	s := open(t)
	const old = `{"name":"old","key":"0123456789abcdef","secret":"fedcba9876543210","scopes":["SMS"]}`
	batch := func(dry bool, apps ...string) string {
		return fmt.Sprintf(`{"dry_run":%t,"apps":[%s]}`, dry, strings.Join(apps, ","))
	}
	outcomes := func(t *testing.T, body string, want ...string) importAnswer {
		t.Helper()
		var a importAnswer
		s.call("POST", "/admin/v1/apps/import", body, 200, &a)
		if len(a.Results) != len(want) {
			t.Fatalf("%+v", a)
		}
		for i, r := range a.Results {
			if r.Outcome != want[i] || (r.Reason == "") != (r.Outcome != "refused") {
				t.Errorf("%d: %+v, want %s", i, r, want[i])
			}
		}
		return a
	}
	other := strings.Replace(old, "fedcba", "000000", 1)
	fresh := strings.NewReplacer(`"old"`, `"new"`, "0123", "4567").Replace(old)
	outcomes(t, batch(true, old), "created")
	if s.apps.ByName("old") != nil {
		t.Fatal("a dry run has made an app")
	}
	outcomes(t, batch(false, old), "created")
	if ok, err := s.apps.CheckSecret(context.Background(), s.apps.ByKey("0123456789abcdef"), "fedcba9876543210"); err != nil || !ok {
		t.Fatal("the old secret does not work", err)
	}
	a := outcomes(t, batch(false, old, other, fresh), "unchanged", "refused", "created")
	if a.Results[1].Key != "0123456789abcdef" || !strings.Contains(a.Results[1].Reason, "another secret") {
		t.Fatalf("%+v", a)
	}
	s.call("POST", "/admin/v1/apps/import", batch(false), 422, nil)
	many := make([]string, adminv1.MaxImportBatch+1)
	for i := range many {
		many[i] = old
	}
	s.call("POST", "/admin/v1/apps/import", batch(false, many...), 422, nil)
	t.Run("a batch with every address at its longest has room", func(t *testing.T) {
		long := "https://x.example/" + strings.Repeat("y", 2048-18)
		for i := range many[:adminv1.MaxImportBatch] {
			many[i] = fmt.Sprintf(`{"name":"n%d","key":"k%d","secret":"fedcba9876543210","redirect_uri":%q,"message_listener":%q,"status_listener":%q,"notification_url":%q}`,
				i, i, long, long, long, long)
		}
		var a importAnswer
		s.call("POST", "/admin/v1/apps/import", batch(true, many[:adminv1.MaxImportBatch]...), 200, &a)
		if len(a.Results) != adminv1.MaxImportBatch || a.Results[0].Outcome != "created" {
			t.Fatalf("%+v", a)
		}
	})
	if a := s.apps.ByName("old"); a == nil || len(a.Scopes) != 1 || a.Scopes[0] != app.ScopeSMS {
		t.Fatalf("%+v", a)
	}
}

func TestAnImportSaysWhatItLeavesAsItIs(t *testing.T) {
	s := open(t)
	s.call("POST", "/admin/v1/apps", `{"name":"old","key":"old-key","secret":"old-secret-1","scopes":["SMS","IMMN"],"short_codes":["48507"],"redirect_uri":"https://old.example/cb"}`, 201, nil)
	s.call("POST", "/admin/v1/apps", `{"name":"mute","key":"mute-key","secret":"mute-secret"}`, 201, nil)
	for name, c := range map[string]struct{ more, outcome, reason string }{
		`"old","key":"old-key","secret":"old-secret-1"`:   {"", "unchanged", ""},
		`"old","key":"old-key","secret":"old-secret-1" `:  {`,"scopes":["IMMN","SMS"],"short_codes":["48507"],"redirect_uri":"https://old.example/cb","level":"sandbox"`, "unchanged", ""},
		`"old","key":"old-key","secret":"old-secret-1"  `: {`,"scopes":["SMS"],"short_codes":["48508","48507"],"redirect_uri":"https://new.example/cb"`, "unchanged", "keeps its own scopes, short_codes, redirect_uri: "},
		`"old", "key":"old-key","secret":"old-secret-1"`:  {`,"level":"production"`, "unchanged", "its level stays sandbox"},
		`"old","key":"old-key","secret":"old-secret-2"`:   {`,"owner":"Inc."`, "refused", "another secret"},
		`"mute","key":"mute-key","secret":"mute-secret"`:  {"", "unchanged", "gets no token"},
		`"new","key":"new-key","secret":"new-secret-1"`:   {`,"scopes":[]`, "created", "gets no token"},
		`"other","key":"some-key","secret":"new-secret"`:  {`,"scopes":["SMS"]`, "created", ""},
	} {
		for _, dry := range []bool{true, false} {
			var a importAnswer
			s.call("POST", "/admin/v1/apps/import", fmt.Sprintf(`{"dry_run":%t,"apps":[{"name":%s%s}]}`, dry, name, c.more), 200, &a)
			if r := a.Results[0]; r.Outcome != c.outcome || !strings.Contains(r.Reason, c.reason) || c.reason == "" && r.Reason != "" {
				t.Errorf("%s%s: %+v", name, c.more, r)
			}
		}
	}
	if a := s.apps.ByName("old"); len(a.ShortCodes) != 1 || a.RedirectURI != "https://old.example/cb" {
		t.Errorf("%+v", a)
	}
}

func TestQuotasSayTheLevelAndWhenTheWindowsEnd(t *testing.T) {
	s := open(t)
	s.call("POST", "/admin/v1/apps", `{"name":"pizza","level":"production"}`, 201, nil)
	var list struct {
		Quotas []struct {
			App, Level, API string
			PerMinute       int64     `json:"per_minute"`
			MinuteEnds      time.Time `json:"minute_ends"`
			DayEnds         time.Time `json:"day_ends"`
		}
	}
	s.call("GET", "/admin/v1/quotas?app="+url.QueryEscape("pizza"), "", 200, &list)
	if len(list.Quotas) != 1 {
		t.Fatalf("%+v", list)
	}
	q := list.Quotas[0]
	if q.Level != "production" || q.API != "SMS" || q.PerMinute != 600 || q.MinuteEnds.Second() != 0 || q.MinuteEnds.Before(s.now().Truncate(time.Minute)) ||
		!q.DayEnds.Equal(q.DayEnds.Truncate(24*time.Hour)) || q.DayEnds.Before(q.MinuteEnds) {
		t.Fatalf("%+v", q)
	}
}

// TestQuotasAgreeWithTheRateLimitHeader compares what the API says is spent with what the meter tells the
// caller is left, although units are leased from the store in blocks.
func TestQuotasAgreeWithTheRateLimitHeader(t *testing.T) {
	s := open(t)
	now := s.now()
	s.offset.Store(int64(now.Truncate(time.Minute).Sub(now))) // no window ends in between
	s.call("POST", "/admin/v1/apps", `{"name":"pizza"}`, 201, nil)
	a := s.apps.ByName("pizza")
	lim, _ := s.apps.Quota(a, "SMS")
	for i := range int64(20) {
		v, err := s.meter.Spend(context.Background(), quota.Key{App: int64(a.ID), API: "SMS"}, lim)
		if err != nil || !v.OK {
			t.Fatalf("%d: %+v %v", i, v, err)
		}
		if !s.agrees("pizza", v.Remaining) {
			t.Fatalf("after %d calls the header says that %v are left, the API does not", i+1, v.Remaining)
		}
	}
	s.call("PUT", "/admin/v1/apps/pizza/quotas/SMS", `{"per_minute":5}`, 200, nil)
	if !s.agrees("pizza", [2]int64{0, lim.PerDay - 20}) {
		t.Fatal("a limit that is lowered below what is spent")
	}
}

// agrees waits for the moment at which no lease is on its way, when the API says that so much is left.
func (s *site) agrees(name string, left [2]int64) bool {
	s.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		var list struct {
			Quotas []struct {
				PerMinute  int64 `json:"per_minute"`
				PerDay     int64 `json:"per_day"`
				UsedMinute int64 `json:"used_minute"`
				UsedDay    int64 `json:"used_day"`
			}
		}
		s.call("GET", "/admin/v1/quotas?app="+name, "", 200, &list)
		if q := list.Quotas[0]; q.PerMinute-q.UsedMinute == left[quota.Minute] && q.PerDay-q.UsedDay == left[quota.Day] {
			return true
		}
	}
	return false
}

func TestAppsAreListedInParts(t *testing.T) {
	s := open(t)
	for _, name := range []string{"bravo", "alpha", "delta", "charlie"} {
		s.call("POST", "/admin/v1/apps", `{"name":"`+name+`","key":"key-of-`+name+`"}`, 201, nil)
	}
	s.call("DELETE", "/admin/v1/apps/alpha", "", 204, nil)
	list := func(query string) (names, next string) {
		t.Helper()
		var l struct {
			Apps []struct {
				Name    string
				Created time.Time
				Deleted bool
			}
			Next string
		}
		s.call("GET", "/admin/v1/apps"+query, "", 200, &l)
		for _, a := range l.Apps {
			if names += a.Name + " "; a.Deleted != (a.Name == "alpha") || a.Created.IsZero() {
				t.Errorf("%+v", a)
			}
		}
		return names, l.Next
	}
	for query, want := range map[string]string{
		"":                            "bravo charlie delta ",
		"?deleted=true":               "bravo charlie delta alpha ",
		"?name=R":                     "bravo charlie ",
		"?name=OF-D":                  "delta ",
		"?name=nobody":                "",
		"?deleted=true&name=alpha":    "alpha ",
		"?limit=2&after=key-of-bravo": "charlie delta ",
	} {
		if names, next := list(query); names != want || next != "" {
			t.Errorf("%s: %q, next %q", query, names, next)
		}
	}
	names, next := list("?limit=2")
	if names != "bravo charlie " || next == "" {
		t.Fatalf("%q, next %q", names, next)
	}
	if names, next = list("?limit=2&after=" + next); names != "delta " || next != "" {
		t.Fatalf("%q, next %q", names, next)
	}
	s.call("GET", "/admin/v1/apps?after=nobody", "", 422, nil)
	s.call("GET", "/admin/v1/apps?limit=501", "", 422, nil)
}

func TestAnAppKeepsItsKeyAndSecret(t *testing.T) {
	s := open(t)
	s.call("POST", "/admin/v1/apps", `{"name":"web","key":"web-key","secret":"web-secret-1"}`, 201, nil)
	for field, body := range map[string]string{"key: cannot": `{"name":"web","key":"other-key"}`, "secret: cannot": `{"name":"web","key":"web-key","secret":"web-secret-2"}`} {
		if answer := s.call("PUT", "/admin/v1/apps/web", body, 422, nil); !strings.Contains(answer, field) {
			t.Errorf("%s: %s", body, answer)
		}
	}
	s.call("PUT", "/admin/v1/apps/web", s.call("GET", "/admin/v1/apps/web", "", 200, nil), 200, nil)
	a := s.apps.ByKey("web-key")
	if ok, err := s.apps.CheckSecret(context.Background(), a, "web-secret-1"); err != nil || !ok {
		t.Fatal("the secret is another", err)
	}
}

func TestAppsWithoutASecretAreImported(t *testing.T) {
	s := open(t)
	set, other := jwks(t, false), jwks(t, false)
	public := `{"name":"phone","key":"phone-key","auth":"none","redirect_uri":"https://phone.example/cb"}`
	signer := `{"name":"signer","key":"signer-key","auth":"private_key_jwt","keys":` + set + `}`
	for _, c := range []struct{ app, outcome, reason string }{
		{public, "created", ""},
		{public, "unchanged", ""},
		{signer, "created", ""},
		{signer, "unchanged", ""},
		{strings.Replace(signer, set, other, 1), "refused", "another set of keys"},
		{strings.Replace(public, `"none"`, `"secret","secret":"phone-secret"`, 1), "refused", "another way to prove itself"},
		{strings.NewReplacer("phone-key", "new-key", `"phone"`, `"new"`, `"none"`, `"none","secret":"phone-secret"`).Replace(public), "refused", "secret: an app with none has none"},
	} {
		for _, dry := range []bool{true, false} {
			var a importAnswer
			if dry && c.outcome == "created" {
				continue
			}
			s.call("POST", "/admin/v1/apps/import", fmt.Sprintf(`{"dry_run":%t,"apps":[%s]}`, dry, c.app), 200, &a)
			if r := a.Results[0]; r.Outcome != c.outcome || !strings.Contains(r.Reason, c.reason) || strings.Contains(r.Reason, app.ErrTaken.Error()) {
				t.Errorf("%s: %+v", c.app, r)
			}
		}
	}
	if a := s.apps.ByKey("signer-key"); a == nil || a.Auth != app.AuthKey || a.Keys == "" || a.Secret != "" {
		t.Fatalf("%+v", a)
	}
}
