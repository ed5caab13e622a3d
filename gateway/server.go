package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Limits bound what callers may take (docs/reference/reliability.md §2.4). The zero value of each
// means the default; none can be switched off.
type Limits struct {
	Head    int   // bytes of request line and headers: 16 KiB
	Headers int   // header lines: 100
	Body    int64 // bytes of a body, for rows without a figure of their own: 64 KiB

	HeadTime time.Duration // for reading the head: 5 s
	ReadTime time.Duration // for reading a whole request: 30 s
	Handler  time.Duration // for the handler, then 502: 30 s
	Write    time.Duration // for writing the answer: 30 s
	Idle     time.Duration // between requests of a connection: 60 s

	PerIP  int // connections of one address (IPv6: of one /64): 200
	PerApp int // calls of one app at once: 64
	// Loopback makes PerIP and PerApp hold for callers on loopback too. They are exempt by default:
	// they are our own tools and load tests, or a proxy on this machine behind which all addresses
	// look alike and which has limits of its own.
	Loopback bool
}

func (l Limits) filled() Limits {
	def(&l.Head, 16<<10)
	def(&l.Headers, 100)
	def(&l.Body, 64<<10)
	def(&l.HeadTime, 5*time.Second)
	def(&l.ReadTime, 30*time.Second)
	def(&l.Handler, 30*time.Second)
	def(&l.Write, 30*time.Second)
	def(&l.Idle, 60*time.Second)
	def(&l.PerIP, 200)
	def(&l.PerApp, 64)
	return l
}

func def[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Server returns an http.Server for the API listener, with the limits of the gateway. The caller
// serves, and shuts it down.
func (g *Gateway) Server() *http.Server {
	l := g.limits
	return &http.Server{
		Handler:           g,
		ReadHeaderTimeout: l.HeadTime,
		ReadTimeout:       l.ReadTime,
		// It runs from the end of the head, so the handler's time is part of it.
		WriteTimeout: l.ReadTime + l.Handler + l.Write,
		IdleTimeout:  l.Idle,
		// Beyond it net/http answers 431 by itself, in plain text. The gateway counts first and
		// answers in the caller's envelope; only what is four times too large meets net/http.
		MaxHeaderBytes:               4 * l.Head,
		DisableGeneralOptionsHandler: true,
		ConnContext:                  g.conns.opened(g),
		ConnState:                    g.conns.state,
		HTTP2:                        &http.HTTP2Config{MaxConcurrentStreams: 100},
		ErrorLog:                     slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
}

// tooLarge counts the head as it was on the wire, more or less: line ends and separators included.
func (g *Gateway) tooLarge(r *http.Request) bool {
	n := len(r.Method) + len(r.RequestURI) + len(r.Host) + 32
	lines := 1
	for name, values := range r.Header {
		lines += len(values)
		for _, v := range values {
			n += len(name) + len(v) + 4
		}
	}
	return n > g.limits.Head || lines > g.limits.Headers
}

// peer is the other end of a connection.
type peer struct {
	loopback bool
	proxy    bool  // one of ours, which has many connections and speaks for others
	excess   bool  // one connection too many: it is told so and closed
	conn     *conn // nil: not of our Listener
}

type peerKey struct{}

// conns counts connections by address.
type conns struct {
	mu sync.Mutex
	of map[netip.Addr]int
}

func (c *conns) opened(g *Gateway) func(context.Context, net.Conn) context.Context {
	return func(ctx context.Context, nc net.Conn) context.Context {
		a := addressOf(nc)
		p := &peer{loopback: a.IsLoopback()}
		p.conn, _ = nc.(*conn)
		if t, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
			p.proxy = trusted(g.proxies, t.AddrPort().Addr().Unmap().WithZone(""))
		}
		c.mu.Lock()
		if c.of == nil {
			c.of = map[netip.Addr]int{}
		}
		c.of[a]++
		n := c.of[a]
		c.mu.Unlock()
		if !p.proxy && (!p.loopback || g.limits.Loopback) {
			p.excess = n > g.limits.PerIP
			if n > 2*g.limits.PerIP {
				nc.Close() // not even a word: words cost memory too
			}
		}
		return context.WithValue(ctx, peerKey{}, p)
	}
}

func (c *conns) state(nc net.Conn, s http.ConnState) {
	if s != http.StateClosed && s != http.StateHijacked {
		return
	}
	a := addressOf(nc)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[a]--; c.of[a] <= 0 {
		delete(c.of, a)
	}
}

// addressOf is the address of a connection; of IPv6 the /64, which is what one subscriber has.
func addressOf(nc net.Conn) netip.Addr {
	t, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	a := t.AddrPort().Addr().Unmap()
	if a.Is6() && !a.IsLoopback() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}
