package sandboxv1

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"longlines/number"
)

// faultJSON is a fault on the wire, as it is shown.
type faultJSON struct {
	Link        string  `json:"link,omitempty"`
	Number      string  `json:"number,omitempty"`
	Status      string  `json:"status,omitempty"`
	Probability float64 `json:"probability"`
	Delay       string  `json:"delay,omitempty"`
	Until       string  `json:"until,omitempty"`
}

// faultIn is a fault as it is read: a status and a delay may be numbers too.
type faultIn struct {
	Link        string          `json:"link"`
	Number      string          `json:"number"`
	Status      json.RawMessage `json:"status"`
	Probability *float64        `json:"probability"`
	Delay       json.RawMessage `json:"delay"`
	Until       *string         `json:"until"`
}

// linkAPI is the link whose statuses are those of HTTP.
const linkAPI = "api"

// listFaults is GET faults.
func (h *handler) listFaults(w http.ResponseWriter, _ *http.Request) {
	var body struct {
		Faults []faultJSON `json:"faults"`
		Links  []string    `json:"links"` // that faults can be put on
	}
	body.Links = h.Faults.Links()
	body.Faults = []faultJSON{}
	for _, f := range h.Faults.List() {
		j := faultJSON{Link: f.Link, Number: f.Number.String(), Probability: f.Probability, Until: showTime(f.Until)}
		switch {
		case f.Status == 0:
		case f.Link == linkAPI:
			j.Status = strconv.Itoa(int(f.Status))
		default:
			j.Status = fmt.Sprintf("0x%08X", f.Status)
		}
		if f.Delay > 0 {
			j.Delay = f.Delay.String()
		}
		body.Faults = append(body.Faults, j)
	}
	reply(w, http.StatusOK, body)
}

// putFaults is PUT faults: one fault, which joins the others or takes the place of the one on the same
// link for the same number, or all of them at once. It answers as GET does.
func (h *handler) putFaults(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	var shape map[string]json.RawMessage
	if !decode(w, body, &shape) {
		return
	}
	if _, all := shape["faults"]; all {
		var in struct {
			Faults []faultIn `json:"faults"`
		}
		if !decode(w, body, &in) {
			return
		}
		faults := make([]Fault, len(in.Faults))
		for i := range in.Faults {
			pointer, detail := "", ""
			if faults[i], pointer, detail = in.Faults[i].fault(); detail != "" {
				badMember(w, fmt.Sprintf("/faults/%d%s", i, pointer), detail)
				return
			}
		}
		if err := h.Faults.Set(faults); err != nil {
			problem{Status: http.StatusBadRequest, Detail: err.Error()}.write(w)
			return
		}
		h.listFaults(w, r)
		return
	}
	var in faultIn
	if !decode(w, body, &in) {
		return
	}
	f, pointer, detail := in.fault()
	if detail != "" {
		badMember(w, pointer, detail)
		return
	}
	if err := h.Faults.Put(f); err != nil {
		problem{Status: http.StatusBadRequest, Detail: err.Error()}.write(w)
		return
	}
	h.listFaults(w, r)
}

// clearFaults is DELETE faults.
func (h *handler) clearFaults(w http.ResponseWriter, _ *http.Request) {
	h.Faults.Clear()
	w.WriteHeader(http.StatusNoContent)
}

// fault reads the members of a fault. If one is wrong it gives a pointer to it and what would be right.
func (in *faultIn) fault() (f Fault, pointer, detail string) {
	f = Fault{Link: in.Link, Probability: 1}
	if in.Number != "" {
		m, err := number.ParseMSISDN(in.Number)
		if err != nil {
			return f, "/number", "is not the number of a phone, such as +14255550100"
		}
		f.Number = m
	}
	if s := scalar(in.Status); s != "" {
		v, err := strconv.ParseUint(s, 0, 32)
		if err != nil {
			return f, "/status", `is a command_status such as "0x00000058", on the link api an HTTP status such as 502`
		}
		f.Status = uint32(v)
	}
	if in.Probability != nil {
		f.Probability = *in.Probability
	}
	if s := scalar(in.Delay); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			if d, err = time.ParseDuration(s + "s"); err != nil {
				return f, "/delay", `is a time such as "1s" or "250ms"`
			}
		}
		f.Delay = d
	}
	if in.Until != nil && *in.Until != "" {
		t, err := time.Parse(time.RFC3339Nano, *in.Until)
		if err != nil {
			return f, "/until", "is a time such as 2026-01-02T03:04:05Z"
		}
		f.Until = t
	}
	return f, "", ""
}

// scalar is the text of a JSON string or number, "" for null or nothing.
func scalar(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}
