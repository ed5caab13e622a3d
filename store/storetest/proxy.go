package storetest

import (
	"bytes"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Proxy passes bytes between a node and its PostgreSQL server and, when asked to, does what a network does at the
// worst moment. It looks for words in what the node sends. A statement is spelled out once on a connection and named
// after that, but COMMIT is always spelled.
type Proxy struct {
	URL string // of the database, through the proxy

	network, addr string
	listener      net.Listener
	work          sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	cut   *trap
	hold  *trap
}

// trap is what is to be done once.
type trap struct {
	words   []byte
	sprung  chan struct{}
	release chan struct{}
}

// NewProxy starts a proxy for the database; it ends with the test.
func NewProxy(t testing.TB, database string) *Proxy {
	t.Helper()
	cfg, err := pgconn.ParseConfig(database)
	must(t, err)
	u, err := url.Parse(database)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	q := u.Query()
	q.Del("host")
	q.Del("port")
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = l.Addr().String(), q.Encode()
	p := &Proxy{URL: u.String(), listener: l, conns: map[net.Conn]bool{}}
	p.network, p.addr = pgconn.NetworkAddress(cfg.Host, cfg.Port)
	p.work.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.work.Wait()
	})
	return p
}

// CutCommit takes the answer away from the committer's next COMMIT, and first waits for the words to pass, if there are
// any. The server gets it and will carry it out; the node's end of the connection is closed at once.
func (p *Proxy) CutCommit(words string) (done <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = &trap{words: []byte(words), sprung: make(chan struct{})}
	return p.cut.sprung
}

// Hold keeps the next message with the words, and what follows it on the same connection, until it is released.
func (p *Proxy) Hold(words string) (held <-chan struct{}, release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := &trap{words: []byte(words), sprung: make(chan struct{}), release: make(chan struct{})}
	p.hold = h
	return h.sprung, sync.OnceFunc(func() { close(h.release) })
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(p.network, p.addr)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.work.Go(func() { p.forth(client, server) })
		p.work.Go(func() { back(server, client) })
	}
}

// cancelRequest asks the server to break off what it does for another connection. It does not get through either.
var cancelRequest = []byte{0, 0, 0, 16, 4, 210, 22, 46}

// forth passes on what the node sends.
func (p *Proxy) forth(client, server net.Conn) {
	buf := make([]byte, 64<<10)
	committers := false // it locks the node's row, as nobody else does
	var armed *trap     // its words have passed
	for {
		n, err := client.Read(buf)
		if err != nil || bytes.HasPrefix(buf[:n], cancelRequest) {
			server.Close()
			return
		}
		committers = committers || bytes.Contains(buf[:n], []byte("FOR KEY SHARE"))
		p.mu.Lock()
		cut, hold := p.cut, p.hold
		if cut != nil && committers && bytes.Contains(buf[:n], cut.words) {
			armed = cut
		}
		ends := cut != nil && cut == armed && bytes.Contains(buf[:n], []byte("COMMIT\x00"))
		if ends {
			p.cut = nil
		}
		holds := hold != nil && bytes.Contains(buf[:n], hold.words)
		if holds {
			p.hold = nil
		}
		p.mu.Unlock()
		if holds {
			close(hold.sprung)
			<-hold.release
		}
		server.Write(buf[:n])
		if ends {
			client.Close() // the server's end stays, until it has answered
			close(cut.sprung)
			return
		}
	}
}

// back passes on what the server says.
func back(server, client net.Conn) {
	defer client.Close()
	defer server.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}
