/**
 * The lint rules that make time and randomness parameters, tested with code that breaks them.
 */
import { ESLint, Linter } from 'eslint'
import { describe, expect, test } from 'vitest'

/** Code and the rule that must reject it. */
const FORBIDDEN: readonly (readonly [string, string])[] = [
  ['Date.now()', 'no-restricted-properties'],
  ['new Date()', 'no-restricted-syntax'],
  ['Date()', 'no-restricted-syntax'],
  ['performance.now()', 'no-restricted-properties'],
  ['process.hrtime()', 'no-restricted-properties'],
  ['process.nextTick(() => undefined)', 'no-restricted-properties'],
  ['Math.random()', 'no-restricted-properties'],
  ['crypto.randomUUID()', 'no-restricted-properties'],
  ['crypto.getRandomValues(new Uint8Array(1))', 'no-restricted-properties'],
  ['AbortSignal.timeout(1)', 'no-restricted-properties'],
  ['setTimeout(() => undefined, 1)', 'no-restricted-globals'],
  ['setInterval(() => undefined, 1)', 'no-restricted-globals'],
  ['setImmediate(() => undefined)', 'no-restricted-globals'],
  ['queueMicrotask(() => undefined)', 'no-restricted-globals'],
  ["import 'node:timers/promises'", 'no-restricted-imports'],
  ["import { performance } from 'node:perf_hooks'", 'no-restricted-imports'],
  ["import { randomBytes } from 'node:crypto'", 'no-restricted-imports'],
]

const eslint = new ESLint({ cwd: new URL('..', import.meta.url).pathname })

/** The rules on time and randomness for this file. The other rules need the types of the repository, which take seconds. */
async function restrictionsOf(file: string): Promise<Linter.RulesRecord> {
  const { rules } = (await eslint.calculateConfigForFile(file)) as { rules: Linter.RulesRecord }
  return Object.fromEntries(Object.entries(rules).filter(([name]) => name.startsWith('no-restricted-')))
}

const rulesBrokenBy = (code: string, rules: Linter.RulesRecord): (string | null)[] =>
  new Linter().verify(code, [{ rules }]).map(({ ruleId }) => ruleId)

describe.each(['server/src/hub/feed.ts', 'server/src/config/load-config.ts', 'client/src/core.ts'])('in %s', (file) => {
  test.each(FORBIDDEN)('the linter rejects %s', async (code, rule) => {
    expect(rulesBrokenBy(code, await restrictionsOf(`packages/${file}`))).toContain(rule)
  })
})

test('the linter accepts the clock and the randomness of the system', async () => {
  expect(rulesBrokenBy('Date.now()', await restrictionsOf('packages/server/src/clock.ts'))).toEqual([])
  expect(rulesBrokenBy('Math.random()', await restrictionsOf('packages/client/src/randomness.ts'))).toEqual([])
})

test('the linter accepts a date that is built from the time of a clock', async () => {
  const rules = await restrictionsOf('packages/server/src/hub/frames.ts')
  expect(rulesBrokenBy('new Date(5).toISOString()', rules)).toEqual([])
})
