package sandboxv1

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"longlines/number"
)

const (
	maxWait = 60 * time.Second
	maxText = 4096 // characters a phone can send
)

// listMessages is GET messages.
func (h *handler) listMessages(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f, name, detail := filterOf(q)
	if name != "" {
		badParameter(w, name, detail)
		return
	}
	wait, err := waitOf(q.Get("wait"))
	if err != nil {
		badParameter(w, "wait", err.Error())
		return
	}
	limit, ok := limitOf(w, r, math.MaxInt)
	if !ok {
		return
	}
	if wait > 0 {
		unhurried(http.NewResponseController(w), wait+30*time.Second)
	}
	found, err := h.Book.Messages(r.Context(), f, wait)
	if r.Context().Err() != nil { // the caller has gone, or we stop; one who can still read is told
		w.Header().Set("Retry-After", "1")
		problem{Status: http.StatusServiceUnavailable, Detail: "the wait ended before a text came; ask again"}.write(w)
		return
	}
	if err != nil {
		w.Header().Set("Retry-After", "1")
		problem{Status: http.StatusServiceUnavailable, Detail: "too many requests wait for a text already"}.write(w)
		return
	}
	found = found[max(0, len(found)-limit):] // the newest
	var body struct {
		Messages []messageJSON `json:"messages"`
	}
	body.Messages = make([]messageJSON, len(found))
	for i := range found {
		body.Messages[i] = found[i].json()
	}
	reply(w, http.StatusOK, body)
}

// unhurried lifts the timeouts of the listener for an answer that takes its time. When its read timeout runs out,
// net/http takes the caller for gone although nothing is left to be read. A connection whose
// deadlines cannot be moved lives as long as the listener allows.
func unhurried(c *http.ResponseController, write time.Duration) {
	c.SetReadDeadline(time.Time{})
	c.SetWriteDeadline(time.Now().Add(write))
}

// filterOf reads the parameters that select texts. If one is wrong it gives its name and what would be right.
func filterOf(q url.Values) (f Filter, name, detail string) {
	for _, p := range [...]struct {
		name string
		to   *number.Address
	}{{"from", &f.From}, {"to", &f.To}} {
		s := q.Get(p.name)
		if s == "" {
			continue
		}
		a, err := number.ParseAddress(s)
		if err != nil {
			if a, err = number.ParseAlphanumeric(strings.TrimSpace(s)); err != nil {
				return f, p.name, "a number such as +14255550100, a short code such as 48507, or a sender's name"
			}
		}
		*p.to = a
	}
	if s := q.Get("phone"); s != "" {
		m, err := number.ParseMSISDN(s)
		if err != nil {
			return f, "phone", "a number such as +14255550100"
		}
		f.Phone = m
	}
	if s := q.Get("since"); s != "" {
		if seq, ok := parseID(s); ok {
			f.After = seq
			return f, "", ""
		}
		// The plus of a zone arrives as a blank when it was not escaped.
		t, err := time.Parse(time.RFC3339Nano, strings.ReplaceAll(s, " ", "+"))
		if err != nil {
			return f, "since", "a time such as 2026-01-02T03:04:05.678Z (texts from then on), or the id of a text (those after it)"
		}
		f.Since = t
	}
	return f, "", ""
}

func parseID(id string) (seq int64, ok bool) {
	digits, ok := strings.CutPrefix(id, "p")
	if !ok {
		return 0, false
	}
	seq, err := strconv.ParseInt(digits, 10, 64)
	return seq, err == nil && seq > 0
}

// waitOf reads "10s", "1m", "1500ms" or a bare number of seconds.
func waitOf(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		d, err = time.ParseDuration(s + "s")
	}
	if err != nil || d < 0 || d > maxWait {
		return 0, fmt.Errorf("a time from 0s to %s, such as 10s", maxWait)
	}
	return d, nil
}

// sendMessage is POST messages.
func (h *handler) sendMessage(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	var in struct {
		From *string `json:"from"`
		To   *string `json:"to"`
		Text *string `json:"text"`
	}
	if !decode(w, body, &in) {
		return
	}
	var bad []wrong
	complain := func(pointer, detail string) { bad = append(bad, wrong{Detail: detail, Pointer: pointer}) }
	var from number.MSISDN
	var to number.Address
	var err error
	if in.From == nil {
		complain("/from", "is missing: the number of the phone that sends, such as +14255550100")
	} else if from, err = number.ParseMSISDN(*in.From); err != nil {
		complain("/from", "is not the number of a phone, such as +14255550100")
	}
	if in.To == nil {
		complain("/to", "is missing: a short code such as 48507")
	} else if to, err = number.ParseAddress(*in.To); err != nil ||
		to.Kind() != number.KindShortCode && to.Kind() != number.KindMSISDN {
		complain("/to", "is neither a short code such as 48507 nor a number")
	}
	switch {
	case in.Text == nil:
		complain("/text", "is missing")
	case *in.Text == "":
		complain("/text", "is empty")
	case utf8.RuneCountInString(*in.Text) > maxText:
		complain("/text", fmt.Sprintf("has more than %d characters", maxText))
	}
	if bad != nil {
		problem{Status: http.StatusBadRequest, Detail: bad[0].Pointer[1:] + " " + bad[0].Detail, Errors: bad}.write(w)
		return
	}
	m, err := h.Book.Send(from, to, *in.Text)
	if err != nil {
		w.Header().Set("Retry-After", "1")
		problem{Status: http.StatusServiceUnavailable, Detail: "too many texts wait for an SMPP bind that receives"}.write(w)
		return
	}
	reply(w, http.StatusCreated, m.json())
}
