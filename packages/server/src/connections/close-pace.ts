/**
 * The pace of closes that the server makes for a reason of its own: no peer and no load balancer notices this many
 * reconnects per second.
 */

export const MAX_CLOSES_PER_SECOND = 1000

/** The interval of paced closes, in milliseconds: long enough to cost little, short enough for an even rate. */
export const CLOSE_TICK_MS = 10
