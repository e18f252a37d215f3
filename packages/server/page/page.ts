/**
 * The entry point of the page: connects the conversation with the view, turns the events of the client into lines, and
 * remembers the guest for the lifetime of the tab.
 */
import { Conversation, type Guest, type ShownEvents, type StateNews } from './conversation.js'
import { friendlyName } from './names.js'
import { closeText, duration, errorText, getLanguage, preferredLanguage, setLanguage, t } from './texts.js'
import { View } from './view.js'

/** Each tab is a guest of its own. The language and the theme belong to the browser. */
const GUEST_KEY = 'lastcall.guest'
const LANGUAGE_KEY = 'lastcall.language'
const THEME_KEY = 'lastcall.theme'

/** The page shows an error that concerns no message of the guest for this time. */
const ERROR_SHOWN_MS = 6_000

/** Only the user can correct these errors: a name in use, a missing token, an invalid name. */
const REFUSALS: readonly number[] = [4009, 1008, 1003]

interface SavedGuest {
  readonly name?: string | undefined
  readonly token?: string | undefined
  /** Whether the guest is in the conversation: a reload continues it. */
  readonly isInside?: boolean
}

setLanguage(recall(localStorage, LANGUAGE_KEY) ?? preferredLanguage())

let guest: Guest = { name: '' }
/** The server has not welcomed this guest yet. */
let isAnew = true
/** The instance that welcomed the guest last: a `move` to another one is a move while connected. */
let welcomedBy: string | undefined

const view = new View({
  connect: enter,
  leave() {
    saveGuest(false)
    conversation.stop()
    view.setShutdown(undefined)
    view.showDoor({ name: guest.name })
  },
  say(text, to) {
    const id = conversation.add(text, to)
    if (id === undefined) {
      view.setNotice(() => [t().tooManyWaiting], ERROR_SHOWN_MS)
      return false
    }
    view.log.addOwn(id, guest.name, text, to)
    conversation.send(id)
    return true
  },
  again: (id) => conversation.send(id),
  retry: () => conversation.retryNow(),
  chooseLanguage: (language) => keep(localStorage, LANGUAGE_KEY, JSON.stringify(language)),
  chooseTheme: (theme) => keep(localStorage, THEME_KEY, theme),
})

const shown: { readonly [Event in keyof ShownEvents]: (payload: ShownEvents[Event]) => void } = {
  welcome({ clientId, node, recovered, active, presence }) {
    welcomedBy = node
    saveGuest(true)
    view.showRoom()
    view.setShutdown(undefined)
    // The snapshot replaces what the page knew before.
    view.people.reset(clientId)
    for (const other of presence?.['lobby']?.clients ?? []) view.people.heard(other.clientId)
    if (active !== undefined) view.setActive(active)
    if (recovered === true) view.log.addNote('recovered', () => t().recovered)
    else if (recovered === false || !isAnew) view.log.addNote('not-recovered', () => t().notRecovered)
    else view.log.addNote('welcome', () => t().welcome(clientId))
    isAnew = false
  },
  move({ to }) {
    view.setShutdown(undefined)
    if (to !== welcomedBy) view.log.addNote('moved', () => t().moved)
    welcomedBy = to
  },
  message(message) {
    view.people.heard(message.from)
    view.log.addMessage('message', message)
  },
  direct(message) {
    view.people.heard(message.from)
    view.log.addMessage('direct', message)
  },
  presence({ changes }) {
    const others = (names: readonly string[]): string[] => names.filter((name) => name !== guest.name)
    for (const change of changes) {
      const [joined, left] = [others(change.joined), others(change.left)]
      for (const name of left) view.people.gone(name)
      for (const name of joined) view.people.heard(name)
      view.setActive(change.count)
      const joinedCount = change.joinedCount - (change.joined.length - joined.length)
      const leftCount = change.leftCount - (change.left.length - left.length)
      if (joinedCount > 0) view.log.addNote('joined', () => t().joined(joined.slice(0, 5), joinedCount))
      if (leftCount > 0) view.log.addNote('left', () => t().left(left.slice(0, 5), leftCount))
    }
  },
  periodic({ active, uptimeSeconds }) {
    view.setActive(active)
    view.log.setPeriodic(() => t().periodic(active, duration(uptimeSeconds * 1000)))
  },
  shutdown(message) {
    view.setShutdown(message)
    const { phase, deadlineInMs } = message
    view.log.addNote('shutdown', () => {
      if (phase === 'closing') return t().closingLine
      return phase === 'warning' ? t().warningLine(duration(deadlineInMs)) : t().reminderLine(duration(deadlineInMs))
    })
  },
  shutdownCancelled() {
    view.setShutdown(undefined)
    view.log.addNote('shutdown', () => t().shutdownCancelled)
  },
  throttled({ code, retryInMs }) {
    view.setNotice((leftMs) => [errorText(code) ?? code, t().nextIn(duration(leftMs))], retryInMs)
  },
}

const conversation = new Conversation(
  {
    shown,
    onState(news) {
      view.setState(news)
      if (news.state === 'ended') ended(news)
    },
    onMessage: (id, news) => view.log.updateOwn(id, news),
    onError: (error) => view.setNotice(() => [errorText(error.code) ?? error.message], ERROR_SHOWN_MS),
  },
  location.href,
)

function ended(news: Extract<StateNews, { state: 'ended' }>): void {
  saveGuest(false)
  if (!isAnew && !REFUSALS.includes(news.code)) return
  view.showDoor({ name: guest.name, why: () => closeText(news), wantsToken: news.code === 1008 })
}

function enter(who: Guest): void {
  guest = who
  isAnew = true
  view.log.clear()
  conversation.start(who)
}

function saveGuest(isInside: boolean): void {
  const saved: SavedGuest = { ...guest, isInside }
  keep(sessionStorage, GUEST_KEY, JSON.stringify(saved))
}

const { name = friendlyName(getLanguage()), token, isInside = false } = recallGuest()
view.showDoor({ name })
// A reload does not end the client.
if (isInside) {
  view.showRoom()
  enter({ name, token })
}

function recallGuest(): SavedGuest {
  const saved = recall(sessionStorage, GUEST_KEY)
  if (typeof saved !== 'object' || saved === null || !('name' in saved) || typeof saved.name !== 'string') return {}
  return {
    name: saved.name,
    token: 'token' in saved && typeof saved.token === 'string' ? saved.token : undefined,
    isInside: 'isInside' in saved && saved.isInside === true,
  }
}

function recall(storage: Storage, key: string): unknown {
  try {
    return JSON.parse(storage.getItem(key) ?? 'null')
  } catch {
    return null
  }
}

function keep(storage: Storage, key: string, value: string): void {
  try {
    storage.setItem(key, value)
  } catch {
    // Without storage, or with a full one, the tab does not remember the value.
  }
}
