package gsm_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	. "longlines/gsm"
	"pgregory.net/rapid"
)

// alphabet and extension as printed in TS 23.038 §6.2.1, read column by column.
const (
	alphabet  = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	extension = "\f^{}\\[~]|€"
)

func TestAlphabetIsThatOfTheStandard(t *testing.T) {
	code := byte(0)
	for _, r := range alphabet {
		if r != 0x1b {
			got, ok := GSM7.Append(nil, string(r))
			if !ok || !bytes.Equal(got, []byte{code}) {
				t.Errorf("%q is written %x, want %02x", r, got, code)
			}
			if text := GSM7.Decode([]byte{code}); text != string(r) {
				t.Errorf("%02x is read %q, want %q", code, text, r)
			}
		}
		code++
	}
	if code != 128 {
		t.Fatalf("%d characters", code)
	}
	for i, c := range []byte{0x0A, 0x14, 0x28, 0x29, 0x2F, 0x3C, 0x3D, 0x3E, 0x40, 0x65} {
		r := []rune(extension)[i]
		got, ok := GSM7.Append(nil, string(r))
		if !ok || !bytes.Equal(got, []byte{0x1B, c}) {
			t.Errorf("%q is written %x, want 1b%02x", r, got, c)
		}
		if text := GSM7.Decode([]byte{0x1B, c}); text != string(r) {
			t.Errorf("1b%02x is read %q, want %q", c, text, r)
		}
	}
	n := 0
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if Encodable7(string(r)) {
			n++
		}
	}
	if n != 127+10 {
		t.Errorf("%d characters can be written in septets, want 137", n)
	}
}

func TestDecode(t *testing.T) {
	tests := []struct {
		name   string
		dcs    DCS
		ud     string // hexadecimal
		packed bool
		want   string
		err    error
	}{
		{"plain septets", DCSDefault, "48656c6c6f", false, "Hello", nil},
		{"septets that are no ASCII", DCSDefault, "0002057f", false, "@$éà", nil},
		{"an extension character", DCSDefault, "1b65201b28", false, "€ {", nil},
		{"an unknown extension is read from the default alphabet", DCSDefault, "1b41", false, "A", nil},
		{"two escapes are a blank", DCSDefault, "1b1b41", false, " A", nil},
		{"an escape at the end", DCSDefault, "411b", false, "A\ufffd", nil},
		{"an octet above 7F", DCSDefault, "41e942", false, "A\ufffdB", nil},
		{"an octet above 7F after an escape", DCSDefault, "1be9", false, "\ufffd\ufffd", nil},
		{"packed septets", DCSDefault, "e8329bfd4697d9ec37", true, "hellohello", nil},
		{"packed septets with seven bits of padding", DCSDefault, "f4f29c9e769f01", true, "testing", nil},
		{"packed has no meaning for UCS-2", DCSUCS2, "00480069", true, "Hi", nil},
		{"nothing", DCSDefault, "", false, "", nil},
		{"UCS-2", DCSUCS2, "0048006920ac", false, "Hi€", nil},
		{"a surrogate pair", DCSUCS2, "d83dde00", false, "😀", nil},
		{"a high surrogate alone", DCSUCS2, "d83d0041", false, "\ufffdA", nil},
		{"a low surrogate alone", DCSUCS2, "de000041", false, "\ufffdA", nil},
		{"a high surrogate at the end", DCSUCS2, "0041d83d", false, "A\ufffd", nil},
		{"half a unit at the end", DCSUCS2, "004100", false, "A\ufffd", nil},
		{"a byte order mark is a character", DCSUCS2, "feff0041", false, "\ufeffA", nil},
		{"Latin-1", DCSLatin1, "636166e9", false, "café", nil},
		{"ASCII", DCSASCII, "63616665", false, "cafe", nil},
		{"ASCII has seven bits", DCSASCII, "636166e9", false, "caf\ufffd", nil},
		{"Cyrillic", DCSCyrillic, "bfe0d8d2d5e2f0", false, "Привет№", nil},
		{"Hebrew", DCSHebrew, "f9ecE5ed20a1", false, "שלום \ufffd", nil},
		{"flash", DCSFlash, "4869", false, "Hi", nil},
		{"flash in UCS-2", DCSFlashUCS2, "00480069", false, "Hi", nil},
		{"a reserved scheme is the default alphabet", 0x8C, "4869", false, "Hi", nil},
		{"message waiting", 0xC8, "4869", false, "Hi", nil},
		{"message waiting in UCS-2", 0xE8, "00480069", false, "Hi", nil},
		{"binary keeps what is printable", DCSBinary, "48690001ff", false, "Hi\ufffd\ufffd\ufffd", ErrNotText},
		{"binary with class", 0xF5, "4869", false, "Hi", ErrNotText},
		{"compressed", 0x20, "4869", false, "Hi", ErrNotText},
		{"Japanese", 0x05, "4869b1", false, "Hi\ufffd", ErrNotText},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode(tt.dcs, unhex(t, tt.ud), tt.packed)
			if got != tt.want || err != tt.err {
				t.Errorf("Decode(%v, %s) = %q, %v; want %q, %v", tt.dcs, tt.ud, got, err, tt.want, tt.err)
			}
		})
	}
}

func TestDecodeSurvivesEveryScheme(t *testing.T) {
	ud := make([]byte, 256)
	for i := range ud {
		ud[i] = byte(i)
	}
	for d := range 256 {
		for _, packed := range []bool{false, true} {
			text, err := Decode(DCS(d), ud, packed)
			if !utf8.ValidString(text) || text == "" || err != nil && err != ErrNotText {
				t.Errorf("Decode(%v) = %q, %v", DCS(d), text, err)
			}
		}
		if a := DCS(d).Alphabet(); a == Auto || a > Other {
			t.Errorf("%#x has the alphabet %v", d, a)
		}
	}
}

func TestDCS(t *testing.T) {
	tests := []struct {
		dcs  DCS
		want string
	}{
		{0x00, "0x00 GSM 7-bit"},
		{0x01, "0x01 ASCII"},
		{0x03, "0x03 Latin-1"},
		{0x04, "0x04 binary"},
		{0x08, "0x08 UCS-2"},
		{0x10, "0x10 GSM 7-bit class 0"},
		{0x15, "0x15 binary class 1"},
		{0x18, "0x18 UCS-2 class 0"},
		{0x48, "0x48 UCS-2"},
		{0x30, "0x30 other class 0"},
		{0xC0, "0xC0 GSM 7-bit"},
		{0xE0, "0xE0 UCS-2"},
		{0xF0, "0xF0 GSM 7-bit class 0"},
		{0xF1, "0xF1 GSM 7-bit class 1"},
		{0xF6, "0xF6 binary class 2"},
	}
	for _, tt := range tests {
		if got := tt.dcs.String(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	if Alphabet(99).String() != "Alphabet(99)" {
		t.Error("an alphabet without name")
	}
}

// TestPackedVectors reads testdata/packed.txt both ways.
func TestPackedVectors(t *testing.T) {
	for _, v := range packedVectors(t) {
		septets, ok := GSM7.Append(nil, v.text)
		if !ok || len(septets) != v.n {
			t.Errorf("%q takes %d septets, want %d", v.text, len(septets), v.n)
		}
		if got := Pack(nil, septets, v.fill); !bytes.Equal(got, v.octets) {
			t.Errorf("%q is packed %X, want %X", v.text, got, v.octets)
		}
		got, err := Unpack(nil, v.octets, v.n, v.fill)
		if err != nil || GSM7.Decode(got) != v.text {
			t.Errorf("%X is unpacked %q, %v; want %q", v.octets, GSM7.Decode(got), err, v.text)
		}
	}
}

type packedVector struct {
	fill   int
	octets []byte
	n      int
	text   string
}

func packedVectors(t testing.TB) (vectors []packedVector) {
	t.Helper()
	file, err := os.ReadFile("testdata/packed.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(file)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimSpace(line), " | ")
		if len(f) != 4 {
			t.Fatalf("not a vector: %q", line)
		}
		fill, err1 := strconv.Atoi(f[0])
		n, err2 := strconv.Atoi(f[2])
		text, err3 := strconv.Unquote(f[3])
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		vectors = append(vectors, packedVector{fill, unhex(t, strings.Trim(f[1], "-")), n, text})
	}
	return vectors
}

func TestUnpackWithoutEnoughOctets(t *testing.T) {
	got, err := Unpack([]byte("x"), unhex(t, "e8329bfd06"), 6, 0)
	if err == nil || string(got) != "xhello" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := Unpack(nil, nil, -1, 6); err != nil || len(got) != 0 {
		t.Errorf("got %x, %v", got, err)
	}
	if got, err := Unpack(nil, []byte{1}, 1, 3); err == nil || len(got) != 0 {
		t.Errorf("got %x, %v", got, err)
	}
}

func TestFillBitsReachASeptetBoundary(t *testing.T) {
	for udh := range 140 {
		fill := FillBits(udh)
		if fill < 0 || fill > 6 || (udh*8+fill)%7 != 0 {
			t.Errorf("FillBits(%d) = %d", udh, fill)
		}
	}
	if FillBits(6) != 1 || FillBits(7) != 0 {
		t.Error("the two concatenation headers")
	}
}

func TestParseUDH(t *testing.T) {
	tests := []struct {
		name, ud string
		want     UDH
		rest     string
		concat   string // fmt of Concat, empty if none
		ports    string
		bad      bool
	}{
		{"8-bit reference", "050003a7030148", UDH{{0, unhex(t, "a70301")}}, "48", "{167 3 1 false}", "", false},
		{"16-bit reference", "06080412340302", UDH{{8, unhex(t, "12340302")}}, "", "{4660 3 2 true}", "", false},
		{"ports of 16 bits", "0605040b8423f0aa", UDH{{5, unhex(t, "0b8423f0")}}, "aa", "", "{2948 9200 true}", false},
		{"ports of 8 bits", "040402f0e1", UDH{{4, unhex(t, "f0e1")}}, "", "", "{240 225 false}", false},
		{"ports and concatenation", "0b05040b8423f00003a70201", UDH{{5, unhex(t, "0b8423f0")}, {0, unhex(t, "a70201")}}, "",
			"{167 2 1 false}", "{2948 9200 true}", false},
		{"of two concatenations the last counts", "0a0003a70201" + "0003b80202", UDH{{0, unhex(t, "a70201")}, {0, unhex(t, "b80202")}}, "",
			"{184 2 2 false}", "", false},
		{"number 0 is ignored", "050003a70300", UDH{{0, unhex(t, "a70300")}}, "", "", "", false},
		{"a number above the total is ignored", "050003a70304", UDH{{0, unhex(t, "a70304")}}, "", "", "", false},
		{"total 0 is ignored", "050003a70000", UDH{{0, unhex(t, "a70000")}}, "", "", "", false},
		{"a concatenation of wrong length is ignored", "040002a703", UDH{{0, unhex(t, "a703")}}, "", "", "", false},
		{"an element without data", "020a00", UDH{{10, nil}}, "", "", "", false},
		{"an empty header", "0048", nil, "48", "", "", false},
		{"no octet", "", nil, "", "", "", true},
		{"a header longer than the user data", "060003a70301", nil, "060003a70301", "", "", true},
		{"an element longer than the header", "050004a7030148", nil, "48", "", "", true},
		{"a header of 255 octets of elements that do not fit", "ff" + strings.Repeat("30", 255), nil, "", "", "", true},
		{"one octet too many", "060003a703010048", nil, "48", "", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, rest, err := ParseUDH(unhex(t, tt.ud))
			if (err != nil) != tt.bad || hex.EncodeToString(rest) != tt.rest {
				t.Fatalf("ParseUDH = %v, %x, %v", h, rest, err)
			}
			if len(h) != len(tt.want) {
				t.Fatalf("header %v, want %v", h, tt.want)
			}
			for i := range h {
				if h[i].ID != tt.want[i].ID || !bytes.Equal(h[i].Data, tt.want[i].Data) {
					t.Errorf("element %v, want %v", h[i], tt.want[i])
				}
			}
			if c, ok := h.Concat(); ok != (tt.concat != "") || ok && fmt.Sprint(c) != tt.concat {
				t.Errorf("Concat = %v, %v; want %s", c, ok, tt.concat)
			}
			if p, ok := h.Ports(); ok != (tt.ports != "") || ok && fmt.Sprint(p) != tt.ports {
				t.Errorf("Ports = %v, %v; want %s", p, ok, tt.ports)
			}
			if err != nil {
				return
			}
			again, err := AppendUDH(nil, h)
			if want := strings.TrimSuffix(tt.ud, tt.rest); err != nil || hex.EncodeToString(again) != want {
				t.Errorf("AppendUDH = %x, %v; want %s", again, err, want)
			}
		})
	}
}

func TestAppendUDHRefusesWhatFitsIntoNoMessage(t *testing.T) {
	if b, err := AppendUDH(nil, UDH{{0x70, make([]byte, 137)}}); err != nil || len(b) != 140 {
		t.Errorf("140 octets: %d, %v", len(b), err)
	}
	if _, err := AppendUDH(nil, UDH{{0x70, make([]byte, 138)}}); err == nil {
		t.Error("141 octets pass")
	}
	for _, c := range []Concat{{Ref: 0xA7, Total: 3, Seq: 1}, {Ref: 0x1234, Total: 255, Seq: 255, Wide: true}} {
		b, err := AppendUDH(nil, UDH{c.IE()})
		if err != nil {
			t.Fatal(err)
		}
		h, _, err := ParseUDH(b)
		if got, ok := h.Concat(); err != nil || !ok || got != c {
			t.Errorf("%v came back as %v, %v", c, got, err)
		}
	}
}

func TestSplitAtTheBoundaries(t *testing.T) {
	a := func(n int) string { return strings.Repeat("a", n) }
	ж := func(n int) string { return strings.Repeat("ж", n) }
	wide, latin := SplitOptions{Ref16: true}, SplitOptions{Alphabet: Latin1}
	tests := []struct {
		name  string
		text  string
		opts  SplitOptions
		dcs   DCS
		units []int
	}{
		{"an empty text is one segment", "", SplitOptions{}, DCSDefault, []int{0}},
		{"160 septets are one segment", a(160), SplitOptions{}, DCSDefault, []int{160}},
		{"161 are two", a(161), SplitOptions{}, DCSDefault, []int{153, 8}},
		{"306 fill two", a(306), SplitOptions{}, DCSDefault, []int{153, 153}},
		{"307 are three", a(307), SplitOptions{}, DCSDefault, []int{153, 153, 1}},
		{"a 16-bit reference leaves 152", a(305), wide, DCSDefault, []int{152, 152, 1}},
		{"a 16-bit reference matters only to several", a(160), wide, DCSDefault, []int{160}},
		{"an extension character ends at 160", a(158) + "€", SplitOptions{}, DCSDefault, []int{160}},
		{"an extension character across 160", a(159) + "€", SplitOptions{}, DCSDefault, []int{153, 8}},
		{"an extension character ends at 153", a(151) + "€" + a(10), SplitOptions{}, DCSDefault, []int{153, 10}},
		{"an extension character across 153 moves on whole", a(152) + "€" + a(10), SplitOptions{}, DCSDefault, []int{152, 12}},
		{"an extension character across 152", a(151) + "€" + a(10), wide, DCSDefault, []int{151, 12}},
		{"only extension characters", strings.Repeat("€", 81), SplitOptions{}, DCSDefault, []int{152, 10}},
		{"70 units are one segment", ж(70), SplitOptions{}, DCSUCS2, []int{70}},
		{"71 are two", ж(71), SplitOptions{}, DCSUCS2, []int{67, 4}},
		{"134 fill two", ж(134), SplitOptions{}, DCSUCS2, []int{67, 67}},
		{"a 16-bit reference leaves 66", ж(133), wide, DCSUCS2, []int{66, 66, 1}},
		{"a surrogate pair ends at 70", ж(68) + "😀", SplitOptions{}, DCSUCS2, []int{70}},
		{"a surrogate pair across 70", ж(69) + "😀", SplitOptions{}, DCSUCS2, []int{67, 4}},
		{"a surrogate pair ends at 67", ж(65) + "😀" + ж(10), SplitOptions{}, DCSUCS2, []int{67, 10}},
		{"a surrogate pair across 67 moves on whole", ж(66) + "😀" + ж(10), SplitOptions{}, DCSUCS2, []int{66, 12}},
		{"a surrogate pair across 66", ж(65) + "😀" + ж(10), wide, DCSUCS2, []int{65, 12}},
		{"one character makes all of it UCS-2", a(70) + "ж", SplitOptions{}, DCSUCS2, []int{67, 4}},
		{"UCS-2 asked for", a(71), SplitOptions{Alphabet: UCS2}, DCSUCS2, []int{67, 4}},
		{"140 octets of Latin-1 are one segment", strings.Repeat("ç", 140), latin, DCSLatin1, []int{140}},
		{"141 are two", strings.Repeat("ç", 141), latin, DCSLatin1, []int{134, 7}},
		{"a 16-bit reference leaves 133", strings.Repeat("ç", 141), SplitOptions{Ref16: true, Alphabet: Latin1}, DCSLatin1, []int{133, 8}},
		{"Latin-1 is never chosen", strings.Repeat("ç", 71), SplitOptions{}, DCSUCS2, []int{67, 4}},
		{"255 segments", a(255 * 153), SplitOptions{}, DCSDefault, repeat(255, 153)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.opts.Ref = 0x12A7
			m, err := Split(tt.text, tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			var units []int
			for _, s := range m.Segments {
				units = append(units, s.Units)
			}
			if d := cmp.Diff(tt.units, units); d != "" || m.DCS != tt.dcs {
				t.Errorf("%v, segments (-want +got):\n%s", m.DCS, d)
			}
			checkMessage(t, tt.text, tt.opts, m)
		})
	}
}

func repeat(n, v int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = v
	}
	return s
}

// checkMessage checks what holds of every message that Split makes of a text.
func checkMessage(t interface {
	Errorf(string, ...any)
	Helper()
}, text string, opts SplitOptions, m Message) {
	t.Helper()
	a, units, n := opts.Count(text)
	if a != m.Alphabet || units != m.Units || n != len(m.Segments) {
		t.Errorf("Count = %v, %d, %d; Split made %v, %d, %d", a, units, n, m.Alphabet, m.Units, len(m.Segments))
	}
	var whole strings.Builder
	var parts []Part
	sum := 0
	for i, s := range m.Segments {
		whole.WriteString(s.Text)
		sum += s.Units
		if !bytes.Equal(s.UserData, append(append([]byte{}, s.UDH...), s.Payload...)) {
			t.Errorf("segment %d: user data is not header and payload", i)
		}
		octets, per := len(s.Payload), 1
		switch m.Alphabet {
		case GSM7:
			octets = len(Pack(nil, s.Payload, FillBits(len(s.UDH))))
		case UCS2:
			per = 2
		}
		if len(s.UDH)+octets > 140 {
			t.Errorf("segment %d takes %d octets", i, len(s.UDH)+octets)
		}
		if len(s.Payload) != s.Units*per {
			t.Errorf("segment %d: %d octets for %d units", i, len(s.Payload), s.Units)
		}
		if got, err := Decode(m.DCS, s.Payload, false); err != nil || got != string([]rune(s.Text)) {
			t.Errorf("segment %d reads %q, %v; want %q", i, got, err, s.Text)
		}
		c := Concat{Total: 1, Seq: 1}
		if len(m.Segments) > 1 {
			h, rest, err := ParseUDH(s.UserData)
			if err != nil || !bytes.Equal(rest, s.Payload) {
				t.Errorf("segment %d: header %x: %v", i, s.UDH, err)
			}
			want := Concat{Ref: opts.Ref, Total: uint8(len(m.Segments)), Seq: uint8(i + 1), Wide: opts.Ref16}
			if !want.Wide {
				want.Ref &= 0xFF
			}
			var ok bool
			if c, ok = h.Concat(); !ok || c != want {
				t.Errorf("segment %d: %v, want %v", i, c, want)
			}
		} else if len(s.UDH) != 0 {
			t.Errorf("a single segment has the header %x", s.UDH)
		}
		parts = append(parts, Part{c, m.DCS, s.Payload})
	}
	if whole.String() != text || sum != m.Units {
		t.Errorf("the segments hold %q of %d units, want %q of %d", whole.String(), sum, text, m.Units)
	}
	joined, complete := Join(parts)
	if want := string([]rune(text)); joined != want || !complete {
		t.Errorf("joined %q, %v; want %q", joined, complete, want)
	}
}

func TestSplitRefuses(t *testing.T) {
	tests := []struct {
		name string
		text string
		opts SplitOptions
		want error
	}{
		{"more than 255 segments", strings.Repeat("a", 255*153+1), SplitOptions{}, ErrTooLong},
		{"more than 255 segments of UCS-2", strings.Repeat("ж", 255*67+1), SplitOptions{}, ErrTooLong},
		{"what the 7-bit alphabet lacks", "ж", SplitOptions{Alphabet: GSM7}, ErrAlphabet},
		{"what Latin-1 lacks", "€", SplitOptions{Alphabet: Latin1}, ErrAlphabet},
		{"an alphabet that cannot be written", "a", SplitOptions{Alphabet: Cyrillic}, ErrAlphabet},
		{"an alphabet that does not exist", "", SplitOptions{Alphabet: 99}, ErrAlphabet},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := testing.AllocsPerRun(5, func() {
				if m, err := Split(tt.text, tt.opts); err != tt.want || m.Segments != nil {
					t.Errorf("%d segments, %v; want %v", len(m.Segments), err, tt.want)
				}
			})
			if n != 0 {
				t.Errorf("%v allocations before refusing", n)
			}
		})
	}
}

func TestSegmentsDoNotGrowIntoEachOther(t *testing.T) {
	m, err := Split(strings.Repeat("a", 200), SplitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(m.Segments[1].UserData)
	_ = append(m.Segments[0].UserData, "xxxxxxxx"...)
	_ = append(m.Segments[0].Payload, "xxxxxxxx"...)
	if !bytes.Equal(m.Segments[1].UserData, want) {
		t.Error("appending to a segment changes the next")
	}
}

func TestAllocations(t *testing.T) {
	text := "Your pizza is on its way. Track it at example.com/t/4255"
	if n := testing.AllocsPerRun(100, func() { Count(text) }); n != 0 {
		t.Errorf("Count: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { Encodable7(text) }); n != 0 {
		t.Errorf("Encodable7: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = Split(text, SplitOptions{}) }); n > 2 {
		t.Errorf("Split: %v allocations", n)
	}
	long := strings.Repeat(text, 20)
	if n := testing.AllocsPerRun(100, func() { _, _ = Split(long, SplitOptions{}) }); n > 2 {
		t.Errorf("Split of a long text: %v allocations", n)
	}
}

func TestJoin(t *testing.T) {
	part := func(total, seq uint8, dcs DCS, payload string) Part {
		return Part{Concat{Ref: 7, Total: total, Seq: seq}, dcs, []byte(payload)}
	}
	tests := []struct {
		name     string
		parts    []Part
		want     string
		complete bool
	}{
		{"nothing", nil, "", false},
		{"one of one", []Part{part(1, 1, DCSDefault, "a")}, "a", true},
		{"in order", []Part{part(2, 1, DCSDefault, "a"), part(2, 2, DCSDefault, "b")}, "ab", true},
		{"in any order", []Part{part(3, 3, DCSDefault, "c"), part(3, 1, DCSDefault, "a"), part(3, 2, DCSDefault, "b")}, "abc", true},
		{"of a duplicate the first counts", []Part{part(2, 1, DCSDefault, "a"), part(2, 1, DCSDefault, "x"), part(2, 2, DCSDefault, "b")}, "ab", true},
		{"a duplicate does not complete", []Part{part(2, 1, DCSDefault, "a"), part(2, 1, DCSDefault, "a")}, "a…", false},
		{"the first is missing", []Part{part(2, 2, DCSDefault, "b")}, "…b", false},
		{"some in the middle are missing", []Part{part(4, 1, DCSDefault, "a"), part(4, 4, DCSDefault, "d")}, "a…d", false},
		{"number 0 is left out", []Part{part(2, 0, DCSDefault, "x"), part(2, 1, DCSDefault, "a"), part(2, 2, DCSDefault, "b")}, "ab", true},
		{"a number above the total is left out", []Part{part(2, 3, DCSDefault, "x"), part(2, 1, DCSDefault, "a")}, "a…", false},
		{"another total is another message", []Part{part(2, 1, DCSDefault, "a"), part(3, 2, DCSDefault, "x")}, "a…", false},
		{"only bad numbers", []Part{part(0, 0, DCSDefault, "x"), part(2, 3, DCSDefault, "x")}, "", false},
		{"a surrogate pair cut in two", []Part{part(2, 1, DCSUCS2, "\x00a\xd8\x3d"), part(2, 2, DCSUCS2, "\xde\x00\x00b")}, "a😀b", true},
		{"a unit cut in two", []Part{part(2, 1, DCSUCS2, "\x00a\x04"), part(2, 2, DCSUCS2, "\x36\x00b")}, "aжb", true},
		{"an octet lost does not shift the next segment", []Part{part(2, 1, DCSUCS2, "\x00a\x04"), part(2, 2, DCSUCS2, "\x00b\x00c")}, "a\ufffdbc", true},
		{"an escape cut from its code", []Part{part(2, 1, DCSDefault, "a\x1b"), part(2, 2, DCSDefault, "\x65b")}, "a€b", true},
		{"a pair is not joined over a gap", []Part{part(3, 1, DCSUCS2, "\xd8\x3d"), part(3, 3, DCSUCS2, "\xde\x00")}, "\ufffd…\ufffd", false},
		{"alphabets may differ", []Part{part(2, 1, DCSDefault, "\x02"), part(2, 2, DCSUCS2, "\x04\x36")}, "$ж", true},
		{"binary is kept as far as it is text", []Part{part(2, 1, DCSBinary, "a\x00"), part(2, 2, DCSBinary, "b")}, "a\ufffdb", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, complete := Join(tt.parts)
			if got != tt.want || complete != tt.complete {
				t.Errorf("Join = %q, %v; want %q, %v", got, complete, tt.want, tt.complete)
			}
		})
	}
}

var anyText = rapid.OneOf(
	rapid.String(),
	rapid.StringOfN(rapid.SampledFrom([]rune("aéж😀€{\f\r\n@\ufeff\ufffd")), 0, 500, -1),
)

func TestAnyTextComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := anyText.Draw(t, "text")
		opts := SplitOptions{
			Ref:      rapid.Uint16().Draw(t, "ref"),
			Ref16:    rapid.Bool().Draw(t, "ref16"),
			Alphabet: rapid.SampledFrom([]Alphabet{Auto, UCS2}).Draw(t, "alphabet"),
		}
		m, err := Split(text, opts)
		if err != nil {
			t.Fatal(err)
		}
		checkMessage(t, text, opts, m)
	})
}

func TestTextOfTheAlphabetComesBackInSeptets(t *testing.T) {
	characters := []rune(strings.ReplaceAll(alphabet, "\x1b", "") + extension + extension + extension)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom(characters), 0, 1000, -1).Draw(t, "text")
		opts := SplitOptions{Ref16: rapid.Bool().Draw(t, "ref16")}
		m, err := Split(text, opts)
		if err != nil || m.Alphabet != GSM7 || !Encodable7(text) {
			t.Fatalf("%v, %v", m.Alphabet, err)
		}
		checkMessage(t, text, opts, m)
		// And once over the air, packed behind the header.
		var parts []Part
		for i, s := range m.Segments {
			fill := FillBits(len(s.UDH))
			septets, err := Unpack(nil, Pack(nil, s.Payload, fill), len(s.Payload), fill)
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, Part{Concat{Total: uint8(len(m.Segments)), Seq: uint8(i + 1)}, m.DCS, septets})
		}
		parts = rapid.Permutation(parts).Draw(t, "order")
		if got, complete := Join(parts); got != text || !complete {
			t.Fatalf("joined %q, %v", got, complete)
		}
	})
}

func FuzzUnpack7(f *testing.F) {
	for _, v := range packedVectors(f) {
		f.Add(v.octets, v.n, uint8(v.fill))
	}
	f.Fuzz(func(t *testing.T, octets []byte, n int, fill uint8) {
		fill %= 7
		septets, err := Unpack(nil, octets, n, int(fill))
		if err == nil && n >= 0 && len(septets) != n {
			t.Fatalf("%d septets, want %d", len(septets), n)
		}
		again, err := Unpack(nil, Pack(nil, septets, int(fill)), len(septets), int(fill))
		if err != nil || !bytes.Equal(again, septets) {
			t.Fatalf("%x came back as %x, %v", septets, again, err)
		}
		if !utf8.ValidString(GSM7.Decode(septets)) {
			t.Fatal("not UTF-8")
		}
	})
}

func FuzzUDH(f *testing.F) {
	for _, s := range []string{"050003a7030148", "06080412340302", "0605040b8423f0aa", "0b05040b8423f00003a70201", "00", "060003a70301", "050004a7030148"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, ud []byte) {
		h, rest, err := ParseUDH(ud)
		if err != nil {
			if len(h) != 0 || !bytes.HasSuffix(ud, rest) {
				t.Fatalf("%v, %x with %v", h, rest, err)
			}
			return
		}
		if c, ok := h.Concat(); ok && (c.Seq == 0 || c.Seq > c.Total) {
			t.Fatalf("%v", c)
		}
		h.Ports()
		again, err := AppendUDH(nil, h)
		if len(ud)-len(rest) > 140 {
			if err == nil {
				t.Fatal("a header above 140 octets was written")
			}
			return
		}
		if err != nil || !bytes.Equal(append(again, rest...), ud) {
			t.Fatalf("%x came back as %x, %v", ud, again, err)
		}
	})
}

func FuzzJoin(f *testing.F) {
	f.Add([]byte("\x02\x01\x00\x01a\x02\x02\x00\x01b"))
	f.Add([]byte("\x02\x01\x08\x02\xd8\x3d\x02\x02\x08\x02\xde\x00"))
	f.Add([]byte("\xff\xff\x08\x01\xd8\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		// total, number, scheme, length, payload; and so on
		var parts []Part
		seen := map[uint8]bool{}
		size, total := 0, uint8(0)
		for len(b) >= 4 {
			n := min(int(b[3]), len(b)-4)
			p := Part{Concat{Total: b[0], Seq: b[1]}, DCS(b[2]), b[4 : 4+n]}
			if p.Concat.Seq >= 1 && p.Concat.Seq <= p.Concat.Total && (total == 0 || total == p.Concat.Total) {
				total = p.Concat.Total
				seen[p.Concat.Seq] = true
			}
			parts = append(parts, p)
			size += n
			b = b[4+n:]
		}
		text, complete := Join(parts)
		if complete != (total > 0 && len(seen) == int(total)) {
			t.Fatalf("complete = %v with %d of %d", complete, len(seen), total)
		}
		if !utf8.ValidString(text) || len(text) > 3*size+3*256 {
			t.Fatalf("%d octets became %q", size, text)
		}
	})
}

func FuzzSplit(f *testing.F) {
	f.Add("Hello & café", uint16(1), false, uint8(0))
	f.Add(strings.Repeat("a", 152)+"€", uint16(0x1234), true, uint8(1))
	f.Add(strings.Repeat("ж", 66)+"😀", uint16(7), false, uint8(3))
	f.Add("\xff\xfe", uint16(0), false, uint8(2))
	f.Fuzz(func(t *testing.T, text string, ref uint16, ref16 bool, a uint8) {
		opts := SplitOptions{Ref: ref, Ref16: ref16, Alphabet: Alphabet(a)}
		m, err := Split(text, opts)
		if err != nil {
			if err != ErrAlphabet && err != ErrTooLong || opts.Alphabet == Auto && err == ErrAlphabet {
				t.Fatal(err)
			}
			return
		}
		checkMessage(t, text, opts, m)
	})
}

var benchTexts = []struct{ name, text string }{
	{"short", "Your pizza is on its way. Track it at example.com/t/4255"},
	{"long", strings.Repeat("Your pizza is on its way. ", 40)},
	{"extension", strings.Repeat("{€} ", 30)},
	{"UCS-2", strings.Repeat("Ваша пицца в пути 😀 ", 6)},
}

func BenchmarkSplit(b *testing.B) {
	for _, bb := range benchTexts {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Split(bb.text, SplitOptions{Ref: 7})
			}
		})
	}
}

func BenchmarkCount(b *testing.B) {
	for _, bb := range benchTexts {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Count(bb.text)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, bb := range benchTexts {
		m, err := Split(bb.text, SplitOptions{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Decode(m.DCS, m.Segments[0].Payload, false)
			}
		})
	}
	packed := Pack(nil, []byte(benchTexts[0].text), 0)
	b.Run("packed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = Decode(DCSDefault, packed, true)
		}
	})
}

func BenchmarkJoin(b *testing.B) {
	m, err := Split(benchTexts[1].text, SplitOptions{})
	if err != nil {
		b.Fatal(err)
	}
	var parts []Part
	for i, s := range m.Segments {
		parts = append(parts, Part{Concat{Total: uint8(len(m.Segments)), Seq: uint8(i + 1)}, m.DCS, s.Payload})
	}
	b.ReportAllocs()
	for b.Loop() {
		Join(parts)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
