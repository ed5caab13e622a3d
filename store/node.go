package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"longlines/id"
)

const (
	beatEvery  = 5 * time.Second
	deadAfter  = 30 * time.Second // without a beat, by the database's clock
	fenceAfter = 20 * time.Second // a node that cannot beat stops writing before others call it dead
	deafAfter  = 5 * time.Second  // and one that does not hear what was revoked elsewhere (reliability.md §3.7 OAuth)
	maxSkew    = 2 * time.Second  // reliability.md R6
)

var (
	errLeaseLost    = errors.New("this node was declared dead by another one")
	errNotConnected = errors.New("no connection to the database")
)

// enter begins this incarnation: a row of its own, a slot for its row numbers, and the jobs of the
// dead freed.
func (s *Store) enter(ctx context.Context) error {
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	begin := "BEGIN IMMEDIATE"
	if s.d.postgres {
		begin = "BEGIN"
	}
	if _, err := conn.ExecContext(ctx, begin); err != nil {
		return err
	}
	if err := s.enterTx(ctx, conn); err != nil {
		conn.ExecContext(ctx, "ROLLBACK")
		return err
	}
	if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
		return err
	}
	s.beaten.Store(int64(time.Since(s.start)))
	s.heard.Store(s.beaten.Load())
	return nil
}

func (s *Store) enterTx(ctx context.Context, conn *sql.Conn) error {
	sqlText := func(text string) string { return s.d.render(parse(text), 0) }
	now := s.now()
	if s.d.postgres {
		// One node at a time enters, so that no two take the same slot.
		if _, err := conn.ExecContext(ctx, "LOCK TABLE node IN SHARE ROW EXCLUSIVE MODE"); err != nil {
			return err
		}
		db, err := dbTime(ctx, conn)
		if err != nil {
			return err
		}
		s.skew(time.Now(), db)
		now = db
	}
	if err := s.bury(ctx, conn, now); err != nil {
		return err
	}
	used := [id.Nodes]bool{}
	rows, err := conn.QueryContext(ctx, "SELECT slot FROM node")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var slot int
		if err := rows.Scan(&slot); err != nil {
			return err
		}
		if slot >= 0 {
			used[slot%id.Nodes] = true
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	host, _ := os.Hostname()
	err = conn.QueryRowContext(ctx, sqlText("INSERT INTO node (slot, name, started, beat) VALUES (-1, ?, ?, ?) RETURNING incarnation"),
		host, now.UnixMilli(), now.UnixMilli()).Scan(&s.self)
	if err != nil {
		return err
	}
	// Slots go round, so that one is not used again soon after its last holder fell silent.
	slot := -1
	for i := range id.Nodes {
		if n := int((s.self + int64(i)) % id.Nodes); !used[n] {
			slot = n
			break
		}
	}
	if slot < 0 {
		return fmt.Errorf("all %d places for nodes are taken", id.Nodes)
	}
	if _, err := conn.ExecContext(ctx, sqlText("UPDATE node SET slot = ? WHERE incarnation = ?"), slot, s.self); err != nil {
		return err
	}

	var floor int64
	for _, table := range [...]string{"mt", "mo", "mo_part", "token", "job", "attempt", "request", "orphan", "seen", "consent", "code", "pushed", "session"} {
		var top sql.NullInt64
		if err := conn.QueryRowContext(ctx, "SELECT max(id) FROM "+table).Scan(&top); err != nil {
			return err
		}
		floor = max(floor, top.Int64)
	}
	s.ids = id.NewSource(slot, id.Number(floor), s.now)

	if _, err := conn.ExecContext(ctx, sqlText("INSERT INTO meta (name, value) VALUES ('probe', ?) ON CONFLICT DO NOTHING"), []byte("-")); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, sqlText("INSERT INTO meta (name, value) VALUES ('sealer', ?) ON CONFLICT DO NOTHING"), id.NewKey()); err != nil {
		return err
	}
	var key []byte
	if err := conn.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'sealer'").Scan(&key); err != nil {
		return err
	}
	if s.sealer, err = id.NewSealer(key); err != nil {
		return err
	}

	var orphan, seq sql.NullInt64
	if err := conn.QueryRowContext(ctx, "SELECT max(id) FROM orphan").Scan(&orphan); err != nil {
		return err
	}
	s.orphaned.Store(orphan.Valid || s.d.postgres)
	if err := conn.QueryRowContext(ctx, "SELECT max(seq) FROM change").Scan(&seq); err != nil {
		return err
	}
	s.watch.seq = seq.Int64
	return nil
}

// bury declares dead whoever has not beaten, and frees their jobs. On SQLite that is everybody else:
// the directory is ours. Crashes counts against each job that was held, since it may be the one that
// killed its holder (reliability.md T23).
func (s *Store) bury(ctx context.Context, conn execer, now time.Time) error {
	before := now.Add(-deadAfter).UnixMilli()
	if !s.d.postgres {
		if _, err := conn.ExecContext(ctx, "DELETE FROM node"); err != nil {
			return err
		}
		_, err := conn.ExecContext(ctx, "UPDATE job SET owner = 0, crashes = crashes + 1 WHERE owner <> 0")
		return err
	}
	rows, err := conn.QueryContext(ctx, "DELETE FROM node WHERE beat < $1 AND incarnation <> $2 RETURNING incarnation", before, s.self)
	if err != nil {
		return err
	}
	var dead []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			rows.Close()
			return err
		}
		dead = append(dead, n)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(dead) == 0 {
		return err
	}
	_, err = conn.ExecContext(ctx, "UPDATE job SET owner = 0, crashes = crashes + 1 WHERE owner = ANY($1::bigint[])", dead)
	s.log.Warn("nodes are dead, their work goes on elsewhere", "incarnations", dead)
	return err
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// dbTime asks the database for its clock.
func dbTime(ctx context.Context, conn execer) (time.Time, error) {
	var ms int64
	err := conn.QueryRowContext(ctx, "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").Scan(&ms)
	return time.UnixMilli(ms), err
}

// skew compares the node's clock with the database's, asked at the moment given.
func (s *Store) skew(asked time.Time, db time.Time) {
	ours := s.now().Add(-time.Since(asked) / 2)
	if diff := ours.Sub(db); diff > maxSkew || diff < -maxSkew {
		s.setTrouble(&s.skewed, fmt.Errorf("this node's clock is %s away from the database's; set it right (NTP)", diff.Round(time.Millisecond)))
		return
	}
	s.setTrouble(&s.skewed, nil)
}

// punctual is an error if this node's clock is in doubt: then it must not decide that something's time is over (R6).
// The database is asked now, because a clock may have been set since the last beat.
func (s *Store) punctual(ctx context.Context) error {
	if !s.d.postgres {
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, maxSkew)
	defer stop()
	asked := time.Now()
	db, err := dbTime(ctx, s.read)
	if err != nil {
		return err
	}
	s.skew(asked, db)
	if err := s.skewed.Load(); err != nil {
		return *err
	}
	return nil
}

// fence locks the node's own row for the transaction: from here to the commit nobody can declare us
// dead, and if somebody has, nothing is written.
func (t *tx) fence() error {
	if !t.s.d.postgres {
		return nil
	}
	var err error
	t.xid, err = t.c.lockNode(t.ctx, "FOR KEY SHARE")
	return err
}

// noConn is the number of no connection: theirs are drawn at random and never negative.
const noConn = -1

// lockNode locks the node's own row and gives the number of the transaction that does.
func (c *committer) lockNode(ctx context.Context, how string) (xid string, err error) {
	err = c.conn.QueryRowContext(ctx, "SELECT pg_current_xact_id()::xid::text FROM node WHERE incarnation = $1 "+how, c.s.self).Scan(&xid)
	if errors.Is(err, sql.ErrNoRows) {
		return "", errLeaseLost
	}
	return xid, err
}

// resolve frees the jobs of the transaction in doubt. If it was committed after all, this incarnation owns the jobs
// that it claimed or added as held, and nobody here knows: its writers were refused (R2, R3). It is the first thing
// done after such a commit, so there is never more than one in doubt, and the jobs are told from those that are held
// here by the transaction that wrote their rows.
//
// So are the PDUs it brought. Their centres were asked to send them again, on the same connection, where a like PDU
// would be another text: they are made to have come on none.
//
// The server may still be at it. The lock of the row waits for its end, because the fence of each transaction has a
// share in it.
func (c *committer) resolve(ctx context.Context) (err error) {
	if c.doubt == "" {
		return nil
	}
	if _, err := c.conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			if _, e := c.conn.ExecContext(ctx, "ROLLBACK"); e != nil {
				c.drop()
			}
		}
	}()
	if _, err := c.lockNode(ctx, "FOR UPDATE"); err != nil {
		return err
	}
	res, err := c.conn.ExecContext(ctx, "UPDATE job SET owner = 0 WHERE owner = $1 AND xmin = $2::text::xid", c.s.self, c.doubt)
	if err != nil {
		return err
	}
	seen, err := c.conn.ExecContext(ctx, "UPDATE seen SET conn = $1 WHERE xmin = $2::text::xid", noConn, c.doubt)
	if err != nil {
		return err
	}
	if _, err := c.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return err
	}
	n, _ := res.RowsAffected()
	again, _ := seen.RowsAffected()
	c.s.log.Info("the outcome of the commit that got no answer is known", "jobs_freed", n, "texts_expected_again", again)
	c.doubt = ""
	return nil
}

// fenced is an error once this node has not been able to beat for so long that others may soon call
// it dead, or has not heard for so long what they have changed that it may act on a token revoked there.
func (s *Store) fenced() error {
	if !s.d.postgres {
		return nil
	}
	now := time.Since(s.start)
	if silent := now - time.Duration(s.beaten.Load()); silent > fenceAfter {
		return fmt.Errorf("%w for %s", errNotConnected, silent.Round(time.Second))
	}
	if deaf := now - time.Duration(s.heard.Load()); deaf > deafAfter {
		return fmt.Errorf("%w: the changes of other nodes have not been read for %s", errNotConnected, deaf.Round(time.Second))
	}
	return nil
}

// beats is the heartbeat.
func (s *Store) beats() {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), beatEvery)
		err := s.beat(ctx)
		cancel()
		switch {
		case errors.Is(err, errLeaseLost):
			s.fatal(err)
			return
		case err != nil:
			s.log.Warn("heartbeat", "err", err)
		}
	}
}

// beat says that this incarnation lives, checks the clock and buries the dead.
func (s *Store) beat(ctx context.Context) error {
	// The reading pool: the committer may be holding on to its connections.
	conn, err := s.read.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	asked := time.Now()
	var ms int64
	err = conn.QueryRowContext(ctx, `UPDATE node SET beat = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
		WHERE incarnation = $1 RETURNING beat`, s.self).Scan(&ms)
	if errors.Is(err, sql.ErrNoRows) {
		return errLeaseLost
	}
	if err != nil {
		return err
	}
	s.beaten.Store(int64(asked.Sub(s.start)))
	s.skew(asked, time.UnixMilli(ms))
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	if err := s.bury(ctx, conn, time.UnixMilli(ms)); err != nil {
		conn.ExecContext(ctx, "ROLLBACK")
		return err
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return err
}

// leave ends this incarnation in good order: its jobs are free and no crash is counted.
func (s *Store) leave(ctx context.Context) error {
	if s.dead.Load() != nil || s.write == nil {
		return nil
	}
	sqlText := func(text string) string { return s.d.render(parse(text), 0) }
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	// First the node, which waits for a commit of ours that the server may still be at: its jobs are to be freed too.
	if _, err := tx.ExecContext(ctx, sqlText("DELETE FROM node WHERE incarnation = ?"), s.self); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, sqlText("UPDATE job SET owner = 0 WHERE owner = ?"), s.self); err != nil {
		return err
	}
	return tx.Commit()
}

// discard makes the pool throw a connection away.
func discard(conn *sql.Conn) {
	conn.Raw(func(any) error { return sqlBad })
}
