/**
 * The journal of a run, and how each server reaches it: a folder that all of them share, or a broker. Each server has a line of
 * its own to the broker, which fails like those of the clients.
 */
import { join } from 'node:path'
import { drawFate, FaultProxy, type FaultWeights } from './fault-proxy.js'
import { RabbitBroker } from './rabbit-broker.js'
import type { Random } from './random.js'
import { RedisBroker } from './redis-broker.js'

export const JOURNALS = ['file', 'redis', 'rabbit'] as const
export type JournalKind = (typeof JOURNALS)[number]
export type Broker = RedisBroker | RabbitBroker

export const isJournalKind = (name: string): name is JournalKind => JOURNALS.some((kind) => kind === name)

/** Lines between machines of one place are better than those of the clients. */
const LINE: FaultWeights = { none: 6, refuse: 1, silence: 0.3, cut: 3, stall: 2, 'half-close': 1 }

/** One server's line to the broker. */
class Link {
  isCut = false
  readonly name: string
  readonly proxy: FaultProxy
  readonly #broker: Broker

  constructor(name: string, broker: Broker, random: Random, onFault: (what: string) => void) {
    this.name = name
    this.#broker = broker
    let count = 0
    this.proxy = new FaultProxy({
      target: () => (this.isCut ? undefined : broker.port),
      nextFate: () => drawFate(random.fork(String(++count)), LINE),
      onFault: (what) => onFault(`journal ${what}`),
    })
  }

  /** Resolves with the JOURNAL_URL of this line. */
  async open(): Promise<string> {
    return this.#broker.urlBy(await this.proxy.listen())
  }

  /** Nothing passes until `isCut` is false again. */
  cut(): void {
    this.isCut = true
    this.proxy.outage('rst')
  }
}

export interface ChaosJournal {
  /** `undefined`: the journal is a file. */
  readonly broker: Broker | undefined
  readonly links: readonly Link[]
  /** The part of a server's configuration that names the journal. */
  readonly envOf: (server: string) => Readonly<Record<string, string>>
  readonly close: () => Promise<void>
}

export interface OpenJournalOptions {
  readonly kind: JournalKind
  /** Of this run. */
  readonly folder: string
  /** The servers. */
  readonly names: readonly string[]
  readonly random: Random
  readonly onFault: (what: string) => void
}

export async function openJournal({ kind, folder, names, random, onFault }: OpenJournalOptions): Promise<ChaosJournal> {
  const broker = await startBroker(kind)
  if (!broker) {
    const env = { JOURNAL_URL: `file:${join(folder, 'journal')}` }
    return { broker, links: [], envOf: () => env, close: () => Promise.resolve() }
  }
  const links = names.map((name) => new Link(name, broker, random.fork(name), onFault))
  const envs = new Map<string, Readonly<Record<string, string>>>()
  for (const link of links) envs.set(link.name, { JOURNAL_URL: await link.open() })
  return {
    broker,
    links,
    envOf: (name) => {
      const env = envs.get(name)
      if (!env) throw new Error(`the journal has no line to ${name}`)
      return env
    },
    close: async () => {
      await Promise.all(links.map(({ proxy }) => proxy.close()))
      await broker.dispose()
    },
  }
}

/** @returns `undefined` for a file. */
export async function startBroker(kind: JournalKind): Promise<Broker | undefined> {
  switch (kind) {
    case 'file':
      return undefined
    case 'redis':
      return await RedisBroker.start()
    case 'rabbit':
      return await RabbitBroker.start()
  }
}

/** Ends the broker that several runs share. */
export const endBrokers = (): Promise<void> => RabbitBroker.end()
