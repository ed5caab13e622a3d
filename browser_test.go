package longlines_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"

	"longlines/test/tab"
)

func TestANewcomersBrowserShowsATextDeliveredAndAnswered(t *testing.T) {
	w := start(t, nil)
	b := tab.Open(t, tab.Options{})
	says := func(text string) string { return fmt.Sprintf(`document.body.innerText.includes(%q)`, text) }

	// The link that `serve` prints signs in and leaves no code in the address.
	b.Do(chromedp.Navigate(w.info.ConsoleLink()))
	b.Until("the phones", says("+1 425 555 0100")+` && location.pathname === "/phones" && location.search === ""`)
	b.Until("the stream", says("connected"))

	w.admin(http.MethodPost, "/admin/v1/messages", map[string]any{"app": "demo", "to": []string{"+14255550100"}, "text": "Your pizza is on its way"}, nil)
	b.Until("the text on the phone, delivered", says("Your pizza is on its way")+" && "+says("delivered"))
	b.Until("the PDU in the stream", says("submit_sm"))

	w.admin(http.MethodPost, "/sandbox/v1/messages", map[string]string{"from": "+14255550100", "to": "48507", "text": "Extra olives please"}, nil)
	b.Until("the answer, at the app", says("Extra olives please")+" && "+says("reached demo"))
}
