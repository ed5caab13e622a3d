package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

type appCmd struct {
	Create appCreateCmd `cmd:"" help:"Make an app; its secret is shown once."`
	List   appListCmd   `cmd:"" help:"List the apps."`
	Show   appShowCmd   `cmd:"" help:"Show an app."`
	Rotate appRotateCmd `cmd:"" help:"Give an app a new secret; the old one ends at once."`
	Delete appDeleteCmd `cmd:"" help:"Delete an app: its key and tokens stop working."`
}

// appView is an app as the admin API takes and shows it.
type appView struct {
	Name            string   `json:"name"`
	Key             string   `json:"key,omitempty"`
	Secret          string   `json:"secret,omitempty"` // only when it was just made
	Level           string   `json:"level,omitempty"`
	Scopes          []string `json:"scopes,omitempty"`
	ShortCodes      []string `json:"short_codes,omitempty"`
	RedirectURI     string   `json:"redirect_uri,omitempty"`
	MessageListener string   `json:"message_listener,omitempty"`
	StatusListener  string   `json:"status_listener,omitempty"`
	NotificationURL string   `json:"notification_url,omitempty"`
	WaitForVerdict  string   `json:"wait_for_verdict,omitempty"`
}

type appCreateCmd struct {
	server
	output
	Name            string        `required:"" help:"The app's name, as people see it."`
	Key             string        `help:"App Key; default: a fresh one." placeholder:"K"`
	Secret          string        `help:"App Secret; default: a fresh one." placeholder:"S"`
	Level           string        `help:"Service level." enum:"sandbox,production" default:"sandbox"`
	Scopes          []string      `help:"Scopes, comma-separated." default:"SMS"`
	RedirectURI     string        `name:"redirect-uri" help:"Registered redirect URI." placeholder:"URI"`
	ShortCode       []string      `help:"A short code of the app; the first is its sender." placeholder:"CODE"`
	MessageListener string        `help:"Receive SMS is posted there." placeholder:"URL"`
	StatusListener  string        `help:"Receive SMS Delivery Status is posted there." placeholder:"URL"`
	NotificationURL string        `name:"notification-url" help:"Webhooks are posted there." placeholder:"URL"`
	WaitForVerdict  time.Duration `help:"Answer each send only once the network has spoken, up to 5s." placeholder:"TIME"`
}

func (cmd *appCreateCmd) Run(e *env) error {
	in := appView{Name: cmd.Name, Key: cmd.Key, Secret: cmd.Secret, Level: cmd.Level, Scopes: cmd.Scopes,
		ShortCodes: cmd.ShortCode, RedirectURI: cmd.RedirectURI, MessageListener: cmd.MessageListener,
		StatusListener: cmd.StatusListener, NotificationURL: cmd.NotificationURL}
	if cmd.WaitForVerdict != 0 {
		in.WaitForVerdict = cmd.WaitForVerdict.String()
	}
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodPost, path: "/admin/v1/apps", in: in}, e.app)
	return err
}

// app prints an app for people.
func (e *env) app(a appView) {
	fmt.Fprintf(e.out, "App %q\n", a.Name)
	secret := a.Secret
	if secret != "" {
		secret += "   (shown once)"
	}
	for _, l := range [][2]string{{"level", a.Level}, {"key", a.Key}, {"secret", secret}, {"scopes", strings.Join(a.Scopes, ",")},
		{"short codes", strings.Join(a.ShortCodes, ",")}, {"redirect", a.RedirectURI}, {"messages to", a.MessageListener},
		{"statuses to", a.StatusListener}, {"webhooks to", a.NotificationURL}, {"waits", a.WaitForVerdict}} {
		if l[1] != "" {
			fmt.Fprintf(e.out, "  %-12s %s\n", l[0], l[1])
		}
	}
}

type appListCmd struct {
	server
	output
}

func (cmd *appListCmd) Run(e *env) error {
	type list struct {
		Apps []appView `json:"apps"`
	}
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodGet, path: "/admin/v1/apps"}, func(l list) {
		var rows [][]string
		for _, a := range l.Apps {
			rows = append(rows, []string{a.Name, a.Level, a.Key, strings.Join(a.Scopes, ","), strings.Join(a.ShortCodes, ",")})
		}
		e.table("NAME LEVEL KEY SCOPES CODES", rows...)
	})
	return err
}

// appPath is the path of an app.
func appPath(name string) string { return "/admin/v1/apps/" + url.PathEscape(name) }

type appShowCmd struct {
	server
	output
	Name string `arg:"" help:"The app's name."`
}

func (cmd *appShowCmd) Run(e *env) error {
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodGet, path: appPath(cmd.Name)}, e.app)
	return err
}

type appRotateCmd struct {
	server
	output
	Name string `arg:"" help:"The app's name."`
}

func (cmd *appRotateCmd) Run(e *env) error {
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodPost, path: appPath(cmd.Name) + "/rotate"}, e.app)
	return err
}

type appDeleteCmd struct {
	deletion
	Name string `arg:"" help:"The app's name."`
}

func (cmd *appDeleteCmd) Run(e *env) error {
	return cmd.run(e, "app", cmd.Name, "its key and all its tokens stop working for good", request{method: http.MethodDelete, path: appPath(cmd.Name)})
}
