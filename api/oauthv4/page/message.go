package page

import (
	"fmt"
	"html"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"longlines/app"
	"longlines/gsm"
)

// messages are the texts of one language by key. A text may hold names in braces, "{app}", which are
// replaced by values.
type messages map[string]string

// html is a message as markup: the text escaped, the values escaped and isolated from it (UAX #9).
// pairs are names and values; a value that is markup already stands as it is.
func (m messages) html(key string, pairs ...any) (template.HTML, error) {
	text, ok := m[key]
	if !ok {
		return "", fmt.Errorf("no message %q", key)
	}
	return template.HTML(fill(html.EscapeString(text), pairs, func(v any) string {
		if v, ok := v.(template.HTML); ok {
			return string(v)
		}
		return "<bdi>" + html.EscapeString(fmt.Sprint(v)) + "</bdi>"
	})), nil
}

// plain is a message as text, for where there is no markup; the values are isolated by characters.
func (m messages) plain(key string, pairs ...any) string {
	return fill(m[key], pairs, func(v any) string { return "\u2068" + fmt.Sprint(v) + "\u2069" })
}

// fill puts values into a text. What a value holds is not looked at again: a name may have braces.
func fill(text string, pairs []any, show func(any) string) string {
	if len(pairs) == 0 {
		return text
	}
	list := make([]string, 0, len(pairs))
	for i := 0; i+1 < len(pairs); i += 2 {
		list = append(list, "{"+pairs[i].(string)+"}", show(pairs[i+1]))
	}
	return strings.NewReplacer(list...).Replace(text)
}

// permission is a scope in words that a subscriber understands.
type permission struct {
	Scope   app.Scope
	Icon    string
	Title   template.HTML
	May     string
	MayNot  string // "" for nothing to say
	Allowed bool   // before
}

// grants are the scopes that open what the words about another scope say is not included.
var grants = map[app.Scope][]app.Scope{
	"IMMN":              {"MIM"},
	"MOBO":              {"MIM"},
	"MIM":               {"IMMN", "MOBO"},
	"SMS":               {"IMMN", "MOBO", "MIM"},
	"MMS":               {"IMMN", "MOBO", "MIM"},
	"WEBRTC":            {"WEBRTCMOBILE"},
	"CMS":               {"WEBRTCMOBILE"},
	"EMERGENCYSERVICES": {"TL"},
	"AAB":               {"IMMN", "MOBO", "WEBRTCMOBILE"},
	"ADS":               {"IMMN", "MOBO", "MIM", "WEBRTCMOBILE"},
}

// permission finds the words for a scope; one that has none is shown by its name, with caution. beside are all scopes
// that the app would have: what one of them opens is not called left out.
func (m messages) permission(s app.Scope, allowed bool, beside ...app.Scope) permission {
	key := "scope." + string(s)
	if _, ok := m[key+".title"]; !ok {
		key = "scope.other"
	}
	title, _ := m.html(key+".title", "scope", clean(string(s)))
	not := m[key+".may_not"]
	if slices.ContainsFunc(grants[s], func(g app.Scope) bool { return slices.Contains(beside, g) }) {
		not = ""
	}
	return permission{Scope: s, Icon: icons[key], Title: title, May: m[key+".may"], MayNot: not, Allowed: allowed}
}

// hidden shows what a number leaves out.
var hidden = strings.NewReplacer("****", " •••• ", "*", "•")

// number shows a masked number so that its hidden part is seen as such, and heard as left out.
func (m messages) number(masked string) template.HTML {
	tail := masked[len(strings.TrimRight(masked, "0123456789")):]
	ending, _ := m.html("masked", "digits", tail)
	seen := strings.Join(strings.Fields(hidden.Replace(masked)), "\u00a0")
	return template.HTML(`<span class="number"><span aria-hidden="true">`+html.EscapeString(seen)+`</span><span class="sr">`) + ending + `</span></span>`
}

// date shows a time to the minute, with its zone.
func (m messages) date(t time.Time) template.HTML {
	month := strings.Fields(m["date.months"])[t.Month()-1]
	text := fill(m["date"], []any{"month", month, "day", strconv.Itoa(t.Day()), "year", strconv.Itoa(t.Year()), "time", t.Format("15:04 MST")},
		func(v any) string { return v.(string) })
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `">` + html.EscapeString(text) + `</time>`)
}

// agent says which browser it is; the words come from oauth.Agent, "Chrome on Android".
func (m messages) agent(text string) template.HTML {
	browser, system, ok := strings.Cut(clean(text), " on ")
	var out template.HTML
	if ok {
		out, _ = m.html("browsers.agent", "browser", browser, "system", system)
	} else {
		out, _ = m.html("browsers.some")
	}
	return out
}

// link is a part of a sentence that leads elsewhere. It opens beside the page, which holds a form.
func link(to string, text template.HTML) template.HTML {
	return template.HTML(`<a href="`+html.EscapeString(to)+`" target="_blank" rel="noopener">`) + text + `</a>`
}

// maxName is how many characters of a name are shown.
const maxName = 48

// clean makes a name of a stranger's safe to show: one line, no control or direction characters, not
// endless.
func clean(s string) string { return cut(line(s), maxName, "…") }

// line is clean without an end: of a host, the end is what counts.
func line(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	return strings.Map(func(r rune) rune {
		// Format characters, but for the joiners that some scripts spell with.
		if r == utf8.RuneError || unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d' {
			return -1
		}
		return r
	}, s)
}

// cut shortens a text to so many characters, of which mark is the last.
func cut(s string, most int, mark string) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	r := []rune(s)
	return strings.TrimSpace(string(r[:most-utf8.RuneCountInString(mark)])) + mark
}

func shown(a *App) *App {
	return &App{Name: clean(a.Name), Owner: clean(a.Owner), Site: line(a.Site), Sandbox: a.Sandbox}
}

func name(a *App) string {
	if a == nil {
		return ""
	}
	return a.Name
}

// Initial stands for an app that has no picture.
func (a App) Initial() string {
	for _, r := range a.Name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return "?"
}

// PINText is the text that carries a PIN; app is "" for My consents. It fits one segment: a name of an
// app that would not is cut, or left out where the alphabet of texts (TS 23.038 §6.2.1) lacks its
// letters. The PIN stands behind the twenty characters that a receipt quotes (SMPP v3.4 appendix B).
func (p *Pages) PINText(lang, app, pin string, life time.Duration) string {
	m := p.speak(lang)
	pairs := []any{"pin", pin, "brand", sevenBit(p.brand.Name), "minutes", strconv.Itoa(max(1, int(life.Minutes())))}
	say := func(key string, more ...any) string {
		return fill(m[key], append(more, pairs...), func(v any) string { return v.(string) })
	}
	app = sevenBit(clean(app))
	for n := utf8.RuneCountInString(app); n > 3; n-- {
		text := say("pin.text.app", "app", cut(app, n, "..."))
		if alphabet, _, segments := gsm.Count(text); alphabet == gsm.GSM7 && segments == 1 {
			return text
		}
	}
	if n := utf8.RuneCountInString(app); n > 0 && n <= 3 {
		return say("pin.text.app", "app", app)
	}
	return say("pin.text")
}

// sevenBit writes a name in the letters of a text, "Café Ílex" as "Café Ilex": accents go where the
// alphabet has none, and if that does not help the answer is "".
func sevenBit(s string) string {
	var b strings.Builder
	for _, r := range norm.NFC.String(strings.ReplaceAll(s, "…", "...")) {
		if gsm.Encodable7(string(r)) {
			b.WriteRune(r)
			continue
		}
		base, _ := utf8.DecodeRuneInString(norm.NFD.String(string(r)))
		if !gsm.Encodable7(string(base)) {
			return ""
		}
		b.WriteRune(base)
	}
	return b.String()
}
