package smsv3_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"longlines/api/smsv3"
	"longlines/app"
	"longlines/callback"
	"longlines/fault"
	"longlines/gateway"
	"longlines/id"
	"longlines/message"
	"longlines/number"
	"longlines/oauth"
	"longlines/queue"
	"longlines/quota"
	"longlines/sms"
	"longlines/store"
	wiretest "longlines/test/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const alice = number.MSISDN("14255550100")

// centre answers by the last two digits of the number, as the virtual one does.
type centre struct {
	mu   sync.Mutex
	seen []message.SMS
}

func (c *centre) Route(_ app.Level, _ number.Address, to number.MSISDN) (string, error) {
	if !to.IsNANP() {
		return "", errors.New("no rule")
	}
	return "smsc", nil
}

func (c *centre) Alternative(app.Level, string, number.MSISDN) (string, bool) { return "", false }

func (c *centre) Submit(_ context.Context, _ string, m message.SMS) ([]message.Ref, func(), error) {
	c.mu.Lock()
	c.seen = append(c.seen, m)
	c.mu.Unlock()
	refuse := func(class message.Class, code, name string) ([]message.Ref, func(), error) {
		return nil, func() {}, &message.Refusal{Class: class, Code: code, Name: name}
	}
	switch string(m.To[len(m.To)-2:]) {
	case "10":
		return refuse(message.ClassTemporary, "SMPP-0064", "ESME_RX_T_APPN")
	case "11":
		return refuse(message.ClassPermanent, "SMPP-0066", "ESME_RX_R_APPN")
	case "12":
		return refuse(message.ClassPermanent, "SMPP-000B", "ESME_RINVDSTADR")
	}
	return []message.Ref{{Group: "g", ID: fmt.Sprintf("%x", int64(m.ID)), Parts: 1}}, func() {}, nil
}

func (c *centre) texts() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var l []string
	for _, m := range c.seen {
		l = append(l, m.Text)
	}
	return l
}

// site is the API listener with everything behind it but the wire to a centre.
type site struct {
	t      *testing.T
	svc    *sms.Service
	store  *store.Store
	apps   *app.Directory
	net    *centre
	url    string
	host   string
	client *http.Client
	tokens map[string]string // by app name
	keys   map[string]*app.App
}

func open(t *testing.T, listeners string) *site {
	t.Helper()
	ctx := context.Background()
	s := &site{t: t, net: &centre{}, tokens: map[string]string{}, keys: map[string]*app.App{}}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	var err error
	if s.store, err = store.Open(ctx, store.Config{Ephemeral: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.store.Close(context.Background()) })
	if s.apps, err = app.NewDirectory(ctx, s.store, app.Config{}); err != nil {
		t.Fatal(err)
	}
	tokens, err := oauth.New(oauth.Config{Store: s.store, Sealer: s.store.Sealer(), Apps: s.apps})
	if err != nil {
		t.Fatal(err)
	}
	create := func(a app.App) {
		t.Helper()
		a.Level, a.Scopes = app.LevelSandbox, []app.Scope{app.ScopeSMS}
		a.Quotas = map[string]app.Quota{"SMS": {PerMinute: 100000, PerDay: 100000}}
		made, _, err := s.apps.Create(ctx, a, "")
		if err != nil {
			t.Fatal(err)
		}
		issued, err := tokens.ClientCredentials(ctx, made, "SMS", [32]byte{})
		if err != nil {
			t.Fatal(err)
		}
		s.tokens[a.Name], s.keys[a.Name] = issued.Access, made
	}
	full := app.App{Name: "full", ShortCodes: []number.ShortCode{"12345678", "87654321"}, StatusListener: "http://127.0.0.1:9/dlr"}
	if listeners != "" {
		full.StatusListener, full.MessageListener = listeners+"/dlr", listeners+"/mo"
	}
	create(full)
	create(app.App{Name: "plain", ShortCodes: []number.ShortCode{"48507"}})
	create(app.App{Name: "mute"})

	q := queue.New(queue.Config{Backend: s.store, Log: log, Poll: 20 * time.Millisecond})
	poster, err := callback.New(callback.Config{Store: s.store, Log: log,
		Guard: callback.Guard{HTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(poster.Close)
	q.Handle(queue.KindCallback, poster.Policy())
	if s.svc, err = sms.New(ctx, sms.Config{Store: s.store, Queue: q, Network: s.net, Apps: s.apps, Sealer: s.store.Sealer(), Log: log,
		PushStatus: smsv3.PushStatus, PushSMS: smsv3.PushSMS, InboxBatch: 1}); err != nil {
		t.Fatal(err)
	}
	q.SetLane(queue.KindSubmit, "smsc", 4)
	run, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- q.Run(run) }()
	t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})

	meter, err := quota.New(quota.Config{Source: s.store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(meter.Close)
	g, err := gateway.New(gateway.Config{Endpoints: smsv3.Endpoints(s.svc, ""), Tokens: tokens, Apps: s.apps, Meter: meter, Store: s.store, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := g.Server()
	served := make(chan struct{})
	go func() { defer close(served); srv.Serve(l) }()
	s.host = l.Addr().String()
	s.url = "http://" + s.host
	s.client = &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		srv.Close()
		<-served
	})
	return s
}

// call makes a request as an app and reads the answer.
func (s *site) call(app, method, path, body string, header ...string) (int, map[string]any, http.Header) {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.tokens[app])
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		s.t.Fatalf("%s: %v", b, err)
	}
	return res.StatusCode, v, res.Header
}

func (s *site) receive(code number.ShortCode, text string) {
	s.t.Helper()
	if _, err := s.svc.ReceiveSMS(context.Background(), message.Incoming{Group: "g", From: alice.Address(), To: code.Address(), Text: text, Time: time.Now()}); err != nil {
		s.t.Fatal(err)
	}
}

func TestWhatThePublishedKitsSend(t *testing.T) {
	s := open(t, "")
	for range 6 {
		s.receive("12345678", "Hello é")
	}
	wiretest.Run(t, "../../test/wire/smsv3", s.url, map[string]string{"token": s.tokens["full"]})
	want := map[string]bool{"Hello & café": false, "Hi": false, "AT&T Sample Message": false, "Hi & hello": false, "Hi there": false}
	end := time.Now().Add(10 * time.Second)
	for missing := true; missing; {
		missing = false
		for _, text := range s.net.texts() {
			if _, known := want[text]; !known {
				t.Fatalf("%q was submitted", text)
			}
			want[text] = true
		}
		for _, there := range want {
			missing = missing || !there
		}
		if missing && time.Now().After(end) {
			t.Fatalf("not submitted: %v", want)
		}
	}
}

const outbox, inbox = "/sms/v3/messaging/outbox", "/sms/v3/messaging/inbox/"

// Every row of the published table that SMS v3 is due to raise, provoked over HTTP.
func TestEveryFault(t *testing.T) {
	s := open(t, "")
	ctx := context.Background()
	if err := s.svc.SetOptOut(ctx, sms.OptOut{From: "14255550113", Word: "STOP"}); err != nil {
		t.Fatal(err)
	}
	send := func(app, address, rest string, header ...string) func() (int, map[string]any, http.Header) {
		return func() (int, map[string]any, http.Header) {
			return s.call(app, "POST", outbox, `{"outboundSMSRequest":{"address":`+address+rest+`}}`, header...)
		}
	}
	get := func(path string) func() (int, map[string]any, http.Header) {
		return func() (int, map[string]any, http.Header) { return s.call("full", "GET", path, "") }
	}
	_, sent, _ := s.call("full", "POST", outbox, `{"address":"4255550100","message":"Hi"}`)
	foreign := sent["outboundSMSResponse"].(map[string]any)["messageId"].(string)
	var many []string
	for i := range 51 {
		many = append(many, fmt.Sprintf("%q", fmt.Sprintf("425555%04d", i)))
	}
	const hi = `,"message":"Hi"`
	provoked := map[string]bool{}
	for _, tt := range []struct {
		name string
		want *fault.Fault
		vars string
		do   func() (int, map[string]any, http.Header)
	}{
		{"a recipient who has opted out", fault.OptedOut, "tel:+14255550113", send("full", `"4255550113"`, hi)},
		{"51 recipients", fault.TooManyAddresses, "", send("full", "["+strings.Join(many, ",")+"]", hi)},
		{"one number in two spellings", fault.DuplicateAddresses, "", send("full", `"tel:4255550100,tel:+14255550100"`, hi)},
		{"0x64 while the caller waits", fault.SMPPTemporary, "SMPP-0064 Temporary Error", send("full", `"4255550110"`, hi, "Prefer", "wait=5")},
		{"0x66 while the caller waits", fault.SMPPInvalidDestination, "SMPP-0066 Invalid Destination Address", send("full", `"4255550111"`, hi, "Prefer", "wait=5")},
		{"0x0B while the caller waits", fault.SMPPNotProvisioned, "SMPP-000B Invalid Destination Address", send("full", `"4255550112"`, hi, "Prefer", "wait=5")},
		{"no route", fault.Dependency, "No route to the destination", send("full", `"+447911123456"`, hi)},
		{"an app without a short code", fault.Dependency, "The app has no short code to send from", send("mute", `"4255550100"`, hi)},
		{"no message", fault.MissingParameter, "Message", send("full", `"4255550100"`, "")},
		{"an empty message", fault.MissingParameter, "Message", send("full", `"4255550100"`, `,"message":""`)},
		{"no message and a bad address", fault.MissingParameter, "Message", send("full", `"x"`, "")},
		{"no address", fault.MissingParameter, "Address", func() (int, map[string]any, http.Header) {
			return s.call("full", "POST", outbox, `{"outboundSMSRequest":{"message":"Hi"}}`)
		}},
		{"a message of 4,097 characters", fault.BadParameter, "Message", send("full", `"4255550100"`, `,"message":"`+strings.Repeat("a", 4097)+`"`)},
		{"a message that is a number", fault.BadParameter, "Message", send("full", `"4255550100"`, `,"message":7`)},
		{"a control character", fault.BadParameter, "Message", send("full", `"4255550100"`, `,"message":"a\u001bb"`)},
		{"a flag that is none", fault.BadParameter, "notifyDeliveryStatus", send("full", `"4255550100"`, hi+`,"notifyDeliveryStatus":"maybe"`)},
		{"a null address", fault.NoValidAddress, "Address", send("full", `null`, hi)},
		{"an empty address", fault.NoValidAddress, "Address", send("full", `""`, hi)},
		{"an empty list", fault.NoValidAddress, "Address", send("full", `[]`, hi)},
		{"a short code", fault.NoValidAddress, "Address", send("full", `"short:48507"`, hi)},
		{"a number with a digit too many", fault.NoValidAddress, "Address", send("full", `"tel:42555501000"`, hi)},
		{"an e-mail address among numbers", fault.NoValidAddress, "Address", send("full", `["4255550100","a@b.com"]`, hi)},
		{"51 recipients and a bad one", fault.NoValidAddress, "Address", send("full", "["+strings.Join(many, ",")+`,"x"]`, hi)},
		{"a receipt without a listener", fault.ReceiptNotPossible, "", send("plain", `"4255550100"`, hi+`,"notifyDeliveryStatus":true`)},
		{"an unknown message", fault.UnknownID, "RequestIdentifier", get(outbox + "/SMS" + strings.Repeat("0", 32))},
		{"what is no message", fault.UnknownID, "RequestIdentifier", get(outbox + "/SMSx")},
		{"another app's message", fault.UnknownID, "RequestIdentifier", func() (int, map[string]any, http.Header) {
			return s.call("plain", "GET", outbox+"/"+foreign, "")
		}},
		{"an unknown code", fault.UnknownID, "RegistrationID", get(inbox + "99999999")},
		{"another app's code", fault.UnknownID, "RegistrationID", get(inbox + "48507")},
		{"what is no code", fault.UnknownID, "RegistrationID", get(inbox + "x")},
		{"what does not parse", fault.Unparsable, "message", func() (int, map[string]any, http.Header) {
			return s.call("full", "POST", outbox, `{"outboundSMSRequest":{"message":"a" "address":1}}`)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body, header := tt.do()
			kind := "ServiceException"
			if tt.want.Policy() {
				kind = "PolicyException"
			}
			got, _ := json.Marshal(body)
			want, _ := json.Marshal(map[string]any{"RequestError": map[string]any{kind: map[string]any{"MessageId": tt.want.Code, "Text": tt.want.Text, "Variables": tt.vars}}})
			if status != tt.want.Status || !bytes.Equal(got, want) {
				t.Errorf("got  %d %s\nwant %d %s", status, got, tt.want.Status, want)
			}
			if l := header.Get("Link"); !strings.Contains(l, tt.want.Path()) {
				t.Errorf("Link: %s", l)
			}
		})
		provoked[tt.want.Code+"#"+tt.want.Case] = true
	}
	for _, row := range fault.All() {
		if row.Raised && row.DueIn == fault.DueSMSv3 && !provoked[row.Code+"#"+row.Case] {
			t.Errorf("%s#%s is due in SMS v3 and was not provoked", row.Code, row.Case)
		}
	}
}

func TestTheSameKeyOverHTTP(t *testing.T) {
	s := open(t, "")
	send := func(text, key string) (int, string, http.Header) {
		status, body, h := s.call("full", "POST", outbox, `{"address":"4255550100","message":"`+text+`"}`, "Idempotency-Key", key)
		r, _ := body["outboundSMSResponse"].(map[string]any)
		n, _ := r["messageId"].(string)
		return status, n, h
	}
	status, first, h := send("Hi", "k1")
	if status != 201 || h.Get("Location") != s.url+outbox+"/"+first || h.Get("Idempotent-Replayed") != "" {
		t.Fatalf("first: %d %s %v", status, first, h)
	}
	if status, again, h := send("Hi", "k1"); status != 201 || again != first || h.Get("Idempotent-Replayed") != "true" {
		t.Errorf("again: %d %s %v", status, again, h)
	}
	if status, _, _ := send("Other", "k1"); status != 422 {
		t.Errorf("another body: %d", status)
	}
	if _, other, _ := send("Hi", "k2"); other == first {
		t.Error("another key made the same message")
	}
}

// A crash between the commit of a send and that of its answer: the key is there, the answer is not.
func TestAKeyWithoutAnAnswer(t *testing.T) {
	s := open(t, "")
	key := &app.Idempotency{Tenant: s.keys["full"].Tenant(), Scope: "POST " + outbox, Key: "k", Fingerprint: [32]byte{1}}
	out := sms.Outgoing{Recipients: []number.MSISDN{alice}, Text: "Hi", Key: key}
	g := oauth.Grant{App: s.keys["full"]}
	one, err := s.svc.Send(context.Background(), g, out)
	if err != nil {
		t.Fatal(err)
	}
	two, err := s.svc.Send(context.Background(), g, out)
	if err != nil || two.ID != one.ID || !two.Replayed {
		t.Errorf("got %+v, %v", two, err)
	}
}

// The reply never reaches the caller: the texts are there for the next poll at once.
func TestAPollWhoseReplyIsLost(t *testing.T) {
	s := open(t, "")
	s.receive("12345678", strings.Repeat("long ", 800))
	lost := &brokenWriter{header: http.Header{}}
	poll := func(w http.ResponseWriter) {
		r := httptest.NewRequest("GET", inbox+"12345678", nil)
		r.Header.Set("Authorization", "Bearer "+s.tokens["full"])
		s.handler().ServeHTTP(w, r)
	}
	poll(lost)
	if !lost.tried {
		t.Fatal("nothing was written")
	}
	_, body, _ := s.call("full", "GET", inbox+"12345678", "")
	list := body["InboundSmsMessageList"].(map[string]any)
	if list["NumberOfMessagesInThisBatch"] != "1" {
		t.Fatalf("after a lost reply: %v", list)
	}
	_, body, _ = s.call("full", "GET", inbox+"12345678", "")
	list = body["InboundSmsMessageList"].(map[string]any)
	if list["NumberOfMessagesInThisBatch"] != "0" || list["TotalNumberOfPendingMessages"] != "0" {
		t.Fatalf("after a written one: %v", list)
	}
}

// handler is the gateway of a second front over the same store.
func (s *site) handler() http.Handler {
	s.t.Helper()
	tokens, err := oauth.New(oauth.Config{Store: s.store, Sealer: s.store.Sealer(), Apps: s.apps})
	if err != nil {
		s.t.Fatal(err)
	}
	meter, err := quota.New(quota.Config{Source: s.store})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(meter.Close)
	g, err := gateway.New(gateway.Config{Endpoints: smsv3.Endpoints(s.svc, "https://api.example.com/"), Tokens: tokens, Apps: s.apps, Meter: meter, Store: s.store,
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatal(err)
	}
	return g
}

// brokenWriter is a connection that has been reset.
type brokenWriter struct {
	header http.Header
	tried  bool
}

func (b *brokenWriter) Header() http.Header { return b.header }
func (b *brokenWriter) WriteHeader(int)     {}
func (b *brokenWriter) Write([]byte) (int, error) {
	b.tried = true
	return 0, errors.New("connection reset by peer")
}

func TestThePublicURLIsShown(t *testing.T) {
	s := open(t, "")
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", outbox, strings.NewReader(`{"address":"4255550100","message":"Hi"}`))
	r.Header.Set("Authorization", "Bearer "+s.tokens["full"])
	r.Header.Set("Content-Type", "application/json")
	s.handler().ServeHTTP(w, r)
	if w.Code != 201 || !strings.Contains(w.Body.String(), `"resourceURL":"https://api.example.com/sms/v3/messaging/outbox/SMS`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// The exact bytes, member for member: clients search them as text.
func TestExactBodies(t *testing.T) {
	typ, body := smsv3.PushSMS("SMSx", sms.MO{From: alice, To: "12345678", Text: "Café <&> 😀\n", At: time.Date(2013, 5, 1, 20, 22, 33, 999, time.FixedZone("", 7200))})
	if want := `{"DateTime":"2013-05-01T18:22:33Z","DestinationAddress":"12345678","Message":"Caf\u00e9 <&> \ud83d\ude00\n","MessageId":"SMSx","SenderAddress":"tel:+14255550100"}`; typ != "application/json" || string(body) != want {
		t.Errorf("%s\ngot  %s\nwant %s", typ, body, want)
	}
	typ, body = smsv3.PushStatus("SMSx", alice, sms.DeliveredToTerminal)
	if want := `{"deliveryInfoNotification":{"messageId":"SMSx","deliveryInfo":{"address":"tel:+14255550100","deliveryStatus":"DeliveredToTerminal"}}}`; typ != "application/json" || string(body) != want {
		t.Errorf("%s\ngot  %s\nwant %s", typ, body, want)
	}
}

// The way out and back in, with the app's own listener.
func TestAnAppIsTold(t *testing.T) {
	type post struct{ path, typ, body string }
	posts := make(chan post, 10)
	l := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		posts <- post{r.URL.Path, r.Header.Get("Content-Type"), string(b)}
	}))
	t.Cleanup(l.Close)
	next := func() post {
		t.Helper()
		select {
		case p := <-posts:
			return p
		case <-time.After(10 * time.Second):
			t.Fatal("nothing was posted")
			return post{}
		}
	}
	s := open(t, l.URL)
	_, body, _ := s.call("full", "POST", outbox, `{"address":"4255550100","message":"Hi","notifyDeliveryStatus":true}`)
	name := body["outboundSMSResponse"].(map[string]any)["messageId"].(string)
	n, err := s.svc.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	s.wait(n, message.StateSent)
	if err := s.svc.ReportDLR(context.Background(), message.DLR{Group: "g", ID: fmt.Sprintf("%X", int64(n)), From: alice.Address(), State: message.StateDelivered, Word: "DELIVRD", Done: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if p := next(); p.path != "/dlr" || p.typ != "application/json" || p.body != `{"deliveryInfoNotification":{"messageId":"`+name+`","deliveryInfo":{"address":"tel:+14255550100","deliveryStatus":"DeliveredToTerminal"}}}` {
		t.Errorf("posted %+v", p)
	}
	_, body, _ = s.call("full", "GET", outbox+"/"+name, "")
	info := body["DeliveryInfoList"].(map[string]any)["DeliveryInfo"].([]any)[0].(map[string]any)
	if info["DeliveryStatus"] != "DeliveredToTerminal" || info["Id"] != "msg0" {
		t.Errorf("status %v", info)
	}
	s.receive("12345678", "Thanks")
	if p := next(); p.path != "/mo" || !strings.Contains(p.body, `"DestinationAddress":"12345678","Message":"Thanks"`) {
		t.Errorf("posted %+v", p)
	}
}

func (s *site) wait(n id.Number, want message.State) {
	s.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); <-tick.C {
		if m, err := s.store.MT(context.Background(), n); err == nil && m.State == want {
			return
		}
	}
	s.t.Fatal("never: state " + want.String())
}

// A body that is sent slowly over a raw connection is one request all the same.
func TestASlowBody(t *testing.T) {
	s := open(t, "")
	c, err := net.Dial("tcp", s.host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body := `{"address":"4255550100","message":"Hi"}`
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", outbox, s.tokens["full"], len(body))
	for i := range body {
		if _, err := io.WriteString(c, body[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 201 {
		t.Fatal(res, err)
	}
	res.Body.Close()
}
