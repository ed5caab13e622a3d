package adminv1

import (
	"context"
	"net/http"

	"longlines/app"
	"longlines/number"
	"longlines/route"
)

// LinkIn is a link as an operator describes it.
type LinkIn struct {
	Name       string        `json:"name" doc:"Unique name."`
	Kind       string        `json:"kind,omitempty" enum:"smpp" default:"smpp"`
	Network    string        `json:"network,omitempty" enum:"live,virtual" default:"live" doc:"Whom it reaches; sandbox apps use virtual links only."`
	Host       string        `json:"host"`
	Port       int           `json:"port"`
	SystemID   string        `json:"system_id"`
	Password   string        `json:"password,omitempty" doc:"Goes in, never out."`
	SystemType string        `json:"system_type,omitempty"`
	Bind       string        `json:"bind,omitempty" enum:"transceiver,transmitter,receiver,pair" default:"transceiver"`
	Window     int           `json:"window,omitempty" doc:"Submits in flight; default 10."`
	Rate       float64       `json:"rate,omitempty" doc:"Submits a second; 0: no limit."`
	TLS        bool          `json:"tls,omitempty"`
	Group      string        `json:"group,omitempty" doc:"SMSC group whose binds share receipts; default the name."`
	Quirks     *route.Quirks `json:"quirks,omitempty" doc:"What is odd about this centre."`
}

func (b LinkIn) link() route.Link {
	l := route.Link{Name: b.Name, Kind: b.Kind, Network: route.Network(b.Network), Host: b.Host, Port: b.Port, SystemID: b.SystemID,
		Password: b.Password, SystemType: b.SystemType, Bind: b.Bind, Window: b.Window, Rate: b.Rate, TLS: b.TLS, Group: b.Group}
	if b.Quirks != nil {
		l.Quirks = *b.Quirks
	}
	return l
}

// Link is a link with its state.
type Link struct {
	route.LinkState
	Jobs int64 `json:"jobs" doc:"Texts that wait for it, in memory and on disk."`
}

type (
	linkIn  struct{ Body LinkIn }
	linkPut struct {
		Name string `path:"name"`
		Body LinkIn
	}
	linkName struct {
		Name string `path:"name"`
	}
	linkOut  struct{ Body Link }
	linkList struct {
		Body struct {
			Links []Link `json:"links"`
		}
	}
	linkTest struct {
		Body struct {
			OK    bool         `json:"ok"`
			Steps []route.Step `json:"steps"`
		}
	}
)

func (x *api) links(h operations) {
	get(h, "/admin/v1/links", "List the links and how they stand", func(ctx context.Context, _ *none) (*linkList, error) {
		out := &linkList{}
		out.Body.Links = []Link{}
		jobs, err := x.Jobs(ctx)
		if err != nil {
			return nil, err
		}
		for _, l := range x.Router.Links() {
			out.Body.Links = append(out.Body.Links, Link{l, jobs[l.Name]})
		}
		return out, nil
	})
	post(h, "/admin/v1/links", "Make a link and start it", http.StatusCreated, func(ctx context.Context, in *linkIn) (*linkOut, error) {
		made, err := x.Router.CreateLink(ctx, in.Body.link())
		if err != nil {
			return nil, err
		}
		return x.linkNamed(ctx, made.Name)
	})
	get(h, "/admin/v1/links/{name}", "Show a link", func(ctx context.Context, in *linkName) (*linkOut, error) {
		return x.linkNamed(ctx, in.Name)
	})
	put(h, "/admin/v1/links/{name}", "Change a link; without a password the old one stays", func(ctx context.Context, in *linkPut) (*linkOut, error) {
		if in.Body.Name != in.Name {
			return nil, &route.FieldError{Field: "name", Reason: "cannot change; make a new link"}
		}
		if _, err := x.Router.UpdateLink(ctx, in.Body.link()); err != nil {
			return nil, err
		}
		return x.linkNamed(ctx, in.Name)
	})
	post(h, "/admin/v1/links/{name}/pause", "Stop submitting over a link; texts wait", http.StatusOK, func(ctx context.Context, in *linkName) (*linkOut, error) {
		if _, err := x.Router.PauseLink(ctx, in.Name); err != nil {
			return nil, err
		}
		return x.linkNamed(ctx, in.Name)
	})
	post(h, "/admin/v1/links/{name}/resume", "Submit over it again", http.StatusOK, func(ctx context.Context, in *linkName) (*linkOut, error) {
		if _, err := x.Router.ResumeLink(ctx, in.Name); err != nil {
			return nil, err
		}
		return x.linkNamed(ctx, in.Name)
	})
	post(h, "/admin/v1/links/{name}/test", "Try a link step by step", http.StatusOK, func(ctx context.Context, in *linkName) (*linkTest, error) {
		l, err := x.Router.Link(in.Name)
		if err != nil {
			return nil, err
		}
		out := &linkTest{}
		out.Body.OK = true
		if out.Body.Steps, err = x.Router.TestLink(ctx, l.Link); err != nil {
			return nil, err
		}
		for _, s := range out.Body.Steps {
			out.Body.OK = out.Body.OK && s.OK
		}
		return out, nil
	})
	remove(h, "/admin/v1/links/{name}", "Delete a link", func(ctx context.Context, in *linkName) (*none, error) {
		return nil, x.Router.DeleteLink(ctx, in.Name)
	})
}

func (x *api) linkNamed(ctx context.Context, name string) (*linkOut, error) {
	l, err := x.Router.Link(name)
	if err != nil {
		return nil, err
	}
	jobs, err := x.Jobs(ctx)
	return &linkOut{Link{l, jobs[name]}}, err
}

type (
	ruleIn     struct{ Body Route }
	ruleOut    struct{ Body Route }
	rulePrefix struct {
		Prefix string `query:"prefix" required:"true" doc:"As listed; a bare + in a query must be written %2B."`
	}
	ruleList struct {
		Body struct {
			Routes []Route `json:"routes"`
		}
	}
	routeQuery struct {
		From  string `query:"from" required:"true" doc:"Sender: a short code."`
		To    string `query:"to" required:"true" doc:"Recipient's number."`
		Level string `query:"level" enum:"sandbox,production" default:"production"`
	}
	routeOut struct{ Body route.Explanation }
)

// Route sends numbers with a prefix over a link.
type Route struct {
	Prefix   string `json:"prefix" doc:"+1, +1425; + is every number. The longest wins."`
	Link     string `json:"link" doc:"The link's name."`
	Fallback string `json:"fallback,omitempty" doc:"The link taken while that one is down."`
}

func (x *api) routes(h operations) {
	get(h, "/admin/v1/routes", "List the rules", func(ctx context.Context, _ *none) (*ruleList, error) {
		out := &ruleList{}
		out.Body.Routes = []Route{}
		for _, r := range x.Router.Rules() {
			out.Body.Routes = append(out.Body.Routes, Route{r.Prefix, r.Link, r.Fallback})
		}
		return out, nil
	})
	post(h, "/admin/v1/routes", "Send a prefix over a link; a rule of the same prefix is replaced", http.StatusCreated, func(ctx context.Context, in *ruleIn) (*ruleOut, error) {
		r, err := x.Router.PutRule(ctx, route.Rule{Prefix: in.Body.Prefix, Link: in.Body.Link, Fallback: in.Body.Fallback})
		return &ruleOut{Route{r.Prefix, r.Link, r.Fallback}}, err
	})
	remove(h, "/admin/v1/routes", "Delete the rule of a prefix", func(ctx context.Context, in *rulePrefix) (*none, error) {
		return nil, x.Router.DeleteRule(ctx, in.Prefix)
	})
	get(h, "/admin/v1/routes/test", "Show which rule wins for a number, and why", func(ctx context.Context, in *routeQuery) (*routeOut, error) {
		to, err := number.ParseMSISDN(in.To)
		if err != nil {
			return nil, misfit("query.to", err.Error())
		}
		from, err := number.ParseAddress(in.From)
		if err != nil {
			return nil, misfit("query.from", err.Error())
		}
		return &routeOut{x.Router.Explain(app.Level(in.Level), from, to)}, nil
	})
}
