/**
 * The journal: an ordered, append-only event log that every instance reads. This file owns what an entry is and the
 * contract that every engine keeps, on one machine or over a network. Engines are in the files beside this one; only
 * open-journal.ts imports them.
 */

/** `ready`: newcomers are welcome. `draining`: its shutdown has begun. `gone`: the last word. */
export type InstanceState = 'starting' | 'ready' | 'draining' | 'gone'

/** Clients that are in the same channels on one instance. */
export interface MemberGroup {
  readonly channels: readonly string[]
  readonly clients: readonly string[]
}

/** Clients that joined and left the same channels on one instance. */
export interface MembersChange {
  readonly channels: readonly string[]
  readonly joined: readonly string[]
  readonly left: readonly string[]
}

/** The end of the connection that a claim was made for. */
export interface Release {
  readonly clientId: string
  readonly connectionId: string
}

/** An instance has admitted a client under this clientId. */
export interface Claim extends Release {
  /** A hash of the client's session: the session itself is a secret that never enters the journal. */
  readonly sessionHash: string
  /** The instance verified a token for this clientId. */
  readonly hasToken: boolean
  /** The client comes from another instance, which it leaves by itself. */
  readonly isMoving: boolean
  /**
   * How far its instance had read the journal when it admitted the client, as an offset: of two claims of one client, the one
   * with the higher offset was made later, whichever stands first in the journal.
   */
  readonly admittedAt: number
}

/** What an entry says, whoever wrote it and wherever it stands. */
export type EntryContent =
  | {
      readonly kind: 'message'
      readonly channel: string
      readonly from: string
      /** The sender's id for it: two entries with the same `from` and `id` are one message, sent again. */
      readonly id?: string | undefined
      /** JSON text. */
      readonly data: string
    }
  | {
      readonly kind: 'direct'
      readonly to: string
      readonly from: string
      readonly id?: string | undefined
      readonly data: string
    }
  | {
      /** The instance announces what it is: when that changes, and every third of INSTANCE_TIMEOUT. */
      readonly kind: 'instance'
      readonly build: string
      readonly state: InstanceState
      /** The clients that are connected to it. */
      readonly connections: number
      /** Milliseconds from its last append to the return of that entry. */
      readonly lagMs: number
      /** When it started: milliseconds since 1970. */
      readonly startedAtMs: number
      /** A hash of its claims and members at this place of the journal; `undefined` while some are under way. */
      readonly digest?: string | undefined
    }
  | {
      /** The instance that wrote the entry has received nothing from another one for INSTANCE_TIMEOUT. */
      readonly kind: 'lost'
      readonly instance: string
    }
  | {
      /** The instance has admitted clients, and connections of clients have ended: the claims come first. */
      readonly kind: 'claim'
      readonly claims: readonly Claim[]
      readonly releases: readonly Release[]
    }
  | {
      /** Clients have joined and left channels on the instance. */
      readonly kind: 'members'
      readonly changes: readonly MembersChange[]
    }
  | {
      /** A part of all that the instance has: its claims and its members. */
      readonly kind: 'roster'
      /** From 0. */
      readonly part: number
      readonly parts: number
      readonly claims: readonly Claim[]
      readonly members: readonly MemberGroup[]
    }
  | {
      /** The instance that wrote the entry asks another one for its roster. */
      readonly kind: 'rosterRequest'
      readonly of: string
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

/** An entry that a newer build wrote: readers count it and skip it. */
export interface UnknownContent {
  readonly kind: 'unknown'
}

/**
 * A gap in the engine's own numbering, such as the offset that a RabbitMQ stream spends on each of its segments. An engine
 * fills it so that offsets stay contiguous (see placeholder.ts). It is at the same offset for every reader, it is never
 * delivered, and it does not count as unknown.
 */
export interface PlaceholderContent {
  readonly kind: 'placeholder'
}

/** What an entry changed for the members of one channel, over all instances. */
export interface VisibleChange {
  readonly channel: string
  readonly joined: readonly string[]
  readonly left: readonly string[]
  /** The clients in the channel after the change. */
  readonly count: number
}

/**
 * In the place of an entry that changed who is in which channel: what clients are told of it. Each reader derives it from
 * the state of all instances; it is never appended.
 */
export interface PresenceContent {
  readonly kind: 'presence'
  /** Never empty. */
  readonly changes: readonly VisibleChange[]
}

/** An entry in its place. */
export type Entry = (EntryContent | PresenceContent | UnknownContent | PlaceholderContent) & {
  /** 1, 2, 3 …: contiguous within an epoch. */
  readonly offset: number
  readonly at: number
  readonly node: string
  readonly sequence: number
  /** The size of the encoded entry in bytes; 0 for a placeholder. */
  readonly bytes: number
}

/** How much is retained: the newest entries that all three limits allow. */
export interface Retention {
  /** For the window: messages and direct messages (HISTORY_SIZE). For an engine: entries of every kind. */
  readonly maxEntries: number
  /** Milliseconds (HISTORY_TTL). */
  readonly maxAgeMs: number
  /** The sum of the entries' `bytes` (HISTORY_BYTES for the window). */
  readonly maxBytes: number
}

/**
 * What an engine keeps at least. It exceeds what the windows of its readers need (see `engineRetention`), so that an
 * instance that starts can fill its window although entries that do not count towards HISTORY_SIZE lie between messages.
 */
export interface EngineRetention extends Retention {
  /** The engine refuses a larger entry with `entry_too_large`, before it sends anything. Bytes. Default: `maxBytes`. */
  readonly maxEntryBytes?: number
}

export interface JournalListener {
  /**
   * The engine calls this before the first batch, and again when the journal was replaced: its server lost entries, or
   * entries that this reader still needs were trimmed before it read them. The reader forgets everything; the next entry
   * has `nextOffset`.
   *
   * @param epoch 1 to 64 of `a-z A-Z 0-9 _ -`. Never one that stood for other entries before.
   */
  onEpoch(epoch: string, nextOffset: number): void
  /** The next entries: contiguous, each once, whichever instance wrote them. Never empty. Must not throw. */
  onBatch(entries: readonly Entry[]): void
  /** Whether the journal can be reached. The engine calls this when it changes; it begins as `true`. */
  onAvailability(available: boolean, error?: unknown): void
}

/** One reader of a journal, with a position of its own: it neither waits for other tails nor holds them up. */
export interface Tail {
  /** Resolves when the engine no longer calls this tail's listener. */
  stop(): Promise<void>
}

export interface Journal {
  /** Whether other instances may read it, too. An instance announces nothing in a journal that only it reads. */
  readonly isShared: boolean
  /**
   * Appends these entries in this order. Resolves when all of them are as durable as this journal promises.
   *
   * Entries of other instances may stand between them, and an append is not atomic: when it rejects with
   * `journal_unavailable`, its outcome is unknown, and any number of its first entries may be in the journal or may still
   * appear there, also after the rejection. Deduplication makes a retry of a message safe.
   *
   * @throws {LastcallError} `journal_unavailable` (temporary): the outcome is unknown. `entry_too_large`: the engine
   *   checked all sizes first and appended nothing. `wrong_state`: the journal is closed.
   */
  append(entries: readonly NewEntry[]): Promise<void>
  /**
   * Starts a reader of its own: calls the listener with every kept entry from the oldest on, then with new ones as they
   * are appended. Resolves when the listener has received every entry that was durable at the call. Survives an outage of
   * the journal's server by reading on from its last position.
   */
  tail(listener: JournalListener): Promise<Tail>
  /** Stops all tails, waits for running appends, flushes, and releases files and sockets. Later calls do nothing. */
  close(): Promise<void>
}
