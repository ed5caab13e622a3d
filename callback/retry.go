package callback

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Schedule is when a post is tried: the wait before each attempt, counted from the one before it
// (docs/reference/reliability.md §3.7 Webhook deliveries; the example of Standard Webhooks).
var Schedule = [...]time.Duration{
	0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

const (
	spread        = 0.10           // ± of each wait, so that what failed together does not come back together
	maxRetryAfter = 24 * time.Hour // a longer wish is cut to this
)

// next gives the moment of the attempt after the n-th (from 1); ok is false when n was the last. The
// wait a listener asked for is honoured if it is longer than ours. random is from 0 to 1.
func next(schedule []time.Duration, n int, at time.Time, after time.Duration, random float64) (t time.Time, ok bool) {
	if n >= len(schedule) {
		return time.Time{}, false
	}
	wait := time.Duration(float64(schedule[n]) * (1 - spread + 2*spread*random))
	return at.Add(max(wait, min(after, maxRetryAfter))), true
}

// retryAfter reads the header (RFC 9110 §10.2.3): seconds or a date; 0 if there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseInt(v, 10, 64); err == nil {
		return time.Duration(max(0, min(s, int64(maxRetryAfter/time.Second)))) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, min(t.Sub(now), maxRetryAfter))
	}
	return 0
}
