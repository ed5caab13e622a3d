package main

import (
	"fmt"
	"net/http"
	"time"

	"longlines/api/adminv1"
)

type auditCmd struct {
	List   auditListCmd   `cmd:"" help:"List who changed what, newest first."`
	Verify auditVerifyCmd `cmd:"" help:"Check that no entry was altered or taken out."`
}

type auditListCmd struct {
	server
	output
	page
	Object string `help:"Only what was done to this, as listed: \"app pizza\", \"subscriber +14255550100\"." placeholder:"OBJECT"`
}

func (cmd *auditListCmd) Run(e *env) error {
	q := cmd.query()
	if cmd.Object != "" {
		q.Set("object", cmd.Object)
	}
	type list struct {
		Entries []adminv1.AuditEntry `json:"entries"`
		Next    string               `json:"next"`
	}
	_, err := ask(e, cmd.server, cmd.output, request{method: http.MethodGet, path: "/admin/v1/audit", query: q}, func(l list) {
		var rows [][]string
		cut := false
		for _, a := range l.Entries {
			detail := []rune(oneLine(string(a.Detail)))
			if len(detail) > shownDetail {
				detail, cut = append(detail[:shownDetail], '…'), true
			}
			rows = append(rows, []string{fmt.Sprint(a.Seq), a.Time.UTC().Format(time.RFC3339), a.Actor, a.Action, a.Object, string(detail)})
		}
		e.table("SEQ TIME ACTOR ACTION OBJECT DETAIL", rows...)
		if cut {
			fmt.Fprintf(e.err, "details are cut after %d characters (…): -o json shows all of them\n", shownDetail)
		}
		e.more(l.Next)
	})
	return err
}

// shownDetail is how much of a detail people are shown; as JSON it is whole.
const shownDetail = 120

type auditVerifyCmd struct {
	server
	output
}

func (cmd *auditVerifyCmd) Run(e *env) error {
	type verdict struct {
		OK      bool                `json:"ok"`
		Entries int64               `json:"entries"`
		Bad     *adminv1.AuditEntry `json:"bad"`
	}
	v, err := ask(e, cmd.server, cmd.output, request{method: http.MethodGet, path: "/admin/v1/audit/verify"}, func(v verdict) {
		if v.OK {
			fmt.Fprintf(e.out, "all %d entries fit\n", v.Entries)
		}
	})
	if err != nil || v.OK {
		return err
	}
	if v.Bad == nil || v.Bad.Action == "" {
		seq := v.Entries + 1
		if v.Bad != nil {
			seq = v.Bad.Seq
		}
		return fail(exitFailed, "entry %d is missing: the audit log was cut off after %d", seq, v.Entries)
	}
	return fail(exitFailed, "entry %d (%s, %s) does not fit what stands before it: it was altered, or what was before it taken out; the %d before it fit",
		v.Bad.Seq, v.Bad.Time.UTC().Format(time.RFC3339), oneLine(v.Bad.Action), v.Entries)
}
