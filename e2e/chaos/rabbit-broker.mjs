/**
 * The RabbitMQ of all runs, for it takes many seconds to start: each run has a queue of its own. What can happen to it.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { RabbitServer } from '../../packages/server/test/support/rabbitmq-server.js'

let shared

export class RabbitBroker {
  #server
  #queue = `chaos-${randomBytes(6).toString('hex')}`

  static async start() {
    shared ??= RabbitServer.start()
    const broker = new RabbitBroker()
    broker.#server = await shared
    return broker
  }

  faults = { restart: 1, pause: 3, memory: 2, disk: 2, delete: 1 }
  losses = new Set(['delete'])

  get port() {
    return this.#server.port
  }

  urlBy(port) {
    return this.#server.url(this.#queue, port)
  }

  /** `kill -9`. */
  async kill() {
    await this.#server.kill()
  }

  /** With everything that it had. */
  async start() {
    await this.#server.start()
  }

  async pause(forMs) {
    this.#server.pause()
    await sleep(forMs)
    this.#server.resume()
  }

  /** `memory` or `disk`: RabbitMQ reads nothing from publishers. */
  async alarm(resource, forMs) {
    this.#server.setAlarm(resource, true)
    await sleep(forMs)
    this.#server.setAlarm(resource, false)
  }

  /** The queue, with everything in it. */
  async delete() {
    const name = `rabbit_misc:r(<<"/">>, queue, <<"${this.#queue}">>)`
    this.#server.evaluate(
      `case rabbit_amqqueue:lookup(${name}) of {ok, Q} -> rabbit_amqqueue:delete(Q, false, false, <<"chaos">>); _ -> none end`,
    )
  }

  /** The server stays for the next run. */
  async dispose() {
    await this.delete()
  }

  static async end() {
    await (await shared)?.dispose()
  }
}
