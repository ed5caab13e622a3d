package console

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// peoplePages registers the pages of apps, subscribers and the audit log.
func (x *console) peoplePages(page func(pattern string, serve http.HandlerFunc)) {
	page("GET /apps", x.apps)
	page("GET /apps/{name}", x.app)
	page("GET /subscribers", x.subscribers)
	page("GET /subscribers/{number}", x.subscriber)
	page("POST /subscribers/{number}/revoke", x.revoke)
	page("POST /subscribers/{number}/signout", x.signOutBrowsers)
	page("GET /audit", x.audit)
}

// How many lines a page of a list has.
const (
	appsShown     = "25" // each with its quotas
	consentsShown = "25"
)

// application is an app as GET /admin/v1/apps shows it.
type application struct {
	Name            string    `json:"name"`
	Key             string    `json:"key"`
	Auth            string    `json:"auth"`
	Keys            jwkSet    `json:"keys"`
	Owner           string    `json:"owner"`
	Level           string    `json:"level"`
	Scopes          []string  `json:"scopes"`
	ShortCodes      []string  `json:"short_codes"`
	RedirectURI     string    `json:"redirect_uri"`
	OnNetwork       bool      `json:"on_network"`
	DPoP            bool      `json:"dpop"`
	Introspect      bool      `json:"introspect"`
	MessageListener string    `json:"message_listener"`
	StatusListener  string    `json:"status_listener"`
	NotificationURL string    `json:"notification_url"`
	WaitForVerdict  string    `json:"wait_for_verdict"`
	PromotedFrom    string    `json:"promoted_from"`
	Created         time.Time `json:"created"`
	Deleted         bool      `json:"deleted"`

	Quotas []spending `json:"-"`
}

// jwkSet is what is shown of the public keys of an app: their names.
type jwkSet struct {
	Keys []struct {
		ID        string `json:"kid"`
		Type      string `json:"kty"`
		Algorithm string `json:"alg"`
	} `json:"keys"`
}

// At is the address of the app's page.
func (a application) At() string { return appAt(a.Name) }

// From is the address of the app it was promoted from.
func (a application) From() string { return appAt(a.PromotedFrom) }

// appAt is the address of the page of an app, whatever its name has in it.
func appAt(name string) string { return "/apps/" + url.PathEscape(name) }

// Sandbox reports whether the app is of the sandbox level.
func (a application) Sandbox() bool { return a.Level == "sandbox" }

// Several reports whether the app has more than one quota, so that each has to be named.
func (a application) Several() bool { return len(a.Quotas) > 1 }

// HasSecret reports whether the app has a secret, which is never shown.
func (a application) HasSecret() bool { return a.Auth == "secret" }

// Proof says how the app proves itself at the token endpoint.
func (a application) Proof() string {
	switch a.Auth {
	case "private_key_jwt":
		return "by a signature of its own key (private_key_jwt)"
	case "none":
		return "not at all: a public app, which must use PKCE"
	}
	return "by its secret"
}

// trait is something about an app that the lists show as a chip.
type trait struct{ Icon, Tone, Text, Title string }

// Traits are what is out of the ordinary about the app.
func (a application) Traits() (list []trait) {
	for _, t := range []struct {
		on bool
		trait
	}{
		{a.Deleted, trait{"ban", "bad", "deleted", "Its key and tokens have ended; name and short codes are free"}},
		{a.Auth == "none", trait{"globe", "wait", "public", "It has no secret, so it must use PKCE"}},
		{a.Auth == "private_key_jwt", trait{"chain", "", "private_key_jwt", "It proves itself by a signature of its own key"}},
		{a.DPoP, trait{"link", "", "DPoP", "Its tokens are bound to a key (RFC 9449)"}},
		{a.OnNetwork, trait{"phone", "", "on the network", "Subscribers may consent only from a device on the network"}},
		{a.Introspect, trait{"search", "wait", "introspects", "It may ask about every token of its level (RFC 7662)"}},
	} {
		if t.on {
			list = append(list, t.trait)
		}
	}
	return list
}

// Changes is where the audit log tells what was done to the app.
func (a application) Changes() string { return changesOf("app " + a.Name) }

// changesOf is where the audit log tells what was done to an object.
func changesOf(object string) string { return "/audit?" + url.Values{"object": {object}}.Encode() }

// appTarget is an app at the admin API.
func appTarget(name string) string { return "/admin/v1/apps/" + url.PathEscape(name) }

// spending is a line of GET /admin/v1/quotas: what an app may call of one API, and has.
type spending struct {
	App        string    `json:"app"`
	API        string    `json:"api"`
	PerMinute  int64     `json:"per_minute"`
	PerDay     int64     `json:"per_day"`
	UsedMinute int64     `json:"used_minute"`
	UsedDay    int64     `json:"used_day"`
	MinuteEnds time.Time `json:"minute_ends"`
	DayEnds    time.Time `json:"day_ends"`

	read time.Time // when it was asked for
}

// gauge is one window of a quota: a meter, and the same in words.
type gauge struct {
	Label       string // for who does not see the table's head
	Used, Limit int64
	Words       string
}

// High is from where on the meter warns: four fifths.
func (g gauge) High() int64 { return g.Limit * 4 / 5 }

// Spent reports whether calls are refused until the window ends.
func (g gauge) Spent() bool { return g.Used >= g.Limit }

// Minute is the clock minute.
func (s spending) Minute() gauge {
	left := max(0, int64((s.MinuteEnds.Sub(s.read)+time.Second-1)/time.Second))
	return gauge{s.API + " this minute", s.UsedMinute, s.PerMinute,
		fmt.Sprintf("%s of %s this minute, resets in %d s", grouped(s.UsedMinute), grouped(s.PerMinute), left)}
}

// Day is the UTC day.
func (s spending) Day() gauge {
	return gauge{s.API + " today", s.UsedDay, s.PerDay, fmt.Sprintf("%s of %s today", grouped(s.UsedDay), grouped(s.PerDay))}
}

// grouped writes a count with commas: 5,000.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// quotas reads what an app has spent. A page is worth showing without it.
func (x *console) quotas(r *http.Request, app string) []spending {
	var list struct{ Quotas []spending }
	if read(r, x.Admin, "/admin/v1/quotas?"+url.Values{"app": {app}}.Encode(), &list) != nil {
		return nil
	}
	for i := range list.Quotas {
		list.Quotas[i].read = x.Now()
	}
	return list.Quotas
}

// appsPage is what apps.html shows.
type appsPage struct {
	frame
	Find    string // asked for
	Ended   bool   // deleted ones are asked for
	Wrong   string // with the question
	Apps    []application
	Any     bool   // something was asked for
	First   string // page of the list; "" on it
	Further string // the next one; "" if there is none
	// Commands make more apps.
	Commands []command
}

// apps is the list of apps.
func (x *console) apps(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	p := appsPage{frame: x.frame(r, r.URL.Path, "Apps"), Find: asked.Get("name"), Ended: asked.Get("deleted") != ""}
	p.Any = p.Find != "" || p.Ended
	q := url.Values{"limit": {appsShown}}
	set(q, "name", p.Find)
	set(q, "after", asked.Get("after"))
	if p.Ended {
		q.Set("deleted", "true")
	}
	var list struct {
		Apps []application
		Next string
	}
	status := http.StatusOK
	err := read(r, x.Admin, "/admin/v1/apps?"+q.Encode(), &list)
	if e := wrong(err); e != nil {
		status, p.Wrong, err = e.Status, cmp.Or(sentence(e.Detail), "The API does not understand this."), nil
	}
	if err != nil {
		x.refused(w, r, err)
		return
	}
	p.Apps = list.Apps
	for i := range p.Apps {
		if a := &p.Apps[i]; !a.Deleted {
			a.Quotas = x.quotas(r, a.Name)
		}
	}
	p.First, p.Further = pages(r, "after", list.Next)
	p.Commands = []command{
		{"create", "Make an app", "longlines app create --name pizza --short-code 74992"},
		{"import", "Take over apps with the keys they have", "longlines app import apps.csv --dry-run"},
	}
	x.render(w, status, "apps.html", p)
}

// appPage is what app.html shows.
type appPage struct {
	frame
	App      application
	Consents []consent
	Reveal   bool   // whole numbers are asked for
	Show     string // where they are
	Newest   string // page of the consents; "" on it
	Older    string // the next one; "" if there is none
	Commands []command
}

// Requests is where the calls of the app are.
func (p appPage) Requests() string { return "/requests?" + url.Values{"app": {p.App.Name}}.Encode() }

// Messages is where its texts are.
func (p appPage) Messages() string { return "/messages?" + url.Values{"app": {p.App.Name}}.Encode() }

// Authorize is where the app sends a subscriber's browser.
func (p appPage) Authorize() string {
	return p.APIURL + "/oauth/v4/authorize?" + url.Values{"client_id": {p.App.Key}, "scope": {strings.Join(p.App.Scopes, ",")}}.Encode()
}

// command is a line for a terminal.
type command struct{ ID, Title, Line string }

// app is the page of one app.
func (x *console) app(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	p := appPage{Reveal: asked.Get("reveal") != ""}
	if err := read(r, x.Admin, appTarget(r.PathValue("name")), &p.App); err != nil {
		x.refused(w, r, err)
		return
	}
	p.frame = x.frame(r, r.URL.Path, p.App.Name)
	p.App.Quotas = x.quotas(r, p.App.Name)
	q := url.Values{"app": {p.App.Name}, "all": {"true"}, "limit": {consentsShown}}
	set(q, "before", asked.Get("before"))
	if p.Reveal {
		q.Set("reveal", "true")
	}
	var list consentList
	if err := read(r, x.Admin, "/admin/v1/consents?"+q.Encode(), &list); err != nil {
		x.refused(w, r, err)
		return
	}
	p.Consents = list.Consents
	p.Newest, p.Older = pages(r, "before", list.Next)
	p.Show = with(r, "reveal", "yes")
	p.Commands = commands(p.App)
	x.render(w, http.StatusOK, "app.html", p)
}

// commands are the lines that change an app, with what it has now.
func commands(a application) []command {
	name := quote(a.Name)
	list := []command{
		{"scopes", "Its scopes", "longlines app set " + name + " --scopes " + quote(cmp.Or(strings.Join(a.Scopes, ","), "SMS"))},
		{"codes", "Its short codes; the first is the sender", "longlines app set " + name + " --short-code " + quote(cmp.Or(strings.Join(a.ShortCodes, ","), "74992"))},
		{"redirect", "Where consent leads back to", "longlines app set " + name + " --redirect-uri " + quote(cmp.Or(a.RedirectURI, "https://app.example/callback"))},
		{"listeners", "Where texts and delivery statuses are posted", "longlines app set " + name +
			" --message-listener " + quote(cmp.Or(a.MessageListener, "https://app.example/messages")) +
			" --status-listener " + quote(cmp.Or(a.StatusListener, "https://app.example/statuses"))},
	}
	for _, q := range a.Quotas {
		list = append(list, command{"quota-" + strings.ToLower(q.API), "Its quota of " + q.API,
			fmt.Sprintf("longlines quota set --app %s --api %s --per-minute %d --per-day %d", name, q.API, q.PerMinute, q.PerDay)})
	}
	if a.HasSecret() {
		list = append(list, command{"rotate", "A new secret; the old one ends at once", "longlines app rotate " + name})
	}
	if a.Sandbox() {
		list = append(list, command{"promote", "A production app like it, with a key of its own", "longlines app promote " + name})
	}
	return append(list, command{"delete", "Delete it: its key and tokens end for good", "longlines app delete " + name})
}

// wrong is the refusal of a question that a person may put right; nil if err is something else.
func wrong(err error) *refusal {
	var e *refusal
	if errors.As(err, &e) && e.Status >= 400 && e.Status < 500 {
		return e
	}
	return nil
}

// set puts a value into a query, if there is one.
func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

// with is the address of a page with one member of its query changed, and from its beginning.
func with(r *http.Request, name, value string) string {
	q := r.URL.Query()
	q.Del("before")
	q.Del("after")
	q.Del(name)
	set(q, name, value)
	return here(r, q)
}

// pages are the addresses of a list's first page and of the next one; "" where there is none to go to.
func pages(r *http.Request, cursor, next string) (first, further string) {
	if r.URL.Query().Get(cursor) != "" {
		first = with(r, cursor, "")
	}
	if next != "" {
		further = with(r, cursor, next)
	}
	return first, further
}

// here is this page with another query.
func here(r *http.Request, q url.Values) string {
	if len(q) == 0 {
		return r.URL.EscapedPath()
	}
	return r.URL.EscapedPath() + "?" + q.Encode()
}

// scopeWords say what each scope lets an app do, to an operator.
var scopeWords = map[string]string{
	"SMS":                 "texts under its own number",
	"MMS":                 "picture messages under its own number",
	"IMMN":                "send messages from the subscriber's number",
	"MIM":                 "read and manage the subscriber's messages",
	"MOBO":                "send messages from the subscriber's number",
	"NOTIFICATIONCHANNEL": "be told when something changes",
	"WEBRTCMOBILE":        "calls with the subscriber's number",
	"WEBRTC":              "calls with a number of its own",
	"EMERGENCYSERVICES":   "register an address for emergency calls",
	"TL":                  "see where the subscriber's phone is",
	"DC":                  "see what kind of phone it is",
	"PAYMENT":             "take payments",
	"CMS":                 "handle calls to its own numbers",
	"SPEECH":              "turn speech into writing",
	"TTS":                 "have writing read aloud",
	"STTC":                "turn speech into writing, with words of its own",
	"ADS":                 "show advertisements",
	"WAP":                 "send links to phones",
	"AAB":                 "see and change the subscriber's address book",
}

// scope is a scope with its meaning; Words is "" for one that the console does not know.
type scope struct{ Name, Words string }

func scopes(names []string) (list []scope) {
	for _, n := range names {
		list = append(list, scope{n, scopeWords[n]})
	}
	return list
}

// InWords are the app's scopes.
func (a application) InWords() []scope { return scopes(a.Scopes) }
