package gateway

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the gateway's figures (docs/reference/conventions.md §3.3). No label ever holds an
// app, a number or an id. A nil *Metrics counts nothing.
type Metrics struct {
	requests   *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	errors     *prometheus.CounterVec
	rejections *prometheus.CounterVec
	tokens     *prometheus.CounterVec
}

// NewMetrics registers the figures; reg must not hold them already.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "longlines_http_requests_total", Help: "API calls answered.",
		}, []string{"api", "operation", "method", "status_class"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "longlines_http_request_duration_seconds", Help: "Time from the head of a call to its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 30},
		}, []string{"api", "operation", "method", "status_class"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "longlines_api_errors_total", Help: "Calls refused, by the code of the catalogue.",
		}, []string{"api", "code"}),
		rejections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "longlines_quota_rejections_total", Help: "Calls refused because a quota was used up.",
		}, []string{"api", "window", "level"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "longlines_tokens_issued_total", Help: "Access tokens issued, by grant.",
		}, []string{"grant"}),
	}
	reg.MustRegister(m.requests, m.duration, m.errors, m.rejections, m.tokens)
	return m
}

// TokenIssued counts an access token; grant is a grant_type.
func (m *Metrics) TokenIssued(grant string) {
	if m != nil {
		m.tokens.WithLabelValues(grant).Inc()
	}
}

func (m *Metrics) refused(api, code string) {
	if m != nil {
		m.errors.WithLabelValues(api, code).Inc()
	}
}

func (m *Metrics) quotaRefused(api, window, level string) {
	if m != nil {
		m.rejections.WithLabelValues(api, window, level).Inc()
	}
}

// rowMetrics finds the series of an endpoint by label once, and then by status class.
type rowMetrics struct {
	m                      *Metrics
	api, operation, method string
	class                  [6]atomic.Pointer[series]
}

type series struct {
	requests prometheus.Counter
	duration prometheus.Observer
}

var classes = [6]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

func (r *rowMetrics) answered(status int, took time.Duration) {
	if r.m == nil {
		return
	}
	c := status / 100
	if c < 0 || c >= len(classes) {
		c = 0
	}
	s := r.class[c].Load()
	if s == nil {
		s = &series{
			requests: r.m.requests.WithLabelValues(r.api, r.operation, r.method, classes[c]),
			duration: r.m.duration.WithLabelValues(r.api, r.operation, r.method, classes[c]),
		}
		r.class[c].Store(s)
	}
	s.requests.Inc()
	s.duration.Observe(took.Seconds())
}

// missed counts a call that no row serves. Its method is the caller's, so only known ones are named.
func (r *rowMetrics) missed(method string, status int, took time.Duration) {
	if r.m == nil {
		return
	}
	switch method {
	case "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH":
	default:
		method = "other"
	}
	class := classes[min(max(status/100, 0), len(classes)-1)]
	r.m.requests.WithLabelValues(r.api, r.operation, method, class).Inc()
	r.m.duration.WithLabelValues(r.api, r.operation, method, class).Observe(took.Seconds())
}
