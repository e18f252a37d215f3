/**
 * A short chaos with the real command; that it finds defects that are built in; and the publisher that is cut off before
 * its ack. Long ones: npm run chaos, npm run cut-before-ack.
 */
import { describe, expect, test } from 'vitest'
import { runScript } from './run-script.js'

// One server with tokens, two of which little is kept, two of which everything is.
test('nothing is lost, nothing comes twice, and there is one order, whatever is cut and killed', async () => {
  const { code, out } = await runScript('chaos.mjs', '--seed', '114', '--seeds', '3', '--seconds', '4')
  expect(code, out).toBe(0)
  expect(out).toMatch(/^no violation$/m)
  // Something has happened.
  const [, published, faults] = /^3 seeds: (\d+) published, .* (\d+) faults/m.exec(out) ?? []
  expect(Number(published)).toBeGreaterThan(100)
  expect(Number(faults)).toBeGreaterThan(10)
}, 180_000)

describe('a defect is found', () => {
  test.each(['dedup', 'catch-up', 'pretend'])(
    '%s',
    async (defect) => {
      const { code, out } = await runScript(
        'chaos.mjs',
        '--break',
        defect,
        '--seed',
        '115',
        '--seeds',
        '8',
        '--seconds',
        '3',
      )
      expect(code, out).toBe(0)
      expect(out).toContain(`the defect ${defect} was found`)
    },
    180_000,
  )

  test('one that is not there, is not', async () => {
    const { code, out } = await runScript('chaos.mjs', '--break', 'nothing')
    expect(code).toBe(1)
    expect(out).toContain('--break is one of dedup, catch-up')
  })
})

test('each message of a publisher that is cut off before its ack is in the journal once', async () => {
  const { code, out } = await runScript('cut-before-ack.mjs', '--times', '300', '--seed', '1')
  expect(code, out).toBe(0)
  expect(out).toMatch(/\b300 in the journal\neach once$/m)
}, 60_000)
