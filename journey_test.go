package longlines_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// listener is an app's server: what is posted to it.
func listener(t *testing.T) (base string, posts chan string) {
	t.Helper()
	posts = make(chan string, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		posts <- r.URL.Path + " " + string(b)
	}))
	t.Cleanup(s.Close)
	return s.URL, posts
}

func next(t *testing.T, posts chan string) string {
	t.Helper()
	select {
	case p := <-posts:
		return p
	case <-time.After(patience):
		t.Fatal("nothing was posted")
		return ""
	}
}

func TestATextGoesOutIsDeliveredAndIsAnswered(t *testing.T) {
	w := start(t, nil)
	base, posts := listener(t)
	w.app("pizza", map[string]any{"short_codes": []string{"74992"}, "message_listener": base + "/message", "status_listener": base + "/status"})
	token := w.token("pizza-key", "pizza-secret", "SMS")

	a := post(w, bearer(token), smsBody([]string{"tel:+14255550100", "tel:4255550101"}, "Your pizza is on its way 🍕", true))
	id := messageID(t, a)
	if strings.Contains(a.body, "resourceReference") {
		t.Errorf("a send that asks for notices has no resourceReference: %s", a.body)
	}
	for _, phone := range []string{"+14255550100", "+14255550101"} {
		if got := w.texts(phone, "20s"); len(got) != 1 || got[0] != "Your pizza is on its way 🍕" {
			t.Fatalf("phone %s has %q", phone, got)
		}
	}
	told := map[string]bool{}
	for range 2 {
		p := next(t, posts)
		body, ok := strings.CutPrefix(p, "/status ")
		var n struct {
			N struct {
				MessageID string `json:"messageId"`
				Info      struct {
					Address string `json:"address"`
					Status  string `json:"deliveryStatus"`
				} `json:"deliveryInfo"`
			} `json:"deliveryInfoNotification"`
		}
		if !ok || json.Unmarshal([]byte(body), &n) != nil || n.N.MessageID != id || n.N.Info.Status != "DeliveredToTerminal" {
			t.Fatalf("posted %s", p)
		}
		told[n.N.Info.Address] = true
	}
	if !told["tel:+14255550100"] || !told["tel:+14255550101"] {
		t.Fatalf("told of %v", told)
	}

	w.admin(http.MethodPost, "/sandbox/v1/messages", map[string]string{"from": "+14255550100", "to": "74992", "text": "Größere Oliven, bitte"}, nil)
	if p := next(t, posts); !strings.HasPrefix(p, "/message ") || !strings.Contains(p, `"Message":"Gr\u00f6\u00dfere Oliven, bitte"`) || !strings.Contains(p, `"SenderAddress":"tel:+14255550100"`) {
		t.Fatalf("posted %s", p)
	}

	// The story of the message is complete, for whoever supports the app.
	var story struct {
		Steps []struct{ What, Detail string } `json:"steps"`
	}
	await(t, "the story has every step", func() bool {
		w.admin(http.MethodGet, "/admin/v1/messages/"+id, nil, &story)
		seen := map[string]int{}
		for _, s := range story.Steps {
			seen[s.What]++
		}
		return seen["accepted"] == 2 && seen["submitted"] >= 2 && seen["receipt"] >= 2 && seen["delivered"] == 2 && seen["callback"] == 2
	})
}

func TestTheMagicNumbersDoWhatTheyPromise(t *testing.T) {
	w := start(t, nil)
	w.app("pizza", map[string]any{"short_codes": []string{"74992"}})
	token := w.token("pizza-key", "pizza-secret", "SMS")
	for nn, want := range map[string]string{
		"00": "DeliveredToTerminal", "01": "DeliveredToTerminal", "02": "DeliveredToTerminal", "04": "DeliveryImpossible",
		"05": "DeliveryImpossible", "06": "DeliveryImpossible", "11": "DeliveryImpossible", "12": "DeliveryImpossible",
		"62": "DeliveredToTerminal", "63": "DeliveredToTerminal", "64": "DeliveredToTerminal",
	} {
		t.Run(nn, func(t *testing.T) {
			inner := *w
			inner.t = t
			id := messageID(t, inner.send(token, "+142555501"+nn, "hello"))
			await(t, "the final status of 01"+nn, func() bool { return inner.status(token, id) == want })
		})
	}
	id := messageID(t, w.send(token, "+14255550103", "hello"))
	var story struct {
		Steps []struct{ What string } `json:"steps"`
	}
	await(t, "the text to 03 is submitted", func() bool {
		w.admin(http.MethodGet, "/admin/v1/messages/"+id, nil, &story)
		// The call comes first, once its record is written.
		return len(story.Steps) > 0 && story.Steps[len(story.Steps)-1].What == "submitted"
	})
	if s := w.status(token, id); s != "DeliveredToNetwork" {
		t.Errorf("the text to 03 is %s, and should be on its way for ever", s)
	}
	var inbox struct {
		InboundSmsMessageList struct {
			InboundSmsMessage []struct{ Message, SenderAddress string }
		}
	}
	await(t, "the phone ending in 02 answers OK", func() bool {
		a := w.do(w.info.API, request{http.MethodGet, "/sms/v3/messaging/inbox/74992", "", bearer(token)})
		json.Unmarshal([]byte(a.body), &inbox)
		for _, m := range inbox.InboundSmsMessageList.InboundSmsMessage {
			if m.Message == "OK" && m.SenderAddress == "tel:+14255550102" {
				return true
			}
		}
		return false
	})
}

func TestASubscriberWhoSaysStopGetsOneConfirmationAndNothingMoreUntilStart(t *testing.T) {
	w := start(t, nil)
	w.app("pizza", map[string]any{"short_codes": []string{"74992"}})
	token := w.token("pizza-key", "pizza-secret", "SMS")
	const alice = "+14255550100"
	say := func(text string) {
		w.admin(http.MethodPost, "/sandbox/v1/messages", map[string]string{"from": alice, "to": "74992", "text": text}, nil)
	}
	say(" Stop. ")
	await(t, "the confirmation", func() bool { return len(w.texts(alice, "1s")) == 1 })
	if a := w.send(token, alice, "offers"); a.status != http.StatusForbidden || !strings.Contains(a.body, "POL0002") || !strings.Contains(a.body, "tel:+14255550100") {
		t.Fatalf("a send after STOP: %d %s", a.status, a.body)
	}
	say("STOP")
	await(t, "the second STOP is taken", func() bool { _, incoming := w.virtual(); return incoming == 2 })
	say("start")
	await(t, "sends go out again", func() bool { return w.send(token, alice, "offers").status == http.StatusCreated })
	await(t, "the text arrives", func() bool {
		all := w.texts(alice, "1s")
		return len(all) > 0 && all[len(all)-1] == "offers"
	})
	confirmations := 0
	for _, text := range w.texts(alice, "0s") {
		if text != "offers" {
			confirmations++
		}
	}
	if confirmations > 2 { // one for STOP; START may have one of its own
		t.Errorf("%d confirmations", confirmations)
	}
}

func TestAHundredEqualRequestsUnderOneKeyAreOneText(t *testing.T) {
	w := start(t, nil)
	w.app("pizza", map[string]any{"short_codes": []string{"74992"}})
	token := w.token("pizza-key", "pizza-secret", "SMS")
	ids := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for {
				a := w.send(token, "+14255550100", "only once", "Idempotency-Key", `"order-7"`)
				if a.status == http.StatusConflict {
					continue // in flight: try again, as the answer says
				}
				mu.Lock()
				ids[fmt.Sprint(a.status)+a.body]++
				mu.Unlock()
				return
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 {
		t.Fatalf("%d different answers: %v", len(ids), ids)
	}
	w.send(token, "+14255550100", "another")
	await(t, "both texts", func() bool { return len(w.texts("+14255550100", "1s")) >= 2 })
	await(t, "nothing else is under way", func() bool { jobs, _ := w.virtual(); return jobs == 0 })
	if got := w.texts("+14255550100", "0s"); len(got) != 2 {
		t.Fatalf("the phone has %q", got)
	}
}

func TestEverythingIsStillThereAfterARestart(t *testing.T) {
	dir := t.TempDir()
	w := start(t, map[string]any{"data": dir})
	w.app("pizza", map[string]any{"short_codes": []string{"74992"}})
	w.admin(http.MethodPut, "/admin/v1/apps/pizza/quotas/SMS", map[string]any{"per_minute": 1_000_000, "per_day": 500}, nil)
	token := w.token("pizza-key", "pizza-secret", "SMS")
	id := messageID(t, w.send(token, "+14255550100", "hello"))
	await(t, "delivery", func() bool { return w.status(token, id) == "DeliveredToTerminal" })
	w.admin(http.MethodPost, "/sandbox/v1/messages", map[string]string{"from": "+14255550100", "to": "74992", "text": "still here?"}, nil)
	await(t, "the text is stored", func() bool { _, incoming := w.virtual(); return incoming == 1 })
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}

	w = start(t, map[string]any{"data": dir})
	if s := w.status(token, id); s != "DeliveredToTerminal" {
		t.Errorf("status %s", s)
	}
	a := w.do(w.info.API, request{http.MethodGet, "/sms/v3/messaging/inbox/74992", "", bearer(token)})
	if !strings.Contains(a.body, "still here?") {
		t.Errorf("the inbox: %s", a.body)
	}
	refused := 0
	for range 500 { // of a day's quota of 500, of which some were used before the restart
		if w.send(token, "+14255550100", "x").status == http.StatusForbidden {
			refused++
		}
	}
	if refused == 0 || refused > 250 {
		t.Errorf("%d of 500 calls were refused", refused)
	}
}

func TestTwoPlatformsInOneProcessNeverSeeEachOther(t *testing.T) {
	a, b := start(t, nil), start(t, nil)
	for i, w := range []*world{a, b} {
		w.app("pizza", map[string]any{"short_codes": []string{"74992"}})
		messageID(t, w.send(w.token("pizza-key", "pizza-secret", "SMS"), "+14255550100", fmt.Sprint("text ", i)))
	}
	for i, w := range []*world{a, b} {
		if got := w.texts("+14255550100", "20s"); len(got) != 1 || got[0] != fmt.Sprint("text ", i) {
			t.Errorf("platform %d: %q", i, got)
		}
	}
	if x := a.do(b.info.Admin, request{http.MethodGet, "/admin/v1/apps", "", map[string]string{"Authorization": "Bearer " + a.info.AdminToken}}); x.status != http.StatusUnauthorized {
		t.Errorf("the token of one opens the other: %d", x.status)
	}
}

func TestALinkThatIsPausedHoldsItsTextsAndSendsThemAfterwards(t *testing.T) {
	w := start(t, nil)
	w.app("pizza", map[string]any{"short_codes": []string{"74992"}})
	token := w.token("pizza-key", "pizza-secret", "SMS")
	w.admin(http.MethodPost, "/admin/v1/links/sandbox/pause", nil, nil)
	for i := range 20 {
		messageID(t, w.send(token, "+14255550100", fmt.Sprint("text ", i)))
	}
	if got := w.texts("+14255550100", "0s"); len(got) != 0 {
		t.Fatalf("a paused link carried %q", got)
	}
	w.admin(http.MethodPost, "/admin/v1/links/sandbox/resume", nil, nil)
	await(t, "all texts", func() bool { return len(w.texts("+14255550100", "0s")) == 20 })
}

func TestAnotherAppSeesNothingOfAMessageOrAnInbox(t *testing.T) {
	w := start(t, nil)
	w.app("pizza", map[string]any{"short_codes": []string{"74992"}})
	w.app("spy", map[string]any{"short_codes": []string{"74993"}})
	token, spy := w.token("pizza-key", "pizza-secret", "SMS"), w.token("spy-key", "spy-secret", "SMS")
	id := messageID(t, w.send(token, "+14255550100", "secret"))
	get := func(path string) answer { return w.do(w.info.API, request{http.MethodGet, path, "", bearer(spy)}) }
	theirs, nobodys := get("/sms/v3/messaging/outbox/"+id), get("/sms/v3/messaging/outbox/SMS"+strings.Repeat("0", 32))
	if theirs.status != nobodys.status || theirs.body != nobodys.body || theirs.status != http.StatusBadRequest {
		t.Errorf("not yours: %d %s\nnot there: %d %s", theirs.status, theirs.body, nobodys.status, nobodys.body)
	}
	theirs, nobodys = get("/sms/v3/messaging/inbox/74992"), get("/sms/v3/messaging/inbox/99999999")
	if theirs.status != nobodys.status || theirs.body != nobodys.body || !strings.Contains(theirs.body, "RegistrationID") {
		t.Errorf("not yours: %d %s\nnot there: %d %s", theirs.status, theirs.body, nobodys.status, nobodys.body)
	}
}

func TestTheErrorPagesAnswerOnTheAPIListener(t *testing.T) {
	w := start(t, nil)
	for path, want := range map[string]string{"/errors": "POL0001", "/errors/SVC0001": "smpp-000b", "/errors.json": `"POL0001"`, "/errors/" + url.PathEscape("invalid_grant"): "invalid_grant", "/llms.txt": "/errors"} {
		a := w.do(w.info.API, request{http.MethodGet, path, "", nil})
		if a.status != http.StatusOK || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d, without %q", path, a.status, want)
		}
	}
}

func TestTextsThatWaitForALinkTakeItsFallback(t *testing.T) {
	firstPort, first := centre(t)
	secondPort, second := centre(t)
	w := start(t, map[string]any{"sandbox.off": true, "demo.off": true})
	link := func(name string, port int) {
		w.admin(http.MethodPost, "/admin/v1/links", map[string]any{"name": name, "host": "127.0.0.1", "port": port, "system_id": "x", "password": "pw"}, nil)
	}
	link("first", firstPort)
	w.admin(http.MethodPost, "/admin/v1/routes", map[string]any{"prefix": "+", "link": "first"}, nil)
	w.app("pizza", map[string]any{"level": "production", "short_codes": []string{"74992"}})
	token := w.token("pizza-key", "pizza-secret", "SMS")
	w.admin(http.MethodPost, "/admin/v1/links/first/pause", nil, nil)
	var ids []string
	for i := range 20 {
		ids = append(ids, messageID(t, w.send(token, fmt.Sprintf("+142555501%02d", i), "waits")))
	}
	if first() != 0 {
		t.Fatalf("a paused link carried %d texts", first())
	}
	link("second", secondPort)
	w.admin(http.MethodPost, "/admin/v1/routes", map[string]any{"prefix": "+", "link": "first", "fallback": "second"}, nil)
	for _, id := range ids {
		await(t, "the text goes over the fallback", func() bool { return w.status(token, id) == "DeliveredToTerminal" })
	}
	if first() != 0 || second() != 20 {
		t.Errorf("the first centre has %d texts, the second %d", first(), second())
	}
}
