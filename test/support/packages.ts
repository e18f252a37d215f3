/**
 * The three packed packages, and an empty project that installs them from a registry.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Outcome {
  readonly code: number
  /** Standard output and standard error. */
  readonly text: string
}

/** The environment of a user's shell, without the variables that npm and Vitest set. */
export function shellEnvironment(): NodeJS.ProcessEnv {
  const isOurs = (name: string): boolean =>
    /^npm_(lifecycle|package|command|execpath|node_execpath)|^(INIT_CWD|NODE_ENV|REQUIRE_ALL|TEST)$|^VITEST/.test(name)
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOurs(name)))
}

/** Runs a program to its end. A failure is an outcome and no exception. */
export const runProgram = (program: string, args: readonly string[], cwd: string): Promise<Outcome> =>
  new Promise((resolve) => {
    const options = { cwd, env: shellEnvironment(), maxBuffer: 2 ** 26 }
    execFile(program, args, options, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, text: stdout + stderr })
    })
  })

/** For `describe.skipIf`: whether npm cannot reach its registry. */
export async function lacksRegistry(): Promise<boolean> {
  const { code, text } = await runProgram('npm', ['view', 'ws@8', 'name', '--fetch-retries=1'], ROOT)
  if (code === 0) return false
  const reason = `npm cannot reach its registry: ${text.split('\n')[0] ?? ''}`
  if (process.env['REQUIRE_ALL'] === '1') throw new Error(reason)
  console.warn(`skipped: ${reason}`)
  return true
}

export const temporaryFolder = (name: string): string => mkdtempSync(join(tmpdir(), `lastcall-${name}-`))

/** Packs all three into a folder. Resolves with the paths of the tarballs. */
export async function packAll(folder: string): Promise<string[]> {
  const workspaces = ['@lastcall/protocol', '@lastcall/client', 'lastcall'].flatMap((name) => ['-w', name])
  const { code, text } = await runProgram('npm', ['pack', '--pack-destination', folder, ...workspaces], ROOT)
  if (code !== 0) throw new Error(text)
  return readdirSync(folder)
    .filter((name) => name.endsWith('.tgz'))
    .toSorted()
    .map((name) => join(folder, name))
}
