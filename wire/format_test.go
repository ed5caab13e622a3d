package wire_test

import (
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"longlines/fault"
	"longlines/wire"
)

func TestNegotiate(t *testing.T) {
	for _, c := range []struct {
		name, accept string
		want         wire.Format
		ok           bool
	}{
		{"nothing said", "", wire.JSON, true},
		{"only blanks", " , ", wire.JSON, true},
		{"anything", "*/*", wire.JSON, true},
		{"JSON", "application/json", wire.JSON, true},
		{"XML", "application/xml", wire.XML, true},
		{"text/xml", "text/xml", wire.XML, true},
		{"XML with a charset", "application/xml; charset=utf-8", wire.XML, true},
		{"XML preferred by quality", "application/json;q=0.5, application/xml;q=0.9", wire.XML, true},
		{"the first of two equals", "application/xml, application/json", wire.XML, true},
		{"the first of two equals, JSON", "application/json, application/xml", wire.JSON, true},
		{"JSON forbidden, anything else", "application/json;q=0, */*", wire.XML, true},
		{"XML by name, anything with less", "application/xml, */*;q=0.1", wire.XML, true},
		{"application/*", "application/*", wire.JSON, true},
		{"text/*", "text/*", wire.XML, true},
		{"old Java", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", wire.JSON, true},
		{"capitals", "Application/XML", wire.XML, true},
		{"a picture", "image/png", wire.JSON, false},
		{"nothing with q 0", "*/*;q=0", wire.JSON, false},
		{"a quality nobody can read", "application/xml;q=high", wire.JSON, false},
	} {
		if f, ok := wire.Negotiate(c.accept); f != c.want || ok != c.ok {
			t.Errorf("%s: %v %v, want %v %v", c.name, f, ok, c.want, c.ok)
		}
	}
	for accept, want := range map[string]bool{
		"application/problem+json":                   true,
		"application/json, Application/Problem+JSON": true,
		"application/problem+json;q=0":               false,
		"*/*":                                        false,
		"application/json":                           false,
		"application/problem+xml, application/json":  false,
	} {
		if got := wire.WantsProblem(accept); got != want {
			t.Errorf("WantsProblem(%q) = %v", accept, got)
		}
	}
}

type reply struct {
	MessageID string `json:"messageId" xml:"messageId"`
	Reference struct {
		URL string `json:"resourceURL" xml:"resourceURL"`
	} `json:"resourceReference" xml:"resourceReference"`
}

func TestAnswersAreWrittenInBothFormats(t *testing.T) {
	var r reply
	r.MessageID, r.Reference.URL = "SMS1", "http://h/x?a=1&b=<é>"
	v := wire.Rooted{Name: "outboundSMSResponse", Value: r}
	j, err := wire.Append([]byte("x"), wire.JSON, v)
	if want := `x{"outboundSMSResponse":{"messageId":"SMS1","resourceReference":{"resourceURL":"http://h/x?a=1&b=<é>"}}}`; err != nil || string(j) != want {
		t.Errorf("got  %s, %v\nwant %s", j, err, want)
	}
	x, err := wire.Append(nil, wire.XML, v)
	if want := xml.Header + `<outboundSMSResponse><messageId>SMS1</messageId><resourceReference><resourceURL>http://h/x?a=1&amp;b=&lt;é&gt;</resourceURL></resourceReference></outboundSMSResponse>`; err != nil || string(x) != want {
		t.Errorf("got  %s, %v\nwant %s", x, err, want)
	}
	a, err := wire.AppendASCII([]byte("x"), map[string]string{"Message": "é😀\u2028<"})
	if want := `x{"Message":"\u00e9\ud83d\ude00\u2028<"}`; err != nil || string(a) != want {
		t.Errorf("got %s, %v", a, err)
	}
	if b, err := wire.Append([]byte("x"), wire.JSON, func() {}); err == nil || string(b) != "x" {
		t.Errorf("a value that cannot be written: %s, %v", b, err)
	}
	// What was written can be read, in both formats, as the same request.
	for f, body := range map[wire.Format][]byte{wire.JSON: j[1:], wire.XML: x} {
		doc, err := wire.Parse(f.ContentType(), body, wire.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := doc.Root("OutboundSmsResponse").Get("resourceReference").Str("resourceURL"); got != r.Reference.URL {
			t.Errorf("%v: read back %q", f, got)
		}
	}
}

func TestFaultEnvelopes(t *testing.T) {
	for _, c := range []struct {
		name    string
		dialect wire.Dialect
		format  wire.Format
		f       *fault.Fault
		want    string
	}{
		{"a policy in JSON keeps its placeholder", wire.DialectRequestError, wire.JSON, fault.QuotaExceeded, `{"RequestError":{"PolicyException":{"MessageId":"POL0001","Text":"A policy error occurred. Error code is %1","Variables":"Quota exceeded"}}}`},
		{"a service in JSON", wire.DialectRequestError, wire.JSON, fault.NoValidAddress, `{"RequestError":{"ServiceException":{"MessageId":"SVC0004","Text":"No valid addresses provided in the message part %1","Variables":"Address"}}}`},
		{"no variables are an empty text", wire.DialectRequestError, wire.JSON, fault.TooManyAddresses, `{"RequestError":{"PolicyException":{"MessageId":"POL0003","Text":"Too many addresses specified in Message part","Variables":""}}}`},
		{"several variables are one text", wire.DialectRequestError, wire.JSON, fault.NotAllowedValue.With("events", "TEXT", "MMS"), `{"RequestError":{"ServiceException":{"MessageId":"SVC0003","Text":"Invalid input value for message part %1, valid values are %2","Variables":"events,TEXT,MMS"}}}`},
		{"a service in XML", wire.DialectRequestError, wire.XML, fault.MissingParameter.With("Message"), `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<RequestError><ServiceException><MessageId>SVC0002</MessageId><Text>Invalid input value for message part %1</Text><Variables>Message</Variables></ServiceException></RequestError>`},
		{"a value is escaped in JSON", wire.DialectRequestError, wire.JSON, fault.OptedOut.With("\"<\\\n\x01\xff"), `{"RequestError":{"PolicyException":{"MessageId":"POL0002","Text":"Privacy verification failed for address %1, request is refused","Variables":"\"<\\\n\u0001` + "\ufffd" + `"}}}`},
		{"a value is escaped in XML", wire.DialectRequestError, wire.XML, fault.OptedOut.With("<&>\x01"), `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<RequestError><PolicyException><MessageId>POL0002</MessageId><Text>Privacy verification failed for address %1, request is refused</Text><Variables>&lt;&amp;&gt;` + "\ufffd" + `</Variables></PolicyException></RequestError>`},
		{"OAuth", wire.DialectOAuth, wire.JSON, fault.ClientSecretWrong, `{"error":"invalid_client","error_description":"client authentication failed"}`},
		{"OAuth is JSON whatever was asked for", wire.DialectOAuth, wire.XML, fault.TokenMissing, `{"error":"invalid_request","error_description":"token missing"}`},
		{"a gateway fault on an OAuth path", wire.DialectOAuth, wire.JSON, fault.BadGateway, `{"error":"server_error","error_description":"no answer in time"}`},
		{"a problem document", wire.DialectProblem, wire.JSON, fault.QuotaExceeded.ForRequest("req_1"), `{"type":"/errors/POL0001#quota-day","title":"Quota of the day used up","status":403,"detail":"A policy error occurred. Error code is Quota exceeded","instance":"req_1","code":"POL0001"}`},
		{"an OAuth condition on another path", wire.DialectRequestError, wire.JSON, fault.InvalidGrant, `{"RequestError":{"ServiceException":{"MessageId":"SVC0001","Text":"A service error has occurred. Error code is %1","Variables":"code or refresh token not valid"}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(wire.AppendFault(nil, c.dialect, c.format, c.f)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	if got := string(wire.AppendProblem(nil, "https://h", fault.NotFound)); !strings.HasPrefix(got, `{"type":"https://h/errors/SVC0001#not-found"`) {
		t.Errorf("got %s", got)
	}
}

func TestEveryRowIsWellFormedInEveryEnvelope(t *testing.T) {
	for _, r := range fault.All() {
		f := r.Fault.After(time.Second)
		for _, d := range []wire.Dialect{wire.DialectRequestError, wire.DialectOAuth, wire.DialectProblem} {
			if b := wire.AppendFault(nil, d, wire.JSON, f); !json.Valid(b) {
				t.Errorf("%s#%s: %s", r.Code, r.Case, b)
			}
		}
		var doc struct {
			XMLName xml.Name `xml:"RequestError"`
		}
		if b := wire.AppendFault(nil, wire.DialectRequestError, wire.XML, f); xml.Unmarshal(b, &doc) != nil {
			t.Errorf("%s#%s: %s", r.Code, r.Case, b)
		}
	}
}
