/**
 * Why a connection ended, as the code of its close frame (RFC 6455 section 7.4; 4000–4999 are ours), and what a client
 * should make of it.
 */

/** `no`: don't reconnect. `yes`: with the cursor. `later`: after a pause. `new-token`, `no-cursor`: with that changed. */
export type ComeBack = 'no' | 'yes' | 'later' | 'new-token' | 'no-cursor'

export const CLOSE_CODES = {
  /** The client asked for it. */
  normal: 1000,
  /** The server is shutting down; also said to those who come during a shutdown. */
  goingAway: 1001,
  /** An invalid clientId, or a binary frame. */
  unsupported: 1003,
  /** Text that is not UTF-8. */
  invalidText: 1007,
  /** No or a wrong token, an expired one, or abuse. */
  policy: 1008,
  /** Larger than MAX_PAYLOAD. */
  tooLarge: 1009,
  /** A defect of the server. */
  internal: 1011,
  /** Instead of 1001 where SHUTDOWN_CLOSE_CODE says so. */
  serviceRestart: 1012,
  /** MAX_CONNECTIONS reached. */
  tryAgainLater: 1013,
  /** A newer connection of the same client has taken over. */
  takenOver: 4001,
  /** What the client has not read is no longer kept. */
  tooSlow: 4008,
  /** The clientId is in use by somebody else. */
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

/** Whether and how a client should come back after this close code. Codes not listed (1006 above all): `yes`. */
export const comeBackAfter = (code: number): ComeBack => COME_BACK.get(code) ?? 'yes'

/** The longest reason a close frame can carry, in bytes of UTF-8 (RFC 6455 section 5.5: 125 less the code's 2). */
export const MAX_CLOSE_REASON_BYTES = 123
