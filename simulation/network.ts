/**
 * The simulated network: connects clients to an instance that listens, as a load balancer does, and has the faults of each
 * client's line.
 */
import type { Random } from '#e2e/chaos/random.js'
import type { Instance } from './instance.js'
import { Pipe } from './pipe.js'
import type { Scheduler } from './scheduler.js'
import { ServerSocket } from './server-socket.js'

/** The client's side of a connection. */
export interface Peer {
  onOpen(): void
  /** The connection could not be established. */
  onRefused(): void
  onBytes(bytes: Buffer): void
  onEnd(): void
}

export interface LinePace {
  readonly delayMs: number
  readonly windowBytes: number
  readonly highWaterBytes: number
}

export interface NetworkOptions {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly instances: readonly Instance[]
  readonly pace: LinePace
}

/** One connection between a client and an instance. */
export class Line {
  readonly #scheduler: Scheduler
  readonly #pipes: { readonly up: Pipe; readonly down: Pipe }
  readonly #peer: Peer
  #server: ServerSocket | undefined
  /** Reports the end to the server's side, now or as soon as that accepts the connection. */
  #hasEnded = false

  constructor({ scheduler, random, pace }: NetworkOptions, peer: Peer) {
    this.#scheduler = scheduler
    this.#peer = peer
    const shared = { scheduler, random, ...pace }
    this.#pipes = {
      up: new Pipe({
        ...shared,
        onBytes: (bytes) => this.#server?.onBytes(bytes),
        onEnd: () => this.#ended(),
        onDrain: () => undefined,
      }),
      down: new Pipe({
        ...shared,
        onBytes: (bytes) => peer.onBytes(bytes),
        onEnd: () => peer.onEnd(),
        onDrain: () => this.#server?.onDrain(),
      }),
    }
  }

  accept(instance: Instance, highWaterBytes: number): ServerSocket {
    const { up, down } = this.#pipes
    const socket = new ServerSocket({ out: down, in: up }, highWaterBytes, instance.soon)
    this.#server = socket
    instance.own(socket)
    if (this.#hasEnded) instance.soon(() => socket.onEnd())
    return socket
  }

  /** The client sends. */
  write(bytes: Buffer): void {
    this.#pipes.up.write(bytes)
  }

  end(): void {
    this.#pipes.up.end()
  }

  /** Whether the client reads. */
  set isRead(isRead: boolean) {
    this.#pipes.down.isRead = isRead
  }

  /** Bytes that are under way are lost. `silent`: neither side learns of it. */
  cut(how: 'reset' | 'silent'): void {
    this.#pipes.up.cut()
    this.#pipes.down.cut()
    if (how === 'silent') return
    this.#scheduler.after(0, () => {
      this.#ended()
      this.#peer.onEnd()
    })
  }

  #ended(): void {
    this.#hasEnded = true
    this.#server?.onEnd()
  }

  stall(ms: number): void {
    this.#pipes.up.stall(ms)
    this.#pipes.down.stall(ms)
  }
}

/** Opens a connection to any instance that listens. */
export function openLine(options: NetworkOptions, url: string, peer: Peer): Line {
  const { scheduler, random, instances, pace } = options
  const line = new Line(options, peer)
  scheduler.after(pace.delayMs * (0.5 + random.next()), () => {
    const listening = instances.filter(({ listener }) => listener)
    const instance = listening.length > 0 ? random.pick(listening) : undefined
    const { pathname, search } = new URL(url)
    const reply = {
      accept: (callback: (socket: ServerSocket) => void): void => {
        const socket = instance && line.accept(instance, pace.highWaterBytes)
        if (!socket) return
        peer.onOpen()
        callback(socket)
      },
      reject: () => peer.onRefused(),
    }
    const handshake = { url: `${pathname}${search}`, headers: {}, remoteAddress: '192.0.2.1' }
    if (instance?.listener) instance.listener(handshake, reply, '/ws')
    else peer.onRefused()
  })
  return line
}
