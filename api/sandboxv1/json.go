package sandboxv1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxBody is the longest request body: 1,000 faults, or the longest text in escapes.
const maxBody = 256 << 10

// stamp is how times are written: UTC to the millisecond.
const stamp = "2006-01-02T15:04:05.000Z"

func showTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(stamp)
}

// messageJSON is a text on the wire.
type messageJSON struct {
	ID        string `json:"id"`
	Phone     string `json:"phone"`
	Direction string `json:"direction"`
	From      string `json:"from"`
	To        string `json:"to"`
	Type      string `json:"type"`
	Text      string `json:"text"`
	Time      string `json:"time"`
	Ref       string `json:"ref,omitempty"`
}

func (m *Message) id() string { return "p" + strconv.FormatInt(m.Seq, 10) }

func (m *Message) json() messageJSON {
	return messageJSON{m.id(), m.Phone.String(), m.Direction, m.From.String(), m.To.String(), m.Type, m.Text, showTime(m.Time), m.Ref}
}

// reply writes v as the body of a response.
func reply(w http.ResponseWriter, status int, v any) { write(w, status, "application/json", v) }

func write(w http.ResponseWriter, status int, contentType string, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // texts are for people; the type says that this is not HTML
	if err := e.Encode(v); err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// problem is an error as RFC 9457 writes it.
type problem struct {
	Type   string  `json:"type"`
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail,omitempty"`
	Errors []wrong `json:"errors,omitempty"`
}

// wrong says what is wrong with one part of a request.
type wrong struct {
	Detail    string `json:"detail"`
	Pointer   string `json:"pointer,omitempty"`   // into the body, RFC 6901
	Parameter string `json:"parameter,omitempty"` // of the query
}

func (p problem) write(w http.ResponseWriter) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	write(w, p.Status, "application/problem+json", p)
}

// badMember refuses a request for a member of its body, badParameter for one of its query.
func badMember(w http.ResponseWriter, pointer, detail string) {
	problem{Status: http.StatusBadRequest, Detail: pointer[1:] + ": " + detail, Errors: []wrong{{Detail: detail, Pointer: pointer}}}.write(w)
}

func badParameter(w http.ResponseWriter, name, detail string) {
	problem{Status: http.StatusBadRequest, Detail: name + ": " + detail, Errors: []wrong{{Detail: detail, Parameter: name}}}.write(w)
}

// readBody reads a request body; if it cannot it writes the answer and returns false.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("a body has at most %d octets", maxBody)}.write(w)
		return nil, false
	case err != nil:
		problem{Status: http.StatusBadRequest, Detail: "the body could not be read"}.write(w)
		return nil, false
	}
	return body, true
}

// decode reads one JSON document into v. A member that nobody asked for is an error, because it is
// most often one that was misspelled.
func decode(w http.ResponseWriter, body []byte, v any) bool {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("there is something behind the JSON document")
		}
	}
	if err == nil {
		return true
	}
	var kind *json.UnmarshalTypeError
	detail := err.Error()
	switch {
	case errors.Is(err, io.EOF):
		detail = "the body is empty; a JSON document was expected"
	case errors.Is(err, io.ErrUnexpectedEOF):
		detail = "the JSON document ends too early"
	case errors.As(err, &kind) && kind.Field == "":
		detail = "a JSON object was expected"
	case errors.As(err, &kind):
		detail = fmt.Sprintf("%s cannot be a %s", kind.Field, kind.Value)
	default:
		if len(detail) > 6 && detail[:6] == "json: " {
			detail = detail[6:]
		}
	}
	problem{Status: http.StatusBadRequest, Detail: detail}.write(w)
	return false
}
