package adminv1_test

import (
	"strings"
	"testing"

	"longlines/gateway"
	"longlines/id"
)

// A client that shows a story needs no sentence taken apart: call, rule and kinds of steps are members.
func TestAStoryHasItsCallAndTheRuleThatRefusedItAsMembers(t *testing.T) {
	s := open(t)
	s.call("POST", "/admin/v1/apps", `{"name":"pizza"}`, 201, nil)
	r := gateway.Record{ID: s.store.NextRequest(), App: s.apps.ByName("pizza").ID, Operation: "Send SMS", Method: "POST", Path: "/sms/v3/messaging/outbox", Status: 403,
		Code: "POL0001", Case: "quota-day"}
	s.store.Record(r)
	s.call("POST", "/admin/v1/apps", `{"name":"x"}`, 201, nil) // records ride with the next commit
	type call struct {
		ID, App, Method, Path, Code, Case string
		Status                            int
	}
	want := call{id.Request(r.ID), "pizza", "POST", "/sms/v3/messaging/outbox", "POL0001", "quota-day", 403}
	var list struct{ Requests []call }
	s.call("GET", "/admin/v1/requests", "", 200, &list)
	if len(list.Requests) != 1 || list.Requests[0] != want {
		t.Errorf("list %+v, want %+v", list, want)
	}
	var story struct {
		Request    call
		Refused    struct{ Code, Case, Title, Condition, Remedy string }
		Recipients []struct{}
		Steps      []struct{ Kind, What, Detail, Request string }
	}
	s.call("GET", "/admin/v1/requests/"+want.ID, "", 200, &story)
	if f := story.Refused; story.Request != want || f.Code != "POL0001" || f.Case != "quota-day" || f.Title == "" || f.Condition == "" || f.Remedy == "" || len(story.Recipients) != 0 {
		t.Errorf("%+v", story)
	}
	if len(story.Steps) != 1 || story.Steps[0].Kind != "request" || story.Steps[0].Request != want.ID || !strings.HasPrefix(story.Steps[0].Detail, "POST /sms/v3/messaging/outbox, answered 403 POL0001 after ") {
		t.Errorf("steps %+v", story.Steps)
	}
}
