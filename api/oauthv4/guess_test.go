package oauthv4_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"longlines/app"
	"longlines/gateway"
)

// TestWhoGuessesSecretsStarvesOnlyTheAppGuessed: a slow hash costs some tens of milliseconds, so one address
// with the public key of one app could keep everybody whose secret a person chose from getting tokens.
func TestWhoGuessesSecretsStarvesOnlyTheAppGuessed(t *testing.T) {
	s := open(t, gateway.Limits{})
	const others = 8
	for i := range others {
		n := fmt.Sprint("other", i)
		if _, _, err := s.apps.Create(context.Background(), app.App{Name: n, Key: n, Scopes: []app.Scope{"SMS"}}, "chosen-"+n); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	full := make(chan struct{})
	var once sync.Once
	var crowd sync.WaitGroup
	defer crowd.Wait()
	defer stop()
	for i := range 90 {
		crowd.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				form := fmt.Sprintf("grant_type=client_credentials&scope=SMS&client_id=appkey&client_secret=wrong-%d-%d", i, n)
				req, err := http.NewRequestWithContext(ctx, "POST", s.url+"/oauth/v4/token", strings.NewReader(form))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				res, err := s.client.Do(req)
				if err != nil {
					continue // stopped
				}
				res.Body.Close()
				if res.StatusCode == http.StatusServiceUnavailable {
					once.Do(func() { close(full) })
				}
			}
		})
	}
	<-full
	for i := range others {
		n := fmt.Sprint("other", i)
		res, m := s.do(t, "POST", "/oauth/v4/token", "grant_type=client_credentials&scope=SMS&client_id="+n+"&client_secret=chosen-"+n)
		if res.StatusCode != http.StatusOK {
			t.Errorf("a token for %s: %d %v", n, res.StatusCode, m)
		}
	}
	// Revoke Token is never shed (docs/reference/reliability.md P16), of the app guessed neither.
	for _, secret := range []string{"appsecret", "appsecret"} { // the second is known
		if res, m := s.do(t, "POST", "/oauth/v4/revoke", "token=nothing&client_id=appkey&client_secret="+secret); res.StatusCode != http.StatusOK {
			t.Errorf("revoke: %d %v", res.StatusCode, m)
		}
	}
	if res, m := s.do(t, "POST", "/oauth/v4/token", "grant_type=client_credentials&scope=SMS&client_id=appkey&client_secret=appsecret"); res.StatusCode != http.StatusOK {
		t.Errorf("a token by a secret that was right before: %d %v", res.StatusCode, m)
	}
}
