package store

import (
	"context"
	"database/sql/driver"
	"sync"
	"time"
)

// The kinds of change that are published.
const (
	ChangeApp     = "app"
	ChangeLink    = "link"
	ChangeRule    = "rule"
	ChangeOptOut  = "optout"
	ChangeToken   = "token"
	ChangeConsent = "consent"
)

// sqlBad tells database/sql that a connection must not be used again.
var sqlBad = driver.ErrBadConn

// change is a fact that what is kept in memory, here or on another node, may be out of date.
type change struct {
	kind string
	ref  int64
}

type watchers struct {
	mu  sync.RWMutex
	fns map[string][]func(int64)
	seq int64 // the last change that the follower has told; its own
}

// Watch calls fn for each change of a kind from now on, with the number of the row it concerns:
// after a commit of this node before its writer is answered, and within a second of one of any node.
// So a change of this node is told twice on PostgreSQL, the second time in no order with what has come
// after it: fn must not mind. It is called from the committer: it must be quick and must not wait for a
// write.
func (s *Store) Watch(kind string, fn func(ref int64)) {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	if s.watch.fns == nil {
		s.watch.fns = map[string][]func(int64){}
	}
	s.watch.fns[kind] = append(s.watch.fns[kind], fn)
}

func (s *Store) notify(changes []change) {
	if len(changes) == 0 {
		return
	}
	s.watch.mu.RLock()
	defer s.watch.mu.RUnlock()
	for _, c := range changes {
		for _, fn := range s.watch.fns[c.kind] {
			fn(c.ref)
		}
	}
}

// changed publishes a change with the commit.
func (t *tx) changed(kind string, ref int64) { t.changes = append(t.changes, change{kind, ref}) }

// changeLock is taken to the end of the transaction before a change gets its number, so that numbers
// rise in the order of commits and a reader that has seen one has seen all below it.
const changeLock = 0x6c6c6368

// insertChanges tells the followers, the others' and our own. There are none on SQLite.
func (t *tx) insertChanges() error {
	if len(t.changes) == 0 || !t.s.d.postgres {
		return nil
	}
	if _, err := t.exec("SELECT pg_advisory_xact_lock(?)", nil, int64(changeLock)); err != nil {
		return err
	}
	v := t.vals[:0]
	for _, c := range t.changes {
		v = append(v, t.s.self, c.kind, c.ref, ms(t.now))
	}
	_, err := t.exec(`WITH {r node int, kind text, ref int, at int}
		INSERT INTO change (node, kind, ref, at) SELECT node, kind, ref, at FROM r`, v)
	t.vals = v[:0]
	return err
}

const (
	pollChanges = 500 * time.Millisecond
	pollTime    = 2 * time.Second // for one poll
)

// follows polls for changes (R3: what a wake-up can miss, a poll finds): those of other nodes, and our own
// as well. When the answer to a COMMIT is lost, its writer is refused and nobody is told, and yet what it
// has revoked may be revoked.
func (s *Store) follows() {
	tick := time.NewTicker(pollChanges)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		asked := time.Since(s.start)
		ctx, cancel := context.WithTimeout(context.Background(), pollTime)
		changes, err := s.pollChanges(ctx)
		cancel()
		if err != nil {
			s.log.Warn("poll for changes", "err", err)
			continue
		}
		s.notify(changes)
		s.heard.Store(int64(asked))
	}
}

func (s *Store) pollChanges(ctx context.Context) ([]change, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT seq, kind, ref FROM change WHERE seq > $1 ORDER BY seq LIMIT 10000", s.watch.seq)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []change
	last := s.watch.seq
	for rows.Next() {
		var c change
		if err := rows.Scan(&last, &c.kind, &c.ref); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	s.watch.seq = last
	return out, nil
}
