package smsc_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"longlines/gsm"
	"longlines/number"
	"longlines/sandbox/clock"
	"longlines/sandbox/phone"
	"longlines/sandbox/smsc"
	"longlines/smpp"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var pizza = number.ShortCode("48507").Address()

// patience is how long a test waits for what must come; it decides nothing but how soon a broken
// test ends.
const patience = 20 * time.Second

type centre struct {
	*smsc.SMSC
	book  *phone.Book
	clock *clock.Manual
}

func newCentre(t testing.TB, set ...func(*smsc.Config)) *centre {
	t.Helper()
	c := clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	book := phone.New(phone.Config{Clock: c})
	cfg := smsc.Config{Listen: "127.0.0.1:0", Phones: book, Clock: c}
	for _, f := range set {
		f(&cfg)
	}
	s, err := smsc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the centre ended with %v", err)
		}
	})
	return &centre{s, book, c}
}

// esme is one bind of an ESME that notes what it receives.
type esme struct {
	*smpp.Session
	t  testing.TB
	in chan *smpp.DeliverSM

	mu  sync.Mutex
	log []string // commands in the order in which they were read
}

// bind binds to the centre. Answer decides about each deliver_sm: nil acknowledges it; one that
// returns false leaves it unanswered.
func (c *centre) bind(t testing.TB, b smpp.BindConfig, answer func(*smpp.DeliverSM) (smpp.Status, bool)) *esme {
	t.Helper()
	if b.SystemID == "" {
		b.SystemID, b.Password = "sandbox", "sandbox"
	}
	e := &esme{t: t, in: make(chan *smpp.DeliverSM, 1<<16)}
	inbound := 1 // so that they are noted in the order in which they came
	if answer != nil {
		inbound = 1000 // an ESME that is slow to acknowledge holds that many
	}
	s, _, err := smpp.Dial(t.Context(), smpp.DialConfig{
		Addr: c.Addr().String(), Bind: b,
		Session: smpp.SessionConfig{
			Window: 1000, InboundWindow: inbound,
			OnPDU: func(dir smpp.Direction, h smpp.Header, _ []byte) {
				if dir == smpp.Received {
					e.mu.Lock()
					e.log = append(e.log, h.ID.String())
					e.mu.Unlock()
				}
			},
			Handler: smpp.HandlerFunc(func(_ context.Context, r *smpp.Request) {
				p := r.PDU.(*smpp.DeliverSM)
				status, respond := smpp.StatusROK, true
				if answer != nil {
					status, respond = answer(p)
				}
				if respond {
					r.Respond(status, nil)
				}
				e.in <- p
			}),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	e.Session = s
	t.Cleanup(func() { s.Close() })
	return e
}

func mute(*smpp.DeliverSM) (smpp.Status, bool) { return 0, false }

func (e *esme) next() *smpp.DeliverSM {
	e.t.Helper()
	select {
	case p := <-e.in:
		return p
	case <-time.After(patience):
		e.t.Fatal("no deliver_sm came")
		return nil
	}
}

func (e *esme) receipt() smpp.Receipt {
	e.t.Helper()
	p := e.next()
	r, err := p.Receipt()
	if err != nil {
		e.t.Fatalf("%+v: %v", p, err)
	}
	return r
}

func subscriber(m string) smpp.Address { return smpp.Address{TON: 1, NPI: 1, Addr: m} }

var code = smpp.Address{TON: 3, NPI: 0, Addr: "48507"}

func textTo(m, text string) *smpp.SubmitSM {
	return &smpp.SubmitSM{Source: code, Dest: subscriber(m), RegisteredDelivery: smpp.ReceiptAlways, ShortMessage: []byte(text)}
}

func (e *esme) submit(p smpp.PDU) string {
	e.t.Helper()
	r, err := e.Do(e.t.Context(), p)
	if err != nil {
		e.t.Fatal(err)
	}
	switch p := r.PDU.(type) {
	case *smpp.SubmitSMResp:
		return p.MessageID
	case *smpp.DataSMResp:
		return p.MessageID
	}
	return ""
}

// waitText waits until a phone has a text and returns all it has.
func (c *centre) waitText(t testing.TB, f phone.Filter) []phone.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	found, err := c.book.Messages(ctx, f, time.Hour)
	if err != nil {
		t.Fatalf("waiting for a text: %v", err)
	}
	return found
}

func TestMagicNumbers(t *testing.T) {
	for _, c := range []struct {
		name    string
		number  string
		refused smpp.Status
		state   smpp.MessageState // of the receipt
		text    bool              // reaches the phone
		reply   string
		after   time.Duration
	}{
		{name: "00 is delivered at once", number: "14255550100", state: smpp.StateDelivered, text: true},
		{name: "a number without a habit is delivered at once", number: "447700900123", state: smpp.StateDelivered, text: true},
		{name: "01 is delivered after 5 s", number: "14255550101", state: smpp.StateDelivered, text: true, after: 5 * time.Second},
		{name: "02 is delivered and replies OK", number: "12125550102", state: smpp.StateDelivered, text: true, reply: "OK"},
		{name: "04 is undeliverable", number: "14255550104", state: smpp.StateUndeliverable},
		{name: "05 is expired", number: "14255550105", state: smpp.StateExpired},
		{name: "06 is filtered", number: "14255550106", state: smpp.StateRejected},
		{name: "07 replies STOP", number: "14255550107", state: smpp.StateDelivered, text: true, reply: "STOP"},
		{name: "10 is refused for now", number: "14255550110", refused: 0x64},
		{name: "11 is refused", number: "14255550111", refused: 0x66},
		{name: "12 is not provisioned", number: "14255550112", refused: 0x0B},
		{name: "14 replies STOP after the first message", number: "14255550114", state: smpp.StateDelivered, text: true, reply: "STOP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := newCentre(t)
			e := n.bind(t, smpp.BindConfig{}, nil)
			to := number.MSISDN(c.number)
			p := textTo(c.number, "your pizza is ready")
			if c.refused != 0 {
				if _, err := e.Do(t.Context(), p); !errors.Is(err, c.refused) {
					t.Fatalf("answered %v, want %s", err, c.refused)
				}
				if all, _ := n.book.Messages(t.Context(), phone.Filter{}, 0); len(all) != 0 {
					t.Errorf("phones have %+v", all)
				}
				return
			}
			id := e.submit(p)
			if c.after > 0 {
				n.clock.Advance(c.after - time.Millisecond)
				e.submit(&smpp.QuerySM{MessageID: id, Source: code})
				if all, _ := n.book.Messages(t.Context(), phone.Filter{}, 0); len(all) != 0 {
					t.Errorf("too early: %+v", all)
				}
				n.clock.Advance(time.Millisecond)
			}
			r := e.receipt()
			if r.ID != id || r.State != c.state || r.Conflicting || r.Text != "your pizza is ready" {
				t.Errorf("receipt %+v, want %s %s", r, id, c.state)
			}
			all, _ := n.book.Messages(t.Context(), phone.Filter{To: to.Address()}, 0)
			if got := len(all) == 1 && all[0].Text == "your pizza is ready" && all[0].From == pizza; got != c.text {
				t.Errorf("the phone has %+v", all)
			}
			if c.reply != "" {
				mo := e.next()
				if string(mo.ShortMessage) != c.reply || mo.Source != subscriber(c.number) || mo.Dest != code || mo.IsReceipt() {
					t.Errorf("reply %+v, want %q", mo, c.reply)
				}
			}
		})
	}
}

func TestNumber03GetsNoReceipt(t *testing.T) {
	n := newCentre(t)
	e := n.bind(t, smpp.BindConfig{}, nil)
	silent := e.submit(textTo("14255550103", "hello?"))
	n.clock.Advance(100 * time.Hour)
	if id, r := e.submit(textTo("14255550100", "hi")), e.receipt(); r.ID != id {
		t.Errorf("receipt of %s, want of %s; the silent one was %s", r.ID, id, silent)
	}
	if s := n.Stats(); s.ReceiptsWaiting > 1 || s.Accepted != 2 {
		t.Errorf("unexpected %+v", s)
	}
}

func TestNumber61AnswersAfter10Seconds(t *testing.T) {
	n := newCentre(t)
	e := n.bind(t, smpp.BindConfig{}, nil)
	late, err := e.Start(t.Context(), textTo("14255550161", "slow"))
	if err != nil {
		t.Fatal(err)
	}
	defer late.Release()
	n.clock.Await(1)
	n.clock.Advance(9999 * time.Millisecond)
	other := e.submit(textTo("14255550100", "quick"))
	if r := e.receipt(); r.ID != other {
		t.Errorf("receipt of %s, want of %s", r.ID, other)
	}
	select {
	case <-late.Done():
		t.Error("answered before its time")
	default:
	}
	n.clock.Await(1)
	n.clock.Advance(time.Millisecond)
	resp, err := late.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r, id := e.receipt(), resp.PDU.(*smpp.SubmitSMResp).MessageID; r.ID != id || r.State != smpp.StateDelivered {
		t.Errorf("receipt %+v, want of %s", r, id)
	}
}

func TestNumber62GetsTheReceiptTwice(t *testing.T) {
	n := newCentre(t)
	e := n.bind(t, smpp.BindConfig{}, nil)
	id := e.submit(textTo("14255550162", "hi"))
	one, two := e.receipt(), e.receipt()
	if one != two || one.ID != id {
		t.Errorf("receipts %+v and %+v of %s", one, two, id)
	}
}

func TestNumber63GetsTheReceiptBeforeTheAnswer(t *testing.T) {
	n := newCentre(t)
	e := n.bind(t, smpp.BindConfig{}, nil)
	id := e.submit(textTo("14255550163", "hi"))
	if r := e.receipt(); r.ID != id {
		t.Errorf("receipt of %s, want of %s", r.ID, id)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if want := []string{"deliver_sm", "submit_sm_resp"}; !slices.Equal(e.log[1:], want) {
		t.Errorf("read %q, want %q", e.log, want)
	}
}

func TestNumber63IsAnsweredEvenIfNobodyAcknowledgesTheReceipt(t *testing.T) {
	n := newCentre(t)
	e := n.bind(t, smpp.BindConfig{}, mute)
	early, err := e.Start(t.Context(), textTo("14255550163", "hi"))
	if err != nil {
		t.Fatal(err)
	}
	defer early.Release()
	e.next()
	n.clock.Await(1)
	n.clock.Advance(2 * time.Second)
	if _, err := early.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNumber64GetsAReceiptWithAnotherSpelling(t *testing.T) {
	n := newCentre(t)
	e := n.bind(t, smpp.BindConfig{}, nil)
	id := e.submit(textTo("14255550164", "hi"))
	p := e.next()
	r, err := p.Receipt()
	if want := "0" + strings.ToUpper(id); err != nil || r.ID != want || r.ID == "0"+id || r.Conflicting {
		t.Errorf("receipt %+v, want id %q", r, want)
	}
}

func TestReceiptIsCompleteInTextAndTLVs(t *testing.T) {
	n := newCentre(t)
	e := n.bind(t, smpp.BindConfig{}, nil)
	id := e.submit(textTo("14255550104", "your pizza is ready and waiting"))
	p := e.next()
	if want := "id:" + id + " sub:001 dlvrd:000 submit date:2601020304 done date:2601020304 stat:UNDELIV err:001 text:your pizza is ready "; string(p.ShortMessage) != want {
		t.Errorf("text %q, want %q", p.ShortMessage, want)
	}
	if p.ESMClass != smpp.TypeReceipt || p.Source != subscriber("14255550104") || p.Dest != code {
		t.Errorf("receipt %+v", p)
	}
	if v, _ := p.TLVs.String(smpp.TagReceiptedMessageID); v != id {
		t.Errorf("receipted_message_id %q, want %q", v, id)
	}
	if v, _ := p.TLVs.Uint8(smpp.TagMessageState); v != 5 {
		t.Errorf("message_state %d, want 5", v)
	}
}

func TestRegisteredDeliveryDecidesAboutReceipts(t *testing.T) {
	for _, c := range []struct {
		name                string
		registered          smpp.RegisteredDelivery
		delivered, rejected bool
	}{
		{"none", smpp.ReceiptNone, false, false},
		{"always", smpp.ReceiptAlways, true, true},
		{"on failure", smpp.ReceiptOnFailure, false, true},
		{"on success", smpp.ReceiptOnSuccess, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newCentre(t)
			e := n.bind(t, smpp.BindConfig{}, nil)
			var want []string
			for to, wanted := range map[string]bool{"14255550100": c.delivered, "14255550106": c.rejected} {
				p := textTo(to, "hi")
				p.RegisteredDelivery = c.registered
				if id := e.submit(p); wanted {
					want = append(want, id)
				}
			}
			want = append(want, e.submit(textTo("14255550142", "the last")))
			for _, id := range want {
				if r := e.receipt(); r.ID != id {
					t.Errorf("receipt of %s, want of %s", r.ID, id)
				}
			}
		})
	}
}

func TestIDsAreHexadecimalAndDoNotComeBack(t *testing.T) {
	seen := map[string]bool{}
	high := map[string]bool{}
	for range 3 {
		n := newCentre(t)
		e := n.bind(t, smpp.BindConfig{}, nil)
		for range 10 {
			id := e.submit(textTo("14255550100", "hi"))
			if len(id) != 16 || strings.Trim(id, "0123456789abcdef") != "" || seen[id] {
				t.Errorf("id %q", id)
			}
			seen[id] = true
			high[id[:8]] = true
		}
	}
	if len(high) != 3 {
		t.Errorf("three centres drew %d different numbers", len(high))
	}
}

// longTexts are texts of several segments, with what must not be cut at their borders.
var longTexts = map[string]string{
	"GSM 7-bit": strings.Repeat("Your pizza [extra cheese] costs 12€. ", 12),
	"UCS-2":     strings.Repeat("Ваша пицца 🍕 готова. ", 12),
}

func TestLongTextsBecomeOneTextOnThePhone(t *testing.T) {
	for name, text := range longTexts {
		split, err := gsm.Split(text, gsm.SplitOptions{Ref: 7})
		if err != nil || len(split.Segments) < 3 {
			t.Fatal(err, len(split.Segments))
		}
		base := smpp.SubmitSM{Source: code, Dest: subscriber("14255550100"), RegisteredDelivery: smpp.ReceiptAlways, DataCoding: uint8(split.DCS)}
		var udh, sar []*smpp.SubmitSM
		var whole []byte
		for i, g := range split.Segments {
			a, b := base, base
			a.ESMClass, a.ShortMessage = smpp.FeatureUDHI, g.UserData
			b.ShortMessage = g.Payload
			b.TLVs.SetUint16(smpp.TagSARMsgRefNum, 0x1234)
			b.TLVs.SetUint8(smpp.TagSARTotalSegments, uint8(len(split.Segments)))
			b.TLVs.SetUint8(smpp.TagSARSegmentSeqnum, uint8(i+1))
			udh, sar = append(udh, &a), append(sar, &b)
			whole = append(whole, g.Payload...)
		}
		payload := base
		payload.TLVs.Set(smpp.TagMessagePayload, whole)
		backwards := slices.Clone(udh)
		slices.Reverse(backwards)
		twice := append([]*smpp.SubmitSM{udh[0]}, udh...)
		for how, parts := range map[string][]*smpp.SubmitSM{
			"by user data header": udh, "by sar parameters": sar, "by message_payload": {&payload},
			"in the wrong order": backwards, "with a segment sent again": twice,
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				n := newCentre(t)
				e := n.bind(t, smpp.BindConfig{}, nil)
				ids := map[string]bool{}
				for _, p := range parts {
					ids[e.submit(p)] = true
				}
				all := n.waitText(t, phone.Filter{To: number.MSISDN("14255550100").Address()})
				if len(all) != 1 || all[0].Text != text {
					t.Errorf("the phone has %+v, want %q", all, text)
				}
				if len(ids) != len(parts) {
					t.Errorf("%d ids for %d segments", len(ids), len(parts))
				}
				for range parts {
					if r := e.receipt(); !ids[r.ID] || r.State != smpp.StateDelivered {
						t.Errorf("receipt %+v", r)
					} else {
						delete(ids, r.ID)
					}
				}
			})
		}
	}
}

func TestPhonesTextsReachTheESME(t *testing.T) {
	texts := map[string]string{"short": "I want a pizza", "short UCS-2": "Хочу пиццу"}
	for name, text := range longTexts {
		texts["long "+name] = text
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			n := newCentre(t)
			e := n.bind(t, smpp.BindConfig{Kind: smpp.BindReceiver}, nil)
			if _, err := n.book.Send("14255550100", pizza, text); err != nil {
				t.Fatal(err)
			}
			_, _, segments := gsm.Count(text)
			var parts []gsm.Part
			for range segments {
				p := e.next()
				if p.Source != subscriber("14255550100") || p.Dest != code || p.IsReceipt() {
					t.Errorf("text %+v", p)
				}
				part := gsm.Part{DCS: gsm.DCS(p.DataCoding), Payload: p.ShortMessage, Concat: gsm.Concat{Total: 1, Seq: 1}}
				if p.ESMClass.UDHI() {
					h, rest, err := gsm.ParseUDH(p.ShortMessage)
					if err != nil {
						t.Fatal(err)
					}
					part.Payload = rest
					part.Concat, _ = h.Concat()
				}
				parts = append(parts, part)
			}
			if got, complete := gsm.Join(parts); !complete || got != text {
				t.Errorf("joined %q, want %q", got, text)
			}
		})
	}
}

func TestPhonesTextToAPhoneStaysInTheNetwork(t *testing.T) {
	n := newCentre(t)
	if _, err := n.book.Send("14255550100", number.MSISDN("14255550101").Address(), "hi bob"); err != nil {
		t.Fatal(err)
	}
	if all := n.waitText(t, phone.Filter{Phone: "14255550101"}); all[0].Text != "hi bob" || all[0].Direction != phone.In {
		t.Errorf("bob has %+v", all)
	}
}

func TestReceiptsWaitForAReceiver(t *testing.T) {
	n := newCentre(t)
	tx := n.bind(t, smpp.BindConfig{Kind: smpp.BindTransmitter}, nil)
	var ids []string
	for range 5 {
		ids = append(ids, tx.submit(textTo("14255550100", "hi")))
	}
	if err := tx.Unbind(t.Context()); err != nil {
		t.Fatal(err)
	}
	rx := n.bind(t, smpp.BindConfig{Kind: smpp.BindReceiver}, nil)
	for _, id := range ids {
		if r := rx.receipt(); r.ID != id {
			t.Errorf("receipt of %s, want of %s", r.ID, id)
		}
	}
}

func TestReceiptsGoToTheReceiverOfAPair(t *testing.T) {
	n := newCentre(t)
	tx := n.bind(t, smpp.BindConfig{Kind: smpp.BindTransmitter}, nil)
	rx := n.bind(t, smpp.BindConfig{Kind: smpp.BindReceiver}, nil)
	if id, r := tx.submit(textTo("14255550100", "hi")), rx.receipt(); r.ID != id {
		t.Errorf("receipt of %s, want of %s", r.ID, id)
	}
}

func TestReceiptsGoToTheBindTheMessageCameOn(t *testing.T) {
	n := newCentre(t)
	one, two := n.bind(t, smpp.BindConfig{}, nil), n.bind(t, smpp.BindConfig{}, nil)
	for range 20 {
		id1, id2 := one.submit(textTo("14255550100", "hi")), two.submit(textTo("14255550100", "hi"))
		if r := one.receipt(); r.ID != id1 {
			t.Errorf("the first got the receipt of %s, want of %s", r.ID, id1)
		}
		if r := two.receipt(); r.ID != id2 {
			t.Errorf("the second got the receipt of %s, want of %s", r.ID, id2)
		}
	}
}

func TestReceiptsForNobodyAreBounded(t *testing.T) {
	n := newCentre(t)
	tx := n.bind(t, smpp.BindConfig{Kind: smpp.BindTransmitter}, nil)
	const more = 50
	var ids []string
	for range 10_000 + more - 1 {
		ids = append(ids, tx.submit(textTo("14255550100", "hi")))
	}
	tx.submit(textTo("14255550102", "hi")) // OK comes back once its receipt is queued, as the last
	n.waitText(t, phone.Filter{Phone: "14255550102", To: pizza})
	if err := tx.Unbind(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := n.Stats(); s.ReceiptsWaiting != 10_000 || s.Dropped != more {
		t.Errorf("%d receipts wait, %d were dropped", s.ReceiptsWaiting, s.Dropped)
	}
	rx := n.bind(t, smpp.BindConfig{Kind: smpp.BindReceiver}, nil)
	p := rx.next()
	if !p.IsReceipt() { // texts do not wait behind receipts
		p = rx.next()
	}
	if r, err := p.Receipt(); err != nil || r.ID != ids[more] {
		t.Errorf("the oldest receipt is of %s (%v), want of %s", r.ID, err, ids[more])
	}
}

func TestWhatWasNotAcknowledgedIsSentAgainOnTheNextBind(t *testing.T) {
	n := newCentre(t)
	first := n.bind(t, smpp.BindConfig{}, mute)
	want := map[string]bool{}
	for range 150 { // more than the window, so that some are not even sent
		want[first.submit(textTo("14255550100", "hi"))] = true
	}
	n.book.Send("14255550100", pizza, "and a text")
	for range 100 {
		first.next()
	}
	if first.Close(); len(first.in) != 0 {
		t.Errorf("%d deliver_sm beyond the window of 100", len(first.in))
	}
	second := n.bind(t, smpp.BindConfig{}, nil)
	text := false
	for range 151 {
		p := second.next()
		if !p.IsReceipt() {
			text = string(p.ShortMessage) == "and a text"
			continue
		}
		r, _ := p.Receipt()
		if !want[r.ID] {
			t.Errorf("receipt of %s came twice or is of nothing", r.ID)
		}
		delete(want, r.ID)
	}
	if len(want) != 0 || !text {
		t.Errorf("%d receipts are missing, text %t", len(want), text)
	}
}

func TestWhatIsRefusedIsSentAgainLater(t *testing.T) {
	n := newCentre(t)
	var mu sync.Mutex
	refusals := map[bool]int{}
	e := n.bind(t, smpp.BindConfig{}, func(p *smpp.DeliverSM) (smpp.Status, bool) {
		mu.Lock()
		defer mu.Unlock()
		if refusals[p.IsReceipt()]++; refusals[p.IsReceipt()] <= 3 {
			return smpp.StatusRX_T_APPN, true
		}
		return smpp.StatusROK, true
	})
	n.book.Send("14255550100", pizza, "pizza?")
	for _, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if p := e.next(); string(p.ShortMessage) != "pizza?" {
			t.Errorf("got %+v", p)
		}
		n.clock.Await(1)
		n.clock.Advance(wait)
	}
	e.next()
	id := e.submit(textTo("14255550100", "yes"))
	for _, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if r := e.receipt(); r.ID != id {
			t.Errorf("got %+v", r)
		}
		n.clock.Await(1)
		n.clock.Advance(wait)
	}
	if r := e.receipt(); r.ID != id {
		t.Errorf("got %+v", r)
	}
}

func TestAddressRangeClaimsTexts(t *testing.T) {
	n := newCentre(t)
	n.book.Send("14255550100", number.ShortCode("12345").Address(), "to the laboratory, early")
	all := n.bind(t, smpp.BindConfig{AddressRange: "^999"}, nil) // claims nothing that comes
	lab := n.bind(t, smpp.BindConfig{Kind: smpp.BindReceiver, AddressRange: "^123"}, nil)
	if p := lab.next(); string(p.ShortMessage) != "to the laboratory, early" {
		t.Errorf("got %+v", p)
	}
	n.book.Send("14255550100", number.ShortCode("12345").Address(), "to the laboratory")
	n.book.Send("14255550100", pizza, "to the platform")
	if p := lab.next(); string(p.ShortMessage) != "to the laboratory" {
		t.Errorf("got %+v", p)
	}
	platform := n.bind(t, smpp.BindConfig{}, nil)
	if p := platform.next(); string(p.ShortMessage) != "to the platform" {
		t.Errorf("got %+v", p)
	}
	lab.Unbind(t.Context())
	n.book.Send("14255550100", number.ShortCode("12345").Address(), "the laboratory has gone home")
	if p := platform.next(); string(p.ShortMessage) != "the laboratory has gone home" {
		t.Errorf("got %+v", p)
	}
	if len(all.in) != 0 {
		t.Error("a bind got what it did not ask for")
	}
}

func TestQueryCancelReplace(t *testing.T) {
	n := newCentre(t)
	e := n.bind(t, smpp.BindConfig{}, nil)
	query := func(id string) *smpp.QuerySMResp {
		t.Helper()
		r, err := e.Do(t.Context(), &smpp.QuerySM{MessageID: id, Source: code})
		if err != nil {
			t.Fatal(err)
		}
		return r.PDU.(*smpp.QuerySMResp)
	}
	fails := func(what string, p smpp.PDU, want smpp.Status) {
		t.Helper()
		if _, err := e.Do(t.Context(), p); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	delivered := e.submit(textTo("14255550100", "hi"))
	e.receipt()
	if q := query(delivered); q.MessageState != smpp.StateDelivered || q.FinalDate != "260102030405000+" {
		t.Errorf("query of a delivered message: %+v", q)
	}
	fails("cancel of a delivered message", &smpp.CancelSM{MessageID: delivered, Source: code}, smpp.StatusRCANCELFAIL)
	fails("replace of a delivered message", &smpp.ReplaceSM{MessageID: delivered, Source: code}, smpp.StatusRREPLACEFAIL)
	for what, id := range map[string]string{"of no number": "pizza", "of another start": "0000000000000001", "not given yet": delivered[:8] + "0000ffff"} {
		fails("query of an id "+what, &smpp.QuerySM{MessageID: id, Source: code}, smpp.StatusRINVMSGID)
		fails("cancel of an id "+what, &smpp.CancelSM{MessageID: id, Source: code}, smpp.StatusRINVMSGID)
		fails("replace of an id "+what, &smpp.ReplaceSM{MessageID: id, Source: code}, smpp.StatusRINVMSGID)
	}
	fails("query by somebody else", &smpp.QuerySM{MessageID: delivered, Source: subscriber("14255550100")}, smpp.StatusRINVMSGID)

	late := e.submit(textTo("14255550101", "to be cancelled"))
	if q := query(late); q.MessageState != smpp.StateEnroute || q.FinalDate != "" {
		t.Errorf("query of a message under way: %+v", q)
	}
	e.submit(&smpp.CancelSM{MessageID: late, Source: code})
	if r := e.receipt(); r.ID != late || r.State != smpp.StateDeleted {
		t.Errorf("receipt %+v", r)
	}
	for range 2 {
		e.submit(textTo("14255550101", "to be cancelled by addresses"))
	}
	e.submit(&smpp.CancelSM{Source: code, Dest: subscriber("14255550101")})
	e.receipt()
	e.receipt()
	fails("cancel of nothing", &smpp.CancelSM{Source: code, Dest: subscriber("14255550101")}, smpp.StatusRCANCELFAIL)

	changed := e.submit(textTo("14255550101", "first thought"))
	e.submit(&smpp.ReplaceSM{MessageID: changed, Source: code, RegisteredDelivery: smpp.ReceiptAlways, ShortMessage: []byte("second thought")})
	p := textTo("14255550101", "old")
	e.submit(p)
	p = textTo("14255550101", "new")
	p.ServiceType, p.ReplaceIfPresentFlag = "", 1
	replaced := e.submit(p) // takes the place of both
	n.clock.Advance(5 * time.Second)
	if r := e.receipt(); r.ID != replaced || r.State != smpp.StateDelivered {
		t.Errorf("receipt %+v, want of %s", r, replaced)
	}
	changed = e.submit(textTo("14255550101", "first thought"))
	e.submit(&smpp.ReplaceSM{MessageID: changed, Source: code, RegisteredDelivery: smpp.ReceiptAlways, ShortMessage: []byte("second thought")})
	n.clock.Advance(5 * time.Second)
	if r := e.receipt(); r.ID != changed || r.Text != "second thought" {
		t.Errorf("receipt %+v", r)
	}
	var got []string
	all, _ := n.book.Messages(t.Context(), phone.Filter{Phone: "14255550101"}, 0)
	for _, m := range all {
		got = append(got, m.Text)
	}
	if want := []string{"new", "second thought"}; !slices.Equal(got, want) {
		t.Errorf("the phone has %q, want %q", got, want)
	}
}

func TestScheduleAndValidityAreKept(t *testing.T) {
	n := newCentre(t)
	e := n.bind(t, smpp.BindConfig{}, nil)
	later := textTo("14255550100", "in an hour")
	later.ScheduleDeliveryTime = "000000010000000R"
	short := textTo("14255550100", "in an hour, but not after half an hour")
	short.ScheduleDeliveryTime, short.ValidityPeriod = "000000010000000R", "000000003000000R"
	id1, id2 := e.submit(later), e.submit(short)
	n.clock.Advance(30 * time.Minute)
	if r := e.receipt(); r.ID != id2 || r.State != smpp.StateExpired {
		t.Errorf("receipt %+v, want of %s", r, id2)
	}
	n.clock.Await(1)
	n.clock.Advance(30 * time.Minute)
	if r := e.receipt(); r.ID != id1 || r.State != smpp.StateDelivered {
		t.Errorf("receipt %+v, want of %s", r, id1)
	}
}

func TestBadSubmitsAreRefused(t *testing.T) {
	n := newCentre(t)
	e := n.bind(t, smpp.BindConfig{}, nil)
	for _, c := range []struct {
		name   string
		change func(*smpp.SubmitSM)
		want   smpp.Status
	}{
		{"no source", func(p *smpp.SubmitSM) { p.Source = smpp.Address{} }, smpp.StatusRINVSRCADR},
		{"a short code as destination", func(p *smpp.SubmitSM) { p.Dest = code }, smpp.StatusRINVDSTADR},
		{"no destination", func(p *smpp.SubmitSM) { p.Dest = smpp.Address{} }, smpp.StatusRINVDSTADR},
		{"a receipt", func(p *smpp.SubmitSM) { p.ESMClass = smpp.TypeReceipt }, smpp.StatusRINVESMCLASS},
		{"a priority of 4", func(p *smpp.SubmitSM) { p.PriorityFlag = 4 }, smpp.StatusRINVPRTFLG},
		{"a replace flag of 2", func(p *smpp.SubmitSM) { p.ReplaceIfPresentFlag = 2 }, smpp.StatusRINVREPFLAG},
		{"a predefined message", func(p *smpp.SubmitSM) { p.SMDefaultMsgID = 1 }, smpp.StatusRINVDFTMSGID},
		{"a schedule that is no time", func(p *smpp.SubmitSM) { p.ScheduleDeliveryTime = "269902030405000+" }, smpp.StatusRINVSCHED},
		{"a validity that has ended", func(p *smpp.SubmitSM) { p.ValidityPeriod = "250102030405000+" }, smpp.StatusRINVEXPIRY},
	} {
		p := textTo("14255550100", "hi")
		c.change(p)
		if _, err := e.Do(t.Context(), p); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if s := n.Stats(); s.Accepted != 0 {
		t.Errorf("%d messages were accepted", s.Accepted)
	}
}

func TestDataSM(t *testing.T) {
	n := newCentre(t)
	e := n.bind(t, smpp.BindConfig{}, nil)
	text := strings.Repeat("Ваша пицца ", 40)
	ud, _ := gsm.UCS2.Append(nil, text)
	p := &smpp.DataSM{Source: code, Dest: subscriber("14255550100"), RegisteredDelivery: smpp.ReceiptAlways, DataCoding: uint8(gsm.DCSUCS2)}
	p.SetMessage(ud)
	id := e.submit(p)
	if r := e.receipt(); r.ID != id || r.State != smpp.StateDelivered {
		t.Errorf("receipt %+v, want of %s", r, id)
	}
	if all := n.waitText(t, phone.Filter{}); all[0].Text != text {
		t.Errorf("the phone has %q", all[0].Text)
	}
	p.Dest = subscriber("14255550112")
	if _, err := e.Do(t.Context(), p); !errors.Is(err, smpp.StatusRINVDSTADR) {
		t.Errorf("answered %v", err)
	}
}

func TestSubmitMulti(t *testing.T) {
	n := newCentre(t)
	e := n.bind(t, smpp.BindConfig{}, nil)
	p := &smpp.SubmitMulti{Source: code, RegisteredDelivery: smpp.ReceiptAlways, ShortMessage: []byte("to all"), Dests: []smpp.Destination{
		{Address: subscriber("14255550100")}, {Address: subscriber("14255550111")}, {List: "friends"}, {Address: subscriber("14255550104")},
	}}
	r, err := e.Do(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	resp := r.PDU.(*smpp.SubmitMultiResp)
	var failed []string
	for _, f := range resp.Failed {
		failed = append(failed, f.Addr+" "+f.Status.String())
	}
	slices.Sort(failed)
	if want := []string{" ESME_RINVDLNAME", "14255550111 ESME_RX_R_APPN"}; !slices.Equal(failed, want) {
		t.Errorf("failed %q, want %q", failed, want)
	}
	states := map[string]smpp.MessageState{}
	for range 2 {
		d := e.next()
		r, _ := d.Receipt()
		if r.ID != resp.MessageID {
			t.Errorf("receipt of %s, want of %s", r.ID, resp.MessageID)
		}
		states[d.Source.Addr] = r.State
	}
	if states["14255550100"] != smpp.StateDelivered || states["14255550104"] != smpp.StateUndeliverable {
		t.Errorf("states %v", states)
	}
	p.Dests = []smpp.Destination{{Address: subscriber("14255550112")}}
	if _, err := e.Do(t.Context(), p); !errors.Is(err, smpp.StatusRINVDSTADR) {
		t.Errorf("answered %v when all destinations failed", err)
	}
}

func TestBindIsRefused(t *testing.T) {
	n := newCentre(t, func(c *smsc.Config) { c.SystemID, c.Password = "lab", "secret" })
	for _, c := range []struct {
		name, id, password string
		want               smpp.Status
	}{
		{"unknown system_id", "sandbox", "secret", smpp.StatusRINVSYSID},
		{"wrong password", "lab", "sandbox", smpp.StatusRINVPASWD},
	} {
		_, _, err := smpp.Dial(t.Context(), smpp.DialConfig{Addr: n.Addr().String(), Bind: smpp.BindConfig{SystemID: c.id, Password: c.password}})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	n.bind(t, smpp.BindConfig{SystemID: "lab", Password: "secret"}, nil)
}

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	for _, addr := range []string{":2775", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0", "127.0.0.1"} {
		if c, err := smsc.New(smsc.Config{Listen: addr, Phones: phone.New(phone.Config{})}); err == nil {
			c.Close()
			t.Errorf("%q was listened on", addr)
		}
	}
	c, err := smsc.New(smsc.Config{Listen: "localhost:0", Phones: phone.New(phone.Config{})})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if ip := c.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		t.Errorf("listens on %s", ip)
	}
}

func TestAnswersAreHeldBackWhileReceiptsQueueUp(t *testing.T) {
	n := newCentre(t)
	acknowledge := make(chan struct{})
	e := n.bind(t, smpp.BindConfig{}, func(*smpp.DeliverSM) (smpp.Status, bool) {
		<-acknowledge
		return smpp.StatusROK, true
	})
	const total = 20_500 // what is held back fits the window of the bind
	var wg sync.WaitGroup
	flight := make(chan *smpp.Pending, total) // messages are accepted in any order, so an early one may be held
	wg.Go(func() {
		for p := range flight {
			if _, err := p.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	held := make(chan struct{})
	go func() { // the clock's calls are those for held answers only
		n.clock.Await(1)
		close(held)
	}()
	for i := range total {
		p, err := e.Start(t.Context(), textTo(fmt.Sprintf("1425%07d", 6000000+i), "hi"))
		if err != nil {
			t.Fatal(err)
		}
		p.Release()
		flight <- p
	}
	close(flight)
	<-held
	if s := n.Stats(); s.ReceiptsWaiting > 20_000 || s.Held == 0 {
		t.Errorf("when answers are held back: %+v", s)
	}
	close(acknowledge)
	wg.Wait()
	for range total {
		e.receipt()
	}
	if s := n.Stats(); s.Accepted != total || s.Held != 0 || s.Dropped != 0 {
		t.Errorf("at the end %+v", s)
	}
}

func TestAMuteReceiverDoesNotHoldAnswersForEver(t *testing.T) {
	n := newCentre(t)
	n.bind(t, smpp.BindConfig{Kind: smpp.BindReceiver}, mute)
	tx := n.bind(t, smpp.BindConfig{Kind: smpp.BindTransmitter}, nil)
	var last *smpp.Pending
	for i := range 20_100 {
		p, err := tx.Start(t.Context(), textTo(fmt.Sprintf("1425%07d", 6000000+i), "hi"))
		if err != nil {
			t.Fatal(err)
		}
		p.Release()
		last = p
	}
	n.clock.Await(1)
	for done := false; !done; { // more may be held after each step
		n.clock.Advance(5 * time.Second)
		select {
		case <-last.Done():
			done = true
		case <-time.After(time.Millisecond):
		}
	}
	if _, err := last.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// BenchmarkSubmitWithReceipt is a message over a loopback socket, there and its receipt back, with a window
// of 100 and numbers that are delivered at once.
func BenchmarkSubmitWithReceipt(b *testing.B) {
	n := newCentre(b, func(c *smsc.Config) { c.Clock = clock.System })
	receipts := make(chan struct{}, 1<<20)
	s, _, err := smpp.Dial(b.Context(), smpp.DialConfig{
		Addr: n.Addr().String(), Bind: smpp.BindConfig{SystemID: "sandbox", Password: "sandbox"},
		Session: smpp.SessionConfig{Window: 100, Handler: smpp.HandlerFunc(func(_ context.Context, r *smpp.Request) {
			r.Respond(smpp.StatusROK, nil)
			receipts <- struct{}{}
		})},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	p := textTo("14256660100", strings.Repeat("x", 100))
	b.ReportAllocs()
	sent := 0
	for b.Loop() {
		pending, err := s.Start(b.Context(), p)
		if err != nil {
			b.Fatal(err)
		}
		pending.Release()
		sent++
	}
	for range sent {
		<-receipts
	}
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "msg/s")
}
