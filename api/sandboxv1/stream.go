package sandboxv1

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// writeTime is how long a stream may take to hand one event to the kernel.
const writeTime = 10 * time.Second

// stream is GET stream: every text of every phone as a server-sent event named "message", its data as in
// GET messages, its id that of the text. A client that comes back with Last-Event-ID, or with the
// parameter after, gets what it missed as far as that is remembered. An event named "lost" says how
// many texts were left out because the client was too slow.
func (h *handler) stream(w http.ResponseWriter, r *http.Request) {
	after := int64(-1)
	last := r.Header.Get("Last-Event-ID")
	if s := r.URL.Query().Get("after"); s != "" {
		last = s
	}
	if seq, ok := parseID(last); ok {
		after = seq
	} else if last == "0" {
		after = 0 // from the beginning
	}
	head := w.Header()
	head.Set("Content-Type", "text/event-stream")
	head.Set("X-Accel-Buffering", "no") // a proxy must not collect events
	if r.Method == http.MethodHead {
		return
	}
	recent, live, stop := h.Book.Watch(after)
	defer stop()
	control := http.NewResponseController(w)
	unhurried(control, writeTime)
	var b bytes.Buffer
	b.WriteString("retry: 1000\n\n")
	seq := max(after, 0) // of the last text the client knows of; 0: none
	event := func(m *Message) {
		if seq > 0 && m.Seq > seq+1 {
			fmt.Fprintf(&b, "event: lost\ndata: {\"count\":%d}\n\n", m.Seq-seq-1)
		}
		seq = m.Seq
		fmt.Fprintf(&b, "id: %s\nevent: message\ndata: ", m.id())
		e := json.NewEncoder(&b) // ends in a newline, and has none inside
		e.SetEscapeHTML(false)
		e.Encode(m.json())
		b.WriteByte('\n')
	}
	flush := func() bool {
		control.SetWriteDeadline(time.Now().Add(writeTime))
		_, err := w.Write(b.Bytes())
		b.Reset()
		return err == nil && control.Flush() == nil
	}
	for i := range recent {
		event(&recent[i])
	}
	if !flush() {
		return
	}
	beat := time.NewTicker(h.Heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-beat.C:
			b.WriteString(": still here\n\n")
		case m := <-live:
			event(&m)
			for more := true; more && b.Len() < 64<<10; { // whatever else is there goes into the same write
				select {
				case m := <-live:
					event(&m)
				default:
					more = false
				}
			}
		}
		if !flush() {
			return
		}
	}
}
