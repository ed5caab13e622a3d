package smsc

import (
	"strconv"
	"strings"
	"time"

	"longlines/gsm"
	"longlines/number"
	"longlines/sandbox/phone"
	"longlines/smpp"
)

// message is one submitted message to one subscriber.
type message struct {
	id       string
	service  string
	src, dst smpp.Address // as submitted
	from     number.Address
	to       number.MSISDN
	habit    *phone.Habit
	registry smpp.RegisteredDelivery
	dcs      gsm.DCS
	concat   gsm.Concat // Total 0: the message is whole
	arrived  time.Time
	status   smpp.Status // that it is refused with

	prompt bool // its fate was due when it was accepted

	// Once the message has an id these are guarded by SMSC.mu, and in its final state they stand still.
	origin  *bind
	state   smpp.MessageState
	payload []byte // user data without its header; nil once the message has its final state
	start   string // the first characters, for the receipt
	due     time.Time
	expires time.Time
	done    time.Time // when it got its final state
	netErr  uint8
	owed    bool // counted in SMSC.owed
}

// fates say what the network reports for each fate: the state, and an error number as centres use them.
var fates = [...]struct {
	state  smpp.MessageState
	netErr uint8
}{
	phone.FateDelivered:     {smpp.StateDelivered, 0},
	phone.FateSilent:        {smpp.StateEnroute, 0},
	phone.FateUndeliverable: {smpp.StateUndeliverable, 1}, // unknown subscriber
	phone.FateExpired:       {smpp.StateExpired, 27},      // absent subscriber
	phone.FateRejected:      {smpp.StateRejected, 21},     // barred
}

// submission is a request that carries messages, until it is answered.
type submission struct {
	request  *smpp.Request
	messages []*message
	one      [1]*message      // memory of messages in the most frequent case
	failed   []smpp.Unsuccess // of submit_multi
	replaces bool             // replace_if_present_flag
	respond  func(id string)  // answers with success; nil: submit_sm_resp

	// Guarded by SMSC.mu.
	ready bool   // its messages may have their fate
	then  func() // see SMSC.finish
}

// submit is submit_sm.
func (c *SMSC) submit(r *smpp.Request, p *smpp.SubmitSM) {
	s := &submission{request: r, replaces: p.ReplaceIfPresentFlag == 1}
	m, status := c.read(p)
	if status == smpp.StatusROK {
		status = c.address(m, p.Dest)
	}
	if status != smpp.StatusROK {
		c.refuse(r, status)
		return
	}
	s.one[0] = m
	s.messages = s.one[:]
	c.admit(s)
}

// data is data_sm: submit_sm with fewer fields.
func (c *SMSC) data(r *smpp.Request, p *smpp.DataSM) {
	s := &submission{request: r}
	m, status := c.read(&smpp.SubmitSM{
		ServiceType: p.ServiceType, Source: p.Source, ESMClass: p.ESMClass,
		RegisteredDelivery: p.RegisteredDelivery, DataCoding: p.DataCoding, TLVs: p.TLVs,
	})
	if status == smpp.StatusROK {
		status = c.address(m, p.Dest)
	}
	if status != smpp.StatusROK {
		c.refuse(r, status)
		return
	}
	s.respond = func(id string) { r.Respond(smpp.StatusROK, &smpp.DataSMResp{MessageID: id}) }
	s.one[0] = m
	s.messages = s.one[:]
	c.admit(s)
}

// multi is submit_multi: the same message, under one id, to each destination; those that are
// refused are listed in the answer. Distribution lists there are none.
func (c *SMSC) multi(r *smpp.Request, p *smpp.SubmitMulti) {
	s := &submission{request: r, replaces: p.ReplaceIfPresentFlag == 1}
	m, status := c.read(&smpp.SubmitSM{
		ServiceType: p.ServiceType, Source: p.Source, ESMClass: p.ESMClass, PriorityFlag: p.PriorityFlag,
		ScheduleDeliveryTime: p.ScheduleDeliveryTime, ValidityPeriod: p.ValidityPeriod,
		RegisteredDelivery: p.RegisteredDelivery, ReplaceIfPresentFlag: p.ReplaceIfPresentFlag,
		DataCoding: p.DataCoding, SMDefaultMsgID: p.SMDefaultMsgID, ShortMessage: p.ShortMessage, TLVs: p.TLVs,
	})
	if status == smpp.StatusROK && len(p.Dests) == 0 {
		status = smpp.StatusRINVNUMDESTS
	}
	if status != smpp.StatusROK {
		c.refuse(r, status)
		return
	}
	for _, d := range p.Dests {
		each := *m
		status := smpp.StatusRINVDLNAME
		if d.List == "" {
			status = c.address(&each, d.Address)
		}
		if status != smpp.StatusROK {
			s.failed = append(s.failed, smpp.Unsuccess{Address: d.Address, Status: status})
			continue
		}
		s.messages = append(s.messages, &each)
	}
	s.respond = func(id string) {
		r.Respond(smpp.StatusROK, &smpp.SubmitMultiResp{MessageID: id, Failed: s.failed})
	}
	c.admit(s)
}

// read makes a message of all but the destination.
func (c *SMSC) read(p *smpp.SubmitSM) (*message, smpp.Status) {
	now := c.clock.Now()
	from, err := number.FromSMPP(number.TON(p.Source.TON), number.NPI(p.Source.NPI), p.Source.Addr)
	switch {
	case err != nil:
		return nil, smpp.StatusRINVSRCADR
	case p.ESMClass.Type() != smpp.TypeDefault:
		return nil, smpp.StatusRINVESMCLASS
	case p.PriorityFlag > 3:
		return nil, smpp.StatusRINVPRTFLG
	case p.ReplaceIfPresentFlag > 1:
		return nil, smpp.StatusRINVREPFLAG
	case p.SMDefaultMsgID != 0: // there are no predefined messages
		return nil, smpp.StatusRINVDFTMSGID
	}
	m := &message{
		service: p.ServiceType, src: p.Source, from: from,
		registry: p.RegisteredDelivery, dcs: gsm.DCS(p.DataCoding),
		arrived: now, due: now, expires: now.Add(validity),
		state: smpp.StateEnroute, payload: p.Message(),
	}
	if p.ScheduleDeliveryTime != "" {
		if m.due, err = smpp.ParseTime(p.ScheduleDeliveryTime, now); err != nil {
			return nil, smpp.StatusRINVSCHED
		}
	}
	if p.ValidityPeriod != "" {
		if m.expires, err = smpp.ParseTime(p.ValidityPeriod, now); err != nil || !m.expires.After(now) {
			return nil, smpp.StatusRINVEXPIRY
		}
	}
	if p.ESMClass.UDHI() {
		h, rest, err := gsm.ParseUDH(m.payload)
		m.payload = rest
		if err == nil {
			m.concat, _ = h.Concat()
		}
	} else if len(p.TLVs) > 0 {
		m.concat = sar(p.TLVs)
	}
	if m.concat.Total == 1 {
		m.concat = gsm.Concat{}
	}
	if m.registry.Receipt() != smpp.ReceiptNone {
		m.start = beginning(m.dcs, m.payload)
	}
	return m, smpp.StatusROK
}

// sar reads the place of a segment from optional parameters (SMPP 3.4 §5.3.2.22-24).
func sar(t smpp.TLVs) gsm.Concat {
	ref, ok1 := t.Uint16(smpp.TagSARMsgRefNum)
	total, ok2 := t.Uint8(smpp.TagSARTotalSegments)
	seq, ok3 := t.Uint8(smpp.TagSARSegmentSeqnum)
	if !ok1 || !ok2 || !ok3 || seq < 1 || seq > total {
		return gsm.Concat{}
	}
	return gsm.Concat{Ref: ref, Total: total, Seq: seq, Wide: true}
}

// beginning is the first 20 characters of user data as a receipt quotes them: in ASCII.
func beginning(dcs gsm.DCS, ud []byte) string {
	width := 1
	if dcs.Alphabet() == gsm.UCS2 {
		width = 2
	}
	text, _ := gsm.Decode(dcs, ud[:min(len(ud), 20*width)], false)
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r':
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, text)
}

// address gives a message its destination, and looks up what will go wrong with it.
func (c *SMSC) address(m *message, dst smpp.Address) smpp.Status {
	a, err := number.FromSMPP(number.TON(dst.TON), number.NPI(dst.NPI), dst.Addr)
	to, ok := a.MSISDN()
	if err != nil || !ok {
		return smpp.StatusRINVDSTADR
	}
	m.dst, m.to, m.habit = dst, to, phone.HabitOf(to)
	m.due = m.due.Add(m.habit.After)
	return smpp.StatusROK
}

// refuse answers a request with a status.
func (c *SMSC) refuse(r *smpp.Request, status smpp.Status) {
	c.mu.Lock()
	c.stats.Refused++
	c.mu.Unlock()
	r.Respond(status, nil)
}

// admit waits out what makes the answer late, and then accepts or refuses.
func (c *SMSC) admit(s *submission) {
	var late time.Duration
	for _, m := range s.messages {
		var status uint32
		var delay time.Duration
		if c.cfg.Fault != nil {
			status, delay = c.cfg.Fault(m.to)
		}
		if m.status = smpp.Status(status); m.status == smpp.StatusROK {
			m.status = m.habit.Refuse
		}
		late = max(late, delay+m.habit.Latency)
	}
	if late > 0 {
		c.agenda.at(c.clock.Now().Add(late), func() { c.decide(s) })
		return
	}
	c.decide(s)
}

// decide takes the refused messages out and accepts the others.
func (c *SMSC) decide(s *submission) {
	kept, last := s.messages[:0], smpp.StatusRSUBMITFAIL
	for _, m := range s.messages {
		if m.status == smpp.StatusROK {
			kept = append(kept, m)
			continue
		}
		last = m.status
		s.failed = append(s.failed, smpp.Unsuccess{Address: m.dst, Status: m.status})
	}
	s.messages = kept
	if len(kept) == 0 {
		c.refuse(s.request, last)
		return
	}
	if c.agenda.len() >= maxPending {
		c.refuse(s.request, smpp.StatusRMSGQFUL)
		return
	}
	if !c.hold(s) {
		c.accept(s)
	}
}

// heldAnswer is a submission whose answer is held back, so that receipts can catch up.
type heldAnswer struct {
	s     *submission
	since time.Time
}

// hold reports that it will accept the submission later.
func (c *SMSC) hold(s *submission) bool {
	if s.messages[0].registry.Receipt() == smpp.ReceiptNone {
		return false
	}
	now := c.clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held.len() == 0 && c.receipts+c.owed < holdAt || c.general+c.ranged == 0 {
		c.owe(s, now)
		return false
	}
	c.held.pushBack(heldAnswer{s, now})
	c.agenda.at(now.Add(holdTime), c.release) // a receiver that acknowledges nothing must not stop the centre for ever
	return true
}

// owe counts the receipts that a submission will make at once, so that those who are accepted at the same time
// see them. c.mu is held.
func (c *SMSC) owe(s *submission, now time.Time) {
	for _, m := range s.messages {
		if m.habit.Fate != phone.FateSilent && !m.when().After(now) {
			m.owed = true
			c.owed++
		}
	}
}

// release accepts what was held back as far as there is room now, or it has waited too long.
func (c *SMSC) release() {
	c.mu.Lock()
	for c.held.len() > 0 {
		now := c.clock.Now()
		if c.receipts+c.owed >= holdAt && c.general+c.ranged > 0 && now.Sub(c.held.front().since) < holdTime {
			break
		}
		h, _ := c.held.popFront()
		c.owe(h.s, now)
		c.mu.Unlock()
		c.accept(h.s)
		c.mu.Lock()
	}
	c.mu.Unlock()
}

// accept gives the messages their id, answers, and lets them have their fate.
func (c *SMSC) accept(s *submission) {
	now := c.clock.Now()
	c.mu.Lock()
	id := ""
	for _, m := range s.messages {
		c.seq++
		if id == "" {
			id = string(strconv.AppendUint(make([]byte, 0, 16), uint64(c.prefix)<<32|uint64(c.seq), 16))
		}
		m.id = id
		m.origin = c.binds[s.request.Session()]
		if s.replaces {
			c.withdraw(m)
		}
		m.prompt = !m.when().After(now)
		c.ring[c.seq%remembered] = m
		c.stats.Accepted++
	}
	c.fresh.pushBack(s)
	listening := c.general+c.ranged > 0
	c.mu.Unlock()

	// What comes later is noted down first, so that it is certain once the answer is out.
	for _, m := range s.messages {
		if !m.prompt && m.habit.Fate != phone.FateSilent {
			c.agenda.at(m.when(), func() { c.finish(m, nil) })
		}
	}
	answer := func() {
		if s.respond != nil {
			s.respond(id)
		} else {
			s.request.Respond(smpp.StatusROK, &smpp.SubmitSMResp{MessageID: id})
		}
	}
	if m := s.messages[0]; m.habit.Receipt == phone.ReceiptEarly && m.registry.Wants(true) && listening && m.prompt {
		c.agenda.at(now.Add(earlyTime), answer) // should nobody acknowledge the receipt; a second answer is none
		c.fulfil(s, answer)
		return
	}
	answer()
	c.fulfil(s, nil)
}

// fulfil lets the messages of a submission that is answered, or is answered by then, have the fate that is due
// already. Requests are answered side by side, but whatever was accepted first reaches its phone and its receipt
// first: one goroutine at a time does it for all, and stops at the first that is not answered yet.
func (c *SMSC) fulfil(s *submission, then func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.ready, s.then = true, then
	if c.fulfilling {
		return
	}
	c.fulfilling = true
	for c.fresh.len() > 0 && c.fresh.front().ready {
		s, _ := c.fresh.popFront()
		c.mu.Unlock()
		for _, m := range s.messages {
			if m.prompt && m.habit.Fate != phone.FateSilent {
				c.finish(m, s.then)
			}
		}
		c.mu.Lock()
	}
	c.fulfilling = false
}

// when is the time of a message's fate: when it is due, or when its validity ends before.
func (m *message) when() time.Time {
	if m.expires.Before(m.due) {
		return m.expires
	}
	return m.due
}

// finish gives a message its final state, brings it to the phone if that is delivered, and reports it if
// that is asked for. Then, if not nil, is called once the report is acknowledged.
func (c *SMSC) finish(m *message, then func()) {
	now := c.clock.Now()
	c.mu.Lock()
	if m.state.Final() { // withdrawn
		c.mu.Unlock()
		return
	}
	at := m.when()
	if at.After(now) { // changed by replace_sm
		c.mu.Unlock()
		c.agenda.at(at, func() { c.finish(m, then) })
		return
	}
	f := fates[m.habit.Fate]
	if m.due.After(m.expires) {
		f = fates[phone.FateExpired]
	}
	payload := m.payload
	m.end(f.state, f.netErr, now)
	c.mu.Unlock()

	var shown phone.Message
	onPhone := false
	if f.state == smpp.StateDelivered {
		text := ""
		if m.concat.Total > 0 {
			text, onPhone = c.joiner.add(now, m.from, m.to, gsm.Part{Concat: m.concat, DCS: m.dcs, Payload: payload})
		} else {
			text, _ = gsm.Decode(m.dcs, payload, false)
			onPhone = true
		}
		if onPhone {
			shown = c.cfg.Phones.Deliver(m.from, m.to, text, m.id)
		}
	}
	c.report(m, then)
	if onPhone {
		c.cfg.Phones.React(shown)
	}
}

// end sets the final state. SMSC.mu is held.
func (m *message) end(state smpp.MessageState, netErr uint8, now time.Time) {
	m.state, m.netErr, m.done, m.payload = state, netErr, now, nil
}

// settle says that the receipt of a message is made, or will never be. c.mu is held.
func (c *SMSC) settle(m *message) {
	if m.owed {
		m.owed = false
		c.owed--
	}
}

// report sends the receipt of a message in its final state, if the ESME wants one.
func (c *SMSC) report(m *message, then func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle(m)
	origin := m.origin
	m.origin = nil // so that the memory of messages does not keep sessions alive
	if !m.registry.Wants(m.state == smpp.StateDelivered) {
		return
	}
	c.place(&item{receipt: m, origin: origin, then: then}, false)
	if m.habit.Receipt == phone.ReceiptTwice {
		c.place(&item{receipt: m, origin: origin}, false)
	}
}
