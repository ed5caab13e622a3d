package smsc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"longlines/message"
	"longlines/route"
	"longlines/smpp"
	"longlines/timeline"
)

var _ route.SMSC = (*SMSC)(nil)

func TestALinkBindsAsItIsTold(t *testing.T) {
	for _, tt := range []struct {
		bind  string
		kinds []smpp.BindKind
		size  int
	}{
		{"transceiver", []smpp.BindKind{smpp.BindTransceiver}, 10},
		{"transmitter", []smpp.BindKind{smpp.BindTransmitter}, 10},
		{"receiver", []smpp.BindKind{smpp.BindReceiver}, 0},
		{"pair", []smpp.BindKind{smpp.BindTransmitter, smpp.BindReceiver}, 10},
	} {
		t.Run(tt.bind, func(t *testing.T) {
			c := newCentre(t, script{})
			l := link(t, c.addr, func(cfg *Config) { cfg.Link.Bind, cfg.Link.SystemType = tt.bind, "VMA" })
			seen := map[smpp.BindKind]bool{}
			for range tt.kinds {
				b := receive(t, c.binds, "the bind")
				seen[b.Kind] = true
				want := smpp.Bind{Kind: b.Kind, SystemID: "us", Password: "secret", SystemType: "VMA", InterfaceVersion: 0x34}
				if d := cmp.Diff(want, b); d != "" {
					t.Error(d)
				}
			}
			for _, k := range tt.kinds {
				if !seen[k] {
					t.Errorf("no bind as %s", k)
				}
			}
			if got := receive(t, l.changes, "the news"); got != (change{true, tt.size}) {
				t.Errorf("told %+v", got)
			}
			until(t, "all binds are shown", func() bool {
				s := l.State()
				for _, b := range s.Binds {
					if !b.Up || !strings.HasPrefix(b.Centre, "centre at 127.0.0.1:") {
						return false
					}
				}
				return s.Up && s.Phase == route.PhaseUp && len(s.Binds) == len(tt.kinds)
			})
			_, done, err := l.Submit(context.Background(), text("0100", "hello"))
			done()
			if tt.size > 0 && err != nil {
				t.Error(err)
			}
			if tt.size == 0 && refusalOf(t, err).Class != message.ClassUnsent {
				t.Error(err)
			}
		})
	}
}

// backOffs runs a link against a centre that refuses n binds, and returns how long it waited each time.
func backOffs(t *testing.T, n int, status smpp.Status) ([]time.Duration, *linked) {
	t.Helper()
	var at sync.Mutex
	under, most := 0, 0
	c := newCentre(t, script{bind: func(k int, _ *smpp.Bind) smpp.Status {
		at.Lock()
		defer at.Unlock()
		under++
		most = max(most, under)
		under--
		if k <= n {
			return status
		}
		return smpp.StatusROK
	}})
	clock := newClock()
	l := link(t, c.addr, func(cfg *Config) { cfg.Now, cfg.Sleep = clock.now, clock.sleep }).up()
	var got []time.Duration
	for range n {
		got = append(got, receive(t, clock.naps, "a pause").Round(time.Millisecond))
	}
	return got, l
}

func TestARefusedBindIsTriedAgainForEver(t *testing.T) {
	s := time.Second
	for _, tt := range []struct {
		name   string
		status smpp.Status
		want   []time.Duration
	}{
		{"with full jitter, here half, up to a minute", smpp.StatusRBINDFAIL, []time.Duration{s / 2, s, 2 * s, 4 * s, 8 * s, 16 * s, 30 * s, 30 * s}},
		{"bound already: 5 s to 300 s", smpp.StatusRALYBND, []time.Duration{5 * s, 10 * s, 20 * s, 40 * s, 80 * s, 160 * s, 300 * s, 300 * s}},
		{"wrong password: 60 s to 15 min", smpp.StatusRINVPASWD, []time.Duration{60 * s, 120 * s, 240 * s, 480 * s, 900 * s, 900 * s}},
		{"unknown account: likewise", smpp.StatusRINVSYSID, []time.Duration{60 * s, 120 * s}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, l := backOffs(t, len(tt.want), tt.status)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			s := l.State()
			if s.Alarm != "" {
				t.Errorf("the bind that came about leaves an alarm: %s", s.Alarm)
			}
			if s.Error == "" || s.Counters.Binds != 1 {
				t.Errorf("error %q, %d binds", s.Error, s.Counters.Binds)
			}
		})
	}
}

func TestAWrongPasswordAlarms(t *testing.T) {
	c := newCentre(t, script{bind: func(int, *smpp.Bind) smpp.Status { return smpp.StatusRINVPASWD }})
	clock := newClock()
	clock.hold = make(chan struct{})
	l := link(t, c.addr, func(cfg *Config) { cfg.Now, cfg.Sleep = clock.now, clock.sleep })
	receive(t, clock.naps, "the pause")
	s := l.State()
	if !strings.Contains(s.Alarm, "ESME_RINVPASWD") || !strings.Contains(s.Alarm, "check the password") {
		t.Errorf("alarm %q", s.Alarm)
	}
	if s.Up || s.Phase != route.PhaseWaiting || s.Next.Sub(clock.now()) != time.Minute {
		t.Errorf("up %t, phase %s, next in %s", s.Up, s.Phase, s.Next.Sub(clock.now()))
	}
	if len(l.changes) != 0 {
		t.Error("a link that was never up told of a change")
	}
}

// The centre has accepted; what it says beyond that does not undo it.
func TestACentreWithALongNameIsBoundTo(t *testing.T) {
	long := func(b []byte) []byte {
		b = append(b[:16], "smsc01.carrier.example\x00"...) // 22 octets, 15 allowed
		b[3] = byte(len(b))
		return b
	}
	ln, addr := listen(t)
	for _, name := range []string{"the link", "its test"} {
		t.Run(name, func(t *testing.T) {
			over := make(chan struct{})
			go func() {
				defer close(over)
				c := takeBind(t, ln, long)
				for {
					h, p := c.read()
					switch p.(type) {
					case *smpp.EnquireLink:
						c.write(smpp.Header{Sequence: h.Sequence}, &smpp.EnquireLinkResp{})
					case *smpp.SubmitSM:
						c.write(smpp.Header{Sequence: h.Sequence}, &smpp.SubmitSMResp{MessageID: "1"})
					case *smpp.Unbind:
						c.write(smpp.Header{Sequence: h.Sequence}, &smpp.UnbindResp{})
						return
					}
				}
			}()
			if name == "the link" {
				l := link(t, addr, nil).up()
				_, done, err := l.Submit(context.Background(), text("0100", "hello"))
				done()
				if s := l.State(); err != nil || s.Alarm != "" || s.Error != "" {
					t.Errorf("%v, alarm %q, error %q", err, s.Alarm, s.Error)
				}
				l.stop()
			} else {
				cfg, _, _ := configOf(addr, nil)
				if steps := Try(context.Background(), cfg.Link, nil, 0); len(steps) != 4 || !steps[3].OK {
					t.Errorf("%+v", steps)
				}
			}
			receive(t, over, "the unbind")
		})
	}
}

// An answer that we cannot read is no verdict of the centre's on our account.
func TestAnAnswerToTheBindThatCannotBeReadIsNoRefusal(t *testing.T) {
	ln, addr := listen(t)
	reg := prometheus.NewRegistry()
	clock := newClock()
	clock.hold = make(chan struct{})
	l := link(t, addr, func(cfg *Config) { cfg.Now, cfg.Sleep, cfg.Metrics = clock.now, clock.sleep, NewMetrics(reg) })
	bomb := func([]byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }
	takeBind(t, ln, bomb)
	if d := receive(t, clock.naps, "the pause"); d != time.Second/2 {
		t.Errorf("tried again after %s", d)
	}
	if s := l.State(); s.Alarm != "" || s.Error == "" {
		t.Errorf("alarm %q, error %q", s.Alarm, s.Error)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "longlines_smpp_bind_attempts_total" {
			for _, x := range f.GetMetric() {
				for _, p := range x.GetLabel() {
					if p.GetName() == "command_status" && p.GetValue() != "none" {
						t.Errorf("counted as %s", p.GetValue())
					}
				}
			}
		}
	}
	over := make(chan struct{})
	go func() { defer close(over); takeBind(t, ln, bomb) }()
	steps := Try(context.Background(), l.link, nil, 0)
	receive(t, over, "the bind")
	if x := steps[len(steps)-1]; x.Name != "bind" || x.OK || x.Status != "" || !strings.Contains(x.Hint, "check the port") {
		t.Errorf("%+v", x)
	}
	for _, status := range []smpp.Status{smpp.StatusRINVSYSID, smpp.StatusRALYBND} {
		if a := actionOf(fmt.Errorf("bind: %w", &smpp.DecodeError{Status: status})); a != bindBackOff {
			t.Errorf("%s of our own: %s", status, a)
		}
	}
}

func TestOneAttemptAtATime(t *testing.T) {
	var mu sync.Mutex
	under, most := 0, 0
	c := newCentre(t, script{bind: func(k int, _ *smpp.Bind) smpp.Status {
		mu.Lock()
		under++
		most = max(most, under)
		mu.Unlock()
		if k <= 6 {
			defer func() { mu.Lock(); under--; mu.Unlock() }()
			return smpp.StatusRSYSERR
		}
		mu.Lock()
		under--
		mu.Unlock()
		return smpp.StatusROK
	}})
	link(t, c.addr, func(cfg *Config) { cfg.Link.Bind = "pair" })
	c.session()
	c.session()
	if most != 1 {
		t.Errorf("%d attempts at once", most)
	}
}

func TestALostBindIsMadeAnew(t *testing.T) {
	c := newCentre(t, script{})
	feed := timeline.New(64, time.Now)
	l := link(t, c.addr, func(cfg *Config) { cfg.Timeline = feed }).up()
	for n := range 3 {
		c.session().Abort(nil)
		until(t, "it is bound again", func() bool { s := l.State(); return s.Up && s.Counters.Binds == int64(n+2) })
	}
	var told []change
	for range 7 {
		told = append(told, receive(t, l.changes, "the news"))
	}
	up, down := change{true, 10}, change{false, 0}
	if d := cmp.Diff([]change{up, down, up, down, up, down, up}, told, cmp.AllowUnexported(change{})); d != "" {
		t.Error(d)
	}
	events, w := feed.Watch(0)
	defer w.Close()
	if len(events) != 7 || events[0].Kind != timeline.KindLink || events[0].State != "up" || events[1].State != "down" {
		t.Errorf("%d events: %+v", len(events), events)
	}
}

func TestThePeersUnbindIsHonouredAndFollowedUp(t *testing.T) {
	c := newCentre(t, script{})
	l := link(t, c.addr, nil).up()
	if err := c.session().Unbind(context.Background()); err != nil {
		t.Error(err)
	}
	c.session()
	until(t, "the reason is kept", func() bool { s := l.State(); return s.Error != "" && s.Up && s.Counters.Binds == 2 })
}

func TestAHalfOpenConnectionIsFound(t *testing.T) {
	ln, addr := listen(t)
	l := link(t, addr, func(cfg *Config) {
		cfg.Timers.Enquire, cfg.Timers.Alive, cfg.Timers.Stop = 10*time.Millisecond, 10*time.Millisecond, 10*time.Millisecond
	})
	c := answerBind(t, ln)
	for range 2 { // asked twice, and mute
		if h, _ := c.read(); h.ID != smpp.CommandEnquireLink {
			t.Fatalf("%s came", h.ID)
		}
	}
	answerBind(t, ln)
	until(t, "the reason is kept", func() bool { return strings.Contains(l.State().Error, "enquire_link") })
}

func TestGarbageEndsTheBindNotTheLink(t *testing.T) {
	for _, tt := range []struct {
		name   string
		octets []byte
	}{
		{"a length bomb", []byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9}},
		{"a length below the header's", []byte{0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9}},
		{"another protocol", []byte("HTTP/1.1 400 Bad Request\r\n\r\n")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ln, addr := listen(t)
			link(t, addr, func(cfg *Config) { cfg.Timers.Stop = 50 * time.Millisecond })
			c := answerBind(t, ln)
			c.octets(tt.octets)
			if h, _ := c.read(); h.ID != smpp.CommandGenericNack || h.Status != smpp.StatusRINVCMDLEN {
				t.Errorf("answered %s %s", h.ID, h.Status)
			}
			c.Close()
			answerBind(t, ln)
		})
	}
}

func TestStopUnbindsAfterTheAnswers(t *testing.T) {
	held := make(chan *smpp.Request, 1)
	c := newCentre(t, script{handle: func(req *smpp.Request) { held <- req }})
	l := link(t, c.addr, nil).up()
	session := c.session()
	answered := make(chan error, 1)
	go func() {
		_, done, err := l.Submit(context.Background(), text("0100", "hello"))
		done()
		answered <- err
	}()
	req := receive(t, held, "the submit")
	stopped := make(chan struct{})
	go func() { l.stop(); close(stopped) }()
	until(t, "the link is down", func() bool { return !l.State().Up })
	_, done, err := l.Submit(context.Background(), text("0100", "too late"))
	done()
	if no := refusalOf(t, err); no.Class != message.ClassUnsent {
		t.Error(no)
	}
	accept(req)
	if err := receive(t, answered, "the answer"); err != nil {
		t.Errorf("what was under way: %v", err)
	}
	receive(t, stopped, "the end")
	<-session.Done()
	if err := session.Err(); err != smpp.ErrPeerUnbound {
		t.Errorf("the centre saw %v", err)
	}
	if s := l.State(); s.Phase != route.PhaseStopped || s.Counters.Drops != 0 {
		t.Errorf("phase %s, %d drops", s.Phase, s.Counters.Drops)
	}
	if err := l.Run(context.Background()); err == nil {
		t.Error("Run may be called once")
	}
}

func TestPauseLeavesAndResumeComesBack(t *testing.T) {
	c := newCentre(t, script{})
	l := link(t, c.addr, nil).up()
	session := c.session()
	l.Pause()
	l.Pause()
	<-session.Done()
	if err := session.Err(); err != smpp.ErrPeerUnbound {
		t.Error(err)
	}
	until(t, "it says so", func() bool { return l.State().Phase == route.PhasePaused })
	if len(c.binds) != 1 {
		t.Error("it tried to bind while paused")
	}
	l.Resume()
	c.session()
	l.up()
}

func TestPauseEndsAWaitForTheNextAttempt(t *testing.T) {
	c := newCentre(t, script{bind: func(k int, _ *smpp.Bind) smpp.Status {
		if k == 1 {
			return smpp.StatusRINVPASWD
		}
		return smpp.StatusROK
	}})
	clock := newClock()
	clock.hold = make(chan struct{})
	l := link(t, c.addr, func(cfg *Config) { cfg.Now, cfg.Sleep = clock.now, clock.sleep })
	receive(t, clock.naps, "the minute's wait")
	l.Pause()
	until(t, "paused", func() bool { return l.State().Phase == route.PhasePaused })
	l.Resume() // an operator who has put the account right need not wait
	l.up()
}

func TestPauseEndsAnAttemptUnderWay(t *testing.T) {
	ln, addr := listen(t)
	l := link(t, addr, nil)
	mute, err := ln.Accept() // and says nothing to the bind
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	until(t, "it binds", func() bool { return l.State().Phase == route.PhaseBinding })
	l.Pause()
	until(t, "paused", func() bool { return l.State().Phase == route.PhasePaused })
	if s := l.State(); s.Error != "" {
		t.Errorf("a pause is no error: %s", s.Error)
	}
}

func TestABindThatFailsToHoldBacksOff(t *testing.T) {
	c := newCentre(t, script{})
	clock := newClock()
	l := link(t, c.addr, func(cfg *Config) {
		cfg.Now, cfg.Sleep, cfg.Timers.Stable = clock.now, clock.sleep, time.Minute
	})
	var got []time.Duration
	for range 4 {
		c.session().Abort(nil)
		got = append(got, receive(t, clock.naps, "a pause"))
	}
	s := time.Second
	if d := cmp.Diff([]time.Duration{s / 2, s, 2 * s, 4 * s}, got); d != "" {
		t.Error(d)
	}
	l.up()
}

// certificate makes one for 127.0.0.1 that signs itself.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, &x, &x, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLS(t *testing.T) {
	cert, pool := certificate(t)
	ln, addr := listen(t)
	c := serve(t, tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}}), script{})
	l := link(t, addr, func(cfg *Config) { cfg.Link.TLS, cfg.TLS = true, &tls.Config{RootCAs: pool} }).up()
	_, done, err := l.Submit(context.Background(), text("0100", "hello"))
	done()
	if err != nil {
		t.Error(err)
	}
	distrust := link(t, addr, func(cfg *Config) { cfg.Link.TLS = true })
	until(t, "a certificate nobody vouches for is refused", func() bool { return strings.Contains(distrust.State().Error, "certificate") })
	steps := Try(context.Background(), l.link, &tls.Config{RootCAs: pool}, 0)
	if len(steps) != 5 || !steps[4].OK || !strings.Contains(steps[2].Detail, "TLS 1.3") {
		t.Errorf("%+v", steps)
	}
	c.session()
}

func TestTryTellsEachStep(t *testing.T) {
	names := func(steps []route.Step) (s string) {
		for _, x := range steps {
			s += x.Name
			if !x.OK {
				s += "!"
			}
			s += " "
		}
		return strings.TrimSpace(s)
	}
	c := newCentre(t, script{bind: func(_ int, b *smpp.Bind) smpp.Status {
		if b.Password != "secret" {
			return smpp.StatusRINVPASWD
		}
		return smpp.StatusROK
	}})
	cfg, _, _ := configOf(c.addr, nil)
	steps := Try(context.Background(), cfg.Link, nil, 0)
	if got := names(steps); got != "resolve connect bind enquire_link" {
		t.Fatalf("%s: %+v", got, steps)
	}
	if x := steps[2]; x.Status != "0x00000000 ESME_ROK" || !strings.Contains(x.Detail, `centre "centre"`) {
		t.Errorf("%+v", x)
	}
	session := c.session()
	<-session.Done()
	if session.Err() != smpp.ErrPeerUnbound {
		t.Errorf("it left without unbind: %v", session.Err())
	}
	cfg.Link.Password = "guess"
	steps = Try(context.Background(), cfg.Link, nil, 0)
	if got := names(steps); got != "resolve connect bind!" || steps[2].Status != "0x0000000E ESME_RINVPASWD" || !strings.Contains(steps[2].Hint, "password") {
		t.Errorf("%s: %+v", got, steps)
	}
	ln, addr := listen(t)
	ln.Close()
	cfg.Link.Port = addr.Port
	if steps = Try(context.Background(), cfg.Link, nil, 0); names(steps) != "resolve connect!" {
		t.Errorf("%+v", steps)
	}
	mute, addr := listen(t)
	defer mute.Close()
	cfg.Link.Port = addr.Port
	if steps = Try(context.Background(), cfg.Link, nil, 50*time.Millisecond); names(steps) != "resolve connect bind!" {
		t.Errorf("%+v", steps)
	}
}

func TestMetricsAreCounted(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg)
	c := newCentre(t, script{bind: func(k int, _ *smpp.Bind) smpp.Status {
		if k == 1 {
			return smpp.StatusRBINDFAIL
		}
		return smpp.StatusROK
	}})
	l := link(t, c.addr, func(cfg *Config) { cfg.Metrics = m }).up()
	_, done, err := l.Submit(context.Background(), text("0100", "hello"))
	if err != nil {
		t.Fatal(err)
	}
	value := func(name string, labels ...string) float64 {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
	family:
		for _, f := range families {
			if f.GetName() != name {
				continue
			}
			for _, x := range f.GetMetric() {
				have := map[string]string{}
				for _, p := range x.GetLabel() {
					have[p.GetName()] = p.GetValue()
				}
				match := true
				for i := 0; i < len(labels); i += 2 {
					match = match && have[labels[i]] == labels[i+1]
				}
				if !match {
					continue
				}
				switch {
				case x.GetGauge() != nil:
					return x.GetGauge().GetValue()
				case x.GetCounter() != nil:
					return x.GetCounter().GetValue()
				case x.GetHistogram() != nil:
					return float64(x.GetHistogram().GetSampleCount())
				}
			}
			continue family
		}
		return -1
	}
	for _, tt := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{1, "longlines_smpp_bound", []string{"link", "carrier"}},
		{1, "longlines_smpp_bind_attempts_total", []string{"link", "carrier", "command_status", "ESME_ROK"}},
		{1, "longlines_smpp_bind_attempts_total", []string{"link", "carrier", "command_status", "ESME_RBINDFAIL"}},
		{1, "longlines_smpp_pdus_total", []string{"link", "carrier", "pdu", "submit_sm", "command_status", "ESME_ROK"}},
		{1, "longlines_smpp_pdus_total", []string{"link", "carrier", "pdu", "submit_sm_resp", "command_status", "ESME_ROK"}},
		{1, "longlines_smpp_window_in_use", []string{"link", "carrier"}},
		{1, "longlines_smpp_rtt_seconds", []string{"link", "carrier"}},
	} {
		if got := value(tt.name, tt.labels...); got != tt.want {
			t.Errorf("%s %v is %v, want %v", tt.name, tt.labels, got, tt.want)
		}
	}
	done()
	if got := value("longlines_smpp_window_in_use"); got != 0 {
		t.Errorf("the place was given back: %v", got)
	}
	l.stop()
	if got := value("longlines_smpp_bound"); got != 0 {
		t.Errorf("bound is %v after the stop", got)
	}
	m.Forget("carrier")
	if got := value("longlines_smpp_bound"); got != -1 {
		t.Error("a forgotten link is still shown")
	}
}
