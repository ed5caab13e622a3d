package oauthv4

import (
	"log/slog"
	"net/url"
	"slices"
	"time"

	"longlines/api/oauthv4/page"
	"longlines/app"
	"longlines/gateway"
	"longlines/id"
	"longlines/oauth"
)

// networkVirtual asks, as ?network=, for the subscribers of the virtual network.
const networkVirtual = "virtual"

// consentsLife is how long who has signed in to see My consents stays signed in, if the browser is not to
// be remembered.
const consentsLife = time.Hour

// doneLife is how long the page says what was just done.
const doneLife = time.Minute

// What was just done, as the pages say it.
const (
	doneRevoked   = "consents.revoked"    // an app's whole consent
	doneWithdrawn = "consents.withdrawn"  // one scope of it
	doneSignedOut = "consents.signed_out" // a browser
)

// consents shows a subscriber what apps may do.
func (p *pages) consents(c *gateway.Call) (gateway.Reply, error) {
	q := c.URL.Query() // of a query that cannot be read, what can be
	l := p.DefaultLevel
	if q.Get("network") == networkVirtual {
		l = app.LevelSandbox
	}
	v := p.visited(c, nil, l, q.Get("lang"))
	who, session, known, err := p.recognised(c, l, true)
	if err != nil {
		return gateway.Reply{}, err
	}
	if !known {
		return v.askNumber("", "")
	}
	return v.list(who, session, q.Get("done"))
}

// list is My consents of who is known.
func (v *visit) list(who oauth.Person, session id.Number, done string) (gateway.Reply, error) {
	ctx := v.call.Context()
	given, err := v.Service.Consents(ctx, who)
	if err != nil {
		return gateway.Reply{}, err
	}
	browsers, err := v.Subscribers.Browsers(ctx, who)
	if err != nil {
		return gateway.Reply{}, err
	}
	v.next.Subscriber, v.next.How = who.Subscriber, who.How
	shown := page.Consents{Number: who.Subscriber.Masked(), Leave: who.How != oauth.HowOnNetwork}
	if shown.Form, err = v.form(stepList); err != nil {
		return gateway.Reply{}, err
	}
	for _, g := range given {
		if a := v.Service.App(g.App); a != nil {
			shown.Given = append(shown.Given, page.Given{ID: v.names.Seal(g.ID).String(),
				App:    page.App{Name: a.Name, Owner: a.Owner, Sandbox: a.Level == app.LevelSandbox},
				Scopes: app.ParseScopes(g.Scopes), Since: g.Given, Used: g.Used})
		}
	}
	for _, b := range browsers {
		shown.Browsers = append(shown.Browsers, page.Browser{ID: v.names.Seal(b.ID).String(), Agent: b.Agent, Since: b.Created, This: b.ID == session})
	}
	if t, err := v.tickets.open(done); err == nil && t.Step == stepDone && t.holds(v.browser, v.Now()) && v.Now().Before(t.Issued.Add(doneLife)) {
		shown.Done, shown.DoneApp, shown.DoneScope = t.Done, t.DoneApp, t.DoneScope
	}
	return v.show(func(lang, self string) []byte { return v.Pages.Consents(lang, self, shown) }), nil
}

// change takes the forms of My consents. Every change ends in a redirect, so that a page that is loaded
// again does nothing again.
func (p *pages) change(c *gateway.Call) (gateway.Reply, error) {
	m, t, err := p.sent(c, pathConsents)
	if err != nil {
		return gateway.Reply{}, err
	}
	v := p.visited(c, nil, t.Level, t.Lang)
	if t.Step != stepList {
		who, known, reply, err := v.signIn(t, m)
		if err != nil || !known {
			return reply, err
		}
		life := consentsLife
		if t.Remember {
			life = oauth.SessionLife
		}
		if err := v.remember(who, life); err != nil {
			return gateway.Reply{}, err
		}
		return v.back(ticket{})
	}
	if ok, err := p.still(c, t); err != nil {
		return gateway.Reply{}, err
	} else if !ok {
		return gateway.Reply{}, p.expired(t)
	}
	switch do := m.Get("do"); do {
	case "withdraw":
		return v.withdraw(t.person(), m.Get("consent"), m.Get("withdraw"))
	case "revoke":
		return v.withdraw(t.person(), m.Get("consent"), "")
	case "signout":
		return v.signOut(t.person(), m.Get("browser"))
	case "leave":
		return v.leave(t.Level)
	}
	return gateway.Reply{}, wrongStep
}

// withdraw takes one scope off a consent of the subscriber's, or ends it (scope ""). What is not there, or
// not any more, is left as it is.
func (v *visit) withdraw(who oauth.Person, row, scope string) (gateway.Reply, error) {
	given, err := v.Service.Consents(v.call.Context(), who)
	if err != nil {
		return gateway.Reply{}, err
	}
	i := slices.IndexFunc(given, func(g oauth.Consent) bool { return v.names.Seal(g.ID).String() == row })
	if i < 0 {
		return v.back(ticket{})
	}
	g, told := given[i], ticket{Done: doneRevoked}
	var scopes []app.Scope
	if scope != "" {
		covered := app.ParseScopes(g.Scopes)
		if !slices.Contains(covered, app.Scope(scope)) {
			return v.back(ticket{})
		}
		scopes = []app.Scope{app.Scope(scope)}
		if len(covered) > 1 {
			told = ticket{Done: doneWithdrawn, DoneScope: app.Scope(scope)}
		}
	}
	ok, err := v.Service.Withdraw(v.call.Context(), g, scopes, oauth.BySubscriber)
	if err != nil {
		return gateway.Reply{}, err
	}
	if !ok {
		return v.back(ticket{})
	}
	if a := v.Service.App(g.App); a != nil {
		told.DoneApp = a.Name
	}
	return v.back(told)
}

// signOut ends one browser of the subscriber's.
func (v *visit) signOut(who oauth.Person, row string) (gateway.Reply, error) {
	ctx := v.call.Context()
	browsers, err := v.Subscribers.Browsers(ctx, who)
	if err != nil {
		return gateway.Reply{}, err
	}
	for _, b := range browsers {
		if v.names.Seal(b.ID).String() == row {
			if err := v.Subscribers.EndBrowsers(ctx, who.Level, who.Subscriber, b.ID); err != nil {
				return gateway.Reply{}, err
			}
			return v.back(ticket{Done: doneSignedOut})
		}
	}
	return v.back(ticket{})
}

// leave signs this browser out.
func (v *visit) leave(l app.Level) (gateway.Reply, error) {
	name := v.cookies.session(l)
	if cookie := v.cookies.get(v.call, name); cookie != "" {
		if err := v.Subscribers.Forget(v.call.Context(), cookie); err != nil {
			return gateway.Reply{}, err
		}
	}
	v.cookies.put(v.header, name, "", -1)
	return v.back(ticket{})
}

// back sends the browser to the list, which says what was done, if anything: the members Done of a ticket, which is
// sealed so that nobody's link can say it.
func (v *visit) back(t ticket) (gateway.Reply, error) {
	to := v.again(v.next)
	if t.Done != "" {
		t.Step, t.Issued, t.Browser = stepDone, v.Now().UTC().Truncate(time.Second), bound(v.browser)
		text, err := v.tickets.seal(t)
		if err != nil {
			// It is done all the same.
			v.Log.LogAttrs(v.call.Context(), slog.LevelError, "what was done is not said", slog.Any("error", err))
			return away(v.call, to, v.header), nil
		}
		sep := "?"
		if u, err := url.Parse(to); err == nil && u.RawQuery != "" {
			sep = "&"
		}
		to += sep + "done=" + text
	}
	return away(v.call, to, v.header), nil
}
