package callback

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"longlines/app"
	"longlines/queue"
	"longlines/timeline"
)

const (
	maxRead     = 64 << 10 // of an answer, docs/reference/reliability.md §2.4
	maxReply    = 4 << 10  // kept of it
	perEndpoint = 10       // posts at once
)

// Config is what a Poster needs. Only Store is mandatory.
type Config struct {
	Store    Store
	Guard    Guard
	Now      func() time.Time    // default time.Now
	Log      *slog.Logger        // default: none
	Timeline *timeline.Feed      // default: none
	Metrics  *Metrics            // default: none
	AppName  func(app.ID) string // for the timeline; default: no name

	Version  string          // in User-Agent: longlines/<Version>; default "dev"
	Timeout  time.Duration   // for one attempt, name to response head; default 15 s
	Schedule []time.Duration // default [Schedule]
	Random   func() float64  // 0 to 1, for the jitter; default math/rand

	Lanes    Lanes         // the queue, to pause endpoints that only fail; default: none is paused
	Failures int           // in a row, after which an endpoint is paused; default 10
	Probe    time.Duration // between probes of a paused endpoint; default 60 s

	TLS *tls.Config // default: that of crypto/tls with the system's roots
}

// Metrics are the series of callbacks (docs/reference/conventions.md §3.3).
type Metrics struct {
	posts    *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewMetrics registers the series.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		posts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "longlines_callbacks_total",
			Help: "Attempts to post to an app's listener, by kind and outcome (ok, retry, gave_up, refused)."}, []string{"kind", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "longlines_callback_duration_seconds",
			Help: "Time to the head of the listener's answer.", Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15}}, []string{"kind"}),
	}
	reg.MustRegister(m.posts, m.duration)
	return m
}

// Poster posts. It is the worker of queue.KindCallback.
type Poster struct {
	cfg      Config
	client   *http.Client
	circuits circuits
	gates    gates
	agent    string
}

// New returns a Poster.
func New(cfg Config) (*Poster, error) {
	if cfg.Store == nil {
		return nil, errors.New("callback: no store")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.AppName == nil {
		cfg.AppName = func(app.ID) string { return "" }
	}
	if cfg.Version == "" {
		cfg.Version = "dev"
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 15 * time.Second
	}
	if cfg.Schedule == nil {
		cfg.Schedule = Schedule[:]
	}
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	if cfg.Failures <= 0 {
		cfg.Failures = 10
	}
	if cfg.Probe <= 0 {
		cfg.Probe = time.Minute
	}
	p := &Poster{cfg: cfg, agent: "longlines/" + cfg.Version,
		circuits: circuits{limit: cfg.Failures, every: cfg.Probe, now: cfg.Now, lanes: cfg.Lanes, all: map[string]*circuit{}}}
	guard := cfg.Guard
	guard.Allow, guard.Deny = slices.Clone(guard.Allow), slices.Clone(guard.Deny)
	p.cfg.Guard = guard
	dialer := &net.Dialer{Timeout: cfg.Timeout, KeepAlive: 30 * time.Second, Control: guard.Control}
	p.client = &http.Client{
		// No redirects: the place they lead to has passed no check (modern-webhooks.md §4-3).
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil, // not even from the environment
			DialContext:            dialer.DialContext,
			TLSClientConfig:        cfg.TLS,
			TLSHandshakeTimeout:    cfg.Timeout,
			ResponseHeaderTimeout:  cfg.Timeout,
			MaxResponseHeaderBytes: 16 << 10,
			DisableCompression:     true, // nothing is inflated
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           1000,
			MaxIdleConnsPerHost:    2 * perEndpoint,
			IdleConnTimeout:        60 * time.Second,
		},
	}
	return p, nil
}

// Policy is how the queue runs the posts: one lane for each endpoint, made on demand. Ten posts are
// under way at once; more workers than that, because most of them wait for an outcome to be durable.
func (p *Poster) Policy() queue.Policy {
	return queue.Policy{Work: p.Work, LaneWorkers: 4 * perEndpoint, Quarantine: p.quarantine}
}

// Close drops idle connections.
func (p *Poster) Close() { p.client.CloseIdleConnections() }

// Paused lists the endpoints that are paused because they only fail.
func (p *Poster) Paused() []string { return p.circuits.paused() }

// CheckURL judges the URL of a listener before it is stored.
func (p *Poster) CheckURL(raw string) error {
	_, err := p.cfg.Guard.CheckURL(raw)
	return err
}

// Work makes one attempt at the post that the job carries and records its outcome.
func (p *Poster) Work(ctx context.Context, j queue.Job) error {
	post, err := PostOf(j)
	if err != nil {
		p.cfg.Log.Error("callback dropped", "component", "callback", "job", int64(j.ID), "err", err)
		return p.record(ctx, Attempt{Job: j, Subject: j.Ref, Number: j.Attempt + 1, At: p.cfg.Now(), Error: err.Error()})
	}
	leave, err := p.gates.pass(ctx, j.Lane)
	if err != nil {
		return err
	}
	a, retry, after := p.try(ctx, post)
	leave()
	a.Job, a.Number = j, j.Attempt+1
	if ctx.Err() != nil && !a.Done {
		// We stopped in the middle of the attempt: it says nothing about the endpoint and is repeated.
		return ctx.Err()
	}
	outcome := "ok"
	switch {
	case a.Done:
		p.circuits.leave(j.Lane, true)
	case !retry:
		outcome = "refused"
	default:
		p.circuits.leave(j.Lane, false)
		outcome = "retry"
		if t, ok := next(p.cfg.Schedule, a.Number, a.At, after, p.cfg.Random()); ok && (j.Until.IsZero() || t.Before(j.Until)) {
			a.Next = t
			a.Job.Due = t
		} else {
			outcome = "gave_up"
		}
		a.Job.Attempt = a.Number
	}
	if !a.Done && a.Next.IsZero() {
		a.ToInbox = post.What == WhatReceiveSMS
		p.cfg.Log.Warn("callback given up", "component", "callback", "app_id", int64(post.App), "message_id", post.Message,
			"url", Lane(post.URL), "attempts", a.Number, "status", a.Status, "reason", a.Error)
	}
	if m := p.cfg.Metrics; m != nil {
		m.posts.WithLabelValues(post.What, outcome).Inc()
		m.duration.WithLabelValues(post.What).Observe(a.Duration.Seconds())
	}
	p.tell(post, a)
	return p.record(ctx, a)
}

// quarantine ends a job whose handling has crashed again and again.
func (p *Poster) quarantine(ctx context.Context, j queue.Job) error {
	a := Attempt{Job: j, Subject: j.Ref, Number: j.Attempt + 1, At: p.cfg.Now(), Error: "handling failed again and again"}
	if post, err := PostOf(j); err == nil {
		a.App, a.What, a.URL, a.ToInbox = post.App, post.What, post.URL, post.What == WhatReceiveSMS
	}
	return p.record(ctx, a)
}

// record makes the outcome durable, also while the platform stops: what the listener has seen must
// not be posted again if that can be helped.
func (p *Poster) record(ctx context.Context, a Attempt) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := p.cfg.Store.Attempted(ctx, a); err != nil {
		return fmt.Errorf("record a callback's attempt: %w", err)
	}
	return nil
}

// try posts once. retry is false if another attempt cannot end differently.
func (p *Poster) try(ctx context.Context, post Post) (a Attempt, retry bool, after time.Duration) {
	a = Attempt{App: post.App, Subject: post.Subject, What: post.What, URL: post.URL, At: p.cfg.Now()}
	if _, err := p.cfg.Guard.CheckURL(post.URL); err != nil {
		a.Error = err.Error()
		return a, false, 0
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, post.URL, bytes.NewReader(post.Body))
	if err != nil {
		a.Error = err.Error()
		return a, false, 0
	}
	for k, v := range post.Header {
		req.Header[k] = v
	}
	req.Header.Set("Content-Type", post.ContentType)
	req.Header.Set("User-Agent", p.agent)
	req.Header.Set("Webhook-Id", "post_"+strconv.FormatInt(int64(post.ID), 36))
	start := time.Now()
	res, err := p.client.Do(req)
	a.Duration = time.Since(start)
	if err != nil {
		a.Error = words(reason(err, p.cfg.Timeout))
		_, no := refused(err)
		return a, !no, 0
	}
	defer res.Body.Close()
	a.Status, a.Done = res.StatusCode, res.StatusCode >= 200 && res.StatusCode <= 299
	a.Reply = reply(res)
	if a.Done {
		return a, false, 0
	}
	a.Error = words("answered " + res.Status)
	if res.StatusCode >= 300 && res.StatusCode <= 399 {
		a.Error += "; redirects are not followed"
	}
	if res.StatusCode == http.StatusGone {
		return a, false, 0
	}
	return a, true, retryAfter(res.Header, a.At)
}

// reply reads what may be read of an answer and keeps its beginning, if it is text.
func reply(res *http.Response) string {
	b, _ := io.ReadAll(io.LimitReader(res.Body, maxReply))
	// The rest is read so that the connection can serve the next post, but never more than the limit.
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxRead-maxReply))
	for n := 0; n < utf8.UTFMax && len(b) > 0 && !utf8.Valid(b); n++ {
		b = b[:len(b)-1] // a character cut in two
	}
	if !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		return ""
	}
	return string(b)
}

// maxWords bounds what is kept of a failure's words, in characters.
const maxWords = 200

// words is what is kept of words that a listener may have chosen: a reason phrase may hold any octet
// (docs/reference/reliability.md T21), and so may a header that is cited. Terminals obey some of it.
func words(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, s)
	if all := []rune(s); len(all) > maxWords {
		s = string(all[:maxWords]) + "…"
	}
	return s
}

// reason puts a failure in words an app's owner understands, without our own addresses.
func reason(err error, timeout time.Duration) string {
	if r, ok := refused(err); ok {
		return r.Error()
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		if ue.Timeout() {
			return fmt.Sprintf("no answer within %s", timeout)
		}
		err = ue.Err
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return "the name " + strconv.Quote(dns.Name) + " cannot be resolved"
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// tell puts the attempt on the timeline.
func (p *Poster) tell(post Post, a Attempt) {
	t := p.cfg.Timeline
	if t == nil {
		return
	}
	e := timeline.Entry{Kind: timeline.KindCallback, Title: "POST " + Lane(post.URL) + " (" + post.What + ")",
		App: p.cfg.AppName(post.App), Message: post.Message, Duration: float64(a.Duration.Microseconds()) / 1000}
	switch {
	case a.Status != 0:
		e.State = strconv.Itoa(a.Status)
	default:
		e.State = "failed"
	}
	if t.Watched() {
		var b strings.Builder
		b.Write(post.Body)
		if a.Error != "" {
			b.WriteString("\n\n" + a.Error)
		}
		if a.Reply != "" {
			b.WriteString("\n\n" + a.Reply)
		}
		e.Detail = b.String()
	}
	t.Add(e)
}
