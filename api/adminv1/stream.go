package adminv1

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// stream serves the timeline as server-sent events (WHATWG HTML §9.2): one event an entry, its Seq
// the event's id, so that a browser that reconnects goes on where it was (Last-Event-ID).
func (x *api) stream(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64)
	if s := r.URL.Query().Get("after"); s != "" {
		after, _ = strconv.ParseInt(s, 10, 64)
	}
	recent, watch := x.Timeline.Watch(after)
	defer watch.Close()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	out := http.NewResponseController(w)
	out.SetReadDeadline(time.Time{}) // or net/http would take the caller for gone when it runs out
	out.SetWriteDeadline(time.Time{})
	send := func(v any, seq int64) bool {
		b, err := json.Marshal(v)
		if err != nil {
			return false
		}
		_, err = fmt.Fprintf(w, "id: %d\ndata: %s\n\n", seq, b)
		return err == nil
	}
	fmt.Fprint(w, ": the timeline of this node\n\n")
	for _, e := range recent {
		if !send(e, e.Seq) {
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
			fmt.Fprint(w, ": beat\n\n")
		case e := <-watch.C():
			if !send(e, e.Seq) {
				return
			}
			for n := len(watch.C()); n > 0; n-- {
				e = <-watch.C()
				if !send(e, e.Seq) {
					return
				}
			}
		}
		if out.Flush() != nil {
			return
		}
	}
}
