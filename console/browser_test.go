package console_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"longlines/gsm"
	"longlines/number"
	"longlines/sandbox/phone"
	"longlines/timeline"
)

var shots = flag.String("shots", "", "write pictures of the console into this directory")

// patience is how long the browser may take for anything; it decides only how soon a broken test ends.
const patience = 10 * time.Second

// browser is one window.
type browser struct {
	t   *testing.T
	ctx context.Context
}

// open starts a browser of its own. What the page complains about fails the test, unless it is one of
// the expected. The test is skipped where there is no browser, but not in CI.
func open(t *testing.T, width, height int64, dark bool, expected ...string) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("no Chromium at /usr/bin/chromium or in PATH, and CI=true: the browser test must run here")
		}
		t.Skip("no Chromium at /usr/bin/chromium or in PATH: the browser test is skipped")
	}
	scheme := "1"
	if dark {
		scheme = "0"
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("blink-settings", "preferredColorScheme="+scheme),
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(int(width), int(height)))
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	b := &browser{t, ctx}
	messages, heard := chromedp.Console(ctx), make(chan struct{})
	go func() {
		defer close(heard)
		for m, err := range messages {
			if err != nil {
				return
			}
			// The sign-in page comes with a 401 in the place of what was asked for.
			known := slices.ContainsFunc(append(expected, "401"), func(s string) bool { return m.Source == "network" && strings.Contains(m.Text, s) })
			if m.IsException() || m.Type == "error" && !known {
				t.Errorf("the page complained: %s", m)
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-heard })
	b.do(chromedp.EmulateViewport(width, height))
	return b
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// until waits for a condition of the page.
func (b *browser) until(what, condition string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	look := chromedp.Evaluate[bool](fmt.Sprintf(
		`new Promise((done) => { const look = async () => { if (await (%s)) done(true); else setTimeout(look, 20) }; look() })`, condition), chromedp.EvalAwaitPromise)
	_, err := chromedp.Run(ctx, look)
	for err != nil && ctx.Err() == nil && strings.Contains(err.Error(), "navigated") { // the page went away under the promise
		_, err = chromedp.Run(ctx, look)
	}
	if err != nil {
		page, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.activeElement.outerHTML.slice(0, 300) + '\n' + document.body.innerText`))
		b.t.Fatalf("%s: not seen (%v) on the page, which has the focus on:\n%s", what, err, page)
	}
}

// script runs something in the page.
func (b *browser) script(s string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](s))
}

// value reads something from the page; a promise is waited for.
func value[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// tabTo presses Tab until the element that has the focus fits the selector.
func (b *browser) tabTo(selector string) {
	b.t.Helper()
	for range 60 {
		b.do(chromedp.KeyEvent(kb.Tab))
		if value[bool](b, fmt.Sprintf(`document.activeElement.matches(%q)`, selector)) {
			return
		}
	}
	b.t.Fatalf("Tab does not reach %s", selector)
}

func (b *browser) shot(name string) {
	b.t.Helper()
	if *shots == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), png, 0o644); err != nil {
		b.t.Error(err)
	}
}

func (b *browser) signIn(p *platform) {
	b.t.Helper()
	b.do(chromedp.Navigate(p.url + "/signin?code=" + p.guard.Code()))
	b.until("the phones after the sign-in", `location.pathname === '/phones' && location.hash === '#+14255550100' && document.querySelectorAll('#list .phone').length === 2 && document.querySelector('#wire').textContent === 'connected'`)
}

// paleText lists the visible texts whose contrast with the ground behind them is below what WCAG 2.2
// §1.4.3 wants.
const paleText = `(() => {
  const rgb = (c) => c.match(/[\d.]+/g).map(Number)
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const ground = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] !== 0) return c } return [255, 255, 255] }
  for (const a of document.getAnimations()) a.finish()
  return [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && !e.closest('.sr, .skip, svg, :disabled') && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .map((e) => { const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x); return [(a + 0.05) / (b + 0.05), e] })
    .filter(([ratio]) => ratio < 4.5).map(([ratio, e]) => ratio.toFixed(2) + ' ' + e.outerHTML.slice(0, 100))
})()`

func TestAPersonAnswersATextByKeyboardAndSeesItAllHappen(t *testing.T) {
	for _, x := range []struct {
		name          string
		width, height int64
		dark          bool
	}{
		{"light", 1440, 900, false},
		{"dark", 1440, 900, true},
		{"on a phone", 390, 844, false},
		{"on a small dark phone", 320, 640, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := start(t, true)
			b := open(t, x.width, x.height, x.dark)
			narrow := x.width < 1000
			b.do(chromedp.Navigate(p.url))
			b.until("the sign-in page", `document.querySelector('#token[autofocus]')`)
			b.shot(x.name + " 0 sign in")
			if pale := value[[]string](b, paleText); len(pale) > 0 {
				t.Errorf("text with less contrast than 4.5 to 1: %q", pale)
			}
			b.signIn(p)
			b.shot(x.name + " 1 empty")

			if location := value[string](b, `location.href`); location != p.url+"/phones#+14255550100" {
				t.Errorf("the address is %s: the code must not stay in it", location)
			}
			background := value[string](b, `getComputedStyle(document.body).backgroundColor`)
			if want := map[bool]string{false: "rgb(248, 250, 252)", true: "rgb(11, 18, 32)"}[x.dark]; background != want {
				t.Errorf("the ground is %s, want %s", background, want)
			}

			// The app sends: the newcomer presses the button.
			b.tabTo("#first")
			b.do(chromedp.KeyEvent(kb.Enter))
			b.until("the text, sent", `document.querySelector('.bubble.in .chip')?.dataset.state === 'sent'`)
			b.shot(x.name + " 2 sent")
			close(p.final)
			b.until("the chip that changes", `document.querySelector('.bubble.in .chip')?.dataset.state === 'delivered'`)

			// The phone answers.
			b.script(`document.querySelector('.skip').focus()`)
			b.tabTo("#list .phone")
			b.do(chromedp.KeyEvent(kb.End))
			b.until("the last phone", `document.querySelector('#handset-title').textContent === '+1 425 555 0101'`)
			b.do(chromedp.KeyEvent(kb.Home))
			b.until("the first phone", `document.querySelector('#handset-title').textContent === '+1 425 555 0100' && document.querySelector('.bubble.in')`)
			b.tabTo("#text")
			b.do(chromedp.KeyEvent("Yes, extra cheese please"))
			b.until("the meter", `document.querySelector('#meter').textContent === '24/160 · 1 segment · GSM-7'`)
			b.do(chromedp.KeyEvent(kb.Enter))
			b.until("the answer on the phone", `[...document.querySelectorAll('.bubble.out .body')].some((e) => e.textContent === 'Yes, extra cheese please')`)
			b.until("that it reached the app", `document.querySelector('.bubble.out .chip')?.dataset.state === 'reached demo'`)
			b.until("an empty answer box", `document.querySelector('#text').value === ''`)

			// And the stream tells of it.
			if narrow {
				b.script(`document.querySelector('.skip').focus()`)
				b.tabTo("#tab-phones")
				b.do(chromedp.KeyEvent(kb.ArrowRight))
			}
			b.until("the line in the stream", `[...document.querySelectorAll('.line[data-kind=mo] .title')].some((e) => e.offsetParent && e.textContent.startsWith('text from +14255550100 to 48507'))`)

			// A line opens by Enter, shows the wire, and Esc closes it.
			b.script(`document.activeElement.blur()`)
			b.do(chromedp.KeyEvent("/"))
			b.until("the focus in the filter", `document.activeElement.id === 'filter'`)
			b.script(`document.activeElement.value = ''`) // where the driver typed its slash
			b.do(chromedp.KeyEvent("submit_sm"))
			b.until("fewer lines", `document.querySelectorAll('.line:not([hidden])').length === 2`)
			b.do(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Enter))
			b.until("the wire of the line", `document.querySelector('.detail pre')?.textContent.includes('Hello from Longlines')`)
			b.until("the way to the story", `/^\/messages\/SMS[0-9a-f]{32}$/.test(document.querySelector('.detail .facts a')?.getAttribute('href'))`)
			b.shot(x.name + " 3 detail")
			b.do(chromedp.KeyEvent(kb.Escape))
			b.until("no detail", `!document.querySelector('.detail')`)

			// Its message shows the whole chain, on lines and on the phone.
			b.do(chromedp.KeyEvent(kb.Tab))
			b.until("the focus on the message", `document.activeElement.matches('.msg')`)
			b.do(chromedp.KeyEvent(kb.Enter))
			b.until("the chain", `document.querySelectorAll('.line.chained').length === 7 && document.querySelectorAll('.bubble.chained').length === 1`)
			b.script(`filter.value = ''; filter.dispatchEvent(new Event('input'))`)
			b.shot(x.name + " 4 chain")

			// Nothing is lost to the side, nothing is too small to hit.
			var wide, small, pale []string
			look := func(tab string) {
				if narrow {
					b.script(fmt.Sprintf(`document.querySelector('#tab-%s').click()`, tab))
				}
				w := value[[]string](b, `document.documentElement.scrollWidth > innerWidth ? [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80)) : []`)
				s := value[[]string](b, `[...document.querySelectorAll('button, a, input, textarea, summary, [role=option]')].filter((e) => e.offsetParent && !e.closest('.sr, .skip')).filter((e) => { const r = e.getBoundingClientRect(); return r.width < 23.9 || r.height < 23.9 }).map((e) => e.outerHTML.slice(0, 120))`)
				wide, small = append(wide, w...), append(small, s...)
				pale = append(pale, value[[]string](b, paleText)...)
			}
			look("live")
			look("phones")
			b.shot(x.name + " 5 phones")
			if len(wide) > 0 {
				t.Errorf("wider than the window: %q", wide)
			}
			if len(pale) > 0 {
				t.Errorf("text with less contrast than 4.5 to 1: %q", pale)
			}
			if len(small) > 0 {
				t.Errorf("targets below 24 px: %q", small)
			}
		})
	}
}

func TestTheStreamOwnsUpToWhatItLost(t *testing.T) {
	p := start(t, false)
	b := open(t, 1440, 900, false)
	b.signIn(p)
	for i := range 3000 {
		p.feed.Load().Add(timeline.Entry{Kind: timeline.KindRequest, Title: fmt.Sprintf("GET /sms/v3/messaging/outbox/%d", i), State: "200"})
	}
	b.until("the burst", `document.querySelectorAll('#stream > li').length >= 250`)
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindRequest, Title: "GET /the/last", State: "200"})
	b.until("the last line", `[...document.querySelectorAll('.title')].some((e) => e.textContent === 'GET /the/last')`)
	if lines := value[int](b, `document.querySelectorAll('#stream > li').length`); lines > 500 {
		t.Errorf("%d lines are kept", lines)
	}
	b.shot("burst")
	// Whether lines were lost depends on how quick the reader was. If there is a gap, it is shown.
	whole := value[bool](b, `(() => { const kept = [...document.querySelectorAll('#stream > li')]; return kept.every((li, i) => i === 0 || !li.dataset.seq || !kept[i - 1].dataset.seq || +li.dataset.seq === +kept[i - 1].dataset.seq + 1) })()`)
	if !whole {
		t.Error("a gap without a notice")
	}

	b.do(chromedp.Click("#pause"))
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindRequest, Title: "GET /while/paused", State: "200"})
	b.until("the count of new lines", `document.querySelector('#pause').textContent === 'Resume, 1 new'`)
	b.do(chromedp.Click("#pause"))
	b.until("the line after the pause", `[...document.querySelectorAll('.title')].some((e) => e.textContent === 'GET /while/paused')`)
}

func TestAConnectionThatBreaksIsTakenUpAgain(t *testing.T) {
	p := start(t, false)
	b := open(t, 1440, 900, false, "ERR_INCOMPLETE_CHUNKED_ENCODING")
	b.signIn(p)
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindRequest, Title: "GET /before", State: "200"})
	b.until("the line before", `[...document.querySelectorAll('.title')].some((e) => e.textContent === 'GET /before')`)
	p.cut()
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindRequest, Title: "GET /while/away", State: "200"})
	b.until("the notice", `[...document.querySelectorAll('.note-line')].some((e) => e.textContent.startsWith('The connection to the server is away'))`)
	b.until("the line that came meanwhile", `[...document.querySelectorAll('.title')].some((e) => e.textContent === 'GET /while/away')`)
	b.until("the word", `document.querySelector('#wire').textContent === 'connected'`)
	if n := value[int](b, `[...document.querySelectorAll('.title')].filter((e) => e.textContent === 'GET /before').length`); n != 1 {
		t.Errorf("the line before is there %d times", n)
	}
	if _, err := p.net.Phones.Send("14255550100", number.ShortCode("48507").Address(), "still here?"); err != nil {
		t.Fatal(err)
	}
	b.until("a text on the phone", `document.querySelector('.bubble.out .body')?.textContent === 'still here?'`)

	// Another run of the server counts its lines anew.
	p.restart()
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindRequest, Title: "GET /first", State: "200"})
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindRequest, Title: "GET /second", State: "200"})
	p.cut()
	b.until("connected again", `document.querySelectorAll('.note-line').length === 2 && document.querySelector('#wire').textContent === 'connected'`)
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindRequest, Title: "GET /third", State: "200"})
	b.until("the lines of the new run", `[...document.querySelectorAll('#stream > li')].slice(-4).map((e) => (e.querySelector('.title') || e).textContent).join() === 'The server was started anew.,GET /first,GET /second,GET /third'`)
}

func TestTheStateOfATextIsRightInWhateverOrderItIsTold(t *testing.T) {
	p := start(t, false)
	b := open(t, 1440, 900, false)
	b.signIn(p)
	const to = "14255550100"
	tell := func(kind timeline.Kind, message, title, state, ref string) {
		e := timeline.Entry{Kind: kind, Message: message, Title: title, State: state, Ref: ref, Number: "+" + to}
		if kind == timeline.KindPDU {
			e.Detail = "text " + fmt.Sprintf("%q", message+" says hello")
		}
		p.feed.Load().Add(e)
	}
	texts := []struct {
		message string
		want    string
		tell    func(m string)
	}{
		{"SMSa", "delivered", func(m string) { // the receipt comes before the note that it was sent
			tell(timeline.KindReceipt, m, "receipt DELIVRD", "delivered", "")
			tell(timeline.KindMessage, m, "text", "sent", "")
		}},
		{"SMSb", "sent", func(m string) { // one of two segments has arrived
			tell(timeline.KindMessage, m, "text", "sent", "")
			tell(timeline.KindReceipt, m, "receipt DELIVRD (segment 1 of 2)", "delivered", "")
			tell(timeline.KindReceipt, m, "receipt DELIVRD (segment 1 of 2)", "delivered", "")
		}},
		{"SMSc", "delivered", func(m string) { // both have
			tell(timeline.KindReceipt, m, "receipt DELIVRD (segment 2 of 2)", "delivered", "")
			tell(timeline.KindReceipt, m, "receipt DELIVRD (segment 1 of 2)", "delivered", "")
		}},
		{"SMSd", "delivered", func(m string) { // a receipt that was early, and was matched later
			tell(timeline.KindReceipt, "", "receipt DELIVRD (early)", "unmatched", "7f01")
			tell(timeline.KindPDU, m, "submit_sm_resp 9", "in", "7f01")
			tell(timeline.KindReceipt, m, "receipt DELIVRD", "delivered", "7f01")
			tell(timeline.KindMessage, m, "text", "accepted", "")
		}},
	}
	for _, x := range texts {
		tell(timeline.KindMessage, x.message, "text", "accepted", "")
		tell(timeline.KindPDU, x.message, "submit_sm 8", "out", "")
	}
	for i := range texts { // they arrive in the other order, so that only the words can tell which is which
		x := texts[len(texts)-1-i]
		p.net.Phones.Deliver(number.ShortCode("48507").Address(), to, x.message+" says hello", "")
		x.tell(x.message)
	}
	for _, x := range texts {
		b.until(x.message+" is "+x.want, fmt.Sprintf(`[...document.querySelectorAll('.bubble')].find((e) => e.querySelector('.body').textContent.startsWith(%q))?.querySelector('.chip').dataset.state === %q`, x.message, x.want))
	}
	// Two that say the same are told apart by the centre's ids, which the phone knows.
	for _, m := range [][2]string{{"SMSe", "7f11"}, {"SMSf", "7f12"}} {
		tell(timeline.KindMessage, m[0], "text", "accepted", "")
		tell(timeline.KindPDU, m[0], "submit_sm_resp 10", "in", m[1])
	}
	tell(timeline.KindMessage, "SMSe", "text", "sent", "")
	tell(timeline.KindReceipt, "SMSf", "receipt DELIVRD", "delivered", "7f12")
	p.net.Phones.Deliver(number.ShortCode("48507").Address(), to, "twin", "7f12")
	p.net.Phones.Deliver(number.ShortCode("48507").Address(), to, "twin", "7f11")
	b.until("the twins told apart", `[...document.querySelectorAll('.bubble')].filter((e) => e.querySelector('.body').textContent === 'twin').map((e) => e.querySelector('.chip').dataset.state).join() === 'delivered,sent'`)
	b.until("the early receipt in the chain of its message", `[...document.querySelectorAll('.line[data-kind=receipt]')].find((e) => e.textContent.includes('(early)')).querySelector('button.msg')?.title === 'SMSd'`)
}

func TestAPersonChoosesPhonesAndColours(t *testing.T) {
	p := start(t, false)
	b := open(t, 1440, 900, false, "400")
	b.signIn(p)

	// A text for a phone that is not looked at counts as unread until it is.
	p.net.Phones.Deliver(number.ShortCode("48507").Address(), "14255550101", "psst", "")
	b.until("one unread", `document.title === '(1) Phones · Longlines' && document.querySelector('[data-number="+14255550101"] .badge').checkVisibility()`)
	b.script(`document.querySelector('#list [tabindex="0"]').focus()`)
	b.do(chromedp.KeyEvent(kb.ArrowDown))
	b.until("none unread", `document.title === 'Phones · Longlines' && location.hash === '#+14255550101' && document.activeElement.dataset.number === '+14255550101'`)
	b.until("the number in the curl line", `document.querySelector('#curl-send').textContent.includes('tel:+14255550101')`)
	found, err := p.net.Phones.Messages(t.Context(), phone.Filter{Phone: "14255550101"}, 0)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	b.until("the book knows", `fetch('/sandbox/v1/phones').then((r) => r.json()).then((a) => a.phones.every((p) => p.unread === 0))`)

	// What is no number is refused in words.
	b.script(`document.querySelector('#new-number').focus()`)
	b.do(chromedp.KeyEvent("12"), chromedp.KeyEvent(kb.Enter))
	b.until("the complaint", `document.querySelector('#new-wrong').textContent === 'A number looks like +14255550102.'`)

	// What the API refuses is shown, and the text is not lost.
	b.script(`document.querySelector('#to').value = '1'; document.querySelector('#text').focus()`)
	b.do(chromedp.KeyEvent("hello"), chromedp.KeyEvent(kb.Enter))
	b.until("the refusal", `document.querySelector('#answer-wrong').textContent.startsWith('to is neither') && document.querySelector('#text').value === 'hello'`)

	ground := `getComputedStyle(document.body).backgroundColor`
	b.do(chromedp.Click("#theme"))
	b.until("dark", ground+` === 'rgb(11, 18, 32)'`)
	b.do(chromedp.Reload())
	b.until("still dark", ground+` === 'rgb(11, 18, 32)' && document.querySelector('#theme').title === 'Switch to the light theme'`)
	b.do(chromedp.Click("#theme"))
	b.until("light, as the system", ground+` === 'rgb(248, 250, 252)' && !document.cookie.includes('theme')`)

	b.do(chromedp.Click(".tools form button"))
	b.until("signed out", `location.pathname === '/signin' && document.querySelector('#token')`)
}

func TestATextThatDoesNotArriveIsShownOnThePhone(t *testing.T) {
	p := start(t, false)
	b := open(t, 1440, 900, false)
	b.signIn(p)
	b.script(`document.querySelector('#new-number').focus()`)
	b.do(chromedp.KeyEvent("(425) 555-0104"), chromedp.KeyEvent(kb.Enter))
	b.until("the new phone and its habit", `document.querySelector('#handset-title').textContent === '+1 425 555 0104' && document.querySelector('#handset-habit').textContent === 'undeliverable' && document.querySelector('#first').offsetParent`)
	b.do(chromedp.Click("#first"))
	b.until("the text that did not arrive", `document.querySelector('.bubble.ghost .chip')?.dataset.state === 'undeliverable'`)
	b.script(`document.querySelector('.magic').open = true`)
	b.shot("lost")
}

func TestTheMeterCountsAsThePlatformDoes(t *testing.T) {
	p := start(t, false)
	b := open(t, 800, 600, false)
	b.signIn(p)
	repeat := func(s string, n int) (all string) {
		for range n {
			all += s
		}
		return all
	}
	for _, text := range []string{
		"a", "hello", "€", "price: 5 € [net]", "naïve", "Ça va", "привет", "🍕", "line\nbreak", "\f^{}\\[~]|",
		repeat("a", 160), repeat("a", 161), repeat("€", 80), repeat("€", 81), repeat("a", 152) + "€" + repeat("a", 10), repeat("a", 306), repeat("a", 307),
		repeat("я", 70), repeat("я", 71), repeat("🍕", 35), repeat("🍕", 36), repeat("я", 66) + "🍕" + repeat("я", 10),
		"@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà", "ç", "`", "’",
	} {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		got := value[struct {
			Alphabet        string `json:"alphabet"`
			Units, Segments int
		}](b, fmt.Sprintf(`import(document.querySelector('script[type=module]').src).then((m) => m.measure(%s)).then((m) => ({alphabet: m.alphabet, Units: m.units, Segments: m.segments}))`, quoted))
		alphabet, units, segments := gsm.Count(text)
		want := map[gsm.Alphabet]string{gsm.GSM7: "GSM-7", gsm.UCS2: "UCS-2"}[alphabet]
		if got.Alphabet != want || got.Units != units || got.Segments != segments {
			t.Errorf("%q: the page counts %+v, the platform %s %d %d", text, got, want, units, segments)
		}
	}
}
