package adminv1

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"longlines/app"
	"longlines/fault"
	"longlines/id"
	"longlines/number"
	"longlines/route"
	"longlines/sms"
	"longlines/timeline"
)

// Message is one recipient of a text, as a line of a list.
type Message struct {
	ID       string    `json:"id" doc:"The message, as the app knows it."`
	App      string    `json:"app"`
	From     string    `json:"from"`
	To       string    `json:"to" doc:"Masked; the story of a message has it whole."`
	State    string    `json:"state"`
	Code     string    `json:"code,omitempty" doc:"The network's last word: SMPP-000B, or a receipt's err."`
	Link     string    `json:"link,omitempty"`
	Parts    int       `json:"parts,omitempty" doc:"Segments that went to a centre."`
	Accepted time.Time `json:"accepted"`
}

// Story is everything known of one thing, in the order in which it happened.
type Story struct {
	Title string      `json:"title"`
	Facts [][2]string `json:"facts"`
	Steps []StoryStep `json:"steps"`

	Request    *Request    `json:"request,omitempty" doc:"The call; of a text, the one that sent it, if one did."`
	Message    string      `json:"message,omitempty" doc:"The text that it is about."`
	Refused    *Refused    `json:"refused,omitempty" doc:"Why the call was refused."`
	Recipients []Recipient `json:"recipients,omitempty" doc:"Of a text to handsets; none of one from a handset."`

	Wire string `json:"wire,omitempty" doc:"A call as it was on the wire: the request and its answer, without tokens and credentials. Kept for a while, of sandbox apps only."`
}

// StoryStep is one thing that happened.
type StoryStep struct {
	Time    time.Time     `json:"time"`
	Kind    timeline.Kind `json:"kind" doc:"As in the stream: request, message, pdu, receipt, mo, callback."`
	What    string        `json:"what"`
	Detail  string        `json:"detail,omitempty"`
	Request string        `json:"request,omitempty" doc:"Of a request: its id."`
}

// Recipient is how a text stands with one of those whom it is for.
type Recipient struct {
	To    string `json:"to"`
	State string `json:"state"`
	Code  string `json:"code,omitempty" doc:"The network's last word: SMPP-000B, or a receipt's err."`
	Link  string `json:"link,omitempty"`
	Parts int    `json:"parts,omitempty" doc:"Segments that went to a centre."`
}

// Refused is the rule that refused a call, as the error catalogue has it.
type Refused struct {
	Code      string `json:"code"`
	Case      string `json:"case,omitempty" doc:"Which of the code's meanings."`
	Title     string `json:"title,omitempty"`
	Condition string `json:"condition,omitempty"`
	Remedy    string `json:"remedy,omitempty"`
}

type (
	sendIn struct {
		Body struct {
			App  string   `json:"app" doc:"The app that sends."`
			To   []string `json:"to" minItems:"1" maxItems:"50"`
			Text string   `json:"text"`
		}
	}
	sendOut struct {
		Body struct {
			ID string `json:"id"`
		}
	}
	messageQuery struct {
		Page
		App   string `query:"app" doc:"Only texts of this app; operator: those with PINs."`
		State string `query:"state" doc:"Only texts in this state: accepted, sent, delivered, failed …"`
		To    string `query:"to" doc:"Only texts to this number."`
		Link  string `query:"link" doc:"Only texts over this link."`
	}
	messageList struct {
		Body struct {
			Messages []Message `json:"messages" doc:"Newest first."`
			Next     string    `json:"next,omitempty" doc:"For before; absent on the last page."`
		}
	}
	named struct {
		ID string `path:"id"`
	}
	storyOut struct{ Body Story }
)

func (x *api) messages(h operations) {
	post(h, "/admin/v1/messages", "Send a text as an app", http.StatusCreated, func(ctx context.Context, in *sendIn) (*sendOut, error) {
		a, err := x.app(in.Body.App)
		if err != nil {
			return nil, err
		}
		switch err := sms.CheckText(in.Body.Text); {
		case errors.Is(err, fault.MissingParameter):
			return nil, misfit("body.text", "is empty")
		case err != nil:
			return nil, misfit("body.text", fmt.Sprintf("must have at most %d characters, and no control characters but line ends and tabs", sms.MaxText))
		}
		out := sms.Outgoing{Text: in.Body.Text}
		for i, s := range in.Body.To {
			m, err := number.ParseMSISDN(s)
			if err != nil {
				return nil, misfit(fmt.Sprintf("body.to[%d]", i), err.Error())
			}
			out.Recipients = append(out.Recipients, m)
		}
		sent, err := x.SMS.Send(ctx, grant(a), out)
		switch {
		case errors.Is(err, fault.Dependency) && len(a.ShortCodes) == 0:
			return nil, ruled(fault.From(err), fmt.Sprintf("longlines app set %q --short-code CODE gives it one.", a.Name))
		case errors.Is(err, route.ErrNoRoute):
			return nil, ruled(fault.From(err), fmt.Sprintf("longlines route test --from %s --to NUMBER --level %s shows why.", a.ShortCodes[0], a.Level))
		case err != nil:
			return nil, err
		}
		r := &sendOut{}
		r.Body.ID = sent.Name
		return r, nil
	})
	get(h, "/admin/v1/messages", "List the newest texts", func(ctx context.Context, in *messageQuery) (*messageList, error) {
		of, err := x.sender(in.App)
		if err != nil {
			return nil, err
		}
		var to number.MSISDN
		if in.To != "" {
			if to, err = msisdn("query.to", in.To); err != nil {
				return nil, err
			}
		}
		rows, next, err := scan(in.Page, func(before id.Number, n int) ([]sms.MT, error) { return x.Store.MTs(ctx, before, n) },
			func(m sms.MT) id.Number { return m.ID },
			func(m sms.MT) bool {
				return of(m.App) && (in.State == "" || m.State.String() == in.State) && (to == "" || m.To == to) &&
					(in.Link == "" || m.Link == in.Link)
			})
		if err != nil {
			return nil, err
		}
		out := &messageList{}
		out.Body.Messages, out.Body.Next = []Message{}, nextOf(next)
		for _, m := range rows {
			out.Body.Messages = append(out.Body.Messages, Message{x.SMS.Name(m.Message), x.appName(m.App), m.From.String(), m.To.Masked(),
				m.State.String(), m.Code, m.Link, m.Parts, m.Accepted})
		}
		return out, nil
	})
	get(h, "/admin/v1/messages/{id}", "Tell the story of a text", func(ctx context.Context, in *named) (*storyOut, error) {
		n, err := x.SMS.ParseName(in.ID)
		if err != nil {
			return nil, fmt.Errorf("message %s: %w", in.ID, errNoStory)
		}
		s, err := x.story(ctx, n)
		if err != nil {
			return nil, err
		}
		return &storyOut{s}, nil
	})
}

// appFilter is the app that a list is asked for; 0: all.
func (x *api) appFilter(name string) (app.ID, error) {
	if name == "" {
		return 0, nil
	}
	a, err := x.app(name)
	if err != nil {
		return 0, err
	}
	return a.ID, nil
}

// sender reports which apps, or the operator, a name is of.
func (x *api) sender(name string) (of func(app.ID) bool, err error) {
	if name == app.OperatorName {
		return app.ID.IsOperator, nil
	}
	n, err := x.appFilter(name)
	return func(m app.ID) bool { return n == 0 || m == n }, err
}

func (x *api) appName(n app.ID) string {
	if a := x.Apps.ByID(n); a != nil {
		return a.Name
	}
	return ""
}

// errNoStory: there is nothing to tell.
var errNoStory = errors.New("not known here, or its retention has ended")

// story puts the rows about a message in order.
func (x *api) story(ctx context.Context, n id.Number) (Story, error) {
	st, err := x.SMS.Story(ctx, n)
	if errors.Is(err, sms.ErrNotFound) {
		return x.receivedStory(ctx, n)
	}
	if err != nil {
		return Story{}, err
	}
	first := st.Rows[0]
	name := x.SMS.Name(first.Message)
	out := Story{Title: "Message " + name, Message: name, Facts: [][2]string{
		{"app", x.appName(first.App)}, {"from", first.From.String()}, {"text", textOf(&first)},
		{"accepted", first.Accepted.UTC().Format(time.RFC3339Nano)}, {"expires", first.Expires.UTC().Format(time.RFC3339)},
	}, Steps: []StoryStep{}}
	for _, r := range x.callsOf(ctx, first) {
		v := x.request(r)
		out.Facts = append(out.Facts, [2]string{"request", v.ID})
		out.Steps = append(out.Steps, v.step())
		if out.Request == nil {
			out.Request = &v
		}
	}
	step := func(at time.Time, kind timeline.Kind, what, format string, args ...any) {
		if !at.IsZero() {
			out.Steps = append(out.Steps, StoryStep{Time: at, Kind: kind, What: what, Detail: strings.TrimSpace(fmt.Sprintf(format, args...))})
		}
	}
	for i, m := range st.Rows {
		to := m.To.String()
		out.Recipients = append(out.Recipients, Recipient{to, m.State.String(), m.Code, m.Link, m.Parts})
		step(m.Accepted, timeline.KindMessage, "accepted", "for %s, on disk", to)
		for _, p := range st.Parts[i] {
			segment := ""
			if p.Parts > 1 {
				segment = fmt.Sprintf("segment %d of %d, ", p.Part+1, p.Parts)
			}
			step(p.Sent, timeline.KindPDU, "submitted", "%sto %s over %s, which calls it %q", segment, to, p.Link, p.Raw)
			if !p.Done.IsZero() {
				// The centre's clock is its own and tells minutes; what is shown is not before the submit.
				at := p.Done
				if at.Before(p.Sent) {
					at = p.Sent
					if m.Final.After(at) {
						at = m.Final
					}
				}
				step(at, timeline.KindReceipt, "receipt", "%s%s %s err %s, at %s by the centre's clock", segment, to, p.Word, p.Code, p.Done.UTC().Format(time.RFC3339))
			}
		}
		if m.State.Final() {
			step(m.Final, timeline.KindMessage, m.State.String(), "%s %s", to, m.Code)
		} else {
			out.Facts = append(out.Facts, [2]string{"now", strings.TrimSpace(fmt.Sprintf("%s: %s %s", to, m.State, m.Code))})
		}
		if m.Twice {
			out.Facts = append(out.Facts, [2]string{"note", to + " may have got it twice: an answer of the centre was lost"})
		}
		posts, err := x.posts(ctx, m.ID)
		if err != nil {
			return Story{}, err
		}
		out.Steps = append(out.Steps, posts...)
	}
	sortSteps(out.Steps)
	return out, nil
}

// textOf is what a text says, unless that is for its recipient alone.
func textOf(m *sms.MT) string {
	if m.Private() {
		return "[for its recipient alone, not shown]"
	}
	return m.Text
}

// posts are the steps by which an app's listener was told about a row.
func (x *api) posts(ctx context.Context, subject id.Number) ([]StoryStep, error) {
	attempts, err := x.Store.Attempts(ctx, subject)
	if err != nil {
		return nil, err
	}
	var steps []StoryStep
	for _, a := range attempts {
		result := fmt.Sprintf("HTTP %d", a.Status)
		if a.Error != "" {
			result = a.Error
		}
		if !a.Next.IsZero() {
			result += ", again at " + a.Next.UTC().Format(time.TimeOnly)
		}
		steps = append(steps, StoryStep{Time: a.At, Kind: timeline.KindCallback, What: "callback",
			Detail: fmt.Sprintf("%s to %s, try %d: %s", a.What, a.URL, a.Number, result)})
	}
	return steps, nil
}

// receivedStory tells of a text that came from a handset.
func (x *api) receivedStory(ctx context.Context, n id.Number) (Story, error) {
	m, state, ok, err := x.Received(ctx, n)
	if err != nil {
		return Story{}, err
	}
	if !ok {
		return Story{}, fmt.Errorf("message %s: %w", x.SMS.Name(n), errNoStory)
	}
	owner := x.appName(m.App)
	if owner == "" {
		owner = "none: nobody owns " + string(m.To)
	}
	s := Story{Title: "Message " + x.SMS.Name(n) + ", received", Message: x.SMS.Name(n), Facts: [][2]string{
		{"app", owner}, {"from", m.From.String()}, {"to", string(m.To)}, {"text", m.Text}, {"now", state},
	}, Steps: []StoryStep{{Time: m.At, Kind: timeline.KindMO, What: "received", Detail: "from " + m.From.String() + ", on disk"}}}
	if m.Partial {
		s.Facts = append(s.Facts, [2]string{"note", "segments are missing"})
	}
	posts, err := x.posts(ctx, n)
	s.Steps = append(s.Steps, posts...)
	sortSteps(s.Steps)
	return s, err
}
