package smsc

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"longlines/route"
	"longlines/smpp"
)

// Try tests the settings of a link without running it: it resolves the name, connects, agrees on TLS,
// binds, asks enquire_link, and unbinds, each over one connection. The steps that were reached are
// returned, the last of them failed if not all are there; a step that failed says what the centre
// answered and what to do. roots is as Config.TLS.
func Try(ctx context.Context, l route.Link, roots *tls.Config, timeout time.Duration) []route.Step {
	if timeout <= 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	t := &try{link: l.Defaulted()}
	defer t.close()
	kind := smpp.BindTransceiver
	switch t.link.Bind {
	case "transmitter", "pair":
		kind = smpp.BindTransmitter
	case "receiver":
		kind = smpp.BindReceiver
	}
	s := &SMSC{cfg: Config{TLS: roots}, link: t.link}
	steps := []struct {
		name string
		do   func(context.Context) (detail string, err error)
		hint string
	}{
		{"resolve", t.resolve, "check the host name, and the resolver of this machine"},
		{"connect", t.connect, "check the port, the firewall on both sides, and that the carrier allows this address"},
		{"tls", func(ctx context.Context) (string, error) { return t.secure(ctx, s.tls()) }, "check that the centre speaks TLS on this port and that its certificate is for this host name"},
		{"bind", func(context.Context) (string, error) { return t.bind(s.bindConfig(kind)) }, "the centre closed the connection or did not answer: check the port, TLS, and the allowed addresses"},
		{"enquire_link", func(context.Context) (string, error) { return t.ask(&smpp.EnquireLink{}) }, "the centre accepted the bind and then fell silent: ask the carrier"},
	}
	var out []route.Step
	for _, step := range steps {
		if step.name == "tls" && !t.link.TLS {
			continue
		}
		began := time.Now()
		detail, err := step.do(ctx)
		x := route.Step{Name: step.name, OK: err == nil, Detail: detail, Duration: float64(time.Since(began).Microseconds()) / 1000}
		if err != nil {
			x.Detail, x.Hint = err.Error(), step.hint
			if status, ok := answered(err); ok {
				x.Status = fmt.Sprintf("0x%08X %s", uint32(status), status.String())
				x.Detail, x.Hint = "refused: "+status.Meaning(), hint(status)
			}
			return append(out, x)
		}
		if t.conn != nil && step.name != "resolve" && step.name != "connect" && step.name != "tls" {
			x.Status = fmt.Sprintf("0x%08X %s", 0, smpp.StatusROK.String())
		}
		out = append(out, x)
	}
	t.ask(&smpp.Unbind{})
	return out
}

// try is a test under way.
type try struct {
	link  route.Link
	addrs []string
	conn  net.Conn
	r     *bufio.Reader
	seq   uint32
	stop  func() bool
}

func (t *try) close() {
	if t.stop != nil {
		t.stop()
	}
	if t.conn != nil {
		t.conn.Close()
	}
}

func (t *try) resolve(ctx context.Context) (string, error) {
	addrs, err := net.DefaultResolver.LookupHost(ctx, t.link.Host)
	t.addrs = addrs
	return strings.Join(addrs, " "), err
}

func (t *try) connect(ctx context.Context) (string, error) {
	var err error
	for _, a := range t.addrs {
		if t.conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(a, strconv.Itoa(t.link.Port))); err == nil {
			t.use(ctx, t.conn)
			return t.conn.RemoteAddr().String(), nil
		}
	}
	t.conn = nil
	return "", err
}

// use makes reads and writes on the connection end with ctx.
func (t *try) use(ctx context.Context, conn net.Conn) {
	t.conn, t.r = conn, bufio.NewReader(conn)
	t.stop = context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
}

func (t *try) secure(ctx context.Context, c *tls.Config) (string, error) {
	t.stop()
	conn := tls.Client(t.conn, c)
	if err := conn.HandshakeContext(ctx); err != nil {
		return "", err
	}
	t.use(ctx, conn)
	state := conn.ConnectionState()
	return fmt.Sprintf("%s, %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)), nil
}

func (t *try) bind(c smpp.BindConfig) (string, error) {
	return t.ask(&smpp.Bind{Kind: c.Kind, SystemID: c.SystemID, Password: c.Password, SystemType: c.SystemType, InterfaceVersion: smpp.Version34})
}

// ask sends a request and waits for its response; what the centre asks meanwhile is not answered.
func (t *try) ask(p smpp.PDU) (string, error) {
	t.seq++
	b, err := smpp.Append(nil, smpp.Header{Sequence: t.seq}, p)
	if err != nil {
		return "", err
	}
	if _, err := t.conn.Write(b); err != nil {
		return "", err
	}
	for range 100 {
		frame, err := smpp.ReadFrame(t.r, smpp.MaxPDU, nil)
		if err != nil {
			return "", err
		}
		h, answer, err := smpp.Decode(frame)
		if h.Sequence != t.seq || !h.ID.IsResponse() {
			continue
		}
		if err != nil {
			return "", err
		}
		if h.Status != smpp.StatusROK {
			return "", h.Status
		}
		if r, ok := answer.(*smpp.BindResp); ok {
			return fmt.Sprintf("%s as %s, centre %q, interface_version 0x%02X", r.Kind, t.link.SystemID, printable(r.SystemID), r.Version()), nil
		}
		return h.ID.String(), nil
	}
	return "", errors.New("no response among 100 PDUs")
}
