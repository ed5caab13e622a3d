package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"longlines/number"
)

// page is what phones.html shows; the script goes on from there.
type page struct {
	Config
	Theme  string
	Phones []phone
	Links  []link
	First  string // the number in the curl lines until another phone is chosen
}

// HasSandbox reports whether there are phones to show.
func (p page) HasSandbox() bool { return p.Sandbox != nil }

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

// link is what the page needs of a line of GET /admin/v1/links.
type link struct {
	Name  string `json:"name"`
	State struct {
		Up    bool   `json:"up"`
		Phase string `json:"phase"`
		Error string `json:"error"`
	} `json:"state"`
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
	p := page{Config: x.Config, Theme: themeOf(r), First: "+14255550100"}
	var phones struct{ Phones []phone }
	if x.Sandbox != nil && read(r, x.Sandbox, "/sandbox/v1/phones?limit=200", &phones) == nil {
		p.Phones = phones.Phones
		if len(p.Phones) > 0 {
			p.First = p.Phones[0].Number
		}
	}
	var links struct{ Links []link }
	if read(r, x.Admin, "/admin/v1/links", &links) == nil {
		p.Links = links.Links
	}
	x.render(w, http.StatusOK, "phones.html", p)
}

// maxAnswer bounds what is read of an answer in the process, in octets.
const maxAnswer = 4 << 20

// answer is the answer of a handler in the process.
type answer struct {
	head   http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.head }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.body.Len()+len(b) > maxAnswer {
		return 0, fmt.Errorf("console: an answer above %d octets", maxAnswer)
	}
	return a.body.Write(b)
}

// read calls a handler as a client would and decodes what it answers into v.
func read(r *http.Request, h http.Handler, target string, v any) error {
	u, err := url.Parse(target)
	if err != nil {
		return err
	}
	in := (&http.Request{Method: http.MethodGet, URL: u, Host: r.Host, RemoteAddr: r.RemoteAddr, RequestURI: target,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Accept": {"application/json"}}, Body: http.NoBody,
	}).WithContext(r.Context())
	a := &answer{head: http.Header{}}
	h.ServeHTTP(a, in)
	if a.status != http.StatusOK {
		return fmt.Errorf("console: %s answered %d", u.Path, a.status)
	}
	return json.Unmarshal(a.body.Bytes(), v)
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
