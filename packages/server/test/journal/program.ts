/**
 * A program that a test runs as a child process: the lines that it has printed, and waiting for them.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A child process, and the lines it has printed. */
export class Program {
  readonly lines: string[] = []
  readonly child: ChildProcess
  readonly #ended: Promise<unknown>
  #waiting: (() => void)[] = []

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
    const ended = once(this.child, 'close')
    this.#ended = ended
    if (!this.child.stdout) throw new Error('no stdout')
    createInterface(this.child.stdout).on('line', (line) => {
      this.lines.push(line)
      for (const resolve of this.#waiting.splice(0)) resolve()
    })
    void ended.then(() => this.#waiting.splice(0).forEach((resolve) => resolve()))
  }

  async until(isReached: (lines: readonly string[]) => boolean): Promise<void> {
    while (!isReached(this.lines)) {
      if (this.child.exitCode !== null) throw new Error(`it ended: ${this.lines.join('\n')}`)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** Its exit code, and all lines are there. */
  async end(): Promise<number | null> {
    await this.#ended
    return this.child.exitCode
  }

  numbers(prefix: string): number[] {
    return this.lines.filter((line) => line.startsWith(prefix)).map((line) => Number(line.slice(prefix.length)))
  }
}
