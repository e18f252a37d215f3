/**
 * A redis-server of its own for a test: on a free port, with a folder of its own, and everything that can happen to one.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { createClient } from '@redis/client'
import { freePort } from './free-port.js'
import { find, lacks } from './programs.js'
import { removeFolder } from './remove-folder.js'

const PROGRAM = find('redis-server')

/** For `describe.skipIf`. */
export const lacksRedis = (): boolean => lacks('redis-server', PROGRAM)

export class RedisServer {
  readonly port: number
  readonly folder = mkdtempSync(join(tmpdir(), 'lastcall-redis-'))
  readonly #args: readonly string[]
  #process: ChildProcess | undefined
  /** A campaign that a signal ends leaves nothing behind. */
  readonly #onExit = (): void => {
    this.#process?.kill('SIGKILL')
    removeFolder(this.folder)
  }

  private constructor(port: number, args: readonly string[]) {
    this.port = port
    this.#args = args
    process.once('exit', this.#onExit)
  }

  /** @param args what is not to be as it is here: nothing is persisted, `FLUSHALL` and `DEBUG` are allowed. */
  static async start(...args: string[]): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), args)
    await server.start()
    return server
  }

  /** A Sentinel with this file, into which it writes what it learns. */
  static async sentinel(config: string): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), [])
    await server.#run([config, '--sentinel', '--port', String(server.port), '--bind', '127.0.0.1'])
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** The id of the process; `undefined` while it does not run. */
  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Starts it, or starts it again with what is on the disk. Resolves when it answers. */
  async start(...more: string[]): Promise<void> {
    const own = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder, '--save', '']
    const args = [...own, '--logfile', 'redis.log', '--enable-debug-command', 'yes', ...this.#args, ...more]
    await this.#run(args)
  }

  async #run(args: readonly string[]): Promise<void> {
    const child = spawn(PROGRAM, args, { stdio: 'ignore' })
    this.#process = child
    for (;;) {
      if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}: see its redis.log`)
      const isUp = await this.command('PING').then(
        () => true,
        // It asks for a password: then it is there.
        (error: unknown) => String(error).includes('NOAUTH'),
      )
      if (isUp) return
      await setTimeout(10)
    }
  }

  /** One command, over a connection of its own. */
  command(...args: string[]): Promise<unknown> {
    return redisCommand({ port: this.port }, args)
  }

  commandAs(login: { readonly username?: string; readonly password: string }, ...args: string[]): Promise<unknown> {
    return redisCommand({ port: this.port, ...login }, args)
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal)
  }

  /** At once, as if the machine had lost its power: only what is on the disk stays. */
  async kill(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  /** Writes everything to a file that `restore` brings back. */
  async snapshot(): Promise<void> {
    await this.command('SAVE')
    copyFileSync(join(this.folder, 'dump.rdb'), join(this.folder, 'older.rdb'))
  }

  /** Kills it, and starts it with the snapshot, or without anything. */
  async restartFromSnapshot(): Promise<void> {
    await this.kill()
    const snapshot = join(this.folder, 'older.rdb')
    if (existsSync(snapshot)) copyFileSync(snapshot, join(this.folder, 'dump.rdb'))
    await this.start()
  }

  async dispose(): Promise<void> {
    process.off('exit', this.#onExit)
    await this.kill()
    removeFolder(this.folder)
  }
}

interface RedisLogin {
  readonly port: number
  readonly host?: string
  readonly username?: string
  readonly password?: string
}

/** One command, over a connection of its own. */
async function redisCommand({ port, host = '127.0.0.1', ...login }: RedisLogin, args: string[]): Promise<unknown> {
  const client = createClient({
    RESP: 2,
    ...login,
    maintNotifications: 'disabled',
    socket: { port, host, reconnectStrategy: false },
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await client.sendCommand(args)
  } finally {
    client.destroy()
  }
}
