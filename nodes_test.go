package longlines_test

import (
	"database/sql"
	"net/http"
	"strings"
	"testing"
	"time"

	"longlines/store/storetest"
)

// node is the configuration of one node of several on a database.
func node(t *testing.T, db string) map[string]any {
	return map[string]any{"store.url": db, "data": t.TempDir(), "sandbox.off": true, "demo.off": true,
		"store.secret_key": strings.Repeat("a1", 32), "admin.token": "the-same-token-on-both-nodes"}
}

// The connection to the database breaks after a send's COMMIT was sent and before its answer came. The app is told to
// try again, and what it gets then holds: one text, delivered.
func TestPostgresASendWhoseCommitGotNoAnswerIsOneText(t *testing.T) {
	db := database(t)
	proxy := storetest.NewProxy(t, db)
	port, seen := centre(t)
	a := start(t, node(t, proxy.URL))
	a.admin(http.MethodPost, "/admin/v1/links", map[string]any{"name": "centre", "host": "127.0.0.1", "port": port, "system_id": "x", "password": "pw"}, nil)
	a.admin(http.MethodPost, "/admin/v1/routes", map[string]any{"prefix": "+", "link": "centre"}, nil)
	a.app("pizza", map[string]any{"level": "production", "short_codes": []string{"74992"}})
	token := a.token("pizza-key", "pizza-secret", "SMS")
	send := func() answer {
		return a.send(token, "+14255550100", "your pizza is on its way", "Idempotency-Key", "order 7")
	}
	cut := proxy.CutCommit("INSERT INTO mt ")
	if r := send(); r.status != http.StatusServiceUnavailable {
		t.Fatalf("without an answer of the database: %d %s", r.status, r.body)
	}
	<-cut
	var again answer
	await(t, "the send is taken", func() bool { again = send(); return again.status == http.StatusCreated })
	id := messageID(t, again)
	await(t, "the text is delivered", func() bool { return a.status(token, id) == "DeliveredToTerminal" })
	if more := messageID(t, send()); more != id || seen() != 1 {
		t.Errorf("the centre got %d texts; the messages %s and %s", seen(), id, more)
	}
}

// Another node's change while this one starts must not be missed: an app was read, and is deleted before the rest is.
func TestPostgresAChangeDuringTheStartIsNotMissed(t *testing.T) {
	db := database(t)
	a := start(t, node(t, db))
	a.app("pizza", nil)
	token := a.token("pizza-key", "pizza-secret", "SMS")

	proxy := storetest.NewProxy(t, db)
	held, release := proxy.Hold("FROM optout")
	defer release()
	b := make(chan *world, 1)
	go func() {
		defer close(b)
		b <- start(t, node(t, proxy.URL))
	}()
	select {
	case <-held:
	case <-b:
		t.Fatal("it did not read the opt-outs after the apps")
	}
	a.admin(http.MethodDelete, "/admin/v1/apps/pizza", nil, nil)
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	// Now only the node that starts asks for changes.
	direct, err := sql.Open("pgx", db)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	var from time.Time
	if err := direct.QueryRow("SELECT clock_timestamp()").Scan(&from); err != nil {
		t.Fatal(err)
	}
	await(t, "it hears of changes", func() bool {
		var n int
		err := direct.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'
			AND query LIKE 'SELECT seq, kind%' AND query_start > $1`, from).Scan(&n)
		return err == nil && n > 0
	})
	release()
	w := <-b
	if w == nil {
		t.FailNow()
	}
	await(t, "the app is unknown", func() bool {
		r := w.do(w.info.API, request{http.MethodGet, "/sms/v3/messaging/inbox/74992", "", bearer(token)})
		return r.status == http.StatusUnauthorized
	})
}
