package smsc

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"longlines/gsm"
	"longlines/message"
	"longlines/number"
	"longlines/route"
	"longlines/smpp"
)

// quirks are a link's [route.Quirks] in the form in which they are used.
type quirks struct {
	route.Quirks
	classes map[smpp.Status]message.Class
}

func newQuirks(q route.Quirks) (quirks, error) {
	out := quirks{Quirks: q, classes: map[smpp.Status]message.Class{}}
	for key, word := range q.Statuses {
		s, err := parseStatus(key)
		if err != nil {
			return out, err
		}
		c, ok := parseClass(word)
		if !ok || s == smpp.StatusROK {
			return out, fmt.Errorf("quirks.statuses: %s: %q is not one of PRM TMP TMPS THR BND BUG", key, word)
		}
		out.classes[s] = c
	}
	return out, nil
}

// parseStatus reads "0x0400", "SMPP-0400" or "ESME_RSYSERR".
func parseStatus(key string) (smpp.Status, error) {
	if s, ok := smpp.ParseStatus(key); ok {
		return s, nil
	}
	digits, ok := strings.CutPrefix(strings.ToLower(key), "0x")
	if !ok {
		digits, ok = strings.CutPrefix(strings.ToLower(key), "smpp-")
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if !ok || err != nil {
		return 0, fmt.Errorf("quirks.statuses: %q is not a status such as 0x0400", key)
	}
	return smpp.Status(n), nil
}

// parseClass reads a class that a setting may name, in either case.
func parseClass(word string) (message.Class, bool) {
	for c := message.ClassPermanent; c <= message.ClassBug; c++ {
		if strings.EqualFold(word, c.String()) {
			return c, true
		}
	}
	return 0, false
}

// class is what a status means on this link; mapped is false for one of the vendor's range that no
// setting explains.
func (q *quirks) class(s smpp.Status) (c message.Class, mapped bool) {
	if c, ok := q.classes[s]; ok {
		return c, true
	}
	return verdictOf(s).class, !vendor(s)
}

// source and dest are an address as this centre wants it labelled.
func (q *quirks) source(a number.Address) smpp.Address { return label(a, q.SourceTON, q.SourceNPI) }

func (q *quirks) dest(m number.MSISDN) smpp.Address { return label(m.Address(), q.DestTON, q.DestNPI) }

func label(a number.Address, ton, npi *uint8) smpp.Address {
	t, n, digits := number.SMPP(a)
	out := smpp.Address{TON: uint8(t), NPI: uint8(n), Addr: digits}
	if ton != nil {
		out.TON = *ton
	}
	if npi != nil {
		out.NPI = *npi
	}
	return out
}

// split cuts a text for this centre.
func (q *quirks) split(text string, ref uint16) (gsm.Message, error) {
	o := gsm.SplitOptions{Ref: ref, Ref16: !q.Refs8}
	if q.Alphabet == "latin1" {
		o.Alphabet = gsm.Latin1
		m, err := gsm.Split(text, o)
		if err == nil {
			m.DCS = gsm.DCSDefault // which is Latin-1 at this centre
			return m, nil
		}
		o.Alphabet = gsm.UCS2
	}
	return gsm.Split(text, o)
}

// coding is the data coding of a text from the centre.
func (q *quirks) coding(dataCoding uint8) gsm.DCS {
	if dataCoding == uint8(gsm.DCSDefault) && q.Alphabet == "latin1" {
		return gsm.DCSLatin1
	}
	return gsm.DCS(dataCoding)
}

// receiptID brings the id of a receipt into the base in which this centre spells it in
// submit_sm_resp. Numbers are of any size: 64 bits do not hold all ids
// (docs/reference/reliability.md §0-4). What is no number stays as it is.
func (q *quirks) receiptID(id string) string {
	from, to := 0, 0
	switch q.IDs {
	case "hex-dec":
		from, to = 10, 16
	case "dec-hex":
		from, to = 16, 10
	default:
		return id
	}
	var n big.Int
	if len(id) > 65 {
		return id
	}
	if _, ok := n.SetString(id, from); !ok || n.Sign() < 0 {
		return id
	}
	return n.Text(to)
}

// printable keeps an id, or another word of the centre, as it is if it is text; octets that are not
// are read as Latin-1, the same for a submit's answer as for a receipt, since no column of text
// holds them.
func printable(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	r := make([]rune, 0, len(s))
	for i := range len(s) {
		if s[i] != 0 {
			r = append(r, rune(s[i]))
		}
	}
	return string(r)
}
