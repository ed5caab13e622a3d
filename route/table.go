package route

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"longlines/app"
	"longlines/number"
)

// ErrNoRoute: no rule and no link can carry the text.
var ErrNoRoute = errors.New("no route")

// table is what decides, in the form in which it is asked: never changed once it is published.
type table struct {
	links   map[string]Link
	rules   map[string]*Rule // by the digits of the prefix: "1425", "" for everything
	longest int              // digits of the longest prefix
	live    []string         // names, oldest link first
	virtual []string
}

func newTable(links []Link, rules []Rule) *table {
	t := &table{links: make(map[string]Link, len(links)), rules: make(map[string]*Rule, len(rules))}
	links = slices.Clone(links)
	slices.SortStableFunc(links, func(a, b Link) int { return int(min(max(a.ID-b.ID, -1), 1)) })
	for _, l := range links {
		t.links[l.Name] = l
		if l.Network == NetworkLive {
			t.live = append(t.live, l.Name)
		} else {
			t.virtual = append(t.virtual, l.Name)
		}
	}
	for _, r := range rules {
		digits := strings.TrimPrefix(r.Prefix, "+")
		t.rules[digits] = &r
		t.longest = max(t.longest, len(digits))
	}
	return t
}

// choice is what the table says: the link, the one to fall back on, and the rule, if one said so.
type choice struct {
	link, fallback string
	rule           *Rule
}

// choose finds the link for a number. The longest prefix wins; a rule whose links do not exist, or
// may not carry the app's texts, is passed over. Where no rule is left:
//
//   - an app of the sandbox level, or of one that is not known, uses the oldest virtual link; a rule that leads to a live one is
//     never followed, so that a trial can never reach a real subscriber;
//   - an app of the production level uses the only live link there is; which of several is for a rule
//     to say, and so is a virtual one.
//
// why, if not nil, is told each step (Explain); routing a text passes nil and pays nothing.
func (t *table) choose(level app.Level, to number.MSISDN, why func(format string, args ...any)) (choice, error) {
	for n := min(len(to), t.longest); n >= 0; n-- {
		r, ok := t.rules[string(to[:n])]
		if !ok {
			continue
		}
		link, fallback := t.usable(level, r.Link), t.usable(level, r.Fallback)
		if why != nil {
			t.tell(level, r, why)
		}
		if link == "" {
			link, fallback = fallback, ""
		}
		if link == "" {
			continue
		}
		if why != nil {
			why("the rule for %s wins: the longest prefix of %s that may be followed", r.Prefix, to)
		}
		return choice{link, fallback, r}, nil
	}
	if why != nil {
		why("no rule is left for %s", to)
	}
	switch {
	case level != app.LevelProduction && len(t.virtual) > 0:
		if why != nil {
			why("apps of the sandbox level use the virtual network: %s", t.virtual[0])
		}
		return choice{link: t.virtual[0]}, nil
	case level != app.LevelProduction:
		return choice{}, fmt.Errorf("%w: apps of the sandbox level reach only the virtual network, and no link leads there", ErrNoRoute)
	case len(t.live) == 1:
		if why != nil {
			why("%s is the only live link", t.live[0])
		}
		return choice{link: t.live[0]}, nil
	case len(t.live) == 0:
		return choice{}, fmt.Errorf("%w: no rule fits, and there is no live link", ErrNoRoute)
	}
	return choice{}, fmt.Errorf("%w: no rule fits, and there are %d live links to choose from", ErrNoRoute, len(t.live))
}

// usable gives the name back if the link exists and may carry texts of apps of the level.
func (t *table) usable(level app.Level, name string) string {
	l, ok := t.links[name]
	if !ok || level != app.LevelProduction && l.Network != NetworkVirtual {
		return ""
	}
	return name
}

// tell says what is wrong with the links of a rule, if anything.
func (t *table) tell(level app.Level, r *Rule, why func(string, ...any)) {
	for _, name := range []string{r.Link, r.Fallback} {
		switch l, ok := t.links[name]; {
		case name == "":
		case !ok:
			why("the rule for %s names %s, which does not exist", r.Prefix, name)
		case t.usable(level, name) == "":
			why("the rule for %s leads to %s, a %s link: not for an app of the %s level", r.Prefix, name, l.Network, level)
		}
	}
}
