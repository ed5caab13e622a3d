package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"longlines/app"
	"longlines/fault"
	"longlines/gateway"
	"longlines/id"
	"longlines/oauth"
	"longlines/wire"
)

// personal are tokens that act for a subscriber whose consent covers what is named.
type personal struct {
	gateway.Tokens
	covered []app.Scope
	seen    chan oauth.Presented
}

func (p personal) Check(ctx context.Context, t oauth.Presented) (oauth.Grant, error) {
	if p.seen != nil {
		p.seen <- t
	}
	t.DPoP = false
	g, err := p.Tokens.Check(ctx, t)
	g.Subscriber, g.Consent, g.Covered = "14255550100", 1, p.covered
	return g, err
}

func TestAScopeTheConsentDoesNotCoverIsRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		covered []app.Scope
		refused bool
	}{
		{"covered", []app.Scope{"SMS"}, false},
		{"another scope is", []app.Scope{"MMS"}, true},
		{"nothing is", nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, func(cfg *gateway.Config) { cfg.Tokens = personal{Tokens: cfg.Tokens, covered: c.covered} })
			r := s.do("POST", "/test/v1/things", goodThing)
			if !c.refused {
				if r.StatusCode != http.StatusCreated {
					t.Fatalf("%d %s", r.StatusCode, r.body)
				}
				return
			}
			s.expect(t, r, fault.OptedOut.With("tel:+14255550100"))
			if s.made.Load() != 0 {
				t.Fatal("the handler was reached")
			}
		})
	}
}

func TestATokenIsPresentedAsBearerOrWithAProof(t *testing.T) {
	seen := make(chan oauth.Presented, 1)
	s := open(t, func(cfg *gateway.Config) {
		cfg.Tokens = personal{Tokens: cfg.Tokens, covered: []app.Scope{"SMS"}, seen: seen}
		cfg.Issuer = "https://api.example.com/"
	})
	s.do("GET", "/test/v1/things?a=b", "", "Authorization", "BEARER "+s.token)
	if p := <-seen; p != (oauth.Presented{Token: s.token}) {
		t.Errorf("as bearer: %+v", p)
	}
	s.do("GET", "/test/v1/things?a=b", "", "Authorization", "dpop "+s.token, "DPoP", "the.proof.text")
	if p := <-seen; p != (oauth.Presented{Token: s.token, DPoP: true, Proof: "the.proof.text", Method: "GET", URL: "https://api.example.com/test/v1/things"}) {
		t.Errorf("with a proof: %+v", p)
	}
	s.expect(t, s.do("GET", "/test/v1/things", "", "Authorization", "DPoP "+s.token), fault.BadToken)
}

func TestARefusalIsAPageForWhoPrefersOne(t *testing.T) {
	s := open(t, func(cfg *gateway.Config) {
		cfg.Endpoints = append(cfg.Endpoints, gateway.Endpoint{Method: "GET", Path: "/oauth/v4/authorize", API: "OAuth", Operation: "Get User Authorization", Dialect: wire.DialectOAuth,
			Handle: func(c *gateway.Call) (gateway.Reply, error) {
				switch c.URL.Query().Get("what") {
				case "page":
					return gateway.Reply{HTML: []byte("<p>who are you?"), Header: http.Header{"X-Frame-Options": {"DENY"}}}, nil
				case "redirect":
					c.Refused = fault.AccessDenied
					return gateway.Reply{Status: http.StatusFound, Header: http.Header{"Location": {"https://pizza.example/?error=access_denied"}}}, nil
				}
				return gateway.Reply{}, fault.RedirectMismatch
			},
			Page: func(c *gateway.Call, f *fault.Fault) ([]byte, http.Header) {
				return []byte("<p>" + f.Description), http.Header{"X-Frame-Options": {"DENY"}}
			}})
	})
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, c := range []struct{ name, what, accept, kind, body string }{
		{"a browser gets the refusal as a page", "", browser, "text/html; charset=utf-8", "<p>redirect_uri mismatch"},
		{"a program gets it in JSON", "", "*/*", "application/json", `{"error":"invalid_request","error_description":"redirect_uri mismatch"}`},
		{"and so does who says nothing", "", "", "application/json", `{"error":"invalid_request","error_description":"redirect_uri mismatch"}`},
		{"or likes both as much, JSON first", "", "application/json, text/html", "application/json", `{"error":"invalid_request","error_description":"redirect_uri mismatch"}`},
		{"a page is a page", "page", "*/*", "text/html; charset=utf-8", "<p>who are you?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := s.do("GET", "/oauth/v4/authorize?what="+c.what, "", "Authorization", "", "Accept", c.accept)
			if r.Header.Get("Content-Type") != c.kind || r.body != c.body || r.ContentLength != int64(len(c.body)) {
				t.Fatalf("%d %q %s", r.StatusCode, r.Header.Get("Content-Type"), r.body)
			}
			if strings.HasPrefix(c.kind, "text/html") && r.Header.Get("X-Frame-Options") != "DENY" {
				t.Error("its headers are gone")
			}
			if c.what == "" && (r.StatusCode != http.StatusBadRequest || !strings.Contains(r.Header.Get("Link"), "/errors/invalid_request#redirect-mismatch")) {
				t.Errorf("%d %q", r.StatusCode, r.Header.Get("Link"))
			}
		})
	}
	t.Run("a refusal in a redirect is in the record", func(t *testing.T) {
		s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		r := s.do("GET", "/oauth/v4/authorize?what=redirect", "", "Authorization", "")
		if r.StatusCode != http.StatusFound {
			t.Fatalf("%d", r.StatusCode)
		}
		if rec := s.recorded(t, r); rec.Code != "access_denied" || rec.Case != "refused" || rec.Status != http.StatusFound {
			t.Fatalf("%+v", rec)
		}
	})
}

func TestTheRecordOfASandboxCallShowsWhatWasSent(t *testing.T) {
	s := open(t, func(cfg *gateway.Config) { cfg.Details = true })
	rec := s.recorded(t, s.do("POST", "/test/v1/things?secret=in-the-query", goodThing, "Referer", "https://pizza.example/cb?code=in-the-referrer"))
	for _, want := range []string{"POST /test/v1/things?[not shown] HTTP/1.1", goodThing, "Authorization: Bearer [not shown]", "HTTP/1.1 201 Created", `"Name":"cheese"`} {
		if !strings.Contains(rec.Detail, want) {
			t.Errorf("no %q in\n%s", want, rec.Detail)
		}
	}
	for _, bad := range []string{s.token, "in-the-query", "in-the-referrer"} {
		if strings.Contains(rec.Detail, bad) {
			t.Errorf("%q is kept", bad)
		}
	}
	live, _, err := s.apps.Create(context.Background(), app.App{Name: "live", Level: app.LevelProduction, Scopes: []app.Scope{"SMS"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	if rec := s.recorded(t, s.do("POST", "/test/v1/things", goodThing, "Authorization", "Bearer "+s.newToken(live, "SMS"))); rec.Detail != "" {
		t.Errorf("of a production app:\n%s", rec.Detail)
	}
}

// recorded waits for the record of an answered call.
func (s *site) recorded(t *testing.T, r reply) gateway.Record {
	t.Helper()
	n, err := id.ParseRequest(r.Header.Get("X-Request-Id"))
	if err != nil {
		t.Fatal(err)
	}
	// A write of the store takes the records that wait along.
	if err := s.store.SaveAnswer(context.Background(), s.app.Tenant(), "flush", r.Header.Get("X-Request-Id"), gateway.Saved{Status: 200}); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		rec, ok, err := s.store.Request(context.Background(), n)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			return rec
		}
		s.store.SaveAnswer(context.Background(), s.app.Tenant(), "flush", r.Header.Get("X-Request-Id"), gateway.Saved{Status: 200})
	}
	t.Fatal("no record")
	return gateway.Record{}
}
