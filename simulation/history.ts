/**
 * The history of a run, as the checker reads it: the events of e2e/chaos/history.d.mts on virtual time.
 */
import type { HistoryEvent, Terms } from '#e2e/chaos/history.mjs'
import { BEGIN_MS } from './process-clock.js'
import type { Scheduler } from './scheduler.js'

export class SimulatedHistory {
  readonly events: HistoryEvent[] = []
  readonly #scheduler: Scheduler
  #heard = new Map<string, number>()
  #epochs = new Map<string, string>()
  #epoch = ''

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
    this.record('begin', { wallMs: BEGIN_MS })
  }

  /** @param fields Those of the event of this type. */
  record(type: HistoryEvent['type'], fields: object): void {
    const at = Math.round(this.#scheduler.nowMs * 100) / 100
    this.events.push({ type, at, ...fields } as HistoryEvent)
    const { connection, cursor, offset } = fields as { connection?: string; cursor?: string; offset?: number }
    if (connection === undefined) return
    if (type === 'welcome' && cursor !== undefined) {
      this.#epoch = cursor.slice(0, cursor.indexOf(':'))
      this.#epochs.set(connection, this.#epoch)
    }
    const epoch = this.#epochs.get(connection)
    if (epoch !== undefined && offset !== undefined) {
      this.#heard.set(epoch, Math.max(offset, this.#heard.get(epoch) ?? 0))
    }
  }

  /** The newest epoch that a client was told, and the highest offset in it. */
  get head(): { readonly epoch: string; readonly offset: number } {
    return { epoch: this.#epoch, offset: this.#heard.get(this.#epoch) ?? 0 }
  }
}

export interface JudgedHistory {
  readonly terms: Terms
  readonly events: readonly HistoryEvent[]
}
