package console

import (
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"longlines/fault"
)

// Bounds of what /callback shows of its query, in octets. Longer is no answer of the platform.
const (
	maxCode        = 256
	maxState       = 2048 // docs/reference/oauth.md §2
	maxDescription = 256
)

// landing is what callback.html shows: what came in the query, and what it means.
type landing struct {
	inline
	Theme  string
	APIURL string

	Code        string // "" if there is none
	Key, Secret string // of the curl line
	Known       bool   // they are those of the demo app, not placeholders
	State       string

	Error       string // the name; "" if there is none
	Description string // error_description
	Row         *fault.Row
	Page        string // of the catalogue, about Row

	Wrong bool // the query is no answer of the platform
}

// callback is the redirect address of the demo app: the place of an app's own page, it shows what an app
// does with the answer of /oauth/v4/authorize (RFC 6749 §4.1.2). Anybody may see it, so there is nothing on
// it that is not in its address; demo is given only for whom the guard knows.
func (x *console) callback(demo *DemoApp) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := landing{inline: x.landing, Theme: themeOf(r), APIURL: x.APIURL, Key: "YOUR_APP_KEY", Secret: "YOUR_APP_SECRET"}
		if demo != nil {
			p.Key, p.Secret, p.Known = demo.Key, demo.Secret, true
		}
		status := http.StatusOK
		if !p.read(r.URL.RawQuery) {
			p = landing{inline: x.landing, Theme: p.Theme, Wrong: true}
			status = http.StatusBadRequest
		}
		if p.Row != nil && x.ErrorsURL != "" {
			p.Page = x.ErrorsURL + strings.TrimPrefix(p.Row.Path(), "/errors")
		}
		w.Header().Set("Content-Security-Policy", p.policy)
		w.Header().Set("Referrer-Policy", "no-referrer") // the code is in the address; there is no form that needs an Origin
		x.render(w, status, "callback.html", p)
	})
}

// read takes the answer out of the query. ok is false if it is none that the platform gives: then nothing of
// it is shown, for it may have been written by somebody who wants a command to be copied from here.
func (p *landing) read(query string) (ok bool) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return false
	}
	for _, name := range []string{"code", "error", "error_description", "state"} {
		if len(q[name]) > 1 {
			return false
		}
	}
	p.Code, p.Error, p.Description, p.State = q.Get("code"), q.Get("error"), q.Get("error_description"), q.Get("state")
	if p.Code != "" && p.Error != "" || len(p.Code) > maxCode || len(p.State) > maxState || len(p.Description) > maxDescription {
		return false
	}
	// Codes are base64url. In the rest there is nothing that is not to be seen, such as what turns a line round.
	if strings.ContainsFunc(p.Code, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) {
		return false
	}
	if strings.ContainsFunc(p.State+p.Description, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return false
	}
	if p.Error != "" {
		p.Row = rowOf(p.Error, p.Description)
		return p.Row != nil
	}
	return true
}

// rowOf finds what the catalogue says of an error of /oauth/v4/authorize: the row with that description, else
// the first that is told by redirect, else the first of OAuth. nil: there is none of that name.
func rowOf(name, description string) (found *fault.Row) {
	rank := 0
	for _, row := range fault.ByCode(name) {
		n := 0
		switch {
		case row.Kind != fault.KindOAuth || row.Code != name:
		case row.Status == http.StatusFound && row.Description == description:
			n = 3
		case row.Status == http.StatusFound:
			n = 2
		default:
			n = 1
		}
		if n > rank {
			rank, found = n, &row
		}
	}
	return found
}
