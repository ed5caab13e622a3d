package app

import (
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"longlines/number"
)

// Invalid says which member of an app cannot be kept, and why, in words for the person who typed it.
type Invalid struct {
	Field  string // as the command line and the admin API name it: "short_codes"
	Reason string
}

func (e *Invalid) Error() string { return e.Field + ": " + e.Reason }

func invalid(field, format string, args ...any) error {
	return &Invalid{Field: field, Reason: fmt.Sprintf(format, args...)}
}

const (
	maxName       = 64
	maxKey        = 128
	minSecret     = 8
	maxURL        = 2048 // docs/reference/reliability.md §2.4
	maxShortCodes = 100
	maxKeys       = 16 << 10 // bytes of a JWK set: ten RSA keys of 4,096 bits
	maxWait       = 5 * time.Second
	maxQuota      = 1_000_000_000_000
)

// clean brings an app into the form in which it is kept, or says what is wrong with it first.
func clean(a *App) error {
	if wrong := tidy(a); len(wrong) > 0 {
		return wrong[0]
	}
	return nil
}

// tidy brings an app into the form in which it is kept, and says all that is wrong with it.
func tidy(a *App) (wrong []error) {
	note := func(err error) {
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	var err error
	a.Name, err = cleanText("name", a.Name)
	switch {
	case err != nil:
	case a.Name == "":
		err = invalid("name", "is empty")
	case strings.EqualFold(a.Name, OperatorName):
		err = invalid("name", "is what the operator's own texts are listed under")
	}
	note(err)
	a.Owner, err = cleanText("owner", a.Owner)
	note(err)
	note(checkKey(a.Key))
	if !a.Level.Known() {
		note(invalid("level", "%q is not one of %s, %s", a.Level, LevelSandbox, LevelProduction))
	}
	var scopes []Scope
	for _, s := range a.Scopes {
		if !s.Known() {
			note(invalid("scopes", "%q is no scope of the platform", s))
			break
		}
		if !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	a.Scopes = scopes
	a.ShortCodes, err = cleanCodes(a.ShortCodes)
	note(err)
	for _, u := range []struct {
		field string
		value *string
	}{
		{"redirect_uri", &a.RedirectURI},
		{"message_listener", &a.MessageListener},
		{"status_listener", &a.StatusListener},
		{"notification_url", &a.NotificationURL},
	} {
		*u.value, err = cleanURL(u.field, *u.value)
		note(err)
	}
	note(checkBase(a.RedirectURI))
	note(cleanAuth(a))
	if a.WaitForVerdict < 0 || a.WaitForVerdict > maxWait {
		note(invalid("wait_for_verdict", "must be from 0 to %s", maxWait))
	}
	for api, q := range a.Quotas {
		if q.PerMinute < 0 || q.PerDay < 0 || q.PerMinute > maxQuota || q.PerDay > maxQuota {
			note(invalid("quotas", "%q: figures must be from 0 to %d", api, int64(maxQuota)))
			break
		}
	}
	return wrong
}

// answers are the parameters that the answer of an authorization request adds to a redirect URI.
var answers = []string{"code", "error", "error_description", "iss"}

// AnswerIn finds in a redirect URI, or in the part of one that a request adds, what only the answer may hold: a
// parameter of the answer, or code= or error= anywhere. Two of a name are read as the first by some clients and as the
// last by others, so that a link could give an app a code of somebody else's (RFC 9700 §4.5); some frameworks fold case,
// separate by semicolons, and take code[], or code behind a blank, for code; and old clients search the whole address
// (docs/reference/oauth.md §2). It gives what was found, and "" if nothing was. state is not looked for: apps that keep
// theirs in the URI send none.
func AnswerIn(uri string) string {
	_, query, _ := strings.Cut(uri, "?")
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(pair, "=")
		name, _, _ = strings.Cut(unescaped(name), "[")
		if name = strings.ToLower(strings.TrimSpace(name)); slices.Contains(answers, name) {
			return name
		}
	}
	plain := strings.ToLower(unescaped(uri))
	for _, mark := range []string{"code=", "error="} {
		if strings.Contains(plain, mark) {
			return mark
		}
	}
	return ""
}

// checkBase refuses a redirect URI that holds a part of the answer before there is one.
func checkBase(uri string) error {
	if found := AnswerIn(uri); found != "" {
		return invalid("redirect_uri", "must not hold %q, also not at the end of a longer name: that is where clients look for the answer", found)
	}
	return nil
}

// unescaped is a part of an address without percent-encoding; as it is, if that is malformed.
func unescaped(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func cleanCodes(list []number.ShortCode) (codes []number.ShortCode, err error) {
	if len(list) > maxShortCodes {
		return nil, invalid("short_codes", "more than %d", maxShortCodes)
	}
	for _, c := range list {
		code, err := number.ParseShortCode(string(c))
		if err != nil {
			return nil, invalid("short_codes", "%q is not 3 to 8 digits", string(c))
		}
		if !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	return codes, nil
}

// cleanAuth checks that an app has what its way to prove itself needs, and nothing that belongs to
// another. What the keys are is checked by the package that verifies with them ([longlines/oauth]).
func cleanAuth(a *App) error {
	a.Keys = strings.TrimSpace(a.Keys)
	switch a.Auth {
	case AuthSecret:
	case AuthKey:
		switch {
		case a.Keys == "":
			return invalid("keys", "an app with %s needs its public keys, a JWK set", AuthKey)
		case len(a.Keys) > maxKeys:
			return invalid("keys", "are longer than %d bytes", maxKeys)
		case !utf8.ValidString(a.Keys):
			return invalid("keys", "are not UTF-8")
		}
	case AuthNone:
		// Its redirect URI is all that tells it from another app that knows its key (RFC 6749 §3.1.2.2).
		if a.RedirectURI == "" {
			return invalid("redirect_uri", "an app without a secret must register one")
		}
		if a.Introspect {
			return invalid("introspect", "an app without a secret cannot be trusted with others' tokens (RFC 7662 §2.1)")
		}
	default:
		return invalid("auth", "%q is not one of secret, %s, %s", a.Auth, AuthKey, AuthNone)
	}
	if a.Auth != AuthKey && a.Keys != "" {
		return invalid("keys", "belong to an app with %s only", AuthKey)
	}
	return nil
}

// cleanText is the NFKC form of a name that people see, so that two that look alike are alike, without
// what could make it look like something else on a consent page (docs/reference/reliability.md T6).
func cleanText(field, s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", invalid(field, "is not UTF-8")
	}
	if len(s) > 8*maxName { // before it is unfolded: one character may become eighteen
		return "", invalid(field, "is longer than %d characters", maxName)
	}
	s = strings.TrimSpace(norm.NFKC.String(s))
	if utf8.RuneCountInString(s) > maxName {
		return "", invalid(field, "is longer than %d characters", maxName)
	}
	visible := s == ""
	for _, r := range s {
		// Cf holds the bidirectional controls and the invisible joiners.
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Other_Default_Ignorable_Code_Point,
			unicode.Variation_Selector, blank) || r == utf8.RuneError {
			return "", invalid(field, "has the character %U, which cannot be shown", r)
		}
		visible = visible || unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S)
	}
	if !visible {
		return "", invalid(field, "has nothing that can be seen")
	}
	return s, nil
}

// blank are letters and symbols without a picture, beside those that Unicode calls ignorable (UAX 44
// Default_Ignorable_Code_Point; the fillers of Hangul are among them): the fillers of other scripts, Braille
// without a dot, the null notehead.
var blank = &unicode.RangeTable{
	R16: []unicode.Range16{{Lo: 0x2800, Hi: 0x2800, Stride: 1}},
	R32: []unicode.Range32{{Lo: 0x13441, Hi: 0x13442, Stride: 1}, {Lo: 0x16fe4, Hi: 0x16fe4, Stride: 1}, {Lo: 0x1d159, Hi: 0x1d159, Stride: 1}},
}

// CleanName is a name in the form in which an app keeps it; as it is, if it cannot be one.
func CleanName(name string) string {
	if kept, err := cleanText("name", name); err == nil {
		return kept
	}
	return name
}

// checkKey takes what needs no escaping anywhere and can stand before the colon of HTTP Basic
// (RFC 7617 §2).
func checkKey(key string) error {
	if key == "" || len(key) > maxKey {
		return invalid("key", "must have 1 to %d characters", maxKey)
	}
	for _, c := range []byte(key) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~':
		default:
			return invalid("key", "may have letters, digits and - _ . ~ only")
		}
	}
	return nil
}

// noSecret refuses a secret for an app that proves itself otherwise.
func noSecret(a *App) error { return invalid("secret", "an app with %s has none", a.Auth) }

func checkChosen(secret string) error {
	if len(secret) < minSecret || len(secret) > maxSecret {
		return invalid("secret", "must have %d to %d characters", minSecret, maxSecret)
	}
	for _, c := range []byte(secret) {
		if c <= ' ' || c > '~' {
			return invalid("secret", "may have printable ASCII only")
		}
	}
	return nil
}

// cleanURL takes an absolute http or https URL without user, fragment, dot segment, backslash or
// encoded slash (docs/reference/oauth.md §2). Where it may lead is checked when it is dialled.
func cleanURL(field, s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", nil
	}
	if len(s) > maxURL {
		return "", invalid(field, "is longer than %d characters", maxURL)
	}
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Host == "", u.Hostname() == "":
		return "", invalid(field, "is no absolute URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", invalid(field, "must begin with http:// or https://")
	case u.User != nil:
		return "", invalid(field, "must not carry a user")
	case u.Fragment != "" || strings.Contains(s, "#"):
		return "", invalid(field, "must not have a fragment")
	}
	low := strings.ToLower(u.EscapedPath())
	if strings.ContainsAny(s, "\\\x00\r\n\t ") || strings.Contains(low, "%2f") || strings.Contains(low, "%5c") {
		return "", invalid(field, "has a backslash, a blank or an encoded slash")
	}
	for seg := range strings.SplitSeq(u.Path, "/") {
		if seg == "." || seg == ".." {
			return "", invalid(field, "has a dot segment")
		}
	}
	return s, nil
}

// LogValue is what a log shows of an app.
func (a *App) LogValue() slog.Value {
	return slog.GroupValue(slog.Int64("id", int64(a.ID)), slog.String("name", a.Name))
}
