/**
 * The RabbitMQ of all runs, because it takes many seconds to start: each run has a queue of its own. And its faults.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { RabbitServer } from '../../packages/server/test/support/rabbitmq-server.js'

let shared: Promise<RabbitServer> | undefined

export type RabbitFault = 'restart' | 'pause' | 'memory' | 'disk' | 'delete'

export class RabbitBroker {
  readonly kind = 'rabbit'
  /** By weight. */
  readonly faults: Readonly<Record<RabbitFault, number>> = { restart: 1, pause: 3, memory: 2, disk: 2, delete: 1 }
  /** The faults after which confirmed entries are gone. */
  readonly losses: ReadonlySet<string> = new Set<RabbitFault>(['delete'])
  readonly #server: RabbitServer
  readonly #queue = `chaos-${randomBytes(6).toString('hex')}`

  private constructor(server: RabbitServer) {
    this.#server = server
  }

  static async start(): Promise<RabbitBroker> {
    shared ??= RabbitServer.start()
    return new RabbitBroker(await shared)
  }

  get port(): number {
    return this.#server.port
  }

  urlBy(port: number): string {
    return this.#server.url(this.#queue, port)
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    await this.#server.kill()
  }

  /** With everything that it stored. */
  async start(): Promise<void> {
    await this.#server.start()
  }

  async pause(forMs: number): Promise<void> {
    this.#server.pause()
    await sleep(forMs)
    this.#server.resume()
  }

  /** `memory` or `disk`: RabbitMQ reads nothing from publishers. */
  async alarm(resource: 'memory' | 'disk', forMs: number): Promise<void> {
    this.#server.setAlarm(resource, true)
    await sleep(forMs)
    this.#server.setAlarm(resource, false)
  }

  /** Deletes the queue and its messages. */
  delete(): void {
    const name = `rabbit_misc:r(<<"/">>, queue, <<"${this.#queue}">>)`
    this.#server.evaluate(
      `case rabbit_amqqueue:lookup(${name}) of {ok, Q} -> rabbit_amqqueue:delete(Q, false, false, <<"chaos">>); _ -> none end`,
    )
  }

  /** The server stays for the next run. */
  dispose(): void {
    this.delete()
  }

  static async end(): Promise<void> {
    await (await shared)?.dispose()
  }
}
