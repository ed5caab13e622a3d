package drill

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestEveryAnswerToAHostileRequestIsInTheEnvelopeOfTheAPI(t *testing.T) {
	w := start(t, nil)
	token := w.app("mallory", map[string]any{"short_codes": []string{"74992"}})
	addr := host(w.info.API)
	const end = "\r\n"
	auth := "Authorization: Bearer " + token + end
	post := func(headers, body string) string {
		return "POST " + outbox + " HTTP/1.1\r\nHost: " + addr + end + auth + headers + end + body
	}
	typed := func(kind, body string) string {
		return post(fmt.Sprintf("Content-Type: %s\r\nContent-Length: %d\r\n", kind, len(body)), body)
	}
	good := smsBody("+14255550100", "hello")
	get := func(line, headers string) string { return line + "\r\nHost: " + addr + end + auth + headers + end }
	deep := strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)
	chunks := "5\r\n{\"a\":\r\n"
	bomb := `<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><outboundSMSRequest><address>tel:+14255550100</address><message>&b;</message></outboundSMSRequest>`
	file := `<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/passwd">]><outboundSMSRequest><address>tel:+14255550100</address><message>&a;</message></outboundSMSRequest>`

	for _, tt := range []struct {
		name, request string
		status        int // 0: any refusal
		path, accept  string
	}{
		// Request smuggling: what two parsers may read in two ways is refused.
		{"Content-Length beside chunked", post("Content-Type: application/json\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 0, "", ""},
		{"two Content-Lengths that differ", post("Content-Type: application/json\r\nContent-Length: 4\r\nContent-Length: 5\r\n", "{}   "), 400, "", ""},
		{"a Content-Length with a sign", post("Content-Length: +4\r\n", "{}  "), 400, "", ""},
		{"a negative Content-Length", post("Content-Length: -1\r\n", ""), 400, "", ""},
		{"a Content-Length of 20 digits", post("Content-Length: 99999999999999999999\r\n", "{}"), 400, "", ""},
		{"Transfer-Encoding nobody knows", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501, "", ""},
		{"Transfer-Encoding with a blank before the colon", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400, "", ""},
		{"a header folded over two lines", post("X-Long: a\r\n b\r\nContent-Type: application/json\r\nContent-Length: 2\r\n", "{}"), 400, "", ""},
		{"a chunk with a size that is no number", post("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"), 400, "", ""},
		{"a header name with a blank", post("Content Length: 4\r\n", "{}  "), 400, "", ""},
		{"a header without a colon", post("nonsense\r\n", ""), 400, "", ""},
		{"a NUL in a header", post("X-Nul: a\x00b\r\n", ""), 400, "", ""},
		{"two Hosts", "GET " + outbox + " HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "", ""},
		{"no Host", "GET " + outbox + " HTTP/1.1\r\n\r\n", 400, "", ""},
		{"a Host with a slash", "GET " + outbox + " HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "", ""},
		{"HTTP/0.9", "GET /\r\n\r\n", 400, "", ""},
		{"HTTP/3.0 over TCP", get("GET "+outbox+" HTTP/3.0", ""), 505, "", ""},
		{"no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "", ""},
		{"an SMPP bind", "\x00\x00\x00\x20\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\x01a\x00b\x00\x00\x34\x00\x00\x00\r\n\r\n", 400, "", ""},
		// Sizes.
		{"101 headers", get("GET "+outbox+" HTTP/1.1", strings.Repeat("X-A: b\r\n", 101)), 431, "", ""},
		{"17 KiB of head", get("GET "+outbox+" HTTP/1.1", "X-A: "+strings.Repeat("b", 17<<10)+end), 431, "", ""},
		{"200 KiB of head", get("GET "+outbox+" HTTP/1.1", "X-A: "+strings.Repeat("b", 200<<10)+end), 431, "", ""},
		{"a path of 20 KiB", get("GET /"+strings.Repeat("b", 20<<10)+" HTTP/1.1", ""), 431, "", ""},
		{"a body of 64 KiB and one", typed("application/json", `{"a":"`+strings.Repeat("b", 64<<10-7)+`"}`), 413, "", ""},
		{"the same in chunks", post("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", "20000\r\n"+strings.Repeat("b", 0x20000)+"\r\n0\r\n\r\n"), 413, "", ""},
		{"Content-Length of an exabyte", post("Content-Type: application/json\r\nContent-Length: 1000000000000000000\r\n", "{}"), 413, "", ""},
		{"chunks without end", post("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", strings.Repeat(chunks, 20_000)), 413, "", ""},
		{"20 KiB of an OAuth form", "POST /oauth/v4/token HTTP/1.1\r\nHost: " + addr + "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 20480\r\n\r\n" + strings.Repeat("a", 20480), 413, "/oauth/", ""},
		// Bodies.
		{"JSON 10,000 deep", typed("application/json", deep), 400, "", ""},
		{"JSON arrays 30,000 deep", typed("application/json", strings.Repeat("[", 30_000)), 400, "", ""},
		{"a name twice", typed("application/json", `{"outboundSMSRequest":{"address":"tel:+14255550100","address":"tel:+14255550101","message":"x"}}`), 400, "", ""},
		{"two documents", typed("application/json", good+good), 400, "", ""},
		{"half a document", typed("application/json", good[:len(good)/2]), 400, "", ""},
		{"a raw NUL in a text", typed("application/json", "{\"outboundSMSRequest\":{\"address\":\"tel:+14255550100\",\"message\":\"a\x00b\"}}"), 400, "", ""},
		{"NUL bytes for a body", typed("application/json", strings.Repeat("\x00", 100)), 400, "", ""},
		{"1,001 names", typed("application/json", "{"+strings.Repeat(`"a":1,`, 1000)+`"b":1}`), 400, "", ""},
		{"a string of 33 KiB", typed("application/json", `{"outboundSMSRequest":{"address":"tel:+14255550100","message":"`+strings.Repeat("b", 33<<10)+`"}}`), 400, "", ""},
		{"a number of 30,000 digits for an address", typed("application/json", `{"outboundSMSRequest":{"address":`+strings.Repeat("9", 30_000)+`,"message":"x"}}`), 400, "", ""},
		{"an XML bomb", typed("application/xml", bomb), 400, "", ""},
		{"an XML entity of a file", typed("application/xml", file), 400, "", ""},
		{"XML 10,000 deep", typed("application/xml", strings.Repeat("<a>", 10_000)), 400, "", ""},
		{"XML in UTF-7", typed("application/xml", `<?xml version="1.0" encoding="UTF-7"?><a>+ADw-</a>`), 400, "", ""},
		{"a form of 5,000 fields", typed("application/x-www-form-urlencoded", strings.Repeat("a=b&", 5000)), 400, "", ""},
		{"a form with a broken escape", typed("application/x-www-form-urlencoded", "address=%zz&message=%"), 400, "", ""},
		{"gzip", post("Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n", "{}"), 415, "", ""},
		{"two Content-Types", post("Content-Type: application/json\r\nContent-Type: application/xml\r\nContent-Length: 2\r\n", "{}"), 415, "", ""},
		{"HTML", typed("text/html", "<html>"), 415, "", ""},
		{"a multipart form without a boundary", typed("multipart/form-data", "--\r\n"), 415, "", ""},
		{"a body that is asked for in XML", "POST " + outbox + " HTTP/1.1\r\nHost: " + addr + end + auth + "Accept: application/xml\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 400, "", "xml"},
		// Expect.
		{"Expect: 100-continue that is refused for its size", post("Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n", ""), 413, "", ""},
		{"Expect: 100-continue without a token", "POST " + outbox + " HTTP/1.1\r\nHost: " + addr + "\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n", 400, "", ""},
		{"another expectation", post("Expect: 200-ok\r\nContent-Type: application/json\r\nContent-Length: 2\r\n", "{}"), 417, "", ""},
		// Paths.
		{"an unknown path", get("GET /nope HTTP/1.1", ""), 404, "", ""},
		{"an unknown path in XML", get("GET /sms/nope HTTP/1.1", "Accept: application/xml\r\n"), 404, "", "xml"},
		{"an unknown path of OAuth", get("GET /oauth/v4/nope HTTP/1.1", ""), 404, "/oauth/", ""},
		{"the root of the machine", get("GET /../../../../etc/passwd HTTP/1.1", ""), 404, "", ""},
		{"the same, escaped", get("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", ""), 404, "", ""},
		{"an escaped slash in the id", get("GET "+outbox+"/..%2f..%2fadmin HTTP/1.1", ""), 400, "", ""},
		{"a NUL in the path", get("GET "+outbox+"/SMS%00 HTTP/1.1", ""), 400, "", ""},
		{"CR and LF in the path", get("GET "+outbox+"/SMS%0d%0aX-Evil:%201 HTTP/1.1", ""), 400, "", ""},
		{"a broken escape", get("GET /sms/%zz HTTP/1.1", ""), 400, "", ""},
		{"parameters with a semicolon", get("GET "+outbox+";a=b HTTP/1.1", ""), 404, "", ""},
		{"a path with final dots", get("GET "+outbox+".. HTTP/1.1", ""), 404, "", ""},
		{"an absolute form for another scheme", get("GET ftp://x/sms HTTP/1.1", ""), 404, "", ""},
		{"an asterisk", get("OPTIONS * HTTP/1.1", ""), 404, "", ""},
		{"the admin API on the API listener", get("GET /admin/v1/apps HTTP/1.1", ""), 404, "", ""},
		{"metrics on the API listener", get("GET /metrics HTTP/1.1", ""), 404, "", ""},
		{"the profiler on the API listener", get("GET /debug/pprof/heap HTTP/1.1", ""), 404, "", ""},
		// Methods.
		{"TRACE", get("TRACE "+outbox+" HTTP/1.1", ""), 405, "", ""},
		{"PATCH", get("PATCH "+outbox+" HTTP/1.1", "Content-Length: 0\r\n"), 405, "", ""},
		{"post in small letters", get("post "+outbox+" HTTP/1.1", "Content-Length: 0\r\n"), 405, "", ""},
		{"a method with a bad letter", get("P(ST "+outbox+" HTTP/1.1", ""), 400, "", ""},
		{"a method of 5,000 letters", get(strings.Repeat("A", 5000)+" "+outbox+" HTTP/1.1", ""), 405, "", ""},
		{"CONNECT", "CONNECT 10.0.0.1:25 HTTP/1.1\r\nHost: 10.0.0.1:25\r\n\r\n", 404, "", ""},
		{"HEAD", get("HEAD /sms/v3/messaging/inbox/74992 HTTP/1.1", ""), 405, "", ""},
		{"HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, "", ""},
		// Tokens.
		{"no token", "GET " + outbox + "/x HTTP/1.1\r\nHost: " + addr + "\r\n\r\n", 400, "", ""},
		{"two tokens", get("GET "+outbox+"/x HTTP/1.1", auth), 0, "", ""},
		{"a token of 8 KiB", "GET " + outbox + "/x HTTP/1.1\r\nHost: " + addr + "\r\nAuthorization: Bearer " + strings.Repeat("a", 8<<10) + "\r\n\r\n", 401, "", ""},
		{"a token with a NUL escaped", "GET " + outbox + "/x HTTP/1.1\r\nHost: " + addr + "\r\nAuthorization: Bearer %00\r\n\r\n", 401, "", ""},
		{"the admin token", "GET " + outbox + "/x HTTP/1.1\r\nHost: " + addr + "\r\nAuthorization: Bearer " + w.info.AdminToken + "\r\n\r\n", 401, "", ""},
		{"an Idempotency-Key of 1,000 letters", post("Idempotency-Key: "+strings.Repeat("k", 1000)+"\r\nContent-Type: application/json\r\nContent-Length: 2\r\n", "{}"), 400, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			method, _, _ := strings.Cut(tt.request, " ")
			a, err := raw(t, w.info.API, method, tt.request)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			if tt.status != 0 && a.status != tt.status || tt.status == 0 && a.status < 400 {
				t.Errorf("status %d, want %d: %s", a.status, tt.status, a.body)
			}
			if method == http.MethodHead {
				return // has no body
			}
			if why := ours(a, tt.path, tt.accept); why != "" {
				t.Errorf("%s: %d %v %s", why, a.status, a.header, a.body)
			}
			if strings.Contains(fmt.Sprint(a.header)+a.body, token) {
				t.Error("it repeats the token")
			}
		})
	}
	if a := w.send(token, "+14255550100", "still there"); a.status != http.StatusCreated {
		t.Errorf("after all this a send is answered %d %s", a.status, a.body)
	}
}

func TestOddButGoodRequestsAreServed(t *testing.T) {
	w := start(t, nil)
	token := w.app("pizza", map[string]any{"short_codes": []string{"74992"}})
	addr := host(w.info.API)
	body := smsBody("+14255550100", "gr\xfc\xdfe") // as one published kit writes it: in ISO-8859-1
	body = strings.ReplaceAll(body, "\\ufffd", "\xfc")
	head := fmt.Sprintf("Host: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", addr, token, len(body))
	for _, tt := range []struct{ name, request string }{
		{"HTTP/1.0", "POST " + outbox + " HTTP/1.0\r\n" + head + "\r\n" + body},
		{"the absolute form", "POST http://" + addr + outbox + " HTTP/1.1\r\n" + head + "\r\n" + body},
		{"double slashes", "POST //sms//v3/messaging///outbox HTTP/1.1\r\n" + head + "\r\n" + body},
		{"a final slash", "POST " + outbox + "/ HTTP/1.1\r\n" + head + "\r\n" + body},
		{"dot segments", "POST /sms/./v3/x/../messaging/outbox HTTP/1.1\r\n" + head + "\r\n" + body},
		{"an empty query", "POST " + outbox + "? HTTP/1.1\r\n" + head + "\r\n" + body},
		{"lines that end in LF alone", strings.ReplaceAll("POST "+outbox+" HTTP/1.1\r\n"+head+"\r\n", "\r\n", "\n") + body},
		{"Expect: 100-continue, not waited for", "POST " + outbox + " HTTP/1.1\r\n" + head + "Expect: 100-continue\r\n\r\n" + body},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			io.WriteString(c, tt.request)
			r := bufio.NewReader(c)
			a, err := readAnswer(r, "")
			if err == nil && a.status == http.StatusContinue {
				a, err = readAnswer(r, "")
			}
			if err != nil || a.status != http.StatusCreated {
				t.Errorf("%v %d %s", err, a.status, a.body)
			}
		})
	}
	t.Run("pipelined requests are answered in order", func(t *testing.T) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		one := "POST " + outbox + " HTTP/1.1\r\n" + head + "\r\n" + body
		other := "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n"
		go io.WriteString(c, strings.Repeat(one+other, 50))
		r := bufio.NewReader(c)
		for i := range 50 {
			a, err := readAnswer(r, "")
			b, err2 := readAnswer(r, "")
			if err != nil || err2 != nil || a.status != 201 || b.status != 404 {
				t.Fatalf("pair %d: %d %v, %d %v", i, a.status, err, b.status, err2)
			}
		}
	})
}

func TestSlowClientsAreCutOffAndDisturbNobody(t *testing.T) {
	w := start(t, nil)
	token := w.app("pizza", map[string]any{"short_codes": []string{"74992"}})
	before := runtime.NumGoroutine()
	addr := host(w.info.API)
	const slow = 300
	conns := make([]net.Conn, slow)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c
		switch i % 4 {
		case 0: // half a head
			io.WriteString(c, "POST "+outbox+" HTTP/1.1\r\nHost: x\r\nX-A: ")
		case 1: // not a word
		case 2: // a head, letter by letter, below
			io.WriteString(c, "P")
		case 3: // half a body
			io.WriteString(c, "POST "+outbox+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+"\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
		}
	}
	var dead atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i, c := range conns {
		if i%4 == 3 { // 30 s; cut here
			continue
		}
		wg.Go(func() {
			c.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, c); err == nil {
				dead.Add(1)
			} else if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
				dead.Add(1)
			}
		})
		if i%4 == 2 {
			wg.Go(func() {
				tick := time.NewTicker(200 * time.Millisecond)
				defer tick.Stop()
				for _, b := range []byte("OST " + outbox + " HTTP/1.1\r\nHost: x\r\nX-A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb") {
					select {
					case <-tick.C:
					case <-stop:
						return
					}
					if _, err := c.Write([]byte{b}); err != nil {
						return
					}
				}
			})
		}
	}
	sent := 0
	await(t, "the heads that are late are cut off", func() bool {
		if a := w.send(token, "+14255550100", "meanwhile"); a.status != http.StatusCreated {
			t.Fatalf("a healthy client: %d %s", a.status, a.body)
		}
		sent++
		return dead.Load() == slow/4*3
	})
	close(stop)
	for _, c := range conns {
		c.Close()
	}
	wg.Wait()
	t.Logf("%d sends of a healthy client meanwhile", sent)
	w.client.CloseIdleConnections()
	settled(t, before)
}

// No secret may be seen by whoever reads the logs, watches the console or lists the calls.
func TestNoSecretIsLoggedOrShown(t *testing.T) {
	w := start(t, nil)
	req, _ := http.NewRequest(http.MethodGet, w.info.Admin+"/admin/v1/stream", nil)
	req.Header.Set("Authorization", "Bearer "+w.info.AdminToken)
	resp, err := (&http.Client{Transport: w.client.Transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	watched := &record{}
	done := make(chan struct{})
	go func() { defer close(done); io.Copy(watched, resp.Body) }()

	token := w.app("pizza", map[string]any{"short_codes": []string{"74992"}})
	var secrets []string
	secrets = append(secrets, token, "pizza-secret-0123456789", w.info.AdminToken)
	form := "application/x-www-form-urlencoded"
	a := w.do(http.MethodPost, w.info.API+"/oauth/v4/token", "grant_type=client_credentials&scope=SMS&client_id=pizza-key&client_secret=pizza-secret-0123456789", "Content-Type", form)
	var tok struct{ Access_token, Refresh_token string }
	json.Unmarshal([]byte(a.body), &tok)
	secrets = append(secrets, tok.Access_token, tok.Refresh_token, "wrong-secret-5551212", "stray-token-5551212", "basic-secret-5551212", "cGl6emEta2V5OmJhc2ljLXNlY3JldC01NTUxMjEy", "cookie-5551212", "query-token-5551212")
	w.do(http.MethodPost, w.info.API+"/oauth/v4/token", "grant_type=client_credentials&scope=SMS&client_id=pizza-key&client_secret=wrong-secret-5551212", "Content-Type", form)
	w.do(http.MethodPost, w.info.API+"/oauth/v4/token", "grant_type=client_credentials&scope=SMS", "Content-Type", form, "Authorization", "Basic cGl6emEta2V5OmJhc2ljLXNlY3JldC01NTUxMjEy")
	w.do(http.MethodPost, w.info.API+"/oauth/v4/token", "grant_type=refresh_token&client_id=pizza-key&client_secret=pizza-secret-0123456789&refresh_token="+tok.Refresh_token, "Content-Type", form)
	w.do(http.MethodPost, w.info.API+"/oauth/v4/token", "grant_type=refresh_token&client_id=pizza-key&client_secret=wrong-secret-5551212&refresh_token=stray-token-5551212", "Content-Type", "application/json")
	w.do(http.MethodPost, w.info.API+"/oauth/v4/nothere", "client_secret=wrong-secret-5551212", "Content-Type", form)
	w.do(http.MethodPost, w.info.API+"/oauth/v4/revoke", "token=stray-token-5551212&client_id=pizza-key&client_secret=pizza-secret-0123456789", "Content-Type", form)
	w.do(http.MethodGet, w.info.API+"/oauth/token?grant_type=client_credentials&client_id=pizza-key&client_secret=wrong-secret-5551212", "")
	w.do(http.MethodGet, w.info.API+outbox+"/x?access_token=query-token-5551212", "", "Authorization", "Bearer stray-token-5551212", "Cookie", "s=cookie-5551212")
	w.do(http.MethodGet, w.info.API+outbox+"/x", "", "Authorization", "stray-token-5551212")
	w.do(http.MethodGet, w.info.API+outbox+"/x", "", "Authorization", "Token stray-token-5551212")
	w.do(http.MethodGet, w.info.API+"/sms/v3/messaging/inbox/74992", "", "Authorization", "Bearer "+token, "Proxy-Authorization", "Basic cookie-5551212")
	messageID(t, w.send(token, "+14255550100", "the last one"))
	w.do(http.MethodGet, w.info.Admin+"/admin/v1/apps", "", "Authorization", "Bearer stray-token-5551212")

	await(t, "the last call is on the stream", func() bool { return strings.Contains(watched.String(), "the last one") })
	requests := w.do(http.MethodGet, w.info.Admin+"/admin/v1/requests?limit=500", "", "Authorization", "Bearer "+w.info.AdminToken)
	apps := w.do(http.MethodGet, w.info.Admin+"/admin/v1/apps/pizza", "", "Authorization", "Bearer "+w.info.AdminToken)
	links := w.do(http.MethodGet, w.info.Admin+"/admin/v1/links", "", "Authorization", "Bearer "+w.info.AdminToken)
	metrics := w.do(http.MethodGet, w.info.Admin+"/metrics", "")
	for where, text := range map[string]string{"the log": w.log.String(), "the stream": watched.String(), "the list of calls": requests.body,
		"the app": apps.body, "the links": links.body, "the metrics": metrics.body} {
		for _, s := range secrets {
			if s != "" && strings.Contains(text, s) {
				i := strings.Index(text, s)
				t.Errorf("%s shows %q: …%s…", where, s, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
	resp.Body.Close()
	<-done
}
