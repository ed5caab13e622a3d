package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	strict "github.com/go-jose/go-jose/v4/json"

	"longlines/app"
	"longlines/number"
)

// Enrichment says who the trusted proxy of the carrier's data network is (docs/reference/reliability.md
// T2). The proxy knows each device's subscriber and adds to every request an assertion: a compact JWS
// (RFC 7515 §7.1) signed with HS256, of at most 2 KiB, with the claims
//
//	iss   the proxy's name, [Enrichment.Issuer]
//	sub   the subscriber, "tel:+14255550100"
//	host  the request's Host
//	path  its path as it is on the request line, without query
//	addr  the device's address
//	iat, exp  at most 60 s apart
//	jti   16 to 64 characters of letters, digits and -._~+/=, never used before
//
// Each of them must be there, once. Others are not looked at.
type Enrichment struct {
	Issuer string
	Key    []byte    // shared with the proxy, 32 bytes at least
	Level  app.Level // whose subscribers come this way: sandbox for the virtual network's
}

const (
	maxEnrichment  = 2 << 10 // bytes
	enrichmentLife = 60 * time.Second
	// enrichmentSkew is how far the proxy's clock and ours may be apart.
	enrichmentSkew                   = 5 * time.Second
	minEnrichmentID, maxEnrichmentID = 16, 64
	minEnrichmentKey                 = 32 // as long as the hash (RFC 7518 §3.2)
)

// asserted are the claims. The dates are NumericDates, which may have fractions (RFC 7519 §2).
type asserted struct {
	Issuer  string   `json:"iss"`
	Subject string   `json:"sub"`
	Host    string   `json:"host"`
	Path    string   `json:"path"`
	Device  string   `json:"addr"`
	Issued  *float64 `json:"iat"`
	Expires *float64 `json:"exp"`
	ID      string   `json:"jti"`
}

// OnNetwork checks an assertion against the request that carried it, and spends it. ok is false for one
// that is wrong in any way, with why for the log, which quotes nothing of it; err is the store's.
func (s *Subscribers) OnNetwork(ctx context.Context, e Enrichment, assertion, host, path string, device netip.Addr) (who Person, ok bool, why error, err error) {
	c, why := e.verify(assertion)
	if why != nil {
		return Person{}, false, why, nil
	}
	m, why := c.check(s.now(), e.Issuer, host, path, device)
	if why != nil {
		return Person{}, false, why, nil
	}
	// Last, so that only what the proxy has signed for this request takes room in the store.
	first, err := s.store.Once(ctx, c.once(), c.until())
	if err != nil {
		return Person{}, false, nil, fmt.Errorf("spend an assertion of the enrichment proxy: %w", err)
	}
	if !first {
		return Person{}, false, errors.New("the assertion was used before"), nil
	}
	return Person{Subscriber: m, Level: e.Level, How: HowOnNetwork}, true, nil, nil
}

// Assert makes the assertion that the proxy adds to a request of a subscriber's device. It is what an
// operator's proxy has to do, in Go. It fails only if the key is too short.
func (e Enrichment) Assert(now time.Time, sub number.MSISDN, host, path string, device netip.Addr) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: e.Key}, nil)
	if err != nil {
		return "", fmt.Errorf("sign an assertion: %w", err)
	}
	issued := float64(now.Unix())
	expires := issued + enrichmentLife.Seconds()
	claims, err := json.Marshal(asserted{Issuer: e.Issuer, Subject: sub.Tel(), Host: host, Path: path,
		Device: device.Unmap().String(), Issued: &issued, Expires: &expires, ID: rand.Text()})
	if err != nil {
		return "", fmt.Errorf("sign an assertion: %w", err)
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return "", fmt.Errorf("sign an assertion: %w", err)
	}
	return signed.CompactSerialize()
}

// verify reads the claims of a text that the holder of the key has signed. The library's own errors are
// not passed on, because they quote the text.
func (e Enrichment) verify(assertion string) (c asserted, why error) {
	switch {
	case e.Issuer == "" || len(e.Key) < minEnrichmentKey:
		return c, errors.New("no enrichment proxy is known")
	case assertion == "":
		return c, errors.New("there is no assertion")
	case len(assertion) > maxEnrichment:
		return c, fmt.Errorf("the assertion is longer than %d bytes", maxEnrichment)
	case !compact(assertion):
		return c, errors.New("the assertion is not a compact JWS")
	}
	j, err := jose.ParseSignedCompact(assertion, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return c, errors.New("the assertion is not a JWS signed with HS256")
	}
	// The library understands one extension (RFC 7797), which would let the payload be signed in another
	// form; the proxy has no use for any.
	for name := range j.Signatures[0].Protected.ExtraHeaders {
		if name == "crit" || name == "b64" {
			return c, errors.New("the assertion's header has a critical extension")
		}
	}
	payload, err := j.Verify(e.Key)
	if err != nil {
		return c, errors.New("the assertion's signature does not fit")
	}
	// The library's JSON refuses a name that is there twice and compares names as they are written: no two
	// readers can take different claims from one text.
	if err := strict.Unmarshal(payload, &c); err != nil {
		return asserted{}, errors.New("the assertion's claims are not one JSON object with each name once")
	}
	return c, nil
}

// compact reports whether a text is three parts of base64url, spelled the one way that encoders spell
// it. Decoders pass over line ends and left-over bits, and with them one assertion would have many texts.
func compact(s string) bool {
	parts := 0
	for part := range strings.SplitSeq(s, ".") {
		parts++
		if part == "" || strings.ContainsAny(part, "\r\n") {
			return false
		}
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return false
		}
	}
	return parts == 3
}

// check compares the claims with the request, and gives the subscriber.
func (c *asserted) check(now time.Time, issuer, host, path string, device netip.Addr) (m number.MSISDN, why error) {
	m, err := number.ParseMSISDN(c.Subject)
	addr, badAddr := netip.ParseAddr(c.Device)
	switch {
	case c.Issuer != issuer:
		return "", errors.New("iss is another proxy's")
	// Only the one spelling: a lenient reading could make another subscriber of a slip.
	case err != nil || m.Tel() != c.Subject:
		return "", errors.New("sub is not a number as tel:+14255550100 is")
	case c.Host == "" || c.Host != host:
		return "", errors.New("host is another than the request's")
	case c.Path == "" || c.Path != path:
		return "", errors.New("path is another than the request's")
	case badAddr != nil || !device.IsValid() || addr.Unmap() != device.Unmap():
		return "", errors.New("addr is another than the device's")
	case len(c.ID) < minEnrichmentID || len(c.ID) > maxEnrichmentID || strings.Trim(c.ID, enrichmentIDs) != "":
		return "", fmt.Errorf("jti is not %d to %d of the characters allowed", minEnrichmentID, maxEnrichmentID)
	}
	return m, c.inTime(now)
}

// enrichmentIDs are those that UUIDs, base64 and base64url are made of.
const enrichmentIDs = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

func (c *asserted) inTime(at time.Time) error {
	if c.Issued == nil || c.Expires == nil {
		return errors.New("iat or exp is missing")
	}
	// Compared as they came: a date beyond what an integer holds would turn into another.
	now, skew := float64(at.UnixMilli())/1000, enrichmentSkew.Seconds()
	switch life := *c.Expires - *c.Issued; {
	case life <= 0 || life > enrichmentLife.Seconds():
		return fmt.Errorf("exp is not within %s after iat", enrichmentLife)
	case *c.Issued > now+skew:
		return errors.New("iat is to come")
	case *c.Expires+skew <= now:
		return errors.New("exp is over")
	}
	return nil
}

// once names the assertion among all that may happen once.
func (c *asserted) once() [32]byte {
	return sha256.Sum256([]byte("on-network\x00" + c.Issuer + "\x00" + c.ID))
}

// until is when the assertion can no longer be used, and need not be remembered.
func (c *asserted) until() time.Time {
	return time.Unix(int64(*c.Expires)+1, 0).Add(enrichmentSkew)
}
