/**
 * The fault matrix of docs/operations.md with few messages: `npm run faults -- --short`. The script lists every row.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { runScript } from './run-script.js'

const OPERATIONS = fileURLToPath(new URL('../../docs/operations.md', import.meta.url))

test('the server keeps its guarantees in every row of the fault matrix', { timeout: 400_000 }, async () => {
  const { code, out } = await runScript('faults.mjs', '--short')
  expect(code, out).toBe(0)
  for (const line of out.split('\n').filter((each) => /\b(skipped|in part)\b {2}/.test(each))) console.warn(line)
  const rows = out.split('\n').flatMap((line) => /^([a-z-]+) +(?:kept|skipped) /.exec(line)?.[1] ?? [])
  const documented = [...readFileSync(OPERATIONS, 'utf8').matchAll(/^\| `([a-z-]+)` +\|.*npm run faults/gm)]
  expect(documented.map(([, row]) => row)).toEqual(rows)
})

test('the script rejects an unknown row by its name', async () => {
  const { code, out } = await runScript('faults.mjs', 'full-moon')
  expect(code).toBe(1)
  expect(out).toContain('full-moon: a row is one of full-disk, read-only-disk')
})
