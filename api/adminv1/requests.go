package adminv1

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"longlines/fault"
	"longlines/gateway"
	"longlines/id"
	"longlines/sms"
	"longlines/timeline"
)

// Request is one call, as a line of a list.
type Request struct {
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`
	App       string    `json:"app,omitempty"`
	Operation string    `json:"operation,omitempty"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Status    int       `json:"status"`
	Code      string    `json:"code,omitempty"`
	Case      string    `json:"case,omitempty" doc:"Which of the code's meanings: the anchor on its page."`
	Message   string    `json:"message,omitempty"`
	Ms        float64   `json:"ms"`
}

type (
	requestQuery struct {
		Page
		App       string    `query:"app" doc:"Only calls of this app."`
		Code      string    `query:"code" doc:"Only calls answered with this code, as POL0001."`
		Operation string    `query:"operation" doc:"Only calls of this operation, as Send SMS, in any case of letters."`
		Status    string    `query:"status" pattern:"^[1-5]([0-9][0-9]|xx)$" patternDescription:"403, or 4xx for all of them" doc:"Only calls answered so: 403, or 4xx."`
		Message   string    `query:"message" doc:"Only calls that made or asked for this message."`
		Since     time.Time `query:"since" doc:"Only calls from then on."`
		Until     time.Time `query:"until" doc:"Only calls before then. A page looks through 100,000 calls at most: to look further back, say until."`
	}
	requestList struct {
		Body struct {
			Requests []Request `json:"requests" doc:"Newest first."`
			Next     string    `json:"next,omitempty" doc:"For before; absent on the last page."`
		}
	}
)

// filter is what the query asks for. subject is the message asked for, 0 if none: the store does not
// filter by it.
func (x *api) filter(in *requestQuery) (f gateway.RequestFilter, subject id.Number, err error) {
	f = gateway.RequestFilter{Code: codeSpelled(in.Code), Operation: spelled(in.Operation, x.Operations), Since: in.Since, Until: in.Until}
	if f.App, err = x.appFilter(in.App); err != nil {
		return f, 0, err
	}
	if class, ok := strings.CutSuffix(in.Status, "xx"); ok {
		n, _ := strconv.Atoi(class) // the pattern has let digits through only
		f.StatusFrom, f.StatusTo = n*100, n*100+99
	} else if in.Status != "" {
		f.StatusFrom, _ = strconv.Atoi(in.Status)
		f.StatusTo = f.StatusFrom
	}
	if in.Message != "" {
		if subject, err = x.SMS.ParseName(in.Message); err != nil {
			return f, 0, fmt.Errorf("message %s: %w", in.Message, errNoStory)
		}
		// No call about it is older than the one that made it, and that one's number was drawn just before.
		if made := subject.Time().Add(-drawn); f.Since.Before(made) {
			f.Since = made
		}
	}
	return f, subject, nil
}

// codeSpelled is a code of the catalogue as it is spelled there: POL0001, invalid_grant.
func codeSpelled(code string) string {
	for _, r := range fault.All() {
		if strings.EqualFold(r.Code, code) {
			return r.Code
		}
	}
	return code
}

// spelled is a name as it stands in a list, in any case of letters; as it is, if it does not.
func spelled(name string, list []string) string {
	for _, s := range list {
		if strings.EqualFold(s, name) {
			return s
		}
	}
	return name
}

// drawn bounds the time between a request's number and the number of the message that it makes: the
// deadline of a call.
const drawn = time.Minute

// callsOf finds the call that made a message.
func (x *api) callsOf(ctx context.Context, m sms.MT) (found []gateway.Record) {
	rows, err := x.Store.Requests(ctx, gateway.RequestFilter{App: m.App, Since: m.Accepted.Add(-drawn)}, m.Message, chunk)
	if err != nil {
		return nil // the story is worth telling without it
	}
	for _, r := range rows {
		if r.Subject == m.Message && r.Method == http.MethodPost {
			found = append(found, r)
		}
	}
	return found
}

func (x *api) request(r gateway.Record) Request {
	v := Request{ID: id.Request(r.ID), Time: r.ID.Time(), App: x.appName(r.App), Operation: r.Operation, Method: r.Method, Path: r.Path,
		Status: r.Status, Code: r.Code, Case: r.Case, Ms: float64(r.Took.Microseconds()) / 1000}
	if r.Subject != 0 {
		v.Message = x.SMS.Name(r.Subject)
	}
	return v
}

// step is the call in a story.
func (v *Request) step() StoryStep {
	answer := strings.TrimSpace(fmt.Sprintf("%d %s", v.Status, v.Code))
	return StoryStep{Time: v.Time, Kind: timeline.KindRequest, What: "request", Request: v.ID,
		Detail: fmt.Sprintf("%s %s, answered %s after %.1f ms", v.Method, v.Path, answer, v.Ms)}
}

func (x *api) requests(h operations) {
	get(h, "/admin/v1/requests", "List the newest calls", func(ctx context.Context, in *requestQuery) (*requestList, error) {
		f, subject, err := x.filter(in)
		if err != nil {
			return nil, err
		}
		rows, next, err := scan(in.Page, func(before id.Number, n int) ([]gateway.Record, error) { return x.Store.Requests(ctx, f, before, n) },
			func(r gateway.Record) id.Number { return r.ID },
			func(r gateway.Record) bool { return subject == 0 || r.Subject == subject })
		if err != nil {
			return nil, err
		}
		out := &requestList{}
		out.Body.Requests, out.Body.Next = []Request{}, nextOf(next)
		for _, r := range rows {
			out.Body.Requests = append(out.Body.Requests, x.request(r))
		}
		return out, nil
	})
	get(h, "/admin/v1/requests/{id}", "Tell the story of a call", func(ctx context.Context, in *named) (*storyOut, error) {
		n, err := id.ParseRequest(in.ID)
		if err != nil {
			return nil, fmt.Errorf("request %s: %w", in.ID, errNoStory)
		}
		r, ok, err := x.Store.Request(ctx, n)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("request %s: %w", in.ID, errNoStory)
		}
		v := x.request(r)
		s := Story{Title: "Request " + v.ID, Facts: [][2]string{
			{"time", v.Time.UTC().Format(time.RFC3339Nano)}, {"app", v.App}, {"call", v.Method + " " + v.Path}, {"operation", v.Operation},
			{"answered", fmt.Sprintf("%d after %.1f ms", v.Status, v.Ms)},
		}, Steps: []StoryStep{v.step()}, Request: &v, Message: v.Message, Wire: r.Detail}
		if r.Code != "" {
			s.Refused = &Refused{Code: r.Code, Case: r.Case}
			if row, ok := fault.Lookup(r.Code, r.Case); ok {
				s.Refused.Title, s.Refused.Condition, s.Refused.Remedy = row.Title, row.Condition, row.Remedy
				s.Facts = append(s.Facts, [2]string{"refused", r.Code + " " + r.Case}, [2]string{"because", row.Condition}, [2]string{"do", row.Remedy})
			} else {
				s.Facts = append(s.Facts, [2]string{"refused", r.Code})
			}
		}
		if r.Subject != 0 {
			s.Facts = append(s.Facts, [2]string{"message", v.Message})
			if about, err := x.story(ctx, r.Subject); err == nil {
				s.Recipients = about.Recipients
				for _, step := range about.Steps {
					if step.Request != v.ID {
						s.Steps = append(s.Steps, step)
					}
				}
				sortSteps(s.Steps)
			}
		}
		return &storyOut{s}, nil
	})
}
