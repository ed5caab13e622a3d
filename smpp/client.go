package smpp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// BindConfig is what an ESME binds with.
type BindConfig struct {
	Kind         BindKind // default: transceiver
	SystemID     string   // at most 15 octets
	Password     string   // at most 8 octets
	SystemType   string   // at most 12 octets
	Version      uint8    // interface_version; default Version34
	AddrTON      uint8    // of the addresses served
	AddrNPI      uint8
	AddressRange string // at most 40 octets
}

// DialConfig says where and as whom to bind.
type DialConfig struct {
	Addr    string        // host:port
	TLS     *tls.Config   // nil: plain TCP
	Timeout time.Duration // for connecting and binding together; default 30 s
	Bind    BindConfig
	Session SessionConfig
}

// Dial connects, binds as an ESME and returns the session with the centre's answer. If the centre refuses the bind,
// its Status is found in the error; a *NackError likewise.
func Dial(ctx context.Context, cfg DialConfig) (*Session, *BindResp, error) {
	ctx, cancel := cfg.within(ctx)
	defer cancel()
	var conn net.Conn
	var err error
	if cfg.TLS != nil {
		conn, err = (&tls.Dialer{Config: cfg.TLS}).DialContext(ctx, "tcp", cfg.Addr)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", cfg.Addr)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("connect to %s: %w", cfg.Addr, err)
	}
	s, resp, err := bindOver(ctx, conn, bufio.NewReaderSize(conn, handshakeBuffer), cfg)
	if err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("bind to %s: %w", cfg.Addr, err)
	}
	return s, resp, nil
}

// AcceptOutbind takes a connection on which a centre is to say outbind, asks check whether the
// centre is the one expected (nil: anybody is), and binds over that connection with cfg, whose Addr and
// TLS are not used. It owns conn from the call on, and closes it on any error.
func AcceptOutbind(ctx context.Context, conn net.Conn, cfg DialConfig, check func(*Outbind) error) (*Session, *BindResp, error) {
	ctx, cancel := cfg.within(ctx)
	defer cancel()
	s, resp, err := acceptOutbind(ctx, conn, cfg, check)
	if err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("outbind from %s: %w", conn.RemoteAddr(), err)
	}
	return s, resp, nil
}

func acceptOutbind(ctx context.Context, conn net.Conn, cfg DialConfig, check func(*Outbind) error) (*Session, *BindResp, error) {
	r := bufio.NewReaderSize(conn, handshakeBuffer)
	stop := deadlineOf(ctx, conn)
	h, p, err := readPDU(r, cfg.Session.OnPDU)
	if !stop() {
		return nil, nil, ctx.Err()
	}
	if err != nil {
		return nil, nil, err
	}
	o, ok := p.(*Outbind)
	if !ok {
		return nil, nil, fmt.Errorf("%s instead of outbind", h.ID)
	}
	if check != nil {
		if err := check(o); err != nil {
			return nil, nil, err
		}
	}
	return bindOver(ctx, conn, r, cfg)
}

func (c *DialConfig) within(ctx context.Context) (context.Context, context.CancelFunc) {
	t := c.Timeout
	if t <= 0 {
		t = 30 * time.Second
	}
	return context.WithTimeout(ctx, t)
}

const (
	handshakeBuffer = 4 << 10 // octets; a peer that is not bound gets no more
	handshakePDUs   = 16      // PDUs a peer may send before the bind is decided
)

// deadlineOf makes reads and writes on conn fail when ctx ends. The function it returns ends that, and reports that
// ctx had not ended before.
func deadlineOf(ctx context.Context, conn net.Conn) func() bool {
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return func() bool {
		if !stop() {
			return false
		}
		conn.SetDeadline(time.Time{})
		return true
	}
}

// readPDU reads a PDU before the bind.
func readPDU(r *bufio.Reader, see func(Direction, Header, []byte)) (Header, PDU, error) {
	frame, err := ReadFrame(r, MaxPDUUnbound, nil)
	if err != nil {
		return Header{}, nil, err
	}
	if see != nil {
		observe(see, Received, parseHeader(frame), frame)
	}
	return Decode(frame)
}

// writePDU writes a PDU before the bind.
func writePDU(conn net.Conn, h Header, p PDU, see func(Direction, Header, []byte)) error {
	b, err := Append(nil, h, p)
	if err != nil {
		return err
	}
	if see != nil {
		observe(see, Sent, parseHeader(b), b)
	}
	_, err = conn.Write(b)
	return err
}

func noDelay(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		t.SetNoDelay(true) // Go's default, but a window stalls without it when the peer delays its acks
	}
}

func bindOver(ctx context.Context, conn net.Conn, r *bufio.Reader, cfg DialConfig) (*Session, *BindResp, error) {
	noDelay(conn)
	c := cfg.Bind
	if c.Version == 0 {
		c.Version = Version34
	}
	bind := Bind{Kind: c.Kind, SystemID: c.SystemID, Password: c.Password, SystemType: c.SystemType, InterfaceVersion: c.Version,
		AddrTON: c.AddrTON, AddrNPI: c.AddrNPI, AddressRange: c.AddressRange}
	stop := deadlineOf(ctx, conn)
	resp, err := sayBind(conn, r, &bind, cfg.Session.OnPDU)
	if !stop() {
		return nil, nil, ctx.Err()
	}
	if err != nil {
		return nil, nil, err
	}
	buffered, _ := r.Peek(r.Buffered())
	s := newSession(conn, buffered, ESME, bind, 1, cfg.Session)
	s.start(nil)
	return s, resp, nil
}

// sayBind sends the bind as number 1 and waits for its answer.
func sayBind(conn net.Conn, r *bufio.Reader, bind *Bind, see func(Direction, Header, []byte)) (*BindResp, error) {
	if err := writePDU(conn, Header{Sequence: 1}, bind, see); err != nil {
		return nil, err
	}
	for range handshakePDUs {
		h, p, err := readPDU(r, see)
		var bad *DecodeError
		if errors.As(err, &bad) && !bad.Fatal && !h.ID.IsResponse() {
			continue
		}
		if err != nil {
			return nil, err
		}
		switch p := p.(type) {
		case *BindResp: // of whatever kind: some centres answer each bind with the same
			if h.Status != StatusROK {
				return nil, h.Status
			}
			return p, nil
		case *GenericNack:
			return nil, &NackError{h.Status}
		case *EnquireLink: // some centres are impatient
			if err := writePDU(conn, Header{Sequence: h.Sequence}, &EnquireLinkResp{}, see); err != nil {
				return nil, err
			}
		case *Unbind:
			return nil, ErrPeerUnbound
		}
	}
	return nil, errors.New("no bind response among the first PDUs")
}
