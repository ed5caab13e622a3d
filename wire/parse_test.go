package wire_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"longlines/fault"
	"longlines/wire"
)

const formType = "application/x-www-form-urlencoded"

// send is what an SMS send must come out as, however it was written.
type send struct {
	address string // joined by blanks
	message string
	notify  bool
}

func TestSendRequestsOfThePublishedClientsAreRead(t *testing.T) {
	for _, c := range []struct {
		name, contentType, body string
		want                    send
	}{
		{"codekit-php, one address", "application/json", `{"outboundSMSRequest":{"address":"tel:+14255550100","message":"Hello & caf\u00e9","notifyDeliveryStatus":true}}`, send{"tel:+14255550100", "Hello & café", true}},
		{"codekit-php, two addresses", "application/json", `{"outboundSMSRequest":{"address":["tel:+14255550100","tel:+14255550101"],"message":"Hi","notifyDeliveryStatus":false}}`, send{"tel:+14255550100 tel:+14255550101", "Hi", false}},
		{"codekit-ruby", "application/json", `{"outboundSMSRequest":{"address":"tel:4255550100","message":"Hello & café","notifyDeliveryStatus":true}}`, send{"tel:4255550100", "Hello & café", true}},
		{"codekit-ruby, mixed addresses", "application/json", `{"outboundSMSRequest":{"address":["tel:4255550100","short:12345","a@b.com"],"message":"Hi","notifyDeliveryStatus":false}}`, send{"tel:4255550100 short:12345 a@b.com", "Hi", false}},
		{"codekit-java, ISO-8859-1", "application/json", "{\"outboundSMSRequest\":{\"message\":\"Hello & caf\xe9\",\"address\":\"tel:4255550100\",\"notifyDeliveryStatus\":true}}", send{"tel:4255550100", "Hello & café", true}},
		{"codekit-java, two addresses", "application/json", `{"outboundSMSRequest":{"message":"Hi","address":["tel:4255550100","tel:+14255550101"],"notifyDeliveryStatus":false}}`, send{"tel:4255550100 tel:+14255550101", "Hi", false}},
		{"codekit-csharp", "application/json", `{"outboundSMSRequest":{"address":"tel:+14255550100","message":"Hello & café"}}`, send{"tel:+14255550100", "Hello & café", false}},
		{"sample app in PHP", "application/json", `{"outboundSMSRequest":{"address":["tel:4255550100","tel:4255550101"],"message":"AT&T Sample Message","notifyDeliveryStatus":true}}`, send{"tel:4255550100 tel:4255550101", "AT&T Sample Message", true}},
		{"the form example", formType, `address=tel%3A%2B14255550100&address=tel%3A%2B14255550101&message=Hi`, send{"tel:+14255550100 tel:+14255550101", "Hi", false}},
		{"the XML example", "application/xml", `<outboundSMSRequest><address>tel:+14255550100</address><message>Hi</message></outboundSMSRequest>`, send{"tel:+14255550100", "Hi", false}},
		{"older XML with a comma list", "application/xml", `<SmsRequest><Address>tel:4255550100,tel:4255550101</Address><Message>Hi</Message></SmsRequest>`, send{"tel:4255550100 tel:4255550101", "Hi", false}},
		{"XML with declaration, BOM, comment, CDATA and blanks", "text/xml; charset=UTF-8", "\ufeff<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- hi -->\n<o:outboundSmsRequest xmlns:o=\"urn:x\">\n <address>tel:4255550100</address>\n <address>tel:4255550101</address>\n <message><![CDATA[a<b]]> &amp; c</message>\n <notifyDeliveryStatus>TRUE</notifyDeliveryStatus>\n</o:outboundSmsRequest>\n", send{"tel:4255550100 tel:4255550101", "a<b & c", true}},
		{"XML in ISO-8859-1 as declared", "application/xml", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><outboundSMSRequest><address>tel:4255550100</address><message>caf\xe9</message></outboundSMSRequest>", send{"tel:4255550100", "café", false}},
		{"JSON without a root", "application/json", `{"address":"tel:4255550100","message":"Hi"}`, send{"tel:4255550100", "Hi", false}},
		{"JSON root in other letters", "application/json", `{"outBoundSMSRequest":{"address":"tel:4255550100","message":"Hi"}}`, send{"tel:4255550100", "Hi", false}},
		{"v2 in Pascal case with a charset", "application/json; charset=UTF-8", `{"Address":"tel:4255550100","Message":"Hi"}`, send{"tel:4255550100", "Hi", false}},
		{"one string with several addresses", "application/json", `{"outboundSMSRequest":{"address":"tel:4255550100, tel:4255550101","message":"Hi"}}`, send{"tel:4255550100 tel:4255550101", "Hi", false}},
		{"oldest Ruby, unencoded form", formType, `Address=tel:4255550100&Message=100% text`, send{"tel:4255550100", "100% text", false}},
		{"a raw plus in a form is a blank", formType, `address=tel:+14255550100&message=a+b&notifyDeliveryStatus=False`, send{"tel: 14255550100", "a b", false}},
		{"a form in ISO-8859-1", formType, `address=tel:4255550100&message=caf%E9`, send{"tel:4255550100", "café", false}},
		{"a boolean as text", "application/json", `{"address":"tel:4255550100","message":"Hi","notifyDeliveryStatus":"True"}`, send{"tel:4255550100", "Hi", true}},
		{"members nobody knows", "application/json", `{"outboundSMSRequest":{"x":[1,{"y":null}],"address":"tel:4255550100","message":"Hi","z":1e3}}`, send{"tel:4255550100", "Hi", false}},
		{"JSON without a media type", "", ` {"address":"tel:4255550100","message":"Hi"}`, send{"tel:4255550100", "Hi", false}},
		{"XML without a media type", "", `<outboundSMSRequest><address>tel:4255550100</address><message>Hi</message></outboundSMSRequest>`, send{"tel:4255550100", "Hi", false}},
		{"a form without a media type", "", `address=tel:4255550100&message=Hi`, send{"tel:4255550100", "Hi", false}},
		{"surrogate pairs, line ends and tabs", "application/json", `{"address":"tel:4255550100","message":"\ud83d\ude00\r\n\t\/\"\\"}`, send{"tel:4255550100", "😀\r\n\t/\"\\", false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc, err := wire.Parse(c.contentType, []byte(c.body), wire.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			req := doc.Root("outboundSMSRequest", "SmsRequest")
			message, err := wire.Text(req, "message", "Message")
			if err != nil {
				t.Fatal(err)
			}
			notify, err := wire.Flag(req, "notifyDeliveryStatus", "notifyDeliveryStatus")
			if err != nil {
				t.Fatal(err)
			}
			got := send{strings.Join(req.Strings("address"), " "), message, notify}
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestTokenRequestsOfThePublishedClientsAreRead(t *testing.T) {
	lim := wire.Limits{Types: wire.TypeForm | wire.TypeMultipart, Body: 16 << 10}
	multipart := "--b\r\nContent-Disposition: form-data; name=\"client_id\"\r\n\r\nappkey\r\n--b\r\nContent-Disposition: form-data; name=\"client_secret\"\r\n\r\nappsecret\r\n--b\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n--b\r\nContent-Disposition: form-data; name=\"scope\"\r\n\r\nSMS\r\n--b--\r\n"
	for _, c := range []struct{ name, contentType, body, want string }{
		{"codekit-php", formType, `scope=SMS&grant_type=client_credentials&client_id=appkey&client_secret=appsecret`, "appkey appsecret client_credentials SMS "},
		{"codekit-php, code", formType, `client_id=appkey&client_secret=appsecret&code=thecode&grant_type=authorization_code`, "appkey appsecret authorization_code  thecode"},
		{"codekit-java", formType, `grant_type=client_credentials&scope=SMS&client_secret=appsecret&client_id=appkey`, "appkey appsecret client_credentials SMS "},
		{"att-dhs", formType, `client_id=appkey&client_secret=appsecret&grant_type=client_credentials&scope=WEBRTC%2CEMERGENCYSERVICES&code=thecode`, "appkey appsecret client_credentials WEBRTC,EMERGENCYSERVICES thecode"},
		{"ewebrtc-dhs-php, multipart", "multipart/form-data; boundary=b", multipart, "appkey appsecret client_credentials SMS "},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc, err := wire.Parse(c.contentType, []byte(c.body), lim)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, name := range []string{"client_id", "client_secret", "grant_type", "scope", "code"} {
				v, _ := doc.Str(name)
				got = append(got, v)
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("got %q, want %q", s, c.want)
			}
		})
	}
	if _, err := wire.Parse("application/json", []byte(`{}`), lim); !errors.Is(err, fault.MediaType) {
		t.Errorf("JSON on a token path: %v", err)
	}
	doc, err := wire.ParseQuery("client_id=appkey&grant_type=client_credentials", lim)
	if v, ok := doc.Str("client_id"); err != nil || v != "appkey" || !ok {
		t.Errorf("query: %q %v", v, err)
	}
}

func TestWhatIsRefusedNamesThePartWhereItBroke(t *testing.T) {
	const j, x = "application/json", "application/xml"
	deepJSON := strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33)
	deepXML := strings.Repeat("<a>", 33) + strings.Repeat("</a>", 33)
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprintf(`"m%d":1`, i)
	}
	for _, c := range []struct {
		name, contentType, body string
		want                    *fault.Fault
		part                    string
	}{
		{"nothing at all", j, ``, fault.Unparsable, "Message"},
		{"plain words", j, `hello`, fault.Unparsable, "Message"},
		{"an end in the middle of a text", j, `{"outboundSMSRequest":{"address":"tel:4255550100","message":"H`, fault.Unparsable, "message"},
		{"an unescaped quote", j, `{"message":"say "hi""}`, fault.Unparsable, "message"},
		{"a raw line end in a text", j, "{\"message\":\"a\nb\"}", fault.Unparsable, "message"},
		{"a member that stands twice", j, `{"address":"tel:4255550100","message":"a","address":"tel:4255550101"}`, fault.Unparsable, "address"},
		{"a member that stands twice, by an escape", j, `{"address":"1","\u0061ddress":"2"}`, fault.Unparsable, "address"},
		{"data after the document", j, `{"message":"a"} {}`, fault.Unparsable, "message"},
		{"a comma too many", j, `{"message":"a",}`, fault.Unparsable, "message"},
		{"single quotes", j, `{'Address':'tel:4255550100'}`, fault.Unparsable, "Message"},
		{"a NUL", j, `{"message":"a\u0000b"}`, fault.Unparsable, "message"},
		{"33 levels", j, deepJSON, fault.Unparsable, "a"},
		{"1,001 members", j, "{" + strings.Join(many, ",") + "}", fault.Unparsable, "m999"},
		{"the 18th member standing twice", j, "{" + strings.Join(many[:18], ",") + `,"m3":1}`, fault.Unparsable, "m3"},
		{"a text of more than 32 KiB", j, `{"message":"` + strings.Repeat("a", 32<<10+1) + `"}`, fault.Unparsable, "message"},
		{"a text of more than 32 KiB with an escape", j, `{"message":"\n` + strings.Repeat("a", 32<<10+1) + `"}`, fault.Unparsable, "message"},
		{"10,000 values", j, `{"address":[1` + strings.Repeat(",1", 10000) + `]}`, fault.Unparsable, "address"},
		{"a number with a leading zero", j, `{"a":01}`, fault.Unparsable, "a"},
		{"a name that may not stand in an answer", j, `{"a,b":tru}`, fault.Unparsable, "Message"},
		{"more than 64 KiB", j, strings.Repeat(" ", 64<<10+1), fault.BodyTooLarge, "Content-Length"},
		{"a type nobody reads", "text/plain", `x`, fault.MediaType, "Content-Type"},
		{"a multipart body where none is read", "multipart/form-data; boundary=b", `x`, fault.MediaType, "Content-Type"},
		{"an XML document without a root", x, `<?xml version="1.0"?>`, fault.Unparsable, "Message"},
		{"an element that is not closed", x, `<a><message>Hi`, fault.Unparsable, "message"},
		{"elements that cross", x, `<a><b></a></b>`, fault.Unparsable, "b"},
		{"a document type", x, `<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>`, fault.Unparsable, "Message"},
		{"an entity nobody declared", x, `<a><message>&e;</message></a>`, fault.Unparsable, "message"},
		{"a processing instruction", x, `<?php x?><a/>`, fault.Unparsable, "Message"},
		{"a processing instruction inside", x, `<a><?xml-stylesheet x?></a>`, fault.Unparsable, "a"},
		{"two documents", x, `<a/><b/>`, fault.Unparsable, "a"},
		{"words around the document", x, `<a/>x`, fault.Unparsable, "a"},
		{"33 levels of elements", x, deepXML, fault.Unparsable, "a"},
		{"51 attributes", x, `<a` + attributes(51) + `/>`, fault.Unparsable, "a"},
		{"UTF-16", x, `<?xml version="1.0" encoding="UTF-16"?><a/>`, fault.Unparsable, "Message"},
		{"a NUL as a reference", x, `<a><message>&#0;</message></a>`, fault.Unparsable, "message"},
		{"1,001 fields", formType, strings.Repeat("a=1&", 1001), fault.Unparsable, "a"},
		{"a NUL in a form", formType, "message=%00", fault.Unparsable, "message"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := wire.Parse(c.contentType, []byte(c.body), wire.Limits{})
			f := fault.From(err)
			if !errors.Is(err, c.want) || f.Value() != c.part {
				t.Fatalf("got %v, want %s with %q", err, c.want.Case, c.part)
			}
		})
	}
	if _, err := wire.Parse("multipart/form-data", []byte("x"), wire.Limits{Types: wire.TypeMultipart}); !errors.Is(err, fault.MediaType) {
		t.Errorf("multipart without a boundary: %v", err)
	}
	if _, err := wire.Parse("multipart/form-data; boundary=b", []byte("--b\r\nx"), wire.Limits{Types: wire.TypeMultipart}); !errors.Is(err, fault.Unparsable) {
		t.Errorf("multipart that ends too early: %v", err)
	}
	ok := `{"a":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`
	if _, err := wire.Parse(j, []byte(ok), wire.Limits{}); err != nil {
		t.Errorf("32 levels: %v", err)
	}
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` a%d=""`, i)
	}
	return b.String()
}

func TestSingleQuotesAreReadWhereAllowed(t *testing.T) {
	doc, err := wire.Parse("application/json", []byte(`{'Address':'tel:4255550100','Message':'it\'s "so"'}`), wire.Limits{SingleQuotes: true})
	if err != nil {
		t.Fatal(err)
	}
	if m, _ := doc.Str("message"); m != `it's "so"` {
		t.Errorf("got %q", m)
	}
}

func TestChecksTellMissingFromEmptyAndWrong(t *testing.T) {
	doc, err := wire.Parse("application/json", []byte(`{"null":null,"empty":"","text":"a","number":7,"digits":" 8 ","flag":"maybe","list":[],"obj":{},"priority":"high"}`), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	text := func(name string) error { _, err := wire.Text(doc, name, "Part"); return err }
	optional := func(name string) error { _, err := wire.OptionalText(doc, name, "Part"); return err }
	flag := func(name string) error { _, err := wire.Flag(doc, name, "Part"); return err }
	num := func(name string, least, most int) error {
		_, _, err := wire.Int(doc, name, "Part", least, most)
		return err
	}
	oneOf := func(name string) error { _, err := wire.OneOf(doc, name, "Part", "Low", "High"); return err }
	for _, c := range []struct {
		name string
		err  error
		want *fault.Fault
	}{
		{"a mandatory text that is missing", text("none"), fault.MissingParameter},
		{"a mandatory text that is null", text("null"), fault.MissingParameter},
		{"a mandatory text that is empty", text("empty"), fault.MissingParameter},
		{"a mandatory text that is a number", text("number"), fault.BadParameter},
		{"a mandatory text that is a list", text("list"), fault.BadParameter},
		{"a mandatory text", text("TEXT"), nil},
		{"an optional text that is missing", optional("none"), nil},
		{"an optional text that is an object", optional("obj"), fault.BadParameter},
		{"a flag that is missing", flag("none"), nil},
		{"a flag that is no boolean", flag("flag"), fault.BadParameter},
		{"a flag that is an object", flag("obj"), fault.BadParameter},
		{"a number", num("number", 1, 9), nil},
		{"a number as text", num("digits", 1, 9), nil},
		{"a number out of range", num("number", 8, 9), fault.BadParameter},
		{"a number that is missing", num("none", 1, 9), nil},
		{"a number that is a list", num("list", 1, 9), fault.BadParameter},
		{"a listed value in other letters", oneOf("priority"), nil},
		{"a value that is not listed", oneOf("text"), fault.NotAllowedValue},
		{"a listed value that is missing", oneOf("none"), nil},
	} {
		switch {
		case c.want == nil && c.err != nil:
			t.Errorf("%s: %v", c.name, c.err)
		case c.want != nil && !errors.Is(c.err, c.want):
			t.Errorf("%s: got %v, want %v", c.name, c.err, c.want)
		}
	}
	if got := fault.From(oneOf("text")).Value(); got != "Part,Low,High" {
		t.Errorf("SVC0003 has %q", got)
	}
	if v, ok := doc.Str("none"); v != "" || ok {
		t.Error("a missing member is there")
	}
	if _, ok := doc.Str("null"); !ok {
		t.Error("a null member is missing")
	}
}

func TestANodeThatIsNotThereCanBeAsked(t *testing.T) {
	var n *wire.Node
	if n.Get("x") != nil || n.Root("x") != nil || n.Text() != "" || n.Kind() != wire.Null || n.Len() != 0 || n.Name() != "" || n.Strings("x") != nil {
		t.Error("something is there")
	}
	doc, err := wire.Parse("application/json", []byte(`"x"`), wire.Limits{})
	if err != nil || doc.Root("a").Get("b") != nil {
		t.Errorf("a text as the document: %v", err)
	}
}

func TestRecipients(t *testing.T) {
	list := func(n int, more ...string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`"tel:+1425555%04d"`, i+1000))
		}
		return "[" + strings.Join(append(all, more...), ",") + "]"
	}
	for _, c := range []struct {
		name, address string
		n             int
		want          *fault.Fault
	}{
		{"one number", `"tel:+14255550100"`, 1, nil},
		{"fifty numbers", list(50), 50, nil},
		{"a list with commas and blanks", `"4255550100, 1-425-555-0101,+14255550102"`, 3, nil},
		{"a blank that was a plus", `"tel: 14255550100"`, 1, nil},
		{"null is there and no address", `null`, 0, fault.NoValidAddress},
		{"an empty text is no address", `""`, 0, fault.NoValidAddress},
		{"an empty list has no valid address", `[]`, 0, fault.NoValidAddress},
		{"a null in the list refuses all", `["tel:4255550100",null]`, 0, fault.NoValidAddress},
		{"a number as JSON number is no address", `4255550100`, 0, fault.NoValidAddress},
		{"a short code is no recipient", `["tel:4255550100","short:12345"]`, 0, fault.NoValidAddress},
		{"an e-mail address is no recipient", `["tel:4255550100","a@b.com"]`, 0, fault.NoValidAddress},
		{"an over-long number is no address", `"tel:+1425555010012345"`, 0, fault.NoValidAddress},
		{"fifty-one numbers are too many", list(51), 0, fault.TooManyAddresses},
		{"a bad address wins over too many", list(60, `"x"`), 0, fault.NoValidAddress},
		{"too many win over duplicates", list(60, `"tel:+14255551000"`), 0, fault.TooManyAddresses},
		{"a duplicate in another spelling", `["tel:4255550100","+1 (425) 555-0100"]`, 0, fault.DuplicateAddresses},
		{"a duplicate in a long list", list(30, `"tel:+14255551000"`), 0, fault.DuplicateAddresses},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc, err := wire.Parse("application/json", []byte(`{"Address":`+c.address+`}`), wire.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := wire.Recipients(doc, "address", 50)
			if c.want != nil {
				if !errors.Is(err, c.want) {
					t.Fatalf("got %v, want %v", err, c.want)
				}
				return
			}
			if err != nil || len(got) != c.n {
				t.Fatalf("got %v, %v", got, err)
			}
		})
	}
	doc, _ := wire.Parse("application/json", []byte(`{"message":"Hi"}`), wire.Limits{})
	if _, err := wire.Recipients(doc, "address", 50); !errors.Is(err, fault.MissingParameter) || fault.From(err).Value() != "Address" {
		t.Errorf("no address at all: %v", err)
	}
}

// Comments cut a text into as many pieces as they like; it must not be copied for each.
func TestATextInManyPiecesCostsItsLength(t *testing.T) {
	body := []byte("<a>" + strings.Repeat("x<!---->", 8000) + "</a>")
	n, err := wire.Parse("application/xml", body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := n.Get("a").Text(); got != strings.Repeat("x", 8000) {
		t.Fatalf("read %d characters", len(got))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const runs = 20
	for range runs {
		if _, err := wire.Parse("application/xml", body, wire.Limits{}); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if per := (after.TotalAlloc - before.TotalAlloc) / runs; per > 16*uint64(len(body)) {
		t.Errorf("%d octets allocated for %d", per, len(body))
	}
}
