package wire

import "testing"

func TestPrefersHTML(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                 false,
		"*/*":              false,
		"application/json": false,
		"text/html":        true,
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": true,
		"application/json, text/html":                                     false,
		"text/html, application/json":                                     true,
		"text/html;q=0.5, application/json":                               false,
		"text/html;q=0":                                                   false,
		"TEXT/HTML":                                                       true,
		"application/*, text/html;q=0.9":                                  false,
	} {
		if got := PrefersHTML(accept); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}
