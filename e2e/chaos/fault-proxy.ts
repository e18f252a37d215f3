/**
 * A TCP proxy that treats connections as networks do: delays, cuts into pieces, stalls, half-closes, and cuts off, in the
 * middle of a frame as likely as anywhere. What it does to which connection is drawn from a seeded source. It holds
 * one chunk per direction and no more: who does not read is not read for.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { Random } from './random.js'

type Fault = 'none' | 'refuse' | 'silence' | 'cut' | 'stall' | 'half-close'
/** `up`: towards the server. */
type Direction = 'up' | 'down'
/** How a connection is cut. */
export type CutBy = 'fin' | 'rst'

/** The fault that the proxy applies to a connection. `afterBytes` counts in the fault's direction, so a fault may never occur. */
export interface Fate {
  /** `silence`: accepted, and nothing passes. */
  readonly fault: Fault
  /** A cut ends both. */
  readonly direction: Direction | 'both'
  readonly afterBytes: number
  readonly by: CutBy
  /** `Infinity`: until somebody gives up. */
  readonly stallMs: number
  /** Sees what comes; how much of it still passes before the fault, `Infinity`: no fault yet. */
  readonly watch?: (direction: Direction, chunk: Buffer) => number
  /** Of the next piece; 0: none. */
  readonly delayMs: () => number
  /** The size of the next piece; `Infinity`: as it came. */
  readonly pieceBytes: () => number
}

export type FaultWeights = Readonly<Partial<Record<Fault, number>>>

export function drawFate(random: Random, weights: FaultWeights): Fate {
  const fault = random.weighted(weights)
  const afterBytes = random.magnitude(1, 100_000)
  const pieces = random.fork(String(random.next()))
  const slowness = random.weighted({ none: 6, little: 3, much: 1 })
  const isTorn = random.chance(0.2)
  return {
    fault,
    afterBytes,
    direction: random.pick(['up', 'down', 'both'] as const),
    by: random.pick(['fin', 'rst'] as const),
    stallMs: random.chance(0.3) ? Infinity : random.magnitude(50, 4000),
    delayMs: () => (slowness === 'none' ? 0 : pieces.magnitude(1, slowness === 'little' ? 10 : 80)),
    pieceBytes: () => (isTorn ? pieces.magnitude(1, 4000) : Infinity),
  }
}

/** As networks are: most connections live for a while. */
export const ROUGH: Readonly<Record<Fault, number>> = {
  none: 3,
  refuse: 1,
  silence: 0.5,
  cut: 6,
  stall: 3,
  'half-close': 2,
}

/** As networks should be. */
export const CALM: Fate = {
  fault: 'none',
  afterBytes: Infinity,
  direction: 'both',
  by: 'fin',
  stallMs: 0,
  delayMs: () => 0,
  pieceBytes: () => Infinity,
}

export interface FaultProxyOptions {
  /** The port to connect to; `undefined`: nobody is there. */
  readonly target: () => number | undefined
  /** Of the connection that just came. */
  readonly nextFate: () => Fate
  /** Told of each fault as it happens. */
  readonly onFault?: ((what: string) => void) | undefined
}

export class FaultProxy {
  readonly #target: () => number | undefined
  readonly #nextFate: () => Fate
  readonly #onFault: (what: string) => void
  readonly #connections = new Set<ProxiedConnection>()
  #isCalm = false
  readonly #server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket))

  constructor({ target, nextFate, onFault = () => undefined }: FaultProxyOptions) {
    this.#target = target
    this.#nextFate = nextFate
    this.#onFault = onFault
  }

  /** Resolves with its port. */
  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
    return address.port
  }

  /** Connections that are open. */
  get size(): number {
    return this.#connections.size
  }

  /** Cuts everything off, as when a line goes down. */
  outage(by: CutBy): void {
    for (const connection of [...this.#connections]) {
      this.#onFault('outage')
      connection.cut(by)
    }
  }

  /** No faults any more: those that have one are cut, and whoever comes from now on has none. */
  calm(): void {
    this.#isCalm = true
    for (const connection of [...this.#connections]) connection.cut('rst')
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const connection of [...this.#connections]) connection.cut('rst')
    await once(this.#server, 'close')
  }

  #accept(client: Socket): void {
    const fate = this.#isCalm ? CALM : this.#nextFate()
    const port = this.#target()
    client.on('error', () => undefined)
    if (port === undefined || fate.fault === 'refuse') {
      if (port !== undefined) this.#onFault('refuse')
      reset(client)
      return
    }
    const server = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const connection = new ProxiedConnection(client, server, fate, this.#onFault)
    this.#connections.add(connection)
    connection.onGone = () => this.#connections.delete(connection)
  }
}

class ProxiedConnection {
  readonly #client: Socket
  readonly #server: Socket
  #open = 2
  onGone: () => void = () => undefined

  constructor(client: Socket, server: Socket, fate: Fate, onFault: (what: string) => void) {
    this.#client = client
    this.#server = server
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.on('error', () => reset(other))
      socket.on('close', () => {
        // What has been written to the other one still leaves; a reset has been passed on already.
        if (!other.destroyed && !other.writableEnded) other.end()
        if (--this.#open === 0) this.onGone()
      })
    }
    const shared = { isOver: false }
    for (const [direction, from, to] of [
      ['up', client, server],
      ['down', server, client],
    ] as const) {
      const concerned = fate.direction === direction || fate.direction === 'both'
      const pipe = new Pipe(from, to, fate, {
        direction,
        faultAfter: concerned && fate.fault !== 'none' ? (fate.fault === 'silence' ? 0 : fate.afterBytes) : Infinity,
        onFault: () => this.#fault(fate, to, shared, onFault),
      })
      void pipe.run()
    }
  }

  /** `true`: the direction goes on; a promise: it does so later; `false`: it is over. */
  #fault(
    fate: Fate,
    to: Socket,
    shared: { isOver: boolean },
    onFault: (what: string) => void,
  ): boolean | Promise<boolean> {
    const isFirst = !shared.isOver
    shared.isOver = true
    switch (fate.fault) {
      case 'silence':
        if (isFirst) onFault('silence')
        return new Promise(() => undefined)
      case 'stall':
        if (isFirst) onFault('stall')
        if (fate.stallMs === Infinity) return new Promise(() => undefined)
        return new Promise((resolve) => setTimeout(() => resolve(true), fate.stallMs).unref())
      case 'half-close':
        if (isFirst) onFault('half-close')
        if (isFirst) to.end()
        return !isFirst
      default:
        if (isFirst) onFault(`cut-${fate.by}`)
        this.cut(fate.by)
        return false
    }
  }

  cut(by: CutBy): void {
    for (const socket of [this.#client, this.#server]) {
      if (by === 'rst') reset(socket)
      else {
        // An end that the peer sees as one, although it may still have something to say.
        socket.end()
        socket.once('finish', () => socket.destroy())
        if (socket.writableFinished || socket.connecting) socket.destroy()
      }
    }
  }
}

/** A reset and nothing else: `resetAndDestroy` says an orderly goodbye first, and waits for what is to be written. */
function reset(socket: Socket): void {
  Object.assign(socket, { resetAndClosing: true })
  socket.destroy()
}

/** One direction. */
class Pipe {
  readonly #from: Socket
  readonly #to: Socket
  readonly #direction: Direction
  readonly #fate: Fate
  #faultAfter: number
  readonly #onFault: () => boolean | Promise<boolean>

  constructor(
    from: Socket,
    to: Socket,
    fate: Fate,
    {
      direction,
      faultAfter,
      onFault,
    }: {
      readonly direction: Direction
      readonly faultAfter: number
      readonly onFault: () => boolean | Promise<boolean>
    },
  ) {
    this.#direction = direction
    this.#from = from
    this.#to = to
    this.#fate = fate
    this.#faultAfter = faultAfter
    this.#onFault = onFault
  }

  async run(): Promise<void> {
    try {
      for await (const chunk of this.#from.iterator({ destroyOnReturn: false })) {
        if (Buffer.isBuffer(chunk) && (await this.#pass(chunk))) continue
        // What still comes goes nowhere, but its end is to be noticed.
        this.#from.on('data', () => undefined)
        return
      }
      if (!this.#to.writableEnded) this.#to.end()
    } catch {
      // The source has failed: its `error` has been passed on.
    }
  }

  /** Passes a chunk on, as far as the fate lets it. `false`: nothing more is to be passed. */
  async #pass(whole: Buffer): Promise<boolean> {
    let chunk = whole
    const { delayMs, pieceBytes, watch } = this.#fate
    if (watch) this.#faultAfter = Math.min(this.#faultAfter, watch(this.#direction, chunk))
    while (chunk.length > 0) {
      if (this.#faultAfter > 0) {
        const length = Math.min(chunk.length, pieceBytes(), this.#faultAfter)
        const delay = delayMs()
        if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay).unref())
        if (this.#to.writableEnded || this.#to.destroyed) return false
        const hasRoom = this.#to.write(chunk.subarray(0, length))
        if (!hasRoom) await drained(this.#to)
        this.#faultAfter -= length
        chunk = chunk.subarray(length)
      }
      if (this.#faultAfter > 0) continue
      this.#faultAfter = Infinity
      if (!(await this.#onFault())) return false
    }
    return true
  }
}

/** Resolves when there is room again, or there never will be. */
const drained = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.on('drain', done)
    socket.on('close', done)
    if (socket.destroyed || !socket.writableNeedDrain) done()
  })
