package oauthv4

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"longlines/app"
	"longlines/number"
	"longlines/oauth"
)

// ticket is what a form carries in place of a row in the store: nothing is kept until something is
// decided. What is shown and what is granted comes from the ticket alone, never from another member of
// the form (docs/reference/reliability.md T6).
type ticket struct {
	Step   step      `json:"step"`
	Issued time.Time `json:"issued"`
	// Browser is the SHA-256 of the cookie of the browser that the form was given to.
	Browser []byte `json:"browser"`
	// Query is the authorization request in its canonical form, empty on My consents. The values are bytes,
	// because JSON makes six characters of some.
	Query map[string][]byte `json:"query,omitempty"`
	// Redirect is where the page said that the answer goes.
	Redirect string    `json:"redirect,omitempty"`
	Level    app.Level `json:"level"`
	Lang     string    `json:"lang,omitempty"` // as chosen; "": by Accept-Language

	// Subscriber is who signs in, of stepPIN, or is known, of stepConsent and stepList; then How says how.
	Subscriber number.MSISDN `json:"subscriber,omitempty"`
	How        string        `json:"how,omitempty"`
	Remember   bool          `json:"remember,omitempty"` // this browser is to be remembered after the PIN

	// Done is what stepDone tells: key of a message, and the app and the scope it is about.
	Done      string    `json:"done,omitempty"`
	DoneApp   string    `json:"done_app,omitempty"`
	DoneScope app.Scope `json:"done_scope,omitempty"`

	// Once is the ticket's random part. A decision spends it.
	Once [32]byte `json:"-"`
}

// step is what a form asks for.
type step string

const (
	stepNumber  step = "number"
	stepPIN     step = "pin"
	stepConsent step = "consent"
	stepList    step = "list" // My consents
	stepDone    step = "done" // no form: tells My consents what was just done
)

// maxTicket bounds what is looked at; a form's body is no longer than this.
const maxTicket = maxBody

// errTicket is the one answer to a ticket that we have not made.
var errTicket = errors.New("not a ticket")

// tickets seals and opens. Each ticket has a key of its own, derived from its 32 random bytes, so that
// no number of them wears out one key (NIST SP 800-38D §8.3).
type tickets struct{ key []byte }

func (s tickets) aead(once [32]byte) (cipher.AEAD, error) {
	k, err := hkdf.Key(sha256.New, s.key, once[:], "longlines consent form", 32)
	if err != nil {
		return nil, err
	}
	b, err := aes.NewCipher(k)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

// the nonce may be constant, because no key is used twice.
var ticketNonce [12]byte

// seal makes the text of a ticket.
func (s tickets) seal(t ticket) (string, error) {
	plain, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("write a ticket: %w", err)
	}
	var once [32]byte
	rand.Read(once[:])
	a, err := s.aead(once)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(a.Seal(once[:], ticketNonce[:], plain, nil)), nil
}

// open reads a ticket that this platform has sealed. Whether it still holds is asked by [ticket.holds].
func (s tickets) open(text string) (t ticket, err error) {
	if len(text) > maxTicket || strings.ContainsAny(text, "\r\n") { // which the decoder would pass over
		return t, errTicket
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < len(t.Once) {
		return t, errTicket
	}
	var once [32]byte
	copy(once[:], raw)
	a, err := s.aead(once)
	if err != nil {
		return t, err
	}
	plain, err := a.Open(nil, ticketNonce[:], raw[len(once):], nil)
	if err != nil || json.Unmarshal(plain, &t) != nil {
		return ticket{}, errTicket
	}
	t.Once = once
	return t, nil
}

// until is when the form expires.
func (t ticket) until() time.Time { return t.Issued.Add(oauth.FormLife) }

// holds reports whether a form may still be sent, and by this browser.
func (t ticket) holds(browser string, now time.Time) bool {
	h := sha256.Sum256([]byte(browser))
	return subtle.ConstantTimeCompare(h[:], t.Browser) == 1 && now.Before(t.until())
}

// person is who is known.
func (t ticket) person() oauth.Person {
	return oauth.Person{Subscriber: t.Subscriber, Level: t.Level, How: t.How}
}

// query is the authorization request, to be checked again.
func (t ticket) query() url.Values {
	v := make(url.Values, len(t.Query))
	for name, value := range t.Query {
		v[name] = []string{string(value)}
	}
	return v
}

// carried is a request as a ticket carries it. It is what was understood and not what was sent
// ([oauth.Request.Query]), so that a pushed request outlives its address, and nothing else comes along.
func carried(v url.Values) map[string][]byte {
	if len(v) == 0 {
		return nil
	}
	m := make(map[string][]byte, len(v))
	for name := range v {
		m[name] = []byte(v.Get(name))
	}
	return m
}
