package wire

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Format is the format of an answer.
type Format uint8

// The formats of answers.
const (
	JSON Format = iota
	XML
)

// ContentType is the media type sent with the format.
func (f Format) ContentType() string {
	if f == XML {
		return "application/xml"
	}
	return "application/json"
}

// String names the format.
func (f Format) String() string {
	if f == XML {
		return "xml"
	}
	return "json"
}

// Negotiate chooses the format by an Accept header (RFC 9110 §12.5.1): the
// greatest quality wins, among equals the one named first; JSON where nothing
// is said or anything is taken. ok is false if neither JSON nor XML is
// acceptable; the format then is JSON, which most paths send all the same
// (docs/reference/errors.md §3.1). Several header lines are joined by commas.
func Negotiate(accept string) (f Format, ok bool) {
	if accept == "" || accept == "*/*" || accept == "application/json" {
		return JSON, true
	}
	type offer struct {
		q         int // thousandths, -1 not named
		specific  int // 3 exact, 2 type/*, 1 */*
		preferred int // position in the header
	}
	j, x := offer{q: -1}, offer{q: -1}
	take := func(o *offer, q, specific, pos int) {
		if specific > o.specific || specific == o.specific && q > o.q {
			*o = offer{q, specific, pos}
		}
	}
	named := false
	for pos := 0; accept != ""; pos++ {
		var item string
		item, accept, _ = strings.Cut(accept, ",")
		media, q := quality(item)
		if media == "" {
			continue
		}
		named = true
		switch {
		case media == "*/*", media == "*": // the second is what old Java sends
			take(&j, q, 1, pos)
			take(&x, q, 1, pos)
		case strings.EqualFold(media, "application/*"):
			take(&j, q, 2, pos)
			take(&x, q, 2, pos)
		case strings.EqualFold(media, "text/*"):
			take(&x, q, 2, pos)
		case strings.EqualFold(media, "application/json"), strings.EqualFold(media, "text/json"):
			take(&j, q, 3, pos)
		case strings.EqualFold(media, "application/xml"), strings.EqualFold(media, "text/xml"):
			take(&x, q, 3, pos)
		}
	}
	switch {
	case !named:
		return JSON, true
	case j.q <= 0 && x.q <= 0:
		return JSON, false
	case x.q > j.q, x.q == j.q && x.preferred < j.preferred:
		return XML, true
	}
	return JSON, true
}

// WantsProblem reports whether an Accept header names
// application/problem+json, which is how a caller of the compatible paths asks
// for problem documents (docs/reference/conventions.md §3.7).
func WantsProblem(accept string) bool {
	for item := range strings.SplitSeq(accept, ",") {
		if media, q := quality(item); q > 0 && strings.EqualFold(media, "application/problem+json") {
			return true
		}
	}
	return false
}

// PrefersHTML reports whether an Accept header names text/html with a quality that is greater than that
// of application/json or as great and named first, as browsers do.
func PrefersHTML(accept string) bool {
	html, json := 0, 0
	first := false
	for item := range strings.SplitSeq(accept, ",") {
		switch media, q := quality(item); {
		case strings.EqualFold(media, "text/html"), strings.EqualFold(media, "application/xhtml+xml"):
			html, first = max(html, q), first || json == 0
		case strings.EqualFold(media, "application/json"), strings.EqualFold(media, "application/*"):
			json = max(json, q)
		}
	}
	return html > json || html > 0 && html == json && first
}

// quality splits one item of an Accept header; q is in thousandths.
func quality(item string) (media string, q int) {
	media, params, _ := strings.Cut(item, ";")
	q = 1000
	for params != "" {
		var p string
		p, params, _ = strings.Cut(params, ";")
		name, value, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			q = thousandths(strings.TrimSpace(value))
		}
	}
	return strings.TrimSpace(media), q
}

// thousandths reads a qvalue (RFC 9110 §12.4.2), and .2 as old clients write.
func thousandths(s string) int {
	whole, frac, _ := strings.Cut(s, ".")
	if whole == "1" {
		return 1000
	}
	if whole != "" && whole != "0" || len(frac) > 3 {
		return 0
	}
	q := 0
	for i := range 3 {
		q *= 10
		if i < len(frac) {
			if frac[i] < '0' || frac[i] > '9' {
				return 0
			}
			q += int(frac[i] - '0')
		}
	}
	return q
}

// Rooted puts a value under a root of the given name: a member in JSON, an
// element in XML.
type Rooted struct {
	Name  string
	Value any
}

// Append writes v after dst. JSON is written without escaping for HTML and
// without a line end; XML with its declaration. A struct carries json and xml
// tags; its XML root is named by its XMLName or by Rooted. An error means that
// v cannot be written in that format, which is a mistake of ours.
func Append(dst []byte, f Format, v any) ([]byte, error) {
	w := appender(dst)
	root, rooted := v.(Rooted)
	if f == XML {
		w = append(w, xml.Header...)
		enc := xml.NewEncoder(&w)
		var err error
		if rooted {
			err = enc.EncodeElement(root.Value, xml.StartElement{Name: xml.Name{Local: root.Name}})
		} else {
			err = enc.Encode(v)
		}
		if err != nil {
			return dst, err
		}
		return w, nil
	}
	if rooted {
		w = append(w, '{')
		w = appendJSONString(w, root.Name)
		w = append(w, ':')
		v = root.Value
	}
	enc := json.NewEncoder(&w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return dst, err
	}
	w = bytes.TrimSuffix(w, []byte{'\n'})
	if rooted {
		w = append(w, '}')
	}
	return w, nil
}

// AppendASCII writes v as JSON with every character beyond ASCII as \uXXXX,
// in surrogate pairs where needed: one published listener reads what is pushed
// to it as ASCII (docs/reference/sms.md §5.3).
func AppendASCII(dst []byte, v any) ([]byte, error) {
	plain, err := Append(nil, JSON, v)
	if err != nil {
		return dst, err
	}
	for i := 0; i < len(plain); {
		if c := plain[i]; c < utf8.RuneSelf {
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRune(plain[i:])
		i += n
		if r > 0xffff {
			hi, lo := utf16.EncodeRune(r)
			dst = appendU(appendU(dst, hi), lo)
			continue
		}
		dst = appendU(dst, r)
	}
	return dst, nil
}

const hexDigits = "0123456789abcdef"

func appendU(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// appender is a writer onto the end of a slice.
type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

// appendJSONString writes s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r < ' ' || r == 0x7f:
			dst = appendU(dst, r)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
