// Package bench is the load generator behind `longlines bench`: HTTP/1.1 over keep-alive
// connections, written by hand so that it takes as little as possible of the machine it shares with
// the server under test. It measures; it never decides whether something passes.
package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Load is a closed loop: each connection sends its next request when the last was answered.
type Load struct {
	URL         string
	Header      map[string]string
	Body        func(n int64) []byte // of the n-th request, from 0; called concurrently
	Connections int
	Duration    time.Duration
	Warmup      time.Duration // not measured
	Want        int           // the status of success
}

// Result is what a load measured.
type Result struct {
	Requests int64            `json:"requests"`
	Good     int64            `json:"good"`
	Seconds  float64          `json:"seconds"`
	PerSec   float64          `json:"per_second"`
	P50      float64          `json:"p50_ms"`
	P99      float64          `json:"p99_ms"`
	Max      float64          `json:"max_ms"`
	Statuses map[string]int64 `json:"statuses"`
	First    string           `json:"first_failure,omitempty"` // body of the first answer that was no success
}

// Run runs the load; progress is called once a second with the count so far.
func (l Load) Run(ctx context.Context, progress func(done int64, elapsed time.Duration)) (Result, error) {
	u, err := url.Parse(l.URL)
	if err != nil || u.Scheme != "http" {
		return Result{}, fmt.Errorf("%q is not an http URL", l.URL)
	}
	var head strings.Builder
	fmt.Fprintf(&head, "POST %s HTTP/1.1\r\nHost: %s\r\n", u.RequestURI(), u.Host)
	for k, v := range l.Header {
		fmt.Fprintf(&head, "%s: %s\r\n", k, v)
	}
	head.WriteString("Content-Length: ")

	start := time.Now().Add(l.Warmup)
	end := start.Add(l.Duration)
	var (
		n, done  atomic.Int64
		wg       sync.WaitGroup
		mu       sync.Mutex
		all      histogram
		statuses = map[string]int64{}
		first    string
		firstErr error
	)
	for range max(l.Connections, 1) {
		wg.Go(func() {
			var h histogram
			mine := map[int]int64{}
			body, err := l.connection(ctx, u.Host, head.String(), start, end, &n, &done, &h, mine)
			mu.Lock()
			defer mu.Unlock()
			all.merge(&h)
			for s, c := range mine {
				statuses[strconv.Itoa(s)] += c
			}
			if first == "" {
				first = body
			}
			if err != nil && firstErr == nil {
				firstErr = err
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for waiting := true; waiting; {
		select {
		case <-finished:
			waiting = false
		case <-tick.C:
			if progress != nil {
				progress(done.Load(), time.Since(start))
			}
		}
	}
	r := Result{Requests: all.n, Seconds: l.Duration.Seconds(), Statuses: statuses, First: first}
	r.Good = statuses[strconv.Itoa(l.Want)]
	r.PerSec = float64(r.Good) / r.Seconds
	r.P50, r.P99, r.Max = all.quantile(0.5), all.quantile(0.99), all.max.Seconds()*1000
	if r.Requests == 0 && firstErr != nil {
		return r, firstErr
	}
	return r, nil
}

// connection is one keep-alive connection's loop.
func (l Load) connection(ctx context.Context, host, head string, start, end time.Time, n, done *atomic.Int64, h *histogram, statuses map[int]int64) (first string, err error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	c, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return "", err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })
	defer stop()
	r := bufio.NewReaderSize(c, 8<<10)
	var buf []byte
	for ctx.Err() == nil {
		sent := time.Now()
		if !sent.Before(end) {
			return first, nil
		}
		body := l.Body(n.Add(1) - 1)
		buf = append(buf[:0], head...)
		buf = strconv.AppendInt(buf, int64(len(body)), 10)
		buf = append(buf, "\r\n\r\n"...)
		buf = append(buf, body...)
		c.SetDeadline(sent.Add(30 * time.Second))
		if _, err := c.Write(buf); err != nil {
			return first, err
		}
		status, answer, err := readAnswer(r, first == "")
		if err != nil {
			return first, err
		}
		if sent.Before(start) {
			continue
		}
		h.add(time.Since(sent))
		statuses[status]++
		done.Add(1)
		if status != l.Want && first == "" {
			first = answer
		}
	}
	return first, nil
}

// readAnswer reads one answer with a Content-Length; its body is kept only if wanted.
func readAnswer(r *bufio.Reader, keep bool) (status int, body string, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, "", err
	}
	if len(line) < 12 {
		return 0, "", errors.New("malformed status line")
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, "", errors.New("malformed status line")
	}
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, "", err
		}
		if len(line) <= 2 {
			break
		}
		if len(line) > 16 && (line[0] == 'C' || line[0] == 'c') && line[14] == ':' && strings.EqualFold(string(line[:14]), "content-length") {
			if length, err = strconv.Atoi(textproto.TrimString(string(line[15:]))); err != nil || length < 0 || length > 1<<20 {
				return 0, "", errors.New("malformed Content-Length")
			}
		}
	}
	if keep && (status < 200 || status > 299) {
		b := make([]byte, length)
		_, err = io.ReadFull(r, b)
		return status, string(b), err
	}
	_, err = r.Discard(length)
	return status, "", err
}

// histogram counts durations in buckets 4 % wide, from a microsecond to minutes.
type histogram struct {
	n       int64
	max     time.Duration
	buckets [512]int64
}

const bucketBase = 1.04

func (h *histogram) add(d time.Duration) {
	h.n++
	h.max = max(h.max, d)
	i := 0
	if us := float64(d) / 1e3; us > 1 {
		i = min(int(math.Log(us)/math.Log(bucketBase)), len(h.buckets)-1)
	}
	h.buckets[i]++
}

func (h *histogram) merge(o *histogram) {
	h.n += o.n
	h.max = max(h.max, o.max)
	for i, c := range o.buckets {
		h.buckets[i] += c
	}
}

// quantile is in milliseconds.
func (h *histogram) quantile(q float64) float64 {
	want := int64(math.Ceil(q * float64(h.n)))
	var seen int64
	for i, c := range h.buckets {
		if seen += c; seen >= want && c > 0 {
			return math.Pow(bucketBase, float64(i)+0.5) / 1000
		}
	}
	return 0
}
