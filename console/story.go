package console

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"longlines/app"
)

// story is what the admin API tells of a call or of a text.
type story struct {
	Facts      [][2]string `json:"facts"`
	Steps      []step      `json:"steps"`
	Request    *callLine   `json:"request"`
	Refused    *refusedBy  `json:"refused"`
	Message    string      `json:"message"`
	Recipients []recipient `json:"recipients"`
	Wire       string      `json:"wire"`
}

// refusedBy is the rule that refused a call.
type refusedBy struct {
	Code, Case, Title, Condition, Remedy string
}

// recipient is how a text stands with one of those whom it is for.
type recipient struct {
	To, State, Code, Link string
	Parts                 int
}

// Chip is the state at a glance.
func (r recipient) Chip() chip { return stateChip(r.State) }

// step is one thing that happened.
type step struct {
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"` // as in the stream
	What    string    `json:"what"`
	Detail  string    `json:"detail"`
	Request string    `json:"request"`

	After string `json:"-"` // the first step
	Here  bool   `json:"-"` // it is the call that the page is about
}

// Chip is the state that a text came to.
func (s step) Chip() chip { return stateChip(s.What) }

// Name is the word for the kind; app.js has the same.
func (s step) Name() string {
	switch s.Kind {
	case "pdu":
		return "PDU"
	case "mo":
		return "From phone"
	case "":
		return ""
	}
	return strings.ToUpper(s.Kind[:1]) + s.Kind[1:]
}

var wholeNumber = regexp.MustCompile(`\+1\d{10}\b`)

// Words are the detail, its numbers as on the phones.
func (s step) Words() string {
	text := s.Detail
	if s.Kind == "pdu" || s.Kind == "mo" {
		text = s.What + " " + text
	}
	if s.Kind == "callback" || s.Kind == "request" {
		return text // what looks like a number may be part of an address
	}
	return wholeNumber.ReplaceAllStringFunc(text, showNumber)
}

// storyPage is what request.html and message.html show.
type storyPage struct {
	frame
	story
	ID string
	// Curl does the call again; CurlNote says what is missing, of the whole line if there is none.
	Curl, CurlNote string
}

// Fact is what the API calls so; "" if it does not tell.
func (p storyPage) Fact(name string) string {
	for _, f := range p.Facts {
		if f[0] == name {
			return f[1]
		}
	}
	return ""
}

// Notes are all facts of a name.
func (p storyPage) Notes() (notes []string) {
	for _, f := range p.Facts {
		if f[0] == "note" {
			notes = append(notes, f[1])
		}
	}
	return notes
}

// When is a fact that is a time; nil if it is none.
func (p storyPage) When(name string) *time.Time {
	t, err := time.Parse(time.RFC3339Nano, p.Fact(name))
	if err != nil {
		return nil
	}
	return &t
}

// App is the name of the app whose call or text it is, or why there is none.
func (p storyPage) App() string { return p.Fact("app") }

// AppPath is the page of the app; "" if there is none.
func (p storyPage) AppPath() string {
	name := p.App()
	if name == "" || name == app.OperatorName || strings.Contains(name, ": ") { // "none: nobody owns 12345"
		return ""
	}
	return "/apps/" + url.PathEscape(name)
}

// CurlLine is the line of curl as it is shown.
func (p storyPage) CurlLine() command { return command{"curl", "The same call", p.Curl} }

// NeedsToken reports whether the line of curl needs an access token.
func (p storyPage) NeedsToken() bool { return strings.Contains(p.Curl, "$TOKEN\"") }

// Now is the state of a text from a handset.
func (p storyPage) Now() chip { return stateChip(p.Fact("now")) }

// story reads a story and brings it into the form in which it is shown.
func (x *console) story(r *http.Request, target string) (s story, err error) {
	if err := read(r, x.Admin, target, &s); err != nil {
		return s, err
	}
	for i := range s.Steps {
		st := &s.Steps[i]
		if i > 0 {
			st.After = "+" + delta(st.Time.Sub(s.Steps[0].Time))
		}
	}
	return s, nil
}

// request tells the story of a call.
func (x *console) request(w http.ResponseWriter, r *http.Request) {
	s, err := x.story(r, "/admin/v1/requests/"+url.PathEscape(r.PathValue("id")))
	if err != nil {
		x.refused(w, r, err)
		return
	}
	p := storyPage{story: s}
	if p.Request == nil {
		x.refused(w, r, &refusal{Status: http.StatusNotFound})
		return
	}
	p.ID = p.Request.ID
	p.frame = x.frame(r, r.URL.Path, "Request "+p.ID)
	for i := range p.Steps {
		p.Steps[i].Here = p.Steps[i].Request == p.ID
	}
	p.Curl, p.CurlNote = curlOf(x.APIURL, p.Request.Method, p.Request.Path, p.Wire)
	x.render(w, http.StatusOK, "request.html", p)
}

// message tells the story of a text.
func (x *console) message(w http.ResponseWriter, r *http.Request) {
	s, err := x.story(r, "/admin/v1/messages/"+url.PathEscape(r.PathValue("id")))
	if err != nil {
		x.refused(w, r, err)
		return
	}
	x.render(w, http.StatusOK, "message.html", storyPage{frame: x.frame(r, r.URL.Path, "Message "+s.Message), story: s, ID: s.Message})
}

// delta is a time between two steps, for people.
func delta(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}
