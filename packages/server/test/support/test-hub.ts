/**
 * A hub with a journal, a clock and sockets that do what the test says.
 */
import type { Cursor, Locale } from '@lastcall/protocol'
import { Connection } from '../../src/connections/connection.js'
import type { Application, SharedState } from '../../src/hub/feed.js'
import { createHub, type Hub } from '../../src/hub/hub.js'
import type { Start } from '../../src/hub/subscriptions.js'
import type { Entry, Retention } from '../../src/journal/journal.js'
import { silentLogger, type LogFields } from '../../src/observability/log.js'
import { Stats } from '../../src/observability/stats.js'
import { FakeClock } from './fake-clock.js'
import { FakeJournal } from './fake-journal.js'
import { FakeTransport } from './fake-transport.js'
import { identityOf } from './identity.js'
import { LINES } from './window.js'

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
  readonly hub: Hub & { sweep(): void; close(): Promise<void> }
  readonly journal: FakeJournal
  readonly clock: FakeClock
  readonly stats: Stats
  /** The messages that the journal did not take: `CLIENT ID CODE`. */
  readonly failures: string[]
  readonly join: (clientId: string, options?: JoinOptions) => Member
  readonly leave: (member: Member) => void
}

export interface TestHubOptions {
  readonly retention?: Retention
  /** Another hub's clock: the two are instances over one journal. */
  readonly clock?: FakeClock
  /** What the feed applies entries to. */
  readonly apply?: (entry: Entry) => Entry | Application
  /** Receives the lines of level info. */
  readonly onInfo?: (event: string, fields: LogFields) => unknown
}

/** Clients receive the entries as they were appended. */
const NO_SHARED_STATE: Omit<SharedState, 'apply'> = {
  reachHead: () => undefined,
  replaced: () => undefined,
  reconnected: () => undefined,
}

export async function openHub({
  retention = { maxEntries: 10_000, maxAgeMs: Infinity, maxBytes: Infinity },
  clock = new FakeClock(),
  apply = (entry) => entry,
  onInfo,
}: TestHubOptions = {}): Promise<TestHub> {
  const journal = new FakeJournal()
  const stats = new Stats()
  const connections = new Map<string, Connection>()
  const failures: string[] = []
  const created = createHub({
    ...{ node: 'node', journal, retention, encoding: LINES, clock, stats },
    log: onInfo
      ? {
          ...silentLogger,
          info: (event: string, fields: LogFields | string) =>
            void onInfo(event, typeof fields === 'string' ? {} : fields),
        }
      : silentLogger,
    sharedState: { ...NO_SHARED_STATE, apply },
    connectionOf: (clientId) => connections.get(clientId),
    connections: {
      all: () => connections.values(),
      closePolitely: (connection, { lastFrame, ...close }) => {
        if (lastFrame) connection.send(lastFrame)
        connection.close(close)
      },
    },
    random: () => 0.25,
  })
  const hub = {
    ...created,
    sweep: (): void => {
      created.feed.trim()
      created.delivery.catchUps.sweep()
    },
    close: async (): Promise<void> => {
      await created.publishing.close()
      await created.feed.close()
    },
  }
  hub.publishing.observe({
    onFailed: ({ clientId }, id, { code }) => failures.push(`${clientId} ${String(id)} ${code}`),
  })
  await hub.feed.open()
  return {
    hub,
    journal,
    clock,
    stats,
    failures,
    join(clientId, { channels = ['lobby'], cursor, locale = 'uk' } = {}) {
      const transport = new FakeTransport({ encoding: LINES })
      const identity = identityOf(clientId, { locale, strict: true })
      const connection = new Connection(identity, transport, clock.monotonic())
      connections.set(clientId, connection)
      return { connection, transport, start: hub.subscriptions.join(connection, channels, cursor) }
    },
    leave({ connection }) {
      connections.delete(connection.clientId)
      hub.subscriptions.leave(connection)
    },
  }
}

/** Lets everything happen that waits for a turn of the event loop. */
export async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}
