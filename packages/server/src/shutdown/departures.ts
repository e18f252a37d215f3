/**
 * When the clients leave during one shutdown. Each gets a slot, unless, in mode `migrate`, no other instance is ready: a
 * client that is closed early would only wait longer for the restart. Then all stay until the spread is over, and the
 * slots begin if another instance becomes ready before. Sends nothing and owns no timer.
 */
import type { ConnectionManager } from '../connections/connection-manager.js'
import type { Connection } from '../connections/connection.js'
import { DepartureSlots } from './departure-slots.js'
import type { ShutdownMode } from './drain-report.js'

export interface DeparturesOptions {
  readonly connections: Pick<ConnectionManager, 'all'>
  readonly mode: ShutdownMode
  /** Over how long the slots are spread, in milliseconds; 0: there are none. */
  readonly overMs: number
  /** Whether another instance is ready to accept the clients. */
  readonly hasSuccessor: () => boolean
}

export class Departures {
  readonly #options: DeparturesOptions
  #slots: DepartureSlots | undefined
  #keepUntilMs = Infinity

  /** @param nowMs By the monotonic clock, as all times here. */
  constructor(options: DeparturesOptions, nowMs: number) {
    const { mode, overMs, hasSuccessor } = options
    this.#options = options
    if (overMs === 0) return
    if (mode === 'migrate' && !hasSuccessor()) this.#keepUntilMs = nowMs + overMs
    else this.#assign(nowMs)
  }

  /** Until when all clients stay if no other instance becomes ready; `Infinity`: there are slots, or no spread. */
  get keepUntilMs(): number {
    return this.#keepUntilMs
  }

  /** `begun`: another instance has become ready, and each connection has got its slot. `over`: none has, and time is up. */
  check(nowMs: number): 'begun' | 'over' | undefined {
    if (this.#keepUntilMs === Infinity) return undefined
    if (!this.#options.hasSuccessor()) return nowMs >= this.#keepUntilMs ? 'over' : undefined
    this.#keepUntilMs = Infinity
    this.#assign(nowMs)
    return 'begun'
  }

  /** See DepartureSlots. Without slots there is nothing to assign. */
  assignLate(connection: Connection, nowMs: number, share: number): void {
    this.#slots?.assignLate(connection, nowMs, share)
  }

  /** See DepartureSlots. */
  closeEnded(nowMs: number, waiting: number, tickMs: number, close: (connection: Connection) => void): void {
    this.#slots?.closeEnded(nowMs, waiting, tickMs, close)
  }

  #assign(nowMs: number): void {
    const { connections, overMs } = this.#options
    this.#slots = new DepartureSlots(connections.all(), nowMs, overMs)
  }
}
