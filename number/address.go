package number

import (
	"fmt"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ShortCode is the address of an application inside its network: 3 to 8 digits
// ("48507"), leading zeros included. The empty ShortCode is none.
type ShortCode string

// String gives the digits: "48507".
func (c ShortCode) String() string { return string(c) }

// Short gives the form that the APIs use in lists of addresses: "short:48507"
// (docs/reference/in-app-messaging.md §3).
func (c ShortCode) Short() string {
	if c == "" {
		return ""
	}
	return "short:" + string(c)
}

// Address gives the short code as an [Address]; the zero Address if c is empty.
func (c ShortCode) Address() Address {
	if c == "" {
		return Address{}
	}
	return Address{KindShortCode, string(c)}
}

// Kind tells the sorts of address apart.
type Kind uint8

// The kinds of address.
const (
	KindNone         Kind = iota // the zero Address
	KindMSISDN                   // a subscriber's number
	KindShortCode                // an application's short code
	KindEmail                    // an e-mail address
	KindAlphanumeric             // a sender's name; nobody can answer it
)

// String names the kind in words.
func (k Kind) String() string {
	switch k {
	case KindNone:
		return "none"
	case KindMSISDN:
		return "MSISDN"
	case KindShortCode:
		return "short code"
	case KindEmail:
		return "e-mail"
	case KindAlphanumeric:
		return "alphanumeric"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Address is a party of a message, of any kind, in canonical form. Addresses may
// be compared with == and used as map keys. The zero Address is nobody.
type Address struct {
	kind  Kind
	value string // canonical, without scheme or plus
}

// Kind says which sort of address it is.
func (a Address) Kind() Kind { return a.kind }

// IsZero says whether a is the zero Address.
func (a Address) IsZero() bool { return a.kind == KindNone }

// Value gives the bare address: digits without a plus, an e-mail address, a name.
func (a Address) Value() string { return a.value }

// MSISDN gives the number if the address is one.
func (a Address) MSISDN() (MSISDN, bool) {
	if a.kind != KindMSISDN {
		return "", false
	}
	return MSISDN(a.value), true
}

// ShortCode gives the short code if the address is one.
func (a Address) ShortCode() (ShortCode, bool) {
	if a.kind != KindShortCode {
		return "", false
	}
	return ShortCode(a.value), true
}

// String gives the address as people write it, without a scheme: "+14255550100",
// "48507", "someone@example.com".
func (a Address) String() string {
	if a.kind == KindMSISDN {
		return MSISDN(a.value).String()
	}
	return a.value
}

// URI gives the address with the scheme that tells its kind: "tel:+14255550100",
// "short:48507", and "alpha:PIZZA" for a name; an e-mail address has none
// (docs/reference/in-app-messaging.md §3). [Address.UnmarshalText] reads it back.
func (a Address) URI() string {
	switch a.kind {
	case KindMSISDN:
		return MSISDN(a.value).Tel()
	case KindShortCode:
		return ShortCode(a.value).Short()
	case KindAlphanumeric:
		return "alpha:" + a.value
	}
	return a.value
}

// Masked gives the address as logs may show it: "+1425****100",
// "s***@example.com". Short codes and names are nobody's secret and stay as they
// are.
func (a Address) Masked() string {
	switch a.kind {
	case KindMSISDN:
		return MSISDN(a.value).Masked()
	case KindEmail:
		local, domain, _ := strings.Cut(a.value, "@")
		_, first := utf8.DecodeRuneInString(local)
		return local[:first] + "***@" + domain
	}
	return a.value
}

// LogValue makes log/slog show the masked form.
func (a Address) LogValue() slog.Value { return slog.StringValue(a.Masked()) }

// MarshalText gives [Address.URI], so that an Address can stand in JSON and in a
// database column.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.URI()), nil }

// UnmarshalText reads what [Address.MarshalText] wrote; empty text is the zero
// Address. It checks the form but not the numbering plan, so that a number which
// the network once used can always be read back. For what people and apps write
// use [ParseAddress].
func (a *Address) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "" {
		*a = Address{}
		return nil
	}
	if d, ok := strings.CutPrefix(s, "tel:+"); ok {
		if len(d) < minDigits || len(d) > maxDigits || !allDigits(d) {
			return errCharacter
		}
		*a = Address{KindMSISDN, d}
		return nil
	}
	if d, ok := strings.CutPrefix(s, "short:"); ok {
		if !isShortCode(d) {
			return errShortCode
		}
		*a = Address{KindShortCode, d}
		return nil
	}
	if name, ok := strings.CutPrefix(s, "alpha:"); ok {
		if !networkName(name) {
			return errAlpha
		}
		*a = Address{KindAlphanumeric, name}
		return nil
	}
	e, err := ParseEmail(s)
	if err != nil {
		return err
	}
	*a = e
	return nil
}

// ParseAddress reads whatever an app may give as a party: "tel:" and "short:"
// addresses, bare numbers in every spelling of [ParseMSISDN], e-mail addresses.
// Three to eight digits without a plus are a short code, also behind "tel:", which
// two of the kits put before everything (docs/reference/in-app-messaging.md §3).
// Names are not read here, see [ParseAlphanumeric]: a misspelled number must not
// become one.
func ParseAddress(s string) (Address, error) {
	if strings.IndexByte(s, '@') >= 0 {
		return ParseEmail(s)
	}
	if _, ok := cutScheme(s, "short:"); ok {
		c, err := ParseShortCode(s)
		return c.Address(), err
	}
	d, err := scanTel(s)
	if err != nil {
		return Address{}, err
	}
	if c, ok := d.shortCode(); ok {
		return c.Address(), nil
	}
	m, err := d.msisdn()
	return m.Address(), err
}

// ParseShortCode reads 3 to 8 digits, optionally behind "short:" or "tel:" in any
// case, over the same separators as [ParseMSISDN].
func ParseShortCode(s string) (ShortCode, error) {
	if rest, ok := cutScheme(s, "short:"); ok {
		s = rest
	}
	d, err := scanTel(s)
	if err != nil {
		return "", err
	}
	c, ok := d.shortCode()
	if !ok {
		return "", errShortCode
	}
	return c, nil
}

// shortCode gives the digits found if they can be a short code.
func (d *scan) shortCode() (ShortCode, bool) {
	if d.plus || d.n < 3 || d.n > 8 {
		return "", false
	}
	if d.broken {
		return ShortCode(d.digits[:d.n]), true
	}
	return ShortCode(d.text[d.start : d.start+d.n]), true
}

// ParseEmail reads a plain e-mail address (RFC 5321 §4.1.2, dot-string and domain
// only): no display name, no quoted local part, no address literal, at least two
// labels in the domain. Letters beyond ASCII are accepted (RFC 6531). The domain
// is put in lower case.
func ParseEmail(s string) (Address, error) {
	s = strings.Trim(s, " \t\r\n")
	local, domain, ok := strings.Cut(s, "@")
	switch {
	case !ok, !utf8.ValidString(s), len(s) > 254, // RFC 5321 §4.5.3.1.3
		local == "", len(local) > 64, // RFC 5321 §4.5.3.1.1
		local[0] == '.', local[len(local)-1] == '.', strings.Contains(local, ".."):
		return Address{}, errEmail
	}
	for _, r := range local {
		if r == ' ' || !unicode.IsGraphic(r) || strings.ContainsRune(`()<>[]:;,\"`, r) {
			return Address{}, errEmail
		}
	}
	labels := 0
	for label := range strings.SplitSeq(domain, ".") {
		labels++
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return Address{}, errEmail
		}
		for _, r := range label {
			if r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
				return Address{}, errEmail
			}
		}
	}
	if labels < 2 {
		return Address{}, errEmail
	}
	return Address{KindEmail, local + "@" + lowerASCII(domain)}, nil
}

// lowerASCII leaves letters beyond ASCII alone: changing their case could change
// the length of a label that was just measured.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// ParseAlphanumeric reads a sender's name: 1 to 11 characters (3GPP TS 23.040
// §9.1.2.5), at least one of them a letter, no blank at either end. Only the
// characters are taken that ASCII and the GSM alphabet share in one septet, and of
// these neither '@' nor ':', which would make a name look like another kind of
// address.
func ParseAlphanumeric(s string) (Address, error) {
	if len(s) < 1 || len(s) > 11 || s[0] == ' ' || s[len(s)-1] == ' ' {
		return Address{}, errAlpha
	}
	letter := false
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letter = true
		case c < ' ', c > '~', strings.IndexByte("@:[\\]^`{|}~", c) >= 0:
			return Address{}, errAlpha
		}
	}
	if !letter {
		return Address{}, errAlpha
	}
	return Address{KindAlphanumeric, s}, nil
}

// SameTail says whether two addresses end in the same n digits; everything that is
// not a digit is skipped. Fewer than 7 for n means 7. It is how a receipt is known
// to speak of a destination although the centre dropped or added a prefix
// (docs/reference/reliability.md §3.5). Of addresses with fewer than n digits, such
// as short codes, all digits must agree.
func SameTail(a, b string, n int) bool {
	n = max(n, 7)
	i, j := len(a), len(b)
	for k := 0; k < n; k++ {
		i, j = digitBefore(a, i), digitBefore(b, j)
		if i < 0 || j < 0 {
			return i < 0 && j < 0 && k > 0
		}
		if a[i] != b[j] {
			return false
		}
	}
	return true
}

// digitBefore gives the index of the last digit of s before end, -1 if none.
func digitBefore(s string, end int) int {
	for i := end - 1; i >= 0; i-- {
		if s[i] >= '0' && s[i] <= '9' {
			return i
		}
	}
	return -1
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func isShortCode(s string) bool { return len(s) >= 3 && len(s) <= 8 && allDigits(s) }
