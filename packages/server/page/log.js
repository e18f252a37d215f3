/**
 * The conversation as lines on the page: a bounded number of them, at the end unless somebody reads further up. Data
 * becomes text, never markup.
 */
import { clock, errorText, t } from './texts.js'

/** Older lines go. */
const MAX_LINES = 500

/** Longer texts are cut: one client must not be able to fill everybody's page. */
const MAX_TEXT_LENGTH = 4000

/** Within this time the same person's next message needs no name above it. */
const SAME_BREATH_MS = 3 * 60_000

/** Closer to the end than this is "at the end". */
const NEAR_END_PX = 80

export class Log {
  #list
  #jump
  #onAgain
  /** How each line writes itself: again when the language changes. */
  #writers = new WeakMap()
  /** This client's own messages by id. */
  #own = new Map()
  /** Lines that wait for the next frame: a storm of messages costs one layout a frame, not one each. */
  #incoming = document.createDocumentFragment()
  #last
  #unread = 0
  #isAtEnd = true
  #scrollTop = 0

  /** `onAgain(id)`: a person wants a message sent again. */
  constructor({ list, jump, onAgain }) {
    this.#list = list
    this.#jump = jump
    this.#onAgain = onAgain
    jump.addEventListener('click', () => this.#toEnd())
    list.addEventListener('scroll', () => this.#scrolled(), { passive: true })
  }

  clear() {
    this.#list.replaceChildren()
    this.#incoming.replaceChildren()
    this.#last = undefined
    this.#isAtEnd = true
    this.#own.clear()
    this.#read()
  }

  /** What somebody else said: `frame` is a `message` or a `direct`. */
  addMessage(frame) {
    const kind = frame.type === 'direct' ? 'direct' : 'message'
    const line = this.#speech(kind, frame.from, frame.data, new Date(frame.at).getTime() || Date.now())
    line.dataset.offset = frame.offset
    this.#add(line, (parts) => {
      parts.name.textContent = kind === 'direct' ? `${frame.from} · ${t('privately')}` : frame.from
      parts.time.textContent = clock(frame.at)
    })
  }

  /** What this client said, before anybody has it. */
  addOwn(id, name, text, to) {
    const at = Date.now()
    const line = this.#speech('own', name, text, at)
    line.dataset.id = id
    if (to) line.dataset.to = to
    const own = { line, news: { status: 'queued' } }
    this.#own.set(id, own)
    this.#add(line, (parts) => {
      parts.name.textContent = to ? t('privatelyTo', to) : t('you')
      parts.name.hidden = !to
      parts.time.textContent = clock(at)
      line.dataset.status = own.news.status
      if (own.news.offset !== undefined) line.dataset.offset = own.news.offset
      parts.status.textContent = statusText(own.news)
      parts.again.textContent = t('again')
      parts.again.hidden = !(own.news.status === 'unsure' || (own.news.status === 'refused' && own.news.temporary))
    })
    this.#show()
    this.#toEnd()
  }

  /** News of an own message: see Connection's `onSent`. */
  updateOwn(news) {
    const own = this.#own.get(news.id)
    if (!own) return
    own.news = news
    this.#write(own.line)
    if (news.status === 'journaled') this.#own.delete(news.id)
  }

  /** A line about the place rather than of a person. `say` is asked for its text, again after a change of language. */
  addNote(kind, say) {
    const line = element('li', 'line note')
    line.dataset.kind = kind
    // Every ten seconds: to be seen, not to be read aloud.
    if (kind === 'periodic') line.setAttribute('aria-live', 'off')
    const text = element('span', 'note-text')
    line.append(text)
    this.#add(line, () => (text.textContent = say()))
  }

  /** The periodic line: the newest replaces the one before when nothing was said in between. */
  setPeriodic(say) {
    const last = this.#last
    if (last?.dataset.kind !== 'periodic') return this.addNote('periodic', say)
    const text = last.firstElementChild
    this.#writers.set(last, () => (text.textContent = say()))
    this.#write(last)
  }

  rewrite() {
    for (const line of this.#list.children) this.#write(line)
    this.#showUnread()
  }

  #speech(kind, from, data, at) {
    const line = element('li', 'line speech')
    Object.assign(line.dataset, { kind, from, at })
    line.style.setProperty('--hue', hueOf(from))

    const last = this.#last?.dataset
    const follows = last?.kind === kind && last.from === from && at - last.at < SAME_BREATH_MS && kind !== 'direct'
    line.classList.toggle('follows', follows)

    const face = element('span', 'face')
    face.textContent = from.charAt(0).toUpperCase()
    face.setAttribute('aria-hidden', 'true')
    const parts = {
      name: element('span', 'name'),
      text: element('p', 'text'),
      time: element('time', 'time'),
      status: element('span', 'status'),
      again: element('button', 'again'),
    }
    fillText(parts.text, data)
    parts.again.type = 'button'
    parts.again.hidden = true
    parts.again.addEventListener('click', () => this.#onAgain(line.dataset.id))
    const small = element('p', 'small')
    small.append(parts.time, parts.status, parts.again)
    const bubble = element('div', 'bubble')
    bubble.append(parts.name, parts.text, small)
    line.append(face, bubble)
    line.parts = parts
    return line
  }

  #add(line, write) {
    this.#writers.set(line, write)
    this.#write(line)
    if (this.#incoming.childElementCount === 0) requestAnimationFrame(() => this.#show())
    this.#incoming.append(line)
    this.#last = line
    this.#trim(this.#incoming)
  }

  #show() {
    const lines = this.#incoming.querySelectorAll('.line:not([data-kind="periodic"])').length
    this.#list.append(this.#incoming)
    this.#trim(this.#list)
    if (this.#isAtEnd) return this.#toEnd()
    this.#unread += lines
    this.#showUnread()
  }

  #trim(parent) {
    while (parent.childElementCount > MAX_LINES) {
      this.#own.delete(parent.firstElementChild.dataset.id)
      parent.firstElementChild.remove()
    }
  }

  #write(line) {
    this.#writers.get(line)?.(line.parts)
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#list
    const isNearEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX
    // Only who scrolls up leaves the end: when the countdown takes its space from the log, the end goes and not the reader.
    this.#isAtEnd = isNearEnd || (this.#isAtEnd && scrollTop >= this.#scrollTop)
    this.#scrollTop = scrollTop
    if (this.#isAtEnd) this.#read()
  }

  #toEnd() {
    this.#isAtEnd = true
    this.#list.scrollTop = this.#list.scrollHeight
    this.#scrollTop = this.#list.scrollTop
    this.#read()
  }

  /** After the space for it has changed: who was at the end stays there. */
  keepEnd() {
    if (this.#isAtEnd) this.#toEnd()
  }

  #read() {
    this.#unread = 0
    this.#showUnread()
  }

  #showUnread() {
    this.#jump.hidden = this.#unread === 0
    this.#jump.textContent = t('newLines', this.#unread)
  }
}

function statusText({ status, offset, code, text }) {
  if (status === 'journaled') return t('journaled', offset)
  if (status === 'refused') return errorText(code) ?? text ?? t('refused')
  return t(status)
}

/** A string as it is; anything else as the JSON it came as. */
function fillText(paragraph, data) {
  const isString = typeof data === 'string'
  const whole = isString ? data : readableJson(data)
  paragraph.classList.toggle('json', !isString)
  paragraph.textContent = whole.slice(0, MAX_TEXT_LENGTH)
  if (whole.length <= MAX_TEXT_LENGTH) return
  const rest = element('span', 'rest')
  rest.textContent = ` ${t('longer', whole.length - MAX_TEXT_LENGTH)}`
  paragraph.append(rest)
}

/** On one line where it fits. */
function readableJson(data) {
  const short = JSON.stringify(data)
  return short.length <= 100 ? short : JSON.stringify(data, null, 2)
}

/** Everybody keeps their colour, on every page. */
export function hueOf(name) {
  let hash = 7
  for (let index = 0; index < name.length; index += 1) hash = (hash * 31 + name.charCodeAt(index)) % 3600
  return hash % 360
}

export function element(tag, className) {
  const made = document.createElement(tag)
  made.className = className
  return made
}
