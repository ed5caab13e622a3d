package main

import (
	"fmt"
	"net/http"
	"net/url"

	"longlines/api/adminv1"
)

type quotaCmd struct {
	Show quotaShowCmd `cmd:"" help:"Show what an app has used and may use."`
	Set  quotaSetCmd  `cmd:"" help:"Set what an app may call."`
}

// quotas prints what apps have used of what they may call.
func (e *env) quotas(list ...adminv1.Quota) {
	var rows [][]string
	for _, v := range list {
		minute, day := share(v.UsedMinute, v.PerMinute), share(v.UsedDay, v.PerDay)
		if v.PerMinute == 0 && v.PerDay == 0 {
			minute, day = "not counted", "not counted"
		}
		rows = append(rows, []string{v.App, v.Level, v.API, minute, day})
	}
	e.table("APP LEVEL API MINUTE DAY", rows...)
	if len(list) > 0 {
		fmt.Fprintf(e.err, "the minute ends at %s, the day at %s\n", list[0].MinuteEnds.UTC().Format("15:04:05Z"), list[0].DayEnds.UTC().Format("2006-01-02T15:04Z"))
	}
}

// share shows how much of a limit is used.
func share(used, limit int64) string {
	percent := int64(100)
	if limit > 0 {
		percent = int64(float64(used) / float64(limit) * 100)
	}
	return fmt.Sprintf("%d/%d (%d%%)", used, limit, percent)
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
		Quotas []adminv1.Quota `json:"quotas"`
	}
	_, err := ask(e, cmd.server, cmd.output, r, func(l list) {
		e.quotas(l.Quotas...)
	})
	return err
}

type quotaSetCmd struct {
	server
	output
	App       string `required:"" help:"The app." placeholder:"N"`
	API       string `name:"api" help:"The API: SMS, or OAuth, whose calls are counted only for an app with figures of its own." default:"SMS"`
	PerMinute *int64 `help:"Calls per clock minute; 0: the level's own figure (of OAuth, with both 0: not counted); default: as it is." placeholder:"N"`
	PerDay    *int64 `help:"Calls per UTC day; 0: the level's own figure (of OAuth, with both 0: not counted); default: as it is." placeholder:"N"`
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
		func(v adminv1.Quota) { e.quotas(v) })
	return err
}
