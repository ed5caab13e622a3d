package smsv3

import (
	"strconv"

	"longlines/gateway"
	"longlines/wire"
)

// inboundList is the reply of Get SMS. The counters are strings: a JSON reader of one of the kits
// fails on numbers (docs/reference/sms.md §4).
type inboundList struct {
	Messages    []inboundMessage `json:"InboundSmsMessage" xml:"InboundSmsMessage"` // [] when empty, never null
	InThisBatch string           `json:"NumberOfMessagesInThisBatch" xml:"NumberOfMessagesInThisBatch"`
	ResourceURL string           `json:"ResourceUrl" xml:"ResourceUrl"`
	Pending     string           `json:"TotalNumberOfPendingMessages" xml:"TotalNumberOfPendingMessages"`
}

type inboundMessage struct {
	MessageID     string `json:"MessageId" xml:"MessageId"`
	Message       string `json:"Message" xml:"Message"`
	SenderAddress string `json:"SenderAddress" xml:"SenderAddress"`
}

// inbox is Get SMS. The texts are leased until the reply has been written: one that never reaches the
// caller does not take them along (docs/reference/reliability.md §3.7).
func (a *api) inbox(c *gateway.Call) (gateway.Reply, error) {
	code := c.PathValue("registrationId")
	batch, err := a.svc.Poll(c.Context(), c.Grant, code)
	if err != nil {
		return gateway.Reply{}, err
	}
	list := inboundList{Messages: make([]inboundMessage, len(batch.Texts)), InThisBatch: strconv.Itoa(len(batch.Texts)),
		ResourceURL: a.url(c, "/inbox/"+batch.Code.String()), Pending: strconv.Itoa(batch.Pending)}
	for i, t := range batch.Texts {
		list.Messages[i] = inboundMessage{t.Name, t.Text, t.From.Tel()}
	}
	return gateway.Reply{Body: wire.Rooted{Name: "InboundSmsMessageList", Value: list}, After: batch.Done}, nil
}
