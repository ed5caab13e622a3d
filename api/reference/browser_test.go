package reference_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// browser is a headless Chromium; the test is skipped where there is none.
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
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true))
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

func TestInABrowser(t *testing.T) {
	ctx := browser(t)
	base := serve(t)

	t.Run("typing filters, and the address follows", func(t *testing.T) {
		do(ctx, t, chromedp.Navigate(base+"/errors"), chromedp.WaitReady("html.live"), chromedp.KeyEvent("/"))
		if id := eval[string](ctx, t, `document.activeElement.id`); id != "q" {
			t.Errorf("the key / leads to %q", id)
		}
		// The driver sends the character after the key, which a keyboard would not.
		eval[string](ctx, t, `document.getElementById("q").value = ""`)
		do(ctx, t, chromedp.KeyEvent("pol0001 quota"))
		if n := eval[int](ctx, t, visibleCases); n != 2 {
			t.Errorf("%d meanings are visible", n)
		}
		if s := eval[string](ctx, t, `document.getElementById("shown").textContent + " " + location.search`); s != "2 ?q=pol0001+quota" {
			t.Errorf("the count and the address say %q", s)
		}
		do(ctx, t, chromedp.KeyEvent(kb.Escape), chromedp.Click(chromedp.CSS(`input[value="e911"] + span`)))
		all := eval[int](ctx, t, visibleCases)
		do(ctx, t, chromedp.Click(chromedp.CSS(`input[value="operator"] + span`)))
		if n := eval[int](ctx, t, visibleCases); n == 0 || n >= all {
			t.Errorf("%d of %d meanings are visible after the second filter", n, all)
		}
		do(ctx, t, chromedp.Navigate(base+"/errors?q=zzz"), chromedp.WaitVisible("#empty"))
	})

	t.Run("style and script pass the content security policy", func(t *testing.T) {
		do(ctx, t, chromedp.Navigate(base+"/errors/POL0001#quota-day"), chromedp.WaitReady("main"))
		if s := eval[string](ctx, t, `getComputedStyle(document.querySelector(".case")).borderRadius`); s != "10px" {
			t.Errorf("a card has the radius %q", s)
		}
		if s := eval[string](ctx, t, `document.querySelector(":target").id`); s != "quota-day" {
			t.Errorf("the target is %q", s)
		}
	})

	t.Run("the keyboard reaches every part, first of all the way past the bar", func(t *testing.T) {
		do(ctx, t, chromedp.Navigate(base+"/errors/SVC0004"), chromedp.WaitReady("main"), chromedp.KeyEvent(kb.Tab))
		if s := eval[string](ctx, t, `document.activeElement.className`); s != "skip" {
			t.Errorf("the first stop is %q", s)
		}
		do(ctx, t, chromedp.KeyEvent(kb.Tab))
		if s := eval[string](ctx, t, `document.activeElement.className + " " + (getComputedStyle(document.activeElement).boxShadow !== "none")`); s != "brand true" {
			t.Errorf("the second stop is %q; focus must be visible", s)
		}
	})

	t.Run("nothing is wider than a small phone", func(t *testing.T) {
		do(ctx, t, chromedp.EmulateViewport(320, 640))
		for _, p := range []string{"/errors", "/errors/POL0001", "/errors/SVC0001", "/errors/invalid_request", "/errors/temporarily_unavailable", "/errors/NOTHING"} {
			do(ctx, t, chromedp.Navigate(base+p), chromedp.WaitReady("main"))
			if n := eval[int](ctx, t, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); n > 0 {
				t.Errorf("%s is %d pixels too wide", p, n)
			}
		}
	})
}

const visibleCases = `[...document.querySelectorAll(".case-link")].filter(a => a.checkVisibility()).length`

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
