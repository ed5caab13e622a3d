package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"
)

// What strangers wrote, a handset's text or the words of a listener, is shown on terminals, which obey some of it
// (docs/reference/reliability.md T21). So nothing that comes from elsewhere is printed but through these.

// printable takes out of what a stranger sent that which a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || shown(r) {
			return r
		}
		return '\uFFFD'
	}, strings.ReplaceAll(s, "\r\n", "\n"))
}

// oneLine is that for a line of a list, which nothing in it may end.
func oneLine(s string) string { return strings.NewReplacer("\n", " ", "\t", " ").Replace(printable(s)) }

// shown reports whether a terminal only shows a character. The two joiners that words and emoji need are shown; what
// turns the direction of a line is not.
func shown(r rune) bool { return unicode.IsGraphic(r) || r == '\u200c' || r == '\u200d' }

// printJSON prints one document, with the same characters as escapes, so that it says what it said.
func (e *env) printJSON(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := e.out.Write(escaped(b.Bytes()))
	return err
}

// escaped is a JSON document with what a terminal would obey as escapes. It stands in strings: all else of a document
// is ASCII.
func escaped(document []byte) []byte {
	out := make([]byte, 0, len(document))
	for _, r := range string(document) {
		switch {
		case r == '\n', r == '\r', r == '\t', shown(r):
			out = append(out, string(r)...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// table prints rows under a head, aligned.
func (e *env) table(head string, rows ...[]string) {
	w := tabwriter.NewWriter(e.out, 2, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(head, " ", "\t"))
	for _, r := range rows {
		cells := make([]string, len(r))
		for i, cell := range r {
			if cells[i] = oneLine(cell); cell == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	w.Flush()
}
