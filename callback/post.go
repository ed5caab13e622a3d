package callback

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"longlines/app"
	"longlines/queue"
)

// What the posts of SMS are called, in the attempt log and on the timeline.
const (
	WhatReceiveSMS = "Receive SMS"
	WhatStatusSMS  = "Receive SMS Delivery Status"
)

// life is how long after its making a post is worth trying. It is longer than the whole schedule, so
// that it only ends posts of a platform that stood still.
const life = 7 * 24 * time.Hour

// payload is a Post as stored in its job; the job itself carries ID and Subject.
type payload struct {
	App     app.ID      `json:"a"`
	What    string      `json:"w"`
	URL     string      `json:"u"`
	Type    string      `json:"t"`
	Body    []byte      `json:"b"`
	Message string      `json:"m,omitempty"`
	Header  http.Header `json:"h,omitempty"`
}

// NewJob makes the job that carries a post, due at once, in the lane of its endpoint. The caller
// adds it in the commit of its cause; p.ID must have been drawn from the store.
func NewJob(p Post, now time.Time) queue.Job {
	b, err := json.Marshal(payload{p.App, p.What, p.URL, p.ContentType, p.Body, p.Message, p.Header})
	if err != nil {
		// Strings, bytes and lists of strings always marshal.
		b = nil
	}
	return queue.Job{ID: p.ID, Kind: queue.KindCallback, Lane: Lane(p.URL), Ref: p.Subject, Due: now, Until: now.Add(life), Payload: b, Value: &p}
}

// PostOf gives the post a job carries, from memory or from its payload.
func PostOf(j queue.Job) (Post, error) {
	if p, ok := j.Value.(*Post); ok {
		return *p, nil
	}
	var s payload
	if err := json.Unmarshal(j.Payload, &s); err != nil {
		return Post{}, fmt.Errorf("read the payload of a callback: %w", err)
	}
	return Post{ID: j.ID, App: s.App, What: s.What, URL: s.URL, ContentType: s.Type, Body: s.Body,
		Subject: j.Ref, Message: s.Message, Header: s.Header}, nil
}

// Lane is the endpoint of a URL: scheme, host and path. What differs only in its query shares a lane,
// because it is the same server that is slow.
func Lane(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return strings.ToLower(u.Scheme) + "://" + strings.ToLower(u.Host) + path
}
