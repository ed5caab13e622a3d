package page

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// color is red, green and blue of sRGB, 0 to 1 each.
type color [3]float64

// The grounds of style.css that text in the colour of the brand stands on, and the ink of its buttons.
var (
	lightGrounds = []color{mustColor("#ffffff"), mustColor("#f8fafc"), mustColor("#f1f5f9")}
	darkGrounds  = []color{mustColor("#121b2d"), mustColor("#0e1626"), mustColor("#0b1220")}
	white        = mustColor("#ffffff")
	black        = color{}
	ink          = mustColor("#0b1220")
)

func parseColor(s string) (color, bool) {
	if len(s) != 7 || s[0] != '#' {
		return color{}, false
	}
	v, err := strconv.ParseUint(s[1:], 16, 32)
	if err != nil {
		return color{}, false
	}
	return color{float64(v>>16) / 255, float64(v>>8&0xff) / 255, float64(v&0xff) / 255}, true
}

func mustColor(s string) color {
	c, ok := parseColor(s)
	if !ok {
		panic(s)
	}
	return c
}

func (c color) String() string {
	b := func(v float64) int { return int(math.Round(min(1, max(0, v)) * 255)) }
	return fmt.Sprintf("#%02x%02x%02x", b(c[0]), b(c[1]), b(c[2]))
}

// luminance and contrast are those of WCAG 2.2.
func (c color) luminance() float64 {
	part := func(v float64) float64 {
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*part(c[0]) + 0.7152*part(c[1]) + 0.0722*part(c[2])
}

func contrast(a, b color) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// mix is so much of other in c.
func (c color) mix(other color, share float64) color {
	for i := range c {
		c[i] += (other[i] - c[i]) * share
	}
	return c
}

// vivid is the brightest colour of the same hue and saturation; white alone would make it pale.
func (c color) vivid() color {
	most := max(c[0], c[1], c[2])
	if most == 0 {
		return c
	}
	return color{c[0] / most, c[1] / most, c[2] / most}
}

// legible moves a colour toward an end until it can be read on every ground, no further (WCAG 2.2 §1.4.3:
// 4.5 to 1, and a little more for the rounding to 8 bits).
func (c color) legible(end color, grounds ...color) color {
	poor := func(c color) bool {
		return slices.ContainsFunc(grounds, func(g color) bool { return contrast(c, g) < 4.55 })
	}
	moved := c
	for share := 0.01; share < 1 && poor(moved); share += 0.01 {
		moved = c.mix(end, share)
	}
	return moved
}

// readable is white, ink or black: the first that can be read on the ground. On some grounds of middling
// light, neither white nor ink can.
func readable(ground color) color {
	for _, c := range []color{white, ink} {
		if contrast(c, ground) >= 4.5 {
			return c
		}
	}
	return black
}

// properties are the custom properties that style.css takes its accent from, in both themes. By day
// buttons have the colour as it is, for a brand is known by it; lines and text, and everything by night,
// have it moved until it can be read.
func (c color) properties() string {
	soft := white.mix(c, 0.1)
	accent := c.legible(black, append([]color{soft}, lightGrounds...)...)
	nightSoft := darkGrounds[0].mix(c, 0.14)
	nightGrounds := append([]color{nightSoft}, darkGrounds...)
	night := c.legible(c.vivid(), nightGrounds...).legible(white, nightGrounds...)
	return "\n:root { " + theme(accent, soft, c) + " }\n@media (prefers-color-scheme: dark) { :root { " + theme(night, nightSoft, night) + " } }\n"
}

func theme(accent, soft, button color) string {
	text, pressed := readable(button), white
	if text == white {
		pressed = black
	}
	return fmt.Sprintf("--accent: %s; --accent-soft: %s; --fill: %s; --fill-strong: %s; --on-fill: %s;",
		accent, soft, button, button.mix(pressed, 0.15), text)
}
