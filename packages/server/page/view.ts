/**
 * The page around the conversation: the form for the name, the state of the connection, notices, the countdown of a shutdown,
 * and the brightness of the picture. The caller sets the state; the view calls `actions` for the inputs of the user.
 */
import type { Guest, StateNews } from './conversation.js'
import { byId } from './dom.js'
import { Log } from './log.js'
import { friendlyName, allowedName } from './names.js'
import { People } from './people.js'
import {
  closeText,
  countdown,
  duration,
  getLanguage,
  markupText,
  setLanguage,
  t,
  type Ending,
  type Language,
} from './texts.js'

/** An element of index.html. */
const $ = (id: string): HTMLElement => byId(id, HTMLElement)
const input = (id: string): HTMLInputElement => byId(id, HTMLInputElement)

/** The interval at which the view updates running times. */
const TICK_MS = 250

/** The page calls these when a person presses a button or enters a text. */
export interface Actions {
  readonly connect: (guest: Guest) => void
  readonly leave: () => void
  /** `false`: not now. */
  readonly say: (text: string, to: string | undefined) => boolean
  readonly again: (id: string) => void
  readonly retry: () => void
  readonly chooseLanguage: (language: Language) => void
  readonly chooseTheme: (theme: string) => void
}

/** Why there is no connection. */
interface Absence extends Ending {
  readonly state: 'waiting' | 'ended'
  /** When the next attempt is due. */
  readonly until: number
}

/** A short notice for a few seconds. `say(leftMs)` returns its text for the remaining time. */
interface Word {
  readonly say: (leftMs: number) => readonly [text: string, time?: string]
  readonly until: number
}

interface Shutdown {
  readonly phase: string
  readonly deadline: number
  readonly totalMs: number
}

export interface Door {
  readonly name: string
  /** The reason for which the form is open; the view calls it again when the language changes. */
  readonly why?: () => string
  readonly wantsToken?: boolean
}

export class View {
  readonly log: Log
  readonly people: People
  readonly #actions: Actions
  #state: StateNews['state'] = 'idle'
  #active: number | undefined
  /** Goes when there is a connection. */
  #absence: Absence | undefined
  /** The page shows it before the absence. */
  #word: Word | undefined
  #shutdown: Shutdown | undefined
  #recipient: string | undefined
  #doorNotice: (() => string) | undefined

  constructor(actions: Actions) {
    this.#actions = actions
    this.log = new Log({ list: $('log'), jump: $('jump'), onAgain: (id) => actions.again(id) })
    this.people = new People({
      list: $('people'),
      more: $('people-more'),
      onChoose: (name) => this.#setRecipient(name),
    })
    this.#listenDoor()
    this.#listenRoom()
    this.#listenTools()
    $('terminal').textContent = `wscat -c ${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws/anna`
    setInterval(() => this.#tick(), TICK_MS)
    this.#write()
  }

  showDoor({ name, why, wantsToken = false }: Door): void {
    if (name) input('name').value = name
    if (wantsToken) byId('token-details', HTMLDetailsElement).open = true
    this.#doorNotice = why
    this.#show('door')
    this.#setRecipient(undefined)
    this.#writeDoor()
    $('name').focus()
  }

  showRoom(): void {
    if (!$('room').hidden) return
    this.#show('room')
    $('message').focus()
  }

  setState(news: StateNews): void {
    this.#state = news.state
    if (news.state === 'online' || news.state === 'idle') this.#absence = undefined
    if (news.state === 'waiting' || news.state === 'ended') {
      const retryInMs = news.state === 'waiting' ? news.retryInMs : 0
      this.#absence = { ...news, until: performance.now() + retryInMs }
      this.#shutdown = undefined
      this.#word = undefined
    }
    this.#write()
  }

  setActive(active: number): void {
    this.#active = active
    this.people.setActive(active)
    this.#writeActive()
  }

  /** Shows a short notice above the composer for this time; each tick calls `say` again. */
  setNotice(say: Word['say'], forMs: number): void {
    this.#word = { say, until: performance.now() + forMs }
    this.#writeNotice()
  }

  /** Shows the countdown of a `shutdown` frame; `undefined` hides it. */
  setShutdown(frame: { readonly phase: string; readonly deadlineInMs: number } | undefined): void {
    if (!frame) {
      this.#shutdown = undefined
    } else {
      const now = performance.now()
      this.#shutdown = {
        phase: frame.phase,
        deadline: now + frame.deadlineInMs,
        totalMs: Math.max(this.#shutdown?.totalMs ?? 0, frame.deadlineInMs, 1),
      }
    }
    this.#writeShutdown()
  }

  #show(which: 'door' | 'room'): void {
    $('door').hidden = which !== 'door'
    $('room').hidden = which !== 'room'
    $('leave').hidden = which !== 'room'
    document.body.dataset['place'] = which
  }

  #listenDoor(): void {
    $('join').addEventListener('submit', (event) => {
      event.preventDefault()
      const name = allowedName(input('name').value)
      if (!name) {
        this.#doorNotice = () => t().nameMissing
        this.#writeDoor()
        $('name').focus()
        return
      }
      input('name').value = name
      this.#doorNotice = undefined
      this.#actions.connect({ name, token: input('token').value.trim() || undefined })
    })
    $('name').addEventListener('input', () => this.#writeDoor())
    $('another-name').addEventListener('click', () => {
      input('name').value = friendlyName(getLanguage())
      this.#writeDoor()
    })
  }

  #listenRoom(): void {
    const message = byId('message', HTMLTextAreaElement)
    const say = (): void => {
      const text = message.value.trim()
      if (!text || !this.#actions.say(text, this.#recipient)) return
      message.value = ''
      fit(message)
    }
    $('composer').addEventListener('submit', (event) => {
      event.preventDefault()
      say()
      message.focus()
    })
    message.addEventListener('input', () => fit(message))
    message.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#setRecipient(undefined)
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
      event.preventDefault()
      say()
    })
    $('recipient-clear').addEventListener('click', () => this.#setRecipient(undefined))
    $('notice-action').addEventListener('click', () => this.#actions.retry())
    new ResizeObserver(() => this.log.keepEnd()).observe($('log'))
  }

  #listenTools(): void {
    $('leave').addEventListener('click', () => this.#actions.leave())
    $('language').addEventListener('click', () => {
      setLanguage(getLanguage() === 'uk' ? 'en' : 'uk')
      this.#actions.chooseLanguage(getLanguage())
      this.#write()
      this.log.rewrite()
      this.people.rewrite()
    })
    $('theme').addEventListener('click', () => {
      const { dataset } = document.documentElement
      const theme = dataset['theme'] === 'dark' ? 'light' : 'dark'
      dataset['theme'] = theme
      this.#actions.chooseTheme(theme)
    })
  }

  #setRecipient(name: string | undefined): void {
    const changed = name !== this.#recipient
    this.#recipient = name
    this.#writeRecipient()
    if (changed && !$('room').hidden) $('message').focus()
  }

  #tick(): void {
    if (this.#word || this.#absence) this.#writeNotice()
    if (this.#shutdown) this.#writeCountdown()
  }

  #write(): void {
    document.documentElement.lang = getLanguage()
    for (const each of document.querySelectorAll<HTMLElement>('[data-text]')) {
      setText(each, markupText(each.dataset['text'] ?? ''))
    }
    for (const each of document.querySelectorAll<HTMLElement>('[data-label]')) {
      const label = markupText(each.dataset['label'] ?? '')
      each.setAttribute('aria-label', label)
      if (each.tagName === 'BUTTON') each.title = label
    }
    setText($('language'), t().languageShort)
    this.#writeDoor()
    this.#writeState()
    this.#writeActive()
    this.#writeNotice()
    this.#writeShutdown()
    this.#writeRecipient()
  }

  #writeDoor(): void {
    const typed = input('name').value
    const name = allowedName(typed)
    setText($('name-hint'), name && name !== typed ? t().nameBecomes(name) : t().nameHint)
    $('name-hint').classList.toggle('becomes', Boolean(name) && name !== typed)
    const why = this.#doorNotice?.() ?? (this.#absence && closeText(this.#absence))
    $('door-notice').hidden = !why
    setText($('door-notice'), why ?? '')
    setText($('connect'), this.#state === 'connecting' || this.#state === 'waiting' ? t().connecting : t().connect)
  }

  #writeState(): void {
    document.body.dataset['state'] = this.#state
    $('state').dataset['state'] = this.#state
    setText($('state-text'), t()[this.#state])
  }

  #writeActive(): void {
    const isKnown = this.#state === 'online' && this.#active !== undefined
    $('active').hidden = !isKnown
    if (this.#active === undefined) return
    setText($('active-count'), String(this.#active))
    setText($('active-text'), t().active(this.#active))
  }

  #writeNotice(): void {
    if (this.#word && this.#word.until <= performance.now()) this.#word = undefined
    const absence = this.#absence
    $('notice').hidden = !this.#word && !absence
    $('notice-action').hidden = !absence || this.#word !== undefined
    if (this.#word) {
      $('notice').dataset['kind'] = 'word'
      const [text, time] = this.#word.say(this.#word.until - performance.now())
      setText($('notice-text'), text)
      setText($('notice-time'), time ?? '')
    } else if (absence) {
      const { state, code, until } = absence
      Object.assign($('notice').dataset, { kind: state, code: String(code) })
      setText($('notice-text'), closeText(absence))
      setText($('notice-time'), state === 'ended' ? '' : this.#nextAttempt(until))
      setText($('notice-action'), actionText(state, code))
    }
  }

  #nextAttempt(until: number): string {
    return this.#state === 'connecting' ? t().connecting : t().tryingAgain(duration(until - performance.now()))
  }

  #writeShutdown(): void {
    const shutdown = this.#shutdown
    $('shutdown').hidden = !shutdown
    $('shutdown').dataset['phase'] = shutdown?.phase ?? ''
    this.#writeCountdown()
    if (!shutdown) return
    const isClosing = shutdown.phase === 'closing'
    const isSoon = shutdown.deadline - performance.now() < 15_000
    setText($('shutdown-title'), isClosing ? t().closingTitle : t().shutdownTitle)
    setText($('shutdown-text'), isClosing ? t().closingText : isSoon ? t().shutdownSoonText : t().shutdownText)
  }

  #writeCountdown(): void {
    const shutdown = this.#shutdown
    const leftMs = shutdown && shutdown.phase !== 'closing' ? Math.max(0, shutdown.deadline - performance.now()) : 0
    const part = shutdown ? leftMs / shutdown.totalMs : 1
    // The page darkens with the remaining time, but never completely.
    document.documentElement.style.setProperty('--light', shutdown ? String(0.3 + 0.5 * part) : '1')
    document.title = shutdown ? `${countdown(leftMs)} · lastcall` : 'lastcall'
    if (!shutdown) return
    $('shutdown').dataset['soon'] = String(leftMs < 60_000)
    setText($('countdown'), countdown(leftMs))
    byId('glass-level', SVGElement).style.setProperty('--level', String(part))
  }

  #writeRecipient(): void {
    const name = this.#recipient
    $('recipient').hidden = !name
    setText($('recipient-text'), name ? t().recipient(name) : '')
    byId('message', HTMLTextAreaElement).placeholder = name ? t().messagePlaceholderTo(name) : t().messagePlaceholder
  }
}

const actionText = (state: Absence['state'], code: number): string => {
  if (state === 'waiting') return t().now
  return code === 4001 ? t().hereInstead : t().reconnect
}

/** Writes only a different text, because a screen reader reads every change of a live region. */
function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text
}

/** A textarea as high as what is in it, up to what the style allows. */
function fit(textarea: HTMLTextAreaElement): void {
  textarea.style.height = 'auto'
  textarea.style.height = `${textarea.scrollHeight + textarea.offsetHeight - textarea.clientHeight}px`
}
