package gsm

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Alphabet is a way to write text in user data.
type Alphabet uint8

// The alphabets. Only [GSM7], [Latin1] and [UCS2] can be written.
const (
	Auto     Alphabet = iota // let Split choose: GSM7 where it suffices, else UCS2
	GSM7                     // 7-bit default alphabet and extension, TS 23.038 §6.2.1
	Latin1                   // ISO 8859-1
	UCS2                     // UTF-16, most significant octet first
	ASCII                    // IA5
	Cyrillic                 // ISO 8859-5
	Hebrew                   // ISO 8859-8
	Binary                   // octets that are no text
	Other                    // an alphabet we cannot read
)

var alphabetNames = [...]string{Auto: "auto", GSM7: "GSM 7-bit", Latin1: "Latin-1", UCS2: "UCS-2", ASCII: "ASCII",
	Cyrillic: "Cyrillic", Hebrew: "Hebrew", Binary: "binary", Other: "other"}

// String names the alphabet in words.
func (a Alphabet) String() string {
	if int(a) < len(alphabetNames) {
		return alphabetNames[a]
	}
	return fmt.Sprintf("Alphabet(%d)", uint8(a))
}

// esc leads into the extension table (TS 23.038 §6.2.1.1).
const esc = 0x1B

// basic is the GSM 7-bit default alphabet, TS 23.038 §6.2.1. The escape has no
// character of its own.
var basic = [128]rune{
	'@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', // 0x00
	'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', utf8.RuneError, 'Æ', 'æ', 'ß', 'É', // 0x10
	' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/', // 0x20
	'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', // 0x30
	'¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', // 0x40
	'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', // 0x50
	'¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', // 0x60
	'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à', // 0x70
}

// extension is the extension table, TS 23.038 §6.2.1.1. Zero is not assigned. A
// second escape is reserved for yet another table and shown as a blank.
var extension = [128]rune{
	0x0A: '\f', 0x14: '^', esc: ' ', 0x28: '{', 0x29: '}', 0x2F: '\\',
	0x3C: '[', 0x3D: '~', 0x3E: ']', 0x40: '|', 0x65: '€',
}

// A septet code as the tables below hold it: the septet, with extended set if an
// escape goes before it, or notGSM.
const (
	extended = 0x80
	notGSM   = 0xFF
)

// latin gives the septet code of every character below U+0100. It is derived from
// the two tables above, so that the alphabet is written down once.
var latin = func() (t [256]uint8) {
	for i := range t {
		t[i] = notGSM
	}
	for code, r := range basic {
		if r < 256 {
			t[r] = uint8(code)
		}
	}
	for code, r := range extension {
		if r > 0 && r < 256 && code != esc {
			t[r] = extended | uint8(code)
		}
	}
	return t
}()

// septet gives the septet code of a character.
func septet(r rune) uint8 {
	if r < 256 {
		return latin[r]
	}
	switch r {
	case 'Δ':
		return 0x10
	case 'Φ':
		return 0x12
	case 'Γ':
		return 0x13
	case 'Λ':
		return 0x14
	case 'Ω':
		return 0x15
	case 'Π':
		return 0x16
	case 'Ψ':
		return 0x17
	case 'Σ':
		return 0x18
	case 'Θ':
		return 0x19
	case 'Ξ':
		return 0x1A
	case '€':
		return extended | 0x65
	}
	return notGSM
}

// width is the number of units a character takes in an alphabet: septets, octets,
// or UTF-16 units. Zero means that the alphabet has no such character.
func (a Alphabet) width(r rune) int {
	switch a {
	case GSM7:
		switch c := septet(r); {
		case c == notGSM:
			return 0
		case c&extended != 0:
			return 2
		}
		return 1
	case Latin1:
		if r > 0xFF {
			return 0
		}
		return 1
	case UCS2:
		if r > 0xFFFF {
			return 2
		}
		return 1
	}
	return 0
}

// Encodable7 says whether the GSM 7-bit alphabet with its extension has every
// character of text.
func Encodable7(text string) bool {
	for _, r := range text {
		if septet(r) == notGSM {
			return false
		}
	}
	return true
}

// Append writes text as user data behind dst: unpacked septets, Latin-1 octets, or
// UTF-16. It says whether the alphabet had every character; '?' stands for those
// it had not. An alphabet that cannot be written gives dst and false.
func (a Alphabet) Append(dst []byte, text string) ([]byte, bool) {
	all := true
	switch a {
	case GSM7:
		for _, r := range text {
			c := septet(r)
			switch {
			case c == notGSM:
				all = false
				dst = append(dst, '?')
			case c&extended != 0:
				dst = append(dst, esc, c&^extended)
			default:
				dst = append(dst, c)
			}
		}
	case Latin1:
		for _, r := range text {
			if r > 0xFF {
				all = false
				r = '?'
			}
			dst = append(dst, byte(r))
		}
	case UCS2:
		for _, r := range text {
			if r > 0xFFFF {
				high, low := utf16.EncodeRune(r)
				dst = append(dst, byte(high>>8), byte(high), byte(low>>8), byte(low))
			} else {
				dst = append(dst, byte(r>>8), byte(r))
			}
		}
	default:
		return dst, false
	}
	return dst, all
}

// Decode reads user data, without a header and with unpacked septets, as text.
// Whatever the alphabet does not define becomes U+FFFD. The alphabets that are no
// text, Binary and Other, keep what is printable ASCII. Auto reads GSM7.
func (a Alphabet) Decode(ud []byte) string {
	if a == UCS2 {
		return decodeUCS2(ud)
	}
	if a == Auto || a == GSM7 {
		return decodeGSM7(ud)
	}
	plain := true
	for _, c := range ud {
		if c >= utf8.RuneSelf {
			plain = false
			break
		}
	}
	if plain && a != Binary && a != Other {
		return string(ud)
	}
	var b strings.Builder
	b.Grow(len(ud) + len(ud)/2)
	for _, c := range ud {
		b.WriteRune(a.octet(c))
	}
	return b.String()
}

// octet gives the character of one octet in an octet alphabet.
func (a Alphabet) octet(c byte) rune {
	switch a {
	case Latin1:
		return rune(c)
	case Cyrillic:
		switch {
		case c <= 0xA0, c == 0xAD:
			return rune(c)
		case c == 0xF0:
			return '№'
		case c == 0xFD:
			return '§'
		}
		return rune(c) - 0xA0 + 0x0400
	case Hebrew:
		switch {
		case c >= 0xE0 && c <= 0xFA:
			return rune(c) - 0xE0 + 'א'
		case c == 0xAA:
			return '×'
		case c == 0xBA:
			return '÷'
		case c == 0xDF:
			return '‗'
		case c == 0xFD:
			return '\u200E'
		case c == 0xFE:
			return '\u200F'
		case c <= 0xBE && c != 0xA1:
			return rune(c)
		}
		return utf8.RuneError
	case ASCII:
		if c < utf8.RuneSelf {
			return rune(c)
		}
		return utf8.RuneError
	}
	if c >= ' ' && c < 0x7F || c == '\n' || c == '\r' || c == '\t' {
		return rune(c)
	}
	return utf8.RuneError
}

// decodeGSM7 reads unpacked septets. A code that the extension table lacks is read
// from the default alphabet, as TS 23.038 §6.2.1.1 wants; an escape at the end
// is undefined.
func decodeGSM7(septets []byte) string {
	plain := true
	for _, c := range septets {
		if c >= 128 || basic[c] != rune(c) {
			plain = false
			break
		}
	}
	if plain {
		return string(septets)
	}
	var b strings.Builder
	b.Grow(len(septets) + len(septets)/2)
	for i := 0; i < len(septets); i++ {
		c := septets[i]
		switch {
		case c >= 128:
			b.WriteRune(utf8.RuneError)
		case c == esc && i+1 < len(septets) && septets[i+1] < 128:
			i++
			r := extension[septets[i]]
			if r == 0 {
				r = basic[septets[i]]
			}
			b.WriteRune(r)
		default:
			b.WriteRune(basic[c])
		}
	}
	return b.String()
}

// decodeUCS2 reads UTF-16, most significant octet first. There is no byte order
// mark in a short message; U+FEFF is a character like others.
func decodeUCS2(ud []byte) string {
	var b strings.Builder
	b.Grow(len(ud) + len(ud)/2)
	for i := 0; i < len(ud); i += 2 {
		if i+1 == len(ud) {
			b.WriteRune(utf8.RuneError)
			break
		}
		r := rune(ud[i])<<8 | rune(ud[i+1])
		if utf16.IsSurrogate(r) {
			low := rune(0)
			if i+3 < len(ud) {
				low = rune(ud[i+2])<<8 | rune(ud[i+3])
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				i += 2
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}
