package reference

import (
	"html/template"
	"slices"
	"strings"

	"longlines/fault"
)

// page is what every page has.
type page struct {
	Title string
}

// listPage is the data of errors.html.
type listPage struct {
	page
	Query    string
	APIs     []choice
	Blames   []choice
	Families []family
	Shown    int // cases that pass the filter
	Total    int
}

type unknownPage struct {
	page
	Name  string
	Codes []string
}

// choice is one option of a filter.
type choice struct {
	Value, Label string
	Icon         template.HTML
	Checked      bool
}

// family is one part of the list: policy, service, OAuth.
type family struct {
	Title, About string
	Codes        []listed
	Hidden       bool
}

// listed is a code with its cases.
type listed struct {
	Code   string
	Cases  []listedCase
	Hidden bool
}

type listedCase struct {
	fault.Row
	Words  string // what the search looks at
	Slugs  string // the APIs, for the filter
	Hidden bool
}

// blames are the filter by where the remedy lies, in the order of the page.
var blames = []fault.Blame{fault.YourCode, fault.YourAccount, fault.Temporary, fault.Permanent, fault.Operator}

func (r *Reference) listPage(query, api, blame string) listPage {
	p := listPage{page: page{Title: "Errors"}, Query: query, APIs: []choice{{Label: "All APIs"}}, Blames: []choice{{Label: "Any"}}}
	for _, a := range fault.AllAPIs() {
		p.APIs = append(p.APIs, choice{Value: slug(a), Label: a})
	}
	for _, b := range blames {
		p.Blames = append(p.Blames, choice{Value: slug(b), Label: capital(string(b)), Icon: icon(slug(b))})
	}
	api, blame = mark(p.APIs, api), mark(p.Blames, blame)
	words := strings.Fields(strings.ToLower(query))

	p.Families = []family{
		{Title: "Policy", About: "POL codes: a rule refused the request."},
		{Title: "Service", About: "SVC codes: the request could not be carried out."},
		{Title: "OAuth", About: "Error names of the token, revoke and authorize paths."},
	}
	for _, code := range fault.Codes() {
		l := listed{Code: code, Hidden: true}
		for _, row := range fault.ByCode(code) {
			c := listedCase{Row: row, Words: haystack(row)}
			for _, a := range row.APIs {
				c.Slugs += slug(a) + " "
			}
			c.Slugs = strings.TrimSpace(c.Slugs)
			c.Hidden = !matches(c, words, api, blame)
			p.Total++
			if !c.Hidden {
				p.Shown++
				l.Hidden = false
			}
			l.Cases = append(l.Cases, c)
		}
		f := &p.Families[familyOf(l.Cases[0].Row)]
		f.Codes = append(f.Codes, l)
	}
	for i := range p.Families {
		f := &p.Families[i]
		if i < 2 {
			slices.SortFunc(f.Codes, func(a, b listed) int { return strings.Compare(a.Code, b.Code) })
		}
		f.Hidden = true
		for _, c := range f.Codes {
			f.Hidden = f.Hidden && c.Hidden
		}
	}
	return p
}

func familyOf(r fault.Row) int {
	switch {
	case r.OAuth():
		return 2
	case r.Policy():
		return 0
	}
	return 1
}

// mark checks the choice asked for, or the first if there is no such choice.
func mark(choices []choice, value string) string {
	for i := range choices {
		if choices[i].Value == value {
			choices[i].Checked = true
			return value
		}
	}
	choices[0].Checked = true
	return ""
}

// haystack is the text in which the search looks, in lower case.
func haystack(r fault.Row) string {
	parts := []string{r.Code, r.Case, r.Title, r.Condition, r.Text, r.Value(), r.Fault.Description, r.Remedy, r.Shape}
	parts = append(parts, r.Seed...)
	parts = append(parts, r.Methods...)
	if r.Status != 0 {
		parts = append(parts, itoa(r.Status))
	}
	return strings.ToLower(strings.Join(parts, " "))
}

func matches(c listedCase, words []string, api, blame string) bool {
	for _, w := range words {
		if !strings.Contains(c.Words, w) {
			return false
		}
	}
	if api != "" && !strings.Contains(" "+c.Slugs+" ", " "+api+" ") {
		return false
	}
	return blame == "" || c.Raised && slug(c.Blame) == blame
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// icon draws the sign of a chip: 16 by 16, in the colour of its text.
func icon(name string) template.HTML {
	d, ok := icons[name]
	if !ok {
		return ""
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">` + d + `</svg>`)
}

var icons = map[string]string{
	"your-code":    `<path d="M5.5 4.5 2 8l3.5 3.5M10.5 4.5 14 8l-3.5 3.5"/>`,
	"your-account": `<circle cx="8" cy="5.5" r="2.75"/><path d="M2.75 13.75c.6-2.7 2.7-4 5.25-4s4.65 1.3 5.25 4"/>`,
	"temporary":    `<circle cx="8" cy="8" r="6"/><path d="M8 4.75V8l2.25 1.5"/>`,
	"permanent":    `<circle cx="8" cy="8" r="6"/><path d="m3.9 3.9 8.2 8.2"/>`,
	"operator":     `<path d="M8 7v7M5.25 14h5.5M5.2 7.3a4 4 0 0 1 0-4.6M10.8 7.3a4 4 0 0 0 0-4.6M3 9.2a7 7 0 0 1 0-8.4M13 9.2a7 7 0 0 0 0-8.4"/><circle cx="8" cy="5" r="1.25"/>`,
	"search":       `<circle cx="7" cy="7" r="4.75"/><path d="m10.5 10.5 3.5 3.5"/>`,
	"arrow":        `<path d="M3 8h10M9 4l4 4-4 4"/>`,
	"link":         `<path d="M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2-2a2.6 2.6 0 0 0-3.7-3.7l-.8.8M9.2 6.8a2.6 2.6 0 0 0-3.7 0l-2 2a2.6 2.6 0 0 0 3.7 3.7l.8-.8"/>`,
	"never":        `<path d="M3 8h10"/>`,
	"flask":        `<path d="M6.25 2v4.2L2.9 12a1.3 1.3 0 0 0 1.1 2h8a1.3 1.3 0 0 0 1.1-2L9.75 6.2V2M5 2h6M4.6 10h6.8"/>`,
}
