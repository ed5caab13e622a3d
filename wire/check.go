package wire

import (
	"strconv"
	"strings"

	"longlines/fault"
)

// The checks below read one member and raise SVC0002 or SVC0003 with the name
// of the part as the published table spells it: Message for the member
// message (docs/reference/errors.md §3).

// Text is a mandatory text. Missing, null and empty are MissingParameter;
// what is no text is BadParameter.
func Text(n *Node, name, part string) (string, error) {
	c := n.Get(name)
	switch {
	case c == nil, c.kind == Null, c.kind == String && c.text == "":
		return "", fault.MissingParameter.With(part)
	case c.kind != String:
		return "", fault.BadParameter.With(part)
	}
	return c.text, nil
}

// OptionalText is a text that may be missing; then it is "".
func OptionalText(n *Node, name, part string) (string, error) {
	c := n.Get(name)
	if c == nil || c.kind == Null {
		return "", nil
	}
	if c.kind != String {
		return "", fault.BadParameter.With(part)
	}
	return c.text, nil
}

// Flag is an optional boolean, false if missing, in every spelling that
// Node.Bool reads.
func Flag(n *Node, name, part string) (bool, error) {
	v, ok := n.Bool(name)
	if !ok {
		return false, fault.BadParameter.With(part)
	}
	return v, nil
}

// Int is an optional whole number from least to most, given as a number or as
// text; present is false if it is missing, null or empty.
func Int(n *Node, name, part string, least, most int) (v int, present bool, err error) {
	c := n.Get(name)
	t := strings.TrimSpace(c.Text())
	switch {
	case c == nil, c.kind == Null, c.kind == String && t == "":
		return 0, false, nil
	case c.kind != Number && c.kind != String:
		return 0, false, fault.BadParameter.With(part)
	}
	v, err = strconv.Atoi(t)
	if err != nil || v < least || v > most {
		return 0, false, fault.BadParameter.With(part)
	}
	return v, true, nil
}

// OneOf is an optional text from a list, "" if missing. It is read without
// regard to the case of letters and returned as the list spells it; anything
// else is NotAllowedValue.
func OneOf(n *Node, name, part string, allowed ...string) (string, error) {
	c := n.Get(name)
	if c == nil || c.kind == Null || c.kind == String && c.text == "" {
		return "", nil
	}
	if c.kind == String {
		t := strings.TrimSpace(c.text)
		for _, a := range allowed {
			if strings.EqualFold(a, t) {
				return a, nil
			}
		}
	}
	return "", NotAllowed(part, allowed...)
}

// NotAllowed is the fault for a value that is not one of the allowed.
func NotAllowed(part string, allowed ...string) error {
	return fault.NotAllowedValue.With(append([]string{part}, allowed...)...)
}
