package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"longlines/number"
	"longlines/sandbox"
	"longlines/sandbox/clock"
	"longlines/sandbox/phone"
	"longlines/smpp"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, random func() float64) (*sandbox.Network, *clock.Manual, *smpp.Session) {
	t.Helper()
	c := clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	n, err := sandbox.New(sandbox.Config{SMSCListen: "127.0.0.1:0", Clock: c, Random: random})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the network ended with %v", err)
		}
	})
	s, _, err := smpp.Dial(t.Context(), smpp.DialConfig{
		Addr: n.SMSCAddr(), Bind: smpp.BindConfig{SystemID: n.SystemID, Password: n.Password},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return n, c, s
}

func submit(t *testing.T, s *smpp.Session, to string) error {
	t.Helper()
	_, err := s.Do(t.Context(), &smpp.SubmitSM{
		Source: smpp.Address{TON: 3, Addr: "48507"}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: to}, ShortMessage: []byte("hi"),
	})
	return err
}

func TestATextCrossesTheNetwork(t *testing.T) {
	n, _, s := start(t, nil)
	if err := submit(t, s, "14255550100"); err != nil {
		t.Fatal(err)
	}
	found, err := n.Phones.Messages(t.Context(), phone.Filter{Phone: "14255550100"}, time.Hour)
	if err != nil || len(found) != 1 || found[0].Text != "hi" {
		t.Errorf("the phone has %+v, %v", found, err)
	}
}

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	n, err := sandbox.New(sandbox.Config{SMSCListen: "0.0.0.0:0"})
	if err == nil {
		n.Close()
		t.Fatal("listened on every address")
	}
	if !strings.Contains(err.Error(), "loopback") {
		t.Errorf("error %q does not say why", err)
	}
}

func TestFaultsStrikeSubmits(t *testing.T) {
	var dice atomic.Uint64 // hundredths
	n, c, s := start(t, func() float64 { return float64(dice.Load()) / 100 })
	put := func(f sandbox.Fault) {
		t.Helper()
		if f.Probability == 0 {
			f.Probability = 1
		}
		if err := n.Faults.Put(f); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what, to string, status smpp.Status) {
		t.Helper()
		err := submit(t, s, to)
		if status == 0 && err != nil || status != 0 && !errors.Is(err, status) {
			t.Errorf("%s: %v, want %s", what, err, status)
		}
	}
	put(sandbox.Fault{Link: "sandbox", Status: 0x58})
	want("a status on the link", "14255550100", smpp.StatusRTHROTTLED)
	put(sandbox.Fault{Link: "sandbox", Status: 0x14})
	want("another status in its place", "14255550100", smpp.StatusRMSGQFUL)
	n.Faults.Clear()
	want("no fault any more", "14255550100", 0)

	put(sandbox.Fault{Number: "14255550142", Status: 0x08})
	want("a status for one number", "14255550142", smpp.StatusRSYSERR)
	want("another number", "14255550100", 0)
	n.Faults.Clear()

	put(sandbox.Fault{Status: 0x401, Probability: 0.2})
	dice.Store(19)
	want("a die below the probability", "14255550100", 0x401)
	dice.Store(20)
	want("a die at the probability", "14255550100", 0)
	n.Faults.Clear()

	put(sandbox.Fault{Status: 0x58, Until: c.Now().Add(time.Minute)})
	want("before its end", "14255550100", smpp.StatusRTHROTTLED)
	c.Advance(time.Minute)
	want("after its end", "14255550100", 0)
	if left := n.Faults.List(); len(left) != 0 {
		t.Errorf("still listed: %+v", left)
	}

	put(sandbox.Fault{Delay: time.Second})
	put(sandbox.Fault{Link: "sandbox", Number: "14255550100", Delay: 2 * time.Second, Status: 0x58})
	done := make(chan error)
	go func() { done <- submit(t, s, "14255550100") }()
	c.Await(1)
	c.Advance(3*time.Second - time.Millisecond)
	select {
	case err := <-done:
		t.Errorf("answered too early: %v", err)
	default:
	}
	c.Await(1)
	c.Advance(time.Millisecond)
	if err := <-done; !errors.Is(err, smpp.StatusRTHROTTLED) {
		t.Errorf("after both delays: %v", err)
	}
	put(sandbox.Fault{Link: sandbox.LinkAPI, Status: 502})
	n.Faults.Set(nil)
	put(sandbox.Fault{Link: sandbox.LinkAPI, Status: 502})
	want("a fault of the API", "14255550100", 0)
}

func TestFaultsThatMakeNoSenseAreRefused(t *testing.T) {
	c := clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	f := sandbox.NewFaults([]string{"sandbox"}, c, nil)
	for _, x := range []struct {
		name  string
		fault sandbox.Fault
		want  string
	}{
		{"a link that faults cannot be put on", sandbox.Fault{Link: "att", Status: 8, Probability: 1}, "sandbox, api"},
		{"a probability of 0", sandbox.Fault{Status: 8}, "probability"},
		{"a probability above 1", sandbox.Fault{Status: 8, Probability: 1.1}, "probability"},
		{"neither status nor delay", sandbox.Fault{Probability: 1}, "status"},
		{"a delay below 0", sandbox.Fault{Delay: -1, Probability: 1}, "delay"},
		{"a delay of an hour", sandbox.Fault{Delay: time.Hour, Probability: 1}, "delay"},
		{"an end that has passed", sandbox.Fault{Status: 8, Probability: 1, Until: c.Now()}, "until"},
		{"a number on the API", sandbox.Fault{Link: "api", Number: "14255550100", Status: 502, Probability: 1}, "number"},
		{"a status of SMPP on the API", sandbox.Fault{Link: "api", Status: 0x58, Probability: 1}, "HTTP"},
	} {
		if err := f.Put(x.fault); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v", x.name, err)
		}
		if err := f.Set([]sandbox.Fault{x.fault}); err == nil {
			t.Errorf("%s: set with others", x.name)
		}
	}
	if n := len(f.List()); n != 0 {
		t.Errorf("%d faults in force", n)
	}
	for i := range 1000 {
		if err := f.Put(sandbox.Fault{Number: number.MSISDN(fmt.Sprint(i)), Status: 8, Probability: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Put(sandbox.Fault{Status: 8, Probability: 1}); err == nil {
		t.Error("one fault too many")
	}
}

func TestFaultsStrikeTheAPI(t *testing.T) {
	c := clock.NewManual(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	f := sandbox.NewFaults([]string{"sandbox"}, c, nil)
	h := f.Wrap(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "fine") }),
		func(w http.ResponseWriter, r *http.Request, status int) {
			w.WriteHeader(status)
			fmt.Fprintf(w, "broken %s", r.URL.Path)
		})
	get := func(ctx context.Context) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/sms", nil))
		return w.Code, w.Body.String()
	}
	if code, body := get(t.Context()); code != 200 || body != "fine" {
		t.Errorf("without faults: %d %q", code, body)
	}
	f.Put(sandbox.Fault{Status: 0x58, Probability: 1}) // of the virtual links
	if code, body := get(t.Context()); code != 200 || body != "fine" {
		t.Errorf("with a fault elsewhere: %d %q", code, body)
	}
	f.Put(sandbox.Fault{Link: "api", Status: 502, Probability: 1})
	if code, body := get(t.Context()); code != 502 || body != "broken /sms" {
		t.Errorf("with a status: %d %q", code, body)
	}
	f.Put(sandbox.Fault{Link: "api", Delay: time.Second, Probability: 1})
	done := make(chan string)
	go func() { _, body := get(t.Context()); done <- body }()
	c.Await(1)
	c.Advance(time.Second)
	if body := <-done; body != "fine" {
		t.Errorf("after a delay: %q", body)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { code, body := get(ctx); done <- fmt.Sprint(code, " ", body) }()
	c.Await(1)
	cancel()
	if got := <-done; got != "503 broken /sms" {
		t.Errorf("whose request ended meanwhile: %q", got)
	}
}

func BenchmarkRollWithoutFaults(b *testing.B) {
	f := sandbox.NewFaults([]string{"sandbox"}, nil, nil)
	b.ReportAllocs()
	for b.Loop() {
		f.Roll("sandbox", "14255550100")
	}
}
