/**
 * The journal of a run, and how each server reaches it: a folder that all of them share, or a broker, each through a line of
 * its own that fails like those of the clients.
 */
import { join } from 'node:path'
import { RabbitBroker } from './rabbit-broker.mjs'
import { RedisBroker } from './redis-broker.mjs'
import { drawFate, FaultProxy } from './fault-proxy.js'

const BROKERS = { redis: RedisBroker, rabbit: RabbitBroker }

export const JOURNALS = ['file', ...Object.keys(BROKERS)]

/** Lines between machines of one place are better than those of the clients. */
const LINE = { none: 6, refuse: 1, silence: 0.3, cut: 3, stall: 2, 'half-close': 1 }

/** One server's line to the broker. */
class Link {
  isCut = false
  #broker

  constructor(name, broker, random, onFault) {
    this.name = name
    this.#broker = broker
    let count = 0
    this.proxy = new FaultProxy({
      target: () => (this.isCut ? undefined : broker.port),
      nextFate: () => drawFate(random.fork(String(++count)), LINE),
      onFault: (what) => onFault(`journal ${what}`),
    })
  }

  async open() {
    this.url = this.#broker.urlBy(await this.proxy.listen())
  }

  /** Nothing passes until `isCut` is false again. */
  cut() {
    this.isCut = true
    this.proxy.outage('rst')
  }
}

/**
 * @param {object} options
 * @param {'file' | 'redis' | 'rabbit'} options.kind
 * @param {string} options.folder Of this run.
 * @param {readonly string[]} options.names The servers.
 * @param {object} options.random
 * @param {(what: string) => void} options.onFault
 */
export async function openJournal({ kind, folder, names, random, onFault }) {
  if (kind === 'file') {
    const env = { JOURNAL_URL: `file:${join(folder, 'journal')}` }
    return { broker: undefined, links: [], envOf: () => env, close: async () => undefined }
  }
  const broker = await startBroker(kind)
  const links = names.map((name) => new Link(name, broker, random.fork(name), onFault))
  for (const link of links) await link.open()
  return {
    broker,
    links,
    envOf: (name) => ({ JOURNAL_URL: links.find((link) => link.name === name).url }),
    async close() {
      await Promise.all(links.map(({ proxy }) => proxy.close()))
      await broker.dispose()
    },
  }
}

/** @returns `undefined` for a file. */
export const startBroker = async (kind) => (kind === 'file' ? undefined : await BROKERS[kind].start())

/** What is shared by several runs ends. */
export const endBrokers = () => RabbitBroker.end()
