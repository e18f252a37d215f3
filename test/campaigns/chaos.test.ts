/**
 * A short chaos with the real command, the defects that it must find, and the publisher that loses its connection before
 * the ack. `npm run chaos` and `npm run cut-before-ack` run longer.
 */
import { describe, expect, test } from 'vitest'
import { runScript } from './run-script.js'

// One server with tokens, two with a short history, and two that retain every entry.
test('the servers lose no message, deliver none twice, and keep one order across cuts and kills', async () => {
  const { code, out } = await runScript('chaos.js', '--seed', '114', '--seeds', '3', '--seconds', '4')
  expect(code, out).toBe(0)
  expect(out).toMatch(/^no violation$/m)
  // The run contains activity.
  const [, published, faults] = /^3 seeds: (\d+) published, .* (\d+) faults/m.exec(out) ?? []
  expect(Number(published)).toBeGreaterThan(100)
  expect(Number(faults)).toBeGreaterThan(10)
}, 180_000)

describe('the chaos', () => {
  test.each(['dedup', 'catch-up', 'pretend'])(
    'finds the defect %s',
    async (defect) => {
      const { code, out } = await runScript(
        'chaos.js',
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

  test('rejects an unknown defect', async () => {
    const { code, out } = await runScript('chaos.js', '--break', 'nothing')
    expect(code).toBe(1)
    expect(out).toContain('--break is one of dedup, catch-up')
  })
})

test('the journal has each message of a publisher that loses its connection before the ack once', async () => {
  const { code, out } = await runScript('cut-before-ack.mjs', '--times', '300', '--seed', '1')
  expect(code, out).toBe(0)
  expect(out).toMatch(/\b300 in the journal\neach once$/m)
}, 180_000)
