package console_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"longlines/api/adminv1"
	"longlines/api/sandboxv1"
	"longlines/console"
	"longlines/gsm"
	"longlines/number"
	"longlines/sandbox"
	"longlines/sandbox/enrichment"
	"longlines/sandbox/phone"
	"longlines/smpp"
	"longlines/timeline"
)

// platform is the least that the console can run on: the real console, guard, stream, sandbox API and
// virtual network, and in the place of the SMS rules an ESME that submits what is posted to
// /admin/v1/messages and tells the timeline what it sees.
type platform struct {
	t      testing.TB
	feed   atomic.Pointer[timeline.Feed]
	net    *sandbox.Network
	phones *enrichment.Proxy // what phones see through it is a page that says who they are
	guard  *adminv1.Guard
	url    string
	cut    func() // ends all connections
	// final lets a receipt have its effect: a test that wants to see the states before takes it away.
	final chan struct{}

	mu   sync.Mutex
	esme *smpp.Session
	sent map[string]sent // by the centre's id
	n    int
}

type sent struct{ message, to string }

const token = "correct-horse-battery-staple"

// start runs a platform until the test ends. Receipts wait for p.final if held is true.
func start(t testing.TB, held bool) *platform {
	t.Helper()
	p := &platform{t: t, guard: adminv1.NewGuard(token), final: make(chan struct{}), sent: map[string]sent{}}
	p.restart()
	if !held {
		close(p.final)
	}
	var err error
	if p.net, err = sandbox.New(sandbox.Config{SMSCListen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.net.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the network ended with %v", err)
		}
	})
	p.bind()
	t.Cleanup(func() { p.esme.Close() })

	admin := http.NewServeMux()
	admin.HandleFunc("GET /admin/v1/stream", func(w http.ResponseWriter, r *http.Request) {
		adminv1.New(adminv1.Config{Version: "test", Timeline: p.feed.Load(), Now: time.Now}).ServeHTTP(w, r)
	})
	admin.HandleFunc("GET /admin/v1/links", p.links)
	admin.HandleFunc("POST /admin/v1/messages", p.send)
	box := sandboxv1.New(sandboxv1.Config{Book: book{p.net.Phones}, Faults: faults{p.net.Faults}})
	var habits []console.Habit
	for _, h := range phone.Habits() {
		habits = append(habits, console.Habit{NN: h.NN, Text: h.Name})
	}
	p.browsers(ctx)
	mux := http.NewServeMux()
	mux.Handle("/admin/v1/", p.guard.Wrap(admin, adminv1.Denied))
	mux.Handle("/sandbox/v1/", p.guard.Wrap(box, adminv1.Denied))
	mux.Handle("/", console.New(console.Config{
		Guard: p.guard, Admin: admin, Sandbox: box, APIURL: "http://127.0.0.1:8100", Habits: habits, Version: "0.1.0",
		Demo:     &console.DemoApp{Key: "sandbox-demo", Secret: "sandbox-secret", ShortCode: "48507", AuthorizePath: authorizePath},
		PhoneURL: func(n, path string) string { return p.phones.URL(number.MSISDN(n[1:]), path) },
	}))
	s := httptest.NewServer(mux)
	t.Cleanup(func() {
		s.CloseClientConnections() // streams do not end by themselves
		s.Close()
	})
	p.url, p.cut = s.URL, s.CloseClientConnections
	return p
}

const authorizePath = "/oauth/v4/authorize?client_id=sandbox-demo&scope=IMMN%2CMIM%2CSMS"

// browsers runs the proxy that the browsers of phones go through, in front of a page of its own.
func (p *platform) browsers(ctx context.Context) {
	server, client, err := enrichment.Certificates()
	if err != nil {
		p.t.Fatal(err)
	}
	pages := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/favicon.ico" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "%s %s known=%t", r.Host, r.RequestURI, r.Header.Get("X-Subscriber-Assertion") != "")
	}))
	pages.TLS = server
	pages.StartTLS()
	p.t.Cleanup(pages.Close)
	p.phones, err = enrichment.New(enrichment.Config{Listen: "127.0.0.1:0", Target: pages.Listener.Addr().String(), TLS: client, Issuer: "virtual", Key: make([]byte, 32)})
	if err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(ctx)
	go func() { ended <- p.phones.Run(ctx) }()
	p.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			p.t.Errorf("the proxy ended with %v", err)
		}
	})
}

// restart forgets the timeline, as another run of the server does.
func (p *platform) restart() { p.feed.Store(timeline.New(1000, time.Now)) }

func (p *platform) bind() {
	s, _, err := smpp.Dial(p.t.Context(), smpp.DialConfig{
		Addr: p.net.SMSCAddr(), Bind: smpp.BindConfig{SystemID: p.net.SystemID, Password: p.net.Password},
		Session: smpp.SessionConfig{Handler: smpp.HandlerFunc(p.deliver)},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.esme = s
	p.mu.Unlock()
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindLink, Title: "bound to " + p.net.SMSCAddr() + " as transceiver", State: "up", Link: "sandbox"})
}

// deliver takes what the centre hands over.
func (p *platform) deliver(ctx context.Context, r *smpp.Request) {
	d, ok := r.PDU.(*smpp.DeliverSM)
	if !ok {
		return
	}
	if receipt, err := d.Receipt(); err == nil {
		select {
		case <-p.final:
		case <-ctx.Done():
			return
		}
		p.mu.Lock()
		m := p.sent[receipt.ID]
		p.mu.Unlock()
		p.feed.Load().Add(timeline.Entry{Kind: timeline.KindPDU, Title: "deliver_sm 12 receipt " + receipt.State.Word(), State: "in", Link: "sandbox", Ref: receipt.ID, Number: m.to,
			Detail: "command_id 0x00000005 deliver_sm, command_status 0x00000000 ESME_ROK, sequence_number 12\n" + string(d.Message())})
		state := "delivered"
		if receipt.State != smpp.StateDelivered {
			state = "undeliverable"
		}
		p.feed.Load().Add(timeline.Entry{Kind: timeline.KindReceipt, Title: "receipt " + receipt.State.Word(), State: state, Link: "sandbox", Ref: receipt.ID, Message: m.message, Number: m.to, App: "demo"})
		p.feed.Load().Add(timeline.Entry{Kind: timeline.KindMessage, Title: "text to " + m.to, State: state, App: "demo", Message: m.message, Link: "sandbox", Number: m.to})
		r.Respond(smpp.StatusROK, nil)
		return
	}
	text, _ := gsm.Decode(gsm.DCS(d.DataCoding), d.Message(), d.ESMClass.UDHI())
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindPDU, Title: "deliver_sm 13", State: "in", Link: "sandbox", Number: "+" + d.Source.Addr})
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindMO, Title: "text from +" + d.Source.Addr + " to " + d.Dest.Addr, State: "in", App: "demo",
		Link: "sandbox", Number: "+" + d.Source.Addr, Message: p.name(), Detail: text})
	r.Respond(smpp.StatusROK, nil)
}

func (p *platform) name() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	return fmt.Sprintf("SMS%032x", 0x9b1f0000+p.n*7919)
}

func (p *platform) links(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"links":[{"name":"sandbox","host":"127.0.0.1","port":2775,"system_id":"sandbox","state":{"up":true,"phase":"up","error":""}}]}`)
}

// send is POST /admin/v1/messages.
func (p *platform) send(w http.ResponseWriter, r *http.Request) {
	var in struct {
		App, Text string
		To        []string
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in.To) != 1 || in.App != "demo" {
		http.Error(w, `{"detail":"to: one number"}`, http.StatusUnprocessableEntity)
		return
	}
	name, to := p.name(), in.To[0]
	state := func(s string) {
		p.feed.Load().Add(timeline.Entry{Kind: timeline.KindMessage, Title: "text to " + to, State: s, App: "demo", Message: name, Link: "sandbox", Number: to})
	}
	state("accepted")
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(map[string]string{"id": name})

	m, err := gsm.Split(in.Text, gsm.SplitOptions{})
	if err != nil || len(m.Segments) != 1 {
		p.t.Errorf("a text of one segment was expected: %v", err)
		return
	}
	began := time.Now()
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindPDU, Title: "submit_sm 4", State: "out", Link: "sandbox", Message: name, Number: to,
		Detail: fmt.Sprintf("command_id 0x00000004 submit_sm, command_status 0x00000000 ESME_ROK, sequence_number 4\nsource 48507, destination %s, data_coding %s\ntext %q\n", to, m.DCS, in.Text)})
	p.mu.Lock()
	esme := p.esme
	p.mu.Unlock()
	// The centre's receipt may be quicker than the note about its answer, so the lock is held.
	p.mu.Lock()
	resp, err := esme.Do(p.t.Context(), &smpp.SubmitSM{
		Source: smpp.Address{TON: 3, Addr: "48507"}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: to[1:]},
		RegisteredDelivery: smpp.ReceiptAlways, DataCoding: uint8(m.DCS), ShortMessage: m.Segments[0].UserData,
	})
	ref := ""
	if err == nil {
		ref = resp.PDU.(*smpp.SubmitSMResp).MessageID
		p.sent[ref] = sent{name, to}
	}
	p.mu.Unlock()
	e := timeline.Entry{Kind: timeline.KindPDU, Title: "submit_sm_resp 4", State: "in", Link: "sandbox", Message: name, Number: to, Ref: ref,
		Duration: float64(time.Since(began).Microseconds()) / 1000, Detail: fmt.Sprintf("message_id %q", ref)}
	if err != nil {
		e.Title += " " + err.Error()
	}
	p.feed.Load().Add(e)
	if err != nil {
		state("failed")
		return
	}
	state("sent")
}

// book and faults tie the sandbox API to the virtual network, as the root does.
type book struct{ *phone.Book }

func (b book) Phones() []sandboxv1.Phone {
	var all []sandboxv1.Phone
	for _, p := range b.Book.Phones() {
		all = append(all, sandboxv1.Phone(p))
	}
	return all
}

func (b book) Messages(ctx context.Context, f sandboxv1.Filter, wait time.Duration) ([]sandboxv1.Message, error) {
	found, err := b.Book.Messages(ctx, phone.Filter(f), wait)
	return texts(found), err
}

func (b book) Send(from number.MSISDN, to number.Address, text string) (sandboxv1.Message, error) {
	m, err := b.Book.Send(from, to, text)
	return sandboxv1.Message(m), err
}

func (b book) Watch(after int64) ([]sandboxv1.Message, <-chan sandboxv1.Message, func()) {
	if after < 0 {
		after = b.Last()
	}
	recent, w := b.Book.Watch(after)
	live, ended, gone := make(chan sandboxv1.Message), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for {
			select {
			case m := <-w.C():
				select {
				case live <- sandboxv1.Message(m):
				case <-ended:
					return
				}
			case <-ended:
				return
			}
		}
	}()
	return texts(recent), live, func() { close(ended); <-gone; w.Close() }
}

func texts(found []phone.Message) []sandboxv1.Message {
	var all []sandboxv1.Message
	for _, m := range found {
		all = append(all, sandboxv1.Message(m))
	}
	return all
}

type faults struct{ *sandbox.Faults }

func (f faults) Put(x sandboxv1.Fault) error { return f.Faults.Put(sandbox.Fault(x)) }
func (f faults) Set(all []sandboxv1.Fault) error {
	var set []sandbox.Fault
	for _, x := range all {
		set = append(set, sandbox.Fault(x))
	}
	return f.Faults.Set(set)
}
func (f faults) List() []sandboxv1.Fault {
	var all []sandboxv1.Fault
	for _, x := range f.Faults.List() {
		all = append(all, sandboxv1.Fault(x))
	}
	return all
}
