package wire

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"unicode/utf8"

	"longlines/fault"
)

// parseForm reads application/x-www-form-urlencoded into an object whose
// members are strings. A percent sign that begins no escape stands for itself:
// the oldest client does not encode its text (docs/reference/sms.md §2).
func parseForm(s string, lim Limits) (*Node, error) {
	f := newForm(lim)
	for more := s != ""; more; {
		var field string
		field, s, more = strings.Cut(s, "&")
		if field == "" {
			continue
		}
		name, value, _ := strings.Cut(field, "=")
		name = strings.TrimSpace(unescape(name))
		if err := f.add(name, unescape(value)); err != nil {
			return nil, unparsable(name, err)
		}
	}
	return f.root, nil
}

// form is the object being built, with its limits.
type form struct {
	lim    Limits
	nodes  slab
	root   *Node
	tail   **Node
	fields int
}

func newForm(lim Limits) *form {
	f := &form{lim: lim}
	f.root = f.nodes.node()
	f.root.kind = Object
	f.tail = &f.root.first
	return f
}

func (f *form) add(name, value string) error {
	if f.fields++; f.fields > f.lim.Members {
		return errMembers
	}
	if len(value) > f.lim.String {
		return errString
	}
	if strings.IndexByte(value, 0) >= 0 || strings.IndexByte(name, 0) >= 0 {
		return errNUL
	}
	c := f.nodes.node()
	c.kind, c.name, c.text = String, name, value
	*f.tail, f.tail = c, &c.next
	return nil
}

// unescape decodes + and %XX, and reads the result as ISO-8859-1 if it is not
// UTF-8. A string with nothing to decode is returned as it is.
func unescape(s string) string {
	if strings.IndexByte(s, '%') >= 0 || strings.IndexByte(s, '+') >= 0 {
		b := make([]byte, 0, len(s))
		for i := 0; i < len(s); i++ {
			switch c := s[i]; {
			case c == '+':
				b = append(b, ' ')
			case c == '%' && i+2 < len(s):
				hi, ok1 := unhex(s[i+1])
				lo, ok2 := unhex(s[i+2])
				if !ok1 || !ok2 {
					b = append(b, c)
					continue
				}
				b = append(b, hi<<4|lo)
				i += 2
			default:
				b = append(b, c)
			}
		}
		s = string(b)
	}
	if !utf8.ValidString(s) {
		return latin1(s)
	}
	return s
}

// parseMultipart reads the simple fields of multipart/form-data (RFC 7578),
// which one client sends to the token path (docs/reference/oauth.md §3).
// Parts with a file name are skipped.
func parseMultipart(contentType string, body []byte, lim Limits) (*Node, error) {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["boundary"] == "" {
		return nil, fault.MediaType.Because(err)
	}
	f := newForm(lim)
	r := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for parts := 1; ; parts++ {
		part, err := r.NextPart()
		if err == io.EOF {
			return f.root, nil
		}
		if err != nil {
			return nil, unparsable("", syntax(err))
		}
		if parts > lim.Parts {
			return nil, unparsable("", errMembers)
		}
		name := part.FormName()
		if part.FileName() != "" || name == "" {
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, int64(lim.String)+1))
		if err != nil {
			return nil, unparsable(name, syntax(err))
		}
		s := string(value)
		if !utf8.ValidString(s) {
			s = latin1(s)
		}
		if err := f.add(name, s); err != nil {
			return nil, unparsable(name, err)
		}
	}
}
