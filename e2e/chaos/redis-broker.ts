/**
 * The Redis of a run: a server of its own with a replica that receives everything through a line of its own, and their faults.
 * Every acknowledged write is on the disk, so that `kill -9` loses nothing.
 */
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { RedisServer } from '../../packages/server/test/support/redis-server.js'
import { CALM, FaultProxy } from './fault-proxy.js'
import type { Head } from './history.js'

/** The instances and the test itself tell one journal from another by this. */
const KEY = '{lastcall}:chaos'
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always', '--repl-diskless-sync-delay', '0']
const APPEND_ONLY = 'appendonlydir'
const TIMEOUT_MS = 30_000

/** The reply of XINFO STREAM: names and values in turn. */
const streamInfo = z.array(z.unknown())

export type RedisFault = 'restart' | 'pause' | 'flush' | 'rollback' | 'promote'

export class RedisBroker {
  readonly kind = 'redis'
  /** By weight. */
  readonly faults: Readonly<Record<RedisFault, number>> = { restart: 3, pause: 2, flush: 1, rollback: 2, promote: 2 }
  /** The faults after which confirmed entries are gone. */
  readonly losses: ReadonlySet<string> = new Set<RedisFault>(['flush', 'rollback', 'promote'])
  /** The server that instances are connected with, and its replica. */
  #primary: RedisServer
  #replica: RedisServer
  readonly #line = new FaultProxy({
    target: () => (this.#isLineOpen ? this.#primary.port : undefined),
    nextFate: () => CALM,
  })
  #linePort = 0
  #isLineOpen = true

  private constructor(primary: RedisServer, replica: RedisServer) {
    this.#primary = primary
    this.#replica = replica
  }

  static async start(): Promise<RedisBroker> {
    const broker = new RedisBroker(await RedisServer.start(...DURABLE), await RedisServer.start(...DURABLE))
    broker.#linePort = await broker.#line.listen()
    await broker.#replicate()
    return broker
  }

  /** The port of the server that instances are connected with. */
  get port(): number {
    return this.#primary.port
  }

  /** JOURNAL_URL through this port. */
  urlBy(port: number): string {
    return `redis://127.0.0.1:${port}/0?key=${encodeURIComponent(KEY)}`
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    await this.#primary.kill()
  }

  /** With everything that it stored. */
  async start(): Promise<void> {
    await this.#primary.start()
  }

  async pause(forMs: number): Promise<void> {
    this.#primary.signal('SIGSTOP')
    await sleep(forMs)
    this.#primary.signal('SIGCONT')
  }

  /** Empties it. */
  async flush(): Promise<void> {
    await this.#primary.command('FLUSHALL')
  }

  /** Copies its present contents, for `rollBack`. */
  save(): void {
    this.#primary.signal('SIGSTOP')
    rmSync(this.#saved, { recursive: true, force: true })
    cpSync(join(this.#primary.folder, APPEND_ONLY), this.#saved, { recursive: true })
    this.#primary.signal('SIGCONT')
  }

  get #saved(): string {
    return join(this.#primary.folder, 'saved')
  }

  /** Kills it, and starts it with the contents that `save` copied. Resolves with its head. No instance may be connected. */
  async rollBack(): Promise<Head | undefined> {
    const live = join(this.#primary.folder, APPEND_ONLY)
    await this.#primary.kill()
    rmSync(live, { recursive: true, force: true })
    cpSync(this.#saved, live, { recursive: true })
    await this.#primary.start()
    return await this.#head()
  }

  /** From now on the replica receives nothing. */
  holdReplica(): void {
    this.#isLineOpen = false
    this.#line.outage('rst')
  }

  followAgain(): void {
    this.#isLineOpen = true
  }

  /** Kills the primary; the replica takes its place, and it becomes the replica. Resolves with the new head. */
  async promote(): Promise<Head | undefined> {
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

  async #replicate(): Promise<void> {
    await this.#replica.command('REPLICAOF', '127.0.0.1', String(this.#linePort))
  }

  /** Resolves when the replica has everything that the primary had at the call. */
  async replicated(): Promise<void> {
    const deadline = performance.now() + TIMEOUT_MS
    for (;;) {
      const info = String(await this.#replica.command('INFO', 'replication'))
      if (info.includes('master_link_status:up')) return
      if (performance.now() > deadline) throw new Error(`the replica does not follow:\n${info}`)
      await sleep(20)
    }
  }

  /** `undefined`: there is no stream. */
  async #head(): Promise<Head | undefined> {
    if ((await this.#primary.command('EXISTS', KEY)) !== 1) return undefined
    const info = streamInfo.parse(await this.#primary.command('XINFO', 'STREAM', KEY))
    const [epoch = '', offset] = String(info[info.indexOf('last-generated-id') + 1]).split('-')
    return { epoch, offset: Number(offset) }
  }

  async dispose(): Promise<void> {
    await this.#line.close()
    await this.#primary.dispose()
    await this.#replica.dispose()
  }
}
