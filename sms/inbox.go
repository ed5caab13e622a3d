package sms

import (
	"context"
	"sync"
	"time"

	"longlines/app"
	"longlines/fault"
	"longlines/id"
	"longlines/number"
	"longlines/oauth"
)

// InboxText is one text as it is handed out.
type InboxText struct {
	Name string // its public id
	MO
}

// Batch is what one poll hands out. The texts are leased: they leave the inbox by Done(true), and come
// back by Done(false) or when the lease ends (docs/reference/reliability.md §3.7 Inbox poll).
type Batch struct {
	Texts   []InboxText
	Pending int // texts that still wait after these
	Code    number.ShortCode

	s     *Service
	of    app.Tenant
	lease id.Number
	once  sync.Once
}

// Poll leases the oldest waiting texts to one of the app's short codes. A code that is not the app's
// is fault.UnknownID with RegistrationID. The caller must call Done on the batch, once the reply has
// been written or has failed.
func (s *Service) Poll(ctx context.Context, g oauth.Grant, registration string) (*Batch, error) {
	code, err := number.ParseShortCode(registration)
	if err != nil || !g.App.Owns(code) {
		return nil, fault.UnknownID.With("RegistrationID")
	}
	until := s.cfg.Now().Add(s.cfg.InboxLease)
	texts, pending, lease, err := s.cfg.Store.LeaseInbox(ctx, g.Tenant(), code, s.cfg.InboxBatch, until)
	if err != nil {
		return nil, wrap("lease the inbox", err)
	}
	b := &Batch{Texts: make([]InboxText, len(texts)), Pending: pending, Code: code, s: s, of: g.Tenant(), lease: lease}
	for i, m := range texts {
		b.Texts[i] = InboxText{s.Name(m.ID), m}
	}
	return b, nil
}

// Done ends the lease: read is whether the reply reached the caller. It may be called more than once;
// the first counts. When it cannot be recorded the lease ends by itself, and the texts are handed out
// again: twice is better than never.
func (b *Batch) Done(read bool) {
	b.once.Do(func() {
		if len(b.Texts) == 0 || b.lease == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := b.s.cfg.Store.EndLease(ctx, b.of, b.lease, read); err != nil {
			b.s.cfg.Log.Warn("end of an inbox lease not recorded; its texts will be handed out again", "component", "sms", "err", err)
		}
	})
}
