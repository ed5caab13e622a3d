package longlines_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"longlines/smpp"
)

// database makes a fresh database on the server that LONGLINES_TEST_POSTGRES names, and drops it.
func database(t *testing.T) string {
	t.Helper()
	server := os.Getenv("LONGLINES_TEST_POSTGRES")
	need(t, "PostgreSQL (LONGLINES_TEST_POSTGRES is not set)", server != "")
	db, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.ToLower(fmt.Sprintf("longlines_cluster_%d", os.Getpid()))
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// centre is an SMSC that reports every text as delivered, on the bind it came on.
func centre(t *testing.T) (port int, seen func() int) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	srv := &smpp.Server{
		Authenticate: func(context.Context, *smpp.Bind, net.Addr) (smpp.BindResp, smpp.Status) {
			return smpp.BindResp{SystemID: "centre"}, smpp.StatusROK
		},
		Session: smpp.SessionConfig{Handler: smpp.HandlerFunc(func(ctx context.Context, req *smpp.Request) {
			sm, ok := req.PDU.(*smpp.SubmitSM)
			if !ok {
				req.Respond(smpp.StatusRINVCMDID, nil)
				return
			}
			mu.Lock()
			n++
			id := fmt.Sprintf("%x", 0x10000+n)
			mu.Unlock()
			req.Respond(smpp.StatusROK, &smpp.SubmitSMResp{MessageID: id})
			r := &smpp.DeliverSM{Source: sm.Dest, Dest: sm.Source, ESMClass: 0x04}
			r.ShortMessage = []byte("id:" + id + " sub:001 dlvrd:001 stat:DELIVRD err:000 text:")
			req.Session().Do(ctx, r)
		})},
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(ctx, l) }()
	t.Cleanup(func() { stop(); <-done })
	return l.Addr().(*net.TCPAddr).Port, func() int { mu.Lock(); defer mu.Unlock(); return n }
}

func TestTwoNodesOnOneDatabaseAreOnePlatform(t *testing.T) {
	db := database(t)
	port, _ := centre(t)
	node := func() *world {
		return start(t, map[string]any{"store.url": db, "data": t.TempDir(), "sandbox.off": true, "demo.off": true,
			"store.secret_key": strings.Repeat("a1", 32), "admin.token": "the-same-token-on-both-nodes"})
	}
	a, b := node(), node()
	a.admin(http.MethodPost, "/admin/v1/links", map[string]any{"name": "centre", "host": "127.0.0.1", "port": port, "system_id": "x", "password": "pw"}, nil)
	a.admin(http.MethodPost, "/admin/v1/routes", map[string]any{"prefix": "+", "link": "centre"}, nil)
	a.app("pizza", map[string]any{"level": "production", "short_codes": []string{"74992"}})

	// What one node was told the other knows within a second.
	token := a.token("pizza-key", "pizza-secret", "SMS")
	await(t, "the other node knows app, link and token", func() bool {
		return b.send(token, "+14255550100", "from b").status == http.StatusCreated
	})
	ids := map[*world]string{a: messageID(t, a.send(token, "+14255550101", "from a")), b: messageID(t, b.send(token, "+14255550102", "from b"))}
	for on, id := range ids {
		for _, w := range []*world{a, b} {
			await(t, "the status on either node", func() bool { return w.status(token, id) == "DeliveredToTerminal" })
		}
		_ = on
	}

	// A quota is one for both: no more than the limit is admitted, whoever is asked.
	a.app("rare", map[string]any{"level": "production", "short_codes": []string{"74993"}})
	a.admin(http.MethodPut, "/admin/v1/apps/rare/quotas/SMS", map[string]any{"per_minute": 1_000_000, "per_day": 100}, nil)
	rare := a.token("rare-key", "rare-secret", "SMS")
	await(t, "b knows the app", func() bool {
		r := b.do(b.info.API, request{http.MethodGet, "/sms/v3/messaging/inbox/74993", "", bearer(rare)})
		return r.status == http.StatusOK
	})
	var mu sync.Mutex
	var wg sync.WaitGroup
	admitted := 0
	for _, w := range []*world{a, b} {
		for range 4 {
			wg.Go(func() {
				for range 30 {
					r := w.do(w.info.API, request{http.MethodGet, "/sms/v3/messaging/inbox/74993", "", bearer(rare)})
					if r.status == http.StatusOK {
						mu.Lock()
						admitted++
						mu.Unlock()
					}
				}
			})
		}
	}
	wg.Wait()
	if admitted > 100 || admitted < 50 {
		t.Errorf("%d calls were admitted on a day's quota of 100", admitted)
	}

	// A revocation on one node is seen by the other within a second.
	form(a, "/oauth/v4/revoke", "client_id", "pizza-key", "client_secret", "pizza-secret", "token", token)
	await(t, "the other node refuses the revoked token", func() bool {
		return b.send(token, "+14255550100", "x").status == http.StatusUnauthorized
	})

	// A node that leaves takes nothing along.
	fresh := b.token("pizza-key", "pizza-secret", "SMS")
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	id := messageID(t, b.send(fresh, "+14255550103", "still here"))
	await(t, "the node that stays goes on", func() bool { return b.status(fresh, id) == "DeliveredToTerminal" })
}
