package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"longlines/api/adminv1"
	"longlines/route"
)

type linkCmd struct {
	Create struct {
		SMPP linkCreateSMPPCmd `cmd:"" name:"smpp" help:"Connect to an SMSC by SMPP."`
	} `cmd:"" help:"Make a link."`
	List   linkListCmd   `cmd:"" help:"List the links and their state."`
	Show   linkShowCmd   `cmd:"" help:"Show a link."`
	Test   linkTestCmd   `cmd:"" help:"Try a link step by step: name, TCP, TLS, bind, enquire_link."`
	Pause  linkPauseCmd  `cmd:"" help:"Stop submitting over a link; texts wait."`
	Resume linkResumeCmd `cmd:"" help:"Submit over it again."`
	Delete linkDeleteCmd `cmd:"" help:"Delete a link."`
}

type linkCreateSMPPCmd struct {
	server
	output
	Name         string  `required:"" help:"The link's name."`
	Host         string  `required:"" help:"The SMSC's host."`
	Port         int     `required:"" help:"Its port."`
	SystemID     string  `required:"" name:"system-id" help:"Our system_id there." placeholder:"ID"`
	PasswordFile string  `name:"password-file" help:"A file with the password; - reads it from standard input." placeholder:"F"`
	SystemType   string  `help:"system_type, if the SMSC asks for one."`
	Bind         string  `help:"How to bind." enum:"transceiver,transmitter,receiver,pair" default:"transceiver"`
	Window       int     `help:"Submits in flight (1 to 10000)." default:"10"`
	Rate         float64 `help:"Submits a second; 0: no limit." default:"0"`
	TLS          bool    `name:"tls" help:"Connect by TLS."`
	Virtual      bool    `help:"The link reaches a test network: sandbox apps may use it."`
}

func (cmd *linkCreateSMPPCmd) Run(e *env) error {
	in := adminv1.LinkIn{Name: cmd.Name, Kind: "smpp", Network: string(route.NetworkLive), Host: cmd.Host, Port: cmd.Port, SystemID: cmd.SystemID,
		SystemType: cmd.SystemType, Bind: cmd.Bind, Window: cmd.Window, Rate: cmd.Rate, TLS: cmd.TLS}
	if cmd.Virtual {
		in.Network = string(route.NetworkVirtual)
	}
	if path := cmd.PasswordFile; path != "" {
		if path == "-" {
			path = "/dev/stdin"
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return fail(exitUsage, "password: %w", err)
		}
		in.Password = strings.TrimRight(string(b), "\r\n")
	}
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodPost, path: "/admin/v1/links", in: in}, func(l adminv1.Link) {
		fmt.Fprintf(e.out, "Link %q to %s:%d\n", l.Name, oneLine(l.Host), l.Port)
		fmt.Fprintf(e.err, "next: longlines link test %s; longlines route add --prefix +1 --link %s\n", oneLine(l.Name), oneLine(l.Name))
	})
	return err
}

type linkListCmd struct {
	server
	output
}

type linkList struct {
	Links []adminv1.Link `json:"links"`
}

func (cmd *linkListCmd) Run(e *env) error {
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodGet, path: "/admin/v1/links"}, func(l linkList) {
		var rows [][]string
		for _, link := range l.Links {
			s := link.State
			rows = append(rows, []string{link.Name, linkWord(link), ago(s.Since), string(link.Network), fmt.Sprintf("%s:%d", link.Host, link.Port),
				link.Bind, fmt.Sprintf("%d/%d", s.InUse, s.Window), fmt.Sprint(link.Jobs), fmt.Sprint(s.Counters.Submitted),
				fmt.Sprint(s.Counters.Receipts), s.Error})
		}
		e.table("NAME STATE SINCE NETWORK ADDRESS BIND WINDOW WAITING SUBMITTED RECEIPTS LAST-ERROR", rows...)
	})
	return err
}

// linkWord is the state of a link in one word.
func linkWord(l adminv1.Link) string {
	switch {
	case l.Paused:
		return "paused"
	case l.State.Up:
		return "up"
	case l.State.Phase == "":
		return "down"
	}
	return "down(" + l.State.Phase + ")"
}

// ago is how long ago something was, in the unit that matters.
func ago(t time.Time) string {
	d := time.Since(t)
	switch {
	case t.IsZero():
		return ""
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// link prints a link for people.
func (e *env) link(l adminv1.Link) {
	s, c := l.State, l.State.Counters
	line := func(name, format string, args ...any) {
		if v := fmt.Sprintf(format, args...); v != "" {
			fmt.Fprintf(e.out, "  %-12s %s\n", oneLine(name), oneLine(v))
		}
	}
	fmt.Fprintf(e.out, "Link %q\n", l.Name)
	line("state", "%s, for %s", linkWord(l), ago(s.Since))
	line("alarm", "%s", s.Alarm)
	line("last error", "%s", s.Error)
	line("address", "%s:%d as %s, %s", l.Host, l.Port, l.SystemID, l.Bind)
	line("network", "%s", l.Network)
	for _, b := range s.Binds {
		word := "not bound"
		if b.Up {
			word = "bound to " + b.Centre
		}
		line(b.Kind, "%s", word)
	}
	line("window", "%d of %d in use, %d submits and %d texts wait", s.InUse, s.Window, s.Waiting, l.Jobs)
	if time.Now().Before(s.Throttle) {
		line("throttled", "until %s", s.Throttle.UTC().Format("15:04:05Z"))
	}
	line("submitted", "%d segments taken, %d refused, %d without an answer", c.Submitted, c.Refused, c.Unknown)
	line("received", "%d receipts, %d texts", c.Receipts, c.Incoming)
	if l.Managed {
		line("kept in", "the configuration")
	}
}

// linkPath is the path of a link.
func linkPath(name string) string { return "/admin/v1/links/" + url.PathEscape(name) }

type linkShowCmd struct {
	server
	output
	Name string `arg:"" help:"The link's name."`
}

func (cmd *linkShowCmd) Run(e *env) error {
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodGet, path: linkPath(cmd.Name)}, e.link)
	return err
}

type linkPauseCmd struct {
	server
	output
	Name string `arg:"" help:"The link's name."`
}

func (cmd *linkPauseCmd) Run(e *env) error {
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodPost, path: linkPath(cmd.Name) + "/pause"}, e.link)
	return err
}

type linkResumeCmd struct {
	server
	output
	Name string `arg:"" help:"The link's name."`
}

func (cmd *linkResumeCmd) Run(e *env) error {
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodPost, path: linkPath(cmd.Name) + "/resume"}, func(l adminv1.Link) {
		if l.State.Up {
			e.link(l)
			return
		}
		fmt.Fprintf(e.out, "link %q is resumed; it binds\n", l.Name) // what else it says is of before
		fmt.Fprintf(e.err, "next: longlines link show %s\n", oneLine(l.Name))
	})
	return err
}

type linkDeleteCmd struct {
	deletion
	Name string `arg:"" help:"The link's name."`
}

func (cmd *linkDeleteCmd) Run(e *env) error {
	return cmd.run(e, "link", cmd.Name, "routes that name it end or go on with their fallback", request{method: http.MethodDelete, path: linkPath(cmd.Name)})
}

type linkTestCmd struct {
	server
	output
	Name string `arg:"" help:"The link's name."`
}

func (cmd *linkTestCmd) Run(e *env) error {
	type result struct {
		OK    bool         `json:"ok"`
		Steps []route.Step `json:"steps"`
	}
	r, err := ask(e, cmd.server, cmd.output, request{method: http.MethodPost, path: linkPath(cmd.Name) + "/test"}, func(r result) {
		for _, s := range r.Steps {
			mark := "ok  "
			if !s.OK {
				mark = "FAIL"
			}
			fmt.Fprintf(e.out, "%s  %-12s %7.1f ms  %s\n", mark, oneLine(s.Name), s.Duration, strings.Join(strings.Fields(oneLine(s.Status+" "+s.Detail)), " "))
			if s.Hint != "" {
				fmt.Fprintf(e.out, "      %s\n", oneLine(s.Hint))
			}
		}
	})
	if err == nil && !r.OK {
		return fail(exitUnreachable, "link %q does not work", cmd.Name)
	}
	return err
}
