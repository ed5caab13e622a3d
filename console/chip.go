package console

import (
	"fmt"
	"net/url"
	"strings"

	"longlines/fault"
)

// chip is a state at a glance: tone and icon say what the word says.
type chip struct{ Tone, Icon, Text string }

// statusChip shows an HTTP status; app.js does the same.
func statusChip(status int) chip {
	c := chip{"good", "check", fmt.Sprint(status)}
	switch {
	case status >= 500:
		c.Tone, c.Icon = "bad", "cross"
	case status >= 400:
		c.Tone, c.Icon = "wait", "warn"
	}
	return c
}

// states of texts, sent and received; app.js has the same looks.
var states = map[string]chip{
	"accepted": {"", "clock", ""}, "held": {"wait", "hold", ""}, "retrying": {"wait", "retry", ""}, "sent": {"busy", "sent", ""}, "unknown": {"wait", "unknown", ""},
	"delivered": {"good", "check", ""}, "undeliverable": {"bad", "cross", ""}, "expired": {"bad", "clock", ""}, "failed": {"bad", "cross", ""},
	"cancelled": {"bad", "ban", ""}, "uncertain": {"wait", "unknown", ""}, "quarantined": {"bad", "warn", ""},
	"waiting": {"wait", "clock", ""}, "leased": {"busy", "sent", ""}, "read": {"good", "check", ""}, "posted": {"good", "callback", ""},
}

// stateChip shows the state of a text.
func stateChip(state string) chip {
	c, ok := states[state]
	if !ok {
		c.Icon = "dot"
	}
	c.Text = state
	return c
}

// Explains is the address of what the catalogue says about a code: of the API, or of the network as "SMPP-000B".
// "" if it says nothing.
func (f frame) Explains(code, anchor string) string {
	if f.ErrorsURL == "" || code == "" {
		return ""
	}
	if row, ok := fault.Lookup(code, anchor); ok {
		return f.ErrorsURL + strings.TrimPrefix(row.Path(), "/errors")
	}
	if row, ok := fault.Lookup("SVC0001", strings.ToLower(code)); ok {
		return f.ErrorsURL + strings.TrimPrefix(row.Path(), "/errors")
	}
	if len(fault.ByCode(code)) > 0 {
		return f.ErrorsURL + "/" + url.PathEscape(code)
	}
	return ""
}

// mark is a code with the address that explains it; Href is "" if there is none.
type mark struct{ Text, Href string }

// Mark is a code as it is shown.
func (f frame) Mark(code, anchor string) mark { return mark{code, f.Explains(code, anchor)} }
