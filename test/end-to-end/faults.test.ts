/**
 * The fault matrix of docs/operations.md with few messages: `npm run faults -- --short`. It names every row there is.
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const SCRIPT = fileURLToPath(new URL('../../e2e/faults.mjs', import.meta.url))
const OPERATIONS = fileURLToPath(new URL('../../docs/operations.md', import.meta.url))

interface Outcome {
  readonly code: unknown
  readonly out: string
}

const faults = (...args: readonly string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    execFile(process.execPath, [SCRIPT, ...args], (error, out, err) => {
      resolve({ code: error ? error.code : 0, out: out + err })
    })
  })

test('a server keeps what it promises in every row of the fault matrix', { timeout: 400_000 }, async () => {
  const { code, out } = await faults('--short')
  expect(code, out).toBe(0)
  for (const line of out.split('\n').filter((each) => /\b(skipped|in part)\b {2}/.test(each))) console.warn(line)
  const rows = out.split('\n').flatMap((line) => /^([a-z-]+) +(?:kept|skipped) /.exec(line)?.[1] ?? [])
  const documented = [...readFileSync(OPERATIONS, 'utf8').matchAll(/^\| `([a-z-]+)` +\|.*npm run faults/gm)]
  expect(documented.map(([, row]) => row)).toEqual(rows)
})

test('a row that does not exist is named', async () => {
  const { code, out } = await faults('full-moon')
  expect(code).toBe(1)
  expect(out).toContain('full-moon: a row is one of full-disk, read-only-disk')
})
