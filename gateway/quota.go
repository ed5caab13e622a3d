package gateway

import (
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"longlines/app"
	"longlines/fault"
	"longlines/quota"
)

// The header fields of draft-ietf-httpapi-ratelimit-headers-10; a draft, so they may change.
const (
	headerPolicy = "RateLimit-Policy"
	headerLimit  = "RateLimit"
)

// charge spends one unit of the app's minute and day for the API of the row
// (docs/reference/errors.md §6 step 6). Rows that must never be refused are counted all the same.
func (x *exchange) charge(a *app.App) error {
	lim, metered := x.g.apps.Quota(a, x.row.API)
	if !metered || x.charged {
		return nil
	}
	x.key = quota.Key{App: int64(a.ID), API: x.row.API}
	if x.row.Unmetered {
		x.verdict = x.g.meter.Count(x.key, lim)
		x.charged = true
		return nil
	}
	v, err := x.g.meter.Spend(x.call.ctx, x.key, lim)
	if err != nil {
		if errors.Is(err, quota.ErrClosed) {
			return fault.Unavailable.Because(err)
		}
		return err
	}
	x.verdict, x.charged = v, true
	if v.OK {
		return nil
	}
	x.g.metrics.quotaRefused(x.row.API, v.Window.String(), string(a.Level))
	if v.Window == quota.Minute {
		return fault.TooManyRequests.After(v.RetryAfter())
	}
	return fault.QuotaExceeded.After(v.RetryAfter())
}

// giveBack returns the unit of a call that ended in a 5xx or was a replay (docs/reference/oauth.md §7).
func (x *exchange) giveBack() {
	if !x.charged || !x.verdict.OK {
		return
	}
	x.verdict = x.g.meter.GiveBack(x.key, x.verdict) // once: it is not OK any more
}

// limitHeaders tell the caller where it stands (docs/reference/conventions.md §3.8).
func (x *exchange) limitHeaders() {
	if !x.charged {
		return
	}
	h := x.Header()
	h[headerPolicy] = x.g.policies.of(x.verdict.Limit)
	b := make([]byte, 0, 80)
	b = append(b, `"minute";r=`...)
	b = strconv.AppendInt(b, x.verdict.Remaining[quota.Minute], 10)
	b = append(b, `;t=`...)
	b = strconv.AppendInt(b, seconds(x.verdict.Reset[quota.Minute]), 10)
	b = append(b, `, "day";r=`...)
	b = strconv.AppendInt(b, x.verdict.Remaining[quota.Day], 10)
	b = append(b, `;t=`...)
	b = strconv.AppendInt(b, seconds(x.verdict.Reset[quota.Day]), 10)
	x.limit[0] = string(b)
	h[headerLimit] = x.limit[:]
}

// seconds rounds up, so that who waits as long as told is not early.
func seconds(d time.Duration) int64 {
	return max(0, int64((d+time.Second-1)/time.Second))
}

// policies remembers the header of the last limits seen: nearly all apps share two.
type policies struct{ last [8]atomic.Pointer[policy] }

type policy struct {
	lim    quota.Limit
	header []string
}

func (p *policies) of(lim quota.Limit) []string {
	slot := &p.last[uint64(lim.PerMinute*31+lim.PerDay)%uint64(len(p.last))]
	if have := slot.Load(); have != nil && have.lim == lim {
		return have.header
	}
	s := `"minute";q=` + strconv.FormatInt(lim.PerMinute, 10) + `;w=60, "day";q=` + strconv.FormatInt(lim.PerDay, 10) + `;w=86400`
	fresh := &policy{lim: lim, header: []string{s}}
	slot.Store(fresh)
	return fresh.header
}
