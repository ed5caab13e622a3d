package sms

import (
	"context"
	"errors"
	"sync"
	"time"

	"longlines/id"
	"longlines/message"
	"longlines/queue"
)

// sweeps are what Run does now and then. Each is safe to do on several nodes at once. The store refuses those that end
// or erase something to a node whose clock is in doubt (docs/reference/reliability.md §3.0 R6).
var sweeps = []struct {
	name  string
	every time.Duration
	do    func(*Service, context.Context) error
}{
	{"match receipts again", 2 * time.Second, (*Service).rematch},
	{"route the texts of links that are gone or down", 5 * time.Second, (*Service).reroute},
	{"end texts without a receipt", time.Minute, (*Service).giveUpWaiting},
	{"join texts with missing segments", time.Hour, (*Service).joinStale},
	{"prune", 24 * time.Hour, (*Service).prune},
}

// Run does the housekeeping until the context ends, then returns nil. No sweep waits for another.
func (s *Service) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, w := range sweeps {
		all.Go(func() {
			// The first comes early: what a restart has left behind should not wait for a day.
			next := time.NewTimer(min(w.every, time.Minute))
			defer next.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-next.C:
				}
				next.Reset(w.every)
				if err := w.do(s, ctx); err != nil && ctx.Err() == nil {
					s.cfg.Log.Warn("could not "+w.name, "component", "sms", "err", err)
				}
			}
		})
	}
	all.Wait()
	return nil
}

const sweepSize = 200 // rows per sweep, so that none holds up the hot writes

const (
	answerTime = 2 * time.Second // after which the answer to a receipt's submit should be here
	young      = time.Minute     // an orphan that is looked at with each sweep
	youngPages = 20              // at most
	rematchers = 64              // orphans looked at at once
)

// rematch looks again for the segments of waiting receipts. Nearly all are consumed when the answer to
// their submit is committed; this finds the rest. Receipts that nothing will ever fit may be many: of
// those that have waited for long each sweep takes the next page, round and round, and they hold up no
// young one.
func (s *Service) rematch(ctx context.Context) error {
	now := s.cfg.Now()
	after := id.At(now.Add(-young))
	for range youngPages {
		last, err := s.rematchPage(ctx, after, now.Add(-answerTime))
		if err != nil {
			return err
		}
		if last == 0 {
			break
		}
		after = last
	}
	last, err := s.rematchPage(ctx, id.Number(s.swept.Load()), now.Add(-young))
	s.swept.Store(int64(last)) // also past one that cannot be reported: it must not keep those behind it waiting
	return err
}

// rematchPage looks at the orphans after a row, and names the last if there may be more; the same row if none could be read.
func (s *Service) rematchPage(ctx context.Context, after id.Number, before time.Time) (last id.Number, err error) {
	page, err := s.cfg.Store.Orphans(ctx, after, before, sweepSize)
	if err != nil {
		return after, err
	}
	// Many at once, so that their reports share commits.
	var all sync.WaitGroup
	errs := make([]error, len(page))
	slots := make(chan struct{}, rematchers)
	for i, e := range page {
		slots <- struct{}{}
		all.Go(func() {
			errs[i] = s.reportEarly(ctx, e, true)
			<-slots
		})
	}
	all.Wait()
	if len(page) == sweepSize {
		last = page[len(page)-1].Row
	}
	return last, errors.Join(errs...)
}

// reportEarly looks for the segment of a receipt that is kept already, and leaves it where it is if
// there is none. The store removes it with its report.
func (s *Service) reportEarly(ctx context.Context, e Early, waited bool) error {
	keys := Keys(e.DLR.ID)
	if len(keys) == 0 {
		return nil
	}
	part, by, _, _, err := s.find(ctx, e.DLR, keys, waited)
	if err != nil || by == SpellingNone {
		return err
	}
	_, err = s.report(ctx, e.DLR, e.Row, part, by)
	return err
}

// reroute gives a worker to the lanes of links that are gone, or down and have a fallback. Its submits
// are refused as unsent, which sends each text to the link that the rules name now. When the link comes
// up again its lane gets all its workers.
func (s *Service) reroute(ctx context.Context) error {
	if s.cfg.Stranded == nil {
		return nil
	}
	lanes, err := s.cfg.Stranded(ctx)
	if err != nil {
		return err
	}
	for _, lane := range lanes {
		s.cfg.Log.Info("texts that need not wait for their link are routed again", "component", "sms", "link", lane)
		s.cfg.Queue.SetLane(queue.KindSubmit, lane, 1)
	}
	return nil
}

// giveUpWaiting makes those recipients uncertain for whom no receipt came by the end of their validity
// and a day (docs/reference/reliability.md §3.5-8).
func (s *Service) giveUpWaiting(ctx context.Context) error {
	var after id.Number
	for ctx.Err() == nil {
		rows, err := s.cfg.Store.Overdue(ctx, s.cfg.Now().Add(-24*time.Hour), after, sweepSize)
		if err != nil || len(rows) == 0 {
			return err
		}
		for i := range rows {
			m := &rows[i]
			after = m.ID
			if m.State.Final() {
				continue
			}
			state := message.StateUncertain
			if m.Corrupt {
				m, state = &MT{ID: m.ID}, message.StateQuarantined
			}
			if err := s.end(ctx, queue.Job{}, m, state, m.Code, m.Twice, nil); err != nil {
				return err
			}
		}
		if len(rows) < sweepSize {
			return nil
		}
	}
	return nil
}

// joinStale delivers texts of which segments are still missing after a day, as far as they came.
func (s *Service) joinStale(ctx context.Context) error {
	before := s.cfg.Now().Add(-24 * time.Hour)
	for ctx.Err() == nil {
		n, err := s.joinSome(ctx, before)
		if err != nil || n == 0 {
			return err
		}
	}
	return nil
}

// joinSome delivers some of them and reports how many: none if none are left.
func (s *Service) joinSome(ctx context.Context, before time.Time) (n int, err error) {
	// The places are found again by the job's number: the store calls back once or more per text.
	places := map[id.Number]*place{}
	joined, err := s.cfg.Store.JoinStale(context.WithoutCancel(ctx), before, func(m MO) *queue.Job {
		j := s.textJob(m)
		if j != nil {
			p := &place{}
			s.hold(p, j)
			places[j.ID] = p
		}
		return j
	})
	if err == nil {
		for i := range joined {
			r := &joined[i]
			if r.Added != nil && places[r.Added.ID] != nil {
				s.settle(places[r.Added.ID], r.Added)
			}
			r.MO = r.Stored
			s.tellMO(r, s.app(r.MO.App), "segments missing")
		}
	}
	for _, p := range places {
		s.settle(p, nil)
	}
	return len(joined), err
}

func (s *Service) prune(ctx context.Context) error {
	now := s.cfg.Now()
	return s.cfg.Store.Prune(ctx, now.Add(-s.cfg.Content), now.Add(-s.cfg.Meta))
}
