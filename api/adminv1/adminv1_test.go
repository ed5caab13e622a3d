package adminv1_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"longlines/api/adminv1"
	"longlines/app"
	"longlines/id"
	"longlines/number"
	"longlines/oauth"
	"longlines/queue"
	"longlines/quota"
	"longlines/route"
	"longlines/sms"
	"longlines/store"
	"longlines/timeline"
)

const alice = number.MSISDN("14255550100")

// site is the management API with its real store, on a port of its own.
type site struct {
	t      *testing.T
	store  *store.Store
	apps   *app.Directory
	tokens *oauth.Service
	people *oauth.Subscribers
	texts  *sms.Service
	meter  *quota.Meter
	url    string
	offset atomic.Int64
}

func (s *site) now() time.Time { return time.Now().Add(time.Duration(s.offset.Load())) }

func open(t *testing.T) *site {
	t.Helper()
	ctx := context.Background()
	s := &site{t: t}
	log := slog.New(slog.DiscardHandler)
	var err error
	if s.store, err = store.Open(ctx, store.Config{Ephemeral: true, Now: s.now, SecretKey: make([]byte, 32)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.store.Close(context.Background()) })
	if s.apps, err = app.NewDirectory(ctx, s.store, app.Config{Now: s.now}); err != nil {
		t.Fatal(err)
	}
	if s.tokens, err = oauth.New(oauth.Config{Store: s.store, Sealer: s.store.Sealer(), Apps: s.apps, Now: s.now}); err != nil {
		t.Fatal(err)
	}
	if s.people, err = oauth.NewSubscribers(oauth.SubscribersConfig{Store: s.store, Sealer: s.store.Sealer(), Now: s.now}); err != nil {
		t.Fatal(err)
	}
	router, err := route.NewRouter(ctx, route.Config{Store: s.store, Now: s.now, Log: log,
		Test: func(context.Context, route.Link) []route.Step { return []route.Step{{Name: "connect", OK: true}} }})
	if err != nil {
		t.Fatal(err)
	}
	s.texts, err = sms.New(ctx, sms.Config{Store: s.store, Queue: queue.New(queue.Config{Backend: s.store, Now: s.now, Log: log}), Network: router,
		Apps: s.apps, Sealer: s.store.Sealer(), Now: s.now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	s.meter, err = quota.New(quota.Config{Source: s.store, Now: s.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.meter.Close)
	srv := httptest.NewServer(adminv1.New(adminv1.Config{Version: "test", Apps: s.apps, Router: router, SMS: s.texts, Tokens: s.tokens, Subscribers: s.people, Sealer: s.store.Sealer(),
		Meter: s.meter, Store: s.store, Timeline: timeline.New(10, s.now), Now: s.now,
		Received: func(context.Context, id.Number) (sms.MO, string, bool, error) { return sms.MO{}, "", false, nil },
		Jobs:     func(context.Context) (map[string]int64, error) { return nil, nil },
	}))
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

// call sends one request and checks the status; the answer is decoded into out, unless that is nil.
func (s *site) call(method, path, body string, status int, out any) string {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	if body == "" {
		req.Body = http.NoBody
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != status {
		s.t.Fatalf("%s %s: %d, want %d: %s", method, path, resp.StatusCode, status, b)
	}
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			s.t.Fatalf("%s %s: %v: %s", method, path, err, b)
		}
	}
	return string(b)
}

// consent records a subscriber's consent to an app.
func (s *site) consent(appName string, m number.MSISDN, scopes, how string) oauth.Consent {
	s.t.Helper()
	a := s.apps.ByName(appName)
	approval := &oauth.Approval{Until: s.now().Add(time.Minute), Consent: oauth.Consent{App: a.ID, Subscriber: m, Scopes: scopes, How: how},
		Code: oauth.Code{ID: s.store.NextToken(1), App: a.ID, Subscriber: m, Scopes: scopes, Expires: s.now().Add(time.Minute)}}
	rand.Read(approval.Once[:])
	rand.Read(approval.Code.Hash[:])
	if err := s.store.Approve(context.Background(), approval); err != nil {
		s.t.Fatal(err)
	}
	return approval.Consent
}

// jwks is a set of one fresh public key; with private, its private part too.
func jwks(t *testing.T, private bool) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := k.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	d, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	more := ""
	if private {
		more = fmt.Sprintf(`,"d":%q`, b64(d))
	}
	return fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","x":%q,"y":%q%s}]}`, b64(point[1:33]), b64(point[33:]), more)
}
