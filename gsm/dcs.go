package gsm

import (
	"errors"
	"fmt"
)

// DCS is the data coding scheme of a message, as SMPP carries it in data_coding.
//
// Values below 0x10 mean what SMPP v3.4 §5.2.19 says, which for 1, 2, 3 and 5 to
// 14 is not what they mean on the air. The others mean what TS 23.038 §4 says. A
// reserved value stands for the default alphabet there, and so it does here.
type DCS uint8

// Values of data_coding, SMPP v3.4 §5.2.19, and the two classes that apps ask for.
const (
	DCSDefault  DCS = 0x00 // default alphabet of the SMSC, read as GSM 7-bit
	DCSASCII    DCS = 0x01 // IA5
	DCSOctets   DCS = 0x02 // binary
	DCSLatin1   DCS = 0x03 // ISO 8859-1
	DCSBinary   DCS = 0x04 // binary
	DCSCyrillic DCS = 0x06 // ISO 8859-5
	DCSHebrew   DCS = 0x07 // ISO 8859-8
	DCSUCS2     DCS = 0x08 // UCS-2

	DCSFlash     DCS = 0xF0 // GSM 7-bit, class 0: shown at once, not stored
	DCSFlashUCS2 DCS = 0x18 // UCS-2, class 0
)

// smppAlphabets are the meanings of data_coding below 0x10, SMPP v3.4 §5.2.19.
var smppAlphabets = [16]Alphabet{
	GSM7, ASCII, Binary, Latin1, Binary, Other, Cyrillic, Hebrew, // 5 JIS
	UCS2, Other, Other, GSM7, GSM7, Other, Other, GSM7, // 9 pictograms, 10 ISO-2022-JP, 13 Kanji, 14 KS C 5601
}

// Alphabet says how the text is written: never [Auto].
func (d DCS) Alphabet() Alphabet {
	switch {
	case d < 0x10:
		return smppAlphabets[d]
	case d < 0x80: // general, 00xx, and automatic deletion, 01xx
		if d&0x20 != 0 {
			return Other // compressed
		}
		switch d >> 2 & 3 {
		case 1:
			return Binary
		case 2:
			return UCS2
		}
	case d >= 0xE0 && d < 0xF0: // message waiting, stored, UCS-2
		return UCS2
	case d >= 0xF0 && d&4 != 0: // data coding and class
		return Binary
	}
	return GSM7
}

// Class gives the message class, 0 (flash) to 3, if the scheme has one (TS 23.038
// §4).
func (d DCS) Class() (class uint8, ok bool) {
	if d >= 0x10 && d < 0x80 && d&0x10 != 0 || d >= 0xF0 {
		return uint8(d & 3), true
	}
	return 0, false
}

// String gives the value and what it means: "0x08 UCS-2".
func (d DCS) String() string {
	s := fmt.Sprintf("0x%02X %v", uint8(d), d.Alphabet())
	if class, ok := d.Class(); ok {
		s += fmt.Sprintf(" class %d", class)
	}
	return s
}

// ErrNotText comes with the text of a message that was not meant as text, or is in
// an alphabet we cannot read.
var ErrNotText = errors.New("gsm: user data is not text")

// Decode reads user data without header as text; packed says that the septets of
// the 7-bit alphabet are packed without fill bits (see [Unpack] for other cases).
// The text is always as good as it can be had: U+FFFD stands for what could not be
// read. The only error is [ErrNotText].
func Decode(dcs DCS, ud []byte, packed bool) (string, error) {
	a := dcs.Alphabet()
	if packed && a == GSM7 {
		var buf [160]byte
		ud, _ = Unpack(buf[:0], ud, -1, 0)
	}
	text := a.Decode(ud)
	if a == Binary || a == Other {
		return text, ErrNotText
	}
	return text, nil
}
