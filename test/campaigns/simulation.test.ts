/**
 * The simulation: a few hundred seeds keep every guarantee, the checker finds each built-in defect, and a seed determines its
 * history. `npm run simulate` runs more seeds.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import type { ScriptOutcome } from './run-script.js'
import { removeFolder } from '../../packages/server/test/support/remove-folder.js'

const MAIN = fileURLToPath(new URL('../../dist/simulation/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'lastcall-simulation-'))

afterAll(() => removeFolder(folder))

const simulate = (...args: readonly string[]): Promise<ScriptOutcome> =>
  new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { maxBuffer: 2 ** 24 }, (error, out, err) => {
      resolve({ code: error ? error.code : 0, out: out + (error ? err : '') })
    })
  })

test('300 seeds lose no acknowledged message and deliver none twice', async () => {
  const { code, out } = await simulate('--seed', '1', '--count', '300')
  expect(code, out).toBe(0)
  const [, events] = /^300 seeds, (\d+) events in .*: no violation$/m.exec(out) ?? []
  // The run contains activity.
  expect(Number(events)).toBeGreaterThan(30_000)
}, 600_000)

describe('the simulation', () => {
  test.each(['dedup', 'catch-up', 'pretend', 'ack-before-durable'])(
    'finds the defect %s and shortens its history',
    async (defect) => {
      const { code, out } = await simulate('--break', defect, '--seed', '1', '--count', '1000')
      expect(code, out).toBe(0)
      expect(out).toContain(`the defect ${defect} was found`)
      expect(out).toMatch(/^the shortest: \d instances, \d clients, \d+ steps$/m)
    },
    600_000,
  )

  test('rejects an unknown defect', async () => {
    const { code, out } = await simulate('--break', 'nothing')
    expect(code).toBe(1)
    expect(out).toContain('--break is one of dedup, catch-up')
  })
})

test.each([3, 45, 260])(
  'seed %s has the same history twice, byte for byte',
  async (seed) => {
    const [one, other] = ['one', 'other'].map((name) => join(folder, `${name}-${seed}.json`)) as [string, string]
    for (const file of [one, other]) {
      const { code, out } = await simulate('--seed', String(seed), '--history', file)
      expect(code, out).toBe(0)
    }
    expect(readFileSync(one).length).toBeGreaterThan(10_000)
    expect(readFileSync(one).equals(readFileSync(other))).toBe(true)
  },
  120_000,
)
