/**
 * The real command as a process of its own, on a free port and with a file journal. It keeps both when the test restarts it.
 * The end of the test kills the processes that still run.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { removeFolder } from '../../packages/server/test/support/remove-folder.js'

const COMMAND = fileURLToPath(new URL('../../packages/server/bin/lastcall.js', import.meta.url))

type Variables = Readonly<Record<string, string>>

export class Command {
  readonly #variables: Variables
  #process: ChildProcess | undefined
  #port = 0

  private constructor(variables: Variables) {
    this.#variables = variables
  }

  /** Starts the command. Resolves when it listens. `variables` is its configuration, where it differs from the defaults. */
  static async start(variables: Variables = {}): Promise<Command> {
    const place = mkdtempSync(join(tmpdir(), 'lastcall-'))
    const command = new Command({ HOST: '127.0.0.1', JOURNAL_URL: `file:${join(place, 'journal')}`, ...variables })
    onTestFinished(async () => {
      await command.stop('SIGKILL')
      // After SIGKILL a worker may still write for a moment, until it notices that its primary has gone.
      removeFolder(place)
    })
    await command.startAgain()
    return command
  }

  get pageUrl(): string {
    return `http://127.0.0.1:${this.#port}/`
  }

  get webSocketUrl(): string {
    return `ws://127.0.0.1:${this.#port}/ws`
  }

  /** Starts the same server again after its end. Resolves when it listens. */
  async startAgain(): Promise<void> {
    const env = { ...this.#variables, PORT: String(this.#port), LOG_FORMAT: 'json' }
    const child = spawn(process.execPath, [COMMAND], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    this.#process = child
    const lines: string[] = []
    this.#port = await new Promise((resolve, reject) => {
      createInterface({ input: child.stdout })
        .on('line', (line) => {
          lines.push(line)
          const { event, port } = JSON.parse(line) as { event: string; port: number }
          if (event === 'listening') resolve(port)
        })
        .on('close', () => reject(new Error(`it never listened:\n${lines.join('\n')}`)))
    })
  }

  /** Sends a signal that does not end the command, such as SIGHUP. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal)
  }

  /** Sends the signal and waits for the end. Resolves with the exit code, or `null` after SIGKILL. */
  async stop(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#process
    if (!child) return null
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit')
      child.kill(signal)
      await exited
    }
    return child.exitCode
  }
}
