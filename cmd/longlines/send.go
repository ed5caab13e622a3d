package main

import (
	"fmt"
	"net/http"
)

type sendCmd struct {
	SMS sendSMSCmd `cmd:"" name:"sms" help:"Send an SMS."`
}

type sendSMSCmd struct {
	server
	output
	To   []string `required:"" sep:"," help:"The recipient's number; several are separated by commas." placeholder:"NUMBER"`
	Text string   `required:"" help:"The text."`
	App  string   `help:"The app that sends." default:"demo" placeholder:"NAME"`
}

func (cmd *sendSMSCmd) Run(e *env) error {
	type sent struct {
		ID string `json:"id"`
	}
	in := map[string]any{"app": cmd.App, "to": cmd.To, "text": cmd.Text}
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodPost, path: "/admin/v1/messages", in: in}, func(s sent) {
		fmt.Fprintln(e.out, oneLine(s.ID))
		fmt.Fprintf(e.err, "next: longlines phone inbox %s; longlines explain %s\n", cmd.To[0], oneLine(s.ID))
	})
	return err
}
