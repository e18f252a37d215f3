/**
 * The conversation as lines on the page: a bounded number of them, scrolled to the end unless the user scrolled up. The page
 * shows data as text and never as markup.
 */
import type { MessageNews } from './conversation.js'
import { element, hueOf } from './dom.js'
import { clock, errorText, t } from './texts.js'

/** The limit of lines: the log removes older ones. */
const MAX_LINES = 500

/** The log truncates longer texts, so that one client cannot fill the page of every guest. */
const MAX_TEXT_LENGTH = 4000

/** The next message of the same guest within this time has no name above it. */
const SAME_BREATH_MS = 3 * 60_000

/** A scroll position closer to the end than this counts as the end. */
const NEAR_END_PX = 80

export interface LogOptions {
  readonly list: HTMLElement
  /** The button that counts the new lines below. */
  readonly jump: HTMLElement
  /** The user wants to publish a message again. */
  readonly onAgain: (id: string) => void
}

/** A message of another guest, as far as a line shows it. */
interface Incoming {
  readonly from: string
  readonly data: unknown
  readonly at: string
  readonly offset: number
}

interface OwnMessage {
  readonly line: HTMLElement
  news: MessageNews
}

interface SpeechParts {
  readonly name: HTMLElement
  readonly time: HTMLElement
  readonly status: HTMLElement
  readonly again: HTMLElement
}

interface Speech {
  readonly line: HTMLElement
  readonly parts: SpeechParts
}

export class Log {
  readonly #list: HTMLElement
  readonly #jump: HTMLElement
  readonly #onAgain: (id: string) => void
  /** The functions that write each line, called again when the language changes. */
  readonly #writers = new WeakMap<Element, () => void>()
  /** This client's own messages by id. */
  readonly #own = new Map<string, OwnMessage>()
  /** Lines that wait for the next animation frame, so that a burst of messages costs one layout per frame and not one each. */
  readonly #incoming = document.createDocumentFragment()
  #last: HTMLElement | undefined
  #unread = 0
  #isAtEnd = true
  #scrollTop = 0

  constructor({ list, jump, onAgain }: LogOptions) {
    this.#list = list
    this.#jump = jump
    this.#onAgain = onAgain
    jump.addEventListener('click', () => this.#toEnd())
    list.addEventListener('scroll', () => this.#scrolled(), { passive: true })
  }

  clear(): void {
    this.#list.replaceChildren()
    this.#incoming.replaceChildren()
    this.#last = undefined
    this.#isAtEnd = true
    this.#own.clear()
    this.#read()
  }

  /** Adds a message of another guest, to all or to this guest alone. */
  addMessage(kind: 'message' | 'direct', { from, data, at, offset }: Incoming): void {
    const { line, parts } = this.#speech(kind, from, data, new Date(at).getTime() || Date.now())
    line.dataset['offset'] = String(offset)
    this.#add(line, () => {
      parts.name.textContent = kind === 'direct' ? `${from} · ${t().privately}` : from
      parts.time.textContent = clock(at)
    })
  }

  /** Adds a message of this client before the server acknowledges it. */
  addOwn(id: string, name: string, text: string, to: string | undefined): void {
    const at = Date.now()
    const { line, parts } = this.#speech('own', name, text, at)
    line.dataset['id'] = id
    if (to) line.dataset['to'] = to
    const own: OwnMessage = { line, news: { status: 'queued' } }
    this.#own.set(id, own)
    parts.again.addEventListener('click', () => this.#onAgain(id))
    this.#add(line, () => {
      parts.name.textContent = to ? t().privatelyTo(to) : t().you
      parts.name.hidden = !to
      parts.time.textContent = clock(at)
      line.dataset['status'] = own.news.status
      if (own.news.status === 'journaled') line.dataset['offset'] = String(own.news.offset)
      parts.status.textContent = statusText(own.news)
      parts.again.textContent = t().again
      parts.again.hidden = own.news.status !== 'unsure'
    })
    this.#show()
    this.#toEnd()
  }

  /** Sets the status of a message of this client. */
  updateOwn(id: string, news: MessageNews): void {
    const own = this.#own.get(id)
    if (!own) return
    own.news = news
    this.#write(own.line)
    if (news.status === 'journaled') this.#own.delete(id)
  }

  /** Adds a line that is no guest's message. `say` returns its text; the log calls it again after a change of language. */
  addNote(kind: string, say: () => string): void {
    const line = element('div', 'line note')
    line.dataset['kind'] = kind
    // The line appears every ten seconds, so screen readers do not read it aloud.
    if (kind === 'periodic') line.setAttribute('aria-live', 'off')
    const text = element('span', 'note-text')
    line.append(text)
    this.#add(line, () => (text.textContent = say()))
  }

  /** Adds the periodic line. It replaces the one before if no other line lies between them. */
  setPeriodic(say: () => string): void {
    const last = this.#last
    const text = last?.firstElementChild
    if (!text || last.dataset['kind'] !== 'periodic') return this.addNote('periodic', say)
    this.#writers.set(last, () => (text.textContent = say()))
    this.#write(last)
  }

  rewrite(): void {
    for (const line of this.#list.children) this.#write(line)
    this.#showUnread()
  }

  #speech(kind: string, from: string, data: unknown, at: number): Speech {
    const line = element('div', 'line speech')
    Object.assign(line.dataset, { kind, from, at: String(at) })
    line.style.setProperty('--hue', hueOf(from))

    const last = this.#last?.dataset
    const isSame = last?.['kind'] === kind && last['from'] === from
    const follows = isSame && at - Number(last['at']) < SAME_BREATH_MS && kind !== 'direct'
    line.classList.toggle('follows', follows)

    const face = element('span', 'face')
    face.textContent = from.charAt(0).toUpperCase()
    face.setAttribute('aria-hidden', 'true')
    const text = element('p', 'text')
    fillText(text, data)
    const again = element('button', 'again')
    again.type = 'button'
    again.hidden = true
    const parts = {
      name: element('span', 'name'),
      time: element('time', 'time'),
      status: element('span', 'status'),
      again,
    }
    const small = element('p', 'small')
    small.append(parts.time, parts.status, parts.again)
    const bubble = element('div', 'bubble')
    bubble.append(parts.name, text, small)
    line.append(face, bubble)
    return { line, parts }
  }

  #add(line: HTMLElement, write: () => void): void {
    this.#writers.set(line, write)
    this.#write(line)
    if (this.#incoming.childElementCount === 0) requestAnimationFrame(() => this.#show())
    this.#incoming.append(line)
    this.#last = line
    this.#trim(this.#incoming)
  }

  #show(): void {
    const lines = this.#incoming.querySelectorAll('.line:not([data-kind="periodic"])').length
    this.#list.append(this.#incoming)
    this.#trim(this.#list)
    if (this.#isAtEnd) return this.#toEnd()
    this.#unread += lines
    this.#showUnread()
  }

  #trim(parent: ParentNode): void {
    for (let excess = parent.childElementCount - MAX_LINES; excess > 0; excess -= 1) {
      const line = parent.firstElementChild
      const id = line instanceof HTMLElement ? line.dataset['id'] : undefined
      if (id !== undefined) this.#own.delete(id)
      line?.remove()
    }
  }

  #write(line: Element): void {
    this.#writers.get(line)?.()
  }

  #scrolled(): void {
    const { scrollHeight, scrollTop, clientHeight } = this.#list
    const isNearEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX
    // Only scrolling up leaves the end. When the countdown takes space from the log, the end moves and the user stays there.
    this.#isAtEnd = isNearEnd || (this.#isAtEnd && scrollTop >= this.#scrollTop)
    this.#scrollTop = scrollTop
    if (this.#isAtEnd) this.#read()
  }

  #toEnd(): void {
    this.#isAtEnd = true
    this.#list.scrollTop = this.#list.scrollHeight
    this.#scrollTop = this.#list.scrollTop
    this.#read()
  }

  /** Call it when the height of the log has changed: a log that was at the end stays there. */
  keepEnd(): void {
    if (this.#isAtEnd) this.#toEnd()
  }

  #read(): void {
    this.#unread = 0
    this.#showUnread()
  }

  #showUnread(): void {
    this.#jump.hidden = this.#unread === 0
    this.#jump.textContent = t().newLines(this.#unread)
  }
}

function statusText(news: MessageNews): string {
  if (news.status === 'journaled') return t().journaled(news.offset)
  if (news.status === 'refused') return errorText(news.code) ?? news.reason
  return t()[news.status]
}

/** Returns a string unchanged, and any other value as JSON. */
function fillText(paragraph: HTMLElement, data: unknown): void {
  const isString = typeof data === 'string'
  const whole = isString ? data : readableJson(data)
  paragraph.classList.toggle('json', !isString)
  paragraph.textContent = whole.slice(0, MAX_TEXT_LENGTH)
  if (whole.length <= MAX_TEXT_LENGTH) return
  const rest = element('span', 'rest')
  rest.textContent = ` ${t().longer(whole.length - MAX_TEXT_LENGTH)}`
  paragraph.append(rest)
}

/** On one line where it fits. */
function readableJson(data: unknown): string {
  const short = JSON.stringify(data)
  return short.length <= 100 ? short : JSON.stringify(data, null, 2)
}
