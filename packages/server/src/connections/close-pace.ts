/**
 * The pace of closes that the server decides on by itself: peers and load balancers handle this many reconnects per second
 * without harm.
 */

export const MAX_CLOSES_PER_SECOND = 1000

/** The interval of paced closes, in milliseconds: long enough to cost little, short enough for an even rate. */
export const CLOSE_TICK_MS = 10
