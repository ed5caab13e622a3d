package route

import (
	"fmt"
	"strings"
)

// FieldError says which setting of a link or a rule is wrong.
type FieldError struct {
	Field  string // as in JSON: "window"
	Reason string // "must be from 1 to 10000"
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

// Limits of a link's settings. The lengths are those of the bind PDU (SMPP v3.4 §4.1), one less for
// the NUL that ends each.
const (
	maxName       = 40
	maxSystemID   = 15
	maxPassword   = 8
	maxSystemType = 12
	maxWindow     = 10_000
	maxRate       = 100_000
)

// Defaulted is the link with its defaults filled in: kind "smpp", network live, port 2775, a
// transceiver, a window of 10, a group of its own.
func (l Link) Defaulted() Link {
	if l.Kind == "" {
		l.Kind = "smpp"
	}
	if l.Network == "" {
		l.Network = NetworkLive
	}
	if l.Port == 0 {
		l.Port = 2775
	}
	if l.Bind == "" {
		l.Bind = "transceiver"
	}
	if l.Window == 0 {
		l.Window = 10
	}
	if l.Group == "" {
		l.Group = l.Name
	}
	return l
}

// Check returns a *FieldError for the first setting that cannot be.
func (l Link) Check() error {
	bad := func(field, format string, args ...any) error { return &FieldError{field, fmt.Sprintf(format, args...)} }
	switch {
	case !plainName(l.Name):
		return bad("name", "must be 1 to %d letters, digits, dots, dashes and underscores", maxName)
	case l.Kind != "smpp":
		return bad("kind", "%q is not smpp", l.Kind)
	case l.Network != NetworkLive && l.Network != NetworkVirtual:
		return bad("network", "%q is not live or virtual", l.Network)
	case l.Host == "" || len(l.Host) > 253 || strings.ContainsAny(l.Host, " /\x00"):
		return bad("host", "must be a host name or an address")
	case l.Port < 1 || l.Port > 65535:
		return bad("port", "must be from 1 to 65535")
	case l.SystemID == "" || !cOctets(l.SystemID, maxSystemID):
		return bad("system_id", "must be 1 to %d ASCII characters", maxSystemID)
	case !cOctets(l.Password, maxPassword):
		return bad("password", "must be at most %d ASCII characters, the most that SMPP carries", maxPassword)
	case !cOctets(l.SystemType, maxSystemType):
		return bad("system_type", "must be at most %d ASCII characters", maxSystemType)
	case l.Window < 1 || l.Window > maxWindow:
		return bad("window", "must be from 1 to %d", maxWindow)
	case !(l.Rate >= 0 && l.Rate <= maxRate):
		return bad("rate", "must be from 0 (no limit) to %d a second", maxRate)
	case l.Group == "" || len(l.Group) > maxName:
		return bad("group", "must be 1 to %d characters", maxName)
	}
	switch l.Bind {
	case "transceiver", "transmitter", "receiver", "pair":
	default:
		return bad("bind", "%q is not transceiver, transmitter, receiver or pair", l.Bind)
	}
	return l.Quirks.check(bad)
}

func (q Quirks) check(bad func(field, format string, args ...any) error) error {
	switch q.IDs {
	case "", "hex-dec", "dec-hex":
	default:
		return bad("quirks.ids", "%q is not hex-dec or dec-hex", q.IDs)
	}
	switch q.Alphabet {
	case "", "gsm", "latin1":
	default:
		return bad("quirks.alphabet", "%q is not gsm or latin1", q.Alphabet)
	}
	if !cOctets(q.ServiceType, 5) {
		return bad("quirks.service_type", "must be at most 5 ASCII characters")
	}
	for field, p := range map[string]*uint8{"source_ton": q.SourceTON, "dest_ton": q.DestTON} {
		if p != nil && *p > 6 {
			return bad("quirks."+field, "must be from 0 to 6")
		}
	}
	for field, p := range map[string]*uint8{"source_npi": q.SourceNPI, "dest_npi": q.DestNPI} {
		if p != nil && *p > 18 {
			return bad("quirks."+field, "must be from 0 to 18")
		}
	}
	return nil
}

// Normal is the rule with its prefix in the form it is kept in, "+" and digits, or a *FieldError.
func (r Rule) Normal() (Rule, error) {
	digits := strings.TrimPrefix(strings.TrimSpace(r.Prefix), "+")
	if r.Prefix == "" || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
		return r, &FieldError{"prefix", "must be + and up to 15 digits; + alone is every number"}
	}
	r.Prefix = "+" + digits
	switch {
	case r.Link == "":
		return r, &FieldError{"link", "is missing"}
	case r.Fallback == r.Link:
		return r, &FieldError{"fallback", "is the link itself"}
	}
	return r, nil
}

// plainName reports whether a name can stand in a path, a metric's label and a log without quoting.
func plainName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '-' || c == '_' || c == '.'):
		default:
			return false
		}
	}
	return true
}

// cOctets reports whether s can be a C-octet string of n characters (SMPP v3.4 §3.1).
func cOctets(s string, n int) bool {
	if len(s) > n {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
