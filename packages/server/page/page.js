/**
 * The page's beginning: joins the connection to the view, turns what the server says into lines, and remembers who this
 * is for as long as the tab lives.
 */
import { Connection } from './connection.js'
import { friendlyName } from './names.js'
import { closeText, duration, errorText, getLanguage, preferredLanguage, setLanguage, t } from './texts.js'
import { View } from './view.js'

/** Every tab is a guest of its own: name, session and cursor stay in it. What a person prefers stays in the browser. */
const TAB_KEY = 'lastcall.guest'
const LANGUAGE_KEY = 'lastcall.language'
const THEME_KEY = 'lastcall.theme'

/** How long an error is shown that is about no message of ours. */
const ERROR_SHOWN_MS = 6_000

setLanguage(recall(localStorage, LANGUAGE_KEY) ?? preferredLanguage())

let guest = recall(sessionStorage, TAB_KEY) ?? {}
let isAnew = true

const view = new View({
  connect({ name, token }) {
    if (name !== guest.name) guest = {}
    enter({ ...guest, name, token })
  },
  leave() {
    guest = { ...connection.identity, isInside: false, cursor: undefined }
    keep(sessionStorage, TAB_KEY, guest)
    connection.stop()
    view.setShutdown(undefined)
    view.showDoor({ name: guest.name })
  },
  say(text, to) {
    const id = connection.say(text, to)
    if (id === undefined) {
      view.setNotice(() => [t('tooManyWaiting')], ERROR_SHOWN_MS)
      return false
    }
    view.log.addOwn(id, guest.name, text, to)
    connection.send(id)
    return true
  },
  again: (id) => connection.send(id),
  retry: () => connection.retryNow(),
  chooseLanguage: (language) => keep(localStorage, LANGUAGE_KEY, language),
  chooseTheme: (theme) => keep(localStorage, THEME_KEY, theme, String),
})

const connection = new Connection(
  {
    onState(news) {
      view.setState(news)
      if (news.state !== 'ended') return
      const wasRefused = isAnew || news.code === 4009 || news.code === 1008 || news.code === 1003
      guest = { ...connection.identity, isInside: false }
      keep(sessionStorage, TAB_KEY, guest)
      if (!wasRefused) return
      view.showDoor({ name: guest.name, why: () => closeText(news), wantsToken: news.code === 1008 })
    },
    onFrame(frame) {
      if (Object.hasOwn(FRAMES, frame.type)) FRAMES[frame.type](frame)
    },
    onSent(news) {
      view.log.updateOwn(news)
      if (news.retryInMs !== undefined) {
        view.setNotice((leftMs) => [errorText(news.code), t('nextIn', duration(leftMs))], news.retryInMs)
      }
    },
  },
  location.href,
)

/** What each type becomes on the page. Types that are not here are none of its business. */
const FRAMES = {
  welcome(frame) {
    guest = { ...connection.identity, isInside: true }
    keep(sessionStorage, TAB_KEY, guest)
    view.showRoom()
    view.setShutdown(undefined)
    // The snapshot is the state: whatever was known before it is out of date.
    view.people.reset(frame.clientId)
    for (const { clientId } of frame.presence?.lobby?.clients ?? []) view.people.heard(clientId)
    view.setActive(frame.active)
    if (frame.recovered === true) view.log.addNote('recovered', () => t('recovered'))
    else if (frame.recovered === false || !isAnew) view.log.addNote('not-recovered', () => t('notRecovered'))
    else view.log.addNote('welcome', () => t('welcome', frame.clientId))
    isAnew = false
  },
  message(frame) {
    view.people.heard(frame.from)
    view.log.addMessage(frame)
  },
  direct: (frame) => FRAMES.message(frame),
  presence(frame) {
    const others = (names) => names.filter((name) => name !== guest.name)
    for (const change of frame.changes) {
      const [joined, left] = [others(change.joined), others(change.left)]
      for (const name of left) view.people.gone(name)
      for (const name of joined) view.people.heard(name)
      view.setActive(change.count)
      const joinedCount = change.joinedCount - (change.joined.length - joined.length)
      const leftCount = change.leftCount - (change.left.length - left.length)
      if (joinedCount > 0) view.log.addNote('joined', () => t('joined', joined.slice(0, 5), joinedCount))
      if (leftCount > 0) view.log.addNote('left', () => t('left', left.slice(0, 5), leftCount))
    }
  },
  periodic(frame) {
    view.setActive(frame.active)
    view.log.setPeriodic(() => t('periodic', frame.active, duration(frame.uptimeSeconds * 1000)))
  },
  shutdown(frame) {
    view.setShutdown(frame)
    view.log.addNote('shutdown', () => t(`${frame.phase}Line`, duration(frame.deadlineInMs)) ?? frame.text)
  },
  shutdownCancelled() {
    view.setShutdown(undefined)
    view.log.addNote('shutdown', () => t('shutdownCancelled'))
  },
  error(frame) {
    if (frame.id === undefined) view.setNotice(() => [errorText(frame.code) ?? frame.message], ERROR_SHOWN_MS)
  },
}

function enter(who) {
  guest = who
  isAnew = true
  view.log.clear()
  connection.start(who)
}

addEventListener('online', () => connection.wakeUp())
document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && connection.wakeUp())
addEventListener('pagehide', () => {
  if (connection.state === 'online') keep(sessionStorage, TAB_KEY, { ...connection.identity, isInside: true })
})

view.showDoor({ name: guest.name ?? friendlyName(getLanguage()) })
// A reload is no goodbye.
if (guest.isInside) {
  view.showRoom()
  enter(guest)
}

function recall(storage, key) {
  try {
    return JSON.parse(storage.getItem(key)) ?? undefined
  } catch {
    return undefined
  }
}

function keep(storage, key, value, write = JSON.stringify) {
  try {
    storage.setItem(key, write(value))
  } catch {
    // No storage, or it is full: it is forgotten with the tab.
  }
}
