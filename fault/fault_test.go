package fault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"longlines/fault"
)

// published is every code of docs/reference/errors.md §2 to §5.
var published = []string{
	"POL0001", "POL0002", "POL0003", "POL0013", "POL1001", "POL1002", "POL1009", "POL1100", "POL1101", "POL1102", "POL9002", "POL9003",
	"SVC0001", "SVC0002", "SVC0003", "SVC0004", "SVC0015", "SVC0016", "SVC0017", "SVC0018", "SVC0019", "SVC0020",
	"SVC0280", "SVC0283", "SVC1000", "SVC1002", "SVC8501", "SVC8510", "SVC8511", "SVC8512", "SVC8513", "SVC8514",
	"invalid_client", "invalid_request", "invalid_grant", "invalid_scope", "unsupported_grant_type", "unsupported_token_type",
	"access_denied", "server_error", "temporarily_unavailable",
	// The RFCs have these for what the published table does not know (RFC 6749, 9101, 9449).
	"unsupported_response_type", "unauthorized_client", "invalid_request_uri", "invalid_dpop_proof",
}

func TestTheTableHoldsEveryPublishedCodeAndNoOther(t *testing.T) {
	got := fault.Codes()
	for _, c := range published {
		if !slices.Contains(got, c) {
			t.Errorf("%s is missing", c)
		}
	}
	for _, c := range got {
		if !slices.Contains(published, c) {
			t.Errorf("%s is not published", c)
		}
	}
}

func TestTheTableHoldsEverySeedName(t *testing.T) {
	var got []string
	for _, r := range fault.All() {
		got = append(got, r.Seed...)
	}
	for _, name := range []string{
		"bodybadgateway", "bodyclient a", "bodyclient b", "bodyclient c", "bodycodemissing", "bodygrant a", "bodygrant b",
		"bodymissingclientid", "bodynotoken", "bodyrefreshtokenmissing", "bodyrequest a", "bodyrequest b", "bodyscope a", "bodyscope b",
		"bodytokentypeunsupported", "bodyunsupportedgrant a", "bodyunsupportedgrant b", "uriredirectaccessdenied", "uriscope",
	} {
		if !slices.Contains(got, name) {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestFiveCodesWithoutAMeaningAreNeverRaised(t *testing.T) {
	for _, code := range []string{"SVC0019", "SVC0020", "SVC8514", "SVC1002", "POL1002"} {
		for _, r := range fault.ByCode(code) {
			if r.Raised || r.DueIn != fault.DueNever || r.Status != 0 {
				t.Errorf("%s: raised %v, due in %s, status %d", code, r.Raised, r.DueIn, r.Status)
			}
		}
	}
}

func TestEveryRowIsComplete(t *testing.T) {
	anchor := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	seen := map[string]bool{}
	for _, r := range fault.All() {
		name := r.Code + "#" + r.Case
		if seen[name] {
			t.Errorf("%s stands twice", name)
		}
		seen[name] = true
		if !anchor.MatchString(r.Case) {
			t.Errorf("%s: not an anchor", name)
		}
		if r.Title == "" || r.Condition == "" || r.Remedy == "" || r.Source == "" || r.Blame == "" || r.Kind == "" || r.DueIn == "" {
			t.Errorf("%s: title, condition, remedy, source, blame, kind or due is empty", name)
		}
		if r.Raised != (r.DueIn != fault.DueNever) {
			t.Errorf("%s: raised %v but due in %s", name, r.Raised, r.DueIn)
		}
		if r.Raised && (r.Status < 300 || r.Status > 599 || len(r.APIs) == 0 || len(r.Methods) == 0) {
			t.Errorf("%s: status %d, APIs %v, methods %v", name, r.Status, r.APIs, r.Methods)
		}
		if r.OAuth() != (r.Kind == fault.KindOAuth) {
			t.Errorf("%s: kind %s", name, r.Kind)
		}
		if r.Raised && r.OAuth() == (r.Description == "") {
			t.Errorf("%s: description %q", name, r.Description)
		}
		if r.Raised && !r.OAuth() && r.Text == "" {
			t.Errorf("%s: no text", name)
		}
		if strings.Contains(r.Text, "%1") && len(r.Variables) == 0 && r.Shape == "" && r.Raised {
			t.Errorf("%s: a placeholder, but neither variables nor their shape", name)
		}
		for _, c := range r.Related() {
			if len(fault.ByCode(c)) == 0 {
				t.Errorf("%s: related code %s does not exist", name, c)
			}
		}
	}
}

func TestStatusesAndVariablesAreThePublishedOnes(t *testing.T) {
	for _, c := range []struct {
		f        *fault.Fault
		code     string
		status   int
		variable string
	}{
		{fault.MissingAuthorization, "POL0001", 400, "Authorization parameter is missing"},
		{fault.BadToken, "POL0001", 401, "Authorization parameter value is incorrect"},
		{fault.ScopeNotAllowed, "POL0001", 403, "The OAuth access token used in the request is not valid for the API"},
		{fault.TooManyRequests, "POL0001", 403, "Too many requests"},
		{fault.QuotaExceeded, "POL0001", 403, "Quota exceeded"},
		{fault.OptedOut.With("tel:+14255550113"), "POL0002", 403, "tel:+14255550113"},
		{fault.TooManyAddresses, "POL0003", 403, ""},
		{fault.DuplicateAddresses, "POL0013", 403, ""},
		{fault.ReceiptNotPossible, "SVC0283", 400, ""},
		{fault.SMPPTemporary, "SVC0001", 400, "SMPP-0064 Temporary Error"},
		{fault.SMPPInvalidDestination, "SVC0001", 400, "SMPP-0066 Invalid Destination Address"},
		{fault.SMPPNotProvisioned, "SVC0001", 400, "SMPP-000B Invalid Destination Address"},
		{fault.IndexMissing, "SVC0001", 409, "Index cache does not exist"},
		{fault.Internal, "SVC0001", 500, "Internal error"},
		{fault.Unavailable, "SVC0001", 503, "Temporarily unavailable"},
		{fault.NotAllowedValue.With("events", "TEXT", "MMS"), "SVC0003", 400, "events,TEXT,MMS"},
		{fault.NoValidAddress, "SVC0004", 400, "Address"},
		{fault.NotFound, "SVC0001", 404, "Resource not found"},
		{fault.MethodNotAllowed, "SVC0001", 405, "Method not allowed"},
		{fault.HeadTooLarge, "SVC0001", 431, "Request header fields too large"},
		{fault.BodyTooLarge, "SVC0002", 413, "Content-Length"},
		{fault.MediaType, "SVC0002", 415, "Content-Type"},
		{fault.ContentCoding, "SVC0002", 415, "Content-Encoding"},
		{fault.NotAcceptable, "SVC0003", 400, "Accept,application/json,application/xml"},
		{fault.Unparsable, "SVC0002", 400, "Message"},
		{fault.IdempotencyMalformed, "SVC0002", 400, "Idempotency-Key"},
		{fault.IdempotencyMismatch, "SVC0002", 422, "Idempotency-Key"},
		{fault.IdempotencyInFlight, "SVC0002", 409, "Idempotency-Key"},
		{fault.BadGateway, "SVC0001", 502, "Bad gateway"},
		{fault.CallInProgress.With("c1"), "SVC8501", 409, "c1"},
	} {
		if c.f.Code != c.code || c.f.Status != c.status || c.f.Value() != c.variable {
			t.Errorf("%s#%s: %d %q, want %s %d %q", c.f.Code, c.f.Case, c.f.Status, c.f.Value(), c.code, c.status, c.variable)
		}
	}
}

func TestCopiesLeaveTheTableAlone(t *testing.T) {
	before := *fault.OptedOut
	cause := errors.New("stop word")
	f := fault.OptedOut.With("tel:+14255550113").Because(cause).After(3 * time.Second).Describe("d").ForRequest("req_1")
	if fault.OptedOut.Value() != before.Value() || fault.OptedOut.RetryAfter != 0 || fault.OptedOut.Instance != "" || errors.Unwrap(fault.OptedOut) != nil {
		t.Fatal("the row has changed")
	}
	if !errors.Is(f, cause) || !errors.Is(f, fault.OptedOut) || errors.Is(f, fault.TooManyAddresses) {
		t.Error("errors.Is does not see cause and row")
	}
	if got, want := f.Error(), "POL0002#no-consent (tel:+14255550113): stop word"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if got, want := f.Path(), "/errors/POL0002#no-consent"; got != want {
		t.Errorf("Path() = %q, want %q", got, want)
	}
	if got, want := f.Detail(), "Privacy verification failed for address tel:+14255550113, request is refused"; got != want {
		t.Errorf("Detail() = %q, want %q", got, want)
	}
	if got, want := fault.MessageNotFound.ForRequest("req_7").Text, "A service error has occurred: Requested message is not found. (req_7)"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	if got, want := fault.NotAllowedValue.With("%2", "TEXT", "MMS").Detail(), "Invalid input value for message part %2, valid values are TEXT, MMS"; got != want {
		t.Errorf("Detail() = %q, want %q", got, want)
	}
}

func TestFromFindsTheFaultOrMakesAnInternalOne(t *testing.T) {
	if fault.From(nil) != nil {
		t.Error("From(nil) is not nil")
	}
	f := fault.MissingParameter.With("Message")
	if got := fault.From(fmt.Errorf("read request: %w", f)); got != f {
		t.Errorf("got %v", got)
	}
	got := fault.From(io.ErrUnexpectedEOF)
	if !errors.Is(got, fault.Internal) || !errors.Is(got, io.ErrUnexpectedEOF) || got.Value() != "Internal error" {
		t.Errorf("got %v", got)
	}
}

func TestOAuthPathsHaveErrorNamesInPlaceOfCodes(t *testing.T) {
	for _, c := range []struct {
		in                *fault.Fault
		code, anchor      string
		status            int
		description       string
		retryAfterSeconds int
	}{
		{fault.ClientSecretWrong, "invalid_client", "wrong-secret", 401, "client authentication failed", 0},
		{fault.MediaType, "invalid_request", "http", 415, "Invalid input value for message part Content-Type", 0},
		{fault.MethodNotAllowed, "invalid_request", "http", 405, "Method not allowed", 0},
		{fault.QuotaExceeded.After(time.Minute), "invalid_request", "http", 403, "Quota exceeded", 60},
		{fault.BadGateway, "server_error", "bad-gateway", 502, "no answer in time", 0},
		{fault.Unavailable.After(7 * time.Second), "temporarily_unavailable", "unavailable", 503, "temporarily unavailable", 7},
		{fault.From(io.EOF), "server_error", "internal", 500, "internal error", 0},
	} {
		got := fault.OnOAuth(c.in)
		if got.Code != c.code || got.Case != c.anchor || got.Status != c.status || got.Description != c.description || got.RetryAfter != time.Duration(c.retryAfterSeconds)*time.Second {
			t.Errorf("%v: %s#%s %d %q %v", c.in, got.Code, got.Case, got.Status, got.Description, got.RetryAfter)
		}
		if _, ok := fault.Lookup(got.Code, got.Case); !ok {
			t.Errorf("%v: %s is not in the table", c.in, got.Path())
		}
		if !errors.Is(got, c.in) {
			t.Errorf("%v: the original is lost", c.in)
		}
	}
}

func TestCodesAreFoundInAnyCaseOfLetters(t *testing.T) {
	if n := len(fault.ByCode("pol0001")); n != 6 {
		t.Errorf("POL0001 has %d rows", n)
	}
	if n := len(fault.ByCode("POL7777")); n != 0 {
		t.Errorf("POL7777 has %d rows", n)
	}
	r, ok := fault.Lookup("POL0001", "quota-day")
	if !ok || r.Fault != fault.QuotaExceeded || r.Modern != 429 {
		t.Errorf("got %v %v", r.Title, ok)
	}
}

func BenchmarkRaise(b *testing.B) {
	for b.Loop() {
		if fault.MissingParameter.With("Message").Status != 400 {
			b.Fatal()
		}
	}
}

func TestARowIsADocumentOfItsOwn(t *testing.T) {
	r, _ := fault.Lookup("SVC0001", "smpp-0064")
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"code": "SVC0001", "case": "smpp-0064", "path": "/errors/SVC0001#smpp-0064", "status": 400.0, "raised": true, "blame": "temporary",
		"variables": "SMPP-0064 Temporary Error",
		"try":       "Use a number that ends in 10, such as +14255550110. Send with the header Prefer: wait=5.",
	} {
		if doc[name] != want {
			t.Errorf("%s = %v, want %v", name, doc[name], want)
		}
	}
}
