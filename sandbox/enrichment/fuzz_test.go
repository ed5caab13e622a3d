package enrichment

import (
	"strings"
	"testing"

	"longlines/number"
)

// Whatever a Host says, it is a phone in one spelling only, but for capitals and the port.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"14255550100.phone.localhost:8102", "442079460153.PHONE.localhost", "", ".phone.localhost", "+1.phone.localhost", "1 425.phone.localhost", "14255550100.phone.localhost.", "[::1]:8102", "\u0661.phone.localhost"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		m, ok := phoneOf(host)
		if !ok {
			return
		}
		name, _, _ := strings.Cut(host, ":")
		if !strings.EqualFold(name, string(m)+suffix) {
			t.Errorf("%q is taken for %s", host, m)
		}
		if again, err := number.ParseMSISDN(m.String()); err != nil || again != m {
			t.Errorf("%q gives %q, which is no number: %v", host, m, err)
		}
	})
}
