package oauth

import (
	"net/netip"
	"strconv"
	"strings"

	"longlines/app"
	"longlines/fault"
)

// maxRedirect is how long a redirect_uri may be, registered or asked for
// (docs/reference/reliability.md §2.4).
const maxRedirect = 2048

// mayRedirect reports whether a redirect_uri is one of the app's (docs/reference/oauth.md §2). A public
// app has nothing but the URI to tell it from another app that uses its key, so its URI is compared byte
// for byte; on the loopback interface the port may differ, because the system draws it
// (RFC 8252 §7.3). That is for 127.0.0.1 and [::1] only: a name may be resolved to elsewhere.
func mayRedirect(a *app.App, given string) bool {
	switch {
	case a.RedirectURI == "":
		return false
	case given == a.RedirectURI:
		return true
	case !a.Public():
		return underBase(a.RedirectURI, given)
	}
	base, ok1 := splitURI(a.RedirectURI)
	u, ok2 := splitURI(given)
	return ok1 && ok2 && base.scheme == "http" && (base.host == "127.0.0.1" || base.host == "[::1]") &&
		u.host == base.host && strings.HasPrefix(given, "http://"+base.host) && u.tail == base.tail
}

// underBase reports whether a URI is at or under a registered base: scheme, host and port equal, the path
// equal or continued at a slash, the query of the base, if it has one, kept in front of whatever follows.
// What two parsers could read differently is refused, not interpreted.
func underBase(base, given string) bool {
	b, ok1 := splitURI(base)
	u, ok2 := splitURI(given)
	if !ok1 || !ok2 || u.scheme != b.scheme || u.host != b.host || u.port != b.port {
		return false
	}
	rest, ok := strings.CutPrefix(u.path, b.path)
	if !ok || rest != "" && rest[0] != '/' && !strings.HasSuffix(b.path, "/") {
		return false
	}
	extra, ok := strings.CutPrefix(u.query, b.query)
	if !ok || b.query != "" && extra != "" && extra[0] != '&' {
		return false
	}
	return app.AnswerIn(rest+"?"+extra) == ""
}

// uri is a redirect URI in its parts, as they are compared.
type uri struct {
	scheme string // http or https
	host   string // lower case
	port   string // as a number; "" for the scheme's own, whether it was written or not (RFC 3986 §6.2.3)
	path   string // from the first slash; "/" if there is none (§6.2.3)
	query  string // behind the question mark
	tail   string // path and query as written
}

// splitURI reads an absolute http or https URI of the plain kind: ASCII, no user, no fragment, no
// backslash, no blank or control character, no dot segment, no encoded slash, dot or percent sign in the
// path, a path that does not begin with two slashes. ok is false for any other. It looks at the text
// itself and not at a parsed URL, because what a parser repairs, a browser may repair differently
// (docs/reference/reliability.md T5).
func splitURI(s string) (u uri, ok bool) {
	if len(s) > maxRedirect {
		return uri{}, false
	}
	scheme, rest, ok := strings.Cut(s, "://")
	u.scheme = strings.ToLower(scheme)
	if !ok || u.scheme != "http" && u.scheme != "https" {
		return uri{}, false
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	u.tail = rest[end:]
	if u.host, u.port, ok = splitAuthority(u.scheme, rest[:end]); !ok {
		return uri{}, false
	}
	u.path, u.query, _ = strings.Cut(u.tail, "?")
	if u.path == "" {
		u.path = "/"
	}
	if !plainPath(u.path) || !uriText(u.query, "/?[]") {
		return uri{}, false
	}
	return u, true
}

// splitAuthority reads host and port. A host is a name of letters, digits, "-", "." and "_", or an IP
// address; so there is no user, no percent-encoding, and no character that looks like another.
func splitAuthority(scheme, s string) (host, port string, ok bool) {
	host = strings.ToLower(s)
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host, port = host[:i], host[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", "", false
		}
	}
	if scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		port = ""
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		ip, err := netip.ParseAddr(inner)
		return host, port, ok && err == nil && ip.Is6() && ip.Zone() == ""
	}
	for _, b := range []byte(host) {
		if b == '~' || !isUnreserved(b) {
			return "", "", false
		}
	}
	return host, port, host != ""
}

// plainPath reports whether a path can be read in one way only.
func plainPath(path string) bool {
	if strings.HasPrefix(path, "//") || !uriText(path, "/") {
		return false
	}
	for seg := range strings.SplitSeq(path, "/") {
		// "..;x" is a dot segment to servers that know path parameters.
		name, _, _ := strings.Cut(seg, ";")
		if name == "." || name == ".." {
			return false
		}
		for i := 0; i+2 < len(seg); i++ {
			if seg[i] != '%' {
				continue
			}
			switch b := unhex(seg[i+1])<<4 | unhex(seg[i+2]); {
			case b < ' ', b == 0x7f, b == '.', b == '/', b == '\\', b == ';', b == '%':
				return false
			}
		}
	}
	return true
}

// uriText reports whether s is made of pchar (RFC 3986 §3.3) and the characters of more.
func uriText(s, more string) bool {
	for i := 0; i < len(s); i++ {
		b := s[i]
		switch {
		case isUnreserved(b), strings.IndexByte("!$&'()*+,;=:@", b) >= 0, strings.IndexByte(more, b) >= 0:
		case b == '%' && i+2 < len(s) && ishex(s[i+1]) && ishex(s[i+2]):
			i += 2
		default:
			return false
		}
	}
	return true
}

// isUnreserved is RFC 3986 §2.3.
func isUnreserved(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '.' || b == '_' || b == '~'
}

func ishex(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}

func unhex(b byte) byte {
	switch {
	case b <= '9':
		return b - '0'
	case b <= 'F':
		return b - 'A' + 10
	}
	return b - 'a' + 10
}

// success is the answer that carries a code (RFC 6749 §4.1.2): state, iss (RFC 9207), and code last,
// because the published Android client takes everything behind "code=" (docs/reference/oauth.md §2).
func (s *Service) success(r Request, code string) string {
	return answer(r.Redirect, [][2]string{{"state", r.State}, {"iss", s.issuer}, {"code", code}})
}

// Refuse is the answer that carries a refusal to the app (RFC 6749 §4.1.2.1): error, error_description,
// state, iss.
func (s *Service) Refuse(r Request, f *fault.Fault) *Redirected {
	return &Redirected{Fault: f, To: answer(r.Redirect, [][2]string{
		{"error", f.Code}, {"error_description", f.Description}, {"state", r.State}, {"iss", s.issuer}})}
}

// answer adds parameters to a redirect URI; empty ones are left out. Everything that is not unreserved is
// percent-encoded, so a state that contains "code=" is not taken for a code by clients that search the
// URL for it, and no value ends the header (docs/reference/reliability.md T7).
func answer(redirect string, members [][2]string) string {
	var b strings.Builder
	escape(&b, redirect, func(c byte) bool { return ' ' < c && c < 0x7f }) // a registered one may have letters beyond ASCII
	sep := byte('?')
	if strings.Contains(redirect, "?") {
		sep = '&'
		if strings.HasSuffix(redirect, "?") || strings.HasSuffix(redirect, "&") {
			sep = 0
		}
	}
	for _, m := range members {
		if m[1] == "" {
			continue
		}
		if sep != 0 {
			b.WriteByte(sep)
		}
		sep = '&'
		b.WriteString(m[0])
		b.WriteByte('=')
		escape(&b, m[1], isUnreserved)
	}
	return b.String()
}

func escape(b *strings.Builder, s string, keep func(byte) bool) {
	const hex = "0123456789ABCDEF"
	for _, c := range []byte(s) {
		if keep(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
}
