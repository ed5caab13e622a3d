package smsv3

import (
	"time"

	"longlines/number"
	"longlines/sms"
	"longlines/wire"
)

// receiveSMS is the body of Receive SMS, without a wrapper; a listener knows it by DestinationAddress
// (docs/reference/sms.md §5.1).
type receiveSMS struct {
	DateTime           string
	DestinationAddress string
	Message            string
	MessageID          string `json:"MessageId"`
	SenderAddress      string
}

// PushSMS encodes Receive SMS. It fits sms.Config.PushSMS.
func PushSMS(name string, m sms.MO) (contentType string, body []byte) {
	return push(receiveSMS{m.At.UTC().Format(time.RFC3339), m.To.String(), m.Text, name, m.From.Tel()})
}

// statusNotification is the body of Receive SMS Delivery Status: one per recipient, deliveryInfo is an
// object (docs/reference/sms.md §5.2).
type statusNotification struct {
	Notification struct {
		MessageID    string `json:"messageId"`
		DeliveryInfo struct {
			Address        string `json:"address"`
			DeliveryStatus string `json:"deliveryStatus"`
		} `json:"deliveryInfo"`
	} `json:"deliveryInfoNotification"`
}

// PushStatus encodes Receive SMS Delivery Status. It fits sms.Config.PushStatus.
func PushStatus(message string, to number.MSISDN, status string) (contentType string, body []byte) {
	var n statusNotification
	n.Notification.MessageID = message
	n.Notification.DeliveryInfo.Address = to.Tel()
	n.Notification.DeliveryInfo.DeliveryStatus = status
	return push(n)
}

// push writes a body in ASCII: one published listener reads it as that (docs/reference/sms.md §5.3).
func push(v any) (string, []byte) {
	body, _ := wire.AppendASCII(make([]byte, 0, 256), v) // a struct of strings is always written
	return wire.JSON.ContentType(), body
}
