/**
 * The connections that the primary has dealt to one worker and that this worker has not accepted yet. node:cluster waits
 * for that without a bound: a newcomer dealt to a worker that is stopped, or that ends before it accepts, would hang for
 * ever. node:cluster says nothing about this in its interface, so this reads the messages that it sends; where a later
 * Node sends others, nothing is hung up on.
 */
import type { ChildProcess } from 'node:child_process'
import { Socket } from 'node:net'

/** What node:cluster tells a worker with a connection, and what the worker answers. */
interface ClusterMessage {
  readonly cmd: 'NODE_CLUSTER'
  /** `newconn`: the connection comes with it. */
  readonly act?: string
  readonly seq?: number
  /** The `seq` that is answered. */
  readonly ack?: number
}

export class DealtConnections {
  /** Handles of connections that have not been accepted, by the number of the message. */
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
   * Ends them: clients try again, and come to another worker. A worker that goes on later finds connections that have
   * ended.
   */
  hangUp(): void {
    for (const handle of this.#waiting.values()) {
      const options = { handle, pauseOnCreate: true, allowHalfOpen: true }
      const socket = new Socket(options).on('error', () => undefined)
      // The worker may have a copy of the descriptor: closing this one alone would tell the client nothing.
      socket.end(() => socket.destroy())
    }
    this.#waiting.clear()
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const isClusterMessage = (message: unknown): message is ClusterMessage =>
  isObject(message) && 'cmd' in message && message.cmd === 'NODE_CLUSTER'
