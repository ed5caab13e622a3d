package oauthv4

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"longlines/api/oauthv4/page"
	"longlines/app"
	"longlines/fault"
	"longlines/gateway"
	"longlines/id"
	"longlines/oauth"
	"longlines/wire"
)

// Where subscribers come to, beside pathAuthorize.
const (
	pathOldAuthorize = "/oauth/authorize" // as the samples of 2012 spell it
	pathConsents     = "/consents"
)

// Authorization are the rows of what subscribers see: Get User Authorization (docs/reference/oauth.md §2)
// and My consents. None without Config.Pages.
//
// Nothing is kept of a request until something is decided. GET checks it and shows a form; the form
// carries a ticket, in which all stands that the next step needs (ticket.go):
//
//	GET      number ──► PIN ──► consent ──► redirect with the code
//	           ▲  └──────┴─ deny ┘   │      redirect with access_denied
//	           └─── another, switch ─┘
//
// A subscriber whom the data network knows (onnetwork.go), or whose browser is remembered (cookie.go),
// begins at the consent.
func Authorization(c Config) []gateway.Endpoint {
	if c.Pages == nil {
		return nil
	}
	p := newPages(c)
	row := func(method, path, operation string, handle func(*gateway.Call) (gateway.Reply, error)) gateway.Endpoint {
		e := gateway.Endpoint{
			Method: method, Path: path, API: fault.APIOAuth, Operation: operation, Dialect: wire.DialectOAuth,
			MaxBody: maxBody, Handle: handle, Page: p.problem,
		}
		if method == http.MethodPost {
			e.Media = []string{"application/x-www-form-urlencoded"}
		}
		return e
	}
	const authorize, mine = "Get User Authorization", "My consents"
	return []gateway.Endpoint{
		row(http.MethodGet, pathAuthorize, authorize, p.authorize),
		row(http.MethodPost, pathAuthorize, authorize, p.decide),
		row(http.MethodGet, pathOldAuthorize, authorize, p.authorize),
		row(http.MethodPost, pathOldAuthorize, authorize, p.decide),
		row(http.MethodGet, pathConsents, mine, p.consents),
		row(http.MethodPost, pathConsents, mine, p.change),
	}
}

// pages is what the handlers share.
type pages struct {
	Config
	tickets tickets
	cookies cookies
	names   *id.Sealer // of rows on My consents
	origin  *http.CrossOriginProtection
}

func newPages(c Config) *pages {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.DefaultLevel == "" {
		c.DefaultLevel = app.LevelProduction
	}
	if len(c.Key) < 32 {
		// Good for one node, and until it stops: a form is then to be filled in again.
		c.Key = make([]byte, 32)
		rand.Read(c.Key)
	}
	p := &pages{Config: c, tickets: tickets{c.Key}, origin: http.NewCrossOriginProtection()}
	k, _ := hkdf.Key(sha256.New, c.Key, nil, "longlines consent names", 16) // fails only for what is too long
	p.names, _ = id.NewSealer(k)                                            // fails only for another length
	if u, err := url.Parse(c.Issuer); err == nil && u.Host != "" {
		p.cookies.secure = u.Scheme == "https"
		p.origin.AddTrustedOrigin(u.Scheme + "://" + u.Host) // a proxy may have changed Host
	}
	return p
}

// visit is one request of a browser: what the page it gets is made of.
type visit struct {
	*pages
	call   *gateway.Call
	header http.Header // cookies that are set
	// next is what the next form carries; Step, Issued and Browser are filled in when it is sealed.
	next    ticket
	browser string
	request *oauth.Request // nil on My consents
}

// visited begins a page for who asks r, or for My consents.
func (p *pages) visited(c *gateway.Call, r *oauth.Request, l app.Level, lang string) *visit {
	v := &visit{pages: p, call: c, header: http.Header{}, request: r, next: ticket{Level: l}}
	if lang != "" && p.Pages.Language(lang, "") == lang {
		v.next.Lang = lang
	}
	if r != nil {
		c.Grant.App = r.App // for the record
		v.next.Query, v.next.Redirect = carried(r.Query()), r.Redirect
	}
	v.browser = p.cookies.browser(c, v.header)
	return v
}

// authorize is Get User Authorization.
func (p *pages) authorize(c *gateway.Call) (gateway.Reply, error) {
	q, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil {
		return gateway.Reply{}, fault.OAuthRequest.Describe("query not valid").Because(err)
	}
	r, err := p.Service.Authorize(c.Context(), q)
	if err != nil {
		return p.refused(c, err)
	}
	v := p.visited(c, &r, r.App.Level, q.Get("lang"))
	who, _, known, err := p.recognised(c, r.App.Level, !r.BypassOnNetwork)
	switch {
	case err != nil:
		return gateway.Reply{}, err
	case r.App.OnNetwork && who.How != oauth.HowOnNetwork:
		return p.refused(c, p.Service.Refuse(r, fault.NotOnNetwork))
	case !known:
		return v.askNumber("", "")
	}
	covered, err := v.covered(who)
	if err != nil {
		return gateway.Reply{}, err
	}
	// suppress_landing_page is for a subscriber who has said yes to all of this before, from this browser.
	// An app that cannot prove itself must not profit from that: its key may be used by anybody
	// (RFC 6749 §10.2).
	if who.How == oauth.HowRemembered && r.SuppressLanding && !r.App.Public() && covers(covered, r.Scopes) {
		to, err := v.Service.ApproveStanding(c.Context(), r, who)
		if !errors.Is(err, oauth.ErrNoConsent) {
			return v.approved(to, err)
		}
		// Taken back since we looked.
		if covered, err = v.covered(who); err != nil {
			return gateway.Reply{}, err
		}
	}
	return v.askConsent(who, covered)
}

// decide takes the forms of Get User Authorization.
func (p *pages) decide(c *gateway.Call) (gateway.Reply, error) {
	m, t, err := p.sent(c, pathAuthorize)
	if err != nil {
		return gateway.Reply{}, err
	}
	// The request is checked again: the app may have lost a scope, its redirect URI or itself.
	r, err := p.Service.Authorize(c.Context(), t.query())
	if err != nil {
		return p.refused(c, err)
	}
	v := p.visited(c, &r, r.App.Level, t.Lang)
	if r.Redirect != t.Redirect || r.App.Level != t.Level {
		return gateway.Reply{}, p.expired(t)
	}
	if r.App.OnNetwork && t.How != oauth.HowOnNetwork {
		return p.refused(c, p.Service.Refuse(r, fault.NotOnNetwork))
	}
	if t.Step == stepConsent {
		if ok, err := p.still(c, t); err != nil {
			return gateway.Reply{}, err
		} else if !ok {
			return gateway.Reply{}, p.expired(t)
		}
	}
	switch do := m.Get("do"); {
	case do == "deny":
		return v.deny(t)
	case t.Step != stepConsent:
		return v.enter(t, m)
	case do == "allow":
		return v.allow(t, m.Get("remember") != "")
	case do == "switch" && v.switchable(t.How):
		return v.another(t)
	}
	return gateway.Reply{}, wrongStep
}

// wrongStep answers a button that the form did not have.
var wrongStep = fault.OAuthRequest.Describe("do not valid")

// refused tells a refusal: to the app by the redirect where there is one to be trusted, else to whoever
// looks.
func (p *pages) refused(c *gateway.Call, err error) (gateway.Reply, error) {
	var r *oauth.Redirected
	if !errors.As(err, &r) {
		return gateway.Reply{}, err
	}
	c.Refused = r.Fault
	return away(c, r.To, nil), nil
}

// covered are the scopes of the app that the subscriber has consented to.
func (v *visit) covered(who oauth.Person) ([]app.Scope, error) {
	list, err := v.Service.Consents(v.call.Context(), who)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		if c.App == v.request.App.ID {
			return app.ParseScopes(c.Scopes), nil
		}
	}
	return nil, nil
}

func covers(have, want []app.Scope) bool {
	for _, s := range want {
		if !slices.Contains(have, s) {
			return false
		}
	}
	return true
}

// switchable reports whether a subscriber who is known may say to be somebody else: not where the app
// asks for no such page (docs/reference/oauth.md §2), nor where it takes the network's word only.
func (v *visit) switchable(how string) bool {
	switch how {
	case oauth.HowRemembered:
		return !v.request.SuppressLanding
	case oauth.HowOnNetwork:
		return !v.request.App.OnNetwork
	}
	return true
}

// enter signs a subscriber in and shows what the app asks for.
func (v *visit) enter(t ticket, m url.Values) (gateway.Reply, error) {
	who, known, reply, err := v.signIn(t, m)
	if err != nil || !known {
		return reply, err
	}
	if t.Remember {
		if err := v.remember(who, oauth.SessionLife); err != nil {
			return gateway.Reply{}, err
		}
		v.next.Remember = true
	}
	covered, err := v.covered(who)
	if err != nil {
		return gateway.Reply{}, err
	}
	return v.askConsent(who, covered)
}

// allow is the subscriber's yes. Only who has signed in by PIN can be remembered: the network's word is
// for the device that has the connection, and holds as long as that.
func (v *visit) allow(t ticket, remember bool) (gateway.Reply, error) {
	reply, err := v.approved(v.Service.Approve(v.call.Context(), *v.request, t.person(), t.Once))
	if err != nil || !remember || t.How != oauth.HowPIN || t.Remember {
		return reply, err
	}
	if err := v.remember(t.person(), oauth.SessionLife); err != nil {
		// The decision stands; the browser is asked for a PIN next time.
		v.Log.LogAttrs(v.call.Context(), slog.LevelError, "a browser is not remembered", slog.Any("error", err))
		return reply, nil
	}
	reply.Header["Set-Cookie"] = v.header["Set-Cookie"]
	return reply, nil
}

// approved sends the browser back with the code of a yes that has become durable, or says why there is none.
func (v *visit) approved(to string, err error) (gateway.Reply, error) {
	if errors.Is(err, oauth.ErrUsed) {
		return gateway.Reply{}, v.used()
	}
	if err != nil {
		return v.refused(v.call, err)
	}
	return away(v.call, to, v.header), nil
}

// deny sends the browser back with access_denied. A form is decided once, so that it is not allowed
// afterwards by whoever finds it in the browser's history. Before somebody is known there is nothing to
// decide, and nothing is written for whoever asks for it.
func (v *visit) deny(t ticket) (gateway.Reply, error) {
	if t.Step != stepConsent {
		return v.refused(v.call, v.Service.Refuse(*v.request, fault.AccessDenied))
	}
	r, err := v.Service.Deny(v.call.Context(), *v.request, t.person(), t.Once, t.until())
	if errors.Is(err, oauth.ErrUsed) {
		return gateway.Reply{}, v.used()
	}
	if err != nil {
		return gateway.Reply{}, err
	}
	return v.refused(v.call, r)
}

// another lets somebody else sign in. The form of who leaves is spent, so that it is not allowed by whoever
// comes next and goes back to it.
func (v *visit) another(t ticket) (gateway.Reply, error) {
	if err := v.Service.Spend(v.call.Context(), t.Once, t.until()); err != nil && !errors.Is(err, oauth.ErrUsed) {
		return gateway.Reply{}, err
	}
	return v.askNumber("", "")
}

// askConsent shows what the app asks for.
func (v *visit) askConsent(who oauth.Person, covered []app.Scope) (gateway.Reply, error) {
	v.next.Subscriber, v.next.How = who.Subscriber, who.How
	form, err := v.form(stepConsent)
	if err != nil {
		return gateway.Reply{}, err
	}
	return v.show(func(lang, self string) []byte {
		return v.Pages.Consent(lang, self, page.Consent{
			Form: form, App: *v.app(), Number: who.Subscriber.Masked(), How: who.How, Scopes: v.request.Scopes, Known: covered,
			Switch:   v.switchable(who.How),
			Remember: who.How == oauth.HowPIN && !v.next.Remember,
		})
	}), nil
}

// app is the app that asks, as the pages show it; nil on My consents.
func (v *visit) app() *page.App {
	if v.request == nil {
		return nil
	}
	a := v.request.App
	shown := &page.App{Name: a.Name, Owner: a.Owner, Sandbox: a.Level == app.LevelSandbox}
	if u, err := url.Parse(v.request.Redirect); err == nil {
		shown.Site = u.Host
	}
	return shown
}
