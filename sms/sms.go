// Package sms is the life of a text: from the app that sends it to the receipt that tells its end, and
// from the handset that answers to the app that reads it.
//
// # Out (MT)
//
// An app sends one text to up to fifty numbers ([Service.Send]). Each recipient is one row ([MT]) with
// one job; rows and jobs become durable in one commit, and then the app has its answer: accepted, not
// yet delivered. A worker takes the job, looks once more whether the recipient has opted out or the
// time is over, and submits the text to a message centre ([Network.Submit]). The centre's yes names
// each segment it took; its no has a class that says whether to try again
// (docs/reference/reliability.md §3.4).
//
// Later, seconds or days, the centre reports what became of each segment in a delivery receipt
// ([Service.ReportDLR]). Finding the segment a receipt speaks of is an art of its own, see match.go.
// When all segments have reported the recipient is final, and the app is told if it asked for it.
//
// # In (MO)
//
// A text from a handset to a short code ([Service.ReceiveSMS]) becomes durable before the centre is
// told that we have it. The app that owns the code gets it posted to its listener, or fetches it
// ([Service.Poll]). Before any app sees it the text is compared with the words by which subscribers
// refuse further texts (STOP) and ask for them again (START), see optout.go.
//
// # What is promised
//
// Nothing accepted is lost; docs/reference/reliability.md §3.2 goes through every point at which the
// platform may die. What may happen is that a text is submitted twice, when the platform died, or the
// connection broke, between submit and answer: such a recipient carries the mark Twice.
//
// The rules hold no JSON and no SQL: shapes of bodies come from package api/smsv3 as functions, rows
// go through [Store], the wire is behind [Network].
package sms

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"longlines/app"
	"longlines/callback"
	"longlines/fault"
	"longlines/id"
	"longlines/message"
	"longlines/number"
	"longlines/queue"
	"longlines/timeline"
)

// MaxText is the greatest length of a text in characters (docs/reference/sms.md §6).
const MaxText = 4096

// MaxRecipients is how many numbers one send may name (docs/reference/sms.md §2).
const MaxRecipients = 50

// Config is what a Service needs. Store, Queue, Network, Apps and Sealer are mandatory.
type Config struct {
	Store    Store
	Queue    *queue.Dispatcher
	Network  Network
	Apps     *app.Directory
	Sealer   *id.Sealer
	Now      func() time.Time // default time.Now; with a monotonic reading, expiry is safe from clock steps
	Timeline *timeline.Feed   // default: none
	Log      *slog.Logger     // default: none
	Metrics  *Metrics         // default: none

	// PushStatus encodes Receive SMS Delivery Status: the message's name, the recipient, the published
	// word. PushSMS encodes Receive SMS. The API version supplies them; without one nothing is posted.
	PushStatus func(message string, to number.MSISDN, status string) (contentType string, body []byte)
	PushSMS    func(name string, m MO) (contentType string, body []byte)

	Validity   time.Duration // of a text from its acceptance; default 24 h, at most 72 h
	Grace      time.Duration // after an unknown outcome, before the text is submitted again; default 10 s
	InboxBatch int           // texts handed out by one poll, 1 to 100; default 10
	InboxLease time.Duration // until texts whose reply was not written come back; default 60 s
	Content    time.Duration // retention of texts; default 30 days
	Meta       time.Duration // retention of rows without their text; default 13 months
	Recent     int           // segments remembered for their receipts; default 16,384

	// Stranded lists the lanes with texts that need not wait for their link: it is gone, or down and
	// has a fallback. They are taken from there and find another link. Default: such texts wait.
	Stranded func(context.Context) ([]string, error)

	// Waiting tells how many texts wait for a centre; from MaxQueued on sends are refused with
	// fault.Unavailable. Default: no such limit.
	Waiting   func() int64
	MaxQueued int64
}

// Metrics are the series of texts (docs/reference/conventions.md §3.3).
type Metrics struct {
	messages  *prometheus.CounterVec
	latency   *prometheus.HistogramVec
	unmatched *prometheus.CounterVec
}

// NewMetrics registers the series.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "longlines_messages_total",
			Help: "Texts that reached a state, by direction (mt, mo) and link."}, []string{"channel", "direction", "state", "link"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "longlines_delivery_latency_seconds",
			Help: "From the centre's acceptance to the final receipt.", Buckets: []float64{.1, .5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 86400}}, []string{"link"}),
		unmatched: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "longlines_receipts_unmatched_total",
			Help: "Delivery receipts that found no segment, by SMSC group and reason (early, ambiguous, no_id)."}, []string{"link", "reason"}),
	}
	reg.MustRegister(m.messages, m.latency, m.unmatched)
	return m
}

// Service is the rules of SMS. It is a message.Receiver and the worker of queue.KindSubmit.
type Service struct {
	cfg     Config
	optOuts optOuts
	recent  *recent
	learned learned
	waiting waiting
	swept   atomic.Int64 // row of the last of the older orphans that was looked at
}

var _ message.Receiver = (*Service)(nil)

const (
	maxValidity = 72 * time.Hour   // docs/reference/sms.md §6
	minLeft     = 60 * time.Second // docs/reference/reliability.md §3.6
	statusKept  = 24 * time.Hour   // docs/reference/sms.md §3
	maxWait     = 5 * time.Second  // product decision 3
	maxShort    = 8                // attempts after TMPS, docs/reference/reliability.md §3.4
)

// New reads the opt-outs, registers the worker with the queue and returns a Service; see also
// [Service.Run].
func New(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Queue == nil || cfg.Network == nil || cfg.Apps == nil || cfg.Sealer == nil {
		return nil, errors.New("sms: store, queue, network, apps and sealer are mandatory")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&cfg.Validity, 24*time.Hour)
	cfg.Validity = min(cfg.Validity, maxValidity)
	def(&cfg.Grace, 10*time.Second)
	def(&cfg.InboxLease, time.Minute)
	def(&cfg.Content, 30*24*time.Hour)
	def(&cfg.Meta, 396*24*time.Hour)
	if cfg.InboxBatch <= 0 {
		cfg.InboxBatch = 10
	}
	cfg.InboxBatch = min(cfg.InboxBatch, 100)
	if cfg.Recent <= 0 {
		cfg.Recent = 16 << 10
	}
	s := &Service{cfg: cfg, recent: newRecent(cfg.Recent), learned: learned{groups: map[string]*spelled{}}}
	if err := s.ReloadOptOuts(ctx); err != nil {
		return nil, err
	}
	cfg.Queue.Handle(queue.KindSubmit, queue.Policy{Work: s.submit, Quarantine: s.quarantine})
	return s, nil
}

// app gives an app that still exists.
func (s *Service) app(n app.ID) *app.App {
	if n == 0 {
		return nil
	}
	a := s.cfg.Apps.ByID(n)
	if a == nil || a.Deleted {
		return nil
	}
	return a
}

func (s *Service) appName(n app.ID) string {
	if n == 0 {
		return ""
	}
	if a := s.cfg.Apps.ByID(n); a != nil {
		return a.Name
	}
	return ""
}

// durably repeats a write that the store cannot take now, until it can or the platform stops. What
// has happened on the wire has happened: it must be written, and until then the place in the window
// stays taken, which slows the sending. The write itself is never interrupted, so that its outcome is
// always known.
func durably(ctx context.Context, write func(context.Context) error) error {
	whole := context.WithoutCancel(ctx)
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := write(whole)
		if err == nil || !errors.Is(err, fault.Unavailable) {
			return err
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return err
		}
	}
}

// place is a job's place in the memory of the queue, taken before the commit that adds the job.
type place struct {
	slot queue.Slot
	lane string
	ok   bool
}

// hold takes a place for the job and marks it as held. It may be called again for the same place when
// the store applies a mutation a second time.
func (s *Service) hold(p *place, j *queue.Job) {
	if p.ok && p.lane != j.Lane {
		p.slot.Cancel()
		p.ok = false
	}
	if !p.ok {
		p.slot, p.ok = s.cfg.Queue.Reserve(j.Kind, j.Lane)
		p.lane = j.Lane
	}
	j.Held = p.ok
}

// settle gives the place to the job that was added, or back if none was.
func (s *Service) settle(p *place, added *queue.Job) {
	switch {
	case p.ok && added != nil:
		p.slot.Push(*added)
	case p.ok:
		p.slot.Cancel()
	case added != nil:
		s.cfg.Queue.Wake(added.Kind, added.Lane)
	}
	p.ok = false
}

// statusJob makes the post that tells the app how a recipient's text ended; nil if the app does not
// want it or has nowhere to receive it.
func (s *Service) statusJob(m MT, state message.State) *queue.Job {
	if !m.Notify || s.cfg.PushStatus == nil {
		return nil
	}
	a := s.app(m.App)
	if a == nil || a.StatusListener == "" {
		return nil
	}
	name := s.Name(m.Message)
	contentType, body := s.cfg.PushStatus(name, m.To, Published(state))
	j := callback.NewJob(callback.Post{
		ID: s.cfg.Store.NextMessage(1), App: m.App, What: callback.WhatStatusSMS, URL: a.StatusListener,
		ContentType: contentType, Body: body, Subject: m.ID, Message: name,
	}, s.cfg.Now())
	return &j
}

// textJob makes the post of a received text; nil if it waits for the poll.
func (s *Service) textJob(m MO) *queue.Job {
	a := s.app(m.App)
	if a == nil || a.MessageListener == "" || s.cfg.PushSMS == nil {
		return nil
	}
	name := s.Name(m.ID)
	contentType, body := s.cfg.PushSMS(name, m)
	j := callback.NewJob(callback.Post{
		ID: s.cfg.Store.NextMessage(1), App: m.App, What: callback.WhatReceiveSMS, URL: a.MessageListener,
		ContentType: contentType, Body: body, Subject: m.ID, Message: name,
	}, s.cfg.Now())
	return &j
}

// tellState puts a recipient's new state on the timeline and into the metrics.
func (s *Service) tellState(m *MT, state message.State, code, ref string) {
	if c := s.cfg.Metrics; c != nil {
		c.messages.WithLabelValues("sms", "mt", state.String(), m.Link).Inc()
	}
	if t := s.cfg.Timeline; t != nil {
		title := "text to " + m.To.String()
		if code != "" {
			title += ": " + code
		}
		t.Add(timeline.Entry{Kind: timeline.KindMessage, Title: title, State: state.String(), App: s.appName(m.App),
			Message: s.Name(m.Message), Link: m.Link, Ref: ref, Number: m.To.String()})
	}
}

func (s *Service) unmatched(group, reason string) {
	if c := s.cfg.Metrics; c != nil {
		c.unmatched.WithLabelValues(group, reason).Inc()
	}
}

// logger gives a log with the ids of a recipient.
func (s *Service) logger(m *MT) *slog.Logger {
	return s.cfg.Log.With("component", "sms", "app_id", int64(m.App), "message_id", s.Name(m.Message), "link", m.Link, "to", m.To)
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
