package sms

import (
	"math/big"
	"strings"

	"longlines/message"
	"longlines/number"
)

// A centre names each segment it takes, and names it again in the receipt, but not always in the
// same spelling: other case, zeros in front, hexadecimal here and decimal there. docs/reference/
// reliability.md §3.5-4 says in which order spellings are compared.

// maxKey is the longest id looked at as a number: message_id has at most 64 octets (SMPP v3.4 §5.2.23).
const maxKey = 65

// trimID drops what pads a C-octet string.
func trimID(raw string) string { return strings.Trim(raw, "\x00 \t\r\n") }

// CanonicalID is the spelling by which a segment is stored and found: no blanks, lower case, no
// separators, no zeros in front (one digit is kept). It is valid UTF-8 without NUL, whatever the
// centre sent.
func CanonicalID(raw string) string {
	s := trimID(raw)
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c == '-' || c == ':' || c >= 'A' && c <= 'Z' || c >= 0x80 {
			s = strings.ToLower(strings.Map(func(r rune) rune {
				if r <= ' ' || r == '-' || r == ':' {
					return -1
				}
				return r
			}, s))
			break
		}
	}
	return trimZeros(s)
}

func trimZeros(s string) string {
	for len(s) > 1 && s[0] == '0' {
		s = s[1:]
	}
	return s
}

// Keys are the canonical spellings under which the segment of a receipt may be stored: as it came,
// and if it can be read as a number, the same number in the other base. At most three, the first is
// CanonicalID; none for an empty id.
func Keys(raw string) []string {
	c := CanonicalID(raw)
	if c == "" {
		return nil
	}
	keys := append(make([]string, 0, 3), c)
	for _, k := range [2]string{rebase(c, 16, 10), rebase(c, 10, 16)} {
		if k != "" && k != c {
			keys = append(keys, k)
		}
	}
	return keys
}

// rebase reads a canonical id in one base and writes it in the other; "" if it is no number. The
// precision is arbitrary: centres use ids far beyond 64 bits.
func rebase(s string, from, to int) string {
	if s == "" || len(s) > maxKey {
		return ""
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < '0' || c > '9') && (from == 10 || c < 'a' || c > 'f') {
			return ""
		}
	}
	var n big.Int
	if _, ok := n.SetString(s, from); !ok {
		return ""
	}
	return n.Text(to)
}

// Spelling is how a receipt's id relates to the one in the submit answer.
type Spelling uint8

// The spellings, in the order in which they are tried (docs/reference/reliability.md §3.5-4).
const (
	SpellingNone       Spelling = iota
	SpellingEqual               // a: the same octets
	SpellingCase                // b: other case of letters
	SpellingZeros               // c: zeros in front
	SpellingHexDec              // d: hexadecimal in the answer, decimal in the receipt
	SpellingDecHex              // d: decimal in the answer, hexadecimal in the receipt
	SpellingSeparators          // e: dashes or colons
	spellings
)

// String is the spelling in words, for the operator.
func (k Spelling) String() string {
	return [...]string{"none", "equal", "other case", "leading zeros", "hexadecimal, receipt decimal", "decimal, receipt hexadecimal", "separators"}[k]
}

// family groups the spellings that cannot contradict each other: one number is the same number with
// or without zeros in front, but "100" in hexadecimal is another message than "100" in decimal.
func (k Spelling) family() Spelling {
	if k == SpellingHexDec || k == SpellingDecHex {
		return k
	}
	return SpellingEqual
}

// equal reports whether the id of a receipt names a stored one, by one spelling.
func (k Spelling) equal(stored, receipt string) bool {
	stored, receipt = trimID(stored), trimID(receipt)
	if stored == "" || receipt == "" {
		return false
	}
	switch k {
	case SpellingEqual:
		return stored == receipt
	case SpellingCase:
		return strings.EqualFold(stored, receipt)
	case SpellingZeros:
		return strings.EqualFold(trimZeros(stored), trimZeros(receipt))
	case SpellingHexDec:
		return rebase(CanonicalID(receipt), 10, 16) == CanonicalID(stored)
	case SpellingDecHex:
		return rebase(CanonicalID(receipt), 16, 10) == CanonicalID(stored)
	case SpellingSeparators:
		return CanonicalID(stored) == CanonicalID(receipt)
	}
	return false
}

// match chooses the one segment a receipt speaks of among those that share a key with it. Two that
// fit equally well are no match: a wrong receipt is worse than a late one. locked, unless
// SpellingNone, is the family of spellings the centre is known to use.
//
// As long as that is not known, a receipt that has just come is not read in the other base: its own
// segment may be one whose answer we have not read yet, and the text before it to the same number one
// whose id is the same digits in the other base. waited says that the answer would be here by now.
func match(parts []Part, d message.DLR, locked Spelling, waited bool) (p Part, by Spelling, ambiguous bool) {
	fits := func(k Spelling, final bool, more func(Part) bool) (found int) {
		for _, c := range parts {
			if c.State.Final() == final && c.Group == d.Group && k.equal(c.Raw, d.ID) && speaksFor(d.From, c.To) && (more == nil || more(c)) {
				p = c
				found++
			}
		}
		return found
	}
	again := func(c Part) bool { return c.State == d.State && (d.Done.IsZero() || c.Done.Equal(d.Done)) }
	tried := func(k Spelling) bool {
		if locked == SpellingNone {
			return waited || k.family() == SpellingEqual
		}
		return k.family() == locked
	}
	for k := SpellingEqual; k < spellings; k++ {
		if !tried(k) {
			continue
		}
		switch fits(k, false, nil) {
		case 1:
			return p, k, false
		case 0:
			// A receipt sent again is known by the segment it has made final; it must not be taken
			// for that of a pending one whose id is the same number in the other base.
			if fits(k, true, again) == 1 {
				return p, k, false
			}
		default:
			return Part{}, SpellingNone, true
		}
	}
	// No pending segment: one that contradicts. One that says the same of another time speaks, more
	// likely, of a text whose answer we have not read yet, under an id the centre uses again: it waits.
	other := func(c Part) bool { return c.State != d.State || again(c) }
	for k := SpellingEqual; k < spellings; k++ {
		if !tried(k) {
			continue
		}
		switch fits(k, true, other) {
		case 1:
			return p, k, false
		case 0:
		default:
			return Part{}, SpellingNone, true
		}
	}
	return Part{}, SpellingNone, false
}

// speaksFor reports whether a receipt's source is the destination of a segment: the last seven digits
// or more agree, because centres drop and add prefixes. A source that is no number says nothing, and
// then the id alone decides.
func speaksFor(from number.Address, to number.MSISDN) bool {
	digits := 0
	v := from.Value()
	for i := 0; i < len(v); i++ {
		if v[i] >= '0' && v[i] <= '9' {
			digits++
		}
	}
	if digits < 7 || from.Kind() == number.KindAlphanumeric || from.Kind() == number.KindEmail {
		return true
	}
	return number.SameTail(v, string(to), 7)
}
