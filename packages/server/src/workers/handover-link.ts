/**
 * A worker's end of the handover: it sends connections to the primary, which passes them to another worker, and receives those
 * of others.
 */
import type { Clock } from '../clock.js'
import type { SocketHandle } from '../connections/transferable.js'
import type { HandoverOutcome, HandoverVerdict } from '../handover/phase.js'
import type { HandoverRecord } from '../handover/record.js'
import type { FromWorker } from './messages.js'

/** Continues a connection of another worker. */
export type Adopt = (record: unknown, handle: SocketHandle) => Promise<HandoverVerdict>

/** The channel to the primary, with sockets. `process` has it. */
export interface SocketChannel {
  readonly connected?: boolean
  send?(
    message: FromWorker,
    handle: unknown,
    options: { readonly keepOpen?: boolean } | undefined,
    callback: (error: Error | null) => void,
  ): boolean
}

export interface HandoverLinkOptions {
  readonly channel: SocketChannel
  readonly clock: Pick<Clock, 'every'>
  /** The primary has ended, and Node has not reported it. */
  readonly onPrimaryGone: () => void
}

/** The interval of the check whether the primary has ended, in milliseconds. */
const CHECK_EVERY_MS = 100

export class HandoverLink {
  readonly #options: HandoverLinkOptions
  /** The connections that were given away and whose outcome is not known. */
  readonly #pending = new Map<number, (outcome: HandoverOutcome) => void>()
  #lastId = 0
  #stopCheck: (() => void) | undefined
  /** `undefined`: this worker continues no connections. */
  adopt: Adopt | undefined

  constructor(options: HandoverLinkOptions) {
    this.#options = options
  }

  /** Gives a connection away. The caller keeps its own descriptor until the outcome is known. */
  hand(state: HandoverRecord, handle: SocketHandle): Promise<HandoverOutcome> {
    const { channel, clock } = this.#options
    const id = ++this.#lastId
    return new Promise((resolve) => {
      if (!channel.send || !channel.connected) return resolve('refused')
      this.#pending.set(id, resolve)
      // Node 20 does not emit `disconnect` while the primary has not acknowledged a socket.
      this.#stopCheck ??= clock.every(CHECK_EVERY_MS, () => this.#check())
      channel.send({ kind: 'hand', id, state }, handle, {}, (error) => {
        // The message did not leave this process: no other one has the socket.
        if (error) this.handed(id, 'refused')
      })
    })
  }

  /** The primary reports the outcome. */
  handed(id: number, outcome: HandoverOutcome): void {
    const resolve = this.#pending.get(id)
    this.#pending.delete(id)
    if (this.#pending.size === 0) this.#endCheck()
    resolve?.(outcome)
  }

  /** Another worker's connection arrives. `undefined` as the handle: the socket was lost on its way. */
  async receive(
    { id, state }: { readonly id: number; readonly state: unknown },
    handle: SocketHandle | undefined,
  ): Promise<Extract<FromWorker, { kind: 'adopted' }>> {
    const { adopt } = this
    if (adopt && handle) return { kind: 'adopted', id, verdict: await adopt(state, handle) }
    handle?.close()
    return { kind: 'adopted', id, verdict: 'refused' }
  }

  /** The primary has ended: another worker may have received each of these connections. */
  giveUp(): void {
    this.#endCheck()
    for (const id of [...this.#pending.keys()]) this.handed(id, 'lost')
  }

  #check(): void {
    if (this.#options.channel.connected) return
    this.giveUp()
    this.#options.onPrimaryGone()
  }

  #endCheck(): void {
    this.#stopCheck?.()
    this.#stopCheck = undefined
  }
}
