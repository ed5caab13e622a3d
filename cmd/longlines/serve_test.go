package main

import (
	"strings"
	"testing"

	"longlines"
	"longlines/route"
)

func TestTheBannerSaysThatNothingLeavesOnlyIfNothingCan(t *testing.T) {
	link := func(name string, n route.Network, host string) (l route.LinkState) {
		l.Name, l.Network, l.Host = name, n, host
		return l
	}
	own := link("sandbox", route.NetworkVirtual, "127.0.0.1")
	for _, c := range []struct {
		name, path string
		virtual    bool
		links      []route.LinkState
		want       string
	}{
		{"the virtual network alone", "", true, []route.LinkState{own}, "sandbox  (no configuration found: nothing leaves this machine)"},
		{"a second link to it", "", true, []route.LinkState{own, link("lab", route.NetworkVirtual, "localhost")}, "sandbox  (no configuration found: nothing leaves this machine)"},
		{"a live link", "", true, []route.LinkState{link("carrier", route.NetworkLive, "smsc.example"), own}, "no configuration found; texts leave this machine by carrier"},
		{"a test network elsewhere", "", true, []route.LinkState{own, link("lab", route.NetworkVirtual, "smsc.example")}, "no configuration found; texts leave this machine by lab"},
		{"links that are not known", "", true, nil, "no configuration found"},
		{"no virtual network", "", false, nil, "no configuration found; no virtual network; no link yet, so texts wait"},
		{"a configuration", "ll.yaml", true, []route.LinkState{own}, "configuration ll.yaml"},
		{"a configuration with a link", "ll.yaml", false, []route.LinkState{link("carrier", route.NetworkLive, "smsc.example")},
			"configuration ll.yaml; no virtual network; texts leave this machine by carrier"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := setting(c.path, c.virtual, c.links); got != c.want {
				t.Fatalf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestTheBannerNamesTheOnNetworkListener(t *testing.T) {
	var b strings.Builder
	banner(&b, longlines.Info{API: "https://api.example", OnNetwork: "10.0.0.5:8443"}, longlines.Config{}, "ll.yaml", nil)
	if want := "  On-network 10.0.0.5:8443 "; !strings.Contains(b.String(), want) {
		t.Fatalf("no %q in\n%s", want, b.String())
	}
}
