package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// entry is a line of GET /admin/v1/audit.
type entry struct {
	Seq     int64           `json:"seq"`
	Time    time.Time       `json:"time"`
	Actor   string          `json:"actor"`
	Action  string          `json:"action"`
	Object  string          `json:"object"`
	Detail  json.RawMessage `json:"detail"`
	Request string          `json:"request"`
	Hash    string          `json:"hash"`
}

// maxDetail bounds what is shown of an entry's detail, in octets.
const maxDetail = 4 << 10

// What is the detail, indented; "" if there is none.
func (e entry) What() string {
	var b bytes.Buffer
	if len(e.Detail) == 0 || string(e.Detail) == "{}" || json.Indent(&b, e.Detail, "", "  ") != nil {
		return ""
	}
	if b.Len() > maxDetail {
		return strings.ToValidUTF8(b.String()[:maxDetail], "") + "\n… longlines audit list -o json shows all of it"
	}
	return b.String()
}

// ByAPI reports whether the action is a call of the admin API.
func (e entry) ByAPI() bool { return strings.Contains(e.Action, " /") }

// chain is how the chain of entries stands, as GET /admin/v1/audit/verify tells it.
type chain struct {
	OK      bool   `json:"ok"`
	Entries int64  `json:"entries"`
	Bad     *entry `json:"bad"`
}

// Count is how many entries fit, for people.
func (c chain) Count() string { return grouped(c.Entries) }

// Broken says where the chain does not fit.
func (c chain) Broken() string {
	switch {
	case c.Bad == nil:
		return "The chain does not fit."
	case c.Bad.Action == "":
		return fmt.Sprintf("Entry %d is missing: the log was cut off after %d.", c.Bad.Seq, c.Entries)
	}
	return fmt.Sprintf("Entry %d (%s, %s) does not fit what stands before it: it was altered, or what was before it taken out. The %d before it fit.",
		c.Bad.Seq, c.Bad.Time.UTC().Format(time.RFC3339), c.Bad.Action, c.Entries)
}

// alwaysVerified is how long a chain may be to be verified with every look at it; a longer one is
// verified when asked for.
const alwaysVerified = 1000

// auditPage is what audit.html shows.
type auditPage struct {
	frame
	list
	Entries []entry
	Chain   *chain // nil: not verified now
	Verify  string // where it is
}

// Of is where everything is that was done to an object.
func (p auditPage) Of(object string) string { return changesOf(object) }

// audit is the audit log.
func (x *console) audit(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	p := auditPage{frame: x.frame(r, r.URL.Path, "Audit"), list: list{Path: "/audit", Before: asked.Get("before"), Questions: []question{
		{Name: "object", Label: "Done to", Hint: "app pizza"},
		{Name: "actor", Label: "Done by", Hint: "subscriber +14255550100"},
	}}}
	var found struct {
		Entries []entry
		Next    string
	}
	status := p.ask(r, x.Admin, "/admin/v1/audit", asked, &found)
	p.Entries, p.Next = found.Entries, found.Next
	short := !p.Asked() && p.Before == "" && len(p.Entries) > 0 && p.Entries[0].Seq <= alwaysVerified
	if short || asked.Get("verify") != "" {
		var c chain
		if err := read(r, x.Admin, "/admin/v1/audit/verify", &c); err != nil {
			x.refused(w, r, err)
			return
		}
		p.Chain = &c
	}
	p.Verify = with(r, "verify", "now")
	x.render(w, status, "audit.html", p)
}
