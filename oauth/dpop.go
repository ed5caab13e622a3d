package oauth

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"longlines/fault"
)

const (
	maxProof = 4 << 10 // bytes; with an RSA key of 4,096 bits it takes 1.8 KiB
	// proofLife is how long a proof may be on its way (RFC 9449 §11.1).
	proofLife = 60 * time.Second
	// proofSpan is how long proofs may be issued that are remembered together, see [proofs]: as long as one is
	// taken, from skew before its iat to proofLife after it.
	proofSpan = proofLife + skew
	// maxProofs bounds what is remembered of one span to some 40 MB.
	maxProofs = 1_000_000
)

// Proof checks a DPoP proof (RFC 9449 §4.3) for a method and an address, whose query is not looked at,
// and, with an access token, that it is for that token. It returns the thumbprint of its key (RFC 7638,
// SHA-256). A proof is taken once. Its errors are fault.ProofInvalid, described by what is wrong, and
// Unavailable when more proofs were taken in the last minute than can be remembered.
func (s *Service) Proof(proof, method, address, access string) (key [32]byte, err error) {
	now := s.now()
	key, c, err := checkProof(proof, method, address, access, now)
	if err != nil {
		return [32]byte{}, badProof(err)
	}
	first, err := s.proofs.first(key, c.ID, c.IssuedAt.Time(), now)
	switch {
	case err != nil:
		return [32]byte{}, err
	case !first:
		return [32]byte{}, badProof(errors.New("it was used before"))
	}
	return key, nil
}

func badProof(err error) *fault.Fault {
	return fault.ProofInvalid.Describe(fault.ProofInvalid.Description + ": " + err.Error())
}

// checkProof are the rules of RFC 9449 §4.3 but for the single use, which comes last, so that a proof
// that is refused is not spent.
func checkProof(proof, method, address, access string, now time.Time) (key [32]byte, c claims, err error) {
	j, err := parseJWS(proof, maxProof)
	if err != nil {
		return key, c, err
	}
	h := j.Signatures[0].Protected
	if typ, _ := h.ExtraHeaders[jose.HeaderType].(string); typ != "dpop+jwt" {
		return key, c, errors.New("typ is not dpop+jwt")
	}
	if h.JSONWebKey == nil {
		return key, c, errors.New("jwk is missing")
	}
	if err := checkKey(*h.JSONWebKey); err != nil {
		return key, c, err
	}
	c, err = parseClaims(j.UnsafePayloadWithoutVerification())
	if err != nil {
		return key, c, err
	}
	sum := sha256.Sum256([]byte(access))
	switch {
	case c.Method != method:
		return key, c, errors.New("htm is not the method of the request")
	case !sameAddress(c.URL, address):
		return key, c, errors.New("htu is not the address of the request")
	case c.IssuedAt == nil:
		return key, c, errors.New("iat is missing")
	case access != "" && c.Access != base64.RawURLEncoding.EncodeToString(sum[:]):
		return key, c, errors.New("ath is not the hash of the access token")
	}
	if err := c.inTime(now, proofLife); err != nil {
		return key, c, err
	}
	if err := verify(j, h.JSONWebKey.Key); err != nil {
		return key, c, errors.New("the signature is not that of the jwk")
	}
	t, err := h.JSONWebKey.Thumbprint(crypto.SHA256)
	if err != nil {
		return key, c, errors.New("the jwk has no thumbprint")
	}
	copy(key[:], t)
	return key, c, nil
}

// sameAddress compares two addresses after normalisation (RFC 9449 §4.3 rule 9, RFC 3986 §6.2.2 and
// §6.2.3), without query and fragment.
func sameAddress(a, b string) bool {
	a, ok1 := normalize(a)
	b, ok2 := normalize(b)
	return ok1 && ok2 && a == b
}

func normalize(address string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return "", false
	}
	host, port := strings.ToLower(u.Host), u.Port()
	switch {
	case port == "":
		host = strings.TrimSuffix(host, ":")
	case u.Scheme == "http" && port == "80", u.Scheme == "https" && port == "443":
		host = strings.TrimSuffix(host, ":"+port)
	}
	// Besides dot segments, double and final slashes go, because the gateway serves such spellings as the
	// path without them, and one published kit writes them.
	return u.Scheme + "://" + host + path.Clean("/"+unescaped(u.EscapedPath())), true
}

// unescaped undoes the escapes that need not be, and writes the others in capitals (RFC 3986 §6.2.2.1,
// §6.2.2.2). p is well-formed.
func unescaped(p string) string {
	if !strings.Contains(p, "%") {
		return p
	}
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] != '%' {
			b.WriteByte(p[i])
			continue
		}
		esc := strings.ToUpper(p[i : i+3])
		i += 2
		if s, err := url.PathUnescape(esc); err == nil && strings.Contains(unreserved, s) {
			b.WriteString(s)
		} else {
			b.WriteString(esc)
		}
	}
	return b.String()
}

const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// proofs remembers which proofs were taken, by key and jti, until they would be refused for their iat. They are kept
// by that, a span together, and not by when they came: the clock may be set back, and come to a proof's time again.
// Only one that is set back beyond what is kept opens them once more.
//
// It is this node only, because RFC 9449 §11.1 lets a server bound what it keeps, and a proof that is caught on its
// way to one node is good for one more call, with the same method, address and token, on each other node, and on
// this one if it starts anew, within that minute. We give no nonces (§8), which would cost each client a request
// more.
//
// Nothing is forgotten early: else who floods us with proofs of their own could make room for a replay of
// another's.
type proofs struct {
	mu    sync.Mutex
	taken map[int64]map[proofID]struct{} // by iat, in spans since 1970; two of them but for clocks that were set
}

type proofID [16]byte

// first reports whether the proof is new. A jti is unique for its key: another client may happen on it.
func (p *proofs) first(key [32]byte, jti string, issued, now time.Time) (bool, error) {
	sum := sha256.Sum256(append(key[:], jti...))
	id, span := proofID(sum[:16]), spanOf(issued)
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.taken[span]
	if taken == nil {
		oldest := spanOf(now.Add(-proofLife)) // of the proofs that are still taken
		maps.DeleteFunc(p.taken, func(span int64, _ map[proofID]struct{}) bool { return span < oldest })
		if p.taken == nil {
			p.taken = map[int64]map[proofID]struct{}{}
		}
		taken = map[proofID]struct{}{}
		p.taken[span] = taken
	}
	if _, seen := taken[id]; seen {
		return false, nil
	}
	if len(taken) >= maxProofs {
		return false, fault.Unavailable.Because(errors.New("more proofs than can be remembered"))
	}
	taken[id] = struct{}{}
	return true, nil
}

func spanOf(t time.Time) int64 { return t.Unix() / int64(proofSpan/time.Second) }
