package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"longlines/api/adminv1"
)

type logsCmd struct {
	server
	output
	page
	App       string        `help:"Only calls of this app." placeholder:"NAME"`
	Code      string        `help:"Only calls answered with this code, as POL0001." placeholder:"CODE"`
	Status    string        `help:"Only calls answered so: 403, or 4xx." placeholder:"STATUS"`
	Operation string        `help:"Only calls of this operation, as \"Send SMS\"." placeholder:"NAME"`
	Message   string        `help:"Only calls that made or asked for this message." placeholder:"ID"`
	Since     time.Duration `help:"Only calls of so long ago at most, as 1h." placeholder:"TIME"`
	Follow    bool          `help:"Go on and show calls as they come." short:"f"`
}

// loggedCall is a call of an app as the admin API shows it.
type loggedCall struct {
	adminv1.Request
	document json.RawMessage // as it came
}

func (c *loggedCall) UnmarshalJSON(b []byte) error {
	c.document = slices.Clone(b)
	return json.Unmarshal(b, &c.Request)
}

type callList struct {
	Requests []loggedCall `json:"requests"`
	Next     string       `json:"next"`
}

const (
	followEvery = time.Second
	followPage  = 500
	// followLate is how much later than a call that came after it a call may be recorded: it was slow, or
	// the record waited for the next commit.
	followLate = 2 * time.Minute
)

func (cmd *logsCmd) Run(e *env) error {
	r := request{method: http.MethodGet, path: "/admin/v1/requests", query: cmd.query()}
	for name, v := range map[string]string{"app": cmd.App, "code": cmd.Code, "status": cmd.Status, "operation": cmd.Operation, "message": cmd.Message} {
		if v != "" {
			r.query.Set(name, v)
		}
	}
	if cmd.Since < 0 {
		return fail(exitUsage, "--since %s: say how long ago, as 1h", cmd.Since)
	}
	var since time.Time // zero: all
	if cmd.Since > 0 {
		since = time.Now().Add(-cmd.Since)
		r.query.Set("since", stamp(since))
	}
	if cmd.Follow {
		if cmd.Before != "" {
			return fail(exitUsage, "--before: what is followed has no end to go on from")
		}
		return cmd.follow(e, r, since)
	}
	_, err := ask(e, cmd.server, cmd.output, r, func(l callList) {
		if len(l.Requests) == 0 {
			fmt.Fprintln(e.err, "no such calls")
		}
		new(callTable).print(e.out, l.Requests)
		e.more(l.Next)
	})
	return err
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// callTable prints calls in columns. They are as wide as what is known when a line is printed needs: of calls that
// are followed, those to come are not.
type callTable struct{ code, app, operation int }

// print prints calls, given newest first, oldest first.
func (t *callTable) print(w io.Writer, list []loggedCall) {
	rows := make([][3]string, len(list))
	for i, c := range list {
		operation := c.Operation
		if operation == "" {
			operation = c.Method + " " + c.Path
		}
		rows[i] = [3]string{oneLine(c.Code), oneLine(cmp.Or(c.App, "-")), oneLine(operation)}
		for n, width := range []*int{&t.code, &t.app, &t.operation} {
			*width = max(*width, utf8.RuneCountInString(rows[i][n]))
		}
	}
	for i, c := range slices.Backward(list) {
		fmt.Fprintf(w, "%s  %d  %-*s  %-*s  %-*s  %7.1f ms  %s\n", c.Time.UTC().Format("2006-01-02T15:04:05.000Z"), c.Status,
			t.code, rows[i][0], t.app, rows[i][1], t.operation, rows[i][2], c.Ms, oneLine(c.ID))
	}
}

// follow shows calls as they come, oldest first, until it is interrupted; as JSON, one a line.
func (cmd *logsCmd) follow(e *env, r request, since time.Time) error {
	c, err := cmd.connect(e)
	if err != nil {
		return err
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	f := following{since: since}
	table := callTable{code: 8, app: 16, operation: 24}
	for {
		fresh, err := f.unseen(c, r)
		if err != nil {
			return err
		}
		if cmd.JSON() {
			for _, x := range slices.Backward(fresh) {
				fmt.Fprintf(e.out, "%s\n", escaped(x.document))
			}
		} else {
			table.print(e.out, fresh)
		}
		select {
		case <-tick.C:
		case <-e.ctx.Done():
			return e.ctx.Err()
		}
	}
}

// following is how far calls have been shown.
type following struct {
	since  time.Time            // nothing before it is asked for; zero: all
	oldest string               // of the calls shown at first: what is before it was not wanted
	shown  map[string]time.Time // by id; nil before the first look
}

// unseen reads the calls that were not shown yet, newest first, and notes them: at first the page that the query
// asks for, then all that are new, by the platform's clock.
func (f *following) unseen(c *client, r request) (fresh []loggedCall, err error) {
	first := f.shown == nil
	r.query = maps.Clone(r.query)
	if first {
		f.shown = map[string]time.Time{}
	} else {
		r.query.Set("limit", strconv.Itoa(followPage))
		if since := f.forget(); !since.IsZero() {
			r.query.Set("since", stamp(since))
		}
	}
	for {
		var l callList
		if err := c.do(r, &l); err != nil {
			return nil, err
		}
		found := false
		for _, x := range l.Requests {
			if _, seen := f.shown[x.ID]; !seen {
				f.shown[x.ID] = x.Time
				fresh, found = append(fresh, x), true
			}
			if x.ID == f.oldest {
				return fresh, nil
			}
		}
		if n := len(fresh); first && n > 0 {
			f.oldest, f.since = fresh[n-1].ID, later(f.since, fresh[n-1].Time)
		}
		if first || !found || l.Next == "" {
			return fresh, nil
		}
		r.query.Set("before", l.Next)
	}
}

// forget drops what need not be known any more, and says from when on there may be calls that are new.
func (f *following) forget() time.Time {
	since := f.since
	for _, t := range f.shown {
		since = later(since, t.Add(-followLate))
	}
	maps.DeleteFunc(f.shown, func(_ string, t time.Time) bool { return t.Before(since) })
	return since
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
