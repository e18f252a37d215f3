/**
 * A hub with a journal, a clock and sockets that do what the test says.
 */
import type { Cursor, Locale } from '@lastcall/protocol'
import { Connection } from '../../src/connections/connection.js'
import { Hub, type HubOptions, type Start } from '../../src/hub/hub.js'
import { Instances } from '../../src/instances/instances.js'
import { silentLogger } from '../../src/observability/log.js'
import { Stats } from '../../src/observability/stats.js'
import { FakeClock } from './fake-clock.js'
import { FakeJournal } from './fake-journal.js'
import { FakeTransport } from './fake-transport.js'

export interface Member {
  readonly connection: Connection
  readonly transport: FakeTransport
  readonly start: Start
}

export interface JoinOptions {
  readonly channels?: Iterable<string>
  readonly cursor?: Cursor | 'malformed'
  readonly locale?: Locale
}

export interface TestHub {
  readonly hub: Hub
  readonly journal: FakeJournal
  readonly clock: FakeClock
  readonly stats: Stats
  /** What did not get into the journal: `CLIENT ID CODE`. */
  readonly failures: string[]
  readonly join: (clientId: string, options?: JoinOptions) => Member
  readonly leave: (member: Member) => void
}

/** Lines, so that joined frames can be told apart. */
const encodeFrame = (text: string): Buffer => Buffer.from(`${text}\n`)

export async function openHub(some: Partial<HubOptions> = {}): Promise<TestHub> {
  const journal = new FakeJournal()
  const clock = new FakeClock()
  const stats = new Stats()
  const connections = new Map<string, Connection>()
  const failures: string[] = []
  const hub = new Hub({
    journal,
    retention: { maxEntries: 10_000, maxAgeMs: Infinity, maxBytes: Infinity },
    node: 'node',
    build: 'build',
    instances: new Instances({ node: 'node', clock }),
    encodeFrame,
    presenceIntervalMs: 250,
    connectionOf: (clientId) => connections.get(clientId),
    onPublishFailed: ({ clientId }, id, { code }) => failures.push(`${clientId} ${String(id)} ${code}`),
    onSeenElsewhere: () => undefined,
    clock,
    stats,
    log: silentLogger,
    ...some,
  })
  await hub.open()
  return {
    hub,
    journal,
    clock,
    stats,
    failures,
    join(clientId, { channels = ['lobby'], cursor, locale = 'uk' } = {}) {
      const transport = new FakeTransport()
      const identity = {
        clientId,
        connectionId: '',
        session: '',
        locale,
        strict: true,
        expiresAtMs: Infinity,
        allowedChannels: undefined,
      }
      const connection = new Connection(identity, transport, clock.monotonic())
      connections.set(clientId, connection)
      return { connection, transport, start: hub.join(connection, channels, cursor) }
    },
    leave({ connection }) {
      connections.delete(connection.clientId)
      hub.leave(connection)
    },
  }
}

/** Lets everything happen that waits for a turn of the event loop. */
export async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}
