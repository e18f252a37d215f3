/**
 * What the session keeps about one connection: its budget, its invalid messages, and the messages that were refused
 * temporarily. The connection holds it as an opaque value.
 */
import type { Connection } from '../connections/connection.js'
import type { ClientBudget } from './client-budgets.js'

/**
 * Four times the number of messages that `@lastcall/client` has in flight. A malicious client can fill about 25 KB with
 * it. PROTOCOL.md states it.
 */
const MAX_REFUSED_IDS = 256

export class SessionState {
  /** The budget of the client. An older connection of the same client that is still closing shares it. */
  readonly budget: ClientBudget
  /** The number of invalid messages in a row. */
  wrongInARow = 0
  #refusedIds: Set<string> | undefined

  constructor(budget: ClientBudget) {
    this.budget = budget
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
