// The script of the console: it follows two streams of server-sent events, /admin/v1/stream (what
// the platform does) and /sandbox/v1/stream (what phones receive and send), and keeps the page true.
//
// A text on a phone and the lines about it are tied together by the centre's message id where the
// phone knows it, else by number, text and order; see pair(). It builds on frame.js.

const body = document.body
const hasPhones = 'sandbox' in body.dataset
const app = body.dataset.app || ''
const shortCode = body.dataset.code || ''

const MAX_LINES = 500 // of the stream that are kept
const MAX_RECORDS = 2000 // messages whose story is remembered
const MAX_BUBBLES = 200 // of a conversation

// ── words and looks ────────────────────────────────────────────────────

const KINDS = {
  request: 'Request', message: 'Message', pdu: 'PDU', receipt: 'Receipt', mo: 'From phone', callback: 'Callback', link: 'Link',
}

// What the states of a message mean at a glance: tone, icon.
const STATES = {
  accepted: ['', 'clock'], held: ['wait', 'hold'], retrying: ['wait', 'retry'], sent: ['busy', 'sent'], unknown: ['wait', 'unknown'],
  delivered: ['good', 'check'], undeliverable: ['bad', 'cross'], expired: ['bad', 'clock'], failed: ['bad', 'cross'],
  cancelled: ['bad', 'ban'], uncertain: ['wait', 'unknown'], quarantined: ['bad', 'warn'], rejected: ['bad', 'ban'],
  received: ['good', 'check'], in: ['', 'down'], out: ['', 'up'], up: ['good', 'up'], down: ['bad', 'down'], unmatched: ['wait', 'unknown'],
  binding: ['wait', 'clock'], waiting: ['wait', 'clock'], paused: ['wait', 'hold'], stopped: ['bad', 'down'],
}
const LOST = new Set(['undeliverable', 'expired', 'failed', 'cancelled', 'quarantined', 'rejected'])

function looks(state) {
  const known = STATES[state.toLowerCase()]
  if (known) return known
  if (/^[23]\d\d$/.test(state)) return ['good', 'check']
  if (/^4\d\d$/.test(state)) return ['wait', 'warn']
  if (/^5\d\d$/.test(state)) return ['bad', 'cross']
  if (/^(ESME_)?ROK$|^0x0+$|^ok$/i.test(state)) return ['good', 'check']
  if (/^(ESME_R|0x)/i.test(state)) return ['bad', 'warn']
  return ['', 'dot']
}

function chip(state, tag = 'span', props) {
  const [tone, name] = looks(state)
  return h(tag, { ...props, class: ('chip ' + tone).trim(), 'data-state': state }, icon(name), h('span', null, state))
}

const showNumber = (n) => /^\+1\d{10}$/.test(n) ? `+1 ${n.slice(2, 5)} ${n.slice(5, 8)} ${n.slice(8)}` : n
const two = (n, w = 2) => String(n).padStart(w, '0')
const clock = (t) => `${two(t.getHours())}:${two(t.getMinutes())}`
const clockMs = (t) => `${clock(t)}:${two(t.getSeconds())}.${two(t.getMilliseconds(), 3)}`
const dayOf = (t) => t.toLocaleDateString(undefined, { weekday: 'long', day: 'numeric', month: 'long' })
const sameDay = (a, b) => a.toDateString() === b.toDateString()
const plural = (n, one, many = one + 's') => `${n} ${n === 1 ? one : many}`
const tail = (id) => '…' + id.slice(-6)

function duration(ms) {
  if (ms < 10) return ms.toFixed(1) + ' ms'
  if (ms < 1000) return Math.round(ms) + ' ms'
  return (ms / 1000).toFixed(1) + ' s'
}

// ── saying things ──────────────────────────────────────────────────────

function shout(text) { $('shout').textContent = text }

// Lines are announced by their number, now and then: a reader who had each read out would hear nothing else.
const heard = new Map()
function count(kind) { heard.set(kind, (heard.get(kind) || 0) + 1) }
setInterval(() => {
  if (!heard.size) return
  const names = { request: ['request'], message: ['message change'], pdu: ['PDU'], receipt: ['receipt'], mo: ['text from a phone', 'texts from phones'], callback: ['callback'], link: ['link event'] }
  say([...heard].map(([k, n]) => plural(n, ...(names[k] || [k]))).join(', '))
  heard.clear()
}, 5000)

// ── talking to the APIs ────────────────────────────────────────────────

async function call(method, url, data) {
  let r
  try {
    r = await fetch(url, {
      method,
      headers: data === undefined ? {} : { 'Content-Type': 'application/json' },
      body: data === undefined ? undefined : JSON.stringify(data),
    })
  } catch {
    throw new Error('The server cannot be reached.')
  }
  if (r.status === 401) {
    location.assign('/signin')
    throw new Error('You are signed out.')
  }
  const text = await r.text()
  let answer = null
  try { answer = JSON.parse(text) } catch { /* not JSON */ }
  if (!r.ok) throw new Error(sentence(answer?.detail || answer?.title || `The server answered ${r.status}.`))
  return answer
}

// sentence makes one of what an API says; list.go does the same.
const sentence = (s) => s[0].toUpperCase() + s.slice(1).replace(/\.+$/, '') + '.'

// follow keeps a stream open. A browser allows six connections to a server, for all its tabs
// together, so a tab that nobody sees gives its own back after a while.
function follow(url, hiddenFor, on) {
  let source, timer, tries = 0, hide
  const close = () => {
    clearTimeout(timer)
    if (source) source.close()
    source = null
  }
  const open = () => {
    close()
    source = new EventSource(url())
    source.onopen = () => { tries = 0; on.open() }
    source.onmessage = (e) => on.message(JSON.parse(e.data))
    source.addEventListener('lost', () => on.lost?.())
    source.onerror = () => {
      close()
      on.down()
      timer = setTimeout(open, Math.min(10000, 500 * 2 ** tries++) * (0.8 + 0.4 * Math.random()))
    }
  }
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hide)
    if (document.hidden) hide = setTimeout(close, hiddenFor)
    else if (!source) open()
  })
  addEventListener('pagehide', close)
  addEventListener('pageshow', (e) => { if (e.persisted) open() })
  open()
  return { reopen: open }
}

// What the page remembers; a browser may forbid it.
function recall(store, key) { try { return store().getItem('longlines.' + key) } catch { return null } }
function keep(store, key, value) { try { store().setItem('longlines.' + key, value) } catch { /* then not */ } }
const always = () => localStorage, thisTab = () => sessionStorage

const tryIt = $('try')
if (tryIt) {
  // The first paint on a phone belongs to the phones.
  const kept = recall(always, 'try')
  if (kept === 'closed' || kept === null && innerWidth < 1025) tryIt.open = false
  tryIt.querySelector('summary').addEventListener('click', () => keep(always, 'try', tryIt.open ? 'closed' : 'open'))
}

// ── links ──────────────────────────────────────────────────────────────

const linkUp = new Map()

async function showLinks() {
  let links
  try { ({ links } = await call('GET', '/admin/v1/links')) } catch { return }
  const made = links.map((l) => {
    const word = l.state.up ? 'up' : l.state.phase || 'down'
    const before = linkUp.get(l.name)
    if (before === true && !l.state.up) shout(`Link ${l.name} is down`)
    if (before === false && l.state.up) shout(`Link ${l.name} is up again`)
    linkUp.set(l.name, l.state.up)
    const [tone, name] = looks(word)
    return h('li', { class: 'chip ' + tone, title: l.state.error || `${l.host}:${l.port} as ${l.system_id}` }, icon(name), h('span', null, `${l.name} ${word}`), !l.state.up && l.state.error ? srOnly(': ' + l.state.error) : null)
  })
  const list = $('links')
  if (list.textContent !== made.map((m) => m.textContent).join('') || list.children.length !== made.length) list.replaceChildren(...made)
}
const linksSoon = calm(showLinks, () => 300)
setInterval(() => { if (!document.hidden) showLinks() }, 10000)
showLinks()

// calm makes of f something that may be called at will: it runs soon, and not again within the time.
function calm(f, ms) {
  let timer = null, again = false
  const run = async () => {
    await f()
    timer = again ? setTimeout(run, ms()) : null
    again = false
  }
  return () => {
    if (timer) again = true
    else timer = setTimeout(run, ms())
  }
}

// ── what is known of messages ──────────────────────────────────────────

// A record is one text to (or from) one number: what the lines said about it.
const records = new Map() // message id + number → record
const byRef = new Map() // the centre's id → message id
const byRequest = new Map() // request id → message id

const own = (e) => e.message || byRef.get(e.ref) || byRequest.get(e.request) || ''

function learn(e) {
  if (e.message && e.ref) byRef.set(e.ref, e.message)
  if (e.message && e.request) byRequest.set(e.request, e.message)
  const message = own(e)
  if (!message || e.kind === 'callback' || e.kind === 'request') return null
  const number = e.number || ''
  const key = message + ' ' + number
  let r = records.get(key)
  if (!r) {
    if (!number) return null
    r = { key, message, number, mo: e.kind === 'mo', app: e.app, first: new Date(e.time), refs: new Set(), state: '' }
    records.set(key, r)
    if (records.size > MAX_RECORDS) records.delete(records.keys().next().value)
    for (const m of [byRef, byRequest]) if (m.size > 4 * MAX_RECORDS) m.delete(m.keys().next().value)
  }
  if (e.ref) r.refs.add(e.ref)
  if (e.kind === 'mo') r.mo = true
  if (e.app) r.app = e.app
  if (e.kind === 'pdu' || e.state === 'sent') r.handed ||= new Date(e.time)
  if (e.kind === 'message' || e.kind === 'receipt') advance(r, e)
  if (e.code) r.code = e.code
  r.text ??= textOf(e)
  return r
}

// advance gives a record its next state. Lines about one message can come in another order than
// things happened, so nothing that is final is undone by what is not. A receipt speaks for one
// segment: a long text is delivered when all of them are.
function advance(r, e) {
  const state = e.state
  if (!state || state === 'unmatched') return
  const final = state === 'delivered' || LOST.has(state)
  if (!final && (r.final || e.kind === 'receipt' || state === 'accepted' && r.state)) return
  const segment = e.kind === 'receipt' && /\(segment (\d+) of (\d+)\)/.exec(e.title)
  if (segment && state === 'delivered') {
    r.segments ||= new Set()
    r.segments.add(segment[1])
    if (r.segments.size < +segment[2]) return
  }
  r.state = state
  r.final = final
  r.changed = new Date(e.time)
}

// textOf finds the text in the wire of a line that has it: to compare it with what a phone shows.
function textOf(e) {
  if (e.kind === 'mo' && e.detail) return e.detail
  if (e.kind !== 'pdu' || !e.title.startsWith('submit_sm ') || !e.detail) return undefined
  const quoted = /^text (".*")$/m.exec(e.detail)
  try { return quoted ? JSON.parse(quoted[1]) : undefined } catch { return undefined }
}

// ── the stream of lines ────────────────────────────────────────────────

const stream = $('stream')
const scroller = $('scroll')
const off = new Set() // kinds not shown
let lines = [] // {e, li}
let waitingLines = [] // while paused, and until the next frame
let paused = false
let frame = 0
let strays = [] // lines with a centre's or a request's id whose message is not known yet
let lastSeq = 0, lastTime = 0 // of the newest line
let chain = '' // the message whose chain is highlighted
let onlyChain = false
let words = []
let current = null // the line that Tab reaches

function takeEntry(e) {
  const at = Date.parse(e.time)
  if (e.seq <= lastSeq) {
    if (at < lastTime) return // we have it
    // Its numbers began anew, so it is another run of the server: read that from the beginning.
    queueLine({ note: 'The server was started anew.', calm: true })
    lastSeq = lastTime = 0
    wire.reopen()
    return
  }
  if (lastSeq && e.seq > lastSeq + 1) queueLine({ note: `${plural(e.seq - lastSeq - 1, 'line is', 'lines are')} missing here: too much happened at once, or the connection was away.` })
  lastSeq = e.seq
  lastTime = at
  learn(e) // also what is never drawn, and while the lines are paused: the phones go on
  pairSoon()
  if (e.kind === 'link') linksSoon()
  queueLine(e)
}

function queueLine(e) {
  waitingLines.push(e)
  if (waitingLines.length > 2 * MAX_LINES) waitingLines = waitingLines.slice(-MAX_LINES)
  if (paused) { showPause(); return }
  frame ||= requestAnimationFrame(drawLines)
}

// A page in the background gets no frames, but its lines must not pile up.
setInterval(() => { if (document.hidden && frame && !paused) { cancelAnimationFrame(frame); drawLines() } }, 1000)

let fresh = false // whether lines that come now are news
function drawLines() {
  frame = 0
  const batch = waitingLines.slice(-MAX_LINES)
  waitingLines = []
  const atEnd = nearEnd()
  const news = document.createDocumentFragment()
  for (const e of batch) {
    if (e.note) {
      const li = h('li', { class: 'note-line' + (e.calm ? ' calm' : '') }, icon(e.calm ? 'retry' : 'warn'), e.note)
      lines.push({ e, li })
      news.append(li)
      continue
    }
    if (fresh) count(e.kind)
    const l = { e, li: line(e) }
    lines.push(l)
    if (!own(e) && (e.ref || e.request)) strays.push(l)
    dress(l)
    if (fresh && batch.length < 20) l.li.classList.add('fresh')
    news.append(l.li)
  }
  stream.append(news)
  adopt()
  while (lines.length > MAX_LINES) {
    const gone = lines.shift()
    if (gone.li === current) current = null
    gone.li.remove()
  }
  showCount()
  if (chain) showChain()
  if (!current || !current.isConnected) reach(stream.querySelector('.line:not([hidden])'))
  if (atEnd) scroller.scrollTop = scroller.scrollHeight
  showNewest()
}

// adopt gives lines their message once another line has told it: a receipt may be quicker than the
// answer that names its id.
function adopt() {
  strays = strays.slice(-50).filter((l) => {
    const message = own(l.e)
    if (!message) return l.li.isConnected
    const tab = l.li.querySelector('.open').tabIndex
    l.li.querySelector('.msg').replaceWith(msgButton(message, tab))
    dress(l)
    return false
  })
}

function msgButton(message, tab) {
  return h('button', { type: 'button', class: 'msg', tabindex: tab, title: message, 'aria-label': `Show the chain of ${message}` }, tail(message))
}

function line(e) {
  const t = new Date(e.time)
  const aside = [e.code && !e.title.includes(e.code) && e.code, e.app, e.number && !e.title.includes(e.number) && e.number].filter(Boolean).join(' · ')
  const message = own(e)
  return h('li', { class: 'line', 'data-kind': e.kind, 'data-seq': e.seq },
    h('div', { class: 'row' },
      h('button', { type: 'button', class: 'open', 'aria-expanded': 'false', tabindex: -1 },
        h('span', { class: 'twist' }, icon('chevron')),
        h('time', { datetime: e.time, title: e.time }, clockMs(t)),
        h('span', { class: 'kind' }, icon(e.kind in KINDS ? e.kind : 'dot'), h('span', null, KINDS[e.kind] || e.kind)),
        h('span', { class: 'title', title: e.title }, e.title, aside && h('span', { class: 'aside' }, ' · ' + aside))),
      message ? msgButton(message, -1) : h('span', { class: 'msg none' }),
      e.state ? chip(e.state) : h('span'),
      h('span', { class: 'ms' }, e.ms ? duration(e.ms) : '')))
}

function matches(e) {
  if (off.has(e.kind)) return false
  if (onlyChain && chain && own(e) !== chain) return false
  if (!words.length) return true
  e.hay ||= [e.title, e.state, e.code, e.app, e.request, e.message, e.link, e.ref, e.number, e.kind, KINDS[e.kind], e.detail].filter(Boolean).join('\n').toLowerCase()
  return words.every((w) => e.hay.includes(w))
}

// dress gives a line what depends on the filter and on the chain.
function dress({ e, li }) {
  if (e.note) { li.hidden = words.length > 0 || onlyChain; return }
  li.hidden = !matches(e)
  const message = own(e)
  li.classList.toggle('chained', chain !== '' && message === chain)
}

function redress() {
  const atEnd = nearEnd()
  for (const l of lines) dress(l)
  if (!current || current.hidden) reach(stream.querySelector('.line:not([hidden])'))
  showCount()
  if (atEnd) scroller.scrollTop = scroller.scrollHeight
  showNewest()
}

function showCount() {
  const all = lines.filter((l) => !l.e.note).length
  const shown = lines.filter((l) => !l.e.note && !l.li.hidden).length
  $('count').textContent = all === 0 ? '' : shown === all ? plural(all, 'line') : `${shown} of ${plural(all, 'line')}`
  $('quiet').hidden = shown > 0 || lines.some((l) => l.e.note && !l.li.hidden)
  $('quiet').querySelector('p').textContent = all === 0
    ? 'Nothing has happened yet. Every request, PDU, receipt and callback appears here as it happens.'
    : 'No line fits the filter.'
  const t = $('tab-lines')
  if (t) { t.hidden = all === 0; t.textContent = all }
}

const nearEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60
function showNewest() { $('newest').hidden = nearEnd() || scroller.scrollHeight <= scroller.clientHeight }
scroller.addEventListener('scroll', showNewest, { passive: true })
$('newest').addEventListener('click', () => {
  scroller.scrollTop = scroller.scrollHeight
  reach([...stream.querySelectorAll('.line:not([hidden])')].at(-1), true)
})

// reach makes a line the one that Tab comes to; arrows go on from there.
function reach(li, focus) {
  if (current) for (const b of current.querySelectorAll('.row button')) b.tabIndex = -1
  current = li || null
  if (!current) return
  for (const b of current.querySelectorAll('.row button')) b.tabIndex = 0
  if (focus) current.querySelector('.open').focus()
}

function expand(li, want) {
  const button = li.querySelector('.open')
  const is = button.getAttribute('aria-expanded') === 'true'
  if (is === want) return
  button.setAttribute('aria-expanded', String(want))
  if (!want) { li.querySelector('.detail').remove(); return }
  li.append(detail(lines.find((l) => l.li === li).e))
  li.scrollIntoView({ block: 'nearest' })
  showNewest()
}

function detail(e) {
  const facts = h('dl', { class: 'facts' })
  const fact = (name, value, mono) => value && facts.append(h('div', null, h('dt', null, name), h('dd', mono && { class: 'mono' }, value)))
  fact('Time', e.time, true)
  fact('App', e.app)
  fact('Request', e.request, true)
  fact('Message', own(e), true)
  fact('Number', e.number && showNumber(e.number))
  fact('Link', e.link)
  fact('Id at the centre', e.ref, true)
  if (e.code) fact('Code', body.dataset.errors && /^(SVC|POL)\d{4}$/.test(e.code) ? h('a', { href: body.dataset.errors + '/' + e.code }, e.code + ': what it means') : e.code)
  if (e.kind === 'request' && e.request) fact('Story', h('a', { href: '/requests/' + e.request }, 'All about this request'))
  else if (own(e)) fact('Story', h('a', { href: '/messages/' + own(e) }, 'All about this message'))
  const box = h('div', { class: 'detail' }, facts)
  if (e.detail) {
    const pre = h('pre', { tabindex: 0, 'aria-label': 'On the wire' }, e.detail)
    const b = h('button', { type: 'button', class: 'copy' }, icon('copy'), h('span', null, 'Copy'))
    b.addEventListener('click', () => copyFrom(b, e.detail))
    box.append(h('div', { class: 'wire' }, h('div', { class: 'wire-head' }, 'On the wire', b), pre))
  } else if (e.kind === 'request' || e.kind === 'pdu' || e.kind === 'callback') {
    box.append(h('p', { class: 'unkept' }, 'The wire text was not kept: nobody was watching when this happened.'))
  }
  return box
}

stream.addEventListener('click', (ev) => {
  const li = ev.target.closest('.line')
  if (!li || ev.target.closest('.detail')) return
  const msg = ev.target.closest('button.msg')
  reach(li)
  if (msg) { setChain(own(lines.find((l) => l.li === li).e)); return }
  if (getSelection().toString() && !ev.target.closest('button')) return // somebody marks text
  expand(li, li.querySelector('.open').getAttribute('aria-expanded') !== 'true')
})

stream.addEventListener('focusin', (ev) => {
  const li = ev.target.closest('.line')
  if (li && li !== current) reach(li)
})

stream.addEventListener('keydown', (ev) => {
  const li = ev.target.closest('.line')
  if (!li) return
  if (ev.key === 'Escape') {
    if (li.querySelector('.detail')) {
      expand(li, false)
      reach(li, true)
      ev.stopPropagation()
    }
    return
  }
  if (ev.target.closest('.detail')) return
  const shown = [...stream.querySelectorAll('.line:not([hidden])')]
  const at = shown.indexOf(li)
  const to = { ArrowDown: shown[at + 1], ArrowUp: shown[at - 1], Home: shown[0], End: shown.at(-1) }[ev.key]
  if (to) {
    ev.preventDefault()
    reach(to, true)
    to.scrollIntoView({ block: 'nearest' })
  }
})

for (const b of document.querySelectorAll('#kinds .pill')) {
  b.addEventListener('click', () => {
    const on = b.getAttribute('aria-pressed') !== 'true'
    b.setAttribute('aria-pressed', String(on))
    if (on) off.delete(b.dataset.kind)
    else off.add(b.dataset.kind)
    redress()
  })
}

$('filter').addEventListener('input', () => {
  words = $('filter').value.toLowerCase().split(/\s+/).filter(Boolean)
  redress()
})
$('filter').addEventListener('keydown', (ev) => {
  if (ev.key === 'ArrowDown') { reach(stream.querySelector('.line:not([hidden])'), true); ev.preventDefault() }
})

function showPause() {
  const b = $('pause')
  b.setAttribute('aria-pressed', String(paused))
  const n = waitingLines.length
  b.replaceChildren(icon(paused ? 'play' : 'hold'), h('span', null, paused ? (n ? `Resume, ${n} new` : 'Resume') : 'Pause'))
}
$('pause').addEventListener('click', () => {
  paused = !paused
  if (!paused) drawLines()
  showPause()
})
$('clear').addEventListener('click', () => {
  lines = []
  current = null
  stream.replaceChildren()
  showCount()
  showNewest()
})

function showChain() {
  const n = lines.filter((l) => !l.e.note && own(l.e) === chain).length
  $('chain-text').textContent = chain ? `${plural(n, 'line')} about ${chain.length > 20 ? chain.slice(0, 6) + tail(chain) : chain}` : ''
  return n
}

// setChain highlights all that belongs to a message, on lines and on phones; '' ends it.
function setChain(message) {
  chain = message === chain ? '' : message
  if (!chain) { onlyChain = false; $('chain-only').setAttribute('aria-pressed', 'false') }
  redress()
  $('chainbar').hidden = !chain
  const n = showChain()
  if (chain) {
    say(`${plural(n, 'line')} about this message highlighted`)
    const first = lines.find((l) => !l.e.note && own(l.e) === chain && !l.li.hidden)
    first?.li.scrollIntoView({ block: 'nearest' })
    const r = [...records.values()].find((r) => r.message === chain && r.number)
    if (r && hasPhones && r.number !== selected && phones.has(r.number)) choose(r.number)
  }
  markChain()
}
$('chain-only').addEventListener('click', () => {
  onlyChain = !onlyChain
  $('chain-only').setAttribute('aria-pressed', String(onlyChain))
  redress()
})
$('chain-end').addEventListener('click', () => { setChain(''); current?.querySelector('.open').focus() })

function showWire(tone, name, word) {
  const c = $('wire')
  c.className = ('chip ' + tone).trim()
  c.replaceChildren(icon(name), h('span', null, word))
}

let wasDown = false
const wire = follow(() => '/admin/v1/stream?after=' + lastSeq, 10 * 60 * 1000, {
  open() {
    showWire('good', 'check', 'connected')
    if (wasDown) { say('Connected again'); wasDown = false; showLinks() }
    setTimeout(() => { fresh = true }, 400) // what comes at once was remembered, not news
  },
  message: takeEntry,
  down() {
    if (!wasDown) { queueLine({ note: 'The connection to the server is away; trying again.' }); shout('The connection to the server is away') }
    wasDown = true
    fresh = false
    showWire('wait', 'retry', 'reconnecting')
    showLinks() // finds out whether the sign-in is still good
  },
})

// ── keys for the whole page ────────────────────────────────────────────

document.addEventListener('keydown', (ev) => {
  const typing = ev.target.closest('input, textarea, select, [contenteditable]')
  if (ev.key === '/' && !typing && !ev.ctrlKey && !ev.metaKey && !ev.altKey) {
    ev.preventDefault()
    if (hasPhones) showTab('live')
    $('filter').focus()
    $('filter').select()
  }
  if (ev.key === 'Escape') {
    const opened = stream.querySelector('.open[aria-expanded="true"]')
    if (opened) for (const b of stream.querySelectorAll('.open[aria-expanded="true"]')) expand(b.closest('.line'), false)
    else if (chain) setChain('')
    else if (ev.target === $('filter')) { $('filter').value = ''; words = []; redress() }
  }
})

// ── tabs, on a narrow window ───────────────────────────────────────────

const tabs = ['phones', 'live']
function showTab(name, focus) {
  body.dataset.tab = name
  for (const t of tabs) {
    const b = $('tab-' + t)
    b.setAttribute('aria-selected', String(t === name))
    b.tabIndex = t === name ? 0 : -1
    if (focus && t === name) b.focus()
  }
  if (name === 'live') { scroller.scrollTop = scroller.scrollHeight; showNewest() } else if (hasPhones) { bottom(); looked() }
}
if (hasPhones) {
  for (const t of tabs) {
    $('tab-' + t).addEventListener('click', () => showTab(t))
    $('tab-' + t).addEventListener('keydown', (ev) => {
      if (ev.key === 'ArrowLeft' || ev.key === 'ArrowRight') showTab(t === 'live' ? 'phones' : 'live', true)
    })
  }
}

// ── the phones ─────────────────────────────────────────────────────────

const phones = new Map() // number → {number, unread, habit, messages, last}
const talks = new Map() // number → Map of its texts by id, of phones that were opened
let selected = ''
const added = new Set((recall(thisTab, 'phones') || '').split(' ').filter(Boolean)) // typed, and perhaps not in the book yet
const list = $('list')

const habits = new Map()
for (const tr of document.querySelectorAll('.magic tr[data-nn]')) habits.set(+tr.dataset.nn, tr.cells[1].textContent)

function habitOf(number) {
  const m = /^\+1\d{3}55501(\d\d)$/.exec(number)
  return (m && habits.get(+m[1])) || 'delivered at once'
}

let crowded = false // more phones than are listed: a load test, which has better things to do than to list them

async function loadPhones() {
  let answer
  try { answer = await call('GET', '/sandbox/v1/phones?limit=200') } catch { return }
  const before = new Map(phones)
  phones.clear()
  for (const p of answer.phones) phones.set(p.number, p)
  for (const n of added) if (!phones.has(n)) phones.set(n, { number: n, unread: 0, habit: habitOf(n), messages: 0 })
  const hidden = (answer.total || answer.phones.length) - answer.phones.length
  crowded = hidden > 0
  $('more').hidden = !crowded
  $('more').textContent = `and ${plural(hidden, 'more phone')}: type a number to open it`
  drawPhones(before)
  if (!selected) choose(hashNumber() || phones.keys().next().value || '')
}
const phonesSoon = calm(loadPhones, () => crowded ? 3000 : 250)

function drawPhones(before) {
  const had = new Map([...list.children].map((li) => [li.dataset.number, li]))
  let place = list.firstElementChild
  for (const p of phones.values()) {
    let li = had.get(p.number)
    if (!li) {
      li = $('t-phone').content.firstElementChild.cloneNode(true)
      li.dataset.number = p.number
    }
    had.delete(p.number)
    if (li === place) place = place.nextElementSibling
    else list.insertBefore(li, place)
    const unread = p.number === selected && watching() ? 0 : p.unread
    li.querySelector('.number').textContent = showNumber(p.number)
    li.querySelector('.habit').textContent = p.habit
    li.querySelector('.badge').hidden = !unread
    li.querySelector('.badge .n').textContent = unread
    const last = li.querySelector('.last')
    last.textContent = p.last ? clock(new Date(p.last)) : ''
    if (p.last) last.dateTime = p.last
    if (before && p.unread > (before.get(p.number)?.unread ?? p.unread)) {
      li.classList.add('buzz')
      setTimeout(() => li.classList.remove('buzz'), 600)
    }
    li.setAttribute('aria-selected', String(p.number === selected))
    li.tabIndex = p.number === selected ? 0 : -1
  }
  for (const li of had.values()) li.remove()
  if (!list.querySelector('[tabindex="0"]') && list.firstElementChild) list.firstElementChild.tabIndex = 0
  const unread = [...phones.values()].reduce((n, p) => n + (p.number === selected && watching() ? 0 : p.unread), 0)
  $('tab-unread').hidden = !unread
  $('tab-unread').textContent = unread
  document.title = (unread ? `(${unread}) ` : '') + 'Phones · Longlines'
}

// hashNumber is the phone that the address names: /phones#+14255550100.
const hashNumber = () => location.hash.startsWith('#+') ? toNumber(location.hash.slice(1)) : ''

// watching reports whether somebody can see the conversation.
const watching = () => !document.hidden && $('handset').offsetParent !== null

function looked() {
  const p = phones.get(selected)
  if (!p || !p.unread || !watching()) return
  p.unread = 0
  call('POST', `/sandbox/v1/phones/${encodeURIComponent(selected)}/read`).catch(() => {})
  drawPhones()
}
document.addEventListener('visibilitychange', () => { if (hasPhones) looked() })

async function choose(number, focus) {
  if (!number) return
  if (!phones.has(number)) {
    added.add(number)
    keep(thisTab, 'phones', [...added].slice(-50).join(' '))
    phones.set(number, { number, unread: 0, habit: habitOf(number), messages: 0 })
  }
  const changed = number !== selected
  selected = number
  history.replaceState(null, '', '#' + number)
  drawPhones()
  if (focus) list.querySelector('[aria-selected="true"]').focus()
  list.querySelector('[aria-selected="true"]').scrollIntoView({ block: 'nearest' })
  $('handset-title').textContent = showNumber(number)
  $('handset-habit').textContent = phones.get(number).habit
  for (const s of document.querySelectorAll('[data-phone]')) s.textContent = number
  for (const a of document.querySelectorAll('[data-page]')) a.href = pageOn(number, a.dataset.page)
  if (changed) {
    $('bubbles').replaceChildren()
    shown.clear()
    $('answer-wrong').textContent = ''
    drawTalk()
    await loadTalk(number)
  }
  looked()
}

const arriving = new Map() // number → texts that came while its conversation was being fetched

async function loadTalk(number) {
  const early = []
  arriving.set(number, early)
  let answer
  try { answer = await call('GET', `/sandbox/v1/messages?phone=${encodeURIComponent(number)}&limit=${MAX_BUBBLES}`) } catch { return }
  if (arriving.get(number) !== early) return // a later fetch is under way
  arriving.delete(number)
  const talk = new Map([...answer.messages, ...early].map((m) => [m.id, text(m)]))
  talks.set(number, talk)
  if (number !== selected) return
  const last = [...talk.values()].at(-1)
  if (last) $('to').value = last.direction === 'in' ? last.from : last.to
  // The ids of a sandbox that was started anew begin at the beginning.
  for (const [key, b] of shown) if (!key.startsWith('ghost ') && talk.get(key)?.time !== b.time) drop(key)
  drawTalk()
  bottom()
}

function text(m) { return { ...m, at: new Date(m.time) } }

function takeText(m) {
  const talk = talks.get(m.phone)
  arriving.get(m.phone)?.push(m)
  if (talk && !talk.has(m.id)) {
    talk.set(m.id, { ...text(m), fresh: true })
    if (talk.size > MAX_BUBBLES) {
      const oldest = talk.keys().next().value
      talk.delete(oldest)
      drop(oldest)
    }
    if (m.phone === selected) {
      if (m.direction === 'in' && /^\d{3,8}$/.test(m.from)) $('to').value = m.from
      pairSoon()
    }
  }
  phonesSoon()
  if (m.phone === selected) setTimeout(looked, 600)
}

// pair ties the texts of the opened phone to the records of its number. Where the phone knows the
// centre's id that is exact; else those that say the same are taken in order, and a text that came long
// after its record was handed over is left alone: no chip is better than a wrong one.
function pair() {
  const talk = talks.get(selected)
  if (!talk) return []
  const free = [...records.values()].filter((r) => r.number === selected).sort((a, b) => a.first - b.first)
  const take = (r) => free.splice(free.indexOf(r), 1)[0]
  const texts = [...talk.values()]
  for (const m of texts) {
    m.record = undefined
    const exact = free.find((r) => r.refs.has(m.ref ?? m.id))
    if (exact) m.record = take(exact)
  }
  for (const m of texts) {
    if (m.record) continue
    const fits = (r) => (r.text === undefined || m.text.includes(r.text)) && !(m.ref && r.refs.size)
    const r = m.direction === 'in'
      ? free.find((r) => !r.mo && fits(r) && !LOST.has(r.state) && r.first - m.at <= 1500 && m.at - (r.handed || r.first) <= 120000)
      : free.find((r) => r.mo && fits(r) && m.at - r.first <= 1500 && r.first - m.at <= 120000)
    if (r) m.record = take(r)
  }
  return free.filter((r) => !r.mo && LOST.has(r.state))
}

// ── the conversation ───────────────────────────────────────────────────

const shown = new Map() // id of a text, or 'ghost ' and a record's key → {li, at, state}
let pairing = 0
function pairSoon() { if (hasPhones) pairing ||= setTimeout(() => { pairing = 0; drawTalk() }, 30) }

function drawTalk() {
  const lost = pair()
  const atEnd = talkNearEnd()
  let grown = false
  for (const m of talks.get(selected)?.values() || []) {
    let b = shown.get(m.id)
    if (!b) { b = bubble(m); place(m.id, b); grown = true }
    under(b, m.record ? (m.direction === 'in' ? m.record.state || 'received' : 'reached ' + (m.record.app || 'the platform')) : m.direction === 'in' ? 'received' : '', m.record)
  }
  const ghosts = new Set(lost.map((r) => 'ghost ' + r.key))
  for (const key of [...shown.keys()]) if (key.startsWith('ghost ') && !ghosts.has(key)) drop(key)
  for (const r of lost) {
    const key = 'ghost ' + r.key
    let b = shown.get(key)
    if (!b) { b = ghost(r); place(key, b); grown = true }
    under(b, r.state, r)
  }
  $('blank').hidden = shown.size > 0 || !talks.has(selected)
  if ($('again')) $('again').hidden = shown.size === 0 // the empty phone has a button of its own
  days()
  if (grown) markChain()
  if (grown && atEnd) bottom()
}

function bubble(m) {
  const li = h('li', { class: `bubble ${m.direction}${m.fresh ? ' fresh' : ''}`, 'data-id': m.id },
    srOnly(m.direction === 'in' ? `From ${m.from}: ` : `This phone to ${m.to}: `),
    h('div', { class: 'body', dir: 'auto' }, m.text),
    h('div', { class: 'under' },
      h('span', null, m.direction === 'in' ? m.from : 'to ' + m.to),
      h('time', { datetime: m.time, title: m.time }, clock(m.at))))
  return { li, at: m.at, time: m.time, state: '' }
}

function drop(key) {
  shown.get(key)?.li.remove()
  shown.delete(key)
}

function ghost(r) {
  return {
    at: r.changed || r.first, state: '',
    li: h('li', { class: 'bubble ghost' },
      h('div', { class: 'body', dir: 'auto' }, srOnly('Did not arrive: '), r.text || 'A text to this phone did not arrive.'),
      h('div', { class: 'under' }, r.code && h('span', null, r.code), h('time', { datetime: r.first.toISOString() }, clock(r.first)))),
  }
}

// place puts a bubble where its time belongs, which is nearly always the end.
function place(key, b) {
  shown.set(key, b)
  const ol = $('bubbles')
  let before = null
  for (let li = ol.lastElementChild; li; li = li.previousElementSibling) {
    if (li.at && li.at <= b.at) break
    before = li
  }
  b.li.at = b.at
  ol.insertBefore(b.li, before)
}

// days writes the date above the first text of each day but today.
function days() {
  for (const d of document.querySelectorAll('#bubbles .day')) d.remove()
  let last = new Date()
  for (const li of [...$('bubbles').children]) {
    if (!sameDay(li.at, last)) li.before(Object.assign(h('li', { class: 'day' }, dayOf(li.at)), { at: li.at }))
    last = li.at
  }
}

function under(b, state, record) {
  if (b.state === state && b.record === record) return
  const place = b.li.querySelector('.under')
  const old = place.querySelector('.chip')
  let made = null
  if (state) {
    const [tone, name] = looks(state.startsWith('reached ') ? 'received' : state)
    made = record
      ? h('button', { type: 'button', class: ('chip ' + tone).trim(), 'data-state': state, title: 'Show what happened to this text', 'aria-label': `${state}: show what happened to this text`, onclick: () => setChain(record.message) })
      : h('span', { class: ('chip ' + tone).trim(), 'data-state': state })
    made.append(icon(name), h('span', null, state))
  }
  const focused = old && old === document.activeElement
  if (old && made) old.replaceWith(made)
  else if (made) place.append(made)
  else old?.remove()
  if (focused) made?.focus()
  b.state = state
  b.record = record
}

function markChain() {
  for (const b of shown.values()) b.li.classList.toggle('chained', chain !== '' && b.record?.message === chain)
}

const talkNearEnd = () => { const t = $('talk'); return t.scrollHeight - t.scrollTop - t.clientHeight < 80 }
function bottom() { const t = $('talk'); t.scrollTop = t.scrollHeight }

// ── answering ──────────────────────────────────────────────────────────

// 3GPP TS 23.038 §6.2.1: the default alphabet and its extension, whose characters take two places.
const BASIC = new Set('@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà')
const EXTENDED = new Set('\f^{}\\[~]|€')

// measure counts a text as the platform will: alphabet, units and segments (3GPP TS 23.040 §9.2.3.24.1).
export function measure(s) {
  const chars = [...s]
  const gsm = chars.every((c) => BASIC.has(c) || EXTENDED.has(c))
  const [alone, each] = gsm ? [160, 153] : [70, 67]
  let units = 0, used = 0, segments = 1
  for (const c of chars) {
    const w = gsm ? (EXTENDED.has(c) ? 2 : 1) : c.length
    units += w
    used += w
    if (used > each) { segments++; used = w }
  }
  if (units <= alone) segments = 1
  return { alphabet: gsm ? 'GSM-7' : 'UCS-2', units, segments, room: segments === 1 ? alone : segments * each }
}

function showMeter() {
  const s = $('text').value
  const m = measure(s)
  $('meter').textContent = s ? `${m.units}/${m.room} · ${plural(m.segments, 'segment')} · ${m.alphabet}` : ''
}

function grow() {
  const t = $('text')
  t.style.height = 'auto' // set by script, which the policy allows; an attribute in the page would not be
  t.style.height = Math.min(t.scrollHeight + 2, 128) + 'px'
}

async function answerNow() {
  const t = $('text')
  const sent = t.value
  const to = $('to').value.trim()
  const wrong = $('answer-wrong')
  wrong.textContent = ''
  if (!sent) { t.focus(); return }
  if (!to) { wrong.textContent = 'Say whom it is for: a short code.'; $('to').focus(); return }
  t.value = ''
  showMeter()
  grow()
  try {
    takeText(await call('POST', '/sandbox/v1/messages', { from: selected, to, text: sent }))
    bottom()
  } catch (err) {
    wrong.textContent = err.message
    if (!t.value) t.value = sent
    showMeter()
    grow()
  }
  t.focus()
}

async function textPhone(button) {
  if (button.ariaBusy === 'true') return // not disabled: that would lose the focus
  button.ariaBusy = 'true'
  $('answer-wrong').textContent = ''
  try {
    await call('POST', '/admin/v1/messages', { app, to: [selected], text: 'Hello from Longlines. Answer me here.' })
    say('A text is on its way')
  } catch (err) {
    $('answer-wrong').textContent = err.message
  }
  button.ariaBusy = 'false'
  if (button.id === 'first') $('text').focus()
}

// ── the phone's browser ────────────────────────────────────────────────

const pageOn = (number, path) => `/phones/${number}/page?path=${encodeURIComponent(path)}`

// toPath takes an address as people paste it, and keeps what counts on a phone: path and query. A phone
// reaches this platform whatever the host is called.
export function toPath(s) {
  const typed = s.trim().replace(/^(https?:\/\/)?[\w.-]+(:\d+)?(?=\/)/i, '').replace(/#.*/s, '')
  return /^\/[^\s\\]*$/.test(typed) && !typed.startsWith('//') ? typed : ''
}

function browse() {
  const path = toPath($('address').value)
  $('address-wrong').textContent = path ? '' : 'An address looks like /oauth/v4/authorize?client_id=…'
  $('address').toggleAttribute('aria-invalid', !path)
  if (path) open(pageOn(selected, path), '_blank', 'noopener')
  else $('address').focus()
}

// A number as people type it: +1 425 555 0100, (425) 555-0100, 0044…, tel:+44…
export function toNumber(s) {
  const typed = s.trim().replace(/^tel:/i, '').replace(/[\s().\-/]/g, '').replace(/^00/, '+')
  if (/^[2-9]\d{9}$/.test(typed)) return '+1' + typed
  if (/^1[2-9]\d{9}$/.test(typed)) return '+' + typed
  return /^\+[1-9]\d{6,14}$/.test(typed) ? typed : ''
}

if (hasPhones) {
  list.addEventListener('click', (ev) => {
    const li = ev.target.closest('.phone')
    if (li) choose(li.dataset.number, true)
  })
  list.addEventListener('keydown', (ev) => {
    const all = [...list.children]
    const at = all.findIndex((li) => li.dataset.number === selected)
    const columns = getComputedStyle(list).gridTemplateColumns.split(' ').length
    const to = {
      ArrowDown: all[at + columns], ArrowUp: all[at - columns], ArrowRight: all[at + 1], ArrowLeft: all[at - 1], Home: all[0], End: all.at(-1),
    }[ev.key]
    if (to) { ev.preventDefault(); choose(to.dataset.number, true) }
    if (ev.key === 'Enter' || ev.key === ' ') {
      ev.preventDefault()
      const li = ev.target.closest('.phone')
      if (li && li.dataset.number !== selected) choose(li.dataset.number, true)
      else $('text').focus()
    }
  })
  $('new').addEventListener('submit', (ev) => {
    ev.preventDefault()
    const number = toNumber($('new-number').value)
    $('new-wrong').textContent = number ? '' : 'A number looks like +14255550102.'
    $('new-number').toggleAttribute('aria-invalid', !number)
    if (!number) return
    $('new-number').value = ''
    choose(number, true)
  })
  for (const b of document.querySelectorAll('[data-open]')) b.addEventListener('click', () => choose(b.dataset.open, true))
  $('answer').addEventListener('submit', (ev) => { ev.preventDefault(); answerNow() })
  $('text').addEventListener('keydown', (ev) => {
    if (ev.key === 'Enter' && !ev.shiftKey && !ev.isComposing) { ev.preventDefault(); answerNow() }
  })
  // Some input methods and tools send the character all the same.
  $('text').addEventListener('keypress', (ev) => { if (ev.key === 'Enter' && !ev.shiftKey) ev.preventDefault() })
  $('text').addEventListener('input', () => { showMeter(); grow() })
  $('again')?.addEventListener('click', () => textPhone($('again')))
  $('first')?.addEventListener('click', () => textPhone($('first')))
  $('browse')?.addEventListener('submit', (ev) => { ev.preventDefault(); browse() })
  addEventListener('hashchange', () => choose(hashNumber()))

  const reload = () => {
    for (const n of [...talks.keys()]) if (n !== selected) talks.delete(n)
    loadPhones()
    if (selected) loadTalk(selected)
  }
  follow(() => '/sandbox/v1/stream', 20 * 1000, { open: reload, lost: reload, message: takeText, down() {} })
}
