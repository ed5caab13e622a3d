package smsc

import (
	"context"
	"errors"
	"hash/fnv"
	"runtime/debug"
	"time"

	"longlines/id"
	"longlines/message"
	"longlines/smpp"
)

// handle takes one request of the centre. The session calls it for up to 64 at a time and goes on
// reading meanwhile, so a slow store holds up neither enquire_link nor the answers to our submits;
// what exceeds that and the session's queue is answered RX_T_APPN, and the centre keeps it.
func (s *SMSC) handle(ctx context.Context, b *bound, req *smpp.Request, conn int64) {
	if s.watched() {
		s.show("in", req.Header, req.PDU, req.PDU, nil, 0)
	}
	respond := func(status smpp.Status) bool {
		err := req.Respond(status, nil)
		if s.watched() {
			s.showAnswer(req, status)
		}
		return err == nil
	}
	if req.Header.ID == smpp.CommandAlertNotification {
		return // has no response, and nobody waits for it
	}
	raw, err := smpp.Append(nil, req.Header, req.PDU)
	if err != nil {
		raw = nil
	}
	d, ok := deliveryOf(req.PDU, raw)
	if !ok {
		respond(smpp.StatusRINVCMDID)
		return
	}
	if !b.enter() {
		s.count.declined.Add(1)
		respond(smpp.StatusRX_T_APPN) // we are leaving: the centre sends it again
		return
	}
	defer b.leave()
	status, row := s.take(ctx, d, conn)
	if status != smpp.StatusROK {
		s.count.declined.Add(1)
	}
	if respond(status) && row != 0 && status == smpp.StatusROK {
		s.confirm(req, row)
	}
}

// take makes a delivery durable and says what to answer; row is that of a text from a handset.
//
// ROK is only ever answered after the receiver said that the delivery is durable. Its trouble is
// answered RX_T_APPN, never RX_P_APPN, so that the centre tries again (docs/reference/reliability.md §3.7).
func (s *SMSC) take(ctx context.Context, d delivery, conn int64) (status smpp.Status, row id.Number) {
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Log.Error("taking a delivery panicked", "panic", v, "stack", string(debug.Stack()))
			status, row = smpp.StatusRX_T_APPN, 0
		}
	}()
	x, err := s.quirks.decode(d)
	if errors.Is(err, errNoReceipt) {
		s.seldom.Do(func() { s.cfg.Log.Warn("a receipt that names no message was acknowledged and dropped") })
		return smpp.StatusROK, 0
	}
	if err != nil {
		s.seldom.Do(func() { s.cfg.Log.Warn("a malformed delivery was refused", "error", err) })
		if errors.As(err, &status) {
			return status, 0
		}
		return smpp.StatusRX_T_APPN, 0
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timers.Store)
	defer cancel()
	if x.dlr != nil {
		if x.conflicting {
			s.count.bad.Add(1)
			s.seldom.Do(func() { s.cfg.Log.Warn("text and TLVs of a receipt disagree: the TLVs count", "ref", x.dlr.ID) })
		}
		x.dlr.Group = s.link.Group
		err = s.cfg.Receiver.ReportDLR(ctx, *x.dlr)
	} else {
		x.in.Group, x.in.Conn, x.in.Time = s.link.Group, conn, s.cfg.Now()
		row, err = s.receive(ctx, *x.in)
	}
	if err != nil {
		s.seldom.Do(func() {
			s.cfg.Log.Warn("a delivery could not be stored: the centre is asked to try again", "error", err)
		})
		return smpp.StatusRX_T_APPN, 0
	}
	if x.dlr != nil {
		s.count.receipts.Add(1)
	} else {
		s.count.incoming.Add(1)
	}
	return smpp.StatusROK, row
}

// receive takes the texts of one handset in turn.
func (s *SMSC) receive(ctx context.Context, in message.Incoming) (id.Number, error) {
	lock := &s.sources[hashOf(in.From.Value())%uint64(len(s.sources))]
	lock.Lock()
	defer lock.Unlock()
	return s.cfg.Receiver.ReceiveSMS(ctx, in)
}

// handsetOf tells the texts of one handset from those of others, in a number for smpp.SessionConfig.InTurn: a STOP and
// the START after it must not overtake each other. Receipts may.
func handsetOf(p smpp.PDU) uint64 {
	var class smpp.ESMClass
	var from smpp.Address
	switch p := p.(type) {
	case *smpp.DeliverSM:
		class, from = p.ESMClass, p.Source
	case *smpp.DataSM:
		class, from = p.ESMClass, p.Source
	default:
		return 0
	}
	if class.IsReceipt() {
		return 0
	}
	return max(hashOf(from.Addr), 1)
}

func hashOf(address string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(address))
	return h.Sum64()
}

// confirm tells the receiver that the answer for a row has been written to the socket, once it has.
// If the connection ends before, it is not told, and the same text on the next one is known as the
// centre's repetition (docs/reference/reliability.md §3.7).
func (s *SMSC) confirm(req *smpp.Request, row id.Number) {
	// The session's writer is at it already: mostly one look is enough, and a peer that does not read
	// ends the session within its write timeout.
	for wait := 20 * time.Microsecond; !req.Written(); wait = min(2*wait, 50*time.Millisecond) {
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-req.Session().Done():
			t.Stop()
			if !req.Written() {
				return
			}
		}
	}
	s.cfg.Receiver.Confirm(row)
}
