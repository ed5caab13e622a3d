package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"longlines/timeline"
)

// impatient is a demo that waits for next to nothing, and the stream it reads.
func impatient(t *testing.T) (*demo, *timeline.Feed, *strings.Builder) {
	feed := timeline.New(10, time.Now)
	_, watch := feed.Watch(0)
	t.Cleanup(watch.Close)
	out := &strings.Builder{}
	return &demo{e: &env{ctx: t.Context(), out: out, err: out}, feed: watch, posts: make(chan post, 4), patience: time.Millisecond, sent: "SMS1"}, feed, out
}

func TestAStepThatDoesNotHappenEndsTheDemo(t *testing.T) {
	for name, c := range map[string]struct {
		step func(*demo, context.Context) error
		feed []timeline.Entry
		post *post
		want string
	}{
		"no submit_sm": {step: (*demo).awaitSubmit, want: "submit_sm was not seen within 1ms"},
		"the submit_sm of another text": {step: (*demo).awaitSubmit,
			feed: []timeline.Entry{{Kind: timeline.KindPDU, Title: "submit_sm 2", Message: "SMS2"}}, want: "submit_sm was not seen"},
		"no answer to the submit_sm": {step: (*demo).awaitSubmit,
			feed: []timeline.Entry{{Kind: timeline.KindPDU, Title: "submit_sm 2", Message: "SMS1"}}, want: "submit_sm_resp was not seen"},
		"no receipt": {step: (*demo).awaitReceipt, want: "deliver_sm was not seen"},
		"a receipt that finds no text": {step: (*demo).awaitReceipt,
			feed: []timeline.Entry{{Kind: timeline.KindPDU, Title: "deliver_sm 1 receipt DELIVRD"}, {Kind: timeline.KindReceipt, State: "delivered"}},
			want: "the receipt of SMS1 was not seen"},
		"a receipt that says no": {step: (*demo).awaitReceipt,
			feed: []timeline.Entry{{Kind: timeline.KindPDU, Title: "deliver_sm 1 receipt UNDELIV"}, {Kind: timeline.KindReceipt, State: "undeliverable", Message: "SMS1"}},
			want: "the receipt of SMS1 was not seen"},
		"no post":                  {step: (*demo).awaitStatusPush, want: "nothing was posted to /status within 1ms"},
		"a post to another path":   {step: (*demo).awaitStatusPush, post: &post{path: "/message"}, want: "instead of one to /status"},
		"a post of another text":   {step: (*demo).awaitStatusPush, post: &post{path: "/status", body: []byte(`{"messageId":"SMS2"}`)}, want: `does not say "SMS1"`},
		"a post with another text": {step: (*demo).awaitMessagePush, post: &post{path: "/message", body: []byte(`{}`)}, want: `does not say "Extra olives please"`},
	} {
		t.Run(name, func(t *testing.T) {
			d, feed, _ := impatient(t)
			for _, e := range c.feed {
				feed.Add(e)
			}
			if c.post != nil {
				d.posts <- *c.post
			}
			if err := c.step(d, t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestAnEntryThatOvertookAnotherIsFoundLater(t *testing.T) {
	d, feed, out := impatient(t)
	d.patience = 10 * time.Second
	feed.Add(timeline.Entry{Kind: timeline.KindPDU, Title: "submit_sm 2", State: "out", Message: "SMS1", Detail: "command_id 0x00000004 submit_sm, sequence_number 2\ntext \"a, b\"\n"})
	feed.Add(timeline.Entry{Kind: timeline.KindPDU, Title: "deliver_sm 1 receipt DELIVRD"})
	feed.Add(timeline.Entry{Kind: timeline.KindReceipt, State: "delivered", Message: "SMS1"})
	feed.Add(timeline.Entry{Kind: timeline.KindPDU, Title: "submit_sm_resp 2", Message: "SMS1"})
	for _, step := range []func(context.Context) error{d.awaitSubmit, d.awaitReceipt} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"submit_sm 2   to the centre\n", "  sequence_number      2\n", `  text                 "a, b"` + "\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestTheDemoNamesTheStepAtWhichItEnds(t *testing.T) {
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer down.Close()
	d, _, _ := impatient(t)
	d.admin = &client{e: d.e, admin: down.URL}
	err := d.tell(t.Context())
	var exit *exitError
	if !errors.As(err, &exit) || !strings.HasPrefix(err.Error(), "step 1 did not happen: ") {
		t.Fatalf("error %v", err)
	}
}
