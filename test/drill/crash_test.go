package drill

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"longlines/smpp"
)

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What the centre was told ROK for is there after the kill: texts from handsets and receipts alike
// (docs/reference/reliability.md P9).
func TestKillingThePlatformLosesNoTextAndNoReceiptThatItTookOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := newCentre(t)
	var mu sync.Mutex
	unsure := map[string]bool{}   // sent, and not answered yet
	taken := map[string]bool{}    // texts answered ROK
	reported := map[string]bool{} // receipts answered ROK, by the text they are of
	next := 0
	hostile := func(p *peer, n int) {
		stop := make(chan struct{})
		defer close(stop)
		// By sequence number of this connection: the one before may still be read.
		asked, receipts := map[uint32]string{}, map[uint32]string{}
		seq := uint32(1)
		var smu sync.Mutex
		number := func() uint32 { smu.Lock(); defer smu.Unlock(); seq++; return seq }
		slots := make(chan struct{}, 20)
		go func() {
			for {
				select {
				case slots <- struct{}{}:
				case <-stop:
					return
				}
				s := number()
				mu.Lock()
				text := fmt.Sprintf("from a handset %d", next)
				next++
				asked[s], unsure[text] = text, true
				mu.Unlock()
				p.send(s, &smpp.DeliverSM{Source: smpp.Address{TON: 1, NPI: 1, Addr: "14255550100"}, Dest: smpp.Address{Addr: "74992"}, ShortMessage: []byte(text)})
			}
		}()
		p.polite(func(h smpp.Header, pdu smpp.PDU) bool {
			if h.ID == smpp.CommandDeliverSM|smpp.ResponseBit {
				mu.Lock()
				defer mu.Unlock()
				if text, ok := receipts[h.Sequence]; ok {
					if h.Status == 0 {
						reported[text] = true
					}
					return true
				}
				if h.Status == 0 {
					taken[asked[h.Sequence]] = true
				}
				<-slots
				return true
			}
			sm, ok := pdu.(*smpp.SubmitSM)
			if !ok {
				return false
			}
			id := p.take(h, sm)
			s := number()
			mu.Lock()
			receipts[s] = string(sm.Message())
			mu.Unlock()
			p.send(s, &smpp.DeliverSM{Source: sm.Dest, Dest: sm.Source, ESMClass: 4, ShortMessage: []byte("id:" + id + " stat:DELIVRD err:000")})
			return true
		})
	}
	config := writeFile(t, dir+"/longlines.yaml", yaml(dir+"/data", c))
	// Before there is an app the code is nobody's, and texts to it wait for the operator.
	first := run(t, "--config", config)
	first.app("bank", production)
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	c.become(hostile)
	ids := map[string]string{}
	var token string
	const lives = 5
	for life := range lives {
		w := run(t, "--config", config)
		token = w.token("bank")
		end := time.Now().Add(time.Duration(300+rand.IntN(500)) * time.Millisecond)
		for n := 0; time.Now().Before(end); n++ {
			text := fmt.Sprintf("life %d text %d", life, n)
			ids[text] = messageID(t, w.send(token, fmt.Sprintf("+1425555%04d", n%10_000), text))
		}
		w.kill()
	}
	c.become(nil) // the last life is calm
	w := run(t, "--config", config)
	got := map[string]int{}
	names := map[string]string{}
	empty := 0
	await(t, "the inbox is read to its end", func() bool {
		a := w.do(http.MethodGet, w.info.API+"/sms/v3/messaging/inbox/74992", "", "Authorization", "Bearer "+token)
		var list struct {
			InboundSmsMessageList struct {
				InboundSmsMessage []struct{ MessageId, Message string }
			}
		}
		if a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &list) != nil {
			t.Fatalf("%d %s", a.status, a.body)
		}
		for _, m := range list.InboundSmsMessageList.InboundSmsMessage {
			got[m.Message]++
			names[m.MessageId] = m.Message
		}
		if len(list.InboundSmsMessageList.InboundSmsMessage) == 0 {
			empty++
		}
		return empty > 2
	})
	mu.Lock()
	defer mu.Unlock()
	missing, applied := 0, 0
	for text := range taken {
		if got[text] == 0 {
			if missing++; missing < 5 {
				t.Errorf("%q was answered ROK and is gone", text)
			}
		}
	}
	for text := range got {
		if !unsure[text] && strings.HasPrefix(text, "from a handset") {
			t.Errorf("%q was never sent", text)
		}
	}
	// A receipt that came before the answer to its submit waits, and is found again by a sweep.
	stuck := ""
	t.Cleanup(func() {
		if stuck != "" {
			t.Log("the first that is not: " + stuck)
		}
	})
	await(t, "every receipt answered ROK is applied", func() bool {
		stuck = ""
		for text := range reported {
			// A text may have been submitted again after a kill; then its first receipt does not count.
			if n, _ := c.count(text); n > 1 {
				continue
			}
			if s := w.status(token, ids[text]); s != "DeliveredToTerminal" {
				stuck = fmt.Sprintf("%q (%s) is %s", text, ids[text], s)
				return false
			}
			delete(reported, text)
			applied++
		}
		return true
	})
	t.Logf("%d texts from handsets and %d receipts answered ROK over %d kills", len(taken), applied, lives)
	if len(taken) == 0 || applied == 0 {
		t.Error("nothing was taken: the test proves nothing")
	}
}
