package sms

import (
	"context"
	"time"

	"longlines/fault"
	"longlines/id"
	"longlines/message"
	"longlines/number"
	"longlines/oauth"
)

// The published words of a delivery status (docs/reference/sms.md §3).
const (
	DeliveredToNetwork  = "DeliveredToNetwork"  // accepted, on its way
	DeliveredToTerminal = "DeliveredToTerminal" // the handset has it
	DeliveryImpossible  = "DeliveryImpossible"  // given up
)

// Published is the word for a state: the one place where states become words.
func Published(s message.State) string {
	switch {
	case s == message.StateDelivered:
		return DeliveredToTerminal
	case s.Final():
		return DeliveryImpossible
	}
	return DeliveredToNetwork
}

// Delivery is where the text to one recipient stands.
type Delivery struct {
	To     number.MSISDN
	Status string // a published word
	State  message.State
	Code   string
}

// Status is where a message stands.
type Status struct {
	ID         id.Number
	Name       string
	Recipients []Delivery
}

// Status answers for a message of the app by its name, for 24 hours after it has become final.
// Malformed, unknown, another app's and gone are all fault.UnknownID with RequestIdentifier.
func (s *Service) Status(ctx context.Context, g oauth.Grant, name string) (Status, error) {
	unknown := fault.UnknownID.With("RequestIdentifier")
	n, err := s.ParseName(name)
	if err != nil {
		return Status{}, unknown
	}
	rows, err := s.cfg.Store.Message(ctx, g.Tenant(), n)
	if err != nil {
		return Status{}, wrap("read a message", err)
	}
	if len(rows) == 0 {
		return Status{}, unknown
	}
	out := Status{ID: n, Name: s.Name(n), Recipients: make([]Delivery, len(rows))}
	final := true
	var last time.Time
	for i, m := range rows {
		if m.Corrupt {
			return Status{}, wrap("read a message", ErrCorrupt)
		}
		out.Recipients[i] = Delivery{m.To, Published(m.State), m.State, m.Code}
		final = final && m.State.Final()
		if m.Final.After(last) {
			last = m.Final
		}
	}
	if final && s.cfg.Now().Sub(last) > statusKept {
		return Status{}, unknown
	}
	return out, nil
}

// Story is everything known of a message, for the operator.
type Story struct {
	Rows  []MT
	Parts [][]Part // by recipient, same order
}

// Story reads a message by the row of any of its recipients. It knows no tenant: only the admin API
// may show it. A row that is not there is ErrNotFound.
func (s *Service) Story(ctx context.Context, n id.Number) (Story, error) {
	m, err := s.cfg.Store.MT(ctx, n)
	if err != nil {
		return Story{}, wrap("read a recipient", err)
	}
	var st Story
	for i := range min(max(m.Count, 1), MaxRecipients) {
		row := m
		if r := m.Message + id.Number(i); r != n {
			if row, err = s.cfg.Store.MT(ctx, r); err != nil {
				return Story{}, wrap("read a recipient", err)
			}
		}
		parts, err := s.cfg.Store.Parts(ctx, row.ID)
		if err != nil {
			return Story{}, wrap("read the segments of a recipient", err)
		}
		st.Rows, st.Parts = append(st.Rows, row), append(st.Parts, parts)
	}
	return st, nil
}
