package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"longlines/cmd/longlines/bench"
)

type benchCmd struct {
	SMS   benchSMSCmd   `cmd:"" name:"sms" help:"Send texts as fast as the platform takes them."`
	Token benchTokenCmd `cmd:"" help:"Ask for tokens as fast as the platform gives them."`
}

// benchFlags are shared by the measurements.
type benchFlags struct {
	server
	output
	API         string        `name:"api" help:"API URL of the running platform." placeholder:"URL"`
	Key         string        `help:"App Key." default:"sandbox-demo"`
	Secret      string        `help:"App Secret." default:"sandbox-secret"`
	Connections int           `help:"Connections, each with one request at a time." default:"64"`
	Duration    time.Duration `help:"How long to measure." default:"10s"`
	Warmup      time.Duration `help:"How long to run before measuring." default:"1s"`
}

type benchSMSCmd struct {
	benchFlags
	Receipts bool          `help:"Then wait until every text is final, and count that too."`
	Drain    time.Duration `help:"How long to wait for that." default:"2m"`
}

// benchReport is the whole result.
type benchReport struct {
	Connections int          `json:"connections"`
	Accept      bench.Result `json:"accept"`
	Submitted   float64      `json:"submitted_per_second,omitempty"` // start to drained queue
	Final       float64      `json:"final_per_second,omitempty"`     // start to the last receipt
	CPU         float64      `json:"server_cpu_ms_per_1000,omitempty"`
	RSS         float64      `json:"server_rss_mb,omitempty"`
}

func (cmd *benchSMSCmd) Run(e *env) error {
	c, api, err := cmd.find(e)
	if err != nil {
		return err
	}
	token, err := fetchToken(e, api, cmd.Key, cmd.Secret)
	if err != nil {
		return err
	}
	before, haveMetrics := c.metrics()
	load := bench.Load{
		URL: api + "/sms/v3/messaging/outbox", Connections: cmd.Connections, Duration: cmd.Duration, Warmup: cmd.Warmup, Want: http.StatusCreated,
		Header: map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"},
		Body: func(n int64) []byte {
			// Numbers outside the fiction range have no habit: delivered at once.
			return fmt.Appendf(nil, `{"outboundSMSRequest":{"address":"tel:+1425555%04d","message":"load text %d"}}`, 1000+n%9000, n)
		},
	}
	start := time.Now()
	r, err := load.Run(e.ctx, func(done int64, elapsed time.Duration) {
		e.progress("%6.1f s  %d accepted", elapsed.Seconds(), done)
	})
	e.progress("")
	if err != nil {
		return fail(exitUnreachable, "%w", err)
	}
	report := benchReport{Connections: cmd.Connections, Accept: r}
	if haveMetrics {
		cmd.drain(e, c, before, start, &report)
	} else {
		fmt.Fprintln(e.err, "longlines: the admin listener is not known (--admin URL), so only acceptance is measured")
	}
	if cmd.JSON() {
		if err := e.printJSON(report); err != nil {
			return err
		}
	} else {
		printBench(e, "texts", report)
	}
	return benchVerdict(r)
}

// drain waits until what was accepted has been submitted (and is final), by the server's own counters.
func (cmd *benchSMSCmd) drain(e *env, c *client, before map[string]float64, start time.Time, report *benchReport) {
	accepted := func(m map[string]float64) float64 { return m["accepted"] - before["accepted"] }
	var sentAt, finalAt time.Time
	deadline := time.Now().Add(cmd.Drain)
	var now map[string]float64
	for time.Now().Before(deadline) && e.ctx.Err() == nil {
		now, _ = c.metrics()
		sent := now["sent"] - before["sent"]
		final := now["final"] - before["final"]
		if sentAt.IsZero() && sent >= accepted(now) {
			sentAt = time.Now()
			report.Submitted = sent / sentAt.Sub(start).Seconds()
		}
		if final >= accepted(now) {
			finalAt = time.Now()
			report.Final = final / finalAt.Sub(start).Seconds()
		}
		if !sentAt.IsZero() && (!cmd.Receipts || !finalAt.IsZero()) {
			break
		}
		e.progress("draining: %.0f of %.0f submitted, %.0f final", sent, accepted(now), final)
		select {
		case <-e.ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	e.progress("")
	if n := accepted(now); n > 0 {
		report.CPU = (now["cpu"] - before["cpu"]) * 1000 / n * 1000
	}
	report.RSS = now["rss"] / 1e6
}

type benchTokenCmd struct{ benchFlags }

func (cmd *benchTokenCmd) Run(e *env) error {
	c, api, err := cmd.find(e)
	if err != nil {
		return err
	}
	before, haveMetrics := c.metrics()
	form := []byte(url.Values{"grant_type": {"client_credentials"}, "client_id": {cmd.Key}, "client_secret": {cmd.Secret}, "scope": {"SMS"}}.Encode())
	load := bench.Load{
		URL: api + "/oauth/v4/token", Connections: cmd.Connections, Duration: cmd.Duration, Warmup: cmd.Warmup, Want: http.StatusOK,
		Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
		Body:   func(int64) []byte { return form },
	}
	r, err := load.Run(e.ctx, nil)
	if err != nil {
		return fail(exitUnreachable, "%w", err)
	}
	report := benchReport{Connections: cmd.Connections, Accept: r}
	if haveMetrics && r.Good > 0 {
		now, _ := c.metrics()
		report.CPU = (now["cpu"] - before["cpu"]) * 1000 / float64(r.Good) * 1000 * cmd.Duration.Seconds() / (cmd.Duration + cmd.Warmup).Seconds()
		report.RSS = now["rss"] / 1e6
	}
	if cmd.JSON() {
		if err := e.printJSON(report); err != nil {
			return err
		}
	} else {
		printBench(e, "tokens", report)
	}
	return benchVerdict(r)
}

// find gives the API's URL, and a client for the server's metrics if the admin listener is known.
func (f benchFlags) find(e *env) (*client, string, error) {
	c, err := f.connect(e)
	if err != nil {
		if f.API == "" {
			return nil, "", err
		}
		return &client{e: e}, strings.TrimRight(f.API, "/"), nil
	}
	api := strings.TrimRight(f.API, "/")
	switch {
	case api == "":
		api = c.api
	case f.Admin == "" && c.api != api:
		c = &client{e: e} // the platform of the data directory is another one
	}
	if api == "" {
		return nil, "", fail(exitUsage, "say which API to measure: --api URL")
	}
	return c, api, nil
}

// fetchToken asks for an access token with scope SMS.
func fetchToken(e *env, api, key, secret string) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {key}, "client_secret": {secret}, "scope": {"SMS"}}
	req, err := http.NewRequestWithContext(e.ctx, http.MethodPost, api+"/oauth/v4/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", fail(exitUsage, "%w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := direct(req)
	if err != nil {
		return "", fail(exitUnreachable, "the API does not answer at %s: %w", api, err)
	}
	defer resp.Body.Close()
	if err := redirected(resp, "--api", "/oauth/v4/token"); err != nil {
		return "", err
	}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var t struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(b, &t); err != nil || t.AccessToken == "" {
		return "", fail(exitUnauthorised, "no token: %s %s", t.Error, t.Description)
	}
	return t.AccessToken, nil
}

// metrics reads the few figures the measurement needs; ok is false if they cannot be had.
func (c *client) metrics() (m map[string]float64, ok bool) {
	if c.admin == "" {
		return nil, false
	}
	req, err := http.NewRequestWithContext(c.e.ctx, http.MethodGet, c.admin+"/metrics", nil)
	if err != nil {
		return nil, false
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := direct(req)
	if err != nil {
		return nil, false
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, false
	}
	m = map[string]float64{}
	s := bufio.NewScanner(resp.Body)
	for s.Scan() {
		name, value, found := strings.Cut(s.Text(), " ")
		if !found || strings.HasPrefix(name, "#") {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		switch {
		case name == "process_cpu_seconds_total":
			m["cpu"] = v
		case name == "process_resident_memory_bytes":
			m["rss"] = v
		case strings.HasPrefix(name, "longlines_messages_total{") && strings.Contains(name, `direction="mt"`):
			for _, state := range []string{"accepted", "sent"} {
				if strings.Contains(name, `state="`+state+`"`) {
					m[state] += v
				}
			}
			for _, state := range []string{"delivered", "undeliverable", "expired", "failed", "cancelled", "uncertain"} {
				if strings.Contains(name, `state="`+state+`"`) {
					m["final"] += v
				}
			}
		}
	}
	return m, true
}

// progress writes over the line a person is looking at; nothing is written into a file.
func (e *env) progress(format string, args ...any) {
	if isTerminal(e.err) {
		fmt.Fprintf(e.err, "\r\x1b[K"+format, args...)
	}
}

// printBench prints a report for people.
func printBench(e *env, what string, r benchReport) {
	fmt.Fprintf(e.out, "%d connections, %.1f s\n", r.Connections, r.Accept.Seconds)
	fmt.Fprintf(e.out, "  accepted    %10.0f %s/s   p50 %.2f ms   p99 %.2f ms   max %.1f ms\n", r.Accept.PerSec, what, r.Accept.P50, r.Accept.P99, r.Accept.Max)
	if r.Submitted > 0 {
		fmt.Fprintf(e.out, "  submitted   %10.0f %s/s   start to drained queue\n", r.Submitted, what)
	}
	if r.Final > 0 {
		fmt.Fprintf(e.out, "  final       %10.0f %s/s   start to the last receipt\n", r.Final, what)
	}
	if r.CPU > 0 {
		fmt.Fprintf(e.out, "  server      %10.1f CPU-ms per 1,000   RSS %.0f MB\n", r.CPU, r.RSS)
	}
	for status, n := range r.Accept.Statuses {
		if n != r.Accept.Good {
			fmt.Fprintf(e.out, "  status %s: %d\n", oneLine(status), n)
		}
	}
}

const quotaHint = "\nan app of the sandbox may make 60 calls a minute; more: longlines quota set --app demo --per-minute 100000000 --per-day 100000000"

// benchVerdict is an error if nothing succeeded: then the figures mean nothing.
func benchVerdict(r bench.Result) error {
	if r.Good == 0 {
		return fail(exitFailed, "no request succeeded; the first answer was: %s%s", r.First, quotaHint)
	}
	if r.Good < r.Requests {
		return fail(exitFailed, "%d of %d requests were refused; the first answer was: %s%s", r.Requests-r.Good, r.Requests, r.First, quotaHint)
	}
	return nil
}
