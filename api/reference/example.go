package reference

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"longlines/fault"
	"longlines/wire"
)

// example is a request that leads to a case, and the reply to it.
type example struct {
	Request string
	Reply   string // head and body as sent
	XML     string // the body for a caller that accepts XML; "" on OAuth paths
	Problem string // the body for a caller that accepts problem documents
}

// exampleRequest is the request id of the examples.
const exampleRequest = "req_01JD3V6KQ8F2M4X7Z9C5B0T1NA"

// exampleOf makes the example of a case; nil if the case is not raised.
func (r *Reference) exampleOf(row fault.Row) *example {
	f := row.Fault
	key := row.Code + "#" + row.Case
	if v, ok := exampleVariables[key]; ok {
		f = f.With(v...)
	}
	f = f.ForRequest(exampleRequest)
	switch key {
	case "POL0001#quota-minute":
		f = f.After(23 * time.Second)
	case "POL0001#quota-day":
		f = f.After(5 * time.Hour)
	}
	e := &example{Request: r.request(row)}
	if row.OAuth() {
		if f.Status == http.StatusFound {
			e.Reply = "HTTP/1.1 302 Found\nLocation: https://app.example/callback?error=" + f.Code + "&error_description=" + strings.ReplaceAll(f.Description, " ", "%20") + "\n"
			return e
		}
		e.Reply = r.reply(f, wire.DialectOAuth)
		return e
	}
	e.Reply = r.reply(f, wire.DialectRequestError)
	e.XML = string(wire.AppendFault(nil, wire.DialectRequestError, wire.XML, f))
	p := *f
	if row.Modern != 0 {
		p.Status = row.Modern
	}
	e.Problem = string(wire.AppendProblem(nil, r.base, &p))
	return e
}

// reply is a whole reply as it goes over the wire.
func (r *Reference) reply(f *fault.Fault, d wire.Dialect) string {
	var b strings.Builder
	b.WriteString("HTTP/1.1 " + strconv.Itoa(f.Status) + " " + http.StatusText(f.Status) + "\n")
	if f.Status == http.StatusMethodNotAllowed {
		b.WriteString("Allow: POST\n")
	}
	b.WriteString("Content-Type: " + d.ContentType(wire.JSON) + "\n")
	b.WriteString("Link: <" + r.base + f.Path() + ">; rel=\"describedby\"\n")
	if f.RetryAfter > 0 {
		b.WriteString("Retry-After: " + strconv.Itoa(int(f.RetryAfter/time.Second)) + "\n")
	}
	b.WriteString("X-Request-Id: " + exampleRequest + "\n\n")
	b.Write(wire.AppendFault(nil, d, wire.JSON, f))
	return b.String()
}

// exampleVariables are the variables of the rows that have them from the
// request.
var exampleVariables = map[string][]string{
	"POL0002#no-consent":          {"tel:+14255550113"},
	"POL1001#channel-exists":      {"channelId: 8d6e3f0a"},
	"POL1001#read-only":           {"serviceName"},
	"POL1009#not-provisioned":     {"In-App Messaging"},
	"POL1100#session-limit":       {"2"},
	"POL9002#subscription-exists": {"subscriptionId: 51f09c2e"},
	"SVC0001#dependency":          {"SMPP-0045 Submit failed"},
	"SVC0002#missing":             {"Message"},
	"SVC0002#malformed":           {"Message"},
	"SVC0002#unknown-id":          {"RequestIdentifier"},
	"SVC0002#unknown-resource":    {"channelId"},
	"SVC0003#not-listed":          {"events", "TEXT", "MMS"},
	"SVC0015#not-geocoded":        {"street"},
	"SVC8501#call-in-progress":    {"c7d93be6"},
	"SVC8511#e911-mandatory":      {"ICMN"},
}

// sketch is a request in short: its first line, the headers that matter beside
// the usual ones, and the body.
type sketch struct {
	line    string
	headers []string
	media   string // of the body; "" for JSON
	body    string
}

const (
	sendLine     = "POST /sms/v3/messaging/outbox"
	tokenLine    = "POST /oauth/v4/token"
	revokeLine   = "POST /oauth/v4/revoke"
	mailboxLine  = "GET /myMessages/v2/messages?limit=10"
	sessionLine  = "POST /RTC/v1/sessions"
	locationLine = "POST /emergencyServices/v1/e911Locations"
	formMedia    = "application/x-www-form-urlencoded"
	bearerHeader = "Authorization: Bearer <token>"
)

func smsTo(address string) string {
	return `{"outboundSMSRequest":{"address":` + address + `,"message":"Hi"}}`
}

func tokenForm(grant string) string {
	return "client_id=<App Key>&client_secret=<App Secret>" + grant
}

func e911Body(street string) string {
	return `{"e911Context":{"e911Address":{"houseNumber":"1","street":"` + street + `","city":"Fairview","state":"WA","zip":"98101"},"isAddressConfirmed":"false"}}`
}

// sketches are the requests that lead to a case, where the usual request of
// its API does not show it.
var sketches = map[string]sketch{
	"POL0001#authorization-missing":         {line: sendLine, headers: []string{}, body: smsTo(`"tel:+14255550100"`)},
	"POL0001#token-invalid":                 {line: sendLine, headers: []string{"Authorization: Bearer expired"}, body: smsTo(`"tel:+14255550100"`)},
	"POL0001#scope":                         {line: sendLine, headers: []string{"Authorization: Bearer <token with the scope MMS>"}, body: smsTo(`"tel:+14255550100"`)},
	"POL0002#no-consent":                    {line: sendLine, body: smsTo(`"tel:+14255550113"`)},
	"POL0003#too-many-addresses":            {line: sendLine, body: smsTo(`["tel:+14255550100", … 51 numbers]`)},
	"POL0013#duplicate-addresses":           {line: sendLine, body: smsTo(`["tel:+14255550100","tel:4255550100"]`)},
	"POL1001#channel-exists":                {line: "POST /notification/v1/channels", body: `{"channel":{"serviceName":"MIM"}}`},
	"POL1001#read-only":                     {line: "PUT /notification/v1/channels/8d6e3f0a/subscriptions/51f09c2e", body: `{"subscription":{"serviceName":"SMS"}}`},
	"POL1101#token-bound":                   {line: "PUT /RTC/v1/userIds/14255550100"},
	"POL1102#session-token":                 {line: "DELETE /RTC/v1/sessions/3b9f1c"},
	"POL9002#subscription-exists":           {line: "POST /notification/v1/channels/8d6e3f0a/subscriptions", body: `{"subscription":{"events":["TEXT"],"callbackData":"1"}}`},
	"POL9003#content-too-large":             {line: "GET /myMessages/v2/messages/T101/parts/0"},
	"SVC0001#smpp-0064":                     {line: sendLine, headers: []string{bearerHeader, "Prefer: wait=5"}, body: smsTo(`"tel:+14255550110"`)},
	"SVC0001#smpp-0066":                     {line: sendLine, headers: []string{bearerHeader, "Prefer: wait=5"}, body: smsTo(`"tel:+14255550111"`)},
	"SVC0001#smpp-000b":                     {line: sendLine, headers: []string{bearerHeader, "Prefer: wait=5"}, body: smsTo(`"tel:+14255550112"`)},
	"SVC0001#index-cache":                   {line: "GET /myMessages/v2/delta?state=1356"},
	"SVC0001#message-not-found":             {line: "GET /myMessages/v2/messages/T999"},
	"SVC0001#not-found":                     {line: "GET /sms/v3/nothing"},
	"SVC0001#method-not-allowed":            {line: "DELETE /sms/v3/messaging/outbox"},
	"SVC0001#head-too-large":                {line: "GET /sms/v3/messaging/inbox/48507", headers: []string{bearerHeader, "X-Arg: … more than 16 KiB"}},
	"SVC0002#missing":                       {line: sendLine, body: `{"outboundSMSRequest":{"address":"tel:+14255550100"}}`},
	"SVC0002#malformed":                     {line: sendLine, body: `{"outboundSMSRequest":{"address":"tel:+14255550100","message":["Hi"]}}`},
	"SVC0002#unknown-id":                    {line: "GET /sms/v3/messaging/outbox/SMS0"},
	"SVC0002#unknown-resource":              {line: "GET /notification/v1/channels/00000000"},
	"SVC0002#body-too-large":                {line: sendLine, body: `{"outboundSMSRequest":{"message":"… more than 64 KiB"}}`},
	"SVC0002#media-type":                    {line: sendLine, media: "text/plain", body: "address=tel:+14255550100 message=Hi"},
	"SVC0002#content-coding":                {line: sendLine, headers: []string{bearerHeader, "Content-Encoding: gzip"}, body: "… compressed"},
	"SVC0002#unparsable":                    {line: sendLine, body: `{"outboundSMSRequest":{"address":`},
	"SVC0002#idempotency-malformed":         {line: sendLine, headers: []string{bearerHeader, "Idempotency-Key: "}, body: smsTo(`"tel:+14255550100"`)},
	"SVC0002#idempotency-mismatch":          {line: sendLine, headers: []string{bearerHeader, "Idempotency-Key: 5f1c-used-before"}, body: smsTo(`"tel:+14255550101"`)},
	"SVC0002#idempotency-in-flight":         {line: sendLine, headers: []string{bearerHeader, "Idempotency-Key: 5f1c-still-running"}, body: smsTo(`"tel:+14255550100"`)},
	"SVC0003#not-listed":                    {line: "POST /notification/v1/channels/8d6e3f0a/subscriptions", body: `{"subscription":{"events":["VOICE"],"callbackData":"1"}}`},
	"SVC0003#accept":                        {line: "PUT /myMessages/v2/messages", headers: []string{bearerHeader, "Accept: image/png"}, body: `{"messages":[{"messageId":"T101","isUnread":false}]}`},
	"SVC0004#no-valid-address":              {line: sendLine, body: smsTo(`["tel:+14255550100","short:12345"]`)},
	"SVC0015#not-geocoded":                  {line: locationLine, body: e911Body("Nogeocode Way")},
	"SVC0016#confirmation-required":         {line: locationLine, body: e911Body("Nomsag Way")},
	"SVC0017#provider-unavailable":          {line: locationLine, body: e911Body("Provider Down Way")},
	"SVC0018#provider-error":                {line: locationLine, body: e911Body("Provider Error Way")},
	"SVC0283#receipt-not-possible":          {line: sendLine, body: `{"outboundSMSRequest":{"address":"tel:+14255550100","message":"Hi","notifyDeliveryStatus":true}}`},
	"SVC8501#call-in-progress":              {line: "PUT /RTC/v1/sessions/3b9f1c/calls/c7d93be6"},
	"SVC8501#conference-busy":               {line: "PUT /RTC/v1/sessions/3b9f1c/conferences/e0a2/participants/tel:+14255550101"},
	"SVC8510#e911-not-supported":            {line: sessionLine, headers: []string{bearerHeader, "x-e911Id: 4410"}},
	"invalid_client#unknown-client":         {line: tokenLine, body: "client_id=nobody&client_secret=…&grant_type=client_credentials&scope=SMS"},
	"invalid_client#wrong-secret":           {line: tokenLine, body: "client_id=<App Key>&client_secret=wrong&grant_type=client_credentials&scope=SMS"},
	"invalid_client#not-enabled":            {line: tokenLine, body: tokenForm("&grant_type=client_credentials&scope=<a scope not on the account>")},
	"invalid_request#code-missing":          {line: tokenLine, body: tokenForm("&grant_type=authorization_code")},
	"invalid_request#grant-type-missing":    {line: tokenLine, body: tokenForm("&scope=SMS")},
	"invalid_request#client-id-missing":     {line: tokenLine, body: "client_secret=<App Secret>&grant_type=client_credentials&scope=SMS"},
	"invalid_request#token-missing":         {line: revokeLine, body: tokenForm("&token_type_hint=access_token")},
	"invalid_request#refresh-token-missing": {line: tokenLine, body: tokenForm("&grant_type=refresh_token")},
	"invalid_request#redirect-scheme":       {line: "GET /oauth/v4/authorize?client_id=<App Key>&scope=IMMN&redirect_uri=ftp://app.example/"},
	"invalid_request#redirect-mismatch":     {line: "GET /oauth/v4/authorize?client_id=<App Key>&scope=IMMN&redirect_uri=https://other.example/"},
	"invalid_request#http":                  {line: tokenLine, media: "application/json", body: `{"grant_type":"client_credentials"}`},
	"unsupported_grant_type#grant-type":     {line: tokenLine, body: tokenForm("&grant_type=password")},
	"invalid_grant#grant":                   {line: tokenLine, body: tokenForm("&grant_type=refresh_token&refresh_token=used-before")},
	"invalid_scope#scope-missing":           {line: tokenLine, body: tokenForm("&grant_type=client_credentials")},
	"invalid_scope#scope-invalid":           {line: tokenLine, body: tokenForm("&grant_type=client_credentials&scope=SMS,NOTHING")},
	"unsupported_token_type#token-type":     {line: revokeLine, body: tokenForm("&token=<token>&token_type_hint=id_token")},
}

// usual are the requests of the parts of the platform, for the cases that any
// request can lead to.
var usual = map[fault.Due]sketch{
	fault.DueGateway:        {line: sendLine, body: smsTo(`"tel:+14255550100"`)},
	fault.DueSMSv3:          {line: sendLine, body: smsTo(`"tel:+14255550100"`)},
	fault.DueInApp:          {line: mailboxLine},
	fault.DueRTC:            {line: sessionLine},
	fault.DueE911:           {line: locationLine, body: e911Body("Main Street")},
	fault.DueWebhooks:       {line: "POST /notification/v1/channels", body: `{"channel":{"serviceName":"MIM"}}`},
	fault.DueOAuthToken:     {line: tokenLine, body: tokenForm("&grant_type=client_credentials&scope=SMS")},
	fault.DueOAuthRevoke:    {line: revokeLine, body: tokenForm("&token=<token>")},
	fault.DueOAuthAuthorize: {line: "GET /oauth/v4/authorize?client_id=<App Key>&scope=IMMN"},
}

// request is the request of a case, written out.
func (r *Reference) request(row fault.Row) string {
	s, ok := sketches[row.Code+"#"+row.Case]
	if !ok {
		s = usual[row.DueIn]
	}
	headers, media := s.headers, s.media
	if headers == nil && !row.OAuth() {
		headers = []string{bearerHeader}
	}
	if media == "" {
		media = "application/json"
		if row.OAuth() {
			media = formMedia
		}
	}
	host := r.base
	if _, after, ok := strings.Cut(host, "://"); ok {
		host = after
	}
	var b strings.Builder
	b.WriteString(s.line + " HTTP/1.1\nHost: " + host + "\n")
	for _, h := range headers {
		b.WriteString(h + "\n")
	}
	if s.body != "" {
		b.WriteString("Content-Type: " + media + "\n\n" + s.body)
	}
	return strings.TrimRight(b.String(), "\n")
}
