package number_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	. "longlines/number"
)

func TestParseMSISDN(t *testing.T) {
	const home = MSISDN("14255550100")
	tests := []struct {
		name string
		in   string
		want MSISDN // empty: an error
	}{
		{"ten digits are a home number", "4255550100", home},
		{"one and ten digits", "14255550100", home},
		{"plus one and ten digits", "+14255550100", home},
		{"tel and ten digits", "tel:4255550100", home},
		{"tel and eleven digits", "tel:14255550100", home},
		{"tel and plus", "tel:+14255550100", home},
		{"the scheme in capitals", "TEL:+14255550100", home},
		{"the scheme in mixed case", "Tel:4255550100", home},
		{"dashes", "425-555-0100", home},
		{"dashes after the country code", "tel:+1-425-555-0100", home},
		{"dots", "425.555.0100", home},
		{"parentheses and blanks", "(425) 555 0100", home},
		{"a plus inside parentheses", "(+1) 425 555 0100", home},
		{"a blank where a form had a plus", "tel: 14255550100", home},
		{"a blank without the scheme", " 14255550100", home},
		{"a blank before ten digits is only a blank", "tel: 4255550100", home},
		{"blanks and line breaks around", "\n  tel:+14255550100 \r\n", home},
		{"parameters are dropped", "tel:+1-425-555-0100;ext=7;isub=1", home},
		{"the home context is dropped", "tel:4255550100;phone-context=+1", home},
		{"a domain as context is dropped", "tel:4255550100;phone-context=example.com", home},
		{"no-break blanks and dashes of a word processor", "425\u00a0555\u20110100", home},
		{"marks of text direction", "\u202a+14255550100\u202c", home},
		{"fiction in another area code", "tel:2125550199", "12125550199"},
		{"an area code not assigned today", "2345550142", "12345550142"},
		{"toll-free", "1-800-555-0199", "18005550199"},

		{"a British number", "+447911123456", "447911123456"},
		{"its trunk zero is dropped", "tel:+44 (0)7911 123456", "447911123456"},
		{"a British number whose plus became a blank", "tel: 447911123456", "447911123456"},
		{"a German number of full length", "+4915123456789", "4915123456789"},
		{"a Norwegian number with a plus", "+4740612345", "4740612345"},
		{"an Italian number keeps its zero", "+390612345678", "390612345678"},

		{"nothing", "", ""},
		{"only the scheme", "tel:", ""},
		{"only a plus", "+", ""},
		{"only separators", "()- .", ""},
		{"a short code", "48507", ""},
		{"seven digits", "555-0100", ""},
		{"nine digits", "425555010", ""},
		{"twelve digits without a plus", "447911123456", ""},
		{"one digit too many", "42555501000", ""},
		{"one digit too many after plus one", "+142555501000", ""},
		{"one digit short after plus one", "+1425555010", ""},
		{"sixteen digits", "+1425555010012345", ""},
		{"an area code that begins with 1", "1255550100", ""},
		{"an area code that begins with 0", "+10255550100", ""},
		{"a service code as area code", "+19115550100", ""},
		{"an exchange that begins with 0", "425-055-0100", ""},
		{"an exchange that begins with 1", "14251550100", ""},
		{"letters", "1-800-FLOWERS", ""},
		{"an extension in words", "4255550100 x7", ""},
		{"two pluses", "++14255550100", ""},
		{"a plus in the middle", "1425+5550100", ""},
		{"e-mail", "someone@example.com", ""},
		{"a short: address", "short:48507", ""},
		{"a list", "4255550100,4255550101", ""},
		{"a local number of another country", "tel:4255550100;phone-context=+44", ""},
		{"a country that does not exist", "+9991234567", ""},
		{"too short for its country", "+447911", ""},
		{"too long for its country", "+44791112345678", ""},
		{"digits of another script", "٤٢٥٥٥٥٠١٠٠", ""},
		{"a NUL", "4255550100\x00", ""},
		{"a broken UTF-8 octet", "4255550100\xff", ""},
		{"an endless row of separators", strings.Repeat("-", 4096) + "4255550100", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseMSISDN(tt.in)
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("ParseMSISDN(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
			}
			if err != nil && tt.in != "" && strings.Contains(err.Error(), tt.in) {
				t.Errorf("the error %q shows the address", err)
			}
		})
	}
}

func TestFictionIsValidInEveryAreaCode(t *testing.T) {
	for npa := 200; npa <= 999; npa++ {
		if npa%100 == 11 {
			continue
		}
		for line := 100; line <= 199; line++ {
			s := fmt.Sprintf("%03d5550%03d", npa, line)
			if m, err := ParseMSISDN(s); err != nil || string(m) != "1"+s {
				t.Fatalf("ParseMSISDN(%q) = %q, %v", s, m, err)
			}
		}
	}
}

func TestParseMSISDNDoesNotAllocateForAnUnbrokenNumber(t *testing.T) {
	n := testing.AllocsPerRun(100, func() {
		if _, err := ParseMSISDN("tel:+14255550100"); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestMSISDNForms(t *testing.T) {
	tests := []struct {
		m                MSISDN
		str, tel, masked string
		nanp             bool
	}{
		{"14255550100", "+14255550100", "tel:+14255550100", "+1425****100", true},
		{"447911123456", "+447911123456", "tel:+447911123456", "+4479*****456", false},
		{"123456789012345", "+123456789012345", "tel:+123456789012345", "+1234********345", false},
		{"29012345", "+29012345", "tel:+29012345", "+2****345", false},
		{"2901234", "+2901234", "tel:+2901234", "+****234", false},
		{"", "", "", "", false},
	}
	for _, tt := range tests {
		if got := tt.m.String(); got != tt.str {
			t.Errorf("String of %q = %q, want %q", string(tt.m), got, tt.str)
		}
		if got := tt.m.Tel(); got != tt.tel {
			t.Errorf("Tel of %q = %q, want %q", string(tt.m), got, tt.tel)
		}
		if got := tt.m.Masked(); got != tt.masked {
			t.Errorf("Masked of %q = %q, want %q", string(tt.m), got, tt.masked)
		}
		if got := tt.m.IsNANP(); got != tt.nanp {
			t.Errorf("IsNANP of %q = %v", string(tt.m), got)
		}
	}
}

func TestParseAddress(t *testing.T) {
	tests := []struct {
		name, in string
		kind     Kind
		uri      string // empty: an error
	}{
		{"a number", "tel:+14255550100", KindMSISDN, "tel:+14255550100"},
		{"a bare number", "(425) 555-0100", KindMSISDN, "tel:+14255550100"},
		{"a number of another country", "+44 7911 123456", KindMSISDN, "tel:+447911123456"},
		{"a short code", "48507", KindShortCode, "short:48507"},
		{"a short code with its scheme", "short:12345678", KindShortCode, "short:12345678"},
		{"the scheme in capitals", "SHORT:123", KindShortCode, "short:123"},
		{"a short code behind tel", "tel:12345", KindShortCode, "short:12345"},
		{"a short code in a list", " 12345 ", KindShortCode, "short:12345"},
		{"a short code with a dash", "485-07", KindShortCode, "short:48507"},
		{"leading zeros are kept", "short:00123", KindShortCode, "short:00123"},
		{"e-mail", "someone@example.com", KindEmail, "someone@example.com"},
		{"e-mail with a domain in capitals", " Some.One+x@Example.COM", KindEmail, "Some.One+x@example.com"},
		{"e-mail with letters beyond ASCII", "josé@exämple.com", KindEmail, "josé@exämple.com"},
		{"e-mail of digits", "4255550100@example.com", KindEmail, "4255550100@example.com"},

		{"nothing", "", KindNone, ""},
		{"two digits", "12", KindNone, ""},
		{"two digits behind short", "short:12", KindNone, ""},
		{"nine digits behind short", "short:123456789", KindNone, ""},
		{"a number behind short", "short:4255550100", KindNone, ""},
		{"a short code with a plus", "+48507", KindNone, ""},
		{"nine digits", "123456789", KindNone, ""},
		{"a name", "PIZZA", KindNone, ""},
		{"a list", "tel:4255550100,tel:4255550101", KindNone, ""},
		{"an e-mail address without a local part", "@example.com", KindNone, ""},
		{"an e-mail address without a domain", "someone@", KindNone, ""},
		{"an e-mail address with a bare host", "someone@localhost", KindNone, ""},
		{"two at signs", "a@b@example.com", KindNone, ""},
		{"an empty label", "a@example..com", KindNone, ""},
		{"a label that begins with a dash", "a@-example.com", KindNone, ""},
		{"two dots in the local part", "a..b@example.com", KindNone, ""},
		{"a blank in the local part", "a b@example.com", KindNone, ""},
		{"a display name", "Someone <someone@example.com>", KindNone, ""},
		{"e-mail behind tel", "tel:someone@example.com", KindNone, ""},
		{"a line break inside e-mail", "a@example.com\r\nBcc: b@example.com", KindNone, ""},
		{"an over-long e-mail address", strings.Repeat("a", 65) + "@example.com", KindNone, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := ParseAddress(tt.in)
			if a.Kind() != tt.kind || a.URI() != tt.uri || (err != nil) != (tt.uri == "") {
				t.Errorf("ParseAddress(%q) = %v %q, %v; want %v %q", tt.in, a.Kind(), a.URI(), err, tt.kind, tt.uri)
			}
			if a.IsZero() != (err != nil) {
				t.Errorf("IsZero = %v with error %v", a.IsZero(), err)
			}
		})
	}
}

func TestAddressAccessors(t *testing.T) {
	m, c := MSISDN("14255550100").Address(), ShortCode("48507").Address()
	if got, ok := m.MSISDN(); !ok || got != "14255550100" || m.String() != "+14255550100" || m.Value() != "14255550100" {
		t.Errorf("MSISDN address: %v %v", m, ok)
	}
	if _, ok := m.ShortCode(); ok {
		t.Error("a number passes for a short code")
	}
	if got, ok := c.ShortCode(); !ok || got != "48507" || got.Short() != "short:48507" || c.String() != "48507" {
		t.Errorf("short code address: %v %v", c, ok)
	}
	if _, ok := c.MSISDN(); ok {
		t.Error("a short code passes for a number")
	}
	if MSISDN("").Address() != (Address{}) || ShortCode("").Address() != (Address{}) || ShortCode("").Short() != "" {
		t.Error("an empty number is not the zero Address")
	}
	for kind, want := range map[Kind]string{KindNone: "none", KindMSISDN: "MSISDN", KindShortCode: "short code",
		KindEmail: "e-mail", KindAlphanumeric: "alphanumeric", 9: "Kind(9)"} {
		if kind.String() != want {
			t.Errorf("Kind(%d) = %q, want %q", uint8(kind), kind, want)
		}
	}
}

func TestParseShortCode(t *testing.T) {
	for _, in := range []string{"48507", "short:48507", "Short: 48507", "tel:48507", " 48507 ", "485 07"} {
		if c, err := ParseShortCode(in); err != nil || c != "48507" || c.String() != "48507" {
			t.Errorf("ParseShortCode(%q) = %q, %v", in, c, err)
		}
	}
	for _, in := range []string{"", "12", "123456789", "+48507", "48x07", "short:", "tel:+14255550100"} {
		if c, err := ParseShortCode(in); err == nil {
			t.Errorf("ParseShortCode(%q) = %q, want an error", in, c)
		}
	}
}

func TestParseAlphanumeric(t *testing.T) {
	for _, in := range []string{"PIZZA", "Pizza Pete", "7-Eleven", "A", "M&Ms", "ABCDEFGHIJK"} {
		if a, err := ParseAlphanumeric(in); err != nil || a.Kind() != KindAlphanumeric || a.Value() != in {
			t.Errorf("ParseAlphanumeric(%q) = %v, %v", in, a, err)
		}
	}
	for _, in := range []string{"", "ABCDEFGHIJKL", "48507", "7-11", " PIZZA", "PIZZA ", "a@b", "tel:x", "PIZZ\n", "Café", "a{b"} {
		if a, err := ParseAlphanumeric(in); err == nil {
			t.Errorf("ParseAlphanumeric(%q) = %v, want an error", in, a)
		}
	}
}

func TestAddressesInLogsAreMasked(t *testing.T) {
	email, _ := ParseAddress("someone@example.com")
	accented, _ := ParseAddress("étienne@example.com")
	name, _ := ParseAlphanumeric("PIZZA")
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("", "a", MSISDN("14255550100"), "b", MSISDN("14255550101").Address(), "c", email, "d", accented,
		"e", name, "f", ShortCode("48507").Address())
	for _, want := range []string{`"+1425****100"`, `"+1425****101"`, `"s***@example.com"`, `"é***@example.com"`, `"PIZZA"`, `"48507"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log lacks %s: %s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "5555010") {
		t.Errorf("the log shows a number: %s", out.String())
	}
}

func TestAddressSurvivesJSON(t *testing.T) {
	email, _ := ParseAddress("someone@example.com")
	name, _ := FromSMPP(TONAlphanumeric, NPIUnknown, "a@b: Café")
	for _, a := range []Address{{}, MSISDN("14255550100").Address(), MSISDN("19115550100").Address(),
		ShortCode("48507").Address(), email, name} {
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var got Address
		if err := json.Unmarshal(b, &got); err != nil || got != a {
			t.Errorf("%s came back as %v %q, %v", b, got.Kind(), got.Value(), err)
		}
	}
	for _, in := range []string{"tel:14255550100", "tel:+123456", "tel:+1234567890123456", "tel:+1425555010x",
		"short:12", "short:4850x", "alpha:", "alpha:a\nb", "14255550100", "x"} {
		var a Address
		if err := a.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was read as %v %q", in, a.Kind(), a.Value())
		}
	}
}

func TestSMPPProfile(t *testing.T) {
	name, _ := ParseAlphanumeric("PIZZA")
	email, _ := ParseAddress("someone@example.com")
	tests := []struct {
		a    Address
		ton  TON
		npi  NPI
		addr string
	}{
		{MSISDN("14255550100").Address(), TONInternational, NPIISDN, "14255550100"},
		{ShortCode("48507").Address(), TONNetworkSpecific, NPIUnknown, "48507"},
		{name, TONAlphanumeric, NPIUnknown, "PIZZA"},
		{email, TONUnknown, NPIUnknown, ""},
		{Address{}, TONUnknown, NPIUnknown, ""},
	}
	for _, tt := range tests {
		ton, npi, addr := SMPP(tt.a)
		if ton != tt.ton || npi != tt.npi || addr != tt.addr {
			t.Errorf("SMPP(%v) = %v, %v, %q; want %v, %v, %q", tt.a, ton, npi, addr, tt.ton, tt.npi, tt.addr)
		}
		if addr == "" {
			continue
		}
		if back, err := FromSMPP(ton, npi, addr); err != nil || back != tt.a {
			t.Errorf("%v came back as %v, %v", tt.a, back, err)
		}
	}
}

func TestFromSMPP(t *testing.T) {
	const home = "tel:+14255550100"
	tests := []struct {
		name string
		ton  TON
		addr string
		want string // URI; empty: an error
	}{
		{"international", TONInternational, "14255550100", home},
		{"international with a plus", TONInternational, "+14255550100", home},
		{"international written with 00", TONInternational, "0014255550100", home},
		{"international written with 011", TONUnknown, "011447911123456", "tel:+447911123456"},
		{"unknown with a plus", TONUnknown, "+14255550100", home},
		{"unknown with the country code", TONUnknown, "14255550100", home},
		{"unknown of ten digits", TONUnknown, "4255550100", home},
		{"national of ten digits", TONNational, "4255550100", home},
		{"national with the country code", TONNational, "14255550100", home},
		{"subscriber number", TONSubscriberNumber, "4255550100", home},
		{"a number labelled alphanumeric", TONAlphanumeric, "14255550100", home},
		{"a type that no standard knows", 7, "14255550100", home},
		{"ten digits wrongly labelled international", TONInternational, "4255550100", home},
		{"ten digits that another country has", TONInternational, "4740612345", "tel:+4740612345"},
		{"a foreign number", TONInternational, "447911123456", "tel:+447911123456"},
		{"a foreign number of unknown type", TONUnknown, "447911123456", "tel:+447911123456"},
		{"a number outside the plan is the network's affair", TONInternational, "19115550100", "tel:+19115550100"},
		{"separators", TONNational, "425-555-0100", home},
		{"padding with NUL and blanks", TONInternational, "14255550100\x00 ", home},
		{"a short code", TONNetworkSpecific, "48507", "short:48507"},
		{"an abbreviated short code", TONAbbreviated, "48507", "short:48507"},
		{"a short code of unknown type", TONUnknown, "12345678", "short:12345678"},
		{"a short code labelled international", TONInternational, "48507", "short:48507"},
		{"a short code labelled alphanumeric", TONAlphanumeric, "48507", "short:48507"},
		{"a short code behind a plus", TONUnknown, "+48507", "short:48507"},
		{"a small country", TONInternational, "29023456", "tel:+29023456"},
		{"eight digits of no country", TONInternational, "12345678", "short:12345678"},
		{"a name", TONAlphanumeric, "PIZZA", "alpha:PIZZA"},
		{"a name of unknown type", TONUnknown, "PIZZA", "alpha:PIZZA"},
		{"a name that looks like a number", TONAlphanumeric, "7-11", "alpha:7-11"},
		{"a name of twenty characters", TONAlphanumeric, "ABCDEFGHIJKLMNOPQRST", "alpha:ABCDEFGHIJKLMNOPQRST"},
		{"a name in Latin-1", TONAlphanumeric, "Caf\xe9", "alpha:Café"},
		{"vanity letters", TONUnknown, "1-800-FLOWERS", "alpha:1-800-FLOWERS"},

		{"nothing", TONUnknown, "", ""},
		{"only padding", TONInternational, " \x00\x00", ""},
		{"two digits", TONUnknown, "12", ""},
		{"sixteen digits", TONInternational, "1234567890123456", ""},
		{"a leading zero", TONNational, "0791112345", ""},
		{"a control character", TONAlphanumeric, "PIZ\nZA", ""},
		{"an over-long name", TONAlphanumeric, strings.Repeat("A", 65), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := FromSMPP(tt.ton, NPIISDN, tt.addr)
			if a.URI() != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("FromSMPP(%v, %q) = %q, %v; want %q", tt.ton, tt.addr, a.URI(), err, tt.want)
			}
		})
	}
}

func TestLabelsAreNamed(t *testing.T) {
	if TONInternational.String() != "international" || TON(9).String() != "TON(9)" {
		t.Error("TON names")
	}
	if NPIISDN.String() != "ISDN" || NPIWAPClientID.String() != "WAP client id" || NPI(2).String() != "NPI(2)" {
		t.Error("NPI names")
	}
}

func TestSameTail(t *testing.T) {
	tests := []struct {
		name, a, b string
		n          int
		want       bool
	}{
		{"equal numbers", "14255550100", "14255550100", 7, true},
		{"one without the country code", "14255550100", "4255550100", 10, true},
		{"one with a plus and dashes", "+1-425-555-0100", "14255550100", 10, true},
		{"seven digits agree", "14255550100", "12065550100", 7, true},
		{"more than seven are asked for", "14255550100", "12065550100", 10, false},
		{"less than seven is seven", "14255550100", "14259550100", 0, false},
		{"the last digit differs", "14255550100", "14255550101", 7, false},
		{"short codes agree whole", "48507", "48507", 7, true},
		{"a short code is not the tail of a number", "50100", "14255550100", 7, false},
		{"short codes differ", "48507", "8507", 7, false},
		{"no digits are no match", "PIZZA", "PIZZA", 7, false},
		{"nothing matches nothing", "", "", 7, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := SameTail(tt.a, tt.b, tt.n); got != tt.want {
				t.Errorf("SameTail(%q, %q, %d) = %v", tt.a, tt.b, tt.n, got)
			}
			if got := SameTail(tt.b, tt.a, tt.n); got != tt.want {
				t.Errorf("SameTail(%q, %q, %d) = %v", tt.b, tt.a, tt.n, got)
			}
		})
	}
}

func FuzzParseMSISDN(f *testing.F) {
	for _, s := range []string{"tel:+14255550100", "tel: 14255550100", "(425) 555-0100", "+44 (0)7911 123456",
		"+390612345678", " 49000000", "tel:4255550100;phone-context=+44", "short:48507", "a@b.c", "\u202a+1425555\u20110100", "+54 9 11 2345-6789", "+52 1 55 1234 5678"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMSISDN(s)
		if (err == nil) != (m != "") {
			t.Fatalf("ParseMSISDN(%q) = %q, %v", s, m, err)
		}
		if err == nil {
			for _, form := range []string{m.String(), m.Tel()} {
				if again, err := ParseMSISDN(form); err != nil || again != m {
					t.Fatalf("%q was read as %q, and %q as %q, %v", s, m, form, again, err)
				}
			}
		}
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		if again, err := ParseAddress(a.URI()); err != nil || again != a {
			t.Fatalf("%q was read as %q, and that as %q, %v", s, a.URI(), again.URI(), err)
		}
		a.Masked()
	})
}

func FuzzFromSMPP(f *testing.F) {
	for _, s := range []string{"14255550100", "+14255550100", "4255550100", "0014255550100", "011447911123456", "48507",
		"29023456", "PIZZA", "7-11", "Caf\xe9", "\x00", "4740612345"} {
		for _, ton := range []uint8{0, 1, 2, 5} {
			f.Add(ton, uint8(1), s)
		}
	}
	f.Fuzz(func(t *testing.T, ton, npi uint8, s string) {
		a, err := FromSMPP(TON(ton), NPI(npi), s)
		if a.IsZero() != (err != nil) {
			t.Fatalf("FromSMPP(%d, %q) = %q, %v", ton, s, a.URI(), err)
		}
		if err != nil {
			return
		}
		back, err := FromSMPP(SMPP(a))
		if err != nil || back != a {
			t.Fatalf("FromSMPP(%d, %q) = %q, and back %q, %v", ton, s, a.URI(), back.URI(), err)
		}
		var again Address
		if err := again.UnmarshalText([]byte(a.URI())); err != nil || again != a {
			t.Fatalf("%q as text came back as %q, %v", a.URI(), again.URI(), err)
		}
		a.Masked()
	})
}

func BenchmarkParseMSISDN(b *testing.B) {
	for name, s := range map[string]string{"unbroken": "tel:+14255550100", "ten digits": "tel:4255550100",
		"dashes": "+1-425-555-0100", "foreign": "+447911123456", "refused": "tel:911"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = ParseMSISDN(s)
			}
		})
	}
}

func BenchmarkFromSMPP(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = FromSMPP(TONInternational, NPIISDN, "14255550100")
	}
}

func BenchmarkSameTail(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		SameTail("14255550100", "4255550100", 7)
	}
}
