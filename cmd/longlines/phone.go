package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"longlines/number"
)

type phoneCmd struct {
	List  phoneListCmd  `cmd:"" help:"List the virtual phones."`
	Inbox phoneInboxCmd `cmd:"" help:"Show what a phone has received."`
	Send  phoneSendCmd  `cmd:"" help:"Send a text from a phone to a short code."`
}

type phoneListCmd struct {
	server
	output
}

// shownPhones is how many phones people are shown: a load makes a thousand.
const shownPhones = 25

func (cmd *phoneListCmd) Run(e *env) error {
	type list struct {
		Phones []struct {
			Number   string `json:"number"`
			Habit    string `json:"habit"`
			Messages int    `json:"messages"`
		} `json:"phones"`
	}
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodGet, path: "/sandbox/v1/phones"}, func(l list) {
		var rows [][]string
		for _, p := range l.Phones[:min(len(l.Phones), shownPhones)] {
			rows = append(rows, []string{p.Number, fmt.Sprint(p.Messages), p.Habit})
		}
		e.table("NUMBER TEXTS HABIT", rows...)
		if n := len(l.Phones) - shownPhones; n > 0 {
			fmt.Fprintf(e.err, "and %d more that texts were sent to; --output json lists them\n", n)
		}
	})
	return err
}

// phoneText is a text as the sandbox API shows it.
type phoneText struct {
	ID        string    `json:"id"`
	Phone     string    `json:"phone"`
	Direction string    `json:"direction"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	Type      string    `json:"type"`
	Text      string    `json:"text"`
	Time      time.Time `json:"time"`
}

type phoneInboxCmd struct {
	server
	output
	Number string        `arg:"" help:"The phone's number."`
	Wait   time.Duration `help:"Wait so long for the first text." default:"0s"`
}

// longestWait is what the sandbox API waits at most in one request.
const longestWait = 60 * time.Second

func (cmd *phoneInboxCmd) Run(e *env) error {
	if cmd.Wait < 0 {
		return fail(exitUsage, "--wait: must not be negative")
	}
	if _, err := number.ParseMSISDN(cmd.Number); err != nil {
		return fail(exitUsage, "<number>: %q is no number of a phone, such as +14255550100", cmd.Number)
	}
	c, err := cmd.connect(e)
	if err != nil {
		return err
	}
	type list struct {
		Messages []phoneText `json:"messages"`
	}
	l := list{Messages: []phoneText{}}
	for end := time.Now().Add(cmd.Wait); ; {
		q := url.Values{"to": {cmd.Number}}
		if left := time.Until(end); left > 0 {
			q.Set("wait", min(left, longestWait).Round(time.Millisecond).String())
		}
		if err := c.do(request{method: http.MethodGet, path: "/sandbox/v1/messages", query: q}, &l); err != nil {
			return err
		}
		if len(l.Messages) > 0 || !time.Now().Before(end) {
			break
		}
	}
	if cmd.JSON() {
		if err := e.printJSON(l); err != nil {
			return err
		}
	} else {
		for _, m := range l.Messages {
			fmt.Fprintf(e.out, "%s  from %s  %s\n", m.Time.UTC().Format(time.RFC3339), oneLine(m.From), oneLine(m.Text))
		}
	}
	switch {
	case len(l.Messages) > 0 || cmd.JSON() && cmd.Wait == 0:
	case cmd.Wait > 0:
		return fail(exitTimeout, "nothing arrived at %s within %s", cmd.Number, cmd.Wait)
	default:
		fmt.Fprintf(e.err, "nothing yet; --wait 10s waits for the first text\n")
	}
	return nil
}

type phoneSendCmd struct {
	server
	output
	From string `required:"" help:"The phone's number." placeholder:"NUMBER"`
	To   string `required:"" help:"A short code." placeholder:"CODE"`
	Text string `required:"" help:"The text."`
}

func (cmd *phoneSendCmd) Run(e *env) error {
	in := map[string]string{"from": cmd.From, "to": cmd.To, "text": cmd.Text}
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodPost, path: "/sandbox/v1/messages", in: in}, func(m phoneText) {
		fmt.Fprintln(e.out, oneLine(m.ID))
		if cmd.unowned(e) {
			fmt.Fprintf(e.err, "no app has the short code %s, so none receives it\nsee: longlines app list\n", oneLine(m.To))
		}
	})
	return err
}

// unowned reports whether a text went to a short code that no app has. It is sent, so what keeps this from
// being known is no error.
func (cmd *phoneSendCmd) unowned(e *env) bool {
	to, err := number.ParseAddress(cmd.To)
	if err != nil {
		return false
	}
	code, is := to.ShortCode()
	c, err := cmd.connect(e)
	if !is || err != nil {
		return false
	}
	var l appList
	err = c.do(request{method: http.MethodGet, path: "/admin/v1/apps"}, &l)
	return err == nil && !slices.ContainsFunc(l.Apps, func(a appView) bool { return slices.Contains(a.ShortCodes, string(code)) })
}
