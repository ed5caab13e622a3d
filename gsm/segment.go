package gsm

import (
	"errors"
	"unicode/utf8"
)

// MaxSegments is the most that a concatenation can number, TS 23.040 §9.2.3.24.1.
const MaxSegments = 255

// Errors of [Split].
var (
	// ErrTooLong means that the text takes more than [MaxSegments].
	ErrTooLong = errors.New("gsm: text takes more than 255 segments")
	// ErrAlphabet means that the alphabet asked for lacks a character of the text.
	ErrAlphabet = errors.New("gsm: the alphabet lacks a character of the text")
)

// SplitOptions say how a text is cut. The zero value chooses the alphabet and
// numbers the segments with the 8-bit reference 0.
type SplitOptions struct {
	// Ref tells the segments of one message from those of others between the same
	// two parties; count it up. Only its low 8 bits are sent unless Ref16 is set.
	Ref uint16
	// Ref16 sends a reference of 16 bits, which takes an octet more of each segment.
	Ref16 bool
	// Alphabet is Auto, GSM7, Latin1 or UCS2.
	Alphabet Alphabet
}

// Message is a text ready to be submitted: one segment or several.
type Message struct {
	DCS      DCS
	Alphabet Alphabet // GSM7, Latin1 or UCS2
	Units    int      // of all segments together, see Segment
	Segments []Segment
}

// Segment is the part of a text that one short message carries.
type Segment struct {
	// UserData is the header, if any, and the payload: short_message in SMPP. UDH
	// and Payload are parts of it.
	UserData []byte
	// UDH is the header with its length octet; empty if the message has one segment.
	// If it is there, the UDHI bit must be set.
	UDH []byte
	// Payload is the text: septets in the low bits of an octet each, Latin-1, or
	// UTF-16 with the most significant octet first.
	Payload []byte
	// Units used by the text: septets, octets or 16-bit units.
	Units int
	// Text is the part of the text, sharing its memory.
	Text string
}

// limits are the units that fit into one message alone, and into a segment.
func (a Alphabet) limits(ref16 bool) (alone, each int) {
	header := 6
	if ref16 {
		header = 7
	}
	switch a {
	case GSM7:
		return maxUserData * 8 / 7, (maxUserData - header) * 8 / 7
	case UCS2:
		return maxUserData / 2, (maxUserData - header) / 2
	}
	return maxUserData, maxUserData - header
}

// Count says what [Split] with the zero SplitOptions will make of a text: the
// alphabet, the septets or 16-bit units, and the segments, which may be more than
// Split allows. An empty text takes one segment.
func Count(text string) (a Alphabet, units, segments int) {
	return SplitOptions{}.Count(text)
}

// Count is [Count] for these options. If the alphabet asked for lacks a character
// there are no segments: 0, 0.
func (o SplitOptions) Count(text string) (a Alphabet, units, segments int) {
	if o.Alphabet != Auto {
		units, segments = o.Alphabet.count(text, o.Ref16)
		return o.Alphabet, units, segments
	}
	if units, segments = GSM7.count(text, o.Ref16); segments > 0 {
		return GSM7, units, segments
	}
	units, segments = UCS2.count(text, o.Ref16)
	return UCS2, units, segments
}

// count walks over the text as Split will: whole characters as long as they fit.
func (a Alphabet) count(text string, ref16 bool) (units, segments int) {
	alone, each := a.limits(ref16)
	segments = 1
	used := 0
	for _, r := range text {
		w := a.width(r)
		if w == 0 {
			return 0, 0
		}
		units += w
		if used += w; used > each {
			segments++
			used = w
		}
	}
	if units <= alone {
		segments = 1
	}
	return units, segments
}

// Split cuts a text into segments, each filled as far as whole characters allow.
// Text that is not valid UTF-8 is sent with U+FFFD in the place of what is not.
func Split(text string, opts SplitOptions) (Message, error) {
	if opts.Alphabet > UCS2 {
		return Message{}, ErrAlphabet
	}
	a, units, n := opts.Count(text)
	switch {
	case n == 0:
		return Message{}, ErrAlphabet
	case n > MaxSegments:
		return Message{}, ErrTooLong
	}
	m := Message{DCS: a.dcs(), Alphabet: a, Units: units, Segments: make([]Segment, n)}
	size := units
	if a == UCS2 {
		size *= 2
	}
	if n == 1 {
		payload, _ := a.Append(make([]byte, 0, size), text)
		m.Segments[0] = Segment{UserData: payload, Payload: payload, Units: units, Text: text}
		return m, nil
	}
	c := Concat{Ref: opts.Ref, Total: uint8(n), Wide: opts.Ref16}
	if !c.Wide {
		c.Ref &= 0xFF
	}
	_, each := a.limits(c.Wide)
	// One piece of memory for all segments; none may grow into the next.
	buf := make([]byte, 0, size+n*7)
	for i := range m.Segments {
		end, used := a.fit(text, each)
		c.Seq = uint8(i + 1)
		start := len(buf)
		buf = c.append(buf)
		body := len(buf)
		buf, _ = a.Append(buf, text[:end])
		m.Segments[i] = Segment{
			UserData: buf[start:len(buf):len(buf)],
			UDH:      buf[start:body:body],
			Payload:  buf[body:len(buf):len(buf)],
			Units:    used,
			Text:     text[:end],
		}
		text = text[end:]
	}
	return m, nil
}

// fit gives the octets of text, and their units, that fit into a limit.
func (a Alphabet) fit(text string, limit int) (end, used int) {
	for end < len(text) {
		r, size := utf8.DecodeRuneInString(text[end:])
		w := a.width(r)
		if used+w > limit {
			break
		}
		used += w
		end += size
	}
	return end, used
}

// dcs gives the data coding of an alphabet that can be written.
func (a Alphabet) dcs() DCS {
	switch a {
	case Latin1:
		return DCSLatin1
	case UCS2:
		return DCSUCS2
	}
	return DCSDefault
}
