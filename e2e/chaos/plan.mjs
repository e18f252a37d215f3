/**
 * What a seed stands for: how many servers with which limits, who takes part, how rough the network is.
 */
import { ROUGH } from './fault-proxy.js'

const CHANNELS = ['news', 'sport', 'weather']
const TOGGLED = 'extra'
const SECRET = 'a secret of the chaos, which is no secret at all'
const HOUR_MS = 3_600_000
const CLUSTER_SIZE = 3

/** @param {'file' | 'redis' | 'rabbit'} journal Over a broker there are three servers, and somebody who watches each. */
export function planOf(random, journal = 'file') {
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

/** Who watches this server. */
export const observerOf = (server) => `observer-of-${server}`

export const serverName = (index) => `server-${index + 1}`

function drawPlan(random) {
  const kept = random.weighted({ everything: 6, few: 3, 'a while': 1 })
  const historySize = kept === 'few' ? random.magnitude(10, 400) : 1_000_000
  const historyTtlMs = kept === 'a while' ? random.between(2, 5) * 1000 : HOUR_MS
  const instances = random.chance(0.25) ? 2 : 1
  const presenceMs = random.chance(0.5) ? 0 : random.magnitude(10, 300)
  const hasTokens = random.chance(0.3)
  const messagesPerMinute = random.chance(0.15) ? random.between(240, 480) : 0
  // Who may say five things per second would be at it for minutes.
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
      ...channelsOf(client, index % 2 === 0, random),
      // Where little is kept, ids are soon forgotten, and who says them again has said something new.
      isImpatient: kept === 'everything' && random.chance(0.5),
    })),
    faults: random.chance(0.15) ? { none: 1 } : ROUGH,
    /** Between messages of one client, on the average. */
    pauseMs: messagesPerMinute > 0 ? 45_000 / messagesPerMinute : random.magnitude(30, 300),
    /** What everybody says at the beginning: as much as may be said at once, so that the rations count. */
    openingCount: messagesPerMinute,
    /** Between what happens to servers or to everybody's line. */
    disasterMs: random.magnitude(800, 4000),
    /** Between what a client does out of the ordinary. */
    whimMs: random.magnitude(200, 2000),
    isFlooded,
    observers: [],
  }
}

/**
 * Some channels for ever, and one that comes and goes: half of the plain clients speak there all the time, the others
 * leave it and take it up where they left it. Those by the library hear it now and then, from the present on.
 */
function channelsOf({ isLibrary }, isSpeaker, random) {
  const some = CHANNELS.filter(() => random.chance(0.6))
  if (isLibrary) return { channels: some, speaksIn: ['lobby', ...some], toggles: TOGGLED }
  const channels = [...some, TOGGLED]
  return isSpeaker
    ? { channels, speaksIn: ['lobby', ...channels] }
    : { channels, speaksIn: ['lobby', ...some], toggles: TOGGLED }
}

export const summaryOf = ({ terms, clients, secret, env, isFlooded }) =>
  [
    `${terms.instances} server${terms.instances > 1 ? 's' : ''}`,
    `${clients.length} clients`,
    terms.historySize < 1_000_000 ? `${terms.historySize} entries kept` : undefined,
    terms.historyTtlMs < HOUR_MS ? `${terms.historyTtlMs / 1000} s kept` : undefined,
    terms.presence ? 'presence' : undefined,
    secret === undefined ? undefined : 'tokens',
    env.MAX_MESSAGES_PER_MINUTE === '0' ? undefined : `${env.MAX_MESSAGES_PER_MINUTE}/min`,
    isFlooded ? 'floods' : undefined,
  ]
    .filter((part) => part !== undefined)
    .join(', ')
