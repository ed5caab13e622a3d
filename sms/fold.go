package sms

import "longlines/message"

// Fold gives a recipient's state from those of its segments (docs/reference/reliability.md §3.1):
// one that failed for good decides; all delivered is delivered; else the least advanced.
func Fold(parts []message.State) message.State {
	if len(parts) == 0 {
		return message.StateAccepted
	}
	least := message.StateDelivered
	for _, s := range parts {
		if s.Final() && s != message.StateDelivered {
			return s
		}
		least = min(least, s)
	}
	return least
}
