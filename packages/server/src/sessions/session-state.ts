/**
 * What the session keeps about one connection: its rate limit, its wrong messages, and the messages that were refused for
 * now. The connection holds it without knowing what it is.
 */
import type { Connection } from '../connections/connection.js'
import type { ClientBudget } from './client-budgets.js'

/** Four times what our own client has under way: some 25 KB, if somebody provokes it. In the protocol. */
const MAX_REFUSED_IDS = 256

export class SessionState {
  /** The client's: an older connection of the same client that is being closed has the same one. */
  readonly budget: ClientBudget
  /** Wrong messages in a row. */
  wrongInARow = 0
  #refusedIds: Set<string> | undefined

  constructor(budget: ClientBudget) {
    this.budget = budget
  }

  /** Whether the message with this id was refused for now: a message that is to come after it is refused, too. */
  hasRefused(id: string): boolean {
    return this.#refusedIds?.has(id) ?? false
  }

  /** Remembers the newest of them. */
  refused(id: string): void {
    const ids = (this.#refusedIds ??= new Set())
    ids.delete(id)
    ids.add(id)
    const [oldest] = ids
    if (ids.size > MAX_REFUSED_IDS && oldest !== undefined) ids.delete(oldest)
  }

  /** The message was sent again and is taken. */
  taken(id: string): void {
    this.#refusedIds?.delete(id)
  }
}

/** `undefined`: the connection was not set up by session-setup.ts, and nobody reads its messages. */
export const sessionOf = ({ session }: Connection): SessionState | undefined =>
  session instanceof SessionState ? session : undefined
