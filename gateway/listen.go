package gateway

import (
	"bytes"
	"net"
	"net/http"
	"strconv"

	"longlines/fault"
	"longlines/id"
	"longlines/wire"
)

// Listener gives the refusals that net/http writes by itself our envelope. What cannot even be read as
// HTTP never reaches a handler: net/http answers it in plain text, and some published kits parse every
// body (docs/reference/errors.md §1.1). It is for connections without TLS; below TLS nothing can be
// recognised any more.
func (g *Gateway) Listener(l net.Listener) net.Listener { return &listener{l, g} }

type listener struct {
	net.Listener
	g *Gateway
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{c, l.g}, nil
}

type conn struct {
	net.Conn
	g *Gateway
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
	if _, err := c.Conn.Write(c.g.unread(status, c.RemoteAddr())); err != nil {
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

// unread is the answer to a request that could not be read, and its record.
func (g *Gateway) unread(status int, remote net.Addr) []byte {
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
	g.store.Record(Record{ID: n, Status: status, Code: f.Code, Case: f.Case, Remote: remote.String()})
	body := wire.AppendFault(nil, wire.DialectRequestError, wire.JSON, f)
	b := make([]byte, 0, 512+len(body))
	b = append(b, "HTTP/1.1 "+strconv.Itoa(status)+" "+http.StatusText(status)+"\r\n"...)
	b = append(b, headerRequest+": "+name+"\r\n"+headerTransaction+": "+name+"\r\n"...)
	if g.publicURL != "" {
		b = append(b, "Link: <"+g.publicURL+f.Path()+">; rel=\"describedby\"\r\n"...)
	}
	b = append(b, "Content-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\nConnection: close\r\n\r\n"...)
	return append(b, body...)
}
