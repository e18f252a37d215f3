/**
 * A queue of its own for each test on one RabbitMQ, and what can happen to it. Each journal reaches the server through a
 * proxy of its own.
 */
import { randomBytes } from 'node:crypto'
import { connect } from 'amqplib'
import { systemClock } from '../../src/clock.js'
import type { Journal } from '../../src/journal/journal.js'
import { openJournal } from '../../src/journal/open-journal.js'
import {
  messages,
  UNLIMITED,
  type JournalFaults,
  type JournalPlace,
  type OpenOptions,
} from '../../src/testing/index.js'
import type { RabbitServer } from '../support/rabbitmq-server.js'
import { TcpProxy } from '../support/tcp-proxy.js'

export class RabbitPlace implements JournalPlace {
  readonly queue = `test.${randomBytes(6).toString('hex')}`
  readonly #server: RabbitServer
  readonly #proxies: TcpProxy[] = []
  readonly #journals: Journal[] = []
  readonly faults: JournalFaults

  constructor(server: RabbitServer) {
    this.#server = server
    this.faults = {
      rollOver: async (append) => {
        for (let count = 0; count < 160; count++) await append()
      },
      save: () => Promise.resolve(server.save()),
      cutOff: () => {
        const proxies = [...this.#proxies]
        for (const proxy of proxies) proxy.refuse()
        return Promise.resolve(() => {
          for (const proxy of proxies) proxy.accept()
          return Promise.resolve()
        })
      },
      empty: () => this.deleteQueue(),
      outrun: () => this.#outrun(),
      loseAnswer: (append) => this.#loseAnswer(append),
    }
  }

  get proxies(): readonly TcpProxy[] {
    return this.#proxies
  }

  async open({ retention, clock }: Partial<OpenOptions> = {}): Promise<Journal> {
    const proxy = await TcpProxy.to(this.#server.port)
    this.#proxies.push(proxy)
    return this.openAt(this.#server.url(this.queue, proxy.port), {
      ...(retention && { retention }),
      ...(clock && { clock }),
    })
  }

  async openAt(url: string, { retention, clock }: Partial<OpenOptions> = {}): Promise<Journal> {
    // After a restart the server opens its port before it opens its queues: this waits for it.
    const journal = await openJournal(url, { retention: retention ?? UNLIMITED, clock: clock ?? systemClock })
    this.#journals.push(journal)
    return journal
  }

  async deleteQueue(): Promise<void> {
    const connection = await connect(`amqp://guest:guest@127.0.0.1:${this.#server.port}`)
    const channel = await connection.createChannel()
    channel.on('error', () => undefined)
    await channel.deleteQueue(this.queue)
    await connection.close()
  }

  /** The queue keeps 4 MiB, see argumentsFor. */
  async #outrun(): Promise<void> {
    const reconnect = await this.faults.cutOff()
    const retention = { ...UNLIMITED, maxBytes: 1024 * 1024 }
    const other = await this.openAt(this.#server.url(this.queue), { retention })
    for (let count = 0; count < 40; count++) await other.append(messages(10, 'x'.repeat(30_000)))
    await other.close()
    await reconnect()
  }

  async #loseAnswer(append: () => Promise<void>): Promise<void> {
    for (const proxy of this.#proxies) proxy.stallAnswers()
    try {
      await append()
    } finally {
      for (const proxy of this.#proxies) proxy.cut()
    }
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#journals.map((journal) => journal.close()))
    await Promise.all(this.#proxies.map((proxy) => proxy.close()))
    await this.deleteQueue()
  }
}
