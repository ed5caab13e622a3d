package smpp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MessageState is the state of a message at the centre, as in the TLV message_state and in
// query_sm_resp (SMPP 3.4 §5.2.28).
type MessageState uint8

// The states, and the two SMPP 5.0 §4.7.15 added (scheduled, skipped). StateFailed has no number in the
// standard: it exists for receipts that say FAILED, and never goes on the wire as a number.
const (
	StateScheduled     MessageState = 0
	StateEnroute       MessageState = 1
	StateDelivered     MessageState = 2
	StateExpired       MessageState = 3
	StateDeleted       MessageState = 4
	StateUndeliverable MessageState = 5
	StateAccepted      MessageState = 6
	StateUnknown       MessageState = 7
	StateRejected      MessageState = 8
	StateSkipped       MessageState = 9
	StateFailed        MessageState = 0xFF
)

var stateTable = []struct {
	state MessageState
	name  string // SMPP 3.4 §5.2.28
	word  string // SMPP 3.4 appendix B, seven letters
	final bool
}{
	{StateScheduled, "SCHEDULED", "SCHEDUL", false},
	{StateEnroute, "ENROUTE", "ENROUTE", false},
	{StateDelivered, "DELIVERED", "DELIVRD", true},
	{StateExpired, "EXPIRED", "EXPIRED", true},
	{StateDeleted, "DELETED", "DELETED", true},
	{StateUndeliverable, "UNDELIVERABLE", "UNDELIV", true},
	{StateAccepted, "ACCEPTED", "ACCEPTD", false},
	{StateUnknown, "UNKNOWN", "UNKNOWN", false},
	{StateRejected, "REJECTED", "REJECTD", true},
	{StateSkipped, "SKIPPED", "SKIPPED", true},
	{StateFailed, "FAILED", "FAILED", true},
}

// String returns the standard's name, such as "DELIVERED".
func (m MessageState) String() string {
	for i := range stateTable {
		if stateTable[i].state == m {
			return stateTable[i].name
		}
	}
	return fmt.Sprintf("STATE-%d", uint8(m))
}

// Word returns the word a receipt's text uses, such as "DELIVRD".
func (m MessageState) Word() string {
	for i := range stateTable {
		if stateTable[i].state == m {
			return stateTable[i].word
		}
	}
	return "UNKNOWN"
}

// Final reports that the message will not change its state again. UNKNOWN is not final: the centre may learn.
func (m MessageState) Final() bool {
	for i := range stateTable {
		if stateTable[i].state == m {
			return stateTable[i].final
		}
	}
	return false
}

// ParseState reads the word of a receipt in any case, in full ("DELIVERED"), in the standard's short
// form ("DELIVRD"), or cut off after four letters or more.
func ParseState(word string) (MessageState, bool) {
	w := strings.ToUpper(strings.TrimSpace(word))
	if len(w) < 4 {
		return 0, false
	}
	for i := range stateTable {
		if w == stateTable[i].word || w == stateTable[i].name {
			return stateTable[i].state, true
		}
	}
	found, state := 0, MessageState(0)
	for i := range stateTable {
		if strings.HasPrefix(stateTable[i].name, w) || strings.HasPrefix(stateTable[i].word, w) {
			found, state = found+1, stateTable[i].state
		}
	}
	return state, found == 1
}

// Receipt is what a delivery receipt says (SMPP 3.4 appendix B).
type Receipt struct {
	ID          string       // the centre's name of the message, as spelled; at most what the text holds
	Submitted   int          // sub: messages submitted, 0 if not said
	Delivered   int          // dlvrd: messages delivered, 0 if not said
	SubmitDate  time.Time    // in the centre's own zone, which the text does not tell: given as UTC; zero if missing
	DoneDate    time.Time    // likewise
	State       MessageState // StateUnknown if the word is missing or not understood
	Stat        string       // the word as spelled
	Err         string       // network or centre error as spelled, not always a number
	Text        string       // the first octets of the message
	Conflicting bool         // text and TLVs disagreed; the TLVs are what is given here
}

// ErrNotReceipt is what ParseReceipt and Receipt return for anything else.
var ErrNotReceipt = errors.New("smpp: not a delivery receipt")

// receiptKeys are the names of the fields, in lower case.
var receiptKeys = []string{"id", "sub", "dlvrd", "submit date", "done date", "stat", "err", "text",
	"submit_date", "done_date", "submitdate", "donedate"}

// mark is where a field of a receipt's text stands.
type mark struct {
	key       string
	from, val int // where the key and where the value begins
}

// keyAt returns the key that begins at text[i:], and where its value begins.
func keyAt(text string, i int) (string, int) {
	for _, k := range receiptKeys {
		end := i + len(k)
		if end >= len(text) || !strings.EqualFold(text[i:end], k) {
			continue
		}
		for end < len(text) && text[end] == ' ' {
			end++
		}
		if end < len(text) && text[end] == ':' {
			return k, end + 1
		}
	}
	return "", 0
}

// ParseReceipt reads the text of a receipt: fields in any order and case, any of them missing, dates with or
// without seconds. It needs an id or a stat to call it a receipt (docs/reference/reliability.md §3.5).
func ParseReceipt(text string) (Receipt, error) {
	var room [16]mark
	marks := room[:0]
	var haveID, haveStat bool
	for i := 0; i < len(text) && len(marks) < cap(room); i++ {
		if i > 0 && !strings.ContainsRune(" ,;\r\n\t|", rune(text[i-1])) {
			continue
		}
		k, val := keyAt(text, i)
		if k == "" {
			continue
		}
		marks = append(marks, mark{k, i, val})
		haveID, haveStat = haveID || k == "id", haveStat || k == "stat"
		if k == "text" && haveID && haveStat {
			break // the message may contain "id:" itself; once the essentials are known it runs to the end
		}
		i = val - 1
	}
	if !haveID && !haveStat {
		return Receipt{}, ErrNotReceipt
	}
	r := Receipt{State: StateUnknown}
	for n, m := range marks {
		end := len(text)
		if n+1 < len(marks) {
			end = marks[n+1].from
		}
		if m.key == "text" && end == len(text) {
			r.Text = strings.TrimRight(text[m.val:end], "\x00")
			continue
		}
		v := strings.Trim(text[m.val:end], " ,;\r\n\t|\x00")
		switch m.key {
		case "id":
			if r.ID == "" { // the first one counts
				r.ID = v
			}
		case "sub":
			r.Submitted = receiptCount(v)
		case "dlvrd":
			r.Delivered = receiptCount(v)
		case "submit date", "submit_date", "submitdate":
			r.SubmitDate = receiptDate(v)
		case "done date", "done_date", "donedate":
			r.DoneDate = receiptDate(v)
		case "stat":
			r.Stat = v
			if st, ok := ParseState(v); ok {
				r.State = st
			}
		case "err":
			r.Err = v
		case "text":
			r.Text = v
		}
	}
	if r.ID == "" && r.Stat == "" {
		return Receipt{}, ErrNotReceipt
	}
	return r, nil
}

func receiptCount(s string) int {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}

// receiptDate reads YYMMDDhhmm, YYMMDDhhmmss, or the latter with a century, which some centres write.
func receiptDate(s string) time.Time {
	for _, layout := range [...]string{"0601021504", "060102150405", "20060102150405"} {
		if len(s) == len(layout) {
			if t, err := time.Parse(layout, s); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}

// Append writes the receipt's text after dst as SMPP 3.4 appendix B shows it, with dates to the minute. Stat is
// written as spelled if set, else the word of State; Text is cut to 20 octets.
func (r Receipt) Append(dst []byte) []byte {
	word := r.Stat
	if word == "" {
		word = r.State.Word()
	}
	text := r.Text
	if len(text) > 20 {
		text = text[:20]
	}
	errText := r.Err
	if errText == "" {
		errText = "000"
	}
	dst = append(dst, "id:"...)
	dst = append(dst, r.ID...)
	dst = append(dst, " sub:"...)
	dst = appendThree(dst, r.Submitted)
	dst = append(dst, " dlvrd:"...)
	dst = appendThree(dst, r.Delivered)
	dst = append(dst, " submit date:"...)
	dst = appendReceiptDate(dst, r.SubmitDate)
	dst = append(dst, " done date:"...)
	dst = appendReceiptDate(dst, r.DoneDate)
	dst = append(dst, " stat:"...)
	dst = append(dst, word...)
	dst = append(dst, " err:"...)
	dst = append(dst, errText...)
	dst = append(dst, " text:"...)
	return append(dst, text...)
}

// String is Append as a string.
func (r Receipt) String() string { return string(r.Append(nil)) }

func appendThree(dst []byte, n int) []byte {
	n = min(max(n, 0), 999)
	return append(dst, byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
}

func appendReceiptDate(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(dst, "0000000000"...)
	}
	return t.AppendFormat(dst, "0601021504")
}

// IsReceipt reports that p is marked as a receipt, by esm_class or by one of the TLVs a receipt has. A text
// that merely looks like one is a message (docs/reference/reliability.md §3.5).
func (p *DeliverSM) IsReceipt() bool { return isReceipt(p.ESMClass, p.TLVs) }

// IsReceipt reports that p is marked as a receipt, by esm_class or by one of the TLVs a receipt has.
func (p *DataSM) IsReceipt() bool { return isReceipt(p.ESMClass, p.TLVs) }

func isReceipt(e ESMClass, t TLVs) bool {
	if e.IsReceipt() {
		return true
	}
	if _, ok := t.Get(TagReceiptedMessageID); ok {
		return true
	}
	_, ok := t.Get(TagMessageState)
	return ok
}

// Receipt reads the receipt p carries, from TLVs and text; where they disagree the TLVs count and
// Conflicting is set. It is ErrNotReceipt if p is not marked as one or says neither an id nor a state.
func (p *DeliverSM) Receipt() (Receipt, error) {
	return receiptOf(p.ESMClass, p.TLVs, p.Message())
}

// Receipt is like that of DeliverSM.
func (p *DataSM) Receipt() (Receipt, error) { return receiptOf(p.ESMClass, p.TLVs, p.Message()) }

func receiptOf(e ESMClass, t TLVs, text []byte) (Receipt, error) {
	if !isReceipt(e, t) {
		return Receipt{}, ErrNotReceipt
	}
	id, haveID := t.String(TagReceiptedMessageID)
	state, haveState := t.Uint8(TagMessageState)
	r, err := ParseReceipt(string(text))
	if err != nil {
		if (!haveID || id == "") && !haveState {
			return Receipt{}, err
		}
		r = Receipt{State: StateUnknown}
	}
	if haveID && id != "" {
		r.Conflicting = r.ID != "" && r.ID != id
		r.ID = id
	}
	if haveState {
		if r.Stat != "" && r.State != MessageState(state) && !(r.State == StateFailed && MessageState(state) == StateUndeliverable) {
			r.Conflicting = true
		}
		r.State = MessageState(state)
	}
	return r, nil
}
