package adminv1

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"longlines/app"
	"longlines/fault"
	"longlines/number"
	"longlines/oauth"
	"longlines/quota"
)

// App is an app as people see it; Secret is there only in the answer that made it.
type App struct {
	Name            string          `json:"name" minLength:"1" maxLength:"64" doc:"Unique name, as people see it."`
	Key             string          `json:"key" required:"false" doc:"App Key (client_id); made if absent."`
	Secret          string          `json:"secret,omitempty" doc:"App Secret; made if absent, shown once. Only with auth secret."`
	Auth            string          `json:"auth" required:"false" enum:"secret,private_key_jwt,none" doc:"How it proves itself at the token endpoint; secret if absent. An app with none is public and must use PKCE."`
	Keys            json.RawMessage `json:"keys,omitempty" doc:"Its public keys, a JWK set (RFC 7517); with private_key_jwt mandatory."`
	Owner           string          `json:"owner,omitempty" maxLength:"64" doc:"Who runs it, as the consent page says it."`
	Level           string          `json:"level" required:"false" enum:"sandbox,production" doc:"Service level; sandbox if absent. It cannot change: promote a sandbox app."`
	Scopes          []string        `json:"scopes" required:"false" doc:"Scopes the app may ask for."`
	ShortCodes      []string        `json:"short_codes" required:"false" doc:"Its short codes; the first is the sender."`
	RedirectURI     string          `json:"redirect_uri" required:"false" doc:"Registered redirect URI base; of a public app the whole URI, and mandatory."`
	OnNetwork       bool            `json:"on_network,omitempty" doc:"Subscribers may consent only from a device on the network."`
	DPoP            bool            `json:"dpop,omitempty" doc:"Its tokens are always bound to a key (RFC 9449)."`
	Introspect      bool            `json:"introspect,omitempty" doc:"May ask about every token of its level: a service of the operator (RFC 7662)."`
	MessageListener string          `json:"message_listener,omitempty" doc:"Receive SMS is posted there."`
	StatusListener  string          `json:"status_listener,omitempty" doc:"Receive SMS Delivery Status is posted there."`
	NotificationURL string          `json:"notification_url,omitempty" doc:"Webhooks are posted there."`
	WaitForVerdict  string          `json:"wait_for_verdict,omitempty" doc:"As if each send carried Prefer: wait: 0s to 5s."`
	PromotedFrom    string          `json:"promoted_from,omitempty" doc:"The sandbox app it was promoted from; only in answers."`
	Created         *time.Time      `json:"created,omitempty" doc:"When it was made; only in answers."`
	Deleted         bool            `json:"deleted,omitempty" doc:"It has ended: its name and its short codes are free; only in answers."`
}

// AppChange is what of an app is to be another; what is absent stays as it is (RFC 7396).
type AppChange struct {
	Name            given[string]          `json:"name,omitzero" maxLength:"64" doc:"Unique name, as people see it."`
	Auth            given[string]          `json:"auth,omitzero" enum:"secret,private_key_jwt,none" doc:"How it proves itself at the token endpoint. An app that stops having a secret loses it at once, and one that stops having keys its keys."`
	Keys            given[json.RawMessage] `json:"keys,omitzero" doc:"Its public keys, a JWK set (RFC 7517), as a whole."`
	Owner           given[string]          `json:"owner,omitzero" maxLength:"64" doc:"Who runs it, as the consent page says it."`
	Scopes          given[[]string]        `json:"scopes,omitzero" doc:"All scopes the app may ask for."`
	ShortCodes      given[[]string]        `json:"short_codes,omitzero" doc:"All its short codes; the first is the sender."`
	RedirectURI     given[string]          `json:"redirect_uri,omitzero" doc:"Registered redirect URI base; of a public app the whole URI, and mandatory."`
	OnNetwork       given[bool]            `json:"on_network,omitzero" doc:"Subscribers may consent only from a device on the network."`
	DPoP            given[bool]            `json:"dpop,omitzero" doc:"Its tokens are always bound to a key (RFC 9449)."`
	Introspect      given[bool]            `json:"introspect,omitzero" doc:"May ask about every token of its level: a service of the operator (RFC 7662)."`
	MessageListener given[string]          `json:"message_listener,omitzero" doc:"Receive SMS is posted there."`
	StatusListener  given[string]          `json:"status_listener,omitzero" doc:"Receive SMS Delivery Status is posted there."`
	NotificationURL given[string]          `json:"notification_url,omitzero" doc:"Webhooks are posted there."`
	WaitForVerdict  given[string]          `json:"wait_for_verdict,omitzero" doc:"As if each send carried Prefer: wait: 0s to 5s."`
}

// apply makes the change on an app as it is shown.
func (c AppChange) apply(v *App) {
	c.Name.to(&v.Name)
	if c.Auth.to(&v.Auth); c.Auth.is && v.Auth == "" {
		v.Auth = authSecret // as of an app that is made
	}
	v.Keys = nil // not named, they stay with the way that they belong to
	c.Keys.to(&v.Keys)
	c.Owner.to(&v.Owner)
	c.Scopes.to(&v.Scopes)
	c.ShortCodes.to(&v.ShortCodes)
	c.RedirectURI.to(&v.RedirectURI)
	c.OnNetwork.to(&v.OnNetwork)
	c.DPoP.to(&v.DPoP)
	c.Introspect.to(&v.Introspect)
	c.MessageListener.to(&v.MessageListener)
	c.StatusListener.to(&v.StatusListener)
	c.NotificationURL.to(&v.NotificationURL)
	c.WaitForVerdict.to(&v.WaitForVerdict)
}

// authSecret is how app.AuthSecret is written.
const authSecret = "secret"

func (x *api) appView(a *app.App, secret string) App {
	v := App{Name: a.Name, Key: a.Key, Secret: secret, Auth: string(a.Auth), Keys: json.RawMessage(a.Keys), Owner: a.Owner, Level: string(a.Level),
		Scopes: []string{}, ShortCodes: []string{}, RedirectURI: a.RedirectURI, OnNetwork: a.OnNetwork, DPoP: a.DPoP, Introspect: a.Introspect,
		MessageListener: a.MessageListener, StatusListener: a.StatusListener, NotificationURL: a.NotificationURL,
		Created: moment(a.Created), Deleted: a.Deleted}
	if a.Auth == app.AuthSecret {
		v.Auth = authSecret
	}
	if a.Promoted != 0 {
		v.PromotedFrom = x.appName(a.Promoted)
	}
	for _, s := range a.Scopes {
		v.Scopes = append(v.Scopes, string(s))
	}
	for _, c := range a.ShortCodes {
		v.ShortCodes = append(v.ShortCodes, string(c))
	}
	if a.WaitForVerdict > 0 {
		v.WaitForVerdict = a.WaitForVerdict.String()
	}
	return v
}

// fill writes the members a person may change into an app. A level and a way to prove itself that are
// not named stay as they are, and with that way its keys.
func (v App) fill(a *app.App) error {
	if v.Level != "" {
		a.Level = app.Level(v.Level)
	}
	switch v.Auth {
	case "":
	case authSecret:
		a.Auth = app.AuthSecret
	default:
		a.Auth = app.ClientAuth(v.Auth)
	}
	if a.Auth != app.AuthKey || len(v.Keys) > 0 {
		keys, err := keysOf(v.Keys)
		if err != nil {
			return err
		}
		a.Keys = keys
	}
	a.WaitForVerdict = 0
	if v.WaitForVerdict != "" {
		var err error
		if a.WaitForVerdict, err = time.ParseDuration(v.WaitForVerdict); err != nil {
			return &app.Invalid{Field: "wait_for_verdict", Reason: "is not a time such as 3s"}
		}
	}
	a.Name, a.Owner, a.RedirectURI = v.Name, v.Owner, v.RedirectURI
	a.OnNetwork, a.DPoP, a.Introspect = v.OnNetwork, v.DPoP, v.Introspect
	a.MessageListener, a.StatusListener, a.NotificationURL = v.MessageListener, v.StatusListener, v.NotificationURL
	a.Scopes, a.ShortCodes = nil, codesOf(v.ShortCodes)
	for _, s := range v.Scopes {
		a.Scopes = append(a.Scopes, app.Scope(s))
	}
	return nil
}

// keysOf is a JWK set in the form in which it is kept, if it is one; "" for none.
func keysOf(set json.RawMessage) (string, error) {
	if len(set) == 0 || string(set) == "null" {
		return "", nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, set); err != nil {
		return "", &app.Invalid{Field: "keys", Reason: "are not JSON"}
	}
	if err := oauth.CheckKeys(b.String()); err != nil {
		return "", err
	}
	return b.String(), nil
}

func codesOf(list []string) (codes []number.ShortCode) {
	for _, c := range list {
		codes = append(codes, number.ShortCode(c))
	}
	return codes
}

// Promotion is what a production app does not take over from the sandbox app it comes from.
type Promotion struct {
	Name       string          `json:"name,omitempty" maxLength:"64" doc:"The production app's; default the sandbox app's and \" live\"."`
	ShortCodes []string        `json:"short_codes,omitempty" doc:"The production app's: the sandbox app keeps its own."`
	Keys       json.RawMessage `json:"keys,omitempty" doc:"The production app's public keys, a JWK set; mandatory with private_key_jwt."`
}

type (
	appName struct {
		Name string `path:"name"`
	}
	appBody   struct{ Body App }
	namedBody struct {
		Name string `path:"name"`
		Condition
		Body App
	}
	appChange struct {
		Name string `path:"name"`
		Condition
		Body AppChange `contentType:"application/merge-patch+json"`
	}
	appOut struct {
		ETag string `header:"ETag" doc:"The app's version, for If-Match."`
		Body App
	}
	promoteIn struct {
		Name string     `path:"name"`
		Body *Promotion // none: all by default
	}
	appQuery struct {
		Name    string `query:"name" maxLength:"128" doc:"Only apps that have this in their name or their key, in any case of letters."`
		Deleted bool   `query:"deleted" doc:"Deleted ones too."`
		Limit   int    `query:"limit" minimum:"0" maximum:"500" doc:"How many at most; 0: all."`
		After   string `query:"after" doc:"Only those behind it: next of the page before."`
	}
	appList struct {
		Body struct {
			Apps []App  `json:"apps" doc:"By name, deleted ones last."`
			Next string `json:"next,omitempty" doc:"For after; absent on the last page."`
		}
	}
)

// appOut is the answer that shows an app.
func (x *api) appOut(a *app.App, secret string) *appOut {
	return &appOut{ETag: etag(a.Version), Body: x.appView(a, secret)}
}

func (x *api) apps(h operations) {
	get(h, "/admin/v1/apps", "List the apps", func(ctx context.Context, in *appQuery) (*appList, error) {
		out := &appList{}
		out.Body.Apps = []App{}
		part, behind := strings.ToLower(in.Name), in.After == ""
		for _, a := range x.Apps.All() {
			switch {
			case !behind:
				behind = a.Key == in.After
			case a.Deleted && !in.Deleted:
			case !strings.Contains(strings.ToLower(a.Name), part) && !strings.Contains(strings.ToLower(a.Key), part):
			case in.Limit > 0 && len(out.Body.Apps) == in.Limit:
				out.Body.Next = out.Body.Apps[in.Limit-1].Key
				return out, nil
			default:
				out.Body.Apps = append(out.Body.Apps, x.appView(a, ""))
			}
		}
		if !behind {
			return nil, misfit("query.after", "not the next of a page")
		}
		return out, nil
	})
	post(h, "/admin/v1/apps", "Make an app; its secret is in the answer, once", http.StatusCreated, func(ctx context.Context, in *appBody) (*appOut, error) {
		a := app.App{Key: in.Body.Key}
		if err := in.Body.fill(&a); err != nil {
			return nil, err
		}
		made, secret, err := x.Apps.Create(ctx, a, in.Body.Secret)
		if err != nil {
			return nil, err
		}
		return x.appOut(made, secret), nil
	})
	get(h, "/admin/v1/apps/{name}", "Show an app", func(ctx context.Context, in *appName) (*appOut, error) {
		a, err := x.app(in.Name)
		if err != nil {
			return nil, err
		}
		return x.appOut(a, ""), nil
	})
	put(h, "/admin/v1/apps/{name}", "Replace an app but for key, secret and level", func(ctx context.Context, in *namedBody) (*appOut, error) {
		a, err := x.app(in.Name)
		if err != nil {
			return nil, err
		}
		// A key and a secret that were taken and not set would be believed. The key that was shown may stand.
		switch {
		case in.Body.Key != "" && in.Body.Key != a.Key:
			return nil, &app.Invalid{Field: "key", Reason: "cannot change: make another app"}
		case in.Body.Secret != "":
			return nil, &app.Invalid{Field: "secret", Reason: "cannot be set: rotate makes a new one"}
		}
		a, err = x.Apps.Update(ctx, a.ID, func(a *app.App) error {
			if err := in.holds(a.Version); err != nil {
				return err
			}
			return in.Body.fill(a)
		})
		if err != nil {
			return nil, err
		}
		return x.appOut(a, ""), nil
	})
	patch(h, "/admin/v1/apps/{name}", "Change what is named of an app; the rest stays", func(ctx context.Context, in *appChange) (*appOut, error) {
		a, err := x.app(in.Name)
		if err != nil {
			return nil, err
		}
		// On what the app has now, not on what whoever asks has read: two changes at once do not undo each other.
		a, err = x.Apps.Update(ctx, a.ID, func(a *app.App) error {
			if err := in.holds(a.Version); err != nil {
				return err
			}
			v := x.appView(a, "")
			in.Body.apply(&v)
			return v.fill(a)
		})
		if err != nil {
			return nil, err
		}
		return x.appOut(a, ""), nil
	})
	post(h, "/admin/v1/apps/{name}/rotate", "Give an app a new secret", http.StatusOK, func(ctx context.Context, in *appName) (*appOut, error) {
		a, err := x.app(in.Name)
		if err != nil {
			return nil, err
		}
		a, secret, err := x.Apps.Rotate(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		return x.appOut(a, secret), nil
	})
	post(h, "/admin/v1/apps/{name}/promote", "Make the production app of a sandbox app, with a new key and secret", http.StatusCreated, func(ctx context.Context, in *promoteIn) (*appOut, error) {
		a, err := x.app(in.Name)
		if err != nil {
			return nil, err
		}
		var p app.Promotion
		if b := in.Body; b != nil {
			p.Name, p.ShortCodes = b.Name, codesOf(b.ShortCodes)
			if p.Keys, err = keysOf(b.Keys); err != nil {
				return nil, err
			}
		}
		made, secret, err := x.Apps.Promote(ctx, a.ID, p)
		var taken *app.Taken
		if p.Name == "" && errors.As(err, &taken) && taken.Field == "name" {
			err = &app.Taken{Field: "name", Reason: taken.Reason + fmt.Sprintf("; give the production app one: longlines app promote %q --as NAME", a.Name)}
		}
		if err != nil {
			return nil, err
		}
		return x.appOut(made, secret), nil
	})
	x.imports(h)
	remove(h, "/admin/v1/apps/{name}", "Delete an app: its key and tokens end", func(ctx context.Context, in *appName) (*none, error) {
		a, err := x.app(in.Name)
		if err != nil {
			return nil, err
		}
		return nil, x.Apps.Delete(ctx, a.ID)
	})
}

// app finds a living app by name.
func (x *api) app(name string) (*app.App, error) {
	if a := x.Apps.ByName(name); a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("%q: %w", name, app.ErrUnknown)
}

// appsNamed finds the living app of a name; if there is none, the deleted ones that had it, the newest first.
func (x *api) appsNamed(name string) (found []*app.App) {
	if a := x.Apps.ByName(name); a != nil {
		return []*app.App{a}
	}
	for _, a := range x.Apps.All() {
		if a.Deleted && strings.EqualFold(a.Name, strings.TrimSpace(name)) {
			found = append(found, a)
		}
	}
	slices.Reverse(found) // those of one name are in the order in which they were made
	return found
}

// Quota is what an app may call of one API, and what it has.
type Quota struct {
	App        string    `json:"app"`
	Level      string    `json:"level" enum:"sandbox,production" doc:"Whose figures hold where the app has none of its own."`
	API        string    `json:"api"`
	PerMinute  int64     `json:"per_minute"`
	PerDay     int64     `json:"per_day"`
	UsedMinute int64     `json:"used_minute" doc:"Spent in this clock minute: the limit less what the RateLimit header says is left. What other nodes hold for calls to come counts as spent."`
	UsedDay    int64     `json:"used_day" doc:"Spent on this UTC day, likewise."`
	MinuteEnds time.Time `json:"minute_ends"`
	DayEnds    time.Time `json:"day_ends"`
}

type (
	quotaQuery struct {
		App string `query:"app" doc:"An app's name; all if absent."`
	}
	quotaList struct {
		Body struct {
			Quotas []Quota `json:"quotas"`
		}
	}
	quotaSet struct {
		Name string `path:"name"`
		API  string `path:"api" enum:"SMS,OAuth"`
		Body struct {
			PerMinute *int64 `json:"per_minute,omitempty" minimum:"0" doc:"0: the level's own figure; absent: stays. Both 0 for OAuth: its calls are not counted."`
			PerDay    *int64 `json:"per_day,omitempty" minimum:"0" doc:"0: the level's own figure; absent: stays. Both 0 for OAuth: its calls are not counted."`
		}
	}
	quotaBody struct{ Body Quota }
)

// metered lists the APIs whose calls are counted; those of the OAuth paths only for an app that has a
// figure of its own for them (docs/reference/oauth.md §7).
var metered = []string{fault.APISMS, fault.APIOAuth}

func (x *api) quotas(h operations) {
	get(h, "/admin/v1/quotas", "Show what apps may call and have called", func(ctx context.Context, in *quotaQuery) (*quotaList, error) {
		apps := x.Apps.All()
		if in.App != "" {
			a, err := x.app(in.App)
			if err != nil {
				return nil, err
			}
			apps = []*app.App{a}
		}
		out := &quotaList{}
		out.Body.Quotas = []Quota{}
		for _, a := range apps {
			for _, name := range metered {
				if _, counted := x.Apps.Quota(a, name); a.Deleted || !counted {
					continue
				}
				q, err := x.quota(ctx, a, name)
				if err != nil {
					return nil, err
				}
				out.Body.Quotas = append(out.Body.Quotas, q)
			}
		}
		return out, nil
	})
	put(h, "/admin/v1/apps/{name}/quotas/{api}", "Set what an app may call of an API", func(ctx context.Context, in *quotaSet) (*quotaBody, error) {
		a, err := x.app(in.Name)
		if err != nil {
			return nil, err
		}
		a, err = x.Apps.Update(ctx, a.ID, func(a *app.App) error {
			if a.Quotas == nil {
				a.Quotas = map[string]app.Quota{}
			}
			q := a.Quotas[in.API]
			if n := in.Body.PerMinute; n != nil {
				q.PerMinute = *n
			}
			if n := in.Body.PerDay; n != nil {
				q.PerDay = *n
			}
			a.Quotas[in.API] = q
			return nil
		})
		if err != nil {
			return nil, err
		}
		q, err := x.quota(ctx, a, in.API)
		return &quotaBody{q}, err
	})
}

func (x *api) quota(ctx context.Context, a *app.App, name string) (Quota, error) {
	limit, _ := x.Apps.Quota(a, name)
	k, now := quota.Key{App: int64(a.ID), API: name}, x.Now()
	q := Quota{App: a.Name, Level: string(a.Level), API: name, PerMinute: limit.PerMinute, PerDay: limit.PerDay,
		MinuteEnds: quota.Minute.End(now), DayEnds: quota.Day.End(now)}
	v, err := x.Meter.Look(ctx, k, limit)
	if err != nil {
		return q, err
	}
	q.UsedMinute, q.UsedDay = limit.PerMinute-v.Remaining[quota.Minute], limit.PerDay-v.Remaining[quota.Day]
	return q, nil
}
