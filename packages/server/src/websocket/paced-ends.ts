/**
 * Spreads the ends of connections over turns of the event loop. Node handles every end that one poll finds in one turn:
 * thousands, when a load balancer dies or thousands of clients answer a close. Each end costs what Node, `ws` and the session
 * do for it, 50 µs and more. A bounded number of ends is handled in each turn; the others wait for the next turns, in order.
 */
import type { Duplex } from 'node:stream'

/** So many ends are handled in one turn. */
const MAX_ENDS_A_TURN = 128

/** The connection whose end waits. */
export interface EndingConnection {
  /** Nothing more arrives from the peer; `PacedEnds` ends the readable side in one of the next turns. */
  onEndDue(): void
}

/**
 * What Node calls for each part that it has read from a socket; without a part at the end of the input or after an error.
 * Node documents neither this property nor another way to learn of an end before it is handled.
 */
interface ReadHandle {
  onread: (this: unknown, part: ArrayBuffer | undefined) => unknown
}

interface WithHandle {
  readonly _handle?: Partial<ReadHandle> | null
}

export class PacedEnds {
  readonly #waiting = new Set<Duplex>()
  #leftInTurn = MAX_ENDS_A_TURN
  #isScheduled = false

  /** Paces the end of this socket. A socket without the handle of Node (a stream of an application) ends by itself. */
  watch(socket: Duplex, connection: EndingConnection): void {
    const handle = (socket as Duplex & WithHandle)._handle
    const onread = handle?.onread
    if (!handle || typeof onread !== 'function') return
    const isPaced = (): boolean => this.#hasToWait()
    const wait = (): void => {
      this.#waiting.add(socket)
      connection.onEndDue()
    }
    handle.onread = function (part) {
      if (part !== undefined || !isPaced()) return onread.call(this, part)
      wait()
      return undefined
    }
  }

  /** Counts one end. Whether this turn has no room for it. */
  #hasToWait(): boolean {
    this.#schedule()
    if (this.#waiting.size === 0 && this.#leftInTurn > 0) {
      this.#leftInTurn--
      return false
    }
    return true
  }

  /** The connection has ended in another way. */
  forget(socket: Duplex): void {
    this.#waiting.delete(socket)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#nextTurn())
  }

  #nextTurn(): void {
    this.#isScheduled = false
    // The poll before may have used this turn up. The next poll makes those wait that find others waiting.
    for (const socket of this.#waiting) {
      if (this.#leftInTurn === 0) break
      this.#leftInTurn--
      this.#waiting.delete(socket)
      // As Node does at the end of the input. After an error `ws` cannot send the rest, and destroys the socket.
      socket.push(null)
      socket.read(0)
    }
    this.#leftInTurn = MAX_ENDS_A_TURN
    if (this.#waiting.size > 0) this.#schedule()
  }
}
