package console_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"longlines/gsm"
	"longlines/number"
	"longlines/sandbox/phone"
	"longlines/test/tab"
	"longlines/timeline"
)

// open starts a browser; the sign-in page comes with a 401 in the place of what was asked for.
func open(t *testing.T, width, height int64, dark bool, expected ...string) *tab.Tab {
	t.Helper()
	return tab.Open(t, tab.Options{Width: width, Height: height, Dark: dark, Expected: append(expected, "401")})
}

func signIn(t *testing.T, b *tab.Tab, p *platform) {
	t.Helper()
	b.Do(chromedp.Navigate(p.url + "/signin?code=" + p.guard.Code()))
	b.Until("the phones after the sign-in", `location.pathname === '/phones' && location.hash === '#+14255550100' && document.querySelectorAll('#list .phone').length === 2 && document.querySelector('#wire').textContent === 'connected'`)
}

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
			b.Do(chromedp.Navigate(p.url))
			b.Until("the sign-in page", `document.querySelector('#token[autofocus]')`)
			b.Shot(x.name + " 0 sign in")
			b.None("text with less contrast than 4.5 to 1", tab.TooPale)
			signIn(t, b, p)
			b.Shot(x.name + " 1 empty")

			if location := tab.Value[string](b, `location.href`); location != p.url+"/phones#+14255550100" {
				t.Errorf("the address is %s: the code must not stay in it", location)
			}
			background := tab.Value[string](b, `getComputedStyle(document.body).backgroundColor`)
			if want := map[bool]string{false: "rgb(248, 250, 252)", true: "rgb(11, 18, 32)"}[x.dark]; background != want {
				t.Errorf("the ground is %s, want %s", background, want)
			}

			// The app sends: the newcomer presses the button.
			b.TabTo("#first")
			b.Do(chromedp.KeyEvent(kb.Enter))
			b.Until("the text, sent", `document.querySelector('.bubble.in .chip')?.dataset.state === 'sent'`)
			b.Shot(x.name + " 2 sent")
			close(p.final)
			b.Until("the chip that changes", `document.querySelector('.bubble.in .chip')?.dataset.state === 'delivered'`)

			// The phone answers.
			b.Script(`document.querySelector('.skip').focus()`)
			b.TabTo("#list .phone")
			b.Do(chromedp.KeyEvent(kb.End))
			b.Until("the last phone", `document.querySelector('#handset-title').textContent === '+1 425 555 0101'`)
			b.Do(chromedp.KeyEvent(kb.Home))
			b.Until("the first phone", `document.querySelector('#handset-title').textContent === '+1 425 555 0100' && document.querySelector('.bubble.in')`)
			b.TabTo("#text")
			b.Do(chromedp.KeyEvent("Yes, extra cheese please"))
			b.Until("the meter", `document.querySelector('#meter').textContent === '24/160 · 1 segment · GSM-7'`)
			b.Do(chromedp.KeyEvent(kb.Enter))
			b.Until("the answer on the phone", `[...document.querySelectorAll('.bubble.out .body')].some((e) => e.textContent === 'Yes, extra cheese please')`)
			b.Until("that it reached the app", `document.querySelector('.bubble.out .chip')?.dataset.state === 'reached demo'`)
			b.Until("an empty answer box", `document.querySelector('#text').value === ''`)

			// And the stream tells of it.
			if narrow {
				b.Script(`document.querySelector('.skip').focus()`)
				b.TabTo("#tab-phones")
				b.Do(chromedp.KeyEvent(kb.ArrowRight))
			}
			b.Until("the line in the stream", `[...document.querySelectorAll('.line[data-kind=mo] .title')].some((e) => e.offsetParent && e.textContent.startsWith('text from +14255550100 to 48507'))`)

			// A line opens by Enter, shows the wire, and Esc closes it.
			b.Script(`document.activeElement.blur()`)
			b.Do(chromedp.KeyEvent("/"))
			b.Until("the focus in the filter", `document.activeElement.id === 'filter'`)
			b.Script(`document.activeElement.value = ''`) // where the driver typed its slash
			b.Do(chromedp.KeyEvent("submit_sm"))
			b.Until("fewer lines", `document.querySelectorAll('.line:not([hidden])').length === 2`)
			b.Do(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Enter))
			b.Until("the wire of the line", `document.querySelector('.detail pre')?.textContent.includes('Hello from Longlines')`)
			b.Until("the way to the story", `/^\/messages\/SMS[0-9a-f]{32}$/.test(document.querySelector('.detail .facts a')?.getAttribute('href'))`)
			b.Shot(x.name + " 3 detail")
			b.Do(chromedp.KeyEvent(kb.Escape))
			b.Until("no detail", `!document.querySelector('.detail')`)

			// Its message shows the whole chain, on lines and on the phone.
			b.Do(chromedp.KeyEvent(kb.Tab))
			b.Until("the focus on the message", `document.activeElement.matches('.msg')`)
			b.Do(chromedp.KeyEvent(kb.Enter))
			b.Until("the chain", `document.querySelectorAll('.line.chained').length === 7 && document.querySelectorAll('.bubble.chained').length === 1`)
			b.Script(`filter.value = ''; filter.dispatchEvent(new Event('input'))`)
			b.Shot(x.name + " 4 chain")

			// Nothing is lost to the side, nothing is too small to hit.
			for _, part := range []string{"live", "phones"} {
				if narrow {
					b.Script(fmt.Sprintf(`document.querySelector('#tab-%s').click()`, part))
				}
				b.None("wider than the window", tab.TooWide)
				b.None("targets below 24 px", tab.TooSmall)
				b.None("text with less contrast than 4.5 to 1", tab.TooPale)
			}
			b.Shot(x.name + " 5 phones")
		})
	}
}

func TestTheStreamOwnsUpToWhatItLost(t *testing.T) {
	p := start(t, false)
	b := open(t, 1440, 900, false)
	signIn(t, b, p)
	for i := range 3000 {
		p.feed.Load().Add(timeline.Entry{Kind: timeline.KindRequest, Title: fmt.Sprintf("GET /sms/v3/messaging/outbox/%d", i), State: "200"})
	}
	b.Until("the burst", `document.querySelectorAll('#stream > li').length >= 250`)
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindRequest, Title: "GET /the/last", State: "200"})
	b.Until("the last line", `[...document.querySelectorAll('.title')].some((e) => e.textContent === 'GET /the/last')`)
	if lines := tab.Value[int](b, `document.querySelectorAll('#stream > li').length`); lines > 500 {
		t.Errorf("%d lines are kept", lines)
	}
	b.Shot("burst")
	// Whether lines were lost depends on how quick the reader was. If there is a gap, it is shown.
	whole := tab.Value[bool](b, `(() => { const kept = [...document.querySelectorAll('#stream > li')]; return kept.every((li, i) => i === 0 || !li.dataset.seq || !kept[i - 1].dataset.seq || +li.dataset.seq === +kept[i - 1].dataset.seq + 1) })()`)
	if !whole {
		t.Error("a gap without a notice")
	}

	b.Do(chromedp.Click("#pause"))
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindRequest, Title: "GET /while/paused", State: "200"})
	b.Until("the count of new lines", `document.querySelector('#pause').textContent === 'Resume, 1 new'`)
	b.Do(chromedp.Click("#pause"))
	b.Until("the line after the pause", `[...document.querySelectorAll('.title')].some((e) => e.textContent === 'GET /while/paused')`)
}

func TestAConnectionThatBreaksIsTakenUpAgain(t *testing.T) {
	p := start(t, false)
	b := open(t, 1440, 900, false, "ERR_INCOMPLETE_CHUNKED_ENCODING")
	signIn(t, b, p)
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindRequest, Title: "GET /before", State: "200"})
	b.Until("the line before", `[...document.querySelectorAll('.title')].some((e) => e.textContent === 'GET /before')`)
	p.cut()
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindRequest, Title: "GET /while/away", State: "200"})
	b.Until("the notice", `[...document.querySelectorAll('.note-line')].some((e) => e.textContent.startsWith('The connection to the server is away'))`)
	b.Until("the line that came meanwhile", `[...document.querySelectorAll('.title')].some((e) => e.textContent === 'GET /while/away')`)
	b.Until("the word", `document.querySelector('#wire').textContent === 'connected'`)
	if n := tab.Value[int](b, `[...document.querySelectorAll('.title')].filter((e) => e.textContent === 'GET /before').length`); n != 1 {
		t.Errorf("the line before is there %d times", n)
	}
	if _, err := p.net.Phones.Send("14255550100", number.ShortCode("48507").Address(), "still here?"); err != nil {
		t.Fatal(err)
	}
	b.Until("a text on the phone", `document.querySelector('.bubble.out .body')?.textContent === 'still here?'`)

	// Another run of the server counts its lines anew.
	p.restart()
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindRequest, Title: "GET /first", State: "200"})
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindRequest, Title: "GET /second", State: "200"})
	p.cut()
	b.Until("connected again", `document.querySelectorAll('.note-line').length === 2 && document.querySelector('#wire').textContent === 'connected'`)
	p.feed.Load().Add(timeline.Entry{Kind: timeline.KindRequest, Title: "GET /third", State: "200"})
	b.Until("the lines of the new run", `[...document.querySelectorAll('#stream > li')].slice(-4).map((e) => (e.querySelector('.title') || e).textContent).join() === 'The server was started anew.,GET /first,GET /second,GET /third'`)
}

func TestTheStateOfATextIsRightInWhateverOrderItIsTold(t *testing.T) {
	p := start(t, false)
	b := open(t, 1440, 900, false)
	signIn(t, b, p)
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
		b.Until(x.message+" is "+x.want, fmt.Sprintf(`[...document.querySelectorAll('.bubble')].find((e) => e.querySelector('.body').textContent.startsWith(%q))?.querySelector('.chip').dataset.state === %q`, x.message, x.want))
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
	b.Until("the twins told apart", `[...document.querySelectorAll('.bubble')].filter((e) => e.querySelector('.body').textContent === 'twin').map((e) => e.querySelector('.chip').dataset.state).join() === 'delivered,sent'`)
	b.Until("the early receipt in the chain of its message", `[...document.querySelectorAll('.line[data-kind=receipt]')].find((e) => e.textContent.includes('(early)')).querySelector('button.msg')?.title === 'SMSd'`)
}

func TestAPersonChoosesPhonesAndColours(t *testing.T) {
	p := start(t, false)
	b := open(t, 1440, 900, false, "400")
	signIn(t, b, p)

	// A text for a phone that is not looked at counts as unread until it is.
	p.net.Phones.Deliver(number.ShortCode("48507").Address(), "14255550101", "psst", "")
	b.Until("one unread", `document.title === '(1) Phones · Longlines' && document.querySelector('[data-number="+14255550101"] .badge').checkVisibility()`)
	b.Script(`document.querySelector('#list [tabindex="0"]').focus()`)
	b.Do(chromedp.KeyEvent(kb.ArrowDown))
	b.Until("none unread", `document.title === 'Phones · Longlines' && location.hash === '#+14255550101' && document.activeElement.dataset.number === '+14255550101'`)
	b.Until("the number in the curl line", `document.querySelector('#curl-send').textContent.includes('tel:+14255550101')`)
	found, err := p.net.Phones.Messages(t.Context(), phone.Filter{Phone: "14255550101"}, 0)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	b.Until("the book knows", `fetch('/sandbox/v1/phones').then((r) => r.json()).then((a) => a.phones.every((p) => p.unread === 0))`)

	// What is no number is refused in words.
	b.Script(`document.querySelector('#new-number').focus()`)
	b.Do(chromedp.KeyEvent("12"), chromedp.KeyEvent(kb.Enter))
	b.Until("the complaint", `document.querySelector('#new-wrong').textContent === 'A number looks like +14255550102.'`)

	// What the API refuses is shown, and the text is not lost.
	b.Script(`document.querySelector('#to').value = '1'; document.querySelector('#text').focus()`)
	b.Do(chromedp.KeyEvent("hello"), chromedp.KeyEvent(kb.Enter))
	b.Until("the refusal", `document.querySelector('#answer-wrong').textContent.startsWith('To is neither') && document.querySelector('#text').value === 'hello'`)

	ground := `getComputedStyle(document.body).backgroundColor`
	b.Do(chromedp.Click("#theme"))
	b.Until("dark", ground+` === 'rgb(11, 18, 32)'`)
	b.Do(chromedp.Reload())
	b.Until("still dark", ground+` === 'rgb(11, 18, 32)' && document.querySelector('#theme').title === 'Switch to the light theme'`)
	b.Do(chromedp.Click("#theme"))
	b.Until("light, as the system", ground+` === 'rgb(248, 250, 252)' && !document.cookie.includes('theme')`)

	b.Do(chromedp.Click(".tools form button"))
	b.Until("signed out", `location.pathname === '/signin' && document.querySelector('#token')`)
}

func TestATextThatDoesNotArriveIsShownOnThePhone(t *testing.T) {
	p := start(t, false)
	b := open(t, 1440, 900, false)
	signIn(t, b, p)
	b.Script(`document.querySelector('#new-number').focus()`)
	b.Do(chromedp.KeyEvent("(425) 555-0104"), chromedp.KeyEvent(kb.Enter))
	b.Until("the new phone and its habit", `document.querySelector('#handset-title').textContent === '+1 425 555 0104' && document.querySelector('#handset-habit').textContent === 'undeliverable' && document.querySelector('#first').offsetParent`)
	b.Do(chromedp.Click("#first"))
	b.Until("the text that did not arrive", `document.querySelector('.bubble.ghost .chip')?.dataset.state === 'undeliverable'`)
	b.Script(`document.querySelector('.magic').open = true`)
	b.Shot("lost")
}

func TestTheMeterCountsAsThePlatformDoes(t *testing.T) {
	p := start(t, false)
	b := open(t, 800, 600, false)
	signIn(t, b, p)
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
		got := tab.Value[struct {
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
