package oauthv4

import (
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"longlines/api/oauthv4/page"
	"longlines/app"
	"longlines/gateway"
	"longlines/id"
	"longlines/number"
	"longlines/oauth"
)

// recognised finds who the subscriber is without asking: by the network, else by the browser. session is
// the row of the browser's, 0 if it was not that.
func (p *pages) recognised(c *gateway.Call, l app.Level, network bool) (who oauth.Person, session id.Number, known bool, err error) {
	if who, ok := onNetwork(c.Context()); ok && network && who.Level == l {
		return who, 0, true, nil
	}
	cookie := p.cookies.get(c, p.cookies.session(l))
	if cookie == "" {
		return who, 0, false, nil
	}
	return p.Subscribers.Remembered(c.Context(), l, cookie)
}

// still reports whether who a ticket says is known is known in the same way now: the device is on the
// network, or the browser has not been signed out.
func (p *pages) still(c *gateway.Call, t ticket) (bool, error) {
	if t.How == oauth.HowPIN {
		return true, nil
	}
	who, _, known, err := p.recognised(c, t.Level, t.How == oauth.HowOnNetwork)
	return known && who == t.person(), err
}

// signIn takes the forms of signing in. Once the subscriber is known there is no reply; until then it
// asks on, in the same way whatever became of a number or a PIN.
func (v *visit) signIn(t ticket, m url.Values) (who oauth.Person, known bool, reply gateway.Reply, err error) {
	ctx := v.call.Context()
	v.next.Subscriber, v.next.Remember = t.Subscriber, t.Remember
	switch do := m.Get("do"); {
	case t.Step == stepNumber && do == "number":
		v.next.Remember = m.Get("remember") != ""
		if v.next.Subscriber, err = number.ParseMSISDN(m.Get("number")); err != nil {
			reply, err = v.askNumber(m.Get("number"), "number.invalid")
			return who, false, reply, err
		}
		fallthrough
	case t.Step == stepPIN && do == "resend":
		if err = v.sendPIN(); err == nil {
			reply, err = v.askPIN("")
		}
		return who, false, reply, err
	case t.Step == stepPIN && do == "another":
		reply, err = v.askNumber("", "")
		return who, false, reply, err
	case t.Step == stepPIN && do == "pin":
		who, err = v.Subscribers.CheckPIN(ctx, t.Level, t.Subscriber, from(v.call), m.Get("pin"))
		if errors.Is(err, oauth.ErrPIN) {
			reply, err = v.askPIN("pin.wrong")
			return who, false, reply, err
		}
		v.next.Subscriber, v.next.Remember = "", false
		return who, err == nil, reply, err
	}
	return who, false, reply, wrongStep
}

// sendPIN sends a PIN, in the language of the page.
func (v *visit) sendPIN() error {
	name := ""
	if v.request != nil {
		name = v.request.App.Name
	}
	lang := v.language(v.call, v.next.Lang)
	return v.Subscribers.SendPIN(v.call.Context(), v.next.Level, v.next.Subscriber, from(v.call), func(pin string) string {
		return v.Pages.PINText(lang, name, pin, oauth.PINLife)
	})
}

// askNumber shows the form for the number to sign in with.
func (v *visit) askNumber(typed, problem string) (gateway.Reply, error) {
	remember := v.next.Remember
	v.next.Subscriber, v.next.Remember = "", false
	form, err := v.form(stepNumber)
	if err != nil {
		return gateway.Reply{}, err
	}
	return v.show(func(lang, self string) []byte {
		return v.Pages.Number(lang, self, page.Number{Form: form, App: v.app(), Typed: typed, Problem: problem, Remember: remember, CanDeny: v.request != nil})
	}), nil
}

// askPIN shows the form for the PIN.
func (v *visit) askPIN(problem string) (gateway.Reply, error) {
	form, err := v.form(stepPIN)
	if err != nil {
		return gateway.Reply{}, err
	}
	return v.show(func(lang, self string) []byte {
		return v.Pages.PIN(lang, self, page.PIN{Form: form, App: v.app(), Number: v.next.Subscriber.Masked(), Problem: problem})
	}), nil
}

// remember makes this browser known, in place of who was known before.
func (v *visit) remember(who oauth.Person, life time.Duration) error {
	ctx, name := v.call.Context(), v.cookies.session(who.Level)
	cookie, _, err := v.Subscribers.Remember(ctx, who, oauth.Agent(v.call.UserAgent()), life)
	if err != nil {
		return err
	}
	if old := v.cookies.get(v.call, name); old != "" {
		if err := v.Subscribers.Forget(ctx, old); err != nil {
			v.Log.LogAttrs(ctx, slog.LevelError, "an old session is not ended", slog.Any("error", err))
		}
	}
	kept := life
	if life < oauth.SessionLife {
		kept = 0 // for as long as the browser is open
	}
	v.cookies.put(v.header, name, cookie, kept)
	return nil
}

// from is the address that limits hold for: the device's on the data network, else the peer's.
func from(c *gateway.Call) netip.Addr {
	if a, ok := device(c.Context()); ok {
		return a
	}
	a, err := netip.ParseAddrPort(c.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}
