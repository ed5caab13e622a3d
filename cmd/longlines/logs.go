package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

type logsCmd struct {
	server
	output
	Limit     int           `help:"How many of the newest at most (1 to 500)." default:"50" short:"n"`
	App       string        `help:"Only calls of this app." placeholder:"NAME"`
	Code      string        `help:"Only calls answered with this code, as POL0001." placeholder:"CODE"`
	Status    string        `help:"Only calls answered so: 403, or 4xx." placeholder:"STATUS"`
	Operation string        `help:"Only calls of this operation, as \"Send SMS\"." placeholder:"NAME"`
	Message   string        `help:"Only calls that made or asked for this message." placeholder:"ID"`
	Since     time.Duration `help:"Only calls of so long ago at most, as 1h." placeholder:"TIME"`
	Follow    bool          `help:"Go on and show calls as they come." short:"f"`
}

// callView is a call of an app as the admin API shows it.
type callView struct {
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`
	App       string    `json:"app"`
	Operation string    `json:"operation"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Status    int       `json:"status"`
	Code      string    `json:"code"`
	Message   string    `json:"message"`
	Ms        float64   `json:"ms"`

	document json.RawMessage // as it came
}

func (c *callView) UnmarshalJSON(b []byte) error {
	type plain callView
	if err := json.Unmarshal(b, (*plain)(c)); err != nil {
		return err
	}
	c.document = slices.Clone(b)
	return nil
}

type callList struct {
	Requests []callView `json:"requests"`
	Next     string     `json:"next"`
}

const (
	followEvery = time.Second
	followPage  = 500
	// followLate is how much later than a call that came after it a call may be recorded: it was slow, or
	// the record waited for the next commit.
	followLate = 2 * time.Minute
)

func (cmd *logsCmd) Run(e *env) error {
	r := request{method: http.MethodGet, path: "/admin/v1/requests", query: url.Values{"limit": {strconv.Itoa(cmd.Limit)}}}
	for name, v := range map[string]string{"app": cmd.App, "code": cmd.Code, "status": cmd.Status, "operation": cmd.Operation, "message": cmd.Message} {
		if v != "" {
			r.query.Set(name, v)
		}
	}
	if cmd.Since < 0 {
		return fail(exitUsage, "--since %s: say how long ago, as 1h", cmd.Since)
	}
	if cmd.Since > 0 {
		r.query.Set("since", time.Now().Add(-cmd.Since).UTC().Format(time.RFC3339Nano))
	}
	if cmd.Follow {
		return cmd.follow(e, r)
	}
	_, err := ask(e, cmd.server, cmd.output, r, func(l callList) {
		if len(l.Requests) == 0 {
			fmt.Fprintln(e.err, "no such calls")
		}
		for _, c := range slices.Backward(l.Requests) {
			e.call(c)
		}
	})
	return err
}

// call prints a call for people.
func (e *env) call(c callView) {
	app, operation := c.App, c.Operation
	if app == "" {
		app = "-"
	}
	if operation == "" {
		operation = oneLine(c.Method + " " + c.Path)
	}
	fmt.Fprintf(e.out, "%s  %d  %-8s %-16s %-24s %7.1f ms  %s\n", c.Time.UTC().Format("2006-01-02T15:04:05.000Z"), c.Status, c.Code, app, operation, c.Ms, c.ID)
}

// follow shows calls as they come, oldest first, until it is interrupted; as JSON, one a line.
func (cmd *logsCmd) follow(e *env, r request) error {
	c, err := cmd.connect(e)
	if err != nil {
		return err
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	shown := map[string]time.Time{}
	for {
		fresh, err := unseen(c, r, shown)
		if err != nil {
			return err
		}
		for _, x := range slices.Backward(fresh) {
			if cmd.JSON() {
				fmt.Fprintf(e.out, "%s\n", x.document)
			} else {
				e.call(x)
			}
		}
		// From here on all that is new is asked for, by the platform's clock.
		r.query.Set("limit", strconv.Itoa(followPage))
		var newest time.Time
		for _, t := range shown {
			if t.After(newest) {
				newest = t
			}
		}
		if !newest.IsZero() {
			since := newest.Add(-followLate)
			r.query.Set("since", since.UTC().Format(time.RFC3339Nano))
			for id, t := range shown {
				if t.Before(since) {
					delete(shown, id)
				}
			}
		}
		select {
		case <-tick.C:
		case <-e.ctx.Done():
			return e.ctx.Err()
		}
	}
}

// unseen reads calls, newest first, until those that were shown already, and notes them.
func unseen(c *client, r request, shown map[string]time.Time) (fresh []callView, err error) {
	first := len(shown) == 0
	r.query = cloneValues(r.query)
	for {
		var l callList
		if err := c.do(r, &l); err != nil {
			return nil, err
		}
		found := false
		for _, x := range l.Requests {
			if _, seen := shown[x.ID]; !seen {
				shown[x.ID] = x.Time
				fresh, found = append(fresh, x), true
			}
		}
		if first || !found || l.Next == "" {
			return fresh, nil
		}
		r.query.Set("before", l.Next)
	}
}

func cloneValues(q url.Values) url.Values {
	out := url.Values{}
	for name, v := range q {
		out[name] = slices.Clone(v)
	}
	return out
}
