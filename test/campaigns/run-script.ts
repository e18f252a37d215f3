/** Runs a script of e2e/ as a process of its own, and collects what it prints. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface ScriptOutcome {
  readonly code: unknown
  /** The standard output; after a failure, the standard error behind it. */
  readonly out: string
}

export const runScript = (script: string, ...args: readonly string[]): Promise<ScriptOutcome> =>
  new Promise((resolve) => {
    const file = fileURLToPath(new URL(`../../e2e/${script}`, import.meta.url))
    execFile(process.execPath, [file, ...args], { maxBuffer: 2 ** 24 }, (error, out, err) => {
      resolve({ code: error ? error.code : 0, out: out + (error ? err : '') })
    })
  })
