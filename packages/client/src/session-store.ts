/**
 * A store in sessionStorage, which each tab of a browser has for itself. A tab that the user duplicates, or that a page opens,
 * begins with a copy of it. Without a check both tabs would be one client, and the second connection would end the first for
 * good (4001). Therefore a tab claims the client that it loads; a tab that finds it claimed begins as a new client.
 */
import { systemClock } from './clock.js'
import type { SavedState, Store } from './options.js'

/** A page that reloads releases its claim within this time, in milliseconds. */
const RELEASE_WAIT_MS = 1000
/** The pause before a tab asks again for a claim that another one holds, in milliseconds. */
const LOCK_RETRY_MS = 100
/**
 * Another tab answers within this time, in milliseconds. A shorter one would close a busy tab for good, and only pages that
 * have no Web Locks wait for it, once after a reload.
 */
const ANSWER_WAIT_MS = 1000

type Release = () => void

/**
 * Keeps the client in `sessionStorage`. A tab claims its client by a Web Lock, or, on pages that have none because they
 * are not served over HTTPS, by asking the other tabs on a BroadcastChannel.
 *
 * @param key The item's name in sessionStorage. Two clients of one page need two. Default: `lastcall`.
 */
export function sessionStore(key = 'lastcall'): Store {
  let claimed: string | undefined
  let release: Release | undefined

  async function claim(clientId: string): Promise<boolean> {
    if (claimed === clientId) return true
    claimed = clientId
    release?.()
    release = undefined
    const granted = await claimName(`lastcall ${key} ${clientId}`)
    // The client was closed, or received another name, before the browser granted the claim.
    if (claimed !== clientId) granted?.()
    else if (granted) release = granted
    else claimed = undefined
    return granted !== undefined
  }

  return {
    async load() {
      const saved = JSON.parse(sessionStorage.getItem(key) ?? 'null') as SavedState | null
      return saved && (await claim(saved.clientId)) ? saved : undefined
    },
    async save(state) {
      sessionStorage.setItem(key, JSON.stringify(state))
      await claim(state.clientId)
    },
    release() {
      claimed = undefined
      release?.()
    },
  }
}

/** `undefined`: another tab holds the claim. */
function claimName(name: string): Promise<Release | undefined> {
  // Browsers omit it on pages without HTTPS.
  const locks = navigator.locks as LockManager | undefined
  return locks ? claimByLock(locks, name) : claimByAsking(name)
}

/**
 * Only the browser's answer says that another tab holds the claim. A busy browser may take seconds to answer, and a tab that
 * gave up before would leave its client to the next copy of itself.
 */
async function claimByLock(locks: LockManager, name: string): Promise<Release | undefined> {
  const deadlineMs = systemClock.now() + RELEASE_WAIT_MS
  for (;;) {
    const release = await lockIfAvailable(locks, name)
    if (release || systemClock.now() >= deadlineMs) return release
    await new Promise<void>((resume) => systemClock.after(LOCK_RETRY_MS, resume))
  }
}

function lockIfAvailable(locks: LockManager, name: string): Promise<Release | undefined> {
  return new Promise((resolve) => {
    const hold = (lock: Lock | null): Promise<void> | void => {
      if (lock) return new Promise((release) => resolve(release))
      resolve(undefined)
    }
    locks.request(name, { ifAvailable: true }, hold).catch(() => resolve(undefined))
  })
}

/** A tab that still waits for answers answers, too: it asked first. */
function claimByAsking(name: string): Promise<Release | undefined> {
  const channel = new BroadcastChannel(name)
  return new Promise((resolve) => {
    let isHeld = false
    const stop = systemClock.after(ANSWER_WAIT_MS, () => {
      isHeld = true
      resolve(() => channel.close())
    })
    channel.onmessage = ({ data }) => {
      if (data === 'ask') channel.postMessage('taken')
      else if (!isHeld) {
        stop()
        channel.close()
        resolve(undefined)
      }
    }
    channel.postMessage('ask')
  })
}
