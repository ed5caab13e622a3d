package sms_test

import (
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"longlines/message"
	"longlines/number"
	"longlines/sms"
)

func TestCanonicalID(t *testing.T) {
	for in, want := range map[string]string{
		"1A2B": "1a2b", " 1a2b\x00": "1a2b", "001a2b": "1a2b", "1a-2b": "1a2b", "1A:2B": "1a2b", "0": "0", "000": "0", "": "", "\x00": "",
		"550e8400-e29b-41d4-a716-446655440000": "550e8400e29b41d4a716446655440000", "0-0-1": "1", "- 1": "1", "a\x00b": "ab", "00 001": "1",
	} {
		if got := sms.CanonicalID(in); got != want {
			t.Errorf("CanonicalID(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestKeys(t *testing.T) {
	long := strings.Repeat("f", 64)
	n, _ := new(big.Int).SetString(long, 16)
	for in, want := range map[string]string{
		"": "", "abc": "abc 2748", "2748": "2748 10056 abc", "10": "10 16 a", "xyz": "xyz", "0A": "a 10", long: long + " " + n.String(),
		"18446744073709551616": "18446744073709551616 114598615266301018707478 10000000000000000", "7": "7",
	} {
		if got := strings.Join(sms.Keys(in), " "); got != want {
			t.Errorf("Keys(%q) = %q, want %q", in, got, want)
		}
	}
}

func part(n int, raw string, to number.MSISDN, s message.State) sms.Part {
	return sms.Part{MT: 1000, Part: n, Parts: 1, Group: "g", Raw: raw, Key: sms.CanonicalID(raw), To: to, State: s}
}

func TestWhichSegmentAReceiptSpeaksOf(t *testing.T) {
	const sent, delivered = message.StateSent, message.StateDelivered
	done := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ended := func(p sms.Part) sms.Part { p.Done = done; return p }
	for _, tt := range []struct {
		name      string
		parts     []sms.Part
		ref       string
		from      number.Address
		locked    sms.Spelling
		later     bool // the receipt's date is another one
		fresh     bool // the receipt has not waited
		want      int  // Part of the match; -1: none
		by        sms.Spelling
		ambiguous bool
	}{
		{name: "the same octets", parts: []sms.Part{part(0, "AB12", alice, sent)}, ref: "AB12", want: 0, by: sms.SpellingEqual},
		{name: "padding is no part of it", parts: []sms.Part{part(0, "AB12", alice, sent)}, ref: " AB12\x00", want: 0, by: sms.SpellingEqual},
		{name: "other case", parts: []sms.Part{part(0, "AB12", alice, sent)}, ref: "ab12", want: 0, by: sms.SpellingCase},
		{name: "a zero in front", parts: []sms.Part{part(0, "AB12", alice, sent)}, ref: "0ab12", want: 0, by: sms.SpellingZeros},
		{name: "zeros in the answer", parts: []sms.Part{part(0, "00AB12", alice, sent)}, ref: "AB12", want: 0, by: sms.SpellingZeros},
		{name: "hexadecimal, then decimal", parts: []sms.Part{part(0, "AB12", alice, sent)}, ref: "43794", want: 0, by: sms.SpellingHexDec},
		{name: "hexadecimal, then decimal of ten digits with zeros", parts: []sms.Part{part(0, "AB12", alice, sent)}, ref: "0000043794", want: 0, by: sms.SpellingHexDec},
		{name: "decimal, then hexadecimal", parts: []sms.Part{part(0, "43794", alice, sent)}, ref: "AB12", want: 0, by: sms.SpellingDecHex},
		{name: "decimal, then hexadecimal, beyond 64 bits", parts: []sms.Part{part(0, "18446744073709551616", alice, sent)}, ref: "10000000000000000", want: 0, by: sms.SpellingDecHex},
		{name: "dashes", parts: []sms.Part{part(0, "550E8400-E29B", alice, sent)}, ref: "550e8400e29b", want: 0, by: sms.SpellingSeparators},
		{name: "the destination without its country code", parts: []sms.Part{part(0, "1", alice, sent)}, ref: "1", from: number.MSISDN("4255550100").Address(), want: 0, by: sms.SpellingEqual},
		{name: "another destination is no match", parts: []sms.Part{part(0, "1", alice, sent)}, ref: "1", from: bob.Address(), want: -1},
		{name: "of two with one id the destination decides", parts: []sms.Part{part(0, "1", alice, sent), part(1, "1", bob, sent)}, ref: "1", from: bob.Address(), want: 1, by: sms.SpellingEqual},
		{name: "a source that is no number leaves it to the id", parts: []sms.Part{part(0, "1", alice, sent)}, ref: "1", from: code.Address(), want: 0, by: sms.SpellingEqual},
		{name: "without a source two are no match", parts: []sms.Part{part(0, "1", alice, sent), part(1, "1", bob, sent)}, ref: "1", from: code.Address(), want: -1, ambiguous: true},
		{name: "two that fit equally are no match", parts: []sms.Part{part(0, "1", alice, sent), part(1, "1", alice, sent)}, ref: "1", want: -1, ambiguous: true},
		{name: "an exact match goes before one of the other base", parts: []sms.Part{part(0, "64", alice, sent), part(1, "100", alice, sent)}, ref: "100", want: 1, by: sms.SpellingEqual},
		{name: "unless the centre is known to use the other base", parts: []sms.Part{part(0, "64", alice, sent), part(1, "100", alice, sent)}, ref: "100", locked: sms.SpellingHexDec, want: 0, by: sms.SpellingHexDec},
		{name: "a centre known to repeat its ids is not guessed at", parts: []sms.Part{part(0, "64", alice, sent)}, ref: "100", locked: sms.SpellingEqual, want: -1},
		{name: "a pending one goes before a final one of the same id", parts: []sms.Part{ended(part(0, "1", alice, delivered)), part(1, "1", alice, sent)}, ref: "1", want: 1, by: sms.SpellingEqual},
		{name: "a repeated receipt finds its final segment", parts: []sms.Part{ended(part(0, "1", alice, delivered))}, ref: "1", want: 0, by: sms.SpellingEqual},
		{name: "a repeated receipt is not taken for that of another number's base", parts: []sms.Part{ended(part(0, "100", alice, delivered)), part(1, "64", alice, sent)}, ref: "100", want: 0, by: sms.SpellingEqual},
		{name: "the same news of another date is for a text still to come", parts: []sms.Part{ended(part(0, "1", alice, delivered))}, ref: "1", later: true, want: -1},
		{name: "a contradiction finds the final segment", parts: []sms.Part{ended(part(0, "1", alice, message.StateUndeliverable))}, ref: "1", want: 0, by: sms.SpellingEqual},
		{name: "another group's segment is no match", parts: []sms.Part{{Group: "other", Raw: "1", Key: "1", To: alice, State: sent}}, ref: "1", want: -1},
		{name: "what has just come is not read in the other base", parts: []sms.Part{part(0, "64", alice, sent)}, ref: "100", fresh: true, want: -1},
		{name: "nor taken for a repetition in the other base", parts: []sms.Part{ended(part(0, "64", alice, delivered))}, ref: "100", fresh: true, want: -1},
		{name: "nor for a contradiction", parts: []sms.Part{part(0, "64", alice, message.StateUndeliverable)}, ref: "100", fresh: true, want: -1},
		{name: "unless the centre is known to use it", parts: []sms.Part{part(0, "64", alice, sent)}, ref: "100", fresh: true, locked: sms.SpellingHexDec, want: 0, by: sms.SpellingHexDec},
		{name: "what has just come is read in its own", parts: []sms.Part{part(0, "AB-12", alice, sent)}, ref: "0ab12", fresh: true, want: 0, by: sms.SpellingSeparators},
		{name: "an empty id matches nothing", parts: []sms.Part{part(0, "", alice, sent)}, ref: "", want: -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := message.DLR{Group: "g", ID: tt.ref, From: alice.Address(), State: delivered, Done: done}
			if !tt.from.IsZero() {
				d.From = tt.from
			}
			if tt.later {
				d.Done = done.Add(time.Hour)
			}
			p, by, ambiguous := sms.Match(tt.parts, d, tt.locked, !tt.fresh)
			if by != tt.by || ambiguous != tt.ambiguous || (by != sms.SpellingNone && p.Part != tt.want) || (tt.want < 0) != (by == sms.SpellingNone) {
				t.Errorf("matched %d by %q, ambiguous %v", p.Part, by, ambiguous)
			}
		})
	}
}

// Whatever a centre sends, its canonical form is stable, storable, and among the keys by which the
// receipt looks, and the keys of a number in one base contain it in the other.
func FuzzCanonicalID(f *testing.F) {
	for _, s := range []string{"", "AB12", "00-1:a", "18446744073709551616", "\x00\xff", strings.Repeat("9", 70), "İ", " - 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		c := sms.CanonicalID(raw)
		if again := sms.CanonicalID(c); again != c {
			t.Fatalf("%q -> %q -> %q", raw, c, again)
		}
		if !utf8.ValidString(c) && utf8.ValidString(raw) || strings.IndexByte(c, 0) >= 0 {
			t.Fatalf("%q -> %q cannot be stored", raw, c)
		}
		keys := sms.Keys(raw)
		if len(keys) > 3 || len(keys) > 0 && keys[0] != c || c != "" && len(keys) == 0 {
			t.Fatalf("keys of %q: %q", raw, keys)
		}
		for _, k := range keys {
			if len(k) > len(c) && len(k) > 100 {
				t.Fatalf("key of %d octets", len(k))
			}
		}
		if len(c) <= 50 && len(keys) > 0 {
			for _, k := range keys[1:] {
				found := false
				for _, back := range sms.Keys(k) {
					found = found || back == c
				}
				if !found {
					t.Fatalf("%q leads to %q, which does not lead back: %q", c, k, sms.Keys(k))
				}
			}
		}
	})
}
