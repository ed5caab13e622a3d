package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"longlines/app"
	"longlines/id"
	"longlines/message"
	"longlines/number"
	"longlines/sms"
)

// Accept makes a message durable with its jobs and its idempotency key. A key that is there already
// gives *sms.KeyTaken and nothing is stored.
func (s *Store) Accept(ctx context.Context, a *sms.Acceptance) error {
	if a.Key != nil {
		for i := range a.Rows {
			if a.Rows[i].App != a.Key.Tenant.App() {
				return errTenant
			}
		}
	}
	return s.do(ctx, kindAccept, a)
}

// Submit stores a centre's yes and ends the job. The segments are stored although the job may no
// longer be ours: a centre has them. Orphan receipts for them are returned; each is removed by the
// Report it leads to, so that none is lost if we die in between.
func (s *Store) Submit(ctx context.Context, sub *sms.Submission) error {
	return s.enqueue(ctx, kindSubmit, sub, sub.Queued)
}

// Settle changes a recipient's state without a centre's yes.
func (s *Store) Settle(ctx context.Context, st *sms.Settlement) error {
	return s.do(ctx, kindSettle, st)
}

// Report applies a receipt to its segment and folds the recipient's state.
func (s *Store) Report(ctx context.Context, r *sms.Report) error {
	return s.do(ctx, kindReport, r)
}

// StoreOrphan keeps a receipt that found nothing.
func (s *Store) StoreOrphan(ctx context.Context, o *sms.Orphan) error {
	return s.do(ctx, kindOrphan, o)
}

// erased is the checksum of a row whose text is gone.
const erased = -1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is CRC-32C over what must not be delivered wrong (reliability.md P5): SQLite's pages carry
// no checksum of their own.
func (t *tx) checksum(n id.Number, a app.ID, sender, recipient, body string) int64 {
	t.buf = sumInput(t.buf[:0], n, a, sender, recipient, body)
	return int64(crc32.Checksum(t.buf, castagnoli))
}

func sumInput(b []byte, n id.Number, a app.ID, sender, recipient, body string) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(n))
	b = binary.BigEndian.AppendUint64(b, uint64(a))
	b = append(b, sender...)
	b = append(b, 0)
	b = append(b, recipient...)
	b = append(b, 0)
	return append(b, body...)
}

func intact(crc int64, n id.Number, a app.ID, sender, recipient, body string) bool {
	return crc == erased || crc == int64(crc32.Checksum(sumInput(nil, n, a, sender, recipient, body), castagnoli))
}

// ms is how a time is stored: milliseconds since 1970, 0 for none.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// at is the way back.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// orNow is a time, or now for none.
func orNow(t, now time.Time) time.Time {
	if t.IsZero() {
		return now
	}
	return t
}

func address(s string) number.Address {
	var a number.Address
	a.UnmarshalText([]byte(s)) // written by us; what cannot be read back is nobody
	return a
}

type idempotent struct {
	app        app.ID
	scope, key string
}

func (t *tx) accept(ms []*mutation) error {
	list := make([]*sms.Acceptance, 0, len(ms))
	keyed := false
	for _, m := range ms {
		a := m.arg.(*sms.Acceptance)
		list = append(list, a)
		keyed = keyed || a.Key != nil
	}
	if keyed {
		taken, err := t.takeKeys(list)
		if err != nil {
			return err
		}
		if len(taken) > 0 {
			list = list[:0]
			for _, m := range ms {
				a := m.arg.(*sms.Acceptance)
				if k, ok := taken[a]; ok {
					m.err = k
					continue
				}
				list = append(list, a)
			}
		}
	}
	return t.insertMT(list)
}

// keyLife is how long an idempotency key holds (draft-ietf-httpapi-idempotency-key §2.6).
const keyLife = 24 * time.Hour

// takeKeys inserts the idempotency keys and returns those acceptances that came too late for theirs.
func (t *tx) takeKeys(list []*sms.Acceptance) (map[*sms.Acceptance]*sms.KeyTaken, error) {
	late := map[*sms.Acceptance]*sms.KeyTaken{}
	first := map[idempotent]*sms.Acceptance{}
	v := t.vals[:0]
	for _, a := range list {
		if a.Key == nil || len(a.Rows) == 0 {
			continue
		}
		k := idempotent{a.Key.Tenant.App(), a.Key.Scope, a.Key.Key}
		if f := first[k]; f != nil {
			late[a] = &sms.KeyTaken{Ref: f.Rows[0].ID, Fingerprint: f.Key.Fingerprint}
			continue
		}
		first[k] = a
		v = append(v, int64(k.app), k.scope, k.key, int64(a.Rows[0].ID), a.Key.Fingerprint[:], ms(t.now))
	}
	got := map[id.Number]bool{}
	err := t.query(`WITH {r app int, scope text, key text, ref int, fingerprint blob, created int}
		INSERT INTO idempotency (app, scope, key, ref, fingerprint, status, created)
		SELECT app, scope, key, ref, fingerprint, 0, created FROM r WHERE true
		ON CONFLICT (app, scope, key) DO UPDATE SET ref = excluded.ref, fingerprint = excluded.fingerprint,
			status = 0, header = '', body = NULL, created = excluded.created
			WHERE idempotency.created < ?
		RETURNING ref`, v, []any{ms(t.now.Add(-keyLife))}, func(r *sql.Rows) error {
		var n int64
		err := r.Scan(&n)
		got[id.Number(n)] = true
		return err
	})
	if err != nil {
		return nil, err
	}
	v = v[:0]
	for k, a := range first {
		if !got[a.Rows[0].ID] {
			v = append(v, int64(k.app), k.scope, k.key)
		}
	}
	t.vals = v
	err = t.query(`WITH {r app int, scope text, key text}
		SELECT i.app, i.scope, i.key, i.ref, i.fingerprint FROM r
		JOIN idempotency i ON i.app = r.app AND i.scope = r.scope AND i.key = r.key`, v, nil, func(r *sql.Rows) error {
		var k idempotent
		var a, ref int64
		var print []byte
		if err := r.Scan(&a, &k.scope, &k.key, &ref, &print); err != nil {
			return err
		}
		k.app = app.ID(a)
		if f := first[k]; f != nil {
			kt := &sms.KeyTaken{Ref: id.Number(ref)}
			copy(kt.Fingerprint[:], print)
			late[f] = kt
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Those of this batch that wait behind a late one are late as well.
	for a, k := range late {
		if f := first[idempotent{a.Key.Tenant.App(), a.Key.Scope, a.Key.Key}]; f != a && late[f] != nil {
			*k = *late[f]
		}
	}
	return late, nil
}

// insertMT appends the recipients' rows and their jobs.
func (t *tx) insertMT(list []*sms.Acceptance) error {
	v := t.vals[:0]
	for _, a := range list {
		for i := range a.Rows {
			r := &a.Rows[i]
			from, body := r.From.URI(), clean(r.Text)
			state := r.State
			if state == 0 {
				state = message.StateAccepted
			}
			if r.Message == 0 {
				r.Message = a.Rows[0].ID
			}
			if r.Count == 0 {
				r.Count = len(a.Rows)
			}
			v = append(v, int64(r.ID), int64(r.Message), int64(r.Count), int64(r.App), from, string(r.To), body,
				flag(r.Notify), flag(r.Service), int64(state), ms(r.Accepted), ms(r.Expires),
				t.checksum(r.ID, r.App, from, string(r.To), body), r.Link)
		}
		for i := range a.Jobs {
			t.addJob(&a.Jobs[i])
		}
	}
	_, err := t.exec(`WITH {r id int, msg int, cnt int, app int, sender text, recipient text, body text, notify int,
			service int, state int, accepted int, expires int, crc int, link text}
		INSERT INTO mt (id, msg, cnt, app, sender, recipient, body, notify, service, state, accepted, expires, crc, link)
		SELECT id, msg, cnt, app, sender, recipient, body, notify, service, state, accepted, expires, crc, link FROM r`, v)
	t.vals = v[:0]
	return err
}

// waves splits mutations so that no two of one wave touch the same row: an UPDATE takes each row of
// its target once.
func waves(ms []*mutation, row func(*mutation) id.Number) [][]*mutation {
	seen := make(map[id.Number]int, len(ms))
	var out [][]*mutation
	for _, m := range ms {
		n := row(m)
		w := seen[n]
		seen[n]++
		if w == len(out) {
			out = append(out, nil)
		}
		out[w] = append(out[w], m)
	}
	return out
}

func (t *tx) submit(batch []*mutation) error {
	for _, wave := range waves(batch, func(m *mutation) id.Number { return m.arg.(*sms.Submission).Row.ID }) {
		v := t.vals[:0]
		for _, m := range wave {
			s := m.arg.(*sms.Submission)
			v = append(v, int64(s.Row.ID), s.Row.Link, int64(parts(s.Refs)), int64(s.Row.Attempt), flag(s.Row.Twice), ms(s.At))
		}
		t.vals = v
		_, err := t.exec(`WITH {r id int, link text, parts int, attempt int, twice int, sent int}
			UPDATE mt SET state = CASE WHEN mt.state < 10 THEN 4 ELSE mt.state END, link = r.link, parts = r.parts,
				attempt = r.attempt, twice = CASE WHEN mt.twice = 1 THEN 1 ELSE r.twice END, sent = r.sent
			FROM r WHERE mt.id = r.id`, v)
		if err != nil {
			return err
		}
	}
	v := t.vals[:0]
	jobs := make([]any, 0, len(batch))
	for _, m := range batch {
		s := m.arg.(*sms.Submission)
		s.Orphans = nil
		v = appendParts(v, s.Row.ID, s.Refs, s.Row.Link, s.At)
		if s.Job.ID != 0 {
			jobs = append(jobs, int64(s.Job.ID))
		}
	}
	t.vals = v
	if err := t.insertParts(v); err != nil {
		return err
	}
	if err := t.endJobs(jobs); err != nil {
		return err
	}
	if !t.s.orphaned.Load() {
		return nil
	}
	return t.early(batch)
}

// parts is how many segments the text was split into.
func parts(refs []message.Ref) int {
	n := len(refs)
	for _, r := range refs {
		n = max(n, r.Parts)
	}
	return n
}

func appendParts(v []any, n id.Number, refs []message.Ref, link string, at time.Time) []any {
	for _, r := range refs {
		v = append(v, int64(n), int64(r.Part), r.Group, clean(sms.CanonicalID(r.ID)), int64(max(r.Parts, 1)), []byte(r.ID), link,
			int64(message.StateSent), ms(at))
	}
	return v
}

func (t *tx) insertParts(v []any) error {
	_, err := t.exec(`WITH {r mt int, part int, grp text, key text, parts int, raw blob, link text, state int, sent int}
		INSERT INTO part (mt, part, grp, key, parts, raw, link, state, sent)
		SELECT mt, part, grp, key, parts, raw, link, state, sent FROM r WHERE true ON CONFLICT DO NOTHING`, v)
	return err
}

// early finds the receipts that came before the answers of these submissions.
func (t *tx) early(batch []*mutation) error {
	v := make([]any, 0, 3*len(batch))
	for i, m := range batch {
		for _, r := range m.arg.(*sms.Submission).Refs {
			if key := clean(sms.CanonicalID(r.ID)); key != "" {
				v = append(v, int64(i), r.Group, key)
			}
		}
	}
	return t.query(`WITH {r i int, grp text, key text}
		SELECT r.i, o.id, o.grp, o.raw, o.sender, o.state, o.code, o.word, o.done, o.pdu FROM r
		JOIN orphan_key k ON k.key = r.key AND k.grp = r.grp JOIN orphan o ON o.id = k.orphan`, v, nil,
		func(r *sql.Rows) error {
			var i int
			e, err := scanOrphan(r, &i)
			if err == nil {
				s := batch[i].arg.(*sms.Submission)
				s.Orphans = append(s.Orphans, e)
			}
			return err
		})
}

// scanOrphan reads a receipt behind leading columns.
func scanOrphan(r *sql.Rows, lead ...any) (e sms.Early, err error) {
	d := &e.DLR
	var raw []byte
	var sender string
	var state, done int64
	if err := r.Scan(append(lead, &e.Row, &d.Group, &raw, &sender, &state, &d.Code, &d.Word, &done, &d.Raw)...); err != nil {
		return e, err
	}
	d.ID, d.From, d.State, d.Done = string(raw), address(sender), message.State(state), at(done)
	return e, nil
}

func (t *tx) settle(batch []*mutation) error {
	for _, wave := range waves(batch, func(m *mutation) id.Number { return m.arg.(*sms.Settlement).MT }) {
		if err := t.settleWave(wave); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) settleWave(wave []*mutation) error {
	v := t.vals[:0]
	byRow := make(map[id.Number]*sms.Settlement, len(wave))
	for _, m := range wave {
		s := m.arg.(*sms.Settlement)
		s.Stale = true
		byRow[s.MT] = s
		final := int64(0)
		if s.State.Final() {
			final = ms(s.At)
		}
		attempt := int64(-1)
		if s.Job.ID != 0 {
			attempt = int64(s.Job.Attempt)
		}
		v = append(v, int64(s.MT), int64(s.Job.ID), int64(s.State), s.Code, flag(s.Twice), attempt, final, int64(parts(s.Parts)))
	}
	t.vals = v
	// A final state stands; and whoever no longer owns the job changes nothing (R5).
	err := t.query(`WITH {r id int, job int, state int, code text, twice int, attempt int, final int, parts int}
		UPDATE mt SET state = r.state, code = CASE WHEN r.code = '' THEN mt.code ELSE r.code END,
			twice = CASE WHEN mt.twice = 1 THEN 1 ELSE r.twice END,
			attempt = CASE WHEN r.attempt < 0 THEN mt.attempt ELSE r.attempt END,
			parts = CASE WHEN r.parts = 0 THEN mt.parts ELSE r.parts END, final = r.final
		FROM r WHERE mt.id = r.id AND mt.state < 10
			AND (r.job = 0 OR EXISTS (SELECT 1 FROM job WHERE job.id = r.job AND job.owner = ?))
		RETURNING mt.id`, v, []any{t.s.self}, func(r *sql.Rows) error {
		var n int64
		err := r.Scan(&n)
		if s := byRow[id.Number(n)]; s != nil {
			s.Stale = false
		}
		return err
	})
	if err != nil {
		return err
	}
	var ended, given, parts []any
	for _, m := range wave {
		s := m.arg.(*sms.Settlement)
		parts = appendParts(parts, s.MT, s.Parts, s.Job.Lane, s.At)
		switch {
		case s.Job.ID == 0:
		case s.Stale || s.State.Final():
			// A row that was final needs no more work either.
			ended = append(ended, int64(s.Job.ID))
		default:
			given = t.appendRetry(given, s.Job, s.Job.Due)
		}
		if !s.Stale && s.State.Final() && s.Notify != nil {
			t.addJob(s.Notify)
		}
	}
	if err := t.insertParts(parts); err != nil {
		return err
	}
	if err := t.endJobs(ended); err != nil {
		return err
	}
	return t.giveJobs(given)
}

// segment is a row of part as a report sees it.
type segment struct {
	key     segmentKey
	parts   int
	state   message.State
	code    string
	word    string
	done    int64
	other   string // word of a contradicting receipt
	changed bool
}

type segmentKey struct {
	mt       id.Number
	part     int
	grp, key string
}

// recipient is a row of mt as a report sees it, with its segments once they are needed.
type recipient struct {
	row      sms.MT
	segments []*segment
	whole    bool // all segments are there
	changed  bool
}

func (t *tx) report(batch []*mutation) error {
	segments := make(map[segmentKey]*segment, len(batch))
	recipients := make(map[id.Number]*recipient, len(batch))
	if err := t.loadReported(batch, segments, recipients); err != nil {
		return err
	}
	var orphans []any
	for _, m := range batch {
		r := m.arg.(*sms.Report)
		r.Duplicate, r.Conflict, r.Now, r.Final, r.Added = false, false, 0, false, nil
		seg := segments[keyOf(&r.Part)]
		if r.Missing = seg == nil; r.Missing {
			continue // its submission's commit has failed and is tried again, or the row's retention has ended
		}
		if r.Orphan != 0 {
			orphans = append(orphans, int64(r.Orphan))
		}
		t.fold(r, seg, recipients[r.Part.MT])
	}
	v := t.vals[:0]
	for _, m := range batch {
		if s := segments[keyOf(&m.arg.(*sms.Report).Part)]; s != nil && s.changed {
			v = append(v, int64(s.key.mt), int64(s.key.part), s.key.grp, s.key.key, int64(s.state), s.code, s.word, s.done, s.other)
			s.changed = false
		}
	}
	t.vals = v
	_, err := t.exec(`WITH {r mt int, part int, grp text, key text, state int, code text, word text, done int, conflict text}
		UPDATE part SET state = r.state, code = r.code, word = r.word, done = r.done, conflict = r.conflict
		FROM r WHERE part.mt = r.mt AND part.part = r.part AND part.grp = r.grp AND part.key = r.key`, v)
	if err != nil {
		return err
	}
	v = v[:0]
	for _, m := range batch {
		if rc := recipients[m.arg.(*sms.Report).Part.MT]; rc != nil && rc.changed {
			v = append(v, int64(rc.row.ID), int64(rc.row.State), rc.row.Code, ms(rc.row.Final))
			rc.changed = false
		}
	}
	t.vals = v
	if _, err := t.exec(`WITH {r id int, state int, code text, final int}
		UPDATE mt SET state = r.state, code = r.code, final = r.final FROM r WHERE mt.id = r.id`, v); err != nil {
		return err
	}
	return t.deleteOrphans(orphans)
}

func keyOf(p *sms.Part) segmentKey { return segmentKey{p.MT, p.Part, p.Group, clean(p.Key)} }

// loadReported reads the segments of a batch of reports and their recipients.
func (t *tx) loadReported(batch []*mutation, segments map[segmentKey]*segment, recipients map[id.Number]*recipient) error {
	v := t.vals[:0]
	var rows []any
	for _, m := range batch {
		r := m.arg.(*sms.Report)
		k := keyOf(&r.Part)
		if _, ok := segments[k]; ok {
			continue
		}
		segments[k] = nil
		v = append(v, int64(k.mt), int64(k.part), k.grp, k.key)
		if _, ok := recipients[k.mt]; !ok {
			recipients[k.mt] = nil
			rows = append(rows, int64(k.mt))
		}
	}
	t.vals = v
	if t.s.d.postgres {
		// Two nodes may report two segments of one recipient at once: one after the other, please, in
		// the order of the rows, and each sees what the other has written.
		slices.SortFunc(rows, func(a, b any) int { return int(min(max(a.(int64)-b.(int64), -1), 1)) })
		if err := t.query(`WITH {r id int} SELECT mt.id FROM r JOIN mt ON mt.id = r.id ORDER BY mt.id {lock of mt}`, rows, nil,
			func(*sql.Rows) error { return nil }); err != nil {
			return err
		}
	}
	var more []any
	err := t.query(`WITH {r mt int, part int, grp text, key text}
		SELECT p.part, p.grp, p.key, p.parts, p.state, p.code, p.word, p.done, p.conflict, `+mtColumns+` FROM r
		JOIN part p ON p.mt = r.mt AND p.part = r.part AND p.grp = r.grp AND p.key = r.key
		JOIN mt ON mt.id = p.mt`, v, nil, func(r *sql.Rows) error {
		s := &segment{}
		var state int64
		row, err := scanMT(r, &s.key.part, &s.key.grp, &s.key.key, &s.parts, &state, &s.code, &s.word, &s.done, &s.other)
		if err != nil {
			return err
		}
		s.key.mt, s.state = row.ID, message.State(state)
		segments[s.key] = s
		rc := recipients[row.ID]
		if rc == nil {
			rc = &recipient{row: row, whole: s.parts <= 1 && row.Parts <= 1}
			recipients[row.ID] = rc
			if !rc.whole {
				more = append(more, int64(row.ID))
			}
		}
		rc.segments = append(rc.segments, s)
		return nil
	})
	if err != nil || len(more) == 0 {
		return err
	}
	return t.query(`WITH {r mt int}
		SELECT p.mt, p.part, p.grp, p.key, p.parts, p.state FROM r JOIN part p ON p.mt = r.mt`, more, nil, func(r *sql.Rows) error {
		s := &segment{}
		var mt, state int64
		if err := r.Scan(&mt, &s.key.part, &s.key.grp, &s.key.key, &s.parts, &state); err != nil {
			return err
		}
		s.key.mt, s.state = id.Number(mt), message.State(state)
		if segments[s.key] == nil {
			rc := recipients[s.key.mt]
			rc.segments = append(rc.segments, s)
		}
		return nil
	})
}

// fold applies one receipt (reliability.md §3.5-6: states only move forward, the first final one
// stands, and the one way out is a late DELIVRD after we gave up by ourselves).
func (t *tx) fold(r *sms.Report, seg *segment, rc *recipient) {
	r.Now = rc.row.State
	old := seg.state
	switch {
	case old == r.State && (old.Final() || seg.done == ms(r.Done) && seg.word == r.Word):
		r.Duplicate = true
		return
	case old.Final() && r.State.Final():
		r.Conflict = true
		seg.other, seg.changed = r.Word, true
		return
	case old.Final():
		return // an intermediate one that was overtaken
	}
	seg.state, seg.code, seg.word, seg.done, seg.changed = max(r.State, old), r.Code, r.Word, ms(r.Done), true
	if !r.State.Final() {
		return
	}
	now := rc.fold()
	if !now.Final() {
		return
	}
	at := r.At
	if at.IsZero() {
		at = t.now
	}
	switch was := rc.row.State; {
	case !was.Final(),
		now == message.StateDelivered && (was == message.StateExpired || was == message.StateUncertain):
		rc.row.State, rc.row.Code, rc.row.Final, rc.changed = now, r.Code, at, true
		r.Final = true
	case was != now:
		r.Conflict = true
		seg.other = r.Word
	}
	r.Now = rc.row.State
	if r.Final && r.Callback != nil {
		if rc.row.Corrupt { // it might be another app's, or another subscriber's
			t.s.log.Error("a recipient's row does not fit its checksum; its app is not told", "row", int64(rc.row.ID))
			return
		}
		if j := r.Callback(rc.row); j != nil {
			t.addJob(j)
			r.Added = j
		}
	}
}

// fold gives the recipient's state. A segment that was submitted more than once counts by its best
// luck: delivered, else still under way, else failed. Links may cut one text into different numbers of
// segments: if it was delivered whole by any cut it was delivered, else the last cut decides.
func (rc *recipient) fold() message.State {
	if len(rc.segments) == 1 && rc.segments[0].parts <= 1 {
		return rc.segments[0].state
	}
	cuts := map[int][]message.State{} // by number of segments
	for _, s := range rc.segments {
		n := max(s.parts, 1)
		if cuts[n] == nil {
			cuts[n] = make([]message.State, n)
		}
		if s.key.part >= n {
			continue // impossible
		}
		if best := &cuts[n][s.key.part]; *best == 0 || luck(s.state) > luck(*best) {
			*best = s.state
		}
	}
	last := rc.row.Parts
	if cuts[last] == nil {
		last = slices.Max(slices.Collect(maps.Keys(cuts)))
	}
	var out message.State
	for n, states := range cuts {
		for i, s := range states {
			if s == 0 {
				states[i] = message.StateAccepted // not taken by a centre yet
			}
		}
		switch now := sms.Fold(states); {
		case now == message.StateDelivered:
			return now
		case n == last:
			out = now
		}
	}
	return out
}

func luck(s message.State) int {
	switch {
	case s == message.StateDelivered:
		return 2
	case !s.Final():
		return 1
	}
	return 0
}

// keysOf gives an orphan's keys, each once.
func keysOf(o *sms.Orphan) []string {
	var out []string
	for _, k := range o.Keys {
		if k = clean(k); k != "" && !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	return out
}

func (t *tx) storeOrphan(batch []*mutation) error {
	var v []any
	for i, m := range batch {
		o := m.arg.(*sms.Orphan)
		o.Matched = false
		for _, k := range keysOf(o) {
			v = append(v, int64(i), k, o.DLR.Group)
		}
	}
	// A submit may have been committed since the caller looked; on PostgreSQL also one of another node,
	// but for the moment both commit in, which Orphans covers.
	found := make([]int, len(batch))
	err := t.query(`WITH {r i int, key text, grp text}
		SELECT r.i, count(*) FROM r JOIN part p ON p.key = r.key AND p.grp = r.grp GROUP BY r.i`, v, nil, func(r *sql.Rows) error {
		var i, n int
		err := r.Scan(&i, &n)
		found[i] += n
		return err
	})
	if err != nil {
		return err
	}
	for i, m := range batch {
		o := m.arg.(*sms.Orphan)
		o.Matched = found[i] > o.Known
	}
	rows, keys := t.vals[:0], v[:0]
	for _, m := range batch {
		o := m.arg.(*sms.Orphan)
		if o.Matched {
			continue
		}
		n := int64(t.s.ids.Next())
		d := &o.DLR
		rows = append(rows, n, d.Group, []byte(d.ID), d.From.URI(), int64(d.State), d.Code, d.Word, ms(d.Done), d.Raw, ms(o.At), ms(o.Expires))
		for _, k := range keysOf(o) {
			keys = append(keys, n, d.Group, k)
		}
	}
	t.vals = rows
	if len(rows) > 0 {
		// Before the commit: a submit that is committed after us must look.
		t.s.orphaned.Store(true)
		t.calmed = false
	}
	if _, err := t.exec(`WITH {r id int, grp text, raw blob, sender text, state int, code text, word text, done int, pdu blob,
			stored int, expires int}
		INSERT INTO orphan (id, grp, raw, sender, state, code, word, done, pdu, stored, expires)
		SELECT id, grp, raw, sender, state, code, word, done, pdu, stored, expires FROM r`, rows); err != nil {
		return err
	}
	_, err = t.exec(`WITH {r orphan int, grp text, key text}
		INSERT INTO orphan_key (orphan, grp, key) SELECT orphan, grp, key FROM r WHERE true ON CONFLICT DO NOTHING`, keys)
	return err
}

func (t *tx) deleteOrphans(ids []any) error {
	if len(ids) == 0 {
		return nil
	}
	if _, err := t.exec(`WITH {r id int} DELETE FROM orphan WHERE id IN (SELECT id FROM r)`, ids); err != nil {
		return err
	}
	if _, err := t.exec(`WITH {r id int} DELETE FROM orphan_key WHERE orphan IN (SELECT id FROM r)`, ids); err != nil {
		return err
	}
	return t.calm()
}

// calm notes that no orphan is left, so that submits need not look for any. On PostgreSQL they always
// look: another node may store one at any time.
func (t *tx) calm() error {
	if t.s.d.postgres {
		return nil
	}
	left := false
	err := t.query(`SELECT 1 FROM orphan LIMIT 1`, nil, nil, func(*sql.Rows) error { left = true; return nil })
	if err == nil && !left {
		t.calmed = true
	}
	return err
}

// mtColumns are what scanMT reads.
const mtColumns = `mt.id, mt.msg, mt.cnt, mt.app, mt.sender, mt.recipient, mt.body, mt.notify, mt.service, mt.link, mt.state,
	mt.code, mt.parts, mt.attempt, mt.twice, mt.accepted, mt.expires, mt.sent, mt.final, mt.crc`

// scanMT reads a recipient behind leading columns.
func scanMT(r interface{ Scan(...any) error }, lead ...any) (m sms.MT, err error) {
	var n, msg, a, state, accepted, expires, sent, final, crc int64
	var sender, to string
	dst := append(lead, &n, &msg, &m.Count, &a, &sender, &to, &m.Text, &m.Notify, &m.Service, &m.Link, &state,
		&m.Code, &m.Parts, &m.Attempt, &m.Twice, &accepted, &expires, &sent, &final, &crc)
	if err := r.Scan(dst...); err != nil {
		return m, err
	}
	m.ID, m.Message, m.App, m.From, m.To, m.State = id.Number(n), id.Number(msg), app.ID(a), address(sender), number.MSISDN(to), message.State(state)
	m.Accepted, m.Expires, m.Sent, m.Final = at(accepted), at(expires), at(sent), at(final)
	m.Corrupt = !intact(crc, m.ID, m.App, sender, to, m.Text)
	return m, nil
}

// MT reads a recipient. A row whose checksum does not fit gives sms.ErrCorrupt, one that is not there
// sms.ErrNotFound.
func (s *Store) MT(ctx context.Context, n id.Number) (sms.MT, error) {
	row, err := s.row(ctx, "SELECT "+mtColumns+" FROM mt WHERE id = ?", int64(n))
	if err != nil {
		return sms.MT{}, err
	}
	m, err := scanMT(row)
	if errors.Is(err, sql.ErrNoRows) {
		err = sms.ErrNotFound
	}
	if err != nil {
		return m, fmt.Errorf("recipient %d: %w", n, err)
	}
	if m.Corrupt {
		s.log.Error("a recipient's row does not fit its checksum", "row", n)
		return sms.MT{}, fmt.Errorf("recipient %d: %w", n, sms.ErrCorrupt)
	}
	return m, nil
}

// Message reads the recipients of the tenant's message, in order.
func (s *Store) Message(ctx context.Context, of app.Tenant, n id.Number) ([]sms.MT, error) {
	// A message has at most as many rows as one Run draws numbers; the row's own count says how many.
	return s.mts(ctx, `SELECT `+mtColumns+` FROM mt WHERE id >= ? AND id < ? + (SELECT f.cnt FROM mt f WHERE f.id = ?)
		AND msg = ? AND app = ? ORDER BY id`, int64(n), int64(n), int64(n), int64(n), int64(of.App()))
}

func (s *Store) mts(ctx context.Context, text string, args ...any) ([]sms.MT, error) {
	var out []sms.MT
	err := s.rows(ctx, text, nil, args, func(r *sql.Rows) error {
		m, err := scanMT(r)
		out = append(out, m)
		return err
	})
	return out, err
}

const partColumns = `p.mt, p.part, p.parts, p.grp, p.raw, p.key, mt.recipient, p.state, p.code, p.word, p.sent, p.done, mt.app, p.link, mt.notify`

func scanPart(r *sql.Rows) (p sms.Part, err error) {
	var n, a, state, sent, done int64
	var raw []byte
	var to string
	if err := r.Scan(&n, &p.Part, &p.Parts, &p.Group, &raw, &p.Key, &to, &state, &p.Code, &p.Word, &sent, &done, &a, &p.Link, &p.Notify); err != nil {
		return p, err
	}
	p.MT, p.Raw, p.To, p.State, p.App = id.Number(n), string(raw), number.MSISDN(to), message.State(state), app.ID(a)
	p.Sent, p.Done = at(sent), at(done)
	return p, nil
}

// Parts reads the segments of a recipient, in order.
func (s *Store) Parts(ctx context.Context, n id.Number) ([]sms.Part, error) {
	var out []sms.Part
	err := s.rows(ctx, `SELECT `+partColumns+` FROM part p JOIN mt ON mt.id = p.mt WHERE p.mt = ? ORDER BY p.part, p.sent`, nil, []any{int64(n)},
		func(r *sql.Rows) error {
			p, err := scanPart(r)
			out = append(out, p)
			return err
		})
	return out, err
}

// Candidates reads the segments of an SMSC group with one of the canonical ids.
func (s *Store) Candidates(ctx context.Context, group string, keys []string) ([]sms.Part, error) {
	var out []sms.Part
	v := make([]any, 0, len(keys))
	for i, k := range keys {
		if k = clean(k); k != "" && !slices.Contains(keys[:i], k) {
			v = append(v, k)
		}
	}
	if len(v) == 0 {
		return nil, nil
	}
	err := s.rows(ctx, `WITH {r key text} SELECT `+partColumns+` FROM r JOIN part p ON p.key = r.key AND p.grp = ?
		JOIN mt ON mt.id = p.mt`, v, []any{group}, func(r *sql.Rows) error {
		p, err := scanPart(r)
		out = append(out, p)
		return err
	})
	return out, err
}

// Orphans reads receipts after a row that were stored before the moment, oldest first, for matching again.
func (s *Store) Orphans(ctx context.Context, after id.Number, before time.Time, n int) ([]sms.Early, error) {
	var out []sms.Early
	err := s.rows(ctx, `SELECT id, grp, raw, sender, state, code, word, done, pdu FROM orphan WHERE id > ? AND stored < ? ORDER BY id LIMIT ?`, nil,
		[]any{int64(after), ms(before), int64(n)}, func(r *sql.Rows) error {
			e, err := scanOrphan(r)
			out = append(out, e)
			return err
		})
	return out, err
}

// Overdue reads recipients that no receipt has made final although their validity ended before the
// given moment. A node whose clock is in doubt reads none.
func (s *Store) Overdue(ctx context.Context, expired time.Time, after id.Number, n int) ([]sms.MT, error) {
	if err := s.punctual(ctx); err != nil {
		return nil, err
	}
	// Nothing accepted after that moment has expired by it; and below the lowest row that was not final
	// when we last looked none ever will be again, so the look-up does not read the same rows twice.
	from, top := int64(after)+1, int64(id.At(expired))
	if after == 0 {
		var err error
		if from, err = s.firstOpen(ctx, top); err != nil {
			return nil, err
		}
	}
	var out []sms.MT
	err := s.steps(ctx, "mt", "id", from, top, readStep, func(first, last int64) (bool, error) {
		more, err := s.mts(ctx, `SELECT `+mtColumns+` FROM mt WHERE id >= ? AND id <= ? AND state < 10 AND expires < ? ORDER BY id LIMIT ?`,
			first, last, ms(expired), int64(n-len(out)))
		out = append(out, more...)
		return len(out) < n, err
	})
	return out, err
}
