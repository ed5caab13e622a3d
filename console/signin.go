package console

import (
	"net/http"
	"strings"
)

// signInPage is what the sign-in page shows.
type signInPage struct {
	inline
	Theme string
	Wrong string // what was wrong with the last attempt; "" if there was none
}

// askToken shows the sign-in page. Only at its own address is that what was asked for.
func (x *console) askToken(w http.ResponseWriter, r *http.Request) {
	status := http.StatusUnauthorized
	if r.URL.Path == "/signin" {
		status = http.StatusOK
	}
	x.signInPage(w, r, status, "")
}

func (x *console) signInPage(w http.ResponseWriter, r *http.Request, status int, wrong string) {
	w.Header().Set("Content-Security-Policy", x.signin.policy)
	x.render(w, status, "signin.html", signInPage{x.signin, themeOf(r), wrong})
}

// signIn takes the token from the form.
func (x *console) signIn(w http.ResponseWriter, r *http.Request) {
	if x.csrf.Check(r) != nil {
		x.signInPage(w, r, http.StatusForbidden, "The form was sent from another site. Fill it in here.")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		x.signInPage(w, r, http.StatusBadRequest, "The form could not be read. Try again.")
		return
	}
	token := strings.TrimSpace(r.PostForm.Get("token"))
	if token == "" {
		x.signInPage(w, r, http.StatusUnauthorized, "Paste the admin token first.")
		return
	}
	if !x.Guard.SignIn(w, r, token, "") {
		x.signInPage(w, r, http.StatusUnauthorized, "That is not the admin token of this server.")
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// takeCode takes the code from the link that `longlines serve` prints, and leads to the same page
// without it, so that it stays in no history. Whoever is signed in already needs no code.
func (x *console) takeCode(w http.ResponseWriter, r *http.Request) {
	to := "/"
	if r.URL.Path == "/phones" {
		to = "/phones"
	}
	if x.Guard.SignIn(w, r, "", r.URL.Query().Get("code")) {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	x.Guard.Wrap(http.RedirectHandler(to, http.StatusSeeOther), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x.signInPage(w, r, http.StatusUnauthorized,
			"This link does not sign you in: it is from an earlier start of the server, or was opened on another machine. Use the newest link, or the token.")
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
