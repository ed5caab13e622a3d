package console_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"longlines/test/tab"
)

// otherTab waits for a tab of the same window whose address begins so, and reads what it shows.
func otherTab(t *testing.T, b *tab.Tab, begin string) (address, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.Context, 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		tabs, err := chromedp.Targets(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range tabs {
			if !strings.HasPrefix(other.URL, begin) {
				continue
			}
			ctx, cancel := chromedp.NewContext(b.Context, chromedp.WithTargetID(other.TargetID))
			defer cancel() // closes the tab
			text, err := chromedp.Run(ctx, chromedp.Evaluate[string](
				`new Promise((done) => document.readyState === 'complete' ? done(document.body.innerText) : addEventListener('load', () => done(document.body.innerText)))`, chromedp.EvalAwaitPromise))
			if err != nil {
				t.Fatal(err)
			}
			return other.URL, text
		}
	}
	t.Fatalf("no tab opens at %s", begin)
	return "", ""
}

func TestAPersonOpensPagesInTheBrowserOfAPhone(t *testing.T) {
	for _, x := range []struct {
		name          string
		width, height int64
		dark          bool
	}{
		{"browser", 1280, 800, false},
		{"browser in the dark", 1280, 800, true},
		{"browser on a phone", 390, 844, false},
		{"browser on a dark phone", 390, 844, true},
		{"browser on a small phone", 320, 640, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := start(t, false)
			b := open(t, x.width, x.height, x.dark)
			signIn(t, b, p)
			b.Shot(x.name + " 0 closed")
			b.Script(`document.querySelector('#list [tabindex="0"]').focus()`)
			b.Do(chromedp.KeyEvent(kb.End))
			b.Until("the last phone", `document.querySelector('#handset-title').textContent === '+1 425 555 0101'`)
			b.TabTo("#web summary")
			b.Do(chromedp.KeyEvent(kb.Enter))
			b.Until("the browser", `document.querySelector('#web').open`)
			b.None("wider than the window", tab.TooWide)

			// What is no address is refused in words.
			b.TabTo("#address")
			b.Do(chromedp.KeyEvent("authorize"), chromedp.KeyEvent(kb.Enter))
			b.Until("the complaint", `document.querySelector('#address-wrong').textContent.startsWith('An address looks like /oauth/v4/authorize') && document.activeElement.id === 'address'`)
			b.None("text with less contrast than 4.5 to 1", tab.TooPale)
			b.Shot(x.name + " 1 open")

			// An address as it is pasted opens on the phone that is chosen.
			b.Script(`document.querySelector('#address').value = ' http://127.0.0.1:8100/oauth/v4/authorize?client_id=a&scope=IMMN,MIM#top '`)
			b.Do(chromedp.KeyEvent(kb.Enter))
			want := p.phones.URL("14255550101", "/oauth/v4/authorize?client_id=a&scope=IMMN,MIM")
			address, text := otherTab(t, b, p.phones.URL("14255550101", "/"))
			if host, _, _ := strings.Cut(want[len("http://"):], "/"); address != want || text != host+" /oauth/v4/authorize?client_id=a&scope=IMMN,MIM known=true" {
				t.Errorf("the phone shows %s: %s", address, text)
			}
			b.Until("no complaint", `document.querySelector('#address-wrong').textContent === ''`)

			// The ready links follow the phone.
			links := tab.Value[[]string](b, `[...document.querySelectorAll('.pages a')].map((a) => a.textContent + ' ' + a.getAttribute('href'))`)
			if fmt.Sprintf("%q", links) != fmt.Sprintf("%q", []string{
				"Try consent on this phone /phones/+14255550101/page?path=%2Foauth%2Fv4%2Fauthorize%3Fclient_id%3Dsandbox-demo%26scope%3DIMMN%252CMIM%252CSMS",
				"Try consent in this browser http://127.0.0.1:8100" + authorizePath,
				"My consents /phones/+14255550101/page?path=%2Fconsents%3Fnetwork%3Dvirtual",
			}) {
				t.Errorf("the links are %q", links)
			}
			b.TabTo(".pages a")
			b.Do(chromedp.KeyEvent(kb.Enter))
			if address, text := otherTab(t, b, p.phones.URL("14255550101", "/")); address != p.phones.URL("14255550101", authorizePath) || !strings.HasSuffix(text, "known=true") {
				t.Errorf("the phone shows %s: %s", address, text)
			}
		})
	}
}

func TestAddressesArePastedInManyForms(t *testing.T) {
	p := start(t, false)
	b := open(t, 800, 600, false)
	signIn(t, b, p)
	for typed, want := range map[string]string{
		"/oauth/v4/authorize?client_id=a":                    "/oauth/v4/authorize?client_id=a",
		"https://api.att.com/oauth/v4/authorize?scope=A%2CB": "/oauth/v4/authorize?scope=A%2CB",
		"127.0.0.1:8100/consents":                            "/consents",
		"HTTP://localhost:8100/consents?a=http://b/c":        "/consents?a=http://b/c",
		" /a#b ":                "/a",
		"http://127.0.0.1:8100": "",
		"authorize":             "",
		"//evil.example/":       "",
		"/\\evil.example":       "",
		"javascript:alert(1)//": "",
		"/a b":                  "",
		"":                      "",
	} {
		if got := tab.Value[string](b, fmt.Sprintf(`import(document.querySelector('script[type=module]').src).then((m) => m.toPath(%q))`, typed)); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

func TestThePageOfTheDemoAppLooksRightAndCopies(t *testing.T) {
	for _, x := range []struct {
		name          string
		width, height int64
		dark          bool
	}{
		{"callback", 1280, 800, false},
		{"callback in the dark", 1280, 800, true},
		{"callback on a phone", 390, 844, false},
		{"callback on a dark phone", 390, 844, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := start(t, false)
			b := open(t, x.width, x.height, x.dark, "400")
			look := func(name, path string) {
				t.Helper()
				b.Do(chromedp.Navigate(p.url + path))
				b.Until("the page", `document.querySelector('main.landing h1')`)
				b.None("wider than the window", tab.TooWide)
				b.None("text with less contrast than 4.5 to 1", tab.TooPale)
				b.Shot(x.name + " " + name)
			}
			look("1 to a stranger", "/callback?state=xyzzy&code="+code)
			look("2 refused", "/callback?error=access_denied&error_description=refused+by+the+user&state=xyzzy")
			look("3 wrong", "/callback?code=no%20code")
			look("4 empty", "/callback")
			signIn(t, b, p)
			look("5 signed in", "/callback?code="+code)
			// A window without a person may not use the clipboard; both ways end with the command at hand.
			b.TabTo(".copy")
			b.Do(chromedp.KeyEvent(kb.Enter))
			b.Until("the copy", `document.querySelector('.copy span').textContent === 'Copied' || getSelection().toString().includes('client_secret=sandbox-secret')`)
		})
	}
}
