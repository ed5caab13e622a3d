package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"longlines/api/adminv1"
)

// page are the flags of a command that shows a part of a list.
type page struct {
	Limit  int    `help:"How many at most (1 to 500)." default:"50" short:"n"`
	Before string `help:"Go on where a list ended." placeholder:"NEXT"`
}

func (p page) query() url.Values {
	q := url.Values{"limit": {strconv.Itoa(p.Limit)}}
	if p.Before != "" {
		q.Set("before", p.Before)
	}
	return q
}

// more tells how a list goes on.
func (e *env) more(next string) {
	if next != "" {
		fmt.Fprintf(e.err, "there are more: --before %s\n", oneLine(next))
	}
}

type consentCmd struct {
	List   consentListCmd   `cmd:"" help:"List what subscribers have allowed apps."`
	Revoke consentRevokeCmd `cmd:"" help:"Withdraw a consent, or scopes of it: tokens end, or open less, at once."`
}

func (e *env) consents(list []adminv1.Consent) {
	var rows [][]string
	for _, c := range list {
		used, state := "never", c.State
		if c.Used != nil {
			used = day(*c.Used)
		}
		if c.Revoked != nil {
			state = "withdrawn " + day(*c.Revoked) + " by " + c.RevokedBy
		}
		rows = append(rows, []string{c.ID, appShown(c.App, c.AppDeleted), c.Level, c.Subscriber, strings.Join(c.Scopes, ","), c.How, day(c.Given), used, state})
	}
	e.table("ID APP LEVEL SUBSCRIBER SCOPES HOW GIVEN USED STATE", rows...)
}

// appShown is an app of a list; one that was deleted may have lent its name to another since.
func appShown(name string, deleted bool) string {
	if deleted {
		return name + " (deleted)"
	}
	return name
}

// day shows a time to the minute.
func day(t time.Time) string { return t.UTC().Format("2006-01-02T15:04Z") }

type consentListCmd struct {
	server
	output
	page
	App        string `help:"Only consents to this app." placeholder:"NAME"`
	Subscriber string `help:"Only consents of this number." placeholder:"NUMBER"`
	All        bool   `help:"Those not in force too: withdrawn, or to apps that were deleted."`
	Reveal     bool   `help:"Show whole numbers; the audit log says so."`
}

func (cmd *consentListCmd) Run(e *env) error {
	q := cmd.query()
	for name, v := range map[string]string{"app": cmd.App, "subscriber": cmd.Subscriber} {
		if v != "" {
			q.Set(name, v)
		}
	}
	for name, on := range map[string]bool{"all": cmd.All, "reveal": cmd.Reveal} {
		if on {
			q.Set(name, "true")
		}
	}
	type list struct {
		Consents []adminv1.Consent `json:"consents"`
		Next     string            `json:"next"`
	}
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodGet, path: "/admin/v1/consents", query: q}, func(l list) {
		e.consents(l.Consents)
		e.more(l.Next)
	})
	return err
}

type consentRevokeCmd struct {
	server
	output
	ID    string   `arg:"" help:"The consent, as consent list shows it."`
	Scope []string `help:"Only these scopes, comma-separated; default: all of it." placeholder:"S"`
}

func (cmd *consentRevokeCmd) Run(e *env) error {
	r := request{method: http.MethodDelete, path: "/admin/v1/consents/" + url.PathEscape(cmd.ID)}
	scopes := strings.Join(cmd.Scope, ",")
	if scopes != "" {
		r.query = url.Values{"scope": {scopes}}
	}
	c, err := cmd.connect(e)
	if err != nil {
		return err
	}
	if err := c.do(r, nil); err != nil {
		return err
	}
	if cmd.JSON() {
		return e.printJSON(map[string]any{"consent": cmd.ID, "scopes": cmd.Scope, "revoked": true})
	}
	if scopes != "" {
		fmt.Fprintf(e.out, "consent %s does not cover %s any more\n", cmd.ID, scopes)
		return nil
	}
	fmt.Fprintf(e.out, "consent %s is withdrawn; its tokens have ended\n", cmd.ID)
	return nil
}

type subscriberCmd struct {
	Show    subscriberShowCmd    `cmd:"" help:"Show consents, opt-outs and remembered browsers of a number."`
	OptOut  subscriberOptOutCmd  `cmd:"" name:"optout" help:"Refuse texts to a number, as its STOP does, or end that."`
	Signout subscriberSignoutCmd `cmd:"" help:"Forget every browser in which a number is signed in."`
}

func subscriberPath(number string) string { return "/admin/v1/subscribers/" + url.PathEscape(number) }

type subscriberShowCmd struct {
	server
	output
	Number string `arg:"" help:"The number, as +14255550100."`
}

func (cmd *subscriberShowCmd) Run(e *env) error {
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodGet, path: subscriberPath(cmd.Number)}, func(s adminv1.Subscriber) {
		fmt.Fprintln(e.out, oneLine(s.Number))
		if len(s.Consents)+len(s.OptOuts)+len(s.Browsers) == 0 {
			fmt.Fprintln(e.out, "  no consents, no opt-outs, no remembered browsers")
			return
		}
		if len(s.Consents) > 0 {
			fmt.Fprintln(e.out, "\nConsents")
			e.consents(s.Consents)
		}
		if len(s.OptOuts) > 0 {
			fmt.Fprintln(e.out, "\nWants no texts from")
			var rows [][]string
			for _, o := range s.OptOuts {
				rows = append(rows, []string{appShown(appOrAll(o.App), o.AppDeleted), o.Word, day(o.Time)})
			}
			e.table("APP SAID SINCE", rows...)
		}
		if len(s.Browsers) > 0 {
			fmt.Fprintln(e.out, "\nSigned in with")
			var rows [][]string
			for _, b := range s.Browsers {
				rows = append(rows, []string{b.Agent, b.Level, day(b.Created), day(b.Expires)})
			}
			e.table("BROWSER LEVEL SINCE UNTIL", rows...)
		}
	})
	return err
}

// appOrAll is whose texts an opt-out refuses.
func appOrAll(name string) string {
	if name == "" {
		return "every app"
	}
	return name
}

type subscriberOptOutCmd struct {
	server
	output
	Number string `arg:"" help:"The number, as +14255550100."`
	App    string `help:"Only texts of this app; absent: every app's, as one." placeholder:"NAME"`
	End    bool   `help:"End the opt-out, as the number's START does."`
	Yes    bool   `help:"Do it; without this no opt-out ends."`
}

func (cmd *subscriberOptOutCmd) Run(e *env) error {
	r := request{method: http.MethodPut, path: subscriberPath(cmd.Number) + "/optouts"}
	if cmd.App != "" {
		r.query = url.Values{"app": {cmd.App}}
	}
	if !cmd.End {
		_, err := ask(e, cmd.server, cmd.output, r, func(o adminv1.OptOut) {
			fmt.Fprintf(e.out, "%s has opted out from %s\n", cmd.Number, oneLine(appOrAll(o.App)))
		})
		return err
	}
	if !cmd.Yes {
		return fail(exitUsage, "ending the opt-out of %s from %s: texts come again to one who refused them; say --yes", cmd.Number, appOrAll(cmd.App))
	}
	c, err := cmd.connect(e)
	if err != nil {
		return err
	}
	var l struct {
		OptOuts []adminv1.OptOut `json:"opt_outs"`
	}
	if err := c.do(request{method: http.MethodGet, path: r.path, query: r.query}, &l); err != nil {
		return err
	}
	// Without an app all of the number's are listed; one of every app is ended, others stay.
	if !slices.ContainsFunc(l.OptOuts, func(o adminv1.OptOut) bool { return cmd.App != "" || o.App == "" }) {
		return fail(exitNotFound, "%s has no opt-out from %s\nsee: longlines subscriber show %s", cmd.Number, appOrAll(cmd.App), cmd.Number)
	}
	r.method = http.MethodDelete
	if err := c.do(r, nil); err != nil {
		return err
	}
	if cmd.JSON() {
		return e.printJSON(map[string]any{"number": cmd.Number, "app": cmd.App, "ended": true})
	}
	fmt.Fprintf(e.out, "the opt-out of %s from %s has ended\n", cmd.Number, appOrAll(cmd.App))
	return nil
}

type subscriberSignoutCmd struct {
	server
	output
	Number string `arg:"" help:"The number, as +14255550100."`
}

func (cmd *subscriberSignoutCmd) Run(e *env) error {
	c, err := cmd.connect(e)
	if err != nil {
		return err
	}
	if err := c.do(request{method: http.MethodDelete, path: subscriberPath(cmd.Number) + "/browsers"}, nil); err != nil {
		return err
	}
	if cmd.JSON() {
		return e.printJSON(map[string]any{"number": cmd.Number, "signed_out": true})
	}
	fmt.Fprintf(e.out, "%s is signed in nowhere any more; consents stay\n", cmd.Number)
	return nil
}
