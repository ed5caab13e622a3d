package main

import (
	"fmt"
	"net/http"
	"net/url"

	"longlines/route"
)

type routeCmd struct {
	Add    routeAddCmd    `cmd:"" help:"Send a prefix over a link."`
	List   routeListCmd   `cmd:"" help:"List the rules."`
	Test   routeTestCmd   `cmd:"" help:"Show which rule wins for a number, and why."`
	Delete routeDeleteCmd `cmd:"" help:"Delete the rule of a prefix."`
}

// ruleView is a routing rule as the admin API takes and shows it.
type ruleView struct {
	Prefix   string `json:"prefix"`
	Link     string `json:"link"`
	Fallback string `json:"fallback,omitempty"`
}

const ruleHead = "PREFIX LINK FALLBACK"

type routeAddCmd struct {
	server
	output
	Prefix   string `required:"" help:"Numbers that begin so, as +1 or +1425; + is all."`
	Link     string `required:"" help:"The link that carries them." placeholder:"N"`
	Fallback string `help:"The link taken while that one is down." placeholder:"M"`
}

func (cmd *routeAddCmd) Run(e *env) error {
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodPost, path: "/admin/v1/routes", in: ruleView{cmd.Prefix, cmd.Link, cmd.Fallback}},
		func(r ruleView) { e.table(ruleHead, []string{r.Prefix, r.Link, r.Fallback}) })
	return err
}

type routeListCmd struct {
	server
	output
}

func (cmd *routeListCmd) Run(e *env) error {
	type list struct {
		Routes []ruleView `json:"routes"`
	}
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodGet, path: "/admin/v1/routes"}, func(l list) {
		var rows [][]string
		for _, r := range l.Routes {
			rows = append(rows, []string{r.Prefix, r.Link, r.Fallback})
		}
		e.table(ruleHead, rows...)
	})
	return err
}

type routeTestCmd struct {
	server
	output
	From  string `required:"" help:"The sender: a short code." placeholder:"A"`
	To    string `required:"" help:"The recipient's number." placeholder:"B"`
	Level string `help:"The app's service level." enum:"sandbox,production" default:"production"`
}

func (cmd *routeTestCmd) Run(e *env) error {
	r := request{method: http.MethodGet, path: "/admin/v1/routes/test", query: url.Values{"from": {cmd.From}, "to": {cmd.To}, "level": {cmd.Level}}}
	x, err := ask(e, cmd.server, cmd.output, r, func(x route.Explanation) {
		state := "up"
		if !x.Up {
			state = "not up"
		}
		if x.Link != "" {
			fmt.Fprintf(e.out, "%s (%s, %s)\n", x.Link, x.Network, state)
		}
		for _, why := range x.Why {
			fmt.Fprintf(e.out, "  %s\n", why)
		}
	})
	if err == nil && x.Error != "" {
		return fail(exitNotFound, "%s\nsee: longlines link list; longlines route add --prefix + --link NAME", x.Error)
	}
	return err
}

type routeDeleteCmd struct {
	deletion
	Prefix string `required:"" help:"The rule's prefix."`
}

func (cmd *routeDeleteCmd) Run(e *env) error {
	return cmd.run(e, "route", cmd.Prefix, "its numbers go where shorter prefixes say",
		request{method: http.MethodDelete, path: "/admin/v1/routes", query: url.Values{"prefix": {cmd.Prefix}}})
}
