/**
 * What happens to the servers, to the lines between them and their broker, and to the broker itself. Several of these
 * happen at a time; but when a broker loses what it had confirmed, nothing else happens to it or to the servers, so that
 * the history has the exact place behind which entries are lost.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { observerOf } from './plan.mjs'
import { Turns } from './turns.mjs'

/** How long an instance may take to notice that the journal is another one. */
const NOTICE_TIMEOUT_MS = 10_000
const READ_TIMEOUT_MS = 10_000

export class Disasters {
  #servers
  #proxies
  #journal
  #history
  #turns = new Turns()
  /** name → how often */
  counts = new Map()

  /**
   * @param {object} options
   * @param {object} options.servers
   * @param {readonly object[]} options.proxies Those of the clients.
   * @param {object} options.journal
   * @param {object} options.history
   */
  constructor({ servers, proxies, journal, history }) {
    this.#servers = servers
    this.#proxies = proxies
    this.#journal = journal
    this.#history = history
  }

  #count(name) {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
  }

  /** One that concerns a server or the clients' lines. */
  async strikeServer(random) {
    const isCluster = this.#journal.broker !== undefined
    const what = random.weighted({ kill: 5, stop: 2, stopAndKill: 1, outage: 2, pause: isCluster ? 3 : 0 })
    const instance = random.pick(this.#servers.instances)
    if (what === 'outage') {
      const by = random.pick(['fin', 'rst'])
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

  /** One that concerns the line between a server and the broker. */
  async strikeLine(random) {
    const link = random.pick(this.#journal.links)
    const forMs = random.magnitude(50, 4000)
    await this.#turns.together(async () => {
      this.#count('line')
      link.isCut = random.chance(0.5)
      link.proxy.outage(random.pick(['fin', 'rst']))
      if (!link.isCut) return
      await sleep(forMs)
      link.isCut = false
    })
  }

  /** One that concerns the broker. */
  async strikeBroker(random) {
    const { broker } = this.#journal
    const what = random.weighted(broker.faults)
    this.#count(what)
    const strike = (action) => (broker.losses.has(what) ? this.#turns.alone(action) : this.#turns.together(action))
    await strike(() => this.#strikeBroker(what, broker, random))
  }

  async #strikeBroker(what, broker, random) {
    const lost = (fields, text) => this.#history.record({ type: 'broker', what: 'lost', ...fields, text })
    switch (what) {
      case 'restart':
        await broker.kill()
        await sleep(random.magnitude(20, 3000))
        return await broker.start()
      case 'pause':
        return await broker.pause(random.magnitude(50, 6000))
      case 'memory':
      case 'disk':
        return await broker.alarm(what, random.magnitude(50, 5000))
      case 'flush':
        lost({}, 'emptied')
        return await broker.flush()
      case 'delete':
        lost({}, 'deleted')
        return await broker.delete()
      default:
        return await this.#goBack(what, broker, random)
    }
  }

  /**
   * The broker comes back with less than it had confirmed, by an older snapshot or a replica that lagged. Sometimes just
   * one server that has read the rest is still there, and is cut off until the others have written on.
   */
  async #goBack(what, broker, random) {
    const { links } = this.#journal
    if (what === 'rollback') await broker.save()
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
      // What only the dead had read, nobody could ever know to be lost.
      if (!(await this.#hasReadAll(witness))) return await this.#callOff(what, broker)
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
      for (const { name } of others) links.find((link) => link.name === name).isCut = false
      await Promise.all(others.map((instance) => this.#servers.start(instance)))
      await sleep(random.magnitude(300, 3000))
    }
    const noticed = witness.process?.nextLogged('journal.epoch', NOTICE_TIMEOUT_MS)
    for (const link of links) link.isCut = false
    // Were it killed before it has noticed, nobody could know any more what is lost.
    if (isFork) await noticed
    this.#history.record({ type: 'broker', what: 'joined', text: 'every server may reach it' })
  }

  async #hasReadAll({ name }) {
    const deadline = performance.now() + READ_TIMEOUT_MS
    while (!this.#history.isAtHead(observerOf(name))) {
      if (performance.now() > deadline) return false
      await sleep(20)
    }
    return true
  }

  async #callOff(what, broker) {
    if (what === 'promote') broker.followAgain()
    await this.#servers.startAll()
  }

  /** From now on the lines between the servers and the broker have no faults. */
  calmLines() {
    for (const { proxy } of this.#journal.links) proxy.calm()
  }

  /** Resolves when all disasters that have begun are over. */
  async end() {
    await this.#turns.alone(() => undefined)
  }
}
