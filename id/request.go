package id

import "encoding/binary"

// RequestPrefix starts the name of a request.
const RequestPrefix = "req_"

// Request names an HTTP request: "req_" and a ULID, whose first 48 bits are the milliseconds since
// 1970 as everywhere, and whose rest holds the remaining bits of the Number, so that the record is
// found without an index, and a check, so that a slip of the pen is noticed. A request's name is a
// reference for support, not a capability: whoever reads a record must hold the admin token.
func Request(n Number) string {
	var b [16]byte
	ms := uint64(n.Time().UnixMilli())
	binary.BigEndian.PutUint64(b[:8], ms<<16|uint64(n>>counterBits&(1<<nodeBits-1)))
	binary.BigEndian.PutUint64(b[8:], uint64(n&(1<<counterBits-1))<<48|mix(n)>>16)
	var out [len(RequestPrefix) + 26]byte
	copy(out[:], RequestPrefix)
	encodeULID(out[len(RequestPrefix):], b)
	return string(out[:])
}

// ParseRequest is the way back from [Request].
func ParseRequest(s string) (Number, error) {
	if len(s) != len(RequestPrefix)+26 || s[:len(RequestPrefix)] != RequestPrefix {
		return 0, ErrMalformed
	}
	b, ok := decodeULID(s[len(RequestPrefix):])
	if !ok {
		return 0, ErrMalformed
	}
	head := binary.BigEndian.Uint64(b[:8])
	ms := int64(head>>16) - Epoch.UnixMilli()
	if ms < 0 {
		return 0, ErrMalformed
	}
	n := ms<<(nodeBits+counterBits) | int64(head&(1<<nodeBits-1))<<counterBits | int64(binary.BigEndian.Uint16(b[8:10]))
	if binary.BigEndian.Uint64(b[8:])&(1<<48-1) != mix(Number(n))>>16 {
		return 0, ErrMalformed
	}
	return Number(n), nil
}

// mix spreads a number's bits (the finalizer of splitmix64).
func mix(n Number) uint64 {
	x := uint64(n) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// encodeULID writes 128 bits as 26 digits, the first of which carries 3 bits.
func encodeULID(dst []byte, b [16]byte) {
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	for i := 25; i >= 0; i-- {
		dst[i] = digits[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
}

func decodeULID(s string) (b [16]byte, ok bool) {
	var hi, lo uint64
	for i := 0; i < len(s); i++ {
		v := ulidDigit(s[i])
		if v < 0 || i == 0 && v > 7 {
			return b, false
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(v)
	}
	binary.BigEndian.PutUint64(b[:8], hi)
	binary.BigEndian.PutUint64(b[8:], lo)
	return b, true
}

func ulidDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'z':
		c -= 'a' - 'A'
	}
	const letters = "ABCDEFGHJKMNPQRSTVWXYZ"
	for i := 0; i < len(letters); i++ {
		if letters[i] == c {
			return 10 + i
		}
	}
	return -1
}
