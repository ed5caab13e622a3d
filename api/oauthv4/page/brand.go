package page

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"longlines/number"
)

// Brand is the operator as subscribers know it.
type Brand struct {
	Name    string // default "Longlines"; at most 30 characters, which a text can carry
	Logo    []byte // SVG or PNG, at most 32 KiB; nil: the name alone
	Color   string // #rrggbb of buttons and links; default the teal of the project
	Support string // address of a help page or a number to call; "" for none
	Terms   string // addresses
	Privacy string
}

const (
	ownName   = "Longlines"
	ownColor  = "#0f766e" // --fill of style.css
	maxLogo   = 32 << 10
	assetPath = "/consents/" // of the assets, beside the page that everybody may open
)

// dress checks the brand, fills in its defaults, and makes the assets in its colour.
func (p *Pages) dress() error {
	b := &p.brand
	if b.Name == "" {
		b.Name = ownName
	}
	// PINs are texts of one segment that name the operator.
	if n := utf8.RuneCountInString(b.Name); n > 30 || b.Name != clean(b.Name) || sevenBit(b.Name) == "" {
		return fmt.Errorf("brand: the name %q must have 30 characters or fewer, of the alphabet of texts", b.Name)
	}
	if b.Logo != nil {
		if p.logoType = logoType(b.Logo); p.logoType == "" || len(b.Logo) > maxLogo {
			return errors.New("brand: the logo must be an SVG or a PNG of 32 KiB or less")
		}
	}
	for what, address := range map[string]string{"terms": b.Terms, "privacy": b.Privacy} {
		if address != "" && !isAddress(address) {
			return fmt.Errorf("brand: %s %q must be an http or https address", what, address)
		}
	}
	switch {
	case b.Support == "":
	case isAddress(b.Support):
		p.support = template.URL(b.Support)
	default:
		m, err := number.ParseMSISDN(b.Support)
		if err != nil {
			return fmt.Errorf("brand: support %q must be an http or https address, or a number to call", b.Support)
		}
		p.support = template.URL("tel:+" + string(m))
	}
	style, _ := files.ReadFile("style.css")
	icon, _ := files.ReadFile("icon.svg")
	if b.Color != "" && !strings.EqualFold(b.Color, ownColor) {
		c, ok := parseColor(b.Color)
		if !ok {
			return fmt.Errorf("brand: the color %q must be written as #rrggbb", b.Color)
		}
		style = append(style, c.properties()...)
		icon = bytes.Replace(icon, []byte(ownColor), []byte(c.String()), 1)
		icon = bytes.Replace(icon, []byte("#ffffff"), []byte(readable(c).String()), 1)
	}
	p.style, p.icon = style, icon
	h := fnv.New64a()
	for _, asset := range [][]byte{style, icon, b.Logo} {
		h.Write(asset)
	}
	p.version = strconv.FormatUint(h.Sum64(), 36)
	return nil
}

func isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// logoType is the media type of a picture, "" for one we do not show.
func logoType(b []byte) string {
	if bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")) {
		return "image/png"
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		t, err := d.Token()
		if err != nil {
			return ""
		}
		if e, ok := t.(xml.StartElement); ok {
			if e.Name.Space == "http://www.w3.org/2000/svg" && e.Name.Local == "svg" {
				return "image/svg+xml"
			}
			return ""
		}
	}
}

// Assets are the style sheet, the icon and the logo, by ServeMux pattern.
func (p *Pages) Assets() map[string]http.Handler {
	out := map[string]http.Handler{
		"GET " + assetPath + "style.css": p.asset("text/css; charset=utf-8", p.style),
		"GET " + assetPath + "icon.svg":  p.asset("image/svg+xml", p.icon),
	}
	if p.brand.Logo != nil {
		out["GET "+assetPath+"logo"] = p.asset(p.logoType, p.brand.Logo)
	}
	return out
}

// asset serves bytes that never change under their address, which carries the version.
func (p *Pages) asset(mediaType string, b []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", mediaType)
		h.Set("Content-Length", strconv.Itoa(len(b)))
		h.Set("X-Content-Type-Options", "nosniff")
		// An SVG that is opened by itself is a document, and could bring a script.
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
		h.Set("Cache-Control", "no-cache")
		if r.URL.RawQuery == p.version {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		w.Write(b)
	})
}
