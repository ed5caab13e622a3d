package console

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"longlines/gateway"
)

// Why a call cannot be made again from what is kept of it.
const (
	noWire        = "The call as it was on the wire is not kept: that is done for sandbox apps only, and for a while."
	noCredentials = "The body had credentials in it and was not kept."
	noWhole       = "The body was not kept whole."
	notRead       = "The call was refused before its body was read, so there is none to send again."
	noPath        = "The whole path of the address is not kept."
	noQuery       = "The query of the address is not kept: add it."
	noSecret      = "The body stands for what is not kept in it with " + gateway.NotShown + ": fill that in."
)

var plainScheme = regexp.MustCompile(`^[A-Za-z]+ `)

// curlOf makes of a call's wire, as the API keeps it, the line that does the same again. What was taken out of
// the wire stands in it as a variable of the shell. note says what is missing; of the whole line, if there is none.
//
// A caller has written most of it, and somebody pastes it into a shell: every word is quoted so that it stays
// one, and nothing in it can end a paste.
func curlOf(api, method, path, wire string) (line, note string) {
	rest, ok := strings.CutPrefix(wire, method+" "+path)
	if !ok {
		return "", noWire
	}
	first, rest, _ := strings.Cut(rest, "\n")
	head, rest, ok := strings.Cut(rest, "\n\n")
	if !ok {
		return "", noWire
	}
	var header [][2]string
	length := 0
	typed := false
	for l := range strings.SplitSeq(head, "\n") {
		name, value, _ := strings.Cut(l, ": ")
		switch name {
		case "Content-Length":
			length, _ = strconv.Atoi(value)
		case "Content-Type":
			typed = true
			header = append(header, [2]string{name, value})
		case "", "Host", "Accept-Encoding", "User-Agent", "Connection", "Expect", "Referer": // curl's own, or not kept
		default:
			header = append(header, [2]string{name, value})
		}
	}
	body, note := bodyOf(rest, length)
	if note != "" {
		return "", note
	}

	if strings.HasSuffix(path, gateway.NotShown) || strings.HasSuffix(path, "…") {
		return "", noPath
	}
	words := []string{"curl -i " + shellWord(api+path)}
	if strings.HasPrefix(first, "?") {
		note = noQuery
	}
	switch {
	case method == "HEAD":
		words = append(words, "-I")
	case method != "GET" && (method != "POST" || body == ""):
		words = append(words, "-X "+shellWord(method))
	case method == "GET" && body != "":
		words = append(words, "-X GET")
	}
	for _, h := range header {
		words = append(words, "-H "+headerWord(h[0], h[1]))
	}
	if body != "" {
		if !typed {
			words = append(words, "-H 'Content-Type:'") // or curl makes it a form
		}
		words = append(words, "--data-raw "+shellWord(body))
		if note == "" && strings.Contains(body, gateway.NotShown) {
			note = noSecret
		}
	}
	return strings.Join(words, " \\\n  "), note
}

// bodyOf finds the body in what follows the head of a kept call: it ends where the answer begins.
func bodyOf(rest string, length int) (body, why string) {
	const answer = "\n\nHTTP/1.1 "
	switch {
	case length > 0 && len(rest) >= length && strings.HasPrefix(rest[length:], answer):
		body = rest[:length]
	case strings.HasPrefix(rest, answer[1:]) && length > 0:
		return "", notRead
	case strings.HasPrefix(rest, answer[1:]):
		return "", ""
	default:
		if body, _, _ = strings.Cut(rest, answer); strings.Count(rest, answer) > 1 || gateway.CutShort.MatchString(body) {
			return "", noWhole
		}
	}
	switch {
	case gateway.LeftOut.MatchString(body):
		return "", noCredentials
	case strings.ContainsRune(body, unicode.ReplacementChar): // where the wire was no UTF-8
		return "", noWhole
	}
	return body, ""
}

// headerWord is a header as a word of the shell.
func headerWord(name, value string) string {
	switch name {
	case "Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "Dpop", "X-Subscriber-Assertion":
		scheme := plainScheme.FindString(value)
		if value != scheme+gateway.NotShown {
			break
		}
		variable := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		if strings.EqualFold(scheme, "Bearer ") || strings.EqualFold(scheme, "DPoP ") {
			variable = "TOKEN"
		}
		return `"` + name + ": " + scheme + "$" + variable + `"`
	}
	if value == "" {
		return shellWord(name + ";") // curl's way to send an empty one
	}
	return shellWord(name + ": " + value)
}

// shellWord writes a word so that a shell reads it as one, also from a paste: control characters, which a
// terminal would obey, are spelled out.
func shellWord(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return quote(s)
	}
	var b strings.Builder
	b.WriteString("$'")
	for _, r := range s {
		switch {
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n' || !unicode.IsControl(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\%03o`, r)
		default: // U+0080 to U+009F
			for _, c := range []byte(string(r)) {
				fmt.Fprintf(&b, `\%03o`, c)
			}
		}
	}
	b.WriteByte('\'')
	return b.String()
}
