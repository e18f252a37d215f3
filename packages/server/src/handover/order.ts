/**
 * Which connections are handed over, and in which order. Pure.
 */
import type { Connection } from '../connections/connection.js'

/** One in so many connections is handed over before the others. */
const CANARY_SHARE = 20

type Ordered = Pick<Connection, 'lastHeardAtMs'>

/** The client that has been quiet for the longest time is first: a handover interrupts an active client more noticeably. */
export const quietestFirst = <Each extends Ordered>(connections: Iterable<Each>): Each[] =>
  [...connections].sort((a, b) => a.lastHeardAtMs - b.lastHeardAtMs)

/** The canaries among these connections: every twentieth, from the quietest to the most active client; at least one. */
export const canariesOf = <Each extends Ordered>(connections: Iterable<Each>): Each[] =>
  quietestFirst(connections).filter((_, index) => index % CANARY_SHARE === 0)
