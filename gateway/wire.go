package gateway

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"longlines/wire"
)

// What is shown of a call is bounded in every part, in octets: whoever sends it may be anybody, and it is kept.
const (
	maxMethod  = 16
	maxPath    = 512
	maxHeaders = 2 << 10 // of the request, and again of the answer
	maxHeader  = 512
	maxWire    = 8 << 10 // of request and answer together
	maxAnswer  = 2 << 10 // what a request leaves of that for its answer
)

// NotShown stands for what must not be seen.
const NotShown = "[not shown]"

// What stands where a body would: for all of it, or behind as much as there was room for.
var (
	LeftOut  = regexp.MustCompile(`^\[\d+ bytes (?:with credentials|of a page), not shown\]$`)
	CutShort = regexp.MustCompile(`\n\[\d+ bytes in all\]$`)
)

// wire shows the request and its answer as they were, but for what must not be seen: tokens,
// credentials and cookies, and the bodies of the OAuth paths, which hold both.
func (x *exchange) wire() string {
	var b strings.Builder
	b.WriteString(shownMethod(x.r) + " " + shownPath(x.r.URL))
	if x.r.URL.RawQuery != "" {
		b.WriteString("?" + NotShown)
	}
	b.WriteString(" HTTP/1.1\n")
	if x.r.Host != "" {
		b.WriteString("Host: " + clip(x.r.Host, maxHeader) + "\n")
	}
	headers(&b, x.r.Header, shownOfCaller)
	body := x.call.Body
	switch {
	case len(body) == 0:
	case x.dialect == wire.DialectOAuth:
		b.WriteString(left(body, "with credentials"))
	default:
		b.WriteString(shown(body, ofCaller, maxWire-maxAnswer-b.Len()))
	}
	b.WriteString("\n\nHTTP/1.1 " + strconv.Itoa(x.out.status) + " " + http.StatusText(x.out.status) + "\n")
	headers(&b, x.Header(), shownOfOurs)
	body = x.out.body
	switch {
	case len(body) == 0:
	case x.Header().Get("Content-Type") == typeHTML[0]:
		b.WriteString(left(body, "of a page"))
	case x.dialect == wire.DialectOAuth && x.fault == nil:
		b.WriteString(left(body, "with credentials"))
	default:
		b.WriteString(shown(body, ofOurs, maxWire-b.Len()))
	}
	return b.String()
}

// left stands for a body that is left out.
func left(body []byte, what string) string {
	return "\n[" + strconv.Itoa(len(body)) + " bytes " + what + ", not shown]"
}

// shown is a body as far as there is room for it, without what it must not tell.
func shown(body []byte, m masks, room int) string {
	room = max(room-40, 0) // for the last line
	s := m.mask(strings.ToValidUTF8(string(body[:min(len(body), room)]), "\uFFFD"))
	if len(body) <= room && len(s) <= room {
		return "\n" + s
	}
	return "\n" + clip(s, room) + "\n[" + strconv.Itoa(len(body)) + " bytes in all]"
}

// shownMethod and shownPath are the request line as records show it.
func shownMethod(r *http.Request) string { return clip(r.Method, maxMethod) }

// shownPath is the path as it was sent, escapes and all, so that it stays one line. A query that somebody took for a part of
// it, or parameters of a segment (RFC 3986 §3.3), may hold a token: it is shown up to there.
func shownPath(u *url.URL) string {
	p := u.EscapedPath()
	for i := range len(p) {
		if strings.IndexByte("?;&=", p[i]) >= 0 {
			return clip(p[:i], maxPath) + NotShown
		}
		if p[i] == '%' && i+3 <= len(p) {
			switch strings.ToUpper(p[i : i+3]) {
			case "%3F", "%3B", "%26", "%3D":
				return clip(p[:i], maxPath) + NotShown
			}
		}
	}
	return clip(p, maxPath)
}

// clip cuts a text that is too long.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// headers writes those that may be seen, as far as there is room; of the others the name.
func headers(b *strings.Builder, h http.Header, shown func(name, value string) bool) {
	names := make([]string, 0, len(h))
	for n := range h {
		names = append(names, n)
	}
	slices.Sort(names)
	end := b.Len() + maxHeaders
	for _, n := range names {
		for _, v := range h[n] {
			if b.Len() > end {
				b.WriteString("[further headers not shown]\n")
				return
			}
			if !shown(n, v) {
				scheme, _, found := strings.Cut(v, " ")
				if v = NotShown; found && n == "Authorization" {
					v = clip(scheme, maxMethod) + " " + NotShown
				}
			}
			b.WriteString(clip(n, maxHeader) + ": " + clip(v, maxHeader) + "\n")
		}
	}
}

// plainHeaders are those of requests whose values are shown. Of any other header nobody knows what an app puts into it:
// tokens have been seen under a dozen names.
var plainHeaders = map[string]bool{
	"Accept": true, "Accept-Charset": true, "Accept-Encoding": true, "Accept-Language": true, "Cache-Control": true, "Connection": true,
	"Content-Encoding": true, "Content-Language": true, "Content-Length": true, "Content-Type": true, "Date": true, "Expect": true,
	"Idempotency-Key": true, "If-Match": true, "If-Modified-Since": true, "If-None-Match": true, "Origin": true, "Pragma": true, "Prefer": true,
	"Range": true, "Sec-Fetch-Dest": true, "Sec-Fetch-Mode": true, "Sec-Fetch-Site": true, "Te": true, "Traceparent": true,
	"Transfer-Encoding": true, "Upgrade": true, "User-Agent": true, "Via": true, "X-Arg": true, "X-Correlator": true, "X-Forwarded-For": true,
	"X-Forwarded-Host": true, "X-Forwarded-Proto": true, "X-Request-Id": true, "X-Requested-With": true,
}

func shownOfCaller(name, value string) bool {
	return plainHeaders[name] || name == "Referer" && bareAddress(value)
}

func shownOfOurs(name, value string) bool {
	return name != "Set-Cookie" && (name != "Location" || bareAddress(value))
}

// bareAddress reports whether an address is nothing but a place: a code may stand in what follows it.
func bareAddress(v string) bool { return !strings.ContainsAny(v, "?#;&=%") }

// masks find the members of a body that are not shown.
type masks struct{ json, text *regexp.Regexp }

// Members are known by the end of their name. In what a caller sends some are known by the whole of it, that stand for
// other things in our answers.
var (
	ofOurs   = masksFor(`[\w.:%-]*` + secretNames)
	ofCaller = masksFor(`(?:[\w.:%-]*` + secretNames + `|code|pin|otp|key)`)
)

const secretNames = `(?:token|secret|password|passwd|passcode|assertion|authorization|credentials?|(?:api|private)[_-]?key|(?:auth|authorization|device)[_-]?code)`

func masksFor(name string) masks {
	return masks{
		json: regexp.MustCompile(`(?i)"` + name + `"\s*:\s*`),
		text: regexp.MustCompile(`(?is)((?:^|[&\s])` + name + `=)[^&\s]*` + // a form
			`|(<(?:[\w.-]+:)?` + name + `(?:\s[^>]*)?>)(?:<!\[CDATA\[.*?(?:\]\]>|$)|[^<])*` + // XML
			`|(name="?` + name + `"?[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n)[^\r\n]*`), // multipart
	}
}

// mask is a body without the values of members whose names say that they open something.
func (m masks) mask(body string) string {
	var b strings.Builder
	for {
		at := m.json.FindStringIndex(body)
		if at == nil {
			break
		}
		b.WriteString(body[:at[1]])
		body = body[at[1]:]
		n := jsonValue(body)
		if strings.HasPrefix(body, `"`) {
			b.WriteString(`"` + NotShown + `"`)
		} else {
			b.WriteString(NotShown)
		}
		body = body[n:]
	}
	b.WriteString(body)
	return m.text.ReplaceAllString(b.String(), "${1}${2}${3}"+NotShown)
}

// jsonValue is the length of the value that a text begins with, whatever it holds, or of the text if it ends before.
func jsonValue(s string) int {
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quoted && c == '\\':
			i++
		case c == '"':
			if quoted = !quoted; !quoted && depth == 0 {
				return i + 1
			}
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth <= 0 {
				return i + 1 + min(depth, 0) // what closes the object around a number is not the number's
			}
		case depth == 0 && strings.IndexByte(", \t\r\n", c) >= 0:
			return i
		}
	}
	return len(s)
}
