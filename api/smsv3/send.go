package smsv3

import (
	"net/http"

	"longlines/fault"
	"longlines/gateway"
	"longlines/sms"
	"longlines/wire"
)

// sendResponse is the reply of Send SMS (docs/reference/sms.md §2).
type sendResponse struct {
	MessageID string             `json:"messageId" xml:"messageId"`
	Reference *resourceReference `json:"resourceReference,omitempty" xml:"resourceReference,omitempty"`
}

type resourceReference struct {
	ResourceURL string `json:"resourceURL" xml:"resourceURL"`
}

// send is Send SMS.
func (a *api) send(c *gateway.Call) (gateway.Reply, error) {
	out, err := parseSend(c.Header.Get("Content-Type"), c.Body)
	if err != nil {
		return gateway.Reply{}, err
	}
	out.Wait, out.Key = c.Wait, c.Key
	sent, err := a.svc.Send(c.Context(), c.Grant, out)
	c.Subject = sent.ID
	if err != nil {
		return gateway.Reply{}, err
	}
	url := a.url(c, "/outbox/"+sent.Name)
	res := sendResponse{MessageID: sent.Name}
	if !out.Notify {
		// With notification the original left the reference out; its clients are prepared for that.
		res.Reference = &resourceReference{url}
	}
	h := http.Header{"Location": {url}}
	if sent.Replayed {
		h.Set("Idempotent-Replayed", "true")
	}
	return gateway.Reply{Status: http.StatusCreated, Header: h, Body: wire.Rooted{Name: "outboundSMSResponse", Value: res}}, nil
}

// parseSend reads the body of Send SMS in all the ways it is written (docs/reference/sms.md §2), and
// checks it in the order of docs/reference/errors.md §6: what is mandatory, then values, addresses,
// their number, duplicates.
func parseSend(contentType string, body []byte) (out sms.Outgoing, err error) {
	doc, err := wire.Parse(contentType, body, wire.Limits{})
	if err != nil {
		return out, err
	}
	// The oldest kits say SmsRequest, or nothing at all.
	req := doc.Root("outboundSMSRequest", "SmsRequest")
	if out.Text, err = wire.Text(req, "message", "Message"); err != nil {
		return out, err
	}
	if !req.Has("address") {
		return out, fault.MissingParameter.With("Address")
	}
	if err = sms.CheckText(out.Text); err != nil {
		return out, err
	}
	if out.Notify, err = wire.Flag(req, "notifyDeliveryStatus", "notifyDeliveryStatus"); err != nil {
		return out, err
	}
	out.Recipients, err = wire.Recipients(req, "address", sms.MaxRecipients)
	return out, err
}
