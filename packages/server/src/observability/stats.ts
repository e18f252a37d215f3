/**
 * The counters of an instance. Plain numbers, so that the hot path pays one addition and inner parts know no metrics library;
 * metrics.ts reads them at a scrape.
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
  /** The client has used up its budget of channels or of replayed history. */
  | 'rate_limited'
  /** The application rejected it. */
  | 'refused'
  /** The server could not verify the token or call the application, so it does not know whether the client may connect. */
  | 'unavailable'

/** Dependencies of admission and traffic besides the journal. Their failure is not a rejection by them. */
export type Dependency = 'jwks' | 'onConnect' | 'onMessage' | 'onDisconnect'

export class Stats {
  /** Accepted connections. */
  connects = 0
  rejections = new Map<RejectionReason, number>()
  /** Ended connections, by close code (1006: without a close frame). */
  ends = new Map<number, number>()
  /** Failures of the dependencies that decide on a client or a message. */
  dependencyFailures = new Map<Dependency, number>()
  takeovers = 0
  /** Messages of clients that were accepted for publishing. */
  messagesTaken = 0
  rateLimited = 0
  /** Retries that were recognised and not delivered again. */
  duplicates = 0
  /** Messages delivered to connections: entries times recipients. */
  deliveries = 0
  bytesSent = 0
  /** Deliveries to connections that had already ended. */
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

/** Increments the counter of a key. */
export function countIn<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

/** Present values, which are read at a scrape and not counted. */
export interface Readings {
  readonly activeConnections: number
  /** Connections that are behind: the server delivers to them from the window. */
  readonly behindConnections: number
  readonly windowEntries: number
  readonly windowBytes: number
  readonly journalAvailable: boolean
  /** Milliseconds from the acceptance of an entry to its return from the journal, for the newest one of this instance. */
  readonly journalLagMs: number
  /** Instances that share the journal, this one included, by the state that they record there; 0 with `memory:`. */
  readonly instancesStarting: number
  readonly instancesReady: number
  readonly instancesDraining: number
  /** Clients connected to all instances. */
  readonly clusterClients: number
  /** `starting`, `serving`, `draining`, `closing` or `closed`. */
  readonly shutdownState: string
  /** Milliseconds until a shutdown closes the remaining connections; 0 without a shutdown. */
  readonly shutdownRemainingMs: number
}
