package smsc

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"longlines/gsm"
	"longlines/id"
	"longlines/message"
	"longlines/number"
	"longlines/route"
	"longlines/smpp"
	"longlines/timeline"
)

var (
	phone = smpp.Address{TON: 1, NPI: 1, Addr: "14255550100"}
	code  = smpp.Address{TON: 3, NPI: 0, Addr: "48507"}
)

const receiptText = "id:8A21 sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:DELIVRD err:000 text:hello"

func tlv(tag smpp.Tag, value ...byte) smpp.TLV { return smpp.TLV{Tag: tag, Value: value} }

func rawOf(t testing.TB, p smpp.PDU) []byte {
	raw, err := smpp.Append(nil, smpp.Header{Sequence: 1}, p)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// decodeOf runs a PDU through the decoder of a link.
func decodeOf(t testing.TB, q route.Quirks, p smpp.PDU) (decoded, error) {
	quirks, err := newQuirks(q)
	if err != nil {
		t.Fatal(err)
	}
	d, ok := deliveryOf(p, rawOf(t, p))
	if !ok {
		t.Fatal("no delivery")
	}
	return quirks.decode(d)
}

func TestReceiptsAreRead(t *testing.T) {
	done := time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC)
	from := number.MSISDN("14255550100").Address()
	delivered := message.DLR{ID: "8A21", From: from, State: message.StateDelivered, Code: "000", Word: "DELIVRD", Done: done}
	edit := func(f func(*message.DLR)) *message.DLR { d := delivered; f(&d); return &d }
	big := "123456789012345678901234567890"
	for _, tt := range []struct {
		name     string
		quirks   route.Quirks
		pdu      smpp.PDU
		want     *message.DLR
		conflict bool
		err      error
	}{
		{name: "text, marked by esm_class", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x04, ShortMessage: []byte(receiptText)}, want: &delivered},
		{name: "text in a message_payload", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x04, TLVs: smpp.TLVs{tlv(smpp.TagMessagePayload, []byte(receiptText)...)}}, want: &delivered},
		{name: "data_sm", pdu: &smpp.DataSM{Source: phone, Dest: code, ESMClass: 0x04, TLVs: smpp.TLVs{tlv(smpp.TagMessagePayload, []byte(receiptText)...)}}, want: &delivered},
		{name: "text in UCS-2", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x04, DataCoding: 8, ShortMessage: ucs2(receiptText)}, want: &delivered},
		{name: "TLVs alone", pdu: &smpp.DeliverSM{Source: phone, Dest: code, TLVs: smpp.TLVs{tlv(smpp.TagReceiptedMessageID, []byte("8A21\x00")...), tlv(smpp.TagMessageState, 5), tlv(smpp.TagNetworkErrorCode, 3, 0, 34)}},
			want: &message.DLR{ID: "8A21", From: from, State: message.StateUndeliverable, Code: "034", Word: "UNDELIV"}},
		{name: "TLVs against the text", conflict: true, pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x04, ShortMessage: []byte(receiptText), TLVs: smpp.TLVs{tlv(smpp.TagReceiptedMessageID, []byte("OTHER\x00")...), tlv(smpp.TagMessageState, 3)}},
			want: edit(func(d *message.DLR) { d.ID, d.State = "OTHER", message.StateExpired })},
		{name: "a state of no standard gives way to the word", conflict: true, pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x04, ShortMessage: []byte(receiptText), TLVs: smpp.TLVs{tlv(smpp.TagMessageState, 77)}}, want: &delivered},
		{name: "addresses not turned round", pdu: &smpp.DeliverSM{Source: code, Dest: phone, ESMClass: 0x04, ShortMessage: []byte(receiptText)}, want: &delivered},
		{name: "a source nobody can read", pdu: &smpp.DeliverSM{Source: smpp.Address{}, Dest: smpp.Address{}, ESMClass: 0x04, ShortMessage: []byte(receiptText)},
			want: edit(func(d *message.DLR) { d.From = number.Address{} })},
		{name: "an intermediate notification is never final", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x20, ShortMessage: []byte(receiptText)},
			want: edit(func(d *message.DLR) { d.State = message.StateSent })},
		{name: "lower case, any order, no dates", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x04, ShortMessage: []byte("STAT:undeliv ERR:zz9 ID:0xab-1")},
			want: &message.DLR{ID: "0xab-1", From: from, State: message.StateUndeliverable, Code: "zz9", Word: "UNDELIV"}},
		{name: "an id that is no text", pdu: &smpp.DeliverSM{Source: phone, Dest: code, TLVs: smpp.TLVs{tlv(smpp.TagReceiptedMessageID, 'A', 0xE9), tlv(smpp.TagMessageState, 2)}},
			want: &message.DLR{ID: "Aé", From: from, State: message.StateDelivered, Word: "DELIVRD"}},
		{name: "hexadecimal answers, decimal receipts", quirks: route.Quirks{IDs: "hex-dec"}, pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x04, ShortMessage: []byte("id:" + big + " stat:DELIVRD")},
			want: &message.DLR{ID: "18ee90ff6c373e0ee4e3f0ad2", From: from, State: message.StateDelivered, Word: "DELIVRD"}},
		{name: "decimal answers, hexadecimal receipts", quirks: route.Quirks{IDs: "dec-hex"}, pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x04, ShortMessage: []byte("id:18EE90FF6C373E0EE4E3F0AD2 stat:DELIVRD")},
			want: &message.DLR{ID: big, From: from, State: message.StateDelivered, Word: "DELIVRD"}},
		{name: "an id that is no number stays", quirks: route.Quirks{IDs: "hex-dec"}, pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x04, ShortMessage: []byte("id:ab-1 stat:DELIVRD")},
			want: &message.DLR{ID: "ab-1", From: from, State: message.StateDelivered, Word: "DELIVRD"}},
		{name: "marked, and says nothing", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x04, ShortMessage: []byte("hello")}, err: errNoReceipt},
		{name: "marked, and names no message", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x04, ShortMessage: []byte("stat:DELIVRD")}, err: errNoReceipt},
		{name: "a text that looks like one, on a link that has such receipts", quirks: route.Quirks{TextReceipts: true}, pdu: &smpp.DeliverSM{Source: phone, Dest: code, ShortMessage: []byte(receiptText)}, want: &delivered},
		{name: "a text that looks like one is a text", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ShortMessage: []byte(receiptText)}, want: nil},
		{name: "a text that does not, on a link that has such receipts", quirks: route.Quirks{TextReceipts: true}, pdu: &smpp.DeliverSM{Source: phone, Dest: code, ShortMessage: []byte("id: lost, please help")}, want: nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeOf(t, tt.quirks, tt.pdu)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if tt.want != nil {
				want := *tt.want
				want.Raw = rawOf(t, tt.pdu)
				if d := cmp.Diff(&want, got.dlr, cmp.AllowUnexported(number.Address{})); d != "" {
					t.Error(d)
				}
				if got.in != nil || got.conflicting != tt.conflict {
					t.Errorf("text %v, conflicting %t", got.in, got.conflicting)
				}
			} else if tt.err == nil && (got.dlr != nil || got.in == nil) {
				t.Errorf("taken for a receipt: %+v", got.dlr)
			}
		})
	}
}

func TestEveryStateOfAReceipt(t *testing.T) {
	for word, want := range map[string]message.State{
		"DELIVRD": message.StateDelivered, "EXPIRED": message.StateExpired, "DELETED": message.StateUndeliverable,
		"UNDELIV": message.StateUndeliverable, "REJECTD": message.StateUndeliverable, "FAILED": message.StateUndeliverable,
		"SKIPPED": message.StateUndeliverable, "ACCEPTD": message.StateSent, "ENROUTE": message.StateSent,
		"UNKNOWN": message.StateSent, "NONSENSE": message.StateSent,
	} {
		got, err := decodeOf(t, route.Quirks{}, &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 4, ShortMessage: []byte("id:1 stat:" + word)})
		if err != nil || got.dlr.State != want || got.dlr.Word != word {
			t.Errorf("%s: %+v %v", word, got.dlr, err)
		}
	}
}

func ucs2(s string) []byte {
	b, _ := gsm.UCS2.Append(nil, s)
	return b
}

func TestTextsFromHandsetsAreRead(t *testing.T) {
	from, to := number.MSISDN("14255550100").Address(), number.ShortCode("48507").Address()
	for _, tt := range []struct {
		name   string
		quirks route.Quirks
		pdu    smpp.PDU
		want   message.Incoming
		err    error
	}{
		{name: "seven-bit", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ShortMessage: []byte("caf\x05\x00")}, want: message.Incoming{Text: "café@"}},
		{name: "the number in ten digits", pdu: &smpp.DeliverSM{Source: smpp.Address{TON: 2, NPI: 1, Addr: "4255550100"}, Dest: smpp.Address{Addr: "48507"}, ShortMessage: []byte("hi")}, want: message.Incoming{Text: "hi"}},
		{name: "UCS-2 with emoji", pdu: &smpp.DeliverSM{Source: phone, Dest: code, DataCoding: 8, ShortMessage: ucs2("🍕?")}, want: message.Incoming{Text: "🍕?", DCS: 8}},
		{name: "Latin-1", pdu: &smpp.DeliverSM{Source: phone, Dest: code, DataCoding: 3, ShortMessage: []byte("caf\xe9")}, want: message.Incoming{Text: "café", DCS: 3}},
		{name: "Latin-1 as the centre's default", quirks: route.Quirks{Alphabet: "latin1"}, pdu: &smpp.DeliverSM{Source: phone, Dest: code, ShortMessage: []byte("caf\xe9 @")}, want: message.Incoming{Text: "café @", DCS: 3}},
		{name: "message_payload", pdu: &smpp.DeliverSM{Source: phone, Dest: code, TLVs: smpp.TLVs{tlv(smpp.TagMessagePayload, []byte(strings.Repeat("x", 900))...)}}, want: message.Incoming{Text: strings.Repeat("x", 900)}},
		{name: "data_sm", pdu: &smpp.DataSM{Source: phone, Dest: code, TLVs: smpp.TLVs{tlv(smpp.TagMessagePayload, 'h', 'i')}}, want: message.Incoming{Text: "hi"}},
		{name: "a segment by UDH", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x40, ShortMessage: []byte("\x05\x00\x03\x2A\x03\x02two")},
			want: message.Incoming{Text: "two", ConcatRef: 42, Total: 3, Part: 2, UD: []byte("two")}},
		{name: "a segment by a UDH of 16 bits", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x40, ShortMessage: []byte("\x06\x08\x04\x01\x2A\x03\x02two")},
			want: message.Incoming{Text: "two", ConcatRef: 298, Total: 3, Part: 2, UD: []byte("two")}},
		{name: "a segment by sar_ parameters", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ShortMessage: []byte("two"), TLVs: smpp.TLVs{tlv(smpp.TagSARMsgRefNum, 1, 42), tlv(smpp.TagSARTotalSegments, 3), tlv(smpp.TagSARSegmentSeqnum, 2)}},
			want: message.Incoming{Text: "two", ConcatRef: 298, Total: 3, Part: 2, UD: []byte("two")}},
		{name: "the only segment is a whole text", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x40, ShortMessage: []byte("\x05\x00\x03\x2A\x01\x01all")}, want: message.Incoming{Text: "all"}},
		{name: "an impossible place is ignored", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ShortMessage: []byte("two"), TLVs: smpp.TLVs{tlv(smpp.TagSARMsgRefNum, 1, 42), tlv(smpp.TagSARTotalSegments, 3), tlv(smpp.TagSARSegmentSeqnum, 4)}}, want: message.Incoming{Text: "two"}},
		{name: "half a place is ignored", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ShortMessage: []byte("two"), TLVs: smpp.TLVs{tlv(smpp.TagSARTotalSegments, 3)}}, want: message.Incoming{Text: "two"}},
		{name: "a header whose elements do not fit is ignored", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x40, ShortMessage: []byte("\x03\x00\x09\x00text")}, want: message.Incoming{Text: "text"}},
		{name: "NUL is no text", pdu: &smpp.DeliverSM{Source: phone, Dest: code, DataCoding: 3, ShortMessage: []byte("a\x00b")}, want: message.Incoming{Text: "a\uFFFDb", DCS: 3}},
		{name: "no text at all", pdu: &smpp.DeliverSM{Source: phone, Dest: code}, want: message.Incoming{}},
		{name: "an acknowledgement by the user is a text", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x10, ShortMessage: []byte("yes")}, want: message.Incoming{Text: "yes"}},
		{name: "a header longer than the message", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x40, ShortMessage: []byte("\x20\x00")}, err: smpp.StatusRINVESMCLASS},
		{name: "a header of nothing", pdu: &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x40}, err: smpp.StatusRINVESMCLASS},
		{name: "a TLV of the wrong length", pdu: &smpp.DeliverSM{Source: phone, Dest: code, TLVs: smpp.TLVs{tlv(smpp.TagSARMsgRefNum, 1)}}, err: smpp.StatusRINVPARLEN},
		{name: "from nobody", pdu: &smpp.DeliverSM{Dest: code}, err: smpp.StatusRINVSRCADR},
		{name: "to nobody", pdu: &smpp.DeliverSM{Source: phone}, err: smpp.StatusRINVDSTADR},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeOf(t, tt.quirks, tt.pdu)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			want := tt.want
			want.From, want.To, want.Raw, want.Hash = from, to, rawOf(t, tt.pdu), got.in.Hash
			if d := cmp.Diff(&want, got.in, cmp.AllowUnexported(number.Address{})); d != "" {
				t.Error(d)
			}
			if got.in.Hash == 0 || got.dlr != nil {
				t.Errorf("hash %d, receipt %v", got.in.Hash, got.dlr)
			}
		})
	}
}

func TestTheHashLeavesTheHeaderOut(t *testing.T) {
	q, _ := newQuirks(route.Quirks{})
	hash := func(sequence uint32, s string) int64 {
		p := &smpp.DeliverSM{Source: phone, Dest: code, ShortMessage: []byte(s)}
		raw, _ := smpp.Append(nil, smpp.Header{Sequence: sequence}, p)
		d, _ := deliveryOf(p, raw)
		x, err := q.decode(d)
		if err != nil {
			t.Fatal(err)
		}
		return x.in.Hash
	}
	if hash(1, "yes") != hash(2, "yes") || hash(1, "yes") == hash(1, "no") {
		t.Error("the hash is not that of the body")
	}
}

// deliver hands a PDU to the link as the centre and returns what it answered.
func deliver(t *testing.T, s *smpp.Session, p smpp.PDU) smpp.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := s.Do(ctx, p)
	var status smpp.Status
	if err != nil && !errors.As(err, &status) {
		t.Fatal(err)
	}
	return status
}

func TestATextIsAcknowledgedOnlyWhenItIsStored(t *testing.T) {
	c := newCentre(t, script{})
	stored := make(chan struct{})
	l := link(t, c.addr, nil)
	l.inbox.receive = func(context.Context, message.Incoming) (id.Number, error) { <-stored; return 42, nil }
	session := c.session()
	answer := make(chan smpp.Status, 1)
	go func() {
		answer <- deliver(t, session, &smpp.DeliverSM{Source: phone, Dest: code, ShortMessage: []byte("hi")})
	}()
	in := receive(t, l.inbox.texts, "the text")
	if in.Text != "hi" || in.Group != "carrier" || in.Conn == 0 || in.Time.IsZero() {
		t.Errorf("%+v", in)
	}
	select {
	case s := <-answer:
		t.Fatalf("answered %s before it was stored", s)
	case <-l.inbox.confirmed:
		t.Fatal("confirmed before it was stored")
	default:
	}
	close(stored)
	if s := receive(t, answer, "the answer"); s != smpp.StatusROK {
		t.Error(s)
	}
	if n := receive(t, l.inbox.confirmed, "the confirmation"); n != 42 {
		t.Errorf("row %d", n)
	}
	if n := l.State().Counters.Incoming; n != 1 {
		t.Errorf("%d counted", n)
	}
}

func TestConnectionsAreToldApart(t *testing.T) {
	c := newCentre(t, script{})
	l := link(t, c.addr, nil)
	var conns []int64
	for range 2 {
		session := c.session()
		for range 2 {
			deliver(t, session, &smpp.DeliverSM{Source: phone, Dest: code, ShortMessage: []byte("hi")})
			conns = append(conns, receive(t, l.inbox.texts, "the text").Conn)
		}
		session.Abort(nil)
	}
	if conns[0] != conns[1] || conns[2] != conns[3] || conns[0] == conns[2] {
		t.Errorf("connections %v", conns)
	}
}

func TestTroubleOfOursAsksForAnotherTry(t *testing.T) {
	text := &smpp.DeliverSM{Source: phone, Dest: code, ShortMessage: []byte("hi")}
	receipt := &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 4, ShortMessage: []byte(receiptText)}
	for _, tt := range []struct {
		name string
		pdu  smpp.PDU
		do   func(ctx context.Context) error
		want smpp.Status
	}{
		{"a store that fails", text, func(context.Context) error { return errors.New("disk") }, smpp.StatusRX_T_APPN},
		{"a store that fails, for a receipt", receipt, func(context.Context) error { return errors.New("disk") }, smpp.StatusRX_T_APPN},
		{"an error that looks like a refusal for good", text, func(context.Context) error { return smpp.StatusRX_P_APPN }, smpp.StatusRX_T_APPN},
		{"a store that is busy for too long", text, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, smpp.StatusRX_T_APPN},
		{"a receiver that panics", receipt, func(context.Context) error { panic("poison") }, smpp.StatusRX_T_APPN},
		{"a receipt that names no message is not repeated", &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 4}, nil, smpp.StatusROK},
		{"a malformed text", &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x40, ShortMessage: []byte{9}}, nil, smpp.StatusRINVESMCLASS},
		{"a text from nobody", &smpp.DeliverSM{Dest: code, ShortMessage: []byte("x")}, nil, smpp.StatusRINVSRCADR},
		{"all is well", text, func(context.Context) error { return nil }, smpp.StatusROK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCentre(t, script{})
			l := link(t, c.addr, func(cfg *Config) { cfg.Timers.Store = 30 * time.Millisecond })
			l.inbox.receive = func(ctx context.Context, _ message.Incoming) (id.Number, error) { return 7, tt.do(ctx) }
			l.inbox.report = func(ctx context.Context, _ message.DLR) error { return tt.do(ctx) }
			session := c.session()
			if got := deliver(t, session, tt.pdu); got != tt.want {
				t.Errorf("answered %s, want %s", got, tt.want)
			}
			if tt.want != smpp.StatusROK && len(l.inbox.confirmed) != 0 {
				t.Error("a refused text was confirmed")
			}
		})
	}
}

func TestAReceiptBeforeItsAnswer(t *testing.T) {
	var session *smpp.Session
	early := make(chan smpp.Status, 1)
	c := newCentre(t, script{handle: func(req *smpp.Request) {
		_, err := session.Do(context.Background(), &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 4, ShortMessage: []byte("id:E1 stat:DELIVRD")})
		var s smpp.Status
		errors.As(err, &s)
		early <- s
		req.Respond(smpp.StatusROK, &smpp.SubmitSMResp{MessageID: "E1"})
	}})
	l := link(t, c.addr, nil)
	session = c.session()
	l.up()
	refs, done, err := l.Submit(context.Background(), text("0100", "hello"))
	done()
	if err != nil || refs[0].ID != "E1" {
		t.Fatal(refs, err)
	}
	if s := receive(t, early, "the answer to the receipt"); s != smpp.StatusROK {
		t.Errorf("the early receipt was answered %s", s)
	}
	if d := receive(t, l.inbox.dlrs, "the receipt"); d.ID != "E1" || d.Group != "carrier" || d.State != message.StateDelivered {
		t.Errorf("%+v", d)
	}
}

func TestASlowStoreDelaysNeitherEnquireLinkNorAnswers(t *testing.T) {
	ln, addr := listen(t)
	l := link(t, addr, func(cfg *Config) { cfg.Timers.Stop, cfg.Timers.Store = 50*time.Millisecond, time.Minute })
	blocked := make(chan struct{})
	l.inbox.report = func(ctx context.Context, _ message.DLR) error {
		select {
		case <-blocked:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c := answerBind(t, ln)
	l.up()
	const receipts = 64 + 1024 + 10 // all that is worked at once, all that waits, and some
	go func() {
		for i := range uint32(receipts) {
			b, _ := smpp.Append(nil, smpp.Header{Sequence: 100 + i}, &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 4, ShortMessage: []byte(receiptText)})
			c.Write(b)
		}
		b, _ := smpp.Append(nil, smpp.Header{Sequence: 7}, &smpp.EnquireLink{})
		c.Write(b)
	}()
	sent := make(chan error, 1)
	go func() {
		_, done, err := l.Submit(context.Background(), text("0100", "hello"))
		done()
		sent <- err
	}()
	refused := 0
	alive, answered := false, false
	for !alive || !answered {
		h, p := c.read()
		switch p := p.(type) {
		case *smpp.DeliverSMResp:
			if h.Status != smpp.StatusRX_T_APPN {
				t.Fatalf("a receipt was answered %s while the store is blocked", h.Status)
			}
			refused++
		case *smpp.EnquireLinkResp:
			alive = true
		case *smpp.SubmitSM:
			c.write(smpp.Header{Sequence: h.Sequence}, &smpp.SubmitSMResp{MessageID: "1"})
			answered = true
		default:
			t.Fatalf("%T", p)
		}
	}
	if err := receive(t, sent, "the submit"); err != nil {
		t.Error(err)
	}
	if refused == 0 {
		t.Error("nothing was refused: the queue is not bounded")
	}
	close(blocked)
	for range receipts - refused {
		if h, _ := c.read(); h.Status != smpp.StatusROK && h.ID == smpp.CommandDeliverSMResp {
			t.Fatalf("afterwards a receipt is answered %s", h.Status)
		}
	}
}

func TestMalformedPDUsAreAnsweredAndTheBindGoesOn(t *testing.T) {
	ln, addr := listen(t)
	l := link(t, addr, func(cfg *Config) { cfg.Timers.Stop = 50 * time.Millisecond })
	c := answerBind(t, ln)
	good := rawOf(t, &smpp.DeliverSM{Source: phone, Dest: code, ShortMessage: []byte("hi")})
	cut := func(edit func(b []byte) []byte) []byte {
		b := edit(append([]byte(nil), good...))
		b[2], b[3] = byte(len(b)>>8), byte(len(b))
		return b
	}
	for _, tt := range []struct {
		name   string
		octets []byte
		status smpp.Status
	}{
		{"sm_length beyond the PDU", cut(func(b []byte) []byte { b[len(b)-3] = 200; return b }), smpp.StatusRINVMSGLEN},
		{"an address without its end", cut(func(b []byte) []byte { return b[:24] }), smpp.StatusRINVCMDLEN},
		{"a TLV beyond the PDU", cut(func(b []byte) []byte { return append(b, 0x04, 0x24, 0xFF, 0xFF, 1) }), smpp.StatusRINVOPTPARSTREAM},
		{"an unknown command", cut(func(b []byte) []byte { b[7] = 0x77; return b }), smpp.StatusRINVCMDID},
		{"a request only we may make", rawOf(t, &smpp.SubmitSM{Dest: phone}), smpp.StatusRINVBNDSTS},
	} {
		c.octets(tt.octets)
		if h, _ := c.read(); h.Status != tt.status {
			t.Errorf("%s: answered %s %s, want %s", tt.name, h.ID, h.Status.String(), tt.status.String())
		}
	}
	c.octets(good)
	if h, _ := c.read(); h.Status != smpp.StatusROK || h.ID != smpp.CommandDeliverSMResp {
		t.Errorf("then a good one: %s %s", h.ID, h.Status)
	}
	if n := l.State().Counters.Binds; n != 1 {
		t.Errorf("%d binds", n)
	}
}

func TestReceiptsOfAPairComeOverItsReceiver(t *testing.T) {
	c := newCentre(t, script{})
	l := link(t, c.addr, func(cfg *Config) { cfg.Link.Bind = "pair" })
	for range 2 {
		s := c.session()
		if s.Bind().Kind == smpp.BindReceiver {
			if got := deliver(t, s, &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 4, ShortMessage: []byte(receiptText)}); got != smpp.StatusROK {
				t.Error(got)
			}
		}
	}
	receive(t, l.inbox.dlrs, "the receipt")
	l.up()
	_, done, err := l.Submit(context.Background(), text("0100", "hello"))
	done()
	if err != nil {
		t.Error(err)
	}
}

func TestAnAlertNeedsNoAnswer(t *testing.T) {
	c := newCentre(t, script{})
	l := link(t, c.addr, nil)
	s := c.session()
	if err := s.Send(&smpp.AlertNotification{Source: phone, ESME: code}); err != nil {
		t.Fatal(err)
	}
	if got := deliver(t, s, &smpp.DataSM{Source: phone, Dest: code, TLVs: smpp.TLVs{tlv(smpp.TagMessagePayload, 'h', 'i')}}); got != smpp.StatusROK {
		t.Error(got)
	}
	if in := receive(t, l.inbox.texts, "the text"); in.Text != "hi" {
		t.Errorf("%+v", in)
	}
}

func TestTheWireIsShownToWhoeverWatches(t *testing.T) {
	c := newCentre(t, script{handle: func(req *smpp.Request) {
		req.Respond(smpp.StatusROK, &smpp.SubmitSMResp{MessageID: "8A21"})
	}})
	feed := timeline.New(100, time.Now)
	_, watch := feed.Watch(0)
	defer watch.Close()
	l := link(t, c.addr, func(cfg *Config) {
		cfg.Timeline = feed
		cfg.Name = func(id.Number) string { return "SMSabc" }
	}).up()
	session := c.session()
	_, done, err := l.Submit(context.Background(), text("0100", "hello"))
	done()
	if err != nil {
		t.Fatal(err)
	}
	deliver(t, session, &smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 4, ShortMessage: []byte(receiptText)})
	l.stop()
	var got []string
	var mu sync.Mutex
	mu.Lock()
	for len(got) < 8 {
		e := receive(t, watch.C(), "an entry")
		if e.Kind != timeline.KindPDU {
			continue
		}
		title, _, _ := strings.Cut(e.Title, " ")
		got = append(got, e.State+" "+title)
		switch title {
		case "submit_sm":
			if e.Number != "+14255550100" || e.Message != "SMSabc" || !strings.Contains(e.Detail, `text "hello"`) || !strings.Contains(e.Detail, "|") {
				t.Errorf("%+v", e)
			}
		case "submit_sm_resp":
			if e.Ref != "8A21" || e.Number != "+14255550100" {
				t.Errorf("%+v", e)
			}
		case "deliver_sm":
			if e.Ref != "8A21" || !strings.HasSuffix(e.Title, "receipt DELIVRD") {
				t.Errorf("%+v", e)
			}
		case "bind_transceiver":
			if strings.Contains(e.Detail, "secret") || strings.Contains(e.Detail, hex.EncodeToString([]byte("secret"))) {
				t.Errorf("the password is shown: %s", e.Detail)
			}
		}
	}
	want := []string{"out bind_transceiver", "in bind_transceiver_resp", "out submit_sm", "in submit_sm_resp",
		"in deliver_sm", "out deliver_sm_resp", "out unbind", "in unbind_resp"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// FuzzDelivery feeds the decoder whatever a centre may send in a well-formed PDU, and more.
func FuzzDelivery(f *testing.F) {
	for _, p := range []smpp.PDU{
		&smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 4, ShortMessage: []byte(receiptText)},
		&smpp.DeliverSM{Source: phone, Dest: code, ESMClass: 0x40, ShortMessage: []byte("\x05\x00\x03\x2A\x03\x02two")},
		&smpp.DeliverSM{Source: phone, Dest: code, DataCoding: 8, ShortMessage: ucs2("🍕?")},
		&smpp.DeliverSM{Source: phone, Dest: code, TLVs: smpp.TLVs{tlv(smpp.TagReceiptedMessageID, 'A', 0xE9), tlv(smpp.TagMessageState, 2), tlv(smpp.TagNetworkErrorCode, 3, 0, 9)}},
		&smpp.DataSM{Source: phone, Dest: code, TLVs: smpp.TLVs{tlv(smpp.TagMessagePayload, 'h', 'i')}},
	} {
		f.Add(rawOf(f, p), uint8(0))
		f.Add(rawOf(f, p), uint8(0xFF))
	}
	f.Fuzz(func(t *testing.T, raw []byte, odd uint8) {
		if len(raw) >= 16 {
			raw[0], raw[1], raw[2], raw[3] = byte(len(raw)>>24), byte(len(raw)>>16), byte(len(raw)>>8), byte(len(raw))
		}
		_, p, err := smpp.Decode(raw)
		if err != nil {
			return
		}
		d, ok := deliveryOf(p, raw)
		if !ok {
			return
		}
		q := route.Quirks{TextReceipts: odd&1 != 0}
		if odd&2 != 0 {
			q.Alphabet = "latin1"
		}
		q.IDs = []string{"", "hex-dec", "dec-hex", ""}[odd>>2&3]
		quirks, err := newQuirks(q)
		if err != nil {
			t.Fatal(err)
		}
		x, err := quirks.decode(d)
		if err != nil {
			var status smpp.Status
			if !errors.Is(err, errNoReceipt) && (!errors.As(err, &status) || status == smpp.StatusROK) {
				t.Fatalf("an error the centre cannot be told: %v", err)
			}
			return
		}
		if (x.dlr == nil) == (x.in == nil) {
			t.Fatal("neither or both")
		}
		if r := x.dlr; r != nil {
			for _, s := range []string{r.ID, r.Code, r.Word} {
				if strings.ContainsRune(s, 0) || strings.ToValidUTF8(s, "") != s {
					t.Fatalf("%q cannot be kept as text", s)
				}
			}
			if r.ID == "" || r.State < message.StateSent || r.Word == "" {
				t.Fatalf("%+v", r)
			}
		}
		if in := x.in; in != nil {
			if strings.ContainsRune(in.Text, 0) || strings.ToValidUTF8(in.Text, "") != in.Text || in.From.IsZero() || in.To.IsZero() {
				t.Fatalf("%+v", in)
			}
			if in.Total != 0 && (in.Total < 2 || in.Part < 1 || in.Part > in.Total) || in.Total == 0 && in.UD != nil {
				t.Fatalf("segment %d of %d", in.Part, in.Total)
			}
		}
	})
}

// A STOP and the START behind it reach the receiver as they came, however many texts of others do at the same time.
func TestTextsOfOneHandsetKeepTheirOrder(t *testing.T) {
	ln, addr := listen(t)
	l := link(t, addr, nil)
	c := answerBind(t, ln)
	l.up()
	const texts = 400
	go func() {
		var all []byte
		for i := range uint32(texts) {
			from := phone
			if i%2 == 1 {
				from.Addr = fmt.Sprint(14255550200 + uint64(i))
			}
			b, _ := smpp.Append(nil, smpp.Header{Sequence: 100 + i}, &smpp.DeliverSM{Source: from, Dest: code, ShortMessage: []byte(strconv.Itoa(int(i)))})
			all = append(all, b...)
		}
		c.Write(all)
	}()
	for range texts {
		if h, _ := c.read(); h.ID != smpp.CommandDeliverSMResp || h.Status != smpp.StatusROK {
			t.Fatalf("answered %+v", h)
		}
	}
	last := -1
	for range texts {
		in := receive(t, l.inbox.texts, "a text")
		if in.From.Value() != phone.Addr {
			continue
		}
		n, err := strconv.Atoi(in.Text)
		if err != nil || n <= last {
			t.Fatalf("text %q after %d", in.Text, last)
		}
		last = n
	}
}
