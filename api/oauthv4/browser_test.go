package oauthv4_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"longlines/app"
	"longlines/test/tab"
)

// TestABrowserGoesAllTheWay is about what only a browser does: it holds the pages to their own headers,
// hides its origin over plain http, and holds form-action against every redirect behind a form.
func TestABrowserGoesAllTheWay(t *testing.T) {
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

	// The opener policy is for https; over plain http it does no harm.
	b := tab.Open(t, tab.Options{Width: 390, Height: 844, Expected: []string{"favicon", "Cross-Origin-Opener-Policy"}})
	press := func(button string) {
		t.Helper()
		b.Until("the button "+button, `document.querySelector('button[name="do"][value="`+button+`"]') && document.readyState === "complete"`)
		b.Do(chromedp.Click(`button[name="do"][value="` + button + `"]`))
	}
	fill := func(field, value string) {
		t.Helper()
		b.Until("the field "+field, `document.querySelector('input[name="`+field+`"]') && document.readyState === "complete"`)
		b.Script(fmt.Sprintf(`document.querySelector('input[name=%q]').value = %q`, field, value))
	}
	u, err := url.Parse(k.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "consent.example"} { // Sec-Fetch-Site goes to the first only
		k.later(10 * time.Minute)
		b.Do(chromedp.Navigate("http://" + host + ":" + u.Port() + asking("shop-key", "IMMN", "state", "s")))
		b.Until("our style", `document.styleSheets.length === 1 && document.styleSheets[0].cssRules.length > 10`)
		sent := k.sent(alice)
		fill("number", "(425) 555-0100")
		press("number")
		b.Until("the page for the PIN", `document.querySelector('input[name="pin"]')`)
		if k.sent(alice) != sent+1 {
			t.Fatalf("%d PINs", k.sent(alice))
		}
		fill("pin", k.pin(alice)())
		press("pin")
		press("allow")
		b.Until("the app", `location.hostname === "shop.example" && location.pathname === "/done" && location.search.includes("code=") && location.search.includes("state=s")`)
	}
	if k.given("shop-key", alice) != "IMMN" {
		t.Fatal("there is no consent")
	}
}
