/**
 * What the session keeps about one connection: its budget, its invalid messages, and the messages that were refused
 * temporarily. The connection holds it as an opaque value.
 */
import type { Connection } from '../connections/connection.js'
import type { BudgetSnapshot, ClientBudget } from './client-budgets.js'

/**
 * Four times the number of messages that `@lastcall/client` has in flight. A malicious client can fill about 25 KB with
 * it. PROTOCOL.md states it.
 */
const MAX_REFUSED_IDS = 256

/** The state of a session as plain data, for the process that continues it. */
export interface SessionSnapshot {
  readonly budget: BudgetSnapshot
  readonly wrongInARow: number
  /** The oldest first. */
  readonly refusedIds: readonly string[]
}

export class SessionState {
  /** The budget of the client. An older connection of the same client that is still closing shares it. */
  readonly budget: ClientBudget
  /** The number of invalid messages in a row. */
  wrongInARow = 0
  #refusedIds: Set<string> | undefined

  constructor(budget: ClientBudget) {
    this.budget = budget
  }

  /** @param nowMs By the monotonic clock. */
  snapshot(nowMs: number): { budget: BudgetSnapshot; wrongInARow: number; refusedIds: string[] } {
    const { wrongInARow } = this
    return { budget: this.budget.snapshot(nowMs), wrongInARow, refusedIds: [...(this.#refusedIds ?? [])] }
  }

  /** The state of a session that another process has begun. */
  static from({ wrongInARow, refusedIds }: SessionSnapshot, budget: ClientBudget): SessionState {
    const state = new SessionState(budget)
    state.wrongInARow = wrongInARow
    for (const id of refusedIds) state.refused(id)
    return state
  }

  /** Whether the message with this id was refused temporarily. A message that names it in `after` is refused, too. */
  hasRefused(id: string): boolean {
    return this.#refusedIds?.has(id) ?? false
  }

  /** Remembers the id of a refused message, and forgets the oldest one beyond the limit. */
  refused(id: string): void {
    const ids = (this.#refusedIds ??= new Set())
    ids.delete(id)
    ids.add(id)
    const [oldest] = ids
    if (ids.size > MAX_REFUSED_IDS && oldest !== undefined) ids.delete(oldest)
  }

  /** The client sent the message again, and the server took it. */
  taken(id: string): void {
    this.#refusedIds?.delete(id)
  }
}

/** `undefined`: session-setup.ts has not set up the connection, and the server ignores its messages. */
export const sessionOf = ({ session }: Connection): SessionState | undefined =>
  session instanceof SessionState ? session : undefined
