package longlines_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"longlines/test/tab"
)

// button is the selector of a button by what it does.
func button(do string) string { return fmt.Sprintf(`button[name=do][value=%s]`, do) }

// signInByPIN types the number and the PIN, each into the field that has the focus when the page comes.
func (w *world) signInByPIN(b *tab.Tab, typed, phone string, remember bool) {
	w.t.Helper()
	pin := w.pinOf(phone)
	b.Arrives(`input[name=number]:focus`)
	b.Do(chromedp.KeyEvent(typed))
	if remember {
		b.Do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(" "))
		b.Arrives(`input[name=remember]:checked`)
		b.Press(button("number"))
	} else {
		b.Do(chromedp.KeyEvent(kb.Enter))
	}
	b.Arrives(`input[name=pin]:focus`)
	b.Do(chromedp.KeyEvent(pin()), chromedp.KeyEvent(kb.Enter))
	b.Until("the page behind the PIN", `document.querySelector('h1') && !document.querySelector('input[name=pin]')`)
}

func TestASubscriberGoesThroughEverythingInABrowserWithoutScript(t *testing.T) {
	w := start(t, nil)
	shop := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(rw, "pizza got error=%s code=%d state=%s", r.FormValue("error"), len(r.FormValue("code")), r.FormValue("state"))
	}))
	t.Cleanup(shop.Close)
	w.app("pizza", map[string]any{"scopes": []string{"IMMN", "MIM"}, "redirect_uri": shop.URL + "/callback", "owner": "Pizza Palace"})
	ask := func(base, state string, more ...string) string {
		return base + authorizeURL("IMMN,MIM", append([]string{"state", state}, more...)...)
	}
	b := tab.Open(t, tab.Options{Width: 390, Height: 844, NoScript: true})

	// Scripts are off, in this browser and by the pages' own policy.
	b.Do(chromedp.Navigate("data:text/html,<title>off</title><script>document.title='on'</script>"))
	if s := b.Text(); !strings.HasPrefix(s, "off") {
		t.Fatalf("scripts run: %q", s)
	}

	// Consent by PIN, by keyboard alone.
	b.Do(chromedp.Navigate(ask(w.info.API, "first")))
	b.Sees("pizza")
	w.signInByPIN(b, "(425) 555-0100", "+14255550100", false)
	b.Sees("Pizza Palace")
	b.Press(button("allow"))
	b.Sees("pizza got error= code=64 state=first")

	// Deny.
	b.Do(chromedp.Navigate(ask(w.info.API, "second")))
	w.signInByPIN(b, "4255550100", "+14255550100", true)
	b.Press(button("deny"))
	b.Sees("pizza got error=access_denied code=0 state=second")

	// Remembered; then without any page; then somebody else.
	b.Do(chromedp.Navigate(ask(w.info.API, "third")))
	b.Press(button("allow"))
	b.Sees("code=64 state=third")
	b.Do(chromedp.Navigate(ask(w.info.API, "fourth", "custom_param", "suppress_landing_page")))
	b.Sees("code=64 state=fourth")
	b.Do(chromedp.Navigate(ask(w.info.API, "fifth")))
	b.Press(button("switch"))
	w.signInByPIN(b, "+1 425 555 0101", "+14255550101", false)
	b.Press(button("allow"))
	b.Sees("code=64 state=fifth")

	// A wrong PIN is told, and leads nowhere.
	b.Do(chromedp.Navigate(ask(w.info.API, "sixth")))
	if b.Has(button("switch")) {
		b.Press(button("switch"))
	}
	b.Arrives(`input[name=number]:focus`)
	b.Do(chromedp.KeyEvent("4255550102"), chromedp.KeyEvent(kb.Enter))
	b.Arrives(`input[name=pin]:focus`)
	b.Do(chromedp.KeyEvent("000000"), chromedp.KeyEvent(kb.Enter))
	b.Arrives(`[role=alert]`)

	// My consents: seen and taken back.
	b.Do(chromedp.Navigate(w.info.API + "/consents"))
	if !b.Has(button("revoke")) && b.Has(`input[name=number]`) {
		w.signInByPIN(b, "4255550101", "+14255550101", false)
	}
	b.Sees("pizza")
	b.Script(`document.querySelectorAll('details').forEach(d => d.open = true)`)
	b.Press(button("revoke"))
	b.Until("the consent to be gone", fmt.Sprintf(`!document.querySelector(%q)`, button("revoke")))

	// On the network, from the phone's own browser: no number, no PIN.
	b.Do(chromedp.Navigate(ask("http://14255550100.phone.localhost"+w.info.PhoneBrowser[strings.LastIndex(w.info.PhoneBrowser, ":"):], "phone")))
	b.Arrives(button("allow"))
	if b.Has(`input[name=number]`) {
		t.Errorf("a phone on the network is asked for its number: %s", b.Text())
	}
	b.Press(button("allow"))
	b.Sees("code=64 state=phone")

	// In Spanish.
	b.Do(chromedp.Navigate(ask(w.info.API, "spanish", "lang", "es")))
	b.Arrives(`html[lang=es]`)
}

// TestPagesAreLight weighs what a phone loads to see the consent page, and that it cannot be framed.
func TestPagesAreLight(t *testing.T) {
	w := consentWorld(t, nil)
	get := func(path string) (http.Header, string) {
		req, _ := http.NewRequest(http.MethodGet, w.info.API+path, nil)
		req.Header.Set("Accept", "text/html")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v", path, resp.Status, err)
		}
		return resp.Header, string(b)
	}
	h, body := get(authorizeURL("IMMN,MIM"))
	total := len(body)
	for name, want := range map[string]string{"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
		if h.Get(name) != want {
			t.Errorf("%s %q", name, h.Get(name))
		}
	}
	csp := h.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("CSP %q has no %s", csp, want)
		}
	}
	if strings.Contains(csp, "unsafe") {
		t.Errorf("CSP %q", csp)
	}
	assets := regexp.MustCompile(`(?:href|src)="(/[^"?]+\.(?:css|svg|png)[^"]*)"`).FindAllStringSubmatch(body, -1)
	if len(assets) == 0 {
		t.Fatal("a page without a style sheet")
	}
	for _, m := range assets {
		_, asset := get(m[1])
		total += len(asset)
	}
	if strings.Contains(body, "<script") || strings.Contains(body, "style=") {
		t.Error("script or inline style")
	}
	if total > 60<<10 {
		t.Errorf("the first page weighs %d bytes, and 60 KiB is the limit", total)
	}
}
