package number

import (
	"errors"
	"log/slog"
	"strings"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

// The errors of this package carry no part of the address, so that they may be
// logged. Callers only tell an error from none.
var (
	errEmpty     = errors.New("number: empty address")
	errLong      = errors.New("number: too long")
	errShort     = errors.New("number: too few digits")
	errCharacter = errors.New("number: a character that belongs in no number")
	errNANP      = errors.New("number: not a number of the North American plan")
	errForeign   = errors.New("number: not a number of the country it names")
	errContext   = errors.New("number: a local number of another country")
	errShortCode = errors.New("number: not a short code of 3 to 8 digits")
	errEmail     = errors.New("number: not an e-mail address")
	errAlpha     = errors.New("number: not a sender name of 1 to 11 characters")
)

const (
	maxDigits = 15  // ITU-T E.164 §6.2.1
	minDigits = 7   // country code and number of the smallest plans
	maxInput  = 128 // octets of any spelling that is looked at
	nanpLen   = 11  // country code 1, NPA, NXX, line
)

// MSISDN is the number of a subscriber: 7 to 15 digits of E.164, country code
// first, without the plus ("14255550100"). The empty MSISDN is no number.
type MSISDN string

// String gives the number with its plus: "+14255550100". It is the form shown to
// people and in answers.
func (m MSISDN) String() string {
	if m == "" {
		return ""
	}
	return "+" + string(m)
}

// Tel gives the number as a URI (RFC 3966 §3): "tel:+14255550100".
func (m MSISDN) Tel() string {
	if m == "" {
		return ""
	}
	return "tel:+" + string(m)
}

// Masked gives the number as logs may show it, with at least four digits hidden:
// "+1425****100".
func (m MSISDN) Masked() string {
	if m == "" {
		return ""
	}
	tail := min(3, len(m))
	head := max(0, min(4, len(m)-tail-4))
	return "+" + string(m[:head]) + strings.Repeat("*", len(m)-head-tail) + string(m[len(m)-tail:])
}

// LogValue makes log/slog show the masked form.
func (m MSISDN) LogValue() slog.Value { return slog.StringValue(m.Masked()) }

// IsNANP says whether the number belongs to the North American Numbering Plan,
// country code 1.
func (m MSISDN) IsNANP() bool { return len(m) == nanpLen && m[0] == '1' }

// Address gives the number as an [Address]; the zero Address if m is empty.
func (m MSISDN) Address() Address {
	if m == "" {
		return Address{}
	}
	return Address{KindMSISDN, string(m)}
}

// ParseMSISDN reads a subscriber's number in any of the spellings named in the
// package documentation.
//
// Ten digits are a home number. A blank in front stands for a plus that a form
// decoder ate (docs/reference/sms.md §6), but only where the digits are not a home
// number already: in "a, b" lists a blank is just a blank.
//
// No allocation is made when the digits, 1 and ten of them, stand unbroken in s;
// the result then shares the memory of s.
func ParseMSISDN(s string) (MSISDN, error) {
	d, err := scanTel(s)
	if err != nil {
		return "", err
	}
	return d.msisdn()
}

// scan is what was found in a spelling: its digits and what stood before them.
type scan struct {
	text   string // what was scanned, to take an unbroken number from
	start  int    // of the first digit in text
	broken bool   // separators stand between the digits
	plus   bool   // a '+' stands before them
	blank  bool   // a blank stands before them, and no '+'
	n      int
	digits [maxDigits]byte
}

// scanTel drops the scheme and the parameters and scans the rest.
func scanTel(s string) (scan, error) {
	if len(s) > maxInput {
		return scan{}, errLong
	}
	if rest, ok := cutScheme(s, "tel:"); ok {
		s = rest
	}
	var params string
	if i := strings.IndexByte(s, ';'); i >= 0 {
		s, params = s[:i], s[i:]
	}
	d, err := scanDigits(s)
	if err == nil && params != "" && !d.plus && foreignContext(params) {
		return scan{}, errContext
	}
	return d, err
}

// scanDigits collects the digits of s over the visual separators of RFC 3966 §3,
// blanks, and what word processors and address books put in their place.
func scanDigits(s string) (scan, error) {
	d := scan{text: s}
	if len(s) > maxInput {
		return d, errLong
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			if d.n == maxDigits {
				return d, errLong
			}
			if d.n == 0 {
				d.start = i
			}
			d.broken = d.broken || i != d.start+d.n
			d.digits[d.n] = c
			d.n++
		case c == '+':
			if d.n > 0 || d.plus {
				return d, errCharacter
			}
			d.plus, d.blank = true, false
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			d.blank = d.blank || d.n == 0 && !d.plus
		case c == '-' || c == '.' || c == '(' || c == ')':
		case c < utf8.RuneSelf:
			return d, errCharacter
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			if !separator(r) {
				return d, errCharacter
			}
			i += size - 1
		}
	}
	return d, nil
}

// separator accepts the non-ASCII marks that come along when a number is copied:
// the no-break blanks, the dashes, and the invisible marks of text direction.
func separator(r rune) bool {
	switch {
	case r == 0x00A0, r == 0x2007, r == 0x202F, r == 0x2212,
		r >= 0x2010 && r <= 0x2015,
		r >= 0x200B && r <= 0x200F,
		r >= 0x202A && r <= 0x202E,
		r >= 0x2066 && r <= 0x2069,
		r == 0x2060, r == 0xFEFF:
		return true
	}
	return false
}

// cutScheme removes blanks and scheme, in any case, from the front of s. Without
// the scheme the blanks stay: they may stand for a plus.
func cutScheme(s, scheme string) (string, bool) {
	t := strings.TrimLeft(s, " \t\r\n")
	if len(t) >= len(scheme) && strings.EqualFold(t[:len(scheme)], scheme) {
		return t[len(scheme):], true
	}
	return s, false
}

// foreignContext says whether the parameters of a local number place it in
// another country (RFC 3966 §5.1.5). To drop such a context would turn the number
// into that of a stranger at home.
func foreignContext(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(name, "phone-context") && strings.HasPrefix(value, "+") && !strings.HasPrefix(value, "+1") {
			return true
		}
	}
	return false
}

// msisdn applies the numbering plans to the digits found.
func (d *scan) msisdn() (MSISDN, error) {
	digits := d.digits[:d.n]
	switch {
	case d.n == 0:
		return "", errEmpty
	case d.n == nanpLen && digits[0] == '1':
		if !nanp(digits[1:]) {
			return "", errNANP
		}
		if d.broken {
			return MSISDN(digits), nil
		}
		return MSISDN(d.text[d.start : d.start+d.n]), nil
	case !d.plus && d.n == nanpLen-1 && nanp(digits):
		return homeMSISDN(digits), nil
	case (d.plus || d.blank) && digits[0] != '1':
		return foreignMSISDN(digits)
	case d.n < nanpLen-1:
		return "", errShort
	case d.n > nanpLen:
		return "", errLong
	}
	return "", errNANP
}

// homeMSISDN puts the country code before the ten digits of a home number.
func homeMSISDN(digits []byte) MSISDN {
	var b [nanpLen]byte
	b[0] = '1'
	copy(b[1:], digits)
	return MSISDN(b[:])
}

// nanp says whether ten digits follow the pattern of the North American plan: an
// area code [2-9]XX other than the service codes N11, and an exchange [2-9]XX.
func nanp(d []byte) bool {
	return d[0] >= '2' && d[0] <= '9' && (d[1] != '1' || d[2] != '1') && d[3] >= '2' && d[3] <= '9'
}

// foreignMSISDN checks the number of another country. Only country code and
// length are checked: what is assigned inside a country changes faster than any
// table of it. The trunk 0 of "+44 (0)20 …" is dropped on the way; what is left
// must stand by itself.
func foreignMSISDN(digits []byte) (MSISDN, error) {
	if len(digits) < minDigits {
		return "", errShort
	}
	m := e164(string(digits))
	if m != string(digits) && e164(m) != m {
		m = ""
	}
	if m == "" {
		return "", errForeign
	}
	return MSISDN(m), nil
}

// e164 gives the international number in digits without its trunk prefix, or ""
// if no country has numbers like it.
func e164(digits string) string {
	if digits == "" || digits[0] == '0' {
		return ""
	}
	n, err := phonenumbers.Parse("+"+digits, "ZZ")
	if err != nil || phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE {
		return ""
	}
	m := strings.TrimPrefix(phonenumbers.Format(n, phonenumbers.E164), "+")
	if len(m) < minDigits || len(m) > maxDigits {
		return ""
	}
	return m
}
