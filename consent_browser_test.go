package longlines_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tab is a browser with scripts switched off: what works here works without them.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func openTab(t *testing.T) *tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	need(t, "Chromium", err == nil)
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(390, 844))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &tab{t, ctx}
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
			return err // a window without a screen never has the focus by itself
		}
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	return b
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// text is what the page says; asking runs outside of the page's own scripts.
func (b *tab) text() string {
	s, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body ? document.title + "\n" + document.body.innerText : ""`))
	return s
}

func (b *tab) sees(want string) {
	b.t.Helper()
	b.until(fmt.Sprintf("the browser shows %q", want), func() bool { return strings.Contains(b.text(), want) })
}

// until repeats check until it is content; a failure tells what the page said instead.
func (b *tab) until(what string, check func() bool) {
	b.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !check(); <-tick.C {
		if time.Now().After(deadline) || b.ctx.Err() != nil {
			b.t.Fatalf("%s: not within %s; the page says:\n%s", what, patience, b.text())
		}
	}
}

func (b *tab) has(selector string) bool {
	ok, _ := chromedp.Run(b.ctx, chromedp.Evaluate[bool](fmt.Sprintf(`!!document.querySelector(%q)`, selector)))
	return ok
}

// arrives waits for a part of a page.
func (b *tab) arrives(selector string) {
	b.t.Helper()
	b.until("a page with "+selector, func() bool { return b.has(selector) })
}

// button is the selector of a button by what it does.
func button(do string) string { return fmt.Sprintf(`button[name=do][value=%s]`, do) }

// press brings a button to the keyboard's focus and presses it by Enter.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.arrives(selector)
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](fmt.Sprintf(`(document.querySelector(%q).focus(), true)`, selector))); err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.KeyEvent(kb.Enter))
}

// signIn types the number and the PIN, each into the field that has the focus when the page comes.
func (b *tab) signIn(w *world, typed, phone string, remember bool) {
	b.t.Helper()
	pin := w.pinOf(phone)
	b.arrives(`input[name=number]:focus`)
	b.do(chromedp.KeyEvent(typed))
	if remember {
		b.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(" "))
		b.arrives(`input[name=remember]:checked`)
		b.press(button("number"))
	} else {
		b.do(chromedp.KeyEvent(kb.Enter))
	}
	b.arrives(`input[name=pin]:focus`)
	b.do(chromedp.KeyEvent(pin()), chromedp.KeyEvent(kb.Enter))
	b.until("the page behind the PIN", func() bool { return b.has("h1") && !b.has(`input[name=pin]`) })
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
	b := openTab(t)

	// Scripts are off, in this browser and by the pages' own policy.
	b.do(chromedp.Navigate("data:text/html,<title>off</title><script>document.title='on'</script>"))
	if s := b.text(); !strings.HasPrefix(s, "off") {
		t.Fatalf("scripts run: %q", s)
	}

	// Consent by PIN, by keyboard alone.
	b.do(chromedp.Navigate(ask(w.info.API, "first")))
	b.sees("pizza")
	b.signIn(w, "(425) 555-0100", "+14255550100", false)
	b.sees("Pizza Palace")
	b.press(button("allow"))
	b.sees("pizza got error= code=64 state=first")

	// Deny.
	b.do(chromedp.Navigate(ask(w.info.API, "second")))
	b.signIn(w, "4255550100", "+14255550100", true)
	b.press(button("deny"))
	b.sees("pizza got error=access_denied code=0 state=second")

	// Remembered; then without any page; then somebody else.
	b.do(chromedp.Navigate(ask(w.info.API, "third")))
	b.press(button("allow"))
	b.sees("code=64 state=third")
	b.do(chromedp.Navigate(ask(w.info.API, "fourth", "custom_param", "suppress_landing_page")))
	b.sees("code=64 state=fourth")
	b.do(chromedp.Navigate(ask(w.info.API, "fifth")))
	b.press(button("switch"))
	b.signIn(w, "+1 425 555 0101", "+14255550101", false)
	b.press(button("allow"))
	b.sees("code=64 state=fifth")

	// A wrong PIN is told, and leads nowhere.
	b.do(chromedp.Navigate(ask(w.info.API, "sixth")))
	if b.has(button("switch")) {
		b.press(button("switch"))
	}
	b.arrives(`input[name=number]:focus`)
	b.do(chromedp.KeyEvent("4255550102"), chromedp.KeyEvent(kb.Enter))
	b.arrives(`input[name=pin]:focus`)
	b.do(chromedp.KeyEvent("000000"), chromedp.KeyEvent(kb.Enter))
	b.arrives(`[role=alert]`)

	// My consents: seen and taken back.
	b.do(chromedp.Navigate(w.info.API + "/consents"))
	if !b.has(button("revoke")) && b.has(`input[name=number]`) {
		b.signIn(w, "4255550101", "+14255550101", false)
	}
	b.sees("pizza")
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`(document.querySelectorAll('details').forEach(d => d.open = true), true)`)); err != nil {
		t.Fatal(err)
	}
	b.press(button("revoke"))
	b.until("the consent to be gone", func() bool { return !b.has(button("revoke")) })

	// On the network, from the phone's own browser: no number, no PIN.
	b.do(chromedp.Navigate(ask("http://14255550100.phone.localhost"+w.info.PhoneBrowser[strings.LastIndex(w.info.PhoneBrowser, ":"):], "phone")))
	b.arrives(button("allow"))
	if b.has(`input[name=number]`) {
		t.Errorf("a phone on the network is asked for its number: %s", b.text())
	}
	b.press(button("allow"))
	b.sees("code=64 state=phone")

	// In Spanish.
	b.do(chromedp.Navigate(ask(w.info.API, "spanish", "lang", "es")))
	b.arrives(`html[lang=es]`)
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
