// Package longlines is a carrier's API platform in one value.
//
// An app asks for an OAuth token, sends a text, and hears what became of it; on the other side the
// platform speaks SMPP to a message centre, or to the virtual network it brings along. The map, from
// the app to the handset:
//
//	gateway   who is calling, may it, how often: token, scope, quota, idempotency, request record
//	api/*     one folder per published API: the wire shapes, nothing else
//	core      app, oauth, sms, callback: the rules, free of HTTP and SQL
//	store     what survives a crash: one committer, SQLite or PostgreSQL; queue: the work that must still happen
//	route     which link carries a text out, which app owns one that comes in
//	south/*   how we speak to a network
//	sandbox/* a virtual network at the other end of the same wires
//
// [Platform] puts them together: [New] constructs every part in order, [Platform.Run] runs them until
// its context ends. A platform is a value, so a test can run two.
//
// docs/way-of-a-message.md follows one text through all of it.
package longlines

// Version is the release this tree is on its way to.
const Version = "0.1.0"
