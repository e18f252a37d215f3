/**
 * The page around the conversation: the door, the state of the connection, notices, the countdown of a shutdown, the
 * light. It is told what is so and shows it; what a person does comes out through `actions`.
 */
import { Log } from './log.js'
import { friendlyName, allowedName } from './names.js'
import { People } from './people.js'
import { closeText, countdown, duration, getLanguage, setLanguage, t } from './texts.js'

const $ = (id) => document.getElementById(id)

/** How often running times are written anew. */
const TICK_MS = 250

/**
 * `actions`: `connect({ name, token })`, `leave()`, `say(text, to)` (`false`: not now), `again(id)`, `retry()`,
 * `chooseLanguage(language)`, `chooseTheme(theme)`.
 */
export class View {
  log
  people
  #actions
  #state = 'idle'
  #active
  /** Why there is no connection; goes when there is one. */
  #absence
  /** A word for a few seconds; shown before the absence. */
  #word
  #shutdown
  #recipient
  #doorNotice

  constructor(actions) {
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

  /** The door, with a word why if there is one. `why` is asked again when the language changes. */
  showDoor({ name, why, wantsToken = false }) {
    if (name) $('name').value = name
    if (wantsToken) $('token-details').open = true
    this.#doorNotice = why
    this.#show('door')
    this.#setRecipient(undefined)
    this.#writeDoor()
    $('name').focus()
  }

  showRoom() {
    if (!$('room').hidden) return
    this.#show('room')
    $('message').focus()
  }

  /** As Connection's `onState` tells it. */
  setState(news) {
    this.#state = news.state
    if (news.state === 'online' || news.state === 'idle') this.#absence = undefined
    if (news.state === 'waiting' || news.state === 'ended') {
      this.#absence = { ...news, until: performance.now() + (news.retryInMs ?? 0) }
      this.#shutdown = undefined
      this.#word = undefined
    }
    this.#write()
  }

  setActive(active) {
    this.#active = active
    this.people.setActive(active)
    this.#writeActive()
  }

  /** A word above the composer, for so long; `say(leftMs)` is asked anew each tick. */
  setNotice(say, forMs) {
    this.#word = { say, until: performance.now() + forMs }
    this.#writeNotice()
  }

  /** A `shutdown` frame, or nothing any more. */
  setShutdown(frame) {
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

  #show(which) {
    $('door').hidden = which !== 'door'
    $('room').hidden = which !== 'room'
    $('leave').hidden = which !== 'room'
    document.body.dataset.place = which
  }

  #listenDoor() {
    $('join').addEventListener('submit', (event) => {
      event.preventDefault()
      const name = allowedName($('name').value)
      if (!name) {
        this.#doorNotice = () => t('nameMissing')
        this.#writeDoor()
        return $('name').focus()
      }
      $('name').value = name
      this.#doorNotice = undefined
      this.#actions.connect({ name, token: $('token').value.trim() || undefined })
    })
    $('name').addEventListener('input', () => this.#writeDoor())
    $('another-name').addEventListener('click', () => {
      $('name').value = friendlyName(getLanguage())
      this.#writeDoor()
    })
  }

  #listenRoom() {
    const message = $('message')
    const say = () => {
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

  #listenTools() {
    $('leave').addEventListener('click', () => this.#actions.leave())
    $('language').addEventListener('click', () => {
      setLanguage(getLanguage() === 'uk' ? 'en' : 'uk')
      this.#actions.chooseLanguage(getLanguage())
      this.#write()
      this.log.rewrite()
      this.people.rewrite()
    })
    $('theme').addEventListener('click', () => {
      const root = document.documentElement.dataset
      root.theme = root.theme === 'dark' ? 'light' : 'dark'
      this.#actions.chooseTheme(root.theme)
    })
  }

  #setRecipient(name) {
    const changed = name !== this.#recipient
    this.#recipient = name
    this.#writeRecipient()
    if (changed && !$('room').hidden) $('message').focus()
  }

  #tick() {
    if (this.#word || this.#absence) this.#writeNotice()
    if (this.#shutdown) this.#writeCountdown()
  }

  #write() {
    document.documentElement.lang = getLanguage()
    for (const each of document.querySelectorAll('[data-text]')) setText(each, t(each.dataset.text))
    for (const each of document.querySelectorAll('[data-label]')) {
      each.setAttribute('aria-label', t(each.dataset.label))
      if (each.tagName === 'BUTTON') each.title = t(each.dataset.label)
    }
    setText($('language'), t('languageShort'))
    this.#writeDoor()
    this.#writeState()
    this.#writeActive()
    this.#writeNotice()
    this.#writeShutdown()
    this.#writeRecipient()
  }

  #writeDoor() {
    const typed = $('name').value
    const name = allowedName(typed)
    setText($('name-hint'), name && name !== typed ? t('nameBecomes', name) : t('nameHint'))
    $('name-hint').classList.toggle('becomes', Boolean(name) && name !== typed)
    const why = this.#doorNotice?.() ?? (this.#absence && closeText(this.#absence))
    $('door-notice').hidden = !why
    setText($('door-notice'), why ?? '')
    setText($('connect'), t(this.#state === 'connecting' || this.#state === 'waiting' ? 'connecting' : 'connect'))
  }

  #writeState() {
    document.body.dataset.state = this.#state
    $('state').dataset.state = this.#state
    setText($('state-text'), t(this.#state))
  }

  #writeActive() {
    const isKnown = this.#state === 'online' && this.#active !== undefined
    $('active').hidden = !isKnown
    if (!isKnown) return
    setText($('active-count'), String(this.#active))
    setText($('active-text'), t('active', this.#active))
  }

  #writeNotice() {
    if (this.#word && this.#word.until <= performance.now()) this.#word = undefined
    const absence = this.#absence
    $('notice').hidden = !this.#word && !absence
    $('notice-action').hidden = !absence || this.#word !== undefined
    if (this.#word) {
      $('notice').dataset.kind = 'word'
      const [text, time] = this.#word.say(this.#word.until - performance.now())
      setText($('notice-text'), text)
      setText($('notice-time'), time ?? '')
    } else if (absence) {
      const { state, code, until } = absence
      Object.assign($('notice').dataset, { kind: state, code })
      setText($('notice-text'), closeText(absence))
      setText($('notice-time'), state === 'ended' ? '' : this.#nextAttempt(until))
      setText($('notice-action'), t(state === 'waiting' ? 'now' : code === 4001 ? 'hereInstead' : 'reconnect'))
    }
  }

  #nextAttempt(until) {
    return this.#state === 'connecting' ? t('connecting') : t('tryingAgain', duration(until - performance.now()))
  }

  #writeShutdown() {
    const shutdown = this.#shutdown
    $('shutdown').hidden = !shutdown
    $('shutdown').dataset.phase = shutdown?.phase ?? ''
    this.#writeCountdown()
    if (!shutdown) return
    const isClosing = shutdown.phase === 'closing'
    const isSoon = shutdown.deadline - performance.now() < 15_000
    setText($('shutdown-title'), isClosing ? t('closingTitle') : t('shutdownTitle'))
    setText($('shutdown-text'), t(isClosing ? 'closingText' : isSoon ? 'shutdownSoonText' : 'shutdownText'))
  }

  #writeCountdown() {
    const shutdown = this.#shutdown
    const leftMs = shutdown && shutdown.phase !== 'closing' ? Math.max(0, shutdown.deadline - performance.now()) : 0
    const part = shutdown ? leftMs / shutdown.totalMs : 1
    // The light goes down with the time that is left, but never out.
    document.documentElement.style.setProperty('--light', shutdown ? String(0.3 + 0.5 * part) : '1')
    document.title = shutdown ? `${countdown(leftMs)} · lastcall` : 'lastcall'
    if (!shutdown) return
    $('shutdown').dataset.soon = leftMs < 60_000
    setText($('countdown'), countdown(leftMs))
    $('glass-level').style.setProperty('--level', String(part))
  }

  #writeRecipient() {
    const name = this.#recipient
    $('recipient').hidden = !name
    setText($('recipient-text'), name ? t('recipient', name) : '')
    $('message').placeholder = name ? t('messagePlaceholderTo', name) : t('messagePlaceholder')
  }
}

/** Only when it differs: a live region reads out every change. */
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text
}

/** A textarea as high as what is in it, up to what the style allows. */
function fit(textarea) {
  textarea.style.height = 'auto'
  textarea.style.height = `${textarea.scrollHeight + textarea.offsetHeight - textarea.clientHeight}px`
}
