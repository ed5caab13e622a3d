package store

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"longlines/app"
	"longlines/gsm"
	"longlines/id"
	"longlines/number"
	"longlines/queue"
	"longlines/sms"
)

// The states of a text from a handset.
const (
	moWaiting = 0 // for the poll
	moLeased  = 1
	moRead    = 2
	moPosted  = 3 // to the message listener
)

// Receive stores a text from a handset or a segment of one.
func (s *Store) Receive(ctx context.Context, r *sms.Reception) error {
	return s.do(ctx, kindReceive, r)
}

// ConfirmMO notes that the centre's answer was written: the same PDU again is then another text, on this
// node from now on, on others some time soon.
func (s *Store) ConfirmMO(n id.Number) {
	s.later(func(l *lazy) bool {
		if len(l.confirms) >= maxConfirms {
			return false
		}
		if l.confirms == nil {
			l.confirms = map[id.Number]struct{}{}
		}
		l.confirms[n] = struct{}{}
		return true
	})
}

// confirmed reports whether the answer for a text was written, although its row is still there: the
// commit that deletes it may be half a second away, or have failed.
func (s *Store) confirmed(n id.Number) bool {
	s.lazy.mu.Lock()
	defer s.lazy.mu.Unlock()
	_, ok := s.lazy.confirms[n]
	return ok
}

// forget drops the confirmations that are committed.
func (s *Store) forget(list []id.Number) {
	if len(list) == 0 {
		return
	}
	s.lazy.mu.Lock()
	defer s.lazy.mu.Unlock()
	for _, n := range list {
		delete(s.lazy.confirms, n)
	}
}

func (t *tx) confirm(list []id.Number) error {
	v := make([]any, len(list))
	for i, n := range list {
		v[i] = int64(n)
	}
	_, err := t.exec(`WITH {r id int} DELETE FROM seen WHERE id IN (SELECT id FROM r)`, v)
	t.confirms = append(t.confirms, list...)
	return err
}

// seenLife is how long an unconfirmed PDU is remembered (reliability.md §3.7).
const seenLife = 10 * time.Minute

func (t *tx) receive(batch []*mutation) error {
	var groups []group
	for _, m := range batch {
		if r := m.arg.(*sms.Reception); r.In.Total > 1 {
			groups = append(groups, groupOf(r))
		}
	}
	if err := t.lockGroups(groups); err != nil {
		return err
	}
	known, err := t.loadSeen(batch)
	if err != nil {
		return err
	}
	var rows, seen []any
	var words []sms.OptOut
	var replies []*sms.Acceptance
	moved := map[id.Number]int64{}
	for _, m := range batch {
		r := m.arg.(*sms.Reception)
		r.Duplicate, r.Original, r.Waiting, r.Stored, r.Added = false, 0, false, sms.MO{}, nil
		if h := r.In.Hash; h != 0 {
			if u := original(known[h], r.In.Conn); u != nil {
				u.conn = r.In.Conn
				moved[u.row] = u.conn
				r.Duplicate, r.Original = true, u.row
				continue
			}
			known[h] = append(known[h], unconfirmed{r.MO.ID, r.In.Conn})
			seen = append(seen, int64(r.MO.ID), h, r.In.Conn, ms(t.now))
		}
		mo := r.MO
		if r.In.Total > 1 {
			whole, err := t.segment(r)
			if err != nil {
				return err
			}
			if whole == nil {
				r.Waiting = true
			} else {
				mo = *whole
			}
		} else if mo.Text == "" {
			mo.Text = r.In.Text
		}
		if !r.Waiting {
			rows = t.appendMO(rows, r, mo, r.In.Raw)
		}
		if r.OptOut != nil {
			words = append(words, *r.OptOut)
		}
		if r.Reply != nil {
			replies = append(replies, r.Reply)
		}
	}
	if err := t.insertMO(rows); err != nil {
		return err
	}
	if _, err := t.exec(`WITH {r id int, hash int, conn int, at int} INSERT INTO seen (id, hash, conn, at) SELECT id, hash, conn, at FROM r`, seen); err != nil {
		return err
	}
	if err := t.move(moved); err != nil {
		return err
	}
	if err := t.optOut(words...); err != nil {
		return err
	}
	if len(replies) == 0 {
		return nil
	}
	return t.insertMT(replies)
}

// unconfirmed is a PDU of which nobody knows that its answer was written, and the connection on which it
// came last.
type unconfirmed struct {
	row  id.Number
	conn int64
}

// loadSeen finds PDUs like those of the batch that were never confirmed, by their hash.
func (t *tx) loadSeen(batch []*mutation) (map[int64][]unconfirmed, error) {
	v := t.vals[:0]
	known := make(map[int64][]unconfirmed, len(batch))
	for _, m := range batch {
		if h := m.arg.(*sms.Reception).In.Hash; h != 0 {
			if _, ok := known[h]; !ok {
				known[h] = nil
				v = append(v, h)
			}
		}
	}
	t.vals = v
	err := t.query(`WITH {r hash int} SELECT s.hash, s.id, s.conn FROM r JOIN seen s ON s.hash = r.hash AND s.at > ?`, v,
		[]any{ms(t.now.Add(-seenLife))}, func(r *sql.Rows) error {
			var hash, n int64
			var u unconfirmed
			if err := r.Scan(&hash, &n, &u.conn); err != nil {
				return err
			}
			if u.row = id.Number(n); !t.s.confirmed(u.row) {
				known[hash] = append(known[hash], u)
			}
			return nil
		})
	return known, err
}

// original finds what a PDU on a connection repeats: the oldest that came on another one; nil if there is
// none. On the same connection it is another text: a centre repeats itself only after it has lost a
// connection. So each original has one repetition on a connection, and equal texts behind that are texts.
func original(known []unconfirmed, conn int64) (first *unconfirmed) {
	for i := range known {
		if u := &known[i]; u.conn != conn && (first == nil || u.row < first.row) {
			first = u
		}
	}
	return first
}

// move notes on which connection originals were repeated.
func (t *tx) move(conns map[id.Number]int64) error {
	var v []any
	for n, conn := range conns {
		v = append(v, int64(n), conn)
	}
	_, err := t.exec(`WITH {r id int, conn int} UPDATE seen SET conn = r.conn FROM r WHERE seen.id = r.id`, v)
	return err
}

func (t *tx) appendMO(rows []any, r *sms.Reception, mo sms.MO, raw []byte) []any {
	mo.Text = clean(mo.Text)
	state := int64(moWaiting)
	if r.Callback != nil {
		if j := r.Callback(mo); j != nil {
			t.addJob(j)
			r.Added, mo.Pushed, state = j, true, moPosted
		} else {
			mo.Pushed = false
		}
	} else if mo.Pushed {
		mo.Pushed = false
	}
	r.Stored = mo
	return append(rows, int64(mo.ID), int64(mo.App), string(mo.From), string(mo.To), mo.Text, ms(mo.At), flag(mo.Partial), flag(mo.Pushed),
		state, t.checksum(mo.ID, mo.App, string(mo.From), string(mo.To), mo.Text), raw)
}

func (t *tx) insertMO(rows []any) error {
	_, err := t.exec(`WITH {r id int, app int, sender text, code text, body text, at int, partial int, pushed int, state int, crc int, raw blob}
		INSERT INTO mo (id, app, sender, code, body, at, partial, pushed, state, crc, raw)
		SELECT id, app, sender, code, body, at, partial, pushed, state, crc, raw FROM r`, rows)
	return err
}

// group is what the segments of one text have in common (3GPP TS 23.040 §9.2.3.24.1).
type group struct {
	grp, from, to string
	ref, total    int64
}

func groupOf(r *sms.Reception) group {
	return group{r.In.Group, string(r.MO.From), string(r.MO.To), int64(r.In.ConcatRef), int64(r.In.Total)}
}

// segmentLock is the first key of the advisory locks of groups.
const segmentLock = 0x5e9

// lockGroups keeps other nodes from the segments of some texts until the commit. Two nodes with one segment each would
// otherwise see none of the other's, and neither would find the text whole.
func (t *tx) lockGroups(groups []group) error {
	if !t.s.d.postgres || len(groups) == 0 {
		return nil
	}
	keys := make([]int32, len(groups))
	for i, g := range groups {
		h := fnv.New32a()
		fmt.Fprintf(h, "%q %q %q %d %d", g.grp, g.from, g.to, g.ref, g.total)
		keys[i] = int32(h.Sum32())
	}
	slices.Sort(keys) // in one order on all nodes, so that no two wait for each other
	for _, k := range slices.Compact(keys) {
		if _, err := t.exec("SELECT pg_advisory_xact_lock(CAST(? AS integer), CAST(? AS integer))", nil, int64(segmentLock), int64(k)); err != nil {
			return err
		}
	}
	return nil
}

// segment stores a segment and returns the text if it is whole now.
func (t *tx) segment(r *sms.Reception) (*sms.MO, error) {
	in, mo := &r.In, &r.MO
	g := groupOf(r)
	// The same number again within a set replaces: either the centre repeats itself, or the reference
	// has gone round and the older text will never be whole.
	_, err := t.exec(`INSERT INTO mo_part (id, grp, sender, code, ref, total, part, app, dcs, ud, at, pushed, raw)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)
		ON CONFLICT (grp, sender, code, ref, total, part) DO UPDATE SET dcs = excluded.dcs, ud = excluded.ud, at = excluded.at,
			raw = excluded.raw, app = excluded.app, pushed = excluded.pushed`, nil,
		int64(mo.ID), g.grp, g.from, g.to, g.ref, g.total, int64(in.Part), int64(mo.App), int64(in.DCS), nonNil(in.UD), ms(mo.At), flag(mo.Pushed), nonNil(in.Raw))
	if err != nil {
		return nil, err
	}
	set, err := t.loadSet(g)
	if err != nil {
		return nil, err
	}
	text, complete := join(set)
	if !complete {
		return nil, nil
	}
	whole := *mo
	whole.Text = text
	return &whole, t.dropSet(g)
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// held is a stored segment.
type held struct {
	part gsm.Part
	mo   sms.MO
	raw  []byte
}

func (t *tx) loadSet(g group) ([]held, error) {
	var set []held
	err := t.query(`SELECT id, app, part, dcs, ud, at, pushed, raw FROM mo_part
		WHERE grp = ? AND sender = ? AND code = ? AND ref = ? AND total = ? ORDER BY part`, nil,
		[]any{g.grp, g.from, g.to, g.ref, g.total}, func(r *sql.Rows) error {
			var h held
			var n, a, part, dcs, when int64
			if err := r.Scan(&n, &a, &part, &dcs, &h.part.Payload, &when, &h.mo.Pushed, &h.raw); err != nil {
				return err
			}
			h.part.Concat = gsm.Concat{Ref: uint16(g.ref), Total: uint8(g.total), Seq: uint8(part)}
			h.part.DCS = gsm.DCS(dcs)
			h.mo.ID, h.mo.App, h.mo.At = id.Number(n), app.ID(a), at(when)
			h.mo.From, h.mo.To = number.MSISDN(g.from), number.ShortCode(g.to)
			set = append(set, h)
			return nil
		})
	return set, err
}

// join puts segments together.
func join(set []held) (text string, complete bool) {
	parts := make([]gsm.Part, len(set))
	for i, h := range set {
		parts[i] = h.part
	}
	return gsm.Join(parts)
}

func (t *tx) dropSet(g group) error {
	_, err := t.exec(`DELETE FROM mo_part WHERE grp = ? AND sender = ? AND code = ? AND ref = ? AND total = ?`, nil,
		g.grp, g.from, g.to, g.ref, g.total)
	return err
}

// JoinStale turns segments whose text has not become whole by the moment into partial texts, up to 256 of
// them, the oldest first, unless the node's clock is in doubt. When it returns none, none were left when it looked.
func (s *Store) JoinStale(ctx context.Context, before time.Time, callback func(sms.MO) *queue.Job) ([]sms.Reception, error) {
	if err := s.punctual(ctx); err != nil {
		return nil, err
	}
	var groups []group
	err := s.rows(ctx, `SELECT grp, sender, code, ref, total FROM mo_part GROUP BY grp, sender, code, ref, total
		HAVING max(at) < ? ORDER BY max(at) LIMIT 256`, nil, []any{ms(before)}, func(r *sql.Rows) error {
		var g group
		err := r.Scan(&g.grp, &g.from, &g.to, &g.ref, &g.total)
		groups = append(groups, g)
		return err
	})
	if err != nil || len(groups) == 0 {
		return nil, err
	}
	var out []sms.Reception
	err = s.call(ctx, func(t *tx) error {
		out = nil
		if err := t.lockGroups(groups); err != nil {
			return err
		}
		var rows []any
		for _, g := range groups {
			set, err := t.loadSet(g)
			if err != nil {
				return err
			}
			// One that was there when we looked may have become whole since, or have got another segment.
			if len(set) == 0 || slices.ContainsFunc(set, func(h held) bool { return !h.mo.At.Before(before) }) {
				continue
			}
			r := sms.Reception{MO: set[0].mo, Callback: callback}
			text, complete := join(set)
			r.MO.Text, r.MO.Partial = text, !complete
			rows = t.appendMO(rows, &r, r.MO, set[0].raw)
			out = append(out, r)
			if err := t.dropSet(g); err != nil {
				return err
			}
		}
		return t.insertMO(rows)
	})
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].Callback = nil
	}
	return out, nil
}

// LeaseInbox takes up to n waiting texts of the tenant's code. Leases that are over have put theirs back
// first. A text whose checksum does not fit is not handed out.
func (s *Store) LeaseInbox(ctx context.Context, of app.Tenant, code number.ShortCode, n int, until time.Time) (texts []sms.MO, pending int, lease id.Number, err error) {
	a := of.App()
	lease = s.ids.Next()
	err = s.call(ctx, func(t *tx) error {
		texts, pending = nil, 0
		_, err := t.exec(`UPDATE mo SET state = 0, lease = 0 WHERE state = 1 AND leased <= ? AND app = ? AND code = ?`, nil,
			ms(t.now), int64(a), string(code))
		if err != nil {
			return err
		}
		var bad []any
		err = t.query(`SELECT id, sender, body, at, partial, crc FROM mo WHERE app = ? AND code = ? AND state = 0 ORDER BY id LIMIT ? {skip}`, nil,
			[]any{int64(a), string(code), int64(n)}, func(r *sql.Rows) error {
				m := sms.MO{App: a, To: code}
				var n, when, crc int64
				if err := r.Scan(&n, &m.From, &m.Text, &when, &m.Partial, &crc); err != nil {
					return err
				}
				m.ID, m.At = id.Number(n), at(when)
				if !intact(crc, m.ID, a, string(m.From), string(code), m.Text) {
					t.s.log.Error("a received text does not fit its checksum and is not handed out", "row", n)
					bad = append(bad, n)
					return nil
				}
				texts = append(texts, m)
				return nil
			})
		if err != nil {
			return err
		}
		v := t.vals[:0]
		for _, m := range texts {
			v = append(v, int64(m.ID))
		}
		t.vals = v
		if _, err := t.exec(`WITH {r id int} UPDATE mo SET state = 1, lease = ?, leased = ? WHERE id IN (SELECT id FROM r)`, v,
			int64(lease), ms(until)); err != nil {
			return err
		}
		if _, err := t.exec(`WITH {r id int} UPDATE mo SET state = 2 WHERE id IN (SELECT id FROM r)`, bad); err != nil {
			return err
		}
		return t.query(`SELECT count(*) FROM mo WHERE app = ? AND code = ? AND state = 0`, nil, []any{int64(a), string(code)}, func(r *sql.Rows) error {
			return r.Scan(&pending)
		})
	})
	if err != nil {
		return nil, 0, 0, fmt.Errorf("lease the inbox: %w", err)
	}
	return texts, pending, lease, nil
}

// EndLease removes the texts of the tenant's lease from the inbox, or puts them back. A lease that is
// over already, and another app's, is left alone.
func (s *Store) EndLease(ctx context.Context, of app.Tenant, lease id.Number, read bool) error {
	return s.call(ctx, func(t *tx) error {
		state := int64(moWaiting)
		if read {
			state = moRead
		}
		_, err := t.exec(`UPDATE mo SET state = ?, lease = 0 WHERE state = 1 AND lease = ? AND app = ?`, nil, state, int64(lease), int64(of.App()))
		return err
	})
}

// OptOuts reads all that stand.
func (s *Store) OptOuts(ctx context.Context) ([]sms.OptOut, error) {
	var out []sms.OptOut
	err := s.rows(ctx, `SELECT app, msisdn, word, at FROM optout`, nil, nil, func(r *sql.Rows) error {
		var o sms.OptOut
		var when int64
		err := r.Scan(&o.App, &o.From, &o.Word, &when)
		o.At = at(when)
		out = append(out, o)
		return err
	})
	return out, err
}

// SetOptOut records an opt-out, or its end, outside of a reception.
func (s *Store) SetOptOut(ctx context.Context, o sms.OptOut) error {
	return s.call(ctx, func(t *tx) error { return t.optOut(o) })
}

// optOut records opt-outs and their ends one by one, as they came: the same subscriber may be in a batch
// with both, and the last word counts.
func (t *tx) optOut(words ...sms.OptOut) (err error) {
	for _, o := range words {
		t.changed(ChangeOptOut, int64(o.App))
		if o.Again {
			_, err = t.exec(`DELETE FROM optout WHERE app = ? AND msisdn = ?`, nil, int64(o.App), string(o.From))
		} else {
			_, err = t.exec(`INSERT INTO optout (app, msisdn, word, at) VALUES (?,?,?,?)
				ON CONFLICT (app, msisdn) DO UPDATE SET word = excluded.word, at = excluded.at`, nil,
				int64(o.App), string(o.From), o.Word, ms(o.At))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
