/**
 * Admission decides whether the server accepts a client. It knows no socket and no HTTP; its callers carry out the
 * decision.
 */
import {
  CLOSE_CODES,
  isBuild,
  isChannel,
  isClientId,
  LOBBY,
  negotiateLocale,
  parseCursor,
  type CloseReason,
  type Cursor,
  type Locale,
} from '@lastcall/protocol'
import { hashOfSession } from '../instances/claimed-client.js'
import type { Holder } from '../instances/claims.js'
import type { Instances } from '../instances/instances.js'
import type { Clock } from '../clock.js'
import type { RejectionReason } from '../observability/stats.js'
import type { Randomness } from '../randomness.js'
import type { ConnectionManager } from '../connections/connection-manager.js'
import type { Connection } from '../connections/connection.js'
import { allowsChannel } from './channel-patterns.js'
import { equal, type Sessions } from './signed-sessions.js'
import type { TokenClaims, TokenVerifier } from './token-verifier.js'
import { NameHolders } from './name-holders.js'
import type { PendingHandshakes } from './pending-handshakes.js'

/** What a client asks for in its handshake. */
export interface HandshakeRequest {
  /** From the path, decoded. `undefined`: the client asked for `GET /ws`, and the server makes up a name. */
  readonly clientId: string | undefined
  readonly token: string | undefined
  readonly cursor: string | undefined
  readonly channels: string | undefined
  readonly session: string | undefined
  /** The build that the client comes from. Such a client moves away from that build. */
  readonly avoid: string | undefined
  readonly origin: string | undefined
  readonly acceptLanguage: string | undefined
}

export interface Rejection {
  readonly admitted: false
  readonly reason: RejectionReason
  readonly locale: Locale
  /** The close code for a client that the server accepts and closes at once (REJECT_WITH=close). */
  readonly closeCode: number
  readonly closeReason: CloseReason
  /** The status of the answer to the upgrade (REJECT_WITH=http). */
  readonly httpStatus: number
  /**
   * The time after which the same handshake may be accepted, in milliseconds. `undefined`: the close code tells the
   * client what to do.
   */
  readonly retryInMs: number | undefined
}

export interface Admitted {
  readonly admitted: true
  readonly clientId: string
  readonly connectionId: string
  readonly session: string
  readonly locale: Locale
  readonly channels: readonly string[]
  readonly cursor: Cursor | 'malformed' | undefined
  /** The client is connected under this name already, and the new connection replaces the old one. */
  readonly isTakeover: boolean
  /** The server verified a token for this clientId. */
  readonly hasToken: boolean
  /** The client says that it comes from another instance, and has proved its identity by its session or its token. */
  readonly isMoving: boolean
  readonly expiresAtMs: number
  readonly allowedChannels: readonly string[] | undefined
}

export interface AdmissionOptions {
  readonly connections: ConnectionManager
  readonly sessions: Sessions
  /** `undefined`: the server asks for no token. */
  readonly verifyToken: TokenVerifier | undefined
  /** Whether pages of this origin may connect. `undefined`: pages of every origin may. */
  readonly allowsOrigin: ((origin: string) => boolean) | undefined
  /** Waiting handshakes count against `maxConnections`. */
  readonly pending: Pick<PendingHandshakes, 'count' | 'has'>
  readonly clock: Clock
  /** For the names of guests and the ids of connections. */
  readonly randomness: Pick<Randomness, 'bytes' | 'uuid'>
  /** 0: no limit. */
  readonly maxConnections: number
  readonly maxChannels: number
  readonly locale: Locale
  /** The build of this instance. */
  readonly build: string
  readonly instances: Pick<Instances, 'isReadyBeside'>
  /**
   * The hash of the session to which a clientId belongs although it has no connection here. The client has a connection
   * to another instance, or had one before the journal was replaced and is expected to reconnect.
   */
  readonly holderElsewhere: (clientId: string) => Pick<Holder, 'sessionHash'> | undefined
  /** Resolves when no other instance holds the clientId any more, or after `maxWaitMs`. */
  readonly waitForRelease: (clientId: string, maxWaitMs: number) => Promise<void>
  /** Whether the server rejects new clients because of a shutdown. */
  readonly isClosed: () => boolean
}

/** When a client may try again if its token names a clientId that a connection without an answer holds. */
const ABANDONED_RETRY_MS = 5000

/** The close code, the reason and the HTTP status of each rejection. */
const REJECTIONS = {
  shutting_down: [CLOSE_CODES.goingAway, 'shuttingDown', 503],
  origin: [CLOSE_CODES.policy, 'forbiddenOrigin', 401],
  invalid_client_id: [CLOSE_CODES.unsupported, 'invalidClientId', 400],
  unauthorized: [CLOSE_CODES.policy, 'unauthorized', 401],
  max_connections: [CLOSE_CODES.tryAgainLater, 'tooManyConnections', 503],
  other_build_ready: [CLOSE_CODES.tryAgainLater, 'otherBuildReady', 503],
  id_in_use: [CLOSE_CODES.idInUse, 'idInUse', 409],
  journal_unavailable: [CLOSE_CODES.tryAgainLater, 'journalUnavailable', 503],
  forbidden_channel: [CLOSE_CODES.policy, 'forbiddenChannel', 403],
  rate_limited: [CLOSE_CODES.tryAgainLater, 'rateLimited', 429],
  refused: [CLOSE_CODES.policy, 'refused', 403],
  unavailable: [CLOSE_CODES.tryAgainLater, 'unavailable', 503],
} as const satisfies Record<RejectionReason, readonly [number, CloseReason, number]>

/** When a client may try again if another instance holds its clientId. */
const ELSEWHERE_RETRY_MS = 5000

/** A release takes one round trip of the journal and the delay in the event loop of the other instance. */
const MAX_WAIT_FOR_NAME_MS = 1000

export class Admission {
  readonly #options: AdmissionOptions
  #verifyToken: TokenVerifier | undefined
  readonly #nameHolders: NameHolders
  /** The handshakes whose session has been checked, and whether it is the session of their clientId. */
  readonly #checked = new WeakMap<HandshakeRequest, boolean>()

  constructor(options: AdmissionOptions) {
    this.#options = options
    this.#nameHolders = new NameHolders(options.clock)
    this.#verifyToken = options.verifyToken
  }

  /**
   * Checks the tokens of new clients with other keys from now on. Connected clients stay connected. `undefined`: the
   * server asks for no token.
   */
  renewVerifier(verifyToken: TokenVerifier | undefined): void {
    this.#verifyToken = verifyToken
  }

  /**
   * The claims of the token. `undefined`: the server asks for no token, or the token is not valid and `decide` rejects
   * the client. `unavailable`: the token could not be checked. This part may take time, so the caller calls it before
   * `decide`.
   */
  async claims(request: HandshakeRequest): Promise<TokenClaims | 'unavailable' | undefined> {
    return request.token === undefined ? undefined : this.#verifyToken?.(request.token)
  }

  /**
   * The rejection of a client before any check that takes time. `undefined`: the handshake may wait. A client that is
   * connected may have one waiting handshake even if the server is full, because its new connection may replace its
   * own.
   */
  mayNotWait(request: HandshakeRequest): Rejection | undefined {
    const { connections, pending, isClosed } = this.#options
    const { clientId } = request
    const locale = this.localeOf(request)
    if (isClosed()) return rejection('shutting_down', locale)
    const mayReplace = clientId !== undefined && !pending.has(clientId) && connections.get(clientId) !== undefined
    return this.#hasRoom || mayReplace ? undefined : rejection('max_connections', locale)
  }

  get #hasRoom(): boolean {
    const { maxConnections, connections, pending } = this.#options
    return maxConnections === 0 || connections.getActiveCount() + pending.count < maxConnections
  }

  /**
   * Waits a moment for a clientId that another instance holds for another session. A client that closes its connection
   * there and connects here at once is faster than the journal.
   */
  async waitForName(request: HandshakeRequest, claims: TokenClaims | undefined): Promise<void> {
    const { clientId } = request
    if (clientId === undefined || !this.isHeldElsewhere(request, claims)) return
    await this.#options.waitForRelease(clientId, MAX_WAIT_FOR_NAME_MS)
  }

  /** Whether another instance holds the clientId for another session. */
  isHeldElsewhere(request: HandshakeRequest, claims: TokenClaims | undefined): boolean {
    const { clientId } = request
    if (clientId === undefined || claims?.subject === clientId) return false
    if (!this.#options.holderElsewhere(clientId)) return false
    return !this.#isFreeElsewhere(clientId, this.#sessionOf(request, clientId))
  }

  /**
   * The session that a handshake proves to be that of this client. A check costs two hashes, and a handshake asks up to three
   * times, always for the same clientId.
   */
  #sessionOf(request: HandshakeRequest, clientId: string): string | undefined {
    const { session } = request
    if (session === undefined) return undefined
    let isValid = this.#checked.get(request)
    if (isValid === undefined) {
      isValid = this.#options.sessions.isValid(session, clientId)
      this.#checked.set(request, isValid)
    }
    return isValid ? session : undefined
  }

  /** The language of the texts for this client. */
  localeOf(request: HandshakeRequest): Locale {
    return negotiateLocale(request.acceptLanguage, this.#options.locale)
  }

  get asksForToken(): boolean {
    return this.#verifyToken !== undefined
  }

  /**
   * Decides on the handshake. The caller carries out the decision in the same turn of the event loop, because it
   * depends on the clients that are connected now.
   */
  decide(request: HandshakeRequest, claims: TokenClaims | undefined): Admitted | Rejection {
    const { connections, sessions, allowsOrigin, isClosed, build, instances, clock, randomness } = this.#options
    const locale = this.localeOf(request)
    const reject = (reason: RejectionReason): Rejection => rejection(reason, locale)

    if (isClosed()) return reject('shutting_down')
    // Browsers always send the origin. Another program can send any origin or none, so the check protects browsers
    // only.
    if (allowsOrigin && request.origin !== undefined && !allowsOrigin(request.origin)) return reject('origin')
    const clientId = request.clientId ?? claims?.subject ?? guestId(randomness)
    if (!isClientId(clientId)) return reject('invalid_client_id')
    if (this.#verifyToken) {
      if (!claims || claims.expiresAtMs <= clock.now()) return reject('unauthorized')
      if (claims.subject !== undefined && claims.subject !== clientId) return reject('unauthorized')
    }
    const channels = this.#channels(request.channels, claims)
    if (!channels) return reject('forbidden_channel')

    const avoid = isBuild(request.avoid) ? request.avoid : undefined
    // Another build is ready, so the client would soon have to migrate again. This check precedes the checks that
    // concern this instance alone: at the other instance the clientId may be free.
    if (avoid === build && instances.isReadyBeside(build)) return reject('other_build_ready')

    const returning = this.#sessionOf(request, clientId)
    const hasToken = claims?.subject === clientId
    const present = connections.get(clientId)
    const isSame =
      present !== undefined && (hasToken || (returning !== undefined && equal(returning, present.identity.session)))
    if (!isSame && !hasToken && !this.#isFreeElsewhere(clientId, returning)) {
      // The other instance may be about to stop, or its connection to the client may be half open.
      return rejection('id_in_use', locale, ELSEWHERE_RETRY_MS)
    }
    if (present && !isSame && !isOver(present)) {
      const holder = this.#nameHolders.ask(present)
      // With tokens, a clientId belongs to the client with the token, and the heartbeat ends a half-open connection
      // that holds it. So the client tries again.
      const retryInMs = holder.isFree ? ABANDONED_RETRY_MS : holder.retryInMs
      if (!holder.isFree || this.#verifyToken) return rejection('id_in_use', locale, retryInMs)
      present.terminate('dead')
    }
    if (!present && !this.#hasRoom) return reject('max_connections')
    const connectionId = randomness.uuid()
    return {
      admitted: true,
      clientId,
      connectionId,
      session: returning ?? sessions.issue(clientId, connectionId),
      locale,
      channels,
      cursor: request.cursor === undefined ? undefined : (parseCursor(request.cursor) ?? 'malformed'),
      isTakeover: isSame,
      hasToken,
      isMoving: avoid !== undefined && (hasToken || returning !== undefined),
      expiresAtMs: claims?.expiresAtMs ?? Infinity,
      allowedChannels: claims?.channels,
    }
  }

  /** Whether no other instance holds the clientId for another session. */
  #isFreeElsewhere(clientId: string, session: string | undefined): boolean {
    const holder = this.#options.holderElsewhere(clientId)
    if (!holder) return true
    return session !== undefined && equal(hashOfSession(session), holder.sessionHash)
  }

  /** The lobby and the requested channels. `undefined`: a name is invalid, or the token does not allow a channel. */
  #channels(asked: string | undefined, claims: TokenClaims | undefined): readonly string[] | undefined {
    const lobby = allowsChannel(claims?.channels, LOBBY) ? ONLY_LOBBY : NONE
    if (!asked) return lobby
    const channels = [...new Set([...lobby, ...asked.split(',')])]
    if (channels.length > this.#options.maxChannels) return undefined
    return channels.every((channel) => isChannel(channel) && allowsChannel(claims?.channels, channel))
      ? channels
      : undefined
  }
}

/** Whether the connection has ended, or the server is closing it. It then holds its clientId no longer. */
const isOver = ({ serverClose, transport }: Connection): boolean => serverClose !== undefined || !transport.isOpen

const ONLY_LOBBY: readonly string[] = [LOBBY]
const NONE: readonly string[] = []

/** @param retryInMs The time after which the same handshake may be accepted, where the close code does not state it. */
export function rejection(reason: RejectionReason, locale: Locale, retryInMs?: number): Rejection {
  const [closeCode, closeReason, httpStatus] = REJECTIONS[reason]
  return { admitted: false, reason, locale, closeCode, closeReason, httpStatus, retryInMs }
}

const guestId = ({ bytes }: Pick<Randomness, 'bytes'>): string => `guest-${bytes(9).toString('base64url')}`
