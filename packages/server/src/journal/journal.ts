/**
 * The journal: an ordered, append-only log of entries that every instance reads. This file owns what an entry is and
 * the contract that every engine keeps, on one machine or over a network. Engines are in the files beside this one;
 * only open-journal.ts imports them.
 */

/** `ready`: the instance accepts new clients. `draining`: its shutdown has begun. `gone`: its last entry. */
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

/** The connection that a claim was made for has ended. */
export interface Release {
  readonly clientId: string
  readonly connectionId: string
}

/** An instance has admitted a client under this clientId. */
export interface Claim extends Release {
  /** A hash of the client's session. The session itself is a secret that never enters the journal. */
  readonly sessionHash: string
  /** The instance verified a token for this clientId. */
  readonly hasToken: boolean
  /** The client migrates from another instance, and leaves that one by itself. */
  readonly isMoving: boolean
  /**
   * The offset up to which the instance had read the journal when it admitted the client. Of two claims for one client,
   * the claim with the higher offset was made later, whichever stands first in the journal.
   */
  readonly admittedAt: number
}

/**
 * `true`: the application published the message, and not a client. No client receives an ack for it, and its `id` is
 * compared with the ids of the application only, whatever `from` says.
 */
export type ByApplication = true | undefined

/** The content of an entry, without its author and its offset. */
export type EntryContent =
  | {
      readonly kind: 'message'
      readonly channel: string
      readonly from: string
      /**
       * The sender's id for the message. Two entries with the same `from` and `id` are the same message, published
       * again.
       */
      readonly id?: string | undefined
      /** JSON text. */
      readonly data: string
      readonly byApplication?: ByApplication
    }
  | {
      readonly kind: 'direct'
      readonly to: string
      readonly from: string
      readonly id?: string | undefined
      readonly data: string
      readonly byApplication?: ByApplication
    }
  | {
      /** The instance announces its state, at each change and three times per INSTANCE_TIMEOUT. */
      readonly kind: 'instance'
      readonly build: string
      readonly state: InstanceState
      /** The number of clients that are connected to it. */
      readonly connections: number
      /** The time from its last append to the reading of that entry, in milliseconds. */
      readonly lagMs: number
      /** When it started: milliseconds since 1970. */
      readonly startedAtMs: number
      /** A hash of its claims and members at this offset. `undefined`: changes of them are under way. */
      readonly digest?: string | undefined
    }
  | {
      /** The author of the entry has received nothing from this instance for INSTANCE_TIMEOUT. */
      readonly kind: 'lost'
      readonly instance: string
    }
  | {
      /**
       * The instance has admitted clients, and connections of clients have ended. The claims apply before the releases.
       */
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
      /** A part of the complete state of the instance: its claims and its members. */
      readonly kind: 'roster'
      /** The index of the part, from 0. */
      readonly part: number
      readonly parts: number
      readonly claims: readonly Claim[]
      readonly members: readonly MemberGroup[]
    }
  | {
      /** The author of the entry asks another instance for its roster. */
      readonly kind: 'rosterRequest'
      readonly of: string
    }

/** An entry before the journal has given it an offset. */
export type NewEntry = EntryContent & {
  /** When the instance took it: milliseconds since 1970. */
  readonly at: number
  /** The instance that took it. */
  readonly node: string
  /** The instance's own number for it. The instance recognizes its entries by this number when it reads them back. */
  readonly sequence: number
}

/** An entry that a newer build wrote. Readers count it and skip it. */
export interface UnknownContent {
  readonly kind: 'unknown'
}

/**
 * A gap in the engine's own numbers, such as the offset that a RabbitMQ stream spends on each of its segments. The
 * engine fills the gap so that offsets stay contiguous (see placeholder.ts). The placeholder has the same offset for
 * every reader, is never delivered, and does not count as unknown.
 */
export interface PlaceholderContent {
  readonly kind: 'placeholder'
}

/** The change of one channel's members over all instances that an entry causes. */
export interface VisibleChange {
  readonly channel: string
  readonly joined: readonly string[]
  readonly left: readonly string[]
  /** The number of clients in the channel after the change. */
  readonly count: number
}

/**
 * The presence that clients receive in place of an entry that changed which clients are in which channels. Each reader
 * derives it from the state of all instances; no instance appends it.
 */
export interface PresenceContent {
  readonly kind: 'presence'
  /** Never empty. */
  readonly changes: readonly VisibleChange[]
}

/** An entry with its offset. */
export type Entry = (EntryContent | PresenceContent | UnknownContent | PlaceholderContent) & {
  /** 1, 2, 3 …: contiguous within an epoch. */
  readonly offset: number
  readonly at: number
  readonly node: string
  readonly sequence: number
  /** The size of the encoded entry in bytes. A placeholder has 0. */
  readonly bytes: number
}

/** The newest entries that all three limits allow are retained. */
export interface Retention {
  /** For the window: messages and direct messages (HISTORY_SIZE). For an engine: entries of every kind. */
  readonly maxEntries: number
  /** Milliseconds (HISTORY_TTL). */
  readonly maxAgeMs: number
  /** The sum of the entries' `bytes` (HISTORY_BYTES for the window). */
  readonly maxBytes: number
}

/**
 * The least that an engine retains. It exceeds what the windows of its readers need (see `engineRetention`), so that an
 * instance that starts can fill its window although entries that do not count towards HISTORY_SIZE lie between
 * messages.
 */
export interface EngineRetention extends Retention {
  /**
   * The greatest size of an entry, in bytes. The engine rejects an append with a larger entry with `entry_too_large`,
   * before it sends anything. Default: `maxBytes`.
   */
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
  /**
   * The journal can be reached, or cannot be reached any more. The engine calls it at each change; the state is `true`
   * at first.
   */
  onAvailability(available: boolean, error?: unknown): void
}

/** One reader of a journal with its own position. It neither waits for other tails nor delays them. */
export interface Tail {
  /** Resolves when the engine no longer calls this tail's listener. */
  stop(): Promise<void>
}

export interface Journal {
  /** Whether other instances may read it, too. An instance announces nothing in a journal that only it reads. */
  readonly isShared: boolean
  /**
   * Appends these entries in this order. Resolves when all of them are as durable as this journal promises. From then on
   * the tails of this instance receive the entries or, if the engine loses them before, a new epoch: the publisher waits
   * for either without a limit of time.
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
   * Starts a reader: it calls the listener with every retained entry from the oldest on, then with new ones as they are
   * appended. Resolves when the listener has received every entry that was durable at the call. After an outage of the
   * journal's server, the reader continues at its last position.
   */
  tail(listener: JournalListener): Promise<Tail>
  /** Stops all tails, waits for running appends, flushes, and releases files and sockets. Later calls do nothing. */
  close(): Promise<void>
}
