package gateway_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"longlines/gateway"
)

func TestCallersBehindAProxyOfOurs(t *testing.T) {
	ours := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8:1::/48")}
	for _, c := range []struct {
		name    string
		proxies []netip.Prefix
		header  []string // X-Forwarded-For, a value a line
		want    string   // the address in the record; "": the peer's
	}{
		{"nobody is trusted", nil, []string{"198.51.100.7"}, ""},
		{"another is trusted", []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, []string{"198.51.100.7"}, ""},
		{"one proxy", ours, []string{"198.51.100.7"}, "198.51.100.7"},
		{"two proxies", ours, []string{"198.51.100.7, 10.1.2.3"}, "198.51.100.7"},
		{"a line each", ours, []string{"198.51.100.7", "10.1.2.3", "10.1.2.4"}, "198.51.100.7"},
		{"what the caller claims is not believed", ours, []string{"203.0.113.1, 198.51.100.7, 10.1.2.3"}, "198.51.100.7"},
		{"claims on a line of their own", ours, []string{"203.0.113.1", "198.51.100.7"}, "198.51.100.7"},
		{"a claim to be one of ours", ours, []string{"10.1.9.9, 198.51.100.7"}, "198.51.100.7"},
		{"a claim to be on loopback", ours, []string{"127.0.0.1, 198.51.100.7"}, "198.51.100.7"},
		{"all are ours", ours, []string{"10.1.2.3, 10.1.2.4"}, "10.1.2.3"},
		{"with a port", ours, []string{"198.51.100.7:4711"}, "198.51.100.7"},
		{"IPv6", ours, []string{"2001:db8:7::1, 2001:db8:1::5"}, "2001:db8:7::1"},
		{"IPv6 in brackets", ours, []string{"[2001:db8:7::1]"}, "2001:db8:7::1"},
		{"IPv6 with a port", ours, []string{"[2001:db8:7::1]:443"}, "2001:db8:7::1"},
		{"IPv4 in IPv6", ours, []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"none", ours, nil, ""},
		{"empty", ours, []string{""}, ""},
		{"unknown", ours, []string{"unknown"}, ""},
		{"unreadable nearest", ours, []string{"198.51.100.7, _hidden"}, ""},
		{"unreadable behind a proxy", ours, []string{"198.51.100.7, ?, 10.1.2.3"}, "10.1.2.3"},
		{"endless", ours, []string{"198.51.100.7" + strings.Repeat(", 10.1.2.3", 40)}, "10.1.2.3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, func(g *gateway.Config) { g.Proxies = c.proxies })
			r, err := http.NewRequest("GET", s.url+"/test/v1/things", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header["X-Forwarded-For"] = c.header
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			got := s.recorded(t, reply{Response: res}).Remote
			ap, err := netip.ParseAddrPort(got)
			if err != nil {
				t.Fatal(got, err)
			}
			if want := c.want; want == "" && !ap.Addr().IsLoopback() || want != "" && ap.Addr().String() != want {
				t.Errorf("the caller is %s, want %q", got, want)
			}
		})
	}
}

// A proxy on this machine must not make everybody a caller on loopback, whom no limit holds.
func TestLimitsHoldBehindAProxyOnLoopback(t *testing.T) {
	s := open(t, func(g *gateway.Config) {
		g.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		g.Limits.PerApp, g.Limits.PerIP = 1, 1
	})
	first := make(chan error, 1)
	go func() {
		r, err := s.try("POST", "/test/v1/hold", "{}", "X-Forwarded-For", "198.51.100.7")
		if err == nil && r.StatusCode != 200 {
			t.Errorf("the first: %d", r.StatusCode)
		}
		first <- err
	}()
	<-s.held
	if r := s.do("GET", "/test/v1/things", "", "X-Forwarded-For", "198.51.100.8"); r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one call too many of an app: %d", r.StatusCode)
	}
	close(s.hold)
	if err := <-first; err != nil {
		t.Error(err)
	}
}
