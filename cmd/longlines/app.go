package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"longlines/app"
)

type appCmd struct {
	Create  appCreateCmd  `cmd:"" help:"Make an app; its secret is shown once."`
	List    appListCmd    `cmd:"" help:"List the apps."`
	Show    appShowCmd    `cmd:"" help:"Show an app."`
	Set     appSetCmd     `cmd:"" help:"Change what is named of an app; the rest stays."`
	Promote appPromoteCmd `cmd:"" help:"Make the production app of a sandbox app, with a new key and secret."`
	Import  appImportCmd  `cmd:"" help:"Take over apps with the keys and secrets they have, from CSV or JSON."`
	Rotate  appRotateCmd  `cmd:"" help:"Give an app a new secret; the old one ends at once."`
	Delete  appDeleteCmd  `cmd:"" help:"Delete an app: its key and tokens stop working."`
}

// appView is an app as the admin API takes and shows it.
type appView struct {
	Name            string          `json:"name"`
	Key             string          `json:"key,omitempty"`
	Secret          string          `json:"secret,omitempty"` // only when it was just made
	Auth            string          `json:"auth,omitempty"`
	Keys            json.RawMessage `json:"keys,omitempty"`
	Owner           string          `json:"owner,omitempty"`
	Level           string          `json:"level,omitempty"`
	Scopes          []string        `json:"scopes,omitempty"`
	ShortCodes      []string        `json:"short_codes,omitempty"`
	RedirectURI     string          `json:"redirect_uri,omitempty"`
	OnNetwork       bool            `json:"on_network,omitempty"`
	DPoP            bool            `json:"dpop,omitempty"`
	Introspect      bool            `json:"introspect,omitempty"`
	MessageListener string          `json:"message_listener,omitempty"`
	StatusListener  string          `json:"status_listener,omitempty"`
	NotificationURL string          `json:"notification_url,omitempty"`
	WaitForVerdict  string          `json:"wait_for_verdict,omitempty"`
	PromotedFrom    string          `json:"promoted_from,omitempty"`
}

const authKey = "private_key_jwt"

type appCreateCmd struct {
	server
	output
	Name            string        `required:"" help:"The app's name, as people see it."`
	Key             string        `help:"App Key; default: a fresh one." placeholder:"K"`
	Secret          string        `help:"App Secret; default: a fresh one." placeholder:"S"`
	Auth            string        `help:"How it proves itself: secret, private_key_jwt, or none (a public app, which must use PKCE)." enum:"secret,private_key_jwt,none" default:"secret"`
	KeysFile        string        `help:"Its public keys for private_key_jwt, a JWK set; - reads it from standard input." placeholder:"FILE"`
	Owner           string        `help:"Who runs it, as the consent page says it." placeholder:"NAME"`
	Level           string        `help:"Service level." enum:"sandbox,production" default:"sandbox"`
	Scopes          []string      `help:"Its scopes, separated by commas or blanks: ${scopes}." default:"SMS"`
	RedirectURI     string        `name:"redirect-uri" help:"Registered redirect URI." placeholder:"URI"`
	ShortCode       []string      `help:"A short code of the app; the first is its sender." placeholder:"CODE"`
	OnNetwork       bool          `help:"Subscribers may consent only from a device on the network."`
	DPoP            bool          `name:"dpop" help:"Bind its tokens to a key (RFC 9449)."`
	Introspect      bool          `help:"Let it ask about every token of its level: a service of yours (RFC 7662)."`
	MessageListener string        `help:"Receive SMS is posted there." placeholder:"URL"`
	StatusListener  string        `help:"Receive SMS Delivery Status is posted there." placeholder:"URL"`
	NotificationURL string        `name:"notification-url" help:"Webhooks will be posted there; they are due, and nothing posts yet." placeholder:"URL"`
	WaitForVerdict  time.Duration `help:"Answer each send only once the network has spoken, up to 5s." placeholder:"TIME"`
}

func (cmd *appCreateCmd) Run(e *env) error {
	scopes, err := scopesOf(cmd.Scopes)
	if err != nil {
		return err
	}
	in := appView{Name: cmd.Name, Key: cmd.Key, Secret: cmd.Secret, Auth: cmd.Auth, Owner: cmd.Owner, Level: cmd.Level, Scopes: scopes,
		ShortCodes: cmd.ShortCode, RedirectURI: cmd.RedirectURI, OnNetwork: cmd.OnNetwork, DPoP: cmd.DPoP, Introspect: cmd.Introspect,
		MessageListener: cmd.MessageListener, StatusListener: cmd.StatusListener, NotificationURL: cmd.NotificationURL}
	if cmd.WaitForVerdict != 0 {
		in.WaitForVerdict = cmd.WaitForVerdict.String()
	}
	if in.Keys, err = readKeys(cmd.KeysFile); err != nil {
		return err
	}
	_, err = ask(e, cmd.server, cmd.output, request{method: http.MethodPost, path: "/admin/v1/apps", in: in}, e.app)
	return err
}

// scopesOf are scopes as they were typed, between commas or blanks. One that is none is refused here, where all
// that there are can be told.
func scopesOf(words []string) ([]string, error) {
	scopes := []string{}
	for _, s := range app.ParseScopes(strings.Join(words, ",")) {
		if !s.Known() {
			return nil, fail(exitUsage, "--scopes: %q is no scope of the platform; there are %s", s, scopeNames())
		}
		scopes = append(scopes, string(s))
	}
	return scopes, nil
}

// scopeNames are all scopes of the platform, for people.
func scopeNames() string { return strings.ReplaceAll(app.JoinScopes(app.Scopes()), ",", ", ") }

// maxKeysFile bounds what is read of a file of keys; the platform takes less.
const maxKeysFile = 64 << 10

// readKeys reads a JWK set; none if no file is named.
func readKeys(path string) (json.RawMessage, error) {
	if path == "" {
		return nil, nil
	}
	b, err := readFile(path, maxKeysFile)
	if err != nil {
		return nil, fail(exitUsage, "keys: %w", err)
	}
	if !json.Valid(b) {
		return nil, fail(exitUsage, "keys: %s is no JSON; a JWK set is needed: {\"keys\":[…]}", path)
	}
	return b, nil
}

// readFile reads a file of at most so many bytes; - is standard input.
func readFile(path string, most int64) ([]byte, error) {
	f := os.Stdin
	if path != "-" {
		var err error
		if f, err = os.Open(path); err != nil {
			return nil, err
		}
		defer f.Close()
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", path, most)
	}
	return b, err
}

// app prints an app for people.
func (e *env) app(a appView) {
	fmt.Fprintf(e.out, "App %q\n", a.Name)
	secret := a.Secret
	if secret != "" {
		secret += "   (shown once)"
	}
	auth := map[string]string{authKey: "by a signature of its own key (private_key_jwt)", "none": "not at all: a public app"}[a.Auth]
	var only []string
	for _, o := range []struct {
		on   bool
		says string
	}{{a.OnNetwork, "consents from the network only"}, {a.DPoP, "tokens bound to a key"}, {a.Introspect, "may ask about every token of its level"}} {
		if o.on {
			only = append(only, o.says)
		}
	}
	for _, l := range [][2]string{{"level", a.Level}, {"from", a.PromotedFrom}, {"owner", a.Owner}, {"key", a.Key}, {"secret", secret}, {"proves", auth},
		{"scopes", strings.Join(a.Scopes, ",")}, {"short codes", strings.Join(a.ShortCodes, ",")}, {"redirect", a.RedirectURI},
		{"rules", strings.Join(only, ", ")}, {"messages to", a.MessageListener}, {"statuses to", a.StatusListener},
		{"webhooks to", a.NotificationURL}, {"waits", a.WaitForVerdict}} {
		if l[1] != "" {
			fmt.Fprintf(e.out, "  %-12s %s\n", l[0], oneLine(l[1]))
		}
	}
}

type appList struct {
	Apps []appView `json:"apps"`
}

type appListCmd struct {
	server
	output
}

func (cmd *appListCmd) Run(e *env) error {
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodGet, path: "/admin/v1/apps"}, func(l appList) {
		var rows [][]string
		for _, a := range l.Apps {
			rows = append(rows, []string{a.Name, a.Level, a.Key, strings.Join(a.Scopes, ","), strings.Join(a.ShortCodes, ","), a.Auth, a.Owner})
		}
		e.table("NAME LEVEL KEY SCOPES CODES AUTH OWNER", rows...)
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

type appSetCmd struct {
	server
	output
	Name            string         `arg:"" help:"The app's name."`
	As              *string        `help:"A new name." placeholder:"NAME"`
	Auth            *string        `help:"How it proves itself: secret, private_key_jwt or none. An app that stops having a secret loses it at once." placeholder:"HOW"`
	KeysFile        string         `help:"Its public keys for private_key_jwt, a JWK set; - reads it from standard input." placeholder:"FILE"`
	Owner           *string        `help:"Who runs it, as the consent page says it." placeholder:"NAME"`
	Scopes          []string       `help:"All its scopes, separated by commas or blanks; \"\" for none: ${scopes}." placeholder:"SCOPES"`
	RedirectURI     *string        `name:"redirect-uri" help:"Registered redirect URI." placeholder:"URI"`
	ShortCode       []string       `help:"All its short codes; the first is its sender; \"\" for none." placeholder:"CODE"`
	OnNetwork       *bool          `help:"Subscribers may consent only from a device on the network." negatable:""`
	DPoP            *bool          `name:"dpop" help:"Bind its tokens to a key (RFC 9449)." negatable:""`
	Introspect      *bool          `help:"Let it ask about every token of its level: a service of yours (RFC 7662)." negatable:""`
	MessageListener *string        `help:"Receive SMS is posted there; \"\": it waits for the poll." placeholder:"URL"`
	StatusListener  *string        `help:"Receive SMS Delivery Status is posted there." placeholder:"URL"`
	NotificationURL *string        `name:"notification-url" help:"Webhooks will be posted there; they are due, and nothing posts yet." placeholder:"URL"`
	WaitForVerdict  *time.Duration `help:"Answer each send only once the network has spoken, up to 5s; 0s: at once." placeholder:"TIME"`
}

func (cmd *appSetCmd) Run(e *env) error {
	keys, err := readKeys(cmd.KeysFile)
	if err != nil {
		return err
	}
	if cmd.Scopes != nil {
		if cmd.Scopes, err = scopesOf(cmd.Scopes); err != nil {
			return err
		}
	}
	change := cmd.change(keys)
	if len(change) == 0 {
		return fail(exitUsage, "say what to change of app %q: longlines app set --help lists it", cmd.Name)
	}
	a, err := ask(e, cmd.server, cmd.output, request{method: http.MethodPatch, path: appPath(cmd.Name), in: change}, e.app)
	if err == nil && cmd.Auth != nil && a.Auth == "secret" {
		fmt.Fprintf(e.err, "an app that had no secret gets one by: longlines app rotate %q\n", a.Name)
	}
	return err
}

// change is what was named, and nothing else: what is not sent cannot undo what another operator does meanwhile.
func (cmd *appSetCmd) change(keys json.RawMessage) map[string]any {
	c := map[string]any{}
	for name, v := range map[string]*string{"name": cmd.As, "auth": cmd.Auth, "owner": cmd.Owner, "redirect_uri": cmd.RedirectURI,
		"message_listener": cmd.MessageListener, "status_listener": cmd.StatusListener, "notification_url": cmd.NotificationURL} {
		if v != nil {
			c[name] = *v
		}
	}
	for name, v := range map[string]*bool{"on_network": cmd.OnNetwork, "dpop": cmd.DPoP, "introspect": cmd.Introspect} {
		if v != nil {
			c[name] = *v
		}
	}
	for name, v := range map[string][]string{"scopes": cmd.Scopes, "short_codes": cmd.ShortCode} {
		if v != nil {
			c[name] = slices.DeleteFunc(v, func(s string) bool { return s == "" })
		}
	}
	if cmd.WaitForVerdict != nil {
		c["wait_for_verdict"] = cmd.WaitForVerdict.String()
	}
	if keys != nil {
		c["keys"] = keys
	}
	return c
}

// promotion is what a production app does not take over, as the admin API takes it.
type promotion struct {
	Name       string          `json:"name,omitempty"`
	ShortCodes []string        `json:"short_codes,omitempty"`
	Keys       json.RawMessage `json:"keys,omitempty"`
}

type appPromoteCmd struct {
	server
	output
	Name      string   `arg:"" help:"The sandbox app's name; it stays as it is."`
	As        string   `help:"The production app's name; default: the sandbox app's and \" live\"." placeholder:"NAME2"`
	ShortCode []string `help:"A short code of the production app; the first is its sender." placeholder:"CODE"`
	KeysFile  string   `help:"The production app's own public keys, if it proves itself by private_key_jwt." placeholder:"FILE"`
}

func (cmd *appPromoteCmd) Run(e *env) error {
	keys, err := readKeys(cmd.KeysFile)
	if err != nil {
		return err
	}
	in := promotion{Name: cmd.As, ShortCodes: cmd.ShortCode, Keys: keys}
	_, err = ask(e, cmd.server, cmd.output, request{method: http.MethodPost, path: appPath(cmd.Name) + "/promote", in: in},
		func(a appView) {
			e.app(a)
			if len(a.ShortCodes) == 0 {
				fmt.Fprintf(e.err, "it has no short code yet: longlines app set %q --short-code CODE\n", a.Name)
			}
		})
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
