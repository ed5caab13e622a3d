package tab

// What may be wrong with a page, as lists of what it is wrong with.
const (
	// TooWide lists what is cut off at the right, so that the page has to be moved to be read (WCAG 2.2 §1.4.10).
	TooWide = `(() => {
  const root = document.documentElement
  return root.scrollWidth <= root.clientWidth ? [] : [root.scrollWidth + ' px in ' + root.clientWidth, ...[...document.querySelectorAll('body *')]
    .filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1).map((e) => e.outerHTML.slice(0, 80))]
})()`

	// TooSmall lists the targets below 24 px, links within a sentence, a cell or a step excepted (§2.5.8).
	TooSmall = `[...document.querySelectorAll('button, input:not([type=checkbox]), select, textarea, summary, [role=option], a:not(:is(p, td, th, dd, .chain) a)')]
  .filter((e) => e.checkVisibility() && !e.closest('.sr, .skip')).filter((e) => { const r = e.getBoundingClientRect(); return r.width < 23.9 || r.height < 23.9 })
  .map((e) => e.outerHTML.slice(0, 120))`

	// TooPale lists the visible texts whose contrast with the ground behind them is below 4.5 to 1 (§1.4.3).
	TooPale = `(() => {
  const rgb = (c) => c.match(/[\d.]+/g).map(Number)
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const ground = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] !== 0) return c } return [255, 255, 255] }
  for (const a of document.getAnimations()) a.finish()
  return [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && !e.closest('.sr, .skip, svg, meter, :disabled') && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .map((e) => { const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x); return [(a + 0.05) / (b + 0.05), e] })
    .filter(([ratio]) => ratio < 4.5).map(([ratio, e]) => ratio.toFixed(2) + ' ' + e.outerHTML.slice(0, 100))
})()`
)

// None fails the test if a list of what is wrong with the page is not empty.
func (b *Tab) None(what, list string) {
	b.t.Helper()
	if found := Value[[]string](b, list); len(found) > 0 {
		b.t.Errorf("%s: %s: %q", Value[string](b, `location.pathname + location.search`), what, found)
	}
}
