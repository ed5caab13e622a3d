package page_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"longlines/api/oauthv4/page"
	"longlines/test/tab"
)

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
	base := site(t)
	b := tab.Open(t, tab.Options{Expected: []string{"favicon"}})

	t.Run("every page fits a small phone, and every target a thumb", func(t *testing.T) {
		b := b.For(t)
		b.Do(chromedp.EmulateViewport(320, 640))
		for _, lang := range []string{"en", "es"} {
			for name := range samples(pages(t, page.Brand{}), lang) {
				b.Do(chromedp.Navigate(base+"/"+lang+"/"+name), chromedp.WaitReady("main"))
				b.Script(`document.querySelectorAll("details").forEach(d => d.open = true)`)
				b.None("wider than the window", tab.TooWide)
				// Links within a sentence are as high as the sentence (WCAG 2.2 §2.5.8).
				small := tab.Value[[]string](b, `[...document.querySelectorAll("button, summary, label.check, .field input, nav a, footer a, .facts a, a.button")]
					.filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)`)
				if len(small) > 0 {
					t.Errorf("%s/%s has small targets: %q", lang, name, small)
				}
				if wide := tab.Value[[]string](b, `[...document.querySelectorAll("main *")].filter(e => !e.closest(".sr") && e.checkVisibility() && e.getBoundingClientRect().right > 320.5).map(e => e.outerHTML)`); len(wide) > 0 {
					t.Errorf("%s/%s: cut off at the edge: %q", lang, name, wide)
				}
			}
		}
	})

	t.Run("the style sheet passes the content security policy", func(t *testing.T) {
		b := b.For(t)
		b.Do(chromedp.Navigate(base+"/en/consent"), chromedp.WaitReady("main"))
		if s := tab.Value[string](b, `getComputedStyle(document.querySelector(".button")).borderRadius`); s != "10px" {
			t.Errorf("a button has the radius %q", s)
		}
	})

	t.Run("both answers are of one size, and neither has the focus", func(t *testing.T) {
		b := b.For(t)
		for _, width := range []int64{320, 390, 1280} {
			b.Do(chromedp.EmulateViewport(width, 800), chromedp.Navigate(base+"/es/consent"), chromedp.WaitReady("main"))
			sizes := tab.Value[[]string](b, `["deny", "allow"].map(v => { const r = document.querySelector("[value=" + v + "]").getBoundingClientRect(); return r.width + " by " + r.height })`)
			if len(sizes) != 2 || sizes[0] != sizes[1] {
				t.Errorf("%d wide: %v", width, sizes)
			}
			if focus := tab.Value[string](b, `document.activeElement.tagName`); focus != "BODY" {
				t.Errorf("%s has the focus", focus)
			}
		}
	})

	t.Run("Enter in a field goes on, with all that the form holds", func(t *testing.T) {
		b := b.For(t)
		for _, tt := range []struct{ name, typed, sent string }{
			{"number", "4255550100", "do=number&number=4255550100&ticket=dGlja2V0"},
			{"pin", "123456", "do=pin&pin=123456&ticket=dGlja2V0"},
		} {
			b.Do(chromedp.Navigate(base+"/en/"+tt.name), chromedp.Click("#"+tt.name), chromedp.KeyEvent(tt.typed), chromedp.KeyEvent(kb.Enter), chromedp.WaitNotPresent("main"))
			if got := tab.Value[string](b, `document.body.innerText`); got != tt.sent {
				t.Errorf("%s: %q was sent", tt.name, got)
			}
		}
	})

	t.Run("one can refuse without filling in the field", func(t *testing.T) {
		b := b.For(t)
		for _, name := range []string{"number", "pin"} {
			b.Do(chromedp.Navigate(base+"/en/"+name), chromedp.Click("[value=deny]"), chromedp.WaitNotPresent("main"))
			if got := tab.Value[string](b, `document.body.innerText`); !strings.HasPrefix(got, "do=deny&") {
				t.Errorf("%s: %q was sent", name, got)
			}
		}
	})

	t.Run("the keyboard reaches every answer, in the order in which they are read", func(t *testing.T) {
		b := b.For(t)
		b.Do(chromedp.Navigate(base+"/en/consent"), chromedp.WaitReady("main"))
		var stops []string
		for range 6 {
			b.Do(chromedp.KeyEvent(kb.Tab))
			stops = append(stops, tab.Value[string](b, `document.activeElement.value || document.activeElement.getAttribute("href").split("?")[0]`))
			if seen := tab.Value[string](b, `getComputedStyle(document.activeElement).outlineStyle`); seen != "solid" {
				t.Errorf("the focus on %s is not seen", stops[len(stops)-1])
			}
		}
		if want := []string{"#main", "/oauth/v4/authorize", "switch", "deny", "allow", "/consents"}; !slices.Equal(stops, want) {
			t.Errorf("%q", stops)
		}
	})

	t.Run("a withdrawal asks first", func(t *testing.T) {
		b := b.For(t)
		b.Do(chromedp.EmulateViewport(390, 844), chromedp.Navigate(base+"/en/consents"), chromedp.Click("summary"), chromedp.WaitVisible("details[open] button"),
			chromedp.Click("details[open] button"), chromedp.WaitNotPresent("main"))
		if got := tab.Value[string](b, `document.body.innerText`); got != "consent=cns_1&do=withdraw&ticket=dGlja2V0&withdraw=IMMN" {
			t.Errorf("%q was sent", got)
		}
	})
}
