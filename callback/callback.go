// Package callback posts to apps: texts received, delivery statuses. A [Post] is a job's payload,
// added in the commit of its cause; it is tried until a 2xx, by the schedule of
// docs/reference/reliability.md §3.7, through one guarded dialer (docs/reference/modern-webhooks.md §4).
package callback

import (
	"context"
	"net/http"
	"time"

	"longlines/app"
	"longlines/id"
	"longlines/queue"
)

// Post is one request to an app's listener.
type Post struct {
	ID          id.Number // the job's; the same over all attempts
	App         app.ID
	What        string // "Receive SMS", "Receive SMS Delivery Status"
	URL         string
	ContentType string
	Body        []byte
	Subject     id.Number // the row it tells about: an MT recipient or an MO message
	Message     string    // the public message id, for the timeline
	Header      http.Header
}

// Attempt is the outcome of one try, kept for the attempt log.
type Attempt struct {
	Job      queue.Job // the post's job; ended, or given back due at Next
	App      app.ID
	Subject  id.Number
	What     string
	URL      string
	Number   int // from 1
	At       time.Time
	Status   int    // HTTP status; 0 if none was read
	Error    string // why there was none, or why it does not count
	Reply    string // at most 4 KiB of the answer
	Duration time.Duration
	Next     time.Time // when it is tried again; zero if never
	Done     bool      // accepted by the listener
	ToInbox  bool      // given up on a received text: it goes back to the poll (sms.md §5.3)
}

// Store keeps outcomes. Hot write: shares a commit.
type Store interface {
	// Attempted records an attempt and, in the same commit, ends the job (Done, or given up: Next is
	// zero) or sets it due at Next. The outcome of a job that is no longer ours is dropped (R5).
	Attempted(ctx context.Context, a Attempt) error
}
