// Package message holds what the network carries, in the words both sides of the platform share:
// a text on its way to a handset ([SMS]), a text from one ([Incoming]), the centre's receipt
// ([DLR]), the centre's name for what it took ([Ref]) and its no ([Refusal]).
//
// These are words: they have no behaviour but their own consistency. The rules are in package sms,
// the wire in south/smsc; neither knows the other.
package message

import (
	"context"
	"time"

	"longlines/id"
	"longlines/number"
)

// SMS is one text for one MSISDN, ready to be submitted. A long one is split by the connector.
type SMS struct {
	ID      id.Number // the recipient's row; the same over all attempts
	Message id.Number // the message the app knows, for the live stream
	From    number.Address
	To      number.MSISDN
	Text    string
	WantDLR bool      // ask the centre for a delivery receipt
	Expires time.Time // the end of its validity; the centre is told what remains of it
	Attempt int       // 1 for the first
	Virtual bool      // for the virtual network only: no live link may carry it
	Private bool      // what it says is for its recipient alone, such as a PIN: shown to nobody who watches
	// Still is asked when its turn on the wire has come, which may be a minute later: false, and it is refused as
	// [ClassUnsent]. The recipient may have said no meanwhile. nil: it is always still wanted.
	Still func() bool
}

// Ref is the centre's name for one segment it accepted.
type Ref struct {
	Group string // the SMSC group: receipts may come by any bind of it
	ID    string // as sent in submit_sm_resp, byte for byte; "" when the centre gave none
	Part  int    // 0-based segment
	Parts int
}

// Class is what a refusal or a failure means for the message, docs/reference/reliability.md §3.4.
type Class uint8

const (
	// ClassPermanent: fail now (PRM).
	ClassPermanent Class = iota
	// ClassTemporary: try again until the validity ends (TMP).
	ClassTemporary
	// ClassTemporaryShort: try again, at most 8 times (TMPS).
	ClassTemporaryShort
	// ClassThrottled: the link pauses; no attempt is counted (THR).
	ClassThrottled
	// ClassBind: the bind is at fault; no attempt is counted (BND).
	ClassBind
	// ClassBug: the PDU we built is at fault; never send the same bytes again (BUG).
	ClassBug
	// ClassUnsent: certainly not handed to the network; no attempt is counted.
	ClassUnsent
	// ClassUnknown: handed over, and no answer was read (docs/reference/reliability.md §3.3).
	ClassUnknown
)

// String is the abbreviation used in reliability.md §3.4.
func (c Class) String() string {
	return [...]string{"PRM", "TMP", "TMPS", "THR", "BND", "BUG", "UNSENT", "UNKNOWN"}[c]
}

// Refusal is the network's no, or its silence, as the error of a submit.
type Refusal struct {
	Class Class
	Code  string // as published: "SMPP-000B"; "" where the centre gave no status
	Name  string // in the standard: "ESME_RINVDSTADR"; or what happened
	Refs  []Ref  // segments of a long text that the centre took before it refused one
	Cause error
}

func (r *Refusal) Error() string {
	s := r.Name
	if r.Code != "" {
		s = r.Code + " " + s
	}
	if r.Cause != nil {
		s += ": " + r.Cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// State is where a text to one recipient stands, docs/reference/reliability.md §3.1. The numbers
// are stored; they do not change.
type State int16

const (
	StateAccepted      State = 1  // durable, on its way to a centre
	StateHeld          State = 2  // waits for a link that is down
	StateRetrying      State = 3  // refused for now, due again
	StateSent          State = 4  // a centre has it
	StateUnknown       State = 5  // submitted, no answer read yet
	StateDelivered     State = 10 // final from here on
	StateUndeliverable State = 11 // the network gave up
	StateExpired       State = 12 // its validity ended, here or in the network
	StateFailed        State = 13 // refused for good
	StateCancelled     State = 14 // by an opt-out or an operator
	StateUncertain     State = 15 // no receipt by the end of validity and a day
	StateQuarantined   State = 16 // its handling failed again and again
)

// Final reports whether the state never changes again (but for reliability.md §3.5-6).
func (s State) Final() bool { return s >= StateDelivered }

// String is the state's word in the admin API and the console.
func (s State) String() string {
	switch s {
	case StateAccepted:
		return "accepted"
	case StateHeld:
		return "held"
	case StateRetrying:
		return "retrying"
	case StateSent:
		return "sent"
	case StateUnknown:
		return "unknown"
	case StateDelivered:
		return "delivered"
	case StateUndeliverable:
		return "undeliverable"
	case StateExpired:
		return "expired"
	case StateFailed:
		return "failed"
	case StateCancelled:
		return "cancelled"
	case StateUncertain:
		return "uncertain"
	case StateQuarantined:
		return "quarantined"
	}
	return "none"
}

// Incoming is a text from a handset (MO), one deliver_sm: perhaps one segment of a longer text.
type Incoming struct {
	Group string // SMSC group it came from
	From  number.Address
	To    number.Address
	Text  string // decoded; for a segment: of this segment alone
	Time  time.Time

	// A segment's place; Total is 0 for a whole text.
	ConcatRef   uint16
	Total, Part uint8 // Part from 1
	DCS         uint8
	UD          []byte // the segment's user data without its header, for joining
	Raw         []byte // the PDU as it came, kept for support

	// Hash and Conn find a PDU sent again: deliver_sm has no id, so it counts as repeated only if a
	// stored one has the same Hash, came on another connection, and its answer was never confirmed
	// written (docs/reference/reliability.md §3.7).
	Hash int64 // of the PDU without its header
	Conn int64 // the connection it came on, unique over restarts
}

// DLR is a delivery receipt from a centre.
type DLR struct {
	Group string
	ID    string         // the centre's id as spelled in the receipt
	From  number.Address // the handset the receipt speaks for
	State State          // StateSent for an intermediate one
	Code  string         // network error code, as it came
	Word  string         // the centre's own word: "DELIVRD"
	Done  time.Time      // zero if unknown
	Raw   []byte
}

// Receiver takes what a network delivers. A nil error is given only once what was delivered is
// durable; then, and only then, the connector answers the centre with ROK
// (docs/reference/reliability.md §3.0 R1). Any error makes the connector answer RX_T_APPN.
type Receiver interface {
	// ReceiveSMS takes a text from a handset and returns the number of its row, or of the text it repeats.
	ReceiveSMS(ctx context.Context, in Incoming) (id.Number, error)
	// Confirm says that the centre's answer for the row has been written to the socket.
	Confirm(n id.Number)
	// ReportDLR takes a receipt. One that matches nothing yet is stored and nil returned.
	ReportDLR(ctx context.Context, d DLR) error
}
