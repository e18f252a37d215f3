/** Runs a campaign or a benchmark as a process of its own, and collects what it prints. */
import { execFile } from 'node:child_process'
import { join, resolve as resolvePath } from 'node:path'
import { ROOT } from '../../scripts/repository.js'

export interface ScriptOutcome {
  readonly code: unknown
  /** The standard output, followed by the standard error after a failure. */
  readonly out: string
}

const CAMPAIGNS = join(ROOT, 'dist/e2e')

/** @param script The path of the program, absolute or from the folder of the campaigns. */
export const runScript = (script: string, ...args: readonly string[]): Promise<ScriptOutcome> =>
  new Promise((resolve) => {
    execFile(process.execPath, [resolvePath(CAMPAIGNS, script), ...args], { maxBuffer: 2 ** 24 }, (error, out, err) => {
      resolve({ code: error ? error.code : 0, out: out + (error ? err : '') })
    })
  })
