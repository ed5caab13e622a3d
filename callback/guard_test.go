package callback_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"longlines/callback"
)

// The first table is what a dialer may really connect to: the address after the name was resolved.
func TestGuardAtDialTime(t *testing.T) {
	g := callback.Guard{Deny: []netip.AddrPort{netip.MustParseAddrPort("93.184.216.34:443")}}
	for _, tt := range []struct {
		name, address string
		ok            bool
	}{
		{"a public address may be called", "198.41.0.4:443", true},
		{"a public IPv6 address may be called", "[2606:4700::1111]:443", true},
		{"a high port may be called", "198.41.0.4:8443", true},
		{"a translated public address may be called", "[64:ff9b::c629:4]:443", true},
		{"6to4 of a public address may be called", "[2002:c629:4::1]:443", true},
		{"ssh may not be called", "198.41.0.4:22", false},
		{"port 80 may not be called without http", "198.41.0.4:80", false},
		{"port 0 may not be called", "198.41.0.4:0", false},
		{"our own public address may not be called", "93.184.216.34:443", false},
		{"our own public address may not be called as v4-mapped", "[::ffff:93.184.216.34]:443", false},
		{"our own public address may not be called through NAT64", "[64:ff9b::5db8:d822]:443", false},
		{"another port of our own address may be called", "93.184.216.34:8443", true},
		{"loopback", "127.0.0.1:443", false},
		{"the end of loopback", "127.255.255.254:443", false},
		{"this network", "0.0.0.0:443", false},
		{"this network, another host", "0.1.2.3:443", false},
		{"private 10", "10.0.0.1:443", false},
		{"private 172.16", "172.16.0.1:443", false},
		{"private 172.31", "172.31.255.255:443", false},
		{"private 192.168", "192.168.1.1:443", false},
		{"carrier-grade NAT", "100.64.0.1:443", false},
		{"the end of carrier-grade NAT", "100.127.255.255:443", false},
		{"the cloud's metadata service", "169.254.169.254:443", false},
		{"link-local", "169.254.0.1:443", false},
		{"protocol assignments", "192.0.0.8:443", false},
		{"documentation 1", "192.0.2.1:443", false},
		{"documentation 2", "198.51.100.1:443", false},
		{"documentation 3", "203.0.113.1:443", false},
		{"benchmarks", "198.18.0.1:443", false},
		{"the end of benchmarks", "198.19.255.255:443", false},
		{"multicast", "224.0.0.1:443", false},
		{"reserved", "240.0.0.1:443", false},
		{"broadcast", "255.255.255.255:443", false},
		{"6to4 relay", "192.88.99.1:443", false},
		{"IPv6 loopback", "[::1]:443", false},
		{"IPv6 unspecified", "[::]:443", false},
		{"v4-mapped loopback", "[::ffff:127.0.0.1]:443", false},
		{"v4-mapped private in hexadecimal", "[::ffff:a00:1]:443", false},
		{"v4-mapped metadata", "[::ffff:169.254.169.254]:443", false},
		{"v4-compatible loopback", "[::127.0.0.1]:443", false},
		{"NAT64 of loopback", "[64:ff9b::7f00:1]:443", false},
		{"NAT64 of private", "[64:ff9b::10.0.0.1]:443", false},
		{"NAT64 of metadata", "[64:ff9b::a9fe:a9fe]:443", false},
		{"local NAT64", "[64:ff9b:1::1]:443", false},
		{"6to4 of loopback", "[2002:7f00:1::1]:443", false},
		{"6to4 of private", "[2002:a00:1::1]:443", false},
		{"Teredo", "[2001::1]:443", false},
		{"unique local", "[fc00::1]:443", false},
		{"unique local, the usual half", "[fd12:3456:789a::1]:443", false},
		{"the cloud's metadata service on IPv6", "[fd00:ec2::254]:443", false},
		{"IPv6 link-local", "[fe80::1]:443", false},
		{"IPv6 link-local with a zone", "[fe80::1%eth0]:443", false},
		{"a public address with a zone", "[2606:4700::1111%eth0]:443", false},
		{"site-local", "[fec0::1]:443", false},
		{"IPv6 multicast", "[ff02::1]:443", false},
		{"IPv6 documentation", "[2001:db8::1]:443", false},
		{"the newer IPv6 documentation", "[3fff::1]:443", false},
		{"discard", "[100::1]:443", false},
		{"no port", "198.41.0.4", false},
		{"a name that was not resolved", "example.com:443", false},
		{"nothing", "", false},
		{"garbage", "256.1.1.1:443", false},
		{"a short form", "127.1:443", false},
		{"a number", "2130706433:443", false},
		{"hexadecimal", "0x7f000001:443", false},
		{"octal", "0177.0.0.1:443", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			network := "tcp4"
			if strings.HasPrefix(tt.address, "[") {
				network = "tcp6"
			}
			if err := g.Control(network, tt.address, nil); (err == nil) != tt.ok {
				t.Errorf("Control(%q) = %v, want ok %v", tt.address, err, tt.ok)
			}
		})
	}
	if err := g.Control("udp4", "198.41.0.4:443", nil); err == nil {
		t.Error("UDP was allowed")
	}
}

func TestGuardOfALaptopAllowsLoopback(t *testing.T) {
	g := callback.Guard{HTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
	for _, a := range []string{"127.0.0.1:80", "127.0.0.1:8080", "[::1]:9000", "[::ffff:127.0.0.1]:9000", "127.0.0.1:22"} {
		if err := g.Control("tcp", a, nil); err == nil {
			t.Errorf("network %q was allowed for %s", "tcp", a)
		}
		if err := g.Control("tcp4", a, nil); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, a := range []string{"10.0.0.1:8080", "169.254.169.254:80", "[::]:80"} {
		if err := g.Control("tcp4", a, nil); err == nil {
			t.Errorf("%s was allowed", a)
		}
	}
	for _, u := range []string{"http://127.0.0.1:8080/x", "http://[::1]/", "http://localhost:3000/cb", "https://example.com/"} {
		if _, err := g.CheckURL(u); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func TestGuardAtConfigurationTime(t *testing.T) {
	for _, tt := range []struct {
		name, url string
		ok        bool
	}{
		{"https may be configured", "https://example.com/listener?x=1", true},
		{"https on a high port", "https://example.com:8443/", true},
		{"letters beyond ASCII in the host", "https://exämple.com/", true},
		{"http", "http://example.com/", false},
		{"another scheme", "gopher://example.com/", false},
		{"a file", "file:///etc/passwd", false},
		{"no scheme", "example.com/listener", false},
		{"no host", "https:///listener", false},
		{"a user name", "https://user:pass@example.com/", false},
		{"a fragment", "https://example.com/#x", false},
		{"a low port", "https://example.com:22/", false},
		{"port 80 under https", "https://example.com:80/", false},
		{"a port that is none", "https://example.com:99999/", false},
		{"a public address", "https://198.41.0.4/", false},
		{"loopback", "https://127.0.0.1/", false},
		{"loopback in IPv6", "https://[::1]/", false},
		{"loopback as one number", "https://2130706433/", false},
		{"loopback in hexadecimal", "https://0x7f000001/", false},
		{"loopback in octal", "https://0177.0.0.1/", false},
		{"loopback cut short", "https://127.1/", false},
		{"loopback with a dot behind it", "https://127.0.0.1./", false},
		{"hexadecimal in the last label", "https://example.0x1/", false},
		{"too long", "https://example.com/" + strings.Repeat("a", 2048), false},
		{"a line break", "https://example.com/\r\nX: y", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var g callback.Guard
			if _, err := g.CheckURL(tt.url); (err == nil) != tt.ok {
				t.Errorf("CheckURL(%q) = %v, want ok %v", tt.url, err, tt.ok)
			}
		})
	}
}

// Whatever can be parsed as an address and passes the guard is global unicast, and its IPv4 too.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:a00:1::", "198.41.0.4", "fe80::1%lo"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		var g callback.Guard
		err := g.Control("tcp6", net.JoinHostPort(host, "443"), nil)
		a, perr := netip.ParseAddr(host)
		if perr != nil {
			if err == nil {
				t.Fatalf("%q is no address and was allowed", host)
			}
			return
		}
		u := a.Unmap()
		if err == nil && (!u.IsGlobalUnicast() || u.IsPrivate() || u.Zone() != "") {
			t.Fatalf("%q was allowed", host)
		}
	})
}
