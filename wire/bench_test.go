package wire_test

import (
	"testing"

	"longlines/fault"
	"longlines/wire"
)

var sendJSON = []byte(`{"outboundSMSRequest":{"address":"tel:+14255550100","message":"Your table for four is booked for 19:30 on Friday. Answer C to confirm or X to cancel.","notifyDeliveryStatus":true}}`)

func BenchmarkParseJSON(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(sendJSON)))
	for b.Loop() {
		if _, err := wire.Parse("application/json", sendJSON, wire.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadSend(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		doc, err := wire.Parse("application/json", sendJSON, wire.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		req := doc.Root("outboundSMSRequest", "SmsRequest")
		if _, err := wire.Recipients(req, "address", 50); err != nil {
			b.Fatal(err)
		}
		if _, err := wire.Text(req, "message", "Message"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseXML(b *testing.B) {
	body := []byte(`<outboundSMSRequest><address>tel:+14255550100</address><message>Your table for four is booked.</message></outboundSMSRequest>`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.Parse("application/xml", body, wire.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseForm(b *testing.B) {
	body := []byte(`grant_type=client_credentials&scope=SMS&client_secret=appsecret&client_id=appkey`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.Parse("application/x-www-form-urlencoded", body, wire.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendReply(b *testing.B) {
	var r reply
	r.MessageID, r.Reference.URL = "SMSa9b4e6580670f4cca9b4e6580670f4cc", "http://127.0.0.1:8100/sms/v3/messaging/outbox/SMSa9b4e6580670f4cc"
	v := wire.Rooted{Name: "outboundSMSResponse", Value: &r}
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.Append(buf, wire.JSON, v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendFault(b *testing.B) {
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		wire.AppendFault(buf, wire.DialectRequestError, wire.JSON, fault.QuotaExceeded)
	}
}

func BenchmarkNegotiate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		wire.Negotiate("application/xml;q=0.9, application/json")
	}
}
