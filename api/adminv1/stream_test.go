package adminv1_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"longlines/api/adminv1"
	"longlines/timeline"
)

// hasty is a connection whose write deadlines, if any are set, come soon.
type hasty struct{ net.Conn }

func (c hasty) SetWriteDeadline(t time.Time) error {
	if !t.IsZero() {
		t = time.Now().Add(time.Until(t) / 100)
	}
	return c.Conn.SetWriteDeadline(t)
}

type hastyListener struct{ net.Listener }

func (l hastyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return hasty{c}, nil
}

func TestAWatcherThatStopsReadingIsLeft(t *testing.T) {
	feed := timeline.New(10, time.Now)
	s := httptest.NewUnstartedServer(adminv1.New(adminv1.Config{Version: "test", Timeline: feed, Now: time.Now}))
	s.Listener = hastyListener{s.Listener}
	s.Start()
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /admin/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end := time.Now().Add(20 * time.Second)
	for ; !feed.Watched(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("nobody watches")
		}
	}
	for ; feed.Watched(); <-tick.C { // the buffers of both ends fill up
		if feed.Add(timeline.Entry{Detail: strings.Repeat("x", 64<<10)}); time.Now().After(end) {
			t.Fatal("it is waited for still")
		}
	}
}

func TestAHeadOfTheStreamEnds(t *testing.T) {
	feed := timeline.New(10, time.Now)
	s := httptest.NewServer(adminv1.New(adminv1.Config{Version: "test", Timeline: feed, Now: time.Now}))
	defer s.Close()
	resp, err := http.Head(s.URL + "/admin/v1/stream")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" || feed.Watched() {
		t.Fatalf("%s %v, watched %v", resp.Status, resp.Header, feed.Watched())
	}
}
