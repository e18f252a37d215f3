/**
 * The faults of the servers, of the lines between them and their broker, and of the broker itself. Several of these happen at
 * a time. While a broker loses confirmed entries, there is no other fault of the broker or of the servers, so that the history
 * has the exact place behind which entries are lost.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultProxy } from './fault-proxy.js'
import type { History } from './history.js'
import type { ChaosJournal } from './journals.js'
import { observerOf } from './plan.js'
import type { RabbitBroker, RabbitFault } from './rabbit-broker.js'
import type { Random } from './random.js'
import type { RedisBroker, RedisFault } from './redis-broker.js'
import type { Server, Servers } from './servers.js'
import { Turns } from './turns.js'

/** How long an instance may take to notice that the journal is another one. */
const NOTICE_TIMEOUT_MS = 10_000
const READ_TIMEOUT_MS = 10_000

export interface DisastersOptions {
  readonly servers: Servers
  /** Those of the clients. */
  readonly proxies: readonly FaultProxy[]
  readonly journal: ChaosJournal
  readonly history: History
}

export class Disasters {
  readonly #servers: Servers
  readonly #proxies: readonly FaultProxy[]
  readonly #journal: ChaosJournal
  readonly #history: History
  readonly #turns = new Turns()
  /** name → how often */
  readonly counts = new Map<string, number>()

  constructor({ servers, proxies, journal, history }: DisastersOptions) {
    this.#servers = servers
    this.#proxies = proxies
    this.#journal = journal
    this.#history = history
  }

  #count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
  }

  /** A fault of a server or of the clients' lines. */
  async strikeServer(random: Random): Promise<void> {
    const isCluster = this.#journal.broker !== undefined
    const what = random.weighted({ kill: 5, stop: 2, stopAndKill: 1, outage: 2, pause: isCluster ? 3 : 0 })
    const instance = random.pick(this.#servers.instances)
    if (what === 'outage') {
      const by = random.pick(['fin', 'rst'] as const)
      for (const proxy of this.#proxies) proxy.outage(by)
      return
    }
    await this.#turns.together(async () => {
      if (what === 'pause') {
        this.#count('pause of a server')
        await this.#servers.pause(instance, random.magnitude(50, 6000))
        return
      }
      if (what === 'kill') await this.#servers.kill(instance)
      else {
        const stopped = this.#servers.stop(instance)
        if (what === 'stopAndKill') {
          await Promise.race([stopped, sleep(random.between(1, 300))])
          await this.#servers.kill(instance)
        }
        await stopped
      }
      await sleep(random.magnitude(1, 500))
      await this.#servers.start(instance)
    })
  }

  /** A fault of the line between a server and the broker. */
  async strikeLine(random: Random): Promise<void> {
    const link = random.pick(this.#journal.links)
    const forMs = random.magnitude(50, 4000)
    await this.#turns.together(async () => {
      this.#count('line')
      link.isCut = random.chance(0.5)
      link.proxy.outage(random.pick(['fin', 'rst'] as const))
      if (!link.isCut) return
      await sleep(forMs)
      link.isCut = false
    })
  }

  /** A fault of the broker. */
  async strikeBroker(random: Random): Promise<void> {
    const { broker } = this.#journal
    if (broker?.kind === 'redis') {
      const fault = random.weighted(broker.faults)
      await this.#strike(fault, broker, () => this.#strikeRedis(fault, broker, random))
    } else if (broker) {
      const fault = random.weighted(broker.faults)
      await this.#strike(fault, broker, () => this.#strikeRabbit(fault, broker, random))
    }
  }

  async #strike(fault: string, broker: RedisBroker | RabbitBroker, action: () => Promise<void>): Promise<void> {
    this.#count(fault)
    if (broker.losses.has(fault)) await this.#turns.alone(action)
    else await this.#turns.together(action)
  }

  async #strikeRedis(fault: RedisFault, broker: RedisBroker, random: Random): Promise<void> {
    switch (fault) {
      case 'restart':
        await restart(broker, random)
        break
      case 'pause':
        await broker.pause(random.magnitude(50, 6000))
        break
      case 'flush':
        this.#history.record({ type: 'broker', what: 'lost', text: 'emptied' })
        await broker.flush()
        break
      case 'rollback':
      case 'promote':
        await this.#goBack(fault, broker, random)
    }
  }

  async #strikeRabbit(fault: RabbitFault, broker: RabbitBroker, random: Random): Promise<void> {
    switch (fault) {
      case 'restart':
        await restart(broker, random)
        break
      case 'pause':
        await broker.pause(random.magnitude(50, 6000))
        break
      case 'memory':
      case 'disk':
        await broker.alarm(fault, random.magnitude(50, 5000))
        break
      case 'delete':
        this.#history.record({ type: 'broker', what: 'lost', text: 'deleted' })
        broker.delete()
    }
  }

  /**
   * The broker restarts with less than it had confirmed, from an older snapshot or as a replica that lagged. Sometimes only one
   * server that has read the rest still runs, and is cut off until the others have appended entries.
   */
  async #goBack(what: 'rollback' | 'promote', broker: RedisBroker, random: Random): Promise<void> {
    const { links } = this.#journal
    if (what === 'rollback') broker.save()
    else {
      await broker.replicated()
      broker.holdReplica()
    }
    await sleep(random.magnitude(100, 1500))
    const isFork = random.chance(0.6)
    const witness = random.pick(this.#servers.instances)
    const others = this.#servers.instances.filter((instance) => instance !== witness)
    if (isFork) {
      await Promise.all(others.map((instance) => this.#servers.kill(instance)))
      // No server could ever know of the loss of entries that only the killed servers had read.
      if (!(await this.#hasReadAll(witness))) {
        await this.#callOff(what, broker)
        return
      }
    }
    for (const link of links) link.cut()
    const head = await (what === 'rollback' ? broker.rollBack() : broker.promote())
    this.#history.record({
      type: 'broker',
      what: 'lost',
      ...head,
      text: `${what}${isFork ? ', seen by one server' : ''}`,
    })
    if (isFork) {
      for (const link of links) if (link.name !== witness.name) link.isCut = false
      await Promise.all(others.map((instance) => this.#servers.start(instance)))
      await sleep(random.magnitude(300, 3000))
    }
    const noticed = witness.process?.nextLogged('journal.epoch', NOTICE_TIMEOUT_MS)
    for (const link of links) link.isCut = false
    // If the server were killed before it has noticed, no server could know of the loss.
    if (isFork) await noticed
    this.#history.record({ type: 'broker', what: 'joined', text: 'every server may reach it' })
  }

  async #hasReadAll({ name }: Server): Promise<boolean> {
    const deadline = performance.now() + READ_TIMEOUT_MS
    while (!this.#history.isAtHead(observerOf(name))) {
      if (performance.now() > deadline) return false
      await sleep(20)
    }
    return true
  }

  async #callOff(what: 'rollback' | 'promote', broker: RedisBroker): Promise<void> {
    if (what === 'promote') broker.followAgain()
    await this.#servers.startAll()
  }

  /** From now on the lines between the servers and the broker have no faults. */
  calmLines(): void {
    for (const { proxy } of this.#journal.links) proxy.calm()
  }

  /** Resolves when all disasters that have begun are over. */
  async end(): Promise<void> {
    await this.#turns.alone(() => undefined)
  }
}

async function restart(broker: RedisBroker | RabbitBroker, random: Random): Promise<void> {
  await broker.kill()
  await sleep(random.magnitude(20, 3000))
  await broker.start()
}
