package oauthv4

import (
	"net/http"
	"net/url"
	"time"

	"longlines/api/oauthv4/page"
	"longlines/app"
	"longlines/fault"
	"longlines/gateway"
)

// form seals what the next form carries.
func (v *visit) form(s step) (page.Form, error) {
	t := v.next
	t.Step, t.Issued, t.Browser = s, v.Now().UTC().Truncate(time.Second), bound(v.browser)
	text, err := v.tickets.seal(t)
	action := pathConsents
	if v.request != nil {
		action = pathAuthorize
	}
	return page.Form{Action: action, Ticket: text}, err
}

// show is the reply with a page. Only a page that a GET can bring again has links to other languages.
func (v *visit) show(render func(lang, self string) []byte) gateway.Reply {
	lang, self, to := v.language(v.call, v.next.Lang), "", ""
	if v.call.Method == http.MethodGet {
		self = v.again(v.next)
	}
	if v.request != nil {
		to = v.request.Redirect
	}
	h := header(lang, to)
	for _, c := range v.header["Set-Cookie"] {
		h.Add("Set-Cookie", c)
	}
	return gateway.Reply{HTML: render(lang, self), Header: h}
}

// again is the address at which what a ticket is about begins.
func (p *pages) again(t ticket) string {
	q := t.query()
	if t.Lang != "" {
		q.Set("lang", t.Lang)
	}
	if len(t.Query) > 0 {
		return pathAuthorize + "?" + q.Encode()
	}
	if t.Level != p.DefaultLevel && t.Level == app.LevelSandbox {
		q.Set("network", networkVirtual)
	}
	if len(q) == 0 {
		return pathConsents
	}
	return pathConsents + "?" + q.Encode()
}

// sent reads a form: what was typed, and the ticket, which must be for the path, hold, and be this
// browser's.
func (p *pages) sent(c *gateway.Call, path string) (url.Values, ticket, error) {
	if !p.ownOrigin(c.Request) {
		return nil, ticket{}, refuse(http.StatusForbidden, "form sent by another site", refusal{key: problemOrigin})
	}
	m, err := members(c.Body)
	if err != nil {
		return nil, ticket{}, err
	}
	t, err := p.tickets.open(m.Get("ticket"))
	switch ours := path == pathAuthorize; {
	case err != nil, t.Step == stepDone, ours != (len(t.Query) > 0):
		// Nobody knows what it was about: on My consents that is plain, else only the app can begin again.
		retry := ""
		if !ours {
			retry = pathConsents
		}
		return nil, ticket{}, refuse(http.StatusBadRequest, "ticket not valid", refusal{key: problemExpired, retry: retry})
	case !t.holds(p.cookies.get(c, p.cookies.name("browser")), p.Now()):
		return nil, ticket{}, p.expired(t)
	}
	return m, t, nil
}

// expired answers a form that does not hold any more, and used one that was sent before.
func (p *pages) expired(t ticket) error {
	return refuse(http.StatusBadRequest, "form expired", refusal{problemExpired, p.again(t), t.Lang})
}

func (v *visit) used() error {
	return refuse(http.StatusBadRequest, "form sent before", refusal{problemUsed, v.again(v.next), v.next.Lang})
}

// ownOrigin reports whether a form was sent by one of our pages. Because they send no referrer, a browser
// that has no Sec-Fetch-Site (an old one, or any over plain http) writes Origin: null, which says nothing
// (Fetch §3.2); then the ticket decides alone: it is this browser's, and a strict enough cookie stays at
// home when another site posts.
func (p *pages) ownOrigin(r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") == "" && len(r.Header["Origin"]) == 1 && r.Header.Get("Origin") == "null" {
		return true
	}
	return len(r.Header["Origin"]) <= 1 && len(r.Header["Sec-Fetch-Site"]) <= 1 && p.origin.Check(r) == nil
}

// maxMember bounds the members of a form, in bytes; number and ticket have bounds of their own.
const maxMember = 64

// members reads the body of a form. A member that is there twice is refused, because two readers might
// take one each.
func members(body []byte) (url.Values, error) {
	m, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fault.OAuthRequest.Describe("form not valid").Because(err)
	}
	for name, values := range m {
		most := maxMember
		switch name {
		case "ticket":
			most = maxTicket
		case "number":
			most = 2 * maxMember
		}
		if len(name) > maxMember || len(values) > 1 || len(values[0]) > most {
			return nil, fault.OAuthRequest.Describe("a member of the form is too long or there twice")
		}
	}
	return m, nil
}
