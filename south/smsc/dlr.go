package smsc

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"longlines/gsm"
	"longlines/message"
	"longlines/number"
	"longlines/smpp"
)

// delivery is what a deliver_sm and a data_sm from the centre have in common, and the octets they
// came as.
type delivery struct {
	source, dest smpp.Address
	class        smpp.ESMClass
	coding       uint8
	text         []byte
	tlvs         smpp.TLVs
	raw          []byte // header and body
}

// deliveryOf takes a PDU apart; false: it is neither.
func deliveryOf(p smpp.PDU, raw []byte) (delivery, bool) {
	switch p := p.(type) {
	case *smpp.DeliverSM:
		return delivery{p.Source, p.Dest, p.ESMClass, p.DataCoding, p.Message(), p.TLVs, raw}, true
	case *smpp.DataSM:
		return delivery{p.Source, p.Dest, p.ESMClass, p.DataCoding, p.Message(), p.TLVs, raw}, true
	}
	return delivery{}, false
}

// decoded is a delivery as the core takes it: one of the two.
type decoded struct {
	dlr *message.DLR
	in  *message.Incoming

	conflicting bool // the receipt's text and TLVs disagreed
}

// errNoReceipt: marked as a receipt, but it says of no message anything. It is acknowledged, since
// the centre would only send the same again (docs/reference/reliability.md §3.5-9).
var errNoReceipt = errors.New("a receipt that names no message")

// decode reads a delivery: a receipt if it is marked as one (docs/reference/reliability.md §3.5-1),
// else a text from a handset. An error is a smpp.Status to answer with, perhaps wrapped, or
// errNoReceipt.
func (q *quirks) decode(d delivery) (decoded, error) {
	if r, ok, err := q.receipt(d); ok || err != nil {
		if err != nil {
			return decoded{}, err
		}
		return decoded{dlr: q.dlr(d, r), conflicting: r.Conflicting}, nil
	}
	in, err := q.incoming(d)
	return decoded{in: in}, err
}

// receipt reads the receipt that a delivery carries, if it is one.
func (q *quirks) receipt(d delivery) (r smpp.Receipt, ok bool, err error) {
	p := smpp.DeliverSM{ESMClass: d.class, TLVs: d.tlvs}
	if !p.IsReceipt() && !q.TextReceipts {
		return r, false, nil
	}
	text := d.text
	if d.class.UDHI() {
		_, text, _ = gsm.ParseUDH(text)
	}
	if a := gsm.DCS(d.coding).Alphabet(); a == gsm.UCS2 {
		text = []byte(a.Decode(text)) // some centres write even receipts in UCS-2
	}
	if !p.IsReceipt() {
		r, err = smpp.ParseReceipt(string(text))
		return r, err == nil && r.ID != "" && r.Stat != "", nil
	}
	p.ShortMessage = text
	if r, err = p.Receipt(); err != nil || r.ID == "" {
		return r, false, errNoReceipt
	}
	if n, said := d.tlvs.Uint8(smpp.TagMessageState); said && n > uint8(smpp.StateSkipped) {
		// No state of any standard: the word in the text says more.
		if t, err := smpp.ParseReceipt(string(text)); err == nil {
			r.State = t.State
		}
	}
	return r, true, nil
}

// dlr is the receipt in the core's words.
func (q *quirks) dlr(d delivery, r smpp.Receipt) *message.DLR {
	from, to := party(d.source), party(d.dest)
	if from.Kind() != number.KindMSISDN && to.Kind() == number.KindMSISDN {
		from = to // a centre that does not turn the addresses round: the handset is still the handset
	}
	word := r.Stat
	if word == "" {
		word = r.State.Word()
	}
	out := &message.DLR{
		ID: q.receiptID(printable(r.ID)), From: from, State: receiptState(d.class, r.State),
		Code: printable(r.Err), Word: strings.ToUpper(printable(word)), Done: r.DoneDate, Raw: d.raw,
	}
	// network_error_code: the kind of network, then its code (SMPP v3.4 §5.3.2.31).
	if v, ok := d.tlvs.Get(smpp.TagNetworkErrorCode); ok && len(v) == 3 {
		if n := binary.BigEndian.Uint16(v[1:]); n != 0 || out.Code == "" {
			out.Code = fmt.Sprintf("%03d", n)
		}
	}
	return out
}

// receiptState is what a receipt makes of its segment. UNKNOWN is not final: the centre may still
// learn, and if not, the end of the validity makes it uncertain (docs/reference/reliability.md §3.5-8).
func receiptState(class smpp.ESMClass, s smpp.MessageState) message.State {
	if class.Type() == smpp.TypeIntermediate {
		return message.StateSent
	}
	switch s {
	case smpp.StateDelivered:
		return message.StateDelivered
	case smpp.StateExpired:
		return message.StateExpired
	case smpp.StateDeleted, smpp.StateUndeliverable, smpp.StateRejected, smpp.StateSkipped, smpp.StateFailed:
		return message.StateUndeliverable
	}
	return message.StateSent
}

// party reads an address; one that cannot be read is nobody.
func party(a smpp.Address) number.Address {
	out, err := number.FromSMPP(number.TON(a.TON), number.NPI(a.NPI), a.Addr)
	if err != nil {
		return number.Address{}
	}
	return out
}

// incoming is a text from a handset (MO), or one segment of it. The errors are those of
// docs/reference/reliability.md §3.7 for what is malformed; the centre then drops the text, so
// they are few, and what can be read in part is taken.
func (q *quirks) incoming(d delivery) (*message.Incoming, error) {
	in := &message.Incoming{From: party(d.source), To: party(d.dest), Raw: d.raw}
	if in.From.IsZero() {
		return nil, fmt.Errorf("source address: %w", smpp.StatusRINVSRCADR)
	}
	if in.To.IsZero() {
		return nil, fmt.Errorf("destination address: %w", smpp.StatusRINVDSTADR)
	}
	dcs := q.coding(d.coding)
	in.DCS = uint8(dcs)
	ud := d.text
	place, err := sar(d.tlvs)
	if err != nil {
		return nil, err
	}
	if d.class.UDHI() {
		if len(ud) == 0 || int(ud[0]) > len(ud)-1 {
			return nil, fmt.Errorf("a user data header longer than the message: %w", smpp.StatusRINVESMCLASS)
		}
		header, rest, _ := gsm.ParseUDH(ud) // a broken header is ignored, TS 23.040 §9.2.3.24
		ud = rest
		if c, ok := header.Concat(); ok {
			place = c
		}
	}
	if place.Total > 1 {
		in.ConcatRef, in.Total, in.Part, in.UD = place.Ref, place.Total, place.Seq, ud
	}
	text, _ := gsm.Decode(dcs, ud, false) // what is not text comes as far as it can be read; Raw has it all
	in.Text = strings.ReplaceAll(text, "\x00", "\uFFFD")
	if len(d.raw) > smpp.HeaderLen {
		sum := sha256.Sum256(d.raw[smpp.HeaderLen:])
		in.Hash = int64(binary.BigEndian.Uint64(sum[:8]))
	}
	return in, nil
}

// sar reads the place of a segment from the sar_ parameters (SMPP v3.4 §5.3.2.22-24). An incomplete
// or impossible set is ignored, as the standard says; a wrong length is an error.
func sar(t smpp.TLVs) (gsm.Concat, error) {
	for _, tag := range []struct {
		tag    smpp.Tag
		length int
	}{{smpp.TagSARMsgRefNum, 2}, {smpp.TagSARTotalSegments, 1}, {smpp.TagSARSegmentSeqnum, 1}} {
		if v, ok := t.Get(tag.tag); ok && len(v) != tag.length {
			return gsm.Concat{}, fmt.Errorf("%s of %d octets: %w", tag.tag, len(v), smpp.StatusRINVPARLEN)
		}
	}
	ref, ok1 := t.Uint16(smpp.TagSARMsgRefNum)
	total, ok2 := t.Uint8(smpp.TagSARTotalSegments)
	seq, ok3 := t.Uint8(smpp.TagSARSegmentSeqnum)
	if !ok1 || !ok2 || !ok3 || seq < 1 || seq > total {
		return gsm.Concat{}, nil
	}
	return gsm.Concat{Ref: ref, Total: total, Seq: seq, Wide: true}, nil
}
