package oauthv4_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"longlines/app"
)

// TestABrowserGoesAllTheWay is about what only a browser does: it holds the pages to their own headers,
// hides its origin over plain http, and holds form-action against every redirect behind a form.
func TestABrowserGoesAllTheWay(t *testing.T) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no chromium in PATH, and CI=true: the browser test must run here")
		}
		t.Skip("no chromium in PATH: the browser test is skipped")
	}
	k := openCounter(t, "")
	// The app sends its visitor on to a host of its own that nobody has registered.
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/back" {
			u := "http://shop.example:" + r.Host[strings.LastIndex(r.Host, ":")+1:] + "/done?" + r.URL.RawQuery
			http.Redirect(w, r, u, http.StatusFound)
			return
		}
		fmt.Fprint(w, "<title>Shop</title><p>Thank you")
	}))
	t.Cleanup(shop.Close)
	k.app(app.App{Name: "shop", Key: "shop-key", Level: app.LevelProduction, Scopes: []app.Scope{"IMMN"}, RedirectURI: shop.URL + "/back"})

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("host-resolver-rules", "MAP *.example 127.0.0.1"),
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(390, 844))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	messages, heard := chromedp.Console(ctx), make(chan struct{})
	go func() {
		defer close(heard)
		for m, err := range messages {
			if err != nil {
				return
			}
			// The last one is for https; over plain http it does no harm.
			if m.Type == "error" && !strings.Contains(m.Text, "favicon") && !strings.Contains(m.Text, "Cross-Origin-Opener-Policy") {
				t.Errorf("the page complained: %s", m)
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-heard })
	until := func(what, condition string) {
		t.Helper()
		look := chromedp.Evaluate[bool](`new Promise((done) => { const look = () => (`+condition+`) ? done(true) : setTimeout(look, 20); look() })`, chromedp.EvalAwaitPromise)
		_, err := chromedp.Run(ctx, look)
		for err != nil && ctx.Err() == nil { // the page went away under the promise
			_, err = chromedp.Run(ctx, look)
		}
		if err != nil {
			page, _ := chromedp.Run(context.WithoutCancel(ctx), chromedp.Evaluate[string](`location.href + '\n' + document.body.innerText`))
			t.Fatalf("%s: not seen (%v) on the page\n%s", what, err, page)
		}
	}
	press := func(button string) {
		t.Helper()
		until("the button "+button, `document.querySelector('button[name="do"][value="`+button+`"]') && document.readyState === "complete"`)
		if err := chromedp.Do(ctx, chromedp.Click(`button[name="do"][value="`+button+`"]`)); err != nil {
			t.Fatal(err)
		}
	}
	fill := func(field, value string) {
		t.Helper()
		until("the field "+field, `document.querySelector('input[name="`+field+`"]') && document.readyState === "complete"`)
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](fmt.Sprintf(`(document.querySelector('input[name=%q]').value = %q) !== ""`, field, value))); err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(k.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "consent.example"} { // Sec-Fetch-Site goes to the first only
		k.later(10 * time.Minute)
		if err := chromedp.Do(ctx, chromedp.Navigate("http://"+host+":"+u.Port()+asking("shop-key", "IMMN", "state", "s"))); err != nil {
			t.Fatal(err)
		}
		until("our style", `document.styleSheets.length === 1 && document.styleSheets[0].cssRules.length > 10`)
		sent := k.sent(alice)
		fill("number", "(425) 555-0100")
		press("number")
		until("the page for the PIN", `document.querySelector('input[name="pin"]')`)
		if k.sent(alice) != sent+1 {
			t.Fatalf("%d PINs", k.sent(alice))
		}
		fill("pin", k.pin(alice)())
		press("pin")
		press("allow")
		until("the app", `location.hostname === "shop.example" && location.pathname === "/done" && location.search.includes("code=") && location.search.includes("state=s")`)
	}
	if k.given("shop-key", alice) != "IMMN" {
		t.Fatal("there is no consent")
	}
}
