package callback

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Guard says where a callback may go (docs/reference/modern-webhooks.md §4). An app names the URL and
// we fetch it from inside the operator's network, so without a guard the app could reach what only
// that network reaches: the cloud's metadata service, an admin page, our own listeners.
//
// The zero Guard allows https to the public internet. It looks twice: [Guard.CheckURL] when a URL is
// configured, and [Guard.Control] at each connection, at the address that is really being dialled, so
// that a name which changes its address between the two gains nothing.
type Guard struct {
	// HTTP also allows http, and port 80. The operator's choice; the default while nobody from outside
	// reaches the platform, so that a laptop can receive.
	HTTP bool
	// Allow are networks allowed although they are not public. URLs may name addresses in them.
	Allow []netip.Prefix
	// Deny are our own listeners, refused although they are public. What else is on our machine is not ours to refuse.
	Deny []netip.AddrPort
}

// Refused is the guard's no. It is a mistake in a configuration, not a failure of the endpoint.
type Refused struct {
	Target string // URL's host or dialled address
	Reason string
}

func (r *Refused) Error() string {
	return fmt.Sprintf("callbacks may not go to %s: %s", r.Target, r.Reason)
}

// refused tells a guard's no from other failures, also through net.OpError and url.Error.
func refused(err error) (*Refused, bool) {
	var r *Refused
	return r, errors.As(err, &r)
}

const maxURL = 2048 // docs/reference/reliability.md §2.4

// CheckURL judges a URL before it is stored or used.
func (g *Guard) CheckURL(raw string) (*url.URL, error) {
	if len(raw) > maxURL {
		return nil, &Refused{"the URL", "it has more than 2048 characters"}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, &Refused{"the URL", "it is not well formed"}
	}
	host := u.Hostname()
	no := func(reason string) (*url.URL, error) { return nil, &Refused{strconv.Quote(host), reason} }
	switch u.Scheme {
	case "https":
	case "http":
		if !g.HTTP {
			return no("the scheme must be https")
		}
	default:
		return no("the scheme must be https")
	}
	switch {
	case host == "":
		return no("the URL has no host")
	case u.User != nil:
		return no("the URL has a user name in it")
	case u.Fragment != "":
		return no("the URL has a fragment")
	}
	port := 443
	if u.Scheme == "http" {
		port = 80
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil {
			return no("its port is not a number")
		}
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if !g.allowed(a) {
			return no("it is an IP address; use a name")
		}
		return u, nil // the operator has allowed the address, whatever its port
	}
	if numeric(host) {
		return no("it is an IP address in an odd spelling")
	}
	if !g.port(port) {
		return no("its port must be 443 or from 1024 up")
	}
	return u, nil
}

// Control is the hook of net.Dialer: it sees the concrete address after the name has been resolved.
func (g *Guard) Control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return &Refused{address, "it is not TCP"}
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return &Refused{address, "the address cannot be read"}
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return &Refused{address, "the address cannot be read"}
	}
	p, err := strconv.Atoi(port)
	if err != nil {
		return &Refused{address, "the port cannot be read"}
	}
	return g.checkAddr(a, p)
}

func (g *Guard) checkAddr(a netip.Addr, port int) error {
	no := func(reason string) error { return &Refused{netip.AddrPortFrom(a, uint16(port)).String(), reason} }
	bare := a.WithZone("").Unmap()
	if g.own(bare, port) {
		return no("it is one of the platform's own addresses")
	}
	if g.allowed(a) {
		return nil
	}
	if !g.port(port) {
		return no("its port must be 443 or from 1024 up")
	}
	if a.Zone() != "" {
		return no("it is bound to an interface")
	}
	if why, bad := notPublic(bare); bad {
		return no(why)
	}
	if v4, ok := embedded(bare); ok {
		if why, bad := notPublic(v4); bad {
			return no(why + ", inside an IPv6 address")
		}
		if g.own(v4, port) {
			return no("it is one of the platform's own addresses")
		}
	}
	return nil
}

// own reports whether one of our listeners is there.
func (g *Guard) own(a netip.Addr, port int) bool {
	return slices.ContainsFunc(g.Deny, func(d netip.AddrPort) bool { return d.Addr() == a && int(d.Port()) == port })
}

func (g *Guard) port(p int) bool {
	return p == 443 || p >= 1024 && p <= 65535 || p == 80 && g.HTTP
}

// allowed reports whether the operator has named the address's network.
func (g *Guard) allowed(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	for _, p := range g.Allow {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// special are the networks that are not the public internet (IANA special-purpose registries of
// RFC 6890, and what modern-webhooks.md §4 adds).
var special = []struct {
	prefix netip.Prefix
	name   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network"},
	{netip.MustParsePrefix("10.0.0.0/8"), "a private network"},
	{netip.MustParsePrefix("100.64.0.0/10"), "a carrier's shared network"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "a private network"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved for protocols"},
	{netip.MustParsePrefix("192.0.2.0/24"), "a network for documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a 6to4 relay"},
	{netip.MustParsePrefix("192.168.0.0/16"), "a private network"},
	{netip.MustParsePrefix("198.18.0.0/15"), "a network for benchmarks"},
	{netip.MustParsePrefix("198.51.100.0/24"), "a network for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "a network for documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("::/96"), "unspecified, loopback or IPv4-compatible"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "a local translation network"},
	{netip.MustParsePrefix("100::/64"), "a discard network"},
	{netip.MustParsePrefix("2001::/32"), "Teredo"},
	{netip.MustParsePrefix("2001:2::/48"), "a network for benchmarks"},
	{netip.MustParsePrefix("2001:10::/28"), "an ORCHID network"},
	{netip.MustParsePrefix("2001:20::/28"), "an ORCHID network"},
	{netip.MustParsePrefix("2001:db8::/32"), "a network for documentation"},
	{netip.MustParsePrefix("3fff::/20"), "a network for documentation"},
	{netip.MustParsePrefix("5f00::/16"), "a segment routing network"},
	{netip.MustParsePrefix("fc00::/7"), "a private network"}, // fd00:ec2::254 among them
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// notPublic says why an address is not one of the public internet.
func notPublic(a netip.Addr) (why string, bad bool) {
	if !a.IsValid() {
		return "it is no address", true
	}
	for _, s := range special {
		if s.prefix.Contains(a) {
			return "it is " + s.name, true
		}
	}
	return "", false
}

var (
	nat64 = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	sixTo = netip.MustParsePrefix("2002::/16")    // RFC 3056
)

// embedded gives the IPv4 address that a translator would take out of an IPv6 address.
func embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return a, false
	}
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case sixTo.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return a, false
}

// numeric reports whether some resolver would read the host as an IPv4 address although netip does
// not: its last label is a number, in decimal, octal or hexadecimal (WHATWG URL §3.5).
func numeric(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" || strings.ContainsAny(host, "%:[] \t\r\n\x00") {
		return true
	}
	if h := strings.ToLower(last); strings.HasPrefix(h, "0x") && strings.Trim(h[2:], "0123456789abcdef") == "" {
		return true
	}
	return strings.Trim(last, "0123456789") == ""
}
