/**
 * The Redis of a run: a server of its own with a replica that receives everything through a line of its own, and what can
 * happen to them. Every acknowledged write is on the disk, so that `kill -9` loses nothing. With REDIS_URL a running server
 * takes their place, to which nothing is done.
 */
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CALM, FaultProxy } from './fault-proxy.js'
import { RedisServer } from '../../packages/server/test/support/redis-server.js'

/** The instances and the test itself tell one journal from another by this. */
const KEY = '{lastcall}:chaos'
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always', '--repl-diskless-sync-delay', '0']
const APPEND_ONLY = 'appendonlydir'
const TIMEOUT_MS = 30_000

export class RedisBroker {
  /** The server that instances are connected with, and its replica. */
  #primary
  #replica
  #line
  #isLineOpen = true
  #saved

  static async start() {
    const broker = new RedisBroker()
    broker.#primary = await RedisServer.start(...DURABLE)
    broker.#replica = await RedisServer.start(...DURABLE)
    broker.#line = new FaultProxy({
      target: () => (broker.#isLineOpen ? broker.#primary.port : undefined),
      nextFate: () => CALM,
    })
    broker.linePort = await broker.#line.listen()
    await broker.#replicate()
    return broker
  }

  /** What may happen to it, by weight; `loss`: entries that were confirmed are gone. */
  faults = { restart: 3, pause: 2, flush: 1, rollback: 2, promote: 2 }
  losses = new Set(['flush', 'rollback', 'promote'])

  /** Where it is to be found, directly. */
  get port() {
    return this.#primary.port
  }

  /** JOURNAL_URL through this port. */
  urlBy(port) {
    return `redis://127.0.0.1:${port}/0?key=${encodeURIComponent(KEY)}`
  }

  /** `kill -9`. */
  async kill() {
    await this.#primary.kill()
  }

  /** With everything that it had. */
  async start() {
    await this.#primary.start()
  }

  async pause(forMs) {
    this.#primary.signal('SIGSTOP')
    await sleep(forMs)
    this.#primary.signal('SIGCONT')
  }

  /** Empties it. */
  async flush() {
    await this.#primary.command('FLUSHALL')
  }

  /** Remembers what is in it now, for `rollBack`. */
  async save() {
    this.#primary.signal('SIGSTOP')
    this.#saved = join(this.#primary.folder, 'saved')
    rmSync(this.#saved, { recursive: true, force: true })
    cpSync(join(this.#primary.folder, APPEND_ONLY), this.#saved, { recursive: true })
    this.#primary.signal('SIGCONT')
  }

  /** Kills it, and starts it with what was in it at `save`. Resolves with its head. Nobody is to be connected. */
  async rollBack() {
    const live = join(this.#primary.folder, APPEND_ONLY)
    await this.#primary.kill()
    rmSync(live, { recursive: true, force: true })
    cpSync(this.#saved, live, { recursive: true })
    await this.#primary.start()
    return await this.#head()
  }

  /** From now on the replica receives nothing. */
  holdReplica() {
    this.#isLineOpen = false
    this.#line.outage('rst')
  }

  followAgain() {
    this.#isLineOpen = true
  }

  /** Kills the primary; the replica takes its place, and it becomes the replica. Resolves with the new head. */
  async promote() {
    const former = this.#primary
    await former.kill()
    await this.#replica.command('REPLICAOF', 'NO', 'ONE')
    this.#primary = this.#replica
    this.#replica = former
    const head = await this.#head()
    rmSync(join(former.folder, APPEND_ONLY), { recursive: true, force: true })
    await former.start()
    this.#isLineOpen = true
    void this.#replicate()
    return head
  }

  async #replicate() {
    await this.#replica.command('REPLICAOF', '127.0.0.1', String(this.linePort))
  }

  /** Resolves when the replica has what there was. */
  async replicated() {
    const deadline = performance.now() + TIMEOUT_MS
    for (;;) {
      const info = String(await this.#replica.command('INFO', 'replication'))
      if (info.includes('master_link_status:up')) return
      if (performance.now() > deadline) throw new Error(`the replica does not follow:\n${info}`)
      await sleep(20)
    }
  }

  /** `undefined`: there is no stream. */
  async #head() {
    if ((await this.#primary.command('EXISTS', KEY)) !== 1) return undefined
    const info = await this.#primary.command('XINFO', 'STREAM', KEY)
    const [epoch, offset] = info[info.indexOf('last-generated-id') + 1].split('-')
    return { epoch, offset: Number(offset) }
  }

  async dispose() {
    await this.#line.close()
    await this.#primary.dispose()
    await this.#replica.dispose()
  }
}
