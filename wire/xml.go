package wire

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// parseXML reads one XML document. The result is an object with one member,
// the root element, so that it looks like the JSON of the same request.
//
// Namespaces and attributes are not looked at, comments are skipped. Nothing
// that could name another document or define an entity is accepted
// (docs/reference/reliability.md §2.4).
func parseXML(s string, lim Limits) (*Node, error) {
	p := xmlParser{lim: lim}
	p.dec = xml.NewDecoder(strings.NewReader(s))
	p.dec.CharsetReader = sameCharset
	doc := p.nodes.node()
	doc.kind = Object
	if err := p.document(doc); err != nil {
		return nil, unparsable(p.part, err)
	}
	return doc, nil
}

// sameCharset lets the encodings pass whose bytes have been read already: the
// text is UTF-8 by now, whatever the declaration says.
func sameCharset(label string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252":
		return in, nil
	}
	return nil, errCharset
}

type xmlParser struct {
	dec     *xml.Decoder
	lim     Limits
	nodes   slab
	members int
	part    string
}

// document reads the prolog, the root element and what may follow it.
func (p *xmlParser) document(doc *Node) error {
	for {
		at := p.dec.InputOffset()
		tok, err := p.dec.Token()
		if err == io.EOF {
			if doc.first == nil {
				return errEnd
			}
			return nil
		}
		if err != nil {
			return syntax(err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if doc.first != nil {
				return errTrailing
			}
			c, err := p.start(t, 1)
			if err != nil {
				return err
			}
			doc.first = c
			if err := p.content(c, 1); err != nil {
				return err
			}
		case xml.CharData:
			if strings.TrimSpace(string(t)) != "" {
				return errSyntax
			}
		case xml.ProcInst:
			if t.Target != "xml" || at != 0 {
				return errDTD
			}
		case xml.Directive:
			return errDTD
		}
	}
}

func (p *xmlParser) start(t xml.StartElement, depth int) (*Node, error) {
	if depth > p.lim.Depth {
		return nil, errDepth
	}
	if p.members++; p.members > p.lim.Members {
		return nil, errMembers
	}
	p.part = t.Name.Local
	if len(t.Attr) > p.lim.Attributes {
		return nil, errAttrs
	}
	c := p.nodes.node()
	c.name, c.kind = t.Name.Local, String
	return c, nil
}

// content reads an element to its end: with child elements it is an object,
// without it is a string.
func (p *xmlParser) content(n *Node, depth int) error {
	tail := &n.first
	var more []byte // text beyond its first piece: comments cut it into as many as they like
	for {
		tok, err := p.dec.Token()
		if err == io.EOF {
			return errEnd
		}
		if err != nil {
			return syntax(err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			c, err := p.start(t, depth+1)
			if err != nil {
				return err
			}
			n.kind, n.text, more = Object, "", nil
			*tail, tail = c, &c.next
			if err := p.content(c, depth+1); err != nil {
				return err
			}
		case xml.EndElement:
			if more != nil {
				n.text = string(more)
			}
			return nil
		case xml.CharData:
			if n.kind == Object {
				continue // the blanks between elements
			}
			if max(len(n.text), len(more))+len(t) > p.lim.String {
				return errString
			}
			switch {
			case more != nil:
				more = append(more, t...)
			case n.text == "":
				n.text = string(t)
			default:
				more = append(append(make([]byte, 0, 2*(len(n.text)+len(t))), n.text...), t...)
			}
		case xml.ProcInst, xml.Directive:
			return errDTD
		}
	}
}

// syntax says where a reader stopped. Its own words are not for the log: they quote the document, in which
// a secret or a subscriber's text may stand.
func syntax(err error) error {
	var at *xml.SyntaxError
	switch {
	case errors.Is(err, errCharset):
		return errCharset
	case errors.As(err, &at):
		return fmt.Errorf("%w in line %d", errSyntax, at.Line)
	}
	return errSyntax
}
