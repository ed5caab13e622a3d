package adminv1

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// given is a member of a JSON Merge Patch (RFC 7396): absent, it changes nothing; null takes away what is there.
type given[T any] struct {
	is    bool // it was named
	value T
}

// to writes the member where it belongs, if it was named.
func (g given[T]) to(v *T) {
	if g.is {
		*v = g.value
	}
}

// UnmarshalJSON is called for a member that is there, null too, which leaves the zero value.
func (g *given[T]) UnmarshalJSON(b []byte) error {
	*g = given[T]{is: true}
	return json.Unmarshal(b, &g.value)
}

// MarshalJSON writes what was named, for the audit log.
func (g given[T]) MarshalJSON() ([]byte, error) { return json.Marshal(g.value) }

// IsZero reports whether the member is absent.
func (g given[T]) IsZero() bool { return !g.is }

// Schema is that of the value, or null.
func (given[T]) Schema(r huma.Registry) *huma.Schema {
	s := huma.SchemaFromType(r, reflect.TypeFor[T]())
	s.Nullable = s.Type != "" // what may be anything may be null
	return s
}

// Condition lets a change be made only on what its caller has read (RFC 9110 §13.1.1).
type Condition struct {
	IfMatch string `header:"If-Match" doc:"ETags of answers that showed the thing: it is changed only if it is still so; otherwise 412."`
}

// etag names a version (RFC 9110 §8.8.3).
func etag(version int64) string { return strconv.Quote(strconv.FormatInt(version, 10)) }

// holds refuses a change of another version than its caller has read.
func (c Condition) holds(version int64) error {
	if c.IfMatch == "" || c.IfMatch == "*" {
		return nil
	}
	now := etag(version)
	for tag := range strings.SplitSeq(c.IfMatch, ",") { // ours hold no comma; W/ is never strong enough
		if strings.TrimSpace(tag) == now {
			return nil
		}
	}
	p := &problem{Title: http.StatusText(http.StatusPreconditionFailed), Status: http.StatusPreconditionFailed,
		Detail: fmt.Sprintf("it has changed since it was read: its ETag is %s now, If-Match says %s; read it again, and change that", now, c.IfMatch)}
	p.Errors = []wrong{wrongAt("header.If-Match", p.Detail)}
	return p
}
