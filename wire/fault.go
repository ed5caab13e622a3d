package wire

import (
	"encoding/xml"
	"strconv"
	"unicode/utf8"

	"longlines/fault"
)

// Dialect is the envelope in which a path reports faults. It belongs to the
// path, not to the fault (docs/reference/errors.md §1).
type Dialect uint8

// The envelopes.
const (
	// DialectRequestError is that of every compatible API but OAuth:
	// RequestError with a PolicyException or ServiceException.
	DialectRequestError Dialect = iota
	// DialectOAuth is error and error_description, always in JSON.
	DialectOAuth
	// DialectProblem is the problem document of RFC 9457, always in JSON.
	DialectProblem
)

// ContentType is the media type of a fault in that dialect and format.
func (d Dialect) ContentType(f Format) string {
	switch d {
	case DialectOAuth:
		return "application/json"
	case DialectProblem:
		return "application/problem+json"
	}
	return f.ContentType()
}

// AppendFault writes the body that reports f after dst. Placeholders of the
// text stay as they are and the variables are one string. On DialectOAuth a
// fault that is no OAuth condition takes the form that fault.OnOAuth gives it.
// The type of a problem document is relative to the host of the API; see
// AppendProblem.
func AppendFault(dst []byte, d Dialect, format Format, f *fault.Fault) []byte {
	switch d {
	case DialectOAuth:
		f = fault.OnOAuth(f)
		dst = append(dst, `{"error":`...)
		dst = appendJSONString(dst, f.Code)
		dst = append(dst, `,"error_description":`...)
		dst = appendJSONString(dst, f.Description)
		return append(dst, '}')
	case DialectProblem:
		return AppendProblem(dst, "", f)
	}
	code, text, value := f.Code, f.Text, f.Value()
	if f.OAuth() {
		// An OAuth condition on a path of another dialect has no code there.
		code, text, value = fault.Dependency.Code, fault.Dependency.Text, f.Description
	}
	exception := "ServiceException"
	if f.Policy() {
		exception = "PolicyException"
	}
	if format == XML {
		dst = append(dst, xml.Header...)
		dst = append(dst, "<RequestError><"...)
		dst = append(dst, exception...)
		dst = append(dst, "><MessageId>"...)
		dst = appendXMLText(dst, code)
		dst = append(dst, "</MessageId><Text>"...)
		dst = appendXMLText(dst, text)
		dst = append(dst, "</Text><Variables>"...)
		dst = appendXMLText(dst, value)
		dst = append(dst, "</Variables></"...)
		dst = append(dst, exception...)
		return append(dst, "></RequestError>"...)
	}
	dst = append(dst, `{"RequestError":{"`...)
	dst = append(dst, exception...)
	dst = append(dst, `":{"MessageId":`...)
	dst = appendJSONString(dst, code)
	dst = append(dst, `,"Text":`...)
	dst = appendJSONString(dst, text)
	dst = append(dst, `,"Variables":`...)
	dst = appendJSONString(dst, value)
	return append(dst, "}}}"...)
}

// AppendProblem writes f as a problem document (RFC 9457 §3.1) whose type is
// the address of its explanation under base, such as https://api.example.com.
// The status member is that of f; a path that answers with another says so by
// a copy.
func AppendProblem(dst []byte, base string, f *fault.Fault) []byte {
	title := f.Code
	if row, ok := fault.Lookup(f.Code, f.Case); ok {
		title = row.Title
	}
	dst = append(dst, `{"type":`...)
	dst = appendJSONString(dst, base+f.Path())
	dst = append(dst, `,"title":`...)
	dst = appendJSONString(dst, title)
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(f.Status), 10)
	dst = append(dst, `,"detail":`...)
	dst = appendJSONString(dst, f.Detail())
	if f.Instance != "" {
		dst = append(dst, `,"instance":`...)
		dst = appendJSONString(dst, f.Instance)
	}
	dst = append(dst, `,"code":`...)
	dst = appendJSONString(dst, f.Code)
	return append(dst, '}')
}

// appendXMLText writes s as character data. What XML cannot carry becomes
// U+FFFD.
func appendXMLText(dst []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '&':
			dst = append(dst, "&amp;"...)
		case r == '<':
			dst = append(dst, "&lt;"...)
		case r == '>':
			dst = append(dst, "&gt;"...)
		case r == '\r':
			dst = append(dst, "&#xD;"...)
		case r < ' ' && r != '\n' && r != '\t', r == 0xfffe, r == 0xffff:
			dst = utf8.AppendRune(dst, utf8.RuneError)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}
