package route

import (
	"context"
	"time"

	"longlines/message"
)

// SMSC is a connector: one link to a message centre, alive. south/smsc is one that speaks SMPP.
type SMSC interface {
	// Run keeps the link connected until ctx ends, then leaves in good order. It is called once and
	// returns nil when it was told to stop.
	Run(ctx context.Context) error

	// Submit hands a text to the centre and returns when the centre has answered for each segment, or
	// will not: refs name the segments in order. A refusal, or silence, is a *message.Refusal.
	//
	// done is never nil. The place of the text in the link's window stays taken until it is called,
	// once the outcome is durable, so that a slow store slows the sending
	// (docs/reference/reliability.md §3.1). Calling it again does nothing.
	Submit(ctx context.Context, m message.SMS) (refs []message.Ref, done func(), err error)

	// State is how the link stands.
	State() State

	// Pause leaves the centre and stays away until Resume. Both return at once and may be repeated.
	Pause()
	Resume()
}

// State is how a link stands, as operators see it.
type State struct {
	Up       bool      `json:"up"` // texts can be submitted, or received where the link only receives
	Phase    string    `json:"phase"`
	Since    time.Time `json:"since"` // of Up, or its absence
	Binds    []Bind    `json:"binds"`
	Window   int       `json:"window"`             // as it stands: smaller than configured while answers are late
	InUse    int       `json:"in_use"`             // places of the window taken
	Waiting  int       `json:"waiting"`            // submits that wait for a place, for the rate or for a throttled centre
	Rate     float64   `json:"rate"`               // submits a second allowed now; 0: no limit
	Next     time.Time `json:"next,omitzero"`      // the next attempt to bind, if one is waited for
	Error    string    `json:"error"`              // why the link last went down, or could not come up
	ErrorAt  time.Time `json:"error_at,omitzero"`  //
	Alarm    string    `json:"alarm"`              // what an operator must look at: a wrong password, unmapped statuses
	Throttle time.Time `json:"throttled,omitzero"` // the centre asked for less: nothing is submitted until then
	Counters Counters  `json:"counters"`
}

// The phases of a link.
const (
	PhaseUp      = "up"      // bound
	PhaseBinding = "binding" // an attempt is under way
	PhaseWaiting = "waiting" // for the next attempt
	PhasePaused  = "paused"  // by an operator
	PhaseStopped = "stopped" // not running
)

// Bind is one SMPP bind of a link.
type Bind struct {
	Kind     string    `json:"kind"` // "transceiver", "transmitter", "receiver"
	Up       bool      `json:"up"`
	Since    time.Time `json:"since"`
	Attempts int       `json:"attempts"` // tries since it was last up
	Centre   string    `json:"centre"`   // the system_id the centre gave, and its address
	Error    string    `json:"error"`
}

// Counters count since the start of the process.
type Counters struct {
	Binds     int64 `json:"binds"`         // successful ones
	Drops     int64 `json:"drops"`         // binds that were lost
	Submitted int64 `json:"submitted"`     // segments the centre took
	Refused   int64 `json:"refused"`       // segments it did not
	Unknown   int64 `json:"unknown"`       // segments without an answer
	Nameless  int64 `json:"nameless"`      // segments taken without a message id: no receipt can find them
	Late      int64 `json:"late"`          // answers after the response timer
	Receipts  int64 `json:"receipts"`      // receipts acknowledged
	Incoming  int64 `json:"incoming"`      // texts from handsets acknowledged
	Declined  int64 `json:"declined"`      // deliveries answered with an error
	Strays    int64 `json:"strays"`        // responses to nothing we asked
	Throttles int64 `json:"throttles"`     // times the centre asked for less
	Unmapped  int64 `json:"unmapped"`      // statuses of the vendor range that no setting explains
	Disagree  int64 `json:"disagreements"` // receipts whose text and TLVs differ; the TLVs were believed
}

// Step is one step of a link's test.
type Step struct {
	Name     string  `json:"name"` // "resolve", "connect", "tls", "bind", "enquire_link"
	OK       bool    `json:"ok"`
	Status   string  `json:"status,omitempty"` // "0x0000000D ESME_RBINDFAIL"
	Detail   string  `json:"detail,omitempty"` // what was found
	Hint     string  `json:"hint,omitempty"`   // what to do about a failure
	Duration float64 `json:"ms"`
}
