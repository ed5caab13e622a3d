package sandboxv1

import (
	"net/http"
	"strconv"

	"longlines/number"
)

// maxPhones is how many phones a listing shows unless it is asked for more or less.
const maxPhones = 1_000

// listPhones is GET phones.
func (h *handler) listPhones(w http.ResponseWriter, r *http.Request) {
	limit, ok := limitOf(w, r, maxPhones)
	if !ok {
		return
	}
	type phone struct {
		Number   string `json:"number"`
		Unread   int    `json:"unread"`
		Habit    string `json:"habit"`
		Messages int    `json:"messages"`
		Last     string `json:"last,omitempty"`
	}
	var body struct {
		Phones []phone `json:"phones"`
		Total  int     `json:"total"`
	}
	all := h.Book.Phones()
	body.Total = len(all)
	body.Phones = make([]phone, 0, min(limit, len(all)))
	for _, p := range all[:min(limit, len(all))] {
		body.Phones = append(body.Phones, phone{p.Number.String(), p.Unread, p.Habit, p.Messages, showTime(p.Last)})
	}
	reply(w, http.StatusOK, body)
}

// readPhone is POST phones/{number}/read.
func (h *handler) readPhone(w http.ResponseWriter, name string) {
	m, err := number.ParseMSISDN(name)
	if err != nil || !h.Book.Read(m) {
		problem{Status: http.StatusNotFound, Detail: "there is no phone " + strconv.Quote(name)}.write(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// limitOf reads the parameter limit; if it is wrong it writes the answer and returns false.
func limitOf(w http.ResponseWriter, r *http.Request, unset int) (int, bool) {
	s := r.URL.Query().Get("limit")
	if s == "" {
		return unset, true
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		badParameter(w, "limit", "a whole number from 1")
		return 0, false
	}
	return n, true
}
