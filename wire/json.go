package wire

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// parseJSON reads one JSON document (RFC 8259). What it accepts,
// encoding/json accepts with the same content; it refuses more.
func parseJSON(s string, lim Limits) (*Node, error) {
	p := jsonParser{s: s, lim: lim}
	root := p.nodes.node()
	err := p.value(root, 0)
	if err == nil {
		p.space()
		if p.i < len(p.s) {
			err = errTrailing
		}
	}
	if err != nil {
		return nil, unparsable(p.part, err)
	}
	return root, nil
}

type jsonParser struct {
	s       string
	i       int
	lim     Limits
	nodes   slab
	members int
	values  int
	part    string // the member being read, for the fault
}

func (p *jsonParser) space() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\r', '\n':
			p.i++
		default:
			return
		}
	}
}

func (p *jsonParser) value(n *Node, depth int) error {
	p.space()
	if p.i >= len(p.s) {
		return errEnd
	}
	switch c := p.s[p.i]; {
	case c == '{':
		return p.object(n, depth+1)
	case c == '[':
		return p.array(n, depth+1)
	case p.quote(c):
		t, err := p.str()
		n.kind, n.text = String, t
		return err
	case c == 't':
		n.kind = Bool
		return p.literal(n, "true")
	case c == 'f':
		n.kind = Bool
		return p.literal(n, "false")
	case c == 'n':
		err := p.literal(n, "null")
		n.kind, n.text = Null, ""
		return err
	case c == '-' || '0' <= c && c <= '9':
		return p.number(n)
	}
	return errSyntax
}

func (p *jsonParser) quote(c byte) bool {
	return c == '"' || c == '\'' && p.lim.SingleQuotes
}

func (p *jsonParser) literal(n *Node, word string) error {
	if !strings.HasPrefix(p.s[p.i:], word) {
		return errSyntax
	}
	p.i += len(word)
	n.text = word
	return nil
}

func (p *jsonParser) number(n *Node) error {
	start := p.i
	digits := func() bool {
		from := p.i
		for p.i < len(p.s) && '0' <= p.s[p.i] && p.s[p.i] <= '9' {
			p.i++
		}
		return p.i > from
	}
	if p.s[p.i] == '-' {
		p.i++
	}
	if p.i < len(p.s) && p.s[p.i] == '0' {
		p.i++
	} else if !digits() {
		return errSyntax
	}
	if p.i < len(p.s) && p.s[p.i] == '.' {
		p.i++
		if !digits() {
			return errSyntax
		}
	}
	if p.i < len(p.s) && (p.s[p.i] == 'e' || p.s[p.i] == 'E') {
		p.i++
		if p.i < len(p.s) && (p.s[p.i] == '+' || p.s[p.i] == '-') {
			p.i++
		}
		if !digits() {
			return errSyntax
		}
	}
	n.kind, n.text = Number, p.s[start:p.i]
	return nil
}

func (p *jsonParser) array(n *Node, depth int) error {
	if depth > p.lim.Depth {
		return errDepth
	}
	n.kind = Array
	p.i++
	p.space()
	if p.i < len(p.s) && p.s[p.i] == ']' {
		p.i++
		return nil
	}
	tail := &n.first
	for {
		if p.values++; p.values > p.lim.Values {
			return errValues
		}
		c := p.nodes.node()
		*tail, tail = c, &c.next
		if err := p.value(c, depth); err != nil {
			return err
		}
		done, err := p.after(']')
		if done || err != nil {
			return err
		}
	}
}

func (p *jsonParser) object(n *Node, depth int) error {
	if depth > p.lim.Depth {
		return errDepth
	}
	n.kind = Object
	p.i++
	p.space()
	if p.i < len(p.s) && p.s[p.i] == '}' {
		p.i++
		return nil
	}
	tail := &n.first
	var seen map[string]struct{} // only for objects with many members
	for count := 1; ; count++ {
		if p.members++; p.members > p.lim.Members {
			return errMembers
		}
		p.space()
		if p.i >= len(p.s) {
			return errEnd
		}
		if !p.quote(p.s[p.i]) {
			return errSyntax
		}
		name, err := p.str()
		if err != nil {
			return err
		}
		p.part = name
		if seen == nil && count > 16 {
			seen = make(map[string]struct{}, 64)
			for c := n.first; c != nil; c = c.next {
				seen[c.name] = struct{}{}
			}
		}
		if seen != nil {
			if _, ok := seen[name]; ok {
				return errDuplicate
			}
			seen[name] = struct{}{}
		} else {
			for c := n.first; c != nil; c = c.next {
				if c.name == name {
					return errDuplicate
				}
			}
		}
		p.space()
		if p.i >= len(p.s) {
			return errEnd
		}
		if p.s[p.i] != ':' {
			return errSyntax
		}
		p.i++
		c := p.nodes.node()
		c.name = name
		*tail, tail = c, &c.next
		if err := p.value(c, depth); err != nil {
			return err
		}
		done, err := p.after('}')
		if done || err != nil {
			return err
		}
	}
}

// after reads what follows an element: a comma, or the end of the list.
func (p *jsonParser) after(end byte) (done bool, err error) {
	p.space()
	if p.i >= len(p.s) {
		return false, errEnd
	}
	switch p.s[p.i] {
	case ',':
		p.i++
		return false, nil
	case end:
		p.i++
		return true, nil
	}
	return false, errSyntax
}

// str reads a string at its opening quote. One without escapes shares the
// memory of the document.
func (p *jsonParser) str() (string, error) {
	quote := p.s[p.i]
	p.i++
	start := p.i
	for i := start; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == quote:
			p.i = i + 1
			if i-start > p.lim.String {
				return "", errString
			}
			return p.s[start:i], nil
		case c == '\\':
			p.i = i
			return p.escaped(start, quote)
		case c < ' ':
			return "", errSyntax
		}
	}
	return "", errEnd
}

// escaped goes on with a string whose first backslash is at p.i.
func (p *jsonParser) escaped(start int, quote byte) (string, error) {
	b := make([]byte, 0, p.i-start+32)
	b = append(b, p.s[start:p.i]...)
	for p.i < len(p.s) {
		if len(b) > p.lim.String {
			return "", errString
		}
		c := p.s[p.i]
		switch {
		case c == quote:
			p.i++
			return string(b), nil
		case c < ' ':
			return "", errSyntax
		case c != '\\':
			b = append(b, c)
			p.i++
			continue
		}
		if p.i+1 >= len(p.s) {
			return "", errEnd
		}
		c = p.s[p.i+1]
		p.i += 2
		switch c {
		case '"', '\\', '/':
			b = append(b, c)
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, ok := hex4(p.s, p.i)
			if !ok {
				return "", errSyntax
			}
			p.i += 4
			if r == 0 {
				return "", errNUL
			}
			if utf16.IsSurrogate(r) {
				// A pair is one character; half of one is U+FFFD, as
				// encoding/json has it.
				low, ok := hex4(p.s, p.i+2)
				r2 := utf8.RuneError
				if ok && strings.HasPrefix(p.s[p.i:], `\u`) {
					r2 = utf16.DecodeRune(r, low)
				}
				if r2 != utf8.RuneError {
					p.i += 6
				}
				r = r2
			}
			b = utf8.AppendRune(b, r)
		default:
			if c == '\'' && p.lim.SingleQuotes {
				b = append(b, c)
				continue
			}
			return "", errSyntax
		}
	}
	return "", errEnd
}

// hex4 reads four hexadecimal digits at i.
func hex4(s string, i int) (r rune, ok bool) {
	if i+4 > len(s) {
		return 0, false
	}
	for _, c := range []byte(s[i : i+4]) {
		d, ok := unhex(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
