/**
 * The connections that the primary has dealt to one worker and that this worker has not accepted yet. node:cluster waits for
 * that without a bound: a client that is dealt to a stopped worker, or to one that ends before it accepts, would hang for ever.
 * node:cluster has no interface for this, so this class reads its internal messages; where a later Node sends other messages,
 * the class closes no connection.
 */
import type { ChildProcess } from 'node:child_process'
import { Socket } from 'node:net'

/** The message with which node:cluster deals a connection, and the worker's answer. */
interface ClusterMessage {
  readonly cmd: 'NODE_CLUSTER'
  /** `newconn`: the message carries a connection. */
  readonly act?: string
  readonly seq?: number
  /** The `seq` of the message that this one answers. */
  readonly ack?: number
}

export class DealtConnections {
  /** Handles of connections that the worker has not accepted, by the `seq` of the message. */
  readonly #waiting = new Map<number, object>()

  constructor(process: ChildProcess) {
    const send = process.send.bind(process)
    const observed = (...parameters: readonly unknown[]): boolean => {
      const [message, handle] = parameters
      if (isClusterMessage(message) && message.act === 'newconn' && message.seq !== undefined && isObject(handle)) {
        this.#waiting.set(message.seq, handle)
      }
      return Reflect.apply(send, process, parameters) as boolean
    }
    process.send = observed
    process.on('internalMessage', (message: unknown) => {
      if (isClusterMessage(message) && message.ack !== undefined) this.#waiting.delete(message.ack)
    })
  }

  /**
   * Closes these connections, so that the clients reconnect and reach another worker. A worker that continues later finds them
   * closed.
   */
  hangUp(): void {
    for (const handle of this.#waiting.values()) {
      const options = { handle, pauseOnCreate: true, allowHalfOpen: true }
      const socket = new Socket(options).on('error', () => undefined)
      // The worker may have a copy of the descriptor: closing only this one would send the client nothing.
      socket.end(() => socket.destroy())
    }
    this.#waiting.clear()
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const isClusterMessage = (message: unknown): message is ClusterMessage =>
  isObject(message) && 'cmd' in message && message.cmd === 'NODE_CLUSTER'
