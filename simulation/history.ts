/**
 * The history of a run, as the checker reads it: the events of e2e/chaos/history-events.ts on virtual time.
 */
import type { HistoryEvent, NewEvent, Terms } from '#e2e/chaos/history-events.js'
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
    this.record({ type: 'begin', wallMs: BEGIN_MS })
  }

  record(event: NewEvent): void {
    const at = Math.round(this.#scheduler.nowMs * 100) / 100
    this.events.push({ ...event, at })
    if (!('connection' in event)) return
    const { connection } = event
    if (event.type === 'welcome') {
      this.#epoch = event.cursor.slice(0, event.cursor.indexOf(':'))
      this.#epochs.set(connection, this.#epoch)
    }
    const epoch = this.#epochs.get(connection)
    if (epoch !== undefined && 'offset' in event) {
      this.#heard.set(epoch, Math.max(event.offset, this.#heard.get(epoch) ?? 0))
    }
  }

  /** The newest epoch that a client has received, and the highest offset in it. */
  get head(): { readonly epoch: string; readonly offset: number } {
    return { epoch: this.#epoch, offset: this.#heard.get(this.#epoch) ?? 0 }
  }
}

export interface JudgedHistory {
  readonly terms: Terms
  readonly events: readonly HistoryEvent[]
}
