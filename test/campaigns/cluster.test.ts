/**
 * Three instances over one Redis: a short chaos, a defect that it must find, an outage, and many joins. e2e/README.md
 * describes longer runs and those over RabbitMQ.
 */
import { describe, expect, test } from 'vitest'
import { lacksRedis } from '../../packages/server/test/support/redis-server.js'
import { runScript } from './run-script.js'

const TIMEOUT_MS = 300_000

describe.skipIf(lacksRedis())('three instances over Redis', () => {
  // With seed 6 a replica that lags is promoted, with seed 8 Redis starts again with older data.
  test.each(['6', '8'])(
    'keep their guarantees across cuts, kills and losses: seed %s',
    async (seed) => {
      const { code, out } = await runScript('chaos.js', '--journal', 'redis', '--seed', seed, '--seconds', '5')
      expect(code, out).toBe(0)
      expect(out).toMatch(/^no violation$/m)
    },
    TIMEOUT_MS,
  )

  test(
    'are found if they do not compare their log with that of Redis',
    async () => {
      const args = ['--journal', 'redis', '--break', 'log-matching', '--seed', '6', '--seeds', '20', '--seconds', '5']
      const { code, out } = await runScript('chaos.js', ...args)
      expect(code, out).toBe(0)
      expect(out).toContain('the defect log-matching was found')
    },
    2 * TIMEOUT_MS,
  )

  test(
    'keep their clients connected during an outage and serve them after it',
    async () => {
      const { code, out } = await runScript('outage.mjs', '--outage', '3', '--clients', '90', '--untimed')
      expect(code, out).toBe(0)
      expect(out).toMatch(/^everybody stayed, and was served$/m)
    },
    TIMEOUT_MS,
  )
})

test(
  'many joins evict no message from the history',
  async () => {
    const { code, out } = await runScript(
      'joins.mjs',
      '--connections',
      '60',
      '--channels',
      '100',
      '--joiners',
      '60',
      '--untimed',
    )
    expect(code, out).toBe(0)
    expect(out).toMatch(/^everything is kept$/m)
  },
  TIMEOUT_MS,
)
