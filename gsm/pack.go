package gsm

import "errors"

var errSeptets = errors.New("gsm: fewer octets than the septets they should hold")

// FillBits is the number of unused bits between a user data header of so many
// octets, its length octet included, and the first packed septet, which begins on
// a septet boundary (TS 23.040 §9.2.3.24).
func FillBits(udh int) int { return (7 - udh*8%7) % 7 }

// Pack appends septets, one to an octet, to dst in packed form (TS 23.038
// §6.1.2.1.1): eight in seven octets, from the least significant bit on, after
// fill zero bits (0 to 6, see [FillBits]). The high bit of a septet is ignored. The
// receiver must be told the number of septets: bits left over in the last octet
// are zero, and seven of them look like an '@'.
func Pack(dst, septets []byte, fill int) []byte {
	var acc uint32
	n := uint(clampFill(fill))
	for _, s := range septets {
		acc |= uint32(s&0x7F) << n
		for n += 7; n >= 8; n -= 8 {
			dst = append(dst, byte(acc))
			acc >>= 8
		}
	}
	if n > 0 && len(septets) > 0 {
		dst = append(dst, byte(acc))
	}
	return dst
}

// Unpack appends n septets, one to an octet, to dst from their packed form, after
// fill bits (0 to 6). If octets hold fewer, it appends those that are there and
// gives an error. A negative n means as many as there are; then a last septet of
// zeros that ends with the last octet is left out, because it is more likely padding
// than an '@'.
func Unpack(dst, octets []byte, n, fill int) ([]byte, error) {
	fill = clampFill(fill)
	have := max(0, (len(octets)*8-fill)/7)
	var err error
	switch {
	case n < 0:
		n = have
		if n > 0 && fill+n*7 == len(octets)*8 && octets[len(octets)-1]>>1 == 0 {
			n--
		}
	case n > have:
		n, err = have, errSeptets
	}
	for i, bit := 0, fill; i < n; i, bit = i+1, bit+7 {
		at, shift := bit/8, bit%8
		s := octets[at] >> shift
		if shift > 1 {
			s |= octets[at+1] << (8 - shift)
		}
		dst = append(dst, s&0x7F)
	}
	return dst, err
}

func clampFill(fill int) int { return min(max(fill, 0), 6) }
