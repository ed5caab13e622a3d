package sms

import (
	"strings"

	"longlines/id"
)

// namePrefix starts the public name of a text: "SMS" and 32 lower-case hexadecimal digits, 128 bits
// that cannot be guessed (docs/reference/sms.md §2).
const namePrefix = "SMS"

// Name is the public id of a text, sent or received.
func (s *Service) Name(n id.Number) string {
	const digits = "0123456789abcdef"
	var b [len(namePrefix) + 32]byte
	copy(b[:], namePrefix)
	for i, c := range s.cfg.Sealer.Seal(n) {
		b[len(namePrefix)+2*i], b[len(namePrefix)+2*i+1] = digits[c>>4], digits[c&15]
	}
	return string(b[:])
}

// ParseName reads a public id in either case, also with the prefix "msg_" of the newer paths. An id
// this store has not given is id.ErrMalformed.
func (s *Service) ParseName(name string) (id.Number, error) {
	name = strings.TrimSpace(name)
	for _, prefix := range [...]string{namePrefix, "msg_"} {
		if len(name) == len(prefix)+32 && strings.EqualFold(name[:len(prefix)], prefix) {
			p, err := id.ParsePublic(name[len(prefix):])
			if err != nil {
				return 0, err
			}
			return s.cfg.Sealer.Open(p)
		}
	}
	return 0, id.ErrMalformed
}
