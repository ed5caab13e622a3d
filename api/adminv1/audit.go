package adminv1

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"longlines/app"
	"longlines/audit"
	"longlines/number"
	"longlines/route"
)

// actor is who acts here: whoever holds the admin token (docs/reference/reliability.md T22).
const actor = "admin"

// maxAuditDetail bounds what an entry keeps of a body, because entries are kept for good.
const maxAuditDetail = 16 << 10

// queryKey is under which a context holds the query of a request, for its audit entry.
type queryKey struct{}

func withQuery(c huma.Context, next func(huma.Context)) {
	u := c.URL()
	next(huma.WithValue(c, queryKey{}, u.Query()))
}

// audited is a context whose change carries the entry of an operation.
func (x *api) audited(ctx context.Context, action string, in any) context.Context {
	e := audit.Entry{Actor: actor, Action: action}
	var more map[string]string
	e.Object, more = x.object(in)
	said := map[string]any{}
	if body := reflect.Indirect(reflect.ValueOf(in)).FieldByName("Body"); body.IsValid() && !(body.Kind() == reflect.Pointer && body.IsNil()) {
		e.Detail = auditDetail(body.Interface(), more)
		return audit.With(ctx, e)
	}
	query, _ := ctx.Value(queryKey{}).(url.Values)
	for name, v := range query {
		said[name] = v
	}
	if len(said)+len(more) > 0 {
		e.Detail = auditDetail(said, more)
	}
	return audit.With(ctx, e)
}

// object is what an operation is done to, in the words of all entries, whoever made them ("app pizza",
// "link lab", "route +1", "subscriber +14255550100"), so that all that was done to a thing is found under
// one name. more is what its path names beside it.
func (x *api) object(in any) (name string, more map[string]string) {
	switch in := in.(type) {
	case *appBody:
		return "app " + app.CleanName(in.Body.Name), nil
	case *appName:
		return x.appObject(in.Name), nil
	case *namedBody:
		return x.appObject(in.Name), nil
	case *appChange:
		return x.appObject(in.Name), nil
	case *promoteIn:
		return x.appObject(in.Name), nil
	case *quotaSet:
		return x.appObject(in.Name), map[string]string{"api": in.API}
	case *sendIn:
		return x.appObject(in.Body.App), nil
	case *linkIn:
		return "link " + in.Body.Name, nil
	case *linkPut:
		return "link " + in.Name, nil
	case *linkName:
		return "link " + in.Name, nil
	case *ruleIn:
		return "route " + rulePrefixOf(in.Body.Prefix), nil
	case *rulePrefix:
		return "route " + rulePrefixOf(in.Prefix), nil
	case *subscriberPath:
		return subscriberObject(in.MSISDN), nil
	case *browserPath:
		return subscriberObject(in.MSISDN), map[string]string{"browser": in.ID}
	case *optOutQuery:
		return subscriberObject(in.MSISDN), nil
	case *consentQuery: // whole numbers are shown
		switch {
		case in.Subscriber != "":
			return subscriberObject(in.Subscriber), nil
		case in.App != "":
			return x.appObject(in.App), nil
		}
		return "consents", nil
	case *importIn: // that has made none; each that it makes has an entry of its own
		return "apps", nil
	}
	return "", nil // of a withdrawal, which says it itself
}

// appObject is an app that is there, or was, as it is spelled.
func (x *api) appObject(name string) string {
	if list := x.appsNamed(name); len(list) > 0 {
		name = list[0].Name
	}
	return "app " + name
}

func subscriberObject(typed string) string {
	if m, err := number.ParseMSISDN(typed); err == nil {
		typed = m.String()
	}
	return "subscriber " + typed
}

// entryName is an object or an actor as entries spell it: of a subscriber, whose number may be typed otherwise.
func entryName(typed string) string {
	if m, ok := strings.CutPrefix(typed, "subscriber "); ok {
		return subscriberObject(strings.TrimSpace(m))
	}
	return typed
}

func rulePrefixOf(typed string) string {
	if r, err := (route.Rule{Prefix: typed, Link: "any"}).Normal(); err == nil {
		typed = r.Prefix
	}
	return typed
}

// about does a change whose entry says more than the request did: what it was done to, and a detail. The
// entry of the operation is not written then. e is that one: who makes several changes takes it from ctx
// before the first, because it is not there any more when one has been made.
func about(ctx context.Context, e audit.Entry, object, detail string, change func(context.Context) error) error {
	e.Object, e.Detail = object, detail
	own := audit.With(ctx, e)
	err := change(own)
	if _, due := audit.From(own); !due {
		audit.Done(ctx)
	}
	return err
}

// unaudited are the members of bodies that an entry does not keep: what opens something, and what a
// subscriber is told.
var unaudited = map[string]bool{"secret": true, "password": true, "keys": true, "text": true}

// auditDetail is the JSON of a body, and of what its path names, without what must not be kept. It errs on the side of saying less: a
// body that cannot be taken apart, or is too large, leaves its size only.
func auditDetail(v any, more map[string]string) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	var whole any
	if json.Unmarshal(b, &whole) == nil {
		if members, ok := whole.(map[string]any); ok {
			for name, m := range more {
				members[name] = m
			}
		}
		_, change := v.(AppChange) // whose empty members take something away
		if kept := audit.Detail(withoutSecrets(whole, change)); kept != "" && len(kept) <= maxAuditDetail {
			return kept
		}
	}
	return audit.Detail(map[string]int{"bytes": len(b)})
}

// withoutSecrets takes out what an entry does not keep; with empty, what is empty stays, because it was said.
func withoutSecrets(v any, empty bool) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			switch {
			case !empty && (member == nil || member == ""): // not said
				delete(v, name)
			case unaudited[name]:
				v[name] = "[not shown]"
			default:
				v[name] = withoutSecrets(member, empty)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutSecrets(v[i], empty)
		}
	}
	return v
}

// revealed puts into the audit log that whole numbers were shown (docs/reference/conventions.md §3.9),
// before they are.
func (x *api) revealed(ctx context.Context, action string, in any) error {
	return x.Store.Note(x.audited(ctx, action, in))
}

// AuditEntry is one change, and who made it.
type AuditEntry struct {
	Seq     int64           `json:"seq" doc:"Entries are numbered without a gap."`
	Time    time.Time       `json:"time"`
	Actor   string          `json:"actor" doc:"admin, configuration, or subscriber +14255550100."`
	Action  string          `json:"action"`
	Object  string          `json:"object,omitempty" doc:"What it was done to: app pizza, link lab, route +1, subscriber +14255550100."`
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
		Object string `query:"object" doc:"Only what was done to this, as listed: app pizza, link lab, route +1, subscriber +14255550100."`
		Actor  string `query:"actor" doc:"Only what this one did, as listed: admin, configuration, subscriber +14255550100. What subscribers allow and take back is done to the app, by them; a bare + in a query must be written %2B."`
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
		entries, err := x.Store.Audit(ctx, audit.Filter{Before: int64(before), Limit: in.Limit, Object: entryName(in.Object), Actor: entryName(in.Actor)})
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
