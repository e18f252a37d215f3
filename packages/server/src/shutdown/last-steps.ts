/**
 * The last steps of a shutdown, one after the other, within one bound. The shutdown gives up a step that does not end by then:
 * a write that a disk never answers must not keep a process alive that no longer serves a client.
 */
import type { Clock } from '../clock.js'

export interface LastStep {
  /** The name of the part that is closed, for the log. */
  readonly name: string
  readonly run: () => Promise<unknown>
  /** Whether the step can hang only because of another machine, so that giving it up leaves nothing in this process. */
  readonly waitsForPeer?: boolean
}

export interface GivenUp {
  /** The names of the steps that hang in this process: a file operation that does not return, for example. */
  readonly hanging: readonly string[]
  /** The names of the steps that waited for another machine. */
  readonly abandoned: readonly string[]
}

/** The least time that each step gets, in milliseconds: an earlier step that was given up must not prevent the later ones. */
const MIN_STEP_MS = 500

/** Resolves with the steps that were given up. Rejects with the error of a step after all steps are over. */
export async function runLastSteps(steps: readonly LastStep[], timeoutMs: number, clock: Clock): Promise<GivenUp> {
  const endMs = clock.monotonic() + timeoutMs
  const hanging: string[] = []
  const abandoned: string[] = []
  const errors: unknown[] = []
  // The timers of a step do not keep the process awake: without this, the process would end while a step waits for one.
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
