package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
)

// There is one body of SQL. A statement that works on many rows names its row source once:
//
//	WITH {r id int, state int, code text}
//	UPDATE mt SET state = r.state, code = r.code FROM r WHERE mt.id = r.id AND mt.app = ?
//
// On SQLite the braces become r(id,state,code) AS (VALUES (?,?,?),(?,?,?)), on PostgreSQL
// r(id,state,code) AS (SELECT * FROM unnest($1::bigint[],$2::bigint[],$3::text[])): one statement, one
// plan, one round trip for any number of rows. Single values are question marks after it.
//
// {lock} stands for FOR UPDATE, {lock of x} for FOR UPDATE OF x and {skip} for FOR UPDATE SKIP LOCKED
// on PostgreSQL, and for nothing on SQLite, whose one writer needs no locks.

// dialect is the engine's way of saying it.
type dialect struct{ postgres bool }

// commitTime bounds a transaction on a server: after it the connection counts as lost and the outcome
// as unknown.
const commitTime = 15 * time.Second

// deadline is the context of a transaction. SQLite gets one without an end: its calls return by
// themselves, and a context that can end costs a goroutine for each.
func (d dialect) deadline() (context.Context, context.CancelFunc) {
	if d.postgres {
		return context.WithTimeout(context.Background(), commitTime)
	}
	return context.Background(), func() {}
}

// statement is a text taken apart.
type statement struct {
	text       string
	head, tail string // around the row source; all in head if there is none
	cols       []column
}

type column struct{ name, kind string }

// parse takes a statement apart. A malformed one is a mistake in this package: it yields SQL that the
// engine refuses, and every statement is run by the tests.
func parse(text string) *statement {
	st := &statement{text: text, head: text}
	i := strings.Index(text, "{r ")
	if i < 0 {
		return st
	}
	n := strings.IndexByte(text[i:], '}')
	if n < 0 {
		return st
	}
	st.head, st.tail = text[:i], text[i+n+1:]
	for f := range strings.SplitSeq(text[i+3:i+n], ",") {
		name, kind, _ := strings.Cut(strings.TrimSpace(f), " ")
		st.cols = append(st.cols, column{name, kind})
	}
	return st
}

// render gives the engine's text for n rows; on PostgreSQL it is the same for any n.
func (d dialect) render(st *statement, n int) string {
	var b strings.Builder
	arg := 0
	d.plain(&b, st.head, &arg)
	if st.cols != nil {
		b.WriteString("r(")
		for i, c := range st.cols {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(c.name)
		}
		b.WriteString(") AS (")
		if d.postgres {
			b.WriteString("SELECT * FROM unnest(")
			for i, c := range st.cols {
				if i > 0 {
					b.WriteByte(',')
				}
				arg++
				b.WriteByte('$')
				b.WriteString(strconv.Itoa(arg))
				switch c.kind {
				case "int":
					b.WriteString("::bigint[]")
				case "blob":
					b.WriteString("::bytea[]")
				default:
					b.WriteString("::text[]")
				}
			}
			b.WriteByte(')')
		} else {
			row := "(" + strings.Repeat("?,", len(st.cols)-1) + "?)"
			b.WriteString("VALUES ")
			for i := range n {
				if i > 0 {
					b.WriteByte(',')
				}
				b.WriteString(row)
			}
		}
		b.WriteByte(')')
		d.plain(&b, st.tail, &arg)
	}
	return b.String()
}

// plain copies SQL, numbering question marks and expanding locks.
func (d dialect) plain(b *strings.Builder, s string, arg *int) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '?' && d.postgres:
			*arg++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(*arg))
		case c == '{':
			n := strings.IndexByte(s[i:], '}')
			if n < 0 {
				b.WriteString(s[i:])
				return
			}
			if d.postgres {
				switch w := s[i+1 : i+n]; {
				case w == "lock":
					b.WriteString("FOR UPDATE")
				case w == "skip":
					b.WriteString("FOR UPDATE SKIP LOCKED")
				case strings.HasPrefix(w, "lock of "):
					b.WriteString("FOR UPDATE OF " + w[len("lock of "):])
				}
			}
			i += n
		default:
			b.WriteByte(c)
		}
	}
}

// columns turns rows into one array for each column, as unnest wants them.
func (st *statement) columns(vals []any) []any {
	w := len(st.cols)
	n := len(vals) / w
	out := make([]any, w)
	for c, col := range st.cols {
		switch col.kind {
		case "int":
			a := make([]int64, n)
			for i := range a {
				a[i] = vals[i*w+c].(int64)
			}
			out[c] = a
		case "blob":
			a := make([][]byte, n)
			for i := range a {
				a[i], _ = vals[i*w+c].([]byte)
			}
			out[c] = a
		default:
			a := make([]string, n)
			for i := range a {
				a[i] = clean(vals[i*w+c].(string))
			}
			out[c] = a
		}
	}
	return out
}

// single prepares values outside the row source.
func (d dialect) single(args []any) []any {
	if d.postgres {
		for i, a := range args {
			if s, ok := a.(string); ok {
				args[i] = clean(s)
			}
		}
	}
	return args
}

// clean makes a string one that a text column of either engine takes: UTF-8 without NUL. What must
// be kept byte for byte is in a blob.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// flag is how yes and no are stored.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// trouble is what an error of the engine means for the batch that met it.
type trouble int

const (
	troubleNone  trouble = iota
	troubleLogic         // one of the mutations is at fault
	troubleBusy          // somebody else holds what is needed; all are refused, the next batch may fare better
	troubleFull          // no space: refuse until there is
	troubleLost          // the connection is gone, the outcome of a commit unknown
	troubleFatal         // the storage lies: no acknowledgement ever again (reliability.md §0-2)
)

// Result codes of SQLite, https://www.sqlite.org/rescode.html.
const (
	sqliteBusy         = 5
	sqliteLocked       = 6
	sqliteNoMem        = 7
	sqliteReadOnly     = 8
	sqliteIOErr        = 10
	sqliteCorrupt      = 11
	sqliteFull         = 13
	sqliteCantOpen     = 14
	sqliteProtocol     = 15
	sqliteConstraint   = 19
	sqliteNotADB       = 26
	sqliteIOErrShmSize = sqliteIOErr | 19<<8
	sqliteIOErrWrite   = sqliteIOErr | 3<<8
	sqliteUnique       = sqliteConstraint | 8<<8
	sqlitePrimaryKey   = sqliteConstraint | 6<<8
)

// trouble classifies an error. full tells whether the disk is out of space, which SQLite reports as
// an I/O error where it grows its shared memory file.
func (d dialect) trouble(err error, full func() bool) trouble {
	if err == nil {
		return troubleNone
	}
	switch {
	case errors.Is(err, errLeaseLost), errors.Is(err, errGone):
		return troubleFatal
	case errors.Is(err, errNotConnected):
		return troubleLost
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case sqliteBusy, sqliteLocked, sqliteNoMem, sqliteProtocol, sqliteCantOpen:
			// An open store cannot open its file once more when file descriptors run out. That says nothing of the storage;
			// see present for a file that is gone.
			return troubleBusy
		case sqliteFull:
			return troubleFull
		case sqliteIOErr:
			if (lite.Code() == sqliteIOErrShmSize || lite.Code() == sqliteIOErrWrite) && full() {
				return troubleFull
			}
			return troubleFatal
		case sqliteCorrupt, sqliteNotADB, sqliteReadOnly:
			return troubleFatal
		}
		return troubleLogic
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch code := pg.Code; {
		case strings.HasPrefix(code, "53"): // insufficient resources: 53100 is disk full
			return troubleFull
		case code == "58030", code == "XX001", code == "XX002": // I/O error, data or an index corrupted
			return troubleFatal
		case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "57"), code == "25006": // going down, or a standby
			return troubleLost
		}
		return troubleLogic
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return troubleFull
	case errors.Is(err, syscall.EIO):
		return troubleFatal
	case !d.postgres:
		return troubleLogic
	}
	var netErr net.Error
	var con *pgconn.ConnectError
	switch {
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &netErr),
		errors.Is(err, net.ErrClosed), errors.As(err, &con), pgconn.Timeout(err), pgconn.SafeToRetry(err),
		strings.Contains(err.Error(), "conn closed"):
		return troubleLost
	}
	return troubleLogic
}

// taken reports whether the error says that a unique value is another row's.
func taken(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code() == sqliteUnique || lite.Code() == sqlitePrimaryKey
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505"
}

// chunk is how many of n rows go into the next statement on SQLite: any small number, and few large
// ones, so that the statements kept prepared are few.
func chunk(n int) int {
	for _, c := range [...]int{256, 64, 16} {
		if n >= c {
			return c
		}
	}
	return n
}

var errShape = errors.New("values do not fill rows")

func (st *statement) check(vals []any) error {
	if len(st.cols) == 0 || len(vals)%len(st.cols) != 0 {
		return fmt.Errorf("%w: %s", errShape, st.text)
	}
	return nil
}
