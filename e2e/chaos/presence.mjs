/**
 * Whether all servers have the same clients in a channel once everything works: while servers come and go, and after an
 * outage, what they know of each other may differ until they have told each other.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'

const TIMEOUT_MS = 30_000
const PAUSE_MS = 200
const CHANNEL = 'lobby'

/**
 * Resolves when they do, or that took too long: then it is written down.
 *
 * @param {object} options
 * @param {() => readonly number[]} options.ports Of the servers.
 * @param {object} options.history
 * @param {(name: string) => string | undefined} options.tokenFor
 */
export async function expectSamePresence({ ports, history, tokenFor }) {
  const deadline = performance.now() + TIMEOUT_MS
  for (let round = 0; ; round++) {
    const rosters = await Promise.all(
      ports().map((port, index) => membersAt(port, `asker-${round}-${index}`, tokenFor)),
    )
    const texts = rosters.map((names) =>
      names
        .filter((name) => !name.startsWith('asker-'))
        .sort()
        .join(),
    )
    if (new Set(texts).size === 1) return
    if (performance.now() > deadline) {
      history.record({ type: 'stuck', text: `the servers do not agree on who is in ${CHANNEL}: ${texts.join(' | ')}` })
      return
    }
    await sleep(PAUSE_MS)
  }
}

function membersAt(port, name, tokenFor) {
  const token = tokenFor(name)
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/${name}${token ? `?token=${token}` : ''}`, 'lastcall.v1')
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('message', (data) => {
      const { type, presence } = JSON.parse(data.toString())
      if (type !== 'welcome') return
      socket.close(1000)
      resolve(presence[CHANNEL].clients.map(({ clientId }) => clientId))
    })
  })
}
