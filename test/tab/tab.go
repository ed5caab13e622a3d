// Package tab is a person's browser with a screen, for tests: one tab of a Chromium of its own. What only a
// browser does is seen here: it runs the pages' scripts, holds the pages to their own headers, moves the focus,
// and has an opinion on what fits a window. What its console has to complain about fails the test.
//
// Beside it stands [longlines/test/visitor], which is quicker and reads what a page says.
//
// With LONGLINES_TEST_SHOTS=directory the tests leave pictures of what they saw there.
package tab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// How long a browser may take, for anything and in all. Both decide only how soon a broken test ends.
const (
	patience = 20 * time.Second
	lifetime = 2 * time.Minute
)

// Options are of one browser. The zero value is a light window on a desk.
type Options struct {
	Width, Height int64    // of the window in CSS pixels; default 1280 by 900
	Dark          bool     // prefers dark colours
	NoScript      bool     // scripts of pages are off
	Expected      []string // parts of complaints that belong to the test: "404", or "favicon" of an address
}

// Tab is one tab. Its methods fail the test if they cannot be done.
type Tab struct {
	t *testing.T
	// Context is the tab for chromedp, where it can do what the methods do not.
	Context context.Context
}

// Open starts a browser, which ends with the test. The test is skipped where there is no Chromium, but not in
// CI. Hosts below .example are this machine.
func Open(t *testing.T, o Options) *Tab {
	t.Helper()
	program := chromium(t)
	if o.Width == 0 {
		o.Width, o.Height = 1280, 900
	}
	scheme := "1"
	if o.Dark {
		scheme = "0"
	}
	ctx, cancel := context.WithTimeout(context.Background(), lifetime)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("host-resolver-rules", "MAP *.example 127.0.0.1"), chromedp.Flag("blink-settings", "preferredColorScheme="+scheme),
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(int(o.Width), int(o.Height)))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	messages, heard := chromedp.Console(ctx), make(chan struct{})
	go func() {
		defer close(heard)
		for m, err := range messages {
			if err != nil {
				return
			}
			// Only what the browser itself says can be expected: it has a source, what scripts say has none.
			said := m.Text + " at " + path.Base(m.URL)
			known := m.Source != "" && slices.ContainsFunc(o.Expected, func(s string) bool { return strings.Contains(said, s) })
			if m.IsException() || m.Type == "error" && !known {
				t.Errorf("the page complained: %s at %s", m, m.URL)
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-heard })
	b := &Tab{t, ctx}
	b.Do(chromedp.EmulateViewport(o.Width, o.Height), chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		// A window without a screen never has the focus by itself.
		if _, err := cdp.Call(ctx, tab, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: o.NoScript})
		return err
	}))
	return b
}

// chromium is where the browser is.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome", "chrome"} {
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
	}
	const why = "there is no Chromium at /usr/bin/chromium or in PATH"
	if os.Getenv("CI") == "true" {
		t.Fatal(why + ", and CI=true: the browser tests must run here")
	}
	t.Skip(why + ": the browser tests are skipped")
	return ""
}

// For is the same tab in a part of the test.
func (b *Tab) For(t *testing.T) *Tab { return &Tab{t, b.Context} }

// Do does steps of chromedp.
func (b *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.Context, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// Script runs something in the page, whether or not the page's own scripts run.
func (b *Tab) Script(s string) {
	b.t.Helper()
	b.Do(chromedp.Evaluate[chromedp.Void](s))
}

// Value reads something from the page; a promise is waited for.
func Value[T any](b *Tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.Context, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// Until waits for a condition of the page, which may be one that is still to come.
func (b *Tab) Until(what, condition string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.Context, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last error // of the page: it went away meanwhile, or has no such element yet
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`Promise.resolve(`+condition+`).then(Boolean)`, chromedp.EvalAwaitPromise))
		if ok {
			return
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			page, _ := chromedp.Run(b.Context, chromedp.Evaluate[string](
				`location.href + '\n' + document.activeElement?.outerHTML.slice(0, 300) + '\n' + document.body?.innerText`))
			b.t.Fatalf("%s: not seen (%v) at the page, its focus and its text:\n%s", what, last, page)
		}
	}
}

// Text is the page's title and what it says.
func (b *Tab) Text() string {
	b.t.Helper()
	return Value[string](b, text)
}

const text = `(document.title + '\n' + document.body?.innerText)`

// Sees waits until the page says so.
func (b *Tab) Sees(words string) {
	b.t.Helper()
	b.Until(fmt.Sprintf("the words %q", words), fmt.Sprintf(`%s.includes(%q)`, text, words))
}

// Has reports whether the page has an element.
func (b *Tab) Has(selector string) bool {
	b.t.Helper()
	return Value[bool](b, fmt.Sprintf(`!!document.querySelector(%q)`, selector))
}

// Arrives waits for an element.
func (b *Tab) Arrives(selector string) {
	b.t.Helper()
	b.Until("a page with "+selector, fmt.Sprintf(`document.querySelector(%q)`, selector))
}

// Focus brings an element to the keyboard.
func (b *Tab) Focus(selector string) {
	b.t.Helper()
	b.Script(fmt.Sprintf(`document.querySelector(%q).focus()`, selector))
}

// Press presses a button or a link by the keyboard, as soon as it is there.
func (b *Tab) Press(selector string) {
	b.t.Helper()
	b.Arrives(selector)
	b.Focus(selector)
	b.Do(chromedp.KeyEvent(kb.Enter))
}

// TabTo presses the key Tab until the element that has the focus fits the selector.
func (b *Tab) TabTo(selector string) {
	b.t.Helper()
	for range 60 {
		b.Do(chromedp.KeyEvent(kb.Tab))
		if Value[bool](b, fmt.Sprintf(`document.activeElement.matches(%q)`, selector)) {
			return
		}
	}
	b.t.Fatalf("Tab does not reach %s", selector)
}

// Shot leaves a picture of the window, if pictures are asked for.
func (b *Tab) Shot(name string) { b.shot(name, chromedp.CaptureScreenshot()) }

// LongShot leaves a picture of the page down to its end.
func (b *Tab) LongShot(name string) { b.shot(name, chromedp.FullScreenshot(100)) }

func (b *Tab) shot(name string, take chromedp.Action[[]byte]) {
	b.t.Helper()
	dir := os.Getenv("LONGLINES_TEST_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.Context, take)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Error(err)
	}
}
