// What every page of the console can do: the theme, and buttons that copy. It is a classic script, so that what it
// declares is there for app.js too, whose name, like its own, changes with its content and cannot be imported.

'use strict'

const $ = (id) => document.getElementById(id)
function say(text) { $('say').textContent = text }

// ── building elements ──────────────────────────────────────────────────

const SVG = 'http://www.w3.org/2000/svg'

function icon(name) {
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('class', 'icon')
  svg.setAttribute('aria-hidden', 'true')
  const use = document.createElementNS(SVG, 'use')
  use.setAttribute('href', '#i-' + name)
  svg.append(use)
  return svg
}

// h makes an element: h('p', {class: 'x', onclick: f}, 'text', child).
function h(tag, props, ...children) {
  const e = document.createElement(tag)
  for (const [k, v] of Object.entries(props || {})) {
    if (v === undefined || v === null || v === false) continue
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v)
    else e.setAttribute(k, v === true ? '' : v)
  }
  for (const c of children) if (c !== undefined && c !== null && c !== '') e.append(c)
  return e
}

const srOnly = (text) => h('span', { class: 'sr' }, text)

// ── the theme ──────────────────────────────────────────────────────────

const systemDark = matchMedia('(prefers-color-scheme: dark)')
const isDark = () => (document.documentElement.dataset.theme || (systemDark.matches ? 'dark' : 'light')) === 'dark'

function showTheme() {
  const b = $('theme')
  b.replaceChildren(icon(isDark() ? 'sun' : 'moon'))
  b.title = `Switch to the ${isDark() ? 'light' : 'dark'} theme`
  b.setAttribute('aria-label', b.title)
}
$('theme').addEventListener('click', () => {
  const want = isDark() ? 'light' : 'dark'
  const root = document.documentElement
  if ((want === 'dark') === systemDark.matches) { // what the system says: follow it again
    delete root.dataset.theme
    document.cookie = 'longlines_theme=; path=/; max-age=0; samesite=lax'
  } else {
    root.dataset.theme = want
    document.cookie = `longlines_theme=${want}; path=/; max-age=31536000; samesite=lax`
  }
  showTheme()
})
systemDark.addEventListener('change', showTheme)
showTheme()

// ── copying ────────────────────────────────────────────────────────────

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch { // not on https or loopback: the old way
    const t = h('textarea', { class: 'sr', readonly: true })
    t.value = text
    const had = document.activeElement
    document.body.append(t)
    t.select()
    const ok = document.execCommand('copy')
    t.remove()
    had?.focus()
    return ok
  }
}

async function copyFrom(button, text) {
  const ok = await copy(text)
  button.replaceChildren(icon(ok ? 'check' : 'warn'), h('span', null, ok ? 'Copied' : 'Not copied'))
  button.classList.toggle('done', ok)
  say(ok ? 'Copied' : 'It could not be copied')
  setTimeout(() => {
    button.replaceChildren(icon('copy'), h('span', null, 'Copy'))
    button.classList.remove('done')
  }, 1600)
}
for (const b of document.querySelectorAll('.copy[data-copy]')) b.addEventListener('click', () => copyFrom(b, $(b.dataset.copy).textContent))
