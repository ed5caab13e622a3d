package main

import (
	"fmt"
	"net/http"
	"net/url"
)

type quotaCmd struct {
	Show quotaShowCmd `cmd:"" help:"Show what an app has used and may use."`
	Set  quotaSetCmd  `cmd:"" help:"Set what an app may call."`
}

// quotaView is one API's quota of an app as the admin API shows it.
type quotaView struct {
	App        string `json:"app"`
	API        string `json:"api"`
	PerMinute  int64  `json:"per_minute"`
	PerDay     int64  `json:"per_day"`
	UsedMinute int64  `json:"used_minute"`
	UsedDay    int64  `json:"used_day"`
}

const quotaHead = "APP API MINUTE DAY"

func (v quotaView) row() []string {
	return []string{v.App, v.API, fmt.Sprintf("%d/%d", v.UsedMinute, v.PerMinute), fmt.Sprintf("%d/%d", v.UsedDay, v.PerDay)}
}

type quotaShowCmd struct {
	server
	output
	App string `help:"The app; default: all." placeholder:"N"`
}

func (cmd *quotaShowCmd) Run(e *env) error {
	r := request{method: http.MethodGet, path: "/admin/v1/quotas"}
	if cmd.App != "" {
		r.query = url.Values{"app": {cmd.App}}
	}
	type list struct {
		Quotas []quotaView `json:"quotas"`
	}
	_, err := ask(e, cmd.server, cmd.output, r, func(l list) {
		var rows [][]string
		for _, v := range l.Quotas {
			rows = append(rows, v.row())
		}
		e.table(quotaHead, rows...)
	})
	return err
}

type quotaSetCmd struct {
	server
	output
	App       string `required:"" help:"The app." placeholder:"N"`
	API       string `name:"api" help:"The API." default:"SMS"`
	PerMinute *int64 `help:"Calls per clock minute; 0: the level's own figure; default: as it is." placeholder:"N"`
	PerDay    *int64 `help:"Calls per UTC day; 0: the level's own figure; default: as it is." placeholder:"N"`
}

func (cmd *quotaSetCmd) Run(e *env) error {
	if cmd.PerMinute == nil && cmd.PerDay == nil {
		return fail(exitUsage, "say what to set: --per-minute N, --per-day N or both")
	}
	in := map[string]int64{}
	if cmd.PerMinute != nil {
		in["per_minute"] = *cmd.PerMinute
	}
	if cmd.PerDay != nil {
		in["per_day"] = *cmd.PerDay
	}
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodPut, path: appPath(cmd.App) + "/quotas/" + url.PathEscape(cmd.API), in: in},
		func(v quotaView) { e.table(quotaHead, v.row()) })
	return err
}
