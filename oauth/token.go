package oauth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"

	"longlines/id"
)

const (
	rawLen  = 16 + 32        // sealed name and random bytes
	textLen = rawLen / 3 * 4 // base64url without padding
)

// mint makes the text of a token for a row, and the hash that the row keeps.
func mint(s *id.Sealer, n id.Number) (text string, hash [32]byte) {
	var raw [rawLen]byte
	name := s.Seal(n)
	copy(raw[:], name[:])
	rand.Read(raw[len(name):])
	return string(base64.RawURLEncoding.AppendEncode(make([]byte, 0, textLen), raw[:])), sha256.Sum256(raw[:])
}

// parse finds the row that a token's text names, and the hash to compare with the row's. A text
// that this store has not made fails here, without a query.
func parse(s *id.Sealer, text string) (n id.Number, hash [32]byte, ok bool) {
	if len(text) != textLen {
		return 0, hash, false
	}
	var src [textLen]byte
	var raw [rawLen]byte
	copy(src[:], text)
	if m, err := base64.RawURLEncoding.Decode(raw[:], src[:]); err != nil || m != rawLen {
		return 0, hash, false
	}
	n, err := s.Open(id.Public(raw[:16]))
	if err != nil {
		return 0, hash, false
	}
	return n, sha256.Sum256(raw[:]), true
}
