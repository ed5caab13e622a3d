package console

import (
	"net/http"
	"slices"
	"time"

	"longlines/number"
)

// textLine is a text to one recipient as a line of GET /admin/v1/messages.
type textLine struct {
	ID       string    `json:"id"`
	App      string    `json:"app"`
	From     string    `json:"from"`
	To       string    `json:"to"` // masked
	State    string    `json:"state"`
	Code     string    `json:"code"`
	Link     string    `json:"link"`
	Parts    int       `json:"parts"`
	Accepted time.Time `json:"accepted"`
}

// Chip is the state at a glance.
func (m textLine) Chip() chip { return stateChip(m.State) }

// messagesPage is what messages.html shows.
type messagesPage struct {
	frame
	list
	Texts []textLine
}

// stateWords are the states a text to a handset may be in, in the order in which it comes through them.
var stateWords = []string{"accepted", "held", "retrying", "unknown", "sent", "delivered", "undeliverable", "expired", "failed", "cancelled", "uncertain", "quarantined"}

// messages lists the newest texts to handsets.
func (x *console) messages(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	states := stateWords
	if s := q.Get("state"); s != "" && !slices.Contains(states, s) {
		states = append(slices.Clone(states), s) // a select shows only what it offers
	}
	p := messagesPage{frame: x.frame(r, r.URL.Path, "Messages"), list: list{Path: "/messages", Before: q.Get("before"), Questions: []question{
		{Name: "app", Label: "App", Options: x.appNames(r)},
		{Name: "state", Label: "State", Options: states, Only: true},
		{Name: "to", Label: "To the number", Hint: "+1 425 555 0100"},
		{Name: "link", Label: "Over the link"},
	}}}
	for _, l := range p.Links {
		p.Questions[3].Options = append(p.Questions[3].Options, l.Name)
	}
	// The API wants a number whole; people write (425) 555-0100.
	if m, err := number.ParseMSISDN(q.Get("to")); err == nil {
		q.Set("to", m.String())
	}
	var found struct {
		Messages []textLine
		Next     string
	}
	status := p.ask(r, x.Admin, "/admin/v1/messages", q, &found)
	p.Texts, p.Next = found.Messages, found.Next
	x.render(w, status, "messages.html", p)
}

// FirstText is how a newcomer may send a text.
func (p messagesPage) FirstText() command {
	line := "longlines send sms --to +14255550100 --text hello"
	if p.Demo == nil {
		line += " --app NAME"
	}
	return command{"first-text", "Send a text", line}
}
