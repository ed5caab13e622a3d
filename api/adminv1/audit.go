package adminv1

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"longlines/audit"
)

// actor is who acts here: whoever holds the admin token (docs/reference/reliability.md T22).
const actor = "admin"

// maxAuditDetail bounds what an entry keeps of a body, because entries are kept for good.
const maxAuditDetail = 16 << 10

// target is what the path and the query of a request name.
type target struct {
	path  string
	query map[string][]string
}

type targetKey struct{}

// withTarget keeps what a request names, for its audit entry.
func withTarget(c huma.Context, next func(huma.Context)) {
	u := c.URL()
	next(huma.WithValue(c, targetKey{}, target{u.Path, u.Query()}))
}

// audited is a context whose change carries the entry of an operation.
func audited(ctx context.Context, action string, in any) context.Context {
	to, _ := ctx.Value(targetKey{}).(target)
	e := audit.Entry{Actor: actor, Action: action, Object: to.path}
	if body := reflect.Indirect(reflect.ValueOf(in)).FieldByName("Body"); body.IsValid() && !(body.Kind() == reflect.Pointer && body.IsNil()) {
		e.Detail = auditDetail(body.Interface())
	} else if len(to.query) > 0 {
		e.Detail = auditDetail(to.query)
	}
	return audit.With(ctx, e)
}

// unaudited are the members of bodies that an entry does not keep: what opens something, and what a
// subscriber is told.
var unaudited = map[string]bool{"secret": true, "password": true, "keys": true, "text": true}

// auditDetail is the JSON of a body without what must not be kept. It errs on the side of saying less: a
// body that cannot be taken apart, or is too large, leaves its size only.
func auditDetail(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	var whole any
	if json.Unmarshal(b, &whole) == nil {
		if kept := audit.Detail(withoutSecrets(whole)); kept != "" && len(kept) <= maxAuditDetail {
			return kept
		}
	}
	return audit.Detail(map[string]int{"bytes": len(b)})
}

func withoutSecrets(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			switch {
			case member == nil, member == "": // not said
				delete(v, name)
			case unaudited[name]:
				v[name] = "[not shown]"
			default:
				v[name] = withoutSecrets(member)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutSecrets(v[i])
		}
	}
	return v
}

// revealed puts into the audit log that whole numbers were shown (docs/reference/conventions.md §6.4),
// before they are.
func (x *api) revealed(ctx context.Context, action string) error {
	return x.Store.Note(audited(ctx, action, &none{}))
}

// AuditEntry is one change, and who made it.
type AuditEntry struct {
	Seq     int64           `json:"seq" doc:"Entries are numbered without a gap."`
	Time    time.Time       `json:"time"`
	Actor   string          `json:"actor" doc:"admin, configuration, or a subscriber."`
	Action  string          `json:"action"`
	Object  string          `json:"object,omitempty" doc:"What it was done to."`
	Detail  json.RawMessage `json:"detail,omitempty" doc:"What was asked for, without secrets."`
	Request string          `json:"request,omitempty" doc:"The request of the API that did it."`
	Hash    string          `json:"hash" doc:"SHA-256 of the entry and of the hash before it."`
}

func auditView(e audit.Entry) AuditEntry {
	v := AuditEntry{Seq: e.Seq, Time: e.At.UTC(), Actor: e.Actor, Action: e.Action, Object: e.Object, Request: e.Request, Hash: hex.EncodeToString(e.Hash[:])}
	if json.Valid([]byte(e.Detail)) {
		v.Detail = json.RawMessage(e.Detail)
	}
	return v
}

type (
	auditQuery struct {
		Page
		Object string `query:"object" doc:"Only what was done to this, as listed."`
	}
	auditList struct {
		Body struct {
			Entries []AuditEntry `json:"entries" doc:"Newest first."`
			Next    string       `json:"next,omitempty" doc:"For before; absent on the last page."`
		}
	}
	auditVerdict struct {
		Body struct {
			OK      bool        `json:"ok"`
			Entries int64       `json:"entries" doc:"How many fit, from the first."`
			Bad     *AuditEntry `json:"bad,omitempty" doc:"The first that does not fit what stands before it."`
		}
	}
)

func (x *api) audit(h operations) {
	get(h, "/admin/v1/audit", "List who changed what", func(ctx context.Context, in *auditQuery) (*auditList, error) {
		before, err := rowOf(in.Before)
		if err != nil {
			return nil, err
		}
		entries, err := x.Store.Audit(ctx, audit.Filter{Before: int64(before), Limit: in.Limit, Object: in.Object})
		if err != nil {
			return nil, err
		}
		out := &auditList{}
		out.Body.Entries = []AuditEntry{}
		for _, e := range entries {
			out.Body.Entries = append(out.Body.Entries, auditView(e))
		}
		if n := len(entries); n == in.Limit {
			out.Body.Next = strconv.FormatInt(entries[n-1].Seq, 10)
		}
		return out, nil
	})
	get(h, "/admin/v1/audit/verify", "Check that no entry was altered or taken out", func(ctx context.Context, _ *none) (*auditVerdict, error) {
		n, bad, ok, err := x.Store.VerifyAudit(ctx)
		if err != nil {
			return nil, fmt.Errorf("verify the audit log: %w", err)
		}
		out := &auditVerdict{}
		if out.Body.OK, out.Body.Entries = ok, n; !ok {
			v := auditView(bad)
			out.Body.Bad = &v
		}
		return out, nil
	})
}
