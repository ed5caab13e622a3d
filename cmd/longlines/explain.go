package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"longlines/api/adminv1"
	"longlines/fault"
	"longlines/id"
)

type explainCmd struct {
	server
	output
	What string `arg:"" help:"A code (POL0001, SVC0001, invalid_grant, SMPP-000B), a message id (SMS…) or a request id (req_…)."`
}

func (cmd *explainCmd) Run(e *env) error {
	what := strings.TrimSpace(cmd.What)
	low := strings.ToLower(what)
	rows := explained(low)
	switch {
	case len(rows) > 0 && cmd.JSON():
		return e.printJSON(rows)
	case len(rows) > 0:
		printRows(e.out, "", rows)
		return nil
	case strings.HasPrefix(low, id.RequestPrefix):
		return cmd.story(e, "/admin/v1/requests/"+url.PathEscape(what))
	case strings.HasPrefix(low, "sms"), strings.HasPrefix(low, "msg_"):
		return cmd.story(e, "/admin/v1/messages/"+url.PathEscape(what))
	}
	return fail(exitNotFound, "%q is neither a code of the catalogue nor a message id (SMS…) nor a request id (req_…); the catalogue is at /errors of the API listener", what)
}

// explained finds a code, or one of its cases (smpp-000b, POL0001#quota-day), in the catalogue of the
// binary; no server is needed.
func explained(what string) (rows []fault.Row) {
	code, anchor, _ := strings.Cut(what, "#")
	for _, r := range fault.All() {
		c, a := strings.ToLower(r.Code), strings.ToLower(r.Case)
		if c == code && (anchor == "" || a == anchor) || a == what {
			rows = append(rows, r)
		}
	}
	return rows
}

// printRows prints rows of the catalogue for people.
func printRows(w io.Writer, indent string, rows []fault.Row) {
	for i, r := range rows {
		if i > 0 {
			fmt.Fprintln(w)
		}
		title := r.Code
		if r.Case != "" {
			title += "#" + r.Case
		}
		if r.Status != 0 {
			title += fmt.Sprintf("   HTTP %d", r.Status)
		}
		fmt.Fprintf(w, "%s%s\n", indent, title)
		for _, l := range [][2]string{{"says", r.Text}, {"when", r.Condition}, {"do", r.Remedy}, {"try it", r.Try()}} {
			if l[1] != "" {
				fmt.Fprintf(w, "%s  %-7s %s\n", indent, l[0], l[1])
			}
		}
	}
}

// story prints the timeline of a message or a request.
func (cmd *explainCmd) story(e *env, path string) error {
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodGet, path: path}, func(s adminv1.Story) {
		fmt.Fprintln(e.out, oneLine(s.Title))
		for _, f := range s.Facts {
			if f[1] != "" {
				fmt.Fprintf(e.out, "  %-12s %s\n", oneLine(f[0]), oneLine(f[1]))
			}
		}
		if len(s.Steps) > 0 {
			fmt.Fprintln(e.out)
		}
		for _, step := range s.Steps {
			fmt.Fprintf(e.out, "  %s  %-13s %s\n", step.Time.UTC().Format("2006-01-02 15:04:05.000Z"), oneLine(step.What), oneLine(step.Detail))
		}
		if s.Wire != "" {
			fmt.Fprintln(e.out)
			for line := range strings.Lines(printable(s.Wire)) {
				fmt.Fprint(e.out, "  ", line)
			}
			fmt.Fprintln(e.out)
		}
	})
	return err
}
