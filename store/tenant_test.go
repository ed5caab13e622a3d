package store

import (
	"reflect"
	"testing"

	"longlines/app"
	"longlines/gateway"
	"longlines/number"
	"longlines/oauth"
	"longlines/sms"
)

// Why a method of the store may do without a tenant.
const (
	bySecret = "by secret: the caller compares what was sent with the row's hash"
	carried  = "writes rows that carry their app"
	everyone = "worker: jobs, centres and timers act for whoever's row it is"
	operator = "operator: only the admin API, the console and the command lead here"
	network  = "configuration of the platform, of no app"
	engine   = "the store itself: it opens no row of an app"
)

// tenantless are the methods that neither take a tenant nor a subscriber and the network.
var tenantless = map[string]string{
	"Token":   bySecret,
	"Code":    bySecret,
	"Pushed":  bySecret,
	"Session": bySecret,
	// Not the row's own hash here, but that of the code with which the caller has found it.
	"CodeLost": bySecret,
	// The key is 256 bits of which the store keeps no meaning.
	"Once": bySecret,

	"Accept":      carried,
	"Record":      carried,
	"IssueTokens": carried,
	"Approve":     carried,
	"Push":        carried,
	"PutSession":  "writes a row that carries its subscriber and network",
	"Lease":       "counts what is spent of a quota, whose key carries the app; it reads nothing else",
	"Used":        "reads what is spent of a quota, whose key carries the app; it reads nothing else",

	"Submit":       everyone,
	"Settle":       everyone,
	"Report":       everyone,
	"StoreOrphan":  everyone,
	"Receive":      everyone,
	"ConfirmMO":    everyone,
	"MT":           everyone,
	"Parts":        everyone,
	"Candidates":   everyone,
	"Orphans":      everyone,
	"Overdue":      everyone,
	"JoinStale":    everyone,
	"OptOuts":      everyone,
	"Attempted":    everyone,
	"ConsentsUsed": everyone,
	"Claim":        everyone,
	"ClaimExpired": everyone,
	"Due":          everyone,
	"Retry":        everyone,
	"Release":      everyone,
	"Prune":        everyone,

	"Apps":        operator,
	"PutApp":      operator,
	"SetOptOut":   operator,
	"OptOutsOf":   operator,
	"Consents":    operator,
	"MTs":         operator,
	"MOByID":      operator,
	"Attempts":    operator,
	"Request":     operator,
	"Requests":    operator,
	"Jobs":        operator,
	"Audit":       operator,
	"VerifyAudit": operator,
	"Note":        "writes the audit entry of its context, and reads nothing",

	"Links":      network,
	"PutLink":    network,
	"DeleteLink": network,
	"Rules":      network,
	"PutRule":    network,
	"DeleteRule": network,

	"Close":       engine,
	"NextMessage": engine,
	"NextRequest": engine,
	"NextToken":   engine,
	"Sealer":      engine,
	"Sizes":       engine,
	"Stats":       engine,
	"Watch":       engine,
	"Writable":    engine,
}

// TestNoCallWithoutATenant holds every method of the store to docs/reference/reliability.md T1: it takes
// the tenant, or the subscriber and the network, for whom it acts; or it is known why not.
func TestNoCallWithoutATenant(t *testing.T) {
	var (
		tenant = reflect.TypeFor[app.Tenant]()
		bare   = reflect.TypeFor[app.ID]()
		msisdn = reflect.TypeFor[number.MSISDN]()
		level  = reflect.TypeFor[app.Level]()
	)
	bound := 0
	methods := map[string]bool{}
	for m := range reflect.TypeFor[*Store]().Methods() {
		methods[m.Name] = true
		takes := map[reflect.Type]bool{}
		for in := range m.Type.Ins() {
			takes[in] = true
		}
		if takes[bare] {
			t.Errorf("%s takes an app's number, which any number can become: let it take an app.Tenant", m.Name)
		}
		held := takes[tenant] || takes[msisdn] && takes[level]
		_, excused := tenantless[m.Name]
		switch {
		case held && excused:
			t.Errorf("%s takes a tenant, or a subscriber and the network: take it out of the table", m.Name)
		case !held && !excused:
			t.Errorf("%s takes neither a tenant nor a subscriber and the network: let it, or say in the table why not", m.Name)
		case held:
			bound++
		}
	}
	for name := range tenantless {
		if !methods[name] {
			t.Errorf("the table excuses %s, which is no method of the store any more", name)
		}
	}
	// What requests of apps and subscribers have in hand must not lead to everybody's rows.
	for _, store := range []reflect.Type{reflect.TypeFor[sms.TenantStore](), reflect.TypeFor[gateway.Store](), reflect.TypeFor[oauth.Store]()} {
		for m := range store.Methods() {
			if tenantless[m.Name] == operator {
				t.Errorf("%s has %s, which is the operator's", store, m.Name)
			}
		}
	}
	for m := range reflect.TypeFor[sms.TenantStore]().Methods() {
		if tenantless[m.Name] == everyone {
			t.Errorf("sms.TenantStore has %s, which is a worker's", m.Name)
		}
	}
	if bound < 15 {
		t.Errorf("only %d methods are bound to whom they act for", bound)
	}
}
