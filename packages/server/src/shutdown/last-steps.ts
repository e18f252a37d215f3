/**
 * The last steps of a shutdown, one after the other, within one bound: what does not end by then is given up, whatever
 * it waits for. A write that a disk never answers must not keep a process alive that no longer serves a client.
 */
import type { Clock } from '../clock.js'

export interface LastStep {
  /** What is closed, in words: for the log. */
  readonly name: string
  readonly run: () => Promise<unknown>
  /** Whether only another machine can keep it from ending, so that giving it up leaves nothing in this process. */
  readonly waitsForPeer?: boolean
}

export interface GivenUp {
  /** The names of the steps that hang in this process: a file operation that does not return, for example. */
  readonly hanging: readonly string[]
  /** The names of the steps that waited for another machine. */
  readonly abandoned: readonly string[]
}

/** What each step may take at least, in milliseconds: one that was given up must not cost those behind it their chance. */
const MIN_STEP_MS = 500

/** Resolves with the steps that were given up. Rejects as a step does, when all steps are over. */
export async function runLastSteps(steps: readonly LastStep[], timeoutMs: number, clock: Clock): Promise<GivenUp> {
  const endMs = clock.monotonic() + timeoutMs
  const hanging: string[] = []
  const abandoned: string[] = []
  const errors: unknown[] = []
  // Its timers do not: a step that waits for one would end with the process, in the middle.
  const sleep = clock.keepAwake()
  for (const { name, run, waitsForPeer = false } of steps) {
    let stop = (): void => undefined
    const timeout = new Promise<true>((resolve) => {
      stop = clock.after(Math.max(MIN_STEP_MS, endMs - clock.monotonic()), () => resolve(true))
    })
    // A rejection is handled here even after the shutdown has stopped waiting for it.
    const step = run().catch((error: unknown) => void errors.push(error))
    if ((await Promise.race([step, timeout])) === true) (waitsForPeer ? abandoned : hanging).push(name)
    stop()
  }
  sleep()
  if (errors.length > 0) throw errors[0]
  return { hanging, abandoned }
}
