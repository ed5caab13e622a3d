package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"longlines/app"
	"longlines/fault"
)

// What the caller sees of it (draft-ietf-httpapi-idempotency-key-header-07):
//
//	first request              runs; its answer, unless 5xx, is kept for 24 h
//	the same again             the kept answer, with Idempotent-Replayed: true
//	another body, same key     422
//	while the first one runs   409
//
// The key belongs to the app, the method and the path. Paths without a bearer (OAuth) take no key:
// their answers are secrets, of which the store keeps nothing but hashes.
const (
	headerKey      = "Idempotency-Key"
	headerReplayed = "Idempotent-Replayed"
	maxKey         = 255
)

// SavedFor is how long an answer is kept for its Idempotency-Key (docs/reference/conventions.md §3.5).
const SavedFor = 24 * time.Hour

// running are the keys whose first request has not been answered yet, on this node.
type running struct {
	mu   sync.Mutex
	keys map[runningKey]struct{}
}

type runningKey struct {
	of         app.Tenant
	scope, key string
}

func (r *running) begin(k runningKey) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.keys[k]; ok {
		return false
	}
	if r.keys == nil {
		r.keys = map[runningKey]struct{}{}
	}
	r.keys[k] = struct{}{}
	return true
}

func (r *running) end(k runningKey) {
	r.mu.Lock()
	delete(r.keys, k)
	r.mu.Unlock()
}

// idempotencyKey reads the header: a bare token or a quoted string (RFC 9651 §3.3.3) of 1 to 255
// printable characters. present is false if there is no header.
func idempotencyKey(h http.Header) (key string, present bool, err error) {
	lines, present := h[headerKey]
	if !present {
		return "", false, nil
	}
	if len(lines) != 1 {
		return "", true, fault.IdempotencyMalformed
	}
	key = strings.Trim(lines[0], " \t")
	if strings.HasPrefix(key, `"`) {
		if key, err = unquote(key); err != nil {
			return "", true, err
		}
	}
	if key == "" || len(key) > maxKey {
		return "", true, fault.IdempotencyMalformed
	}
	for _, c := range []byte(key) {
		if c < ' ' || c > '~' {
			return "", true, fault.IdempotencyMalformed
		}
	}
	return key, true, nil
}

func unquote(s string) (string, error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			if i != len(s)-1 {
				return "", fault.IdempotencyMalformed
			}
			return b.String(), nil
		case c == '\\':
			i++
			if i >= len(s) || s[i] != '"' && s[i] != '\\' {
				return "", fault.IdempotencyMalformed
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", fault.IdempotencyMalformed
}

// fingerprint tells requests apart. JSON is compacted first, so that a client which writes its
// members anew with other blanks is still taken for itself.
func fingerprint(method, path string, body []byte) (f [32]byte) {
	h := sha256.New()
	h.Write([]byte(method))
	h.Write([]byte{0})
	h.Write([]byte(path))
	h.Write([]byte{0})
	var compact bytes.Buffer
	if len(body) > 0 && (body[0] == '{' || body[0] == '[' || body[0] == ' ' || body[0] == '\n') && json.Compact(&compact, body) == nil {
		body = compact.Bytes()
	}
	h.Write(body)
	h.Sum(f[:0])
	return f
}

// once makes sure that a request with a key has its effect once. done is true if the answer was
// found and written.
func (x *exchange) once(r *http.Request) (done bool, err error) {
	if r.Method != http.MethodPost || x.call.Grant.App == nil {
		return false, nil
	}
	key, present, err := idempotencyKey(r.Header)
	if err != nil || !present {
		return false, err
	}
	k := &app.Idempotency{
		Tenant:      x.call.Grant.Tenant(),
		Scope:       r.Method + " " + r.URL.Path,
		Key:         key,
		Fingerprint: fingerprint(r.Method, r.URL.Path, x.call.Body),
	}
	if !x.g.running.begin(runningKey{k.Tenant, k.Scope, k.Key}) {
		return false, fault.IdempotencyInFlight.After(time.Second)
	}
	x.running = true
	x.call.Key = k
	saved, ok, err := x.g.store.SavedAnswer(x.call.ctx, k.Tenant, k.Scope, k.Key)
	switch {
	case err != nil:
		return false, err
	case !ok:
		return false, nil
	case saved.Fingerprint != k.Fingerprint:
		return false, fault.IdempotencyMismatch
	}
	x.ref = saved.Ref
	x.replay = true
	if saved.Status == 0 {
		// It was made durable, and then this or another node died before it could answer. The handler
		// runs again; what it adds under the same key is found to be there already.
		return false, nil
	}
	x.call.Subject = saved.Ref
	x.out.status = saved.Status
	for name, value := range saved.Header {
		x.Header()[name] = []string{value}
	}
	x.out.body = saved.Body
	x.write()
	x.detail()
	return true, nil
}

// keep stores the answer before it is written, so that a repeat at once finds it. A 5xx is not kept:
// the repeat shall have its chance. Nor is a mismatch: another node has taken the key meanwhile, for a
// request whose answer belongs there. If the answer cannot be kept it is given all the same: what it
// says is durable, and a repeat finds that by its key.
func (x *exchange) keep() {
	k := x.call.Key
	if k == nil || !x.ran || x.out.status >= 500 || x.out.status == 0 {
		return
	}
	if x.fault != nil && x.fault.Is(fault.IdempotencyMismatch) {
		return
	}
	s := Saved{
		Fingerprint: k.Fingerprint,
		Ref:         x.ref,
		Status:      x.out.status,
		Header:      map[string]string{},
		Body:        bytes.Clone(x.out.body),
		Created:     x.start,
	}
	if s.Ref == 0 && x.fault == nil {
		s.Ref = x.call.Subject
	}
	own := x.Header()
	for _, name := range [...]string{"Content-Type", "Location", "Link"} {
		if v := own[name]; len(v) > 0 {
			s.Header[name] = v[0]
		}
	}
	for name, v := range x.out.header {
		if len(v) > 0 {
			s.Header[name] = v[0]
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.call.ctx), 10*time.Second)
	defer cancel()
	if err := x.g.store.SaveAnswer(ctx, k.Tenant, k.Scope, k.Key, s); err != nil {
		x.g.log.LogAttrs(ctx, slog.LevelWarn, "answer not kept for its Idempotency-Key",
			slog.String("request_id", x.name), slog.Any("error", err))
	}
}
