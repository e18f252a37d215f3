/**
 * Whether all servers have the same clients in a channel once everything works: while servers start and end, and after an
 * outage, they may know different clients until they have told each other.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { z } from 'zod'
import type { History } from './history.js'

const TIMEOUT_MS = 30_000
const PAUSE_MS = 200
const CHANNEL = 'lobby'

const welcome = z.object({
  type: z.literal('welcome'),
  presence: z.object({ [CHANNEL]: z.object({ clients: z.array(z.object({ clientId: z.string() })) }) }),
})
const frame = z.looseObject({ type: z.string() })

export interface SamePresenceOptions {
  /** The ports of the servers. */
  readonly ports: () => readonly number[]
  readonly history: History
  readonly tokenFor: (name: string) => string | undefined
}

/** Resolves when the servers agree, or after a time limit: then the history has an event `stuck`. */
export async function expectSamePresence({ ports, history, tokenFor }: SamePresenceOptions): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS
  for (let round = 0; ; round++) {
    const rosters = await Promise.all(
      ports().map((port, index) => {
        const name = `asker-${round}-${index}`
        return membersAt(port, name, tokenFor(name))
      }),
    )
    const texts = rosters.map((names) =>
      names
        .filter((name) => !name.startsWith('asker-'))
        .sort()
        .join(),
    )
    if (new Set(texts).size === 1) return
    if (performance.now() > deadline) {
      history.record({
        type: 'stuck',
        text: `the servers do not agree on who is in ${CHANNEL}: ${texts.join(' | ')}`,
      })
      return
    }
    await sleep(PAUSE_MS)
  }
}

function membersAt(port: number, name: string, token: string | undefined): Promise<string[]> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/${name}${token ? `?token=${token}` : ''}`, 'lastcall.v1')
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('message', (data: Buffer) => {
      const message = frame.parse(JSON.parse(data.toString()))
      if (message.type !== 'welcome') return
      socket.close(1000)
      resolve(welcome.parse(message).presence[CHANNEL].clients.map(({ clientId }) => clientId))
    })
  })
}
