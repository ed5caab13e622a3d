package console

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// signInPage is what the sign-in page shows.
type signInPage struct {
	inline
	Theme string
	Wrong string // what was wrong with the last attempt; "" if there was none
	To    string // the page that was asked for, and comes after the sign-in
}

// askToken shows the sign-in page. Only at its own address is that what was asked for.
func (x *console) askToken(w http.ResponseWriter, r *http.Request) {
	status := http.StatusUnauthorized
	if r.URL.Path == "/signin" {
		status = http.StatusOK
	}
	to := "/"
	if r.Method == http.MethodGet {
		to = landingOf(r.URL)
	}
	x.signInPage(w, r, status, "", to)
}

func (x *console) signInPage(w http.ResponseWriter, r *http.Request, status int, wrong, to string) {
	w.Header().Set("Content-Security-Policy", x.signin.policy)
	x.render(w, status, "signin.html", signInPage{x.signin, themeOf(r), wrong, to})
}

// maxLanding is the longest address that a sign-in leads to, in octets.
const maxLanding = 2 << 10

// landingOf is the page that a sign-in leads to, given what was asked for: a path here, whatever somebody put
// into a link or a form, and never another site. The code of a link does not stay in it. What is no page of
// its own leads to the start.
func landingOf(u *url.URL) string {
	q := u.Query()
	q.Del("code")
	at := (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: q.Encode()}).String()
	switch {
	case u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") || path.Clean(u.Path) != u.Path:
		return "/" // also "//host": a browser takes it for another site
	case len(at) > maxLanding, u.Path == "/signin", u.Path == "/signout", strings.HasPrefix(u.Path, "/console/"):
		return "/"
	case strings.HasPrefix(u.Path, "/phones/"):
		return "/phones" // a page of a phone is another origin, where the policy of the sign-in page lets no form lead
	}
	return at
}

// signIn takes the token from the form.
func (x *console) signIn(w http.ResponseWriter, r *http.Request) {
	if x.csrf.Check(r) != nil {
		x.signInPage(w, r, http.StatusForbidden, "The form was sent from another site. Fill it in here.", "/")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		x.signInPage(w, r, http.StatusBadRequest, "The form could not be read. Try again.", "/")
		return
	}
	to := "/"
	if u, err := url.Parse(r.PostForm.Get("to")); err == nil {
		to = landingOf(u)
	}
	token := strings.TrimSpace(r.PostForm.Get("token"))
	if token == "" {
		x.signInPage(w, r, http.StatusUnauthorized, "Paste the admin token first.", to)
		return
	}
	if !x.Guard.SignIn(w, r, token, "") {
		x.signInPage(w, r, http.StatusUnauthorized, "That is not the admin token of this server.", to)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// takeCode takes the code from the link that `longlines serve` prints, and leads to the same page
// without it, so that it stays in no history. Whoever is signed in already needs no code.
func (x *console) takeCode(w http.ResponseWriter, r *http.Request) {
	to := landingOf(r.URL)
	if x.Guard.SignIn(w, r, "", r.URL.Query().Get("code")) {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	x.Guard.Wrap(http.RedirectHandler(to, http.StatusSeeOther), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x.signInPage(w, r, http.StatusUnauthorized,
			"This link does not sign you in: it is from an earlier start of the server, or was opened on another machine. Use the newest link, or the token.", to)
	})).ServeHTTP(w, r)
}

// signOut forgets the cookie. The guard has checked that the form is our own.
func (x *console) signOut(w http.ResponseWriter, r *http.Request) {
	x.Guard.SignOut(w)
	http.Redirect(w, r, "/signin", http.StatusSeeOther)
}

// themeOf reads the colour scheme that the person chose: "light", "dark", or "" to follow the system.
// It is in a cookie and not in the browser's storage so that the first paint has it.
func themeOf(r *http.Request) string {
	if c, err := r.Cookie("longlines_theme"); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return ""
}
