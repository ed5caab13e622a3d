package adminv1

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"longlines/timeline"
)

// writeTime is how long the stream may take to hand one entry to the kernel: a watcher that has stopped reading
// would hold it for ever.
const writeTime = 10 * time.Second

// stream serves the timeline as server-sent events (WHATWG HTML §9.2): one event an entry, its Seq
// the event's id, so that a browser that reconnects goes on where it was (Last-Event-ID).
func (x *api) stream(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64)
	if s := r.URL.Query().Get("after"); s != "" {
		after, _ = strconv.ParseInt(s, 10, 64)
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	if r.Method == http.MethodHead {
		return
	}
	out := http.NewResponseController(w)
	out.SetReadDeadline(time.Time{}) // or net/http would take the caller for gone when it runs out
	recent, watch := x.Timeline.Watch(after)
	defer watch.Close()
	write := func(format string, args ...any) bool {
		out.SetWriteDeadline(time.Now().Add(writeTime))
		_, err := fmt.Fprintf(w, format, args...)
		return err == nil
	}
	send := func(e timeline.Entry) bool {
		b, err := json.Marshal(e)
		return err == nil && write("id: %d\ndata: %s\n\n", e.Seq, b)
	}
	if !write(": the timeline of this node\n\n") {
		return
	}
	for _, e := range recent {
		if !send(e) {
			return
		}
	}
	if out.Flush() != nil {
		return
	}
	beat := time.NewTicker(15 * time.Second)
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-beat.C:
			if !write(": beat\n\n") {
				return
			}
		case e := <-watch.C():
			if !send(e) {
				return
			}
			for n := len(watch.C()); n > 0; n-- {
				e = <-watch.C()
				if !send(e) {
					return
				}
			}
		}
		if out.Flush() != nil {
			return
		}
	}
}
