/**
 * The journal: an ordered, append-only event log that every instance reads. What an entry is, and the contract that
 * every engine keeps. Engines are in the files beside this one; only open-journal.ts knows them.
 */

/** `ready`: newcomers are welcome. `draining`: its shutdown has begun. `gone`: the last word. */
export type InstanceState = 'ready' | 'draining' | 'gone'

/** What an entry says, whoever wrote it and wherever it stands. */
export type EntryContent =
  | {
      readonly kind: 'message'
      readonly channel: string
      readonly from: string
      /** The sender's id for it: two entries with the same `from` and `id` are one message, sent again. */
      readonly id?: string
      /** JSON text. */
      readonly data: string
    }
  | {
      readonly kind: 'direct'
      readonly to: string
      readonly from: string
      readonly id?: string
      readonly data: string
    }
  | {
      readonly kind: 'presence'
      readonly channel: string
      readonly joined: readonly string[]
      readonly left: readonly string[]
      readonly joinedCount: number
      readonly leftCount: number
      /** Connections in this channel on the instance that wrote the entry. */
      readonly active: number
    }
  | {
      /** The instance that wrote the entry says what it is: when that changes, and now and then. */
      readonly kind: 'instance'
      readonly build: string
      readonly state: InstanceState
    }
  | {
      /** Clients that the instance has let in while another one was draining: they may have come from there. */
      readonly kind: 'arrival'
      readonly clients: readonly string[]
    }

/** An entry that is yet to get its place. */
export type NewEntry = EntryContent & {
  /** When it was taken: milliseconds since 1970. */
  readonly at: number
  /** The instance that took it. */
  readonly node: string
  /** That instance's own number for it: by this it recognises what comes back. */
  readonly sequence: number
}

/** Something a newer build wrote: counted and skipped. */
export interface UnknownContent {
  readonly kind: 'unknown'
}

/** An entry in its place. */
export type Entry = (EntryContent | UnknownContent) & {
  /** 1, 2, 3 …: no gaps within an epoch. */
  readonly offset: number
  readonly at: number
  readonly node: string
  readonly sequence: number
  /** What it takes in the journal, in bytes. */
  readonly bytes: number
}

/** How much is kept: the newest entries that all three limits allow. */
export interface Retention {
  /** Entries (HISTORY_SIZE). */
  readonly maxEntries: number
  /** Milliseconds (HISTORY_TTL). */
  readonly maxAgeMs: number
  /** The sum of the entries' `bytes` (HISTORY_BYTES). */
  readonly maxBytes: number
}

export interface JournalListener {
  /**
   * Said before the first batch, and again should the journal turn out to be another one (its server lost entries):
   * forget everything; the next entry will have `nextOffset`.
   */
  onEpoch(epoch: string, nextOffset: number): void
  /** The next entries: contiguous, each once, whoever wrote them. Never empty. Must not throw. */
  onBatch(entries: readonly Entry[]): void
  /** Whether the journal can be reached. Said when it changes; it begins as `true`. */
  onAvailability(available: boolean, error?: unknown): void
}

export interface Tail {
  /** After this no listener is called any more. */
  stop(): Promise<void>
}

export interface Journal {
  /** Whether other instances may read it, too: nobody need be told anything in one that this process has to itself. */
  readonly isShared: boolean
  /**
   * Appends in this order, contiguously, all or none. Resolves when the entries are as durable as this journal promises.
   *
   * @throws {LastcallError} `journal_unavailable` (temporary): unknown, the entries may still appear; deduplication
   *   makes a retry safe. `entry_too_large`: nothing was appended.
   */
  append(entries: readonly NewEntry[]): Promise<void>
  /**
   * Calls the listener with every kept entry from the oldest on, then with new ones as they come. Resolves when what
   * was there at the call has been said. Survives an outage of the journal's server by reading on from the last offset.
   */
  tail(listener: JournalListener): Promise<Tail>
  /** Stops all tails, waits for running appends, flushes, and lets go of files and sockets. Once; later calls do nothing. */
  close(): Promise<void>
}
