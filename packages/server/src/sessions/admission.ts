/**
 * Who may come in: looks at a newcomer and decides. Knows no socket and no HTTP; what it says is carried out by others.
 */
import { randomBytes, randomUUID } from 'node:crypto'
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
import type { ConnectionManager } from '../connections/connection-manager.js'
import type { Connection } from '../connections/connection.js'
import { allowsChannel } from './channel-patterns.js'
import { equal, type Sessions } from './signed-sessions.js'
import type { TokenClaims, TokenVerifier } from './token-verifier.js'
import { NameHolders } from './name-holders.js'
import type { PendingHandshakes } from './pending-handshakes.js'

/** What a handshake says. */
export interface Newcomer {
  /** From the path, decoded; `undefined`: `GET /ws`. */
  readonly clientId: string | undefined
  readonly token: string | undefined
  readonly cursor: string | undefined
  readonly channels: string | undefined
  readonly session: string | undefined
  /** The build of the instance that it comes from. */
  readonly avoid: string | undefined
  readonly origin: string | undefined
  readonly acceptLanguage: string | undefined
}

export interface Rejection {
  readonly admitted: false
  readonly reason: RejectionReason
  readonly locale: Locale
  /** For who is accepted and closed at once (REJECT_WITH=close). */
  readonly closeCode: number
  readonly closeReason: CloseReason
  /** For whose upgrade is answered instead (REJECT_WITH=http). */
  readonly httpStatus: number
  /** After how many milliseconds the same handshake may be accepted; `undefined`: the close code decides. */
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
  /** It is the client that is connected under this name: its new connection replaces the old one. */
  readonly isTakeover: boolean
  /** The server verified a token for this clientId. */
  readonly hasToken: boolean
  /** It says that it comes from another instance, and has proved that it is who it says. */
  readonly isMoving: boolean
  readonly expiresAtMs: number
  readonly allowedChannels: readonly string[] | undefined
}

export interface AdmissionOptions {
  readonly connections: ConnectionManager
  readonly sessions: Sessions
  /** `undefined`: the server is open. */
  readonly verifyToken: TokenVerifier | undefined
  /** Whether pages of this origin may connect. `undefined`: those of any may. */
  readonly allowsOrigin: ((origin: string) => boolean) | undefined
  /** Those that wait count against `maxConnections`. */
  readonly pending: Pick<PendingHandshakes, 'count' | 'has'>
  readonly clock: Clock
  /** 0: no limit. */
  readonly maxConnections: number
  readonly maxChannels: number
  readonly locale: Locale
  /** This instance's. */
  readonly build: string
  readonly instances: Pick<Instances, 'isReadyBeside'>
  /**
   * The hash of the session that a clientId belongs to because of another connection than one here: of one to another
   * instance, or of one before the journal was replaced, whose client is to return.
   */
  readonly holderElsewhere: (clientId: string) => Pick<Holder, 'sessionHash'> | undefined
  /** Resolves when no other instance holds the clientId any more, or after so many milliseconds. */
  readonly waitForRelease: (clientId: string, maxWaitMs: number) => Promise<void>
  /** Whether newcomers are turned away because of a shutdown. */
  readonly isClosed: () => boolean
}

/** When a client may try again whose name belongs to a token, and is held by a connection that does not answer. */
const ABANDONED_RETRY_MS = 5000

/** Why → how the client is told. */
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

/** When a client that another instance holds may try again. */
const ELSEWHERE_RETRY_MS = 5000

/** A release takes one round trip of the journal, and what the event loop of the other instance adds. */
const MAX_WAIT_FOR_NAME_MS = 1000

export class Admission {
  readonly #options: AdmissionOptions
  #verifyToken: TokenVerifier | undefined
  readonly #nameHolders: NameHolders

  constructor(options: AdmissionOptions) {
    this.#options = options
    this.#nameHolders = new NameHolders(options.clock)
    this.#verifyToken = options.verifyToken
  }

  /** Tokens of newcomers are checked with other keys from now on; who is in stays in. `undefined`: the server is open. */
  renewVerifier(verifyToken: TokenVerifier | undefined): void {
    this.#verifyToken = verifyToken
  }

  /**
   * What the token says; `undefined` when there is none to ask for or it is not valid: `decide` then rejects.
   * `unavailable`: it could not be checked. The only part that may take time, so it comes before the rest.
   */
  async claims(newcomer: Newcomer): Promise<TokenClaims | 'unavailable' | undefined> {
    return newcomer.token === undefined ? undefined : this.#verifyToken?.(newcomer.token)
  }

  /**
   * Why a newcomer is rejected before anything is asked that may take time; `undefined`: it may wait. A client that is
   * connected may come once more when there is no room: it may be about to replace its own connection.
   */
  mayNotWait(newcomer: Newcomer): Rejection | undefined {
    const { connections, pending, isClosed } = this.#options
    const { clientId } = newcomer
    const locale = this.localeOf(newcomer)
    if (isClosed()) return rejection('shutting_down', locale)
    const mayReplace = clientId !== undefined && !pending.has(clientId) && connections.get(clientId) !== undefined
    return this.#hasRoom || mayReplace ? undefined : rejection('max_connections', locale)
  }

  get #hasRoom(): boolean {
    const { maxConnections, connections, pending } = this.#options
    return maxConnections === 0 || connections.getActiveCount() + pending.count < maxConnections
  }

  /**
   * Waits a moment for a name that another instance holds for somebody else: a client that closes its connection there and
   * connects here at once is faster than the journal.
   */
  async waitForName(newcomer: Newcomer, claims: TokenClaims | undefined): Promise<void> {
    const { clientId } = newcomer
    if (clientId === undefined || !this.isHeldElsewhere(newcomer, claims)) return
    await this.#options.waitForRelease(clientId, MAX_WAIT_FOR_NAME_MS)
  }

  /** Whether another instance holds the name for somebody else. */
  isHeldElsewhere({ clientId, session }: Newcomer, claims: TokenClaims | undefined): boolean {
    if (clientId === undefined || claims?.subject === clientId) return false
    if (!this.#options.holderElsewhere(clientId)) return false
    const proof = session !== undefined && this.#options.sessions.isValid(session, clientId) ? session : undefined
    return !this.#isFreeElsewhere(clientId, proof)
  }

  /** The language to talk to a newcomer in. */
  localeOf(newcomer: Newcomer): Locale {
    return negotiateLocale(newcomer.acceptLanguage, this.#options.locale)
  }

  get asksForToken(): boolean {
    return this.#verifyToken !== undefined
  }

  /** Decides. To be carried out in the same turn of the event loop: it counts on who is connected now. */
  decide(newcomer: Newcomer, claims: TokenClaims | undefined): Admitted | Rejection {
    const { connections, sessions, allowsOrigin, isClosed, build, instances } = this.#options
    const locale = this.localeOf(newcomer)
    const reject = (reason: RejectionReason): Rejection => rejection(reason, locale)

    if (isClosed()) return reject('shutting_down')
    // Browsers always send it; what is no browser could send any.
    if (allowsOrigin && newcomer.origin !== undefined && !allowsOrigin(newcomer.origin)) return reject('origin')
    const clientId = newcomer.clientId ?? claims?.subject ?? guestId()
    if (!isClientId(clientId)) return reject('invalid_client_id')
    if (this.#verifyToken) {
      if (!claims || claims.expiresAtMs <= Date.now()) return reject('unauthorized')
      if (claims.subject !== undefined && claims.subject !== clientId) return reject('unauthorized')
    }
    const channels = this.#channels(newcomer.channels, claims)
    if (!channels) return reject('forbidden_channel')

    const avoid = isBuild(newcomer.avoid) ? newcomer.avoid : undefined
    // It would have to move again soon. Said before what only this instance minds: at the other one the name may be free.
    if (avoid === build && instances.isReadyBeside(build)) return reject('other_build_ready')

    const given = newcomer.session
    const returning = given !== undefined && sessions.isValid(given, clientId) ? given : undefined
    const hasToken = claims?.subject === clientId
    const present = connections.get(clientId)
    const isSame =
      present !== undefined && (hasToken || (returning !== undefined && equal(returning, present.identity.session)))
    if (!isSame && !hasToken && !this.#isFreeElsewhere(clientId, returning)) {
      // The other instance may be about to go, or its connection half open.
      return rejection('id_in_use', locale, ELSEWHERE_RETRY_MS)
    }
    if (present && !isSame && !isOver(present)) {
      const holder = this.#nameHolders.ask(present)
      // Where tokens are asked for a name belongs to its token: the heartbeat ends a connection that is half open.
      const retryInMs = holder.isFree ? ABANDONED_RETRY_MS : holder.retryInMs
      if (!holder.isFree || this.#verifyToken) return rejection('id_in_use', locale, retryInMs)
      present.terminate('dead')
    }
    if (!present && !this.#hasRoom) return reject('max_connections')
    const connectionId = randomUUID()
    return {
      admitted: true,
      clientId,
      connectionId,
      session: returning ?? sessions.issue(clientId, connectionId),
      locale,
      channels,
      cursor: newcomer.cursor === undefined ? undefined : (parseCursor(newcomer.cursor) ?? 'malformed'),
      isTakeover: isSame,
      hasToken,
      isMoving: avoid !== undefined && (hasToken || returning !== undefined),
      expiresAtMs: claims?.expiresAtMs ?? Infinity,
      allowedChannels: claims?.channels,
    }
  }

  /** Whether no other instance holds the clientId for somebody else. */
  #isFreeElsewhere(clientId: string, session: string | undefined): boolean {
    const holder = this.#options.holderElsewhere(clientId)
    if (!holder) return true
    return session !== undefined && equal(hashOfSession(session), holder.sessionHash)
  }

  /** The lobby and those asked for; `undefined`: not to be had. */
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

/** A connection that has ended for the server, or that the server is ending, does not hold its name any more. */
const isOver = ({ serverClose, transport }: Connection): boolean => serverClose !== undefined || !transport.isOpen

const ONLY_LOBBY: readonly string[] = [LOBBY]
const NONE: readonly string[] = []

/** @param retryInMs When the same handshake may be accepted, where the close code does not say it. */
export function rejection(reason: RejectionReason, locale: Locale, retryInMs?: number): Rejection {
  const [closeCode, closeReason, httpStatus] = REJECTIONS[reason]
  return { admitted: false, reason, locale, closeCode, closeReason, httpStatus, retryInMs }
}

const guestId = (): string => `guest-${randomBytes(9).toString('base64url')}`
