package page_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"longlines/api/oauthv4/page"
)

// browser is a headless Chromium; the test is skipped where there is none, but not in CI.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" && os.Getenv("CI") == "true" {
		t.Fatal("Chromium is not installed, and in CI it must be")
	}
	if path == "" {
		t.Skip("Chromium is not installed: the browser tests are skipped")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.UserDataDir(t.TempDir()))
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		chromedp.Cancel(ctx)
		cancel()
		cancelAllocator()
	})
	// The first call starts the browser, which lives as long as its context.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	timed, cancelTime := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancelTime)
	return timed
}

func do(ctx context.Context, t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func eval[T any](ctx context.Context, t *testing.T, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// site serves the samples as the platform would, by /en/number, and says on a page of its own what a form
// has sent.
func site(t *testing.T) string {
	p := pages(t, page.Brand{Terms: "https://help.example/terms"})
	mux := http.NewServeMux()
	for pattern, h := range p.Assets() {
		mux.Handle(pattern, h)
	}
	all := map[string]map[string][]byte{"en": samples(p, "en"), "es": samples(p, "es")}
	mux.HandleFunc("GET /{lang}/{page}", func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		w.Write(all[r.PathValue("lang")][r.PathValue("page")])
	})
	mux.HandleFunc("POST "+strings.Split(form.Action, "?")[0], func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		fmt.Fprintf(w, "<title>sent</title>%s", r.PostForm.Encode())
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

func TestInABrowser(t *testing.T) {
	ctx, base := browser(t), site(t)

	t.Run("every page fits a small phone, and every target a thumb", func(t *testing.T) {
		do(ctx, t, chromedp.EmulateViewport(320, 640))
		for _, lang := range []string{"en", "es"} {
			for name := range samples(pages(t, page.Brand{}), lang) {
				do(ctx, t, chromedp.Navigate(base+"/"+lang+"/"+name), chromedp.WaitReady("main"))
				eval[bool](ctx, t, `document.querySelectorAll("details").forEach(d => d.open = true) === undefined`)
				if n := eval[int](ctx, t, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); n > 0 {
					t.Errorf("%s/%s is %d pixels too wide", lang, name, n)
				}
				// Links within a sentence are as high as the sentence (WCAG 2.2 §2.5.8).
				small := eval[[]string](ctx, t, `[...document.querySelectorAll("button, summary, label.check, .field input, nav a, footer a, .facts a, a.button")]
					.filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)`)
				if len(small) > 0 {
					t.Errorf("%s/%s has small targets: %q", lang, name, small)
				}
				if wide := eval[[]string](ctx, t, `[...document.querySelectorAll("main *")].filter(e => !e.closest(".sr") && e.checkVisibility() && e.getBoundingClientRect().right > 320.5).map(e => e.outerHTML)`); len(wide) > 0 {
					t.Errorf("%s/%s: cut off at the edge: %q", lang, name, wide)
				}
			}
		}
	})

	t.Run("the style sheet passes the content security policy", func(t *testing.T) {
		do(ctx, t, chromedp.Navigate(base+"/en/consent"), chromedp.WaitReady("main"))
		if s := eval[string](ctx, t, `getComputedStyle(document.querySelector(".button")).borderRadius`); s != "10px" {
			t.Errorf("a button has the radius %q", s)
		}
	})

	t.Run("both answers are of one size, and neither has the focus", func(t *testing.T) {
		for _, width := range []int64{320, 390, 1280} {
			do(ctx, t, chromedp.EmulateViewport(width, 800), chromedp.Navigate(base+"/es/consent"), chromedp.WaitReady("main"))
			sizes := eval[[]string](ctx, t, `["deny", "allow"].map(v => { const r = document.querySelector("[value=" + v + "]").getBoundingClientRect(); return r.width + " by " + r.height })`)
			if len(sizes) != 2 || sizes[0] != sizes[1] {
				t.Errorf("%d wide: %v", width, sizes)
			}
			if focus := eval[string](ctx, t, `document.activeElement.tagName`); focus != "BODY" {
				t.Errorf("%s has the focus", focus)
			}
		}
	})

	t.Run("Enter in a field goes on, with all that the form holds", func(t *testing.T) {
		for _, tt := range []struct{ name, typed, sent string }{
			{"number", "4255550100", "do=number&number=4255550100&ticket=dGlja2V0"},
			{"pin", "123456", "do=pin&pin=123456&ticket=dGlja2V0"},
		} {
			do(ctx, t, chromedp.Navigate(base+"/en/"+tt.name), chromedp.Click("#"+tt.name), chromedp.KeyEvent(tt.typed), chromedp.KeyEvent(kb.Enter), chromedp.WaitNotPresent("main"))
			if got := eval[string](ctx, t, `document.body.innerText`); got != tt.sent {
				t.Errorf("%s: %q was sent", tt.name, got)
			}
		}
	})

	t.Run("one can refuse without filling in the field", func(t *testing.T) {
		for _, name := range []string{"number", "pin"} {
			do(ctx, t, chromedp.Navigate(base+"/en/"+name), chromedp.Click("[value=deny]"), chromedp.WaitNotPresent("main"))
			if got := eval[string](ctx, t, `document.body.innerText`); !strings.HasPrefix(got, "do=deny&") {
				t.Errorf("%s: %q was sent", name, got)
			}
		}
	})

	t.Run("the keyboard reaches every answer, in the order in which they are read", func(t *testing.T) {
		do(ctx, t, chromedp.Navigate(base+"/en/consent"), chromedp.WaitReady("main"))
		var stops []string
		for range 6 {
			do(ctx, t, chromedp.KeyEvent(kb.Tab))
			stops = append(stops, eval[string](ctx, t, `document.activeElement.value || document.activeElement.getAttribute("href").split("?")[0]`))
			if seen := eval[string](ctx, t, `getComputedStyle(document.activeElement).outlineStyle`); seen != "solid" {
				t.Errorf("the focus on %s is not seen", stops[len(stops)-1])
			}
		}
		if want := []string{"#main", "/oauth/v4/authorize", "switch", "deny", "allow", "/consents"}; !slices.Equal(stops, want) {
			t.Errorf("%q", stops)
		}
	})

	t.Run("a withdrawal asks first", func(t *testing.T) {
		do(ctx, t, chromedp.EmulateViewport(390, 844), chromedp.Navigate(base+"/en/consents"), chromedp.Click("summary"), chromedp.WaitVisible("details[open] button"),
			chromedp.Click("details[open] button"), chromedp.WaitNotPresent("main"))
		if got := eval[string](ctx, t, `document.body.innerText`); got != "consent=cns_1&do=withdraw&ticket=dGlja2V0&withdraw=IMMN" {
			t.Errorf("%q was sent", got)
		}
	})
}
