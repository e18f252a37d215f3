/**
 * Redis journals for the contract suite: each place is a key of its own. One server serves all places; REDIS_URL names a
 * running one to use instead.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { createClient, RESP_TYPES } from '@redis/client'
import type { Journal } from '../../src/journal/journal.js'
import { openJournal } from '../../src/journal/open-journal.js'
import {
  UNLIMITED,
  messages,
  type JournalFaults,
  type JournalPlace,
  type OpenOptions,
} from '../../src/testing/index.js'
import { systemClock } from '../../src/clock.js'
import { TcpProxy } from '../support/tcp-proxy.js'

const makeAdmin = (url: string) =>
  createClient({
    url,
    RESP: 2,
    maintNotifications: 'disabled',
    commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  })

export class RedisPlace implements JournalPlace {
  readonly key = `lastcall-test:${randomUUID()}`
  readonly #url: URL
  readonly #admin: ReturnType<typeof makeAdmin>
  readonly #proxies: TcpProxy[] = []
  readonly #journals: Journal[] = []

  /** @param url of the server, without a key. */
  constructor(url: string) {
    this.#url = new URL(url)
    this.#admin = makeAdmin(url)
  }

  /** Through a proxy of its own. */
  async open({ retention, clock }: OpenOptions): Promise<Journal> {
    const proxy = await TcpProxy.to(Number(this.#url.port || 6379))
    this.#proxies.push(proxy)
    const url = new URL(this.#url)
    url.hostname = '127.0.0.1'
    url.port = String(proxy.port)
    url.searchParams.set('key', this.key)
    const journal = await openJournal(url.href, { retention, clock })
    this.#journals.push(journal)
    return journal
  }

  async #command(...args: (string | Buffer)[]): Promise<unknown> {
    if (!this.#admin.isOpen) await this.#admin.connect()
    return this.#admin.sendCommand<unknown>(args)
  }

  readonly faults: Partial<JournalFaults> = {
    save: async () => {
      const dump = await this.#command('DUMP', this.key)
      if (!Buffer.isBuffer(dump)) throw new Error('there is nothing to save')
      return async () => {
        await this.#command('RESTORE', this.key, '0', dump, 'REPLACE')
        for (const proxy of this.#proxies) proxy.cut()
      }
    },
    cutOff: () => {
      const proxies = [...this.#proxies]
      for (const proxy of proxies) proxy.refuse()
      return Promise.resolve(() => {
        for (const proxy of proxies) proxy.accept()
        return Promise.resolve()
      })
    },
    empty: async () => {
      await this.#command('DEL', this.key)
    },
    outrun: async () => {
      const proxies = [...this.#proxies]
      for (const proxy of proxies) proxy.refuse()
      const other = await this.open({ retention: UNLIMITED, clock: systemClock })
      await other.append(messages(300))
      await this.#command('XTRIM', this.key, 'MAXLEN', '10')
      for (const proxy of proxies) proxy.accept()
    },
    loseAnswer: async (append) => {
      const length = await this.#command('XLEN', this.key)
      for (const proxy of this.#proxies) proxy.stallAnswers()
      const appending = append()
      const settled = appending.catch(() => undefined)
      while ((await this.#command('XLEN', this.key)) === length) await setTimeout(1)
      for (const proxy of this.#proxies) proxy.cut()
      await settled
      return appending
    },
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#journals.map((journal) => journal.close()))
    await this.#command('DEL', this.key)
    this.#admin.destroy()
    await Promise.all(this.#proxies.map((proxy) => proxy.close()))
  }
}
