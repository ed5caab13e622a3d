package drill

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"longlines/smpp"
)

// centre is a message centre of raw octets: what it does to a connection is up to the test.
type centre struct {
	t *testing.T
	l net.Listener

	mu     sync.Mutex
	behave func(p *peer, connection int) // after the bind; the connection ends when it returns. nil: polite
	refuse smpp.Status                   // binds are answered with it
	seen   map[string]int                // texts answered ROK, and how often
	tried  map[string]int                // texts read
	ids    int
	conns  map[net.Conn]bool
	wg     sync.WaitGroup
}

// peer is one bound connection.
type peer struct {
	c    *centre
	conn net.Conn
	r    *bufio.Reader
	wmu  sync.Mutex
}

func newCentre(t *testing.T) *centre {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &centre{t: t, l: l, seen: map[string]int{}, tried: map[string]int{}, conns: map[net.Conn]bool{}}
	c.wg.Go(func() {
		for n := 1; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.mu.Lock()
			c.conns[conn] = true
			c.mu.Unlock()
			c.wg.Go(func() {
				defer conn.Close()
				c.serve(conn, n)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.mu.Lock()
		for conn := range c.conns {
			conn.Close()
		}
		c.mu.Unlock()
		c.wg.Wait()
	})
	return c
}

func (c *centre) port() int { return c.l.Addr().(*net.TCPAddr).Port }

func (c *centre) serve(conn net.Conn, n int) {
	p := &peer{c: c, conn: conn, r: bufio.NewReader(conn)}
	h, _, err := p.read()
	if err != nil {
		return
	}
	c.mu.Lock()
	status, behave := c.refuse, c.behave
	c.mu.Unlock()
	p.write(uint32(h.ID)|1<<31, uint32(status), h.Sequence, []byte("centre\x00"))
	if status != smpp.StatusROK {
		io.Copy(io.Discard, p.r)
		return
	}
	if behave != nil {
		behave(p, n)
		return
	}
	p.polite(nil)
}

// read reads the next PDU.
func (p *peer) read() (smpp.Header, smpp.PDU, error) {
	b, err := smpp.ReadFrame(p.r, 1<<17, nil)
	if err != nil {
		return smpp.Header{}, nil, err
	}
	h, pdu, err := smpp.Decode(b)
	if err != nil {
		h.ID = smpp.CommandID(binary.BigEndian.Uint32(b[4:]))
		h.Sequence = binary.BigEndian.Uint32(b[12:])
		return h, nil, nil
	}
	return h, pdu, nil
}

// frame is a PDU of octets.
func frame(id, status, sequence uint32, body []byte) []byte {
	b := make([]byte, 16, 16+len(body))
	binary.BigEndian.PutUint32(b, uint32(16+len(body)))
	binary.BigEndian.PutUint32(b[4:], id)
	binary.BigEndian.PutUint32(b[8:], status)
	binary.BigEndian.PutUint32(b[12:], sequence)
	return append(b, body...)
}

func (p *peer) write(id, status, sequence uint32, body []byte) {
	p.octets(frame(id, status, sequence, body))
}

func (p *peer) octets(b []byte) {
	p.wmu.Lock()
	defer p.wmu.Unlock()
	p.conn.Write(b)
}

func (p *peer) send(seq uint32, pdu smpp.PDU) {
	b, err := smpp.Append(nil, smpp.Header{Sequence: seq}, pdu)
	if err != nil {
		p.c.t.Error(err)
		return
	}
	p.octets(b)
}

// take answers a submit with ROK, under a name of eight digits.
func (p *peer) take(h smpp.Header, sm *smpp.SubmitSM) (name string) {
	c := p.c
	c.mu.Lock()
	c.ids++
	name = fmt.Sprintf("%08x", c.ids)
	c.seen[string(sm.Message())]++
	c.mu.Unlock()
	p.write(0x80000004, 0, h.Sequence, []byte(name+"\x00"))
	return name
}

// polite answers everything as a good centre does; other sees every PDU first, and true means that it
// has dealt with it.
func (p *peer) polite(other func(h smpp.Header, pdu smpp.PDU) bool) {
	for {
		h, pdu, err := p.read()
		if err != nil {
			return
		}
		sm, submit := pdu.(*smpp.SubmitSM)
		if submit {
			p.c.mu.Lock()
			p.c.tried[string(sm.Message())]++
			p.c.mu.Unlock()
		}
		if other != nil && other(h, pdu) {
			continue
		}
		switch {
		case submit:
			p.take(h, sm)
		case h.ID == smpp.CommandEnquireLink:
			p.write(0x80000015, 0, h.Sequence, nil)
		case h.ID == smpp.CommandUnbind:
			p.write(0x80000006, 0, h.Sequence, nil)
			return
		}
	}
}

// become makes the centre behave otherwise on its next connections.
func (c *centre) become(behave func(p *peer, connection int)) {
	c.mu.Lock()
	c.behave = behave
	c.mu.Unlock()
}

func (c *centre) count(text string) (seen, tried int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[text], c.tried[text]
}

// link makes a live link to a centre, and routes a prefix over it.
func (w *world) link(name, prefix string, c *centre, more map[string]any) {
	w.t.Helper()
	in := map[string]any{"name": name, "host": "127.0.0.1", "port": c.port(), "system_id": "longlines", "password": "secret"}
	for k, v := range more {
		in[k] = v
	}
	w.admin(http.MethodPost, "/admin/v1/links", in, nil)
	if prefix != "" {
		w.admin(http.MethodPost, "/admin/v1/routes", map[string]any{"prefix": prefix, "link": name}, nil)
	}
}

type linkState struct {
	Name  string `json:"name"`
	Jobs  int64  `json:"jobs"`
	State struct {
		Up       bool   `json:"up"`
		Window   int    `json:"window"`
		Error    string `json:"error"`
		Alarm    string `json:"alarm"`
		Counters struct {
			Binds, Drops, Submitted, Refused, Unknown, Receipts, Incoming, Declined, Strays int64
		} `json:"counters"`
	} `json:"state"`
}

func (w *world) linkState(name string) (l linkState) {
	w.t.Helper()
	w.admin(http.MethodGet, "/admin/v1/links/"+name, nil, &l)
	return l
}

// production is the settings of an app whose texts go over live links.
var production = map[string]any{"level": "production", "short_codes": []string{"74992"}}

// Far enough for everything that waits after one failure or two, and less than a text's validity.
const later = 3 * time.Hour

func TestACentreThatVanishesInMidWindowLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := newCentre(t)
	const drops, texts, window = 3, 60, 10
	vanished := make(chan struct{})
	c.behave = func(p *peer, n int) {
		if n > drops {
			p.polite(nil)
			return
		}
		left := 4 + n // so many are read; none is answered but the first
		for left > 0 {
			h, pdu, err := p.read()
			if err != nil {
				return
			}
			if sm, ok := pdu.(*smpp.SubmitSM); ok {
				if left--; left == 3 {
					p.take(h, sm)
				}
			}
		}
		if n == drops {
			close(vanished)
		}
	}
	w := start(t, map[string]any{"data": dir})
	token := w.app("bank", production)
	w.link("centre", "+1", c, map[string]any{"window": window})
	for i := range texts {
		messageID(t, w.send(token, fmt.Sprintf("+1425555%04d", i), fmt.Sprintf("text %d", i)))
	}
	select {
	case <-vanished:
	case <-time.After(patience):
		t.Fatal("it was not bound again as often as that")
	}
	// What is unknown waits for its grace; the next life begins after it.
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	start(t, map[string]any{"data": dir, "test_clock_offset": later})
	missing := func() (n int) {
		for i := range texts {
			if seen, _ := c.count(fmt.Sprintf("text %d", i)); seen == 0 {
				n++
			}
		}
		return n
	}
	await(t, "every text reaches the centre", func() bool { return missing() == 0 })
	twice := 0
	c.mu.Lock()
	for _, n := range c.seen {
		twice += n - 1
	}
	c.mu.Unlock()
	if twice > drops*window {
		t.Errorf("%d texts were taken twice; at most the window for each of %d drops is allowed", twice, drops)
	}
}

func TestAMuteCentreGetsEachTextOnceMoreAfterTheNextBind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := newCentre(t)
	const window = 10
	read := make(chan string, 100)
	polite := make(chan struct{})
	c.behave = func(p *peer, n int) {
		p.polite(func(_ smpp.Header, pdu smpp.PDU) bool {
			select {
			case <-polite:
				return false
			default:
			}
			sm, ok := pdu.(*smpp.SubmitSM)
			if ok {
				read <- string(sm.Message())
			}
			return ok
		})
	}
	w := start(t, map[string]any{"data": dir})
	token := w.app("bank", production)
	w.link("centre", "+1", c, map[string]any{"window": window})
	other := newCentre(t)
	w.link("other", "+44", other, nil)
	var ids []string
	for i := range 2 * window {
		ids = append(ids, messageID(t, w.send(token, fmt.Sprintf("+1425555%04d", i), fmt.Sprintf("text %d", i))))
	}
	for range window {
		<-read
	}
	// A window full and not a word: nothing is lost, nothing is said to have failed, others go on.
	messageID(t, w.send(token, "+447911123456", "elsewhere"))
	await(t, "another link goes on", func() bool { seen, _ := other.count("elsewhere"); return seen == 1 })
	for _, id := range ids {
		if s := w.status(token, id); s != "MessageWaiting" && s != "DeliveredToNetwork" && s != "DeliveryUncertain" {
			t.Errorf("a text without an answer is %s", s)
		}
	}
	if s := w.linkState("centre"); s.State.Counters.Submitted != 0 {
		t.Errorf("%d texts are said to be submitted", s.State.Counters.Submitted)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if n := len(read); n != 0 {
		t.Errorf("%d more texts than the window were sent", n)
	}
	close(polite)
	start(t, map[string]any{"data": dir, "test_clock_offset": later})
	await(t, "every text is taken", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.seen) == 2*window
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	twice := 0
	for text, n := range c.tried {
		if c.seen[text] != 1 || n > 2 {
			t.Errorf("%s: sent %d times, taken %d times", text, n, c.seen[text])
		}
		twice += n - 1
	}
	if twice != window {
		t.Errorf("%d texts were sent twice; it was a window of %d whose outcome was unknown", twice, window)
	}
}

// What each status does to a text (docs/reference/reliability.md §3.4): it fails with the reason, or
// it is delivered at last.
func TestEveryStatusFailsATextWithItsReasonOrDelaysIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := start(t, map[string]any{"data": dir})
	token := w.app("bank", production)

	permanent := []uint32{0x01, 0x06, 0x07, 0x0A, 0x0B, 0x0C, 0x11, 0x13, 0x15, 0x43, 0x48, 0x49, 0x50, 0x51, 0x54, 0x55, 0x63, 0x65, 0x66, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4,
		0x100, 0x101, 0x103, 0x104, 0x105, 0x106, 0x33, 0x34, 0x40, 0x42, 0x44}
	temporary := []uint32{0x08, 0x45, 0x61, 0x62, 0x64, 0x67, 0xFE, 0xFF, 0x102, 0x107, 0x110, 0x112, 0x400, 0x4FF, 0x09, 0x0F0, 0x1234, 0xDEADBEEF, 0xFFFFFFFF}
	alone := []uint32{0x04, 0x05, 0x0D, 0x0E, 0x0F, 0x53, 0x14, 0x58} // these halt their link
	framing := []uint32{0x02, 0x03}

	answer := func(p *peer, n int) { // a text names the status it is answered with the first time
		p.polite(func(h smpp.Header, pdu smpp.PDU) bool {
			sm, ok := pdu.(*smpp.SubmitSM)
			if !ok {
				return false
			}
			var status uint32
			fmt.Sscanf(string(sm.Message()), "status %x", &status)
			if _, tried := p.c.count(string(sm.Message())); tried > 1 {
				return false
			}
			p.write(0x80000004, status, h.Sequence, nil)
			return true
		})
	}
	c := newCentre(t)
	c.behave = answer
	w.link("many", "+1425", c, nil)
	calm := newCentre(t)
	w.link("calm", "+44", calm, nil)
	ids := map[uint32]string{}
	centres := map[uint32]*centre{}
	for i, status := range append(append(append([]uint32{}, permanent...), temporary...), framing...) {
		centres[status] = c
		ids[status] = messageID(t, w.send(token, fmt.Sprintf("+1425555%04d", i), fmt.Sprintf("status %x", status)))
	}
	for i, status := range alone {
		own := newCentre(t)
		own.behave = answer
		prefix := fmt.Sprintf("+4%d", 910+i)
		w.link(fmt.Sprintf("alone%d", i), prefix, own, nil)
		centres[status] = own
		ids[status] = messageID(t, w.send(token, prefix+"71234567", fmt.Sprintf("status %x", status)))
	}
	await(t, "every status was answered once", func() bool {
		for status, c := range centres {
			if _, tried := c.count(fmt.Sprintf("status %x", status)); tried == 0 {
				return false
			}
		}
		return true
	})
	messageID(t, w.send(token, "+447911123456", "elsewhere"))
	await(t, "another link goes on", func() bool { seen, _ := calm.count("elsewhere"); return seen == 1 })
	for _, status := range permanent {
		await(t, fmt.Sprintf("0x%X fails the text", status), func() bool { return w.status(token, ids[status]) == "DeliveryImpossible" })
		story := w.do(http.MethodGet, w.info.Admin+"/admin/v1/messages/"+ids[status], "", "Authorization", "Bearer "+w.info.AdminToken)
		if code := fmt.Sprintf("SMPP-%04X", status); !strings.Contains(story.body, code) {
			t.Errorf("the story of a text that failed with %s does not say so: %s", code, story.body)
		}
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w = start(t, map[string]any{"data": dir, "test_clock_offset": later})
	for _, status := range append(temporary, alone...) {
		await(t, fmt.Sprintf("a text refused with 0x%X is taken at last", status), func() bool {
			seen, _ := centres[status].count(fmt.Sprintf("status %x", status))
			return seen == 1
		})
		if s := w.status(token, ids[status]); s != "DeliveredToNetwork" {
			await(t, "its status", func() bool { return w.status(token, ids[status]) == "DeliveredToNetwork" })
		}
	}
	for _, status := range permanent {
		if _, tried := centres[status].count(fmt.Sprintf("status %x", status)); tried != 1 && status < 0xC0 {
			t.Errorf("a text refused with 0x%X was sent %d times", status, tried)
		}
	}
}

// attacks are what a connection does after the bind; then it waits for its end.
var attacks = []struct {
	name string
	do   func(p *peer)
}{
	{"a flood of answers to nothing", func(p *peer) {
		var b []byte
		for i := range uint32(20_000) {
			b = append(b, frame(0x80000004, i%3, 1<<30+i, []byte("x\x00"))...)
		}
		p.octets(b)
		p.conn.Close()
	}},
	{"half a head and silence", func(p *peer) { p.octets(frame(5, 0, 1, nil)[:9]) }},
	{"half a PDU and silence", func(p *peer) { p.octets(frame(5, 0, 1, make([]byte, 200))[:100]) }},
	{"a PDU of 4 GiB", func(p *peer) { p.octets([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1}) }},
	{"a PDU of 128 KiB", func(p *peer) { p.octets([]byte{0, 2, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1}) }},
	{"a PDU of 4 octets", func(p *peer) { p.octets([]byte{0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1}) }},
	{"a PDU of no octets", func(p *peer) { p.octets(make([]byte, 64)) }},
	{"random octets", func(p *peer) {
		b := make([]byte, 64<<10)
		for i := range b {
			b[i] = byte(i*7919>>3 ^ i)
		}
		p.octets(b)
	}},
	{"HTTP", func(p *peer) { p.octets([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) }},
	{"10,000 commands nobody knows", func(p *peer) {
		for i := range uint32(10_000) {
			p.octets(frame(0x00010000+i, 0, i+1, []byte("nonsense")))
		}
		p.conn.Close()
	}},
	{"a bind in the wrong direction", func(p *peer) {
		p.octets(frame(9, 0, 7, []byte("a\x00b\x00\x00\x34\x00\x00\x00")))
		p.octets(frame(4, 0, 8, []byte("a\x00b\x00\x00\x34\x00\x00\x00")))
		p.conn.Close()
	}},
	{"a nack for everything", func(p *peer) {
		p.polite(func(h smpp.Header, pdu smpp.PDU) bool {
			if _, ok := pdu.(*smpp.SubmitSM); ok {
				p.write(0x80000000, 8, h.Sequence, nil)
				p.conn.Close()
				return true
			}
			return false
		})
	}},
	{"unbind at once", func(p *peer) { p.octets(frame(6, 0, 1, nil)) }},
	{"answers of the wrong kind", func(p *peer) {
		p.polite(func(h smpp.Header, pdu smpp.PDU) bool {
			if _, ok := pdu.(*smpp.SubmitSM); ok {
				p.write(0x80000021, 0, h.Sequence, []byte("x\x00\x00"))
				p.write(0x80000005, 0, h.Sequence, []byte("\x00"))
				p.conn.Close()
				return true
			}
			return false
		})
	}},
	{"an answer of 70,000 octets", func(p *peer) {
		p.polite(func(h smpp.Header, pdu smpp.PDU) bool {
			if _, ok := pdu.(*smpp.SubmitSM); ok {
				p.write(0x80000004, 8, h.Sequence, bytes.Repeat([]byte("a"), 70_000))
				return true
			}
			return false
		})
	}},
}

func TestALinkSurvivesWhateverItsCentreSends(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := start(t, map[string]any{"data": dir})
	token := w.app("bank", production)
	calm := newCentre(t)
	w.link("calm", "+44", calm, nil)
	centres := make([]*centre, len(attacks))
	again := make([]chan struct{}, len(attacks))
	ids := make([]string, len(attacks))
	for i, a := range attacks {
		c := newCentre(t)
		again[i] = make(chan struct{})
		var once sync.Once
		c.behave = func(p *peer, n int) {
			if n > 1 {
				once.Do(func() { close(again[i]) })
				p.polite(nil)
				return
			}
			a.do(p)
			io.Copy(io.Discard, p.r)
		}
		centres[i] = c
		prefix := fmt.Sprintf("+4%d", 910+i)
		w.link(fmt.Sprintf("link%d", i), prefix, c, nil)
		ids[i] = messageID(t, w.send(token, prefix+"71234567", a.name))
	}
	for i := range 20 {
		messageID(t, w.send(token, "+447911123456", fmt.Sprintf("elsewhere %d", i)))
	}
	await(t, "another link goes on", func() bool {
		calm.mu.Lock()
		defer calm.mu.Unlock()
		return len(calm.seen) == 20
	})
	limit := time.After(patience)
	for i, a := range attacks {
		select {
		case <-again[i]:
		case <-limit:
			t.Errorf("%s: the link was not bound again: %+v", a.name, w.linkState(fmt.Sprintf("link%d", i)).State)
		}
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	start(t, map[string]any{"data": dir, "test_clock_offset": later})
	for i, a := range attacks {
		await(t, a.name+": the text is taken at last", func() bool { seen, _ := centres[i].count(a.name); return seen > 0 })
	}
}

func TestALinkThatIsRefusedIsTriedAgainAndDisturbsNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := start(t, map[string]any{"data": dir})
	token := w.app("bank", production)
	wrong := newCentre(t)
	wrong.refuse = smpp.StatusRINVPASWD
	w.link("wrong", "+1", wrong, nil)
	calm := newCentre(t)
	w.link("calm", "+44", calm, nil)
	messageID(t, w.send(token, "+14255550100", "waits"))
	messageID(t, w.send(token, "+447911123456", "elsewhere"))
	await(t, "another link goes on", func() bool { seen, _ := calm.count("elsewhere"); return seen == 1 })
	await(t, "an alarm says what is wrong", func() bool {
		s := w.linkState("wrong").State
		return !s.Up && s.Alarm != "" && s.Error != ""
	})
	if s := w.linkState("wrong"); strings.Contains(fmt.Sprintf("%+v", s), "secret") {
		t.Errorf("the state shows the password: %+v", s)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	wrong.mu.Lock()
	wrong.refuse = smpp.StatusROK
	wrong.mu.Unlock()
	w = start(t, map[string]any{"data": dir, "test_clock_offset": later})
	await(t, "the text is taken once the password is right", func() bool { seen, _ := wrong.count("waits"); return seen == 1 })
	if strings.Contains(w.log.String(), "password=secret") {
		t.Error("the log shows the password")
	}
}

// cat joins the fields of a body.
func cat(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = append(b, byte(p))
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

func TestMalformedDeliveriesAreAnsweredAndTheNextOneIsTaken(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.app("bank", production)
	// source, destination, then esm_class … data_coding, sm_default_msg_id, sm_length, text
	to := cat(3, 0, "74992\x00")
	from := cat(1, 1, "14255550100\x00")
	rest := func(class, coding int, text any) []byte {
		t := cat(text)
		return cat(class, 0, 0, "\x00\x00", 0, 0, coding, 0, len(t), t)
	}
	tlv := func(tag, length int, value string) []byte { return cat(tag>>8, tag, length>>8, length, value) }
	head := cat("\x00", from, to)
	bodies := map[string][]byte{
		"nothing at all":                             nil,
		"one octet":                                  {0},
		"no end of service_type":                     bytes.Repeat([]byte("A"), 30),
		"no end of the source":                       cat("\x00", 1, 1, strings.Repeat("1", 300)),
		"a source of 40 digits":                      cat("\x00", 1, 1, strings.Repeat("1", 40), "\x00", to, rest(0, 0, "x")),
		"sm_length beyond the PDU":                   cat(head, 0, 0, 0, "\x00\x00", 0, 0, 0, 0, 200, "short"),
		"sm_length of less than the text":            cat(head, 0, 0, 0, "\x00\x00", 0, 0, 0, 0, 2, "longer text"),
		"a TLV beyond the PDU":                       cat(head, rest(0, 0, "x"), tlv(0x1E, 5000, "x")),
		"half a TLV":                                 cat(head, rest(0, 0, "x"), "\x00\x1e\x00"),
		"65 TLVs":                                    cat(head, rest(0, 0, "x"), bytes.Repeat(tlv(0x1400, 1, "x"), 65)),
		"a header of user data longer than the text": cat(head, rest(0x40, 0, "\x20\x00\x03abc")),
		"a header of user data in no text":           cat(head, rest(0x40, 0, "")),
		"segment 0 of 0":                             cat(head, rest(0x40, 0, "\x05\x00\x03\x01\x00\x00abc")),
		"segment 9 of 2":                             cat(head, rest(0x40, 0, "\x05\x00\x03\x01\x02\x09abc")),
		"sar parameters of a wrong length":           cat(head, rest(0, 0, "abc"), tlv(0x20C, 1, "x"), tlv(0x20E, 3, "xxx"), tlv(0x20F, 0, "")),
		"UCS-2 of an odd length":                     cat(head, rest(0, 8, "\x00a\x00")),
		"a lone surrogate":                           cat(head, rest(0, 8, "\xd8\x00\x00a")),
		"a data coding nobody knows":                 cat(head, rest(0, 0xEE, "\x80\x81\xff")),
		"an esm_class of all ones":                   cat(head, rest(0xFF, 0, "\x05\x00\x03\x01\x02\x01abc")),
		"no source":                                  cat("\x00", 0, 0, "\x00", to, rest(0, 0, "x")),
		"no destination":                             cat("\x00", from, 0, 0, "\x00", rest(0, 0, "x")),
		"a source of letters as a number":            cat("\x00", 1, 1, "<script>\x00", to, rest(0, 0, "x")),
		"a type of number of 255":                    cat("\x00", 255, 255, "14255550100\x00", to, rest(0, 0, "x")),
		"a code nobody owns":                         cat("\x00", from, 3, 0, "11111\x00", rest(0, 0, "x")),
		"a text of NULs":                             cat(head, rest(0, 0, "\x00\x00\x00")),
		"a text beside message_payload":              cat(head, rest(0, 0, "abc"), tlv(0x424, 3, "def")),
		"message_payload of 60,000 octets":           cat(head, rest(0, 0, ""), tlv(0x424, 60_000, strings.Repeat("a", 60_000))),
		"a receipt of nothing":                       cat(head, rest(4, 0, "")),
		"a receipt without an id":                    cat(head, rest(4, 0, "stat:DELIVRD err:000")),
		"a receipt with an id of 5,000 letters":      cat(head, rest(4, 0, ""), tlv(0x424, 5010, "id:"+strings.Repeat("a", 5000)+" stat:X")),
		"a receipt of an id that is not ours":        cat(head, rest(4, 0, "id:deadbeef stat:DELIVRD err:000 text:")),
		"a receipt with an empty TLV":                cat(head, rest(4, 0, "id:1 stat:DELIVRD"), tlv(0x1E, 0, ""), tlv(0x427, 0, "")),
		"a receipt with a state of 250":              cat(head, rest(4, 0, "id:1 stat:DELIVRD"), tlv(0x427, 1, "\xfa")),
		"a receipt with dates of no calendar":        cat(head, rest(4, 0, "id:1 sub:abc dlvrd:-1 submit date:9999999999 done date:0000000000 stat:DELIVRD err:zzz text:id:2 stat:UNDELIV")),
	}
	answers := make(chan smpp.Header, 200)
	bound := make(chan *peer, 10)
	c := newCentre(t)
	c.behave = func(p *peer, n int) {
		bound <- p
		p.polite(func(h smpp.Header, pdu smpp.PDU) bool {
			if h.ID.IsResponse() {
				answers <- h
			}
			return h.ID.IsResponse()
		})
	}
	w.link("centre", "+1", c, nil)
	p := <-bound
	seq := uint32(100)
	for name, body := range bodies {
		seq++
		p.write(5, 0, seq, body)
		select {
		case h := <-answers:
			if h.Sequence != seq {
				t.Errorf("%s: answer %v, and %d was asked", name, h, seq)
			}
		case p = <-bound:
			t.Errorf("%s: it costs the bind", name)
		case <-time.After(patience):
			t.Fatalf("%s: no answer", name)
		}
	}
	seq++
	p.write(5, 0, seq, cat(head, rest(0, 0, "a good one")))
	if h := <-answers; h.Sequence != seq || h.Status != 0 {
		t.Errorf("a good text is answered %v", h)
	}
	token := w.token("bank")
	found := map[string]bool{}
	await(t, "the good text is in the inbox", func() bool {
		a := w.do(http.MethodGet, w.info.API+"/sms/v3/messaging/inbox/74992", "", "Authorization", "Bearer "+token)
		if a.status != http.StatusOK {
			t.Fatalf("the inbox: %d %s", a.status, a.body)
		}
		found["good"] = found["good"] || strings.Contains(a.body, "a good one")
		return found["good"]
	})
}

func TestEveryReceiptFindsItsTextHoweverItsIDIsSpelled(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	token := w.app("bank", production)
	type spelling struct {
		name   string
		submit func(n int) string
		report func(id string) string
		early  bool
	}
	hex := func(n int) string { return fmt.Sprintf("%X", 0xA0B1C2D3E4F56+n*7) }
	decimal := func(id string) string {
		var n uint64
		fmt.Sscanf(id, "%X", &n)
		return fmt.Sprint(n)
	}
	spellings := []spelling{
		{"as it was given", hex, func(id string) string { return id }, false},
		{"in the other case", hex, strings.ToLower, false},
		{"with leading zeros", hex, func(id string) string { return "00000" + id }, false},
		{"without leading zeros", func(n int) string { return "000" + hex(n) }, func(id string) string { return strings.TrimLeft(id, "0") }, false},
		{"in decimal", hex, decimal, false},
		{"before the answer", hex, func(id string) string { return id }, true},
		{"in decimal before the answer", hex, decimal, true},
		{"of a UUID without dashes", func(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-00000000000a", n) }, func(id string) string { return strings.ReplaceAll(id, "-", "") }, false},
		{"with blanks around", hex, func(id string) string { return id + " " }, false},
	}
	const each = 8
	type sent struct {
		id   string
		want string
		what string
	}
	var all []sent
	for i, s := range spellings {
		c := newCentre(t)
		var mu sync.Mutex
		n, seq := 0, uint32(1000)
		c.behave = func(p *peer, _ int) {
			p.polite(func(h smpp.Header, pdu smpp.PDU) bool {
				sm, ok := pdu.(*smpp.SubmitSM)
				if !ok {
					return h.ID.IsResponse()
				}
				mu.Lock()
				n++
				seq++
				id, number := s.submit(n), seq
				mu.Unlock()
				stat, state := "DELIVRD", byte(2)
				if strings.Contains(string(sm.Message()), "lost") {
					stat, state = "UNDELIV", 5
				}
				_ = state
				receipt := &smpp.DeliverSM{Source: sm.Dest, Dest: sm.Source, ESMClass: 4,
					ShortMessage: fmt.Appendf(nil, "id:%s sub:001 dlvrd:001 submit date:2611242300 done date:2611242301 stat:%s err:000 text:", s.report(id), stat)}
				if s.early {
					p.send(number, receipt)
				}
				p.write(0x80000004, 0, h.Sequence, []byte(id+"\x00"))
				if !s.early {
					p.send(number, receipt)
				}
				return true
			})
		}
		prefix := fmt.Sprintf("+4%d", 910+i)
		w.link(fmt.Sprintf("link%d", i), prefix, c, nil)
		for j := range each {
			text, want := "kept", "DeliveredToTerminal"
			if j%2 == 1 {
				text, want = "lost", "DeliveryImpossible"
			}
			// All to one number, so that only the id tells them apart.
			all = append(all, sent{messageID(t, w.send(token, prefix+"71234567", fmt.Sprintf("%s %d", text, j))), want, s.name})
		}
	}
	for _, s := range all {
		deadline := time.Now().Add(patience)
		tick := time.NewTicker(20 * time.Millisecond)
		var got string
		for got = w.status(token, s.id); got != s.want && time.Now().Before(deadline); got = w.status(token, s.id) {
			<-tick.C
		}
		tick.Stop()
		if got != s.want {
			t.Fatalf("a receipt %s: the text is %s and not %s", s.what, got, s.want)
		}
	}
}
