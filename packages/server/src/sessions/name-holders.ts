/**
 * Whether a clientId that has a connection is free for somebody else. A client that lost its session meets its own old
 * connection, which is half open: the server pings that one at once, and lets the newcomer in when nothing has arrived
 * from it for 5 s.
 */
import type { Clock } from '../clock.js'
import type { Connection } from '../connections/connection.js'

/** For so long something must arrive from the holder of a name after the ping. */
const ANSWER_TIMEOUT_MS = 5000

/** A holder that has answered keeps its name for so long without being asked again. */
const ANSWER_HOLDS_MS = 30_000

/** `retryInMs`: when the name may be free; `undefined`: its holder is alive, there is no point in waiting. */
export type NameAnswer = { readonly isFree: true } | { readonly isFree: false; readonly retryInMs: number | undefined }

interface Probe {
  readonly atMs: number
  /** What had arrived from the holder when it was pinged. */
  readonly bytesReceived: number
}

export class NameHolders {
  readonly #clock: Clock
  readonly #probes = new WeakMap<Connection, Probe>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Answers a newcomer that cannot prove that it is the holder's client. */
  ask(holder: Connection): NameAnswer {
    const { transport } = holder
    const { bytesReceived } = transport
    // A transport that cannot tell: the heartbeat decides.
    if (bytesReceived === undefined) return { isFree: false, retryInMs: undefined }
    const now = this.#clock.monotonic()
    const probe = this.#probes.get(holder)
    if (probe) {
      const sinceMs = now - probe.atMs
      if (bytesReceived !== probe.bytesReceived) {
        if (sinceMs < ANSWER_HOLDS_MS) return { isFree: false, retryInMs: undefined }
      } else if (sinceMs < ANSWER_TIMEOUT_MS) {
        return { isFree: false, retryInMs: Math.ceil(ANSWER_TIMEOUT_MS - sinceMs) }
      } else if (!isDeaf(holder)) return { isFree: true }
    }
    this.#probes.set(holder, { atMs: now, bytesReceived })
    transport.ping()
    return { isFree: false, retryInMs: ANSWER_TIMEOUT_MS }
  }
}

/** Its silence means nothing: the ping has not left yet, or the server does not read the answer now. */
const isDeaf = ({ transport }: Connection): boolean => transport.bufferedBytes > 0 || (transport.isPaused ?? false)
