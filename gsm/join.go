package gsm

import "strings"

// Part is a segment as it was received and stored.
type Part struct {
	Concat  Concat // from the header, or from the sar_ parameters of SMPP
	DCS     DCS
	Payload []byte // user data without header, septets unpacked
}

// gap stands in the text for segments that are missing.
const gap = "…"

// Join puts the segments of one message together, in any order, and says whether
// all are there. If some are missing the text holds an ellipsis in their place.
//
// The caller collects the parts by sender, receiver, reference and total. Of two
// parts with one number the first counts. Parts whose number is out of range, or
// whose total is not that of the first good part, are left out. With no good part
// there is no text.
//
// Octets are put together before they are read, as far as neighbours have the same
// alphabet: some peers cut a surrogate pair, an escape or even a 16-bit unit in two.
func Join(parts []Part) (text string, complete bool) {
	var index [MaxSegments + 1]*Part
	total, found, size := 0, 0, 0
	for i := range parts {
		p := &parts[i]
		if !p.Concat.valid() || total != 0 && int(p.Concat.Total) != total {
			continue
		}
		total = int(p.Concat.Total)
		if index[p.Concat.Seq] == nil {
			index[p.Concat.Seq] = p
			found++
			size += len(p.Payload)
		}
	}
	if found == 0 {
		return "", false
	}
	if found == 1 && total == 1 {
		p := index[1]
		return p.DCS.Alphabet().Decode(p.Payload), true
	}
	var b strings.Builder
	run := make([]byte, 0, size)
	for seq := 1; seq <= total; {
		if index[seq] == nil {
			b.WriteString(gap)
			for seq <= total && index[seq] == nil {
				seq++
			}
			continue
		}
		first, a := seq, index[seq].DCS.Alphabet()
		run = run[:0]
		for ; seq <= total && index[seq] != nil && index[seq].DCS.Alphabet() == a; seq++ {
			run = append(run, index[seq].Payload...)
		}
		if a == UCS2 && len(run)%2 != 0 {
			// An octet was lost somewhere. Read each segment by itself, so that
			// what follows the loss is not shifted.
			for _, p := range index[first:seq] {
				b.WriteString(a.Decode(p.Payload))
			}
			continue
		}
		decoded := a.Decode(run)
		if first == 1 && seq > total {
			return decoded, true // the usual case: one run is everything
		}
		b.WriteString(decoded)
	}
	return b.String(), found == total
}
