package smsc

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"longlines/gsm"
	"longlines/number"
	"longlines/sandbox/phone"
	"longlines/smpp"
)

// item is one deliver_sm on its way to an ESME: a receipt, or a text of a phone or a segment of one.
type item struct {
	receipt *message        // whose; nil: a text
	text    *smpp.DeliverSM // nil: a receipt
	origin  *bind           // the one that wants the receipt
	tries   int
	then    func() // called once it is acknowledged
}

// dest is the address the item is for.
func (it *item) dest() string {
	if it.receipt != nil {
		return it.receipt.src.Addr
	}
	return it.text.Dest.Addr
}

// pdu writes the item out.
func (it *item) pdu() *smpp.DeliverSM {
	if it.receipt == nil {
		return it.text
	}
	id := it.receipt.id
	if it.receipt.habit.Receipt == phone.ReceiptRespelled {
		id = "0" + strings.ToUpper(id)
	}
	return receiptOf(it.receipt, id)
}

// lanes are two queues, so that neither receipts nor texts wait behind a mass of the other.
type lanes struct{ receipts, texts deque[*item] }

func (l *lanes) of(it *item) *deque[*item] {
	if it.receipt != nil {
		return &l.receipts
	}
	return &l.texts
}

// bind is a session and what it is to receive.
type bind struct {
	session *smpp.Session
	ctx     context.Context // ends with the session
	serves  *regexp.Regexp  // address_range; nil: whatever nobody else claims
	own     lanes           // guarded by SMSC.mu, like what follows
	turn    int             // which queue is asked first
	gone    bool
	wake    chan struct{} // holds one
}

// sent is an item without its answer yet.
type sent struct {
	*item
	answer *smpp.Pending
}

// bound begins the work for a new session.
func (c *SMSC) bound(s *smpp.Session) {
	ctx, stop := context.WithCancel(context.Background())
	b := &bind{session: s, ctx: ctx, wake: make(chan struct{}, 1)}
	receives := s.Bind().Kind != smpp.BindTransmitter
	if r := s.Bind().AddressRange; r != "" && receives {
		var err error
		if b.serves, err = regexp.Compile(r); err != nil {
			c.log.Warn("smsc: address_range is no regular expression; it is taken for none", "range", r, "err", err)
		}
	}
	c.mu.Lock()
	c.binds[s] = b
	switch {
	case !receives:
	case b.serves != nil:
		c.ranged++
		c.adopt(b)
	default:
		c.general++
	}
	c.mu.Unlock()
	c.log.Debug("virtual smsc: bound", "peer", s.RemoteAddr().String(), "kind", s.Bind().Kind.String())
	c.binding.Go(func() {
		defer stop()
		if !receives {
			<-s.Done()
			c.unbound(b, nil)
			return
		}
		flight := make(chan sent, 4*deliverWindow)
		var left *item // taken from a queue and not sent
		c.binding.Go(func() {
			defer close(flight)
			left = c.send(b, flight)
		})
		c.binding.Go(func() { <-s.Done(); stop() })
		back := c.collect(flight) // returns after flight is closed, so left is ours
		<-s.Done()
		if left != nil {
			back = append(back, left)
		}
		c.unbound(b, back)
	})
}

// adopt gives a bind what waits for its addresses. c.mu is held.
func (c *SMSC) adopt(b *bind) {
	for _, d := range []*deque[*item]{&c.shared.receipts, &c.shared.texts} {
		for range d.len() {
			it, _ := d.popFront()
			if b.serves.MatchString(it.dest()) {
				b.own.of(it).pushBack(it)
			} else {
				d.pushBack(it)
			}
		}
	}
}

// unbound ends the work for a session. Back is what it took and did not acknowledge: it goes before
// all else to the next one.
func (c *SMSC) unbound(b *bind, back []*item) {
	c.mu.Lock()
	delete(c.binds, b.session)
	b.gone = true
	if b.session.Bind().Kind != smpp.BindTransmitter {
		if b.serves != nil {
			c.ranged--
		} else {
			c.general--
		}
	}
	for _, d := range []*deque[*item]{&b.own.receipts, &b.own.texts} {
		for d.len() > 0 {
			it, _ := d.popFront()
			back = append(back, it)
		}
	}
	for i := len(back) - 1; i >= 0; i-- {
		c.queue(back[i], true)
	}
	c.trim()
	c.mu.Unlock()
	c.log.Debug("virtual smsc: unbound", "peer", b.session.RemoteAddr().String(), "err", b.session.Err())
	c.release() // whoever waits for receipts to go down must not wait for nobody
}

// place queues a new item. c.mu is held.
func (c *SMSC) place(it *item, front bool) {
	if it.receipt != nil {
		c.receipts++
	} else {
		c.texts++
	}
	c.queue(it, front)
	c.trim()
}

// queue puts an item where the bind that should have it will look. c.mu is held.
func (c *SMSC) queue(it *item, front bool) {
	l, b := &c.shared, it.origin
	if b == nil || b.gone || b.session.Bind().Kind == smpp.BindTransmitter {
		it.origin, b = nil, nil
		if c.ranged > 0 {
			for _, r := range c.binds {
				if r.serves != nil && r.serves.MatchString(it.dest()) {
					b = r
					break
				}
			}
		}
	}
	if b != nil {
		l = &b.own
	}
	if d := l.of(it); front {
		d.pushFront(it)
	} else {
		d.pushBack(it)
	}
	if b != nil {
		b.poke()
		return
	}
	for _, b := range c.binds {
		if b.serves == nil {
			b.poke()
		}
	}
}

func (b *bind) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// trim drops the oldest receipts when too many wait. c.mu is held.
func (c *SMSC) trim() {
	limit := maxReceipts
	if c.general == 0 {
		limit = maxUnbound
	}
	for c.receipts > limit {
		it, ok := c.shared.receipts.popFront()
		for _, b := range c.binds {
			if ok {
				break
			}
			it, ok = b.own.receipts.popFront()
		}
		if !ok {
			return // all under way
		}
		c.receipts--
		if c.stats.Dropped++; c.stats.Dropped == 1 {
			c.log.Warn("smsc: receipts are dropped, because too many wait for a bind that receives", "limit", limit)
		}
		if it.then != nil {
			c.agenda.at(c.clock.Now(), it.then)
		}
	}
}

// next takes an item for a bind, from each queue in turn.
func (c *SMSC) next(b *bind) *item {
	c.mu.Lock()
	defer c.mu.Unlock()
	queues := [4]*deque[*item]{&b.own.receipts, &b.own.texts, &c.shared.receipts, &c.shared.texts}
	n := len(queues)
	if b.serves != nil {
		n = 2
	}
	for i := range n {
		q := (b.turn + i) % n
		if it, ok := queues[q].popFront(); ok {
			b.turn = q + 1
			return it
		}
	}
	return nil
}

// send hands items to a session until that ends. It returns the one it could not hand over, if any.
func (c *SMSC) send(b *bind, flight chan<- sent) *item {
	for {
		it := c.next(b)
		if it == nil {
			select {
			case <-b.wake:
				continue
			case <-b.ctx.Done():
				return nil
			}
		}
		answer, err := b.session.Start(b.ctx, it.pdu())
		if bad := (*smpp.EncodeError)(nil); errors.As(err, &bad) {
			c.log.Error("smsc: a deliver_sm cannot be written and is given up", "err", err)
			c.settled(it)
			continue
		}
		if err != nil {
			// The session is at its end, though it may still wait for answers.
			return it
		}
		answer.Release() // the place in the window is free with the answer
		flight <- sent{it, answer}
	}
}

// collect hears the answers, in the order of the requests. It returns what has none because the session ended.
func (c *SMSC) collect(flight <-chan sent) (back []*item) {
	for x := range flight {
		resp, err := x.answer.Wait(context.Background()) // ends with the session at the latest
		x.item.tries++
		bad := (*smpp.DecodeError)(nil)
		switch {
		case err == nil, errors.As(err, &bad) && resp.Header.Status == smpp.StatusROK: // a garbled yes is a yes
			c.settled(x.item)
		case errors.Is(err, smpp.ErrNotSent), errors.Is(err, smpp.ErrClosed):
			back = append(back, x.item)
		default: // refused, or no answer in time
			c.again(x.item)
		}
	}
	return back
}

// settled forgets an item that was acknowledged.
func (c *SMSC) settled(it *item) {
	c.mu.Lock()
	if it.receipt != nil {
		c.receipts--
		c.stats.Receipts++
	} else {
		c.texts--
		c.stats.Texts++
		select {
		case c.space <- struct{}{}:
		default:
		}
	}
	if it.tries > 1 {
		c.stats.Resent += uint64(it.tries - 1)
	}
	release := c.held.len() > 0
	c.mu.Unlock()
	if it.then != nil {
		it.then()
	}
	if release {
		c.release()
	}
}

// again queues an item once more after a while that doubles each time.
func (c *SMSC) again(it *item) {
	wait := lastRetry
	if it.tries < 7 {
		wait = min(lastRetry, firstRetry<<(it.tries-1))
	}
	c.agenda.at(c.clock.Now().Add(wait), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.queue(it, false)
	})
}

// carry takes what the phones send to where it goes, until ctx ends.
func (c *SMSC) carry(ctx context.Context) {
	ref := uint16(0)
	for {
		for c.crowded() {
			select {
			case <-c.space:
			case <-ctx.Done():
				return
			}
		}
		m, err := c.cfg.Phones.Take(ctx)
		if err != nil {
			return
		}
		if to, ok := m.To.MSISDN(); ok { // from phone to phone, never beyond the centre
			c.cfg.Phones.Deliver(m.From, to, m.Text, "")
			continue
		}
		ref++
		split, err := gsm.Split(m.Text, gsm.SplitOptions{Ref: ref})
		if err != nil { // more than 255 segments, which phone.MaxText rules out
			c.log.Error("smsc: a phone's text cannot be carried", "err", err)
			continue
		}
		src, dst := address(m.From), address(m.To)
		c.mu.Lock()
		for _, g := range split.Segments {
			p := &smpp.DeliverSM{Source: src, Dest: dst, DataCoding: uint8(split.DCS), ShortMessage: g.UserData}
			if len(g.UDH) > 0 {
				p.ESMClass = smpp.FeatureUDHI
			}
			c.place(&item{text: p}, false)
		}
		c.mu.Unlock()
	}
}

func (c *SMSC) crowded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.texts >= maxTexts
}

func address(a number.Address) smpp.Address {
	ton, npi, addr := number.SMPP(a)
	return smpp.Address{TON: uint8(ton), NPI: uint8(npi), Addr: addr}
}
