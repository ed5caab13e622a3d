package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"longlines"
	"longlines/timeline"
)

type demoCmd struct{}

// demo tells the story of one text, from the app's first request to the handset and back, against a
// platform of its own. Every step waits for what it claims; one that does not happen ends the demo
// with an error.
type demo struct {
	e        *env
	info     longlines.Info
	feed     *timeline.Watch
	passed   []timeline.Entry // of the feed, not yet asked for
	posts    chan post        // what the app's listeners received
	admin    *client
	patience time.Duration // for each thing that is waited for
	bold     bool          // a person is looking

	step     int
	listener string // URL of the app's listeners
	key, sec string // of the pizza app
	token    string
	sent     string // the text's message id
}

// post is one callback as the app's listener saw it.
type post struct {
	path   string
	header http.Header
	body   []byte
}

func (cmd *demoCmd) Run(e *env) error {
	ctx, stop := context.WithCancel(e.ctx)
	defer stop()
	cfg, err := longlines.LoadConfig("", nil, map[string]any{
		"ephemeral": true, "api.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0", "sandbox.smsc_listen": "127.0.0.1:0",
	})
	if err != nil {
		return err
	}
	p, err := longlines.New(ctx, cfg, slog.New(slog.NewTextHandler(e.err, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	stopped := make(chan error, 1)
	go func() { stopped <- p.Run(ctx) }()
	select {
	case <-p.Ready():
	case err := <-stopped:
		return fmt.Errorf("start: %w", err)
	}
	d := &demo{e: e, info: p.Info(), posts: make(chan post, 16), patience: 15 * time.Second,
		bold: isTerminal(e.out) && e.getenv("NO_COLOR") == ""}
	d.admin = &client{e: e, admin: d.info.Admin, token: d.info.AdminToken}
	_, d.feed = p.Timeline().Watch(0)
	defer d.feed.Close()
	err = d.tell(ctx)
	stop()
	if end := <-stopped; err == nil {
		err = end
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "\nAll %d steps happened, on a store that is gone now. Your turn: longlines serve\n", d.step)
	return nil
}

// tell runs the steps in order.
func (d *demo) tell(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	listener := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(d.listen)}}
	listener.Start()
	defer listener.Close()
	d.listener = listener.URL

	for _, step := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"An operator registers the pizza app, with a short code and two listeners", d.makeApp},
		{"The app asks for a token", d.getToken},
		{"It sends a text; 201 says that the text is on disk", d.sendText},
		{"The platform submits it to the message centre, by SMPP", d.awaitSubmit},
		{"It reaches the phone", d.awaitPhone},
		{"The message centre reports the delivery, by SMPP", d.awaitReceipt},
		{"The app's status listener is told", d.awaitStatusPush},
		{"The app can also ask", d.readStatus},
		{"The phone answers the pizza app, and writes to the demo app too", d.answer},
		{"The pizza app's message listener receives the answer", d.awaitMessagePush},
		{"The demo app has no listener: it polls its inbox", d.pollInbox},
		{"A number that nobody has, and an error that explains itself", d.provokeError},
	} {
		d.step++
		title := fmt.Sprintf("%2d  %s", d.step, step.title)
		if d.bold {
			title = "\x1b[1m" + title + "\x1b[0m"
		}
		fmt.Fprintf(d.e.out, "\n%s\n", title)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("step %d did not happen: %w", d.step, err)
		}
	}
	return nil
}

// listen is the app's listeners.
func (d *demo) listen(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		return
	}
	select {
	case d.posts <- post{r.URL.Path, r.Header, body}:
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// indent puts what a step shows under its title.
const indent = "    "

// wide is from how many columns on a JSON document is laid out over several lines.
const wide = 100

// show prints lines, each behind a mark: > to the platform, < from it, nothing for the rest.
func (d *demo) show(mark, text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintf(d.e.out, "%s%-2s%s\n", indent, mark, oneLine(strings.TrimRight(line, "\r\n")))
	}
}

// showBody prints a body: JSON that is too wide is laid out.
func (d *demo) showBody(mark string, body []byte) {
	var b bytes.Buffer
	if utf8.RuneCount(body) > wide && json.Indent(&b, body, "", "  ") == nil {
		body = b.Bytes()
	}
	d.show(mark, string(body))
}

// showPDU prints an SMPP PDU decoded, a parameter a line, and the first of its octets.
func (d *demo) showPDU(en timeline.Entry) {
	way := "from the centre"
	if en.State == "out" {
		way = "to the centre"
	}
	decoded, dump, _ := strings.Cut(en.Detail, "\n\n")
	d.show("", en.Title+"   "+way)
	for line := range strings.Lines(decoded) {
		line = strings.TrimSpace(line)
		parts := []string{line}
		if !strings.HasPrefix(line, "text ") { // which may hold commas of its own
			parts = strings.Split(line, ", ")
		}
		for _, part := range parts {
			name, value, _ := strings.Cut(part, " ")
			d.show("", fmt.Sprintf("  %-20s %s", name, value))
		}
	}
	// A line of hex.Dump: offset, 16 octets, what they look like as text.
	if first, _, _ := strings.Cut(dump, "\n"); len(first) > 60 {
		octets := strings.Join(strings.Fields(first[8:59]), " ")
		if strings.Count(dump, "|\n") > 1 {
			octets += " …"
		}
		d.show("", fmt.Sprintf("  %-20s %s", "octets", octets))
	}
}

// call sends one API request, shows both directions and decodes the answer.
func (d *demo) call(ctx context.Context, method, path, contentType string, header map[string]string, body string, want int, out any) error {
	ctx, stop := context.WithTimeout(ctx, d.patience)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, method, d.info.API+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	d.show(">", method+" "+path)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if d.token != "" {
		req.Header.Set("Authorization", "Bearer "+d.token)
		d.show(">", "Authorization: Bearer "+d.token[:8]+"…")
	}
	for k, v := range header {
		req.Header.Set(k, v)
		d.show(">", k+": "+v)
	}
	if contentType == form { // a parameter a line, as curl -d takes them
		d.show(">", strings.ReplaceAll(body, "&", "\n&"))
	} else {
		d.showBody(">", []byte(body))
	}
	resp, err := direct(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	d.show("<", resp.Status)
	if l := resp.Header.Get("Link"); l != "" {
		d.show("<", "Link: "+l)
	}
	d.showBody("<", b)
	if resp.StatusCode != want {
		return fmt.Errorf("%s %s: %s, want %d", method, path, resp.Status, want)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

const form = "application/x-www-form-urlencoded"

// ask gets a token for an app.
func (d *demo) ask(ctx context.Context, key, secret string) error {
	d.token = ""
	body := "grant_type=client_credentials&scope=SMS&client_id=" + url.QueryEscape(key) + "&client_secret=" + url.QueryEscape(secret)
	var t struct {
		AccessToken string `json:"access_token"`
	}
	if err := d.call(ctx, http.MethodPost, "/oauth/v4/token", form, nil, body, http.StatusOK, &t); err != nil {
		return err
	}
	if len(t.AccessToken) < 8 {
		return fmt.Errorf("the token is %q", t.AccessToken)
	}
	d.token = t.AccessToken
	return nil
}

// await reads the live stream until an entry fits. Entries that do not are kept for later steps: a
// receipt may overtake the answer to its submit.
func (d *demo) await(ctx context.Context, what string, fits func(timeline.Entry) bool) (timeline.Entry, error) {
	if i := slices.IndexFunc(d.passed, fits); i >= 0 {
		en := d.passed[i]
		d.passed = slices.Delete(d.passed, i, i+1)
		return en, nil
	}
	limit := time.NewTimer(d.patience)
	defer limit.Stop()
	for {
		select {
		case en := <-d.feed.C():
			if fits(en) {
				return en, nil
			}
			d.passed = append(d.passed, en)
		case <-limit.C:
			return timeline.Entry{}, fmt.Errorf("%s was not seen within %s", what, d.patience)
		case <-ctx.Done():
			return timeline.Entry{}, ctx.Err()
		}
	}
}

// awaitPost waits for the next post, which must be for the path and hold all the words.
func (d *demo) awaitPost(ctx context.Context, path string, words ...string) error {
	limit := time.NewTimer(d.patience)
	defer limit.Stop()
	var p post
	select {
	case p = <-d.posts:
	case <-limit.C:
		return fmt.Errorf("nothing was posted to %s within %s", path, d.patience)
	case <-ctx.Done():
		return ctx.Err()
	}
	d.show("<", "POST "+p.path)
	for _, name := range []string{"Content-Type", "Webhook-Id"} {
		d.show("<", name+": "+p.header.Get(name))
	}
	d.showBody("<", p.body)
	if p.path != path {
		return fmt.Errorf("a post to %s came instead of one to %s", p.path, path)
	}
	for _, w := range words {
		if !bytes.Contains(p.body, []byte(w)) {
			return fmt.Errorf("the post to %s does not say %q", path, w)
		}
	}
	return nil
}

func (d *demo) makeApp(context.Context) error {
	var a appView
	err := d.admin.do(request{method: http.MethodPost, path: "/admin/v1/apps", in: appView{Name: "pizza", Level: "sandbox", Scopes: []string{"SMS"},
		ShortCodes: []string{"74992"}, MessageListener: d.listener + "/message", StatusListener: d.listener + "/status"}}, &a)
	if err != nil {
		return err
	}
	d.key, d.sec = a.Key, a.Secret
	for _, l := range [][2]string{{"key", a.Key}, {"secret", a.Secret}, {"short code", "74992"}, {"messages to", a.MessageListener}, {"statuses to", a.StatusListener}} {
		d.show("", fmt.Sprintf("%-12s %s", l[0], l[1]))
	}
	return nil
}

func (d *demo) getToken(ctx context.Context) error { return d.ask(ctx, d.key, d.sec) }

// demoPhone is alice's phone.
const demoPhone = "+14255550100"

func (d *demo) sendText(ctx context.Context) error {
	var r struct {
		Response struct {
			MessageID string `json:"messageId"`
		} `json:"outboundSMSResponse"`
	}
	body := `{"outboundSMSRequest":{"address":"tel:` + demoPhone + `","message":"Your pizza is on its way 🍕","notifyDeliveryStatus":true}}`
	if err := d.call(ctx, http.MethodPost, "/sms/v3/messaging/outbox", "application/json", nil, body, http.StatusCreated, &r); err != nil {
		return err
	}
	if r.Response.MessageID == "" {
		return fmt.Errorf("the answer holds no messageId")
	}
	d.sent = r.Response.MessageID
	return nil
}

// awaitPDU waits for a PDU of a kind and shows it.
func (d *demo) awaitPDU(ctx context.Context, kind string, fits func(timeline.Entry) bool) error {
	en, err := d.await(ctx, kind, func(en timeline.Entry) bool {
		return en.Kind == timeline.KindPDU && strings.HasPrefix(en.Title, kind+" ") && fits(en)
	})
	if err != nil {
		return err
	}
	d.showPDU(en)
	return nil
}

func (d *demo) awaitSubmit(ctx context.Context) error {
	ours := func(en timeline.Entry) bool { return en.Message == d.sent }
	if err := d.awaitPDU(ctx, "submit_sm", ours); err != nil {
		return err
	}
	return d.awaitPDU(ctx, "submit_sm_resp", ours)
}

func (d *demo) awaitPhone(context.Context) error {
	var out struct {
		Messages []phoneText `json:"messages"`
	}
	q := url.Values{"to": {demoPhone}, "wait": {d.patience.String()}}
	if err := d.admin.do(request{method: http.MethodGet, path: "/sandbox/v1/messages", query: q}, &out); err != nil {
		return err
	}
	if len(out.Messages) != 1 || out.Messages[0].Text != "Your pizza is on its way 🍕" || out.Messages[0].From != "74992" {
		return fmt.Errorf("the phone has %+v", out.Messages)
	}
	d.showText(out.Messages[0].From, demoPhone, out.Messages[0].Text)
	return nil
}

func (d *demo) showText(from, to, text string) {
	d.show("", fmt.Sprintf("%s to %s   %s", from, to, text))
}

func (d *demo) awaitReceipt(ctx context.Context) error {
	if err := d.awaitPDU(ctx, "deliver_sm", func(en timeline.Entry) bool { return strings.Contains(en.Title, "receipt") }); err != nil {
		return err
	}
	_, err := d.await(ctx, "the receipt of "+d.sent, func(en timeline.Entry) bool {
		return en.Kind == timeline.KindReceipt && en.Message == d.sent && en.State == "delivered"
	})
	return err
}

func (d *demo) awaitStatusPush(ctx context.Context) error {
	return d.awaitPost(ctx, "/status", d.sent, `"DeliveredToTerminal"`)
}

func (d *demo) readStatus(ctx context.Context) error {
	var r struct {
		DeliveryInfoList struct {
			DeliveryInfo []struct{ DeliveryStatus string }
		}
	}
	if err := d.call(ctx, http.MethodGet, "/sms/v3/messaging/outbox/"+d.sent, "", nil, "", http.StatusOK, &r); err != nil {
		return err
	}
	if l := r.DeliveryInfoList.DeliveryInfo; len(l) != 1 || l[0].DeliveryStatus != "DeliveredToTerminal" {
		return fmt.Errorf("the status is %+v", l)
	}
	return nil
}

func (d *demo) answer(context.Context) error {
	for _, m := range []map[string]string{
		{"from": demoPhone, "to": "74992", "text": "Extra olives please"},
		{"from": demoPhone, "to": "48507", "text": "Anybody there?"},
	} {
		if err := d.admin.do(request{method: http.MethodPost, path: "/sandbox/v1/messages", in: m}, nil); err != nil {
			return err
		}
		d.showText(m["from"], m["to"], m["text"])
	}
	return nil
}

func (d *demo) awaitMessagePush(ctx context.Context) error {
	return d.awaitPost(ctx, "/message", "Extra olives please", demoPhone)
}

func (d *demo) pollInbox(ctx context.Context) error {
	app := d.info.Apps[0]
	if _, err := d.await(ctx, "the text at the platform", func(en timeline.Entry) bool {
		return en.Kind == timeline.KindMO && en.App == app.Name
	}); err != nil {
		return err
	}
	if err := d.ask(ctx, app.Key, app.Secret); err != nil {
		return err
	}
	var r struct {
		InboundSmsMessageList struct {
			InboundSmsMessage []struct{ Message, SenderAddress string }
		}
	}
	if err := d.call(ctx, http.MethodGet, "/sms/v3/messaging/inbox/"+app.ShortCodes[0], "", nil, "", http.StatusOK, &r); err != nil {
		return err
	}
	if l := r.InboundSmsMessageList.InboundSmsMessage; len(l) != 1 || l[0].Message != "Anybody there?" || l[0].SenderAddress != "tel:"+demoPhone {
		return fmt.Errorf("the inbox holds %+v", l)
	}
	return nil
}

func (d *demo) provokeError(ctx context.Context) error {
	body := `{"outboundSMSRequest":{"address":"tel:+14255550112","message":"hello?","notifyDeliveryStatus":false}}`
	var r struct {
		RequestError struct {
			ServiceException struct{ MessageId, Variables string }
		}
	}
	if err := d.call(ctx, http.MethodPost, "/sms/v3/messaging/outbox", "application/json", map[string]string{"Prefer": "wait=5"}, body, http.StatusBadRequest, &r); err != nil {
		return err
	}
	x := r.RequestError.ServiceException
	if x.MessageId != "SVC0001" || !strings.Contains(x.Variables, "SMPP-000B") {
		return fmt.Errorf("the error is %+v", x)
	}
	d.show("", "\n  $ longlines explain SVC0001#smpp-000b")
	printRows(d.e.out, indent+"  ", explained("svc0001#smpp-000b"))
	return nil
}
