package smsc

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"longlines/message"
	"longlines/smpp"
)

// TestStatusTableIsGolden compares the whole table with the file that people review.
func TestStatusTableIsGolden(t *testing.T) {
	var b strings.Builder
	for _, v := range verdicts {
		fmt.Fprintf(&b, "%s %-27s %-5s bind: %s\n", v.status.Code(), v.status.String(), v.class, v.bind)
	}
	for _, s := range []smpp.Status{0x09, 0x10, 0x68, 0x113, 0x3FF, 0x400, 0x4FF, 0x500, 0xFFFFFFFF} {
		v := verdictOf(s)
		fmt.Fprintf(&b, "%s %-27s %-5s bind: %s\n", s.Code(), s.String(), v.class, v.bind)
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile("testdata/statuses.txt", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/statuses.txt")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("testdata/statuses.txt (-) and the table (+) differ:\n%s", d)
	}
}

// TestStatusTableAgreesWithTheStandardReading holds the table against package smpp's: it may be
// finer, not different.
func TestStatusTableAgreesWithTheStandardReading(t *testing.T) {
	same := map[smpp.Class]message.Class{
		smpp.ClassThrottle: message.ClassThrottled, smpp.ClassRetry: message.ClassTemporary,
		smpp.ClassRetryShort: message.ClassTemporaryShort, smpp.ClassPermanent: message.ClassPermanent,
		smpp.ClassBind: message.ClassBind, smpp.ClassBug: message.ClassBug, smpp.ClassUnexpected: message.ClassTemporaryShort,
	}
	for _, spec := range smpp.Statuses() {
		if spec.Status == smpp.StatusROK {
			continue
		}
		v, ok := verdictIndex[spec.Status]
		if !ok {
			t.Errorf("%s has no row", spec.Name)
			continue
		}
		if v.class != same[spec.Class] {
			t.Errorf("%s: %s here, %s there", spec.Name, v.class, spec.Class)
		}
	}
}

// TestEachStatusIsRefusedByItsClass provokes every row over the wire.
func TestEachStatusIsRefusedByItsClass(t *testing.T) {
	c := newCentre(t, script{handle: func(req *smpp.Request) {
		m := req.PDU.(*smpp.SubmitSM)
		var n uint32
		fmt.Sscanf(string(m.ShortMessage), "%d", &n)
		if n == uint32(smpp.StatusRINVEXPIRY) || n == uint32(smpp.StatusRINVSCHED) {
			if m.ValidityPeriod != "" { // the first of the two tries
				req.Respond(smpp.Status(n), nil)
				return
			}
		}
		req.Respond(smpp.Status(n), nil)
	}})
	clock := newClock()
	l := link(t, c.addr, func(cfg *Config) {
		cfg.Now, cfg.Sleep = clock.now, clock.sleep
	}).up()
	statuses := []smpp.Status{0x09, 0x113, 0x400, 0x4FF, 0x12345678}
	for _, v := range verdicts {
		statuses = append(statuses, v.status)
	}
	framings := 0
	for _, status := range statuses {
		t.Run(status.String(), func(t *testing.T) {
			binds := l.State().Counters.Binds
			m := text("0100", fmt.Sprint(uint32(status)))
			m.Expires = clock.now().Add(time.Hour)
			_, done, err := l.Submit(context.Background(), m)
			done()
			no := refusalOf(t, err)
			want := message.Refusal{Class: verdictOf(status).class, Code: fmt.Sprintf("SMPP-%04X", uint32(status)), Name: status.String()}
			if framing(status) {
				framings++
			}
			if d := cmp.Diff(want, *no); d != "" {
				t.Error(d)
			}
			if want.Class == message.ClassBind {
				until(t, "the link bound anew", func() bool { s := l.State(); return s.Up && s.Counters.Binds == binds+1 })
			}
		})
	}
	if framings != 2 {
		t.Errorf("%d statuses say the framing is lost", framings)
	}
	s := l.State()
	if s.Counters.Unmapped != 2 || !strings.Contains(s.Alarm, "quirks.statuses") {
		t.Errorf("two statuses of the vendor range: unmapped %d, alarm %q", s.Counters.Unmapped, s.Alarm)
	}
}

func TestQuirksOverruleTheTable(t *testing.T) {
	c := newCentre(t, script{handle: func(req *smpp.Request) { req.Respond(0x0400, nil) }})
	l := link(t, c.addr, func(cfg *Config) {
		cfg.Link.Quirks.Statuses = map[string]string{"0x0400": "prm"}
	}).up()
	_, done, err := l.Submit(context.Background(), text("0100", "hello"))
	done()
	if no := refusalOf(t, err); no.Class != message.ClassPermanent {
		t.Errorf("class %s", no.Class)
	}
	if n := l.State().Counters.Unmapped; n != 0 {
		t.Errorf("%d unmapped", n)
	}
}

func TestStatusSettingsAreChecked(t *testing.T) {
	for _, tt := range []struct {
		name, key, word string
		ok              bool
	}{
		{"a hexadecimal number", "0x0400", "TMP", true},
		{"as shown to apps", "SMPP-0401", "THR", true},
		{"by its name", "ESME_RSYSERR", "tmps", true},
		{"a class nobody knows", "0x0400", "LATER", false},
		{"a class that is no verdict", "0x0400", "UNKNOWN", false},
		{"no number", "four", "TMP", false},
		{"success cannot be refused", "0x0", "TMP", false},
		{"too large a number", "0x100000000", "TMP", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, _, _ := configOf(mustAddr("127.0.0.1:1"), func(c *Config) { c.Link.Quirks.Statuses = map[string]string{tt.key: tt.word} })
			if _, err := New(cfg); (err == nil) != tt.ok {
				t.Errorf("New: %v", err)
			}
		})
	}
}

func TestThreeFramingErrorsInARowBindAnew(t *testing.T) {
	c := newCentre(t, script{handle: func(req *smpp.Request) { req.Respond(smpp.StatusRINVCMDLEN, nil) }})
	l := link(t, c.addr, nil).up()
	c.session()
	var got []message.Class
	for range 3 {
		_, done, err := l.Submit(context.Background(), text("0100", "hello"))
		done()
		got = append(got, refusalOf(t, err).Class)
	}
	c.session() // the second bind
	if d := cmp.Diff([]message.Class{message.ClassBug, message.ClassBug, message.ClassBind}, got); d != "" {
		t.Error(d)
	}
}
