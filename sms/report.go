package sms

import (
	"context"
	"fmt"
	"math"
	"time"

	"longlines/id"
	"longlines/message"
	"longlines/queue"
	"longlines/timeline"
)

// orphanLife is how long a receipt waits for the segment it speaks of: the greatest validity and a
// day (docs/reference/reliability.md §3.5-5).
const orphanLife = maxValidity + 24*time.Hour

// ReportDLR takes a delivery receipt. When it returns nil the receipt is durable: applied to the
// segment it speaks of, or kept until that appears (docs/reference/reliability.md §3.5).
func (s *Service) ReportDLR(ctx context.Context, d message.DLR) error {
	keys := Keys(d.ID)
	if len(keys) == 0 {
		// Nothing can ever be found by an empty id; an error would make the centre repeat it for ever.
		s.unmatched(d.Group, "no_id")
		s.tellReceipt(d, nil, "no id")
		return nil
	}
	for tries := 1; ; tries++ {
		part, by, known, why, err := s.find(ctx, d, keys, false)
		if err != nil {
			return wrap("match a receipt", err)
		}
		if by != SpellingNone {
			missing, err := s.report(ctx, d, 0, part, by)
			if err != nil || !missing {
				return err
			}
			// The answer has been read, but the commit that says so failed and is tried again. As soon as it
			// comes through the receipt is found where it waits.
			known, why = 0, "early"
		}
		if tries == 3 {
			known = math.MaxInt // something odd goes on; the receipt is kept all the same
		}
		now := s.cfg.Now()
		o := &Orphan{DLR: d, Keys: keys, At: now, Expires: now.Add(orphanLife), Known: known}
		if err := s.cfg.Store.StoreOrphan(ctx, o); err != nil {
			return wrap("keep a receipt", err)
		}
		if o.Matched {
			continue // a segment was committed between the look and the write: look again
		}
		s.unmatched(d.Group, why)
		s.tellReceipt(d, nil, why)
		if why == "ambiguous" {
			s.cfg.Log.Warn("receipt fits more than one text", "component", "sms", "group", d.Group, "ref", d.ID, "to", d.From)
		}
		return nil
	}
}

// find looks for the one segment a receipt speaks of, first among those just submitted. known is how
// many in the store share a key with it.
func (s *Service) find(ctx context.Context, d message.DLR, keys []string, waited bool) (p Part, by Spelling, known int, why string, err error) {
	locked := s.learned.locked(d.Group)
	near, err := s.recent.find(ctx, d.Group, keys)
	if err != nil {
		return p, SpellingNone, 0, "", err
	}
	if p, by, _ = match(near, d, locked, waited); by != SpellingNone {
		return p, by, 0, "", nil
	}
	far, err := s.cfg.Store.Candidates(ctx, d.Group, keys)
	if err != nil {
		return p, SpellingNone, 0, "", err
	}
	p, by, ambiguous := match(merge(near, far), d, locked, waited)
	why = "early"
	if ambiguous {
		why = "ambiguous"
	}
	return p, by, len(far), why, nil
}

// merge joins what memory and store know; memory may be ahead.
func merge(near, far []Part) []Part {
	all := near
next:
	for _, f := range far {
		for _, n := range near {
			if n.MT == f.MT && n.Part == f.Part {
				continue next
			}
		}
		all = append(all, f)
	}
	return all
}

// report applies a receipt to its segment. orphan is its row if it has waited. missing says that the segment
// is not stored (yet): nothing was done.
func (s *Service) report(ctx context.Context, d message.DLR, orphan id.Number, part Part, by Spelling) (missing bool, err error) {
	var p place
	now := s.cfg.Now()
	r := &Report{Part: part, Orphan: orphan, State: d.State, Code: d.Code, Word: d.Word, Done: d.Done, Raw: d.Raw, At: now}
	if part.Notify {
		r.Callback = func(m MT) *queue.Job {
			j := s.statusJob(m, m.State)
			if j != nil {
				s.hold(&p, j)
			}
			return j
		}
	}
	err = s.cfg.Store.Report(ctx, r)
	if err != nil || r.Missing {
		s.settle(&p, nil)
		return r.Missing, wrap("record a receipt", err)
	}
	s.settle(&p, r.Added)
	if !r.Duplicate && s.learned.learn(d.Group, by) {
		s.cfg.Log.Info("spelling of the centre's ids is known", "component", "sms", "group", d.Group, "spelling", by.family().String())
	}
	if d.State.Final() {
		s.recent.reported(part, d.State, d.Done)
	}
	switch {
	case r.Conflict:
		s.cfg.Log.Warn("receipt contradicts the state that stands", "component", "sms", "message_id", s.Name(part.MT), "ref", d.ID, "word", d.Word)
		s.tellReceipt(d, &part, "conflict")
	case r.Duplicate:
		s.tellReceipt(d, &part, "repeated")
	default:
		s.tellReceipt(d, &part, "")
	}
	if r.Final {
		if c := s.cfg.Metrics; c != nil {
			c.messages.WithLabelValues("sms", "mt", r.Now.String(), part.Link).Inc()
			if !part.Sent.IsZero() {
				c.latency.WithLabelValues(part.Link).Observe(now.Sub(part.Sent).Seconds())
			}
		}
	}
	return false, nil
}

// tellReceipt puts a receipt on the timeline; part is nil if it found none.
func (s *Service) tellReceipt(d message.DLR, part *Part, note string) {
	t := s.cfg.Timeline
	if t == nil {
		return
	}
	e := timeline.Entry{Kind: timeline.KindReceipt, Title: "receipt " + d.Word, State: d.State.String(), Link: d.Group, Ref: d.ID, Number: d.From.String()}
	if d.Code != "" && d.Code != "000" {
		e.Title += " err " + d.Code
	}
	if note != "" {
		e.Title += " (" + note + ")"
	}
	if part == nil {
		e.State = "unmatched"
	} else {
		e.App, e.Link, e.Number = s.appName(part.App), part.Link, part.To.String()
		// The message is named by its first recipient, which for most is the segment's own.
		e.Message = s.Name(part.MT)
		if part.Parts > 1 {
			e.Title += fmt.Sprintf(" (segment %d of %d)", part.Part+1, part.Parts)
		}
	}
	t.Add(e)
}
