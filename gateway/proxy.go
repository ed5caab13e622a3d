package gateway

import (
	"net/http"
	"net/netip"
	"strings"
)

// client is the address of whoever sent a request through proxies of ours: the last in X-Forwarded-For that
// is none of them. Each proxy appends whom it had it from, so what stands before that address is the caller's own
// claim. If the header cannot be read there, the limits hold for the proxy.
func client(proxies []netip.Prefix, r *http.Request) (netip.Addr, bool) {
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	var a netip.Addr
	for i := len(hops) - 1; i >= 0 && len(hops)-i <= maxHops; i-- {
		next, ok := hop(strings.TrimSpace(hops[i]))
		if !ok {
			break
		}
		if a = next; !trusted(proxies, a) {
			return a, true
		}
	}
	return a, a.IsValid()
}

// maxHops bounds how far back X-Forwarded-For is read.
const maxHops = 16

// hop reads an element of X-Forwarded-For: an address, which some proxies give a port.
func hop(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		a = ap.Addr()
	}
	return a.Unmap().WithZone(""), true
}

func trusted(proxies []netip.Prefix, a netip.Addr) bool {
	for _, p := range proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
