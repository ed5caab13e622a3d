package main

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"longlines/api/adminv1"
	"longlines/app"
)

type appImportCmd struct {
	server
	output
	File   string `arg:"" help:"The file; - reads standard input."`
	Format string `help:"csv or json; default: as it looks." enum:"csv,json," default:"" placeholder:"FORMAT"`
	Level  string `help:"The level of apps whose line names none." enum:"sandbox,production" default:"sandbox"`
	DryRun bool   `help:"Only say what would happen."`
}

// Help is what the usage tells beside the flags.
func (*appImportCmd) Help() string {
	return `A CSV begins with a head: name,key,secret and, in any order, any of
redirect_uri,scopes,short_codes,message_listener,status_listener,notification_url,level,owner.
Scopes and short codes are separated by blanks, or in a quoted cell by commas:

	name,key,secret,scopes,short_codes
	Pizza,0123456789abcdef,fedcba9876543210,SMS IMMN,74001 74002

JSON is a list of apps, or an object whose member apps is one. Its members are the columns of the CSV;
scopes and short_codes may be lists:

	[{"name":"Pizza","key":"0123456789abcdef","secret":"fedcba9876543210","scopes":["SMS","IMMN"]}]

It is safe to repeat: what is there already stays as it is.`
}

// imported is what became of one app.
type imported struct {
	Line int `json:"line"`
	adminv1.ImportResult
}

// quiet is how long a command may work without saying how far it is.
const quiet = 2 * time.Second

func (cmd *appImportCmd) Run(e *env) error {
	doc, err := readFile(cmd.File, app.MaxImport)
	if err != nil {
		return fail(exitUsage, "%w", err)
	}
	read := app.ReadCSV
	if cmd.Format == "json" || cmd.Format == "" && looksLikeJSON(doc) {
		read = app.ReadJSON
	}
	list, wrong := read(doc, app.Level(cmd.Level))
	for _, w := range wrong {
		fmt.Fprintf(e.err, "%s:%d: %s\n", cmd.File, w.Line, oneLine(w.Err.Error()))
	}
	if len(wrong) > 0 {
		return fail(exitFailed, "%s is not in order; nothing was changed", cmd.File)
	}
	c, err := cmd.connect(e)
	if err != nil {
		return err
	}
	all, err := cmd.take(c, list)
	if err != nil {
		if len(all) > 0 {
			fmt.Fprintf(e.err, "%d of %d apps were looked at before this; it is safe to begin again\n", len(all), len(list))
		}
		return err
	}
	return cmd.print(e, all)
}

// looksLikeJSON tells a document from a CSV, whose head cannot begin so.
func looksLikeJSON(doc []byte) bool {
	doc = bytes.TrimSpace(bytes.TrimPrefix(doc, []byte("\xef\xbb\xbf")))
	return len(doc) > 0 && (doc[0] == '[' || doc[0] == '{')
}

// take sends the apps in batches. Each app costs a slow hash, so many take a while, and it says how far
// it is.
func (cmd *appImportCmd) take(c *client, list []app.Import) (all []imported, err error) {
	said := time.Now()
	for first := 0; first < len(list); first += adminv1.MaxImportBatch {
		batch := list[first:min(first+adminv1.MaxImportBatch, len(list))]
		in := struct {
			Apps   []appView `json:"apps"`
			DryRun bool      `json:"dry_run,omitempty"`
		}{DryRun: cmd.DryRun}
		for _, i := range batch {
			v := appView{Name: i.App.Name, Key: i.App.Key, Secret: i.Secret, Owner: i.App.Owner, Level: string(i.App.Level), RedirectURI: i.App.RedirectURI,
				MessageListener: i.App.MessageListener, StatusListener: i.App.StatusListener, NotificationURL: i.App.NotificationURL}
			for _, s := range i.App.Scopes {
				v.Scopes = append(v.Scopes, string(s))
			}
			for _, code := range i.App.ShortCodes {
				v.ShortCodes = append(v.ShortCodes, string(code))
			}
			in.Apps = append(in.Apps, v)
		}
		var out struct {
			Results []adminv1.ImportResult `json:"results"`
		}
		if err := c.do(request{method: http.MethodPost, path: "/admin/v1/apps/import", in: in}, &out); err != nil {
			return all, err
		}
		if len(out.Results) != len(batch) {
			return all, fail(exitFailed, "%s answered for %d of %d apps", c.admin, len(out.Results), len(batch))
		}
		for i, r := range out.Results {
			all = append(all, imported{batch[i].Line, r})
		}
		if now := time.Now(); now.Sub(said) >= quiet && len(all) < len(list) {
			said = now
			fmt.Fprintf(c.e.err, "%d of %d apps\n", len(all), len(list))
		}
	}
	return all, nil
}

// print shows what became of all, and fails if anything was refused.
func (cmd *appImportCmd) print(e *env, all []imported) error {
	count := map[string]int{}
	rows := make([][]string, 0, len(all))
	for _, r := range all {
		count[r.Outcome]++
		rows = append(rows, []string{fmt.Sprint(r.Line), r.Name, r.Key, r.Outcome, r.Reason})
	}
	created, unchanged, refused := count[string(app.Created)], count[string(app.Unchanged)], count[string(app.Refused)]
	if cmd.JSON() {
		if all == nil {
			all = []imported{}
		}
		if err := e.printJSON(map[string]any{"dry_run": cmd.DryRun, "created": created, "unchanged": unchanged, "refused": refused, "apps": all}); err != nil {
			return err
		}
	} else {
		e.table("LINE NAME KEY RESULT WHY", rows...)
		would := ""
		if cmd.DryRun {
			would = "nothing was changed; it would be: "
		}
		fmt.Fprintf(e.err, "%screated %d, unchanged %d, refused %d\n", would, created, unchanged, refused)
	}
	if refused > 0 {
		return fail(exitConflict, "%d of %d apps were refused; nothing of them was changed", refused, len(all))
	}
	return nil
}
