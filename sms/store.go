package sms

import (
	"context"
	"errors"
	"time"

	"longlines/app"
	"longlines/id"
	"longlines/message"
	"longlines/number"
	"longlines/queue"
)

// ErrCorrupt means that a row does not fit its checksum: it is never submitted.
var ErrCorrupt = errors.New("the row does not fit its checksum")

// ErrNotFound means that there is no such row.
var ErrNotFound = errors.New("no such row")

// KeyTaken is the error of an Accept whose idempotency key stands already: nothing of it was stored.
type KeyTaken struct {
	Ref         id.Number // the message that the key made
	Fingerprint [32]byte  // of the request that made it
}

func (*KeyTaken) Error() string { return "the idempotency key is taken" }

// MT is one recipient of a text sent by an app: one row. A message to several recipients is a run
// of rows with consecutive numbers; the first one's number names the message.
type MT struct {
	ID       id.Number
	Message  id.Number // the first recipient's ID
	Count    int       // recipients of the message
	App      app.ID
	From     number.Address
	To       number.MSISDN
	Text     string
	Notify   bool // post Receive SMS Delivery Status when final
	Service  bool // the platform's own (an opt-out's confirmation): no opt-out check
	Link     string
	State    message.State
	Code     string // the network's last code: "SMPP-000B", or a receipt's err
	Parts    int    // segments submitted
	Attempt  int
	Twice    bool // may have been submitted twice (reliability.md §3.3)
	Accepted time.Time
	Expires  time.Time
	Sent     time.Time // zero until a centre took it
	Final    time.Time // zero until final
	Corrupt  bool      // read back, it does not fit its checksum: nobody is told anything of it (reliability.md P5)
}

// Part is one segment a centre has taken, found again by the centre's id for it.
type Part struct {
	MT     id.Number
	Part   int // from 0
	Parts  int
	Group  string
	Raw    string // the centre's id as it came
	Key    string // canonical spelling, see match.go
	To     number.MSISDN
	State  message.State
	Code   string // err of its receipt
	Word   string // the centre's own word
	Sent   time.Time
	Done   time.Time // zero until reported
	App    app.ID
	Link   string
	Notify bool
}

// Acceptance is a message becoming durable: rows, jobs and idempotency key, all or nothing.
type Acceptance struct {
	Rows []MT        // consecutive IDs, drawn with NextMessage
	Jobs []queue.Job // one per row, same order
	Key  *app.Idempotency
}

// Submission is a centre's yes: the segments' ids become durable, the job ends. Orphan receipts for
// these ids are consumed in the same commit and returned.
type Submission struct {
	Job     queue.Job
	Row     MT // ID, App, To, Notify, Link, Attempt, Twice as they now are
	Refs    []message.Ref
	At      time.Time
	Orphans []Early // out: receipts that came early; the caller reports them now

	// Queued, if set, is called once the mutation stands in the queue of the committer: what is
	// reported after that is applied after it.
	Queued func()
}

// Settlement changes a recipient's state without a centre's yes: failed, expired, cancelled,
// uncertain, or retrying and held (then Job is given back as it now stands).
type Settlement struct {
	Job    queue.Job // ended if State is final, else given back (unowned) with its Due, Attempt, Lane; ID 0: none
	MT     id.Number
	App    app.ID
	State  message.State
	Code   string
	Twice  bool
	At     time.Time
	Parts  []message.Ref // segments taken before the refusal
	Notify *queue.Job    // added if State is final: the status callback
	Stale  bool          // out: the row was final already, or the job no longer ours; nothing was changed
}

// Report is a receipt that found its segment. State only moves forward (reliability.md §3.5-6).
type Report struct {
	Part   Part      // as matched: MT, Part, Parts, Group, Key
	Orphan id.Number // the orphan it was, removed with it unless Missing; 0: it has just come
	State  message.State
	Code   string
	Word   string
	Done   time.Time
	Raw    []byte
	At     time.Time
	// Callback makes the job that tells the app, called inside the commit if this report made the
	// recipient final; it may return nil.
	Callback func(MT) *queue.Job

	Missing   bool          // out: the segment is not stored, and neither is the receipt: keep it
	Duplicate bool          // out: same state and date were stored already
	Conflict  bool          // out: contradicts the final state that stands; stored, nothing changed
	Now       message.State // out: the recipient's state after it
	Final     bool          // out: this report made it final
	Added     *queue.Job    // out: the job Callback made, to be pushed
}

// Orphan is a receipt that found nothing. It waits for its submit's answer.
type Orphan struct {
	DLR     message.DLR
	Keys    []string // canonical spellings to be found by
	At      time.Time
	Expires time.Time

	// Known is how many stored segments with one of the keys the caller has looked at without finding
	// the receipt's own among them: an id may be one that the centre has used before.
	Known int

	Matched bool // out: there are more than Known segments with one of the keys; not stored, match again
}

// Early is an orphan as it is read back, to be matched again.
type Early struct {
	Row id.Number // what the Report it leads to removes
	DLR message.DLR
}

// MO is one text from a handset.
type MO struct {
	ID      id.Number
	App     app.ID // 0: nobody owns the code, the dead-letter inbox
	From    number.MSISDN
	To      number.ShortCode
	Text    string
	At      time.Time
	Partial bool // segments are missing after 24 h
	Pushed  bool // goes to the message listener, not to the poll
}

// OptOut is a subscriber's no to an app's texts, or its end.
type OptOut struct {
	App   app.ID // 0: all apps
	From  number.MSISDN
	Word  string // as sent: "STOP"
	At    time.Time
	Again bool // START: the subscriber wants texts again
}

// Reception is a text from a handset becoming durable, with everything that follows from it.
type Reception struct {
	In     message.Incoming
	MO     MO // ID drawn with NextMessage
	OptOut *OptOut
	Reply  *Acceptance // the one confirmation of an opt-out
	// Callback makes the job that posts the text, called inside the commit once the text is whole;
	// it may return nil: then the text waits for the poll.
	Callback func(MO) *queue.Job

	Duplicate bool       // out: repeated by the centre; nothing was stored
	Original  id.Number  // out: the row of the text that it repeats
	Waiting   bool       // out: a segment of a text that is not whole yet
	Stored    MO         // out: the text as stored, joined
	Added     *queue.Job // out: the job Callback made, to be pushed
}

// Store is what the SMS rules need kept: on an app's behalf, and on nobody's.
type Store interface {
	TenantStore
	WorkerStore
}

// TenantStore is what a request of an app reads and changes. A method takes the app's tenant and sees
// nothing of others, so that "not yours" is "not there", or writes rows that carry their app.
type TenantStore interface {
	// NextMessage draws n consecutive row numbers.
	NextMessage(n int) id.Number
	// Accept is a hot write: it shares a commit with whatever else waits and returns after it. A full
	// queue of waiting writes is answered with fault.Unavailable at once. A Key must be of the app whose
	// rows they are.
	Accept(ctx context.Context, a *Acceptance) error
	// Message reads the recipients of the tenant's message, in order; none if there is no such message.
	Message(ctx context.Context, of app.Tenant, n id.Number) ([]MT, error)
	// LeaseInbox takes up to n waiting texts of the tenant's code, oldest first, until the moment given,
	// and tells how many more wait.
	LeaseInbox(ctx context.Context, of app.Tenant, code number.ShortCode, n int, until time.Time) (texts []MO, pending int, lease id.Number, err error)
	// EndLease removes the texts of the tenant's lease from the inbox (read) or puts them back.
	EndLease(ctx context.Context, of app.Tenant, lease id.Number, read bool) error
}

// WorkerStore is what jobs, what comes from the centres, timers and the operator read and change,
// whoever's rows they are: no request of an app leads here. Submit, Settle, Report, StoreOrphan and
// Receive are hot writes as Accept is.
type WorkerStore interface {
	Submit(ctx context.Context, s *Submission) error
	Settle(ctx context.Context, s *Settlement) error
	Report(ctx context.Context, r *Report) error
	StoreOrphan(ctx context.Context, o *Orphan) error
	Receive(ctx context.Context, r *Reception) error
	// ConfirmMO notes that the centre's answer for a text, or for what repeated it, was written.
	ConfirmMO(n id.Number)

	// MT reads a recipient for its job; a row whose checksum does not fit gives ErrCorrupt.
	MT(ctx context.Context, n id.Number) (MT, error)
	// Parts reads the segments of a recipient.
	Parts(ctx context.Context, n id.Number) ([]Part, error)
	// Candidates reads the segments of an SMSC group with one of the canonical ids.
	Candidates(ctx context.Context, group string, keys []string) ([]Part, error)
	// Orphans reads up to n orphans after the given row that were stored before the moment, oldest
	// first, for matching again.
	Orphans(ctx context.Context, after id.Number, before time.Time, n int) ([]Early, error)
	// Overdue reads up to n recipients, after the given row, that no receipt has made final although
	// their validity ended before the given moment.
	Overdue(ctx context.Context, expired time.Time, after id.Number, n int) ([]MT, error)
	// JoinStale turns segments older than the moment into partial texts, some of them at a time, and
	// returns them: none if none are left.
	JoinStale(ctx context.Context, before time.Time, callback func(MO) *queue.Job) ([]Reception, error)

	// OptOuts reads all that stand.
	OptOuts(ctx context.Context) ([]OptOut, error)
	// SetOptOut records one outside of a reception (import, operator).
	SetOptOut(ctx context.Context, o OptOut) error
	// Prune removes rows whose retention has ended: texts before content, rows before meta.
	Prune(ctx context.Context, content, meta time.Time) error
}
