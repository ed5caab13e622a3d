package smsc

import (
	"strconv"
	"strings"
	"time"

	"longlines/gsm"
	"longlines/smpp"
)

// find looks up a message by its id, which may be spelled as in a receipt of a phone that respells them, and the
// address it was sent from. c.mu is held.
func (c *SMSC) find(id string, src smpp.Address) *message {
	n, err := strconv.ParseUint(id, 16, 64)
	if err != nil || uint32(n>>32) != c.prefix {
		return nil
	}
	m := c.ring[uint32(n)%remembered]
	if m == nil || !strings.EqualFold(m.id, strings.TrimLeft(id, "0")) || m.src.Addr != src.Addr {
		return nil
	}
	return m
}

// query is query_sm (SMPP 3.4 §4.8).
func (c *SMSC) query(r *smpp.Request, p *smpp.QuerySM) {
	c.mu.Lock()
	m := c.find(p.MessageID, p.Source)
	if m == nil {
		c.mu.Unlock()
		r.Respond(smpp.StatusRINVMSGID, nil)
		return
	}
	answer := &smpp.QuerySMResp{MessageID: m.id, MessageState: m.state, ErrorCode: m.netErr}
	if m.state.Final() {
		date, _ := smpp.AppendAbsoluteTime(nil, m.done.UTC())
		answer.FinalDate = string(date)
	}
	c.mu.Unlock()
	r.Respond(smpp.StatusROK, answer)
}

// cancel is cancel_sm (SMPP 3.4 §4.9): one message by its id, or all that are under way between two
// addresses. Who wants a receipt is told DELETED.
func (c *SMSC) cancel(r *smpp.Request, p *smpp.CancelSM) {
	status := smpp.StatusROK
	var gone []*message
	now := c.clock.Now()
	c.mu.Lock()
	if p.MessageID != "" {
		switch m := c.find(p.MessageID, p.Source); {
		case m == nil:
			status = smpp.StatusRINVMSGID
		case m.state.Final():
			status = smpp.StatusRCANCELFAIL
		default:
			gone = append(gone, m)
		}
	} else {
		gone = c.underWay(p.Source, p.Dest, p.ServiceType)
		if len(gone) == 0 {
			status = smpp.StatusRCANCELFAIL
		}
	}
	for _, m := range gone {
		m.end(smpp.StateDeleted, 0, now)
	}
	c.mu.Unlock()
	r.Respond(status, nil)
	for _, m := range gone {
		c.report(m, nil)
	}
}

// replace is replace_sm (SMPP 3.4 §4.10): another text, and if they are given other times, for a message that is not delivered yet.
func (c *SMSC) replace(r *smpp.Request, p *smpp.ReplaceSM) {
	now := c.clock.Now()
	var due, expires time.Time
	var err error
	if p.ScheduleDeliveryTime != "" {
		if due, err = smpp.ParseTime(p.ScheduleDeliveryTime, now); err != nil {
			r.Respond(smpp.StatusRINVSCHED, nil)
			return
		}
	}
	if p.ValidityPeriod != "" {
		if expires, err = smpp.ParseTime(p.ValidityPeriod, now); err != nil || !expires.After(now) {
			r.Respond(smpp.StatusRINVEXPIRY, nil)
			return
		}
	}
	status := smpp.StatusROK
	c.mu.Lock()
	switch m := c.find(p.MessageID, p.Source); {
	case m == nil:
		status = smpp.StatusRINVMSGID
	case m.state.Final(), m.concat.Total > 0: // replace_sm has no room for a header
		status = smpp.StatusRREPLACEFAIL
	default:
		m.payload = p.ShortMessage
		if m.registry = p.RegisteredDelivery; m.registry.Receipt() != smpp.ReceiptNone {
			m.start = beginning(m.dcs, m.payload)
		}
		if !due.IsZero() {
			m.due = due
		}
		if !expires.IsZero() {
			m.expires = expires
		}
	}
	c.mu.Unlock()
	r.Respond(status, nil)
}

// withdraw ends the messages that a new one replaces (SMPP 3.4 §5.2.18). Nobody is told. c.mu is held.
func (c *SMSC) withdraw(by *message) {
	for _, m := range c.underWay(by.src, by.dst, by.service) {
		m.end(smpp.StateDeleted, 0, by.arrived)
		c.settle(m)
	}
}

// underWay is what has no final state between two addresses. c.mu is held.
func (c *SMSC) underWay(src, dst smpp.Address, service string) (found []*message) {
	for _, m := range c.ring {
		if m != nil && !m.state.Final() && m.src.Addr == src.Addr && m.dst.Addr == dst.Addr &&
			(service == "" || m.service == service) {
			found = append(found, m)
		}
	}
	return found
}

// receiptOf is the deliver_sm that reports a message's final state (SMPP 3.4 §5.2.12, appendix B): the
// addresses change places, and what the text says the TLVs say too.
func receiptOf(m *message, id string) *smpp.DeliverSM {
	delivered := 0
	if m.state == smpp.StateDelivered {
		delivered = 1
	}
	err := [3]byte{'0' + m.netErr/100, '0' + m.netErr/10%10, '0' + m.netErr%10}
	text := smpp.Receipt{
		ID: id, Submitted: 1, Delivered: delivered,
		SubmitDate: m.arrived.UTC(), DoneDate: m.done.UTC(),
		State: m.state, Err: string(err[:]), Text: m.start,
	}
	return &smpp.DeliverSM{
		Source: m.dst, Dest: m.src, ServiceType: m.service,
		ESMClass:     smpp.TypeReceipt,
		DataCoding:   uint8(gsm.DCSDefault),
		ShortMessage: text.Append(make([]byte, 0, 192)),
		TLVs: smpp.TLVs{
			{Tag: smpp.TagReceiptedMessageID, Value: append([]byte(id), 0)},
			{Tag: smpp.TagMessageState, Value: []byte{uint8(m.state)}},
		},
	}
}
