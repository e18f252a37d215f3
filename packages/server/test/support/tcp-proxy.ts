/**
 * A TCP proxy of 127.0.0.1 whose connections a test can cut, stall, half-close, or refuse.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

interface Pair {
  readonly near: Socket
  readonly far: Socket
}

export class TcpProxy {
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  #targetPort: number
  #isStalled = false
  #refuses = false

  private constructor(targetPort: number) {
    this.#targetPort = targetPort
    this.#server = createServer((near) => this.#join(near, connect(this.#targetPort, '127.0.0.1')))
  }

  static async to(targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get connectionCount(): number {
    return this.#pairs.size
  }

  #join(near: Socket, far: Socket): void {
    if (this.#refuses) {
      near.destroy()
      far.destroy()
      return
    }
    const pair = { near, far }
    this.#pairs.add(pair)
    const end = (): void => {
      this.#pairs.delete(pair)
      near.destroy()
      far.destroy()
    }
    for (const socket of [near, far]) socket.on('error', end).on('close', end)
    if (this.#isStalled) return
    near.pipe(far)
    far.pipe(near)
  }

  /** New connections go to this port. */
  redirect(targetPort: number): void {
    this.#targetPort = targetPort
  }

  /** Ends all connections with a reset. New ones are accepted, unless `refuse` was called. */
  cut(): void {
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
  }

  /** No byte passes from now on, in either direction, on old and new connections; none of them ends. */
  stall(): void {
    this.#isStalled = true
    for (const { near, far } of this.#pairs) {
      near.unpipe().pause()
      far.unpipe().pause()
    }
  }

  /** Passes the delayed bytes on, and all that follow. */
  resume(): void {
    this.#isStalled = false
    for (const { near, far } of this.#pairs) {
      near.pipe(far)
      far.pipe(near)
    }
  }

  /** Holds back what the target sends, and lets pass what is sent to it. */
  stallAnswers(): void {
    for (const { far } of this.#pairs) far.unpipe().pause()
  }

  /** Holds back what the target sends on the newest connection. */
  stallNewestAnswers(): void {
    const newest = [...this.#pairs].at(-1)
    newest?.far.unpipe().pause()
  }

  /** The clients read an end, and may go on writing to a peer that does not listen. */
  halfClose(): void {
    for (const { near, far } of this.#pairs) {
      near.unpipe().pause()
      far.unpipe()
      near.end()
    }
  }

  /** Cuts all connections, and new ones, until `accept` is called. */
  refuse(): void {
    this.#refuses = true
    this.cut()
  }

  accept(): void {
    this.#refuses = false
  }

  async close(): Promise<void> {
    this.refuse()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
