package smsc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"longlines/gsm"
	"longlines/message"
	"longlines/route"
	"longlines/smpp"
)

func mustAddr(s string) *net.TCPAddr {
	a, err := net.ResolveTCPAddr("tcp", s)
	if err != nil {
		panic(err)
	}
	return a
}

func TestASubmitCarriesTheText(t *testing.T) {
	pdus := make(chan *smpp.SubmitSM, 1)
	c := newCentre(t, script{handle: func(req *smpp.Request) {
		pdus <- req.PDU.(*smpp.SubmitSM)
		req.Respond(smpp.StatusROK, &smpp.SubmitSMResp{MessageID: "8A21"})
	}})
	clock := newClock()
	l := link(t, c.addr, func(cfg *Config) { cfg.Now = clock.now }).up()
	for _, tt := range []struct {
		name    string
		edit    func(*message.SMS)
		quirks  route.Quirks
		want    smpp.SubmitSM
		expires time.Duration
	}{
		{name: "as the standard has it", expires: 90 * time.Minute, want: smpp.SubmitSM{
			Source: smpp.Address{TON: 3, NPI: 0, Addr: "48507"}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: "14255550100"},
			RegisteredDelivery: 1, ValidityPeriod: "000000013000000R", ShortMessage: []byte("caf\x05 @ 5"),
		}},
		{name: "with a minute at least", expires: 61 * time.Second, edit: func(m *message.SMS) { m.Expires = m.Expires.Add(-30 * time.Second); m.WantDLR = false }, want: smpp.SubmitSM{
			Source: smpp.Address{TON: 3, NPI: 0, Addr: "48507"}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: "14255550100"},
			ValidityPeriod: "000000000100000R", ShortMessage: []byte("caf\x05 @ 5"),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := text("0100", "café @ 5")
			m.Expires = clock.now().Add(tt.expires)
			if tt.edit != nil {
				tt.edit(&m)
			}
			refs, done, err := l.Submit(context.Background(), m)
			done()
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]message.Ref{{Group: "carrier", ID: "8A21", Parts: 1}}, refs); d != "" {
				t.Error(d)
			}
			tt.want.ShortMessage = bytes.ReplaceAll(tt.want.ShortMessage, []byte("@"), []byte{0})
			if d := cmp.Diff(tt.want, *receive(t, pdus, "the submit")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestQuirksChangeTheSubmit(t *testing.T) {
	pdus := make(chan *smpp.SubmitSM, 8)
	c := newCentre(t, script{handle: func(req *smpp.Request) { pdus <- req.PDU.(*smpp.SubmitSM); accept(req) }})
	zero, one := uint8(0), uint8(1)
	l := link(t, c.addr, func(cfg *Config) {
		cfg.Link.Quirks = route.Quirks{Alphabet: "latin1", NoValidity: true, ServiceType: "CMT", SourceTON: &zero, SourceNPI: &one, DestTON: &zero, DestNPI: &zero}
	}).up()
	m := text("0100", "café")
	m.Expires = time.Now().Add(time.Hour)
	_, done, err := l.Submit(context.Background(), m)
	done()
	if err != nil {
		t.Fatal(err)
	}
	want := smpp.SubmitSM{ServiceType: "CMT", Source: smpp.Address{NPI: 1, Addr: "48507"}, Dest: smpp.Address{Addr: "14255550100"}, RegisteredDelivery: 1, ShortMessage: []byte("caf\xe9")}
	if d := cmp.Diff(want, *receive(t, pdus, "the submit")); d != "" {
		t.Error(d)
	}
	_, done, err = l.Submit(context.Background(), text("0100", "жук"))
	done()
	if err != nil {
		t.Fatal(err)
	}
	if p := receive(t, pdus, "the submit"); p.DataCoding != 8 {
		t.Errorf("what Latin-1 lacks goes with data_coding %d", p.DataCoding)
	}
}

// joined puts the segments of a text together as a handset would.
func joined(t *testing.T, pdus []*smpp.SubmitSM) string {
	t.Helper()
	var parts []gsm.Part
	for _, p := range pdus {
		if len(p.ShortMessage) > 140 && gsm.DCS(p.DataCoding).Alphabet() != gsm.GSM7 {
			t.Errorf("%d octets of user data", len(p.ShortMessage))
		}
		h, rest, err := gsm.ParseUDH(p.ShortMessage)
		c, ok := h.Concat()
		if err != nil || !ok || !p.ESMClass.UDHI() {
			t.Fatalf("segment without its place: %v", err)
		}
		parts = append(parts, gsm.Part{Concat: c, DCS: gsm.DCS(p.DataCoding), Payload: rest})
	}
	s, whole := gsm.Join(parts)
	if !whole {
		t.Error("segments are missing")
	}
	return s
}

func TestLongTextsArriveWhole(t *testing.T) {
	for _, tt := range []struct {
		name   string
		text   string
		window int
		quirks route.Quirks
		parts  int
	}{
		{"seven-bit", strings.Repeat("pizza {hot} ", 40), 10, route.Quirks{}, 4},
		{"UCS-2 with emoji", strings.Repeat("пицца 🍕 ", 30), 10, route.Quirks{}, 5},
		{"references of 8 bits", strings.Repeat("0123456789", 31), 10, route.Quirks{Refs8: true}, 3},
		{"more segments than the window", strings.Repeat("0123456789", 200), 3, route.Quirks{}, 14},
		{"a window of one", strings.Repeat("0123456789", 40), 1, route.Quirks{}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var mu sync.Mutex
			var pdus []*smpp.SubmitSM
			c := newCentre(t, script{handle: func(req *smpp.Request) {
				mu.Lock()
				pdus = append(pdus, req.PDU.(*smpp.SubmitSM))
				mu.Unlock()
				accept(req)
			}})
			l := link(t, c.addr, func(cfg *Config) { cfg.Link.Window, cfg.Link.Quirks = tt.window, tt.quirks }).up()
			refs, done, err := l.Submit(context.Background(), text("0100", tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if n := l.State().InUse; n != min(tt.parts, tt.window) {
				t.Errorf("%d places taken until done", n)
			}
			done()
			done()
			if n := l.State().InUse; n != 0 {
				t.Errorf("%d places taken after done", n)
			}
			if len(refs) != tt.parts || len(pdus) != tt.parts {
				t.Fatalf("%d refs, %d submits, want %d", len(refs), len(pdus), tt.parts)
			}
			for i, r := range refs {
				if r.Part != i || r.Parts != tt.parts || r.ID == "" {
					t.Errorf("ref %d is %+v", i, r)
				}
			}
			if got := joined(t, pdus); got != tt.text {
				t.Errorf("arrived as %q", got)
			}
			if wide := pdus[0].ShortMessage[1] == gsm.IEConcat16; wide == tt.quirks.Refs8 {
				t.Errorf("16-bit reference: %t", wide)
			}
		})
	}
}

func TestTextsLongerThanHalfTheWindowDoNotBlockEachOther(t *testing.T) {
	c := newCentre(t, script{})
	l := link(t, c.addr, func(cfg *Config) { cfg.Link.Window = 3 }).up()
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			_, done, err := l.Submit(context.Background(), text("0100", strings.Repeat("0123456789", 16+i)))
			if err != nil {
				t.Error(err)
			}
			done()
		})
	}
	over := make(chan struct{})
	go func() { wg.Wait(); close(over) }()
	receive(t, over, "the end of all submits")
}

func TestALongTextGoesWholeWhereTheCentreSplits(t *testing.T) {
	long := strings.Repeat("пицца 🍕 ", 100)
	pdus := make(chan *smpp.SubmitSM, 64)
	var refuse bool
	c := newCentre(t, script{handle: func(req *smpp.Request) {
		p := req.PDU.(*smpp.SubmitSM)
		pdus <- p
		if refuse && len(p.TLVs) > 0 {
			req.Respond(smpp.StatusROPTPARNOTALLWD, nil)
			return
		}
		accept(req)
	}})
	l := link(t, c.addr, func(cfg *Config) { cfg.Link.Quirks.Payload = true }).up()
	refs, done, err := l.Submit(context.Background(), text("0100", long))
	done()
	if err != nil || len(refs) != 1 {
		t.Fatal(refs, err)
	}
	p := receive(t, pdus, "the submit")
	if got := gsm.UCS2.Decode(p.Message()); got != long || len(p.ShortMessage) != 0 {
		t.Errorf("arrived as %q", got)
	}
	refuse = true
	refs, done, err = l.Submit(context.Background(), text("0100", long))
	done()
	if err != nil || len(refs) < 2 {
		t.Fatalf("after the centre refused the payload: %v %v", refs, err)
	}
	receive(t, pdus, "the payload")
	for range refs {
		if p := receive(t, pdus, "a segment"); len(p.TLVs) != 0 {
			t.Error("a segment with optional parameters")
		}
	}
}

func TestAPlaceIsTakenUntilDone(t *testing.T) {
	c := newCentre(t, script{})
	l := link(t, c.addr, func(cfg *Config) { cfg.Link.Window = 1 }).up()
	_, first, err := l.Submit(context.Background(), text("0100", "one"))
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		_, done, err := l.Submit(context.Background(), text("0101", "two"))
		done()
		sent <- err
	}()
	until(t, "the second waits", func() bool { return l.State().Waiting == 1 })
	select {
	case <-sent:
		t.Fatal("the second was submitted before the first was done")
	default:
	}
	first()
	if err := receive(t, sent, "the second answer"); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, held, _ := l.Submit(ctx, text("0100", "three"))
	defer held()
	cancel()
	_, done, err := l.Submit(ctx, text("0100", "four"))
	done()
	if no := refusalOf(t, err); no.Class != message.ClassUnsent || !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that gives up while it waits: %v", err)
	}
}

func TestUnsentAndUnknownAreToldApart(t *testing.T) {
	t.Run("a link that is down has not sent", func(t *testing.T) {
		ln, addr := listen(t)
		ln.Close()
		l := link(t, addr, nil)
		_, done, err := l.Submit(context.Background(), text("0100", "hello"))
		done()
		if no := refusalOf(t, err); no.Class != message.ClassUnsent {
			t.Error(no.Class)
		}
	})
	t.Run("a centre that vanishes in mid-answer leaves it unknown", func(t *testing.T) {
		ln, addr := listen(t)
		l := link(t, addr, nil)
		go func() {
			c := answerBind(t, ln)
			h, _ := c.read()
			b, _ := smpp.Append(nil, smpp.Header{Sequence: h.Sequence}, &smpp.SubmitSMResp{MessageID: "12345678"})
			c.octets(b[:20])
			c.Close()
		}()
		l.up()
		_, done, err := l.Submit(context.Background(), text("0100", "hello"))
		done()
		if no := refusalOf(t, err); no.Class != message.ClassUnknown || no.Code != "" {
			t.Error(no)
		}
	})
	t.Run("a mute centre leaves it unknown after twice the response timer", func(t *testing.T) {
		c := newCentre(t, script{handle: func(*smpp.Request) {}})
		l := link(t, c.addr, func(cfg *Config) { cfg.Timers.Response = 20 * time.Millisecond }).up()
		_, done, err := l.Submit(context.Background(), text("0100", "hello"))
		defer done()
		if no := refusalOf(t, err); no.Class != message.ClassUnknown {
			t.Error(no)
		}
		if s := l.State(); s.Window != 1 || s.Counters.Unknown != 1 || !s.Up {
			t.Errorf("window %d, unknown %d, up %t", s.Window, s.Counters.Unknown, s.Up)
		}
	})
	t.Run("a caller that leaves while the centre is mute", func(t *testing.T) {
		c := newCentre(t, script{handle: func(*smpp.Request) {}})
		l := link(t, c.addr, func(cfg *Config) { cfg.Timers.Stop = 10 * time.Millisecond }).up()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		_, done, err := l.Submit(ctx, text("0100", "hello"))
		done()
		if no := refusalOf(t, err); no.Class != message.ClassUnknown {
			t.Error(no)
		}
	})
	t.Run("a text whose validity ended has not been sent", func(t *testing.T) {
		l := link(t, newCentre(t, script{}).addr, nil).up()
		m := text("0100", "hello")
		m.Expires = time.Now().Add(-time.Second)
		_, done, err := l.Submit(context.Background(), m)
		done()
		if no := refusalOf(t, err); no.Class != message.ClassUnsent {
			t.Error(no)
		}
	})
	t.Run("a text of more than 255 segments is refused for good", func(t *testing.T) {
		l := link(t, newCentre(t, script{}).addr, nil).up()
		_, done, err := l.Submit(context.Background(), text("0100", strings.Repeat("ж", 20000)))
		done()
		if no := refusalOf(t, err); no.Class != message.ClassPermanent || !errors.Is(err, gsm.ErrTooLong) {
			t.Error(no)
		}
	})
	t.Run("a sender that SMPP cannot carry is ours to mend", func(t *testing.T) {
		l := link(t, newCentre(t, script{}).addr, nil).up()
		m := text("0100", "hello")
		m.To = "123456789012345678901234567890"
		_, done, err := l.Submit(context.Background(), m)
		done()
		if no := refusalOf(t, err); no.Class != message.ClassBug {
			t.Error(no)
		}
	})
}

func TestALateAnswerShrinksTheWindowAndCounts(t *testing.T) {
	held := make(chan *smpp.Request, 64)
	var mu sync.Mutex
	late := true
	c := newCentre(t, script{handle: func(req *smpp.Request) {
		mu.Lock()
		defer mu.Unlock()
		if late {
			held <- req
			return
		}
		accept(req)
	}})
	l := link(t, c.addr, func(cfg *Config) {
		cfg.Link.Window = 8
		cfg.Timers.Response = time.Second
	}).up()
	l.cfg.Timers.Response = 20 * time.Millisecond // the session goes on waiting for two seconds
	answered := make(chan error, 1)
	go func() {
		_, done, err := l.Submit(context.Background(), text("0100", "slow"))
		done()
		answered <- err
	}()
	req := receive(t, held, "the submit")
	until(t, "the window is one", func() bool { return l.State().Window == 1 })
	until(t, "the queue is told", func() bool {
		select {
		case x := <-l.changes:
			return x == change{true, 1}
		default:
			return false
		}
	})
	mu.Lock()
	late = false
	mu.Unlock()
	accept(req)
	if err := receive(t, answered, "the late answer"); err != nil {
		t.Errorf("a late answer is an answer: %v", err)
	}
	if n := l.State().Counters.Late; n != 1 {
		t.Errorf("%d late", n)
	}
	for range 8 {
		_, done, err := l.Submit(context.Background(), text("0100", "fast"))
		done()
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := l.State().Window; n != 8 {
		t.Errorf("the window grew back to %d", n)
	}
	last := change{}
	for len(l.changes) > 0 {
		last = <-l.changes
	}
	if (last != change{true, 8}) {
		t.Errorf("the queue was last told %+v", last)
	}
}

func TestStrayResponsesAreCountedAndHarmNobody(t *testing.T) {
	ln, addr := listen(t)
	l := link(t, addr, nil)
	c := answerBind(t, ln)
	l.up()
	go func() {
		h, _ := c.read()
		c.write(smpp.Header{Sequence: h.Sequence + 1000}, &smpp.SubmitSMResp{MessageID: "nobody"})
		c.write(smpp.Header{Sequence: h.Sequence}, &smpp.SubmitSMResp{MessageID: "first"})
		c.write(smpp.Header{Sequence: h.Sequence}, &smpp.SubmitSMResp{MessageID: "again"})
		c.write(smpp.Header{Sequence: h.Sequence, Status: smpp.StatusRSYSERR}, &smpp.GenericNack{})
	}()
	refs, done, err := l.Submit(context.Background(), text("0100", "hello"))
	done()
	if err != nil || refs[0].ID != "first" {
		t.Fatal(refs, err)
	}
	until(t, "three strays are counted", func() bool { return l.State().Counters.Strays == 3 })
	if !l.State().Up {
		t.Error("the bind was dropped")
	}
	go func() {
		for { // the unbind at the end
			h, p := c.read()
			if _, ok := p.(*smpp.Unbind); ok {
				c.write(smpp.Header{Sequence: h.Sequence}, &smpp.UnbindResp{})
				return
			}
		}
	}()
	l.stop()
}

func TestNamelessAndUnreadableAnswersAreStillAYes(t *testing.T) {
	for _, tt := range []struct {
		name string
		body []byte
	}{
		{"no body", nil},
		{"an empty id", []byte{0}},
		{"an id without its end", []byte("ABC")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ln, addr := listen(t)
			l := link(t, addr, func(cfg *Config) { cfg.Timers.Stop = 50 * time.Millisecond })
			c := answerBind(t, ln)
			l.up()
			go func() {
				h, _ := c.read()
				b, _ := smpp.Append(nil, smpp.Header{Sequence: h.Sequence}, &smpp.SubmitSMResp{})
				b = append(b[:16], tt.body...)
				b[3] = byte(len(b))
				c.octets(b)
			}()
			refs, done, err := l.Submit(context.Background(), text("0100", "hello"))
			done()
			if err != nil || len(refs) != 1 || refs[0].ID != "" {
				t.Error(refs, err)
			}
			if n := l.State().Counters.Nameless; n != 1 {
				t.Errorf("%d nameless", n)
			}
		})
	}
}

func TestAGenericNackIsJudgedByItsStatus(t *testing.T) {
	for status, want := range map[smpp.Status]message.Class{
		smpp.StatusRINVMSGLEN: message.ClassBug, smpp.StatusRSYSERR: message.ClassTemporaryShort, smpp.StatusRTHROTTLED: message.ClassTemporaryShort,
	} {
		ln, addr := listen(t)
		l := link(t, addr, func(cfg *Config) { cfg.Timers.Stop = 50 * time.Millisecond })
		c := answerBind(t, ln)
		l.up()
		go func() {
			h, _ := c.read()
			c.write(smpp.Header{Sequence: h.Sequence, Status: status}, &smpp.GenericNack{})
		}()
		_, done, err := l.Submit(context.Background(), text("0100", "hello"))
		done()
		if no := refusalOf(t, err); no.Class != want || no.Code != status.Code() {
			t.Errorf("%s: %+v", status, no)
		}
		l.stop()
	}
}

func TestThrottlingPausesTheLinkAndHalvesItsPace(t *testing.T) {
	var mu sync.Mutex
	refuse := 2
	c := newCentre(t, script{handle: func(req *smpp.Request) {
		mu.Lock()
		defer mu.Unlock()
		if refuse > 0 {
			refuse--
			req.Respond(smpp.StatusRTHROTTLED, nil)
			return
		}
		accept(req)
	}})
	clock := newClock()
	l := link(t, c.addr, func(cfg *Config) { cfg.Now, cfg.Sleep, cfg.Link.Rate = clock.now, clock.sleep, 100 }).up()
	submit := func() error {
		_, done, err := l.Submit(context.Background(), text("0100", "hello"))
		done()
		return err
	}
	for n, want := range []time.Duration{time.Second, 2 * time.Second} {
		before := clock.now()
		if no := refusalOf(t, submit()); no.Class != message.ClassThrottled {
			t.Fatal(no)
		}
		s := l.State()
		if pause := s.Throttle.Sub(clock.now()); pause != want {
			t.Errorf("pause %d is %s (from %s), want %s", n+1, pause, before, want)
		}
		if half := 50.0 / float64(n+1); s.Rate != half {
			t.Errorf("pace %v, want %v", s.Rate, half)
		}
	}
	end := l.State().Throttle
	if err := submit(); err != nil {
		t.Fatal(err)
	}
	if clock.now().Before(end) {
		t.Error("it was submitted before the pause was over")
	}
	for range 2000 {
		if err := submit(); err != nil {
			t.Fatal(err)
		}
	}
	if s := l.State(); s.Rate != 100 || s.Counters.Throttles != 2 || !s.Throttle.IsZero() {
		t.Errorf("afterwards: pace %v, %d throttles, until %s", s.Rate, s.Counters.Throttles, s.Throttle)
	}
}

func TestAPauseGrowsToAMinuteAndNoMore(t *testing.T) {
	clock := newClock()
	p := newPace(0, clock.now, func() float64 { return 1 }, clock.sleep)
	var got []time.Duration
	for range 9 {
		sent, err := p.wait(context.Background())
		if err != nil || !p.throttled(sent) {
			t.Fatal(err)
		}
		if p.throttled(sent) {
			t.Error("two answers to one burst made two pauses")
		}
		got = append(got, p.until.Sub(clock.now()).Round(100*time.Millisecond))
	}
	s := func(f float64) time.Duration { return time.Duration(f * 1.2 * float64(time.Second)) }
	if d := cmp.Diff([]time.Duration{s(1), s(2), s(4), s(8), s(16), s(32), s(60), s(60), s(60)}, got); d != "" {
		t.Error(d)
	}
}

func TestAFullQueueOfOneHandsetStopsOnlyIt(t *testing.T) {
	c := newCentre(t, script{handle: func(req *smpp.Request) {
		if req.PDU.(*smpp.SubmitSM).Dest.Addr == "14255550109" {
			req.Respond(smpp.StatusRMSGQFUL, nil)
			return
		}
		accept(req)
	}})
	clock := newClock()
	l := link(t, c.addr, func(cfg *Config) { cfg.Now, cfg.Sleep = clock.now, clock.sleep }).up()
	var got []string
	for _, tail := range []string{"0109", "0100", "0109", "0100", "0109"} {
		_, done, err := l.Submit(context.Background(), text(tail, "hello"))
		done()
		if err == nil {
			got = append(got, "ok")
		} else {
			got = append(got, refusalOf(t, err).Class.String())
		}
	}
	if d := cmp.Diff([]string{"THR", "ok", "TMP", "ok", "TMP"}, got); d != "" {
		t.Error(d)
	}
	if n := l.State().Counters.Throttles; n != 1 {
		t.Errorf("the link paused %d times", n)
	}
}

// Many handsets that are switched off do not slow the link for the others, however their texts meet.
func TestFullQueuesOfSomeHandsetsStopOnlyThem(t *testing.T) {
	c := newCentre(t, script{handle: func(req *smpp.Request) {
		if strings.HasPrefix(req.PDU.(*smpp.SubmitSM).Dest.Addr, "1425555011") {
			req.Respond(smpp.StatusRMSGQFUL, nil)
			return
		}
		accept(req)
	}})
	clock := newClock()
	l := link(t, c.addr, func(cfg *Config) { cfg.Now, cfg.Sleep = clock.now, clock.sleep }).up()
	submit := func(tail, s, want string) {
		t.Helper()
		got := "ok"
		_, done, err := l.Submit(context.Background(), text(tail, s))
		done()
		if err != nil {
			got = refusalOf(t, err).Class.String()
		}
		if got != want {
			t.Errorf("to %s: %s, want %s", tail, got, want)
		}
	}
	submit("0100", "hello", "ok")
	for range 5 { // in turn with others, and back to back
		for _, tail := range []string{"0110", "0100", "0111", "0100", "0110", "0111", "0112"} {
			want := "ok"
			if tail != "0100" {
				want = "TMP"
			}
			submit(tail, "hello", want)
		}
		submit("0100", "hello", "ok")
	}
	submit("0110", strings.Repeat("0123456789", 100), "TMP") // seven segments to one handset
	submit("0100", "hello", "ok")
	for range 3 { // at night, when nothing else is sent
		for i := range 10 {
			clock.sleep(context.Background(), 11*time.Second)
			submit(fmt.Sprint("011", i), "hello", "TMP")
		}
	}
	if s := l.State(); s.Counters.Throttles != 0 || s.Rate != 0 {
		t.Errorf("the link paused %d times, pace %v", s.Counters.Throttles, s.Rate)
	}
}

func TestACentreThatIsFullForAllThrottles(t *testing.T) {
	var full atomic.Bool
	c := newCentre(t, script{handle: func(req *smpp.Request) {
		if full.Load() {
			req.Respond(smpp.StatusRMSGQFUL, nil)
			return
		}
		accept(req)
	}})
	clock := newClock()
	l := link(t, c.addr, func(cfg *Config) { cfg.Now, cfg.Sleep = clock.now, clock.sleep }).up()
	submit := func(i int) string {
		_, done, err := l.Submit(context.Background(), text(fmt.Sprintf("01%02d", i), "hello"))
		done()
		if err == nil {
			return "ok"
		}
		return refusalOf(t, err).Class.String()
	}
	var got []string
	for i := range 10 {
		full.Store(i > 0 && i < 8)
		got = append(got, submit(i))
	}
	if d := cmp.Diff([]string{"ok", "TMP", "TMP", "TMP", "THR", "THR", "THR", "THR", "ok", "ok"}, got); d != "" {
		t.Error(d)
	}
	if n := l.State().Counters.Throttles; n != 4 {
		t.Errorf("the link paused %d times", n)
	}
}

// With a window under way many answers say that the framing is lost before the bind is left. The texts are
// not at fault.
func TestLostFramingCondemnsTheBindAndNotTheTexts(t *testing.T) {
	held := make(chan *smpp.Request, 10)
	c := newCentre(t, script{handle: func(req *smpp.Request) { held <- req }})
	l := link(t, c.addr, func(cfg *Config) { cfg.Timers.Stop = time.Minute }).up()
	classes := make(chan string, 10)
	submit := func() {
		_, done, err := l.Submit(context.Background(), text("0100", "hello"))
		done()
		if no, ok := err.(*message.Refusal); ok {
			classes <- no.Class.String()
		} else {
			classes <- "ok"
		}
	}
	for range 10 {
		go submit()
	}
	var requests []*smpp.Request
	for range 10 {
		requests = append(requests, receive(t, held, "the submit"))
	}
	var got []string
	for i, req := range requests { // one after the other: the order of the answers is what counts
		switch i {
		case 1, 6: // a yes among them: before the third it acquits the bind, afterwards not
			accept(req)
		default:
			req.Respond(smpp.StatusRINVCMDLEN, nil)
		}
		got = append(got, receive(t, classes, "the answer"))
	}
	if d := cmp.Diff([]string{"BUG", "ok", "BUG", "BUG", "BND", "BND", "ok", "BND", "BND", "BND"}, got); d != "" {
		t.Error(d)
	}
	until(t, "it is bound anew", func() bool { s := l.State(); return s.Up && s.Counters.Binds == 2 })
	go submit()
	receive(t, held, "the submit").Respond(smpp.StatusRINVCMDLEN, nil)
	if class := receive(t, classes, "the answer"); class != "BUG" {
		t.Errorf("the new bind has to answer for the old: %s", class)
	}
}

// A stop has Timers.Stop for what is under way, not for each segment of it.
func TestAStopWaitsOnceForAllSegmentsOfAText(t *testing.T) {
	const parts = 40
	arrived := make(chan struct{}, parts)
	c := newCentre(t, script{handle: func(*smpp.Request) { arrived <- struct{}{} }}) // and says nothing
	l := link(t, c.addr, func(cfg *Config) { cfg.Link.Window, cfg.Timers.Stop = parts, 500*time.Millisecond }).up()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, done, err := l.Submit(ctx, text("0100", strings.Repeat("x", 152*parts)))
		done()
		ended <- err
	}()
	for range parts {
		receive(t, arrived, "a segment")
	}
	began := time.Now()
	cancel()
	err := receive(t, ended, "the end of the wait")
	if took := time.Since(began); took > 10*time.Second { // once for each it is 20 s
		t.Errorf("it waited %s", took)
	}
	if no := refusalOf(t, err); no.Class != message.ClassUnknown || !errors.Is(err, smpp.ErrUnknown) {
		t.Error(no)
	}
	if n := l.State().Counters.Unknown; n != parts {
		t.Errorf("%d segments are unknown", n)
	}
}

// Its recipient may have said no while it waited.
func TestATextIsAskedForOnceMoreWhenItsTurnHasCome(t *testing.T) {
	bodies := make(chan string, 8)
	c := newCentre(t, script{handle: func(req *smpp.Request) {
		bodies <- string(req.PDU.(*smpp.SubmitSM).ShortMessage)
		accept(req)
	}})
	clock := newClock()
	clock.hold = make(chan struct{})
	l := link(t, c.addr, func(cfg *Config) { cfg.Now, cfg.Sleep, cfg.Link.Rate = clock.now, clock.sleep, 1 }).up()
	type answer struct {
		refs []message.Ref
		err  error
	}
	submit := func(m message.SMS) <-chan answer {
		out := make(chan answer, 1)
		go func() {
			refs, done, err := l.Submit(context.Background(), m)
			done()
			out <- answer{refs, err}
		}()
		return out
	}
	turn := func() {
		receive(t, clock.naps, "the wait for the pace")
		clock.hold <- struct{}{}
	}
	if a := receive(t, submit(text("0100", "first")), "the first answer"); a.err != nil {
		t.Fatal(a.err)
	}
	var still atomic.Bool
	var asked atomic.Int32
	m := text("0101", "unwanted")
	m.Still = func() bool { asked.Add(1); return still.Load() }
	still.Store(true)
	out := submit(m)
	receive(t, clock.naps, "the wait for the pace")
	still.Store(false)
	clock.hold <- struct{}{}
	if no := refusalOf(t, receive(t, out, "the refusal").err); no.Class != message.ClassUnsent || no.Code != "" {
		t.Error(no)
	}
	still.Store(true)
	asked.Store(0)
	m.Text = strings.Repeat("0123456789", 40)
	m.Still = func() bool { asked.Add(1); return still.Swap(false) }
	out = submit(m)
	for range 3 {
		turn()
	}
	if a := receive(t, out, "the answer"); a.err != nil || len(a.refs) != 3 {
		t.Errorf("what has begun is finished: %+v", a)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	var got []string
	for range 4 {
		got = append(got, receive(t, bodies, "the submit"))
	}
	if got[0] != "first" || strings.Contains(strings.Join(got, ""), "unwanted") || len(bodies) != 0 {
		t.Errorf("on the wire: %q", got)
	}
}

func TestAValidityTheCentreRefusesIsLeftOutOnce(t *testing.T) {
	c := newCentre(t, script{handle: func(req *smpp.Request) {
		if req.PDU.(*smpp.SubmitSM).ValidityPeriod != "" {
			req.Respond(smpp.StatusRINVEXPIRY, nil)
			return
		}
		accept(req)
	}})
	l := link(t, c.addr, nil).up()
	m := text("0100", "hello")
	m.Expires = time.Now().Add(time.Hour)
	_, done, err := l.Submit(context.Background(), m)
	done()
	if err != nil {
		t.Error(err)
	}
}

func TestATextTakenInPart(t *testing.T) {
	var mu sync.Mutex
	var status smpp.Status
	times := 0
	c := newCentre(t, script{handle: func(req *smpp.Request) {
		mu.Lock()
		defer mu.Unlock()
		h, _, _ := gsm.ParseUDH(req.PDU.(*smpp.SubmitSM).ShortMessage)
		if p, _ := h.Concat(); p.Seq == 2 && times > 0 {
			times--
			req.Respond(status, nil)
			return
		}
		accept(req)
	}})
	clock := newClock()
	l := link(t, c.addr, func(cfg *Config) { cfg.Now, cfg.Sleep = clock.now, clock.sleep }).up()
	long := strings.Repeat("0123456789", 40)
	set := func(s smpp.Status, n int) { mu.Lock(); defer mu.Unlock(); status, times = s, n }

	set(smpp.StatusRX_P_APPN, 1)
	refs, done, err := l.Submit(context.Background(), text("0100", long))
	done()
	no := refusalOf(t, err)
	if no.Class != message.ClassPermanent || len(refs) != 0 || len(no.Refs) != 2 || no.Refs[0].Part != 0 || no.Refs[1].Part != 2 {
		t.Errorf("refused for good: %+v", no)
	}
	set(smpp.StatusRTHROTTLED, 2)
	refs, done, err = l.Submit(context.Background(), text("0100", long))
	done()
	if err != nil || len(refs) != 3 {
		t.Errorf("throttled in the middle, it is finished here: %v %v", refs, err)
	}
	set(smpp.StatusRTHROTTLED, 1000)
	_, done, err = l.Submit(context.Background(), text("0100", long))
	done()
	if no := refusalOf(t, err); no.Class != message.ClassThrottled || len(no.Refs) != 2 {
		t.Errorf("throttled again and again, it goes back: %+v", no)
	}
}

func TestTheRateOfALinkIsKept(t *testing.T) {
	c := newCentre(t, script{})
	clock := newClock()
	l := link(t, c.addr, func(cfg *Config) { cfg.Now, cfg.Sleep, cfg.Link.Rate = clock.now, clock.sleep, 10 }).up()
	began := clock.now()
	for range 21 {
		_, done, err := l.Submit(context.Background(), text("0100", "hello"))
		done()
		if err != nil {
			t.Fatal(err)
		}
	}
	if d := clock.now().Sub(began).Round(time.Millisecond); d != 2*time.Second {
		t.Errorf("21 submits at 10 a second took %s", d)
	}
}

func TestSubmitFailShrinksTheWindow(t *testing.T) {
	c := newCentre(t, script{handle: func(req *smpp.Request) { req.Respond(smpp.StatusRSUBMITFAIL, nil) }})
	l := link(t, c.addr, nil).up()
	_, done, err := l.Submit(context.Background(), text("0100", "hello"))
	done()
	if no := refusalOf(t, err); no.Class != message.ClassTemporaryShort || l.State().Window != 5 {
		t.Errorf("%+v, window %d", no, l.State().Window)
	}
}

func TestReferencesOfLongTextsDiffer(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	c := newCentre(t, script{handle: func(req *smpp.Request) {
		h, _, _ := gsm.ParseUDH(req.PDU.(*smpp.SubmitSM).ShortMessage)
		p, _ := h.Concat()
		mu.Lock()
		seen[fmt.Sprintf("%d/%d", p.Ref, p.Seq)]++
		mu.Unlock()
		accept(req)
	}})
	l := link(t, c.addr, nil).up()
	for range 50 {
		_, done, err := l.Submit(context.Background(), text("0100", strings.Repeat("0123456789", 17)))
		done()
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 100 {
		t.Errorf("%d different segments, want 100", len(seen))
	}
}

func BenchmarkSubmit(b *testing.B) {
	for _, window := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("window %d", window), func(b *testing.B) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			server := &smpp.Server{
				Authenticate: func(context.Context, *smpp.Bind, net.Addr) (smpp.BindResp, smpp.Status) {
					return smpp.BindResp{SystemID: "centre"}, smpp.StatusROK
				},
				Session: smpp.SessionConfig{InboundWindow: 1000, Handler: smpp.HandlerFunc(func(_ context.Context, req *smpp.Request) {
					req.Respond(smpp.StatusROK, &smpp.SubmitSMResp{MessageID: "0123ABCD"})
				})},
			}
			ctx, cancel := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			wg.Go(func() { server.Serve(ctx, ln) })
			up := make(chan struct{}, 1)
			cfg, _, _ := configOf(ln.Addr().(*net.TCPAddr), func(c *Config) {
				c.Link.Window = window
				c.Changed = func(on bool, _ int) {
					if on {
						up <- struct{}{}
					}
				}
			})
			s, err := New(cfg)
			if err != nil {
				b.Fatal(err)
			}
			wg.Go(func() { s.Run(ctx) })
			<-up
			m := text("0100", "Your pizza is on its way and will be with you in about twenty minutes. Enjoy!")
			m.Expires = time.Now().Add(time.Hour)
			work := make(chan struct{}, window)
			b.ReportAllocs()
			b.ResetTimer()
			var workers sync.WaitGroup
			for range window {
				workers.Go(func() {
					for range work {
						_, done, err := s.Submit(ctx, m)
						if err != nil {
							b.Error(err)
						}
						done()
					}
				})
			}
			for range b.N {
				work <- struct{}{}
			}
			close(work)
			workers.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submits/s")
			cancel()
			wg.Wait()
		})
	}
}
