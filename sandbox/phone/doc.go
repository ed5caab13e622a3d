// Package phone is the virtual handsets: whom a text reaches when no network is attached.
//
// Every MSISDN is a subscriber. A [Book] holds the phones that are worth showing: the configured
// ones and each that has received or sent something. A centre ([longlines/sandbox/smsc]) hands a
// text over with [Book.Deliver]; a person or a test sends one with [Book.Send], and the centre
// fetches it with [Book.Take]. In between everybody can look: [Book.Messages] waits for the first
// text that matches, [Book.Watch] follows all of them.
//
// # Habits
//
// Some numbers behave in a way of their own, so that each outcome can be had by writing to the
// right one: +1 425 555 0104 cannot be reached, +1 425 555 0102 answers OK. They lie in the range
// that is kept for fiction, 555-0100 to 555-0199 in any area code; the last two digits say the
// habit. [Habits] is the table (docs/reference/conventions.md §3.11). A habit covers what the phone
// does and what the network does about it, because the sender cannot tell the two apart. What a
// number does about calls, mailboxes or consents belongs to other parts.
//
// # Bounds
//
// A phone remembers 1,000 texts and the book 100,000; the oldest are forgotten first. A phone that is not
// configured is forgotten with its last text. Nothing survives a restart.
package phone
