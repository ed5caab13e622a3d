package wire

import (
	"iter"
	"strings"
)

// Kind says what a node was in the document.
type Kind uint8

// The kinds of node. Forms and XML have only strings and objects.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// Node is one value of a document that was read: a scalar, a list, or an
// object with named members. All methods may be called on a nil Node, which is
// a value that is not there.
//
// A name is looked up as written first, then without regard to the case of
// letters. An XML element or form field that is repeated is several members of
// one name.
type Node struct {
	name  string
	text  string // of a scalar: the string, the literal of a number, true or false
	first *Node  // of an array or object
	next  *Node  // sibling
	kind  Kind
}

// Kind is what the node was; Null for a node that is not there.
func (n *Node) Kind() Kind {
	if n == nil {
		return Null
	}
	return n.kind
}

// Name is the name of the member; empty for elements of an array.
func (n *Node) Name() string {
	if n == nil {
		return ""
	}
	return n.name
}

// Text is the content of a scalar as it was written: a string without its
// quotes, the literal of a number, true or false. Null, arrays and objects
// have none.
func (n *Node) Text() string {
	if n == nil {
		return ""
	}
	return n.text
}

// Children are the elements of an array or the members of an object, in order.
func (n *Node) Children() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		if n == nil {
			return
		}
		for c := n.first; c != nil; c = c.next {
			if !yield(c) {
				return
			}
		}
	}
}

// Len is the number of children.
func (n *Node) Len() int {
	l := 0
	for range n.Children() {
		l++
	}
	return l
}

// Root is the member under which the API expects the request, by any of its
// names, or the node itself if there is none: some clients leave the root out
// (docs/reference/sms.md §2).
func (n *Node) Root(names ...string) *Node {
	for _, name := range names {
		if c := n.Get(name); c != nil {
			return c
		}
	}
	return n
}

// Get is the first member of that name, or nil.
func (n *Node) Get(name string) *Node {
	if n == nil || n.kind != Object {
		return nil
	}
	for c := n.first; c != nil; c = c.next {
		if c.name == name {
			return c
		}
	}
	for c := n.first; c != nil; c = c.next {
		if strings.EqualFold(c.name, name) {
			return c
		}
	}
	return nil
}

// Has reports whether there is a member of that name, be it null or empty.
func (n *Node) Has(name string) bool { return n.Get(name) != nil }

// Str is the text of a scalar member, and whether the member is there at all.
// A null and an empty string are both there and "".
func (n *Node) Str(name string) (s string, present bool) {
	c := n.Get(name)
	return c.Text(), c != nil
}

// Bool reads a boolean member in any of the spellings of the clients: the JSON
// literals, and "true", "False", "1", "0" as text
// (docs/reference/in-app-messaging.md §1). ok is false if the member is there
// and is none of these; one that is missing, null or empty is false and ok.
func (n *Node) Bool(name string) (value, ok bool) {
	c := n.Get(name)
	if c == nil || c.kind == Null {
		return false, true
	}
	t := strings.TrimSpace(c.text)
	switch {
	case c.kind == Array || c.kind == Object:
		return false, false
	case t == "1", strings.EqualFold(t, "true"):
		return true, true
	case t == "", t == "0", strings.EqualFold(t, "false"):
		return false, true
	}
	return false, false
}

// Values are the values of a list member in whatever way the client writes
// lists: an array, repeated elements or fields, one string with commas
// (docs/reference/sms.md §2). What is no string, a null among them, is an
// empty value, so that it is counted and not overlooked. Values are not
// trimmed, because a blank may once have been a plus.
func (n *Node) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if n == nil || n.kind != Object {
			return
		}
		for c := n.first; c != nil; c = c.next {
			if c.name != name && !strings.EqualFold(c.name, name) {
				continue
			}
			switch c.kind {
			case Array:
				for e := c.first; e != nil; e = e.next {
					v := e.text
					if e.kind != String {
						v = ""
					}
					if !yield(v) {
						return
					}
				}
			case String:
				rest, more := c.text, true
				for more {
					var v string
					v, rest, more = strings.Cut(rest, ",")
					if !yield(v) {
						return
					}
				}
			default:
				if !yield("") {
					return
				}
			}
		}
	}
}

// Strings is Values as a slice, trimmed; nil if there is no such member, empty
// for an empty array.
func (n *Node) Strings(name string) []string {
	if !n.Has(name) {
		return nil
	}
	list := []string{}
	for v := range n.Values(name) {
		list = append(list, strings.TrimSpace(v))
	}
	return list
}

// slab hands out nodes from blocks: one allocation for a usual request, and no
// block larger than what has been asked for so far.
type slab struct {
	free  []Node
	block int
}

func (s *slab) node() *Node {
	if len(s.free) == 0 {
		s.block = min(max(8, 2*s.block), 256)
		s.free = make([]Node, s.block)
	}
	n := &s.free[0]
	s.free = s.free[1:]
	return n
}
