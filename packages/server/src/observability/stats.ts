/**
 * What an instance counts. Plain numbers, so that the hot path pays an addition and inner parts know no metrics library;
 * metrics.ts reads them when somebody scrapes.
 */

/** Why a handshake was rejected. */
export type RejectionReason =
  | 'invalid_client_id'
  | 'unauthorized'
  | 'origin'
  | 'id_in_use'
  | 'max_connections'
  | 'shutting_down'
  | 'other_build_ready'
  | 'journal_unavailable'
  | 'forbidden_channel'
  /** Its client has used up the budget of channels or of replayed history. */
  | 'rate_limited'
  /** By the application. */
  | 'refused'
  /** The token could not be checked, or the application not be asked: whether the client may connect is not known. */
  | 'unavailable'

/** What admission and the traffic depend on besides the journal, and what can fail without being a "no". */
export type Dependency = 'jwks' | 'onConnect' | 'onMessage' | 'onDisconnect'

export class Stats {
  /** Connections that were let in. */
  connects = 0
  rejections = new Map<RejectionReason, number>()
  /** Connections that ended, by close code (1006: without one). */
  ends = new Map<number, number>()
  /** Failures of what is needed to decide on a client or a message. */
  dependencyFailures = new Map<Dependency, number>()
  takeovers = 0
  /** Messages of clients that were taken for publishing. */
  messagesTaken = 0
  rateLimited = 0
  /** Retries that were recognised and not delivered again. */
  duplicates = 0
  /** Messages delivered to connections: entries times recipients. */
  deliveries = 0
  bytesSent = 0
  /** Connections that could not be written to because they had gone. */
  failedBroadcasts = 0
  /** Resumes by outcome. */
  resumesRecovered = 0
  resumesNotRecovered = 0
  /** Entries appended, and those the journal refused. */
  appends = 0
  appendFailures = 0
  /** Entries of a kind this build does not know. */
  unknownEntries = 0
  /** Other instances whose lease has expired. */
  instancesLost = 0
  /** Times that this instance's state of another one was not the announced one. */
  rosterRequests = 0
  /** How long the last shutdown took, in seconds; 0 before one. */
  shutdownSeconds = 0
}

/** Adds one under a key. */
export function countIn<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

/** What is so at this moment: read, not counted. */
export interface Readings {
  readonly activeConnections: number
  /** Connections that are being written to from the window instead of live. */
  readonly behindConnections: number
  readonly windowEntries: number
  readonly windowBytes: number
  readonly journalAvailable: boolean
  /** Milliseconds between an entry's taking and its reading back, for the newest one of this instance. */
  readonly journalLagMs: number
  /** Instances that share the journal, this one included, as they say there; 0 with a journal of its own. */
  readonly instancesStarting: number
  readonly instancesReady: number
  readonly instancesDraining: number
  /** Clients connected to all instances. */
  readonly clusterClients: number
  /** `starting`, `serving`, `draining`, `closing` or `closed`. */
  readonly shutdownState: string
  /** Milliseconds until a shutdown closes who is left; 0 while there is none. */
  readonly shutdownRemainingMs: number
}
