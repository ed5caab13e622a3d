package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"math"
	"strings"

	"longlines/audit"
)

// auditLock is held to the end of the transaction, so that the chain is one line across nodes.
const auditLock = 0x6c6c6175

// auditHead is the row of meta that holds the number and the hash of the chain's last entry. Without it
// nobody would miss an end that was cut off.
const auditHead = "audit"

// head is the end of the chain.
type head struct {
	seq  int64
	hash [32]byte
}

func (h *head) bytes() []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(h.seq)), h.hash[:]...)
}

func (h *head) parse(b []byte) {
	if len(b) == 8+len(h.hash) {
		h.seq = int64(binary.BigEndian.Uint64(b))
		copy(h.hash[:], b[8:])
	}
}

// insertEntries appends the entries of the changes in this transaction to the chain.
func (t *tx) insertEntries() error {
	if len(t.entries) == 0 {
		return nil
	}
	if t.s.d.postgres {
		if _, err := t.exec("SELECT pg_advisory_xact_lock(?)", nil, int64(auditLock)); err != nil {
			return err
		}
	}
	var last head
	err := t.query(`SELECT value FROM meta WHERE name = ?`, nil, []any{auditHead}, func(r *sql.Rows) error {
		var b []byte
		err := r.Scan(&b)
		last.parse(b)
		return err
	})
	if err != nil {
		return err
	}
	var v []any
	for _, e := range t.entries {
		e.Seq, e.Prev = last.seq+1, last.hash
		e.At = orNow(e.At, t.now)
		// The hash is of what is kept.
		for _, s := range [...]*string{&e.Actor, &e.Action, &e.Object, &e.Detail, &e.Request} {
			*s = clean(*s)
		}
		e.Hash = e.Sum(e.Prev)
		last = head{e.Seq, e.Hash}
		v = append(v, e.Seq, ms(e.At), e.Actor, e.Action, e.Object, e.Detail, e.Request, e.Prev[:], e.Hash[:])
	}
	if _, err := t.exec(`WITH {r seq int, at int, actor text, action text, object text, detail text, request text, prev blob, hash blob}
		INSERT INTO audit (seq, at, actor, action, object, detail, request, prev, hash)
		SELECT seq, at, actor, action, object, detail, request, prev, hash FROM r`, v); err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO meta (name, value) VALUES (?,?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, nil, auditHead, last.bytes())
	return err
}

const auditColumns = `seq, at, actor, action, object, detail, request, prev, hash`

func scanEntry(r *sql.Rows) (e audit.Entry, err error) {
	var when int64
	var prev, hash []byte
	err = r.Scan(&e.Seq, &when, &e.Actor, &e.Action, &e.Object, &e.Detail, &e.Request, &prev, &hash)
	e.At = at(when)
	copy(e.Prev[:], prev)
	copy(e.Hash[:], hash)
	return e, err
}

// Audit reads entries, newest first.
func (s *Store) Audit(ctx context.Context, f audit.Filter) ([]audit.Entry, error) {
	var where []string
	var args []any
	if f.Before > 0 {
		where, args = append(where, `seq < ?`), append(args, f.Before)
	}
	if f.Object != "" {
		where, args = append(where, `object = ?`), append(args, f.Object)
	}
	if f.Actor != "" {
		where, args = append(where, `actor = ?`), append(args, f.Actor)
	}
	text := `SELECT ` + auditColumns + ` FROM audit`
	if len(where) > 0 {
		text += ` WHERE ` + strings.Join(where, ` AND `)
	}
	var out []audit.Entry
	err := s.rows(ctx, text+` ORDER BY seq DESC LIMIT ?`, nil, append(args, int64(cmp.Or(f.Limit, 100))), func(r *sql.Rows) error {
		e, err := scanEntry(r)
		out = append(out, e)
		return err
	})
	return out, err
}

// auditStep is how many entries VerifyAudit reads at a time: a reader that stays long keeps SQLite's log
// from starting over.
const auditStep = 1000

// VerifyAudit walks the chain from its first entry. An entry is bad if it does not hold the hash of
// the one before or its own, or if the one before is missing; if the end is missing, bad has only the
// Seq of the first that is not there.
func (s *Store) VerifyAudit(ctx context.Context) (n int64, bad audit.Entry, ok bool, err error) {
	// Entries are appended meanwhile: those up to the end that is read first must be there, and the end
	// that is read last must know all that were found.
	end, err := s.auditEnd(ctx)
	if err != nil {
		return 0, bad, false, err
	}
	var last audit.Entry
	from := int64(math.MinInt64) // nothing stands before the first
	for more := true; more; from = last.Seq {
		more = false
		err := s.rows(ctx, `SELECT `+auditColumns+` FROM audit WHERE seq > ? ORDER BY seq LIMIT ?`, nil, []any{from, int64(auditStep)},
			func(r *sql.Rows) error {
				e, err := scanEntry(r)
				if err != nil {
					return err
				}
				more = true
				if e.Seq != last.Seq+1 || e.Prev != last.Hash || e.Hash != e.Sum(e.Prev) || e.Seq == end.seq && e.Hash != end.hash {
					bad = e
					return errBadEntry
				}
				n++
				last = e
				return nil
			})
		if errors.Is(err, errBadEntry) {
			return n, bad, false, nil
		}
		if err != nil {
			return n, bad, false, err
		}
	}
	if last.Seq < end.seq {
		return n, audit.Entry{Seq: last.Seq + 1}, false, nil
	}
	if end, err = s.auditEnd(ctx); err != nil {
		return n, bad, false, err
	}
	if end.seq < last.Seq {
		return n - 1, last, false, nil
	}
	return n, bad, true, nil
}

// auditEnd reads the end of the chain.
func (s *Store) auditEnd(ctx context.Context) (end head, err error) {
	row, err := s.row(ctx, `SELECT value FROM meta WHERE name = ?`, auditHead)
	if err != nil {
		return end, err
	}
	var b []byte
	if err := row.Scan(&b); err != nil && !none(err) {
		return end, err
	}
	end.parse(b)
	return end, nil
}

var errBadEntry = errors.New("an entry that does not fit")
