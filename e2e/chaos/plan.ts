/**
 * What a seed stands for: how many servers with which limits, who takes part, how rough the network is.
 */
import { ROUGH, type FaultWeights } from './fault-proxy.js'
import type { Terms } from './history-events.js'
import type { JournalKind } from './journals.js'
import type { Random } from './random.js'

const CHANNELS = ['news', 'sport', 'weather']
const TOGGLED = 'extra'
const SECRET = 'a secret of the chaos, which is no secret at all'
const HOUR_MS = 3_600_000
const CLUSTER_SIZE = 3

/** A client that publishes, through a line that fails. */
export interface ClientPlan {
  readonly name: string
  readonly isLibrary: boolean
  readonly channels: readonly string[]
  readonly speaksIn: readonly string[]
  /** The channel that it leaves and joins again now and then. */
  readonly toggles: string | undefined
  readonly isImpatient: boolean
}

/** A client of one server that only receives, through a line that does not fail. */
export interface ObserverPlan {
  readonly name: string
  readonly server: string
  readonly channels: readonly string[]
}

export interface Plan {
  readonly terms: Terms
  /** The configuration of the servers. */
  readonly env: Readonly<Record<string, string>>
  /** Of the clients' tokens; `undefined`: clients need none. */
  readonly secret: string | undefined
  readonly clients: readonly ClientPlan[]
  readonly observers: readonly ObserverPlan[]
  readonly faults: FaultWeights
  /** The average time between messages of one client. */
  readonly pauseMs: number
  /** The number of messages that each client publishes at the beginning: as many as the server allows at once, so that its limit counts. */
  readonly openingCount: number
  /** The average time between the faults of servers and of all lines. */
  readonly disasterMs: number
  /** The average time between the unusual actions of a client. */
  readonly whimMs: number
  readonly isFlooded: boolean
  /** The average time between the faults of the broker; `undefined`: there is no broker. */
  readonly brokerMs?: number
  /** The average time between the faults of the servers' lines to the broker. */
  readonly lineMs?: number
}

/** Over a broker there are three servers, and an observer of each. */
export function planOf(random: Random, journal: JournalKind = 'file'): Plan {
  const plan = drawPlan(random)
  if (journal === 'file') return plan
  const names = Array.from({ length: CLUSTER_SIZE }, (_, index) => serverName(index))
  return {
    ...plan,
    // An entry's age counts from its receipt. After an outage of seconds, servers that keep entries for seconds differ in
    // whether a retry is one.
    terms: { ...plan.terms, historyTtlMs: HOUR_MS, instances: CLUSTER_SIZE, isRemote: true },
    env: { ...plan.env, HISTORY_TTL: `${HOUR_MS / 1000}`, INSTANCE_TIMEOUT: '3' },
    observers: names.map((server) => ({ name: observerOf(server), server, channels: [...CHANNELS, TOGGLED] })),
    brokerMs: random.magnitude(1500, 5000),
    lineMs: random.magnitude(800, 4000),
  }
}

/** The name of the observer of this server. */
export const observerOf = (server: string): string => `observer-of-${server}`

export const serverName = (index: number): string => `server-${index + 1}`

function drawPlan(random: Random): Plan {
  const kept = random.weighted({ everything: 6, few: 3, 'a while': 1 })
  const historySize = kept === 'few' ? random.magnitude(10, 400) : 1_000_000
  const historyTtlMs = kept === 'a while' ? random.between(2, 5) * 1000 : HOUR_MS
  const instances = random.chance(0.25) ? 2 : 1
  const presenceMs = random.chance(0.5) ? 0 : random.magnitude(10, 300)
  const hasTokens = random.chance(0.3)
  const messagesPerMinute = random.chance(0.15) ? random.between(240, 480) : 0
  // A client that may publish five messages per second would need minutes for a flood.
  const isFlooded = random.chance(kept === 'few' ? 0.5 : 0.25) && messagesPerMinute === 0
  const libraries = random.between(1, 4)
  const plain = random.between(2, 6)
  return {
    terms: { historySize, historyTtlMs, instances, presence: presenceMs > 0, complete: true },
    env: {
      HISTORY_SIZE: String(historySize),
      HISTORY_TTL: `${historyTtlMs / 1000}`,
      HISTORY_BYTES: String(2 ** 30),
      PRESENCE_INTERVAL: String(presenceMs),
      BROADCAST_INTERVAL: random.chance(0.5) ? '0' : '0.3',
      MAX_MESSAGES_PER_MINUTE: String(messagesPerMinute),
      MAX_BUFFERED: String(random.magnitude(1024, 1_000_000)),
      HEARTBEAT_INTERVAL: '1',
      SHUTDOWN_TIMEOUT: String(random.pick([0, 0.3, 1])),
      CLOSE_TIMEOUT: '0.5',
      SESSION_SECRET: SECRET,
      ...(hasTokens && { AUTH_SECRET: SECRET }),
    },
    secret: hasTokens ? SECRET : undefined,
    clients: [
      ...Array.from({ length: libraries }, (_, index) => ({ name: `lib-${index + 1}`, isLibrary: true })),
      ...Array.from({ length: plain }, (_, index) => ({ name: `plain-${index + 1}`, isLibrary: false })),
    ].map((client, index) => ({
      ...client,
      ...channelsOf(client.isLibrary, index % 2 === 0, random),
      // Where the servers retain few entries, they soon forget ids: a repeated message would be a new one.
      isImpatient: kept === 'everything' && random.chance(0.5),
    })),
    faults: random.chance(0.15) ? { none: 1 } : ROUGH,
    pauseMs: messagesPerMinute > 0 ? 45_000 / messagesPerMinute : random.magnitude(30, 300),
    openingCount: messagesPerMinute,
    disasterMs: random.magnitude(800, 4000),
    whimMs: random.magnitude(200, 2000),
    isFlooded,
    observers: [],
  }
}

/**
 * Some channels are permanent, and one is toggled: half of the plain clients publish there all the time, the others leave it and
 * resume it at the same place. Clients of the library join it now and then, from the present on.
 */
function channelsOf(
  isLibrary: boolean,
  isSpeaker: boolean,
  random: Random,
): Pick<ClientPlan, 'channels' | 'speaksIn' | 'toggles'> {
  const some = CHANNELS.filter(() => random.chance(0.6))
  if (isLibrary) return { channels: some, speaksIn: ['lobby', ...some], toggles: TOGGLED }
  const channels = [...some, TOGGLED]
  return isSpeaker
    ? { channels, speaksIn: ['lobby', ...channels], toggles: undefined }
    : { channels, speaksIn: ['lobby', ...some], toggles: TOGGLED }
}

export const summaryOf = ({ terms, clients, secret, env, isFlooded }: Plan): string =>
  [
    `${terms.instances} server${terms.instances > 1 ? 's' : ''}`,
    `${clients.length} clients`,
    terms.historySize < 1_000_000 ? `${terms.historySize} entries kept` : undefined,
    terms.historyTtlMs < HOUR_MS ? `${terms.historyTtlMs / 1000} s kept` : undefined,
    terms.presence ? 'presence' : undefined,
    secret === undefined ? undefined : 'tokens',
    env['MAX_MESSAGES_PER_MINUTE'] === '0' ? undefined : `${env['MAX_MESSAGES_PER_MINUTE']}/min`,
    isFlooded ? 'floods' : undefined,
  ]
    .filter((part) => part !== undefined)
    .join(', ')
