package console

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// pageSize is how many lines a list shows, unless its Extra says otherwise.
const pageSize = "50"

// list is a page of a list: what is asked for, and the way to the next page.
type list struct {
	Path      string // of the page
	Questions []question
	Extra     url.Values // asked of the API beside what the form asks
	Wrong     string     // what is wrong with the question, where it is no single field's fault
	Find      string     // what somebody looked for by its name, and is none
	FindWrong string
	Before    string // of this page
	Next      string // of the next one
}

// question is a field of the form above a list.
type question struct {
	Name, Label string
	Parameter   string   // of the API; default Name, and "-" if Extra says it. A parameter "code" of a page signs in.
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

// Reveal reports whether whole numbers are asked for.
func (l list) Reveal() bool { return l.Extra.Has("reveal") }

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
	if l.Reveal() {
		v.Set("reveal", "yes")
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
	maps.Copy(query, l.Extra)
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
		if name := q.parameter(); name != "-" {
			query.Set(name, value)
		}
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
		if q := field(f.Parameter); q != nil {
			q.Wrong = sentence(f.Detail)
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

// sentence makes one of what an API says; app.js does the same.
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
