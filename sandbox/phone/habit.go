package phone

import (
	"time"

	"longlines/number"
	"longlines/smpp"
)

// Fate is what finally becomes of a text to a phone.
type Fate uint8

// The fates of a text.
const (
	FateDelivered     Fate = iota // the phone has it
	FateSilent                    // neither the phone nor the sender ever hears of it again
	FateUndeliverable             // the phone cannot be reached
	FateExpired                   // its validity ended before the phone could be reached
	FateRejected                  // a filter in the network threw it away
)

// Receipt is how the centre reports a fate, when it does not do it the ordinary way.
type Receipt uint8

// The ways of a receipt.
const (
	ReceiptOnce      Receipt = iota // one, after the submit answer, with the id of the submit answer
	ReceiptTwice                    // the same one two times
	ReceiptEarly                    // before the submit answer
	ReceiptRespelled                // its id in the other case and with a leading zero
)

// Habit is what happens to a text for a certain number.
type Habit struct {
	NN   int    // the last two digits of 555-01NN; -1 for all other numbers
	Name string // in a few words, as shown beside the number

	Fate    Fate
	After   time.Duration // from the submit answer to the fate
	Latency time.Duration // from the submit to its answer
	Refuse  smpp.Status   // the submit answer; StatusROK takes the text
	Receipt Receipt

	Reply string // what the phone answers to a short code; "" for nothing
	Times Times  // how often
}

// Times says which texts a phone answers.
type Times uint8

// How often a phone answers.
const (
	EachTime  Times = iota // each text
	OnceEver               // the first text from each sender
	OnceAfter              // the first text from each sender, and the first after the phone sent it START
)

// ordinary is the habit of every number outside the table.
var ordinary = Habit{NN: -1, Name: "delivered at once"}

// habits is the part of docs/reference/conventions.md §3.11 that concerns texts, ordered by number.
var habits = []Habit{
	{NN: 0, Name: "delivered at once"},
	{NN: 1, Name: "delivered after 5 s", After: 5 * time.Second},
	{NN: 2, Name: "delivered, then replies OK", Reply: "OK"},
	{NN: 3, Name: "no final receipt", Fate: FateSilent},
	{NN: 4, Name: "undeliverable", Fate: FateUndeliverable},
	{NN: 5, Name: "expired", Fate: FateExpired},
	{NN: 6, Name: "filtered by carrier", Fate: FateRejected},
	{NN: 7, Name: "replies STOP once", Reply: "STOP", Times: OnceEver},
	{NN: 10, Name: "temporary error at submit", Refuse: smpp.StatusRX_T_APPN},
	{NN: 11, Name: "rejected at submit", Refuse: smpp.StatusRX_R_APPN},
	{NN: 12, Name: "not provisioned", Refuse: smpp.StatusRINVDSTADR},
	{NN: 14, Name: "replies STOP after the first message", Reply: "STOP", Times: OnceAfter},
	{NN: 61, Name: "10 s latency", Latency: 10 * time.Second},
	{NN: 62, Name: "duplicate receipt", Receipt: ReceiptTwice},
	{NN: 63, Name: "receipt before the submit answer", Receipt: ReceiptEarly},
	{NN: 64, Name: "receipt id with other case and a leading zero", Receipt: ReceiptRespelled},
}

var habitIndex = func() (index [100]*Habit) {
	for i := range habits {
		index[habits[i].NN] = &habits[i]
	}
	return index
}()

// Habits returns a copy of the table, ordered by number.
func Habits() []Habit { return append([]Habit(nil), habits...) }

// HabitOf is the habit of a number. Numbers that have none are delivered at once.
func HabitOf(m number.MSISDN) *Habit {
	// +1 NPA 555 01NN: the numbers that the North American plan keeps for fiction.
	if m.IsNANP() && m[4:9] == "55501" {
		if h := habitIndex[int(m[9]-'0')*10+int(m[10]-'0')]; h != nil {
			return h
		}
	}
	return &ordinary
}
