/**
 * Runs a real HAProxy with the configuration of deploy/haproxy, and with a fourth server `d` after its three.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ROOT } from '../../scripts/repository.js'

const CONFIGURATION = join(ROOT, 'deploy/haproxy/haproxy.cfg')
/** Debian has it where only administrators are thought to look. */
const PATH = `${process.env['PATH']}:/usr/sbin:/usr/local/sbin`
const TIMEOUT_MS = 30_000
/** Each takes two descriptors. */
const MAX_CONNECTIONS = 2000

export interface HaProxyOptions {
  /** For its configuration. */
  readonly folder: string
  readonly port: number
  /** The ports of the servers a, b, c and d. */
  readonly servers: readonly [a: number, b: number, c: number, d: number]
}

export class HaProxy {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  readonly #lines: string[] = []
  readonly #waiting = new Set<() => void>()

  constructor({ folder, port, servers }: HaProxyOptions) {
    const [a, b, c, d] = servers.map((each) => `127.0.0.1:${each}`)
    const file = join(folder, 'haproxy.cfg')
    writeFileSync(file, `${readFileSync(CONFIGURATION, 'utf8')}    server d ${d}\n`)
    const child = spawn('haproxy', ['-db', '-n', String(MAX_CONNECTIONS), '-f', file], {
      env: { PATH, LASTCALL_BIND: `127.0.0.1:${port}`, LASTCALL_A: a, LASTCALL_B: b, LASTCALL_C: c },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    this.#ended = once(child, 'exit')
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.#lines.push(line)
        for (const look of this.#waiting) look()
      })
    }
  }

  /** What it was asked for, as it logged it: status and server of each request. */
  get lines(): readonly string[] {
    return this.#lines
  }

  /**
   * Resolves when a server is UP or DOWN by the last line about it. HAProxy takes every server for UP at first and logs no line
   * about a server that listens before two of its checks have failed.
   */
  async sees(server: string, state: 'UP' | 'DOWN'): Promise<void> {
    const isThere = (): boolean =>
      (this.#lines.findLast((line) => line.includes(`lastcall/${server} is `)) ?? 'is UP').includes(`is ${state}`)
    if (isThere()) return
    await new Promise<void>((resolve, reject) => {
      const overdue = setTimeout(
        () => reject(new Error(`HAProxy does not see ${server} ${state}:\n${this.#lines.slice(-20).join('\n')}`)),
        TIMEOUT_MS,
      )
      const look = (): void => {
        if (!isThere()) return
        clearTimeout(overdue)
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      void this.#ended.then(() => reject(new Error(`HAProxy ended:\n${this.#lines.slice(-20).join('\n')}`)))
    })
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    await this.#ended
  }
}
