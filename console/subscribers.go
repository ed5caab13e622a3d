package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// consentList is an answer of GET /admin/v1/consents.
type consentList struct {
	Consents []consent
	Next     string
}

// consent is what a subscriber has allowed an app.
type consent struct {
	ID         string     `json:"id"`
	App        string     `json:"app"`
	Level      string     `json:"level"`
	Subscriber string     `json:"subscriber"`
	Scopes     []string   `json:"scopes"`
	How        string     `json:"how"`
	Given      time.Time  `json:"given"`
	Used       *time.Time `json:"used"`
	State      string     `json:"state"`
	Revoked    *time.Time `json:"revoked"`
	RevokedBy  string     `json:"revoked_by"`
	AppDeleted bool       `json:"app_deleted"`
}

// InForce reports whether it opens anything.
func (c consent) InForce() bool { return c.State == inForce }

// InWords are the scopes that it covers.
func (c consent) InWords() []scope { return scopes(c.Scopes) }

// AppAt is the address of the app's page; "" if it has none.
func (c consent) AppAt() string { return livingAt(c.App, c.AppDeleted) }

// Whole reports whether the whole number is there, and so can be looked up.
func (c consent) Whole() bool { return !strings.Contains(c.Subscriber, "*") }

// Known says how the subscriber was known at the decision.
func (c consent) Known() string {
	switch c.How {
	case "pin":
		return "by a PIN"
	case "on-network":
		return "by the network"
	case "remembered":
		return "by a remembered browser"
	}
	return c.How
}

// subscribersPage is what subscribers.html shows.
type subscribersPage struct {
	frame
	list
	Consents []consent
	Show     string // where whole numbers are
}

// inForce is the state of a consent that opens something, in the API's words and in those of the form of the list.
const inForce = "in force"

// subscribers is the list of consents, and the way to a number.
func (x *console) subscribers(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	p := subscribersPage{frame: x.frame(r, r.URL.Path, "Subscribers"), list: list{Path: "/subscribers", Before: asked.Get("before"),
		Extra: url.Values{"limit": {consentsShown}}, Questions: []question{
			{Name: "app", Label: "App", Options: x.appNames(r)},
			{Name: "state", Parameter: "-", Label: "State", Options: []string{inForce}, Only: true},
		}}}
	if p.Find = strings.TrimSpace(asked.Get("number")); p.Find != "" {
		var s person
		err := read(r, x.Admin, personTarget(p.Find), &s)
		if err == nil {
			http.Redirect(w, r, "/subscribers/"+s.Number, http.StatusSeeOther)
			return
		}
		e := wrong(err)
		if e == nil {
			x.refused(w, r, err)
			return
		}
		p.FindWrong = noNumber(e)
	}
	if asked.Get("state") != inForce {
		asked.Del("state") // a select shows only what it offers
		p.Extra.Set("all", "true")
	}
	if asked.Get("reveal") != "" {
		p.Extra.Set("reveal", "true")
	}
	var found consentList
	status := p.ask(r, x.Admin, "/admin/v1/consents", asked, &found)
	p.Consents, p.Next = found.Consents, found.Next
	p.Show = with(r, "reveal", "yes")
	x.render(w, status, "subscribers.html", p)
}

// noNumber says what is wrong with a number, without the name of the API's parameter.
func noNumber(e *refusal) string {
	return sentence(cmp.Or(strings.TrimPrefix(e.Detail, "msisdn: "), "Not a number"))
}

// person is an answer of GET /admin/v1/subscribers/{msisdn}.
type person struct {
	Number   string       `json:"number"`
	Consents []consent    `json:"consents"`
	OptOuts  []optOut     `json:"opt_outs"`
	Browsers []remembered `json:"browsers"`
}

// optOut is a no to the texts of an app; App is "" for all of them.
type optOut struct {
	App        string    `json:"app"`
	Word       string    `json:"word"`
	Time       time.Time `json:"time"`
	AppDeleted bool      `json:"app_deleted"`
}

// AppAt is the address of the app's page; "" if it has none.
func (o optOut) AppAt() string { return livingAt(o.App, o.AppDeleted) }

// livingAt is the address of an app's page, unless the app is deleted: another may have its name.
func livingAt(name string, deleted bool) string {
	if deleted {
		return ""
	}
	return appAt(name)
}

// remembered is a browser that is.
type remembered struct {
	ID      string    `json:"id"`
	Level   string    `json:"level"`
	Agent   string    `json:"agent"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// personTarget is a subscriber at the admin API.
func personTarget(number string) string { return "/admin/v1/subscribers/" + url.PathEscape(number) }

// subscriberPage is what subscriber.html shows.
type subscriberPage struct {
	frame
	person
	Ended []consent // the newest that are not in force any more
	Done  string    // what the form before has done, for people; "" if there was none
	Gone  bool      // it was not there any more
}

// At is the address of the page.
func (p subscriberPage) At() string { return "/subscribers/" + p.Number }

// Changes is where everything is that the subscriber has changed.
func (p subscriberPage) Changes() string {
	return "/audit?" + url.Values{"actor": {"subscriber " + p.Number}}.Encode()
}

// Messages is where the texts to the number are.
func (p subscriberPage) Messages() string {
	return "/messages?" + url.Values{"to": {p.Number}}.Encode()
}

// done are the words for what a form has done, by the word in the address that it leads to.
var done = map[string]string{
	"revoked":        "The consent is withdrawn. Its tokens have ended.",
	"signed-out":     "The browser is signed out.",
	"all-signed-out": "The number is signed in nowhere any more. Consents stay.",
	"gone":           "That was not there any more. Nothing has been changed.",
}

// subscriber is the page of one number.
func (x *console) subscriber(w http.ResponseWriter, r *http.Request) {
	s, ok := x.person(w, r)
	if !ok {
		return
	}
	if s.Number != r.PathValue("number") { // spelled in another way
		http.Redirect(w, r, "/subscribers/"+s.Number, http.StatusSeeOther)
		return
	}
	word := r.URL.Query().Get("done")
	p := subscriberPage{frame: x.frame(r, r.URL.Path, showNumber(s.Number)), person: s, Done: done[word], Gone: word == "gone"}
	var all consentList
	if err := read(r, x.Admin, "/admin/v1/consents?"+url.Values{"subscriber": {s.Number}, "all": {"true"}, "limit": {"100"}}.Encode(), &all); err != nil {
		x.refused(w, r, err)
		return
	}
	p.Ended = slices.DeleteFunc(all.Consents, consent.InForce)
	x.render(w, http.StatusOK, "subscriber.html", p)
}

// person reads the subscriber whom the path names; ok is false if the answer has been given.
func (x *console) person(w http.ResponseWriter, r *http.Request) (s person, ok bool) {
	err := read(r, x.Admin, personTarget(r.PathValue("number")), &s)
	if e := wrong(err); e != nil { // no number: there is no such page
		err = &refusal{Status: http.StatusNotFound, Detail: noNumber(e)}
	}
	if err != nil {
		x.refused(w, r, err)
		return s, false
	}
	return s, true
}

// revoke withdraws a consent of the number. The guard has checked that the form is our own.
func (x *console) revoke(w http.ResponseWriter, r *http.Request) {
	x.change(w, r, func(s person, form url.Values) (word, target string) {
		name := form.Get("consent")
		if !slices.ContainsFunc(s.Consents, func(c consent) bool { return c.ID == name }) {
			return "gone", ""
		}
		return "revoked", "/admin/v1/consents/" + url.PathEscape(name)
	})
}

// signOutBrowsers forgets one remembered browser of the number, or all of them. The guard has checked that
// the form is our own.
func (x *console) signOutBrowsers(w http.ResponseWriter, r *http.Request) {
	x.change(w, r, func(s person, form url.Values) (word, target string) {
		all := personTarget(s.Number) + "/browsers"
		name := form.Get("browser")
		switch {
		case name == "all":
			return "all-signed-out", all
		case !slices.ContainsFunc(s.Browsers, func(b remembered) bool { return b.ID == name }):
			return "gone", ""
		}
		return "signed-out", all + "/" + url.PathEscape(name)
	})
}

// change does what a form asks for: choose says what is to be deleted, "" for nothing, and the word for
// what has been done then. The way back to the page is a redirect, so that loading it again does nothing.
func (x *console) change(w http.ResponseWriter, r *http.Request, choose func(person, url.Values) (word, target string)) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		x.refused(w, r, &refusal{Status: http.StatusBadRequest, Detail: "The form could not be read."})
		return
	}
	s, ok := x.person(w, r)
	if !ok {
		return
	}
	word, target := choose(s, r.PostForm)
	if target != "" {
		err := call(r, x.Admin, http.MethodDelete, target, nil, nil)
		if e := wrong(err); e != nil && e.Status == http.StatusNotFound { // somebody else was quicker
			word, err = "gone", nil
		}
		if err != nil {
			x.refused(w, r, err)
			return
		}
	}
	http.Redirect(w, r, "/subscribers/"+s.Number+"?done="+word, http.StatusSeeOther)
}
