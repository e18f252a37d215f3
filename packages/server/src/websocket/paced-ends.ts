/**
 * Spreads the ends of connections over turns of the event loop. Node handles every end that one poll finds in one turn:
 * thousands, when a load balancer dies or thousands of clients answer a close. Each end costs what Node, `ws` and the session
 * do for it, 50 µs and more. A bounded number of ends is handled in each turn; the others wait for the next turns, in order.
 */
import type { Duplex } from 'node:stream'
import type { Clock } from '../clock.js'
import { invariant } from '../invariant.js'
import { OncePerTurn } from '../once-per-turn.js'

/** So many ends are handled in one turn. */
const MAX_ENDS_A_TURN = 128

/** The connection whose end waits. */
export interface EndingConnection {
  /** Nothing more arrives from the peer; `PacedEnds` ends the readable side in one of the next turns. */
  onEndDue(): void
}

/**
 * The part of a socket that reads. Node documents neither it nor another way to learn of an end before it is handled
 * (docs/adr/0022).
 */
interface ReadHandle {
  /** Node calls this for each part that it has read; without a part at the end of the input or after an error. */
  onread: (this: ReadHandle, part: ArrayBuffer | undefined) => unknown
  /** Not 0: nothing can be read any more, because of an error. */
  readStart(): number
  readStop(): number
  [WATCHED]?: Watched
}

/** What a handle carries, so that all sockets share one function in place of Node's own. */
interface Watched {
  readonly ends: PacedEnds
  readonly socket: Duplex
  readonly connection: EndingConnection
  readonly onread: ReadHandle['onread']
}

const WATCHED = Symbol('watched')

interface WithHandle {
  readonly _handle?: Partial<ReadHandle> | null
}

export class PacedEnds {
  readonly #waiting = new Map<Duplex, ReadHandle>()
  #leftInTurn = MAX_ENDS_A_TURN
  readonly #next: OncePerTurn

  constructor(clock: Pick<Clock, 'soon'>) {
    this.#next = new OncePerTurn(clock, () => this.#nextTurn())
  }

  /** Paces the end of this socket. A socket without the handle of Node (a stream of an application) ends by itself. */
  watch(socket: Duplex, connection: EndingConnection): void {
    const handle = (socket as Duplex & WithHandle)._handle
    if (!isReadHandle(handle)) return
    handle[WATCHED] = { ends: this, socket, connection, onread: handle.onread }
    handle.onread = readPaced
  }

  /** The input of this socket has ended. Returns whether this turn has room for that; if not, the end waits. */
  take({ socket, connection }: Watched, handle: ReadHandle): boolean {
    this.#next.schedule()
    if (this.#waiting.size === 0 && this.#leftInTurn > 0) {
      this.#leftInTurn--
      return true
    }
    this.#waiting.set(socket, handle)
    connection.onEndDue()
    return false
  }

  /** The connection has ended in another way. */
  forget(socket: Duplex): void {
    this.#waiting.delete(socket)
  }

  #nextTurn(): void {
    // The poll before may have used this turn up. The next poll makes those wait that find others waiting.
    for (const [socket, handle] of this.#waiting) {
      if (this.#leftInTurn === 0) break
      this.#leftInTurn--
      this.#waiting.delete(socket)
      end(socket, handle)
    }
    this.#leftInTurn = MAX_ENDS_A_TURN
    if (this.#waiting.size > 0) this.#next.schedule()
  }
}

function readPaced(this: ReadHandle, part: ArrayBuffer | undefined): unknown {
  const watched = this[WATCHED]
  invariant(watched, 'a watched handle knows its connection')
  if (part === undefined && !watched.ends.take(watched, this)) return undefined
  return watched.onread.call(this, part)
}

const isReadHandle = (handle: Partial<ReadHandle> | null | undefined): handle is ReadHandle =>
  typeof handle?.onread === 'function' &&
  typeof handle.readStart === 'function' &&
  typeof handle.readStop === 'function'

/** As Node does: it ends the readable side at the end of the input, and destroys the socket after an error. */
function end(socket: Duplex, handle: ReadHandle): void {
  if (handle.readStart() !== 0) {
    // The peer has reset the connection. Over TLS an end of the writable side would wait for ever.
    socket.destroy()
    return
  }
  handle.readStop()
  socket.push(null)
  socket.read(0)
}
