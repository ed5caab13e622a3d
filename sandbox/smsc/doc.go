// Package smsc is the virtual message centre: an SMPP server whose subscribers are the virtual phones
// of package phone. An ESME, ours or anybody's, cannot tell it from an operator's centre.
//
// # What it does with a message
//
// submit_sm, data_sm and submit_multi are answered with a message id: 16 hexadecimal digits, the first
// eight drawn at each start, the others counting, so that ids do not come back after a restart. Segments (by user
// data header or sar_ parameters) get an id and a receipt each and become one text on the phone.
// What then happens is the habit of the number ([phone.Habit]); numbers without one get the text at once. The
// message can be asked for, withdrawn and changed (query_sm, cancel_sm, replace_sm) as long as the centre
// remembers it, which is for 16,384 messages.
//
// # What it delivers
//
// Receipts and the texts of the phones go out as deliver_sm, at most 100 unacknowledged on a bind.
// Receipts go to the bind the message came on if that receives, else to any receiver or
// transceiver of the same system_id; texts go to any of these. A bind that names an address_range (a regular
// expression, SMPP 3.4 §5.2.7) gets the texts that match it before the others and no others; so a laboratory can
// aim an ESME of its own at the centre beside the platform. While nobody is bound to
// receive, 10,000 receipts are kept, then the oldest are dropped, and the phones are stopped at 10,000
// texts. What was not acknowledged when a bind ended is sent again on the next; what was refused is sent again
// after a second, two, four and so on up to a minute.
//
// When receipts queue up behind a slow receiver the answers to further submits are held back, so that the ESME's
// window slows it down, as with a real centre.
//
// Standards: SMPP v3.4 issue 1.2, 3GPP TS 23.040 for segments. Left out: intermediate notifications,
// broadcast, and outbind. Transaction mode is answered like store and forward.
package smsc
