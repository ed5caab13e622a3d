package longlines_test

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestANewcomersBrowserShowsATextDeliveredAndAnswered(t *testing.T) {
	path, err := exec.LookPath("chromium")
	need(t, "Chromium", err == nil)
	w := start(t, nil)

	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900))...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	until := func(what, condition string) {
		t.Helper()
		_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](fmt.Sprintf(
			`new Promise((done) => { const look = () => (%s) ? done(true) : setTimeout(look, 20); look() })`, condition), chromedp.EvalAwaitPromise))
		if err != nil {
			page, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
			t.Fatalf("%s: not seen (%v); the page says:\n%s", what, err, page)
		}
	}
	says := func(text string) string { return fmt.Sprintf(`document.body.innerText.includes(%q)`, text) }

	// The link that `serve` prints signs in and leaves no code in the address.
	if err := chromedp.Do(ctx, chromedp.Navigate(w.info.ConsoleLink())); err != nil {
		t.Fatal(err)
	}
	until("the phones", says("+1 425 555 0100")+` && location.pathname === "/phones" && location.search === ""`)
	until("the stream", says("connected"))

	w.admin(http.MethodPost, "/admin/v1/messages", map[string]any{"app": "demo", "to": []string{"+14255550100"}, "text": "Your pizza is on its way"}, nil)
	until("the text on the phone, delivered", says("Your pizza is on its way")+" && "+says("delivered"))
	until("the PDU in the stream", says("submit_sm"))

	w.admin(http.MethodPost, "/sandbox/v1/messages", map[string]string{"from": "+14255550100", "to": "48507", "text": "Extra olives please"}, nil)
	until("the answer, at the app", says("Extra olives please")+" && "+says("reached demo"))
}
