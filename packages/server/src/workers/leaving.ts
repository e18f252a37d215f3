/**
 * How a worker leaves when another generation has taken over: it gives its connections to the new workers, if both sides can do
 * that, and drains the others.
 */
import { pause, type Clock } from '../clock.js'
import type { ComposedHandover } from '../compose-handover.js'
import type { SendConnection } from '../handover/handover.js'
import type { Logger } from '../observability/log.js'
import type { GracefulShutdownManager } from '../shutdown/graceful-shutdown-manager.js'

export interface LeavingOptions {
  readonly shutdown: Pick<GracefulShutdownManager, 'begin' | 'hurry' | 'isShuttingDown'>
  readonly stopListening: () => void
  /** `undefined`: this worker cannot give connections away. */
  readonly handover: Pick<ComposedHandover, 'handAllOver'> | undefined
  readonly send: SendConnection
  /** The number of workers that may continue the connections of this one. Never rejects. */
  readonly countAdopters: () => Promise<number>
  readonly clock: Clock
  readonly log: Logger
}

/**
 * After a reload: how long the worker still accepts clients whose connection it accepted before it stopped listening, and that
 * have not sent a request yet.
 */
const LEAVE_DELAY_SECONDS = 3

/** How long the worker tries to hand over connections to which something is due, such as clients that read slowly. */
const MAX_HANDOVER_SECONDS = 15

/** The pause before connections are handed over that began meanwhile or to which something was due, in milliseconds. */
const AGAIN_AFTER_MS = 250

export class Leaving {
  readonly #options: LeavingOptions
  #isLeaving = false
  /** The primary has told the worker not to wait. */
  #isHurried = false

  constructor(options: LeavingOptions) {
    this.#options = options
  }

  /** Another generation has taken over. */
  begin(): void {
    const { shutdown, stopListening, handover } = this.#options
    stopListening()
    if (this.#isLeaving) return
    this.#isLeaving = true
    if (handover) void this.#handOver(handover)
    else shutdown.begin(WHY, { delaySeconds: LEAVE_DELAY_SECONDS })
  }

  /** Ends every wait, also that for the handover. */
  hurry(): void {
    const { shutdown } = this.#options
    this.#isHurried = true
    if (this.#isLeaving && !shutdown.isShuttingDown) shutdown.begin(WHY, { delaySeconds: 0 })
    shutdown.hurry()
  }

  async #handOver(handover: NonNullable<LeavingOptions['handover']>): Promise<void> {
    const { shutdown, send, countAdopters, clock, log } = this.#options
    const startedAtMs = clock.monotonic()
    const elapsedSeconds = (): number => (clock.monotonic() - startedAtMs) / 1000
    if ((await countAdopters()) > 0) {
      while (!this.#isHurried && !shutdown.isShuttingDown) {
        const counts = await handover.handAllOver(send)
        const { busy, ...outcomes } = counts
        if (Object.values(outcomes).some((count) => count > 0)) {
          log.info('handover', { ...counts }, 'connections were handed to the new workers')
        }
        if (elapsedSeconds() >= (busy > 0 ? MAX_HANDOVER_SECONDS : LEAVE_DELAY_SECONDS)) break
        await pause(clock, AGAIN_AFTER_MS)
      }
    }
    shutdown.begin(WHY, { delaySeconds: Math.max(0, LEAVE_DELAY_SECONDS - elapsedSeconds()) })
    if (this.#isHurried) shutdown.hurry()
  }
}

const WHY = 'reload'
