package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"longlines/fault"
)

// requestPages registers the pages of requests and messages.
func (x *console) requestPages(page func(pattern string, serve http.HandlerFunc)) {
	page("GET /requests", x.requests)
	page("GET /requests/{id}", x.request)
	page("GET /messages", x.messages)
	page("GET /messages/{id}", x.message)
}

// pageSize is how many lines a list shows.
const pageSize = "50"

// callLine is a call as a line of GET /admin/v1/requests.
type callLine struct {
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`
	App       string    `json:"app"`
	Operation string    `json:"operation"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Status    int       `json:"status"`
	Code      string    `json:"code"`
	Case      string    `json:"case"`
	Message   string    `json:"message"`
	Ms        float64   `json:"ms"`
}

// Answered is the status at a glance.
func (c callLine) Answered() chip { return statusChip(c.Status) }

// Took is how long the answer took, for people.
func (c callLine) Took() string { return tookWords(c.Ms) }

// maxPath is how much of a path a line shows, in octets: a caller may send a long one.
const maxPath = 120

// Short is the path as a line shows it.
func (c callLine) Short() string {
	if len(c.Path) <= maxPath {
		return c.Path
	}
	return strings.ToValidUTF8(c.Path[:maxPath], "") + "…"
}

// Tail is the end of an id, enough to tell it from others in a list.
func (requestsPage) Tail(id string) string { return "…" + id[max(0, len(id)-6):] }

// requestsPage is what requests.html shows.
type requestsPage struct {
	frame
	list
	Calls []callLine
}

// requests lists the newest calls. With ?find=… it goes to the page of what has that id.
func (x *console) requests(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p := requestsPage{frame: x.frame(r, r.URL.Path, "Requests"), list: list{Path: "/requests", Before: q.Get("before"), Questions: []question{
		{Name: "app", Label: "App", Options: x.appNames(r)},
		{Name: "status", Label: "Answered", Options: []string{"2xx", "4xx", "5xx"}, Hint: "4xx, or 403"},
		{Name: "refused", Parameter: "code", Label: "Code", Options: fault.Codes(), Hint: "POL0001"},
		{Name: "operation", Label: "Operation", More: true, Hint: "Send SMS"},
		{Name: "message", Label: "About the message", More: true, Hint: "SMS…"},
		{Name: "since", Label: "Since (UTC)", Type: "datetime-local", More: true},
		{Name: "until", Label: "Until (UTC)", Type: "datetime-local", More: true},
	}}}
	if p.Find = strings.TrimSpace(q.Get("find")); p.Find != "" {
		if at := pageOf(p.Find); at != "" {
			http.Redirect(w, r, at, http.StatusSeeOther)
			return
		}
		p.FindWrong = "There is no whole id in that, neither of a request (req_…) nor of a message (SMS…)."
	}
	var found struct {
		Requests []callLine
		Next     string
	}
	status := p.ask(r, x.Admin, "/admin/v1/requests", q, &found)
	p.Calls, p.Next = found.Requests, found.Next
	x.render(w, status, "requests.html", p)
}

var (
	requestID = regexp.MustCompile(`(?i)\breq_[0-9a-z]{26}\b`)
	messageID = regexp.MustCompile(`(?i)\b(?:sms|msg_)[0-9a-f]{32}\b`)
)

// pageOf finds the id of a call or of a text in what a person pasted, a line of a log or an address, and gives
// its page; "" if there is none.
func pageOf(s string) string {
	if id := requestID.FindString(s); id != "" {
		return "/requests/req_" + strings.ToUpper(id[len("req_"):])
	}
	if id := messageID.FindString(s); id != "" {
		return "/messages/" + id
	}
	return ""
}

// appNames are offered where an app is asked for.
func (x *console) appNames(r *http.Request) (names []string) {
	var apps struct{ Apps []struct{ Name string } }
	if read(r, x.Admin, "/admin/v1/apps?limit=200", &apps) != nil {
		return nil // it can be typed
	}
	for _, a := range apps.Apps {
		names = append(names, a.Name)
	}
	return names
}

// list is a page of a list: what is asked for, and the way to the next page.
type list struct {
	Path      string // of the page
	Questions []question
	Wrong     string // what is wrong with the question, where it is no single field's fault
	Find      string // what somebody looked for and is no id
	FindWrong string
	Before    string // of this page
	Next      string // of the next one
}

// question is a field of the form above a list.
type question struct {
	Name, Label string
	Parameter   string   // of the API; default Name. A parameter "code" of a page signs in.
	Type        string   // of the input; default text
	Hint        string   // an example
	Options     []string // what may be meant
	Only        bool     // nothing but the options
	More        bool     // seldom asked
	Value       string
	Wrong       string
}

func (q question) parameter() string {
	if q.Parameter != "" {
		return q.Parameter
	}
	return q.Name
}

// Asked reports whether the list is not simply the newest.
func (l list) Asked() bool {
	return slices.ContainsFunc(l.Questions, func(q question) bool { return q.Value != "" })
}

// Failed reports whether the question was not answered.
func (l list) Failed() bool {
	return l.Wrong != "" || slices.ContainsFunc(l.Questions, func(q question) bool { return q.Wrong != "" })
}

// HasMore reports whether there is something that is seldom asked.
func (l list) HasMore() bool {
	return slices.ContainsFunc(l.Questions, func(q question) bool { return q.More })
}

// Open reports whether something that is seldom asked is asked.
func (l list) Open() bool {
	return slices.ContainsFunc(l.Questions, func(q question) bool { return q.More && q.Value != "" })
}

// Older is the address of the next page; "" if there is none.
func (l list) Older() string {
	if l.Next == "" {
		return ""
	}
	return l.at(l.Next)
}

// Newest is the address of the first page; "" on it.
func (l list) Newest() string {
	if l.Before == "" {
		return ""
	}
	return l.at("")
}

func (l list) at(before string) string {
	v := url.Values{}
	for _, q := range l.Questions {
		if q.Value != "" {
			v.Set(q.Name, q.Value)
		}
	}
	if before != "" {
		v.Set("before", before)
	}
	if len(v) == 0 {
		return l.Path
	}
	return l.Path + "?" + v.Encode()
}

// ask reads a list from the API with what the form asks for. What the API refuses stands next to its field
// afterwards, and the status is the API's.
func (l *list) ask(r *http.Request, h http.Handler, target string, form url.Values, v any) (status int) {
	query := url.Values{"limit": {pageSize}}
	if l.Before != "" {
		query.Set("before", l.Before)
	}
	for i := range l.Questions {
		q := &l.Questions[i]
		q.Value = strings.TrimSpace(form.Get(q.Name))
		if q.Value == "" {
			continue
		}
		value := q.Value
		if q.Type == "datetime-local" {
			t, err := readTime(q.Value)
			if err != nil {
				q.Wrong = "A time looks like 2026-01-02T15:04."
				continue
			}
			value = t.Format(time.RFC3339Nano)
		}
		query.Set(q.parameter(), value)
	}
	if l.Failed() {
		return http.StatusUnprocessableEntity
	}
	err := read(r, h, target+"?"+query.Encode(), v)
	var e *refusal
	switch {
	case errors.As(err, &e):
		l.blame(e)
		return e.Status
	case err != nil:
		l.Wrong = "The list could not be read."
		return http.StatusInternalServerError
	case l.FindWrong != "":
		return http.StatusUnprocessableEntity
	}
	return http.StatusOK
}

// blame puts what the API says next to the field that it speaks of.
func (l *list) blame(e *refusal) {
	field := func(name string) *question {
		for i := range l.Questions {
			if l.Questions[i].parameter() == name {
				return &l.Questions[i]
			}
		}
		return nil
	}
	for _, f := range e.Errors {
		if q := field(strings.TrimPrefix(f.Location, "query.")); q != nil {
			q.Wrong = sentence(f.Message)
			return
		}
	}
	name, rest, _ := strings.Cut(e.Detail, ": ")
	switch q := field(name); {
	case q != nil:
		q.Wrong = sentence(rest)
	case strings.HasPrefix(name, "message ") && field("message") != nil:
		field("message").Wrong = sentence(rest)
	case strings.HasPrefix(name, `"`) && field("app") != nil: // "pizza": no such app
		field("app").Wrong = sentence(rest)
	case e.Detail != "":
		l.Wrong = sentence(e.Detail)
	default:
		l.Wrong = "The list could not be read."
	}
}

// sentence makes one of what an API says.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + strings.TrimRight(s[1:], ".") + "."
}

// readTime reads a time of a form, which is UTC.
func readTime(s string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05.999", "2006-01-02 15:04", "2006-01-02 15:04:05.999", time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("not a time")
}

// chip is a state at a glance: tone and icon say what the word says.
type chip struct{ Tone, Icon, Text string }

// statusChip shows an HTTP status; app.js does the same.
func statusChip(status int) chip {
	c := chip{"good", "check", fmt.Sprint(status)}
	switch {
	case status >= 500:
		c.Tone, c.Icon = "bad", "cross"
	case status >= 400:
		c.Tone, c.Icon = "wait", "warn"
	}
	return c
}

// states of texts, sent and received; app.js has the same looks.
var states = map[string]chip{
	"accepted": {"", "clock", ""}, "held": {"wait", "hold", ""}, "retrying": {"wait", "retry", ""}, "sent": {"busy", "sent", ""}, "unknown": {"wait", "unknown", ""},
	"delivered": {"good", "check", ""}, "undeliverable": {"bad", "cross", ""}, "expired": {"bad", "clock", ""}, "failed": {"bad", "cross", ""},
	"cancelled": {"bad", "ban", ""}, "uncertain": {"wait", "unknown", ""}, "quarantined": {"bad", "warn", ""},
	"waiting": {"wait", "clock", ""}, "leased": {"busy", "sent", ""}, "read": {"good", "check", ""}, "posted": {"good", "callback", ""},
}

// stateChip shows the state of a text.
func stateChip(state string) chip {
	c, ok := states[state]
	if !ok {
		c.Icon = "dot"
	}
	c.Text = state
	return c
}

// Explains is the address of what the catalogue says about a code: of the API, or of the network as "SMPP-000B".
// "" if it says nothing.
func (f frame) Explains(code, anchor string) string {
	if f.ErrorsURL == "" || code == "" {
		return ""
	}
	if row, ok := fault.Lookup(code, anchor); ok {
		return f.ErrorsURL + strings.TrimPrefix(row.Path(), "/errors")
	}
	if row, ok := fault.Lookup("SVC0001", strings.ToLower(code)); ok {
		return f.ErrorsURL + strings.TrimPrefix(row.Path(), "/errors")
	}
	if len(fault.ByCode(code)) > 0 {
		return f.ErrorsURL + "/" + url.PathEscape(code)
	}
	return ""
}

// mark is a code with the address that explains it; Href is "" if there is none.
type mark struct{ Text, Href string }

// Mark is a code as it is shown.
func (f frame) Mark(code, anchor string) mark { return mark{code, f.Explains(code, anchor)} }

// FirstCall is a call that a newcomer may make.
func (p requestsPage) FirstCall() command {
	key, secret := "YOUR_APP_KEY", "YOUR_APP_SECRET"
	if p.Demo != nil {
		key, secret = quote(p.Demo.Key), quote(p.Demo.Secret)
	}
	return command{"first-call", "Get a token", "curl -s " + quote(p.APIURL) + "/oauth/v4/token \\\n  -d grant_type=client_credentials -d scope=SMS \\\n  -d client_id=" +
		key + " -d client_secret=" + secret}
}

// tookWords shows milliseconds; app.js does the same.
func tookWords(ms float64) string {
	switch {
	case ms < 0.1:
		return "< 0.1 ms"
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}
