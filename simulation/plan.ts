/**
 * The plan of a seed: the instances and their limits, the clients, and every step with its time. A plan is plain data, so the
 * search for a shorter plan can run changed ones.
 */
import { Random } from '#e2e/chaos/random.js'
import type { Terms } from '#e2e/chaos/history-events.js'
import type { Config } from '#server/config/schema.js'
import type { JournalPace } from './journal.js'
import type { LinePace } from './network.js'

export type Action =
  | { readonly kind: 'publish'; readonly client: string; readonly channel: string; readonly size: number }
  | { readonly kind: 'direct'; readonly client: string; readonly to: string; readonly size: number }
  | { readonly kind: 'join' | 'part'; readonly client: string; readonly channel: string }
  | { readonly kind: 'cut'; readonly client: string; readonly how: 'reset' | 'silent' }
  | { readonly kind: 'stall' | 'stopReading'; readonly client: string; readonly ms: number }
  | { readonly kind: 'kill' | 'stop' | 'breakLine'; readonly instance: string; readonly ms: number }
  | { readonly kind: 'losePower'; readonly ms: number }
  | { readonly kind: 'goBack'; readonly lost: number }

export type Step = Action & { readonly atMs: number }

export interface Plan {
  readonly seed: number
  readonly terms: Terms
  readonly config: Partial<Config>
  readonly instances: readonly { readonly name: string }[]
  readonly clients: readonly { readonly name: string; readonly channels: readonly string[] }[]
  readonly hasTokens: boolean
  readonly journal: JournalPace
  readonly line: LinePace
  readonly steps: readonly Step[]
  readonly lengthMs: number
}

const CHANNELS = ['news', 'sport']
const TOGGLED = 'extra'
const HOUR_SECONDS = 3600

export function planOf(seed: number): Plan {
  const random = new Random(`plan ${seed}`)
  const instanceCount = random.weighted({ 1: 3, 2: 4, 3: 3 })
  const instances = Array.from({ length: Number(instanceCount) }, (_, index) => ({
    name: `server-${index + 1}`,
  }))
  const clients = Array.from({ length: random.between(2, 5) }, (_, index) => ({
    name: `client-${index + 1}`,
    channels: CHANNELS.filter(() => random.chance(0.5)),
  }))
  const losesEntries = random.chance(0.2)
  const historySize = random.chance(0.4) ? random.magnitude(4, 60) : 1_000_000
  // Without presence the checker accounts for every offset of an instance that is alone. A killed instance counts as live for
  // a while, so its successor records the names of its clients for it.
  const hasPresence = instances.length === 1 || random.chance(0.5)
  const presenceIntervalMs = hasPresence ? random.magnitude(20, 300) : 0
  const lengthMs = random.magnitude(700, 3500)
  const plan = {
    seed,
    terms: {
      historySize,
      historyTtlMs: HOUR_SECONDS * 1000,
      instances: instances.length,
      presence: presenceIntervalMs > 0,
      ...((losesEntries || instances.length > 1) && { isRemote: true }),
      complete: true,
    },
    config: configOf(random, { historySize, presenceIntervalMs, isAlone: instances.length === 1 }),
    instances,
    clients,
    hasTokens: random.chance(0.3),
    journal: { delayMs: random.magnitude(0.2, 20), syncMs: random.magnitude(0.5, 30) },
    line: {
      delayMs: random.magnitude(0.5, 60),
      windowBytes: random.magnitude(400, 20_000),
      highWaterBytes: random.magnitude(50, 16_000),
    },
    lengthMs,
  }
  return { ...plan, steps: stepsOf(random.fork('steps'), plan, losesEntries) }
}

interface Limits {
  readonly historySize: number
  readonly presenceIntervalMs: number
  /** An instance that others read announces itself often; the checker counts what an instance alone announces. */
  readonly isAlone: boolean
}

const configOf = (random: Random, { historySize, presenceIntervalMs, isAlone }: Limits): Partial<Config> => ({
  historySize,
  historyTtlSeconds: HOUR_SECONDS,
  historyBytes: 2 ** 28,
  presenceIntervalMs,
  broadcastIntervalSeconds: 0,
  maxMessagesPerMinute: 0,
  maxBufferedBytes: random.magnitude(1024, 100_000),
  heartbeatIntervalSeconds: 1,
  shutdownTimeoutSeconds: random.pick([0, 0.3, 1]),
  shutdownMode: random.pick(['wait', 'migrate'] as const),
  closeTimeoutSeconds: 0.5,
  instanceTimeoutSeconds: isAlone ? 30 : 3,
  sessionSecret: 'a secret of the simulation, which is no secret at all',
})

/** The weights of the kinds of steps. */
const WEIGHTS = {
  ...{ publish: 60, direct: 8, join: 4, part: 4, cut: 8, stall: 3, stopReading: 3 },
  ...{ kill: 1.5, stop: 1.5, breakLine: 1.5, losePower: 0.7, goBack: 0.7 },
}

type Frame = Pick<Plan, 'clients' | 'instances' | 'lengthMs'>

function stepsOf(random: Random, { clients, instances, lengthMs }: Frame, losesEntries: boolean): Step[] {
  const steps: Step[] = []
  const averageMs = random.magnitude(20, 200)
  const names = clients.map(({ name }) => name)
  for (let atMs = 20; atMs < lengthMs; atMs += random.magnitude(averageMs / 6, averageMs * 2)) {
    const kind = random.weighted(WEIGHTS)
    if (kind === 'goBack' && !losesEntries) continue
    const client = random.pick(clients)
    const action = actionOf(random, kind, client, names, random.pick(instances).name)
    const count = action.kind === 'publish' && random.chance(0.15) ? random.between(2, 8) : 1
    for (let index = 0; index < count; index++) steps.push({ ...action, atMs })
  }
  return steps
}

function actionOf(
  random: Random,
  kind: keyof typeof WEIGHTS,
  { name: client, channels }: Plan['clients'][number],
  names: readonly string[],
  instance: string,
): Action {
  const size = random.magnitude(1, 800)
  switch (kind) {
    case 'publish':
      return { kind, client, channel: random.pick(['lobby', ...channels]), size }
    case 'direct':
      return { kind, client, to: random.pick(names.filter((name) => name !== client)), size }
    case 'join':
    case 'part':
      return { kind, client, channel: TOGGLED }
    case 'cut':
      return { kind, client, how: random.chance(0.8) ? 'reset' : 'silent' }
    case 'stall':
    case 'stopReading':
      return { kind, client, ms: random.magnitude(20, 1500) }
    case 'kill':
    case 'stop':
      return { kind, instance, ms: random.magnitude(10, 1500) }
    case 'breakLine':
      return { kind, instance, ms: random.magnitude(20, 3000) }
    case 'losePower':
      return { kind, ms: random.magnitude(20, 1500) }
    case 'goBack':
      return { kind, lost: random.chance(0.5) ? Infinity : random.magnitude(1, 40) }
  }
}
