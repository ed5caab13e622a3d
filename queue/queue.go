// Package queue is the work that must still happen: submits to a centre and posts to an app's
// listener, as rows that survive a restart.
//
// A [Job] is added in the same commit as the row that caused it, already leased by the node that
// made it, and goes on in memory at once (docs/performance.md). The table is read back only after
// a restart, for retries that have come due, for what did not fit into memory or came while its
// lane was paused, and for work left by another node. A wake-up is a hint; the poll finds the rest
// (docs/reference/reliability.md §3.0 R3).
//
// A lease is a node's, not a job's: Owner is the number of the incarnation that holds the job
// (0: nobody), and an incarnation lives as long as its heartbeat is fresh. A dead one's jobs are
// freed in one statement. An outcome is written only while the writer still owns the job (R5).
//
// Jobs wait in lanes: the link for a submit, the endpoint for a post, so that a slow peer holds up
// nobody else. Each lane is worked by a fixed number of workers. A lane without workers is paused: its link is
// down here, and its jobs wait in the table for whichever node's comes up.
package queue

import (
	"context"
	"errors"
	"time"

	"longlines/id"
)

// Kind is what is to be done.
type Kind int16

const (
	KindSubmit   Kind = 1 // submit an SMS to a centre; Ref is the recipient's row
	KindCallback Kind = 2 // post to an app's listener; Payload is a callback.Post
)

// Job is one piece of work. It is worked at least once, so workers are idempotent by Ref.
type Job struct {
	ID      id.Number
	Kind    Kind
	Lane    string    // link name or endpoint
	Ref     id.Number // the row it is about
	Due     time.Time // not before
	Until   time.Time // no use after; the worker then settles it as expired
	Attempt int       // attempts counted so far
	Payload []byte
	Held    bool // leased by this node from its first commit on: a place in memory is reserved for it

	// Crashes weighs what went wrong with it: 1 for each node that died with it, 8 for each panic of its
	// worker, and 1, once only, for errors of its worker. At 24 it is quarantined (T23). Above 0 it was
	// begun before, or waited in a node that died, and nobody has recorded how it ended: it may have been done.
	Crashes int

	// Value is what the worker needs, still in memory from the commit that added the job; nil after
	// a restart, when the worker loads it by Ref or Payload. It is never stored.
	Value any
}

// ErrNotBegun, wrapped in the error of a worker, says that nothing of the job was done.
var ErrNotBegun = errors.New("not begun")

// Backend keeps jobs. The store implements it; all times are the store's clock. Adding a job has no
// method here: it is part of the mutation that causes it.
type Backend interface {
	// Claim leases up to n due, unowned jobs of a kind and lane, oldest due first. A job past its
	// Until counts as due.
	Claim(ctx context.Context, kind Kind, lane string, n int) ([]Job, error)
	// ClaimExpired leases up to n unowned jobs of a kind and lane whose Until is over.
	ClaimExpired(ctx context.Context, kind Kind, lane string, n int) ([]Job, error)
	// Due lists the lanes of a kind that have due, unowned jobs.
	Due(ctx context.Context, kind Kind) ([]string, error)
	// Retry gives jobs back: each unowned, with the Due, Attempt and Lane it now carries. Durable on
	// return. Jobs that are no longer ours are left alone.
	Retry(ctx context.Context, jobs ...Job) error
	// Release gives jobs back as they are, due at once: what a stopping node still held.
	Release(ctx context.Context, jobs ...Job) error
}
