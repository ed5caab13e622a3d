package smsc

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"longlines/gsm"
	"longlines/message"
	"longlines/number"
	"longlines/smpp"
	"longlines/timeline"
)

// watched reports whether anybody wants to see PDUs; only then are they written out.
func (s *SMSC) watched() bool { return s.cfg.Timeline != nil && s.cfg.Timeline.Watched() }

// tap counts every PDU, and shows those that no call of ours shows with more knowledge: binds,
// enquire_link, unbind, refusals of the session's own.
func (s *SMSC) tap() func(smpp.Direction, smpp.Header, []byte) {
	count := s.meter.counter()
	return func(dir smpp.Direction, h smpp.Header, raw []byte) {
		count(dir, h)
		if !s.watched() {
			return
		}
		switch h.ID {
		case smpp.CommandSubmitSM, smpp.CommandSubmitSMResp, smpp.CommandDeliverSM, smpp.CommandDeliverSMResp,
			smpp.CommandDataSM, smpp.CommandDataSMResp, smpp.CommandAlertNotification:
			return
		}
		way := "in"
		if dir == smpp.Sent {
			way = "out"
		}
		e := timeline.Entry{Time: s.cfg.Now(), Kind: timeline.KindPDU, Title: title(h), State: way, Link: s.link.Name}
		e.Detail = fmt.Sprintf("%s\n\n%s", headerLine(h), hex.Dump(raw))
		s.cfg.Timeline.Add(e)
	}
}

// title is the one line of a PDU: "submit_sm 7", "submit_sm_resp 7 ESME_RTHROTTLED".
func title(h smpp.Header) string {
	t := fmt.Sprintf("%s %d", h.ID, h.Sequence)
	if h.Status != smpp.StatusROK {
		t += " " + h.Status.String()
	}
	return t
}

func headerLine(h smpp.Header) string {
	return fmt.Sprintf("command_id 0x%08X %s, command_status 0x%08X %s, sequence_number %d",
		uint32(h.ID), h.ID, uint32(h.Status), h.Status.String(), h.Sequence)
}

// show puts a PDU on the timeline: one line, its parameters and its octets. about is the PDU that
// tells whom it concerns: itself, or for a response the request. m is the text it carries, if it is
// one of ours; of a private one, what it says is left out.
func (s *SMSC) show(way string, h smpp.Header, p, about smpp.PDU, m *message.SMS, took time.Duration) {
	h.ID = p.CommandID()
	e := timeline.Entry{
		Time: s.cfg.Now(), Kind: timeline.KindPDU, Title: title(h), State: way, Link: s.link.Name,
		Duration: float64(took.Microseconds()) / 1000,
	}
	if h.Status != smpp.StatusROK {
		e.Code = h.Status.Code()
	}
	private := m != nil && m.Private && p == about
	var b strings.Builder
	b.WriteString(headerLine(h))
	b.WriteByte('\n')
	switch about := about.(type) {
	case *smpp.SubmitSM:
		e.Number = handset(about.Dest)
		if p == about && !private {
			s.describe(&b, about.Source, about.Dest, about.ESMClass, about.DataCoding, about.Message(), about.TLVs)
			fmt.Fprintf(&b, "registered_delivery 0x%02X, validity_period %q\n", uint8(about.RegisteredDelivery), about.ValidityPeriod)
		}
	case *smpp.DeliverSM:
		e.Number = handset(about.Source)
		if r, err := about.Receipt(); err == nil {
			e.Ref = printable(r.ID)
			e.Title += " receipt " + r.State.Word()
		}
		if p == about {
			s.describe(&b, about.Source, about.Dest, about.ESMClass, about.DataCoding, about.Message(), about.TLVs)
		}
	case *smpp.DataSM:
		e.Number = handset(about.Source)
		if p == about {
			s.describe(&b, about.Source, about.Dest, about.ESMClass, about.DataCoding, about.Message(), about.TLVs)
		}
	}
	if r, ok := p.(*smpp.SubmitSMResp); ok {
		e.Ref = printable(r.MessageID)
		fmt.Fprintf(&b, "message_id %q\n", r.MessageID)
	}
	if m != nil && s.cfg.Name != nil && m.Message != 0 {
		e.Message = s.cfg.Name(m.Message)
	}
	if private {
		b.WriteString("a text for its recipient alone, not shown\n")
	} else if raw, err := smpp.Append(nil, h, p); err == nil {
		b.WriteByte('\n')
		b.WriteString(hex.Dump(raw))
	}
	e.Detail = b.String()
	s.cfg.Timeline.Add(e)
}

// showAnswer puts our answer to a request of the centre on the timeline.
func (s *SMSC) showAnswer(req *smpp.Request, status smpp.Status) {
	p := smpp.New(req.PDU.CommandID() | smpp.ResponseBit)
	if p == nil {
		return
	}
	s.show("out", smpp.Header{Status: status, Sequence: req.Header.Sequence}, p, req.PDU, nil, 0)
}

// describe writes what a message PDU carries.
func (s *SMSC) describe(b *strings.Builder, source, dest smpp.Address, class smpp.ESMClass, coding uint8, body []byte, tlvs smpp.TLVs) {
	fmt.Fprintf(b, "source %s, destination %s, esm_class 0x%02X, data_coding %s\n", source, dest, uint8(class), gsm.DCS(coding))
	if class.UDHI() {
		h, rest, err := gsm.ParseUDH(body)
		if c, ok := h.Concat(); ok && err == nil {
			fmt.Fprintf(b, "segment %d of %d, reference %d\n", c.Seq, c.Total, c.Ref)
		}
		body = rest
	}
	text, _ := gsm.Decode(s.quirks.coding(coding), body, false)
	fmt.Fprintf(b, "text %q\n", text)
	for _, t := range tlvs {
		if t.Tag != smpp.TagMessagePayload {
			fmt.Fprintf(b, "%s %s\n", t.Tag, value(t.Value))
		}
	}
}

// value writes a TLV's value as text if it is some, else as octets.
func value(v []byte) string {
	text := strings.TrimRight(string(v), "\x00")
	if text == "" || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7F }) {
		return "0x" + hex.EncodeToString(v)
	}
	return fmt.Sprintf("%q", text)
}

// handset is the number an address stands for, as people write it.
func handset(a smpp.Address) string {
	if n, err := number.FromSMPP(number.TON(a.TON), number.NPI(a.NPI), a.Addr); err == nil {
		return n.String()
	}
	return ""
}
