package console

import (
	"fmt"
	"net/http"
	"regexp"
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
