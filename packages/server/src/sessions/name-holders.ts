/**
 * Decides whether another client may take a clientId that has a connection. A client that lost its session finds its
 * own half-open connection in its way. The server pings that connection at once, and gives the name away when nothing
 * has arrived on it for 5 s. The holder keeps its name for good only when it answers the ping: bytes without a pong may
 * have been on their way for seconds, from a client that is gone.
 */
import type { Clock } from '../clock.js'
import type { Connection } from '../connections/connection.js'

/** The time after the ping in which something must arrive from the holder. */
const ANSWER_TIMEOUT_MS = 5000

/** A holder that has answered keeps its name for this time without another ping. */
const ANSWER_HOLDS_MS = 30_000

/** `retryInMs`: when the name may be free. `undefined`: its holder is alive, so waiting is pointless. */
export type NameAnswer = { readonly isFree: true } | { readonly isFree: false; readonly retryInMs: number | undefined }

interface Probe {
  readonly atMs: number
  /** The number of bytes that had arrived from the holder when it was pinged. */
  readonly bytesReceived: number
  readonly pongsReceived: number
}

export class NameHolders {
  readonly #clock: Clock
  readonly #probes = new WeakMap<Connection, Probe>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Answers a client that cannot prove that it is the holder of the name. */
  ask(holder: Connection): NameAnswer {
    const { transport } = holder
    const { bytesReceived, pongsReceived } = transport
    // The transport does not count, so only the heartbeat can find out that the connection is half open.
    if (bytesReceived === undefined || pongsReceived === undefined) return { isFree: false, retryInMs: undefined }
    const now = this.#clock.monotonic()
    const probe = this.#probes.get(holder)
    if (probe) {
      const sinceMs = now - probe.atMs
      const hasAnswered = pongsReceived !== probe.pongsReceived
      if (hasAnswered && sinceMs < ANSWER_HOLDS_MS) return { isFree: false, retryInMs: undefined }
      if (!hasAnswered && sinceMs < ANSWER_TIMEOUT_MS) {
        return { isFree: false, retryInMs: Math.ceil(ANSWER_TIMEOUT_MS - sinceMs) }
      }
      if (bytesReceived === probe.bytesReceived && canAnswer(holder)) return { isFree: true }
    }
    this.#probes.set(holder, { atMs: now, bytesReceived, pongsReceived })
    transport.ping()
    return { isFree: false, retryInMs: ANSWER_TIMEOUT_MS }
  }
}

/**
 * Whether a missing answer proves that the holder is gone. It proves nothing while the ping waits in a full socket, or
 * while the server does not read from the connection.
 */
const canAnswer = ({ transport }: Connection): boolean =>
  transport.bufferedBytes === 0 && !(transport.isPaused ?? false)
