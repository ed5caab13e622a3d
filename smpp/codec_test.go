package smpp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite testdata/pdus.txt")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// readHex reads a file of annotated hexadecimal octets; # begins a comment.
func readHex(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.TrimSpace(line))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b
}

// vectors is what the files of testdata say.
var (
	pizza   = Address{TONNetworkSpecific, NPIISDN, "48507"}
	alice   = Address{TONInternational, NPIISDN, "14255550100"}
	vectors = map[string]struct {
		status Status
		seq    uint32
		pdu    PDU
	}{
		"bind_transmitter":              {0, 1, &Bind{BindTransmitter, "SMPP3TEST", "secret08", "SUBMIT1", 0, 1, 1, ""}},
		"bind_receiver":                 {0, 2, &Bind{BindReceiver, "SMPP3TEST", "secret08", "SUBMIT1", Version34, 1, 1, "^485"}},
		"bind_transceiver":              {0, MaxSequence, &Bind{BindTransceiver, "SMPP3TEST", "secret08", "SUBMIT1", Version34, 1, 1, ""}},
		"bind_transmitter_resp":         {0, 1, &BindResp{BindTransmitter, "SMSC", nil}},
		"bind_receiver_resp":            {0, 2, &BindResp{BindReceiver, "SMSC", TLVs{{TagSCInterfaceVersion, []byte{0x34}}}}},
		"bind_transceiver_resp":         {0, MaxSequence, &BindResp{BindTransceiver, "SMSC", TLVs{{TagSCInterfaceVersion, []byte{0x34}}}}},
		"bind_transceiver_resp_refused": {StatusRINVPASWD, 3, &BindResp{}},
		"outbind":                       {0, 1, &Outbind{"SMSC", "pw"}},
		"unbind":                        {0, 9, &Unbind{}},
		"unbind_resp":                   {0, 9, &UnbindResp{}},
		"generic_nack":                  {StatusRINVCMDID, 77, &GenericNack{}},
		"enquire_link":                  {0, 5, &EnquireLink{}},
		"enquire_link_resp":             {0, 5, &EnquireLinkResp{}},
		"submit_sm": {0, 0x10, &SubmitSM{Source: pizza, Dest: alice, PriorityFlag: 1, ValidityPeriod: "000001000000000R",
			RegisteredDelivery: ReceiptAlways, ShortMessage: []byte("hello")}},
		"submit_sm_udh": {0, 0x11, &SubmitSM{Source: pizza, Dest: alice, PriorityFlag: 1, ESMClass: FeatureUDHI, DataCoding: 8,
			ShortMessage: []byte{5, 0, 3, 0xA7, 2, 1, 4, 0x36, 4, 0x34, 4, 0x43}, TLVs: TLVs{{TagUserMessageReference, []byte{0x12, 0x34}}}}},
		"submit_sm_payload": {0, 0x12, &SubmitSM{Source: pizza, Dest: alice, PriorityFlag: 1, ESMClass: ModeStoreAndForward,
			TLVs: TLVs{{TagMessagePayload, []byte(strings.Repeat("a long text ", 20))}, {TagITSSessionInfo, []byte{1, 2}}, {0x1400, []byte("x")}, {0x1400, []byte{}}}}},
		"submit_sm_resp":         {0, 0x10, &SubmitSMResp{MessageID: "8A21"}},
		"submit_sm_resp_refused": {StatusRTHROTTLED, 0x11, &SubmitSMResp{}},
		"deliver_sm":             {0, 1, &DeliverSM{ServiceType: "CMT", Source: alice, Dest: pizza, PriorityFlag: 1, ShortMessage: []byte("STOP")}},
		"deliver_sm_receipt": {0, 2, &DeliverSM{ServiceType: "CMT", Source: alice, Dest: pizza, PriorityFlag: 1, ESMClass: TypeReceipt,
			ShortMessage: []byte("id:8A21 sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:DELIVRD err:000 text:hello"),
			TLVs:         TLVs{{TagReceiptedMessageID, []byte("8A21\x00")}, {TagMessageState, []byte{2}}, {TagNetworkErrorCode, []byte{3, 0, 0}}}}},
		"deliver_sm_resp": {0, 1, &DeliverSMResp{}},
		"data_sm": {0, 20, &DataSM{Source: Address{TONAlphanumeric, 0, "Pizza"}, Dest: Address{1, 1, strings.Repeat("1", 64)},
			RegisteredDelivery: ReceiptAlways | NotifyIntermediate, DataCoding: 3, TLVs: TLVs{{TagMessagePayload, []byte("hi")}, {TagAlertOnMessageDelivery, []byte{}}}}},
		"data_sm_resp": {StatusRDELIVERYFAILURE, 20, &DataSMResp{MessageID: "m1", TLVs: TLVs{{TagDeliveryFailureReason, []byte{1}},
			{TagNetworkErrorCode, []byte{3, 0, 27}}, {TagAdditionalStatusInfoText, []byte("absent\x00")}}}},
		"submit_multi": {0, 30, &SubmitMulti{Source: pizza, Dests: []Destination{{Address: alice}, {List: "friends"}}, PriorityFlag: 1,
			ShortMessage: []byte("party"), TLVs: TLVs{{TagSARMsgRefNum, []byte{0, 9}}}}},
		"submit_multi_resp":  {0, 30, &SubmitMultiResp{MessageID: "m2", Failed: []Unsuccess{{alice, StatusRINVDSTADR}}}},
		"query_sm":           {0, 40, &QuerySM{"8A21", pizza}},
		"query_sm_resp":      {0, 40, &QuerySMResp{"8A21", "260102030405000+", StateDelivered, 0}},
		"cancel_sm":          {0, 41, &CancelSM{"", "8A21", pizza, alice}},
		"cancel_sm_resp":     {0, 41, &CancelSMResp{}},
		"replace_sm":         {0, 42, &ReplaceSM{MessageID: "8A21", Source: pizza, ValidityPeriod: "260102030405000+", RegisteredDelivery: 1, ShortMessage: []byte("new text")}},
		"replace_sm_resp":    {StatusRREPLACEFAIL, 42, &ReplaceSMResp{}},
		"alert_notification": {0, 50, &AlertNotification{alice, pizza, TLVs{{TagMSAvailabilityStatus, []byte{0}}}}},
	}
)

func TestVectorsDecodeAndEncodeToTheSameOctets(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.hex")
	if len(files) != len(vectors) {
		t.Errorf("%d files, %d expectations", len(files), len(vectors))
	}
	covered := map[CommandID]bool{}
	for name, want := range vectors {
		t.Run(name, func(t *testing.T) {
			raw := readHex(t, "testdata/"+name+".hex")
			h, p, err := Decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			covered[h.ID] = true
			if d := cmp.Diff(Header{uint32(len(raw)), want.pdu.CommandID(), want.status, want.seq}, h); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(want.pdu, p); d != "" {
				t.Error(d)
			}
			again, err := Append(nil, h, want.pdu)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(raw, again) {
				t.Errorf("encoded\n%x, want\n%x", again, raw)
			}
		})
	}
	for _, s := range Table() {
		if !covered[s.ID] {
			t.Errorf("no vector for %s", s.Name)
		}
	}
}

// fill sets every mandatory parameter and the optional ones of p at random, within the table's limits.
func fill(t *rapid.T, s *Spec, p PDU) {
	text := func(name string, max int) string {
		return rapid.StringMatching(`[ -~]*`).Filter(func(v string) bool { return len(v) < max }).Draw(t, name)
	}
	for i := range s.Fields {
		f := &s.Fields[i]
		switch f.Kind {
		case KindUint8:
			*f.u8(p) = rapid.Uint8().Draw(t, f.Name)
		case KindCString:
			*f.str(p) = text(f.Name, f.Max)
		case KindTime:
			*f.str(p) = rapid.SampledFrom([]string{"", "000001000000000R", "260102030405032-"}).Draw(t, f.Name)
		case KindOctets:
			if v := rapid.SliceOfN(rapid.Byte(), 0, f.Max).Draw(t, f.Name); len(v) > 0 {
				*f.octets(p) = v
			}
		case KindDestinations:
			for range rapid.IntRange(1, f.Max).Draw(t, f.Name) {
				d := Destination{List: text("dl_name", 21)}
				if d.List == "" {
					d.Address = Address{1, 1, text("destination_addr", 21)}
				}
				*f.dests(p) = append(*f.dests(p), d)
			}
		case KindUnsuccess:
			for range rapid.IntRange(0, 20).Draw(t, f.Name) {
				*f.failed(p) = append(*f.failed(p), Unsuccess{Address{1, 1, text("destination_addr", 21)}, Status(rapid.Uint32().Draw(t, "error_status_code"))})
			}
		}
	}
	if s.tlvs != nil {
		for range rapid.IntRange(0, 8).Draw(t, "TLVs") {
			s.tlvs(p).Add(Tag(rapid.Uint16().Draw(t, "tag")), rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "value"))
		}
	}
}

func TestEveryPDUOfTheTableSurvivesTheRoundTrip(t *testing.T) {
	for i := range table {
		s := &table[i]
		t.Run(s.Name, rapid.MakeCheck(func(t *rapid.T) {
			p := s.blank()
			fill(t, s, p)
			h := Header{ID: s.ID, Sequence: rapid.Uint32Range(1, MaxSequence).Draw(t, "sequence")}
			raw, err := Append([]byte("before"), h, p)
			if err != nil {
				t.Fatal(err)
			}
			raw = raw[len("before"):]
			got, q, err := Decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			h.Length = uint32(len(raw))
			if got != h {
				t.Errorf("header %+v, want %+v", got, h)
			}
			if d := cmp.Diff(p, q); d != "" {
				t.Error(d)
			}
			clear(raw) // nothing of the buffer may be kept
			if d := cmp.Diff(p, q); d != "" {
				t.Error("the PDU shares memory with the buffer:", d)
			}
		}))
	}
}

func TestTheTableIsWholeAndConsistent(t *testing.T) {
	if len(table) != 27 {
		t.Errorf("%d rows, SMPP 3.4 has 27 PDUs", len(table))
	}
	names := map[string]bool{}
	for i := range table {
		s := &table[i]
		if names[s.Name] {
			t.Errorf("%s twice", s.Name)
		}
		names[s.Name] = true
		if New(s.ID).CommandID() != s.ID || specOf(s.ID) != s || s.ID.String() != s.Name {
			t.Errorf("%s: number, name and struct disagree", s.Name)
		}
		if s.Response != 0 && (s.Response != s.ID|ResponseBit || specOf(s.Response) == nil) {
			t.Errorf("%s: answered by %s", s.Name, s.Response)
		}
		if s.ID.IsResponse() && s.ID != CommandGenericNack && specOf(s.ID&^ResponseBit) == nil {
			t.Errorf("%s answers nothing", s.Name)
		}
		if len(s.Optional) > 0 && s.tlvs == nil {
			t.Errorf("%s has nowhere to keep its optional parameters", s.Name)
		}
		for _, tag := range s.Optional {
			if tagIndex[tag] == nil {
				t.Errorf("%s: unknown tag %s", s.Name, tag)
			}
		}
		for j, f := range s.Fields {
			set := 0
			for _, b := range []bool{f.u8 != nil, f.str != nil, f.octets != nil, f.dests != nil, f.failed != nil} {
				if b {
					set++
				}
			}
			if want := 1; f.Kind == KindCount && set != 0 || f.Kind != KindCount && set != want {
				t.Errorf("%s: %s is kept in %d places", s.Name, f.Name, set)
			}
			if f.Kind == KindCount != (j+1 < len(s.Fields) && s.Fields[j+1].Kind >= KindOctets) {
				t.Errorf("%s: %s and what follows do not belong together", s.Name, f.Name)
			}
		}
	}
	for i, r := range tagTable {
		if i > 0 && tagTable[i-1].Tag >= r.Tag || r.Tag.String() != r.Name {
			t.Errorf("tag table at %s", r.Name)
		}
	}
	if len(tagTable) != 44 {
		t.Errorf("%d optional parameters, SMPP 3.4 has 44", len(tagTable))
	}
}

func TestTheTableForPeopleIsUpToDate(t *testing.T) {
	var b bytes.Buffer
	if err := WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("testdata/pdus.txt", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/pdus.txt")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("run go test ./smpp -update\n%s", d)
	}
}

func TestStringsAreHeldToTheTableBothWays(t *testing.T) {
	for i := range table {
		s := &table[i]
		for j := range s.Fields {
			f := &s.Fields[j]
			if f.Kind != KindCString {
				continue
			}
			full := strings.Repeat("x", f.Max-1)
			base := s.blank()
			if m, ok := base.(*SubmitMulti); ok {
				m.Dests = []Destination{{Address: alice}}
			}
			*f.str(base) = full
			raw, err := Append(nil, Header{}, base)
			if err != nil {
				t.Errorf("%s: %s of %d octets refused: %v", s.Name, f.Name, len(full), err)
				continue
			}
			if _, _, err := Decode(raw); err != nil {
				t.Errorf("%s: %s of %d octets: %v", s.Name, f.Name, len(full), err)
			}
			at := bytes.Index(raw, []byte(full))
			long := append(append(bytes.Clone(raw[:at]), 'x'), raw[at:]...)
			binary.BigEndian.PutUint32(long, uint32(len(long)))
			var bad *DecodeError
			if _, ok := base.(*BindResp); ok {
				if _, p, err := Decode(long); err != nil || p.(*BindResp).SystemID != "" {
					t.Errorf("%s: %s one octet too long is no yes any more: %v, %v", s.Name, f.Name, p, err)
				}
			} else if _, _, err := Decode(long); !errors.As(err, &bad) || bad.Field != f.Name || bad.Status != f.Status || bad.Fatal {
				t.Errorf("%s: %s one octet too long: %v", s.Name, f.Name, err)
			}
			for what, v := range map[string]string{"too long": full + "x", "with NUL": "a\x00b"} {
				*f.str(base) = v
				var enc *EncodeError
				if out, err := Append([]byte("keep"), Header{}, base); !errors.As(err, &enc) || enc.Field != f.Name || enc.ID != s.ID || string(out) != "keep" {
					t.Errorf("%s: %s %s: %v", s.Name, f.Name, what, err)
				}
			}
		}
	}
}

// pdu makes a PDU of a body.
func pdu(id CommandID, status Status, body string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(HeaderLen+len(body)))
	b = binary.BigEndian.AppendUint32(b, uint32(id))
	b = binary.BigEndian.AppendUint32(b, uint32(status))
	b = binary.BigEndian.AppendUint32(b, 7)
	return append(b, body...)
}

const submitHead = "\x00" + "\x03\x0148507\x00" + "\x01\x0114255550100\x00" + "\x00\x00\x00" + "\x00\x00" + "\x00\x00\x00\x00"

func TestBrokenPDUsAreToldApart(t *testing.T) {
	tests := []struct {
		name   string
		raw    []byte
		status Status
		field  string
		fatal  bool
	}{
		{"no header", []byte{0, 0, 0, 16}, StatusRINVCMDLEN, "", true},
		{"length that is not the frame's", append(pdu(CommandSubmitSM, 0, submitHead+"\x00"), 0), StatusRINVCMDLEN, "command_length", true},
		{"unknown command", pdu(0x111, 0, "x"), StatusRINVCMDID, "", false},
		{"unknown response", pdu(0x80000111, 0, "x"), StatusRINVCMDID, "", false},
		{"no body at all", pdu(CommandSubmitSM, 0, ""), StatusRINVCMDLEN, "service_type", false},
		{"address without end", pdu(CommandSubmitSM, 0, "\x00\x03\x0148507"), StatusRINVCMDLEN, "source_addr", false},
		{"body ends before sm_length", pdu(CommandSubmitSM, 0, submitHead), StatusRINVCMDLEN, "sm_length", false},
		{"sm_length beyond the PDU", pdu(CommandSubmitSM, 0, submitHead+"\x05abcd"), StatusRINVMSGLEN, "sm_length", false},
		{"sm_length 255", pdu(CommandSubmitSM, 0, submitHead+"\xff"+strings.Repeat("x", 255)), StatusRINVMSGLEN, "sm_length", false},
		{"sm_length short, rest is no TLV", pdu(CommandSubmitSM, 0, submitHead+"\x02abcd"), StatusRINVTLVSTREAM, "", false},
		{"TLV beyond the PDU", pdu(CommandSubmitSM, 0, submitHead+"\x00\x04\x24\x00\x05abcd"), StatusRINVTLVSTREAM, "message_payload", false},
		{"TLV cut inside its length", pdu(CommandSubmitSM, 0, submitHead+"\x00\x04\x24\x00"), StatusRINVTLVSTREAM, "", false},
		{"65 TLVs", pdu(CommandSubmitSM, 0, submitHead+"\x00"+strings.Repeat("\x14\x00\x00\x00", 65)), StatusRINVTLVSTREAM, "", false},
		{"octets after a PDU without TLVs", pdu(CommandUnbind, 0, "x"), StatusRINVCMDLEN, "", false},
		{"no destinations", pdu(CommandSubmitMulti, 0, "\x00\x00\x00\x00\x00"), StatusRINVNUMDESTS, "number_of_dests", false},
		{"more destinations than fit", pdu(CommandSubmitMulti, 0, "\x00\x00\x00\x00\xfe\x01"), StatusRINVNUMDESTS, "number_of_dests", false},
		{"unknown dest_flag", pdu(CommandSubmitMulti, 0, "\x00\x00\x00\x00\x01\x03\x00\x00"), StatusRINVDESTFLAG, "dest_flag", false},
		{"more failures than fit", pdu(CommandSubmitMultiResp, 0, "m\x00\xff\x01"), StatusRINVNUMDESTS, "no_unsuccess", false},
		{"response with half a body", pdu(CommandSubmitSMResp, 0, "8A21"), StatusRINVCMDLEN, "message_id", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, p, err := Decode(test.raw)
			var bad *DecodeError
			if !errors.As(err, &bad) || p != nil {
				t.Fatalf("decoded to %v, %v", p, err)
			}
			if bad.Status != test.status || bad.Fatal != test.fatal || test.field != "" && bad.Field != test.field {
				t.Errorf("%v, status %v, fatal %v", bad, bad.Status, bad.Fatal)
			}
			if !test.fatal && bad.Header.Sequence != 7 {
				t.Errorf("header %+v is not that of the PDU", bad.Header)
			}
			var status Status
			if !errors.As(err, &status) || status != test.status {
				t.Errorf("no status inside %v", err)
			}
		})
	}
}

func TestResponsesMayLackTheirBody(t *testing.T) {
	for i := range table {
		if s := &table[i]; s.ID.IsResponse() {
			for _, status := range []Status{StatusROK, StatusRSYSERR, 0x401} {
				h, p, err := Decode(pdu(s.ID, status, ""))
				if err != nil || h.Status != status || p.CommandID() != s.ID {
					t.Errorf("%s with %v: %v %v", s.Name, status, p, err)
				}
			}
		}
	}
	if _, p, err := Decode(pdu(CommandSubmitSMResp, StatusRTHROTTLED, "rubbish")); err != nil || p.(*SubmitSMResp).MessageID != "" {
		t.Errorf("the body of a refusal matters: %v, %v", p, err)
	}
}

func TestEncoderRefuses(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 65535)
	tests := []struct {
		name  string
		pdu   PDU
		field string
	}{
		{"nothing", nil, "pdu"},
		{"255 octets of short_message", &SubmitSM{ShortMessage: long[:255]}, "short_message"},
		{"a time of the wrong length", &SubmitSM{ValidityPeriod: "0000"}, "validity_period"},
		{"no destinations", &SubmitMulti{}, "dest_address(es)"},
		{"255 destinations", &SubmitMulti{Dests: make([]Destination, 255)}, "dest_address(es)"},
		{"256 failures", &SubmitMultiResp{Failed: make([]Unsuccess, 256)}, "unsuccess_sme(s)"},
		{"65 TLVs", &SubmitSM{TLVs: make(TLVs, 65)}, "optional parameters"},
		{"a TLV of 65,536 octets", &DataSM{TLVs: TLVs{{TagMessagePayload, append(long, 'x')}}}, "message_payload"},
		{"two TLVs above the limit of a PDU", &DataSM{TLVs: TLVs{{TagMessagePayload, long}, {TagMessagePayload, long[:600]}}}, "command_length"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var bad *EncodeError
			if _, err := Append(nil, Header{}, test.pdu); !errors.As(err, &bad) || bad.Field != test.field {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := Append(nil, Header{}, &DataSM{TLVs: TLVs{{TagMessagePayload, long}}}); err != nil {
		t.Errorf("a full message_payload must fit: %v", err)
	}
}

func TestMessageIsFoundWhereverItIs(t *testing.T) {
	var p SubmitSM
	p.SetMessage([]byte("short"))
	if string(p.ShortMessage) != "short" || len(p.TLVs) != 0 || string(p.Message()) != "short" {
		t.Errorf("short: %+v", p)
	}
	long := bytes.Repeat([]byte("x"), 255)
	p.SetMessage(long)
	if p.ShortMessage != nil || !bytes.Equal(p.Message(), long) {
		t.Errorf("long: %+v", p)
	}
	p.SetMessage([]byte("short again"))
	if len(p.TLVs) != 0 || string(p.Message()) != "short again" {
		t.Errorf("short again: %+v", p)
	}
}

func TestFramesAreBoundedBeforeTheyAreAllocated(t *testing.T) {
	frame := pdu(CommandSubmitSM, 0, submitHead+"\x00")
	tests := []struct {
		name  string
		in    []byte
		fatal bool
		err   error
		seq   uint32
	}{
		{"length 0", make([]byte, 16), true, nil, 0},
		{"length 15", []byte{0, 0, 0, 15}, true, nil, 0},
		{"length 0xFFFFFFFF", append([]byte{0xff, 0xff, 0xff, 0xff}, frame[4:]...), true, nil, 7},
		{"length one above the limit", append([]byte{0, 0, 0x20, 1}, frame[4:]...), true, nil, 7},
		{"nothing", nil, false, io.EOF, 0},
		{"half a length", frame[:2], false, io.ErrUnexpectedEOF, 0},
		{"only a length", frame[:4], false, io.ErrUnexpectedEOF, 0},
		{"all but one octet", frame[:len(frame)-1], false, io.ErrUnexpectedEOF, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ReadFrame(bufio.NewReader(bytes.NewReader(test.in)), MaxPDUUnbound, nil)
			var bad *DecodeError
			if errors.As(err, &bad) != test.fatal {
				t.Fatalf("got %v", err)
			}
			if test.fatal && (!bad.Fatal || bad.Status != StatusRINVCMDLEN || bad.Header.Sequence != test.seq) {
				t.Errorf("got %+v", bad)
			}
			if test.err != nil && err != test.err {
				t.Errorf("got %v, want %v", err, test.err)
			}
		})
	}
	r := bufio.NewReader(io.MultiReader(bytes.NewReader(frame), bytes.NewReader(frame)))
	for range 2 {
		if got, err := ReadFrame(r, MaxPDU, make([]byte, 0, 8)); err != nil || !bytes.Equal(got, frame) {
			t.Errorf("got %x, %v", got, err)
		}
	}
}

func TestHotPathAllocatesLittle(t *testing.T) {
	p := benchSubmit()
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { buf, _ = Append(buf[:0], Header{}, p) }); n != 0 {
		t.Errorf("encoding submit_sm allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { Decode(buf) }); n > 3 {
		t.Errorf("decoding submit_sm allocates %v times", n)
	}
}

func FuzzDecode(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.hex")
	for _, name := range files {
		f.Add(readHex(f, name))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, p, err := Decode(raw)
		if err != nil {
			var bad *DecodeError
			if !errors.As(err, &bad) || p != nil {
				t.Fatalf("%v with %v", err, p)
			}
			return
		}
		again, err := Append(nil, h, p)
		if err != nil {
			var bad *EncodeError
			if errors.As(err, &bad) && (specOf(h.ID) != nil) {
				return // times of odd length and the like are read, not written
			}
			t.Fatal(err)
		}
		h2, p2, err := Decode(again)
		if err != nil {
			t.Fatalf("%x decodes, its encoding %x does not: %v", raw, again, err)
		}
		if h2.ID != h.ID || h2.Status != h.Status || h2.Sequence != h.Sequence {
			t.Fatalf("header %+v became %+v", h, h2)
		}
		if specOf(h.ID).NoBodyOnError && h.Status != StatusROK {
			return
		}
		if d := cmp.Diff(p, p2); d != "" {
			t.Fatal(d)
		}
	})
}

func FuzzTLV(f *testing.F) {
	f.Add([]byte{0x04, 0x24, 0, 2, 'h', 'i'})
	f.Add(bytes.Repeat([]byte{0x14, 0, 0, 0}, 65))
	f.Add([]byte{0, 0x1e, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		tlvs, bad := decodeTLVs(raw)
		if bad != nil {
			return
		}
		again, err := appendTLVs(nil, tlvs)
		if err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("%x became %x, %v", raw, again, err)
		}
		for _, v := range tlvs {
			if first, ok := tlvs.Get(v.Tag); !ok || len(tlvs.GetAll(v.Tag)) == 0 || !bytes.Equal(first, tlvs.GetAll(v.Tag)[0]) {
				t.Fatalf("%s is lost", v.Tag)
			}
			tlvs.String(v.Tag)
			tlvs.Uint8(v.Tag)
			tlvs.Uint16(v.Tag)
			tlvs.Uint32(v.Tag)
		}
	})
}
