/**
 * The codes of close frames (RFC 6455 section 7.4; 4000–4999 belong to this protocol), and the reaction of a client to each.
 */

/**
 * `no`: do not reconnect. `yes`: with the cursor. `later`: after a pause. `new-token`: with a new token. `no-cursor`: without
 * the cursor.
 */
export type ComeBack = 'no' | 'yes' | 'later' | 'new-token' | 'no-cursor'

export const CLOSE_CODES = {
  /** The client closed the connection. */
  normal: 1000,
  /** The server is shutting down. It also rejects clients that connect during a shutdown with this code. */
  goingAway: 1001,
  /** An invalid clientId, or a binary frame. */
  unsupported: 1003,
  /** Text that is not UTF-8. */
  invalidText: 1007,
  /** A missing, wrong or expired token, or abuse. */
  policy: 1008,
  /** A message larger than MAX_PAYLOAD. */
  tooLarge: 1009,
  /** A defect of the server. */
  internal: 1011,
  /** Replaces 1001 when SHUTDOWN_CLOSE_CODE is 1012. */
  serviceRestart: 1012,
  /** The server is full (MAX_CONNECTIONS), or could not check the handshake. */
  tryAgainLater: 1013,
  /** A newer connection of the same client replaced this one. */
  takenOver: 4001,
  /** The server has evicted entries that the client has not received. */
  tooSlow: 4008,
  /** Another client uses this clientId. */
  idInUse: 4009,
  /** The journal was replaced: cursors of the old one are void. */
  journalReplaced: 4010,
} as const

export type CloseCode = (typeof CLOSE_CODES)[keyof typeof CLOSE_CODES]

const COME_BACK = new Map<number, ComeBack>([
  [CLOSE_CODES.normal, 'no'],
  [CLOSE_CODES.goingAway, 'yes'],
  [CLOSE_CODES.unsupported, 'no'],
  [CLOSE_CODES.invalidText, 'no'],
  [CLOSE_CODES.policy, 'new-token'],
  [CLOSE_CODES.tooLarge, 'no'],
  [CLOSE_CODES.internal, 'later'],
  [CLOSE_CODES.serviceRestart, 'later'],
  [CLOSE_CODES.tryAgainLater, 'later'],
  [CLOSE_CODES.takenOver, 'no'],
  [CLOSE_CODES.tooSlow, 'no-cursor'],
  [CLOSE_CODES.idInUse, 'no'],
  [CLOSE_CODES.journalReplaced, 'yes'],
])

/** Whether and how a client should reconnect after this close code. Codes not listed (1006 above all): `yes`. */
export const comeBackAfter = (code: number): ComeBack => COME_BACK.get(code) ?? 'yes'

/** The longest reason a close frame can carry, in bytes of UTF-8 (RFC 6455 section 5.5: 125 less the code's 2). */
export const MAX_CLOSE_REASON_BYTES = 123
