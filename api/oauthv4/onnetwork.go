package oauthv4

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"path"
	"strings"

	"longlines/fault"
	"longlines/oauth"
)

// OnNetworkConfig is what the listener behind the enrichment proxy needs; Subscribers and Refuse are mandatory.
type OnNetworkConfig struct {
	Subscribers *oauth.Subscribers
	// Refuse answers a request that is not let through: the API's way, with an id and a record.
	Refuse     func(w http.ResponseWriter, r *http.Request, f *fault.Fault)
	Enrichment oauth.Enrichment // whose word is taken
	// Plain says that browsers reach the proxy without TLS, although it comes to us with it.
	Plain bool
	// Host is that of the API, with its port if it is not the scheme's own. A device is recognised for it
	// alone: a site whose name was made to resolve to the proxy would else read, as its own page, what apps
	// may do for whoever visits it (DNS rebinding). "" takes any, where the proxy itself knows its names.
	Host string
	Log  *slog.Logger // default: none
}

// headerAssertion carries the proxy's word.
const headerAssertion = "X-Subscriber-Assertion"

// OnNetwork is the handler of the listener behind the enrichment proxy of the carrier's data network, in
// front of next, the API's. Mutual TLS has said that it is the proxy who speaks; a signed assertion says
// for each request whose device it is (docs/reference/reliability.md T2). Only what subscribers see is
// served here: Get User Authorization, My consents, what their pages load, and the pages of the error catalogue
// to which refusals lead.
//
// A request without a good assertion is one from off the network, and not an error: the proxy does not
// know every device. The reason is logged.
func OnNetwork(c OnNetworkConfig, next http.Handler) http.Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.Plain {
			r.TLS = nil // links lead back through the proxy
		}
		asked := r.URL.EscapedPath()
		asset := forEverybody(asked)
		switch {
		case asked == pathAuthorize, asked == pathOldAuthorize, asked == pathConsents:
		case asset && path.Clean(asked) == asked && !strings.Contains(asked, "%"):
		default:
			c.Refuse(w, r, fault.NotFound)
			return
		}
		ctx := r.Context()
		if !asset {
			var err error
			if ctx, err = c.recognise(r); err != nil {
				c.Log.LogAttrs(ctx, slog.LevelError, "an assertion cannot be checked", slog.String("component", "on-network"), slog.Any("error", err))
				c.Refuse(w, r, fault.OAuthUnavailable)
				return
			}
		}
		r = r.Clone(ctx)
		for name := range r.Header {
			if identifies(name) {
				delete(r.Header, name)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// forEverybody reports whether what a path shows is the same for every subscriber.
func forEverybody(asked string) bool {
	switch asked {
	case "/errors", "/errors.json", "/errors.md", "/llms.txt":
		return true
	}
	for _, p := range []string{pathConsents + "/", "/errors/", "/reference/"} {
		if strings.HasPrefix(asked, p) {
			return true
		}
	}
	return false
}

// recognise puts the device, and whose it is if the proxy knows, into the context of a request. The error
// is the store's.
func (c OnNetworkConfig) recognise(r *http.Request) (context.Context, error) {
	ctx := r.Context()
	a, why := forwarded(r.Header)
	if why == nil {
		ctx = context.WithValue(ctx, deviceKey{}, a)
		var assertion string
		if assertion, why = one(r.Header, headerAssertion); why == nil && c.Host != "" && !strings.EqualFold(r.Host, c.Host) {
			why = errHost
		}
		if why == nil {
			who, ok, reason, err := c.Subscribers.OnNetwork(ctx, c.Enrichment, assertion, r.Host, r.URL.EscapedPath(), a)
			if err != nil {
				return ctx, err
			}
			if ok {
				return context.WithValue(ctx, personKey{}, who), nil
			}
			why = reason
		}
	}
	c.Log.LogAttrs(ctx, slog.LevelInfo, "a device is not recognised", slog.String("component", "on-network"), slog.Any("reason", why))
	return ctx, nil
}

var (
	errNoHeader  = errors.New("the header is missing")
	errTwice     = errors.New("the header is there twice")
	errForwarded = errors.New("X-Forwarded-For is not one address")
	errHost      = errors.New("the host is not the API's")
)

// one is the value of a header that must be there once.
func one(h http.Header, name string) (string, error) {
	switch v := h[http.CanonicalHeaderKey(name)]; len(v) {
	case 0:
		return "", errNoHeader
	case 1:
		return v[0], nil
	}
	return "", errTwice
}

// forwarded is the device's address. A list would be one to which a device may have added.
func forwarded(h http.Header) (netip.Addr, error) {
	v, err := one(h, "X-Forwarded-For")
	if err != nil {
		return netip.Addr{}, errForwarded
	}
	a, err := netip.ParseAddr(strings.TrimSpace(v))
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, errForwarded
	}
	return a.Unmap(), nil
}

// identifies reports whether a header is one of those by which networks tell servers who a subscriber is,
// in any spelling that some server takes for it (docs/reference/reliability.md T2). None is looked at
// behind this point; they go all the same, so that none ever will be.
func identifies(name string) bool {
	n := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	switch n {
	case "forwarded", "msisdn", "x-msisdn", "x-vf-acr", "x-nokia-msisdn", "x-wap-msisdn", "x-real-ip", "x-client-ip", "true-client-ip":
		return true
	}
	for _, p := range []string{"x-forwarded-", "x-subscriber-", "x-up-", "x-att-"} {
		if strings.HasPrefix(n, p) {
			return true
		}
	}
	return strings.Contains(n, "msisdn")
}

type (
	personKey struct{}
	deviceKey struct{}
)

// onNetwork is who the data network says a request is from.
func onNetwork(ctx context.Context) (oauth.Person, bool) {
	who, ok := ctx.Value(personKey{}).(oauth.Person)
	return who, ok
}

// device is the address of the device that a request is from.
func device(ctx context.Context) (netip.Addr, bool) {
	a, ok := ctx.Value(deviceKey{}).(netip.Addr)
	return a, ok
}
