// Package wire reads and writes the bodies of the public APIs.
//
// An app may write its request in JSON, in XML or as a form, and asks for the
// answer in JSON or XML. The published client kits use all of these, each in
// its own way: a member is an array in one and a list with commas in another,
// the root is spelled in three ways or left out, the bytes are UTF-8 or, with
// nothing to say so, ISO-8859-1 (docs/reference/sms.md §2, §6, §8). So every
// body is first read into one small tree, and the tree is asked for what is
// needed, without regard to the case of letters:
//
//	doc, err := wire.Parse(r.Header.Get("Content-Type"), body, wire.Limits{})
//	req := doc.Root("outboundSMSRequest", "SmsRequest")
//	to, err := wire.Recipients(req, "address", 50)
//	text, err := wire.Text(req, "message", "Message")
//
// Tolerance ends where it would be a danger. A member that stands twice in one
// JSON object, data after the document, a document type declaration, a NUL, too
// many members, too much depth: all are refused while reading, before anything
// is built from them (docs/reference/reliability.md §2.4).
//
// What is refused is a *fault.Fault that knows the part at which reading
// stopped. Append writes answers, AppendFault writes faults, in the dialect of
// the path and the format of the caller.
//
// Left out: the bodies of MMS and In-App Messaging with attachments, which are
// streams and not documents.
package wire

import (
	"errors"
	"strings"
	"unicode/utf8"

	"longlines/fault"
)

// Types is a set of media types that a path reads.
type Types uint8

// The media types of request bodies.
const (
	TypeJSON      Types = 1 << iota // application/json
	TypeXML                         // application/xml, text/xml
	TypeForm                        // application/x-www-form-urlencoded
	TypeMultipart                   // multipart/form-data, simple fields only
)

// Limits bound what Parse accepts. The zero value of each field means the
// default of docs/reference/reliability.md §2.4.
type Limits struct {
	// Types are the media types read; default JSON, XML and form. OAuth
	// paths read TypeForm | TypeMultipart.
	Types Types
	// Body is the greatest length in bytes, default 64 KiB.
	Body int
	// Depth is the greatest nesting of arrays, objects and elements, default 32.
	Depth int
	// Members is the greatest number of members, elements or fields in the
	// whole document, default 1,000.
	Members int
	// Values is the greatest number of array elements in the whole document,
	// default 8,192.
	Values int
	// String is the greatest length in bytes of one string, default 32 KiB.
	String int
	// Attributes is the greatest number of attributes of an XML element,
	// default 50.
	Attributes int
	// Parts is the greatest number of multipart parts, default 22.
	Parts int
	// SingleQuotes also reads JSON strings in single quotes, which two of
	// the oldest clients of SMS v2 write (docs/reference/sms.md §2).
	SingleQuotes bool
}

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	if l.Types == 0 {
		l.Types = TypeJSON | TypeXML | TypeForm
	}
	def(&l.Body, 64<<10)
	def(&l.Depth, 32)
	def(&l.Members, 1000)
	def(&l.Values, 8192)
	def(&l.String, 32<<10)
	def(&l.Attributes, 50)
	def(&l.Parts, 22)
	return l
}

// Parse reads a body of the given media type into a tree. Parameters of the
// media type are tolerated and, but for a multipart boundary, not looked at:
// the bytes are read as UTF-8 and, if they are not UTF-8, as ISO-8859-1
// (docs/reference/sms.md §6). A body without a media type is taken for what it
// looks like. The tree does not refer to body afterwards.
//
// Errors are faults: MediaType, BodyTooLarge, or Unparsable with the part
// where reading stopped.
func Parse(contentType string, body []byte, lim Limits) (*Node, error) {
	lim = lim.withDefaults()
	if len(body) > lim.Body {
		return nil, fault.BodyTooLarge
	}
	t := typeOf(contentType)
	if t == 0 && strings.TrimSpace(contentType) == "" {
		t = sniff(body, lim.Types)
	}
	if t&lim.Types == 0 {
		return nil, fault.MediaType
	}
	switch t {
	case TypeJSON:
		return parseJSON(text(body), lim)
	case TypeXML:
		return parseXML(text(body), lim)
	case TypeForm:
		return parseForm(string(body), lim)
	}
	return parseMultipart(contentType, body, lim)
}

// ParseQuery reads a URL query as if it were a form body. The oldest token
// paths take their parameters there (docs/reference/oauth.md §1).
func ParseQuery(query string, lim Limits) (*Node, error) {
	lim = lim.withDefaults()
	if len(query) > lim.Body {
		return nil, fault.BodyTooLarge
	}
	return parseForm(query, lim)
}

// typeOf finds the type without allocating for the usual spellings.
func typeOf(contentType string) Types {
	m, _, _ := strings.Cut(contentType, ";")
	m = strings.TrimSpace(m)
	switch {
	case m == "":
		return 0
	case strings.EqualFold(m, "application/json"), strings.EqualFold(m, "text/json"):
		return TypeJSON
	case strings.EqualFold(m, "application/x-www-form-urlencoded"):
		return TypeForm
	case strings.EqualFold(m, "application/xml"), strings.EqualFold(m, "text/xml"):
		return TypeXML
	case strings.EqualFold(m, "multipart/form-data"):
		return TypeMultipart
	}
	return 0
}

// sniff guesses the type of a body that came without one, among those allowed.
func sniff(body []byte, allowed Types) Types {
	s := skipBOM(string(body[:min(len(body), 64)]))
	s = strings.TrimLeft(s, " \t\r\n")
	switch {
	case allowed&TypeJSON != 0 && (strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[")):
		return TypeJSON
	case allowed&TypeXML != 0 && strings.HasPrefix(s, "<"):
		return TypeXML
	}
	return allowed & TypeForm
}

// text is the body as UTF-8, converted from ISO-8859-1 if it is not UTF-8.
func text(body []byte) string {
	if utf8.Valid(body) {
		return skipBOM(string(body))
	}
	return latin1(body)
}

// latin1 reads bytes as ISO-8859-1, in which each byte is its code point.
func latin1[T []byte | string](s T) string {
	b := make([]byte, 0, len(s)+len(s)/8+8)
	for i := 0; i < len(s); i++ {
		b = utf8.AppendRune(b, rune(s[i]))
	}
	return string(b)
}

func skipBOM(s string) string { return strings.TrimPrefix(s, "\ufeff") }

// The reasons for which a document is refused; they go to the log as causes.
var (
	errSyntax    = errors.New("body is not well formed")
	errEnd       = errors.New("body ends too early")
	errTrailing  = errors.New("data after the document")
	errDuplicate = errors.New("member stands twice")
	errDepth     = errors.New("nesting is too deep")
	errMembers   = errors.New("too many members")
	errValues    = errors.New("too many values")
	errString    = errors.New("string is too long")
	errNUL       = errors.New("string has a NUL")
	errDTD       = errors.New("document type declaration or processing instruction")
	errAttrs     = errors.New("too many attributes")
	errCharset   = errors.New("encoding is not supported")
)

// unparsable is the fault for a document that broke in the given part.
func unparsable(part string, cause error) error {
	if !goodPart(part) {
		part = "Message"
	}
	return fault.Unparsable.With(part).Because(cause)
}

// goodPart reports whether a name from the request may stand in the answer.
func goodPart(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' || s[i] == ',' {
			return false
		}
	}
	return true
}
