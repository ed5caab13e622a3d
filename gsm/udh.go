package gsm

import (
	"encoding/binary"
	"errors"
)

// Identifiers of information elements, TS 23.040 §9.2.3.24.
const (
	IEConcat8  = 0x00 // concatenation with an 8-bit reference, §9.2.3.24.1
	IEPorts8   = 0x04 // application ports of 8 bits, §9.2.3.24.3
	IEPorts16  = 0x05 // application ports of 16 bits, §9.2.3.24.4
	IEConcat16 = 0x08 // concatenation with a 16-bit reference, §9.2.3.24.8
)

var (
	errUDHLength = errors.New("gsm: user data header longer than the user data")
	errIELength  = errors.New("gsm: information elements do not fill the user data header")
	errUDHSize   = errors.New("gsm: user data header above 140 octets")
)

// maxUserData is the size of TP-User-Data in octets, TS 23.040 §9.2.3.24.
const maxUserData = 140

// UDH is a user data header: the information elements that stand in front of the
// text when the UDHI bit is set (in SMPP: esm_class 0x40).
type UDH []IE

// IE is an information element of a header.
type IE struct {
	ID   uint8  // IEConcat8 and so on
	Data []byte // at most 255 octets
}

// Concat says which part of which message a segment is. Segments belong together
// if sender, receiver, Ref, Wide and Total agree.
type Concat struct {
	Ref   uint16 // chosen by the sender; 8 bits unless Wide
	Total uint8  // segments of the message, 1 to 255
	Seq   uint8  // number of this one, 1 to Total
	Wide  bool   // the reference has 16 bits
}

// valid says whether the numbers make sense; otherwise the element is ignored (TS
// 23.040 §9.2.3.24.1).
func (c Concat) valid() bool { return c.Seq >= 1 && c.Seq <= c.Total }

// Ports are the application ports of a message that is for a program in the
// handset, such as the notification of an MMS (port 2948).
type Ports struct {
	Dst, Src uint16
	Wide     bool // given in 16 bits
}

// ParseUDH takes the header off user data whose UDHI bit is set. The elements
// share the memory of ud.
//
// A header that is not well-formed is ignored as a whole (TS 23.040 §9.2.3.24): the
// error then comes with rest, the user data behind the header or, if its length
// is no length, all of it, so that the text is not lost.
func ParseUDH(ud []byte) (h UDH, rest []byte, err error) {
	if len(ud) == 0 || int(ud[0]) > len(ud)-1 {
		return nil, ud, errUDHLength
	}
	size := 1 + int(ud[0])
	header, rest := ud[1:size], ud[size:]
	for len(header) > 0 {
		if len(header) < 2 || int(header[1]) > len(header)-2 {
			return nil, rest, errIELength
		}
		end := 2 + int(header[1])
		h = append(h, IE{header[0], header[2:end:end]})
		header = header[end:]
	}
	return h, rest, nil
}

// AppendUDH appends the header with its length octet to dst. It fails if the header
// would not fit into a message.
func AppendUDH(dst []byte, h UDH) ([]byte, error) {
	n := 0
	for _, ie := range h {
		n += 2 + len(ie.Data)
		if n >= maxUserData {
			return dst, errUDHSize
		}
	}
	dst = append(dst, byte(n))
	for _, ie := range h {
		dst = append(dst, ie.ID, byte(len(ie.Data)))
		dst = append(dst, ie.Data...)
	}
	return dst, nil
}

// Concat gives the concatenation element. Of several the last well-formed one
// counts (TS 23.040 §9.2.3.24).
func (h UDH) Concat() (Concat, bool) {
	for i := len(h) - 1; i >= 0; i-- {
		var c Concat
		switch d := h[i].Data; {
		case h[i].ID == IEConcat8 && len(d) == 3:
			c = Concat{Ref: uint16(d[0]), Total: d[1], Seq: d[2]}
		case h[i].ID == IEConcat16 && len(d) == 4:
			c = Concat{Ref: binary.BigEndian.Uint16(d), Total: d[2], Seq: d[3], Wide: true}
		}
		if c.valid() {
			return c, true
		}
	}
	return Concat{}, false
}

// Ports gives the application port element. Of several the last well-formed one
// counts.
func (h UDH) Ports() (Ports, bool) {
	for i := len(h) - 1; i >= 0; i-- {
		switch d := h[i].Data; {
		case h[i].ID == IEPorts8 && len(d) == 2:
			return Ports{Dst: uint16(d[0]), Src: uint16(d[1])}, true
		case h[i].ID == IEPorts16 && len(d) == 4:
			return Ports{binary.BigEndian.Uint16(d), binary.BigEndian.Uint16(d[2:]), true}, true
		}
	}
	return Ports{}, false
}

// IE gives the concatenation as an information element.
func (c Concat) IE() IE {
	if c.Wide {
		return IE{IEConcat16, []byte{byte(c.Ref >> 8), byte(c.Ref), c.Total, c.Seq}}
	}
	return IE{IEConcat8, []byte{byte(c.Ref), c.Total, c.Seq}}
}

// append appends a header that consists of c alone.
func (c Concat) append(dst []byte) []byte {
	if c.Wide {
		return append(dst, 6, IEConcat16, 4, byte(c.Ref>>8), byte(c.Ref), c.Total, c.Seq)
	}
	return append(dst, 5, IEConcat8, 3, byte(c.Ref), c.Total, c.Seq)
}
