package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// page are the flags of a command that shows a part of a list.
type page struct {
	Limit  int    `help:"How many at most (1 to 500)." default:"50"`
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
		fmt.Fprintf(e.err, "there are more: --before %s\n", next)
	}
}

type consentCmd struct {
	List   consentListCmd   `cmd:"" help:"List what subscribers have allowed apps."`
	Revoke consentRevokeCmd `cmd:"" help:"Withdraw a consent, or scopes of it: tokens end, or open less, at once."`
}

// consentView is a consent as the admin API shows it.
type consentView struct {
	ID         string     `json:"id"`
	App        string     `json:"app"`
	Level      string     `json:"level"`
	Subscriber string     `json:"subscriber"`
	Scopes     []string   `json:"scopes"`
	How        string     `json:"how"`
	Given      time.Time  `json:"given"`
	Used       *time.Time `json:"used"`
	Revoked    *time.Time `json:"revoked"`
	RevokedBy  string     `json:"revoked_by"`
}

func (e *env) consents(list []consentView) {
	var rows [][]string
	for _, c := range list {
		used, state := "never", "in force"
		if c.Used != nil {
			used = day(*c.Used)
		}
		if c.Revoked != nil {
			state = "withdrawn " + day(*c.Revoked) + " by " + c.RevokedBy
		}
		rows = append(rows, []string{c.ID, c.App, c.Level, c.Subscriber, strings.Join(c.Scopes, ","), c.How, day(c.Given), used, state})
	}
	e.table("ID APP LEVEL SUBSCRIBER SCOPES HOW GIVEN USED STATE", rows...)
}

// day shows a time to the minute.
func day(t time.Time) string { return t.UTC().Format("2006-01-02T15:04Z") }

type consentListCmd struct {
	server
	output
	page
	App        string `help:"Only consents to this app." placeholder:"NAME"`
	Subscriber string `help:"Only consents of this number." placeholder:"NUMBER"`
	All        bool   `help:"Withdrawn ones too."`
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
		Consents []consentView `json:"consents"`
		Next     string        `json:"next"`
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
	Signout subscriberSignoutCmd `cmd:"" help:"Forget every browser in which a number is signed in."`
}

func subscriberPath(number string) string { return "/admin/v1/subscribers/" + url.PathEscape(number) }

type subscriberShowCmd struct {
	server
	output
	Number string `arg:"" help:"The number, as +14255550100."`
}

func (cmd *subscriberShowCmd) Run(e *env) error {
	type subscriber struct {
		Number   string        `json:"number"`
		Consents []consentView `json:"consents"`
		OptOuts  []struct {
			App  string    `json:"app"`
			Word string    `json:"word"`
			Time time.Time `json:"time"`
		} `json:"opt_outs"`
		Browsers []struct {
			Level   string    `json:"level"`
			Agent   string    `json:"agent"`
			Created time.Time `json:"created"`
			Expires time.Time `json:"expires"`
		} `json:"browsers"`
	}
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodGet, path: subscriberPath(cmd.Number)}, func(s subscriber) {
		fmt.Fprintln(e.out, s.Number)
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
				if o.App == "" {
					o.App = "every app"
				}
				rows = append(rows, []string{o.App, o.Word, day(o.Time)})
			}
			e.table("APP SAID SINCE", rows...)
		}
		if len(s.Browsers) > 0 {
			fmt.Fprintln(e.out, "\nSigned in with")
			var rows [][]string
			for _, b := range s.Browsers {
				rows = append(rows, []string{oneLine(b.Agent), b.Level, day(b.Created), day(b.Expires)})
			}
			e.table("BROWSER LEVEL SINCE UNTIL", rows...)
		}
	})
	return err
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
