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
	maxHeaders = 4 << 10
	maxHeader  = 512
	maxDetail  = 8 << 10 // of a body
)

// notShown stands for what must not be seen.
const notShown = "[not shown]"

// wire shows the request and its answer as they were, but for what must not be seen: tokens,
// credentials and cookies, and the bodies of the OAuth paths, which hold both.
func (x *exchange) wire() string {
	var b strings.Builder
	b.WriteString(shownMethod(x.r) + " " + shownPath(x.r.URL))
	if x.r.URL.RawQuery != "" {
		b.WriteString("?" + notShown)
	}
	b.WriteString(" HTTP/1.1\n")
	if x.r.Host != "" {
		b.WriteString("Host: " + clip(x.r.Host, maxHeader) + "\n")
	}
	headers(&b, x.r.Header, shownOfCaller)
	x.body(&b, x.call.Body)
	b.WriteString("\n\nHTTP/1.1 " + strconv.Itoa(x.out.status) + " " + http.StatusText(x.out.status) + "\n")
	headers(&b, x.Header(), shownOfOurs)
	x.body(&b, x.out.body)
	return b.String()
}

func (x *exchange) body(b *strings.Builder, body []byte) {
	switch {
	case len(body) == 0:
	case x.Header().Get("Content-Type") == typeHTML[0] && &body[0] != first(x.call.Body):
		b.WriteString("\n[" + strconv.Itoa(len(body)) + " bytes of a page, not shown]")
	case x.dialect == wire.DialectOAuth && x.fault == nil, x.dialect == wire.DialectOAuth && len(x.call.Body) > 0 && &body[0] == &x.call.Body[0]:
		b.WriteString("\n[" + strconv.Itoa(len(body)) + " bytes with credentials, not shown]")
	default:
		b.WriteString("\n" + masked(strings.ToValidUTF8(string(body[:min(len(body), maxDetail)]), "\uFFFD")))
		if len(body) > maxDetail {
			b.WriteString("\n[" + strconv.Itoa(len(body)) + " bytes in all]")
		}
	}
}

// first is the address of a body.
func first(b []byte) *byte {
	if len(b) == 0 {
		return nil
	}
	return &b[0]
}

// shownMethod and shownPath are the request line as records show it.
func shownMethod(r *http.Request) string { return clip(r.Method, maxMethod) }

// shownPath is the path as it was sent, escapes and all, so that it stays one line. A query that somebody took for a part of
// it, or parameters of a segment (RFC 3986 §3.3), may hold a token: it is shown up to there.
func shownPath(u *url.URL) string {
	p := u.EscapedPath()
	for i := range len(p) {
		if strings.IndexByte("?;&=", p[i]) >= 0 {
			return clip(p[:i], maxPath) + notShown
		}
		if p[i] == '%' && i+3 <= len(p) {
			switch strings.ToUpper(p[i : i+3]) {
			case "%3F", "%3B", "%26", "%3D":
				return clip(p[:i], maxPath) + notShown
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
				if v = notShown; found && n == "Authorization" {
					v = clip(scheme, maxMethod) + " " + notShown
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

// secretNames are the members of bodies that are not shown, by the end of their name.
const secretNames = `(?:token|secret|password|passwd|passcode|assertion|authorization|credentials?|api[_-]?key|private[_-]?key)`

var secretMembers = []*regexp.Regexp{
	regexp.MustCompile(`(?i)("[\w.:-]*` + secretNames + `"\s*:\s*\[?\s*")((?:[^"\\]|\\.)*)`), // JSON
	regexp.MustCompile(`(?i)((?:^|[&\s])[\w.%-]*` + secretNames + `=)([^&\s]*)`),             // a form
	regexp.MustCompile(`(?i)(<(?:[\w.-]+:)?[\w.-]*` + secretNames + `(?:\s[^>]*)?>)([^<]*)`), // XML
	regexp.MustCompile(`(?i)(name="?[\w.-]*` + secretNames + `"?[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n)([^\r\n]*)`),
}

// masked is a body without the values of members whose names say that they open something.
func masked(body string) string {
	for _, r := range secretMembers {
		body = r.ReplaceAllString(body, "${1}"+notShown)
	}
	return body
}
