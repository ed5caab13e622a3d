package oauthv4

import (
	"errors"
	"maps"
	"net/http"
	"net/url"

	"longlines/api/oauthv4/page"
	"longlines/fault"
	"longlines/gateway"
)

// refusal is the cause of a fault that a subscriber can mend: which words of the pages say it, in which
// language, and where to begin again. To a caller that is no browser the fault itself says enough.
type refusal struct {
	key   string // of the messages
	retry string // "" if there is no way back but through the app
	lang  string // as chosen; "": by Accept-Language
}

func (r *refusal) Error() string { return r.key }

// refuse is a fault with a page of its own. Its description is for whoever reads JSON.
func refuse(status int, description string, r refusal) *fault.Fault {
	f := fault.OAuthRequest.Describe(description).Because(&r)
	f.Status = status
	return f
}

// The pages of refusals.
const (
	problemExpired = "problem.expired" // the form is too old, of another browser, or not ours
	problemUsed    = "problem.used"    // it was sent before
	problemOrigin  = "problem.origin"  // it was sent by another site
	problemApp     = "problem.app"     // the app sent the subscriber here in a wrong way
	problemBusy    = "problem.busy"    // something of ours
)

// problem shows a refusal to a browser: the same status and facts as the JSON has
// (docs/reference/errors.md §1.3).
func (p *pages) problem(c *gateway.Call, f *fault.Fault) ([]byte, http.Header) {
	if c == nil {
		return nil, nil
	}
	v := page.Problem{Status: f.Status, Code: f.Code, Key: problemApp, Detail: f.Description, Link: f.Path(), Request: f.Instance}
	if p.Requests != "" {
		v.Record = p.Requests + f.Instance
	}
	lang := c.URL.Query().Get("lang")
	var own *refusal
	switch {
	case errors.As(f, &own):
		v.Key, v.Retry, v.Code, lang = own.key, own.retry, "", own.lang
	case f.Status >= 500:
		v.Key = problemBusy
	}
	lang = p.language(c, lang)
	return p.Pages.Problem(lang, "", v), header(lang, "")
}

// language is the one that a page is written in.
func (p *pages) language(c *gateway.Call, chosen string) string {
	return p.Pages.Language(chosen, c.Header.Get("Accept-Language"))
}

// guard are the headers of every page: nothing but our own style and images, no frame, no trace in
// other sites' logs, no copy in a cache (docs/reference/reliability.md T6, T7).
var guard = http.Header{
	"X-Frame-Options":            {"DENY"},
	"Referrer-Policy":            {"no-referrer"},
	"Cache-Control":              {"no-store"},
	"X-Content-Type-Options":     {"nosniff"},
	"Cross-Origin-Opener-Policy": {"same-origin"},
	"Permissions-Policy":         {"camera=(), geolocation=(), microphone=(), payment=(), usb=()"},
	"Vary":                       {"Accept, Accept-Language, Cookie"},
}

// header is that of a page in a language. to is where its form may lead in the end, "" if to ourselves
// only.
//
// Browsers built on Chromium hold form-action against the redirects that follow a form too, all of them,
// and an app may send its visitor on from its redirect URI to another host of its own. So the scheme is
// allowed, and not the host alone.
func header(lang, to string) http.Header {
	h := make(http.Header, len(guard)+4)
	maps.Copy(h, guard)
	action := "'self'"
	if u, err := url.Parse(to); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		action += " " + u.Scheme + ":"
	}
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action "+action+
		"; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Content-Language", lang)
	return h
}

// away is a redirect: status 302 after a GET, 303 after a POST, so that a form is not sent on.
func away(c *gateway.Call, location string, h http.Header) gateway.Reply {
	if h == nil {
		h = make(http.Header, 3)
	}
	h.Set("Location", location)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	status := http.StatusFound
	if c.Method == http.MethodPost {
		status = http.StatusSeeOther
	}
	return gateway.Reply{Status: status, Header: h}
}
