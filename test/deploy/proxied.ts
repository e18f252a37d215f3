/**
 * Two real servers over one file journal, and a real proxy before them.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { Command } from '../../packages/server/test/support/command.js'
import { TestClient } from '../../packages/server/test/support/test-client.js'
import { removeFolder } from '../../packages/server/test/support/remove-folder.js'

const ADMIN_TOKEN = 'a token for the tests'

/** A folder for this test, removed after it. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-deploy-'))
  onTestFinished(() => removeFolder(folder))
  return folder
}

export async function twoServers(): Promise<readonly [Command, Command]> {
  const env = {
    JOURNAL_URL: `file:${join(temporaryFolder(), 'journal')}`,
    // The proxies' files require this: a proxy tries a client that one server rejects at another server.
    REJECT_WITH: 'http',
    ADMIN_TOKEN,
    SESSION_SECRET: 'the same on both, and long enough to be one',
  }
  return [await Command.serving({ ...env, BUILD: 'a' }), await Command.serving({ ...env, BUILD: 'b' })]
}

/** Begins or cancels a shutdown of this server. */
export async function askForShutdown(server: Command, method: 'POST' | 'DELETE'): Promise<void> {
  const url = new URL('api/shutdown', server.httpUrl)
  const answer = await fetch(url, { method, headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })
  if (!answer.ok) throw new Error(await answer.text())
}

export class Proxy {
  readonly port: number
  /** The lines of the proxy's standard output and standard error. */
  readonly lines: string[] = []
  readonly #checks = new Set<() => void>()

  private constructor(port: number) {
    this.port = port
  }

  /** Starts a proxy that ends with the test. Resolves when a server behind it is ready. */
  static async start(
    port: number,
    program: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Proxy> {
    const proxy = new Proxy(port)
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    const exited = once(child, 'close')
    onTestFinished(async () => {
      child.kill('SIGTERM')
      await exited
    })
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', (line) => {
        proxy.lines.push(line)
        for (const check of [...proxy.#checks]) check()
      })
    }
    while (!(await proxy.get('ready').catch(() => undefined))?.ok) {
      if (child.exitCode !== null) throw new Error(`the proxy has ended: ${proxy.lines.join('\n')}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return proxy
  }

  get(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.port}/${path}`)
  }

  /** Waits for a line that contains the text, among the lines from index `from` on. */
  logged(text: string, from = 0): Promise<string> {
    return new Promise((resolve) => {
      const check = (): void => {
        const line = this.lines.slice(from).find((each) => each.includes(text))
        if (line === undefined) return
        this.#checks.delete(check)
        resolve(line)
      }
      this.#checks.add(check)
      check()
    })
  }

  /** Connects a client through the proxy and waits for its welcome. */
  async connect(path: string): Promise<TestClient> {
    const client = await TestClient.connect(`ws://127.0.0.1:${this.port}/ws/${path}`)
    await client.first('welcome')
    return client
  }
}

/** The name of the instance that accepted this client. */
export const nodeOf = async (client: TestClient): Promise<string> => (await client.first('welcome')).node

/** The name of this server's instance. */
export const nameOf = async (server: Command): Promise<string> => (await server.logged('listening'))['node'] as string

/** Connects clients through the proxy until each server has one. */
export async function oneOfEach(
  proxy: Proxy,
  servers: readonly [Command, Command],
): Promise<readonly [TestClient, TestClient]> {
  const names = [await nameOf(servers[0]), await nameOf(servers[1])]
  const found = new Map<string, TestClient>()
  for (let count = 0; found.size < 2; count++) {
    if (count === 20) throw new Error('the proxy sent all clients to the same server')
    const client = await proxy.connect(`guest-${count}?token=hidden`)
    found.set(await nodeOf(client), client)
  }
  return names.map((name) => found.get(name)) as unknown as readonly [TestClient, TestClient]
}
