/**
 * The record of a connection from its parts in this process, and the parts from a record. Times travel as durations, because the
 * monotonic clocks of two processes cannot be compared.
 */
import type { Connection, ConnectionIdentity } from '../connections/connection.js'
import { invariant } from '../invariant.js'
import { sessionOf } from '../sessions/session-state.js'
import { RECORD_VERSION, type HandoverRecord } from './record.js'

export interface SnapshotPosition {
  /** The id of this instance. */
  readonly node: string
  readonly channels: Iterable<string>
  readonly cursor: string
  /** By the monotonic clock. */
  readonly nowMs: number
}

/** Everything but the bytes that were read from the socket. */
export function snapshotOf(
  connection: Connection,
  { node, channels, cursor, nowMs }: SnapshotPosition,
): Omit<HandoverRecord, 'head'> {
  const { identity, connectedAtMs, lastHeardAtMs, isAlive } = connection
  const session = sessionOf(connection)
  invariant(session, 'a connection has a session before it is handed over')
  const { clientId, connectionId, hasToken, admittedAt, locale, strict, expiresAtMs, allowedChannels, address } =
    identity
  return {
    version: RECORD_VERSION,
    node,
    identity: {
      ...{ clientId, connectionId, session: identity.session, hasToken, admittedAt, locale, strict },
      expiresAtMs: expiresAtMs === Infinity ? null : expiresAtMs,
      allowedChannels: allowedChannels ? [...allowedChannels] : null,
      ...(address !== undefined && { address }),
    },
    channels: [...channels],
    cursor,
    session: session.snapshot(nowMs),
    connectedAgoMs: Math.max(0, nowMs - connectedAtMs),
    heardAgoMs: Math.max(0, nowMs - lastHeardAtMs),
    isAlive,
  }
}

/** The client moves to this instance, and its claim here replaces that of the instance that hands it over. */
export function identityOf({ identity }: HandoverRecord): ConnectionIdentity {
  const { expiresAtMs, allowedChannels, ...same } = identity
  return {
    ...same,
    isMoving: true,
    expiresAtMs: expiresAtMs ?? Infinity,
    allowedChannels: allowedChannels ?? undefined,
  }
}
