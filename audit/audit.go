// Package audit is the record of who changed what: apps, links, routes, quotas, opt-outs, consents.
//
// An entry travels in the context of the change and becomes durable in the same commit as the change
// itself, so there is no change without its entry and no entry without its change. Entries form a
// chain: each holds the SHA-256 of itself and of the one before, so that a row that is altered, or
// taken out of the middle, is found (docs/reference/reliability.md T25).
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"time"
)

// Entry is one change.
type Entry struct {
	Seq    int64
	At     time.Time
	Actor  string // "admin", "subscriber +14255550100", "configuration"
	Action string // "PUT /admin/v1/apps/{name}", "consent given"
	Object string // what it was done to: "app pizza"
	Detail string // JSON, without secrets; "" if there is nothing more to say
	// Request is the request that did it, "" if none.
	Request string
	Prev    [32]byte // hash of the entry before
	Hash    [32]byte
}

// Sum is the hash of an entry that stands behind prev. Every member is length-prefixed, so that no two
// different entries have the same input.
func (e *Entry) Sum(prev [32]byte) [32]byte {
	h := sha256.New()
	h.Write(prev[:])
	var n [8]byte
	number := func(v int64) {
		binary.BigEndian.PutUint64(n[:], uint64(v))
		h.Write(n[:])
	}
	number(e.Seq)
	number(e.At.UnixMilli())
	for _, s := range []string{e.Actor, e.Action, e.Object, e.Detail, e.Request} {
		number(int64(len(s)))
		h.Write([]byte(s))
	}
	return [32]byte(h.Sum(nil))
}

type key struct{}

// pending is an entry on its way to its commit.
type pending struct {
	entry Entry
	done  bool
}

type requestKey struct{}

// During is a context whose entries name the request that they come from, if they name none themselves.
func During(ctx context.Context, request string) context.Context {
	return context.WithValue(ctx, requestKey{}, request)
}

// With is a context whose next change that commits carries the entry.
func With(ctx context.Context, e Entry) context.Context {
	if e.Request == "" {
		e.Request, _ = ctx.Value(requestKey{}).(string)
	}
	return context.WithValue(ctx, key{}, &pending{entry: e})
}

// From is the entry that the change of ctx must carry; ok is false if there is none, or it has been
// carried already.
func From(ctx context.Context) (e Entry, ok bool) {
	p, _ := ctx.Value(key{}).(*pending)
	if p == nil || p.done {
		return Entry{}, false
	}
	return p.entry, true
}

// Done notes that the entry of ctx is durable. The store calls it, before it answers.
func Done(ctx context.Context) {
	if p, _ := ctx.Value(key{}).(*pending); p != nil {
		p.done = true
	}
}

// Detail is the JSON of a value, for an entry.
func Detail(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// Filter selects entries; its zero value selects the newest hundred.
type Filter struct {
	Before int64 // only older ones; 0: from the newest
	Limit  int   // 0: 100
	Object string
	Actor  string
}

// Store reads the chain.
type Store interface {
	// Audit reads entries, newest first.
	Audit(ctx context.Context, f Filter) ([]Entry, error)
	// VerifyAudit walks the chain from its first entry and returns the first that does not fit; ok is true
	// if all do. n is how many there are.
	VerifyAudit(ctx context.Context) (n int64, bad Entry, ok bool, err error)
}
