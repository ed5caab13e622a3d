package smsc

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"longlines/smpp"
)

// Metrics are the figures of all links of a process (docs/reference/conventions.md §3.3). A nil
// *Metrics counts nothing.
type Metrics struct {
	up       *prometheus.GaugeVec
	attempts *prometheus.CounterVec
	pdus     *prometheus.CounterVec
	inUse    *prometheus.GaugeVec
	seconds  *prometheus.HistogramVec
}

// NewMetrics makes and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "longlines_smpp_bound", Help: "1 while the link is up, else 0.",
		}, []string{"link"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "longlines_smpp_bind_attempts_total", Help: "Attempts to bind, by the centre's command_status; \"none\" where no answer came that could be read.",
		}, []string{"link", "command_status"}),
		pdus: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "longlines_smpp_pdus_total", Help: "PDUs sent and received.",
		}, []string{"link", "pdu", "command_status"}),
		inUse: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "longlines_smpp_window_in_use", Help: "Places of the submit window that are taken.",
		}, []string{"link"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "longlines_smpp_rtt_seconds", Help: "From a submit_sm to its response.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"link"}),
	}
	reg.MustRegister(m.up, m.attempts, m.pdus, m.inUse, m.seconds)
	return m
}

// Forget drops the series of a link that was deleted.
func (m *Metrics) Forget(link string) {
	if m == nil {
		return
	}
	by := prometheus.Labels{"link": link}
	m.up.DeletePartialMatch(by)
	m.attempts.DeletePartialMatch(by)
	m.pdus.DeletePartialMatch(by)
	m.inUse.DeletePartialMatch(by)
	m.seconds.DeletePartialMatch(by)
}

// meter is one link's share of the figures; a nil meter counts nothing.
type meter struct {
	link  string
	m     *Metrics
	up    prometheus.Gauge
	inUse prometheus.Gauge
	rtts  prometheus.Observer
}

// of returns the meter of a link, its series in place from now on.
func (m *Metrics) of(link string) *meter {
	if m == nil {
		return nil
	}
	return &meter{link, m, m.up.WithLabelValues(link), m.inUse.WithLabelValues(link), m.seconds.WithLabelValues(link)}
}

func (m *meter) bound(up bool) {
	if m == nil {
		return
	}
	v := 0.0
	if up {
		v = 1
	}
	m.up.Set(v)
}

func (m *meter) attempt(err error) {
	if m == nil {
		return
	}
	status := "none"
	if err == nil {
		status = smpp.StatusROK.String()
	} else if s, ok := answered(err); ok {
		status = statusLabel(s)
	}
	m.m.attempts.WithLabelValues(m.link, status).Inc()
}

func (m *meter) window(w *window) {
	if m != nil {
		m.inUse.Set(float64(w.state().used))
	}
}

func (m *meter) rtt(d time.Duration) {
	if m != nil {
		m.rtts.Observe(d.Seconds())
	}
}

// statusLabel keeps the labels few: a peer may answer with any of 2^32 numbers.
func statusLabel(s smpp.Status) string {
	if _, known := verdictIndex[s]; known || s == smpp.StatusROK {
		return s.String()
	}
	if vendor(s) {
		return s.String() // at most 256
	}
	return "other"
}

// counter returns what counts the PDUs of one session. The session calls it one at a time for each
// direction, so each has a cache of its own and no lock.
func (m *meter) counter() func(smpp.Direction, smpp.Header) {
	if m == nil {
		return func(smpp.Direction, smpp.Header) {}
	}
	type key struct {
		id     smpp.CommandID
		status smpp.Status
	}
	var caches [2]map[key]prometheus.Counter
	for i := range caches {
		caches[i] = map[key]prometheus.Counter{}
	}
	return func(dir smpp.Direction, h smpp.Header) {
		cache, k := caches[dir&1], key{h.ID, h.Status}
		c := cache[k]
		if c == nil {
			name := "unknown"
			if smpp.New(h.ID) != nil {
				name = h.ID.String()
			}
			c = m.m.pdus.WithLabelValues(m.link, name, statusLabel(h.Status))
			if len(cache) < 1024 {
				cache[k] = c
			}
		}
		c.Inc()
	}
}
