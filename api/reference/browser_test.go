package reference_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"longlines/test/tab"
)

func TestInABrowser(t *testing.T) {
	base := serve(t)
	b := tab.Open(t, tab.Options{Expected: []string{"NOTHING"}})

	t.Run("typing filters, and the address follows", func(t *testing.T) {
		b := b.For(t)
		b.Do(chromedp.Navigate(base+"/errors"), chromedp.WaitReady("html.live"), chromedp.KeyEvent("/"))
		if id := tab.Value[string](b, `document.activeElement.id`); id != "q" {
			t.Errorf("the key / leads to %q", id)
		}
		// The driver sends the character after the key, which a keyboard would not.
		b.Script(`document.getElementById("q").value = ""`)
		b.Do(chromedp.KeyEvent("pol0001 quota"))
		if n := tab.Value[int](b, visibleCases); n != 2 {
			t.Errorf("%d meanings are visible", n)
		}
		if s := tab.Value[string](b, `document.getElementById("shown").textContent + " " + location.search`); s != "2 ?q=pol0001+quota" {
			t.Errorf("the count and the address say %q", s)
		}
		b.Do(chromedp.KeyEvent(kb.Escape), chromedp.Click(chromedp.CSS(`input[value="e911"] + span`)))
		all := tab.Value[int](b, visibleCases)
		b.Do(chromedp.Click(chromedp.CSS(`input[value="operator"] + span`)))
		if n := tab.Value[int](b, visibleCases); n == 0 || n >= all {
			t.Errorf("%d of %d meanings are visible after the second filter", n, all)
		}
		b.Do(chromedp.Navigate(base+"/errors?q=zzz"), chromedp.WaitVisible("#empty"))
	})

	t.Run("style and script pass the content security policy", func(t *testing.T) {
		b := b.For(t)
		b.Do(chromedp.Navigate(base+"/errors/POL0001#quota-day"), chromedp.WaitReady("main"))
		if s := tab.Value[string](b, `getComputedStyle(document.querySelector(".case")).borderRadius`); s != "10px" {
			t.Errorf("a card has the radius %q", s)
		}
		if s := tab.Value[string](b, `document.querySelector(":target").id`); s != "quota-day" {
			t.Errorf("the target is %q", s)
		}
	})

	t.Run("the keyboard reaches every part, first of all the way past the bar", func(t *testing.T) {
		b := b.For(t)
		b.Do(chromedp.Navigate(base+"/errors/SVC0004"), chromedp.WaitReady("main"), chromedp.KeyEvent(kb.Tab))
		if s := tab.Value[string](b, `document.activeElement.className`); s != "skip" {
			t.Errorf("the first stop is %q", s)
		}
		b.Do(chromedp.KeyEvent(kb.Tab))
		if s := tab.Value[string](b, `document.activeElement.className + " " + (getComputedStyle(document.activeElement).boxShadow !== "none")`); s != "brand true" {
			t.Errorf("the second stop is %q; focus must be visible", s)
		}
	})

	t.Run("nothing is wider than a small phone", func(t *testing.T) {
		b := b.For(t)
		b.Do(chromedp.EmulateViewport(320, 640))
		for _, p := range []string{"/errors", "/errors/POL0001", "/errors/SVC0001", "/errors/invalid_request", "/errors/temporarily_unavailable", "/errors/NOTHING"} {
			b.Do(chromedp.Navigate(base+p), chromedp.WaitReady("main"))
			b.None("wider than the window", tab.TooWide)
		}
	})
}

const visibleCases = `[...document.querySelectorAll(".case-link")].filter(a => a.checkVisibility()).length`
