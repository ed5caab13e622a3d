package gateway

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"longlines/fault"
	"longlines/id"
	"longlines/wire"
)

// Listener is to be served in place of l, if there is no TLS on it: below TLS nothing can be recognised.
//
// It gives the refusals that net/http writes by itself our envelope. What cannot even be read as HTTP
// never reaches a handler: net/http answers it in plain text, and some published kits parse every body
// (docs/reference/errors.md §1.1).
//
// And it watches what becomes of a reply with an After.
func (g *Gateway) Listener(l net.Listener) net.Listener {
	return &listener{Listener: l, g: g, leaving: map[*conn]struct{}{}}
}

type listener struct {
	net.Listener
	g *Gateway

	mu      sync.Mutex
	closed  bool
	leaving map[*conn]struct{} // closed by us, and watched until the peer has closed too
	wg      sync.WaitGroup     // a goroutine for each
}

// Close ends the watch over connections that are being left: their replies count as received.
func (l *listener) Close() error {
	l.mu.Lock()
	l.closed = true
	for c := range l.leaving {
		c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
	l.mu.Unlock()
	err := l.Listener.Close()
	l.wg.Wait()
	return err
}

// leave closes our half of a connection and reports whether it is watched further; then over must be
// called at the end. An error says that the peer has gone.
func (l *listener) leave(c *conn) (watched bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false, nil
	}
	if err := errors.Join(c.CloseWrite(), c.Conn.SetReadDeadline(time.Now().Add(resetTime))); err != nil {
		return false, err
	}
	l.leaving[c] = struct{}{}
	l.wg.Add(1)
	return true, nil
}

func (l *listener) over(c *conn) {
	l.mu.Lock()
	delete(l.leaving, c)
	l.mu.Unlock()
	l.wg.Done()
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, l: l}, nil
}

// conn is a connection that knows what became of the replies on it.
type conn struct {
	net.Conn
	l *listener

	mu     sync.Mutex
	ended  bool // the peer has reset the connection, or said that it sends no more
	closed bool
	asking map[*asking]struct{}
}

// asking is somebody who wants to know whether a reply was received.
type asking struct {
	after func(received bool)
	timer *time.Timer
}

// resetTime is how long a connection is watched after a reply (docs/reference/reliability.md §3.7): a
// reply that was written is in the kernel's hands, and only a reset tells that nobody took it.
const resetTime = time.Second

// received calls after, soon, with whether a reply just written has reached the peer, for all that can
// be known: not if the connection was reset within [resetTime], or was left before the reply.
func (c *conn) received(after func(bool)) {
	c.mu.Lock()
	if c.ended || c.closed {
		c.mu.Unlock()
		after(false)
		return
	}
	a := &asking{after: after}
	if c.asking == nil {
		c.asking = map[*asking]struct{}{}
	}
	c.asking[a] = struct{}{}
	a.timer = time.AfterFunc(resetTime, func() {
		c.mu.Lock()
		_, mine := c.asking[a]
		delete(c.asking, a)
		c.mu.Unlock()
		if mine {
			after(true)
		}
	})
	c.mu.Unlock()
}

// settle tells all who ask.
func (c *conn) settle(received bool) {
	c.mu.Lock()
	all := c.asking
	c.asking = nil
	c.mu.Unlock()
	for a := range all {
		a.timer.Stop()
		a.after(received)
	}
}

// Read watches for the end of the connection.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return n, err
	}
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.settle(errors.Is(err, io.EOF))
	return n, err
}

// Close closes the connection. If somebody still wants to know what became of a reply, only our half
// of it is closed at once.
func (c *conn) Close() error {
	c.mu.Lock()
	watch := !c.closed && !c.ended && len(c.asking) > 0
	c.closed = true
	c.mu.Unlock()
	if watch {
		var err error
		if watch, err = c.l.leave(c); err != nil {
			c.settle(false)
		}
	}
	if !watch {
		c.settle(true)
		return c.Conn.Close()
	}
	go func() {
		defer c.l.over(c)
		_, err := io.Copy(io.Discard, io.LimitReader(c.Conn, maxDrain))
		c.settle(err == nil || errors.Is(err, os.ErrDeadlineExceeded))
		c.Conn.Close()
	}()
	return nil
}

// plain is how each refusal of net/http goes on after its first line (net/http's server.go). A body of
// ours cannot contain it: there are no bare line ends in JSON strings, and none with CR in XML.
var plain = []byte("\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")

// expectation is how net/http begins its answer to an Expect it does not know; it has no body.
var expectation = []byte("HTTP/1.1 417 Expectation Failed\r\n")

// Write puts a refusal of ours in place of one of net/http's.
func (c *conn) Write(p []byte) (int, error) {
	if !bytes.HasPrefix(p, expectation[:len("HTTP/1.1 ")]) || len(p) < len(expectation) {
		return c.Conn.Write(p)
	}
	line, _, _ := bytes.Cut(p, plain[:2])
	if !bytes.HasPrefix(p, expectation) && !bytes.HasPrefix(p[len(line):], plain) {
		return c.Conn.Write(p)
	}
	status, err := strconv.Atoi(string(p[len("HTTP/1.1 "):][:3]))
	if err != nil {
		return c.Conn.Write(p)
	}
	if _, err := c.Conn.Write(c.l.g.unread(status, c)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// CloseWrite lets net/http end the answer while the peer still writes, so that it is read.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// unread is the answer to a request on a connection that could not be read, and its record.
func (g *Gateway) unread(status int, c net.Conn) []byte {
	f := fault.Unparsable
	switch status {
	case http.StatusRequestHeaderFieldsTooLarge:
		f = fault.HeadTooLarge
	case http.StatusExpectationFailed:
		f = f.With("Expect")
	case http.StatusNotImplemented:
		f = f.With("Transfer-Encoding")
	case http.StatusHTTPVersionNotSupported:
		f = f.With("HTTP version")
	}
	n := g.store.NextRequest()
	name := id.Request(n)
	f = f.ForRequest(name)
	f.Status = status
	g.miss.metrics.missed("", status, 0)
	if g.strangers.AllowN(g.now(), 1) {
		g.store.Record(Record{ID: n, Status: status, Code: f.Code, Case: f.Case, Remote: c.RemoteAddr().String()})
	}
	body := wire.AppendFault(nil, wire.DialectRequestError, wire.JSON, f)
	b := make([]byte, 0, 512+len(body))
	b = append(b, "HTTP/1.1 "+strconv.Itoa(status)+" "+http.StatusText(status)+"\r\n"...)
	b = append(b, headerRequest+": "+name+"\r\n"+headerTransaction+": "+name+"\r\n"...)
	base := g.publicURL
	if base == "" { // which host was asked for nobody can tell
		base = "http://" + c.LocalAddr().String()
	}
	b = append(b, "Link: <"+base+f.Path()+">; rel=\"describedby\"\r\n"...)
	b = append(b, "Content-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\nConnection: close\r\n\r\n"...)
	return append(b, body...)
}
