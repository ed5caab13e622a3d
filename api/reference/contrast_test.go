package reference_test

import (
	"math"
	"strconv"
)

// luminance is the relative luminance of a colour such as 0f766e (WCAG 2.2).
func luminance(hex string) float64 {
	v, _ := strconv.ParseUint(hex, 16, 32)
	part := func(shift uint) float64 {
		c := float64(v>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}
