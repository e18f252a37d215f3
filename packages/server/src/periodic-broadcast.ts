/**
 * The periodic broadcast of the specification: a message to every client of this instance, every BROADCAST_INTERVAL, while
 * the server is `serving`. The journal does not contain it, because a client that resumes has no use for an old one.
 */
import { TEXTS } from '@lastcall/protocol'
import type { Clock } from './clock.js'
import type { ConnectionManager } from './connections/connection-manager.js'
import type { GracefulShutdownManager } from './shutdown/graceful-shutdown-manager.js'

export interface PeriodicBroadcastOptions {
  /** 0: the server sends none. */
  readonly intervalSeconds: number
  /** When the server started, in milliseconds of the monotonic clock. */
  readonly startedAtMs: number
  readonly connections: ConnectionManager
  readonly shutdown: Pick<GracefulShutdownManager, 'observe'>
  readonly clock: Clock
}

/** Broadcasts from each change to `serving` until the next change of the state. */
export function broadcastWhileServing({
  intervalSeconds,
  shutdown,
  clock,
  ...options
}: PeriodicBroadcastOptions): void {
  if (intervalSeconds === 0) return
  let stop: (() => void) | undefined
  shutdown.observe((state) => {
    stop?.()
    stop = state === 'serving' ? clock.every(intervalSeconds * 1000, () => broadcast({ ...options, clock })) : undefined
  })
}

type BroadcastParts = Pick<PeriodicBroadcastOptions, 'startedAtMs' | 'connections' | 'clock'>

function broadcast({ startedAtMs, connections, clock }: BroadcastParts): void {
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
}
