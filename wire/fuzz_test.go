package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"longlines/fault"
	"longlines/wire"
)

// plain is the tree as encoding/json would give it with UseNumber.
func plain(n *wire.Node) any {
	switch n.Kind() {
	case wire.Bool:
		return n.Text() == "true"
	case wire.Number:
		return json.Number(n.Text())
	case wire.String:
		return n.Text()
	case wire.Array:
		list := []any{}
		for c := range n.Children() {
			list = append(list, plain(c))
		}
		return list
	case wire.Object:
		m := map[string]any{}
		for c := range n.Children() {
			m[c.Name()] = plain(c)
		}
		return m
	}
	return nil
}

// FuzzJSON: what is accepted, encoding/json accepts with the same content.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"outboundSMSRequest":{"address":["tel:+14255550100","short:12345"],"message":"Hello & caf\u00e9 \ud83d\ude00","notifyDeliveryStatus":true}}`,
		"{\"message\":\"caf\xe9\"}", `[1,-0.5e+3,null,false,"\ud800x\udc00"]`, `{"a":{"a":{"a":[]}},"b":"\/\b\f\n\r\t\\\""}`, `{"a":1,"a":2}`, ` "" `, `0`, `{} {}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		doc, err := wire.Parse("application/json", body, wire.Limits{})
		if err != nil {
			if !errors.Is(err, fault.Unparsable) && !errors.Is(err, fault.BodyTooLarge) {
				t.Fatalf("not a fault of reading: %v", err)
			}
			return
		}
		if !utf8.Valid(body) || bytes.HasPrefix(body, []byte("\ufeff")) {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.UseNumber()
		var want any
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("encoding/json refuses what was accepted: %v", err)
		}
		if _, err := dec.Token(); err != io.EOF {
			t.Fatalf("data after the document was accepted")
		}
		if got := plain(doc); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %#v, want %#v", got, want)
		}
		again, err := wire.Append(nil, wire.JSON, plain(doc))
		if err != nil {
			t.Fatal(err)
		}
		doc2, err := wire.Parse("application/json", again, wire.Limits{Body: 1 << 20, String: 1 << 20})
		if err != nil || !reflect.DeepEqual(plain(doc2), want) {
			t.Fatalf("round trip: %v", err)
		}
	})
}

// FuzzXML: whatever comes, the tree stays within its limits.
func FuzzXML(f *testing.F) {
	for _, s := range []string{
		`<outboundSMSRequest><address>tel:+14255550100</address><message>Hi</message></outboundSMSRequest>`,
		`<?xml version="1.0" encoding="ISO-8859-1"?><a x="1"><!-- c --><b><![CDATA[<]]>&amp;&#65;</b></a>`,
		`<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>`, `<a><b></a>`, `<a/><b/>`, "<a>\xe9</a>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		doc, err := wire.Parse("application/xml", body, wire.Limits{})
		if err != nil {
			return
		}
		if doc.Len() != 1 {
			t.Fatalf("%d roots", doc.Len())
		}
		if d := depth(doc); d > 33 {
			t.Fatalf("depth %d", d)
		}
		if bytes.Contains(body, []byte("<!ENTITY")) && !bytes.Contains(body, []byte("<![CDATA[")) && !bytes.Contains(body, []byte("<!--")) {
			t.Fatal("an entity declaration was accepted")
		}
	})
}

func depth(n *wire.Node) int {
	d := 0
	for c := range n.Children() {
		d = max(d, depth(c))
	}
	return d + 1
}

// FuzzForm: what net/url reads is read the same.
func FuzzForm(f *testing.F) {
	for _, s := range []string{"address=tel%3A%2B14255550100&address=x&message=a+b", "a=%E9&b=100%", "&&=&a", "a=%00", "a;b=c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		doc, err := wire.Parse(formType, []byte(body), wire.Limits{})
		if err != nil {
			return
		}
		want, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		got := url.Values{}
		for c := range doc.Children() {
			if !utf8.ValidString(c.Name()) || !utf8.ValidString(c.Text()) {
				t.Fatal("not UTF-8")
			}
			got.Add(c.Name(), c.Text())
		}
		// Names are trimmed and bytes that are not UTF-8 are converted, which
		// net/url does not do.
		for name, values := range want {
			if !utf8.ValidString(name) || strings.TrimSpace(name) != name || !utf8.ValidString(strings.Join(values, "")) {
				return
			}
		}
		for name, values := range want {
			if !reflect.DeepEqual(got[name], values) {
				t.Fatalf("%q: got %q, want %q", name, got[name], values)
			}
		}
	})
}
