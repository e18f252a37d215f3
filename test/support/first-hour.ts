/**
 * A fresh checkout, the snippets of a README, and a shell that runs them.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { cpSync, readFileSync } from 'node:fs'
import { once } from 'node:events'
import { basename, join } from 'node:path'
import { ROOT, shellEnvironment } from './packages.js'

/** The snippets of a document in one language (`sh`, `js`), unchanged and in order. */
export function snippetsOf(document: string, language: string): string[] {
  const text = readFileSync(join(ROOT, document), 'utf8')
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, code = '']) => code)
}

const NOT_COPIED = new Set(['node_modules', 'dist', 'data', '.git', 'coverage'])

/** The files of this checkout without what is installed or built. */
export function copyCheckout(to: string): void {
  cpSync(ROOT, to, {
    recursive: true,
    filter: (source) => !NOT_COPIED.has(basename(source)) && !source.endsWith('.tsbuildinfo'),
  })
}

/** A shell in a process group of its own, so that all that was started in it ends with it. */
export class Terminal {
  output = ''
  readonly #shell: ChildProcess
  readonly #closed: Promise<unknown>
  readonly #watchers = new Set<() => void>()

  private constructor(shell: ChildProcess) {
    this.#shell = shell
    this.#closed = once(shell, 'close')
    for (const stream of [shell.stdout, shell.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
        for (const look of this.#watchers) look()
      })
    }
    void this.#closed.then(() => {
      for (const look of this.#watchers) look()
    })
  }

  /** Runs a script in `cwd`. Later input goes to the programs of the script. */
  static run(script: string, cwd: string, env: Readonly<Record<string, string>> = {}): Terminal {
    const options = { cwd, env: { ...shellEnvironment(), ...env }, detached: true }
    return new Terminal(spawn('bash', ['-c', script], { ...options, stdio: ['pipe', 'pipe', 'pipe'] }))
  }

  type(line: string): void {
    this.#shell.stdin?.write(`${line}\n`)
  }

  /** Resolves when the output contains this text. Rejects when the shell ends without it. */
  async shows(wanted: string | RegExp): Promise<void> {
    const has = (): boolean => (typeof wanted === 'string' ? this.output.includes(wanted) : wanted.test(this.output))
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (has()) resolve()
        else if (this.#shell.exitCode !== null) reject(new Error(`it ended without ${String(wanted)}:\n${this.output}`))
      }
      this.#watchers.add(look)
      look()
    })
  }

  /** Sends Ctrl-C or another signal to the process group. */
  signal(signal: NodeJS.Signals): void {
    if (this.#shell.pid === undefined) return
    try {
      process.kill(-this.#shell.pid, signal)
    } catch {
      // The group has ended.
    }
  }

  /** Resolves with the exit code when every process with this output has ended. */
  async ended(): Promise<number | null> {
    await this.#closed
    return this.#shell.exitCode
  }
}
