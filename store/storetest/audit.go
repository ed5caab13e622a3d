package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"longlines/app"
	"longlines/audit"
	"longlines/oauth"
	"longlines/route"
	"longlines/sms"
	"longlines/store"
)

// given is the entry of a subscriber's yes.
var given = audit.Entry{Actor: "subscriber +14255550100", Action: "consent given", Object: "app pizza", Detail: `{"scopes":"SMS"}`, Request: "01J"}

// verified checks that the chain is whole, and counts its entries.
func verified(t *testing.T, s *store.Store) int64 {
	t.Helper()
	n, bad, ok, err := s.VerifyAudit(t.Context())
	if err != nil || !ok {
		t.Fatalf("the chain breaks after %d entries at %+v, %v", n, bad, err)
	}
	return n
}

func audited(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	if n := verified(t, s); n != 0 {
		t.Errorf("%d entries before any change", n)
	}
	pizza := app.App{Name: "pizza", Key: "k1", Level: app.LevelSandbox, Created: now()}
	link := route.Link{Name: "east", Kind: "smpp"}
	rule := route.Rule{Prefix: "1", Link: "east"}
	form := approval(s, 7, handset, "SMS")
	for _, c := range []struct {
		name   string
		change func(ctx context.Context) error
		want   bool // an entry
	}{
		{"an app", func(ctx context.Context) error { _, err := s.PutApp(ctx, pizza); return err }, true},
		{"an app whose name is taken", func(ctx context.Context) error {
			_, err := s.PutApp(ctx, app.App{Name: "pizza", Key: "k2"})
			if !errors.Is(err, app.ErrTaken) {
				t.Errorf("taken: %v", err)
			}
			return nil
		}, false},
		{"an app that is not there", func(ctx context.Context) error {
			if _, err := s.PutApp(ctx, app.App{ID: 99, Name: "x", Key: "k3"}); err == nil {
				t.Error("changed an app that is not there")
			}
			return nil
		}, false},
		{"a link", func(ctx context.Context) error { _, err := s.PutLink(ctx, link); return err }, true},
		{"a link whose name is taken", func(ctx context.Context) error {
			if _, err := s.PutLink(ctx, link); !errors.Is(err, route.ErrChanged) {
				t.Errorf("taken: %v", err)
			}
			return nil
		}, false},
		{"the end of a link", func(ctx context.Context) error { return s.DeleteLink(ctx, "east") }, true},
		{"the end of a link that is not there", func(ctx context.Context) error { return s.DeleteLink(ctx, "east") }, false},
		{"a rule", func(ctx context.Context) error { _, err := s.PutRule(ctx, rule); return err }, true},
		{"the end of a rule", func(ctx context.Context) error { return s.DeleteRule(ctx, "1") }, true},
		{"the end of a rule that is not there", func(ctx context.Context) error { return s.DeleteRule(ctx, "1") }, false},
		{"an opt-out", func(ctx context.Context) error {
			return s.SetOptOut(ctx, sms.OptOut{App: 7, From: handset})
		}, true},
		{"a consent", func(ctx context.Context) error { return s.Approve(ctx, form) }, true},
		{"a form that was taken", func(ctx context.Context) error {
			if err := s.Approve(ctx, form); !errors.Is(err, oauth.ErrUsed) {
				t.Errorf("taken: %v", err)
			}
			return nil
		}, false},
		{"a consent of somebody else withdrawn", func(ctx context.Context) error {
			_, _, err := s.Withdraw(ctx, pizzeria, "14255550199", form.Consent.ID, nil, oauth.BySubscriber)
			return err
		}, false},
		{"a consent withdrawn", func(ctx context.Context) error {
			_, _, err := s.Withdraw(ctx, pizzeria, handset, form.Consent.ID, nil, oauth.BySubscriber)
			return err
		}, true},
		{"what is no change of what is kept in the audit", func(ctx context.Context) error {
			_, err := s.Once(ctx, [32]byte{1}, now())
			return errors.Join(err, s.EditSignIn(ctx, app.LevelSandbox, handset, func(*oauth.SignIn) error { return nil }))
		}, false},
		{"a change of a request that has ended", func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			if _, err := s.PutRule(ctx, rule); err == nil {
				t.Error("changed")
			}
			return nil
		}, false},
	} {
		before := verified(t, s)
		carrying := audit.With(ctx, audit.Entry{Actor: "admin", Action: c.name, Object: "x"})
		if err := c.change(carrying); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if n := verified(t, s) - before; (n == 1) != c.want || n > 1 {
			t.Errorf("%s: %d entries", c.name, n)
		}
		if _, due := audit.From(carrying); due == c.want {
			t.Errorf("%s: the entry is still due: %v", c.name, due)
		}
		// The change of one entry is one change.
		before = verified(t, s)
		if c.want {
			_, err := s.PutRule(carrying, route.Rule{Prefix: "9", Link: "east"})
			must(t, err)
			if n := verified(t, s); n != before {
				t.Errorf("%s: the entry was kept twice", c.name)
			}
		}
	}

	list := get[[]audit.Entry](t)(s.Audit(ctx, audit.Filter{Limit: 2}))
	if len(list) != 2 || list[0].Action != "a consent withdrawn" || list[1].Action != "a consent" || list[0].Prev != list[1].Hash {
		t.Errorf("the newest: %+v", list)
	}
	older := get[[]audit.Entry](t)(s.Audit(ctx, audit.Filter{Before: list[1].Seq, Limit: 1}))
	if len(older) != 1 || older[0].Action != "an opt-out" {
		t.Errorf("the page behind: %+v", older)
	}
	odd := given
	odd.At, odd.Object, odd.Detail = now().Add(-time.Hour), "app odd", "a\x00\xffb"
	_, err := s.PutRule(audit.With(ctx, odd), rule)
	must(t, err)
	verified(t, s)
	list = get[[]audit.Entry](t)(s.Audit(ctx, audit.Filter{Object: "app odd"}))
	if len(list) != 1 || !list[0].At.Equal(odd.At) || list[0].Actor != given.Actor || list[0].Request != "01J" || list[0].Detail != "a\uFFFD\uFFFDb" {
		t.Errorf("by object: %+v", list)
	}
	odd.Actor, odd.Object = "subscriber +14255550101", "app other"
	_, err = s.PutRule(audit.With(ctx, odd), rule)
	must(t, err)
	for f, want := range map[audit.Filter]int{{Actor: odd.Actor}: 1, {Actor: odd.Actor, Object: "app other"}: 1, {Actor: odd.Actor, Object: "app odd"}: 0, {Actor: "nobody"}: 0} {
		if list = get[[]audit.Entry](t)(s.Audit(ctx, f)); len(list) != want || want == 1 && (list[0].Actor != odd.Actor || list[0].Object != "app other") {
			t.Errorf("by %+v: %+v", f, list)
		}
	}
}

func chained(t *testing.T, cfg store.Config) {
	ctx := t.Context()
	s := Open(t, cfg)
	const entries = 2500 // more than are read at a time
	var wg sync.WaitGroup
	for i := range entries {
		wg.Go(func() {
			if err := s.SetOptOut(audit.With(ctx, audit.Entry{Actor: "admin", Object: fmt.Sprint(i)}), sms.OptOut{App: 7}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	must(t, s.Close(ctx))
	s = Open(t, cfg)
	_, err := s.PutRule(audit.With(ctx, given), route.Rule{Prefix: "1", Link: "east"}) // the chain goes on
	must(t, err)
	if n := verified(t, s); n != entries+1 {
		t.Errorf("%d entries, want %d", n, entries+1)
	}
	tamper(t, cfg, `CREATE TABLE aside AS SELECT * FROM audit`)
	tamper(t, cfg, `CREATE TABLE aside_meta AS SELECT * FROM meta WHERE name = 'audit'`)
	const back = `INSERT INTO audit SELECT * FROM aside WHERE seq NOT IN (SELECT seq FROM audit)`
	for _, c := range []struct {
		name, tamper, undo string
		bad                int64
	}{
		{"an entry that says something else", `UPDATE audit SET actor = 'nobody' WHERE seq = 1200`, `UPDATE audit SET actor = 'admin' WHERE seq = 1200`, 1200},
		{"an entry that says it at another time", `UPDATE audit SET at = at + 1 WHERE seq = 1`, `UPDATE audit SET at = at - 1 WHERE seq = 1`, 1},
		{"an entry that is away", `DELETE FROM audit WHERE seq = 1000`, back, 1001},
		{"a first entry that is away", `DELETE FROM audit WHERE seq = 1`, back, 2},
		{"a last entry that is away", `DELETE FROM audit WHERE seq = 2501`, back, 2501},
		{"entries that are all away", `DELETE FROM audit`, back, 1},
		{"an entry before the first", `INSERT INTO audit SELECT -5, at, actor, action, object, detail, request, prev, hash FROM audit WHERE seq = 1`,
			`DELETE FROM audit WHERE seq = -5`, -5},
		{"two entries that have changed places", `UPDATE audit SET (at, actor, action, object, detail, request, prev, hash) =
				(SELECT at, actor, action, object, detail, request, prev, hash FROM aside WHERE aside.seq = 11 - audit.seq) WHERE seq IN (5, 6)`,
			`UPDATE audit SET (at, actor, action, object, detail, request, prev, hash) =
				(SELECT at, actor, action, object, detail, request, prev, hash FROM aside WHERE aside.seq = audit.seq) WHERE seq IN (5, 6)`, 5},
		{"an end that nobody knows of", `DELETE FROM meta WHERE name = 'audit'`, `INSERT INTO meta SELECT * FROM aside_meta`, 2501},
		{"a hash that is another", `UPDATE audit SET hash = prev WHERE seq = 2501`, ``, 2501},
	} {
		tamper(t, cfg, "%s", c.tamper)
		n, bad, ok, err := s.VerifyAudit(ctx)
		if err != nil || ok || bad.Seq != c.bad || n >= max(c.bad, 1) {
			t.Errorf("%s: %d good, bad %d, want %d (%v %v)", c.name, n, bad.Seq, c.bad, ok, err)
		}
		if c.undo != "" {
			tamper(t, cfg, "%s", c.undo)
			verified(t, s)
		}
	}
}
