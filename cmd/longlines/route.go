package main

import (
	"fmt"
	"net/http"
	"net/url"

	"longlines/api/adminv1"
	"longlines/route"
)

type routeCmd struct {
	Add    routeAddCmd    `cmd:"" help:"Send a prefix over a link; a rule of the same prefix gives way."`
	List   routeListCmd   `cmd:"" help:"List the rules."`
	Test   routeTestCmd   `cmd:"" help:"Show which rule wins for a number, and why."`
	Delete routeDeleteCmd `cmd:"" help:"Delete the rule of a prefix."`
}

type routeAddCmd struct {
	server
	output
	Prefix   string `required:"" help:"Numbers that begin so, as +1 or +1425; + is all."`
	Link     string `required:"" help:"The link that carries them." placeholder:"N"`
	Fallback string `help:"The link taken while that one is down." placeholder:"M"`
}

func (cmd *routeAddCmd) Run(e *env) error {
	c, err := cmd.connect(e)
	if err != nil {
		return err
	}
	var before ruleList // a rule of the same prefix gives way
	if err := c.do(request{method: http.MethodGet, path: "/admin/v1/routes"}, &before); err != nil {
		return err
	}
	in := adminv1.Route{Prefix: cmd.Prefix, Link: cmd.Link, Fallback: cmd.Fallback}
	_, err = ask(e, cmd.server, cmd.output, request{method: http.MethodPost, path: "/admin/v1/routes", in: in}, func(r adminv1.Route) {
		e.rules(r)
		for _, old := range before.Routes {
			if old.Prefix != r.Prefix || old == r {
				continue
			}
			with := ""
			if old.Fallback != "" {
				with = ", with the fallback " + old.Fallback
			}
			fmt.Fprintln(e.err, oneLine(fmt.Sprintf("it replaces the rule of %s over %s%s", old.Prefix, old.Link, with)))
		}
	})
	return err
}

type routeListCmd struct {
	server
	output
}

type ruleList struct {
	Routes []adminv1.Route `json:"routes"`
}

// rules prints routing rules for people.
func (e *env) rules(list ...adminv1.Route) {
	var rows [][]string
	for _, r := range list {
		rows = append(rows, []string{r.Prefix, r.Link, r.Fallback})
	}
	e.table("PREFIX LINK FALLBACK", rows...)
}

func (cmd *routeListCmd) Run(e *env) error {
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodGet, path: "/admin/v1/routes"}, func(l ruleList) { e.rules(l.Routes...) })
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
			fmt.Fprintf(e.out, "%s (%s, %s)\n", oneLine(x.Link), oneLine(string(x.Network)), state)
		}
		for _, why := range x.Why {
			fmt.Fprintf(e.out, "  %s\n", oneLine(why))
		}
	})
	if err == nil && x.Error != "" {
		return fail(exitNotFound, "%s\nsee: longlines link list; longlines route add --prefix + --link NAME", oneLine(x.Error))
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
