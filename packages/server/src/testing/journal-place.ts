/**
 * What an author of a journal gives to the contract suite: a place where journals can be opened, and control over the
 * faults that can happen to the engine there.
 */
import type { Clock } from '../clock.js'
import type { Journal, Retention } from '../journal/journal.js'

export interface OpenOptions {
  readonly retention: Retention
  /** `now()` decides which entries are too old. Its timers are those of the system. */
  readonly clock: Clock
}

/** Where the journals of one test are: an empty folder, a server with an empty key. Every test gets a new place. */
export interface JournalPlace {
  /** Opens the one journal of this place. The suite closes what it opens. */
  open(options: OpenOptions): Promise<Journal>
  /** Called when all journals are closed. Removes what the place has made. */
  dispose(): Promise<void>
  /** Every fault that `JournalSuite.impossible` does not name. */
  readonly faults?: Partial<JournalFaults>
}

/**
 * What can happen to the engine. Each function changes the engine itself, behind the back of the journals that are open,
 * and resolves as soon as the change is made; the suite waits for what the journals tell their listeners.
 */
export interface JournalFaults {
  /**
   * Makes the engine begin new segments (files, chunks) at least twice. `append` appends some entries; the function calls
   * it as often as the engine needs.
   */
  readonly rollOver: (append: () => Promise<void>) => Promise<void>
  /**
   * Remembers the state of the engine, as a backup would. The answer restores that state: what was appended meanwhile is
   * lost, and the connections of all journals may be lost, too.
   */
  readonly save: () => Promise<() => Promise<void>>
  /**
   * Cuts off the journals that are open now; a journal that is opened later has a connection. The answer lets the others
   * reconnect.
   */
  readonly cutOff: () => Promise<() => Promise<void>>
  /** Removes the journal with all its entries, as an administrator may do (FLUSHALL, a deleted queue). */
  readonly empty: () => Promise<void>
  /**
   * While the open journals read nothing, something else appends entries, and the engine removes the oldest ones, with
   * some that the open journals have not read. Then the open journals go on.
   */
  readonly outrun: () => Promise<void>
  /**
   * Calls `append` once in such a way that the engine takes the entries and its answer does not arrive. Afterwards the
   * journal can reach the engine again. Resolves or rejects as `append` does.
   */
  readonly loseAnswer: (append: () => Promise<void>) => Promise<void>
}

export type JournalFault = keyof JournalFaults

export interface JournalSuite {
  /** The heading of the suite, such as the scheme of the journal's URL: `redis:`. */
  readonly name: string
  makePlace(): Promise<JournalPlace>
  /** Whether several journals opened in one place are one journal. */
  readonly isShared: boolean
  /** The faults that cannot happen to this engine, each with the reason. Default: none. */
  readonly impossible?: Readonly<Partial<Record<JournalFault, string>>>
}
