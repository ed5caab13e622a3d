package sms

import (
	"context"

	"longlines/app"
	"longlines/message"
	"longlines/number"
)

// Network carries texts out. *route.Router is one: links to message centres, chosen by rules.
type Network interface {
	// Route names the link that carries texts of an app of this level to the MSISDN: the longest
	// matching rule of a network the level may use. A link that is down is still named, since its
	// jobs wait for it; a rule's fallback is named while its first link is down. An error means that
	// no rule fits.
	Route(level app.Level, from number.Address, to number.MSISDN) (link string, err error)

	// Submit hands the text to a centre over the link and waits for its answer. refs are the centre's
	// names for the segments it took. done, never nil, is called by us once the outcome is durable;
	// until then the places in the SMPP window stay taken, so a slow store slows the sending
	// (docs/reference/reliability.md §3.1). err is nil or a *message.Refusal.
	Submit(ctx context.Context, link string, m message.SMS) (refs []message.Ref, done func(), err error)

	// Alternative names another link that may carry the text in place of the one given, which is
	// down, gone or failing; ok is false if there is none.
	Alternative(level app.Level, link string, to number.MSISDN) (other string, ok bool)
}
