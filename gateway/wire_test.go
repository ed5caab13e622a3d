package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"longlines/app"
	"longlines/gateway"
)

// What must not be seen is not in the record, wherever a caller has put it.
func TestRecordsHoldNoSecrets(t *testing.T) {
	s := open(t, func(c *gateway.Config) { c.Details, c.StrangersDetails = true, true })
	const secret, digits = "sEcReT-0123456789", "31415926535"
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		seen                     string // in the detail all the same
	}{
		{"a header of the app's own", "GET", "/test/v1/things", "", []string{"access_token", secret, "X-Auth-Token", secret, "Api-Key", secret, "X-Msisdn", secret}, "X-Auth-Token: [not shown]\n"},
		{"a header that is known", "GET", "/test/v1/things", "", []string{"User-Agent", "kit/1.0", "X-Correlator", "c1"}, "User-Agent: kit/1.0\n"},
		{"a query", "GET", "/test/v1/things?access_token=" + secret, "", nil, "GET /test/v1/things?[not shown] HTTP/1.1\n"},
		{"a query that is a path", "GET", "/test/v1/things%3Faccess_token=" + secret, "", nil, "GET /test/v1/things[not shown] HTTP/1.1\n"},
		{"parameters of a segment", "GET", "/test/v1/things;access_token=" + secret, "", nil, "GET /test/v1/things[not shown] HTTP/1.1\n"},
		{"an address", "GET", "/test/v1/things", "", []string{"Referer", "https://app.example/#access_token=" + secret}, "Referer: [not shown]\n"},
		{"an address without anything", "GET", "/test/v1/things", "", []string{"Referer", "https://app.example/cb"}, "Referer: https://app.example/cb\n"},
		{"JSON", "POST", "/test/v1/things", `{"Name":"cheese","access_token" : "` + secret + `","Client-Secret":"a\"` + secret + `"}`, nil, `"access_token" : "[not shown]","Client-Secret":"[not shown]"}`},
		{"a list in JSON", "POST", "/test/v1/things", `{"Name":"cheese","refresh_token":["` + secret + `"]}`, nil, `"refresh_token":[not shown]}`},
		{"a number, an object and a list of many in JSON", "POST", "/test/v1/things", `{"pin":` + digits + `,"token":{"value":"` + secret + `]}"},"codes":["a"],"secret":["a",["b"],"` + secret + `"],"code":"` + secret + `"}`, nil,
			`{"pin":[not shown],"token":[not shown],"codes":["a"],"secret":[not shown],"code":"[not shown]"}`},
		{"JSON that ends early", "POST", "/test/v1/things", `{"a":"token","client_secret":"` + secret, nil, `{"a":"token","client_secret":"[not shown]"`},
		{"a form", "POST", "/test/v1/things", "Name=cheese&access_token=" + secret + "&x=1", []string{"Content-Type", "application/x-www-form-urlencoded"}, "Name=cheese&access_token=[not shown]&x=1"},
		{"XML", "POST", "/test/v1/things", "<Thing><Name>cheese</Name><x:password a='1'>" + secret + "</x:password></Thing>", []string{"Content-Type", "application/xml"}, "<x:password a='1'>[not shown]</x:password>"},
		{"CDATA", "POST", "/test/v1/things", "<Thing><token>a<![CDATA[<" + secret + ">]]></token></Thing>", []string{"Content-Type", "application/xml"}, "<token>[not shown]</token>"},
		{"a code in a form", "POST", "/test/v1/things", "zipcode=98052&code=" + secret, []string{"Content-Type", "application/x-www-form-urlencoded"}, "zipcode=98052&code=[not shown]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := s.recorded(t, s.do(c.method, c.path, c.body, c.header...))
			if strings.Contains(rec.Detail+rec.Path, secret) || strings.Contains(rec.Detail, digits) || !strings.Contains(rec.Detail, c.seen) {
				t.Errorf("%s\n%s", rec.Path, rec.Detail)
			}
		})
	}
}

// Whoever sends us much must not make us keep much.
func TestRecordsAreBounded(t *testing.T) {
	s := open(t, func(c *gateway.Config) { c.Details, c.StrangersDetails = true, true })
	long := strings.Repeat("x", 6000)
	for name, r := range map[string]reply{
		"a path":     s.do("GET", "/test/v1/"+long, ""),
		"a method":   s.do(strings.Repeat("M", 5000), "/test/v1/things", ""),
		"a header":   s.do("GET", "/test/v1/things", "", "User-Agent", long),
		"headers":    s.do("GET", "/test/v1/things", "", "User-Agent", long[:500], "Accept", long[:500], "Origin", long[:500], "Via", long[:500], "Prefer", long[:500], "Pragma", long[:500], "Date", long[:500], "Range", long[:500], "Te", long[:500], "X-Arg", long[:500], "Content-Language", long[:500]),
		"a bearer":   s.do("GET", "/test/v1/things", "", "Authorization", long),
		"a host":     s.do("GET", "/test/v1/things", "", "X-Forwarded-Host", long),
		"a body":     s.do("POST", "/test/v1/things", `{"Thing":{"Name":"`+strings.Repeat("cheese", 6000)+`"}}`),
		"members":    s.do("POST", "/test/v1/things", `{"Thing":{"Name":"cheese"}`+strings.Repeat(`,"token":""`, 1000)+`}`),
		"a thing":    s.do("GET", "/test/v1/things/"+long, "", "User-Agent", long[:500], "Accept", long[:500], "Origin", long[:500], "Via", long[:500], "Prefer", long[:500]),
		"a stranger": s.do("GET", "/test/v1/"+long, "", "Authorization", "Bearer x"),
	} {
		if rec := s.recorded(t, r); len(rec.Path) > 600 || len(rec.Method) > 24 || len(rec.Detail) > 8<<10 {
			t.Errorf("%s: a path of %d, a method of %d, a detail of %d octets", name, len(rec.Path), len(rec.Method), len(rec.Detail))
		}
	}
}

func TestARecordIsOneLine(t *testing.T) {
	s := open(t, nil)
	rec := s.recorded(t, s.do("GET", "/test/v1/x%0a2026-11-25T04:41:00.000Z%20%20200", ""))
	if strings.ContainsAny(rec.Path, "\n\r") || !strings.HasPrefix(rec.Path, "/test/v1/x%0a2026") {
		t.Errorf("%q", rec.Path)
	}
}

// Strangers' calls are recorded at a pace, so that nobody fills the store with calls that open nothing.
func TestAFloodOfStrangersIsNotAllRecorded(t *testing.T) {
	s := open(t, func(c *gateway.Config) { c.Details, c.StrangersDetails = true, true })
	flood := func(calls int) (recorded int) {
		t.Helper()
		for range calls {
			if r := s.do("GET", "/test/v1/things", "", "Authorization", "Bearer none"); r.StatusCode != http.StatusUnauthorized {
				t.Fatal(r.StatusCode)
			}
		}
		s.recorded(t, s.do("GET", "/test/v1/things", "")) // one of an app's is, and all before it are written by then
		rows, err := s.store.Requests(t.Context(), gateway.RequestFilter{}, 0, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if r.App == app.ID(0) {
				recorded++
			}
		}
		return recorded
	}
	if n := flood(3000); n != 2000 {
		t.Errorf("%d of 3,000 strangers' calls at one moment are recorded, and 2,000 should be", n)
	}
	s.clock.add(time.Second)
	if n := flood(500); n != 2200 {
		t.Errorf("%d of 500 in the next second are recorded, and 200 should be", n-2000)
	}
}
