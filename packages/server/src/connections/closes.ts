/**
 * Every reason for which the server closes a connection that it has accepted: how the report counts it, the code of the
 * close frame, and the text that the frame carries. A rejected handshake is not a close: see sessions/admission.ts.
 */
import { CLOSE_CODES, type CloseReason } from '@lastcall/protocol'

/** Why the server ended a connection, as the report of a shutdown counts it. `dead` is cut without a close frame. */
export type ServerClose =
  'takeover' | 'slot' | 'deadline' | 'dead' | 'abuse' | 'slow' | 'replaced' | 'expired' | 'request'

export interface Close {
  readonly why: ServerClose
  /** RFC 6455 section 7.4; 4000–4999 belong to this protocol. */
  readonly code: number
  readonly reason: CloseReason
}

export const CLOSES = {
  /** A newer connection of the same client replaces this one. */
  takenOver: { why: 'takeover', code: CLOSE_CODES.takenOver, reason: 'takenOver' },
  /**
   * Another instance claimed this clientId first. The code allows a retry: both claims may be of one client that lost its first
   * `welcome`, and whose first connection ends in a moment.
   */
  claimVoid: { why: 'takeover', code: CLOSE_CODES.tryAgainLater, reason: 'idInUse' },
  /** An outage of the journal has left open which of two connections of the same client is the newer one. */
  claimOutdated: { why: 'takeover', code: CLOSE_CODES.tryAgainLater, reason: 'unavailable' },
  tokenExpired: { why: 'expired', code: CLOSE_CODES.policy, reason: 'tokenExpired' },
  /** The window no longer holds the next entry of this client. */
  tooSlow: { why: 'slow', code: CLOSE_CODES.tooSlow, reason: 'tooSlow' },
  /** The journal was emptied, went back, or lost entries that this instance had not read. */
  journalReplaced: { why: 'replaced', code: CLOSE_CODES.journalReplaced, reason: 'journalReplaced' },
  tooManyBadMessages: { why: 'abuse', code: CLOSE_CODES.policy, reason: 'tooManyBadMessages' },
  binaryFrame: { why: 'abuse', code: CLOSE_CODES.unsupported, reason: 'binaryFrame' },
  /** `closeAllConnections` of the specification. */
  requested: { why: 'request', code: CLOSE_CODES.goingAway, reason: 'shuttingDown' },
  /** In mode `migrate` the client did not leave in its slot. SHUTDOWN_CLOSE_CODE may replace the code. */
  slotEnded: { why: 'slot', code: CLOSE_CODES.goingAway, reason: 'shuttingDown' },
  /** The client did not leave before the deadline. SHUTDOWN_CLOSE_CODE may replace the code. */
  deadline: { why: 'deadline', code: CLOSE_CODES.goingAway, reason: 'shuttingDown' },
} as const satisfies Record<string, Close>
