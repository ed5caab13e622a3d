package wire

import (
	"longlines/fault"
	"longlines/number"
)

// Recipients reads the subscribers' numbers in a list member, in any of the
// ways clients write lists, and checks them in the order of
// docs/reference/errors.md §6:
//
//   - no such member: MissingParameter, Address
//   - no value at all, or any that is no number of a subscriber (null, empty,
//     an e-mail address, a short code, too many digits): NoValidAddress
//   - more than most values: TooManyAddresses
//   - the same number twice, however spelled: DuplicateAddresses
//
// All values are looked at, because a bad one wins over a long list; not more
// than most of them are kept.
func Recipients(n *Node, name string, most int) ([]number.MSISDN, error) {
	if !n.Has(name) {
		return nil, fault.MissingParameter.With("Address")
	}
	count := 0
	var list []number.MSISDN
	for v := range n.Values(name) {
		m, err := number.ParseMSISDN(v)
		if err != nil {
			return nil, fault.NoValidAddress.Because(err)
		}
		if count++; count <= most {
			list = append(list, m)
		}
	}
	switch {
	case count == 0:
		return nil, fault.NoValidAddress
	case count > most:
		return nil, fault.TooManyAddresses
	case duplicates(list):
		return nil, fault.DuplicateAddresses
	}
	return list, nil
}

func duplicates(list []number.MSISDN) bool {
	if len(list) > 16 {
		seen := make(map[number.MSISDN]struct{}, len(list))
		for _, m := range list {
			seen[m] = struct{}{}
		}
		return len(seen) < len(list)
	}
	for i, a := range list {
		for _, b := range list[:i] {
			if a == b {
				return true
			}
		}
	}
	return false
}
