package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

func TestALoadCountsWhatTheServerAnswered(t *testing.T) {
	var served atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if !bytes.HasPrefix(b, []byte("body ")) || r.Header.Get("X-Key") != "v" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if served.Add(1)%10 == 0 {
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, "no")
			return
		}
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, "yes")
	}))
	defer srv.Close()
	r, err := Load{URL: srv.URL + "/x", Header: map[string]string{"X-Key": "v"}, Connections: 4, Duration: 200 * time.Millisecond, Want: 201,
		Body: func(n int64) []byte { return fmt.Appendf(nil, "body %d", n) }}.Run(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests == 0 || r.Requests != served.Load() || r.Good+r.Statuses["403"] != r.Requests || r.First != "no" || r.P99 < r.P50 || r.P50 <= 0 {
		t.Fatalf("served %d, result %+v", served.Load(), r)
	}
}

func TestAQuantileLiesInItsBucket(t *testing.T) {
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	if p := h.quantile(0.5); p < 480 || p > 520 {
		t.Fatalf("p50 = %v", p)
	}
	if p := h.quantile(0.99); p < 950 || p > 1030 {
		t.Fatalf("p99 = %v", p)
	}
}
