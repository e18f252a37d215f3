/**
 * What the author of a journal gives to the contract suite: a place where the suite can open journals, and control over
 * the faults of the engine there.
 */
import type { Clock } from '../clock.js'
import type { Journal, Retention } from '../journal/journal.js'

export interface OpenOptions {
  readonly retention: Retention
  /** `now()` decides which entries are too old. The timers are those of the system. */
  readonly clock: Clock
}

/**
 * The place of the journals of one test, for example an empty folder or a server with an empty key. Every test gets a
 * new place.
 */
export interface JournalPlace {
  /** Opens the one journal of this place. The suite closes what it opens. */
  open(options: OpenOptions): Promise<Journal>
  /** Removes what the place has created. The suite calls it when all journals are closed. */
  dispose(): Promise<void>
  /** Every fault that `JournalSuite.impossible` does not name. */
  readonly faults?: Partial<JournalFaults>
}

/**
 * The faults of an engine. Each function changes the engine itself, without the open journals, and resolves as soon as
 * the change is made. The suite waits for the reports of the journals to their listeners.
 */
export interface JournalFaults {
  /**
   * Makes the engine begin new segments (files, chunks) at least twice. `append` appends some entries; the function calls
   * it as often as the engine needs.
   */
  readonly rollOver: (append: () => Promise<void>) => Promise<void>
  /**
   * Stores the state of the engine like a backup. The returned function restores that state: entries that were appended
   * meanwhile are lost, and all journals may lose their connections.
   */
  readonly save: () => Promise<() => Promise<void>>
  /**
   * Cuts the connections of the journals that are open now; a journal that is opened later has a connection. The
   * returned function lets the cut journals reconnect.
   */
  readonly cutOff: () => Promise<() => Promise<void>>
  /** Removes the journal with all its entries, as an administrator might (FLUSHALL, a deleted queue). */
  readonly empty: () => Promise<void>
  /**
   * While the open journals read nothing, appends entries until the engine removes some that the open journals have not
   * read. Then lets the open journals continue.
   */
  readonly outrun: () => Promise<void>
  /**
   * Calls `append` once in such a way that the engine takes the entries and its answer is lost. Afterwards the journal
   * can reach the engine again. Resolves or rejects as `append` does.
   */
  readonly loseAnswer: (append: () => Promise<void>) => Promise<void>
}

export type JournalFault = keyof JournalFaults

export interface JournalSuite {
  /** The title of the suite, such as the scheme of the journal's URL: `redis:`. */
  readonly name: string
  makePlace(): Promise<JournalPlace>
  /** Whether several journals that are opened in one place are one journal. */
  readonly isShared: boolean
  /** The faults that cannot happen to this engine, each with the reason. Default: none. */
  readonly impossible?: Readonly<Partial<Record<JournalFault, string>>>
}
