package reference

import (
	"strconv"

	"longlines/fault"
)

// codePage is the data of code.html.
type codePage struct {
	page
	Code    string
	Text    string // the one text all cases share, if they do
	Raised  int    // how many cases are answered
	Cases   []codeCase
	Related []relatedCode
}

// codeCase is one meaning of the code.
type codeCase struct {
	fault.Row
	Number   int
	Tell     string // how to tell it from the others: the variables or the description
	Surfaces []surface
	Example  *example
	Try      string
}

type relatedCode struct {
	Code, Title string
	Cases       int
}

// surface is how a case shows on one kind of path.
type surface struct {
	Name, Status, Body string
}

func (r *Reference) codePage(rows []fault.Row) codePage {
	p := codePage{page: page{Title: rows[0].Code}, Code: rows[0].Code, Text: rows[0].Text}
	if len(rows) == 1 {
		p.Title += ": " + rows[0].Title
	}
	for i, row := range rows {
		if row.Raised {
			p.Raised++
		}
		if row.Text != p.Text && row.Raised {
			p.Text = ""
		}
		c := codeCase{Row: row, Number: i + 1, Tell: tell(row), Try: row.Try()}
		if row.Raised {
			c.Surfaces = surfaces(row)
			c.Example = r.exampleOf(row)
		}
		p.Cases = append(p.Cases, c)
	}
	for _, code := range rows[0].Related() {
		other := fault.ByCode(code)
		rel := relatedCode{Code: code, Cases: len(other)}
		if len(other) == 1 {
			rel.Title = other[0].Title
		} else {
			rel.Title = itoa(len(other)) + " meanings"
		}
		p.Related = append(p.Related, rel)
	}
	return p
}

// tell is what the reply of a case says that those of its neighbours do not.
func tell(r fault.Row) string {
	switch {
	case r.OAuth():
		return r.Fault.Description
	case r.Shape != "":
		return r.Shape
	}
	return r.Value()
}

// surfaces are the forms a case takes on the kinds of path there are
// (docs/reference/conventions.md §3.7).
func surfaces(r fault.Row) []surface {
	if r.OAuth() {
		if r.Status == 302 {
			return []surface{{"OAuth paths", "302", "error and error_description in the redirect"}}
		}
		return []surface{{"OAuth paths", itoa(r.Status), "error and error_description"}}
	}
	exception := "ServiceException"
	if r.Policy() {
		exception = "PolicyException"
	}
	list := []surface{{"Compatible APIs", itoa(r.Status), "RequestError with a " + exception}}
	if onOAuthPaths(r) {
		f := fault.OnOAuth(r.Fault)
		list = append(list, surface{"OAuth paths", itoa(f.Status), f.Code})
	}
	modern := r.Status
	if r.Modern != 0 {
		modern = r.Modern
	}
	return append(list, surface{"Modern and admin APIs", itoa(modern), "problem document"})
}

// onOAuthPaths reports whether a case of the gateway can answer there too.
func onOAuthPaths(r fault.Row) bool {
	if r.DueIn != fault.DueGateway {
		return false
	}
	for _, a := range r.APIs {
		if a == fault.APIOAuth {
			return true
		}
	}
	return false
}

func itoa(n int) string { return strconv.Itoa(n) }
