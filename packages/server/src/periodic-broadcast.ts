/**
 * The periodic broadcast of the specification: a line to everybody on this instance, every BROADCAST_INTERVAL, until a
 * shutdown begins. Not in the journal: nobody wants to be told afterwards.
 */
import { TEXTS } from '@lastcall/protocol'
import type { Clock } from './clock.js'
import type { ConnectionManager } from './connections/connection-manager.js'

export interface PeriodicBroadcastOptions {
  /** 0: there is none. */
  readonly intervalSeconds: number
  /** Since when the server has been up, by the monotonic clock. */
  readonly startedAtMs: number
  readonly clock: Clock
}

/** Begins it; the answer ends it. */
export function startPeriodicBroadcast(
  connections: ConnectionManager,
  { intervalSeconds, startedAtMs, clock }: PeriodicBroadcastOptions,
): () => void {
  if (intervalSeconds === 0) return () => undefined
  return clock.every(intervalSeconds * 1000, () => {
    const active = connections.getActiveCount()
    const uptimeSeconds = Math.round((clock.monotonic() - startedAtMs) / 1000)
    const at = new Date(clock.now()).toISOString()
    connections.broadcast((locale) => ({
      type: 'periodic',
      at,
      active,
      uptimeSeconds,
      text: TEXTS[locale].periodic(active, uptimeSeconds),
    }))
  })
}
