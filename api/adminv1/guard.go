package adminv1

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Guard lets in who holds the admin token: as a bearer (command line, scripts) or, for a person's
// browser, as a cookie that a sign-in gave. There is no default password: the token is made at the
// first start (docs/reference/reliability.md T22).
//
// A person signs in with the token itself, or by the link that `longlines serve` prints: it carries
// a code of this process that is taken only from this machine, so the token never stands in a URL.
type Guard struct {
	token  string
	code   string
	cookie string
	csrf   *http.CrossOriginProtection
}

// CookieName is the browser's proof of a sign-in.
const CookieName = "longlines_admin"

// NewGuard returns the guard of one process.
func NewGuard(token string) *Guard {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("console cookie"))
	return &Guard{token: token, code: rand.Text(), cookie: hex.EncodeToString(mac.Sum(nil)), csrf: http.NewCrossOriginProtection()}
}

// Code is what the link of `longlines serve` carries.
func (g *Guard) Code() string { return g.code }

// Wrap serves next to whom the guard lets in, and denied to others.
//
// A browser on this machine can be made to send requests here by any page it shows. So a request
// with the cookie must come from our own origin (Sec-Fetch-Site, Origin), and on a loopback listener
// must name a loopback host, or a name that resolves here would do (DNS rebinding).
func (g *Guard) Wrap(next, denied http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if bearer, ok := bearerOf(r); ok {
			if equal(bearer, g.token) {
				next.ServeHTTP(w, r)
				return
			}
			denied.ServeHTTP(w, r)
			return
		}
		c, err := r.Cookie(CookieName)
		if err != nil || !equal(c.Value, g.cookie) || g.csrf.Check(r) != nil || !hostFits(r) {
			denied.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// SignIn checks a token or a code that a person gave and, if it is good, sets the cookie.
func (g *Guard) SignIn(w http.ResponseWriter, r *http.Request, token, code string) bool {
	fromHere := false
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		fromHere = ap.Addr().IsLoopback()
	}
	if !hostFits(r) || !(equal(token, g.token) || fromHere && equal(code, g.code)) {
		return false
	}
	http.SetCookie(w, &http.Cookie{Name: CookieName, Value: g.cookie, Path: "/", HttpOnly: true, Secure: r.TLS != nil,
		SameSite: http.SameSiteLaxMode, MaxAge: int((30 * 24 * time.Hour).Seconds())})
	return true
}

// SignOut forgets the cookie.
func (g *Guard) SignOut(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: CookieName, Path: "/", HttpOnly: true, MaxAge: -1})
}

// Denied answers a client that is no browser; [Problems] gives it its whole form.
var Denied = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("WWW-Authenticate", `Bearer realm="longlines admin"`)
	w.WriteHeader(http.StatusUnauthorized)
	json.NewEncoder(w).Encode(map[string]any{
		"title": "Unauthorized", "status": http.StatusUnauthorized,
		"detail": "the admin token is needed: Authorization: Bearer …; it stands in the ready file and in admin-token of the data directory",
	})
})

func bearerOf(r *http.Request) (string, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

// equal compares secrets; an empty one is none.
func equal(a, b string) bool { return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// hostFits reports whether the Host of a request that reached a loopback address is one.
func hostFits(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		return true
	}
	ap, err := netip.ParseAddrPort(local.String())
	if err != nil || !ap.Addr().IsLoopback() {
		return true
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}
