package number

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// TON is the type of number that stands beside an SMPP address (SMPP v3.4 §5.2.5).
type TON uint8

// Types of number, SMPP v3.4 §5.2.5.
const (
	TONUnknown          TON = 0
	TONInternational    TON = 1
	TONNational         TON = 2
	TONNetworkSpecific  TON = 3
	TONSubscriberNumber TON = 4
	TONAlphanumeric     TON = 5
	TONAbbreviated      TON = 6
)

var tonNames = [...]string{
	TONUnknown:          "unknown",
	TONInternational:    "international",
	TONNational:         "national",
	TONNetworkSpecific:  "network specific",
	TONSubscriberNumber: "subscriber number",
	TONAlphanumeric:     "alphanumeric",
	TONAbbreviated:      "abbreviated",
}

// String gives the name in the standard.
func (t TON) String() string {
	if int(t) < len(tonNames) {
		return tonNames[t]
	}
	return fmt.Sprintf("TON(%d)", uint8(t))
}

// NPI is the numbering plan indicator beside an SMPP address (SMPP v3.4 §5.2.6).
type NPI uint8

// Numbering plans, SMPP v3.4 §5.2.6.
const (
	NPIUnknown     NPI = 0
	NPIISDN        NPI = 1 // E.163 and E.164
	NPIData        NPI = 3 // X.121
	NPITelex       NPI = 4 // F.69
	NPILandMobile  NPI = 6 // E.212
	NPINational    NPI = 8
	NPIPrivate     NPI = 9
	NPIERMES       NPI = 10 // the pager network
	NPIInternet    NPI = 14 // IP
	NPIWAPClientID NPI = 18 // assigned by the WAP Forum
)

// String gives the name in the standard.
func (n NPI) String() string {
	switch n {
	case NPIUnknown:
		return "unknown"
	case NPIISDN:
		return "ISDN"
	case NPIData:
		return "data"
	case NPITelex:
		return "telex"
	case NPILandMobile:
		return "land mobile"
	case NPINational:
		return "national"
	case NPIPrivate:
		return "private"
	case NPIERMES:
		return "ERMES"
	case NPIInternet:
		return "Internet"
	case NPIWAPClientID:
		return "WAP client id"
	}
	return fmt.Sprintf("NPI(%d)", uint8(n))
}

// SMPP gives the three fields in which an SMPP PDU carries a. The profile is the
// one that message centres take most widely:
//
//	MSISDN        1 international     1 ISDN      14255550100
//	short code    3 network specific  0 unknown   48507
//	alphanumeric  5 alphanumeric      0 unknown   PIZZA
//
// An e-mail address cannot be carried; it and the zero Address give the empty
// address 0, 0, "", which in SMPP means that the field is not set. A centre that
// wants other labels gets them from the settings of its link.
func SMPP(a Address) (TON, NPI, string) {
	switch a.kind {
	case KindMSISDN:
		return TONInternational, NPIISDN, a.value
	case KindShortCode:
		return TONNetworkSpecific, NPIUnknown, a.value
	case KindAlphanumeric:
		return TONAlphanumeric, NPIUnknown, a.value
	}
	return TONUnknown, NPIUnknown, ""
}

// FromSMPP reads the address of a PDU that came from a peer. Peers label their
// addresses carelessly, so the digits decide and the labels help:
//
//   - 3 to 8 digits are a short code under any TON, even behind a plus; 7 or 8
//     digits are a number only if labelled international and possible as one.
//   - Ten digits of a home number get their country code, unless they are labelled
//     international and can be that too.
//   - Other digits are taken as an international number with or without a plus;
//     the prefixes 00 and 011 are dropped.
//   - Anything with letters is a name, of any length that SMPP carries. An address
//     that is not UTF-8 is read as Latin-1.
//
// The npi is not looked at. An error means that the address is empty, over-long,
// or nothing of the above; the result then is the zero Address.
func FromSMPP(ton TON, npi NPI, addr string) (Address, error) {
	addr = strings.Trim(addr, " \x00")
	if addr == "" {
		return Address{}, errEmpty
	}
	// A brand may look like a punctuated number: "7-11".
	if ton == TONAlphanumeric && strings.Trim(addr, "+0123456789") != "" {
		return nameFromSMPP(addr)
	}
	d, err := scanDigits(addr)
	if err == errCharacter || err == nil && d.n == 0 {
		return nameFromSMPP(addr)
	}
	if err != nil {
		return Address{}, err
	}
	return d.fromSMPP(d.plus || ton == TONInternational)
}

// fromSMPP applies the rules of [FromSMPP] to digits; international says that
// they were labelled so, by TON or plus.
func (d *scan) fromSMPP(international bool) (Address, error) {
	digits := d.digits[:d.n]
	switch {
	case len(digits) > 11 && string(digits[:3]) == "011":
		digits, international = digits[3:], true
	case len(digits) > 10 && string(digits[:2]) == "00":
		digits, international = digits[2:], true
	}
	switch n := len(digits); {
	case n < 3:
		return Address{}, errShort
	case n < minDigits, n <= 8 && !(international && e164(string(digits)) != ""):
		return ShortCode(digits).Address(), nil
	case n == nanpLen-1 && nanp(digits) && !(international && e164(string(digits)) != ""):
		return homeMSISDN(digits).Address(), nil
	case digits[0] == '0':
		return Address{}, errCharacter // no country code begins with 0
	}
	return MSISDN(digits).Address(), nil
}

// nameFromSMPP takes an alphanumeric address as the network sent it.
func nameFromSMPP(addr string) (Address, error) {
	if !utf8.ValidString(addr) {
		runes := make([]rune, len(addr))
		for i := range len(addr) {
			runes[i] = rune(addr[i])
		}
		addr = string(runes)
	}
	if !networkName(addr) {
		return Address{}, errAlpha
	}
	return Address{KindAlphanumeric, addr}, nil
}

// networkName says whether a name from the network can be kept: at most the 64
// octets that data_sm allows (SMPP v3.4 §4.7.1), and nothing that could forge a
// line of a log.
func networkName(s string) bool {
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > 64 {
		return false
	}
	for _, r := range s {
		if !unicode.IsGraphic(r) {
			return false
		}
	}
	return true
}
