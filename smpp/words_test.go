package smpp

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStatuses(t *testing.T) {
	tests := []struct {
		s            Status
		name, code   string
		class        Class
		temp, remain bool
	}{
		{StatusROK, "ESME_ROK", "SMPP-0000", ClassOK, false, true},
		{StatusRINVDSTADR, "ESME_RINVDSTADR", "SMPP-000B", ClassPermanent, false, true},
		{StatusRINVPASWD, "ESME_RINVPASWD", "SMPP-000E", ClassBind, true, false},
		{StatusRTHROTTLED, "ESME_RTHROTTLED", "SMPP-0058", ClassThrottle, true, true},
		{StatusRX_T_APPN, "ESME_RX_T_APPN", "SMPP-0064", ClassRetry, true, true},
		{StatusRX_R_APPN, "ESME_RX_R_APPN", "SMPP-0066", ClassPermanent, false, true},
		{StatusRINVTLVSTREAM, "ESME_RINVOPTPARSTREAM", "SMPP-00C0", ClassBug, false, true},
		{StatusRINVDCS, "ESME_RINVDCS", "SMPP-0104", ClassPermanent, false, true},
		{0x401, "0x00000401", "SMPP-0401", ClassRetryShort, true, true},
		{0x12345, "0x00012345", "SMPP-12345", ClassRetryShort, true, true},
	}
	for _, test := range tests {
		if test.s.String() != test.name || test.s.Code() != test.code || test.s.Class() != test.class || test.s.Temporary() != test.temp || test.s.BindSurvives() != test.remain {
			t.Errorf("%s: %s %s %v %v", test.name, test.s, test.s.Code(), test.s.Class(), test.s.Temporary())
		}
	}
	var last Status
	for i, r := range Statuses() {
		if i > 0 && r.Status <= last || r.Meaning == "" || !strings.HasPrefix(r.Name, "ESME_R") {
			t.Errorf("table at %s", r.Name)
		}
		last = r.Status
		if s, ok := ParseStatus(strings.ToLower(r.Name[5:])); !ok || s != r.Status {
			t.Errorf("%s is not found by its name", r.Name)
		}
	}
	if n := len(statusTable); n != 46+2+19 {
		t.Errorf("%d statuses", n)
	}
	var s Status
	if err := fmt.Errorf("submit: %w", StatusRMSGQFUL); !errors.As(err, &s) || s != StatusRMSGQFUL {
		t.Error("a status is not found in an error")
	}
}

func TestTLVs(t *testing.T) {
	var v TLVs
	v.Add(0x1400, []byte("a"))
	v.SetUint16(TagSourcePort, 9200)
	v.Add(0x1400, []byte("b"))
	v.SetUint32(TagQOSTimeToLive, 70000)
	v.SetUint8(TagMessageState, 2)
	v.SetString(TagReceiptedMessageID, "8A21")
	if got := v.GetAll(0x1400); len(got) != 2 || string(got[0]) != "a" || string(got[1]) != "b" {
		t.Errorf("repeated TLV: %q", got)
	}
	if n, ok := v.Uint16(TagSourcePort); !ok || n != 9200 {
		t.Error("Uint16", n, ok)
	}
	if n, ok := v.Uint32(TagQOSTimeToLive); !ok || n != 70000 {
		t.Error("Uint32", n, ok)
	}
	if _, ok := v.Uint8(TagSourcePort); ok {
		t.Error("two octets read as one")
	}
	if s, ok := v.String(TagReceiptedMessageID); !ok || s != "8A21" {
		t.Error("String", s, ok)
	}
	v.Set(0x1400, []byte("c"))
	want := []Tag{0x1400, TagSourcePort, TagQOSTimeToLive, TagMessageState, TagReceiptedMessageID}
	var got []Tag
	for _, x := range v {
		got = append(got, x.Tag)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("order after Set:", d)
	}
}

func TestFlags(t *testing.T) {
	e := ModeStoreAndForward | TypeReceipt | FeatureUDHI
	if e.Mode() != ModeStoreAndForward || e.Type() != TypeReceipt || !e.UDHI() || e.ReplyPath() || !e.IsReceipt() {
		t.Errorf("esm_class %#x", e)
	}
	if !TypeIntermediate.IsReceipt() || TypeUserAck.IsReceipt() {
		t.Error("only receipts and intermediate notifications are receipts")
	}
	r := ReceiptOnFailure | NotifyIntermediate | AckUser
	if r.Receipt() != ReceiptOnFailure || r.Acknowledgement() != AckUser || !r.Intermediate() || r.Wants(true) || !r.Wants(false) {
		t.Errorf("registered_delivery %#x", r)
	}
	if ReceiptNone.Wants(false) || !ReceiptAlways.Wants(true) || ReceiptOnSuccess.Wants(false) {
		t.Error("Wants")
	}
}

func TestTimes(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		in   string
		want time.Time
	}{
		{"000000000030000R", now.Add(30 * time.Second)},
		{"000001020304000R", now.Add(26*time.Hour + 3*time.Minute + 4*time.Second)},
		{"010000000000000R", now.AddDate(1, 0, 0)},
		{"260201120000500+", time.Date(2026, 2, 1, 12, 0, 0, 5e8, time.UTC)},
		{"260201120000032-", time.Date(2026, 2, 1, 20, 0, 0, 0, time.UTC)},
		{"260201120000004+", time.Date(2026, 2, 1, 11, 0, 0, 0, time.UTC)},
	}
	for _, test := range tests {
		if got, err := ParseTime(test.in, now); err != nil || !got.Equal(test.want) {
			t.Errorf("%s: %v, %v; want %v", test.in, got, err, test.want)
		}
	}
	for _, in := range []string{"", "26020112000050+", "260230120000000+", "260201250000000+", "2602011200000aa+", "260201120000000X", "x60201120000000+", "260201120000099+"} {
		if got, err := ParseTime(in, now); err == nil {
			t.Errorf("%q is read as %v", in, got)
		}
	}
	for _, d := range []time.Duration{0, time.Minute, 72 * time.Hour, MaxRelativeTime} {
		b, err := AppendRelativeTime(nil, d)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseTime(string(b), now); err != nil || got.Sub(now) != d {
			t.Errorf("%v written as %s is read as %v, %v", d, b, got.Sub(now), err)
		}
	}
	for _, d := range []time.Duration{-1, MaxRelativeTime + 1} {
		if b, err := AppendRelativeTime(nil, d); err == nil {
			t.Errorf("%v is written as %s", d, b)
		}
	}
	for _, zone := range []int{0, -8 * 3600, 5*3600 + 2700} {
		at := now.Add(300 * time.Millisecond).In(time.FixedZone("", zone))
		b, err := AppendAbsoluteTime(nil, at)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseTime(string(b), now); err != nil || !got.Equal(at) {
			t.Errorf("%v written as %s is read as %v, %v", at, b, got, err)
		}
	}
}

func TestStateWords(t *testing.T) {
	for _, r := range stateTable {
		for _, w := range []string{r.word, r.name, strings.ToLower(r.word), r.name[:min(7, len(r.name))]} {
			if s, ok := ParseState(w); !ok || s != r.state {
				t.Errorf("%q: %v, %v", w, s, ok)
			}
		}
		if r.state.Word() != r.word || r.state.String() != r.name {
			t.Errorf("%s", r.name)
		}
	}
	for w, want := range map[string]MessageState{"DELIV": StateDelivered, "ACCEPTE": StateAccepted, "UNDEL": StateUndeliverable, "enro": StateEnroute} {
		if s, ok := ParseState(w); !ok || s != want {
			t.Errorf("%q: %v, %v", w, s, ok)
		}
	}
	for _, w := range []string{"", "DEL", "OK", "DELIVERY FAILED"} {
		if s, ok := ParseState(w); ok {
			t.Errorf("%q is read as %v", w, s)
		}
	}
	if StateEnroute.Final() || StateAccepted.Final() || !StateDelivered.Final() || !StateUndeliverable.Final() {
		t.Error("Final")
	}
}

func TestReceiptsInTheWild(t *testing.T) {
	submit, done := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC)
	full := Receipt{ID: "8A21", Submitted: 1, Delivered: 1, SubmitDate: submit, DoneDate: done, State: StateDelivered, Stat: "DELIVRD", Err: "000", Text: "hello"}
	with := func(f func(*Receipt)) Receipt { r := full; f(&r); return r }
	tests := []struct {
		name, text string
		want       Receipt
	}{
		{"as the standard shows it", "id:8A21 sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:DELIVRD err:000 text:hello", full},
		{"lower and upper case", "ID:8A21 SUB:001 Dlvrd:001 Submit Date:2601020304 DONE DATE:2601020305 Stat:delivrd ERR:000 Text:hello",
			with(func(r *Receipt) { r.Stat = "delivrd" })},
		{"another order", "stat:DELIVRD err:000 done date:2601020305 submit date:2601020304 dlvrd:001 sub:001 id:8A21 text:hello", full},
		{"text first", "text:hello id:8A21 sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:DELIVRD err:000", full},
		{"dates with seconds", "id:8A21 sub:001 dlvrd:001 submit date:260102030401 done date:260102030502 stat:DELIVRD err:000 text:hello",
			with(func(r *Receipt) { r.SubmitDate, r.DoneDate = submit.Add(time.Second), done.Add(2*time.Second) })},
		{"text that looks like a receipt", "id:8A21 sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:DELIVRD err:000 text:id:9 stat:FAILED",
			with(func(r *Receipt) { r.Text = "id:9 stat:FAILED" })},
		{"an error that is no number", "id:8A21 stat:UNDELIV err:ABSENT", Receipt{ID: "8A21", State: StateUndeliverable, Stat: "UNDELIV", Err: "ABSENT"}},
		{"only an id", "id:8A21", Receipt{ID: "8A21", State: StateUnknown}},
		{"only a stat", "stat:EXPIRED", Receipt{State: StateExpired, Stat: "EXPIRED"}},
		{"a word nobody knows", "id:1 stat:LOST", Receipt{ID: "1", State: StateUnknown, Stat: "LOST"}},
		{"an id with dashes and colons", "id:3f2a-11:22 stat:ACCEPTD", Receipt{ID: "3f2a-11:22", State: StateAccepted, Stat: "ACCEPTD"}},
		{"blanks around colons, commas, NUL", "id : 77, sub: 001, stat: REJECTD,err:12\x00", Receipt{ID: "77", Submitted: 1, State: StateRejected, Stat: "REJECTD", Err: "12"}},
		{"an impossible date", "id:1 done date:2613320304 stat:DELIVRD", Receipt{ID: "1", State: StateDelivered, Stat: "DELIVRD"}},
		{"empty fields", "id:1 sub: dlvrd: submit date: done date: stat:DELETED err: text:", Receipt{ID: "1", State: StateDeleted, Stat: "DELETED"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseReceipt(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Error(d)
			}
		})
	}
	for _, text := range []string{"", "hello", "valid:1 restat:2", "identity", "id", "id:", "my id: is not said"} {
		if r, err := ParseReceipt(text); text != "my id: is not said" && !errors.Is(err, ErrNotReceipt) {
			t.Errorf("%q is read as %+v", text, r)
		}
	}
	if got := full.String(); got != tests[0].text {
		t.Errorf("written %q", got)
	}
}

func TestReceiptOfADeliverSM(t *testing.T) {
	tests := []struct {
		name string
		p    DeliverSM
		want Receipt
		err  error
	}{
		{"text without a mark is a message", DeliverSM{ShortMessage: []byte("id:1 stat:DELIVRD")}, Receipt{}, ErrNotReceipt},
		{"mark and text", DeliverSM{ESMClass: TypeReceipt, ShortMessage: []byte("id:1 stat:DELIVRD")}, Receipt{ID: "1", State: StateDelivered, Stat: "DELIVRD"}, nil},
		{"TLVs alone", DeliverSM{TLVs: TLVs{{TagReceiptedMessageID, []byte("1")}, {TagMessageState, []byte{5}}}}, Receipt{ID: "1", State: StateUndeliverable}, nil},
		{"TLVs count where the text disagrees", DeliverSM{ESMClass: TypeReceipt, ShortMessage: []byte("id:0001 stat:DELIVRD"),
			TLVs: TLVs{{TagReceiptedMessageID, []byte("1\x00")}, {TagMessageState, []byte{3}}}}, Receipt{ID: "1", State: StateExpired, Stat: "DELIVRD", Conflicting: true}, nil},
		{"text in message_payload", DeliverSM{ESMClass: TypeIntermediate, TLVs: TLVs{{TagMessagePayload, []byte("id:1 stat:ENROUTE")}}}, Receipt{ID: "1", State: StateEnroute, Stat: "ENROUTE"}, nil},
		{"mark and nothing else", DeliverSM{ESMClass: TypeReceipt, ShortMessage: []byte("?")}, Receipt{}, ErrNotReceipt},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.p.Receipt()
			if !errors.Is(err, test.err) {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestReceiptOfADataSM(t *testing.T) {
	var p DataSM
	p.SetMessage([]byte("id:1 stat:DELIVRD"))
	if _, err := p.Receipt(); p.IsReceipt() || !errors.Is(err, ErrNotReceipt) {
		t.Error("a message is taken for a receipt")
	}
	p.ESMClass = TypeReceipt
	if r, err := p.Receipt(); err != nil || r.ID != "1" || r.State != StateDelivered {
		t.Errorf("%+v, %v", r, err)
	}
}

func FuzzReceipt(f *testing.F) {
	f.Add("id:8A21 sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:DELIVRD err:000 text:hello")
	f.Add("text:a id:1,stat : x")
	f.Add(strings.Repeat("id:", 100))
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseReceipt(text)
		if err != nil {
			if !errors.Is(err, ErrNotReceipt) {
				t.Fatal(err)
			}
			return
		}
		if len(r.ID)+len(r.Stat)+len(r.Err)+len(r.Text) > len(text) {
			t.Fatalf("more came out than went in: %+v", r)
		}
		if r.ID != "" && r.Err == "" && !strings.ContainsAny(r.ID+r.Stat, " ,;|\r\n\t\x00:") && r.ID != "" {
			again, err := ParseReceipt(r.String())
			if err != nil || again.ID != r.ID || again.State != r.State {
				t.Fatalf("%+v written and read is %+v, %v", r, again, err)
			}
		}
	})
}

func FuzzTime(f *testing.F) {
	f.Add("000001020304000R")
	f.Add("260201120000032-")
	f.Fuzz(func(t *testing.T, s string) {
		at, err := ParseTime(s, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		if err != nil || s[15] == 'R' {
			return
		}
		b, err := AppendAbsoluteTime(nil, at)
		if err != nil || (string(b) != s && s[13:15] != "00") {
			t.Fatalf("%s became %s, %v", s, b, err)
		}
	})
}
