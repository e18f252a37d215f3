/**
 * The trial of a new generation before it takes over: the workers that serve give it one in twenty of their connections, and the
 * primary watches the new workers for a while. A client's fault does not count: only a worker that ends, that does not answer, or
 * whose journal is unavailable.
 */
import { pause, type Clock } from '../clock.js'
import type { Logger } from '../observability/log.js'
import type { ForkedWorker } from './forked-worker.js'
import type { Member } from './generations-options.js'
import type { WorkerQuery } from './worker-query.js'

export interface TrialOptions {
  readonly members: () => Iterable<Member<ForkedWorker>>
  readonly query: Pick<WorkerQuery, 'ask'>
  readonly clock: Clock
  readonly log: Logger
}

/** How long the workers that serve may take to give their canaries away, in milliseconds. */
const CANARIES_TIMEOUT_MS = 30_000

/** How long the primary watches the new workers, in milliseconds. A worker that ends meanwhile ends the trial at once. */
const WATCH_MS = 2_000

/** Longer than a turn of the event loop on a busy machine. Milliseconds. */
const ANSWER_TIMEOUT_MS = 2_000

export interface TriedGenerations {
  readonly serving: number
  readonly next: number
}

/**
 * Resolves with the reason why the new generation must not take over; `undefined`: it may.
 *
 * @returns `undefined` at once, when the workers of either generation do not hand connections over.
 */
export function tryOut(tried: TriedGenerations, options: TrialOptions): Promise<string | undefined> | undefined {
  const members = [...options.members()].filter(
    ({ generation }) => generation === tried.serving || generation === tried.next,
  )
  return members.every(({ process }) => process.adopts) ? watch(tried, options) : undefined
}

async function watch(
  { serving, next }: TriedGenerations,
  { query, clock, log }: TrialOptions,
): Promise<string | undefined> {
  const { answers } = await query.ask('canaries', {
    fits: ({ generation }) => generation === serving,
    timeoutMs: CANARIES_TIMEOUT_MS,
  })
  const canaries = answers.reduce((sum, { content }) => sum + content, 0)
  if (canaries === 0) return undefined
  log.info('handover', { generation: next, canaries }, 'the new workers serve their first connections')
  await pause(clock, WATCH_MS)
  const statuses = await query.ask('standing', {
    fits: ({ generation }) => generation === next,
    timeoutMs: ANSWER_TIMEOUT_MS,
  })
  if (statuses.answers.length < statuses.asked) return 'a new worker does not answer'
  const isDown = statuses.answers.some(({ content: { health } }) => health.journal === 'down')
  return isDown ? 'the journal is unavailable to a new worker' : undefined
}
