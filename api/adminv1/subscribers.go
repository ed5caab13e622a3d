package adminv1

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"longlines/app"
	"longlines/audit"
	"longlines/id"
	"longlines/number"
	"longlines/oauth"
	"longlines/sms"
)

// Consent is what a subscriber has allowed an app.
type Consent struct {
	ID         string     `json:"id"`
	App        string     `json:"app"`
	Level      string     `json:"level" enum:"sandbox,production" doc:"Whose subscriber: sandbox is the virtual network's."`
	Subscriber string     `json:"subscriber" doc:"Masked, unless reveal was asked for."`
	Scopes     []string   `json:"scopes" doc:"What it covers now."`
	How        string     `json:"how" enum:"pin,on-network,remembered" doc:"How the subscriber was known at the last decision."`
	Given      time.Time  `json:"given"`
	Changed    time.Time  `json:"changed"`
	Used       *time.Time `json:"used,omitempty" doc:"The last call that acted under it, to the minute; absent: never."`
	State      string     `json:"state" enum:"in force,withdrawn,app deleted" doc:"Only one that is in force opens anything, and can be withdrawn."`
	Revoked    *time.Time `json:"revoked,omitempty" doc:"Absent: it was not withdrawn."`
	RevokedBy  string     `json:"revoked_by,omitempty" enum:"subscriber,operator"`
	AppDeleted bool       `json:"app_deleted,omitempty" doc:"The app has ended; another may have its name now."`
}

// The states of a consent.
const (
	consentInForce    = "in force"
	consentWithdrawn  = "withdrawn"
	consentAppDeleted = "app deleted"
)

// OptOut is a subscriber's no to an app's texts.
type OptOut struct {
	App        string    `json:"app,omitempty" doc:"Absent: every app's."`
	Word       string    `json:"word" doc:"As sent: STOP; operator, if it was set here."`
	Time       time.Time `json:"time"`
	AppDeleted bool      `json:"app_deleted,omitempty" doc:"The app has ended; another may have its name now."`
}

// Browser is one that is remembered.
type Browser struct {
	ID      string    `json:"id"`
	Level   string    `json:"level" enum:"sandbox,production"`
	Agent   string    `json:"agent" doc:"Browser and system in a few words."`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// Subscriber is what is kept of a number, on both networks.
type Subscriber struct {
	Number   string    `json:"number"`
	Consents []Consent `json:"consents" doc:"In force, newest first."`
	OptOuts  []OptOut  `json:"opt_outs"`
	Browsers []Browser `json:"browsers" doc:"Remembered ones."`
}

type (
	consentQuery struct {
		Page
		App        string `query:"app" doc:"Only consents to this app, a deleted one too if no other has its name."`
		Subscriber string `query:"subscriber" doc:"Only consents of this number."`
		All        bool   `query:"all" doc:"Those that are not in force too: withdrawn ones, and those to apps that were deleted."`
		Reveal     bool   `query:"reveal" doc:"Show whole numbers; the audit log says so."`
	}
	consentList struct {
		Body struct {
			Consents []Consent `json:"consents" doc:"Newest first."`
			Next     string    `json:"next,omitempty" doc:"For before; absent on the last page."`
		}
	}
	withdrawal struct {
		ID    string `path:"id"`
		Scope string `query:"scope" doc:"Only these scopes, comma-separated; absent: all, which ends the consent and its tokens."`
	}
	subscriberPath struct {
		MSISDN string `path:"msisdn" doc:"A number such as +14255550100."`
	}
	subscriberOut struct{ Body Subscriber }
	optOutQuery   struct {
		MSISDN string `path:"msisdn" doc:"A number such as +14255550100."`
		App    string `query:"app" doc:"The app; absent: every app."`
	}
	browserPath struct {
		MSISDN string `path:"msisdn" doc:"A number such as +14255550100."`
		ID     string `path:"id" doc:"The browser, as the subscriber's answer names it."`
	}
	optOutOut  struct{ Body OptOut }
	optOutList struct {
		Body struct {
			OptOuts []OptOut `json:"opt_outs"`
		}
	}
)

func (x *api) consents(h operations) {
	const list = "/admin/v1/consents"
	get(h, list, "List what subscribers have allowed apps", func(ctx context.Context, in *consentQuery) (*consentList, error) {
		f := oauth.ConsentFilter{InForce: !in.All}
		of := []app.ID{0} // all
		if in.App != "" {
			of = nil
			for _, a := range x.appsNamed(in.App) {
				of = append(of, a.ID)
			}
			if of == nil {
				return nil, fmt.Errorf("%q: %w", in.App, app.ErrUnknown)
			}
		}
		var err error
		if in.Subscriber != "" {
			if f.Subscriber, err = msisdn("query.subscriber", in.Subscriber); err != nil {
				return nil, err
			}
		}
		rows, next, err := scan(in.Page, func(before id.Number, n int) (rows []oauth.Consent, err error) {
			f.Before, f.Limit = before, n
			for _, f.App = range of {
				more, err := x.Store.Consents(ctx, f)
				if err != nil {
					return nil, err
				}
				rows = append(rows, more...)
			}
			slices.SortFunc(rows, func(a, b oauth.Consent) int { return cmp.Compare(b.ID, a.ID) })
			return rows[:min(n, len(rows))], nil
		}, func(c oauth.Consent) id.Number { return c.ID }, func(c oauth.Consent) bool { return in.All || x.stateOf(c) == consentInForce })
		if err != nil {
			return nil, err
		}
		if in.Reveal {
			if err := x.revealed(ctx, "GET "+list, in); err != nil {
				return nil, err
			}
		}
		out := &consentList{}
		out.Body.Consents, out.Body.Next = []Consent{}, nextOf(next)
		for _, c := range rows {
			out.Body.Consents = append(out.Body.Consents, x.consent(c, in.Reveal))
		}
		return out, nil
	})
	remove(h, "/admin/v1/consents/{id}", "Withdraw a consent, or scopes of it, as the operator", func(ctx context.Context, in *withdrawal) (*none, error) {
		c, err := x.consentNamed(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		scopes := app.ParseScopes(in.Scope)
		covered := app.ParseScopes(c.Scopes)
		for _, s := range scopes {
			if !slices.Contains(covered, s) {
				return nil, misfit("query.scope", fmt.Sprintf("%q is not covered by this consent; it covers %s", s, c.Scopes))
			}
		}
		gone := c.Scopes
		if len(scopes) > 0 {
			gone = app.JoinScopes(scopes)
		}
		detail := auditDetail(map[string]string{"consent": in.ID, "scopes": gone, "subscriber": c.Subscriber.String()}, nil)
		said, _ := audit.From(ctx)
		return nil, about(ctx, said, "app "+x.appName(c.App), detail, func(ctx context.Context) error {
			ok, err := x.Tokens.Withdraw(ctx, c, scopes, oauth.ByOperator)
			if err == nil && !ok {
				err = fmt.Errorf("consent %s: %w", in.ID, errNoConsent)
			}
			return err
		})
	})
}

// errNoConsent: there is none of that name, or it has been withdrawn, or its app has been deleted.
var errNoConsent = errors.New("no such consent in force")

// consentNamed finds a consent in force by its name.
func (x *api) consentNamed(ctx context.Context, name string) (c oauth.Consent, err error) {
	missing := fmt.Errorf("consent %s: %w", name, errNoConsent)
	n, ok := x.rowNamed(name)
	if !ok {
		return c, missing
	}
	rows, err := x.Store.Consents(ctx, oauth.ConsentFilter{InForce: true, Before: n + 1, Limit: 1})
	if err != nil {
		return c, err
	}
	if len(rows) != 1 || rows[0].ID != n || x.stateOf(rows[0]) != consentInForce {
		return c, missing
	}
	return rows[0], nil
}

// rowNamed is the row that a sealed name stands for.
func (x *api) rowNamed(name string) (n id.Number, ok bool) {
	p, err := id.ParsePublic(name)
	if err != nil {
		return 0, false
	}
	n, err = x.Sealer.Open(p)
	return n, err == nil
}

// stateOf is how a consent stands. The subscriber is not shown one whose app is deleted, and it opens nothing,
// although nobody has withdrawn it.
func (x *api) stateOf(c oauth.Consent) string {
	switch {
	case !c.Revoked.IsZero():
		return consentWithdrawn
	case x.appEnded(c.App):
		return consentAppDeleted
	}
	return consentInForce
}

// appEnded reports whether a row is of an app that is not there any more.
func (x *api) appEnded(n app.ID) bool {
	a := x.Apps.ByID(n)
	return a == nil || a.Deleted
}

func (x *api) consent(c oauth.Consent, reveal bool) Consent {
	v := Consent{ID: x.Sealer.Seal(c.ID).String(), App: x.appName(c.App), Subscriber: c.Subscriber.Masked(), Scopes: []string{}, How: c.How,
		State: x.stateOf(c), AppDeleted: x.appEnded(c.App),
		Given: c.Given.UTC(), Changed: c.Changed.UTC(), Used: moment(c.Used), Revoked: moment(c.Revoked), RevokedBy: c.RevokedBy}
	if a := x.Apps.ByID(c.App); a != nil {
		v.Level = string(a.Level)
	}
	for _, s := range app.ParseScopes(c.Scopes) {
		v.Scopes = append(v.Scopes, string(s))
	}
	if reveal {
		v.Subscriber = c.Subscriber.String()
	}
	return v
}

// moment is a time that may not have come.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// msisdn reads a number that was typed at a place of a request, such as "query.to".
func msisdn(place, s string) (number.MSISDN, error) {
	m, err := number.ParseMSISDN(s)
	if err != nil {
		return "", misfit(place, "not a number such as +14255550100")
	}
	return m, nil
}

func (x *api) subscribers(h operations) {
	get(h, "/admin/v1/subscribers/{msisdn}", "Show what is kept of a subscriber", func(ctx context.Context, in *subscriberPath) (*subscriberOut, error) {
		m, err := msisdn("path.msisdn", in.MSISDN)
		if err != nil {
			return nil, err
		}
		s, err := x.subscriber(ctx, m)
		return &subscriberOut{s}, err
	})
	remove(h, "/admin/v1/subscribers/{msisdn}/browsers", "Forget every browser of a subscriber", func(ctx context.Context, in *subscriberPath) (*none, error) {
		m, err := msisdn("path.msisdn", in.MSISDN)
		if err != nil {
			return nil, err
		}
		said, _ := audit.From(ctx)
		for _, level := range levels { // two changes, so an entry each, of networks that have such browsers
			err := about(ctx, said, subscriberObject(in.MSISDN), audit.Detail(map[string]app.Level{"level": level}), func(ctx context.Context) error {
				return x.Subscribers.EndBrowsers(ctx, level, m, 0)
			})
			if err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	remove(h, "/admin/v1/subscribers/{msisdn}/browsers/{id}", "Forget one browser of a subscriber", func(ctx context.Context, in *browserPath) (*none, error) {
		m, err := msisdn("path.msisdn", in.MSISDN)
		if err != nil {
			return nil, err
		}
		n, named := x.rowNamed(in.ID)
		for _, level := range levels {
			list, err := x.Subscribers.Browsers(ctx, oauth.Person{Subscriber: m, Level: level})
			if err != nil {
				return nil, err
			}
			if named && slices.ContainsFunc(list, func(b oauth.Session) bool { return b.ID == n }) {
				return nil, x.Subscribers.EndBrowsers(ctx, level, m, n)
			}
		}
		return nil, huma.Error404NotFound("browser " + in.ID + ": no such browser is remembered for this number")
	})
	get(h, "/admin/v1/subscribers/{msisdn}/optouts", "List whose texts a subscriber has refused", func(ctx context.Context, in *optOutQuery) (*optOutList, error) {
		m, err := msisdn("path.msisdn", in.MSISDN)
		if err != nil {
			return nil, err
		}
		of, err := x.appFilter(in.App)
		if err != nil {
			return nil, err
		}
		out := &optOutList{}
		out.Body.OptOuts, err = x.optOuts(ctx, m, of)
		return out, err
	})
	put(h, "/admin/v1/subscribers/{msisdn}/optouts", "Refuse an app's texts, or every app's, for a subscriber", func(ctx context.Context, in *optOutQuery) (*optOutOut, error) {
		o, err := x.setOptOut(ctx, in, false)
		if err != nil {
			return nil, err
		}
		return &optOutOut{x.optOut(o)}, nil
	})
	remove(h, "/admin/v1/subscribers/{msisdn}/optouts", "Let an app, or all apps that were refused as one, text a subscriber again", func(ctx context.Context, in *optOutQuery) (*none, error) {
		_, err := x.setOptOut(ctx, in, true)
		return nil, err
	})
}

// levels are the networks whose subscribers there are.
var levels = []app.Level{app.LevelProduction, app.LevelSandbox}

func (x *api) subscriber(ctx context.Context, m number.MSISDN) (s Subscriber, err error) {
	s = Subscriber{Number: m.String(), Consents: []Consent{}, Browsers: []Browser{}}
	// There is at most one in force for each app, so this ends.
	for f := (oauth.ConsentFilter{Subscriber: m, InForce: true, Limit: chunk}); ; {
		rows, err := x.Store.Consents(ctx, f)
		if err != nil {
			return s, err
		}
		for _, c := range rows {
			if f.Before = c.ID; x.stateOf(c) == consentInForce {
				s.Consents = append(s.Consents, x.consent(c, true))
			}
		}
		if len(rows) < f.Limit {
			break
		}
	}
	for _, level := range levels {
		list, err := x.Subscribers.Browsers(ctx, oauth.Person{Subscriber: m, Level: level})
		if err != nil {
			return s, err
		}
		for _, b := range list {
			s.Browsers = append(s.Browsers, Browser{x.Sealer.Seal(b.ID).String(), string(b.Level), b.Agent, b.Created.UTC(), b.Expires.UTC()})
		}
	}
	s.OptOuts, err = x.optOuts(ctx, m, 0)
	return s, err
}

// optOuts are a subscriber's, of an app (0: of all).
func (x *api) optOuts(ctx context.Context, m number.MSISDN, of app.ID) ([]OptOut, error) {
	all, err := x.Store.OptOutsOf(ctx, m)
	if err != nil {
		return nil, err
	}
	list := []OptOut{}
	for _, o := range all {
		if of == 0 || o.App == of {
			list = append(list, x.optOut(o))
		}
	}
	slices.SortFunc(list, func(a, b OptOut) int { return strings.Compare(a.App, b.App) })
	return list, nil
}

func (x *api) optOut(o sms.OptOut) OptOut {
	return OptOut{App: x.appName(o.App), Word: o.Word, Time: o.At.UTC(), AppDeleted: o.App != 0 && x.appEnded(o.App)}
}

func (x *api) setOptOut(ctx context.Context, in *optOutQuery, again bool) (o sms.OptOut, err error) {
	o = sms.OptOut{Word: "operator", At: x.Now(), Again: again}
	if o.From, err = msisdn("path.msisdn", in.MSISDN); err != nil {
		return o, err
	}
	if o.App, err = x.appFilter(in.App); err != nil {
		return o, err
	}
	return o, x.SMS.SetOptOut(ctx, o)
}
