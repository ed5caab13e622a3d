package route

import (
	"context"
	"errors"
	"fmt"

	"longlines/audit"
	"longlines/fault"
)

// CreateLink keeps a new link, durable on return, and starts it. Settings that cannot be give a
// *[FieldError]; a name that is taken gives [ErrLinkExists].
func (r *Router) CreateLink(ctx context.Context, l Link) (Link, error) {
	l = l.Defaulted()
	l.ID, l.Managed, l.Created = 0, false, r.cfg.Now().UTC()
	if err := l.Check(); err != nil {
		return l, err
	}
	r.change.Lock()
	defer r.change.Unlock()
	return r.put(ctx, l.Name, func(_ Link, taken bool) (Link, error) {
		if taken {
			return l, ErrLinkExists
		}
		return l, nil
	})
}

// UpdateLink replaces the settings of the link of that name. An empty password keeps the one that is
// there. The network cannot change: texts that wait for the link were routed by it.
func (r *Router) UpdateLink(ctx context.Context, l Link) (Link, error) {
	return r.edit(ctx, l.Name, true, func(old Link) (Link, error) {
		l := l.Defaulted()
		l.Managed, l.Created, l.Paused = old.Managed, old.Created, old.Paused
		if l.Password == "" {
			l.Password = old.Password
		}
		if l.Network != old.Network {
			return l, &FieldError{"network", "cannot change; make a new link"}
		}
		return l, l.Check()
	})
}

// PauseLink leaves the centre until [Router.ResumeLink], over restarts; texts wait meanwhile or go
// over the fallback.
func (r *Router) PauseLink(ctx context.Context, name string) (Link, error) {
	return r.edit(ctx, name, false, func(l Link) (Link, error) { l.Paused = true; return l, nil })
}

// ResumeLink ends a pause.
func (r *Router) ResumeLink(ctx context.Context, name string) (Link, error) {
	return r.edit(ctx, name, false, func(l Link) (Link, error) { l.Paused = false; return l, nil })
}

// edit changes a link in the store and then here. guarded refuses links of the configuration.
func (r *Router) edit(ctx context.Context, name string, guarded bool, change func(Link) (Link, error)) (Link, error) {
	r.change.Lock()
	defer r.change.Unlock()
	return r.put(ctx, name, func(l Link, known bool) (Link, error) {
		switch {
		case !known:
			return l, ErrNoLink
		case guarded && l.Managed:
			return l, ErrManaged
		}
		return change(l)
	})
}

// maxTries bounds how often a change is made. Each time but the last another node has come first with one.
const maxTries = 20

// put keeps what change makes of the link of a name, if there is one. If another node has changed that meanwhile, the
// change is made again on what it has left, so that neither undoes the other; fault.Unavailable if that goes on and on.
// The caller holds change.
func (r *Router) put(ctx context.Context, name string, change func(old Link, known bool) (Link, error)) (Link, error) {
	for range maxTries {
		old, known := r.table.Load().links[name]
		l, err := change(old, known)
		if err != nil {
			return l, err
		}
		l.ID, l.Version = old.ID, old.Version
		if l.ID, err = r.cfg.Store.PutLink(ctx, l); err != nil && !errors.Is(err, ErrChanged) {
			return l, fmt.Errorf("keep link %s: %w", l.Name, err)
		}
		l.Version++
		if reloaded := r.reload(ctx); err == nil || reloaded != nil {
			return l, reloaded
		}
	}
	return Link{}, fault.Unavailable.Because(fmt.Errorf("keep link %s: %w", name, ErrChanged))
}

// DeleteLink stops and forgets a link. A rule that names it goes on with its fallback, or is deleted
// if it has none. Texts that wait for the link are routed anew.
func (r *Router) DeleteLink(ctx context.Context, name string) error {
	r.change.Lock()
	defer r.change.Unlock()
	l, ok := r.table.Load().links[name]
	if !ok {
		return ErrNoLink
	}
	if l.Managed {
		return ErrManaged
	}
	return r.forget(ctx, name)
}

// forget deletes a link and what names it, rules first, so that no rule is ever left dangling.
func (r *Router) forget(ctx context.Context, name string) error {
	for _, kept := range r.table.Load().rules {
		rule := *kept // the table is never changed
		if rule.Link != name && rule.Fallback != name {
			continue
		}
		if rule.Link == name {
			rule.Link = rule.Fallback
		}
		rule.Fallback = ""
		var err error
		if rule.Link == "" {
			err = r.cfg.Store.DeleteRule(ctx, rule.Prefix)
		} else {
			_, err = r.cfg.Store.PutRule(ctx, rule)
		}
		if err != nil {
			return fmt.Errorf("rule for %s: %w", rule.Prefix, err)
		}
	}
	if err := r.cfg.Store.DeleteLink(ctx, name); err != nil {
		return fmt.Errorf("delete link %s: %w", name, err)
	}
	return r.reload(ctx)
}

// PutRule keeps a rule; one of the same prefix is replaced. A *[FieldError] names a link that does
// not exist.
func (r *Router) PutRule(ctx context.Context, rule Rule) (Rule, error) {
	rule, err := rule.Normal()
	if err != nil {
		return rule, err
	}
	r.change.Lock()
	defer r.change.Unlock()
	t := r.table.Load()
	for field, name := range map[string]string{"link": rule.Link, "fallback": rule.Fallback} {
		if _, ok := t.links[name]; !ok && name != "" {
			return rule, &FieldError{field, fmt.Sprintf("there is no link %s", name)}
		}
	}
	if old := t.rules[rule.Prefix[1:]]; old != nil {
		rule.ID = old.ID
	}
	if rule.ID, err = r.cfg.Store.PutRule(ctx, rule); err != nil {
		return rule, fmt.Errorf("keep rule for %s: %w", rule.Prefix, err)
	}
	return rule, r.reload(ctx)
}

// DeleteRule forgets the rule of a prefix, or returns [ErrNoRule].
func (r *Router) DeleteRule(ctx context.Context, prefix string) error {
	rule, err := Rule{Prefix: prefix, Link: "any"}.Normal()
	if err != nil {
		return err
	}
	r.change.Lock()
	defer r.change.Unlock()
	if _, ok := r.table.Load().rules[rule.Prefix[1:]]; !ok {
		return ErrNoRule
	}
	if err := r.cfg.Store.DeleteRule(ctx, rule.Prefix); err != nil {
		return fmt.Errorf("delete rule for %s: %w", rule.Prefix, err)
	}
	return r.reload(ctx)
}

// Manage brings in the links and rules of the configuration, at the start: they replace what is kept
// under their names, managed links that are no longer configured are forgotten, and an operator's
// pause stays. The rest is left alone. What changes has an entry in the audit log, but for the virtual
// network's link: that is another with every start, and nobody's doing.
func (r *Router) Manage(ctx context.Context, links []Link, rules []Rule) error {
	configured := map[string]bool{}
	for i, l := range links {
		links[i] = l.Defaulted()
		if err := links[i].Check(); err != nil {
			return fmt.Errorf("link %q: %w", l.Name, err)
		}
		if configured[l.Name] {
			return fmt.Errorf("link %q: %w", l.Name, errors.New("is configured twice"))
		}
		configured[l.Name] = true
	}
	r.change.Lock()
	for name, old := range r.table.Load().links {
		if old.Managed && !configured[name] {
			if err := r.forget(byConfiguration(ctx, "link no longer configured", "link "+name, nil), name); err != nil {
				r.change.Unlock()
				return err
			}
		}
	}
	for _, l := range links {
		l.Managed, l.Created = true, r.cfg.Now().UTC()
		old, known := r.table.Load().links[l.Name]
		l.ID = old.ID
		ctx := ctx
		if l.Network != NetworkVirtual && !(known && old.Managed && sameConnection(old, l)) {
			ctx = byConfiguration(ctx, "link configured", "link "+l.Name, l)
		}
		_, err := r.put(ctx, l.Name, func(old Link, known bool) (Link, error) {
			if known {
				l.Created, l.Paused = old.Created, old.Paused
			}
			return l, nil
		})
		if err != nil {
			r.change.Unlock()
			return err
		}
	}
	r.change.Unlock()
	for _, rule := range rules {
		rule, err := rule.Normal()
		if err != nil {
			return fmt.Errorf("route %q: %w", rule.Prefix, err)
		}
		ctx := ctx
		if old := r.table.Load().rules[rule.Prefix[1:]]; old == nil || old.Link != rule.Link || old.Fallback != rule.Fallback {
			ctx = byConfiguration(ctx, "route configured", "route "+rule.Prefix, rule)
		}
		if _, err := r.PutRule(ctx, rule); err != nil {
			return fmt.Errorf("route %q: %w", rule.Prefix, err)
		}
	}
	return nil
}

// byConfiguration is a context whose change carries the entry that the configuration has made it
// (docs/reference/reliability.md T22).
func byConfiguration(ctx context.Context, action, object string, set any) context.Context {
	e := audit.Entry{Actor: "configuration", Action: action, Object: object}
	if set != nil {
		e.Detail = audit.Detail(set)
	}
	return audit.With(ctx, e)
}

// TestLink tries to reach, bind to and talk with a centre, and tells each step. An empty password is
// that of the link of the same name. Nothing is kept, and a link that runs is not touched; a centre
// that allows its account one bind only will say that it is bound already.
func (r *Router) TestLink(ctx context.Context, l Link) ([]Step, error) {
	l = l.Defaulted()
	if l.Password == "" {
		l.Password = r.table.Load().links[l.Name].Password
	}
	if err := l.Check(); err != nil {
		return nil, err
	}
	if r.cfg.Test == nil {
		return nil, errors.New("links cannot be tested here")
	}
	return r.cfg.Test(ctx, l), nil
}
