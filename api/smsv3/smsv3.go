// Package smsv3 is SMS v3 as apps call it: three methods under /sms/v3/messaging, and two bodies that
// we post to an app (docs/reference/sms.md).
//
//	POST /sms/v3/messaging/outbox                 Send SMS
//	GET  /sms/v3/messaging/outbox/{id}            Get SMS Delivery Status
//	GET  /sms/v3/messaging/inbox/{registrationId} Get SMS
//
// Here are shapes only: what the published client kits send is read, in JSON, XML or as a form, and
// what they read is written, to the letter, also where the letter is odd: counters are strings, a list
// of one is a list, names are in camel case in one body and in Pascal case in the next. The rules are
// in package sms.
package smsv3

import (
	"strings"

	"longlines/app"
	"longlines/gateway"
	"longlines/sms"
	"longlines/wire"
)

// base is where the API lives.
const base = "/sms/v3/messaging"

// media are the types a send may have.
var media = []string{"application/json", "application/xml", "text/xml", "application/x-www-form-urlencoded"}

type api struct {
	svc    *sms.Service
	public string // base URL as apps see it; "": that of the request
}

// Endpoints gives the three methods. publicURL is the address by which apps reach the API listener,
// such as https://api.example.com; if it is empty, the Host of each request is used.
func Endpoints(svc *sms.Service, publicURL string) []gateway.Endpoint {
	a := &api{svc, strings.TrimRight(publicURL, "/")}
	return []gateway.Endpoint{
		{Method: "POST", Path: base + "/outbox", API: "SMS", Operation: "Send SMS", Scope: app.ScopeSMS,
			Dialect: wire.DialectRequestError, Media: media, Created: true, Handle: a.send},
		{Method: "GET", Path: base + "/outbox/{id}", API: "SMS", Operation: "Get SMS Delivery Status", Scope: app.ScopeSMS,
			Dialect: wire.DialectRequestError, Handle: a.status},
		{Method: "GET", Path: base + "/inbox/{registrationId}", API: "SMS", Operation: "Get SMS", Scope: app.ScopeSMS,
			Dialect: wire.DialectRequestError, Handle: a.inbox},
	}
}

// url gives the address of a resource as the caller reaches it.
func (a *api) url(c *gateway.Call, path string) string {
	if a.public != "" {
		return a.public + base + path
	}
	scheme := "http://"
	if c.TLS != nil {
		scheme = "https://"
	}
	return scheme + c.Host + base + path
}
