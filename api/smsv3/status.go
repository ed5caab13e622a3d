package smsv3

import (
	"strconv"

	"longlines/gateway"
	"longlines/wire"
)

// deliveryInfoList is the reply of Get SMS Delivery Status: an array even for one recipient, all
// leaves strings (docs/reference/sms.md §3).
type deliveryInfoList struct {
	DeliveryInfo []deliveryInfo `json:"DeliveryInfo" xml:"DeliveryInfo"`
	ResourceURL  string         `json:"ResourceUrl" xml:"ResourceUrl"`
}

type deliveryInfo struct {
	ID             string `json:"Id" xml:"Id"`
	Address        string `json:"Address" xml:"Address"`
	DeliveryStatus string `json:"DeliveryStatus" xml:"DeliveryStatus"`
}

// status is Get SMS Delivery Status.
func (a *api) status(c *gateway.Call) (gateway.Reply, error) {
	st, err := a.svc.Status(c.Context(), c.Grant, c.PathValue("id"))
	if err != nil {
		return gateway.Reply{}, err
	}
	c.Subject = st.ID
	list := deliveryInfoList{DeliveryInfo: make([]deliveryInfo, len(st.Recipients)), ResourceURL: a.url(c, "/outbox/"+st.Name)}
	for i, r := range st.Recipients {
		list.DeliveryInfo[i] = deliveryInfo{"msg" + strconv.Itoa(i), r.To.Tel(), r.Status}
	}
	return gateway.Reply{Body: wire.Rooted{Name: "DeliveryInfoList", Value: list}}, nil
}
