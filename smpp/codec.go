package smpp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// HeaderLen is the length of a PDU header in octets, and so of the shortest PDU.
const HeaderLen = 16

// Limits on the length of a PDU (docs/reference/reliability.md §2.4).
const (
	MaxPDU        = 64<<10 + 512 // once bound; message_payload alone may have 65,535 octets
	MaxPDUUnbound = 8 << 10      // until the bind is accepted
)

// MaxSequence is the highest sequence_number; after it comes 1 (SMPP 3.4 §3.2).
const MaxSequence = 0x7FFFFFFF

// Header begins every PDU (SMPP 3.4 §3.2).
type Header struct {
	Length   uint32 // command_length, octets of the whole PDU
	ID       CommandID
	Status   Status // 0 in requests
	Sequence uint32 // ties a response to its request
}

func parseHeader(b []byte) Header {
	_ = b[15]
	return Header{
		Length:   binary.BigEndian.Uint32(b),
		ID:       CommandID(binary.BigEndian.Uint32(b[4:])),
		Status:   Status(binary.BigEndian.Uint32(b[8:])),
		Sequence: binary.BigEndian.Uint32(b[12:]),
	}
}

// Append encodes p after dst and returns the longer slice. Status and sequence come from h; its
// length and command_id are ignored, since p knows them. The error is an *EncodeError, and dst then comes back unchanged.
// The body of some responses is left out if the status is not zero (Spec.NoBodyOnError).
func Append(dst []byte, h Header, p PDU) ([]byte, error) {
	if p == nil {
		return dst, &EncodeError{Field: "pdu", Reason: "is nil"}
	}
	id := p.CommandID()
	s := specOf(id)
	if s == nil {
		return dst, &EncodeError{ID: id, Field: "command_id", Reason: "not in the table"}
	}
	start := len(dst)
	b := append(dst, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(id))
	b = binary.BigEndian.AppendUint32(b, uint32(h.Status))
	b = binary.BigEndian.AppendUint32(b, h.Sequence)
	if h.Status == StatusROK || !s.NoBodyOnError {
		var err *EncodeError
		for i := range s.Fields {
			if b, err = appendField(b, &s.Fields[i], p); err != nil {
				err.ID = id
				return dst, err
			}
		}
		if s.tlvs != nil {
			if t := *s.tlvs(p); len(t) > 0 {
				var e error
				if b, e = appendTLVs(b, t); e != nil {
					e.(*EncodeError).ID = id
					return dst, e
				}
			}
		}
	}
	n := len(b) - start
	if n > MaxPDU {
		return dst, &EncodeError{ID: id, Field: "command_length", Reason: fmt.Sprintf("%d octets, %d allowed", n, MaxPDU)}
	}
	binary.BigEndian.PutUint32(b[start:], uint32(n))
	return b, nil
}

func appendCString(b []byte, name, s string, max int) ([]byte, *EncodeError) {
	if len(s) >= max {
		return b, &EncodeError{Field: name, Reason: fmt.Sprintf("%d octets, %d allowed", len(s), max-1)}
	}
	if strings.IndexByte(s, 0) >= 0 {
		return b, &EncodeError{Field: name, Reason: "contains NUL"}
	}
	b = append(b, s...)
	return append(b, 0), nil
}

func appendField(b []byte, f *Field, p PDU) ([]byte, *EncodeError) {
	switch f.Kind {
	case KindUint8:
		return append(b, *f.u8(p)), nil
	case KindTime:
		s := *f.str(p)
		if s != "" && len(s) != f.Max-1 {
			return b, &EncodeError{Field: f.Name, Reason: fmt.Sprintf("%d octets, none or %d allowed", len(s), f.Max-1)}
		}
		return appendCString(b, f.Name, s, f.Max)
	case KindCString:
		return appendCString(b, f.Name, *f.str(p), f.Max)
	case KindOctets:
		v := *f.octets(p)
		if len(v) > f.Max {
			return b, &EncodeError{Field: f.Name, Reason: fmt.Sprintf("%d octets, %d allowed", len(v), f.Max)}
		}
		b = append(b, byte(len(v)))
		return append(b, v...), nil
	case KindDestinations:
		v := *f.dests(p)
		if len(v) == 0 || len(v) > f.Max {
			return b, &EncodeError{Field: f.Name, Reason: fmt.Sprintf("%d of them, 1 to %d allowed", len(v), f.Max)}
		}
		b = append(b, byte(len(v)))
		for i := range v {
			var err *EncodeError
			if v[i].List != "" {
				b, err = appendCString(append(b, destList), "dl_name", v[i].List, 21)
			} else {
				b, err = appendCString(append(b, destAddress, v[i].TON, v[i].NPI), "destination_addr", v[i].Addr, 21)
			}
			if err != nil {
				return b, err
			}
		}
	case KindUnsuccess:
		v := *f.failed(p)
		if len(v) > f.Max {
			return b, &EncodeError{Field: f.Name, Reason: fmt.Sprintf("%d of them, %d allowed", len(v), f.Max)}
		}
		b = append(b, byte(len(v)))
		for i := range v {
			var err *EncodeError
			if b, err = appendCString(append(b, v[i].TON, v[i].NPI), "destination_addr", v[i].Addr, 21); err != nil {
				return b, err
			}
			b = binary.BigEndian.AppendUint32(b, uint32(v[i].Status))
		}
	case KindCount: // written together with what it counts
	}
	return b, nil
}

// dest_flag of submit_multi (SMPP 3.4 §5.2.26).
const (
	destAddress = 1
	destList    = 2
)

// Decode reads one whole PDU. The result keeps nothing of b. The error is a *DecodeError.
//
// A response without a body decodes as an empty one, whatever its kind; so does one with a status
// other than zero whose body is broken, since the status says all there is to say, and the answer that accepts a bind:
// some centres name themselves in more than the 15 octets of system_id, and nothing depends on it.
func Decode(b []byte) (Header, PDU, error) {
	if len(b) < HeaderLen {
		return Header{}, nil, &DecodeError{Status: StatusRINVCMDLEN, Reason: fmt.Sprintf("%d octets are no header", len(b)), Fatal: true}
	}
	h := parseHeader(b)
	if uint64(h.Length) != uint64(len(b)) {
		return h, nil, &DecodeError{Header: h, Status: StatusRINVCMDLEN, Field: "command_length", Reason: fmt.Sprintf("%d, but %d octets", h.Length, len(b)), Fatal: true}
	}
	s := specOf(h.ID)
	if s == nil {
		return h, nil, &DecodeError{Header: h, Status: StatusRINVCMDID, Reason: "unknown command_id"}
	}
	p := s.blank()
	body := b[HeaderLen:]
	if len(body) == 0 && h.ID.IsResponse() {
		return h, p, nil
	}
	if err := decodeBody(body, s, p); err != nil {
		if _, bind := p.(*BindResp); bind || h.ID.IsResponse() && h.Status != StatusROK {
			return h, s.blank(), nil
		}
		return h, nil, &DecodeError{Header: h, Status: err.status, Field: err.field, Reason: err.reason}
	}
	return h, p, nil
}

// shareBelow is the body length up to which all strings of a PDU share one allocation. Above it a
// stored address would keep too much alive.
const shareBelow = 512

// decoder walks over a body. text and own are copies of it, made when first needed, so that strings and octets
// cost one allocation each however many there are.
type decoder struct {
	b       []byte
	off     int
	text    string
	own     []byte
	ownFrom int
}

func (d *decoder) cstring(name string, max int, bad Status) (string, *fieldError) {
	rest := d.b[d.off:]
	if len(rest) > max {
		rest = rest[:max]
	}
	n := bytes.IndexByte(rest, 0)
	if n < 0 {
		if len(rest) == max {
			return "", &fieldError{bad, name, fmt.Sprintf("longer than %d octets", max-1)}
		}
		return "", &fieldError{StatusRINVCMDLEN, name, "cut off before its NUL"}
	}
	from := d.off
	d.off += n + 1
	if n == 0 {
		return "", nil
	}
	if len(d.b) > shareBelow {
		return string(rest[:n]), nil
	}
	if d.text == "" {
		d.text = string(d.b)
	}
	return d.text[from : from+n], nil
}

func (d *decoder) uint8(name string) (uint8, *fieldError) {
	if d.off >= len(d.b) {
		return 0, &fieldError{StatusRINVCMDLEN, name, "missing"}
	}
	v := d.b[d.off]
	d.off++
	return v, nil
}

// owned returns the n octets at d.off as memory of the PDU's own.
func (d *decoder) owned(n int) []byte {
	if d.own == nil {
		d.own, d.ownFrom = bytes.Clone(d.b[d.off:]), d.off
	}
	i := d.off - d.ownFrom
	d.off += n
	return d.own[i : i+n : i+n]
}

func decodeBody(b []byte, s *Spec, p PDU) *fieldError {
	d := decoder{b: b}
	for i := range s.Fields {
		f := &s.Fields[i]
		switch f.Kind {
		case KindUint8:
			v, err := d.uint8(f.Name)
			if err != nil {
				return err
			}
			*f.u8(p) = v
		case KindCString, KindTime:
			v, err := d.cstring(f.Name, f.Max, f.Status)
			if err != nil {
				return err
			}
			*f.str(p) = v
		case KindOctets:
			n, err := d.uint8(s.Fields[i-1].Name)
			if err != nil {
				return err
			}
			if int(n) > f.Max {
				return &fieldError{f.Status, s.Fields[i-1].Name, fmt.Sprintf("%d, %d allowed", n, f.Max)}
			}
			if int(n) > len(b)-d.off {
				return &fieldError{f.Status, s.Fields[i-1].Name, fmt.Sprintf("%d, but %d octets are left", n, len(b)-d.off)}
			}
			if n > 0 {
				*f.octets(p) = d.owned(int(n))
			}
		case KindDestinations:
			if err := d.destinations(f, p); err != nil {
				return err
			}
		case KindUnsuccess:
			if err := d.unsuccess(f, p); err != nil {
				return err
			}
		case KindCount: // read together with what it counts
		}
	}
	if d.off == len(b) {
		return nil
	}
	if s.tlvs == nil {
		return &fieldError{StatusRINVCMDLEN, "", fmt.Sprintf("%d octets too many", len(b)-d.off)}
	}
	t, err := decodeTLVs(d.owned(len(b) - d.off))
	if err != nil {
		return err
	}
	*s.tlvs(p) = t
	return nil
}

func (d *decoder) destinations(f *Field, p PDU) *fieldError {
	n, err := d.uint8("number_of_dests")
	if err != nil {
		return err
	}
	if n == 0 || int(n) > f.Max {
		return &fieldError{f.Status, "number_of_dests", fmt.Sprintf("%d, 1 to %d allowed", n, f.Max)}
	}
	if 2*int(n) > len(d.b)-d.off { // the shortest is a flag and an empty name
		return &fieldError{f.Status, "number_of_dests", "more than the PDU can hold"}
	}
	v := make([]Destination, n)
	for i := range v {
		flag, err := d.uint8("dest_flag")
		if err != nil {
			return err
		}
		switch flag {
		case destAddress:
			if v[i].TON, err = d.uint8("dest_addr_ton"); err == nil {
				if v[i].NPI, err = d.uint8("dest_addr_npi"); err == nil {
					v[i].Addr, err = d.cstring("destination_addr", 21, StatusRINVDSTADR)
				}
			}
		case destList:
			if v[i].List, err = d.cstring("dl_name", 21, StatusRINVDLNAME); err == nil && v[i].List == "" {
				err = &fieldError{StatusRINVDLNAME, "dl_name", "empty"}
			}
		default:
			err = &fieldError{StatusRINVDESTFLAG, "dest_flag", fmt.Sprintf("%d", flag)}
		}
		if err != nil {
			return err
		}
	}
	*f.dests(p) = v
	return nil
}

func (d *decoder) unsuccess(f *Field, p PDU) *fieldError {
	n, err := d.uint8("no_unsuccess")
	if err != nil || n == 0 {
		return err
	}
	if 7*int(n) > len(d.b)-d.off { // the shortest is TON, NPI, an empty address and a status
		return &fieldError{f.Status, "no_unsuccess", "more than the PDU can hold"}
	}
	v := make([]Unsuccess, n)
	for i := range v {
		if v[i].TON, err = d.uint8("dest_addr_ton"); err != nil {
			return err
		}
		if v[i].NPI, err = d.uint8("dest_addr_npi"); err != nil {
			return err
		}
		if v[i].Addr, err = d.cstring("destination_addr", 21, StatusRINVDSTADR); err != nil {
			return err
		}
		if len(d.b)-d.off < 4 {
			return &fieldError{StatusRINVCMDLEN, "error_status_code", "missing"}
		}
		v[i].Status = Status(binary.BigEndian.Uint32(d.b[d.off:]))
		d.off += 4
	}
	*f.failed(p) = v
	return nil
}

// ReadFrame reads the octets of one PDU into buf, which is grown if need be, and returns them. A command_length
// below 16 or above max is a fatal *DecodeError, found before anything is allocated for it. io.EOF means that the
// stream ended between two PDUs, io.ErrUnexpectedEOF that it ended inside one.
func ReadFrame(r *bufio.Reader, max int, buf []byte) ([]byte, error) {
	first, err := r.Peek(4)
	if err != nil {
		if err == io.EOF && len(first) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	n := binary.BigEndian.Uint32(first)
	if n < HeaderLen || uint64(n) > uint64(max) {
		e := &DecodeError{Header: Header{Length: n}, Status: StatusRINVCMDLEN, Field: "command_length",
			Reason: fmt.Sprintf("%d, %d to %d allowed", n, HeaderLen, max), Fatal: true}
		if n >= HeaderLen { // the rest of the header is wanted for the answer, not worth waiting for
			if b, err := r.Peek(min(HeaderLen, r.Buffered())); err == nil && len(b) == HeaderLen {
				e.Header = parseHeader(b)
			}
		}
		return nil, e
	}
	if cap(buf) < int(n) {
		buf = make([]byte, n, roundUp(n))
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return buf, nil
}

// roundUp rounds a buffer up so that a slowly growing stream of PDUs does not reallocate for each.
func roundUp(n uint32) int { return int(n+1023) &^ 1023 }
