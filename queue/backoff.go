package queue

import (
	"math/rand/v2"
	"time"
)

// schedule is how long to wait after the n-th attempt; after the last step it stays there
// (docs/reference/reliability.md §3.4, class TMP).
var schedule = [...]time.Duration{
	30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour,
}

// jitter spreads the tries, so that what failed together does not come back together.
const jitter = 0.2

// Backoff is how long to wait after an attempt (1 for the first) before the next one: 30 s, 60 s, 2 m,
// 5 m, 15 m, 30 m, then hourly, each ± 20 %.
func Backoff(attempt int) time.Duration { return BackoffWith(attempt, rand.Float64()) }

// BackoffWith is Backoff with its random number given, at least 0 and below 1.
func BackoffWith(attempt int, random float64) time.Duration {
	d := schedule[min(max(attempt, 1), len(schedule))-1]
	return time.Duration(float64(d) * (1 - jitter + 2*jitter*random))
}
