package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"longlines/number"
)

// page is what phones.html shows; the script goes on from there.
type page struct {
	frame
	Phones []phone
	First  string // the number in the curl lines until another phone is chosen
}

// Blank is the line that the script copies for each phone that it adds.
func (p page) Blank() phone { return phone{} }

// Kinds lists the kinds of the stream's lines: the timeline's word, ours, and what it is.
func (p page) Kinds() [][3]string {
	return [][3]string{
		{"request", "Requests", "API calls and their answers"},
		{"message", "Messages", "messages that change their state"},
		{"pdu", "PDUs", "SMPP on the links"},
		{"receipt", "Receipts", "delivery receipts from the centre"},
		{"mo", "From phones", "texts from handsets (MO)"},
		{"callback", "Callbacks", "posts to the apps' listeners"},
		{"link", "Links", "links that go up or down"},
	}
}

// OnPhone is the address here that opens a page in the browser of the first phone; the script aims it at
// the others.
func (p page) OnPhone(path string) string {
	return "/phones/" + p.First + "/page?path=" + url.QueryEscape(path)
}

// InBrowser is a page of the platform as whoever looks at the console sees it.
func (p page) InBrowser(path string) string { return p.APIURL + path }

// phone is a line of GET /sandbox/v1/phones.
type phone struct {
	Number   string    `json:"number"`
	Unread   int       `json:"unread"`
	Habit    string    `json:"habit"`
	Messages int       `json:"messages"`
	Last     time.Time `json:"last"`
}

// start is the first page: the phones, or without a virtual network the links and the stream.
func (x *console) start(w http.ResponseWriter, r *http.Request) {
	if x.Sandbox != nil {
		http.Redirect(w, r, "/phones", http.StatusSeeOther)
		return
	}
	x.live(w, r)
}

// phones is the page of the virtual phones.
func (x *console) phones(w http.ResponseWriter, r *http.Request) {
	if x.Sandbox == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	x.live(w, r)
}

// phonePage leads to a page of the platform as a phone sees it. It is a redirect and no form, because the
// pages of a phone are another origin, where our Content-Security-Policy lets no form go.
func (x *console) phonePage(w http.ResponseWriter, r *http.Request) {
	m, err := number.ParseMSISDN(r.PathValue("number"))
	path := r.URL.Query().Get("path")
	if _, bad := url.ParseRequestURI(path); x.PhoneURL == nil || err != nil || bad != nil || path[0] != '/' {
		x.missing(w, r)
		return
	}
	http.Redirect(w, r, x.PhoneURL(m.String(), path), http.StatusSeeOther)
}

func (x *console) live(w http.ResponseWriter, r *http.Request) {
	p := page{frame: x.frame(r, r.URL.Path, ""), First: "+14255550100"}
	var phones struct{ Phones []phone }
	if x.Sandbox != nil && read(r, x.Sandbox, "/sandbox/v1/phones?limit=200", &phones) == nil {
		p.Phones = phones.Phones
		if len(p.Phones) > 0 {
			p.First = p.Phones[0].Number
		}
	}
	x.render(w, http.StatusOK, "phones.html", p)
}

// quote writes a word so that a shell reads it as one.
func quote(s string) string {
	for _, r := range s {
		if !strings.ContainsRune("-._~/:+@%", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
		}
	}
	return s
}

// showNumber groups the digits of a North American number; app.js does the same.
func showNumber(s string) string {
	if len(s) == 12 && strings.HasPrefix(s, "+1") {
		return "+1 " + s[2:5] + " " + s[5:8] + " " + s[8:]
	}
	return s
}

// magicNumber is an example of a number with the habit.
func magicNumber(nn int) string { return fmt.Sprintf("+142555501%02d", nn) }
