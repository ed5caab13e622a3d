// Package fault is the published error table as Go values.
//
// An app that calls the platform and fails is told three things: an HTTP
// status, a code such as POL0001 or SVC0002 (OAuth paths: an error name such
// as invalid_client), and the variables that belong to the text of that code.
// POL codes say that a policy refused the request: no token, no consent, no
// quota left. SVC codes say that a service could not carry it out: a parameter
// is wrong, the network refused, something of ours is broken.
//
// One code can have several meanings. POL0001 alone has five, with three
// different statuses. A meaning is a case, and every case has an anchor that
// is unique within its code: POL0001#quota-day. The pair of code and case is
// the identity of a fault, and the address of its explanation:
// /errors/POL0001#quota-day.
//
// # Ordinary use
//
// Where a rule is broken, the named value is raised, with its variables if it
// has any:
//
//	return fault.MissingParameter.With("Message")
//	return fault.Internal.Because(err)
//	return fault.TooManyRequests.After(20 * time.Second)
//
// It travels upward as an ordinary error, unchanged, and is rendered once, by
// the gateway, in the dialect and format of the caller (package wire). An
// error that is no Fault becomes the general service error by [From]: its text
// goes to the log and never to the caller.
//
// # The table
//
// table.go holds every row of docs/reference/errors.md §2 to §5: the wire
// facts (code, case, status, text, variables) and what a person needs to know
// about them (condition, causes, remedy, methods). The error pages, the
// download, the command `longlines explain` and the test that provokes every
// row all read this one table. Five codes have no meaning of their own in the
// published table; they stand in it with that explanation and are never raised.
//
// The forms an error takes on the wire (JSON, XML, OAuth, problem document)
// are not here but in package wire.
package fault

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Fault is an error that knows its wire form. The package-level values are
// the rows of the table and are never changed; With, Because, After, Describe
// and ForRequest return fresh copies.
type Fault struct {
	// Code is the published code, POL0001 or SVC0002, or the OAuth error
	// name, invalid_client.
	Code string
	// Case tells the meanings of one code apart; it is the anchor on the
	// page of the code. Lower case, words joined by dashes.
	Case string
	// Status is the HTTP status, 302 for OAuth errors that go into the
	// redirect. 0 in the rows that are never raised.
	Status int
	// Text is the published text with its placeholders %1 and %2 kept, as
	// they are on the wire (docs/reference/errors.md §1.1).
	Text string
	// Variables are the values of the placeholders, in order. On the wire
	// they are one string, joined by commas.
	Variables []string
	// Description is the error_description of the OAuth envelope.
	Description string
	// RetryAfter is how long the caller should wait, sent as the header
	// Retry-After in whole seconds. 0: no advice.
	RetryAfter time.Duration
	// Instance is the id of the request that failed, set by ForRequest.
	Instance string

	cause error
}

// Error is the short form for logs: code, case, variables, cause.
func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.Code)
	b.WriteByte('#')
	b.WriteString(f.Case)
	if v := f.Value(); v != "" {
		b.WriteString(" (")
		b.WriteString(v)
		b.WriteByte(')')
	} else if f.Description != "" {
		b.WriteString(" (")
		b.WriteString(f.Description)
		b.WriteByte(')')
	}
	if f.cause != nil {
		b.WriteString(": ")
		b.WriteString(f.cause.Error())
	}
	return b.String()
}

// Unwrap is the cause given to Because, or nil.
func (f *Fault) Unwrap() error { return f.cause }

// Is reports whether target is a fault of the same code and case, whatever
// the variables, so that errors.Is(err, fault.OptedOut) holds for every copy.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault)
	return ok && t.Code == f.Code && t.Case == f.Case
}

// With is a copy whose Variables are vars.
func (f *Fault) With(vars ...string) *Fault {
	c := *f
	c.Variables = vars
	return &c
}

// Because is a copy whose cause is err. The cause is for the log; it is never
// shown to the caller.
func (f *Fault) Because(err error) *Fault {
	c := *f
	c.cause = err
	return &c
}

// After is a copy that advises the caller to wait d before the next try.
func (f *Fault) After(d time.Duration) *Fault {
	c := *f
	c.RetryAfter = d
	return &c
}

// Describe is a copy with another error_description, for the OAuth rows that
// cover more than one condition.
func (f *Fault) Describe(text string) *Fault {
	c := *f
	c.Description = text
	return &c
}

// ForRequest is a copy that names the request it answers. One published text,
// that of an unknown mailbox message, has the request id in it; the problem
// document has it as its instance.
func (f *Fault) ForRequest(id string) *Fault {
	c := *f
	c.Instance = id
	c.Text = strings.ReplaceAll(c.Text, requestID, id)
	return &c
}

// Policy reports whether the fault is wrapped as a PolicyException; every
// other code is a ServiceException (docs/reference/errors.md §1.1).
func (f *Fault) Policy() bool { return strings.HasPrefix(f.Code, "POL") }

// OAuth reports whether the fault is one of the OAuth conditions, which have
// an error name in place of a code.
func (f *Fault) OAuth() bool {
	return f.Code != "" && !strings.HasPrefix(f.Code, "POL") && !strings.HasPrefix(f.Code, "SVC")
}

// Value is the wire form of Variables: one string, joined by commas, empty
// when there are none.
func (f *Fault) Value() string {
	if len(f.Variables) == 1 {
		return f.Variables[0]
	}
	return strings.Join(f.Variables, ",")
}

// Detail is the text with its placeholders filled in, for people: pages,
// problem documents, the command line. Values beyond the first fill %2
// together, as SVC0003 wants it.
func (f *Fault) Detail() string {
	t := f.Text
	if t == "" {
		return f.Description
	}
	if len(f.Variables) > 0 {
		rest := ""
		if len(f.Variables) > 1 {
			rest = strings.Join(f.Variables[1:], ", ")
		}
		// One pass, so that a value which itself reads %2 stays as it is.
		t = strings.NewReplacer("%1", f.Variables[0], "%2", rest).Replace(t)
	}
	return t
}

// Path is where the fault is explained, relative to the host of the API:
// /errors/POL0001#quota-day. Every error reply carries it in
// Link: <…>; rel="describedby".
func (f *Fault) Path() string { return "/errors/" + f.Code + "#" + f.Case }

// From finds the Fault in an error, or makes one: an error that carries no
// Fault becomes Internal with the error as its cause. From(nil) is nil.
func From(err error) *Fault {
	if err == nil {
		return nil
	}
	var f *Fault
	if errors.As(err, &f) && f != nil {
		return f
	}
	return Internal.Because(err)
}

// OnOAuth is the form a fault takes on the OAuth paths, where the envelope
// has error names and no codes: invalid_request for 4xx,
// temporarily_unavailable for 503, server_error for other 5xx
// (docs/reference/errors.md §3.1). OAuth conditions are returned as they are.
// Status, advice, request and cause are kept.
func OnOAuth(f *Fault) *Fault {
	if f == nil || f.OAuth() {
		return f
	}
	var row *Fault
	switch {
	case f.Status == 502:
		row = OAuthNoAnswer
	case f.Status == 503:
		row = OAuthUnavailable
	case f.Status >= 500:
		row = OAuthInternal
	default:
		row = OAuthRequest
	}
	c := *row
	c.Status, c.RetryAfter, c.Instance, c.cause = f.Status, f.RetryAfter, f.Instance, f
	if row == OAuthRequest {
		c.Description = f.short()
	}
	return &c
}

// short is what went wrong without the words every text of the code begins
// with.
func (f *Fault) short() string {
	if f.Text == textPolicy || f.Text == textService {
		return f.Value()
	}
	return f.Detail()
}

// All is every row of the table, in the order of docs/reference/errors.md:
// POL codes, SVC codes, HTTP answers, OAuth conditions.
func All() []Row { return slices.Clone(table) }

// ByCode is every case of one code, in the order of the table; none if the
// code is unknown. The code is matched as published, in any case of letters.
func ByCode(code string) []Row {
	var rows []Row
	for _, r := range table {
		if strings.EqualFold(r.Code, code) {
			rows = append(rows, r)
		}
	}
	return rows
}

// Lookup is the row of a code and case.
func Lookup(code, anchor string) (Row, bool) {
	for _, r := range table {
		if r.Case == anchor && r.Code == code {
			return r, true
		}
	}
	return Row{}, false
}

// Codes is every code of the table once, in its order.
func Codes() []string {
	var codes []string
	for _, r := range table {
		if !slices.Contains(codes, r.Code) {
			codes = append(codes, r.Code)
		}
	}
	return codes
}

// Row is one row of the table: the fault as it is raised, and what a person
// needs to know about it.
type Row struct {
	// Fault is the value that is raised, with the default variables.
	*Fault
	// Title names the case in a few words.
	Title string
	// Kind says which part of the table the row belongs to.
	Kind Kind
	// Blame says where the remedy lies.
	Blame Blame
	// Shape describes what Variables hold, empty when they hold nothing or
	// always the same words.
	Shape string
	// Condition is when the platform answers so, as a sentence.
	Condition string
	// Causes are what usually lies behind it, most frequent first.
	Causes []string
	// Remedy is what to do, in one line.
	Remedy string
	// Steps are the remedy in detail, in order; may be empty.
	Steps []string
	// APIs are the APIs that can answer so; AllAPIs for all.
	APIs []string
	// Methods are the published methods that list the code.
	Methods []string
	// Seed are the names of the row in the published table where they
	// differ from the code: bodygrant a.
	Seed []string
	// Source says what the row rests on, with the tags of
	// docs/reference/errors.md §0.
	Source string
	// Raised is false for the rows that are explained and never answered.
	Raised bool
	// Magic is what provokes the case in the sandbox: two digits mean a
	// recipient number +1 … 555 01NN that ends in them, anything else is a
	// street (docs/reference/conventions.md §3.11). Empty: none.
	Magic string
	// Provoke says in words how to provoke the case where a magic number
	// alone does not.
	Provoke string
	// DueIn is the part of the platform that raises the case first.
	DueIn Due
	// Modern is the status on modern and admin paths where it differs from
	// Status: 429 for the quotas. 0: the same.
	Modern int
}

// Related are the codes whose pages are worth a look beside this one.
func (r Row) Related() []string { return related[r.Code] }

// Kind is a part of the table.
type Kind string

// The parts of the table.
const (
	KindPolicy  Kind = "policy"  // POL codes, docs/reference/errors.md §2
	KindService Kind = "service" // SVC codes, §3
	KindHTTP    Kind = "http"    // answers that come from HTTP or the gateway, §3.1
	KindOAuth   Kind = "oauth"   // OAuth conditions, §5
)

// Blame says where the remedy lies, the filter of the error pages.
type Blame string

// Where a remedy can lie.
const (
	YourCode    Blame = "your code"    // the request must change
	YourAccount Blame = "your account" // settings, scopes, quota or consent must change
	Temporary   Blame = "temporary"    // the same request may succeed later
	Permanent   Blame = "permanent"    // the same request will never succeed
	Operator    Blame = "operator"     // only the operator of the platform can help
)

// Due names the part of the platform that raises a row, so that a
// completeness test can tell what is due elsewhere.
type Due string

// The parts that raise rows.
const (
	DueGateway        Due = "gateway"
	DueOAuthToken     Due = "oauth-token"
	DueOAuthRevoke    Due = "oauth-revoke"
	DueOAuthAuthorize Due = "oauth-authorize"
	DueSMSv3          Due = "smsv3"
	DueSMSv2          Due = "smsv2"
	DueMMS            Due = "mms"
	DueInApp          Due = "inapp"
	DueWebhooks       Due = "webhooks"
	DueRTC            Due = "rtc"
	DueE911           Due = "e911"
	DueNever          Due = "never" // the rows that are not raised
)

// The names of the APIs as they are shown to people.
const (
	APIOAuth    = "OAuth"
	APISMS      = "SMS"
	APIMMS      = "MMS"
	APIInApp    = "In-App Messaging"
	APIWebhooks = "Webhooks"
	APIRTC      = "WebRTC"
	APIE911     = "E911"
)

// AllAPIs are the APIs in the order they are shown.
func AllAPIs() []string {
	return []string{APIOAuth, APISMS, APIMMS, APIInApp, APIWebhooks, APIRTC, APIE911}
}
